//! What people call a core, and its APIC ids.

use std::collections::BTreeMap;

use super::{Core, Kind, format_cpu_list};

/// Gives every core its short name, its label and its APIC ids.
pub fn give(cores: &mut [Core], cpuinfo: &str) {
    let apic = apic_ids(cpuinfo);
    let bios = bios_numbers(cores, &apic);
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
    cores
        .iter()
        .map(|core| {
            let own = key(core)?;
            let before =
                cores.iter().filter(|other| other.package == core.package && key(other).is_some_and(|id| id < own));
            Some(before.count() as u32)
        })
        .collect()
}
