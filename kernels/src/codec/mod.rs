//! Kernels of compression and of parsing: what branches on every byte. Compression is by libraries pinned to a version, since what
//! they give is compared with digests made once.

mod deflate_png;
mod parse_branches;
mod text;
mod zstd_decode;

pub(crate) use {deflate_png::DeflatePng, parse_branches::ParseBranches, zstd_decode::ZstdDecode};

use crate::{isa::Isa, kernel::Variant};

/// There is no instruction set to choose.
const PLAIN: &[Variant] = &[Variant::of(Isa::Scalar)];
