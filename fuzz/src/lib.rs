//! What several fuzz targets share.

use git_conductor::ui::Printed;
use serde_json::Value;

/// Whether a terminal would act on `c`, or not show it: control characters, and those of Unicode
/// that change the direction of text or stand for nothing. A list of its own, not the program's.
#[must_use]
pub fn is_raw(c: char) -> bool {
    let code = u32::from(c);
    let control = code < 0x20 || (0x7f..0xa0).contains(&code);
    let direction = matches!(code, 0x61c | 0x200e | 0x200f | 0x202a..=0x202e | 0x2066..=0x2069);
    let nothing =
        matches!(code, 0xad | 0x200b..=0x200d | 0x2028 | 0x2029 | 0x2060..=0x2064 | 0xfeff);
    control || direction || nothing || (0xe0000..0xe0080).contains(&code)
}

/// What must hold of everything that is printed.
///
/// # Panics
/// Unless it is whole lines without raw characters and, with `--json`, one object of this version
/// on stdout.
pub fn check_printed(printed: &Printed, json: bool) {
    for text in [&printed.out, &printed.err] {
        assert!(!text.contains(|c| c != '\n' && is_raw(c)), "{text:?}");
        assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
    }
    if json {
        assert!(printed.out.lines().count() == 1, "{}", printed.out);
        let value: Value = serde_json::from_str(&printed.out).expect("stdout is JSON");
        assert_eq!(value.get("v"), Some(&Value::from(1)), "{value}");
    }
}
