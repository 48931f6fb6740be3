//! Faults injected on purpose are found, named and classed, on the core where they are and on no other.

use std::collections::BTreeSet;

use crate::common::{oddcore, report, testable_cores};

/// Each fault and the class that its findings must have.
const FAULTS: [(&str, &str); 12] = [
    ("miscompute", "miscompute"),
    ("miscompute-once", "miscompute"),
    ("miscompute-rarely", "miscompute"),
    ("miscompute-lane", "miscompute"),
    ("miscompute-birth", "miscompute"),
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
    let failed = report.cores.iter().filter(|core| core.verdict.name() == "fail");
    assert_eq!(failed.map(|core| core.core).collect::<Vec<_>>(), [core], "{args:?}");
}

/// Each of these faults with each kernel and load, on first and last core: every pair of the four at least once. All
/// combinations where `ODDCORE_TEST_FULL` is set.
fn drill_all(faults: impl Fn(&str) -> bool) {
    let cores = testable_cores();
    let ends = [cores[0], cores[cores.len() - 1]];
    let full = std::env::var_os("ODDCORE_TEST_FULL").is_some();
    for (n, &fault) in FAULTS.iter().enumerate().filter(|(_, (fault, _))| faults(fault)) {
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
            let (code, loads, blamed) = loads_of(&["--cores", &number, "--fault", "arrived"]);
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
