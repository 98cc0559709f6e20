//! `doctor --race`: shows on this very file system that a phase has one winner. Processes of this
//! program claim the same phases at the same moment, in a store of their own beside the boards.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Barrier;

use super::{Finding, Level};
use crate::error::{self, Failure, FailureKind};
use crate::git::Env;
use crate::record::Token;

/// So many processes claim at once.
const RACERS: usize = 8;
/// They do so for so many phases, one after another.
const ROUNDS: usize = 25;
/// What a race's store is called in the store; `clean` and `doctor --fix` do not know it, so a race
/// that was killed says so itself the next time.
const PREFIX: &str = ".race.";

/// How the racers of one round ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Round {
    won: usize,
    refused: usize,
    busy: usize,
    broke: usize,
}

/// A directory that goes when it is dropped.
struct Ground(PathBuf);

impl Drop for Ground {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next race.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Races in a directory of `store`, which must be there; `token` makes its name.
pub(super) fn run(store: &Path, token: &Token) -> Result<Finding, Failure> {
    let cannot = |error| Failure::writing(error, format!("cannot race in '{}'", store.display()));
    remove_former(store);
    let ground = Ground(store.join(format!("{PREFIX}{token}")));
    std::fs::create_dir(&ground.0).map_err(cannot)?;
    let program = std::env::current_exe().map_err(cannot)?;
    let command = |agent: usize| {
        let mut command = Command::new(&program);
        // In no repository: a start notes there where its store is.
        for name in Env::names().chain(["GIT_CONDUCTOR_TOKEN"]) {
            command.env_remove(name);
        }
        command.env("GIT_CEILING_DIRECTORIES", store);
        command.current_dir(&ground.0).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::null()).arg("--store").arg(&ground.0);
        command.args(["--agent", &format!("racer-{agent}")]);
        command
    };
    let phases: Vec<String> = (1..=ROUNDS).map(|round| format!("race-{round}:")).collect();
    let started = command(0).args(["start", "--phases", &phases.join(",")]).status();
    if !started.map_err(cannot)?.success() {
        let text = format!("no sprint can be started in '{}'", ground.0.display());
        return Err(Failure::new(FailureKind::Io, text));
    }
    let line = Barrier::new(RACERS);
    let race = |racer: usize| -> Vec<Option<u8>> {
        (1..=ROUNDS)
            .map(|round| {
                line.wait();
                let ended = command(racer).args(["claim", &format!("race-{round}")]).status();
                ended.ok().and_then(|status| u8::try_from(status.code()?).ok())
            })
            .collect()
    };
    let exits: Vec<Vec<Option<u8>>> = std::thread::scope(|scope| {
        let racers: Vec<_> = (1..=RACERS).map(|racer| scope.spawn(move || race(racer))).collect();
        racers.into_iter().map(|racer| racer.join().unwrap_or_default()).collect()
    });
    Ok(judge(&exits))
}

/// Removes what races left that were killed.
fn remove_former(store: &Path) {
    for entry in std::fs::read_dir(store).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_race = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if is_race.is_some_and(|token| Token::parse(token).is_some()) {
            std::fs::remove_dir_all(entry.path()).ok();
        }
    }
}

/// What the exit codes of each racer, round by round, amount to.
fn judge(exits: &[Vec<Option<u8>>]) -> Finding {
    let mut rounds = [Round::default(); ROUNDS];
    for racer in exits {
        for (round, exit) in rounds.iter_mut().zip(racer.iter().chain(std::iter::repeat(&None))) {
            match *exit {
                Some(error::OK) => round.won += 1,
                Some(error::REFUSED) => round.refused += 1,
                Some(error::BUSY) => round.busy += 1,
                _ => round.broke += 1,
            }
        }
    }
    let (check, hint, fixed) = ("race", None, false);
    let count = |is: fn(&Round) -> bool| rounds.iter().filter(|round| is(round)).count();
    let (twice, broke) = (count(|round| round.won > 1), count(|round| round.broke > 0));
    let (level, says) = if twice > 0 {
        let says =
            format!("{twice} of {ROUNDS} phases were given to several of {RACERS} processes");
        (Level::Problem, says)
    } else if broke > 0 {
        (Level::Problem, format!("claims failed for {broke} of {ROUNDS} phases"))
    } else if count(|round| round.won == 0) > 0 {
        let nobody = count(|round| round.won == 0);
        (Level::Warning, format!("{nobody} of {ROUNDS} phases were given to nobody: all were busy"))
    } else {
        let says = format!("{RACERS} processes at once claimed {ROUNDS} phases: one winner each");
        (Level::Ok, says)
    };
    Finding { check, level, says, hint, fixed }
}

#[cfg(test)]
mod tests {
    use super::{Level, RACERS, ROUNDS, judge};

    /// Racer `n` wins round `r` if `wins(n, r)`, and loses with `exit`.
    fn exits(exit: u8, wins: impl Fn(usize, usize) -> bool) -> Vec<Vec<Option<u8>>> {
        let of = |racer| (0..ROUNDS).map(|r| Some(if wins(racer, r) { 0 } else { exit })).collect();
        (0..RACERS).map(of).collect()
    }

    #[test]
    fn one_winner_each() {
        assert_eq!(judge(&exits(1, |racer, round| racer == round % RACERS)).level, Level::Ok);
    }

    #[test]
    fn two_winners_of_one_phase() {
        let found = judge(&exits(1, |racer, round| racer == 0 || (racer == 3 && round == 7)));
        assert_eq!(found.level, Level::Problem);
        assert!(found.says.starts_with("1 of 25 phases were given to several"), "{}", found.says);
    }

    #[test]
    fn nobody_wins() {
        assert_eq!(judge(&exits(4, |racer, round| racer == 0 && round != 3)).level, Level::Warning);
        assert_eq!(
            judge(&exits(128, |racer, round| racer == 0 && round != 3)).level,
            Level::Problem
        );
        assert_eq!(judge(&[]).level, Level::Warning);
        assert_eq!(judge(&[vec![None]]).level, Level::Problem, "a racer that could not run");
    }
}
