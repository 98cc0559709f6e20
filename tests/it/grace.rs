//! How long an owner is waited for that is gone, and what one is told that has lost its phase.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::fake::Fake;
use crate::fixture::{Scene, ago};

#[test]
fn the_hour_counts_from_the_last_sign_of_life() {
    let mut scene = Scene::with_phases(4);
    scene.does("one", &["claim", "p000"]);
    scene.claimed_ago("p000", 7200);
    // At work for two hours, and heard just now; then it dies.
    scene.said("one", &["status"]);
    scene.dies("one");
    let refused = scene.said("two", &["claim", "p000"]);
    assert_eq!((&refused["code"], &refused["alive"]), (&json!("claimed"), &json!("no")));
    assert_eq!(scene.board()["phases"]["p000"]["stale"], false);
    assert_eq!(scene.said("two", &["next", "--claim"])["phase"], "p001");
    scene.said("two", &["abort"]);
    // What others see is no sign of its life.
    // To the nanosecond the rules are tried where no time goes by.
    scene.silent_for("p000", 1800);
    assert_eq!(scene.said("two", &["claim", "p000"])["code"], "claimed");
    scene.silent_for("p000", 3600);
    assert_eq!(scene.board()["phases"]["p000"]["stale"], true);
    assert_eq!(scene.said("two", &["claim", "p000"])["ok"], true);
}

/// It has not begun to work again; but it is there.
#[test]
fn an_owner_that_was_started_again_is_heard() {
    let mut scene = Scene::with_phases(4);
    scene.does("one", &["claim", "p000"]);
    scene.dies("one");
    scene.claimed_ago("p000", 7200);
    scene.said("one", &["status"]);
    scene.dies("one");
    assert_eq!(scene.said("two", &["claim", "p000"])["code"], "claimed");
    assert_eq!(scene.said("two", &["claim", "p000", "--takeover"])["ok"], true);
}

#[test]
fn time_asleep_does_not_count() {
    let mut scene = Scene::with_phases(4);
    scene.does("one", &["claim", "p000"]);
    let asleep = scene.claim("p000")["asleep"].clone();
    assert!(asleep.is_u64(), "{}", scene.claim("p000"));
    scene.dies("one");
    scene.claimed_ago("p000", 3700);
    assert_eq!(scene.board()["phases"]["p000"]["stale"], true);
    // Whether the machine has slept since is told by what is recorded; this one claimed before a
    // night that was longer by as much. It cannot have slept for less than nothing.
    let slept = asleep.as_u64().unwrap();
    for (then, stale) in
        [(slept, true), (slept + 1000, true), (slept.saturating_sub(200), slept < 200)]
    {
        scene.edit_claim("p000", |claim| claim["asleep"] = json!(then));
        assert_eq!(scene.board()["phases"]["p000"]["stale"], stale, "{then} of {slept}");
    }
}

#[test]
fn signs_of_life_are_noted_as_often_as_they_count() {
    for (stale_after, due, not_due) in [("1h", 15, 13), ("40s", 10, 8), ("8s", 3, 1)] {
        let mut scene = Scene::with_phases(2);
        scene.sandbox.git("repo", ["config", "conductor.staleAfter", stale_after]);
        scene.does("one", &["claim", "p000"]);
        let heard = |scene: &Scene| {
            let copy = scene.sprint_dir().join("p000/lock/meta.json");
            copy.metadata().unwrap().modified().unwrap()
        };
        let looked = SystemTime::now();
        scene.silent_for("p000", not_due);
        let before = heard(&scene);
        scene.said("one", &["status"]);
        let slow = looked.elapsed().unwrap() > Duration::from_secs(1);
        assert!(slow || heard(&scene) == before, "{stale_after}");
        scene.silent_for("p000", due);
        let before = heard(&scene);
        scene.said("one", &["status"]);
        assert!(heard(&scene) > before, "{stale_after}");
    }
}

/// Times of a clock that was far off wedge nothing, and are put right by the owner's next command.
#[test]
fn a_time_in_the_future() {
    let mut scene = Scene::with_phases(4);
    let ahead = |scene: &Scene, seconds| {
        let copy = scene.sprint_dir().join("p000/lock/meta.json");
        let then = SystemTime::now() + Duration::from_secs(seconds);
        std::fs::File::options().write(true).open(copy).unwrap().set_modified(then).unwrap();
    };
    scene.does("one", &["claim", "p000"]);
    scene.claimed_ago("p000", 7200);
    ahead(&scene, 1_000_000);
    scene.said("one", &["status"]);
    let copy = scene.sprint_dir().join("p000/lock/meta.json");
    let heard = copy.metadata().unwrap().modified().unwrap();
    assert!(heard <= SystemTime::now() + Duration::from_secs(60));
    scene.dies("one");
    // A little ahead, it counts as now.
    ahead(&scene, 3600);
    assert_eq!(scene.said("two", &["claim", "p000"])["code"], "claimed");
    // Far ahead it is nonsense, and the claim is two hours old.
    ahead(&scene, 1_000_000);
    assert_eq!(scene.said("two", &["claim", "p000"])["ok"], true);
}

/// What a waiter sleeps for is what the rules count.
#[test]
fn a_waiter_wakes_when_the_silence_has_lasted() {
    let mut scene = Scene::with_phases(1);
    scene.does("one", &["claim", "p000"]);
    scene.claimed_ago("p000", 7200);
    scene.dies("one");
    scene.silent_for("p000", 1);
    let refused = scene.said("two", &["claim", "p000", "--wait", "--timeout", "0s"]);
    assert_eq!(refused["code"], "timed_out", "{refused}");
    scene.sandbox.git("repo", ["config", "conductor.staleAfter", "2s"]);
    scene.silent_for("p000", 0);
    let taken = scene.said("two", &["claim", "p000", "--wait", "--timeout", "600s"]);
    assert_eq!(taken["taken_over_from"], "one", "{taken}");
}

fn lost(said: &Value) -> Vec<String> {
    let lost = if said["you"].is_object() { &said["you"]["lost"] } else { &said["lost"] };
    let one = |loss: &Value| {
        let word = |field: &str| loss[field].as_str().unwrap_or("?").to_owned();
        format!("{} {} {} {}", word("phase"), word("how"), word("by"), word("state"))
    };
    lost.as_array().unwrap().iter().map(one).collect()
}

#[test]
fn one_is_told_what_one_has_lost() {
    let mut scene = Scene::with_phases(6);
    scene.worktree("wt");
    for phase in ["p000", "p001"] {
        scene.does_in("wt", "one", &["claim", phase]);
    }
    scene.dies("one");
    scene.sandbox.write("wt/file", "not committed");
    scene.does("two", &["claim", "p000", "--takeover"]);
    scene.does("three", &["unstuck", "p001"]);
    let told = ["p000 reclaim two claimed", "p001 unstuck three pending"];
    for args in [&["status"] as &[&str], &["prime"], &["next"]] {
        assert_eq!(lost(&scene.said("one", args)), told, "{args:?}");
        assert!(lost(&scene.said("four", args)).is_empty(), "{args:?}");
        assert!(lost(&scene.said("two", args)).is_empty(), "{args:?}");
    }
    let said = scene.said("one", &["status"]);
    let loss = &said["you"]["lost"][0];
    assert_eq!(loss["worktree"], scene.sandbox.join("wt").to_str().unwrap());
    assert!(loss["salvage"].as_str().unwrap().ends_with("p000/1"), "{loss}");
    let text = |scene: &mut Scene, args: &[&str]| {
        let output = scene.asks("one", "repo", args);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let shown = text(&mut scene, &["status"]);
    assert!(shown.contains("you lost 'p000': 'two' took it over "), "{shown}");
    assert!(shown.contains("you lost 'p001': 'three' freed it"), "{shown}");
    assert!(shown.contains("stop working on 'p000'; your files in"), "{shown}");
    assert!(shown.contains("git conductor salvage show"), "{shown}");
    let shown = text(&mut scene, &["prime"]);
    assert!(shown.contains("YOU LOST 'p000': \"two\" took it over "), "{shown}");
    assert!(shown.len() <= 900, "{shown}");
    assert!(text(&mut scene, &["next"]).contains("you lost 'p000'"));
    // It is told of after the phase is done as well.
    scene.does("two", &["complete", "p000"]);
    assert_eq!(lost(&scene.said("one", &["status"]))[0], "p000 reclaim two done");
    // The claim that follows tells it for the last time.
    assert_eq!(lost(&scene.said("one", &["next", "--claim"])).len(), 2);
    for args in [&["status"] as &[&str], &["prime"], &["next"]] {
        assert!(lost(&scene.said("one", args)).is_empty(), "{args:?}");
    }
}

#[test]
fn what_is_no_loss_is_not_told() {
    let mut scene = Scene::with_phases(6);
    let told = |scene: &mut Scene| lost(&scene.said("one", &["status"]));
    // Given up by oneself.
    scene.does("one", &["claim", "p000"]);
    scene.does("one", &["abort", "p000"]);
    assert!(told(&mut scene).is_empty());
    // Freed by oneself, in another worktree.
    scene.does("one", &["claim", "p001"]);
    scene.does("one", &["unstuck", "p001", "--force"]);
    assert!(told(&mut scene).is_empty());
    // Claimed and completed after all.
    scene.does("one", &["claim", "p002"]);
    scene.does("two", &["unstuck", "p002", "--force"]);
    assert_eq!(told(&mut scene).len(), 1);
    scene.does("one", &["claim", "p002"]);
    assert!(told(&mut scene).is_empty());
    scene.does("one", &["complete", "p002"]);
    assert!(told(&mut scene).is_empty());
    // Long ago; and a record of an older version, which does not tell whose it was.
    scene.does("one", &["claim", "p003"]);
    scene.does("two", &["unstuck", "p003", "--force"]);
    assert_eq!(told(&mut scene).len(), 1);
    let past = scene.sprint_dir().join("p003/past");
    let file = std::fs::read_dir(past).unwrap().next().unwrap().unwrap().path();
    let whole: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let mut old = whole.clone();
    old["ended_at"] = json!(ago(25 * 3600));
    std::fs::write(&file, old.to_string()).unwrap();
    assert!(told(&mut scene).is_empty());
    let mut older = whole;
    for field in ["explicit", "session", "stable", "process"] {
        older.as_object_mut().unwrap().remove(field);
    }
    std::fs::write(&file, older.to_string()).unwrap();
    assert!(told(&mut scene).is_empty());
}

#[test]
fn a_detected_agent_is_told_by_its_session_and_process() {
    let scene = Scene::with_phases(4);
    let mut one = Fake::new(&scene.sandbox, "claude", &[("CLAUDE_SESSION_ID", "s-11111111")]);
    let mut other = Fake::new(&scene.sandbox, "claude", &[("CLAUDE_SESSION_ID", "s-22222222")]);
    one.ok("claim p000");
    other.ok("unstuck p000 --force");
    assert_eq!(lost(&one.git("status")).len(), 1);
    assert!(lost(&other.git("status")).is_empty());
    one.kill();
    let mut again = Fake::new(&scene.sandbox, "claude", &[("CLAUDE_SESSION_ID", "s-11111111")]);
    assert_eq!(lost(&again.git("status")).len(), 1);
    again.ok("claim p001");
    assert!(lost(&again.git("status")).is_empty());
}

/// Who finds nothing to do sees why: what it had is another's now.
#[test]
fn what_one_waits_for_was_ones_own() {
    let mut scene = Scene::with_phases(1);
    scene.does("one", &["claim", "p000"]);
    scene.dies("one");
    scene.does("two", &["claim", "p000", "--takeover"]);
    let refused = scene.said("one", &["next", "--claim"]);
    assert_eq!(refused["claimed"][0]["was_yours"], true, "{refused}");
    assert!(refused.to_string().contains("took it over from you"), "{refused}");
}
