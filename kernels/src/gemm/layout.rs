//! Where the rows of A are: in a matrix, or gathered from what a matrix is never made of.

use alloc::{vec, vec::Vec};
use core::{iter, ops::Range};

use bytemuck::Pod;

/// Dimensions of a product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
}

/// How A lies in memory.
pub(crate) trait Layout: Copy + Default + Send + Sync + 'static {
    /// Of the product.
    fn shape(self) -> Shape;
    /// What the digests begin with.
    fn dimensions(self) -> impl AsRef<[usize]>;
    /// The shapes that A, B and C are shown in.
    fn shown(self) -> [Vec<usize>; 3];
    /// The runs of neighbours in memory that those k of a row are, in order; each begins at a whole word of B if `ks` does.
    fn runs<A>(self, a: &[A], row: usize, ks: Range<usize>) -> impl Iterator<Item = &[A]>;
    /// Sets to zero what A holds around its numbers.
    fn clear<A: Pod>(self, a: &mut [A]) {
        let _ = a;
    }
    /// Elements of A.
    fn len(self) -> usize {
        self.shown()[0].iter().product()
    }
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

    #[inline(always)]
    fn runs<A>(self, a: &[A], row: usize, ks: Range<usize>) -> impl Iterator<Item = &[A]> {
        iter::once(&a[row * self.k..][ks])
    }
}

/// A with its layout.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, A, L> {
    pub(super) a: &'a [A],
    pub(super) layout: L,
}

impl<'a, A: Copy, L: Layout> Rows<'a, A, L> {
    /// See [`Layout::runs`].
    #[inline(always)]
    pub(super) fn runs(self, row: usize, ks: Range<usize>) -> impl Iterator<Item = &'a [A]> {
        self.layout.runs(self.a, row, ks)
    }

    /// An element.
    pub(super) fn at(self, row: usize, k: usize) -> A {
        self.runs(row, k..k + 1).next().expect("a k of the row")[0]
    }
}
