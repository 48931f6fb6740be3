//! Large and small cores.

use std::collections::BTreeSet;

use super::{
    Core, Kind, Root,
    cpuid::{self, Told},
    of_cpu, parse_cpu_list,
};

/// Below this part of the largest core's figure a core is small. Favoured cores differ by less from their like.
const SMALL: f64 = 0.8;

/// Gives every core its kind: by the OS's lists of a hybrid, else by what the cores say of themselves, else by how capable
/// they are, which is a guess and said to be one.
pub fn tell(root: &Root, cores: &mut [Core], told: &[Told], notes: &mut Vec<String>) {
    let list = |path: &str| -> BTreeSet<u32> {
        root.read(path).and_then(|text| parse_cpu_list(&text).ok()).unwrap_or_default().into_iter().collect()
    };
    let (large, small) = (list("/sys/devices/cpu_core/cpus"), list("/sys/devices/cpu_atom/cpus"));
    for core in cores.iter_mut() {
        let within = |set: &BTreeSet<u32>| core.cpus.first().is_some_and(|cpu| set.contains(cpu));
        core.kind = match (within(&large), within(&small)) {
            (true, _) => Kind::Performance,
            (_, true) => Kind::Efficiency,
            _ => cpuid::of(told, core).find_map(|told| told.kind).unwrap_or(Kind::Unknown),
        };
    }
    if cores.iter().any(|core| core.kind != Kind::Unknown) {
        return;
    }
    for file in ["cpu_capacity", "acpi_cppc/nominal_perf"] {
        let figure =
            |core: &Core| root.number::<f64>(&of_cpu(*core.cpus.first()?, file)).filter(|&figure| figure > 0.0);
        let Some(figures) = cores.iter().map(figure).collect::<Option<Vec<f64>>>() else { continue };
        let largest = figures.iter().copied().fold(0.0, f64::max);
        if figures.iter().all(|&figure| figure >= SMALL * largest) {
            continue;
        }
        for (core, figure) in cores.iter_mut().zip(figures) {
            core.kind = if figure < SMALL * largest { Kind::Efficiency } else { Kind::Performance };
        }
        notes.push(format!("kinds of core: a guess, by {file}"));
        return;
    }
}
