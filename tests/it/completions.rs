//! Completions for bash, zsh and fish, made from the definitions of the command line, and what real
//! shells make of them. They hook into what the shells do for git, and take nothing over.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use crate::generated::definitions;
use crate::scene::{Scene, wanting};

/// An option: its name, what it is for, and whether a value follows.
struct Opt {
    name: String,
    about: String,
    values: Option<Vec<String>>,
}

fn options(command: &clap::Command, common: bool) -> Vec<Opt> {
    let wanted = command.get_arguments().filter(|arg| {
        let name = arg.get_long();
        name.is_some_and(|name| !matches!(name, "help" | "version"))
            && arg.is_global_set() == common
    });
    let option = |arg: &clap::Arg| {
        let about = arg.get_help().unwrap_or_default().to_string();
        // One that can do without is offered without.
        let needs = arg.get_num_args().is_none_or(|count| count.min_values() > 0);
        let values = (arg.get_action().takes_values() && needs).then(|| {
            arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect()
        });
        let about = about.split(" [").next().unwrap().to_owned();
        Opt { name: arg.get_long().unwrap().to_owned(), about, values }
    };
    wanted.map(option).collect()
}

/// The words that may stand as an argument of `command`, where there is a list of them.
fn words(command: &clap::Command) -> Option<String> {
    let values = command.get_positionals().flat_map(clap::Arg::get_possible_values);
    let names: Vec<String> = values.map(|value| value.get_name().to_owned()).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

fn about(command: &clap::Command) -> String {
    command.get_about().unwrap().to_string()
}

/// The files, by name.
pub(crate) fn all(commands: &clap::Command) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("git-conductor".to_owned(), bash(commands)),
        ("_git-conductor".to_owned(), zsh(commands)),
        ("git-conductor.fish".to_owned(), fish(commands)),
    ])
}

fn bash_words(options: &[Opt]) -> String {
    let word = |option: &Opt| {
        format!("--{}{}", option.name, if option.values.is_some() { "=" } else { "" })
    };
    options.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn bash(commands: &clap::Command) -> String {
    let names: Vec<&str> = commands.get_subcommands().map(clap::Command::get_name).collect();
    let mut cases = String::new();
    let mut values = String::new();
    let mut arguments = String::new();
    for command in commands.get_subcommands() {
        if let Some(words) = words(command) {
            let name = command.get_name();
            _ = writeln!(arguments, "\t{name},*) __git_conductor_words \"{words}\" \"$cur\" ;;");
        }
        let own = options(command, false);
        _ = writeln!(cases, "\t{}) options=\"{}\" ;;", command.get_name(), bash_words(&own));
    }
    let everywhere = commands.get_subcommands().flat_map(|command| options(command, false));
    for option in options(commands, true).iter().chain(&everywhere.collect::<Vec<_>>()) {
        if let Some(choice) = option.values.as_ref().filter(|choice| !choice.is_empty()) {
            let words = choice.join(" ");
            _ = writeln!(
                values,
                "\t--{0}=*) __git_conductor_words \"{words}\" \"${{cur#*=}}\"; return ;;",
                option.name
            );
        }
    }
    format!(
        r#"# Completion of 'git conductor' in bash; made by a test of git-conductor, do not edit.
# git's own completion loads this file by its name and calls _git_conductor.

__git_conductor_words ()
{{
	if declare -F __gitcomp >/dev/null; then
		__gitcomp "$1" "" "$2"
	else
		COMPREPLY=($(compgen -W "$1" -- "$2"))
	fi
}}

_git_conductor ()
{{
	local commands="{commands}"
	local options="" command="" i=${{__git_cmd_idx-}}
	if [ -z "$i" ]; then
		for ((i = 0; i < cword; i++)); do
			[ "${{words[i]}}" = conductor ] && break
		done
	fi
	for ((i++; i < cword; i++)); do
		case " $commands " in
		*" ${{words[i]}} "*) command=${{words[i]}}; break ;;
		esac
	done
	case "$cur" in
{values}	esac
	case "$command" in
{cases}	esac
	case "$command,$cur" in
	*,-*) __git_conductor_words "$options {common} --help" "$cur" ;;
	,*) __git_conductor_words "$commands" "$cur" ;;
	claim,*) __git_conductor_words "$(git conductor next --all 2>/dev/null)" "$cur" ;;
{arguments}	esac
}}
"#,
        commands = names.join(" "),
        common = bash_words(&options(commands, true)),
    )
}

fn quoted(text: &str) -> String {
    text.replace('\'', "'\\''")
}

fn zsh_option(option: &Opt) -> String {
    let about = quoted(&option.about.replace(['[', ']'], "").replace(':', "\\:"));
    match &option.values {
        None => format!("'--{}[{about}]'", option.name),
        Some(values) if values.is_empty() => {
            let what = match option.name.as_str() {
                "artifact" | "phases" => "file:_files",
                "store" => "directory:_files -/",
                _ => "value:",
            };
            format!("'--{}=[{about}]:{what}'", option.name)
        }
        Some(values) => format!("'--{}=[{about}]:value:({})'", option.name, values.join(" ")),
    }
}

fn zsh(commands: &clap::Command) -> String {
    let mut names = String::new();
    let mut cases = String::new();
    for command in commands.get_subcommands() {
        let name = command.get_name();
        _ = writeln!(names, "    '{name}:{}'", quoted(&about(command).replace(':', "\\:")));
        let own = options(command, false);
        let mut words: Vec<String> = own.iter().map(zsh_option).collect();
        let list = self::words(command);
        words.extend(command.get_positionals().map(|_| match (name, &list) {
            (_, Some(list)) => format!("':action:({list})'"),
            ("claim", None) => "':phase:($(git conductor next --all 2>/dev/null))'".to_owned(),
            (_, None) => "':phase:'".to_owned(),
        }));
        words.insert(0, format!("    {name}) _arguments $common"));
        _ = writeln!(cases, "{} ;;", words.join(" "));
    }
    let common: Vec<String> = options(commands, true).iter().map(zsh_option).collect();
    format!(
        "#compdef git-conductor\n#description {}\n# Made by a test of git-conductor, do not edit.\n\n\
         _git-conductor () {{\n  local curcontext=$curcontext state line\n  local -a common commands\n  \
         common=(\n    {}\n  )\n  commands=(\n{names}  )\n  \
         _arguments -C $common ':command:->command' '*::argument:->argument'\n  case $state in\n  \
         command) _describe command commands ;;\n  argument)\n    curcontext=${{curcontext%:*}}-$line[1]:\n    \
         case $line[1] in\n{cases}    esac ;;\n  esac\n}}\n\n_git-conductor \"$@\"\n",
        about(commands).to_lowercase(),
        common.join("\n    "),
    )
}

fn fish_option(condition: &str, option: &Opt) -> String {
    let value = match &option.values {
        None => String::new(),
        Some(values) if values.is_empty() => match option.name.as_str() {
            "artifact" | "phases" | "store" => " -r -F".to_owned(),
            _ => " -x".to_owned(),
        },
        Some(values) => format!(" -x -a '{}'", values.join(" ")),
    };
    let about = option.about.replace('\'', "\\'");
    format!("complete -c git-conductor{condition} -l {}{value} -d '{about}'\n", option.name)
}

fn fish(commands: &clap::Command) -> String {
    let mut out = String::from(
        "# Completion of 'git conductor' in fish; made by a test of git-conductor, do not edit.\n\
         # fish's completion of git finds it by its name.\n\ncomplete -c git-conductor -f\n",
    );
    for command in commands.get_subcommands() {
        let (name, about) = (command.get_name(), about(command).replace('\'', "\\'"));
        _ = writeln!(
            out,
            "complete -c git-conductor -n __fish_use_subcommand -a {name} -d '{about}'"
        );
    }
    out.extend(options(commands, true).iter().map(|option| fish_option("", option)));
    for command in commands.get_subcommands() {
        let condition = format!(" -n '__fish_seen_subcommand_from {}'", command.get_name());
        out.extend(options(command, false).iter().map(|option| fish_option(&condition, option)));
        if let Some(words) = words(command) {
            _ = writeln!(out, "complete -c git-conductor{condition} -a '{words}'");
        }
    }
    out + "complete -c git-conductor -n '__fish_seen_subcommand_from claim' \
           -a '(git conductor next --all 2>/dev/null)'\n"
}

/// What `bash` offers for `git conductor WORDS` with the cursor at the end, with git's completion
/// from `git` or a stand-in for it.
fn bash_offers(scene: &Scene, git: &str, words: &[&str]) -> Option<Vec<String>> {
    let script = format!(
        r#"{git}
. ../git-conductor
COMP_WORDS=(git conductor "$@"); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
COMP_LINE="${{COMP_WORDS[*]}}"; COMP_POINT=${{#COMP_LINE}}
offer
printf '%s\n' "${{COMPREPLY[@]}}"
"#
    );
    let mut command = scene.sandbox.command("repo", "bash");
    command.args(["--norc", "--noprofile", "-c", &script, "bash"]);
    let output = command.args(words).output().ok()?;
    assert!(output.stderr.is_empty(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    Some(
        text.lines()
            .map(|line| line.trim_end().to_owned())
            .filter(|line| !line.is_empty())
            .collect(),
    )
}

/// Ways to stand in for an interactive shell that has git's completion.
fn loaders() -> Vec<String> {
    // As git's completion calls it, with words told apart at blanks only.
    let bare = "offer() { words=(\"${COMP_WORDS[@]}\"); cword=$COMP_CWORD; \
                cur=${words[cword]}; prev=${words[cword-1]}; _git_conductor; }";
    let mut all = vec![bare.to_owned()];
    for place in
        ["/usr/share/bash-completion/completions/git", "/usr/lib/git-core/git-completion.bash"]
    {
        if std::path::Path::new(place).exists() {
            all.push(format!(". {place}\noffer() {{ __git_wrap__git_main; }}"));
        }
    }
    all
}

/// A sprint, and beside the repository the files under test.
fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.sprint("think:,build:,review:build");
    for (name, text) in all(&definitions()) {
        scene.sandbox.write(name, text);
    }
    scene
}

#[test]
fn bash_completes() {
    let scene = scene();
    for git in loaders() {
        let offers = |words: &[&str]| bash_offers(&scene, &git, words);
        let Some(commands) = offers(&[""]) else {
            wanting("bash");
            return;
        };
        let names: Vec<String> =
            definitions().get_subcommands().map(|command| command.get_name().to_owned()).collect();
        let sorted = |mut words: Vec<String>| {
            words.sort();
            words
        };
        assert_eq!(sorted(commands), sorted(names), "{git}");
        assert_eq!(offers(&["unst"]), Some(vec!["unstuck".to_owned()]));
        assert_eq!(sorted(offers(&["claim", ""]).unwrap()), ["build", "think"]);
        assert_eq!(offers(&["claim", "--take"]), Some(vec!["--takeover".to_owned()]));
        assert_eq!(offers(&["complete", "build", "--art"]), Some(vec!["--artifact=".to_owned()]));
        assert_eq!(offers(&["complete", "build", ""]), Some(vec![]));
        assert_eq!(offers(&["--js"]), Some(vec!["--json".to_owned()]));
    }
}

/// What a shell prints in the repository; `None` if it is not here.
fn shell(scene: &Scene, program: &str, args: &[&str]) -> Option<String> {
    let mut command: Command = scene.sandbox.command("repo", program);
    let Ok(output) = command.args(args).env("TERM", "dumb").output() else {
        wanting(program);
        return None;
    };
    assert!(output.status.success() && output.stderr.is_empty(), "{program}: {output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn fish_completes() {
    let scene = scene();
    for (line, wanted) in [
        ("git-conductor unst", "unstuck"),
        ("git-conductor claim bu", "build"),
        ("git-conductor complete build --verdict f", "fail"),
        ("git-conductor complete build --artifact fi", "file"),
    ] {
        let script = format!("source ../git-conductor.fish; complete -C '{line}'");
        let Some(out) = shell(&scene, "fish", &["--no-config", "-c", &script]) else { return };
        assert!(out.lines().any(|line| line.split('\t').next() == Some(wanted)), "{line}: {out}");
    }
}

/// An interactive zsh in a terminal of its own types each line and a tab, and shows what comes.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty -b shell zsh -f -i
say() { zpty -w shell "$1"; }
heard() { local line all=""; repeat 100 { while zpty -r -t shell line; do all+=$line; done; [[ $all == *$1* ]] && break; sleep 0.1; }; print -r -- "$all"; }
say "PS1=; fpath=($PWD/.. \$fpath); autoload -U compinit; compinit -u -D; zstyle ':completion:*' list-colors ''; LISTMAX=1000; print -r re''ady"
heard ready >/dev/null
zpty -w -n shell "git conductor $1"$'\t'
heard $2
zpty -d shell
"#;

#[test]
fn zsh_completes() {
    let scene = scene();
    let Some(_) = shell(&scene, "zsh", &["-f", "-n", "../_git-conductor"]) else { return };
    for (typed, wanted) in [
        ("unst", "unstuck"),
        ("claim bu", "claim build"),
        ("complete build --verd", "--verdict"),
        ("complete build --verdict=f", "--verdict=fail"),
    ] {
        let Some(out) = shell(&scene, "zsh", &["-f", "-c", ZSH, "zsh", typed, wanted]) else {
            return;
        };
        assert!(out.contains(wanted), "{typed}: {out:?}");
    }
}
