//! What programs do that stand between an agent and its commands: the lists by which
//! [`super::chain`] tells them from agents.

const SHELLS: &[&str] =
    &["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish", "busybox", "rbash", "yash", "nu"];

/// `MainThread` is what newer versions of node call themselves.
const INTERPRETERS: &[&str] =
    &["node", "nodejs", "MainThread", "node-MainThread", "bun", "deno", "ruby", "perl", "pypy3"];

/// What runs one command and is gone with it. The kernel cuts names to 15 bytes.
pub(super) const WRAPPERS: &[&str] = &[
    "git",
    "make",
    "gmake",
    "bmake",
    "ninja",
    "samu",
    "meson",
    "cmake",
    "ctest",
    "bazel",
    "scons",
    "cargo",
    "just",
    "task",
    "rake",
    "tox",
    "nox",
    "ant",
    "mvn",
    "gradle",
    "npm",
    "npx",
    "pnpm",
    "yarn",
    "uv",
    "uvx",
    "poetry",
    "pipenv",
    "hatch",
    "bundle",
    "direnv",
    "mise",
    "nix",
    "nix-shell",
    "ssh",
    "scp",
    "rsync",
    "find",
    "entr",
    "watch",
    "watchexec",
    "tee",
    "lefthook",
    "husky",
    "overcommit",
    "pre-commit",
    "env",
    "timeout",
    "xargs",
    "setsid",
    "nohup",
    "nice",
    "ionice",
    "chrt",
    "taskset",
    "stdbuf",
    "time",
    "sudo",
    "doas",
    "runuser",
    "setpriv",
    "su",
    "chroot",
    "unshare",
    "nsenter",
    "bwrap",
    "firejail",
    "codex-linux-san",
    "sandbox-exec",
    "strace",
    "ltrace",
    "flock",
    "parallel",
    "unbuffer",
    "fakeroot",
    "systemd-run",
    "script",
];

/// What git runs hooks as. The kernel cuts names to 15 bytes.
const HOOKS: &[&str] = &[
    "applypatch-msg",
    "pre-applypatch",
    "post-applypatch",
    "pre-commit",
    "pre-merge-commit",
    "prepare-commit-msg",
    "commit-msg",
    "post-commit",
    "pre-rebase",
    "post-checkout",
    "post-merge",
    "pre-push",
    "pre-receive",
    "update",
    "proc-receive",
    "post-receive",
    "post-update",
    "reference-transaction",
    "push-to-checkout",
    "pre-auto-gc",
    "post-rewrite",
    "sendemail-validate",
    "fsmonitor-watchman",
    "p4-changelist",
    "p4-prepare-changelist",
    "p4-post-changelist",
    "p4-pre-submit",
    "post-index-change",
];

/// What serves many, so that it says nothing about who calls.
pub(super) const SHARED: &[&str] = &[
    "systemd",
    "init",
    "launchd",
    "tini",
    "dumb-init",
    "docker-init",
    "catatonit",
    "runit",
    "runsv",
    "runsvdir",
    "s6-svscan",
    "s6-supervise",
    "openrc-init",
    "dinit",
    "supervisord",
    "sshd",
    "sshd-session",
    "dropbear",
    "inetd",
    "xinetd",
    "cron",
    "crond",
    "atd",
    "anacron",
    "fcron",
    "containerd",
    "containerd-shim",
    "dockerd",
    "conmon",
    "runc",
    "crun",
    "tmux: server",
    "screen",
    "SCREEN",
    "zellij",
    "gnome-shell",
    "gnome-session-b",
    "gdm-x-session",
    "gdm-wayland-ses",
    "sddm",
    "sddm-helper",
    "lightdm",
    "plasmashell",
    "startplasma-way",
    "kwin_wayland",
    "kwin_x11",
    "ksmserver",
    "kdeinit5",
    "Xorg",
    "xinit",
    "xfce4-session",
    "sway",
    "Hyprland",
    "i3",
    "labwc",
    "dbus-daemon",
    "xrdp-sesman",
];

pub(super) fn is_shell(name: &str) -> bool {
    SHELLS.contains(&name)
}

/// Whether a process, or a file, is called as a hook of git is.
pub(super) fn is_hook(name: &str) -> bool {
    let cut = |hook: &str| hook.get(..15) == Some(name);
    HOOKS.iter().any(|hook| *hook == name || cut(hook))
}

/// Whether a word of a command line is a hook's file: one that is called so, or in a folder of
/// hooks.
pub(super) fn runs_hook(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    let file = parts.next().unwrap_or_default();
    is_hook(file) || parts.any(|part| matches!(part, "hooks" | ".hooks" | ".githooks" | ".husky"))
}

pub(super) fn is_interpreter(comm: &str) -> bool {
    INTERPRETERS.contains(&comm) || comm.starts_with("python")
}
