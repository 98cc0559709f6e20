//! The table of known agents: what they set for their children, and what their process is called.
//!
//! Gathered from published detectors and the agents' own sources, late 2026. The table is data: the
//! documentation lists it, and a new agent is one more row.

use super::name;
use crate::host::vars::Vars;

/// What a family's session id is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// The agent itself: a thread, a session or a job that keeps its id for as long as it is at
    /// work. Another id is another agent, also below the same process.
    Agent,
    /// Something else, or something that changes while the agent lives: the process decides who it
    /// is, and the id only knows it again once that process is gone.
    Other,
}

/// One kind of agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// The first part of its agents' names.
    pub name: &'static str,
    /// Variables that it sets in its child processes; one that is set, and not to `0`, `false`,
    /// `no` or `off`, tells the family.
    pub marks: &'static [&'static str],
    /// Variables that hold its session id, best first; each is a mark too.
    pub ids: &'static [&'static str],
    /// What such an id is of.
    pub names: Names,
    /// Names of its process, and of its script where an interpreter runs it.
    pub processes: &'static [&'static str],
}

const fn row(
    name: &'static str,
    marks: &'static [&'static str],
    ids: &'static [&'static str],
    processes: &'static [&'static str],
) -> Family {
    Family { name, marks, ids, names: Names::Other, processes }
}

/// One whose session id names the agent.
const fn named(family: Family) -> Family {
    Family { names: Names::Agent, ..family }
}

/// Variables in which an agent says its own name; asked before all families' marks.
pub const NAMED: &[&str] = &["AI_AGENT", "AGENT"];

/// All families, in the order in which their variables are asked for.
///
/// What the ids are of: `claude` begins a new session at `/clear` and goes on with its work, so its
/// process decides. `codex` has threads, several of them below one `app-server`, and `opencode`
/// sessions below one server; `amp` names its thread. `CURSOR_TRACE_ID` is of the editor's
/// terminal, in which several agents can be at work, and nothing promises that an agent keeps it. A
/// `REPL_ID` is of the workspace and no id of an agent at all. Where nothing is known the process
/// decides, as it did before.
pub const FAMILIES: &[Family] = &[
    row(
        "claude",
        &["CLAUDECODE", "CLAUDE_CODE"],
        &["CLAUDE_CODE_SESSION_ID", "CLAUDE_SESSION_ID"],
        &["claude"],
    ),
    named(row(
        "codex",
        &["CODEX_SANDBOX", "CODEX_CI"],
        &["CODEX_THREAD_ID", "CODEX_SESSION_ID"],
        &["codex"],
    )),
    named(row(
        "opencode",
        &["OPENCODE", "OPENCODE_CLIENT", "OPENCODE_BIN_PATH"],
        &["OPENCODE_SESSION_ID"],
        &["opencode"],
    )),
    row("cursor", &["CURSOR_AGENT"], &["CURSOR_TRACE_ID"], &["cursor-agent"]),
    row("gemini", &["GEMINI_CLI"], &[], &["gemini"]),
    row("copilot", &["COPILOT_MODEL", "COPILOT_ALLOW_ALL"], &[], &["copilot"]),
    named(row("amp", &[], &["AMP_CURRENT_THREAD_ID"], &["amp"])),
    row("antigravity", &["ANTIGRAVITY_AGENT"], &[], &[]),
    row("auggie", &["AUGMENT_AGENT"], &[], &["auggie"]),
    row("qwen", &["QWEN_CODE"], &[], &["qwen"]),
    row("crush", &["CRUSH"], &[], &["crush"]),
    row("goose", &["GOOSE_TERMINAL"], &[], &["goose"]),
    row("cline", &["CLINE_ACTIVE"], &[], &["cline"]),
    row("kimi", &[], &[], &["kimi", "kimi-cli"]),
    row("pi", &["PI_CODING_AGENT"], &[], &["pi"]),
    row("replit", &["REPL_ID"], &[], &[]),
    row("droid", &[], &[], &["droid"]),
    row("devin", &[], &[], &["devin"]),
    row("aider", &[], &[], &["aider"]),
    row("openclaw", &[], &[], &["openclaw"]),
];

/// The family of jobs: `CI` must be set as well as one of the ids.
pub const CI: Family = named(row(
    "ci",
    &["CI"],
    &[
        "GITHUB_RUN_ID",
        "CI_JOB_ID",
        "BUILDKITE_JOB_ID",
        "CIRCLE_WORKFLOW_JOB_ID",
        "TRAVIS_JOB_ID",
        "APPVEYOR_JOB_ID",
        "SEMAPHORE_JOB_ID",
        "CIRRUS_TASK_ID",
        "BITBUCKET_STEP_UUID",
        "BUILD_TAG",
    ],
    &[],
));

/// What tells the jobs of one run apart, where an id of [`CI`] is one that they share: jobs of a
/// matrix, parallel ones and stages on several nodes would otherwise own each other's claims.
const CI_JOB: &[(&str, &[&str])] = &[
    ("GITHUB_RUN_ID", &["GITHUB_JOB", "RUNNER_NAME"]),
    ("CIRCLE_WORKFLOW_JOB_ID", &["CIRCLE_NODE_INDEX"]),
    ("BUILD_TAG", &["NODE_NAME", "EXECUTOR_NUMBER"]),
];

/// Jobs whose steps are processes of their own, one after another: that one of these has ended
/// proves nothing about the job.
const IN_STEPS: &[&str] =
    &["GITHUB_RUN_ID", "CIRCLE_WORKFLOW_JOB_ID", "CIRRUS_TASK_ID", "BUILD_TAG"];

/// Processes of which each job has one of its own, and that last as long as it does.
pub(super) const WORKERS: &[&str] = &["Runner.Worker"];

/// The longest session id that is believed, in bytes.
const LONGEST_ID: usize = 256;

/// A family that was detected, and its session id if it set one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Detected {
    pub(super) family: String,
    /// The variable whose last characters go into the name.
    pub(super) id: Option<String>,
    pub(super) session: Option<String>,
    /// The row of the table, if there is one.
    row: Option<&'static Family>,
}

impl Detected {
    /// Whether the session id names the agent itself.
    pub(super) fn is_named(&self) -> bool {
        self.session.is_some() && self.row.is_some_and(|row| row.names == Names::Agent)
    }

    /// Whether it is a job rather than an agent.
    pub(super) fn is_job(&self) -> bool {
        self.row.is_some_and(|row| row.name == CI.name)
    }

    /// Whether the job's steps are processes of their own, by the `vars` that gave its id.
    pub(super) fn is_in_steps(&self, vars: &Vars) -> bool {
        let of_id = |name: &&&str| vars.get(name) == self.id.as_deref();
        self.is_job() && CI.ids.iter().find(of_id).is_some_and(|name| IN_STEPS.contains(name))
    }

    /// Whether the variables of another process give the same session id.
    pub(super) fn is_in(&self, vars: &Vars) -> bool {
        let session = match self.row {
            Some(_) if self.is_job() => job(vars).and_then(|job| job.session),
            Some(row) => row.session(vars),
            None => None,
        };
        session.is_some() && session == self.session
    }
}

impl Family {
    /// The family whose process, or script, has this name.
    #[must_use]
    pub fn of_process(process: &str) -> Option<&'static Self> {
        FAMILIES.iter().find(|family| family.processes.contains(&process))
    }

    /// The session id that this family's variables give.
    #[must_use]
    pub fn session(&self, vars: &Vars) -> Option<String> {
        let id = |variable: &&str| vars.get(variable).filter(|id| id.len() <= LONGEST_ID);
        self.ids.iter().find_map(id).map(str::to_owned)
    }

    pub(super) fn detected(&'static self, vars: &Vars) -> Detected {
        let session = self.session(vars);
        Detected { family: self.name.to_owned(), id: session.clone(), session, row: Some(self) }
    }

    /// Whether its variables are set.
    fn marked(&self, vars: &Vars) -> bool {
        self.marks.iter().chain(self.ids).any(|variable| is_on(vars, variable))
    }
}

/// The family that the variables tell, when no agent process is in sight.
pub(super) fn from_vars(vars: &Vars) -> Option<Detected> {
    let named = NAMED.iter().find_map(|variable| self_named(vars, vars.get(variable)?));
    let marked = || FAMILIES.iter().find(|family| family.marked(vars));
    named.or_else(|| marked().map(|family| family.detected(vars))).or_else(|| job(vars))
}

/// The job that the variables tell.
fn job(vars: &Vars) -> Option<Detected> {
    static JOB: Family = CI;
    let mut detected = JOB.detected(vars);
    let session = detected.session.as_mut().filter(|_| is_on(vars, "CI"))?;
    let id = session.clone();
    let shared = CI_JOB.iter().find(|(variable, _)| vars.get(variable) == Some(id.as_str()));
    let parts = shared.into_iter().flat_map(|(_, parts)| *parts);
    for part in parts.filter_map(|variable| vars.get(variable)) {
        session.push('/');
        session.push_str(part);
    }
    Some(detected)
}

/// Takes `AI_AGENT=<name>` at its word. `claude-code_2-1_agent` and `gemini-cli/0.9` are known
/// families; a mere switch (`AGENT=1`) names nothing.
fn self_named(vars: &Vars, value: &str) -> Option<Detected> {
    let value = name::tidy(&value.to_ascii_lowercase(), 32);
    if is_off(&value)
        || matches!(value.as_str(), "true" | "yes" | "on")
        || !value.bytes().any(|byte| byte.is_ascii_lowercase())
    {
        return None;
    }
    let is = |known: &str| {
        let rest = value.strip_prefix(known);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    };
    let known = FAMILIES
        .iter()
        .find(|family| is(family.name) || family.processes.iter().any(|process| is(process)));
    Some(match known {
        Some(family) => family.detected(vars),
        None => Detected { family: value, id: None, session: None, row: None },
    })
}

/// Whether a variable is set, and not to say no.
fn is_on(vars: &Vars, variable: &str) -> bool {
    vars.get(variable).is_some_and(|value| !is_off(&value.to_ascii_lowercase()))
}

fn is_off(value: &str) -> bool {
    matches!(value, "" | "0" | "false" | "no" | "off")
}
