//! What the scalar references share: where B keeps its words, and the loops.

use alloc::vec::Vec;
use core::ops::Range;

use bytemuck::Zeroable;

use super::{Layout, Product, Rows, Shape};
use crate::rng::Rng;

/// Where the word of that k and column is.
pub(super) fn word_at<P: Product>(shape: Shape, k: usize, n: usize) -> usize {
    let steps = shape.k.div_ceil(P::GROUP);
    (n / P::PANEL * steps + k / P::GROUP) * P::PANEL + n % P::PANEL
}

/// Passes by each row of A with the sums of a panel's columns, and by each word of these k with the panel's row of words, in
/// ascending order: `step(a, b, c)` adds the products of one word.
pub(super) fn outer<P: Product, L: Layout>(
    a: Rows<'_, P::A, L>,
    b: &[P::B],
    c: &mut [P::C],
    ks: Range<usize>,
    step: impl Fn(&[P::A], &[P::B], &mut [P::C]),
) {
    let shape = a.layout.shape();
    let panels = b.chunks_exact(shape.k.div_ceil(P::GROUP) * P::PANEL);
    for (panel, from) in panels.zip((0..shape.n).step_by(P::PANEL)) {
        let columns = from..(from + P::PANEL).min(shape.n);
        for (row, c) in c.chunks_exact_mut(shape.n).enumerate() {
            let mut words = panel[ks.start / P::GROUP * P::PANEL..].chunks_exact(P::PANEL);
            for run in a.runs(row, ks.clone()) {
                for (a, words) in run.chunks(P::GROUP).zip(&mut words) {
                    step(a, words, &mut c[columns.clone()]);
                }
            }
        }
    }
}

/// Sets to zero what B holds outside of the matrix; `clear(word, used)` does so within a word from that k on.
pub(super) fn clear_padding<P: Product>(shape: Shape, b: &mut [P::B], clear: impl Fn(&mut P::B, usize)) {
    let steps = shape.k.div_ceil(P::GROUP);
    let used = shape.k % P::GROUP;
    for (panel, from) in b.chunks_exact_mut(steps * P::PANEL).zip((0..).step_by(P::PANEL)) {
        let inside = shape.n.saturating_sub(from).min(P::PANEL);
        if inside < P::PANEL {
            panel.chunks_exact_mut(P::PANEL).for_each(|row| row[inside..].fill(P::B::zeroed()));
        }
        if used != 0 {
            panel[(steps - 1) * P::PANEL..].iter_mut().for_each(|word| clear(word, used));
        }
    }
}

/// B as a row-major matrix; `element(word, k)` is one of a word's.
pub(super) fn row_major<P: Product, T>(shape: Shape, b: &[P::B], element: impl Fn(P::B, usize) -> T) -> Vec<T> {
    let places = (0..shape.k).flat_map(|k| (0..shape.n).map(move |n| (k, n)));
    places.map(|(k, n)| element(b[word_at::<P>(shape, k, n)], k % P::GROUP)).collect()
}

/// See [`crate::Job::freivalds`]; `a` and `b` give elements by row and column.
pub(super) fn freivalds(
    shape: Shape,
    a: impl Fn(usize, usize) -> i32,
    b: impl Fn(usize, usize) -> i32,
    c: &[i32],
    rng: &mut Rng,
) -> bool {
    // Odd, so that no single wrong element can vanish modulo 2^32.
    let r: Vec<u32> = (0..shape.n).map(|_| rng.next() as u32 | 1).collect();
    let dot = |sum: u32, (x, y): (i32, &u32)| sum.wrapping_add((x as u32).wrapping_mul(*y));
    let b_r: Vec<u32> = (0..shape.k).map(|k| (0..shape.n).map(|n| b(k, n)).zip(&r).fold(0, dot)).collect();
    c.chunks_exact(shape.n).enumerate().all(|(m, c)| {
        let left = c.iter().copied().zip(&r).fold(0, dot);
        let right = (0..shape.k).map(|k| a(m, k)).zip(&b_r).fold(0, dot);
        left == right
    })
}
