//! The list of processes and threads that Windows gives as one block of bytes (`SystemProcessInformation`, 64 bits), read without
//! Windows, so that it can be tested everywhere.

use super::ThreadState;

/// Of a process's entry: where the next is, how many threads it has, its id, its threads.
const NEXT: usize = 0;
const THREADS: usize = 4;
const PROCESS_ID: usize = 0x50;
const FIRST_THREAD: usize = 0x100;
/// Of a thread's: kernel and user time, its id, what it does, and for what it waits.
const THREAD_BYTES: usize = 0x50;
const KERNEL_TIME: usize = 0;
const USER_TIME: usize = 8;
const THREAD_ID: usize = 0x30;
const STATE: usize = 0x44;
const WAIT_REASON: usize = 0x48;

/// Not begun yet; what Wine says of every thread.
const INITIALIZED: u32 = 0;
const TERMINATED: u32 = 4;
const WAITING: u32 = 5;
/// Reasons to wait: suspended, and those that end by themselves: for a page, or for memory. Who reads from a pipe waits for the
/// executive (0).
const SUSPENDED: [u32; 2] = [5, 12];
const BY_ITSELF: [u32; 7] = [1, 2, 3, 8, 9, 10, 18];

/// What the list says of a thread: what it does, unless that is not told, and its CPU time in ns.
pub fn find(list: &[u8], process: u32, thread: u64) -> Option<(Option<ThreadState>, u64)> {
    let word = |at: usize| Some(u32::from_le_bytes(list.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_le_bytes(list.get(at..at + 8)?.try_into().ok()?));
    let mut at = 0;
    while long(at + PROCESS_ID)? != u64::from(process) {
        let next = word(at + NEXT)? as usize;
        at = at.checked_add(next).filter(|_| next > 0)?;
    }
    let threads = (0..word(at + THREADS)? as usize).map(|n| at + FIRST_THREAD + n * THREAD_BYTES);
    let found = threads.take_while(|at| *at < list.len()).find(|at| long(at + THREAD_ID) == Some(thread))?;
    let hundreds = long(found + KERNEL_TIME)?.saturating_add(long(found + USER_TIME)?);
    let reason = word(found + WAIT_REASON)?;
    let state = match word(found + STATE)? {
        INITIALIZED => None,
        TERMINATED => Some(ThreadState::Gone),
        WAITING if SUSPENDED.contains(&reason) => Some(ThreadState::Stopped),
        WAITING if !BY_ITSELF.contains(&reason) => Some(ThreadState::Sleeping),
        _ => Some(ThreadState::Running),
    };
    Some((state, hundreds.saturating_mul(100)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The entry of a process whose threads have these ids, states and reasons to wait.
    fn process(id: u64, threads: &[(u64, u32, u32)], is_last: bool) -> Vec<u8> {
        let mut bytes = vec![0; FIRST_THREAD + threads.len() * THREAD_BYTES];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(THREADS, &(threads.len() as u32).to_le_bytes());
        put(PROCESS_ID, &id.to_le_bytes());
        for (n, (thread, state, reason)) in threads.iter().enumerate() {
            let at = FIRST_THREAD + n * THREAD_BYTES;
            put(at + KERNEL_TIME, &7_u64.to_le_bytes());
            put(at + USER_TIME, &30_u64.to_le_bytes());
            put(at + THREAD_ID, &thread.to_le_bytes());
            put(at + STATE, &state.to_le_bytes());
            put(at + WAIT_REASON, &reason.to_le_bytes());
        }
        let length = bytes.len() as u32;
        if !is_last {
            bytes[NEXT..NEXT + 4].copy_from_slice(&length.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn a_thread_is_found_with_what_it_does() {
        let list = [
            process(0, &[(0, 0, 0)], false),
            process(8, &[(12, 5, 6), (16, 2, 0), (20, 5, 5), (24, 5, 0)], false),
            process(32, &[(12, 5, 2), (36, 4, 0)], true),
        ]
        .concat();
        let state = |process, thread| find(&list, process, thread).and_then(|(state, _)| state);
        assert_eq!(state(8, 12), Some(ThreadState::Sleeping));
        assert_eq!(state(8, 24), Some(ThreadState::Sleeping));
        assert_eq!(state(8, 16), Some(ThreadState::Running));
        assert_eq!(state(8, 20), Some(ThreadState::Stopped));
        assert_eq!(state(32, 12), Some(ThreadState::Running), "it waits for a page");
        assert_eq!(state(32, 36), Some(ThreadState::Gone));
        assert_eq!((state(8, 36), state(9, 12)), (None, None));
        assert_eq!(find(&list, 0, 0), Some((None, 3_700)), "told of no state");
    }

    proptest! {
        #[test]
        fn any_list_is_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1000), id in 0_u32..3) {
            find(&bytes, id, 0);
            find(&process(1, &[(5, 6, 7)], false).into_iter().chain(bytes).collect::<Vec<_>>(), id, 0);
        }
    }
}
