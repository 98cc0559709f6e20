//! The ledger on a real git server: what a push and a fetch come to, whatever stands in the user's
//! settings, in the cache or on the ref.

mod cache;
mod hostile;
mod odd;
mod team;

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use git_conductor::git::ledger::{Home, Place, REFERENCE};
use git_conductor::ledger::{CommitId, Fetched, Link, Prepared, Remote, Swapped};
use git_conductor::record::Token;
use git_conductor::record::ledger::{Agent, Begun, Deed, LedgerEvent, Seen};
use git_conductor::rules::shared::{Shared, apply};
use serde_json::json;

use crate::sandbox::Sandbox;

/// No child of these tests takes as long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

fn nonce() -> Token {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    Token::from_bytes(bytes)
}

/// Where the ledger of `dir` is: `remote`, with the cache beside the directory.
fn place(sandbox: &Sandbox, dir: &str, remote: &str) -> Place {
    Place {
        remote: remote.to_owned(),
        reference: REFERENCE.to_owned(),
        cache: sandbox.join(format!("{}.ledger.git", dir.replace('/', "-"))),
        patience: PATIENCE,
        is_attended: false,
    }
}

fn home(sandbox: &Sandbox, dir: &str, remote: &str) -> Home {
    Home::new(&sandbox.repo(dir), &place(sandbox, dir, remote)).unwrap()
}

/// An event of `member`, built on `shared`.
fn event(member: &str, shared: Option<&Shared>, deed: Deed) -> LedgerEvent {
    let last = shared.and_then(|shared| shared.members.get(member)).map(|it| it.last.clone());
    let by = Agent { member: member.to_owned(), agent: "bob".to_owned(), person: false };
    LedgerEvent::new(by, nonce(), last, "2026-01-02T03:04:05.678Z".parse().unwrap(), deed)
}

fn share(member: &str) -> LedgerEvent {
    let phases = json!([
        { "name": "build", "depends_on": [], "about": "ünïcode \u{202e} and\nlines", "later": 1.50 },
        { "name": "test", "depends_on": ["build"] },
    ]);
    let sprint = Begun {
        sprint_id: "123456789abc-20260102-030405".to_owned(),
        goal: Some("a goal".to_owned()),
        phases: serde_json::from_value(phases).unwrap(),
        done: Vec::new(),
    };
    event(member, None, Deed::Share { ledger: nonce(), name: "laptop".to_owned(), sprint })
}

fn join(name: &str) -> Deed {
    Deed::Join { name: name.to_owned() }
}

/// A change that is made and not pushed.
struct Change {
    expected: Option<CommitId>,
    event: LedgerEvent,
    shared: Shared,
    prepared: Prepared,
}

impl Change {
    fn new(home: &Home, on: Option<(&CommitId, &Shared)>, event: LedgerEvent) -> Self {
        let shared = apply(on.map(|(_, shared)| shared), &event).unwrap();
        let expected = on.map(|(id, _)| id.clone());
        let prepared = home.prepare(expected.as_ref(), &event, &shared).unwrap();
        Self { expected, event, shared, prepared }
    }

    /// An empty change of `member`.
    fn vouch(home: &Home, on: &Link, member: &str) -> Self {
        let event = event(member, Some(&on.shared), Deed::Vouch {});
        Self::new(home, Some((&on.id, &on.shared)), event)
    }

    fn swap(&self, home: &Home) -> Swapped {
        home.swap(self.expected.as_ref(), &self.prepared)
    }

    #[track_caller]
    fn lands(self, home: &Home) -> Link {
        assert_eq!(self.swap(home), Swapped::In);
        self.link()
    }

    fn link(self) -> Link {
        Link { id: self.prepared.id, event: self.event, shared: self.shared }
    }
}

/// The first commit of a ledger, by the member `m1`.
#[track_caller]
fn begin(home: &Home) -> Link {
    Change::new(home, None, share("m1")).lands(home)
}

#[track_caller]
fn fetched(home: &Home, known: Option<&CommitId>) -> Fetched {
    home.fetch(known).map_err(|failure| failure.to_string()).unwrap()
}

/// All that is in `dir`, by its path below.
fn content(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let name = path.strip_prefix(dir).unwrap().to_owned();
            if meta.is_dir() {
                todo.push(path);
                found.insert(name, Vec::new());
            } else {
                found.insert(name, std::fs::read(&path).unwrap_or_default());
            }
        }
    }
    found
}

/// A `git daemon`; ended when it is dropped.
struct Daemon {
    child: Child,
    port: u16,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Serves what is in the sandbox on loopback.
fn daemon(sandbox: &Sandbox) -> Daemon {
    // The port may be taken between the two.
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < PATIENCE, "git daemon does not start");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let programs = sandbox.git_says(".", ["--exec-path"]);
        let program = Path::new(&programs).join("git-daemon");
        let mut command = sandbox.command(".", program.to_str().unwrap());
        command.args(["--export-all", "--enable=receive-pack", "--listen=127.0.0.1"]);
        command
            .arg(format!("--port={port}"))
            .arg(format!("--base-path={}", sandbox.path().display()));
        command.stderr(std::process::Stdio::null());
        let mut daemon = Daemon { child: command.spawn().unwrap(), port };
        while begun.elapsed() < PATIENCE && daemon.child.try_wait().unwrap().is_none() {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return daemon;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A server and clones `one` and `two` of it, whose `origin` it is.
fn clones(sandbox: &Sandbox, address: &str) {
    sandbox.git(".", ["init", "-q", "--bare", "server.git"]);
    for dir in ["one", "two"] {
        sandbox.repository(dir);
        sandbox.git(dir, ["remote", "add", "origin", address]);
    }
}

/// Moves the ref on the server.
fn rewind(sandbox: &Sandbox, to: &CommitId) {
    sandbox.git("server.git", ["update-ref", REFERENCE, to.as_str()]);
}

/// All answers of a fetch, and swaps that win and lose.
fn every_answer(sandbox: &Sandbox, address: &str) {
    clones(sandbox, address);
    let before = ["one", "two"].map(|dir| content(&sandbox.join(dir)));
    let (one, two) = (home(sandbox, "one", "origin"), home(sandbox, "two", "origin"));
    assert_eq!(one.address().unwrap(), address);
    assert_eq!(fetched(&one, None), Fetched::Absent);
    let first = begin(&one);
    assert_eq!(fetched(&two, None), Fetched::First(Box::new(first.clone())));
    assert_eq!(fetched(&two, Some(&first.id)), Fetched::Same);
    assert_eq!(two.read(&first.id).unwrap(), Some(first.clone()));
    // Of two that begin a ledger, the second is refused.
    let late = Change::new(&two, None, share("m2"));
    assert!(matches!(late.swap(&two), Swapped::Refused(_)));

    // Two on one tip.
    let base = Some((&first.id, &first.shared));
    let joins = Change::new(&two, base, event("m2", Some(&first.shared), join("desktop")));
    let vouches = Change::vouch(&one, &first, "m1");
    let second = joins.lands(&two);
    assert!(matches!(vouches.swap(&one), Swapped::Refused(_)));
    assert_eq!(fetched(&one, Some(&first.id)), Fetched::Ahead(vec![second.clone()]));
    assert_eq!(fetched(&one, None), Fetched::First(Box::new(second.clone())));
    // Pushed again it is in, as it was.
    let again = Prepared { id: second.id.clone(), objects: Vec::new() };
    assert_eq!(two.swap(Some(&first.id), &again), Swapped::In);
    let mut chain = vec![second];
    for n in 0..3 {
        let (home, member) = if n % 2 == 0 { (&one, "m1") } else { (&two, "m2") };
        let tip = chain.last().unwrap();
        assert!(matches!(fetched(home, Some(&tip.id)), Fetched::Same));
        chain.push(Change::vouch(home, tip, member).lands(home));
    }
    let tip = chain.last().unwrap().clone();
    assert_eq!(fetched(&one, Some(&first.id)), Fetched::Ahead(chain.clone()));
    assert_eq!(fetched(&two, Some(&chain[1].id)), Fetched::Ahead(chain[2..].to_vec()));
    // Nothing is pushed onto a tip that is not the newest.
    let late = Change::vouch(&one, &chain[1], "m1");
    assert!(matches!(late.swap(&one), Swapped::Refused(_)));

    // The server shows an older one, then another one, then none.
    rewind(sandbox, &first.id);
    for home in [&one, &two] {
        assert_eq!(fetched(home, Some(&tip.id)), Fetched::Behind);
        assert_eq!(fetched(home, Some(&first.id)), Fetched::Same);
    }
    let fork = Change::vouch(&one, &first, "m1").lands(&one);
    for home in [&one, &two] {
        assert_eq!(fetched(home, Some(&tip.id)), Fetched::Foreign);
    }
    assert_eq!(fetched(&two, Some(&first.id)), Fetched::Ahead(vec![fork.clone()]));
    sandbox.git("server.git", ["update-ref", "-d", REFERENCE]);
    for home in [&one, &two] {
        assert_eq!(fetched(home, Some(&fork.id)), Fetched::Absent);
        assert_eq!(fetched(home, None), Fetched::Absent);
    }
    // Nothing is made again of what was deleted.
    let late = Change::vouch(&two, &fork, "m1");
    assert!(!matches!(late.swap(&two), Swapped::In));
    assert_eq!(fetched(&two, None), Fetched::Absent);
    let after = ["one", "two"].map(|dir| content(&sandbox.join(dir)));
    assert_eq!(before, after, "the user's repositories are as they were");
}

#[test]
fn every_answer_of_a_directory() {
    let sandbox = Sandbox::in_memory();
    let address = sandbox.join("server.git").display().to_string();
    every_answer(&sandbox, &address);
}

#[test]
fn every_answer_of_a_daemon() {
    let sandbox = Sandbox::in_memory();
    let daemon = daemon(&sandbox);
    every_answer(&sandbox, &format!("git://127.0.0.1:{}/server.git", daemon.port));
}

/// Clones that were made at different times know different parts of the chain.
#[test]
fn a_part_of_the_chain_is_enough() {
    let sandbox = Sandbox::in_memory();
    let daemon = daemon(&sandbox);
    let address = format!("git://127.0.0.1:{}/server.git", daemon.port);
    clones(&sandbox, &address);
    let one = home(&sandbox, "one", "origin");
    let mut chain = vec![begin(&one)];
    for _ in 0..6 {
        chain.push(Change::vouch(&one, chain.last().unwrap(), "m1").lands(&one));
    }
    // It has seen the fifth alone, and goes on from there.
    rewind(&sandbox, &chain[4].id);
    let two = home(&sandbox, "two", "origin");
    assert_eq!(fetched(&two, None), Fetched::First(Box::new(chain[4].clone())));
    assert_eq!(two.read(&chain[3].id).unwrap(), None);
    rewind(&sandbox, &chain[6].id);
    assert_eq!(fetched(&two, Some(&chain[4].id)), Fetched::Ahead(chain[5..].to_vec()));
    // Older than all that it has: what lies between is fetched, or the boards tell.
    rewind(&sandbox, &chain[1].id);
    assert_eq!(fetched(&two, Some(&chain[6].id)), Fetched::Behind);
    for allows in ["true", "false"] {
        let three = sandbox.repository(&format!("three-{allows}"));
        let dir = three.file_name().unwrap().to_str().unwrap();
        let three = home(&sandbox, dir, &address);
        rewind(&sandbox, &chain[6].id);
        fetched(&three, None);
        // As a server that was made anew from a backup.
        sandbox.git("server.git", ["update-ref", REFERENCE, chain[2].id.as_str()]);
        if allows == "false" {
            sandbox.git("server.git", ["prune", "--expire=now"]);
        }
        assert_eq!(fetched(&three, Some(&chain[6].id)), Fetched::Behind);
    }
}

/// Many want the same tip at the same moment.
#[test]
fn one_of_several_wins() {
    const CONTENDERS: usize = 4;
    let sandbox = Sandbox::in_memory();
    let daemon = daemon(&sandbox);
    sandbox.git(".", ["init", "-q", "--bare", "server.git"]);
    let addresses =
        ["server.git".to_owned(), format!("git://127.0.0.1:{}/server.git", daemon.port)];
    for n in 0..CONTENDERS {
        let dir = format!("c{n}");
        sandbox.repository(&dir);
        let address = if n % 2 == 0 {
            sandbox.join(&addresses[0]).display().to_string()
        } else {
            addresses[1].clone()
        };
        sandbox.git(&dir, ["remote", "add", "origin", &address]);
    }
    let mut tip = begin(&home(&sandbox, "c0", "origin"));
    for n in 1..CONTENDERS {
        let home = home(&sandbox, &format!("c{n}"), "origin");
        fetched(&home, None);
        let joins = event(&format!("m{}", n + 1), Some(&tip.shared), join("x"));
        tip = Change::new(&home, Some((&tip.id, &tip.shared)), joins).lands(&home);
    }
    for _ in 0..5 {
        let barrier = Barrier::new(CONTENDERS);
        let came_to: Vec<(Link, Swapped)> = std::thread::scope(|scope| {
            let contend = |n: usize| {
                let (sandbox, barrier, tip) = (&sandbox, &barrier, &tip);
                move || {
                    let home = home(sandbox, &format!("c{n}"), "origin");
                    fetched(&home, Some(&tip.id));
                    let change = Change::vouch(&home, tip, &format!("m{}", n + 1));
                    barrier.wait();
                    let swapped = change.swap(&home);
                    (change.link(), swapped)
                }
            };
            let running: Vec<_> = (0..CONTENDERS).map(|n| scope.spawn(contend(n))).collect();
            running.into_iter().map(|it| it.join().unwrap()).collect()
        });
        let won: Vec<&Link> =
            came_to.iter().filter(|(_, it)| *it == Swapped::In).map(|(link, _)| link).collect();
        assert_eq!(won.len(), 1, "{came_to:#?}");
        for n in 0..CONTENDERS {
            let home = home(&sandbox, &format!("c{n}"), "origin");
            assert_eq!(fetched(&home, Some(&tip.id)), Fetched::Ahead(vec![won[0].clone()]));
        }
        tip = won[0].clone();
    }
}

/// What people see of a change in `git log`, and what programs do.
#[test]
fn a_commit_is_for_people_too() {
    let sandbox = Sandbox::in_memory();
    clones(&sandbox, "../server.git");
    let one = home(&sandbox, "one", "origin");
    let first = begin(&one);
    let claim = Deed::Claim {
        phase: "build".to_owned(),
        takeover: false,
        token: "0".repeat(64),
        branch: Some("main".to_owned()),
        commit: None,
    };
    let claim = event("m1", Some(&first.shared), claim);
    let change = Change::new(&one, Some((&first.id, &first.shared)), claim);
    // The same once more is the same.
    let same = one.prepare(change.expected.as_ref(), &change.event, &change.shared).unwrap();
    assert_eq!(same, change.prepared);
    let event = change.event.clone();
    change.lands(&one);
    let show = |format: &str| {
        let format = format!("--format={format}");
        sandbox.git_says("server.git", ["show", "-s", &format, REFERENCE])
    };
    assert_eq!(show("%s"), "claim build by bob@laptop");
    assert_eq!(serde_json::from_str::<LedgerEvent>(&show("%b")).unwrap(), event);
    assert_eq!(show("%an <%ae> %at, %cn <%ce> %ct"), {
        let who = "A U Thor <author@example.com> 1767323045";
        format!("{who}, {who}")
    });
    let tree = ["ls-tree", "-r", "--format=%(objectmode) %(path)", REFERENCE];
    let tree = sandbox.git_says("server.git", tree);
    assert_eq!(tree, "100644 board.json\n100644 graph.json\n100644 members/m1.json");
    let graph = sandbox.git_says("server.git", ["show", &format!("{REFERENCE}:graph.json")]);
    assert!(graph.contains("\\u202e") && graph.contains("ünïcode"), "{graph}");
    sandbox.git("server.git", ["fsck", "--strict"]);
    // Each field is a line of its own.
    let stat = sandbox.git_says("server.git", ["diff", "--numstat", &format!("{REFERENCE}^!")]);
    assert!(
        stat.lines().any(|line| line.ends_with("members/m1.json") && line.starts_with("2\t2\t")),
        "{stat}"
    );
}

/// A name that cannot be told from one member to another is no file's name; and what nobody could
/// fetch is not pushed. The rules refuse both; this is what stands behind them.
#[test]
fn what_could_not_be_read_is_not_made() {
    let sandbox = Sandbox::in_memory();
    clones(&sandbox, "../server.git");
    let one = home(&sandbox, "one", "origin");
    let event = share("m1");
    let shared = apply(None, &event).unwrap();
    for id in ["", "a/b", "..", "a.b", "ä"] {
        let mut shared = shared.clone();
        let member = shared.members.remove("m1").unwrap();
        shared.members.insert(id.to_owned(), member);
        assert!(one.prepare(None, &event, &shared).is_err(), "{id:?}");
    }
    let mut large = shared;
    large.board.goal = Some("x".repeat(5 << 20));
    assert!(one.prepare(None, &event, &large).is_err());
}
