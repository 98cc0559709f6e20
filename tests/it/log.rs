//! `log`: what the audit log tells, and what it makes of lines that are no events.

use std::io::Write as _;

use serde_json::Value;

use crate::fixture::Scene;

fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.does("lead", &["start", "--phases", "a:,b:a"]);
    scene.does("ann", &["claim", "a"]);
    scene.does("ann", &["abort", "a", "--reason", "a \u{1b}[31mred\u{202e} reason"]);
    scene.does("bob", &["claim", "a"]);
    scene.does("bob", &["complete", "a"]);
    scene.does("lead", &["start", "--phases", "a:"]);
    scene
}

/// `WHO EVENT WHAT` of each event.
fn told(scene: &mut Scene, args: &[&str]) -> Vec<String> {
    let mut all = vec!["log"];
    all.extend(args);
    let said = scene.said("reader", &all);
    let word = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    let one = |event: &Value| {
        let what = word(event, "resource");
        let what = if what == word(event, "sprint") { "sprint".to_owned() } else { what };
        format!("{} {} {what}", word(event, "agent"), word(event, "event"))
    };
    said["events"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn the_latest_comes_first_and_options_choose() {
    let mut scene = scene();
    let all = [
        "lead start sprint",
        "bob complete a",
        "bob claim a",
        "ann abort a",
        "ann claim a",
        "lead start sprint",
    ];
    assert_eq!(told(&mut scene, &[]), all);
    assert_eq!(told(&mut scene, &["a"]), all[1..5]);
    assert_eq!(told(&mut scene, &["--by", "bob"]), all[1..3]);
    assert_eq!(told(&mut scene, &["a", "--event", "abort"]), all[3..4]);
    assert_eq!(told(&mut scene, &["-n", "2"]), all[..2]);
    assert_eq!(told(&mut scene, &["--since", "1h"]), all);
    assert_eq!(told(&mut scene, &["--since", "0s"]), [] as [&str; 0]);
    let first = scene.said("reader", &["log"])["events"][5]["sprint"].as_str().unwrap().to_owned();
    assert_eq!(told(&mut scene, &["--sprint", &first]), all[1..]);
    let stamp = first.split_once('-').unwrap().1;
    assert_eq!(told(&mut scene, &["--sprint", stamp]), all[1..]);
    assert!(scene.said("reader", &["log", "-n", "2"])["more"].as_bool().unwrap());
    assert!(!scene.said("reader", &["log"])["more"].as_bool().unwrap());
}

#[test]
fn a_line_that_is_no_event_is_counted() {
    let mut scene = scene();
    let path = scene.sandbox.join("repo/.nanostack/audit.log");
    let mut log = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    log.write_all(b"{\"at\": 3}\nnot JSON\n\xff\n\n").unwrap();
    log.write_all("x".repeat(300_000).as_bytes()).unwrap();
    let said = scene.said("reader", &["log"]);
    assert_eq!(said["events"].as_array().unwrap().len(), 6);
    assert_eq!(said["skipped"], 4);
    let output = scene.asks("reader", "repo", &["log", "-n", "0"]);
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8(output.stderr).unwrap().contains("log -n 100"), "not of nothing");
    let output = scene.asks("reader", "repo", &["log"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("a \\u{1b}[31mred\\u{202e} reason"), "{text}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("4 lines"), "and says so");
}

#[test]
fn without_a_log_there_is_nothing_to_tell() {
    let mut scene = Scene::new();
    assert_eq!(told(&mut scene, &[]), [] as [&str; 0]);
    let path = scene.sandbox.join("repo/.nanostack");
    scene.does("lead", &["start"]);
    std::fs::remove_file(path.join("audit.log")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", path.join("audit.log")).unwrap();
    let output = scene.asks("reader", "repo", &["log"]);
    assert_eq!(output.status.code(), Some(128), "no link is followed");
    assert!(output.stdout.is_empty());
}

#[test]
fn columns_are_those_of_a_terminal() {
    let mut scene = Scene::new();
    scene.does("lead", &["start", "--phases", "a:,b:"]);
    scene.does("設計", &["claim", "a"]);
    scene.does("ann", &["claim", "b"]);
    let output = scene.asks("reader", "repo", &["log", "--event", "claim"]);
    let text = String::from_utf8(output.stdout).unwrap();
    // Two columns for each of the first, and as many blanks after the second.
    assert!(text.contains("  ann   claim  b\n") && text.contains("  設計  claim  a\n"), "{text}");
}

/// Whoever reads it is told the time of its own clock, the same everywhere, and which zone that is
/// of.
#[test]
fn times_are_those_of_the_reader() {
    let mut scene = Scene::new();
    scene.sprint("a:");
    scene.works("ann", "a");
    let said = scene.said("reader", &["log", "--event", "complete"]);
    let at: jiff::Timestamp = said["events"][0]["at"].as_str().unwrap().parse().unwrap();
    // Programs are told UTC, in any zone.
    scene.sandbox.set("TZ", "XYZ-2");
    assert_eq!(scene.said("reader", &["log", "--event", "complete"])["events"], said["events"]);
    let mut shown =
        |args: &[&str]| String::from_utf8(scene.asks("reader", "repo", args).stdout).unwrap();
    let here = at + jiff::SignedDuration::from_hours(2);
    let here = here.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let log = shown(&["log"]);
    assert!(log.starts_with("times of UTC+02:00\nsprint ") && log.contains(&here), "{log}");
    assert_eq!(log.matches("UTC").count(), 1, "{log}");
    let show = shown(&["show", "a"]);
    assert!(show.contains(&format!("{here} UTC+02:00 (")), "{show}");
    let report = shown(&["report"]);
    assert!(report.contains("| Times of | UTC+02:00 |\n"), "{report}");
    assert!(report.contains(&format!("| Ended | {here} |")), "{report}");
    scene.sandbox.set("TZ", "UTC");
    let log = String::from_utf8(scene.asks("reader", "repo", &["log"]).stdout).unwrap();
    assert!(log.starts_with("sprint ") && !log.contains("UTC"), "{log}");
}
