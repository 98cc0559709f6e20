//! The prepared store that each run gets a copy of: a repository with an ended sprint and a live
//! one whose phases are in every state, and a tree beside it that nobody may touch.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::fixture::ago;
use crate::process_driver::Agent;
use crate::sandbox::Sandbox;
use crate::tree::Tree;

/// Which phase the commands are about, and who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// `open` can be claimed; who asks holds nothing.
    Open,
    /// `held`; its owner asks, who holds nothing else.
    Held,
    /// `held`; another asks.
    Theirs,
    /// `stale` belongs to a dead agent, since two hours.
    Stale,
    /// `past` was completed by who asks.
    Past,
}

impl Subject {
    pub(super) fn named(word: &str) -> Option<Self> {
        Some(match word {
            "open" => Self::Open,
            "held" => Self::Held,
            "theirs" => Self::Theirs,
            "stale" => Self::Stale,
            "past" => Self::Past,
            _ => return None,
        })
    }

    pub(super) const fn phase(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Held | Self::Theirs => "held",
            Self::Stale => "stale",
            Self::Past => "past",
        }
    }
}

/// The prepared store, its agents, and what cases call things.
pub(super) struct Scenery {
    pub(super) sandbox: Sandbox,
    holder: Agent,
    other: Agent,
    /// What stands for `{held}` and the like.
    names: BTreeMap<&'static str, String>,
    /// What each run gets a copy of.
    original: Tree,
    copies: AtomicUsize,
}

const ORIGINAL: &str = "original";

/// So many entries of a graph, `open` among them.
fn entries(count: usize) -> String {
    let names = std::iter::once("open".to_owned()).chain((1..count).map(|n| format!("p{n}")));
    names.map(|name| format!(r#"{{"name":"{name}"}}"#)).collect::<Vec<_>>().join(",")
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

impl Scenery {
    pub(super) fn new() -> Self {
        // Thousands of copies are made.
        let mut sandbox = Sandbox::in_memory();
        fs::create_dir(sandbox.join(ORIGINAL)).unwrap();
        fs::rename(sandbox.join("home"), sandbox.join("original/home")).unwrap();
        sandbox.set("HOME", sandbox.join("original/home"));
        let repo = Path::new("original/repo");
        sandbox.repository("original/repo");
        fs::remove_dir_all(sandbox.join("original/repo/.git/hooks")).unwrap();
        let [holder, other] = ["holder", "other"].map(Agent::new);
        let mut dead = Agent::new("dead");
        sandbox.write(repo.join("notes.md"), "{}");
        sandbox.write(repo.join("data.json"), r#"{"passed":true}"#);
        let run = |agent: &Agent, args: &[&str]| sandbox.run(repo, agent, args).ok();
        run(&other, &["start", "--phases", "was:"]);
        run(&other, &["claim", "was"]);
        run(&other, &["complete", "was", "--artifact", "notes.md"]);
        run(&other, &["archive"]);
        let phases = "past:,held:past,open:past,stale:past,last:held+open+stale";
        let sprint = run(&other, &["start", "--goal", "the goal", "--phases", phases]);
        run(&other, &["claim", "past"]);
        run(&other, &["complete", "past", "--artifact", "notes.md"]);
        run(&holder, &["claim", "held"]);
        run(&dead, &["claim", "stale"]);
        dead.kill();

        let store = sandbox.join(repo).join(".nanostack");
        let ended = fs::read_dir(store.join("conductor/archive")).unwrap().next().unwrap().unwrap();
        let id = sprint.json["sprint_id"].as_str().unwrap().to_owned();
        let directory = store.join("conductor").join(&id);
        let token = |phase: &str| {
            let claim = read(&directory.join(phase).join("lock/meta.json"));
            claim["token"].as_str().unwrap().to_owned()
        };
        let names = BTreeMap::from([
            ("{sprint}", id.clone()),
            ("{ended}", ended.file_name().into_string().unwrap()),
            ("{held}", token("held")),
            ("{stale}", token("stale")),
            ("{holder}", holder.pid().to_string()),
            ("{sha}", crate::process_driver::sha256("{}")),
            ("{other}", other.pid().to_string()),
            ("{now}", ago(0)),
            ("{uid}", rustix::process::geteuid().as_raw().to_string()),
            ("{256}", entries(256)),
            ("{257}", entries(257)),
            ("{long}", "x".repeat(100_000)),
        ]);
        for name in [format!("meta.{}.json", names["{stale}"]), "meta.json".to_owned()] {
            let path = directory.join("stale/lock").join(name);
            let mut claim = read(&path);
            claim["claimed_at"] = json!(ago(2 * 3600));
            fs::write(&path, claim.to_string()).unwrap();
            // The time of the copy says when its owner was last heard.
            let then = SystemTime::now() - Duration::from_secs(2 * 3600);
            let times = FileTimes::new().set_modified(then);
            File::options().write(true).open(path).unwrap().set_times(times).unwrap();
        }
        // What a link that is followed leads to.
        let outside = Path::new("original/outside");
        sandbox.write(outside.join("inner/file"), "outside");
        sandbox.write(outside.join("empty"), "");
        let record = json!({"agent": "outsider", "claimed_at": ago(0), "completed_at": ago(0)});
        sandbox.write(outside.join("record.json"), record.to_string());
        fs::copy(directory.join("sprint.json"), sandbox.join(outside).join("sprint.json")).unwrap();
        fs::create_dir(sandbox.join(outside).join("nothing")).unwrap();
        let original = Tree::read(&sandbox.join(ORIGINAL), ORIGINAL);
        Self { sandbox, holder, other, names, original, copies: AtomicUsize::new(0) }
    }

    /// Who asks.
    pub(super) const fn asker(&self, subject: Subject) -> &Agent {
        match subject {
            Subject::Held => &self.holder,
            Subject::Open | Subject::Theirs | Subject::Stale | Subject::Past => &self.other,
        }
    }

    /// `text` with the names of this store in it.
    pub(super) fn named(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    /// A copy of its own, by the path of its root; whoever gets it removes it.
    pub(super) fn copy(&self) -> PathBuf {
        let name = format!("copy{:05}", self.copies.fetch_add(1, Ordering::Relaxed));
        let to = self.sandbox.join(&name);
        self.original.write(&to, &name);
        to
    }
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    mode: u32,
    size: u64,
    time: (i64, i64),
    content: String,
}

/// What is at each path below `root`. Some trees have hundred thousand entries: the paths are not
/// [`Path`]s, which take far longer to compare, and nothing is opened that is empty.
pub(crate) fn witness(root: &Path) -> BTreeMap<OsString, Seen> {
    let mut seen = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        // No path leads to what is very deep.
        let Ok(meta) = path.symlink_metadata() else { continue };
        let kind = meta.file_type();
        let content = if kind.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
        } else if kind.is_file() && (1..1 << 16).contains(&meta.len()) {
            fs::read(&path).unwrap_or_default()
        } else {
            Vec::new()
        };
        if kind.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten();
            open.extend(entries.map(|entry| entry.unwrap().path()));
        }
        let size = if kind.is_dir() { 0 } else { meta.len() };
        let content = String::from_utf8(content)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        let time = (meta.mtime(), meta.mtime_nsec());
        seen.push((path.into_os_string(), Seen { mode: meta.mode(), size, time, content }));
    }
    seen.into_iter().collect()
}
