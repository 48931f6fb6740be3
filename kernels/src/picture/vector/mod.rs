//! The operations in vectors: whole groups here, what is left of a row by the scalar reference.

mod checksum;
mod convert;
mod masks;

use super::{Operation, lanes::Lanes};
use crate::{
    gemm::no_such_variant,
    isa::{Avx2Fma, Avx512F, Sse41, Token},
};

/// An operation that can be had in vectors.
pub(crate) trait Vector: Operation {
    /// What [`Operation::scalar`] does.
    fn vector<L: Lanes>(self, lanes: L) -> Self::Output;
}

/// What fills no group, by the reference. Where nothing is left there is no call, and nothing made ready for one: nobody would see
/// what goes wrong there.
#[inline(always)]
fn remainder<O: Operation<Output: Default>>(left: usize, operation: impl FnOnce() -> O) -> O::Output {
    if left == 0 { O::Output::default() } else { operation().scalar() }
}

/// Carries it out as the token says.
pub(crate) fn perform<O: Vector>(token: Token, operation: O) -> O::Output {
    match token {
        Token::Scalar => operation.scalar(),
        // SAFETY: the token proves that this CPU and OS have the instruction set.
        Token::Sse41(lanes) => unsafe { by_sse41(lanes, operation) },
        // SAFETY: as above.
        Token::Avx2Fma(lanes) => unsafe { by_avx2(lanes, operation) },
        // SAFETY: as above.
        Token::AvxVnni(wider) => unsafe { by_avx2(wider.into(), operation) },
        // SAFETY: as above.
        Token::Avx512F(lanes) => unsafe { by_avx512(lanes, operation) },
        // SAFETY: as above.
        Token::Avx512Vnni(wider) => unsafe { by_avx512(wider.into(), operation) },
        token => no_such_variant("a picture operation", token),
    }
}

#[target_feature(enable = "sse4.1")]
fn by_sse41<O: Vector>(lanes: Sse41, operation: O) -> O::Output {
    operation.vector(lanes)
}

#[target_feature(enable = "avx2,fma")]
fn by_avx2<O: Vector>(lanes: Avx2Fma, operation: O) -> O::Output {
    operation.vector(lanes)
}

#[target_feature(enable = "avx512f,avx512bw")]
fn by_avx512<O: Vector>(lanes: Avx512F, operation: O) -> O::Output {
    operation.vector(lanes)
}
