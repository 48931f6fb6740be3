//! OpenCV's linear resize in vectors; see `linear_cv.rs` for the arithmetic.

use alloc::vec::Vec;

use crate::{buffer::Buffer, digest, gemm::no_such_variant, isa::Token, resize::linear_cv::Pair};

/// Bytes that a quarter of a vector is picked from.
const WINDOW: usize = 16;

/// The horizontal pass: vectors of lanes, each a sample of the target.
#[derive(Default)]
pub(in crate::resize) struct Samples {
    /// Where each quarter's window begins in the row, bytes.
    offsets: Vec<u32>,
    /// For each quarter the window's bytes of each lane's neighbours, as words.
    picks: Buffer<[u8; WINDOW]>,
    /// The neighbours' weights, a lane each.
    weights: Buffer<[i16; 2]>,
    /// Vectors of a row.
    vectors: usize,
    /// Samples of a quarter: the lanes above have weight zero.
    samples: usize,
}

fn lanes(token: Token) -> usize {
    match token {
        Token::Sse41(_) => 4,
        Token::Avx2Fma(_) | Token::AvxVnni(_) => 8,
        Token::Avx512F(_) | Token::Avx512Vnni(_) => 16,
        token => no_such_variant("resize", token),
    }
}

impl Samples {
    pub(in crate::resize) fn fill(&mut self, token: Token, columns: &[Pair], channels: usize, row: usize) {
        let quarters_each = lanes(token) / 4;
        let total = columns.len() * channels;
        let neighbours =
            |sample: usize| columns[sample / channels].at.map(|at| at as usize * channels + sample % channels);
        // Where a window begins, and behind the last byte that is needed of it; windows stay within the row.
        let span = |first: usize, samples: usize| {
            let needed = (first..(first + samples).min(total)).map(neighbours);
            let (low, high) = needed.fold((usize::MAX, 0), |(low, high), [a, b]| (low.min(a), high.max(b)));
            (low.min(row.saturating_sub(WINDOW)), high + 1)
        };
        let fits = |samples: usize| {
            let mut spans = (0..total).step_by(samples).map(|first| span(first, samples));
            spans.all(|(low, end)| end - low <= WINDOW)
        };
        self.samples = [4, 3, 2].into_iter().find(|samples| fits(*samples)).unwrap_or(1);
        self.vectors = total.div_ceil(quarters_each * self.samples);
        let quarters = self.vectors * quarters_each;
        digest::resize(&mut self.offsets, quarters);
        self.picks.resize(quarters);
        self.weights.resize(quarters * 4);
        self.offsets.fill(0);
        self.picks.fill([0x80; WINDOW]);
        self.weights.fill([0; 2]);
        for (quarter, first) in (0..total).step_by(self.samples).enumerate() {
            let (low, _) = span(first, self.samples);
            self.offsets[quarter] = low as u32;
            for (lane, sample) in (first..(first + self.samples).min(total)).enumerate() {
                let [a, b] = neighbours(sample);
                self.picks[quarter][lane * 4] = (a - low) as u8;
                self.picks[quarter][lane * 4 + 2] = (b - low) as u8;
                self.weights[quarter * 4 + lane] = columns[sample / channels].weights;
            }
        }
    }
}

macro_rules! passes {
    ($name:ident, $wide:ident, $features:literal) => {
        mod $name {
            use super::{super::wide::$wide::*, Samples, WINDOW};

            #[target_feature(enable = $features)]
            pub(super) fn across(table: &Samples, source: &[u8], made: &mut [i32]) -> u32 {
                let mut short = [0; WINDOW];
                let source = if source.len() < WINDOW {
                    short[..source.len()].copy_from_slice(source);
                    &short
                } else {
                    source
                };
                let step = LANES / 4 * table.samples;
                assert!(made.len() >= (table.vectors - 1) * step + LANES);
                assert!(table.offsets.len() >= table.vectors * LANES / 4 && table.picks.len() >= table.offsets.len());
                assert!(table.weights.len() >= table.vectors * LANES);
                let mut pack = [0u32; LANES];
                for (lane, from) in pack.iter_mut().enumerate() {
                    // Behind the samples an idle lane, which is zero; there is none if each quarter has four.
                    *from = if lane < step { lane / table.samples * 4 + lane % table.samples } else { 3 } as u32;
                }
                // SAFETY: the array is as wide as the vector.
                let pack = unsafe { load(pack.as_ptr()) };
                let mut sums = zero();
                for vector in 0..table.vectors {
                    // SAFETY: the asserts above, and the table's windows lie in the row.
                    let (bytes, picks, weights) = unsafe {
                        (
                            windows(source.as_ptr(), table.offsets.as_ptr().add(vector * LANES / 4)),
                            load(table.picks.as_ptr().add(vector * LANES / 4).cast()),
                            load(table.weights.as_ptr().add(vector * LANES).cast()),
                        )
                    };
                    let values = add_products(zero(), pick(bytes, picks), weights);
                    sums = add(sums, values);
                    // SAFETY: the asserts above.
                    unsafe { store(made.as_mut_ptr().add(vector * step).cast(), permute(values, pack)) };
                }
                sum(sums)
            }

            #[target_feature(enable = $features)]
            pub(super) fn down([a, b]: [i16; 2], above: &[i32], below: &[i32], target: &mut [u8]) -> u32 {
                let mut pack_order = [0u32; LANES];
                for (vector, lanes) in pack_order.chunks_exact_mut(LANES / 4).enumerate() {
                    lanes.iter_mut().enumerate().for_each(|(quarter, lane)| *lane = (quarter * 4 + vector) as u32);
                }
                // SAFETY: the array is as wide as the vector.
                let pack_order = unsafe { load(pack_order.as_ptr()) };
                // The upper words of `h >> 4` are zero: what is wrong in them is multiplied too.
                let twice = |weight: i16| splat(u32::from(weight as u16) * 0x1_0001);
                let (a_lanes, b_lanes) = (twice(a), twice(b));
                let rounds = splat(2);
                let mut sums = zero();
                let blocks = target.len() / (4 * LANES);
                let done = blocks * 4 * LANES;
                assert!(above.len() >= done && below.len() >= done);
                for block in 0..blocks {
                    let mut values = [zero(); 4];
                    for (vector, value) in values.iter_mut().enumerate() {
                        let at = (block * 4 + vector) * LANES;
                        // SAFETY: the assert above.
                        let above = unsafe { load(above.as_ptr().add(at).cast()) };
                        // SAFETY: as above.
                        let below = unsafe { load(below.as_ptr().add(at).cast()) };
                        let above = add_products(zero(), drop_low::<4>(above), a_lanes);
                        let below = add_products(zero(), drop_low::<4>(below), b_lanes);
                        sums = add(sums, add(above, below));
                        *value = drop_low::<2>(add(add(drop_low::<16>(above), drop_low::<16>(below)), rounds));
                    }
                    // SAFETY: the target has this block whole.
                    unsafe {
                        store(target.as_mut_ptr().add(block * 4 * LANES).cast(), permute(pack(values), pack_order));
                    }
                }
                let rest = crate::resize::linear_cv::down([a, b], &above[done..], &below[done..], &mut target[done..]);
                sum(sums).wrapping_add(rest)
            }
        }
    };
}

passes!(sse41, x128, "sse4.1");
passes!(avx2, x256, "avx2,fma");
passes!(avx512, x512, "avx512f,avx512bw");

macro_rules! dispatch {
    ($token:ident, $function:ident($($argument:expr),*)) => {
        match $token {
            // SAFETY: the token proves that this CPU and OS have the instruction set.
            Token::Sse41(_) => unsafe { sse41::$function($($argument),*) },
            // SAFETY: as above; AVX-VNNI is proved with AVX2.
            Token::Avx2Fma(_) | Token::AvxVnni(_) => unsafe { avx2::$function($($argument),*) },
            // SAFETY: as above; AVX-512 VNNI is proved with F and BW.
            Token::Avx512F(_) | Token::Avx512Vnni(_) => unsafe { avx512::$function($($argument),*) },
            token => no_such_variant("resize", token),
        }
    };
}

/// The sums of a source row's neighbours; returns the sum of all.
pub(in crate::resize) fn across(token: Token, table: &Samples, source: &[u8], made: &mut [i32]) -> u32 {
    dispatch!(token, across(table, source, made))
}

/// A target row of two rows of sums; returns the sum of what it had before rounding.
pub(in crate::resize) fn down(token: Token, weights: [i16; 2], above: &[i32], below: &[i32], target: &mut [u8]) -> u32 {
    dispatch!(token, down(weights, above, below, target))
}
