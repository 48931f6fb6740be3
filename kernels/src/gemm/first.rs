//! The first step of float sums.

/// A row's first step, by multiply-adds to what the sums start from: what memory has, read by the multiply-adds, or zero, of which one
/// register is enough for all rows. Zero is nearly zero if it is wrong in one bit, and rounds away in the first product: a register
/// each, or many reads, could be wrong without a trace.
macro_rules! first {
    (zmm, pd, $vectors:literal) => { first!(zmm_reg, __m512d; $vectors, "vfmadd213pd", _mm512_setzero_pd()) };
    (zmm, ps, $vectors:literal) => { first!(zmm_reg, __m512; $vectors, "vfmadd213ps", _mm512_setzero_ps()) };
    (ymm, pd, $vectors:literal) => { first!(ymm_reg, __m256d; $vectors, "vfmadd213pd", _mm256_setzero_pd()) };
    (ymm, ps, $vectors:literal) => { first!(ymm_reg, __m256; $vectors, "vfmadd213ps", _mm256_setzero_ps()) };
    ($class:ident, $vector:ty; $vectors:literal, $instruction:literal, $zero:expr) => {
        |from: Option<[*const C; $vectors]>, a: $vector, b: [$vector; $vectors]| {
            let mut sums = [a; $vectors];
            for (vector, (sum, b)) in sums.iter_mut().zip(b).enumerate() {
                match from {
                    // SAFETY: the caller points to as many sums as the vector holds, and has the instruction set.
                    Some(from) => unsafe {
                        core::arch::asm!(
                            concat!($instruction, " {s}, {b}, [{from}]"),
                            s = inout($class) *sum, b = in($class) b, from = in(reg) from[vector],
                            options(pure, readonly, nostack, preserves_flags),
                        );
                    },
                    // SAFETY: registers only, and the caller has the instruction set.
                    None => unsafe {
                        core::arch::asm!(
                            concat!($instruction, " {s}, {b}, {zero}"),
                            s = inout($class) *sum, b = in($class) b, zero = in($class) $zero,
                            options(pure, nomem, nostack, preserves_flags),
                        );
                    },
                }
            }
            sums
        }
    };
}
pub(super) use first;
