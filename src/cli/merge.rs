//! `oddcore merge`: the JSON reports of many machines as one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;

use super::{CliError, output::JsonTarget};
use crate::report::{
    self, Report,
    fleet::{self, Fleet},
};

/// The longest report that is read: one of a year on 512 cores is far shorter.
const BYTES_MAX: u64 = 256 << 20;

/// Options of `merge`.
#[derive(Args)]
pub struct MergeArgs {
    /// Reports as --json writes them; of a folder all files whose names end in .json. A file's name is its machine's.
    #[arg(required = true, value_name = "FILE|DIR")]
    reports: Vec<PathBuf>,
    /// Write as JSON; - is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Reads them all; the gravest exit code among them.
pub fn merge(args: &MergeArgs) -> Result<u8, CliError> {
    let mut files = Vec::new();
    for path in &args.reports {
        if path.is_dir() {
            files.extend(json_files(path)?);
        } else {
            files.push(path.clone());
        }
    }
    let reports = files.iter().map(|path| Ok((name_of(path), read(path)?))).collect::<Result<Vec<_>, CliError>>()?;
    let json = JsonTarget::open(args.json.as_deref())?;
    let fleet = Fleet::of(&reports);
    json.finish(&fleet, &fleet::render(&fleet))?;
    Ok(fleet.exit_code)
}

fn json_files(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let usage = |why: String| CliError::Usage(format!("{}: {why}", folder.display()));
    let entries = fs::read_dir(folder).map_err(|error| usage(error.to_string()))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    if files.is_empty() {
        return Err(usage("no file in it ends in .json; give the files that --json wrote".into()));
    }
    files.sort_unstable();
    Ok(files)
}

fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn read(path: &Path) -> Result<Report, CliError> {
    let refuse = |why: String| CliError::Usage(format!("{}: {why}", path.display()));
    let size = fs::metadata(path).map_err(|error| refuse(error.to_string()))?.len();
    if size > BYTES_MAX {
        return Err(refuse(format!("{} MB are more than any report has", size >> 20)));
    }
    let text = fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    let no_report = |error| refuse(format!("not a report as oddcore run --json writes it: {error}"));
    let report: Report = serde_json::from_str(&text).map_err(no_report)?;
    if report.schema != report::SCHEMA {
        return Err(refuse(format!("its schema is {:?}, not {:?}", report.schema, report::SCHEMA)));
    }
    Ok(report)
}
