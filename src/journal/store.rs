//! Where journal bytes go. A trait, so that tests can freeze durability at any sync.

use std::{
    fs::{File, TryLockError},
    io::{self, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use crate::platform;

/// Append-only bytes with a point of no loss.
pub trait Store: Send {
    /// Appends all of `bytes`.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns when everything appended is on the disk.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file, locked as long as it is written, so that no two programs write the same journal.
pub struct FileStore {
    file: File,
    path: PathBuf,
}

impl FileStore {
    /// Makes a new file that only this user can read; an existing one is an error, so that two runs never mix.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::locked(platform::create_private_file(path)?, path)
    }

    /// Opens the file of a run that is gone on with. `WouldBlock` where another program writes it.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::locked(platform::open_to_append(path)?, path)
    }

    /// Cuts off what follows the first `bytes`: a torn tail.
    pub fn cut(&mut self, bytes: u64) -> io::Result<()> {
        if self.file.metadata()?.len() > bytes {
            self.file.set_len(bytes)?;
            self.file.seek(SeekFrom::End(0))?;
        }
        Ok(())
    }

    fn locked(file: File, path: &Path) -> io::Result<Self> {
        match platform::try_lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
            // A file system that has no locks: nothing to be had.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(Self { file, path: path.to_owned() })
    }
}

impl Store for FileStore {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        io::Write::write_all(&mut self.file, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        // A file without a name takes writes for ever and keeps none.
        if platform::is_same_file(&self.file, &self.path)? {
            Ok(())
        } else {
            Err(io::Error::other("another file has taken its place"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_journal_that_is_written_cannot_be_opened_twice() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let store = FileStore::create(&path).expect("new");
        assert!(FileStore::create(&path).is_err(), "it is there");
        assert_eq!(FileStore::open(&path).err().map(|error| error.kind()), Some(io::ErrorKind::WouldBlock));
        drop(store);
        assert!(FileStore::open(&path).is_ok());
    }

    #[test]
    fn a_file_that_went_away_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let mut store = FileStore::create(&path).expect("new");
        store.append(b"one").and_then(|()| store.sync()).expect("there");
        if cfg!(windows) {
            assert!(fs::remove_file(&path).is_err(), "a file that is written cannot go away");
            return;
        }
        fs::remove_file(&path).expect("ours");
        assert!(store.sync().is_err());
        fs::write(&path, b"another").expect("writable");
        assert!(store.sync().is_err());
    }
}
