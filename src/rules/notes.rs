//! The gate by records in git notes alone, where there is no store: in a clone, on a server. Pure.
//!
//! A record shows no more than that somebody who could push notes wrote it. What counts is the
//! tree: a record is of whatever commit has the content that it was done at.

use std::collections::BTreeSet;

use super::gate::Content;
use super::reasons::{EvidenceProblem, GateDenied, MissingEvidence};
use super::refusal::Refusal;
use crate::record::Verdict;
use crate::record::note::{Note, Notes};

/// Whether `phase` was completed at `going_out`, by its latest record there; and the phases that it
/// directly depends on that are no evidence for it. Only what was done in a clean worktree counts.
///
/// # Errors
/// Why nothing goes out.
pub fn passage(
    notes: &Notes,
    phase: &str,
    going_out: &Content,
) -> Result<Vec<MissingEvidence>, Refusal> {
    let denied = |why| Refusal::GateDenied { phase: phase.to_owned(), why };
    let records = notes.records();
    let of_phase: Vec<&Note> = records.iter().copied().filter(|it| it.phase == phase).collect();
    let here = |note: &&&Note| going_out.tree.as_ref() == Some(&note.tree);
    let Some(last) = of_phase.iter().rfind(here) else {
        let last = of_phase.last();
        return Err(denied(GateDenied::NoRecord {
            agent: last.map(|note| note.agent.clone()).unwrap_or_default(),
            done_at: last.map(|note| note.commit.clone()),
            going_out: going_out.commit.clone(),
            later: notes.later(),
        }));
    };
    if last.verdict == Verdict::Fail {
        return Err(denied(failed(last, None)));
    }
    let clean = |note: &&&Note| note.verdict == Verdict::Pass && note.dirty != Some(true);
    let Some(passed) = of_phase.iter().filter(here).rfind(clean) else {
        let gaps = vec![gap(last, EvidenceProblem::Dirty, going_out)];
        return Err(denied(GateDenied::NoEvidence { gaps, forward: None }));
    };
    if let Some(note) = failure(&records, passed) {
        return Err(denied(failed(note, Some(note.phase.clone()))));
    }
    let dependency = |dep: &String| {
        let records = records.iter().copied();
        let of_dep = records.filter(|it| it.sprint == passed.sprint && it.phase == *dep);
        lacking(dep, &of_dep.collect::<Vec<_>>(), going_out)
    };
    Ok(passed.depends_on.iter().filter_map(dependency).collect())
}

/// What failed of all that `passed` waited for, directly or not, in its sprint.
fn failure<'a>(records: &[&'a Note], passed: &Note) -> Option<&'a Note> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut open: Vec<&str> = passed.depends_on.iter().map(String::as_str).collect();
    while let Some(phase) = open.pop() {
        if !seen.insert(phase) {
            continue;
        }
        let of_phase = records.iter().filter(|it| it.sprint == passed.sprint && it.phase == phase);
        for note in of_phase {
            if note.verdict == Verdict::Fail {
                return Some(note);
            }
            open.extend(note.depends_on.iter().map(String::as_str));
        }
    }
    None
}

fn failed(note: &Note, failed: Option<String>) -> GateDenied {
    GateDenied::Failed { agent: note.agent.clone(), at: note.completed_at, failed, sprint: None }
}

/// Why the records of one dependency are no evidence; `None` if they are.
fn lacking(dep: &str, records: &[&Note], going_out: &Content) -> Option<MissingEvidence> {
    let same = |note: &&Note| going_out.tree.as_ref() == Some(&note.tree);
    let Some(other) = records.last() else {
        return Some(MissingEvidence::new(
            dep.to_owned(),
            String::new(),
            EvidenceProblem::NoRecord,
        ));
    };
    let mut here = records.iter().copied().filter(same).peekable();
    if here.peek().is_none() {
        return Some(gap(other, EvidenceProblem::OtherContent, going_out));
    }
    let dirty = here
        .next()
        .filter(|first| first.dirty == Some(true) && here.all(|note| note.dirty == Some(true)))?;
    Some(gap(dirty, EvidenceProblem::Dirty, going_out))
}

fn gap(note: &Note, why: EvidenceProblem, going_out: &Content) -> MissingEvidence {
    let mut gap = MissingEvidence::new(note.phase.clone(), note.agent.clone(), why);
    gap.done_at = Some(note.commit.clone());
    gap.going_out.clone_from(&going_out.commit);
    if why == EvidenceProblem::OtherContent {
        gap.trees = going_out.tree.clone().map(|tree| (note.tree.clone(), tree));
    }
    gap
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `sprint phase verdict tree [dirty]`, in the order of completion; a commit is called after
    /// its tree. `ship` depends on `build`, that on `plan`, and that, as no graph does, on `ship`.
    fn notes(lines: &[&str]) -> Notes {
        let mut notes = Notes::default();
        for (n, line) in lines.iter().enumerate() {
            let words: Vec<&str> = line.split(' ').collect();
            let depends_on = match words[1] {
                "ship" => "build",
                "build" => "plan",
                _ => "ship",
            };
            let record = serde_json::json!({
                "v": if words.contains(&"later") { 2 } else { 1 },
                "id": n.to_string(), "sprint": words[0], "phase": words[1], "agent": "ann",
                "verdict": words[2], "commit": words[3].repeat(40), "tree": words[3].repeat(40),
                "dirty": words.contains(&"dirty"), "depends_on": [depends_on],
                "completed_at": format!("2026-01-01T00:00:{n:02}Z"),
            });
            notes.read(record.to_string().as_bytes());
        }
        notes
    }

    fn answer(lines: &[&str]) -> String {
        let oid = Some("a".repeat(40));
        match passage(&notes(lines), "ship", &Content { commit: oid.clone(), tree: oid }) {
            Ok(gaps) => {
                let why = |gap: &MissingEvidence| {
                    serde_json::to_value(gap.why).unwrap().as_str().unwrap().to_owned()
                };
                format!("open {}", gaps.iter().map(why).collect::<Vec<_>>().join(" "))
            }
            Err(refusal) => format!("no: {}", refusal.code()),
        }
    }

    #[test]
    fn what_opens_the_gate() {
        let (ship, build) = ("s ship pass a", "s build pass a");
        let table: &[(&[&str], &str)] = &[
            (&[], "no: no_record"),
            (&[build], "no: no_record"),
            (&["s ship pass b", "s build pass b"], "no: no_record"),
            (&["s ship pass a later"], "no: no_record"),
            (&[build, ship], "open "),
            (&[ship, build], "open "),
            (&[build, ship, "s ship pass b"], "open "),
            // The last word counts, and only at this content.
            (&[build, ship, "t ship fail a"], "no: failed"),
            (&[build, "t ship fail a", ship], "open "),
            (&[build, ship, "t ship fail b"], "open "),
            (&[build, "s ship pass a dirty"], "no: no_evidence"),
            (&[build, ship, "t ship pass a dirty"], "open "),
            (&[ship], "open no_record"),
            (&[ship, "t build pass a"], "open no_record"),
            (&[ship, "s build pass b"], "open other_content"),
            (&[ship, "s build pass b", build], "open "),
            (&[ship, build, "s build fail b"], "no: failed"),
            (&[ship, build, "t build fail a"], "open "),
            // What it waits for by way of another, too; and who lies in a circle is heard out.
            (&[ship, build, "s plan fail b"], "no: failed"),
            (&[ship, build, "s plan pass b", "s ship fail b"], "no: failed"),
            (&[ship, build, "s plan pass b"], "open "),
            (&[ship, "s build pass a dirty"], "open dirty"),
            (&[ship, "s build pass a dirty", build], "open "),
        ];
        for (lines, wanted) in table {
            assert_eq!(answer(lines), *wanted, "{lines:?}");
        }
        let nothing = passage(&notes(&[build, ship]), "ship", &Content::default());
        assert_eq!(nothing.unwrap_err().code(), "no_record", "what is no commit has no record");
    }
}
