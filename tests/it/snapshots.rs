//! What every command says, as text and as JSON, through the real program run by real git.
//!
//! `INSTA_UPDATE=always cargo test --test it snapshots` writes the snapshots; read them afterwards
//! as a language model would that sees nothing else.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::fixture::{Scene, ageless, ago, promptly, skipped, wanting};
use crate::process_driver::with_options;
use crate::situations::{ANSWERS, FAILURES, REFUSALS, RUNS, Situation};
use git_conductor::error::{EXIT_CODES, Failure, FailureKind, Stop};
use git_conductor::ui::{self, Format};

const SNAPSHOTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/snapshots");

/// The commands, as they are typed.
pub(crate) const COMMANDS: &[&str] = &[
    "start", "claim", "wait", "run", "complete", "abort", "status", "show", "verify", "log",
    "graph", "report", "next", "unstuck", "salvage", "guard", "hooks", "notes", "doctor",
    "install", "prime", "skill", "schema", "batch", "archive", "clean",
];

/// Snapshots beside those of the situations.
const OTHERS: &[&str] = &[
    "board",
    "board-color",
    "board-json",
    "board-narrow",
    "bug",
    "foreign_owner",
    "help",
    "hostile",
];

/// What differs from run to run, and keeps its width.
const FILTERS: &[(&str, &str)] = &[
    (r"\b[0-9a-f]{12}-[0-9]{8}-[0-9]{6}\b", "0123456789ab-20260102-030405"),
    (r"\b[0-9]{8}-[0-9]{6}\b", "20260102-030405"),
    (r"\b20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z", "2026-01-02T03:04:05Z"),
    (r"\b20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9:]{8}\b", "2026-01-02 03:04:05"),
    (r#""id": "[0-9a-f]{32}""#, r#""id": "00000000000000000000000000000000""#),
    (r#""token": "[0-9a-f]{32}""#, r#""token": "00000000000000000000000000000000""#),
    // A commit of what was saved has the time in it.
    (
        r#"("number": [0-9]+,\s+"agent": ".*",\s+"at": ".*",\s+"commit": )"[0-9a-f]{40}""#,
        "${1}\"c0ffee\"",
    ),
    (r"(?m)^(commit    |dropped .* which was )[0-9a-f]{40}$", "${1}c0ffee"),
    (r"(cherry-pick --no-commit|git branch salvaged) [0-9a-f]{12}", "${1} c0ffee"),
    // What the machine has that runs the tests.
    (r"(?m)^(git          ok       ).*$", "${1}2.47.3"),
    // So does the machine say whether there is a second git.
    (r"(?m)^other git  .*\n( +.*\n)*", ""),
    (r#"(?m)^ +\{\n +"check": "other git",\n(.*\n){4} +\},\n"#, ""),
    (r"(?m)^(file system  ).*(\n +.*)*", "${1}ok       ext4"),
    (r#"("check": "git",\s+"level": "ok",\s+"says": )".*""#, r#"${1}"2.47.3""#),
    (
        r#"("check": "file system",\s+"level": )"[a-z]+",(\s+"says": ).*(\s+"hint": ).*"#,
        r#"${1}"ok",${2}"ext4",${3}null,"#,
    ),
    (r#""([a-z]+_ms)": [0-9]+"#, r#""$1": 0"#),
    (r#""(your_)?pid": [0-9]+"#, r#""${1}pid": 4711"#),
    (r"process [0-9]+\b", "process 4711"),
    (r"\b[0-2]?[0-9]s\b", "0s"),
    (r"\b[45][0-9]s\b", "40s"),
    (
        r"Permission denied \(os error 13\)|Read-only file system \(os error 30\)",
        "Operation not permitted (os error 1)",
    ),
];

fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(SNAPSHOTS);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (from, to) in FILTERS {
        settings.add_filter(from, *to);
    }
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// A command line and what came of it.
fn told(scene: &Scene, args: &[&str], output: &Output) -> String {
    let mut text = String::from("$ git conductor");
    for arg in args {
        let quote = if arg.contains(['[', ' ']) { "'" } else { "" };
        _ = write!(text, " {quote}{arg}{quote}");
    }
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    let stdout = match serde_json::from_str::<Value>(&stdout) {
        Ok(value) => {
            assert_eq!(stdout.matches('\n').count(), 1, "one line: {stdout}");
            format!("{value:#}\n")
        }
        Err(_) => stdout,
    };
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    _ = write!(text, "\n{stdout}");
    if !stderr.is_empty() {
        _ = write!(text, "--- stderr\n{stderr}");
    }
    _ = writeln!(text, "--- exit {}", output.status.code().unwrap());
    scene.stable(&text)
}

/// Runs the situation's command and gives the scene back.
fn run(situation: &Situation, json: bool) -> (Scene, Output, Vec<&'static str>) {
    promptly(|| {
        let mut scene = Scene::in_memory();
        (situation.before)(&mut scene);
        let options: &[&str] = if json { &["--json"] } else { &[] };
        let args = with_options(situation.args, options);
        let output = scene.asks(situation.agent, situation.dir, &args);
        (scene, output, args)
    })
}

fn check(situation: &Situation, code: Option<&str>, exit: impl Fn(u8) -> bool) {
    let (scene, output, args) = run(situation, false);
    let mut text = told(&scene, &args, &output);
    let (scene, as_json, args) = run(situation, true);
    text.push('\n');
    text.push_str(&told(&scene, &args, &as_json));
    snapshot(situation.name, &text);

    let name = situation.name;
    assert_eq!(output.status, as_json.status, "{name}");
    assert!(exit(u8::try_from(output.status.code().unwrap()).unwrap()), "{name}: {output:?}");
    harmless(name, &output);
    harmless(name, &as_json);
    let lines = String::from_utf8_lossy(&as_json.stdout).into_owned();
    for line in lines.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["v"], json!(1), "{name}");
        if let Some(code) = code {
            assert_eq!(value["code"], json!(code), "{name}");
            let waits = output.status.code() == Some(6);
            assert!(!waits || value["waiting_helps"] == json!(true), "{name}");
            assert_eq!(output.stdout, b"", "{name}: nothing is said on stdout");
            assert!(value["hints"].as_array().unwrap().len() <= 2, "{name}");
        }
    }
}

/// No raw control byte, and nothing that changes the order of reading.
fn harmless(name: &str, output: &Output) {
    for bytes in [&output.stdout, &output.stderr] {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let bad = |c: &char| {
            (c.is_control() && *c != '\n')
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        };
        assert_eq!(text.chars().find(bad), None, "{name}: {text:?}");
    }
}

/// The code that a situation is named after.
fn code(situation: &Situation) -> &'static str {
    situation.name.split('-').next().unwrap()
}

#[test]
fn refusals() {
    for situation in REFUSALS {
        let wanted: &[u8] = match code(situation) {
            "timed_out" => &[3],
            "finished" => &[5],
            "nothing_ready" | "not_for_you" => &[1, 6],
            _ => &[1],
        };
        check(situation, Some(code(situation)), |exit| wanted.contains(&exit));
    }
}

#[test]
fn failures() {
    for situation in FAILURES {
        let kind = FailureKind::ALL.iter().find(|kind| kind.code() == code(situation)).unwrap();
        check(situation, Some(kind.code()), |exit| exit == kind.exit());
    }
}

#[test]
fn answers() {
    for situation in ANSWERS {
        check(situation, None, |exit| exit == 0);
    }
}

#[test]
fn runs() {
    for (situation, wanted) in RUNS {
        let refused = (*wanted == 125).then(|| code(situation));
        check(situation, refused, |exit| exit == *wanted);
    }
}

#[test]
fn a_bug_is_owned_up_to() {
    let say = |json| {
        let failure = Failure::new(FailureKind::Bug, "cannot encode: a key must be a string");
        ui::output::refused(
            &Stop::Failed(failure),
            Format { json, ..Format::plain(jiff::Timestamp::UNIX_EPOCH) },
        )
    };
    let (text, json) = (say(false), say(true));
    let value: Value = serde_json::from_str(&json.out).unwrap();
    snapshot("bug", &format!("{}--- exit {}\n\n{value:#}\n", text.err, text.exit));
    assert_eq!((text.exit, json.exit), (70, 70));
}

#[test]
fn anothers_store_is_refused_with_the_way_out() {
    if !rustix::process::geteuid().is_root() {
        skipped("only root can give files away");
        return;
    }
    let mut scene = Scene::new();
    scene.sprint("build");
    std::os::unix::fs::chown(scene.store(), Some(65534), Some(65534)).unwrap();
    let text = scene.asks("codex-2", "repo", &["status"]);
    let json = scene.asks("codex-2", "repo", &["status", "--json"]);
    let text =
        told(&scene, &["status"], &text) + "\n" + &told(&scene, &["status", "--json"], &json);
    snapshot("foreign_owner", &text);
}

/// The board of the contract's section 7.
fn seven() -> Scene {
    let mut scene = Scene::new();
    let phases = "think:,build:think,docs:build,review:build,qa:build,security:build,ship:review+qa+security";
    scene.does("lead", &["start", "--goal", "add OAuth login", "--phases", phases]);
    scene.does("claude-3f9c2a11", &["claim", "think"]);
    scene.does("claude-3f9c2a11", &["complete", "think"]);
    scene.worktree("wt/build");
    scene.does_in("wt/build", "codex-01998a3c", &["claim", "build"]);
    scene.does_in("wt/build", "codex-01998a3c", &["complete", "build"]);
    scene.works("codex-01998a3c", "docs");
    scene.does("claude-77aa0b12", &["claim", "review"]);
    scene.does("opencode-5512", &["claim", "qa"]);
    scene.dies("opencode-5512");
    scene.edit_sprint(|sprint| sprint["started_at"] = json!(ago(2 * 3600 + 14 * 60)));
    scene.claimed_ago("qa", 62 * 60);
    scene.edit_claim("review", |claim| {
        claim["claimed_at"] = json!(ago(12 * 60));
        claim["renewed_at"] = json!(ago(40));
    });
    scene.silent_for("review", 40);
    scene
}

#[test]
fn the_board() {
    let args: [&[&str]; 3] = [&[], &["--json"], &["--color", "always"]];
    let (mut scene, [board, json, output]) = promptly(|| {
        let mut scene = seven();
        let outputs = args.map(|args| scene.asks("codex-01998a3c", "repo", args));
        (scene, outputs)
    });
    snapshot("board", &told(&scene, &[], &board));
    let board = ageless(std::str::from_utf8(&board.stdout).unwrap());
    for args in [&["status"][..], &["status", "--color", "never"], &["status", "--color", "auto"]] {
        let same = scene.asks("codex-01998a3c", "repo", args);
        assert_eq!(ageless(std::str::from_utf8(&same.stdout).unwrap()), board);
    }
    snapshot("board-json", &told(&scene, &["--json"], &json));

    let painted = told(&scene, &["--color", "always"], &output);
    snapshot("board-color", &painted.replace('\u{1b}', "ESC"));
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(ageless(&without_colours(&stdout)), board, "colours change nothing else");
    let mut command = scene.command("codex-01998a3c", "repo", &["--color", "always"]);
    let insisted = command.env("NO_COLOR", "1").output().unwrap();
    assert!(insisted.stdout.contains(&0x1b), "an option is stronger than a variable");
}

fn without_colours(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| out + part.split_once('m').unwrap().1)
}

/// What `args` print in a terminal of so many columns; `None` if there is no `script` to make one.
fn in_a_terminal(scene: &mut Scene, columns: u32, vars: &str, args: &str) -> Option<String> {
    let pid = scene.pid("codex-01998a3c");
    let line = format!(
        "stty cols {columns} && {vars} git conductor --agent codex-01998a3c --pid {pid} {args}"
    );
    let output = scene
        .sandbox
        .command("repo", "script")
        .args(["-qec", &line, "/dev/null"])
        .env("TERM", "xterm")
        .output();
    let Ok(output) = output else {
        wanting("script");
        return None;
    };
    Some(String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n"))
}

#[test]
fn the_board_in_a_terminal() {
    let (mut scene, board, wide, narrow) = promptly(|| {
        let mut scene = seven();
        let board = String::from_utf8(scene.asks("codex-01998a3c", "repo", &[]).stdout).unwrap();
        let wide = in_a_terminal(&mut scene, 80, "", "");
        let narrow = in_a_terminal(&mut scene, 40, "", "--color never");
        (scene, board, wide, narrow)
    });
    let (Some(wide), Some(narrow)) = (wide, narrow) else { return };
    assert!(wide.contains("\u{1b}[36mclaimed\u{1b}[0m"), "{wide:?}");
    let bare = without_colours(&wide);
    // An age can be a second older.
    let same = board.lines().filter(|line| bare.lines().any(|bare| bare == *line)).count();
    assert!(same >= 8, "{bare}\n{board}");
    for vars in ["NO_COLOR=1", "TERM=dumb"] {
        let text = in_a_terminal(&mut scene, 80, vars, "").unwrap();
        assert!(!text.contains('\u{1b}'), "{vars}: {text:?}");
    }
    assert!(narrow.lines().all(|line| line.chars().count() <= 40), "{narrow}");
    snapshot("board-narrow", &narrow);
}

#[test]
fn nothing_foreign_reaches_a_terminal_raw() {
    let nasty = "a\u{1b}]0;x\u{7}\u{9b}31m\u{202e}b\u{85}\u{2028}";
    let mut scene = Scene::new();
    scene.sprint("think,build,review,qa");
    scene.works("claude-1", "think");
    scene.does("claude-1", &["claim", "build"]);
    scene.edit_sprint(|sprint| sprint["goal"] = json!(nasty));
    scene.edit_claim("build", |claim| {
        claim["agent"] = json!(nasty);
        claim["worktree"] = json!(nasty);
    });
    let done = scene.sprint_dir().join("think/done");
    let mut record: Value = serde_json::from_slice(&std::fs::read(&done).unwrap()).unwrap();
    for field in ["agent", "branch", "commit", "artifact"] {
        record[field] = json!(nasty);
    }
    std::fs::write(&done, record.to_string()).unwrap();
    let asked: &[&[&str]] = &[
        &["status"],
        &["claim", "build"],
        &["claim", "think"],
        &["claim", "review"],
        &["complete", "build"],
        &["unstuck", "build"],
        &["archive"],
        &["next"],
        &["claim", nasty],
        &["claim", "build", nasty],
        &[nasty],
        &["clean", "--older-than", nasty],
        &["complete", "think", "--artifact", nasty],
        &["start", "--phases", nasty],
    ];
    let mut text = String::new();
    for args in asked {
        for json in [false, true] {
            let mut args = args.to_vec();
            if json {
                args.push("--json");
            }
            let output = scene.asks("codex-2", "repo", &args);
            harmless(&format!("{args:?}"), &output);
            if !json {
                let args: Vec<String> = args.iter().map(|arg| arg.shown(nasty)).collect();
                let args: Vec<&str> = args.iter().map(String::as_str).collect();
                text += &told(&scene, &args, &output);
                text.push('\n');
            }
        }
    }
    // All that happened here was just now, or minutes ago where a machine is slow.
    let slow = regex::Regex::new("( active |' |  )[0-9]+m( ago|,|  )").unwrap();
    snapshot("hostile", &slow.replace_all(&text, "${1}0s$2"));
}

/// A shorter way to show an argument.
trait Shown {
    fn shown(&self, nasty: &str) -> String;
}

impl Shown for &str {
    fn shown(&self, nasty: &str) -> String {
        if *self == nasty { "NASTY".to_owned() } else { (*self).to_owned() }
    }
}

#[test]
fn help() {
    let scene = Scene::new();
    let mut text = String::new();
    let mut asked: Vec<Vec<&str>> = vec![vec!["-h"]];
    asked.extend(COMMANDS.iter().map(|command| vec![*command, "-h"]));
    for args in asked {
        let output = scene.sandbox.try_git("repo", ["conductor"].iter().chain(&args));
        assert!(output.status.success(), "{args:?}");
        let said = told(&scene, &args, &output);
        assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
        // A command that says nothing of itself.
        assert!(!said.lines().any(|line| line.ends_with("   ")), "{said}");
        text += &said;
        text.push('\n');
    }
    told_twice(&text);
    let version = scene.sandbox.git_says("repo", ["conductor", "--version"]);
    assert_eq!(version, concat!("git-conductor ", env!("CARGO_PKG_VERSION")));
    snapshot("help", &text);
}

/// Each command is told of in the list of all in the words that its own help begins with.
fn told_twice(text: &str) {
    let (_, list) = text.split_once("\nCommands:\n").unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    for command in COMMANDS {
        let lines = list.lines().map(|line| line.trim_start().split_once(' ').unwrap());
        let (_, listed) = lines.clone().find(|(name, _)| name == command).unwrap();
        let (_, own) = text.split_once(&format!("\n$ git conductor {command} -h\n")).unwrap();
        assert_eq!(own.lines().next().unwrap(), listed.trim_start(), "{command}");
        assert_eq!(lines.count(), COMMANDS.len());
    }
    // git looks for the manual where it is asked for '--help' of the program.
    let (all, _) = text.split_once("$ git conductor start -h").unwrap();
    assert!(!all.contains("see more with '--help'"), "{all}");
}

/// What was probably meant is said, but never what takes work away.
#[test]
fn guesses() {
    let mut scene = Scene::new();
    scene.sprint("build,review");
    for (args, meant) in [
        (&["staus"][..], Some("status")),
        // Of what follows, nothing is the command.
        (&["hook", "install"], Some("hooks")),
        (&["--agent", "status", "note", "show"], Some("notes")),
        (&["skil", "install"], Some("skill")),
        (&["salvage", "shwo", "drop"], Some("show")),
        // What can be shown is named without saying so.
        (&["notes", "HEAD"], Some("notes show HEAD")),
        (&["salvage", "build"], Some("salvage show build")),
        (&["hooks", "build"], None),
        (&["clam"], Some("claim")),
        (&["next", "--clam"], Some("--claim")),
        (&["verify", "--al"], Some("--all")),
        (&["complete", "build", "--verdict", "fial"], Some("fail")),
        (&["schema", "stats"], Some("status")),
        (&["claim", "reveiw"], Some("review")),
        (&["show", "biuld"], Some("build")),
        (&["start", "--from", "Review"], Some("review")),
        (&["strat"], None),
        (&["clena"], None),
        (&["abrt"], None),
        (&["claim", "build", "--forc"], None),
        (&["start", "--forec"], None),
        (&["frobnicate"], None),
        (&["claim", "nothing"], None),
    ] {
        let said = scene.said("ann", args);
        let hints: Vec<&str> =
            said["hints"].as_array().unwrap().iter().map(|hint| hint.as_str().unwrap()).collect();
        let guess = hints.iter().find_map(|hint| hint.strip_prefix("did you mean '"));
        let guess = guess.and_then(|rest| rest.split_once("'?")).map(|(word, _)| word);
        assert_eq!(guess, meant, "{args:?}: {said}");
        assert!(hints.len() <= 2, "{said}");
    }
}

/// The codes of all refusals, read where they are given.
pub(crate) fn refusal_codes() -> BTreeSet<String> {
    let source = include_str!("../../src/rules/refusal.rs");
    let (_, body) = source.split_once("pub const fn code(&self)").unwrap();
    let (body, _) = body.split_once("\n    }\n").unwrap();
    let of_sprints = body.split('"').skip(1).step_by(2).map(str::to_owned);
    of_sprints.chain(codes_of_commands()).collect()
}

/// Those of the refusals that commands bring themselves.
fn codes_of_commands() -> Vec<String> {
    let begin = "fn code(&self) -> &'static str {\n        \"";
    let code = |text: &str| text.split('"').next().unwrap().to_owned();
    let all = crate::tidy::sources();
    let each = all.iter().flat_map(|source| source.code.split(begin).skip(1));
    let codes: Vec<String> = each.map(code).collect();
    assert!(codes.len() > 5, "{codes:?}");
    codes
}

#[test]
fn every_code_has_a_snapshot() {
    let snapshots = std::fs::read_dir(SNAPSHOTS).unwrap();
    let all: String =
        snapshots.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    let failures = FailureKind::ALL.iter().map(|kind| kind.code().to_owned());
    let codes: Vec<String> = refusal_codes().into_iter().chain(failures).collect();
    assert!(codes.len() > 25, "{codes:?}");
    for code in codes {
        assert!(all.contains(&format!(r#""code": "{code}""#)), "no snapshot shows '{code}'");
    }
    for kind in FailureKind::ALL {
        assert!(EXIT_CODES.iter().any(|(code, _)| *code == kind.exit()), "{kind:?}");
    }
}

#[test]
fn every_snapshot_is_of_something() {
    let tables = [REFUSALS, FAILURES, ANSWERS];
    let runs = RUNS.iter().map(|(situation, _)| situation);
    let situations = tables.into_iter().flatten().chain(runs).map(|situation| situation.name);
    let known: BTreeSet<&str> = situations.chain(OTHERS.iter().copied()).collect();
    for entry in std::fs::read_dir(SNAPSHOTS).unwrap() {
        let path = entry.unwrap().path();
        let name = Path::new(path.file_name().unwrap()).file_stem().unwrap().to_str().unwrap();
        assert!(known.contains(name.trim_end_matches(".snap")), "an orphan: {name}");
    }
}
