//! Where the system's git configuration is. Only git knows for sure, but asking costs a process.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice as _;

use super::child;
use super::env::Env;
use crate::error::Failure;

/// Where almost every git reads it.
const USUAL: &str = "/etc/gitconfig";

/// The system's configuration file, as the git that runs us was built to find it, else the one that
/// is first in `PATH`: `<prefix>/etc/gitconfig`, and `/etc/gitconfig` for the prefix `/usr`.
/// `GIT_CONFIG_SYSTEM` settles it where this is wrong.
///
/// # Errors
/// git had to be asked and did not answer.
pub(super) fn path(env: &Env) -> Result<PathBuf, Failure> {
    // git tells its subcommands; its own directory says more than the link in `PATH`.
    if let Some(guess) = env.path("GIT_EXEC_PATH").as_deref().and_then(of_exec_path) {
        return Ok(guess);
    }
    let Some(git) = in_path(env).next() else { return Ok(USUAL.into()) };
    // A wrapper or a link may stand for a git of another prefix. Beside a file of its own, or where
    // there is no usual one to be missed, it hardly does.
    if let Some(guess) = git.parent().and_then(of_directory)
        && (guess == Path::new(USUAL) || guess.exists() || !Path::new(USUAL).exists())
    {
        return Ok(guess);
    }
    if is_script(&git) {
        return ask(env);
    }
    let real = git.canonicalize().unwrap_or(git);
    Ok(real.parent().and_then(of_directory).unwrap_or_else(|| USUAL.into()))
}

/// The programs called `git` in `PATH`, in its order.
fn in_path(env: &Env) -> impl Iterator<Item = PathBuf> {
    let dirs: Vec<PathBuf> =
        env.get("PATH").map_or_else(Vec::new, |path| std::env::split_paths(path).collect());
    let programs = dirs.into_iter().map(|dir| dir.join("git"));
    programs.filter(|git| git.is_absolute() && git.is_file())
}

/// The programs called `git` in `PATH`, each once however many links lead to it, the one that is
/// run first.
#[must_use]
pub fn programs(env: &Env) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    // git puts the directory of its subcommands first, which has a link to itself, or a copy.
    let programs = in_path(env).filter(|git| git.parent().and_then(of_exec_path).is_none());
    let is_new = |git: &PathBuf| {
        git.metadata()
            .is_ok_and(|meta| meta.mode() & 0o111 != 0 && seen.insert((meta.dev(), meta.ino())))
    };
    programs.filter(is_new).collect()
}

/// By the directory of git's subcommands.
fn of_exec_path(dir: &Path) -> Option<PathBuf> {
    let core = dir.ends_with("libexec/git-core") || dir.ends_with("lib/git-core");
    core.then(|| Some(of_prefix(dir.parent()?.parent()?))).flatten()
}

/// By the directory of the program.
fn of_directory(dir: &Path) -> Option<PathBuf> {
    // git puts its own directory first in the `PATH` of its subcommands.
    if dir.ends_with("bin") { Some(of_prefix(dir.parent()?)) } else { of_exec_path(dir) }
}

fn of_prefix(prefix: &Path) -> PathBuf {
    // Packagers build these to read the system's own file: distributions and Apple (below some
    // `usr`), Nix and Guix (which have no place for settings beside the program).
    if prefix.ends_with("usr") || prefix.starts_with("/nix") || prefix.starts_with("/gnu") {
        return USUAL.into();
    }
    // Homebrew keeps each version in a directory of its own, and settings in one for all.
    let shared = prefix
        .ancestors()
        .find(|dir| {
            dir.ends_with("Cellar") || (dir.ends_with("opt/git") && *dir != Path::new("/opt/git"))
        })
        .and_then(
            |dir| if dir.ends_with("Cellar") { dir.parent() } else { dir.parent()?.parent() },
        );
    shared.unwrap_or(prefix).join("etc/gitconfig")
}

/// Whether the program is a text that some other program runs.
fn is_script(program: &Path) -> bool {
    let mut start = [0; 2];
    File::open(program).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *b"#!"
}

/// What git says.
fn ask(env: &Env) -> Result<PathBuf, Failure> {
    let mut git = child::git(env, Path::new("/"));
    git.arg("--exec-path");
    let said = child::stdout(&mut git)?;
    let dir = said.trim_end_with(|c| c == '\n').to_path_lossy().into_owned();
    Ok(of_exec_path(&dir).unwrap_or_else(|| USUAL.into()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{of_directory, of_exec_path};

    #[test]
    fn usual_layouts() {
        for (exec_path, file) in [
            ("/usr/lib/git-core", "/etc/gitconfig"),
            ("/usr/libexec/git-core", "/etc/gitconfig"),
            ("/usr/local/libexec/git-core", "/usr/local/etc/gitconfig"),
            ("/opt/git/libexec/git-core", "/opt/git/etc/gitconfig"),
            ("/home/ann/miniconda3/libexec/git-core", "/home/ann/miniconda3/etc/gitconfig"),
            ("/opt/homebrew/opt/git/libexec/git-core", "/opt/homebrew/etc/gitconfig"),
            ("/usr/local/Cellar/git/2.47.3/libexec/git-core", "/usr/local/etc/gitconfig"),
            ("/nix/store/0a1b-git-2.47.3/libexec/git-core", "/etc/gitconfig"),
            ("/Applications/Xcode.app/Contents/Developer/usr/libexec/git-core", "/etc/gitconfig"),
        ] {
            assert_eq!(of_exec_path(Path::new(exec_path)).as_deref(), Some(Path::new(file)));
        }
        for (dir, file) in [
            ("/usr/bin", "/etc/gitconfig"),
            ("/bin", "/etc/gitconfig"),
            ("/usr/local/bin", "/usr/local/etc/gitconfig"),
            ("/opt/homebrew/bin", "/opt/homebrew/etc/gitconfig"),
            ("/usr/lib/git-core", "/etc/gitconfig"),
        ] {
            assert_eq!(of_directory(Path::new(dir)).as_deref(), Some(Path::new(file)));
        }
        assert_eq!(of_directory(Path::new("/home/ann/shims")), None);
    }
}
