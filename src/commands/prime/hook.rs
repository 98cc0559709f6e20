//! `prime` as a hook of an agent's.
//!
//! A hook must never be in the way: whatever is wrong is for the next command to say, so nothing
//! here has an error, and where something cannot be told, nothing is said. No answer decides that a
//! call of a tool is allowed: at most that it is refused.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::input::Input;
use super::{Primer, look, shell, subagent};
use crate::commands::context::{self, StoreAccess};
use crate::commands::skill::Reader;
use crate::commands::{Context, Global, gate};
use crate::git::Repo;
use crate::host::agent::{self, Given};
use crate::host::machine::Machine;
use crate::host::vars::Vars;
use crate::rules::{Board, Me, Standing, decide};
use crate::store::change::Asker;

/// What goes into the audit log, and to whoever takes the phase next.
const ENDED: &str = "the subagent ended and had not completed it";

/// What happens in the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A session begins.
    Start,
    /// The agent is about to stop.
    Stop,
    /// A subagent begins.
    SubagentStart,
    /// A subagent has ended.
    SubagentStop,
    /// A command line is about to be run.
    Command,
    /// Files are about to be changed.
    Edit,
}

/// What is said to the agent.
#[derive(Debug)]
pub enum Said {
    /// Nothing.
    Nothing,
    /// What it needs to know.
    Primer(Box<Primer>),
    /// It still holds these phases.
    Holds(Vec<String>),
    /// The subagent's name.
    Name(String),
    /// What the tool is to be given instead.
    Input(Map<String, Value>),
    /// That it may not change files: it holds no phase of this sprint.
    Unclaimed {
        /// The sprint's id.
        sprint: String,
    },
}

/// What a hook says, and to which agent.
#[derive(Debug)]
pub struct Hooked {
    /// How the agent reads it.
    pub reader: Option<Reader>,
    /// What happens.
    pub event: Event,
    /// What is said.
    pub said: Said,
}

/// Answers an agent's hook.
#[must_use]
pub(super) fn answer(global: &Global, event: Event, reader: Option<Reader>) -> Hooked {
    // A hook of an earlier version's gives no reader, and need not close what it would be told by.
    let is_told = event != Event::Start || reader.is_some();
    let input = if is_told { Input::read() } else { Input::Nothing };
    let global = &with_session(global, reader, &input);
    let said = match event {
        Event::Start => started(global, &input),
        Event::Stop => stopping(global, &input),
        Event::SubagentStart => begins(global, &input),
        Event::SubagentStop => ended(global, &input),
        Event::Command => called(global, &input),
        Event::Edit => edits(global, &input),
    };
    Hooked { reader, event, said: said.unwrap_or(Said::Nothing) }
}

/// The agent tells its hooks which session it is, if not by a variable: so that its name is the one
/// that its commands have.
fn with_session(global: &Global, reader: Option<Reader>, input: &Input) -> Global {
    let family = match reader {
        Some(Reader::Claude) => Some("claude"),
        Some(Reader::Codex) => Some("codex"),
        Some(Reader::Cursor | Reader::Gemini | Reader::Other) | None => None,
    };
    let session = family.zip(input.session().map(str::to_owned));
    Global { session, ..global.clone() }
}

/// Opens the repository that the agent is in.
fn open(global: &Global, input: &Input) -> Option<Context> {
    let told = input.cwd().and_then(|cwd| {
        let repo = Repo::discover(cwd, &context::variable).ok().flatten()?;
        Context::within(global, StoreAccess::Store, cwd, Some(repo)).ok()
    });
    told.or_else(|| Context::open(global, StoreAccess::Store).ok())
}

fn active(context: &Context) -> Option<Board> {
    context.store.states().ok().flatten().filter(|board| board.standing() == Standing::Active)
}

fn started(global: &Global, input: &Input) -> Option<Said> {
    let context = open(global, input)?;
    Some(Said::Primer(Box::new(look(&context).ok().flatten()?)))
}

/// What an agent still holds when it is about to stop. It is told once in a session, so that who
/// means to go on later is not kept at every turn.
fn stopping(global: &Global, input: &Input) -> Option<Said> {
    if input.may_stop() {
        return None;
    }
    let context = open(global, input)?;
    let holds = look(&context).ok().flatten()?.holds;
    let told = match session(&context.asker.me, input) {
        // Where that cannot be noted down, it is better not said than at every turn.
        Some(session) => context.store.tell(&holds, &session).ok()?,
        None => holds,
    };
    Some(Said::Holds(told))
}

/// A word for the session that asks.
fn session(me: &Me, input: &Input) -> Option<String> {
    let process = || {
        let process = me.process.as_ref()?;
        Some(format!("{} {:?} {:?}", process.pid, process.start, process.boot))
    };
    let id = input.session().map(str::to_owned).or_else(|| me.session.clone()).or_else(process)?;
    Some(subagent::hash(&id).chars().take(16).collect())
}

fn begins(global: &Global, input: &Input) -> Option<Said> {
    let id = input.subagent()?;
    let context = open(global, input)?;
    let board = active(&context)?;
    Some(Said::Name(name(Some(&board), &context.asker.me, id)))
}

/// Gives up what a subagent held, that nobody waits for it for ever. Evidence is left alone: what
/// it completed stays.
fn ended(global: &Global, input: &Input) -> Option<Said> {
    let id = input.subagent()?;
    let context = open(global, input)?;
    let board = context.store.states().ok().flatten()?;
    let me = &context.asker.me;
    for name in subagent::holding(&board, me, id) {
        let asker = Asker { me: subagent::as_subagent(me, name), ..context.asker.clone() };
        // Another command can be in the way; its claim goes stale in time.
        context.store.abort_all(&asker, ENDED).ok();
    }
    None
}

/// What a subagent is called now.
fn name(board: Option<&Board>, me: &Me, id: &str) -> String {
    let held = board.into_iter().flat_map(|board| subagent::holding(board, me, id)).next();
    held.unwrap_or_else(|| subagent::name(me, id))
}

/// A subagent's command line, in which it is named. The agent's own calls stay as they are.
fn called(global: &Global, input: &Input) -> Option<Said> {
    let id = input.subagent()?;
    if input.text("tool_name").is_some_and(|tool| tool != "Bash") {
        return None;
    }
    let tool = input.get("tool_input")?.as_object()?;
    let line = tool.get("command")?.as_str()?;
    if !shell::may_call(line, true) {
        return None;
    }
    let context = open(global, input);
    let board = context.as_ref().and_then(|context| context.store.states().ok().flatten());
    let me = match &context {
        Some(context) => context.asker.me.clone(),
        // The line may go to a repository first.
        None => outside(global)?,
    };
    let name = name(board.as_ref(), &me, id);
    let ships = context.as_ref().zip(board.as_ref()).is_some_and(|(context, board)| {
        let guards = gate::phase(context);
        let phase = board.graph.find(&guards);
        let claim = phase.and_then(|phase| subagent::hold(board, phase));
        claim.is_some_and(|hold| hold.claim.agent == name)
    });
    let named = shell::named(line, &name, ships)?;
    let mut changed = tool.clone();
    changed.insert("command".to_owned(), Value::String(named));
    Some(Said::Input(changed))
}

/// Who asks where there is no repository.
fn outside(global: &Global) -> Option<Me> {
    let machine = Machine::read();
    let given = Given { agent: global.agent.clone(), pid: global.pid };
    let vars = Vars::from_process().with_session(global.session.as_ref());
    agent::identify(&given, &vars, &machine, &machine.table, |_| None, None).ok()
}

/// Whether files of this repository are about to be changed while a sprint goes on, by an agent
/// that holds none of its phases.
fn edits(global: &Global, input: &Input) -> Option<Said> {
    let paths = paths(input.get("tool_input")?);
    if paths.is_empty() {
        return None;
    }
    let context = open(global, input)?;
    let board = active(&context)?;
    let me = &context.asker.me;
    if !decide::mine(&board, context.asker.facts(context.now())).is_empty() {
        return None;
    }
    // Of its own subagents each needs a phase, and may work on that of the agent. Under another
    // name it is the agent itself.
    let base = format!("{}/", me.name);
    let own = input.subagent().map(subagent::short);
    let holds = subagent::holds(&board).filter(|hold| subagent::is_ours(me, hold)).any(|hold| {
        let part = hold.claim.agent.strip_prefix(&base);
        part.is_none_or(|part| Some(part) == own.as_deref())
    });
    if holds {
        return None;
    }
    let roots = context.repo.as_ref()?.worktrees();
    let from = input.cwd().or_else(|| me.worktree.as_deref().map(Path::new))?;
    let inside = paths.iter().any(|path| is_inside(&from.join(path), &roots));
    inside.then_some(Said::Unclaimed { sprint: board.sprint.sprint_id })
}

/// The files that a tool is about to change, as far as it says so.
fn paths(tool: &Value) -> Vec<PathBuf> {
    let text = |key: &&str| tool.get(*key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let named = ["file_path", "notebook_path", "path", "target_file"].iter().find_map(text);
    if let Some(path) = named {
        return vec![PathBuf::from(path)];
    }
    // The language of patches that Codex has.
    let lines = tool.as_str().or_else(|| ["command", "input", "patch"].iter().find_map(text));
    let of = |line: &str| {
        let marks = ["*** Add File: ", "*** Update File: ", "*** Delete File: ", "*** Move to: "];
        let named = marks.iter().find_map(|mark| line.strip_prefix(mark))?.trim();
        (!named.is_empty()).then(|| PathBuf::from(named))
    };
    lines.into_iter().flat_map(str::lines).filter_map(of).collect()
}

/// Whether `path`, which may be a file that is not there yet, is in the worktree of `roots` that is
/// nearest to it, and not in another repository within.
fn is_inside(path: &Path, roots: &[PathBuf]) -> bool {
    let Some(path) = path.ancestors().find_map(|path| path.canonicalize().ok()) else {
        return false;
    };
    let nearest = path.ancestors().find(|dir| dir.join(".git").symlink_metadata().is_ok());
    nearest.is_some_and(|dir| roots.iter().any(|root| root == dir))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tools_say_what_they_change() {
        let patch = "*** Begin Patch\n*** Update File: a b.rs\n@@\n+*** Add File: c\n*** Move to: d\n*** End Patch";
        for (tool, wanted) in [
            (json!({"file_path": "/a", "content": "*** Add File: b"}), vec!["/a"]),
            (json!({"notebook_path": "n.ipynb"}), vec!["n.ipynb"]),
            (json!({"command": patch}), vec!["a b.rs", "d"]),
            (json!(patch), vec!["a b.rs", "d"]),
            (json!({"command": "rm -rf /"}), vec![]),
            (json!({"file_path": 7}), vec![]),
            (json!(null), vec![]),
        ] {
            let wanted: Vec<PathBuf> = wanted.into_iter().map(PathBuf::from).collect();
            assert_eq!(paths(&tool), wanted, "{tool}");
        }
    }
}
