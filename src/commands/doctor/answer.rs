//! What is said of a look at everything: a line for each thing, and what can be done below it.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Examined, Finding, Level};
use crate::error;
use crate::record::VERSION;
use crate::ui::text::{safe, wrapped};
use crate::ui::{Answer, Format, Messages};

/// What `doctor` answers; `ok` is false where there is a problem.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct DoctorAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// What was found of each thing.
    checks: &'a [Finding],
}

impl Answer for Examined {
    fn text(&self, format: Format, messages: &mut Messages) -> String {
        text(&self.0, format, messages)
    }

    fn json(&self, _: Format) -> Value {
        json!(DoctorAnswer { v: VERSION, ok: !has_problems(&self.0), checks: &self.0 })
    }

    fn exit(&self) -> u8 {
        if has_problems(&self.0) { error::REFUSED } else { error::OK }
    }
}

/// Columns of the first two columns, a blank at the end of each included.
const CHECK: usize = 13;
const LEVEL: usize = 9;

/// Whether something must be mended.
fn has_problems(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.level == Level::Problem)
}

fn word(level: Level, fixed: bool) -> &'static str {
    match level {
        _ if fixed => "fixed",
        Level::Ok => "ok",
        Level::Note => "note",
        Level::Warning => "warning",
        Level::Problem => "problem",
    }
}

/// The table.
fn text(findings: &[Finding], format: Format, messages: &mut Messages) -> String {
    let Format { out: paint, width, caller, .. } = format;
    // What is read by a program, or searched, has a line for each.
    let width = width.map_or(usize::MAX, |width| width.max(40) - CHECK - LEVEL);
    let mut out = String::new();
    for finding in findings {
        let word = word(finding.level, finding.fixed);
        let padded = format!("{word:<LEVEL$}");
        let level = match finding.level {
            Level::Ok => paint.good(&padded),
            Level::Note => padded,
            Level::Warning => paint.hint(&padded),
            Level::Problem => paint.error(&padded),
        };
        let hint = finding.hint.as_ref().map(|hint| format!("hint: {}", safe(hint.words(caller))));
        let lines = wrapped(&safe(&finding.says), width);
        let hints = hint.map(|hint| wrapped(&hint, width)).unwrap_or_default();
        for (n, line) in lines.iter().chain(&hints).enumerate() {
            // Writing to a String cannot fail.
            _ = if n == 0 {
                writeln!(out, "{:<CHECK$}{level}{line}", finding.check)
            } else {
                writeln!(out, "{:1$}{line}", "", CHECK + LEVEL)
            };
        }
    }
    let count = |level: Level| findings.iter().filter(|finding| finding.level == level).count();
    let plural = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    };
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    messages.line(&format!("{}, {}", plural(problems, "problem"), plural(warnings, "warning")));
    out
}
