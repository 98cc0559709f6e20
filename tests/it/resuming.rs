//! A sprint in the place of another that is unfinished: who may begin it, and how what had ended
//! goes on.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::fixture::Scene;
use crate::rounds::reviewed;

/// `think` and `build` are done with artifacts, `review` has failed, `ship` waits; and it has ended
/// for another sprint. The scene, and its id.
fn ended() -> (Scene, String) {
    let mut scene = reviewed();
    let id = id(&mut scene);
    let started = scene.said("lead", &["start", "--phases", "other:"]);
    assert_eq!(started["archived"]["sprint_id"], json!(id), "{started}");
    (scene, id)
}

fn id(scene: &mut Scene) -> String {
    scene.board()["sprint_id"].as_str().unwrap().to_owned()
}

fn archived(scene: &Scene, id: &str) -> PathBuf {
    scene.store().join("conductor/archive").join(id)
}

/// Every command that would end a sprint for another one, by one who took no part in it.
#[test]
fn what_others_have_begun_is_not_ended_for_another_sprint() {
    let (mut scene, other) = ended();
    // Nothing is done in it yet.
    let before = id(&mut scene);
    scene.does("eve", &["start", "--phases", "a:,b:", "--goal", "the first"]);
    assert_ne!(id(&mut scene), before);
    scene.works("ann", "a");
    scene.does("bob", &["claim", "b"]);
    scene.does("bob", &["abort", "b"]);
    let sprint = id(&mut scene);
    for args in [
        &["start"][..],
        &["start", "--phases", "x:"],
        &["start", "--goal", "mine"],
        &["start", "--resume", &other],
    ] {
        let refused = scene.said("mallory", args);
        assert_eq!(refused["code"], "unfinished", "{args:?}: {refused}");
        assert_eq!((&refused["done"], &refused["phases"]), (&json!(1), &json!(2)));
        assert_eq!(refused["sprint_id"], json!(sprint));
        assert_eq!(refused["goal"], "the first");
        assert_eq!(refused["started_by"], "eve");
        assert_eq!(refused["agents"], json!(["ann", "bob"]));
        assert_eq!(refused["do"], json!(["git", "conductor", "next", "--claim"]));
        assert_eq!(id(&mut scene), sprint, "{args:?}");
    }
    // It goes on.
    assert_eq!(scene.said("mallory", &["start", "--if-none"])["kept"], true);
    // Who is at work is told of first.
    scene.does("ann", &["claim", "b"]);
    assert_eq!(scene.said("mallory", &["start"])["code"], "claimed");
    scene.does("ann", &["abort", "b"]);
    // Another round takes over what was done, and nothing is left to bring back.
    let round = scene.said("mallory", &["start", "--from", "b"]);
    assert_eq!((&round["carried"], &round["from"]), (&json!(["a"]), &json!(sprint)));
    assert_eq!(round["archived"]["resume"], Value::Null);
}

#[test]
fn who_took_part_may_begin_another() {
    for agent in ["eve", "ann", "bob", "cyd"] {
        let mut scene = Scene::new();
        scene.does("eve", &["start", "--phases", "a:,b:,c:"]);
        scene.works("ann", "a");
        // That is over: the record of it is what tells.
        scene.does("bob", &["claim", "b"]);
        scene.does("bob", &["abort", "b"]);
        scene.does("cyd", &["claim", "c"]);
        let former = id(&mut scene);
        if agent != "cyd" {
            scene.does("cyd", &["abort", "c"]);
        }
        let started = scene.said(agent, &["start", "--phases", "x:"]);
        let time = former.split_once('-').unwrap().1;
        let command = json!(["git", "conductor", "start", "--resume", time]);
        assert_eq!(started["archived"]["resume"], command, "{agent}: {started}");
        assert_eq!(started["archived"]["done"], 1);
    }
    // Or who insists.
    let mut scene = Scene::new();
    scene.does("eve", &["start", "--phases", "a:,b:"]);
    scene.works("ann", "a");
    assert_eq!(scene.said("mallory", &["start"])["code"], "unfinished");
    scene.does("mallory", &["start", "--force"]);
    // A finished one is in nobody's way, and there is nothing to bring back.
    scene.does("eve", &["start", "--phases", "a:"]);
    scene.works("ann", "a");
    let started = scene.said("mallory", &["start", "--phases", "b:"]);
    assert_eq!(started["archived"]["resume"], Value::Null, "{started}");
}

#[test]
fn what_has_ended_goes_on() {
    let (mut scene, old) = ended();
    let graph = |path: PathBuf| -> Value {
        let record = std::fs::read(path.join("sprint.json")).unwrap();
        serde_json::from_slice::<Value>(&record).unwrap()["phases"].clone()
    };
    let before = std::fs::read(archived(&scene, &old).join("sprint.json")).unwrap();
    let present = id(&mut scene);
    let time = old.split_once('-').unwrap().1.to_owned();
    let started = scene.said("lead", &["start", "--resume", &time]);
    assert_eq!(started["ok"], true, "{started}");
    assert_eq!((&started["resumed"], &started["from"]), (&json!(true), &json!(old)));
    assert_eq!(started["carried"], json!(["think", "build"]));
    assert_eq!(started["open"], json!(["review"]));
    assert_eq!(started["archived"]["sprint_id"], json!(present));
    // It is a new one, and the old one stays what it was.
    let new = id(&mut scene);
    assert!(new != old && new > present);
    assert_eq!(std::fs::read(archived(&scene, &old).join("sprint.json")).unwrap(), before);
    assert_eq!(graph(scene.sprint_dir()), graph(archived(&scene, &old)));
    let board = scene.board();
    assert_eq!(board["goal"], "add OAuth login");
    // What had failed is open, and its attempts count anew.
    assert_eq!(board["phases"]["review"]["state"], "pending");
    assert_eq!(board["phases"]["build"]["carried_from"], json!(old));
    scene.works("bob", "review");
    scene.works("cyd", "ship");
    scene.does("lead", &["verify"]);
    // What it went on with is not needed any more.
    scene.does("lead", &["clean", "--older-than", "0s"]);
    scene.does("lead", &["verify"]);
    let log = scene.said("lead", &["log", "--event", "start"]);
    let newest = log["events"].as_array().unwrap().iter().map(|event| event["sprint"].clone());
    assert!(newest.clone().any(|sprint| sprint == json!(new)), "{log}");
    // A goal of its own; and none of the sprints is current.
    let (mut scene, old) = ended();
    scene.does("lead", &["archive"]);
    let started = scene.said("mallory", &["start", "--resume", &old, "--goal", "another"]);
    assert_eq!(started["archived"], Value::Null);
    assert_eq!(scene.board()["goal"], "another");
}

#[test]
fn what_cannot_go_on_is_refused() {
    let (mut scene, old) = ended();
    let present = id(&mut scene);
    let refused = |scene: &mut Scene, args: &[&str], code: &str, why: &Value| {
        let args: Vec<&str> = [&["start"][..], args].concat();
        let said = scene.said("lead", &args);
        assert_eq!((said["code"].as_str(), &said["why"]), (Some(code), why), "{args:?}: {said}");
        assert_eq!(id(scene), present, "{args:?}");
    };
    let none = Value::Null;
    refused(&mut scene, &["--resume", &present], "cannot_resume", &json!("current"));
    let hash = &old[..12];
    for unknown in [
        "20200101-000000",
        &format!("{hash}-20200101-000000"),
        "../archive",
        &format!("../archive/{old}"),
        "nonsense",
        "",
    ] {
        refused(&mut scene, &["--resume", unknown], "unknown_sprint", &none);
    }
    for other in
        [&["--phases", "a:"][..], &["--if-none"], &["--from", "build"], &["--carry", "think"]]
    {
        let args = [&["--resume", &old][..], other].concat();
        refused(&mut scene, &args, "usage", &none);
    }
    // Evidence that is not what was handed over, or not there.
    let phase = archived(&scene, &old).join("think");
    let entries = std::fs::read_dir(&phase).unwrap().map(|entry| entry.unwrap().path());
    let pin = entries.into_iter().find(|path| path.to_str().unwrap().contains("/pin.")).unwrap();
    let content = std::fs::read(&pin).unwrap();
    std::fs::set_permissions(&pin, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(&pin, "something else\n").unwrap();
    refused(&mut scene, &["--resume", &old], "pin_changed", &none);
    std::fs::remove_file(&pin).unwrap();
    refused(&mut scene, &["--resume", &old], "pin_gone", &none);
    std::fs::write(&pin, content).unwrap();
    // A record that cannot be read, and one that is another's.
    let record = archived(&scene, &old).join("sprint.json");
    let whole = std::fs::read(&record).unwrap();
    for bad in
        ["{", "{}", r#"{"sprint_id":"000000000000-20200101-000000","phases":[{"name":"a"}]}"#]
    {
        std::fs::write(&record, bad).unwrap();
        refused(&mut scene, &["--resume", &old], "unreadable", &none);
    }
    std::fs::remove_file(&record).unwrap();
    std::os::unix::fs::symlink("../../../config.json", &record).unwrap();
    refused(&mut scene, &["--resume", &old], "tampered", &none);
    std::fs::remove_file(&record).unwrap();
    std::fs::write(&record, whole).unwrap();
    // A link is followed nowhere.
    let aside = scene.sandbox.join("aside");
    std::fs::rename(archived(&scene, &old), &aside).unwrap();
    std::os::unix::fs::symlink(&aside, archived(&scene, &old)).unwrap();
    refused(&mut scene, &["--resume", &old], "unknown_sprint", &none);
    std::fs::remove_file(archived(&scene, &old)).unwrap();
    std::fs::rename(&aside, archived(&scene, &old)).unwrap();
    // All of it has passed.
    scene.works("ann", "other");
    let finished = present.clone();
    scene.does("lead", &["start", "--phases", "next:"]);
    let present = id(&mut scene);
    let said = scene.said("lead", &["start", "--resume", &finished]);
    assert_eq!((&said["code"], &said["why"]), (&json!("cannot_resume"), &json!("passed")));
    assert_eq!(id(&mut scene), present);
    // Nothing is left of all these attempts, and what is whole goes on.
    let entries = std::fs::read_dir(scene.store().join("conductor")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.starts_with(".new")).count(), 0);
    scene.does("lead", &["start", "--resume", &old]);
}

/// A store that several projects share: each has its own sprints.
#[test]
fn another_project_s_sprint_is_not_resumed() {
    let mut scene = Scene::new();
    for dir in ["x", "y"] {
        std::fs::create_dir(scene.sandbox.join(dir)).unwrap();
    }
    let mut ask = |dir: &str, args: &[&str]| -> Value {
        let args = [args, &["--store", "../shared", "--json"]].concat();
        let output = scene.asks("lead", dir, &args);
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let theirs = ask("x", &["start", "--phases", "a:,b:"])["sprint_id"].clone();
    ask("x", &["archive"]);
    let said = ask("y", &["start", "--resume", theirs.as_str().unwrap()]);
    assert_eq!(said["code"], "unknown_sprint", "{said}");
    let said = ask("x", &["start", "--resume", theirs.as_str().unwrap()]);
    assert_eq!(said["from"], theirs, "{said}");
}

/// No two sprints of a store ever have one id, even if nothing is left of those before.
#[test]
fn an_id_is_never_given_again() {
    let mut scene = Scene::new();
    let mut ids: Vec<String> = Vec::new();
    for round in 0..12 {
        let started = scene.said("lead", &["start", "--phases", "a:"]);
        let new = started["sprint_id"].as_str().unwrap().to_owned();
        assert!(ids.iter().all(|old| *old < new), "{new}, after {ids:?}");
        ids.push(new);
        if round % 3 != 2 {
            scene.does("lead", &["archive"]);
        }
        let cleaned = scene.said("lead", &["clean", "--older-than", "0s"]);
        let count = cleaned["removed"].as_array().unwrap().len();
        assert_eq!(
            count,
            if round % 3 == 2 {
                0
            } else if round % 3 == 0 && round > 0 {
                2
            } else {
                1
            }
        );
    }
    // A clock that was set back does no harm: whatever the mark says was before.
    scene.does("lead", &["archive"]);
    scene.does("lead", &["clean", "--older-than", "0s"]);
    let conductor = scene.store().join("conductor");
    std::fs::write(conductor.join(".last.20991231-235959"), "").unwrap();
    let started = scene.said("lead", &["start", "--phases", "a:"]);
    assert!(started["sprint_id"].as_str().unwrap().ends_with("-21000101-000000"), "{started}");
    // Of marks that stand long beside a later one nothing is left; nobody takes one for a sprint.
    let marks = || {
        let entries = std::fs::read_dir(&conductor).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(".last.")).count()
    };
    assert!(marks() > 1);
    crate::process_driver::backdate(conductor.join(".last.20991231-235959"), 2 * 3600);
    scene.does("lead", &["clean"]);
    assert_eq!(marks(), 2);
    crate::process_driver::backdate(conductor.join(".last.21000101-000000"), 2 * 3600);
    scene.does("lead", &["clean"]);
    assert_eq!(marks(), 1);
    assert_eq!(scene.board()["sprint_id"], started["sprint_id"]);
    scene.does("lead", &["doctor"]);
    // What no later moment can follow is told of.
    std::fs::write(conductor.join(".last.99991231-235959"), "").unwrap();
    let refused = scene.said("lead", &["start", "--phases", "a:"]);
    assert_eq!(refused["code"], "unreadable", "{refused}");
}
