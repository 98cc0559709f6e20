//! The gate: may what is here go out? Gathers the facts for [`crate::rules::gate`].
//!
//! The repository's own store is asked first. Others that a setting or the user names can add a
//! refusal, and never lift one. Whatever cannot be read stops the command, and so closes the gate.

pub(super) mod answer;

pub(super) use answer::{OpenedAnswer, lacks_text, open_json};

use super::{Context, context, notes};
use crate::error::{Failure, FailureKind, Stop};
use crate::git::{Config, Differing, Repo};
use crate::host::system::System;
use crate::rules::gate::{self, Checked, Content, GateAllowed, Pin, Policy, Question};
use crate::rules::reasons::{EvidenceProblem, GateDenied, MissingEvidence};
use crate::rules::{Board, PhaseId, Refusal, State};
use crate::store::Store;

/// The phase that guards, unless `conductor.guardPhase` says otherwise.
pub(super) const PHASE: &str = "ship";
/// So many of the paths that differ are shown.
const MAX_PATHS: usize = 20;
/// Trees are compared for so many of the gaps; it costs a child each.
const MAX_COMPARED: usize = 4;

/// The gate is open.
#[derive(Debug)]
pub(super) struct Opened {
    /// The phase that guards.
    pub phase: String,
    /// Why it is open.
    pub passage: GateAllowed,
    /// The first commit that goes out.
    pub commit: Option<String>,
    /// What is no evidence for what goes out, to warn of.
    pub gaps: Vec<MissingEvidence>,
    /// The commit that was checked, if what is checked out need only be brought forward to it.
    pub forward: Option<String>,
}

/// What goes out.
#[derive(Debug, Clone, Default)]
pub(super) struct Outgoing {
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
pub(super) fn guard(
    context: &Context,
    phase: Option<&str>,
    rev: Option<&str>,
) -> Result<Opened, Stop> {
    let here = match &context.repo {
        Some(repo) => named(repo, rev)?,
        None if rev.is_some() => {
            return Err(Failure::new(FailureKind::Usage, "--commit needs a repository").into());
        }
        None => Content::default(),
    };
    let outgoing = Outgoing { contents: vec![here], deletes: false };
    let (answer, checked) = answer(context, phase, &outgoing)?;
    // Only what is checked out can be brought forward.
    let head = outgoing.contents.first().and_then(|here| here.commit.as_deref());
    let head = head.filter(|_| rev.is_none());
    let forward = |checked| match (&context.repo, head) {
        (Some(repo), Some(head)) if repo.worktree().is_some() => forward(repo, head, checked),
        _ => None,
    };
    match answer {
        Ok(mut opened) => {
            opened.forward = forward(bridged(&opened.gaps, checked.as_ref()));
            Ok(opened)
        }
        Err(mut refusal) => {
            if let Refusal::GateDenied { why, .. } = &mut refusal {
                match why {
                    GateDenied::NoEvidence { gaps, forward: to } => {
                        *to = forward(bridged(gaps, checked.as_ref()));
                    }
                    GateDenied::OtherCommit { done_at, forward: to, .. } => {
                        *to = forward(done_at.clone().into_iter().collect());
                    }
                    GateDenied::NoSprint {}
                    | GateDenied::NoPhase { .. }
                    | GateDenied::Unclaimed { .. }
                    | GateDenied::Claimed { .. }
                    | GateDenied::Lost { .. }
                    | GateDenied::Failed { .. }
                    | GateDenied::NoNotes { .. }
                    | GateDenied::NoRecord { .. } => {}
                }
            }
            Err(refusal.into())
        }
    }
}

/// The commits that would leave none of `gaps`: those that were checked, if all of them are of the
/// same content, and nothing else is amiss.
fn bridged(gaps: &[MissingEvidence], checked: Option<&Checked>) -> Vec<String> {
    let only_other =
        !gaps.is_empty() && gaps.iter().all(|gap| gap.why == EvidenceProblem::OtherContent);
    let Some(checked) = checked.filter(|checked| checked.agrees && only_other) else {
        return Vec::new();
    };
    let mut commits: Vec<String> = Vec::new();
    for commit in checked.by.iter().filter_map(|by| by.commit.clone()) {
        if !commits.contains(&commit) && commits.len() < MAX_COMPARED {
            commits.push(commit);
        }
    }
    commits
}

/// The first of `commits` that `head` is contained in: what is checked out need only be brought
/// forward. What stands in a record is given on only if it is an id.
fn forward(repo: &Repo, head: &str, commits: Vec<String>) -> Option<String> {
    let is_after = |commit: &String| commit != head && repo.contains(commit, head).unwrap_or(false);
    commits.into_iter().find(is_after)
}

/// The same by the records in git notes alone: neither a store nor an agent is looked for.
///
/// # Errors
/// Why not; or what the system says.
pub(super) fn by_notes(phase: Option<&str>, rev: Option<&str>) -> Result<Opened, Stop> {
    let repo = context::need_repository()?;
    let settings = Settings::read(Some(repo.configuration()), phase)?;
    let phase = settings.phase;
    let content = named(&repo, rev)?;
    let name = repo.notes_name()?;
    let Some(found) = notes::read(&repo, &name)? else {
        let why = GateDenied::NoNotes { reference: name.as_str().to_owned() };
        return Err(Refusal::GateDenied { phase, why }.into());
    };
    let mut gaps = crate::rules::notes::passage(&found, &phase, &content)?;
    if settings.evidence == Policy::Off {
        gaps.clear();
    }
    compare(&repo, &mut gaps);
    let gaps = gate::weigh(settings.evidence, &phase, gaps)?;
    let passage = GateAllowed::Done;
    let commit = content.commit;
    Ok(Opened { phase, passage, commit, gaps, forward: None })
}

/// What the `rev` that somebody named is.
fn named(repo: &Repo, rev: Option<&str>) -> Result<Content, Failure> {
    content(repo, rev).map_err(|mut failure| {
        if failure.kind == FailureKind::Usage {
            failure.hints = vec!["nothing goes out; name a commit, as 'git log' shows it".into()];
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
/// Why it is closed; or what the system says.
pub(super) fn ask(
    context: &Context,
    phase: Option<&str>,
    outgoing: &Outgoing,
) -> Result<Opened, Stop> {
    Ok(answer(context, phase, outgoing)?.0?)
}

/// What the gates say, and what has been checked, as far as that is known.
type Judgement = (Result<Opened, Refusal>, Option<Checked>);

fn answer(context: &Context, phase: Option<&str>, outgoing: &Outgoing) -> Result<Judgement, Stop> {
    let settings = Settings::read(context.configuration(), phase)?;
    let first = look(context, &context.store, &settings, outgoing);
    let Looked { mut passage, mut gaps, mut checked } = match first {
        Ok(looked) => looked,
        Err(Stop::Refused(refusal)) => return Ok((Err(*refusal), None)),
        Err(stop) => return Err(stop),
    };
    for other in &context.others {
        // Whether there must be a sprint at all has been said by the repository's own.
        let settings = Settings {
            require_sprint: false,
            phase: settings.phase.clone(),
            evidence: settings.evidence,
        };
        let there = match look(context, other, &settings, outgoing) {
            Ok(looked) => looked,
            Err(Stop::Refused(refusal)) => return Ok((Err(*refusal), None)),
            Err(stop) => return Err(stop),
        };
        if passage == GateAllowed::NoSprint {
            passage = there.passage;
        }
        gaps.extend(there.gaps);
        // Where both have checked something, it must be the same.
        checked = match (checked, there.checked) {
            (Some(one), Some(other)) => Some(one).filter(|one| one.tree == other.tree),
            (one, other) => one.or(other),
        };
    }
    if let Some(repo) = &context.repo {
        compare(repo, &mut gaps);
    }
    let weighed = gate::weigh(settings.evidence, &settings.phase, gaps);
    let commit = outgoing.contents.iter().find_map(|content| content.commit.clone());
    let phase = settings.phase;
    let opened = weighed.map(|gaps| Opened { phase, passage, commit, gaps, forward: None });
    Ok((opened, checked))
}

/// What the gate of one store says.
struct Looked {
    passage: GateAllowed,
    gaps: Vec<MissingEvidence>,
    checked: Option<Checked>,
}

/// Asks the gate of one store.
fn look(
    context: &Context,
    store: &Store<System>,
    settings: &Settings,
    outgoing: &Outgoing,
) -> Result<Looked, Stop> {
    let board = store.states()?;
    let question = Question {
        phase: &settings.phase,
        me: &context.asker.me,
        require_sprint: settings.require_sprint,
        contents: &outgoing.contents,
        deletes: outgoing.deletes,
    };
    let (passage, id) = gate::passage(board.as_ref(), &question)?;
    if passage == GateAllowed::NoSprint {
        before(store, board.as_ref(), settings)?;
    }
    let none = Looked { passage, gaps: Vec::new(), checked: None };
    let (Some(board), Some(id)) = (&board, id) else { return Ok(none) };
    if settings.evidence == Policy::Off {
        return Ok(none);
    }
    let pins = pins(store, board, id)?;
    let pin = |dep: PhaseId| {
        let found = pins.iter().find_map(|(known, pin)| (*known == dep).then_some(*pin));
        found.unwrap_or(Pin::None)
    };
    let gaps = gate::gaps(board, id, &outgoing.contents, pin);
    // What was let out from another commit is not to be brought anywhere.
    let is_done = matches!(board.state(id), State::Done(_));
    let checked = if is_done { None } else { gate::checked(board, id) };
    Ok(Looked { passage, gaps, checked })
}

/// Whether `phase` is the one that guards.
pub(super) fn guards(context: &Context, phase: &str) -> bool {
    Settings::read(context.configuration(), None).is_ok_and(|settings| settings.phase == phase)
}

/// What has been checked of what `phase` is to let out, if it is the phase that guards.
///
/// # Errors
/// A setting of the gate makes no sense.
pub(super) fn checked(
    context: &Context,
    board: &Board,
    phase: &str,
) -> Result<Option<Checked>, Failure> {
    let settings = Settings::read(context.configuration(), None)?;
    let id = board.graph.find(phase).filter(|_| settings.phase == phase);
    Ok(id.and_then(|id| gate::checked(board, id)))
}

/// Without an unfinished sprint the last one that came to the guarding phase, or failed before it,
/// has the word, archived or not: or else a failure would open the gate as soon as its sprint is
/// over.
fn before(store: &Store<System>, board: Option<&Board>, settings: &Settings) -> Result<(), Stop> {
    let phase = &settings.phase;
    // That it has not failed was just seen.
    if board.is_some_and(|board| gate::verdict(board, phase).is_some()) {
        return Ok(());
    }
    let found = store.latest(|board| gate::verdict(board, phase))?;
    match found {
        Some(Err(why)) => Err(Refusal::GateDenied { phase: phase.clone(), why }.into()),
        Some(Ok(())) | None => Ok(()),
    }
}

/// Hashes what the direct dependencies of `id` handed over.
fn pins(store: &Store<System>, board: &Board, id: PhaseId) -> Result<Vec<(PhaseId, Pin)>, Failure> {
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
fn compare(repo: &Repo, gaps: &mut [MissingEvidence]) {
    let mut known: Vec<((String, String), Differing)> = Vec::new();
    for gap in gaps {
        let Some(trees) = &gap.trees else { continue };
        if gap.why != EvidenceProblem::OtherContent {
            continue;
        }
        let found = known.iter().position(|(compared, _)| compared == trees);
        let at = match found {
            Some(at) => at,
            None if known.len() == MAX_COMPARED => continue,
            None => {
                let differing = repo.differing(&trees.0, &trees.1, MAX_PATHS).unwrap_or_default();
                known.push((trees.clone(), differing));
                known.len() - 1
            }
        };
        gap.paths.clone_from(&known[at].1.paths);
        gap.more = known[at].1.more;
    }
}
