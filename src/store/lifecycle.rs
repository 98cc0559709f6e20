//! What commands ask of whole sprints: start one, end it, remove old ones.

use jiff::SignedDuration;

use super::Store;
use super::asker::Asker;
use super::carry::Round;
use super::host::{Host, TRIES};
use super::layout::CONDUCTOR;
use crate::error::{Failure, FailureKind, Stop};
use crate::record::{Maker, PhaseEntry, Rest, Sprint};
use crate::rules::decide::{may_end, may_supersede};
use crate::rules::rounds::Ask;
use crate::rules::{Board, Facts, Refusal, Standing};

/// A sprint to be started.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Canonical path of the project.
    pub project: String,
    /// First 12 hexadecimal digits of the SHA-256 of that path.
    pub hash: String,
    /// A valid graph; of a next round it is that of the sprint before it.
    pub phases: Vec<PhaseEntry>,
    /// What it takes over of the sprint before it, or of another that has ended.
    pub round: Option<Ask>,
    /// What the sprint is for; a next round is for what the sprint before it was, if it does not
    /// say.
    pub goal: Option<String>,
    /// Keep the current sprint if it is not finished.
    pub if_none: bool,
    /// Archive the current sprint even under other agents' live claims.
    pub force: bool,
}

/// A sprint that is there to be worked on.
#[derive(Debug, Clone)]
pub struct Started {
    /// Its record.
    pub sprint: Sprint,
    /// Its directory's path below the store.
    pub path: String,
    /// Whether it was there already.
    pub kept: bool,
    /// The sprint that was archived for it.
    pub previous: Option<Board>,
    /// Whether it goes on with one that had ended.
    pub resumed: bool,
    /// What is done already, each after all that it depends on.
    pub carried: Vec<String>,
    /// What can be claimed now.
    pub open: Vec<String>,
}

impl<H: Host> Store<H> {
    /// Starts a sprint and archives the one before it.
    ///
    /// # Errors
    /// Other agents' live claims; what cannot be carried; or the store cannot be read or written.
    pub fn start(&self, asker: &Asker, plan: &Plan) -> Result<Started, Stop> {
        self.make_conductor()?;
        let mut waits = true;
        for _ in 0..TRIES {
            let round = match &plan.round {
                None => None,
                Some(ask) => match self.prepare(ask)? {
                    Some(round) => Some(round),
                    None => continue,
                },
            };
            let begun =
                self.under_mutex(&mut waits, || self.try_start(asker, plan, round.as_ref()))??;
            if let Some(started) = begun {
                return Ok(started);
            }
        }
        Err(Failure::new(FailureKind::Busy, "other sprints are being started all the time").into())
    }

    /// `None` if another start was faster.
    fn try_start(
        &self,
        asker: &Asker,
        plan: &Plan,
        round: Option<&Round<H::Dir>>,
    ) -> Result<Option<Started>, Stop> {
        let previous = match self.board() {
            Ok(previous) => previous,
            // What cannot be read cannot be asked about live claims.
            Err(failure)
                if plan.force
                    && matches!(failure.kind, FailureKind::Unreadable | FailureKind::Tampered) =>
            {
                None
            }
            Err(failure) => return Err(failure.into()),
        };
        if let Some(board) = &previous {
            if plan.if_none && board.standing() == Standing::Active {
                let path = self.current_path()?.unwrap_or_default();
                let sprint = board.sprint.clone();
                let carried = Vec::new();
                let ready = board.graph.ids().filter(|id| board.is_ready(*id));
                let open = ready.map(|id| board.graph.phase(id).name.clone()).collect();
                return Ok(Some(Started {
                    sprint,
                    path,
                    kept: true,
                    previous: None,
                    resumed: false,
                    carried,
                    open,
                }));
            }
            if !plan.force {
                may_end(board, self.facts(asker), true)?;
                // Another round of it goes on with what was done.
                let goes_on = plan.round.as_ref().is_some_and(|ask| ask.resume.is_none());
                if !goes_on {
                    may_supersede(board, &asker.me)?;
                }
            }
        }
        if let (Some(board), Some(round)) = (&previous, round)
            && plan.round.as_ref().is_some_and(|ask| ask.resume.is_none())
            && board.sprint.sprint_id != round.from
        {
            // Another start was faster: it is that sprint's work that would be taken over.
            return Ok(None);
        }
        let goal = plan.goal.clone().or_else(|| round.and_then(|round| round.goal.clone()));
        let sprint = Sprint {
            sprint_id: String::new(),
            project: plan.project.clone(),
            started_by: asker.me.name.clone(),
            started_at: None,
            status: Sprint::ACTIVE.to_owned(),
            goal: goal.clone(),
            archived_at: None,
            from: round.map(|round| round.from.clone()),
            phases: round.map_or(&plan.phases, |round| &round.phases).clone(),
            rest: Rest::new(),
        };
        let taken = round.map_or(&[][..], |round| &round.carried);
        let maker = Maker { process: asker.me.command.clone() };
        let Some(sprint) = self.publish(&plan.hash, sprint, taken, &maker)? else {
            return Ok(None);
        };
        let id = &sprint.sprint_id;
        self.record(asker, "start", id, goal.unwrap_or_default(), id);
        let carried: Vec<String> = taken.iter().map(|it| it.phase.clone()).collect();
        let open = if let Some(round) = round {
            round.open.clone()
        } else {
            let free = sprint.phases.iter().filter(|phase| phase.depends_on.is_empty());
            free.map(|phase| phase.name.clone()).collect()
        };
        let path = format!("{CONDUCTOR}/{id}");
        let resumed = plan.round.as_ref().is_some_and(|ask| ask.resume.is_some());
        Ok(Some(Started { sprint, path, kept: false, previous, resumed, carried, open }))
    }

    fn facts<'a>(&self, asker: &'a Asker) -> Facts<'a> {
        asker.facts(self.host().now())
    }

    /// Ends the current sprint.
    ///
    /// # Errors
    /// There is none; other agents' live claims; or the store cannot be read or written.
    pub fn archive_current(&self, asker: &Asker) -> Result<Board, Stop> {
        self.under_mutex(&mut true, || {
            let board = self.board()?.ok_or(Refusal::NoSprint {})?;
            may_end(&board, self.facts(asker), false)?;
            let id = &board.sprint.sprint_id;
            self.end(id)?;
            self.record(asker, "archive", id, String::new(), id);
            Ok(board)
        })?
    }

    /// Removes sprints that were archived at least `older_than` ago; gives their ids.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn clean(&self, asker: &Asker, older_than: SignedDuration) -> Result<Vec<String>, Stop> {
        let gone = self.clean_up(older_than)?;
        for id in &gone {
            self.record(asker, "clean", id, String::new(), id);
        }
        Ok(gone)
    }
}
