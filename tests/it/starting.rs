//! `start`: what a graph may be, where it is read from, and what is refused with which words.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::process_driver::{Agent, Answer};
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
    let json = r#"[{"name":"x"},{"name":"y","depends_on":["x"],"about":"why"}]"#;
    let xy = expected(&[("x", &[]), ("y", &["x"])]);
    start(json);
    assert_eq!(graph(&sandbox), xy);
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
    ("lock:", "'lock' is a reserved name; it could be 'lock-2'"),
    ("done:,done-2:", "'done' is a reserved name; it could be 'done-3'"),
    ("a:bulid,build:", "'a' depends on 'bulid', which is not a phase; did you mean 'build'?"),
    (
        "biuld",
        "'biuld' is not a default phase (did you mean 'build'?); give its dependencies as 'biuld:dep+dep', or 'biuld:' for none",
    ),
    ("a:,,b:", "an empty name in the list"),
    ("[]", "it has no phases"),
    (
        "UP:",
        "'UP' is not a phase name (lower-case letters, digits, '-' and '_', at most 64, beginning with a letter or digit); it could be 'up'",
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
        (
            r#"{"phase_graph": 7}"#.to_owned(),
            "the field 'phase_graph' of the configuration must be a list of phases",
        ),
        (
            r#"{"phase_graph": null}"#.to_owned(),
            "the field 'phase_graph' of the configuration must be",
        ),
        (
            "{\"skill_roots\": [],\n \"phase_graph\": [\n{\"name\": \"a\",\n\"needs\": []}]}"
                .to_owned(),
            "'a' has an unknown field 'needs' (line 4): did you mean 'depends_on'?",
        ),
        (
            r#"{"phase_graph": {"phases": [{"name": "a"}], "gaol": "x"}}"#.to_owned(),
            "the graph has an unknown field 'gaol' (line 1): did you mean 'goal'?",
        ),
        (
            r#"{"phaseGraph": [{"name": "a"}]}"#.to_owned(),
            "the configuration has an unknown field 'phaseGraph' (line 1): did you mean 'phase_graph'?",
        ),
        (
            r#"{"phases": [{"name": "a"}]}"#.to_owned(),
            "the configuration has an unknown field 'phases' (line 1): did you mean 'phase_graph'?",
        ),
        (
            r#"{"phase_graph": [{"name": "a"}], "phase_graph": [{"name": "b"}]}"#.to_owned(),
            "the configuration has the field 'phase_graph' twice (line 1)",
        ),
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

/// Names that no phase can have, and what is proposed instead.
#[test]
fn a_name_is_proposed() {
    let (sandbox, me) = repository();
    for (names, wrong, instead) in [
        (&["T08"][..], "T08", Some("t08")),
        (&["Build API"], "Build API", Some("build-api")),
        (&["Build API", "build-api"], "Build API", Some("build-api-2")),
        (&["build-api", "build-api-2", "Build--API!"], "Build--API!", Some("build-api-3")),
        (&["t08", "T08"], "T08", Some("t08-2")),
        (&["v1.2"], "v1.2", Some("v1-2")),
        (&["_x_"], "_x_", Some("x")),
        (&["Archive"], "Archive", Some("archive-2")),
        (&["übung"], "übung", Some("bung")),
        (&["…"], "…", None),
        (&[""], "", None),
        (&["x/../../y"], "x/../../y", Some("x-y")),
    ] {
        let graph = json!(names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>());
        let answer = sandbox.run("repo", &me, &["start", "--phases", &graph.to_string()]);
        assert_eq!(answer.said(), (Some(129), "usage"), "{names:?}: {answer:#?}");
        let first = answer.err.lines().next().unwrap();
        let begin = format!("error: invalid phase graph: '{wrong}' is not a phase name");
        assert!(first.starts_with(&begin), "{first}");
        let proposed = first.split_once("; it could be '").map(|(_, name)| name);
        assert_eq!(proposed.map(|name| name.trim_end_matches('\'')), instead, "{first}");
        // It can be used.
        if let Some(instead) = instead {
            let all = names.iter().map(|name| if *name == wrong { instead } else { name });
            let all: Vec<String> = all.map(|name| format!("{name}:")).collect();
            sandbox.run("repo", &me, &["start", "--phases", &all.join(",")]).ok();
        }
    }
    let long = format!("{}!", "A".repeat(400));
    let answer = sandbox.run("repo", &me, &["start", "--phases", &format!("{long}:")]);
    assert!(answer.err.contains(&format!("it could be '{}'", "a".repeat(60))), "{answer:#?}");
}

/// (a graph, what follows `invalid phase graph: `)
const FAULTS: &[(&str, &str)] = &[
    (r#"[{"name":"a","x":1}]"#, "'a' has an unknown field 'x' (line 1)"),
    (r#"[{"":1,"name":"a"}]"#, "'a' has an unknown field '' (line 1)"),
    (r#"[{"x":1}]"#, "phase 1 has an unknown field 'x' (line 1)"),
    ("[\n\n{}]", "phase 1 has no field 'name' (line 3)"),
    (
        "[\n1]",
        "phase 1 must be an object, as {\"name\": \"build\", \"depends_on\": [\"plan\"]} (line 2)",
    ),
    (r#"[{"name":null}]"#, "the field 'name' of phase 1 must be a string (line 1)"),
    (
        r#"[{"name":"a"},{"name":"b","depends_on":"a"}]"#,
        "the field 'depends_on' of 'b' must be a list of names, as [\"build\"] (line 1)",
    ),
    (
        r#"[{"name":"a","depends_on":[1]}]"#,
        "the field 'depends_on' of 'a' must be a list of names, as [\"build\"] (line 1)",
    ),
    (
        r#"[{"name":"a","depends_on":null}]"#,
        "the field 'depends_on' of 'a' must be a list of names, as [\"build\"] (line 1)",
    ),
    (
        r#"[{"name":"a","not_by":{}}]"#,
        "the field 'not_by' of 'a' must be a list of names, as [\"build\"] (line 1)",
    ),
    (r#"[{"name":"a","about":["x"]}]"#, "the field 'about' of 'a' must be a string (line 1)"),
    (
        r#"[{"name":"a","concurrency":true}]"#,
        "the field 'concurrency' of 'a' must be \"read\", \"write\" or \"exclusive\" (line 1)",
    ),
    (
        r#"[{"name":"a","max_attempts":"2"}]"#,
        "the field 'max_attempts' of 'a' must be a whole number from 1 on (line 1)",
    ),
    (
        r#"[{"name":"a","max_attempts":1.5}]"#,
        "the field 'max_attempts' of 'a' must be a whole number from 1 on (line 1)",
    ),
    (r#"[{"name":"a","max_attempts":0}]"#, "'a' has max_attempts 0, and could never be claimed"),
    ("[{\"name\":\"a\",\n\"name\":\"b\"}]", "'a' has the field 'name' twice (line 2)"),
    (
        "{\"phases\":[{\"name\":\"a\"}],\n\"phases\":[{\"name\":\"b\"}]}",
        "the graph has the field 'phases' twice (line 2)",
    ),
    (r#"{"phases":[{"name":"a"}],"x":1}"#, "the graph has an unknown field 'x' (line 1)"),
    (
        r#"{"steps":[{"name":"a"}]}"#,
        "the graph has an unknown field 'steps' (line 1): did you mean 'phases'?",
    ),
    (r#"{"goal":"x"}"#, "the graph has no field 'phases', a list of phases"),
    (r#"{"goal":1,"phases":[]}"#, "the field 'goal' of the graph must be a string (line 1)"),
    (
        r#"{"phases":{"a":{}}}"#,
        "the field 'phases' of the graph must be a list of phases, as [{\"name\": \"build\"}] (line 1)",
    ),
    (r#"{"phases":[]}"#, "it has no phases"),
];

/// What may stand in a graph that is written as JSON, and where it is told what may not.
#[test]
fn nothing_of_a_graph_is_passed_over() {
    let (sandbox, me) = repository();
    sandbox.run("repo", &me, &["start", "--phases", "keep:"]).ok();
    let kept = sandbox.board("repo").json["sprint_id"].clone();
    let refused = |text: &str, why: &str| {
        sandbox.write("repo/graph.json", text);
        for (spec, stdin) in [(text, ""), ("graph.json", ""), ("-", text)] {
            let mut command = sandbox.binary("repo", &me, &["start", "--phases", spec]);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            // Whoever has an answer before it reads has ended by then.
            child.stdin.take().unwrap().write_all(stdin.as_bytes()).ok();
            let answer = Answer::of(&child.wait_with_output().unwrap());
            assert_eq!(answer.said(), (Some(129), "usage"), "{text}: {answer:#?}");
            let first = answer.err.lines().next().unwrap();
            assert_eq!(first, format!("error: invalid phase graph: {why}"), "{text}");
            assert_eq!(answer.json["do"], json!(["git", "conductor", "start", "-h"]));
        }
        assert_eq!(sandbox.board("repo").json["sprint_id"], kept);
    };
    // Each by its names elsewhere, and by what is mistyped.
    for (field, meant) in [
        ("dependsOn", "depends_on"),
        ("depend_on", "depends_on"),
        ("depends-on", "depends_on"),
        ("DEPENDS_ON", "depends_on"),
        ("blockedBy", "depends_on"),
        ("blocked-by", "depends_on"),
        ("needs", "depends_on"),
        ("requires", "depends_on"),
        ("deps", "depends_on"),
        ("not-by", "not_by"),
        ("notBy", "not_by"),
        ("nto_by", "not_by"),
        ("maxAttempts", "max_attempts"),
        ("max_atempts", "max_attempts"),
        ("retries", "max_attempts"),
        ("concurency", "concurrency"),
        ("description", "about"),
        ("Name", "name"),
    ] {
        let text = format!(
            "[\n  {{\"name\": \"a\"}},\n  {{\"name\": \"b\",\n   \"{field}\":\n [\"a\"]}}]"
        );
        refused(
            &text,
            &format!("'b' has an unknown field '{field}' (line 4): did you mean '{meant}'?"),
        );
    }
    for (text, why) in FAULTS {
        refused(text, why);
    }
}

#[test]
fn an_object_holds_the_graph_and_the_goal() {
    let (sandbox, me) = repository();
    let start = |args: &[&str]| {
        let args: Vec<&str> = [&["start", "--phases"][..], args].concat();
        sandbox.run("repo", &me, &args).ok()
    };
    let object = r#" {"$schema": "https://x.test/graph.json", "goal": "add OAuth login",
        "phases": [{"name": "x"}, {"name": "y", "depends_on": ["x"], "about": "why", "max_attempts": 2}]}"#;
    start(&[object]);
    assert_eq!(graph(&sandbox), expected(&[("x", &[]), ("y", &["x"])]));
    assert_eq!(record(&sandbox)["goal"], "add OAuth login");
    assert_eq!(record(&sandbox)["phases"][1]["max_attempts"], 2);
    start(&[object, "--goal", "another"]);
    assert_eq!(record(&sandbox)["goal"], "another");
    // The record of a sprint, one that has ended too.
    sandbox.run("repo", &me, &["archive"]).ok();
    let store = sandbox.join("repo/.nanostack/conductor/archive");
    let newest =
        std::fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let old = newest.join("sprint.json");
    let before: Value = serde_json::from_slice(&std::fs::read(&old).unwrap()).unwrap();
    let started = start(&[old.to_str().unwrap()]);
    let after = record(&sandbox);
    assert_eq!((&after["phases"], &after["goal"]), (&before["phases"], &before["goal"]));
    assert_eq!(after["status"], "active");
    assert_eq!(after["from"], Value::Null);
    assert_ne!(started.json["sprint_id"], before["sprint_id"]);
    // That of the store as well; what other programs have there is theirs.
    let config =
        format!(r#"{{"preferences": {{"name": 1}}, "phases": "many", "phase_graph": {object}}}"#);
    sandbox.write("repo/.nanostack/config.json", config);
    sandbox.run("repo", &me, &["start"]).ok();
    assert_eq!(record(&sandbox)["goal"], "add OAuth login");
    assert_eq!(graph(&sandbox), expected(&[("x", &[]), ("y", &["x"])]));
}

/// A sprint that another version has started goes on, whatever else it says.
#[test]
fn what_a_record_says_besides_is_passed_over() {
    let (sandbox, me) = repository();
    sandbox.run("repo", &me, &["start", "--phases", "x:,y:x"]).ok();
    let path = sandbox.sprint("repo/.nanostack").join("sprint.json");
    let mut record = record(&sandbox);
    record["later"] = json!({"a": 1});
    record["phases"][1]["dependsOn"] = json!(["x"]);
    record["phases"][1]["later"] = Value::Null;
    std::fs::write(&path, record.to_string()).unwrap();
    sandbox.run("repo", &me, &["claim", "x"]).ok();
    sandbox.run("repo", &me, &["complete", "x"]).ok();
    sandbox.run("repo", &me, &["claim", "y"]).ok();
}

/// The graph that the help, README and the manual show can be given as it is.
#[test]
fn the_graph_that_is_shown_is_one() {
    let (sandbox, me) = repository();
    let help = sandbox.git_says("repo", ["conductor", "start", "-h"]);
    let (_, shown) = help.split_once("\nA whole graph, as graph.json:\n").unwrap();
    let read = |file: &str| {
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file))
            .unwrap()
    };
    let readme = read("README.md");
    let (_, of_readme) = readme.split_once("<!-- graph -->\n```json\n").unwrap();
    let (of_readme, _) = of_readme.split_once("```").unwrap();
    let manual = read("doc/start.md");
    let (_, of_manual) = manual.split_once("`--phases graph.json`:\n\n").unwrap();
    let (of_manual, _) = of_manual.split_once("\n\n").unwrap();
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(parsed(shown), parsed(of_readme));
    assert_eq!(parsed(shown), parsed(of_manual));
    sandbox.write("repo/graph.json", shown);
    sandbox.run("repo", &me, &["start", "--phases", "./graph.json"]).ok();
    // It shows every field.
    let fields = ["name", "depends_on", "about", "concurrency", "not_by", "max_attempts"];
    assert!(fields.iter().all(|field| shown.contains(&format!("\"{field}\""))), "{shown}");
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
