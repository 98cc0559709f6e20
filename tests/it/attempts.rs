//! Attempts: what counts as one that failed, what the next owner is told, and how many there may
//! be.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::process_driver::{Agent, Answer};
use crate::sandbox::Sandbox;

/// A sprint of `build`, in a repository where nobody waits for the hour.
struct Bench {
    sandbox: Sandbox,
}

impl Bench {
    fn new(phases: &str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.repository("repo");
        sandbox.git("repo", ["config", "conductor.staleAfter", "0s"]);
        let bench = Self { sandbox };
        bench.run(&Agent::new("lead"), &["start", "--phases", phases]).ok();
        bench
    }

    fn limited(limit: u64) -> Self {
        Self::new(&json!([{"name": "build", "max_attempts": limit}]).to_string())
    }

    fn run(&self, agent: &Agent, args: &[&str]) -> Answer {
        self.sandbox.run("repo", agent, args)
    }

    fn build(&self) -> Value {
        self.sandbox.board("repo").json["phases"]["build"].clone()
    }

    /// How many attempts failed, and whether that is too many.
    fn counted(&self) -> (u64, bool) {
        let build = self.build();
        (build["attempts"].as_u64().unwrap(), build["exhausted"].as_bool().unwrap())
    }

    fn past(&self) -> PathBuf {
        self.sandbox.sprint("repo/.nanostack").join("build/past")
    }

    fn fails(&self, agent: &Agent) {
        self.run(agent, &["claim", "build"]).ok();
        self.run(agent, &["abort", "build"]).ok();
    }
}

#[test]
fn what_ends_by_somebodys_doing_has_failed() {
    let bench = Bench::new("build:");
    let (one, mut two, mut three, me) =
        (Agent::new("one"), Agent::new("two"), Agent::new("three"), Agent::new("me"));
    let first = bench.run(&one, &["claim", "build"]).ok();
    assert_eq!((&first.json["attempt"], &first.json["attempts"]), (&json!(1), &json!([])));
    bench.run(&one, &["abort", "build", "--reason", "needs a decision"]).ok();
    let second = bench.run(&two, &["claim", "build"]).ok();
    assert_eq!(second.json["attempt"], 2);
    assert_eq!(second.json["attempts"][0]["reason"], "needs a decision");
    assert_eq!(bench.counted(), (1, false));
    two.kill();
    // The hour is over.
    let third = bench.run(&three, &["claim", "build"]).ok();
    assert_eq!(
        (&third.json["attempt"], &third.json["taken_over_from"]),
        (&json!(3), &json!("two"))
    );
    let last = &third.json["attempts"][1];
    assert_eq!([&last["how"], &last["by"], &last["agent"]], ["reclaim", "three", "two"]);
    three.kill();
    bench.run(&me, &["unstuck", "build"]).ok();
    bench.run(&one, &["claim", "build"]).ok();
    bench.run(&me, &["unstuck", "build", "--force"]).ok();
    let fifth = bench.run(&me, &["claim", "build"]).ok();
    assert_eq!(fifth.json["attempt"], 5);
    let how: Vec<&Value> =
        fifth.json["attempts"].as_array().unwrap().iter().map(|one| &one["how"]).collect();
    assert_eq!(how, ["abort", "reclaim", "unstuck", "unstuck"]);
    assert_eq!(bench.counted(), (4, false));
    // A verdict is no failure of the attempt.
    bench.run(&me, &["complete", "build", "--verdict", "fail"]).ok();
    assert_eq!(bench.counted(), (4, false));
}

#[test]
fn who_goes_on_has_not_failed() {
    let bench = Bench::limited(1);
    let mut me = Agent::new("me");
    bench.run(&me, &["claim", "build"]).ok();
    bench.run(&me, &["claim", "build"]).ok();
    me.restart();
    let again = bench.run(&me, &["claim", "build"]).ok();
    assert_eq!((&again.json["attempt"], &again.json["taken_over_from"]), (&json!(1), &json!("me")));
    assert!(!bench.past().exists());
    bench.run(&me, &["complete", "build"]).ok();
    assert_eq!(bench.counted(), (0, false));
}

#[test]
fn no_more_than_may_fail_until_a_person_says_so() {
    let bench = Bench::limited(2);
    let (one, two) = (Agent::new("one"), Agent::new("two"));
    bench.fails(&one);
    bench.fails(&two);
    let refused = bench.run(&one, &["claim", "build"]).refused("exhausted");
    assert_eq!((&refused.json["attempts"], &refused.json["limit"]), (&json!(2), &json!(2)));
    assert_eq!((&refused.json["do"], &refused.json["retry"]), (&json!([]), &json!("after_change")));
    assert_eq!(refused.json["last"]["agent"], "two");
    assert!(!refused.err.contains("force"), "{}", refused.err);
    let build = bench.build();
    assert_eq!([&build["state"], &build["ready"]], [&json!("pending"), &json!(false)]);
    for args in [&["next"][..], &["next", "--claim"]] {
        let nothing = bench.run(&one, args).nothing("nothing_ready", false);
        assert_eq!(nothing.json["exhausted"], json!(["build"]));
    }
    // Nobody holds it, and that is not what is wrong.
    let freed = bench.run(&one, &["unstuck", "build"]).ok();
    assert_eq!([&freed.json["exhausted"], &freed.json["forgiven"]], [&json!(true), &Value::Null]);
    bench.run(&one, &["claim", "build"]).refused("exhausted");
    for _ in 0..2 {
        bench.run(&one, &["unstuck", "build", "--force"]).ok();
    }
    assert!(bench.past().join("pardon.2").is_file());
    assert_eq!(bench.counted(), (2, false));
    // Told of all the same, and counted anew.
    assert_eq!(bench.run(&one, &["claim", "build"]).ok().json["attempt"], 3);
    bench.run(&one, &["abort"]).ok();
    bench.fails(&two);
    let refused = bench.run(&one, &["claim", "build"]).refused("exhausted");
    assert_eq!(refused.json["attempts"], 2);
}

#[test]
fn a_dead_owners_attempt_can_be_the_last() {
    let bench = Bench::limited(1);
    let (mut one, two) = (Agent::new("one"), Agent::new("two"));
    bench.run(&one, &["claim", "build"]).ok();
    // It lives: it is simply taken, and one's own goes on.
    bench.run(&two, &["claim", "build"]).refused("claimed");
    one.kill();
    for args in [&["claim", "build"][..], &["claim", "build", "--takeover"]] {
        bench.run(&two, args).refused("exhausted");
    }
    bench.run(&two, &["next", "--claim"]).nothing("nothing_ready", false);
    // Freed by a person, it can be tried again.
    let freed = bench.run(&two, &["unstuck", "build", "--force"]).ok();
    assert_eq!((&freed.json["freed_from"], &freed.json["forgiven"]), (&json!("one"), &json!(1)));
    assert_eq!(bench.run(&two, &["claim", "build"]).ok().json["attempt"], 2);
}

#[test]
fn the_setting_holds_where_the_graph_says_nothing() {
    let bench = Bench::new(r#"[{"name": "build"}, {"name": "often", "max_attempts": 9}]"#);
    bench.sandbox.git("repo", ["config", "conductor.maxAttempts", "1"]);
    let me = Agent::new("me");
    for phase in ["build", "often"] {
        bench.run(&me, &["claim", phase]).ok();
    }
    bench.run(&me, &["abort"]).ok();
    bench.run(&me, &["claim", "build"]).refused("exhausted");
    let next = bench.run(&me, &["next", "--all"]).ok();
    assert_eq!(next.json["phases"], json!(["often"]));
    bench.run(&me, &["claim", "often"]).ok();
}

#[test]
fn a_graph_without_attempts_is_none() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    let me = Agent::new("me");
    let start = |entry: &str| {
        let graph = format!(r#"[{{"name": "a", "max_attempts": {entry}}}]"#);
        sandbox.run("repo", &me, &["start", "--phases", &graph])
    };
    for bad in ["0", "-1", "1.5", "\"3\"", "18446744073709551616", "null"] {
        assert_eq!(start(bad).said(), (Some(129), "usage"), "{bad}");
    }
    assert!(start("0").err.contains("'a' has max_attempts 0, and could never be claimed"));
    for good in ["1", "18446744073709551615"] {
        start(good).ok();
    }
}

/// Whatever stands in `past` makes no command fail, slow, or forget the others.
#[test]
fn what_cannot_be_understood_counts_and_is_not_shown() {
    let bench = Bench::new("build:");
    let me = Agent::new("me");
    bench.fails(&me);
    let past = bench.past();
    let name = |n: u32| past.join(format!("{n:032x}.json"));
    fs::write(name(1), "").unwrap();
    fs::write(name(2), "{\"agent\": [").unwrap();
    fs::write(name(3), r#"{"agent": 7, "how": "eaten", "ended_at": "soon", "later": 1}"#).unwrap();
    fs::File::create(name(4)).unwrap().set_len(1 << 30).unwrap();
    // These are none.
    fs::create_dir(name(5)).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", name(6)).unwrap();
    for other in ["x.json", ".tmp.1", "pardon.x", "pardon.-1", "pardon.99999999999999999999"] {
        fs::write(past.join(other), "").unwrap();
    }
    fs::create_dir(past.join("pardon.5")).unwrap();
    assert_eq!(bench.counted().0, 5);
    let claimed = bench.run(&me, &["claim", "build"]).ok();
    assert_eq!(claimed.json["attempt"], 6);
    assert_eq!(claimed.json["attempts"][4]["agent"], "me", "the one that is known is the last");
    bench.run(&me, &["abort", "build"]).ok();
    for n in 100..5000 {
        fs::write(name(n), "{}").unwrap();
    }
    assert!(bench.counted().0 >= 4000);
    let claimed = bench.run(&me, &["claim", "build"]).ok();
    assert!(claimed.err.lines().count() < 8, "{}", claimed.err);
    bench.run(&me, &["complete", "build"]).ok();
}

#[test]
fn what_is_no_directory_is_not_read_and_not_written_to() {
    let bench = Bench::new("build:");
    let me = Agent::new("me");
    let outside = bench.sandbox.join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join(format!("{:032x}.json", 1)), "{}").unwrap();
    std::os::unix::fs::symlink(&outside, bench.past()).unwrap();
    assert_eq!(bench.counted(), (0, false));
    assert_eq!(bench.run(&me, &["claim", "build"]).ok().json["attempt"], 1);
    for args in [&["abort", "build"][..], &["unstuck", "build", "--force"]] {
        assert_eq!(bench.run(&me, args).code(), "tampered", "{args:?}");
    }
    // Nothing was given up, and nothing written there.
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(bench.build()["state"], "claimed");
    fs::remove_file(bench.past()).unwrap();
    bench.run(&me, &["abort", "build"]).ok();
    assert_eq!(bench.counted(), (1, false));
}

#[test]
fn a_reason_is_kept_as_far_as_anyone_would_read_it() {
    let bench = Bench::new("build:");
    let me = Agent::new("me");
    bench.run(&me, &["claim", "build"]).ok();
    let reason = "é\u{1b}[31m ".repeat(9000);
    bench.run(&me, &["abort", "build", "--reason", &reason]).ok();
    let claimed = bench.run(&me, &["claim", "build"]).ok();
    let kept = claimed.json["attempts"][0]["reason"].as_str().unwrap();
    assert!(kept.len() > 4000 && kept.len() <= 4096 && reason.starts_with(kept));
    assert!(!claimed.err.contains('\u{1b}') && claimed.err.len() < 4000, "{}", claimed.err);
}

/// A script's claim has no token; several that end it count it once, and its own agent goes on.
#[test]
fn a_scripts_claim_is_an_attempt() {
    let bench = Bench::new("build:");
    let (mut gone, me) = (Agent::new("gone"), Agent::new("me"));
    let plant = |agent: &Agent, since: &str| {
        let lock = bench.past().with_file_name("lock");
        fs::create_dir(&lock).unwrap();
        let pid = agent.pid();
        let record = json!({"agent": agent.name(), "claimed_at": since, "pid": pid});
        fs::write(lock.join("meta.json"), record.to_string()).unwrap();
    };
    plant(&gone, "2026-01-02T03:04:05Z");
    assert_eq!(bench.counted(), (0, false));
    gone.kill();
    let claimed = bench.run(&me, &["claim", "build"]).ok();
    assert_eq!(
        (&claimed.json["attempt"], &claimed.json["attempts"][0]["agent"]),
        (&json!(2), &json!("gone"))
    );
    bench.run(&me, &["abort", "build"]).ok();
    // The same claim once more: it is called by what it says.
    plant(&gone, "2026-01-02T03:04:05Z");
    assert_eq!(bench.counted(), (1, false));
    bench.run(&me, &["unstuck", "build"]).ok();
    assert_eq!(bench.counted(), (2, false));
    // Its own.
    gone.restart();
    plant(&gone, "2026-01-02T03:04:06Z");
    gone.restart();
    assert_eq!(bench.run(&gone, &["claim", "build"]).ok().json["attempt"], 3);
    bench.run(&gone, &["complete", "build"]).ok();
    assert_eq!(bench.counted(), (2, false));
}

#[test]
fn an_onlooker_sees_what_failed() {
    let bench = Bench::limited(2);
    let me = Agent::new("me");
    let table = || {
        let output = bench.sandbox.git("repo", ["conductor", "status"]);
        String::from_utf8(output.stdout).unwrap()
    };
    bench.fails(&me);
    assert!(table().contains("> build  ready    1 attempt failed\n"), "{}", table());
    bench.fails(&me);
    assert!(table().contains("x build  pending  exhausted after 2 attempts\n"), "{}", table());
}

/// Agents that fail at the same time: the limit holds, and none is lost.
#[test]
fn every_one_of_many_at_once_is_counted() {
    let bench = Bench::limited(12);
    let agents: Vec<Agent> = (0..4).map(|n| Agent::new(format!("a{n}"))).collect();
    let failed: u64 = std::thread::scope(|scope| {
        let works = |agent| {
            let bench = &bench;
            scope.spawn(move || {
                let mut failed = 0;
                loop {
                    let claimed = bench.run(agent, &["claim", "build"]);
                    match claimed.code() {
                        "" => {
                            bench.run(agent, &["abort", "build"]).ok();
                            failed += 1;
                        }
                        "exhausted" => return failed,
                        "claimed" | "busy" => {}
                        _ => panic!("{claimed:?}"),
                    }
                }
            })
        };
        let threads: Vec<_> = agents.iter().map(works).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(failed, 12);
    assert_eq!(bench.counted(), (12, true));
}
