//! Clones that share a sprint, in the simulated world: what their agents can do, and what must
//! hold.
//!
//! After every step: the chain is what the rules make of its events (L3), no value of the ref comes
//! twice (L1), who was told OK is in the chain and who was told NO is not (L2), who was told that a
//! phase is its own loses it by its own act alone (L5), and no store is ahead of the ledger (L8).
//! At the end everything that is on its way arrives, and each clone alone gets an answer (L9).

use std::cell::{Cell, RefCell};

use git_conductor::error::Failure;
use git_conductor::ledger::{Answer, Defences, Ledger, Next, Site};
use git_conductor::record::ledger::{Agent, Begun, Deed, Entry, LedgerEvent, Seen};
use git_conductor::record::{Process, Token, Verdict};
use git_conductor::rules::shared::Shared;
use git_conductor::rules::spec::parse_list;
use git_conductor::store::CheckedDir;
use git_conductor::store::dir::{Dir, NewFile};
use jiff::Timestamp;
use rustix::io::Errno;

use crate::conductor::Checked;
use crate::dir::SimDir;
use crate::explore::{Effort, Explored, Stats, explore};
use crate::plan::{Effect, Fault, Plan};
use crate::run::{Scenario, View};
use crate::server::SimRemote;
use crate::world::{Ctx, Quiet, Step};

/// Every defence is in force.
pub(crate) const NONE: u16 = 0;
/// All but the one of that name, and so on, in the order of the fields of [`Defences`].
pub(crate) const LOOK_PROVES_ONLY_IN: u16 = 1;
pub(crate) const WORDS_PROVE_NOTHING: u16 = 2;
pub(crate) const SAME_COMMIT_AGAIN: u16 = 4;
pub(crate) const DECIDE_BY_VOUCH: u16 = 8;
pub(crate) const OLDER_PROVES_NOTHING: u16 = 16;
pub(crate) const NOTICE_COPIES: u16 = 32;
pub(crate) const CONCLUDE_OWN: u16 = 64;
pub(crate) const LEDGER_FIRST: u16 = 128;

const fn without(off: u16) -> Defences {
    Defences {
        look_proves_only_in: off & LOOK_PROVES_ONLY_IN == 0,
        words_prove_nothing: off & WORDS_PROVE_NOTHING == 0,
        same_commit_again: off & SAME_COMMIT_AGAIN == 0,
        decide_by_vouch: off & DECIDE_BY_VOUCH == 0,
        older_proves_nothing: off & OLDER_PROVES_NOTHING == 0,
        notice_copies: off & NOTICE_COPIES == 0,
        conclude_own: off & CONCLUDE_OWN == 0,
        ledger_first: off & LEDGER_FIRST == 0,
    }
}

/// So many times a command waits before it is late.
const PATIENCE: u32 = 1;

/// A clone, as one command sees it.
struct SimSite<'y, const OFF: u16> {
    ctx: Ctx<'y>,
    member: &'static str,
    dir: CheckedDir<SimDir<'y>>,
    remote: SimRemote<'y>,
    waited: Cell<u32>,
}

impl<'y, const OFF: u16> Site for SimSite<'y, OFF> {
    type Dir = SimDir<'y>;
    type Remote = SimRemote<'y>;

    const DEFENCES: Defences = without(OFF);

    fn dir(&self) -> &CheckedDir<SimDir<'y>> {
        &self.dir
    }

    fn remote(&self) -> &SimRemote<'y> {
        &self.remote
    }

    fn member(&self) -> &str {
        self.member
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_nanosecond(i128::from(self.ctx.now())).unwrap()
    }

    fn nonce(&self) -> Result<Token, Failure> {
        Ok(self.ctx.fresh_token())
    }

    fn is_late(&self) -> bool {
        self.waited.get() >= PATIENCE
    }

    fn pause(&self, _attempt: u32) {
        self.waited.set(self.waited.get() + 1);
        self.ctx.pause(1_000_000_000);
    }

    fn alone<T>(&self, act: impl FnOnce() -> T) -> Result<T, Failure> {
        let held = self.ctx.mutex(1_000_000_000);
        let value = act();
        if held {
            self.ctx.release_mutex();
        }
        Ok(value)
    }

    fn process(&self) -> Process {
        Process { pid: self.ctx.pid(), ..Process::default() }
    }

    fn has_ended(&self, command: &Process) -> bool {
        !self.ctx.is_alive(command.pid)
    }

    fn landed(&self, event: &LedgerEvent, _: &Shared) -> Result<(), Failure> {
        self.ctx.note("landed", event.nonce.as_str());
        match self.dir.dir().create(&format!("did.{}", event.nonce), false) {
            Err(error) if Errno::from_io_error(&error) != Some(Errno::EXIST) => {
                Err(Failure::io(error, "the store cannot follow"))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// One clone: the directory of its intents, and its id as a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CloneOf {
    pub(crate) dir: &'static str,
    pub(crate) member: &'static str,
}

pub(crate) const LAPTOP: CloneOf = CloneOf { dir: "laptop", member: "laptop" };
pub(crate) const DESKTOP: CloneOf = CloneOf { dir: "desktop", member: "desktop" };
/// A copy of the laptop's directory.
pub(crate) const COPY: CloneOf = CloneOf { dir: "copy", member: "laptop" };

/// What an agent of a clone can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Do {
    /// Share a sprint of these phases.
    Share(&'static str),
    Join,
    Claim(&'static str),
    Complete(&'static str),
    Abort(&'static str),
    Force(&'static str),
    Archive,
    Sync,
    /// What is kept of the server is lost.
    Forget,
    /// The ref is set back by so many changes.
    Rewind(usize),
    /// Somebody pushes a commit that breaks the rules.
    Intrude,
}

/// Who does it: the clone, and the agent.
pub(crate) type Who = (CloneOf, &'static str);

fn deed(what: Do, nonce: &Token) -> Deed {
    // Stands for the hash of a token.
    let token = || nonce.as_str().to_owned();
    match what {
        Do::Share(phases) => Deed::Share {
            ledger: nonce.clone(),
            name: "first".to_owned(),
            sprint: Begun {
                sprint_id: "0123456789ab-20260101-000000".to_owned(),
                goal: None,
                phases: parse_list(phases).unwrap().into_iter().map(Entry).collect(),
                done: Vec::new(),
            },
        },
        Do::Join => Deed::Join { name: "another".to_owned() },
        Do::Claim(phase) => Deed::Claim {
            phase: phase.to_owned(),
            takeover: false,
            token: token(),
            branch: None,
            commit: None,
        },
        Do::Complete(phase) => Deed::Complete {
            phase: phase.to_owned(),
            verdict: Verdict::Pass,
            artifact: None,
            commit: None,
            tree: None,
            branch: None,
            dirty: None,
        },
        Do::Abort(phase) => Deed::Abort { phase: phase.to_owned(), reason: String::new() },
        Do::Force(phase) => {
            Deed::Unstuck { phase: phase.to_owned(), force: true, reason: String::new() }
        }
        Do::Archive => Deed::Archive { force: true },
        Do::Sync | Do::Forget | Do::Rewind(_) | Do::Intrude => Deed::Vouch {},
    }
}

/// Carries out one command, and notes what it was told of which changes.
pub(crate) fn act<const OFF: u16>(ctx: &Ctx<'_>, (clone, agent): Who, what: Do) -> String {
    if let Do::Forget = what {
        ctx.shared.server.borrow_mut().forget(clone.dir);
        return String::new();
    }
    if let Do::Rewind(by) = what {
        ctx.shared.server.borrow_mut().rewind(by);
        return String::new();
    }
    if let Do::Intrude = what {
        ctx.shared.server.borrow_mut().intrude(clone.member);
        return String::new();
    }
    let root = ctx.root();
    let dir = match root.open_dir(clone.dir) {
        Ok(dir) => dir,
        Err(error) => return format!("!{error}"),
    };
    let site = SimSite::<OFF> {
        ctx: ctx.clone(),
        member: clone.member,
        dir: CheckedDir::new(dir, clone.dir),
        remote: SimRemote { ctx: ctx.clone(), clone: clone.dir },
        waited: Cell::new(0),
    };
    let ledger = Ledger::new(&site);
    if what == Do::Sync {
        return match ledger.sync() {
            Ok(Ok(synced)) if !synced.undecided.is_empty() => format!("{:?}", synced.undecided),
            Ok(Ok(synced)) => if synced.shared.is_some() { "OK" } else { "none" }.to_owned(),
            Ok(Err(stuck)) => format!("{stuck:?}"),
            Err(failure) => format!("!{failure}"),
        };
    }
    let tried: RefCell<Vec<Token>> = RefCell::default();
    let ask = |shared: Option<&Shared>, next: Next| {
        tried.borrow_mut().push(next.nonce.clone());
        // In this clone the claims of its agents are known by their names.
        let deed = deed(what, &next.nonce);
        let held =
            shared.zip(deed.phase()).and_then(|(shared, phase)| shared.phase(phase)?.held.as_ref());
        let mine =
            held.is_some_and(|held| held.owner.member == clone.member && held.owner.agent == agent);
        let by = Agent { member: clone.member.to_owned(), agent: agent.to_owned(), person: false };
        let Next { nonce, after, at } = next;
        let seen = Seen { mine, ..Seen::default() };
        Ok(LedgerEvent { seen, ..LedgerEvent::new(by, nonce, after, at, deed) })
    };
    let answer = ledger.change(&ask);
    let tried = tried.into_inner();
    let (last, before) = match tried.split_last() {
        Some((last, before)) => (Some(last), before),
        None => (None, &[][..]),
    };
    for nonce in before {
        ctx.note("no", nonce.as_str());
    }
    let last = last.map_or("", Token::as_str);
    match answer {
        Ok(Answer::Done(_)) => {
            ctx.note("yes", last);
            if let Do::Claim(phase) = what {
                ctx.note("owns", &format!("{phase} {last}"));
            }
            "OK".to_owned()
        }
        Ok(Answer::Already(..)) => {
            ctx.note("no", last);
            "already".to_owned()
        }
        Ok(Answer::No(denied, _)) => {
            ctx.note("no", last);
            format!("{denied:?}")
        }
        Ok(Answer::Stuck(stuck)) => {
            ctx.note("no", last);
            format!("{stuck:?}")
        }
        Ok(Answer::Unknown(_)) => "unknown".to_owned(),
        Err(failure) => format!("!{failure}"),
    }
}

/// What was told of a change is true.
pub(crate) fn truth(view: &View<'_, String>, server: &crate::server::Server) -> Checked {
    let chain = server.chain();
    for note in view.notes {
        let is_in = chain.iter().any(|link| link.event.nonce.as_str() == &*note.detail);
        match note.what {
            "yes" if !is_in => return Err("L2: a change that was told is not in".to_owned()),
            "no" if is_in && !note.detail.is_empty() => {
                return Err("L2: a change that was refused is in".to_owned());
            }
            "landed" if !is_in => return Err("L8: a store is ahead of the ledger".to_owned()),
            "owns" => {
                let (phase, nonce) = note.detail.split_once(' ').unwrap_or_default();
                let at = chain.iter().position(|link| link.event.nonce.as_str() == nonce);
                let Some(at) = at else { continue };
                let owner = &chain[at].event.by;
                let later = chain[at + 1..].iter().map(|link| &link.event);
                let next = later.clone().find(|event| event.deed.phase() == Some(phase));
                let robs = |event: &&LedgerEvent| {
                    event.by != *owner && !matches!(event.deed, Deed::Unstuck { force: true, .. })
                };
                if let Some(thief) = next.filter(robs) {
                    return Err(format!("L5: {phase} was ended by {:?}", thief.by));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// What holds after every step.
fn always(view: &View<'_, String>) -> Checked {
    view.server.check()?;
    truth(view, view.server)
}

/// Everything that is on its way arrives; what was told is still true, and each clone alone gets an
/// answer.
fn finally(view: &View<'_, String>, clones: &[CloneOf], copies: bool) -> Checked {
    let wrong = ["Copied", "Rewound", "Invalid", "Newer"];
    let told = crate::conductor::answers(view).join(",");
    if let Some(wrong) = wrong.iter().find(|wrong| !copies && told.contains(**wrong)) {
        return Err(format!("told {wrong}: {told}"));
    }
    let mut quiet = view.quiet();
    quiet.server.lags = None;
    for late in [false, true] {
        let mut quiet = quiet.clone();
        if late {
            quiet.server.deliver_all();
        }
        quiet.server.check()?;
        truth(view, &quiet.server)?;
        for clone in clones {
            rescued(&mut quiet, *clone, copies)?;
        }
        quiet.server.deliver_all();
        quiet.server.check()?;
        truth(view, &quiet.server)?;
    }
    Ok(())
}

/// One command alone in a clone finds out what became of everything, and leaves nothing behind.
pub(crate) fn rescued(quiet: &mut Quiet, clone: CloneOf, copies: bool) -> Checked {
    let answer = quiet.run("lone", |ctx| act::<NONE>(ctx, (clone, "lone"), Do::Sync));
    if copies && answer == "Copied" {
        return Ok(());
    }
    if answer != "OK" && answer != "none" {
        return Err(format!("L9: {} alone is told {answer}", clone.dir));
    }
    let names: Vec<String> = quiet.fs.peek_list(clone.dir).map(str::to_owned).collect();
    if let Some(left) = names.iter().find(|name| name.starts_with("intent.")) {
        return Err(format!("L9: {}/{left} is left", clone.dir));
    }
    // An empty change is nothing for a store to follow, but it is told all the same.
    let chain = quiet.server.chain();
    let mut own = chain.iter().map(|link| &link.event).filter(|it| it.by.member == clone.member);
    match own.find(|event| !names.contains(&format!("did.{}", event.nonce))) {
        Some(event) if !copies => Err(format!("L8: {} does not follow {event:?}", clone.dir)),
        Some(_) | None => Ok(()),
    }
}

/// A ledger with a sprint of `phases`, shared by the laptop, and joined by the desktop.
pub(crate) fn shared(phases: &'static str) -> Quiet {
    let mut quiet = Quiet::new();
    quiet.run("setup", |ctx| {
        for clone in [LAPTOP, DESKTOP] {
            ctx.root().make_dir(clone.dir).unwrap();
        }
    });
    quiet.told((LAPTOP, "ann"), Do::Share(phases), "OK");
    quiet.told((DESKTOP, "bob"), Do::Join, "OK");
    quiet
}

impl Quiet {
    /// Carries out one command alone, which must be answered so.
    #[track_caller]
    pub(crate) fn told(&mut self, who: Who, what: Do, expected: &str) {
        let answer = self.run("alone", |ctx| act::<NONE>(ctx, who, what));
        assert_eq!(answer, expected, "{what:?}");
    }

    /// Copies the laptop's directory, as an image of a machine would be.
    pub(crate) fn copied(mut self) -> Self {
        self.run("copies", |ctx| {
            let root = ctx.root();
            root.make_dir(COPY.dir).unwrap();
            let (from, to) = (root.open_dir(LAPTOP.dir).unwrap(), root.open_dir(COPY.dir).unwrap());
            for entry in from.list(99).unwrap() {
                let content = from.read(&entry.name, 1 << 20).unwrap();
                to.create(&entry.name, false).unwrap().write(&content).unwrap();
            }
        });
        self
    }
}

/// What several commands at once are to do.
pub(crate) type Script = &'static [Do];

/// A scenario in which each of `actors` gives its commands one after another, and the network
/// brings what is late, `late` times.
pub(crate) fn together<const OFF: u16>(
    name: &'static str,
    start: Quiet,
    actors: &[(Who, Script)],
    late: usize,
) -> Scenario<String> {
    const LETTERS: [&str; 4] = ["A", "B", "C", "D"];
    let mut scenario = Scenario::new(name, start).max_steps(3_000);
    for (letter, &(who, script)) in LETTERS.into_iter().zip(actors) {
        scenario = scenario.command(letter, move |ctx| {
            let answers = script.iter().map(|what| {
                let answer = ctx.invoke(|ctx| act::<OFF>(ctx, who, *what));
                answer.unwrap_or_else(|| "killed".to_owned())
            });
            answers.collect::<Vec<_>>().join(",")
        });
    }
    if late > 0 {
        scenario = scenario.command("N", move |ctx| {
            for _ in 0..late {
                ctx.deliver();
            }
            String::new()
        });
    }
    let mut clones: Vec<CloneOf> = actors.iter().map(|((clone, _), _)| *clone).collect();
    clones.dedup();
    let copies = clones.contains(&COPY);
    scenario.always(always).finally(move |view| finally(view, &clones, copies))
}

/// Explores with each push and each fetch going wrong in each way.
pub(crate) fn cut_off_everywhere(
    scenario: &Scenario<String>,
    plan: &Plan,
    effort: Effort,
) -> Explored {
    let mut stats = Stats::default();
    for command in 0..scenario.names.len() {
        for step in 1.. {
            let fault = |effect| Fault { command, step, errno: Errno::IO, effect };
            let struck = explore(scenario, &plan.with_fault(fault(Effect::None)), effort)?;
            stats.runs += struck.runs;
            match struck.struck {
                None => break,
                Some(Step::Write) => {
                    for effect in [Effect::Half, Effect::Full] {
                        let plan = plan.with_fault(fault(effect));
                        stats.runs += explore(scenario, &plan, effort)?.runs;
                    }
                }
                Some(_) => {}
            }
        }
    }
    Ok(stats)
}
