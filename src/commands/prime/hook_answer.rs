//! What an agent's hook says, in the words that the agent reads. None of them allows a call of a
//! tool; some refuse one.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::answer;
use super::hook::{Event, Hooked, Said};
use crate::commands::skill::Reader;
use crate::record::VERSION;
use crate::ui::output::one_line;
use crate::ui::text::safe;
use crate::ui::{Answer, Format, Messages};

impl Answer for Hooked {
    fn text(&self, format: Format, _: &mut Messages) -> String {
        text(self, format.now)
    }

    fn json(&self, format: Format) -> Value {
        json(self, format.now)
    }
}

/// What is printed: text or one JSON object, as the agent wants it; nothing if there is nothing to
/// say.
fn text(hooked: &Hooked, now: Timestamp) -> String {
    let reader = hooked.reader.unwrap_or(Reader::Claude);
    let answer = match &hooked.said {
        Said::Nothing => None,
        Said::Primer(primer) => {
            let text = answer::text(Some(primer), now);
            match reader {
                // What these print is what their agents read.
                Reader::Claude | Reader::Other => return text,
                Reader::Codex | Reader::Gemini => Some(context("SessionStart", &text)),
                Reader::Cursor => Some(json!({"additional_context": text})),
            }
        }
        Said::Holds(holds) => answer::stopping(holds).map(|reason| match reader {
            Reader::Claude | Reader::Codex | Reader::Other => {
                json!({"decision": "block", "reason": reason})
            }
            Reader::Gemini => json!({"decision": "deny", "reason": reason}),
            Reader::Cursor => json!({"followup_message": reason}),
        }),
        Said::Name(name) => match reader {
            Reader::Claude | Reader::Codex | Reader::Other => {
                Some(context("SubagentStart", &introduction(name)))
            }
            Reader::Gemini | Reader::Cursor => None,
        },
        // Without a decision: whether the call is allowed is for the agent's own rules to say.
        // Codex takes no change without one.
        Said::Input(input) => match reader {
            Reader::Claude | Reader::Other => Some(json!({
                "hookSpecificOutput": {"hookEventName": "PreToolUse", "updatedInput": input},
            })),
            Reader::Codex | Reader::Gemini | Reader::Cursor => None,
        },
        Said::Unclaimed { sprint } => Some(denied(reader, &unclaimed(sprint))),
    };
    answer.as_ref().map(one_line).unwrap_or_default()
}

fn context(event: &str, text: &str) -> Value {
    json!({"hookSpecificOutput": {"hookEventName": event, "additionalContext": text}})
}

fn denied(reader: Reader, reason: &str) -> Value {
    match reader {
        Reader::Claude | Reader::Codex | Reader::Other => json!({
            "hookSpecificOutput": {
                "hookEventName": "PreToolUse",
                "permissionDecision": "deny",
                "permissionDecisionReason": reason,
            },
        }),
        Reader::Gemini => json!({"decision": "deny", "reason": reason}),
        Reader::Cursor => {
            json!({"permission": "deny", "user_message": reason, "agent_message": reason})
        }
    }
}

/// What a subagent is told when it begins.
fn introduction(name: &str) -> String {
    let name = safe(name).replace('"', "'");
    format!(
        "git conductor: you are the subagent \"{name}\", an agent of its own. What the agent that began you \
         holds is not yours to complete. Each 'git conductor' command that you run gets your name by itself; \
         in scripts, give it: --agent NAME. When you end, what you have not completed is given up."
    )
}

fn unclaimed(sprint: &str) -> String {
    format!(
        "nothing was changed: this repository is shared in sprint '{}', and you hold none of its phases. \
         Claim one first with 'git conductor next --claim', and change what belongs to it. \
         If your human wants this change outside of the sprint, tell them, and stop",
        safe(sprint)
    )
}

/// The same as JSON.
fn json(hooked: &Hooked, now: Timestamp) -> Value {
    let event = Some(match hooked.event {
        Event::Start => "start",
        Event::Stop => "stop",
        Event::SubagentStart => "subagent-start",
        Event::SubagentStop => "subagent-stop",
        Event::Command => "command",
        Event::Edit => "edit",
    });
    match (&hooked.said, hooked.event) {
        (Said::Primer(primer), _) => answer::json(Some(primer), now),
        (_, Event::Start) => answer::json(None, now),
        (Said::Holds(holds), _) => json!(HookAnswer { holds: Some(holds), ..HookAnswer::of(None) }),
        (_, Event::Stop) => json!(HookAnswer { holds: Some(&[]), ..HookAnswer::of(None) }),
        (Said::Name(name), _) => json!(HookAnswer { name: Some(name), ..HookAnswer::of(event) }),
        (Said::Input(input), _) => {
            json!(HookAnswer { input: Some(input), ..HookAnswer::of(event) })
        }
        (Said::Unclaimed { sprint }, _) => {
            json!(HookAnswer { refused: true, sprint_id: Some(sprint), ..HookAnswer::of(event) })
        }
        (Said::Nothing, _) => json!(HookAnswer::of(event)),
    }
}

/// What `prime --hook` and `prime --stop` answer with `--json`, in place of the agent's own format.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct HookAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// Of an agent that is about to stop: the phases that it owns.
    #[serde(skip_serializing_if = "Option::is_none")]
    holds: Option<&'a [String]>,
    /// What the agent was about to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    /// The name that a subagent was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    /// The input of the agent's tool, as it is to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a Map<String, Value>>,
    /// Whether the change is refused, as the agent owns no phase.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    refused: bool,
    /// The sprint in which it owns none.
    #[serde(skip_serializing_if = "Option::is_none")]
    sprint_id: Option<&'a str>,
}

impl HookAnswer<'_> {
    /// Of that event, without anything to say.
    const fn of(event: Option<&'static str>) -> Self {
        Self {
            v: VERSION,
            ok: true,
            holds: None,
            event,
            name: None,
            input: None,
            refused: false,
            sprint_id: None,
        }
    }
}
