//! git conductor: several agent sessions on one repository without stepping on each other.
//!
//! # Code map, in reading order
//!
//! | module | what it is for |
//! |---|---|
//! | [`record`] | what is on disk and on the wire: versioned serde types |
//! | [`rules`] | a board, a request and the facts give a change or a refusal; pure |
//! | `sync` | what was written outlasts a power cut |
//! | [`error`] | how a command ends other than well, and the one table of exit codes |
//! | [`store`] | boards as files that change only by atomic steps; the lock protocol |
//! | [`ledger`] | boards that several machines share, on any git server |
//! | [`git`] | the repository: discovery, configuration, snapshots, notes, the server of a ledger; the only user of gix |
//! | [`place`] | which store a repository's agents share |
//! | [`host`] | the machine: who asks, whether a process lives, clock, signals; the only platform code |
//! | [`ui`] | what people, agents and programs read; the only writer, which knows no command |
//! | [`commands`] | a file for each command: its arguments, what it does, its answer |
//!
//! # Arrows
//!
//! Each module, and those that it may use:
//!
//! | module | uses |
//! |---|---|
//! | `record` | none |
//! | `sync` | none |
//! | `rules` | `record` |
//! | `error` | `rules` |
//! | `store` | `record`, `rules`, `error`, `sync` |
//! | `ledger` | `record`, `rules`, `error`, `store` |
//! | `git` | `record`, `rules` (the board of a ledger), `error`, `ledger`, `sync` |
//! | `place` | `error`, `store` (its names), `git`, `sync` |
//! | `host` | `record`, `rules`, `error`, `store` (it implements [`store::Host`]) |
//! | `ui` | `record`, `rules`, `error`, `store` |
//! | `commands` | all of these |
//!
//! A test (`tests/it/tidy.rs`) reads the `use` lines and holds them to this, and refuses circles
//! among the files of a folder.
//!
//! # What always holds
//!
//! Whatever races, crashes, lies about a lock or misjudges who lives; each is what `tests/model`
//! checks after every step of the shipped code, and `tests/it` with processes that are killed:
//!
//! - **One owner.** A phase has at most one live owner: `owner.T` is there once, and only a rename
//!   of that very name changes it ([`store`]).
//! - **Done is for ever.** No claim succeeds on a completed phase, and nothing undoes `done`.
//! - **Dependencies first.** A phase is claimed only when what it waits for is done and has not
//!   failed.
//! - **The latest owner only.** Who has lost a phase can neither complete it nor give it up, and is
//!   told so.
//! - **Never wedged.** From any state that a kill leaves, one lone `claim` ends in OK, in done, or
//!   in a refusal that is true.
//! - **One sprint.** There is one current sprint, never none between two; no OK is said for one
//!   that was ended; no two share a directory.
//! - **Unknown is alive.** A claim is reclaimed only when its process is proven dead
//!   ([`host::agent`]).
//! - **An error is no answer.** Only "there is no such name" means absent; any other error stops
//!   the command without an OK.
//!
//! # What is absent, and stays so
//!
//! - There is no daemon, service or cache: every command reads the truth, which is files, and ends.
//! - `rules` has no file system, clock, environment, process or git. Who lives and what time it is
//!   come in as values, so a test can walk every state that can be reached.
//! - No phase changes state except through [`rules::decide()`] and then one rename. Locks save
//!   work; no promise hangs on them.
//! - `store` opens nothing by path below the store's root, follows no link there, and never waits
//!   for another process longer than about two seconds.
//! - Commands do not print: they give an answer, and `ui` writes to the standard streams. No
//!   foreign byte reaches a terminal that is not printable.
//! - The clock, the environment and random bits are asked for at the edge, in `host` and
//!   `commands`; the exceptions are listed in the test.
//! - No message tells an agent to force, to call itself something else or to use another store.
//! - There is no unsafe code, and no `unwrap` outside of tests.

#[cfg(not(unix))]
compile_error!("git conductor needs Linux, macOS or FreeBSD; on Windows, build and run it in WSL");

pub mod commands;
pub mod error;
pub mod git;
pub mod host;
pub mod ledger;
pub mod place;
pub mod record;
pub mod rules;
pub mod store;
mod sync;
pub mod ui;
