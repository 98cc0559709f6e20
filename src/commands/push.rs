//! `guard --pre-push`: asks the gate for a push, as git's pre-push hook.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use super::context::{self, StoreAccess};
use super::gate::{self, Opened, OpenedAnswer, Outgoing};
use super::protection::protection;
use super::{Context, Global, hooks};
use crate::error::{Failure, FailureKind, Message, Refuses, Stop};
use crate::git::Repo;
use crate::record::VERSION;
use crate::rules::Refusal;
use crate::rules::gate::{Content, GateAllowed};
use crate::rules::push::{Treatment, Update};
use crate::rules::refusal::Retry;
use crate::ui::gate::warnings;
use crate::ui::phrases::names;
use crate::ui::{Answer, Format, Messages};

/// No more than so many bytes are read of what git says; that is some 400,000 references.
const MAX_INPUT_BYTES: u64 = 64 * 1024 * 1024;

/// A push may go on.
#[derive(Debug, Default)]
pub(super) struct Pushed {
    /// The guarded references of the remote.
    pub refs: Vec<String>,
    /// What the gate says; `None` if nothing is guarded.
    pub opened: Option<Opened>,
}

/// What `guard --pre-push` answers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct PushAnswer<'a> {
    /// The version of this format.
    v: u32,
    /// Whether it was done.
    ok: bool,
    /// The guarded references of the remote.
    refs: &'a [String],
    #[serde(flatten)]
    opened: Option<OpenedAnswer<'a>>,
}

impl Answer for Pushed {
    fn text(&self, _: Format, messages: &mut Messages) -> String {
        if let Some(opened) = &self.opened {
            warnings(&opened.gaps, messages);
        }
        String::new()
    }

    fn json(&self, _: Format) -> Value {
        json!(PushAnswer {
            v: VERSION,
            ok: true,
            refs: &self.refs,
            opened: self.opened.as_ref().map(gate::open_json),
        })
    }
}

/// Asks the gate for what git says on standard input that it is about to push to `remote` (a name,
/// or an address), which is at `address`. Where nothing of it is guarded neither a store nor an
/// agent is looked for, unless a default branch is not known here. Called from git's configuration
/// (`configured`) it leaves all to a hook file that surely asks, too.
///
/// # Errors
/// Why it must not be pushed; or what the system says.
pub(super) fn push(
    global: &Global,
    remote: Option<&str>,
    address: Option<&str>,
    configured: bool,
) -> Result<Pushed, Stop> {
    try_push(global, remote, address, configured).map_err(|stop| match stop {
        Stop::Failed(mut failure) if failure.kind != FailureKind::Usage => {
            failure.error = failure.error.context(
                "nothing is pushed, since the gate cannot answer \
                 (this is no conflict with the remote: pulling or rebasing will not help)",
            );
            Stop::Failed(failure)
        }
        stop @ (Stop::Failed(_) | Stop::Refused(_) | Stop::Declined(_)) => stop,
    })
}

fn try_push(
    global: &Global,
    remote: Option<&str>,
    address: Option<&str>,
    configured: bool,
) -> Result<Pushed, Stop> {
    let updates = updates()?;
    if updates.is_empty() {
        return Ok(Pushed::default());
    }
    let (cwd, repo) = context::repository()?;
    let Some(repo) = repo else {
        return Err(Failure::new(FailureKind::NotARepository, "a push is from a repository").into());
    };
    if configured && hooks::leaves_to_file(&repo)? {
        return Ok(Pushed::default());
    }
    let remote = remote.map(str::to_owned).or_else(|| context::text("PRE_COMMIT_REMOTE_NAME"));
    let address = address.map(str::to_owned).or_else(|| context::text("PRE_COMMIT_REMOTE_URL"));
    let target = remote.as_deref().or(address.as_deref()).unwrap_or_default();
    let branches = updates.iter().any(|update| update.reference.starts_with("refs/heads/"));
    let asks = branches.then_some(|| !is_open_to_all(global, &cwd, &repo));
    let protection = protection(&repo, target, address.as_deref(), asks)?;
    let of = |wanted: Treatment| -> Vec<&Update> {
        updates.iter().filter(|update| protection.treatment(update) == wanted).collect()
    };
    let names = |updates: &[&Update]| updates.iter().map(|it| it.reference.clone()).collect();
    let kept = of(Treatment::Kept);
    if !kept.is_empty() {
        return Err(LocalRefs { refs: names(&kept) }.into());
    }
    let guarded = of(Treatment::Guarded);
    if guarded.is_empty() {
        return Ok(Pushed::default());
    }
    let outgoing = outgoing(&repo, &guarded)?;
    let refs: Vec<String> = names(&guarded);
    let context = Context::within(global, StoreAccess::Own, &cwd, Some(repo))?;
    match gate::ask(&context, None, &outgoing) {
        Ok(opened) => Ok(Pushed { refs, opened: Some(opened) }),
        Err(Stop::Refused(why)) => {
            let guessed = protection.is_guess(&guarded);
            Err(Refusal::Push { refs, guessed, why }.into())
        }
        Err(stop) => Err(stop),
    }
}

/// Whether the gate lets everything out, whoever asks: then nobody need be asked for a default
/// branch.
fn is_open_to_all(global: &Global, cwd: &Path, repo: &Repo) -> bool {
    let context = Context::within(global, StoreAccess::Own, cwd, Some(repo.clone())).ok();
    let opened = context.and_then(|context| gate::ask(&context, None, &Outgoing::default()).ok());
    opened.is_some_and(|opened| opened.passage == GateAllowed::NoSprint)
}

/// What git says, or what pre-commit has made of it.
fn updates() -> Result<Vec<Update>, Failure> {
    if std::io::stdin().is_terminal() {
        let text = "--pre-push reads from standard input what git tells a pre-push hook";
        return Err(Failure::new(FailureKind::Usage, text).hint("git conductor guard -h"));
    }
    let mut input = Vec::new();
    let read = std::io::stdin().take(MAX_INPUT_BYTES).read_to_end(&mut input);
    read.map_err(|error| Failure::io(error, "cannot read standard input"))?;
    let not_understood =
        |line: &str| Failure::new(FailureKind::Git, format!("cannot understand '{line}' from git"));
    if input.len() as u64 == MAX_INPUT_BYTES {
        return Err(Failure::new(FailureKind::Git, "git pushes more than can be looked at"));
    }
    let input = String::from_utf8_lossy(&input);
    let lines = input.lines().filter(|line| !line.is_empty());
    let parse = |line| Update::parse(line).ok_or_else(|| not_understood(line));
    let mut updates = lines.map(parse).collect::<Result<Vec<_>, _>>()?;
    // pre-commit reads git's lines itself, and tells its hooks of one of them.
    if updates.is_empty()
        && let Some(reference) = context::text("PRE_COMMIT_REMOTE_BRANCH")
    {
        let object = context::text("PRE_COMMIT_TO_REF").unwrap_or_default();
        let line = format!("pre-commit {object} {reference} {object}");
        updates.push(parse(&line)?);
    }
    Ok(updates)
}

/// What goes out with these.
fn outgoing(repo: &Repo, updates: &[&Update]) -> Result<Outgoing, Failure> {
    let mut objects: Vec<&str> =
        updates.iter().filter_map(|update| update.object.as_deref()).collect();
    objects.sort_unstable();
    objects.dedup();
    // A tag can be of anything.
    let mut contents: Vec<Content> = Vec::new();
    for found in repo.commits_and_trees(&objects)? {
        let (commit, tree) = found.unzip();
        contents.push(Content { commit, tree });
    }
    contents.sort_unstable_by(|a, b| a.commit.cmp(&b.commit));
    contents.dedup();
    let deletes = updates.iter().any(|update| update.object.is_none());
    Ok(Outgoing { contents, deletes })
}

/// A push of what must not leave the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LocalRefs {
    /// The remote's references that it would become.
    pub refs: Vec<String>,
}

impl Refuses for LocalRefs {
    fn code(&self) -> &'static str {
        "kept"
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn message(&self) -> Message {
        Message::new(
            format!("nothing is pushed: {} must not leave this machine", names(&self.refs)),
            "this is no conflict with the remote: pulling or rebasing will not help; \
             name the references that you mean to push",
            &[],
        )
    }

    fn facts(&self) -> Value {
        json!(self)
    }
}
