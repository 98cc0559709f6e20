//! A command is killed before each of its steps, and then everyone tries to go on: the rows of the
//! table "What the next command finds after a kill".

use crate::conductor::{Agent, Checked, Do, NONE, Script, act, held, sprint, stale, together};
use crate::explore::{Effort, kill_everywhere, must_hold};
use crate::monitor::{Rules, watched};
use crate::plan::Plan;
use crate::run::{Outcome, View};
use crate::world::Quiet;

/// What is on the disk, in the words of the table.
fn found(view: &View<'_, String>) -> &'static str {
    let fs = view.fs;
    let sprint = fs.peek_list("conductor").filter(|name| name.len() == 28).last();
    let path = format!("conductor/{}/build", sprint.unwrap_or_default());
    let has = |dir: &str, prefix: &str| {
        fs.peek_list(&format!("{path}{dir}")).any(|name| name.starts_with(prefix))
    };
    // Killed before the marker was whole, it tells no more than a bare latch.
    let latch = format!("{path}/lock.d");
    let whole = |name: &str| {
        let marker = fs.peek_read(&format!("{latch}/{name}"));
        marker.is_some_and(|marker| marker.ends_with(b"\n"))
    };
    let marked = fs.peek_list(&latch).filter(|name| name.starts_with("latch.")).any(whole);
    match () {
        () if has("", "done") => "done",
        () if has("/lock", "completing.") => "committed",
        () if has("/lock", "owner.") && has("/lock", "done.") => "prepared",
        () if has("/lock", "owner.") => "owner",
        () if has("/lock", "free.") => "freed",
        () if fs.exists(&format!("{path}/lock")) => "ruin",
        () if marked => "latch",
        () if fs.exists(&format!("{path}/lock.d")) => "bare latch",
        () => "nothing",
    }
}

/// Requires of a lone command in the world that was left one of the answers `allowed`.
fn expect(
    quiet: &Quiet,
    agent: Agent,
    what: Do,
    allowed: &[&str],
    on_disk: &'static str,
) -> Checked {
    let mut quiet = quiet.clone();
    let answer = quiet.run("next", |ctx| act::<NONE>(ctx, agent, what));
    // A failure's text is not compared.
    let code = answer.split(' ').next().unwrap_or_default();
    if allowed.contains(&code) {
        Ok(())
    } else {
        Err(format!("on disk: {on_disk}; then {what:?} by {}: {answer}", agent.name))
    }
}

/// The table: what each next command answers to what is on the disk. `owner` had it or wanted it.
fn table(view: &View<'_, String>, owner: Agent, other: Agent, owner_lives: bool) -> Checked {
    let on_disk = found(view);
    let now = view.quiet();
    let mut dead = now.clone();
    dead.life.kill(owner.pid);
    let mut later = dead.clone();
    later.now += 7_200_000_000_000;
    let claim = Do::Claim("build");
    // Who wants it now, the owner of before, another while that one lives, one who takes over from
    // a dead one, and one after the hour.
    let (mine, others, heirs): (&[&str], &[&str], &[&str]) = match on_disk {
        "done" | "committed" => (&["done"], &["done"], &["done"]),
        "owner" | "prepared" if owner_lives => (&["OK"], &["claimed"], &["OK"]),
        "owner" | "prepared" => (&["OK", "claimed"], &["OK", "claimed"], &["OK"]),
        "bare latch" => (&["!busy"], &["!busy"], &["!busy", "OK"]),
        _ => (&["OK"], &["OK"], &["OK"]),
    };
    expect(&now, owner, claim, mine, on_disk)?;
    expect(&now, other, claim, others, on_disk)?;
    expect(&dead, other, Do::Takeover("build"), heirs, on_disk)?;
    expect(&later, other, claim, heirs, on_disk)?;
    // Who sees something looks; who is killed in between never makes reading fail.
    let mut reader = now.clone();
    let board = reader.ask(other, Do::Status);
    if board.starts_with('!') {
        return Err(format!("on disk: {on_disk}; status: {board}"));
    }
    let (complete, abort, unstuck): (&[&str], &[&str], &[&str]) = match on_disk {
        "done" | "committed" => (&["OK", "done"], &["done"], &["done"]),
        "owner" | "prepared" => {
            (&["OK", "lost", "not_owner"], &["OK", "lost", "not_owner"], &["OK"])
        }
        // Nobody holds it: that is what who gives it up wants, unless another has ended the claim.
        _ => (&["not_claimed"], &["OK", "lost"], &["OK"]),
    };
    expect(&now, owner, Do::Complete("build"), complete, on_disk)?;
    expect(&now, owner, Do::Abort("build"), abort, on_disk)?;
    expect(&now, other, Do::Force("build"), unstuck, on_disk)?;
    if on_disk == "owner" && owner_lives {
        expect(&now, other, Do::Unstuck("build"), &["alive"], on_disk)?;
    }
    let blocked = on_disk == "owner" || on_disk == "prepared";
    let start: &[&str] = if blocked { &["claimed", "OK"] } else { &["OK"] };
    expect(&now, other, Do::Start("build:"), start, on_disk)?;
    expect(&now, owner, Do::Start("build:"), start, on_disk)
}

/// Kills the only command everywhere, and reads the table at each place.
fn killed_alone(
    name: &'static str,
    start: Quiet,
    owner: Agent,
    other: Agent,
    by: Agent,
    what: Script,
) {
    let owner_lives = start.life.lives(owner.pid);
    let scenario = together::<NONE>(name, start, &[(by, what)])
        .finally(move |view| table(view, owner, other, owner_lives));
    let effort = Effort { preemptions: 0, ..Effort::from_env() };
    let stats = must_hold(kill_everywhere(
        &watched(scenario, Rules::ENDS, &["build"]),
        &Plan::default(),
        effort,
    ));
    assert!(stats.runs > 10, "{name}: {stats:?}");
}

#[test]
fn every_row_of_the_table() {
    let (start, [ann, bob, ..]) = sprint("build:");
    killed_alone("killed claim", start, ann, bob, ann, &[Do::Claim("build")]);
    let (start, [ann, bob, ..]) = held();
    killed_alone("killed renewal", start.clone(), ann, bob, ann, &[Do::Claim("build")]);
    let complete: Script = &[Do::HandIn("build", "artifact")];
    killed_alone("killed complete", start.clone(), ann, bob, ann, complete);
    killed_alone("killed abort", start.clone(), ann, bob, ann, &[Do::Abort("build")]);
    killed_alone("killed force", start, ann, bob, bob, &[Do::Force("build")]);
}

#[test]
fn a_takeover_that_is_killed() {
    let (start, [ann, bob, cyd, _]) = stale();
    // Whoever took it over has it, or nobody has.
    let scenario = together::<NONE>("killed reclaim", start, &[(bob, &[Do::Claim("build")])])
        .finally(move |view| {
            let on_disk = found(view);
            let now = view.quiet();
            expect(&now, bob, Do::Claim("build"), &["OK"], on_disk)?;
            expect(&now, cyd, Do::Claim("build"), &["OK", "claimed"], on_disk)?;
            expect(&now, ann, Do::Complete("build"), &["OK", "lost"], on_disk)
        });
    let effort = Effort { preemptions: 0, ..Effort::from_env() };
    must_hold(kill_everywhere(
        &watched(scenario, Rules::ALL, &["build"]),
        &Plan::default(),
        effort,
    ));
}

/// A kill of one of two, at every step and with a preemption at every other.
fn killed_beside(name: &'static str, start: Quiet, actors: &[(Agent, Script)], rules: Rules) {
    let scenario = together::<NONE>(name, start, actors);
    let effort = Effort::from_env().lighter(1);
    for (salt, mutex) in [(1, crate::plan::Mutex::Absent), (2, crate::plan::Mutex::Working)] {
        // The working mutex adds little to a kill: without preemptions it is enough.
        let by = usize::from(mutex == crate::plan::Mutex::Working);
        let plan = Plan { mutex, salt, ..Plan::default() };
        let scenario =
            watched(together::<NONE>(name, scenario.start.clone(), actors), rules, &["build"]);
        let stats = must_hold(kill_everywhere(&scenario, &plan, effort.lighter(by)));
        eprintln!("{name}: {mutex:?} {} runs with a kill", stats.runs);
    }
}

#[test]
fn killed_beside_another() {
    let (start, [ann, bob, ..]) = sprint("build:");
    const CLAIM: Script = &[Do::Claim("build")];
    const COMPLETE: Script = &[Do::Complete("build")];
    const ABORT: Script = &[Do::Abort("build")];
    const START: Script = &[Do::Start("build:")];
    const AGAIN: Script = &[Do::Claim("build"), Do::Claim("build")];
    killed_beside("kill: claim claim", start.clone(), &[(ann, AGAIN), (bob, CLAIM)], Rules::ALL);
    killed_beside("kill: start start", start.clone(), &[(ann, START), (bob, START)], Rules::ALL);
    killed_beside("kill: start claim", start, &[(ann, START), (bob, CLAIM)], Rules::ALL);
    let (mut start, [ann, ..]) = crate::sprints::planned();
    start.go(ann, Do::Complete("build"), "OK");
    const ROUND: Script = &[Do::Round("build"), Do::Round("build")];
    killed_beside("kill: round", start, &[(ann, ROUND)], Rules::ALL);
    let (start, [ann, bob, ..]) = held();
    const TWICE: Script = &[Do::Complete("build"), Do::Complete("build")];
    killed_beside("kill: complete claim", start.clone(), &[(ann, TWICE), (bob, CLAIM)], Rules::ALL);
    killed_beside("kill: abort claim", start.clone(), &[(ann, ABORT), (bob, CLAIM)], Rules::ALL);
    let force: Script = &[Do::Force("build")];
    killed_beside("kill: complete force", start, &[(ann, COMPLETE), (bob, force)], Rules::ALL);
    let (start, [_, bob, cyd, _]) = stale();
    killed_beside("kill: reclaim reclaim", start, &[(bob, CLAIM), (cyd, CLAIM)], Rules::ALL);
}

#[test]
fn a_completion_that_is_killed_is_finished_or_repeated() {
    let (start, [ann, bob, ..]) = held();
    let twice: Script = &[Do::HandIn("build", "x"), Do::HandIn("build", "x")];
    let scenario =
        together::<NONE>("complete again", start, &[(ann, twice), (bob, &[Do::Claim("build")])])
            .finally(|view| match view.outcome("A") {
                Some(Outcome::Done(answer)) if answer.ends_with("OK") || answer == "OK,killed" => {
                    Ok(())
                }
                // Killed only in its second command.
                other => Err(format!("{other:?}")),
            });
    let effort = Effort::from_env().lighter(2);
    must_hold(kill_everywhere(
        &watched(scenario, Rules::ALL, &["build"]),
        &Plan::default(),
        effort,
    ));
}
