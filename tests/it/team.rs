//! A whole sprint, by seven agents that are scripts in linked worktrees and do real work: one is
//! killed, another takes over what it left, the review finds a fault, so that there is a second
//! round, and what the gate does not let pass in the first goes out in the second.

use std::process::{Child, Output, Stdio};

use serde_json::{Value, json};

use crate::fixture::Scene;

/// What an agent does, in its own words.
const SCRIPTS: &[(&str, &str)] = &[
    ("think", include_str!("team/think.sh")),
    ("plan", include_str!("team/plan.sh")),
    ("build", include_str!("team/build.sh")),
    ("rescue", include_str!("team/rescue.sh")),
    ("review", include_str!("team/review.sh")),
    ("qa", include_str!("team/qa.sh")),
    ("security", include_str!("team/security.sh")),
    ("ship", include_str!("team/ship.sh")),
    ("mend", include_str!("team/mend.sh")),
];
const LIBRARY: &str = include_str!("team/lib.sh");
const TEAM: &[&str] = &["think", "plan", "build", "review", "qa", "security", "ship"];

/// An agent at work; killed with the test, if that is earlier.
struct Work {
    what: &'static str,
    process: Option<Child>,
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().ok();
            process.wait().ok();
        }
    }
}

impl Work {
    fn end(mut self) -> Output {
        self.process.take().unwrap().wait_with_output().unwrap()
    }

    /// It must have ended well.
    #[track_caller]
    fn ok(self) {
        let what = self.what;
        let output = self.end();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{what}: {:?}: {said}", output.status);
    }

    /// It must have been refused: what it said.
    #[track_caller]
    fn refused(self) -> String {
        let output = self.end();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
    }
}

/// `agent` begins to do what the script `what` says, in its own worktree.
fn begin(scene: &Scene, agent: &str, what: &'static str, former: &str) -> Work {
    let (_, script) = SCRIPTS.iter().find(|(name, _)| *name == what).unwrap();
    let file = scene.sandbox.write(format!("team/{what}.sh"), format!("{LIBRARY}\n{script}"));
    let mut shell = scene.sandbox.command(agent, "sh");
    shell.arg(file).env("GIT_CONDUCTOR_AGENT", agent).env("FORMER", former);
    shell.env("TEAM", scene.sandbox.join("team"));
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Work { what, process: Some(shell.spawn().unwrap()) }
}

fn state(board: &Value, phase: &str) -> (String, Value) {
    let phase = &board["phases"][phase];
    (phase["state"].as_str().unwrap().to_owned(), phase["verdict"].clone())
}

#[test]
fn seven_agents_go_round_twice() {
    let mut scene = Scene::new();
    let sandbox = &scene.sandbox;
    sandbox.git(".", ["init", "-q", "--bare", "remote.git"]);
    sandbox.git("repo", ["remote", "add", "origin", "../remote.git"]);
    sandbox.git("repo", ["push", "-q", "origin", "main"]);
    sandbox.git("repo", ["remote", "set-head", "origin", "main"]);
    sandbox.git("repo", ["config", "conductor.evidence", "require"]);
    for agent in TEAM {
        let path = format!("../{agent}");
        sandbox.git("repo", ["worktree", "add", "-q", "--detach", &path]);
    }
    scene.does("lead", &["hooks", "install"]);
    scene.does("lead", &["start", "--goal", "greet people"]);
    let first = scene.board();
    let former = first["sprint_id"].as_str().unwrap().to_owned();

    // All begin at once; each waits for its turn.
    let mut works: Vec<Work> = TEAM.iter().map(|agent| begin(&scene, agent, agent, "")).collect();
    while !scene.sandbox.join("team/half-done").exists() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    drop(works.remove(2));
    works.drain(..2).for_each(Work::ok);
    begin(&scene, "plan", "rescue", "").ok();
    let ship = works.pop().unwrap();
    works.into_iter().for_each(Work::ok);
    // The review has failed: nobody waits for what can never be.
    let said = ship.refused();
    assert!(said.contains("'review'"), "{said}");

    let board = scene.board();
    assert_eq!(state(&board, "review"), ("done".to_owned(), json!("fail")));
    assert_eq!(state(&board, "qa"), ("done".to_owned(), json!("pass")));
    assert_eq!(board["phases"]["build"]["agent"], "plan");
    assert_eq!(board["phases"]["build"]["attempts"], 1);
    let shown = scene.said("lead", &["show", "build"]);
    assert_eq!(shown["attempts"][0]["agent"], "build", "{shown}");
    // Nothing goes out of it, not even by whom the phase is meant for.
    let built = board["phases"]["build"]["commit"].as_str().unwrap().to_owned();
    let mut push = scene.sandbox.command("ship", "git");
    push.args(["push", "-q", "origin", &format!("{built}:main")]);
    let refused = push.env("GIT_CONDUCTOR_AGENT", "ship").output().unwrap();
    assert!(!refused.status.success(), "{refused:?}");
    let before = scene.sandbox.git_says("remote.git", ["rev-parse", "main"]);
    assert_ne!(before, built);

    scene.does("lead", &["start", "--from", "build"]);
    let second = ["review", "qa", "security", "ship"];
    let mut works = vec![begin(&scene, "think", "mend", &former)];
    works.extend(second.map(|agent| begin(&scene, agent, agent, "")));
    works.into_iter().for_each(Work::ok);

    let board = scene.board();
    for phase in ["think", "plan", "build", "review", "qa", "security", "ship"] {
        assert_eq!(state(&board, phase), ("done".to_owned(), json!("pass")), "{phase}");
    }
    assert_eq!(board["phases"]["plan"]["carried_from"], former.as_str());
    assert_eq!(board["phases"]["build"]["agent"], "think");
    let shipped = board["phases"]["ship"]["commit"].as_str().unwrap();
    assert_eq!(scene.sandbox.git_says("remote.git", ["rev-parse", "main"]), shipped);
    let greeted = scene.sandbox.command("ship", "./greet.sh").output().unwrap();
    assert_eq!(greeted.stdout, b"hello, world\n");
    // All evidence of both rounds stands, and who did what can be told.
    assert_eq!(scene.said("lead", &["verify", "--all"])["ok"], true);
    let log = scene.said("lead", &["log", "--event", "claim"]);
    let claims = log["events"].as_array().unwrap().len();
    assert_eq!(claims, 12, "{log}");
}
