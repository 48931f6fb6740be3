//! Linux.

use std::{
    fs,
    io::{self, Write},
    mem::{self, MaybeUninit},
    os::unix::{
        fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt},
        process::{CommandExt, ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    sync::atomic::AtomicU64,
};

use super::{ProcessEnd, ThreadState, ThreadUsage};

/// Words of an affinity mask: room for 65,536 CPUs, eight times what Linux can be built for.
const MASK_WORDS: usize = 1024;

/// An affinity mask of any size; `cpu_set_t` ends at 1,024 CPUs.
#[derive(Clone)]
struct Mask(Box<[u64; MASK_WORDS]>);

impl Mask {
    fn of(cpus: &[u32]) -> io::Result<Self> {
        let mut words = Box::new([0u64; MASK_WORDS]);
        for &cpu in cpus {
            let word = words.get_mut(cpu as usize / 64);
            let word = word.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("CPU {cpu}")))?;
            *word |= 1 << (cpu % 64);
        }
        Ok(Self(words))
    }

    /// Async-signal-safe: nothing but the system call.
    fn apply(&self, thread: u64) -> io::Result<()> {
        // SAFETY: the pointer and the length describe the mask, which outlives the call and is only read.
        let result =
            unsafe { libc::syscall(libc::SYS_sched_setaffinity, thread, mem::size_of_val(&*self.0), self.0.as_ptr()) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

fn cpus_of(words: &[u64]) -> Vec<u32> {
    let words = (0..).zip(words).filter(|(_, word)| **word != 0);
    words.flat_map(|(at, word)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit)).collect()
}

/// Pins this thread to `cpus` and reads the affinity back.
pub fn pin_thread(cpus: &[u32]) -> io::Result<()> {
    Mask::of(cpus)?.apply(0)?;
    let (got, mut wanted) = (thread_affinity()?, cpus.to_vec());
    wanted.sort_unstable();
    wanted.dedup();
    if got == wanted {
        Ok(())
    } else {
        Err(io::Error::other(format!("asked for CPUs {wanted:?}, the OS gave {got:?}")))
    }
}

/// Moves another thread of this process, wherever it is in its work.
pub fn move_thread(thread: u64, cpu: u32) -> io::Result<()> {
    Mask::of(&[cpu])?.apply(thread)
}

/// How often this thread has left its CPU, of its own will or not: as long as this stays the same, it has not been elsewhere.
pub fn context_switches() -> Option<u64> {
    // SAFETY: a zeroed rusage is a valid one, and the call only writes to it.
    let usage = unsafe {
        let mut usage: libc::rusage = mem::zeroed();
        (libc::getrusage(libc::RUSAGE_THREAD, &mut usage) == 0).then_some(usage)?
    };
    u64::try_from(usage.ru_nvcsw.wrapping_add(usage.ru_nivcsw)).ok()
}

/// The CPUs that this thread may run on, ascending.
pub fn thread_affinity() -> io::Result<Vec<u32>> {
    affinity_of(0)
}

/// The same of another thread, or of a process's first, even one that has ended and is not reaped; 0 is this thread.
pub fn affinity_of(thread: u32) -> io::Result<Vec<u32>> {
    // Not cleared: nobody would see what goes wrong in words that are written next, or never read.
    let mut words = Box::<[u64; MASK_WORDS]>::new_uninit();
    let room = mem::size_of::<[u64; MASK_WORDS]>();
    // SAFETY: the pointer and the length describe the words, which the kernel fills at most.
    let written = unsafe { libc::syscall(libc::SYS_sched_getaffinity, thread, room, words.as_mut_ptr()) };
    let filled = usize::try_from(written).map_err(|_| io::Error::last_os_error())? / mem::size_of::<u64>();
    // SAFETY: the kernel has filled so many, and no more than there are.
    Ok(cpus_of(unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), filled) }))
}

/// The CPUs that threads of this process may be given.
pub fn allowed_cpus() -> io::Result<Vec<u32>> {
    thread_affinity()
}

/// Keeps every thread of this process, and those to come from them, on `cpus`.
pub fn keep_process_on(cpus: &[u32]) -> io::Result<()> {
    let mask = Mask::of(cpus)?;
    for task in fs::read_dir("/proc/self/task")?.flatten() {
        if let Some(thread) = task.file_name().to_str().and_then(|name| name.parse().ok()) {
            mask.apply(thread)?;
        }
    }
    Ok(())
}

/// The CPU that this thread is on.
pub fn current_cpu() -> Option<u32> {
    // SAFETY: no arguments, no memory.
    u32::try_from(unsafe { libc::sched_getcpu() }).ok()
}

/// A model-specific register of a CPU; takes root and the kernel's msr module.
pub fn read_msr(cpu: u32, register: u32) -> io::Result<u64> {
    let mut bytes = [0; 8];
    fs::File::open(format!("/dev/cpu/{cpu}/msr"))?.read_exact_at(&mut bytes, u64::from(register))?;
    Ok(u64::from_le_bytes(bytes))
}

fn clock_ns(id: rustix::time::ClockId) -> u64 {
    let time = rustix::time::clock_gettime(id);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// CPU time of this thread, ns.
pub fn thread_cpu_ns() -> u64 {
    clock_ns(rustix::time::ClockId::ThreadCPUTime)
}

/// CPU time of this process, all its threads, ns.
pub fn process_cpu_ns() -> u64 {
    clock_ns(rustix::time::ClockId::ProcessCPUTime)
}

/// The monotonic clock, the same in all processes, ns.
pub fn monotonic_ns() -> u64 {
    clock_ns(rustix::time::ClockId::Monotonic)
}

/// Time for spans of some microseconds on one CPU, ns.
pub fn fine_ns() -> u64 {
    monotonic_ns()
}

/// Sleeps until then on the monotonic clock; a signal does not end it.
pub fn sleep_until(at_ns: u64) {
    let at = rustix::time::Timespec { tv_sec: (at_ns / 1_000_000_000) as i64, tv_nsec: (at_ns % 1_000_000_000) as _ };
    while let Err(rustix::io::Errno::INTR) =
        rustix::thread::clock_nanosleep_absolute(rustix::thread::ClockId::Monotonic, &at)
    {}
}

/// This thread's sleeps end as soon after their time as the OS can: it may not gather wake-ups.
pub fn wake_on_time() -> io::Result<()> {
    Ok(rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))?)
}

/// Sleeps while the word's lower half is `value`'s, at most so long; may return before.
pub fn wait_while(word: &AtomicU64, value: u64, timeout_ns: u64) {
    let timeout =
        libc::timespec { tv_sec: (timeout_ns / 1_000_000_000) as _, tv_nsec: (timeout_ns % 1_000_000_000) as _ };
    // SAFETY: the kernel reads four aligned bytes at the word, which the reference keeps alive, and the time.
    unsafe { libc::syscall(libc::SYS_futex, lower_half(word), libc::FUTEX_WAIT, value as u32, &raw const timeout) };
}

/// Wakes all, of any process, that wait at this word.
pub fn wake_all(word: &AtomicU64) {
    // SAFETY: the kernel takes the word's address and reads nothing.
    unsafe { libc::syscall(libc::SYS_futex, lower_half(word), libc::FUTEX_WAKE, i32::MAX) };
}

/// Where the lower half of a word is.
fn lower_half(word: &AtomicU64) -> *mut u32 {
    word.as_ptr().cast::<u32>().wrapping_add(usize::from(cfg!(target_endian = "big")))
}

/// The process that started this one, or whoever took its place after its end.
pub fn parent_id() -> Option<u32> {
    Some(std::os::unix::process::parent_id())
}

/// The OS's id of this thread.
pub fn thread_id() -> u64 {
    rustix::thread::gettid().as_raw_nonzero().get() as u64
}

/// State and CPU time of a thread of another process; `None` if it is no more.
pub fn thread_usage(process: u32, thread: u64) -> Option<ThreadUsage> {
    let stat = fs::read_to_string(format!("/proc/{process}/task/{thread}/stat")).ok()?;
    // The name in parentheses may hold anything, parentheses too.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let state = match *fields.first()? {
        // D is a wait for a disk or a page, which ends by itself.
        "R" | "D" => ThreadState::Running,
        "T" | "t" => ThreadState::Stopped,
        "Z" | "X" => ThreadState::Gone,
        _ => ThreadState::Sleeping,
    };
    let schedstat = fs::read_to_string(format!("/proc/{process}/task/{thread}/schedstat")).ok();
    let exact = schedstat.and_then(|text| text.split_whitespace().next()?.parse().ok());
    // utime and stime, in ticks of 10 ms on every Linux of ours.
    let ticks = || Some((fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?) * 10_000_000);
    Some(ThreadUsage { state, cpu_ns: exact.or_else(ticks)? })
}

/// How long this thread was ready to run and had no CPU, where the OS tells (`/proc/thread-self/schedstat`).
pub struct Starved(Option<fs::File>);

impl Starved {
    /// Of the thread that calls.
    pub fn open() -> Self {
        Self(fs::File::open("/proc/thread-self/schedstat").ok())
    }

    /// Since the thread began, ns; 0 where the OS does not tell. Takes no memory.
    pub fn ns(&self) -> u64 {
        // Not cleared: nobody would see what goes wrong in bytes that are written next.
        let mut bytes = [MaybeUninit::uninit(); 96];
        let read = self.0.as_ref().and_then(|file| rustix::io::pread(file, &mut bytes, 0).ok());
        let text = read.and_then(|(read, _)| std::str::from_utf8(read).ok()).unwrap_or_default();
        text.split_whitespace().nth(1).and_then(|ns| ns.parse().ok()).unwrap_or(0)
    }
}

/// Starts a process that is on `cpus` from before its first instruction.
pub fn spawn_pinned(command: &mut Command, cpus: &[u32]) -> io::Result<Child> {
    let mask = Mask::of(cpus)?;
    // SAFETY: between fork and exec the closure makes one system call on memory made before the fork; nothing allocates.
    unsafe { command.pre_exec(move || mask.apply(0)) };
    command.spawn()
}

/// How a process ended.
pub fn process_end(status: ExitStatus) -> ProcessEnd {
    match status.signal() {
        Some(signal) => ProcessEnd::Signalled(signal),
        None => ProcessEnd::Exited(status.code().unwrap_or(-1)),
    }
}

/// `SIGSEGV` and the like.
pub fn signal_name(signal: i32) -> String {
    let names = [
        (libc::SIGHUP, "SIGHUP"),
        (libc::SIGINT, "SIGINT"),
        (libc::SIGQUIT, "SIGQUIT"),
        (libc::SIGILL, "SIGILL"),
        (libc::SIGTRAP, "SIGTRAP"),
        (libc::SIGABRT, "SIGABRT"),
        (libc::SIGBUS, "SIGBUS"),
        (libc::SIGFPE, "SIGFPE"),
        (libc::SIGKILL, "SIGKILL"),
        (libc::SIGSEGV, "SIGSEGV"),
        (libc::SIGPIPE, "SIGPIPE"),
        (libc::SIGTERM, "SIGTERM"),
        (libc::SIGSYS, "SIGSYS"),
    ];
    names.iter().find(|(number, _)| *number == signal).map_or_else(|| format!("signal {signal}"), |(_, n)| (*n).into())
}

/// The signal that nothing withstands.
pub const KILLED: i32 = libc::SIGKILL;

/// Whether a program earns this signal by its own instructions.
pub fn is_earned(signal: i32) -> bool {
    use libc::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
    [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS].contains(&signal)
}

/// Whether a person, a program or the system ends others by this signal.
pub fn is_from_outside(signal: i32) -> bool {
    [libc::SIGKILL, libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM].contains(&signal)
}

/// Whether this is also how the OS tells of broken memory.
pub fn may_be_broken_memory(signal: i32) -> bool {
    signal == libc::SIGBUS
}

/// A drill: reads through a pointer to nowhere, so that the real handler does its work.
pub fn wild_pointer() {
    let nowhere = std::hint::black_box(0x10_usize) as *const u64;
    // SAFETY: none: the address is never mapped, and the fault that the read raises is what the drill is for.
    let value = unsafe { nowhere.read_volatile() };
    std::hint::black_box(value);
}

/// A drill: an instruction that no CPU knows.
pub fn illegal_instruction() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: none: ud2 raises the fault that the drill is for.
    unsafe {
        std::arch::asm!("ud2", options(nomem, nostack))
    }
    #[cfg(not(target_arch = "x86_64"))]
    std::process::abort();
}

/// A fatal signal of the supervisor ends it with exit code 2, as any other thing it could not do.
pub fn exit_two_on_fatal_signals() -> io::Result<()> {
    extern "C" fn leave(_: libc::c_int) {
        const LINE: &[u8] =
            b"oddcore: the supervisor itself was hit by a fatal signal; the run is void, no core is blamed\n";
        // SAFETY: write and _exit are async-signal-safe; the line is static.
        unsafe {
            libc::write(2, LINE.as_ptr().cast(), LINE.len());
            libc::_exit(2);
        }
    }
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGABRT, libc::SIGSYS]
    {
        // SAFETY: a zeroed sigaction is a valid one; the handler is async-signal-safe. Rust gives every thread an alternate
        // stack of its own.
        let result = unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = leave as extern "C" fn(libc::c_int) as usize;
            action.sa_flags = libc::SA_ONSTACK | libc::SA_RESETHAND;
            libc::sigaction(signal, &action, std::ptr::null_mut())
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Calls `stop` with what asked for it, from now on, when the user or the system wants this program to end. Of a terminal that
/// closes nothing is heard where the program was started to outlive it (as by nohup).
pub fn on_stop_request(stop: impl Fn(&str) + Send + 'static) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut wanted = vec![SIGINT, SIGTERM];
    if !is_ignored(SIGHUP)? {
        wanted.push(SIGHUP);
    }
    let mut signals = signal_hook::iterator::Signals::new(wanted)?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            stop(match signal {
                SIGINT => "Ctrl-C",
                SIGHUP => "SIGHUP: the terminal was closed",
                _ => "SIGTERM: the system or another program wants it to end",
            });
        }
    })?;
    Ok(())
}

fn is_ignored(signal: libc::c_int) -> io::Result<bool> {
    // SAFETY: a zeroed sigaction is a valid one, and the call only writes to it.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        if libc::sigaction(signal, std::ptr::null(), &mut action) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(action.sa_sigaction == libc::SIG_IGN)
    }
}

/// A file that may not grow any more is an error of the write, not the end of the program.
pub fn survive_full_files() {
    // SAFETY: ignoring a signal installs no code.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// A panic of the supervisor ends it with exit code 2, whichever thread it was.
pub fn exit_two_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let _ = writeln!(io::stderr(), "oddcore: a defect of this program: {panic}");
        std::process::exit(2);
    }));
}

/// Where this user's programs keep what they must remember.
pub fn state_dir() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("oddcore"))
}

/// Makes a folder that only this user can enter, and its parents; it must not be there yet.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.is_dir()) {
        match create_private_dir(parent) {
            // Another run was as quick.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && parent.is_dir() => {}
            made => made?,
        }
    }
    fs::DirBuilder::new().mode(0o700).create(path)?;
    unless_modeless(fs::set_permissions(path, fs::Permissions::from_mode(0o700)))
}

/// Makes a file to append to that only this user can read; it must not be there yet.
pub fn create_private_file(path: &Path) -> io::Result<fs::File> {
    let file = fs::OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
    unless_modeless(file.set_permissions(fs::Permissions::from_mode(0o600)))?;
    Ok(file)
}

/// What is made has its mode less what the umask takes away, which may be the user's own rights; so it is set once more. A
/// file system without modes (FAT) refuses that even for what is ours.
fn unless_modeless(set: io::Result<()>) -> io::Result<()> {
    set.or_else(|error| if error.kind() == io::ErrorKind::PermissionDenied { Ok(()) } else { Err(error) })
}

/// Opens a file that is there to append to.
pub fn open_to_append(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().append(true).open(path)
}

/// Locks a file against everybody else who would lock it; who reads it is not held up.
pub fn try_lock(file: &fs::File) -> Result<(), fs::TryLockError> {
    file.try_lock()
}

/// Whether an open file is the one at `path`.
pub fn is_same_file(file: &fs::File, path: &Path) -> io::Result<bool> {
    let (own, other) = (file.metadata()?, fs::metadata(path)?);
    Ok((own.dev(), own.ino()) == (other.dev(), other.ino()))
}

/// Returns when the names in a folder are on the disk.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_pinned_where_it_was_asked_to_be() {
        for cpu in thread_affinity().expect("readable") {
            std::thread::spawn(move || {
                pin_thread(&[cpu]).expect("allowed");
                assert_eq!(current_cpu(), Some(cpu));
            })
            .join()
            .expect("no panic");
        }
        assert!(pin_thread(&[65_000]).is_err());
        assert!(pin_thread(&[1 << 30]).is_err());
    }

    #[test]
    fn private_things_are_made_once_and_for_us_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o7777;
        let (parent, own) = (folder.path().join("runs"), folder.path().join("runs/own"));
        create_private_dir(&own).expect("writable");
        let file = own.join("journal");
        create_private_file(&file).expect("writable").write_all(b"x").expect("writable");
        assert_eq!((mode(&parent), mode(&own), mode(&file)), (0o700, 0o700, 0o600));
        let again = (create_private_dir(&own), create_private_file(&file));
        assert!(matches!(again, (Err(a), Err(b)) if [a.kind(), b.kind()] == [io::ErrorKind::AlreadyExists; 2]));
        let elsewhere = own.join("link");
        std::os::unix::fs::symlink(own.join("target"), &elsewhere).expect("writable");
        assert!(create_private_file(&elsewhere).is_err(), "a link is not followed");
    }

    #[test]
    fn a_spawned_process_is_pinned() {
        let cpu = *thread_affinity().expect("readable").last().expect("at least one");
        let mut child = Command::new("grep");
        child.args(["Cpus_allowed_list", "/proc/self/status"]).stdout(std::process::Stdio::piped());
        let output = spawn_pinned(&mut child, &[cpu]).expect("starts").wait_with_output().expect("ends");
        assert_eq!(String::from_utf8_lossy(&output.stdout).split_whitespace().last(), Some(cpu.to_string().as_str()));
    }

    #[test]
    fn a_sleeper_and_a_stopped_process_are_told_apart() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("starts");
        let state = |wanted| {
            (0..500).any(|_| {
                std::thread::sleep(std::time::Duration::from_millis(10));
                thread_usage(child.id(), u64::from(child.id())).is_some_and(|usage| usage.state == wanted)
            })
        };
        assert!(state(ThreadState::Sleeping));
        // SAFETY: signals to a child of ours.
        unsafe { libc::kill(child.id() as i32, libc::SIGSTOP) };
        assert!(state(ThreadState::Stopped));
        child.kill().expect("ours");
        child.wait().expect("ours");
        assert_eq!(thread_usage(child.id(), u64::from(child.id())), None);
    }
}
