//! The vector variants: one function an instruction.

use core::arch::{asm, x86_64::*};

use super::{BYTES, DWORDS, PAIR, Pair, ROWS, VectorLogic, WORDS, turn};
use crate::{gemm::no_such_variant, isa::Token, staged::Staged};

/// Does so many turns of each pair of blocks.
pub(super) fn turns(token: Token, pairs: &mut [Pair], turns: usize) {
    // SAFETY: the token proves that this CPU and OS have the instruction set.
    unsafe {
        match token {
            Token::Avx512F(_) => avx512::turns(pairs, turns),
            Token::Avx2Fma(_) => avx2::turns(pairs, turns),
            Token::Sse42(_) => sse::turns(pairs, turns),
            token => no_such_variant(VectorLogic::NAME, token),
        }
    }
}

/// A function for each line: its name, its operands, and the instruction with `r` for the result.
macro_rules! instructions {
    ($features:literal, $vector:ty, $class:ident;
     $($name:ident $(<$n:ident>)? ($($operand:ident),+) $text:literal;)+) => {$(
        #[inline]
        #[target_feature(enable = $features)]
        fn $name$(<const $n: u32>)?($($operand: $vector),+) -> $vector {
            let r;
            // SAFETY: registers only.
            unsafe {
                asm!(
                    $text,
                    r = lateout($class) r, $($operand = in($class) $operand,)+ $($n = const $n,)?
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
            r
        }
    )+};
}

/// The constants of [`BYTES`] and [`DWORDS`] for the widest vector.
#[repr(align(64))]
struct Aligned<T>(T);
static BYTES_OF_ALL: Aligned<[[u8; 16]; 4]> = Aligned([BYTES; 4]);
static DWORDS_OF_ALL: Aligned<[u32; 16]> = {
    let mut all = [0; 16];
    let mut n = 0;
    while n < 16 {
        // The upper eight come from the upper eight.
        all[n] = DWORDS[n % 8] + (n as u32 & 8);
        n += 1;
    }
    Aligned(all)
};

/// What has one instruction in AVX-512 alone.
macro_rules! composed {
    ($features:literal) => {
        #[inline]
        #[target_feature(enable = $features)]
        fn ternary<const TABLE: u32>(a: Row, b: Row, c: Row) -> Row {
            match TABLE {
                0x96 => xor(xor(a, b), c),
                0xca => or(and(a, b), and_not(a, c)),
                0xe8 => or(and(a, b), and(c, or(a, b))),
                _ => unreachable!("no turn has that table"),
            }
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn where_greater_d(a: Row, b: Row, x: Row) -> Row {
            and(greater_d(a, b), x)
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn where_greater_q(a: Row, b: Row, x: Row) -> Row {
            and(greater_q(a, b), x)
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn where_equal_b(a: Row, b: Row, x: Row) -> Row {
            and(equal_b(a, b), x)
        }
    };
}

mod avx512 {
    use super::*;

    type Row = __m512i;

    /// Does so many turns of each pair of blocks, both at once.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn turns(pairs: &mut [Pair], turns: usize) {
        for pair in pairs {
            let mut masks = [pair[PAIR - 1] as u32, (pair[PAIR - 1] >> 32) as u32];
            let lines = pair[..ROWS * WORDS].as_chunks_mut::<WORDS>().0;
            // SAFETY: a line is a vector long.
            let mut state = core::array::from_fn(|row| unsafe { _mm512_loadu_si512(lines[row].as_ptr().cast()) });
            for _ in 0..turns {
                one(&mut state, &mut masks);
            }
            for (line, row) in lines.iter_mut().zip(state) {
                // SAFETY: a line is a vector long.
                unsafe { _mm512_storeu_si512(line.as_mut_ptr().cast(), row) };
            }
            pair[PAIR - 1] = u64::from(masks[0]) | u64::from(masks[1]) << 32;
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn one(rows: &mut [Row; ROWS], masks: &mut [u32; 2]) {
        turn!(rows, masks);
    }

    instructions! { "avx512f,avx512bw", Row, zmm_reg;
        xor(a, b) "vpxorq {r}, {a}, {b}";
        and(a, b) "vpandq {r}, {a}, {b}";
        or(a, b) "vporq {r}, {a}, {b}";
        and_not(a, b) "vpandnq {r}, {a}, {b}";
        add_d(a, b) "vpaddd {r}, {a}, {b}";
        sub_q(a, b) "vpsubq {r}, {a}, {b}";
        shift_left_w<N>(a) "vpsllw {r}, {a}, {N}";
        shift_left_d<N>(a) "vpslld {r}, {a}, {N}";
        shift_right_q<N>(a) "vpsrlq {r}, {a}, {N}";
        shift_right_signed_w<N>(a) "vpsraw {r}, {a}, {N}";
        shift_right_signed_d<N>(a) "vpsrad {r}, {a}, {N}";
        shift_left_by_d(a, b) "vpsllvd {r}, {a}, {b}";
        shift_right_by_q(a, b) "vpsrlvq {r}, {a}, {b}";
        shift_right_signed_by_d(a, b) "vpsravd {r}, {a}, {b}";
        shuffle_bytes(a, b) "vpshufb {r}, {a}, {b}";
        rotate_bytes<N>(a) "vpalignr {r}, {a}, {a}, {N}";
        shuffle_d<N>(a) "vpshufd {r}, {a}, {N}";
        shuffle_two_d<N>(a, b) "vshufps {r}, {a}, {b}, {N}";
        shuffle_low_w<N>(a) "vpshuflw {r}, {a}, {N}";
        shuffle_high_w<N>(a) "vpshufhw {r}, {a}, {N}";
        unpack_low_b(a, b) "vpunpcklbw {r}, {a}, {b}";
        unpack_high_b(a, b) "vpunpckhbw {r}, {a}, {b}";
        unpack_low_w(a, b) "vpunpcklwd {r}, {a}, {b}";
        unpack_high_w(a, b) "vpunpckhwd {r}, {a}, {b}";
        unpack_low_d(a, b) "vpunpckldq {r}, {a}, {b}";
        unpack_high_d(a, b) "vpunpckhdq {r}, {a}, {b}";
        unpack_low_q(a, b) "vpunpcklqdq {r}, {a}, {b}";
        unpack_high_q(a, b) "vpunpckhqdq {r}, {a}, {b}";
        pack_w(a, b) "vpackuswb {r}, {a}, {b}";
        pack_d(a, b) "vpackssdw {r}, {a}, {b}";
        least_b(a, b) "vpminub {r}, {a}, {b}";
        greatest_w(a, b) "vpmaxsw {r}, {a}, {b}";
        permute_by_d(a, b) "vpermd {r}, {b}, {a}";
        permute_q<N>(a) "vpermq {r}, {a}, {N}";
        swap_halves(a) "vshufi64x2 {r}, {a}, {a}, 0xb1";
    }

    /// A function for each line: two instructions with a mask register between them.
    macro_rules! masked {
        ($($name:ident($a:ident, $b:ident, $c:ident) $first:literal, $second:literal;)+) => {$(
            #[inline]
            #[target_feature(enable = "avx512f,avx512bw")]
            fn $name($a: Row, $b: Row, $c: Row) -> Row {
                let r;
                // SAFETY: registers only.
                unsafe {
                    asm!(
                        $first,
                        $second,
                        r = lateout(zmm_reg) r, $a = in(zmm_reg) $a, $b = in(zmm_reg) $b, $c = in(zmm_reg) $c,
                        k = out(kreg) _,
                        options(pure, nomem, nostack, preserves_flags),
                    );
                }
                r
            }
        )+};
    }

    masked! {
        blend_bytes(a, b, c) "vpmovb2m {k}, {c}", "vpblendmb {r} {{{k}}}, {a}, {b}";
        where_greater_d(a, b, x) "vpcmpgtd {k}, {a}, {b}", "vmovdqa32 {r} {{{k}}} {{z}}, {x}";
        where_greater_q(a, b, x) "vpcmpgtq {k}, {a}, {b}", "vmovdqa64 {r} {{{k}}} {{z}}, {x}";
        where_equal_b(a, b, x) "vpcmpeqb {k}, {a}, {b}", "vmovdqu8 {r} {{{k}}} {{z}}, {x}";
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn ternary<const TABLE: u32>(a: Row, b: Row, c: Row) -> Row {
        let mut r = a;
        // SAFETY: registers only.
        unsafe {
            asm!(
                "vpternlogq {r}, {b}, {c}, {table}",
                r = inout(zmm_reg) r, b = in(zmm_reg) b, c = in(zmm_reg) c, table = const TABLE,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        r
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn blend_words(a: Row, b: Row) -> Row {
        let r;
        // SAFETY: registers only.
        unsafe {
            asm!(
                "vpblendmw {r} {{{k}}}, {a}, {b}",
                r = lateout(zmm_reg) r, a = in(zmm_reg) a, b = in(zmm_reg) b, k = in(kreg) 0x5a5a_5a5a_u32,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        r
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn add_masks(masks: &mut [u32; 2], a: Row) {
        let (low, high): (u32, u32);
        // By shifts of the mask: those of a register would begin with bits that nothing uses.
        // SAFETY: registers only.
        unsafe {
            asm!(
                "vpmovb2m {k}, {a}",
                "kmovd {low:e}, {k}",
                "kshiftrq {k}, {k}, 32",
                "kmovd {high:e}, {k}",
                k = out(kreg) _, a = in(zmm_reg) a, low = out(reg) low, high = out(reg) high,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        *masks = [masks[0].rotate_left(5) ^ low, masks[1].rotate_left(5) ^ high];
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn shuffle_bytes_fixed(a: Row) -> Row {
        // SAFETY: the constant is a vector long.
        shuffle_bytes(a, unsafe { _mm512_load_si512(BYTES_OF_ALL.0.as_ptr().cast()) })
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn permute_d(a: Row) -> Row {
        // SAFETY: the constant is a vector long.
        permute_by_d(a, unsafe { _mm512_load_si512(DWORDS_OF_ALL.0.as_ptr().cast()) })
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn shift_left_each_d(a: Row, b: Row) -> Row {
        shift_left_by_d(a, and(b, _mm512_set1_epi32(31)))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn shift_right_each_q(a: Row, b: Row) -> Row {
        shift_right_by_q(a, and(b, _mm512_set1_epi64(63)))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn shift_right_signed_each_d(a: Row, b: Row) -> Row {
        shift_right_signed_by_d(a, and(b, _mm512_set1_epi32(31)))
    }
}

mod avx2 {
    use super::*;

    type Row = __m256i;

    /// Does so many turns of each block.
    #[target_feature(enable = "avx2")]
    pub(super) fn turns(pairs: &mut [Pair], turns: usize) {
        for pair in pairs {
            let mut masks = [pair[PAIR - 1] as u32, (pair[PAIR - 1] >> 32) as u32];
            for (half, masks) in masks.iter_mut().enumerate() {
                let halves = pair.as_chunks_mut::<{ WORDS / 2 }>().0;
                // SAFETY: half a line is a vector long.
                let load = |row: usize| unsafe { _mm256_loadu_si256(halves[2 * row + half].as_ptr().cast()) };
                let mut state: [Row; ROWS] = core::array::from_fn(load);
                for _ in 0..turns {
                    one(&mut state, masks);
                }
                for (row, from) in state.into_iter().enumerate() {
                    // SAFETY: half a line is a vector long.
                    unsafe { _mm256_storeu_si256(halves[2 * row + half].as_mut_ptr().cast(), from) };
                }
            }
            pair[PAIR - 1] = u64::from(masks[0]) | u64::from(masks[1]) << 32;
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn one(rows: &mut [Row; ROWS], masks: &mut u32) {
        turn!(rows, masks);
    }

    instructions! { "avx2", Row, ymm_reg;
        xor(a, b) "vpxor {r}, {a}, {b}";
        and(a, b) "vpand {r}, {a}, {b}";
        or(a, b) "vpor {r}, {a}, {b}";
        and_not(a, b) "vpandn {r}, {a}, {b}";
        add_d(a, b) "vpaddd {r}, {a}, {b}";
        sub_q(a, b) "vpsubq {r}, {a}, {b}";
        shift_left_w<N>(a) "vpsllw {r}, {a}, {N}";
        shift_left_d<N>(a) "vpslld {r}, {a}, {N}";
        shift_right_q<N>(a) "vpsrlq {r}, {a}, {N}";
        shift_right_signed_w<N>(a) "vpsraw {r}, {a}, {N}";
        shift_right_signed_d<N>(a) "vpsrad {r}, {a}, {N}";
        shift_left_by_d(a, b) "vpsllvd {r}, {a}, {b}";
        shift_right_by_q(a, b) "vpsrlvq {r}, {a}, {b}";
        shift_right_signed_by_d(a, b) "vpsravd {r}, {a}, {b}";
        shuffle_bytes(a, b) "vpshufb {r}, {a}, {b}";
        rotate_bytes<N>(a) "vpalignr {r}, {a}, {a}, {N}";
        shuffle_d<N>(a) "vpshufd {r}, {a}, {N}";
        shuffle_two_d<N>(a, b) "vshufps {r}, {a}, {b}, {N}";
        shuffle_low_w<N>(a) "vpshuflw {r}, {a}, {N}";
        shuffle_high_w<N>(a) "vpshufhw {r}, {a}, {N}";
        unpack_low_b(a, b) "vpunpcklbw {r}, {a}, {b}";
        unpack_high_b(a, b) "vpunpckhbw {r}, {a}, {b}";
        unpack_low_w(a, b) "vpunpcklwd {r}, {a}, {b}";
        unpack_high_w(a, b) "vpunpckhwd {r}, {a}, {b}";
        unpack_low_d(a, b) "vpunpckldq {r}, {a}, {b}";
        unpack_high_d(a, b) "vpunpckhdq {r}, {a}, {b}";
        unpack_low_q(a, b) "vpunpcklqdq {r}, {a}, {b}";
        unpack_high_q(a, b) "vpunpckhqdq {r}, {a}, {b}";
        pack_w(a, b) "vpackuswb {r}, {a}, {b}";
        pack_d(a, b) "vpackssdw {r}, {a}, {b}";
        least_b(a, b) "vpminub {r}, {a}, {b}";
        greatest_w(a, b) "vpmaxsw {r}, {a}, {b}";
        greater_d(a, b) "vpcmpgtd {r}, {a}, {b}";
        greater_q(a, b) "vpcmpgtq {r}, {a}, {b}";
        equal_b(a, b) "vpcmpeqb {r}, {a}, {b}";
        blend_bytes(a, b, c) "vpblendvb {r}, {a}, {b}, {c}";
        blend_words(a, b) "vpblendw {r}, {a}, {b}, 0x5a";
        permute_by_d(a, b) "vpermd {r}, {b}, {a}";
        permute_q<N>(a) "vpermq {r}, {a}, {N}";
        swap_halves(a) "vperm2i128 {r}, {a}, {a}, 1";
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn add_masks(masks: &mut u32, a: Row) {
        let mask: u32;
        // SAFETY: registers only.
        unsafe {
            asm!(
                "vpmovmskb {mask:e}, {a}",
                a = in(ymm_reg) a, mask = lateout(reg) mask,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        *masks = masks.rotate_left(5) ^ mask;
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn shuffle_bytes_fixed(a: Row) -> Row {
        // SAFETY: the constant is longer than a vector.
        shuffle_bytes(a, unsafe { _mm256_load_si256(BYTES_OF_ALL.0.as_ptr().cast()) })
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn permute_d(a: Row) -> Row {
        // SAFETY: the constant is longer than a vector.
        permute_by_d(a, unsafe { _mm256_load_si256(DWORDS_OF_ALL.0.as_ptr().cast()) })
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn shift_left_each_d(a: Row, b: Row) -> Row {
        shift_left_by_d(a, and(b, _mm256_set1_epi32(31)))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn shift_right_each_q(a: Row, b: Row) -> Row {
        shift_right_by_q(a, and(b, _mm256_set1_epi64x(63)))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn shift_right_signed_each_d(a: Row, b: Row) -> Row {
        shift_right_signed_by_d(a, and(b, _mm256_set1_epi32(31)))
    }

    composed!("avx2");
}

mod sse {
    use super::{super::reference, *};

    /// The halves of a row.
    type Row = [__m128i; 2];

    /// Does so many turns of each block.
    #[target_feature(enable = "sse4.2")]
    pub(super) fn turns(pairs: &mut [Pair], turns: usize) {
        for pair in pairs {
            let mut masks = [pair[PAIR - 1] as u32, (pair[PAIR - 1] >> 32) as u32];
            for (half, masks) in masks.iter_mut().enumerate() {
                let halves = pair.as_chunks_mut::<{ WORDS / 2 }>().0;
                let mut state: [Row; ROWS] = core::array::from_fn(|row| vectors(halves[2 * row + half]));
                for _ in 0..turns {
                    one(&mut state, masks);
                }
                for (row, from) in state.into_iter().enumerate() {
                    halves[2 * row + half] = words(from);
                }
            }
            pair[PAIR - 1] = u64::from(masks[0]) | u64::from(masks[1]) << 32;
        }
    }

    fn vectors(row: reference::Row) -> Row {
        // SAFETY: both are 256 bits, and every pattern is valid.
        unsafe { core::mem::transmute(row) }
    }

    fn words(row: Row) -> reference::Row {
        // SAFETY: both are 256 bits, and every pattern is valid.
        unsafe { core::mem::transmute(row) }
    }

    #[inline]
    #[target_feature(enable = "sse4.2")]
    fn one(rows: &mut [Row; ROWS], masks: &mut u32) {
        turn!(rows, masks);
    }

    /// A function for each line: its name, its operands, and the instruction, whose result takes a's place.
    macro_rules! halves {
        ($($name:ident $(<$n:ident>)? ($a:ident $(, $b:ident)?) $text:literal;)+) => {$(
            #[inline]
            #[target_feature(enable = "sse4.2")]
            fn $name$(<const $n: u32>)?($a: Row $(, $b: Row)?) -> Row {
                let mut r = $a;
                for (n, r) in r.iter_mut().enumerate() {
                    let _ = n;
                    // SAFETY: registers only.
                    unsafe {
                        asm!(
                            $text,
                            $a = inout(xmm_reg) *r, $($b = in(xmm_reg) $b[n],)? $($n = const $n,)?
                            options(pure, nomem, nostack, preserves_flags),
                        );
                    }
                }
                r
            }
        )+};
    }

    halves! {
        xor(a, b) "pxor {a}, {b}";
        and(a, b) "pand {a}, {b}";
        or(a, b) "por {a}, {b}";
        and_not(a, b) "pandn {a}, {b}";
        add_d(a, b) "paddd {a}, {b}";
        sub_q(a, b) "psubq {a}, {b}";
        shift_left_w<N>(a) "psllw {a}, {N}";
        shift_left_d<N>(a) "pslld {a}, {N}";
        shift_right_q<N>(a) "psrlq {a}, {N}";
        shift_right_signed_w<N>(a) "psraw {a}, {N}";
        shift_right_signed_d<N>(a) "psrad {a}, {N}";
        shuffle_bytes(a, b) "pshufb {a}, {b}";
        rotate_bytes<N>(a) "palignr {a}, {a}, {N}";
        shuffle_d<N>(a) "pshufd {a}, {a}, {N}";
        shuffle_two_d<N>(a, b) "shufps {a}, {b}, {N}";
        shuffle_low_w<N>(a) "pshuflw {a}, {a}, {N}";
        shuffle_high_w<N>(a) "pshufhw {a}, {a}, {N}";
        unpack_low_b(a, b) "punpcklbw {a}, {b}";
        unpack_high_b(a, b) "punpckhbw {a}, {b}";
        unpack_low_w(a, b) "punpcklwd {a}, {b}";
        unpack_high_w(a, b) "punpckhwd {a}, {b}";
        unpack_low_d(a, b) "punpckldq {a}, {b}";
        unpack_high_d(a, b) "punpckhdq {a}, {b}";
        unpack_low_q(a, b) "punpcklqdq {a}, {b}";
        unpack_high_q(a, b) "punpckhqdq {a}, {b}";
        pack_w(a, b) "packuswb {a}, {b}";
        pack_d(a, b) "packssdw {a}, {b}";
        least_b(a, b) "pminub {a}, {b}";
        greatest_w(a, b) "pmaxsw {a}, {b}";
        greater_d(a, b) "pcmpgtd {a}, {b}";
        greater_q(a, b) "pcmpgtq {a}, {b}";
        equal_b(a, b) "pcmpeqb {a}, {b}";
        blend_words(a, b) "pblendw {a}, {b}, 0x5a";
    }

    #[inline]
    #[target_feature(enable = "sse4.2")]
    fn blend_bytes(a: Row, b: Row, c: Row) -> Row {
        let mut r = a;
        for (n, r) in r.iter_mut().enumerate() {
            // SAFETY: registers only.
            unsafe {
                asm!(
                    "pblendvb {a}, {b}, xmm0",
                    a = inout(xmm_reg) *r, b = in(xmm_reg) b[n], in("xmm0") c[n],
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
        }
        r
    }

    #[inline]
    #[target_feature(enable = "sse4.2")]
    fn add_masks(masks: &mut u32, a: Row) {
        let [low, high] = a.map(|a| {
            let mask: u32;
            // SAFETY: registers only.
            unsafe {
                asm!(
                    "pmovmskb {mask:e}, {a}",
                    a = in(xmm_reg) a, mask = lateout(reg) mask,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
            mask
        });
        *masks = masks.rotate_left(5) ^ (low | high << 16);
    }

    #[inline]
    #[target_feature(enable = "sse4.2")]
    fn shuffle_bytes_fixed(a: Row) -> Row {
        // SAFETY: the constant is longer than a vector.
        let bytes = unsafe { _mm_load_si128(BYTES_OF_ALL.0.as_ptr().cast()) };
        shuffle_bytes(a, [bytes; 2])
    }

    /// By 0x93, from the last to the first.
    #[inline]
    #[target_feature(enable = "sse4.2")]
    fn permute_q<const N: u32>(a: Row) -> Row {
        const { assert!(N == 0x93) }
        [_mm_alignr_epi8::<8>(a[0], a[1]), _mm_alignr_epi8::<8>(a[1], a[0])]
    }

    fn swap_halves(a: Row) -> Row {
        [a[1], a[0]]
    }

    // What 128 bits have no instruction for.
    fn permute_d(a: Row) -> Row {
        vectors(reference::permute_d(words(a)))
    }

    fn shift_left_each_d(a: Row, b: Row) -> Row {
        vectors(reference::shift_left_each_d(words(a), words(b)))
    }

    fn shift_right_each_q(a: Row, b: Row) -> Row {
        vectors(reference::shift_right_each_q(words(a), words(b)))
    }

    fn shift_right_signed_each_d(a: Row, b: Row) -> Row {
        vectors(reference::shift_right_signed_each_d(words(a), words(b)))
    }

    composed!("sse4.2");
}
