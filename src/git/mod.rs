//! What this program asks of git: where the repository is, its configuration, what is checked out.
//!
//! The only place that knows gix, which breaks about monthly. What every command needs
//! ([`Repo::discover`], [`Config`]) costs no child process; what only `start` and `complete` need
//! may cost one.
//!
//! The walk to the repository is git's own (`setup.c`), written out here rather than taken from
//! `gix::discover`: that goes past a broken `.git` file into the repository around it, names a
//! wrong worktree for a linked worktree of a submodule and for `--separate-git-dir`, and opens the
//! object database, which `status` never reads. gix parses configuration and reads references and
//! objects; a repository that it cannot serve is asked of git (`git rev-parse`, `git config
//! --list`).
//!
//! Nothing here reads the process environment: variables come in through a function, once
//! ([`Env`](struct@Env)), and children get exactly those. Nothing but `hooks` and `notes setup`
//! writes git configuration, and nothing but [`notes`] and [`salvage`] objects and references. What
//! is written is synced before it is said (`durable`); what a power cut left all the same is mended
//! (`broken`). [`ledger`] writes to a repository of its own, which can be thrown away.

mod broken;
mod checkout;
mod child;
mod compare;
mod config;
mod discover;
pub mod dotgit;
mod durable;
mod env;
mod exclude;
mod health;
mod hooks;
mod includes;
mod layout;
pub mod ledger;
pub mod notes;
mod owner;
pub mod parameters;
mod remotes;
mod repo;
pub mod salvage;
mod snapshot;
mod system;
pub mod worktree;

pub use broken::Broken;
pub use child::{Limit, version};
pub use compare::Differing;
pub use config::{Config, Scope};
pub use discover::GO_THERE;
pub use env::Env;
pub use owner::{check_store_owner, quoted};
pub use remotes::Destination;
pub use repo::Repo;
pub use snapshot::{Commit, Uncommitted};
pub use system::programs;

pub use crate::record::sharing::Sharing;
