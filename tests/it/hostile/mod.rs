//! Hostile and broken stores, as data: what somebody put where, and what each command answers.
//!
//! A case is a few lines in one of the text files beside this one:
//!
//! ```text
//! open: a FIFO where the record of a completion belongs
//!     | fifo sprint/open/done
//!     = 128 tampered: status json next claim
//! ```
//!
//! The first word says which phase the commands are about, and who asks ([`Subject`]). `|` plants
//! something ([`plant`]), `&` makes the surroundings hostile ([`Around`]), `@` is given as the
//! phase, `^` as the artifact, `?` names the commands to be tried if not all, `=` says what comes
//! of them: an exit code, the `code` if there is one, the commands. What a case does not mention is
//! answered as if nothing had been planted; the cases without plants in `healthy.txt` say how.
//!
//! Whatever was planted, every single run must keep to [`Runs::check`]: nothing beside the store is
//! touched, nothing a terminal would act on is printed, no second of CPU time is used, no run
//! hangs.
//!
//! `UPDATE=1 cargo test --test it -- hostile` writes down what the program answers. Each line that
//! changes by that is to be read: would a user want it?

#![expect(clippy::panic, reason = "what cannot be read is a mistake in the cases")]

mod plant;
mod run;
mod scenery;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use run::{Around, COMMANDS, Runs};
pub(crate) use scenery::witness;
use scenery::{Scenery, Subject};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/hostile");
const HEALTHY: &str = "healthy.txt";
/// Some commands wait for a second before they give up.
const THREADS: usize = 6;

/// What each command answers, by its word: `0`, `1 claimed`, `128 tampered`.
type Answers = BTreeMap<&'static str, String>;

/// One paragraph of a file.
struct Case {
    file: String,
    line: usize,
    subject: Subject,
    title: String,
    plants: Vec<String>,
    around: Vec<Around>,
    /// What the commands are told instead of the subject's phase.
    phase: Option<String>,
    /// What is handed in instead of a good artifact: a path as plants write it.
    artifact: Option<String>,
    /// The commands to be tried.
    only: Vec<&'static str>,
    /// What it says of the answers.
    says: Answers,
}

impl Case {
    fn place(&self) -> String {
        format!("{}:{}: {}", self.file, self.line, self.title)
    }
}

fn words(text: &str, place: &str) -> Vec<&'static str> {
    let known = |word: &str| {
        let found = COMMANDS.iter().find(|command| command.word == word);
        found.unwrap_or_else(|| panic!("{place}: '{word}' is no command")).word
    };
    text.split_whitespace().map(known).collect()
}

/// Reads the cases of one file.
fn parse(file: &str, text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let place = format!("{file}:{}", number + 1);
        let trimmed = line.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        if trimmed.len() == line.len() {
            let (subject, title) = line.split_once(": ").unwrap_or_else(|| panic!("{place}"));
            cases.push(Case {
                file: file.to_owned(),
                line: number + 1,
                subject: Subject::named(subject).unwrap_or_else(|| panic!("{place}: {subject}")),
                title: title.to_owned(),
                plants: Vec::new(),
                around: Vec::new(),
                phase: None,
                artifact: None,
                only: COMMANDS.iter().map(|command| command.word).collect(),
                says: Answers::new(),
            });
            continue;
        }
        let case = cases.last_mut().unwrap_or_else(|| panic!("{place}: of no case"));
        let (sign, rest) = trimmed.split_at(1);
        let rest = rest.trim();
        match sign {
            "|" => case.plants.push(rest.to_owned()),
            "&" => case.around.push(Around::named(rest).unwrap_or_else(|| panic!("{place}"))),
            "@" => case.phase = Some(rest.to_owned()),
            "^" => case.artifact = Some(rest.to_owned()),
            "?" => case.only = words(rest, &place),
            "=" => {
                let (answer, commands) = rest.split_once(": ").unwrap_or_else(|| panic!("{place}"));
                for word in words(commands, &place) {
                    let twice = case.says.insert(word, answer.to_owned());
                    assert!(twice.is_none(), "{place}: {word} has two answers");
                }
            }
            _ => panic!("{place}: '{sign}'"),
        }
    }
    cases
}

/// The files, the healthy one first.
fn files() -> Vec<(String, PathBuf)> {
    let mut files: Vec<(String, PathBuf)> = std::fs::read_dir(CASES)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .collect();
    files.sort_by_key(|(name, _)| (name != HEALTHY, name.clone()));
    assert_eq!(files[0].0, HEALTHY);
    files
}

/// What a case expects of all commands: its own words, and the healthy answers for the rest.
fn expected(case: &Case, healthy: &BTreeMap<Subject, Answers>) -> Answers {
    let mut all = healthy.get(&case.subject).cloned().unwrap_or_default();
    all.extend(case.says.clone());
    all
}

/// Runs everything that `cases` ask for; the answers in the order of the cases.
fn run_all(scenery: &Scenery, cases: &[Case], expect: &[Answers]) -> (Vec<Answers>, Vec<String>) {
    let next = AtomicUsize::new(0);
    let found = Mutex::new((vec![Answers::new(); cases.len()], Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(n) else { return };
                    if !case.around.iter().all(Around::can_be) {
                        continue;
                    }
                    let mut runs = Runs::new(scenery, case);
                    let mut answers = Answers::new();
                    for word in &case.only {
                        let expected = expect[n].get(word).map_or("", String::as_str);
                        answers.insert(word, runs.check(word, expected));
                    }
                    let faults = runs.end();
                    let mut found = found.lock().unwrap();
                    found.0[n] = answers;
                    found.1.extend(faults);
                }
            });
        }
    });
    found.into_inner().unwrap()
}

/// The `=` lines of a case: what differs from `usual`.
fn lines(case: &Case, answers: &Answers, usual: &Answers) -> String {
    let mut by_answer: Vec<(&str, Vec<&str>)> = Vec::new();
    for command in COMMANDS {
        let Some(answer) = answers.get(command.word) else { continue };
        if case.file != HEALTHY && usual.get(command.word) == Some(answer) {
            continue;
        }
        match by_answer.iter_mut().find(|(known, _)| known == answer) {
            Some((_, words)) => words.push(command.word),
            None => by_answer.push((answer, vec![command.word])),
        }
    }
    by_answer.iter().fold(String::new(), |mut text, (answer, words)| {
        // Writing to a String cannot fail.
        _ = writeln!(text, "    = {answer}: {}", words.join(" "));
        text
    })
}

/// Writes the answers into the file that the cases are from.
fn rewrite(path: &Path, cases: &[(&Case, String)]) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut out = String::new();
    let mut pending: Option<&str> = None;
    for (number, line) in text.lines().enumerate() {
        let is_detail = line.starts_with("    ");
        if !is_detail && let Some(answers) = pending.take() {
            out += answers;
        }
        if line.trim_start().starts_with('=') && is_detail {
            continue;
        }
        out += line;
        out.push('\n');
        let begins = cases.iter().find(|(case, _)| case.line == number + 1);
        pending = begins.map_or(pending, |(_, answers)| Some(answers));
    }
    out += pending.unwrap_or_default();
    std::fs::write(path, out).unwrap();
}

#[test]
fn whatever_is_planted_is_answered() {
    let only = std::env::var("CASE").unwrap_or_default();
    let read =
        |(name, path): &(String, PathBuf)| parse(name, &std::fs::read_to_string(path).unwrap());
    let files = files();
    let mut cases: Vec<Case> = files.iter().flat_map(read).collect();
    let usual: BTreeMap<Subject, Answers> = cases
        .iter()
        .filter(|case| case.file == HEALTHY)
        .map(|case| (case.subject, case.says.clone()))
        .collect();
    cases.retain(|case| only.is_empty() || case.place().contains(&only));
    let expect: Vec<Answers> = cases.iter().map(|case| expected(case, &usual)).collect();
    let scenery = Scenery::new();
    let (answers, mut faults) = run_all(&scenery, &cases, &expect);
    let runs: usize = answers.iter().map(Answers::len).sum();
    eprintln!("{} cases, {runs} runs", cases.len());

    if std::env::var_os("UPDATE").is_some() && only.is_empty() {
        let usual: BTreeMap<Subject, &Answers> = std::iter::zip(&cases, &answers)
            .filter(|(case, _)| case.file == HEALTHY)
            .map(|(case, answers)| (case.subject, answers))
            .collect();
        for (name, path) in &files {
            let of_file = std::iter::zip(&cases, &answers).filter(|(case, _)| case.file == *name);
            // What cannot be tried here keeps what was known of it.
            let known = |case: &Case, answers: &Answers| {
                let (answers, usual) = if answers.is_empty() {
                    (&case.says, &Answers::new())
                } else {
                    (answers, usual[&case.subject])
                };
                lines(case, answers, usual)
            };
            let written: Vec<(&Case, String)> =
                of_file.map(|(case, answers)| (case, known(case, answers))).collect();
            rewrite(path, &written);
        }
    } else {
        for ((case, answers), expected) in std::iter::zip(&cases, &answers).zip(&expect) {
            for (word, answer) in answers {
                let wanted = expected.get(word).map_or("(nothing)", String::as_str);
                if wanted != answer {
                    faults.push(format!("{}: {word}: {answer}, not {wanted}", case.place()));
                }
            }
        }
        assert!(!only.is_empty() || cases.len() > 100, "{} cases", cases.len());
    }
    faults.sort();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
