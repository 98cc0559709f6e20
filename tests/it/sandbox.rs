//! A place of its own for each test: a temporary directory, a home in it, and real git in an
//! environment that nothing leaks into.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};

use git_conductor::error::{Failure, FailureKind};
use git_conductor::git::Repo;

/// A temporary directory with a home; removed when dropped.
pub(crate) struct Sandbox {
    root: PathBuf,
    vars: Vec<(OsString, OsString)>,
    _dir: tempfile::TempDir,
}

impl Sandbox {
    /// A new one. `git init` in it makes the branch `main`.
    pub(crate) fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// A new one in memory, where there is such a place: for what is made so often that the disk
    /// would take most of the time.
    pub(crate) fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        let is_writable = rustix::fs::access(memory, rustix::fs::Access::WRITE_OK).is_ok();
        if is_writable { Self::below(memory) } else { Self::new() }
    }

    /// A new one in the directory `place`.
    pub(crate) fn below(place: &Path) -> Self {
        ignore_nothing();
        let dir = tempfile::Builder::new().prefix("conductor-").tempdir_in(place).unwrap();
        let root = dir.path().canonicalize().unwrap();
        let home = root.join("home");
        std::fs::create_dir(&home).unwrap();
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let ours = Path::new(env!("CARGO_BIN_EXE_git-conductor")).parent().unwrap();
        let path = std::iter::once(ours.to_owned()).chain(std::env::split_paths(&inherited));
        let vars = [
            ("HOME", home.as_os_str().to_owned()),
            ("PATH", std::env::join_paths(path).unwrap()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
            ("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z".into()),
            ("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z".into()),
            ("LC_ALL", "C".into()),
            ("TZ", "UTC".into()),
        ];
        let sandbox =
            Self { root, vars: vars.map(|(name, value)| (name.into(), value)).to_vec(), _dir: dir };
        sandbox.write(
            "home/.gitconfig",
            "[user]\n\tname = A U Thor\n\temail = author@example.com\n\
             [init]\n\tdefaultBranch = main\n[protocol \"file\"]\n\tallow = always\n",
        );
        sandbox
    }

    /// Its canonical path.
    pub(crate) fn path(&self) -> &Path {
        &self.root
    }

    /// The canonical path of `name` in it.
    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join(name)
    }

    /// Sets a variable for everything that runs in it from now on.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.unset(name);
        self.vars.push((name.into(), value.into()));
    }

    /// Forgets a variable.
    pub(crate) fn unset(&mut self, name: &str) {
        self.vars.retain(|(known, _)| known != name);
    }

    /// A variable, as `Repo::discover` asks for it.
    pub(crate) fn var(&self, name: &str) -> Option<OsString> {
        self.vars.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// Writes a file and the directories that it needs.
    pub(crate) fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A command in `dir` (absolute, or in the sandbox) that sees the sandbox's variables only.
    pub(crate) fn command(&self, dir: impl AsRef<Path>, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.vars.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.join(dir)).stdin(Stdio::null());
        command
    }

    /// Runs git in `dir`, whatever comes of it. `git conductor …` finds the program under test.
    pub(crate) fn try_git<A: AsRef<OsStr>>(
        &self,
        dir: impl AsRef<Path>,
        args: impl IntoIterator<Item = A>,
    ) -> Output {
        self.command(dir, "git").args(args).output().unwrap()
    }

    /// Runs git in `dir`, which must succeed.
    pub(crate) fn git<A: AsRef<OsStr>>(
        &self,
        dir: impl AsRef<Path>,
        args: impl IntoIterator<Item = A>,
    ) -> Output {
        let args: Vec<OsString> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        let output = self.try_git(dir, &args);
        assert!(
            output.status.success(),
            "git {args:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// What git prints in `dir`, without the final newline.
    pub(crate) fn git_says<A: AsRef<OsStr>>(
        &self,
        dir: impl AsRef<Path>,
        args: impl IntoIterator<Item = A>,
    ) -> String {
        String::from_utf8(self.git(dir, args).stdout).unwrap().trim_end().to_owned()
    }

    /// A repository named `name` with one commit of one file.
    pub(crate) fn repository(&self, name: &str) -> PathBuf {
        self.git(".", ["init", "-q", name]);
        self.commit(name);
        self.join(name)
    }

    /// One commit of the file `file` in the worktree `dir`.
    pub(crate) fn commit(&self, dir: impl AsRef<Path>) {
        let dir = self.join(dir);
        std::fs::write(dir.join("file"), "content\n").unwrap();
        self.git(&dir, ["add", "file"]);
        self.git(&dir, ["commit", "-q", "-m", "a commit"]);
    }

    /// What the library finds in `dir`.
    pub(crate) fn discover(&self, dir: impl AsRef<Path>) -> Result<Option<Repo>, Failure> {
        // As `getcwd` gives it.
        let dir = self.join(dir);
        Repo::discover(&dir.canonicalize().unwrap_or(dir), &|name| self.var(name))
    }

    /// The repository of `dir`, which must be there.
    pub(crate) fn repo(&self, dir: impl AsRef<Path>) -> Repo {
        self.discover(dir).map_err(|failure| failure.to_string()).unwrap().unwrap()
    }
}

/// Lets what the tests run have the signals' own effects, although whoever runs the tests has them
/// ignored, as a script does for what it puts into the background: what is caught here is not
/// ignored there.
fn ignore_nothing() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
        for signal in 1..32 {
            // That of pipes is ignored by every Rust program, and not by what it runs.
            let is_ours = signal == signal_hook::consts::SIGPIPE;
            let is_forbidden = signal_hook::consts::FORBIDDEN.contains(&signal);
            if ignored & 1 << (signal - 1) != 0 && !is_ours && !is_forbidden {
                signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false))).unwrap();
            }
        }
    });
}

/// What kind of failure `result` is.
pub(crate) fn kind<T: std::fmt::Debug>(result: Result<T, Failure>) -> FailureKind {
    result.unwrap_err().kind
}
