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
                    for (at, value) in block.iter_mut().enumerate() {
                        *value = (look >> 8).wrapping_add((at * 3 + y * (look >> 16 & 7) as usize) as u64) as u8;
                    }
                }
                2 => {
                    let period = (look >> 8 & 7) as usize + 1;
                    for (at, value) in block.iter_mut().enumerate() {
                        *value = if (at / channels / period + y / period).is_multiple_of(2) {
                            255
                        } else {
                            (look >> 16) as u8 & 15
                        };
                    }
                }
                _ => {
                    for (at, value) in block.iter_mut().enumerate() {
                        *value = (look >> (8 + 8 * (at % channels))) as u8;
                    }
                }
            }
        }
    }
}
