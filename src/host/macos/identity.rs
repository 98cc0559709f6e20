//! Machine and boot.

#[cfg(target_os = "macos")]
use jiff::Timestamp;
#[cfg(target_os = "macos")]
use nix::time::{ClockId, clock_gettime};

#[cfg(target_os = "macos")]
use super::MacOs;
#[cfg(target_os = "macos")]
use crate::host::platform::{Facts, Identity};
#[cfg(target_os = "macos")]
use crate::host::posix;
#[cfg(target_os = "macos")]
use crate::host::process::Unread;

#[cfg(target_os = "macos")]
impl Identity for MacOs {
    const HAS_ONE_TABLE: bool = true;
    // Unless somebody has set it, it is what the network calls the machine.
    const KEEPS_ITS_NAME: bool = false;

    fn facts(unread: &Unread) -> Facts {
        use sysctl::Sysctl as _;
        let boot = sysctl::Ctl::new("kern.bootsessionuuid").and_then(|ctl| ctl.value_string());
        let booted_at = i64::try_from(sysinfo::System::boot_time()).ok().filter(|at| *at > 0);
        // A sandbox need not show it.
        let hardware = sysinfo::Product::uuid();
        Facts {
            boot: boot.ok().as_deref().and_then(id),
            machine: hardware.as_deref().and_then(id).or_else(|| posix::machine_id(unread)),
            booted_at: booted_at.and_then(|at| Timestamp::from_second(at).ok()),
            asleep: asleep(),
            ..Facts::default()
        }
    }
}

/// The time since boot, less the time that was spent awake.
#[cfg(target_os = "macos")]
fn asleep() -> Option<u64> {
    /// `CLOCK_UPTIME_RAW`: it stands while the machine sleeps.
    const AWAKE: ClockId = ClockId::from_raw(8);
    /// `CLOCK_MONOTONIC_RAW`, which goes on.
    const UP: ClockId = ClockId::from_raw(4);
    let awake = clock_gettime(AWAKE).ok()?.tv_sec();
    u64::try_from(clock_gettime(UP).ok()?.tv_sec().checked_sub(awake)?).ok()
}

/// A UUID as an id: its 32 digits, in lower case.
fn id(uuid: &str) -> Option<String> {
    let digits: String = uuid.trim().chars().filter(|char| *char != '-').collect();
    let is_id = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| digits.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::id;

    #[test]
    fn a_uuid_is_an_id() {
        let uuid = "407488FE-960A-43b5-A265-8FD0E9200B8F\n";
        assert_eq!(id(uuid).as_deref(), Some("407488fe960a43b5a2658fd0e9200b8f"));
        for uuid in ["", "407488FE-960A-43b5-A265", "407488FE-960A-43b5-A265-8FD0E9200B8G"] {
            assert_eq!(id(uuid), None);
        }
    }
}
