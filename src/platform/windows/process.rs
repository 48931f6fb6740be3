//! Processes on Windows: a worker is on its CPUs before its first instruction, and does not outlive a supervisor that dies
//! before it can look after itself.

use std::{
    io, mem,
    os::windows::{io::AsRawHandle, process::CommandExt},
    process::{Child, Command, ExitStatus},
    ptr::null_mut,
    sync::LazyLock,
};

use windows_sys::{
    Wdk::System::Threading::{NtQueryInformationProcess, ProcessBasicInformation},
    Win32::{
        Foundation::{ERROR_NO_MORE_FILES, HANDLE, WAIT_TIMEOUT},
        System::{
            Diagnostics::ToolHelp::{
                CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
            },
            Threading::{
                CREATE_NO_WINDOW, CREATE_SUSPENDED, DETACHED_PROCESS, GetCurrentProcess, PROCESS_BASIC_INFORMATION,
                PROCESS_SYNCHRONIZE, ResumeThread, THREAD_QUERY_INFORMATION, THREAD_SET_INFORMATION,
                THREAD_SUSPEND_RESUME, WaitForSingleObject,
            },
        },
    },
};

use super::{
    affinity,
    handle::{Handle, done},
    job::Job,
};
use crate::platform::ProcessEnd;

/// What a process that another one ended by force has for an exit code: Rust's `kill`, `taskkill /F` and the Task Manager alike.
const ENDED_BY_FORCE: i32 = 1;

/// The ids of a process's threads.
pub fn threads_of(process: u32) -> io::Result<Vec<u32>> {
    // SAFETY: numbers.
    let snapshot = Handle::made(unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0) })?;
    let mut entry = THREADENTRY32 { dwSize: mem::size_of::<THREADENTRY32>() as u32, ..Default::default() };
    let mut found = Vec::new();
    // SAFETY: the handle is open, and the structure says its own size.
    let mut more = done(unsafe { Thread32First(snapshot.raw(), &mut entry) });
    while more.is_ok() {
        if entry.th32OwnerProcessID == process {
            found.push(entry.th32ThreadID);
        }
        // SAFETY: as above.
        more = done(unsafe { Thread32Next(snapshot.raw(), &mut entry) });
    }
    match more {
        Err(error) if error.raw_os_error() != Some(ERROR_NO_MORE_FILES as i32) => Err(error),
        _ => Ok(found),
    }
}

/// The job that this process and all that it starts are in, from their making; `None` where this process may be in no other job
/// than the one it is in (Windows before 8).
///
/// A job ends all that are in it with its last handle. This process has one, and each worker is given another before it begins:
/// so a worker that was made and not let go yet dies with its supervisor, and those that run see by their pipes that it is gone,
/// leave word, and end by themselves.
static FAMILY: LazyLock<Option<Job>> = LazyLock::new(|| {
    let job = Job::that_ends_with_us().ok()?;
    job.take_us_in().ok().map(|()| job)
});

/// Starts a process that is on `cpus` from before its first instruction, without a console, so that nothing that a console
/// hears reaches it.
pub fn spawn_pinned(command: &mut Command, cpus: &[u32]) -> io::Result<Child> {
    affinity::group_mask(cpus)?;
    spawn(
        command,
        DETACHED_PROCESS,
        |process| {
            keep(process, cpus)?;
            with_family(process)
        },
        Some(cpus),
    )
}

/// Starts a process of ours that may run wherever this one may, with a console of its own that nobody sees.
pub fn spawn_free(command: &mut Command) -> io::Result<Child> {
    spawn(command, CREATE_NO_WINDOW, with_family, None)
}

fn with_family(process: HANDLE) -> io::Result<()> {
    FAMILY.as_ref().map_or(Ok(()), |job| job.give_to(process))
}

/// Starts a process with these flags; before its first instruction `prepare` has seen it, and its thread is on `cpus`.
pub fn spawn(
    command: &mut Command,
    flags: u32,
    prepare: impl FnOnce(HANDLE) -> io::Result<()>,
    cpus: Option<&[u32]>,
) -> io::Result<Child> {
    // Made before the child is, so that it is born into it.
    LazyLock::force(&FAMILY);
    command.creation_flags(CREATE_SUSPENDED | flags);
    let mut child = command.spawn()?;
    let started = prepare(child.as_raw_handle()).and_then(|()| resume(child.id(), cpus));
    if let Err(error) = started {
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    Ok(child)
}

/// Keeps a process with all its threads, those to come too, on `cpus`.
pub fn keep(process: HANDLE, cpus: &[u32]) -> io::Result<()> {
    if affinity::groups() == 1 {
        return affinity::keep_other_process_on(process, cpus);
    }
    // A mask of the process cannot leave its group, a job's can. The job stays as long as the process.
    Job::on(cpus)?.take_in(process)
}

/// Lets the one thread of a process go that was started suspended, pinned if it is to be.
fn resume(process: u32, cpus: Option<&[u32]>) -> io::Result<()> {
    let threads = threads_of(process)?;
    if threads.is_empty() {
        return Err(io::Error::other("the new process has no thread"));
    }
    for thread in threads {
        let access = THREAD_SUSPEND_RESUME | THREAD_SET_INFORMATION | THREAD_QUERY_INFORMATION;
        let thread = Handle::of_thread(thread, access)?;
        cpus.map_or(Ok(()), |cpus| affinity::pin(thread.raw(), cpus))?;
        // SAFETY: the handle is open.
        if unsafe { ResumeThread(thread.raw()) } == u32::MAX {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// How a process ended.
pub fn process_end(status: ExitStatus) -> ProcessEnd {
    match status.code().unwrap_or(-1) {
        ENDED_BY_FORCE => ProcessEnd::Signalled(ENDED_BY_FORCE),
        code if is_status_of_an_error(code) => ProcessEnd::Signalled(code),
        code => ProcessEnd::Exited(code),
    }
}

/// Whether the code is one that the kernel gives, with the two highest bits set.
fn is_status_of_an_error(code: i32) -> bool {
    code as u32 >> 30 == 3
}

/// How a program of the user's ended. Any code may be its own, so only those count as exceptions that are known as such: what
/// ends with -1 says so. One that the Task Manager ends looks like one that ended with 1.
pub fn program_end(status: ExitStatus) -> ProcessEnd {
    match status.code().unwrap_or(-1) {
        code if is_earned(code) || is_from_outside(code) => ProcessEnd::Signalled(code),
        code => ProcessEnd::Exited(code),
    }
}

/// What a program earns by its own instructions.
const EARNED: [(u32, &str); 15] = [
    (0xc000_0005, "access violation"),
    (0xc000_0006, "in-page error"),
    (0xc000_001d, "illegal instruction"),
    (0xc000_0025, "noncontinuable exception"),
    (0xc000_008e, "float divide by zero"),
    (0xc000_0090, "float invalid operation"),
    (0xc000_0094, "integer divide by zero"),
    (0xc000_0095, "integer overflow"),
    (0xc000_0096, "privileged instruction"),
    (0xc000_00fd, "stack overflow"),
    (0xc000_0374, "heap corruption"),
    (0xc000_0409, "fast fail"),
    (0x8000_0003, "breakpoint"),
    (0xe043_4352, "unhandled .NET exception"),
    (0xe06d_7363, "unhandled C++ exception"),
];

/// What a program is ended by: a console's Ctrl-C or Ctrl-Break, a debugger or the end of a session, and the lack of memory.
const FROM_OUTSIDE: [(u32, &str); 6] = [
    (CONTROL_C, "Ctrl-C"),
    (0x4001_0004, "ended by the debugger or the system"),
    (0xc000_026b, "the session ends"),
    (0xc000_0017, "no memory"),
    (0xc000_012d, "no memory to commit"),
    (0xc000_009a, "no resources"),
];
/// What a program that Ctrl-C ended has for an exit code, and one that we end.
const CONTROL_C: u32 = 0xc000_013a;
/// See [`CONTROL_C`].
pub const ENDED_BY_US: i32 = CONTROL_C as i32;
/// The end of a process that was ended and told nothing.
pub const KILLED: i32 = ENDED_BY_FORCE;

/// `access violation (0xc0000005)` and the like.
pub fn signal_name(signal: i32) -> String {
    let code = signal as u32;
    if signal == ENDED_BY_FORCE {
        return "TerminateProcess".into();
    }
    let known = EARNED.iter().chain(&FROM_OUTSIDE).find(|(known, _)| *known == code);
    let name = known.map_or("exception", |(_, name)| name);
    format!("{name} ({code:#x})")
}

/// Whether a program earns this by its own instructions; the end of a session or of memory is nobody's doing.
pub fn is_earned(signal: i32) -> bool {
    EARNED.iter().any(|(code, _)| *code == signal as u32)
}

/// Whether somebody or something else ends a program like this.
pub fn is_from_outside(signal: i32) -> bool {
    FROM_OUTSIDE.iter().any(|(code, _)| *code == signal as u32)
}

/// Whether this is also how the OS tells of broken memory or of a disk that cannot be read.
pub fn may_be_broken_memory(signal: i32) -> bool {
    signal as u32 == 0xc000_0006
}

/// The process that started this one.
static PARENT: LazyLock<Option<(u32, Handle)>> = LazyLock::new(|| {
    let mut told = PROCESS_BASIC_INFORMATION::default();
    let size = mem::size_of_val(&told) as u32;
    // SAFETY: a constant that stands for this process; the pointer and the size are those of the structure.
    let status = unsafe {
        NtQueryInformationProcess(
            GetCurrentProcess(),
            ProcessBasicInformation,
            (&raw mut told).cast(),
            size,
            null_mut(),
        )
    };
    let id = u32::try_from(told.InheritedFromUniqueProcessId).ok().filter(|_| status >= 0)?;
    Some((id, Handle::of_process(id, PROCESS_SYNCHRONIZE).ok()?))
});

/// The process that started this one, as long as it lives. Its id may then be given to another, so it is held on to from the
/// first call on.
pub fn parent_id() -> Option<u32> {
    let (id, handle) = PARENT.as_ref()?;
    // SAFETY: open for ever.
    (unsafe { WaitForSingleObject(handle.raw(), 0) } == WAIT_TIMEOUT).then_some(*id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::{thread_affinity, thread_id};

    /// Not a test by itself: the child of the one below, which says where it is.
    #[test]
    fn say_where() {
        if std::env::var_os("ODDCORE_TEST_SAY_WHERE").is_some() {
            println!("on {:?} of {:?}", thread_affinity().expect("readable"), parent_id().expect("it lives"));
        }
    }

    #[test]
    fn a_spawned_process_is_pinned_and_knows_its_parent() {
        let cpu = *affinity::allowed_cpus().expect("readable").last().expect("at least one");
        let mut child = Command::new(std::env::current_exe().expect("a path"));
        child.args(["--exact", "platform::windows::process::tests::say_where", "--test-threads=1", "--nocapture"]);
        child.env("ODDCORE_TEST_SAY_WHERE", "1").stdout(std::process::Stdio::piped());
        let output = spawn_pinned(&mut child, &[cpu]).expect("starts").wait_with_output().expect("ends");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(&format!("on [{cpu}] of {}", std::process::id())), "{said}");
    }

    #[test]
    fn exit_codes_tell_exceptions_from_force() {
        use std::os::windows::process::ExitStatusExt;
        let end = |code: u32| process_end(ExitStatus::from_raw(code));
        assert_eq!(end(0xc000_0005), ProcessEnd::Signalled(0xc000_0005_u32 as i32));
        assert_eq!((end(1), end(3)), (ProcessEnd::Signalled(1), ProcessEnd::Exited(3)));
        assert_eq!(signal_name(0xc000_001d_u32 as i32), "illegal instruction (0xc000001d)");
        assert!(is_earned(0xc000_0005_u32 as i32) && !is_earned(1) && !is_earned(ENDED_BY_US));
        let of_a_program = |code: u32| program_end(ExitStatus::from_raw(code));
        assert_eq!(of_a_program(0x8000_0003), ProcessEnd::Signalled(0x8000_0003_u32 as i32));
        assert_eq!(of_a_program(CONTROL_C), ProcessEnd::Signalled(ENDED_BY_US));
        assert_eq!((of_a_program(u32::MAX), of_a_program(1)), (ProcessEnd::Exited(-1), ProcessEnd::Exited(1)));
        assert_eq!(signal_name(ENDED_BY_US), "Ctrl-C (0xc000013a)");
        assert!(is_from_outside(ENDED_BY_US) && !is_from_outside(1));
        assert!(threads_of(std::process::id()).expect("readable").contains(&(thread_id() as u32)));
    }
}
