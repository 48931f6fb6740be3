//! Folders of runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::platform;

/// The journal's name inside a run's folder.
pub const JOURNAL_FILE: &str = "journal";

/// Why a run's folder could not be made or found.
#[derive(Debug, thiserror::Error)]
pub enum RunsError {
    /// No place for runs is known.
    #[error("there is no home folder to keep runs in; name one with --runs DIR")]
    NoHome,
    /// The folder cannot be written.
    #[error("{path}: cannot keep runs here: {source}; name another folder with --runs DIR")]
    Unwritable {
        /// The folder.
        path: String,
        /// What the OS said.
        source: io::Error,
    },
    /// Nothing to report.
    #[error("{0}: no run found here")]
    NoRun(String),
}

/// The folder of all runs: the one given or the platform's own.
pub fn runs_folder(given: Option<&Path>) -> Result<PathBuf, RunsError> {
    match given {
        Some(path) => Ok(path.to_owned()),
        None => platform::state_dir().map(|dir| dir.join("runs")).ok_or(RunsError::NoHome),
    }
}

/// Makes the private folder of the run `id`, with nothing in it yet.
pub fn create_run(runs: Option<&Path>, id: &str) -> Result<PathBuf, RunsError> {
    let runs = runs_folder(runs)?;
    let path = runs.join(id);
    let made = platform::create_private_dir(&path).and_then(|()| platform::sync_dir(&runs));
    made.map_err(|source| RunsError::Unwritable { path: runs.display().to_string(), source })?;
    Ok(path)
}

/// A run by id or folder; the newest one without either. Ids sort by time.
pub fn find_run(runs: Option<&Path>, wanted: Option<&str>) -> Result<PathBuf, RunsError> {
    let runs = runs_folder(runs)?;
    if let Some(wanted) = wanted {
        let is_name = Path::new(wanted).components().count() == 1;
        let candidates = [is_name.then(|| runs.join(wanted)), Some(PathBuf::from(wanted))];
        let found = candidates.into_iter().flatten().find(|path| path.join(JOURNAL_FILE).is_file());
        return found.ok_or_else(|| RunsError::NoRun(wanted.to_owned()));
    }
    let newest = newest_runs(&runs).into_iter().next();
    newest.ok_or_else(|| RunsError::NoRun(runs.display().to_string()))
}

/// The folders of all runs, newest first.
pub fn newest_runs(runs: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(runs).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.join(JOURNAL_FILE).is_file()).collect();
    folders.sort_unstable_by(|a, b| b.cmp(a));
    folders
}
