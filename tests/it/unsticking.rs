//! `unstuck --all`, the board that it leaves, and that board in a line.

use crate::fixture::Scene;

/// Owners that are gone, at work and out of sight: only of the first it is proven that they are
/// gone.
#[test]
fn only_what_the_dead_hold_is_freed() {
    let mut scene = Scene::new();
    scene.sprint("a:,b:,c:,d:,e:");
    for (agent, phase) in
        [("claude-1", "a"), ("claude-1", "b"), ("codex-1", "c"), ("cursor-1", "d")]
    {
        scene.does(agent, &["claim", phase]);
    }
    scene.out_of_sight("d");
    scene.dies("claude-1");
    let board = scene.said("lead", &["status"]);
    assert_eq!(board["phases"]["a"]["alive"], "no", "{board}");
    let freed = scene.said("lead", &["unstuck", "--all"]);
    let of = |key: &str| -> Vec<String> {
        let freed = freed["freed"].as_array().unwrap().iter();
        freed.map(|one| one[key].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        (of("phase"), of("freed_from")),
        (vec!["a".to_owned(), "b".to_owned()], vec!["claude-1".to_owned(), "claude-1".to_owned()],)
    );
    let board = scene.said("lead", &["status"]);
    let states: Vec<&str> = ["a", "b", "c", "d", "e"]
        .iter()
        .map(|phase| board["phases"][phase]["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["pending", "pending", "claimed", "claimed", "pending"]);
    // Whoever was freed from hears it as after any other unstuck, and a second time frees nothing.
    assert_eq!(scene.said("lead", &["unstuck", "--all"])["freed"], serde_json::json!([]));
    let open = scene.said("lead", &["status", "--open"]);
    assert_eq!(open["phases"].as_object().unwrap().len(), 5);
    scene.does("codex-1", &["complete", "c"]);
    let open = scene.said("lead", &["status", "--open"]);
    assert!(!open["phases"].as_object().unwrap().contains_key("c"), "{open}");
    assert_eq!(open["phases"]["a"], scene.said("lead", &["status"])["phases"]["a"]);
}

/// What cannot be freed keeps no other, and what was freed is told of all the same.
#[test]
fn one_that_cannot_be_freed_keeps_no_other() {
    let mut scene = Scene::new();
    scene.sprint("a:,b:,c:");
    for phase in ["a", "b", "c"] {
        scene.does("claude-1", &["claim", phase]);
    }
    scene.dies("claude-1");
    // Where the attempt is to be kept there is something that nobody of ours put there.
    let past = scene.sprint_dir().join("b/past");
    std::fs::write(&past, "").unwrap();
    let output = scene.asks("lead", "repo", &["unstuck", "--all"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(128), 0), "{output:?}");
    let err = String::from_utf8(output.stderr).unwrap();
    for words in ["freed 'a' from", "freed 'c' from", "'b' could not be freed\nerror: cannot open"]
    {
        assert!(err.contains(words), "{err}");
    }
    scene.does("claude-2", &["claim", "c"]);
    scene.dies("claude-2");
    let output = scene.asks("lead", "repo", &["unstuck", "--all", "--json"]);
    assert_eq!(output.status.code(), Some(128), "{output:?}");
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&said["ok"], &said["code"]), (&false.into(), &"tampered".into()), "{said}");
    assert_eq!((&said["freed"][0]["phase"], &said["failed"]), (&"c".into(), &["b"][..].into()));
    // Where nothing is freed it is a failure like any other.
    let said = scene.said("lead", &["unstuck", "--all"]);
    assert_eq!((&said["code"], said.get("freed")), (&"tampered".into(), None), "{said}");
    std::fs::remove_file(past).unwrap();
    assert_eq!(scene.said("lead", &["unstuck", "--all"])["freed"][0]["phase"], "b");
}

/// A line for a prompt: whatever is wrong, the prompt shows nothing but the line.
#[test]
fn a_short_status_says_nothing_on_standard_error() {
    let mut scene = Scene::new();
    scene.sprint("a:,b:");
    let short = |scene: &mut Scene, dir: &str| {
        let output = scene.asks("lead", dir, &["status", "--short"]);
        assert_eq!(output.stderr.len(), 0, "{output:?}");
        (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
    };
    assert_eq!(short(&mut scene, "repo"), ("0/2 ready: a, b\n".to_owned(), 0));
    scene.sandbox.write("elsewhere/file", "");
    assert_eq!(short(&mut scene, "elsewhere"), (String::new(), 128));
    scene.sandbox.git("repo", ["config", "conductor.staleAfter", "often"]);
    assert_eq!(short(&mut scene, "repo"), ("0/2 ready: a, b\n".to_owned(), 0));
    std::fs::write(scene.sprint_dir().join("sprint.json"), "{bad").unwrap();
    assert_eq!(short(&mut scene, "repo"), (String::new(), 128));
    // For programs it is as without.
    let output = scene.asks("lead", "repo", &["status", "--short", "--json"]);
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["code"], "unreadable", "{said}");
    assert!(!output.stderr.is_empty());
}
