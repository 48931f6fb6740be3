//! Chains of dependent register operations of known latency: timed, they are the core's clock. Not add-immediate, inc or
//! lea: recent cores eliminate those at rename. Loop control runs beside the chain and costs nothing. None is `pure`: the compiler would
//! move it out of what is timed, or run it once for two windows.
//!
//! Each step of a chain can be undone, so that one wrong bit anywhere leaves a wrong result, which can be known before.

pub mod beside;

/// Whether the chains take a known number of cycles here.
pub const KNOWN_CYCLES: bool = cfg!(target_arch = "x86_64");

/// `pairs` (a multiple of 16) of `add r, b; xor r, c`: two cycles a pair. `b` and `c` must not be zero.
#[cfg(target_arch = "x86_64")]
pub fn add_xor(pairs: u64, b: u64, c: u64) -> u64 {
    let mut r = b ^ c;
    // SAFETY: registers only; the count is at least 1.
    unsafe {
        core::arch::asm!(
            "2:",
            ".rept 16",
            "add {r}, {b}",
            "xor {r}, {c}",
            ".endr",
            "dec {n}",
            "jnz 2b",
            r = inout(reg) r,
            b = in(reg) b,
            c = in(reg) c,
            n = inout(reg) (pairs / 16).max(1) => _,
            options(nomem, nostack),
        );
    }
    r
}

/// `count` (a multiple of 16) of `imul r, x`, `x` being made odd: three to five cycles each. Not of `imul r, r`, which ends at 1 whatever
/// went wrong.
#[cfg(target_arch = "x86_64")]
pub fn imul(count: u64, x: u64) -> u64 {
    let mut r = x | 1;
    // SAFETY: registers only; the count is at least 1.
    unsafe {
        core::arch::asm!(
            "2:",
            ".rept 16",
            "imul {r}, {x}",
            ".endr",
            "dec {n}",
            "jnz 2b",
            r = inout(reg) r,
            x = in(reg) x | 1,
            n = inout(reg) (count / 16).max(1) => _,
            options(nomem, nostack),
        );
    }
    r
}

/// The same arithmetic, of unknown speed.
#[cfg(not(target_arch = "x86_64"))]
pub fn add_xor(pairs: u64, b: u64, c: u64) -> u64 {
    (0..pairs).fold(b ^ c, |r, _| core::hint::black_box(r.wrapping_add(b) ^ c))
}

/// The same arithmetic, of unknown speed.
#[cfg(not(target_arch = "x86_64"))]
pub fn imul(count: u64, x: u64) -> u64 {
    (0..count).fold(x | 1, |r, _| core::hint::black_box(r.wrapping_mul(x | 1)))
}

/// What [`add_xor`] comes to. For constants: then the compiler computes it and no core under test.
pub const fn add_xor_expected(pairs: u64, b: u64, c: u64) -> u64 {
    let (mut r, mut n) = (b ^ c, 0);
    while n < pairs {
        r = r.wrapping_add(b) ^ c;
        n += 1;
    }
    r
}

/// What [`imul`] comes to. See [`add_xor_expected`].
pub const fn imul_expected(count: u64, x: u64) -> u64 {
    let (mut r, mut n) = (x | 1, 0);
    while n < count {
        r = r.wrapping_mul(x | 1);
        n += 1;
    }
    r
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_compute_what_they_say() {
        for pairs in [16, 160] {
            assert_eq!(add_xor(pairs, 0x9e37_79b9, 0x85eb_ca6b), add_xor_expected(pairs, 0x9e37_79b9, 0x85eb_ca6b));
            assert_eq!(imul(pairs, 2), imul_expected(pairs, 2));
        }
        assert_eq!((add_xor_expected(2, 5, 9), imul_expected(2, 6)), ((((12 + 5) ^ 9) + 5) ^ 9, 343));
    }
}
