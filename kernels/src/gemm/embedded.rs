//! Rows of 512-bit tiles whose multiply-adds broadcast the number of A as they read it.

use core::arch::x86_64::*;

use crate::data::Bf16;

/// A row of a tile of two vectors whose multiply-adds read the number of A once each. A number that is in no register cannot be wrong
/// there, where it reaches two sums only, either of which may round away what is wrong. Of f32 one row in three reads it once for
/// both: where there are only two loads a cycle, as many as there are multiply-adds, B could else not be read in time.
macro_rules! embedded {
    (ps) => {
        embedded!(f32, __m512, one_in_three, _mm512_set1_ps, fused_ps, "vfmadd231ps", "dword", 16)
    };
    (pd) => {
        embedded!(f64, __m512d, none, _mm512_set1_pd, fused_pd, "vfmadd231pd", "qword", 8)
    };
    (bf16) => {
        embedded!([Bf16; 2], __m512, one_in_three, broadcast_bf16, dot_bf16, "vdpbf16ps", "dword", 16)
    };
    ($left:ty, $vector:ty, $once:ident, $broadcast:ident, $step:ident, $instruction:literal, $number:literal, $lanes:literal) => {
        |[mut s, mut u]: [$vector; 2], (row, behind, below): (*const $left, usize, usize), [b, c]: [$vector; 2]| {
            if $once(behind) {
                // SAFETY: the caller points to a number of its row.
                let a = $broadcast(unsafe { *row.wrapping_byte_add(below) });
                return [$step(s, a, b), $step(u, a, c)];
            }
            // SAFETY: the caller points to a number of its row, and has the instruction set.
            unsafe {
                core::arch::asm!(
                    concat!($instruction, " {s}, {b}, ", $number, " ptr [{p} + {i}]{{1to", $lanes, "}}"),
                    concat!($instruction, " {u}, {c}, ", $number, " ptr [{p} + {i}]{{1to", $lanes, "}}"),
                    p = in(reg) row, i = in(reg) below, s = inout(zmm_reg) s, u = inout(zmm_reg) u,
                    b = in(zmm_reg) b, c = in(zmm_reg) c, options(pure, readonly, nostack, preserves_flags),
                );
            }
            [s, u]
        }
    };
}
/// The same on registers alone.
macro_rules! embedded_peak {
    ($vector:ty, $step:ident) => {
        |[s, u]: [$vector; 2], a, [b, c]: [$vector; 2]| [$step(s, a, b), $step(u, a, c)]
    };
}
pub(super) use {embedded, embedded_peak};

/// Which rows read their number once, by their place among the three that share a pointer.
#[inline(always)]
pub(super) fn one_in_three(behind: usize) -> bool {
    behind == 0
}

#[inline(always)]
pub(super) fn none(_: usize) -> bool {
    false
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn fused_ps(sum: __m512, a: __m512, b: __m512) -> __m512 {
    _mm512_fmadd_ps(a, b, sum)
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn fused_pd(sum: __m512d, a: __m512d, b: __m512d) -> __m512d {
    _mm512_fmadd_pd(a, b, sum)
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn broadcast_bf16(a: [Bf16; 2]) -> __m512 {
    _mm512_castsi512_ps(_mm512_set1_epi32(bytemuck::cast(a)))
}

#[inline]
#[target_feature(enable = "avx512bf16")]
pub(super) fn dot_bf16(sum: __m512, a: __m512, b: __m512) -> __m512 {
    // SAFETY: the same 512 bits.
    let (a, b) = unsafe { core::mem::transmute::<(__m512, __m512), (__m512bh, __m512bh)>((a, b)) };
    _mm512_dpbf16_ps(sum, a, b)
}
