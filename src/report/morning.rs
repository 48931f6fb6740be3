//! What a night showed, for the morning: the verdict of each core so far, what it rests on, and what is new since the last summary.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    path::Path,
};

use super::{
    Report, diagnosis, meaning,
    text::{self, wrapped},
    tune::TuneReport,
};
use crate::{
    journal::Record,
    machine::name,
    platform,
    verdict::{Outcome, SummedUp},
};

/// New findings shown in full, and new notes.
const SHOWN: usize = 4;

/// The last summary of a run; nothing before the first. `runs` is the folder of its runs, where that is not the usual one.
pub fn render(outcome: &Outcome, runs: Option<&str>) -> String {
    let Some((this, earlier)) = outcome.mornings.split_last() else { return String::new() };
    // What would be said if the run had ended now.
    let mut so_far = outcome.clone();
    so_far.ended = Some(this.at.clone());
    let Some(report) = Report::on_screen(&so_far, runs) else { return String::new() };
    let mut out = format!("{}\n", wrapped(&headline(&report, this), "  "));
    match TuneReport::on_screen(&so_far, runs) {
        Some(tuning) => out += &tuning.render(),
        None => out += &body(&report),
    }
    out + &news(&report, earlier.last())
}

fn headline(report: &Report, this: &SummedUp) -> String {
    let SummedUp { day, at, ends, .. } = this;
    let state = if *ends { "its end" } else { "it goes on" };
    format!("Morning of {day} ({at}), run {} since {}; {state}.", report.run, report.started)
}

fn body(report: &Report) -> String {
    let mut out = format!("{}\n", wrapped(&text::sentence(report), ""));
    for part in [text::table, text::reasons, text::heat, diagnosis::lines, meaning::lines] {
        out += &part(report);
    }
    if let Some(first) = report.advice.first().filter(|_| report.exit_code == 1) {
        let _ = writeln!(out, "{}", wrapped(&format!("Do: {first}"), "  "));
    }
    out
}

/// Findings and notes since the last summary, or the run's start.
fn news(report: &Report, before: Option<&SummedUp>) -> String {
    let since = before.map_or("the start", |before| before.at.as_str());
    let findings = report.findings.get(before.map_or(0, |before| before.findings)..).unwrap_or_default();
    let notes = report.notes.get(before.map_or(0, |before| before.notes)..).unwrap_or_default();
    let mut out = match findings.len() {
        0 => format!("No finding since {since}.\n"),
        1 => format!("1 finding since {since}:\n"),
        count => format!("{count} findings since {since}:\n"),
    };
    let rest = |shown: usize, all: usize, what: &str, out: &mut String| {
        if all > shown {
            let _ = writeln!(out, "... and {} more {what}, all in oddcore report", all - shown);
        }
    };
    for finding in findings.iter().take(SHOWN) {
        for line in text::finding_lines(report, finding).lines() {
            let _ = writeln!(out, "{}", wrapped(line, "     "));
        }
    }
    rest(SHOWN, findings.len(), "findings", &mut out);
    for note in notes.iter().take(SHOWN) {
        let _ = writeln!(out, "{}", wrapped(&format!("note: {note}"), "  "));
    }
    rest(SHOWN, notes.len(), "notes", &mut out);
    out
}

/// All summaries of a journal, as they were made.
pub fn of_all(records: &[Record], runs: Option<&str>) -> Vec<String> {
    let mut outcome = Outcome::default();
    let mut summaries = Vec::new();
    for record in records {
        outcome.apply(record);
        if matches!(record, Record::Morning { .. }) {
            summaries.push(render(&outcome, runs));
        }
    }
    summaries
}

/// Keeps the last summary in the run's folder, in a file of that day.
pub fn keep(folder: &Path, outcome: &Outcome, summary: &str) -> io::Result<()> {
    let Some(this) = outcome.mornings.last() else { return Ok(()) };
    let path = folder.join(format!("morning-{}.txt", this.day));
    let mut file = platform::open_to_append(&path).or_else(|_| platform::create_private_file(&path))?;
    file.write_all(name::visible(summary).as_bytes())
}
