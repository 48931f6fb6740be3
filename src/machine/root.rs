//! Where descriptions of the machine are read from: the real root, or a folder with a recording or a model of one.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// The most that is read of one file.
const BYTES_MAX: u64 = 16 << 20;

/// The folder that stands for `/`.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

impl Root {
    /// The real one.
    pub fn real() -> Self {
        Self(PathBuf::from("/"))
    }

    /// Another one.
    pub fn at(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    /// The trimmed text of a file given by its absolute path; `None` if it cannot be read.
    pub fn read(&self, path: &str) -> Option<String> {
        let mut text = String::new();
        let file = File::open(self.0.join(path.trim_start_matches('/'))).ok()?;
        file.take(BYTES_MAX).read_to_string(&mut text).ok()?;
        Some(text.trim().to_owned())
    }

    /// The same as a number.
    pub fn number<T: std::str::FromStr>(&self, path: &str) -> Option<T> {
        self.read(path)?.parse().ok()
    }
}
