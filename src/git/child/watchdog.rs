//! An end for every git child: none is waited for without one, whatever stands where it looks.

use std::process::{Child, Command};
use std::time::Duration;

use rustix::process::Signal;

use super::deadline::kill_after;
use super::limit::said;
use crate::error::{Failure, FailureKind};

/// How long a child may take that reads and writes the repository alone.
const LOCAL: Duration = Duration::from_secs(10 * 60);
/// How long one may take that talks to another machine, and may ask who calls it for a password.
const REMOTE: Duration = Duration::from_secs(60 * 60);

/// Begins `command`; it is killed when it has taken too long.
pub(in crate::git) fn spawn(command: &mut Command) -> Result<Child, Failure> {
    let talks = command.get_args().any(|arg| arg == "fetch" || arg == "push");
    spawn_for(command, if talks { REMOTE } else { LOCAL })
}

fn spawn_for(command: &mut Command, longest: Duration) -> Result<Child, Failure> {
    let cannot = |error| Failure::io(error, "cannot run 'git'");
    let child = command.spawn().map_err(cannot)?;
    kill_after(&child, longest);
    Ok(child)
}

/// Why `command` has failed, if it was killed for the time that it took.
pub(super) fn killed(name: &str, status: std::process::ExitStatus) -> Option<Failure> {
    use std::os::unix::process::ExitStatusExt as _;
    let is_killed = status.signal() == Some(Signal::KILL.as_raw());
    is_killed.then(|| {
        let text = format!("'{name}' was killed, as one is that takes longer than {}", said(LOCAL));
        Failure::new(FailureKind::Git, text)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::process::Stdio;

    use super::*;

    #[test]
    fn what_takes_too_long_is_killed() {
        let mut command = Command::new("sleep");
        command.arg("600").stdout(Stdio::piped());
        let mut child = spawn_for(&mut command, Duration::from_millis(50)).unwrap();
        let mut said = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut said).unwrap();
        let failure = killed("git sleep", child.wait().unwrap()).unwrap();
        assert!(failure.to_string().contains("longer than 10m"), "{failure}");
        // One that ends in time is not.
        let mut child = spawn_for(&mut Command::new("true"), Duration::from_secs(600)).unwrap();
        assert!(killed("true", child.wait().unwrap()).is_none());
    }
}
