//! Which texts an event may hold.

use crate::record::ledger::{Begun, Completion, Deed, Entry, LedgerEvent};

/// Whether it can be the name of a file or directory anywhere.
pub(super) fn is_id(text: &str) -> bool {
    let mut bytes = text.bytes();
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=64).contains(&text.len())
        && bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && bytes.all(known)
}

/// Whether the texts of an event are what this program writes: a board is made of them, and is
/// fetched by everyone.
pub(super) fn is_well_formed(event: &LedgerEvent) -> bool {
    let line = |text: &str, most: usize| {
        text.chars().count() <= most && !text.chars().any(char::is_control)
    };
    let hex = |text: &str| text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let name = |text: &str| line(text, 128);
    let opt = |text: &Option<String>, fits: &dyn Fn(&str) -> bool| text.as_deref().is_none_or(fits);
    let branch = |text: &str| line(text, 1024);
    let reason = |text: &str| text.chars().count() <= 4096;
    let sprint = |sprint: &Begun| {
        let entry = |Entry(entry): &Entry| opt(&entry.about, &reason);
        let done = |(phase, done): &(String, Completion)| {
            line(phase, 128)
                && done.by.member == event.by.member
                && !done.by.agent.is_empty()
                && line(&done.by.agent, 128)
                && hex(&done.token)
                && opt(&done.commit, &hex)
                && opt(&done.tree, &hex)
                && opt(&done.branch, &branch)
                && opt(&done.carried_from, &name)
                && done.artifact.as_ref().is_none_or(|it| line(&it.name, 255) && hex(&it.sha256))
        };
        is_id(&sprint.sprint_id)
            && opt(&sprint.goal, &reason)
            && sprint.phases.iter().all(entry)
            && sprint.done.iter().all(done)
    };
    let fits = match &event.deed {
        Deed::Share { name: called, sprint: begun, .. } => name(called) && sprint(begun),
        Deed::Start { sprint: begun, .. } => sprint(begun),
        Deed::Join { name: called } => name(called),
        Deed::Claim { token, branch: on, commit, .. } => {
            hex(token) && opt(on, &branch) && opt(commit, &hex)
        }
        Deed::Complete { artifact, commit, tree, branch: on, .. } => {
            opt(commit, &hex)
                && opt(tree, &hex)
                && opt(on, &branch)
                && artifact.as_ref().is_none_or(|it| line(&it.name, 255) && hex(&it.sha256))
        }
        Deed::Abort { reason: why, .. } | Deed::Unstuck { reason: why, .. } => reason(why),
        Deed::Leave {} | Deed::Archive { .. } | Deed::Vouch {} => true,
    };
    // An empty change is its member's, and no agent's.
    let nobody = event.by.agent.is_empty() && !matches!(event.deed, Deed::Vouch {});
    fits && !nobody && is_id(&event.by.member) && name(&event.by.agent)
}
