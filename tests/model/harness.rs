//! Tests of the scheduler and the explorers: they find what is planted, and count what they should.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::rc::Rc;

use git_conductor::store::dir::{Dir, NewFile};
use rustix::io::Errno;

use crate::explore::{
    Chaos, Effort, FAULTS, explore, explore_random, fail_everywhere, kill_everywhere, must_fail,
    must_hold, repeat,
};
use crate::plan::{Effect, Fault, Kill, Mutex, Plan, Replay, errno_name};
use crate::run::{Outcome, Scenario};
use crate::world::{Ctx, Quiet};

fn bound(preemptions: usize) -> Effort {
    Effort { preemptions, ..Effort::of_depth(2) }
}

/// Everything that was seen in any run.
type Seen<T> = Rc<RefCell<BTreeSet<T>>>;

/// Looks `steps` times.
fn look(ctx: &Ctx<'_>, steps: usize) {
    for _ in 0..steps {
        drop(ctx.root().stat("x"));
    }
}

/// How many schedules of commands with so many steps have at most `bound` preemptions.
fn schedules(left: &[usize], current: Option<usize>, bound: usize) -> u64 {
    if left.iter().all(|steps| *steps == 0) {
        return 1;
    }
    let current = current.filter(|at| left[*at] > 0);
    let mut count = 0;
    for next in 0..left.len() {
        let preempts = usize::from(current.is_some_and(|current| current != next));
        if left[next] > 0 && preempts <= bound {
            let mut left = left.to_vec();
            left[next] -= 1;
            count += schedules(&left, Some(next), bound - preempts);
        }
    }
    count
}

#[test]
fn every_schedule_is_run_once() {
    for steps in [&[1, 1][..], &[3, 2], &[5, 5], &[2, 3, 4], &[2, 2, 2, 2]] {
        for preemptions in 0..4 {
            let mut scenario = Scenario::new("counting", Quiet::new());
            let names = ["A", "B", "C", "D"];
            for (name, steps) in names.into_iter().zip(steps.iter().copied()) {
                scenario = scenario.command(name, move |ctx| look(ctx, steps));
            }
            let stats = must_hold(explore(&scenario, &Plan::default(), bound(preemptions)));
            let expected = schedules(steps, None, preemptions);
            assert_eq!(stats.runs, expected, "{steps:?} with {preemptions}");
        }
    }
    // All interleavings of 5 and 5 steps: 10 over 5.
    assert_eq!(schedules(&[5, 5], None, 10), 252);
}

/// Adds one to a number in a file; without protection.
fn increment(ctx: &Ctx<'_>) -> io::Result<()> {
    let root = ctx.root();
    let old = root.read("number", 9)?;
    let new = old.first().map_or(1, |digit| digit - b'0' + 1);
    let temporary = format!(".tmp.{}", ctx.fresh_token());
    root.create(&temporary, false)?.write(&[b'0' + new])?;
    root.rename(&temporary, &root, "number")
}

/// The same, but only while it has the one token.
fn protected_increment(ctx: &Ctx<'_>) -> io::Result<()> {
    let root = ctx.root();
    let mine = format!("held.{}", ctx.fresh_token());
    while root.rename("free", &root, &mine).is_err() {
        ctx.pause(1);
    }
    increment(ctx)?;
    root.rename(&mine, &root, "free")
}

fn start() -> Quiet {
    let mut start = Quiet::new();
    start.run("setup", |ctx| {
        drop(ctx.root().create("number", false).unwrap());
        drop(ctx.root().create("free", false).unwrap());
    });
    start
}

fn counting(
    name: &'static str,
    commands: usize,
    body: fn(&Ctx<'_>) -> io::Result<()>,
) -> Scenario<io::Result<()>> {
    let mut scenario = Scenario::new(name, start());
    for name in ["A", "B", "C"].into_iter().take(commands) {
        scenario = scenario.command(name, body);
    }
    scenario.finally(|view| {
        let counted = view.outcomes.iter().flatten().filter(|o| matches!(o.done(), Some(Ok(()))));
        let (counted, number) = (counted.count(), view.fs.peek_read("number").unwrap());
        let number = number.first().map_or(0, |digit| usize::from(digit - b'0'));
        if counted > number { Err(format!("{counted} done, {number} counted")) } else { Ok(()) }
    })
}

#[test]
fn a_lost_update_is_found() {
    let scenario = counting("lost update", 2, increment);
    must_hold(explore(&scenario, &Plan::default(), bound(0)));
    let failure = must_fail(explore(&scenario, &Plan::default(), bound(3)), "2 done, 1 counted");
    // One preemption is enough, at the last moment; the trace shows it.
    let expected = "\
lost update: 2 done, 1 counted
    1 A read number = ok
    2 A create .tmp.a10002 = ok
    3 A write 1 bytes to .tmp.a10002 = ok
    4 B read number = ok
    5 B create .tmp.b10003 = ok
    6 B write 1 bytes to .tmp.b10003 = ok
    7 B rename .tmp.b10003 -> number = ok
    7 B ends
    8 A rename .tmp.a10002 -> number = ok
    8 A ends
MODEL_REPLAY='lost update: A*3,B*4,A*1'";
    assert_eq!(failure.to_string(), expected);
}

#[test]
fn what_is_right_passes() {
    let scenario = counting("protected", 2, protected_increment);
    let stats = must_hold(explore(&scenario, &Plan::default(), bound(4)));
    assert!(stats.runs > 300, "{stats:?}");
    let scenario = counting("protected by three", 3, protected_increment);
    let effort = Effort::from_env();
    must_hold(explore(&scenario, &Plan::default(), effort.lighter(1)));
    must_hold(explore_random(&scenario, &Plan::default(), Chaos::default(), effort.random_runs, 1));
}

#[test]
fn a_schedule_can_be_repeated() {
    let scenario = counting("repeated", 3, increment);
    let found = explore_random(&scenario, &Plan::default(), Chaos::default(), 1_000, 7);
    let failure = must_fail(found, "counted");
    assert!(failure.seed.is_some());
    let replay = Replay::parse(&failure.replay, &scenario.names).unwrap();
    let again = repeat(&scenario, &replay, None);
    assert_eq!(again.trace, failure.trace);
    assert_eq!(again.outcomes.iter().flatten().count(), 3);
    assert!(failure.reason.ends_with(&again.failure.unwrap()));
    // A schedule that does not fit is told from one that holds.
    let replay = Replay::parse("repeated: A*9", &scenario.names).unwrap();
    assert!(repeat(&scenario, &replay, None).failure.unwrap().contains("does not fit"));
}

#[test]
fn a_replay_survives_its_text() {
    let names = ["A", "B"];
    let fault = |step, errno, effect| Fault { command: 1, step, errno, effect };
    let replay = Replay {
        scenario: "some thing".to_owned(),
        picks: vec![0, 0, 1, 0],
        plan: Plan {
            kills: vec![
                Kill { command: 0, step: 3, torn: false },
                Kill { command: 1, step: 12, torn: true },
            ],
            faults: vec![
                fault(1, Errno::IO, Effect::None),
                fault(2, Errno::NOSPC, Effect::Half),
                fault(3, Errno::STALE, Effect::Full),
            ],
            mutex: Mutex::Lying,
            salt: 7,
        },
        cut: Some(vec![0, 1, 2]),
    };
    let text = replay.text(&names);
    assert_eq!(Replay::parse(&text, &names), Ok(replay));
    let text = "x: A*2 mutex=absent";
    assert_eq!(Replay::parse(text, &names).unwrap().text(&names), text);
    for wrong in ["x", "x: C", "x: A*y", "x: kill=A", "x: fail=A@1:EWHAT", "x: what=1"] {
        assert!(Replay::parse(wrong, &names).is_err(), "{wrong}");
    }
}

#[test]
fn a_listing_can_miss_a_renamed_file_or_see_it_twice() {
    let mut lists = BTreeSet::new();
    for salt in 0..8 {
        let mut start = Quiet::new();
        start.run("setup", |ctx| drop(ctx.root().create("owner.1", false).unwrap()));
        let seen: Seen<Vec<String>> = Seen::default();
        let collected = seen.clone();
        let scenario = Scenario::new("listing", start)
            .command("A", move |ctx| {
                let entries = ctx.root().list(9).unwrap();
                let mut names: Vec<_> = entries.into_iter().map(|entry| entry.name).collect();
                names.sort();
                collected.borrow_mut().insert(names);
            })
            .command("B", |ctx| ctx.root().rename("owner.1", &ctx.root(), "owner.2").unwrap());
        must_hold(explore(&scenario, &Plan { salt, ..Plan::default() }, bound(1)));
        lists.extend(seen.take());
    }
    let lists: Vec<String> = lists.into_iter().map(|names| names.join(" ")).collect();
    assert_eq!(lists, ["", "owner.1", "owner.1 owner.2", "owner.2"]);
}

/// Makes a file in four steps, and says how far it came.
fn make_file(ctx: &Ctx<'_>) -> io::Result<()> {
    let mut file = ctx.root().create("file", false)?;
    ctx.note("created", "");
    file.write(b"content")?;
    file.sync()?;
    ctx.root().rename("file", &ctx.root(), "final")
}

#[test]
fn a_killed_command_has_no_effect_any_more() {
    let seen: Seen<String> = Seen::default();
    let collected = seen.clone();
    let scenario = Scenario::new("killed", Quiet::new())
        .command("A", |ctx| {
            let result = make_file(ctx);
            // As a destructor would.
            if result.is_err() {
                ctx.note("cleaning up", "");
                drop(ctx.root().remove_file("file"));
            }
            result.is_ok()
        })
        .finally(move |view| {
            let notes: Vec<_> = view.notes.iter().map(|note| note.what).collect();
            let outcome = view.outcome("A");
            collected.borrow_mut().insert(format!("{outcome:?} {notes:?} {:?}", view.fs.dump()));
            if outcome == Some(&Outcome::Done(false)) { Err("alive".to_owned()) } else { Ok(()) }
        });
    let stats = must_hold(kill_everywhere(&scenario, &Plan::default(), bound(0)));
    // Four steps, one of them a write, and once past the end.
    assert_eq!(stats.runs, 4 + 1 + 1);
    let expected = [
        r#"Some(Done(true)) ["created"] ["final 1x \"content\""]"#,
        r#"Some(Killed) ["created"] ["file 1x \"\""]"#,
        r#"Some(Killed) ["created"] ["file 1x \"con\""]"#,
        r#"Some(Killed) ["created"] ["file 1x \"content\""]"#,
        "Some(Killed) [] []",
    ];
    assert_eq!(Vec::from_iter(seen.take()), expected);
}

#[test]
fn every_step_fails_with_every_error() {
    let seen: Seen<String> = Seen::default();
    let collected = seen.clone();
    let scenario = Scenario::new("failing", Quiet::new())
        .command("A", |ctx| make_file(ctx).map_err(|error| error.raw_os_error()))
        .finally(move |view| {
            let result = view.outcome("A").and_then(Outcome::done).unwrap();
            let errno = result.err().flatten().map(Errno::from_raw_os_error);
            let errno = errno.map_or_else(|| "ok".to_owned(), errno_name);
            collected.borrow_mut().insert(format!("{errno} {:?}", view.fs.dump()));
            Ok(())
        });
    let stats = must_hold(fail_everywhere(&scenario, &Plan::default(), FAULTS, bound(0)));
    assert_eq!(stats.runs, FAULTS.len() as u64 * 5 + 1);
    let seen = seen.take();
    // For each error: nothing there, an empty file, the whole one; for ENOSPC half of it; and the
    // run in which nothing failed. A write that is interrupted goes on, and leaves no empty file.
    assert_eq!(seen.len(), FAULTS.len() * 3 + 1, "{seen:#?}");
    assert!(seen.contains(r#"ENOSPC ["file 1x \"con\""]"#), "{seen:#?}");
}

#[test]
fn an_effect_can_come_with_an_error() {
    let fault = Fault { command: 0, step: 1, errno: Errno::STALE, effect: Effect::Full };
    let plan = Plan::default().with_fault(fault);
    let mut quiet = Quiet::new();
    let (result, trace) = quiet.run_traced("A", plan, |ctx| ctx.root().make_dir("d"));
    assert_eq!(result.unwrap_err().raw_os_error(), Some(Errno::STALE.raw_os_error()));
    assert_eq!(quiet.fs.dump(), ["d/"]);
    assert_eq!(trace, ["  1 A mkdir d = ESTALE"]);
}

fn hold_mutex(ctx: &Ctx<'_>) -> bool {
    let held = ctx.mutex(1_000_000);
    if held {
        ctx.note("in", "");
        drop(ctx.root().stat("x"));
        ctx.note("out", "");
        ctx.release_mutex();
    }
    held
}

fn mutex_scenario() -> Scenario<bool> {
    Scenario::new("mutex", Quiet::new()).command("A", hold_mutex).command("B", hold_mutex).always(
        |view| {
            let inside = view.count("in") - view.count("out");
            if inside > 1 { Err("both are in".to_owned()) } else { Ok(()) }
        },
    )
}

#[test]
fn a_working_mutex_lets_one_in_and_survives_its_holder() {
    let scenario = mutex_scenario();
    must_hold(explore(&scenario, &Plan::default(), bound(3)));
    // Who waits gets it as soon as the other is done; only one who is kept waiting goes without.
    let fair = mutex_scenario().finally(|view| {
        let held = |name| view.outcome(name) == Some(&Outcome::Done(true));
        if held("A") && held("B") { Ok(()) } else { Err("went without".to_owned()) }
    });
    must_hold(explore(&fair, &Plan::default(), bound(1)));
    must_fail(explore(&fair, &Plan::default(), bound(2)), "went without");
    // Killed inside: "in" without "out", but the next one gets it.
    let survived = Scenario::new("mutex of the dead", Quiet::new())
        .command("A", hold_mutex)
        .command("B", hold_mutex)
        .finally(|view| match view.outcome("B") {
            Some(Outcome::Done(false)) => Err("the dead hold it".to_owned()),
            _ => Ok(()),
        });
    must_hold(kill_everywhere(&survived, &Plan::default(), bound(0)));
}

#[test]
fn a_mutex_can_be_absent_or_lie() {
    let absent = Plan { mutex: Mutex::Absent, ..Plan::default() };
    let never = mutex_scenario()
        .finally(|view| if view.count("in") == 0 { Ok(()) } else { Err("granted".to_owned()) });
    must_hold(explore(&never, &absent, bound(2)));
    let lying = Plan { mutex: Mutex::Lying, ..Plan::default() };
    must_fail(explore(&mutex_scenario(), &lying, bound(1)), "both are in");
}

#[test]
fn whoever_pauses_lets_the_others_go_first() {
    let waiting = |ctx: &Ctx<'_>| {
        let before = ctx.now();
        while ctx.root().stat("flag").is_err() {
            ctx.pause(1_000_000_000);
        }
        ctx.now() - before
    };
    let scenario = Scenario::new("pause", Quiet::new())
        .command("A", waiting)
        .command("B", |ctx| ctx.root().make_dir("flag").map_or(0, |()| 1))
        .finally(|view| match view.outcome("A") {
            Some(Outcome::Done(0..10_000_000_000)) => Ok(()),
            other => Err(format!("{other:?}")),
        });
    must_hold(explore(&scenario, &Plan::default(), bound(2)));
    // No one comes to set the flag.
    let alone = Scenario::new("pause for ever", Quiet::new()).command("A", waiting).max_steps(500);
    must_fail(explore(&alone, &Plan::default(), bound(0)), "livelock: no end after 500 steps");
}

#[test]
fn agents_die_at_any_moment_and_verdicts_can_be_wrong() {
    let mut start = Quiet::new();
    let agent = start.life.spawn();
    let seen: Seen<Vec<bool>> = Seen::default();
    let collected = seen.clone();
    let dying = Scenario::new("dying", start.clone())
        .command("A", move |ctx| {
            let answers = vec![ctx.is_alive(agent), ctx.is_alive(agent), ctx.is_alive(ctx.pid())];
            collected.borrow_mut().insert(answers);
        })
        .command("agent", move |ctx| ctx.kill(agent))
        .finally(
            move |view| {
                if view.life.lives(agent) { Err("it lives".to_owned()) } else { Ok(()) }
            },
        );
    must_hold(explore(&dying, &Plan::default(), bound(1)));
    let expected = [vec![false, false, true], vec![true, false, true], vec![true, true, true]];
    assert_eq!(Vec::from_iter(seen.take()), expected);

    start.life.verdict = Some(Rc::new(move |_asking, asked, truth| truth && asked != agent));
    assert!(start.life.lives(agent));
    assert!(!start.run("B", |ctx| ctx.is_alive(agent)));
    assert!(start.run("B", |ctx| ctx.is_alive(ctx.pid())));
}

#[test]
fn one_agent_runs_several_commands_and_a_kill_ends_only_one() {
    let seen: Seen<Vec<Option<bool>>> = Seen::default();
    let collected = seen.clone();
    let session = move |ctx: &Ctx<'_>| {
        let first = ctx.pid();
        let invocations = ["a", "b", "c"].map(|name| {
            ctx.invoke(|ctx| {
                assert_ne!(ctx.pid(), first);
                let made = ctx.root().make_dir(name).is_ok();
                // What is seen from outside is what the command has done.
                assert_eq!(made, ctx.peek().exists(name));
                made && !ctx.is_alive(first)
            })
        });
        collected.borrow_mut().insert(invocations.to_vec());
    };
    let scenario = Scenario::new("session", Quiet::new()).command("A", session).finally(|view| {
        if view.fs.peek_list("").count() >= 2 { Ok(()) } else { Err("ended early".to_owned()) }
    });
    must_hold(kill_everywhere(&scenario, &Plan::default(), bound(0)));
    let seen = seen.take();
    assert_eq!(seen.len(), 4, "{seen:?}");
    assert!(seen.iter().all(|session| session.iter().filter(|run| run.is_none()).count() <= 1));
}

#[test]
fn a_panic_is_a_failure_with_a_trace() {
    let scenario = counting("panic", 2, |ctx| {
        ctx.root().make_dir("once").expect("the second one panics");
        Ok(())
    });
    let failure =
        must_fail(explore(&scenario, &Plan::default(), bound(0)), "B panicked: the second");
    assert_eq!(failure.trace.last().unwrap(), "  2 B mkdir once = EEXIST");
    let scenario = counting("assertion", 2, protected_increment).always(|view| {
        assert!(view.steps < 7, "an assertion is as good");
        Ok(())
    });
    must_fail(explore(&scenario, &Plan::default(), bound(0)), "an assertion is as good");
}

#[test]
fn a_command_that_ignores_its_death_ends_all_the_same() {
    let scenario = counting("undead", 1, |ctx| {
        while ctx.root().make_dir("d").is_err() {}
        Ok(())
    });
    let plan = Plan::default().with_kill(Kill { command: 0, step: 1, torn: false });
    must_hold(explore(&scenario, &plan, bound(0)));
}

#[test]
fn random_runs_draw_kills_and_faults() {
    let seen: Seen<&str> = Seen::default();
    let collected = seen.clone();
    let scenario = counting("chaos", 3, increment).finally(move |view| {
        let mut seen = collected.borrow_mut();
        for outcome in view.outcomes.iter().flatten() {
            seen.insert(match outcome {
                Outcome::Killed => "killed",
                Outcome::Done(Ok(())) => "done",
                Outcome::Done(Err(_)) => "failed",
            });
        }
        if seen.len() == 3 { Err("all seen".to_owned()) } else { Ok(()) }
    });
    let found = explore_random(&scenario, &Plan::default(), Chaos::ALL, 2_000, 1);
    assert!(found.is_err());
    // A holder that dies leaves the others waiting for ever: that protocol does not recover.
    let scenario = counting("no recovery", 3, protected_increment).max_steps(300);
    let found = kill_everywhere(&scenario, &Plan::default(), bound(0));
    must_fail(found, "livelock");
}

/// `cargo test --release --test model speed -- --ignored --nocapture`
#[test]
#[ignore = "measures, and prints what it measured"]
fn speed() {
    for steps in [15, 30] {
        let scenario = Scenario::new("speed", start())
            .command("A", move |ctx| look(ctx, steps))
            .command("B", move |ctx| look(ctx, steps))
            .always(|view| if view.fs.exists("none") { Err(String::new()) } else { Ok(()) });
        let begin = std::time::Instant::now();
        let runs = must_hold(explore(&scenario, &Plan::default(), bound(3))).runs;
        let each = begin.elapsed() / u32::try_from(runs).unwrap();
        println!("looking, twice {steps} steps: {runs} runs, {each:?} each");
    }
    let scenario = Scenario::new("speed of changes", start())
        .command("A", |ctx| (0..6).try_for_each(|_| protected_increment(ctx)))
        .command("B", |ctx| (0..6).try_for_each(|_| protected_increment(ctx)))
        .always(|view| if view.fs.exists("none") { Err(String::new()) } else { Ok(()) });
    let begin = std::time::Instant::now();
    let runs = must_hold(explore(&scenario, &Plan::default(), bound(3))).runs;
    let each = begin.elapsed() / u32::try_from(runs).unwrap();
    println!("changing, about twice 36 steps: {runs} runs, {each:?} each");
}
