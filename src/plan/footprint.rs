//! How much memory a lane's work touches again and again, and what part of the machine that fills.

use serde::{Deserialize, Serialize};

use crate::machine::{Cache, CacheKind, Machine};

/// Where the data of a batch of work fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Footprint {
    /// In the first-level cache.
    L1,
    /// In the second-level cache.
    L2,
    /// In the third-level cache, all that work at once taken together.
    L3,
    /// Nowhere but in memory.
    #[serde(rename = "memory")]
    Memory,
}

/// Where the machine does not say.
const L1_BYTES: u64 = 32 << 10;
const L2_BYTES: u64 = 1 << 20;
const L3_BYTES: u64 = 32 << 20;
const MEMORY_BYTES: u64 = 4 << 30;
/// All lanes together fill this part of memory at most.
const MEMORY_PART: u64 = 8;
/// Memory at least so many times as large as the third-level cache.
const BEYOND_L3: u64 = 4;

impl Footprint {
    /// All, smallest first.
    pub const ALL: [Self; 4] = [Self::L1, Self::L2, Self::L3, Self::Memory];

    /// The name used in evidence.
    pub fn name(self) -> &'static str {
        match self {
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
            Self::Memory => "memory",
        }
    }
}

/// One lane's parts of the caches, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares {
    /// Of the first level.
    pub l1: u64,
    /// Of the second level.
    pub l2: u64,
    /// Of the third level.
    pub l3: u64,
    /// Of memory, as far as it may be filled.
    pub memory: u64,
}

impl Shares {
    /// Of a lane of that core, where so many lanes work on it and so many on the machine, all of which may share its
    /// third-level cache as far as that has CPUs.
    pub fn of(machine: &Machine, core: u32, on_core: usize, on_machine: usize) -> Self {
        let part = |bytes: u64, lanes: usize| bytes / lanes.max(1) as u64;
        let caches = machine.cores.iter().filter(|known| known.core == core).flat_map(|core| &core.caches);
        let caches: Vec<&Cache> = caches.filter(|cache| cache.kind != CacheKind::Instruction).collect();
        let level = |level: u32| caches.iter().find(|cache| cache.level == level);
        let bytes = |n: u32, otherwise: u64| level(n).map_or(otherwise, |cache| cache.bytes);
        let sharing = level(3).map_or(usize::MAX, |cache| cache.cpus.len());
        Self {
            l1: part(bytes(1, L1_BYTES), on_core),
            l2: part(bytes(2, L2_BYTES), on_core),
            l3: part(bytes(3, machine.l3_bytes.unwrap_or(L3_BYTES)), on_machine.min(sharing)),
            memory: part(machine.memory_bytes.unwrap_or(MEMORY_BYTES) / MEMORY_PART, on_machine),
        }
    }

    /// Where so many bytes fit.
    pub fn holding(&self, bytes: u64) -> Footprint {
        if bytes <= self.l1 {
            Footprint::L1
        } else if bytes <= self.l2 {
            Footprint::L2
        } else if bytes < BEYOND_L3 * self.l3 {
            Footprint::L3
        } else {
            Footprint::Memory
        }
    }

    /// How many bytes a batch should have for that footprint: of a cache three quarters, as something else is in it too.
    pub fn target(&self, footprint: Footprint) -> u64 {
        match footprint {
            Footprint::L1 => self.l1 * 3 / 4,
            Footprint::L2 => self.l2 * 3 / 4,
            Footprint::L3 => self.l3 * 3 / 4,
            Footprint::Memory => (BEYOND_L3 * self.l3).min(self.memory),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_aimed_at_is_what_is_named() {
        let shares = Shares { l1: 32 << 10, l2: 1 << 20, l3: 8 << 20, memory: 1 << 30 };
        for footprint in Footprint::ALL {
            assert_eq!(shares.holding(shares.target(footprint)), footprint);
            assert_eq!(serde_json::to_value(footprint).expect("text"), footprint.name());
        }
        assert_eq!(shares.holding(9 << 20), Footprint::L3, "not four times as large");
    }

    #[test]
    fn a_lane_has_its_part_of_its_cores_own_caches() {
        let nothing = tempfile::tempdir().expect("a folder");
        let mut machine = crate::machine::read(&crate::machine::Root::at(nothing.path()), &[0, 1, 2, 3]).expect("one");
        let cache = |level, bytes, cpus: &[u32]| Cache { level, kind: CacheKind::Unified, bytes, cpus: cpus.to_vec() };
        machine.cores[2].caches = vec![cache(1, 48 << 10, &[2]), cache(2, 2 << 20, &[2]), cache(3, 36 << 20, &[2, 3])];
        let shares = Shares::of(&machine, 2, 2, 4);
        assert_eq!((shares.l1, shares.l2, shares.l3), (24 << 10, 1 << 20, 18 << 20));
        let unknown = Shares::of(&machine, 0, 1, 4);
        assert_eq!((unknown.l1, unknown.l2, unknown.l3), (L1_BYTES, L2_BYTES, L3_BYTES / 4));
    }
}
