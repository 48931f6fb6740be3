//! The report as one page for a browser: no network, no script, light and dark, for a telephone and for paper.

mod chart;
mod findings;
mod heat;
mod over_time;
mod sections;
#[cfg(test)]
mod tests;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Report, text, timeline::Timeline};
use crate::{
    journal::record::RunStarted,
    machine::name,
    verdict::{CoreVerdict, Outcome},
};

const STYLE: &str = include_str!("style.css");

/// What the page is about.
pub struct Page<'a> {
    /// The report.
    pub report: &'a Report,
    /// What was asked for.
    pub run: &'a RunStarted,
    /// What happened when.
    pub timeline: &'a Timeline,
}

/// The page of an outcome and of the same journal's timeline; `None` if the journal has no opening record.
pub fn of(outcome: &Outcome, timeline: &Timeline) -> Option<String> {
    let (report, run) = (Report::of(outcome)?, outcome.run.as_ref()?);
    Some(render(&Page { report: &report, run, timeline }))
}

/// The page.
pub fn render(page: &Page<'_>) -> String {
    let report = page.report;
    let sentence = text::sentence(report);
    let (verdict, said) = sentence.split_once(':').unwrap_or((&sentence, ""));
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ "oddcore " (env!("CARGO_PKG_VERSION")) };
                title { (verdict) " - oddcore report " (report.run) }
                // So that no browser asks for one.
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                header.top {
                    p.brand { b { "oddcore" } " finds the odd core out" }
                    p.when { (report.machine.cpu) " · " (when(&report.started)) " · run " code { (report.run) } }
                }
                main {
                    (banner(page, &sentence))
                    (sections::cores(report))
                    (sections::failed(report))
                    (findings::section(report))
                    (heat::section(report))
                    (over_time::section(page))
                    (sections::meaning(report))
                    (sections::evidence(report))
                    (sections::events(report))
                    (sections::settings(page))
                    (sections::machine(report))
                }
                footer {
                    p {
                        "Made by oddcore " (env!("CARGO_PKG_VERSION")) " from the run's journal. Again: "
                        code { "oddcore report " (report.run) " --html FILE" }
                    }
                    @if !said.is_empty() && report.drill { p { "A drill: its fault was injected on purpose." } }
                }
            }
        }
    };
    // Text from outside must not hide or turn what stands around it.
    name::visible(&markup.into_string())
}

/// Verdict and advice.
fn banner(page: &Page<'_>, sentence: &str) -> Markup {
    let report = page.report;
    let (kind, sign) = match report.exit_code {
        0 => ("pass", "✓"),
        1 => ("fail", "✗"),
        _ => ("open", "?"),
    };
    html! {
        section class={ "banner " (kind) } aria-labelledby="verdict" {
            p.sign aria-hidden="true" { (sign) }
            div {
                h1 #verdict { (sentence) }
                @if let Some(groups) = report.machine.groups_sentence() {
                    p.muted { (groups) " (" (trust(report)) ")" }
                }
                @if !report.advice.is_empty() {
                    h2 { "What to do" }
                    ol.advice {
                        @for line in &report.advice { li { (commands(line)) } }
                    }
                }
            }
        }
    }
}

fn trust(report: &Report) -> &'static str {
    let sources = report.machine.cores.iter().filter_map(|core| core.top_mhz).map(|top| top.source);
    sources.max().map_or("a guess", |source| source.trust())
}

/// A line of advice with its command set apart.
fn commands(line: &str) -> Markup {
    let at = line.find("oddcore run").or_else(|| line.find("oddcore resume"));
    match at {
        Some(at) => html! { (line[..at].trim_end()) " " (command(line[at..].trim_end_matches('.'))) },
        None => html! { (line) },
    }
}

/// A command that is broken between its words only.
fn command(text: &str) -> Markup {
    html! { code.command { @for (n, word) in text.split(' ').enumerate() { @if n > 0 { " " } span { (word) } } } }
}

/// `2026-01-01 00:00 UTC`.
fn when(at: &str) -> String {
    let text = at.strip_suffix('Z').unwrap_or(at);
    match text.split_once('T') {
        Some((date, time)) => format!("{date} {} UTC", time.get(..5).unwrap_or(time)),
        None => at.to_owned(),
    }
}

/// A time into the run: `0:23`, `1:02:03`.
fn into_run(seconds: f64) -> String {
    let s = seconds.max(0.0) as u64;
    if s >= 3600 {
        format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    } else {
        format!("{}:{:02}", s / 60, s % 60)
    }
}

/// A verdict as a badge: a word, a sign and a colour.
fn badge(verdict: CoreVerdict, text: &str) -> Markup {
    let (kind, sign) = match verdict {
        CoreVerdict::Pass => ("pass", "✓"),
        CoreVerdict::Fail => ("fail", "✗"),
        CoreVerdict::Suspect | CoreVerdict::NotProven => ("open", "?"),
        CoreVerdict::NotTested => ("none", "–"),
    };
    html! { span class={ "badge " (kind) } { span aria-hidden="true" { (sign) } " " (text) } }
}

/// What is wider than a telephone scrolls within itself.
fn scroll(label: &str, inside: Markup) -> Markup {
    html! { div.scroll role="region" aria-label=(label) tabindex="0" { (inside) } }
}
