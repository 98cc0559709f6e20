//! [`super::identify`] over process tables that never were.

use std::collections::BTreeMap;

use super::*;
use crate::host::process::Entry;
use crate::rules::{Life, Relation, identity};

/// A process table of `(pid, parent, session, terminal, name, command line)`, the command last.
#[derive(Clone, Default)]
pub(super) struct Fake {
    pub(super) entries: BTreeMap<i64, Entry>,
    lines: BTreeMap<i64, String>,
    vars: BTreeMap<i64, Vars>,
    own: i64,
}

type Line = (i64, i64, i64, i64, &'static str, &'static str);

impl Fake {
    pub(super) fn new(lines: &[Line]) -> Self {
        let mut fake = Self::default();
        for (pid, ppid, session, tty, comm, line) in lines.iter().copied() {
            let start = Some(u64::try_from(pid).unwrap() * 10);
            let comm = comm.to_owned();
            let entry = Entry { pid, comm, ppid, session, tty, start, ended: false };
            fake.entries.insert(pid, entry);
            fake.lines.insert(pid, line.to_owned());
            fake.own = pid;
        }
        fake
    }
}

impl Table for Fake {
    fn own(&self) -> Entry {
        self.entries[&self.own].clone()
    }
    fn entry(&self, pid: i64) -> Option<Entry> {
        self.entries.get(&pid).cloned()
    }
    fn process_of(&self, pid: i64) -> i64 {
        pid
    }
    fn args(&self, pid: i64) -> Vec<String> {
        self.lines
            .get(&pid)
            .map(|line| line.split(' ').map(str::to_owned).collect())
            .unwrap_or_default()
    }
    fn vars(&self, pid: i64) -> Option<Vars> {
        self.vars.get(&pid).cloned()
    }
    fn pidfd(&self, pid: i64) -> Option<u64> {
        self.entries.get(&pid).and_then(|entry| entry.start).map(|start| start + 1_000_000)
    }
    fn exists(&self, pid: i64) -> Option<bool> {
        (pid > 0).then(|| self.entries.contains_key(&pid))
    }
}

pub(super) fn machine() -> Machine {
    Machine {
        boot: Some("boot".into()),
        machine: Some("m".repeat(32)),
        node: Some("host".into()),
        pid_ns: Some(0xEFFF_FFFC),
        time_ns: Some(7),
        booted_at: Some("2026-11-22T08:00:00Z".parse().unwrap()),
        user: 1000,
        ..Machine::default()
    }
}

fn ask(table: &Fake, vars: &[(&str, &str)]) -> Me {
    let vars = vars.iter().copied().collect();
    identify(&Given::default(), &vars, &machine(), table, |_| None, Some("/w".into())).unwrap()
}

const INIT: Line = (1, 0, 1, 0, "systemd", "/sbin/init");
const TERMINAL: Line = (100, 1, 100, 34816, "bash", "-bash");

/// `systemd → bash → AGENT → sh -c → git → git-conductor`.
fn under(comm: &'static str, line: &'static str) -> Fake {
    Fake::new(&[
        INIT,
        TERMINAL,
        (200, 100, 100, 34816, comm, line),
        (300, 200, 100, 34816, "sh", "sh -c git conductor claim build"),
        (301, 300, 100, 34816, "git", "git conductor claim build"),
        (302, 301, 100, 34816, "git-conductor", "git-conductor claim build"),
    ])
}

fn pid(me: &Me) -> Option<i64> {
    me.any_process().map(|process| process.pid)
}

const USER: (&str, &str) = ("USER", "alice");

#[test]
fn every_family_by_its_process() {
    for family in FAMILIES {
        for process in family.processes {
            let me = ask(&under(process, process), &[USER]);
            assert_eq!(me.name, format!("{}-200", family.name));
            assert_eq!((pid(&me), me.person, me.explicit), (Some(200), false, false));
            let Some(id) = family.ids.last() else { continue };
            let me = ask(&under(process, process), &[(id, "019aa-bbbb-12345678")]);
            assert_eq!(me.name, format!("{}-12345678", family.name));
            assert_eq!(me.session.as_deref(), Some("019aa-bbbb-12345678"));
        }
    }
}

#[test]
fn every_family_by_its_variables() {
    let table = under("harness", "harness");
    for family in FAMILIES {
        for mark in family.marks {
            let me = ask(&table, &[(mark, "1")]);
            assert_eq!(me.name, format!("{}-100", family.name), "{mark}");
            assert!(!me.person && me.session.is_none() && pid(&me) == Some(100));
            assert_eq!(ask(&table, &[USER, (mark, "false")]).name, "alice-100", "{mark}");
            assert_eq!(ask(&table, &[USER, (mark, "")]).name, "alice-100", "{mark}");
        }
        for id in family.ids {
            let me = ask(&table, &[(id, "abcdefgh12345678")]);
            assert_eq!(me.name, format!("{}-12345678", family.name), "{id}");
        }
    }
}

#[test]
fn by_the_script_of_an_interpreter() {
    for (comm, line, name) in [
        ("node", "node /usr/bin/codex exec", "codex-200"),
        ("MainThread", "node /usr/local/bin/claude", "claude-200"),
        ("python3.12", "python3.12 -m aider", "aider-200"),
        ("node", "/opt/bin/cursor-agent index.js", "cursor-200"),
        ("node", "node /srv/build.js claude", "alice-100"),
        ("vim", "vim claude", "alice-100"),
    ] {
        assert_eq!(ask(&under(comm, line), &[USER]).name, name, "{line}");
    }
}

#[test]
fn the_nearest_agent_decides_and_only_its_variables_count() {
    let both = [
        ("CLAUDECODE", "1"),
        ("CLAUDE_CODE_SESSION_ID", "cccccccccccc"),
        ("AI_AGENT", "claude"),
        ("CODEX_THREAD_ID", "xxxxxxxxxxxx"),
    ];
    let table = Fake::new(&[
        INIT,
        TERMINAL,
        (150, 100, 100, 34816, "claude", "claude"),
        (160, 150, 100, 34816, "bash", "bash -c codex exec x"),
        (200, 160, 100, 34816, "codex", "codex exec x"),
        (300, 200, 300, 0, "bash", "bash -lc git conductor next"),
        (301, 300, 300, 0, "git-conductor", "git-conductor next"),
    ]);
    let me = ask(&table, &both);
    assert_eq!((me.name.as_str(), pid(&me)), ("codex-xxxxxxxx", Some(200)));
    let me = ask(&table, &both[..3]);
    assert_eq!((me.name.as_str(), me.session.as_deref()), ("codex-200", None));
    assert_eq!(ask(&under("harness", "harness"), &both[1..]).name, "claude-cccccccc");
}

#[test]
fn what_an_agent_calls_itself() {
    let table = under("harness", "harness");
    for (value, name) in [
        ("amp", "amp-55555555"),
        ("Zed Agent", "zed-agent-100"),
        ("claude-code_2-1_agent", "claude-100"),
        ("gemini-cli/0.9", "gemini-100"),
        ("1", "alice-100"),
        ("true", "alice-100"),
        ("", "alice-100"),
        ("pilot", "pilot-100"),
        ("\u{202e}", "alice-100"),
    ] {
        let vars = [USER, ("AGENT", value), ("AMP_CURRENT_THREAD_ID", "T-0155555555")];
        let vars = if value == "amp" { &vars[..] } else { &vars[..2] };
        assert_eq!(ask(&table, vars).name, name, "{value:?}");
    }
    assert_eq!(ask(&under("codex", "codex"), &[("AI_AGENT", "amp")]).name, "codex-200");
}

type Case = (&'static str, Vec<Line>, Option<i64>);

const fn git(ppid: i64, session: i64, tty: i64) -> Line {
    (900, ppid, session, tty, "git", "git conductor claim x")
}

const fn own(session: i64, tty: i64) -> Line {
    (901, 900, session, tty, "git-conductor", "git-conductor claim x")
}

const CRON: Line = (50, 1, 50, 0, "cron", "/usr/sbin/cron");
const CRON_JOB: Line = (110, 50, 50, 0, "cron", "/usr/sbin/CRON");
const PTS0: i64 = 34816;

/// Terminals without a known agent, and the process that stands for the caller in each.
fn in_terminals() -> Vec<Case> {
    let script = (110, 100, 100, PTS0, "bash", "bash run.sh");
    let harness = (110, 100, 100, PTS0, "python3", "python3 harness.py");
    let call = (120, 110, 120, 0, "sh", "sh -c git conductor claim x");
    let sub = (120, 100, 120, 0, "sh", "sh -c cd wt && ./agent-x");
    let agent = (130, 120, 120, 0, "agent-x", "./agent-x");
    let sudo = (110, 100, 100, PTS0, "sudo", "sudo git conductor claim x");
    let tmux = (60, 1, 60, 0, "tmux: server", "tmux");
    let pane = (100, 60, 100, PTS0, "zsh", "-zsh");
    vec![
        ("a person", vec![TERMINAL, git(100, 100, PTS0), own(100, PTS0)], Some(100)),
        ("a script", vec![TERMINAL, script, git(110, 100, PTS0), own(100, PTS0)], Some(100)),
        (
            "a new session for each call",
            vec![TERMINAL, harness, call, git(120, 120, 0), own(120, 0)],
            Some(100),
        ),
        (
            "sub-agents in sessions of their own",
            vec![TERMINAL, sub, agent, git(130, 120, 0), own(120, 0)],
            Some(130),
        ),
        ("sudo", vec![TERMINAL, sudo, git(110, 900, 34817), own(900, 34817)], Some(100)),
        ("a pane of tmux", vec![tmux, pane, git(100, 100, PTS0), own(100, PTS0)], Some(100)),
        ("its parents gone", vec![TERMINAL, git(1, 100, PTS0), own(100, PTS0)], Some(100)),
    ]
}

/// The same without a terminal.
fn in_the_background() -> Vec<Case> {
    let job = (120, 110, 120, 0, "sh", "/bin/sh -c git conductor claim x");
    let script_job = (120, 110, 120, 0, "sh", "/bin/sh -c cd x && ./run.sh");
    let script = (130, 120, 120, 0, "run.sh", "/bin/sh ./run.sh");
    let sshd = (50, 1, 50, 0, "sshd", "sshd");
    let exec = (120, 0, 120, 0, "sh", "sh -c git conductor claim x");
    let desktop = (60, 1, 60, 0, "gnome-shell", "gnome-shell");
    let editor = (70, 60, 60, 0, "code", "code");
    let call = (80, 70, 60, 0, "sh", "sh -c git conductor claim x");
    let daemon = (110, 1, 99, 0, "harness", "harness");
    let alone = (901, 0, 901, 0, "git-conductor", "git-conductor");
    vec![
        ("cron", vec![CRON, CRON_JOB, job, git(120, 120, 0), own(120, 0)], None),
        (
            "a script of cron",
            vec![CRON, CRON_JOB, script_job, script, git(130, 120, 0), own(120, 0)],
            Some(130),
        ),
        ("one command over ssh", vec![sshd, git(50, 900, 0), own(900, 0)], None),
        ("docker exec", vec![exec, git(120, 120, 0), own(120, 0)], None),
        ("the command alone", vec![alone], None),
        ("an editor", vec![desktop, editor, call, git(80, 60, 0), own(60, 0)], Some(70)),
        ("a leader gone", vec![daemon, job, git(120, 120, 0), own(120, 0)], Some(110)),
        ("a leader out of sight", vec![git(0, 0, 0), own(0, 0)], None),
    ]
}

#[test]
fn the_process_that_lasts() {
    for (what, lines, expected) in [in_terminals(), in_the_background()].concat() {
        let table = Fake::new(&[&[INIT], lines.as_slice()].concat());
        let me = ask(&table, &[USER]);
        assert_eq!(pid(&me), expected, "{what}");
        let name = expected.map_or("alice@host".to_owned(), |pid| format!("alice-{pid}"));
        assert_eq!(me.name, name, "{what}");
        assert_eq!(me.person, expected == Some(100), "{what}");
    }
}

#[test]
fn the_first_process_counts_in_a_container_only() {
    let table = Fake::new(&[
        (1, 0, 1, 0, "bash", "bash run.sh"),
        (5, 1, 1, 0, "git-conductor", "git-conductor"),
    ]);
    let asked = |pid_ns| {
        let machine = Machine { pid_ns, ..machine() };
        identify(&Given::default(), &Vars::default(), &machine, &table, |_| None, None).unwrap()
    };
    assert_eq!(pid(&asked(Some(4_026_532_999))), Some(1));
    assert_eq!(pid(&asked(Some(0xEFFF_FFFC))), None);
    assert_eq!(pid(&asked(None)), None);
}

#[test]
fn without_a_process_the_name_stays_the_same() {
    let table = |pid: i64, tty| {
        Fake::new(&[
            (pid, 0, pid, tty, "sh", "sh -c x"),
            (pid + 1, pid, pid, tty, "git-conductor", "x"),
        ])
    };
    for number in [10, 20] {
        assert_eq!(ask(&table(number, 0), &[USER]).name, "alice@host");
        assert_eq!(ask(&table(number, 0), &[]).name, "uid1000@host");
        assert_eq!(ask(&table(number, 34819), &[USER]).name, "alice-pts3");
        assert!(ask(&table(number, 34819), &[USER]).person);
        assert_eq!(ask(&table(number, 0), &[("GEMINI_CLI", "1")]).name, "gemini@host");
        let me = ask(&table(number, 0), &[("CODEX_THREAD_ID", "0123456789ab")]);
        assert_eq!((me.name.as_str(), me.process), ("codex-456789ab", None));
    }
}

#[test]
fn given_names() {
    let table = under("claude", "claude");
    let vars = [("GIT_CONDUCTOR_AGENT", "b"), ("NANOSTACK_AGENT", "c"), ("CLAUDE_SESSION_ID", "s")];
    let named = |agent: Option<&str>, vars: &[(&str, &str)]| {
        let given = Given { agent: agent.map(str::to_owned), pid: None };
        let vars = vars.iter().copied().collect();
        identify(&given, &vars, &machine(), &table, |_| None, None)
    };
    for (agent, vars, name) in
        [(Some("a/2"), &vars[..], "a/2"), (Some(""), &vars[..], "b"), (None, &vars[1..], "c")]
    {
        let me = named(agent, vars).unwrap();
        assert_eq!((me.name.as_str(), me.explicit, pid(&me)), (name, true, Some(200)));
    }
    let failure = named(Some("a\u{1b}[2J"), &[]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Usage);
    assert!(failure.to_string().contains("'--agent'"), "{failure}");
    assert!(named(None, &[("NANOSTACK_AGENT", " x")]).is_err());
}

#[test]
fn the_configured_name_comes_last_and_is_not_explicit() {
    let asked = |table: &Fake, name: &str| {
        let config = |key: &str| (key == "conductor.agent").then(|| name.to_owned());
        identify(&Given::default(), &Vars::default(), &machine(), table, config, None)
    };
    let me = asked(&under("vim", "vim"), "alice").unwrap();
    assert_eq!(
        (me.name.as_str(), me.explicit, me.person, pid(&me)),
        ("alice", false, true, Some(100))
    );
    assert_eq!(asked(&under("claude", "claude"), "alice").unwrap().name, "claude-200");
    assert!(asked(&under("vim", "vim"), "a\nb").is_err());
}

#[test]
fn given_processes() {
    let mut table = under("claude", "claude");
    table.entries.get_mut(&300).unwrap().ended = true;
    let asked = |pid, variable: &str| {
        let given = Given { agent: None, pid };
        let vars = [(PID_VARIABLE, variable)].into_iter().collect();
        identify(&given, &vars, &machine(), &table, |_| None, None)
    };
    assert_eq!(pid(&asked(Some(100), "x").unwrap()), Some(100));
    let me = asked(None, "100").unwrap();
    assert_eq!((me.name.as_str(), pid(&me)), ("claude-100", Some(100)));
    assert_eq!(me.process.unwrap().pidfd, Some(1_001_000));
    for (number, variable) in
        [(Some(0), ""), (Some(-1), ""), (Some(999), ""), (Some(300), ""), (None, "x"), (None, "-1")]
    {
        let failure = asked(number, variable).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Usage, "{number:?} {variable:?}");
    }
}

#[test]
fn jobs() {
    let table = under("runner", "runner");
    let run = ("GITHUB_RUN_ID", "12345678901");
    let me = ask(&table, &[("CI", "true"), run]);
    assert_eq!((me.name.as_str(), me.session.as_deref()), ("ci-45678901", Some("12345678901")));
    assert!(!me.person);
    let me = ask(&table, &[("CI", "true"), run, ("GITHUB_JOB", "test"), ("RUNNER_NAME", "r 2")]);
    assert_eq!(
        (me.name.as_str(), me.session.as_deref()),
        ("ci-45678901", Some("12345678901/test/r 2"))
    );
    assert_eq!(ask(&table, &[("CI", "true"), ("CI_JOB_ID", "42")]).name, "ci-42");
    assert_eq!(ask(&table, &[USER, ("CI", "true")]).name, "alice-100");
    assert_eq!(ask(&table, &[USER, run]).name, "alice-100");
    assert_eq!(ask(&table, &[("CI", "true"), run, ("CLAUDECODE", "1")]).name, "claude-100");
}

#[test]
fn the_whole_answer() {
    let token = "0123456789abcdef0123456789abcdef";
    let me = ask(&under("claude", "claude"), &[(TOKEN_VARIABLE, token)]);
    assert_eq!(me.token.unwrap().as_str(), token);
    assert_eq!((me.user, me.worktree.as_deref(), me.command.pid), (Some(1000), Some("/w"), 302));
    let above: Vec<i64> = me.ancestors.iter().map(|process| process.pid).collect();
    assert_eq!(above, [301, 300, 200, 100, 1]);
    assert!(
        me.ancestors
            .iter()
            .any(|above| identity::same_process(above, me.process.as_ref().unwrap()))
    );
    assert_eq!(ask(&under("claude", "claude"), &[(TOKEN_VARIABLE, "x")]).token, None);
}

/// In a sandbox with a pid namespace for each call, the session id carries the claim over.
#[test]
fn a_session_without_a_process_knows_its_own_claim() {
    let asked = |id| {
        let table = Fake::new(&[
            (1, 0, 1, 0, "bwrap", "bwrap --unshare-pid"),
            (2, 1, 1, 0, "bash", "bash -lc git conductor claim x"),
            (3, 2, 1, 0, "git-conductor", "git-conductor claim x"),
        ]);
        ask(&table, &[("CODEX_THREAD_ID", id)])
    };
    let me = asked("0123456789ab");
    let claim = crate::record::Claim {
        v: 1,
        agent: me.name.clone(),
        session: me.session.clone(),
        process: me.process.clone(),
        ..Default::default()
    };
    assert_eq!(identity::relation(&me, &claim, Life::Unknown), Relation::MineFromBefore);
    assert_eq!(identity::relation(&asked("ba9876543210"), &claim, Life::Unknown), Relation::Other);
}
