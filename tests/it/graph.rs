//! `graph`: layers that fit a terminal, and syntax that no name, goal or agent can break out of.
//! The two languages are read here by small readers of our own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::fixture::Scene;

/// Text that means something in some language or to a terminal.
const HOSTILE: &str = "<script>alert(\"x\")</script> ]]> --> %%{init}%% \\N \\\" &amp; #quot; `'\u{1b}[31m\u{202e}\n--- \"]; n9 -> n8";

/// What is printed of the graph.
fn drawn(scene: &mut Scene, args: &[&str]) -> String {
    let all = [&["graph"], args].concat();
    let output = scene.asks("reader", "repo", &all);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The same in a pager of so many columns.
fn narrow(scene: &mut Scene, columns: &str) -> String {
    let mut command = scene.command("reader", "repo", &["graph", "--color", "never"]);
    command.env("GIT_PAGER_IN_USE", "1").env("COLUMNS", columns);
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

/// A sprint of four phases, in which all that can be foreign is.
fn hostile() -> Scene {
    let mut scene = Scene::new();
    scene.does("lead", &["start", "--phases", "a:,b:a,c:a,d:b+c"]);
    scene.works("ann", "a");
    scene.does("ann", &["claim", "b"]);
    scene.edit_sprint(|sprint| sprint["goal"] = json!(HOSTILE));
    scene.edit_claim("b", |claim| claim["agent"] = json!(HOSTILE));
    scene
}

fn edges() -> BTreeSet<(String, String)> {
    let edge = |[from, to]: [&str; 2]| (from.to_owned(), to.to_owned());
    [["n0", "n1"], ["n0", "n2"], ["n1", "n3"], ["n2", "n3"]].map(edge).into()
}

/// What a label shows: no character is one that a terminal would act on.
fn shown() -> String {
    HOSTILE.replace('\u{1b}', "\\u{1b}").replace('\u{202e}', "\\u{202e}").replace('\n', "\\u{a}")
}

#[test]
fn each_phase_stands_below_all_that_it_waits_for() {
    let mut scene = Scene::new();
    assert_eq!(drawn(&mut scene, &[]), "no sprint\n");
    scene.does("lead", &["start", "--phases", "d:b+c,a:,b:a,c:b"]);
    scene.works("ann", "a");
    let text = drawn(&mut scene, &[]);
    let lines: Vec<&str> = text.lines().skip(1).collect();
    let wanted = [
        "1 + a  done",
        "2 > b  ready    after a",
        "3 . c  pending  after b",
        "4 . d  pending  after b, c",
    ];
    assert_eq!(lines, wanted);
    scene.does("lead", &["start", "--phases", "only:"]);
    assert_eq!(drawn(&mut scene, &[]).lines().last(), Some("1 > only  ready"));
    let said = scene.said("reader", &["log", "-n", "1"]);
    let first = said["events"][0]["sprint"].as_str().unwrap().to_owned();
    assert!(drawn(&mut scene, &["--sprint", &first]).ends_with("1 > only  ready\n"));
    let output = scene.asks("reader", "repo", &["graph", "--sprint", "20200101-000000"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn it_fits_the_terminal() {
    let mut scene = Scene::new();
    let many: Vec<String> = (0..254).map(|n| format!("phase-{n}")).collect();
    let wide: String = many.iter().flat_map(|name| [",", name, ":root"]).collect();
    scene.does("lead", &["start", "--phases", &format!("root:{wide},end:{}", many.join("+"))]);
    scene.edit_sprint(|sprint| sprint["goal"] = json!("設計".repeat(60)));
    for columns in ["80", "40", "9", "1"] {
        let text = narrow(&mut scene, columns);
        assert_eq!(text.lines().count(), 258);
        let most = columns.parse().unwrap();
        for line in text.lines() {
            let width = unicode_width::UnicodeWidthStr::width(line);
            assert!(width <= most, "{columns}: {line}");
        }
    }
    let text = narrow(&mut scene, "80");
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("3 . end        pending  after phase-0, phase-1, "), "{last}");
    assert!(last.ends_with(" more"), "{last}");
    // What is no terminal gets all of it.
    assert!(drawn(&mut scene, &[]).lines().last().unwrap().ends_with(", phase-253"));
}

#[test]
fn nothing_foreign_reaches_a_terminal() {
    let mut scene = hostile();
    for form in ["text", "mermaid", "dot"] {
        let text = drawn(&mut scene, &["--format", form]);
        let raw = |c: char| c != '\n' && git_conductor::record::text::is_unsafe(c);
        assert!(!text.contains(raw), "{text}");
    }
}

/// A token of the DOT language.
#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    /// A quoted string, as it is shown where it is a label.
    Text(String),
    Sign(String),
}

/// Reads DOT as its grammar says: in a quoted string only `\"` is an escape of the string itself.
fn dot_tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => {
                let mut inside = String::new();
                loop {
                    match rest.next().unwrap() {
                        '"' => break,
                        '\\' if rest.peek() == Some(&'"') => inside.push(rest.next().unwrap()),
                        '\\' => {
                            inside.push('\\');
                            inside.push(rest.next().unwrap());
                        }
                        other => inside.push(other),
                    }
                }
                tokens.push(Token::Text(label(&inside)));
            }
            c if c.is_whitespace() => {}
            c if c.is_alphanumeric() || c == '_' => {
                let mut word = String::from(c);
                while let Some(c) = rest.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    word.push(c);
                }
                tokens.push(Token::Word(word));
            }
            '-' => {
                assert_eq!(rest.next(), Some('>'));
                tokens.push(Token::Sign("->".to_owned()));
            }
            other => {
                assert!("{}[]=,;".contains(other), "{other:?} in {text}");
                tokens.push(Token::Sign(other.to_string()));
            }
        }
    }
    tokens
}

/// What Graphviz shows of a label: it has escapes and entities of its own.
fn label(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next().unwrap() {
                'n' => out.push('\n'),
                other => {
                    assert_eq!(other, '\\', "an escape that is not ours");
                    out.push('\\');
                }
            },
            '&' => {
                let entity: String = rest.by_ref().take_while(|c| *c != ';').collect();
                assert_eq!(entity, "amp");
                out.push('&');
            }
            other => out.push(other),
        }
    }
    out
}

#[test]
fn graphviz_reads_it() {
    let mut scene = hostile();
    let text = drawn(&mut scene, &["--format", "dot"]);
    let tokens = dot_tokens(&text);
    let word = |text: &str| Token::Word(text.to_owned());
    assert_eq!(tokens[..2], [word("digraph"), word("sprint")]);
    let found = tokens.windows(3).filter_map(|three| match three {
        [Token::Word(from), Token::Sign(arrow), Token::Word(to)] if arrow == "->" => {
            Some((from.clone(), to.clone()))
        }
        _ => None,
    });
    assert_eq!(found.collect::<BTreeSet<_>>(), edges());
    let labels: Vec<&String> = tokens
        .windows(3)
        .filter_map(|three| match three {
            [Token::Word(key), Token::Sign(_), Token::Text(text)] if key == "label" => Some(text),
            _ => None,
        })
        .collect();
    let claimed = format!("b\nclaimed by {}", shown());
    assert_eq!(labels, [&shown(), "a\ndone by ann", &claimed, "c\nready", "d\npending"]);
}

/// What Mermaid shows of a label: entity codes in decimal.
fn entity_codes(text: &str) -> String {
    let mut out = String::new();
    for (n, part) in text.split('#').enumerate() {
        let (code, rest) = if n == 0 { ("", part) } else { part.split_once(';').unwrap() };
        if n > 0 {
            out.push(char::from_u32(code.parse().unwrap()).unwrap());
        }
        assert!(rest.chars().all(|c| c.is_alphanumeric() || " -_".contains(c)), "{rest:?}");
        out.push_str(rest);
    }
    out
}

#[test]
fn mermaid_reads_it() {
    let mut scene = hostile();
    let text = drawn(&mut scene, &["--format", "mermaid"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines[2], lines[3]), ("---", "---", "flowchart TD"));
    let title = lines[1].strip_prefix("title: \"").unwrap().strip_suffix('"').unwrap();
    let unquoted = regex::Regex::new(r"\\U([0-9a-f]{8})").unwrap().replace_all(
        title,
        |found: &regex::Captures<'_>| {
            char::from_u32(u32::from_str_radix(&found[1], 16).unwrap()).unwrap().to_string()
        },
    );
    assert!(!title.contains(['"', '<', '>', '`', '\'', '#', '%']), "{title}");
    assert_eq!(unquoted, shown());
    let node = regex::Regex::new(r#"^    (n[0-9]+)\["(.*)<br/>(.*)"\]:::([a-z]+)$"#).unwrap();
    let edge = regex::Regex::new("^    (n[0-9]+) --> (n[0-9]+)$").unwrap();
    let class = regex::Regex::new("^    classDef ([a-z]+) fill:#[0-9a-f]{6},").unwrap();
    let (mut nodes, mut found, mut classes) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    let mut used = BTreeSet::new();
    for line in &lines[4..] {
        if let Some(is) = node.captures(line) {
            nodes.insert(is[1].to_owned(), (entity_codes(&is[2]), entity_codes(&is[3])));
            used.insert(is[4].to_owned());
        } else if let Some(is) = edge.captures(line) {
            found.insert((is[1].to_owned(), is[2].to_owned()));
        } else {
            classes.insert(class.captures(line).expect(line)[1].to_owned());
        }
    }
    assert_eq!(found, edges());
    assert!(used.is_subset(&classes), "{used:?}");
    assert_eq!(nodes["n1"], ("b".to_owned(), format!("claimed by {}", shown())));
    assert_eq!(nodes["n3"], ("d".to_owned(), "pending".to_owned()));
}

#[test]
fn the_graph_is_told_in_json() {
    let mut scene = hostile();
    let said = scene.said("reader", &["graph", "--format", "dot"]);
    let node = |n: usize| &said["nodes"][n];
    assert_eq!(node(3)["phase"], "d");
    assert_eq!(node(3)["level"], 3);
    assert_eq!(node(1)["agent"], HOSTILE);
    assert_eq!(node(1)["state"], "claimed");
    let pair = |edge: &Value| {
        let end = |key: &str| edge[key].as_str().unwrap().to_owned();
        (end("from"), end("to"))
    };
    let found: BTreeSet<_> = said["edges"].as_array().unwrap().iter().map(pair).collect();
    assert_eq!(found, edges());
    let no_sprint = Scene::new().said("reader", &["graph"]);
    assert_eq!(no_sprint["status"], "no_sprint");
}
