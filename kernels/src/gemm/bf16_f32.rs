//! `gemm-bf16-f32`: bf16 summed in f32 in the order of VDPBF16PS: each element is one chain, starting at zero, that takes k in
//! ascending pairs and of each pair the odd k first: `c = c + a[m][1] * b[1][n]`, then k = 0, 3, 2, 5, 4 ... The product of two bf16
//! is exact in f32, so that a multiplication and an addition give the bits of a fused multiply-add. The instruction flushes
//! denormals; no kind of data has any, nor sums that are, so there is nothing to flush. A missing odd k counts as zero,
//! which changes no sum: none is ever -0. A pair of k shares a word of B.

use core::ops::Range;

use super::{Layout, Product, Rows, Shape, balance, reference::outer};
use crate::{
    data::Bf16,
    goldens,
    isa::Isa,
    kernel::{Golden, Variant},
    rng::Rng,
};

/// The product's type.
pub(crate) struct Bf16F32;

type A = Bf16;
type B = [Bf16; 2];
type C = f32;

impl Product for Bf16F32 {
    type A = A;
    type B = B;
    type C = C;
    type Weight = Bf16;
    const NAME: &'static str = "gemm-bf16-f32";
    const SUMMARY: &'static str = "bf16 matrix product summed in f32, in the order of VDPBF16PS";
    const VARIANTS: &'static [Variant] = &[
        Variant::of(Isa::Avx512Bf16),
        Variant::of(Isa::Avx512F),
        Variant::of(Isa::AvxNeConvert),
        Variant::of(Isa::Avx2Fma),
        Variant::of(Isa::Sse41),
        Variant::of(Isa::Scalar),
    ];
    const GOLDENS: &'static [Golden] = goldens::GEMM_BF16_F32;
    // 29 M multiply-adds in 0.7 MiB, and 1.1 MiB with what is packed; many columns, so that converting A costs little, and rows, so
    // that converting B does.
    const GOLDEN: Shape = Shape { m: 192, n: 384, k: 400 };
    const TYPES: [&'static str; 3] = ["bfloat16", "bfloat16", "float32"];
    const GROUP: usize = 2;
    const STRIKES: Range<u32> = 30..31;

    fn fill(rng: &mut Rng, shape: Shape, a: &mut [A], b: &mut [B]) {
        balance::fill::<Self>(rng, shape, a, b);
    }

    /// Elements of a row advance together, which changes nothing within a chain.
    fn reference<L: Layout>(a: Rows<'_, A, L>, b: &[B], c: &mut [C], ks: Range<usize>) {
        outer::<Self, L>(a, b, c, ks, |a, b, c| {
            let even = a[0].to_f32();
            let odd = a.get(1).map_or(0.0, |odd| odd.to_f32());
            for (c, b) in c.iter_mut().zip(b) {
                *c += odd * b[1].to_f32();
                *c += even * b[0].to_f32();
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
            multiply_add::{multiply_add, multiply_add_peak},
            register_tile::{BLOCK_BYTES, groups, load, register_tile, store},
            tile::{Fresh, LINE, Left, Right, Sums, Tile, Tiles, Unpacked, UseTile},
        },
        isa::Token,
    };

    impl Tiles for Bf16F32 {
        fn with_tile<U: UseTile<Self>>(token: Token, with: U) -> Option<U::Output> {
            Some(match token {
                Token::Avx512Bf16(token) => with.with(ZmmBf16(token)),
                Token::Avx512F(token) => with.with(Zmm(token)),
                Token::AvxNeConvert(token) => with.with(YmmNeConvert(token)),
                Token::Avx2Fma(token) => with.with(Ymm(token)),
                Token::Sse41(token) => with.with(Xmm(token)),
                _ => return None,
            })
        }
    }

    register_tile!(
        Bf16F32, ZmmBf16(Avx512Bf16), "avx512f,avx512bw,avx512bf16", zmm_reg, 12 x 2 x 16, parts: 1, together: 1,
        left: [[Bf16; 2]] |k: [Bf16; 2]| [k], unchanged: true, samples: [Bf16(0x3f80); 2], [Bf16(0x3f80); 2];
        zero: _mm512_setzero_ps(), load: load!(_mm512_loadu_ps), store: store!(_mm512_storeu_ps),
        broadcast: |a: [Bf16; 2]| _mm512_castsi512_ps(_mm512_set1_epi32(bytemuck::cast(a))),
        step: |sum, a, b| dot(sum, a, b),
    );

    #[inline]
    #[target_feature(enable = "avx512bf16")]
    fn dot(sum: __m512, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the same 512 bits.
        let (a, b) = unsafe { core::mem::transmute::<(__m512, __m512), (__m512bh, __m512bh)>((a, b)) };
        _mm512_dpbf16_ps(sum, a, b)
    }

    /// Without the dot product, the odd k and then the even one are converted: they are the upper halves of f32.
    #[inline(always)]
    fn odd_first(k: [Bf16; 2]) -> [f32; 2] {
        let k = u64::from(bytemuck::cast::<_, u32>(k));
        bytemuck::cast(k & 0xffff_0000 | k << 48)
    }

    /// The same of a vector of pairs.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn odd_first_zmm(pairs: __m256i) -> __m512 {
        _mm512_castsi512_ps(_mm512_rol_epi64::<48>(_mm512_cvtepu16_epi32(pairs)))
    }

    macro_rules! convert {
        ($name:ident, $features:literal, $from:ty => $to:ty, $cast:ident, $and:ident, $set:ident, $shift:ident) => {
            #[inline]
            #[target_feature(enable = $features)]
            fn $name(word: $from, part: usize) -> $to {
                $cast(if part == 0 { $and(word, $set(0xffff_0000_u32 as i32)) } else { $shift::<16>(word) })
            }
        };
    }
    convert!(
        convert_zmm, "avx512f", __m512i => __m512,
        _mm512_castsi512_ps, _mm512_and_si512, _mm512_set1_epi32, _mm512_slli_epi32
    );
    convert!(
        convert_ymm, "avx2", __m256i => __m256,
        _mm256_castsi256_ps, _mm256_and_si256, _mm256_set1_epi32, _mm256_slli_epi32
    );
    convert!(convert_xmm, "sse4.1", __m128i => __m128, _mm_castsi128_ps, _mm_and_si128, _mm_set1_epi32, _mm_slli_epi32);

    register_tile!(
        Bf16F32, Zmm(Avx512F), "avx512f,avx512bw", zmm_reg, 12 x 2 x 16, parts: 2, together: 4,
        left: [f32] odd_first, pack_line: |pairs| odd_first_zmm(load!(_mm256_loadu_si256)(pairs)),
        samples: 1.0, [Bf16(0x3f80); 2];
        zero: _mm512_setzero_ps(), load: load!(_mm512_loadu_ps), store: store!(_mm512_storeu_ps),
        unpack: |words, part| convert_zmm(load!(_mm512_loadu_si512)(words), part),
        broadcast: |a: f32| _mm512_set1_ps(a),
        step: |sum, a, b| _mm512_fmadd_ps(a, b, sum),
    );
    macro_rules! ne_convert {
        () => {
            |words: *const u8, part| {
                // SAFETY: the caller points to as many words as the vector holds, and the load needs no alignment.
                unsafe {
                    if part == 0 { _mm256_cvtneobf16_ps(words.cast()) } else { _mm256_cvtneebf16_ps(words.cast()) }
                }
            }
        };
    }
    register_tile!(
        Bf16F32, YmmNeConvert(AvxNeConvert), "avx2,fma,avxneconvert", ymm_reg, 6 x 2 x 8, parts: 2, together: 4,
        left: [f32] odd_first, samples: 1.0, [Bf16(0x3f80); 2];
        zero: _mm256_setzero_ps(), load: load!(_mm256_loadu_ps), store: store!(_mm256_storeu_ps),
        unpack: ne_convert!(),
        broadcast: |a: f32| _mm256_set1_ps(a),
        step: |sum, a, b| _mm256_fmadd_ps(a, b, sum),
    );
    register_tile!(
        Bf16F32, Ymm(Avx2Fma), "avx2,fma", ymm_reg, 6 x 2 x 8, parts: 2, together: 4,
        left: [f32] odd_first, samples: 1.0, [Bf16(0x3f80); 2];
        zero: _mm256_setzero_ps(), load: load!(_mm256_loadu_ps), store: store!(_mm256_storeu_ps),
        unpack: |words, part| convert_ymm(load!(_mm256_loadu_si256)(words), part),
        broadcast: |a: f32| _mm256_set1_ps(a),
        step: |sum, a, b| _mm256_fmadd_ps(a, b, sum),
    );
    register_tile!(
        Bf16F32, Xmm(Sse41), "sse4.1", xmm_reg, 6 x 2 x 4, parts: 2, together: 2,
        left: [f32] odd_first, samples: 1.0, [Bf16(0x3f80); 2];
        zero: _mm_setzero_ps(), load: load!(_mm_loadu_ps), store: store!(_mm_storeu_ps),
        unpack: |words, part| convert_xmm(load!(_mm_loadu_si128)(words), part),
        broadcast: |a: f32| _mm_set1_ps(a),
        row: multiply_add!(ps), peak: multiply_add_peak!(ps),
    );
}
