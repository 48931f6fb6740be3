//! The first step of float sums.

/// A row's first step, by multiply-adds that read in memory what the sums start from. That is zero, or nearly so if it is wrong in one
/// bit, and a register that holds it could be wrong without a trace: it rounds away in the first product.
macro_rules! first {
    (zmm, pd) => { first!(zmm_reg, __m512d, "vfmadd213pd") };
    (zmm, ps) => { first!(zmm_reg, __m512, "vfmadd213ps") };
    (ymm, pd) => { first!(ymm_reg, __m256d, "vfmadd213pd") };
    (ymm, ps) => { first!(ymm_reg, __m256, "vfmadd213ps") };
    ($class:ident, $vector:ty, $instruction:literal) => {
        |from: [*const C; 2], a: $vector, b: [$vector; 2]| {
            let mut sums = [a; 2];
            for ((sum, from), b) in sums.iter_mut().zip(from).zip(b) {
                // SAFETY: the caller points to as many sums as the vector holds, and has the instruction set.
                unsafe {
                    core::arch::asm!(
                        concat!($instruction, " {s}, {b}, [{from}]"),
                        s = inout($class) *sum, b = in($class) b, from = in(reg) from,
                        options(pure, readonly, nostack, preserves_flags),
                    );
                }
            }
            sums
        }
    };
}
pub(super) use first;
