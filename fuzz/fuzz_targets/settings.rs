//! Settings and options of a word or two: durations, sizes, the front matter of a skill.
#![no_main]

use git_conductor::commands::concurrency::front_matter;
use git_conductor::commands::context::{parse_duration, parse_size};
use git_conductor::rules::graph::Concurrency;
use git_conductor::ui::text;
use jiff::SignedDuration;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let given = parse_duration(text);
    assert!(given.is_none_or(|given| !given.is_negative()));
    // Ten thousand years: more days than that are not read.
    if let Some(given) = given.filter(|given| *given < SignedDuration::from_hours(24 * 3_652_425)) {
        // What is shown leaves out what is smaller than its second unit, a day's hours at most.
        let shown = text::duration(given);
        let read = parse_duration(&shown).unwrap_or_else(|| panic!("'{shown}' cannot be read"));
        let left = given - read;
        assert!(left >= SignedDuration::ZERO && left < SignedDuration::from_hours(1), "{shown}");
    }
    if let Some(bytes) = parse_size(text) {
        assert_eq!(parse_size(&bytes.to_string()), Some(bytes));
        assert_eq!(parse_size(&format!("{bytes}k")), bytes.checked_mul(1024));
    }
    skill(text);
});

fn skill(text: &str) {
    if front_matter(text).is_some() {
        assert!(text.starts_with("---") && text.contains("\nconcurrency:"));
        // What comes below changes nothing.
        let more = format!("{text}\nconcurrency: exclusive\n---\nconcurrency: write\n");
        assert_eq!(front_matter(&more), front_matter(text));
    }
    for (word, kind) in [("read", Concurrency::Read), ("exclusive", Concurrency::Exclusive)] {
        let skill = format!("---\nconcurrency: {word}\n---\n{text}");
        assert_eq!(front_matter(&skill), Some(kind));
    }
}
