//! Every way in which a command can end, as a table: what happened before, who asks what. The
//! snapshots show what is printed, and another test runs every command that is printed.

mod answers;

use serde_json::json;

use crate::fixture::{Scene, ago};
pub(crate) use answers::{ANSWERS, RUNS};

/// Something that happened, and what an agent then asks.
pub(crate) struct Situation {
    /// The snapshot's name.
    pub(crate) name: &'static str,
    /// What happened before.
    pub(crate) before: fn(&mut Scene),
    /// Who asks; `claude-1` is the other one.
    pub(crate) agent: &'static str,
    /// Where.
    pub(crate) dir: &'static str,
    /// What.
    pub(crate) args: &'static [&'static str],
}

const fn case(
    name: &'static str,
    args: &'static [&'static str],
    before: fn(&mut Scene),
) -> Situation {
    Situation { name, before, agent: "codex-2", dir: "repo", args }
}

const fn within(dir: &'static str, mut situation: Situation) -> Situation {
    situation.dir = dir;
    situation
}

fn nothing(_: &mut Scene) {}

fn fresh(scene: &mut Scene) {
    scene.sprint("think,build,review,qa");
}

/// `build` can be claimed.
fn buildable(scene: &mut Scene) {
    scene.sprint("build,review,qa");
}

fn held_by_other(scene: &mut Scene) {
    buildable(scene);
    scene.does("claude-1", &["claim", "build"]);
    scene.claimed_ago("build", 12 * 60);
}

/// Its owner is one of several agents below its process.
fn shared(scene: &mut Scene) {
    held_by_other(scene);
    scene.edit_claim("build", |claim| claim["shared"] = claim["process"].take());
}

fn silent(scene: &mut Scene) {
    shared(scene);
    scene.claimed_ago("build", 125 * 60);
}

fn held_by_dead(scene: &mut Scene) {
    held_by_other(scene);
    scene.dies("claude-1");
}

/// The one who is gone left a file that was not committed, and it was saved.
fn left_behind(scene: &mut Scene) {
    held_by_dead(scene);
    scene.sandbox.write("repo/half.rs", "fn half() {}\n");
    scene.does("lead", &["unstuck", "build"]);
}

/// Two owners are gone, one is at work, and one phase is open.
fn left_behind_by_two(scene: &mut Scene) {
    scene.sprint("build:,docs:,qa:,ship:");
    scene.does("claude-1", &["claim", "build"]);
    scene.does("claude-1", &["claim", "docs"]);
    scene.does("codex-1", &["claim", "qa"]);
    scene.sandbox.write("repo/half.rs", "fn half() {}\n");
    scene.dies("claude-1");
}

/// It may be the asker, in a sandbox that cannot be looked into.
fn held_by_a_namesake(scene: &mut Scene) {
    held_by_me(scene);
    scene.out_of_sight("build");
}

fn held_by_unknown(scene: &mut Scene) {
    held_by_other(scene);
    scene.out_of_sight("build");
}

fn held_by_me(scene: &mut Scene) {
    buildable(scene);
    scene.does("codex-2", &["claim", "build"]);
}

fn built(scene: &mut Scene) {
    buildable(scene);
    scene.works("claude-1", "build");
}

fn built_badly(scene: &mut Scene) {
    buildable(scene);
    scene.does("claude-1", &["claim", "build"]);
    scene.does("claude-1", &["complete", "build", "--verdict", "fail"]);
}

fn two_pairs_of_eyes(scene: &mut Scene) {
    let graph = r#"[{"name":"build"},{"name":"review","depends_on":["build"],"not_by":["build"]}]"#;
    scene.sprint(graph);
    scene.works("codex-2", "build");
}

/// `build` has been given up as often as it may be.
fn exhausted(scene: &mut Scene) {
    scene.sprint(r#"[{"name":"build","max_attempts":2},{"name":"ship","depends_on":["build"]}]"#);
    scene.does("claude-1", &["claim", "build"]);
    scene.does("claude-1", &["abort", "build"]);
    scene.does("codex-1", &["claim", "build"]);
    scene.does("codex-1", &["abort", "build", "--reason", "needs a decision"]);
}

/// As [`exhausted`], but for its last owner, who is gone.
fn spent(scene: &mut Scene) {
    scene.sprint(r#"[{"name":"build","max_attempts":1},{"name":"qa"}]"#);
    scene.does("claude-1", &["claim", "build"]);
    scene.claimed_ago("build", 12 * 60);
    scene.dies("claude-1");
}

/// Phases in every state, and one that waits for several.
fn in_layers(scene: &mut Scene) {
    let phases = "plan:,build:plan,docs:plan,qa:build,review:build+docs,ship:qa+review";
    scene.does("lead", &["start", "--goal", "add OAuth login", "--phases", phases]);
    scene.works("claude-1", "plan");
    scene.works("claude-1", "build");
    scene.does("codex-1", &["claim", "docs"]);
    scene.does("codex-1", &["abort", "docs", "--reason", "needs a decision"]);
    scene.does("claude-1", &["claim", "docs"]);
    scene.claimed_ago("docs", 13 * 60);
    scene.edit_sprint(|sprint| sprint["started_at"] = json!(ago(100 * 60)));
    scene.worked("plan", [97, 81]);
    scene.worked("build", [77, 51]);
    scene.tried("docs", [65, 59]);
}

fn all_done(scene: &mut Scene) {
    scene.sprint("build");
    scene.works("codex-2", "build");
}

/// `build` is done, and `ship` can be claimed.
fn shippable(scene: &mut Scene) {
    scene.sprint("build,ship,announce:ship");
    scene.works("claude-1", "build");
}

fn shipping(scene: &mut Scene) {
    shippable(scene);
    scene.does("codex-2", &["claim", "ship"]);
}

fn shipped_by_other(scene: &mut Scene) {
    shippable(scene);
    scene.does("claude-1", &["claim", "ship"]);
    scene.claimed_ago("ship", 12 * 60);
}

/// Another commit than the one that `build` was done at.
fn later_commit(scene: &Scene) {
    scene.sandbox.write("repo/file", "more\n");
    scene.sandbox.git("repo", ["commit", "-q", "-a", "-m", "more"]);
}

/// `build` is done in the worktree `wt`, one commit ahead of the repository's own.
fn reviewed_ahead(scene: &mut Scene) {
    scene.worktree("wt");
    scene.sprint("build,ship,announce:ship");
    scene.does_in("wt", "claude-1", &["claim", "build"]);
    scene.sandbox.write("wt/file", "more\n");
    scene.sandbox.git("wt", ["commit", "-q", "-a", "-m", "more"]);
    scene.does_in("wt", "claude-1", &["complete", "build"]);
}

/// A push of what is checked out to `reference`, as pre-commit tells of it.
fn pushing_to(scene: &mut Scene, reference: &str) {
    let head = scene.sandbox.git_says("repo", ["rev-parse", "HEAD"]);
    scene.sandbox.set("PRE_COMMIT_REMOTE_BRANCH", reference);
    scene.sandbox.set("PRE_COMMIT_TO_REF", head);
}

/// A hook file with this text.
fn hook(scene: &Scene, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = scene.sandbox.write("repo/.git/hooks/pre-push", text);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Pages and completions are below `there`.
fn installed(scene: &mut Scene) {
    scene.does("lead", &["install", "--prefix", "there"]);
}

/// `build` and `ship` are done and recorded, by claude-1.
fn recorded(scene: &mut Scene) {
    scene.sandbox.git("repo", ["config", "conductor.notes", "true"]);
    scene.sprint("build,ship");
    scene.does("claude-1", &["claim", "build"]);
    scene.does("claude-1", &["complete", "build", "--artifact", "file"]);
    scene.works("claude-1", "ship");
}

/// `build` is done by claude-1, with an artifact.
fn handed_over(scene: &mut Scene) {
    buildable(scene);
    scene.does("claude-1", &["claim", "build"]);
    scene.does("claude-1", &["complete", "build", "--artifact", "file"]);
}

/// The copy of what was handed over with `build`.
fn pin(scene: &Scene) -> std::path::PathBuf {
    let entries = std::fs::read_dir(scene.sprint_dir().join("build")).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    paths.find(|path| path.to_str().unwrap().contains("/pin.")).unwrap()
}

fn with_remote(scene: &mut Scene) {
    scene.sandbox.git(".", ["clone", "-q", "--bare", "repo", "remote.git"]);
    scene.sandbox.git("repo", ["remote", "add", "origin", "../remote.git"]);
}

fn old_layout(scene: &mut Scene) {
    buildable(scene);
    let phase = scene.sprint_dir().join("build");
    std::fs::create_dir_all(&phase).unwrap();
    let claim = json!({"agent": "claude-1", "claimed_at": ago(12 * 60), "pid": 0});
    std::fs::write(phase.join("lock"), claim.to_string()).unwrap();
}

/// Refusals: the rules say no.
pub(crate) const REFUSALS: &[Situation] = &[
    case("foreign_files-skill", &["skill", "install", "--project", "--for", "codex"], |scene| {
        scene.sandbox.write("repo/.agents/skills/git-conductor/SKILL.md", "mine\n");
    }),
    case(
        "foreign_settings",
        &["skill", "install", "--hooks", "--project", "--for", "claude"],
        |scene| {
            scene.sandbox.write("repo/.claude/settings.json", "// mine\n{}\n");
        },
    ),
    case("no_sprint", &["claim", "build"], nothing),
    case("no_sprint-next", &["next", "--claim"], nothing),
    case("no_sprint-batch", &["batch"], nothing),
    case("unknown_sprint-graph", &["graph", "--sprint", "20200101-000000"], fresh),
    case("no_sprint-report", &["report"], nothing),
    case("unknown_phase", &["claim", "biuld"], fresh),
    case("unknown_phase-path", &["abort", "../../build"], fresh),
    case("claimed", &["claim", "build"], held_by_other),
    case("claimed-shared", &["claim", "build"], shared),
    case("claimed-silent", &["claim", "build"], silent),
    case("not_owner-silent", &["complete", "build"], silent),
    case("claimed-dead", &["claim", "build"], held_by_dead),
    case("claimed-unknown", &["claim", "build"], held_by_unknown),
    case("claimed-old_layout", &["claim", "build"], old_layout),
    within(
        "wt",
        case("claimed-same_agent", &["claim", "build"], |scene| {
            held_by_me(scene);
            scene.worktree("wt");
        }),
    ),
    case("blocked", &["claim", "review"], |scene| scene.sprint("build,qa,review:build+qa")),
    case("blocked-claimed", &["claim", "review"], held_by_other),
    case("blocked-failed", &["claim", "review"], built_badly),
    case("four_eyes", &["claim", "review"], two_pairs_of_eyes),
    case("four_eyes-unknown", &["claim", "review"], |scene| {
        two_pairs_of_eyes(scene);
        std::fs::write(scene.sprint_dir().join("build/done"), "").unwrap();
    }),
    case("exhausted", &["claim", "build"], exhausted),
    case("exhausted-gone", &["claim", "build", "--takeover"], spent),
    case("done", &["claim", "build"], built),
    case("done-failed", &["claim", "build"], built_badly),
    case("done-complete", &["complete", "build", "--verdict", "fail"], built),
    case("not_claimed", &["complete", "build"], buildable),
    case("not_owner", &["complete", "build"], held_by_other),
    case("not_owner-dead", &["complete", "build"], held_by_dead),
    case("not_owner-abort", &["abort", "build"], held_by_unknown),
    case("lost", &["complete", "build"], |scene| {
        held_by_me(scene);
        scene.dies("codex-2");
        scene.does("claude-1", &["claim", "build", "--takeover"]);
    }),
    case("lost-freed", &["abort", "build"], |scene| {
        held_by_me(scene);
        scene.does("claude-1", &["unstuck", "build", "--force"]);
    }),
    case("lost-ended", &["complete", "build"], |scene| {
        held_by_me(scene);
        scene.does("lead", &["start", "--phases", "think,build", "--force"]);
    }),
    case("alive", &["unstuck", "build"], held_by_other),
    case("alive-unknown", &["unstuck", "build"], held_by_unknown),
    case("alive-same_agent", &["unstuck", "build"], held_by_me),
    case("claimed-same_name", &["claim", "build"], held_by_a_namesake),
    case("not_owner-same_name", &["complete", "build"], held_by_a_namesake),
    case("claimed-archive", &["archive"], held_by_other),
    case("claimed-start", &["start"], held_by_other),
    case("nothing_ready", &["next"], held_by_other),
    case("nothing_ready-mine", &["next"], held_by_me),
    case("timed_out-claim", &["claim", "build", "--wait", "--timeout", "0s"], held_by_other),
    case("timed_out-next", &["next", "--claim", "--wait", "--timeout", "0s"], held_by_other),
    case("blocked-wait", &["wait", "review"], built_badly),
    case("timed_out-wait", &["wait", "review", "--timeout", "0s"], held_by_other),
    case("nothing_ready-claim", &["next", "--claim"], held_by_dead),
    case("nothing_ready-failed", &["next"], built_badly),
    case("nothing_ready-exhausted", &["next", "--claim"], exhausted),
    case("nothing_ready-spent", &["next"], |scene| {
        spent(scene);
        scene.does("claude-3", &["claim", "qa"]);
    }),
    case("finished", &["next", "--claim"], all_done),
    case("not_for_you", &["next", "--claim"], two_pairs_of_eyes),
    case("holding", &["next", "--claim"], held_by_me),
    case("bad_artifact", &["complete", "build", "--artifact", "none.md"], held_by_me),
    case("bad_artifact-link", &["complete", "build", "--artifact", "link"], |scene| {
        held_by_me(scene);
        std::os::unix::fs::symlink("file", scene.sandbox.join("repo/link")).unwrap();
    }),
    case("bad_artifact-directory", &["complete", "build", "--artifact", "."], held_by_me),
    case("bad_artifact-git", &["complete", "build", "--artifact", ".git/HEAD"], held_by_me),
    case(
        "bad_artifact-outside",
        &["complete", "build", "--artifact", "../home/.gitconfig"],
        held_by_me,
    ),
    case("bad_artifact-json", &["complete", "build", "--artifact", "bad.json"], |scene| {
        held_by_me(scene);
        scene.sandbox.write("repo/bad.json", "{");
    }),
    case("bad_artifact-large", &["complete", "build", "--artifact", "file"], |scene| {
        held_by_me(scene);
        scene.sandbox.git("repo", ["config", "conductor.maxArtifact", "4"]);
    }),
    case("dirty", &["complete", "build"], |scene| {
        held_by_me(scene);
        scene.sandbox.git("repo", ["config", "conductor.requireClean", "true"]);
        for name in ["a", "b", "c", "d", "e"] {
            scene.sandbox.write(format!("repo/{name}"), "new\n");
        }
    }),
    case("no_sprint-guard", &["guard"], |scene| {
        scene.sandbox.git("repo", ["config", "conductor.requireSprint", "true"]);
    }),
    case("unknown_phase-guard", &["guard"], fresh),
    case("not_claimed-guard", &["guard"], shippable),
    case("not_claimed-guard-waits", &["guard"], |scene| scene.sprint("build,review,qa,ship")),
    case("not_claimed-guard-failed", &["guard"], |scene| {
        scene.sprint("build,ship");
        scene.does("claude-1", &["claim", "build"]);
        scene.does("claude-1", &["complete", "build", "--verdict", "fail"]);
    }),
    case("claimed-guard", &["guard"], shipped_by_other),
    case("claimed-guard-dead", &["guard"], |scene| {
        shipped_by_other(scene);
        scene.dies("claude-1");
    }),
    case("claimed-guard-same_name", &["guard"], |scene| {
        shipping(scene);
        scene.out_of_sight("ship");
    }),
    case("lost-guard", &["guard"], |scene| {
        shipping(scene);
        scene.dies("codex-2");
        scene.does("claude-1", &["claim", "ship", "--takeover"]);
    }),
    case("failed-guard", &["guard"], |scene| {
        shipping(scene);
        scene.does("codex-2", &["complete", "ship", "--verdict", "fail"]);
    }),
    case("failed-guard-archived", &["guard"], |scene| {
        scene.sprint("plan,build:plan,ship:build");
        scene.does("claude-1", &["claim", "plan"]);
        scene.does("claude-1", &["complete", "plan", "--verdict", "fail"]);
        scene.does("lead", &["archive"]);
    }),
    case("not_claimed-guard-failed_before", &["guard"], |scene| {
        scene.sprint("plan,build:plan,ship:build");
        scene.does("claude-1", &["claim", "plan"]);
        scene.does("claude-1", &["complete", "plan", "--verdict", "fail"]);
    }),
    case("other_commit-guard", &["guard"], |scene| {
        shippable(scene);
        scene.works("codex-2", "ship");
        later_commit(scene);
    }),
    case("no_evidence-guard", &["guard"], |scene| {
        shipping(scene);
        later_commit(scene);
        scene.sandbox.git("repo", ["config", "conductor.evidence", "require"]);
    }),
    case("no_evidence-behind", &["guard"], |scene| {
        scene.sandbox.git("repo", ["config", "conductor.evidence", "require"]);
        reviewed_ahead(scene);
        scene.does("codex-2", &["claim", "ship"]);
    }),
    case("other_commit-behind", &["guard"], |scene| {
        reviewed_ahead(scene);
        scene.does_in("wt", "codex-2", &["claim", "ship"]);
        scene.does_in("wt", "codex-2", &["complete", "ship"]);
    }),
    case("no_notes", &["guard", "--notes"], nothing),
    case("no_record", &["guard", "--notes", "review"], recorded),
    case("no_record-elsewhere", &["guard", "--notes"], |scene| {
        recorded(scene);
        later_commit(scene);
    }),
    case("failed-notes", &["guard", "--notes", "build"], |scene| {
        built_badly(scene);
        scene.does("lead", &["notes", "sync"]);
    }),
    case("no_evidence-notes", &["guard", "--notes"], |scene| {
        scene.sandbox.git("repo", ["config", "conductor.evidence", "require"]);
        scene.sprint("build,ship");
        scene.works("claude-1", "build");
        scene.does("claude-1", &["claim", "ship"]);
        scene.does("claude-1", &["complete", "ship", "--note"]);
    }),
    case("claimed-push", &["guard", "--pre-push"], |scene| {
        shipped_by_other(scene);
        pushing_to(scene, "refs/heads/main");
    }),
    case("kept", &["guard", "--pre-push"], |scene| {
        pushing_to(scene, "refs/conductor/salvage/build");
    }),
    case("foreign_hooks-worktree", &["hooks", "install"], |scene| {
        scene.sandbox.git("repo", ["config", "core.hooksPath", "tools"]);
    }),
    case("foreign_hooks-husky", &["hooks", "install"], |scene| {
        scene.sandbox.git("repo", ["config", "core.hooksPath", ".husky/_"]);
    }),
    case("foreign_hooks-lefthook", &["hooks", "install"], |scene| {
        hook(scene, "#!/bin/sh\ncall_lefthook run pre-push \"$@\"\n");
    }),
    case("foreign_hooks-pre_commit", &["hooks", "install"], |scene| {
        hook(scene, "#!/bin/sh\n# File generated by pre-commit: hook\n");
    }),
    case("foreign_hooks-no_shell", &["hooks", "install"], |scene| {
        hook(scene, "#!/usr/bin/python3\n");
    }),
    case("foreign_files", &["install", "--prefix", "there"], |scene| {
        scene.sandbox.write("repo/there/share/man/man1/git-conductor.1", "somebody's\n");
    }),
    case("four_eyes-guard", &["guard"], |scene| {
        scene.sprint(
            r#"[{"name":"build"},{"name":"ship","depends_on":["build"],"not_by":["build"]}]"#,
        );
        scene.works("claude-1", "build");
        scene.does("codex-2", &["claim", "ship"]);
        let done = scene.sprint_dir().join("build/done");
        std::fs::remove_file(&done).unwrap();
        std::fs::write(done, json!({"agent": "codex-2"}).to_string()).unwrap();
    }),
    case("cannot_carry", &["start", "--carry", "build,review"], built),
    case("cannot_carry-failed", &["start", "--carry", "build"], built_badly),
    case("cannot_carry-needs", &["start", "--carry", "build"], |scene| {
        scene.sprint("think,build:think");
        scene.works("claude-1", "think");
        scene.works("claude-1", "build");
    }),
    case("cannot_carry-begins", &["start", "--from", "build", "--carry", "build"], built),
    case("cannot_carry-unreadable", &["start", "--carry", "build"], |scene| {
        built(scene);
        std::fs::write(scene.sprint_dir().join("build/done"), "").unwrap();
    }),
    case("unfinished-start", &["start"], |scene| {
        scene.does("lead", &["start", "--phases", "build,review", "--goal", "add OAuth login"]);
        scene.works("claude-1", "build");
    }),
    case("cannot_resume", &["start", "--resume", "20201122-091502"], |scene| {
        // Its id is of the time when it was started, and so is not shown.
        scene.sprint("build");
        scene.works("claude-1", "build");
        scene.does("lead", &["archive"]);
        scene.as_of("20201122-091502");
    }),
    case("cannot_resume-current", &["start", "--resume", "20201122-091502"], |scene| {
        scene.sprint("build");
        scene.does("lead", &["archive"]);
        scene.as_of("20201122-091502");
        scene.revived("20201122-091502");
    }),
    case("unknown_sprint-resume", &["start", "--resume", "20201122-091502"], built),
    case("unknown_sprint", &["verify", "--sprint", "20201122-091502"], built),
    case("unknown_salvage", &["salvage", "show", "review"], left_behind),
    case("unknown_salvage-none", &["salvage", "drop", "build"], built),
    case("no_artifact", &["show", "build", "--artifact"], built),
    case("pin_changed", &["start", "--from", "review"], |scene| {
        handed_over(scene);
        std::fs::rename(scene.sandbox.join("repo/file"), pin(scene)).unwrap();
        std::fs::write(pin(scene), "something else").unwrap();
    }),
    case("pin_gone", &["show", "build", "--artifact"], |scene| {
        handed_over(scene);
        std::fs::remove_file(pin(scene)).unwrap();
    }),
    case("invalid_graph-field", &["start"], |scene| {
        let graph = r#"{"phase_graph":[{"name":"a"},{"name":"b","dependsOn":["a"]}]}"#;
        scene.sandbox.write("repo/.nanostack/config.json", graph);
    }),
    case("invalid_graph", &["start"], |scene| {
        let graph =
            r#"{"phase_graph":[{"name":"a","depends_on":["b"]},{"name":"b","depends_on":["a"]}]}"#;
        scene.sandbox.write("repo/.nanostack/config.json", graph);
    }),
];

/// Failures: the world is broken. `bug` and what only root can make are in the tests that need
/// them.
pub(crate) const FAILURES: &[Situation] = &[
    case("usage", &["claim", "build", "--forec"], nothing),
    case("usage-argument", &["claim"], nothing),
    case("usage-option", &["next", "--clam"], nothing),
    case("usage-command", &["clam"], nothing),
    case("usage-command-near", &["staus"], nothing),
    case("usage-value", &["clean", "--older-than", "soon"], nothing),
    case("usage-phases", &["start", "--phases", "build,docs"], nothing),
    case("usage-install", &["install"], nothing),
    case("usage-field", &["start", "--phases", "./graph.json"], |scene| {
        let graph = "[\n  {\"name\": \"build\"},\n  {\"name\": \"review\", \"dependsOn\": [\"build\"]}\n]\n";
        scene.sandbox.write("repo/graph.json", graph);
    }),
    case("usage-name", &["start", "--phases", "Build API:"], nothing),
    case("usage-cycle", &["start", "--phases", "a:b,b:c,c:a"], nothing),
    case("git-staleAfter", &["claim", "build"], |scene| {
        buildable(scene);
        scene.sandbox.git("repo", ["config", "conductor.staleAfter", "often"]);
    }),
    case("git-maxAttempts", &["next", "--claim"], |scene| {
        buildable(scene);
        scene.sandbox.git("repo", ["config", "conductor.maxAttempts", "0"]);
    }),
    case("git-evidence", &["guard"], |scene| {
        scene.sandbox.git("repo", ["config", "conductor.evidence", "often"]);
    }),
    case("usage-commit", &["complete", "build", "--commit", "nowhere"], held_by_me),
    within("home", case("not_a_repository", &["status"], nothing)),
    within("home", case("not_a_repository-notes", &["notes"], nothing)),
    case("usage-notes", &["notes", "show", "nowhere"], nothing),
    case("usage-notes-remote", &["notes", "sync", "--remote", "nobody"], nothing),
    case("usage-guard-commit", &["guard", "--commit", "nowhere"], nothing),
    case("git-notesRef", &["notes"], |scene| {
        scene.sandbox.git("repo", ["config", "conductor.notesRef", "refs/heads/main"]);
    }),
    case("store_gone", &["status"], |scene| {
        buildable(scene);
        std::fs::rename(scene.store(), scene.sandbox.join("moved")).unwrap();
    }),
    case("store_gone-guard", &["guard"], |scene| {
        buildable(scene);
        std::fs::rename(scene.store(), scene.sandbox.join("moved")).unwrap();
    }),
    case("store_gone-push", &["guard", "--pre-push"], |scene| {
        buildable(scene);
        pushing_to(scene, "refs/heads/main");
        std::fs::rename(scene.store(), scene.sandbox.join("moved")).unwrap();
    }),
    case("tracked_store-hooks", &["hooks", "install"], |scene| {
        scene.sandbox.write("repo/.nanostack/notes", "");
        scene.sandbox.git("repo", ["add", "-f", ".nanostack/notes"]);
    }),
    case("tracked_store", &["start"], |scene| {
        scene.sandbox.write("repo/.nanostack/notes", "");
        scene.sandbox.git("repo", ["add", "-f", ".nanostack/notes"]);
    }),
    case("read_only", &["start", "--store", "/sys/kernel/conductor"], nothing),
    case("unreadable", &["status"], |scene| {
        buildable(scene);
        std::fs::write(scene.sprint_dir().join("sprint.json"), "{").unwrap();
    }),
    case("unreadable-guard", &["guard"], |scene| {
        buildable(scene);
        std::fs::write(scene.sprint_dir().join("sprint.json"), "{").unwrap();
    }),
    case("git-guard", &["guard"], |scene| {
        scene.sandbox.git("repo", ["config", "conductor.requireSprint", "often"]);
    }),
    case("tampered", &["claim", "build"], |scene| {
        buildable(scene);
        let phase = scene.sprint_dir().join("build");
        std::fs::remove_dir_all(&phase).ok();
        std::os::unix::fs::symlink("/etc", phase).unwrap();
    }),
    case("busy", &["claim", "build"], |scene| {
        scene.sprint("think,build:");
        scene.does("claude-1", &["claim", "think"]);
        let maker = json!({ "process": scene.claim("think")["process"] });
        let latch = scene.sprint_dir().join("build/lock.d");
        std::fs::create_dir_all(&latch).unwrap();
        let name = format!("latch.{}", "0".repeat(32));
        std::fs::write(latch.join(name), maker.to_string()).unwrap();
    }),
    case("io", &["start", "--phases", "./missing.json"], nothing),
    case("io-install", &["install", "--prefix", "/sys/kernel/conductor"], nothing),
    case("git", &["complete", "build"], |scene| {
        held_by_me(scene);
        scene.sandbox.write("repo/.git/index", "this is no index of git");
    }),
];
