//! What a push changes on a remote, and which of it the gate guards. Pure.

/// One line of what git tells a pre-push hook: what a reference of the remote becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// What it becomes, in hexadecimal; `None` if it is deleted.
    pub object: Option<String>,
    /// The remote's reference, by its full name.
    pub reference: String,
}

/// How a reference of the remote is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It goes out.
    Free,
    /// The gate is asked.
    Guarded,
    /// It must not leave the machine.
    Kept,
}

/// Which references are guarded.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Protection {
    /// Patterns of names. `*` stands for any characters, `/` among them, and `?` for one; a pattern
    /// that does not begin with `refs/` is of branches and tags.
    pub protects: Vec<String>,
    /// Whether the remote's default branch is not known, and some of these are guesses.
    pub guessed: bool,
    /// Those of them that are no guesses.
    #[serde(skip)]
    pub sure: Vec<String>,
}

/// What is known of the default branch of where a push goes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// The default branches of the remotes of this repository that are there.
    pub here: &'a [String],
    /// Those of its other remotes.
    pub elsewhere: &'a [String],
    /// Whether a remote of this repository is there.
    pub is_remote: bool,
    /// What is said there of the default branch.
    pub said: Option<&'a str>,
    /// `init.defaultBranch`
    pub configured: Option<&'a str>,
}

/// What every tag is.
const TAGS: &str = "refs/tags/*";
/// What must not leave the machine.
const SALVAGE: &str = crate::record::salvage::REFS;
/// What is not ours to hold up: records, which say what has happened.
const RECORDS: &[&str] = &["refs/notes/", "refs/conductor/"];

impl Update {
    /// Reads `<local ref> SP <local id> SP <remote ref> SP <remote id>` (`githooks`, pre-push). The
    /// first may have blanks in it (`HEAD@{1 day ago}`), the others cannot.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.rsplitn(4, ' ');
        let (old, reference, new) = (words.next()?, words.next()?, words.next()?);
        words.next()?;
        if !is_id(old) || !is_id(new) || !reference.starts_with("refs/") {
            return None;
        }
        let is_deletion = new.bytes().all(|digit| digit == b'0');
        Some(Self {
            object: (!is_deletion).then(|| new.to_owned()),
            reference: reference.to_owned(),
        })
    }
}

fn is_id(word: &str) -> bool {
    matches!(word.len(), 40 | 64) && word.bytes().all(|digit| digit.is_ascii_hexdigit())
}

impl Protection {
    /// What the values of `conductor.protect` say, an empty one clearing those before it; `None` if
    /// there is none of them.
    #[must_use]
    pub fn configured(values: &[String]) -> Option<Self> {
        let since = values.iter().rposition(String::is_empty).map_or(0, |at| at + 1);
        let protects = values[since..].to_vec();
        (!protects.is_empty()).then(|| Self { sure: protects.clone(), protects, guessed: false })
    }

    /// Without such values: tags, and the default branch. Where that is not known, or nothing is
    /// known of where the push goes, all that it may be.
    #[must_use]
    pub fn of(known: &Known<'_>) -> Self {
        let said = known.said.map(str::to_owned);
        let mut branches: Vec<String> = known.here.to_vec();
        if branches.is_empty() {
            branches.extend(said);
        }
        let guessed = branches.is_empty() || !known.is_remote;
        let named = |branches: Vec<String>| {
            let mut names: Vec<String> = Vec::new();
            for name in branches.into_iter().map(|branch| format!("refs/heads/{branch}")) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            names.push(TAGS.to_owned());
            names
        };
        let sure = named(branches.clone());
        if guessed {
            branches.extend_from_slice(known.elsewhere);
            let usual = known.configured.into_iter().chain(["main", "master"]);
            branches.extend(usual.map(str::to_owned));
        }
        Self { protects: named(branches), guessed, sure }
    }

    /// Whether any of these is guarded by a guess alone.
    #[must_use]
    pub fn is_guess(&self, updates: &[&Update]) -> bool {
        let sure = Self { protects: self.sure.clone(), ..Self::default() };
        self.guessed && updates.iter().any(|update| sure.treatment(update) == Treatment::Free)
    }

    /// How `update` is treated.
    #[must_use]
    pub fn treatment(&self, update: &Update) -> Treatment {
        let reference = &*update.reference;
        if reference.starts_with(SALVAGE) {
            return if update.object.is_some() { Treatment::Kept } else { Treatment::Free };
        }
        if RECORDS.iter().any(|records| reference.starts_with(records)) {
            return Treatment::Free;
        }
        let short = ["refs/heads/", "refs/tags/"].iter().find_map(|of| reference.strip_prefix(of));
        let guards = |pattern: &String| {
            matches(pattern, reference)
                || (!pattern.starts_with("refs/")
                    && short.is_some_and(|name| matches(pattern, name)))
        };
        if self.protects.iter().any(guards) { Treatment::Guarded } else { Treatment::Free }
    }
}

/// Whether `name` is of `pattern`. It looks back to the last `*` only, and so takes no longer than
/// the product of both lengths.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const NONE: &str = "0000000000000000000000000000000000000000";

    #[test]
    fn lines_of_git() {
        let update = |object: Option<&str>, reference: &str| {
            Some(Update { object: object.map(str::to_owned), reference: reference.into() })
        };
        for (line, wanted) in [
            (format!("refs/heads/a {ONE} refs/heads/b {NONE}"), update(Some(ONE), "refs/heads/b")),
            (format!("(delete) {NONE} refs/heads/b {ONE}"), update(None, "refs/heads/b")),
            (
                format!("HEAD@{{1 day ago}} {ONE} refs/heads/b {ONE}"),
                update(Some(ONE), "refs/heads/b"),
            ),
            (format!("{ONE} refs/heads/b {ONE}"), None),
            (format!("a {ONE} heads/b {ONE}"), None),
            (format!("a main refs/heads/b {ONE}"), None),
            (format!("a {ONE} refs/heads/b"), None),
        ] {
            assert_eq!(Update::parse(&line), wanted, "{line}");
        }
    }

    #[test]
    fn what_is_guarded() {
        let values =
            |list: &[&str]| list.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        let trunk = ["trunk".to_owned()];
        let there =
            Known { here: &trunk, is_remote: true, configured: Some("init"), ..Known::default() };
        let known = Protection::of(&there);
        assert_eq!(known.protects, ["refs/heads/trunk", "refs/tags/*"]);
        assert!(!known.guessed);
        let said = Known { here: &[], elsewhere: &trunk, said: Some("next"), ..there };
        assert_eq!(Protection::of(&said).protects, ["refs/heads/next", "refs/tags/*"]);
        // Where nothing is said there, and where no remote is, all that it may be.
        for (known, sure) in
            [(Known { said: None, ..said }, 1), (Known { is_remote: false, ..said }, 2)]
        {
            let guessed = Protection::of(&known);
            let said = known.said.map(|said| format!("refs/heads/{said}"));
            let names =
                ["trunk", "init", "main", "master"].map(|name| format!("refs/heads/{name}"));
            let names = said.into_iter().chain(names).chain(["refs/tags/*".to_owned()]);
            assert_eq!(guessed.protects, names.collect::<Vec<_>>());
            assert!(guessed.guessed && guessed.sure.len() == sure, "{guessed:?}");
            let update =
                |name: &str| Update { object: None, reference: format!("refs/heads/{name}") };
            assert!(guessed.is_guess(&[&update("main")]));
            assert_eq!(guessed.is_guess(&[&update("next")]), sure == 1);
        }
        let main = Known { configured: Some("main"), ..Known::default() };
        assert_eq!(Protection::of(&main).protects.len(), 3);
        assert_eq!(Protection::configured(&values(&["a", "", "b"])).unwrap().protects, ["b"]);
        assert_eq!(Protection::configured(&values(&["a", ""])), None);

        let list = values(&["main", "release/*", "refs/heads/v?", "*-stable"]);
        let some = Protection::configured(&list).unwrap();
        for (protection, reference, wanted) in [
            (&known, "refs/heads/trunk", Treatment::Guarded),
            (&known, "refs/heads/trunk/x", Treatment::Free),
            (&known, "refs/heads/main", Treatment::Free),
            (&known, "refs/tags/a/b", Treatment::Guarded),
            (&known, "refs/notes/conductor", Treatment::Free),
            (&known, "refs/conductor/ledger", Treatment::Free),
            (&known, "refs/conductor/salvage/x", Treatment::Kept),
            (&known, "refs/for/trunk", Treatment::Free),
            (&some, "refs/heads/main", Treatment::Guarded),
            (&some, "refs/tags/main", Treatment::Guarded),
            (&some, "refs/other/main", Treatment::Free),
            (&some, "refs/heads/domain", Treatment::Free),
            (&some, "refs/heads/release/1/2", Treatment::Guarded),
            (&some, "refs/heads/v1", Treatment::Guarded),
            (&some, "refs/heads/v12", Treatment::Free),
            (&some, "refs/tags/v1", Treatment::Free),
            (&some, "refs/heads/1-stable-stable", Treatment::Guarded),
        ] {
            let update = Update { object: Some(ONE.into()), reference: reference.into() };
            assert_eq!(protection.treatment(&update), wanted, "{reference}");
            let deleted = Update { object: None, ..update };
            let wanted = if wanted == Treatment::Kept { Treatment::Free } else { wanted };
            assert_eq!(protection.treatment(&deleted), wanted, "{reference} deleted");
        }
        assert!(!matches(&"*a".repeat(60), &"a".repeat(59)), "and it is fast");
    }
}
