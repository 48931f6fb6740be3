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
