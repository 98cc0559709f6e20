//! What the code map in `src/lib.rs` promises, held by reading the sources.

use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Each module and those that it may use. `error` knows the refusals, and the rules know no errors.
const ARROWS: &[(&str, &[&str])] = &[
    ("record", &[]),
    ("rules", &["record"]),
    ("error", &["rules"]),
    ("store", &["record", "rules", "error"]),
    ("git", &["record", "error"]),
    ("place", &["error", "git"]),
    ("agent", &["record", "rules", "error"]),
    ("ui", &["record", "rules", "error", "store"]),
    ("commands", &["record", "rules", "error", "store", "git", "place", "agent", "ui"]),
    ("lib", &[]),
    ("main", &[]),
];

/// Who may ask for the clock, the environment or random bits, and for which.
const ASKING: &[(&str, &str)] = &[
    // The program's own variables and those of git.
    ("commands/context.rs", "env::var"),
    ("commands/context.rs", "env::current_dir"),
    // Where this program is, and a temporary file's name.
    ("commands/install.rs", "env::current_exe"),
    ("commands/doctor/race.rs", "env::current_exe"),
    ("commands/hooks/block.rs", "env::current_exe"),
    ("commands/install/files.rs", "getrandom::"),
    // The home that skills are looked for in.
    ("commands/concurrency.rs", "env::var"),
    // NO_COLOR and TERM, and what time it is for everything that is printed.
    ("commands/output_config.rs", "env::var"),
    ("commands/output_config.rs", "Timestamp::now"),
    ("commands/command_line.rs", "Timestamp::now"),
    // `Vars::from_process`.
    ("agent/mod.rs", "env::var"),
    // The store's real world.
    ("commands/world.rs", "Timestamp::now"),
    ("commands/world.rs", "Instant::now"),
    ("commands/world.rs", "getrandom::"),
    // How long git has taken.
    ("git/child/limit.rs", "Instant::now"),
    // How long it has been waited for.
    ("git/child.rs", "Instant::now"),
    ("commands/waiting.rs", "Instant::now"),
    ("commands/prime/input.rs", "Instant::now"),
    // How long ago a signal came, and how long what is to end has had for that.
    ("commands/run/watch.rs", "Instant::now"),
    ("commands/run/tree.rs", "Instant::now"),
    // The program that it begins as its own supervisor.
    ("commands/run/watch.rs", "env::current_exe"),
    // A temporary file's name.
    ("place/pointer.rs", "getrandom::"),
    ("main.rs", "env::args_os"),
];

/// Beside `ui`, what asks whether it is a terminal, or writes what is no answer to a command: a board that
/// is drawn again, an artifact that is longer than memory, and what stands for an answer of `run`.
const WRITING: &[&str] = &[
    "agent/process.rs",
    "commands/output_config.rs",
    "commands/run/answer.rs",
    "commands/run/terminal.rs",
    "commands/show/content.rs",
    "commands/status/screen.rs",
];

struct Source {
    /// Below `src`.
    path: String,
    /// Without the tests at its end.
    code: String,
    lines: usize,
}

impl Source {
    /// The module it belongs to, among those at the top.
    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Its lines of code, numbered, without comments.
    fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.code.lines().map(str::trim).enumerate();
        lines.map(|(n, line)| (n + 1, line)).filter(|(_, line)| !line.starts_with("//"))
    }
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(ROOT).join("src");
    let mut found = Vec::new();
    files(&root, &mut found);
    found.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
        let path = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        Source { path, code, lines: text.lines().count() }
    };
    let all: Vec<Source> = found.into_iter().map(read).collect();
    assert!(all.len() > 30, "the sources are here");
    all.into_iter().filter(|source| !source.path.ends_with("/tests.rs")).collect()
}

/// The modules at the top that a line of code names.
fn named(line: &str) -> Vec<&str> {
    let after = line.split("crate::").skip(1);
    after
        .map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
        .filter(|name| ARROWS.iter().any(|(module, _)| module == name))
        .collect()
}

#[test]
fn no_arrow_points_back() {
    for source in sources() {
        let module = source.module();
        let Some((_, may)) = ARROWS.iter().find(|(name, _)| *name == module) else {
            panic!("'{module}' is not on the map: see ARROWS, and the code map in lib.rs");
        };
        for (number, line) in source.code_lines() {
            for name in named(line) {
                let fine = name == module || may.contains(&name);
                assert!(fine, "src/{}:{number}: '{module}' must not use '{name}'", source.path);
            }
            // Neither could be read line by line.
            for hidden in ["use super::super", "use crate::{"] {
                assert!(!line.starts_with(hidden), "src/{}:{number}", source.path);
            }
        }
    }
}

#[test]
fn the_map_names_every_module() {
    let lib = std::fs::read_to_string(Path::new(ROOT).join("src/lib.rs")).unwrap();
    let declared = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    for module in declared {
        assert!(lib.contains(&format!("//! | [`{module}`] |")), "'{module}' is not on the map");
    }
}

/// Fails where a file that `may_not` holds has one of the `words`.
fn forbid(words: &[&str], why: &str, may_not: impl Fn(&Source) -> bool) {
    for source in sources().iter().filter(|source| may_not(source)) {
        for (number, line) in source.code_lines() {
            for word in words {
                assert!(!line.contains(word), "src/{}:{number}: {word}: {why}", source.path);
            }
        }
    }
}

#[test]
fn each_outside_thing_has_its_place() {
    forbid(&["gix::", "gix "], "gix stays in git", |source| source.module() != "git");
    forbid(
        &[
            "std::fs",
            "std::env",
            "std::process",
            "std::io",
            "std::net",
            "std::time",
            "anyhow",
            "rustix",
        ],
        "the rules are pure",
        |source| matches!(source.module(), "rules" | "record"),
    );
    forbid(
        &["println!", "eprintln!", "print!(", "dbg!(", "io::stdout", "io::stderr"],
        "only ui writes",
        |source| !WRITING.contains(&source.path.as_str()) && source.module() != "ui",
    );
    forbid(&["println!", "eprintln!", "print!(", "dbg!("], "a closed pipe would panic", |_| true);
    forbid(&["process::exit"], "destructors remove temporary files", |_| true);
}

#[test]
fn the_world_is_asked_at_the_edge() {
    const WORDS: &[&str] = &[
        "env::var",
        "env::args",
        "env::current_dir",
        "env::current_exe",
        "env::home_dir",
        "env::temp_dir",
        "Timestamp::now",
        "Zoned::now",
        "Instant::now",
        "SystemTime",
        "getrandom::",
    ];
    let mut used = Vec::new();
    for source in sources() {
        for (number, line) in source.code_lines() {
            for word in WORDS.iter().filter(|word| line.contains(**word)) {
                let allowed = ASKING
                    .iter()
                    .find(|(path, asked)| *path == source.path && asked.starts_with(word));
                assert!(allowed.is_some(), "src/{}:{number}: {word}: see ASKING", source.path);
                used.extend(allowed);
            }
        }
    }
    for entry in ASKING {
        assert!(used.contains(entry), "{entry:?} is not asked any more");
    }
}

#[test]
fn files_are_short() {
    let mut lengths: Vec<usize> = Vec::new();
    for source in sources() {
        assert!(source.lines < 600, "src/{} has {} lines", source.path, source.lines);
        lengths.push(source.lines);
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median < 250, "the median is {median} lines");
}

#[test]
fn nothing_unwraps() {
    forbid(
        &[".unwrap()", ".expect(", ".unwrap_unchecked", "panic!(", "unreachable!(", "todo!("],
        "say what went wrong",
        |_| true,
    );
}

#[test]
fn every_module_says_what_it_is_for() {
    for source in sources() {
        let first = source.code.lines().next().unwrap();
        assert!(first.starts_with("//! ") && first.len() > 10, "src/{}", source.path);
    }
}

/// The names of the files in `fuzz/<dir>`, without what stands after the first dot.
fn in_fuzz(dir: &str) -> Vec<String> {
    let entries = std::fs::read_dir(Path::new(ROOT).join("fuzz").join(dir)).unwrap();
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.unwrap().file_name().to_str().unwrap().split('.').next().unwrap().to_owned()
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

/// CI runs whatever is in `fuzz_targets`; each has what such a run needs, and is explained.
#[test]
fn every_fuzz_target_is_whole() {
    let read = |path: &str| std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap();
    let targets = in_fuzz("fuzz_targets");
    assert!(targets.len() > 10, "{targets:?}");
    assert_eq!(in_fuzz("corpus"), targets, "seeds");
    assert_eq!(in_fuzz("dictionaries"), targets, "dictionaries");
    let (manifest, readme) = (read("fuzz/Cargo.toml"), read("fuzz/README.md"));
    let declared: Vec<&str> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""))
        .collect();
    assert_eq!(declared, targets, "fuzz/Cargo.toml");
    for target in &targets {
        assert!(readme.contains(&format!("\n| `{target}` |")), "fuzz/README.md: '{target}'");
        let seeds = in_fuzz(&format!("corpus/{target}"));
        assert!(seeds.iter().any(|name| name.len() != 40), "'{target}' has no seed");
    }
    assert!(read(".ci/run").lines().any(|line| line == "fuzz/run"), "CI fuzzes");
}

/// What is said only to agents, and so in their words alone.
const FOR_AGENTS: &[&str] = &["commands/prime/answer.rs", "commands/prime/hook_answer.rs"];

/// Nobody can tell a person to tell "your human": such words stand beside others for a person.
#[test]
fn a_person_has_words_of_their_own() {
    for source in sources().iter().filter(|it| !FOR_AGENTS.contains(&it.path.as_str())) {
        let mut code = String::new();
        for (_, line) in source.code_lines() {
            code.push_str(line);
            code.push('\n');
        }
        for (at, _) in code.match_indices("your human") {
            // The statement that it stands in, up to there.
            let before = &code[..at];
            let begin = before.rfind(";\n").unwrap_or(0);
            let hint = before[begin..].rfind("Hint::").map(|hint| &before[begin + hint..]);
            let has_both = hint.is_some_and(|hint| hint.matches("\",\n").count() == 0);
            assert!(has_both, "src/{}: {}", source.path, &code[begin..at + 20]);
        }
    }
}
