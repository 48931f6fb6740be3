//! Memory that a supervisor and one worker share.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, OwnedFd},
    sync::atomic::AtomicU64,
};

use memmap2::MmapRaw;

/// Zeroed words in anonymous memory of the supervisor's; they outlive the worker.
pub struct SharedWords {
    file: File,
    map: MmapRaw,
    words: usize,
}

impl SharedWords {
    /// New ones.
    pub fn create(words: usize) -> io::Result<Self> {
        let flags = rustix::fs::MemfdFlags::CLOEXEC;
        let fd: OwnedFd = rustix::fs::memfd_create("oddcore-slots", flags)?;
        let file = File::from(fd);
        file.set_len(words as u64 * 8)?;
        Self::map(file, words)
    }

    fn map(file: File, words: usize) -> io::Result<Self> {
        let map = MmapRaw::map_raw(&file)?;
        if map.len() < words * 8 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the shared memory is smaller than said"));
        }
        Ok(Self { file, map, words })
    }

    /// What a child of this process passes to [`SharedWords::open`].
    pub fn handle(&self) -> String {
        format!("/proc/{}/fd/{}:{}", std::process::id(), self.file.as_raw_fd(), self.words)
    }

    /// The memory behind a handle.
    pub fn open(handle: &str) -> io::Result<Self> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "not a handle of shared memory");
        let (path, words) = handle.rsplit_once(':').ok_or_else(wrong)?;
        let words = words.parse().map_err(|_| wrong())?;
        Self::map(File::options().read(true).write(true).open(path)?, words)
    }

    /// The words.
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: the map is page-aligned, at least `words` words long, lives as long as `self`, and is only ever touched
        // through atomics; any bit pattern is a number.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast::<AtomicU64>(), self.words) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn two_maps_show_the_same_words() {
        let own = SharedWords::create(100).expect("memory");
        let other = SharedWords::open(&own.handle()).expect("a handle");
        other.words()[99].store(7, Relaxed);
        assert_eq!(own.words()[99].load(Relaxed), 7);
        assert!(SharedWords::open("nonsense").is_err());
        assert!(SharedWords::open("/dev/null:5").is_err());
    }
}
