//! What the subagents of one session are called. Nothing in their environment tells them apart, and
//! the process is the same; but the agent tells its hooks which of them is at work.

use crate::rules::identity::same_process;
use crate::rules::{Board, LiveClaim, Me, PhaseId, State};
use crate::store::artifact::sha256;

/// So much of the agent's own name goes into that of a subagent, in characters.
const MAX_BASE: usize = 96;
/// The longest id that goes into a name as it is, in bytes.
const MAX_ID_BYTES: usize = 24;
/// So much of a longer one does, in bytes.
const SHORT: usize = 8;

/// What follows the agent's name for the subagent `id`: a word of few characters, whatever the id
/// is.
#[must_use]
pub fn short(id: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let digits: String = id.chars().filter(|c| *c != '-').collect();
    if digits.len() > SHORT && digits.chars().all(|c| c.is_ascii_hexdigit()) {
        // The last ones are random, as in the id of a session.
        return digits.get(digits.len() - SHORT..).unwrap_or_default().to_owned();
    }
    if !id.is_empty() && id.len() <= MAX_ID_BYTES && id.chars().all(is_word) {
        return id.to_owned();
    }
    hash(id).chars().take(SHORT).collect()
}

/// A word of its own for each text.
pub(super) fn hash(text: &str) -> String {
    sha256(&mut text.as_bytes(), u64::MAX).ok().flatten().unwrap_or_default()
}

/// The name of the subagent `id` of the agent `me`.
#[must_use]
pub fn name(me: &Me, id: &str) -> String {
    let base: String = me.name.chars().take(MAX_BASE).collect();
    format!("{}/{}", base.trim_end(), short(id))
}

/// The names under which the subagent `id` of `me` holds something: the agent's own name may have
/// changed since.
#[must_use]
pub fn holding(board: &Board, me: &Me, id: &str) -> Vec<String> {
    let end = format!("/{}", short(id));
    let its = holds(board).filter(|hold| is_ours(me, hold) && hold.claim.agent.ends_with(&end));
    let mut names: Vec<String> = its.map(|hold| hold.claim.agent.clone()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The claims on a board.
pub(super) fn holds(board: &Board) -> impl Iterator<Item = &LiveClaim> {
    board.graph.ids().filter_map(|id| hold(board, id))
}

/// The claim on one phase.
pub(super) fn hold(board: &Board, id: PhaseId) -> Option<&LiveClaim> {
    match board.state(id) {
        State::Claimed(hold) => Some(hold),
        State::Pending | State::Done(_) => None,
    }
}

/// Whether a claim was made under a name that was given, by the process that `me` is.
pub(super) fn is_ours(me: &Me, hold: &LiveClaim) -> bool {
    let processes = me.process.as_ref().zip(hold.claim.process.as_ref());
    hold.claim.explicit && processes.is_some_and(|(mine, theirs)| same_process(mine, theirs))
}

/// The subagent `name`, as who asks.
pub(super) fn as_subagent(me: &Me, name: String) -> Me {
    // A token in the environment is of the agent that the subagent belongs to.
    Me { name, explicit: true, token: None, ..me.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::agent::name::check;

    #[test]
    fn any_id_gives_a_name_and_no_two_the_same() {
        for (id, wanted) in [
            ("a1b2c3d", "a1b2c3d"),
            ("a9e5b1c0f3d24e7b8", "3d24e7b8"),
            ("01998a3c-0000-7000-8000-00003f9c2a11", "3f9c2a11"),
            ("security-reviewer", "security-reviewer"),
            ("7", "7"),
        ] {
            assert_eq!(short(id), wanted);
        }
        let hostile = [
            "a@team",
            "b@team",
            "a b",
            "../../x",
            "a\u{1b}[31m",
            "a\u{202e}",
            "-",
            "--force",
            "",
            "é",
            "a-very-long-name-of-a-subagent-1",
            "a-very-long-name-of-a-subagent-2",
        ];
        let mut names: Vec<String> = hostile.iter().map(|id| short(id)).collect();
        for (id, name) in hostile.iter().zip(&names) {
            assert!((1..=24).contains(&name.len()), "{id:?}: {name}");
            assert!(
                name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'),
                "{name}"
            );
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), hostile.len());
        let me = Me { name: "é".repeat(128), ..Me::default() };
        for id in hostile {
            assert!(check(&name(&me, id), "a test").is_ok(), "{id:?}");
        }
    }
}
