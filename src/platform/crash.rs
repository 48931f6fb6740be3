//! The handler of fatal signals of a worker. It writes what happened to the thread's slot, in memory that the supervisor
//! owns, and lets the signal take its course.

use std::{
    cell::Cell,
    io, mem, ptr,
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use super::signal_name;

/// Words of a record.
pub const CRASH_WORDS: usize = 32;
/// Written last: a record without it is none.
const MAGIC: u64 = 0x6f64_6463_7261_7368;
/// Size of the alternate stack; AVX-512 and AMX state alone take 11 KiB of a signal frame.
const STACK_BYTES: usize = 128 << 10;

const AT_MAGIC: usize = 0;
const AT_SIGNAL: usize = 1;
const AT_CODE: usize = 2;
const AT_SENDER: usize = 3;
const AT_ADDRESS: usize = 4;
const AT_CPU: usize = 5;
const AT_INSTRUCTION: usize = 6;
const AT_REGISTERS: usize = 8;
const REGISTERS: usize = 16;

/// The signals that a program's own instructions can raise.
const FATAL: [libc::c_int; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGABRT, libc::SIGSYS];

thread_local! {
    /// Where this thread's record goes. Const and without a destructor, so that the handler may read it.
    static RECORD: Cell<*const AtomicU64> = const { Cell::new(ptr::null()) };
}

/// What a handler wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// The signal.
    pub signal: i32,
    /// `si_code`: above zero from the kernel, otherwise sent by a process.
    pub si_code: i32,
    /// Who sent it, if a process did.
    pub sender_pid: u32,
    /// The address that could not be reached, if that was it.
    pub address: u64,
    /// The CPU.
    pub cpu: u32,
    /// The instruction.
    pub instruction: u64,
    /// General registers in the order of the OS's context (x86-64: r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp).
    pub registers: [u64; REGISTERS],
}

impl Crash {
    /// Raised by the kernel for what the thread did.
    pub fn by_kernel(&self) -> bool {
        self.si_code > 0
    }

    /// Sent by the process to itself, as abort does.
    pub fn by_self(&self, pid: u32) -> bool {
        !self.by_kernel() && self.sender_pid == pid
    }

    /// `SIGSEGV` and the like.
    pub fn signal_name(&self) -> String {
        signal_name(self.signal)
    }

    /// One line.
    pub fn describe(&self) -> String {
        let name = self.signal_name();
        if self.by_kernel() {
            format!("{name} at address {:#x}, instruction {:#x}", self.address, self.instruction)
        } else {
            format!("{name}: the worker aborted itself")
        }
    }
}

/// Installs the handler for the whole process.
pub fn install() -> io::Result<()> {
    for signal in FATAL {
        // SAFETY: a zeroed sigaction is a valid one; the handler does only what is async-signal-safe.
        let result = unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = note_and_die;
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigaction(signal, &action, ptr::null_mut())
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Gives this thread an alternate stack and `record` (of [`CRASH_WORDS`] words) as the place of its record.
pub fn adopt_thread(record: &'static [AtomicU64]) -> io::Result<()> {
    assert_eq!(record.len(), CRASH_WORDS, "a record has a fixed size");
    // Never freed: it must be there as long as the thread is.
    let stack = Box::leak(vec![0u8; STACK_BYTES].into_boxed_slice());
    let new = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: stack.len() };
    // SAFETY: the stack is ours for ever and of the size said.
    if unsafe { libc::sigaltstack(&new, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    RECORD.set(record.as_ptr());
    Ok(())
}

/// What the handler wrote to `record`, if it did.
pub fn read(record: &[AtomicU64]) -> Option<Crash> {
    if record[AT_MAGIC].load(Acquire) != MAGIC {
        return None;
    }
    let word = |at: usize| record[at].load(Relaxed);
    Some(Crash {
        signal: word(AT_SIGNAL) as i32,
        si_code: word(AT_CODE) as i32,
        sender_pid: word(AT_SENDER) as u32,
        address: word(AT_ADDRESS),
        cpu: word(AT_CPU) as u32,
        instruction: word(AT_INSTRUCTION),
        registers: std::array::from_fn(|n| word(AT_REGISTERS + n)),
    })
}

extern "C" fn note_and_die(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let record = RECORD.get();
    if !record.is_null() {
        // SAFETY: adopt_thread was given CRASH_WORDS words that live for ever.
        let record = unsafe { std::slice::from_raw_parts(record, CRASH_WORDS) };
        // SAFETY: the kernel passes a valid siginfo; which fields mean something depends on si_code, reading any is sound.
        let (code, sender, address) = unsafe { ((*info).si_code, (*info).si_pid(), (*info).si_addr() as u64) };
        // SAFETY: no arguments, no memory; async-signal-safe on Linux (a vDSO call).
        let cpu = unsafe { libc::sched_getcpu() };
        let by_kernel = code > 0;
        record[AT_SIGNAL].store(signal as u64, Relaxed);
        record[AT_CODE].store(code as u64, Relaxed);
        record[AT_SENDER].store(if by_kernel { 0 } else { sender as u64 }, Relaxed);
        record[AT_ADDRESS].store(if by_kernel { address } else { 0 }, Relaxed);
        record[AT_CPU].store(cpu as u64, Relaxed);
        note_registers(record, context);
        record[AT_MAGIC].store(MAGIC, Release);
    }
    // SAFETY: both are async-signal-safe. The signal is blocked until the handler returns, and then ends the process.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

#[cfg(target_arch = "x86_64")]
fn note_registers(record: &[AtomicU64], context: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a ucontext_t.
    let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    record[AT_INSTRUCTION].store(registers[libc::REG_RIP as usize] as u64, Relaxed);
    for (word, register) in record[AT_REGISTERS..].iter().zip(&registers[..REGISTERS]) {
        word.store(*register as u64, Relaxed);
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn note_registers(_record: &[AtomicU64], _context: *mut libc::c_void) {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::{SharedWords, wild_pointer};
    use std::{
        io::{BufRead, BufReader},
        process::Command,
    };

    /// Not a test by itself: the child of the one below, which dies as it is told.
    #[test]
    fn die_as_told() {
        let (Ok(handle), Ok(how)) = (std::env::var("ODDCORE_TEST_SLOTS"), std::env::var("ODDCORE_TEST_DEATH")) else {
            return;
        };
        let words: &'static SharedWords = Box::leak(Box::new(SharedWords::open(&handle).expect("a handle")));
        install().expect("handlers");
        adopt_thread(&words.words()[..CRASH_WORDS]).expect("a stack");
        match how.as_str() {
            "wild" => wild_pointer(),
            "abort" => std::process::abort(),
            "overflow" => {
                #[expect(unconditional_recursion, reason = "the stack is to overflow")]
                fn deeper(depth: u64) -> u64 {
                    let block = std::hint::black_box([depth; 128]);
                    block[5] + deeper(depth + 1)
                }
                std::hint::black_box(deeper(0));
            }
            "sent" => {
                // To this very thread: in a test harness the main thread has no record.
                println!("{}", crate::platform::thread_id());
                std::thread::sleep(std::time::Duration::from_secs(30));
            }
            other => panic!("unknown death {other}"),
        }
    }

    fn death(how: &str) -> (Crash, u32) {
        let words = SharedWords::create(CRASH_WORDS).expect("memory");
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .args(["--exact", "platform::crash::tests::die_as_told", "--test-threads=1", "--nocapture"])
            .env("ODDCORE_TEST_SLOTS", words.handle())
            .env("ODDCORE_TEST_DEATH", how)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("starts");
        if how == "sent" {
            let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
            let thread: i64 =
                lines.find_map(|line| line.ok()?.split_whitespace().last()?.parse().ok()).expect("its thread's id");
            // SAFETY: a signal to a thread of a child of ours.
            unsafe { libc::syscall(libc::SYS_tgkill, i64::from(child.id()), thread, libc::SIGSEGV) };
        }
        let status = child.wait().expect("ends");
        let crash = read(words.words()).unwrap_or_else(|| panic!("{how}: no record, {status}"));
        assert_eq!(crate::platform::process_end(status), crate::platform::ProcessEnd::Signalled(crash.signal), "{how}");
        (crash, child.id())
    }

    #[test]
    fn the_record_tells_whose_doing_it_was() {
        let (wild, _) = death("wild");
        assert!(wild.by_kernel() && wild.signal == libc::SIGSEGV && wild.address == 0x10, "{wild:?}");
        let (abort, pid) = death("abort");
        assert!(abort.by_self(pid) && abort.signal == libc::SIGABRT, "{abort:?}");
        let (overflow, _) = death("overflow");
        assert!(overflow.by_kernel() && overflow.signal == libc::SIGSEGV, "{overflow:?}");
        let (sent, pid) = death("sent");
        assert!(!sent.by_kernel() && !sent.by_self(pid) && sent.sender_pid != 0, "{sent:?}");
    }
}
