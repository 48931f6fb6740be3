//! Fatal signals.

use std::{io, mem, ptr, sync::atomic::AtomicU64};

use super::{Crash, REGISTERS, keep_record, note};

/// Size of the alternate stack; AVX-512 and AMX state alone take 11 KiB of a signal frame.
const STACK_BYTES: usize = 128 << 10;

/// The signals that a program's own instructions can raise.
const FATAL: [libc::c_int; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGABRT, libc::SIGSYS];

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

/// Gives this thread an alternate stack and `record` (of [`super::CRASH_WORDS`] words) as the place of its record.
pub fn adopt_thread(record: &'static [AtomicU64]) -> io::Result<()> {
    // Never freed: it must be there as long as the thread is.
    let stack = Box::leak(vec![0u8; STACK_BYTES].into_boxed_slice());
    let new = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: stack.len() };
    // SAFETY: the stack is ours for ever and of the size said.
    if unsafe { libc::sigaltstack(&new, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    keep_record(record);
    Ok(())
}

extern "C" fn note_and_die(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo; which fields mean something depends on si_code, reading any is sound.
    let (code, sender, address) = unsafe { ((*info).si_code, (*info).si_pid(), (*info).si_addr() as u64) };
    // SAFETY: no arguments, no memory; async-signal-safe on Linux (a vDSO call).
    let cpu = unsafe { libc::sched_getcpu() };
    let by_kernel = code > 0;
    let (instruction, registers) = registers(context);
    note(&Crash {
        signal,
        si_code: code,
        sender_pid: if by_kernel { 0 } else { sender as u32 },
        address: if by_kernel { address } else { 0 },
        cpu: cpu as u32,
        instruction,
        registers,
    });
    // SAFETY: both are async-signal-safe. The signal is blocked until the handler returns, and then ends the process.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// The instruction and the general registers.
#[cfg(target_arch = "x86_64")]
fn registers(context: *mut libc::c_void) -> (u64, [u64; REGISTERS]) {
    // SAFETY: with SA_SIGINFO the kernel passes a ucontext_t.
    let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    (registers[libc::REG_RIP as usize] as u64, std::array::from_fn(|n| registers[n] as u64))
}

#[cfg(not(target_arch = "x86_64"))]
fn registers(_context: *mut libc::c_void) -> (u64, [u64; REGISTERS]) {
    (0, [0; REGISTERS])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::{
        SharedWords,
        crash::{CRASH_WORDS, read},
        wild_pointer,
    };
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
            .args(["--exact", "platform::crash::signals::tests::die_as_told", "--test-threads=1", "--nocapture"])
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
