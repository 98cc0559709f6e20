//! Foreign text on its way to a terminal: nothing that a terminal acts on is left, what needs no
//! escape stays as it is, and JSON still means the same.
#![no_main]

use git_conductor::host::agent::name;
use git_conductor::ui::text::{list, safe, safe_json};
use git_conductor_fuzz::is_raw;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let shown = safe(text);
    assert!(!shown.contains(is_raw), "{shown:?}");
    assert_eq!(safe(&shown), shown, "escaping again changes nothing");
    if text.chars().all(|c| c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric()) {
        assert_eq!(shown, text);
    }
    // Two texts look the same only where one of them spells an escape out.
    if !text.contains("\\u{") {
        assert_eq!(unescaped(&shown), text);
    }
    let json = safe_json(&serde_json::to_string(text).expect("a string is JSON"));
    assert!(!json.contains(is_raw), "{json:?}");
    assert_eq!(serde_json::from_str::<String>(&json).expect("it still is"), text);
    agent_name(text);
    let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    assert!(words.iter().all(|word| list(&words).contains(word)));
});

fn unescaped(text: &str) -> String {
    let mut parts = text.split("\\u{");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('}').expect("an escape ends");
        let code = u32::from_str_radix(code, 16).expect("an escape is a number");
        out.push(char::from_u32(code).expect("of a character"));
        out.push_str(rest);
    }
    out
}

/// A name that is accepted needs no escape, and the refusal of one that is not is fit to be shown.
fn agent_name(text: &str) {
    match name::check(text, "'--agent'") {
        Ok(()) => {
            assert!((1..=name::LONGEST).contains(&text.chars().count()));
            assert_eq!(safe(text), text);
        }
        Err(failure) => assert!(!failure.to_string().contains(is_raw)),
    }
}
