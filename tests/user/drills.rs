//! Faults injected on purpose are found, named and classed, on the core where they are and on no other.

use crate::common::{oddcore, report};

#[test]
fn every_fault_names_its_core_and_class() {
    let folder = tempfile::tempdir().expect("a folder");
    let cores = oddcore(folder.path(), &["cores", "--json", "-"]);
    let machine: serde_json::Value = serde_json::from_slice(&cores.stdout).expect("JSON");
    let testable = |core: &&serde_json::Value| core["testable"].as_array().is_some_and(|cpus| !cpus.is_empty());
    let cores: Vec<u64> = machine["cores"]
        .as_array()
        .expect("cores")
        .iter()
        .filter(testable)
        .filter_map(|c| c["core"].as_u64())
        .collect();
    let ends: Vec<u64> = [cores[0], cores[cores.len() - 1]].into_iter().collect();
    let kernels = ["gemm-u8s8-i32", "gemm-f32", "resize-lanczos-u8"];
    for (n, (fault, class)) in
        [("miscompute", "miscompute"), ("corrupt-input", "corrupt-input"), ("crash", "crash"), ("hang", "hang")]
            .into_iter()
            .enumerate()
    {
        let core = ends[n % 2];
        let kernel = kernels[n % kernels.len()];
        let args = ["drill", "--cores", &core.to_string(), "--kernels", kernel, "--fault", fault, "--json", "-"];
        let output = oddcore(folder.path(), &args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {output:?}");
        let report = report(&output);
        assert!(report.drill && report.verdict == "fail");
        for finding in &report.findings {
            assert_eq!(finding.core.map(u64::from), Some(core), "{args:?}: {finding:?}");
            assert_eq!(finding.class.name(), class, "{args:?}: {finding:?}");
        }
        let failed: Vec<u64> =
            report.cores.iter().filter(|c| c.verdict.name() == "fail").map(|c| u64::from(c.core)).collect();
        assert_eq!(failed, [core], "{args:?}");
    }
}
