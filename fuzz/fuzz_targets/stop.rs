//! What an agent tells its stop hook: an agent is kept only by what says so to its end.
#![no_main]

use git_conductor::cmd::prime::is_active;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

const FIELD: &str = "stop_hook_active";

fuzz_target!(|data: &[u8]| {
    let active = is_active(data);
    if data.iter().all(u8::is_ascii_whitespace) {
        assert!(!active, "nothing was said");
    } else if let Ok(Value::Object(told)) = serde_json::from_slice(data) {
        let is_no = told.get(FIELD).is_none_or(|said| *said == json!(false));
        assert!(active || is_no, "{told:?}");
    } else if !active {
        // Read all the same: what is passed over is not looked into.
        assert!(matches!(data.trim_ascii_start()[0], b'{' | b'['));
    }
    // Whatever stands beside it, and wherever it breaks off.
    let text = String::from_utf8_lossy(data);
    for said in [true, false] {
        for told in [json!({"more": text, FIELD: said}), json!({FIELD: said, "more": [text]})] {
            let bytes = told.to_string().into_bytes();
            assert_eq!(is_active(&bytes), said);
            let half = &bytes[..1 + data.len() % (bytes.len() - 1)];
            assert!(is_active(half), "{}", String::from_utf8_lossy(half));
        }
    }
});
