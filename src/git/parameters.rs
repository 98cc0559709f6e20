//! `GIT_CONFIG_PARAMETERS`: how `git -c key=value conductor …` hands its settings on. gix does not
//! read it. The format is git's `config.c`, `parse_config_env_list`.

/// One setting: the key as it was typed, and its value (`None`: given without one, which is true).
pub type Setting = (Vec<u8>, Option<Vec<u8>>);

/// Reads a list of settings, or `None` if it is not in a form that git writes.
///
/// Both forms may be mixed: `'key=value'` up to git 2.30, `'key'='value'` since. Keys come as they
/// were typed: whether they are any is not looked at.
#[must_use]
pub fn parse(mut text: &[u8]) -> Option<Vec<Setting>> {
    let mut settings = Vec::new();
    while !text.is_empty() {
        let (key, rest) = dequote(text)?;
        let (setting, rest) = match rest {
            [b'=', value @ ..] if value.starts_with(b"'") => {
                let (value, rest) = dequote(value)?;
                ((key, Some(value)), rest)
            }
            [b'=', rest @ ..] => ((key, None), rest),
            _ => (old_style(&key), rest),
        };
        settings.push(setting);
        let blanks = rest.iter().take_while(|byte| is_space(**byte)).count();
        if blanks == 0 && !rest.is_empty() {
            return None;
        }
        text = &rest[blanks..];
    }
    Some(settings)
}

/// What git takes for a blank (`ctype.c`): fewer than Rust does.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// `key=value` in one piece; the key ends at the first `=`.
fn old_style(text: &[u8]) -> Setting {
    match text.iter().position(|&byte| byte == b'=') {
        Some(at) => (text[..at].trim_ascii().to_vec(), Some(text[at + 1..].to_vec())),
        None => (text.trim_ascii().to_vec(), None),
    }
}

/// Undoes git's shell quoting of one word, and returns what follows it (`quote.c`,
/// `sq_dequote_step`): everything between single quotes stands for itself, and only `\'` and `\!`
/// may stand between two quoted stretches.
fn dequote(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut rest = text.strip_prefix(b"'")?;
    loop {
        let end = rest.iter().position(|&byte| byte == b'\'')?;
        word.extend_from_slice(&rest[..end]);
        rest = &rest[end + 1..];
        match rest {
            [b'\\', escaped @ (b'\'' | b'!'), b'\'', more @ ..] => {
                word.push(*escaped);
                rest = more;
            }
            _ => return Some((word, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn both_forms() {
        let some = |key: &str, value: &str| (key.into(), Some(value.into()));
        assert_eq!(
            parse(b"'a.b=c d' 'a.\"x=y\".b'='c=d' 'a.b' 'a.c'= 'a.d'=''"),
            Some(vec![
                some("a.b", "c d"),
                some("a.\"x=y\".b", "c=d"),
                (b"a.b".to_vec(), None),
                (b"a.c".to_vec(), None),
                some("a.d", ""),
            ])
        );
        assert_eq!(parse(br"'a.b'='it'\''s'\!''"), Some(vec![some("a.b", "it's!")]));
        assert_eq!(parse(b""), Some(vec![]));
    }

    #[test]
    fn what_git_does_not_write() {
        for text in [
            "a.b=c",
            "'a.b",
            "'a.b'x",
            "'a.b'=c",
            "'a.b'='c",
            "'a'='b'x",
            " ",
            " 'a.b'",
            " 'a.b=c'",
            "'a.b'='c''d.e'='f'",
            "'a.b'\x0c'c.d'",
            "'a.b'=\x0c",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
