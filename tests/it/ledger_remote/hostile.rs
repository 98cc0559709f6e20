//! Whoever may push can put anything on the ref. It is refused in words, and nothing of it is
//! believed.

use std::io::Write as _;
use std::process::Stdio;

use git_conductor::error::FailureKind;
use git_conductor::ledger::{Fetched, Link, Remote};

use super::{Change, REFERENCE, Sandbox, begin, clones, fetched, home, rewind};

/// Writes an object on the server.
fn object(sandbox: &Sandbox, kind: &str, content: &[u8]) -> String {
    let mut command = sandbox.command("server.git", "git");
    command.args(["hash-object", "-w", "--literally", "--stdin", "-t", kind]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(content).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn raw(id: &str) -> Vec<u8> {
    (0..id.len()).step_by(2).map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap()).collect()
}

/// A tree of entries: mode, name, id.
fn tree(sandbox: &Sandbox, entries: &[(&str, &str, &str)]) -> String {
    let mut bytes = Vec::new();
    for (mode, name, id) in entries {
        bytes.extend([format!("{mode} {name}\0").as_bytes(), &raw(id)].concat());
    }
    object(sandbox, "tree", &bytes)
}

/// What a good commit is made of.
struct Parts {
    board: String,
    graph: String,
    members: String,
    member: String,
    message: String,
    parent: String,
}

impl Parts {
    fn of(sandbox: &Sandbox, link: &Link) -> Self {
        let id = |path: &str| {
            sandbox.git_says("server.git", ["rev-parse", &format!("{}:{path}", link.id.as_str())])
        };
        let message = ["show", "-s", "--format=%B", link.id.as_str()];
        Self {
            board: id("board.json"),
            graph: id("graph.json"),
            members: id("members"),
            member: id("members/m1.json"),
            message: sandbox.git_says("server.git", message),
            parent: sandbox
                .git_says("server.git", ["rev-parse", &format!("{}^", link.id.as_str())]),
        }
    }

    fn entries(&self) -> [(&str, &str, &str); 3] {
        [
            ("100644", "board.json", &self.board),
            ("100644", "graph.json", &self.graph),
            ("40000", "members", &self.members),
        ]
    }

    /// A commit whose tree is this, and all else as it has to be.
    fn commit(&self, sandbox: &Sandbox, entries: &[(&str, &str, &str)]) -> String {
        let tree = tree(sandbox, entries);
        commit_with(sandbox, &tree, &[&self.parent], &self.message)
    }

    /// The same with something else in the place of one entry.
    fn but(&self, sandbox: &Sandbox, entry: (&str, &str, &str)) -> String {
        let entries = self.entries().map(|it| if it.1 == entry.1 { entry } else { it });
        self.commit(sandbox, &entries)
    }
}

fn commit_with(sandbox: &Sandbox, tree: &str, parents: &[&str], message: &str) -> String {
    let mut text = format!("tree {tree}\n");
    for parent in parents {
        text.extend(["parent ", parent, "\n"]);
    }
    text += "author a <b> 1 +0000\ncommitter a <b> 1 +0000\n\n";
    object(sandbox, "commit", (text + message).as_bytes())
}

/// What is wrong in the commit itself.
fn odd_commits(s: &Sandbox, parts: &Parts, commit: &str) -> Vec<(&'static str, String)> {
    let whole = tree(s, &parts.entries());
    let text = object(s, "blob", b"text");
    let tag = format!("object {commit}\ntype commit\ntag x\ntagger a <b> 1 +0000\n\nx\n");
    let parent = parts.parent.as_str();
    let says = |message: &str| commit_with(s, &whole, &[parent], message);
    let holds = |tree: &[u8]| commit_with(s, &object(s, "tree", tree), &[parent], &parts.message);
    vec![
        ("a tag", object(s, "tag", tag.as_bytes())),
        ("a merge", commit_with(s, &whole, &[parent, commit], &parts.message)),
        ("no UTF-8", holds(&[b"100644 \xff\0".as_slice(), &raw(&text)].concat())),
        (TORN, holds(b"100644 board.json\0abc")),
        ("no event", says("subject\n")),
        ("no message", says("")),
        ("another event", says("subject\n\n{\"v\":1}\n")),
        ("a long message", says(&format!("{}{}", parts.message, " ".repeat(5 << 20)))),
        ("a blob", text),
        ("a tree", whole),
    ]
}

/// What the server itself cannot read, and so does not send.
const TORN: &str = "a torn tree";

/// What is wrong in its tree.
fn odd_trees(s: &Sandbox, parts: &Parts) -> Vec<(&'static str, String)> {
    let blob = |content: &[u8]| object(s, "blob", content);
    let members =
        |entries: &[(&str, &str, &str)]| parts.but(s, ("40000", "members", &tree(s, entries)));
    let [board, graph, all] = parts.entries();
    // All is right but the length.
    let long = |id: &str, more: usize| {
        let content = s.git("server.git", ["cat-file", "blob", id]).stdout;
        blob(&[content, vec![b' '; more]].concat())
    };
    let text = blob(b"no JSON \x1b[31m");
    let (link, deep) = (blob(b"/etc/passwd"), blob(&vec![b'['; 100_000]));
    let member = parts.member.as_str();
    let names: Vec<String> = (0..200_000).map(|n| format!("m{n:06}.json")).collect();
    let many: Vec<_> = names.iter().map(|it| ("100644", it.as_str(), member)).collect();
    let mut cases = vec![
        ("no tree", parts.commit(s, &[])),
        ("no board", parts.commit(s, &[graph, all])),
        ("no graph", parts.commit(s, &[board, all])),
        ("more files", parts.commit(s, &[board, graph, all, ("100644", "more", &text)])),
        ("two boards", parts.commit(s, &[board, board, graph, all])),
        ("members in a file", parts.but(s, ("100644", "members", member))),
        ("no member", members(&[("100644", "m1.txt", member)])),
        ("a strange member", members(&[("100644", "a b.json", member)])),
        ("a directory", members(&[("40000", "m1.json", &object(s, "tree", b""))])),
        ("a linked member", members(&[("120000", "m1.json", &link)])),
        ("a long member", members(&[("100644", "m1.json", &long(member, 70_000))])),
        ("a nested tree", members(&[many[0], ("40000", "more", &parts.members)])),
        ("too many members", members(&many[..1025])),
        ("200,000 members", members(&many)),
    ];
    for (_, name, whole) in [board, graph] {
        let huge = long(whole, 5 << 20);
        for (what, mode, id) in [
            ("a link", "120000", link.as_str()),
            ("a program", "100755", &parts.board),
            ("a directory", "40000", &parts.members),
            ("a submodule", "160000", &parts.parent),
            ("a huge file", "100644", &huge),
            ("no JSON", "100644", &text),
            ("deep JSON", "100644", &deep),
            ("other JSON", "100644", member),
        ] {
            cases.push((what, parts.but(s, (mode, name, id))));
        }
    }
    cases
}

#[test]
fn a_commit_of_no_ledger_is_unreadable() {
    let sandbox = Sandbox::in_memory();
    clones(&sandbox, "../server.git");
    let (one, two) = (home(&sandbox, "one", "origin"), home(&sandbox, "two", "origin"));
    let first = begin(&one);
    let second = Change::vouch(&one, &first, "m1").lands(&one);
    let parts = Parts::of(&sandbox, &second);
    let mut cases = odd_commits(&sandbox, &parts, second.id.as_str());
    cases.extend(odd_trees(&sandbox, &parts));
    let serves = |id: &str| sandbox.write(format!("server.git/{REFERENCE}"), format!("{id}\n"));
    for (what, id) in cases {
        serves(&id);
        for (home, known) in [(&one, Some(&second.id)), (&two, None)] {
            let failure = home.fetch(known).expect_err(what);
            let is_unreadable = failure.kind == FailureKind::Unreadable;
            assert_eq!(is_unreadable, what != TORN, "{what}: {failure}");
            let words = failure.to_string();
            assert!(words.len() < 400 && !words.contains(char::is_control), "{what}: {words}");
        }
    }
    // Nor is it read on the way to a good one. Whatever is not on the way is only passed by.
    let whole = tree(&sandbox, &parts.entries());
    for bad in [parts.commit(&sandbox, &[]), commit_with(&sandbox, &whole, &[&parts.parent], "")] {
        let above = commit_with(&sandbox, &whole, &[&bad], &parts.message);
        serves(&above);
        assert_eq!(fetched(&one, Some(&second.id)), Fetched::Foreign);
        let failure = one.fetch(Some(&first.id)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unreadable, "{failure}");
    }
    // What is as it has to be is read; so the parts are right.
    serves(&parts.commit(&sandbox, &parts.entries()));
    assert!(matches!(fetched(&one, Some(&first.id)), Fetched::Ahead(way) if way.len() == 1));
    rewind(&sandbox, &second.id);
    assert_eq!(fetched(&one, Some(&second.id)), Fetched::Same);
}

/// A later version keeps more, and says so by the number of its rules.
#[test]
fn a_later_version_is_told_from_nonsense() {
    let sandbox = Sandbox::in_memory();
    clones(&sandbox, "../server.git");
    let one = home(&sandbox, "one", "origin");
    let first = begin(&one);
    let second = Change::vouch(&one, &first, "m1").lands(&one);
    let parts = Parts::of(&sandbox, &second);
    let board = sandbox.git_says("server.git", ["cat-file", "blob", &parts.board]);
    let board = object(&sandbox, "blob", board.replace("\"rules\": 1", "\"rules\": 2").as_bytes());
    let more = object(&sandbox, "blob", b"more");
    let [_, graph, members] = parts.entries();
    let entries =
        [("100644", "board.json", board.as_str()), graph, members, ("100644", "notes", &more)];
    let newer = parts.commit(&sandbox, &entries);
    sandbox.git("server.git", ["update-ref", REFERENCE, &newer]);
    let Fetched::Ahead(way) = fetched(&one, Some(&first.id)) else { panic!() };
    assert_eq!(way[0].shared.board.rules, 2);
    let tree = tree(&sandbox, &entries);
    let event = "subject\n\n{\"v\":1,\"event\":\"dance\"}\n";
    let newer = commit_with(&sandbox, &tree, &[&parts.parent], event);
    sandbox.git("server.git", ["update-ref", REFERENCE, &newer]);
    let failure = one.fetch(None).unwrap_err();
    assert!(failure.to_string().contains("a later version"), "{failure}");
}

/// Refs beside the ledger's are not taken for it.
#[test]
fn names_that_begin_alike_are_others() {
    let sandbox = Sandbox::in_memory();
    clones(&sandbox, "../server.git");
    let one = home(&sandbox, "one", "origin");
    let first = begin(&one);
    let rename = |from: &str, to: &str| {
        sandbox.git("server.git", ["update-ref", "-d", from]);
        sandbox.git("server.git", ["update-ref", to, first.id.as_str()]);
    };
    for other in ["-2", "/deeper", ".x"] {
        let other = format!("{REFERENCE}{other}");
        rename(REFERENCE, &other);
        assert_eq!(fetched(&one, Some(&first.id)), Fetched::Absent, "{other}");
        assert_eq!(fetched(&one, None), Fetched::Absent, "{other}");
        rename(&other, REFERENCE);
        assert_eq!(fetched(&one, Some(&first.id)), Fetched::Same, "{other}");
    }
}
