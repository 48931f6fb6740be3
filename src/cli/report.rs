//! `oddcore report`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{
    CliError,
    files::{FileArgs, Files},
    output::{self, JsonTarget},
};
use crate::{
    journal::{self, JOURNAL_FILE, RunsError, find_run, newest_runs, runs_folder},
    report::{Report, compare::Comparison, kept::Kept, morning},
    verdict::Outcome,
};

/// Options of `report`.
#[derive(Args)]
pub struct ReportArgs {
    /// A run's id or folder; the newest run without it. Two of them are compared, core by core.
    #[arg(num_args = 0..=2, value_name = "RUN")]
    run: Vec<String>,
    /// Folder of the runs.
    #[arg(long, value_name = "DIR")]
    runs: Option<PathBuf>,
    /// Write the report as JSON; - is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Show the summaries of the run's mornings, as they were made, instead of the report.
    #[arg(long, conflicts_with_all = ["json", "html", "junit", "prometheus", "format"])]
    mornings: bool,
    /// List the runs that are kept, newest first, instead of showing one.
    #[arg(long, conflicts_with_all = ["run", "mornings", "html", "junit", "prometheus", "format"])]
    list: bool,
    #[command(flatten)]
    files: FileArgs,
}

/// Reads a run again, or compares two; 0 if they can be read.
pub fn report(args: &ReportArgs) -> Result<u8, CliError> {
    if args.mornings {
        return mornings(args);
    }
    if args.list {
        return list(args);
    }
    let find = |run: Option<&String>| find_run(args.runs.as_deref(), run.map(String::as_str));
    match &args.run[..] {
        [a, b] => {
            let [a, b] =
                [outcome_of(&find(Some(a))?)?, outcome_of(&find(Some(b))?)?].map(|outcome| report_of(&outcome));
            Files::open(args.json.as_deref(), &args.files)?.compare(&Comparison::of(&a, &b))?;
        }
        one => {
            let folder = find(one.first())?;
            let outcome = outcome_of(&folder)?;
            Files::open(args.json.as_deref(), &args.files)?.finish(&outcome, &folder)?;
        }
    }
    Ok(0)
}

/// The summaries of one run.
fn mornings(args: &ReportArgs) -> Result<u8, CliError> {
    let ([] | [_]) = &args.run[..] else {
        return Err(CliError::Usage("--mornings are of one run; name only one".into()));
    };
    let folder = find_run(args.runs.as_deref(), args.run.first().map(String::as_str))?;
    let summaries =
        morning::of_all(&journal::read(&folder.join(JOURNAL_FILE))?.records, journal::elsewhere(&folder).as_deref());
    if summaries.is_empty() {
        let folder = folder.display();
        return Err(CliError::Usage(format!("{folder}: no summary was made; oddcore report shows the run as a whole")));
    }
    output::print(&summaries.join("\n"));
    Ok(0)
}

/// All runs; of one that cannot be read it says why.
fn list(args: &ReportArgs) -> Result<u8, CliError> {
    let json = JsonTarget::open(args.json.as_deref())?;
    let runs = runs_folder(args.runs.as_deref())?;
    let folders = newest_runs(&runs);
    if folders.is_empty() {
        return Err(RunsError::NoRun(runs.display().to_string()).into());
    }
    let id = |folder: &Path| folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let read = |folder: &PathBuf| {
        let read = journal::read(&folder.join(JOURNAL_FILE)).map_err(|error| error.to_string());
        (id(folder), read.map(|read| (Outcome::of(&read.records), read.tail.map(|tail| tail.to_string()))))
    };
    let kept = Kept::of(folders.iter().map(read));
    json.finish(&kept, &kept.render())?;
    Ok(0)
}

fn outcome_of(folder: &Path) -> Result<Outcome, CliError> {
    let read = journal::read(&folder.join(JOURNAL_FILE))?;
    let mut outcome = Outcome::of(&read.records);
    outcome.notes.extend(read.tail.map(|tail| format!("the journal's end was cut off: {tail}")));
    Ok(outcome)
}

fn report_of(outcome: &Outcome) -> Report {
    Report::of(outcome).expect("a journal that reads has an opening record")
}
