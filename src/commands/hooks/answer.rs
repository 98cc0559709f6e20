//! What is said of hooks: what is installed, whether git would run it, and what it guards.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Action, Form, Hooks, Place, Target, Way};
use crate::record::VERSION;
use crate::rules::push::Protection;
use crate::ui::text::{list, safe};
use crate::ui::{Answer, Format, Messages};

impl Answer for Hooks {
    fn text(&self, _: Format, messages: &mut Messages) -> String {
        text(self, messages)
    }

    fn json(&self, _: Format) -> Value {
        json(self)
    }
}

/// What there is of hooks.
fn text(hooks: &Hooks, messages: &mut Messages) -> String {
    let here = &hooks.here;
    if let Some(why) = here.form().and_then(|form| form.why_not.as_ref()) {
        messages.warning(&format!("git would not run the hook: {}", safe(why)));
    }
    for (place, why) in hooks.slips() {
        let from = safe(&place.from.display().to_string()).into_owned();
        messages.warning(&format!("a push from '{from}' does not ask the gate: {}", safe(&why)));
    }
    let way = way(here);
    match hooks.action {
        Action::Status => {
            if let Some(why) = here.why_not_before() {
                messages.line(&format!("a git before 2.54 would not ask the gate: {}", safe(&why)));
            }
            if here.forms.is_empty() {
                messages.hint("git conductor hooks install");
            }
            if hooks.targets.iter().any(|target| target.protection.guessed) {
                messages.hint(GUESSED);
            }
            format!("{way}\n{}", guarded(&hooks.targets).join("\n") + "\n")
        }
        Action::Install => {
            messages.line(&way);
            if let Some(why) = here.why_not_before() {
                messages.line(&format!("a git before 2.54 would not ask the gate: {}", safe(&why)));
            }
            for line in guarded(&hooks.targets) {
                messages.line(&line);
            }
            if hooks.targets.iter().any(|target| target.protection.guessed) {
                messages.hint(GUESSED);
            }
            "OK\n".to_owned()
        }
        Action::Uninstall => {
            messages.line(if hooks.changed {
                "the hook is gone"
            } else {
                "there was no hook of ours"
            });
            if !here.forms.is_empty() {
                messages.line(&way);
            }
            "OK\n".to_owned()
        }
    }
}

/// What may be done about a guess.
const GUESSED: &str = "a default branch is not known here: the remote is asked for it when something is \
                       pushed there, and where it does not answer this is guessed; \
                       'git remote set-head <remote> --auto' asks it now";

/// By what a push from there asks the gate.
fn way(place: &Place) -> String {
    let path = safe(&place.path.display().to_string()).into_owned();
    let by = |form: &Form| match form.way {
        Way::Config => "by 'hook.conductor' in git's settings".to_owned(),
        Way::File => format!("by a block in '{path}'"),
        Way::Line => format!("by a line in '{path}'"),
    };
    let run: Vec<&Form> = place.forms.iter().filter(|form| form.why_not.is_none()).collect();
    match (run.as_slice(), place.form()) {
        (_, None) => "no push asks the gate".to_owned(),
        ([], Some(form)) => format!("a push would ask the gate {}", by(form)),
        (run, _) => {
            let by: Vec<String> = run.iter().map(|form| by(form)).collect();
            format!("a push asks the gate, {}", list(&by))
        }
    }
}

/// A line for each place that pushes go to by configuration.
fn guarded(targets: &[Target]) -> Vec<String> {
    let line = |(at, target): (usize, &Target)| {
        let what = guards(&target.protection);
        let by: Vec<String> = target.by.iter().map(|by| safe(by).into_owned()).collect();
        let by = if by.is_empty() { String::new() } else { format!(" ({})", by.join(", ")) };
        match (at, targets.len()) {
            (_, 1) => format!("guarded: {what}"),
            _ => format!("guarded at '{}'{by}: {what}", safe(&target.to)),
        }
    };
    targets.iter().enumerate().map(line).collect()
}

/// What is guarded.
pub(super) fn guards(protection: &Protection) -> String {
    list(&protection.protects.iter().map(|name| safe(name).into_owned()).collect::<Vec<_>>())
}

/// What a push from another worktree runs.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct HooksPlace<'a> {
    /// The worktree; of a bare repository, its git directory.
    path: String,
    /// The hook file that git would run.
    hook: String,
    /// How the hook is installed there.
    installed: Option<Way>,
    /// Whether a push from there asks the gate.
    runs: bool,
    /// Why not.
    why_not: Option<&'a str>,
}

/// A form of the hook.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct HooksForm<'a> {
    /// How it is installed.
    way: Way,
    /// Whether the git here would run it.
    runs: bool,
    /// Why not.
    why_not: Option<&'a str>,
}

/// What is guarded of one place that pushes go to.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct HooksTarget<'a> {
    /// The remote, or the address.
    to: &'a str,
    /// The settings that name it.
    by: &'a [String],
    /// The patterns of references that are guarded there.
    protects: &'a [String],
    /// Whether the remote's default branch is not known, so that it was guessed.
    guessed: bool,
}

/// What `hooks` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[expect(clippy::struct_excessive_bools, reason = "each is one fact of its own")]
pub(in crate::commands) struct HooksAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// How the hook is installed.
    installed: Option<Way>,
    /// Whether this call changed anything.
    changed: bool,
    /// The hook file that git would run.
    path: String,
    /// Whether a push from here asks the gate.
    runs: bool,
    /// Why not.
    why_not: Option<&'a str>,
    /// Each form of the hook that is there.
    forms: Vec<HooksForm<'a>>,
    /// Whether a git before 2.54 asks the gate, too.
    runs_before_2_54: bool,
    /// The same of the other worktrees.
    worktrees: Vec<HooksPlace<'a>>,
    /// The patterns of references that are guarded where pushes go by default.
    protects: Option<&'a [String]>,
    /// Whether the remote's default branch is not known, so that it was guessed.
    guessed: bool,
    /// What is guarded of each place that pushes go to.
    pushes: Vec<HooksTarget<'a>>,
}

/// The same as JSON.
fn json(hooks: &Hooks) -> Value {
    let here = &hooks.here;
    let form = here.form();
    let first = hooks.targets.first().map(|target| &target.protection);
    let forms = here.forms.iter().map(|form| HooksForm {
        way: form.way,
        runs: form.why_not.is_none(),
        why_not: form.why_not.as_deref(),
    });
    json!(HooksAnswer {
        v: VERSION,
        ok: true,
        installed: form.map(|form| form.way),
        changed: hooks.changed,
        path: here.path.display().to_string(),
        runs: here.asks(),
        why_not: form.and_then(|form| form.why_not.as_deref()),
        forms: forms.collect(),
        runs_before_2_54: here
            .forms
            .iter()
            .any(|form| form.way != Way::Config && form.why_not.is_none()),
        worktrees: hooks.elsewhere.iter().map(HooksPlace::from).collect(),
        protects: first.map(|protection| &*protection.protects),
        guessed: first.is_some_and(|protection| protection.guessed),
        pushes: hooks.targets.iter().map(HooksTarget::from).collect(),
    })
}

impl<'a> From<&'a Place> for HooksPlace<'a> {
    fn from(place: &'a Place) -> Self {
        let form = place.form();
        let why_not = form.and_then(|form| form.why_not.as_ref()).or(place.unknown.as_ref());
        Self {
            path: place.from.display().to_string(),
            hook: place.path.display().to_string(),
            installed: form.map(|form| form.way),
            runs: place.asks(),
            why_not: why_not.map(String::as_str),
        }
    }
}

impl<'a> From<&'a Target> for HooksTarget<'a> {
    fn from(target: &'a Target) -> Self {
        Self {
            to: &target.to,
            by: &target.by,
            protects: &target.protection.protects,
            guessed: target.protection.guessed,
        }
    }
}
