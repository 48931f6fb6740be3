//! Kernels of addresses, loads and stores.

mod gather_index;
mod imul_addresses;
mod store_forwarding;

pub(crate) use {gather_index::GatherIndex, imul_addresses::ImulAddresses, store_forwarding::StoreForwarding};
