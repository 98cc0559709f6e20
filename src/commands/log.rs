//! `log`: who did what when, across sprints, from the audit log's end backwards.
//!
//! The log only grows and can be long, so it is never read as a whole. It is told as it stands:
//! nothing is decided by it, and a line that cannot be understood is passed over and counted.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use super::Context;
use super::context::parse_duration;
use super::session::{Answered, Run, Session};
use crate::error::Failure;
use crate::place;
use crate::record::{Event, VERSION, sprint_time};
use crate::rules::identity;
use crate::ui::columns::{columns, fit, padded};
use crate::ui::text::{moment, safe, zone};
use crate::ui::{Answer, Format, Messages};

/// So much is read at a time, in bytes.
const BLOCK_BYTES: usize = 64 * 1024;
/// A line is no longer than this, in bytes; a longer one is passed over.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// Only so much of the log is looked at, from its end: a million events.
const MAX_LOG_BYTES: u64 = 256 * 1024 * 1024;

/// A column grows with what stands in it up to this many columns.
const MAX_COLUMN: usize = 24;

/// Show who did what when, in all sprints
///
/// Prints a line for each event, the latest first: when, who, what, the phase, and
/// what there is to say of it. Times are local; the zone is named first, if it is
/// not UTC. Only what fits all options is told. It is read from the store's
/// audit.log, which commands append to; nothing is decided by it, and sprints that
/// were removed are in it still.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor log\n  git conductor log build --since 2h\n  git conductor log --event abort -n 5"
)]
pub(super) struct LogArgs {
    /// Only of this phase
    phase: Option<String>,
    /// Only of this sprint, by its id or the time in it
    #[arg(long, value_name = "ID")]
    sprint: Option<String>,
    /// Only what this agent did
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Only start, claim, complete, abort, …
    #[arg(long, value_name = "WORD")]
    event: Option<String>,
    /// Only what is no longer ago: 2h, 7d
    #[arg(long, value_name = "AGE", value_parser = age)]
    since: Option<SignedDuration>,
    /// How many at most
    #[arg(short = 'n', long = "max-count", value_name = "N", default_value_t = 100)]
    most: usize,
}

impl Run for LogArgs {
    /// Tells what was done.
    fn run(self, session: &mut Session) -> Answered {
        Ok(Box::new(log(&session.store()?, &self)?))
    }
}

fn age(text: &str) -> Result<SignedDuration, String> {
    parse_duration(text).ok_or_else(|| "invalid duration (try 2h or 7d)".to_owned())
}

/// What the log tells.
#[derive(Debug, Default)]
pub struct Told {
    /// The latest first.
    pub events: Vec<Event>,
    /// How many lines could not be understood.
    pub skipped: u64,
    /// Whether there is more than was asked for.
    pub more: bool,
    /// Whether it begins before what was looked at.
    pub cut: bool,
}

/// Tells what was done.
///
/// # Errors
/// The log cannot be read.
fn log(context: &Context, request: &LogArgs) -> Result<Told, Failure> {
    let mut told = Told::default();
    // A store that is named can be shared by several projects.
    let hash = context.place.explicit.then(|| place::project_hash(&context.place.project));
    let now = context.now();
    let Some((log, length)) = context.store.host().open_audit()? else {
        return Ok(told);
    };
    let read = backwards(&log, length, |line| {
        let Some(event) = line.and_then(|line| serde_json::from_slice::<Event>(line).ok()) else {
            told.skipped += 1;
            return true;
        };
        if hash.as_ref().is_some_and(|hash| !event.sprint.starts_with(hash.as_str()))
            || !fits(&event, request, now)
        {
            return true;
        }
        told.more = told.events.len() == request.most;
        if !told.more {
            told.events.push(event);
        }
        !told.more
    });
    let is_whole = read.map_err(|error| Failure::io(error, "cannot read the audit log"))?;
    told.cut = !is_whole && !told.more;
    Ok(told)
}

/// What `log` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct LogAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// What happened, the latest first.
    events: &'a [Event],
    /// How many lines could not be understood.
    skipped: u64,
    /// Whether there is more than was asked for.
    more: bool,
}

impl Answer for Told {
    fn text(&self, format: Format, messages: &mut Messages) -> String {
        text(self, format, messages)
    }

    fn json(&self, _: Format) -> Value {
        json!(LogAnswer {
            v: VERSION,
            ok: true,
            events: &self.events,
            skipped: self.skipped,
            more: self.more || self.cut,
        })
    }
}

/// One line for each event, under a line for the sprint where several follow each other.
fn text(told: &Told, format: Format, messages: &mut Messages) -> String {
    let mut out = String::new();
    let widest = |of: &dyn Fn(&Event) -> &str| {
        let lengths = told.events.iter().map(|event| columns(&safe(of(event))));
        lengths.filter(|&length| length <= MAX_COLUMN).max().unwrap_or(0)
    };
    let (agent, what) = (widest(&|event| &event.agent), widest(&|event| &event.event));
    let resource = widest(&resource_of);
    if let Some(zone) = zone(format.now).filter(|_| !told.events.is_empty()) {
        out.extend([&*format.out.dim(&format!("times of {zone}")), "\n"]);
    }
    let mut sprint = None;
    for event in &told.events {
        if sprint != Some(&event.sprint) {
            let time = safe(sprint_time(&event.sprint));
            out.extend([&*format.out.dim(&format!("sprint {time}")), "\n"]);
            sprint = Some(&event.sprint);
        }
        let at = moment(event.at);
        let line = format!(
            "  {at}  {}  {}  {}  {}",
            padded(&safe(&event.agent), agent),
            padded(&safe(&event.event), what),
            padded(&safe(resource_of(event)), resource),
            safe(&event.detail),
        );
        let line = line.trim_end();
        out += &format.width.map_or_else(|| line.to_owned(), |width| fit(line, width));
        out.push('\n');
    }
    if told.skipped > 0 {
        messages.warning(&format!("{} lines of the log cannot be understood", told.skipped));
    }
    if told.cut {
        messages.warning("the log is long, and only its end was looked at");
    }
    if told.more {
        let most = told.events.len().max(10) * 10;
        messages.hint(&format!("there is more: git conductor log -n {most}"));
    }
    out
}

/// The phase; nothing for what concerns the whole sprint, which stands above.
fn resource_of(event: &Event) -> &str {
    if event.resource == event.sprint { "" } else { &event.resource }
}

fn fits(event: &Event, request: &LogArgs, now: Timestamp) -> bool {
    let is = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted == is);
    let time = sprint_time(&event.sprint);
    is(&request.phase, &event.resource)
        && is(&request.by, &event.agent)
        && is(&request.event, &event.event)
        && (is(&request.sprint, &event.sprint) || is(&request.sprint, time))
        && request.since.is_none_or(|since| identity::age(now, event.at) <= since)
}

/// Gives `each` the lines of the first `length` bytes of `file`, the last one first, as long as it
/// wants more; `None` for a line that is too long. What is appended meanwhile is not seen. Whether
/// it came to the beginning, before there were more than [`MAX_LOG_BYTES`].
fn backwards(
    file: &File,
    length: u64,
    mut each: impl FnMut(Option<&[u8]>) -> bool,
) -> io::Result<bool> {
    // What is known of the line whose beginning has not been read yet.
    let mut rest: Vec<u8> = Vec::new();
    let mut too_long = false;
    let mut end = length;
    while end > 0 {
        if length - end >= MAX_LOG_BYTES {
            return Ok(false);
        }
        let size = usize::try_from(end).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
        let start = end - size as u64;
        let mut block = vec![0; size];
        file.read_exact_at(&mut block, start)?;
        if too_long && !block.contains(&b'\n') {
            end = start;
            continue;
        }
        let mut pieces = block.rsplit(|byte| *byte == b'\n');
        let last = pieces.next().unwrap_or_default();
        too_long |= last.len() + rest.len() > MAX_LINE_BYTES;
        rest = if too_long { Vec::new() } else { [last, &rest].concat() };
        for piece in pieces {
            let line = std::mem::replace(&mut rest, piece.to_vec());
            let was_too_long = std::mem::take(&mut too_long);
            if (was_too_long || !line.is_empty()) && !each((!was_too_long).then_some(&line)) {
                return Ok(false);
            }
        }
        end = start;
    }
    if too_long || !rest.is_empty() {
        each((!too_long).then_some(&rest));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(content: &[u8]) -> Vec<Option<String>> {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(content, 0).unwrap();
        let mut found = Vec::new();
        backwards(&file, content.len() as u64, |line| {
            found.push(line.map(|line| String::from_utf8_lossy(line).into_owned()));
            true
        })
        .unwrap();
        found
    }

    #[test]
    fn lines_are_found_from_the_end_wherever_blocks_begin() {
        assert!(lines(b"").is_empty());
        assert_eq!(lines(b"a\nb\n"), [Some("b".into()), Some("a".into())]);
        assert_eq!(lines(b"\na\n\nb"), [Some("b".into()), Some("a".into())]);
        // Lines of every length around that of a block.
        for length in [BLOCK_BYTES - 2, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES / 2, 7] {
            let text: String = (0..5).map(|n| n.to_string().repeat(length) + "\n").collect();
            let found = lines(text.as_bytes());
            let wanted: Vec<_> = (0..5).rev().map(|n| Some(n.to_string().repeat(length))).collect();
            assert_eq!(found, wanted, "{length}");
        }
    }

    #[test]
    fn only_the_end_of_a_long_log_is_looked_at() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"\nlast\n", 3 * MAX_LOG_BYTES).unwrap();
        let mut found = Vec::new();
        let read = backwards(&file, 3 * MAX_LOG_BYTES + 6, |line| {
            found.push(line.map(<[u8]>::to_vec));
            true
        });
        assert!(!read.unwrap());
        assert_eq!(found, [Some(b"last".to_vec())]);
    }

    #[test]
    fn a_line_without_end_is_passed_over() {
        let long = "x".repeat(3 * BLOCK_BYTES + 5);
        for text in [format!("a\n{long}\nb\n"), format!("a\n{long}\nb")] {
            assert_eq!(lines(text.as_bytes()), [Some("b".into()), None, Some("a".into())]);
        }
        assert_eq!(lines(long.as_bytes()), [None]);
    }
}
