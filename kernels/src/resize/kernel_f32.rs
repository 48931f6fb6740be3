//! `resize-lanczos-f32`: a float RGB picture is resized and then back to its size; see `float.rs` for the arithmetic. What comes
//! out is compared bit by bit, and of each row in between the sum of its bits.

use alloc::{boxed::Box, format, vec, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{
    float::{CHANNELS, FloatResizer, ROW_SUMS, SLACK, WEIGHT_SUMS},
    kernel_u8::TARGETS,
    pictures,
};
use crate::{
    buffer::Buffer,
    digest::{bits, copy, differences, digest, flip, resize, same},
    goldens,
    isa::{Isa, Token},
    kernel::{Fault, Golden, Job, Kernel, Mismatch, NoPicture, Picture, Size, Stage, Variant},
    rng::Rng,
};

/// Side of a golden picture, pixels.
const GOLDEN_SIDE: usize = 256;

const STAGES: &[&str] = &["coefficients", "there-horizontal", "there-vertical", "back-horizontal", "back-vertical"];
const STAGE_COEFFICIENTS: u64 = 0;
/// Of the two resizes the first pass's stage.
const STAGE_FIRST: [u64; 2] = [1, 3];
const VARIANTS: &[Variant] = &[Variant::of(Isa::Avx512F), Variant::of(Isa::Avx2Fma), Variant::of(Isa::Scalar)];

/// The kernel.
pub(crate) struct LanczosF32;

impl Kernel for LanczosF32 {
    fn name(&self) -> &'static str {
        "resize-lanczos-f32"
    }

    fn summary(&self) -> &'static str {
        "Lanczos resize of f32 RGB pictures and back, one fused chain a sample: x2, x1.5, half, odd"
    }

    fn variants(&self) -> &'static [Variant] {
        VARIANTS
    }

    fn stages(&self) -> &'static [&'static str] {
        STAGES
    }

    fn goldens(&self) -> &'static [Golden] {
        goldens::RESIZE_LANCZOS_F32
    }

    fn takes_pictures(&self) -> bool {
        true
    }

    fn picture_bytes(&self) -> usize {
        140
    }

    fn new_job(&self) -> Box<dyn Job> {
        Box::new(FloatJob::default())
    }

    fn show(&self, token: Token, seed: u64, picture: Option<&Picture>) -> Result<Vec<Stage>, NoPicture> {
        let mut job = FloatJob::default();
        let mut stages = Vec::new();
        for (target, (name, _)) in TARGETS.iter().enumerate() {
            match picture {
                Some(picture) => _ = job.load_picture(picture, target as u64),
                None => job.generate(Size::Golden, seed / 4 * 4 + target as u64),
            }
            job.run(token, &AtomicU64::new(0), None);
            let values = [("there", job.to, &job.there), ("back", job.from, &job.back)];
            stages.extend(values.map(|(way, (width, height), values)| Stage {
                name: format!("lanczos_{name}_{way}"),
                element_type: "float32",
                shape: vec![height, width, CHANNELS],
                bytes: bytemuck::cast_slice(&values[..height * width * CHANNELS]).to_vec(),
            }));
        }
        Ok(stages)
    }
}

#[derive(Default)]
struct Reference {
    back: Vec<f32>,
    /// Of both resizes.
    sums: [Vec<u32>; 2],
}

#[derive(Default)]
struct FloatJob {
    from: (usize, usize),
    to: (usize, usize),
    /// With slack behind it.
    input: Vec<f32>,
    resizers: [FloatResizer; 2],
    /// Resized, with slack behind it.
    there: Buffer<f32>,
    /// Resized back.
    back: Buffer<f32>,
    reference: Reference,
}

impl FloatJob {
    /// Bytes to 0 to 1, or to -1 to 1 as latents are.
    fn load(&mut self, from: (usize, usize), to: (usize, usize), bytes: &[u8], signed: bool) {
        (self.from, self.to) = (from, (to.0.max(1), to.1.max(1)));
        resize(&mut self.input, bytes.len() + SLACK);
        self.input[bytes.len()..].fill(0.0);
        for (value, byte) in self.input.iter_mut().zip(bytes) {
            *value = if signed { f32::from(*byte) / 127.5 - 1.0 } else { f32::from(*byte) / 255.0 };
        }
    }

    fn samples(&self) -> &[f32] {
        &self.input[..self.input.len() - SLACK]
    }

    fn digest(&self, back: &[f32], sums: [&[u32]; 2]) -> u64 {
        let [there, and_back] = sums.map(bytemuck::cast_slice);
        digest(&[self.to.0, self.to.1], &[bytemuck::cast_slice(back), there, and_back])
    }

    fn sums(&self) -> [&[u32]; 2] {
        self.resizers.each_ref().map(|resizer| &resizer.sums[..])
    }
}

impl Job for FloatJob {
    fn generate(&mut self, size: Size, seed: u64) {
        let mut rng = Rng::new(seed);
        let (from, to) = match size {
            Size::Golden => {
                let (_, target) = TARGETS[(seed % TARGETS.len() as u64) as usize];
                ((GOLDEN_SIDE, GOLDEN_SIDE), target(GOLDEN_SIDE, GOLDEN_SIDE))
            }
            Size::Fresh => {
                let from = (rng.within(16, 112), rng.within(8, 20));
                (from, (rng.within(8, 144), rng.within(6, 28)))
            }
        };
        let mut bytes = vec![0; from.0 * from.1 * CHANNELS];
        pictures::paint(&mut rng, from.0, CHANNELS, &mut bytes);
        self.load(from, to, &bytes, seed & 4 != 0);
        if seed & 8 != 0 {
            // The low bits of the mantissa too; zeros would become denormal.
            for value in self.input[..bytes.len()].iter_mut().filter(|value| **value != 0.0) {
                *value = f32::from_bits(value.to_bits() ^ (rng.next() & 0x7fff) as u32);
            }
        }
    }

    fn load_picture(&mut self, picture: &Picture, seed: u64) -> bool {
        let (_, target) = TARGETS[(seed % TARGETS.len() as u64) as usize];
        let from = (picture.width, picture.height);
        self.load(from, target(from.0, from.1), &picture.rgb, seed & 4 != 0);
        true
    }

    fn operations(&self) -> u64 {
        self.resizers.iter().map(FloatResizer::operations).sum()
    }

    fn pixels(&self) -> Option<u64> {
        Some((self.from.0 * self.from.1 + self.to.0 * self.to.1) as u64)
    }

    fn bytes(&self) -> usize {
        let pictures: [&[f32]; 4] = [&self.input, &self.there, &self.back, &self.reference.back];
        let between: usize = self.resizers.iter().map(FloatResizer::bytes).sum();
        between + pictures.iter().map(|picture| size_of_val(*picture)).sum::<usize>()
    }

    fn hand_over(&mut self, see: &mut dyn FnMut(&mut [u8])) {
        let end = self.input.len() - SLACK;
        see(bytemuck::cast_slice_mut(&mut self.input[..end]));
    }

    fn run(&mut self, token: Token, stage: &AtomicU64, fault: Option<Fault>) {
        stage.store(STAGE_COEFFICIENTS, Relaxed);
        let Self { from, to, resizers: [first, second], input, there, back, .. } = self;
        first.prepare(*from, *to);
        second.prepare(*to, *from);
        there.renew(to.0 * to.1 * CHANNELS + SLACK);
        back.renew(from.0 * from.1 * CHANNELS);
        let note = |resize: usize| move |pass: usize| stage.store(STAGE_FIRST[resize] + pass as u64, Relaxed);
        let struck = fault.map(|fault| (fault.element % from.1 as u64) as usize);
        let strike = |row: usize, values: &mut [f32]| {
            if let (Some(fault), true) = (fault, struck == Some(row)) {
                flip(values, Fault { element: fault.element / from.1 as u64, ..fault });
            }
        };
        first.run(token, input, there, note(0), strike);
        second.run(token, there, back, note(1), |_, _| ());
    }

    fn input_digest(&self) -> u64 {
        let sizes = [self.from.0, self.from.1, self.to.0, self.to.1];
        digest(&sizes, &[bytemuck::cast_slice(self.samples())])
    }

    fn output_digest(&self) -> u64 {
        self.digest(&self.back, self.sums())
    }

    fn reference_digest(&self) -> u64 {
        self.digest(&self.reference.back, self.reference.sums.each_ref().map(Vec::as_slice))
    }

    fn keep_reference(&mut self) {
        copy(&mut self.reference.back, &self.back);
        for (kept, resizer) in self.reference.sums.iter_mut().zip(&self.resizers) {
            copy(kept, &resizer.sums);
        }
    }

    fn matches(&self) -> bool {
        let mut sums = self.sums().into_iter().zip(&self.reference.sums);
        same(&self.back, &self.reference.back) && sums.all(|(sums, right)| same(sums, right))
    }

    fn locate(&self) -> Option<Mismatch> {
        for (resize, (sums, right)) in self.sums().into_iter().zip(&self.reference.sums).enumerate() {
            if let Some((first, wrong)) = differences(sums, right) {
                // The first sums are those of the weights.
                let (stage, element) = match first.checked_sub(WEIGHT_SUMS) {
                    Some(sum) => (STAGE_FIRST[resize], sum / ROW_SUMS),
                    None => (STAGE_COEFFICIENTS, first),
                };
                let (stage, element) = (STAGES[stage as usize], vec![element as u64]);
                let (expected, actual) = (bits(&right[first]), bits(&sums[first]));
                return Some(Mismatch { stage, element, expected, actual, bits: 32, wrong });
            }
        }
        let (first, wrong) = differences(&self.back, &self.reference.back)?;
        let row = self.from.0 * CHANNELS;
        let element = [first / row, first % row / CHANNELS, first % CHANNELS].map(|n| n as u64).to_vec();
        let (expected, actual) = (bits(&self.reference.back[first]), bits(&self.back[first]));
        Some(Mismatch { stage: STAGES[4], element, expected, actual, bits: 32, wrong })
    }

    fn flip_input_bit(&mut self, fault: Fault) {
        let end = self.input.len() - SLACK;
        flip(&mut self.input[..end], fault);
    }

    fn flip_reference_bit(&mut self, fault: Fault) {
        flip(&mut self.reference.back, fault);
    }
}
