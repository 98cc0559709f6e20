//! What is said of hooks: what is installed, whether git would run it, and what it guards.

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

/// The same as JSON.
fn json(hooks: &Hooks) -> Value {
    let here = &hooks.here;
    let form = here.form();
    let first = hooks.targets.first().map(|target| &target.protection);
    let place = |place: &Place| {
        let form = place.form();
        json!({
            "path": place.from.display().to_string(),
            "hook": place.path.display().to_string(),
            "installed": form.map(|form| form.way),
            "runs": place.asks(),
            "why_not": form.and_then(|form| form.why_not.as_ref()).or(place.unknown.as_ref()),
        })
    };
    let target = |target: &Target| {
        json!({
            "to": target.to,
            "by": target.by,
            "protects": target.protection.protects,
            "guessed": target.protection.guessed,
        })
    };
    let forms = here.forms.iter().map(
        |form| json!({"way": form.way, "runs": form.why_not.is_none(), "why_not": form.why_not}),
    );
    json!({
        "v": VERSION, "ok": true,
        "installed": form.map(|form| form.way),
        "changed": hooks.changed,
        "path": here.path.display().to_string(),
        "runs": here.asks(),
        "why_not": form.and_then(|form| form.why_not.as_ref()),
        "forms": forms.collect::<Vec<_>>(),
        "runs_before_2_54": here.forms.iter().any(|form| form.way != Way::Config && form.why_not.is_none()),
        "worktrees": hooks.elsewhere.iter().map(place).collect::<Vec<_>>(),
        "protects": first.map(|protection| &protection.protects),
        "guessed": first.is_some_and(|protection| protection.guessed),
        "pushes": hooks.targets.iter().map(target).collect::<Vec<_>>(),
    })
}
