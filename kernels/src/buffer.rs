//! Memory that begins at a cache line, so that no vector straddles two.

use alloc::vec::Vec;
use core::{
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

use bytemuck::{Pod, Zeroable};

/// A cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

// SAFETY: an array of bytes without padding; every pattern is valid, zero too.
unsafe impl Zeroable for Line {}
// SAFETY: as above.
unsafe impl Pod for Line {}

/// Untyped memory, for whoever needs it next.
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
#[derive(Default)]
pub(crate) struct Scratch(Vec<Line>);

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
impl Scratch {
    /// So many elements, whose values are what the last user left.
    pub(crate) fn room_for<T: Pod>(&mut self, len: usize) -> &mut [T] {
        self.0.resize((len * size_of::<T>()).div_ceil(size_of::<Line>()), Line::zeroed());
        &mut bytemuck::cast_slice_mut(&mut self.0)[..len]
    }
}

/// Elements of one type; it derefs to their slice.
pub(crate) struct Buffer<T> {
    lines: Vec<Line>,
    len: usize,
    element: PhantomData<T>,
}

impl<T> Default for Buffer<T> {
    fn default() -> Self {
        Self { lines: Vec::new(), len: 0, element: PhantomData }
    }
}

impl<T: Pod> Buffer<T> {
    /// Makes the buffer exactly so long; keeps its memory, and takes no more than it needs.
    pub(crate) fn resize(&mut self, len: usize) {
        self.make_room(len);
        self.lines.resize((len * size_of::<T>()).div_ceil(size_of::<Line>()), Line::zeroed());
        self.len = len;
    }

    /// Takes the memory for so many elements.
    pub(crate) fn make_room(&mut self, len: usize) {
        let lines = (len * size_of::<T>()).div_ceil(size_of::<Line>());
        self.lines.reserve_exact(lines.saturating_sub(self.lines.len()));
    }

    /// Becomes a copy, without taking memory where there is enough.
    pub(crate) fn copy_from(&mut self, from: &[T]) {
        self.resize(from.len());
        self.copy_from_slice(from);
    }
}

impl<T: Pod> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl<T: Pod> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}
