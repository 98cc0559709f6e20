//! `doctor`: is everything here as it must be for claims to hold and for the gate to be asked?
//!
//! It looks from the outside in (git, the repository, the store, what is in it, what goes out),
//! says what it found of each, and goes on where other commands stop. Nothing is changed without
//! `--fix`, and with it only what no running command can miss.

pub(super) mod answer;
mod pushes;
mod race;

use std::path::Path;

use jiff::SignedDuration;

use super::context::{self, StoreAccess};
use super::session::{Answered, Run, Session};
use super::{Context, Global, hooks, install, skill, start, status};
use crate::error::{Failure, FailureKind, Hint, Stop};
use crate::git::{self, Broken, Env, Repo};
use crate::host::disk;
use crate::host::system::Mutex;
use crate::place::Origin;
use crate::record::{Maker, salvage};
use crate::rules::gate::Pin;
use crate::rules::{Board, Life, State, identity};
use crate::store::Host as _;
use crate::store::leftovers::{Leftover, LeftoverKind};
use crate::ui::phrases::names;

/// The oldest git that answers everything that is asked of it here (`rev-parse --path-format`).
const OLDEST_GIT: (u32, u32) = (2, 31);
/// Clocks that differ by more than this make ages wrong.
const SKEW: SignedDuration = SignedDuration::from_secs(5);

/// Check the repository and the store for problems
///
/// Checks git, the repository, the store and what it lies on, the sprint, what
/// killed commands left, hooks, and locks of git's, and prints a line for each: ok,
/// note, warning or problem. Exits with 1 if there is a problem. Nothing is
/// changed without --fix, which excludes the store from git, publishes completions
/// that a kill interrupted, and removes the leftovers of others. --race lets
/// processes claim the same phases at once, in a store of their own that goes
/// afterwards.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor doctor\n  git conductor doctor --fix\n  git conductor doctor --race"
)]
pub(super) struct DoctorArgs {
    /// Fix what is safe: exclude the store from git, remove leftovers
    #[arg(long)]
    fix: bool,
    /// Also race processes for phases on this file system
    #[arg(long)]
    race: bool,
}

impl Run for DoctorArgs {
    /// Looks at everything, and mends what is safe if asked to.
    fn run(self, session: &mut Session) -> Answered {
        // Which goes on without.
        session.look();
        Ok(Box::new(Examined(examine(&session.global, &self)?)))
    }
}

/// How something was found, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it must be.
    Ok,
    /// Worth knowing; nothing has to be done.
    Note,
    /// Something does not do what one may expect of it.
    Warning,
    /// Claims, evidence or the gate cannot be relied on until it is mended.
    Problem,
}

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finding {
    /// What was looked at, by one word or two.
    pub check: &'static str,
    /// How it was found.
    pub level: Level,
    /// What it is like, on one line.
    pub says: String,
    /// What can be done about it: a command, or what to tell the human.
    pub hint: Option<Hint>,
    /// Whether it was mended.
    pub fixed: bool,
}

/// Looks at everything.
///
/// # Errors
/// Not in a repository, and no explicit store.
fn examine(global: &Global, request: &DoctorArgs) -> Result<Vec<Finding>, Stop> {
    let mut found = Findings(Vec::new());
    let nowhere = |failure: &Failure| failure.kind == FailureKind::NotARepository;
    found.git();
    let opened = match context::repository() {
        Ok((cwd, repo)) => {
            if let Some(repo) = &repo {
                found.repository(repo);
            }
            let context = Context::within(global, StoreAccess::Store, &cwd, repo.clone());
            Some((repo, context))
        }
        Err(failure) if nowhere(&failure) => return Err(failure.into()),
        Err(failure) => {
            found.failed("repository", &failure);
            None
        }
    };
    if let Some((repo, context)) = opened {
        let context = match context {
            Ok(context) => {
                found.store(&context, request);
                Some(context)
            }
            Err(failure) if nowhere(&failure) => return Err(failure.into()),
            Err(failure) => {
                found.failed("store", &failure);
                None
            }
        };
        // Nothing is mended in git where it is not known what the store has of it.
        let fix = context.as_ref().filter(|_| request.fix);
        if let Some(repo) = &repo {
            found.hooks(repo);
            found.notes(repo);
            found.salvage(repo);
            found.locks(repo, fix);
            found.references(repo, fix);
        }
        found.skills(repo.as_ref());
    }
    found.manual();
    Ok(found.0)
}

/// What was found of everything.
struct Examined(Vec<Finding>);

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, check: &'static str, level: Level, says: impl Into<String>) {
        self.0.push(Finding { check, level, says: says.into(), hint: None, fixed: false });
    }

    /// With what can be done about it.
    fn hint(
        &mut self,
        check: &'static str,
        level: Level,
        says: impl Into<String>,
        hint: impl Into<Hint>,
    ) {
        self.0.push(Finding {
            check,
            level,
            says: says.into(),
            hint: Some(hint.into()),
            fixed: false,
        });
    }

    /// Says so if nothing else was said of it.
    fn fine(&mut self, check: &'static str, says: &str) {
        if !self.0.iter().any(|finding| finding.check == check) {
            self.add(check, Level::Ok, says);
        }
    }

    fn fixed(&mut self, check: &'static str, says: impl Into<String>) {
        self.0.push(Finding {
            check,
            level: Level::Ok,
            says: says.into(),
            hint: None,
            fixed: true,
        });
    }

    fn failed(&mut self, check: &'static str, failure: &Failure) {
        let hint = failure.hints.first().cloned();
        let says = failure.to_string();
        self.0.push(Finding { check, level: Level::Problem, says, hint, fixed: false });
    }

    fn git(&mut self) {
        match git::version(&Env::read(&context::variable)) {
            Ok((version, number)) if number >= OLDEST_GIT => self.add("git", Level::Ok, version),
            Ok((version, _)) => {
                let (major, minor) = OLDEST_GIT;
                let says = format!("{version} is too old: {major}.{minor} or later is needed");
                self.add("git", Level::Problem, says);
            }
            Err(failure) => self.failed("git", &failure),
        }
        if let [run, others @ ..] = git::programs(&Env::read(&context::variable)).as_slice()
            && !others.is_empty()
        {
            let others: Vec<String> = others.iter().map(|it| it.display().to_string()).collect();
            let says = format!(
                "'{}' is run, the first in PATH; there also is {}: it may be another version, with \
                 other settings of the system, and run the hooks of whoever calls it",
                run.display(),
                names(&others)
            );
            self.add("other git", Level::Note, says);
        }
        if hooks::is_in_path("git-conductor") {
            self.add("program", Level::Ok, env!("CARGO_PKG_VERSION"));
        } else {
            let says = "git-conductor is not in PATH: hooks and 'git conductor' do not find it";
            self.add("program", Level::Warning, says);
        }
    }

    fn repository(&mut self, repo: &Repo) {
        let (refs, objects) = (repo.ref_storage(), repo.object_format());
        let says = format!("{} (refs: {refs}, objects: {objects})", repo.anchor().display());
        self.add("repository", Level::Ok, says);
    }

    fn store(&mut self, context: &Context, request: &DoctorArgs) {
        self.agent(context);
        let store = context.store_path();
        let (level, by) = match context.place.origin {
            Origin::Given => (Level::Note, "named by --store or GIT_CONDUCTOR_STORE"),
            Origin::Nanostack => (Level::Note, "named by NANOSTACK_STORE"),
            Origin::Config => (Level::Ok, "named by conductor.store"),
            Origin::Pointer => (Level::Ok, "where the first start put it"),
            Origin::Default => (Level::Ok, "the usual place"),
        };
        if !store.is_dir() {
            let says =
                format!("'{}' is not there yet ({by}): no sprint was started", store.display());
            self.add("store", Level::Note, says);
            return;
        }
        self.add("store", level, format!("{} ({by})", store.display()));
        self.disk(context, store);
        self.worktree(context, request.fix);
        self.mutex(context);
        match context.store.board() {
            Ok(Some(board)) => self.board(context, &board),
            Ok(None) => self.add("sprint", Level::Note, "there is none"),
            Err(failure) => return self.failed("sprint", &failure),
        }
        self.leftovers(context, request.fix);
        if request.race {
            let raced = context.store.host().token().and_then(|token| race::run(store, &token));
            match raced {
                Ok(finding) => self.0.push(finding),
                Err(failure) => self.failed("race", &failure),
            }
        }
    }

    fn agent(&mut self, context: &Context) {
        let me = &context.asker.me;
        let how = if me.explicit { "named" } else { "found out" };
        let Some(process) = me.any_process() else {
            let says = format!("{} ({how}), and no process that lasts", me.name);
            let hint = "give the same name with every call: --agent NAME, or GIT_CONDUCTOR_AGENT";
            let level = if me.explicit { Level::Note } else { Level::Warning };
            return self.hint("agent", level, says, hint.to_owned());
        };
        let shared = if me.shared.is_some() { ", which other agents may share" } else { "" };
        let says = format!("{} ({how}), process {}{shared}", me.name, process.pid);
        self.add("agent", Level::Ok, says);
    }

    fn disk(&mut self, context: &Context, store: &Path) {
        match disk::kind(store) {
            Some((kind, true)) => {
                let says = format!(
                    "{kind}: other machines may write there, whose claims never go stale here"
                );
                let hint = "git conductor doctor --race".to_owned();
                self.hint("file system", Level::Warning, says, hint);
            }
            Some((kind, false)) => self.add("file system", Level::Ok, kind),
            None => self.add("file system", Level::Note, "of unknown kind"),
        }
        let now = context.now();
        match disk::write(store) {
            Ok(clock) => {
                self.add("writable", Level::Ok, "yes");
                match clock.map(|clock| clock.duration_since(now).abs()) {
                    Some(skew) if skew > SKEW => {
                        let says = format!(
                            "the file system's clock is {} s off: ages are not to be trusted",
                            skew.as_secs()
                        );
                        self.add("clock", Level::Warning, says);
                    }
                    Some(_) => self.add("clock", Level::Ok, "the file system's agrees"),
                    None => {}
                }
            }
            Err(error) => {
                let says = format!("no: {error}; who looks is answered, and nobody can claim");
                let hint = Hint::fixed(
                    "ask your human to allow writing there; do not choose another store",
                    "allow writing there",
                );
                self.hint("writable", Level::Problem, says, hint);
            }
        }
    }

    /// Whether git would take the store for something to be added, stashed or cleaned.
    fn worktree(&mut self, context: &Context, fix: bool) {
        match start::refuse_tracked(context) {
            Err(failure) => return self.failed("tracked", &failure),
            Ok(()) => self.add("tracked", Level::Ok, "git has none of its files"),
        }
        let Some((repo, pattern)) = start::exclusion(context) else { return };
        match repo.is_ignored(context.store_path()) {
            Ok(true) => {
                let says = "git passes over it, but for 'git clean -x' and 'git stash --all' \
                            (not with conductor.store=.git/nanostack)";
                self.add("excluded", Level::Ok, says);
            }
            Ok(false) if fix => match repo.exclude(&pattern) {
                Ok(_) => self.fixed("excluded", format!("'{pattern}' was added to info/exclude")),
                Err(failure) => self.failed("excluded", &failure),
            },
            Ok(false) => {
                let says =
                    "'git stash -u' and 'git clean -fd' would take it away under live claims";
                let hint = "git conductor doctor --fix".to_owned();
                self.hint("excluded", Level::Problem, says, hint);
            }
            Err(failure) => self.failed("excluded", &failure),
        }
    }

    fn mutex(&mut self, context: &Context) {
        let (level, says) = match context.store.host().try_mutex() {
            Ok(Mutex::Excludes) => (Level::Ok, "keeps a second command out".to_owned()),
            Ok(Mutex::Taken) => (Level::Ok, "another command has it just now".to_owned()),
            Ok(Mutex::Absent) => (Level::Ok, "not needed yet".to_owned()),
            Ok(Mutex::Lies) => (
                Level::Warning,
                "granted twice: contending claims cost more, and stay safe".to_owned(),
            ),
            Ok(Mutex::Unusable(why)) => (
                Level::Warning,
                format!("not usable ({why}): contending claims cost more, and stay safe"),
            ),
            Err(failure) => return self.failed("mutex", &failure),
        };
        self.add("mutex", level, says);
    }

    fn board(&mut self, context: &Context, board: &Board) {
        let (done, all) = (board.done_count(), board.graph.count());
        self.add("sprint", Level::Ok, format!("{}, {done} of {all} done", board.sprint.sprint_id));
        let now = context.now();
        for id in board.graph.ids() {
            let name = &board.graph.phase(id).name;
            match board.state(id) {
                State::Pending => {}
                State::Claimed(hold) => {
                    let agent = &hold.claim.agent;
                    let ahead = hold.claim.claimed_at.map(|then| identity::age(then, now));
                    if hold.life == Life::Dead {
                        let says = format!("'{name}' is held by '{agent}', whose process is gone");
                        let hint = format!("git conductor claim {name} --takeover");
                        self.hint("claims", Level::Warning, says, hint);
                    } else if ahead.is_some_and(|ahead| ahead > SKEW) {
                        let says =
                            format!("'{agent}' claimed '{name}' in the future: a clock is wrong");
                        self.add("claims", Level::Warning, says);
                    }
                }
                State::Done(done) => match context.store.look_at_pin(board, name, done) {
                    Ok(Pin::Changed | Pin::Gone) => {
                        let says = format!("what '{name}' handed over is not what it was");
                        let hint = Hint::fixed(
                            "tell your human: it proves nothing any more",
                            "it proves nothing any more",
                        );
                        self.hint("artifacts", Level::Problem, says, hint);
                    }
                    Ok(Pin::Same | Pin::None) if status::changed(done) => {
                        let says =
                            format!("the original of '{name}' has changed; its copy has not");
                        self.add("artifacts", Level::Note, says);
                    }
                    Ok(Pin::Same | Pin::None) => {}
                    Err(failure) => self.failed("artifacts", &failure),
                },
            }
        }
        self.fine("claims", "every owner is alive, or may be");
        self.fine("artifacts", "all are as they were handed over");
    }

    fn leftovers(&mut self, context: &Context, fix: bool) {
        let maker = Maker { process: context.asker.me.command.clone() };
        let leftovers = match context.store.leftovers(fix.then_some(&maker)) {
            Ok(leftovers) => leftovers,
            Err(failure) => return self.failed("leftovers", &failure),
        };
        if leftovers.is_empty() {
            return self.add("leftovers", Level::Ok, "none of killed commands");
        }
        for Leftover { kind, path } in leftovers {
            let (is_fixed, says) = match kind {
                LeftoverKind::Temporary => (fix, format!("'{path}', of a command that was killed")),
                LeftoverKind::Completion => {
                    (fix, format!("'{path}', a completion not yet published"))
                }
                LeftoverKind::Lock => {
                    (false, format!("'{path}', of a dead claim; the next claim takes it over"))
                }
            };
            if is_fixed {
                self.fixed("leftovers", says);
            } else if kind == LeftoverKind::Lock {
                self.add("leftovers", Level::Note, says);
            } else {
                let hint = "git conductor doctor --fix".to_owned();
                self.hint("leftovers", Level::Note, says, hint);
            }
        }
    }

    /// Whether what is kept in git can be read: a power cut may have left a reference empty. Silent
    /// if so.
    fn references(&mut self, repo: &Repo, fix: Option<&Context>) {
        const CHECK: &str = "references";
        let broken = repo.notes_name().and_then(|name| repo.broken_refs(&name));
        let broken = match broken {
            Ok(broken) => broken,
            Err(failure) => return self.failed(CHECK, &failure),
        };
        let mut lost = false;
        for Broken { name, why, empty } in broken {
            let is_salvage = name.starts_with(salvage::REFS);
            let says = format!("'{name}' is broken: {why}");
            if is_salvage && !empty {
                let hint = "'git conductor salvage' shows what is left of it".to_owned();
                self.hint(CHECK, Level::Problem, says, hint);
            } else if fix.is_some() {
                match repo.mend_ref(&name) {
                    Ok(_) => {
                        lost |= !is_salvage;
                        self.fixed(CHECK, says);
                    }
                    Err(failure) => self.failed(CHECK, &failure),
                }
            } else {
                let hint = "git conductor doctor --fix".to_owned();
                self.hint(CHECK, Level::Problem, says, hint);
            }
        }
        let Some(context) = fix.filter(|_| lost) else { return };
        match super::notes::sync(context, None) {
            Ok(_) => self.fixed(CHECK, "records that were lost with them were written again"),
            Err(failure) => self.failed(CHECK, &failure),
        }
    }

    /// Whether records are kept, and outlive an amended commit.
    fn notes(&mut self, repo: &Repo) {
        let (name, kept) = match (repo.notes_name(), repo.config_bool("conductor.notes")) {
            (Ok(name), Ok(kept)) => (name, kept.unwrap_or(false)),
            (Err(failure), _) | (_, Err(failure)) => return self.failed("notes", &failure),
        };
        let name = name.as_str();
        // git takes patterns of references there.
        let covers = |value: &String| {
            value == name || value.strip_suffix('*').is_some_and(|start| name.starts_with(start))
        };
        if !kept {
            self.add("notes", Level::Ok, "no records are kept (conductor.notes)");
        } else if repo.config_all("notes.rewriteRef").iter().any(covers) {
            self.add("notes", Level::Ok, format!("records are kept on {name}"));
        } else {
            let says =
                format!("records are kept on {name}; amended and rebased commits lose theirs");
            self.hint("notes", Level::Warning, says, "git conductor notes setup".to_owned());
        }
    }

    /// How much is kept of what dead owners left: nobody else looks after it. Silent without any.
    fn salvage(&mut self, repo: &Repo) {
        let kept = match repo.salvages(None) {
            Ok(kept) => kept,
            Err(failure) => return self.failed("salvage", &failure),
        };
        let oldest = kept.last().and_then(|salvage| salvage.at);
        if let Some(oldest) = oldest {
            let day = oldest.to_zoned(jiff::tz::TimeZone::UTC).date();
            let says = format!("work of {} dead owners is kept, the oldest of {day}", kept.len());
            let says = says.replace("of 1 dead owners", "of 1 dead owner");
            self.hint("salvage", Level::Note, says, "git conductor salvage".to_owned());
        }
    }

    /// Whether a git that was killed keeps others out. A lock on a reference of ours that is older
    /// than this boot is nobody's any more.
    fn locks(&mut self, repo: &Repo, fix: Option<&Context>) {
        let booted = fix.and_then(|context| context.store.host().booted_at());
        let locks = repo.stray_locks();
        if locks.is_empty() {
            self.add("git locks", Level::Ok, "none was left");
        }
        for lock in locks {
            let says = format!("'{}' keeps git out", lock.display());
            match booted.map(|booted| repo.remove_lock_before(&lock, booted)) {
                Some(Ok(true)) => {
                    self.fixed("git locks", says);
                    continue;
                }
                Some(Err(failure)) => {
                    self.failed("git locks", &failure);
                    continue;
                }
                Some(Ok(false)) | None => {}
            }
            let hint = Hint::fixed(
                "if no git is running here, your human can remove it",
                "if no git is running here, remove it",
            );
            self.hint("git locks", Level::Warning, says, hint);
        }
    }

    /// Whether the skills and hooks that agents have are those of this version. Silent without any.
    fn skills(&mut self, repo: Option<&Repo>) {
        let (there, old) = skill::examine(repo.and_then(Repo::worktree));
        for skill::Outdated { path, command } in old {
            let says = format!("'{}' is of another version", path.display());
            self.hint("skill", Level::Note, says, command);
        }
        if there > 0 {
            self.fine("skill", "what agents read is of this version");
        }
    }

    /// Whether the manual and the completions are where they are looked for, and of this version.
    fn manual(&mut self) {
        let look = install::Request { dry_run: true, ..install::Request::default() };
        let hint = "git conductor install".to_owned();
        match install::install(&look) {
            Ok(there) => {
                let old =
                    there.pieces.iter().filter(|it| it.change != install::Change::Same).count();
                if old == 0 && !hooks::is_in_path("man") {
                    let says = "pages and completions are in their places, and no 'man' is in PATH to \
                                show the pages";
                    let hint = "git conductor -h, and 'git conductor help COMMAND', need none";
                    self.hint("manual", Level::Note, says, hint.to_owned());
                } else if old == 0 {
                    self.add("manual", Level::Ok, "pages and completions are in their places");
                } else {
                    let says = format!("{old} pages and completions are missing or out of date");
                    self.hint("manual", Level::Note, says, hint);
                }
            }
            Err(Stop::Refused(_) | Stop::Declined(_)) => {
                let says = "files of others are where pages and completions would go";
                self.hint("manual", Level::Note, says, hint);
            }
            Err(Stop::Failed(failure)) => self.add("manual", Level::Note, failure.to_string()),
        }
    }
}
