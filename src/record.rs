//! What is on disk and on the wire: versioned serde types, nothing else.
//!
//! Readers are lenient where another program may have written the record (a shell script, an older
//! or newer binary): a field that is missing or of the wrong type reads as absent, unknown fields
//! are kept in `rest` and written back unchanged. No I/O, no clock and no rule lives here. What a
//! completion leaves in git is in [`note`].

pub mod ended;
pub mod ledger;
pub mod near;
pub mod note;
pub mod salvage;
pub mod sharing;
pub mod text;

pub use ended::{Attempt, Due};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// The version that this program writes into its records and its JSON output.
pub const VERSION: u32 = 1;

/// Fields that this version does not know; kept when a record is rewritten.
pub type Rest = Map<String, Value>;

/// A claim's unique name: 128 random bits as 32 lower-case hexadecimal digits, never used twice.
///
/// Whoever can present it is the owner; it is also part of file names (`owner.<token>`), which is
/// why it can only be made from exactly this form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// The token for 16 random bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        use std::fmt::Write as _;
        let mut hex = String::with_capacity(32);
        for byte in bytes {
            // Writing to a String cannot fail.
            _ = write!(hex, "{byte:02x}");
        }
        Self(hex)
    }

    /// Reads a token, or `None` if `text` is not exactly 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 32 && text.bytes().all(hex)).then(|| Self(text.to_owned()))
    }

    /// The 32 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a token"))
    }
}

/// Reads `T`, or its default when the field holds anything else (a script's or a stranger's
/// record).
fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned + Default,
{
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// Reads a verdict. A record without one, as a script writes it, is a pass; what cannot be
/// understood is not, so that a newer program's "not yet" opens nothing here.
fn verdict<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Verdict, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(if value.is_null() {
        Verdict::Pass
    } else {
        serde_json::from_value(value).unwrap_or(Verdict::Fail)
    })
}

/// `sprint.json`: one sprint and its phase graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Sprint {
    /// `<12 hex of sha256(project)>-<YYYYMMDD-HHMMSS>`; also the directory's name.
    pub sprint_id: String,
    /// Canonical path of the main worktree (of the common directory, if bare).
    #[serde(default, deserialize_with = "lenient")]
    pub project: String,
    /// Name of the agent that started it.
    #[serde(default, deserialize_with = "lenient")]
    pub started_by: String,
    /// When, in UTC.
    #[serde(default, deserialize_with = "lenient")]
    pub started_at: Option<Timestamp>,
    /// `active` or `archived`; anything else reads as active.
    #[serde(default, deserialize_with = "lenient")]
    pub status: String,
    /// What the sprint is for, in the starter's words.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// When it was archived, in UTC; `clean` counts from here.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<Timestamp>,
    /// The sprint that this one takes up again, if it began with phases of another.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The phase graph, in the order that the board shows.
    pub phases: Vec<PhaseEntry>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub rest: Rest,
}

/// The time in a sprint's id, by which people call it; the whole id if there is none.
#[must_use]
pub fn sprint_time(id: &str) -> &str {
    id.split_once('-').map_or(id, |(_, time)| time)
}

impl Sprint {
    /// The fields of the record, without those of other versions.
    pub const FIELDS: &'static [&'static str] = &[
        "sprint_id",
        "project",
        "started_by",
        "started_at",
        "status",
        "goal",
        "archived_at",
        "from",
        "phases",
    ];
    /// The `status` of a sprint that has ended.
    pub const ARCHIVED: &'static str = "archived";
    /// The `status` of a sprint that has not.
    pub const ACTIVE: &'static str = "active";

    /// Whether the sprint has been ended.
    #[must_use]
    pub fn is_archived(&self) -> bool {
        self.status == Self::ARCHIVED
    }
}

/// One phase of a graph, as `sprint.json`, `config.json` and `--phases` write it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PhaseEntry {
    /// `[a-z0-9][a-z0-9_-]{0,63}` in new sprints.
    pub name: String,
    /// Phases that must be done, and not failed, before this one can be claimed.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// What the phase is about, in the sprint's author's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// `read`, `write` or `exclusive`; it informs `batch`, claims do not enforce it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<String>,
    /// Transitive dependencies whose completer must not own this phase.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_by: Vec<String>,
    /// How many attempts may fail before it cannot be claimed any more; at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u64>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub rest: Rest,
}

impl PhaseEntry {
    /// The fields of an entry, without those of other versions.
    pub const FIELDS: &'static [&'static str] =
        &["name", "depends_on", "about", "concurrency", "not_by", "max_attempts"];
}

/// One process of one machine, well enough described never to be mistaken for another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Process {
    /// Its number in its own pid namespace.
    pub pid: i64,
    /// Start time: on Linux in clock ticks since boot (field 22 of `/proc/<pid>/stat`), on macOS in
    /// seconds since 1970.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub start: Option<u64>,
    /// The kernel's boot id; new at every boot.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// `/etc/machine-id`; cloned machines can share it.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The kernel's node name; cloned machines can share it.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Inode of the pid namespace; reused by the kernel after the namespace is gone.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub pid_ns: Option<u64>,
    /// Inode of the time namespace, which shifts start times.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub time_ns: Option<u64>,
    /// Inode of its pidfd, unique per boot on Linux 6.9 and later; absent elsewhere.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub pidfd: Option<u64>,
}

/// One session of one terminal, for where there is no process table: nothing else of a person stays
/// the same from command to command there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Terminal {
    /// The number of the session (`getsid`).
    pub session: i64,
    /// The terminal's device number, where it is known.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub device: Option<u64>,
    /// The kernel's boot id, where it can be read.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// `/etc/machine-id`, where it can be read.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The kernel's node name.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// `lock/meta.<T>.json` (the authority on who T is) and `lock/meta.json` (a copy for the script).
///
/// A script's record has only `agent`, `claimed_at` and `pid`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Claim {
    /// Version of the writer; 0 for a script.
    #[serde(default, deserialize_with = "lenient")]
    pub v: u32,
    /// The owner's name; empty if it cannot be known.
    #[serde(default, deserialize_with = "lenient")]
    pub agent: String,
    /// When the phase was claimed, in UTC.
    #[serde(default, deserialize_with = "lenient")]
    pub claimed_at: Option<Timestamp>,
    /// The number of `process` or `shared`, as the script wants it; 0 without one.
    #[serde(default, deserialize_with = "lenient")]
    pub pid: i64,
    /// When the owner last renewed it, in UTC.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub renewed_at: Option<Timestamp>,
    /// The claim's unique name; absent in a script's record.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// Whether the name was given (`--agent` and the like) rather than detected.
    #[serde(default, deserialize_with = "lenient")]
    pub explicit: bool,
    /// The agent's session id, when one was detected.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Whether `session` names the agent itself (a thread, a job): another id is then another
    /// agent, also below the same process. Absent in records of older versions.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "std::ops::Not::not")]
    pub stable: bool,
    /// The process that lives as long as the agent.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// In place of `process`, the one that the agent shares with others: that it lives proves
    /// nothing about this agent. A field of its own, so that older versions see an owner of whom
    /// they know nothing, rather than every agent below that process.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub shared: Option<Process>,
    /// The script below `process`, in a session of its own, that claimed. While it runs, only what
    /// runs below it is the owner: two such scripts are two workers.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub via: Option<Process>,
    /// The terminal session of a person whose processes cannot be seen.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub terminal: Option<Terminal>,
    /// How long the machine had been asleep since its boot, in seconds, at the claim or renewal.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub asleep: Option<u64>,
    /// The user (uid) who claimed.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
    /// Whether the owner is a person in a terminal rather than an agent.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "std::ops::Not::not")]
    pub person: bool,
    /// The worktree it was claimed from (absolute path).
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub worktree: Option<String>,
    /// That worktree's own git directory (absolute path), which stays when the worktree is moved.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub git_dir: Option<String>,
    /// Short name of the branch that was checked out there; absent on a detached HEAD.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit that was checked out there, in hexadecimal.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What became of a completed phase's work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The work stands; what depends on it opens.
    #[default]
    Pass,
    /// Faults were found; what depends on it stays closed.
    Fail,
}

/// `<phase>/done`: the phase is complete, for ever.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Done {
    /// Version of the writer; 0 for a script or an empty file.
    #[serde(default, deserialize_with = "lenient")]
    pub v: u32,
    /// Who completed it; empty if it cannot be known.
    #[serde(default, deserialize_with = "lenient")]
    pub agent: String,
    /// When, in UTC.
    #[serde(default, deserialize_with = "lenient")]
    pub completed_at: Option<Timestamp>,
    /// The artifact's path as it was given, `""` if none.
    #[serde(default, deserialize_with = "lenient")]
    pub artifact: String,
    /// SHA-256 of the artifact, in hexadecimal; names the pin.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub artifact_sha256: Option<String>,
    /// Its size in bytes.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub artifact_size: Option<u64>,
    /// Its modification time in nanoseconds since 1970, to notice a change without hashing.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub artifact_mtime: Option<i64>,
    /// Its absolute real path when it was handed over.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub artifact_path: Option<String>,
    /// What `artifact.json` is to point at, relative to the phase's directory.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub artifact_link: Option<String>,
    /// What became of the work; a word that this version does not know is no pass.
    #[serde(default, deserialize_with = "verdict")]
    pub verdict: Verdict,
    /// The token that it was completed under; absent in a script's record.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// When the completed claim was made, in UTC.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Timestamp>,
    /// Whether the completer's name was given rather than detected.
    #[serde(default, deserialize_with = "lenient")]
    pub explicit: bool,
    /// The completer's session id, when one was detected.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Whether that names the completer itself.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "std::ops::Not::not")]
    pub stable: bool,
    /// The completer's process; `not_by` compares it.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// Whether the completer shared that with other agents.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// The user (uid) who completed it, where that is a person known by a terminal.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
    /// The terminal session of such a person.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub terminal: Option<Terminal>,
    /// The sprint in which it was completed, if this one only took it over.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub carried_from: Option<String>,
    /// What of the repository it was done at.
    #[serde(flatten)]
    pub at: Snapshot,
    /// Fields of other versions.
    #[serde(flatten)]
    pub rest: Rest,
}

impl Done {
    /// Whether it is what stands for a record that cannot be understood: it may have failed.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.v == 0 && self.agent.is_empty()
    }

    /// The claim that was completed, as far as this record tells of it.
    #[must_use]
    pub fn claim(&self) -> Claim {
        Claim {
            v: self.v,
            agent: self.agent.clone(),
            claimed_at: self.completed_at,
            pid: self.process.as_ref().map_or(0, |process| process.pid),
            token: self.token.clone(),
            explicit: self.explicit,
            session: self.session.clone(),
            stable: self.stable,
            process: self.process.clone().filter(|_| !self.shared),
            shared: self.process.clone().filter(|_| self.shared),
            user: self.user,
            person: self.terminal.is_some(),
            terminal: self.terminal.clone(),
            ..Claim::default()
        }
    }
}

impl Claim {
    /// The process that is recorded, the owner's own or one that it shares.
    #[must_use]
    pub fn any_process(&self) -> Option<&Process> {
        self.process.as_ref().or(self.shared.as_ref())
    }

    /// Whether no process proves that the owner lives, although it may: it shares one, or, being
    /// known by its session alone, has none that can be seen.
    #[must_use]
    pub const fn is_unproven(&self) -> bool {
        self.process.is_none() && (self.shared.is_some() || self.stable)
    }
}

/// The repository as it was when a phase was completed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Snapshot {
    /// Commit id, in hexadecimal; absent on an unborn branch or outside a repository.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The commit's tree.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
    /// Short name of the branch checked out; absent on a detached HEAD.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The worktree (absolute path).
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub worktree: Option<String>,
    /// Whether that worktree had uncommitted changes, artifact and store aside.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub dirty: Option<bool>,
}

/// What is checked out in a worktree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checkout {
    /// Short name of the branch; absent on a detached HEAD.
    pub branch: Option<String>,
    /// Commit id, in hexadecimal; absent on an unborn branch.
    pub commit: Option<String>,
}

/// `lock.d/latch.<T>`: which command's process made the latch; it must be provably dead before
/// another command takes the latch over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Maker {
    /// The command's own process.
    pub process: Process,
}

/// One line of `audit.log`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Event {
    /// When, in UTC.
    pub at: Timestamp,
    /// `start`, `claim`, `complete`, …
    pub event: String,
    /// The phase, or the sprint's id for what concerns the whole sprint.
    pub resource: String,
    /// What a person would want to know beside it; may be empty.
    pub detail: String,
    /// Who did it.
    pub agent: String,
    /// The process recorded for that agent; 0 when none is.
    pub pid: i64,
    /// The sprint's id.
    pub sprint: String,
}

/// What `batch` reads of a store's `config.json`, which is never written; a graph that is wrong
/// does not hide the skills.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct SkillConfig {
    /// Further directories that hold `<skill>/SKILL.md`.
    #[serde(default, deserialize_with = "lenient")]
    pub skill_roots: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::{Claim, PhaseEntry, Rest, Sprint};

    /// What is written, where every field has a value.
    #[test]
    fn the_fields_are_known_by_name() {
        let entry = PhaseEntry {
            name: "build".to_owned(),
            depends_on: vec!["plan".to_owned()],
            about: Some(String::new()),
            concurrency: Some("write".to_owned()),
            not_by: vec!["plan".to_owned()],
            max_attempts: Some(1),
            rest: Rest::new(),
        };
        let sprint = Sprint {
            sprint_id: String::new(),
            project: String::new(),
            started_by: String::new(),
            started_at: Some(jiff::Timestamp::UNIX_EPOCH),
            status: String::new(),
            goal: Some(String::new()),
            archived_at: Some(jiff::Timestamp::UNIX_EPOCH),
            from: Some(String::new()),
            phases: vec![entry.clone()],
            rest: Rest::new(),
        };
        for (value, fields) in [
            (serde_json::to_value(&entry).unwrap(), PhaseEntry::FIELDS),
            (serde_json::to_value(&sprint).unwrap(), Sprint::FIELDS),
        ] {
            let written: Vec<&str> =
                value.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(written, fields);
        }
    }

    #[test]
    fn what_is_not_known_is_written_back_unchanged() {
        for number in
            ["21e30", "2.1e+31", "0.1", "1.7976931348623157e308", "5e-324", "9007199254740993"]
        {
            let text = format!(r#"{{"agent":"ann","later":{number}}}"#);
            let claim: Claim = serde_json::from_str(&text).unwrap();
            let written = serde_json::to_string(&claim).unwrap();
            let again: Claim = serde_json::from_str(&written).unwrap();
            assert_eq!(again, claim, "{number}");
            let kept: f64 =
                written.split("later\":").nth(1).unwrap().trim_end_matches('}').parse().unwrap();
            assert_eq!(kept.to_bits(), number.parse::<f64>().unwrap().to_bits(), "{written}");
        }
    }
}
