//! Signposts: a run that caps clocks may be kept in any folder, and whatever kills it, the next command has to find it there to
//! set the caps back. So the user's own folder has a file for each such run that says where it is.
//!
//! Nothing here is synced: what loses a written file is a reset, which undoes the caps as well.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use super::{is_run_id, runs_folder};
use crate::platform;

/// The signposts of one user.
pub struct Signposts(Option<PathBuf>);

impl Signposts {
    /// This user's; none where no home is known.
    pub fn of_user() -> Self {
        Self(platform::state_dir().map(|state| state.join("capping")))
    }

    /// Says that the run in `folder` caps clocks. Not needed where commands look anyway.
    pub fn put(&self, folder: &Path) -> io::Result<()> {
        let Some(dir) = &self.0 else { return Ok(()) };
        let folder = folder.canonicalize()?;
        let of_user = runs_folder(None).ok().and_then(|runs| runs.canonicalize().ok());
        if of_user.as_deref() == folder.parent() {
            return Ok(());
        }
        let (Some(id), Some(path)) = (folder.file_name(), folder.to_str()) else { return Ok(()) };
        if !dir.is_dir() {
            platform::create_private_dir(dir)?;
        }
        match platform::create_private_file(&dir.join(id)) {
            Ok(mut file) => file.write_all(path.as_bytes()),
            // A run that is gone on with.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The run in `folder` has left nothing capped.
    pub fn take_down(&self, folder: &Path) {
        if let (Some(dir), Some(id)) = (&self.0, folder.file_name()) {
            let _ = fs::remove_file(dir.join(id));
        }
    }

    /// The folders of runs that cap clocks, or died before they set them back.
    pub fn folders(&self) -> Vec<PathBuf> {
        let entries = self.0.iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten().flatten();
        let ids = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_run_id));
        ids.filter_map(|entry| fs::read_to_string(entry.path()).ok().map(PathBuf::from)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_found_until_it_is_taken_down() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = folder.path().join("runs").join("20261127T101010Z-1");
        fs::create_dir_all(&run).expect("writable");
        let posts = Signposts(Some(folder.path().join("state/oddcore/capping")));
        assert!(posts.folders().is_empty());
        posts.put(&run).expect("writable");
        posts.put(&run).expect("it is there already");
        assert_eq!(posts.folders(), [run.canonicalize().expect("there")]);
        posts.take_down(&run);
        assert!(posts.folders().is_empty());
        posts.take_down(&run);
    }
}
