//! Changes a JSON text by a member or an element, and leaves every other byte as it is.

use std::ops::Range;

use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

/// A value, and where in the text it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Kind {
    Object(Vec<Member>),
    Array(Vec<Node>),
    Other,
}

/// A member of an object.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: String,
    /// Where the key begins.
    start: usize,
    pub(super) value: Node,
}

impl Node {
    /// Reads `text`; `None` if it is not JSON.
    pub(super) fn parse(text: &str) -> Option<Self> {
        // What is read below is known to be right by then, and not too deep.
        serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
        serde_json::from_str::<Value>(text).ok()?;
        node(text, 0)
    }

    /// The members, if it is an object.
    pub(super) fn members(&self) -> Option<&[Member]> {
        match &self.kind {
            Kind::Object(members) => Some(members),
            Kind::Array(_) | Kind::Other => None,
        }
    }

    /// The elements, if it is a list.
    pub(super) fn elements(&self) -> Option<&[Self]> {
        match &self.kind {
            Kind::Array(elements) => Some(elements),
            Kind::Object(_) | Kind::Other => None,
        }
    }

    /// The value of the member `key`.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.members()?.iter().find(|member| member.key == key).map(|member| &member.value)
    }

    /// The text that it is.
    pub(super) fn text<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.span.clone()).unwrap_or_default()
    }

    /// Where each of what is in it stands, a member with its key.
    fn children(&self) -> Vec<Range<usize>> {
        match &self.kind {
            Kind::Object(members) => {
                members.iter().map(|member| member.start..member.value.span.end).collect()
            }
            Kind::Array(elements) => elements.iter().map(|element| element.span.clone()).collect(),
            Kind::Other => Vec::new(),
        }
    }

    /// `text` with `value` after the last of what is in it, under `key` if it is an object.
    pub(super) fn with(&self, text: &str, key: Option<&str>, value: &Value) -> Option<String> {
        let style = Style::of(text);
        let children = self.children();
        let (before, at, after) = if let Some(last) = children.last() {
            let before = text.get(..last.start)?;
            let line = before.rsplit('\n').next().filter(|_| before.contains('\n'));
            let indent = line.filter(|line| line.trim().is_empty());
            // They stand in one line, or each has its own.
            match indent {
                Some(indent) => (format!(",{}{indent}", style.end), last.end, String::new()),
                None => (", ".to_owned(), last.end, String::new()),
            }
        } else {
            let line = text.get(..self.span.start)?.rsplit('\n').next()?;
            let blank: String = line.chars().take_while(|c| c.is_whitespace()).collect();
            let before = format!("{}{blank}{}", style.end, style.indent);
            (before, self.span.start + 1, format!("{}{blank}", style.end))
        };
        let indent =
            before.rsplit('\n').next().filter(|_| before.contains('\n')).unwrap_or_default();
        let key = match key {
            Some(key) => format!("{}: ", Value::from(key)),
            None => String::new(),
        };
        let value =
            if before.contains('\n') { style.print(value, indent)? } else { value.to_string() };
        let rest = if children.is_empty() { self.span.end - 1 } else { at };
        Some(format!("{}{before}{key}{value}{after}{}", text.get(..at)?, text.get(rest..)?))
    }

    /// `text` without the `n`th of what is in it.
    pub(super) fn without(&self, text: &str, n: usize) -> Option<String> {
        let children = self.children();
        let child = children.get(n)?;
        let gone = match (n.checked_sub(1).and_then(|n| children.get(n)), children.get(n + 1)) {
            (Some(before), _) => before.end..child.end,
            (None, Some(next)) => child.start..next.start,
            (None, None) => self.span.start + 1..self.span.end - 1,
        };
        Some(format!("{}{}", text.get(..gone.start)?, text.get(gone.end..)?))
    }
}

/// How a text is laid out.
struct Style {
    end: &'static str,
    indent: String,
}

impl Style {
    fn of(text: &str) -> Self {
        let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let blank = |line: &str| line.chars().take_while(|c| *c == ' ' || *c == '\t').collect();
        let mut indents =
            text.lines().skip(1).map(blank).filter(|blank: &String| !blank.is_empty());
        Self { end, indent: indents.next().unwrap_or_else(|| "  ".to_owned()) }
    }

    /// `value`, each of whose lines after the first is indented by `indent`.
    fn print(&self, value: &Value, indent: &str) -> Option<String> {
        let mut out = Vec::new();
        let formatter = PrettyFormatter::with_indent(self.indent.as_bytes());
        serde::Serialize::serialize(value, &mut Serializer::with_formatter(&mut out, formatter))
            .ok()?;
        let text = String::from_utf8(out).ok()?;
        Some(text.replace('\n', &format!("{}{indent}", self.end)))
    }
}

/// `value` as a whole file.
pub(super) fn file(value: &Value) -> String {
    let style = Style { end: "\n", indent: "  ".to_owned() };
    style.print(value, "").unwrap_or_default() + "\n"
}

fn skip(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len()
}

fn byte(text: &str, at: usize) -> Option<u8> {
    text.as_bytes().get(at).copied()
}

/// The value that begins at `at` or after it.
fn node(text: &str, at: usize) -> Option<Node> {
    let start = skip(text, at);
    let (end, kind) = match byte(text, start)? {
        b'{' => {
            let mut members = Vec::new();
            let mut at = skip(text, start + 1);
            while byte(text, at)? != b'}' {
                let end = string(text, at)?;
                let key = serde_json::from_str(text.get(at..end)?).ok()?;
                let colon = skip(text, end);
                let value = node(text, colon + 1)?;
                let after = skip(text, value.span.end);
                members.push(Member { key, start: at, value });
                at = if byte(text, after)? == b',' { skip(text, after + 1) } else { after };
            }
            (at + 1, Kind::Object(members))
        }
        b'[' => {
            let mut elements = Vec::new();
            let mut at = skip(text, start + 1);
            while byte(text, at)? != b']' {
                let element = node(text, at)?;
                let after = skip(text, element.span.end);
                elements.push(element);
                at = if byte(text, after)? == b',' { skip(text, after + 1) } else { after };
            }
            (at + 1, Kind::Array(elements))
        }
        b'"' => (string(text, start)?, Kind::Other),
        _ => {
            let rest = text.get(start..)?;
            let length = rest.find([',', '}', ']', ' ', '\t', '\n', '\r']).unwrap_or(rest.len());
            (start + length, Kind::Other)
        }
    };
    Some(Node { span: start..end, kind })
}

/// The end of the string that begins at `at`.
fn string(text: &str, at: usize) -> Option<usize> {
    let mut escaped = false;
    for (n, byte) in text.as_bytes().get(at + 1..)?.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + n + 2),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_added_can_be_taken_away_again() {
        for text in [
            "{\"a\": 1}",
            "{\"a\":1,\"b\":{\"x\":[1,2]}}",
            "{\n  \"a\": \"}\\\"]{\",\n  \"b\": [1, 2]\n}\n",
            "{\r\n\t\"a\": {\r\n\t\t\"b\": []\r\n\t}\r\n}\r\n",
            "  {\n    \"a\": null }",
        ] {
            let root = Node::parse(text).unwrap();
            let value = json!({"k": [{"deep": true}], "e": {}});
            let with = root.with(text, Some("new \"key\""), &value).unwrap();
            let read: Value = serde_json::from_str(&with).unwrap();
            assert_eq!(read["new \"key\""], value, "{with}");
            assert_eq!(with.contains("\r\n"), text.contains("\r\n"), "{with}");
            assert!(!with.replace("\r\n", "").contains('\r'));
            let again = Node::parse(&with).unwrap();
            let last = again.members().unwrap().len() - 1;
            assert_eq!(again.without(&with, last).unwrap(), text);
        }
        let empty = Node::parse("{}").unwrap().with("{}", Some("a"), &json!([1])).unwrap();
        assert_eq!(empty, "{\n  \"a\": [\n    1\n  ]\n}");
    }

    #[test]
    fn the_rest_stays_when_any_goes() {
        let text = "[1, [2], {\"a\": \"x\", \"b\": 3}]";
        let root = Node::parse(text).unwrap();
        for (n, wanted) in [
            (0, "[[2], {\"a\": \"x\", \"b\": 3}]"),
            (1, "[1, {\"a\": \"x\", \"b\": 3}]"),
            (2, "[1, [2]]"),
        ] {
            assert_eq!(root.without(text, n).unwrap(), wanted);
        }
        let last = &root.elements().unwrap()[2];
        assert_eq!(last.without(text, 0).unwrap(), "[1, [2], {\"b\": 3}]");
        assert!(root.without(text, 3).is_none());
        assert_eq!(Node::parse("[1]").unwrap().without("[1]", 0).unwrap(), "[]");
        for bad in ["", "{", "{} {}", "// x\n{}", "{\"a\":1,}", &"[".repeat(200_000)] {
            assert!(Node::parse(bad).is_none());
        }
    }
}
