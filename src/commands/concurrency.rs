//! What may run beside a phase: by the graph, by what is built in, by the skill of that name.

use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::Context;
use crate::error::Failure;
use crate::record::SkillConfig;
use crate::rules::{Board, PhaseId, graph::Concurrency};

/// The most bytes of a configuration or a skill.
const MAX_TEXT_BYTES: u64 = 1024 * 1024;
/// What a phase is that nothing is known of.
const DEFAULT: Concurrency = Concurrency::Write;

/// The concurrency of every phase, in the board's order.
///
/// # Errors
/// What the system says.
pub(super) fn of_all(context: &Context, board: &Board) -> Result<Vec<Concurrency>, Failure> {
    let roots = skill_roots(context)?;
    let of = |id| {
        let skill = |name: &str| roots.iter().find_map(|root| of_skill(root, name));
        known(board, id).or_else(|| skill(&board.graph.phase(id).name)).unwrap_or(DEFAULT)
    };
    Ok(board.graph.ids().map(of).collect())
}

/// What runs beside the phase `id`.
///
/// # Errors
/// What the system says.
pub(super) fn of(context: &Context, board: &Board, id: PhaseId) -> Result<Concurrency, Failure> {
    if let Some(known) = known(board, id) {
        return Ok(known);
    }
    let name = &board.graph.phase(id).name;
    let of_skill = skill_roots(context)?.iter().find_map(|root| of_skill(root, name));
    Ok(of_skill.unwrap_or(DEFAULT))
}

/// What the graph says of it, or what is built in.
pub(super) fn known(board: &Board, id: PhaseId) -> Option<Concurrency> {
    let phase = board.graph.phase(id);
    phase.concurrency.or_else(|| Concurrency::built_in(&phase.name))
}

/// Where skills are looked for, in this order: the configured roots, the store, the user's.
fn skill_roots(context: &Context) -> Result<Vec<PathBuf>, Failure> {
    let store = context.store_path();
    let config: SkillConfig =
        read_config(store)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    let mut roots = Vec::new();
    for root in config.skill_roots {
        match (root.strip_prefix("~/"), &home) {
            (Some(rest), Some(home)) => roots.push(home.join(rest)),
            (Some(_), None) => {}
            (None, _) => roots.push(context.place.project.join(root)),
        }
    }
    roots.push(store.join("skills"));
    if let Some(home) = home {
        roots.push(home.join(".claude/skills"));
        roots.push(home.join(".agents/skills"));
    }
    Ok(roots)
}

/// The store's `config.json`; `None` if there is none.
pub(super) fn read_config(store: &Path) -> Result<Option<String>, Failure> {
    use crate::store::{CheckedDir, disk::DiskDir, layout::CONFIG};
    let dir = match DiskDir::open(store) {
        Ok(dir) => CheckedDir::new(dir, store.display().to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Failure::io(error, format!("cannot open the store '{}'", store.display())));
        }
    };
    let bytes = dir.read(CONFIG, MAX_TEXT_BYTES)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The `concurrency` in the front matter of a skill; `None` if there is no such skill or word.
fn of_skill(root: &Path, phase: &str) -> Option<Concurrency> {
    let mut text = String::new();
    // A FIFO does not hold us up.
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(root.join(phase).join("SKILL.md"))
        .ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    file.take(MAX_TEXT_BYTES).read_to_string(&mut text).ok()?;
    front_matter(&text)
}

/// Reads `concurrency: WORD` between the first two lines of `---` of a `SKILL.md`; the first such
/// word counts. `None` if there is none, or no such part.
#[must_use]
pub fn front_matter(text: &str) -> Option<Concurrency> {
    let mut lines = text.lines();
    if lines.next()?.trim_end() != "---" {
        return None;
    }
    lines.take_while(|line| line.trim_end() != "---").find_map(|line| {
        let value = line.strip_prefix("concurrency:")?;
        Concurrency::parse(value.trim().trim_matches(['"', '\'']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_matter_is_read_and_nothing_below_it() {
        assert_eq!(front_matter("---\nname: x\nconcurrency: read\n---\n"), Some(Concurrency::Read));
        assert_eq!(
            front_matter("---\nconcurrency: \"exclusive\"\n---"),
            Some(Concurrency::Exclusive)
        );
        assert_eq!(front_matter("---\nname: x\n---\nconcurrency: read\n"), None);
        assert_eq!(front_matter("concurrency: read\n"), None);
        assert_eq!(front_matter("---\nconcurrency: often\n---\n"), None);
    }
}
