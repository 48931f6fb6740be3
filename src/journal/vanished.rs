//! What workers leave in a run's folder when their supervisor is gone and they are not: whatever ended it, it was no reset of
//! the machine. Files of their own, one a worker: several that append to one journal would tear it.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    frame::{FrameReader, encode},
    platform,
};

/// What such a file says.
#[derive(Debug, Serialize, Deserialize)]
struct SupervisorVanished {
    /// When, RFC 3339.
    at: String,
}

/// A run that is resumed is another session: what was left in an earlier one says nothing of it.
fn prefix(session: u32) -> String {
    format!("supervisor-vanished-{session}-")
}

/// Leaves word, on the disk when this returns, that the supervisor of this session is gone and the worker on `cpu` is not.
pub fn tell_supervisor_vanished(run: &Path, session: u32, cpu: u32, at: String) -> io::Result<()> {
    let path = run.join(format!("{}{cpu}", prefix(session)));
    let mut file = platform::create_private_file(&path)?;
    file.write_all(&encode(0, &SupervisorVanished { at })?)?;
    file.sync_all()?;
    platform::sync_dir(run)
}

/// When a worker of this session last left word, if one did, RFC 3339.
pub fn supervisor_vanished(run: &Path, session: u32) -> Option<String> {
    let entries = fs::read_dir(run).ok()?.flatten().map(|entry| entry.path());
    let left =
        |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.strip_prefix(&prefix(session)).map(drop));
    let read = |path: PathBuf| -> Option<String> {
        let file = io::BufReader::new(fs::File::open(path).ok()?);
        // A worker that was ended while it wrote has left nothing that counts.
        Some(FrameReader::new(file).read::<SupervisorVanished>().ok()??.at)
    };
    entries.filter(|path| left(path).is_some()).filter_map(read).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_counts_for_its_own_session_and_only_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(supervisor_vanished(folder.path(), 1), None);
        fs::write(folder.path().join("supervisor-vanished-1-7"), b"torn").expect("writable");
        assert_eq!(supervisor_vanished(folder.path(), 1), None);
        tell_supervisor_vanished(folder.path(), 1, 3, "2026-01-01T00:00:01Z".into()).expect("writable");
        tell_supervisor_vanished(folder.path(), 1, 4, "2026-01-01T00:00:00Z".into()).expect("writable");
        assert_eq!(supervisor_vanished(folder.path(), 1).as_deref(), Some("2026-01-01T00:00:01Z"));
        assert_eq!(supervisor_vanished(folder.path(), 11), None);
        assert_eq!(supervisor_vanished(folder.path(), 2), None);
    }
}
