//! What was handed over, printed piece by piece: it may be longer than there is memory for.

use std::io::{self, ErrorKind, Write};

use serde_json::Value;

use super::Content;
use crate::error::{self, Failure};
use crate::record::VERSION;
use crate::ui::text::{safe, safe_json, visible};
use crate::ui::{Answer, Format, Messages};

impl Answer for Content {
    fn text(&self, _: Format, _: &mut Messages) -> String {
        String::new()
    }

    fn json(&self, _: Format) -> Value {
        Value::Null
    }

    fn stream(&self, format: Format) -> Option<u8> {
        Some(print(self, format))
    }
}

/// Why it could not be printed to its end.
enum Stopped {
    /// It could not be read.
    Reading(Failure),
    /// It could not be written.
    Writing(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Writing(error)
    }
}

/// Prints it: to a program byte for byte, on a terminal without what that would act on, or as JSON.
fn print(content: &Content, format: Format) -> u8 {
    let mut stdout = io::stdout().lock();
    let (text, exit) = match written(content, format, &mut stdout) {
        Ok(()) => return error::OK,
        // A reader that has gone away.
        Err(Stopped::Writing(error)) if error.kind() == ErrorKind::BrokenPipe => return error::OK,
        Err(Stopped::Writing(error)) => (format!("cannot write the answer: {error}"), error::BUSY),
        Err(Stopped::Reading(failure)) => (failure.to_string(), failure.kind.exit()),
    };
    let text = safe(&text).into_owned();
    // There is nobody left to be told.
    writeln!(io::stderr().lock(), "error: {text}").ok();
    exit
}

fn written(content: &Content, format: Format, to: &mut impl Write) -> Result<(), Stopped> {
    if format.json {
        return json(content, to);
    }
    if format.width.is_none() {
        pieces(content, |piece| to.write_all(piece))?;
    } else {
        let mut left = Vec::new();
        let mut show = |text: &str| to.write_all(visible(text).as_bytes());
        pieces(content, |piece| {
            left.extend_from_slice(piece);
            let end = whole(&left);
            show(&String::from_utf8_lossy(&left[..end]))?;
            left.drain(..end);
            Ok(())
        })?;
        show(&String::from_utf8_lossy(&left))?;
    }
    Ok(to.flush()?)
}

/// What `show --artifact` answers; it is written in pieces.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "it says what is written in pieces")]
pub(in crate::commands) struct ShowArtifactAnswer {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// The artifact's size in bytes.
    size: u64,
    /// Its text; null for what is no text.
    content: Option<String>,
}

/// One JSON object, in which what is no text is null.
fn json(content: &Content, to: &mut impl Write) -> Result<(), Stopped> {
    write!(to, "{{\"v\":{VERSION},\"ok\":true,\"size\":{},\"content\":", content.size())?;
    if texts(content, |_| Ok(()))? {
        to.write_all(b"\"")?;
        texts(content, |text| {
            let quoted = serde_json::to_string(text)?;
            let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
            to.write_all(safe_json(inner).as_bytes())
        })?;
        to.write_all(b"\"}\n")?;
    } else {
        to.write_all(b"null}\n")?;
    }
    Ok(to.flush()?)
}

/// Gives its bytes.
fn pieces(content: &Content, each: impl FnMut(&[u8]) -> io::Result<()>) -> Result<(), Stopped> {
    Ok(content.pieces(each).map_err(Stopped::Reading)??)
}

/// Gives its text; whether all of it is text.
fn texts(content: &Content, mut each: impl FnMut(&str) -> io::Result<()>) -> Result<bool, Stopped> {
    let mut left = Vec::new();
    let mut is_text = true;
    pieces(content, |piece| {
        if !is_text {
            return Ok(());
        }
        left.extend_from_slice(piece);
        let end = whole(&left);
        match std::str::from_utf8(&left[..end]) {
            Ok(text) => each(text)?,
            Err(_) => is_text = false,
        }
        left.drain(..end);
        Ok(())
    })?;
    Ok(is_text && left.is_empty())
}

/// Where the last character ends that is there as a whole, whatever stands before it.
fn whole(bytes: &[u8]) -> usize {
    let longest = bytes.len().min(3);
    for back in 1..=longest {
        let begin = bytes.len() - back;
        match bytes[begin] {
            // What follows in a character.
            0x80..=0xbf => {}
            first => {
                let length = match first {
                    0xc0..=0xdf => 2,
                    0xe0..=0xef => 3,
                    0xf0..=0xff => 4,
                    _ => 1,
                };
                return if back < length { begin } else { bytes.len() };
            }
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn characters_are_not_broken() {
        let text = "aé€😀z";
        for end in 0..=text.len() {
            let whole = whole(&text.as_bytes()[..end]);
            assert!(text.is_char_boundary(whole) && end - whole < 4, "{end}: {whole}");
        }
        assert_eq!(whole(b"\x80\x80\x80\x80"), 4);
        assert_eq!(whole(b"a\xff"), 1);
        assert_eq!(whole(b"a\xffbcd"), 5);
    }
}
