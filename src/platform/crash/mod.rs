//! What a worker that dies of its own doing leaves behind: its handler writes what happened to the thread's slot, in memory
//! that the supervisor owns, and lets the end take its course. The handler is the OS's: signals or exceptions.

#[cfg(windows)]
mod exceptions;
#[cfg(unix)]
mod signals;

use std::{
    cell::Cell,
    ptr,
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

#[cfg(windows)]
pub use exceptions::{adopt_thread, install};
#[cfg(unix)]
pub use signals::{adopt_thread, install};

use super::signal_name;

/// Words of a record.
pub const CRASH_WORDS: usize = 32;
/// Written last: a record without it is none.
const MAGIC: u64 = 0x6f64_6463_7261_7368;

const AT_MAGIC: usize = 0;
const AT_SIGNAL: usize = 1;
const AT_CODE: usize = 2;
const AT_SENDER: usize = 3;
const AT_ADDRESS: usize = 4;
const AT_CPU: usize = 5;
const AT_INSTRUCTION: usize = 6;
const AT_REGISTERS: usize = 8;
const REGISTERS: usize = 16;

thread_local! {
    /// Where this thread's record goes. Const and without a destructor, so that the handler may read it.
    static RECORD: Cell<*const AtomicU64> = const { Cell::new(ptr::null()) };
}

/// What a handler wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// The signal, or the code of the exception.
    pub signal: i32,
    /// `si_code`: above zero from the kernel, as all exceptions are, otherwise sent by a process.
    pub si_code: i32,
    /// Who sent it, if a process did.
    pub sender_pid: u32,
    /// The address that could not be reached, if that was it.
    pub address: u64,
    /// The CPU.
    pub cpu: u32,
    /// The instruction.
    pub instruction: u64,
    /// General registers (x86-64: r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp).
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

/// The record of this thread is `record`, of [`CRASH_WORDS`] words.
fn keep_record(record: &'static [AtomicU64]) {
    assert_eq!(record.len(), CRASH_WORDS, "a record has a fixed size");
    RECORD.set(record.as_ptr());
}

/// Writes this thread's record, if it has one: for handlers, so it neither allocates nor locks.
fn note(crash: &Crash) {
    let record = RECORD.get();
    if record.is_null() {
        return;
    }
    // SAFETY: keep_record was given CRASH_WORDS words that live for ever.
    let record = unsafe { std::slice::from_raw_parts(record, CRASH_WORDS) };
    record[AT_SIGNAL].store(crash.signal as u64, Relaxed);
    record[AT_CODE].store(crash.si_code as u64, Relaxed);
    record[AT_SENDER].store(u64::from(crash.sender_pid), Relaxed);
    record[AT_ADDRESS].store(crash.address, Relaxed);
    record[AT_CPU].store(u64::from(crash.cpu), Relaxed);
    record[AT_INSTRUCTION].store(crash.instruction, Relaxed);
    for (word, register) in record[AT_REGISTERS..].iter().zip(crash.registers) {
        word.store(register, Relaxed);
    }
    record[AT_MAGIC].store(MAGIC, Release);
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
