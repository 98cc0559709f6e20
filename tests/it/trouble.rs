//! What keeps a sprint from going on is on its board: what, why, and the command that helps.

use crate::fixture::{Scene, ageless};

const PHASES: &str = r#"[{"name": "think", "depends_on": []},
    {"name": "review", "depends_on": ["think"]}, {"name": "qa", "depends_on": ["think"]},
    {"name": "perf", "depends_on": ["think"], "max_attempts": 1},
    {"name": "docs", "depends_on": ["think"]},
    {"name": "ship", "depends_on": ["review", "qa", "perf", "docs"]}]"#;

/// One phase is done, one failed, one has an owner that is dead, one an owner that lives, and one
/// is exhausted.
fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.sandbox.write("home/graph.json", PHASES);
    scene.does("lead", &["start", "--phases", "../home/graph.json"]);
    scene.works("ann", "think");
    scene.does("bob", &["claim", "review"]);
    scene.does("bob", &["complete", "review", "--verdict", "fail"]);
    scene.does("gone", &["claim", "qa"]);
    scene.dies("gone");
    scene.does("bob", &["claim", "perf"]);
    scene.does("bob", &["abort", "perf"]);
    scene.does("ann", &["claim", "docs"]);
    scene
}

fn told(scene: &mut Scene, args: &[&str]) -> Vec<String> {
    let output = scene.asks("eve", "repo", args);
    let text = String::from_utf8(output.stdout).unwrap();
    ageless(&text).lines().map(str::to_owned).collect()
}

#[test]
fn what_is_stuck_is_said_and_what_helps() {
    let mut scene = scene();
    let lines = told(&mut scene, &["status"]);
    let ends = "  active 0s  2 of 6 done, 1 failed, 1 exhausted, 1 dead owner";
    assert!(lines[0].ends_with(ends), "{}", lines[0]);
    let is_told = |line: &&String| line.starts_with("stuck") || line.starts_with("       ");
    let stuck: Vec<&str> = lines.iter().filter(is_told).map(|line| line[7..].trim_end()).collect();
    assert_eq!(
        stuck,
        [
            "'review' failed, and 'ship' waits for it",
            "git conductor show review",
            "'qa' is held by 'gone', whose process is gone (last heard 0s ago)",
            "git conductor claim qa --takeover",
            "'perf' is exhausted: 1 attempt at it failed; whether it is tried again is a person's decision",
            "git conductor show perf",
        ]
    );
    // Each of these can be run, and helps or tells more.
    scene.does("eve", &["show", "perf"]);
    scene.does("eve", &["show", "review"]);
    scene.does("eve", &["claim", "qa", "--takeover"]);
    scene.does("eve", &["complete", "qa"]);
    // The next round takes nothing from anybody who is at work.
    let next_round = "       git conductor start --from review".to_owned();
    assert!(!told(&mut scene, &["status"]).contains(&next_round));
    scene.does("ann", &["complete", "docs"]);
    assert!(told(&mut scene, &["status"]).contains(&next_round));
    scene.does("lead", &["start", "--from", "review"]);
    assert!(!told(&mut scene, &["status"]).concat().contains("failed"));
}

#[test]
fn a_sprint_that_cannot_go_on_is_not_called_active() {
    let mut scene = scene();
    let begins = |lines: &[String], word: &str| lines[0].contains(&format!("  {word} 0s  "));
    assert!(begins(&told(&mut scene, &["status"]), "active"));
    scene.does("ann", &["complete", "docs"]);
    let lines = told(&mut scene, &["status"]);
    assert!(begins(&lines, "stuck"), "{lines:#?}");
    assert!(lines.contains(&"stuck  nothing is ready, and nobody is at work".to_owned()));
    assert!(begins(&told(&mut scene, &["graph"]), "stuck"));
    // What programs read stays.
    assert_eq!(scene.board()["status"], "active");
    scene.does("eve", &["claim", "qa", "--takeover"]);
    assert!(begins(&told(&mut scene, &["status"]), "active"));
    scene.does("eve", &["complete", "qa"]);
    scene.does("eve", &["archive"]);
    let id = scene.sandbox.join("repo/.nanostack/conductor/archive");
    let id = std::fs::read_dir(id).unwrap().next().unwrap().unwrap().file_name();
    let lines = told(&mut scene, &["show", "--sprint", id.to_str().unwrap()]);
    assert!(begins(&lines, "archived"), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.starts_with("stuck")), "{lines:#?}");
}

#[test]
fn an_owner_of_whom_nothing_is_heard_is_named() {
    let mut scene = Scene::new();
    scene.sprint("build,docs:");
    scene.does("far", &["claim", "build"]);
    scene.out_of_sight("build");
    let is_quiet = |lines: &[String]| !lines.iter().any(|line| line.starts_with("stuck"));
    assert!(is_quiet(&told(&mut scene, &["status"])), "it may well be at work");
    scene.claimed_ago("build", 2 * 3600);
    let lines = told(&mut scene, &["status"]);
    assert!(lines[0].ends_with(", 1 silent owner") && lines[0].contains("active"), "{lines:#?}");
    let wanted =
        "stuck  'build' is held by 'far', who was not heard for 0s and cannot be seen from here";
    assert!(lines.iter().any(|line| line == wanted), "{lines:#?}");
    let output = scene.asks("eve", "repo", &["status"]);
    let said = String::from_utf8(output.stdout).unwrap();
    // Some minutes may have gone by.
    assert!(said.contains(" was not heard for 2h"), "{said}");
    assert!(lines.iter().any(|line| line.starts_with("? build")), "{lines:#?}");
}

/// The sign, and the colour, of each phase.
#[test]
fn no_two_states_look_the_same() {
    let mut scene = scene();
    let colours = told(&mut scene, &["status", "--color", "always"]);
    let of = |phase: &str| {
        let row = colours.iter().find(|line| line.contains(&format!(" {phase} "))).unwrap();
        let begins = row.split(&format!(" {phase} ")).next().unwrap();
        begins.strip_suffix("\u{1b}[0m").unwrap().to_owned()
    };
    assert_eq!(of("think"), "\u{1b}[32m+");
    assert_eq!(of("review"), "\u{1b}[31mx");
    assert_eq!(of("qa"), "\u{1b}[33m!");
    assert_eq!(of("docs"), "\u{1b}[36m*");
    assert_eq!(of("ship"), "\u{1b}[2m.");
    scene.does("gone", &["claim", "qa"]);
    scene.does("gone", &["abort", "qa"]);
    let colours = told(&mut scene, &["status", "--color", "always"]);
    let ready = colours.iter().find(|line| line.contains(" qa ")).unwrap();
    assert!(ready.starts_with("\u{1b}[1m\u{1b}[34m>"), "{ready:?}");
    let plain = told(&mut scene, &["status"]);
    let signs: String = plain[1..7].iter().map(|line| line.chars().next().unwrap()).collect();
    assert_eq!(signs, "+x>x*.");
}
