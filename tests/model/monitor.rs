//! What must hold after every step of the shipped protocol, whatever is interleaved: a monitor that
//! watches the files from outside and remembers what it saw.
//!
//! - **I1**: a lock has at most one state file, and a live owner is never followed by another
//!   agent's claim unless it was seen to give the phase up (`free.*`).
//! - **I2**: `done` never changes and never goes while its sprint is there; no claim that took
//!   effect after it is granted.
//! - **FENCE**: `done` carries the token that was the last to own the phase.
//! - **J1** there is a current sprint, once there was one; **J2** nothing is granted that took
//!   effect in a superseded sprint; **J3** no two starts are given one directory.
//! - **Attempts**: a claim that ended other than by a completion has its whole record in `past`,
//!   from the moment on at which it is over; there is none of a claim that never was; and a reader
//!   tells of each but the present owner's and the completed one's.
//! - For the script: `lock.d` and a readable `lock/meta.json` are there as long as the phase is
//!   owned.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use git_conductor::record::{Claim, Done};

use crate::conductor::{Checked, Do, Look, NONE, act, look};
use crate::fs::SimFs;
use crate::run::{Scenario, View};
use crate::world::Ctx;

/// Which invariants apply.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent invariant")]
pub(crate) struct Rules {
    /// Verdicts of death are true, so that nobody is robbed.
    pub(crate) truth: bool,
    /// The latch stands while the phase is owned, and the script can read by whom.
    pub(crate) latch: bool,
    /// Somebody archives, so that there may come to be no sprint.
    pub(crate) ends: bool,
    /// A script is about, whose completions carry no token and which knows no state files.
    pub(crate) script: bool,
    /// What failed is written down before it has failed.
    pub(crate) past: bool,
}

impl Rules {
    /// All of them.
    pub(crate) const ALL: Self =
        Self { truth: true, latch: true, ends: false, script: false, past: true };
    /// With a command that archives.
    pub(crate) const ENDS: Self = Self { ends: true, ..Self::ALL };
    /// Where owners are judged dead that live.
    pub(crate) const LIES: Self = Self { truth: false, latch: false, ..Self::ALL };
}

/// The name of a state file, and the owner's token.
fn state_of(name: &str) -> Option<(&str, &str)> {
    let (kind, token) = name.split_once('.')?;
    (matches!(kind, "owner" | "completing" | "free") && token.len() == 32).then_some((kind, token))
}

/// What is remembered of one phase of one sprint.
#[derive(Debug, Default)]
struct Phase {
    done: Option<(Vec<u8>, usize)>,
    /// The last owner: its token, its process, whether it was seen to give up.
    owner: Option<(String, i64, bool)>,
    /// When each token was first seen as the owner's.
    since: BTreeMap<String, usize>,
    /// It has been looked at since the step of that number.
    present: bool,
}

#[derive(Debug, Default)]
struct Seen {
    steps: usize,
    notes: usize,
    /// By sprint and phase.
    phases: BTreeMap<(String, String), Phase>,
    /// When each sprint was first seen.
    sprints: BTreeMap<String, usize>,
    /// When each sprint was first seen marked as archived.
    ended: BTreeMap<String, usize>,
    started: BTreeSet<String>,
    had_current: bool,
}

/// The watching part of the invariants, anew for every run.
pub(crate) fn monitor(rules: Rules) -> Look {
    let seen = RefCell::new(Seen::default());
    Rc::new(move |view| {
        let mut seen = seen.borrow_mut();
        if view.steps == 0 || view.steps < seen.steps {
            *seen = Seen::default();
        }
        seen.steps = view.steps;
        seen.look(view, rules)
    })
}

fn is_sprint(name: &str) -> bool {
    name.len() == 28 && name.as_bytes()[12] == b'-'
}

fn contains(text: &[u8], word: &str) -> bool {
    text.windows(word.len()).any(|window| window == word.as_bytes())
}

impl Seen {
    fn look(&mut self, view: &View<'_, String>, rules: Rules) -> Checked {
        let now = view.steps;
        let mut current = None;
        for phase in self.phases.values_mut() {
            phase.present = false;
        }
        for place in ["conductor", "conductor/archive"] {
            for id in view.fs.peek_list(place).filter(|name| is_sprint(name)) {
                self.sprints.entry(id.to_owned()).or_insert(now);
                // Those that were there before have their directories as well.
                if now == 0 {
                    self.started.insert(id.to_owned());
                }
                let path = format!("{place}/{id}");
                let record = view.fs.peek_read(&format!("{path}/sprint.json"));
                let over = place != "conductor"
                    || self.ended.contains_key(id)
                    || self.sprints.keys().any(|other| other[13..] > id[13..]);
                if record.is_some_and(|record| contains(record, r#""status":"archived""#)) {
                    self.ended.entry(id.to_owned()).or_insert(now);
                } else if record.is_some() && place == "conductor" {
                    current = current.max(Some(id[13..].to_owned()));
                }
                for phase in view.fs.peek_list(&path).filter(|name| !name.contains('.')) {
                    let path = format!("{path}/{phase}");
                    let key = (id.to_owned(), phase.to_owned());
                    let known = self.phases.entry(key).or_default();
                    known.present = true;
                    known
                        .look(view, &path, over, rules)
                        .map_err(|what| format!("{path}: {what}"))?;
                }
            }
        }
        for ((sprint, phase), known) in &self.phases {
            // Only `clean` removes a sprint, and only one that is over.
            if !known.present && known.done.is_some() && !self.ended.contains_key(sprint) {
                return Err(format!("I2: {sprint}/{phase} is gone"));
            }
        }
        if current.is_none() && self.had_current && !rules.ends {
            return Err("J1: there is no current sprint any more".to_owned());
        }
        self.had_current |= current.is_some();
        for at in self.notes..view.notes.len() {
            let note = &view.notes[at];
            match note.what {
                "started" if !self.started.insert(note.detail.to_string()) => {
                    return Err(format!("J3: two sprints in {}", note.detail));
                }
                "granted" => self.granted(&note.detail, true)?,
                "completed" => self.granted(&note.detail, false)?,
                _ => {}
            }
        }
        self.notes = view.notes.len();
        Ok(())
    }

    /// A success that was told: `<phase> <token>`.
    fn granted(&self, detail: &str, claimed: bool) -> Checked {
        let Some((phase, token)) = detail.split_once(' ') else { return Ok(()) };
        let of_phase = |((_, name), known): &(&(String, String), &Phase)| {
            name == phase && known.since.contains_key(token)
        };
        let Some(((sprint, _), known)) = self.phases.iter().find(of_phase) else { return Ok(()) };
        let since = known.since[token];
        // A claim took effect when it became the owner; it may be over again when that is told.
        if let Some((_, done)) = &known.done
            && claimed
            && *done < since
        {
            return Err(format!("I2: a claim of the done phase {phase} is granted"));
        }
        let after = |other: &str| other[13..] > sprint[13..];
        let newer = self.sprints.iter().filter(|(id, _)| after(id)).map(|(_, at)| *at).min();
        let ended = self.ended.get(sprint).copied();
        let over = newer.into_iter().chain(ended).min();
        let took_effect =
            if claimed { since } else { known.done.as_ref().map_or(usize::MAX, |(_, at)| *at) };
        if over.is_some_and(|over| over < took_effect) {
            return Err(format!("J2: {phase} was granted or completed in a superseded sprint"));
        }
        Ok(())
    }
}

impl Phase {
    fn look(&mut self, view: &View<'_, String>, path: &str, over: bool, rules: Rules) -> Checked {
        let fs = view.fs;
        let lock = format!("{path}/lock");
        let states: Vec<_> = fs.peek_list(&lock).filter_map(state_of).collect();
        // A claim that was given back at once, as the phase was done or the sprint over, is no
        // attempt. Nor is anything on record for which there was no room.
        let counts = rules.past && !over && !view.is_full() && !fs.exists(&format!("{path}/done"));
        if states.len() > 1 {
            return Err(format!("I1: the lock has several states: {states:?}"));
        }
        if let Some(&("owner", token)) = states.first() {
            let counts = counts.then_some(path);
            self.owned(view, (&lock, token), counts, rules)?;
            if rules.latch && !fs.exists(&format!("{path}/lock.d")) {
                return Err("the phase is owned, and `mkdir lock.d` succeeds".to_owned());
            }
            let meta = fs.peek_read(&format!("{lock}/meta.json"));
            let readable = meta.is_some_and(|meta| meta.ends_with(b"}\n") || rules.script);
            if rules.latch && !readable {
                return Err("the phase is owned, and the script cannot read by whom".to_owned());
            }
        }
        if let (Some((kind, token)), Some(owner)) = (states.first(), &mut self.owner)
            && *kind != "owner"
            && *token == owner.0
        {
            if *kind == "free" && counts && !owner.2 {
                recorded(fs, path, token)?;
            }
            owner.2 = true;
        }
        self.past(fs, path, rules)?;
        // A completion that is committed has a name of its own.
        if let (Some((_, _, gone)), Some(("completing", _))) = (&mut self.owner, states.first()) {
            *gone = true;
        }
        self.done(view, path, rules)
    }

    /// `counts` is the phase's path if what ends here must be on record.
    fn owned(
        &mut self,
        view: &View<'_, String>,
        (lock, token): (&str, &str),
        counts: Option<&str>,
        rules: Rules,
    ) -> Checked {
        if self.owner.as_ref().is_some_and(|(last, ..)| last == token) {
            return Ok(());
        }
        let record = view.fs.peek_read(&format!("{lock}/meta.{token}.json")).unwrap_or_default();
        let pid = serde_json::from_slice::<Claim>(record).map_or(0, |claim| claim.pid);
        if let Some((last, former, gave_up)) = &self.owner {
            let robbed = !gave_up && *former != pid && view.life.lives(*former);
            if robbed && rules.truth {
                return Err(format!("I1: {last} of {former} is alive, and {token} owns the phase"));
            }
            // An agent is one process here.
            if let (Some(path), false) = (counts, *gave_up || *former == pid) {
                recorded(view.fs, path, last)?;
            }
        }
        self.since.entry(token.to_owned()).or_insert(view.steps);
        self.owner = Some((token.to_owned(), pid, false));
        Ok(())
    }

    /// There is no record of a claim that never was.
    fn past(&self, fs: &SimFs, path: &str, rules: Rules) -> Checked {
        // What a script's claim is called by only its record tells.
        if rules.script {
            return Ok(());
        }
        let strange = fs.peek_list(&format!("{path}/past")).find(|name| {
            let token = name.strip_suffix(".json");
            token.is_some_and(|token| !self.since.contains_key(token))
        });
        strange.map_or(Ok(()), |name| Err(format!("attempts: there is {name}, and no such claim")))
    }

    fn done(&mut self, view: &View<'_, String>, path: &str, rules: Rules) -> Checked {
        let done = view.fs.peek_read(&format!("{path}/done"));
        match (&self.done, done) {
            (Some((old, _)), Some(new)) if old == new => Ok(()),
            // A script's `>` creates the file and then writes it.
            (Some((old, at)), Some(new)) if rules.script && old.is_empty() => {
                self.done = Some((new.to_owned(), *at));
                Ok(())
            }
            (Some(_), Some(_)) => Err("I2: done has changed".to_owned()),
            (Some(_), None) => Err("I2: done is gone".to_owned()),
            (None, None) => Ok(()),
            (None, Some(new)) => {
                self.done = Some((new.to_owned(), view.steps));
                let token = serde_json::from_slice::<Done>(new).ok().and_then(|done| done.token);
                let owner = self.owner.as_ref().map(|(owner, ..)| owner.as_str());
                match token {
                    Some(token) if owner.is_some_and(|owner| owner != token.as_str()) => {
                        Err(format!("FENCE: {token} has completed what {owner:?} owns"))
                    }
                    None if !rules.script && view.steps > 0 => Err("done is not whole".to_owned()),
                    _ => Ok(()),
                }
            }
        }
    }
}

/// The claim of that token, which is over, is on record.
fn recorded(fs: &SimFs, path: &str, token: &str) -> Checked {
    let record = fs.peek_read(&format!("{path}/past/{token}.json"));
    if record.is_some_and(|record| record.ends_with(b"}\n")) {
        Ok(())
    } else {
        Err(format!("attempts: {token} is over, and there is no record of it"))
    }
}

/// How many attempts at a phase are over, by what is on the disk.
fn over(fs: &SimFs, phase: &str) -> usize {
    let current = fs.peek_list("conductor").filter(|name| is_sprint(name)).max();
    let path = format!("conductor/{}/{phase}", current.unwrap_or_default());
    let owner = fs.peek_list(&format!("{path}/lock")).filter_map(state_of).find_map(|state| {
        let (kind, token) = state;
        (kind == "owner").then(|| token.to_owned())
    });
    let record = fs.peek_read(&format!("{path}/done")).map(serde_json::from_slice::<Done>);
    let done =
        record.and_then(Result::ok).and_then(|done| done.token).map(|token| token.to_string());
    let past = format!("{path}/past");
    let records = fs.peek_list(&past).filter_map(|name| name.strip_suffix(".json"));
    records
        .filter(|token| owner.as_deref() != Some(token) && done.as_deref() != Some(token))
        .count()
}

/// A number for what a run has left, up to times: names, sizes and who is dead. Token and sprint
/// names tell whose each file is, and records of equal size and name differ in times alone, by the
/// few seconds of its pauses; so of two ends of equal number one is looked at.
fn digest(view: &View<'_, String>) -> u64 {
    fn walk(fs: &SimFs, path: &str, hash: &mut DefaultHasher) {
        for name in fs.peek_list(path) {
            let path = format!("{path}/{name}");
            name.hash(hash);
            fs.peek_read(&path).map(<[u8]>::len).hash(hash);
            walk(fs, &path, hash);
            0xff_u8.hash(hash);
        }
    }
    let mut hash = DefaultHasher::new();
    walk(view.fs, "", &mut hash);
    view.life.dead().hash(&mut hash);
    hash.finish()
}

/// I4: in every quiet state a lone claim ends in OK, done or a true refusal; and when everyone is
/// dead and the hour is over, in OK or done, and what was claimed can be completed.
pub(crate) fn nothing_is_wedged(phases: &'static [&'static str], rules: Rules) -> Look {
    let known = RefCell::new(HashSet::new());
    Rc::new(move |view| {
        if known.borrow_mut().insert(digest(view)) { unwedged(view, phases, rules) } else { Ok(()) }
    })
}

fn unwedged(view: &View<'_, String>, phases: &[&'static str], rules: Rules) -> Checked {
    for phase in phases {
        unwedged_phase(view.quiet(), phase, rules)?;
    }
    Ok(())
}

/// The same for one phase of one world.
pub(crate) fn unwedged_phase(
    mut quiet: crate::world::Quiet,
    phase: &'static str,
    rules: Rules,
) -> Checked {
    let others: Vec<i64> = quiet.life.living();
    // Longer than a bare latch is respected.
    quiet.now += 61_000_000_000;
    let mut lone = quiet.clone();
    let agent = lone.newcomer("lone");
    let answer = lone.ask(agent, Do::Claim(phase));
    if !["OK", "done", "claimed", "blocked", "exhausted", "no_sprint"].contains(&answer.as_str()) {
        return Err(format!("I4: a lone claim of {phase} ends in {answer}"));
    }
    let (status, told) = lone.run("look", |ctx| look(ctx, agent, phase));
    if !status.is_empty() {
        return Err(format!("I4: status ends in {status}"));
    }
    let over = over(&lone.fs, phase);
    // A script's claim may have no token to tell it by.
    if answer != "no_sprint" && told != over && !rules.script {
        return Err(format!("attempts: {over} are over, and {told} are told of"));
    }
    for pid in others {
        quiet.life.kill(pid);
    }
    quiet.now += 7_200_000_000_000;
    let agent = quiet.newcomer("heir");
    let before = quiet.clone();
    let claim = |ctx: &Ctx<'_>| act::<NONE>(ctx, agent, Do::Claim(phase));
    let answer = quiet.run("heir", claim);
    match answer.as_str() {
        "OK" => match quiet.ask(agent, Do::Complete(phase)).as_str() {
            "OK" => Ok(()),
            answer => Err(format!("I4: what was inherited cannot be completed: {answer}")),
        },
        "done" | "blocked" | "exhausted" | "no_sprint" => Ok(()),
        _ => {
            // Once more, with all that it does: to tell that each time would take most of the time.
            let mut again = before;
            let (_, trace) = again.run_traced("heir", crate::plan::Plan::default(), claim);
            Err(format!("I4: {phase} cannot be inherited: {answer}\n{}", trace.join("\n")))
        }
    }
}

/// The scenario with all that must hold of the phases `phases`.
pub(crate) fn watched(
    scenario: Scenario<String>,
    rules: Rules,
    phases: &'static [&'static str],
) -> Scenario<String> {
    let (monitor, unwedged) = (monitor(rules), nothing_is_wedged(phases, rules));
    scenario.always(move |view| monitor(view)).finally(move |view| unwedged(view))
}

/// Whether `agent` was granted anything in this run.
pub(crate) fn granted(view: &View<'_, String>, command: usize) -> bool {
    view.notes.iter().any(|note| note.command == command && note.what == "granted")
}
