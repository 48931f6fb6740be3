//! What people call a core, and its APIC ids.

use std::collections::BTreeMap;

use super::{Core, Kind, cpuid::Told, format_cpu_list};

/// Gives every core its short name, its label and its APIC ids; those that the OS does not tell, as the CPU does. `all` if no
/// core is missing among them: the firmware's number of a core is known only then.
pub fn give(cores: &mut [Core], cpuinfo: &str, told: &[Told], all: bool) {
    let mut apic: BTreeMap<u32, u32> = told.iter().filter_map(|told| Some((told.cpu, told.apic?))).collect();
    apic.extend(apic_ids(cpuinfo));
    let bios = if all { bios_numbers(cores, &apic) } else { vec![None; cores.len()] };
    let mut counts: BTreeMap<char, u32> = BTreeMap::new();
    for (core, bios) in cores.iter_mut().zip(bios) {
        let letter = match core.kind {
            Kind::Performance => 'P',
            Kind::Efficiency => 'E',
            Kind::Unknown => 'C',
        };
        let count = counts.entry(letter).or_default();
        core.short = format!("{letter}{count}");
        *count += 1;
        core.apic = core.cpus.iter().filter_map(|cpu| apic.get(cpu)).copied().collect();
        core.apic.sort_unstable();
        let mut parts = vec![format!("CPU {}", format_cpu_list(&core.cpus))];
        if let Some(bios) = bios {
            parts.insert(0, format!("BIOS {bios}"));
        }
        if !core.apic.is_empty() {
            parts.push(format!("APIC {}", format_cpu_list(&core.apic)));
        }
        core.label = format!("{} ({})", core.short, parts.join(", "));
    }
}

fn apic_ids(cpuinfo: &str) -> BTreeMap<u32, u32> {
    let mut ids = BTreeMap::new();
    let mut cpu = None;
    for line in cpuinfo.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        match name.trim() {
            "processor" => cpu = value.trim().parse().ok(),
            "apicid" => {
                if let (Some(cpu), Ok(id)) = (cpu, value.trim().parse()) {
                    ids.insert(cpu, id);
                }
            }
            _ => {}
        }
    }
    ids
}

/// Firmware counts the cores of a package by APIC id.
fn bios_numbers(cores: &[Core], apic: &BTreeMap<u32, u32>) -> Vec<Option<u32>> {
    let key = |core: &Core| core.cpus.first().and_then(|cpu| apic.get(cpu)).copied();
    let mut packages: BTreeMap<Option<u32>, Vec<u32>> = BTreeMap::new();
    for core in cores {
        packages.entry(core.package).or_default().extend(key(core));
    }
    packages.values_mut().for_each(|ids| ids.sort_unstable());
    let number = |core: &Core| {
        let own = key(core)?;
        Some(packages[&core.package].partition_point(|&id| id < own) as u32)
    };
    cores.iter().map(number).collect()
}
