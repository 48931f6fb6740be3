//! Programs of the user's, as a worker starts and ends them: each in a job of its own, which ends with the worker.

use std::{
    collections::BTreeMap,
    io,
    os::windows::{
        io::{AsHandle, AsRawHandle, OwnedHandle},
        process::ExitStatusExt,
    },
    process::{Child, Command, ExitStatus},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use windows_sys::Win32::{
    Foundation::{ERROR_INVALID_PARAMETER, WAIT_OBJECT_0},
    System::Threading::{
        CREATE_NO_WINDOW, GetExitCodeProcess, INFINITE, PROCESS_QUERY_INFORMATION, PROCESS_SET_INFORMATION,
        WaitForSingleObject,
    },
};

use super::{
    affinity,
    handle::{Handle, done},
    job::Job,
    process::{self, ENDED_BY_US, threads_of},
    threads::thread_usage,
    time::{cpu_ns_of_process, monotonic_ns},
};
use crate::platform::{ProcessEnd, ThreadState};

/// How long what was ended may take to be gone, files and all, and the time between looks.
const GONE_WITHIN_NS: u64 = 2_000_000_000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// What is known of a program that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// How it ended.
    pub end: ProcessEnd,
    /// CPU time of it and of all that it started, ns.
    pub cpu_ns: u64,
    /// The CPUs that it might run on at its end.
    pub affinity: Vec<u32>,
}

/// A program that was started and not yet reaped. As long as its handle is open its id is no other process's.
struct Started {
    process: OwnedHandle,
    job: Job,
    cpus: Vec<u32>,
    /// CPU time of its threads when somebody last looked: Wine forgets it with them, and its jobs count none.
    seen_ns: AtomicU64,
}

impl Started {
    /// The job counts all that ever were in it, in ticks; the process's cycles are exact, and its own alone.
    fn cpu_ns(&self) -> u64 {
        let of_job = self.job.usage().map_or(0, |usage| usage.cpu_ns);
        of_job.max(cpu_ns_of_process(self.process.as_raw_handle())).max(self.seen_ns.load(Relaxed))
    }

    /// CPU time of all threads that live, ns, and whether all of them sleep.
    fn look(&self) -> (u64, bool) {
        let processes = self.job.processes().unwrap_or_default();
        let threads = processes.iter().flat_map(|&process| {
            threads_of(process).unwrap_or_default().into_iter().map(move |thread| (process, u64::from(thread)))
        });
        threads
            .filter_map(|(process, thread)| thread_usage(process, thread))
            .fold((0, true), |(ns, asleep), usage| (ns + usage.cpu_ns, asleep && usage.state == ThreadState::Sleeping))
    }

    fn affinity(&self) -> io::Result<Vec<u32>> {
        if affinity::groups() > 1 {
            // Its job lets it run nowhere else.
            return Ok(self.cpus.clone());
        }
        affinity::of_process(self.process.as_raw_handle())
    }
}

static STARTED: Mutex<BTreeMap<u32, Arc<Started>>> = Mutex::new(BTreeMap::new());

fn started() -> std::sync::MutexGuard<'static, BTreeMap<u32, Arc<Started>>> {
    STARTED.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn find(child: u32) -> io::Result<Arc<Started>> {
    let not_ours = || io::Error::new(io::ErrorKind::InvalidInput, format!("process {child} is no program of ours"));
    started().get(&child).cloned().ok_or_else(not_ours)
}

/// Starts a program in a job of its own, on the CPUs of this thread, which it does not outlive. It has a console that nobody
/// sees: without one each of its children would open a window.
pub fn start_command(command: &mut Command) -> io::Result<Child> {
    let cpus = affinity::thread_affinity()?;
    let job = Job::that_ends_with_us()?;
    let prepare = |process| {
        job.take_in(process)?;
        process::keep(process, &cpus)
    };
    let child = process::spawn(command, CREATE_NO_WINDOW, prepare, Some(&cpus))?;
    let process = child.as_handle().try_clone_to_owned().inspect_err(|_| job.end(ENDED_BY_US))?;
    let known = Started { process, job, cpus, seen_ns: AtomicU64::new(0) };
    started().insert(child.id(), Arc::new(known));
    Ok(child)
}

/// Returns when that child has ended; it is not yet gone.
pub fn await_end(child: u32) -> io::Result<()> {
    let started = find(child)?;
    // SAFETY: the handle is open.
    match unsafe { WaitForSingleObject(started.process.as_raw_handle(), INFINITE) } {
        WAIT_OBJECT_0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Lets an ended child go, with what it left running, and says what is known of it.
pub fn reap(child: u32) -> io::Result<Reaped> {
    let started = find(child)?;
    let affinity = started.affinity()?;
    let mut code = 0;
    // SAFETY: the handle is open; the call writes one number.
    done(unsafe { GetExitCodeProcess(started.process.as_raw_handle(), &mut code) })?;
    started.job.end(ENDED_BY_US);
    let until_ns = monotonic_ns() + GONE_WITHIN_NS;
    while started.job.usage().is_ok_and(|usage| usage.alive > 0) && monotonic_ns() < until_ns {
        thread::sleep(BETWEEN_LOOKS);
    }
    self::started().remove(&child);
    let end = process::program_end(ExitStatus::from_raw(code));
    Ok(Reaped { end, cpu_ns: started.cpu_ns(), affinity })
}

/// Ends a program started by [`start_command`], and what it started in turn.
pub fn kill_command(child: u32) {
    if let Ok(started) = find(child) {
        started.job.end(ENDED_BY_US);
    }
}

/// Nothing to do: the programs of a worker end with it, whose jobs they are in.
pub fn kill_commands_of(_worker: u32) {}

/// Moves a program, all its threads and all that it started, to that CPU, wherever they are in their work. What it starts
/// meanwhile may be where its maker was before.
pub fn move_command(child: u32, cpu: u32) -> io::Result<()> {
    let started = find(child)?;
    for process in started.job.processes()? {
        match Handle::of_process(process, PROCESS_SET_INFORMATION | PROCESS_QUERY_INFORMATION) {
            Ok(process) => process::keep(process.raw(), &[cpu])?,
            // It ended meanwhile.
            Err(error) if error.raw_os_error() == Some(ERROR_INVALID_PARAMETER as i32) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// CPU time of a program and of what it started, ns, and whether all of them sleep.
pub fn command_usage(child: u32) -> (u64, bool) {
    let Ok(started) = find(child) else { return (0, false) };
    let (seen_ns, asleep) = started.look();
    started.seen_ns.fetch_max(seen_ns, Relaxed);
    (started.cpu_ns(), asleep)
}

#[cfg(test)]
mod tests {
    use super::{super::company, *};
    use crate::platform::{pin_thread, thread_affinity};

    fn shell(line: &str) -> Child {
        start_command(&mut company::shell(line)).expect("starts")
    }

    /// Not a test by itself: what the one below has a shell start, which works until it is ended.
    #[test]
    fn work_until_ended() {
        if std::env::var_os("ODDCORE_TEST_WORK").is_some() {
            loop {
                std::hint::spin_loop();
            }
        }
    }

    #[test]
    fn a_program_inherits_the_cpu_and_tells_it_at_its_end() {
        let cpu = *thread_affinity().expect("readable").last().expect("at least one");
        let reaped = thread::spawn(move || {
            pin_thread(&[cpu]).expect("allowed");
            let child = shell("exit 7").id();
            await_end(child).expect("ours");
            let reaped = reap(child).expect("ours");
            assert!(find(child).is_err(), "it is gone");
            reaped
        });
        let reaped = reaped.join().expect("no panic");
        assert_eq!((reaped.end, reaped.affinity), (ProcessEnd::Exited(7), vec![cpu]));
    }

    #[test]
    fn what_a_program_started_is_counted_and_ends_with_it() {
        let own = std::env::current_exe().expect("a path");
        let line = format!("\"{}\" --exact platform::windows::command::tests::work_until_ended", own.display());
        let mut command = company::shell(&line);
        let child = start_command(command.env("ODDCORE_TEST_WORK", "1")).expect("starts").id();
        let started = find(child).expect("ours");
        let processes = || started.job.processes().expect("readable").len();
        let works = || {
            let (cpu_ns, asleep) = command_usage(child);
            cpu_ns >= 50_000_000 && !asleep && processes() >= 2
        };
        while !works() {
            thread::sleep(Duration::from_millis(10));
        }
        assert!(started.job.usage().expect("readable").alive >= 2);
        kill_command(child);
        await_end(child).expect("ours");
        let reaped = reap(child).expect("ours");
        assert_eq!(reaped.end, ProcessEnd::Signalled(ENDED_BY_US));
        assert!(reaped.cpu_ns >= 50_000_000, "{reaped:?}");
        assert_eq!(started.job.usage().expect("readable").alive, 0);
        assert!(await_end(0).is_err() && reap(std::process::id()).is_err());
        kill_command(0);
    }
}
