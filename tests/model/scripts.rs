//! The shell script that this program replaces, beside it: what it leaves in the way, and one
//! running.

use std::io;

use git_conductor::store::dir::{Dir, Entry, Kind, NewFile};

use crate::conductor::{Agent, Checked, Do, NONE, act, answers, sprint};
use crate::dir::SimDir;
use crate::explore::{Chaos, Effort, explore, explore_random, must_hold};
use crate::monitor::{Rules, watched};
use crate::plan::{Mutex, Plan};
use crate::run::{Scenario, View};
use crate::world::{Ctx, Quiet};

/// The directory of the only phase.
fn phase<'y>(ctx: &Ctx<'y>) -> io::Result<SimDir<'y>> {
    let id = ctx.peek().peek_list("conductor").find(|name| name.len() == 28).map(str::to_owned);
    let conductor = ctx.root().open_dir("conductor")?;
    conductor.open_dir(&id.unwrap_or_default())?.open_dir("build")
}

fn record(agent: Agent) -> String {
    let Agent { name, pid } = agent;
    format!(r#"{{"agent":"{name}","claimed_at":"2025-11-22T08:26:40Z","pid":{pid}}}"#) + "\n"
}

fn write(dir: &SimDir<'_>, name: &str, text: &str) -> io::Result<()> {
    dir.create(name, false)?.write(text.as_bytes())
}

/// The script's claim; its one-hour rule does not fire.
fn script_claim(ctx: &Ctx<'_>, agent: Agent) -> io::Result<bool> {
    let phase = phase(ctx)?;
    if phase.stat("done").is_ok() {
        return Ok(false);
    }
    if phase.make_dir("lock.d").is_err() {
        let held = phase.open_dir("lock").and_then(|lock| lock.read("meta.json", 9_999));
        let mine = format!(r#""agent":"{}""#, agent.name);
        return Ok(held.is_ok_and(|held| String::from_utf8_lossy(&held).contains(&mine)));
    }
    write(&phase.open_dir("lock.d")?, "meta.json", &record(agent))?;
    // `mv` onto an existing directory moves into it.
    if phase.stat("lock").is_ok_and(|stat| stat.kind == Kind::Dir) {
        phase.rename("lock.d", &phase.open_dir("lock")?, "lock.d")?;
    } else {
        phase.rename("lock.d", &phase, "lock")?;
    }
    ctx.note("script granted", agent.name);
    Ok(true)
}

fn remove_all<D: Dir>(dir: &D, Entry { name, kind }: &Entry) -> io::Result<()> {
    if *kind != Kind::Dir {
        return dir.remove_file(name);
    }
    let inner = dir.open_dir(name)?;
    for entry in inner.list(99)? {
        remove_all(&inner, &entry)?;
    }
    dir.remove_dir(name)
}

fn script_ends(ctx: &Ctx<'_>, complete: bool) -> io::Result<()> {
    let phase = phase(ctx)?;
    if complete {
        write(&phase, "done", "{\"agent\":\"script\"}\n")?;
    }
    ctx.note("script over", "");
    remove_all(&phase, &Entry { name: "lock".to_owned(), kind: Kind::Dir })
}

/// The script's claim, and what it does then.
fn script(ctx: &Ctx<'_>, agent: Agent, complete: Option<bool>) -> String {
    match script_claim(ctx, agent) {
        Ok(true) => {}
        Ok(false) => return "refused".to_owned(),
        Err(error) => return format!("error {error}"),
    }
    let ended = complete.map_or(Ok(()), |complete| script_ends(ctx, complete));
    ended.map_or_else(|error| format!("OK, {error}"), |()| "OK".to_owned())
}

/// I1 with a script: it is not the owner while one of ours is.
fn one_of_both(view: &View<'_, String>) -> Checked {
    let script = view.count("script granted") > view.count("script over");
    let id = view.fs.peek_list("conductor").find(|name| name.len() == 28).unwrap_or_default();
    let lock = format!("conductor/{id}/build/lock");
    let ours = view.fs.peek_list(&lock).any(|name| name.starts_with("owner."));
    if script && ours { Err("I1: the script and one of ours".to_owned()) } else { Ok(()) }
}

fn beside(
    name: &'static str,
    start: Quiet,
    ours: (Agent, &'static [Do]),
    how: (Agent, Option<bool>),
) {
    let rules = Rules { script: true, truth: false, ..Rules::ALL };
    let scenario = Scenario::new(name, start)
        .command("A", move |ctx| {
            let answers = ours
                .1
                .iter()
                .map(|what| ctx.invoke(|ctx| act::<NONE>(ctx, ours.0, *what)).unwrap_or_default());
            answers.collect::<Vec<_>>().join(",")
        })
        .command("S", move |ctx| script(ctx, how.0, how.1))
        .always(one_of_both)
        .finally(|view| match answers(view).into_iter().find(|answer| answer.contains('!')) {
            Some(answer) => Err(answer.to_owned()),
            None => Ok(()),
        });
    let scenario = watched(scenario, rules, &["build"]);
    let plan = Plan { mutex: Mutex::Absent, salt: 2, ..Plan::default() };
    must_hold(explore(&scenario, &plan, Effort::from_env()));
    must_hold(explore_random(
        &scenario,
        &plan,
        Chaos::default(),
        Effort::from_env().random_runs / 5,
        1,
    ));
}

#[test]
fn a_running_script_beside_our_commands() {
    let (start, [ann, bob, ..]) = sprint("build:");
    const CLAIM: &[Do] = &[Do::Claim("build")];
    const ROUND: &[Do] = &[Do::Claim("build"), Do::Abort("build")];
    const ALL: &[Do] = &[Do::Claim("build"), Do::Complete("build")];
    beside("script: claim", start.clone(), (ann, CLAIM), (bob, None));
    beside("script: claim abort", start.clone(), (ann, ROUND), (bob, None));
    beside("script: claim complete", start.clone(), (ann, ALL), (bob, None));
    beside("script completes", start.clone(), (ann, CLAIM), (bob, Some(true)));
    beside("script aborts", start, (ann, CLAIM), (bob, Some(false)));
}

/// Makes a phase with a leftover, and checks what a claim says at once and a minute later.
fn leftover(
    name: &str,
    left: impl Fn(&SimDir<'_>, Agent) -> io::Result<()>,
    says: [&str; 2],
    dead: bool,
) {
    let (mut start, [ann, bob, ..]) = sprint("build:");
    start.run("script", |ctx| left(&phase(ctx).unwrap(), bob).unwrap());
    if dead {
        start.life.kill(bob.pid);
        start.now += 7_200_000_000_000;
    }
    for says in says {
        let answer = start.clone().ask(ann, Do::Claim("build"));
        assert_eq!(answer.split(' ').next(), Some(says), "{name}: {answer}");
        assert!(!start.ask(ann, Do::Status).starts_with('!'), "{name}");
        start.now += 61_000_000_000;
    }
}

#[test]
fn what_scripts_leave() {
    leftover("bare lock.d", |dir, _| dir.make_dir("lock.d"), ["!busy", "OK"], false);
    let with_meta = |dir: &SimDir<'_>, agent: Agent| {
        dir.make_dir("lock.d")?;
        write(&dir.open_dir("lock.d")?, "meta.json", &record(agent))
    };
    leftover("lock.d with meta.json", with_meta, ["!busy", "OK"], false);
    let held = |dir: &SimDir<'_>, agent: Agent| {
        dir.make_dir("lock")?;
        write(&dir.open_dir("lock")?, "meta.json", &record(agent))
    };
    leftover("lock, alive", held, ["claimed", "claimed"], false);
    leftover("lock, dead", held, ["OK", "OK"], true);
    let plain = |dir: &SimDir<'_>, agent: Agent| write(dir, "lock", &record(agent));
    leftover("plain lock", plain, ["claimed", "claimed"], false);
    leftover("plain lock, dead", plain, ["claimed", "claimed"], true);
    let nested = |dir: &SimDir<'_>, agent: Agent| {
        held(dir, agent)?;
        let lock = dir.open_dir("lock")?;
        lock.make_dir("lock.d")?;
        write(&lock.open_dir("lock.d")?, "meta.json", &record(agent))
    };
    leftover("nested", nested, ["claimed", "claimed"], false);
    leftover("nested, dead", nested, ["OK", "OK"], true);
    leftover("empty done", |dir, _| write(dir, "done", ""), ["done", "done"], false);
    let done = |dir: &SimDir<'_>, _: Agent| write(dir, "done", "{\"agent\":\"bob\"}");
    leftover("done of a script", done, ["done", "done"], false);
}

#[test]
fn a_plain_lock_is_ended_by_unstuck() {
    let (mut start, [ann, bob, ..]) = sprint("build:");
    start.run("old", |ctx| write(&phase(ctx).unwrap(), "lock", &record(bob)).unwrap());
    start.go(ann, Do::Unstuck("build"), "alive");
    start.go(ann, Do::Force("build"), "OK");
    start.go(ann, Do::Claim("build"), "OK");
}

#[test]
fn a_sprint_that_a_script_is_making() {
    let (mut start, [ann, ..]) = sprint("build:");
    start.run("script", |ctx| {
        let conductor = ctx.root().open_dir("conductor").unwrap();
        conductor.make_dir("0123456789ab-20991231-235959").unwrap();
    });
    start.go(ann, Do::Claim("build"), "OK");
    start.now += 61_000_000_000;
    // Never "no sprint": one that cannot be read is a failure.
    assert!(start.ask(ann, Do::Claim("build")).starts_with("!unreadable"));
    assert_eq!(start.ask(ann, Do::Restart("build:")), "OK");
}

/// Two adopt a script's lock at once, and a killed command has left its latch there.
#[test]
fn a_scripts_lock_is_adopted_once() {
    let (mut start, [ann, bob, cyd, _]) = sprint("build:");
    start.run("script", |ctx| assert!(script_claim(ctx, cyd).unwrap()));
    start.life.kill(cyd.pid);
    start.now += 7_200_000_000_000;
    const CLAIM: crate::conductor::Script = &[Do::Claim("build")];
    let rules = Rules { script: true, truth: false, ..Rules::ALL };
    let mut worlds = vec![start.clone()];
    // Killed in the middle of adopting, at each step of it.
    for step in 10..30 {
        let kill = crate::plan::Kill { command: 0, step, torn: false };
        let mut killed = start.clone();
        killed.run_traced("A", Plan::default().with_kill(kill), |ctx| {
            act::<NONE>(ctx, ann, Do::Claim("build"))
        });
        killed.life.kill(ann.pid);
        killed.now += 7_200_000_000_000;
        worlds.push(killed);
    }
    for world in worlds {
        let mut world = world;
        let (bob, cyd) = (bob, world.newcomer("eve"));
        let scenario =
            crate::conductor::together::<NONE>("adopted", world, &[(bob, CLAIM), (cyd, CLAIM)])
                .finally(crate::conductor::one_of(&[
                    "OK|claimed",
                    "claimed|OK",
                    "OK|!busy another command is in the middle of a change",
                    "!busy another command is in the middle of a change|OK",
                ]));
        let plan = Plan { mutex: Mutex::Absent, salt: 1, ..Plan::default() };
        let effort = Effort { max_runs: 400, ..Effort::from_env() };
        must_hold(explore(&watched(scenario, rules, &["build"]), &plan, effort));
    }
}
