//! What is said of records in git notes: the table, what was written, what was set up.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Left, Noted, Records, SetUp, Synced};
use crate::record::note::Note;
use crate::record::{VERSION, Verdict};
use crate::ui::columns::lined_up;
use crate::ui::stop::FailureFacts;
use crate::ui::text::{moment, plural, safe, zone};
use crate::ui::{Answer, Format, Messages};

impl Answer for Records {
    fn text(&self, format: Format, messages: &mut Messages) -> String {
        table(self, format, messages)
    }

    fn json(&self, _: Format) -> Value {
        json(self)
    }
}

impl Answer for Synced {
    fn text(&self, _: Format, messages: &mut Messages) -> String {
        synced_text(self, messages)
    }

    fn json(&self, _: Format) -> Value {
        synced_json(self)
    }
}

impl Answer for SetUp {
    fn text(&self, _: Format, messages: &mut Messages) -> String {
        set_up_text(self, messages)
    }

    fn json(&self, _: Format) -> Value {
        set_up_json(self)
    }
}

/// What writes records that are missing.
const SYNC: &str = "git conductor notes sync";
/// So much of what could not be written is named.
const MAX_LEFT: usize = 5;

/// What came of a completion's record.
pub(in crate::commands) fn noted_text(noted: Option<&Noted>, messages: &mut Messages) {
    if let Some(Noted::Failed { failure, later }) = noted {
        let text = safe(&failure.to_string()).into_owned();
        messages.warning(&format!("the phase is complete, and has no record in git notes: {text}"));
        for hint in &failure.hints {
            messages.hint(&hint.map(|words| safe(words).into_owned()));
        }
        if *later {
            messages.hint(&format!("once that is mended, '{SYNC}' writes it"));
        }
    }
}

/// What became of the record in git notes that a completion was to have.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub(in crate::commands) enum NotedAnswer<'a> {
    /// It is there.
    Written(WrittenAnswer<'a>),
    /// It could not be written.
    Unwritten(UnwrittenAnswer<'a>),
}

/// It is there.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct WrittenAnswer<'a> {
    /// True.
    ok: bool,
    /// The reference that it is on.
    #[serde(rename = "ref")]
    reference: &'a str,
    /// The commit whose note has it.
    commit: &'a str,
    /// The record's id.
    id: &'a str,
}

/// It could not be written.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct UnwrittenAnswer<'a> {
    /// False.
    ok: bool,
    #[serde(flatten)]
    failure: FailureFacts<'a>,
}

/// The same as JSON.
pub(in crate::commands) fn noted_json(noted: &Noted) -> NotedAnswer<'_> {
    match noted {
        Noted::Written { reference, commit, id } => {
            NotedAnswer::Written(WrittenAnswer { ok: true, reference, commit, id })
        }
        Noted::Failed { failure, .. } => NotedAnswer::Unwritten(UnwrittenAnswer {
            ok: false,
            failure: FailureFacts::of(failure),
        }),
    }
}

/// One record's row, in columns.
fn row(object: &str, note: &Note) -> [String; 6] {
    let commit: String = object.chars().take(7).collect();
    let verdict = match (note.verdict, note.dirty) {
        (Verdict::Fail, _) => "fail",
        (Verdict::Pass, Some(true)) => "dirty",
        (Verdict::Pass, _) => "pass",
    };
    let when = note.completed_at.map(moment);
    let artifact = note.artifact.as_ref().map(|artifact| match &artifact.oid {
        Some(oid) => format!("{} {}", oid.chars().take(7).collect::<String>(), artifact.path),
        None => artifact.path.clone(),
    });
    let agent = if note.agent.is_empty() { "unknown" } else { &note.agent };
    // A completion that a next round took over is no other completion.
    let verdict = match note.carried_from {
        Some(_) => format!("{verdict}, carried"),
        None => verdict.to_owned(),
    };
    [
        commit,
        note.phase.clone(),
        verdict,
        when.unwrap_or_default(),
        agent.to_owned(),
        artifact.unwrap_or_default(),
    ]
    .map(|cell| safe(&cell).into_owned())
}

/// The records: commit, phase, verdict, when, agent, artifact.
fn table(records: &Records, format: Format, messages: &mut Messages) -> String {
    if records.later > 0 {
        let text = "records of a later version are not shown: this program cannot read them";
        messages.warning(&format!("{} {text}", records.later));
    }
    if records.odd > 0 {
        messages.warning(&format!("{} notes are no text, or too long", records.odd));
    }
    if records.records.is_empty() {
        messages.line(&format!("there are no records on '{}'", safe(&records.reference)));
    }
    let rows: Vec<_> = records.records.iter().map(|(object, note)| row(object, note)).collect();
    let zone = zone(format.now).filter(|_| !rows.is_empty());
    let zone = zone.map(|zone| format!("times of {zone}\n")).unwrap_or_default();
    zone + &lined_up(&rows, 24, format.width)
}

/// A record, and where it stands.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct NoteOn<'a> {
    #[serde(flatten)]
    note: &'a Note,
    /// The commit whose note has it.
    on: &'a str,
}

/// What `notes show` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct NotesAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// The reference that they are on.
    #[serde(rename = "ref")]
    reference: &'a str,
    /// The records.
    records: Vec<NoteOn<'a>>,
    /// How many more are of a later version than this program reads.
    later: usize,
    /// How many notes are no text, or too long to be looked at.
    odd: usize,
}

/// The same as JSON.
fn json(records: &Records) -> Value {
    json!(NotesAnswer {
        v: VERSION,
        ok: true,
        reference: &records.reference,
        records: records.records.iter().map(|(on, note)| NoteOn { note, on }).collect(),
        later: records.later,
        odd: records.odd,
    })
}

/// What `notes sync` came to.
fn synced_text(synced: &Synced, messages: &mut Messages) -> String {
    for (sprint, phase, left) in synced.left.iter().take(MAX_LEFT) {
        let why = match left {
            Left::NoCommit => "has no record: it was completed at no commit",
            Left::CommitGone => "has no record: its commit is not in the repository any more",
            Left::PinGone => "is without its artifact: the copy is gone",
            Left::PinChanged => "is without its artifact: the copy has been changed",
        };
        messages.warning(&format!("'{}' of sprint {} {why}", safe(phase), safe(sprint)));
    }
    if synced.left.len() > MAX_LEFT {
        messages.warning(&format!("{} more cannot be written", synced.left.len() - MAX_LEFT));
    }
    for name in &synced.merged {
        messages.line(&format!("took in '{}'", safe(name)));
    }
    messages.line(&format!(
        "wrote {} and {} to '{}'",
        plural(synced.written as u64, "record"),
        plural(synced.kept as u64, "artifact"),
        safe(&synced.reference)
    ));
    if let Some(remote) = &synced.pushed {
        messages.line(&format!("pushed to '{}'", safe(remote)));
    }
    "OK\n".to_owned()
}

/// What cannot be written to git notes.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct NotWritten<'a> {
    /// The sprint's id.
    sprint: &'a str,
    /// The phase.
    phase: &'a str,
    /// Why not.
    why: Left,
}

/// What `notes sync` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct NotesSyncAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// The reference that they are on.
    #[serde(rename = "ref")]
    reference: &'a str,
    /// How many records were missing, and are there now.
    written: usize,
    /// How many artifacts were missing, and are there now.
    kept: usize,
    /// The references of remotes whose notes were taken in.
    merged: &'a [String],
    /// What cannot be written.
    left: Vec<NotWritten<'a>>,
    /// The remote that has it all now.
    pushed: Option<&'a str>,
}

/// The same as JSON.
fn synced_json(synced: &Synced) -> Value {
    let left = synced.left.iter();
    let left = left.map(|(sprint, phase, why)| NotWritten { sprint, phase, why: *why });
    json!(NotesSyncAnswer {
        v: VERSION,
        ok: true,
        reference: &synced.reference,
        written: synced.written,
        kept: synced.kept,
        merged: &synced.merged,
        left: left.collect(),
        pushed: synced.pushed.as_deref(),
    })
}

/// What `notes setup` came to.
fn set_up_text(set_up: &SetUp, messages: &mut Messages) -> String {
    for (setting, changed) in &set_up.settings {
        let (key, value) = (safe(&setting.key), safe(&setting.value));
        messages.line(&match (set_up.removed, changed) {
            (false, true) => format!("set {key} to '{value}'"),
            (false, false) => format!("{key} has '{value}' already"),
            (true, true) => format!("took '{value}' out of {key}"),
            (true, false) => format!("{key} has no '{value}'"),
        });
    }
    if let Some((key, value)) = &set_up.differs {
        messages.warning(&format!("{} is '{}', and stays so", safe(key), safe(value)));
    }
    if let Some(remote) = set_up.remote.as_ref().filter(|_| !set_up.removed) {
        let remote = safe(remote);
        messages
            .hint(&format!("'git push' stays as it is; '{SYNC} --remote {remote}' pushes records"));
    }
    "OK\n".to_owned()
}

/// A value of git's configuration that `notes setup` is about.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct SettingAnswer<'a> {
    /// The setting.
    key: &'a str,
    /// Its value.
    value: &'a str,
    /// Whether it was set, or taken away.
    changed: bool,
}

/// A setting that has another value already, which stays.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct OtherSetting<'a> {
    /// The setting.
    key: &'a str,
    /// The value that it has.
    value: &'a str,
}

/// What `notes setup` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct NotesSetupAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// Whether settings were taken away (`--remove`).
    removed: bool,
    /// Each setting that was meant.
    settings: Vec<SettingAnswer<'a>>,
    /// A key that has another value already.
    differs: Option<OtherSetting<'a>>,
}

/// The same as JSON.
fn set_up_json(set_up: &SetUp) -> Value {
    let settings = set_up.settings.iter().map(|(setting, changed)| SettingAnswer {
        key: &setting.key,
        value: &setting.value,
        changed: *changed,
    });
    json!(NotesSetupAnswer {
        v: VERSION,
        ok: true,
        removed: set_up.removed,
        settings: settings.collect(),
        differs: set_up.differs.as_ref().map(|(key, value)| OtherSetting { key, value }),
    })
}
