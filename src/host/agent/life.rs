//! Does a claim's process live? *Dead* has to be proven; what cannot be seen is unknown.
//!
//! A number alone proves little: numbers are used again, and another container or host has its own.
//! So the answer is only sought where the record was made on this machine, during this boot and in
//! these namespaces, and there each fact that the record and the table both know must agree.

use jiff::SignedDuration;

use crate::host::machine::Machine;
use crate::host::process::Table;
use crate::record::{Claim, Process};
use crate::rules::{Life, identity};

/// How far before the boot a claim must have been made to count as made before it: boot times are
/// computed, and claims rounded.
const SLACK: SignedDuration = SignedDuration::from_secs(2);

/// Whether the process that `claim` records lives.
#[must_use]
pub fn life(machine: &Machine, claim: &Claim) -> Life {
    of_claim(machine, &machine.table, claim)
}

/// Whether `process` lives, which was recorded without a time (the maker of a latch): on this
/// machine another boot is enough to know that it is dead.
#[must_use]
pub fn life_of(machine: &Machine, process: &Process) -> Life {
    of_process(machine, &machine.table, process, true)
}

fn of_claim(machine: &Machine, table: &impl Table, claim: &Claim) -> Life {
    if let Some(process) = claim.any_process() {
        let before_boot = identity::heard(claim)
            .zip(machine.booted_at)
            .is_some_and(|(heard, boot)| boot.duration_since(heard) > SLACK);
        return of_process(machine, table, process, before_boot);
    }
    // A script's record has no more than a number. Ours without a process has none at all, and a
    // newer version's that we cannot read may mean a number of somewhere else.
    if claim.v == 0 { by_number(table, claim.pid) } else { Life::Unknown }
}

/// `before_boot`: whether a record of another boot must come from before this one.
fn of_process(machine: &Machine, table: &impl Table, process: &Process, before_boot: bool) -> Life {
    let same_machine = process.machine == machine.machine && process.node == machine.node;
    let same_namespaces = process.pid_ns == machine.pid_ns && process.time_ns == machine.time_ns;
    match (&process.boot, &machine.boot) {
        (Some(then), Some(now)) if then == now => {
            // Namespaces that neither knows are not known to be the same, where there are any.
            let is_known = process.pid_ns.is_some() || machine.one_table;
            if same_machine && same_namespaces && is_known {
                present(table, process)
            } else {
                Life::Unknown
            }
        }
        // Without an id of the machine its name is all there is, and that is no proof.
        (Some(_), Some(_)) if same_machine && machine.machine.is_some() && before_boot => {
            Life::Dead
        }
        (None, None) if machine.one_table && same_machine => by_number(table, process.pid),
        _ => Life::Unknown,
    }
}

/// A number and nothing else: dead when nothing has it.
fn by_number(table: &impl Table, pid: i64) -> Life {
    match table.exists(pid) {
        Some(false) => Life::Dead,
        Some(true) if table.entry(pid).is_some_and(|entry| entry.ended) => Life::Dead,
        Some(true) => Life::Alive,
        None => Life::Unknown,
    }
}

/// A process of this very place. Every difference is a proof on its own, whatever happens between
/// the looks: had the process lived, the number would have been its own each time.
fn present(table: &impl Table, process: &Process) -> Life {
    let pid = process.pid;
    match table.exists(pid) {
        Some(false) => return Life::Dead,
        None => return Life::Unknown,
        Some(true) => {}
    }
    let entry = table.entry(pid);
    if entry.as_ref().is_some_and(|entry| entry.ended) {
        return Life::Dead;
    }
    let start = entry.and_then(|entry| entry.start).zip(process.start);
    if start.is_some_and(|(now, then)| now != then) {
        return Life::Dead;
    }
    let pidfd = process.pidfd.and_then(|then| table.pidfd(pid).map(|now| (now, then)));
    if pidfd.is_some_and(|(now, then)| now != then) {
        return Life::Dead;
    }
    if start.is_some() || pidfd.is_some() {
        return Life::Alive;
    }
    // Hidden from us (hidepid), or gone since the first look.
    if table.exists(pid) == Some(false) { Life::Dead } else { Life::Unknown }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fake, machine};
    use super::*;

    fn table() -> Fake {
        Fake::new(&[(200, 1, 200, 0, "claude", "claude")])
    }

    fn record(table: &Fake) -> Process {
        let machine = machine();
        Process { pidfd: table.pidfd(200), ..machine.process(&table.entry(200).unwrap()) }
    }

    fn claim(process: Process, at: &str) -> Claim {
        let claimed_at = Some(at.parse().unwrap());
        Claim { v: 1, process: Some(process), claimed_at, ..Claim::default() }
    }

    const NOON: &str = "2026-11-22T12:00:00Z";

    #[test]
    fn each_difference_of_a_record_of_this_place() {
        let table = table();
        let ours = record(&table);
        let say = |process: Process| of_claim(&machine(), &table, &claim(process, NOON));
        let with = |change: fn(&mut Process)| {
            let mut process = ours.clone();
            change(&mut process);
            say(process)
        };
        assert_eq!(say(ours.clone()), Life::Alive);
        assert_eq!(with(|p| p.pid = 999), Life::Dead);
        assert_eq!(with(|p| p.start = Some(1)), Life::Dead);
        assert_eq!(with(|p| p.pidfd = Some(1)), Life::Dead);
        assert_eq!(with(|p| p.pidfd = None), Life::Alive);
        assert_eq!(with(|p| p.start = None), Life::Alive);
        assert_eq!(with(|p| (p.start, p.pidfd) = (None, None)), Life::Unknown);
        for pid in [0, -1, i64::MIN] {
            assert_eq!(say(Process { pid, ..ours.clone() }), Life::Unknown);
        }
        let elsewhere: &[fn(&mut Process)] = &[
            |p| p.node = Some("other".into()),
            |p| p.machine = Some("other".into()),
            |p| p.machine = None,
            |p| p.pid_ns = Some(1),
            |p| p.pid_ns = None,
            |p| p.time_ns = Some(1),
            |p| p.boot = Some("later".into()),
        ];
        for change in elsewhere {
            let mut process = Process { pid: 999, ..ours.clone() };
            change(&mut process);
            assert_eq!(say(process.clone()), Life::Unknown, "{process:?}");
        }
    }

    #[test]
    fn a_zombie_is_dead() {
        let mut table = table();
        let process = record(&table);
        table.entries.get_mut(&200).unwrap().ended = true;
        assert_eq!(of_claim(&machine(), &table, &claim(process, NOON)), Life::Dead);
        assert_eq!(by_number(&table, 200), Life::Dead);
    }

    #[test]
    fn of_another_boot() {
        let table = table();
        let then = Process { boot: Some("earlier".into()), ..record(&table) };
        let say = |process: &Process, at| of_claim(&machine(), &table, &claim(process.clone(), at));
        assert_eq!(say(&then, "2026-11-22T07:59:57Z"), Life::Dead);
        assert_eq!(say(&then, "2026-11-22T07:59:59Z"), Life::Unknown);
        assert_eq!(say(&then, NOON), Life::Unknown);
        let clone = Process { node: Some("clone".into()), ..then.clone() };
        assert_eq!(say(&clone, "2026-11-21T12:00:00Z"), Life::Unknown);
        let mut renewed = claim(then.clone(), "2026-11-21T12:00:00Z");
        renewed.renewed_at = Some(NOON.parse().unwrap());
        assert_eq!(of_claim(&machine(), &table, &renewed), Life::Unknown);
        renewed.claimed_at = None;
        renewed.renewed_at = None;
        assert_eq!(of_claim(&machine(), &table, &renewed), Life::Unknown);
        assert_eq!(of_process(&machine(), &table, &then, true), Life::Dead);
        assert_eq!(of_process(&machine(), &table, &clone, true), Life::Unknown);
    }

    #[test]
    fn records_of_scripts_have_a_number_only() {
        let script = |pid| of_claim(&machine(), &table(), &Claim { pid, ..Claim::default() });
        assert_eq!(script(200), Life::Alive);
        assert_eq!(script(999), Life::Dead);
        assert_eq!(script(0), Life::Unknown);
        assert_eq!(script(-1), Life::Unknown);
        let newer = Claim { v: 9, pid: 999, ..Claim::default() };
        assert_eq!(of_claim(&machine(), &table(), &newer), Life::Unknown);
    }

    #[test]
    fn records_of_a_sandbox_without_proc() {
        let process = Process { boot: None, pid_ns: None, time_ns: None, ..record(&table()) };
        let gone = claim(Process { pid: 999, start: None, ..process }, NOON);
        assert_eq!(of_claim(&machine(), &table(), &gone), Life::Unknown);
        let without = Machine { boot: None, pid_ns: None, time_ns: None, ..machine() };
        assert_eq!(of_claim(&without, &table(), &gone), Life::Unknown);
        let without = Machine { one_table: true, ..without };
        assert_eq!(of_claim(&without, &table(), &gone), Life::Dead);
    }

    #[test]
    fn of_a_system_without_namespaces() {
        let table = table();
        let without = Machine { pid_ns: None, time_ns: None, node: None, ..machine() };
        let mac = Machine { one_table: true, ..without.clone() };
        let entry = table.entry(200).unwrap();
        let ours = mac.process(&entry);
        let gone = Process { pid: 999, ..ours.clone() };
        let another = Process { start: Some(1), ..ours.clone() };
        for (process, life) in [(ours, Life::Alive), (gone, Life::Dead), (another, Life::Dead)] {
            let claim = claim(process, NOON);
            assert_eq!(of_claim(&mac, &table, &claim), life, "{claim:?}");
            // A sandbox that does not show them.
            assert_eq!(of_claim(&without, &table, &claim), Life::Unknown);
        }
        let before = Process { boot: Some("earlier".into()), ..mac.process(&entry) };
        let before = claim(before, "2026-11-21T12:00:00Z");
        assert_eq!(of_claim(&mac, &table, &before), Life::Dead);
    }
}
