//! Random numbers that are the same on every machine.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
pub(crate) struct Rng {
    state: u64,
    filled: u64,
}

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed, filled: 0 }
    }

    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly from `low..=high`, near enough.
    pub(crate) fn within(&mut self, low: usize, high: usize) -> usize {
        low + (self.next() % (high - low + 1) as u64) as usize
    }

    /// Fills with random bytes.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        let (words, rest) = bytes.as_chunks_mut::<8>();
        let mut filled = self.filled;
        for word in words {
            // One by one: what SSE2 makes of several products of 64 bits side by side is parts of products, half of them dropped.
            let drawn = core::hint::black_box(self.next());
            filled = filled.wrapping_add(drawn);
            *word = drawn.to_le_bytes();
        }
        let last = self.next();
        rest.copy_from_slice(&last.to_le_bytes()[..rest.len()]);
        self.filled = filled.wrapping_add(last);
    }

    /// The sum of what buffers were filled from. Who makes numbers of it drops some of its bits, and what was wrong there.
    pub(crate) fn filled(&self) -> u64 {
        self.filled
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;

    #[test]
    fn what_is_filled_is_what_is_drawn_and_summed() {
        let (mut rng, mut one_by_one) = (Rng::new(5), Rng::new(5));
        let mut sum = 0u64;
        // The last word is drawn even where nothing of it is kept.
        for len in [0, 5, 8, 800, 803] {
            let mut bytes = vec![0; len];
            rng.fill(&mut bytes);
            let drawn: Vec<u64> = (0..=len / 8).map(|_| one_by_one.next()).collect();
            assert_eq!(bytes, bytemuck::cast_slice::<u64, u8>(&drawn)[..len]);
            sum = drawn.iter().fold(sum, |sum, word| sum.wrapping_add(*word));
            assert_eq!(rng.filled(), sum);
        }
    }
}
