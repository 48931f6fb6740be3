//! Faults injected on purpose are found, named and classed, on the core where they are and on no other.

use std::collections::BTreeSet;

use oddcore::verdict::{Finding, Hex};

use crate::common::{oddcore, report, testable_cores};

/// Each fault and the class that its findings must have.
const FAULTS: [(&str, &str); 13] = [
    ("miscompute", "miscompute"),
    ("miscompute-once", "miscompute"),
    ("miscompute-rarely", "miscompute"),
    ("miscompute-lane", "miscompute"),
    ("miscompute-birth", "miscompute"),
    ("miscompute-clock", "miscompute"),
    ("corrupt-input", "corrupt-input"),
    ("corrupt-reference", "corrupt-reference"),
    ("comparison", "comparison"),
    ("crash", "crash"),
    ("illegal-instruction", "crash"),
    ("hang", "hang"),
    ("stall", "hang"),
];
const KERNELS: [&str; 3] = ["gemm-u8s8-i32", "gemm-f32", "resize-lanczos-u8"];
/// `None`: wherever it can strike, the pre-pass included.
const LOADS: [Option<&str>; 3] = [Some("solo"), Some("together"), None];

fn drill((fault, class): (&str, &str), core: u32, kernel: &str, load: Option<&str>) {
    let folder = tempfile::tempdir().expect("a folder");
    let number = core.to_string();
    let mut args = vec!["drill", "--cores", &number, "--kernels", kernel, "--fault", fault, "--json", "-"];
    args.extend(load.iter().flat_map(|load| ["--loads", load]));
    let output = oddcore(folder.path(), &args);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {output:?}");
    let report = report(&output);
    assert!(report.drill && report.verdict == "fail", "{args:?}");
    assert!(!report.findings.is_empty(), "{args:?}");
    let shown = String::from_utf8_lossy(&output.stderr).lines().filter(|line| line.starts_with("FINDING")).count();
    assert_eq!(shown, report.findings.len(), "{args:?}: {output:?}");
    for finding in &report.findings {
        assert_eq!(finding.core, Some(core), "{args:?}: {finding:?}");
        assert_eq!(finding.class.name(), class, "{args:?}: {finding:?}");
        assert_eq!(finding.kernel.as_deref(), Some(kernel), "{args:?}: {finding:?}");
        assert!(load.is_none_or(|load| finding.load == load), "{args:?}: {finding:?}");
    }
    if fault == "miscompute-lane" && kernel.starts_with("gemm") {
        let vectors = report.findings.iter().filter(|f| f.variant.as_deref() != Some("scalar"));
        let lanes: BTreeSet<u64> = vectors.filter_map(|finding| finding.element.last()).map(|col| col % 16).collect();
        assert_eq!(lanes.len(), 1, "{args:?}: {:?}", report.findings);
    }
    if fault == "miscompute-birth" {
        assert!(report.findings.iter().all(|f| f.stage.as_deref() == Some("generate") || f.cpu.is_none()), "{args:?}");
    }
    if fault == "miscompute-clock" {
        let flipped =
            |finding: &Finding| finding.xor == Some(Hex(1 << 22)) && finding.stage.as_deref() == Some("clock");
        assert!(report.findings.iter().all(flipped), "{args:?}: {:?}", report.findings);
    }
    let failed = report.cores.iter().filter(|core| core.verdict.name() == "fail");
    assert_eq!(failed.map(|core| core.core).collect::<Vec<_>>(), [core], "{args:?}");
}

/// Each of these faults with each kernel and load, on first and last core: every pair of the four at least once. All
/// combinations where `ODDCORE_TEST_FULL` is set.
fn drill_all(faults: impl Fn(&str) -> bool) {
    let cores = testable_cores();
    let ends = [cores[0], cores[cores.len() - 1]];
    let full = std::env::var_os("ODDCORE_TEST_FULL").is_some();
    let can = |fault: &str| fault != "miscompute-clock" || cfg!(target_arch = "x86_64");
    for (n, &fault) in FAULTS.iter().enumerate().filter(|(_, (fault, _))| faults(fault) && can(fault)) {
        for (k, kernel) in KERNELS.into_iter().enumerate() {
            for (l, &load) in LOADS.iter().enumerate() {
                for (c, &core) in ends.iter().enumerate() {
                    // One core alone cannot say that a vote was wrong, and a rare fault may strike in nothing else first.
                    let alone = fault.0 == "miscompute-rarely" && ends[0] == ends[1];
                    let load = if alone { load.or(Some("solo")) } else { load };
                    if full || ((n + k) % LOADS.len(), (n + k) % 2) == (l, c) {
                        drill(fault, core, kernel, load);
                    }
                }
            }
        }
    }
}

/// Told by a watchdog, after seconds.
const SLOW: [&str; 2] = ["hang", "stall"];

#[test]
fn every_fault_names_its_core_and_class() {
    drill_all(|fault| !SLOW.contains(&fault));
}

#[test]
fn every_thread_that_stands_still_names_its_core() {
    drill_all(|fault| SLOW.contains(&fault));
}

/// What a fault strikes in, by the loads of its findings.
fn loads_of(args: &[&str]) -> (Option<i32>, BTreeSet<String>, BTreeSet<Option<u32>>) {
    let folder = tempfile::tempdir().expect("a folder");
    let output = oddcore(folder.path(), &[&["drill", "--kernels", "gemm-f32", "--json", "-"], args].concat());
    let report = report(&output);
    let loads = report.findings.iter().map(|finding| finding.load.clone()).collect();
    (output.status.code(), loads, report.findings.iter().map(|finding| finding.core).collect())
}

#[test]
fn a_fault_that_needs_its_load_is_found_under_it_and_names_it() {
    let cores = testable_cores();
    for core in [cores[0], cores[cores.len() - 1]] {
        let number = core.to_string();
        let (code, loads, blamed) = loads_of(&["--cores", &number, "--fault", "after-idle"]);
        let waits = |load: &String| ["gpu-wait", "bursts", "aggressor-company"].contains(&load.as_str());
        assert!(code == Some(1) && !loads.is_empty() && loads.iter().all(waits), "{code:?} {loads:?}");
        assert_eq!(blamed, [Some(core)].into());
        if cores.len() > 1 {
            let (code, loads, blamed) = loads_of(&["--cores", &number, "--fault", "beside-busy"]);
            let alone = |load: &String| ["solo", "gpu-wait", "siblings", "pre-pass"].contains(&load.as_str());
            assert!(code == Some(1) && !loads.is_empty() && !loads.iter().any(alone), "{code:?} {loads:?}");
            assert_eq!(blamed, [Some(core)].into());
            let (code, loads, blamed) = loads_of(&["--cores", &number, "--fault", "arrived", "--standard"]);
            assert_eq!((code, loads, blamed), (Some(1), ["hop".to_owned()].into(), [Some(core)].into()));
            let args = ["--cores", &number, "--fault", "miscompute-birth", "--loads", "hop"];
            let (code, loads, blamed) = loads_of(&args);
            assert_eq!((code, loads, blamed), (Some(1), ["hop".to_owned()].into(), [Some(core)].into()));
        }
        let (code, loads, blamed) = loads_of(&["--cores", &number, "--fault", "above-clock", "--above", "1"]);
        assert!(code == Some(1) && !loads.is_empty(), "any clock is above: {code:?} {loads:?}");
        assert_eq!(blamed, [Some(core)].into());
    }
    let folder = tempfile::tempdir().expect("a folder");
    let never = ["drill", "--fault", "above-clock", "--above", "1000000", "--loads", "solo"];
    assert_eq!(oddcore(folder.path(), &never).status.code(), Some(2), "no clock is above: nothing to be found");
}

#[test]
fn a_thread_that_roams_finds_the_core_and_accuses_no_other() {
    let cores = testable_cores();
    if cores.len() < 2 {
        return;
    }
    for core in [cores[0], cores[cores.len() - 1]] {
        let number = core.to_string();
        for fault in ["arrived", "miscompute-rarely"] {
            let args = ["--cores", &number, "--fault", fault, "--loads", "hop-migrated"];
            let (code, loads, blamed) = loads_of(&args);
            assert_eq!((code, loads), (Some(1), ["hop-migrated".to_owned()].into()), "{fault}");
            // What was seen of a call that went from core to core has suspects, and no core.
            assert!(blamed.contains(&Some(core)), "{fault}: {blamed:?}");
            assert!(blamed.iter().all(|blamed| [None, Some(core)].contains(blamed)), "{fault}: {blamed:?}");
        }
    }
}

#[test]
fn a_thread_that_roams_dies_of_any_core_that_it_was_on() {
    let cores = testable_cores();
    if cores.len() < 2 {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["drill", "--fault", "crash", "--loads", "hop-migrated", "--json", "-"];
    let output = oddcore(folder.path(), &args);
    let report = report(&output);
    assert_eq!((output.status.code(), report.verdict.as_str()), (Some(3), "inconclusive"), "{output:?}");
    let [finding] = &report.findings[..] else { panic!("{:?}", report.findings) };
    let accused: BTreeSet<u32> = finding.suspects.iter().copied().collect();
    assert_eq!((finding.core, finding.class.name()), (None, "crash"));
    assert_eq!(accused, cores.iter().copied().collect());
    let suspects = report.cores.iter().filter(|core| core.verdict.name() == "suspect").map(|core| core.core);
    assert_eq!(suspects.collect::<BTreeSet<u32>>(), accused);
}

#[test]
fn work_of_a_thread_that_roams_counts_for_the_cores_that_it_was_on() {
    let cores = testable_cores();
    if cores.len() < 2 {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for load in ["hop-migrated", "hop-unpinned"] {
        let args = ["run", "--loads", load, "--kernels", "gemm-f32,registers-general", "--for", "4s", "--json", "-"];
        let report = report(&oddcore(folder.path(), &args));
        assert!(report.findings.is_empty() && report.notes.iter().all(|note| !note.contains("roams")), "{report:?}");
        let done =
            |core: &&oddcore::report::CoreReport| core.evidence.iter().any(|e| e.load == load && e.seconds > 0.0);
        let on = report.cores.iter().filter(done).map(|core| core.core).collect::<Vec<_>>();
        // The scheduler may leave a thread where it is; that it did, only Linux tells.
        let unpinned = if cfg!(target_os = "linux") { 1 } else { 0 };
        let least = if load == "hop-migrated" { cores.len().min(20) } else { unpinned };
        assert!(on.len() >= least && on.iter().all(|core| cores.contains(core)), "{load}: {on:?}");
        for core in report.cores.iter().filter(|core| !on.contains(&core.core) && cores.contains(&core.core)) {
            assert_eq!(core.verdict.name(), "not-tested", "nothing but the pre-pass: {core:?}");
        }
    }
}

#[test]
fn a_fault_beside_a_busy_sibling_is_found() {
    let cpus: Vec<u32> = oddcore::platform::thread_affinity().expect("readable");
    let [first, second, ..] = cpus[..] else { return };
    let root = tempfile::tempdir().expect("a folder");
    let put = |path: String, text: &str| {
        let path = root.path().join("sys/devices/system/cpu").join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        std::fs::write(path, text).expect("writable");
    };
    let pair = format!("{first},{second}");
    put("online".into(), &pair);
    for cpu in [first, second] {
        put(format!("cpu{cpu}/topology/core_cpus_list"), &pair);
    }
    let (root, beside) = (root.path().to_str().expect("text"), second.to_string());
    let args = ["--root", root, "--fault", "beside-busy", "--beside", &beside];
    let (code, loads, blamed) = loads_of(&args);
    assert_eq!((code, blamed), (Some(1), [Some(0)].into()));
    assert!(loads.iter().all(|load| ["siblings", "together"].contains(&load.as_str())), "{loads:?}");
}
