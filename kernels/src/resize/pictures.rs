//! Pictures made from a seed: blocks of noise, of smooth ramps, of hard stripes and of plain colour side by side, because
//! the data decides which bits toggle.

use crate::rng::Rng;

/// Side of a block, pixels.
const BLOCK: usize = 32;

/// Paints rows of `width` pixels of so many channels.
pub(crate) fn paint(rng: &mut Rng, width: usize, channels: usize, samples: &mut [u8]) {
    let across = width.div_ceil(BLOCK);
    let mut looks = [0u64; 64];
    for (y, row) in samples.chunks_exact_mut(width * channels).enumerate() {
        if y % BLOCK == 0 {
            looks.iter_mut().take(across).for_each(|look| *look = rng.next());
        }
        for (x, block) in row.chunks_mut(BLOCK * channels).enumerate() {
            let look = looks[x % looks.len()];
            match look & 3 {
                0 => rng.fill(block),
                1 => {
                    let first = ((look >> 8) as u8).wrapping_add((y as u8).wrapping_mul((look >> 16 & 7) as u8));
                    block.iter_mut().zip(0u8..).for_each(|(value, at)| *value = at.wrapping_mul(3).wrapping_add(first));
                }
                2 => {
                    let period = (look >> 8 & 7) as usize + 1;
                    for (x, pixel) in block.chunks_exact_mut(channels).enumerate() {
                        let is_bright = (x / period + y / period).is_multiple_of(2);
                        pixel.fill(if is_bright { 255 } else { (look >> 16) as u8 & 15 });
                    }
                }
                _ => {
                    let colour = &look.to_le_bytes()[1..][..channels];
                    // Not pixel by pixel, which would be calls that copy three bytes.
                    block.iter_mut().zip(colour.iter().cycle()).for_each(|(value, sample)| *value = *sample);
                }
            }
        }
    }
}
