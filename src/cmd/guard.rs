//! `guard`: may what is here go out? Gathers the facts for [`crate::rules::gate`].
//!
//! The repository's own store is asked first. Others that a setting or the user names can add a refusal,
//! and never lift one. Whatever cannot be read stops the command, and so shuts the gate.

use super::world::RealWorld;
use super::{Context, Opened, Outcome, context, notes};
use crate::error::{Failure, FailureKind, Stop};
use crate::git::{Config, Differing, Repo};
use crate::rules::gate::{self, Content, Gap, Lack, Passage, Pin, Policy, Question, Shut};
use crate::rules::{Board, PhaseId, Refusal, State};
use crate::store::Store;

/// The phase that guards, unless `conductor.guardPhase` says otherwise.
pub const PHASE: &str = "ship";
/// So many of the paths that differ are shown.
const PATHS: usize = 20;
/// Trees are compared for so many of the gaps; it costs a child each.
const COMPARED: usize = 4;

/// What goes out.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    /// The commits.
    pub contents: Vec<Content>,
    /// Whether something is taken away where it all goes.
    pub deletes: bool,
}

/// The settings of the gate.
struct Settings {
    phase: String,
    require_sprint: bool,
    evidence: Policy,
}

impl Settings {
    /// Reads them; `phase` is what was asked for.
    fn read(config: Option<&Config>, phase: Option<&str>) -> Result<Self, Failure> {
        let get = |key: &str| config.and_then(|config| config.get(key));
        let configured = || get("conductor.guardPhase").filter(|name| !name.is_empty());
        let phase = phase.map(str::to_owned).or_else(configured);
        let evidence = match get("conductor.evidence") {
            Some(word) => Policy::parse(&word).ok_or_else(|| {
                let wanted = "it is none of off, warn and require";
                context::bad_setting(config, "conductor.evidence", wanted)
            })?,
            None => Policy::default(),
        };
        let require_sprint = match config {
            Some(config) => config.boolean("conductor.requireSprint")?,
            None => None,
        };
        Ok(Self {
            phase: phase.unwrap_or_else(|| PHASE.to_owned()),
            require_sprint: require_sprint.unwrap_or(false),
            evidence,
        })
    }
}

/// Asks whether `rev` (default: what is checked out) may go out past `phase` (default: the one that
/// guards here).
///
/// # Errors
/// Why not; or what the system says.
pub fn run(context: &Context, phase: Option<&str>, rev: Option<&str>) -> Result<Outcome, Stop> {
    let here = match &context.repo {
        Some(repo) => named(repo, rev)?,
        None if rev.is_some() => {
            return Err(Failure::new(FailureKind::Usage, "--commit needs a repository").into());
        }
        None => Content::default(),
    };
    let outgoing = Outgoing { contents: vec![here], deletes: false };
    Ok(Outcome::Open(Box::new(ask(context, phase, &outgoing)?)))
}

/// The same by the records in git notes alone: neither a store nor an agent is looked for.
///
/// # Errors
/// Why not; or what the system says.
pub fn by_notes(phase: Option<&str>, rev: Option<&str>) -> Result<Outcome, Stop> {
    let repo = context::need_repository()?;
    let settings = Settings::read(Some(repo.configuration()), phase)?;
    let phase = settings.phase;
    let content = named(&repo, rev)?;
    let name = repo.notes_name()?;
    let Some(found) = notes::read(&repo, &name)? else {
        let why = Shut::NoNotes { reference: name.as_str().to_owned() };
        return Err(Refusal::Shut { phase, why }.into());
    };
    let mut gaps = crate::rules::notes::passage(&found, &phase, &content)?;
    if settings.evidence == Policy::Off {
        gaps.clear();
    }
    compare(&repo, &mut gaps);
    let gaps = gate::weigh(settings.evidence, &phase, gaps)?;
    let passage = Passage::Done;
    Ok(Outcome::Open(Box::new(Opened { phase, passage, commit: content.commit, gaps })))
}

/// What the `rev` that somebody named is.
fn named(repo: &Repo, rev: Option<&str>) -> Result<Content, Failure> {
    content(repo, rev).map_err(|mut failure| {
        if failure.kind == FailureKind::Usage {
            failure.hints =
                vec!["nothing goes out; name a commit, as 'git log' shows it".to_owned()];
        }
        failure
    })
}

/// The phase that guards here.
pub(super) fn phase(context: &Context) -> String {
    let configured = context.config("conductor.guardPhase").filter(|name| !name.is_empty());
    configured.unwrap_or_else(|| PHASE.to_owned())
}

/// What `rev` (default: what is checked out) is.
pub(super) fn content(repo: &Repo, rev: Option<&str>) -> Result<Content, Failure> {
    let (commit, tree) = repo.commit_and_tree(rev)?.unzip();
    Ok(Content { commit, tree })
}

/// Asks the gate of each store.
///
/// # Errors
/// Why it is shut; or what the system says.
pub(super) fn ask(
    context: &Context,
    phase: Option<&str>,
    outgoing: &Outgoing,
) -> Result<Opened, Stop> {
    let settings = Settings::read(context.configuration(), phase)?;
    let (mut passage, mut gaps) = look(context, &context.store, &settings, outgoing)?;
    for other in &context.others {
        // Whether there must be a sprint at all has been said by the repository's own.
        let settings = Settings {
            require_sprint: false,
            phase: settings.phase.clone(),
            evidence: settings.evidence,
        };
        let (there, more) = look(context, other, &settings, outgoing)?;
        if passage == Passage::NoSprint {
            passage = there;
        }
        gaps.extend(more);
    }
    if let Some(repo) = &context.repo {
        compare(repo, &mut gaps);
    }
    let gaps = gate::weigh(settings.evidence, &settings.phase, gaps)?;
    let commit = outgoing.contents.iter().find_map(|content| content.commit.clone());
    Ok(Opened { phase: settings.phase, passage, commit, gaps })
}

/// Asks the gate of one store.
fn look(
    context: &Context,
    store: &Store<RealWorld>,
    settings: &Settings,
    outgoing: &Outgoing,
) -> Result<(Passage, Vec<Gap>), Stop> {
    let board = store.states()?;
    let question = Question {
        phase: &settings.phase,
        me: &context.asker.me,
        require_sprint: settings.require_sprint,
        contents: &outgoing.contents,
        deletes: outgoing.deletes,
    };
    let (passage, id) = gate::passage(board.as_ref(), &question)?;
    if passage == Passage::NoSprint {
        before(store, board.as_ref(), settings)?;
    }
    let (Some(board), Some(id)) = (&board, id) else { return Ok((passage, Vec::new())) };
    if settings.evidence == Policy::Off {
        return Ok((passage, Vec::new()));
    }
    let pins = pins(store, board, id)?;
    let pin = |dep: PhaseId| {
        let found = pins.iter().find_map(|(known, pin)| (*known == dep).then_some(*pin));
        found.unwrap_or(Pin::None)
    };
    Ok((passage, gate::gaps(board, id, &outgoing.contents, pin)))
}

/// Without an unfinished sprint the last one that came to the guarding phase, or failed before it, has
/// the word, archived or not: or else a failure would open the gate as soon as its sprint is over.
fn before(
    store: &Store<RealWorld>,
    board: Option<&Board>,
    settings: &Settings,
) -> Result<(), Stop> {
    let phase = &settings.phase;
    // That it has not failed was just seen.
    if board.is_some_and(|board| gate::verdict(board, phase).is_some()) {
        return Ok(());
    }
    let found = store.latest(|board| gate::verdict(board, phase))?;
    match found {
        Some(Err(why)) => Err(Refusal::Shut { phase: phase.clone(), why }.into()),
        Some(Ok(())) | None => Ok(()),
    }
}

/// Hashes what the direct dependencies of `id` handed over.
fn pins(
    store: &Store<RealWorld>,
    board: &Board,
    id: PhaseId,
) -> Result<Vec<(PhaseId, Pin)>, Failure> {
    let mut pins = Vec::new();
    for &dep in &board.graph.phase(id).depends_on {
        if let State::Done(done) = board.state(dep) {
            pins.push((dep, store.look_at_pin(board, &board.graph.phase(dep).name, done)?));
        }
    }
    Ok(pins)
}

/// Fills in the paths that differ. A tree that is not here, as one that was collected as garbage,
/// leaves them empty: that it is another one is known without it.
fn compare(repo: &Repo, gaps: &mut [Gap]) {
    let mut known: Vec<((String, String), Differing)> = Vec::new();
    for gap in gaps {
        let Some(trees) = &gap.trees else { continue };
        if gap.why != Lack::OtherContent {
            continue;
        }
        let found = known.iter().position(|(compared, _)| compared == trees);
        let at = match found {
            Some(at) => at,
            None if known.len() == COMPARED => continue,
            None => {
                let differing = repo.differing(&trees.0, &trees.1, PATHS).unwrap_or_default();
                known.push((trees.clone(), differing));
                known.len() - 1
            }
        };
        gap.paths.clone_from(&known[at].1.paths);
        gap.more = known[at].1.more;
    }
}
