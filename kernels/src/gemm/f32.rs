//! `gemm-f32`: each element is one chain of fused multiply-adds in ascending k, starting at zero:
//! `c = fma(a[m][k], b[k][n], c)` for k = 0, 1, 2 ... Every variant keeps to it, whatever its tile or block, so all share one
//! digest. Inputs hold neither NaN nor denormals, and their products stay far from both ends of the exponent. B is row-major.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{Data, Product, STAGE_MULTIPLY, Shape, block_steps, no_such_variant};
use crate::{
    digest::flip,
    goldens,
    isa::{Isa, Token},
    kernel::{Fault, Golden, Variant},
    rng::Rng,
};

/// The product's type.
pub(crate) struct F32;

impl Product for F32 {
    type A = f32;
    type B = f32;
    type C = f32;
    #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
    type Scratch = super::tile::Panels<f32, f32, f32>;
    #[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
    type Scratch = ();
    const NAME: &'static str = "gemm-f32";
    const SUMMARY: &'static str = "f32 matrix product, one fused chain an element in ascending k";
    const VARIANTS: &'static [Variant] =
        &[Variant::of(Isa::Avx512F, "avx512"), Variant::of(Isa::Avx2Fma, "avx2"), Variant::of(Isa::Scalar, "scalar")];
    const GOLDENS: &'static [Golden] = goldens::GEMM_F32;
    // 33 M multiply-adds.
    const GOLDEN: Shape = Shape { m: 256, n: 128, k: 1024 };
    const TYPES: [&'static str; 3] = ["float32", "float32", "float32"];

    fn fill(rng: &mut Rng, a: &mut [f32], b: &mut [f32]) {
        for buffer in [a, b] {
            rng.fill(bytemuck::cast_slice_mut(buffer));
            for value in buffer {
                *value = tame(value.to_bits());
            }
        }
    }

    fn row_major_b(_: Shape, b: &[f32]) -> Vec<f32> {
        b.to_vec()
    }

    fn multiply(token: Token, shape: Shape, data: Data<'_, Self>, stage: &AtomicU64, fault: Option<Fault>) {
        match token {
            Token::Scalar => {
                stage.store(STAGE_MULTIPLY, Relaxed);
                scalar(shape, data, fault);
            }
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            token => vector::multiply(token, shape, data, stage, fault),
            #[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
            token => no_such_variant(Self::NAME, token),
        }
    }

    fn freivalds(_: Shape, _: &[f32], _: &[f32], _: &[f32], _: &mut Rng) -> Option<bool> {
        None
    }
}

/// Any sign and mantissa, an exponent from -8 to 7.
fn tame(bits: u32) -> f32 {
    let exponent = (bits >> 23 & 15) + 119;
    f32::from_bits(bits & 0x807f_ffff | exponent << 23)
}

/// The reference, by the `libm` crate's fused multiply-add: the C library's is wrong on some systems. Order: see the head of
/// this file; elements of a row advance together, which changes nothing within a chain.
fn scalar(shape: Shape, data: Data<'_, F32>, fault: Option<Fault>) {
    data.c.fill(0.0);
    let block = if fault.is_some() { block_steps(shape.k, shape.k) } else { shape.k };
    for from in (0..shape.k).step_by(block) {
        let to = (from + block).min(shape.k);
        for (a, c) in data.a.chunks_exact(shape.k).zip(data.c.chunks_exact_mut(shape.n)) {
            for (&a, b) in a[from..to].iter().zip(data.b[from * shape.n..].chunks_exact(shape.n)) {
                for (c, &b) in c.iter_mut().zip(b) {
                    *c = libm::fmaf(a, b, *c);
                }
            }
        }
        if let (0, Some(fault)) = (from, fault) {
            flip(data.c, fault);
        }
    }
}

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod vector {
    use core::arch::x86_64::*;

    use super::*;
    use crate::{
        gemm::tile::{Tile, register_tile},
        isa::{Avx2Fma, Avx512F},
    };

    pub(super) fn multiply(token: Token, shape: Shape, data: Data<'_, F32>, stage: &AtomicU64, fault: Option<Fault>) {
        match token {
            Token::Avx512F(token) => with(token, shape, data, stage, fault),
            Token::Avx2Fma(token) => with(token, shape, data, stage, fault),
            token => no_such_variant(F32::NAME, token),
        }
    }

    fn with<T: Tile<Left = f32, Right = f32, Sum = f32>>(
        tile: T,
        shape: Shape,
        data: Data<'_, F32>,
        stage: &AtomicU64,
        fault: Option<Fault>,
    ) {
        let panels = data.scratch;
        let grid = panels.lay_out::<T>(shape, shape.k);
        for (number, panel) in panels.left.chunks_exact_mut(shape.k * T::ROWS).enumerate() {
            for line in 0..T::ROWS {
                let row = number * T::ROWS + line;
                let values = if row < shape.m { &data.a[row * shape.k..][..shape.k] } else { &[] };
                for (step, word) in panel.iter_mut().skip(line).step_by(T::ROWS).enumerate() {
                    *word = values.get(step).copied().unwrap_or(0.0);
                }
            }
        }
        for (number, panel) in panels.right.chunks_exact_mut(shape.k * T::COLS).enumerate() {
            let from = number * T::COLS;
            let width = T::COLS.min(shape.n - from);
            for (b, words) in data.b.chunks_exact(shape.n).zip(panel.chunks_exact_mut(T::COLS)) {
                words[..width].copy_from_slice(&b[from..from + width]);
                words[width..].fill(0.0);
            }
        }
        stage.store(STAGE_MULTIPLY, Relaxed);
        panels.multiply(tile, grid, shape, data.c, fault);
    }

    macro_rules! load {
        ($intrinsic:ident) => {
            // SAFETY: the array is as wide as the vector, and the load needs no alignment.
            |words: &[f32; _]| unsafe { $intrinsic(words.as_ptr()) }
        };
    }
    macro_rules! store {
        ($intrinsic:ident) => {
            // SAFETY: the array is as wide as the vector, and the store needs no alignment.
            |words: &mut [f32; _], vector| unsafe { $intrinsic(words.as_mut_ptr(), vector) }
        };
    }

    register_tile!(
        zmm_fma, "avx512f,avx512bw", 12 x 2 x 16, f32, f32, f32,
        zero: _mm512_setzero_ps(),
        load_sum: load!(_mm512_loadu_ps),
        store_sum: store!(_mm512_storeu_ps),
        load: load!(_mm512_loadu_ps),
        broadcast: |value: f32| _mm512_set1_ps(value),
        step: |sum, a, b| _mm512_fmadd_ps(a, b, sum),
    );
    register_tile!(
        ymm_fma, "avx2,fma", 6 x 2 x 8, f32, f32, f32,
        zero: _mm256_setzero_ps(),
        load_sum: load!(_mm256_loadu_ps),
        store_sum: store!(_mm256_storeu_ps),
        load: load!(_mm256_loadu_ps),
        broadcast: |value: f32| _mm256_set1_ps(value),
        step: |sum, a, b| _mm256_fmadd_ps(a, b, sum),
    );

    macro_rules! tile {
        ($token:ty, $function:ident, $rows:literal x $cols:literal) => {
            impl Tile for $token {
                type Left = f32;
                type Right = f32;
                type Sum = f32;
                const ROWS: usize = $rows;
                const COLS: usize = $cols;

                fn multiply(self, left: &[f32], right: &[f32], sums: &mut [f32]) {
                    // SAFETY: the token proves that this CPU and OS have the instruction set.
                    unsafe { $function(left, right, sums) }
                }
            }
        };
    }
    tile!(Avx512F, zmm_fma, 12 x 32);
    tile!(Avx2Fma, ymm_fma, 6 x 16);

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_reference_multiply_add_is_the_hardwares() {
            let Some(Token::Avx2Fma(_)) = Isa::Avx2Fma.token() else {
                eprintln!("skipped: no {}", Isa::Avx2Fma.missing().unwrap_or("FMA"));
                return;
            };
            #[target_feature(enable = "avx2,fma")]
            fn hardware(a: f32, b: f32, c: f32) -> f32 {
                f32::mul_add(a, b, c)
            }
            let mut rng = Rng::new(5);
            for _ in 0..2_000_000 {
                let (x, y) = (rng.next(), rng.next());
                let (a, b, c) = (tame(x as u32), tame((x >> 32) as u32), tame(y as u32) * tame((y >> 32) as u32));
                // SAFETY: checked above.
                let right = unsafe { hardware(a, b, c) };
                assert_eq!(libm::fmaf(a, b, c).to_bits(), right.to_bits(), "{a} {b} {c}");
            }
        }
    }
}
