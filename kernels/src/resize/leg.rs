//! One resize of a picture of 8-bit samples, whoever's arithmetic it is, with what its stages had before rounding.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{
    alpha,
    engine::{Pass, Resizer, Watch},
    filter::Filter,
    linear_cv::LinearCv,
};
use crate::{
    buffer::Buffer,
    digest::{flip, resize},
    isa::Token,
    kernel::Fault,
};

/// Pillow's name for what a pixel is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    Rgb,
    Rgba,
    L,
}

impl Mode {
    pub(super) fn channels(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Rgba => 4,
            Self::L => 1,
        }
    }
}

/// Whose arithmetic it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Pillow(Filter),
    OpenCv,
}

/// What is noted while it runs: indexes into [`Leg::STAGES`].
const COEFFICIENTS: u64 = 0;
const PREMULTIPLY: u64 = 1;
const HORIZONTAL: u64 = 2;
const VERTICAL: u64 = 3;
const UNPREMULTIPLY: u64 = 4;

/// A resize, its picture and the memory for it.
#[derive(Default)]
pub(super) struct Leg {
    pub(super) mode: Mode,
    pub(super) from: (usize, usize),
    pub(super) to: (usize, usize),
    /// The engines, of which one is used.
    pillow: Resizer,
    open_cv: LinearCv,
    /// RGBA before and after the resize.
    premultiplied: [Buffer<u8>; 2],
    pub(super) picture: Buffer<u8>,
    premultiply_sums: Vec<u32>,
    unpremultiply_sums: Vec<u32>,
}

impl Leg {
    /// How many stages there are.
    pub(super) const STAGES: u64 = 5;

    pub(super) fn set(&mut self, mode: Mode, from: (usize, usize), to: (usize, usize)) {
        (self.mode, self.from, self.to) = (mode, from, (to.0.max(1), to.1.max(1)));
    }

    /// Pillow resizes RGBA premultiplied.
    fn premultiplies(&self, method: Method) -> bool {
        self.mode == Mode::Rgba && method != Method::OpenCv
    }

    /// RGBA that keeps its size is only copied, as by Pillow: premultiplying would change it.
    fn only_copies(&self, method: Method) -> bool {
        self.premultiplies(method) && self.from == self.to
    }

    fn vertical_first(&self, method: Method) -> bool {
        matches!(method, Method::Pillow(_)) && self.pillow.vertical_first()
    }

    /// In the order of the work: stage, and the sums of what its rows, or its weights, had before rounding.
    pub(super) fn sums(&self, method: Method) -> [(u64, &[u32]); 5] {
        let weights = match method {
            Method::Pillow(_) => self.pillow.weight_sums(),
            Method::OpenCv => self.open_cv.weight_sums(),
        };
        let of = |pass: Pass| match method {
            Method::Pillow(_) => self.pillow.sums(pass),
            Method::OpenCv => self.open_cv.sums(pass),
        };
        let (horizontal, vertical) = ((HORIZONTAL, of(Pass::Horizontal)), (VERTICAL, of(Pass::Vertical)));
        let [first, second] = if self.vertical_first(method) { [vertical, horizontal] } else { [horizontal, vertical] };
        let premultiply = (PREMULTIPLY, &self.premultiply_sums[..]);
        [(COEFFICIENTS, weights), premultiply, first, second, (UNPREMULTIPLY, &self.unpremultiply_sums)]
    }

    /// The stage that makes the picture.
    pub(super) fn last_stage(&self, method: Method) -> u64 {
        if self.premultiplies(method) { UNPREMULTIPLY } else { self.sums(method)[3].0 }
    }

    pub(super) fn operations(&self, method: Method) -> u64 {
        match method {
            Method::Pillow(filter) => self.pillow.operations(filter),
            Method::OpenCv => self.open_cv.operations(),
        }
    }

    /// Bytes of the pictures that it makes.
    pub(super) fn bytes(&self) -> usize {
        self.premultiplied.iter().map(|picture| picture.len()).sum::<usize>() + self.picture.len()
    }

    /// Weights, and the resize of `source`; stages are noted with `base` added. A fault is a bit of the picture between the
    /// passes.
    pub(super) fn run(
        &mut self,
        method: Method,
        token: Token,
        source: &[u8],
        (stage, base): (&AtomicU64, u64),
        fault: Option<Fault>,
    ) {
        let channels = self.mode.channels();
        let (from_row, to_row) = (self.from.0 * channels, self.to.0 * channels);
        stage.store(base + COEFFICIENTS, Relaxed);
        match method {
            Method::Pillow(filter) => self.pillow.prepare(filter, channels, self.from, self.to),
            Method::OpenCv => self.open_cv.prepare(channels, self.from, self.to),
        }
        self.picture.renew(self.to.1 * to_row);
        let premultiplies = self.premultiplies(method);
        resize(&mut self.premultiply_sums, if premultiplies { self.from.1 } else { 0 });
        resize(&mut self.unpremultiply_sums, if premultiplies { self.to.1 } else { 0 });
        if self.only_copies(method) {
            // No row is weighed: what earlier pictures left would be compared.
            self.pillow.clear_sums();
            self.premultiply_sums.clear();
            self.unpremultiply_sums.clear();
            self.picture.copy_from_slice(source);
            if let Some(fault) = fault {
                flip(&mut self.picture, fault);
            }
            return;
        }
        let watch = Watch { stage: Some((stage, [base + HORIZONTAL, base + VERTICAL])), fault };
        let pillow = match method {
            Method::OpenCv => return self.open_cv.run(token, source, &mut self.picture, watch),
            Method::Pillow(_) => &mut self.pillow,
        };
        if !premultiplies {
            return pillow.run(token, source, &mut self.picture, watch);
        }
        let [before, after] = &mut self.premultiplied;
        before.renew(source.len());
        after.renew(self.picture.len());
        stage.store(base + PREMULTIPLY, Relaxed);
        let rows = source.chunks_exact(from_row).zip(before.chunks_exact_mut(from_row));
        for ((source, target), sum) in rows.zip(&mut self.premultiply_sums) {
            *sum = alpha::premultiply(token, source, target);
        }
        pillow.run(token, before, after, watch);
        stage.store(base + UNPREMULTIPLY, Relaxed);
        let rows = after.chunks_exact(to_row).zip(self.picture.chunks_exact_mut(to_row));
        for ((source, target), sum) in rows.zip(&mut self.unpremultiply_sums) {
            *sum = alpha::unpremultiply(token, source, target);
        }
    }
}
