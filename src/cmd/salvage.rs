//! `salvage`: what dead owners had not committed. It is saved when their claim is taken over or freed, and
//! looked at and dropped here.
//!
//! Saving comes after the change of the board, and outside of its locks; whatever comes of it, the change
//! stands.

use jiff::SignedDuration;

use super::{Context, Outcome, complete, context};
use crate::error::{Failure, FailureKind, Stop};
use crate::git::salvage;
use crate::record::salvage::Salvage;
use crate::rules::attempts::{self, ABORT};
use crate::rules::lost::{self, Loss};
use crate::rules::{Board, Hold, Life, PhaseId, Refusal};
use crate::store::World as _;
use crate::store::change::Granted;

pub use crate::git::salvage::Differing;

/// How much is saved, if `conductor.maxSalvage` does not say: in bytes, of all files together.
const MAX_SALVAGE: u64 = 1024 * 1024 * 1024;
/// The setting that says it.
const LIMIT: &str = "conductor.maxSalvage";
/// A patch of more bytes is not shown, but how to see it.
const PATCH: u64 = 1024 * 1024;

/// What a dead owner left, and what became of it.
#[derive(Debug)]
pub struct Left {
    /// What is known of it.
    pub salvage: Salvage,
    /// What became of it.
    pub fate: Fate,
}

/// What became of what a dead owner left.
#[derive(Debug)]
pub enum Fate {
    /// It is saved, all but these files, which could not be read.
    Saved(Vec<String>),
    /// There was nothing to save.
    Clean,
    /// Its worktree is not there.
    Gone,
    /// Where it worked is no worktree of this repository now.
    Foreign,
    /// `conductor.maxSalvage` is 0.
    Off,
    /// It may be alive, and at work there.
    Alive,
    /// It could not be saved.
    Failed(Failure),
}

/// What was saved of a phase: just now, and before.
#[derive(Debug, Default)]
pub struct Salvaged {
    /// What the last owner left; `None` if it left nothing that can be known.
    pub left: Option<Left>,
    /// What was saved of this phase in this sprint before, the latest first.
    pub before: Vec<Salvage>,
}

/// One that is kept, and what it holds.
#[derive(Debug)]
pub struct Look {
    /// It.
    pub salvage: Salvage,
    /// What it changes.
    pub differing: Differing,
}

/// Whether an earlier attempt at `id` may have left something. Nobody looks for it otherwise.
fn has_past(board: &Board, id: PhaseId) -> bool {
    board.past(id).iter().any(|attempt| attempt.how != ABORT)
}

/// What there is to tell the owner of a new claim: what the one before it left, which is saved now if
/// that one is gone, and what is kept of earlier ones.
pub(super) fn for_claim(context: &Context, granted: &Granted) -> Salvaged {
    let (board, me) = (&granted.board, &context.asker.me);
    let sprint = &board.sprint.sprint_id;
    let from = granted.from.as_ref().filter(|hold| attempts::leaves_work(hold, me));
    let id = board.graph.find(&granted.phase);
    let Some(repo) = &context.repo else { return Salvaged::default() };
    if from.is_none() && !id.is_some_and(|id| has_past(board, id)) {
        return Salvaged::default();
    }
    // Renewing is no news.
    if granted.change == crate::rules::Change::Renew {
        return Salvaged::default();
    }
    // Those that cannot be listed are still there; the claim is no place to complain.
    let before = repo.salvages(Some((sprint, &granted.phase))).unwrap_or_default();
    let left = from.and_then(|hold| save(context, hold, sprint, &granted.phase));
    Salvaged { left, before }
}

/// Saves what the former owner of a claim left that was ended for it; who may be alive may be writing
/// at this moment, and is left alone.
pub(super) fn for_freed(context: &Context, hold: &Hold, sprint: &str, phase: &str) -> Option<Left> {
    if hold.life == Life::Dead {
        return save(context, hold, sprint, phase);
    }
    let salvage = known(context, hold, sprint, phase)?;
    Some(Left { salvage, fate: Fate::Alive })
}

/// What the asker has lost, with what is kept of its work.
pub(super) fn lost(context: &Context, board: &Board) -> Vec<Loss> {
    let me = &context.asker.me;
    let mut lost = lost::lost(board, me, context.now());
    for loss in &mut lost {
        let Some(repo) = &context.repo else { break };
        let of = Some((board.sprint.sprint_id.as_str(), loss.phase.as_str()));
        // What cannot be listed is still there; this is no place to complain.
        let kept = repo.salvages(of).unwrap_or_default();
        let own =
            |salvage: &&Salvage| salvage.agent == me.name && salvage.worktree == loss.worktree;
        loss.salvage = kept.iter().find(own).map(Salvage::short_name);
    }
    lost
}

/// What the record of a claim tells; `None` if it names no worktree, as of a script or in a bare repository.
fn known(context: &Context, hold: &Hold, sprint: &str, phase: &str) -> Option<Salvage> {
    let claim = &hold.claim;
    let bare = context.repo.as_ref()?.common_dir().to_string_lossy();
    let worktree = claim.worktree.clone().filter(|path| *path != bare)?;
    Some(Salvage {
        sprint: sprint.to_owned(),
        phase: phase.to_owned(),
        agent: claim.agent.clone(),
        worktree: Some(worktree),
        branch: claim.branch.clone(),
        base: claim.commit.clone(),
        ..Salvage::default()
    })
}

fn save(context: &Context, hold: &Hold, sprint: &str, phase: &str) -> Option<Left> {
    let salvage = known(context, hold, sprint, phase)?;
    Some(match try_save(context, salvage.clone()) {
        Ok((salvage, fate)) => Left { salvage, fate },
        Err(failure) => Left { salvage, fate: Fate::Failed(failure) },
    })
}

fn try_save(context: &Context, salvage: Salvage) -> Result<(Salvage, Fate), Failure> {
    let limit = match context.config(LIMIT) {
        Some(text) => complete::parse_size(&text).ok_or_else(|| {
            context.bad_setting(LIMIT, "give bytes, or a size such as 64m, or 0 to save nothing")
        })?,
        None => MAX_SALVAGE,
    };
    let Some(repo) = context.repo.as_ref().filter(|_| limit > 0) else {
        return Ok((salvage, Fate::Off));
    };
    let world = context.store.world();
    let left = repo.salvage(salvage::Order {
        salvage: salvage.clone(),
        store: context.store_path(),
        limit,
        unique: world.token()?.as_str(),
        now: context.now(),
        pause: &|attempt| world.pause(attempt),
    })?;
    Ok(match left {
        salvage::Left::Saved { salvage, missed } => (salvage, Fate::Saved(missed)),
        salvage::Left::Clean(salvage) => (salvage, Fate::Clean),
        salvage::Left::Gone => (salvage, Fate::Gone),
        salvage::Left::Foreign => (salvage, Fate::Foreign),
    })
}

/// Lists what is kept.
///
/// # Errors
/// Not in a repository; or what git says.
pub fn list() -> Result<Outcome, Stop> {
    Ok(Outcome::Salvages(context::need_repository()?.salvages(None)?))
}

/// Shows one that is kept: the one called `name`, or the latest.
///
/// # Errors
/// There is no such one; or what git says.
pub fn show(name: Option<&str>) -> Result<Outcome, Stop> {
    let repo = context::need_repository()?;
    let kept = repo.salvages(None)?;
    let salvage = match name {
        Some(name) => find(&kept, name)?,
        None => kept.first().ok_or_else(|| unknown(&kept, None))?,
    };
    let salvage = salvage.clone();
    let differing = repo.salvaged(&salvage, PATCH)?;
    Ok(Outcome::Salvage(Box::new(Look { salvage, differing })))
}

/// Which are to be dropped.
#[derive(Debug, Clone, Default)]
pub struct Drop {
    /// These, by their names.
    pub names: Vec<String>,
    /// All of them.
    pub all: bool,
    /// Only those that were saved longer ago.
    pub older_than: Option<SignedDuration>,
}

/// Drops what is kept, and tells which commits that were.
///
/// # Errors
/// There is no such one; or what git says. Nothing is dropped then.
pub fn drop(request: &Drop) -> Result<Outcome, Stop> {
    let repo = context::need_repository()?;
    let kept = repo.salvages(None)?;
    let now = super::world::now();
    let mut dropped = match request {
        Drop { all: true, .. } => kept.clone(),
        Drop { names, .. } if names.is_empty() => {
            let text = "which are to be dropped? name them, or all of them with --all";
            let failure = Failure::new(FailureKind::Usage, text);
            return Err(failure.hint("git conductor salvage").into());
        }
        Drop { names, .. } => {
            let mut found = Vec::new();
            for name in names {
                let one = find(&kept, name)?;
                if !found.contains(one) {
                    found.push(one.clone());
                }
            }
            found
        }
    };
    if let Some(age) = request.older_than {
        let old = |salvage: &Salvage| salvage.at.is_none_or(|at| now.duration_since(at) >= age);
        dropped.retain(old);
    }
    if !dropped.is_empty() {
        repo.drop_salvages(&dropped)?;
    }
    Ok(Outcome::Dropped(dropped))
}

/// The one called `name`: `<sprint>/<phase>/<n>`, where of the sprint the time is enough, or
/// `<phase>/<n>` or `<phase>`, for the latest that is called so.
fn find<'a>(kept: &'a [Salvage], name: &str) -> Result<&'a Salvage, Stop> {
    let is_called = |salvage: &&Salvage| {
        let whole = salvage.name();
        let after = |short: &str| whole.strip_suffix(short).is_some_and(|rest| rest.ends_with('/'));
        salvage.phase == name
            || whole == name
            || salvage.short_name() == name
            || salvage.reference() == name
            || (name.starts_with(&format!("{}/", salvage.phase)) && after(name))
    };
    Ok(kept.iter().find(is_called).ok_or_else(|| unknown(kept, Some(name)))?)
}

fn unknown(kept: &[Salvage], name: Option<&str>) -> Refusal {
    let name = name.map(str::to_owned);
    Refusal::UnknownSalvage { name, kept: kept.iter().map(Salvage::short_name).collect() }
}
