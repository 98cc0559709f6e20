//! The README's worked session is run as it stands, and the pages tell every setting and variable.
//!
//! `UPDATE=1 cargo test readme` writes the session again as it is now.

use std::collections::BTreeSet;
use std::path::Path;

use crate::sandbox::Sandbox;

const BEGIN: &str = "<!-- session -->\n```console\n";
const END: &str = "```\n";

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// What changes from run to run, as the README writes it.
fn stable(text: &str, sandbox: &Sandbox) -> String {
    let filters = [
        (r"[0-9a-f]{12}-\d{8}-\d{6}", "0c9e5d2b7a41-20261122-091502"),
        (r"\d{8}-\d{6}", "20261122-091502"),
        (r"pin\.[0-9a-f]{64}", "pin.9f86d081…"),
        (r"commit [0-9a-f]{12}", "commit 4be1d07a93c2"),
        (r"(?m)  [0-9a-f]{7} on ", "  4be1d07 on "),
        // A time limit of a hint stays; an age may be any, if the machine is slow.
        (r"\b([0-8]?\ds|\d+m|\d+h\d\dm)\b", "0s"),
    ];
    let mut text = text.replace(&*sandbox.path().to_string_lossy(), "/home/ann");
    for (pattern, with) in filters {
        text = regex::Regex::new(pattern).unwrap().replace_all(&text, with).into_owned();
    }
    text
}

/// Runs each `ann$ …` and `bob$ …` line in that agent's worktree, and gives the whole transcript.
fn run(session: &str, sandbox: &Sandbox) -> String {
    let mut transcript = String::new();
    for line in session.lines() {
        let Some((agent, command)) = line.split_once("$ ") else { continue };
        let dir = match agent {
            "ann" => sandbox.join("app"),
            "bob" => sandbox.join("app-bob"),
            _ => continue,
        };
        transcript.push_str(line);
        transcript.push('\n');
        let mut bash = sandbox.command(&dir, "bash");
        bash.args(["-c", &format!("{{ {command}; }} 2>&1")]).env("GIT_CONDUCTOR_AGENT", agent);
        // The two are told apart by name; a process that outlives each line stands for both.
        bash.env("GIT_CONDUCTOR_PID", std::process::id().to_string());
        transcript.push_str(&String::from_utf8(bash.output().unwrap().stdout).unwrap());
    }
    transcript
}

#[test]
fn the_session_is_what_the_program_says() {
    let text = readme();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (session, after) = rest.split_once(END).unwrap();
    let sandbox = Sandbox::new();
    let app = sandbox.join("app");
    std::fs::create_dir(&app).unwrap();
    sandbox.git(&app, ["init", "-q"]);
    sandbox.write("app/notes.md", "a list of what is to be done\n");
    sandbox.git(&app, ["add", "notes.md"]);
    sandbox.git(&app, ["commit", "-q", "-m", "one"]);
    let now = stable(&run(session, &sandbox), &sandbox);
    if std::env::var_os("UPDATE").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        std::fs::write(path, format!("{before}{BEGIN}{now}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(session, now, "run `UPDATE=1 cargo test readme`, and read what it wrote");
}

/// Every setting and every variable that the code asks for is in README or in `docs/`, and no
/// other.
#[test]
fn settings_and_variables_are_told() {
    // A setting may also stand in a command that a hook runs.
    let pattern = regex::Regex::new(
        r#"(?:--get |")(conductor\.[a-z][A-Za-z]*)|"((?:GIT_CONDUCTOR|NANOSTACK)_[A-Z]+)""#,
    )
    .unwrap();
    let named =
        regex::Regex::new(r"`(conductor\.[A-Za-z]+|(?:GIT_CONDUCTOR|NANOSTACK)_[A-Z]+)`").unwrap();
    let mut asked = BTreeSet::new();
    let mut dirs = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let text = std::fs::read_to_string(path).unwrap();
            let found = pattern.captures_iter(&text).filter_map(|hit| {
                hit.iter().skip(1).flatten().next().map(|name| name.as_str().to_owned())
            });
            asked.extend(found);
        }
    }
    let text = crate::documents::text_of_all();
    let told: BTreeSet<String> =
        named.captures_iter(&text).map(|found| found[1].to_owned()).collect();
    assert_eq!(told, asked);
}
