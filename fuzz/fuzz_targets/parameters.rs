//! `GIT_CONFIG_PARAMETERS`: what git writes for any settings is read as those settings, and what is
//! read of any text is read again when it is written as git would. `tests/it/parameters.rs` holds
//! the same reader against git itself.
#![no_main]

use git_conductor::git::parameters::{Setting, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(settings) = parse(data) {
        assert_eq!(parse(&written(&settings)), Some(settings));
    }
    let words: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let pair = |pair: &[&[u8]]| (pair[0].to_vec(), pair.get(1).map(|value| value.to_vec()));
    let settings: Vec<Setting> = words.chunks(2).map(pair).collect();
    assert_eq!(parse(&written(&settings)), Some(settings));
});

/// `config.c`, `git_config_push_split_parameter`.
fn written(settings: &[Setting]) -> Vec<u8> {
    let mut text = Vec::new();
    for (key, value) in settings {
        if !text.is_empty() {
            text.push(b' ');
        }
        quote(&mut text, key);
        text.push(b'=');
        value.iter().for_each(|value| quote(&mut text, value));
    }
    text
}

/// `quote.c`, `sq_quote_buf`.
fn quote(text: &mut Vec<u8>, word: &[u8]) {
    text.push(b'\'');
    for &byte in word {
        match byte {
            b'\'' | b'!' => text.extend([b'\'', b'\\', byte, b'\'']),
            _ => text.push(byte),
        }
    }
    text.push(b'\'');
}
