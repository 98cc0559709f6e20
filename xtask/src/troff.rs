//! Markdown as the prose of the manual is written in, turned into troff: headings, paragraphs,
//! lists, blocks of code, and tables, whose rows become tagged paragraphs.

use std::fmt::Write as _;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// `text` so that it is printed as it is: a hyphen and a quote can be copied into a shell.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            '"' => out.push_str("\\(dq"),
            c if c.is_ascii() => out.push(c),
            // Writing to a String cannot fail.
            c => _ = write!(out, "\\[u{:04X}]", u32::from(c)),
        }
    }
    out
}

/// Lines of escaped text, none of which is taken for a request.
fn lines(text: &str) -> String {
    let line = |line: &str| {
        let line = line.trim();
        if line.starts_with('.') { format!("\\&{line}\n") } else { format!("{line}\n") }
    };
    text.lines().filter(|text| !text.trim().is_empty()).map(line).collect()
}

/// A block that is printed line by line.
pub fn block(text: &str) -> String {
    let mut out = String::from(".PP\n.RS 4\n.nf\n");
    for line in text.lines() {
        let line = escaped(line);
        let guard = if line.starts_with('.') { "\\&" } else { "" };
        _ = writeln!(out, "{guard}{line}");
    }
    out + ".fi\n.RE\n"
}

/// A tagged paragraph of escaped text.
pub fn tagged(tag: &str, text: &str) -> String {
    format!(".TP\n{}{}", lines(tag), lines(text))
}

/// One line of Markdown without blocks.
pub fn inline(markdown: &str) -> String {
    let mut writer = Writer::default();
    for event in Parser::new(markdown) {
        writer.inline(&event);
    }
    writer.text.trim().to_owned()
}

/// Markdown without headings.
pub fn blocks(markdown: &str) -> String {
    let mut writer = Writer::default();
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        writer.event(event);
    }
    writer.flush();
    // Nor does a heading need one after it.
    let heading = regex::Regex::new(r"(?m)^(\.SS .*\n)\.PP\n").unwrap();
    heading.replace_all(&writer.out, "$1").into_owned()
}

/// The parts of a text under its headings of level 2, in order.
pub fn sections(markdown: &str) -> Vec<(String, String)> {
    let text = format!("\n{markdown}");
    let mut parts = text.split("\n## ");
    parts.next();
    let part = |part: &str| {
        let (title, body) = part.split_once('\n').unwrap();
        (title.trim().to_owned(), blocks(body))
    };
    parts.map(part).collect()
}

#[derive(Default)]
struct Writer {
    out: String,
    /// Inline text that is not written yet.
    text: String,
    /// The lists that are open, and the number of the next item.
    lists: Vec<Option<u64>>,
    /// Whether the next paragraph is the first one of an item.
    begins_item: bool,
    code: bool,
    /// The cells of the row so far.
    row: Vec<String>,
    /// Whether that is the head of a table.
    head: bool,
}

impl Writer {
    #[expect(clippy::wildcard_enum_match_arm, reason = "what begins and ends is no text")]
    fn inline(&mut self, event: &Event<'_>) {
        let lost = matches!(event, Event::Html(_) | Event::InlineHtml(_) | Event::Rule);
        assert!(!lost, "the manual has no such thing: {event:?}");
        match event {
            Event::Text(text) => self.text.push_str(&escaped(text)),
            Event::Code(code) => {
                let code = escaped(code).replace(' ', "\\ ");
                _ = write!(self.text, "\\fB{code}\\fR");
            }
            Event::SoftBreak | Event::HardBreak => self.text.push('\n'),
            Event::Start(Tag::Strong) => self.text.push_str("\\fB"),
            Event::Start(Tag::Emphasis) => self.text.push_str("\\fI"),
            Event::End(TagEnd::Strong | TagEnd::Emphasis) => self.text.push_str("\\fR"),
            _ => {}
        }
    }

    fn flush(&mut self) {
        let text = std::mem::take(&mut self.text);
        self.out.push_str(&lines(&text));
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is text")]
    fn event(&mut self, event: Event<'_>) {
        match event {
            // A block comes in several pieces.
            Event::Text(text) if self.code => self.text.push_str(&text),
            Event::Start(Tag::CodeBlock(_)) => {
                self.flush();
                self.code = true;
            }
            Event::End(TagEnd::CodeBlock) => {
                self.code = false;
                let text = std::mem::take(&mut self.text);
                self.out.push_str(&block(&text));
            }
            Event::Start(Tag::Paragraph) => {
                if !std::mem::take(&mut self.begins_item) {
                    self.out.push_str(if self.lists.is_empty() { ".PP\n" } else { ".IP\n" });
                }
            }
            Event::Start(Tag::Heading { level, .. }) => {
                assert_eq!(level, HeadingLevel::H3, "only these are within a section");
                self.out.push_str(".SS ");
            }
            Event::End(TagEnd::Paragraph | TagEnd::Heading(_)) => self.flush(),
            Event::Start(Tag::List(first)) => {
                self.flush();
                if !self.lists.is_empty() {
                    self.out.push_str(".RS\n");
                }
                self.lists.push(first);
            }
            Event::End(TagEnd::List(_)) => {
                self.lists.pop();
                if !self.lists.is_empty() {
                    self.out.push_str(".RE\n");
                }
            }
            Event::Start(Tag::Item) => self.item(),
            Event::End(TagEnd::Item) => {
                self.begins_item = false;
                self.flush();
            }
            Event::Start(Tag::TableHead) => self.head = true,
            Event::End(TagEnd::TableHead) => {
                self.head = false;
                self.row.clear();
            }
            Event::End(TagEnd::TableCell) => {
                let cell = std::mem::take(&mut self.text);
                self.row.push(cell);
            }
            Event::End(TagEnd::TableRow) => self.row(),
            event => self.inline(&event),
        }
    }

    fn item(&mut self) {
        self.begins_item = true;
        match self.lists.last_mut() {
            Some(Some(number)) => {
                _ = writeln!(self.out, ".IP {number}. 4");
                *number += 1;
            }
            _ => self.out.push_str(".IP \\(bu 2\n"),
        }
    }

    /// The first cell is what the others tell of; of three, the second is its type.
    fn row(&mut self) {
        let row = std::mem::take(&mut self.row);
        assert!(matches!(row.len(), 2 | 3), "a table has two columns or three: {row:?}");
        let kind = row.get(1).filter(|_| row.len() == 3).map(|kind| format!(" (\\fI{kind}\\fR)"));
        let tag = row[0].clone() + &kind.unwrap_or_default();
        self.out.push_str(&tagged(&tag, row.last().unwrap()));
    }
}
