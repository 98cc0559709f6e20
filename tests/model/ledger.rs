//! A shared sprint: the shipped engine of clones against a server that the network cuts, delays and
//! does not answer for. [`crate::clones`] says what must hold; `ledger_broken` switches off the
//! defences of the engine, one at a time.

use git_conductor::record::ledger::Deed;
use git_conductor::store::dir::Dir as _;
use rustix::io::Errno;

use crate::clones::{
    COPY, CloneOf, DESKTOP, Do, LAPTOP, NONE, Script, Who, act, cut_off_everywhere, rescued,
    shared, together, truth,
};
use crate::explore::{
    Chaos, Effort, Stats, cut_everywhere, explore, explore_random, kill_everywhere, must_hold,
};
use crate::plan::{Effect, Fault, Kill, Mutex, Plan};
use crate::rng::Rng;
use crate::run::View;
use crate::world::Quiet;

const CLAIM: Script = &[Do::Claim("build")];
const WORK: Script = &[Do::Claim("build"), Do::Complete("build")];
const GIVE_UP: Script = &[Do::Claim("build"), Do::Abort("build")];

fn report(name: &str, stats: Stats) {
    eprintln!("{name}: {stats:?}");
}

/// Clones of two machines, each with one command at a time.
#[test]
fn two_clones_at_one_phase() {
    let effort = Effort::from_env();
    let actors = [((LAPTOP, "ann"), WORK), ((DESKTOP, "bob"), WORK)];
    // Each clone has a lock of its own.
    let plan = Plan { mutex: Mutex::Lying, ..Plan::default() };
    let scenario = together::<NONE>("two clones", shared("build:,ship:build"), &actors, 0);
    report("two clones", must_hold(explore(&scenario, &plan, effort)));
    let scenario = together::<NONE>("two clones cut", shared("build:"), &actors, 1);
    report("cut", must_hold(cut_off_everywhere(&scenario, &plan, effort.lighter(1))));
    let actors = [((LAPTOP, "ann"), GIVE_UP), ((DESKTOP, "bob"), CLAIM)];
    let scenario = together::<NONE>("given up", shared("build:"), &actors, 1);
    report("given up", must_hold(cut_off_everywhere(&scenario, &plan, effort.lighter(2))));
}

/// Two commands of one clone, with its lock working, absent and granted to both.
#[test]
fn two_commands_of_one_clone() {
    let effort = Effort::from_env();
    let actors = [((LAPTOP, "ann"), CLAIM), ((LAPTOP, "cyd"), CLAIM)];
    for mutex in [Mutex::Working, Mutex::Absent, Mutex::Lying] {
        let plan = Plan { mutex, ..Plan::default() };
        let scenario = together::<NONE>("one clone", shared("build:"), &actors, 1);
        report("one clone", must_hold(explore(&scenario, &plan, effort)));
        report("cut", must_hold(cut_off_everywhere(&scenario, &plan, effort.lighter(2))));
    }
}

/// A command is killed before any step, in the middle of its push as well, while another of its
/// clone and one of another are about.
#[test]
fn a_killed_command_leaves_what_the_next_one_decides() {
    let effort = Effort::from_env();
    let plan = Plan { mutex: Mutex::Lying, ..Plan::default() };
    let actors = [((LAPTOP, "ann"), WORK), ((DESKTOP, "bob"), CLAIM)];
    let scenario = together::<NONE>("killed", shared("build:"), &actors, 1);
    report("killed", must_hold(kill_everywhere(&scenario, &plan, effort.lighter(2))));
    let actors = [((LAPTOP, "ann"), CLAIM), ((LAPTOP, "cyd"), WORK)];
    let scenario = together::<NONE>("killed beside", shared("build:"), &actors, 1);
    report("killed beside", must_hold(kill_everywhere(&scenario, &plan, effort.lighter(2))));
}

/// The server never takes a claim: everything else goes on.
#[test]
fn what_the_server_never_takes_stops_nobody() {
    let effort = Effort::from_env();
    let mut start = shared("build:,ship:build");
    start.server.refuses = Some(|deed| matches!(deed, Deed::Claim { .. }));
    let actors = [((LAPTOP, "ann"), CLAIM), ((LAPTOP, "cyd"), &[Do::Archive] as Script)];
    let scenario = together::<NONE>("never taken", start, &actors, 0);
    let plan = Plan { mutex: Mutex::Lying, ..Plan::default() };
    report("never taken", must_hold(explore(&scenario, &plan, effort)));
}

/// What one clone fetches is one or two changes behind.
#[test]
fn a_copy_of_the_server_lags() {
    let effort = Effort::from_env();
    let plan = Plan { mutex: Mutex::Lying, ..Plan::default() };
    for lag in 1..3 {
        let mut start = shared("build:");
        start.server.lags = Some((LAPTOP.dir, lag));
        let actors = [((LAPTOP, "ann"), WORK), ((DESKTOP, "bob"), WORK)];
        let scenario = together::<NONE>("lags", start, &actors, 1);
        report("lags", must_hold(cut_off_everywhere(&scenario, &plan, effort.lighter(2))));
    }
}

/// One machine was copied, with its clone: the first change of either shows it to the other.
#[test]
fn a_copied_clone_is_noticed() {
    let effort = Effort::from_env();
    let mut start = shared("build:");
    start.told((LAPTOP, "ann"), Do::Claim("build"), "OK");
    let start = start.copied();
    let actors = [((LAPTOP, "ann"), &[Do::Complete("build")] as Script), ((COPY, "cyd"), CLAIM)];
    let plan = Plan { mutex: Mutex::Lying, ..Plan::default() };
    let scenario = together::<NONE>("copied", start, &actors, 1);
    report("copied", must_hold(explore(&scenario, &plan, effort)));
    report("cut", must_hold(cut_off_everywhere(&scenario, &plan, effort.lighter(2))));
}

/// Of two that share at once one begins the ledger.
#[test]
fn two_share_at_once() {
    let effort = Effort::from_env();
    let mut start = Quiet::new();
    start.run("setup", |ctx| {
        for clone in [LAPTOP, DESKTOP] {
            ctx.root().make_dir(clone.dir).unwrap();
        }
    });
    let share: Script = &[Do::Share("build:"), Do::Claim("build")];
    let actors = [((LAPTOP, "ann"), share), ((DESKTOP, "bob"), share)];
    let plan = Plan { mutex: Mutex::Lying, ..Plan::default() };
    let scenario = together::<NONE>("share", start, &actors, 1);
    report("share", must_hold(explore(&scenario, &plan, effort)));
    report("cut", must_hold(cut_off_everywhere(&scenario, &plan, effort.lighter(2))));
}

/// The power is cut behind every step of a command.
#[test]
fn the_power_is_cut() {
    let effort = Effort::from_env();
    let actors = [((LAPTOP, "ann"), WORK)];
    let scenario = together::<NONE>("power", shared("build:"), &actors, 0);
    let plan = Plan { mutex: Mutex::Lying, ..Plan::default() };
    let mut check = |view: &View<'_, String>, mut quiet: Quiet| {
        truth(view, &quiet.server)?;
        rescued(&mut quiet, LAPTOP, false)?;
        truth(view, &quiet.server)
    };
    report("power", must_hold(cut_everywhere(&scenario, &plan, effort.lighter(2), &mut check)));
}

/// What a clone keeps of the server is lost between any two commands, and in the middle of one.
#[test]
fn the_cache_is_thrown_away() {
    let effort = Effort::from_env();
    let plan = Plan { mutex: Mutex::Lying, ..Plan::default() };
    let actors = [
        ((LAPTOP, "ann"), WORK),
        ((LAPTOP, "cyd"), &[Do::Forget, Do::Claim("qa"), Do::Forget] as Script),
    ];
    let scenario = together::<NONE>("forgets", shared("build:,qa:"), &actors, 1);
    report("forgets", must_hold(explore(&scenario, &plan, effort.lighter(1))));
    report("cut", must_hold(cut_off_everywhere(&scenario, &plan, effort.lighter(2))));
    report("killed", must_hold(kill_everywhere(&scenario, &plan, effort.lighter(2))));
}

/// A copy is made while a change is on its way: whatever the laptop does then, the copy is told.
#[test]
fn a_copy_with_a_change_on_its_way_is_noticed() {
    for step in 1.. {
        for effect in [Effect::None, Effect::Half, Effect::Full] {
            let mut start = shared("build:,qa:");
            let fault = Fault { command: 0, step, errno: Errno::IO, effect };
            let kill = Kill { command: 0, step: step + 1, torn: true };
            let plan = Plan::default().with_fault(fault).with_kill(kill);
            let (told, _) = start
                .run_traced("A", plan, |ctx| act::<NONE>(ctx, (LAPTOP, "ann"), Do::Claim("build")));
            let mut start = start.copied();
            start.server.deliver_all();
            start.told((LAPTOP, "ann"), Do::Claim("qa"), "OK");
            let copy = start.run("copy", |ctx| act::<NONE>(ctx, (COPY, "cyd"), Do::Claim("build")));
            assert_eq!(copy, "Copied", "after step {step}, {effect:?}, told {told}");
            start.told((LAPTOP, "ann"), Do::Complete("qa"), "OK");
            if told == "OK" && step > 60 {
                return;
            }
        }
    }
}

/// A commit that breaks the rules stops every change, however a clone comes to see it; and a ref
/// that was set back or removed does.
#[test]
fn what_is_wrong_with_the_server_is_said() {
    let begin = || {
        let mut quiet = shared("build:,qa:");
        quiet.told((LAPTOP, "ann"), Do::Claim("build"), "OK");
        quiet.told((DESKTOP, "bob"), Do::Sync, "OK");
        quiet
    };
    let said = |quiet: &mut Quiet, who: Who| {
        let answer = quiet.run("asks", |ctx| act::<NONE>(ctx, who, Do::Claim("qa")));
        answer.split('(').next().unwrap().to_owned()
    };
    let mut quiet = begin();
    quiet.told((DESKTOP, "bob"), Do::Intrude, "");
    assert_eq!(said(&mut quiet, (LAPTOP, "ann")), "Invalid");
    assert_eq!(said(&mut quiet, (DESKTOP, "bob")), "Invalid");
    // It comes on top of a change of which nothing was heard.
    let mut quiet = begin();
    quiet.server.lags = None;
    let mut quiet = cut_off(quiet, Effect::Full);
    quiet.told((DESKTOP, "bob"), Do::Intrude, "");
    assert_eq!(said(&mut quiet, (LAPTOP, "ann")), "Invalid");
    assert_eq!(said(&mut quiet, (LAPTOP, "ann")), "Invalid");
    for (by, word) in [(1, "Behind"), (9, "Rewound")] {
        let mut quiet = begin();
        quiet.told((DESKTOP, "bob"), Do::Rewind(by), "");
        assert_eq!(said(&mut quiet, (LAPTOP, "ann")), word, "{by}");
    }
}

/// The laptop completes its phase, and neither that push nor any question after it is answered.
fn cut_off(mut quiet: Quiet, effect: Effect) -> Quiet {
    for step in 1..200 {
        let mut tried = quiet.clone();
        let fault = |step, effect| Fault { command: 0, step, errno: Errno::IO, effect };
        let plan = Plan {
            faults: std::iter::once(fault(step, effect))
                .chain((step + 1..step + 40).map(|step| fault(step, Effect::None)))
                .collect(),
            ..Plan::default()
        };
        let moves = tried.server.moves.len();
        let (told, _) = tried
            .run_traced("A", plan, |ctx| act::<NONE>(ctx, (LAPTOP, "ann"), Do::Complete("build")));
        if told == "unknown" && tried.server.moves.len() > moves {
            quiet = tried;
            return quiet;
        }
    }
    panic!("no step is the push");
}

/// The server takes nothing for a while; what could not be decided then stops nobody later.
#[test]
fn a_server_that_takes_nothing_for_a_while() {
    for first in [Do::Claim("build"), Do::Join, Do::Share("build:")] {
        let begins = matches!(first, Do::Share(_));
        let mut quiet = if begins { Quiet::new() } else { shared("build:") };
        let newcomer = CloneOf { dir: "tablet", member: "tablet" };
        let is_member = matches!(first, Do::Claim(_));
        let who = if is_member { (LAPTOP, "ann") } else { (newcomer, "eve") };
        quiet.run("setup", |ctx| ctx.root().make_dir(newcomer.dir).unwrap());
        quiet.server.refuses = Some(|_| true);
        for _ in 0..3 {
            quiet.told(who, first, "unknown");
        }
        let names = quiet.fs.peek_list(who.0.dir).filter(|name| name.starts_with("intent."));
        // One for each command, and one that would decide them.
        assert!(names.count() <= 4);
        let board = quiet.run("alone", |ctx| act::<NONE>(ctx, who, Do::Sync));
        assert!(board.contains("does not take") || board.contains("declined"), "{board}");
        quiet.server.refuses = None;
        quiet.told(who, first, "OK");
        quiet.told(who, Do::Sync, "OK");
        let left = quiet.fs.peek_list(who.0.dir).find(|name| name.starts_with("intent."));
        assert_eq!(left, None);
    }
}

/// Up to three pushes, questions or files go wrong in any way, and two commands are killed.
#[test]
fn random_runs_with_several_faults() {
    let effort = Effort::from_env();
    let actors = [
        ((LAPTOP, "ann"), WORK),
        ((LAPTOP, "cyd"), &[Do::Claim("qa"), Do::Forget, Do::Abort("qa")] as Script),
        ((DESKTOP, "bob"), &[Do::Claim("build"), Do::Claim("qa")]),
    ];
    let scenario = together::<NONE>("faults", shared("build:,qa:"), &actors, 3);
    for seed in 0..effort.random_runs / 10 {
        let mut rng = Rng::new(seed);
        let mut plan = Plan { mutex: Mutex::Lying, salt: rng.below(64), ..Plan::default() };
        for _ in 0..rng.below(4) {
            let (command, step) = (rng.index(3), 1 + rng.index(90));
            let effect = [Effect::None, Effect::Half, Effect::Full][rng.index(3)];
            plan.faults.push(Fault { command, step, errno: Errno::IO, effect });
        }
        let chaos = Chaos { kills: true, ..Chaos::default() };
        must_hold(explore_random(&scenario, &plan, chaos, 1, seed));
    }
}

/// Anything, at random.
#[test]
fn random_runs() {
    let effort = Effort::from_env();
    let actors = [
        (
            (LAPTOP, "ann"),
            &[Do::Claim("build"), Do::Complete("build"), Do::Claim("ship")] as Script,
        ),
        ((LAPTOP, "cyd"), &[Do::Claim("build"), Do::Abort("build"), Do::Claim("qa")]),
        ((DESKTOP, "bob"), &[Do::Claim("qa"), Do::Force("build"), Do::Complete("qa"), Do::Archive]),
    ];
    let scenario = together::<NONE>("random", shared("build:,qa:,ship:build+qa"), &actors, 2);
    let plan = Plan { mutex: Mutex::Lying, ..Plan::default() };
    let runs = effort.random_runs / 5;
    report("random", must_hold(explore_random(&scenario, &plan, Chaos::ALL, runs, 1)));
}

/// Two who see the same board, and what becomes of it, in plain steps.
#[test]
fn a_session_of_two_machines() {
    let mut quiet = shared("build:,ship:build");
    quiet.told((LAPTOP, "ann"), Do::Claim("build"), "OK");
    quiet.told((LAPTOP, "ann"), Do::Claim("build"), "already");
    quiet.told((DESKTOP, "bob"), Do::Claim("build"), "Rule(Claimed { same_agent: false })");
    quiet.told((DESKTOP, "ann"), Do::Claim("build"), "Rule(Claimed { same_agent: false })");
    quiet.told((DESKTOP, "bob"), Do::Claim("ship"), "Rule(Blocked)");
    quiet.told((DESKTOP, "bob"), Do::Complete("build"), "Rule(NotOwner)");
    quiet.told((DESKTOP, "bob"), Do::Abort("build"), "Rule(NotOwner)");
    quiet.told((LAPTOP, "ann"), Do::Complete("build"), "OK");
    quiet.told((DESKTOP, "bob"), Do::Claim("build"), "Rule(Done)");
    quiet.told((DESKTOP, "bob"), Do::Claim("ship"), "OK");
    quiet.told((LAPTOP, "ann"), Do::Force("ship"), "OK");
    quiet.told((DESKTOP, "bob"), Do::Complete("ship"), "Rule(NotClaimed)");
    quiet.told((DESKTOP, "bob"), Do::Archive, "OK");
    quiet.told((DESKTOP, "bob"), Do::Claim("ship"), "Archived");
    quiet.told((LAPTOP, "ann"), Do::Share("build:"), "Beginning");
    quiet.told((DESKTOP, "bob"), Do::Join, "Membership");
    quiet.server.check().unwrap();
    let board = quiet.server.board().unwrap();
    assert_eq!(board.board.seq, 6);
}
