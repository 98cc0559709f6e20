//! Who is who across namespaces, hosts and boots, and where numbers are used again: what cannot be
//! seen is never taken for dead, and another's process is never taken for one's own.
#![cfg(target_os = "linux")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use git_conductor::host::agent::life;
use git_conductor::host::machine::Machine;
use git_conductor::record::{Claim, Process};
use git_conductor::rules::Life;
use serde_json::{Value, json};

use crate::fake::{Fake, answer, answers, called, looping};
use crate::fixture::{Scene, skipped};
use crate::namespace::{PIDS, ROOT, allowed, inside, numbered, unshared};

/// A shell's answer; it runs `script` from a file, so that it lasts as an agent does.
fn shell(scene: &Scene, script: &str) -> Command {
    let name = format!("run-{}.sh", script.len());
    let file = scene.sandbox.write(&name, script);
    let mut command = scene.sandbox.command("repo", "bash");
    command.arg(file);
    command
}

/// Ends a process and takes its exit status.
fn ended(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// An agent called `name` as the process `pid`.
fn agent_numbered(scene: &Scene, name: &str, pid: u32) -> Fake {
    let mut command = scene.sandbox.command("repo", called(&scene.sandbox, name).to_str().unwrap());
    command.arg(looping(&scene.sandbox));
    Fake::start(command, |command| numbered(pid, command))
}

#[test]
fn a_number_that_is_used_again() {
    if !inside("identity_namespaces::a_number_that_is_used_again", PIDS) {
        return;
    }
    let mut scene = Scene::with_phases(8);
    // A name that is given.
    let mut sleep = Command::new("sleep");
    sleep.arg("600");
    let owner = numbered(4000, &mut sleep);
    let claim = |scene: &Scene, phase: &str| {
        let mut command = scene.sandbox.command("repo", "git");
        command.args(["conductor", "claim", phase, "--json", "--agent", "one", "--pid", "4000"]);
        answer(&mut command)
    };
    assert_eq!(claim(&scene, "p000")["ok"], true);
    assert_eq!(claim(&scene, "p001")["ok"], true);
    assert_eq!(scene.said("two", &["unstuck", "p000"])["code"], "alive");
    assert_eq!(scene.said("two", &["claim", "p000", "--takeover"])["code"], "claimed");
    ended(owner);
    let other = numbered(4000, &mut sleep);
    // It is there, and it is not the owner.
    assert_eq!(scene.claim("p000")["process"]["pid"], 4000);
    assert_eq!(scene.said("two", &["claim", "p000"])["alive"], "no");
    assert_eq!(scene.said("two", &["claim", "p000", "--takeover"])["ok"], true);
    assert_eq!(scene.said("two", &["unstuck", "p001"])["ok"], true);
    ended(other);
    // A name that is made of the number: the next one is called the same, and is another.
    let mut first = agent_numbered(&scene, "claude", 5000);
    assert_eq!(first.ok("claim p002")["agent"], "claude-5000");
    first.kill();
    let mut second = agent_numbered(&scene, "claude", 5000);
    assert_eq!(second.git("status")["you"]["agent"], "claude-5000");
    assert_eq!(second.git("status")["you"]["holds"], json!([]));
    second.refused("complete p002", "not_owner");
    second.refused("abort p002", "not_owner");
    assert_eq!(second.refused("claim p002", "claimed")["alive"], "no");
    assert_eq!(second.ok("claim p002 --takeover")["taken_over_from"], "claude-5000");
    second.ok("complete p002");
}

/// Two processes that had one number and started within one clock tick; the second lives.
fn twins(pid: u32) -> Option<(Process, Process, Child)> {
    let mut sleep = Command::new("sleep");
    sleep.arg("600");
    for _ in 0..500 {
        let machine = Machine::read();
        let first = numbered(pid, &mut sleep);
        let then = machine.describe(i64::from(pid)).unwrap();
        ended(first);
        let second = numbered(pid, &mut sleep);
        let now = machine.describe(i64::from(pid)).unwrap();
        if then.start == now.start && then.pidfd.is_some() {
            return Some((then, now, second));
        }
        ended(second);
    }
    None
}

#[test]
fn two_of_one_number_and_one_clock_tick() {
    if !inside("identity_namespaces::two_of_one_number_and_one_clock_tick", PIDS) {
        return;
    }
    let mut scene = Scene::with_phases(8);
    let (then, now, second) = twins(6000).unwrap_or_else(|| {
        skipped("no two processes within one clock tick, or no pidfd inodes: they are made up");
        let mut sleep = Command::new("sleep");
        let second = numbered(6001, sleep.arg("600"));
        let now = Machine::read().describe(6001).unwrap();
        (Process { pidfd: Some(1), ..now.clone() }, Process { pidfd: Some(2), ..now }, second)
    });
    assert_eq!(Process { pidfd: now.pidfd, ..then.clone() }, now, "only the inode differs");
    let pid = now.pid.to_string();
    let claim = Claim { v: 1, process: Some(then.clone()), ..Claim::default() };
    if Machine::read().describe(now.pid).unwrap().pidfd.is_none() {
        skipped("this kernel has no inodes of pidfds");
        return;
    }
    assert_eq!(life(&Machine::read(), &claim), Life::Dead);
    let detected = |scene: &Scene, args: &[&str]| {
        let mut command = scene.sandbox.command("repo", "git");
        command.arg("conductor").args(args).args(["--json", "--pid", &pid]).env("CLAUDECODE", "1");
        answer(&mut command)
    };
    for phase in ["p000", "p001"] {
        assert_eq!(detected(&scene, &["claim", phase])["ok"], true);
        scene.edit_claim(phase, |claim| claim["process"] = json!(then));
        assert_eq!(detected(&scene, &["complete", phase])["code"], "not_owner");
        assert_eq!(detected(&scene, &["claim", phase])["alive"], "no");
    }
    assert_eq!(scene.said("two", &["unstuck", "p000"])["ok"], true);
    assert_eq!(scene.said("two", &["claim", "p001", "--takeover"])["ok"], true);
    ended(second);
}

/// Nobody takes the claim on `phase`, however it is asked for: its owner may be alive.
#[track_caller]
fn nobody_takes(scene: &mut Scene, phase: &str, wrap: &dyn Fn(Command) -> Command) {
    scene.claimed_ago(phase, 100 * 3600);
    for (args, code) in [
        (&["claim", phase] as &[&str], "claimed"),
        (&["claim", phase, "--takeover"], "claimed"),
        (&["unstuck", phase], "alive"),
        (&["complete", phase], "not_owner"),
        (&["abort", phase], "not_owner"),
        (&["archive"], "claimed"),
    ] {
        let mut command = scene.sandbox.command("repo", "git");
        command.arg("conductor").args(args).args(["--json", "--agent", "stranger"]);
        let said = answer(&mut wrap(command));
        assert_eq!(said["code"], code, "{args:?}: {said}");
        let holder = if args == ["archive"] { &said["claims"][0] } else { &said };
        assert_eq!(holder["alive"], "unknown", "{args:?}: {said}");
    }
}

#[test]
fn an_owner_outside_of_the_namespace() {
    let mut kinds = vec![PIDS.to_vec(), [ROOT, &["--uts", "sh", "-c", HOST, "sh"]].concat()];
    kinds.push([ROOT, &["--time", "--boottime", "100000", "--fork"]].concat());
    for flags in kinds {
        let plain: Vec<&str> = flags.iter().copied().take_while(|flag| *flag != "sh").collect();
        if !allowed(&plain) {
            continue;
        }
        let mut scene = Scene::with_phases(8);
        let wrap = |command: Command| unshared(&command, &flags);
        scene.does("one", &["claim", "p000"]);
        nobody_takes(&mut scene, "p000", &wrap);
        scene.dies("one");
        nobody_takes(&mut scene, "p000", &wrap);
        assert_eq!(scene.said("two", &["claim", "p000"])["ok"], true, "{flags:?}");
    }
}

/// Gives the host another name, and goes on as the command that follows.
const HOST: &str = "hostname elsewhere && exec \"$@\"";

#[test]
fn an_owner_inside_of_a_namespace() {
    for (phase, more) in [
        ("p000", &["--pid", "--fork", "--kill-child", "--mount-proc"] as &[&str]),
        ("p001", &["--time", "--boottime", "100000", "--fork", "--kill-child"]),
        ("p002", &["--uts", "sh", "-c", HOST, "sh"]),
    ] {
        let flags = [ROOT, more].concat();
        let plain: Vec<&str> = flags.iter().copied().take_while(|flag| *flag != "sh").collect();
        if !allowed(&plain) {
            continue;
        }
        let mut scene = Scene::with_phases(8);
        let mut command =
            scene.sandbox.command("repo", called(&scene.sandbox, "claude").to_str().unwrap());
        command.arg(looping(&scene.sandbox));
        let mut owner = Fake::spawn(unshared(&command, &flags));
        owner.ok(&format!("claim {phase}"));
        nobody_takes(&mut scene, phase, &|command| command);
        // Its own next call knows it, whatever became of the others.
        owner.ok(&format!("claim {phase}"));
        owner.kill();
        // Its end cannot be seen from here either.
        nobody_takes(&mut scene, phase, &|command| command);
    }
}

#[test]
fn a_time_namespace_shifts_the_boot() {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: i64 = uptime.split('.').next().unwrap().parse().unwrap();
    assert!(uptime > 20, "booted {uptime}s ago: too early for this test");
    let offset = format!("-{}", uptime - 1);
    let flags = [ROOT, &["--time", "--boottime", &offset, "--fork"]].concat();
    if !allowed(&flags) {
        return;
    }
    // In there the boot seems to be a second ago: what was claimed before is not from before it.
    let mut scene = Scene::with_phases(8);
    scene.does("one", &["claim", "p000"]);
    scene.claimed_ago("p000", 15);
    scene.edit_claim("p000", |claim| claim["process"]["boot"] = json!("another"));
    let mut command = scene.sandbox.command("repo", "git");
    command.args(["conductor", "unstuck", "p000", "--json", "--agent", "two"]);
    assert_eq!(answer(&mut unshared(&command, &flags))["alive"], "unknown");
}

/// Another boot, another machine, and machines that were cloned.
#[test]
fn owners_of_other_places() {
    let mut scene = Scene::with_phases(8);
    scene.does("one", &["claim", "p000"]);
    let real = scene.claim("p000")["process"].clone();
    let places: &[&[(&str, &str)]] = &[
        &[("boot", "another")],
        &[("node", "another")],
        &[("machine", "another")],
        &[("boot", "another"), ("node", "another")],
        &[("boot", "another"), ("machine", "another")],
        &[("boot", "another"), ("node", "another"), ("machine", "another")],
    ];
    for (n, place) in places.iter().enumerate() {
        scene.edit_claim("p000", |claim| {
            claim["process"] = real.clone();
            claim["process"]["pid"] = json!(4_194_304);
            for (key, value) in *place {
                claim["process"][*key] = json!(value);
            }
        });
        // On another boot of this machine, long ago means: before this boot.
        if n > 0 {
            nobody_takes(&mut scene, "p000", &|command| command);
        }
        scene.claimed_ago("p000", 0);
        assert_eq!(scene.said("two", &["claim", "p000", "--takeover"])["alive"], "unknown");
    }
    if Machine::read().machine.is_none() {
        skipped("no machine id here: another boot proves nothing");
        return;
    }
    scene.edit_claim("p000", |claim| {
        claim["process"] = real.clone();
        claim["process"]["boot"] = json!("another");
        claim["claimed_at"] = json!("2001-01-01T00:00:00Z");
    });
    // It has an hour to come back after the boot; but it is gone.
    scene.silent_for("p000", 100 * 3600);
    assert_eq!(scene.said("two", &["claim", "p000", "--takeover"])["ok"], true);
}

/// A process that waits in a pid namespace of its own, as a container's first one does.
struct Container {
    unshare: Child,
    first: String,
}

impl Container {
    fn new() -> Self {
        let mut unshare = Command::new("unshare");
        unshare.args(PIDS).args(["sleep", "600"]).stdout(Stdio::null());
        let unshare = unshare.spawn().unwrap();
        let children = format!("/proc/{0}/task/{0}/children", unshare.id());
        let mut first = String::new();
        until("the container does not start", || {
            let read = std::fs::read_to_string(&children).unwrap_or_default();
            read.trim().clone_into(&mut first);
            let comm = std::fs::read_to_string(format!("/proc/{first}/comm"));
            !first.is_empty() && comm.is_ok_and(|comm| comm == "sleep\n")
        });
        Self { unshare, first }
    }

    /// Runs a shell line in it; nothing above that is in sight.
    fn exec(&self, scene: &Scene, line: &str, vars: &[(&str, &str)]) -> (Value, String) {
        let mut command = scene.sandbox.command("repo", "nsenter");
        command.args(["--preserve-credentials", "--target", &self.first]);
        command.args(["--user", "--mount", "--pid", "setsid", "--wait", "sh", "-c"]);
        let repo = scene.sandbox.join("repo");
        command.arg(format!("cd '{}'\n{line}\ntrue", repo.display()));
        let output = command.envs(vars.iter().copied()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (answers(&output.stdout).pop().unwrap_or_default(), said)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.unshare.kill().ok();
        self.unshare.wait().ok();
    }
}

#[test]
fn calls_from_outside_of_a_container() {
    if !allowed(PIDS) {
        return;
    }
    let scene = Scene::with_phases(8);
    let container = Container::new();
    let exec = |line: &str, vars: &[(&str, &str)]| container.exec(&scene, line, vars);
    let (claimed, said) = exec("git conductor claim p000; git conductor claim p001 --json", &[]);
    assert_eq!((&claimed["ok"], &claimed["nameless"]), (&json!(true), &json!(true)), "{said}");
    assert!(said.contains("each call") && said.contains("--agent"), "{said}");
    assert_eq!(scene.claim("p001")["pid"], 0);
    assert_eq!(scene.claim("p001")["process"], Value::Null);
    for phase in ["p000", "p001"] {
        let (refused, _) = exec(&format!("git conductor complete {phase} --json"), &[]);
        assert_eq!(refused["code"], "not_owner", "{refused}");
    }
    // A name makes the calls one agent.
    let me = [("GIT_CONDUCTOR_AGENT", "me")];
    let (claimed, said) = exec("git conductor claim p002 --json", &me);
    assert_eq!((&claimed["ok"], &claimed["nameless"]), (&json!(true), &json!(false)));
    assert!(!said.contains("--agent"), "{said}");
    let (other, _) =
        exec("git conductor complete p002 --json", &[("GIT_CONDUCTOR_AGENT", "other")]);
    assert_eq!(other["code"], "not_owner");
    assert_eq!(exec("git conductor claim p002 --json", &me).0["renewed"], true);
    assert_eq!(exec("git conductor complete p002 --json", &me).0["ok"], true);
    // What is left in the background becomes the first process's child, as everybody's does.
    let line = |args: &str, to: &str| {
        let to = scene.sandbox.join(to);
        format!(
            "( until [ -e '{0}.go' ]; do sleep 0.01; done; git conductor {args} --json \
             >'{0}.part'; mv '{0}.part' '{0}' ) >/dev/null 2>&1 &",
            to.display()
        )
    };
    let background = |args: &str, to: &str| -> Value {
        exec(&line(args, to), &[]);
        scene.sandbox.write(format!("{to}.go"), "");
        let to = scene.sandbox.join(to);
        until("the command in the background does not end", || to.exists());
        answers(&std::fs::read(to).unwrap()).pop().unwrap()
    };
    let claimed = background("claim p003", "one");
    assert_eq!((&claimed["ok"], &claimed["nameless"]), (&json!(true), &json!(true)), "{claimed}");
    assert_eq!(background("complete p003", "two")["code"], "not_owner");
}

/// The namespaces of calls that have ended: as long as they are held here, no later one gets their
/// numbers, by which what was recorded there would be known to be gone.
#[derive(Default)]
struct Former(Vec<std::fs::File>);

impl Former {
    /// One call of an agent, in a namespace that it has for itself.
    fn call(
        &mut self,
        scene: &Scene,
        script: bool,
        line: &str,
        vars: &[(&str, &str)],
    ) -> (Value, String) {
        let mut command = if script {
            shell(scene, &format!("read _\n{line}\n"))
        } else {
            let mut command = scene.sandbox.command("repo", "sh");
            command.args(["-c", &format!("read _; {line}; true")]);
            command
        };
        command.envs(vars.iter().copied());
        let mut command = unshared(&command, PIDS);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let ours = std::fs::read_link("/proc/self/ns/pid").unwrap();
        let theirs = format!("/proc/{}/ns/pid_for_children", child.id());
        until("there is no namespace", || {
            std::fs::read_link(&theirs).is_ok_and(|theirs| theirs != ours)
        });
        self.0.push(std::fs::File::open(&theirs).unwrap());
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (answers(&output.stdout).pop().unwrap_or_default(), said)
    }
}

#[test]
fn a_namespace_of_its_own_for_each_call() {
    if !allowed(PIDS) {
        return;
    }
    let scene = Scene::with_phases(8);
    let mut former = Former::default();
    for (n, script) in [false, true].into_iter().enumerate() {
        let phase = |m: usize| format!("p{:03}", 3 * n + m);
        let git = |args: &str, phase: &str| format!("git conductor {args} {phase} --json");
        // The session id is the agent's, and its former process is out of sight.
        let session = [("CLAUDE_CODE_SESSION_ID", "a-12345678"), ("CLAUDECODE", "1")];
        let another = [("CLAUDE_CODE_SESSION_ID", "b-12345678"), ("CLAUDECODE", "1")];
        let (claimed, said) = former.call(&scene, script, &git("claim", &phase(0)), &session);
        assert_eq!(claimed["nameless"], false, "{said}");
        let (refused, _) = former.call(&scene, script, &git("complete", &phase(0)), &another);
        assert_eq!(refused["code"], "not_owner");
        let (done, said) = former.call(&scene, script, &git("complete", &phase(0)), &session);
        assert_eq!(done["ok"], true, "{done} {said}");
        // Whoever has the token is the owner.
        let named = [("GIT_CONDUCTOR_AGENT", "me")];
        let (claimed, _) = former.call(&scene, script, &git("claim", &phase(1)), &named);
        let token = claimed["token"].as_str().unwrap().to_owned();
        let with_token = [("GIT_CONDUCTOR_AGENT", "me"), ("GIT_CONDUCTOR_TOKEN", &token)];
        let (done, said) = former.call(&scene, script, &git("complete", &phase(1)), &with_token);
        assert_eq!(done["ok"], true, "{done} {said}");
        // A name alone is enough as long as no process is recorded; one that is recorded and
        // cannot be seen may be another agent of that name. It says how to go on.
        former.call(&scene, script, &git("claim", &phase(2)), &named);
        let (done, _) = former.call(&scene, script, &git("complete", &phase(2)), &named);
        if script {
            assert_eq!(done["code"], "not_owner", "{done}");
            assert_eq!(done["same_name"], true, "{done}");
            assert!(done.to_string().contains("GIT_CONDUCTOR_TOKEN"), "{done}");
            let (claim, said) =
                former.call(&scene, script, &format!("git conductor claim {}", phase(2)), &named);
            assert_eq!(claim, Value::Null);
            assert!(said.contains("GIT_CONDUCTOR_TOKEN"), "{said}");
            let other = [("GIT_CONDUCTOR_AGENT", "other")];
            let (refused, _) = former.call(&scene, script, &git("complete", &phase(2)), &other);
            assert_eq!(refused["same_name"], Value::Null, "{refused}");
            assert!(!refused.to_string().contains("TOKEN"), "{refused}");
        } else {
            assert_eq!(done["ok"], true, "{done}");
        }
    }
}

/// Puts an empty directory over `/proc`, and goes on as the command that follows.
const NO_PROC: &str = "mount -t tmpfs none /proc && exec \"$@\"";

#[test]
fn without_proc() {
    let flags = [ROOT, &["--mount", "sh", "-c", NO_PROC, "sh"]].concat();
    if !allowed(&[ROOT, &["--mount"]].concat()) {
        return;
    }
    let mut scene = Scene::with_phases(8);
    scene.does("one", &["claim", "p000"]);
    let wrap = |command: Command| unshared(&command, &flags);
    nobody_takes(&mut scene, "p000", &wrap);
    scene.dies("one");
    nobody_takes(&mut scene, "p000", &wrap);
    // Nothing is known of the caller: it has to say who it is, and then is the same each time.
    let call = |args: &[&str], vars: &[(&str, &str)]| {
        let mut command = scene.sandbox.command("repo", "git");
        command.arg("conductor").args(args).arg("--json").envs(vars.iter().copied());
        answer(&mut wrap(command))
    };
    assert_eq!(call(&["claim", "p001"], &[])["nameless"], true);
    assert_eq!(call(&["complete", "p001"], &[])["code"], "not_owner");
    let me = [("GIT_CONDUCTOR_AGENT", "me")];
    assert_eq!(call(&["claim", "p002"], &me)["ok"], true);
    assert_eq!(call(&["complete", "p002"], &me)["ok"], true);
    let session = [("CODEX_THREAD_ID", "c-12341234")];
    assert_eq!(call(&["claim", "p003"], &session)["agent"], "codex-12341234");
    assert_eq!(call(&["complete", "p003"], &session)["ok"], true);
}

/// An owner in a sandbox that has neither our process numbers nor a `/proc`.
#[test]
fn an_owner_without_proc() {
    let flags = [PIDS, &["sh", "-c", NO_PROC, "sh"]].concat();
    if !allowed(PIDS) {
        return;
    }
    let mut scene = Scene::with_phases(8);
    // A number that nothing has out here; the one before it goes to `mount`.
    let free = (2..32_000).rev().find(|pid| !Path::new(&format!("/proc/{pid}")).exists()).unwrap();
    let script = "sleep 600 &\ngit conductor claim p000 --json --agent one --pid $!\nread -r _\n\
                  git conductor complete p000 --json --agent one --pid $!\n";
    let command = shell(&scene, script);
    let mut flags: Vec<String> = flags.into_iter().map(str::to_owned).collect();
    let at = flags.len() - 2;
    flags[at] = format!("echo {} >/proc/sys/kernel/ns_last_pid && {NO_PROC}", free - 2);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut owner = unshared(&command, &flags);
    owner.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut owner = owner.spawn().unwrap();
    let claimed = scene.sprint_dir().join("p000/lock/meta.json");
    until("it does not claim", || claimed.exists());
    let pid = scene.claim("p000")["pid"].as_i64().unwrap();
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid} is in use out here");
    nobody_takes(&mut scene, "p000", &|command| command);
    drop(owner.stdin.take());
    let output = owner.wait_with_output().unwrap();
    let said = answers(&output.stdout);
    assert!(said.len() == 2 && said.iter().all(|said| said["ok"] == true), "{output:?}");
}

/// Processes of other users are hidden: they can be asked for by number and not be looked at.
#[test]
fn hidden_processes() {
    const HIDE: &str = "mount -t proc -o hidepid=2 proc /proc && exec \
        setpriv --reuid 61234 --regid 61234 --clear-groups \"$@\"";
    if Machine::read().user != 0 {
        skipped("only root can be another user for a while, so hidden processes were not tried");
        return;
    }
    let flags = ["--mount", "sh", "-c", HIDE, "sh"];
    let scene = Scene::with_phases(8);
    let root = scene.sandbox.path().to_owned();
    let changed = Command::new("chown").args(["-R", "61234:61234"]).arg(&root).status();
    assert!(changed.unwrap().success());
    let owner = Command::new("sleep").arg("600").spawn().unwrap();
    let pid = owner.id().to_string();
    let call = |scene: &Scene, args: &[&str]| {
        let mut command = scene.sandbox.command("repo", "git");
        command.arg("conductor").args(args).arg("--json");
        answer(&mut unshared(&command, &flags))
    };
    // Its process is given by number, and cannot be looked at even by the owner.
    assert_eq!(call(&scene, &["claim", "p000", "--agent", "one", "--pid", &pid])["ok"], true);
    let renewed = call(&scene, &["claim", "p000", "--agent", "one", "--pid", &pid]);
    if scene.claim("p000")["process"]["pidfd"].is_null() {
        skipped("this kernel has no inodes of pidfds: the owner cannot be known again");
    } else {
        assert_eq!(renewed["renewed"], true, "{renewed}");
    }
    for args in [&["claim", "p000", "--takeover"] as &[&str], &["unstuck", "p000"]] {
        let refused = call(&scene, &[args, &["--agent", "two"]].concat());
        assert_eq!(refused["ok"], false, "{args:?}: {refused}");
        assert_ne!(refused["alive"], "no", "{args:?}: {refused}");
    }
    // A chain that breaks off at another user's process is no reason to fail.
    assert_eq!(call(&scene, &["claim", "p001"])["ok"], true);
    ended(owner);
    let taken = call(&scene, &["claim", "p000", "--takeover", "--agent", "two"]);
    assert_eq!(taken["ok"], true, "{taken}");
}
