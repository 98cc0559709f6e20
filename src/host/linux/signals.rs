//! Caught signals, each with who sent it.

use std::io;
use std::os::unix::net::UnixStream;

use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo;

use crate::host::platform::{Delivery, Origin};

/// The signals that are caught.
pub(in crate::host) struct Caught(SignalDelivery<UnixStream, WithOrigin>);

impl Delivery for Caught {
    fn begin(
        read: UnixStream,
        write: UnixStream,
        signals: impl Iterator<Item = i32>,
    ) -> io::Result<Self> {
        SignalDelivery::with_pipe(read, write, WithOrigin::default(), signals).map(Self)
    }

    fn take(&mut self) -> Vec<Origin> {
        let of = |told: siginfo::Origin| {
            let sender = told.process.map(|process| process.pid);
            Origin { signal: told.signal, sender, is_told: true }
        };
        self.0.pending().map(of).collect()
    }
}
