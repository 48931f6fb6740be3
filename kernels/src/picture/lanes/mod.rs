//! The vectors that operations on pictures are written in. They come in groups of one size, whatever an instruction set's
//! vectors hold, so that an operation is written once: 16 values of 32 or 64 bits, or 32 bytes.

mod avx2;
mod avx512;
mod sse41;

use core::arch::x86_64::*;

/// Values of 32 or 64 bits in a group.
pub(crate) const GROUP: usize = 16;
/// Bytes in a group of bytes.
pub(crate) const BYTES: usize = 32;
/// Bytes of a group of words.
const WORDS: usize = 4 * GROUP;
/// Half to even, whatever the control register says.
const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;

/// What operations need, on the token that proves it can be had.
pub(crate) trait Lanes: Copy {
    /// 16 f32.
    type Floats: Copy;
    /// 16 f64.
    type Doubles: Copy;
    /// 16 u32.
    type Ints: Copy;
    /// 32 u16.
    type Shorts: Copy;
    /// 32 u8.
    type Bytes: Copy;
    /// Wrapping sums of 32-bit words; only their total counts.
    type Sums: Copy;

    fn floats(self, value: f32) -> Self::Floats;
    fn load_floats(self, from: &[f32; GROUP]) -> Self::Floats;
    fn store_floats(self, values: Self::Floats, to: &mut [f32; GROUP]);
    fn add(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    fn sub(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    fn div(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a > b ? a : b`.
    fn max(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a < b ? a : b`.
    fn min(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// To whole numbers, half to even.
    fn nearest(self, values: Self::Floats) -> Self::Floats;
    fn floats_of(self, values: Self::Ints) -> Self::Floats;
    fn truncated(self, values: Self::Floats) -> Self::Ints;
    /// Half to even.
    fn rounded(self, values: Self::Floats) -> Self::Ints;
    fn sum_floats(self, sums: Self::Sums, values: Self::Floats) -> Self::Sums;

    fn doubles(self, value: f64) -> Self::Doubles;
    fn load_doubles(self, from: &[f64; GROUP]) -> Self::Doubles;
    fn store_doubles(self, values: Self::Doubles, to: &mut [f64; GROUP]);
    fn mul_doubles(self, a: Self::Doubles, b: Self::Doubles) -> Self::Doubles;
    fn div_doubles(self, a: Self::Doubles, b: Self::Doubles) -> Self::Doubles;
    fn max_doubles(self, a: Self::Doubles, b: Self::Doubles) -> Self::Doubles;
    fn min_doubles(self, a: Self::Doubles, b: Self::Doubles) -> Self::Doubles;
    fn doubles_of(self, values: Self::Ints) -> Self::Doubles;
    fn narrowed(self, values: Self::Doubles) -> Self::Floats;
    fn truncated_doubles(self, values: Self::Doubles) -> Self::Ints;
    /// Half to even.
    fn rounded_doubles(self, values: Self::Doubles) -> Self::Ints;
    /// Both halves of each.
    fn sum_doubles(self, sums: Self::Sums, values: Self::Doubles) -> Self::Sums;

    fn ints(self, value: u32) -> Self::Ints;
    fn load_ints(self, from: &[u32; GROUP]) -> Self::Ints;
    /// The same, from bytes.
    fn load_words(self, from: &[u8; WORDS]) -> Self::Ints;
    fn store_ints(self, values: Self::Ints, to: &mut [u32; GROUP]);
    fn ints_of(self, bytes: __m128i) -> Self::Ints;
    /// They fit in bytes.
    fn bytes_of(self, values: Self::Ints) -> __m128i;
    /// Two at a time, sign and all.
    fn store_longs(self, values: Self::Ints, to: &mut [i64; GROUP]);
    fn and(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    /// Of values without a bit in common what `or` is, but that it shows a bit too many.
    fn xor(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    fn shift_right(self, a: Self::Ints, bits: u32) -> Self::Ints;
    fn shift_left(self, a: Self::Ints, bits: u32) -> Self::Ints;
    fn add_ints(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    fn sub_ints(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    fn mul_ints(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    /// `condition == 0 ? a : b`.
    fn if_zero(self, condition: Self::Ints, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    fn sum_ints(self, sums: Self::Sums, values: Self::Ints) -> Self::Sums;

    fn shorts(self, value: u16) -> Self::Shorts;
    fn shorts_of(self, bytes: &[u8; BYTES]) -> Self::Shorts;
    /// They fit in bytes.
    fn store_shorts(self, values: Self::Shorts, to: &mut [u8; BYTES]);
    fn add_shorts(self, a: Self::Shorts, b: Self::Shorts) -> Self::Shorts;
    fn sub_shorts(self, a: Self::Shorts, b: Self::Shorts) -> Self::Shorts;
    fn mul_shorts(self, a: Self::Shorts, b: Self::Shorts) -> Self::Shorts;
    /// Right by 8.
    fn high_bytes(self, a: Self::Shorts) -> Self::Shorts;
    /// Each as a word.
    fn sum_shorts(self, sums: Self::Sums, values: Self::Shorts) -> Self::Sums;

    fn load_bytes(self, from: &[u8; BYTES]) -> Self::Bytes;
    fn store_bytes(self, values: Self::Bytes, to: &mut [u8; BYTES]);
    fn max_bytes(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    fn or_bytes(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// How many are zero.
    fn zeros(self, values: Self::Bytes) -> u32;
    /// Four at a time, as a word.
    fn sum_bytes(self, sums: Self::Sums, values: Self::Bytes) -> Self::Sums;

    fn no_sums(self) -> Self::Sums;
    fn total(self, sums: Self::Sums) -> u32;
}

/// Sixteen bytes.
#[inline(always)]
pub(crate) fn load16<L: Lanes>(_: L, from: &[u8; 16]) -> __m128i {
    // SAFETY: the array is as wide as the vector, and the load needs no alignment.
    unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
}

/// Sixteen bytes.
#[inline(always)]
pub(crate) fn store16<L: Lanes>(_: L, values: __m128i, to: &mut [u8; 16]) {
    // SAFETY: the array is as wide as the vector, and the store needs no alignment.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), values) };
}

/// Bytes from these places; none where the top bit is set.
#[inline(always)]
fn picked<L: Lanes>(_: L, bytes: __m128i, places: [u8; 16]) -> __m128i {
    // SAFETY: the array is as wide as the vector; every token proves SSSE3.
    unsafe { _mm_shuffle_epi8(bytes, _mm_loadu_si128(places.as_ptr().cast())) }
}

/// Where byte `at` of a shuffle's result comes from: byte `from(at)` of 48, if it is in vector `part` of the three.
const fn place(from: usize, part: usize) -> u8 {
    if from / 16 == part { (from % 16) as u8 } else { 0x80 }
}

/// To be filled.
// SAFETY: a vector of zeros is a vector.
pub(crate) const NO_CHANNELS: [__m128i; 3] = unsafe { core::mem::zeroed() };

/// Sixteen RGB pixels to their channels.
#[inline(always)]
pub(crate) fn channels<L: Lanes>(lanes: L, pixels: &[u8; 48]) -> [__m128i; 3] {
    const PLACES: [[[u8; 16]; 3]; 3] = {
        let mut places = [[[0; 16]; 3]; 3];
        let mut n = 0;
        while n < 9 * 16 {
            let (channel, part, at) = (n / 48, n / 16 % 3, n % 16);
            places[channel][part][at] = place(3 * at + channel, part);
            n += 1;
        }
        places
    };
    let (parts, _) = pixels.as_chunks::<16>();
    let parts = [load16(lanes, &parts[0]), load16(lanes, &parts[1]), load16(lanes, &parts[2])];
    [three(lanes, parts, PLACES[0]), three(lanes, parts, PLACES[1]), three(lanes, parts, PLACES[2])]
}

/// Three channels to sixteen RGB pixels.
#[inline(always)]
pub(crate) fn pixels<L: Lanes>(lanes: L, channels: [__m128i; 3], pixels: &mut [u8; 48]) {
    const PLACES: [[[u8; 16]; 3]; 3] = {
        let mut places = [[[0; 16]; 3]; 3];
        let mut n = 0;
        while n < 9 * 16 {
            let (part, channel, at) = (n / 48, n / 16 % 3, n % 16);
            let byte = 16 * part + at;
            places[part][channel][at] = if byte % 3 == channel { (byte / 3) as u8 } else { 0x80 };
            n += 1;
        }
        places
    };
    let (parts, _) = pixels.as_chunks_mut::<16>();
    for (part, places) in parts.iter_mut().zip(PLACES) {
        store16(lanes, three(lanes, channels, places), part);
    }
}

/// Bytes out of three vectors.
#[inline(always)]
fn three<L: Lanes>(lanes: L, from: [__m128i; 3], places: [[u8; 16]; 3]) -> __m128i {
    let (a, b) = (picked(lanes, from[0], places[0]), picked(lanes, from[1], places[1]));
    let c = picked(lanes, from[2], places[2]);
    // SAFETY: every x86-64 CPU has it.
    unsafe { _mm_xor_si128(_mm_xor_si128(a, b), c) }
}

/// Sixteen RGB pixels as RGBA, alpha 255.
#[inline(always)]
pub(crate) fn rgb_to_rgba<L: Lanes>(lanes: L, rgb: &[u8; 48], rgba: &mut [u8; 64]) {
    const SPREAD: [u8; 16] = [0, 1, 2, 0x80, 3, 4, 5, 0x80, 6, 7, 8, 0x80, 9, 10, 11, 0x80];
    // The last four pixels are the upper twelve bytes of the last vector.
    const SPREAD_UPPER: [u8; 16] = [4, 5, 6, 0x80, 7, 8, 9, 0x80, 10, 11, 12, 0x80, 13, 14, 15, 0x80];
    let (quads, _) = rgba.as_chunks_mut::<16>();
    for (n, quad) in quads.iter_mut().enumerate() {
        let (from, places) = if n < 3 { (12 * n, SPREAD) } else { (32, SPREAD_UPPER) };
        let four: &[u8; 16] = rgb[from..].first_chunk().expect("three vectors long");
        let spread = picked(lanes, load16(lanes, four), places);
        // SAFETY: every x86-64 CPU has it.
        store16(lanes, unsafe { _mm_xor_si128(spread, _mm_set1_epi32(0xff << 24)) }, quad);
    }
}

/// Sixteen RGBA pixels as RGB.
#[inline(always)]
pub(crate) fn rgba_to_rgb<L: Lanes>(lanes: L, rgba: &[u8; 64], rgb: &mut [u8; 48]) {
    const CLOSE: [u8; 16] = [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 0x80, 0x80, 0x80, 0x80];
    let (quads, _) = rgba.as_chunks::<16>();
    let mut close = [0; 64];
    for (n, quad) in quads.iter().enumerate() {
        let to: &mut [u8; 16] = close[12 * n..].first_chunk_mut().expect("four vectors long");
        store16(lanes, picked(lanes, load16(lanes, quad), CLOSE), to);
    }
    rgb.copy_from_slice(&close[..48]);
}

/// Each of 16 floats, so many times.
#[inline(always)]
pub(crate) fn repeat4<L: Lanes>(_: L, from: &[f32; GROUP], to: &mut [f32; 4 * GROUP]) {
    let (quads, _) = to.as_chunks_mut::<4>();
    for (value, quad) in from.iter().zip(quads) {
        // SAFETY: the array is as wide as the vector, and the store needs no alignment.
        unsafe { _mm_storeu_ps(quad.as_mut_ptr(), _mm_set1_ps(*value)) };
    }
}

/// Vectors made one by one. In a loop: a closure has no instruction set, so what is large is not inlined, nor are the instructions
/// in it.
macro_rules! each {
    ($type:ty, $n:ident => $value:expr) => {{
        // SAFETY: a vector of zeros is a vector.
        let mut all: $type = unsafe { core::mem::zeroed() };
        for ($n, one) in all.iter_mut().enumerate() {
            *one = $value;
        }
        all
    }};
}

/// What an instruction set does vector by vector. `$width` is the 32-bit lanes of a vector.
macro_rules! lanes {
    ($isa:ident, $width:literal, $floats:ident, $doubles:ident, $ints:ident, $bytes:ident,
     splat: [$($splat:ident: $value:ident as $cast:ident => $splatted:ident, $set1:path;)*],
     load: [$($load:ident: [$element:ident; $len:ident] => $loaded:ident, $from:path;)*],
     store: [$($store:ident: $stored:ident => [$target:ident; $size:ident], $to:path;)*],
     unary: [$($unary:ident: $argument:ident => $result:ident, $one:path;)*],
     binary: [$($binary:ident: $type:ident, $two:path;)*],
     sums: [$zero:path, $sum:path, $of_floats:path, $of_doubles:path, $shift:path, $store_sums:path],
     { $($more:tt)* }) => {
        impl Lanes for $isa {
            type Floats = [$floats; GROUP / $width];
            type Doubles = [$doubles; 2 * GROUP / $width];
            type Ints = [$ints; GROUP / $width];
            type Shorts = [$ints; GROUP / $width];
            type Bytes = [$bytes; BYTES / size_of::<$bytes>()];
            type Sums = $ints;

            $(
                #[inline(always)]
                fn $splat(self, value: $value) -> Self::$splatted {
                    // SAFETY: the token proves the instruction set.
                    each!(Self::$splatted, _n => unsafe { $set1(value as $cast) })
                }
            )*
            $(
                #[inline(always)]
                fn $load(self, from: &[$element; $len]) -> Self::$loaded {
                    // SAFETY: the token proves the instruction set; the vectors lie within the array.
                    each!(Self::$loaded, n => unsafe { $from(from.as_ptr().add(n * 4 * $width / size_of::<$element>()).cast()) })
                }
            )*
            $(
                #[inline(always)]
                fn $store(self, values: Self::$stored, to: &mut [$target; $size]) {
                    for (n, value) in values.into_iter().enumerate() {
                        // SAFETY: the token proves the instruction set; the vectors lie within the array.
                        unsafe { $to(to.as_mut_ptr().add(n * 4 * $width / size_of::<$target>()).cast(), value) };
                    }
                }
            )*
            $(
                #[inline(always)]
                fn $unary(self, a: Self::$argument) -> Self::$result {
                    // SAFETY: the token proves the instruction set.
                    each!(Self::$result, n => unsafe { $one(a[n]) })
                }
            )*
            $(
                #[inline(always)]
                fn $binary(self, a: Self::$type, b: Self::$type) -> Self::$type {
                    // SAFETY: the token proves the instruction set.
                    each!(Self::$type, n => unsafe { $two(a[n], b[n]) })
                }
            )*

            #[inline(always)]
            fn no_sums(self) -> Self::Sums {
                // SAFETY: the token proves the instruction set.
                unsafe { $zero() }
            }

            #[inline(always)]
            fn sum_ints(self, mut sums: Self::Sums, values: Self::Ints) -> Self::Sums {
                for value in values {
                    // SAFETY: the token proves the instruction set.
                    sums = unsafe { $sum(sums, value) };
                }
                sums
            }

            #[inline(always)]
            fn sum_floats(self, mut sums: Self::Sums, values: Self::Floats) -> Self::Sums {
                for value in values {
                    // SAFETY: the token proves the instruction set.
                    sums = unsafe { $sum(sums, $of_floats(value)) };
                }
                sums
            }

            #[inline(always)]
            fn sum_doubles(self, mut sums: Self::Sums, values: Self::Doubles) -> Self::Sums {
                for value in values {
                    // SAFETY: the token proves the instruction set.
                    sums = unsafe { $sum(sums, $of_doubles(value)) };
                }
                sums
            }

            #[inline(always)]
            fn sum_shorts(self, sums: Self::Sums, values: Self::Shorts) -> Self::Sums {
                let low = self.and(values, self.ints(0xffff));
                self.sum_ints(self.sum_ints(sums, low), self.shift_right(values, 16))
            }

            #[inline(always)]
            fn shift_right(self, a: Self::Ints, bits: u32) -> Self::Ints {
                // SAFETY: the token proves the instruction set.
                each!(Self::Ints, n => unsafe { $shift(a[n], _mm_cvtsi32_si128(bits as i32)) })
            }

            #[inline(always)]
            fn total(self, sums: Self::Sums) -> u32 {
                let mut words = [0u32; $width];
                // SAFETY: the token proves the instruction set; the array is as wide as the vector.
                unsafe { $store_sums(words.as_mut_ptr().cast(), sums) };
                words.iter().fold(0, |total, word| total.wrapping_add(*word))
            }

            $($more)*
        }
    };
}

use {each, lanes};
