//! What the store asks of the outside, for real: the disk, the clock, random bits, processes, and
//! the flock.

use std::cell::{Cell, OnceCell, RefCell};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::agent;
use super::machine::{Machine, booted_at};
use super::process::Unread;
use crate::error::{Failure, FailureKind};
use crate::record::sharing::Sharing;
use crate::record::{Claim, Event, Process, Token};
use crate::rules::{Life, LiveClaim, Me, identity};
use crate::store::dir::Dir as _;
use crate::store::disk::DiskDir;
use crate::store::layout::{AUDIT, CONDUCTOR, GUARD, META};
use crate::store::{CheckedDir, Host, is_planted};

/// An owner that was heard so lately is not noted again: it may ask many times a second. Where a
/// claim turns stale sooner than four times that, a quarter of it.
const HEARTBEAT_INTERVAL: SignedDuration = SignedDuration::from_secs(15);
/// How long the mutex is tried for.
const PATIENCE: Duration = Duration::from_secs(1);

/// One store on this machine's disk.
pub struct System {
    path: PathBuf,
    machine: Machine,
    /// Who asks, whose own claims are to be heard of.
    me: Me,
    /// Who else may use what is made in the store.
    sharing: Sharing,
    /// How long after one sign of life the next is noted.
    interval: SignedDuration,
    /// Whether nothing is to be changed, not even a time.
    only_looks: Cell<bool>,
    root: OnceCell<DiskDir>,
    /// Verdicts of this command. An agent that holds many phases is looked at once: whoever was
    /// dead stays so, and one that dies meanwhile died after the command looked.
    verdicts: RefCell<Vec<(Process, Life)>>,
}

impl System {
    /// The store at `path`, which need not exist.
    pub(crate) fn new(
        path: PathBuf,
        machine: Machine,
        me: Me,
        stale_after: SignedDuration,
        sharing: Sharing,
    ) -> Self {
        Self {
            path,
            machine,
            me,
            interval: HEARTBEAT_INTERVAL.min(stale_after / 4),
            sharing,
            only_looks: Cell::new(false),
            root: OnceCell::new(),
            verdicts: RefCell::new(Vec::new()),
        }
    }

    /// Changes nothing from now on where the protocol does not ask for it: a key that is pressed in
    /// a shell is no command of the owner.
    pub(crate) fn only_look(&self) {
        self.only_looks.set(true);
    }

    /// Forgets who was seen alive: a command that lasts has to look again.
    pub(crate) fn forget_verdicts(&self) {
        self.verdicts.borrow_mut().clear();
        self.machine.table.unread().forget();
    }

    /// What could not be read of this machine, by then.
    pub(crate) fn unread(&self) -> Unread {
        self.machine.table.unread().clone()
    }

    /// The store's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn is_of_this_boot(&self, claim: &Claim) -> bool {
        let boot = claim.any_process().and_then(|process| process.boot.as_ref());
        boot.is_some() && boot == self.machine.boot.as_ref()
    }

    fn open_root(&self) -> Result<Option<&DiskDir>, Failure> {
        if let Some(root) = self.root.get() {
            return Ok(Some(root));
        }
        match DiskDir::open(&self.path) {
            Ok(root) => Ok(Some(self.root.get_or_init(|| root.shared(self.sharing)))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(Failure::io(error, format!("cannot open the store '{}'", self.path.display())))
            }
        }
    }

    /// The audit log and its length in bytes; `None` if there is none.
    pub(crate) fn open_audit(&self) -> Result<Option<(File, u64)>, Failure> {
        let Some(root) = self.open_root()? else { return Ok(None) };
        match root.readable(AUDIT) {
            Ok(opened) => Ok(Some(opened)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                let doing = format!("cannot read '{}/{AUDIT}'", self.path.display());
                Err(Failure { kind: FailureKind::Tampered, ..Failure::io(error, doing) })
            }
        }
    }

    fn cannot_make(&self, error: std::io::Error) -> Failure {
        Failure::writing(error, format!("cannot make the store '{}'", self.path.display()))
    }

    fn checked(&self, dir: DiskDir) -> CheckedDir<DiskDir> {
        CheckedDir::new(dir, self.path.join(CONDUCTOR).display().to_string())
    }
}

/// What time it is, also where there is no store.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// What the mutex was found to be worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mutex {
    /// Nobody has needed it yet.
    Absent,
    /// It keeps a second one out.
    Excludes,
    /// Another command has it now.
    Taken,
    /// It was granted twice.
    Lies,
    /// The file system, or who may open it, says no.
    Unusable(String),
}

impl System {
    /// Tries the mutex out, without waiting and without making it.
    pub(crate) fn try_mutex(&self) -> Result<Mutex, Failure> {
        let Some(conductor) = self.conductor()? else { return Ok(Mutex::Absent) };
        match conductor.dir().stat(GUARD) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Mutex::Absent),
            _ => {}
        }
        let open = || conductor.dir().lockable(GUARD);
        let (first, second) = match (open(), open()) {
            (Ok(first), Ok(second)) => (first, second),
            (Err(error), _) | (_, Err(error)) => return Ok(Mutex::Unusable(error.to_string())),
        };
        let (mut first, mut second) = (fd_lock::RwLock::new(first), fd_lock::RwLock::new(second));
        let held = match first.try_write() {
            Ok(held) => held,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                return Ok(Mutex::Taken);
            }
            Err(error) => return Ok(Mutex::Unusable(error.to_string())),
        };
        let found = match second.try_write() {
            Ok(_again) => Mutex::Lies,
            Err(_) => Mutex::Excludes,
        };
        drop(held);
        Ok(found)
    }
}

impl Host for System {
    type Dir = DiskDir;

    fn conductor(&self) -> Result<Option<CheckedDir<DiskDir>>, Failure> {
        let Some(root) = self.open_root()? else { return Ok(None) };
        match root.open_dir(CONDUCTOR) {
            Ok(dir) => Ok(Some(self.checked(dir))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                let doing = format!("cannot open '{}/{CONDUCTOR}'", self.path.display());
                let is_planted = is_planted(&error);
                let failure = Failure::io(error, doing);
                Err(if is_planted {
                    Failure { kind: FailureKind::Tampered, ..failure }
                } else {
                    failure
                })
            }
        }
    }

    fn make_conductor(&self) -> Result<CheckedDir<DiskDir>, Failure> {
        if let Some(parent) = self.path.parent() {
            let is_new = self.sharing != Sharing::Umask && !self.path.exists();
            std::fs::create_dir_all(&self.path).map_err(|error| self.cannot_make(error))?;
            if is_new {
                DiskDir::open(&self.path)
                    .and_then(|root| root.shared(self.sharing).share())
                    .map_err(|error| self.cannot_make(error))?;
            }
            DiskDir::open(parent)
                .and_then(|parent| parent.sync())
                .map_err(|error| self.cannot_make(error))?;
        }
        let gone = || Failure::new(FailureKind::StoreGone, "the store was removed meanwhile");
        let root = self.open_root()?.ok_or_else(gone)?;
        match root.make_dir(CONDUCTOR) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(self.cannot_make(error)),
        }
        // Also if another start has just made it: that one may not have come to this line yet.
        root.sync().map_err(|error| self.cannot_make(error))?;
        self.conductor()?.ok_or_else(gone)
    }

    fn now(&self) -> Timestamp {
        now()
    }

    fn token(&self) -> Result<Token, Failure> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| {
            Failure::new(FailureKind::Io, format!("the system gives no random bits: {error}"))
        })?;
        Ok(Token::from_bytes(bytes))
    }

    fn life(&self, claim: &Claim) -> Life {
        // The verdict on a process of this boot does not hang on what else the claim says.
        let Some(process) = claim
            .any_process()
            .filter(|process| process.boot.is_some() && process.boot == self.machine.boot)
        else {
            return agent::life(&self.machine, claim);
        };
        let known = |(other, life): &(Process, Life)| (other == process).then_some(*life);
        if let Some(life) = self.verdicts.borrow().iter().find_map(known) {
            return life;
        }
        let life = agent::life(&self.machine, claim);
        self.verdicts.borrow_mut().push((process.clone(), life));
        life
    }

    fn life_of(&self, process: &Process) -> Life {
        agent::life_of(&self.machine, process)
    }

    fn booted_at(&self) -> Option<Timestamp> {
        booted_at(&self.machine)
    }

    fn under_mutex<T>(
        &self,
        conductor: &CheckedDir<DiskDir>,
        waits: bool,
        act: impl FnOnce() -> T,
    ) -> (T, bool) {
        let Ok(file) = conductor.dir().lockable(GUARD) else { return (act(), false) };
        let mut mutex = fd_lock::RwLock::new(file);
        let deadline = Instant::now() + PATIENCE;
        let mut wait = Duration::from_micros(100);
        let mut in_vain = false;
        loop {
            match mutex.try_write() {
                Ok(_held) => return (act(), false),
                // A file system without locks, or the second is over: it only spares work.
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => break,
                Err(_) if !waits => break,
                Err(_) if Instant::now() >= deadline => {
                    in_vain = true;
                    break;
                }
                Err(_) => {}
            }
            std::thread::sleep(wait + jitter(wait));
            wait = (wait * 2).min(Duration::from_millis(20));
        }
        (act(), in_vain)
    }

    fn hears(&self, lock: &CheckedDir<DiskDir>, hold: &LiveClaim) -> Option<Timestamp> {
        let stat = lock.dir().stat(META).ok()?;
        let touched = Timestamp::from_nanosecond(stat.mtime.into()).ok()?;
        let now = self.now();
        // A time in the future, of a clock that was set back, would hide every later sign of life.
        let is_due = touched > now || identity::age(now, touched) >= self.interval;
        if is_due
            && !self.only_looks.get()
            && identity::relation(&self.me, &hold.claim, hold.life).is_mine()
        {
            // A store that cannot be written is read all the same.
            lock.dir().touch(META).ok();
            return Some(now);
        }
        Some(touched)
    }

    fn asleep(&self) -> Option<u64> {
        self.machine.asleep
    }

    fn booted_after(&self, claim: &Claim) -> Option<Timestamp> {
        self.booted_at().filter(|_| !self.is_of_this_boot(claim))
    }

    fn slept(&self, claim: &Claim) -> SignedDuration {
        let Some(now) = self.machine.asleep else { return SignedDuration::ZERO };
        let then = claim.asleep.filter(|_| self.is_of_this_boot(claim)).unwrap_or(0);
        let slept = now.saturating_sub(then);
        i64::try_from(slept).map_or(SignedDuration::MAX, SignedDuration::from_secs)
    }

    fn pause(&self, attempt: u32) {
        let wait = Duration::from_millis(u64::from(attempt.min(25)) + 1);
        std::thread::sleep(wait + jitter(wait));
    }

    fn audit(&self, event: &Event) {
        // A log that cannot be written, as in a full or a read-only store, undoes nothing.
        if let (Ok(Some(root)), Ok(mut line)) = (self.open_root(), serde_json::to_vec(event)) {
            line.push(b'\n');
            root.append(AUDIT, &line).ok();
        }
    }
}

/// Up to half of `wait`, so that contenders do not come back in step.
pub(crate) fn jitter(wait: Duration) -> Duration {
    let mut byte = [0; 1];
    // Without random bits contenders are merely in step.
    getrandom::fill(&mut byte).ok();
    wait * u32::from(byte[0]) / 512
}
