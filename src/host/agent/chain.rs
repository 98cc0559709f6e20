//! The processes above this command, and which of them lives as long as the agent does.
//!
//! A tool call is usually `agent → sh -c … → git → git-conductor`, so neither the parent nor the
//! session leader need be the agent. A known agent is found by its name. For anybody else, session
//! by session going up: the leader, if it lasts; else the outermost process of that session that
//! does. A session whose leader is not above us was left behind by its parents: what it hangs on
//! now has adopted it, as it adopts everybody's, and is not asked. A script in a session of its
//! own, and whatever runs one command, is what an agent has run, and not the agent: the search goes
//! on above. Only where nothing else lasts is the outermost script taken. What serves many agents
//! at once (init, sshd, tmux, cron, a desktop) is never taken, nor anything above it: two agents
//! that recorded the same process would own each other's claims.

use std::cell::OnceCell;

use super::family::{Family, WORKERS};
use super::programs::{SHARED, WRAPPERS, is_hook, is_interpreter, is_shell, runs_hook};
use crate::host::process::{Entry, Table};

/// Ancestors are followed no further than this: far beyond what builds within builds come to, so
/// that an agent is not missed for being high above.
const HIGHEST: usize = 1024;

/// The inode of the pid namespace that a machine boots with (`PROC_PID_INIT_INO`).
const FIRST_PID_NS: u64 = 0xEFFF_FFFC;

/// How long a process lives, next to the agent that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Span {
    /// It is gone with the command.
    Passing,
    /// It runs a script, and may last, or be gone with the command.
    Script,
    /// It may live as long as the agent.
    Lasting,
    /// It belongs to many.
    Shared,
}

struct Link {
    entry: Entry,
    args: OnceCell<Vec<String>>,
}

/// This command and what is above it, nearest first.
pub(super) struct Chain<'t, T: Table> {
    table: &'t T,
    pid_ns: Option<u64>,
    links: Vec<Link>,
}

impl<'t, T: Table> Chain<'t, T> {
    /// Follows the parents up to where none is to be seen.
    pub(super) fn read(table: &'t T, pid_ns: Option<u64>) -> Self {
        let mut links: Vec<Link> = Vec::with_capacity(16);
        let mut next = Some(table.own());
        while let Some(entry) = next {
            let parent = entry.ppid;
            links.push(Link { entry, args: OnceCell::new() });
            // Parents cannot go in a circle, but numbers that pass on between two looks could.
            let seen = links.iter().any(|link| link.entry.pid == parent);
            let go_on = parent > 0 && !seen && links.len() < HIGHEST;
            next = if go_on { table.entry(parent) } else { None };
        }
        Self { table, pid_ns, links }
    }

    /// This command.
    pub(super) fn command(&self) -> Option<&Entry> {
        self.links.first().map(|link| &link.entry)
    }

    /// The processes above this command, nearest first.
    pub(super) fn ancestors(&self) -> impl Iterator<Item = &Entry> {
        self.links.iter().skip(1).map(|link| &link.entry)
    }

    /// The nearest ancestor that is a known agent.
    pub(super) fn agent(&self) -> Option<(&Entry, &'static Family)> {
        self.links.iter().skip(1).find_map(|link| Some((&link.entry, self.family(link)?)))
    }

    /// What is above this command and belongs to nobody else, itself included, nearest first.
    fn own(&self) -> &[Link] {
        let shared = |link: &Link| self.span(link) == Span::Shared;
        let reach = self.links.iter().skip(1).position(shared).map_or(self.links.len(), |n| n + 1);
        self.links.get(..reach).unwrap_or_default()
    }

    /// The process that lives as long as whoever calls, where no agent is known.
    pub(super) fn anchor(&self) -> Option<Anchor> {
        let own = self.own();
        let mut asked = Vec::new();
        // The outermost script of the sessions that were passed over.
        let mut script: Option<&Link> = None;
        for link in own {
            let session = link.entry.session;
            if asked.contains(&session) {
                continue;
            }
            asked.push(session);
            let members = || own.iter().filter(|link| link.entry.session == session);
            // The leader first: to know how long another lives can cost a read of its arguments.
            let is = |span: Span| move |link: &&Link| self.span(link) == span;
            let leader = members().find(|link| link.entry.pid == session);
            let lasting = leader.filter(|leader| self.leads(own, leader));
            if let Some(found) = lasting.or_else(|| members().rev().find(is(Span::Lasting))) {
                let via = script.map(|script| script.entry.clone());
                return Some(Anchor { entry: found.entry.clone(), via });
            }
            script = members().rev().find(is(Span::Script)).or(script);
            // A leader outside of the pid namespace, 0, cannot be seen in any case.
            if session > 0 && leader.is_none() {
                break;
            }
        }
        if let Some(found) = script {
            return Some(Anchor { entry: found.entry.clone(), via: None });
        }
        // A command in the background whose parents have ended keeps its session.
        let session = self.command()?.session;
        if session <= 0 || self.links.iter().any(|link| link.entry.pid == session) {
            return None;
        }
        let entry = self.table.entry(session).filter(|entry| !entry.ended)?;
        let link = Link { entry, args: OnceCell::new() };
        let span = || self.span(&link);
        let lasting = link.entry.comm.is_empty() || matches!(span(), Span::Lasting | Span::Script);
        lasting.then_some(Anchor { entry: link.entry, via: None })
    }

    /// Whether the leader of a session lasts. One that runs a script does, unless it is another
    /// script that has run it: a harness that gives each command a session of its own.
    fn leads(&self, own: &[Link], leader: &Link) -> bool {
        match self.span(leader) {
            Span::Lasting => true,
            Span::Passing | Span::Shared => false,
            Span::Script => {
                let above =
                    own.iter().skip_while(|link| link.entry.pid != leader.entry.pid).skip(1);
                let begun_by =
                    above.map(|link| self.span(link)).find(|span| *span != Span::Passing);
                begun_by != Some(Span::Script)
            }
        }
    }

    /// The process that lasts as long as the job does that calls, and whether it may be other jobs'
    /// as well; `carries` says whether a process was started with the job's own id, and `in_steps`
    /// whether the job's steps are processes of their own.
    pub(super) fn job(
        &self,
        carries: impl Fn(&Entry) -> bool,
        in_steps: bool,
    ) -> (Option<Entry>, bool) {
        let own = self.own().get(1..).unwrap_or_default();
        if let Some(worker) = own.iter().find(|link| WORKERS.contains(&link.entry.comm.as_str())) {
            return (Some(worker.entry.clone()), false);
        }
        let lasts = |link: &&Link| matches!(self.span(link), Span::Lasting | Span::Script);
        // Upwards as far as each has the id: what one lacks, its parent did not pass on.
        let count = own.iter().take_while(|link| carries(&link.entry)).count();
        let (steps, above) = own.split_at(count);
        let top = steps.iter().rev().find(lasts);
        if in_steps {
            return (above.iter().find(lasts).map(|link| link.entry.clone()), true);
        }
        match top {
            Some(top) => (Some(top.entry.clone()), false),
            None => (self.anchor().map(|anchor| anchor.entry), true),
        }
    }

    /// Whether `pid` is this command, or a `git` that waits for nothing else.
    pub(super) fn ends_with_command(&self, pid: i64) -> bool {
        let own = self.links.iter().take(1);
        let git = self.links.iter().skip(1).take_while(|link| link.entry.comm == "git");
        own.chain(git).any(|link| link.entry.pid == pid)
    }

    fn args<'l>(&self, link: &'l Link) -> &'l [String] {
        link.args.get_or_init(|| self.table.args(link.entry.pid))
    }

    fn family(&self, link: &Link) -> Option<&'static Family> {
        let comm = link.entry.comm.as_str();
        let by_args = || {
            let args = if is_interpreter(comm) { self.args(link) } else { &[] };
            script_names(args).iter().find_map(|name| Family::of_process(name))
        };
        Family::of_process(comm).or_else(by_args)
    }

    fn span(&self, link: &Link) -> Span {
        let Entry { pid, comm, .. } = &link.entry;
        if Some(*pid) == self.command().map(|own| own.pid) {
            return Span::Passing;
        }
        // In a container the first process can be the agent; on a machine it is everybody's.
        let first = *pid == 1 && self.pid_ns.is_none_or(|ns| ns == FIRST_PID_NS);
        if first || SHARED.contains(&comm.as_str()) {
            return Span::Shared;
        }
        // `npm run build` is what npm calls itself.
        let first = comm.split(' ').next().unwrap_or_default();
        if comm.is_empty() || WRAPPERS.contains(&first) || comm.starts_with("git-") || is_hook(comm)
        {
            return Span::Passing;
        }
        let args = self.args(link);
        let program = args.first().map(|first| base(first)).unwrap_or_default();
        let program = program.trim_start_matches('-');
        if is_shell(comm) || is_shell(program) {
            match shell_script(args) {
                Shell::Command => Span::Passing,
                Shell::Script(script) if runs_hook(script) => Span::Passing,
                Shell::Script(_) => Span::Script,
                Shell::Stays => Span::Lasting,
            }
        } else if is_interpreter(comm) || is_interpreter(program) {
            let script = args.iter().skip(1).any(|arg| !arg.starts_with('-') || arg == "-m");
            if is_inline_code(args) || args.iter().skip(1).any(|arg| runs_hook(arg)) {
                Span::Passing
            } else if script {
                Span::Script
            } else {
                Span::Lasting
            }
        } else {
            Span::Lasting
        }
    }
}

/// The process that stands for whoever calls.
pub(super) struct Anchor {
    pub(super) entry: Entry,
    /// The outermost script below it that runs in a session of its own.
    pub(super) via: Option<Entry>,
}

/// What a shell was started for.
#[derive(Debug, PartialEq, Eq)]
enum Shell<'a> {
    /// One command (`sh -c`, `bash -lc`, `bash -euo pipefail -c`).
    Command,
    /// A script file.
    Script(&'a str),
    /// What it is told, by a person or through a pipe.
    Stays,
}

fn shell_script(args: &[String]) -> Shell<'_> {
    let mut args = args.iter().skip(1).map(String::as_str);
    while let Some(arg) = args.next() {
        if let Some(long) = arg.strip_prefix("--") {
            match long {
                "" => return args.next().map_or(Shell::Stays, Shell::Script),
                "command" => return Shell::Command,
                "rcfile" | "init-file" => _ = args.next(),
                _ if long.starts_with("command=") => return Shell::Command,
                _ => {}
            }
        } else if let Some(flags) = arg.strip_prefix(['-', '+']) {
            if arg.starts_with('-') && flags.contains('c') {
                return Shell::Command;
            }
            if arg == "-" || (arg.starts_with('-') && flags.contains('s')) {
                return Shell::Stays;
            }
            // `-o pipefail`: the option's name is the next word.
            if flags.ends_with(['o', 'O']) {
                _ = args.next();
            }
        } else if arg == "sh" || arg == "ash" {
            // `busybox sh -c …`
        } else {
            return Shell::Script(arg);
        }
    }
    Shell::Stays
}

/// Options of interpreters whose value is the next word.
const WITH_VALUE: &[&str] =
    &["-r", "--require", "--import", "--loader", "-W", "-X", "-I", "--conditions", "--config"];

/// Whether an interpreter was started for code on its command line (`python -c`, `node -e`).
fn is_inline_code(args: &[String]) -> bool {
    let option = |arg: &&str| arg.starts_with('-') && *arg != "-m";
    let mut options = args.iter().skip(1).map(String::as_str).take_while(option);
    options.any(|arg| matches!(arg, "-c" | "-e" | "-p" | "-pe" | "--eval" | "--print"))
}

/// What an interpreter's command line calls the program: its own first word (`exec -a`), and the
/// script or module that it runs, without directories and extension.
fn script_names(args: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    let mut words = args.iter().map(String::as_str);
    names.extend(words.next().map(base));
    while let Some(word) = words.next() {
        if word == "-m" {
            // `python -m kimi_cli.main`
            let module = words.next().and_then(|module| module.split('.').next());
            names.extend(module.map(|module| module.replace('_', "-")));
            break;
        } else if WITH_VALUE.contains(&word) {
            _ = words.next();
        } else if matches!(word, "-c" | "-e" | "-p" | "--eval" | "--print") {
            break;
        } else if !word.starts_with('-') && !matches!(word, "run" | "x") {
            names.push(base(word));
            break;
        }
    }
    names
}

/// The last part of a path, without a script's extension.
fn base(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    let script = [".js", ".mjs", ".cjs", ".ts", ".py", ".rb"];
    script.iter().find_map(|extension| file.strip_suffix(extension)).unwrap_or(file).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn one_command_or_a_shell_that_stays() {
        for line in [
            "sh -c x",
            "bash -lc x",
            "bash -ec x",
            "bash -o pipefail -c x",
            "bash -euo pipefail -c x",
            "bash --norc -c x",
            "zsh -ic x",
            "bash --rcfile /x -c y",
            "busybox sh -c x",
            "fish --command=x",
            "bash -c -l x",
            "dash -e -c x",
            "bash +O extglob -c x",
        ] {
            assert_eq!(shell_script(&words(line)), Shell::Command, "{line}");
        }
        for line in [
            "bash",
            "-bash",
            "bash -l",
            "bash run.sh",
            "bash run.sh -c",
            "bash -e run.sh -c x",
            "sh -",
            "bash -- -c",
            "bash -o pipefail run.sh",
            "bash /dev/fd/3",
            "bash --rcfile -c",
        ] {
            assert_ne!(shell_script(&words(line)), Shell::Command, "{line}");
        }
    }

    #[test]
    fn what_an_interpreter_runs() {
        for (line, name) in [
            ("node /usr/bin/codex exec", "codex"),
            ("node --max-old-space-size=4096 /usr/bin/gemini", "gemini"),
            ("node -r ./hook.js /opt/qwen.js", "qwen"),
            ("/usr/bin/python3 -m aider --model x", "aider"),
            ("python -u -m kimi_cli.main", "kimi-cli"),
            ("python3 /home/u/.local/bin/aider", "aider"),
            ("bun run /opt/opencode.ts", "opencode"),
            ("deno run -A /opt/pi.ts", "pi"),
            ("/home/u/.local/bin/cursor-agent --use-system-ca index.js", "cursor-agent"),
        ] {
            let names = script_names(&words(line));
            assert!(names.iter().any(|found| found == name), "{line}: {names:?}");
        }
        for line in
            ["node build.js codex", "python -c codex", "node -e claude", "python run.py claude"]
        {
            let names = script_names(&words(line));
            assert!(
                names.iter().all(|name| Family::of_process(name).is_none()),
                "{line}: {names:?}"
            );
        }
    }

    #[test]
    fn code_on_the_command_line() {
        for line in ["python -c x", "python3 -u -c x", "node -e x", "ruby -e x", "node --eval x"] {
            assert!(is_inline_code(&words(line)), "{line}");
        }
        for line in ["python", "python x.py -c y", "python -m x -c y", "node /x -e"] {
            assert!(!is_inline_code(&words(line)), "{line}");
        }
    }
}
