//! Where descriptions of the machine are read from: the real root, or a folder with a recording or a model of one.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use crate::platform;

/// The most that is read of one text file.
const BYTES_MAX: u64 = 16 << 20;

/// The folder that stands for `/`. Nothing outside of it is read, wherever its links point.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

impl Root {
    /// The real one.
    pub fn real() -> Self {
        Self(PathBuf::from("/"))
    }

    /// Another one.
    pub fn at(dir: &Path) -> Self {
        Self(fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned()))
    }

    /// Whether it is the real one.
    pub fn is_real(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// A model-specific register of a CPU, which takes root. Below another root it is a text file, `/dev/cpu/0/msr/0x1ad`.
    pub fn msr(&self, cpu: u32, register: u32) -> Option<u64> {
        if self.is_real() {
            return platform::read_msr(cpu, register).ok();
        }
        let text = self.read(&format!("/dev/cpu/{cpu}/msr/{register:#x}"))?;
        u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
    }

    /// The trimmed text of a file given by its absolute path; `None` if it cannot be read.
    pub fn read(&self, path: &str) -> Option<String> {
        let bytes = self.head(path, BYTES_MAX)?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// The same as a number.
    pub fn number<T: std::str::FromStr>(&self, path: &str) -> Option<T> {
        self.read(path)?.parse().ok()
    }

    /// The first `limit` bytes of a file.
    pub fn head(&self, path: &str, limit: u64) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(path)?.take(limit).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// The last `limit` bytes of a file.
    pub fn tail(&self, path: &str, limit: u64) -> Option<Vec<u8>> {
        self.before(path, u64::MAX, limit)
    }

    /// The `limit` bytes of a file that end at `end`, or at its own end if that comes first.
    pub fn before(&self, path: &str, end: u64, limit: u64) -> Option<Vec<u8>> {
        let mut file = self.open(path)?;
        let end = end.min(file.metadata().ok()?.len());
        let start = end.saturating_sub(limit);
        file.seek(SeekFrom::Start(start)).ok()?;
        let mut bytes = Vec::new();
        file.take(end - start).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// How many bytes a file has.
    pub fn size(&self, path: &str) -> Option<u64> {
        self.open(path)?.metadata().ok().map(|file| file.len())
    }

    /// When a file was last written, seconds since 1970.
    pub fn modified_s(&self, path: &str) -> Option<i64> {
        let modified = fs::metadata(self.inside(path)?).ok()?.modified().ok()?;
        i64::try_from(modified.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
    }

    /// Whether a file that is there can be written.
    pub fn writable(&self, path: &str) -> io::Result<()> {
        OpenOptions::new().write(true).open(self.existing(path)?).map(drop)
    }

    /// Writes a file that is there anew. For settings of the kernel's, which are files of one number.
    pub fn rewrite(&self, path: &str, text: &str) -> io::Result<()> {
        OpenOptions::new().write(true).truncate(true).open(self.existing(path)?)?.write_all(text.as_bytes())
    }

    fn existing(&self, path: &str) -> io::Result<PathBuf> {
        self.inside(path).filter(|path| path.is_file()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The names in a folder, sorted; those that are no text are left out. Empty if there is no such folder.
    pub fn list(&self, path: &str) -> Vec<String> {
        let Some(entries) = self.inside(path).and_then(|path| fs::read_dir(path).ok()) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    }

    /// Only plain files: a pipe would keep us waiting.
    fn open(&self, path: &str) -> Option<File> {
        let path = self.inside(path)?;
        fs::metadata(&path).ok()?.is_file().then(|| File::open(path).ok()).flatten()
    }

    /// Where that path leads, with all links followed, if it stays below the root.
    fn inside(&self, path: &str) -> Option<PathBuf> {
        if self.is_real() {
            // Every path stays below it; a machine of many CPUs has tens of thousands of files. Windows has none of them.
            return cfg!(unix).then(|| PathBuf::from(path));
        }
        let path = fs::canonicalize(self.0.join(path.trim_start_matches('/'))).ok()?;
        path.starts_with(&self.0).then_some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_tails_and_lists() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("log")).expect("writable");
        fs::write(folder.path().join("log/b"), "0123456789\n").expect("writable");
        fs::write(folder.path().join("log/a"), [0xff, b'x']).expect("writable");
        let root = Root::at(folder.path());
        assert_eq!(root.list("/log"), ["a", "b"]);
        assert!(root.list("/nowhere").is_empty());
        assert_eq!(root.head("/log/b", 3).as_deref(), Some(&b"012"[..]));
        assert_eq!(root.tail("/log/b", 3).as_deref(), Some(&b"89\n"[..]));
        assert_eq!(root.tail("/log/b", 300).map(|bytes| bytes.len()), Some(11));
        assert_eq!(root.before("/log/b", 5, 2).as_deref(), Some(&b"34"[..]));
        assert_eq!(root.before("/log/b", 2, 9).as_deref(), Some(&b"01"[..]));
        assert_eq!(root.number("/log/b"), Some(123_456_789_u64));
        assert_eq!(root.read("/log/a").as_deref(), Some("\u{fffd}x"));
        assert!(root.modified_s("/log/a").is_some_and(|s| s > 0));
        assert_eq!(root.head("/log", 3), None, "a folder is no file");
    }

    #[cfg(unix)]
    #[test]
    fn nothing_outside_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let (inside, secret) = (folder.path().join("root"), folder.path().join("secret"));
        fs::create_dir(&inside).expect("writable");
        fs::write(&secret, "secret").expect("writable");
        fs::write(inside.join("mine"), "mine").expect("writable");
        std::os::unix::fs::symlink(&secret, inside.join("out")).expect("writable");
        std::os::unix::fs::symlink(folder.path(), inside.join("up")).expect("writable");
        std::os::unix::fs::symlink("mine", inside.join("in")).expect("writable");
        let root = Root::at(&inside);
        assert_eq!(root.read("/in").as_deref(), Some("mine"));
        for path in ["/out", "/up/secret", "/../secret"] {
            assert_eq!(root.read(path), None, "{path}");
            assert_eq!((root.head(path, 9), root.tail(path, 9), root.modified_s(path)), (None, None, None), "{path}");
        }
        assert!(root.list("/up").is_empty() && root.list("/..").is_empty());
    }
}
