//! `log`: who did what when, across sprints, from the audit log's end backwards.
//!
//! The log only grows and can be long, so it is never read as a whole. It is told as it stands: nothing
//! is decided by it, and a line that cannot be understood is passed over and counted.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use jiff::{SignedDuration, Timestamp};

use super::{Context, Outcome};
use crate::error::{Failure, Stop};
use crate::place;
use crate::record::Event;
use crate::rules::identity::age;

/// So much is read at a time, in bytes.
const BLOCK: usize = 64 * 1024;
/// A line is no longer than this, in bytes; a longer one is passed over.
const LONGEST: usize = 64 * 1024;

/// Only so much of the log is looked at, from its end: a million events.
const MOST: u64 = 256 * 1024 * 1024;

/// What was asked for. An event is told where all of it fits.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The phase.
    pub phase: Option<String>,
    /// `--sprint`: an id, or the time in it.
    pub sprint: Option<String>,
    /// `--by`
    pub by: Option<String>,
    /// `--event`
    pub event: Option<String>,
    /// `--since`: no longer ago than this.
    pub since: Option<SignedDuration>,
    /// `-n`: how many at most.
    pub most: usize,
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
pub fn run(context: &Context, request: &Request) -> Result<Outcome, Stop> {
    let mut told = Told::default();
    // A store that is named can be shared by several projects.
    let hash = context.place.explicit.then(|| place::project_hash(&context.place.project));
    let now = context.now();
    let Some((log, length)) = context.store.world().open_audit()? else {
        return Ok(Outcome::Log(told));
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
    Ok(Outcome::Log(told))
}

fn fits(event: &Event, request: &Request, now: Timestamp) -> bool {
    let is = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted == is);
    let stamp = event.sprint.split_once('-').map_or("", |(_, stamp)| stamp);
    is(&request.phase, &event.resource)
        && is(&request.by, &event.agent)
        && is(&request.event, &event.event)
        && (is(&request.sprint, &event.sprint) || is(&request.sprint, stamp))
        && request.since.is_none_or(|since| age(now, event.at) <= since)
}

/// Gives `each` the lines of the first `length` bytes of `file`, the last one first, as long as it wants
/// more; `None` for a line that is too long. What is appended meanwhile is not seen. Whether it came to
/// the beginning, before there were more than [`MOST`].
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
        if length - end >= MOST {
            return Ok(false);
        }
        let size = usize::try_from(end).unwrap_or(BLOCK).min(BLOCK);
        let start = end - size as u64;
        let mut block = vec![0; size];
        file.read_exact_at(&mut block, start)?;
        if too_long && !block.contains(&b'\n') {
            end = start;
            continue;
        }
        let mut pieces = block.rsplit(|byte| *byte == b'\n');
        let last = pieces.next().unwrap_or_default();
        too_long |= last.len() + rest.len() > LONGEST;
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
        for length in [BLOCK - 2, BLOCK - 1, BLOCK, BLOCK / 2, 7] {
            let text: String = (0..5).map(|n| n.to_string().repeat(length) + "\n").collect();
            let found = lines(text.as_bytes());
            let wanted: Vec<_> = (0..5).rev().map(|n| Some(n.to_string().repeat(length))).collect();
            assert_eq!(found, wanted, "{length}");
        }
    }

    #[test]
    fn only_the_end_of_a_long_log_is_looked_at() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"\nlast\n", 3 * MOST).unwrap();
        let mut found = Vec::new();
        let read = backwards(&file, 3 * MOST + 6, |line| {
            found.push(line.map(<[u8]>::to_vec));
            true
        });
        assert!(!read.unwrap());
        assert_eq!(found, [Some(b"last".to_vec())]);
    }

    #[test]
    fn a_line_without_end_is_passed_over() {
        let long = "x".repeat(3 * BLOCK + 5);
        for text in [format!("a\n{long}\nb\n"), format!("a\n{long}\nb")] {
            assert_eq!(lines(text.as_bytes()), [Some("b".into()), None, Some("a".into())]);
        }
        assert_eq!(lines(long.as_bytes()), [None]);
    }
}
