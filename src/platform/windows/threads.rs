//! Threads of other processes, as the system lists them.

use std::{collections::HashMap, io, sync::Mutex};

use windows_sys::{
    Wdk::System::SystemInformation::{NtQuerySystemInformation, SystemProcessInformation},
    Win32::{Foundation::STATUS_INFO_LENGTH_MISMATCH, System::Threading::THREAD_QUERY_LIMITED_INFORMATION},
};

use super::{
    handle::Handle,
    time::{monotonic_ns, thread_times_ns},
};
use crate::platform::{ThreadState, ThreadUsage, listing};

/// The list is of all processes of the machine, so one look serves all who look at the same moment.
const KEPT_NS: u64 = 50_000_000;
/// As many bytes as the list of a machine may take.
const BYTES_MAX: usize = 64 << 20;

/// So long without any CPU time is asleep, where nobody tells what a thread does.
const ASLEEP_NS: u64 = 1_000_000_000;
/// Threads remembered for that, of which a run has a few for each CPU.
const REMEMBERED: usize = 1 << 16;

static LIST: Mutex<(u64, Vec<u8>)> = Mutex::new((0, Vec::new()));

/// By process and thread: CPU time, and since when it has been that.
static QUIET: Mutex<Option<HashMap<(u32, u64), (u64, u64)>>> = Mutex::new(None);

/// What a thread does, by its CPU time: Wine's list does not tell. One that gets no CPU at all for so long is taken for asleep.
fn guess(process: u32, thread: u64, cpu_ns: u64, now_ns: u64) -> ThreadState {
    let mut quiet = QUIET.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let quiet = quiet.get_or_insert_default();
    if quiet.len() > REMEMBERED {
        quiet.clear();
    }
    let (known, since) = quiet.entry((process, thread)).or_insert((cpu_ns, now_ns));
    if *known != cpu_ns {
        (*known, *since) = (cpu_ns, now_ns);
    }
    if now_ns.saturating_sub(*since) > ASLEEP_NS { ThreadState::Sleeping } else { ThreadState::Running }
}

/// State and CPU time of a thread of another process; `None` if it is no more.
pub fn thread_usage(process: u32, thread: u64) -> Option<ThreadUsage> {
    let mut list = LIST.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let now = monotonic_ns();
    if list.1.is_empty() || now.saturating_sub(list.0) > KEPT_NS {
        *list = (now, read_list().ok()?);
    }
    let (state, listed_ns) = listing::find(&list.1, process, thread)?;
    // What the list has may be some ticks old.
    let handle = Handle::of_thread(u32::try_from(thread).ok()?, THREAD_QUERY_LIMITED_INFORMATION).ok();
    let cpu_ns = handle.and_then(|handle| thread_times_ns(handle.raw()).ok()).unwrap_or(listed_ns);
    let state = state.unwrap_or_else(|| guess(process, thread, cpu_ns, now));
    (state != ThreadState::Gone).then_some(ThreadUsage { state, cpu_ns })
}

fn read_list() -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 1 << 20];
    loop {
        let mut needed = 0;
        // SAFETY: the pointer and the length are those of the buffer; the call writes at most as much, and one number.
        let status = unsafe {
            NtQuerySystemInformation(
                SystemProcessInformation,
                bytes.as_mut_ptr().cast(),
                bytes.len() as u32,
                &mut needed,
            )
        };
        match status {
            0.. => {
                bytes.truncate(needed as usize);
                return Ok(bytes);
            }
            STATUS_INFO_LENGTH_MISMATCH if bytes.len() < BYTES_MAX => bytes.resize(bytes.len() * 2, 0),
            status => return Err(io::Error::other(format!("the list of processes cannot be read: {status:#x}"))),
        }
    }
}
