//! What a lane works on, block after block.

use oddcore_kernels::{Isa, Kernel};

use super::{
    block::FRESH_BATCH,
    protocol::{Assignment, Case, Source, Truth},
    sealed::Sealed,
};
use crate::verdict::Hex;

/// The truth of a golden.
pub fn truth_of(golden: oddcore_kernels::Golden) -> Sealed<Truth> {
    Sealed::new(Truth {
        case: Case { source: Source::Golden, seed: Hex(golden.seed) },
        input: Hex(golden.input),
        output: Hex(golden.output),
    })
}

/// Indexes of the variants that this CPU runs, best first.
pub fn runnable(kernel: &dyn Kernel) -> Vec<usize> {
    (0..kernel.variants().len()).filter(|&n| kernel.variants()[n].isa.token().is_some()).collect()
}

/// Which variant works on what, block after block: mostly the best variant on goldens; every eighth block fresh data with
/// each variant in turn; another eighth goldens with the other vector variants; the user's pictures where there are any.
pub struct Chooser<'a> {
    kernel: &'static dyn Kernel,
    assignment: &'a Assignment,
    runnable: Vec<usize>,
    fresh: Vec<Sealed<Truth>>,
    pictures: Vec<Sealed<Truth>>,
    block: u64,
    offset: u64,
}

impl<'a> Chooser<'a> {
    /// The choices of this lane for this assignment.
    pub fn new(kernel: &'static dyn Kernel, assignment: &'a Assignment, lane: usize) -> Self {
        let sealed = assignment.truths.iter().copied().map(Sealed::new);
        let (fresh, pictures) = sealed.partition(|truth| truth.value().case.source == Source::Fresh);
        let offset = assignment.seed.0.wrapping_add(lane as u64 * 0x9e37_79b9) >> 8;
        Self { kernel, assignment, runnable: runnable(kernel), fresh, pictures, block: 0, offset }
    }

    /// The next block's variant and batch.
    pub fn next(&mut self) -> (usize, Vec<Sealed<Truth>>) {
        let block = self.block;
        self.block += 1;
        let turn = block / 8;
        match block.wrapping_add(self.assignment.seed.0) % 8 {
            3 if !self.fresh.is_empty() => {
                let count = FRESH_BATCH.min(self.fresh.len());
                let first = (turn.wrapping_add(self.offset) as usize * FRESH_BATCH) % self.fresh.len();
                let batch = self.fresh.iter().cycle().skip(first).take(count).copied().collect();
                (self.runnable[turn as usize % self.runnable.len()], batch)
            }
            5 => {
                // Scalar goldens take tens of milliseconds each: the pre-pass and the fresh data see to that variant.
                let vectors = self.runnable.iter().filter(|&&n| self.kernel.variants()[n].isa != Isa::Scalar).count();
                let variant = self.runnable[turn as usize % vectors.max(1)];
                (variant, vec![self.golden(block)])
            }
            1 if !self.pictures.is_empty() => {
                (self.runnable[0], vec![self.pictures[turn as usize % self.pictures.len()]])
            }
            _ => (self.runnable[0], vec![self.golden(block)]),
        }
    }

    /// Truths that memory has changed are used no more, and these sources neither.
    pub fn leave_out(&mut self, sources: &[Source]) {
        self.fresh.retain(Sealed::intact);
        self.pictures.retain(|truth| truth.intact() && !sources.contains(&truth.value().case.source));
    }

    fn golden(&self, block: u64) -> Sealed<Truth> {
        let goldens = self.kernel.goldens();
        truth_of(goldens[(block.wrapping_add(self.offset) % goldens.len() as u64) as usize])
    }
}
