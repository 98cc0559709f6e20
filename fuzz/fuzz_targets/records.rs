//! Records: whatever can be read can be written, reads the same again, and fields that this version
//! does not know stay as they were.
#![no_main]

use std::fmt::Debug;

use git_conductor::record::{Claim, Done, Event, Maker, SkillConfig, Sprint};
use libfuzzer_sys::fuzz_target;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Whether no version of ours calls a field so.
fn is_foreign(name: &str) -> bool {
    name.starts_with("x_") || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn same_again<T: Serialize + DeserializeOwned + PartialEq + Debug>(text: &str) -> Option<String> {
    let record: T = serde_json::from_str(text).ok()?;
    let written = serde_json::to_string(&record).expect("what was read can be written");
    let again: T = serde_json::from_str(&written).expect("what was written can be read");
    assert_eq!(again, record);
    assert_eq!(serde_json::to_string(&again).expect("it could before"), written);
    Some(written)
}

fn keeps<T: Serialize + DeserializeOwned + PartialEq + Debug>(text: &str) {
    let Some(written) = same_again::<T>(text) else { return };
    let object = |text: &str| match serde_json::from_str(text) {
        Ok(Value::Object(object)) => object,
        other => panic!("a record that is no object: {other:?}"),
    };
    let after = object(&written);
    for (name, value) in object(text).iter().filter(|(name, _)| is_foreign(name)) {
        // `artifact_sha256` is the only name of ours with a digit.
        if name != "artifact_sha256" {
            assert_eq!(after.get(name), Some(value), "{name:?} was lost");
        }
    }
}

fuzz_target!(|text: &str| {
    keeps::<Sprint>(text);
    keeps::<Claim>(text);
    keeps::<Done>(text);
    same_again::<Maker>(text);
    same_again::<Event>(text);
    // Read only: a graph that is wrong hides no skills.
    if let Ok(config @ serde_json::Value::Object(_)) = serde_json::from_str(text) {
        assert!(serde_json::from_value::<SkillConfig>(config).is_ok());
        _ = git_conductor::rules::spec::of_config(text);
    }
});
