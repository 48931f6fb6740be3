//! What a report is written to besides the table, and the table's own form.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::{
    CliError,
    output::{JsonTarget, try_out, write_whole},
};
use crate::{
    journal::{self, JOURNAL_FILE},
    plan::shell_word,
    report::{
        Report, compare::Comparison, html, junit, markdown, prometheus, text, timeline::Timeline, tune::TuneReport,
    },
    verdict::Outcome,
};

/// Why a tuning has no other form.
pub const OF_A_TUNING: &str = "a tuning is told in text or --json";

/// Options of whatever makes a report.
#[derive(Args, Clone, Default)]
pub struct FileArgs {
    /// Write the report as one HTML page, which needs neither network nor script.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the report as JUnit XML, a case for each core.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the report for Prometheus: a file for node_exporter's textfile collector.
    #[arg(long, value_name = "FILE")]
    prometheus: Option<PathBuf>,
    /// The form of what is printed: for a terminal, or for a forum.
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    format: Format,
}

/// The form of what is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Plain text.
    #[default]
    Text,
    /// Markdown.
    Markdown,
}

/// All targets of a report, tried before any work begins.
pub struct Files {
    json: JsonTarget,
    args: FileArgs,
}

impl Files {
    /// Checks that all can be written, leaving nothing behind.
    pub fn open(json: Option<&Path>, args: &FileArgs) -> Result<Self, CliError> {
        let json = JsonTarget::open(json)?;
        for (option, path) in args.all() {
            if path == Path::new("-") {
                return Err(CliError::Usage(format!("{option} -: name a file; only --json may go to standard output")));
            }
            try_out(path)?;
        }
        Ok(Self { json, args: args.clone() })
    }

    /// Writes the report of an outcome, whose journal lies in `folder`.
    pub fn finish(&self, outcome: &Outcome, folder: &Path) -> Result<(), CliError> {
        if let Some(report) = TuneReport::of(outcome) {
            self.refuse_forms(OF_A_TUNING)?;
            let shown =
                TuneReport::on_screen(outcome, journal::elsewhere(folder).as_deref()).unwrap_or_else(|| report.clone());
            return self.json.finish(&report, &(shown.render() + &again(&report.run, folder)));
        }
        let report = Report::of(outcome).expect("a run has an opening record");
        let table = match self.args.format {
            Format::Text => {
                let shown =
                    Report::on_screen(outcome, journal::elsewhere(folder).as_deref()).unwrap_or_else(|| report.clone());
                text::render(&shown) + &again(&report.run, folder)
            }
            Format::Markdown => markdown::render(&report),
        };
        self.json.finish(&report, &table)?;
        if let Some(path) = &self.args.html {
            // The outcome has sums only; what happened when is in the journal, as far as it could be written.
            let line = journal::read(&folder.join(JOURNAL_FILE)).map(|read| Timeline::of(&read.records));
            write_whole(path, html::of(outcome, &line.unwrap_or_default()).unwrap_or_default().as_bytes())?;
        }
        if let Some(path) = &self.args.junit {
            write_whole(path, junit::render(&report).as_bytes())?;
        }
        if let Some(path) = &self.args.prometheus {
            write_whole(path, prometheus::render(&report).as_bytes())?;
        }
        Ok(())
    }

    /// Writes a comparison, which only the table and the JSON have a form for.
    pub fn compare(&self, comparison: &Comparison) -> Result<(), CliError> {
        self.refuse_forms("two runs are compared in text, Markdown or --json")?;
        let table = match self.args.format {
            Format::Text => comparison.text(),
            Format::Markdown => comparison.markdown(),
        };
        self.json.finish(comparison, &table)
    }

    /// Of what has no other form than the table's and JSON.
    pub fn refuse_forms(&self, why: &str) -> Result<(), CliError> {
        match self.args.all().next() {
            Some((option, _)) => Err(CliError::Usage(format!("{option} is of one run; {why}"))),
            None => Ok(()),
        }
    }
}

impl FileArgs {
    fn all(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        let all = [("--html", &self.html), ("--junit", &self.junit), ("--prometheus", &self.prometheus)];
        all.into_iter().filter_map(|(option, path)| Some((option, path.as_ref()?)))
    }
}

/// The line that says how to see a report again: by the run's id if that is found without more, else by its folder.
fn again(run: &str, folder: &Path) -> String {
    let by = journal::elsewhere(folder).map_or_else(|| run.to_owned(), |_| shell_word(&folder.display().to_string()));
    format!("Run {run}. Again: oddcore report {by}\n")
}
