//! Reports as one page of HTML. It loads nothing, runs nothing, and says so to the browser; every
//! text is escaped by how it is written.

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::facts::{Row, abouts, facts, left, rows, said, standing, within};
use super::picture::{class, glyph, picture};
use super::{Overview, Told};
use crate::record::sprint_time;
use crate::rules::timeline::{End, Share, Span, Track, Work};
use crate::rules::{Board, PhaseId};
use crate::ui::phrases::known;
use crate::ui::text::{duration, moment, safe};

/// The page's only style.
const STYLE: &str = include_str!("page.css");
/// What a browser may do with the page: show it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The page around `body`.
fn page(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    };
    format!("{}\n", page.into_string())
}

pub(super) fn one(told: &Told, now: Timestamp) -> String {
    let board = &told.view.board;
    let goal = board.sprint.goal.as_deref().map(str::trim).filter(|goal| !goal.is_empty());
    let name = format!("Sprint {}", safe(sprint_time(&board.sprint.sprint_id)));
    let title = goal.map_or_else(|| name.clone(), |goal| safe(goal).into_owned());
    let all = told.view.rows(now);
    let body = html! {
        header {
            h1 { (title) }
            dl.facts {
                @for (what, is) in facts(told) { div { dt { (what) } dd { (is) } } }
            }
        }
        section aria-labelledby="phases" {
            h2 #phases { "Phases" }
            (phases(&rows(told, &all), &abouts(told)))
        }
        section aria-labelledby="graph" {
            h2 #graph { "What waits for what" }
            div.scroll tabindex="0" role="region" aria-labelledby="graph" { (picture(told, &all)) }
            p.note { "Thick lines are the critical path. Edges that follow from others are left out: what waits for a phase also waits for all that comes before that." }
        }
        section aria-labelledby="time" {
            h2 #time { "Timeline" }
            (timeline(told))
        }
        @if !told.line.critical.is_empty() {
            section aria-labelledby="critical" {
                h2 #critical { "Critical path" }
                p { "Each of these waited for the one before it, and the sprint took as long as they did." }
                ol.path {
                    @for id in &told.line.critical { (step(board, &told.line.tracks[id.index()])) }
                }
            }
        }
        @if !told.line.agents.is_empty() {
            section aria-labelledby="agents" {
                h2 #agents { "Agents" }
                (agents(&super::facts::agents(told)))
            }
        }
    };
    page(&title, &body)
}

/// A cell of a table, with its column's name for where there is no room for columns.
fn cell(label: &str, text: &str) -> Markup {
    html! { td role="cell" data-label=(label) .none[text.is_empty()] { span { (text) } } }
}

/// The same, for what may be long.
fn wide(label: &str, text: &str) -> Markup {
    html! { td.wide role="cell" data-label=(label) .none[text.is_empty()] { span { (text) } } }
}

fn head(names: &[&str]) -> Markup {
    html! { thead role="rowgroup" { tr role="row" {
        @for name in names { th role="columnheader" scope="col" { (name) } }
    } } }
}

fn phases(rows: &[Row<'_>], abouts: &[(&str, String)]) -> Markup {
    html! {
        table role="table" aria-labelledby="phases" {
            (head(&["Phase", "State", "Owner", "Attempts", "Waited", "Worked", "Verdict", "Evidence"]))
            tbody role="rowgroup" { @for row in rows { tr role="row" {
                th role="rowheader" scope="row" { span.name { (row.name) } (mark(row.critical)) }
                td.wide role="cell" data-label="State" {
                    span.state.(class(row.state)) { span aria-hidden="true" { (glyph(row.state)) } " " (row.state.word()) }
                }
                (wide("Owner", &row.owner))
                (cell("Attempts", &row.attempts.to_string()))
                (cell("Waited", &row.waited))
                (cell("Worked", &row.worked))
                (cell("Verdict", row.verdict))
                (wide("Evidence", &row.evidence))
            } } }
        }
        @if !abouts.is_empty() {
            dl.abouts { @for (name, about) in abouts { dt { (name) } dd { (about) } } }
        }
    }
}

/// What stands beside a phase of the critical path.
fn mark(critical: bool) -> Markup {
    html! { @if critical { " " span.mark title="on the critical path" { "◆" } } }
}

fn timeline(told: &Told) -> Markup {
    let line = &told.line;
    let quarter = |n: i32| duration(line.whole.length() * n / 4);
    let kinds = [
        ("wait", "could be claimed, nobody had it"),
        ("work", "worked on"),
        ("work running", "worked on still"),
        ("gone", "left by an owner whose process is gone"),
        ("work fail", "worked on, and failed"),
        ("ended", "an attempt that ended without a completion"),
    ];
    html! {
        ul.legend {
            @for (kind, about) in kinds { li { span.sample { span class=(format!("span {kind}")) {} } (about) } }
            li { (mark(true)) " on the critical path" }
        }
        p.axis aria-hidden="true" {
            span.first { (moment(line.whole.from)) }
            @if !line.whole.length().is_zero() {
                span.inner style="left:50%" { "+" (quarter(2)) }
                span.inner style="left:75%" { "+" (quarter(3)) }
                span.last { "+" (quarter(4)) }
            }
        }
        ol.timeline {
            @for track in &line.tracks { (lane(told, track)) }
        }
    }
}

fn lane(told: &Told, track: &Track) -> Markup {
    let id: PhaseId = track.phase;
    let whole = told.line.whole;
    html! {
        li {
            span.label {
                span.name { (told.view.board.graph.phase(id).name) } (mark(told.line.critical.contains(&id)))
                span.sum { (times(track)) }
            }
            span.lane aria-hidden="true" {
                @for span in &track.waits { (bar("wait", *span, whole, "nobody had it")) }
                @for work in &track.work {
                    @if let Some(span) = work.span { (bar(kind(told, track, work), span, whole, &said(told, track, work))) }
                }
            }
            @if left(told, track).is_some() || track.work.iter().any(|work| work.end == End::Ended) {
                ul.attempts { @for work in &track.work { li { (said(told, track, work)) } } }
            }
        }
    }
}

/// How long a phase waited and was worked on.
fn times(track: &Track) -> String {
    let (waited, worked) = (track.waited(), track.worked());
    match (waited.is_zero(), worked.is_zero()) {
        // What was carried took no time here.
        (true, true) if track.work.is_empty() => "not begun here".to_owned(),
        (true, true) => "no time known".to_owned(),
        (false, true) => format!("waited {}", duration(waited)),
        (true, false) => format!("worked {}", duration(worked)),
        (false, false) => format!("waited {}, worked {}", duration(waited), duration(worked)),
    }
}

fn kind(told: &Told, track: &Track, work: &Work) -> &'static str {
    match work.end {
        End::Pass => "work",
        End::Fail => "work fail",
        End::Ended => "ended",
        End::Running if left(told, track).is_some() => "gone",
        End::Running => "work running",
    }
}

fn bar(kind: &str, span: Span, whole: Span, about: &str) -> Markup {
    let (from, length) = within(span, whole);
    let tenths = |n: u32| format!("{}.{}%", n / 10, n % 10);
    let style = format!("left:{};width:{}", tenths(from), tenths(length));
    let about = format!("{about} ({})", duration(span.length()));
    html! { span class=(format!("span {kind}")) style=(style) title=(about) {} }
}

fn step(board: &Board, track: &Track) -> Markup {
    html! {
        li {
            span.name { (board.graph.phase(track.phase).name) }
            ": " span.sum { (times(track)) }
        }
    }
}

fn agents(shares: &[(&Share, String)]) -> Markup {
    let longest =
        shares.iter().map(|(share, _)| share.worked.as_millis()).max().unwrap_or(0).max(1);
    html! {
        table role="table" aria-labelledby="agents" {
            (head(&["Agent", "Now", "Worked", "Completed", "Gave up or lost", ""]))
            tbody role="rowgroup" { @for (share, now) in shares { tr role="row" {
                th role="rowheader" scope="row" { span.name { (known(&share.agent)) } }
                (wide("Now", now))
                (cell("Worked", &duration(share.worked)))
                (cell("Completed", &share.completed.to_string()))
                (cell("Gave up or lost", &share.ended.to_string()))
                td.share role="cell" aria-hidden="true" {
                    span.work style=(format!("width:{}%", share.worked.as_millis() * 100 / longest)) {}
                }
            } } }
        }
    }
}

pub(super) fn all(overview: &Overview) -> String {
    let body = html! {
        header {
            h1 #sprints { "Sprints" }
            p { (overview.sprints.len()) " in the store, the latest first" }
        }
        table role="table" aria-labelledby="sprints" {
            (head(&["Sprint", "Goal", "State", "Done", "Took", "Agents"]))
            tbody role="rowgroup" { @for it in &overview.sprints { tr role="row" {
                th role="rowheader" scope="row" { span.name { (safe(sprint_time(&it.sprint_id))) } }
                (wide("Goal", &safe(it.goal.as_deref().unwrap_or_default())))
                (cell("State", standing(it.standing)))
                td role="cell" data-label="Done" {
                    span { (it.done) " of " (it.phases) @if it.failed > 0 { ", " (it.failed) " failed" } }
                }
                (cell("Took", &duration(it.elapsed)))
                (wide("Agents", &it.agents.iter().map(|agent| known(agent)).collect::<Vec<_>>().join(", ")))
            } } }
        }
        @if !overview.unreadable.is_empty() {
            section aria-labelledby="unreadable" {
                h2 #unreadable { "Left out" }
                p { "These cannot be read:" }
                ul { @for id in &overview.unreadable { li { span.name { (safe(sprint_time(id))) } } } }
            }
        }
    };
    page("Sprints", &body)
}
