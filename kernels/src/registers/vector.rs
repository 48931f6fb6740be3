//! `registers-vector`: all 16 or 32 vector registers. The state is 16 rows of eight columns of 128 bits; a column's rows are one
//! file of 16 registers, and no step looks beyond its column, so that 512 bits take all columns at once, 256 bits two in
//! each of four passes, 128 bits one in each of eight.
//!
//! Order: a turn is eight rounds. Round t takes the rows from t on, around the circle; its i-th row x takes step i modulo 8, with
//! the next row n and the row's constant k:
//! `paddd x, n; pxor x, n; palignr x, x, 5; psubq x, n; pmullw x, k; paddb x, n; pshufd x, 0x93; paddq x, k`. Constants are odd.

use super::File;
use crate::{
    gemm::no_such_variant,
    goldens,
    isa::{Isa, Token},
    kernel::{Golden, Variant},
};

const ROWS: usize = 16;
const COLUMNS: usize = 8;
const LANES: usize = 4;
const ROUNDS: usize = 8;

/// 128 bits.
type Column = [u32; LANES];
type Row = [Column; COLUMNS];

/// The file's type.
pub(crate) struct Vector;

impl File for Vector {
    type Word = u32;
    const NAME: &'static str = "registers-vector";
    const SUMMARY: &'static str = "integer rounds that keep an accumulator in every vector register";
    const VARIANTS: &'static [Variant] =
        &[Variant::of(Isa::Avx512F), Variant::of(Isa::Avx2Fma), Variant::of(Isa::Sse41), Variant::of(Isa::Scalar)];
    const GOLDENS: &'static [Golden] = goldens::REGISTERS_VECTOR;
    const TYPE: &'static str = "uint32";
    const SHAPE: &'static [usize] = &[ROWS, COLUMNS, LANES];
    const OPERATIONS: u64 = (ROUNDS * ROWS * COLUMNS * LANES) as u64;
    const TURNS: usize = 10_000;

    fn mend(constants: &mut [u32]) {
        // Odd in each 16 bits, so that multiplying by them can be undone.
        constants.iter_mut().for_each(|word| *word |= 0x0001_0001);
    }

    fn turns(token: Token, state: &mut [u32], constants: &[u32], turns: usize) {
        if turns == 0 {
            return;
        }
        let (state, constants) = (rows_mut(state), rows(constants));
        match token {
            Token::Scalar => (0..turns).for_each(|_| scalar(state, constants)),
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            token => assembly::turns(token, state, constants, turns),
            #[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
            token => no_such_variant(Self::NAME, token),
        }
    }
}

fn rows(words: &[u32]) -> &[Row; ROWS] {
    bytemuck::cast_slice::<_, Row>(words).try_into().expect("as many as SHAPE says")
}

fn rows_mut(words: &mut [u32]) -> &mut [Row; ROWS] {
    bytemuck::cast_slice_mut::<_, Row>(words).try_into().expect("as many as SHAPE says")
}

/// The reference: one turn.
fn scalar(state: &mut [Row; ROWS], constants: &[Row; ROWS]) {
    for round in 0..ROUNDS {
        for i in 0..ROWS {
            let row = (round + i) % ROWS;
            let (next, constant) = (state[(row + 1) % ROWS], constants[row]);
            for ((x, n), k) in state[row].iter_mut().zip(next).zip(constant) {
                *x = step(i % 8, *x, n, k);
            }
        }
    }
}

#[inline(always)]
fn step(number: usize, x: Column, n: Column, k: Column) -> Column {
    fn each<T: Copy, const N: usize>(x: Column, y: Column, f: impl Fn(T, T) -> T) -> Column
    where
        [T; N]: bytemuck::Pod,
    {
        let (x, y) = (bytemuck::cast::<_, [T; N]>(x), bytemuck::cast::<_, [T; N]>(y));
        bytemuck::cast::<[T; N], _>(core::array::from_fn(|lane| f(x[lane], y[lane])))
    }
    match number {
        0 => each::<u32, 4>(x, n, u32::wrapping_add),
        1 => each::<u32, 4>(x, n, |x, n| x ^ n),
        2 => bytemuck::cast(u128::from_le_bytes(bytemuck::cast(x)).rotate_right(5 * 8).to_le_bytes()),
        3 => each::<u64, 2>(x, n, u64::wrapping_sub),
        4 => each::<u16, 8>(x, k, u16::wrapping_mul),
        5 => each::<u8, 16>(x, n, u8::wrapping_add),
        6 => [x[3], x[0], x[1], x[2]],
        _ => each::<u64, 2>(x, k, u64::wrapping_add),
    }
}

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod assembly {
    use core::arch::asm;

    use super::*;

    pub(super) fn turns(token: Token, state: &mut [Row; ROWS], constants: &[Row; ROWS], turns: usize) {
        let (state, constants) = (state.as_mut_ptr().cast::<u8>(), constants.as_ptr().cast::<u8>());
        // The columns of a pass begin at these bytes of each row.
        let passes = |width: usize| (0..size_of::<Row>()).step_by(width);
        // SAFETY: the token proves that this CPU and OS have the instruction set; a pass stays within the rows, which are
        // aligned to a cache line.
        unsafe {
            match token {
                Token::Avx512F(_) => zmm(state, constants, turns),
                Token::Avx2Fma(_) => passes(32).for_each(|at| ymm(state.add(at), constants.add(at), turns)),
                Token::Sse41(_) => passes(16).for_each(|at| xmm(state.add(at), constants.add(at), turns)),
                token => no_such_variant(Vector::NAME, token),
            }
        }
    }

    /// Loads files of 16 registers, does the turns and stores them. A row is 128 bytes. Steps name eight registers in a row `a` to
    /// `h`; the rows of a file are found `s` bytes before where the numbers of its registers say.
    macro_rules! turns {
        (
            $name:ident, $features:literal, $register:literal, $move:literal, steps: [$($step:literal,)+],
            files: [$($file:literal - $shift:literal),+], written: [$($written:tt)+]
        ) => {
            /// # Safety
            /// Both point to rows aligned to the vectors; there is at least one turn.
            #[target_feature(enable = $features)]
            unsafe fn $name(state: *mut u8, constants: *const u8, turns: usize) {
                // SAFETY: the caller vouches for the memory; all that is written is declared.
                unsafe {
                    asm!(
                        ".macro oddcore_steps s, a, b, c, d, e, f, g, h",
                        $($step,)+
                        ".endm",
                        // Rounds, each of which begins a register later.
                        ".macro oddcore_rounds more, s, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p",
                        "oddcore_steps \\s, \\a, \\b, \\c, \\d, \\e, \\f, \\g, \\h",
                        "oddcore_steps \\s, \\i, \\j, \\k, \\l, \\m, \\n, \\o, \\p",
                        ".if \\more",
                        "oddcore_rounds (\\more-1), \\s, \\b, \\c, \\d, \\e, \\f, \\g, \\h, \\i, \\j, \\k, \\l, \\m, \\n, \\o, \\p, \\a",
                        ".endif",
                        ".endm",
                        $(
                            concat!(".irp r, ", $file),
                            concat!($move, " ", $register, "\\r, [{state} + \\r * 128 - ", $shift, "]"),
                            ".endr",
                        )+
                        "2:",
                        $(concat!("oddcore_rounds 7, ", $shift, ", ", $file),)+
                        "dec {turns}",
                        "jnz 2b",
                        $(
                            concat!(".irp r, ", $file),
                            concat!($move, " [{state} + \\r * 128 - ", $shift, "], ", $register, "\\r"),
                            ".endr",
                        )+
                        ".purgem oddcore_steps",
                        ".purgem oddcore_rounds",
                        state = in(reg) state,
                        constants = in(reg) constants,
                        turns = inout(reg) turns => _,
                        $($written)+
                        options(nostack),
                    );
                }
            }
        };
    }

    turns!(
        zmm, "avx512f,avx512bw", "zmm", "vmovdqa64",
        steps: [
            "vpaddd zmm\\a, zmm\\a, zmm\\b",
            "vpxord zmm\\b, zmm\\b, zmm\\c",
            "vpalignr zmm\\c, zmm\\c, zmm\\c, 5",
            "vpsubq zmm\\d, zmm\\d, zmm\\e",
            "vpmullw zmm\\e, zmm\\e, [{constants} + \\e * 128 - \\s]",
            "vpaddb zmm\\f, zmm\\f, zmm\\g",
            "vpshufd zmm\\g, zmm\\g, 0x93",
            "vpaddq zmm\\h, zmm\\h, [{constants} + \\h * 128 - \\s]",
        ],
        files: [
            "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15" - "0",
            "16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31" - "1984"
        ],
        written: [
            out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _, out("zmm4") _, out("zmm5") _, out("zmm6") _, out("zmm7") _, out("zmm8") _, out("zmm9") _, out("zmm10") _, out("zmm11") _, out("zmm12") _, out("zmm13") _, out("zmm14") _, out("zmm15") _, out("zmm16") _, out("zmm17") _, out("zmm18") _, out("zmm19") _, out("zmm20") _, out("zmm21") _, out("zmm22") _, out("zmm23") _, out("zmm24") _, out("zmm25") _, out("zmm26") _, out("zmm27") _, out("zmm28") _, out("zmm29") _, out("zmm30") _, out("zmm31") _,
        ]
    );
    turns!(
        ymm, "avx2", "ymm", "vmovdqa",
        steps: [
            "vpaddd ymm\\a, ymm\\a, ymm\\b",
            "vpxor ymm\\b, ymm\\b, ymm\\c",
            "vpalignr ymm\\c, ymm\\c, ymm\\c, 5",
            "vpsubq ymm\\d, ymm\\d, ymm\\e",
            "vpmullw ymm\\e, ymm\\e, [{constants} + \\e * 128 - \\s]",
            "vpaddb ymm\\f, ymm\\f, ymm\\g",
            "vpshufd ymm\\g, ymm\\g, 0x93",
            "vpaddq ymm\\h, ymm\\h, [{constants} + \\h * 128 - \\s]",
        ],
        files: ["0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15" - "0"],
        written: [
            out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _, out("ymm4") _, out("ymm5") _, out("ymm6") _, out("ymm7") _, out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _, out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
        ]
    );
    turns!(
        xmm, "sse4.1", "xmm", "movdqa",
        steps: [
            "paddd xmm\\a, xmm\\b",
            "pxor xmm\\b, xmm\\c",
            "palignr xmm\\c, xmm\\c, 5",
            "psubq xmm\\d, xmm\\e",
            "pmullw xmm\\e, [{constants} + \\e * 128 - \\s]",
            "paddb xmm\\f, xmm\\g",
            "pshufd xmm\\g, xmm\\g, 0x93",
            "paddq xmm\\h, [{constants} + \\h * 128 - \\s]",
        ],
        files: ["0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15" - "0"],
        written: [
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _, out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
        ]
    );
}
