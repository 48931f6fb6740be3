//! Looks at the clock inside a block, between two calls. A clock that fell under the block's own work (heavy vector code, heat,
//! a limit of power or current) is still low for some 100 µs after a call, and may have risen again by the block's end. In blocks
//! of vector work the look itself keeps the vector units busy.

use oddcore_kernels::Token;

use super::account::Times;
use crate::{journal::record::Inside, machine::clock};

/// How often, in CPU time of the work.
const EVERY_NS: u64 = 15_000_000;
/// The most that are kept of a block.
const KEPT: usize = 8;
/// A clock inside a block that is lower than this part of the one at its edges fell; looks differ by less.
const FELL: f64 = 0.97;

/// The looks of one block. Takes no memory; of system calls only the readings of the thread's CPU clock around a look.
pub struct Glances {
    token: Token,
    due_ns: u64,
    seen: [f64; KEPT],
    count: usize,
}

impl Glances {
    /// None yet of a block of work of that instruction set; the first is due after a while.
    pub fn of(token: Token) -> Self {
        Self { token, due_ns: EVERY_NS, seen: [0.0; KEPT], count: 0 }
    }

    /// Called between calls of a kernel.
    pub fn take_if_due(&mut self, times: &mut Times) {
        let worked_ns = times.kernel_ns + times.check_ns;
        if worked_ns >= self.due_ns && self.count < KEPT {
            self.due_ns = worked_ns + EVERY_NS;
            let token = self.token;
            self.add(times.clock(|| clock::glance_under(token)));
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

    /// How the clock inside the block compares with the one at its edges; `None` where either was not seen.
    pub fn beside(&self, edges: Option<f64>) -> Option<Inside> {
        let (edges, lowest) = (edges?, self.seen().iter().copied().reduce(f64::min)?);
        let fell = lowest < FELL * edges;
        let of_fallen = |mhz: f64| if fell { mhz.round() as u64 } else { 0 };
        Some(Inside { blocks: 1, fell: u64::from(fell), edges_mhz: of_fallen(edges), inside_mhz: of_fallen(lowest) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_fell_clearly_is_told() {
        let mut glances = Glances::of(Token::Scalar);
        assert_eq!((glances.beside(Some(6000.0)), glances.beside(None)), (None, None), "no look");
        [5990.0, 5850.0].into_iter().for_each(|mhz| glances.add(Some(mhz)));
        let level = Inside { blocks: 1, ..Inside::default() };
        assert_eq!((glances.beside(Some(6000.0)), glances.beside(None)), (Some(level), None));
        glances.add(Some(5400.4));
        let fell = Inside { blocks: 1, fell: 1, edges_mhz: 6000, inside_mhz: 5400 };
        assert_eq!(glances.beside(Some(6000.0)), Some(fell));
    }

    #[test]
    fn a_clock_that_fell_inside_a_block_is_its_clock() {
        let mut glances = Glances::of(Token::Scalar);
        assert_eq!((glances.lowest(Some(6000.0)), glances.lowest(None)), (Some(6000.0), None));
        [Some(5990.0), None, Some(5500.0), Some(6010.0)].into_iter().for_each(|glance| glances.add(glance));
        assert_eq!(glances.seen(), [5990.0, 5500.0, 6010.0]);
        assert_eq!((glances.lowest(Some(6000.0)), glances.lowest(None)), (Some(5500.0), None));
        // The first is due only after a while, and a full list stays as it is.
        let mut full = Glances { token: Token::Scalar, due_ns: 0, seen: [1.0; KEPT], count: KEPT };
        full.take_if_due(&mut Times::default());
        assert_eq!(full.seen(), [1.0; KEPT]);
        let mut early = Glances::of(Token::Scalar);
        let mut times = Times { kernel_ns: EVERY_NS - 2, check_ns: 1, ..Times::default() };
        early.take_if_due(&mut times);
        assert!(early.seen().is_empty() && times.clock_ns == 0);
    }
}
