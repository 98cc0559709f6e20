//! What an asker could write next on a command line, from the live board, for the shells'
//! completion. It takes no lock and changes nothing.
//!
//! A board can come from anywhere, and what is offered here a shell puts on a command line: only
//! [plain](is_plain) words are.

use super::context::StoreAccess;
use super::{Context, Global};
use crate::error::Failure;
use crate::record::salvage::Salvage;
use crate::record::sprint_time;
use crate::rules::rows::{BoardRow, BoardRows};
use crate::rules::{Board, Change, Life, Request, State, decide, rounds, spec};

/// Names of agents are no longer, in bytes; longer ones are not offered.
const MAX_WORD_BYTES: usize = 128;

/// So many sprints are offered.
const MAX_SPRINTS: usize = 50;

/// So many branches and tags are offered.
const MAX_REVISIONS: usize = 200;

/// A word for the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The word; see [`is_plain`].
    pub word: String,
    /// What it stands for, in a few plain words.
    pub about: String,
}

/// Which phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Those that the asker could claim now.
    Open {
        /// With `--takeover`.
        takeover: bool,
    },
    /// Those that the asker holds.
    Mine,
    /// Those that anybody holds, or that are exhausted.
    Claimed,
    /// All of them.
    All,
    /// All of the sprint that a next round takes up again.
    Last,
}

/// Whether `word` means itself to every shell: it begins with an ASCII letter or digit, and has
/// only these and `-`, `_`, `.`, `/`, `@` and `+` in it. Every name of a new phase is one.
#[must_use]
pub(super) fn is_plain(word: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"-_./@+".contains(&b);
    word.len() <= MAX_WORD_BYTES
        && word.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && word.bytes().all(inner)
}

/// The phases that are `wanted`, in the board's order; none without a sprint.
///
/// # Errors
/// As [`Context::open`]; the store cannot be read.
pub(super) fn phases(global: &Global, wanted: Wanted) -> Result<Vec<Candidate>, Failure> {
    let context = Context::open(global, StoreAccess::Store)?;
    context.store.host().only_look();
    let board = match wanted {
        Wanted::Last => context.store.last_board()?,
        Wanted::Open { .. } | Wanted::Mine | Wanted::Claimed | Wanted::All => {
            context.store.board()?
        }
    };
    let Some(board) = board else { return Ok(Vec::new()) };
    let facts = context.asker.facts(context.now());
    let rows = BoardRows::of(&board, facts);
    let fits = |id| {
        let would = |request| decide(&board, id, &request, facts).ok();
        match wanted {
            Wanted::Open { takeover } => {
                matches!(would(Request::Claim { takeover }), Some(Change::Take | Change::TakeOver))
            }
            Wanted::Mine => would(Request::Abort) == Some(Change::Free),
            Wanted::Claimed => {
                matches!(board.state(id), State::Claimed(_)) || rows.row(id).is_exhausted
            }
            Wanted::All | Wanted::Last => true,
        }
    };
    let fitting = board.graph.ids().filter(|id| fits(*id));
    let offer = |id| {
        let name = &board.graph.phase(id).name;
        is_plain(name).then(|| Candidate { word: name.clone(), about: about(&board, rows.row(id)) })
    };
    Ok(fitting.filter_map(offer).collect())
}

/// Where a phase is, and whose it is, where that can be said in plain words.
fn about(board: &Board, row: &BoardRow) -> String {
    let by = |agent: &str| if is_plain(agent) { format!(" by {agent}") } else { String::new() };
    match board.state(row.id) {
        State::Pending if row.is_exhausted => "exhausted".to_owned(),
        State::Pending => row.state.word().to_owned(),
        State::Claimed(hold) if hold.life == Life::Dead => {
            format!("claimed{}, process gone", by(&hold.claim.agent))
        }
        State::Claimed(hold) => format!("claimed{}", by(&hold.claim.agent)),
        State::Done(done) => format!("done{}", by(&done.agent)),
    }
}

/// The agents that the board names, in its order, each with the first phase that it has to do with.
///
/// # Errors
/// As [`phases`].
pub(super) fn agents(global: &Global) -> Result<Vec<Candidate>, Failure> {
    let context = Context::open(global, StoreAccess::Store)?;
    context.store.host().only_look();
    let Some(board) = context.store.board()? else { return Ok(Vec::new()) };
    let mut offers: Vec<Candidate> = Vec::new();
    for id in board.graph.ids() {
        let (agent, what) = match board.state(id) {
            State::Pending => continue,
            State::Claimed(hold) => (&hold.claim.agent, "claimed"),
            State::Done(done) => (&done.agent, "completed"),
        };
        let phase = &board.graph.phase(id).name;
        if is_plain(agent) && is_plain(phase) && offers.iter().all(|offer| offer.word != *agent) {
            offers.push(Candidate { word: agent.clone(), about: format!("{what} {phase}") });
        }
    }
    Ok(offers)
}

/// How the list `typed` after `--carry` could go on: with a phase that has passed and is not in it
/// yet.
///
/// # Errors
/// As [`phases`].
pub(super) fn carried(global: &Global, typed: &str) -> Result<Vec<Candidate>, Failure> {
    let (before, _) = typed.rsplit_once(',').unwrap_or(("", typed));
    let start = if before.is_empty() { 0 } else { before.len() + 1 };
    if !typed.split(',').all(|name| name.is_empty() || is_plain(name)) {
        return Ok(Vec::new());
    }
    let context = Context::open(global, StoreAccess::Store)?;
    let Some(board) = context.store.last_board()? else { return Ok(Vec::new()) };
    let rows = BoardRows::of(&board, context.asker.facts(context.now()));
    let Ok(ids) = rounds::carried(&board, &rounds::Ask::default()) else { return Ok(Vec::new()) };
    let offers = ids.into_iter().filter_map(|id| {
        let name = &board.graph.phase(id).name;
        let new = is_plain(name) && before.split(',').all(|other| other != name);
        let word = format!("{}{name}", &typed[..start]);
        (new && word.starts_with(typed))
            .then(|| Candidate { word, about: about(&board, rows.row(id)) })
    });
    Ok(offers.collect())
}

/// What is kept of what dead owners left, the latest first; it needs no store.
///
/// # Errors
/// Not in a repository; or what git says.
pub(super) fn salvaged() -> Result<Vec<Candidate>, Failure> {
    let kept = super::context::need_repository()?.salvages(None)?;
    let offer = |salvage: &Salvage| {
        let word = salvage.short_name();
        let by =
            if is_plain(&salvage.agent) { format!(" of {}", salvage.agent) } else { String::new() };
        is_plain(&word).then(|| Candidate { word, about: format!("saved work{by}") })
    };
    Ok(kept.iter().filter_map(offer).take(MAX_SPRINTS).collect())
}

/// The remotes of the repository; it needs no store.
///
/// # Errors
/// Not in a repository.
pub(super) fn remotes() -> Result<Vec<Candidate>, Failure> {
    let repo = super::context::need_repository()?;
    Ok(plain(repo.remote_names(), "a remote"))
}

/// What can be said for a commit: branches and tags, the latest first; it needs no store.
///
/// # Errors
/// Not in a repository; or what git says.
pub(super) fn revisions() -> Result<Vec<Candidate>, Failure> {
    let repo = super::context::need_repository()?;
    Ok(plain(repo.branches_and_tags(MAX_REVISIONS)?, "a branch or tag"))
}

/// Those of the words that are plain.
fn plain(words: Vec<String>, about: &str) -> Vec<Candidate> {
    let offer = |word| Candidate { word, about: about.to_owned() };
    words.into_iter().filter(|word| is_plain(word)).map(offer).collect()
}

/// The sprints that the store has, ended or not, the latest first.
///
/// # Errors
/// As [`phases`].
pub(super) fn sprints(global: &Global) -> Result<Vec<Candidate>, Failure> {
    let context = Context::open(global, StoreAccess::Store)?;
    Ok(by_time(context.store.sprints()?, "a sprint"))
}

/// Those of them that have ended.
///
/// # Errors
/// As [`phases`].
pub(super) fn ended(global: &Global) -> Result<Vec<Candidate>, Failure> {
    let context = Context::open(global, StoreAccess::Store)?;
    context.store.host().only_look();
    let current = context.store.states()?.map(|board| board.sprint.sprint_id);
    let mut ids = context.store.sprints()?;
    ids.retain(|id| Some(id) != current.as_ref());
    Ok(by_time(ids, "an ended sprint"))
}

/// Sprints, by the time in their ids.
fn by_time(ids: Vec<String>, about: &str) -> Vec<Candidate> {
    let time = |id: String| sprint_time(&id).to_owned();
    plain(ids.into_iter().take(MAX_SPRINTS).map(time).collect(), about)
}

/// How the list `typed` after `--phases` could go on: a phase of the default graph that is not in
/// it yet, or, for what a phase of the user's own depends on, one that is.
#[must_use]
pub(super) fn list(typed: &str) -> Vec<Candidate> {
    let (before, item) = typed.rsplit_once(',').unwrap_or(("", typed));
    let others = before.split(',').map(|item| item.split(':').next().unwrap_or_default().trim());
    let others: Vec<&str> = others.filter(|name| is_plain(name)).collect();
    let start = typed.len() - item.len();
    let offer = |start: usize, name: &str, about: &str| Candidate {
        word: format!("{}{name}", &typed[..start]),
        about: about.to_owned(),
    };
    let mut offers: Vec<Candidate> = match item.rfind([':', '+']).filter(|_| item.contains(':')) {
        Some(at) => {
            let start = start + at + 1;
            others.iter().map(|name| offer(start, name, "it depends on this")).collect()
        }
        None => spec::default_phases()
            .iter()
            .filter(|phase| !others.contains(&phase.name.as_str()))
            .map(|phase| offer(start, &phase.name, "of the default graph"))
            .collect(),
    };
    let plain = typed.split([',', ':', '+']).all(|name| name.is_empty() || is_plain(name));
    offers.retain(|offer| plain && offer.word.starts_with(typed));
    offers
}

#[cfg(test)]
mod tests {
    use super::{is_plain, list};

    fn words(typed: &str) -> Vec<String> {
        list(typed).into_iter().map(|offer| offer.word).collect()
    }

    #[test]
    fn a_list_goes_on() {
        assert_eq!(words("p"), ["plan"]);
        assert_eq!(words("think,p"), ["think,plan"]);
        assert_eq!(words("think,s"), ["think,security", "think,ship"]);
        assert!(!words("think,plan,").contains(&"think,plan,plan".to_owned()));
        assert_eq!(words("think,build,docs:b"), ["think,build,docs:build"]);
        assert_eq!(
            words("think,build,docs:build+"),
            ["think,build,docs:build+think", "think,build,docs:build+build"]
        );
        assert_eq!(words("graph.json"), [] as [&str; 0]);
        assert_eq!(words("$(touch x),`y`:b"), [] as [&str; 0]);
        assert_eq!(words("$(touch x),b"), [] as [&str; 0]);
    }

    #[test]
    fn words_that_mean_themselves() {
        for word in ["build", "claude-3f9c2a11", "ann/2", "alice@node", "v1.2_x+y", "0"] {
            assert!(is_plain(word), "{word}");
        }
        for byte in 0..=255 {
            let text = String::from_utf8_lossy(&[b'a', byte]).into_owned();
            let plain = byte.is_ascii_alphanumeric() || b"-_./@+".contains(&byte);
            assert_eq!(is_plain(&text), plain, "{text:?}");
        }
        for word in ["", "-x", "--force", "/etc", "~root", "@x", ".x", "é", &"x".repeat(129)] {
            assert!(!is_plain(word), "{word}");
        }
    }
}
