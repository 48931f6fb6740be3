//! `gemm-f16-f32`: half floats summed in f32, each element one chain in ascending k, starting at zero:
//! `c = c + a[m][k] * b[k][n]` for k = 0, 1, 2 ... The product of two half floats is exact in f32, so that a multiplication and an
//! addition give the bits of a fused multiply-add. Variants convert B on the fly, and A once a block.

use core::ops::Range;

use super::{Layout, Product, Rows, Shape, balance, reference::outer};
use crate::{
    data::F16,
    goldens,
    isa::Isa,
    kernel::{Golden, Variant},
    rng::Rng,
};

/// The product's type.
pub(crate) struct F16F32;

type A = F16;
type B = F16;
type C = f32;

impl Product for F16F32 {
    type A = A;
    type B = B;
    type C = C;
    type Weight = F16;
    const NAME: &'static str = "gemm-f16-f32";
    const SUMMARY: &'static str = "f16 matrix product summed in f32, one chain an element in ascending k";
    const VARIANTS: &'static [Variant] = &[
        Variant::of(Isa::Avx512Fp16),
        Variant::of(Isa::Avx512F),
        Variant::of(Isa::Avx2F16c),
        Variant::of(Isa::Sse41),
        Variant::of(Isa::Scalar),
    ];
    const GOLDENS: &'static [Golden] = goldens::GEMM_F16_F32;
    // 35 M multiply-adds in 0.8 MiB, and 1.2 MiB with what is packed; many columns, so that converting A costs little, and rows, so
    // that converting B does.
    const GOLDEN: Shape = Shape { m: 192, n: 384, k: 480 };
    const TYPES: [&'static str; 3] = ["float16", "float16", "float32"];
    const GROUP: usize = 1;
    const STRIKES: Range<u32> = 30..31;

    fn fill(rng: &mut Rng, shape: Shape, a: &mut [A], b: &mut [B]) {
        balance::fill::<Self>(rng, shape, a, b);
    }

    /// Elements of a row advance together, which changes nothing within a chain. B has no denormals, which would
    /// be slow.
    fn reference<L: Layout>(a: Rows<'_, A, L>, b: &[B], c: &mut [C], ks: Range<usize>) {
        outer::<Self, L>(a, b, c, ks, |a, b, c| {
            let a = a[0].to_f32();
            for (c, b) in c.iter_mut().zip(b) {
                *c += a * b.scaled_to_f32();
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
            multiply_add::{multiply_add, multiply_add_peak},
            register_tile::{BLOCK_BYTES, groups, load, register_tile, store},
            tile::{Fresh, LINE, Left, Right, Sums, Tile, Tiles, Unpacked, UseTile},
        },
        isa::Token,
    };

    impl Tiles for F16F32 {
        fn with_tile<U: UseTile<Self>>(token: Token, with: U) -> Option<U::Output> {
            Some(match token {
                Token::Avx512Fp16(token) => with.with(ZmmFp16(token)),
                Token::Avx512F(token) => with.with(Zmm(token)),
                Token::Avx2F16c(token) => with.with(Ymm(token)),
                Token::Sse41(token) => with.with(Xmm(token)),
                _ => return None,
            })
        }
    }

    /// Packs by what B is converted by, a vector at a time.
    macro_rules! pack {
        ($lanes:literal, $convert:expr, $store:expr) => {
            |row: &[A], left: &mut [[f32; 1]]| {
                let ((whole, rest), (vectors, last)) = (row.as_chunks::<$lanes>(), left.as_chunks_mut::<$lanes>());
                for (numbers, vector) in whole.iter().zip(vectors) {
                    $store(vector.as_mut_ptr().cast(), $convert(numbers.as_ptr().cast()));
                }
                for (number, left) in rest.iter().zip(last) {
                    *left = [number.to_f32()];
                }
            }
        };
    }

    macro_rules! halves {
        (fp16) => {
            |words: *const u8| _mm512_cvtxph_ps(_mm256_castsi256_ph(load!(_mm256_loadu_si256)(words)))
        };
        (zmm) => {
            |words: *const u8| _mm512_cvtph_ps(load!(_mm256_loadu_si256)(words))
        };
        (ymm) => {
            |words: *const u8| _mm256_cvtph_ps(load!(_mm_loadu_si128)(words))
        };
    }

    register_tile!(
        F16F32, ZmmFp16(Avx512Fp16), "avx512f,avx512bw,avx512fp16", zmm_reg, 12 x 2 x 16, parts: 1, together: 4,
        left: [f32], pack: pack!(16, halves!(fp16), store!(_mm512_storeu_ps)), samples: 1.0, F16(0x3c00);
        zero: _mm512_setzero_ps(), load: load!(_mm512_loadu_ps), store: store!(_mm512_storeu_ps),
        unpack: |words, _| halves!(fp16)(words),
        broadcast: |a: f32| _mm512_set1_ps(a),
        first: first!(zmm, ps, 2), step: |sum, a, b| _mm512_fmadd_ps(a, b, sum),
    );
    register_tile!(
        F16F32, Zmm(Avx512F), "avx512f,avx512bw", zmm_reg, 12 x 2 x 16, parts: 1, together: 4,
        left: [f32], pack: pack!(16, halves!(zmm), store!(_mm512_storeu_ps)), samples: 1.0, F16(0x3c00);
        zero: _mm512_setzero_ps(), load: load!(_mm512_loadu_ps), store: store!(_mm512_storeu_ps),
        unpack: |words, _| halves!(zmm)(words),
        broadcast: |a: f32| _mm512_set1_ps(a),
        first: first!(zmm, ps, 2), step: |sum, a, b| _mm512_fmadd_ps(a, b, sum),
    );
    register_tile!(
        F16F32, Ymm(Avx2F16c), "avx2,fma,f16c", ymm_reg, 6 x 2 x 8, parts: 1, together: 4,
        left: [f32], pack: pack!(8, halves!(ymm), store!(_mm256_storeu_ps)), samples: 1.0, F16(0x3c00);
        zero: _mm256_setzero_ps(), load: load!(_mm256_loadu_ps), store: store!(_mm256_storeu_ps),
        unpack: |words, _| halves!(ymm)(words),
        broadcast: |a: f32| _mm256_set1_ps(a),
        first: first!(ymm, ps, 2), step: |sum, a, b| _mm256_fmadd_ps(a, b, sum),
    );

    /// Without a converter A is packed one by one: unlike B it has denormals, of which [`convert`] makes those of f32 on the way, and
    /// they are slow.
    fn converted(k: [F16; 1]) -> [f32; 1] {
        k.map(F16::to_f32)
    }

    /// Converts the lower four half floats: moved to f32's fields they are 2^112 too small, which a product with a power of two
    /// mends, denormals too.
    #[inline]
    #[target_feature(enable = "sse4.1")]
    fn convert(halves: __m128i) -> __m128 {
        let words = _mm_cvtepu16_epi32(halves);
        let size = _mm_slli_epi32::<13>(_mm_and_si128(words, _mm_set1_epi32(0x7fff)));
        let sign = _mm_slli_epi32::<16>(_mm_and_si128(words, _mm_set1_epi32(0x8000)));
        let scale = _mm_castsi128_ps(_mm_set1_epi32((127 + 112) << 23));
        _mm_xor_ps(_mm_mul_ps(_mm_castsi128_ps(size), scale), _mm_castsi128_ps(sign))
    }

    register_tile!(
        F16F32, Xmm(Sse41), "sse4.1", xmm_reg, 6 x 2 x 4, parts: 1, together: 1,
        left: [f32] converted, samples: 1.0, F16(0x3c00);
        zero: _mm_setzero_ps(), load: load!(_mm_loadu_ps), store: store!(_mm_storeu_ps),
        unpack: |words, _| convert(load!(_mm_loadl_epi64)(words)),
        broadcast: |a: f32| _mm_set1_ps(a),
        row: multiply_add!(ps), peak: multiply_add_peak!(ps),
    );
}
