//! What is written is what the schemas say, in every snapshot, in a store and in git notes; and the
//! program prints the schemas that lie in `schema/`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use git_conductor::record::{Claim, Due, Maker, Rest};
use serde_json::{Map, Value, json};

use crate::fixture::Scene;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The schemas, by name.
fn schemas() -> BTreeMap<String, Value> {
    let entries = std::fs::read_dir(Path::new(ROOT).join("schema")).unwrap();
    let read = |path: std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(path).unwrap();
        (name, serde_json::from_str(&text).unwrap())
    };
    entries.map(|entry| read(entry.unwrap().path())).collect()
}

/// Whether an object that `schema` allows has named properties, also by what it consists of.
fn names_properties(schema: &Value, root: &Value) -> bool {
    let parts = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| schema[key].as_array());
    schema.get("properties").is_some()
        || parts.flatten().any(|part| names_properties(part, root))
        || schema["$ref"].as_str().is_some_and(|reference| {
            names_properties(root.pointer(reference.strip_prefix('#').unwrap()).unwrap(), root)
        })
}

/// `schema`, in which no object may have a property that is not named. What is published allows
/// more, since later versions write more. `whole`: it is all that is said of a value, and no part.
fn closed(schema: &Value, root: &Value, whole: bool) -> Value {
    let Value::Object(object) = schema else { return schema.clone() };
    let mut strict = Map::new();
    for (key, value) in object {
        let each = |whole: bool| match value.as_array() {
            Some(list) => list.iter().map(|part| closed(part, root, whole)).collect(),
            None => closed(value, root, whole),
        };
        let value = match key.as_str() {
            "properties" => {
                let all = value.as_object().unwrap().iter();
                all.map(|(name, of)| (name.clone(), closed(of, root, true))).collect()
            }
            // It stands at other places, and is closed there.
            "$defs" => {
                let all = value.as_object().unwrap().iter();
                all.map(|(name, of)| (name.clone(), closed(of, root, false))).collect()
            }
            "allOf" | "anyOf" | "oneOf" => each(false),
            "additionalProperties" if object.contains_key("properties") => continue,
            "items" | "additionalProperties" => each(true),
            _ => value.clone(),
        };
        strict.insert(key.clone(), value);
    }
    if whole && names_properties(schema, root) {
        strict.insert("unevaluatedProperties".to_owned(), json!(false));
    }
    Value::Object(strict)
}

/// The schemas as they are, and closed.
struct Checkers(BTreeMap<String, (jsonschema::Validator, jsonschema::Validator)>);

impl Checkers {
    fn new() -> Self {
        let both = |(name, schema): (String, Value)| {
            let open = jsonschema::validator_for(&schema).unwrap();
            let strict = jsonschema::validator_for(&closed(&schema, &schema, true)).unwrap();
            (name, (open, strict))
        };
        Self(schemas().into_iter().map(both).collect())
    }

    /// What is wrong with a value that is to be of a schema; empty if nothing is.
    fn wrong(&self, name: &str, value: &Value) -> String {
        let (_, strict) = self.0.get(name).unwrap();
        let each = strict.iter_errors(value);
        each.map(|error| format!("{}: {error}", error.instance_path()))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Holds a value to its schema; and shows that with another name for any of its properties it
    /// would not be of it, while a property more is no harm to who reads it.
    fn hold(&self, name: &str, value: &Value, whence: &str) {
        let wrong = self.wrong(name, value);
        assert!(wrong.is_empty(), "{whence} is not of schema/{name}.json:\n{wrong}\n{value:#}");
        for path in objects(value, "") {
            let mut more = value.clone();
            let object = more.pointer_mut(&path).unwrap().as_object_mut().unwrap();
            object.insert("zzz".to_owned(), json!(1));
            assert!(!self.wrong(name, &more).is_empty(), "{whence}: {path}/zzz\n{more:#}");
            let (open, _) = &self.0[name];
            assert!(open.is_valid(&more), "{whence}: a reader must not mind {path}/zzz");
        }
    }
}

/// What has names of its own in it: phases, or what is for others to say.
const FREE: &[&str] = &["/phases", "/settings"];

/// The objects in a value, by their paths.
fn objects(value: &Value, path: &str) -> Vec<String> {
    let below = |(name, value): (String, &Value)| objects(value, &format!("{path}/{name}"));
    match value {
        Value::Object(object) => {
            let inner = object.iter().filter(|(name, _)| format!("{path}/{name}") != "/settings");
            let inner = inner.flat_map(|(name, value)| below((name.clone(), value)));
            let own = (!FREE.contains(&path)).then(|| path.to_owned());
            own.into_iter().chain(inner).collect()
        }
        Value::Array(list) => {
            let each = list.iter().enumerate();
            each.flat_map(|(n, value)| below((n.to_string(), value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// The schema of what a command line has answered with `--json`.
fn schema_of(command: &str, value: &Value) -> String {
    if value["ok"] == false && value.get("code").is_some() {
        return "refusal".to_owned();
    }
    let mut words = command.split(' ').skip_while(|word| *word != "conductor").skip(1);
    words.find(|word| !word.starts_with('-')).unwrap_or("status").to_owned()
}

#[test]
fn every_snapshot_is_of_a_schema() {
    let checkers = Checkers::new();
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir(Path::new(ROOT).join("tests/it/snapshots")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for told in text.split("\n$ ").skip(1) {
            let Some((command, rest)) = told.split_once('\n') else { continue };
            let is_json = command.split(' ').any(|word| word == "--json");
            if !is_json || !rest.starts_with('{') {
                continue;
            }
            let end = rest.find("\n}\n").unwrap() + 2;
            let value: Value = serde_json::from_str(&rest[..end]).unwrap();
            let name = schema_of(command, &value);
            checkers.hold(&name, &value, &format!("{}: {command}", path.display()));
            seen.insert(name);
        }
    }
    let answers = schemas().into_keys().filter(|name| !name.contains('-'));
    let missing: Vec<String> = answers.filter(|name| !seen.contains(name)).collect();
    // What these answer is in no snapshot: see below.
    assert_eq!(missing, ["wait"]);
}

#[test]
fn what_is_in_no_snapshot_is_of_a_schema() {
    let checkers = Checkers::new();
    let mut scene = Scene::new();
    scene.sprint("plan,build,review,ship");
    scene.works("claude-1", "plan");
    scene.sandbox.write("repo/notes.txt", "found\n");
    scene.does("claude-1", &["claim", "build"]);
    scene.does("claude-1", &["complete", "build", "--artifact", "notes.txt"]);
    for args in [
        &["wait", "plan"][..],
        &["wait", "review", "--for", "claimable"],
        &["status", "--open"],
        &["show", "build"],
        &["show", "build", "--artifact"],
        &["show", "review"],
        &["show", "ship"],
        &["prime", "--hook", "--for", "claude"],
        &["prime", "--stop", "--for", "claude"],
        &["skill"],
        &["verify"],
        &["verify", "--all"],
        &["log"],
        &["start", "--from", "build"],
    ] {
        let value = scene.said("claude-1", args);
        let command = format!("git conductor {}", args.join(" "));
        let name = schema_of(&command, &value);
        checkers.hold(&name, &value, &command);
    }
}

/// The schema of a record, by its place below the directory of sprints.
fn schema_of_record(path: &str) -> Option<&'static str> {
    let parts: Vec<&str> = path.split('/').collect();
    let name = *parts.last()?;
    let dir = parts.len().checked_sub(2).map(|at| parts[at]).unwrap_or_default();
    match (dir, name) {
        (_, "sprint.json") => Some("record-sprint"),
        (_, "done") => Some("record-done"),
        ("lock", name) if name.starts_with("meta.") => Some("record-claim"),
        ("lock.d", name) if name.starts_with("latch.") => Some("record-latch"),
        // What else is there has no extension.
        ("past", name) if name.contains(".json") => Some("record-attempt"),
        _ => None,
    }
}

/// The regular files below `dir`, by their paths.
fn files(dir: &Path, prefix: &str, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), &path, found);
        } else if entry.file_type().unwrap().is_file() {
            found.push((path, std::fs::read(entry.path()).unwrap()));
        }
    }
}

#[test]
fn every_record_is_of_a_schema() {
    let checkers = Checkers::new();
    let mut seen = BTreeSet::new();
    let mut hold = |name: &'static str, value: &Value, whence: &str| {
        checkers.hold(name, value, whence);
        seen.insert(name);
    };
    let mut scene = Scene::new();
    scene.sandbox.git("repo", ["config", "conductor.notes", "true"]);
    scene.does("lead", &["start", "--phases", "plan,build,review", "--goal", "ship it"]);
    scene.sandbox.write("repo/notes.txt", "found\n");
    scene.does("claude-1", &["claim", "plan"]);
    scene.does("claude-1", &["complete", "plan", "--artifact", "notes.txt"]);
    scene.does("claude-1", &["claim", "build"]);
    scene.does("claude-1", &["abort", "build", "--reason", "no time"]);
    scene.does("codex-2", &["claim", "build"]);
    let mut found = Vec::new();
    files(&scene.sandbox.join("repo/.nanostack/conductor"), "", &mut found);
    for (path, bytes) in found {
        let Some(name) = schema_of_record(&path) else { continue };
        hold(name, &serde_json::from_slice(&bytes).unwrap(), &path);
    }
    let audit = std::fs::read_to_string(scene.sandbox.join("repo/.nanostack/audit.log")).unwrap();
    for line in audit.lines() {
        hold("record-event", &serde_json::from_str(line).unwrap(), "audit.log");
    }
    let note = scene.sandbox.git("repo", ["notes", "--ref", "conductor", "show", "HEAD"]);
    for line in String::from_utf8(note.stdout).unwrap().lines() {
        hold("record-note", &serde_json::from_str(line).unwrap(), "git notes");
    }
    // It is there only as long as a command saves what an owner left.
    let due = Due {
        v: 1,
        claim: Claim { agent: "ann".to_owned(), ..Claim::default() },
        by: "bob".to_owned(),
        maker: Maker::default(),
        unique: None,
        at: Some(jiff::Timestamp::UNIX_EPOCH),
        rest: Rest::new(),
    };
    hold("record-due", &serde_json::to_value(due).unwrap(), "past/due.T");
    let all = schemas();
    let records: BTreeSet<&str> =
        all.keys().filter(|name| name.starts_with("record-")).map(String::as_str).collect();
    assert_eq!(seen, records);
}

/// An editor that goes by the schema of the graph file says what `start` says.
#[test]
fn a_graph_is_of_its_schema_where_start_takes_it() {
    let schemas = schemas();
    let graph = jsonschema::validator_for(&schemas["graph-file"]).unwrap();
    let config = jsonschema::validator_for(&schemas["config-file"]).unwrap();
    let phase = |more: Value| {
        let mut phase = json!({"name": "build"});
        phase.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([phase, {"name": "plan"}])
    };
    for (value, is_right) in [
        (phase(json!({})), true),
        (phase(json!({"depends_on": ["plan"], "about": "it", "concurrency": "write"})), true),
        (phase(json!({"depends_on": ["plan"], "not_by": ["plan"], "max_attempts": 2})), true),
        (json!({"$schema": "./graph.schema.json", "goal": "it", "phases": [{"name": "a"}]}), true),
        (json!({"sprint_id": "x", "started_at": null, "phases": [{"name": "a"}]}), true),
        (phase(json!({"needs": ["plan"]})), false),
        (phase(json!({"depends_on": "plan"})), false),
        (phase(json!({"about": null})), false),
        (phase(json!({"concurrency": "reads"})), false),
        (phase(json!({"max_attempts": 0})), false),
        (phase(json!({"name": "Build"})), false),
        (json!([{"about": "no name"}]), false),
        (json!({"goal": "it"}), false),
        (json!({"phase": [{"name": "a"}], "phases": [{"name": "a"}]}), false),
        (json!("plan,build"), false),
    ] {
        assert_eq!(graph.is_valid(&value), is_right, "{value}");
        assert_eq!(config.is_valid(&json!({"phase_graph": value, "other": 1})), is_right);
        let read = git_conductor::rules::spec::parse_json(&value.to_string());
        assert_eq!(read.is_ok(), is_right, "{value}: {read:?}");
    }
}

#[test]
fn the_program_prints_them() {
    let scene = Scene::new();
    let run = |args: &[&str]| {
        let args = [&["conductor", "schema"], args].concat();
        let output = scene.sandbox.try_git(".", args);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code().unwrap())
    };
    let all = schemas();
    let (list, _, _) = run(&[]);
    let listed: Vec<&str> = list.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(listed, all.keys().collect::<Vec<_>>());
    for (name, schema) in &all {
        let path = Path::new(ROOT).join("schema").join(format!("{name}.json"));
        assert_eq!(run(&[name]), (std::fs::read_to_string(path).unwrap(), String::new(), 0));
        let (line, _, _) = run(&[name, "--json"]);
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), *schema);
        assert!(jsonschema::meta::is_valid(schema), "{name}");
        let about = schema["description"].as_str().unwrap();
        assert!(list.contains(about) && !schema["$defs"].to_string().contains("[`"), "{name}");
    }
    let (out, err, code) = run(&["refusl"]);
    assert!(out.is_empty() && err.contains("hint: did you mean 'refusal'?"), "{err}");
    assert_eq!(code, 129);
}

/// What only `xtask` needs is never in the program.
#[test]
fn the_program_has_no_maker_of_schemas() {
    let tree = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal,features"])
        .args(["--prefix", "none", "--package", "git-conductor"])
        .current_dir(ROOT)
        .output()
        .unwrap();
    let text = String::from_utf8(tree.stdout).unwrap();
    let said = String::from_utf8_lossy(&tree.stderr).into_owned();
    assert!(text.contains("serde_json v"), "{said}");
    for absent in ["schemars", "jsonschema", "xtask"] {
        assert!(!text.contains(absent), "{absent}");
    }
}
