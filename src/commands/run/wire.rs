//! What `run` and its supervisor say to each other, over a pair of sockets. The end of either is
//! the end of the connection for the other, however it came.

use std::io::{IoSlice, IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recv, recvmsg, sendmsg,
};

use crate::host::descendants;

/// What is said: by `run` the first three, the others by the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    /// Begin the command; its standard input comes with it.
    Go,
    /// Stop what is left of the command's process group.
    StopGroup,
    /// Stop all that the command has begun.
    StopAll,
    /// It runs, as this process.
    Started(i32),
    /// It cannot be run: the system's error.
    NotRun(i32),
    /// It was stopped by this signal, as by ^Z.
    Stopped(i32),
    /// The process group got this signal, and not from `run`.
    Heard(i32),
    /// It ended by itself, with this exit code.
    Exited(i32),
    /// It was ended by this signal.
    Killed(i32),
    /// This process cannot be stopped; 0 where it cannot be seen whether any is left.
    Left(i32),
    /// What was to be stopped is gone, or was named.
    Over,
}

impl Message {
    fn parts(self) -> (u8, i32) {
        match self {
            Self::Go => (0, 0),
            Self::StopGroup => (1, 0),
            Self::StopAll => (2, 0),
            Self::Started(value) => (3, value),
            Self::NotRun(value) => (4, value),
            Self::Stopped(value) => (5, value),
            Self::Heard(value) => (6, value),
            Self::Exited(value) => (7, value),
            Self::Killed(value) => (8, value),
            Self::Left(value) => (9, value),
            Self::Over => (10, 0),
        }
    }

    fn of(kind: u8, value: i32) -> Option<Self> {
        Some(match kind {
            0 => Self::Go,
            1 => Self::StopGroup,
            2 => Self::StopAll,
            3 => Self::Started(value),
            4 => Self::NotRun(value),
            5 => Self::Stopped(value),
            6 => Self::Heard(value),
            7 => Self::Exited(value),
            8 => Self::Killed(value),
            9 => Self::Left(value),
            10 => Self::Over,
            _ => return None,
        })
    }
}

/// So many bytes has each.
const LENGTH: usize = 5;

fn bytes(message: Message) -> [u8; LENGTH] {
    let (kind, value) = message.parts();
    let [a, b, c, d] = value.to_le_bytes();
    [kind, a, b, c, d]
}

/// One end.
pub(super) struct Wire {
    stream: UnixStream,
    /// The beginning of a message.
    rest: Vec<u8>,
}

impl Wire {
    pub(super) const fn new(stream: UnixStream) -> Self {
        Self { stream, rest: Vec::new() }
    }

    /// Says it. Who is gone is noticed when one listens.
    pub(super) fn say(&self, message: Message) {
        (&self.stream).write_all(&bytes(message)).ok();
    }

    /// Says that the command is to begin, with this standard input.
    pub(super) fn go(&self, stdin: BorrowedFd<'_>) -> std::io::Result<()> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        let fds = [stdin];
        beside.push(SendAncillaryMessage::ScmRights(&fds));
        let said = bytes(Message::Go);
        sendmsg(&self.stream, &[IoSlice::new(&said)], &mut beside, SendFlags::empty())?;
        Ok(())
    }

    /// Waits until the command is to begin, and for its standard input; `None` if that never comes.
    pub(super) fn wait_for_go(&self) -> Option<OwnedFd> {
        loop {
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
            let mut beside = RecvAncillaryBuffer::new(&mut space);
            let mut said = [0; LENGTH];
            let mut parts = [IoSliceMut::new(&mut said)];
            match recvmsg(&self.stream, &mut parts, &mut beside, descendants::CLOSES_RECEIVED) {
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return None,
                Ok(_) => {}
            }
            return beside.drain().find_map(|message| {
                if let RecvAncillaryMessage::ScmRights(mut fds) = message {
                    fds.next().filter(descendants::is_closed_by_programs)
                } else {
                    None
                }
            });
        }
    }

    /// What has been said since, and whether the other end is still there.
    pub(super) fn listen(&mut self) -> (Vec<Message>, bool) {
        let mut is_there = true;
        let mut buffer = [0; 256];
        loop {
            match recv(&self.stream, &mut buffer, RecvFlags::DONTWAIT) {
                Ok((_, 0)) => is_there = false,
                Ok((_, length)) => {
                    self.rest.extend_from_slice(buffer.get(..length).unwrap_or_default());
                    continue;
                }
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN) => {}
                Err(_) => is_there = false,
            }
            break;
        }
        let whole = self.rest.len() - self.rest.len() % LENGTH;
        let said: Vec<u8> = self.rest.drain(..whole).collect();
        let (said, _) = said.as_chunks::<LENGTH>();
        let message = |[kind, a, b, c, d]: &[u8; LENGTH]| {
            Message::of(*kind, i32::from_le_bytes([*a, *b, *c, *d]))
        };
        (said.iter().filter_map(message).collect(), is_there)
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
