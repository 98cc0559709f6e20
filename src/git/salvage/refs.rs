//! The references of what is kept: made once, listed, and deleted only as they were seen.

use std::time::Duration;

use gix::bstr::ByteSlice as _;
use jiff::Timestamp;

use crate::error::{Failure, FailureKind};
use crate::git::child::{self, Limit};
use crate::git::durable;
use crate::git::repo::Repo;
use crate::record::salvage::{REFS, Salvage};

/// How often a reference is tried that cannot be made though no other one was: it is locked.
const PATIENCE: u32 = 10;
/// Whoever is slower begins again: so many do not save the same phase at once.
const ROUNDS: u32 = 1000;
/// The greatest number of a saved commit.
const MAX_NUMBER: u64 = 1_000_000_000;
/// What is kept is waited for so long, to be listed, shown or dropped.
const READING: Duration = Duration::from_secs(60);
/// What `for-each-ref` tells of each.
const FORMAT: &str = "--format=%(refname)%00%(objectname)%00%(objecttype)%00%(tree)%00%(parent)%00\
                      %(committerdate:unix)%00%(contents)%00";

/// What differs between what was checked out and what was kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differing {
    /// As `git diff --stat` shows it.
    pub stat: String,
    /// As `git diff` shows it; `None` if that is longer than was asked for.
    pub patch: Option<String>,
}

impl Repo {
    /// What is kept, the latest first: all of it, or of one phase of one sprint. One git child, and
    /// more where something cannot be read, which is left out.
    ///
    /// # Errors
    /// What git says.
    pub fn salvages(&self, of: Option<(&str, &str)>) -> Result<Vec<Salvage>, Failure> {
        let all = self.kept(of, &Limit::within(READING))?;
        Ok(all.into_iter().map(|(salvage, _)| salvage).collect())
    }

    /// The same, each with its tree.
    pub(super) fn kept(
        &self,
        of: Option<(&str, &str)>,
        time: &Limit,
    ) -> Result<Vec<(Salvage, String)>, Failure> {
        let below = match of {
            None => REFS.trim_end_matches('/').to_owned(),
            Some((sprint, phase)) => format!("{REFS}{sprint}/{phase}"),
        };
        let list = |names: &[&str]| {
            let mut git = self.git();
            child::stdout_within(git.args(["for-each-ref", FORMAT, "--"]).args(names), time)
        };
        let said = match list(&[&below]) {
            Ok(said) => said,
            // One whose commit is gone hides no other.
            Err(failure) => {
                let mut git = self.git();
                git.args(["for-each-ref", "--format=%(refname)", "--", &below]);
                let named = child::stdout_within(&mut git, time)?.to_str_lossy().into_owned();
                let mut readable = Vec::new();
                for name in named.lines() {
                    if !self.is_broken(name)? {
                        readable.push(name);
                    }
                }
                match readable[..] {
                    [] => Vec::new(),
                    _ if readable.len() == named.lines().count() => return Err(failure),
                    _ => list(&readable)?,
                }
            }
        };
        let mut fields = said.split(|byte| *byte == 0);
        let mut all = Vec::new();
        while let (
            Some(reference),
            Some(commit),
            Some(kind),
            Some(tree),
            Some(parent),
            Some(at),
            Some(text),
        ) = (
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
        ) {
            let reference = reference.trim_ascii().to_str_lossy();
            let Some(read) = Salvage::read(&reference, &text.to_str_lossy()) else { continue };
            let at = at.to_str().ok().and_then(|at| at.parse().ok());
            if kind == b"commit" && read.number <= MAX_NUMBER {
                let first = parent.split(|byte| *byte == b' ').next().unwrap_or_default();
                let salvage = Salvage {
                    commit: commit.to_str_lossy().into_owned(),
                    head: (!first.is_empty()).then(|| first.to_str_lossy().into_owned()),
                    at: at.and_then(|at| Timestamp::from_second(at).ok()),
                    ..read
                };
                all.push((salvage, tree.to_str_lossy().into_owned()));
            }
        }
        all.sort_by(|(one, _), (other, _)| {
            (other.at, &other.sprint, other.number).cmp(&(one.at, &one.sprint, one.number))
        });
        Ok(all)
    }

    /// Puts the commit of `salvage` on the next reference that is free, and numbers it so.
    pub(super) fn keep(
        &self,
        salvage: &mut Salvage,
        pause: &dyn Fn(u32),
        time: &Limit,
    ) -> Result<(), Failure> {
        let mut locked = 0;
        for round in 0..ROUNDS {
            if round > 0 {
                pause(round.min(PATIENCE));
            }
            let next = self.highest(&salvage.sprint, &salvage.phase, time)? + 1;
            locked = if salvage.number == next { locked + 1 } else { 0 };
            salvage.number = next;
            let reference = salvage.reference();
            if gix::validate::reference::name(reference.as_str().into()).is_err() {
                let text = format!("'{reference}' cannot be a reference");
                return Err(Failure::new(FailureKind::Git, text));
            }
            let mut git = durable::synced(self.git());
            // Where hooks are looked for otherwise is for the user's own commands.
            git.args(["-c", "core.hooksPath=/dev/null", "update-ref", "--no-deref", "--stdin"]);
            let line = format!("create {reference} {}\n", salvage.commit);
            match child::feed_within(&mut git, line.as_bytes(), time) {
                Ok(_) => return self.sync_refs(std::iter::once(reference.as_str())),
                Err(failure) if locked == PATIENCE || time.is_over() => return Err(failure),
                // Another has it now; or git holds a lock.
                Err(_) => {}
            }
        }
        Err(Failure::new(FailureKind::Busy, "others are saving the same all the time"))
    }

    /// The highest number that a reference of this phase has, whether it can be read or not. One
    /// git child.
    fn highest(&self, sprint: &str, phase: &str, time: &Limit) -> Result<u64, Failure> {
        let below = format!("{REFS}{sprint}/{phase}");
        let mut git = self.git();
        git.args(["for-each-ref", "--format=%(refname)", "--", &below]);
        let listed = child::stdout_within(&mut git, time)?;
        let listed = listed.to_str_lossy().into_owned();
        // One that a power cut has left empty is not listed, and in the way.
        let files = std::fs::read_dir(self.common_dir.join(&below)).into_iter().flatten();
        let files = files.flatten().map(|file| file.file_name().to_string_lossy().into_owned());
        let names = listed.lines().filter_map(|name| Some(name.rsplit_once('/')?.1.to_owned()));
        let numbers = names.chain(files).filter_map(|name| name.parse().ok());
        Ok(numbers.filter(|number| *number <= MAX_NUMBER).max().unwrap_or_default())
    }

    /// Deletes the references of `salvages`, all of them or none, if each is still what it was.
    ///
    /// # Errors
    /// What git says.
    pub fn drop_salvages(&self, salvages: &[Salvage]) -> Result<(), Failure> {
        let line =
            |salvage: &Salvage| format!("delete {} {}\n", salvage.reference(), salvage.commit);
        let lines: String = salvages.iter().map(line).collect();
        let mut git = durable::synced(self.git());
        git.args(["update-ref", "--no-deref", "--stdin"]);
        child::feed_within(&mut git, lines.as_bytes(), &Limit::within(READING))?;
        let references: Vec<String> = salvages.iter().map(Salvage::reference).collect();
        self.sync_refs(references.iter().map(String::as_str))
    }

    /// What was kept as `salvage`, against what was checked out; a patch of up to `most` bytes. Two
    /// git children, which run nothing that the configuration names for showing differences.
    ///
    /// # Errors
    /// What git says.
    pub fn salvaged(&self, salvage: &Salvage, most: u64) -> Result<Differing, Failure> {
        let empty = || {
            let kind = gix::hash::ObjectId::from_hex(salvage.commit.as_bytes()).ok()?.kind();
            Some(gix::hash::ObjectId::empty_tree(kind).to_string())
        };
        let base = salvage.head.clone().or_else(empty).unwrap_or_default();
        let diff = |how: &str| {
            let mut git = self.git();
            git.args(["diff", "--no-ext-diff", "--no-textconv", "--no-color", "--submodule=short"]);
            git.args([how, &base, &salvage.commit, "--"]);
            git
        };
        let time = Limit::within(READING);
        let stat = child::stdout_within(&mut diff("--stat=78"), &time)?;
        let stat = stat.to_str_lossy().into_owned();
        let wanted = usize::try_from(most).unwrap_or(usize::MAX);
        let mut git = diff("--patch");
        let output = child::run_up_to(&mut git, wanted, &time)?;
        let patch = output.stdout;
        let whole = patch.len() <= wanted;
        if whole && !output.status.success() {
            return Err(Failure::new(FailureKind::Git, "'git diff' failed"));
        }
        let patch = whole.then(|| patch.to_str_lossy().into_owned());
        Ok(Differing { stat, patch })
    }
}
