//! What a worker keeps for long and trusts, with a checksum taken when it was known to be right: a truth or a picture that
//! memory changed is thus told from work done wrongly.

use oddcore_kernels::Picture;

use super::protocol::{Source, Truth};

/// Has a checksum. CRC-32 sees every single flip and every burst of up to 32 bits.
pub trait Checksum {
    /// Of all of it.
    fn checksum(&self) -> u32;
}

impl Checksum for Truth {
    fn checksum(&self) -> u32 {
        let words = [self.case.source.word(), self.case.seed.0, self.input.0, self.output.0];
        words.iter().fold(crc32fast::Hasher::new(), updated).finalize()
    }
}

impl Checksum for Picture {
    fn checksum(&self) -> u32 {
        let mut hasher = [self.width as u64, self.height as u64].iter().fold(crc32fast::Hasher::new(), updated);
        hasher.update(&self.rgb);
        hasher.finalize()
    }
}

fn updated(mut hasher: crc32fast::Hasher, word: &u64) -> crc32fast::Hasher {
    hasher.update(&word.to_le_bytes());
    hasher
}

/// A value and its checksum.
#[derive(Clone, Copy, Debug)]
pub struct Sealed<T> {
    value: T,
    seal: u32,
}

impl<T: Checksum> Sealed<T> {
    /// Right from now on.
    pub fn new(value: T) -> Self {
        Self { seal: value.checksum(), value }
    }

    /// The value, whatever happened to it.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// As memory may change it.
    #[cfg(test)]
    pub fn changed(mut self, change: impl FnOnce(&mut T)) -> Self {
        change(&mut self.value);
        self
    }

    /// Whether it still is what it was.
    pub fn intact(&self) -> bool {
        self.value.checksum() == self.seal
    }
}

/// Whether what an input is made from still is what it was.
pub fn source_intact(source: Source, pictures: &[Sealed<Picture>]) -> bool {
    match source {
        Source::Golden | Source::Fresh => true,
        Source::Picture(number) => pictures.get(number as usize).is_some_and(Sealed::intact),
    }
}

/// What comes of `work` on inputs made from `source`, if that was sound before and after; else nothing, as a changed picture
/// makes right work look wrong.
pub fn results_if_sound<T, E>(
    source: Source,
    pictures: &[Sealed<Picture>],
    work: impl FnOnce() -> Result<Vec<T>, E>,
) -> Result<Vec<T>, E> {
    let sound = || source_intact(source, pictures);
    let results = if sound() { work()? } else { Vec::new() };
    Ok(if sound() { results } else { Vec::new() })
}

/// The pictures that memory has changed.
pub fn broken_sources(pictures: &[Sealed<Picture>]) -> Vec<Source> {
    (0..pictures.len() as u32).map(Source::Picture).filter(|&source| !source_intact(source, pictures)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{verdict::Hex, worker::protocol::Case};

    #[test]
    fn every_flipped_bit_breaks_the_seal() {
        let case = Case { source: Source::Fresh, seed: Hex(0x1234_5678) };
        let truth = Sealed::new(Truth { case, input: Hex(1), output: Hex(2) });
        for bit in 0..64 {
            for word in 0..3 {
                let flipped = truth.changed(|value| {
                    let words = [&mut value.case.seed, &mut value.input, &mut value.output];
                    words[word].0 ^= 1 << bit;
                });
                assert!(truth.intact() && !flipped.intact(), "{word} {bit}");
            }
        }
        let picture = Sealed::new(Picture { width: 2, height: 1, rgb: vec![7; 6] });
        let flipped = picture.clone().changed(|picture| picture.rgb[3] ^= 1);
        let pictures = [picture, flipped];
        let intact = [Source::Golden, Source::Picture(0), Source::Picture(1), Source::Picture(2)];
        assert_eq!(intact.map(|source| source_intact(source, &pictures)), [true, true, false, false]);
        assert_eq!(broken_sources(&pictures), [Source::Picture(1)]);
    }

    #[test]
    fn work_on_a_changed_picture_says_nothing() {
        let picture = Sealed::new(Picture { width: 2, height: 1, rgb: vec![7; 6] });
        let flipped = picture.clone().changed(|picture| picture.rgb[3] ^= 1);
        let pictures = [picture, flipped];
        let done = |source| {
            let mut worked = false;
            let results = results_if_sound(source, &pictures, || {
                worked = true;
                Ok::<_, ()>(vec![1, 2])
            });
            (results, worked)
        };
        for source in [Source::Golden, Source::Fresh, Source::Picture(0)] {
            assert_eq!(done(source), (Ok(vec![1, 2]), true));
        }
        assert_eq!(done(Source::Picture(1)), (Ok(vec![]), false));
        assert_eq!(results_if_sound(Source::Golden, &pictures, || Err::<Vec<u8>, _>("strayed")), Err("strayed"));
    }
}
