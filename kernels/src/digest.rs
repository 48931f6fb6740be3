//! Digests and comparisons of buffers, and the bits flipped on purpose.

use alloc::{vec, vec::Vec};

use bytemuck::Pod;
use xxhash_rust::xxh3::Xxh3;

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
use crate::isa::{Isa, Token};
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

/// Makes the buffer exactly so long; keeps its memory, and with it what was there, if that is enough. New memory is taken as zeros, which
/// large pieces from the OS are: nobody would see what goes wrong where memory is cleared that is written before it is read.
pub(crate) fn resize<T: Pod>(buffer: &mut Vec<T>, len: usize) {
    if buffer.capacity() < len {
        // Before new memory is taken.
        *buffer = Vec::new();
        *buffer = vec![T::zeroed(); len];
    } else {
        buffer.resize(len, T::zeroed());
    }
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

/// Whether two buffers are the same in every bit. The C library's comparison looks once more at what it saw to differ, and so
/// forgets what only differed in a register; this one does not.
pub(crate) fn same<T: Pod>(output: &[T], reference: &[T]) -> bool {
    let (a, b): (&[u8], &[u8]) = (bytemuck::cast_slice(output), bytemuck::cast_slice(reference));
    #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
    if let Some(Token::Avx2Fma(_)) = Isa::Avx2Fma.token() {
        // SAFETY: the token proves that this CPU and OS have the instruction set.
        return unsafe { same_avx2(a, b) };
    }
    nothing_differs(a, b)
}

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
#[target_feature(enable = "avx2")]
fn same_avx2(a: &[u8], b: &[u8]) -> bool {
    nothing_differs(a, b)
}

/// Every bit that differs anywhere is kept until the end.
#[inline(always)]
fn nothing_differs(a: &[u8], b: &[u8]) -> bool {
    let ((lines_a, rest_a), (lines_b, rest_b)) = (a.as_chunks::<64>(), b.as_chunks::<64>());
    let mut differing = [0u8; 64];
    for (a, b) in lines_a.iter().zip(lines_b) {
        for (kept, (a, b)) in differing.iter_mut().zip(a.iter().zip(b)) {
            *kept |= a ^ b;
        }
    }
    for (kept, (a, b)) in differing.iter_mut().zip(rest_a.iter().zip(rest_b)) {
        *kept |= a ^ b;
    }
    a.len() == b.len() && differing.iter().fold(0, |all, kept| all | kept) == 0
}

/// Index of the first element that differs, and how many do.
pub(crate) fn differences<T: Pod>(output: &[T], reference: &[T]) -> Option<(usize, u64)> {
    let mut wrong = output.iter().zip(reference).enumerate().filter(|(_, (a, b))| bits(*a) != bits(*b));
    let (first, _) = wrong.next()?;
    Some((first, 1 + wrong.count() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_counts_wherever_it_is() {
        for len in [0usize, 1, 7, 63, 64, 65, 127, 128, 200] {
            let reference: Vec<u8> = (0..len).map(|n| n as u8).collect();
            assert!(same(&reference, &reference) && nothing_differs(&reference, &reference));
            for bit in 0..8 * len {
                let mut output = reference.clone();
                output[bit / 8] ^= 1 << (bit % 8);
                assert!(!same(&output, &reference) && !nothing_differs(&output, &reference), "{len} {bit}");
            }
            assert!(!same(&reference, &[&reference[..], &[0]].concat()));
        }
    }
}
