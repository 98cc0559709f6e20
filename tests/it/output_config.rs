//! What a user of git has told git's commands holds for this one: colours, the pager, advice,
//! tracing, another directory, another repository.

use std::process::Output;

use serde_json::Value;

use crate::fixture::{Scene, ageless, wanting};

/// A sprint of which `ann` holds a phase.
fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.sprint("build,ship");
    scene.does("ann", &["claim", "build"]);
    scene
}

fn git(scene: &Scene, dir: &str, args: &[&str]) -> Output {
    scene.sandbox.try_git(dir, args)
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn colourful(text: &str) -> bool {
    text.contains('\u{1b}')
}

/// What `script` shows of a command line in a terminal of 60 columns.
fn in_a_terminal(scene: &Scene, line: &str) -> Option<String> {
    let line = format!("stty cols 60 && {line}");
    let mut script = scene.sandbox.command("repo", "script");
    script.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm").env_remove("GIT_PAGER");
    let Ok(output) = script.output() else {
        wanting("script");
        return None;
    };
    Some(out(&output).replace("\r\n", "\n"))
}

#[test]
fn colours() {
    let scene = scene();
    let status = |settings: &[&str], options: &[&str]| {
        let settings = settings.iter().flat_map(|setting| ["-c", setting]);
        let args: Vec<&str> =
            settings.chain(["conductor", "status"]).chain(options.iter().copied()).collect();
        colourful(&out(&git(&scene, "repo", &args)))
    };
    assert!(!status(&[], &[]), "to a pipe");
    assert!(status(&["color.ui=always"], &[]));
    assert!(!status(&["color.ui=always", "color.conductor=never"], &[]));
    assert!(status(&["color.ui=false", "color.conductor=always"], &[]));
    assert!(!status(&["color.ui=always"], &["--color=never"]));
    assert!(!status(&["color.ui=always"], &["--color=auto"]), "what is typed comes first");
    assert!(!status(&["color.ui=purple"], &[]), "what makes no sense is passed over");
    let refused = git(&scene, "repo", &["-c", "color.ui=always", "conductor", "claim", "nothing"]);
    assert!(err(&refused).contains("\u{1b}[1m\u{1b}[31merror:"), "{}", err(&refused));
    let Some(plain) = in_a_terminal(&scene, "git conductor status") else { return };
    assert!(colourful(&plain), "{plain}");
    for never in ["-c color.ui=false", "-c color.conductor=never"] {
        let text = in_a_terminal(&scene, &format!("git {never} conductor status")).unwrap();
        assert!(!colourful(&text), "{never}: {text}");
    }
}

#[test]
fn the_pager() {
    let scene = scene();
    let by = "-c core.pager='sed s/^/PAGED:/'";
    let Some(paged) = in_a_terminal(&scene, &format!("git {by} -p conductor status")) else {
        return;
    };
    assert!(paged.contains("PAGED:") && colourful(&paged), "{paged}");
    let without = |line: &str| line.replace("PAGED:", "");
    let long = scene.sandbox.git_says("repo", ["conductor", "doctor"]);
    assert!(long.lines().any(|line| line.len() > 60), "it is worth breaking");
    let broken = in_a_terminal(&scene, &format!("git {by} -p conductor doctor --color=never"));
    let broken = without(&broken.unwrap());
    let wide = broken.lines().filter(|line| line.len() > 60).filter(|line| !line.contains("/repo"));
    assert_eq!(wide.collect::<Vec<_>>(), Vec::<&str>::new(), "git tells the width");
    let plain =
        in_a_terminal(&scene, &format!("git {by} -c color.pager=false -p conductor status"));
    let plain = plain.unwrap();
    assert!(plain.contains("PAGED:") && !colourful(&plain), "{plain}");
    let configured = format!("git {by} -c pager.conductor=true conductor status");
    assert!(in_a_terminal(&scene, &configured).unwrap().contains("PAGED:"));
    let own = "git -c pager.conductor='sed s/^/OWN:/' conductor status";
    assert!(in_a_terminal(&scene, own).unwrap().contains("OWN:"));
    assert!(!in_a_terminal(&scene, "git conductor status").unwrap().contains("PAGED:"));
}

#[test]
fn advice() {
    let mut scene = scene();
    let hints =
        |output: &Output| err(output).lines().filter(|line| line.starts_with("hint:")).count();
    let ask = ["conductor", "claim", "nothing"];
    let usual = git(&scene, "repo", &ask);
    assert!(hints(&usual) > 0 && err(&usual).starts_with("error:"));
    let quiet =
        git(&scene, "repo", &["-c", "advice.conductor=false", "conductor", "claim", "nothing"]);
    assert_eq!((hints(&quiet), quiet.status), (0, usual.status));
    assert!(err(&quiet).starts_with("error:"));
    // A program that reads JSON has not asked for less.
    let args = ["-c", "advice.conductor=false", "conductor", "claim", "nothing", "--json"];
    let json: Value = serde_json::from_slice(&git(&scene, "repo", &args).stdout).unwrap();
    assert!(!json["hints"].as_array().unwrap().is_empty());
    for value in ["0", "false"] {
        scene.sandbox.set("GIT_ADVICE", value);
        assert_eq!(hints(&git(&scene, "repo", &ask)), 0);
    }
    scene.sandbox.set("GIT_ADVICE", "1");
    assert!(hints(&git(&scene, "repo", &ask)) > 0);
}

#[test]
fn tracing_goes_beside_the_answer() {
    let mut scene = scene();
    let ask = ["conductor", "status", "--json", "--agent", "reader"];
    let same = |text: &str| {
        let mut board: Value = serde_json::from_str(text).unwrap();
        // Another command is another process.
        board.as_object_mut().unwrap().remove("you");
        board
    };
    for name in ["GIT_TRACE", "GIT_TRACE2", "GIT_TRACE2_PERF"] {
        let usual = same(&out(&git(&scene, "repo", &ask)));
        scene.sandbox.set(name, "1");
        let traced = git(&scene, "repo", &ask);
        assert_eq!(same(&out(&traced)), usual, "{name}");
        assert!(err(&traced).contains("git-conductor"), "{name}: {}", err(&traced));
        scene.does("ann", &["complete", "build"]);
        scene.sandbox.unset(name);
        scene.sprint("build,ship");
        scene.does("ann", &["claim", "build"]);
    }
}

#[test]
fn from_elsewhere() {
    let mut scene = scene();
    let board = |output: &Output| {
        let board: Value = serde_json::from_slice(&output.stdout).unwrap();
        board["phases"]["build"]["agent"].clone()
    };
    let ask = ["conductor", "status", "--json"];
    let with = |options: &[&str]| {
        let args: Vec<&str> = options.iter().chain(&ask).copied().collect();
        board(&git(&scene, "home", &args))
    };
    assert_eq!(with(&["-C", "../repo"]), "ann");
    assert_eq!(with(&["--git-dir=../repo/.git", "--work-tree=../repo"]), "ann");
    assert_eq!(with(&["--git-dir", "../repo/.git"]), "ann");
    assert_eq!(with(&["--no-pager", "--no-optional-locks", "-C", "../repo"]), "ann");
    scene.sandbox.set("GIT_DIR", scene.sandbox.join("repo/.git"));
    assert_eq!(board(&git(&scene, "home", &ask)), "ann");
}

/// A script reads what it says: without a locale there is nothing in it but ASCII, and the same
/// words.
#[test]
fn no_locale_changes_a_word() {
    let mut scene = scene();
    let asked: &[&[&str]] = &[&["status"], &["claim", "ship"], &["doctor"], &["-h"], &["guard"]];
    let mut said = Vec::new();
    for locale in ["C", "C.UTF-8", "de_DE.UTF-8"] {
        scene.sandbox.set("LC_ALL", locale);
        scene.sandbox.set("LANGUAGE", "de");
        let each = asked.iter().map(|args| {
            let args: Vec<&str> = ["conductor"].iter().chain(*args).copied().collect();
            let output = git(&scene, "repo", &args);
            let text = out(&output) + &err(&output);
            assert!(text.is_ascii(), "{text}");
            ageless(&text)
        });
        said.push(each.collect::<Vec<_>>());
    }
    assert!(said.windows(2).all(|two| two[0] == two[1]), "{said:#?}");
}
