//! Real terminals with a command in them, and commands that are ended when nothing else ends them.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::sandbox::Sandbox;

/// Far longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Ended when dropped, as nothing else may end it.
pub(crate) struct Watcher(pub(crate) Child);

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Watcher {
    /// How it ended, which it must have by itself.
    #[track_caller]
    pub(crate) fn end(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < LONG, "it should have ended");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

/// What comes from `next`, piece by piece.
pub(crate) fn pieces<T: Send + 'static>(
    mut next: impl FnMut() -> Option<T> + Send + 'static,
) -> Receiver<T> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        while let Some(piece) = next() {
            if sender.send(piece).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A terminal with a command in it.
pub(crate) struct Terminal {
    pub(crate) watcher: Watcher,
    pub(crate) keys: File,
    shown: Receiver<Vec<u8>>,
    /// All that was written to it.
    pub(crate) all: String,
}

impl Terminal {
    /// Of so many columns and rows; `args` begin with the program.
    pub(crate) fn new(sandbox: &Sandbox, size: (u16, u16), args: &[&str]) -> Self {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let open = || File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        resize(&master, size);
        let mut command = sandbox.command("repo", "setsid");
        command.arg("--ctty").args(args).env("TERM", "xterm");
        let child = command.stdin(open()).stdout(open()).stderr(open()).spawn().unwrap();
        let keys = File::from(master);
        let mut screen = keys.try_clone().unwrap();
        let read = move || {
            let mut buffer = vec![0; 4096];
            // An error once nobody has it open any more.
            let read = screen.read(&mut buffer).ok().filter(|&read| read > 0)?;
            buffer.truncate(read);
            Some(buffer)
        };
        Self { watcher: Watcher(child), keys, shown: pieces(read), all: String::new() }
    }

    /// Waits until all that was written `is_it`.
    #[track_caller]
    pub(crate) fn until(&mut self, is_it: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        while !is_it(&self.all) {
            // More comes with the time, whether it is what is waited for or not.
            let left = LONG.saturating_sub(begun.elapsed());
            let piece = self.shown.recv_timeout(left);
            assert!(piece.is_ok(), "{:?}", self.all);
            self.all.push_str(&String::from_utf8_lossy(&piece.unwrap()));
        }
    }

    pub(crate) fn type_in(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.watcher.0.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// How it ended, and all that was written.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let status = self.watcher.end();
        while let Ok(piece) = self.shown.recv_timeout(LONG) {
            self.all.push_str(&String::from_utf8_lossy(&piece));
        }
        (status, self.all.clone())
    }
}

pub(crate) fn resize(terminal: &impl std::os::fd::AsFd, (columns, rows): (u16, u16)) {
    let size =
        rustix::termios::Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(terminal, size).unwrap();
}
