//! The shipped protocol in the simulated world: agents, the commands that they give, and the states
//! that scenarios begin in.

use std::io;
use std::rc::Rc;

use git_conductor::error::{Failure, FailureKind, Stop};
use git_conductor::record::{Checkout, Claim, Event, Process, Token, Verdict};
use git_conductor::rules::identity::relation;
use git_conductor::rules::rounds::Ask;
use git_conductor::rules::spec::parse_list;
use git_conductor::rules::{Life, LiveClaim, Me};
use git_conductor::store::artifact::Source;
use git_conductor::store::change::{Asker, HandIn};
use git_conductor::store::dir::Dir;
use git_conductor::store::host::Defences;
use git_conductor::store::lifecycle::Plan as Sprint;
use git_conductor::store::{CheckedDir, Host, Store};
use jiff::{SignedDuration, Timestamp};
use rustix::io::Errno;

use crate::dir::SimDir;
use crate::run::{Outcome, Scenario, View};
use crate::world::{Ctx, Quiet};

/// The protocol's view of the simulated world; `OFF` is the set of defences that are switched off,
/// to see that the checker notices. The bits are in the order of the fields of [`Defences`].
/// With it goes who asks, whose own claims are to be heard of.
pub(crate) struct SimHost<'y, const OFF: u16>(Ctx<'y>, Option<Me>);

/// Every defence is in force.
pub(crate) const NONE: u16 = 0;
/// All but the one of that name, and so on.
pub(crate) const LATCH_STAYS: u16 = 1;
pub(crate) const LOOK_AGAIN: u16 = 2;
pub(crate) const TAKE_OVER_BY_NAME: u16 = 4;
pub(crate) const COMMIT_BY_RENAME: u16 = 8;
pub(crate) const REMOVE_WHAT_WAS_JUDGED: u16 = 16;
pub(crate) const NEVER_ABSENT: u16 = 32;
pub(crate) const OWN_DIRECTORY: u16 = 64;
pub(crate) const PUBLISH_FIRST: u16 = 128;
pub(crate) const LOOK_FOR_CURRENCY: u16 = 256;
pub(crate) const RECORD_FIRST: u16 = 512;
pub(crate) const HEAR: u16 = 1024;
pub(crate) const HEAR_AGAIN: u16 = 2048;
pub(crate) const MARK_REMOVED: u16 = 4096;
pub(crate) const WAIT_ONCE: u16 = 8192;
pub(crate) const REMOVE_UNMARKED: u16 = 16384;
pub(crate) const OUTLIVE_BOOT: u16 = 32768;

const fn without(off: u16) -> Defences {
    Defences {
        latch_stays: off & 1 == 0,
        look_again: off & 2 == 0,
        take_over_by_name: off & 4 == 0,
        commit_by_rename: off & 8 == 0,
        remove_what_was_judged: off & 16 == 0,
        never_absent: off & 32 == 0,
        own_directory: off & 64 == 0,
        publish_first: off & 128 == 0,
        look_for_currency: off & 256 == 0,
        record_first: off & 512 == 0,
        hear: off & 1024 == 0,
        hear_again: off & 2048 == 0,
        mark_removed: off & 4096 == 0,
        wait_once: off & 8192 == 0,
        remove_unmarked: off & 16384 == 0,
        outlive_boot: off & 32768 == 0,
    }
}

fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// What a failing look at `conductor` is to the protocol.
fn failure(error: io::Error) -> Failure {
    Failure::io(error, "cannot open 'conductor'".to_owned())
}

impl<'y, const OFF: u16> Host for SimHost<'y, OFF> {
    type Dir = SimDir<'y>;

    const DEFENCES: Defences = without(OFF);

    fn conductor(&self) -> Result<Option<CheckedDir<SimDir<'y>>>, Failure> {
        match retry(|| self.0.root().open_dir("conductor")) {
            Ok(dir) => Ok(Some(CheckedDir::new(dir, "conductor"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failure(error)),
        }
    }

    fn make_conductor(&self) -> Result<CheckedDir<SimDir<'y>>, Failure> {
        let root = self.0.root();
        match retry(|| root.make_dir("conductor")) {
            Ok(()) => {}
            Err(error) if Errno::from_io_error(&error) == Some(Errno::EXIST) => {}
            Err(error) => return Err(failure(error)),
        }
        // As the shipped world does it, also if another start has just made it.
        retry(|| root.sync()).map_err(failure)?;
        let found = self.conductor()?;
        found.ok_or_else(|| Failure::new(FailureKind::Busy, "'conductor' has just been removed"))
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_nanosecond(i128::from(self.0.now())).unwrap()
    }

    fn token(&self) -> Result<Token, Failure> {
        let token = self.0.fresh_token();
        // A command asks for a token when it has decided, before it does anything.
        self.0.note("decides", token.as_str());
        Ok(token)
    }

    fn life(&self, claim: &Claim) -> Life {
        match &claim.process {
            Some(process) => self.life_of(process),
            // A script's record: its pid is all there is.
            None if claim.v == 0 && claim.pid > 0 => {
                if self.0.is_alive(claim.pid) {
                    Life::Alive
                } else {
                    Life::Dead
                }
            }
            None => Life::Unknown,
        }
    }

    fn life_of(&self, process: &Process) -> Life {
        // Numbers are never reused, and those of earlier boots are dead.
        if self.0.is_alive(process.pid) { Life::Alive } else { Life::Dead }
    }

    fn booted_at(&self) -> Option<Timestamp> {
        Timestamp::from_nanosecond(i128::from(self.0.booted_at())).ok()
    }

    fn under_mutex<T>(
        &self,
        _conductor: &CheckedDir<SimDir<'y>>,
        waits: bool,
        act: impl FnOnce() -> T,
    ) -> (T, bool) {
        let held = if waits { self.0.mutex(1_000_000_000) } else { self.0.try_mutex() };
        let value = act();
        if held {
            self.0.release_mutex();
        }
        (value, waits && !held)
    }

    fn hears(&self, lock: &CheckedDir<SimDir<'y>>, hold: &LiveClaim) -> Option<Timestamp> {
        // As the shipped world does it, where a sign of life is always noted.
        let stat = retry(|| lock.dir().stat("meta.json")).ok()?;
        let me = &self.1;
        if me.as_ref().is_some_and(|me| relation(me, &hold.claim, hold.life).is_mine()) {
            if retry(|| lock.dir().touch("meta.json")).is_ok() {
                self.0.note("spoke", &hold.claim.agent);
            }
            return Some(self.now());
        }
        Timestamp::from_nanosecond(stat.mtime.into()).ok()
    }

    fn pause(&self, _attempt: u32) {
        self.0.pause(25_000_000);
    }

    fn audit(&self, _event: &Event) {}
}

fn process(pid: i64, boot: i64) -> Process {
    Process { pid, start: Some(1), boot: Some(format!("boot-{boot}")), ..Process::default() }
}

/// An agent: its name, and the process that lives as long as it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agent {
    pub(crate) name: &'static str,
    pub(crate) pid: i64,
}

/// Who the agent is to one of its commands.
pub(crate) fn me(ctx: &Ctx<'_>, agent: Agent) -> Me {
    Me {
        name: agent.name.to_owned(),
        explicit: true,
        process: Some(process(agent.pid, ctx.boot())),
        command: process(ctx.pid(), ctx.boot()),
        worktree: Some("/project".to_owned()),
        ..Me::default()
    }
}

/// The store as the agent sees it in one command.
fn as_agent<'y, const OFF: u16>(ctx: &Ctx<'y>, agent: Agent) -> (Store<SimHost<'y, OFF>>, Asker) {
    let asker = Asker {
        me: me(ctx, agent),
        stale_after: SignedDuration::from_hours(1),
        max_attempts: None,
        checkout: Checkout::default(),
        saves: false,
    };
    let world = SimHost(ctx.clone(), Some(asker.me.clone()));
    (Store::new(world, None), asker)
}

/// What an agent can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Do {
    Claim(&'static str),
    Takeover(&'static str),
    Next,
    Complete(&'static str),
    /// With an artifact of this content.
    HandIn(&'static str, &'static str),
    Abort(&'static str),
    Unstuck(&'static str),
    /// `unstuck --force`.
    Force(&'static str),
    /// With phases as `--phases` takes them, and after a `!` how many attempts at each may fail.
    Start(&'static str),
    /// `start --force`.
    Restart(&'static str),
    /// `start --if-none`.
    IfNone(&'static str),
    /// `start --from`.
    Round(&'static str),
    /// `start --resume` of the latest sprint that has ended.
    Resume,
    Archive,
    /// Of everything that is archived.
    Clean,
    Status,
}

/// One word for how a request ended: `OK`, a refusal's code, or a failure's with a `!` before it.
fn word<T>(result: Result<T, Stop>) -> String {
    match result {
        Ok(_) => "OK".to_owned(),
        Err(Stop::Failed(failure)) => format!("!{} {failure}", failure.kind.code()),
        Err(stop) => stop.code().to_owned(),
    }
}

/// The board in one line: `build=claimed:ann ship=pending`.
fn board<const OFF: u16>(store: &Store<SimHost<'_, OFF>>) -> Result<String, Stop> {
    use git_conductor::rules::State;
    let Some(board) = store.board()? else { return Ok("none".to_owned()) };
    let states = board.graph.ids().map(|id| {
        let name = &board.graph.phase(id).name;
        match board.state(id) {
            State::Pending => format!("{name}=pending"),
            State::Claimed(hold) => format!("{name}=claimed:{}", hold.claim.agent),
            State::Done(done) => format!("{name}=done:{}", done.agent),
        }
    });
    Ok(states.collect::<Vec<_>>().join(" "))
}

/// What a sprint begins with.
#[derive(Clone, Copy)]
enum Of<'a> {
    /// These phases.
    Phases(&'a str),
    /// What the last one has, from this phase on.
    From(&'a str),
    /// What the latest that has ended has.
    Ended,
}

/// A sprint of phases, or one that takes up another.
fn start_sprint<const OFF: u16>(
    ctx: &Ctx<'_>,
    agent: Agent,
    of: Of,
    (if_none, force): (bool, bool),
) -> String {
    let (store, asker) = as_agent::<OFF>(ctx, agent);
    let mut entries = Vec::new();
    let mut round = None;
    match of {
        Of::Phases(phases) => {
            let (list, limit) = phases.split_once('!').unwrap_or((phases, ""));
            entries = parse_list(list).unwrap();
            for entry in &mut entries {
                entry.max_attempts = limit.parse().ok();
            }
        }
        Of::From(from) => round = Some(Ask { from: Some(from.to_owned()), ..Ask::default() }),
        Of::Ended => {
            let current = match store.states() {
                Ok(board) => board.map(|board| board.sprint.sprint_id),
                Err(failure) => return word::<()>(Err(failure.into())),
            };
            let sprints = store.sprints().unwrap_or_default();
            let ended = sprints.into_iter().find(|id| Some(id) != current.as_ref());
            let resume = Some(ended.unwrap_or_default());
            round = Some(Ask { resume, ..Ask::default() });
        }
    }
    let plan = Sprint {
        project: "/project".to_owned(),
        hash: "0123456789ab".to_owned(),
        phases: entries,
        round,
        goal: None,
        if_none,
        force,
    };
    let started = store.start(&asker, &plan);
    if let Ok(started) = &started {
        ctx.note(if started.kept { "kept" } else { "started" }, &started.sprint.sprint_id);
        for phase in &started.carried {
            ctx.note("carried", &format!("{}/{phase}", started.sprint.sprint_id));
        }
    }
    word(started)
}

/// `<phase> <token>`: what a monitor needs to know of a success.
fn told(ctx: &Ctx<'_>, what: &'static str, phase: &str, token: Option<&Token>) {
    ctx.note(what, &format!("{phase} {}", token.map_or("", Token::as_str)));
}

fn hand_in<const OFF: u16>(
    ctx: &Ctx<'_>,
    agent: Agent,
    phase: &str,
    content: Option<&str>,
) -> String {
    let (store, asker) = as_agent::<OFF>(ctx, agent);
    let mut handed = HandIn { verdict: Verdict::Pass, ..HandIn::default() };
    if let Some(content) = content {
        // As the command does it: asked before an artifact is copied for nothing.
        if let Err(stop) = store.may_complete(&asker, phase, Verdict::Pass) {
            return word::<()>(Err(stop));
        }
        let source = Source {
            given: "out.json".to_owned(),
            path: "/project/out.json".to_owned(),
            mtime: 1,
            content: &mut content.as_bytes(),
            limit: 1 << 20,
        };
        match store.pin(phase, source) {
            Ok(pinned) => handed.artifact = Some(pinned),
            Err(stop) => return word::<()>(Err(stop)),
        }
    }
    let completed = store.complete(&asker, phase, &handed);
    if let Ok(completed) = &completed {
        told(ctx, "completed", phase, completed.done.token.as_ref());
    }
    word(completed)
}

/// The board as [`Do::Status`] tells it, and how many attempts at `phase` are over.
pub(crate) fn look(ctx: &Ctx<'_>, agent: Agent, phase: &str) -> (String, usize) {
    let (store, _) = as_agent::<NONE>(ctx, agent);
    let seen = store.board().map(|board| {
        let board = board?;
        let id = board.graph.find(phase)?;
        Some(board.past(id).len())
    });
    match seen {
        Ok(count) => (String::new(), count.unwrap_or_default()),
        Err(failure) => (word::<()>(Err(failure.into())), 0),
    }
}

/// Carries out one command.
pub(crate) fn act<const OFF: u16>(ctx: &Ctx<'_>, agent: Agent, what: Do) -> String {
    let (store, asker) = as_agent::<OFF>(ctx, agent);
    match what {
        Do::Claim(phase) | Do::Takeover(phase) => {
            let granted = store.claim(&asker, phase, matches!(what, Do::Takeover(_)));
            if let Ok(granted) = &granted {
                told(ctx, "granted", phase, granted.claim.token.as_ref());
            }
            word(granted)
        }
        Do::Next => {
            let granted = store.claim_next(&asker);
            if let Ok(granted) = &granted {
                told(ctx, "granted", &granted.phase, granted.claim.token.as_ref());
                return format!("OK {}", granted.phase);
            }
            word(granted)
        }
        Do::Complete(phase) => hand_in::<OFF>(ctx, agent, phase, None),
        Do::HandIn(phase, content) => hand_in::<OFF>(ctx, agent, phase, Some(content)),
        Do::Abort(phase) => word(store.abort(&asker, phase, "")),
        Do::Unstuck(phase) | Do::Force(phase) => {
            word(store.unstuck(&asker, phase, matches!(what, Do::Force(_))))
        }
        Do::Start(phases) => start_sprint::<OFF>(ctx, agent, Of::Phases(phases), (false, false)),
        Do::Restart(phases) => start_sprint::<OFF>(ctx, agent, Of::Phases(phases), (false, true)),
        Do::IfNone(phases) => start_sprint::<OFF>(ctx, agent, Of::Phases(phases), (true, false)),
        Do::Round(from) => start_sprint::<OFF>(ctx, agent, Of::From(from), (false, false)),
        Do::Resume => start_sprint::<OFF>(ctx, agent, Of::Ended, (false, false)),
        Do::Archive => word(store.archive_current(&asker)),
        Do::Clean => word(store.clean(&asker, SignedDuration::ZERO)),
        Do::Status => match board::<OFF>(&store) {
            Ok(board) => {
                ctx.note("board", &board);
                board
            }
            Err(stop) => word::<()>(Err(stop)),
        },
    }
}

/// A world with a sprint of `phases`, and four agents that live.
pub(crate) fn sprint(phases: &'static str) -> (Quiet, [Agent; 4]) {
    let mut quiet = Quiet::new();
    let agents = ["ann", "bob", "cyd", "dan"].map(|name| Agent { name, pid: quiet.life.spawn() });
    quiet.go(agents[3], Do::Start(phases), "OK");
    (quiet, agents)
}

/// Nobody takes over what it has not been asked to before the hour is over: not from an owner that
/// was heard before the taker had decided, however short before.
pub(crate) fn grace(view: &View<'_, String>) -> Checked {
    for granted in view.notes.iter().filter(|note| note.what == "granted") {
        let token = granted.detail.split(' ').nth(1).unwrap_or_default();
        let decides =
            view.notes.iter().find(|note| note.what == "decides" && note.detail.as_ref() == token);
        let spoke = |at: usize| {
            view.notes
                .iter()
                .any(|note| note.what == "spoke" && note.command != granted.command && note.at < at)
        };
        if decides.is_some_and(|decides| spoke(decides.at)) {
            return Err("GRACE: an owner that has been heard is robbed".to_owned());
        }
    }
    Ok(())
}

/// One that holds `build`, by the first agent.
pub(crate) fn held() -> (Quiet, [Agent; 4]) {
    let (mut quiet, agents) = sprint("build:");
    quiet.go(agents[0], Do::Claim("build"), "OK");
    (quiet, agents)
}

/// The same, but the owner has been dead for two hours.
pub(crate) fn stale() -> (Quiet, [Agent; 4]) {
    let (mut quiet, agents) = held();
    quiet.life.kill(agents[0].pid);
    quiet.now += 7_200_000_000_000;
    (quiet, agents)
}

impl Quiet {
    /// Carries out one command alone.
    pub(crate) fn ask(&mut self, agent: Agent, what: Do) -> String {
        self.run("alone", |ctx| act::<NONE>(ctx, agent, what))
    }

    /// The same, which must be answered so.
    #[track_caller]
    pub(crate) fn go(&mut self, agent: Agent, what: Do, expected: &str) {
        assert_eq!(self.ask(agent, what), expected, "{what:?}");
    }

    /// A new agent that lives.
    pub(crate) fn newcomer(&mut self, name: &'static str) -> Agent {
        Agent { name, pid: self.life.spawn() }
    }
}

/// What several commands at once are to do: the commands' letters, who gives them, and what.
pub(crate) type Script = &'static [Do];

/// A scenario in which each of `actors` gives its commands one after another. Each is a process of
/// its own, so that a kill ends one of them and the agent goes on to the next.
pub(crate) fn together<const OFF: u16>(
    name: &'static str,
    start: Quiet,
    actors: &[(Agent, Script)],
) -> Scenario<String> {
    const LETTERS: [&str; 4] = ["A", "B", "C", "D"];
    let mut scenario = Scenario::new(name, start);
    for (letter, &(agent, script)) in LETTERS.into_iter().zip(actors) {
        scenario = scenario.command(letter, move |ctx| {
            if let [what] = script {
                return act::<OFF>(ctx, agent, *what);
            }
            let answers = script.iter().map(|what| {
                let answer = ctx.invoke(|ctx| act::<OFF>(ctx, agent, *what));
                answer.unwrap_or_else(|| "killed".to_owned())
            });
            answers.collect::<Vec<_>>().join(",")
        });
    }
    scenario
}

/// How each command ended; `killed` where it was, and nothing while it runs.
pub(crate) fn answers<'v>(view: &'v View<'_, String>) -> Vec<&'v str> {
    let answer = |outcome: &'v Option<Outcome<String>>| match outcome {
        Some(Outcome::Done(answer)) => answer.as_str(),
        Some(Outcome::Killed) => "killed",
        None => "",
    };
    view.outcomes.iter().map(answer).collect()
}

/// Requires the commands' answers to be one of `allowed`, each written as `OK|claimed`.
pub(crate) fn one_of(allowed: &'static [&'static str]) -> impl Fn(&View<'_, String>) -> Checked {
    move |view| {
        let got = answers(view).join("|");
        if allowed.contains(&got.as_str()) { Ok(()) } else { Err(format!("answers: {got}")) }
    }
}

/// What a check says.
pub(crate) type Checked = Result<(), String>;

/// Something that is looked at after every step.
pub(crate) type Look = Rc<dyn Fn(&View<'_, String>) -> Checked>;
