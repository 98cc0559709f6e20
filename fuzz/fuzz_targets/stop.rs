//! What an agent tells its hooks: it is kept only by what says so to its end, and a command line is
//! changed by nothing but a name.
#![no_main]

use git_conductor::commands::prime::input::Input;
use git_conductor::commands::prime::{shell, subagent};
use git_conductor::host::agent::name::check;
use git_conductor::rules::Me;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

const FIELD: &str = "stop_hook_active";

fuzz_target!(|data: &[u8]| {
    let input = Input::parse(data);
    if data.iter().all(u8::is_ascii_whitespace) {
        assert!(!input.may_stop(), "nothing was said");
    } else if let Ok(Value::Object(told)) = serde_json::from_slice(data) {
        let is_no = told.get(FIELD).is_none_or(|said| *said == json!(false));
        assert!(input.may_stop() || is_no, "{told:?}");
        assert_eq!(input, Input::Object(told));
    } else if !input.may_stop() {
        // What comes after the object is not looked at.
        assert_eq!(data.trim_ascii_start()[0], b'{');
    }
    // Whatever stands beside it, and wherever it breaks off.
    let text = String::from_utf8_lossy(data);
    for said in [true, false] {
        for told in [json!({"more": text, FIELD: said}), json!({FIELD: said, "more": [text]})] {
            let mut bytes = told.to_string().into_bytes();
            assert_eq!(Input::parse(&bytes).may_stop(), said);
            let half = &bytes[..1 + data.len() % (bytes.len() - 1)];
            assert!(Input::parse(half).may_stop(), "{}", String::from_utf8_lossy(half));
            bytes.extend_from_slice(data);
            assert_eq!(Input::parse(&bytes).may_stop(), said, "what follows counts for nothing");
        }
    }
    // Any id makes a name.
    let me = Me { name: "claude-3f9c2a11".to_owned(), ..Me::default() };
    let name = subagent::name(&me, &text);
    assert!(check(&name, "found out").is_ok(), "{name}");
    assert_eq!(shell::quoted(&name), name, "a plain word");
    // Of a line nothing changes but that a name is added.
    for pushes in [false, true] {
        let Some(named) = shell::named(&text, "NAME/2", pushes) else { continue };
        let added = [" status --agent NAME/2", " --agent NAME/2", "GIT_CONDUCTOR_AGENT=NAME/2 "];
        assert!(is_with(&text, &named, &added), "{text:?} became {named:?}");
        assert_eq!(shell::named(&named, "NAME/2", pushes), None, "named twice: {named:?}");
    }
});

/// Whether `long` is `short` with some of `added` in it.
fn is_with(short: &str, long: &str, added: &[&str]) -> bool {
    let (mut short, mut long, mut count) = (short, long, 0);
    while !long.is_empty() {
        let same = short.chars().next().filter(|c| long.starts_with(*c));
        let piece = added.iter().find(|piece| long.starts_with(**piece));
        match (piece, same) {
            // A line that has such words already is one of its own.
            (Some(piece), _) if !short.starts_with(*piece) => {
                long = &long[piece.len()..];
                count += 1;
            }
            (_, Some(c)) => {
                short = &short[c.len_utf8()..];
                long = &long[c.len_utf8()..];
            }
            _ => return false,
        }
    }
    short.is_empty() && count > 0
}
