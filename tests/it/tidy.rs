//! What the code map in `src/lib.rs` promises, held by reading the sources.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Each module and those that it may use. `error` knows the refusals, and the rules know no errors.
const ARROWS: &[(&str, &[&str])] = &[
    ("record", &[]),
    ("sync", &[]),
    ("rules", &["record"]),
    ("error", &["rules"]),
    ("store", &["record", "rules", "error", "sync"]),
    ("ledger", &["record", "rules", "error", "store"]),
    ("git", &["record", "rules", "error", "ledger", "sync"]),
    ("place", &["error", "store", "git", "sync"]),
    ("host", &["record", "rules", "error", "store"]),
    ("ui", &["record", "rules", "error", "store"]),
    (
        "commands",
        &["record", "rules", "error", "store", "git", "place", "host", "ui", "sync", "ledger"],
    ),
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
    ("host/vars.rs", "env::var"),
    // What the store asks of the outside.
    ("host/system.rs", "Timestamp::now"),
    ("host/system.rs", "Instant::now"),
    ("host/system.rs", "getrandom::"),
    // How long git has taken.
    ("git/child/limit.rs", "Instant::now"),
    // How long it has been waited for.
    ("git/child.rs", "Instant::now"),
    ("commands/waiting.rs", "Instant::now"),
    ("commands/prime/input.rs", "Instant::now"),
    // How long ago a signal came, and how long what is to end has had for that.
    ("commands/run/watch.rs", "Instant::now"),
    ("host/descendants.rs", "Instant::now"),
    // The program that it begins as its own supervisor.
    ("host/program.rs", "env::current_exe"),
    // A temporary file's name.
    ("place/pointer.rs", "getrandom::"),
    ("main.rs", "env::args_os"),
];

/// Beside `ui`, what asks whether it is a terminal, or writes what is no answer to a command: a
/// board that is drawn again, an artifact that is longer than memory, and what stands for an answer
/// of `run`.
const WRITING: &[&str] = &[
    "commands/output_config.rs",
    "commands/run/answer.rs",
    "commands/show/content.rs",
    "commands/status/screen.rs",
    "host/posix.rs",
    "host/terminal.rs",
];

pub(crate) struct Source {
    /// Below `src`.
    path: String,
    /// Without the tests at its end.
    pub(crate) code: String,
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

pub(crate) fn sources() -> Vec<Source> {
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

/// A module, as the names that lead to it: `store/mod.rs` and `store.rs` are `["store"]`.
type Module = Vec<String>;

fn module_at(path: &str) -> Module {
    let mut names: Module =
        path.strip_suffix(".rs").unwrap().split('/').map(str::to_owned).collect();
    if ["mod", "lib", "main"].contains(&names.last().unwrap().as_str()) {
        names.pop();
    }
    names
}

/// The paths that begin where `text` does, as their names: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(text: &str) -> Vec<Vec<&str>> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let (name, rest) = text.split_at(text.find(|c| !is_name(c)).unwrap_or(text.len()));
    let Some(rest) = rest.strip_prefix("::") else { return vec![vec![name]] };
    let tails = match rest.strip_prefix('{') {
        Some(group) => members(group).into_iter().flat_map(expand).collect(),
        None => expand(rest),
    };
    tails.into_iter().map(|tail| [vec![name], tail].concat()).collect()
}

/// The members of a group whose opening brace stands before `text`.
fn members(text: &str) -> Vec<&str> {
    let (mut depth, mut start) = (0, 0);
    let mut members = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            ',' | '}' if depth == 0 => {
                members.push(text[start..at].trim_start());
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    members
}

/// The files of `src` and what they name, for whoever looks for circles.
struct Names {
    /// Each file, its module and its code without comments.
    files: Vec<(String, Module, String)>,
    modules: BTreeSet<Module>,
    /// What a module says of one of its children by `pub use`, and that child.
    passed_on: BTreeMap<(Module, String), Module>,
}

impl Names {
    fn of(sources: &[Source]) -> Self {
        let file = |source: &Source| {
            let lines: Vec<&str> = source.code_lines().map(|(_, line)| line).collect();
            (source.path.clone(), module_at(&source.path), lines.join("\n"))
        };
        let files: Vec<_> = sources.iter().map(file).collect();
        let modules: BTreeSet<Module> = files.iter().map(|(_, module, _)| module.clone()).collect();
        let mut passed_on = BTreeMap::new();
        for (_, module, code) in &files {
            for line in code.match_indices("\npub").map(|(at, _)| &code[at + 1..]) {
                let public = line.split_once(' ').and_then(|(_, rest)| rest.strip_prefix("use "));
                for path in public.into_iter().flat_map(expand) {
                    let path = path.strip_prefix(&["self"]).unwrap_or(&path);
                    let [child, .., name] = path else { continue };
                    let child = [module.clone(), vec![(*child).to_owned()]].concat();
                    if modules.contains(&child) {
                        passed_on.insert((module.clone(), (*name).to_owned()), child);
                    }
                }
            }
        }
        Self { files, modules, passed_on }
    }

    /// The modules that `code` of `module` names by paths from `crate`, `super` or `self`.
    fn named(&self, module: &Module, code: &str) -> BTreeSet<Module> {
        let mut named = BTreeSet::new();
        for word in ["crate::", "super::", "self::"] {
            for (at, _) in code.match_indices(word) {
                let is_inside = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
                if !code[..at].ends_with(is_inside) {
                    let paths = expand(&code[at..]);
                    named.extend(paths.iter().map(|path| self.resolve(module, path)));
                }
            }
        }
        named
    }

    /// The module that has what `path` leads to from `module`.
    fn resolve(&self, module: &Module, path: &[&str]) -> Module {
        let mut at = if path[0] == "crate" { Module::new() } else { module.clone() };
        for name in path {
            match *name {
                "crate" | "self" => {}
                "super" => {
                    at.pop();
                }
                name => {
                    if let Some(child) = self.passed_on.get(&(at.clone(), name.to_owned())) {
                        return child.clone();
                    }
                    let child = [at.clone(), vec![name.to_owned()]].concat();
                    if !self.modules.contains(&child) {
                        break;
                    }
                    at = child;
                }
            }
        }
        at
    }

    /// Who in `folder` names whom, and in which file. What is deeper counts as the child of the
    /// folder that it is in, and the folder's own file does not count.
    fn edges(&self, folder: &[String]) -> BTreeMap<String, BTreeMap<String, String>> {
        let child = |module: &Module| module.strip_prefix(folder)?.first().cloned();
        let mut edges: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (path, module, code) in &self.files {
            let Some(from) = child(module) else { continue };
            for to in self.named(module, code).iter().filter_map(child).filter(|to| *to != from) {
                edges.entry(from.clone()).or_default().entry(to).or_insert_with(|| path.clone());
            }
        }
        edges
    }
}

/// The shortest way along `edges` from `start` back to it; empty if there is none.
fn circle(edges: &BTreeMap<String, BTreeMap<String, String>>, start: &str) -> Vec<String> {
    let mut ways = VecDeque::from([vec![start.to_owned()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in edges.get(way.last().unwrap()).into_iter().flat_map(BTreeMap::keys) {
            let longer = [way.clone(), vec![next.clone()]].concat();
            if next == start {
                return longer;
            }
            if seen.insert(next.clone()) {
                ways.push_back(longer);
            }
        }
    }
    Vec::new()
}

/// The circles among the children of each folder: who names whom, and where.
fn circles(sources: &[Source]) -> Vec<String> {
    let names = Names::of(sources);
    let folders: BTreeSet<&[String]> =
        names.modules.iter().filter_map(|it| Some(it.split_last()?.1)).collect();
    let mut found = Vec::new();
    for folder in folders {
        let edges = names.edges(folder);
        let mut told = BTreeSet::new();
        for start in edges.keys() {
            let circle = circle(&edges, start);
            if circle.iter().any(|file| told.contains(file)) {
                continue;
            }
            for pair in circle.windows(2) {
                let (from, to) = (&pair[0], &pair[1]);
                found.push(format!("src/{} names '{to}'", edges[from][to]));
                told.insert(from.clone());
            }
        }
    }
    found
}

#[test]
fn no_circle_among_the_files_of_a_folder() {
    let found = circles(&sources());
    assert!(found.is_empty(), "files that name each other in a circle:\n{}", found.join("\n"));
}

#[test]
fn a_circle_is_seen() {
    let source = |path: &str, code: &str| Source {
        path: path.to_owned(),
        code: format!("//! It.\n{code}"),
        lines: 1,
    };
    let told = |a: &str, b: &str| {
        let files = [
            source("lib.rs", "pub mod x;"),
            source("x/mod.rs", "mod a;\nmod b;\nmod c;\npub(crate) use b::{Deep, other::Thing};"),
            source("x/a.rs", a),
            source("x/b.rs", b),
            source("x/b/inner.rs", ""),
            source("x/c.rs", "use super::a;"),
        ];
        circles(&files).join(", ")
    };
    let both = "src/x/a.rs names 'b', src/x/b.rs names 'a'";
    let back = "use super::a::A;";
    assert_eq!(told("use super::b::B;", back), both);
    assert_eq!(told("use super::{c2, b::{self, B}};", back), both);
    assert_eq!(told("use super::{\n    Deep,\n};", back), both);
    assert_eq!(told("use crate::x::Thing;", back), both);
    assert_eq!(told("fn f() -> crate::x::b::inner::I {}", back), both);
    assert_eq!(told("use super::c::C;", ""), "src/x/a.rs names 'c', src/x/c.rs names 'a'");
    // Neither an arrow, nor the folder's own file, nor a comment is one.
    assert_eq!(told("", back), "");
    assert_eq!(told("use super::X;", back), "");
    assert_eq!(told("// use super::b::B;\nuse other_crate::b;", back), "");
}

/// The names that `part` of a path is made of, the longest first that fit; `None` if something is
/// left. Upper-case letters and digits stand for something else.
fn made_of<'a>(part: &str, names: &BTreeSet<&'a str>) -> Option<Vec<&'a str>> {
    let mut used = Vec::new();
    for piece in part.split(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit()) {
        let mut rest = piece;
        while !rest.is_empty() {
            let fits = names.iter().filter(|name| rest.starts_with(**name));
            match fits.max_by_key(|name| name.len()) {
                Some(name) => {
                    used.push(*name);
                    rest = &rest[name.len()..];
                }
                // What separates two of those that stand for something else.
                None => rest = rest.strip_prefix('.')?,
            }
        }
    }
    Some(used)
}

#[test]
fn every_name_on_disk_is_on_the_protocol_page() {
    let read = |path: &str| std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap();
    let (layout, page) = (read("src/store/layout.rs"), read("doc/protocol.md"));
    let constants = layout.lines().filter_map(|line| {
        let (_, value) = line.split_once("const ")?.1.split_once(": &str = \"")?;
        value.strip_suffix("\";")
    });
    let names: BTreeSet<&str> = constants.collect();
    assert!(names.len() > 20, "{names:?}");
    let section = page.split("\n## LAYOUT\n").nth(1).unwrap().split("\n##").next().unwrap();
    let mut used = BTreeSet::new();
    for line in section.lines() {
        if let Some(row) = line.strip_prefix("    ") {
            let path = row.split_whitespace().next().unwrap();
            for part in path.split('/') {
                let names = made_of(part, &names);
                used.extend(names.unwrap_or_else(|| panic!("'{path}' is not in store/layout.rs")));
            }
        } else {
            // What the table leaves out is said below it.
            let quoted = line.split('`').skip(1).step_by(2);
            used.extend(quoted.filter_map(|word| made_of(word, &names)).flatten());
        }
    }
    let missing: Vec<&&str> = names.difference(&used).collect();
    assert!(missing.is_empty(), "doc/protocol.md does not have {missing:?}");
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

/// Outside of `host`, which they do not know: what has two versions, of which one does for any
/// system.
const PLATFORM: &[&str] = &[
    // A git child is killed by a handle, if there are any.
    "git/child/deadline.rs",
    // Directories are listed without the C library, where that saves system calls.
    "store/listing.rs",
    // What was written is synced, which takes more than `fsync` on one system.
    "sync.rs",
];

#[test]
fn platform_code_is_in_host() {
    const WORDS: &[&str] = &[
        "cfg(target_os",
        "cfg!(target_os",
        "target_os =",
        "/proc/",
        "pidfd_",
        "Pidfd",
        "inotify",
        "signal_hook",
        " nix::",
        "(nix::",
    ];
    let is_exempt = |source: &Source| PLATFORM.contains(&source.path.as_str());
    forbid(WORDS, "platform code stays in host", |source| {
        source.module() != "host" && !is_exempt(source)
    });
    for path in PLATFORM {
        let sources = sources();
        let source = sources.iter().find(|source| source.path == *path);
        assert!(
            source
                .is_some_and(|source| source.code.contains("cfg(target_")
                    || source.code.contains("target_os")),
            "src/{path}"
        );
    }
    // In there, only the folders of systems and what chooses one of them ask which system it is.
    forbid(&["target_os"], "that is for a folder of a system to know", |source| {
        let folders = ["host/mod.rs", "host/linux/", "host/macos/", "host/other/"];
        source.module() == "host" && !folders.iter().any(|folder| source.path.starts_with(folder))
    });
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
fn comments_fit_into_100_columns() {
    for source in sources() {
        for (n, line) in source.code.lines().enumerate() {
            let text = line.trim_start();
            // A row of a table has to stand in one.
            let is_comment = text.starts_with("//") && !text.starts_with("//! |");
            let fits = line.chars().count() <= 100;
            assert!(!is_comment || fits, "src/{}:{}", source.path, n + 1);
        }
    }
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

/// A command in a message names the phase that is meant: it is there to be pasted.
#[test]
fn no_message_leaves_the_phase_open() {
    let is_message = |source: &&Source| source.path.starts_with("ui/");
    for source in sources().iter().filter(is_message) {
        for (number, line) in source.code_lines() {
            assert!(!line.contains("PHASE"), "src/{}:{number}: {line}", source.path);
        }
    }
}
