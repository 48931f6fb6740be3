//! `oddcore bench`: what it shows, what it writes, and how it ends. How fast anything is is no test's business.

use serde_json::Value;

use crate::{
    common::{oddcore, testable_cores},
    schema,
};

/// What `bench` with these arguments writes, which the schema must hold for; it must have gone well.
fn bench(args: &[&str]) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let output = oddcore(folder.path(), &[&["bench", "--json", "-"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("there").count(), 0, "a bench is no run");
    let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output:?}"));
    schema::check_bench(&value);
    value
}

fn texts<'a>(rows: &'a Value, field: &str) -> Vec<&'a str> {
    rows.as_array().expect("rows").iter().map(|row| row[field].as_str().expect("text")).collect()
}

#[test]
fn every_core_is_measured() {
    let report = bench(&["--kernels", "registers-general"]);
    let cores = report["cores"].as_array().expect("cores");
    let numbers: Vec<u64> = cores.iter().map(|core| core["core"].as_u64().expect("a number")).collect();
    assert_eq!(numbers, testable_cores().into_iter().map(u64::from).collect::<Vec<_>>());
    assert!(cores.iter().all(|core| texts(&core["kernels"], "kernel") == ["registers-general"]), "{report}");
}

#[test]
fn every_kernel_is_measured() {
    let report = bench(&["--cores", &testable_cores()[0].to_string()]);
    let names: Vec<&str> = oddcore_kernels::all().iter().map(|kernel| kernel.name()).collect();
    for core in report["cores"].as_array().expect("cores") {
        assert_eq!(texts(&core["kernels"], "kernel"), names);
        for row in core["kernels"].as_array().expect("rows") {
            let kernel = oddcore_kernels::find(row["kernel"].as_str().expect("text")).expect("in the list");
            let best = kernel.variants().iter().find(|variant| variant.isa.token().is_some()).expect("scalar at least");
            assert_eq!(row["variant"], best.name);
            assert_eq!(row["unit"], if kernel.takes_pictures() { "px/s" } else { "op/s" });
            let number = |field: &str| row[field].as_f64();
            assert!(number("per_s").is_some_and(|per_s| per_s > 0.0), "{row}");
            let has_peak = kernel.peak(best.isa.token().expect("just seen"), 1).is_some();
            assert_eq!(number("share_of_peak").is_some(), has_peak, "{row}");
            if let (Some(per_s), Some(peak), Some(share)) =
                (number("per_s"), number("peak_per_s"), number("share_of_peak"))
            {
                assert!((share * peak / per_s - 1.0).abs() < 1e-9, "{row}");
            }
        }
    }
}

#[test]
fn it_measures_what_was_chosen() {
    let core = testable_cores()[0];
    let report =
        bench(&["--cores", &core.to_string(), "--kernels", "gemm-f*,resize-lanczos-u8", "--variants", "scalar"]);
    assert_eq!(report["cores"].as_array().map(Vec::len), Some(1));
    assert_eq!(report["cores"][0]["core"], core);
    let rows = &report["cores"][0]["kernels"];
    assert_eq!(texts(rows, "kernel"), ["gemm-f32", "resize-lanczos-u8", "gemm-f64", "gemm-f16-f32"]);
    assert_eq!(texts(rows, "variant"), ["scalar"; 4]);
    assert!(rows.as_array().expect("rows").iter().all(|row| row["share_of_peak"].is_null()), "scalar has no peak");
}

#[test]
fn the_table_has_a_line_for_each_measurement() {
    let folder = tempfile::tempdir().expect("a folder");
    let core = testable_cores()[0].to_string();
    let output = oddcore(folder.path(), &["bench", "--cores", &core, "--kernels", "registers-*"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // Whether any multiply-adds are counted depends on the CPU.
    let lines = || out.lines().skip(1).filter(|line| !line.contains("-bit multiply-adds alone: "));
    let firsts: Vec<&str> = lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(firsts[..4], ["kernel", "registers-vector", "registers-general", "By"], "{out}");
    assert!(lines().nth(1).is_some_and(|line| line.contains("op/s")), "{out}");
    assert!(err.contains("Bench, about 1 s."), "{err}");
}

#[test]
#[cfg(unix)]
fn an_interrupt_ends_it_with_what_was_measured() {
    use std::{
        process::{Command, Stdio},
        thread,
        time::Duration,
    };

    use crate::processes::{children, signal};

    let bench = Command::new(assert_cmd::cargo::cargo_bin!("oddcore"))
        .args(["bench", "--variants", "*", "--json", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    while children(bench.id()).is_empty() {
        thread::sleep(Duration::from_millis(20));
    }
    let worker = children(bench.id())[0];
    thread::sleep(Duration::from_millis(1500));
    signal("-INT", bench.id());
    let id = bench.id();
    let output = bench.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    schema::check_bench(&report);
    assert_eq!(report["notes"], serde_json::json!(["interrupted by Ctrl-C"]));
    assert!(children(id).is_empty() && !std::path::Path::new(&format!("/proc/{worker}/exe")).exists());
}

#[test]
#[cfg(unix)]
fn a_worker_that_is_killed_costs_one_measurement() {
    use std::process::{Command, Stdio};

    use crate::processes::{children, signal};

    let core = testable_cores()[0].to_string();
    let bench = Command::new(assert_cmd::cargo::cargo_bin!("oddcore"))
        .args(["bench", "--cores", &core, "--kernels", "gemm-f32,gemm-f64", "--variants", "scalar", "--json", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let worker = loop {
        if let Some(&worker) = children(bench.id()).first() {
            break worker;
        }
    };
    signal("-KILL", worker);
    let output = bench.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    schema::check_bench(&report);
    assert_eq!(texts(&report["cores"][0]["kernels"], "kernel"), ["gemm-f64"]);
    assert!(report["notes"][0].as_str().is_some_and(|note| note.contains("its worker ended: SIGKILL")), "{report}");
}
