//! Caught signals, with what macOS and the BSDs tell of who sent each.

use std::io;
use std::os::unix::net::UnixStream;

use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithRawSiginfo;

use super::platform::{Delivery, Origin};

/// The signals that are caught.
pub(super) struct Caught(SignalDelivery<UnixStream, WithRawSiginfo>);

impl Delivery for Caught {
    fn begin(
        read: UnixStream,
        write: UnixStream,
        signals: impl Iterator<Item = i32>,
    ) -> io::Result<Self> {
        SignalDelivery::with_pipe(read, write, WithRawSiginfo, signals).map(Self)
    }

    fn take(&mut self) -> Vec<Origin> {
        // Without a number it is the kernel, or a sender that the kernel does not name.
        let origin = |signal, pid: i32| {
            let sender = Some(pid).filter(|pid| *pid > 0);
            Origin { signal, sender, is_told: sender.is_some() }
        };
        self.0.pending().map(|told| origin(told.si_signo, told.si_pid)).collect()
    }
}
