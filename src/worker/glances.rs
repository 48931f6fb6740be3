//! Looks at the clock inside a block, between two calls. A clock that fell under the block's own work (heavy vector code, heat,
//! a limit of power or current) is still low for some 100 µs after a call, and may have risen again by the block's end.

use crate::{machine::clock, platform};

/// How often.
const EVERY_NS: u64 = 15_000_000;
/// The most that are kept of a block.
const KEPT: usize = 8;

/// The looks of one block. Takes no memory, makes no system call.
pub struct Glances {
    due_ns: u64,
    seen: [f64; KEPT],
    count: usize,
}

impl Glances {
    /// None yet; the first is due after a while.
    pub fn new() -> Self {
        Self { due_ns: platform::monotonic_ns() + EVERY_NS, seen: [0.0; KEPT], count: 0 }
    }

    /// Called between calls of a kernel.
    pub fn take_if_due(&mut self) {
        let now = platform::monotonic_ns();
        if now >= self.due_ns && self.count < KEPT {
            self.due_ns = now + EVERY_NS;
            self.add(clock::glance());
        }
    }

    fn add(&mut self, glance: Option<f64>) {
        if let Some(mhz) = glance {
            self.seen[self.count] = mhz;
            self.count += 1;
        }
    }

    /// Those that were undisturbed, MHz.
    pub fn seen(&self) -> &[f64] {
        &self.seen[..self.count]
    }

    /// The lowest clock of a block that had this one at its edges. Without those there is none: what is seen in between
    /// only ever takes away.
    pub fn lowest(&self, edges: Option<f64>) -> Option<f64> {
        edges.map(|edges| self.seen().iter().copied().fold(edges, f64::min))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_fell_inside_a_block_is_its_clock() {
        let mut glances = Glances::new();
        assert_eq!((glances.lowest(Some(6000.0)), glances.lowest(None)), (Some(6000.0), None));
        [Some(5990.0), None, Some(5500.0), Some(6010.0)].into_iter().for_each(|glance| glances.add(glance));
        assert_eq!(glances.seen(), [5990.0, 5500.0, 6010.0]);
        assert_eq!((glances.lowest(Some(6000.0)), glances.lowest(None)), (Some(5500.0), None));
        // The first is due only after a while, and a full list stays as it is.
        let mut full = Glances { due_ns: 0, seen: [1.0; KEPT], count: KEPT };
        full.take_if_due();
        assert_eq!(full.seen(), [1.0; KEPT]);
        let mut early = Glances::new();
        early.due_ns = u64::MAX;
        early.take_if_due();
        assert!(early.seen().is_empty());
    }
}
