//! Tests of two runs compared.

use super::*;
use crate::{
    plan::Program,
    report::{EvidenceReport, KernelReport, tests::report},
};

/// A report of one core: verdict, multiplier, seconds, errors.
fn one(verdict: CoreVerdict, multiplier: u32, seconds: f64, findings: u64) -> Report {
    let mut report = report(1, |_| vec![]);
    let core = &mut report.cores[0];
    core.verdict = verdict;
    core.checked.cpu_s = seconds;
    core.checked.iterations = 1;
    let text = |text: &str| text.to_owned();
    core.evidence.push(EvidenceReport {
        multiplier: Some(multiplier),
        load: text("solo"),
        footprint: text("L2"),
        isa: text("avx2"),
        seconds,
        iterations: 1,
        operations: 1,
        findings,
        catches_every_s: None,
    });
    core.kernels.push(KernelReport {
        kernel: text("k"),
        variant: text("v"),
        iterations: 1,
        operations: 1,
        findings,
        cpu_s: seconds,
        kernel_s: 0.0,
        check_s: 0.0,
    });
    report
}

#[test]
fn a_change_is_told_only_where_the_evidence_tells_it() {
    use CoreVerdict::{Fail, NotProven, NotTested, Pass, Suspect};
    let pass = || one(Pass, 57, 3600.0, 0);
    for (a, b, change, why) in [
        (one(Fail, 60, 41.0, 7), pass(), Change::Better, "no error in 1 h any more, after 7 in 41 s"),
        (one(Fail, 60, 41.0, 1), one(Pass, 57, 41.0, 0), Change::Same, "too short to tell after 1 in 41 s"),
        (pass(), one(Fail, 57, 60.0, 1), Change::Worse, "errors, 1 in 1 min; none in 1 h before"),
        (one(Fail, 60, 100.0, 2), one(Fail, 60, 100.0, 40), Change::Worse, "errs oftener: 40 in 1.7 min errors"),
        (one(Fail, 60, 100.0, 40), one(Fail, 60, 100.0, 2), Change::Better, "errs more seldom"),
        (one(Fail, 60, 100.0, 2), one(Fail, 60, 100.0, 3), Change::Same, "no change"),
        (pass(), one(Pass, 60, 3600.0, 0), Change::Better, "no errors at 60x, nor at 57x before"),
        (one(Pass, 60, 3600.0, 0), pass(), Change::Worse, "no errors at 57x, nor at 60x before"),
        (pass(), one(Suspect, 57, 3600.0, 0), Change::Worse, "suspect, it passed before"),
        (one(NotProven, 57, 60.0, 0), pass(), Change::Same, "no errors: pass (1 h checked), not-proven (1 min"),
        (pass(), one(NotProven, 57, 60.0, 0), Change::Same, "no errors: not-proven (1 min checked), pass (1 h"),
        (one(Suspect, 57, 60.0, 0), pass(), Change::Better, "passes, it was suspect before"),
        (pass(), one(NotTested, 57, 0.0, 0), Change::Unknown, "only one of the two runs tested it"),
        (pass(), pass(), Change::Same, "no errors: pass"),
    ] {
        let comparison = Comparison::of(&a, &b);
        let core = &comparison.cores[0];
        assert_eq!(core.change, change, "{}", core.why);
        assert!(core.why.contains(why), "{}", core.why);
        assert_eq!(comparison.change, change);
    }
}

#[test]
fn less_evidence_is_told_and_is_nothing_worse() {
    use CoreVerdict::{Fail, NotProven, Pass};
    let (pass, unproven) = (|| one(Pass, 57, 3600.0, 0), || one(NotProven, 57, 60.0, 0));
    for (a, b, proven, word) in [
        (pass(), unproven(), Some(Proven::Less), "Less proven: C0."),
        (unproven(), pass(), Some(Proven::More), "More proven: C0."),
        (pass(), pass(), None, "could tell."),
        // Of these something else tells more.
        (one(Pass, 60, 60.0, 0), unproven(), None, "WORSE: C0."),
        (one(Fail, 57, 41.0, 1), unproven(), None, "could tell."),
    ] {
        let comparison = Comparison::of(&a, &b);
        assert_eq!(comparison.cores[0].proven, proven);
        assert!(comparison.summary.contains(word), "{}", comparison.summary);
    }
    let text = Comparison::of(&pass(), &unproven()).text();
    let want = "NO CHANGE that the evidence could tell. Less proven: C0.
 A  made-up  quick  pass
 B  made-up  quick  pass
  core  A          checked  errors  B           checked  errors  change
  C0    PASS @57x  1 h      0       NOT-PROVEN  1 min    0       less proven
 C0 less proven: no errors: not-proven (1 min checked), pass (1 h checked)
   before
";
    assert_eq!(text, want);
}

#[test]
fn a_program_and_our_own_work_are_not_compared() {
    let (own, mut program) = (one(CoreVerdict::Pass, 57, 60.0, 0), one(CoreVerdict::Fail, 57, 60.0, 3));
    program.profile = "exec".into();
    let comparison = Comparison::of(&own, &program);
    assert_eq!((comparison.change, comparison.cores[0].change), (Change::Unknown, Change::Unknown));
    let why = "A is oddcore's own work, B a program of the user's";
    assert_eq!((comparison.summary, comparison.cores[0].why.as_str()), (format!("NOT COMPARABLE: {why}."), why));
    assert_eq!(Comparison::of(&program, &program).change, Change::Same);
    let of = |script: &str, folder: &str| Program {
        argv: vec!["python3".into(), script.into()],
        folder: folder.into(),
        files: vec![],
        exit: 0,
    };
    let mut other = program.clone();
    (program.program, other.program) = (Some(of("a.py", "/here")), Some(of("a.py", "/there")));
    assert_eq!(Comparison::of(&program, &other).change, Change::Same);
    other.program = Some(of("b.py", "/here"));
    let comparison = Comparison::of(&program, &other);
    assert_eq!(comparison.change, Change::Unknown);
    assert_eq!(comparison.summary, "NOT COMPARABLE: A is of python3 a.py, B of python3 b.py.");
}

#[test]
fn cores_are_paired_by_name_and_what_is_not_alike_is_told() {
    let mut a = report(3, |_| vec![]);
    let mut b = report(2, |_| vec![]);
    b.machine.microcode = Some("0x12b".into());
    a.drill = true;
    a.cores[0].verdict = CoreVerdict::Fail;
    let comparison = Comparison::of(&a, &b);
    let names: Vec<&str> = comparison.cores.iter().map(|core| core.name.as_str()).collect();
    assert_eq!(names, ["C0", "C1", "C2"]);
    assert!(comparison.cores[2].b.is_none() && comparison.cores[2].change == Change::Unknown);
    for said in ["microcode differs: unknown, then 0x12b", "number of cores differs: 3, then 2", "A is a drill"] {
        assert!(comparison.differences.iter().any(|line| line.contains(said)), "{:?}", comparison.differences);
    }
}

#[test]
fn a_person_sees_both_runs_side_by_side() {
    let comparison = Comparison::of(&one(CoreVerdict::Fail, 60, 41.0, 7), &one(CoreVerdict::Pass, 57, 3600.0, 0));
    let want = "BETTER: C0. No core got worse.
 A  made-up  quick  pass
 B  made-up  quick  pass
  core  A     checked  errors  B          checked  errors  change
  C0    FAIL  41 s     7       PASS @57x  1 h      0       better
 C0 better: no error in 1 h any more, after 7 in 41 s
";
    assert_eq!(comparison.text(), want);
    let markdown = comparison.markdown();
    assert!(markdown.contains("| C0 | FAIL | 41 s | 7 | PASS @57x | 1 h | 0 | better: no error"), "{markdown}");
}
