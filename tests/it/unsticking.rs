//! `unstuck --all`, and the board that it leaves.

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
