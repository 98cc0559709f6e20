//! The engine of several clones, each with several agents at once, against a real server: what each
//! was told is held against the chain.

use std::cell::Cell;

use git_conductor::error::Failure;
use git_conductor::ledger::{Answer, Ledger, Next, Site};
use git_conductor::record::{Process, Verdict};
use git_conductor::store::CheckedDir;
use git_conductor::store::disk::DiskDir;

use super::*;

/// One command of a clone. Its lock is granted to everyone.
struct Seat {
    dir: CheckedDir<DiskDir>,
    home: Home,
    member: String,
    waited: Cell<u32>,
}

impl Site for Seat {
    type Dir = DiskDir;
    type Remote = Home;

    fn dir(&self) -> &CheckedDir<DiskDir> {
        &self.dir
    }

    fn remote(&self) -> &Home {
        &self.home
    }

    fn member(&self) -> &str {
        &self.member
    }

    fn now(&self) -> jiff::Timestamp {
        "2026-01-02T03:04:05.678Z".parse().unwrap()
    }

    fn process(&self) -> Process {
        Process::default()
    }

    fn has_ended(&self, _: &Process) -> bool {
        false
    }

    fn nonce(&self) -> Result<Token, Failure> {
        Ok(nonce())
    }

    fn is_late(&self) -> bool {
        self.waited.get() > 40
    }

    fn pause(&self, attempt: u32) {
        self.waited.set(self.waited.get() + 1);
        std::thread::sleep(Duration::from_millis(u64::from(attempt % 7) * 5));
    }

    fn alone<T>(&self, act: impl FnOnce() -> T) -> Result<T, Failure> {
        Ok(act())
    }

    fn landed(&self, _: &LedgerEvent, _: &Shared) -> Result<(), Failure> {
        Ok(())
    }
}

fn seat(sandbox: &Sandbox, dir: &str) -> Seat {
    let intents = sandbox.join(format!("{dir}.intents"));
    std::fs::create_dir_all(&intents).unwrap();
    Seat {
        dir: CheckedDir::new(DiskDir::open(&intents).unwrap(), dir),
        home: home(sandbox, dir, "origin"),
        member: dir.to_owned(),
        waited: Cell::new(0),
    }
}

/// Asks for one change; the nonces that were tried, and the answer.
fn asks(sandbox: &Sandbox, (dir, agent): (&str, &str), deed: &Deed) -> (Vec<Token>, Answer) {
    let seat = seat(sandbox, dir);
    let tried = std::cell::RefCell::new(Vec::new());
    let answer = Ledger::new(&seat).change(&|shared: Option<&Shared>, next: Next| {
        tried.borrow_mut().push(next.nonce.clone());
        let held =
            shared.zip(deed.phase()).and_then(|(shared, phase)| shared.phase(phase)?.held.as_ref());
        let mine = held.is_some_and(|it| it.owner.member == dir && it.owner.agent == agent);
        let by = Agent { member: dir.to_owned(), agent: agent.to_owned(), person: false };
        let Next { nonce, after, at } = next;
        let seen = Seen { mine, ..Seen::default() };
        Ok(LedgerEvent { seen, ..LedgerEvent::new(by, nonce, after, at, deed.clone()) })
    });
    (tried.into_inner(), answer.map_err(|failure| failure.to_string()).unwrap())
}

fn claim(phase: &str) -> Deed {
    let (phase, token) = (phase.to_owned(), nonce().as_str().to_owned());
    Deed::Claim { phase, takeover: false, token, branch: None, commit: None }
}

fn complete(phase: &str) -> Deed {
    Deed::Complete {
        phase: phase.to_owned(),
        verdict: Verdict::Pass,
        artifact: None,
        commit: None,
        tree: None,
        branch: None,
        dirty: None,
    }
}

#[test]
fn what_everybody_was_told_is_so() {
    const CLONES: [&str; 3] = ["one", "two", "three"];
    const AGENTS: [&str; 2] = ["ann", "bob"];
    let sandbox = Sandbox::in_memory();
    let daemon = daemon(&sandbox);
    let address = format!("git://127.0.0.1:{}/server.git", daemon.port);
    sandbox.git(".", ["init", "-q", "--bare", "server.git"]);
    for dir in CLONES {
        sandbox.repository(dir);
        sandbox.git(dir, ["remote", "add", "origin", &address]);
    }
    let (_, shared) = asks(&sandbox, ("one", "ann"), &share("one").deed);
    assert!(matches!(shared, Answer::Done(_)), "{shared:?}");
    for dir in &CLONES[1..] {
        let (_, joined) = asks(&sandbox, (dir, "ann"), &join(dir));
        assert!(matches!(joined, Answer::Done(_)), "{joined:?}");
    }
    // Everyone wants everything, until all is done.
    let told: Vec<(Vec<Token>, Answer)> = std::thread::scope(|scope| {
        let work = |dir: &'static str, agent: &'static str| {
            let sandbox = &sandbox;
            move || {
                let mut told = Vec::new();
                for phase in ["build", "test"] {
                    let answer = asks(sandbox, (dir, agent), &claim(phase));
                    let is_mine = matches!(answer.1, Answer::Done(_));
                    told.push(answer);
                    if is_mine {
                        told.push(asks(sandbox, (dir, agent), &complete(phase)));
                    }
                }
                told
            }
        };
        let each = CLONES.iter().flat_map(|dir| AGENTS.iter().map(move |agent| (*dir, *agent)));
        let running: Vec<_> = each.map(|(dir, agent)| scope.spawn(work(dir, agent))).collect();
        running.into_iter().flat_map(|it| it.join().unwrap()).collect()
    });
    let reader = home(&sandbox, "one", "origin");
    let Fetched::First(tip) = fetched(&reader, None) else { panic!("there is no ledger") };
    let log = sandbox.git_says("server.git", ["log", "--format=%b", REFERENCE]);
    let chain: Vec<LedgerEvent> = log
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // Its events make the board at the tip.
    let replayed = chain
        .iter()
        .rev()
        .fold(None, |before: Option<Shared>, event| Some(apply(before.as_ref(), event).unwrap()));
    assert_eq!(replayed, Some(tip.shared));
    let is_in = |nonce: &Token| chain.iter().any(|event| event.nonce == *nonce);
    let mut done = 0;
    for (tried, answer) in &told {
        let (last, before) = tried.split_last().unwrap();
        assert!(!before.iter().any(is_in), "{answer:?}");
        match answer {
            Answer::Done(_) => {
                assert!(is_in(last));
                done += 1;
            }
            Answer::Unknown(why) => panic!("nothing was cut: {why}"),
            Answer::Already(..) | Answer::No(..) | Answer::Stuck(_) => {
                assert!(!is_in(last), "{answer:?}");
            }
        }
    }
    // `build` at least was claimed and completed, by one.
    assert!(done >= 2, "{told:?}");
    let claims = chain.iter().filter(|it| matches!(it.deed, Deed::Claim { .. })).count();
    let completions = chain.iter().filter(|it| matches!(it.deed, Deed::Complete { .. })).count();
    assert_eq!((claims, completions), (done / 2, done / 2));
}
