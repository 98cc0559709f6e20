//! What README and the pages in `docs/` show is there: commands, options, files, links, changes of
//! a phase. The pages are held to their lengths, too.

#![expect(clippy::wildcard_enum_match_arm, reason = "most of a page is passed over")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A page, by its path from the root of the repository.
struct Page {
    path: String,
    text: String,
}

/// What is code in a page.
#[derive(Default)]
struct Code {
    spans: Vec<String>,
    /// The lines of blocks.
    lines: Vec<String>,
}

impl Page {
    fn events(&self) -> impl Iterator<Item = Event<'_>> {
        Parser::new_ext(&self.text, Options::ENABLE_TABLES)
    }

    fn code(&self) -> Code {
        let mut code = Code::default();
        let mut in_block = false;
        for event in self.events() {
            match event {
                Event::Start(Tag::CodeBlock(_)) => in_block = true,
                Event::End(TagEnd::CodeBlock) => in_block = false,
                Event::Text(text) if in_block => code.lines.extend(text.lines().map(str::to_owned)),
                Event::Code(text) => code.spans.push(text.to_string()),
                _ => {}
            }
        }
        code
    }

    /// Where links lead to from here.
    fn links(&self) -> Vec<String> {
        let target = |event| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                Some(dest_url.to_string())
            }
            _ => None,
        };
        self.events().filter_map(target).collect()
    }

    /// What links can lead to in this page, as GitHub names it.
    fn anchors(&self) -> BTreeSet<String> {
        let mut anchors = BTreeSet::new();
        let mut heading: Option<String> = None;
        for event in self.events() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => anchors.extend(heading.take()),
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        let kept = text.to_lowercase().replace(' ', "-");
                        heading.extend(
                            kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)),
                        );
                    }
                }
                _ => {}
            }
        }
        anchors
    }
}

/// The pages for people: in the root, and in `docs/`.
fn pages() -> Vec<Page> {
    let mut pages = Vec::new();
    for dir in ["", "docs/"] {
        for entry in std::fs::read_dir(Path::new(ROOT).join(dir)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if Path::new(&name).extension().is_some_and(|extension| extension == "md") {
                let path = format!("{dir}{name}");
                let text = std::fs::read_to_string(Path::new(ROOT).join(&path)).unwrap();
                pages.push(Page { path, text });
            }
        }
    }
    assert!(pages.len() > 12, "{}", pages.len());
    pages.sort_by(|a, b| a.path.cmp(&b.path));
    pages
}

/// Those that tell what is so now.
fn present() -> impl Iterator<Item = Page> {
    pages().into_iter().filter(|page| page.path != "CHANGELOG.md")
}

/// README and all pages in `docs/`, one after another.
pub(crate) fn text_of_all() -> String {
    present().map(|page| page.text).collect()
}

/// The commands of this program in a line of code: what is typed there, and what it quotes.
fn commands(line: &str) -> Vec<String> {
    let prompt = regex::Regex::new(r"^(?:\s*- run: |[a-z]*\$ |> )").unwrap();
    let whole = prompt.replace(line, "").into_owned();
    // What a shell takes for itself.
    let typed = whole.split(" && ").map(|part| part.split(" # ").next().unwrap().to_owned());
    let quoted = line.split('\'').skip(1).step_by(2).map(str::to_owned);
    let git = regex::Regex::new(r"^git(?: -[cC] \S+)* conductor(?: |$)").unwrap();
    let rest = |text: String| {
        let arguments = &text[git.find(&text)?.end()..];
        Some(arguments.split(" >").next().unwrap().trim().to_owned())
    };
    typed.chain(quoted).filter_map(rest).collect()
}

/// Words, as a shell tells them apart by blanks and single quotes.
fn words(line: &str) -> Vec<String> {
    let pieces = line.split('\'').enumerate();
    let words = pieces.flat_map(|(n, piece)| match n % 2 {
        0 => piece.split_whitespace().map(str::to_owned).collect(),
        _ => vec![piece.to_owned()],
    });
    words.collect()
}

/// Each command line that is shown whole is one that the program understands.
#[test]
fn every_command_that_is_shown_is_understood() {
    let mut count = 0;
    for page in present() {
        let code = page.code();
        for line in code.spans.iter().chain(&code.lines) {
            for command in commands(line) {
                // The one word that stands for any command, and keys.
                if command.contains("COMMAND") || command.contains("<Tab>") {
                    continue;
                }
                let all = std::iter::once("git-conductor".to_owned()).chain(words(&command));
                let read = git_conductor::commands::command().try_get_matches_from(all);
                if let Err(error) = read {
                    use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
                    let is_help = matches!(error.kind(), DisplayHelp | DisplayVersion);
                    assert!(is_help, "{}: {line}: {error}", page.path);
                }
                count += 1;
            }
        }
    }
    assert!(count > 60, "{count}");
}

/// The options of a command alone, each in the forms in which it can be typed.
fn own_options(command: &clap::Command) -> Vec<Vec<String>> {
    let forms = |option: &clap::Arg| {
        let long = option.get_long().map(|long| format!("--{long}"));
        let short = option.get_short().map(|short| format!("-{short}"));
        long.into_iter().chain(short).collect()
    };
    command
        .get_arguments()
        .filter(|it| !it.is_hide_set() && !it.is_positional())
        .map(forms)
        .collect()
}

/// The same, with those of the commands below it.
fn options(command: &clap::Command) -> Vec<Vec<String>> {
    let below = command.get_subcommands().flat_map(options);
    own_options(command).into_iter().chain(below).collect()
}

/// The options that are typed in `text`.
fn typed(text: &str) -> BTreeSet<String> {
    let option = regex::Regex::new(r"(?:^|[\s\[|])(--?[a-z][a-z-]*)").unwrap();
    option.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

/// What is in code and begins with a command's name has only options of that command; and
/// `docs/commands.md` has all of them.
#[test]
fn every_option_is_shown_and_no_other() {
    let mut definitions = git_conductor::commands::command();
    definitions.build();
    // All commands have these.
    let common = own_options(&definitions).concat();
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for page in present() {
        for span in page.code().spans {
            let span = span.replace("\\|", "|");
            let text = span.strip_prefix("git conductor ").unwrap_or(&span);
            let name = text.split_whitespace().next().unwrap_or_default();
            let Some(command) = definitions.find_subcommand(name) else { continue };
            // What stands behind it is for another program.
            let typed = typed(text.split(" -- ").next().unwrap());
            let known = options(command).concat().into_iter().collect();
            let strange: Vec<&String> = typed.difference(&known).collect();
            assert!(strange.is_empty(), "{}: `{span}`: {strange:?}", page.path);
            if page.path == "docs/commands.md" {
                told.entry(name.to_owned()).or_default().extend(typed);
            }
        }
    }
    for command in definitions.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name();
        let told = told.get(name).unwrap_or_else(|| panic!("docs/commands.md has no '{name}'"));
        let mut missing = options(command);
        missing.retain(|forms| !forms.iter().any(|it| told.contains(it) || common.contains(it)));
        assert!(missing.is_empty(), "docs/commands.md: '{name}' lacks {missing:?}");
    }
}

/// Links lead to pages, and to headings of pages, that are there. The project has no address yet,
/// and none is made up.
#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        assert!(!page.text.contains("example.com"), "{}: a made-up address", page.path);
        for link in page.links() {
            assert!(!link.contains("://"), "{}: {link}", page.path);
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let from = Path::new(ROOT).join(&page.path);
            let target = if file.is_empty() { from } else { from.parent().unwrap().join(file) };
            let text = std::fs::read_to_string(&target)
                .unwrap_or_else(|error| panic!("{}: {link}: {error}", page.path));
            let there = Page { path: link.clone(), text }.anchors();
            let leads = anchor.is_empty() || there.contains(anchor);
            assert!(leads, "{}: {link}: {there:?}", page.path);
        }
    }
}

/// A file of this repository that is named is there.
#[test]
fn every_file_that_is_named_is_there() {
    let path = regex::Regex::new(
        r"^(?:src|tests|benches|fuzz|docs?|man|completions|schema|skill|xtask|\.ci|\.github)/[\w./-]*$",
    )
    .unwrap();
    let mut count = 0;
    for page in present() {
        for span in page.code().spans.iter().filter(|span| path.is_match(span)) {
            assert!(Path::new(ROOT).join(span).exists(), "{}: `{span}`", page.path);
            count += 1;
        }
    }
    assert!(count > 40, "{count}");
}

/// Whoever looks for README wants to decide in a minute; a page in `docs/` is for one thing.
#[test]
fn pages_are_short_and_narrow() {
    for page in present() {
        let longest = if page.path == "README.md" { 310 } else { 260 };
        let lines = page.text.lines().count();
        assert!(lines < longest, "{} has {lines} lines", page.path);
        let mut in_block = false;
        for (n, line) in page.text.lines().enumerate() {
            in_block ^= line.starts_with("```");
            let is_free = in_block || line.starts_with('|') || line.starts_with("    ");
            let fits = line.chars().count() <= 120;
            assert!(is_free || fits, "{}:{}: longer than 120 columns", page.path, n + 1);
        }
    }
}

/// The picture of a phase's states has each change that the rules know, and no other.
#[test]
fn the_picture_of_the_states_has_every_change() {
    let read = |path: &str| std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap();
    let between = |text: &str, begin: &str, end: &str| {
        text.split_once(begin).unwrap().1.split_once(end).unwrap().0.to_owned()
    };
    let body = between(&read("src/rules/request.rs"), "pub enum Change {\n", "\n}\n");
    let variant = |line: &str| Some(line.strip_prefix("    ")?.strip_suffix(',')?.to_owned());
    let changes: BTreeSet<String> = body.lines().filter_map(variant).collect();
    let page = read("docs/architecture.md");
    let name = regex::Regex::new(r"\(([A-Z]\w+)\)").unwrap();
    let picture = between(&page, "## The states of a phase\n", "\n|");
    let drawn: BTreeSet<String> =
        name.captures_iter(&picture).map(|found| found[1].to_owned()).collect();
    assert_eq!(drawn, changes);
    let row = regex::Regex::new(r"(?m)^\| ([A-Z]\w+) \| .* \| .* \|$").unwrap();
    let told: BTreeSet<String> =
        row.captures_iter(&page).map(|found| found[1].to_owned()).collect();
    assert_eq!(told, changes);
}
