//! The obvious protocol, which is wrong: the checker has to find out how.
//!
//! `mkdir lock.d`; write metadata; `mv lock.d lock`; complete = write `done`, remove `lock`; stale
//! = remove `lock` and start over.

use std::io;

use git_conductor::store::dir::{Dir, Kind, NewFile};

use crate::explore::{Chaos, Effort, explore, explore_random, must_fail, must_hold};
use crate::plan::Plan;
use crate::run::{Outcome, Scenario, View};
use crate::world::{Ctx, Quiet};

/// As the shell's `mv` does it: into the target, if that is a directory.
fn mv<D: Dir>(dir: &D, from: &str, to: &str) -> io::Result<()> {
    if dir.stat(to).is_ok_and(|stat| stat.kind == Kind::Dir) {
        dir.rename(from, &dir.open_dir(to)?, from)
    } else {
        dir.rename(from, dir, to)
    }
}

/// Claims; whether it was granted.
fn claim(ctx: &Ctx<'_>, looks_first: bool) -> io::Result<bool> {
    let root = ctx.root();
    if root.stat("done").is_ok() || (looks_first && root.stat("lock").is_ok()) {
        return Ok(false);
    }
    if root.make_dir("lock.d").is_err() {
        return Ok(false);
    }
    root.open_dir("lock.d")?.create("meta.json", false)?.write(b"{}")?;
    mv(&root, "lock.d", "lock")?;
    ctx.note("granted", "");
    Ok(true)
}

fn complete(ctx: &Ctx<'_>) -> io::Result<()> {
    let root = ctx.root();
    root.create("done", true)?.write(b"{}")?;
    remove_lock(&root)?;
    ctx.note("given up", "");
    Ok(())
}

fn remove_lock<D: Dir>(root: &D) -> io::Result<()> {
    let lock = root.open_dir("lock")?;
    for entry in lock.list(9)? {
        if entry.kind == Kind::Dir {
            lock.open_dir(&entry.name)?.remove_file("meta.json")?;
            lock.remove_dir(&entry.name)?;
        } else {
            lock.remove_file(&entry.name)?;
        }
    }
    drop(lock);
    root.remove_dir("lock")
}

fn one_owner<O>(view: &View<'_, O>) -> Result<(), String> {
    let owners = view.count("granted").saturating_sub(view.count("given up"));
    if owners > 1 { Err(format!("{owners} owners")) } else { Ok(()) }
}

fn race(name: &'static str, looks_first: bool) -> Scenario<io::Result<bool>> {
    Scenario::new(name, Quiet::new())
        .command("A", move |ctx| claim(ctx, looks_first))
        .command("B", move |ctx| claim(ctx, looks_first))
        .always(one_owner)
}

#[test]
fn a_held_phase_is_granted_again() {
    let scenario = race("naive claim", false);
    let none = Effort { preemptions: 0, ..Effort::of_depth(2) };
    let failure = must_fail(explore(&scenario, &Plan::default(), none), "2 owners");
    // No race is needed at all, and the trace says so.
    assert_eq!(failure.replay, "naive claim: A*7,B*8");
    let last = ["15 B rename lock.d -> lock/lock.d = ok", "15 B     NOTES granted", "15 B ends"];
    let trace: Vec<_> = failure.trace.iter().map(|line| line.trim()).collect();
    assert_eq!(trace[trace.len() - 3..], last);
}

#[test]
fn a_held_phase_is_granted_again_although_one_looks_first() {
    let scenario = race("naive claim that looks", true);
    let plan = Plan::default();
    must_hold(explore(&scenario, &plan, Effort { preemptions: 0, ..Effort::of_depth(2) }));
    let failure = must_fail(explore(&scenario, &plan, Effort::of_depth(2)), "2 owners");
    assert_eq!(failure.replay, "naive claim that looks: A*2,B*8,A*7");
    must_fail(explore_random(&scenario, &plan, Chaos::default(), 1_000, 1), "2 owners");
}

#[test]
fn a_done_phase_is_claimed() {
    let mut start = Quiet::new();
    assert!(start.run("setup", |ctx| claim(ctx, true)).unwrap());
    let scenario = Scenario::new("naive complete", start)
        .command("A", |ctx| complete(ctx).map(|()| false))
        .command("B", |ctx| claim(ctx, true))
        .finally(|view| match view.outcome("B") {
            Some(Outcome::Done(Ok(true))) => Err("claimed a done phase".to_owned()),
            _ => Ok(()),
        });
    let found = explore(&scenario, &Plan::default(), Effort::of_depth(2));
    must_fail(found, "claimed a done phase");
}
