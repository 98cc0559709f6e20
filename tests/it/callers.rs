//! Whose words: a person at a terminal is never told to tell "your human"; whoever works for one
//! is.

use crate::namespace::{PIDS, inside};
use crate::process_driver::BINARY;
use crate::sandbox::Sandbox;
use crate::terminal::Terminal;

/// What is printed to a shell on a terminal where nothing but `mark` points to an agent.
fn on_a_terminal(sandbox: &mut Sandbox, mark: Option<(&str, &str)>, args: &[&str]) -> String {
    if let Some((name, value)) = mark {
        sandbox.set(name, value);
    }
    let mut shell = Terminal::new(sandbox, (200, 24), &["bash", "--norc", "--noprofile", "-i"]);
    shell.type_in(format!("{BINARY} {}\nexit\n", args.join(" ")).as_bytes());
    let (_, shown) = shell.end();
    if let Some((name, _)) = mark {
        sandbox.unset(name);
    }
    shown
}

/// What points to an agent or a job, each by itself.
const MARKS: &[(&str, &str)] =
    &[("CLAUDECODE", "1"), ("GIT_CONDUCTOR_AGENT", "ann"), ("GEMINI_CLI", "1")];

/// What says something else to an agent than to a person, and words of both.
const SAID: &[(&[&str], &str, &str)] = &[
    (&["claim", "build"], "whether one is begun is your human's decision", "git conductor start"),
    (&["guard"], "'ship' is claimed; whether one is begun", "'ship' is claimed\r"),
];

#[test]
fn the_caller_decides_the_words() {
    if !inside("callers::the_caller_decides_the_words", PIDS) {
        return;
    }
    let mut sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["config", "conductor.requireSprint", "true"]);
    for (args, agent, person) in SAID {
        let to_person = on_a_terminal(&mut sandbox, None, args);
        assert!(to_person.contains(person), "{args:?}: {to_person}");
        assert!(!to_person.contains("human"), "{args:?}: {to_person}");
        for mark in MARKS {
            let to_agent = on_a_terminal(&mut sandbox, Some(*mark), args);
            assert!(to_agent.contains(agent), "{mark:?} {args:?}: {to_agent}");
        }
    }
    // Nor without a repository, where nobody is asked who it is by its settings.
    std::fs::remove_dir_all(sandbox.join("repo/.git")).unwrap();
    let to_person = on_a_terminal(&mut sandbox, None, &["claim", "build"]);
    assert!(to_person.contains("go to a repository"), "{to_person}");
    for mark in MARKS {
        let to_agent = on_a_terminal(&mut sandbox, Some(*mark), &["claim", "build"]);
        assert!(to_agent.contains("that you were told to work in"), "{mark:?}: {to_agent}");
    }
}
