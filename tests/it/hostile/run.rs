//! One command on one hostile store, and what must hold of every such run.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use super::Case;
use super::plant::{Ground, unescape};
use super::scenery::{Scenery, Seen, witness};
use crate::fixture::skipped;
use crate::process_driver::BINARY;

/// A command that is tried on every store.
pub(super) struct Tried {
    /// What cases call it.
    pub(super) word: &'static str,
    /// `PHASE` stands for the case's.
    args: &'static [&'static str],
}

const fn tried(word: &'static str, args: &'static [&'static str]) -> Tried {
    Tried { word, args }
}

pub(super) const COMMANDS: &[Tried] = &[
    tried("status", &["status"]),
    tried("json", &["status", "--json"]),
    tried("show", &["show", "PHASE"]),
    tried("verify", &["verify"]),
    tried("log", &["log"]),
    tried("prime", &["prime"]),
    tried("graph", &["graph"]),
    tried("report", &["report", "--html"]),
    tried("all", &["report", "--all"]),
    tried("salvage", &["salvage"]),
    tried("wait", &["wait", "PHASE", "--timeout", "0s"]),
    tried("next", &["next", "--all"]),
    tried("take", &["next", "--claim"]),
    tried("claim", &["claim", "PHASE"]),
    tried("complete", &["complete", "PHASE"]),
    tried("hand", &["complete", "PHASE", "--artifact", "data.json"]),
    tried("abort", &["abort", "PHASE"]),
    tried(RUN, &["run", "PHASE", "--", "true"]),
    tried("unstuck", &["unstuck", "PHASE"]),
    tried("force", &["unstuck", "PHASE", "--force"]),
    tried("guard", &["guard", "PHASE"]),
    tried("batch", &["batch"]),
    tried("start", &["start"]),
    tried("anew", &["start", "--force"]),
    tried("archive", &["archive"]),
    tried("clean", &["clean", "--older-than", "0s"]),
    tried(TAB, &["__complete"]),
];

/// Runs a command as the owner, with an exit code of its own where it refuses.
const RUN: &str = "run";

/// Asks for completion: what could be claimed.
const TAB: &str = "tab";

/// What is hostile around a store rather than in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Around {
    /// At most so many open files.
    Files(u32),
    /// At most so many KiB of address space.
    Memory(u32),
    /// Standard output leads nowhere: it is closed.
    NoOutput,
    /// What is written to standard output finds no room.
    FullOutput,
    /// Standard input is closed.
    NoInput,
    /// The store is mounted read-only.
    ReadOnly,
    /// The store is on a file system without room for another byte.
    NoSpace,
    /// The store is on a file system without room for another file.
    NoInodes,
    /// Only root can make it, or root is not held up by it as others are.
    Root,
}

impl Around {
    pub(super) fn named(text: &str) -> Option<Self> {
        Some(match text.split_once(' ').unwrap_or((text, "")) {
            ("files", count) => Self::Files(count.parse().ok()?),
            ("memory", size) => Self::Memory(size.parse().ok()?),
            ("no output", _) | ("no", "output") => Self::NoOutput,
            ("full", "output") => Self::FullOutput,
            ("no", "input") => Self::NoInput,
            ("read-only", _) => Self::ReadOnly,
            ("no", "space") => Self::NoSpace,
            ("no", "inodes") => Self::NoInodes,
            ("root", _) => Self::Root,
            _ => return None,
        })
    }

    const fn mounts(&self) -> bool {
        matches!(self, Self::ReadOnly | Self::NoSpace | Self::NoInodes)
    }

    /// Whether this machine lets us; says so if not.
    pub(super) fn can_be(&self) -> bool {
        let can = if *self == Self::Root {
            rustix::process::geteuid().is_root()
        } else {
            !self.mounts() || !unshare().is_empty()
        };
        if !can {
            skipped(&format!("hostile stores: {self:?} cannot be made here"));
        }
        can
    }

    /// What a shell does before it becomes the command. `$1` is the store.
    fn script(&self) -> String {
        match self {
            Self::Files(count) => format!("ulimit -n {count}\n"),
            Self::Memory(size) => format!("ulimit -v {size}\n"),
            Self::NoOutput => "exec >&-\n".to_owned(),
            Self::FullOutput => "exec >/dev/full\n".to_owned(),
            Self::NoInput => "exec <&-\n".to_owned(),
            Self::ReadOnly => {
                "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\" || exit 99\n"
                    .to_owned()
            }
            Self::NoSpace => format!("{ON_TMPFS}\ncat /dev/zero >\"$1/fill\" 2>/dev/null\n"),
            Self::NoInodes => format!(
                "{ON_TMPFS}\nn=0; while touch \"$1/fill$n\" 2>/dev/null; do n=$((n+1)); done\n"
            ),
            Self::Root => String::new(),
        }
    }
}

/// Puts the store onto a small file system of its own.
const ON_TMPFS: &str = r#"mkdir "$1.mnt" && mount -t tmpfs -o size=1m,nr_inodes=80 none "$1.mnt" &&
cp -a "$1/." "$1.mnt/" && mount --bind "$1.mnt" "$1" || exit 99"#;

/// How to get mounts of one's own: nothing, if one cannot.
fn unshare() -> &'static [&'static str] {
    static HOW: OnceLock<&[&str]> = OnceLock::new();
    HOW.get_or_init(|| {
        let ways: [&[&str]; 2] = [&["unshare", "-m"], &["unshare", "-Urm"]];
        let works = |way: &&&[&str]| {
            let mut command = Command::new(way[0]);
            command.args(&way[1..]).args(["sh", "-c", "mount -t tmpfs none /mnt"]);
            command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        ways.iter().find(works).copied().unwrap_or_default()
    })
}

/// All commands of a case, one after the other.
pub(super) struct Runs<'a> {
    pub(super) scenery: &'a Scenery,
    pub(super) case: &'a Case,
    pub(super) faults: Vec<String>,
    /// A planted copy that no command has changed yet, with what is in it.
    fresh: Option<(PathBuf, BTreeMap<OsString, Seen>)>,
}

impl<'a> Runs<'a> {
    pub(super) fn new(scenery: &'a Scenery, case: &'a Case) -> Self {
        Self { scenery, case, faults: Vec::new(), fresh: None }
    }

    /// Runs the command `word`: what it answered. What must not be goes to the faults.
    pub(super) fn check(&mut self, word: &str, expected: &str) -> String {
        // What is said of a success differs in text and JSON; a code is only in JSON.
        let json = expected != "0" || word == "json";
        let answer = self.once(word, json);
        if json || answer == "0" || answer == "hang" { answer } else { self.once(word, true) }
    }

    fn fault(&mut self, word: &str, what: &str) {
        self.faults.push(format!("{}: {word}: {what}", self.case.place()));
    }

    fn planted(&self) -> (PathBuf, BTreeMap<OsString, Seen>) {
        let root = self.scenery.copy();
        let ground = Ground { scenery: self.scenery, root: &root };
        for line in &self.case.plants {
            let plant = std::panic::AssertUnwindSafe(|| ground.plant(line));
            assert!(std::panic::catch_unwind(plant).is_ok(), "{}: {line}", self.case.place());
        }
        let seen = witness(&root);
        (root, seen)
    }

    fn once(&mut self, word: &str, json: bool) -> String {
        let (root, before) = self.fresh.take().unwrap_or_else(|| self.planted());
        let ground = Ground { scenery: self.scenery, root: &root };
        let output = finish(self.command(&ground, word, json));
        let mut after = witness(&root);
        let mount = root.join("repo/.nanostack.mnt");
        if after.remove(mount.as_os_str()).is_some() {
            std::fs::remove_dir(mount).unwrap();
        }
        self.compare(word, &root, &before, &after);
        // A mount comes and goes by another hand.
        let mounts = self.case.around.iter().any(Around::mounts);
        if word == TAB && before != after && !mounts {
            self.fault(word, "it changes the store");
        }
        if before == after {
            self.fresh = Some((root, before));
        } else {
            self.remove(&root);
        }
        let Some(output) = output else {
            self.fault(word, "it hangs");
            return "hang".to_owned();
        };
        for text in [&output.stdout, &output.stderr] {
            match std::str::from_utf8(text) {
                Ok(text) if text.chars().all(|c| is_safe(c) || word == TAB && c == '\t') => {}
                _ => self.fault(word, &format!("prints {:?}", String::from_utf8_lossy(text))),
            }
        }
        // Where the answer cannot be written, that is said.
        if word == TAB && output.status.success() && !output.stderr.is_empty() {
            self.fault(word, &String::from_utf8_lossy(&output.stderr));
        }
        let refused = word == RUN && output.status.code() == Some(125);
        if !refused && !matches!(output.status.code(), Some(0 | 1 | 3 | 4 | 128 | 129)) {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            self.fault(word, &format!("{:?}: {said}", output.status));
        }
        answer(&output)
    }

    /// Nothing but the store may have changed; and what a dead owner left may have come into git.
    fn compare(
        &mut self,
        word: &str,
        root: &Path,
        before: &BTreeMap<OsString, Seen>,
        after: &BTreeMap<OsString, Seen>,
    ) {
        let repo = root.join("repo");
        let store = repo.join(".nanostack");
        // The pointer is the program's own; a repository's directory holds the store.
        let pointer = repo.join(".git/conductor");
        let (objects, refs) = (repo.join(".git/objects"), repo.join(".git/refs"));
        let ends_claims = ["take", "claim", RUN, "unstuck", "force"].contains(&word);
        let saved = |path: &Path| {
            let is_new = !before.contains_key(path.as_os_str());
            let kept = refs.join("conductor");
            let known_dir = || (path.starts_with(&objects) && path.is_dir()) || *path == refs;
            ends_claims
                && if is_new {
                    path.starts_with(&objects) || path.starts_with(&kept)
                } else {
                    known_dir()
                }
        };
        let beside = |path: &Path| {
            !path.starts_with(&store)
                && !path.starts_with(&pointer)
                && *path != repo
                && !saved(path)
        };
        let paths = before.keys().chain(after.keys().filter(|path| !before.contains_key(*path)));
        for path in paths {
            let (was, is) = (before.get(path), after.get(path));
            let path = Path::new(path);
            if was != is && beside(path) {
                self.fault(word, &format!("'{}' was {was:?}, is {is:?}", path.display()));
            }
        }
    }

    /// Removes the last copy.
    pub(super) fn end(mut self) -> Vec<String> {
        if let Some((root, _)) = self.fresh.take() {
            self.remove(&root);
        }
        self.faults
    }

    fn command(&self, ground: &Ground<'_>, word: &str, json: bool) -> Command {
        let root = ground.root;
        let subject = self.case.subject;
        let tried = COMMANDS.iter().find(|tried| tried.word == word).unwrap();
        // The kernel ends what takes a second of CPU time; waiting is not counted.
        let mut script = String::from("ulimit -t 1\n");
        let mounts = self.case.around.iter().any(Around::mounts);
        script.extend(self.case.around.iter().map(Around::script));
        script += "shift; exec \"$@\"";
        let mut command = if mounts {
            let mut command = self.scenery.sandbox.command(root.join("repo"), unshare()[0]);
            command.args(&unshare()[1..]).arg("/bin/sh");
            command
        } else {
            self.scenery.sandbox.command(root.join("repo"), "/bin/sh")
        };
        command.env("HOME", root.join("home"));
        command.args(["-c", &script, "sh"]).arg(root.join("repo/.nanostack")).arg(BINARY);
        let args =
            tried.args.iter().map(|arg| match (*arg, &self.case.phase, &self.case.artifact) {
                ("PHASE", None, _) => subject.phase().into(),
                ("PHASE", Some(text), _) => OsString::from_vec(unescape(&self.scenery.named(text))),
                ("data.json", _, Some(path)) => ground.path(path).into_os_string(),
                (arg, ..) => arg.into(),
            });
        let json = json && word != TAB && !tried.args.contains(&"--json");
        let options = self.scenery.asker(subject).options().map(OsString::from);
        let options = options.into_iter().chain(json.then(|| "--json".into()));
        let args: Vec<OsString> = args.collect();
        let end = tried.args.iter().position(|arg| *arg == "--").unwrap_or(args.len());
        command.args(&args[..end]).args(options).args(&args[end..]);
        if word == TAB {
            command.args(["claim", ""]);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn remove(&self, root: &Path) {
        // The standard library's way is not for trees that are very deep.
        let deep = self.case.plants.iter().any(|plant| plant.starts_with("dirs "));
        if !deep && std::fs::remove_dir_all(root).is_ok() {
            return;
        }
        let run = |program: &str, args: &[&str]| {
            self.scenery.sandbox.command(".", program).args(args).arg(root).status().unwrap()
        };
        if !deep {
            run("chmod", &["-R", "u+rwx"]);
        }
        assert!(run("rm", &["-rf"]).success(), "'{}'", root.display());
    }
}

/// Whether a terminal shows `c` and does nothing else.
fn is_safe(c: char) -> bool {
    let hidden = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    c == '\n' || !c.is_control() && !hidden
}

/// The exit code, and the `code` where there is one.
fn answer(output: &Output) -> String {
    let Some(exit) = output.status.code() else { return "killed".to_owned() };
    let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    match json["code"].as_str() {
        Some(code) => format!("{exit} {code}"),
        None => exit.to_string(),
    }
}

/// Runs to the end; `None` if there is none.
fn finish(mut command: Command) -> Option<Output> {
    let child = command.spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(child.wait_with_output()));
    if let Ok(output) = told.recv_timeout(Duration::from_secs(120)) {
        return Some(output.unwrap());
    }
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
    told.recv().ok();
    None
}
