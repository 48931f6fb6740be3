//! Sleep with registers in use: Linux gives a thread its registers back after a system call, and an idle core often still has them
//! until then, deep sleep and all. Elsewhere a call may overwrite most of them.

use oddcore_kernels::{Token, held::Lost};

/// Sleeps until then on the monotonic clock, a register of that instruction set's width holding a value all the while where the OS
/// allows it; the first that lost it. A signal does not end it.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub fn sleep_holding(until_ns: u64, token: Token) -> Option<Lost> {
    use oddcore_kernels::held;

    let until =
        libc::timespec { tv_sec: (until_ns / 1_000_000_000) as i64, tv_nsec: (until_ns % 1_000_000_000) as i64 };
    loop {
        // SAFETY: the call reads a time that outlives it, and Linux overwrites rax, rcx and r11 alone.
        let (lost, returned) = unsafe { held::through_call(token, bare_sleep, (&raw const until).cast()) };
        if lost.is_some() || returned != -i64::from(libc::EINTR) {
            return lost;
        }
    }
}

/// `clock_nanosleep` of the monotonic clock until an absolute time, without a library that would use registers.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[unsafe(naked)]
unsafe extern "sysv64" fn bare_sleep(until: *const u8) -> i64 {
    std::arch::naked_asm!(
        "mov rdx, rdi",
        "mov edi, {monotonic}",
        "mov esi, {absolute}",
        "xor r10d, r10d",
        "mov eax, {sleep}",
        "syscall",
        "ret",
        monotonic = const libc::CLOCK_MONOTONIC,
        absolute = const libc::TIMER_ABSTIME,
        sleep = const libc::SYS_clock_nanosleep,
    )
}

/// Sleeps until then on the monotonic clock.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub fn sleep_holding(until_ns: u64, _: Token) -> Option<Lost> {
    super::sleep_until(until_ns);
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::monotonic_ns;

    #[test]
    fn registers_are_the_same_after_a_sleep() {
        for token in oddcore_kernels::Isa::ALL.iter().filter_map(|isa| isa.token()) {
            for long in [0, 100_000, 2_000_000] {
                let until_ns = monotonic_ns() + long;
                assert_eq!(sleep_holding(until_ns, token), None, "{token:?}");
                assert!(monotonic_ns() >= until_ns);
            }
        }
    }
}
