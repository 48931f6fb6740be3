//! Kernels of particular execution units.

mod crypto;
mod divide_roots;
mod sha;
mod vector_logic;

pub(crate) use {crypto::CryptoUnits, divide_roots::DivideRoots, sha::ShaUnits, vector_logic::VectorLogic};
