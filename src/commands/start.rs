//! `start`: begin a sprint.

use std::io::Read as _;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Value, json};

use super::Context;
use super::context::StoreAccess;
use super::salvage::{self, LeftAnswer};
use super::session::{Answered, Run, Session};
use crate::error::{Failure, FailureKind, Hint, Stop};
use crate::git::{Repo, quoted};
use crate::place::{self, Origin};
use crate::record::VERSION;
use crate::rules::rounds::Ask;
use crate::rules::{Refusal, spec, strict::Written};
use crate::store::history;
use crate::store::lifecycle::{Plan, Started};
use crate::ui::text::safe;
use crate::ui::{Answer, Format, Messages, rounds};

/// A graph is no longer than this, in bytes.
const MAX_GRAPH_BYTES: u64 = 1024 * 1024;

/// Begin a sprint, and archive the one before it
///
/// Prints the sprint's directory. Without --phases, the graph is the one of the
/// store's config.json, or else: think, plan, build; then review, qa and
/// security side by side; then ship.
///
/// In a list, a phase of that default graph keeps its dependencies, and any
/// other is given as name:dependency+dependency, or name: for none.
///
/// It is refused while another agent's claim is live; and to an agent that took no
/// part in the present sprint, while some of its phases are done and others are not.
///
/// With --from, the new sprint is another round of the last one: it has the same
/// graph, and the same goal unless --goal gives one. What has passed there and
/// neither is PHASE nor depends on it is done already, with what was handed over;
/// --carry names what of it. The last sprint stays as it was.
///
/// With --resume, the new sprint goes on with one that has ended: it has that
/// one's graph and goal, and what has passed there is done already.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor start --goal 'add OAuth login'\n  git conductor start --phases think,build,docs:build\n  git conductor start --phases ./graph.json\n  git conductor start --from build\n  git conductor start --resume 20261122-091502\n\nA whole graph, as graph.json:\n  [\n    {\"name\": \"plan\", \"about\": \"decide what to build\", \"concurrency\": \"read\"},\n    {\"name\": \"build\", \"depends_on\": [\"plan\"]},\n    {\"name\": \"review\", \"depends_on\": [\"build\"], \"not_by\": [\"build\"]},\n    {\"name\": \"ship\", \"depends_on\": [\"review\"], \"max_attempts\": 2}\n  ]"
)]
pub(super) struct StartArgs {
    /// A list (build,docs:build), a JSON file, or - for stdin
    #[arg(long, value_name = "SPEC")]
    phases: Option<String>,
    /// What the sprint is for
    #[arg(long, value_name = "TEXT")]
    goal: Option<String>,
    /// Keep the current sprint if it is not finished
    #[arg(long)]
    if_none: bool,
    /// Also over others' live claims, or their unfinished sprint
    #[arg(long)]
    force: bool,
    /// Go round again, beginning with this phase
    #[arg(long, value_name = "PHASE", conflicts_with_all = ["phases", "if_none"])]
    from: Option<String>,
    /// Go round again, with just these done already (a,b)
    #[arg(long, value_name = "LIST", conflicts_with_all = ["phases", "if_none"])]
    carry: Option<String>,
    /// Go on with an ended sprint, by its id or the time in it
    #[arg(long, value_name = "ID", conflicts_with_all = ["phases", "if_none", "from", "carry"])]
    resume: Option<String>,
}

impl Run for StartArgs {
    /// Starts a sprint, and archives the one before it.
    fn run(self, session: &mut Session) -> Answered {
        Ok(Box::new(start(&session.open(StoreAccess::Nothing)?, self)?))
    }
}

/// A sprint is there to be worked on.
#[derive(Debug)]
pub struct Begun {
    /// The sprint, and what was archived for it.
    pub started: Started,
    /// Its directory (absolute).
    pub directory: PathBuf,
    /// Why what it took over has no records in git notes, where it should.
    pub unrecorded: Option<Failure>,
    /// What former owners left in the sprint that was archived for it, if a command that was to
    /// save it was killed at that.
    pub made_up: Vec<salvage::Left>,
}

/// The sprint that `start` archived.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct ArchivedBefore<'a> {
    /// The sprint.
    sprint_id: &'a str,
    /// How many of its phases are done.
    done: usize,
    /// How many it has.
    phases: usize,
    /// The command that goes on with it, if anything is left of it.
    resume: Option<Vec<String>>,
}

/// What `start` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::commands) struct StartAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// The sprint.
    sprint_id: &'a str,
    /// Its directory (absolute path).
    directory: String,
    /// Whether it was there before (`--if-none`).
    kept: bool,
    /// The sprint that it goes on with.
    from: Option<&'a String>,
    /// Whether that is because `--resume` names it.
    resumed: bool,
    /// The phases that were taken over, done.
    carried: &'a [String],
    /// The phases that can be claimed now.
    open: &'a [String],
    /// The sprint that was archived for it.
    archived: Option<ArchivedBefore<'a>>,
    /// What was saved late of what dead owners had not committed.
    made_up: Vec<LeftAnswer<'a>>,
}

impl Answer for Begun {
    fn text(&self, _: Format, messages: &mut Messages) -> String {
        rounds::archived_text(&self.started, messages);
        salvage::made_up_text(&self.made_up, messages);
        rounds::carried_text(&self.started, self.unrecorded.as_ref(), messages);
        messages.hint("each agent takes its work with 'git conductor next --claim'");
        format!("{}\n", safe(&self.directory.display().to_string()))
    }

    fn json(&self, _: Format) -> Value {
        let started = &self.started;
        json!(StartAnswer {
            v: VERSION,
            ok: true,
            sprint_id: &started.sprint.sprint_id,
            directory: self.directory.display().to_string(),
            kept: started.kept,
            from: started.sprint.from.as_ref().filter(|_| !started.kept),
            resumed: started.resumed,
            carried: &started.carried,
            open: &started.open,
            archived: started.previous.as_ref().map(|board| ArchivedBefore {
                sprint_id: &board.sprint.sprint_id,
                done: board.done_count(),
                phases: board.graph.count(),
                resume: rounds::resume(board).filter(|_| rounds::left(started, board)),
            }),
            made_up: salvage::made_up_json(&self.made_up),
        })
    }
}

fn start(context: &Context, request: StartArgs) -> Result<Begun, Stop> {
    let names = |list: String| list.split(',').map(|name| name.trim().to_owned()).collect();
    let carry = request.carry.map(names);
    let store = context.store_path();
    let resume = match request.resume {
        // What is not found is refused by the name that was given.
        Some(sprint) => Some(super::show::meant(context, &sprint)?.unwrap_or(sprint)),
        None => None,
    };
    let again = request.from.is_some() || carry.is_some() || resume.is_some();
    let round = again.then_some(Ask { resume, from: request.from, carry });
    let written = match (&request.phases, &round) {
        (_, Some(_)) => Written::default(),
        (Some(text), None) => given(text)?,
        (None, None) => configured(store)?
            .unwrap_or_else(|| Written { entries: spec::default_phases(), goal: None }),
    };
    refuse_tracked(context)?;
    if let Some((repo, pattern)) = exclusion(context) {
        repo.exclude(&pattern)?;
    }
    // The store before its pointer: a pointer to a store that never was would be a failure for all.
    context.store.make()?;
    if let Some(repo) = &context.repo
        && context.place.origin == Origin::Default
    {
        place::write_pointer(repo, store)?;
    }
    let project = &context.place.project;
    let plan = Plan {
        project: project.display().to_string(),
        hash: place::project_hash(project),
        phases: written.entries,
        round,
        goal: request.goal.or(written.goal),
        if_none: request.if_none,
        force: request.force,
    };
    let started = context.store.start(&context.asker, &plan)?;
    let directory = store.join(&started.path);
    let unrecorded = record(context, &started).err();
    // Nobody looks for that any more once the sprint has ended.
    let made_up = started.previous.as_ref().map(|board| salvage::all_made_up(context, board));
    let made_up = made_up.unwrap_or_default();
    Ok(Begun { started, directory, unrecorded, made_up })
}

/// Writes the records of what was taken over, where completions have any.
fn record(context: &Context, started: &Started) -> Result<(), Failure> {
    if started.carried.is_empty() || !context.config_bool("conductor.notes")?.unwrap_or(false) {
        return Ok(());
    }
    let Some(board) = context.store.board_of(&started.sprint.sprint_id)? else { return Ok(()) };
    let mut taken = history::of(&board);
    taken.retain(|completion| completion.done.carried_from.is_some());
    super::notes::carried(context, &taken)
}

/// What keeps git off a store that is in a worktree, as a line of `info/exclude`.
pub(super) fn exclusion(context: &Context) -> Option<(&Repo, String)> {
    let (repo, path) = in_worktree(context)?;
    Some((repo, format!("/{}/", escape_pattern(&path))))
}

/// Refuses a store with tracked files.
pub(super) fn refuse_tracked(context: &Context) -> Result<(), Failure> {
    let store = context.store_path();
    match in_worktree(context) {
        Some((repo, _)) if repo.tracked_under(store)? => {
            let what = "has tracked files: git would overwrite live claims";
            let failure = format!("the store '{}' {what}", store.display());
            Err(Failure::new(FailureKind::TrackedStore, failure).hint(Hint::new(
                format!("only by your human: git rm -r --cached {}", quoted(store)),
                format!("git rm -r --cached {}", quoted(store)),
            )))
        }
        _ => Ok(()),
    }
}

/// The store's path in the worktree that it is in, however it was found there: `git add -A`,
/// `git stash -u` and `git clean -fd` would take it, and it must have no tracked files.
fn in_worktree(context: &Context) -> Option<(&Repo, String)> {
    let repo = context.repo.as_ref()?;
    let store = context.store_path();
    if store.starts_with(repo.common_dir()) {
        return None;
    }
    let roots = [repo.worktree(), repo.main_worktree()];
    let inside = roots.into_iter().flatten().find_map(|root| store.strip_prefix(root).ok())?;
    Some((repo, inside.to_str()?.to_owned())).filter(|(_, path)| !path.is_empty())
}

/// `path` as a pattern that matches just itself.
fn escape_pattern(path: &str) -> String {
    let mut pattern = String::with_capacity(path.len());
    for c in path.chars() {
        if matches!(c, '\\' | '*' | '?' | '[' | ' ') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// The graph after `--phases`.
fn given(text: &str) -> Result<Written, Failure> {
    let list = |text: &str| Ok(Written { entries: spec::parse_list(text)?, goal: None });
    let parsed = if text == "-" {
        let mut input = String::new();
        std::io::stdin()
            .take(MAX_GRAPH_BYTES)
            .read_to_string(&mut input)
            .map_err(|error| Failure::io(error, "cannot read the phases from standard input"))?;
        if begins_json(&input) { spec::parse_json(&input) } else { list(input.trim()) }
    } else if begins_json(text) {
        spec::parse_json(text)
    } else if text.contains('/') || is_json(text) {
        spec::parse_json(&read(&PathBuf::from(text))?)
    } else {
        list(text)
    };
    parsed.map_err(|error| {
        Failure::new(FailureKind::Usage, format!("invalid phase graph: {error}"))
            .hint(Hint::fixed(
                "no sprint was started; make up no phases: ask whoever gave you these",
                "no sprint was started; correct that, as the examples show",
            ))
            .hint("git conductor start -h")
    })
}

/// Whether `text` is a list or an object of JSON, right or wrong.
fn begins_json(text: &str) -> bool {
    text.trim_start().starts_with(['[', '{'])
}

/// Whether `text` names a JSON file.
fn is_json(text: &str) -> bool {
    let extension = std::path::Path::new(text).extension();
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

fn read(path: &std::path::Path) -> Result<String, Failure> {
    let fail = |error| Failure::io(error, format!("cannot read '{}'", path.display()));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(fail)?;
    file.take(MAX_GRAPH_BYTES).read_to_string(&mut text).map_err(fail)?;
    Ok(text)
}

/// The graph of the store's `config.json`; an invalid one is refused, and never passed over.
fn configured(store: &std::path::Path) -> Result<Option<Written>, Stop> {
    let path = store.join(crate::store::layout::CONFIG);
    let Some(text) = super::concurrency::read_config(store)? else { return Ok(None) };
    spec::of_config(&text).map_err(|error| {
        let file = path.display().to_string();
        Refusal::InvalidGraph { file, why: error.to_string() }.into()
    })
}
