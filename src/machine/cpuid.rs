//! What each CPU says of itself by the CPUID instruction, asked by a thread that is pinned to it. It stands beside sysfs:
//! it fills in what is missing there, and where the two differ both are told.

use super::{Core, Kind, format_cpu_list};
use crate::platform;

/// What one CPU said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Who.
    pub cpu: u32,
    /// Its APIC id, from the extended topology (leaf 0x1F or 0x0B).
    pub apic: Option<u32>,
    /// The APIC id without the bits that tell threads of a core apart: the same for siblings, and for nobody else.
    pub core: Option<u32>,
    /// Its kind, of hybrid CPUs only (leaf 0x1A, or AMD's 0x8000_0026).
    pub kind: Option<Kind>,
    /// Base clock, MHz (leaf 0x16).
    pub base_mhz: Option<u32>,
    /// Top clock as sold, MHz (leaf 0x16).
    pub top_mhz: Option<u32>,
}

/// Asks all of `cpus`; those that cannot be asked are left out.
pub fn ask(cpus: &[u32]) -> Vec<Told> {
    let ask_each = || {
        let pinned = cpus.iter().filter(|&&cpu| platform::pin_thread(&[cpu]).is_ok());
        pinned.filter_map(|&cpu| decode(cpu, platform::cpuid)).collect()
    };
    std::thread::scope(|scope| scope.spawn(ask_each).join().unwrap_or_default())
}

/// What the leaves mean; `None` if there are none.
pub fn decode(cpu: u32, leaf: impl Fn(u32, u32) -> Option<[u32; 4]>) -> Option<Told> {
    let mut told = Told { cpu, ..Told::default() };
    let [.., features_edx] = leaf(7, 0).unwrap_or_default();
    leaf(0, 0)?;
    // The levels of either leaf begin with the threads of a core, if it is there at all.
    let levels = [0x1f, 0x0b].into_iter().find_map(|topology| leaf(topology, 0).filter(|[_, ebx, ..]| *ebx != 0));
    if let Some([eax, _, ecx, apic]) = levels {
        let threads = ecx >> 8 & 0xff == 1;
        told.apic = Some(apic);
        told.core = threads.then(|| apic >> (eax & 0x1f));
    }
    let is_hybrid = features_edx >> 15 & 1 == 1;
    if is_hybrid {
        told.kind = match leaf(0x1a, 0).unwrap_or_default()[0] >> 24 {
            0x40 => Some(Kind::Performance),
            0x20 => Some(Kind::Efficiency),
            _ => None,
        };
    }
    if let Some([eax, ebx, ..]) = leaf(0x8000_0026, 0)
        && eax >> 30 & 1 == 1
    {
        told.kind = match ebx >> 28 {
            0 => Some(Kind::Performance),
            1 => Some(Kind::Efficiency),
            _ => None,
        };
    }
    if let Some([base, top, ..]) = leaf(0x16, 0) {
        let mhz = |register: u32| Some(register & 0xffff).filter(|&mhz| mhz > 0);
        (told.base_mhz, told.top_mhz) = (mhz(base), mhz(top));
    }
    Some(told)
}

/// What a core's CPUs said.
pub fn of<'a>(told: &'a [Told], core: &Core) -> impl Iterator<Item = &'a Told> {
    core.cpus.iter().filter_map(|&cpu| Some(&told[told.binary_search_by_key(&cpu, |told| told.cpu).ok()?]))
}

/// Says where CPUID and the OS differ: a hypervisor that deals CPUs out anew, or a wrong table in the firmware.
pub fn cross_check(cores: &[Core], told: &[Told], notes: &mut Vec<String>) {
    let mut differ = |what: &str, cpus: Vec<u32>| {
        if !cpus.is_empty() {
            notes.push(format!("{what}: CPUID says otherwise than the OS on CPUs {}", format_cpu_list(&cpus)));
        }
    };
    let first = |core: &Core| core.cpus.first().copied().unwrap_or_default();
    let siblings = |core: &&Core| {
        let ids: Vec<u32> = of(told, core).filter_map(|told| told.core).collect();
        ids.windows(2).any(|pair| pair[0] != pair[1])
    };
    differ("which threads are siblings", cores.iter().filter(siblings).map(first).collect());
    let apic = |core: &&Core| {
        !core.apic.is_empty() && of(told, core).filter_map(|told| told.apic).any(|id| !core.apic.contains(&id))
    };
    differ("APIC ids", cores.iter().filter(apic).map(first).collect());
    let kind = |core: &&Core| of(told, core).filter_map(|told| told.kind).any(|kind| kind != core.kind);
    differ("kinds of core", cores.iter().filter(kind).map(first).collect());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Root, read_with};

    /// A large core's second thread and a small core of a hybrid, as its manual has them.
    fn hybrid(leaf: u32, sub: u32, apic: u32, core_type: u32) -> Option<[u32; 4]> {
        match (leaf, sub) {
            (0, _) => Some([0x20, 0, 0, 0]),
            (7, 0) => Some([0, 0, 0, 1 << 15]),
            (0x1f, 0) | (0x0b, 0) => Some([1, 2, 1 << 8, apic]),
            (0x16, 0) => Some([3200, 6000, 100, 0]),
            (0x1a, 0) => Some([core_type << 24 | 2, 0, 0, 0]),
            _ => None,
        }
    }

    #[test]
    fn leaves_are_read_as_their_manuals_say() {
        let told = decode(9, |leaf, sub| hybrid(leaf, sub, 33, 0x40)).expect("leaves");
        let (apic, core, kind) = (Some(33), Some(16), Some(Kind::Performance));
        assert_eq!(told, Told { cpu: 9, apic, core, kind, base_mhz: Some(3200), top_mhz: Some(6000) });
        let small = decode(16, |leaf, sub| hybrid(leaf, sub, 64, 0x20)).expect("leaves");
        assert_eq!(small.kind, Some(Kind::Efficiency));
        // A hypervisor's: leaf 0x16 all zero, no hybrid bit, whatever leaf 0x1A holds.
        let bare = decode(0, |leaf, sub| match leaf {
            7 | 0x16 => Some([0; 4]),
            _ => hybrid(leaf, sub, 0, 0x40),
        });
        assert_eq!(bare, Some(Told { apic: Some(0), core: Some(0), ..Told::default() }));
        assert_eq!(decode(0, |_, _| None), None);
    }

    #[test]
    fn amds_compact_cores_are_small() {
        let compact = |leaf: u32, _| match leaf {
            0 => Some([0x10, 0, 0, 0]),
            0x8000_0026 => Some([1 << 30, 1 << 28, 1 << 8, 0]),
            _ => None,
        };
        assert_eq!(decode(0, compact).and_then(|told| told.kind), Some(Kind::Efficiency));
    }

    #[test]
    fn what_the_os_does_not_say_is_taken_from_the_cpu_and_a_contradiction_is_told() {
        let nothing = tempfile::tempdir().expect("a folder");
        let root = Root::at(nothing.path());
        let ask = |cpu, apic, core_type| decode(cpu, |leaf, sub| hybrid(leaf, sub, apic, core_type)).expect("leaves");
        let told = [ask(0, 0, 0x40), ask(1, 8, 0x40), ask(2, 64, 0x20)];
        let machine = read_with(&root, &[0, 1, 2], &told).expect("a machine");
        let short: Vec<&str> = machine.cores.iter().map(|core| core.short.as_str()).collect();
        assert_eq!(short, ["P0", "P1", "E0"]);
        assert_eq!(machine.cores[2].apic, [64]);
        assert!(machine.notes.is_empty(), "{:?}", machine.notes);

        // Two CPUs that the OS takes for siblings, and CPUID for different cores.
        let list = nothing.path().join("sys/devices/system/cpu/cpu0/topology/core_cpus_list");
        std::fs::create_dir_all(list.parent().expect("a folder")).expect("writable");
        std::fs::write(list, "0-1").expect("writable");
        let machine = read_with(&root, &[0, 1, 2], &told).expect("a machine");
        assert_eq!(machine.notes, ["which threads are siblings: CPUID says otherwise than the OS on CPUs 0"]);
    }

    #[test]
    fn this_cpu_answers_as_the_one_it_is() {
        let allowed = platform::thread_affinity().expect("readable");
        let told = ask(&allowed);
        assert!(told.iter().zip(&allowed).all(|(told, &cpu)| told.cpu == cpu));
        assert_eq!(told.len(), if cfg!(target_arch = "x86_64") { allowed.len() } else { 0 });
    }
}
