//! A walk over every reachable state of small sprints, driven through the shipped rules.
//!
//! A *world* is a board and the processes of a few agents: which live, in which incarnation, and
//! how long ago each claim was heard of (fresh or as old as `stale_after`, to the nanosecond). From
//! the empty board every agent asks everything of every phase, processes die and come back, time
//! passes, scripts make their bare records; each new world is looked at once, breadth first. What
//! the rules grant is carried out as the store would. Tokens and incarnations are renumbered, so
//! that the walk ends.
//!
//! Each answer is compared with [`expected`](sprint::Scenario::expected), which says in terms of
//! agents and incarnations what the contract says; and, independently of that, each step and each
//! world is held against the invariants, in terms of who really lives. The last test here breaks
//! the rules on purpose, one at a time, and shows that the walk notices.
//!
//! To read it, begin with what is walked through: [`agents`], the [`sprint`] that they take part
//! in, the [`world`] it is in, the [`board`] that the rules see of it, and the [`events`] that lead
//! from one to the next. Then what is right: [`contract`], [`checks`], [`rescue`]. [`explore`]
//! brings the two together; [`ledger`] asks a shared board the same. [`scenarios`] lists the sprints and [`mutations`] the broken rules;
//! [`bugs`] keeps what the walk has found.

mod agents;
mod board;
mod bugs;
mod checks;
mod contract;
mod events;
mod explore;
mod ledger;
mod mutations;
mod rescue;
mod scenarios;
mod sprint;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Instant;

use contract::ELSEWHERE_MINE;
use explore::{Rules, SHIPPED, walk};
use mutations::BROKEN;
use scenarios::{kinds, larger, of_kinds, scenarios};
use sprint::{FAIL, PASS, Scenario};

/// All that the rules do among any two kinds of agents where one must not check its own work, and
/// among any three of them at one phase.
#[test]
fn the_rules_hold_among_all_kinds_of_agents() {
    let began = Instant::now();
    let count = kinds().len();
    let mut broken = String::new();
    let mut totals = [(0, 0, 0); 2];
    let mut look = |scenario: &Scenario, chosen: &[usize], total: usize| {
        let report = walk(scenario, SHIPPED, None);
        totals[total].0 += 1;
        totals[total].1 += report.worlds;
        totals[total].2 += report.answers;
        for (check, text) in report.broken {
            _ = writeln!(broken, "{chosen:?}: {check:?}: {text}");
        }
    };
    for a in 0..count {
        for b in a + 1..count {
            let pair = [a, b];
            look(&of_kinds("a b:a!a", &pair).asking(&[PASS, FAIL]).forgetful(), &pair, 0);
            for c in b + 1..count {
                let three = [a, b, c];
                look(&of_kinds("a", &three).without_restarts(), &three, 1);
            }
        }
    }
    println!("pairs, triples: (sprints, worlds, answers) {totals:?} in {:?}", began.elapsed());
    assert!(broken.is_empty(), "{broken}");
}

/// All that the rules do in the sprints that are listed; and all that they ever answer is in the
/// table.
#[test]
fn the_rules_hold_in_every_reachable_world() {
    let mut cells: BTreeMap<_, usize> = BTreeMap::new();
    let mut broken = String::new();
    let mut totals = (0, 0, 0);
    for scenario in scenarios().into_iter().chain(larger()) {
        let began = Instant::now();
        let report = walk(&scenario, SHIPPED, None);
        println!(
            "{:>7} worlds {:>8} steps {:>8} answers {:>6} by force {:>4} by nobody {:>5} ms  {}",
            report.worlds,
            report.steps,
            report.answers,
            report.by_force,
            report.by_nobody,
            began.elapsed().as_millis(),
            scenario.name,
        );
        totals.0 += report.worlds;
        totals.1 += report.steps;
        totals.2 += report.answers;
        for (cell, count) in report.cells {
            *cells.entry(cell).or_default() += count;
        }
        for (check, text) in report.broken {
            _ = writeln!(broken, "{}: {check:?}: {text}", scenario.name);
        }
    }
    println!("{:>7} worlds {:>8} steps {:>8} answers", totals.0, totals.1, totals.2);
    for ((row, column, answer), count) in &cells {
        println!("{row:>16} {column:>10} {answer:<19} {count:>9}");
    }
    assert!(broken.is_empty(), "{broken}");
    let met: BTreeSet<_> = cells.into_keys().collect();
    let table: BTreeSet<_> = TABLE
        .iter()
        .flat_map(|(row, column, answers)| answers.iter().map(|answer| (*row, *column, *answer)))
        .collect();
    assert_eq!(met, table, "the table of answers has other cells than were met");
}

/// The rules of a board that several machines share are those of one machine.
#[test]
fn a_ledger_has_the_same_rules() {
    let rules = Rules { decide: ledger::both, ..SHIPPED };
    let mut answers = 0;
    for scenario in scenarios() {
        let report = walk(&scenario, rules, None);
        answers += report.answers;
        assert!(report.broken.is_empty(), "{}: {:?}", scenario.name, report.broken);
    }
    let compared = ledger::COMPARED.load(std::sync::atomic::Ordering::Relaxed);
    println!("{answers} answers, {compared} compared");
    assert!(compared > answers / 2, "{compared} of {answers} answers were compared");
}

/// What is ever answered to each request, by the phase's state.
const TABLE: &[(&str, &str, &[&str])] = &[
    ("claim", "pending", &["take", "blocked", "exhausted", "four_eyes"]),
    ("claim", "mine", &["renew", "take over", ELSEWHERE_MINE, "four_eyes"]),
    ("claim", "another's", &["claimed", "exhausted"]),
    ("claim", "stale", &["take over", "exhausted", "four_eyes"]),
    ("claim", "old layout", &["claimed"]),
    ("claim", "done", &["done"]),
    ("claim --takeover", "pending", &["take", "blocked", "exhausted", "four_eyes"]),
    ("claim --takeover", "mine", &["renew", "take over", ELSEWHERE_MINE, "four_eyes"]),
    ("claim --takeover", "another's", &["claimed", "take over", "exhausted", "four_eyes"]),
    ("claim --takeover", "stale", &["take over", "exhausted", "four_eyes"]),
    ("claim --takeover", "old layout", &["claimed"]),
    ("claim --takeover", "done", &["done"]),
    ("complete", "pending", &["not_claimed"]),
    ("complete", "mine", &["complete", "four_eyes"]),
    ("complete", "another's", &["not_owner", "lost"]),
    ("complete", "stale", &["not_owner", "lost"]),
    ("complete", "old layout", &["not_owner"]),
    ("complete", "done", &["confirm", "done"]),
    ("abort", "pending", &["nothing"]),
    ("abort", "mine", &["free"]),
    ("abort", "another's", &["not_owner", "lost"]),
    ("abort", "stale", &["not_owner", "lost"]),
    ("abort", "old layout", &["not_owner"]),
    ("abort", "done", &["done"]),
    ("unstuck", "pending", &["nothing"]),
    ("unstuck", "mine", &["free", "alive"]),
    ("unstuck", "another's", &["free", "alive"]),
    ("unstuck", "stale", &["free"]),
    ("unstuck", "old layout", &["free", "alive"]),
    ("unstuck", "done", &["done"]),
    ("unstuck --force", "pending", &["nothing", "forgive"]),
    ("unstuck --force", "mine", &["free"]),
    ("unstuck --force", "another's", &["free"]),
    ("unstuck --force", "stale", &["free"]),
    ("unstuck --force", "old layout", &["free"]),
    ("unstuck --force", "done", &["done"]),
];

/// Else the walk would prove nothing.
#[test]
fn the_walk_notices_every_broken_rule() {
    let scenarios = scenarios();
    for (what, rules, scenario, check) in BROKEN {
        let scenario = scenarios.iter().find(|known| known.name == *scenario);
        let report = scenario.map(|scenario| walk(scenario, *rules, Some(*check)));
        let noticed = report.is_some_and(|report| report.broken.contains_key(check));
        assert!(noticed, "rules that are broken pass: {what}: no {check:?}");
    }
}
