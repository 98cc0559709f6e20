//! `run`: own a phase for as long as a command runs.
//!
//! The claim records the process of this very command, so that whoever kills it leaves an owner
//! that is provably gone. The command is told the claim's token, and so is the owner in all that it
//! asks git or this program while both live. It runs in a process group of its own, below a
//! supervisor that ends with it what it has begun when this process is killed; and it is stopped
//! when the claim is lost.

pub(super) mod answer;
mod end;
pub mod supervisor;
mod watch;
mod wire;

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;

use super::claim::Claimed;
use super::context::Context;
use super::inputs::Input;
use super::patience::{Patience, WaitOptions};
use super::recorded::Dirty;
use super::session::{Answered, Run, Session};
use super::{claim, complete, waiting};
use crate::error::{self, Failure, FailureKind, Stop};
use crate::host::agent::{NAME_VARIABLES, PID_VARIABLE, TOKEN_VARIABLE};
use crate::host::signals::Signals;
use crate::place::STORE_VARIABLE;
use crate::record::{Claim, Done, Verdict};
use crate::rules::graph::Handover;
use crate::rules::identity::relation;
use crate::rules::{Change, Life, Refusal, State};
use crate::store::artifact::BadArtifact;
use crate::store::change::Granted;
use crate::store::standing::Standing;
use watch::{Ended, Watched};

pub use end::End;
use watch::pass_on_what_was_typed;

/// Own a phase for as long as a command runs
///
/// Claims the phase and runs CMD. If that ends with 0 the phase is completed, with
/// the artifact, which must be there then; else it is given up, with the exit code
/// as the reason, and that is the exit code of this command too (128 and more for
/// a signal). Where this command itself refuses, it ends with 125.
///
/// CMD has in its environment GIT_CONDUCTOR_SPRINT, GIT_CONDUCTOR_PHASE,
/// GIT_CONDUCTOR_AGENT, GIT_CONDUCTOR_STORE, GIT_CONDUCTOR_TOKEN, and what the phase
/// builds on: GIT_CONDUCTOR_INPUTS, as JSON, and GIT_CONDUCTOR_INPUT_PLAN, the file
/// that was handed over with 'plan'. What it asks of git or of this program counts
/// as asked by the owner; it may complete the phase itself.
///
/// Signals are passed on to CMD. With --json, what CMD prints goes to stderr.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor run qa --artifact report.xml -- make test\n  git conductor run security --wait -- ./scan.sh"
)]
#[expect(clippy::doc_markdown, reason = "the doc comments are the help, where backticks stay")]
pub(super) struct RunArgs {
    /// The phase
    phase: String,
    /// The file to hand over if CMD ends with 0
    #[arg(long, value_name = "PATH")]
    artifact: Option<PathBuf>,
    #[command(flatten)]
    waiting: WaitOptions,
    /// The command, and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

impl Run for RunArgs {
    /// Runs a command as the owner of a phase. What is said of the claim comes before what it
    /// prints.
    fn run(self, session: &mut Session) -> Answered {
        let Self { phase, artifact, waiting, command } = self;
        session.refuse_with(error::RUN_REFUSED);
        let caught = catch_signals()?;
        let stdout = if session.json() { Some(answer::beside_the_answer()?) } else { None };
        let mut context = session.store()?;
        let claimed = if waiting.wait {
            session.patiently(waiting.timeout, |patience| {
                claim(&mut context, &phase, &caught, Some(patience))
            })
        } else {
            claim(&mut context, &phase, &caught, None)
        }?;
        if !session.json() {
            // Whoever does not read this may read what the command prints.
            _ = answer::begun(&claimed, session.format()).write();
        }
        let request = Request { phase, artifact, command, stdout };
        let ran = run(&mut context, &request, &caught, claimed)?;
        if let Some(signal) = ran.typed {
            session.do_last(move || pass_on_what_was_typed(signal));
        }
        Ok(Box::new(ran))
    }
}

/// What was asked for.
#[derive(Debug)]
struct Request {
    /// The phase.
    pub phase: String,
    /// What is handed over if it ends well.
    pub artifact: Option<PathBuf>,
    /// The command, and its arguments.
    pub command: Vec<OsString>,
    /// Where what it prints goes to, if not to standard output.
    pub stdout: Option<OwnedFd>,
}

/// A command that was run as the owner of a phase.
#[derive(Debug)]
pub struct Ran {
    /// The claim.
    pub granted: Granted,
    /// How long it was waited for, if that was asked for.
    pub waited: Option<std::time::Duration>,
    /// How the command ended.
    pub end: End,
    /// Whether it was stopped, because the claim was lost.
    pub was_stopped: bool,
    /// The signal that was typed to the command alone and has ended it: for whoever else runs with
    /// this one.
    pub typed: Option<i32>,
    /// What became of the phase.
    pub fate: Fate,
}

impl Ran {
    /// The exit code: the command's; but not 0 where it was stopped because the claim was lost.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.was_stopped && self.end.is_well() { error::RUN_REFUSED } else { self.end.exit() }
    }
}

/// What became of the phase.
#[derive(Debug)]
pub enum Fate {
    /// It is completed.
    Completed(Box<complete::Handed>),
    /// It is completed; something that was to be done after that failed.
    Stands(Box<Done>, Stop),
    /// The command itself has completed it.
    Itself(Box<Done>),
    /// It was given up, for this reason.
    Aborted(String),
    /// It was not this claim's any more, and is as it was found.
    Lost(Box<Refusal>),
    /// It could not be given up; the owner is gone now.
    Left(Failure),
}

/// The signals of a `run`, caught before it claims: none that comes once there is a claim is
/// missed.
struct Caught(Rc<Signals>);

/// Catches what is to be passed on to the command. Until it runs, `--wait` ends by it as any
/// command does.
///
/// # Errors
/// The system does not let them be caught.
fn catch_signals() -> Result<Caught, Failure> {
    let signals = Signals::catch_these(watch::CAUGHT)
        .map_err(|error| Failure::io(error, "cannot catch signals"))?;
    Ok(Caught(Rc::new(signals)))
}

/// Claims `phase` for this very process, at once or, with `patience`, as soon as it can be.
///
/// # Errors
/// As [`claim::claim`] and [`claim::claim_when_possible`]; or the asker holds it already.
fn claim(
    context: &mut Context,
    phase: &str,
    caught: &Caught,
    patience: Option<Patience<'_>>,
) -> Result<Claimed, Stop> {
    if let Some(board) = context.store.states()?
        && let Some(id) = board.graph.find(phase)
        && let State::Claimed(hold) = board.state(id)
        && hold.life != Life::Dead
        && relation(&context.asker.me, &hold.claim, hold.life).is_mine()
    {
        return Err(held(phase, &hold.claim, board.graph.phase(id).handover()));
    }
    let me = &mut context.asker.me;
    // Nobody else: the claim is to end with this process.
    me.process = Some(me.command.clone());
    (me.shared, me.via) = (None, None);
    let claimed = match patience {
        Some(patience) => {
            let patience = Patience { signals: Some(Rc::clone(&caught.0)), ..patience };
            claim::claim_when_possible(context, Some(phase), false, patience)
        }
        None => claim::claim(context, phase, false),
    };
    let claimed = claimed.map_err(|stop| waiting_again(stop, phase))?;
    let granted = &claimed.granted;
    if granted.change == Change::Renew {
        let graph = &granted.board.graph;
        let id = graph.find(phase);
        let handover = id.map(|id| graph.phase(id).handover()).unwrap_or_default();
        return Err(held(phase, &granted.claim, handover));
    }
    Ok(claimed)
}

/// Where the time is over, what to do is not to claim it: nothing would be run.
fn waiting_again(mut stop: Stop, phase: &str) -> Stop {
    if let Stop::Refused(refusal) = &mut stop
        && let Refusal::TimedOut { again, .. } = &mut **refusal
    {
        let words = ["wait", phase, "--for", "claimable", "--timeout", waiting::SHELL_TIMEOUT_HINT];
        *again = words.map(str::to_owned).to_vec();
    }
    stop
}

/// The asker has it already, and its process would stay the one that is recorded.
fn held(phase: &str, claim: &Claim, handover: Handover) -> Stop {
    Refusal::Holding { phase: phase.to_owned(), since: claim.claimed_at, handover }.into()
}

/// Runs the command under the claim that was `claimed`; completes the phase if that ends well, and
/// gives it up otherwise.
///
/// # Errors
/// The command ended well, and the phase could not be completed, for want of the artifact for
/// example: then it is given up.
fn run(
    context: &mut Context,
    request: &Request,
    caught: &Caught,
    claimed: Claimed,
) -> Result<Ran, Stop> {
    let Claimed { granted, inputs, waited, .. } = claimed;
    context.asker.me.token.clone_from(&granted.claim.token);
    let name = request.command.first().map(|word| word.to_string_lossy()).unwrap_or_default();
    let watched = Watched {
        context,
        sprint: &granted.board.sprint.sprint_id,
        phase: &request.phase,
        token: granted.claim.token.as_ref(),
    };
    let ended = match command(context, request, &granted, &inputs) {
        Ok(command) => watch::run(&watched, &caught.0, &name, command),
        Err(error) => Ended::with(End::not_run(&name, &error)),
    };
    let fate = conclude(&watched, request, &ended)?;
    let Ended { end, was_stopped, typed, .. } = ended;
    Ok(Ran { granted, waited, end, was_stopped, typed, fate })
}

/// What begins the command, with what it is to know in its environment.
fn command(
    context: &Context,
    request: &Request,
    granted: &Granted,
    inputs: &[Input],
) -> std::io::Result<Command> {
    let mut command = watch::command(&request.command);
    let sprint = &granted.board.sprint.sprint_id;
    command.env("GIT_CONDUCTOR_SPRINT", sprint);
    command.env("GIT_CONDUCTOR_PHASE", &granted.phase);
    command.env(NAME_VARIABLES[0], &granted.claim.agent);
    command.env(STORE_VARIABLE, context.store_path());
    if let Some(token) = &granted.claim.token {
        command.env(TOKEN_VARIABLE, token.as_str());
    }
    // What is asked below is asked by this process; once it is gone, by nobody.
    command.env(PID_VARIABLE, std::process::id().to_string());
    command.env("GIT_CONDUCTOR_INPUTS", serde_json::to_string(inputs)?);
    for (variable, path) in of_inputs(inputs) {
        command.env(variable, path);
    }
    if let Some(stdout) = &request.stdout {
        command.stdout(stdout.try_clone()?);
    }
    Ok(command)
}

/// The variables that name the artifacts of the dependencies: `GIT_CONDUCTOR_INPUT_PLAN`. Where two
/// phases would have the same, neither has any; all are in `GIT_CONDUCTOR_INPUTS`.
fn of_inputs(inputs: &[Input]) -> Vec<(String, &str)> {
    let variable = |input: &Input| {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        format!("GIT_CONDUCTOR_INPUT_{}", input.phase.chars().map(plain).collect::<String>())
    };
    let all: Vec<String> = inputs.iter().map(variable).collect();
    let is_one = |name: &String| all.iter().filter(|other| *other == name).count() == 1;
    let named = std::iter::zip(all.iter().cloned(), inputs);
    named
        .filter(|(name, _)| is_one(name))
        .filter_map(|(name, input)| Some((name, input.artifact.as_deref()?)))
        .collect()
}

/// Completes the phase, or gives it up.
fn conclude(watched: &Watched<'_>, request: &Request, ended: &Ended) -> Result<Fate, Stop> {
    let Watched { context, sprint, .. } = watched;
    let (phase, end) = (&request.phase, &ended.end);
    // Who is stopped may say by 0 that it has obeyed: the phase was lost all the same.
    let is_well = end.is_well() && !ended.was_stopped;
    match standing(watched) {
        Ok(Standing::Replaced) => {
            // A phase of that name in another sprint is another phase.
            let ended_sprint = Some((*sprint).to_owned());
            let lost = Refusal::Lost { phase: phase.clone(), holder: None, ended_sprint };
            return if is_well { Err(lost.into()) } else { Ok(Fate::Lost(Box::new(lost))) };
        }
        Ok(Standing::Done(done)) => return Ok(Fate::Itself(done)),
        Err(failure) if is_well => return Err(failure.into()),
        Ok(Standing::Held | Standing::GivenUp | Standing::Lost | Standing::NoSprint) | Err(_) => {}
    }
    if let Some(left) = &ended.left {
        return Ok(Fate::Left(goes_on(left)));
    }
    if !is_well {
        return Ok(give_up(context, phase, end.reason()));
    }
    let hand_in = complete::Request {
        phase: phase.clone(),
        artifact: request.artifact.clone(),
        verdict: Verdict::Pass,
        ..complete::Request::default()
    };
    match complete::complete(context, &hand_in) {
        Ok(handed) => Ok(Fate::Completed(Box::new(handed))),
        Err(stop) => match standing(watched) {
            // What was to follow has failed.
            Ok(Standing::Done(done)) => Ok(Fate::Stands(done, stop)),
            // Nobody else will give it up: this process ends now.
            _ => Err(given_up(context, phase, stop)),
        },
    }
}

/// How the claim stands.
fn standing(watched: &Watched<'_>) -> Result<Standing, Failure> {
    let Watched { context, sprint, phase, token } = watched;
    match token {
        Some(token) => context.store.standing(sprint, phase, token),
        None => Ok(Standing::Lost),
    }
}

/// Processes of the command that cannot be stopped still work on the phase.
fn goes_on(left: &[i32]) -> Failure {
    let text = match left {
        [0, ..] => "it cannot be seen whether processes of the command go on".to_owned(),
        [one] => format!("process {one} of the command cannot be stopped"),
        many => {
            let many: Vec<String> = many.iter().take(8).map(ToString::to_string).collect();
            format!("processes {} of the command cannot be stopped", many.join(", "))
        }
    };
    Failure::new(FailureKind::Io, text)
}

/// Gives the phase up since it could not be completed, for the reason that `stop` is.
fn given_up(context: &Context, phase: &str, mut stop: Stop) -> Stop {
    if let Some(BadArtifact { path, why, given_up, .. }) = stop.declined_mut() {
        let fate = give_up(context, phase, format!("no artifact '{path}': {why}"));
        *given_up = matches!(fate, Fate::Aborted(_));
        return stop;
    }
    if let Some(Dirty { count, given_up, .. }) = stop.declined_mut() {
        let reason =
            format!("{count} paths were not committed, and conductor.requireClean is true");
        let fate = give_up(context, phase, reason);
        *given_up = matches!(fate, Fate::Aborted(_));
        return stop;
    }
    let why = match &stop {
        Stop::Refused(_) | Stop::Declined(_) => stop.code().to_owned(),
        Stop::Failed(failure) => failure.to_string(),
    };
    give_up(context, phase, format!("it could not be completed: {why}"));
    stop
}

fn give_up(context: &Context, phase: &str, reason: String) -> Fate {
    match context.store.abort(&context.asker, phase, &reason) {
        Ok(freed) if freed.hold.is_some() => Fate::Aborted(reason),
        // Somebody else has given it up meanwhile, or the command has.
        Ok(_) => Fate::Lost(Box::new(Refusal::NotClaimed { phase: phase.to_owned() })),
        Err(Stop::Refused(refusal)) => Fate::Lost(refusal),
        Err(Stop::Declined(refusal)) => {
            Fate::Left(Failure::new(FailureKind::Bug, refusal.message().text))
        }
        Err(Stop::Failed(failure)) => Fate::Left(failure),
    }
}
