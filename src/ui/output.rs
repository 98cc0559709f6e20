//! What a command prints: its answer, as text or as JSON, or why there is none. The only writer of
//! stdout and stderr.
//!
//! Machine output is one line or one JSON object on stdout; what is said to a person goes to stderr
//! in git's manner. [`render`] makes both as values, [`Printed::write`] writes them.

use std::io::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

use super::format::Format;
use super::messages::Messages;
use super::stop::{self, StopMessage};
use super::text::{safe, safe_json};
use crate::error::{self, Hint, Stop};
use crate::record::VERSION;
use crate::rules::refusal::Retry;

/// What a command came to.
pub trait Answer {
    /// What stands on standard output; what is said about it goes to `messages`.
    fn text(&self, format: Format, messages: &mut Messages) -> String;

    /// The same for programs.
    fn json(&self, format: Format) -> Value;

    /// The exit code.
    fn exit(&self) -> u8 {
        error::OK
    }

    /// Prints an answer that may be longer than there is memory for, and gives the exit code;
    /// `None` for any other.
    fn stream(&self, _: Format) -> Option<u8> {
        None
    }
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
    /// Whether that is of a command that was run: it stays, whether the answer can be written or
    /// not.
    pub is_of_command: bool,
}

impl Printed {
    /// The same with a warning before all that is said.
    #[must_use]
    pub fn warning(mut self, text: &str, format: Format) -> Self {
        let mut messages = Messages::new(format);
        messages.warning(&safe(text));
        self.err.insert_str(0, &messages.err);
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

pub(crate) fn unwritten(error: &std::io::Error) -> String {
    format!("cannot write the answer: {error}")
}

/// What a command's end prints.
#[must_use]
pub fn render(result: &Result<Box<dyn Answer>, Stop>, format: Format) -> Printed {
    match result {
        Ok(answer) => answered(&**answer, format),
        Err(stop) => refused(stop, format),
    }
}

/// What an answer prints.
fn answered(answer: &dyn Answer, format: Format) -> Printed {
    let mut messages = Messages::new(format);
    let out = if format.json {
        one_line(&answer.json(format))
    } else {
        answer.text(format, &mut messages)
    };
    Printed { out, err: messages.err, exit: answer.exit(), ..Printed::default() }
}

/// What a command prints that did nothing.
#[must_use]
pub fn refused(stop: &Stop, format: Format) -> Printed {
    let mut messages = Messages::new(format);
    let message = stop::stop(stop, format.now);
    let facts = match stop {
        Stop::Refused(refusal) => serde_json::to_value(refusal).unwrap_or_default(),
        Stop::Declined(refusal) => refusal.facts(),
        Stop::Failed(_) => Value::Null,
    };
    let out = if format.json { one_line(&stop_json(&message, facts)) } else { String::new() };
    stop_text(&message, &mut messages);
    Printed { out, err: messages.err, exit: message.exit, ..Printed::default() }
}

/// A JSON object as a line; nothing for an answer that has none.
pub(crate) fn one_line(value: &Value) -> String {
    if value.is_null() { String::new() } else { format!("{}\n", safe_json(&value.to_string())) }
}

/// Why a command did nothing, or not all.
pub(crate) fn stop_text(message: &StopMessage, messages: &mut Messages) {
    if message.is_error {
        messages.error(&message.text);
    } else {
        messages.line(&message.text);
    }
    for hint in &message.hints {
        messages.hint(hint);
    }
}

/// What every command answers that did nothing, or not all. What it knows beside this depends on
/// the code.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct StopAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// False.
    ok: bool,
    /// Which refusal or failure it is.
    code: &'static str,
    /// What happened.
    error: &'a str,
    /// What may be done about it.
    hints: &'a [Hint],
    /// The command to run now; empty if there is none.
    #[serde(rename = "do")]
    command: &'a [String],
    /// When the same command may succeed.
    retry: Retry,
}

/// The same for programs; `facts` is an object or null.
pub(crate) fn stop_json(message: &StopMessage, facts: Value) -> Value {
    let mut value = json!(StopAnswer {
        v: VERSION,
        ok: false,
        code: message.code,
        error: &message.text,
        hints: &message.hints,
        command: &message.command,
        retry: message.retry,
    });
    if let (Some(object), Value::Object(facts)) = (value.as_object_mut(), facts) {
        object.extend(facts);
    }
    value
}
