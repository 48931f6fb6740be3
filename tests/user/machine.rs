//! Machines that are not ours, as models: small trees made here, not recordings.

use std::{fs, path::Path};

use oddcore::machine::{Kind, Root, read};

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
    fs::write(path, text).expect("writable");
}

/// A hybrid: two large cores of two CPUs, the second favoured; two small ones.
fn hybrid() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    let put = |path: &str, text: &str| write(root.path(), path, text);
    let mut cpuinfo = String::new();
    for (cpu, (siblings, core_id, apic, highest, khz)) in [
        ("0-1", 0, 0, 60, 5_700_000),
        ("0-1", 0, 1, 60, 5_700_000),
        ("2-3", 4, 8, 65, 6_000_000),
        ("2-3", 4, 9, 65, 6_000_000),
        ("4", 32, 64, 40, 4_400_000),
        ("5", 33, 66, 40, 4_400_000),
    ]
    .into_iter()
    .enumerate()
    {
        cpuinfo += &format!(
            "processor\t: {cpu}\nvendor_id\t: GenuineIntel\nmodel name\t: A model\nmicrocode\t: 0x12b\napicid\t\t: {apic}\nflags\t\t: fpu\n\n"
        );
        let folder = format!("/sys/devices/system/cpu/cpu{cpu}");
        put(&format!("{folder}/topology/core_cpus_list"), siblings);
        put(&format!("{folder}/topology/core_id"), &core_id.to_string());
        put(&format!("{folder}/topology/physical_package_id"), "0");
        put(&format!("{folder}/cpufreq/cpuinfo_max_freq"), &khz.to_string());
        put(&format!("{folder}/acpi_cppc/highest_perf"), &highest.to_string());
    }
    put("/proc/cpuinfo", &cpuinfo);
    put("/sys/devices/system/cpu/online", "0-5");
    put("/sys/devices/cpu_core/cpus", "0-3");
    put("/sys/devices/cpu_atom/cpus", "4-5");
    root
}

#[test]
fn a_hybrid_is_labelled_as_people_know_it() {
    let root = hybrid();
    let machine = read(&Root::at(root.path()), &[0, 1, 2, 3, 5]).expect("a machine");
    let labels: Vec<&str> = machine.cores.iter().map(|core| core.label.as_str()).collect();
    assert_eq!(
        labels,
        [
            "P0 (BIOS 0, CPU 0-1, APIC 0-1)",
            "P1 (BIOS 1, CPU 2-3, APIC 8-9)",
            "E0 (BIOS 2, CPU 4, APIC 64)",
            "E1 (BIOS 3, CPU 5, APIC 66)"
        ]
    );
    assert_eq!(machine.cores[2].testable, [0u32; 0]);
    assert_eq!(machine.cores[3].kind, Kind::Efficiency);
    assert_eq!(machine.cores[1].top_mhz.map(|top| (top.mhz, top.known)), Some((6000.0, false)));
    let ranks: Vec<Option<u32>> = machine.cores.iter().map(|core| core.favoured_rank).collect();
    assert_eq!(ranks, [Some(2), Some(1), Some(3), Some(3)]);
    assert_eq!(machine.microcode.as_deref(), Some("0x12b"));
    assert!(!machine.virtual_machine);
}

#[test]
fn a_machine_that_tells_nothing_still_has_cores() {
    let root = tempfile::tempdir().expect("a folder");
    let machine = read(&Root::at(root.path()), &[3, 7]).expect("a machine");
    let cpus: Vec<&[u32]> = machine.cores.iter().map(|core| core.cpus.as_slice()).collect();
    assert_eq!(cpus, [&[3][..], &[7]]);
    assert!(!machine.missing.is_empty());
    assert!(read(&Root::at(root.path()), &[]).is_err());
}
