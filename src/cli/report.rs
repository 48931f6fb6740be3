//! `oddcore report`.

use std::path::PathBuf;

use clap::Args;

use super::{CliError, not_yet, output::JsonTarget, session::tell};
use crate::{
    journal::{self, JOURNAL_FILE, find_run},
    verdict::Outcome,
};

/// Options of `report`.
#[derive(Args)]
pub struct ReportArgs {
    /// A run's id or folder; the newest run without it.
    run: Option<String>,
    /// Folder of the runs.
    #[arg(long, value_name = "DIR")]
    runs: Option<PathBuf>,
    /// Write the report as JSON; - is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[arg(long, hide = true)]
    html: Option<PathBuf>,
    #[arg(long, hide = true)]
    junit: Option<PathBuf>,
}

/// Reads a run again; 0 if it can be read.
pub fn report(args: &ReportArgs) -> Result<u8, CliError> {
    if args.html.is_some() {
        return not_yet("--html");
    }
    if args.junit.is_some() {
        return not_yet("--junit");
    }
    let folder = find_run(args.runs.as_deref(), args.run.as_deref())?;
    let read = journal::read(&folder.join(JOURNAL_FILE))?;
    let json = JsonTarget::open(args.json.as_deref())?;
    let mut outcome = Outcome::of(&read.records);
    outcome.notes.extend(read.tail.map(|tail| format!("the journal's end was cut off: {tail}")));
    tell(&outcome, &json, &folder)?;
    Ok(0)
}
