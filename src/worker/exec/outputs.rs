//! Where a program's runs leave things: each run's own scratch folder, gone with the run, and outputs that are kept, named
//! after what is in them, so that the same wrong output is there once.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{platform, verdict::command::Sha};

/// Of a run's folder.
const SCRATCH: &str = "scratch";
/// See [`SCRATCH`].
const OUTPUTS: &str = "outputs";
/// An output is kept if it is no longer than this, and if there are no more than so many.
const KEPT_BYTES: u64 = 16 << 20;
const KEPT: usize = 64;
/// What is shown of a line.
const SHOWN: usize = 60;
/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// The places of one run of the program.
pub struct Places {
    /// Empty and its own: what the program finds in `{dir}` and `ODDCORE_DIR`.
    pub dir: PathBuf,
    /// Its standard output.
    pub stdout: PathBuf,
    /// Its standard error.
    pub stderr: PathBuf,
    folder: PathBuf,
}

impl Places {
    /// New ones below the folder of a run of ours. `name` is never used twice, so that a program which tells where it works
    /// contradicts itself on every core alike.
    pub fn make(folder: &Path, name: &str) -> io::Result<Self> {
        let scratch = folder.join(SCRATCH);
        let at = |end: &str| scratch.join(format!("{name}{end}"));
        let dir = at("");
        platform::create_private_dir(&dir)?;
        Ok(Self { dir, stdout: at(".out"), stderr: at(".err"), folder: folder.to_owned() })
    }

    /// A new file to be written by the program.
    pub fn open(path: &Path) -> io::Result<File> {
        platform::create_private_file(path)
    }

    /// The last line of what it wrote to standard error.
    pub fn last_words(&self) -> String {
        let text = fs::read(&self.stderr).unwrap_or_default();
        let text = String::from_utf8_lossy(&text[text.len().saturating_sub(4096)..]).into_owned();
        text.lines().rev().find(|line| !line.trim().is_empty()).map(shortened).unwrap_or_default()
    }

    /// Keeps a file whose digest this is.
    pub fn keep(&self, path: &Path, sha: &Sha) {
        let outputs = self.folder.join(OUTPUTS);
        let small = fs::metadata(path).is_ok_and(|of| of.is_file() && of.len() <= KEPT_BYTES);
        let room = || fs::read_dir(&outputs).map_or(0, Iterator::count) < KEPT;
        let kept = kept(&self.folder, sha);
        if small && !kept.exists() && (outputs.is_dir() || platform::create_private_dir(&outputs).is_ok()) && room() {
            // What cannot be kept is missed by a person's curiosity alone.
            let _ = fs::copy(path, kept);
        }
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        // A program may have taken away its own right to them.
        let _ = fs::remove_dir_all(&self.dir);
        let _ = fs::remove_file(&self.stdout);
        let _ = fs::remove_file(&self.stderr);
    }
}

/// The digest of a file, told of each chunk; `None` if it is no file that can be read.
pub fn digest(path: &Path, mut alive: impl FnMut()) -> Option<Sha> {
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut file = OpenOptions::new().read(true).open(path).ok()?;
    let (mut hasher, mut chunk) = (Sha256::new(), vec![0; CHUNK]);
    loop {
        match file.read(&mut chunk).ok()? {
            0 => return Some(Sha::of(hasher)),
            bytes => hasher.update(&chunk[..bytes]),
        }
        alive();
    }
}

/// Takes away what is of no use once nobody works on the run in that folder; what was kept of outputs only if it is `of_use`.
pub fn tidy(folder: &Path, of_use: bool) {
    let _ = fs::remove_dir_all(folder.join(SCRATCH));
    if !of_use {
        let _ = fs::remove_dir_all(folder.join(OUTPUTS));
    }
}

/// Where an output of that digest is kept, if it is.
fn kept(folder: &Path, sha: &Sha) -> PathBuf {
    folder.join(OUTPUTS).join(format!("{:016x}", sha.short().0))
}

/// Where two outputs that were kept in a run's folder part: `line 7: "b" instead of "a"`.
pub fn first_difference(folder: &Path, right: &Sha, got: &Sha) -> Option<String> {
    let read = |sha: &Sha| fs::read(kept(folder, sha)).ok();
    let (right, got) = (read(right)?, read(got)?);
    difference(&right, &got)
}

fn difference(right: &[u8], got: &[u8]) -> Option<String> {
    if right == got {
        return None;
    }
    let at = right.iter().zip(got).position(|(a, b)| a != b).unwrap_or(right.len().min(got.len()));
    let text = |bytes: &[u8]| !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok();
    if !text(right) {
        return Some(format!("byte {at} of {}", right.len()));
    }
    let line = right[..at].iter().filter(|&&byte| byte == b'\n').count();
    let nth = |bytes: &[u8]| {
        let mut rest = bytes.split(|&byte| byte == b'\n').skip(line);
        match (rest.next(), rest.next()) {
            // What follows the last line's end is no line.
            (None | Some([]), None) => "nothing".to_owned(),
            (text, _) => format!("{:?}", shortened(&String::from_utf8_lossy(text.unwrap_or_default()))),
        }
    };
    Some(format!("line {}: {} instead of {}", line + 1, nth(got), nth(right)))
}

fn shortened(line: &str) -> String {
    let line = line.trim_end();
    let short: String = line.chars().take(SHOWN).collect();
    if short.len() < line.len() { format!("{short}...") } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_told_by_line_or_byte() {
        let told = |right: &[u8], got: &[u8]| difference(right, got).expect("different");
        assert_eq!(difference(b"a\n", b"a\n"), None);
        assert_eq!(told(b"a\nb\nc\n", b"a\nx\nc\n"), "line 2: \"x\" instead of \"b\"");
        assert_eq!(told(b"a\n", b""), "line 1: nothing instead of \"a\"");
        assert_eq!(told(b"a\nb", b"a\n"), "line 2: nothing instead of \"b\"");
        assert_eq!(told(b"a\n\nc", b"a\nb\nc"), "line 2: \"b\" instead of \"\"");
        assert_eq!(told(b"a\0b", b"a\0c"), "byte 2 of 3");
        assert_eq!(told(b"text", &[b't', 0xff]), "line 1: \"t\u{fffd}\" instead of \"text\"");
        let long = "y".repeat(100);
        assert!(told(b"x", long.as_bytes()).contains(&format!("{}...", "y".repeat(SHOWN))));
    }

    #[test]
    fn places_go_with_their_run_and_outputs_stay_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let places = Places::make(folder.path(), "a").expect("writable");
        assert!(Places::make(folder.path(), "a").is_err(), "no name is used twice");
        fs::write(places.dir.join("x"), "one\n").expect("writable");
        fs::write(&places.stderr, "first\nlast\n\n").expect("writable");
        assert_eq!(places.last_words(), "last");
        let sha = digest(&places.dir.join("x"), || {}).expect("a file");
        assert_eq!(sha.0, "2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806");
        assert_eq!(digest(&places.dir, || {}), None);
        places.keep(&places.dir.join("x"), &sha);
        places.keep(&places.dir.join("x"), &sha);
        let other = Sha("f".repeat(64));
        fs::write(places.dir.join("x"), "two\n").expect("writable");
        places.keep(&places.dir.join("x"), &other);
        assert_eq!(
            first_difference(folder.path(), &sha, &other).as_deref(),
            Some("line 1: \"two\" instead of \"one\"")
        );
        let gone = places.dir.clone();
        drop(places);
        assert!(!gone.exists());
        let left = |name: &str| folder.path().join(name).exists();
        tidy(folder.path(), true);
        assert!(!left(SCRATCH) && left(OUTPUTS));
        tidy(folder.path(), false);
        assert!(!left(OUTPUTS));
    }
}
