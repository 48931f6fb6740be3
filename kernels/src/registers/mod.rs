//! Kernels that live in registers: every register that there is holds a long-lived accumulator. Each step changes one register
//! by an invertible function of it and, at most, its neighbour; all steps together are a bijection of the whole state, so a
//! bit that flips in any register at any time, or in the result of any step, is still there at the end: two different states
//! never become equal. The state is compared as a whole.

mod general;
mod vector;

use alloc::{boxed::Box, vec, vec::Vec};
use core::{
    marker::PhantomData,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use bytemuck::Pod;

pub(crate) use {general::General, vector::Vector};

use crate::{
    buffer::Buffer,
    digest::{bits, differences, digest, flip, same},
    isa::Token,
    kernel::{Fault, Golden, Job, Kernel, Mismatch, NoPicture, Picture, Size, Stage, Variant},
    rng::Rng,
};

const STAGES: &[&str] = &["rounds"];
const STAGE_ROUNDS: u64 = 0;

/// The range of a fresh input's turns.
const FRESH_TURNS: (usize, usize) = (20, 400);

/// What is particular to one file of registers.
pub(crate) trait File: Sync + 'static {
    type Word: Pod + Send;
    const NAME: &'static str;
    const SUMMARY: &'static str;
    const VARIANTS: &'static [Variant];
    const GOLDENS: &'static [Golden];
    /// NumPy's name of the words.
    const TYPE: &'static str;
    /// Shape of the state.
    const SHAPE: &'static [usize];
    /// Operations of a turn.
    const OPERATIONS: u64;
    /// Turns of a golden input.
    const TURNS: usize;

    /// Makes the constants that steps take from memory what they must be.
    fn mend(constants: &mut [Self::Word]);
    /// So many turns of rounds, each of which gives every register every step.
    fn turns(token: Token, state: &mut [Self::Word], constants: &[Self::Word], turns: usize);
}

/// A file of registers as a kernel.
pub(crate) struct Registers<F>(PhantomData<F>);

impl<F> Registers<F> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<F: File> Kernel for Registers<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn summary(&self) -> &'static str {
        F::SUMMARY
    }

    fn variants(&self) -> &'static [Variant] {
        F::VARIANTS
    }

    fn stages(&self) -> &'static [&'static str] {
        STAGES
    }

    fn goldens(&self) -> &'static [Golden] {
        F::GOLDENS
    }

    /// What has fewer or narrower registers leaves the others idle.
    fn best_alone(&self) -> bool {
        true
    }

    fn new_job(&self) -> Box<dyn Job> {
        Box::new(RegistersJob::<F>::default())
    }

    fn show(&self, token: Token, seed: u64, picture: Option<&Picture>) -> Result<Vec<Stage>, NoPicture> {
        if picture.is_some() {
            return Err(NoPicture);
        }
        let mut job = RegistersJob::<F>::default();
        job.generate(Size::Golden, seed);
        job.run(token, &AtomicU64::new(0), None);
        let stage = |name: &str, state: &[F::Word]| Stage {
            name: name.into(),
            element_type: F::TYPE,
            shape: F::SHAPE.to_vec(),
            bytes: bytemuck::cast_slice(state).to_vec(),
        };
        Ok(vec![stage("before", &job.input), stage("after", &job.output)])
    }
}

struct RegistersJob<F: File> {
    turns: usize,
    input: Buffer<F::Word>,
    constants: Buffer<F::Word>,
    output: Buffer<F::Word>,
    reference: Buffer<F::Word>,
}

impl<F: File> Default for RegistersJob<F> {
    fn default() -> Self {
        let (input, constants, output, reference) = Default::default();
        Self { turns: 0, input, constants, output, reference }
    }
}

impl<F: File> Job for RegistersJob<F> {
    fn generate(&mut self, size: Size, seed: u64) {
        let mut rng = Rng::new(seed);
        self.turns = match size {
            Size::Golden => F::TURNS,
            Size::Fresh => rng.within(FRESH_TURNS.0, FRESH_TURNS.1),
        };
        let words = F::SHAPE.iter().product();
        self.input.resize(words);
        self.constants.resize(words);
        self.output.resize(words);
        rng.fill(bytemuck::cast_slice_mut(&mut self.input));
        rng.fill(bytemuck::cast_slice_mut(&mut self.constants));
        F::mend(&mut self.constants);
    }

    fn operations(&self) -> u64 {
        self.turns as u64 * F::OPERATIONS
    }

    fn bytes(&self) -> usize {
        [&self.input, &self.constants, &self.output, &self.reference].map(|words| size_of_val(&**words)).iter().sum()
    }

    fn hand_over(&mut self, see: &mut dyn FnMut(&mut [u8])) {
        see(bytemuck::cast_slice_mut(&mut self.input));
        see(bytemuck::cast_slice_mut(&mut self.constants));
    }

    fn run(&mut self, token: Token, stage: &AtomicU64, fault: Option<Fault>) {
        stage.store(STAGE_ROUNDS, Relaxed);
        self.output.copy_from(&self.input);
        match fault {
            None => F::turns(token, &mut self.output, &self.constants, self.turns),
            Some(fault) => {
                let half = self.turns / 2;
                F::turns(token, &mut self.output, &self.constants, half);
                flip(&mut self.output, fault);
                F::turns(token, &mut self.output, &self.constants, self.turns - half);
            }
        }
    }

    fn input_digest(&self) -> u64 {
        digest(&[self.turns], &[bytemuck::cast_slice(&self.input), bytemuck::cast_slice(&self.constants)])
    }

    fn output_digest(&self) -> u64 {
        digest(&[self.turns], &[bytemuck::cast_slice(&self.output)])
    }

    fn reference_digest(&self) -> u64 {
        digest(&[self.turns], &[bytemuck::cast_slice(&self.reference)])
    }

    fn keep_reference(&mut self) {
        self.reference.copy_from(&self.output);
    }

    fn matches(&self) -> bool {
        same(&self.output, &self.reference)
    }

    fn locate(&self) -> Option<Mismatch> {
        let (first, wrong) = differences(&self.output, &self.reference)?;
        let mut element = vec![0; F::SHAPE.len()];
        let mut rest = first;
        for (coordinate, size) in element.iter_mut().zip(F::SHAPE).rev() {
            *coordinate = (rest % size) as u64;
            rest /= size;
        }
        Some(Mismatch {
            stage: STAGES[STAGE_ROUNDS as usize],
            element,
            expected: bits(&self.reference[first]),
            actual: bits(&self.output[first]),
            bits: 8 * size_of::<F::Word>() as u32,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever bit of the state differs before some turns, the states differ after them.
    fn every_flip_survives<F: File>() {
        let mut job = RegistersJob::<F>::default();
        job.generate(Size::Fresh, 11);
        job.turns = 3;
        let tokens = F::VARIANTS.iter().filter_map(|variant| variant.isa.token());
        for token in tokens {
            job.run(token, &AtomicU64::new(0), None);
            job.keep_reference();
            for element in 0..job.input.len() as u64 {
                for bit in 0..8 * size_of::<F::Word>() as u32 {
                    job.flip_input_bit(Fault { element, bit });
                    job.run(token, &AtomicU64::new(0), None);
                    assert!(!job.matches(), "{}: word {element}, bit {bit}", F::NAME);
                    job.flip_input_bit(Fault { element, bit });
                }
            }
        }
    }

    #[test]
    fn no_flip_vanishes_from_a_vector_register() {
        every_flip_survives::<Vector>();
    }

    #[test]
    fn no_flip_vanishes_from_a_general_register() {
        every_flip_survives::<General>();
    }
}
