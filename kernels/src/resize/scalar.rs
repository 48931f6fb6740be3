//! The reference of the two passes. An accumulator starts at one half and takes `weight * byte` tap by tap; sums are exact in
//! 32 bits (wrapping is never reached), so the order within one does not matter. Each pass returns, row by row, the wrapping
//! sum of what it had before rounding, as [`kept`] has it.

use super::coefficients::{Coefficients, HALF, PRECISION};

/// Pillow's clip8: the arithmetic shift, then 0 to 255.
fn to_byte(accumulator: i32) -> u8 {
    (accumulator >> PRECISION).clamp(0, 255) as u8
}

/// Bits that vectors have dropped from an accumulator's parts when the last of these are added.
pub(super) const DROPPED: u32 = 16;
/// Odd, so that no bit of the upper parts vanishes beside the accumulators' own.
pub(super) const OF_UPPER: u32 = 0x9e37_79b9;

/// What is kept of an accumulator: itself and its upper part, which vectors make on the way to the byte and clipping may hide.
pub(super) const fn kept(accumulator: i32) -> u32 {
    (accumulator as u32).wrapping_add(((accumulator >> DROPPED) as u32).wrapping_mul(OF_UPPER))
}

/// Taps `apart` bytes from each other. By index: of iterators that step, made for every sample, most is read only once or not at all.
fn accumulate(weights: &[i32], bytes: &[u8], first: usize, apart: usize) -> i32 {
    let (mut sum, mut at) = (HALF, first);
    for weight in weights {
        sum = sum.wrapping_add(weight * i32::from(bytes[at]));
        at += apart;
    }
    sum
}

/// One row. Order: taps from left to right, channel by channel.
pub(super) fn across(taps: &Coefficients, channels: usize, source: &[u8], target: &mut [u8]) -> u32 {
    let mut sum = 0u32;
    for (x, pixel) in target.chunks_exact_mut(channels).enumerate() {
        let (start, weights) = taps.taps(x);
        for (channel, value) in pixel.iter_mut().enumerate() {
            let accumulator = accumulate(weights, source, start * channels + channel, channels);
            sum = sum.wrapping_add(kept(accumulator));
            *value = to_byte(accumulator);
        }
    }
    sum
}

/// One row from several, which begin with the first tap's. Order: taps from top to bottom.
pub(super) fn down(weights: &[i32], source: &[u8], target: &mut [u8]) -> u32 {
    let mut sum = 0u32;
    let row = target.len();
    for (x, value) in target.iter_mut().enumerate() {
        let accumulator = accumulate(weights, source, x, row);
        sum = sum.wrapping_add(kept(accumulator));
        *value = to_byte(accumulator);
    }
    sum
}
