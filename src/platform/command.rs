//! Programs of the user's, as a worker starts and ends them.

use std::{
    fs, io, mem,
    os::unix::process::CommandExt,
    process::{Child, Command},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::{ProcessEnd, affinity_of, move_thread, process_end};

/// Children of children of ... that are looked at.
const DEPTH: u32 = 16;
/// Of a tick of the times in /proc, on every Linux of ours.
const TICK_NS: u64 = 10_000_000;

/// What is known of a program that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// How it ended.
    pub end: ProcessEnd,
    /// CPU time of it and of the children that it waited for, ns.
    pub cpu_ns: u64,
    /// The CPUs that it might run on at its end.
    pub affinity: Vec<u32>,
}

/// Starts a program in a group of its own, on the CPUs of this thread, which it does not outlive. Its addresses are the same
/// every time, where the system lets us ask for that.
pub fn start_command(command: &mut Command) -> io::Result<Child> {
    command.process_group(0);
    // SAFETY: between fork and exec the closure makes three system calls without memory; nothing allocates.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            // A supervisor ignores it, and what is ignored stays so.
            libc::signal(libc::SIGXFSZ, libc::SIG_DFL);
            // Where it is forbidden (some containers), addresses differ as they always did.
            libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong);
            Ok(())
        });
    }
    command.spawn()
}

/// Returns when that child has ended; it is not yet gone.
pub fn await_end(child: u32) -> io::Result<()> {
    loop {
        match waitid(WaitId::Pid(pid(child)?), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Err(rustix::io::Errno::INTR) => {}
            ended => return Ok(ended.map(|_| ())?),
        }
    }
}

/// Lets an ended child go, and says what is known of it.
pub fn reap(child: u32) -> io::Result<Reaped> {
    let affinity = affinity_of(child)?;
    // SAFETY: plain numbers, of which zero is one.
    let (mut status, mut usage): (i32, libc::rusage) = (0, unsafe { mem::zeroed() });
    // SAFETY: both pointers are to live values, which the call only writes to.
    let result = unsafe { libc::wait4(child as libc::pid_t, &mut status, 0, &mut usage) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let ns = |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1_000;
    let end = process_end(std::os::unix::process::ExitStatusExt::from_raw(status));
    Ok(Reaped { end, cpu_ns: ns(usage.ru_utime) + ns(usage.ru_stime), affinity })
}

/// Ends a program started by [`start_command`], and what it started in turn.
pub fn kill_command(child: u32) {
    if let Ok(pid) = pid(child) {
        // What is gone already needs no end.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// Ends the programs that a worker has started.
pub fn kill_commands_of(worker: u32) {
    children(worker).into_iter().for_each(kill_command);
}

/// CPU time of a program and of what it started, ns, and whether all of them sleep.
pub fn command_usage(child: u32) -> (u64, bool) {
    usage_of(child, DEPTH)
}

/// Moves a program, all its threads and all that it started, to that CPU, wherever they are in their work. Threads that are born
/// meanwhile may be where their makers were before.
pub fn move_command(child: u32, cpu: u32) -> io::Result<()> {
    move_tree(child, cpu, DEPTH)
}

fn move_tree(process: u32, cpu: u32, depth: u32) -> io::Result<()> {
    for task in fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
        let thread = task.file_name().to_str().and_then(|name| name.parse().ok());
        match thread.map_or(Ok(()), |thread| move_thread(thread, cpu)) {
            // It ended meanwhile.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            moved => moved?,
        }
    }
    if depth == 0 {
        return Ok(());
    }
    children(process).into_iter().try_for_each(|child| move_tree(child, cpu, depth - 1))
}

fn usage_of(process: u32, depth: u32) -> (u64, bool) {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name in parentheses may hold anything, parentheses too.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or_else(Vec::new, |(_, rest)| rest.split_whitespace().collect());
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
    // Its own in user and system mode, then those of children that are gone.
    let own = (11..15).map(ticks).sum::<u64>() * TICK_NS;
    let asleep = matches!(fields.first(), Some(&"S"));
    if depth == 0 {
        return (own, asleep);
    }
    let of_children = children(process).into_iter().map(|child| usage_of(child, depth - 1));
    of_children.fold((own, asleep), |(cpu_ns, asleep), (more_ns, too)| (cpu_ns + more_ns, asleep && too))
}

fn children(process: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<u32>>())
        .collect()
}

fn pid(process: u32) -> io::Result<Pid> {
    let pid = i32::try_from(process).ok().filter(|&pid| pid > 1).and_then(Pid::from_raw);
    pid.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("process {process}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::{pin_thread, thread_affinity};

    fn shell(script: &str) -> Child {
        start_command(Command::new("sh").args(["-c", script])).expect("starts")
    }

    #[test]
    fn a_program_inherits_the_cpu_and_tells_it_at_its_end() {
        let cpu = *thread_affinity().expect("readable").last().expect("at least one");
        let reaped = std::thread::spawn(move || {
            pin_thread(&[cpu]).expect("allowed");
            let child = shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 7").id();
            await_end(child).expect("ours");
            reap(child).expect("ours")
        });
        let reaped = reaped.join().expect("no panic");
        assert_eq!((reaped.end, reaped.affinity), (ProcessEnd::Exited(7), vec![cpu]));
        assert!(reaped.cpu_ns > 0);
    }

    #[test]
    fn what_a_program_started_is_counted_and_ends_with_it() {
        let mut child = shell("sh -c 'while :; do :; done' & wait");
        let busy = || command_usage(child.id());
        while busy().0 < 5 * TICK_NS {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(!busy().1, "its child works");
        let inner = children(child.id());
        assert_eq!(inner.len(), 1);
        kill_command(child.id());
        await_end(child.id()).expect("ours");
        assert_eq!(reap(child.id()).expect("ours").end, ProcessEnd::Signalled(libc::SIGKILL));
        let gone = || fs::read_to_string(format!("/proc/{}/stat", inner[0])).map_or(true, |stat| stat.contains(") Z"));
        while !gone() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(child.wait().is_err(), "reaped");
        assert!(await_end(0).is_err() && reap(std::process::id()).is_err());
        kill_command(0);
    }

    #[test]
    fn a_program_is_moved_with_all_that_it_started() {
        let cpus = thread_affinity().expect("readable");
        let (first, last) = (cpus[0], *cpus.last().expect("at least one"));
        std::thread::spawn(move || {
            pin_thread(&[first]).expect("allowed");
            let child = shell("sleep 60 & wait").id();
            while children(child).is_empty() {
                std::thread::yield_now();
            }
            let on = || [child, children(child)[0]].map(|process| affinity_of(process).expect("there"));
            assert_eq!(on(), [[first], [first]]);
            move_command(child, last).expect("allowed");
            assert_eq!(on(), [[last], [last]]);
            assert!(move_command(child, 65_000).is_err());
            kill_command(child);
            await_end(child).and_then(|()| reap(child)).expect("ours");
            assert!(move_command(child, first).is_ok(), "what is gone needs no move");
        })
        .join()
        .expect("no panic");
    }
}
