//! Physical cores and their CPUs.

use std::collections::{BTreeMap, BTreeSet};

use super::{Core, Kind, Root, Smt, of_cpu, parse_cpu_list};

/// The first value of a key in /proc/cpuinfo.
pub fn cpuinfo_value(cpuinfo: &str, key: &str) -> Option<String> {
    cpuinfo.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    })
}

/// The physical cores: CPUs that are online, grouped by the kernel's list of siblings; CPUs that are switched off; whether
/// cores have several threads. What `root` does not describe is taken for a core of its own, if this process may run there.
pub fn read(root: &Root, allowed: &[u32], missing: &mut Vec<String>) -> (Vec<Core>, Vec<u32>, Option<Smt>) {
    let list = |path: &str| root.read(path).and_then(|text| parse_cpu_list(&text).ok());
    let online = list("/sys/devices/system/cpu/online").unwrap_or_else(|| {
        missing.push("cores and siblings: /sys/devices/system/cpu is not there; every CPU is taken for a core".into());
        allowed.to_vec()
    });
    let online: BTreeSet<u32> = online.into_iter().collect();
    let allowed: BTreeSet<u32> = allowed.iter().copied().collect();
    let nodes = nodes(root);
    let mut left = online.clone();
    let mut cores = Vec::new();
    while let Some(first) = left.pop_first() {
        let siblings = list(&of_cpu(first, "topology/core_cpus_list"));
        let siblings = siblings.or_else(|| list(&of_cpu(first, "topology/thread_siblings_list"))).unwrap_or_default();
        let mut cpus: Vec<u32> = siblings.into_iter().filter(|cpu| left.remove(cpu)).collect();
        cpus.insert(0, first);
        let topology = |file: &str| root.number(&of_cpu(first, &format!("topology/{file}")));
        cores.push(Core {
            core: cores.len() as u32,
            os_id: topology("core_id"),
            package: topology("physical_package_id"),
            die: topology("die_id"),
            l3: None,
            cluster: None,
            node: nodes.get(&first).copied(),
            label: String::new(),
            short: String::new(),
            apic: Vec::new(),
            testable: cpus.iter().copied().filter(|cpu| allowed.contains(cpu)).collect(),
            cpus,
            kind: Kind::Unknown,
            top_mhz: None,
            top_told: Vec::new(),
            base_mhz: None,
            favoured_rank: None,
            caches: Vec::new(),
        });
    }
    let present = list("/sys/devices/system/cpu/present").unwrap_or_default();
    let offline = present.into_iter().filter(|cpu| !online.contains(cpu)).collect();
    let smt = smt(root, cores.iter().any(|core| core.cpus.len() > 1));
    (cores, offline, smt)
}

fn smt(root: &Root, seen: bool) -> Option<Smt> {
    let control = root.read("/sys/devices/system/cpu/smt/control");
    match control.as_deref() {
        _ if seen => Some(Smt::On),
        Some("off" | "forceoff") => Some(Smt::Off),
        Some("notsupported") => Some(Smt::NotSupported),
        _ => None,
    }
}

/// The NUMA node of each CPU.
fn nodes(root: &Root) -> BTreeMap<u32, u32> {
    const NODES: &str = "/sys/devices/system/node";
    let list = |path: String| root.read(&path).and_then(|text| parse_cpu_list(&text).ok()).unwrap_or_default();
    let nodes = list(format!("{NODES}/online"));
    nodes
        .into_iter()
        .flat_map(|node| list(format!("{NODES}/node{node}/cpulist")).into_iter().map(move |cpu| (cpu, node)))
        .collect()
}
