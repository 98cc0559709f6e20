//! What is said of what dead owners left: to the next owner, as a list, and of one of them.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Dropped, Fate, Kept, Left, Look};
use crate::record::VERSION;
use crate::record::salvage::Salvage;
use crate::ui::columns::lined_up;
use crate::ui::phrases::{names, who};
use crate::ui::stop::FailureFacts;
use crate::ui::text::{Paint, age, moment, plural, safe, short, visible, zone};
use crate::ui::{Answer, Format, Messages};

impl Answer for Kept {
    fn text(&self, format: Format, messages: &mut Messages) -> String {
        table(&self.0, format, messages)
    }

    fn json(&self, _: Format) -> Value {
        json(&self.0)
    }
}

impl Answer for Look {
    fn text(&self, format: Format, messages: &mut Messages) -> String {
        look_text(self, format, messages)
    }

    fn json(&self, _: Format) -> Value {
        look_json(self)
    }
}

impl Answer for Dropped {
    fn text(&self, _: Format, messages: &mut Messages) -> String {
        dropped_text(&self.0, messages)
    }

    fn json(&self, _: Format) -> Value {
        dropped_json(&self.0)
    }
}

/// So many of those that were saved before are told of.
const MAX_SHOWN: usize = 3;

/// ` on wt/build, with 2 commits since it claimed`
fn reached(salvage: &Salvage) -> String {
    let mut text = match (&salvage.branch, &salvage.head) {
        (Some(branch), _) => format!(" on {}", safe(branch)),
        (None, Some(head)) => format!(" at {}", short(head)),
        (None, None) => String::new(),
    };
    if let Some(commits) = salvage.commits.filter(|commits| *commits > 0) {
        // Writing to a String cannot fail.
        _ = write!(text, ", with {} since it claimed", plural(commits, "commit"));
    }
    text
}

/// What the next owner is told of the one before it.
pub(in crate::commands) fn left_text(left: Option<&Left>, messages: &mut Messages) {
    let Some(Left { salvage, fate }) = left else { return };
    let place = format!("'{}'", safe(salvage.worktree.as_deref().unwrap_or_default()));
    let worked = format!("it worked in {place}{}", reached(salvage));
    match fate {
        Fate::Saved(missed) => {
            messages.line(&worked);
            let files = plural(salvage.files.unwrap_or_default(), "file");
            messages.line(&format!("what it had not committed there is saved: {files}"));
            if !missed.is_empty() {
                messages
                    .warning(&format!("could not be read, and is not saved: {}", names(missed)));
            }
            look_hint(&salvage.phase, messages);
        }
        Fate::Clean => messages.line(&format!(
            "{worked}; nothing uncommitted was found there, repositories inside of it aside"
        )),
        Fate::Gone => messages.line(&format!("{worked}; that is not there now")),
        Fate::Foreign => messages.line(&format!(
            "it worked in {place}, which is no worktree of this repository now: nothing is saved"
        )),
        Fate::Off => {
            messages.line(&format!("{worked}; nothing is saved, as conductor.maxSalvage is 0"));
        }
        Fate::Alive => messages.line(&format!(
            "what it has not committed in {place} is not saved: it may be at work there"
        )),
        Fate::Failed(failure) => {
            messages.line(&worked);
            let text = failure.to_string();
            messages
                .warning(&format!("what it had not committed there is not saved: {}", safe(&text)));
            for hint in &failure.hints {
                messages.hint(&hint.map(|words| safe(words).into_owned()));
            }
        }
    }
}

/// What is told when a phase was freed: of what others left, and its last owner.
pub(in crate::commands) fn freed_text(
    left: Option<&Left>,
    made_up: &[Left],
    messages: &mut Messages,
) {
    made_up_text(made_up, messages);
    left_text(left, messages);
}

/// What is told of that which another command was to save.
pub(in crate::commands) fn made_up_text(made_up: &[Left], messages: &mut Messages) {
    for left in made_up {
        messages.line(&format!(
            "the command that was to save what {} left of '{}' was killed; this was done now:",
            who(&left.salvage.agent),
            safe(&left.salvage.phase)
        ));
        left_text(Some(left), messages);
    }
}

/// The same as JSON.
pub(in crate::commands) fn made_up_json(made_up: &[Left]) -> Vec<LeftAnswer<'_>> {
    made_up.iter().map(left_json).collect()
}

fn look_hint(phase: &str, messages: &mut Messages) {
    messages.hint(&format!("look at it with 'git conductor salvage show {}'", safe(phase)));
}

/// What the next owner is told of what was saved of the phase before.
pub(in crate::commands) fn before_text(
    before: &[Salvage],
    now: Timestamp,
    messages: &mut Messages,
) {
    for salvage in before.iter().take(MAX_SHOWN) {
        let ago = salvage.at.map(|at| format!(", {} ago", age(now, at)));
        messages.line(&format!(
            "saved before: '{}/{}', what {} had not committed{}",
            safe(&salvage.phase),
            salvage.number,
            who(&salvage.agent),
            ago.unwrap_or_default()
        ));
    }
    if before.len() > MAX_SHOWN {
        messages.line(&format!("and {} more", before.len() - MAX_SHOWN));
    }
    if let Some(salvage) = before.first() {
        let name = format!("{}/{}", salvage.phase, salvage.number);
        look_hint(&name, messages);
    }
}

/// What a dead owner had not committed, as it is kept.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct SalvageEntry<'a> {
    /// By which `salvage show` finds it.
    name: String,
    /// The reference that holds it.
    #[serde(rename = "ref")]
    reference: String,
    /// The sprint.
    sprint_id: &'a str,
    /// The phase.
    phase: &'a str,
    /// Which of those of the phase, from 1 on.
    number: u64,
    /// Whose it was; empty if it cannot be known.
    agent: &'a str,
    /// When it was saved, in UTC.
    at: Option<Timestamp>,
    /// The commit that has it.
    commit: &'a str,
    /// How many files differ from what was checked out.
    files: Option<u64>,
    /// The worktree that it lay in (absolute path).
    worktree: Option<&'a str>,
    /// The branch that was checked out there.
    branch: Option<&'a str>,
    /// The commit that was checked out when the phase was claimed.
    base: Option<&'a str>,
    /// The commit that was checked out when it was saved.
    head: Option<&'a str>,
    /// How many commits were made in between.
    commits: Option<u64>,
}

impl<'a> From<&'a Salvage> for SalvageEntry<'a> {
    fn from(salvage: &'a Salvage) -> Self {
        Self {
            name: salvage.short_name(),
            reference: salvage.reference(),
            sprint_id: &salvage.sprint,
            phase: &salvage.phase,
            number: salvage.number,
            agent: &salvage.agent,
            at: salvage.at,
            commit: &salvage.commit,
            files: salvage.files,
            worktree: salvage.worktree.as_deref(),
            branch: salvage.branch.as_deref(),
            base: salvage.base.as_deref(),
            head: salvage.head.as_deref(),
            commits: salvage.commits,
        }
    }
}

/// What `salvage` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct SalvageAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// What is kept, the latest first.
    salvage: Vec<SalvageEntry<'a>>,
}

/// What `salvage show` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct SalvageShowAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    #[serde(flatten)]
    salvage: SalvageEntry<'a>,
    /// The files that it changes, as `git diff --stat` lists them.
    stat: &'a str,
    /// What it changes; null where that is too long.
    diff: Option<&'a str>,
}

/// What `salvage drop` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct SalvageDropAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// What was dropped.
    dropped: Vec<SalvageEntry<'a>>,
}

/// What became of what a dead owner had not committed.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub(in crate::commands) enum LeftAnswer<'a> {
    /// It is kept.
    Saved(Box<SavedAnswer<'a>>),
    /// It is not.
    Unsaved(Box<UnsavedAnswer<'a>>),
}

/// It is kept.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct SavedAnswer<'a> {
    #[serde(flatten)]
    salvage: SalvageEntry<'a>,
    /// `saved`.
    state: &'static str,
    /// Files that could not be read, and are missing.
    missed: &'a [String],
}

/// Nothing is kept.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct UnsavedAnswer<'a> {
    /// `clean`: there was nothing to save; `gone`: its worktree is not there; `foreign`: that is
    /// not of this repository; `off`: a setting says so; `alive`: it may be at work there;
    /// `failed`: it could not be saved.
    state: &'static str,
    /// Always null.
    #[serde(rename = "ref")]
    reference: Option<&'a str>,
    /// Always null.
    commit: Option<&'a str>,
    /// How many files were saved: 0, or null if that failed.
    files: Option<u64>,
    /// Whose it was; empty if it cannot be known.
    agent: &'a str,
    /// The worktree that it worked in (absolute path).
    worktree: Option<&'a str>,
    /// The branch that was checked out there.
    branch: Option<&'a str>,
    /// The commit that was checked out when the phase was claimed.
    base: Option<&'a str>,
    /// The commit that is checked out.
    head: Option<&'a str>,
    /// How many commits were made in between.
    commits: Option<u64>,
    #[serde(flatten)]
    failure: Option<FailureFacts<'a>>,
}

/// Those that are kept, as JSON.
pub(in crate::commands) fn list_json(kept: &[Salvage]) -> Vec<SalvageEntry<'_>> {
    kept.iter().map(SalvageEntry::from).collect()
}

/// What a former owner left, as JSON.
pub(in crate::commands) fn left_json(left: &Left) -> LeftAnswer<'_> {
    let Left { salvage, fate } = left;
    let state = match fate {
        Fate::Saved(missed) => {
            let salvage = salvage.into();
            return LeftAnswer::Saved(Box::new(SavedAnswer { salvage, state: "saved", missed }));
        }
        Fate::Clean => "clean",
        Fate::Gone => "gone",
        Fate::Foreign => "foreign",
        Fate::Off => "off",
        Fate::Alive => "alive",
        Fate::Failed(_) => "failed",
    };
    let failure = if let Fate::Failed(failure) = fate { Some(failure) } else { None };
    let failure = failure.map(FailureFacts::of);
    LeftAnswer::Unsaved(Box::new(UnsavedAnswer {
        state,
        reference: None,
        commit: None,
        files: failure.is_none().then_some(0),
        agent: &salvage.agent,
        worktree: salvage.worktree.as_deref(),
        branch: salvage.branch.as_deref(),
        base: salvage.base.as_deref(),
        head: salvage.head.as_deref(),
        commits: salvage.commits,
        failure,
    }))
}

/// What is kept: its name, whose it was, how long ago it was saved, how many files, where they lay.
fn table(kept: &[Salvage], format: Format, messages: &mut Messages) -> String {
    if kept.is_empty() {
        messages.line("nothing is kept of what dead owners left");
    }
    let row = |salvage: &Salvage| {
        let agent = if salvage.agent.is_empty() { "unknown" } else { &salvage.agent };
        [
            safe(&salvage.short_name()).into_owned(),
            safe(agent).into_owned(),
            salvage.at.map(|at| age(format.now, at)).unwrap_or_default(),
            salvage.files.map(|files| plural(files, "file")).unwrap_or_default(),
            safe(salvage.worktree.as_deref().unwrap_or_default()).into_owned(),
        ]
    };
    let rows: Vec<[String; 5]> = kept.iter().map(row).collect();
    if !kept.is_empty() {
        messages.hint("'git conductor salvage show NAME' shows one");
    }
    lined_up(&rows, 32, format.width)
}

/// The same as JSON.
fn json(kept: &[Salvage]) -> Value {
    json!(SalvageAnswer { v: VERSION, ok: true, salvage: list_json(kept) })
}

/// One of them: where it is from, and what it changes.
fn look_text(look: &Look, format: Format, messages: &mut Messages) -> String {
    let Look { salvage, differing } = look;
    let mut out = String::new();
    let mut put = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        _ = writeln!(out, "{name:<9} {value}");
    };
    put("salvage", &safe(&salvage.short_name()));
    put("agent", &if salvage.agent.is_empty() { "unknown".into() } else { safe(&salvage.agent) });
    if let Some(at) = salvage.at {
        let zone = zone(format.now).unwrap_or_else(|| "UTC".to_owned());
        put("saved", &format!("{} {zone} ({} ago)", moment(at), age(format.now, at)));
    }
    if let Some(worktree) = &salvage.worktree {
        put("worktree", &safe(worktree));
    }
    if let Some(branch) = &salvage.branch {
        put("branch", &safe(branch));
    }
    let since = salvage.commits.map(|count| plural(count, "commit"));
    if let (Some(base), Some(since)) = (&salvage.base, since) {
        put("claimed", &format!("at {}, {since} before it was saved", short(base)));
    }
    put("on", &salvage.head.as_deref().map_or_else(|| "no commit yet".to_owned(), short));
    put("commit", &safe(&salvage.commit));
    if !differing.stat.is_empty() {
        out.push('\n');
        out.push_str(visible(&differing.stat).trim_end_matches('\n'));
        out.push('\n');
    }
    match &differing.patch {
        Some(patch) if !patch.is_empty() => {
            out.push('\n');
            out.push_str(&coloured(visible(patch).trim_end_matches('\n'), format.out));
            out.push('\n');
        }
        Some(_) => {}
        None => messages.line("the differences are too long to be shown here"),
    }
    let commit = short(&salvage.commit);
    messages
        .hint(&format!("to have it in your worktree, run 'git cherry-pick --no-commit {commit}'"));
    out
}

/// A patch in git's colours.
fn coloured(patch: &str, paint: Paint) -> String {
    if !paint.on {
        return patch.to_owned();
    }
    // Before the first hunk of a file '---' and '+++' name it.
    let mut head = true;
    let line = |line: &str| {
        if line.starts_with("diff ") {
            head = true;
        } else if line.starts_with("@@") {
            head = false;
            return paint.busy(line);
        }
        match line.as_bytes().first() {
            _ if head => paint.dim(line),
            Some(b'+') => paint.good(line),
            Some(b'-') => paint.bad(line),
            _ => line.to_owned(),
        }
    };
    patch.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// The same as JSON; `diff` is null where that is too long.
fn look_json(look: &Look) -> Value {
    json!(SalvageShowAnswer {
        v: VERSION,
        ok: true,
        salvage: (&look.salvage).into(),
        stat: &look.differing.stat,
        diff: look.differing.patch.as_deref(),
    })
}

/// What was dropped, and which commits that were.
fn dropped_text(dropped: &[Salvage], messages: &mut Messages) -> String {
    for salvage in dropped {
        let (name, commit) = (salvage.short_name(), &salvage.commit);
        messages.line(&format!("dropped '{}', which was {}", safe(&name), safe(commit)));
    }
    match dropped {
        [] => messages.line("nothing is dropped"),
        [first, ..] => messages.hint(&format!(
            "git keeps a commit for some time: 'git branch salvaged {}' has it again",
            short(&first.commit)
        )),
    }
    "OK\n".to_owned()
}

/// The same as JSON.
fn dropped_json(dropped: &[Salvage]) -> Value {
    json!(SalvageDropAnswer { v: VERSION, ok: true, dropped: list_json(dropped) })
}
