//! Columns of a terminal: how many a text takes, rows that stand below each other, lines that are
//! cut.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How many columns of a terminal `text` takes; it has no control characters.
pub(crate) fn columns(text: &str) -> usize {
    // Most of it is ASCII, of which every byte is a column.
    if text.is_ascii() { text.len() } else { UnicodeWidthStr::width(text) }
}

/// `text` with blanks up to `width` columns.
pub(crate) fn padded(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len().max(width));
    out.push_str(text);
    out.extend(std::iter::repeat_n(' ', width.saturating_sub(columns(text))));
    out
}

/// Rows of cells, one below the other. A cell of more than `widest` columns sets no width; a line
/// is cut where it does not fit a terminal of `width`.
pub(crate) fn lined_up<const N: usize>(
    rows: &[[String; N]],
    widest: usize,
    width: Option<usize>,
) -> String {
    let of = |n: usize| rows.iter().map(|row| columns(&row[n])).filter(|&w| w <= widest).max();
    let widths: [usize; N] = std::array::from_fn(|n| of(n).unwrap_or(0));
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| padded(cell, width)).collect();
        let line = cells.join("  ");
        let line = line.trim_end();
        out.push_str(&width.map_or_else(|| line.to_owned(), |width| fit(line, width)));
        out.push('\n');
    }
    out
}

/// Cuts a line that does not fit.
pub(crate) fn fit(line: &str, width: usize) -> String {
    if columns(line) <= width || width == 0 {
        return line.to_owned();
    }
    let mut cut = String::new();
    let mut taken = 1;
    for c in line.chars() {
        taken += UnicodeWidthChar::width(c).unwrap_or(0);
        if taken > width {
            break;
        }
        cut.push(c);
    }
    cut.push('…');
    cut
}

/// The same, if there is a terminal that it has to fit.
pub(crate) fn fitted(line: String, width: Option<usize>) -> String {
    match width {
        Some(width) if columns(&line) > width => fit(&line, width),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_of_the_terminal() {
        assert_eq!(padded("ann", 5), "ann  ");
        // Two columns each; and an accent that stands on the letter before it.
        assert_eq!(padded("設計", 5), "設計 ");
        assert_eq!(padded("e\u{301}", 2), "e\u{301} ");
        assert_eq!(padded("longer", 2), "longer");
        assert_eq!(fit("設計 and", 8), "設計 and");
        assert_eq!(fit("設計 and", 7), "設計 a…");
        // A wide character that would stand over the edge is left out whole.
        assert_eq!(fit("設計設計", 4), "設…");
        assert_eq!(fit("設計", 0), "設計");
    }
}
