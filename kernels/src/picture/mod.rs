//! What image programs do to pictures besides resizing them: moves between layouts, conversions, masks, pasting. The scalar
//! reference of an operation is a plain loop; its vector variant is written once, in groups of values, for every width of vector.
//! Where a result is rounded, or hides what it was made of, the wrapping sum of that, bit patterns taken as words, is returned to be
//! compared too.

pub(crate) mod checksum;
pub(crate) mod convert;
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod lanes;
pub(crate) mod masks;
#[cfg(test)]
mod tests;
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod vector;

use crate::{isa::Isa, kernel::Variant};

/// The variants of every operation. Those with dot products of bytes do what the ones without do, for the sake of the resizes
/// that stand beside them.
pub(crate) const VARIANTS: &[Variant] =
    &[Variant::of(Isa::Avx512F), Variant::of(Isa::Avx2Fma), Variant::of(Isa::Sse41), Variant::of(Isa::Scalar)];

/// Bytes of an RGB pixel.
pub(crate) const RGB: usize = 3;

/// One operation, with what it reads and writes.
pub(crate) trait Operation {
    /// What it says besides.
    type Output;
    /// The reference.
    fn scalar(self) -> Self::Output;
}

/// Carries it out as the token says.
#[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
pub(crate) fn perform<O: Operation>(_: crate::isa::Token, operation: O) -> O::Output {
    operation.scalar()
}

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
pub(crate) use vector::perform;
