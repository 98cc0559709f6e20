//! The ways in which a command ends well, or with an answer.

use super::{
    Situation, all_done, buildable, built, built_badly, case, exhausted, fresh, handed_over,
    held_by_dead, held_by_me, held_by_other, held_by_unknown, in_layers, installed, later_commit,
    left_behind, left_behind_by_two, nothing, pushing_to, recorded, shippable, shipping, spent,
    with_remote, within,
};

/// What goes well.
pub(crate) const ANSWERS: &[Situation] = &[
    case("ok-none", &[], nothing),
    case("ok-start", &["start", "--goal", "add OAuth login"], nothing),
    case("ok-start-again", &["start", "--if-none"], built),
    case("ok-start-next", &["start"], |scene| {
        built(scene);
        scene.works("codex-2", "review");
    }),
    case("ok-start-from", &["start", "--from", "review"], handed_over),
    case("ok-start-from-nothing", &["start", "--from", "build"], buildable),
    case("ok-show", &["show", "build"], handed_over),
    case("ok-show-claimed", &["show", "build"], held_by_dead),
    case("ok-show-artifact", &["show", "build", "--artifact"], handed_over),
    case("ok-verify", &["verify"], handed_over),
    case("ok-verify-all", &["verify", "--all"], |scene| {
        handed_over(scene);
        scene.does("lead", &["start", "--from", "review"]);
    }),
    case("ok-claim", &["claim", "build"], buildable),
    case("ok-claim-again", &["claim", "build"], |scene| {
        held_by_me(scene);
        scene.claimed_ago("build", 12 * 60);
    }),
    case("ok-claim-takeover", &["claim", "build", "--takeover"], held_by_dead),
    case("ok-claim-stale", &["claim", "build"], |scene| {
        held_by_dead(scene);
        scene.claimed_ago("build", 62 * 60);
    }),
    case("ok-claim-attempts", &["claim", "build"], |scene| {
        exhausted(scene);
        scene.does("lead", &["unstuck", "build", "--force"]);
        scene.does("claude-1", &["claim", "build"]);
        scene.does("lead", &["unstuck", "build", "--force"]);
    }),
    case("ok-claim-restarted", &["claim", "build"], |scene| {
        held_by_me(scene);
        scene.dies("codex-2");
    }),
    case("ok-claim-inputs", &["claim", "review"], |scene| {
        buildable(scene);
        scene.does("claude-1", &["claim", "build"]);
        scene.does("claude-1", &["complete", "build", "--artifact", "file"]);
    }),
    case("ok-complete", &["complete", "build", "--artifact", "file"], held_by_me),
    case("ok-complete-again", &["complete", "build"], |scene| {
        held_by_me(scene);
        scene.does("codex-2", &["complete", "build"]);
    }),
    case("ok-complete-fail", &["complete", "build", "--verdict", "fail"], held_by_me),
    case("ok-complete-last", &["complete", "build"], |scene| {
        scene.sprint("build");
        scene.does("codex-2", &["claim", "build"]);
    }),
    case("ok-run", &["run", "build", "--artifact", "file", "--", "echo", "built"], buildable),
    case(
        "ok-run-itself",
        &["run", "build", "--", "sh", "-c", "git conductor complete build --verdict fail"],
        buildable,
    ),
    case("ok-abort", &["abort", "build", "--reason", "needs a decision"], held_by_me),
    case("ok-abort-all", &["abort"], held_by_me),
    case("ok-abort-none", &["abort"], buildable),
    case("ok-abort-nobodys", &["abort", "build"], buildable),
    case("ok-log", &["log"], built),
    case("ok-graph", &["graph"], in_layers),
    case("ok-graph-mermaid", &["graph", "--format", "mermaid"], in_layers),
    case("ok-graph-dot", &["graph", "--format", "dot"], in_layers),
    case("ok-graph-none", &["graph"], nothing),
    case("ok-report", &["report"], in_layers),
    case("ok-report-all", &["report", "--all"], |scene| {
        built(scene);
        scene.does("lead", &["start", "--goal", "ship it", "--phases", "ship"]);
        scene.damaged("20200101-000000");
    }),
    case("ok-next", &["next"], built),
    case("ok-next-all", &["next", "--all"], built),
    case("ok-next-claim", &["next", "--claim"], built),
    case("ok-unstuck", &["unstuck", "build"], held_by_dead),
    case("ok-unstuck-saved", &["unstuck", "build"], |scene| {
        held_by_dead(scene);
        scene.sandbox.write("repo/half.rs", "fn half() {}\n");
    }),
    case("ok-claim-saved", &["claim", "build", "--takeover"], |scene| {
        held_by_dead(scene);
        scene.sandbox.write("repo/half.rs", "fn half() {}\n");
    }),
    case("ok-claim-saved-before", &["claim", "build"], left_behind),
    case("ok-salvage", &["salvage"], left_behind),
    case("ok-salvage-none", &["salvage"], built),
    case("ok-salvage-show", &["salvage", "show", "build"], left_behind),
    case("ok-salvage-drop", &["salvage", "drop", "build/1"], left_behind),
    case("ok-unstuck-exhausted", &["unstuck", "build"], exhausted),
    case("ok-unstuck-spent", &["unstuck", "build"], spent),
    case("ok-unstuck-forgiven", &["unstuck", "build", "--force"], exhausted),
    case("ok-unstuck-nobody", &["unstuck", "build"], buildable),
    case("ok-unstuck-all", &["unstuck", "--all"], left_behind_by_two),
    case("ok-unstuck-all-none", &["unstuck", "--all"], held_by_unknown),
    case("ok-status-open", &["status", "--open"], in_layers),
    case("ok-status-short", &["status", "--short"], in_layers),
    case("ok-status-short-none", &["status", "--short"], nothing),
    case("ok-batch", &["batch"], |scene| scene.does("lead", &["start"])),
    case("ok-schema", &["schema"], nothing),
    case("ok-archive", &["archive"], built),
    case("ok-start-resume", &["start", "--resume", "20201122-091502"], |scene| {
        handed_over(scene);
        scene.does("lead", &["archive"]);
        scene.as_of("20201122-091502");
    }),
    case("ok-clean", &["clean", "--older-than", "0s"], |scene| {
        built(scene);
        scene.does("lead", &["archive"]);
    }),
    case("ok-clean-nothing", &["clean"], built),
    case("ok-guard-none", &["guard"], nothing),
    case("ok-push", &["guard", "--pre-push"], |scene| {
        shipping(scene);
        pushing_to(scene, "refs/heads/main");
    }),
    case("ok-push-warns", &["guard", "--pre-push"], |scene| {
        shipping(scene);
        later_commit(scene);
        pushing_to(scene, "refs/heads/main");
    }),
    case("ok-hooks-none", &["hooks", "status"], nothing),
    case("ok-hooks-install", &["hooks", "install"], nothing),
    case("ok-hooks-status", &["hooks", "status"], |scene| {
        scene.does("lead", &["hooks", "install"]);
    }),
    case("ok-hooks-uninstall", &["hooks", "uninstall"], |scene| {
        scene.does("lead", &["hooks", "install"]);
    }),
    case("ok-doctor", &["doctor"], |scene| {
        shipping(scene);
        scene.does("lead", &["hooks", "install"]);
    }),
    case("ok-doctor-warns", &["doctor"], held_by_dead),
    case("ok-install", &["install", "--prefix", "there"], nothing),
    case("ok-install-dry", &["install", "--prefix", "there", "--dry-run"], nothing),
    case("ok-install-again", &["install", "--prefix", "there"], installed),
    case("ok-install-uninstall", &["install", "--prefix", "there", "--uninstall"], installed),
    case("ok-install-uninstall-left", &["install", "--prefix", "there", "--uninstall"], |scene| {
        scene.sandbox.write("repo/there/share/man/man1/git-conductor.1", "somebody's\n");
    }),
    case("ok-complete-note", &["complete", "build", "--note"], held_by_me),
    within(
        "new",
        case("ok-complete-note-unborn", &["complete", "build", "--note"], |scene| {
            scene.sandbox.git(".", ["init", "-q", "new"]);
            scene.does_in("new", "lead", &["start", "--phases", "build"]);
            scene.does_in("new", "codex-2", &["claim", "build"]);
        }),
    ),
    case("ok-complete-note-locked", &["complete", "build", "--note"], |scene| {
        held_by_me(scene);
        scene.sandbox.write("repo/.git/refs/notes/conductor.lock", "");
    }),
    case("ok-notes", &["notes"], recorded),
    case("ok-notes-none", &["notes"], nothing),
    case("ok-notes-sync", &["notes", "sync"], |scene| {
        scene.sprint("build,ship");
        scene.works("claude-1", "build");
    }),
    case("ok-notes-sync-remote", &["notes", "sync", "--remote", "origin"], |scene| {
        with_remote(scene);
        recorded(scene);
    }),
    case("ok-notes-setup", &["notes", "setup", "--remote", "origin"], |scene| {
        with_remote(scene);
        scene.sandbox.git("repo", ["config", "notes.displayRef", "refs/notes/conductor"]);
        scene.sandbox.git("repo", ["config", "notes.conductor.mergeStrategy", "union"]);
    }),
    case("ok-notes-setup-remove", &["notes", "setup", "--remove"], |scene| {
        scene.does("lead", &["notes", "setup"]);
    }),
    case("ok-guard-notes", &["guard", "--notes"], recorded),
    case("ok-guard-notes-warns", &["guard", "--notes", "--commit", "HEAD"], |scene| {
        scene.sprint("build,ship");
        scene.works("claude-1", "build");
        scene.does("claude-1", &["claim", "ship"]);
        scene.does("claude-1", &["complete", "ship", "--note"]);
    }),
    case("ok-guard-claimed", &["guard"], shipping),
    case("ok-guard-done", &["guard"], |scene| {
        shippable(scene);
        scene.works("claude-1", "ship");
    }),
    case("ok-guard-warns", &["guard"], |scene| {
        shipping(scene);
        later_commit(scene);
    }),
    within(
        "wt",
        case("ok-complete-lacks", &["complete", "build"], |scene| {
            scene.sprint("plan,build");
            scene.worktree("wt");
            later_commit(scene);
            scene.works("claude-1", "plan");
            scene.does_in("wt", "codex-2", &["claim", "build"]);
        }),
    ),
    case("ok-prime", &["prime"], |scene| {
        fresh(scene);
        scene.does("claude-1", &["claim", "think"]);
        scene.does("claude-1", &["complete", "think", "--artifact", "file"]);
    }),
    case("ok-prime-mine", &["prime"], held_by_me),
    case("ok-prime-stop", &["prime", "--stop"], held_by_me),
    case("ok-prime-none", &["prime"], nothing),
    case("ok-skill-hooks", &["skill", "show", "--hooks", "--for", "claude"], nothing),
    case(
        "ok-skill-hooks-codex",
        &["skill", "show", "--hooks", "--edits", "--for", "codex"],
        nothing,
    ),
    case(
        "ok-skill-hooks-cursor",
        &["skill", "show", "--hooks", "--edits", "--for", "cursor"],
        nothing,
    ),
    case(
        "ok-skill-hooks-gemini",
        &["skill", "show", "--hooks", "--edits", "--for", "gemini"],
        nothing,
    ),
    case("ok-skill-hooks-other", &["skill", "show", "--hooks", "--for", "opencode"], nothing),
    case(
        "ok-skill-hooks-project",
        &["skill", "install", "--hooks", "--project", "--for", "codex"],
        nothing,
    ),
    case("ok-skill-project", &["skill", "install", "--project", "--for", "codex"], nothing),
    case("ok-status-mine", &["status"], held_by_me),
    case("ok-status-failed", &["status"], built_badly),
    case("ok-status-finished", &["status"], all_done),
    case("ok-status-changed", &["status"], |scene| {
        held_by_me(scene);
        scene.does("codex-2", &["complete", "build", "--artifact", "file"]);
        scene.sandbox.write("repo/file", "something else\n");
    }),
];

/// What a command that was run ends with.
pub(crate) const RUNS: &[(Situation, u8)] = &[
    (case("run-fails", &["run", "build", "--", "sh", "-c", "echo no >&2; exit 7"], buildable), 7),
    (case("run-nothing", &["run", "build", "--", "no-such-program"], buildable), 127),
    (case("run-killed", &["run", "build", "--", "sh", "-c", "kill -KILL $$"], buildable), 137),
    (
        case(
            "run-lost",
            &[
                "run",
                "build",
                "--",
                "sh",
                "-c",
                "git conductor unstuck build --force --agent lead; exit 3",
            ],
            buildable,
        ),
        3,
    ),
    (case("claimed-run", &["run", "build", "--", "true"], held_by_other), 125),
    (
        case("bad_artifact-run", &["run", "build", "--artifact", "none", "--", "true"], buildable),
        125,
    ),
    (case("no_sprint-run", &["run", "build", "--", "true"], nothing), 125),
    (within("home", case("not_a_repository-run", &["run", "build", "--", "true"], nothing)), 125),
];
