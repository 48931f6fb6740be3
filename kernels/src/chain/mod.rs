//! Chains of dependent register operations of known latency: timed, they are the core's clock. Not add-immediate, inc or
//! lea: recent cores eliminate those at rename. Loop control runs beside the chain and costs nothing. None is `pure`: the compiler would
//! move it out of what is timed, or run it once for two windows.

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

/// `count` (a multiple of 16) of `imul r, r`: three to five cycles each.
#[cfg(target_arch = "x86_64")]
pub fn imul(count: u64, x: u64) -> u64 {
    let mut r = x | 1;
    // SAFETY: registers only; the count is at least 1.
    unsafe {
        core::arch::asm!(
            "2:",
            ".rept 16",
            "imul {r}, {r}",
            ".endr",
            "dec {n}",
            "jnz 2b",
            r = inout(reg) r,
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
    (0..count).fold(x | 1, |r, _| core::hint::black_box(r.wrapping_mul(r)))
}

/// The same arithmetic in plain words.
#[cfg(test)]
fn add_xor_plain(pairs: u64, b: u64, c: u64) -> u64 {
    (0..pairs).fold(b ^ c, |r, _| r.wrapping_add(b) ^ c)
}

/// The same.
#[cfg(test)]
fn imul_plain(count: u64, x: u64) -> u64 {
    (0..count).fold(x | 1, |r, _| r.wrapping_mul(r))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_compute_what_they_say() {
        for pairs in [16, 160] {
            assert_eq!(add_xor(pairs, 0x9e37_79b9, 0x85eb_ca6b), add_xor_plain(pairs, 0x9e37_79b9, 0x85eb_ca6b));
        }
        assert_eq!(imul(16, 2), imul_plain(16, 2));
    }
}
