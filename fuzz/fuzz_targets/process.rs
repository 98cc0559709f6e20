//! `/proc/<pid>/stat`: what is read of any text would be written so, and no name of a process can
//! change what is read of the rest.
#![no_main]

use git_conductor::host::process::Entry;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(entry) = Entry::parse(data) {
        let again = Entry::parse(&stat(&entry, entry.comm.as_bytes()));
        assert_eq!(again.as_ref(), Some(&entry));
    }
    let entry = Entry {
        pid: 42,
        comm: String::from_utf8_lossy(data).into_owned(),
        ppid: 7,
        session: 9,
        tty: 34816,
        start: Some(u64::MAX),
        ended: false,
    };
    assert_eq!(Entry::parse(&stat(&entry, data)), Some(entry));
});

/// As the kernel prints it (proc_pid_stat(5)).
fn stat(entry: &Entry, comm: &[u8]) -> Vec<u8> {
    let Entry { pid, ppid, session, tty, start, ended, .. } = entry;
    let (state, start) = (if *ended { 'Z' } else { 'S' }, start.unwrap_or(0));
    let rest = format!(
        ") {state} {ppid} 42 {session} {tty} -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 {start} 31 3\n"
    );
    [format!("{pid} (").as_bytes(), comm, rest.as_bytes()].concat()
}
