//! What an agent tells its hook: one JSON object on standard input.
//!
//! The agent may keep the pipe open after it, so reading ends where the object does. Whoever writes
//! it is not trusted: a length, a time and a depth are the most that is read.

use std::io::IsTerminal as _;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde_json::{Map, Value};

/// The longest object that is read, in bytes: it has the content of a file that is to be written.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;
/// How long the agent may take to write it.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest id that is believed, in bytes.
const MAX_ID_BYTES: usize = 1024;

/// What was read of standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Nothing but blanks, or a terminal.
    Nothing,
    /// One whole object.
    Object(Map<String, Value>),
    /// Anything else.
    Torn,
}

impl Input {
    /// Reads standard input until one whole object is there, nothing comes any more, or it took too
    /// long.
    #[must_use]
    pub fn read() -> Self {
        let stdin = std::io::stdin();
        if stdin.is_terminal() { Self::Nothing } else { Self::parse(&bytes(&stdin, PATIENCE)) }
    }

    /// Understands what was read. What follows the object is not looked at.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Self::Nothing;
        }
        let mut extent = Extent::default();
        let Some(end) = extent.feed(bytes) else { return Self::Torn };
        match serde_json::from_slice(bytes.get(..end).unwrap_or_default()) {
            Ok(Value::Object(object)) => Self::Object(object),
            Ok(_) | Err(_) => Self::Torn,
        }
    }

    /// The member `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Object(object) => object.get(key),
            Self::Nothing | Self::Torn => None,
        }
    }

    /// The member `key`, if it is text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }

    /// The member `key`, if it could be an id.
    fn id(&self, key: &str) -> Option<&str> {
        self.text(key).filter(|id| !id.is_empty() && id.len() <= MAX_ID_BYTES)
    }

    /// The id of the agent's session.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.id("session_id").or_else(|| self.id("conversation_id"))
    }

    /// The id of the subagent that is asking; `None` for the agent itself.
    #[must_use]
    pub fn subagent(&self) -> Option<&str> {
        self.id("agent_id")
    }

    /// The directory that the agent is in.
    #[must_use]
    pub fn cwd(&self) -> Option<&Path> {
        self.text("cwd").map(Path::new).filter(|path| path.is_absolute())
    }

    /// Whether the agent goes on already because a hook made it, or was stopped by somebody. What
    /// cannot be understood may say so: better to let an agent go than to keep it for ever.
    #[must_use]
    pub fn may_stop(&self) -> bool {
        let is_told = |key, calm: &Value| self.get(key).is_some_and(|value| value != calm);
        // Cursor counts, and says how the turn ended.
        let is_cursor = self.get("conversation_id").is_some();
        *self == Self::Torn
            || is_told("stop_hook_active", &Value::Bool(false))
            || is_cursor && is_told("loop_count", &Value::from(0))
            || is_cursor && is_told("status", &Value::from("completed"))
    }
}

/// Reads `from` until a whole object is there or cannot come any more, for `patience` at most.
fn bytes(from: &impl AsFd, patience: Duration) -> Vec<u8> {
    let until = Instant::now() + patience;
    let (mut bytes, mut extent, mut piece) = (Vec::new(), Extent::default(), vec![0; 64 * 1024]);
    while bytes.len() <= MAX_BYTES && wait(from, until) {
        let read = match rustix::io::read(from, piece.as_mut_slice()) {
            Ok(0) => break,
            Ok(read) => piece.get(..read).unwrap_or_default(),
            Err(Errno::INTR | Errno::AGAIN) => continue,
            Err(_) => break,
        };
        bytes.extend_from_slice(read);
        if extent.feed(read).is_some() || extent.is_hopeless {
            break;
        }
    }
    bytes
}

/// Waits until there is something to read, or the end; `false` if the time is over.
fn wait(from: &impl AsFd, until: Instant) -> bool {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let Ok(left) = Timespec::try_from(left) else { return false };
        let mut waited = [PollFd::new(from, PollFlags::IN)];
        match poll(&mut waited, Some(&left)) {
            Ok(ready) => return ready > 0,
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// Where an object ends, found while its bytes come in. Whether it is JSON is for the parser to
/// say.
#[derive(Debug, Default)]
struct Extent {
    seen: usize,
    depth: usize,
    in_text: bool,
    escaped: bool,
    /// What came first begins no object.
    is_hopeless: bool,
}

impl Extent {
    /// Takes the next bytes; gives the number of all bytes up to the end of the object, once it is
    /// there.
    fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        for byte in bytes {
            self.seen += 1;
            match byte {
                _ if self.is_hopeless => return None,
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_text => self.escaped = true,
                b'"' if self.depth > 0 => self.in_text = !self.in_text,
                _ if self.in_text => {}
                b'{' => self.depth += 1,
                b'[' if self.depth > 0 => self.depth += 1,
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(self.seen);
                    }
                }
                byte if self.depth == 0 && !byte.is_ascii_whitespace() => self.is_hopeless = true,
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_kept_once() {
        for (bytes, free) in [
            ("", false),
            ("\n", false),
            (r#"{"session_id":"a"}"#, false),
            (r#"{"stop_hook_active":false,"more":[1]}"#, false),
            (r#"{"stop_hook_active":false} and more"#, false),
            (r#"{"conversation_id":"c","status":"completed","loop_count":0}"#, false),
            (r#"{"status":"anything"}"#, false),
            (r#"{"stop_hook_active":true}"#, true),
            (r#"{"stop_hook_active":1}"#, true),
            (r#"{"conversation_id":"c","status":"completed","loop_count":1}"#, true),
            (r#"{"conversation_id":"c","status":"aborted","loop_count":0}"#, true),
            ("{", true),
            (r#"{"a":"}"#, true),
            (r#"{"a":]}"#, true),
            ("[{}]", true),
            ("nonsense", true),
            ("}", true),
        ] {
            assert_eq!(Input::parse(bytes.as_bytes()).may_stop(), free, "{bytes}");
        }
        assert!(Input::parse(b"\xff\x00").may_stop());
        let deep = format!("{}{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
        assert_eq!(Input::parse(deep.as_bytes()), Input::Torn);
    }

    #[test]
    fn the_end_is_found_in_any_pieces() {
        let text = br#" {"a":"}\"]{","b":[{"c":"\\"}]} {"d":1}"#;
        for size in 1..text.len() {
            let mut extent = Extent::default();
            let end = text.chunks(size).find_map(|piece| extent.feed(piece));
            assert_eq!(end, Some(text.len() - 8), "pieces of {size}");
        }
    }

    #[test]
    fn ids_are_text_of_some_length() {
        let of = |json: &str| Input::parse(json.as_bytes()).subagent().map(str::to_owned);
        assert_eq!(of(r#"{"agent_id":"a1"}"#).as_deref(), Some("a1"));
        assert_eq!(of(r#"{"agent_id":""}"#), None);
        assert_eq!(of(r#"{"agent_id":7}"#), None);
        assert_eq!(of(&format!("{{\"agent_id\":\"{}\"}}", "a".repeat(1025))), None);
        let session = |json: &str| Input::parse(json.as_bytes()).session().map(str::to_owned);
        assert_eq!(session(r#"{"conversation_id":"c"}"#).as_deref(), Some("c"));
    }

    #[test]
    fn a_pipe_that_stays_open_is_not_waited_for() {
        use std::io::Write as _;
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"{\"a\":1}").unwrap();
        // Longer than any test: only the end of the object ends it.
        let read = bytes(&reader, Duration::from_secs(3600));
        assert_eq!(read, b"{\"a\":1}");
        writer.write_all(b"nonsense").unwrap();
        assert_eq!(bytes(&reader, Duration::from_secs(3600)), b"nonsense");
        assert_eq!(bytes(&reader, Duration::ZERO), b"");
        writer.write_all(b"{\"a\":").unwrap();
        assert_eq!(bytes(&reader, Duration::from_millis(10)), b"{\"a\":");
        drop(writer);
        assert_eq!(bytes(&reader, Duration::from_secs(3600)), b"");
    }
}
