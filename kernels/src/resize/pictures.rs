//! Pictures made from a seed: blocks of noise, of smooth ramps, of hard stripes and of plain colour side by side, because
//! the data decides which bits toggle.

use crate::rng::Rng;

/// Side of a block, pixels.
const BLOCK: usize = 32;

/// Paints rows of `width` pixels of 1, 3 or 4 channels.
pub(crate) fn paint(rng: &mut Rng, width: usize, channels: usize, samples: &mut [u8]) {
    match channels {
        1 => paint_pixels::<1>(rng, width, samples),
        3 => paint_pixels::<3>(rng, width, samples),
        4 => paint_pixels::<4>(rng, width, samples),
        _ => panic!("pictures of {channels} channels"),
    }
}

/// The same of a number of channels that the compiler knows, for else a pixel is a call that copies or fills a few bytes.
fn paint_pixels<const CHANNELS: usize>(rng: &mut Rng, width: usize, samples: &mut [u8]) {
    let across = width.div_ceil(BLOCK);
    let mut looks = [0u64; 64];
    for (y, row) in samples.chunks_exact_mut(width * CHANNELS).enumerate() {
        if y % BLOCK == 0 {
            looks.iter_mut().take(across).for_each(|look| *look = rng.next());
        }
        for (x, block) in row.chunks_mut(BLOCK * CHANNELS).enumerate() {
            let look = looks[x % looks.len()];
            match look & 3 {
                0 => rng.fill(block),
                1 => {
                    let first = ((look >> 8) as u8).wrapping_add((y as u8).wrapping_mul((look >> 16 & 7) as u8));
                    block.iter_mut().zip(0u8..).for_each(|(value, at)| *value = at.wrapping_mul(3).wrapping_add(first));
                }
                2 => {
                    let period = (look >> 8 & 7) as usize + 1;
                    for (x, pixel) in block.as_chunks_mut().0.iter_mut().enumerate() {
                        let is_bright = (x / period + y / period).is_multiple_of(2);
                        *pixel = [if is_bright { 255 } else { (look >> 16) as u8 & 15 }; CHANNELS];
                    }
                }
                _ => {
                    let colour = *look.to_le_bytes()[1..].first_chunk::<CHANNELS>().expect("channels of a pixel");
                    block.as_chunks_mut().0.iter_mut().for_each(|pixel| *pixel = colour);
                }
            }
        }
    }
}
