//! Where `status --watch` shows the board: on a terminal in place, elsewhere again at each change.

use std::io::{ErrorKind, IsTerminal as _, Stdout, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};

use jiff::Timestamp;
use serde_json::Value;

use super::watch::Screen;
use crate::host::signals::Leave;
use crate::ui::columns::fit;
use crate::ui::output::one_line;
use crate::ui::{Answer, Format, Messages, Printed};

/// The alternate screen without a cursor, so that what was there before is there again at the end.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l";
const LEAVE: &str = "\u{1b}[0m\u{1b}[?25h\u{1b}[?1049l";
/// Asks a terminal that knows it to show nothing before the frame is whole.
const BEGIN: &str = "\u{1b}[?2026h\u{1b}[H";
const END: &str = "\u{1b}[J\u{1b}[?2026l";
/// Takes away what stood in the line. Before the new text: after a line that fills the terminal it
/// would take away its last character.
const ERASE: &str = "\u{1b}[K";

/// Where what is printed as `format` says is shown: `in_place`, on a terminal that is more than a
/// typewriter. `warning` is said with it.
#[must_use]
pub(super) fn screen(format: Format, in_place: bool, warning: Option<String>) -> Box<dyn Screen> {
    // What one could do oneself is for who asks, not for who watches.
    let format = Format { advice: false, ..format };
    let stdout = std::io::stdout();
    let warned = warning.map(|text| Printed::default().warning(&text, format).err);
    if in_place && !format.json {
        let warning = warned.unwrap_or_default();
        return Box::new(InPlace { format, warning, stdout, board: String::new(), drawn: None });
    }
    if let Some(warning) = warned {
        // There is nobody else to be told of an error.
        std::io::stderr().lock().write_all(warning.as_bytes()).ok();
    }
    Box::new(Again { format, stdout, shown: None })
}

fn text(seen: &dyn Answer, format: Format) -> String {
    seen.text(format, &mut Messages::new(format))
}

/// Printed again at each change, for a reader that is no terminal.
struct Again {
    format: Format,
    stdout: Stdout,
    /// What was shown last, without what goes with the time.
    shown: Option<Value>,
}

impl Screen for Again {
    fn show(&mut self, seen: &dyn Answer, now: Timestamp) -> std::io::Result<bool> {
        let format = Format { now, ..self.format };
        let value = seen.json(format);
        let lasting = lasting(value.clone());
        if self.shown.as_ref() == Some(&lasting) {
            return Ok(true);
        }
        let text = match (format.json, &self.shown) {
            (true, _) => one_line(&value),
            (false, None) => text(seen, format),
            (false, Some(_)) => format!("\n{}", text(seen, format)),
        };
        self.shown = Some(lasting);
        write(&self.stdout, &text)
    }

    fn is_live(&self) -> bool {
        false
    }

    fn reader(&self) -> BorrowedFd<'_> {
        self.stdout.as_fd()
    }

    fn leave(&mut self, _: Leave) {}
}

/// The board without what changes as long as an owner merely is at work.
fn lasting(mut board: Value) -> Value {
    let phases = board.get_mut("phases").and_then(Value::as_object_mut);
    for phase in phases.into_iter().flat_map(|phases| phases.values_mut()) {
        if let Some(phase) = phase.as_object_mut() {
            phase.shift_remove("heard");
        }
    }
    board
}

/// All of it; `false` where nobody is left to read it.
fn write(stdout: &Stdout, text: &str) -> std::io::Result<bool> {
    let mut stdout = stdout.lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe || stdout.is_terminal() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Drawn on the terminal's alternate screen.
struct InPlace {
    format: Format,
    /// With a line feed, or empty.
    warning: String,
    stdout: Stdout,
    /// The last board in full, to be left on the normal screen.
    board: String,
    /// What the alternate screen shows, and the columns and rows it has; `None` where it is not in
    /// use.
    drawn: Option<(String, Size)>,
}

type Size = (usize, usize);

impl InPlace {
    /// As the terminal says now; 0 for what it does not know.
    fn size(&self) -> Size {
        let size = rustix::termios::tcgetwinsize(&self.stdout);
        size.map_or((0, 0), |size| (usize::from(size.ws_col), usize::from(size.ws_row)))
    }
}

impl Screen for InPlace {
    fn show(&mut self, seen: &dyn Answer, now: Timestamp) -> std::io::Result<bool> {
        let size = self.size();
        let width = Some(size.0).filter(|&width| width > 0);
        let board = text(seen, Format { width, now, ..self.format }) + &self.warning;
        let frame = frame(&board, size);
        let begin = match &self.drawn {
            Some((drawn, at)) if *at == size && *drawn == frame => return Ok(true),
            Some(_) => "",
            None => ENTER,
        };
        let is_read = write(&self.stdout, &format!("{begin}{frame}"));
        (self.board, self.drawn) = (board, Some((frame, size)));
        // A terminal does not fill up: it is gone.
        Ok(is_read.unwrap_or(false))
    }

    fn is_live(&self) -> bool {
        true
    }

    fn reader(&self) -> BorrowedFd<'_> {
        self.stdout.as_fd()
    }

    fn leave(&mut self, leave: Leave) {
        if self.drawn.take().is_some() {
            let last = if leave == Leave::ForGood { self.board.as_str() } else { "" };
            write(&self.stdout, &format!("{LEAVE}{last}")).ok();
        }
    }
}

impl Drop for InPlace {
    fn drop(&mut self) {
        self.leave(Leave::ForGood);
    }
}

/// `board` as it takes the place of what a terminal of that size shows. What does not fit is cut
/// from the end, and counted.
fn frame(board: &str, (width, height): Size) -> String {
    let mut lines: Vec<&str> = board.lines().collect();
    let more;
    if height > 0 && lines.len() > height {
        let shown = height - 1;
        more = fit(&format!("… {} more lines", lines.len() - shown), width);
        lines.truncate(shown);
        lines.push(&more);
    }
    let lines: Vec<String> = lines.iter().map(|line| format!("{ERASE}{line}")).collect();
    format!("{BEGIN}{}{END}", lines.join("\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left to see of a frame.
    fn seen(board: &str, size: Size) -> Vec<String> {
        let frame = frame(board, size);
        let frame = frame.strip_prefix(BEGIN).unwrap().strip_suffix(END).unwrap();
        frame.split("\r\n").map(|line| line.strip_prefix(ERASE).unwrap().to_owned()).collect()
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        assert_eq!(seen("a\nb\nc\n", (80, 3)), ["a", "b", "c"]);
        assert_eq!(seen("a\nb\nc\n", (80, 2)), ["a", "… 2 more lines"]);
        assert_eq!(seen("a\nb\nc\n", (5, 1)), ["… 3 …"]);
        // A terminal that does not know its size.
        assert_eq!(seen("a\nb\nc\n", (0, 0)), ["a", "b", "c"]);
    }
}
