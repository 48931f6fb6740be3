//! The numbers that products are fed. A faulty core errs on some data and not on others, so the seed chooses a kind as well as
//! the values. No kind holds a NaN or an infinity, and with none of them can a sum overflow or become denormal: each value is
//! a multiple of its kind's smallest step, and the product of the two steps is never below the smallest normal number.

use bytemuck::Pod;

use crate::rng::Rng;

/// What the numbers of an input are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Every bit random but of the exponents of floats, which are 0 and 1: a number much larger than others would hide what is
    /// wrong in those.
    Uniform,
    /// Whole numbers of a few bits: sums of floats are exact too.
    SmallInteger,
    /// Neighbours differ in every bit they can.
    HighToggle,
    /// Seven in eight are zero, and hide what is wrong in the numbers that they are multiplied with; no other kind has zeros to
    /// speak of. Only A is sparse, as activations are: weights meet several of its rows, and one is not zero. Of floats every other
    /// number is sparse, since sums that stay zero for long hide more.
    Sparse,
    /// At the edge of the type: A just above the smallest normal number, B as large as makes their sums normal; the ends of
    /// the range of integers; denormal half floats.
    NearDenormal,
    /// Ramps with a little noise, as pictures and activations have, times small weights.
    PictureLike,
}

impl Kind {
    /// How many inputs of 32 are of each kind: the fewer, the more it hides.
    const SHARES: [(Self, u8); 6] = [
        (Self::Uniform, 11),
        (Self::PictureLike, 8),
        (Self::HighToggle, 6),
        (Self::SmallInteger, 4),
        (Self::NearDenormal, 2),
        (Self::Sparse, 1),
    ];

    pub(crate) fn choose(rng: &mut Rng) -> Self {
        let mut kinds = Self::SHARES.iter().flat_map(|(kind, share)| core::iter::repeat_n(*kind, (*share).into()));
        kinds.nth(rng.within(0, 31)).expect("the shares add up to 32")
    }
}

/// The operands of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    A,
    B,
}

/// A number that inputs are made of.
pub(crate) trait Number: Pod {
    /// From random bits to a number of that kind; `at` is its place.
    fn shape(self, kind: Kind, side: Side, at: usize) -> Self;
}

/// A number with a mantissa.
pub(crate) trait Float: Number {
    /// The other, but for the lower half of the mantissa, which stays.
    fn echo(self, other: Self) -> Self;
    /// With the other sign.
    fn negated(self) -> Self;
    /// So many powers of two larger, which it must have room for; not for denormals.
    fn raised(self, by: u32) -> Self;
}

/// Fills one operand.
pub(crate) fn fill<T: Number>(rng: &mut Rng, kind: Kind, side: Side, numbers: &mut [T]) {
    rng.fill(bytemuck::cast_slice_mut(numbers));
    // A loop of its own for each kind.
    match kind {
        Kind::Uniform => shape(Kind::Uniform, side, numbers),
        Kind::SmallInteger => shape(Kind::SmallInteger, side, numbers),
        Kind::HighToggle => shape(Kind::HighToggle, side, numbers),
        Kind::Sparse => shape(Kind::Sparse, side, numbers),
        Kind::NearDenormal => shape(Kind::NearDenormal, side, numbers),
        Kind::PictureLike => shape(Kind::PictureLike, side, numbers),
    }
}

#[inline(always)]
fn shape<T: Number>(kind: Kind, side: Side, numbers: &mut [T]) {
    for (at, number) in numbers.iter_mut().enumerate() {
        *number = alone(*number).shape(kind, side, at);
    }
}

/// Has numbers made one by one: vectors of SSE2 would be put together from lanes of which some are dropped.
#[inline(always)]
fn alone<T>(number: T) -> T {
    core::hint::black_box(number)
}

/// A ramp over 0 to 255 with two bits of noise.
fn ramp(random: u8, at: usize) -> u8 {
    // In 32 bits: the quotient of a longer one leaves half of a product that nobody reads.
    let at = at as u32;
    (at.wrapping_mul(3) / 8 + at / 251) as u8 & 0xfc | random & 3
}

impl Number for u8 {
    fn shape(self, kind: Kind, _: Side, at: usize) -> Self {
        match kind {
            Kind::Uniform => self,
            Kind::SmallInteger => 1 + (self & 7),
            Kind::HighToggle => [0x55, 0xaa, 0x01, 0xfe][at & 1 | (self & 0x80) as usize >> 6],
            Kind::Sparse => {
                if self & 7 == 0 {
                    self | self >> 3
                } else {
                    0
                }
            }
            Kind::NearDenormal => [1, 2, 127, 128, 129, 254, 255, 255][(self & 7) as usize],
            Kind::PictureLike => ramp(self, at),
        }
    }
}

impl Number for i8 {
    fn shape(self, kind: Kind, side: Side, at: usize) -> Self {
        match kind {
            Kind::SmallInteger => self >> 5 | 1,
            Kind::NearDenormal => [-128, -127, -1, 2, 1, 126, 127, -128][(self & 7) as usize],
            // Signed bytes are weights if they are B: small ones are the most frequent.
            Kind::PictureLike | Kind::Sparse if side == Side::B => self >> (self & 3) | 1,
            kind => (self as u8).shape(kind, side, at) as i8,
        }
    }
}

/// Eight bits that two weights of four bits with sign share; the lower one comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct S4x2(pub(crate) u8);

// SAFETY: transparent around a byte, for which every pattern is valid, zero too.
unsafe impl bytemuck::Zeroable for S4x2 {}
// SAFETY: as above.
unsafe impl Pod for S4x2 {}

impl Number for S4x2 {
    fn shape(self, kind: Kind, side: Side, at: usize) -> Self {
        let nibbles = |low: u8, high: u8| low & 15 | high << 4;
        let (low, high) = (self.0 & 15, self.0 >> 4);
        let byte = match kind {
            Kind::Uniform => self.0,
            // -2 to 1.
            Kind::SmallInteger => self.0 & 0x33 | (self.0 & 0x22) << 1 | (self.0 & 0x22) << 2,
            Kind::HighToggle => self.0.shape(kind, side, at),
            Kind::NearDenormal => nibbles([8, 7, 8, 0][(low & 3) as usize], [7, 8, 15, 8][(high & 3) as usize]),
            Kind::PictureLike | Kind::Sparse => nibbles(low, if low & 8 == 0 { high & 3 } else { high | 12 }),
        };
        // -8 for 0.
        let full = |nibble: u8| if nibble == 0 { 8 } else { nibble };
        Self(nibbles(full(byte & 15), full(byte >> 4)))
    }
}

/// A half float: 5 bits of exponent, 10 of mantissa.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct F16(pub(crate) u16);

// SAFETY: transparent around an integer, for which every pattern is valid, zero too.
unsafe impl bytemuck::Zeroable for F16 {}
// SAFETY: as above.
unsafe impl Pod for F16 {}

impl F16 {
    /// Exact for every finite number, and in whole numbers, so that no f32 is denormal on the way.
    #[inline(always)]
    pub(crate) fn to_f32(self) -> f32 {
        let (sign, size) = (u32::from(self.0 & 0x8000) << 16, u32::from(self.0 & 0x7fff));
        let bits = if size < 0x400 { Self::normalised(size) } else { (size << 13) + (112 << 23) };
        f32::from_bits(bits | sign)
    }

    /// A denormal one's size, as bits of an f32.
    #[cold]
    fn normalised(size: u32) -> u32 {
        let Some(exponent) = size.checked_ilog2() else { return 0 };
        (103 + exponent) << 23 | size << (23 - exponent) & 0x7f_ffff
    }

    /// The same by a multiplication, which vectors have too, and no lane makes what nobody reads. Slow for denormals: moved to f32's
    /// fields a half float is 2^112 too small.
    #[inline(always)]
    pub(crate) fn scaled_to_f32(self) -> f32 {
        let (sign, size) = (u32::from(self.0 & 0x8000) << 16, u32::from(self.0 & 0x7fff));
        let scaled = f32::from_bits(size << 13) * f32::from_bits((127 + 112) << 23);
        f32::from_bits(scaled.to_bits() | sign)
    }
}

/// The upper half of an f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Bf16(pub(crate) u16);

// SAFETY: transparent around an integer, for which every pattern is valid, zero too.
unsafe impl bytemuck::Zeroable for Bf16 {}
// SAFETY: as above.
unsafe impl Pod for Bf16 {}

impl Bf16 {
    /// Exact.
    #[inline(always)]
    pub(crate) fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }
}

/// The fields of a float, and where its near-denormal numbers begin.
struct Format {
    sign: u64,
    mantissa_bits: u32,
    bias: i32,
    /// Exponents from which A and B count upwards.
    least: (i32, i32),
}

impl Format {
    fn mantissa(&self) -> u64 {
        (1 << self.mantissa_bits) - 1
    }

    fn exponent(&self, exponent: i32) -> u64 {
        ((exponent + self.bias) as u64) << self.mantissa_bits
    }

    /// A whole number of at most eight bits, exactly.
    #[inline(always)]
    fn whole(&self, number: i32) -> u64 {
        let size = number.unsigned_abs();
        let Some(exponent) = size.checked_ilog2() else { return 0 };
        let sign = if number < 0 { self.sign } else { 0 };
        sign | self.exponent(exponent as i32) | u64::from(size) << (self.mantissa_bits - exponent) & self.mantissa()
    }

    #[inline(always)]
    fn shape(&self, random: u64, kind: Kind, side: Side, at: usize) -> u64 {
        // The random exponent, which is not used as one.
        let dice = (random >> self.mantissa_bits) as i32;
        let with = |exponent: i32| random & (self.sign | self.mantissa()) | self.exponent(exponent);
        match (kind, side) {
            // Exponents 0 and 1 differ in all their bits.
            (Kind::Uniform, _) => with(dice & 1),
            (Kind::SmallInteger, _) => self.whole((dice & 15) - 8 + (dice >> 3 & 1)),
            (Kind::HighToggle, _) => {
                let odd = (at & 1) as i32 ^ i32::from(dice & 7 == 0);
                let pattern = if odd == 1 { u64::MAX / 3 } else { !(u64::MAX / 3) };
                pattern & (self.sign | self.mantissa()) | self.exponent(odd)
            }
            (Kind::Sparse, Side::A) if at & 1 == 1 && dice & 7 != 0 => 0,
            (Kind::Sparse, _) => with(dice >> 3 & 1),
            (Kind::NearDenormal, Side::A) => with(self.least.0 + (dice & 1)),
            (Kind::NearDenormal, Side::B) => with(self.least.1 + (dice & 1)),
            // Not from 0 on: what is wrong in a number much smaller than its neighbours is rounded away.
            (Kind::PictureLike, Side::A) => self.whole(64 + i32::from(ramp(random as u8, at)) * 3 / 4),
            (Kind::PictureLike, Side::B) => with(-6 - (dice & 1)),
        }
    }

    fn echo(&self, fresh: u64, other: u64) -> u64 {
        let fresh = alone(fresh);
        let lower_half = (1 << (self.mantissa_bits / 2)) - 1;
        other & !lower_half | fresh & lower_half
    }

    fn raised(&self, bits: u64, by: u32) -> u64 {
        if bits & !self.sign == 0 { bits } else { bits + (u64::from(by) << self.mantissa_bits) }
    }
}

macro_rules! floats {
    ($($float:ty, $bits:ty, $to:expr, $from:expr, $format:expr;)*) => {
        $(const _: () = {
            const FORMAT: Format = $format;

            impl Number for $float {
                #[inline(always)]
                fn shape(self, kind: Kind, side: Side, at: usize) -> Self {
                    $from(FORMAT.shape(u64::from($to(self)), kind, side, at) as $bits)
                }
            }

            impl Float for $float {
                #[inline(always)]
                fn echo(self, other: Self) -> Self {
                    $from(FORMAT.echo(u64::from($to(self)), u64::from($to(other))) as $bits)
                }

                #[inline(always)]
                fn negated(self) -> Self {
                    $from($to(self) ^ FORMAT.sign as $bits)
                }

                #[inline(always)]
                fn raised(self, by: u32) -> Self {
                    $from(FORMAT.raised(u64::from($to(self)), by) as $bits)
                }
            }
        };)*
    };
}

// Half floats are summed in f32, where their denormals are normal: -15 stands for those.
floats! {
    F16, u16, |F16(bits)| bits, F16, Format { sign: 1 << 15, mantissa_bits: 10, bias: 15, least: (-15, -14) };
    Bf16, u16, |Bf16(bits)| bits, Bf16, Format { sign: 1 << 15, mantissa_bits: 7, bias: 127, least: (-126, 14) };
    f32, u32, f32::to_bits, f32::from_bits, Format { sign: 1 << 31, mantissa_bits: 23, bias: 127, least: (-126, 46) };
    f64, u64, f64::to_bits, f64::from_bits, Format { sign: 1 << 63, mantissa_bits: 52, bias: 1023, least: (-1022, 104) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of a kind as f64.
    fn numbers<T: Number>(kind: Kind, side: Side, value: impl Fn(T) -> f64) -> Vec<f64> {
        let mut numbers = vec![T::zeroed(); 4096];
        fill(&mut Rng::new(7), kind, side, &mut numbers);
        numbers.into_iter().map(value).collect()
    }

    /// The smallest step is a power of two that all are multiples of.
    fn exponent_of_step(numbers: &[f64]) -> i32 {
        let step = |number: &f64| {
            let bits = number.to_bits();
            let exponent = (bits >> 52 & 0x7ff) as i32 - 1075;
            exponent + ((bits & ((1 << 52) - 1) | 1 << 52).trailing_zeros() as i32)
        };
        numbers.iter().filter(|number| **number != 0.0).map(step).min().expect("not all zero")
    }

    fn sums_stay_normal<T: Number>(value: impl Fn(T) -> f64 + Copy, least: i32, most: f64) {
        for (kind, _) in Kind::SHARES {
            let (a, b) = (numbers(kind, Side::A, value), numbers(kind, Side::B, value));
            assert!(a.iter().chain(&b).all(|number| number.is_finite()), "{kind:?}");
            assert!(exponent_of_step(&a) + exponent_of_step(&b) >= least, "{kind:?}");
            let largest = |numbers: &[f64]| numbers.iter().fold(0f64, |most, number| most.max(number.abs()));
            assert!(largest(&a) * largest(&b) * 65536.0 < most, "{kind:?}");
            assert!(a.iter().filter(|number| **number != 0.0).count() >= 256, "{kind:?}");
        }
    }

    #[test]
    fn no_kind_can_overflow_or_become_denormal() {
        sums_stay_normal::<f32>(f64::from, -126, f32::MAX.into());
        sums_stay_normal::<Bf16>(|number| number.to_f32().into(), -126, f32::MAX.into());
        sums_stay_normal::<F16>(|number| number.to_f32().into(), -126, f32::MAX.into());
        sums_stay_normal::<f64>(|number| number, -1022, f64::MAX);
    }

    #[test]
    fn only_sparse_numbers_hide_others() {
        let rare = |kind: Kind, sparse: bool, numbers: Vec<f64>| {
            let zeros = numbers.iter().filter(|number| **number == 0.0).count();
            assert_eq!(kind == Kind::Sparse && sparse, zeros * 50 > numbers.len(), "{kind:?}: {zeros} zeros");
        };
        for (kind, _) in Kind::SHARES {
            for side in [Side::A, Side::B] {
                rare(kind, side == Side::A, numbers::<i8>(kind, side, f64::from));
                rare(kind, side == Side::A, numbers::<F16>(kind, side, |number| number.to_f32().into()));
                rare(kind, side == Side::A, numbers::<Bf16>(kind, side, |number| number.to_f32().into()));
                rare(kind, side == Side::A, numbers::<f32>(kind, side, f64::from));
                rare(kind, side == Side::A, numbers::<f64>(kind, side, |number| number));
            }
            rare(kind, true, numbers::<u8>(kind, Side::A, f64::from));
            rare(kind, false, numbers::<S4x2>(kind, Side::B, |pair| (pair.0 & 15).into()));
            rare(kind, false, numbers::<S4x2>(kind, Side::B, |pair| (pair.0 >> 4).into()));
        }
    }

    #[test]
    fn half_floats_convert_exactly() {
        for bits in 0..=u16::MAX {
            let exponent = i32::from(bits >> 10 & 31);
            let mantissa = f64::from(bits & 0x3ff);
            let size = match exponent {
                31 => continue,
                0 => mantissa * 2f64.powi(-24),
                _ => (1024.0 + mantissa) * 2f64.powi(exponent - 25),
            };
            let right = if bits >> 15 == 1 { -size } else { size };
            for converted in [F16(bits).to_f32(), F16(bits).scaled_to_f32()] {
                assert_eq!(f64::from(converted).to_bits(), right.to_bits(), "{bits:#x}");
            }
        }
    }

    #[test]
    fn neighbours_differ_in_nearly_every_bit() {
        let mut numbers = vec![0f32; 4096];
        fill(&mut Rng::new(3), Kind::HighToggle, Side::A, &mut numbers);
        let toggles: u32 = numbers.windows(2).map(|pair| (pair[0].to_bits() ^ pair[1].to_bits()).count_ones()).sum();
        assert!(toggles > 4095 * 32 / 2, "{toggles}");
    }
}
