//! `claim`: own a phase.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::inputs::{self, Input};
use super::patience::{Patience, WaitOptions};
use super::salvage::{self, LeftAnswer, SalvageEntry};
use super::session::{Answered, Run, Session};
use super::waiting::until;
use super::{Context, concurrency, gate, worktrees};
use crate::error::Stop;
use crate::record::{Claim, Token, VERSION};
use crate::rules::gate::Checked;
use crate::rules::graph::Concurrency;
use crate::rules::lost::Loss;
use crate::rules::waiting::Goal;
use crate::rules::{Board, Change, Life, LiveClaim};
use crate::store::change::Granted;
use crate::store::layout::sprint_dir;
use crate::store::read::find_phase;
use crate::ui::attempts::{self, PastAttempt};
use crate::ui::gate::checked_text;
use crate::ui::phrases::SUBAGENTS;
use crate::ui::text::{age, milliseconds, safe};
use crate::ui::{Answer, Format, Messages, advice, board};

/// Own a phase
///
/// A phase has one owner at a time. It can be claimed when everything that it
/// depends on is done. Claiming what is yours already renews the claim; a subagent
/// of yours is another agent, and gives a name of its own: --agent NAME/2. What
/// the phase builds on is told: who did it, at which commit, and where the copy
/// of the artifact is.
///
/// A claim whose owner's process is gone can be claimed by anybody when the
/// owner has not been heard for conductor.staleAfter (1h), and with --takeover
/// at once. Where several agents share a process, --takeover works when the
/// owner has not been heard for as long.
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment, after_help = "Examples:\n  git conductor claim build")]
pub(super) struct ClaimArgs {
    /// The phase
    phase: String,
    /// Also from an owner that is gone, or your other terminal
    #[arg(long)]
    takeover: bool,
    #[command(flatten)]
    waiting: WaitOptions,
}

impl Run for ClaimArgs {
    /// Claims the phase, at once or as soon as it can be.
    fn run(self, session: &mut Session) -> Answered {
        let context = session.store()?;
        let mut claimed = if self.waiting.wait {
            session.patiently(self.waiting.timeout, |patience| {
                claim_when_possible(&context, Some(&self.phase), self.takeover, patience)
            })?
        } else {
            claim(&context, &self.phase, self.takeover)?
        };
        worktrees::update(session.worktrees(), claimed.former_claim());
        Ok(Box::new(claimed))
    }
}

/// Claims `phase`.
///
/// # Errors
/// The rule that says no; or what the system says.
pub(super) fn claim(context: &Context, phase: &str, takeover: bool) -> Result<Claimed, Stop> {
    let granted = context.store.claim(&context.claimer()?, phase, takeover)?;
    Ok(Claimed::of(context, granted, Picked::ByName, None))
}

/// Claims `phase`, or the first that can be, as soon as that is possible.
///
/// # Errors
/// Why it never will be; that the time is over; or what the system says.
pub(super) fn claim_when_possible(
    context: &Context,
    phase: Option<&str>,
    takeover: bool,
    patience: Patience<'_>,
) -> Result<Claimed, Stop> {
    if let Some(failure) = context.bad_setting_of_claims() {
        return Err(failure.into());
    }
    let mut again: Vec<&str> = phase.map_or(vec!["next", "--claim"], |phase| vec!["claim", phase]);
    if takeover {
        again.push("--takeover");
    }
    let goal = |board: &Board| match phase {
        Some(phase) => Ok(Goal::Claimable { id: find_phase(&board.graph, phase)?, takeover }),
        None => Ok(Goal::Anything),
    };
    let take = |_: &Board| -> Result<Granted, Stop> {
        match phase {
            Some(phase) => context.store.claim(&context.claimer()?, phase, takeover),
            None => context.store.claim_next(&context.claimer()?),
        }
    };
    again.push("--wait");
    let (granted, taken) = until(context, &goal, take, patience, &again)?;
    let picked = if phase.is_some() { Picked::ByName } else { Picked::First };
    Ok(Claimed::of(context, granted, picked, Some(taken)))
}

/// How the phase that is claimed was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picked {
    /// It was named.
    ByName,
    /// It is the first that could be claimed.
    First,
}

/// A phase is the asker's.
#[derive(Debug)]
pub struct Claimed {
    /// The claim.
    pub granted: Granted,
    /// What the phase builds on.
    pub inputs: Vec<Input>,
    /// What that built on, where something was handed over.
    pub earlier: Vec<Input>,
    /// Whether each call will look like a new agent.
    pub nameless: bool,
    /// How the phase was found.
    pub picked: Picked,
    /// How long it was waited for, if that was asked for.
    pub waited: Option<Duration>,
    /// What was saved of it.
    pub salvaged: salvage::Salvaged,
    /// What the asker had lost before.
    pub lost: Vec<Loss>,
    /// What is to be known of its end.
    pub finish: Finish,
}

impl Claimed {
    /// What a granted claim comes to: with it goes what the phase builds on.
    pub(super) fn of(
        context: &Context,
        mut granted: Granted,
        picked: Picked,
        waited: Option<Duration>,
    ) -> Self {
        // The claim stands; what cannot be read for this is told by the next command.
        context.store.look_back(&mut granted.board, &granted.phase).ok();
        let board = &granted.board;
        let sprint = sprint_dir(context.store_path(), &board.sprint.sprint_id);
        let mut earlier = inputs::with_pins(board.builds_on_before(&granted.phase), &sprint);
        inputs::look_for(context, &mut earlier);
        let mut inputs = inputs::of(board, &sprint, &granted.phase);
        inputs::look_for(context, &mut inputs);
        let finish = finish(context, board, &granted.phase);
        let me = &context.asker.me;
        let nameless = me.any_process().is_none()
            && me.session.is_none()
            && me.terminal.is_none()
            && !me.explicit
            && me.token.is_none();
        let salvaged = salvage::for_claim(context, &granted);
        let lost = salvage::lost(context, &granted.board);
        Self { granted, inputs, earlier, nameless, picked, waited, salvaged, lost, finish }
    }

    /// The claim that it was taken over from, if any.
    pub(super) fn former_claim(&mut self) -> Option<&mut Claim> {
        self.granted.from.as_mut().map(|hold| &mut hold.claim)
    }

    /// What is said of it before any work begins.
    pub(super) fn beginning(&self, now: Timestamp, messages: &mut Messages) {
        claimed_text(&self.granted, &self.salvaged, now, messages);
        inputs::text(&self.inputs, &self.earlier, messages);
    }
}

/// What `claim` and `next --claim` answer.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct ClaimAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// How long it waited, in milliseconds, if it did.
    waited_ms: Option<u64>,
    /// The phase that is yours.
    phase: &'a str,
    /// The sprint.
    sprint_id: &'a str,
    /// Your name.
    agent: &'a str,
    /// Whoever has it is the owner: `GIT_CONDUCTOR_TOKEN`.
    token: Option<&'a Token>,
    /// When you claimed it, in UTC.
    claimed_at: Option<Timestamp>,
    /// Whether it was yours before.
    renewed: bool,
    /// Whose it was.
    taken_over_from: Option<&'a str>,
    /// Whether each call will look like a new agent, as no process stands for you.
    nameless: bool,
    /// Which attempt at the phase this is, from 1 on.
    attempt: usize,
    /// The last attempts before it, the earliest first.
    attempts: Vec<PastAttempt<'a>>,
    /// What the last owner left; null where nothing can be known of it.
    salvaged: Option<LeftAnswer<'a>>,
    /// What was saved late of what owners before had not committed.
    made_up: Vec<LeftAnswer<'a>>,
    /// What was saved of this phase before, the latest first.
    salvage: Vec<SalvageEntry<'a>>,
    /// What the phase is about.
    about: Option<&'a str>,
    /// What it builds on.
    inputs: &'a [Input],
    /// What the rounds before handed over for it.
    earlier: &'a [Input],
    /// What has been checked of what the phase that guards lets out.
    checked: Option<&'a Checked>,
    /// What you have lost to others.
    lost: &'a [Loss],
}

impl Answer for Claimed {
    fn text(&self, format: Format, messages: &mut Messages) -> String {
        board::lost_text(&self.lost, format.now, messages);
        self.beginning(format.now, messages);
        finish_text(&self.granted, &self.finish, messages);
        claimed_hints(&self.granted, self.nameless, messages);
        match self.picked {
            Picked::First => format!("{}\n", self.granted.phase),
            Picked::ByName => "OK\n".to_owned(),
        }
    }

    fn json(&self, _: Format) -> Value {
        let Self { granted, inputs, earlier, nameless, salvaged, waited, lost, finish, .. } = self;
        json!(ClaimAnswer {
            v: VERSION,
            ok: true,
            waited_ms: waited.map(milliseconds),
            phase: &granted.phase,
            sprint_id: &granted.board.sprint.sprint_id,
            agent: &granted.claim.agent,
            token: granted.claim.token.as_ref(),
            claimed_at: granted.claim.claimed_at,
            renewed: granted.change == Change::Renew,
            taken_over_from: granted.from.as_ref().map(|hold| &*hold.claim.agent),
            nameless: *nameless,
            attempt: attempts::number(granted),
            attempts: attempts::past(granted),
            salvaged: salvaged.left.as_ref().map(salvage::left_json),
            made_up: salvage::made_up_json(&salvaged.made_up),
            salvage: salvage::list_json(&salvaged.before),
            about: about(granted),
            inputs,
            earlier,
            checked: finish.checked.as_ref(),
            lost,
        })
    }
}

/// What is to be known of the end of a phase when it begins.
#[derive(Debug, Clone, Default)]
pub struct Finish {
    /// Whether what is checked out at its completion matters to others: it is no phase that only
    /// reads, and there is a worktree.
    pub shows: bool,
    /// Whether it is the phase that guards what goes out.
    pub guards: bool,
    /// What has been checked of what it is to let out, if it guards.
    pub checked: Option<Checked>,
}

/// What is to be known of the end of `phase`. A setting that makes no sense is for the gate to say.
pub(super) fn finish(context: &Context, board: &Board, phase: &str) -> Finish {
    let Some(id) = board.graph.find(phase) else { return Finish::default() };
    let reads = concurrency::known(board, id) == Some(Concurrency::Read);
    Finish {
        shows: !reads && context.repo.as_ref().is_some_and(|repo| repo.worktree().is_some()),
        guards: gate::guards(context, phase),
        checked: gate::checked(context, board, phase).unwrap_or_default(),
    }
}

/// What there is to do for who has claimed a phase.
fn claimed_hints(granted: &Granted, nameless: bool, messages: &mut Messages) {
    let graph = &granted.board.graph;
    if let Some(id) = graph.find(&granted.phase) {
        messages.hint(&advice::finish(&granted.phase, graph.phase(id).handover()));
    }
    if nameless {
        messages.warning("no process was found that lasts: each call will look like a new agent");
        messages.hint("give the same name with every call: --agent NAME, or GIT_CONDUCTOR_AGENT");
    }
}

fn claimed_text(
    granted: &Granted,
    salvaged: &salvage::Salvaged,
    now: Timestamp,
    messages: &mut Messages,
) {
    let phase = &granted.phase;
    match (granted.change, &granted.from) {
        (Change::Renew, _) => {
            let since =
                granted.claim.claimed_at.map(|then| format!(", claimed {} ago", age(now, then)));
            messages.line(&format!("'{phase}' is already yours{}", since.unwrap_or_default()));
            messages.hint(&SUBAGENTS);
        }
        (Change::TakeOver, Some(hold)) if hold.claim.agent != granted.claim.agent => {
            taken_over_text(granted, hold, salvaged.left.is_some(), messages);
        }
        (Change::TakeOver, _) => messages.line(&format!("'{phase}' is yours again")),
        _ => {}
    }
    salvage::made_up_text(&salvaged.made_up, messages);
    salvage::left_text(salvaged.left.as_ref(), messages);
    if granted.change != Change::Renew {
        attempts::earlier(granted, now, messages);
    }
    salvage::before_text(&salvaged.before, now, messages);
    for (n, line) in about(granted).unwrap_or_default().lines().enumerate() {
        let lead = if n == 0 { "about: " } else { "  " };
        messages.line(&format!("{lead}{}", safe(line)));
    }
}

/// What the phase is about, in the words of who planned it.
fn about(granted: &Granted) -> Option<&str> {
    let graph = &granted.board.graph;
    graph.phase(graph.find(&granted.phase)?).about.as_deref()
}

fn taken_over_text(granted: &Granted, hold: &LiveClaim, told: bool, messages: &mut Messages) {
    let agent = safe(&hold.claim.agent);
    // A person's other terminal may well be alive.
    let gone = if hold.life == Life::Dead { ", which is gone" } else { "" };
    messages.line(&format!("took '{}' over from '{agent}'{gone}", granted.phase));
    if let Some(worktree) = &hold.claim.worktree
        && hold.claim.worktree != granted.claim.worktree
        && !told
    {
        messages.line(&format!("what it did may be in '{}'", safe(worktree)));
    }
}

/// What will count when a phase that was claimed is completed.
fn finish_text(granted: &Granted, finish: &Finish, messages: &mut Messages) {
    if let Some(checked) = &finish.checked {
        let text = checked_text(checked, 12, 5);
        if checked.agrees {
            let here = checked.commit == granted.claim.commit;
            let here = if here { ", which is checked out here" } else { "" };
            messages.line(&format!("{text}{here}"));
        } else {
            messages.warning(&text);
        }
    }
    if !finish.shows || granted.change == Change::Renew {
        return;
    }
    messages.line(if finish.guards {
        "what is checked out here when you complete it is what may go out after that"
    } else {
        "commit your work: what is checked out here when you complete it is what others get"
    });
}
