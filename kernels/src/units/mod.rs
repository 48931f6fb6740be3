//! Kernels of particular execution units.

mod crypto;
mod vector_logic;

pub(crate) use {crypto::CryptoUnits, vector_logic::VectorLogic};
