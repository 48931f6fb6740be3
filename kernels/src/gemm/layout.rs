//! Where the rows of A are: in a matrix, or in what a matrix is never made of.

use alloc::{vec, vec::Vec};
use core::ops::Range;

/// Dimensions of a product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
}

/// How A lies in memory: in lines, which its rows are or run through.
pub(crate) trait Layout: Copy + Default + Send + Sync + 'static {
    /// Of the product.
    fn shape(self) -> Shape;
    /// What the digests begin with.
    fn dimensions(self) -> impl AsRef<[usize]>;
    /// The shapes that A, B and C are shown in.
    fn shown(self) -> [Vec<usize>; 3];
    /// How many lines there are, and how long they are.
    fn lines(self) -> (usize, usize);
    /// Rows, one after another, that are equally far apart in memory.
    #[cfg_attr(
        not(all(target_arch = "x86_64", not(feature = "scalar-only"))),
        expect(dead_code, reason = "only tiles have several rows")
    )]
    fn band(self) -> usize;
    /// Consecutive k that are neighbours in memory: all of them, or a whole number of words of B.
    fn run(self) -> usize;
    /// Where a run of a row begins, counted in words of `group` elements, when it is so many words from a line to the next.
    fn at(self, row: usize, run: usize, line: usize, group: usize) -> usize;
    /// The place in C as it is shown.
    fn element(self, mut at: usize) -> Vec<u64> {
        let [_, _, c] = self.shown();
        let mut place = vec![0; c.len()];
        for (index, dimension) in place.iter_mut().zip(c).rev() {
            (*index, at) = ((at % dimension) as u64, at / dimension);
        }
        place
    }
}

/// A as a row-major matrix.
impl Layout for Shape {
    fn shape(self) -> Shape {
        self
    }

    fn dimensions(self) -> impl AsRef<[usize]> {
        [self.m, self.n, self.k]
    }

    fn shown(self) -> [Vec<usize>; 3] {
        let Self { m, n, k } = self;
        [vec![m, k], vec![k, n], vec![m, n]]
    }

    fn lines(self) -> (usize, usize) {
        (self.m, self.k)
    }

    fn band(self) -> usize {
        self.m
    }

    fn run(self) -> usize {
        self.k
    }

    fn at(self, row: usize, _: usize, line: usize, _: usize) -> usize {
        row * line
    }
}

/// A with its layout.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, A, L> {
    pub(super) a: &'a [A],
    pub(super) layout: L,
}

impl<'a, A: Copy, L: Layout> Rows<'a, A, L> {
    /// The runs of neighbours in memory that those k of a row are, in order; each begins at a whole word of B if `ks` does.
    #[inline(always)]
    pub(super) fn runs(self, row: usize, ks: Range<usize>) -> impl Iterator<Item = &'a [A]> {
        let (run, (_, line)) = (self.layout.run(), self.layout.lines());
        (ks.start / run..ks.end.div_ceil(run)).map(move |number| {
            let first = number * run;
            let here = ks.start.max(first) - first..ks.end.min(first + run) - first;
            &self.a[self.layout.at(row, number, line, 1)..][here]
        })
    }

    /// An element.
    pub(super) fn at(self, row: usize, k: usize) -> A {
        self.runs(row, k..k + 1).next().expect("a k of the row")[0]
    }
}
