//! Exceptions that nobody handles.

use std::{io, sync::atomic::AtomicU64};

use windows_sys::Win32::{
    Foundation::{EXCEPTION_ACCESS_VIOLATION, EXCEPTION_IN_PAGE_ERROR, EXCEPTION_STACK_OVERFLOW},
    System::{
        Diagnostics::Debug::{CONTEXT, EXCEPTION_POINTERS, SetUnhandledExceptionFilter},
        Threading::SetThreadStackGuarantee,
    },
};

use super::{Crash, REGISTERS, keep_record, note};
use crate::platform::{current_cpu, no_error_dialogs, windows::terminate};

/// Stack that is left to the handler after an overflow.
const STACK_BYTES: u32 = 64 << 10;

/// Installs the handler for the whole process. It is the last that is asked, since libraries of the system raise exceptions
/// that they handle themselves.
pub fn install() -> io::Result<()> {
    no_error_dialogs();
    // SAFETY: the filter writes to memory that lives for ever, and ends the process.
    unsafe { SetUnhandledExceptionFilter(Some(note_and_die)) };
    Ok(())
}

/// Keeps some stack of this thread for the handler, and `record` (of [`super::CRASH_WORDS`] words) as the place of its record.
pub fn adopt_thread(record: &'static [AtomicU64]) -> io::Result<()> {
    let mut bytes = STACK_BYTES;
    // SAFETY: the call reads and writes one number. What a thread without so much does is die without a record.
    unsafe { SetThreadStackGuarantee(&mut bytes) };
    keep_record(record);
    Ok(())
}

unsafe extern "system" fn note_and_die(pointers: *const EXCEPTION_POINTERS) -> i32 {
    // SAFETY: the system passes valid pointers to both, which nobody else changes meanwhile.
    let (told, context) = unsafe { (&*(*pointers).ExceptionRecord, &*(*pointers).ContextRecord) };
    // The second word is the address that could not be reached, where that was it.
    let address = match told.ExceptionCode {
        EXCEPTION_ACCESS_VIOLATION | EXCEPTION_IN_PAGE_ERROR | EXCEPTION_STACK_OVERFLOW
            if told.NumberParameters > 1 =>
        {
            told.ExceptionInformation[1] as u64
        }
        _ => told.ExceptionAddress as u64,
    };
    note(&Crash {
        signal: told.ExceptionCode,
        si_code: 1,
        sender_pid: 0,
        address,
        cpu: current_cpu().unwrap_or(u32::MAX),
        instruction: told.ExceptionAddress as u64,
        registers: registers(context),
    });
    terminate(told.ExceptionCode as u32)
}

#[cfg(target_arch = "x86_64")]
fn registers(c: &CONTEXT) -> [u64; REGISTERS] {
    [c.R8, c.R9, c.R10, c.R11, c.R12, c.R13, c.R14, c.R15, c.Rdi, c.Rsi, c.Rbp, c.Rbx, c.Rdx, c.Rax, c.Rcx, c.Rsp]
}

#[cfg(not(target_arch = "x86_64"))]
fn registers(_context: &CONTEXT) -> [u64; REGISTERS] {
    [0; REGISTERS]
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::platform::{
        ProcessEnd, SharedWords,
        crash::{CRASH_WORDS, read},
        illegal_instruction, process_end, wild_pointer,
    };

    /// Not a test by itself: the child of the one below, which dies as it is told.
    #[test]
    fn die_as_told() {
        let (Ok(handle), Ok(how)) = (std::env::var("ODDCORE_TEST_SLOTS"), std::env::var("ODDCORE_TEST_DEATH")) else {
            return;
        };
        let words: &'static SharedWords = Box::leak(Box::new(SharedWords::open(&handle).expect("a handle")));
        install().expect("a handler");
        adopt_thread(&words.words()[..CRASH_WORDS]).expect("a stack");
        match how.as_str() {
            "wild" => wild_pointer(),
            "illegal" => illegal_instruction(),
            other => panic!("unknown death {other}"),
        }
    }

    fn death(how: &str) -> Crash {
        let words = SharedWords::create(CRASH_WORDS).expect("memory");
        let status = Command::new(std::env::current_exe().expect("a path"))
            .args(["--exact", "platform::crash::exceptions::tests::die_as_told", "--test-threads=1", "--nocapture"])
            .env("ODDCORE_TEST_SLOTS", words.handle())
            .env("ODDCORE_TEST_DEATH", how)
            .stderr(std::process::Stdio::null())
            .status()
            .expect("starts");
        let crash = read(words.words()).unwrap_or_else(|| panic!("{how}: no record, {status}"));
        assert_eq!(process_end(status), ProcessEnd::Signalled(crash.signal), "{how}");
        crash
    }

    #[test]
    fn the_record_tells_what_happened_and_where() {
        let wild = death("wild");
        assert!(wild.by_kernel() && wild.address == 0x10 && wild.instruction != 0, "{wild:?}");
        assert_eq!(wild.signal, EXCEPTION_ACCESS_VIOLATION);
        let illegal = death("illegal");
        assert!(illegal.signal_name().starts_with("illegal instruction"), "{illegal:?}");
    }
}
