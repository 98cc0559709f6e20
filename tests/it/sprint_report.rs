//! `report`: its figures, and pages that no name, goal or reason can break out of.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use serde_json::{Value, json};

use crate::fixture::{Scene, ago, promptly};

/// Text that means something in HTML, Markdown or to a terminal.
const HOSTILE: &str = "<script>alert(\"x\")</script> ]]> --> <img src=x onerror=a()> | `x` **b** [l](http://e) ![i](j) &amp; '</style></title> \u{1b}[31m\u{202e}\n# h\n```";

/// What is seen of it.
fn shown() -> String {
    HOSTILE.replace('\u{1b}', "\\u{1b}").replace('\u{202e}', "\\u{202e}").replace('\n', "\\u{a}")
}

fn told(scene: &mut Scene, args: &[&str]) -> String {
    let output = scene.asks("reader", "repo", &[&["report"], args].concat());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn hostile() -> Scene {
    let mut scene = Scene::new();
    scene.does("lead", &["start", "--phases", "a:,b:a,c:b"]);
    scene.works("ann", "a");
    scene.does("ann", &["claim", "b"]);
    scene.does("ann", &["abort", "b", "--reason", HOSTILE]);
    scene.does("ann", &["claim", "b"]);
    scene.edit_sprint(|sprint| {
        sprint["goal"] = json!(HOSTILE);
        sprint["started_by"] = json!(HOSTILE);
    });
    scene.edit_claim("b", |claim| claim["agent"] = json!(HOSTILE));
    scene.edit_done("a", |done| {
        for key in ["agent", "artifact", "artifact_sha256", "branch", "commit"] {
            done[key] = json!(HOSTILE);
        }
    });
    scene
}

/// Minutes in milliseconds; what was made promptly has taken less than one more.
fn minutes(value: &Value) -> i64 {
    value.as_i64().unwrap() / 60_000
}

#[test]
fn the_figures_are_those_of_the_records() {
    let (said, text) = promptly(|| {
        let mut scene = Scene::new();
        scene.does("lead", &["start", "--goal", "g", "--phases", "a:,b:a,c:a,d:b+c,e:d"]);
        for phase in ["a", "b"] {
            scene.works("ann", phase);
        }
        scene.works("bob", "c");
        scene.does("ann", &["claim", "d"]);
        scene.does("ann", &["abort", "d", "--reason", "tired"]);
        scene.does("bob", &["claim", "d"]);
        scene.edit_sprint(|sprint| sprint["started_at"] = json!(ago(60 * 100)));
        scene.worked("a", [97, 89]);
        scene.worked("b", [87, 79]);
        scene.worked("c", [83, 61]);
        scene.tried("d", [55, 45]);
        scene.claimed_ago("d", 60 * 39);
        (scene.said("reader", &["report"]), told(&mut scene, &[]))
    });
    assert_eq!(minutes(&said["elapsed_ms"]), 100);
    assert_eq!(said["critical_path"], json!(["a", "c", "d"]));
    let of = |key: &str| -> Vec<i64> {
        said["phases"].as_array().unwrap().iter().map(|phase| minutes(&phase[key])).collect()
    };
    assert_eq!(of("waited_ms"), [3, 2, 6, 12, 0]);
    assert_eq!(of("worked_ms"), [8, 8, 22, 49, 0]);
    let work = &said["phases"][3]["work"];
    assert_eq!((&work[0]["end"], &work[0]["how"]), (&json!("ended"), &json!("abort")));
    assert_eq!((&work[0]["reason"], &work[1]["end"]), (&json!("tired"), &json!("running")));
    let share =
        |n: usize| (said["agents"][n]["agent"].clone(), minutes(&said["agents"][n]["worked_ms"]));
    // Bob had c for 22 minutes and has d for 39; ann had a, b and, in vain, d.
    assert_eq!((share(0), share(1)), ((json!("bob"), 61), (json!("ann"), 26)));
    for line in [
        "| Took | 1h40m |",
        "| **d** | claimed | bob | 2 | 12m | 49m |  |  |",
        "3. **d**: waited 12m, worked 49m",
        "| ann |  | 26m | 2 | 1 |",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}: {text}");
    }
    // Two minutes for each character.
    let drawn = |phase: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("{phase}  "))).unwrap();
        line[3..].to_owned()
    };
    assert_eq!(drawn("a"), ".####");
    assert_eq!(drawn("c"), "     ...###########");
    assert!(drawn("d").trim_start().starts_with("...xxxxx..."), "{text}");
}

#[test]
fn an_ended_sprint_is_told_as_it_ended() {
    let (mut scene, id) = promptly(|| {
        let mut scene = Scene::new();
        scene.does("lead", &["start", "--goal", "first", "--phases", "a:"]);
        scene.works("ann", "a");
        let id = scene.said("reader", &["report"])["sprint_id"].as_str().unwrap().to_owned();
        scene.edit_sprint(|sprint| sprint["started_at"] = json!(ago(60 * 30)));
        scene.worked("a", [20, 10]);
        scene.does("lead", &["start", "--goal", "second", "--phases", "b:"]);
        (scene, id)
    });
    let said = scene.said("reader", &["report", "--sprint", &id]);
    assert_eq!((&said["goal"], &said["status"]), (&json!("first"), &json!("archived")));
    assert_eq!(minutes(&said["elapsed_ms"]), 20);
    let all = scene.said("reader", &["report", "--all"]);
    let list = |key: &str| -> Vec<&Value> {
        all["sprints"].as_array().unwrap().iter().map(|sprint| &sprint[key]).collect()
    };
    assert_eq!(list("goal"), ["second", "first"]);
    assert_eq!(list("agents"), [&json!([]), &json!(["ann"])]);
    assert_eq!(minutes(list("elapsed_ms")[1]), 20);
    assert_eq!(list("done"), [0, 1]);
    let output = scene.asks("reader", "repo", &["report", "--sprint", "20200101-000000"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn what_is_damaged_is_named_and_left_out() {
    let mut scene = Scene::new();
    scene.sprint("a:");
    scene.works("ann", "a");
    scene.sprint("b:");
    let stamps: Vec<String> = (0..7).map(|n| format!("20200101-00000{n}")).collect();
    for stamp in &stamps {
        scene.damaged(stamp);
    }
    let hash = scene.sprint_dir().file_name().unwrap().to_str().unwrap()[..12].to_owned();
    let id = |n: usize| format!("{hash}-{}", stamps[n]);
    let archive = scene.store().join("conductor/archive");
    let record = |n: usize| archive.join(id(n)).join("sprint.json");
    let whole = |n: usize, phases: Value| json!({"sprint_id": id(n), "phases": phases}).to_string();
    // Too long; a link; a FIFO; another's; a circle; and a link where a completion should be.
    std::fs::write(record(1), " ".repeat(2_000_000)).unwrap();
    std::fs::remove_file(record(2)).unwrap();
    std::os::unix::fs::symlink("/dev/zero", record(2)).unwrap();
    std::fs::remove_file(record(3)).unwrap();
    scene.sandbox.command(".", "mkfifo").arg(record(3)).status().unwrap();
    std::fs::write(record(4), whole(0, json!([{"name": "a"}]))).unwrap();
    let circle = json!([{"name": "a", "depends_on": ["b"]}, {"name": "b", "depends_on": ["a"]}]);
    std::fs::write(record(5), whole(5, circle)).unwrap();
    std::fs::write(record(6), whole(6, json!([{"name": "a"}]))).unwrap();
    std::fs::create_dir(archive.join(id(6)).join("a")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", archive.join(id(6)).join("a/done")).unwrap();
    let said = scene.said("reader", &["report", "--all"]);
    assert_eq!(said["sprints"].as_array().unwrap().len(), 2, "{said}");
    let wanted: Vec<String> = (0..7).rev().map(id).collect();
    assert_eq!(said["unreadable"], json!(wanted));
    for args in [&["report", "--all"][..], &["report", "--all", "--html"]] {
        let output = scene.asks("reader", "repo", args);
        let text = String::from_utf8(output.stdout).unwrap();
        let warned = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0));
        for stamp in &stamps {
            assert!(text.contains(stamp), "{text}");
            assert!(warned.contains(&format!("sprint '{stamp}' cannot be read")), "{warned}");
        }
    }
    let output = scene.asks("reader", "repo", &["report", "--sprint", &stamps[3]]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

/// Elements that have no end.
const VOID: &[&str] = &["meta"];
/// All that a report is made of: nothing among it loads or runs anything.
const ELEMENTS: &[&str] = &[
    "html", "head", "meta", "title", "style", "body", "main", "header", "section", "h1", "h2", "p",
    "dl", "dt", "dd", "div", "table", "thead", "tbody", "tr", "th", "td", "span", "ul", "ol", "li",
    "svg", "g", "rect", "path", "text",
];
const ATTRIBUTES: &[&str] = &[
    "lang",
    "charset",
    "http-equiv",
    "content",
    "name",
    "id",
    "class",
    "role",
    "scope",
    "tabindex",
    "title",
    "style",
    "data-label",
    "aria-hidden",
    "aria-labelledby",
    "viewBox",
    "x",
    "y",
    "rx",
    "width",
    "height",
    "d",
];

/// Reads a page as strictly as XML and gives all its text and the values of `title`; what is opened
/// is closed, and only what is known is there.
fn read(page: &str) -> Vec<String> {
    let mut rest = page.strip_prefix("<!DOCTYPE html>").unwrap();
    let (mut open, mut texts) = (Vec::<&str>::new(), Vec::new());
    while let Some(at) = rest.find('<') {
        texts.push(plain(&rest[..at]));
        rest = &rest[at + 1..];
        if let Some(end) = rest.strip_prefix('/') {
            let (name, after) = end.split_once('>').unwrap();
            assert_eq!(open.pop(), Some(name));
            rest = after;
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap();
        let name = &rest[..end];
        assert!(ELEMENTS.contains(&name), "<{name}> at {rest:.80}");
        rest = &rest[end..];
        while !rest.starts_with('>') {
            let (attribute, after) = rest.strip_prefix(' ').unwrap().split_once("=\"").unwrap();
            assert!(ATTRIBUTES.contains(&attribute), "{attribute}");
            let (value, after) = after.split_once('"').unwrap();
            let value = plain(value);
            if attribute == "style" {
                let harmless = |c: char| c.is_ascii_alphanumeric() || ":;-.%".contains(c);
                assert!(value.chars().all(harmless), "{value}");
            }
            if attribute == "title" {
                texts.push(value);
            }
            rest = after;
        }
        rest = &rest[1..];
        if name == "style" {
            // Nothing but ours stands in it, and that loads nothing.
            let (style, after) = rest.split_once("</style>").unwrap();
            assert!(!style.contains("url(") && !style.contains("@import"));
            rest = after;
        } else if !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert_eq!((open, rest.trim()), (Vec::new(), ""));
    texts
}

/// Text without its entities; nothing in it is markup.
fn plain(text: &str) -> String {
    let mut parts = text.split('&');
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (entity, rest) = part.split_once(';').unwrap();
        let is = [("lt", '<'), ("gt", '>'), ("amp", '&'), ("quot", '"')];
        out.push(is.into_iter().find(|(name, _)| *name == entity).unwrap().1);
        out.push_str(rest);
    }
    let raw = |c: char| c != '\n' && git_conductor::record::text::is_unsafe(c);
    assert!(!out.contains(raw), "{out}");
    out
}

#[test]
fn a_page_is_whole_and_nothing_breaks_out_of_it() {
    let mut scene = hostile();
    let page = told(&mut scene, &["--html"]);
    let texts = read(&page);
    let policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">";
    // Before anything that it could forbid.
    assert!(page.find(policy).unwrap() < page.find("<style>").unwrap());
    let shown = shown();
    let whole = texts.iter().filter(|text| **text == shown).count();
    // Title, heading, who began it, the owners of a and b, and an agent.
    assert!(whole >= 5, "{whole} in {texts:?}");
    assert!(texts.iter().any(|text| text.ends_with(&format!("abort: {shown}"))), "{texts:?}");
    scene.does("lead", &["start", "--force"]);
    assert!(read(&told(&mut scene, &["--all", "--html"])).contains(&shown));
}

#[test]
fn markdown_shows_what_was_written() {
    let mut scene = hostile();
    for args in [&[][..], &["--all"]] {
        let page = told(&mut scene, args);
        let (mut texts, mut text) = (Vec::new(), String::new());
        let mut code = false;
        for event in Parser::new_ext(&page, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH)
        {
            let foreign = matches!(
                event,
                Event::Html(_)
                    | Event::InlineHtml(_)
                    | Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::BlockQuote(_))
            );
            assert!(!foreign, "{event:?} in {page}");
            let ends =
                matches!(event, Event::End(TagEnd::Heading(_) | TagEnd::TableCell | TagEnd::Item));
            code = matches!(event, Event::Start(Tag::CodeBlock(_)))
                || code && event != Event::End(TagEnd::CodeBlock);
            if let Event::Text(part) = event
                && !code
            {
                text.push_str(&part);
            } else if ends {
                texts.push(std::mem::take(&mut text));
            }
        }
        assert!(texts.contains(&shown()), "{texts:?}");
    }
}

#[test]
fn every_shape_of_a_sprint_is_drawn() {
    let mut scene = Scene::new();
    let chain: Vec<String> = (0..256)
        .map(|n| if n == 0 { "p0:".to_owned() } else { format!("p{n}:p{}", n - 1) })
        .collect();
    let wide: Vec<String> = (0..255).map(|n| format!("p{n}:root")).collect();
    // Each waits for all before it.
    let dense: Vec<Value> = (0..256)
        .map(|n| {
            let before: Vec<String> = (0..n).map(|n| format!("p{n}")).collect();
            json!({"name": format!("p{n}"), "depends_on": before})
        })
        .collect();
    scene.sandbox.write("repo/graph.json", json!(dense).to_string());
    let list = [
        "one:".to_owned(),
        chain.join(","),
        format!("root:,{}", wide.join(",")),
        "graph.json".to_owned(),
    ];
    for phases in list {
        scene.does("lead", &["start", "--phases", &phases]);
        let page = told(&mut scene, &["--html"]);
        read(&page);
        assert!(page.len() < 1_000_000, "{} bytes", page.len());
        told(&mut scene, &[]);
    }
}

/// Who works comes before who is gone, of whom it is said since when nothing was heard; its work
/// ends then.
#[test]
fn an_owner_that_is_gone_is_not_at_work() {
    let mut scene = Scene::new();
    scene.does("lead", &["start", "--phases", "a:,b:,c:"]);
    scene.does("gone", &["claim", "a"]);
    scene.does("ann", &["claim", "b"]);
    scene.works("bob", "c");
    scene.dies("gone");
    scene.edit_sprint(|sprint| sprint["started_at"] = json!(ago(9000)));
    scene.claimed_ago("a", 7200);
    scene.silent_for("a", 3600);
    let page = |scene: &mut Scene, args: &[&str]| {
        String::from_utf8(scene.asks("reader", "repo", args).stdout).unwrap()
    };
    let text = page(&mut scene, &["report"]);
    let (_, agents) = text.split_once("## Agents").unwrap();
    let rows: Vec<&str> = agents.lines().skip(4).take(3).collect();
    assert!(rows[0].starts_with("| ann | at work | "), "{rows:#?}");
    assert!(rows[1].starts_with("| bob |  | "), "{rows:#?}");
    assert!(rows[2].starts_with("| gone | process gone, last heard 2"), "{rows:#?}");
    // It claimed two hours ago, and was heard an hour ago.
    assert!(rows[2].contains(" | 1h0"), "{rows:#?}");
    let html = page(&mut scene, &["report", "--html"]);
    let (_, lane) = html.split_once("class=\"timeline\"").unwrap();
    assert!(lane.contains("class=\"span gone\"") && lane.contains("has it still: process gone"));
    let json = scene.said("reader", &["report"]);
    assert_eq!(json["phases"][0]["work"][0]["end"], "running");
    // An hour, and what went by between the two edits.
    let worked = json["phases"][0]["worked_ms"].as_i64().unwrap();
    assert!((3_590_000..7_000_000).contains(&worked), "{worked}");
}
