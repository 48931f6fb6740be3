//! Folders of runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::platform;

/// The journal's name inside a run's folder.
pub const JOURNAL_FILE: &str = "journal";
/// The longest id of a run.
const ID_MAX: usize = 128;

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

/// Whether this can be the id of a run, and so the name of a folder of ours: nothing that leads out of the runs' folder.
pub fn is_run_id(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    !text.is_empty()
        && text.len() <= ID_MAX
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(plain)
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
        let own = is_run_id(wanted).then(|| runs.join(wanted)).filter(|path| holds_a_run(path));
        let found = own.or_else(|| Some(PathBuf::from(wanted)).filter(|path| path.join(JOURNAL_FILE).is_file()));
        return found.ok_or_else(|| RunsError::NoRun(wanted.to_owned()));
    }
    let newest = newest_runs(&runs).into_iter().next();
    newest.ok_or_else(|| RunsError::NoRun(runs.display().to_string()))
}

/// The folders of all runs, newest first.
pub fn newest_runs(runs: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(runs).into_iter().flatten().flatten();
    let ids = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_run_id));
    let mut folders: Vec<PathBuf> = ids.map(|entry| entry.path()).filter(|path| holds_a_run(path)).collect();
    folders.sort_unstable_by(|a, b| b.cmp(a));
    folders
}

/// A folder with a journal, neither of them a link to somewhere else.
fn holds_a_run(path: &Path) -> bool {
    let own = |path: &Path| fs::symlink_metadata(path);
    own(path).is_ok_and(|of| of.is_dir()) && own(&path.join(JOURNAL_FILE)).is_ok_and(|of| of.is_file())
}

/// The folder of runs that a run's folder lies in, where that is not the usual one, in which a run is found by its id.
pub fn elsewhere(folder: &Path) -> Option<String> {
    let runs = folder.parent()?;
    let usual = runs_folder(None).is_ok_and(|usual| runs == usual);
    (!usual).then(|| runs.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_plain_names() {
        for id in ["20261124T081014Z-4711", "a", "0"] {
            assert!(is_run_id(id), "{id}");
        }
        let long = "a".repeat(ID_MAX + 1);
        for id in ["", ".", "..", "../x", "a/b", "/etc", "a\\b", "C:", "a\0", "\u{1b}[31m", "-rf", "ä", long.as_str()]
        {
            assert!(!is_run_id(id), "{id:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn no_id_leads_out_of_the_runs() {
        let folder = tempfile::tempdir().expect("a folder");
        let runs = folder.path().join("runs");
        let journal = |path: &Path| {
            fs::create_dir_all(path).expect("writable");
            fs::write(path.join(JOURNAL_FILE), "").expect("writable");
        };
        journal(folder.path());
        journal(&runs.join("1-own"));
        journal(&runs.join("zz\u{1b}[2J"));
        journal(&folder.path().join("elsewhere"));
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), runs.join("9-link")).expect("writable");
        fs::create_dir(runs.join("8-half")).expect("writable");
        std::os::unix::fs::symlink(folder.path().join(JOURNAL_FILE), runs.join("8-half").join(JOURNAL_FILE))
            .expect("ok");
        assert_eq!(find_run(Some(&runs), None).expect("one"), runs.join("1-own"));
        assert_eq!(find_run(Some(&runs), Some("1-own")).expect("one"), runs.join("1-own"));
        for id in ["9-link", "8-half", "../elsewhere"] {
            assert!(matches!(find_run(Some(&runs), Some(id)), Err(RunsError::NoRun(_))), "{id}");
        }
        // A folder that the user names is a folder, not an id.
        let named = folder.path().join("elsewhere");
        assert_eq!(find_run(Some(&runs), named.to_str()).expect("one"), named);
    }
}
