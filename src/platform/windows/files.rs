//! Files on Windows.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Seek, SeekFrom},
    os::windows::{fs::OpenOptionsExt, io::AsRawHandle},
    path::{Path, PathBuf},
};

use windows_sys::Win32::{
    Foundation::{ERROR_IO_PENDING, ERROR_LOCK_VIOLATION},
    Storage::FileSystem::{
        BY_HANDLE_FILE_INFORMATION, FILE_SHARE_READ, FILE_SHARE_WRITE, GetFileInformationByHandle,
        LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx,
    },
    System::IO::OVERLAPPED,
};

use super::handle::done;

/// Where the byte is that a lock is put on: behind every file. A locked part cannot be read by others.
const LOCK_AT: u64 = 1 << 62;

/// Where this user's programs keep what they must remember.
pub fn state_dir() -> Option<PathBuf> {
    let local = std::env::var_os("LOCALAPPDATA").map(PathBuf::from).filter(|path| path.is_absolute())?;
    Some(local.join("oddcore"))
}

/// Makes a folder and its parents; it must not be there yet. What is below a user's own folder is that user's alone.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::create_dir(path)
}

/// To write at the end, while others may read, and nobody may take the file away or rename it.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE);
    options
}

/// Makes a file to append to; it must not be there yet.
pub fn create_private_file(path: &Path) -> io::Result<File> {
    options().create_new(true).open(path)
}

/// Opens a file that is there to append to. A handle that can only append can be neither locked nor cut, so it is one that
/// can write, at the file's end.
pub fn open_to_append(path: &Path) -> io::Result<File> {
    let mut file = options().open(path)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

/// Locks a file against everybody else who would lock it; who reads it is not held up.
pub fn try_lock(file: &File) -> Result<(), TryLockError> {
    let mut place = OVERLAPPED::default();
    place.Anonymous.Anonymous.Offset = LOCK_AT as u32;
    place.Anonymous.Anonymous.OffsetHigh = (LOCK_AT >> 32) as u32;
    let flags = LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY;
    // SAFETY: the handle is open and was not opened for overlapped work, so the structure, which only says where, is done with
    // when the call returns.
    done(unsafe { LockFileEx(file.as_raw_handle(), flags, 0, 1, 0, &mut place) }).map_err(|error| {
        match error.raw_os_error().map(|code| code as u32) {
            Some(ERROR_LOCK_VIOLATION | ERROR_IO_PENDING) => TryLockError::WouldBlock,
            _ => TryLockError::Error(error),
        }
    })
}

/// Whether an open file is the one at `path`.
pub fn is_same_file(file: &File, path: &Path) -> io::Result<bool> {
    Ok(identity(file)? == identity(&File::open(path)?)?)
}

/// The volume and the number of a file in it.
fn identity(file: &File) -> io::Result<(u32, u32, u32)> {
    let mut told = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open, and the call writes one structure.
    done(unsafe { GetFileInformationByHandle(file.as_raw_handle(), &mut told) })?;
    Ok((told.dwVolumeSerialNumber, told.nFileIndexHigh, told.nFileIndexLow))
}

/// Nothing to do: the flush of a file puts its name on the disk too.
pub fn sync_dir(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Windows has no such limit.
pub fn survive_full_files() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_file_can_be_read_and_not_locked_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let mut file = create_private_file(&path).expect("new");
        io::Write::write_all(&mut file, b"one").expect("writable");
        try_lock(&file).expect("nobody else");
        assert!(fs::remove_file(&path).is_err(), "it is being written");
        assert_eq!(fs::read(&path).expect("readable"), b"one");
        let other = open_to_append(&path).expect("there");
        assert!(matches!(try_lock(&other), Err(TryLockError::WouldBlock)));
        drop(file);
        try_lock(&other).expect("free");
        assert!(is_same_file(&other, &path).expect("there"));
    }
}
