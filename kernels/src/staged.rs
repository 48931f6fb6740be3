//! The frame of the kernels that are no matrices and no pictures: bytes made by the seed go in, stage after stage leaves a part of
//! one buffer of words. All of it is compared. Before a run the buffer is filled with what no stage leaves, so that a store
//! that never happened shows.

use alloc::{boxed::Box, vec, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytemuck::Pod;

use crate::{
    buffer::Buffer,
    digest::{bits, differences, digest, flip, same},
    isa::Token,
    kernel::{Fault, Golden, Job, Kernel, Mismatch, NoPicture, Picture, Size, Stage, Variant},
    picture::RGB,
    rng::Rng,
};

/// What the output holds before a run.
const UNWRITTEN: u8 = 0xa5;

/// What is particular to one of these kernels; a value is what a job knows beside its buffers.
pub(crate) trait Staged: Default + Send + 'static {
    /// What the output is made of.
    type Word: Pod + Send;
    const NAME: &'static str;
    const SUMMARY: &'static str;
    const VARIANTS: &'static [Variant];
    const GOLDENS: &'static [Golden];
    const STAGES: &'static [&'static str];
    /// NumPy's name of the words.
    const TYPE: &'static str;
    const ALLOCATES: bool = false;
    /// Bytes that a job takes for each pixel of a picture, about, where it takes pictures; the input is their RGB.
    const PICTURE_BYTES: Option<usize> = None;

    /// Chooses the sizes and makes the input.
    fn generate(&mut self, size: Size, rng: &mut Rng, input: &mut Buffer<u8>);
    /// Makes the input from a picture, where the kernel takes one.
    fn load_picture(&mut self, picture: &Picture, seed: u64, input: &mut Buffer<u8>) {
        let _ = (picture, seed, input);
        unreachable!("it takes no pictures");
    }
    /// What else the input is made of: sizes and the like.
    fn sizes(&self) -> [usize; 2];
    /// Rows and columns of what a stage leaves.
    fn shape(&self, stage: usize) -> [usize; 2];
    /// Of one run.
    fn operations(&self) -> u64;
    /// Computes all stages in order.
    fn run(&mut self, token: Token, input: &[u8], call: &mut Call<'_, Self::Word>);
}

/// One run: what it notes, where it leaves its words, and the fault of a drill.
pub(crate) struct Call<'a, W> {
    noted: &'a AtomicU64,
    stages: u64,
    stage: u64,
    rest: &'a mut [W],
    fault: Option<Fault>,
}

impl<'a, W> Call<'a, W> {
    /// Notes that the stage begins and returns its part of the output, `len` words.
    pub(crate) fn enter(&mut self, stage: usize, len: usize) -> &'a mut [W] {
        self.stage = stage as u64;
        self.noted.store(self.stage, Relaxed);
        let (part, rest) = core::mem::take(&mut self.rest).split_at_mut(len);
        self.rest = rest;
        part
    }

    /// Whether the drill strikes in this stage. The element's lane within a vector chooses no stage.
    fn strikes(&self) -> bool {
        self.fault.is_some_and(|fault| fault.element / 16 % self.stages == self.stage)
    }

    /// The drill: flips a bit of a real intermediate if this is the stage.
    pub(crate) fn strike<T: Pod>(&self, intermediate: &mut [T]) {
        if let Some(fault) = self.fault.filter(|_| self.strikes()) {
            flip(intermediate, fault);
        }
    }

    /// Does `work` on the first half of `0..steps` and on the rest, the drill striking `state` between the two.
    pub(crate) fn halves<T: Pod>(
        &self,
        steps: usize,
        state: &mut [T],
        mut work: impl FnMut(core::ops::Range<usize>, &mut [T]),
    ) {
        if self.strikes() {
            work(0..steps / 2, state);
            self.strike(state);
            work(steps / 2..steps, state);
        } else {
            work(0..steps, state);
        }
    }
}

/// Stages as a kernel.
pub(crate) struct StagedKernel<S>(core::marker::PhantomData<fn() -> S>);

impl<S> StagedKernel<S> {
    pub(crate) const fn new() -> Self {
        Self(core::marker::PhantomData)
    }
}

impl<S: Staged> Kernel for StagedKernel<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn summary(&self) -> &'static str {
        S::SUMMARY
    }

    fn variants(&self) -> &'static [Variant] {
        S::VARIANTS
    }

    fn stages(&self) -> &'static [&'static str] {
        S::STAGES
    }

    fn goldens(&self) -> &'static [Golden] {
        S::GOLDENS
    }

    fn takes_pictures(&self) -> bool {
        S::PICTURE_BYTES.is_some()
    }

    fn picture_bytes(&self) -> usize {
        S::PICTURE_BYTES.unwrap_or_default()
    }

    fn allocates(&self) -> bool {
        S::ALLOCATES
    }

    fn new_job(&self) -> Box<dyn Job> {
        Box::new(StagedJob::<S>::default())
    }

    fn show(&self, token: Token, seed: u64, picture: Option<&Picture>) -> Result<Vec<Stage>, NoPicture> {
        let mut job = StagedJob::<S>::default();
        match picture {
            Some(picture) => {
                if !job.load_picture(picture, seed) {
                    return Err(NoPicture);
                }
            }
            None => job.generate(Size::Golden, seed),
        }
        job.run(token, &AtomicU64::new(0), None);
        let input = job.input.to_vec();
        let mut stages =
            vec![Stage { name: "input".into(), element_type: "uint8", shape: vec![input.len()], bytes: input }];
        let mut rest = &job.output[..];
        for (stage, name) in S::STAGES.iter().enumerate() {
            let shape = job.work.shape(stage);
            let (part, after) = rest.split_at(shape[0] * shape[1]);
            rest = after;
            let bytes = bytemuck::cast_slice(part).to_vec();
            stages.push(Stage { name: (*name).into(), element_type: S::TYPE, shape: shape.to_vec(), bytes });
        }
        Ok(stages)
    }
}

/// Its buffers.
struct StagedJob<S: Staged> {
    work: S,
    input: Buffer<u8>,
    output: Buffer<S::Word>,
    reference: Buffer<S::Word>,
}

impl<S: Staged> Default for StagedJob<S> {
    fn default() -> Self {
        let (work, input, output, reference) = Default::default();
        Self { work, input, output, reference }
    }
}

impl<S: Staged> StagedJob<S> {
    fn size_output(&mut self) {
        let len = (0..S::STAGES.len()).map(|stage| self.work.shape(stage)).map(|[rows, columns]| rows * columns).sum();
        self.output.resize(len);
    }
}

impl<S: Staged> Job for StagedJob<S> {
    fn generate(&mut self, size: Size, seed: u64) {
        self.work.generate(size, &mut Rng::new(seed), &mut self.input);
        self.size_output();
    }

    fn load_picture(&mut self, picture: &Picture, seed: u64) -> bool {
        if S::PICTURE_BYTES.is_some() {
            self.work.load_picture(picture, seed, &mut self.input);
            self.size_output();
        }
        S::PICTURE_BYTES.is_some()
    }

    fn operations(&self) -> u64 {
        self.work.operations()
    }

    fn pixels(&self) -> Option<u64> {
        S::PICTURE_BYTES.map(|_| (self.input.len() / RGB) as u64)
    }

    fn bytes(&self) -> usize {
        self.input.len() + size_of_val(&*self.output) + size_of_val(&*self.reference)
    }

    fn hand_over(&mut self, see: &mut dyn FnMut(&mut [u8])) {
        see(&mut self.input);
    }

    fn run(&mut self, token: Token, stage: &AtomicU64, fault: Option<Fault>) {
        bytemuck::cast_slice_mut::<_, u8>(&mut self.output).fill(UNWRITTEN);
        let rest = &mut self.output[..];
        let mut call = Call { noted: stage, stages: S::STAGES.len() as u64, stage: 0, rest, fault };
        self.work.run(token, &self.input, &mut call);
        assert!(call.rest.is_empty(), "every stage left its part");
    }

    fn input_digest(&self) -> u64 {
        digest(&self.work.sizes(), &[&self.input])
    }

    fn output_digest(&self) -> u64 {
        digest(&[self.output.len()], &[bytemuck::cast_slice(&self.output)])
    }

    fn reference_digest(&self) -> u64 {
        digest(&[self.reference.len()], &[bytemuck::cast_slice(&self.reference)])
    }

    fn keep_reference(&mut self) {
        self.reference.copy_from(&self.output);
    }

    fn matches(&self) -> bool {
        same(&self.output, &self.reference)
    }

    fn locate(&self) -> Option<Mismatch> {
        let (first, wrong) = differences(&self.output, &self.reference)?;
        let mut start = 0;
        let (stage, columns) = (0..S::STAGES.len()).find_map(|stage| {
            let [rows, columns] = self.work.shape(stage);
            if first < start + rows * columns {
                return Some((stage, columns));
            }
            start += rows * columns;
            None
        })?;
        Some(Mismatch {
            stage: S::STAGES[stage],
            element: vec![((first - start) / columns) as u64, ((first - start) % columns) as u64],
            expected: bits(&self.reference[first]),
            actual: bits(&self.output[first]),
            bits: 8 * size_of::<S::Word>() as u32,
            wrong,
        })
    }

    fn flip_input_bit(&mut self, fault: Fault) {
        flip(&mut self.input, fault);
    }

    fn flip_reference_bit(&mut self, fault: Fault) {
        flip(&mut self.reference, fault);
    }
}

/// What the tests of these kernels share.
#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Every vector variant of a kernel gives what the scalar one gives, and a fault shows in every stage of each.
    pub(crate) fn holds<S: Staged>() {
        let scalar = crate::Isa::Scalar.token().expect("everywhere");
        let mut job = StagedJob::<S>::default();
        for seed in 0..40 {
            job.generate(Size::Fresh, seed);
            job.run(scalar, &AtomicU64::new(0), None);
            job.keep_reference();
            for token in S::VARIANTS.iter().filter_map(|variant| variant.isa.token()) {
                job.run(token, &AtomicU64::new(0), None);
                assert!(job.matches(), "{} {}: {:?}", S::NAME, token.isa().name(), job.locate());
                for stage in 0..S::STAGES.len() {
                    let element = ((seed * 977) / 16 * S::STAGES.len() as u64 + stage as u64) * 16 + seed % 16;
                    job.run(token, &AtomicU64::new(0), Some(Fault { element, bit: seed as u32 * 5 }));
                    let found = job.locate();
                    let seen = found.as_ref().map(|found| found.stage);
                    assert_eq!(seen, Some(S::STAGES[stage]), "{} {}: {found:?}", S::NAME, token.isa().name());
                }
            }
        }
    }

    /// Two stages that copy the input, the second of which leaves a word out from its second run on.
    #[derive(Default)]
    struct Forgetful {
        runs: usize,
    }

    impl Staged for Forgetful {
        type Word = u16;
        const NAME: &'static str = "forgetful";
        const SUMMARY: &'static str = "for this test";
        const VARIANTS: &'static [Variant] = &[Variant::of(crate::Isa::Scalar)];
        const GOLDENS: &'static [Golden] = &[];
        const STAGES: &'static [&'static str] = &["first", "second"];
        const TYPE: &'static str = "uint16";

        fn generate(&mut self, _: Size, rng: &mut Rng, input: &mut Buffer<u8>) {
            input.resize(24);
            rng.fill(input);
        }

        fn sizes(&self) -> [usize; 2] {
            [3, 4]
        }

        fn shape(&self, _: usize) -> [usize; 2] {
            [3, 4]
        }

        fn operations(&self) -> u64 {
            24
        }

        fn run(&mut self, _: Token, input: &[u8], call: &mut Call<'_, u16>) {
            self.runs += 1;
            let words: &[u16] = bytemuck::cast_slice(input);
            call.enter(0, 12).copy_from_slice(words);
            let part = call.enter(1, 12);
            for (n, (to, word)) in part.iter_mut().zip(words).enumerate() {
                if self.runs == 1 || n != 6 {
                    *to = *word;
                }
            }
        }
    }

    #[test]
    fn a_store_that_never_happened_shows_and_is_located() {
        let mut job = StagedJob::<Forgetful>::default();
        job.generate(Size::Fresh, 1);
        job.run(Token::Scalar, &AtomicU64::new(0), None);
        job.keep_reference();
        assert!(job.matches() && job.locate().is_none());
        let noted = AtomicU64::new(0);
        job.run(Token::Scalar, &noted, None);
        assert!(!job.matches());
        let found = job.locate().expect("it differs");
        assert_eq!((found.stage, found.element, found.bits, found.wrong), ("second", vec![1, 2], 16, 1));
        assert_eq!((found.actual, noted.load(Relaxed)), (0xa5a5, 1));
    }
}
