//! `--expect`: a core that was not tested at its multiplier is not proven, whatever it computed.

use oddcore::report::Report;

use crate::common::{oddcore, report, testable_cores};

/// Scalar and vector work of one core alone, expected at that multiplier; the exit code and the report.
fn run(core: u32, seconds: u32, expect: Option<u32>) -> (Option<i32>, Report) {
    let runs = tempfile::tempdir().expect("a folder");
    let (core, length) = (core.to_string(), format!("{seconds}s"));
    let expect = expect.map(|multiplier| format!("rest={multiplier}x"));
    let mut args = vec!["run", "--cores", &core, "--loads", "solo", "--kernels", "registers-general,gemm-f32"];
    args.extend(["--for", &length, "--json", "-"]);
    args.extend(expect.iter().flat_map(|expect| ["--expect", expect]));
    let output = oddcore(runs.path(), &args);
    let report = report(&output);
    if output.status.code() == Some(3) {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("NOT PROVEN: ") && said.contains("--expect "), "{said}");
    }
    (output.status.code(), report)
}

#[test]
fn a_multiplier_that_no_core_reaches_is_not_proven() {
    let core = testable_cores()[0];
    let (code, report) = run(core, 1, Some(900));
    assert_eq!((code, report.verdict.as_str(), report.exit_code), (Some(3), "inconclusive", 3));
    let own = &report.cores[core as usize];
    assert_eq!((own.verdict.name(), own.multiplier.expected), ("not-proven", Some(900)));
    let reason = own.reason.as_deref().unwrap_or_default();
    match own.multiplier.max {
        Some(_) => assert!(reason.starts_with("never reached 900x: at most "), "{reason}"),
        None => assert_eq!(reason, "900x is not proven: its clock could not be measured"),
    }
    assert!(report.advice[0].contains(&format!("--cores {core} --loads solo --expect {core}=900x")), "{report:?}");
}

/// The clock is another one every day, and on a virtual machine may change at any time: it is read first, and a run in which
/// it did change has to say so.
#[test]
fn the_multiplier_that_a_core_was_tested_at_is_proven() {
    let core = testable_cores()[0];
    let (code, first) = run(core, 2, None);
    assert_eq!(code, Some(0));
    let mut last = first;
    for seconds in [12, 20, 40] {
        let Some(seen) = last.cores[core as usize].multiplier.median else { return };
        let (code, report) = run(core, seconds, Some(seen));
        let own = &report.cores[core as usize];
        let at_it = |scalar: bool| -> f64 {
            let at = own.evidence.iter().filter(|part| part.multiplier == Some(seen));
            let of_kind = at.filter(|part| match scalar {
                true => matches!(part.isa.as_str(), "scalar" | "x86-64"),
                false => part.isa.starts_with("avx"),
            });
            of_kind.map(|part| part.seconds).sum()
        };
        let least = if report.machine.avx2 { at_it(true).min(at_it(false)) } else { at_it(true) };
        assert_eq!(code == Some(0), least >= 2.0, "{own:?}");
        assert_eq!(own.verdict.name(), if code == Some(0) { "pass" } else { "not-proven" });
        if code == Some(0) {
            return;
        }
        last = report;
    }
}
