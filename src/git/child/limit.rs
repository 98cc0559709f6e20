//! How long a git child may take that looks at somebody's files: there a filter may hang, or a pipe
//! stand where a file was.

use std::io::{ErrorKind, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::error::{Failure, FailureKind};

/// The setting that says how long.
const SETTING: &str = "conductor.gitTimeout";
/// So often is looked whether a child has ended that has nothing more to say: first, and at last.
const SHORT: Duration = Duration::from_micros(50);
const MOMENT: Duration = Duration::from_millis(5);
/// So much is read or written at once, in bytes.
const PIECE: usize = 64 * 1024;

/// A time by which children must have ended, all of them together.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    whole: Duration,
    end: Option<Instant>,
}

impl Limit {
    /// From now on, for so long.
    #[must_use]
    pub fn within(whole: Duration) -> Self {
        Self { whole, end: Instant::now().checked_add(whole) }
    }

    /// Whether nothing is left of it.
    pub(in crate::git) fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// What is left of it.
    fn left(&self) -> Duration {
        // Without an end it is longer than clocks can tell.
        self.end.map_or(self.whole, |end| end.saturating_duration_since(Instant::now()))
    }

    /// Runs `command` with `input` to read; one that takes too long is killed, and so are those
    /// that it has started.
    pub(super) fn run(&self, command: &mut Command, input: &[u8]) -> Result<Output, Failure> {
        self.run_up_to(command, input, usize::MAX)
    }

    /// The same, where no more than `most` bytes of what it prints are wanted: one that prints more
    /// is ended, and what was read of that is longer.
    pub(super) fn run_up_to(
        &self,
        command: &mut Command,
        input: &[u8],
        most: usize,
    ) -> Result<Output, Failure> {
        let stdin = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that a filter ends with the git that runs it.
        command.process_group(0);
        let cannot = |error| Failure::io(error, "cannot run 'git'");
        let mut child = command.spawn().map_err(cannot)?;
        let ended = self.hear(&mut child, input, most).and_then(|said| match said {
            Some((stdout, stderr)) if stdout.len() > most => {
                kill(&child);
                Ok(Some(Output { status: child.wait()?, stdout, stderr }))
            }
            Some((stdout, stderr)) => {
                Ok(self.end(&mut child)?.map(|status| Output { status, stdout, stderr }))
            }
            None => Ok(None),
        });
        if let Ok(Some(output)) = ended {
            return Ok(output);
        }
        kill(&child);
        child.wait().map_err(cannot)?;
        ended.map_err(cannot)?;
        Err(self.over(command))
    }

    /// Writes all of `input`, and reads both streams to their ends, or more than `most` of the
    /// first; `None` if that takes too long.
    fn hear(
        &self,
        child: &mut Child,
        input: &[u8],
        most: usize,
    ) -> std::io::Result<Option<(Vec<u8>, Vec<u8>)>> {
        let (mut stdin, mut stdout, mut stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        if let Some(stdin) = &stdin {
            // Our end alone: git reads as ever.
            rustix::io::ioctl_fionbio(stdin, true)?;
        }
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut rest = input;
        loop {
            let mut fds = Vec::with_capacity(3);
            let ends = [
                stdin.as_ref().map(|pipe| (pipe.as_fd(), PollFlags::OUT)),
                stdout.as_ref().map(|pipe| (pipe.as_fd(), PollFlags::IN)),
                stderr.as_ref().map(|pipe| (pipe.as_fd(), PollFlags::IN)),
            ];
            fds.extend(
                ends.iter().flatten().map(|(fd, what)| PollFd::from_borrowed_fd(*fd, *what)),
            );
            if fds.is_empty() || out.len() > most {
                return Ok(Some((out, err)));
            }
            let left = self.left();
            if left.is_zero() {
                return Ok(None);
            }
            // What is longer than can be said is asked again.
            let wait = Timespec::try_from(left.min(Duration::from_secs(3600))).ok();
            match poll(&mut fds, wait.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
            let mut is_ready = |there: bool| there && ready.next() == Some(true);
            let ready =
                [is_ready(stdin.is_some()), is_ready(stdout.is_some()), is_ready(stderr.is_some())];
            if ready[0] && wrote(stdin.as_mut(), &mut rest) {
                stdin = None;
            }
            if ready[1] && read(stdout.as_mut(), &mut out)? {
                stdout = None;
            }
            if ready[2] && read(stderr.as_mut(), &mut err)? {
                stderr = None;
            }
        }
    }

    /// How the child ended; `None` if it goes on although it has closed what it could say something
    /// by.
    fn end(&self, child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
        // It mostly ends at once: who asks too late makes every child slow.
        let mut moment = SHORT;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            if self.left().is_zero() {
                return Ok(None);
            }
            std::thread::sleep(moment.min(self.left()));
            moment = (2 * moment).min(MOMENT);
        }
    }

    fn over(&self, command: &Command) -> Failure {
        let text = format!(
            "'{}' took longer than {} ({SETTING}), and was ended",
            super::name(command),
            said(self.whole)
        );
        Failure::new(FailureKind::Busy, text)
    }
}

/// Ends the child, and all that it has started.
fn kill(child: &Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        kill_process_group(group, Signal::KILL).ok();
    }
}

/// `2m`, `1m30s`, `0.5s`
pub(super) fn said(time: Duration) -> String {
    let (minutes, seconds) = (time.as_secs() / 60, time.as_secs() % 60);
    match (minutes, seconds) {
        (0, _) => format!("{}s", time.as_secs_f32()),
        (_, 0) => format!("{minutes}m"),
        _ => format!("{minutes}m{seconds}s"),
    }
}

/// Writes what fits; whether that was all, or nobody reads any more.
fn wrote(pipe: Option<&mut std::process::ChildStdin>, rest: &mut &[u8]) -> bool {
    let Some(pipe) = pipe else { return true };
    match pipe.write(&rest[..rest.len().min(PIECE)]) {
        Ok(count) => *rest = &rest[count..],
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
        // A git that fails says why; that it has stopped reading does not.
        Err(_) => return true,
    }
    rest.is_empty()
}

/// Reads what is there; whether that was the end.
fn read(pipe: Option<&mut impl std::io::Read>, into: &mut Vec<u8>) -> std::io::Result<bool> {
    let Some(pipe) = pipe else { return Ok(true) };
    let at = into.len();
    into.resize(at + PIECE, 0);
    let count = match pipe.read(&mut into[at..]) {
        Ok(count) => count,
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            into.truncate(at);
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    into.truncate(at + count);
    Ok(count == 0)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_is_said_and_read_is_whole() {
        let limit = Limit::within(Duration::from_secs(600));
        // More than the pipes hold, in both directions at once.
        let input: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
        let output = limit.run(&mut shell("cat; echo said >&2; exit 3"), &input).unwrap();
        assert!(output.stdout == input);
        assert_eq!((output.status.code(), &output.stderr[..]), (Some(3), &b"said\n"[..]));
        // Nobody reads it.
        let output = limit.run(&mut shell("exec <&-; echo ok"), &input).unwrap();
        assert_eq!(output.stdout, b"ok\n");
    }

    #[test]
    fn no_more_is_read_than_is_wanted() {
        let limit = Limit::within(Duration::from_secs(600));
        let output = limit.run_up_to(&mut shell("yes"), b"", 100).unwrap();
        assert!(output.stdout.starts_with(b"y\ny\n") && output.stdout.len() > 100);
        let output = limit.run_up_to(&mut shell("echo all"), b"", 4).unwrap();
        assert!(output.status.success() && output.stdout == b"all\n");
    }

    #[test]
    fn what_takes_too_long_is_ended_and_said() {
        // One that waits, one that has closed its streams, and one whose child has not.
        for script in ["sleep 600", "exec >&- 2>&-; sleep 600", "sleep 600 & exit 0"] {
            let limit = Limit::within(Duration::from_millis(50));
            let failure = limit.run(&mut shell(script), b"").unwrap_err();
            assert!(failure.to_string().contains("took longer than 0.05s"), "{failure}");
        }
    }

    #[test]
    fn nothing_that_it_started_goes_on() {
        use rustix::fs::{CWD, Mode, OFlags, fcntl_setfl, mkfifoat, open};
        let dir = tempfile::tempdir().unwrap();
        let held = dir.path().join("held");
        mkfifoat(CWD, &held, Mode::RWXU).unwrap();
        let reader = open(&held, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap();
        let mut command = shell("exec 3>held; (sleep 600; :) & wait");
        let limit = Limit::within(Duration::from_secs(1));
        limit.run(command.current_dir(dir.path()), b"").unwrap_err();
        // Those that were killed may take a moment to be gone: it is read to its end, which comes
        // when nobody has the other end any more.
        fcntl_setfl(&reader, OFlags::empty()).unwrap();
        let mut rest = Vec::new();
        std::fs::File::from(reader).read_to_end(&mut rest).unwrap();
    }
}
