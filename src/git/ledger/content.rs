//! A board and an event as the objects of a commit, and back.
//!
//! What is read was written by anybody who may push: sizes, counts, names and kinds are checked
//! before anything is believed, and before it is in memory.

use std::collections::{BTreeMap, BTreeSet};

use gix::ObjectId;
use gix::objs::tree::EntryKind;
use gix::objs::{Kind, TreeRefIter};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Failure, FailureKind};
use crate::ledger::{CommitId, Link};
use crate::record::PhaseEntry;
use crate::record::ledger::{Deed, LedgerBoard, LedgerEvent, Member, RULES};
use crate::record::text::{is_unsafe, safe_json};
use crate::rules::shared::{MAX_MEMBERS, Shared};

const BOARD: &str = "board.json";
const GRAPH: &str = "graph.json";
const MEMBERS: &str = "members";

/// The most bytes of a commit: its message can hold a whole sprint.
pub(super) const MAX_COMMIT_BYTES: u64 = 4 << 20;
const MAX_BOARD_BYTES: u64 = 4 << 20;
const MAX_GRAPH_BYTES: u64 = 2 << 20;
const MAX_MEMBER_BYTES: u64 = 64 << 10;
const MAX_ROOT_BYTES: u64 = 4 << 10;
/// Of the tree of members: a mode, a name and an id each.
const MAX_MEMBERS_BYTES: u64 = MAX_MEMBERS as u64 * 128;
/// The longest id of a member.
const MAX_ID_BYTES: usize = 64;
/// The most characters of a subject, for those who read `git log`.
const MAX_SUBJECT: usize = 200;

/// Why a commit of a ledger was not read.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It is not a commit of a ledger. Whoever pushed it did not use this program, or used a later
    /// version.
    Foreign(String),
    /// What is kept of it here is damaged or not whole.
    Broken(String),
    /// The world broke.
    Failed(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Foreign(why) => Self::new(FailureKind::Unreadable, why),
            Trouble::Broken(why) => Self::new(FailureKind::Git, why),
            Trouble::Failed(failure) => failure,
        }
    }
}

/// Where objects are read.
pub(super) trait Objects {
    /// How they are named.
    fn hash(&self) -> gix::hash::Kind;

    /// The content of one that must be of this kind, and no longer than `most` bytes; `None` if it
    /// is not there.
    fn find(&self, id: ObjectId, kind: Kind, most: u64) -> Result<Option<Vec<u8>>, Trouble>;

    /// The same where it must be there.
    fn get(&self, id: ObjectId, kind: Kind, most: u64) -> Result<Vec<u8>, Trouble> {
        self.find(id, kind, most)?.ok_or_else(|| Trouble::Broken(format!("object {id} is missing")))
    }
}

/// Objects that are to be written, by their ids.
pub(super) type Made = BTreeMap<ObjectId, (Kind, Vec<u8>)>;

/// What an object is called.
pub(super) fn name(hash: gix::hash::Kind, kind: Kind, content: &[u8]) -> Result<ObjectId, Failure> {
    gix::objs::compute_hash(hash, kind, content)
        .map_err(|error| Failure::new(FailureKind::Git, error.to_string()))
}

/// Who is named as the author and as the committer: `Name <e-mail>`.
pub(super) struct Idents {
    pub(super) author: Vec<u8>,
    pub(super) committer: Vec<u8>,
}

/// The commit of `event` on `parent`, and all of its objects.
pub(super) fn make(
    hash: gix::hash::Kind,
    parent: Option<ObjectId>,
    event: &LedgerEvent,
    shared: &Shared,
    idents: &Idents,
) -> Result<(ObjectId, Made), Failure> {
    let mut made = Made::new();
    let mut add = |kind, content: Vec<u8>, most| {
        if content.len() as u64 > most {
            // Nobody would read it.
            let text = format!("the ledger would hold a {kind} of more than {most} bytes");
            return Err(Failure::new(FailureKind::Unreadable, text));
        }
        let id = name(hash, kind, &content)?;
        made.insert(id, (kind, content));
        Ok(id)
    };
    let mut members = BTreeMap::new();
    for (id, member) in &shared.members {
        if !is_member_id(id) {
            let text = format!("'{}' is not a valid member id", id.escape_debug());
            return Err(Failure::new(FailureKind::Bug, text));
        }
        let blob = add(Kind::Blob, json(member)?, MAX_MEMBER_BYTES)?;
        members.insert(format!("{id}.json"), (EntryKind::Blob, blob));
    }
    let board = add(Kind::Blob, json(&shared.board)?, MAX_BOARD_BYTES)?;
    let graph = add(Kind::Blob, json(&shared.graph)?, MAX_GRAPH_BYTES)?;
    let mut root = BTreeMap::from([
        (BOARD.to_owned(), (EntryKind::Blob, board)),
        (GRAPH.to_owned(), (EntryKind::Blob, graph)),
    ]);
    // git knows no empty directory.
    if !members.is_empty() {
        let members = add(Kind::Tree, tree(&members), MAX_MEMBERS_BYTES)?;
        root.insert(MEMBERS.to_owned(), (EntryKind::Tree, members));
    }
    let root = add(Kind::Tree, tree(&root), MAX_ROOT_BYTES)?;
    let mut commit = format!("tree {root}\n").into_bytes();
    if let Some(parent) = parent {
        commit.extend_from_slice(format!("parent {parent}\n").as_bytes());
    }
    let time = format!(" {} +0000\n", event.at.as_second());
    for (what, ident) in [("author ", &idents.author), ("committer ", &idents.committer)] {
        commit.extend([what.as_bytes(), ident, time.as_bytes()].concat());
    }
    let event_json = serde_json::to_string(event).map_err(|error| unwritten(&error))?;
    let message = format!("\n{}\n\n{}\n", subject(event, shared), safe_json(&event_json));
    commit.extend_from_slice(message.as_bytes());
    let commit = add(Kind::Commit, commit, MAX_COMMIT_BYTES)?;
    Ok((commit, made))
}

fn unwritten(error: &serde_json::Error) -> Failure {
    Failure::new(FailureKind::Bug, format!("a record cannot be written: {error}"))
}

/// JSON with a line for each field, so that people see in `git log -p` what a change changed.
fn json(record: &impl Serialize) -> Result<Vec<u8>, Failure> {
    let mut json = serde_json::to_string_pretty(record).map_err(|error| unwritten(&error))?;
    json.push('\n');
    Ok(safe_json(&json).into_bytes())
}

/// A tree of these entries, whose order is git's: no name here begins with another and `.` or `/`.
fn tree(entries: &BTreeMap<String, (EntryKind, ObjectId)>) -> Vec<u8> {
    let mut tree = Vec::new();
    for (name, (kind, id)) in entries {
        let mode: &[u8] = if *kind == EntryKind::Tree { b"40000 " } else { b"100644 " };
        tree.extend([mode, name.as_bytes(), b"\0", id.as_slice()].concat());
    }
    tree
}

/// What a change is in a line: `claim build by bob@laptop`.
fn subject(event: &LedgerEvent, shared: &Shared) -> String {
    let what = match &event.deed {
        Deed::Share { sprint, .. } => format!("share {}", sprint.sprint_id),
        Deed::Join { .. } => "join".to_owned(),
        Deed::Leave {} => "leave".to_owned(),
        Deed::Claim { phase, .. } => format!("claim {phase}"),
        Deed::Complete { phase, .. } => format!("complete {phase}"),
        Deed::Abort { phase, .. } => format!("abort {phase}"),
        Deed::Unstuck { phase, .. } => format!("free {phase}"),
        Deed::Start { sprint, .. } => format!("start {}", sprint.sprint_id),
        Deed::Archive { .. } => "archive".to_owned(),
        Deed::Vouch {} => "vouch".to_owned(),
    };
    let member = shared.members.get(&event.by.member);
    let member = member.map_or(event.by.member.as_str(), |member| member.name.as_str());
    let by = match event.by.agent.as_str() {
        "" => member.to_owned(),
        agent => format!("{agent}@{member}"),
    };
    let plain = |c: char| if is_unsafe(c) { '?' } else { c };
    format!("{what} by {by}").chars().take(MAX_SUBJECT).map(plain).collect()
}

/// Whether a member can have this id: it is a file's name, on every system.
fn is_member_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !id.is_empty() && id.len() <= MAX_ID_BYTES && id.bytes().all(plain)
}

/// A commit's own content.
pub(super) struct Commit {
    tree: ObjectId,
    /// The commit that it was made on; `None` if it is the first.
    pub(super) parent: Option<ObjectId>,
    /// Below the subject.
    event: Vec<u8>,
}

fn foreign(id: ObjectId, why: &str) -> Trouble {
    Trouble::Foreign(format!("commit {id} does not belong to a ledger: {why}"))
}

/// Reads a commit; `None` if it is not there.
pub(super) fn commit(from: &impl Objects, id: ObjectId) -> Result<Option<Commit>, Trouble> {
    let Some(bytes) = from.find(id, Kind::Commit, MAX_COMMIT_BYTES)? else { return Ok(None) };
    let header = |line: &[u8], name: &[u8]| {
        let value = line.strip_prefix(name)?;
        ObjectId::from_hex(value).ok().filter(|id| id.kind() == from.hash())
    };
    let end = find(&bytes, b"\n\n").ok_or_else(|| foreign(id, "it has no message"))?;
    let mut lines = bytes[..end].split(|byte| *byte == b'\n');
    let tree = lines.next().and_then(|line| header(line, b"tree "));
    let tree = tree.ok_or_else(|| foreign(id, "it has no tree"))?;
    let mut lines = lines.peekable();
    let parent = lines.peek().and_then(|line| header(line, b"parent "));
    if parent.is_some() {
        lines.next();
    }
    if lines.any(|line| line.starts_with(b"parent ")) {
        return Err(foreign(id, "it is a merge"));
    }
    let message = &bytes[end + 2..];
    let event = find(message, b"\n\n").map(|at| message[at + 2..].to_vec()).unwrap_or_default();
    Ok(Some(Commit { tree, parent, event }))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Reads a commit with all that it holds; `None` if it is not there.
pub(super) fn link(from: &impl Objects, id: ObjectId) -> Result<Option<Link>, Trouble> {
    let Some(commit) = commit(from, id)? else { return Ok(None) };
    let wrong = |why: &str| foreign(id, why);
    let named = |name: &str| format!("'{name}' is missing, or no file");
    let mut root = entries(from, id, commit.tree, MAX_ROOT_BYTES)?;
    let mut take = |name: &str, kind: EntryKind| match root.remove(name) {
        Some((is, found)) if is == kind => Ok(Some(found)),
        Some(_) => Err(wrong(&format!("'{name}' is not what it has to be"))),
        None => Ok(None),
    };
    let board = take(BOARD, EntryKind::Blob)?.ok_or_else(|| wrong(&named(BOARD)))?;
    let graph = take(GRAPH, EntryKind::Blob)?.ok_or_else(|| wrong(&named(GRAPH)))?;
    let members = take(MEMBERS, EntryKind::Tree)?;
    let board: LedgerBoard = record(from, id, BOARD, board, MAX_BOARD_BYTES)?;
    // A later version may keep more there, and this one only reads.
    let is_newer = board.rules > RULES;
    if let Some(name) = root.keys().next().filter(|_| !is_newer) {
        return Err(wrong(&format!("it has '{}'", name.escape_debug())));
    }
    let graph: Vec<PhaseEntry> = record(from, id, GRAPH, graph, MAX_GRAPH_BYTES)?;
    let mut known = BTreeMap::new();
    if let Some(members) = members {
        for (name, (kind, blob)) in entries(from, id, members, MAX_MEMBERS_BYTES)? {
            let member = name.strip_suffix(".json").filter(|member| is_member_id(member));
            let Some(member) = member.filter(|_| kind == EntryKind::Blob) else {
                return Err(wrong(&format!("'{}' is no member", name.escape_debug())));
            };
            let content: Member = record(from, id, &name, blob, MAX_MEMBER_BYTES)?;
            known.insert(member.to_owned(), content);
        }
    }
    if known.len() > MAX_MEMBERS {
        return Err(wrong("it has too many members"));
    }
    let event: LedgerEvent = serde_json::from_slice(&commit.event).map_err(|error| {
        let newer = if is_newer { "a later version of git conductor made it; " } else { "" };
        wrong(&format!("{newer}its message holds no event: {error}"))
    })?;
    let commit_id = CommitId::parse(&id.to_string()).ok_or_else(|| wrong("its id is invalid"))?;
    Ok(Some(Link { id: commit_id, event, shared: Shared { board, graph, members: known } }))
}

/// The entries of a tree by their names; each is a file or a directory.
fn entries(
    from: &impl Objects,
    commit: ObjectId,
    tree: ObjectId,
    most: u64,
) -> Result<BTreeMap<String, (EntryKind, ObjectId)>, Trouble> {
    let bytes = from.get(tree, Kind::Tree, most)?;
    let mut found = BTreeMap::new();
    for entry in TreeRefIter::from_bytes(&bytes, from.hash()) {
        let entry = entry.map_err(|_| foreign(commit, "it has a malformed tree"))?;
        let name = std::str::from_utf8(entry.filename)
            .map_err(|_| foreign(commit, "it has a file whose name is no text"))?;
        let kind = entry.mode.kind();
        if !matches!(kind, EntryKind::Blob | EntryKind::Tree) {
            let text = format!("'{}' is neither a file nor a directory", name.escape_debug());
            return Err(foreign(commit, &text));
        }
        if found.insert(name.to_owned(), (kind, entry.oid.to_owned())).is_some() {
            return Err(foreign(commit, "it has two files of one name"));
        }
    }
    Ok(found)
}

fn record<T: DeserializeOwned>(
    from: &impl Objects,
    commit: ObjectId,
    name: &str,
    blob: ObjectId,
    most: u64,
) -> Result<T, Trouble> {
    let bytes = from.get(blob, Kind::Blob, most)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| foreign(commit, &format!("'{name}' cannot be understood: {error}")))
}

/// The objects that a commit has of its own tree: what a child of it need not bring.
pub(super) fn kept(from: &impl Objects, id: ObjectId) -> Result<BTreeSet<ObjectId>, Trouble> {
    let mut kept = BTreeSet::from([id]);
    let Some(commit) = commit(from, id)? else { return Ok(BTreeSet::new()) };
    kept.insert(commit.tree);
    for (_, (kind, entry)) in entries(from, id, commit.tree, MAX_ROOT_BYTES)? {
        kept.insert(entry);
        if kind == EntryKind::Tree {
            let below = entries(from, id, entry, MAX_MEMBERS_BYTES)?;
            kept.extend(below.into_values().map(|(_, id)| id));
        }
    }
    Ok(kept)
}
