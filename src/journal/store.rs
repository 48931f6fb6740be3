//! Where journal bytes go. A trait, so that tests can freeze durability at any sync.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// Append-only bytes with a point of no loss.
pub trait Store: Send {
    /// Appends all of `bytes`.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns when everything appended is on the disk.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file.
pub struct FileStore(File);

impl FileStore {
    /// Makes a new file; an existing one is an error, so that two runs never mix.
    pub fn create(path: &Path) -> io::Result<Self> {
        OpenOptions::new().append(true).create_new(true).open(path).map(Self)
    }
}

impl Store for FileStore {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}
