//! The power is cut after every step of one command, with every subset of what was not durable:
//! what had been told is still true, nothing is wedged, and there is a current sprint.

use git_conductor::record::{Done, Sprint};

use crate::conductor::{Agent, Checked, Do, NONE, Script, held, sprint, together};
use crate::explore::{Effort, cut_everywhere, must_hold};
use crate::monitor::{Rules, unwedged_phase};
use crate::plan::Plan;
use crate::run::View;
use crate::world::Quiet;

/// Where a sprint of that id is, wherever that is.
fn path_of(quiet: &Quiet, id: &str) -> Option<String> {
    let paths = ["conductor", "conductor/archive"].map(|place| format!("{place}/{id}"));
    paths.into_iter().find(|path| quiet.fs.exists(path))
}

/// What was said before the cut is true after it.
fn promises(view: &View<'_, String>, quiet: &Quiet) -> Checked {
    for note in view.notes {
        if note.what == "started" {
            let path = path_of(quiet, &note.detail).ok_or("a sprint that was started is gone")?;
            let record = quiet.fs.peek_read(&format!("{path}/sprint.json")).unwrap_or_default();
            serde_json::from_slice::<Sprint>(record).map_err(|error| format!("{path}: {error}"))?;
        }
        if note.what == "carried" {
            let (id, phase) = note.detail.split_once('/').unwrap_or_default();
            let path = path_of(quiet, id).ok_or("a sprint that was started is gone")?;
            let record = quiet.fs.peek_read(&format!("{path}/{phase}/done")).unwrap_or_default();
            let done = serde_json::from_slice::<Done>(record)
                .map_err(|error| format!("{path}/{phase}: {error}"))?;
            let pin = format!("{path}/{phase}/pin.{}", done.artifact_sha256.unwrap_or_default());
            let kept = quiet.fs.peek_read(&pin).map(<[u8]>::len);
            if done.artifact_size.is_some_and(|size| kept != usize::try_from(size).ok()) {
                return Err(format!("what was carried over is without its artifact: {kept:?}"));
            }
        }
        if note.what == "completed" {
            let places = ["conductor", "conductor/archive"].into_iter().flat_map(|place| {
                let sprints = quiet.fs.peek_list(place).filter(|name| name.len() == 28);
                sprints.map(move |id| format!("{place}/{id}/build"))
            });
            let token = note.detail.split(' ').nth(1).unwrap_or_default();
            let kept = places.into_iter().any(|phase| {
                let record = quiet.fs.peek_read(&format!("{phase}/done")).unwrap_or_default();
                let Ok(done) = serde_json::from_slice::<Done>(record) else { return false };
                let pin = done.artifact_sha256.as_ref().map(|sha256| {
                    quiet.fs.peek_read(&format!("{phase}/pin.{sha256}")).map(<[u8]>::len)
                });
                done.token.is_some_and(|kept| kept.as_str() == token)
                    && pin.is_none_or(|pin| {
                        pin == done.artifact_size.map(|size| usize::try_from(size).unwrap())
                    })
            });
            if !kept {
                return Err("a completion that was told is lost".to_owned());
            }
        }
    }
    Ok(())
}

/// In no sprint is anything done without a record and what was handed over with it.
fn whole(quiet: &Quiet) -> Checked {
    for id in quiet.fs.peek_list("conductor").filter(|name| name.len() == 28) {
        let done = format!("conductor/{id}/plan/done");
        let Some(record) = quiet.fs.peek_read(&done) else { continue };
        let record = serde_json::from_slice::<Done>(record).map_err(|e| format!("{done}: {e}"))?;
        let pin = record.artifact_sha256.unwrap_or_default();
        quiet
            .fs
            .peek_read(&format!("conductor/{id}/plan/pin.{pin}"))
            .filter(|content| !content.is_empty())
            .ok_or_else(|| format!("{done}: it is done, and its pin is gone or empty"))?;
    }
    Ok(())
}

fn after_cut(view: &View<'_, String>, mut quiet: Quiet, has_sprint: bool) -> Checked {
    promises(view, &quiet)?;
    whole(&quiet)?;
    let reader = quiet.newcomer("reader");
    let board = quiet.ask(reader, Do::Status);
    if board.starts_with('!') {
        return Err(format!("after the cut: {board}"));
    }
    if has_sprint && board == "none" {
        return Err("J1: after the cut there is no sprint".to_owned());
    }
    unwedged_phase(quiet.clone(), "build", Rules::ALL)?;
    // Starting goes on in any case.
    match quiet.ask(reader, Do::Restart("build:")).as_str() {
        "OK" => Ok(()),
        answer => Err(format!("after the cut start ends in {answer}")),
    }
}

fn cut(name: &'static str, start: Quiet, actors: &[(Agent, Script)], has_sprint: bool) {
    let scenario = together::<NONE>(name, start, actors);
    let effort = Effort {
        preemptions: actors.len() - 1,
        // Of one command every subset; of two there are too many cuts for that.
        power_all: if actors.len() == 1 { 4_096 } else { 256 },
        power_samples: if actors.len() == 1 { 256 } else { 24 },
        max_runs: 400,
        ..Effort::from_env()
    };
    let mut check = |view: &View<'_, String>, quiet: Quiet| after_cut(view, quiet, has_sprint);
    let stats = must_hold(cut_everywhere(&scenario, &Plan::default(), effort, &mut check));
    eprintln!("{name}: {} cuts in {} runs", stats.cuts, stats.runs);
}

#[test]
fn of_sprints() {
    let mut empty = Quiet::new();
    let ann = empty.newcomer("ann");
    let start: Script = &[Do::Start("build:")];
    cut("cut: first start", empty, &[(ann, start)], false);
    let (world, [ann, bob, ..]) = sprint("build:");
    cut("cut: start", world.clone(), &[(ann, start)], true);
    cut("cut: start start", world.clone(), &[(ann, start), (bob, start)], true);
    cut("cut: archive", world.clone(), &[(ann, &[Do::Archive])], false);
    let mut world = world;
    world.go(ann, Do::Start("build:"), "OK");
    cut("cut: clean", world, &[(ann, &[Do::Clean])], true);
}

#[test]
fn of_rounds() {
    let (mut world, [ann, bob, ..]) = crate::sprints::planned();
    world.go(ann, Do::Complete("build"), "OK");
    let round: Script = &[Do::Round("build")];
    cut("cut: round", world, &[(bob, round)], true);
}

#[test]
fn of_phases() {
    let (world, [ann, ..]) = sprint("build:");
    cut("cut: claim", world, &[(ann, &[Do::Claim("build")])], true);
    let (world, [ann, bob, ..]) = held();
    let complete: Script = &[Do::HandIn("build", "artifact")];
    cut("cut: complete", world.clone(), &[(ann, complete)], true);
    // What one has published, the other confirms.
    cut("cut: complete complete", world.clone(), &[(ann, complete), (ann, complete)], true);
    cut("cut: abort", world.clone(), &[(ann, &[Do::Abort("build")])], true);
    let mut world = world;
    world.life.kill(ann.pid);
    cut("cut: takeover", world, &[(bob, &[Do::Takeover("build")])], true);
}

#[test]
fn of_a_claim_and_its_completion() {
    // Nothing of the claim is durable when the completion commits.
    let (world, [ann, ..]) = sprint("build:");
    let both: Script = &[Do::Claim("build"), Do::HandIn("build", "artifact")];
    cut("cut: claim complete", world, &[(ann, both)], true);
}
