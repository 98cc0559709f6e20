//! The schemas, as they lie in `schema/`. Which ones there are is written here by
//! `cargo xtask generate shipped`.

/// A schema's name, what it is of, and its text, as `build.rs` has packed it.
macro_rules! packed {
    ($name:literal, $about:literal) => {
        ($name, $about, include_bytes!(concat!(env!("OUT_DIR"), "/schema/", $name, ".json")))
    };
}

/// The schemas.
pub(super) const SCHEMAS: &[(&str, &str, &[u8])] = &[
    packed!("abort", "what 'abort' answers"),
    packed!("archive", "what 'archive' answers"),
    packed!("batch", "what 'batch' answers"),
    packed!("claim", "what 'claim' answers"),
    packed!("clean", "what 'clean' answers"),
    packed!("complete", "what 'complete' answers"),
    packed!("config-file", "config.json in the store"),
    packed!("doctor", "what 'doctor' answers"),
    packed!("graph", "what 'graph' answers"),
    packed!("graph-file", "a phase graph in a file, as 'start --phases FILE' reads it"),
    packed!("guard", "what 'guard' answers"),
    packed!("hooks", "what 'hooks' answers"),
    packed!("install", "what 'install' answers"),
    packed!("log", "what 'log' answers"),
    packed!("next", "what 'next' answers"),
    packed!("notes", "what 'notes' answers"),
    packed!("prime", "what 'prime' answers"),
    packed!("record-attempt", "past/T.json: an attempt that ended without a completion"),
    packed!("record-claim", "lock/meta.json and lock/meta.T.json: who owns a phase"),
    packed!("record-done", "done: a completion"),
    packed!("record-due", "past/due.T: what is still to be saved of a dead owner's work"),
    packed!("record-event", "a line of audit.log"),
    packed!("record-latch", "lock.d/latch.T: the command that made the latch"),
    packed!("record-note", "a line of a git note: a completion"),
    packed!("record-sprint", "sprint.json: a sprint and its graph"),
    packed!("refusal", "what any command answers that did nothing, or not all"),
    packed!("report", "what 'report' answers"),
    packed!("run", "what 'run' answers"),
    packed!("salvage", "what 'salvage' answers"),
    packed!("schema", "what 'schema' answers"),
    packed!("show", "what 'show' answers"),
    packed!("skill", "what 'skill' answers"),
    packed!("start", "what 'start' answers"),
    packed!("status", "what 'status' answers"),
    packed!("unstuck", "what 'unstuck' answers"),
    packed!("verify", "what 'verify' answers"),
    packed!("wait", "what 'wait' answers"),
];
