//! Machines that are not ours, as `oddcore cores` shows them.
//!
//! The `.txt` files beside the trees are what it prints where every CPU may be tested. `ODDCORE_WRITE=1 cargo test --test user
//! machine::` writes them anew; look at what changed.

use std::{fs, path::Path};

use oddcore::{
    machine::{Kind, Machine, Root, Smt, Source, read},
    platform,
    report::machine::render,
};

use crate::{
    common::oddcore,
    trees::{online, tree},
};

/// Without the one of 512 CPUs, whose thousands of files take seconds to make.
const MACHINES: [&str; 4] = ["i9-14900k", "ryzen-7950x", "one-cpu-vm", "epyc-2cpu-vm"];

/// The machine, all of whose CPUs may be used.
fn machine(name: &str) -> Machine {
    let folder = tree(name);
    read(&Root::at(folder.path()), &online(folder.path())).expect("a machine")
}

fn of<T>(machine: &Machine, value: impl Fn(&oddcore::machine::Core) -> T) -> Vec<T> {
    machine.cores.iter().map(value).collect()
}

/// Holds what is shown of a machine against the file beside its tree.
fn is_shown_as_looked_at(name: &str, machine: &Machine) {
    let shown = render(machine);
    let path = format!("tests/fixtures/machines/{name}.txt");
    if std::env::var_os("ODDCORE_WRITE").is_some() {
        fs::write(&path, &shown).expect("writable");
    }
    let wanted = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert!(shown == wanted, "{path}: now it is\n{shown}");
    let wide: Vec<&str> = shown.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{name}: {wide:?}");
}

#[test]
fn each_is_shown_as_it_was_looked_at() {
    MACHINES.into_iter().for_each(|name| is_shown_as_looked_at(name, &machine(name)));
}

#[test]
fn the_program_shows_what_is_below_root_to_people_and_to_programs() {
    let allowed = platform::thread_affinity().expect("readable");
    let runs = tempfile::tempdir().expect("a folder");
    for name in MACHINES {
        let folder = tree(name);
        let machine = read(&Root::at(folder.path()), &allowed).expect("a machine");
        let output = oddcore(runs.path(), &["cores", "--root", folder.path().to_str().expect("text"), "--json", "-"]);
        assert_eq!(output.status.code(), Some(0), "{name}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), render(&machine), "{name}");
        let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let own = serde_json::to_value(&machine).expect("JSON");
        for (field, value) in own.as_object().expect("fields") {
            assert_eq!(&shown[field], value, "{name}: {field}");
        }
        assert_eq!(shown["groups"], serde_json::to_value(machine.groups()).expect("JSON"), "{name}");
        assert_eq!(serde_json::from_value::<Machine>(shown).expect("reads back"), machine, "{name}");
    }
}

#[test]
fn a_hybrid_is_known_as_people_know_it() {
    let mut machine = machine("i9-14900k");
    assert_eq!(machine.cores.len(), 24);
    assert_eq!(machine.cores[4].label, "P4 (BIOS 4, CPU 8-9, APIC 32-33)");
    assert_eq!(machine.cores[23].label, "E15 (BIOS 23, CPU 31, APIC 94)");
    assert_eq!(machine.groups_sentence().as_deref(), Some("P4 P5: 60x; the other P-cores 57x; E-cores 44x"));
    assert_eq!(
        machine.groups_line().as_deref(),
        Some("60x P4 P5   57x P0-P3 P6 P7   44x E0-E15   (firmware's word, not yet seen)")
    );
    let favoured: Vec<u32> =
        machine.cores.iter().filter(|core| core.favoured_rank == Some(1)).map(|core| core.core).collect();
    assert_eq!(favoured, [4, 5]);
    let clusters = of(&machine, |core| core.cluster);
    assert_eq!(clusters[..8], [None; 8]);
    let of_small: Vec<u32> = clusters[8..].iter().map(|cluster| cluster.expect("a cluster")).collect();
    assert_eq!(of_small, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
    assert_eq!(of(&machine, |core| core.os_id)[6..10], [Some(24), Some(28), Some(32), Some(33)], "with gaps");
    let top = machine.cores[4].top_mhz.expect("a top clock");
    assert_eq!((top.mhz, top.known, top.source), (6000.0, false, Source::CpuinfoMaxFreq));
    assert_eq!(machine.cores[8].base_mhz.map(|base| base.mhz), Some(2400.0));
    assert_eq!(
        machine.cores[0].caches.iter().map(|c| (c.name(), c.bytes >> 10, c.cpus.len())).collect::<Vec<_>>(),
        [("L1d".into(), 48, 2), ("L1i".into(), 32, 2), ("L2".into(), 2048, 2), ("L3".into(), 36_864, 32)]
    );
    assert_eq!(machine.smt, Some(Smt::On));
    assert!(render(&machine).contains("microcode 0x12b, new enough"));
    machine.microcode = Some("0x129".into());
    assert!(render(&machine).contains("microcode 0x129, older than 0x12B"));
}

/// Turbo ratio limits can be read by root alone; here they lie in the tree.
#[test]
fn a_turbo_ratio_limit_is_known_of_the_best_cores_alone() {
    let folder = tree("i9-14900k");
    for cpu in online(folder.path()) {
        let registers = folder.path().join(format!("dev/cpu/{cpu}/msr"));
        fs::create_dir_all(&registers).expect("writable");
        fs::write(registers.join("0x1ad"), "0x393939393939393c").expect("writable");
        fs::write(registers.join("0x650"), "0x2c2c2c2c2c2c2c2c").expect("writable");
    }
    let machine = read(&Root::at(folder.path()), &[0]).expect("a machine");
    let known = |core: u32| machine.cores[core as usize].top_mhz.map(|top| (top.mhz, top.known));
    assert_eq!(known(4), Some((6000.0, true)));
    assert_eq!(known(0), Some((5700.0, false)), "less than the best");
    assert_eq!(known(8), Some((4400.0, true)));
    assert!(!machine.missing.iter().any(|missing| missing.contains("turbo")), "{:?}", machine.missing);
}

#[test]
fn dies_are_told_apart_by_their_caches_and_the_ranking_is_no_clock() {
    let machine = machine("ryzen-7950x");
    assert_eq!(of(&machine, |core| core.l3)[6..10], [Some(0), Some(0), Some(1), Some(1)]);
    let best: Vec<u32> =
        machine.cores.iter().filter(|core| core.favoured_rank == Some(1)).map(|core| core.core).collect();
    assert_eq!(best, [1, 3]);
    assert_eq!(machine.groups_sentence().as_deref(), Some("all cores: 59x"));
    let told = &machine.cores[1].top_told;
    assert_eq!(told[0].source, Source::AmdPstate);
    assert!(told.last().is_some_and(|last| last.source == Source::CppcRatio && last.mhz > 7000.0), "{told:?}");
    assert_eq!(machine.cores[0].label, "C0 (BIOS 0, CPU 0,16, APIC 0-1)");
    assert!(machine.cores.iter().all(|core| core.kind == Kind::Unknown), "ranks make no small cores");
    let idle = machine.idle.expect("idle states");
    assert_eq!(idle.states.last().map(|state| (state.name.as_str(), state.off.len())), Some(("C3", 16)));
}

#[test]
fn many_cpus_with_gaps_in_two_packages() {
    let folder = tree("epyc-9754-2s");
    let machine = read(&Root::at(folder.path()), &online(folder.path())).expect("a machine");
    is_shown_as_looked_at("epyc-9754-2s", &machine);
    assert_eq!((machine.cores.len(), machine.offline.as_slice()), (255, &[7, 263, 300][..]));
    let cpus: usize = machine.cores.iter().map(|core| core.cpus.len()).sum();
    assert_eq!(cpus, 509);
    assert_eq!(machine.cores[7].cpus, [8, 264], "numbered without gaps, whatever the OS does");
    assert_eq!(machine.cores[43].cpus, [44], "its other thread is off");
    let second = &machine.cores[127];
    assert_eq!((second.package, second.os_id, second.node, second.l3), (Some(1), Some(0), Some(1), Some(16)));
    assert_eq!(second.label, "C127 (CPU 128,384, APIC 256-257)", "not all are there to be counted");
    // Some of them may be used: the rest is described all the same.
    let restricted = read(&Root::at(folder.path()), &[8, 9, 264, 7]).expect("a machine");
    assert_eq!(restricted.cores.len(), 255);
    let testable: Vec<&[u32]> =
        restricted.cores.iter().map(|core| core.testable.as_slice()).filter(|cpus| !cpus.is_empty()).collect();
    assert_eq!(testable, [&[8, 264][..], &[9]]);
    let shown = render(&restricted);
    assert!(shown.contains("may be tested: CPUs 8-9,264 only"), "{shown}");
}

#[test]
fn kinds_are_guessed_by_capacity_where_nobody_tells_them() {
    let put = |root: &Path, cpu: u32, file: &str, text: &str| {
        let path = root.join(format!("sys/devices/system/cpu/cpu{cpu}/{file}"));
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(path, text).expect("writable");
    };
    for (file, large, favoured, small) in
        [("cpu_capacity", "1024", "973", "623"), ("acpi_cppc/nominal_perf", "41", "41", "24")]
    {
        let root = tempfile::tempdir().expect("a folder");
        [(0, large), (1, favoured), (2, small)].into_iter().for_each(|(cpu, text)| put(root.path(), cpu, file, text));
        let machine = read(&Root::at(root.path()), &[0, 1, 2]).expect("a machine");
        assert_eq!(of(&machine, |core| core.short.clone()), ["P0", "P1", "E0"]);
        assert_eq!(machine.notes, [format!("kinds of core: a guess, by {file}")]);
    }
}

#[test]
fn a_machine_that_tells_nothing_still_has_cores() {
    let root = tempfile::tempdir().expect("a folder");
    let machine = read(&Root::at(root.path()), &[3, 7]).expect("a machine");
    assert_eq!(of(&machine, |core| core.cpus.clone()), [[3], [7]]);
    assert!(!machine.missing.is_empty());
    assert!(read(&Root::at(root.path()), &[]).is_err());
}
