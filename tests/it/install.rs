//! `git conductor install`, and what the real `man`, bash, zsh and fish then find.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::fake::answer;
use crate::fixture::wanting;
use crate::process_driver::BINARY;
use crate::sandbox::Sandbox;

/// A home in which the program is where `cargo install` puts it.
fn cargo_installed() -> Sandbox {
    placed("home/.cargo/bin")
}

/// A sandbox with the program in `bin`, first in PATH, and no variable that would lead elsewhere.
fn placed(bin: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    let dir = sandbox.join(bin);
    std::fs::create_dir_all(&dir).unwrap();
    // By a process of its own: a child of another test would inherit our handle to what is being
    // written, and the program could not be run while that is open.
    assert!(sandbox.command(".", "cp").arg(BINARY).arg(&dir).status().unwrap().success());
    let inherited = std::env::var_os("PATH").unwrap();
    let path = std::iter::once(dir).chain(std::env::split_paths(&inherited));
    sandbox.set("PATH", std::env::join_paths(path).unwrap());
    sandbox
}

fn run(sandbox: &Sandbox, args: &[&str]) -> Output {
    sandbox.command("home", "git").arg("conductor").arg("install").args(args).output().unwrap()
}

#[track_caller]
fn says(sandbox: &Sandbox, args: &[&str]) -> Value {
    let mut command = sandbox.command("home", "git");
    command.arg("conductor").arg("install").args(args).arg("--json");
    answer(&mut command)
}

fn add(dir: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = path.symlink_metadata().unwrap();
        if meta.is_dir() {
            add(&path, found);
            found.insert(path, b"a directory".to_vec());
        } else if meta.is_symlink() {
            found.insert(path.clone(), b"a link".to_vec());
        } else {
            let content = std::fs::read(&path).unwrap();
            found.insert(path, content);
        }
    }
}

/// Everything in the sandbox.
fn everything(sandbox: &Sandbox) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    add(sandbox.path(), &mut found);
    found
}

/// What a program prints in the home; `None` if it is not here.
fn shown(sandbox: &Sandbox, program: &str, args: &[&str]) -> Option<String> {
    let mut command: Command = sandbox.command("home", program);
    let Ok(output) = command.args(args).env("TERM", "dumb").output() else {
        wanting(program);
        return None;
    };
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn paths(answer: &Value) -> Vec<String> {
    let files = answer["files"].as_array().unwrap().iter();
    files.map(|file| file["path"].as_str().unwrap().to_owned()).collect()
}

fn changes(answer: &Value, change: &str) -> usize {
    let files = answer["files"].as_array().unwrap().iter();
    files.filter(|file| file["change"] == change).count()
}

#[test]
fn git_shows_the_pages_of_a_program_that_cargo_installed() {
    let sandbox = cargo_installed();
    if shown(&sandbox, "man", &["--version"]).is_none() {
        return;
    }
    let before = sandbox.try_git("home", ["conductor", "--help"]);
    assert!(!before.status.success(), "there is no page yet: {before:?}");
    says(&sandbox, &[]);
    for args in [&["conductor", "--help"][..], &["help", "conductor"]] {
        let output = sandbox.try_git("home", args);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("GIT-CONDUCTOR(1)"),
            "{args:?}: {output:?}"
        );
    }
    for (section, page) in [("1", "git-conductor-claim"), ("7", "git-conductor-protocol")] {
        let text = shown(&sandbox, "man", &[section, page]).unwrap();
        assert!(text.contains(&page.to_uppercase()), "{page}: {text}");
    }
}

/// bash as a person has it, up to a tab.
const BASH: &str = r#"
. /usr/share/bash-completion/bash_completion
for git in /usr/share/bash-completion/completions/git /usr/lib/git-core/git-completion.bash; do
	[ -e $git ] && . $git && break
done
COMP_WORDS=(git conductor unst); COMP_CWORD=2; COMP_LINE='git conductor unst'; COMP_POINT=18
__git_wrap__git_main
printf '%s\n' "${COMPREPLY[@]}"
"#;

#[test]
fn bash_finds_its_completion() {
    let sandbox = cargo_installed();
    if !Path::new("/usr/share/bash-completion/bash_completion").exists() {
        wanting("bash-completion");
        return;
    }
    let offers = || shown(&sandbox, "bash", &["--norc", "--noprofile", "-c", BASH]).unwrap();
    assert!(!offers().contains("unstuck"));
    let told = says(&sandbox, &[]);
    assert!(offers().contains("unstuck"), "{}", offers());
    let place = sandbox.join("home/.local/share/bash-completion/completions/git-conductor");
    assert!(paths(&told).contains(&place.display().to_string()), "{told}");
}

#[test]
fn bash_finds_it_where_its_user_says() {
    let mut sandbox = cargo_installed();
    if !Path::new("/usr/share/bash-completion/bash_completion").exists() {
        wanting("bash-completion");
        return;
    }
    for (name, dir) in [("BASH_COMPLETION_USER_DIR", "mine"), ("XDG_DATA_HOME", "data")] {
        sandbox.unset("BASH_COMPLETION_USER_DIR");
        sandbox.set(name, sandbox.join(dir));
        says(&sandbox, &[]);
        let text = shown(&sandbox, "bash", &["--norc", "--noprofile", "-c", BASH]).unwrap();
        assert!(text.contains("unstuck"), "{name}: {text}");
        assert!(sandbox.join(dir).exists(), "{name}");
    }
}

#[test]
fn fish_finds_its_completion() {
    let mut sandbox = cargo_installed();
    let script = "complete -C 'git-conductor unst'";
    let Some(before) = shown(&sandbox, "fish", &["-c", script]) else { return };
    assert!(!before.contains("unstuck"), "{before}");
    says(&sandbox, &[]);
    let after = shown(&sandbox, "fish", &["-c", script]).unwrap();
    assert!(after.contains("unstuck"), "{after}");
    says(&sandbox, &["--uninstall"]);
    // Named, it is left to the line that is printed.
    let prefix = sandbox.join("elsewhere").display().to_string();
    let told = says(&sandbox, &["--prefix", &prefix]);
    let missing = told["missing"].as_array().unwrap().iter();
    let line = missing.clone().find(|one| one["for"] == "fish").unwrap()["line"].as_str().unwrap();
    let after = shown(&sandbox, "fish", &["-c", &format!("{line}; {script}")]).unwrap();
    assert!(after.contains("unstuck"), "{line}: {after}");
    // Where it looks anyway, nothing needs to be added.
    sandbox.set("XDG_DATA_DIRS", format!("{prefix}/share:/usr/share"));
    let told = says(&sandbox, &["--prefix", &prefix]);
    let after = shown(&sandbox, "fish", &["-c", script]).unwrap();
    assert!(after.contains("unstuck") && !told["missing"].to_string().contains("fish"), "{told}");
}

#[test]
fn zsh_finds_its_completion_by_the_line_that_is_printed() {
    let sandbox = cargo_installed();
    let told = says(&sandbox, &[]);
    let missing = told["missing"].as_array().unwrap();
    assert_eq!(missing.len(), 1, "only zsh: {told}");
    let line = missing[0]["line"].as_str().unwrap();
    let script =
        format!("{line}; autoload -U compinit; compinit -u -D; print ${{_comps[git-conductor]}}");
    let Some(text) = shown(&sandbox, "zsh", &["-f", "-c", &script]) else { return };
    assert_eq!(text, "_git-conductor\n");
    let without = script.split_once("; ").unwrap().1;
    assert_eq!(shown(&sandbox, "zsh", &["-f", "-c", without]).unwrap(), "\n");
}

/// In a shell that has no other place, the line for bash is enough as well.
#[test]
fn bash_finds_it_by_the_line_that_is_printed() {
    let sandbox = cargo_installed();
    if !Path::new("/usr/share/bash-completion/bash_completion").exists() {
        wanting("bash-completion");
        return;
    }
    let prefix = sandbox.join("it's mine").display().to_string();
    let told = says(&sandbox, &["--prefix", &prefix]);
    let missing = told["missing"].as_array().unwrap().iter();
    let line = missing.clone().find(|one| one["for"] == "bash").unwrap()["line"].as_str().unwrap();
    let script = format!("{line}\n{BASH}");
    let text = shown(&sandbox, "bash", &["--norc", "--noprofile", "-c", &script]).unwrap();
    assert!(text.contains("unstuck"), "{line}: {text}");
}

#[test]
fn man_is_said_not_to_look_where_it_does_not() {
    let mut sandbox = cargo_installed();
    let lost = |told: &Value| told["missing"].to_string().contains(r#""for":"man""#);
    let pages = |sandbox: &Sandbox| {
        shown(sandbox, "man", &["-w", "git-conductor"]).map(|text| text.contains("git-conductor.1"))
    };
    let prefix = sandbox.join("elsewhere").display().to_string();
    assert!(lost(&says(&sandbox, &["--prefix", &prefix])));
    let Some(found) = pages(&sandbox) else { return };
    assert!(!found);
    assert!(!lost(&says(&sandbox, &[])));
    assert_eq!(pages(&sandbox), Some(true));
    sandbox.set("MANPATH", "/usr/share/man");
    assert!(lost(&says(&sandbox, &[])));
    assert_eq!(pages(&sandbox), Some(false));
    sandbox.set("MANPATH", ":/usr/share/man");
    assert!(!lost(&says(&sandbox, &[])));
    assert_eq!(pages(&sandbox), Some(true));
    sandbox.set("MANPATH", sandbox.join("home/.cargo/share/man"));
    assert!(!lost(&says(&sandbox, &[])));
    assert_eq!(pages(&sandbox), Some(true));
}

/// What is said of the system's own places is what the programs say of them.
#[test]
fn the_systems_places_are_looked_through_as_is_said() {
    let sandbox = cargo_installed();
    for prefix in ["/usr/local", "/usr"] {
        let told = says(&sandbox, &["--prefix", prefix, "--dry-run"]);
        let missing = |reader: &str| {
            told["missing"].as_array().unwrap().iter().any(|missing| missing["for"] == reader)
        };
        let looks = [
            ("man", "manpath", &[][..], "share/man"),
            ("zsh", "zsh", &["-f", "-c", "print -l $fpath"], "share/zsh/site-functions"),
            (
                "fish",
                "fish",
                &["-c", "printf '%s\\n' $__fish_vendor_confdirs"],
                "share/fish/vendor_conf.d",
            ),
        ];
        for (reader, program, args, dir) in looks {
            let Some(list) = shown(&sandbox, program, args) else { continue };
            let dir = format!("{prefix}/{dir}");
            let found = list.split(['\n', ':']).any(|listed| listed == dir);
            // Another build may look in more places; none may look in fewer.
            assert!(found || missing(reader), "{reader} does not look in {dir}: {list}");
        }
        assert!(!missing("bash") && !missing("man"), "{told}");
    }
}

/// Several at once leave what one would have left.
#[test]
fn installs_at_the_same_time_do_not_spoil_each_other() {
    let sandbox = cargo_installed();
    says(&sandbox, &[]);
    let wanted = everything(&sandbox);
    says(&sandbox, &["--uninstall"]);
    let each = (0..8).map(|_| {
        let mut command = sandbox.command("home", "git");
        command.args(["conductor", "install"]).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    });
    for child in each.collect::<Vec<_>>() {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(everything(&sandbox), wanted);
}

#[test]
fn what_was_installed_can_be_taken_away_again() {
    let sandbox = cargo_installed();
    let before = everything(&sandbox);
    let dry = says(&sandbox, &["--dry-run"]);
    assert_eq!(everything(&sandbox), before, "a dry run changes nothing");
    let told = says(&sandbox, &[]);
    assert_eq!(paths(&dry), paths(&told));
    assert_eq!(changes(&told, "written"), paths(&told).len());
    let installed = everything(&sandbox);
    for path in paths(&told) {
        assert!(installed.contains_key(Path::new(&path)), "{path}");
    }
    let again = says(&sandbox, &[]);
    assert_eq!(changes(&again, "same"), paths(&told).len());
    assert_eq!(everything(&sandbox), installed, "once more changes nothing");
    let dry = says(&sandbox, &["--uninstall", "--dry-run"]);
    assert_eq!(everything(&sandbox), installed, "a dry run changes nothing");
    let gone = says(&sandbox, &["--uninstall"]);
    assert_eq!((changes(&gone, "removed"), paths(&dry)), (paths(&told).len(), paths(&gone)));
    let mut after = everything(&sandbox);
    // These may be anybody's, and are never removed.
    for dir in ["home/.cargo/share", "home/.local/share", "home/.local"] {
        assert_eq!(after.remove(&sandbox.join(dir)), Some(b"a directory".to_vec()), "{dir}");
    }
    assert_eq!(after, before);
    assert_eq!(paths(&says(&sandbox, &["--uninstall"])), Vec::<String>::new());
}

/// What stands in the way, and how it came to be there.
type Maker = (&'static str, fn(&Path));

#[test]
fn nothing_of_anybody_else_is_touched() {
    let sandbox = cargo_installed();
    let page = "home/.cargo/share/man/man1/git-conductor-claim.1";
    let makers: [Maker; 4] = [
        ("a file", |path| std::fs::write(path, "mine\n").unwrap()),
        ("a link", |path| std::os::unix::fs::symlink("../../../../target", path).unwrap()),
        ("a directory", |path| std::fs::create_dir(path).unwrap()),
        ("a loop", |path| std::os::unix::fs::symlink("git-conductor-claim.1", path).unwrap()),
    ];
    sandbox.write("home/target", "what a link leads to\n");
    std::fs::create_dir_all(sandbox.join(page).parent().unwrap()).unwrap();
    for (what, make) in makers {
        let path = sandbox.join(page);
        make(&path);
        let before = everything(&sandbox);
        let refused = run(&sandbox, &["--json"]);
        assert_eq!(refused.status.code(), Some(1), "{what}: {refused:?}");
        let told: Value = serde_json::from_slice(&refused.stdout).unwrap();
        assert_eq!(told["code"], "foreign_files", "{what}");
        assert_eq!(told["paths"][0], path.display().to_string(), "{what}");
        assert_eq!(everything(&sandbox), before, "{what}: nothing is installed");
        if path.symlink_metadata().unwrap().is_dir() {
            std::fs::remove_dir(&path).unwrap();
        } else {
            std::fs::remove_file(&path).unwrap();
        }
        says(&sandbox, &[]);
        std::fs::remove_file(&path).unwrap();
        make(&path);
        let told = says(&sandbox, &["--uninstall"]);
        assert_eq!(told["left"][0], path.display().to_string(), "{what}");
        assert!(path.symlink_metadata().is_ok(), "{what} stays");
        if what == "a directory" {
            std::fs::remove_dir(&path).unwrap();
        } else {
            std::fs::remove_file(&path).unwrap();
        }
    }
    assert_eq!(std::fs::read(sandbox.join("home/target")).unwrap(), b"what a link leads to\n");
}

/// Neither a name that is only like ours nor a file of ours that somebody has written on is ours.
#[test]
fn what_somebody_has_changed_is_theirs() {
    let sandbox = cargo_installed();
    let told = says(&sandbox, &[]);
    let page = PathBuf::from(&paths(&told)[0]);
    let mut text = std::fs::read_to_string(&page).unwrap();
    text.push_str("and a line of mine\n");
    std::fs::write(&page, &text).unwrap();
    let beside = page.with_file_name("git-conductor-mine.1");
    std::fs::write(&beside, "mine\n").unwrap();
    assert_eq!(run(&sandbox, &[]).status.code(), Some(1));
    says(&sandbox, &["--uninstall"]);
    assert_eq!(std::fs::read_to_string(&page).unwrap(), text);
    assert_eq!(std::fs::read_to_string(&beside).unwrap(), "mine\n");
}

#[test]
fn an_update_replaces_and_removes_what_an_older_one_installed() {
    let sandbox = cargo_installed();
    let told = says(&sandbox, &[]);
    let page = PathBuf::from(&paths(&told)[0]);
    let text = std::fs::read_to_string(&page).unwrap();
    let old = text.replace(".SH NAME", ".SH OLD NAME");
    std::fs::write(&page, &old).unwrap();
    let former = page.with_file_name("git-conductor-former.1");
    std::fs::write(&former, &old).unwrap();
    let told = says(&sandbox, &[]);
    assert_eq!((changes(&told, "written"), changes(&told, "removed")), (1, 1), "{told}");
    assert_eq!(std::fs::read_to_string(&page).unwrap(), text);
    assert!(!former.exists());
}

#[test]
fn where_it_may_not_write_it_says_the_way_out() {
    let sandbox = cargo_installed();
    // Not even root may make anything there.
    let output = run(&sandbox, &["--prefix", "/sys/kernel/conductor"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(128), "{said}");
    assert!(said.contains("git conductor install --prefix ~/.local"), "{said}");
}

#[test]
fn files_and_directories_have_the_modes_that_the_umask_leaves() {
    let sandbox = cargo_installed();
    let mut bash = sandbox.command("home", "bash");
    let status = bash.args(["-c", "umask 027; git conductor install >/dev/null 2>&1"]).status();
    assert!(status.unwrap().success());
    let mode = |path: &str| {
        sandbox.join("home/.cargo/share").join(path).metadata().unwrap().permissions().mode()
    };
    assert_eq!(mode("man/man1") & 0o777, 0o750);
    assert_eq!(mode("man/man1/git-conductor.1") & 0o777, 0o640);
}

/// What README says to begin with, where `cargo` puts the program under test in its place: one
/// command in a clone of the program's own repository, in which no sprint begins, one in another.
#[test]
fn the_first_commands_of_the_readme_end_with_pages_that_are_found_and_a_sprint() {
    let readme = include_str!("../../README.md");
    let mut commands = readme.lines().filter_map(|line| line.strip_prefix("    "));
    let install = commands.next().unwrap();
    assert!(install.starts_with("cargo install ") && install.ends_with("git conductor install"));
    let start = commands.find(|line| line.starts_with("git conductor")).unwrap();
    assert!(start.starts_with("git conductor start "));
    let mut sandbox = Sandbox::new();
    let clone = sandbox.repository("clone");
    sandbox.repository("repo");
    let cargo =
        format!("#!/bin/sh\nmkdir -p \"$HOME/.cargo/bin\" && cp '{BINARY}' \"$HOME/.cargo/bin\"\n");
    let path = sandbox.write("tools/cargo", cargo);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::join_paths([&sandbox.join("tools"), Path::new("/usr/local/bin")]).unwrap();
    sandbox.set("PATH", format!("{}:/usr/bin:/bin", path.to_str().unwrap()));
    let then = format!(
        "{install} && git conductor --help && git conductor && \
         cd ../repo && {start} && git conductor"
    );
    let output = sandbox.command(&clone, "bash").args(["-c", &then]).output().unwrap();
    if shown(&sandbox, "man", &["--version"]).is_none() {
        return;
    }
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let (page, board) = text.split_once("no sprint\n").unwrap();
    assert!(page.contains("GIT-CONDUCTOR(1)") && board.contains("try it out"), "{text}");
}

/// It asks neither a repository nor its configuration for anything.
#[test]
fn it_works_beside_a_broken_repository() {
    let sandbox = cargo_installed();
    sandbox.write("home/.git", "gitdir: nowhere\n");
    let mut command = sandbox.command("home", "git-conductor");
    answer(command.args(["install", "--dry-run", "--json"]));
}

#[test]
fn without_a_bin_it_wants_to_be_told_where() {
    let sandbox = placed("home/build");
    let output = run(&sandbox, &["--json"]);
    assert_eq!(output.status.code(), Some(129), "{output:?}");
    let before = everything(&sandbox);
    let relative = run(&sandbox, &["--prefix", "a/../there"]);
    assert!(relative.status.success(), "{relative:?}");
    let there = sandbox.join("home");
    let all = everything(&sandbox);
    let new = all.keys().filter(|path| !before.contains_key(*path));
    for path in new {
        assert!(
            path.starts_with(there.join("there")) || path.starts_with(there.join("a")),
            "{path:?}"
        );
    }
}

/// Homebrew has a prefix of its own, with a bash-completion that looks beside itself, and exports
/// where zsh is to look.
#[test]
fn a_prefix_that_the_shells_are_told_of() {
    let mut sandbox = placed("brew/bin");
    let (share, users) = (sandbox.join("brew/share"), sandbox.join("home/.local/share"));
    let dir_of = |sandbox: &Sandbox, reader: &str| {
        let told = says(sandbox, &["--dry-run"]);
        let pieces = told["files"].as_array().unwrap().iter();
        let path = |piece: &Value| PathBuf::from(piece["path"].as_str().unwrap());
        let piece = pieces.clone().find(|piece| piece["for"] == reader).map(path);
        piece.unwrap().parent().unwrap().to_owned()
    };
    assert_eq!(dir_of(&sandbox, "man"), share.join("man/man1"));
    let (bash, zsh) = ("bash-completion/completions", "zsh/site-functions");
    let zsh_is_lost = |sandbox: &Sandbox| {
        says(sandbox, &["--dry-run"])["missing"].to_string().contains(r#""for":"zsh""#)
    };
    assert_eq!(dir_of(&sandbox, "bash"), users.join(bash));
    assert_eq!(dir_of(&sandbox, "zsh"), share.join(zsh));
    assert!(zsh_is_lost(&sandbox));
    sandbox.write("brew/share/bash-completion/bash_completion", "");
    sandbox.set("FPATH", format!("/usr/share/zsh/functions:{}", share.join(zsh).display()));
    assert_eq!(dir_of(&sandbox, "bash"), share.join(bash));
    assert!(!zsh_is_lost(&sandbox));
    // The real shells agree.
    let script = format!("print -l $fpath | grep -xF {}", share.join(zsh).display());
    if let Some(found) = shown(&sandbox, "zsh", &["-f", "-c", &script]) {
        assert!(!found.is_empty(), "zsh does not take FPATH from the environment");
    }
    let system = Path::new("/usr/share/bash-completion/bash_completion");
    if !system.exists() {
        wanting("bash-completion");
        return;
    }
    // By a process of its own, as the program above.
    let own = share.join("bash-completion/bash_completion");
    assert!(sandbox.command(".", "cp").args([system, &own]).status().unwrap().success());
    sandbox.write("brew/share/bash-completion/completions/made-up", "complete -W found made-up\n");
    let script = format!(
        "BASH_COMPLETION_VERSINFO=; . {}; _comp_load made-up 2>/dev/null || \
         __load_completion made-up; complete -p made-up",
        own.display()
    );
    let found = shown(&sandbox, "bash", &["--norc", "--noprofile", "-c", &script]).unwrap();
    assert!(found.contains("found"), "bash-completion does not look beside itself: {found}");
}
