//! A lane's slot: words in memory that the supervisor owns and the lane writes, so that they outlive the worker. They say
//! what the lane is doing (for the watchdog) and, written by the crash handler, how it died.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use oddcore_kernels::Kernel;

use super::protocol::{Case, Source};
use crate::{platform::crash, verdict::Hex};

/// Words of one slot.
pub const SLOT_WORDS: usize = 64;
const CRASH_AT: usize = SLOT_WORDS - crash::CRASH_WORDS;

const PROGRESS: usize = 0;
const KERNEL: usize = 1;
const VARIANT: usize = 2;
const SEED: usize = 3;
const ITERATION: usize = 4;
const STAGE: usize = 5;
const SOURCE: usize = 6;
const WAKE_AT: usize = 7;
const STRUCK: usize = 8;

/// What [`Slot::stage`] holds outside of a kernel's own stages.
pub const STAGE_GENERATE: u64 = u64::MAX;
/// See [`STAGE_GENERATE`].
pub const STAGE_CHECK: u64 = u64::MAX - 1;

/// One lane's words.
#[derive(Clone, Copy)]
pub struct Slot<'a>(&'a [AtomicU64]);

/// What a lane was doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doing {
    /// The kernel.
    pub kernel: &'static str,
    /// The variant.
    pub variant: &'static str,
    /// The input.
    pub case: Case,
    /// Iterations done before.
    pub iteration: u64,
    /// The stage.
    pub stage: &'static str,
}

impl<'a> Slot<'a> {
    /// The slot number `lane` of `words`.
    pub fn of(words: &'a [AtomicU64], lane: usize) -> Self {
        Self(&words[lane * SLOT_WORDS..(lane + 1) * SLOT_WORDS])
    }

    /// Clears all of it.
    pub fn clear(self) {
        for word in self.0 {
            word.store(0, Relaxed);
        }
    }

    /// Where the crash handler writes.
    pub fn crash(self) -> &'a [AtomicU64] {
        &self.0[CRASH_AT..]
    }

    /// Where a kernel notes its stage.
    pub fn stage(self) -> &'a AtomicU64 {
        &self.0[STAGE]
    }

    /// In the main thread's slot: set once the fault of a drill has struck, so that the supervisor knows it when it starts
    /// the worker again.
    pub fn struck(self) -> &'a AtomicU64 {
        &self.0[STRUCK]
    }

    /// Says what is being worked on from now.
    pub fn enter(self, kernel: usize, variant: usize, case: Case) {
        self.0[VARIANT].store(variant as u64, Relaxed);
        self.0[SEED].store(case.seed.0, Relaxed);
        self.0[SOURCE].store(case.source.word(), Relaxed);
        self.0[STAGE].store(STAGE_GENERATE, Relaxed);
        self.0[KERNEL].store(kernel as u64 + 1, Release);
        self.step();
    }

    /// Nothing is being worked on from now.
    pub fn leave(self) {
        self.0[KERNEL].store(0, Release);
        self.step();
    }

    /// A call begins or ends: the sign of life that the watchdog looks for.
    pub fn step(self) {
        self.0[PROGRESS].fetch_add(1, Relaxed);
    }

    /// How many iterations this lane has done.
    pub fn set_iteration(self, iteration: u64) {
        self.0[ITERATION].store(iteration, Relaxed);
    }

    /// The lane will sleep until then (monotonic, ns); 0 once awake.
    pub fn set_wake_at(self, at_ns: u64) {
        self.0[WAKE_AT].store(at_ns, Relaxed);
    }

    /// The count of signs of life.
    pub fn progress(self) -> u64 {
        self.0[PROGRESS].load(Relaxed)
    }

    /// Whether something is being worked on.
    pub fn busy(self) -> bool {
        self.0[KERNEL].load(Acquire) != 0
    }

    /// When the lane means to wake, if it sleeps on purpose.
    pub fn wake_at(self) -> Option<u64> {
        Some(self.0[WAKE_AT].load(Relaxed)).filter(|&at| at != 0)
    }

    /// What is being worked on; `None` for nothing or for words that make no sense.
    pub fn doing(self) -> Option<Doing> {
        let kernel: &dyn Kernel =
            *oddcore_kernels::all().get(usize::try_from(self.0[KERNEL].load(Acquire)).ok()?.checked_sub(1)?)?;
        let variant = kernel.variants().get(usize::try_from(self.0[VARIANT].load(Relaxed)).ok()?)?;
        let source = Source::from_word(self.0[SOURCE].load(Relaxed))?;
        let stage = match self.0[STAGE].load(Relaxed) {
            STAGE_GENERATE => "generate",
            STAGE_CHECK => "check",
            index => kernel.stages().get(usize::try_from(index).ok()?).copied().unwrap_or("unknown"),
        };
        Some(Doing {
            kernel: kernel.name(),
            variant: variant.name,
            case: Case { source, seed: Hex(self.0[SEED].load(Relaxed)) },
            iteration: self.0[ITERATION].load(Relaxed),
            stage,
        })
    }
}
