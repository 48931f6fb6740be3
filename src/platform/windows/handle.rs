//! Handles that close themselves, and errors of calls.

use std::{ffi::OsStr, io, os::windows::ffi::OsStrExt, ptr::null_mut};

use windows_sys::Win32::{
    Foundation::{CloseHandle, HANDLE, INVALID_HANDLE_VALUE},
    System::Threading::{OpenProcess, OpenThread},
};

/// A handle of ours.
pub struct Handle(HANDLE);

// SAFETY: a handle is a number that any thread of the process may use.
unsafe impl Send for Handle {}
// SAFETY: as above; what it stands for is the kernel's.
unsafe impl Sync for Handle {}

impl Handle {
    /// What a call returned, which is no handle where the call failed.
    pub fn made(raw: HANDLE) -> io::Result<Self> {
        if raw == null_mut() || raw == INVALID_HANDLE_VALUE { Err(io::Error::last_os_error()) } else { Ok(Self(raw)) }
    }

    /// A thread, by its id.
    pub fn of_thread(id: u32, access: u32) -> io::Result<Self> {
        // SAFETY: numbers.
        Self::made(unsafe { OpenThread(access, 0, id) })
    }

    /// A process, by its id.
    pub fn of_process(id: u32, access: u32) -> io::Result<Self> {
        // SAFETY: numbers.
        Self::made(unsafe { OpenProcess(access, 0, id) })
    }

    /// For calls.
    pub fn raw(&self) -> HANDLE {
        self.0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: open, and nobody else's.
        unsafe { CloseHandle(self.0) };
    }
}

/// What a call's `BOOL` says.
pub fn done(result: i32) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Text as calls want it.
pub fn wide(text: impl AsRef<OsStr>) -> Vec<u16> {
    text.as_ref().encode_wide().chain([0]).collect()
}
