//! Tests of the report as a person reads it.

use super::*;
use crate::verdict::{Interruption, LossReason, OpenStep};

#[test]
fn a_run_that_was_gone_on_with_claims_no_length_and_one_on_a_clock_set_back_no_negative_one() {
    let mut report = super::super::tests::report(1, |_| vec![]);
    assert!(sentence(&report).starts_with("NO ERRORS in 1:02: "), "{}", sentence(&report));
    report.ended = Some("2025-12-31T00:00:00Z".into());
    assert!(sentence(&report).starts_with("NO ERRORS in 0:00: "), "{}", sentence(&report));
    let (at, reason) = ("2026-01-01T00:00:30Z".to_owned(), LossReason::Interrupted);
    report.interruptions.push(Interruption { at, reason, why: None, load: None, kernel: None, cores: vec![] });
    assert!(sentence(&report).starts_with("NO ERRORS in 2 sessions: "), "{}", sentence(&report));
}

#[test]
fn the_headline_says_how_long_each_core_was_checked() {
    let mut report = super::super::tests::report(3, |_| vec![]);
    let lead = "NO ERRORS in 1:02: every core tested computed correctly.";
    for (seconds, said) in [
        ([0.0, 0.0, 0.0], ""),
        ([12.0, 0.0, 0.0], " Checked: 12 s of it."),
        ([45.0, 45.2, 0.0], " Checked: 45 s of each."),
        ([12.0, 40.0, 45.0], " Checked: at least 12 s of each."),
    ] {
        for (core, seconds) in report.cores.iter_mut().zip(seconds) {
            (core.checked.cpu_s, core.checked.iterations) = (seconds, u64::from(seconds > 0.0));
        }
        assert_eq!(sentence(&report), format!("{lead}{said}"));
    }
}

#[test]
fn a_guessed_top_that_no_work_reached_is_told_as_a_guess() {
    let mut report = super::super::tests::report(4, |_| vec![]);
    for (n, core) in report.cores.iter_mut().enumerate() {
        let seen = if n == 3 { 60 } else { 57 };
        core.multiplier.top = Some(60);
        core.multiplier.top_known = Some(false);
        core.checked.iterations = 1;
        core.evidence.push(crate::report::EvidenceReport {
            multiplier: Some(seen),
            load: "solo".into(),
            footprint: "L3".into(),
            isa: "avx2".into(),
            seconds: 1.0,
            iterations: 1,
            operations: 1,
            findings: 0,
            catches_every_s: None,
        });
    }
    // Asked for, and judged elsewhere.
    report.cores[2].multiplier.expected = Some(60);
    assert_eq!(untested_tops(&report), " C0 C1: 60x untested (a guess): at most 57x seen\n");
    assert_eq!(sentence(&report), "NO ERRORS in 1:02. C0 C1 were never tested at their 60x.", "it changes no verdict");
    report.cores.truncate(2);
    report.cores[1].multiplier.top = Some(58);
    assert_eq!(sentence(&report), "NO ERRORS in 1:02. No core was tested at its top.");
}

/// A core of a made-up report: its name, top, the multipliers of scalar and AVX2 work, errors.
fn shape(report: &mut Report, core: usize, (short, top): (&str, u32), tested: [u32; 2], findings: u64) {
    report.machine.cores[core].short = short.into();
    report.machine.cores[core].label = format!("{short} (CPU {core})");
    let own = &mut report.cores[core];
    own.label = format!("{short} (CPU {core})");
    (own.multiplier.top, own.multiplier.top_known) = (Some(top), Some(false));
    (own.checked.iterations, own.checked.operations) = (2113, 9_100_000_000);
    own.checked.cpu_s = 40.0;
    own.clock_mhz = Some(crate::report::Spread { min: 5700, median: 6000, max: 6000 });
    for (isa, multiplier) in ["scalar", "avx2"].into_iter().zip(tested) {
        own.evidence.push(crate::report::EvidenceReport {
            multiplier: Some(multiplier),
            load: "solo".into(),
            footprint: "L2".into(),
            isa: isa.into(),
            seconds: 20.0,
            iterations: 1,
            operations: 1,
            findings,
            catches_every_s: None,
        });
    }
    if findings > 0 {
        own.verdict = CoreVerdict::Fail;
        own.kernels.push(crate::report::KernelReport {
            kernel: "webui-upscale".into(),
            variant: "avx2".into(),
            iterations: 1,
            operations: 1,
            findings,
            cpu_s: 1.0,
            kernel_s: 1.0,
            check_s: 0.0,
        });
    }
}

#[test]
fn the_screen_of_a_sound_run_is_that_aimed_at() {
    let mut report = super::super::tests::report(2, |_| vec![]);
    shape(&mut report, 0, ("P4", 60), [60, 60], 0);
    shape(&mut report, 1, ("P5", 60), [58, 57], 0);
    report.advice.push("Too short to validate. Tonight: oddcore run --profile overnight".into());
    let want = "NO ERRORS in 1:02. P5 was never tested at its 60x.
  core  CPUs  set  tested (scalar/AVX2)  time  checks  errors  verdict
  P4    0     60x  60x / 60x             40 s  9.1 G   0       PASS @60x
  P5    1     60x  58x / 57x             40 s  9.1 G   0       PASS @57x
 P5: 60x untested (a guess): at most 58x seen

Too short to validate. Tonight: oddcore run --profile overnight
";
    assert_eq!(render(&report), want);
}

#[test]
fn the_screen_of_a_failed_run_is_that_aimed_at() {
    let mut report = super::super::tests::report(2, |_| vec![]);
    shape(&mut report, 0, ("P4", 60), [60, 60], 7);
    shape(&mut report, 1, ("P5", 60), [60, 60], 0);
    report.exit_code = 1;
    report.machine.os = "Linux".into();
    report.advice.push("Set P4 60x -> 57x (as others of its kind have), then: oddcore run --cores P4 --for 1h".into());
    report.findings.push(Finding {
        multiplier: Some(60),
        kernel: Some("webui-upscale".into()),
        stage: Some("getdata".into()),
        load: "gpu-wait".into(),
        seed: Some(crate::verdict::Hex(0x1234_5678_9abc_def0)),
        cpu: Some(0),
        ..crate::verdict::finding::tests::finding(0, Class::Miscompute)
    });
    let want = "FAIL: P4 computes wrongly at 60x: 7 errors. No other core failed.
  core  CPUs  set  tested (scalar/AVX2)  time  checks  errors  verdict
  P4    0     60x  60x / 60x             40 s  9.1 G   7       FAIL
  P5    1     60x  60x / 60x             40 s  9.1 G   0       PASS @60x

 P4 (CPU 0): miscompute in webui-upscale/avx2/getdata, gpu-wait load, 60x, 1.0 s
     in
   again: taskset -c 0 oddcore kernel webui-upscale \\
       --seed 0x123456789abcdef0 --variant avx2
Do: Set P4 60x -> 57x (as others of its kind have), then: oddcore run --cores P4
  --for 1h
";
    assert_eq!(render(&report), want);
    for (class, did) in
        [(Class::Crash, "P4 crashes at 60x"), (Class::Hang, "P4 hangs"), (Class::LostToReset, "takes the")]
    {
        report.findings[0].class = class;
        assert!(sentence(&report).contains(did), "{}", sentence(&report));
    }
}

#[test]
fn heat_is_told_where_it_was_read() {
    let mut report = super::super::tests::report(3, |_| vec![]);
    assert_eq!(heat(&report), "");
    for (load, celsius) in [("solo", 88.4), ("together", 97.0)] {
        report.hottest.push(crate::report::Hottest { load: load.into(), celsius });
    }
    [Some(12), Some(0), None].into_iter().zip(&mut report.cores).for_each(|(count, core)| core.throttled = count);
    assert_eq!(heat(&report), " hottest: 88 °C solo, 97 °C together; throttled: C0 12 times\n");
}

#[test]
fn voltage_and_power_are_told_where_they_were_sampled() {
    let mut report = super::super::tests::report(2, |_| vec![]);
    assert_eq!(sensors(&report), "");
    let mut add = |sensor: &str, package, unit: &str, min, median, max| {
        let (sensor, unit, samples) = (sensor.into(), unit.into(), 9);
        report.sensors.push(SensorReport { sensor, package, unit, min, median, max, samples });
    };
    add("core voltage", None, "V", 1.188, 1.32, 1.412);
    add("package power", Some(0), "W", 35.0, 187.0, 253.0);
    let said = " core voltage 1.19 to 1.41 V, 1.32 V median; package power 35 to 253 W, 187 W\n   median\n";
    assert_eq!(sensors(&report), said);
}

#[test]
fn cores_that_missed_their_multiplier_are_named() {
    let mut report = super::super::tests::report(4, |_| vec![]);
    report.exit_code = 3;
    for core in &mut report.cores[1..] {
        core.verdict = CoreVerdict::NotProven;
        core.reason = Some("never reached 60x: at most 58x".into());
    }
    let said = "NOT PROVEN: C1-C3 missed the multiplier expected of them; no errors.";
    assert_eq!(sentence(&report), said);
    assert_eq!(reasons(&report), " C1 C2 C3 not-proven: never reached 60x: at most 58x\n");
}

#[test]
fn what_was_expected_has_its_own_heading_and_is_said_where_it_was_met() {
    let mut report = super::super::tests::report(3, |_| vec![]);
    shape(&mut report, 0, ("P4", 60), [60, 60], 0);
    shape(&mut report, 1, ("P5", 60), [60, 60], 0);
    shape(&mut report, 2, ("P6", 57), [57, 57], 0);
    report.cores.iter_mut().for_each(|core| core.multiplier.expected = Some(60));
    report.cores[1].evidence[0].seconds = 7.5;
    report.cores[2].verdict = CoreVerdict::NotProven;
    report.cores[2].reason = Some("never reached 60x: at most 57x".into());
    let table = "  core  CPUs  expect  tested (scalar/AVX2)  time  checks  errors  verdict
  P4    0     60x     60x / 60x             40 s  9.1 G   0       PASS @60x
  P5    1     60x     60x / 60x             40 s  9.1 G   0       PASS @60x
  P6    2     60x     57x / 57x             40 s  9.1 G   0       NOT-PROVEN
";
    assert_eq!(super::table(&report), table);
    let said = " P6 not-proven: never reached 60x: at most 57x
 P4 P5 as expected: 60x, each by 7.5 s of scalar work and 20 s of AVX2 work
";
    assert_eq!(reasons(&report), said);
    // A top that is known for sure is expected by nobody's asking.
    for core in &mut report.cores {
        (core.multiplier.expected, core.multiplier.top_known) = (core.multiplier.top, Some(true));
    }
    assert!(super::table(&report).starts_with("  core  CPUs  set  tested"), "{}", super::table(&report));
}

#[test]
fn a_pass_at_a_multiplier_that_little_was_checked_at_says_how_little() {
    let mut report = super::super::tests::report(4, |_| vec![]);
    shape(&mut report, 0, ("P4", 60), [60, 60], 0);
    shape(&mut report, 1, ("P5", 60), [60, 60], 0);
    shape(&mut report, 2, ("P6", 60), [58, 57], 0);
    shape(&mut report, 3, ("P7", 60), [57, 57], 0);
    // Most of their time was spent lower down; of the third core all was at 57x or above, of the fourth nine tenths.
    for (core, seconds) in [(0, 400.0), (1, 500.0)] {
        let lower = crate::report::tests::evidence(&[(55, "avx2", seconds)]);
        report.cores[core].evidence.extend(lower);
    }
    report.cores[1].evidence[0].seconds = 10.0;
    report.cores[3].evidence.extend(crate::report::tests::evidence(&[(55, "avx2", 4.0)]));
    assert_eq!(reasons(&report), " P4 P5: 60x or above for at least 30 s each, below it for the rest\n");
    // Any work counts, also such as is neither scalar nor AVX2.
    report.cores[3].evidence.extend(crate::report::tests::evidence(&[(55, "sha-ni", 1.0)]));
    assert!(reasons(&report).ends_with(" P7: 57x or above for 40 s, below it for the rest\n"), "{}", reasons(&report));
    // What was expected of a core says its times itself, and a core that fails has other things to say.
    report.cores[0].multiplier.expected = Some(60);
    report.cores[1].verdict = CoreVerdict::Fail;
    assert!(!reasons(&report).contains("60x or above"), "{}", reasons(&report));
}

#[test]
fn a_core_that_was_given_up_after_it_had_passed_is_told_of() {
    let mut report = super::super::tests::report(2, |_| vec![]);
    assert_eq!(reasons(&report), "");
    report.cores[1].reason = Some("its CPU went away; given up".into());
    assert!(reasons(&report).contains("pass: its CPU went away; given up"), "{}", reasons(&report));
}

#[test]
fn breaks_and_the_open_step_are_told() {
    let mut report = super::super::tests::report(2, |_| vec![]);
    assert_eq!(breaks(&report), "");
    let (at, reason) = ("2026-01-01T00:00:30Z".to_owned(), LossReason::LostToReset);
    let (why, load, kernel) = (Some("it froze".to_owned()), Some("solo".to_owned()), Some("gemm-f32".to_owned()));
    report.interruptions.push(Interruption { at: at.clone(), reason, why, load, kernel, cores: vec![1] });
    let reason = LossReason::Interrupted;
    report.interruptions.push(Interruption { at, reason, why: None, load: None, kernel: None, cores: vec![] });
    report.open_step = Some(OpenStep { load: "together".into(), kernel: None, cores: vec![0, 1] });
    let said = "2026-01-01T00:00:30Z lost-to-reset: solo load, gemm-f32, on C1: it froze
2026-01-01T00:00:30Z interrupted
not ended: together load, on C0 C1
";
    assert_eq!(breaks(&report), said);
    assert!(render(&report).contains(said));
}
