//! What has a schema, and of which types that is made; for `xtask` alone.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};

use super::complete::answer::CompleteAnswer;
use super::doctor::answer::DoctorAnswer;
use super::gate::answer::GuardAnswer;
use super::graph::drawing::GraphAnswer;
use super::hooks::ForeignHooks;
use super::hooks::answer::HooksAnswer;
use super::install::answer::InstallAnswer;
use super::notes::answer::{NotesAnswer, NotesSetupAnswer, NotesSyncAnswer};
use super::prime::answer::PrimeAnswer;
use super::prime::hook_answer::HookAnswer;
use super::report::facts::{ReportAllAnswer, ReportAnswer};
use super::run::answer::RunAnswer;
use super::salvage::UnknownSalvage;
use super::salvage::answer::{SalvageAnswer, SalvageDropAnswer, SalvageShowAnswer};
use super::show::answer::ShowAnswer;
use super::show::content::ShowArtifactAnswer;
use super::skill::answer::{SkillAnswer, SkillHooksAnswer, SkillPutAnswer};
use super::skill::foreign::{self, ForeignSettings};
use super::verify::answer::{VerifyAllAnswer, VerifyAnswer};
use super::{abort, archive, batch, claim, clean, install, log, next, push};
use super::{recorded, schema, start, unstuck, wait};
use crate::record::note::Note;
use crate::record::{Attempt, Claim, Done, Due, Event, Maker, PhaseEntry, Sprint};
use crate::rules::Refusal;
use crate::store::artifact::BadArtifact;
use crate::ui::board::{BoardAnswer, NoSprintAnswer};
use crate::ui::output::StopAnswer;

/// Something that has a schema.
pub struct Shape {
    /// What it is called.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Its schema.
    pub schema: Schema,
}

/// Any of several types.
macro_rules! any_of {
    ($($name:ident: $($answer:ident = $kind:ty),+;)*) => {
        $(
            #[derive(JsonSchema)]
            #[schemars(untagged)]
            #[expect(dead_code, reason = "it stands for what is written")]
            enum $name {
                $($answer(Box<$kind>),)+
            }
        )*
    };
}

any_of! {
    Status: Board = BoardAnswer<'static>, None = NoSprintAnswer;
    Graph: Whole = GraphAnswer<'static>, None = NoSprintAnswer;
    Guard: Commit = GuardAnswer<'static>, Push = push::PushAnswer<'static>;
    Next: Open = next::NextAnswer<'static>, Claimed = claim::ClaimAnswer<'static>;
    Notes: Show = NotesAnswer<'static>, Sync = NotesSyncAnswer<'static>,
        Setup = NotesSetupAnswer<'static>;
    Prime: Board = PrimeAnswer<'static>, None = NoSprintAnswer, Hook = HookAnswer<'static>;
    Report: One = ReportAnswer<'static>, All = ReportAllAnswer<'static>;
    Salvage: List = SalvageAnswer<'static>, Show = SalvageShowAnswer<'static>,
        Drop = SalvageDropAnswer<'static>;
    Show: Phase = ShowAnswer<'static>, Artifact = ShowArtifactAnswer;
    Skill: Text = SkillAnswer, Hooks = SkillHooksAnswer, Put = SkillPutAnswer;
    Unstuck: One = unstuck::UnstuckAnswer<'static>, All = unstuck::AllUnstuckAnswer<'static>;
    Verify: One = VerifyAnswer<'static>, All = VerifyAllAnswer<'static>;
    GraphFile: List = Vec<PhaseEntry>, Object = GraphObject;
}

/// A graph in an object. A sprint's record is one, too: what it has beside these is passed over.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it stands for what people write")]
struct GraphObject {
    /// Where the schema of this file is, for editors.
    #[schemars(rename = "$schema", default)]
    schema: Option<String>,
    /// What the sprint is for.
    #[schemars(default)]
    goal: Option<String>,
    /// The phases, in the order that the board shows.
    phases: Vec<PhaseEntry>,
}

/// `config.json` in the store.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it stands for what people write")]
struct ConfigFile {
    /// The graph that `start` uses without `--phases`.
    #[schemars(default)]
    phase_graph: Option<GraphFile>,
    /// Further directories that hold `<skill>/SKILL.md`, for `batch`.
    #[schemars(default)]
    skill_roots: Vec<String>,
}

fn shape<T: JsonSchema>(
    generator: SchemaGenerator,
    name: &'static str,
    about: &'static str,
) -> Shape {
    Shape { name, about, schema: generator.into_root_schema_for::<T>() }
}

/// All shapes but that of a refusal.
#[must_use]
pub fn shapes() -> Vec<Shape> {
    macro_rules! shapes {
        ($generator:expr; $($name:literal, $about:literal, $kind:ty;)*) => {
            vec![$(shape::<$kind>($generator, $name, $about),)*]
        };
    }
    let written = || SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut shapes = shapes! { written();
        "abort", "what 'abort' answers", abort::AbortAnswer<'static>;
        "archive", "what 'archive' answers", archive::ArchiveAnswer<'static>;
        "batch", "what 'batch' answers", batch::BatchAnswer<'static>;
        "claim", "what 'claim' answers", claim::ClaimAnswer<'static>;
        "clean", "what 'clean' answers", clean::CleanAnswer<'static>;
        "complete", "what 'complete' answers", CompleteAnswer<'static>;
        "doctor", "what 'doctor' answers", DoctorAnswer<'static>;
        "graph", "what 'graph' answers", Graph;
        "guard", "what 'guard' answers", Guard;
        "hooks", "what 'hooks' answers", HooksAnswer<'static>;
        "install", "what 'install' answers", InstallAnswer<'static>;
        "log", "what 'log' answers", log::LogAnswer<'static>;
        "next", "what 'next' answers", Next;
        "notes", "what 'notes' answers", Notes;
        "prime", "what 'prime' answers", Prime;
        "report", "what 'report' answers", Report;
        "run", "what 'run' answers", RunAnswer<'static>;
        "salvage", "what 'salvage' answers", Salvage;
        "schema", "what 'schema' answers", schema::SchemaAnswer;
        "show", "what 'show' answers", Show;
        "skill", "what 'skill' answers", Skill;
        "start", "what 'start' answers", start::StartAnswer<'static>;
        "status", "what 'status' answers", Status;
        "unstuck", "what 'unstuck' answers", Unstuck;
        "verify", "what 'verify' answers", Verify;
        "wait", "what 'wait' answers", wait::WaitAnswer<'static>;
    };
    // Of what others may have written: only what a reader needs must be there.
    let read = || SchemaSettings::draft2020_12().for_deserialize().into_generator();
    shapes.extend(shapes! { read();
        "config-file", "config.json in the store", ConfigFile;
        "graph-file", "a phase graph in a file, as 'start --phases FILE' reads it", GraphFile;
        "record-attempt", "past/T.json: an attempt that ended without a completion", Attempt;
        "record-claim", "lock/meta.json and lock/meta.T.json: who owns a phase", Claim;
        "record-done", "done: a completion", Done;
        "record-due", "past/due.T: what is still to be saved of a dead owner's work", Due;
        "record-event", "a line of audit.log", Event;
        "record-latch", "lock.d/latch.T: the command that made the latch", Maker;
        "record-note", "a line of a git note: a completion", Note;
        "record-sprint", "sprint.json: a sprint and its graph", Sprint;
    });
    shapes
}

/// The shape of what every command answers that did nothing, or not all: what all of them have,
/// and the facts that one or the other has beside it.
#[must_use]
pub fn refusal() -> (Shape, Vec<Schema>) {
    macro_rules! facts {
        ($generator:ident; $($kind:ty,)*) => {
            vec![$($generator.root_schema_for::<$kind>(),)*]
        };
    }
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let facts = facts! { generator;
        Refusal,
        BadArtifact,
        ForeignHooks,
        UnknownSalvage,
        install::ForeignFiles,
        push::LocalRefs,
        recorded::Dirty,
        foreign::ForeignFiles,
        ForeignSettings,
        unstuck::UnstuckFailure<'static>,
    };
    let about = "what any command answers that did nothing, or not all";
    (shape::<StopAnswer<'static>>(generator, "refusal", about), facts)
}
