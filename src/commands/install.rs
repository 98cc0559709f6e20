//! `install`: puts the manual pages and completions that this program carries where `man`, bash,
//! zsh and fish look for them. It needs no repository, and asks git nothing.
//!
//! What each of them looks through is a fact about that program, tried with the real ones in
//! `tests/it/install.rs`:
//!
//! - man-db finds `<prefix>/share/man` for each `<prefix>/bin` in `PATH`;
//! - bash-completion looks in the user's data directory and in `XDG_DATA_DIRS`, and only from 2.12
//!   on beside the directories of `PATH`;
//! - a bash-completion also looks beside its own script, as that of Homebrew does;
//! - zsh has its own list, which only its user can extend, in `FPATH` as well if that is exported,
//!   as Homebrew has it;
//! - fish looks in the user's data directory, in `XDG_DATA_DIRS`, and where it is itself installed;
//!   the file goes where it is read at once, since 3.6.0 does not look for completions of git's
//!   commands.

pub(super) mod answer;
pub(super) mod files;
mod shipped;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::context::{text, variable};
use super::session::{Answered, Run, Session};
use crate::error::{Failure, FailureKind, Hint, Message, Refuses, Stop};
use crate::ui::phrases::names;
pub use files::Change;
use files::There;
use shipped::{COMPLETIONS, PAGES};

/// Put manual pages and completions where they are found
///
/// Pages go to DIR/share/man, completions to where bash, zsh and fish look. DIR is
/// the directory that has the bin which this program is in; what a shell would
/// not find there goes to your own data directory instead (~/.local/share), but
/// not where --prefix names DIR. Prints the path of each file.
///
/// A file that this command did not write is never touched: it is refused, and
/// nothing is changed. It may be run again after every update.
#[derive(Debug, Clone, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  git conductor install\n  git conductor install --prefix ~/.local\n  git conductor install --uninstall"
)]
pub(super) struct InstallArgs {
    /// Below which directory [default: by where this program is]
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
    /// Change nothing, only show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Take away what was installed
    #[arg(long)]
    uninstall: bool,
}

impl Run for InstallArgs {
    /// Installs, or takes away what was installed.
    fn run(self, _: &mut Session) -> Answered {
        let Self { prefix, dry_run, uninstall } = self;
        Ok(Box::new(install(&Request { prefix, dry_run, uninstall })?))
    }
}

/// What is to be done.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Below which directory; `None` for the one that this program's own `bin` is in.
    pub prefix: Option<PathBuf>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Take away what was installed.
    pub uninstall: bool,
}

/// Who reads a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Reader {
    /// `man`
    Man,
    /// bash, through bash-completion and git's own completion.
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

/// One file, and what became of it.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Piece {
    /// Where it is (absolute path).
    #[serde(serialize_with = "files::shown")]
    pub path: PathBuf,
    /// Who reads it.
    #[serde(rename = "for")]
    pub reader: Reader,
    /// What became of it.
    pub change: Change,
}

/// What somebody still has to do so that a file is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Who does not look there.
    pub reader: Reader,
    /// The directory (absolute path); of `man`, that of all sections.
    pub dir: PathBuf,
}

/// What was done.
#[derive(Debug, Clone)]
pub struct Installed {
    /// What was asked for.
    pub request: Request,
    /// The directory that it was done below (absolute path).
    pub prefix: PathBuf,
    /// The files, in the order in which they are listed.
    pub pieces: Vec<Piece>,
    /// Files of such a name that are not ours and were left alone.
    pub left: Vec<PathBuf>,
    /// What shells and `man` do not find yet.
    pub missing: Vec<Missing>,
}

/// Files that are not ours stand where ours would go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct ForeignFiles {
    /// Which (absolute paths).
    paths: Vec<String>,
}

impl Refuses for ForeignFiles {
    fn code(&self) -> &'static str {
        "foreign_files"
    }

    fn message(&self) -> Message {
        let are = if self.paths.len() == 1 { "is there and is" } else { "are there and are" };
        Message::new(
            format!(
                "{} {are} not from 'git conductor install': nothing was changed",
                names(&self.paths)
            ),
            Hint::new(
                "whose they are is your human's to say: once they are out of the way, run it again; \
                 or install below another directory with --prefix",
                "once they are out of the way, run it again; or install below another directory with --prefix",
            ),
            &[],
        )
    }

    fn facts(&self) -> Value {
        json!(self)
    }
}

/// A directory that files go to.
struct Target {
    reader: Reader,
    dir: PathBuf,
    /// What is never removed, nor anything above it.
    root: PathBuf,
    /// Whether its reader looks there, as far as can be told from here.
    found: bool,
}

/// Where zsh's functions are, below the directory of shared data.
const ZSH: &str = "zsh/site-functions";

/// What the environment says of where programs look.
struct Surroundings {
    /// The user's data directory.
    data_home: Option<PathBuf>,
    /// bash-completion's own directory of the user.
    bash_user: Option<PathBuf>,
    /// `XDG_DATA_DIRS`, if it is set.
    data_dirs: Option<Vec<PathBuf>>,
    /// `PATH`
    path: Vec<PathBuf>,
    /// `FPATH`, where it is exported: where zsh looks.
    fpath: Vec<PathBuf>,
    /// `MANPATH`, if it is set and does not ask for the usual places as well.
    man_path: Option<Vec<PathBuf>>,
}

/// Installs, or takes away what was installed, and gives what was done; with [`Request::dry_run`]
/// what there is.
pub(super) fn install(request: &Request) -> Result<Installed, Stop> {
    let around = Surroundings::read();
    let prefix = match &request.prefix {
        Some(prefix) => absolute(prefix)?,
        None => own_prefix()?,
    };
    let targets = targets(&prefix, request.prefix.is_none(), &around);
    let (pieces, left) =
        if request.uninstall { uninstall(request, &targets)? } else { put(request, &targets)? };
    let missing = if request.uninstall { Vec::new() } else { missing(&targets) };
    let request = request.clone();
    Ok(Installed { request, prefix, pieces, left, missing })
}

/// What is not found where it is, each once.
fn missing(targets: &[Target]) -> Vec<Missing> {
    let place = |target: &Target| match target.reader {
        Reader::Man => target.dir.parent().unwrap_or(&target.dir).to_owned(),
        Reader::Bash | Reader::Zsh | Reader::Fish => target.dir.clone(),
    };
    let lost = targets.iter().filter(|target| !target.found);
    let mut missing: Vec<Missing> =
        lost.map(|target| Missing { reader: target.reader, dir: place(target) }).collect();
    missing.dedup();
    missing
}

/// A directory that was named, from the current one.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    if path.as_os_str().is_empty() {
        return Err(Failure::new(FailureKind::Usage, "an empty prefix names no directory"));
    }
    std::path::absolute(path)
        .map_err(|error| Failure::io(error, "cannot tell the current directory"))
        // Without `.`, and with `..` as it was typed: a link may be before it.
        .map(|path| path.components().collect())
}

/// `<prefix>`, where this program is `<prefix>/bin/git-conductor`.
fn own_prefix() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::io(error, "cannot tell where this program is"))?;
    let bin = program.parent().filter(|dir| dir.ends_with("bin"));
    bin.and_then(Path::parent).map(Path::to_owned).ok_or_else(|| {
        let text = "git-conductor itself is in no directory called 'bin', beside which its pages \
                    would be found";
        let failure = Failure::new(FailureKind::Usage, text);
        failure
            .hint("say below which directory to install, with --prefix DIR")
            .hint("git conductor install -h")
    })
}

impl Surroundings {
    fn read() -> Self {
        // A relative one is none, says the standard.
        let directory = |name: &str| text(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
        let list = |name: &str| -> Option<Vec<PathBuf>> {
            let value = variable(name).filter(|value| !value.is_empty())?;
            Some(std::env::split_paths(&value).collect())
        };
        let asks_for_more = |dirs: &Vec<PathBuf>| dirs.iter().any(|dir| dir.as_os_str().is_empty());
        let home = directory("HOME");
        Self {
            data_home: directory("XDG_DATA_HOME").or_else(|| Some(home?.join(".local/share"))),
            bash_user: list("BASH_COMPLETION_USER_DIR")
                .and_then(|dirs| dirs.into_iter().next())
                .filter(|dir| dir.is_absolute()),
            data_dirs: list("XDG_DATA_DIRS"),
            path: list("PATH").unwrap_or_default(),
            fpath: list("FPATH").unwrap_or_default(),
            man_path: list("MANPATH").filter(|dirs| !asks_for_more(dirs)),
        }
    }

    /// Whether `man` looks in `<prefix>/share/man`.
    fn man_finds(&self, prefix: &Path) -> bool {
        let pages = prefix.join("share/man");
        match &self.man_path {
            Some(dirs) => dirs.contains(&pages),
            // What man-db is told to look through in any case.
            None if [Path::new("/usr/local"), Path::new("/usr")].contains(&prefix) => true,
            None => self.path.contains(&prefix.join("bin")),
        }
    }

    /// Whether bash-completion, of any version, looks below `share`.
    fn bash_finds(&self, share: &Path) -> bool {
        let usual = ["/usr/local/share", "/usr/share"];
        let is_listed = match &self.data_dirs {
            Some(dirs) => dirs.iter().any(|dir| dir == share),
            None => usual.iter().any(|dir| share == Path::new(dir)),
        };
        is_listed || share.join("bash-completion/bash_completion").exists()
    }

    /// Whether every zsh looks below `prefix`, or one with the caller's variables does. That of
    /// `/usr` is not in Debian's list.
    fn zsh_finds(&self, prefix: &Path) -> bool {
        let dir = prefix.join("share").join(ZSH);
        prefix == Path::new("/usr/local") || self.fpath.contains(&dir)
    }

    /// Whether fish looks below `share`.
    fn fish_finds(&self, share: &Path) -> bool {
        let listed = |dirs: &Vec<PathBuf>| dirs.iter().any(|dir| dir == share);
        self.data_dirs.as_ref().is_some_and(listed) || share.join("fish/config.fish").exists()
    }
}

/// Where everything goes. What a shell would not find below the prefix goes to the user's own data
/// directory, unless the prefix was named.
fn targets(prefix: &Path, may_move: bool, around: &Surroundings) -> Vec<Target> {
    let share = prefix.join("share");
    let below = |reader, dir: &str, found| Target {
        reader,
        dir: share.join(dir),
        root: share.clone(),
        found,
    };
    let man = around.man_finds(prefix);
    let shell = |reader, dir: &str, found: bool, users: Option<&PathBuf>| match users {
        Some(users) if !found && may_move => {
            Target { reader, dir: users.join(dir), root: users.clone(), found: true }
        }
        _ => {
            let found = found || users.is_some_and(|users| *users == share);
            below(reader, dir, found)
        }
    };
    let bash = match &around.bash_user {
        // It stands for the user's data directory, and there is nothing else in it.
        Some(dir) if may_move && !around.bash_finds(&share) => Target {
            reader: Reader::Bash,
            dir: dir.join("completions"),
            root: dir.clone(),
            found: true,
        },
        user => shell(
            Reader::Bash,
            "bash-completion/completions",
            around.bash_finds(&share),
            around.data_home.as_ref().filter(|_| user.is_none()),
        ),
    };
    vec![
        below(Reader::Man, "man/man1", man),
        below(Reader::Man, "man/man7", man),
        bash,
        below(Reader::Zsh, ZSH, around.zsh_finds(prefix)),
        shell(
            Reader::Fish,
            "fish/vendor_conf.d",
            around.fish_finds(&share),
            around.data_home.as_ref(),
        ),
    ]
}

/// The files that belong in a directory: name and content.
fn belonging(target: &Target) -> Vec<(&'static str, String)> {
    let pages = |section: char| {
        let pages = PAGES.iter().filter(move |(name, _)| name.ends_with(section));
        pages.map(|(name, page)| (*name, files::marked(&unpacked(page), ".\\\""))).collect()
    };
    let completions = |names: &[&str]| {
        let all = COMPLETIONS.iter().filter(|(known, _)| names.contains(known));
        all.map(|(name, text)| (*name, files::marked(text, "#"))).collect()
    };
    match target.reader {
        Reader::Man if target.dir.ends_with("man1") => pages('1'),
        Reader::Man => pages('7'),
        Reader::Bash => completions(&["git-conductor"]),
        Reader::Zsh => completions(&["_git-conductor", "_git_conductor"]),
        Reader::Fish => completions(&["git-conductor.fish"]),
    }
}

/// The text of a page; what was packed with the program can be unpacked.
fn unpacked(page: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::ZlibDecoder::new(page).read_to_string(&mut text).ok();
    text
}

type Done = (Vec<Piece>, Vec<PathBuf>);

fn put(request: &Request, targets: &[Target]) -> Result<Done, Stop> {
    let mut wanted = Vec::new();
    let mut foreign = Vec::new();
    // Everything is looked at before anything is written.
    for target in targets {
        for (name, text) in belonging(target) {
            let path = target.dir.join(name);
            match files::look(&path)? {
                There::Foreign => foreign.push(path.display().to_string()),
                There::Ours(old) if old == text => {
                    wanted.push((target.reader, path, text, Change::Same));
                }
                There::Ours(_) | There::Nothing => {
                    wanted.push((target.reader, path, text, Change::Written));
                }
            }
        }
    }
    if !foreign.is_empty() {
        return Err(ForeignFiles { paths: foreign }.into());
    }
    let mut pieces = Vec::new();
    for (reader, path, text, change) in wanted {
        if change == Change::Written && !request.dry_run {
            files::write(&path, &text)?;
        }
        pieces.push(Piece { path, reader, change });
    }
    // Of a command that an earlier version had.
    for target in targets {
        let names = belonging(target);
        for path in files::ours(&target.dir)? {
            if !names.iter().any(|(name, _)| path.ends_with(name)) {
                remove(request, target, path, &mut pieces)?;
            }
        }
    }
    Ok((pieces, Vec::new()))
}

fn uninstall(request: &Request, targets: &[Target]) -> Result<Done, Stop> {
    let (mut pieces, mut left) = (Vec::new(), Vec::new());
    for target in targets {
        for path in files::ours(&target.dir)? {
            remove(request, target, path, &mut pieces)?;
        }
        for (name, _) in belonging(target) {
            let path = target.dir.join(name);
            if matches!(files::look(&path)?, There::Foreign) {
                left.push(path);
            }
        }
        if !request.dry_run {
            files::prune(&target.dir, &target.root);
        }
    }
    Ok((pieces, left))
}

fn remove(
    request: &Request,
    target: &Target,
    path: PathBuf,
    pieces: &mut Vec<Piece>,
) -> Result<(), Failure> {
    if !request.dry_run {
        files::remove(&path)?;
    }
    pieces.push(Piece { path, reader: target.reader, change: Change::Removed });
    Ok(())
}
