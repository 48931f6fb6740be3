//! What one stage gives.

use alloc::vec::Vec;

use bytemuck::Pod;

use crate::{
    buffer::Buffer,
    digest::{bits, differences, flip},
    isa::Token,
    kernel::{Fault, Mismatch, Stage},
    picture::{checksum::Checksum, perform},
};

/// A type of values, with NumPy's name of it.
pub(crate) trait Element: Pod {
    const NAME: &'static str;
}

impl Element for u8 {
    const NAME: &'static str = "uint8";
}

impl Element for i64 {
    const NAME: &'static str = "int64";
}

impl Element for f32 {
    const NAME: &'static str = "float32";
}

impl Element for f64 {
    const NAME: &'static str = "float64";
}

/// Bytes of values that share a checksum.
const CHUNK: usize = 4096;

/// The values of a stage, with checksums of them and of what they do not show.
#[derive(Default)]
pub(crate) struct Output {
    element: &'static str,
    /// Bytes of a value.
    size: usize,
    shape: Vec<usize>,
    values: Buffer<u8>,
    /// Two of each chunk of values, as they were read back; behind those what the stage rounded away, or took in and does
    /// not show, each sum of a row or of what the stage likes.
    sums: Buffer<u32>,
}

impl Output {
    /// To be filled: values of this shape, and so many sums of what they do not show. None is what the last run left there.
    pub(crate) fn begin<T: Element>(&mut self, shape: &[usize], sums: usize) -> (&mut [T], &mut [u32]) {
        self.element = T::NAME;
        self.size = size_of::<T>();
        self.shape.clear();
        self.shape.extend_from_slice(shape);
        self.values.renew(shape.iter().product::<usize>() * size_of::<T>());
        let checksums = 2 * self.values.len().div_ceil(CHUNK);
        self.sums.resize(checksums + sums);
        (bytemuck::cast_slice_mut(&mut self.values), &mut self.sums[checksums..])
    }

    /// Reads the values back, which a next stage may do long after.
    pub(super) fn read_back(&mut self, token: Token) {
        let (sums, _) = self.sums.as_chunks_mut::<2>();
        for (sums, chunk) in sums.iter_mut().zip(self.values.chunks(CHUNK)) {
            *sums = perform(token, Checksum(chunk));
        }
    }

    /// The values of a stage that is over.
    pub(crate) fn values<T: Element>(&self) -> &[T] {
        bytemuck::cast_slice(&self.values)
    }

    /// Takes as much memory as `other` has.
    pub(super) fn make_room_like(&mut self, other: &Self) {
        self.shape.clone_from(&other.shape);
        self.values.make_room(other.values.len());
        self.sums.make_room(other.sums.len());
    }

    /// What is to be compared.
    pub(super) fn sums(&self) -> &[u32] {
        &self.sums
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.values
    }

    /// Where the values differ from those of the reference.
    pub(super) fn locate(&self, reference: &Self, stage: &'static str) -> Option<Mismatch> {
        match self.size {
            1 => self.locate_values::<u8>(reference, stage),
            4 => self.locate_values::<u32>(reference, stage),
            _ => self.locate_values::<u64>(reference, stage),
        }
    }

    fn locate_values<T: Pod>(&self, reference: &Self, stage: &'static str) -> Option<Mismatch> {
        let (values, right): (&[T], &[T]) =
            (bytemuck::cast_slice(&self.values), bytemuck::cast_slice(&reference.values));
        let (first, wrong) = differences(values, right)?;
        let mut rest = first;
        let mut element: Vec<u64> = self.shape.iter().rev().map(|length| place(&mut rest, *length)).collect();
        element.reverse();
        let (expected, actual) = (bits(&right[first]), bits(&values[first]));
        Some(Mismatch { stage, element, expected, actual, bits: 8 * self.size as u32, wrong })
    }

    /// Flips a bit of a value.
    pub(super) fn flip(&mut self, fault: Fault) {
        match self.size {
            1 => flip::<u8>(&mut self.values, fault),
            4 => flip::<u32>(bytemuck::cast_slice_mut(&mut self.values), fault),
            _ => flip::<u64>(bytemuck::cast_slice_mut(&mut self.values), fault),
        }
    }

    /// For people and other programs. A stream of tiles has no shape of its own.
    pub(super) fn show(&self, name: &str, is_stream: bool) -> Stage {
        let shape = if is_stream { Vec::new() } else { self.shape.clone() };
        Stage { name: name.into(), element_type: self.element, shape, bytes: self.values.to_vec() }
    }
}

/// The last coordinate of an index, which then is one of all but that.
fn place(index: &mut usize, length: usize) -> u64 {
    let at = *index % length;
    *index /= length;
    at as u64
}
