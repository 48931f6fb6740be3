//! What the vector passes read beside the pixels. Weights come four taps to a 32-bit lane, split into parts that the
//! instruction at hand can multiply with bytes: the sum of the parts' products is exact.

use alloc::vec::Vec;

use super::coefficients::Coefficients;
use crate::{buffer::Buffer, digest::resize};

/// Taps of a lane.
pub(crate) const GROUP: usize = 4;
/// Bytes that a quarter of a vector (four lanes) is picked from.
const WINDOW: usize = 16;
/// A pick of no byte: zero.
const NOTHING: u8 = 0x80;
/// Bytes that the horizontal pass may read past the end of a row.
pub(crate) const SLACK: usize = 16;

/// How weights are split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// A signed byte and what is above it, 16 bits, for `pmaddwd`: taps 0 and 2, taps 1 and 3, first of the low parts, then of the high.
    Words,
    /// Three signed bytes for `vpdpbusd`, lowest first.
    Bytes,
}

impl Split {
    /// Vectors of weights for each group of taps.
    pub(crate) const fn planes(self) -> usize {
        match self {
            Self::Words => 4,
            Self::Bytes => 3,
        }
    }

    /// The planes of one lane.
    fn lane(self, weights: [i32; GROUP]) -> [u32; 4] {
        match self {
            Self::Words => {
                let low = weights.map(|weight| i16::from(weight as i8));
                let mut high = [0; GROUP];
                for (high, (weight, low)) in high.iter_mut().zip(weights.iter().zip(low)) {
                    let rest = (weight - i32::from(low)) >> 8;
                    *high = i16::try_from(rest).expect("a normalised weight has less than 23 bits");
                }
                let pair = |a: i16, b: i16| u32::from(a as u16) | u32::from(b as u16) << 16;
                [pair(low[0], low[2]), pair(low[1], low[3]), pair(high[0], high[2]), pair(high[1], high[3])]
            }
            Self::Bytes => {
                let mut planes = [[0u8; GROUP]; 4];
                for (tap, weight) in weights.into_iter().enumerate() {
                    let mut rest = weight;
                    for plane in planes.iter_mut().take(3) {
                        let digit = rest as i8;
                        plane[tap] = digit as u8;
                        rest = (rest - i32::from(digit)) >> 8;
                    }
                    assert_eq!(rest, 0, "a normalised weight has less than 23 bits");
                }
                planes.map(u32::from_le_bytes)
            }
        }
    }
}

/// The horizontal pass: vectors of lanes, each lane a sample of the target. A quarter's lanes pick their taps from one window
/// of the source, so that as many samples share it as it holds.
#[derive(Default)]
pub(crate) struct Across {
    /// Where each quarter's window begins in the row, bytes.
    pub(crate) offsets: Vec<u32>,
    /// For each quarter the window's byte of each lane's taps.
    pub(crate) picks: Buffer<[u8; WINDOW]>,
    /// Vector by vector, group by group, plane by plane.
    pub(crate) weights: Buffer<u32>,
    /// Groups of taps.
    pub(crate) groups: usize,
    /// Vectors of a row.
    pub(crate) vectors: usize,
    /// Samples of a quarter: the lanes above have weight zero.
    pub(crate) samples: usize,
    /// Bytes from one group of taps to the next.
    pub(crate) step: usize,
    /// Lanes of the row's vectors that are no samples.
    pub(crate) idle: usize,
}

impl Across {
    pub(super) fn fill(&mut self, taps: &Coefficients, channels: usize, from: usize, lanes: usize, split: Split) {
        let (planes, total) = (split.planes(), taps.len() * channels);
        let most = taps.most_taps();
        self.groups = most.div_ceil(GROUP);
        // Groups overlap rather than having taps without weight: nobody would see what is wrong with what those pick.
        let apart = if self.groups > 1 { (most - GROUP).div_ceil(self.groups - 1) } else { GROUP };
        self.step = apart * channels;
        // No tap group that begins here ends far outside the row.
        let last_start = from.saturating_sub(apart * (self.groups - 1) + GROUP);
        let start = |sample: usize| {
            let start = (taps.taps(sample / channels).0).min(last_start);
            start * channels + sample % channels
        };
        let fits = |samples: usize| {
            let reach = (GROUP - 1) * channels + 1;
            (0..total).step_by(samples).all(|first| {
                let end = (first + samples).min(total);
                let begin = start(first);
                let (low, high) =
                    (first..end).map(start).fold((begin, begin), |(low, high), at| (low.min(at), high.max(at)));
                high + reach - low <= WINDOW
            })
        };
        self.samples = [4, 3, 2].into_iter().find(|samples| fits(*samples)).unwrap_or(1);
        self.vectors = total.div_ceil(lanes / 4 * self.samples);
        self.idle = self.vectors * lanes - total;
        let quarters = self.vectors * lanes / 4;
        resize(&mut self.offsets, quarters);
        self.picks.resize(quarters);
        self.weights.resize(self.vectors * self.groups * planes * lanes);
        for quarter in 0..quarters {
            let first = quarter * self.samples;
            let samples = first.min(total)..(first + self.samples).min(total);
            let low = samples.clone().map(start).min().unwrap_or(0);
            self.offsets[quarter] = low as u32;
            for lane in 0..4 {
                // Lanes above the samples have no taps and no weights.
                let sample = samples.start + lane;
                let (shift, weights) = if sample < samples.end {
                    let begin = start(sample);
                    for tap in 0..GROUP {
                        self.picks[quarter][lane * GROUP + tap] = (begin - low + tap * channels) as u8;
                    }
                    let (own_start, weights) = taps.taps(sample / channels);
                    (own_start - begin / channels, weights)
                } else {
                    self.picks[quarter][lane * GROUP..][..GROUP].fill(NOTHING);
                    (0, &[][..])
                };
                let (vector, lane) = (quarter / (lanes / 4), quarter % (lanes / 4) * 4 + lane);
                for group in 0..self.groups {
                    let four = core::array::from_fn(|tap| {
                        let weight = (group * apart + tap).checked_sub(shift).and_then(|tap| weights.get(tap));
                        let weight = weight.copied().unwrap_or(0);
                        // A tap of two groups has half of it in each.
                        if group + 1 < self.groups && tap >= apart {
                            weight / 2
                        } else if group > 0 && tap + apart < GROUP {
                            weight - weight / 2
                        } else {
                            weight
                        }
                    });
                    let at = (vector * self.groups + group) * planes * lanes + lane;
                    for (plane, part) in split.lane(four).into_iter().take(planes).enumerate() {
                        self.weights[at + plane * lanes] = part;
                    }
                }
            }
        }
    }
}

/// The vertical pass: four rows lie interleaved, byte by byte, in a *quad*; a target row takes a few consecutive quads.
#[derive(Default)]
pub(crate) struct Down {
    /// The first quad of each target row, and how many there are.
    spans: Vec<[u32; 2]>,
    /// Target row by target row, quad by quad, plane by plane.
    weights: Vec<u32>,
    /// Weights kept for a row.
    stride: usize,
    planes: usize,
    /// The most quads that a row takes.
    pub(crate) most: usize,
}

impl Down {
    /// Quads are counted from source row `origin` on.
    pub(super) fn fill(&mut self, taps: &Coefficients, origin: usize, split: Split) {
        self.planes = split.planes();
        resize(&mut self.spans, taps.len());
        self.most = 0;
        for (y, span) in self.spans.iter_mut().enumerate() {
            let (start, weights) = taps.taps(y);
            let (first, end) = ((start - origin) / GROUP, (start - origin + weights.len()).div_ceil(GROUP));
            *span = [first as u32, (end - first) as u32];
            self.most = self.most.max(end - first);
        }
        self.stride = self.most * self.planes;
        resize(&mut self.weights, taps.len() * self.stride);
        self.weights.fill(0);
        for (y, span) in self.spans.iter().enumerate() {
            let (start, weights) = taps.taps(y);
            let shift = start - origin - span[0] as usize * GROUP;
            for quad in 0..span[1] as usize {
                let four = core::array::from_fn(|tap| {
                    (quad * GROUP + tap).checked_sub(shift).and_then(|tap| weights.get(tap)).copied().unwrap_or(0)
                });
                let at = y * self.stride + quad * self.planes;
                self.weights[at..at + self.planes].copy_from_slice(&split.lane(four)[..self.planes]);
            }
        }
    }

    /// Behind the last quad of a target row.
    pub(crate) fn end(&self, y: usize) -> usize {
        let [first, quads] = self.spans[y];
        (first + quads) as usize
    }

    /// The first quad of a target row, and the weights of all it takes.
    pub(crate) fn taps(&self, y: usize) -> (usize, &[u32]) {
        let [first, quads] = self.spans[y];
        (first as usize, &self.weights[y * self.stride..][..quads as usize * self.planes])
    }
}
