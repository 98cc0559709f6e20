//! Which references of a remote the gate guards.

use crate::error::Failure;
use crate::git::Repo;
use crate::rules::push::{Known, Protection};

/// What is guarded of where a push to `target` (a remote's name, or an address) goes. Where the
/// default branch there is not known here, it is asked for there, if `asks` says so.
pub(super) fn protection(
    repo: &Repo,
    target: &str,
    address: Option<&str>,
    asks: Option<impl FnOnce() -> bool>,
) -> Result<Protection, Failure> {
    if let Some(configured) = Protection::configured(&repo.config_all("conductor.protect")) {
        return Ok(configured);
    }
    let there = repo.destination(target, address)?;
    let configured = repo.config("init.defaultBranch").filter(|name| !name.is_empty());
    let known = Known {
        here: &there.here,
        elsewhere: &there.elsewhere,
        is_remote: there.is_remote,
        said: None,
        configured: configured.as_deref(),
    };
    let said = match (there.here.first(), there.addresses.first()) {
        (None, Some(address)) if !there.is_self && asks.is_some_and(|asks| asks()) => {
            repo.ask_for_head(address)
        }
        _ => None,
    };
    Ok(Protection::of(&Known { said: said.as_deref(), ..known }))
}
