//! From an outcome to what is printed: text, table or JSON. The only writer of stdout and stderr.
//!
//! Machine output is one line or one JSON object on stdout; what is said to a person goes to stderr
//! in git's manner. [`render`] makes both as values, [`Printed::write`] writes them.

mod advice;
mod attempts;
mod board;
mod completed;
pub mod content;
mod doctor;
mod evidence;
mod gate;
mod graph;
mod hooked;
mod hooks;
mod install;
mod log;
mod notes;
mod prime;
mod rounds;
pub mod run;
mod salvage;
mod sentences;
mod skill;
mod table;
mod telling;
pub mod text;
mod trouble;
pub mod waiting;
pub mod watching;
pub mod words;

use std::fmt::Write as _;
use std::io::Write as _;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cmd::salvage::Salvaged;
use crate::cmd::{Input, Outcome};
use crate::error::{self, Stop};
use crate::record::VERSION;
use crate::rules::lost::Loss;
use crate::rules::{Change, Hold, Life};
use crate::store::change::{Freed, Granted};
use text::{Paint, age, safe, safe_json};
use words::Words;

/// How to print.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// One JSON object on stdout.
    pub json: bool,
    /// Colours on stdout.
    pub out: Paint,
    /// Colours on stderr.
    pub err: Paint,
    /// The terminal's width in columns, if stdout is one.
    pub width: Option<usize>,
    /// Whether to print hints.
    pub advice: bool,
    /// What time it is.
    pub now: Timestamp,
}

/// What is to be printed, and the exit code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Printed {
    /// For stdout.
    pub out: String,
    /// For stderr.
    pub err: String,
    /// The exit code.
    pub exit: u8,
    /// Whether that is of a command that was run: it stays, whether the answer can be written or not.
    pub is_of_command: bool,
}

impl Printed {
    /// The same with a warning before all that is said.
    #[must_use]
    pub fn warning(mut self, text: &str, format: Format) -> Self {
        let mut say = Say { err: String::new(), paint: format.err, advice: format.advice };
        say.warning(&safe(text));
        self.err.insert_str(0, &say.err);
        self
    }

    /// Writes both streams, the answer before what is said about it; a reader that has gone away
    /// ends it quietly.
    #[must_use]
    pub fn write(&self) -> u8 {
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(self.out.as_bytes()).and_then(|()| stdout.flush());
        let mut stderr = std::io::stderr().lock();
        let (said, exit) = match written {
            // What was asked for has been done, or not: the answer is lost, and asking again tells.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                let exit = if self.is_of_command { self.exit } else { error::BUSY };
                (format!("error: {}\n{}", unwritten(&error), self.err), exit)
            }
            _ => (self.err.clone(), self.exit),
        };
        // There is nobody left to be told.
        stderr.write_all(said.as_bytes()).and_then(|()| stderr.flush()).ok();
        exit
    }
}

/// What there is to do for who has claimed a phase.
fn claimed_hints(granted: &Granted, nameless: bool, say: &mut Say) {
    let graph = &granted.board.graph;
    if let Some(id) = graph.find(&granted.phase) {
        say.hint(&advice::finish(&granted.phase, graph.phase(id).handover()));
    }
    if nameless {
        say.warning("no process was found that lasts: each call will look like a new agent");
        say.hint("give the same name with every call: --agent NAME, or GIT_CONDUCTOR_AGENT");
    }
}

/// Says what the asker has lost, and what to do about it.
fn lost_text(lost: &[Loss], now: Timestamp, say: &mut Say) {
    for loss in lost {
        say.warning(&format!("you lost {}", board::lost(loss, now)));
    }
    if let Some(loss) = lost.first() {
        say.hint(&board::lost_advice(loss));
    }
}

fn unwritten(error: &std::io::Error) -> String {
    format!("cannot write the answer: {error}")
}

/// Collects what is said on stderr.
struct Say {
    err: String,
    paint: Paint,
    advice: bool,
}

impl Say {
    fn line(&mut self, line: &str) {
        self.err.push_str(line);
        self.err.push('\n');
    }

    fn hint(&mut self, hint: &str) {
        if !self.advice {
            return;
        }
        let line = format!("{} {hint}", self.paint.hint("hint:"));
        self.line(&line);
    }

    fn warning(&mut self, text: &str) {
        let line = format!("{} {text}", self.paint.hint("warning:"));
        self.line(&line);
    }
}

/// What a command's end prints.
#[must_use]
pub fn render(result: &Result<Outcome, Stop>, format: Format) -> Printed {
    let mut say = Say { err: String::new(), paint: format.err, advice: format.advice };
    let (out, exit) = match result {
        Ok(Outcome::Watched(None) | Outcome::Content(_)) => (String::new(), error::OK),
        Ok(Outcome::Watched(Some(error))) => {
            let line = unwritten(error);
            say.line(&format!("{} {line}", say.paint.error("error:")));
            (String::new(), error::BUSY)
        }
        Ok(outcome) if format.json => (one_line(&outcome_json(outcome, format)), exit(outcome)),
        Ok(outcome) => (outcome_text(outcome, format, &mut say), exit(outcome)),
        Err(stop) => {
            let words = words::stop(stop, format.now);
            let out = if format.json { one_line(&stop_json(stop, &words)) } else { String::new() };
            stop_text(&words, &mut say);
            (out, words.exit)
        }
    };
    Printed { out, err: say.err, exit, ..Printed::default() }
}

/// The exit code of an answer: yes, or no; or that of a command that was run.
fn exit(outcome: &Outcome) -> u8 {
    if let Outcome::Ran(ran) = outcome {
        return ran.exit();
    }
    let differs = |it: &crate::cmd::verify::Verified| !it.ok();
    let is_no = matches!(outcome, Outcome::Examined(found) if doctor::has_problems(found))
        || matches!(outcome, Outcome::Verified { sprints, .. } if sprints.iter().any(differs));
    if is_no { error::REFUSED } else { error::OK }
}

fn one_line(value: &Value) -> String {
    format!("{}\n", safe_json(&value.to_string()))
}

fn stop_text(words: &Words, say: &mut Say) {
    let line = if words.is_error {
        format!("{} {}", say.paint.error("error:"), words.text)
    } else {
        words.text.clone()
    };
    say.line(&line);
    for hint in &words.hints {
        say.hint(hint);
    }
}

fn stop_json(stop: &Stop, words: &Words) -> Value {
    let mut value = json!({
        "v": VERSION,
        "ok": false,
        "code": words.code,
        "error": words.text,
        "hints": words.hints,
        "do": words.todo,
        "retry": words.retry,
    });
    if let (Stop::Refused(refusal), Some(object)) = (stop, value.as_object_mut())
        && let Ok(Value::Object(facts)) = serde_json::to_value(refusal)
    {
        object.extend(facts);
    }
    value
}

fn outcome_text(outcome: &Outcome, format: Format, say: &mut Say) -> String {
    let now = format.now;
    match outcome {
        Outcome::Board(view) => {
            if let Some(loss) = view.lost.first() {
                say.hint(&board::lost_advice(loss));
            }
            if let Some(hint) = board::hint(view, now) {
                say.hint(&hint);
            }
            table::table(view, now, format.out, format.width)
        }
        Outcome::NoSprint => {
            say.hint("to share work among several agents, begin one with 'git conductor start'");
            "no sprint\n".to_owned()
        }
        Outcome::Started { started, directory, unrecorded, made_up } => {
            rounds::archived_text(started, say);
            salvage::made_up_text(made_up, say);
            rounds::carried_text(started, unrecorded.as_ref(), say);
            say.hint("each agent takes its work with 'git conductor next --claim'");
            format!("{}\n", safe(&directory.display().to_string()))
        }
        Outcome::Claimed { granted, picked, .. } => {
            claimed_lines(outcome, now, say);
            if *picked { format!("{}\n", granted.phase) } else { "OK\n".to_owned() }
        }
        Outcome::Completed { phase, handed } => {
            completed::text(phase, handed, now, say);
            completed::comes_next(&handed.completed, say);
            "OK\n".to_owned()
        }
        Outcome::Ran(ran) => run::text(ran, format, say),
        Outcome::Log(told) => log::text(told, format, say),
        Outcome::Report(told, page) => telling::text(told, *page, now),
        Outcome::Overview(overview, page) => telling::overview(overview, *page, say),
        Outcome::Graph(view, form) => graph::text(view, *form, format),
        Outcome::Waited { verdict, .. } => waiting::text(*verdict),
        Outcome::Watched(_) | Outcome::Content(_) => String::new(),
        Outcome::Aborted(freed) => {
            aborted_text(freed, say);
            "OK\n".to_owned()
        }
        Outcome::Next { phases, lost } => {
            lost_text(lost, now, say);
            phases.iter().flat_map(|phase| [phase.as_str(), "\n"]).collect()
        }
        Outcome::Unstuck { freed, left, made_up } => {
            unstuck_text(freed, say);
            salvage::freed_text(left.as_deref(), made_up, say);
            "OK\n".to_owned()
        }
        Outcome::Batches(batches) => batches_json(batches).iter().map(one_line).collect(),
        Outcome::Archived { board, made_up } => {
            say.line(&rounds::archived(board, true));
            salvage::made_up_text(made_up, say);
            "OK\n".to_owned()
        }
        Outcome::Cleaned(gone) => {
            let ids = gone.iter().flat_map(|id| [safe(id), "\n".into()]);
            std::iter::once("OK\n".into()).chain(ids).collect()
        }
        Outcome::Open(opened) => {
            gate::open_text(opened, say);
            String::new()
        }
        Outcome::Pushed(pushed) => {
            if let Some(opened) = &pushed.opened {
                gate::warnings(&opened.gaps, say);
            }
            String::new()
        }
        Outcome::Hooks(hooks) => hooks::text(hooks, say),
        Outcome::Examined(found) => doctor::text(found, format.out, format.width, say),
        Outcome::Primed(primer) => prime::text(primer.as_deref(), now),
        Outcome::Hooked(hooked) => hooked::text(hooked, now),
        Outcome::Skill(skill) => skill::text(skill, say),
        Outcome::Installed(installed) => install::text(installed, say),
        Outcome::Records(records) => notes::table(records, format, say),
        Outcome::Synced(synced) => notes::synced_text(synced, say),
        Outcome::SetUp(set_up) => notes::set_up_text(set_up, say),
        Outcome::Salvages(kept) => salvage::table(kept, format, say),
        Outcome::Salvage(look) => salvage::look_text(look, format, say),
        Outcome::Dropped(dropped) => salvage::dropped_text(dropped, say),
        Outcome::Shown(shown) => evidence::shown_text(shown, format),
        Outcome::Verified { sprints, .. } => evidence::verified_text(sprints, format.out, say),
    }
}

/// What is said of a claim, beside the answer.
fn claimed_lines(outcome: &Outcome, now: Timestamp, say: &mut Say) {
    let Outcome::Claimed { granted, inputs, earlier, nameless, salvaged, lost, finish, .. } =
        outcome
    else {
        return;
    };
    lost_text(lost, now, say);
    claimed_text(granted, salvaged, now, say);
    inputs_text(inputs, earlier, say);
    completed::finish_text(granted, finish, say);
    claimed_hints(granted, *nameless, say);
}

fn batches_json(batches: &[(crate::rules::graph::Concurrency, Vec<String>)]) -> Vec<Value> {
    let numbered = batches.iter().enumerate();
    let batch = |(n, (kind, phases)): (usize, &(crate::rules::graph::Concurrency, Vec<String>))| json!({"batch": n + 1, "type": kind, "phases": phases});
    numbered.map(batch).collect()
}

fn claimed_text(granted: &Granted, salvaged: &Salvaged, now: Timestamp, say: &mut Say) {
    let phase = &granted.phase;
    match (granted.change, &granted.from) {
        (Change::Renew, _) => {
            let since =
                granted.claim.claimed_at.map(|then| format!(", claimed {} ago", age(now, then)));
            say.line(&format!("'{phase}' is already yours{}", since.unwrap_or_default()));
            say.hint(sentences::SUBAGENTS);
        }
        (Change::TakeOver, Some(hold)) if hold.claim.agent != granted.claim.agent => {
            taken_over_text(granted, hold, salvaged.left.is_some(), say);
        }
        (Change::TakeOver, _) => say.line(&format!("'{phase}' is yours again")),
        _ => {}
    }
    salvage::made_up_text(&salvaged.made_up, say);
    salvage::left_text(salvaged.left.as_ref(), say);
    if granted.change != Change::Renew {
        attempts::earlier(granted, now, say);
    }
    salvage::before_text(&salvaged.before, now, say);
    for (n, line) in about(granted).unwrap_or_default().lines().enumerate() {
        let lead = if n == 0 { "about: " } else { "  " };
        say.line(&format!("{lead}{}", safe(line)));
    }
}

/// What the phase is about, in the words of who planned it.
fn about(granted: &Granted) -> Option<&str> {
    let graph = &granted.board.graph;
    graph.phase(graph.find(&granted.phase)?).about.as_deref()
}

fn taken_over_text(granted: &Granted, hold: &Hold, told: bool, say: &mut Say) {
    let agent = safe(&hold.claim.agent);
    // A person's other terminal may well be alive.
    let gone = if hold.life == Life::Dead { ", which is gone" } else { "" };
    say.line(&format!("took '{}' over from '{agent}'{gone}", granted.phase));
    if let Some(worktree) = &hold.claim.worktree
        && hold.claim.worktree != granted.claim.worktree
        && !told
    {
        say.line(&format!("what it did may be in '{}'", safe(worktree)));
    }
}

/// Of what was handed over earlier, so many are named.
const EARLIER: usize = 8;

/// What the phase builds on, and how to read it.
fn inputs_text(inputs: &[Input], earlier: &[Input], say: &mut Say) {
    for input in inputs {
        input_text(input, say);
    }
    for input in earlier.iter().take(EARLIER) {
        say.line(&format!(
            "before that '{}' by '{}': git conductor show {} --artifact",
            input.phase,
            safe(&input.agent),
            input.phase
        ));
    }
    if earlier.len() > EARLIER {
        let more = earlier.len() - EARLIER;
        say.line(&format!("and {more} more before that: git conductor graph"));
    }
    if inputs.iter().any(|input| input.here == Some(false)) {
        say.hint("fetch what is not here first: git fetch");
    }
}

fn input_text(input: &Input, say: &mut Say) {
    let mut line = format!("builds on '{}' by '{}'", input.phase, safe(&input.agent));
    if let Some(commit) = &input.commit {
        let short: String = commit.chars().take(12).collect();
        _ = write!(line, ", commit {}", safe(&short));
    }
    if let Some(branch) = &input.branch {
        _ = write!(line, " on {}", safe(branch));
    }
    match &input.artifact {
        Some(_) => {
            say.line(&line);
            say.line(&format!("  git conductor show {} --artifact", input.phase));
        }
        None => say.line(&format!("{line}; no artifact was handed over")),
    }
    if input.here == Some(false) {
        say.line("  that commit is not in this clone yet");
    }
}

fn aborted_text(freed: &[Freed], say: &mut Say) {
    for freed in freed {
        let what = if freed.hold.is_some() { "gave up" } else { "nobody held" };
        say.line(&format!("{what} '{}'", freed.phase));
    }
}

fn aborted_json(freed: &[Freed]) -> Value {
    let (held, not_held): (Vec<&Freed>, _) = freed.iter().partition(|freed| freed.hold.is_some());
    let names = |freed: &[&Freed]| -> Vec<String> {
        freed.iter().map(|freed| freed.phase.clone()).collect()
    };
    json!({"v": VERSION, "ok": true, "phases": names(&held), "not_held": names(&not_held)})
}

fn unstuck_text(freed: &Freed, say: &mut Say) {
    match &freed.hold {
        Some(hold) => {
            say.line(&format!("freed '{}' from '{}'", freed.phase, safe(&hold.claim.agent)));
        }
        None => say.line(&format!("nobody held '{}'", freed.phase)),
    }
    attempts::freed(freed, say);
}

fn claimed_json(outcome: &Outcome) -> Value {
    let Outcome::Claimed {
        granted, inputs, earlier, nameless, salvaged, waited, lost, finish, ..
    } = outcome
    else {
        return Value::Null;
    };
    json!({
        "v": VERSION, "ok": true,
        "waited_ms": waited.map(waiting::milliseconds),
        "phase": granted.phase,
        "sprint_id": granted.board.sprint.sprint_id,
        "agent": granted.claim.agent,
        "token": granted.claim.token,
        "claimed_at": granted.claim.claimed_at,
        "renewed": granted.change == Change::Renew,
        "taken_over_from": granted.from.as_ref().map(|hold| &hold.claim.agent),
        "nameless": nameless,
        "attempt": attempts::number(granted),
        "attempts": attempts::past(granted),
        "salvaged": salvage::left_json(salvaged.left.as_ref()),
        "made_up": salvage::made_up_json(&salvaged.made_up),
        "salvage": salvage::list(&salvaged.before),
        "about": about(granted),
        "inputs": inputs,
        "earlier": earlier,
        "checked": finish.checked,
        "lost": lost,
    })
}

fn outcome_json(outcome: &Outcome, format: Format) -> Value {
    match outcome {
        Outcome::Board(view) => board::json(view, format.now),
        Outcome::NoSprint => json!({"v": VERSION, "status": "no_sprint"}),
        Outcome::Started { started, directory, made_up, .. } => json!({
            "v": VERSION, "ok": true,
            "sprint_id": started.sprint.sprint_id,
            "directory": directory.display().to_string(),
            "kept": started.kept,
            "from": started.sprint.from.as_ref().filter(|_| !started.kept),
            "resumed": started.resumed,
            "carried": started.carried,
            "open": started.open,
            "archived": started.previous.as_ref().map(|board| json!({
                "sprint_id": board.sprint.sprint_id,
                "done": board.done_count(),
                "phases": board.graph.count(),
                "resume": rounds::resume(board).filter(|_| rounds::left(started, board)),
            })),
            "made_up": salvage::made_up_json(made_up),
        }),
        Outcome::Claimed { .. } => claimed_json(outcome),
        Outcome::Completed { phase, handed } => completed::json(phase, handed),
        Outcome::Ran(ran) => run::json(ran, format),
        Outcome::Log(told) => log::json(told),
        Outcome::Watched(_) | Outcome::Content(_) => Value::Null,
        Outcome::Report(told, _) => telling::json(told, format.now),
        Outcome::Overview(overview, _) => telling::overview_json(overview),
        Outcome::Graph(view, _) => graph::json(view, format.now),
        Outcome::Waited { phase, verdict, waited } => waiting::json(phase, *verdict, *waited),
        Outcome::Next { phases, lost } => {
            json!({"v": VERSION, "ok": true, "phases": phases, "lost": lost})
        }
        Outcome::Aborted(freed) => aborted_json(freed),
        Outcome::Unstuck { freed, left, made_up } => json!({
            "v": VERSION, "ok": true,
            "phase": freed.phase,
            "freed_from": freed.hold.as_ref().map(|hold| &hold.claim.agent),
            "salvaged": salvage::left_json(left.as_deref()),
            "made_up": salvage::made_up_json(made_up),
            "exhausted": freed.exhausted.is_some(),
            "forgiven": freed.forgiven,
        }),
        Outcome::Batches(batches) => {
            json!({"v": VERSION, "ok": true, "batches": batches_json(batches)})
        }
        Outcome::Archived { board, made_up } => json!({
            "v": VERSION, "ok": true,
            "sprint_id": board.sprint.sprint_id,
            "done": board.done_count(),
            "phases": board.graph.count(),
            "resume": rounds::resume(board),
            "made_up": salvage::made_up_json(made_up),
        }),
        Outcome::Cleaned(gone) => json!({"v": VERSION, "ok": true, "removed": gone}),
        Outcome::Open(opened) => gate::open_json(opened),
        Outcome::Pushed(pushed) => gate::pushed_json(pushed),
        Outcome::Hooks(hooks) => hooks::json(hooks),
        Outcome::Examined(found) => doctor::json(found),
        Outcome::Primed(primer) => prime::json(primer.as_deref(), format.now),
        Outcome::Hooked(hooked) => hooked::json(hooked, format.now),
        Outcome::Skill(skill) => skill::json(skill),
        Outcome::Installed(installed) => install::json(installed),
        Outcome::Records(records) => notes::json(records),
        Outcome::Synced(synced) => notes::synced_json(synced),
        Outcome::SetUp(set_up) => notes::set_up_json(set_up),
        Outcome::Salvages(kept) => salvage::json(kept),
        Outcome::Salvage(look) => salvage::look_json(look),
        Outcome::Dropped(dropped) => salvage::dropped_json(dropped),
        Outcome::Shown(shown) => evidence::shown_json(shown, format.now),
        Outcome::Verified { sprints, all } => evidence::verified_json(sprints, *all),
    }
}
