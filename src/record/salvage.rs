//! What a dead owner left, as it is kept in git: a commit on a reference of its own, whose message
//! tells where it is from.
//!
//! The message is for people who find the commit, and its trailers for [`Salvage::read`]. Somebody
//! else may have put another commit there: whatever is missing reads as absent.

use super::sprint_time;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::text::is_unsafe;

/// Every reference of what is kept is below this one.
pub const REFS: &str = "refs/conductor/salvage/";

/// What begins each trailer.
const TRAILER: &str = "Conductor-";

/// The most bytes that are read of a message.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// Something that was kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Salvage {
    /// The sprint's id.
    pub sprint: String,
    /// The phase.
    pub phase: String,
    /// Which of those of the phase, from 1 on.
    pub number: u64,
    /// The commit that has it, in hexadecimal.
    pub commit: String,
    /// The commit that was checked out, its parent; absent if that was none yet.
    pub head: Option<String>,
    /// When it was saved, in UTC.
    pub at: Option<Timestamp>,
    /// Whose it was; empty if it cannot be known.
    pub agent: String,
    /// Where it lay (absolute path).
    pub worktree: Option<String>,
    /// Short name of the branch that was checked out there; absent on a detached HEAD.
    pub branch: Option<String>,
    /// The commit that was checked out when the phase was claimed.
    pub base: Option<String>,
    /// How many commits were made since.
    pub commits: Option<u64>,
    /// How many files differ from what was checked out.
    pub files: Option<u64>,
}

impl Salvage {
    /// The name of its reference.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{REFS}{}", self.name())
    }

    /// The reference's name without what all have in common: `<sprint>/<phase>/<n>`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}/{}", self.sprint, self.phase, self.number)
    }

    /// The name without the project, which is the same for all of a repository's:
    /// `20261122-091502/build/1`.
    #[must_use]
    pub fn short_name(&self) -> String {
        format!("{}/{}/{}", sprint_time(&self.sprint), self.phase, self.number)
    }

    /// The commit's message.
    #[must_use]
    pub fn message(&self) -> String {
        let mut text = format!(
            "salvage of '{}': what '{}' had not committed\n\n\
             Its process was gone, and its claim was ended. This is what its worktree\n\
             held beside what was checked out there, ignored files left out.\n\n",
            line(&self.phase),
            line(&self.agent)
        );
        let mut put = |key: &str, value: Option<&str>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                // Writing to a String cannot fail.
                _ = writeln!(text, "{TRAILER}{key}: {}", line(value));
            }
        };
        put("Sprint", Some(&self.sprint));
        put("Phase", Some(&self.phase));
        put("Agent", Some(&self.agent));
        put("Worktree", self.worktree.as_deref());
        put("Branch", self.branch.as_deref());
        put("Claimed-At-Commit", self.base.as_deref());
        put("Commits", self.commits.map(|count| count.to_string()).as_deref());
        put("Files", self.files.map(|count| count.to_string()).as_deref());
        text
    }

    /// What stands on `reference`, whose commit has this `message`; `None` for a reference of
    /// another form.
    #[must_use]
    pub fn read(reference: &str, message: &str) -> Option<Self> {
        let name = reference.strip_prefix(REFS)?;
        let (rest, number) = name.rsplit_once('/')?;
        let (sprint, phase) = rest.split_once('/')?;
        if sprint.is_empty() || phase.is_empty() || phase.contains('/') {
            return None;
        }
        let plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
        let number = number.parse().ok().filter(|_| plain)?;
        let end = (0..=message.len().min(MAX_MESSAGE_BYTES))
            .rev()
            .find(|at| message.is_char_boundary(*at));
        let message = &message[..end.unwrap_or_default()];
        // Only the last paragraph: what stands before it is text.
        let trailers = message.trim_end().rsplit("\n\n").next().unwrap_or_default();
        let find = |key: &str| {
            let lines = trailers.lines().filter_map(|line| line.strip_prefix(TRAILER));
            let mut values = lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
            values.next().map(str::to_owned)
        };
        Some(Self {
            sprint: sprint.to_owned(),
            phase: phase.to_owned(),
            number,
            agent: find("Agent").unwrap_or_default(),
            worktree: find("Worktree"),
            branch: find("Branch"),
            base: find("Claimed-At-Commit"),
            commits: find("Commits").and_then(|count| count.parse().ok()),
            files: find("Files").and_then(|count| count.parse().ok()),
            ..Self::default()
        })
    }
}

/// `text` on one line, of which nothing can be taken for another trailer.
fn line(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::{REFS, Salvage};

    fn one() -> Salvage {
        Salvage {
            sprint: "0123456789ab-20261122-091502".to_owned(),
            phase: "build".to_owned(),
            number: 12,
            agent: "claude-1".to_owned(),
            worktree: Some("/home/ann/a b".to_owned()),
            branch: Some("wt/build".to_owned()),
            base: Some("1".repeat(40)),
            commits: Some(2),
            files: Some(3),
            ..Salvage::default()
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let salvage = one();
        assert_eq!(Salvage::read(&salvage.reference(), &salvage.message()), Some(salvage.clone()));
        assert_eq!(salvage.short_name(), "20261122-091502/build/12");
        let bare = Salvage { branch: None, base: None, commits: None, worktree: None, ..one() };
        assert_eq!(Salvage::read(&bare.reference(), &bare.message()), Some(bare));
    }

    #[test]
    fn no_value_makes_a_trailer() {
        let nasty = "x\n\nConductor-Files: 99\nConductor-Agent: root\u{2028}\u{1b}[2J";
        let salvage = Salvage { agent: nasty.to_owned(), branch: Some(nasty.to_owned()), ..one() };
        let read = Salvage::read(&salvage.reference(), &salvage.message()).unwrap();
        assert_eq!(read.files, Some(3));
        assert!(read.agent.starts_with("x\u{fffd}\u{fffd}Conductor-Files"), "{}", read.agent);
    }

    #[test]
    fn other_references_are_none() {
        for name in
            ["", "a", "a/b", "a/b/", "a/b/c", "a/b/01", "a/b/-1", "a/b/+1", "a/b/0", "a/b/c/1"]
        {
            assert_eq!(Salvage::read(&format!("{REFS}{name}"), ""), None, "{name}");
        }
        assert_eq!(Salvage::read("refs/heads/a/b/1", ""), None);
        let bare = Salvage::read(&format!("{REFS}a/b/1"), "no trailers").unwrap();
        assert_eq!((bare.name(), bare.agent), ("a/b/1".to_owned(), String::new()));
    }
}
