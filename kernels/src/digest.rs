//! Digests and comparisons of buffers, and the bits flipped on purpose.

use alloc::vec::Vec;

use bytemuck::Pod;
use xxhash_rust::xxh3::Xxh3;

use crate::kernel::Fault;

/// XXH3 (64 bits) of the dimensions and then of the buffers' bytes. Little-endian machines only, which all of ours are.
pub(crate) fn digest(dimensions: &[usize], buffers: &[&[u8]]) -> u64 {
    let mut hash = Xxh3::new();
    for dimension in dimensions {
        hash.update(&(*dimension as u64).to_le_bytes());
    }
    for buffer in buffers {
        hash.update(buffer);
    }
    hash.digest()
}

/// Makes the buffer exactly so long; keeps its memory.
pub(crate) fn resize<T: Pod>(buffer: &mut Vec<T>, len: usize) {
    buffer.resize(len, T::zeroed());
}

/// Copies `from` into `to`, without taking memory where there is enough.
pub(crate) fn copy<T: Pod>(to: &mut Vec<T>, from: &[T]) {
    resize(to, from.len());
    to.copy_from_slice(from);
}

/// Flips a bit of an element, both modulo what there is.
pub(crate) fn flip<T: Pod>(buffer: &mut [T], fault: Fault) {
    let size = size_of::<T>();
    let len = buffer.len();
    if len == 0 {
        return;
    }
    let bytes: &mut [u8] = bytemuck::cast_slice_mut(buffer);
    let element = (fault.element % len as u64) as usize;
    let bit = fault.bit as usize % (8 * size);
    bytes[element * size + bit / 8] ^= 1 << (bit % 8);
}

/// The bits of an element, zero-extended.
pub(crate) fn bits<T: Pod>(value: &T) -> u64 {
    let mut word = [0; 8];
    let bytes = bytemuck::bytes_of(value);
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

/// Index of the first element that differs, and how many do.
pub(crate) fn differences<T: Pod>(output: &[T], reference: &[T]) -> Option<(usize, u64)> {
    let mut wrong = output.iter().zip(reference).enumerate().filter(|(_, (a, b))| bits(*a) != bits(*b));
    let (first, _) = wrong.next()?;
    Some((first, 1 + wrong.count() as u64))
}
