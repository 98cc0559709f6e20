//! `batch`: the phases in execution order, readers together.

use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Context;
use super::session::{Answered, Session};
use crate::error::Failure;
use crate::record::{SkillConfig, VERSION};
use crate::rules::{Board, PhaseId, Refusal, graph::Concurrency};
use crate::ui::output::one_line;
use crate::ui::{Answer, Format, Messages};

/// A configuration or a skill is no longer than this, in bytes.
const LONGEST: u64 = 1024 * 1024;
/// What a phase is that nothing is known of.
const DEFAULT: Concurrency = Concurrency::Write;

/// Show the phases in order, those that may run side by side together
///
/// Prints one JSON object a line, with the keys batch, type and phases. Phases
/// of type read that are open at the same time make one batch; any other makes
/// one of its own. This informs; claims do not enforce it.
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment, after_help = "Examples:\n  git conductor batch")]
pub(super) struct BatchArgs {}

impl BatchArgs {
    /// Groups the phases of the current sprint.
    pub(super) fn run(self, session: &mut Session) -> Answered {
        let context = &session.store()?;
        let board = context.store.states()?.ok_or(Refusal::NoSprint {})?;
        let roots = skill_roots(context)?;
        let concurrency: Vec<Concurrency> = board
            .graph
            .ids()
            .map(|id| {
                let skill = |name: &str| roots.iter().find_map(|root| of_skill(root, name));
                known(&board, id).or_else(|| skill(&board.graph.phase(id).name)).unwrap_or(DEFAULT)
            })
            .collect();
        let batches = board.graph.batches(|id| concurrency[id.index()]);
        let named = batches.into_iter().map(|batch| {
            let names = batch.phases.iter().map(|id| board.graph.phase(*id).name.clone()).collect();
            (batch.kind, names)
        });
        Ok(Box::new(Batches(named.collect())))
    }
}

/// The phases in execution order.
struct Batches(Vec<(Concurrency, Vec<String>)>);

impl Batches {
    fn list(&self) -> Vec<Value> {
        let batch = |(n, (kind, phases)): (usize, &(Concurrency, Vec<String>))| json!({"batch": n + 1, "type": kind, "phases": phases});
        self.0.iter().enumerate().map(batch).collect()
    }
}

impl Answer for Batches {
    fn text(&self, _: Format, _: &mut Messages) -> String {
        self.list().iter().map(one_line).collect()
    }

    fn json(&self, _: Format) -> Value {
        json!({"v": VERSION, "ok": true, "batches": self.list()})
    }
}

/// What runs beside the phase `id`.
///
/// # Errors
/// What the system says.
pub(super) fn concurrency(
    context: &Context,
    board: &Board,
    id: PhaseId,
) -> Result<Concurrency, Failure> {
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
    let bytes = dir.read(CONFIG, LONGEST)?;
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
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    front_matter(&text)
}

/// Reads `concurrency: WORD` between the first two lines of `---` of a `SKILL.md`; the first such word
/// counts. `None` if there is none, or no such part.
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
