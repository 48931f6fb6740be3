//! Moves between layouts and conversions between types, a row at a time.

use super::{Operation, RGB};

/// Adding it to an f32 from 0 to 2^22, and taking it off again, leaves the nearest whole number, half to even.
const WHOLE_F32: f32 = 8_388_608.0;
/// The same of f64, up to 2^51.
const WHOLE_F64: f64 = 4_503_599_627_370_496.0;

/// RGB bytes to three planes of f32: divided, less `less`. Sums the quotients if anything is taken off them, which hides bits.
pub(crate) struct ToPlanes<'a> {
    pub(crate) rgb: &'a [u8],
    pub(crate) planes: [&'a mut [f32]; RGB],
    pub(crate) divisor: f32,
    pub(crate) less: Option<f32>,
}

impl Operation for ToPlanes<'_> {
    type Output = u32;

    fn scalar(self) -> u32 {
        let mut sum = 0u32;
        for (channel, plane) in self.planes.into_iter().enumerate() {
            for (value, pixel) in plane.iter_mut().zip(self.rgb.chunks_exact(RGB)) {
                let quotient = f32::from(pixel[channel]) / self.divisor;
                *value = match self.less {
                    Some(less) => {
                        sum = sum.wrapping_add(quotient.to_bits());
                        quotient - less
                    }
                    None => quotient,
                };
            }
        }
        sum
    }
}

/// RGB bytes to three planes of f64, divided.
pub(crate) struct ToPlanesF64<'a> {
    pub(crate) rgb: &'a [u8],
    pub(crate) planes: [&'a mut [f64]; RGB],
    pub(crate) divisor: f64,
}

impl Operation for ToPlanesF64<'_> {
    type Output = ();

    fn scalar(self) {
        for (channel, plane) in self.planes.into_iter().enumerate() {
            for (value, pixel) in plane.iter_mut().zip(self.rgb.chunks_exact(RGB)) {
                *value = f64::from(pixel[channel]) / self.divisor;
            }
        }
    }
}

/// f64 to the nearest f32. Sums both halves of what it rounds.
pub(crate) struct Narrow<'a> {
    pub(crate) from: &'a [f64],
    pub(crate) to: &'a mut [f32],
}

impl Operation for Narrow<'_> {
    type Output = u32;

    fn scalar(self) -> u32 {
        let mut sum = 0u32;
        for (to, from) in self.to.iter_mut().zip(self.from) {
            sum = sum.wrapping_add(halves(*from));
            *to = *from as f32;
        }
        sum
    }
}

fn halves(value: f64) -> u32 {
    let bits = value.to_bits();
    (bits as u32).wrapping_add((bits >> 32) as u32)
}

/// How planes become bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bytes {
    /// From -1..1, and truncated, as an image decoder's output is.
    Decoded,
    /// From 0..1, and rounded, half to even.
    Rounded,
}

/// Three planes of f32 to RGB bytes: clipped to 0..1, times 255. Sums the products.
pub(crate) struct ToRgb<'a> {
    pub(crate) planes: [&'a [f32]; RGB],
    pub(crate) rgb: &'a mut [u8],
    pub(crate) bytes: Bytes,
}

impl Operation for ToRgb<'_> {
    type Output = u32;

    fn scalar(self) -> u32 {
        let mut sum = 0u32;
        for (channel, plane) in self.planes.into_iter().enumerate() {
            for (value, pixel) in plane.iter().zip(self.rgb.chunks_exact_mut(RGB)) {
                let unit = if self.bytes == Bytes::Decoded { (value + 1.0) / 2.0 } else { *value };
                let clipped = if unit > 0.0 { unit } else { 0.0 };
                let clipped = if clipped < 1.0 { clipped } else { 1.0 };
                let product = 255.0 * clipped;
                sum = sum.wrapping_add(product.to_bits());
                let whole = if self.bytes == Bytes::Decoded { product } else { product + WHOLE_F32 - WHOLE_F32 };
                pixel[channel] = whole as u8;
            }
        }
        sum
    }
}

/// Three planes of f64 to RGB bytes: clipped to 0..1, times 255, rounded, half to even. Sums the products.
pub(crate) struct ToRgbF64<'a> {
    pub(crate) planes: [&'a [f64]; RGB],
    pub(crate) rgb: &'a mut [u8],
}

impl Operation for ToRgbF64<'_> {
    type Output = u32;

    fn scalar(self) -> u32 {
        let mut sum = 0u32;
        for (channel, plane) in self.planes.into_iter().enumerate() {
            for (value, pixel) in plane.iter().zip(self.rgb.chunks_exact_mut(RGB)) {
                let clipped = if *value > 0.0 { *value } else { 0.0 };
                let clipped = if clipped < 1.0 { clipped } else { 1.0 };
                let product = 255.0 * clipped;
                sum = sum.wrapping_add(halves(product));
                pixel[channel] = (product + WHOLE_F64 - WHOLE_F64) as u8;
            }
        }
        sum
    }
}

/// `1 - 2 x`, in two steps.
pub(crate) struct Negative<'a> {
    pub(crate) from: &'a [f32],
    pub(crate) to: &'a mut [f32],
}

impl Operation for Negative<'_> {
    type Output = ();

    fn scalar(self) {
        for (to, from) in self.to.iter_mut().zip(self.from) {
            let twice = 2.0 * from;
            *to = 1.0 - twice;
        }
    }
}

/// Bytes to i64.
pub(crate) struct Widen<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) longs: &'a mut [i64],
}

impl Operation for Widen<'_> {
    type Output = ();

    fn scalar(self) {
        for (long, byte) in self.longs.iter_mut().zip(self.bytes) {
            *long = i64::from(*byte);
        }
    }
}

/// Each value four times.
pub(crate) struct Repeat4<'a> {
    pub(crate) from: &'a [f32],
    pub(crate) to: &'a mut [f32],
}

impl Operation for Repeat4<'_> {
    type Output = ();

    fn scalar(self) {
        for (four, value) in self.to.chunks_exact_mut(4).zip(self.from) {
            four.fill(*value);
        }
    }
}

/// Bytes to f32 over 255, to the nearest whole number. Sums the quotients.
pub(crate) struct ToZeroOrOne<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) to: &'a mut [f32],
}

impl Operation for ToZeroOrOne<'_> {
    type Output = u32;

    fn scalar(self) -> u32 {
        let mut sum = 0u32;
        for (to, byte) in self.to.iter_mut().zip(self.bytes) {
            let quotient = f32::from(*byte) / 255.0;
            sum = sum.wrapping_add(quotient.to_bits());
            *to = quotient + WHOLE_F32 - WHOLE_F32;
        }
        sum
    }
}

/// RGB bytes to three planes of bytes.
pub(crate) struct Channels<'a> {
    pub(crate) rgb: &'a [u8],
    pub(crate) planes: [&'a mut [u8]; RGB],
}

impl Operation for Channels<'_> {
    type Output = ();

    fn scalar(self) {
        for (channel, plane) in self.planes.into_iter().enumerate() {
            for (value, pixel) in plane.iter_mut().zip(self.rgb.chunks_exact(RGB)) {
                *value = pixel[channel];
            }
        }
    }
}

/// RGB to BGR, or back.
pub(crate) struct Reverse<'a> {
    pub(crate) from: &'a [u8],
    pub(crate) to: &'a mut [u8],
}

impl Operation for Reverse<'_> {
    type Output = ();

    fn scalar(self) {
        for (to, from) in self.to.chunks_exact_mut(RGB).zip(self.from.chunks_exact(RGB)) {
            to.copy_from_slice(&[from[2], from[1], from[0]]);
        }
    }
}

/// RGB to RGBA, alpha 255; red is the lowest byte of a pixel.
pub(crate) struct AddAlpha<'a> {
    pub(crate) rgb: &'a [u8],
    pub(crate) rgba: &'a mut [u32],
}

impl Operation for AddAlpha<'_> {
    type Output = ();

    fn scalar(self) {
        for (rgba, rgb) in self.rgba.iter_mut().zip(self.rgb.chunks_exact(RGB)) {
            *rgba = u32::from_le_bytes([rgb[0], rgb[1], rgb[2], 255]);
        }
    }
}

/// RGBA to RGB.
pub(crate) struct DropAlpha<'a> {
    pub(crate) rgba: &'a [u32],
    pub(crate) rgb: &'a mut [u8],
}

impl Operation for DropAlpha<'_> {
    type Output = ();

    fn scalar(self) {
        for (rgb, rgba) in self.rgb.chunks_exact_mut(RGB).zip(self.rgba) {
            rgb.copy_from_slice(&rgba.to_le_bytes()[..RGB]);
        }
    }
}
