//! The log: one line for each event, under a line for the sprint where several follow each other.

use serde_json::{Value, json};

use super::board::{columns, fit, padded};
use super::text::{moment, safe, zone};
use super::{Format, Say};
use crate::cmd::log::Told;
use crate::record::{Event, VERSION};

/// A column grows with what stands in it up to this many columns.
const WIDEST: usize = 24;

pub(super) fn text(told: &Told, format: Format, say: &mut Say) -> String {
    let mut out = String::new();
    let widest = |of: &dyn Fn(&Event) -> &str| {
        let lengths = told.events.iter().map(|event| columns(&safe(of(event))));
        lengths.filter(|&length| length <= WIDEST).max().unwrap_or(0)
    };
    let (agent, what) = (widest(&|event| &event.agent), widest(&|event| &event.event));
    let resource = widest(&resource_of);
    if let Some(zone) = zone(format.now).filter(|_| !told.events.is_empty()) {
        out.extend([&*format.out.dim(&format!("times of {zone}")), "\n"]);
    }
    let mut sprint = None;
    for event in &told.events {
        if sprint != Some(&event.sprint) {
            let stamp = event.sprint.split_once('-').map_or(&*event.sprint, |(_, stamp)| stamp);
            out.extend([&*format.out.dim(&format!("sprint {}", safe(stamp))), "\n"]);
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
        say.warning(&format!("{} lines of the log cannot be understood", told.skipped));
    }
    if told.cut {
        say.warning("the log is long, and only its end was looked at");
    }
    if told.more {
        let most = told.events.len().max(10) * 10;
        say.hint(&format!("there is more: git conductor log -n {most}"));
    }
    out
}

/// The phase; nothing for what concerns the whole sprint, which stands above.
fn resource_of(event: &Event) -> &str {
    if event.resource == event.sprint { "" } else { &event.resource }
}

pub(super) fn json(told: &Told) -> Value {
    json!({
        "v": VERSION, "ok": true,
        "events": told.events,
        "skipped": told.skipped,
        "more": told.more || told.cut,
    })
}
