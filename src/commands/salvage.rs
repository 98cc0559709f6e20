//! `salvage`: what dead owners had not committed. It is saved when their claim is taken over or
//! freed, and looked at and dropped here.
//!
//! Saving comes after the change of the board, and outside of its locks; whatever comes of it, the
//! change stands.

pub(super) mod answer;

pub(super) use answer::{
    LeftAnswer, SalvageEntry, before_text, freed_text, left_json, left_text, list_json,
    made_up_json, made_up_text,
};

use clap::Subcommand;
use jiff::SignedDuration;
use serde::Serialize;
use serde_json::{Value, json};

use super::options::age;
use super::session::{Answered, Run, Session};
use super::{Context, context};
use crate::error::{Failure, FailureKind, Message, Refuses, Stop};
use crate::git::salvage;
use crate::record::salvage::Salvage;
use crate::record::{Claim, Due};
use crate::rules::attempts::{self, ABORT};
use crate::rules::lost::{self, Loss};
use crate::rules::refusal::Retry;
use crate::rules::{Board, Life, PhaseId};
use crate::store::Host as _;
use crate::store::change::{Freed, Granted};
use crate::ui::phrases::names;
use crate::ui::text::safe;

pub use crate::git::salvage::Differing;

/// How much is saved, if `conductor.maxSalvage` does not say: in bytes, of all files together.
const MAX_SALVAGE_BYTES: u64 = 1024 * 1024 * 1024;
/// The setting that says it.
const MAX_SALVAGE_SETTING: &str = "conductor.maxSalvage";
/// So long a command may be saving that cannot be seen.
const SAVING: SignedDuration = SignedDuration::from_mins(10);
/// A patch of more bytes is not shown, but how to see it.
const MAX_PATCH_BYTES: u64 = 1024 * 1024;

/// Look at what dead owners had not committed, or drop it
///
/// When the claim of an owner whose process is gone is taken over, or freed with
/// unstuck, what its worktree holds beside what is committed there is saved: as a
/// commit on refs/conductor/salvage/SPRINT/PHASE/N, staged or not, without
/// ignored files. The worktree stays as it is, and nothing is pushed.
///
/// Without a command, lists what is kept, the latest first. show prints where one
/// is from and its differences; drop deletes it. NAME is a phase, for the latest
/// of it, PHASE/N, or a whole name as it is listed.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    disable_help_subcommand = true,
    after_help = "Examples:\n  git conductor salvage\n  git conductor salvage show build\n  git conductor salvage drop build/1\n  git conductor salvage drop --all --older-than 30d"
)]
pub(super) struct SalvageArgs {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Clone, Subcommand)]
enum Action {
    /// List what is kept
    List,
    /// Show where one is from, and its differences
    Show {
        /// Which [default: the latest]
        name: Option<String>,
    },
    /// Delete them
    Drop(Drop),
}

impl Run for SalvageArgs {
    /// Lists, shows or drops what is kept.
    fn run(self, session: &mut Session) -> Answered {
        session.look();
        match self.action.unwrap_or(Action::List) {
            Action::List => Ok(Box::new(Kept(list()?))),
            Action::Show { name } => Ok(Box::new(show(name.as_deref())?)),
            Action::Drop(request) => Ok(Box::new(drop(&request)?)),
        }
    }
}

/// What is kept of what dead owners left, the latest first.
#[derive(Debug)]
pub struct Kept(pub Vec<Salvage>);

/// Those that are not kept any more.
#[derive(Debug)]
pub struct Dropped(pub Vec<Salvage>);

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
    /// What owners before that one left, which a command was to save that was killed at that.
    pub made_up: Vec<Left>,
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

/// What there is to tell the owner of a new claim: what the one before it left, which is saved now
/// if that one is gone, and what is kept of earlier ones. A renewal makes up for what another
/// command of the owner was to save; else it is no news.
pub(super) fn for_claim(context: &Context, granted: &Granted) -> Salvaged {
    let (board, me) = (&granted.board, &context.asker.me);
    let sprint = &board.sprint.sprint_id;
    let id = board.graph.find(&granted.phase);
    let Some(repo) = &context.repo else { return Salvaged::default() };
    let dues = id.map(|id| board.dues(id)).unwrap_or_default();
    let renewed = granted.change == crate::rules::Change::Renew;
    let from = granted.from.as_ref().filter(|hold| attempts::leaves_work(hold, me));
    let has_past = from.is_some() || id.is_some_and(|id| has_past(board, id));
    // Those that cannot be listed are still there; the claim is no place to complain.
    let before = || repo.salvages(Some((sprint, &granted.phase))).unwrap_or_default();
    let before = if has_past && !renewed { before() } else { Vec::new() };
    let made_up = made_up(context, dues, sprint, &granted.phase);
    let left = from.and_then(|hold| {
        let of = Of { claim: &hold.claim, sprint, phase: &granted.phase };
        save(context, of, granted.due.as_ref())
    });
    Salvaged { made_up, left, before }
}

/// Saves what the former owner of a claim left that was ended for it; who may be alive may be
/// writing at this moment, and is left alone.
pub(super) fn for_freed(context: &Context, freed: &Freed) -> Option<Left> {
    let hold = freed.hold.as_ref()?;
    let of = Of { claim: &hold.claim, sprint: &freed.sprint_id, phase: &freed.phase };
    if hold.life == Life::Dead {
        return save(context, of, freed.due.as_ref());
    }
    Some(Left { salvage: known(context, of)?, fate: Fate::Alive })
}

/// Saves what commands were to save that were killed at that. What is being saved at this moment is
/// left to the command that does so.
pub(super) fn made_up(context: &Context, dues: &[Due], sprint: &str, phase: &str) -> Vec<Left> {
    if context.repo.is_none() {
        return Vec::new();
    }
    let (store, now) = (&context.store, context.now());
    let is_left = |due: &&Due| match store.host().life_of(&due.maker.process) {
        Life::Alive => false,
        Life::Dead => true,
        // In a sandbox no call sees the processes of another.
        Life::Unknown => due.at.is_none_or(|at| now.duration_since(at) >= SAVING),
    };
    let save_one = |due: &Due| {
        let unique = store.host().token().ok()?;
        // Two that make up for the same save it twice, and lose nothing.
        store.take_due(&context.asker, sprint, phase, due, unique.clone()).ok();
        let taken = Due { unique: Some(unique), ..due.clone() };
        let killed: Vec<String> = due.unique.iter().map(ToString::to_string).collect();
        let of = Of { claim: &due.claim, sprint, phase };
        save_beside(context, of, Some(&taken), &killed)
    };
    dues.iter().filter(is_left).filter_map(save_one).collect()
}

/// The same of every phase of a sprint that has ended.
pub(super) fn all_made_up(context: &Context, board: &Board) -> Vec<Left> {
    let of = |id: PhaseId| {
        let phase = &board.graph.phase(id).name;
        made_up(context, board.dues(id), &board.sprint.sprint_id, phase)
    };
    board.graph.ids().flat_map(of).collect()
}

/// A claim that was ended.
#[derive(Clone, Copy)]
struct Of<'a> {
    claim: &'a Claim,
    sprint: &'a str,
    phase: &'a str,
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

/// What the record of a claim tells; `None` if it names no worktree, as of a script or in a bare
/// repository.
fn known(context: &Context, of: Of<'_>) -> Option<Salvage> {
    let claim = of.claim;
    let bare = context.repo.as_ref()?.common_dir().to_string_lossy();
    let worktree = claim.worktree.clone().filter(|path| *path != bare)?;
    Some(Salvage {
        sprint: of.sprint.to_owned(),
        phase: of.phase.to_owned(),
        agent: claim.agent.clone(),
        worktree: Some(worktree),
        branch: claim.branch.clone(),
        base: claim.commit.clone(),
        ..Salvage::default()
    })
}

fn save(context: &Context, of: Of<'_>, due: Option<&Due>) -> Option<Left> {
    save_beside(context, of, due, &[])
}

/// Saves what the owner of a claim left, as `due` says; commands that were `killed` may have begun
/// to.
fn save_beside(
    context: &Context,
    of: Of<'_>,
    due: Option<&Due>,
    killed: &[String],
) -> Option<Left> {
    let left = known(context, of).map(|salvage| {
        match try_save(context, of.claim, salvage.clone(), due, killed) {
            Ok((salvage, fate)) => Left { salvage, fate },
            Err(failure) => Left { salvage, fate: Fate::Failed(failure) },
        }
    });
    if due.is_some() {
        // A mark that stays is made up for once more.
        context.store.settle(of.sprint, of.phase, of.claim).ok();
    }
    left
}

fn try_save(
    context: &Context,
    claim: &Claim,
    salvage: Salvage,
    due: Option<&Due>,
    killed: &[String],
) -> Result<(Salvage, Fate), Failure> {
    let limit = match context.config(MAX_SALVAGE_SETTING) {
        Some(text) => context::parse_size(&text).ok_or_else(|| {
            context.bad_setting(
                MAX_SALVAGE_SETTING,
                "give bytes, or a size such as 64m, or 0 to save nothing",
            )
        })?,
        None => MAX_SALVAGE_BYTES,
    };
    let Some(repo) = context.repo.as_ref().filter(|_| limit > 0) else {
        return Ok((salvage, Fate::Off));
    };
    let host = context.store.host();
    let unique = match due.and_then(|due| due.unique.clone()) {
        Some(unique) => unique,
        None => host.token()?,
    };
    let left = repo.salvage(salvage::Order {
        salvage: salvage.clone(),
        git_dir: claim.git_dir.as_deref().map(|git_dir| (git_dir, claim.claimed_at)),
        store: context.store_path(),
        limit,
        time: context.git_limit()?,
        unique: unique.as_str(),
        killed,
        now: context.now(),
        pause: &|attempt| host.pause(attempt),
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
fn list() -> Result<Vec<Salvage>, Failure> {
    context::need_repository()?.salvages(None)
}

/// Shows one that is kept: the one called `name`, or the latest.
///
/// # Errors
/// There is no such one; or what git says.
fn show(name: Option<&str>) -> Result<Look, Stop> {
    let repo = context::need_repository()?;
    let kept = repo.salvages(None)?;
    let salvage = match name {
        Some(name) => find(&kept, name)?,
        None => kept.first().ok_or_else(|| unknown(&kept, None))?,
    };
    let salvage = salvage.clone();
    let differing = repo.salvaged(&salvage, MAX_PATCH_BYTES)?;
    Ok(Look { salvage, differing })
}

/// Which are to be dropped.
#[derive(Debug, Clone, clap::Args)]
struct Drop {
    /// Which
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// All of them
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Only those saved so long ago: 7d, 12h
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<SignedDuration>,
}

/// Drops what is kept, and tells which commits that were.
///
/// # Errors
/// There is no such one; or what git says. Nothing is dropped then.
fn drop(request: &Drop) -> Result<Dropped, Stop> {
    let repo = context::need_repository()?;
    let kept = repo.salvages(None)?;
    let now = crate::host::system::now();
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
    Ok(Dropped(dropped))
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

fn unknown(kept: &[Salvage], name: Option<&str>) -> UnknownSalvage {
    let name = name.map(str::to_owned);
    UnknownSalvage { name, kept: kept.iter().map(Salvage::short_name).collect() }
}

/// Nothing that was saved is called so, or nothing was saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnknownSalvage {
    /// What was asked for.
    pub name: Option<String>,
    /// What there is.
    pub kept: Vec<String>,
}

impl Refuses for UnknownSalvage {
    fn code(&self) -> &'static str {
        "unknown_salvage"
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn message(&self) -> Message {
        let text = match &self.name {
            Some(name) => format!("nothing that is kept is called '{}'", safe(name)),
            None => "nothing is kept of what dead owners left".to_owned(),
        };
        match &self.kept[..] {
            [] => Message::new(
                text,
                "it is saved when the claim of a dead owner is taken over or freed",
                &[],
            ),
            _ => Message::new(text, format!("there is {}", names(&self.kept)), &["salvage"]),
        }
    }

    fn facts(&self) -> Value {
        json!(self)
    }
}
