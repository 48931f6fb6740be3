//! What a lane works on, block after block.

use std::collections::HashMap;

use oddcore_kernels::{Isa, Kernel};

use super::{
    block::FRESH_BATCH,
    protocol::{Assignment, Case, Source, Truth},
    sealed::Sealed,
};
use crate::{
    plan::{Ceiling, Footprint},
    verdict::Hex,
};

/// The largest batch: of tiny jobs no number fills a cache.
const BATCH_MAX: usize = 256;

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

/// How many bytes a job of a kernel has, as far as it was seen: of a golden, and of a fresh input on average.
#[derive(Default)]
pub struct Sizes(HashMap<(&'static str, Source), u64>);

impl Sizes {
    /// A batch of so many inputs from there had so many bytes.
    pub fn saw(&mut self, kernel: &'static str, source: Source, count: usize, bytes: u64) {
        self.0.insert((kernel, source), bytes / count.max(1) as u64);
    }

    fn of(&self, kernel: &'static str, source: Source) -> Option<u64> {
        self.0.get(&(kernel, source)).copied()
    }
}

/// Of fresh data, so many blocks of each vector variant come to one of the scalar one, which leaves most of a core idle.
const VECTORS_TO_SCALAR: usize = 4;

/// Which variant works on what, block after block: mostly the best variant on goldens; every eighth block fresh data with
/// each variant in turn, the scalar one more seldom; another eighth goldens with the other vector variants; the user's pictures
/// where there are any.
///
/// Where a step is about a footprint, or its pieces of work are short, that decides what the batch is: small fresh inputs for
/// the first two levels of cache, goldens for more.
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
        let mut runnable = runnable(kernel);
        if let Some(ceiling) = assignment.ceiling {
            runnable.retain(|&n| ceiling.allows(kernel.variants()[n].isa.name()));
        }
        if kernel.best_alone() {
            runnable.truncate(1);
        }
        Self { kernel, assignment, runnable, fresh, pictures, block: 0, offset }
    }

    /// The next block's variant and batch; `short` asks for one small input, as does scalar work.
    pub fn next(&mut self, short: bool, sizes: &Sizes) -> (usize, Vec<Sealed<Truth>>) {
        let short = short || self.assignment.ceiling == Some(Ceiling::Scalar);
        let block = self.block;
        self.block += 1;
        let turn = block / 8;
        let place = block.wrapping_add(self.assignment.seed.0) % 8;
        // Scalar goldens take tens of milliseconds each: the pre-pass and the fresh data see to that variant.
        let vectors = self.runnable.iter().filter(|&&n| self.kernel.variants()[n].isa != Isa::Scalar).count();
        let other = self.runnable[turn as usize % vectors.max(1)];
        if short && !self.fresh.is_empty() {
            let variant = if place == 5 { other } else { self.runnable[0] };
            return (variant, self.fresh(block, 1));
        }
        if let Some(footprint) = self.assignment.footprint {
            let variant = if place == 5 { other } else { self.runnable[0] };
            return (variant, self.filling(footprint, block, sizes));
        }
        match place {
            3 if !self.fresh.is_empty() => {
                // The scalar variant is the last.
                let (turns, scalars) = (VECTORS_TO_SCALAR * vectors, self.runnable.len() - vectors);
                let nth = turn as usize % (turns + scalars);
                let variant = self.runnable[if nth < turns { nth % vectors } else { vectors + nth - turns }];
                (variant, self.fresh(turn * FRESH_BATCH as u64, FRESH_BATCH))
            }
            5 => (other, self.goldens(block, 1)),
            1 if !self.pictures.is_empty() => {
                (self.runnable[0], vec![self.pictures[turn as usize % self.pictures.len()]])
            }
            _ => (self.runnable[0], self.goldens(block, 1)),
        }
    }

    /// As many inputs as fill that footprint; one of a size that is not known yet.
    fn filling(&self, footprint: Footprint, block: u64, sizes: &Sizes) -> Vec<Sealed<Truth>> {
        let target = self.assignment.shares.target(footprint);
        let small = matches!(footprint, Footprint::L1 | Footprint::L2) && !self.fresh.is_empty();
        let source = if small { Source::Fresh } else { Source::Golden };
        let fit = |bytes: u64| match footprint {
            // More than the cache, rather than not quite.
            Footprint::Memory => target.div_ceil(bytes.max(1)),
            _ => target / bytes.max(1),
        };
        let count = sizes.of(self.kernel.name(), source).map_or(1, fit).clamp(1, BATCH_MAX as u64) as usize;
        if small { self.fresh(block, count.min(self.fresh.len())) } else { self.goldens(block * count as u64, count) }
    }

    /// Truths that memory has changed are used no more, and these sources neither.
    pub fn leave_out(&mut self, sources: &[Source]) {
        self.fresh.retain(Sealed::intact);
        self.pictures.retain(|truth| truth.intact() && !sources.contains(&truth.value().case.source));
    }

    fn fresh(&self, first: u64, count: usize) -> Vec<Sealed<Truth>> {
        let first = first.wrapping_add(self.offset.wrapping_mul(FRESH_BATCH as u64)) % self.fresh.len() as u64;
        self.fresh.iter().cycle().skip(first as usize).take(count.min(self.fresh.len())).copied().collect()
    }

    fn goldens(&self, first: u64, count: usize) -> Vec<Sealed<Truth>> {
        let goldens = self.kernel.goldens();
        let first = (first.wrapping_add(self.offset) % goldens.len() as u64) as usize;
        goldens.iter().cycle().skip(first).take(count).copied().map(truth_of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Role, Shares};

    fn assignment(footprint: Option<Footprint>) -> Assignment {
        let truth =
            |seed| Truth { case: Case { source: Source::Fresh, seed: Hex(seed) }, input: Hex(1), output: Hex(2) };
        Assignment {
            step: 1,
            load: "solo".into(),
            role: Role::Tested,
            busy: vec![],
            shares: Shares { l1: 32 << 10, l2: 1 << 20, l3: 32 << 20, memory: 1 << 30 },
            footprint,
            ceiling: None,
            kernel: "gemm-f32".into(),
            lanes: 1,
            seed: Hex(7),
            deadline_ns: 0,
            truths: (0..64).map(truth).collect(),
        }
    }

    #[test]
    fn a_batch_fills_its_footprint() {
        let kernel = oddcore_kernels::find("gemm-f32").expect("in the list");
        let mut sizes = Sizes::default();
        let batch = |footprint, sizes: &Sizes| {
            let assignment = assignment(Some(footprint));
            let batch = Chooser::new(kernel, &assignment, 0).next(false, sizes).1;
            (batch[0].value().case.source, batch.len())
        };
        for footprint in Footprint::ALL {
            assert_eq!(batch(footprint, &sizes).1, 1, "nothing is known yet");
        }
        sizes.saw("gemm-f32", Source::Golden, 2, 8 << 20);
        sizes.saw("gemm-f32", Source::Fresh, 16, 16 << 16);
        assert_eq!(batch(Footprint::L1, &sizes), (Source::Fresh, 1));
        assert_eq!(batch(Footprint::L2, &sizes), (Source::Fresh, 12));
        assert_eq!(batch(Footprint::L3, &sizes), (Source::Golden, 6));
        assert_eq!(batch(Footprint::Memory, &sizes), (Source::Golden, 32));
        sizes.saw("gemm-f32", Source::Golden, 1, 100);
        assert_eq!(batch(Footprint::Memory, &sizes), (Source::Golden, BATCH_MAX));
    }

    #[test]
    fn fresh_data_goes_to_every_variant_and_seldom_to_the_scalar_one() {
        let kernel = oddcore_kernels::find("gemm-f32").expect("in the list");
        let assignment = assignment(None);
        let mut chooser = Chooser::new(kernel, &assignment, 0);
        let runnable = runnable(kernel);
        let (scalar, vectors) = runnable.split_last().expect("a scalar variant");
        assert_eq!(kernel.variants()[*scalar].isa, Isa::Scalar);
        let mut blocks = vec![0; kernel.variants().len()];
        for _ in 0..8 * 2 * (VECTORS_TO_SCALAR * vectors.len() + 1) {
            let (variant, batch) = chooser.next(false, &Sizes::default());
            blocks[variant] += usize::from(batch[0].value().case.source == Source::Fresh);
        }
        assert_eq!(blocks[*scalar], 2);
        assert!(vectors.iter().all(|vector| blocks[*vector] == 2 * VECTORS_TO_SCALAR));
    }

    #[test]
    fn registers_that_a_lesser_variant_has_not_are_never_idle() {
        let kernel = oddcore_kernels::find("registers-vector").expect("in the list");
        let assignment = Assignment { kernel: kernel.name().into(), ..assignment(None) };
        let mut chooser = Chooser::new(kernel, &assignment, 0);
        let best = runnable(kernel)[0];
        assert!((0..64).all(|_| chooser.next(false, &Sizes::default()).0 == best));
    }

    #[test]
    fn no_work_is_wider_than_its_ceiling() {
        for kernel in oddcore_kernels::all() {
            for ceiling in [Ceiling::Scalar, Ceiling::Sse, Ceiling::Avx2] {
                let assignment = Assignment { ceiling: Some(ceiling), ..assignment(None) };
                let mut chooser = Chooser::new(*kernel, &assignment, 0);
                for _ in 0..64 {
                    let variant = kernel.variants()[chooser.next(false, &Sizes::default()).0];
                    assert!(ceiling.allows(variant.isa.name()), "{} {variant:?}", kernel.name());
                }
            }
        }
    }

    #[test]
    fn short_work_is_one_small_input() {
        let kernel = oddcore_kernels::find("gemm-f32").expect("in the list");
        let assignment = assignment(None);
        let mut chooser = Chooser::new(kernel, &assignment, 0);
        for _ in 0..16 {
            let batch = chooser.next(true, &Sizes::default()).1;
            assert_eq!((batch.len(), batch[0].value().case.source), (1, Source::Fresh));
        }
        let mut sources: Vec<Source> =
            (0..8).map(|_| chooser.next(false, &Sizes::default()).1[0].value().case.source).collect();
        sources.sort();
        sources.dedup();
        assert_eq!(sources, [Source::Golden, Source::Fresh]);
    }
}
