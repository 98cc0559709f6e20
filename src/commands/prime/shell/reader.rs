//! Reads a shell's command line up to the simple commands in it.

use super::Call;

/// How deep substitutions and subshells may be nested.
const MAX_DEPTH: usize = 24;
/// Words after which a command begins.
const BEFORE_A_COMMAND: &[&str] =
    &["if", "then", "elif", "else", "while", "until", "do", "!", "{", "time"];

/// One word of a simple command.
pub(super) struct Word {
    /// What it stands for, if that can be told without running anything.
    pub(super) text: Option<String>,
    /// Whether it was written without any quotes.
    plain: bool,
    /// The variable that it sets, where it stands before a command.
    pub(super) assigns: Option<String>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A here document that begins on the next line.
struct Document {
    end: String,
    tabs: bool,
}

pub(super) struct Reader<'a> {
    line: &'a str,
    pub(super) pushes: bool,
    at: usize,
    /// In `[[ … ]]`.
    in_test: bool,
    pub(super) calls: Vec<Call>,
    documents: Vec<Document>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(line: &'a str, pushes: bool) -> Self {
        Self { line, pushes, at: 0, in_test: false, calls: Vec::new(), documents: Vec::new() }
    }

    fn rest(&self) -> &'a str {
        self.line.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn eat(&mut self, text: &str) -> bool {
        let is_next = self.rest().starts_with(text);
        self.at += if is_next { text.len() } else { 0 };
        is_next
    }

    /// Blanks, and lines that go on.
    fn blanks(&mut self) {
        while self.eat(" ") || self.eat("\t") || self.eat("\\\n") {}
    }

    /// Reads commands up to `close`, or the end of the line. `None` where it cannot be followed.
    pub(super) fn commands(&mut self, close: Option<char>, depth: usize) -> Option<()> {
        let in_test = std::mem::take(&mut self.in_test);
        let is_followed = self.list(close, depth);
        self.in_test = in_test;
        is_followed
    }

    fn list(&mut self, close: Option<char>, depth: usize) -> Option<()> {
        // The document of an outer command would come in the middle of an inner one.
        if depth > MAX_DEPTH || !self.documents.is_empty() {
            return None;
        }
        let mut words: Vec<Word> = Vec::new();
        loop {
            self.blanks();
            let Some(c) = self.peek() else {
                self.finish(&mut words)?;
                // A here document that never came is the shell's to complain of.
                return (close.is_none() && self.documents.is_empty()).then_some(());
            };
            match c {
                '\n' => {
                    self.next();
                    self.finish(&mut words)?;
                    self.skip_documents()?;
                }
                '#' => self.skip_comment(),
                '(' if words.is_empty() => {
                    self.next();
                    if self.peek() == Some('(') {
                        // Arithmetic.
                        return None;
                    }
                    self.commands(Some(')'), depth + 1)?;
                }
                ')' if close == Some(')') && self.documents.is_empty() => {
                    self.next();
                    return self.finish(&mut words);
                }
                // A function, or what nothing opened.
                '(' | ')' => return None,
                '&' if self.rest().starts_with("&>") => {
                    self.eat("&>>");
                    self.eat("&>");
                    self.target(depth)?;
                }
                ';' | '&' | '|' => {
                    self.next();
                    self.finish(&mut words)?;
                }
                '<' | '>' => self.redirection(depth)?,
                _ => {
                    let word = self.word(depth)?;
                    if words.is_empty() && word.plain && word.text.as_deref() == Some("[[") {
                        self.skip_test(depth)?;
                        continue;
                    }
                    let is_descriptor = word.plain
                        && matches!(self.peek(), Some('<' | '>'))
                        && word
                            .text
                            .as_ref()
                            .is_some_and(|text| text.chars().all(|c| c.is_ascii_digit()));
                    let goes_on = words.is_empty()
                        && word.plain
                        && word
                            .text
                            .as_deref()
                            .is_some_and(|text| BEFORE_A_COMMAND.contains(&text));
                    if !goes_on && !is_descriptor {
                        words.push(word);
                    }
                }
            }
        }
    }

    /// A redirection, with the word that it leads to.
    fn redirection(&mut self, depth: usize) -> Option<()> {
        if self.eat("<<<") {
            return self.target(depth);
        }
        if self.eat("<<") {
            let tabs = self.eat("-");
            self.blanks();
            let word = self.word(depth)?;
            // Where the end mark is not plain text, its quotes decide what it is.
            self.documents.push(Document { end: word.text?, tabs });
            return Some(());
        }
        if self.rest().starts_with("<(") || self.rest().starts_with(">(") {
            // It is a word.
            return self.word(depth).map(|_| ());
        }
        for operator in ["<>", ">>", ">|", ">&", "<&", "<", ">"] {
            if self.eat(operator) {
                break;
            }
        }
        self.target(depth)
    }

    fn target(&mut self, depth: usize) -> Option<()> {
        self.blanks();
        match self.peek() {
            None | Some('\n' | ';' | '&' | '|' | ')' | '(') => None,
            Some(_) => self.word(depth).map(|_| ()),
        }
    }

    fn skip_comment(&mut self) {
        self.at += self.rest().find('\n').unwrap_or(self.rest().len());
    }

    /// Passes over the here documents that begin here.
    fn skip_documents(&mut self) -> Option<()> {
        for document in std::mem::take(&mut self.documents) {
            loop {
                let rest = self.rest();
                if rest.is_empty() {
                    return None;
                }
                let length = rest.find('\n').unwrap_or(rest.len());
                let line = rest.get(..length).unwrap_or_default();
                self.at += (length + 1).min(rest.len());
                let line = if document.tabs { line.trim_start_matches('\t') } else { line };
                if line == document.end {
                    break;
                }
            }
        }
        Some(())
    }

    /// Passes over a test, in which `<`, `(` and `&&` are no more than themselves.
    fn skip_test(&mut self, depth: usize) -> Option<()> {
        self.in_test = true;
        let is_closed = self.test(depth);
        self.in_test = false;
        is_closed
    }

    fn test(&mut self, depth: usize) -> Option<()> {
        loop {
            self.blanks();
            match self.peek()? {
                '\n' | '(' | ')' | '<' | '>' | '&' | '|' | ';' => {
                    self.next();
                }
                _ => {
                    let word = self.word(depth)?;
                    if word.plain && word.text.as_deref() == Some("]]") {
                        return Some(());
                    }
                }
            }
        }
    }

    /// Reads one word.
    fn word(&mut self, depth: usize) -> Option<Word> {
        let (mut text, mut plain) = (Some(String::new()), true);
        let start = self.at;
        let push = |text: &mut Option<String>, c: char| {
            if let Some(text) = text {
                text.push(c);
            }
        };
        while let Some(c) = self.peek() {
            match c {
                // An array, a function or an extended pattern.
                '(' if self.at > start && !self.in_test => return None,
                ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' => break,
                '<' | '>' if !self.rest().get(1..).is_some_and(|rest| rest.starts_with('(')) => {
                    break;
                }
                '<' | '>' => {
                    self.at += 2;
                    text = None;
                    self.commands(Some(')'), depth + 1)?;
                }
                '\\' => {
                    self.next();
                    plain = false;
                    match self.next()? {
                        '\n' => {}
                        c => push(&mut text, c),
                    }
                }
                '\'' => {
                    self.next();
                    plain = false;
                    let length = self.rest().find('\'')?;
                    let inside = self.rest().get(..length)?;
                    if let Some(text) = &mut text {
                        text.push_str(inside);
                    }
                    self.at += length + 1;
                }
                '"' => {
                    self.next();
                    plain = false;
                    self.double_quoted(&mut text, depth)?;
                }
                '`' => {
                    text = None;
                    self.back_quoted()?;
                }
                '$' => {
                    plain = false;
                    self.dollar(&mut text, depth)?;
                }
                '*' | '?' | '[' | '~' | '{' | '}' => {
                    self.next();
                    // A pattern could be anything; alone these are words of the shell's.
                    push(&mut text, c);
                }
                c => {
                    self.next();
                    push(&mut text, c);
                }
            }
        }
        let written = self.line.get(start..self.at).filter(|written| !written.is_empty())?;
        Some(Word { text, plain, assigns: assigned(written), start, end: self.at })
    }

    fn double_quoted(&mut self, text: &mut Option<String>, depth: usize) -> Option<()> {
        loop {
            match self.peek()? {
                '"' => {
                    self.next();
                    return Some(());
                }
                '\\' => {
                    self.next();
                    let c = self.next()?;
                    if let (Some(text), true) = (&mut *text, c != '\n') {
                        if !"\"\\$`".contains(c) {
                            text.push('\\');
                        }
                        text.push(c);
                    }
                }
                '`' => {
                    *text = None;
                    self.back_quoted()?;
                }
                '$' => self.dollar(text, depth)?,
                c => {
                    self.next();
                    if let Some(text) = text {
                        text.push(c);
                    }
                }
            }
        }
    }

    /// A command in back quotes, which is passed over.
    fn back_quoted(&mut self) -> Option<()> {
        self.next();
        loop {
            match self.next()? {
                '`' => return Some(()),
                '\\' => {
                    self.next()?;
                }
                _ => {}
            }
        }
    }

    /// What a `$` begins.
    fn dollar(&mut self, text: &mut Option<String>, depth: usize) -> Option<()> {
        self.next();
        match self.peek() {
            Some('(') if self.rest().starts_with("((") => None,
            Some('(') => {
                *text = None;
                self.next();
                self.commands(Some(')'), depth + 1)
            }
            Some('{') => {
                *text = None;
                self.next();
                self.braces(depth)
            }
            // `$'…'` and `$"…"`.
            Some('\'' | '"') => None,
            Some(c) if c.is_ascii_alphanumeric() || "_@*#?-$!".contains(c) => {
                *text = None;
                self.next();
                Some(())
            }
            _ => {
                if let Some(text) = text {
                    text.push('$');
                }
                Some(())
            }
        }
    }

    /// The rest of `${…}`.
    fn braces(&mut self, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut nothing = None;
        loop {
            match self.peek()? {
                '}' => {
                    self.next();
                    return Some(());
                }
                '\\' => {
                    self.next();
                    self.next()?;
                }
                '\'' => {
                    self.next();
                    self.at += self.rest().find('\'')? + 1;
                }
                '"' => {
                    self.next();
                    self.double_quoted(&mut nothing, depth + 1)?;
                }
                '`' => self.back_quoted()?,
                '$' => self.dollar(&mut nothing, depth + 1)?,
                _ => {
                    self.next();
                }
            }
        }
    }
}

/// The variable that a word sets, if it sets one. What it is set to need not be known.
fn assigned(written: &str) -> Option<String> {
    let (name, _) = written.split_once('=')?;
    let name = name.strip_suffix('+').unwrap_or(name);
    let is_name = !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (is_name && !name.is_empty()).then(|| name.to_owned())
}
