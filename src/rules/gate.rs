//! The gate before what goes out: who may pass it, and what counts as evidence. Pure; what goes out
//! and whether pins are whole come in as values.
//!
//! One phase guards (`ship`, unless a setting says otherwise). Whoever holds it may pass; once it is
//! done, the commit that it was done at may. Evidence is what the phases that it directly depends on
//! have shown of the very content that goes out.

use jiff::Timestamp;
use serde::Serialize;

use super::board::{Board, Standing, State};
use super::decide::{check_dependencies, check_four_eyes, owned};
use super::graph::PhaseId;
use super::identity::Me;
use super::others::Holder;
use super::refusal::{Refusal, Wait};
use crate::record::{Done, Verdict};

/// What is about to go out, one of possibly several things.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// Commit id; `None` if it is no commit, or there is none yet.
    pub commit: Option<String>,
    /// The commit's tree.
    pub tree: Option<String>,
}

/// What is asked of the gate.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The phase that guards.
    pub phase: &'a str,
    /// Who asks.
    pub me: &'a Me,
    /// Whether nothing goes out without an unfinished sprint.
    pub require_sprint: bool,
    /// What goes out.
    pub contents: &'a [Content],
    /// Whether something is taken away where it all goes.
    pub deletes: bool,
}

/// Why the gate is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Passage {
    /// There is no unfinished sprint, and none is asked for.
    NoSprint,
    /// The asker holds the phase that guards.
    Claimed,
    /// That phase is done, and what goes out is the commit it was done at.
    Done,
}

/// Why the gate is shut, beyond what other refusals say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Shut {
    /// There is no unfinished sprint, and one is asked for.
    NoSprint {},
    /// The sprint has no such phase.
    NoPhase {
        /// The phases there are.
        phases: Vec<String>,
    },
    /// Nobody holds the phase.
    Unclaimed {
        /// What it waits for.
        waits_for: Vec<Wait>,
    },
    /// Somebody else holds it.
    Claimed {
        /// Who.
        #[serde(flatten)]
        holder: Holder,
    },
    /// The asker held it, and somebody took it over.
    Lost {
        /// Who has it now.
        #[serde(flatten)]
        holder: Holder,
    },
    /// It is done, and not passed.
    Failed {
        /// Who completed it.
        agent: String,
        /// When, in UTC.
        at: Option<Timestamp>,
    },
    /// It is done at another commit than what goes out.
    OtherCommit {
        /// Who completed it.
        agent: String,
        /// The commit that it was done at; `None` if that is not known.
        done_at: Option<String>,
        /// The first other commit that goes out; `None` for what is no commit, or a deletion.
        going_out: Option<String>,
    },
    /// What it depends on has not been shown of what goes out.
    NoEvidence {
        /// What is missing.
        gaps: Vec<Gap>,
    },
    /// There are no records in git notes.
    NoNotes {
        /// The reference that they should be on.
        reference: String,
    },
    /// No record says that the phase was completed at what goes out.
    NoRecord {
        /// Who completed it last, at other content; empty if nobody did, or it cannot be known.
        agent: String,
        /// The commit that this was at.
        done_at: Option<String>,
        /// The commit that goes out.
        going_out: Option<String>,
        /// How many records are of a later version, which this program cannot read.
        later: usize,
    },
}

/// What to do about missing evidence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Do not look.
    Off,
    /// Say so, and let it pass.
    #[default]
    Warn,
    /// Refuse.
    Require,
}

impl Policy {
    /// Reads the word, or `None` for any other.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "off" => Some(Self::Off),
            "warn" => Some(Self::Warn),
            "require" => Some(Self::Require),
            _ => None,
        }
    }
}

/// What became of a pinned artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// None was handed over.
    None,
    /// It is what was handed over.
    Same,
    /// It is something else by now.
    Changed,
    /// It is not there.
    Gone,
}

/// Why a dependency is no evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    /// It is not done.
    NotDone,
    /// No record says that it is done.
    NoRecord,
    /// It failed.
    Failed,
    /// What was handed over has been changed since.
    PinChanged,
    /// What was handed over is gone.
    PinGone,
    /// It is not known what it was done at.
    NoCommit,
    /// It was done at other content than what goes out.
    OtherContent,
    /// It was done in a worktree with changes that are in no commit.
    Dirty,
}

/// A dependency that is no evidence for what goes out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The dependency.
    pub phase: String,
    /// Who completed it; empty if nobody has, or it cannot be known.
    pub agent: String,
    /// Why it is none.
    pub why: Lack,
    /// The commit that it was done at.
    pub done_at: Option<String>,
    /// The commit that goes out.
    pub going_out: Option<String>,
    /// Paths in which the two differ: the first ones, for whoever fills them in.
    pub paths: Vec<String>,
    /// Whether there are more of them.
    pub more: bool,
    /// Both trees, where they differ.
    #[serde(skip)]
    pub trees: Option<(String, String)>,
}

/// Who may pass: by which right, and the phase that guards where there is a sprint.
///
/// # Errors
/// Why not.
pub fn passage(
    board: Option<&Board>,
    question: &Question<'_>,
) -> Result<(Passage, Option<PhaseId>), Refusal> {
    let shut = |why| Refusal::Shut { phase: question.phase.to_owned(), why };
    let unfinished = board.filter(|board| board.standing() == Standing::Active);
    let board = match (unfinished, board) {
        (Some(board), _) => board,
        (None, _) if !question.require_sprint => return Ok((Passage::NoSprint, None)),
        // Of a finished sprint what it was finished with may still go out.
        (None, Some(board)) if board.standing() == Standing::Finished => board,
        (None, _) => return Err(shut(Shut::NoSprint {})),
    };
    let Some(id) = board.graph.find(question.phase) else {
        let phases = board.graph.ids().map(|id| board.graph.phase(id).name.clone()).collect();
        return Err(shut(Shut::NoPhase { phases }));
    };
    match board.state(id) {
        State::Pending => {
            let waits_for = match check_dependencies(board, id) {
                Err(Refusal::Blocked { waits_for, .. }) => waits_for,
                Err(_) | Ok(()) => Vec::new(),
            };
            Err(shut(Shut::Unclaimed { waits_for }))
        }
        State::Claimed(hold) => match owned(question.phase, hold, question.me, false) {
            // As for its completion: mine by a token need not be mine to pass with.
            Ok(()) => {
                check_four_eyes(board, id, question.me).map(|()| (Passage::Claimed, Some(id)))
            }
            Err(Refusal::Lost { .. }) => Err(shut(Shut::Lost { holder: Holder::of(hold, false) })),
            Err(_) => {
                Err(shut(Shut::Claimed { holder: Holder::seen_by(question.me, hold, false) }))
            }
        },
        State::Done(done) => {
            was_done(done, question).map(|()| (Passage::Done, Some(id))).map_err(shut)
        }
    }
}

/// Whether what goes out is what the phase was done at.
fn was_done(done: &Done, question: &Question<'_>) -> Result<(), Shut> {
    if done.verdict == Verdict::Fail {
        return Err(Shut::Failed { agent: done.agent.clone(), at: done.completed_at });
    }
    let is_same = |content: &&Content| content.commit.is_some() && content.commit == done.at.commit;
    let other = question.contents.iter().find(|content| !is_same(content));
    if other.is_none() && !question.deletes {
        return Ok(());
    }
    Err(Shut::OtherCommit {
        agent: done.agent.clone(),
        done_at: done.at.commit.clone(),
        going_out: other.and_then(|content| content.commit.clone()),
    })
}

/// The direct dependencies of `id` that are no evidence for all of `contents`: each must have passed,
/// with its pin unchanged, in a clean worktree, on the same tree.
#[must_use]
pub fn gaps(
    board: &Board,
    id: PhaseId,
    contents: &[Content],
    pin: impl Fn(PhaseId) -> Pin,
) -> Vec<Gap> {
    if contents.is_empty() {
        return Vec::new();
    }
    let of = |dep: &PhaseId| {
        let phase = board.graph.phase(*dep).name.clone();
        let done = match board.state(*dep) {
            State::Done(done) => done,
            State::Pending | State::Claimed(_) => {
                return Some(Gap::new(phase, String::new(), Lack::NotDone));
            }
        };
        let (why, other) = lack(done, contents, pin(*dep))?;
        let mut gap = Gap::new(phase, done.agent.clone(), why);
        gap.done_at.clone_from(&done.at.commit);
        if let Some(other) = other {
            gap.going_out.clone_from(&other.commit);
            gap.trees = done.at.tree.clone().zip(other.tree.clone());
        }
        Some(gap)
    };
    board.graph.phase(id).depends_on.iter().filter_map(of).collect()
}

/// Why `done` is no evidence, and which content it is none for; `None` if it is.
fn lack<'a>(done: &Done, contents: &'a [Content], pin: Pin) -> Option<(Lack, Option<&'a Content>)> {
    if done.verdict == Verdict::Fail {
        return Some((Lack::Failed, None));
    }
    match pin {
        Pin::Changed => return Some((Lack::PinChanged, None)),
        Pin::Gone => return Some((Lack::PinGone, None)),
        Pin::None | Pin::Same => {}
    }
    if done.at.tree.is_none() {
        return Some((Lack::NoCommit, contents.first()));
    }
    if let Some(other) = contents.iter().find(|content| content.tree != done.at.tree) {
        return Some((Lack::OtherContent, Some(other)));
    }
    // Without a worktree, as in a bare repository, there is nothing that could be dirty.
    (done.at.dirty == Some(true)).then(|| (Lack::Dirty, contents.first()))
}

impl Gap {
    pub(super) const fn new(phase: String, agent: String, why: Lack) -> Self {
        Self {
            phase,
            agent,
            why,
            done_at: None,
            going_out: None,
            paths: Vec::new(),
            more: false,
            trees: None,
        }
    }
}

/// What `policy` makes of `gaps`: those to warn of.
///
/// # Errors
/// `no_evidence`, where evidence is required.
pub fn weigh(policy: Policy, phase: &str, gaps: Vec<Gap>) -> Result<Vec<Gap>, Refusal> {
    match policy {
        Policy::Off => Ok(Vec::new()),
        Policy::Require if !gaps.is_empty() => {
            Err(Refusal::Shut { phase: phase.to_owned(), why: Shut::NoEvidence { gaps } })
        }
        Policy::Warn | Policy::Require => Ok(gaps),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Hold, Life, spec};
    use super::*;
    use crate::record::{Claim, Snapshot, Sprint, VERSION};
    use crate::rules::Graph;
    use crate::rules::graph::Names;

    const ANN: &str = "ann";

    fn ann() -> Me {
        Me { name: ANN.into(), explicit: true, ..Me::default() }
    }

    fn board(list: &str) -> Board {
        let entries = spec::parse_list(list).unwrap();
        let sprint = serde_json::json!({"sprint_id": "s", "phases": entries.clone()});
        let sprint: Sprint = serde_json::from_value(sprint).unwrap();
        Board::new(sprint, Graph::new(&entries, Names::New).unwrap())
    }

    fn claimed(agent: &str) -> State {
        let claim = Claim { v: VERSION, agent: agent.into(), explicit: true, ..Claim::default() };
        State::Claimed(Hold {
            claim,
            life: Life::Unknown,
            former: Vec::new(),
            heard: None,
            quiet_since: None,
            only_unstuck: false,
        })
    }

    fn at(commit: &str) -> Snapshot {
        let tree = commit.get(..1).map(str::to_owned);
        Snapshot { commit: Some(commit.into()), tree, dirty: Some(false), ..Snapshot::default() }
    }

    fn passed(at: Snapshot) -> Done {
        Done { v: VERSION, agent: "bob".into(), at, ..Done::default() }
    }

    /// A commit's tree is the first letter of its name.
    fn contents(commits: &[&str]) -> Vec<Content> {
        commits
            .iter()
            .map(|commit| Content { commit: at(commit).commit, tree: at(commit).tree })
            .collect()
    }

    /// `no_sprint`, `claimed`, `done`, or the code of the refusal.
    fn answer(
        board: Option<&Board>,
        require_sprint: bool,
        commits: &[&str],
        deletes: bool,
    ) -> String {
        let (me, contents) = (ann(), contents(commits));
        let phase = "ship";
        let question = Question { phase, me: &me, require_sprint, contents: &contents, deletes };
        match passage(board, &question) {
            Ok((passage, _)) => serde_json::to_value(passage).unwrap().as_str().unwrap().to_owned(),
            Err(refusal) => format!("no: {}", refusal.code()),
        }
    }

    /// A sprint whose `ship` is in this state, with `announce` after it left to do, or done too.
    fn shipping(state: State, finished: bool) -> Board {
        let mut board = board("build,ship,announce:ship");
        let id = |board: &Board, name| board.graph.find(name).unwrap();
        let (build, ship, announce) =
            (id(&board, "build"), id(&board, "ship"), id(&board, "announce"));
        board.set(build, State::Done(passed(at("a1"))));
        board.set(ship, state);
        if finished {
            board.set(announce, State::Done(passed(at("a1"))));
        }
        board
    }

    #[test]
    fn who_may_pass() {
        let done = |done: Done| State::Done(done);
        let failed = Done { verdict: Verdict::Fail, ..passed(at("a1")) };
        let unknown = passed(Snapshot::default());
        let table: &[(State, &[&str], bool, &str)] = &[
            (State::Pending, &["a1"], false, "no: not_claimed"),
            (claimed(ANN), &["a1"], false, "claimed"),
            (claimed(ANN), &["b1", "c1"], true, "claimed"),
            (claimed(ANN), &[], true, "claimed"),
            (claimed("bob"), &["a1"], false, "no: claimed"),
            (done(passed(at("a1"))), &["a1"], false, "done"),
            (done(passed(at("a1"))), &["a1", "a1"], false, "done"),
            (done(passed(at("a1"))), &[], false, "done"),
            // The same content is not the same commit.
            (done(passed(at("a1"))), &["a2"], false, "no: other_commit"),
            (done(passed(at("a1"))), &["a1", "b1"], false, "no: other_commit"),
            (done(passed(at("a1"))), &["a1"], true, "no: other_commit"),
            (done(passed(at("a1"))), &[], true, "no: other_commit"),
            (done(unknown), &["a1"], false, "no: other_commit"),
            (done(failed), &["a1"], false, "no: failed"),
        ];
        for (state, commits, deletes, wanted) in table {
            for require in [false, true] {
                let board = shipping(state.clone(), false);
                let said = answer(Some(&board), require, commits, *deletes);
                assert_eq!(said, *wanted, "{state:?} {commits:?} {deletes}");
            }
        }
    }

    #[test]
    fn without_an_unfinished_sprint() {
        let finished = shipping(State::Done(passed(at("a1"))), true);
        let mut archived = shipping(claimed(ANN), false);
        archived.sprint.status = Sprint::ARCHIVED.into();
        for (board, commit, required) in [
            (None, "a1", "no: no_sprint"),
            (Some(&archived), "a1", "no: no_sprint"),
            (Some(&finished), "a1", "done"),
            (Some(&finished), "b1", "no: other_commit"),
        ] {
            assert_eq!(answer(board, false, &[commit], false), "no_sprint");
            assert_eq!(answer(board, true, &[commit], false), required);
        }
        assert_eq!(answer(Some(&board("build")), false, &["a1"], false), "no: unknown_phase");
    }

    #[test]
    fn what_is_evidence() {
        let dirty = Snapshot { dirty: Some(true), ..at("a1") };
        let bare = Snapshot { dirty: None, ..at("a1") };
        let failed = Done { verdict: Verdict::Fail, ..passed(at("a1")) };
        let table: &[(State, Pin, &[&str], Option<Lack>)] = &[
            (State::Done(passed(at("a1"))), Pin::None, &["a1"], None),
            (State::Done(passed(at("a1"))), Pin::Same, &["a2"], None),
            (State::Done(passed(bare)), Pin::Same, &["a1"], None),
            (State::Done(passed(at("a1"))), Pin::Same, &["a2", "b1"], Some(Lack::OtherContent)),
            (State::Done(passed(at("a1"))), Pin::Changed, &["a1"], Some(Lack::PinChanged)),
            (State::Done(passed(at("a1"))), Pin::Gone, &["a1"], Some(Lack::PinGone)),
            (State::Done(passed(at("a1"))), Pin::Same, &[], None),
            (State::Done(passed(dirty.clone())), Pin::Same, &["a1"], Some(Lack::Dirty)),
            (State::Done(passed(dirty)), Pin::Same, &["b1"], Some(Lack::OtherContent)),
            (State::Done(passed(Snapshot::default())), Pin::None, &["a1"], Some(Lack::NoCommit)),
            (State::Done(failed), Pin::Same, &["a1"], Some(Lack::Failed)),
            (claimed("bob"), Pin::None, &["a1"], Some(Lack::NotDone)),
            (State::Pending, Pin::None, &["a1"], Some(Lack::NotDone)),
        ];
        for (state, pin, commits, wanted) in table {
            let mut board = shipping(claimed(ANN), false);
            board.set(board.graph.find("build").unwrap(), state.clone());
            let ship = board.graph.find("ship").unwrap();
            let gaps = gaps(&board, ship, &contents(commits), |_| *pin);
            let said: Vec<Lack> = gaps.iter().map(|gap| gap.why).collect();
            assert_eq!(said, Vec::from_iter(*wanted), "{state:?} {pin:?} {commits:?}");
            let none: Vec<Gap> = Vec::new();
            assert_eq!(weigh(Policy::Off, "ship", gaps.clone()).unwrap(), none);
            assert_eq!(weigh(Policy::Warn, "ship", gaps.clone()).unwrap(), gaps);
            let required = weigh(Policy::Require, "ship", gaps.clone());
            assert_eq!(required.is_err(), !gaps.is_empty());
        }
        // What is no commit is nothing that anything was shown of.
        let board = shipping(claimed(ANN), false);
        let ship = board.graph.find("ship").unwrap();
        let gaps = gaps(&board, ship, &[Content::default()], |_| Pin::None);
        assert_eq!(gaps.len(), 1);
    }
}
