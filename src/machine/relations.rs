//! How Windows tells of cores, caches, packages and groups: blocks of bytes, here made sense of without Windows, so that
//! models of such machines are read everywhere. The layouts are those of 64-bit Windows.

use super::CacheKind;

/// A CPU's group times 64 and its number in the group: one number for each.
const GROUP: u32 = 64;

/// Kinds of relation.
const CORE: u32 = 0;
const NODE: u32 = 1;
const CACHE: u32 = 2;
const PACKAGE: u32 = 3;
const GROUPS: u32 = 4;
const DIE: u32 = 5;
const NODE_EX: u32 = 6;
const MODULE: u32 = 7;

/// All that was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relations {
    /// Physical cores.
    pub cores: Vec<CoreRelation>,
    /// CPUs of each package.
    pub packages: Vec<Vec<u32>>,
    /// CPUs of each die.
    pub dies: Vec<Vec<u32>>,
    /// CPUs of each module: cores that share a second-level cache.
    pub modules: Vec<Vec<u32>>,
    /// NUMA nodes and their CPUs.
    pub nodes: Vec<(u32, Vec<u32>)>,
    /// Caches and the CPUs that share them.
    pub caches: Vec<CacheRelation>,
    /// CPUs of each group that are active.
    pub groups: Vec<Vec<u32>>,
}

/// A core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreRelation {
    /// Its CPUs.
    pub cpus: Vec<u32>,
    /// The higher, the faster; 0 for all where all are alike.
    pub efficiency_class: u8,
}

/// A cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheRelation {
    /// 1 is next to the core.
    pub level: u32,
    /// What it holds.
    pub kind: CacheKind,
    /// Its size.
    pub bytes: u64,
    /// Its CPUs.
    pub cpus: Vec<u32>,
}

/// What `GetSystemCpuSetInformation` says of a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuSet {
    /// The CPU.
    pub cpu: u32,
    /// The higher, the more favoured.
    pub scheduling_class: u8,
}

/// What the power manager says of a CPU: `PROCESSOR_POWER_INFORMATION`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuPower {
    /// The CPU, of the first group.
    pub cpu: u32,
    /// Its base clock, MHz.
    pub base_mhz: u32,
    /// The highest clock that it is allowed now, as a part of the base, MHz.
    pub limit_mhz: u32,
}

/// Reads what `CallNtPowerInformation` wrote of processors.
pub fn read_power(bytes: &[u8]) -> Vec<CpuPower> {
    let cpu = |entry: &[u8]| {
        let word = |at: usize| u32_at(entry, at * 4);
        let cpu = CpuPower { cpu: word(0)?, base_mhz: word(1)?, limit_mhz: word(3)? };
        (cpu.base_mhz > 0 && cpu.cpu < GROUP).then_some(cpu)
    };
    bytes.chunks_exact(24).map_while(cpu).collect()
}

/// Reads what `GetLogicalProcessorInformationEx` wrote; what is cut off or unknown is left out.
pub fn read(bytes: &[u8]) -> Relations {
    let mut all = Relations::default();
    for (kind, entry) in entries(bytes, 0) {
        match kind {
            CORE => all.cores.extend(
                masks(entry, 30, 32)
                    .map(|cpus| CoreRelation { cpus, efficiency_class: entry.get(9).copied().unwrap_or_default() }),
            ),
            PACKAGE => all.packages.extend(masks(entry, 30, 32)),
            DIE => all.dies.extend(masks(entry, 30, 32)),
            MODULE => all.modules.extend(masks(entry, 30, 32)),
            NODE | NODE_EX => all.nodes.extend(u32_at(entry, 8).zip(masks(entry, 30, 32))),
            CACHE => all.caches.extend(cache(entry)),
            GROUPS => all.groups = groups(entry),
            _ => {}
        }
    }
    all
}

/// All CPUs that are active, ascending, by the same bytes.
pub fn active_cpus(bytes: &[u8]) -> Vec<u32> {
    let all = read(bytes);
    let mut cpus: Vec<u32> = all.cores.into_iter().flat_map(|core| core.cpus).collect();
    cpus.sort_unstable();
    cpus.dedup();
    cpus
}

/// Reads what `GetSystemCpuSetInformation` wrote.
pub fn read_cpu_sets(bytes: &[u8]) -> Vec<CpuSet> {
    let set = |(kind, entry): (u32, &[u8])| {
        let cpu = u32::from(u16_at(entry, 12)?) * GROUP + u32::from(*entry.get(14)?);
        (kind == 0).then_some(CpuSet { cpu, scheduling_class: *entry.get(20)? })
    };
    entries(bytes, 4).filter_map(set).collect()
}

/// The entries of a block, each with its kind. Its size is in one of its first two words, its kind in the other.
fn entries(bytes: &[u8], kind_at: usize) -> impl Iterator<Item = (u32, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (kind, size) = (u32_at(rest, kind_at)?, u32_at(rest, 4 - kind_at)? as usize);
        let entry = rest.get(..size).filter(|entry| entry.len() >= 8)?;
        rest = &rest[size..];
        Some((kind, entry))
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// The CPUs of one mask of a group.
fn of_mask(mask: u64, group: u32) -> impl Iterator<Item = u32> {
    (0..GROUP).filter(move |bit| mask >> bit & 1 == 1).map(move |bit| group * GROUP + bit)
}

/// The CPUs of an entry's masks: how many there are is said at `count_at`, where 0 is an older Windows's way to say one.
fn masks(entry: &[u8], count_at: usize, at: usize) -> Option<Vec<u32>> {
    let count = usize::from(u16_at(entry, count_at)?.max(1));
    let mut cpus = Vec::new();
    for at in (0..count).map(|n| at + 16 * n) {
        cpus.extend(of_mask(u64_at(entry, at)?, u32::from(u16_at(entry, at + 8)?)));
    }
    cpus.sort_unstable();
    (!cpus.is_empty()).then_some(cpus)
}

fn cache(entry: &[u8]) -> Option<CacheRelation> {
    let kind = match u32_at(entry, 16)? {
        0 => CacheKind::Unified,
        1 => CacheKind::Instruction,
        2 => CacheKind::Data,
        // Of traces of decoded instructions: a processor of long ago.
        _ => return None,
    };
    let (level, bytes) = (u32::from(*entry.get(8)?), u64::from(u32_at(entry, 12)?));
    Some(CacheRelation { level, kind, bytes, cpus: masks(entry, 38, 40)? })
}

fn groups(entry: &[u8]) -> Vec<Vec<u32>> {
    let count = u16_at(entry, 10).map_or(0, u32::from);
    let mask = |group: u32| u64_at(entry, 32 + 48 * group as usize + 40);
    (0..count).map_while(|group| Some(of_mask(mask(group)?, group).collect())).collect()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A block as Windows would write it.
    #[derive(Default)]
    pub struct Block(pub Vec<u8>);

    impl Block {
        fn entry(&mut self, kind: u32, body: &[u8]) {
            self.0.extend(kind.to_le_bytes());
            self.0.extend((body.len() as u32 + 8).to_le_bytes());
            self.0.extend(body);
        }

        fn mask(group: u16, mask: u64) -> Vec<u8> {
            [&mask.to_le_bytes()[..], &group.to_le_bytes(), &[0; 6]].concat()
        }

        /// A core, or with another kind a package, die or module.
        pub fn processor(&mut self, kind: u32, class: u8, masks: &[(u16, u64)]) {
            let mut body = vec![u8::from(masks[0].1.count_ones() > 1), class];
            body.extend([0; 20]);
            body.extend((masks.len() as u16).to_le_bytes());
            masks.iter().for_each(|&(group, mask)| body.extend(Self::mask(group, mask)));
            self.entry(kind, &body);
        }

        pub fn core(&mut self, class: u8, group: u16, mask: u64) {
            self.processor(CORE, class, &[(group, mask)]);
        }

        pub fn package(&mut self, masks: &[(u16, u64)]) {
            self.processor(PACKAGE, 0, masks);
        }

        pub fn node(&mut self, number: u32, group: u16, mask: u64) {
            // As Windows wrote it before it counted groups here.
            let body = [&number.to_le_bytes()[..], &[0; 20], &Self::mask(group, mask)].concat();
            self.entry(NODE, &body);
        }

        pub fn cache(&mut self, level: u8, kind: u32, bytes: u32, group: u16, mask: u64) {
            let mut body = vec![level, 8, 64, 0];
            body.extend(bytes.to_le_bytes());
            body.extend(kind.to_le_bytes());
            body.extend([0; 18]);
            body.extend(1_u16.to_le_bytes());
            body.extend(Self::mask(group, mask));
            self.entry(CACHE, &body);
        }

        pub fn groups(&mut self, masks: &[u64]) {
            let count = masks.len() as u16;
            let mut body = [count.to_le_bytes(), count.to_le_bytes()].concat();
            body.extend([0; 20]);
            for mask in masks {
                body.extend([64, mask.count_ones() as u8]);
                body.extend([0; 38]);
                body.extend(mask.to_le_bytes());
            }
            self.entry(GROUPS, &body);
        }

        pub fn cpu_set(&mut self, group: u16, number: u8, class: u8, scheduling: u8) {
            self.0.extend(32_u32.to_le_bytes());
            self.0.extend(0_u32.to_le_bytes());
            self.0.extend((0x100 + u32::from(number)).to_le_bytes());
            self.0.extend(group.to_le_bytes());
            self.0.extend([number, number, 0, 0, class, 0, scheduling]);
            self.0.extend([0; 11]);
        }
    }

    /// Two packages of 64 cores without second threads, a group each, one node each.
    pub fn two_groups() -> Vec<u8> {
        let mut block = Block::default();
        for group in 0..2 {
            for cpu in 0..64 {
                block.core(0, group, 1 << cpu);
            }
            block.package(&[(group, u64::MAX)]);
            block.node(u32::from(group), group, u64::MAX);
            block.cache(3, 0, 256 << 20, group, u64::MAX);
        }
        block.groups(&[u64::MAX; 2]);
        block.0
    }

    #[test]
    fn two_groups_have_numbers_one_after_the_other() {
        let all = read(&two_groups());
        assert_eq!(all.cores.len(), 128);
        assert_eq!((all.cores[64].cpus.as_slice(), all.cores[127].cpus.as_slice()), (&[64][..], &[127][..]));
        assert_eq!(all.groups.iter().map(Vec::len).collect::<Vec<_>>(), [64, 64]);
        assert_eq!(all.nodes[1].0, 1);
        assert_eq!(all.nodes[1].1.first(), Some(&64));
        assert_eq!(active_cpus(&two_groups()), (0..128).collect::<Vec<_>>());
        let mut over_two = Block::default();
        over_two.package(&[(0, 1), (1, 2)]);
        assert_eq!(read(&over_two.0).packages, [[0, 65]]);
    }

    #[test]
    fn cpu_sets_tell_the_favoured() {
        let mut block = Block::default();
        block.cpu_set(0, 8, 1, 31);
        block.cpu_set(1, 3, 0, 2);
        let set = |cpu, scheduling_class| CpuSet { cpu, scheduling_class };
        assert_eq!(read_cpu_sets(&block.0), [set(8, 31), set(67, 2)]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..400) {
            read(&bytes);
            read_cpu_sets(&bytes);
            let mut whole = two_groups();
            whole.truncate(cut * 20);
            whole.extend(bytes);
            read(&whole);
        }
    }
}
