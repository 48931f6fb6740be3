//! Memory that begins at a cache line, so that no vector straddles two.

use alloc::{vec, vec::Vec};
use core::{
    marker::PhantomData,
    ops::{Deref, DerefMut, Range},
};

use bytemuck::Pod;

/// Words of a cache line.
const LINE: usize = 8;

/// Untyped memory, for whoever needs it next.
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
#[derive(Default)]
pub(crate) struct Scratch(Buffer<u8>);

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
impl Scratch {
    /// So many elements, whose values are what the last user left.
    pub(crate) fn room_for<T: Pod>(&mut self, len: usize) -> &mut [T] {
        self.0.resize(len * size_of::<T>());
        bytemuck::cast_slice_mut(&mut self.0)
    }
}

/// Bytes from which on zeros come from the OS, unwritten, unless the allocator has as many free.
const FRESH: usize = 128 << 10;

/// New words, all zero. Fewer than come from the OS are stored one by one: an allocator clears them by a call, and where its pointer
/// ended nobody would see.
fn zeros(words: usize) -> Vec<u64> {
    if words * size_of::<u64>() >= FRESH {
        return vec![0; words];
    }
    let mut zeros = Vec::with_capacity(words);
    // A value that the compiler does not know.
    zeros.resize(words, core::hint::black_box(0));
    zeros
}

/// Elements of one type; it derefs to their slice.
pub(crate) struct Buffer<T> {
    words: Vec<u64>,
    /// Words before the first line.
    first: usize,
    /// Lines before the first element.
    before: usize,
    len: usize,
    element: PhantomData<T>,
}

impl<T> Default for Buffer<T> {
    fn default() -> Self {
        Self { words: Vec::new(), first: 0, before: 0, len: 0, element: PhantomData }
    }
}

impl<T: Pod> Buffer<T> {
    /// Makes the buffer exactly so long; keeps its memory, and takes no more than it needs. The elements are zero, or what the last
    /// user left.
    pub(crate) fn resize(&mut self, len: usize) {
        self.take_lines(self.before + Self::lines(len));
        self.len = len;
    }

    /// The same for an output that is written once more: its elements now lie a line further than last time, or as much
    /// before. What an earlier run left there belongs elsewhere, so that a store that never happened, or went astray, shows.
    pub(crate) fn renew(&mut self, len: usize) {
        self.make_room(len);
        self.before ^= 1;
        self.len = len;
    }

    /// Takes the memory for so many elements, wherever they will lie.
    pub(crate) fn make_room(&mut self, len: usize) {
        self.take_lines(1 + Self::lines(len));
    }

    fn lines(len: usize) -> usize {
        (len * size_of::<T>()).div_ceil(LINE * size_of::<u64>())
    }

    /// Lines that are there are never cleared or moved: nobody would see what goes wrong where memory is written that nobody reads.
    fn take_lines(&mut self, lines: usize) {
        if self.words.len() < (lines + 1) * LINE {
            // Before new ones are taken.
            self.words = Vec::new();
            self.words = zeros((lines + 1) * LINE);
            self.first = self.words.as_ptr().align_offset(LINE * size_of::<u64>());
        }
    }

    /// Where the elements are.
    fn place(&self) -> Range<usize> {
        let begin = (self.first + self.before * LINE) * size_of::<u64>();
        begin..begin + self.len * size_of::<T>()
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
        bytemuck::cast_slice(&bytemuck::cast_slice::<_, u8>(&self.words)[self.place()])
    }
}

impl<T: Pod> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        let place = self.place();
        bytemuck::cast_slice_mut(&mut bytemuck::cast_slice_mut::<_, u8>(&mut self.words)[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_written_anew_is_not_what_was_there() {
        let mut buffer = Buffer::<u32>::default();
        for len in [100, 7, 300, 300, 16, 1, 0, 300] {
            buffer.renew(len);
            assert_eq!((buffer.len(), buffer.as_ptr() as usize % 64), (len, 0));
            buffer.iter_mut().zip(1..).for_each(|(to, n)| *to = n);
            buffer.renew(len);
            assert!(buffer.iter().zip(1..).all(|(kept, n)| *kept != n), "{len}");
            buffer.resize(len + 40);
            assert_eq!((buffer.len(), buffer.as_ptr() as usize % 64), (len + 40, 0));
        }
    }
}
