//! Registers that hold what they are given while the core waits: every vector register, and five general ones. Idle cores lose what
//! no arithmetic shows: a register whose voltage fell too low, or one that was put away for a deep sleep and came back as another.

use crate::isa::Token;

/// The number that stands for a general register is so much more than its own.
pub const GENERAL: u64 = 32;
/// Those that hold a word each: `r8` and so on. A system call may overwrite r10 and r11, and r12 points to the file.
const HOLDING: [u64; 5] = [8, 9, 13, 14, 15];
/// Vector registers at most, and 64-bit words in one.
const VECTORS: usize = 32;
const WORDS: usize = 8;

#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct File {
    vectors: [[u64; WORDS]; VECTORS],
    general: [u64; HOLDING.len()],
}

/// What they hold: SplitMix64, so that each register holds something else.
static GIVEN: File = {
    let (mut file, mut n) = (File { vectors: [[0; WORDS]; VECTORS], general: [0; HOLDING.len()] }, 0);
    while n < VECTORS * WORDS {
        file.vectors[n / WORDS][n % WORDS] = word(n as u64);
        n += 1;
    }
    while n < VECTORS * WORDS + HOLDING.len() {
        file.general[n - VECTORS * WORDS] = word(n as u64);
        n += 1;
    }
    file
};

/// The `at`-th word of what they hold.
const fn word(at: u64) -> u64 {
    let mut z = (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A register that did not hold what it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Its number: 0 to 31 of vector registers, [`GENERAL`] more than its own of a general one.
    pub register: u64,
    /// The 64-bit word of it.
    pub word: u64,
    /// What it was given.
    pub expected: u64,
    /// What was there at the end.
    pub actual: u64,
    /// What it was given is no more what it is computed to be: memory changed, and not the register.
    pub of_given: bool,
}

/// Gives all registers of that instruction set's width something to hold, waits for `pauses` of the instruction `pause`, at least one,
/// and looks whether they still hold it. The first that does not.
pub fn through_pauses(token: Token, pauses: u64) -> Option<Lost> {
    let mut file = given();
    hold(token, &mut file, Wait::Pauses(pauses.max(1)));
    difference(&GIVEN, &file)
}

/// The same through a call of `wait` with `argument`; also what that returned.
///
/// # Safety
/// `wait` may be called with that argument, and overwrites no register but rax, rcx, rdx, rsi, rdi, r10 and r11, as a bare
/// system call of Linux does.
#[cfg(target_arch = "x86_64")]
pub unsafe fn through_call(token: Token, wait: Call, argument: *const u8) -> (Option<Lost>, i64) {
    let mut file = given();
    let returned = hold(token, &mut file, Wait::Call(wait, argument));
    (difference(&GIVEN, &file), returned)
}

/// A call that waits.
#[cfg(target_arch = "x86_64")]
pub type Call = unsafe extern "sysv64" fn(*const u8) -> i64;

enum Wait {
    Pauses(u64),
    #[cfg(target_arch = "x86_64")]
    Call(Call, *const u8),
}

/// A copy of [`GIVEN`], not by a call that copies memory: nobody would see what is wrong in its pointers at the end.
fn given() -> File {
    // A value that the compiler does not know.
    let zero = core::hint::black_box(0);
    let copy = |word: u64| word ^ zero;
    File {
        vectors: core::array::from_fn(|vector| core::array::from_fn(|word| copy(GIVEN.vectors[vector][word]))),
        general: core::array::from_fn(|register| copy(GIVEN.general[register])),
    }
}

fn difference(given: &File, kept: &File) -> Option<Lost> {
    // For the same reason not by a call that compares it.
    let differing =
        |given: &[u64], kept: &[u64]| given.iter().zip(kept).fold(0, |all, (one, other)| all | (one ^ other));
    let vectors = differing(given.vectors.as_flattened(), kept.vectors.as_flattened());
    if vectors | differing(&given.general, &kept.general) == 0 {
        return None;
    }
    let words = |file: &File| file.vectors.into_iter().flatten().chain(file.general);
    let differ = words(given).zip(words(kept)).zip(0u64..).find(|((one, other), _)| one != other);
    // One that is not found a second time was one all the same.
    let ((expected, actual), at) = differ.unwrap_or(((word(0), word(0)), 0));
    let of_given = expected != word(core::hint::black_box(at));
    let (words, vectors) = (WORDS as u64, (VECTORS * WORDS) as u64);
    let (register, word) = match at.checked_sub(vectors) {
        None => (at / words, at % words),
        Some(nth) => (GENERAL + HOLDING[nth as usize], 0),
    };
    Some(Lost { register, word, expected, actual, of_given })
}

#[cfg(not(target_arch = "x86_64"))]
fn hold(_: Token, _: &mut File, wait: Wait) {
    let Wait::Pauses(pauses) = wait;
    (0..pauses).for_each(|_| core::hint::spin_loop());
}

/// Loads the registers from the file, waits, and stores them to it.
#[cfg(target_arch = "x86_64")]
fn hold(token: Token, file: &mut File, wait: Wait) -> i64 {
    let file = (&raw mut *file).cast::<u8>();
    // SAFETY: the token proves the instruction set, SSE2 is there on every x86-64; the file is as long as all registers and aligned
    // to the widest; whoever asked for a call vouches for it.
    unsafe {
        match token {
            #[cfg(not(feature = "scalar-only"))]
            Token::Avx512F(_)
            | Token::Avx512Vnni(_)
            | Token::Avx512Bf16(_)
            | Token::Avx512Vaes(_)
            | Token::Avx512Fp16(_) => zmm(file, wait),
            #[cfg(not(feature = "scalar-only"))]
            Token::Avx2Fma(_)
            | Token::Avx2F16c(_)
            | Token::AvxNeConvert(_)
            | Token::AvxVnni(_)
            | Token::AvxVnniInt8(_)
            | Token::Vaes(_) => ymm(file, wait),
            _ => xmm(file, wait),
        }
    }
}

/// Vector registers of one width and the general ones.
#[cfg(target_arch = "x86_64")]
macro_rules! hold {
    ($name:ident, $features:literal, $register:literal, $move:literal, $numbers:literal, $after:literal, written: [$($written:tt)+]) => {
        /// # Safety
        /// Takes the features; `file` is a [`File`]'s; pauses are at least 1, and a call is what [`through_call`] says.
        #[target_feature(enable = $features)]
        unsafe fn $name(file: *mut u8, wait: Wait) -> i64 {
            let (call, argument) = match wait {
                Wait::Pauses(pauses) => (core::ptr::null(), pauses),
                Wait::Call(call, argument) => (call as *const u8, argument as u64),
            };
            let returned;
            // SAFETY: the caller vouches for memory and call; all that is written is declared.
            unsafe {
                core::arch::asm!(
                    concat!(".irp r, ", $numbers),
                    concat!($move, " ", $register, "\\r, [r12 + \\r * 64]"),
                    ".endr",
                    "mov r8, [r12 + {general}]",
                    "mov r9, [r12 + {general} + 8]",
                    "mov r13, [r12 + {general} + 16]",
                    "mov r14, [r12 + {general} + 24]",
                    "mov r15, [r12 + {general} + 32]",
                    "test rax, rax",
                    "jnz 3f",
                    "2:",
                    "pause",
                    "dec rdi",
                    "jnz 2b",
                    "jmp 4f",
                    "3:",
                    "call rax",
                    "4:",
                    concat!(".irp r, ", $numbers),
                    concat!($move, " [r12 + \\r * 64], ", $register, "\\r"),
                    ".endr",
                    "mov [r12 + {general}], r8",
                    "mov [r12 + {general} + 8], r9",
                    "mov [r12 + {general} + 16], r13",
                    "mov [r12 + {general} + 24], r14",
                    "mov [r12 + {general} + 32], r15",
                    $after,
                    general = const core::mem::offset_of!(File, general),
                    in("r12") file,
                    inout("rax") call => returned,
                    inout("rdi") argument => _,
                    out("rcx") _, out("rdx") _, out("rsi") _, out("r8") _, out("r9") _, out("r10") _, out("r11") _,
                    out("r13") _, out("r14") _, out("r15") _,
                    $($written)+
                );
            }
            returned
        }
    };
}

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
hold!(
    zmm, "avx512f", "zmm", "vmovdqa64",
    "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
    "vzeroupper",
    written: [
        out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _, out("zmm4") _, out("zmm5") _, out("zmm6") _, out("zmm7") _, out("zmm8") _, out("zmm9") _, out("zmm10") _, out("zmm11") _, out("zmm12") _, out("zmm13") _, out("zmm14") _, out("zmm15") _, out("zmm16") _, out("zmm17") _, out("zmm18") _, out("zmm19") _, out("zmm20") _, out("zmm21") _, out("zmm22") _, out("zmm23") _, out("zmm24") _, out("zmm25") _, out("zmm26") _, out("zmm27") _, out("zmm28") _, out("zmm29") _, out("zmm30") _, out("zmm31") _,
    ]
);
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
hold!(
    ymm, "avx2", "ymm", "vmovdqa", "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15", "vzeroupper",
    written: [
        out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _, out("ymm4") _, out("ymm5") _, out("ymm6") _, out("ymm7") _, out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _, out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
    ]
);
#[cfg(target_arch = "x86_64")]
hold!(
    xmm, "sse2", "xmm", "movdqa", "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15", "",
    written: [
        out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _, out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
    ]
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;

    #[test]
    fn registers_hold_what_they_are_given() {
        for token in Isa::ALL.iter().filter_map(|isa| isa.token()) {
            for pauses in [0, 1, 64] {
                assert_eq!(through_pauses(token, pauses), None, "{token:?}");
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn what_a_call_overwrites_is_lost() {
        #[unsafe(naked)]
        unsafe extern "sysv64" fn keeps_all(_: *const u8) -> i64 {
            core::arch::naked_asm!("mov rax, -7", "ret")
        }
        #[unsafe(naked)]
        unsafe extern "sysv64" fn loses_one(_: *const u8) -> i64 {
            core::arch::naked_asm!("pcmpeqd xmm5, xmm5", "xor eax, eax", "ret")
        }
        for token in Isa::ALL.iter().filter_map(|isa| isa.token()) {
            // SAFETY: both may be called; the second overwrites a register that is declared as written.
            let [kept, lost] =
                [keeps_all as Call, loses_one].map(|call| unsafe { through_call(token, call, core::ptr::null()) });
            assert_eq!(kept, (None, -7), "{token:?}");
            let expected = GIVEN.vectors[5][0];
            assert_eq!(
                lost,
                (Some(Lost { register: 5, word: 0, expected, actual: u64::MAX, of_given: false }), 0),
                "{token:?}"
            );
        }
    }

    #[test]
    fn each_register_is_given_something_else() {
        let words: alloc::collections::BTreeSet<u64> =
            GIVEN.vectors.into_iter().flatten().chain(GIVEN.general).collect();
        assert_eq!(words.len(), VECTORS * WORDS + HOLDING.len());
    }

    #[test]
    fn what_is_lost_is_named() {
        assert_eq!(difference(&GIVEN, &GIVEN), None);
        let mut file = GIVEN;
        file.vectors[31][7] ^= 1 << 63;
        let word = GIVEN.vectors[31][7];
        let lost = Lost { register: 31, word: 7, expected: word, actual: word ^ 1 << 63, of_given: false };
        assert_eq!(difference(&GIVEN, &file), Some(lost));
        let changed = difference(&file, &GIVEN).expect("they differ");
        assert!(changed.of_given && changed.actual == word);
        let (mut file, word) = (GIVEN, GIVEN.general[2]);
        file.general[2] = 5;
        assert_eq!(
            difference(&GIVEN, &file),
            Some(Lost { register: GENERAL + 13, word: 0, expected: word, actual: 5, of_given: false })
        );
    }
}
