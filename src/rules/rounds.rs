//! Going round again: which completions of one sprint the next one begins with. Pure.
//!
//! What a carried phase depends on is carried too: a new sprint has, like any other, nothing done
//! whose dependencies are not. So what failed is never carried, nor what hangs on it.

use std::collections::BTreeSet;

use super::board::{Board, State};
use super::graph::{Graph, PhaseId};
use super::reasons::Uncarried;
use super::refusal::Refusal;
use crate::record::Verdict;

/// Which completions a new sprint is to take over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ask {
    /// The sprint that is taken up again, if it is not the last one.
    pub resume: Option<String>,
    /// Neither this phase nor what depends on it.
    pub from: Option<String>,
    /// Just these; without it, all that can be.
    pub carry: Option<Vec<String>>,
}

/// The phases that `ask` means, each after all that it depends on.
///
/// # Errors
/// A phase that there is none of; or one that was named and cannot be carried.
pub fn carried(board: &Board, ask: &Ask) -> Result<Vec<PhaseId>, Refusal> {
    let graph = &board.graph;
    let find = |name: &String| {
        graph.find(name).ok_or_else(|| Refusal::UnknownPhase {
            phase: name.clone(),
            phases: graph.ids().map(|id| graph.phase(id).name.clone()).collect(),
        })
    };
    let from = ask.from.as_ref().map(find).transpose()?;
    let begins =
        |id: PhaseId| from.is_some_and(|from| id == from || graph.ancestors(id).contains(&from));
    let named = match &ask.carry {
        Some(names) => Some(names.iter().map(find).collect::<Result<BTreeSet<_>, _>>()?),
        None => None,
    };
    let mut carried: Vec<PhaseId> = Vec::new();
    for id in graph.order() {
        if named.as_ref().is_some_and(|named| !named.contains(&id)) {
            continue;
        }
        let lacks: Vec<PhaseId> = graph
            .phase(id)
            .depends_on
            .iter()
            .copied()
            .filter(|dep| !carried.contains(dep))
            .collect();
        let why = match board.state(id) {
            _ if begins(id) => Uncarried::Begins,
            State::Pending | State::Claimed(_) => Uncarried::NotDone,
            State::Done(done) if done.verdict == Verdict::Fail => Uncarried::Failed,
            State::Done(done) if done.is_unreadable() => Uncarried::Unreadable,
            State::Done(_) if !lacks.is_empty() => Uncarried::Needs,
            State::Done(_) => {
                carried.push(id);
                continue;
            }
        };
        if named.is_some() {
            let needs = lacks.into_iter().map(|dep| graph.phase(dep).name.clone()).collect();
            let phase = graph.phase(id).name.clone();
            let from = ask.from.clone();
            return Err(Refusal::CannotCarry { phase, why, needs, from });
        }
    }
    Ok(carried)
}

/// The phases that can be claimed where just `carried` are done.
#[must_use]
pub fn open(graph: &Graph, carried: &[PhaseId]) -> Vec<PhaseId> {
    let met = |id: PhaseId| graph.phase(id).depends_on.iter().all(|dep| carried.contains(dep));
    graph.ids().filter(|id| !carried.contains(id) && met(*id)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::spec;
    use super::*;
    use crate::record::{Done, Sprint};
    use crate::rules::graph::Names;

    /// The default graph, in which `words` are done; `review!` has failed, and of `review?` there
    /// is no record that can be read.
    fn board(words: &str) -> Board {
        let entries = spec::default_phases();
        let sprint = serde_json::json!({"sprint_id": "s", "phases": entries.clone()});
        let sprint: Sprint = serde_json::from_value(sprint).unwrap();
        let mut board = Board::new(sprint, Graph::new(&entries, Names::New).unwrap());
        for word in words.split_whitespace() {
            let name = word.trim_end_matches('!');
            let name = name.trim_end_matches('?');
            let verdict = if word.ends_with('!') { Verdict::Fail } else { Verdict::Pass };
            let agent = if word.ends_with('?') { String::new() } else { "ann".to_owned() };
            let id = board.graph.find(name).unwrap();
            board.set(id, State::Done(Done { agent, verdict, ..Done::default() }));
        }
        board
    }

    /// What is carried, `|`, what is open then; or why not.
    fn answer(done: &str, from: Option<&str>, carry: Option<&str>) -> String {
        let board = board(done);
        let ask = Ask {
            resume: None,
            from: from.map(str::to_owned),
            carry: carry.map(|names| names.split_whitespace().map(str::to_owned).collect()),
        };
        let names = |ids: &[PhaseId]| {
            let names = ids.iter().map(|id| board.graph.phase(*id).name.as_str());
            names.collect::<Vec<_>>().join(" ")
        };
        match carried(&board, &ask) {
            Ok(ids) => format!("{} | {}", names(&ids), names(&open(&board.graph, &ids))),
            Err(Refusal::CannotCarry { phase, why, needs, .. }) => {
                let why = serde_json::to_value(why).unwrap();
                format!("{phase}: {} {}", why.as_str().unwrap(), needs.join(" "))
            }
            Err(refusal) => refusal.code().to_owned(),
        }
    }

    #[test]
    fn what_is_carried() {
        let all = "think plan build review! qa security";
        let table: &[(&str, Option<&str>, Option<&str>, &str)] = &[
            (all, Some("build"), None, "think plan | build"),
            (all, Some("think"), None, " | think"),
            // What failed is not, nor what is not done.
            (all, Some("review"), None, "think plan build qa security | review"),
            (all, Some("qa"), None, "think plan build security | review qa"),
            ("think plan", Some("ship"), None, "think plan | build"),
            // What hangs on a failed phase is not, even if another program let it be done.
            ("think! plan build", Some("ship"), None, " | think"),
            ("think plan? build", Some("ship"), None, "think | plan"),
            ("think plan?", None, Some("think plan"), "plan: unreadable "),
            (all, None, Some("think plan"), "think plan | build"),
            (all, None, Some("plan think think"), "think plan | build"),
            (all, None, Some("plan"), "plan: needs think"),
            (all, None, Some("think plan build review"), "review: failed "),
            (all, None, Some("think plan build qa ship"), "ship: not_done review security"),
            (all, None, Some("deploy"), "unknown_phase"),
            (all, Some("deploy"), None, "unknown_phase"),
            (all, Some("build"), Some("think"), "think | plan"),
            (all, Some("build"), Some("think plan build"), "build: begins "),
            (all, Some("plan"), Some("think build"), "build: begins plan"),
            (all, None, None, "think plan build qa security | review"),
        ];
        for (done, from, carry, wanted) in table {
            assert_eq!(answer(done, *from, *carry), *wanted, "{done}, {from:?}, {carry:?}");
        }
    }
}
