//! `gemm-f32`: each element is one chain of fused multiply-adds in ascending k, starting at zero:
//! `c = fma(a[m][k], b[k][n], c)` for k = 0, 1, 2 ... Every variant keeps to it, whatever its tile or block, so all share one
//! digest. There is no SSE variant: without the fused instruction it would be another product.

use core::ops::Range;

use super::{Layout, Product, Rows, Shape, balance, reference::outer};
use crate::{
    fused, goldens,
    isa::Isa,
    kernel::{Golden, Variant},
    rng::Rng,
};

/// The product's type.
pub(crate) struct F32;

type A = f32;
type B = f32;
type C = f32;

impl Product for F32 {
    type A = A;
    type B = B;
    type C = C;
    type Weight = f32;
    const NAME: &'static str = "gemm-f32";
    const SUMMARY: &'static str = "f32 matrix product, one fused chain an element in ascending k";
    const VARIANTS: &'static [Variant] =
        &[Variant::of(Isa::Avx512F), Variant::of(Isa::Avx2Fma), Variant::of(Isa::Scalar)];
    const GOLDENS: &'static [Golden] = goldens::GEMM_F32;
    // 10 M multiply-adds in 0.7 MiB; a long k, so that sums seldom leave registers and C is small.
    const GOLDEN: Shape = Shape { m: 144, n: 96, k: 720 };
    const TYPES: [&'static str; 3] = ["float32", "float32", "float32"];
    const GROUP: usize = 1;
    const STRIKES: Range<u32> = 30..31;

    fn fill(rng: &mut Rng, shape: Shape, a: &mut [A], b: &mut [B]) {
        balance::fill::<Self>(rng, shape, a, b);
    }

    /// Elements of a row advance together, which changes nothing within a chain.
    fn reference<L: Layout>(a: Rows<'_, A, L>, b: &[B], c: &mut [C], ks: Range<usize>) {
        outer::<Self, L>(a, b, c, ks, |a, b, c| {
            let (b, c) = (bytemuck::cast_slice::<_, u32>(b), bytemuck::cast_slice_mut::<_, u32>(c));
            for (c, b) in c.iter_mut().zip(b) {
                *c = fused::multiply_add_f32(a[0].to_bits(), *b, *c);
            }
        });
    }
}

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod vector {
    use core::arch::x86_64::*;

    use super::*;
    use crate::{
        gemm::{
            first::first,
            register_tile::{BLOCK_BYTES, groups, load, register_tile, store},
            tile::{Fresh, LINE, Left, Right, Sums, Tile, Tiles, Unpacked, UseTile},
        },
        isa::Token,
    };

    impl Tiles for F32 {
        fn with_tile<U: UseTile<Self>>(token: Token, with: U) -> Option<U::Output> {
            Some(match token {
                Token::Avx512F(token) => with.with(Zmm(token)),
                Token::Avx2Fma(token) => with.with(Ymm(token)),
                _ => return None,
            })
        }
    }

    register_tile!(
        F32, Zmm(Avx512F), "avx512f,avx512bw", zmm_reg, 12 x 2 x 16, parts: 1, together: 4,
        left: [f32] |k: [f32; 1]| k, unchanged: true, samples: 1.0, 1.0;
        zero: _mm512_setzero_ps(), load: load!(_mm512_loadu_ps), store: store!(_mm512_storeu_ps),
        broadcast: |a: f32| _mm512_set1_ps(a),
        first: first!(zmm, ps, 2), step: |sum, a, b| _mm512_fmadd_ps(a, b, sum),
    );
    register_tile!(
        F32, Ymm(Avx2Fma), "avx2,fma", ymm_reg, 6 x 2 x 8, parts: 1, together: 4,
        left: [f32] |k: [f32; 1]| k, unchanged: true, samples: 1.0, 1.0;
        zero: _mm256_setzero_ps(), load: load!(_mm256_loadu_ps), store: store!(_mm256_storeu_ps),
        broadcast: |a: f32| _mm256_set1_ps(a),
        first: first!(ymm, ps, 2), step: |sum, a, b| _mm256_fmadd_ps(a, b, sum),
    );
}
