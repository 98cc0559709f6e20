//! A sprint that is walked: its phases, who takes part, and what they ask.

use git_conductor::record::{PhaseEntry, Rest, Sprint, Verdict};
use git_conductor::rules::graph::Names;
use git_conductor::rules::request::Request;
use git_conductor::rules::{Graph, PhaseId};

use super::agents::{Agent, HERE, Slot};

pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) sprint: Sprint,
    pub(super) graph: Graph,
    pub(super) phases: Vec<PhaseId>,
    pub(super) slots: Vec<Slot>,
    /// Those that walk, and then one for each phase that comes only to a rescue.
    pub(super) agents: Vec<Agent>,
    pub(super) walkers: usize,
    pub(super) requests: Vec<Request>,
    /// How many incarnations of one process are told apart at once.
    pub(super) incarnations: usize,
    /// Whether the store still knows whose claim it was before.
    pub(super) remembers: bool,
    /// Whether what is fresh lies in the future.
    pub(super) clock_jumped_back: bool,
}

/// What is handed in, and with which verdict.
type Completion = (Option<&'static str>, Verdict);

pub(super) const PASS: Completion = (None, Verdict::Pass);
pub(super) const FAIL: Completion = (None, Verdict::Fail);
pub(super) const WITH_A: Completion = (Some("a"), Verdict::Pass);
pub(super) const WITH_B: Completion = (Some("b"), Verdict::Pass);
pub(super) const FAIL_A: Completion = (Some("a"), Verdict::Fail);

pub(super) fn claim(takeover: bool) -> Request {
    Request::Claim { takeover }
}

pub(super) fn hand_in(artifact: Option<&str>, verdict: Verdict) -> Request {
    Request::Complete { artifact: artifact.map(str::to_owned), verdict }
}

/// Every request, with the completions that are asked for.
fn requests(completions: &[Completion]) -> Vec<Request> {
    let mut requests = vec![
        claim(false),
        claim(true),
        Request::Abort,
        Request::Unstuck { force: false },
        Request::Unstuck { force: true },
    ];
    requests.extend(completions.iter().map(|(artifact, verdict)| hand_in(*artifact, *verdict)));
    requests
}

/// `a b:a c:a+b!a d*2` is four phases; what follows `!` is `not_by`, what follows `*` how many
/// attempts may fail.
fn phases(text: &str) -> Vec<PhaseEntry> {
    let list = |names: &str| -> Vec<String> {
        names.split('+').filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let entry = |word: &str| {
        let (word, limit) = word.split_once('*').unwrap_or((word, ""));
        let (word, not_by) = word.split_once('!').unwrap_or((word, ""));
        let (name, depends_on) = word.split_once(':').unwrap_or((word, ""));
        PhaseEntry {
            name: name.to_owned(),
            depends_on: list(depends_on),
            not_by: list(not_by),
            max_attempts: limit.parse().ok(),
            ..PhaseEntry::default()
        }
    };
    text.split(' ').map(entry).collect()
}

impl Scenario {
    pub(super) fn new(name: &'static str, graph: &str, slots: &[Slot], agents: &[Agent]) -> Self {
        let entries = phases(graph);
        let graph = match Graph::new(&entries, Names::New) {
            Ok(graph) => graph,
            Err(error) => unreachable!("{name}: {error}"),
        };
        let mut slots = slots.to_vec();
        let mut agents = agents.to_vec();
        let walkers = agents.len();
        for fresh in ["fresh-0", "fresh-1", "fresh-2", "fresh-3"].iter().take(entries.len()) {
            agents.push(Agent::explicit(fresh, slots.len()));
            slots.push(HERE);
        }
        Self {
            name,
            sprint: Sprint {
                sprint_id: "0123456789ab-20270115-080000".to_owned(),
                project: "/repo".to_owned(),
                started_by: String::new(),
                started_at: None,
                status: Sprint::ACTIVE.to_owned(),
                goal: None,
                archived_at: None,
                from: None,
                phases: entries,
                rest: Rest::new(),
            },
            phases: graph.ids().collect(),
            graph,
            slots,
            agents,
            walkers,
            requests: requests(&[PASS]),
            incarnations: 2,
            remembers: true,
            clock_jumped_back: false,
        }
    }

    pub(super) fn asking(self, completions: &[Completion]) -> Self {
        Self { requests: requests(completions), ..self }
    }
    pub(super) fn without_restarts(self) -> Self {
        Self { incarnations: 1, ..self }
    }
    pub(super) fn forgetful(self) -> Self {
        Self { remembers: false, ..self }
    }
    pub(super) fn after_the_clock_jumped_back(self) -> Self {
        Self { clock_jumped_back: true, ..self }
    }

    /// The name of a phase.
    pub(super) fn phase(&self, phase: usize) -> &String {
        &self.graph.phase(self.phases[phase]).name
    }
}
