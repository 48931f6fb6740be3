//! What Pillow does to RGBA pictures around a resize: colours are multiplied by alpha before, divided by it after. Both round,
//! so each returns, row by row, the wrapping sum of what it had before.

use crate::isa::Token;

/// A row's colours times alpha, in 1/255, rounded half up: `t = colour * alpha + 128; (t + (t >> 8)) >> 8`. The sum is that of
/// `t`, blue's shifted by 16 bits.
pub(crate) fn premultiply(token: Token, source: &[u8], target: &mut [u8]) -> u32 {
    dispatch(token, source, target, scalar_premultiply, Vectors::premultiply)
}

/// A row's `255 * colour / alpha`, truncated, at most 255; colours stay where alpha is 0 (and where it is 255). The sum is
/// that of the quotients' bits in f32, whose truncation is exact for such numbers; 0 divides as 1.
pub(crate) fn unpremultiply(token: Token, source: &[u8], target: &mut [u8]) -> u32 {
    dispatch(token, source, target, scalar_unpremultiply, Vectors::unpremultiply)
}

fn scalar_premultiply(source: &[u8], target: &mut [u8]) -> u32 {
    let mut sum = 0u32;
    for (from, to) in source.as_chunks::<4>().0.iter().zip(target.as_chunks_mut::<4>().0) {
        for (channel, (from_value, to_value)) in from.iter().zip(to.iter_mut()).take(3).enumerate() {
            let t = u32::from(*from_value) * u32::from(from[3]) + 128;
            sum = sum.wrapping_add(t << [0, 0, 16][channel]);
            *to_value = ((t + (t >> 8)) >> 8) as u8;
        }
        to[3] = from[3];
    }
    sum
}

fn scalar_unpremultiply(source: &[u8], target: &mut [u8]) -> u32 {
    let mut sum = 0u32;
    for (from, to) in source.as_chunks::<4>().0.iter().zip(target.as_chunks_mut::<4>().0) {
        let alpha = u32::from(from[3]);
        for (from, to) in from.iter().zip(to.iter_mut()).take(3) {
            let product = 255 * u32::from(*from);
            sum = sum.wrapping_add((product as f32 / alpha.max(1) as f32).to_bits());
            *to = product.checked_div(alpha).map_or(*from, |quotient| quotient.min(255) as u8);
        }
        to[3] = from[3];
    }
    sum
}

type Row = fn(&[u8], &mut [u8]) -> u32;

#[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
enum Vectors {}

#[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
impl Vectors {
    fn premultiply(token: Token, _: &[u8], _: &mut [u8]) -> u32 {
        crate::gemm::no_such_variant("resize", token)
    }

    fn unpremultiply(token: Token, _: &[u8], _: &mut [u8]) -> u32 {
        crate::gemm::no_such_variant("resize", token)
    }
}

fn dispatch(
    token: Token,
    source: &[u8],
    target: &mut [u8],
    scalar: Row,
    vector: fn(Token, &[u8], &mut [u8]) -> u32,
) -> u32 {
    assert_eq!(source.len(), target.len());
    if let Token::Scalar = token { scalar(source, target) } else { vector(token, source, target) }
}

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
use vectors::Vectors;

/// A pixel is a 32-bit lane; the loops are plain enough for the compiler to make vectors of them.
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod vectors {
    use crate::{gemm::no_such_variant, isa::Token};

    /// Red and blue of a lane.
    const RED_BLUE: u32 = 0x00ff_00ff;

    pub(super) enum Vectors {}

    /// The new pixel, and what it adds to the sum. Red and blue are multiplied side by side: no product reaches 2^16.
    #[inline(always)]
    fn premultiplied(pixel: u32) -> (u32, u32) {
        let alpha = pixel >> 24;
        let red_blue = (pixel & RED_BLUE) * alpha + 0x0080_0080;
        let green = (pixel >> 8 & 0xff) * alpha + 0x80;
        let rounded = (red_blue + (red_blue >> 8 & RED_BLUE)) >> 8 & RED_BLUE;
        let rounded = rounded | (green + (green >> 8)) & 0xff00 | alpha << 24;
        (rounded, red_blue.wrapping_add(green))
    }

    /// The new pixel, and what it adds to the sum.
    #[inline(always)]
    fn unpremultiplied(pixel: u32) -> (u32, u32) {
        let alpha = pixel >> 24;
        let divisor = alpha.max(1) as i32 as f32;
        let (mut colours, mut sum) = (0, 0u32);
        for shift in [0, 8, 16] {
            let quotient = (255 * (pixel >> shift & 0xff)) as i32 as f32 / divisor;
            sum = sum.wrapping_add(quotient.to_bits());
            // SAFETY: between 0 and 255 * 255.
            let whole = unsafe { quotient.to_int_unchecked::<i32>() };
            colours |= (whole as u32).min(255) << shift;
        }
        (if alpha == 0 { pixel } else { colours | alpha << 24 }, sum)
    }

    macro_rules! rows {
        ($($name:ident, $features:literal;)*) => {
            $(mod $name {
                #[target_feature(enable = $features)]
                pub(super) fn premultiply(source: &[u8], target: &mut [u8]) -> u32 {
                    each(source, target, super::premultiplied)
                }

                #[target_feature(enable = $features)]
                pub(super) fn unpremultiply(source: &[u8], target: &mut [u8]) -> u32 {
                    each(source, target, super::unpremultiplied)
                }

                #[inline]
                #[target_feature(enable = $features)]
                fn each(source: &[u8], target: &mut [u8], change: impl Fn(u32) -> (u32, u32)) -> u32 {
                    let mut sum = 0u32;
                    for (from, to) in source.as_chunks::<4>().0.iter().zip(target.as_chunks_mut::<4>().0) {
                        let (pixel, part) = change(u32::from_le_bytes(*from));
                        sum = sum.wrapping_add(part);
                        *to = pixel.to_le_bytes();
                    }
                    sum
                }
            })*
        };
    }

    rows! {
        sse41, "sse4.1";
        avx2, "avx2,fma";
        avx512, "avx512f,avx512bw";
    }

    macro_rules! choose {
        ($token:ident, $function:ident, $source:ident, $target:ident) => {
            match $token {
                // SAFETY: the token proves that this CPU and OS have the instruction set.
                Token::Sse41(_) => unsafe { sse41::$function($source, $target) },
                // SAFETY: as above; AVX-VNNI is proved with AVX2.
                Token::Avx2Fma(_) | Token::AvxVnni(_) => unsafe { avx2::$function($source, $target) },
                // SAFETY: as above; AVX-512 VNNI is proved with F and BW.
                Token::Avx512F(_) | Token::Avx512Vnni(_) => unsafe { avx512::$function($source, $target) },
                token => no_such_variant("resize", token),
            }
        };
    }

    impl Vectors {
        pub(super) fn premultiply(token: Token, source: &[u8], target: &mut [u8]) -> u32 {
            choose!(token, premultiply, source, target)
        }

        pub(super) fn unpremultiply(token: Token, source: &[u8], target: &mut [u8]) -> u32 {
            choose!(token, unpremultiply, source, target)
        }
    }
}
