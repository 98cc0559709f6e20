//! The word that was probably meant. Pure.

/// The longest word that is compared; a longer one was not mistyped.
const MAX_CHARS: usize = 64;

/// Of `known` the word that is nearest to `word`, if it is near enough to have been meant: a third
/// of its letters may differ, upper and lower case, `-` and `_` aside. The first of several that
/// are as near.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = letters(word)?;
    let near = known.into_iter().filter_map(|known| {
        let other = letters(known)?;
        let distance = distance(&word, &other);
        // Of one or two letters none may differ: any short word would be near.
        (distance <= word.len().min(other.len()) / 3).then_some((distance, known))
    });
    near.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// What is compared of a word; `None` if it is too long.
fn letters(word: &str) -> Option<Vec<char>> {
    let letters =
        word.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).map(|c| c.to_ascii_lowercase());
    let letters: Vec<char> = letters.take(MAX_CHARS + 1).collect();
    (letters.len() <= MAX_CHARS).then_some(letters)
}

/// How many letters are missing, too many, wrong, or exchanged with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn what_was_probably_meant() {
        let known = ["think", "build", "review", "qa", "depends_on", "not_by", "max_attempts"];
        for (word, wanted) in [
            ("biuld", Some("build")),
            ("Build", Some("build")),
            ("reveiw", Some("review")),
            ("reviews", Some("review")),
            ("dependsOn", Some("depends_on")),
            ("depend-on", Some("depends_on")),
            ("not by", Some("not_by")),
            ("maxAttempt", Some("max_attempts")),
            ("QA", Some("qa")),
            ("qq", None),
            ("guild", Some("build")),
            ("ship", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), wanted, "{word}");
        }
        assert_eq!(nearest(&"x".repeat(1 << 20), known), None);
        assert_eq!(nearest("a", ["A"]), Some("A"));
        assert_eq!(nearest("", [""]), Some(""));
    }
}
