//! CPUs on Windows, and keeping threads on them. Windows counts CPUs in groups of at most 64; here each has one number, 64
//! times its group and its place in the group, which has gaps where a group is not full.

use std::{collections::BTreeSet, io, ptr::null_mut};

use windows_sys::Win32::{
    Foundation::HANDLE,
    System::{
        Kernel::PROCESSOR_NUMBER,
        SystemInformation::GROUP_AFFINITY,
        Threading::{
            GetActiveProcessorGroupCount, GetCurrentProcess, GetCurrentProcessorNumberEx, GetCurrentThread,
            GetCurrentThreadId, GetProcessAffinityMask, GetThreadGroupAffinity, SetProcessAffinityMask,
            SetThreadGroupAffinity, THREAD_QUERY_INFORMATION, THREAD_SET_INFORMATION,
        },
    },
};

use super::{
    answers,
    handle::{Handle, done},
    process::threads_of,
};

/// CPUs of a group.
const GROUP: u32 = u64::BITS;

/// The group and the mask of these CPUs, which must be of one group, as those of one core are.
pub fn group_mask(cpus: &[u32]) -> io::Result<GROUP_AFFINITY> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, format!("CPUs {cpus:?} are not of one processor group"));
    let group = cpus.first().ok_or_else(wrong)? / GROUP;
    if cpus.iter().any(|cpu| cpu / GROUP != group) {
        return Err(wrong());
    }
    let mask = cpus.iter().fold(0, |mask, cpu| mask | 1 << (cpu % GROUP));
    Ok(GROUP_AFFINITY { Mask: mask, Group: group as u16, Reserved: [0; 3] })
}

/// The CPUs of a mask, ascending.
fn cpus_of(affinity: &GROUP_AFFINITY) -> Vec<u32> {
    let first = u32::from(affinity.Group) * GROUP;
    (0..GROUP).filter(|bit| affinity.Mask >> bit & 1 == 1).map(|bit| first + bit).collect()
}

fn of_thread(thread: HANDLE) -> io::Result<GROUP_AFFINITY> {
    let mut affinity = GROUP_AFFINITY::default();
    // SAFETY: the handle is open, and the call writes one structure.
    done(unsafe { GetThreadGroupAffinity(thread, &mut affinity) })?;
    Ok(affinity)
}

/// Pins a thread and reads back where it may run.
pub fn pin(thread: HANDLE, cpus: &[u32]) -> io::Result<()> {
    let wanted = group_mask(cpus)?;
    // SAFETY: the handle is open, the structure is read, and nothing is asked to be written.
    done(unsafe { SetThreadGroupAffinity(thread, &wanted, null_mut()) })?;
    let got = of_thread(thread)?;
    if (got.Group, got.Mask) == (wanted.Group, wanted.Mask) {
        Ok(())
    } else {
        Err(io::Error::other(format!("asked for CPUs {:?}, the OS gave {:?}", cpus_of(&wanted), cpus_of(&got))))
    }
}

/// Pins this thread to `cpus` and reads the affinity back.
pub fn pin_thread(cpus: &[u32]) -> io::Result<()> {
    // SAFETY: no arguments, no memory: a constant that stands for this thread.
    pin(unsafe { GetCurrentThread() }, cpus)
}

/// Moves another thread of this process, wherever it is in its work.
pub fn move_thread(thread: u64, cpu: u32) -> io::Result<()> {
    let id = u32::try_from(thread).map_err(io::Error::other)?;
    let access = THREAD_SET_INFORMATION | THREAD_QUERY_INFORMATION;
    pin(Handle::of_thread(id, access)?.raw(), &[cpu])
}

/// The CPUs that this thread may run on, ascending: all of one group.
pub fn thread_affinity() -> io::Result<Vec<u32>> {
    // SAFETY: as above.
    Ok(cpus_of(&of_thread(unsafe { GetCurrentThread() })?))
}

/// How many groups of CPUs there are.
pub fn groups() -> u16 {
    // SAFETY: no arguments, no memory.
    unsafe { GetActiveProcessorGroupCount() }
}

/// The CPUs that threads of this process may be given. With several groups every CPU is one, whichever group a thread begins in.
pub fn allowed_cpus() -> io::Result<Vec<u32>> {
    if groups() > 1 {
        return answers::all_cpus();
    }
    // SAFETY: a constant that stands for this process.
    of_process(unsafe { GetCurrentProcess() })
}

/// Keeps every thread of this process on those of `cpus` that are in its group.
pub fn keep_process_on(cpus: &[u32]) -> io::Result<()> {
    for thread in threads_of(std::process::id())? {
        let Ok(handle) = Handle::of_thread(thread, THREAD_SET_INFORMATION | THREAD_QUERY_INFORMATION) else { continue };
        let group = u32::from(of_thread(handle.raw())?.Group);
        let here: BTreeSet<u32> = cpus.iter().copied().filter(|cpu| cpu / GROUP == group).collect();
        // None of its group: then anywhere is as good.
        if let Ok(mask) = group_mask(&here.into_iter().collect::<Vec<_>>()) {
            // SAFETY: the handle is open, the structure is read.
            unsafe { SetThreadGroupAffinity(handle.raw(), &mask, null_mut()) };
        }
    }
    Ok(())
}

/// Keeps a process with all its threads to come on these CPUs, where all CPUs are of one group.
pub fn keep_other_process_on(process: HANDLE, cpus: &[u32]) -> io::Result<()> {
    let mask = group_mask(cpus)?.Mask;
    // SAFETY: the handle is open; a number.
    done(unsafe { SetProcessAffinityMask(process, mask) })
}

/// The CPUs that a process with all its threads is kept on, where all CPUs are of one group. It may have ended.
pub fn of_process(process: HANDLE) -> io::Result<Vec<u32>> {
    let (mut mask, mut system) = (0, 0);
    // SAFETY: the handle is open; the call writes two numbers.
    done(unsafe { GetProcessAffinityMask(process, &mut mask, &mut system) })?;
    Ok(cpus_of(&GROUP_AFFINITY { Mask: mask, Group: 0, Reserved: [0; 3] }))
}

/// The CPU that this thread is on.
pub fn current_cpu() -> Option<u32> {
    let mut number = PROCESSOR_NUMBER::default();
    // SAFETY: the call writes one structure.
    unsafe { GetCurrentProcessorNumberEx(&mut number) };
    Some(u32::from(number.Group) * GROUP + u32::from(number.Number))
}

/// The OS's id of this thread.
pub fn thread_id() -> u64 {
    // SAFETY: no arguments, no memory.
    u64::from(unsafe { GetCurrentThreadId() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_pinned_where_it_was_asked_to_be() {
        for cpu in allowed_cpus().expect("readable") {
            std::thread::spawn(move || {
                pin_thread(&[cpu]).expect("allowed");
                assert_eq!((current_cpu(), thread_affinity().expect("readable")), (Some(cpu), vec![cpu]));
            })
            .join()
            .expect("no panic");
        }
        assert!(pin_thread(&[63 * 64 + 63]).is_err());
        assert_eq!(pin_thread(&[1, 65]).map_err(|error| error.kind()), Err(io::ErrorKind::InvalidInput));
        assert!(pin_thread(&[]).is_err());
    }

    #[test]
    fn another_thread_is_moved() {
        let cpus = allowed_cpus().expect("readable");
        let (own, id) = std::sync::mpsc::channel();
        let (go_on, wait) = std::sync::mpsc::channel();
        let moved = std::thread::spawn(move || {
            own.send(thread_id()).expect("heard");
            wait.recv().expect("told");
            thread_affinity().expect("readable")
        });
        let last = cpus[cpus.len() - 1];
        move_thread(id.recv().expect("told"), last).expect("allowed");
        go_on.send(()).expect("heard");
        assert_eq!(moved.join().expect("no panic"), [last]);
    }

    #[test]
    fn numbers_go_through_groups_and_back() {
        let cpus = [64 + 3, 64 + 63];
        let affinity = group_mask(&cpus).expect("one group");
        assert_eq!((affinity.Group, affinity.Mask), (1, 1 << 3 | 1 << 63));
        assert_eq!(cpus_of(&affinity), cpus);
    }
}
