//! Physical cores and their CPUs.

use std::collections::BTreeMap;

use super::{Core, Kind, Root, TopClock, parse_cpu_list};

/// The first value of a key in /proc/cpuinfo.
pub fn cpuinfo_value(cpuinfo: &str, key: &str) -> Option<String> {
    cpuinfo.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    })
}

/// The physical cores: CPUs that are online, grouped by the kernel's list of siblings. What `root` does not describe is
/// taken for a core of its own, if this process may run there.
pub fn cores(root: &Root, allowed: &[u32], missing: &mut Vec<String>) -> Vec<Core> {
    let online = root.read("/sys/devices/system/cpu/online").and_then(|text| parse_cpu_list(&text).ok());
    let online = online.unwrap_or_else(|| {
        missing.push("cores and siblings: /sys/devices/system/cpu is not there; every CPU is taken for a core".into());
        allowed.to_vec()
    });
    let mut groups: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for &cpu in &online {
        let siblings = root.read(&topology(cpu, "core_cpus_list"));
        let siblings = siblings.or_else(|| root.read(&topology(cpu, "thread_siblings_list")));
        let siblings = siblings.and_then(|text| parse_cpu_list(&text).ok()).unwrap_or_default();
        let first = siblings.into_iter().filter(|sibling| online.contains(sibling)).min().unwrap_or(cpu).min(cpu);
        groups.entry(first).or_default().push(cpu);
    }
    let list = |path: &str| root.read(path).and_then(|text| parse_cpu_list(&text).ok()).unwrap_or_default();
    let (large, small) = (list("/sys/devices/cpu_core/cpus"), list("/sys/devices/cpu_atom/cpus"));
    let mut cores: Vec<Core> = groups
        .into_iter()
        .enumerate()
        .map(|(index, (first, cpus))| Core {
            core: index as u32,
            os_id: root.number(&topology(first, "core_id")),
            package: root.number(&topology(first, "physical_package_id")),
            label: String::new(),
            short: String::new(),
            testable: cpus.iter().copied().filter(|cpu| allowed.contains(cpu)).collect(),
            kind: if large.contains(&first) {
                Kind::Performance
            } else if small.contains(&first) {
                Kind::Efficiency
            } else {
                Kind::Unknown
            },
            top_mhz: root
                .number::<f64>(&format!("/sys/devices/system/cpu/cpu{first}/cpufreq/cpuinfo_max_freq"))
                .map(|khz| TopClock { mhz: khz / 1000.0, known: false }),
            favoured_rank: None,
            apic: Vec::new(),
            cpus,
        })
        .collect();
    rank_favoured(root, &mut cores);
    if cores.iter().all(|core| core.top_mhz.is_none()) {
        missing.push("top clocks: no cpufreq/cpuinfo_max_freq".into());
    }
    if cores.iter().all(|core| core.favoured_rank.is_none()) {
        missing.push("favoured cores: no acpi_cppc/highest_perf that tells cores apart".into());
    }
    cores
}

fn topology(cpu: u32, file: &str) -> String {
    format!("/sys/devices/system/cpu/cpu{cpu}/topology/{file}")
}

/// By the firmware's highest performance, which is higher for favoured cores.
fn rank_favoured(root: &Root, cores: &mut [Core]) {
    let highest = |core: &Core| -> Option<u32> {
        root.number(&format!("/sys/devices/system/cpu/cpu{}/acpi_cppc/highest_perf", core.cpus.first()?))
    };
    let perfs: Vec<Option<u32>> = cores.iter().map(highest).collect();
    let mut distinct: Vec<u32> = perfs.iter().flatten().copied().collect();
    distinct.sort_unstable_by(|a, b| b.cmp(a));
    distinct.dedup();
    // One value for all says nothing.
    if distinct.len() > 1 {
        for (core, perf) in cores.iter_mut().zip(perfs) {
            let rank = perf.and_then(|perf| distinct.iter().position(|&other| other == perf));
            core.favoured_rank = rank.map(|rank| rank as u32 + 1);
        }
    }
}
