//! Kernels of addresses, loads and stores.

mod imul_addresses;
mod store_forwarding;

pub(crate) use {imul_addresses::ImulAddresses, store_forwarding::StoreForwarding};
