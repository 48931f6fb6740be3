//! `zstd-decode`: decompression of Zstandard frames by ruzstd: one compressed anew from a text made by the seed, and one of four
//! made by the zstd of its authors, at levels 1 to 19, so that tables and literals of every kind occur. The decoded bytes and the
//! checksums, as calculated and as stored in the frames, are compared.

use alloc::vec::Vec;

use ruzstd::{
    decoding::{BlockDecodingStrategy, FrameDecoder, errors::FrameDecoderError},
    encoding::{CompressionLevel, compress_to_vec},
};

use super::{PLAIN, text};
use crate::{
    buffer::Buffer,
    gemm::no_such_variant,
    goldens,
    isa::Token,
    kernel::{Golden, Size, Variant},
    rng::Rng,
    staged::{Call, Staged},
};

/// Frames by zstd 1.5.4, and how long they are decoded: prose, source code, hexadecimal digits and binary records.
static FRAMES: [(&[u8], usize); 4] = [
    (include_bytes!("frames/text.zst"), 11_135),
    (include_bytes!("frames/source.zst"), 35_283),
    (include_bytes!("frames/digests.zst"), 24_474),
    (include_bytes!("frames/records.zst"), 40_000),
];

/// Bytes of the two checksums of two frames.
const CHECKSUMS: usize = 16;

#[derive(Default)]
pub(crate) struct ZstdDecode {
    /// Bytes decoded.
    len: usize,
    decoder: FrameDecoder,
}

impl Staged for ZstdDecode {
    type Word = u8;
    const NAME: &'static str = "zstd-decode";
    const SUMMARY: &'static str = "decompression of Zstandard frames, checksums included";
    const VARIANTS: &'static [Variant] = PLAIN;
    const GOLDENS: &'static [Golden] = goldens::ZSTD_DECODE;
    const STAGES: &'static [&'static str] = &["decode", "checksums"];
    const TYPE: &'static str = "uint8";
    const ALLOCATES: bool = true;

    fn generate(&mut self, size: Size, rng: &mut Rng, input: &mut Buffer<u8>) {
        let (frame, frame_len) = FRAMES[rng.within(0, FRAMES.len() - 1)];
        let len = match size {
            Size::Golden => 100_000,
            Size::Fresh => rng.within(500, 8_000),
        };
        let mut frames = compress_to_vec(&text::prose(rng, len)[..], CompressionLevel::Fastest);
        frames.extend(frame);
        self.len = len + frame_len;
        input.copy_from(&frames);
    }

    fn sizes(&self) -> [usize; 2] {
        [self.len, 0]
    }

    fn shape(&self, stage: usize) -> [usize; 2] {
        [1, [self.len, CHECKSUMS][stage]]
    }

    fn operations(&self) -> u64 {
        // Bytes.
        self.len as u64
    }

    fn run(&mut self, token: Token, input: &[u8], call: &mut Call<'_, u8>) {
        let Token::Scalar = token else { no_such_variant(Self::NAME, token) };
        let decoded = call.enter(0, self.len);
        let mut sums = Vec::with_capacity(CHECKSUMS);
        // What cannot be decoded is left as it was: it differs.
        let _ = self.decode(input, decoded, &mut sums);
        call.strike(decoded);
        let part = call.enter(1, CHECKSUMS);
        sums.resize(CHECKSUMS, 0);
        part.copy_from_slice(&sums);
        call.strike(part);
    }
}

impl ZstdDecode {
    fn decode(&mut self, mut frames: &[u8], mut to: &mut [u8], sums: &mut Vec<u8>) -> Result<(), FrameDecoderError> {
        while !frames.is_empty() && sums.len() < CHECKSUMS {
            self.decoder.init(&mut frames)?;
            self.decoder.decode_blocks(&mut frames, BlockDecodingStrategy::All)?;
            let frame = self.decoder.collect().unwrap_or_default();
            let len = frame.len().min(to.len());
            let (now, rest) = to.split_at_mut(len);
            now.copy_from_slice(&frame[..len]);
            to = rest;
            for sum in [self.decoder.get_calculated_checksum(), self.decoder.get_checksum_from_data()] {
                sums.extend(sum.unwrap_or(0).to_le_bytes());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_show_in_their_stage() {
        crate::staged::tests::holds::<ZstdDecode>();
    }

    /// What was compressed comes back, and the frames of the real zstd have the checksums that it gave them.
    #[test]
    fn decoding_undoes_compression() {
        for seed in 0..20 {
            let (mut work, mut input) = (ZstdDecode::default(), Buffer::default());
            work.generate(Size::Fresh, &mut Rng::new(seed), &mut input);
            let (mut decoded, mut sums) = (alloc::vec![0; work.len], Vec::new());
            work.decode(&input, &mut decoded, &mut sums).expect("sound frames");
            let (mut rng, mut len) = (Rng::new(seed), 0);
            rng.within(0, 3);
            len += rng.within(500, 8_000);
            assert_eq!(decoded[..len], text::prose(&mut rng, len));
            assert_eq!(sums.len(), CHECKSUMS);
            for pair in sums.chunks(8) {
                assert_eq!(pair[..4], pair[4..]);
                assert_ne!(pair[..4], [0; 4]);
            }
        }
    }

    #[test]
    fn damaged_frames_differ_and_end_no_process() {
        let (mut work, mut input) = (ZstdDecode::default(), Buffer::default());
        work.generate(Size::Fresh, &mut Rng::new(3), &mut input);
        let mut decode = |input: &[u8]| {
            let (mut decoded, mut sums) = (alloc::vec![0; work.len], Vec::new());
            let sound = work.decode(input, &mut decoded, &mut sums).is_ok();
            (sound, decoded, sums)
        };
        let right = decode(&input);
        for byte in (0..input.len()).step_by(7) {
            input[byte] ^= 0x24;
            assert!(decode(&input) != right, "byte {byte}");
            input[byte] ^= 0x24;
        }
    }
}
