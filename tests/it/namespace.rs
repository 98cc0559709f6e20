//! Tests that run again, alone, in namespaces of their own: there the numbers of processes can be
//! chosen, and nothing of the machine outside is in sight.

use std::process::{Child, Command};

use crate::fixture::skipped;

/// Where a test that has been run again finds that out.
const INSIDE: &str = "CONDUCTOR_TEST_INSIDE";

/// Makes whoever runs the tests root, which other namespaces need.
pub(crate) const ROOT: &[&str] = &["--user", "--map-root-user"];

/// A pid namespace with a `/proc` of its own, which ends with the test.
pub(crate) const PIDS: &[&str] =
    &["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"];

/// Whether namespaces can be had here. Where everything is checked, they must be.
pub(crate) fn allowed(flags: &[&str]) -> bool {
    let tried = Command::new("unshare").args(flags).arg("true").output();
    let why = match tried {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "unshare {flags:?} must work: {why}");
    skipped(&format!("no namespaces here, so nothing was tried: unshare {flags:?}: {why}"));
    false
}

/// Whether the test `name` runs in the namespaces of `flags`. If not, it is run so, and must pass.
#[track_caller]
pub(crate) fn inside(name: &str, flags: &[&str]) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if !allowed(flags) {
        return false;
    }
    let mut again = Command::new("unshare");
    again.args(flags).arg(std::env::current_exe().unwrap());
    again.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(INSIDE, "1");
    let output = again.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "inside: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

/// Starts `command` as the process `pid`; inside, where nothing else is started at the same time.
pub(crate) fn numbered(pid: u32, command: &mut Command) -> Child {
    std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).unwrap();
    let child = command.spawn().unwrap();
    assert_eq!(child.id(), pid, "the number was not free");
    child
}

/// `command` in namespaces of its own: what it names and what it is told stay.
pub(crate) fn unshared(command: &Command, flags: &[&str]) -> Command {
    let mut unshared = Command::new("unshare");
    unshared.args(flags).arg(command.get_program()).args(command.get_args()).env_clear();
    unshared.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    unshared.current_dir(command.get_current_dir().unwrap());
    unshared
}
