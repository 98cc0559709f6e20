//! The power is cut after a command has said that git has something: what was not synced is lost,
//! and what was said is true all the same.
//!
//! A command is traced with all of its git children, and each change below the git directory is
//! replayed in a model that is weaker than any file system in use: a content that was not synced is
//! lost, or not; a name that was made, moved or removed is as before, unless its directory was
//! synced afterwards. The store stays as it is: the model checker cuts the power on that.
#![cfg(target_os = "linux")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::kills::can_trace;
use crate::process_driver::{Agent, Answer, BINARY, Random, backdate, sha256};
use crate::sandbox::Sandbox;

/// What is traced: what changes files, and what is needed to know where a relative path leads.
const CALLS: &str = "?open,openat,?creat,?mkdir,mkdirat,?rename,?renameat,renameat2,?unlink,unlinkat,?rmdir,?link,\
    linkat,?symlink,symlinkat,write,pwrite64,writev,pwritev,ftruncate,?sendfile,copy_file_range,\
    fsync,fdatasync,chdir,fchdir,clone,?clone3,?fork,?vfork";

/// The number of random cuts, each of which loses other things.
const RANDOM: usize = 6;

type Ino = usize;

#[derive(Debug, Clone)]
enum Change {
    Make(PathBuf, Ino),
    MakeDir(PathBuf),
    Move(PathBuf, PathBuf),
    Link(PathBuf, PathBuf),
    Remove(PathBuf),
    RemoveDir(PathBuf),
}

#[derive(Debug, Clone)]
enum Step {
    Change(Change),
    Write(Ino),
    SyncFile(Ino),
    SyncDir(PathBuf),
}

impl Change {
    fn names(&self) -> Vec<&Path> {
        match self {
            Self::Make(path, _)
            | Self::MakeDir(path)
            | Self::Remove(path)
            | Self::RemoveDir(path) => vec![path],
            Self::Move(from, to) | Self::Link(from, to) => vec![from, to],
        }
    }

    fn touches(&self, dir: &Path) -> bool {
        // A link changes nothing where its first name is.
        let passed = usize::from(matches!(self, Self::Link(..)));
        self.names().iter().skip(passed).any(|name| name.parent() == Some(dir))
    }

    fn builds_on(&self, older: &Self) -> bool {
        let removed = matches!(self, Self::RemoveDir(dir) if older.touches(dir));
        removed || self.names().iter().any(|name| older.names().contains(name))
    }
}

/// A directory tree: directories, and files with their number.
#[derive(Debug, Clone, Default)]
struct Tree {
    dirs: BTreeSet<PathBuf>,
    files: BTreeMap<PathBuf, Ino>,
}

impl Tree {
    fn has_parent(&self, path: &Path) -> bool {
        path.parent().is_some_and(|parent| self.dirs.contains(parent))
    }

    /// Carries a change out, if that means anything here.
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Make(path, ino) if self.has_parent(path) => {
                self.files.insert(path.clone(), *ino);
            }
            Change::MakeDir(path) if self.has_parent(path) => {
                self.dirs.insert(path.clone());
            }
            Change::Move(from, to) => {
                if let Some(ino) = self.files.remove(from)
                    && self.has_parent(to)
                {
                    self.files.insert(to.clone(), ino);
                }
            }
            Change::Link(from, to) => {
                if let Some(ino) = self.files.get(from).copied()
                    && self.has_parent(to)
                {
                    self.files.insert(to.clone(), ino);
                }
            }
            Change::Remove(path) => {
                self.files.remove(path);
            }
            Change::RemoveDir(path) => {
                let is_empty = !self.dirs.iter().any(|it| it.parent() == Some(path))
                    && !self.files.keys().any(|it| it.parent() == Some(path));
                if is_empty {
                    self.dirs.remove(path);
                }
            }
            Change::Make(..) | Change::MakeDir(_) => {}
        }
    }
}

/// What a command did below one directory.
struct Replay {
    root: PathBuf,
    before: Tree,
    steps: Vec<Step>,
    /// What is in each file at the end; and what was in it before, if it was there.
    after: HashMap<Ino, Vec<u8>>,
    first: HashMap<Ino, Vec<u8>>,
}

/// What becomes of what was not synced.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// All of it is lost.
    Lost,
    /// Names are kept, contents are lost: what ext4 and others do.
    Empty,
    /// All but the change of this number is kept.
    Without(usize),
    /// Any of it, by this seed.
    Random(u64),
}

fn tree_of(root: &Path, inos: &mut Vec<Vec<u8>>) -> Tree {
    let mut tree = Tree::default();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                dirs.push(entry.path());
            } else {
                tree.files.insert(entry.path(), inos.len());
                inos.push(fs::read(entry.path()).unwrap());
            }
        }
        tree.dirs.insert(dir);
    }
    tree
}

/// The lines of a trace, those of calls that were interrupted put together.
fn calls(trace: &str) -> Vec<(String, String)> {
    let mut begun: HashMap<String, String> = HashMap::new();
    let mut all = Vec::new();
    for line in trace.lines() {
        let Some((pid, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(start) = rest.strip_suffix("<unfinished ...>") {
            begun.insert(pid.to_owned(), start.trim_end().to_owned());
        } else if let Some((_, end)) = rest.split_once(" resumed>") {
            let start = begun.remove(pid).unwrap_or_default();
            all.push((pid.to_owned(), format!("{start}{end}")));
        } else {
            all.push((pid.to_owned(), rest.to_owned()));
        }
    }
    all
}

/// The paths that a call names, absolute: those in quotes, against the directory before them.
fn paths(args: &str, cwd: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dir = cwd.to_owned();
    let mut rest = args;
    while let Some(at) = rest.find(['"', '<']) {
        let close = if rest.as_bytes()[at] == b'"' { '"' } else { '>' };
        let inner = &rest[at + 1..];
        let end = inner.find(close).unwrap_or(inner.len());
        if close == '"' {
            found.push(dir.join(&inner[..end]));
            cwd.clone_into(&mut dir);
        } else {
            dir = PathBuf::from(&inner[..end]);
        }
        rest = inner.get(end + 1..).unwrap_or_default();
    }
    found
}

/// The path of the first descriptor that a call names.
fn descriptor(args: &str) -> Option<PathBuf> {
    let (_, rest) = args.split_once('<')?;
    Some(PathBuf::from(rest.split_once('>')?.0))
}

impl Replay {
    /// Runs `command` in `dir` and follows what it changes below `root`.
    fn of(sandbox: &Sandbox, root: &Path, agent: &Agent, args: &[&str]) -> (Self, Answer) {
        let mut inos = Vec::new();
        let before = tree_of(root, &mut inos);
        let first: HashMap<Ino, Vec<u8>> = inos.into_iter().enumerate().collect();
        let trace = sandbox.join("trace");
        let mut command = sandbox.command("repo", "strace");
        command.args(["-f", "-y", "-s", "0", "-e", "signal=none", "-o"]).arg(&trace);
        command.args(["-e", &format!("trace={}", CALLS.replace(' ', ""))]);
        command.arg(BINARY).args(args).arg("--json").args(agent.options());
        let answer = Answer::of(&command.output().unwrap()).ok();
        let text = fs::read_to_string(&trace).unwrap();
        fs::remove_file(trace).unwrap();
        let mut replay =
            Self { root: root.to_owned(), before, steps: Vec::new(), after: first.clone(), first };
        replay.follow(&text, &sandbox.join("repo"));
        (replay, answer)
    }

    fn follow(&mut self, text: &str, start: &Path) {
        let mut names: HashMap<PathBuf, Ino> = HashMap::new();
        names.extend(self.before.files.iter().map(|(path, ino)| (path.clone(), *ino)));
        let mut next = self.first.len();
        let mut cwds: HashMap<String, PathBuf> = HashMap::new();
        for (pid, line) in calls(text) {
            let Some((name, rest)) = line.split_once('(') else { continue };
            let Some((args, result)) = rest.rsplit_once(") = ").or_else(|| {
                let (args, result) = rest.rsplit_once("= ")?;
                Some((args.trim_end().trim_end_matches(')'), result))
            }) else {
                continue;
            };
            if result.starts_with("-1") || result.starts_with('?') {
                continue;
            }
            let cwd = cwds.get(&pid).cloned().unwrap_or_else(|| start.to_owned());
            let below = |path: &PathBuf| path.starts_with(&self.root);
            let found = paths(args, &cwd);
            let all = found.iter().any(below);
            match name {
                "clone" | "clone3" | "fork" | "vfork" => {
                    cwds.insert(result.trim().to_owned(), cwd);
                }
                "chdir" => {
                    cwds.insert(pid, found[0].clone());
                }
                "fchdir" => {
                    cwds.insert(pid, descriptor(args).unwrap());
                }
                "open" | "openat" | "creat" => {
                    let Some(path) = descriptor(result).filter(below) else { continue };
                    let known = names.get(&path).copied();
                    match known {
                        Some(ino) if args.contains("O_TRUNC") || name == "creat" => {
                            self.steps.push(Step::Write(ino));
                        }
                        None if args.contains("O_CREAT") || name == "creat" => {
                            names.insert(path.clone(), next);
                            self.steps.push(Step::Change(Change::Make(path, next)));
                            next += 1;
                        }
                        Some(_) | None => {}
                    }
                }
                "mkdir" | "mkdirat" if all => {
                    self.steps.push(Step::Change(Change::MakeDir(found[0].clone())));
                }
                "rename" | "renameat" | "renameat2" if all => {
                    assert_eq!(found.len(), 2, "{line}");
                    let (from, to) = (&found[0], &found[1]);
                    // Of directories only those of the store are renamed.
                    let ino = names.remove(from).unwrap();
                    names.insert(to.clone(), ino);
                    self.steps.push(Step::Change(Change::Move(from.clone(), to.clone())));
                }
                "link" | "linkat" if all => {
                    assert_eq!(found.len(), 2, "{line}");
                    let (from, to) = (&found[0], &found[1]);
                    names.insert(to.clone(), names[from]);
                    self.steps.push(Step::Change(Change::Link(from.clone(), to.clone())));
                }
                "unlinkat" if all && args.contains("AT_REMOVEDIR") => {
                    self.steps.push(Step::Change(Change::RemoveDir(found[0].clone())));
                }
                "rmdir" if all => {
                    self.steps.push(Step::Change(Change::RemoveDir(found[0].clone())));
                }
                "unlink" | "unlinkat" if all => {
                    names.remove(&found[0]);
                    self.steps.push(Step::Change(Change::Remove(found[0].clone())));
                }
                "fsync" | "fdatasync" => {
                    let Some(path) = descriptor(args).filter(below) else { continue };
                    match names.get(&path) {
                        Some(ino) => self.steps.push(Step::SyncFile(*ino)),
                        None => self.steps.push(Step::SyncDir(path)),
                    }
                }
                "write" | "pwrite64" | "writev" | "pwritev" | "ftruncate" | "sendfile"
                | "copy_file_range" => {
                    let Some(path) = descriptor(args).filter(below) else { continue };
                    if let Some(ino) = names.get(&path) {
                        self.steps.push(Step::Write(*ino));
                    }
                }
                _ => {}
            }
        }
        // What is not there at the end is of no matter, but that it was no reference.
        for (path, ino) in &names {
            self.after.insert(*ino, fs::read(path).unwrap_or_default());
        }
        assert!(self.steps.len() > 10, "something was written: {:?}", self.steps);
    }

    /// What is there after a cut after the first `count` steps.
    fn image(&self, count: usize, fate: Fate) -> (Tree, HashMap<Ino, Vec<u8>>) {
        let mut changes: Vec<(Change, bool)> = Vec::new();
        let mut dirty = BTreeSet::new();
        let mut content = self.after.clone();
        for step in &self.steps[..count] {
            match step {
                Step::Change(change) => changes.push((change.clone(), false)),
                Step::Write(ino) => {
                    dirty.insert(*ino);
                }
                Step::SyncFile(ino) => {
                    dirty.remove(ino);
                }
                Step::SyncDir(dir) => {
                    for at in 0..changes.len() {
                        if changes[at].0.touches(dir) {
                            secure(&mut changes, at);
                        }
                    }
                }
            }
        }
        let mut random = match fate {
            Fate::Random(seed) => Some(Random::new(seed)),
            Fate::Lost | Fate::Empty | Fate::Without(_) => None,
        };
        let mut nth = 0;
        let mut keeps = |is_content: bool| {
            nth += 1;
            match fate {
                Fate::Lost => false,
                Fate::Empty => !is_content,
                Fate::Without(at) => nth - 1 != at,
                Fate::Random(_) => random.as_mut().is_none_or(|random| random.below(2) == 0),
            }
        };
        let mut tree = self.before.clone();
        for (change, synced) in &changes {
            if *synced || keeps(false) {
                tree.apply(change);
            }
        }
        for ino in dirty {
            if !keeps(true) {
                content.insert(ino, self.first.get(&ino).cloned().unwrap_or_default());
            }
        }
        (tree, content)
    }

    /// How much was not synced after all steps.
    fn unsynced(&self) -> usize {
        (0..self.steps.len()).filter(|at| matches!(self.steps[*at], Step::Change(_))).count()
    }

    /// Puts the image in the place of the directory.
    fn place(&self, count: usize, fate: Fate) {
        let (tree, content) = self.image(count, fate);
        fs::remove_dir_all(&self.root).unwrap();
        for dir in &tree.dirs {
            fs::create_dir_all(dir).unwrap();
        }
        for (path, ino) in &tree.files {
            // What was a lock's, or of a name that was only for a moment, has no content that is
            // known.
            fs::write(path, content.get(ino).map(Vec::as_slice).unwrap_or_default()).unwrap();
            if path.extension().is_some_and(|extension| extension == "lock") {
                // The machine was booted since.
                backdate(path, 10 * 365 * 24 * 3600);
            }
        }
    }

    /// Cuts the power once the command has ended, in several ways.
    fn cut(&self, what: &str, check: impl Fn(&str)) {
        let seed = std::env::var("CUTS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
        let mut fates = vec![Fate::Lost, Fate::Empty];
        let every = self.unsynced().div_ceil(12).max(1);
        fates.extend((0..self.unsynced()).step_by(every).map(Fate::Without));
        fates.extend((0..RANDOM).map(|n| Fate::Random(seed + n as u64)));
        for fate in fates {
            self.place(self.steps.len(), fate);
            check(&format!("{what}, cut at its end: {fate:?}"));
        }
    }
}

/// Marks what must be durable for the change at `at` to be.
fn secure(changes: &mut [(Change, bool)], at: usize) {
    if changes[at].1 {
        return;
    }
    changes[at].1 = true;
    let change = changes[at].0.clone();
    for older in 0..at {
        if change.builds_on(&changes[older].0) {
            secure(changes, older);
        }
    }
}

const CONTENT: &str = r#"{"what": "was done"}"#;

struct Bench {
    sandbox: Sandbox,
    me: Agent,
}

impl Bench {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(init: &[&str]) -> Self {
        let sandbox = Sandbox::new();
        sandbox.git(".", ["init", "-q"].iter().chain(init).chain(&["repo"]));
        sandbox.commit("repo");
        sandbox.write("repo/result.json", CONTENT);
        let me = Agent::new("me");
        sandbox.run("repo", &me, &["start", "--phases", "a:,b:"]).ok();
        Self { sandbox, me }
    }

    /// One whose git knows nothing of what is to be synced, as before 2.36.
    fn with_old_git() -> Self {
        let mut bench = Self::new();
        let git = std::env::split_paths(&bench.sandbox.var("PATH").unwrap())
            .map(|dir| dir.join("git"))
            .find(|git| git.is_file())
            .unwrap();
        let text = format!(
            "#!/bin/sh\nfor arg; do\n    shift\n    case $arg in core.fsync*) arg=not.known=1 ;; esac\n    \
             set -- \"$@\" \"$arg\"\ndone\nexec '{}' \"$@\"\n",
            git.display()
        );
        let wrapper = bench.sandbox.write("old/git", text);
        fs::set_permissions(wrapper, fs::Permissions::from_mode(0o755)).unwrap();
        let path = bench.sandbox.var("PATH").unwrap();
        let old = bench.sandbox.join("old");
        let path = std::iter::once(old).chain(std::env::split_paths(&path));
        bench.sandbox.set("PATH", std::env::join_paths(path).unwrap());
        bench
    }

    fn run(&self, args: &[&str]) -> Answer {
        self.sandbox.run("repo", &self.me, args)
    }

    fn git_dir(&self) -> PathBuf {
        self.sandbox.join("repo/.git")
    }

    fn traced(&self, args: &[&str]) -> (Replay, Answer) {
        Replay::of(&self.sandbox, &self.git_dir(), &self.me, args)
    }

    /// The record is there, with what was handed over, and git is content.
    #[track_caller]
    fn has_record(&self, id: &Value, what: &str) {
        let notes = self.run(&["notes"]);
        assert_eq!(notes.exit, Some(0), "{what}: {notes:?}");
        let records = notes.json["records"].as_array().unwrap();
        let record = records.iter().find(|record| record["id"] == *id);
        assert!(record.is_some(), "{what}: {notes:?}");
        let oid = record.unwrap()["artifact"]["oid"].as_str().unwrap();
        assert_eq!(self.sandbox.git_says("repo", ["cat-file", "blob", oid]), CONTENT, "{what}");
        self.is_sound(what);
    }

    #[track_caller]
    fn is_sound(&self, what: &str) {
        let fsck = self.sandbox.try_git("repo", ["fsck", "--no-progress", "--no-dangling"]);
        let said = String::from_utf8_lossy(&fsck.stderr);
        assert!(fsck.status.success(), "{what}: {said}");
    }
}

const COMPLETE: [&str; 5] = ["complete", "a", "--artifact", "result.json", "--note"];

fn a_record_that_was_said(bench: &Bench) {
    bench.run(&["claim", "a"]).ok();
    let (replay, said) = bench.traced(&COMPLETE);
    let id = said.json["note"]["id"].clone();
    assert_eq!(said.json["note"]["ok"], true, "{said:?}");
    replay.cut("complete --note", |what| bench.has_record(&id, what));
}

#[test]
fn a_record_of_a_completion() {
    if can_trace() {
        a_record_that_was_said(&Bench::new());
    }
}

/// References that are no files, and objects that are named otherwise.
#[test]
fn a_record_in_another_kind_of_repository() {
    let version = Sandbox::new().git_says(".", ["version"]);
    let version = version.trim_start_matches("git version ");
    let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    if can_trace() && (version.starts_with("3.") || minor.is_some_and(|minor| minor >= 45)) {
        a_record_that_was_said(&Bench::with(&["--ref-format=reftable"]));
        a_record_that_was_said(&Bench::with(&["--object-format=sha256"]));
    }
}

#[test]
fn a_record_by_a_git_that_syncs_nothing() {
    if can_trace() {
        a_record_that_was_said(&Bench::with_old_git());
    }
}

/// Wherever the power is cut meanwhile, the next one writes the record, and git is content.
#[test]
fn in_the_middle_of_a_record() {
    if !can_trace() {
        return;
    }
    for bench in [Bench::new(), Bench::with_old_git()] {
        bench.run(&["claim", "a"]).ok();
        let (replay, said) = bench.traced(&COMPLETE);
        let id = said.json["note"]["id"].clone();
        let mut seen = BTreeSet::new();
        for count in 1..replay.steps.len() {
            for fate in [Fate::Lost, Fate::Empty] {
                let (tree, content) = replay.image(count, fate);
                let refs = tree.files.iter().filter(|(path, _)| {
                    let path = path.to_str().unwrap();
                    path.contains("/refs/notes")
                });
                let refs: Vec<_> = refs.map(|(path, ino)| (path, &content[ino])).collect();
                // Whether an object is there is of no matter as long as nothing leads to it.
                if !seen.insert(sha256(format!("{refs:?}"))) {
                    continue;
                }
                let what = format!("complete --note, cut after step {count}: {fate:?}");
                replay.place(count, fate);
                bench.run(&["doctor", "--fix"]);
                let synced = bench.run(&["notes", "sync"]);
                assert_eq!(synced.exit, Some(0), "{what}: {synced:?}");
                bench.has_record(&id, &what);
            }
        }
        assert!(seen.len() > 2, "{seen:?}");
    }
}

#[test]
fn records_that_were_synced() {
    if !can_trace() {
        return;
    }
    let bench = Bench::new();
    // Another clone has a record that this store knows nothing of.
    bench.sandbox.git(".", ["clone", "-q", "--bare", "repo", "remote.git"]);
    bench.sandbox.git("repo", ["remote", "add", "origin", "../remote.git"]);
    bench.sandbox.git(".", ["clone", "-q", "remote.git", "other"]);
    bench.sandbox.write("other/result.json", CONTENT);
    bench.sandbox.run("other", &bench.me, &["start", "--phases", "a:"]).ok();
    bench.sandbox.run("other", &bench.me, &["claim", "a"]).ok();
    let theirs = bench.sandbox.run("other", &bench.me, &COMPLETE).ok().json["note"]["id"].clone();
    bench.sandbox.run("other", &bench.me, &["notes", "sync", "--remote", "origin"]).ok();
    bench.run(&["claim", "a"]).ok();
    bench.run(&["complete", "a", "--artifact", "result.json", "--no-note"]).ok();
    let (replay, _) = bench.traced(&["notes", "sync", "--remote", "origin"]);
    let notes = bench.run(&["notes"]).ok();
    let mut ids: Vec<Value> =
        notes.json["records"].as_array().unwrap().iter().map(|it| it["id"].clone()).collect();
    ids.retain(|id| *id != theirs);
    let [ours] = &ids[..] else { panic!("{notes:?}") };
    replay.cut("notes sync", |what| {
        bench.has_record(ours, what);
        bench.has_record(&theirs, what);
    });
}

#[test]
fn work_that_was_saved() {
    if !can_trace() {
        return;
    }
    for bench in [Bench::new(), Bench::with_old_git()] {
        let mut dead = Agent::new("dead");
        bench.sandbox.run("repo", &dead, &["claim", "a"]).ok();
        bench.sandbox.write("repo/deep/new", "new\n");
        bench.sandbox.write("repo/staged", "staged\n");
        dead.kill();
        // Written by the dead agent, and never synced.
        let mut inos = Vec::new();
        let before = tree_of(&bench.git_dir(), &mut inos);
        bench.sandbox.git("repo", ["add", "staged"]);
        let (mut replay, said) = bench.traced(&["claim", "a", "--takeover"]);
        replay.forget(before, &inos);
        let saved = &said.json["salvaged"];
        assert_eq!(saved["state"], "saved", "{said:?}");
        let commit = saved["commit"].as_str().unwrap().to_owned();
        replay.cut("claim --takeover", |what| {
            let list = bench.run(&["salvage"]);
            assert_eq!(list.exit, Some(0), "{what}: {list:?}");
            assert!(list.json.to_string().contains(&commit), "{what}: {list:?}");
            for (path, content) in [("deep/new", "new"), ("staged", "staged")] {
                let object = format!("{commit}:{path}");
                let shown = bench.sandbox.try_git("repo", ["show", &object]);
                assert_eq!(String::from_utf8_lossy(&shown.stdout).trim(), content, "{what}");
            }
        });
    }
}

impl Replay {
    /// What was made since `before` was never synced, unless the command did it.
    fn forget(&mut self, before: Tree, contents: &[Vec<u8>]) {
        let known: HashMap<Ino, PathBuf> =
            self.before.files.iter().map(|(path, ino)| (*ino, path.clone())).collect();
        let mut steps = Vec::new();
        for dir in self.before.dirs.difference(&before.dirs) {
            steps.push(Step::Change(Change::MakeDir(dir.clone())));
        }
        let mut files = BTreeMap::new();
        for (ino, path) in known {
            match before.files.get(&path) {
                Some(old) if contents[*old] == self.first[&ino] => {
                    files.insert(path, ino);
                }
                _ => {
                    steps.push(Step::Change(Change::Make(path, ino)));
                    steps.push(Step::Write(ino));
                    self.first.remove(&ino);
                }
            }
        }
        self.before = Tree { dirs: before.dirs, files };
        steps.append(&mut self.steps);
        self.steps = steps;
    }
}

/// What a power cut left, and how that comes about.
type Way = (&'static str, Box<dyn Fn()>);

/// What power cuts left of references that an earlier version had not synced.
fn ways(bench: &Bench, name: &str) -> [Way; 3] {
    let git_dir = bench.git_dir();
    let file = git_dir.join(name);
    let commit = fs::read_to_string(&file).unwrap().trim().to_owned();
    let object = git_dir.join("objects").join(&commit[..2]).join(&commit[2..]);
    let (first, second, third) = (file.clone(), object.clone(), object);
    [
        ("an empty file", Box::new(move || fs::write(&first, "").unwrap())),
        (
            "an empty commit",
            Box::new(move || {
                fs::set_permissions(&second, fs::Permissions::from_mode(0o644)).unwrap();
                fs::write(&second, "").unwrap();
            }),
        ),
        ("no commit", Box::new(move || fs::remove_file(&third).unwrap())),
    ]
}

/// All of `root` as it is now, to be put back.
fn kept(root: &Path) -> impl Fn() + use<> {
    let mut inos = Vec::new();
    let tree = tree_of(root, &mut inos);
    let after: HashMap<Ino, Vec<u8>> = inos.into_iter().enumerate().collect();
    let first = after.clone();
    let replay = Replay { root: root.to_owned(), before: tree, steps: Vec::new(), after, first };
    move || replay.place(0, Fate::Lost)
}

fn references(said: &Answer) -> Vec<(String, bool)> {
    let checks = said.json["checks"].as_array().unwrap().iter();
    let found = checks.filter(|it| it["check"] == "references");
    found
        .map(|it| (it["level"].as_str().unwrap().to_owned(), it["fixed"] == Value::Bool(true)))
        .collect()
}

#[test]
fn notes_that_are_broken() {
    let bench = Bench::new();
    bench.run(&["claim", "a"]).ok();
    let id = bench.run(&COMPLETE).ok().json["note"]["id"].clone();
    // A record of another store: the log still knows the reference that has it.
    bench.run(&["claim", "b"]).ok();
    bench.run(&["complete", "b", "--no-note"]).ok();
    bench.sandbox.git("repo", ["config", "conductor.notes", "false"]);
    let put_back = kept(&bench.git_dir());
    for name in ["refs/notes/conductor", "refs/notes/conductor-artifacts"] {
        for (what, cut) in ways(&bench, name) {
            let what = format!("{name} is {what}");
            put_back();
            cut();
            assert_eq!(references(&bench.run(&["doctor"])), [("problem".to_owned(), false)]);
            if !name.ends_with("-artifacts") {
                let notes = bench.run(&["notes"]);
                assert_eq!(notes.said(), (Some(128), "git"), "{what}: {notes:?}");
            }
            let fixed = references(&bench.run(&["doctor", "--fix"]));
            assert_eq!(fixed, vec![("ok".to_owned(), true); 2], "{what}");
            assert_eq!(references(&bench.run(&["doctor"])), [], "{what}");
            bench.has_record(&id, &what);
            put_back();
            cut();
            let synced = bench.run(&["notes", "sync"]);
            assert_eq!(synced.exit, Some(0), "{what}: {synced:?}");
            bench.has_record(&id, &what);
            // And a completion writes its record beside it.
            put_back();
            cut();
            let again = bench.run(&["complete", "b", "--note"]);
            assert_eq!(again.exit, Some(0), "{what}: {again:?}");
            assert_eq!(again.json["note"]["ok"], true, "{what}: {again:?}");
            bench.is_sound(&what);
        }
    }
}

/// What is deeper down is lost: the notes begin again where they were whole.
#[test]
fn notes_that_have_lost_an_object() {
    let bench = Bench::new();
    bench.run(&["claim", "a"]).ok();
    let id = bench.run(&COMPLETE).ok().json["note"]["id"].clone();
    let put_back = kept(&bench.git_dir());
    let tree = bench.sandbox.git_says("repo", ["rev-parse", "refs/notes/conductor^{tree}"]);
    let blob = bench.sandbox.git_says("repo", ["ls-tree", "-r", "--format=%(objectname)", &tree]);
    for object in [tree, blob] {
        put_back();
        let file = bench.git_dir().join("objects").join(&object[..2]).join(&object[2..]);
        for is_empty in [false, true] {
            put_back();
            if is_empty {
                fs::write(&file, "").unwrap();
            } else {
                fs::remove_file(&file).unwrap();
            }
            assert_eq!(references(&bench.run(&["doctor"])), [("problem".to_owned(), false)]);
            let synced = bench.run(&["notes", "sync"]);
            assert_eq!(synced.exit, Some(0), "{object}: {synced:?}");
            bench.has_record(&id, &object);
        }
        // Left empty, and nothing leads to it: it is written all the same.
        put_back();
        bench.sandbox.git("repo", ["update-ref", "-d", "refs/notes/conductor"]);
        fs::write(&file, "").unwrap();
        let synced = bench.run(&["notes", "sync"]);
        assert_eq!(synced.exit, Some(0), "{object}: {synced:?}");
        bench.has_record(&id, &object);
        // One that only cannot be read is no reason to change anything.
        put_back();
        fs::write(&file, "torn").unwrap();
        let before = fs::read(bench.git_dir().join("refs/notes/conductor")).unwrap();
        bench.run(&["notes", "sync"]);
        bench.run(&["doctor", "--fix"]);
        let after = fs::read(bench.git_dir().join("refs/notes/conductor")).unwrap();
        assert_eq!(before, after, "{object}");
    }
}

#[test]
fn saved_work_whose_reference_is_broken() {
    let bench = Bench::new();
    let mut dead = Agent::new("dead");
    bench.sandbox.run("repo", &dead, &["claim", "a"]).ok();
    bench.sandbox.write("repo/new", "new\n");
    dead.kill();
    let said = bench.run(&["claim", "a", "--takeover"]).ok().json["salvaged"].clone();
    let commit = said["commit"].as_str().unwrap();
    let name =
        bench.sandbox.git_says("repo", ["for-each-ref", "--format=%(refname)", "refs/conductor"]);
    let put_back = kept(&bench.git_dir());
    for (what, cut) in ways(&bench, &name) {
        cut();
        assert_eq!(references(&bench.run(&["doctor"])), [("problem".to_owned(), false)], "{what}");
        bench.run(&["salvage"]).ok();
        let fixed = references(&bench.run(&["doctor", "--fix"]));
        assert_eq!(fixed, [("ok".to_owned(), true)], "{what}");
        assert_eq!(references(&bench.run(&["doctor"])), [], "{what}");
        let kept = bench.run(&["salvage"]).ok().json.to_string().contains(commit);
        assert_eq!(kept, what == "an empty file", "{what}: what is there is found again");
        put_back();
        // Others are saved beside it, too.
        cut();
        let other = Agent::new("other");
        bench.run(&["abort", "b"]);
        let mut dead = Agent::new("dead");
        bench.run(&["unstuck", "b"]).ok();
        bench.sandbox.run("repo", &dead, &["claim", "b"]).ok();
        dead.kill();
        let taken = bench.sandbox.run("repo", &other, &["claim", "b", "--takeover"]).ok();
        assert_eq!(taken.json["salvaged"]["state"], "saved", "{what}: {taken:?}");
        bench.sandbox.run("repo", &other, &["abort", "b"]).ok();
        put_back();
    }
    // With a file of it lost, the rest is still there, and nothing takes that away.
    let blob = bench.sandbox.git_says("repo", ["rev-parse", &format!("{commit}:new")]);
    fs::remove_file(bench.git_dir().join("objects").join(&blob[..2]).join(&blob[2..])).unwrap();
    let left = references(&bench.run(&["doctor", "--fix"]));
    assert_eq!(left, [("problem".to_owned(), false)]);
    assert!(bench.run(&["salvage"]).ok().json.to_string().contains(commit));
}

#[test]
fn fetched_notes_that_are_broken() {
    let bench = Bench::new();
    bench.sandbox.git(".", ["clone", "-q", "--bare", "repo", "remote.git"]);
    bench.sandbox.git("repo", ["remote", "add", "origin", "../remote.git"]);
    bench.run(&["claim", "a"]).ok();
    let id = bench.run(&COMPLETE).ok().json["note"]["id"].clone();
    bench.run(&["notes", "sync", "--remote", "origin"]).ok();
    bench.run(&["notes", "sync", "--remote", "origin"]).ok();
    let fetched = bench.git_dir().join("refs/notes/remotes/origin/conductor");
    for fix in [false, true] {
        fs::write(&fetched, "").unwrap();
        assert_eq!(references(&bench.run(&["doctor"])), [("problem".to_owned(), false)]);
        if fix {
            bench.run(&["doctor", "--fix"]);
            assert_eq!(references(&bench.run(&["doctor"])), []);
        }
        let synced = bench.run(&["notes", "sync", "--remote", "origin"]);
        assert_eq!(synced.exit, Some(0), "{synced:?}");
        bench.has_record(&id, "fetched");
    }
}

/// A lock that a git left when the machine went down, and one that may be a living git's.
#[test]
fn locks_of_before_this_boot() {
    let bench = Bench::new();
    let ours = bench.sandbox.write("repo/.git/refs/notes/conductor.lock", "");
    let young = bench.sandbox.write("repo/.git/refs/notes/conductor-artifacts.lock", "");
    let theirs = bench.sandbox.write("repo/.git/packed-refs.lock", "");
    for lock in [&ours, &theirs] {
        backdate(lock, 10 * 365 * 24 * 3600);
    }
    bench.run(&["doctor"]);
    assert!(ours.exists());
    bench.run(&["doctor", "--fix"]);
    assert!(!ours.exists() && young.exists() && theirs.exists());
}
