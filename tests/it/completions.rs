//! Completion of `git conductor`: what the program offers, and what real shells make of it with the
//! files in `completions/`, put where the README says.
//!
//! A shell that is not here fails these tests: nobody would notice that one is not asked any more.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;

use crate::fixture::{Scene, wanting};
use crate::process_driver::BINARY;

const COMPLETIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/completions");

/// Each file, and where below the home a user puts it.
const FILES: &[(&str, &str)] = &[
    ("git-conductor", ".local/share/bash-completion/completions/git-conductor"),
    ("_git-conductor", "zsh/_git-conductor"),
    ("_git_conductor", "zsh/_git_conductor"),
    ("git-conductor.fish", ".config/fish/conf.d/git-conductor.fish"),
];

#[test]
fn each_file_has_its_place() {
    let entries = std::fs::read_dir(COMPLETIONS).unwrap();
    let there: BTreeSet<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(there, FILES.iter().map(|(name, _)| (*name).to_owned()).collect());
}

/// A sprint in which `me` (whom the environment names) holds `build`, `other` lives and holds
/// `docs`, `gone` has died over `qa`, `think` is done by `other`, `ann` and `ship` wait for nobody,
/// and `last` waits. In the repository there are a file `file` and a directory `folder`.
fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.sprint("think:,build:,docs:,qa:,ann:,ship:,last:ann");
    scene.works("other/2", "think");
    for (agent, phase) in [("me", "build"), ("other/2", "docs"), ("gone", "qa")] {
        scene.does(agent, &["claim", phase]);
    }
    scene.dies("gone");
    let pid = scene.pid("me").to_string();
    scene.sandbox.set("GIT_CONDUCTOR_AGENT", "me");
    scene.sandbox.set("GIT_CONDUCTOR_PID", pid);
    scene.sandbox.set("TERM", "dumb");
    scene.sandbox.write("repo/folder/inside", "");
    scene.sandbox.git("repo", ["branch", "topic"]);
    for remote in ["origin", "fork"] {
        scene.sandbox.git("repo", ["remote", "add", remote, "/nowhere"]);
    }
    for (name, place) in FILES {
        let text = std::fs::read(Path::new(COMPLETIONS).join(name)).unwrap();
        scene.sandbox.write(Path::new("home").join(place), text);
    }
    for (name, value) in [("c", "conductor"), ("take", "conductor claim")] {
        let key = format!("alias.{name}");
        scene.sandbox.git("repo", ["config", "--global", &key, value]);
    }
    scene.sandbox.git(".", ["init", "-q", "empty"]);
    scene.sandbox.write("away/nothing", "");
    scene
}

/// What every shell offers: in which directory, what is typed, and the words that can stand there.
const OFFERS: &[(&str, &str, &[&str])] = &[
    ("repo", "git cond", &["conductor"]),
    ("repo", "git conductor unst", &["unstuck"]),
    ("repo", "git conductor cl", &["claim", "clean"]),
    ("repo", "git-conductor cl", &["claim", "clean"]),
    ("repo", "git conductor claim ", &["ann", "ship"]),
    ("repo", "git-conductor claim ", &["ann", "ship"]),
    ("repo", "git conductor claim s", &["ship"]),
    ("repo", "git conductor claim --takeover ", &["ann", "qa", "ship"]),
    ("repo", "git conductor claim nothing", &[]),
    ("repo", "git conductor claim ann ", &[]),
    ("repo", "git conductor complete ", &["build"]),
    ("repo", "git conductor abort ", &["build"]),
    ("repo", "git conductor --agent nobody complete ", &[]),
    ("repo", "git conductor unstuck ", &["build", "docs", "qa"]),
    ("repo", "git conductor unstuck --all ", &[]),
    ("repo", "git conductor notes sync --remote ", &["fork", "origin"]),
    ("repo", "git conductor notes setup --remote o", &["origin"]),
    ("repo", "git conductor notes show ", &["main", "topic"]),
    ("repo", "git conductor guard --commit t", &["topic"]),
    ("repo", "git conductor guard s", &["ship"]),
    ("repo", "git conductor guard ", &["ann", "build", "docs", "last", "qa", "ship", "think"]),
    ("repo", "git conductor hooks ", &["install", "status", "uninstall"]),
    ("repo", "git conductor claim --take", &["--takeover"]),
    ("repo", "git conductor --js", &["--json"]),
    ("repo", "git conductor complete build --verdict ", &["fail", "pass"]),
    ("repo", "git conductor complete build --verdict=f", &["--verdict=fail"]),
    ("repo", "git conductor status --w", &["--watch"]),
    ("repo", "git conductor status --color=al", &["--color=always"]),
    ("repo", "git conductor status --agent ", &["gone", "me", "other/2"]),
    ("repo", "git conductor complete build --artifact fi", &["file"]),
    ("repo", "git conductor complete build --artifact=fi", &["--artifact=file"]),
    ("repo", "git conductor --store fo", &["folder"]),
    ("repo", "git conductor --store fi", &[]),
    ("repo", "git conductor start --phases think,pl", &["think,plan"]),
    ("repo", "git conductor start --phases think,docs:th", &["think,docs:think"]),
    ("repo", "git conductor start --phases fi", &["file"]),
    ("repo", "git conductor start --from th", &["think"]),
    ("repo", "git conductor start --carry th", &["think"]),
    ("repo", "git conductor show th", &["think"]),
    ("repo", "git conductor schema gra", &["graph", "graph-file"]),
    // The repository that is meant.
    ("away", "git -C ../repo conductor claim ", &["ann", "ship"]),
    ("away", "git -C ~/../repo conductor claim ", &["ann", "ship"]),
    ("away", "git --git-dir=../repo/.git conductor claim ", &["ann", "ship"]),
    ("away", "git-conductor --store ../repo/.nanostack claim ", &[]),
    ("repo", "git -C ../empty conductor claim ", &[]),
    // Through an alias.
    ("repo", "git c claim ", &["ann", "ship"]),
    ("repo", "git take ", &["ann", "ship"]),
    // Without a sprint, a repository, or a reason to wait for files.
    ("empty", "git conductor claim ", &[]),
    ("empty", "git conductor hooks u", &["uninstall"]),
    ("away", "git conductor claim ", &[]),
    ("away", "git conductor hooks u", &["uninstall"]),
];

/// Types into an interactive shell in a terminal of its own, with keys after each line that have
/// all offers put on the line, and the line shown and forgotten. No key does that: while zsh shows
/// it, the terminal itself would take `^U`.
const TYPIST: &str = r#"
zmodload zsh/zpty || exit 1
heard() {
  local line all=""
  repeat 1200 {
    while zpty -r -t shell line; do all+=$line; done
    [[ $all == *"$1"* ]] && break
    sleep 0.05
  }
  REPLY=$all
}
zpty -b shell "$1"
zpty -w shell ". $2"
heard "is ready"
[[ $REPLY == *"is ready"* ]] || { print -r -- "$1: $REPLY" >&2; exit 1 }
shift 2
for line; do
  zpty -w -n shell "$line"$'\C-xa'
  heard ">@@"
  print -r -- "${${REPLY##*@@<}%%>@@*}"
done
zpty -d shell
"#;

const BASH: &str = r#"
. /usr/share/bash-completion/bash_completion || exit
cd "$WHERE"
PS1=
bind 'set completion-query-items 0'
bind 'set page-completions off'
bind 'set enable-bracketed-paste off'
bind -x '"\C-xp": printf "@@<%s>@@\n" "$READLINE_LINE"; READLINE_LINE='
bind '"\C-xi": insert-completions'
bind '"\C-xa": "\C-xi\C-xp"'
"#;

const ZSH: &str = r#"
cd "$WHERE"
PS1=
fpath=(~/zsh $fpath)
autoload -U compinit
compinit -u -D
LISTMAX=1000
zstyle ':completion:*' list-colors ''
zle -C all-matches complete-word _generic
zstyle ':completion:all-matches:*' completer _all_matches _complete
zstyle ':completion:all-matches:*' insert yes
shown() { print -r -- "@@<$BUFFER>@@"; BUFFER=; zle -I }
zle -N shown
bindkey '^Xp' shown
bindkey '^Xi' all-matches
bindkey -s '^Xa' '^Xi^Xp'
"#;

/// The words that came in place of the last one of `typed` in `line`.
fn came(typed: &str, line: &str) -> Vec<String> {
    if line.trim_end() == typed.trim_end() {
        return Vec::new();
    }
    let start = typed.rfind(' ').unwrap() + 1;
    let came = line.get(start..).ok_or_else(|| format!("{typed:?} became {line:?}")).unwrap();
    let mut words: Vec<String> =
        came.split_whitespace().map(|word| word.trim_end_matches([',', '/']).to_owned()).collect();
    words.sort();
    words
}

/// Runs a shell, which must be here.
fn shell(mut command: Command) -> Output {
    let program = command.get_program().to_owned();
    command.output().map_err(|error| format!("{}: {error}", program.display())).unwrap()
}

/// What an interactive shell, started as `program` and made ready by `ready`, offers in `dir` for
/// each line.
fn types(scene: &Scene, program: &str, ready: &str, dir: &str, lines: &[&str]) -> Vec<Vec<String>> {
    let name = format!("ready-{}", program.split(' ').next().unwrap());
    let ready = scene.sandbox.write(name, format!("{ready}\nprintf 'is %s\\n' ready\n"));
    let mut command = scene.sandbox.command(dir, "zsh");
    command.env("WHERE", scene.sandbox.join(dir));
    command.args(["-f", "-c", TYPIST, "zsh", program]).arg(ready).args(lines);
    let output = shell(command);
    assert!(output.status.success() && output.stderr.is_empty(), "{program}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let shown: Vec<&str> = text.lines().collect();
    assert_eq!(shown.len(), lines.len(), "{program}: {text}");
    std::iter::zip(lines, shown).map(|(typed, line)| came(typed, line)).collect()
}

/// Fails where the shell does not offer what it should; `ask` gives what it offers for each line in
/// a directory.
fn check(offers: &[(&str, &str, &[&str])], ask: impl Fn(&str, &[&str]) -> Vec<Vec<String>>) {
    let dirs: BTreeSet<&str> = offers.iter().map(|(dir, ..)| *dir).collect();
    let mut faults = Vec::new();
    for dir in dirs {
        let here: Vec<_> = offers.iter().filter(|(place, ..)| *place == dir).collect();
        let lines: Vec<&str> = here.iter().map(|(_, typed, _)| *typed).collect();
        for ((_, typed, wanted), came) in std::iter::zip(here, ask(dir, &lines)) {
            if came != *wanted {
                faults.push(format!("in {dir}, '{typed}': {came:?}, not {wanted:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn bash_completes() {
    let scene = scene();
    check(OFFERS, |dir, lines| types(&scene, "bash --norc -i", BASH, dir, lines));
}

#[test]
fn zsh_completes() {
    let scene = scene();
    check(OFFERS, |dir, lines| types(&scene, "zsh -f -i", ZSH, dir, lines));
}

/// What fish offers in `dir` for each line: word, tab, what it is for.
fn fish(scene: &Scene, dir: &str, lines: &[&str]) -> Vec<Vec<String>> {
    let mut command = scene.sandbox.command(dir, "fish");
    command.args(["-c", "for line in $argv; complete -C $line; echo .; end"]).args(lines);
    let output = shell(command);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut all: Vec<Vec<String>> = Vec::new();
    let mut words = Vec::new();
    for line in text.lines() {
        if line == "." {
            all.push(std::mem::take(&mut words));
        } else {
            words.push(line.to_owned());
        }
    }
    assert_eq!(all.len(), lines.len(), "{text}");
    all
}

fn only_words(offers: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let word = |line: String| line.split('\t').next().unwrap().trim_end_matches('/').to_owned();
    offers
        .into_iter()
        .map(|lines| lines.into_iter().map(word).collect::<BTreeSet<_>>().into_iter().collect())
        .collect()
}

#[test]
fn fish_completes() {
    let scene = scene();
    check(OFFERS, |dir, lines| only_words(fish(&scene, dir, lines)));
}

/// From 3.6.1 on, fish's completion of git asks for `git-conductor`. Where fish is older, its own
/// file is mended as 3.6.1 did it, and ours must not look after git itself.
#[test]
fn fish_of_today_completes() {
    let scene = scene();
    let file = "home/.config/fish/conf.d/git-conductor.fish";
    let ours = std::fs::read_to_string(scene.sandbox.join(file)).unwrap();
    scene.sandbox.write(file, ours.replace("3\\.6\\.0", "3\\.5\\.9"));
    let git = "/usr/share/fish/completions/git.fish";
    let git = std::fs::read_to_string(git).expect("fish has a completion of git");
    let mended = git.replace(
        "set -l subcommand (path basename $file)",
        "set -l subcommand (string replace -r -- '.*/git-([^/]*)$' '$1' $file)",
    );
    scene.sandbox.write("home/.config/fish/completions/git.fish", mended);
    let lines: Vec<_> = OFFERS.iter().filter(|(_, typed, _)| *typed != "git cond").collect();
    let offers: Vec<_> = lines.into_iter().copied().collect();
    check(&offers, |dir, lines| only_words(fish(&scene, dir, lines)));
}

#[test]
fn fish_says_what_a_word_is_for() {
    let scene = scene();
    let lines = ["git conductor unstuck ", "git conductor unst", "git conductor complete --ver"];
    let offers = fish(&scene, "repo", &lines);
    assert_eq!(
        offers[0],
        ["build\tclaimed by me", "docs\tclaimed by other/2", "qa\tclaimed by gone, process gone"]
    );
    assert_eq!(offers[1], ["unstuck\tFree a phase whose owner is gone"]);
    assert_eq!(offers[2], ["--verdict=\tHow it ended; fail opens nothing"]);
}

/// A person in a terminal is one agent, from the command line as from its completion.
#[test]
fn a_person_s_own_claims() {
    let mut scene = scene();
    scene.sandbox.unset("GIT_CONDUCTOR_AGENT");
    scene.sandbox.unset("GIT_CONDUCTOR_PID");
    scene.sandbox.set("USER", "alice");
    let lines = ["git conductor complete ", "git conductor abort "];
    for (program, ready) in [("bash --norc -i", BASH), ("zsh -f -i", ZSH)] {
        let ready = format!("{ready}\ngit conductor claim ann");
        let offers = types(&scene, program, &ready, "repo", &lines);
        assert_eq!(offers, [["ann"], ["ann"]], "{program}");
        scene.does("lead", &["unstuck", "ann", "--force"]);
    }
}

/// git's own completion for zsh calls `_git_conductor` like this, in an emulation of ksh.
#[test]
fn zsh_completes_with_the_completion_of_git() {
    const GITS: &str = r#"#compdef git
_git () {
  local cur=${words[CURRENT]} _ret=1 cword __git_dir __git_cmd_idx=1
  local curcontext=$curcontext state line
  local -A opt_args
  local -a orig_words=("${words[@]}")
  let cword=CURRENT-1
  _arguments -C '--git-dir=-[]: :_directories' '(-): :->command' '(-)*:: :->arg' && return
  __git_dir=${opt_args[--git-dir]}
  words=("${orig_words[@]}")
  (( $+functions[_git_conductor] )) && emulate ksh -c _git_conductor
  let _ret && _default && _ret=0
  return _ret
}
_git
"#;
    let scene = scene();
    scene.sandbox.write("home/zsh/_git", GITS);
    // It knows no -C, and after '=' no files. Its way with aliases is its own.
    let not = ["-C", "git take", "git c ", "=fi", "git-conductor", "--store"];
    let able = |offer: &&(&str, &str, &[&str])| {
        offer.1 != "git cond" && !not.iter().any(|part| offer.1.contains(part))
    };
    let offers: Vec<_> = OFFERS.iter().filter(able).copied().collect();
    assert!(offers.len() > 20);
    check(&offers, |dir, lines| types(&scene, "zsh -f -i", ZSH, dir, lines));
}

/// bash without bash-completion, with git's completion before 2.31, and in a shell that takes no
/// unset variable.
#[test]
fn bash_completes_with_little() {
    const CALL: &str = r#"set -u
. ~/.local/share/bash-completion/completions/git-conductor
words=("$@") cword=$(($# - 1)) cur=${!#} prev=""
_git_conductor
printf '%s\n' ${COMPREPLY[@]+"${COMPREPLY[@]}"}
unset words cword cur
COMP_WORDS=(git-conductor "${@:3}") COMP_CWORD=$(($# - 2))
__git_conductor_main
printf '%s\n' ${COMPREPLY[@]+"${COMPREPLY[@]}"}
"#;
    let scene = scene();
    for (typed, wanted) in [
        (&["claim", ""][..], &["ann", "ship"][..]),
        (&["claim", "x"], &[]),
        (&["unst"], &["unstuck"]),
    ] {
        let mut command = scene.sandbox.command("repo", "bash");
        command.args(["--norc", "-c", CALL, "bash", "git", "conductor"]).args(typed);
        let output = shell(command);
        assert!(output.status.success() && output.stderr.is_empty(), "{typed:?}: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(words, [wanted, wanted].concat(), "{typed:?}");
    }
}

/// `git-conductor __complete WORDS` in `dir`: what it offers. It says nothing else, and ends well.
fn offered(scene: &Scene, dir: &str, words: &[&str]) -> Vec<String> {
    let mut command = scene.sandbox.command(dir, BINARY);
    let output = command.arg("__complete").args(words).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{words:?}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let plain = |c: char| c == '\n' || c == '\t' || (' '..='~').contains(&c);
    assert!(text.chars().all(plain), "{text:?}");
    text.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

#[test]
fn what_is_hostile_is_not_offered() {
    let scene = scene();
    let evil = [
        "$(touch x)",
        "`touch x`",
        "a;touch x",
        "a\ntouch x",
        "a\u{1b}[2J",
        "'",
        "\"",
        "a:b",
        "-x",
        "~root",
        "a b",
        "*",
        "!x",
        "é",
        "\u{202e}a",
        "a\\",
        "#a",
        "=a",
        "{a,b}",
        "a|b",
        "a&b",
        "a<b",
        "%1",
        "^a^b",
    ];
    for (n, name) in evil.iter().enumerate() {
        scene.edit_claim("docs", |claim| claim["agent"] = json!(name));
        scene.edit_claim("qa", |claim| claim["agent"] = json!(evil[(n + 1) % evil.len()]));
        scene.edit_sprint(|sprint| sprint["goal"] = json!(name));
        assert_eq!(offered(&scene, "repo", &["--agent", ""]), ["other/2", "me"], "{name:?}");
        let held = offered(&scene, "repo", &["unstuck", ""]);
        assert_eq!(held, ["build", "docs", "qa"], "{name:?}");
    }
    scene.edit_claim("docs", |claim| claim["agent"] = json!("$(touch x)`touch x`;touch x"));
    let ask = ["git conductor --agent ", "git conductor unstuck d", "git-conductor unstuck d"];
    let wanted: [&[&str]; 3] = [&["me", "other/2"], &["docs"], &["docs"]];
    for (program, ready) in [("bash --norc -i", BASH), ("zsh -f -i", ZSH)] {
        assert_eq!(types(&scene, program, ready, "repo", &ask), wanted, "{program}");
    }
    assert_eq!(only_words(fish(&scene, "repo", &ask)), wanted);
    // A board of such phases is none, and offers nothing.
    for name in evil {
        scene.edit_sprint(|sprint| sprint["phases"] = json!([{"name": name}]));
        assert_eq!(offered(&scene, "repo", &["guard", ""]), [] as [&str; 0], "{name:?}");
    }
    assert!(!scene.sandbox.join("repo/x").exists());
}

/// What the user has typed is not run by asking what could follow.
#[test]
fn nothing_that_is_typed_is_run() {
    let scene = scene();
    let lines = [
        "git -C $(touch x) conductor claim ",
        "git -C `touch x` conductor claim ",
        "git conductor --agent $(touch x) claim ",
        "git conductor --agent \"$(touch x)\" claim ",
        "git --git-dir=$(touch x) conductor claim ",
        "git $(touch x) claim ",
        "git-conductor --store $(touch x) claim ",
        "git-conductor claim $(touch x) ",
        "git-conductor claim *(e:'touch x':)",
        "git -C *(e:'touch x':) conductor claim ",
    ];
    types(&scene, "bash --norc -i", BASH, "repo", &lines);
    types(&scene, "zsh -f -i", ZSH, "repo", &lines);
    assert!(!scene.sandbox.join("repo/x").exists());
    // fish's own completion of git runs what is typed before the command.
    let bare: Vec<&str> = lines.iter().copied().filter(|line| line.starts_with("git-")).collect();
    fish(&scene, "repo", &bare);
    assert!(!scene.sandbox.join("repo/x").exists());
}

/// Without anything to be read there are the words that stand fast, and not a word about it.
#[test]
fn whatever_is_wrong_is_kept_quiet() {
    let mut scene = scene();
    let all = |scene: &Scene, dir: &str| {
        assert_eq!(offered(scene, dir, &["claim", ""]), [] as [&str; 0]);
        assert_eq!(offered(scene, dir, &["--agent", ""]), [] as [&str; 0]);
        assert_eq!(offered(scene, dir, &["unst"]), ["unstuck"]);
        assert_eq!(offered(scene, dir, &["hooks", "i"]), ["install"]);
    };
    assert_eq!(offered(&scene, "repo", &["claim", ""]), ["ann", "ship"]);
    all(&scene, "away");
    all(&scene, "empty");
    for (name, value) in [
        ("GIT_DIR", "/nowhere"),
        ("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1"),
        ("GIT_CONDUCTOR_PID", "x"),
        ("GIT_CONDUCTOR_AGENT", "\u{202e}"),
        ("GIT_CONDUCTOR_STORE", "/nowhere"),
        ("GIT_CONFIG_PARAMETERS", "'"),
        ("GIT_CONFIG_COUNT", "x"),
    ] {
        let before = scene.sandbox.var(name);
        scene.sandbox.set(name, value);
        all(&scene, "repo");
        scene.sandbox.unset(name);
        if let Some(before) = before {
            scene.sandbox.set(name, before);
        }
    }
    let record = scene.sprint_dir().join("sprint.json");
    std::fs::write(&record, "{").unwrap();
    all(&scene, "repo");
    std::fs::remove_dir_all(scene.store()).unwrap();
    std::os::unix::fs::symlink("../away", scene.store()).unwrap();
    all(&scene, "repo");
    std::fs::remove_file(scene.store()).unwrap();
    scene.sandbox.write("repo/.nanostack", "no directory");
    all(&scene, "repo");
    // Words that make no sense.
    for words in [
        &["claim", "--agent"][..],
        &["--pid", "x", "claim", "--", ""],
        &["--agent", "status", "guard", "x"],
        &["-", "-", "--", "--x", "--verdict", ""],
        &["claim", "-h", "-"],
        &["complete", "--verdict", "maybe", "--artifact"],
        &[],
    ] {
        offered(&scene, "repo", words);
    }
    let strange = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff\xfe");
    let strange: &std::ffi::OsStr = strange;
    for at in 0..3 {
        let mut words = ["claim".as_ref(), "x".as_ref(), "--phases=".as_ref()];
        words[at] = strange;
        let mut command = scene.sandbox.command("repo", BINARY);
        let output = command.arg("__complete").args(words).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
}

/// Of a next round what has passed is offered, and sprints by the time in their ids.
#[test]
fn rounds_and_sprints_are_offered() {
    let mut scene = Scene::new();
    scene.sprint("think,build,docs:think");
    for phase in ["think", "build"] {
        scene.works("ann", phase);
    }
    let offered = |scene: &Scene, words: &[&str]| offered(scene, "repo", words);
    assert_eq!(offered(&scene, &["start", "--carry=t"]), [":list", "--carry=think"]);
    assert_eq!(
        offered(&scene, &["start", "--carry=think,"]),
        [":list", "--carry=think,build"],
        "docs is not done"
    );
    assert_eq!(offered(&scene, &["start", "--from="]).len(), 3);
    let first = scene.board()["sprint_id"].as_str().unwrap()[13..].to_owned();
    scene.does("lead", &["start", "--from", "build"]);
    let second = scene.board()["sprint_id"].as_str().unwrap()[13..].to_owned();
    for command in ["show", "verify"] {
        let words = [command, "--sprint="];
        let wanted = [format!("--sprint={second}"), format!("--sprint={first}")];
        assert_eq!(offered(&scene, &words), wanted);
    }
    // Those of a sprint that has ended.
    scene.does("lead", &["archive"]);
    assert_eq!(offered(&scene, &["start", "--carry=t"]), [":list", "--carry=think"]);
}

/// An option's value is no command, whatever it is called.
#[test]
fn a_value_may_be_called_like_a_command() {
    let scene = scene();
    assert_eq!(offered(&scene, "repo", &["--agent", "status", "claim", ""]), ["ann", "ship"]);
    assert_eq!(offered(&scene, "repo", &["claim", "--agent", "status", ""]), ["ann", "ship"]);
}

/// It takes no lock, makes and changes nothing, and starts nobody.
#[test]
fn it_only_reads() {
    const CALLS: &str = "execve,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,link,linkat,\
        symlink,symlinkat,open,openat,openat2,creat,truncate,ftruncate,fsync,fdatasync,chmod,fchmod,fchmodat,\
        utimensat,flock,fcntl,mknod,mknodat";
    let scene = scene();
    for words in [&["claim", ""][..], &["unstuck", ""], &["--agent", ""], &["guard", ""]] {
        let trace = scene.sandbox.join("trace");
        let mut strace: Command = scene.sandbox.command("repo", "strace");
        let calls = format!("?{}", CALLS.replace(' ', "").replace(',', ",?"));
        strace.args(["-f", "-e", &calls, "-e", "signal=none", "-o"]).arg(&trace);
        let Ok(output) = strace.args([BINARY, "__complete"]).args(words).output() else {
            return wanting("strace");
        };
        if !output.status.success() {
            return wanting("strace that works");
        }
        let trace = std::fs::read_to_string(trace).unwrap();
        assert_eq!(trace.matches("execve(").count(), 1, "{trace}");
        assert!(trace.contains("sprint.json"), "{trace}");
        for line in trace.lines().filter(|line| !line.contains("execve(") && !line.contains("+++"))
        {
            let reads = line.contains("open")
                && line.contains("O_RDONLY")
                && !["O_CREAT", "O_TRUNC", "O_APPEND"].iter().any(|flag| line.contains(flag));
            let looks = line.contains("fcntl(") && !line.contains("LK");
            assert!(reads || looks, "{words:?}: {line}");
        }
    }
}
