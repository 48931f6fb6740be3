//! `resize-lanczos-u8`: Pillow's 8-bit Lanczos resize of RGB pictures, bit for bit: two passes with bytes between. The order
//! of the passes is that of Pillow 13 (python-pillow pull request 9549; the rule found and checked by trying some 2,000
//! sizes): vertical first if the height shrinks, by more than twice as many pixels as the width does. Rounding to bytes hides most faults, so the wrapping sum of each row's unrounded accumulators is kept in
//! both passes and compared like the picture itself.

mod coefficients;
mod passes;
mod pictures;

use alloc::{boxed::Box, format, vec, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use coefficients::Coefficients;

use crate::{
    digest::{bits, copy, differences, digest, flip, resize},
    goldens,
    isa::{Isa, Token},
    kernel::{Fault, Golden, Job, Kernel, Mismatch, NoPicture, Picture, Size, Stage, Variant},
    rng::Rng,
};

/// Bytes a pixel.
pub(crate) const CHANNELS: usize = 3;
/// Bytes that a vector load may read past the end of a row.
pub(crate) const SLACK: usize = 16;
/// Side of a golden picture, pixels.
const GOLDEN_SIDE: usize = 512;

const STAGES: &[&str] = &["coefficients", "horizontal", "vertical"];
const STAGE_COEFFICIENTS: u64 = 0;
const STAGE_HORIZONTAL: u64 = 1;
const STAGE_VERTICAL: u64 = 2;
const VARIANTS: &[Variant] = &[Variant::of(Isa::Avx512F), Variant::of(Isa::Avx2Fma), Variant::of(Isa::Scalar)];
/// From a width and a height to others.
type Target = fn(usize, usize) -> (usize, usize);
/// Names and sizes of the targets.
const TARGETS: [(&str, Target); 4] = [
    ("x2", |w, h| (w * 2, h * 2)),
    ("x1.5", |w, h| (w * 3 / 2, h * 3 / 2)),
    ("half", |w, h| (w / 2, h / 2)),
    ("odd", |w, h| (w * 7 / 5 + 1, h * 3 / 7 + 1)),
];

/// The kernel.
pub(crate) struct LanczosU8;

impl Kernel for LanczosU8 {
    fn name(&self) -> &'static str {
        "resize-lanczos-u8"
    }

    fn summary(&self) -> &'static str {
        "Lanczos resize of 8-bit RGB pictures, bit-equal to Pillow: x2, x1.5, half, odd"
    }

    fn variants(&self) -> &'static [Variant] {
        VARIANTS
    }

    fn stages(&self) -> &'static [&'static str] {
        STAGES
    }

    fn goldens(&self) -> &'static [Golden] {
        goldens::RESIZE_LANCZOS_U8
    }

    fn takes_pictures(&self) -> bool {
        true
    }

    fn new_job(&self) -> Box<dyn Job> {
        Box::new(ResizeJob::default())
    }

    fn show(&self, token: Token, seed: u64, picture: Option<&Picture>) -> Result<Vec<Stage>, NoPicture> {
        let made;
        let picture = match picture {
            Some(picture) => picture,
            None => {
                let mut rgb = vec![0; GOLDEN_SIDE * GOLDEN_SIDE * CHANNELS];
                pictures::paint(&mut Rng::new(seed), GOLDEN_SIDE, &mut rgb);
                made = Picture { width: GOLDEN_SIDE, height: GOLDEN_SIDE, rgb };
                &made
            }
        };
        let mut job = ResizeJob::default();
        let stages = TARGETS.iter().enumerate().map(|(target, (name, _))| {
            job.load_picture(picture, target as u64);
            job.run(token, &AtomicU64::new(0), None);
            let shape = vec![job.to.1, job.to.0, CHANNELS];
            Stage { name: format!("lanczos_{name}"), element_type: "uint8", shape, bytes: job.output.picture.clone() }
        });
        Ok(stages.collect())
    }
}

/// Everything that is compared.
#[derive(Clone, Debug, Default)]
struct Output {
    picture: Vec<u8>,
    /// A row of what the horizontal pass makes each.
    horizontal_sums: Vec<u32>,
    /// A row of what the vertical pass makes each.
    vertical_sums: Vec<u32>,
}

impl Output {
    fn bytes(&self) -> usize {
        self.picture.len() + size_of_val(&*self.horizontal_sums) + size_of_val(&*self.vertical_sums)
    }

    fn digest(&self, to: (usize, usize)) -> u64 {
        let sums = [bytemuck::cast_slice(&self.horizontal_sums), bytemuck::cast_slice(&self.vertical_sums)];
        digest(&[to.0, to.1], &[&self.picture, sums[0], sums[1]])
    }
}

#[derive(Default)]
struct ResizeJob {
    from: (usize, usize),
    to: (usize, usize),
    /// The picture and [`SLACK`] bytes more.
    input: Vec<u8>,
    across: Coefficients,
    down: Coefficients,
    /// Between the passes, and [`SLACK`] bytes more.
    between: Vec<u8>,
    output: Output,
    reference: Output,
}

impl ResizeJob {
    fn set_sizes(&mut self, from: (usize, usize), to: (usize, usize)) {
        self.from = from;
        self.to = (to.0.max(1), to.1.max(1));
        resize(&mut self.input, from.0 * from.1 * CHANNELS + SLACK);
        let end = self.input.len() - SLACK;
        self.input[end..].fill(0);
    }

    /// See the head of this file.
    fn vertical_first(&self) -> bool {
        let shrinks_by = |from: usize, to: usize| from as i64 - to as i64;
        let (width, height) = (shrinks_by(self.from.0, self.to.0), shrinks_by(self.from.1, self.to.1));
        height > 0 && height > 2 * width
    }

    fn pixels(&self) -> &[u8] {
        &self.input[..self.input.len() - SLACK]
    }
}

impl Job for ResizeJob {
    fn generate(&mut self, size: Size, seed: u64) {
        let mut rng = Rng::new(seed);
        match size {
            Size::Golden => {
                let (_, target) = TARGETS[(seed % TARGETS.len() as u64) as usize];
                self.set_sizes((GOLDEN_SIDE, GOLDEN_SIDE), target(GOLDEN_SIDE, GOLDEN_SIDE));
            }
            Size::Fresh => {
                let from = (rng.within(64, 112), rng.within(56, 96));
                self.set_sizes(from, (rng.within(20, 160), rng.within(20, 160)));
            }
        }
        let end = self.input.len() - SLACK;
        pictures::paint(&mut rng, self.from.0, &mut self.input[..end]);
    }

    fn load_picture(&mut self, picture: &Picture, seed: u64) -> bool {
        let (_, target) = TARGETS[(seed % TARGETS.len() as u64) as usize];
        let from = (picture.width, picture.height);
        self.set_sizes(from, target(from.0, from.1));
        let end = self.input.len() - SLACK;
        self.input[..end].copy_from_slice(&picture.rgb);
        true
    }

    fn operations(&self) -> u64 {
        // Taps of a target pixel's two sums, counted at full support.
        let taps = |from: usize, to: usize| (6.0 * (from as f64 / to as f64).max(1.0)) as u64;
        let (across, down) = (taps(self.from.0, self.to.0), taps(self.from.1, self.to.1));
        let [from_w, from_h, w, h] = [self.from.0, self.from.1, self.to.0, self.to.1].map(|n| n as u64);
        let multiply_adds =
            if self.vertical_first() { h * (from_w * down + w * across) } else { w * (from_h * across + h * down) };
        2 * CHANNELS as u64 * multiply_adds
    }

    fn pixels(&self) -> Option<u64> {
        Some((self.to.0 * self.to.1) as u64)
    }

    fn bytes(&self) -> usize {
        self.input.len() + self.between.len() + self.output.bytes() + self.reference.bytes()
    }

    fn hand_over(&mut self, see: &mut dyn FnMut(&mut [u8])) {
        let end = self.input.len() - SLACK;
        see(&mut self.input[..end]);
    }

    fn run(&mut self, token: Token, stage: &AtomicU64, fault: Option<Fault>) {
        stage.store(STAGE_COEFFICIENTS, Relaxed);
        self.across.compute(self.from.0, self.to.0);
        self.down.compute(self.from.1, self.to.1);
        let (from_row, to_row) = (self.from.0 * CHANNELS, self.to.0 * CHANNELS);
        let vertical_first = self.vertical_first();
        let Self { input, between, across, down, output, .. } = self;
        resize(&mut output.picture, self.to.1 * to_row);
        resize(&mut output.vertical_sums, self.to.1);
        if vertical_first {
            let bytes = self.to.1 * from_row;
            resize(between, bytes + SLACK);
            resize(&mut output.horizontal_sums, self.to.1);
            stage.store(STAGE_VERTICAL, Relaxed);
            passes::vertical(token, down, 0, input, from_row, &mut between[..bytes], &mut output.vertical_sums);
            strike(&mut between[..bytes], fault);
            stage.store(STAGE_HORIZONTAL, Relaxed);
            passes::horizontal(token, across, between, from_row, &mut output.picture, &mut output.horizontal_sums);
        } else {
            let needed = down.needed();
            let bytes = needed.len() * to_row;
            resize(between, bytes + SLACK);
            resize(&mut output.horizontal_sums, needed.len());
            let input = &input[needed.start * from_row..];
            stage.store(STAGE_HORIZONTAL, Relaxed);
            passes::horizontal(token, across, input, from_row, between, &mut output.horizontal_sums);
            strike(&mut between[..bytes], fault);
            stage.store(STAGE_VERTICAL, Relaxed);
            let sums = &mut output.vertical_sums;
            passes::vertical(token, down, needed.start, between, to_row, &mut output.picture, sums);
        }
    }

    fn input_digest(&self) -> u64 {
        digest(&[self.from.0, self.from.1, self.to.0, self.to.1], &[self.pixels()])
    }

    fn output_digest(&self) -> u64 {
        self.output.digest(self.to)
    }

    fn reference_digest(&self) -> u64 {
        self.reference.digest(self.to)
    }

    fn keep_reference(&mut self) {
        copy(&mut self.reference.picture, &self.output.picture);
        copy(&mut self.reference.horizontal_sums, &self.output.horizontal_sums);
        copy(&mut self.reference.vertical_sums, &self.output.vertical_sums);
    }

    fn matches(&self) -> bool {
        let (a, b) = (&self.output, &self.reference);
        a.picture == b.picture && a.horizontal_sums == b.horizontal_sums && a.vertical_sums == b.vertical_sums
    }

    fn locate(&self) -> Option<Mismatch> {
        let (a, b) = (&self.output, &self.reference);
        let horizontal = (STAGE_HORIZONTAL, &a.horizontal_sums, &b.horizontal_sums);
        let vertical = (STAGE_VERTICAL, &a.vertical_sums, &b.vertical_sums);
        let passes = if self.vertical_first() { [vertical, horizontal] } else { [horizontal, vertical] };
        let sums =
            passes.iter().find_map(|(stage, sums, right)| Some((*stage, sums, right, differences(sums, right)?)));
        let stage = STAGES[sums.as_ref().map_or(passes[1].0, |(stage, ..)| *stage) as usize];
        if let Some((first, wrong)) = differences(&a.picture, &b.picture) {
            let row = self.to.0 * CHANNELS;
            let element = [first / row, first % row / CHANNELS, first % CHANNELS].map(|n| n as u64).to_vec();
            let (expected, actual) = (bits(&b.picture[first]), bits(&a.picture[first]));
            return Some(Mismatch { stage, element, expected, actual, bits: 8, wrong });
        }
        // Rounding hid it from the picture: the row is all that is known.
        let (_, sums, right, (first, wrong)) = sums?;
        let (expected, actual) = (bits(&right[first]), bits(&sums[first]));
        Some(Mismatch { stage, element: vec![first as u64], expected, actual, bits: 32, wrong })
    }

    fn flip_input_bit(&mut self, fault: Fault) {
        let end = self.input.len() - SLACK;
        flip(&mut self.input[..end], fault);
    }

    fn flip_reference_bit(&mut self, fault: Fault) {
        flip(&mut self.reference.picture, fault);
    }
}

/// The drill of this kernel: a bit of the picture between the passes.
fn strike(between: &mut [u8], fault: Option<Fault>) {
    if let Some(fault) = fault {
        flip(between, fault);
    }
}
