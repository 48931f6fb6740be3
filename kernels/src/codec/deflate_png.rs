//! `deflate-png`: what saving a picture as PNG and reading it again does: each row filtered in the five ways, the one kept whose
//! sum of magnitudes is least (of every eighth row, each in turn); the rows compressed to a zlib stream with its Adler-32 by miniz_oxide, and that with a CRC-32;
//! then inflated, and the filters undone. Every stage is compared as a whole.
//!
//! "filter" leaves behind each row the five sums of magnitudes (4 bytes each): of all but the least nothing else would tell what is wrong.
//! "deflate" leaves the length of the stream (8 bytes), its CRC-32 (4), and the stream, zeros behind it.

use alloc::vec::Vec;

use miniz_oxide::{deflate::compress_to_vec_zlib, inflate::decompress_to_vec_zlib_with_limit};

use super::PLAIN;
use crate::{
    buffer::Buffer,
    gemm::no_such_variant,
    goldens,
    isa::Token,
    kernel::{Golden, Picture, Size, Variant},
    picture::RGB,
    resize::paint,
    rng::Rng,
    staged::{Call, Staged},
};

const GOLDEN: (usize, usize) = (192, 128);
/// Levels of compression.
const LEVELS: [u8; 4] = [1, 4, 6, 9];
/// Length and checksum before the stream.
const HEAD: usize = 12;
/// The sums of magnitudes of a row, by filter.
type Magnitudes = [u32; 5];

#[derive(Default)]
pub(crate) struct DeflatePng {
    width: usize,
    height: usize,
    level: u8,
    /// The rows, each behind the number of its filter.
    filtered: Vec<u8>,
    magnitudes: Vec<Magnitudes>,
}

impl DeflatePng {
    fn row(&self) -> usize {
        self.width * RGB
    }

    fn set(&mut self, width: usize, height: usize, seed: u64) {
        (self.width, self.height) = (width, height);
        self.level = LEVELS[(seed % LEVELS.len() as u64) as usize];
        self.filtered.resize(height * (1 + self.row()), 0);
        self.magnitudes.resize(height, Magnitudes::default());
    }
}

impl Staged for DeflatePng {
    type Word = u8;
    const NAME: &'static str = "deflate-png";
    const SUMMARY: &'static str = "PNG filters, deflate with Adler-32 and CRC-32, and back";
    const VARIANTS: &'static [Variant] = PLAIN;
    const GOLDENS: &'static [Golden] = goldens::DEFLATE_PNG;
    const STAGES: &'static [&'static str] = &["filter", "deflate", "inflate", "unfilter"];
    const TYPE: &'static str = "uint8";
    const ALLOCATES: bool = true;
    const PICTURE_BYTES: Option<usize> = Some(20);

    fn generate(&mut self, size: Size, rng: &mut Rng, input: &mut Buffer<u8>) {
        let (width, height) = match size {
            Size::Golden => GOLDEN,
            Size::Fresh => (rng.within(8, 60), rng.within(4, 40)),
        };
        self.set(width, height, rng.next());
        input.resize(height * self.row());
        paint(rng, width, RGB, input);
    }

    fn load_picture(&mut self, picture: &Picture, seed: u64, input: &mut Buffer<u8>) {
        self.set(picture.width, picture.height, seed);
        input.copy_from(&picture.rgb);
    }

    fn sizes(&self) -> [usize; 2] {
        [self.width << 8 | usize::from(self.level), self.height]
    }

    fn shape(&self, stage: usize) -> [usize; 2] {
        let filtered = self.height * (1 + self.row());
        match stage {
            // What does not compress grows by a little.
            1 => [1, HEAD + filtered + filtered / 64 + 256],
            2 => [self.height, 1 + self.row()],
            3 => [self.height, self.row()],
            _ => [self.height, 1 + self.row() + size_of::<Magnitudes>()],
        }
    }

    fn operations(&self) -> u64 {
        // Bytes of the picture.
        (self.height * self.row()) as u64
    }

    fn run(&mut self, token: Token, input: &[u8], call: &mut Call<'_, u8>) {
        let Token::Scalar = token else { no_such_variant(Self::NAME, token) };
        let row = self.row();
        let [height, width] = self.shape(0);
        let part = call.enter(0, height * width);
        filter(input, row, &mut self.filtered, &mut self.magnitudes);
        call.strike(&mut self.filtered);
        let lines = self.filtered.chunks_exact(1 + row).zip(&self.magnitudes);
        for (part, (line, magnitudes)) in part.chunks_exact_mut(width).zip(lines) {
            let (residuals, sums) = part.split_at_mut(1 + row);
            residuals.copy_from_slice(line);
            sums.copy_from_slice(bytemuck::bytes_of(magnitudes));
        }

        let part = call.enter(1, self.shape(1)[1]);
        let mut stream = compress_to_vec_zlib(&self.filtered, self.level);
        call.strike(&mut stream);
        part.fill(0);
        let (head, room) = part.split_at_mut(HEAD);
        head[..8].copy_from_slice(&(stream.len() as u64).to_le_bytes());
        head[8..].copy_from_slice(&crc32(&stream).to_le_bytes());
        let fits = stream.len().min(room.len());
        room[..fits].copy_from_slice(&stream[..fits]);

        let part = call.enter(2, self.filtered.len());
        // A stream that cannot be inflated leaves zeros, or what came before the error: it differs.
        let inflated = decompress_to_vec_zlib_with_limit(&stream, self.filtered.len());
        let mut inflated = inflated.unwrap_or_else(|failure| failure.output);
        inflated.resize(self.filtered.len(), 0);
        call.strike(&mut inflated);
        part.copy_from_slice(&inflated);

        let part = call.enter(3, self.height * row);
        unfilter(&inflated, row, part);
        call.strike(part);
    }
}

/// The five predictions of a byte from its left, upper, and upper left neighbours.
fn predict(filter: u8, left: u8, up: u8, corner: u8) -> u8 {
    match filter {
        0 => 0,
        1 => left,
        2 => up,
        3 => ((u16::from(left) + u16::from(up)) / 2) as u8,
        _ => {
            let near = i16::from(left) + i16::from(up) - i16::from(corner);
            let distance = |value: u8| (near - i16::from(value)).abs();
            if distance(left) <= distance(up) && distance(left) <= distance(corner) {
                left
            } else if distance(up) <= distance(corner) {
                up
            } else {
                corner
            }
        }
    }
}

/// What a line's bytes are more than their predictions.
fn residuals(filter: u8, line: &[u8], above: &[u8]) -> impl Iterator<Item = u8> {
    let residual = move |byte: u8, left, up, corner| byte.wrapping_sub(predict(filter, left, up, corner));
    let first = line.iter().zip(above).take(RGB).map(move |(byte, up)| residual(*byte, 0, *up, 0));
    let others = line[RGB..].iter().zip(line).zip(above[RGB..].iter().zip(above));
    first.chain(others.map(move |((byte, left), (up, corner))| residual(*byte, *left, *up, *corner)))
}

fn filter(picture: &[u8], row: usize, filtered: &mut [u8], magnitudes: &mut [Magnitudes]) {
    let nothing = alloc::vec![0; row];
    let mut above = &nothing[..];
    let lines = picture.chunks_exact(row).zip(filtered.chunks_exact_mut(1 + row)).zip(magnitudes);
    for (y, ((line, to), magnitudes)) in lines.enumerate() {
        for (filter, magnitude) in (0..).zip(magnitudes.iter_mut()) {
            *magnitude = residuals(filter, line, above).map(|byte| u32::from((byte as i8).unsigned_abs())).sum();
        }
        let least = (0..5).min_by_key(|filter| magnitudes[usize::from(*filter)]).expect("five");
        let best = if y % 8 == 7 { (y / 8 % 5) as u8 } else { least };
        to[0] = best;
        to[1..].iter_mut().zip(residuals(best, line, above)).for_each(|(to, byte)| *to = byte);
        above = line;
    }
}

fn unfilter(filtered: &[u8], row: usize, picture: &mut [u8]) {
    for (y, line) in filtered.chunks_exact(1 + row).enumerate() {
        for x in 0..row {
            let at = |y: usize, x: usize| picture[y * row + x];
            let left = if x >= RGB { at(y, x - RGB) } else { 0 };
            let up = if y > 0 { at(y - 1, x) } else { 0 };
            let corner = if x >= RGB && y > 0 { at(y - 1, x - RGB) } else { 0 };
            picture[y * row + x] = line[1 + x].wrapping_add(predict(line[0], left, up, corner));
        }
    }
}

/// The checksum of PNG's chunks.
fn crc32(bytes: &[u8]) -> u32 {
    static TABLE: [u32; 256] = {
        let (mut table, mut n) = ([0; 256], 0);
        while n < 256 {
            let (mut sum, mut bit) = (n as u32, 0);
            while bit < 8 {
                sum = sum >> 1 ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 };
                bit += 1;
            }
            table[n] = sum;
            n += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |sum, byte| sum >> 8 ^ TABLE[usize::from(sum as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kernel, staged::StagedKernel};

    #[test]
    fn faults_show_in_their_stage() {
        crate::staged::tests::holds::<DeflatePng>();
    }

    #[test]
    fn the_checksum_is_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    /// The stream is what PNG wants: another decoder reads the picture from it.
    #[test]
    fn a_png_decoder_reads_the_stream() {
        let kernel = StagedKernel::<DeflatePng>::new();
        let mut rgb = alloc::vec![0; 45 * 64 * 3];
        for seed in 0..4 {
            paint(&mut Rng::new(seed), 45, RGB, &mut rgb);
            let picture = Picture { width: 45, height: 64, rgb: rgb.clone() };
            let stages = kernel.show(Token::Scalar, seed, Some(&picture)).expect("it takes pictures");
            let (deflated, back) = (&stages[2].bytes, &stages[4].bytes);
            assert_eq!((stages[2].name.as_str(), stages[4].name.as_str()), ("deflate", "unfilter"));
            assert_eq!(*back, rgb);
            let len = u64::from_le_bytes(deflated[..8].try_into().expect("eight")) as usize;
            let mut file = Vec::from(*b"\x89PNG\r\n\x1a\n");
            let mut chunk = |name: &[u8; 4], data: &[u8]| {
                file.extend((data.len() as u32).to_be_bytes());
                let named = [name, data].concat();
                file.extend(&named);
                file.extend(crc32(&named).to_be_bytes());
            };
            chunk(b"IHDR", &[&45u32.to_be_bytes()[..], &64u32.to_be_bytes(), &[8, 2, 0, 0, 0]].concat());
            chunk(b"IDAT", &deflated[HEAD..][..len]);
            chunk(b"IEND", &[]);
            let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().expect("a PNG");
            let mut read = alloc::vec![0; rgb.len()];
            reader.next_frame(&mut read).expect("a whole PNG");
            assert_eq!(read, rgb);
        }
    }

    /// Each filter occurs, and each but none is the best somewhere.
    #[test]
    fn every_filter_occurs() {
        let mut seen = [0; 5];
        for seed in 0..8 {
            let (mut work, mut input) = (DeflatePng::default(), Buffer::default());
            work.generate(Size::Golden, &mut Rng::new(seed), &mut input);
            let row = work.row();
            filter(&input, row, &mut work.filtered, &mut work.magnitudes);
            work.filtered.chunks(1 + row).for_each(|line| seen[usize::from(line[0])] += 1);
        }
        assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    }
}
