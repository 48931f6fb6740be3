//! Windows: the door kept open. What is not there yet says so.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    sync::{LazyLock, atomic::AtomicU64, mpsc::Receiver},
    time::Instant,
};

use super::{ProcessEnd, ThreadUsage};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

fn not_yet<T>(what: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, format!("{what} is not in this version for Windows yet")))
}

/// Not there yet.
pub fn pin_thread(_cpus: &[u32]) -> io::Result<()> {
    not_yet("pinning")
}

/// All CPUs that this process sees.
pub fn thread_affinity() -> io::Result<Vec<u32>> {
    Ok((0..std::thread::available_parallelism()?.get() as u32).collect())
}

/// Not there yet.
pub fn keep_process_on(_cpus: &[u32]) -> io::Result<()> {
    not_yet("pinning")
}

/// Not there yet.
pub fn current_cpu() -> Option<u32> {
    None
}

/// Takes a driver.
pub fn read_msr(_cpu: u32, _register: u32) -> io::Result<u64> {
    not_yet("reading model-specific registers")
}

/// Not there yet: zero.
pub fn thread_cpu_ns() -> u64 {
    0
}

/// Sleeps until then on the monotonic clock.
pub fn sleep_until(at_ns: u64) {
    std::thread::sleep(std::time::Duration::from_nanos(at_ns.saturating_sub(monotonic_ns())));
}

/// Not there yet.
pub fn wake_on_time() -> io::Result<()> {
    Ok(())
}

/// Sleeps while the word is `value`, at most so long; may return before.
pub fn wait_while(word: &AtomicU64, value: u64, timeout_ns: u64) {
    if word.load(std::sync::atomic::Ordering::Acquire) == value {
        std::thread::sleep(std::time::Duration::from_nanos(timeout_ns.min(1_000_000)));
    }
}

/// Not there yet: who waits looks again by itself.
pub fn wake_all(_word: &AtomicU64) {}

/// Not there yet: zero.
pub fn process_cpu_ns() -> u64 {
    0
}

/// Not there yet.
pub fn move_thread(_thread: u64, _cpu: u32) -> io::Result<()> {
    not_yet("a migrated thread")
}

/// Not told: nobody can say that a thread which is not pinned stayed where it was.
pub fn context_switches() -> Option<u64> {
    None
}

/// Windows does not tell how long a thread had no CPU.
pub struct Starved;

impl Starved {
    /// Of the thread that calls.
    pub fn open() -> Self {
        Self
    }

    /// Always 0: not told.
    pub fn ns(&self) -> u64 {
        0
    }
}

/// Since this process first asked, ns.
pub fn monotonic_ns() -> u64 {
    START.elapsed().as_nanos() as u64
}

/// Windows does not say whether it still lives.
pub fn parent_id() -> Option<u32> {
    None
}

/// Not there yet: zero.
pub fn thread_id() -> u64 {
    0
}

/// Not there yet.
pub fn thread_usage(_process: u32, _thread: u64) -> Option<ThreadUsage> {
    None
}

/// Not there yet.
pub fn spawn_pinned(_command: &mut Command, _cpus: &[u32]) -> io::Result<Child> {
    not_yet("a pinned worker")
}

/// Not there yet.
pub fn shell_objects(_line: &str) -> Option<String> {
    Some("a program beside the test is not in this version for Windows yet".into())
}

/// Not there yet.
pub fn spawn_keeper(_command: &mut Command, _cpus: &[u32], _output: fs::File) -> io::Result<Child> {
    not_yet("a program beside the test")
}

/// Not there yet.
pub fn keep(_line: &str) -> io::Result<ProcessEnd> {
    not_yet("a program beside the test")
}

/// Not there yet.
pub fn hear_keeper(_said: impl io::Read + Send + 'static) -> io::Result<Receiver<ProcessEnd>> {
    not_yet("a program beside the test")
}

/// How a process ended.
pub fn process_end(status: ExitStatus) -> ProcessEnd {
    ProcessEnd::Exited(status.code().unwrap_or(-1))
}

/// Windows has no signals.
pub fn signal_name(signal: i32) -> String {
    format!("exception {signal:#x}")
}

/// A drill: reads through a pointer to nowhere.
pub fn wild_pointer() {
    let nowhere = std::hint::black_box(0x10_usize) as *const u64;
    // SAFETY: none: the address is never mapped, and the fault that the read raises is what the drill is for.
    let value = unsafe { nowhere.read_volatile() };
    std::hint::black_box(value);
}

/// A drill: an instruction that no CPU knows.
pub fn illegal_instruction() {
    // SAFETY: none: ud2 raises the fault that the drill is for.
    unsafe { std::arch::asm!("ud2", options(nomem, nostack)) }
}

/// Nothing to do yet.
pub fn exit_two_on_fatal_signals() -> io::Result<()> {
    Ok(())
}

/// A panic of the supervisor ends it with exit code 2.
pub fn exit_two_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("oddcore: a defect of this program: {panic}");
        std::process::exit(2);
    }));
}

/// Where this user's programs keep what they must remember.
pub fn state_dir() -> Option<PathBuf> {
    std::env::var_os("LOCALAPPDATA").map(|dir| PathBuf::from(dir).join("oddcore"))
}

/// Makes a folder and its parents; it must not be there yet.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::create_dir(path)
}

/// Makes a file to append to; it must not be there yet. A user's own folder is private there already.
pub fn create_private_file(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().append(true).create_new(true).open(path)
}

/// An open file keeps its name on Windows.
pub fn is_same_file(_file: &fs::File, _other: &fs::Metadata) -> io::Result<bool> {
    Ok(true)
}

/// Calls `stop` with what asked for it, from now on, when the user wants this program to end.
pub fn on_stop_request(stop: impl Fn(&str) + Send + 'static) -> io::Result<()> {
    ctrlc::set_handler(move || stop("Ctrl-C")).map_err(io::Error::other)
}

/// Windows has no such limit.
pub fn survive_full_files() {}

/// Windows has no such call.
pub fn sync_dir(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Not there yet.
pub struct SharedWords(Vec<AtomicU64>);

impl SharedWords {
    /// Not there yet.
    pub fn create(_words: usize) -> io::Result<Self> {
        not_yet("shared memory")
    }

    /// Not there yet.
    pub fn handle(&self) -> String {
        String::new()
    }

    /// Not there yet.
    pub fn open(_handle: &str) -> io::Result<Self> {
        not_yet("shared memory")
    }

    /// The words.
    pub fn words(&self) -> &[AtomicU64] {
        &self.0
    }
}

/// Exceptions, not there yet.
pub mod crash {
    use std::{io, sync::atomic::AtomicU64};

    /// Words of a record.
    pub const CRASH_WORDS: usize = 32;

    /// What a handler wrote.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Crash {
        /// The exception.
        pub signal: i32,
        /// Who sent it.
        pub sender_pid: u32,
        /// The CPU.
        pub cpu: u32,
    }

    impl Crash {
        /// Raised for what the thread did.
        pub fn by_kernel(&self) -> bool {
            true
        }

        /// Sent by the process to itself.
        pub fn by_self(&self, _pid: u32) -> bool {
            false
        }

        /// The exception's name.
        pub fn signal_name(&self) -> String {
            super::signal_name(self.signal)
        }

        /// One line.
        pub fn describe(&self) -> String {
            self.signal_name()
        }
    }

    /// Not there yet.
    pub fn install() -> io::Result<()> {
        super::not_yet("the exception handler")
    }

    /// Not there yet.
    pub fn adopt_thread(_record: &'static [AtomicU64]) -> io::Result<()> {
        super::not_yet("the exception handler")
    }

    /// Not there yet.
    pub fn read(_record: &[AtomicU64]) -> Option<Crash> {
        None
    }
}
