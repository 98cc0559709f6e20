//! Several agents below one process: threads of one program, jobs of one runner. Their ids tell
//! them apart, and that the process lives proves nothing about one of them.
#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::fake::{Fake, answer, called, looping};
use crate::fixture::Scene;

/// Variables by which two agents below one process are told apart.
const IDS: &[&[&str]] = &[
    &["CODEX_THREAD_ID=0000-aaaa1111", "CODEX_THREAD_ID=0000-bbbb2222"],
    &["CODEX_CI=1 CODEX_SESSION_ID=s-1", "CODEX_CI=1 CODEX_SESSION_ID=s-2"],
    &["OPENCODE=1 OPENCODE_SESSION_ID=ses_1", "OPENCODE=1 OPENCODE_SESSION_ID=ses_2"],
    &["AMP_CURRENT_THREAD_ID=T-1", "AMP_CURRENT_THREAD_ID=T-2"],
    &["CI=1 CI_JOB_ID=9000001", "CI=1 CI_JOB_ID=9000002"],
    &["CI=1 GITHUB_RUN_ID=7 GITHUB_JOB=x", "CI=1 GITHUB_RUN_ID=7 GITHUB_JOB=y"],
    &["CI=1 BUILDKITE_JOB_ID=x", "CI=1 BUILDKITE_JOB_ID=y"],
    &["CI=1 BUILD_TAG=t NODE_NAME=a", "CI=1 BUILD_TAG=t NODE_NAME=b"],
    // One that has no id is not known to be the other.
    &["CODEX_THREAD_ID=0000-aaaa1111", "CODEX_CI=1"],
    &["CODEX_CI=1", "CODEX_THREAD_ID=0000-aaaa1111"],
    // Nor is one of another family.
    &["CODEX_THREAD_ID=0000-aaaa1111", "CLAUDECODE=1 CLAUDE_SESSION_ID=0000-aaaa2222"],
    &["CLAUDECODE=1 CLAUDE_SESSION_ID=0000-aaaa2222", "CODEX_THREAD_ID=0000-aaaa1111"],
];

fn git(agent: &mut Fake, vars: &str, args: &str) -> Value {
    agent.call(&format!("export {vars}; git conductor {args} --json"))
}

#[track_caller]
fn expect(agent: &mut Fake, vars: &str, args: &str, code: &str) -> Value {
    let said = git(agent, vars, args);
    let met = said["code"].as_str().unwrap_or(if said["ok"] == true { "ok" } else { "?" });
    assert_eq!(met, code, "{vars}: {args}: {said}");
    said
}

#[test]
fn another_id_is_another_agent() {
    for names in [&["harness"] as &[&str], &["codex", "opencode", "amp"]] {
        let scene = Scene::with_phases(60);
        for (n, pair) in IDS.iter().enumerate() {
            let (a, b) = (pair[0], pair[1]);
            // A process that is known as an agent decides on the family.
            let known = names.iter().find(|name| a.to_lowercase().starts_with(**name));
            let Some(name) = known.or(names.first().filter(|name| **name == "harness")) else {
                continue;
            };
            let mut agent = Fake::new(&scene.sandbox, name, &[]);
            let (one, two) = (format!("p{:03}", 2 * n), format!("p{:03}", 2 * n + 1));
            expect(&mut agent, a, &format!("claim {one}"), "ok");
            let refused = expect(&mut agent, b, &format!("claim {one}"), "claimed");
            assert_eq!(refused["same_agent"], false, "{refused}");
            expect(&mut agent, b, &format!("complete {one}"), "not_owner");
            expect(&mut agent, b, &format!("abort {one}"), "not_owner");
            expect(&mut agent, b, &format!("claim {one} --takeover"), "claimed");
            expect(&mut agent, b, &format!("unstuck {one}"), "alive");
            let next = expect(&mut agent, b, "next --claim", "ok");
            assert_ne!(next["phase"], one, "{b}: {next}");
            expect(&mut agent, b, "abort", "ok");
            // The same id is the same agent, in whichever shell of its process.
            assert_eq!(
                expect(&mut agent, a, &format!("claim {one}"), "ok")["renewed"],
                true,
                "{a}"
            );
            expect(&mut agent, a, &format!("complete {one}"), "ok");
            assert_eq!(expect(&mut agent, a, &format!("complete {one}"), "ok")["again"], true);
            expect(&mut agent, b, &format!("complete {one}"), "done");
            expect(&mut agent, b, &format!("claim {two}"), "ok");
            expect(&mut agent, a, &format!("complete {two}"), "not_owner");
            expect(&mut agent, b, "abort", "ok");
        }
    }
}

#[test]
fn two_of_one_given_name() {
    let scene = Scene::with_phases(4);
    let runner = || {
        let mut command = scene.sandbox.command("repo", "setsid");
        command.arg(called(&scene.sandbox, "harness")).arg(looping(&scene.sandbox));
        command.env("GIT_CONDUCTOR_AGENT", "deploy");
        Fake::spawn(command)
    };
    let mut first = runner();
    let (a, b) = ("CI=1 CI_JOB_ID=1", "CI=1 CI_JOB_ID=2");
    expect(&mut first, a, "claim p000", "ok");
    expect(&mut first, b, "claim p000", "claimed");
    expect(&mut first, b, "complete p000", "not_owner");
    expect(&mut first, a, "complete p000", "ok");
    expect(&mut first, a, "claim p001", "ok");
    // The next run's job goes on with what its namesake left, once that one is gone.
    first.kill();
    expect(&mut runner(), b, "complete p001", "ok");
}

#[test]
fn what_a_thread_did_is_checked_by_another() {
    let scene = Scene::new();
    let mut agent = Fake::new(&scene.sandbox, "codex", &[]);
    let (one, two) = ("CODEX_THREAD_ID=t-1", "CODEX_THREAD_ID=t-2");
    let graph = json!([
        {"name": "build", "depends_on": []},
        {"name": "review", "depends_on": ["build"], "not_by": ["build"]},
    ]);
    let graph = scene.sandbox.write("graph.json", graph.to_string());
    expect(&mut agent, one, &format!("start --phases '{}'", graph.display()), "ok");
    expect(&mut agent, one, "claim build", "ok");
    expect(&mut agent, one, "complete build", "ok");
    for args in ["claim review", "claim review --agent rev", "claim review --agent t-2"] {
        expect(&mut agent, one, args, "four_eyes");
    }
    // Another name below the same process shows nothing, as long as no id does.
    expect(&mut agent, "CODEX_CI=1", "claim review --agent rev", "four_eyes");
    // The same thread, started again, is the same one under any name.
    let mut again = Fake::new(&scene.sandbox, "codex", &[("CODEX_THREAD_ID", "t-1")]);
    again.refused("claim review --agent rev", "four_eyes");
    expect(&mut agent, two, "claim review", "ok");
    expect(&mut agent, two, "complete review", "ok");
}

#[test]
fn silence_opens_a_shared_claim_to_who_asks_for_it() {
    let mut scene = Scene::with_phases(8);
    let mut agent = Fake::new(&scene.sandbox, "codex", &[]);
    let (one, two) = ("CODEX_THREAD_ID=t-1", "CODEX_THREAD_ID=t-2");
    for phase in ["p000", "p001", "p002", "p003"] {
        expect(&mut agent, one, &format!("claim {phase}"), "ok");
        // An older version sees an owner of which it knows nothing, and never takes it over.
        let claim = scene.claim(phase);
        assert_eq!((&claim["process"], &claim["stable"]), (&Value::Null, &json!(true)));
        assert_eq!(
            (&claim["shared"]["pid"], &claim["pid"]),
            (&json!(agent.pid()), &json!(agent.pid()))
        );
    }
    // It has been heard: nobody takes it, and nobody is told to.
    scene.claimed_ago("p000", 7200);
    scene.silent_for("p000", 3000);
    for who in [one, two] {
        assert_eq!(git(&mut agent, who, "status")["phases"]["p001"]["yours"], who == one);
    }
    scene.silent_for("p000", 3000);
    for args in ["claim p000", "claim p000 --takeover"] {
        let refused = expect(&mut agent, two, args, "claimed");
        assert_eq!((&refused["shared"], &refused["silent"]), (&json!(true), &Value::Null));
        assert!(!refused["do"].to_string().contains("takeover"), "{refused}");
        let said = refused["message"].to_string() + &refused["error"].to_string();
        assert!(said.contains("shared by several agents; not heard for 5"), "{refused}");
    }
    expect(&mut agent, two, "unstuck p000", "alive");
    // Then it has been silent for long: it stays claimed, and may be taken over by who asks for
    // that.
    for phase in ["p000", "p001", "p002", "p003"] {
        scene.claimed_ago(phase, 7200);
    }
    let board = git(&mut agent, two, "status");
    let phase = &board["phases"]["p000"];
    assert_eq!((&phase["state"], &phase["stale"]), (&json!("claimed"), &json!(false)), "{phase}");
    assert_eq!((&phase["alive"], &phase["shared"]), (&json!("yes"), &json!(true)), "{phase}");
    let refused = expect(&mut agent, two, "claim p000", "claimed");
    assert_eq!(refused["silent"], true, "{refused}");
    assert_eq!(refused["do"], json!(["git", "conductor", "claim", "p000", "--takeover"]));
    assert_eq!(expect(&mut agent, two, "next --claim", "ok")["phase"], "p004");
    expect(&mut agent, two, "claim p000 --wait --timeout 0s", "timed_out");
    let taken = expect(&mut agent, two, "claim p000 --takeover", "ok");
    assert_eq!(taken["taken_over_from"], "codex-t-1");
    expect(&mut agent, one, "complete p000", "lost");
    expect(&mut agent, two, "unstuck p001", "ok");
    // Its own next command ends the silence.
    scene.claimed_ago("p002", 7200);
    git(&mut agent, one, "status");
    expect(&mut agent, two, "claim p002 --takeover", "claimed");
    // That the process has ended proves it for all of them.
    agent.kill();
    assert_eq!(scene.said("other", &["claim", "p002"])["alive"], "no");
    assert_eq!(scene.said("other", &["claim", "p002", "--takeover"])["ok"], true);
}

#[test]
fn a_record_of_an_older_version() {
    let mut scene = Scene::with_phases(4);
    let mut agent = Fake::new(&scene.sandbox, "codex", &[]);
    let (one, two) = ("CODEX_THREAD_ID=t-1", "CODEX_THREAD_ID=t-2");
    for phase in ["p000", "p001"] {
        expect(&mut agent, one, &format!("claim {phase}"), "ok");
        scene.edit_claim(phase, |claim| {
            let shared = claim["shared"].take();
            claim["process"] = shared;
            for field in ["shared", "stable", "asleep"] {
                claim.as_object_mut().unwrap().remove(field);
            }
        });
    }
    // There the process was the agent; its session id tells all the same.
    expect(&mut agent, two, "claim p000", "claimed");
    expect(&mut agent, two, "complete p000", "not_owner");
    expect(&mut agent, one, "complete p000", "ok");
    // What it does not know is never taken for silent.
    scene.claimed_ago("p001", 7200);
    expect(&mut agent, two, "claim p001 --takeover", "claimed");
    agent.kill();
    assert_eq!(scene.said("other", &["claim", "p001"])["ok"], true);
}

/// A runner that lives on, and jobs that it starts with ids of their own.
#[test]
fn a_job_ends_below_a_living_runner() {
    let mut scene = Scene::with_phases(8);
    let runner = |scene: &Scene, name: &str, vars: &str, script: &str, more: &str| {
        let job = scene.sandbox.write(format!("job{}.sh", script.len()), script);
        let line = format!("{vars} bash '{}'\n{more}\n", job.display());
        let file = scene.sandbox.write(format!("runner{}.sh", line.len()), line);
        let mut command =
            scene.sandbox.command("repo", called(&scene.sandbox, name).to_str().unwrap());
        command.arg(file).stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    };
    let wait = "echo ready; read -r _ || :";
    let script = "git conductor claim p000 --json\nsh -c 'git conductor status >/dev/null; :'\n";
    let mut child =
        runner(&scene, "gitlab-runner", "CI=1 CI_JOB_ID=1", script, wait).spawn().unwrap();
    ready(&mut child);
    let claim = scene.claim("p000");
    assert_ne!(claim["process"]["pid"], json!(child.id()), "{claim}");
    assert!(claim["process"]["pid"].is_number() && claim["shared"].is_null(), "{claim}");
    // The job has ended, and that is proven.
    assert_eq!(scene.said("other", &["claim", "p000"])["alive"], "no");
    assert_eq!(scene.said("other", &["claim", "p000", "--takeover"])["ok"], true);
    end(child);
    // Steps that are processes of their own: one that ends is not the end of its job.
    let mut child = runner(
        &scene,
        "Runner.Worker",
        "CI=1 GITHUB_RUN_ID=7 GITHUB_JOB=x",
        "git conductor claim p001 --json\n",
        wait,
    )
    .spawn()
    .unwrap();
    ready(&mut child);
    assert_eq!(scene.claim("p001")["process"]["pid"], json!(child.id()));
    assert_eq!(scene.said("other", &["claim", "p001", "--takeover"])["alive"], "yes");
    end(child);
    assert_eq!(scene.said("other", &["claim", "p001", "--takeover"])["ok"], true);
    // Where no worker can be told from the rest, that of a step proves nothing.
    let vars = "CI=1 BUILD_TAG=t NODE_NAME=n";
    let mut child =
        runner(&scene, "agent", vars, "git conductor claim p002 --json\n", wait).spawn().unwrap();
    ready(&mut child);
    let claim = scene.claim("p002");
    assert_eq!((&claim["process"], &claim["shared"]["pid"]), (&Value::Null, &json!(child.id())));
    assert_eq!(scene.said("other", &["claim", "p002", "--takeover"])["alive"], "yes");
    scene.claimed_ago("p002", 7200);
    assert_eq!(scene.said("other", &["claim", "p002"])["code"], "claimed");
    assert_eq!(scene.said("other", &["claim", "p002", "--takeover"])["ok"], true);
    end(child);
}

fn ready(child: &mut std::process::Child) {
    use std::io::{BufRead as _, BufReader};
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "ready"), "the runner has ended");
}

fn end(mut child: std::process::Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// What a claim in a step and a completion in a script of the same job have in common is the id.
#[test]
fn a_script_within_a_job() {
    let scene = Scene::with_phases(4);
    let inner = scene.sandbox.write("inner.sh", "git conductor complete p000 --json\n");
    let mut shell = scene.sandbox.command("repo", "bash");
    shell.args(["-s"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = shell.spawn().unwrap();
    let script = format!(
        "export CI=1 CI_JOB_ID=5
git conductor claim p000 --json
bash '{}'
",
        inner.display()
    );
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = crate::fake::answers(&output.stdout);
    assert!(said.len() == 2 && said.iter().all(|said| said["ok"] == true), "{output:?}");
}

/// Its process is its own where it was started with the id.
#[test]
fn a_process_that_carries_the_id_is_the_agents_own() {
    let mut scene = Scene::with_phases(4);
    let mut agent = Fake::new(&scene.sandbox, "codex", &[("CODEX_THREAD_ID", "t-1")]);
    agent.ok("claim p000");
    assert_eq!(scene.claim("p000")["process"]["pid"], json!(agent.pid()));
    scene.claimed_ago("p000", 7200);
    let refused = scene.said("other", &["claim", "p000", "--takeover"]);
    assert_eq!((&refused["code"], &refused["shared"]), (&json!("claimed"), &Value::Null));
    let mut plain = Command::new("true");
    assert!(plain.status().unwrap().success());
    assert_eq!(
        answer(&mut scene.command("other", "repo", &["unstuck", "p000", "--json"]))["code"],
        "alive"
    );
}
