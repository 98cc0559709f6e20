//! `start`: what a graph may be, where it is read from, and what is refused with which words.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::drive::{Agent, Answer};
use crate::sandbox::Sandbox;

fn repository() -> (Sandbox, Agent) {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    (sandbox, Agent::new("me"))
}

fn record(sandbox: &Sandbox) -> Value {
    let path = sandbox.sprint("repo/.nanostack").join("sprint.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn graph(sandbox: &Sandbox) -> Vec<(String, Vec<String>)> {
    let record = record(sandbox);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entry = |phase: &Value| {
        let deps = phase["depends_on"].as_array().unwrap();
        (text(&phase["name"]), deps.iter().map(text).collect())
    };
    record["phases"].as_array().unwrap().iter().map(entry).collect()
}

fn expected(list: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
    let words = |deps: &[&str]| deps.iter().map(|dep| (*dep).to_owned()).collect();
    list.iter().map(|(name, deps)| ((*name).to_owned(), words(deps))).collect()
}

#[test]
fn where_a_graph_comes_from() {
    let (sandbox, me) = repository();
    let start = |spec: &str| sandbox.run("repo", &me, &["start", "--phases", spec]).ok();
    sandbox.run("repo", &me, &["start"]).ok();
    let default = expected(&[
        ("think", &[]),
        ("plan", &["think"]),
        ("build", &["plan"]),
        ("review", &["build"]),
        ("qa", &["build"]),
        ("security", &["build"]),
        ("ship", &["review", "qa", "security"]),
    ]);
    assert_eq!(graph(&sandbox), default);
    start("think,build,docs:build,ship");
    let contracted = expected(&[
        ("think", &[]),
        ("build", &["think"]),
        ("docs", &["build"]),
        ("ship", &["build"]),
    ]);
    assert_eq!(graph(&sandbox), contracted);
    let json = r#"[{"name":"x"},{"name":"y","depends_on":["x"],"about":"why","mine":1}]"#;
    let xy = expected(&[("x", &[]), ("y", &["x"])]);
    start(json);
    assert_eq!(graph(&sandbox), xy);
    // What this version does not know stays in the record.
    assert_eq!(record(&sandbox)["phases"][1]["mine"], 1);
    assert_eq!(record(&sandbox)["phases"][1]["about"], "why");
    start("a:");
    sandbox.write("repo/graph.json", json);
    start("graph.json");
    assert_eq!(graph(&sandbox), xy);
    start("a:");
    start("./graph.json");
    assert_eq!(graph(&sandbox), xy);
    for input in [json, "x:,y:x"] {
        start("a:");
        let mut command = sandbox.binary("repo", &me, &["start", "--phases", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Answer::of(&child.wait_with_output().unwrap()).ok();
        assert_eq!(graph(&sandbox), xy, "{input}");
    }
    sandbox.write("repo/.nanostack/config.json", format!(r#"{{"phase_graph": {json}}}"#));
    start("a:");
    sandbox.run("repo", &me, &["start"]).ok();
    assert_eq!(graph(&sandbox), xy);
    sandbox.write("repo/.nanostack/config.json", r#"{"custom_phases": ["z"]}"#);
    sandbox.run("repo", &me, &["start"]).ok();
    assert_eq!(graph(&sandbox), default);
}

/// (`--phases`, what follows `invalid phase graph: `)
const INVALID: &[(&str, &str)] = &[
    ("a:b,b:c,c:a", "dependency cycle: a -> b -> c -> a"),
    ("x:,a:b,b:a", "dependency cycle: a -> b -> a"),
    ("a:a", "'a' depends on itself"),
    ("a:nowhere", "'a' depends on 'nowhere', which is not a phase"),
    ("a:,a:", "'a' is there twice"),
    (
        "docs",
        "'docs' is not a default phase; give its dependencies as 'docs:dep+dep', or 'docs:' for none",
    ),
    ("lock:", "'lock' is a reserved name"),
    ("done:", "'done' is a reserved name"),
    ("a:,,b:", "an empty name in the list"),
    ("[]", "it has no phases"),
    (
        "UP:",
        "'UP' is not a phase name (lower-case letters, digits, '-' and '_', at most 64, beginning with a letter or digit)",
    ),
    (
        r#"[{"name":"a"},{"name":"b","not_by":["a"]}]"#,
        "'b' has 'a' in not_by, which it does not depend on",
    ),
    (
        r#"[{"name":"a","concurrency":"often"}]"#,
        "'a' has concurrency 'often', which is none of read, write, exclusive",
    ),
];

#[test]
fn invalid_graphs() {
    let (sandbox, me) = repository();
    let before = sandbox.run("repo", &me, &["start", "--phases", "keep:"]).ok();
    let unchanged = || {
        assert_eq!(sandbox.board("repo").json["sprint_id"], before.json["sprint_id"]);
        sandbox.sprint("repo/.nanostack");
    };
    for (spec, why) in INVALID {
        let answer = sandbox.run("repo", &me, &["start", "--phases", spec]);
        assert_eq!(answer.said(), (Some(129), "usage"), "{spec}: {answer:#?}");
        let first = answer.err.lines().next().unwrap();
        assert_eq!(first, format!("error: invalid phase graph: {why}"), "{spec}");
    }
    for spec in [r#"[{"name":"a""#, r#"[{"depends_on":[]}]"#, "[1]"] {
        let answer = sandbox.run("repo", &me, &["start", "--phases", spec]);
        assert_eq!(answer.exit, Some(129), "{spec}: {answer:#?}");
        assert!(answer.err.starts_with("error: invalid phase graph: "), "{spec}: {answer:#?}");
    }
    let many: Vec<String> = (0..257).map(|n| format!("p{n}:")).collect();
    let answer = sandbox.run("repo", &me, &["start", "--phases", &many.join(",")]);
    assert!(
        answer.err.starts_with("error: invalid phase graph: 257 phases, at most 256 are allowed")
    );
    let answer = sandbox.run("repo", &me, &["start", "--phases", "./nowhere.json"]);
    assert_eq!(answer.exit, Some(128), "{answer:#?}");
    unchanged();
    // The store's own graph: refused, and never passed over.
    let config = sandbox.join("repo/.nanostack/config.json");
    let cyclic = r#"[{"name":"a","depends_on":["b"]},{"name":"b","depends_on":["a"]}]"#;
    for (text, why) in [
        (format!(r#"{{"phase_graph": {cyclic}}}"#), "dependency cycle: a -> b -> a"),
        (r#"{"phase_graph": []}"#.to_owned(), "it has no phases"),
        (r#"{"phase_graph": 7}"#.to_owned(), "invalid type: integer `7`"),
        ("{".to_owned(), "EOF while parsing"),
    ] {
        std::fs::write(&config, &text).unwrap();
        let answer = sandbox.run("repo", &me, &["start"]).refused("invalid_graph");
        let begin = format!("error: invalid phase_graph in '{}': {why}", config.display());
        assert!(answer.err.starts_with(&begin), "{text}: {answer:#?}");
        assert_eq!(answer.json["file"], config.display().to_string());
        unchanged();
    }
    // One that was given is not asked about the store's.
    sandbox.run("repo", &me, &["start", "--phases", "a:"]).ok();
}

#[test]
fn the_sprint_before() {
    let (sandbox, me) = repository();
    let mut other = Agent::new("other");
    let first =
        sandbox.run("repo", &me, &["start", "--phases", "a:,b:", "--goal", "one thing"]).ok();
    assert_eq!((&first.json["kept"], &first.json["archived"]), (&json!(false), &json!(null)));
    assert_eq!(sandbox.board("repo").json["goal"], "one thing");
    assert_eq!(record(&sandbox)["goal"], "one thing");
    assert_eq!(record(&sandbox)["started_by"], "me");
    assert_eq!(record(&sandbox)["project"], sandbox.join("repo").display().to_string());
    sandbox.run("repo", &other, &["claim", "a"]).ok();
    sandbox.run("repo", &other, &["complete", "a"]).ok();
    sandbox.run("repo", &other, &["claim", "b"]).ok();
    let refused = sandbox.run("repo", &me, &["start"]).refused("claimed");
    assert_eq!(refused.json["claims"][0]["phase"], "b");
    let kept = sandbox.run("repo", &me, &["start", "--if-none", "--goal", "another"]).ok();
    assert_eq!(
        (&kept.json["kept"], &kept.json["sprint_id"]),
        (&json!(true), &first.json["sprint_id"])
    );
    assert_eq!(sandbox.board("repo").json["goal"], "one thing");
    let second = sandbox.run("repo", &me, &["start", "--force", "--phases", "c:"]).ok();
    assert_eq!(second.json["archived"]["sprint_id"], first.json["sprint_id"]);
    assert_eq!(
        (&second.json["archived"]["done"], &second.json["archived"]["phases"]),
        (&json!(1), &json!(2))
    );
    // Whoever worked in the one before is told.
    for verb in ["complete", "abort"] {
        let lost = sandbox.run("repo", &other, &[verb, "b"]).refused("lost");
        assert_eq!(lost.json["ended_sprint"], first.json["sprint_id"]);
    }
    // A dead owner stands in nobody's way.
    sandbox.run("repo", &other, &["claim", "c"]).ok();
    sandbox.run("repo", &me, &["start"]).refused("claimed");
    other.kill();
    sandbox.run("repo", &me, &["start", "--phases", "d:"]).ok();
    // A finished sprint is not kept.
    sandbox.run("repo", &me, &["claim", "d"]).ok();
    sandbox.run("repo", &me, &["complete", "d"]).ok();
    let after = sandbox.run("repo", &me, &["start", "--if-none"]).ok();
    assert_eq!(after.json["kept"], false);
    assert_eq!(after.json["archived"]["done"], 1);
    assert_eq!(sandbox.run("repo", &me, &["start", "--if-none"]).ok().json["kept"], true);
}

#[test]
fn a_store_of_its_own() {
    let (sandbox, me) = repository();
    // Without a repository, and shared by two projects: each has its own sprint.
    for dir in ["x", "y"] {
        std::fs::create_dir(sandbox.join(dir)).unwrap();
        sandbox.run(dir, &me, &["start", "--store", "../shared", "--phases", "a:"]).ok();
    }
    let status = |dir: &str| sandbox.run(dir, &me, &["status", "--store", "../shared"]).ok();
    let (x, y) = (status("x"), status("y"));
    assert_eq!(x.json["project"], sandbox.join("x").display().to_string());
    assert_eq!(y.json["project"], sandbox.join("y").display().to_string());
    assert_ne!(x.json["sprint_id"], y.json["sprint_id"]);
    sandbox.run("x", &me, &["claim", "a", "--store", "../shared"]).ok();
    let with_commit = ["complete", "a", "--store", "../shared", "--commit", "HEAD"];
    assert_eq!(sandbox.run("x", &me, &with_commit).said(), (Some(129), "usage"));
    sandbox.run("x", &me, &with_commit[..4]).ok();
    assert_eq!((status("x").state("a"), status("y").state("a")), ("done", "pending"));
    // The repository is as if nothing were there.
    assert_eq!(sandbox.board("repo").json, json!({"v": 1, "status": "no_sprint"}));
}
