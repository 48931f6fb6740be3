//! Whether a core was tested at the multiplier that is expected of it.
//!
//! Architecture invariant: evidence is never pooled over multipliers, and what was done at an unmeasured clock proves none.

use std::{collections::BTreeSet, fmt};

use super::{Outcome, duration};
use crate::{
    machine::Source,
    plan::{Plan, Work},
};

const NS: f64 = 1e-9;
/// Checked time that proves a multiplier, of each kind of work.
const PROVEN_S: f64 = 60.0;
/// The same of the quick profile, which validates nothing.
const PROVEN_QUICK_S: f64 = 2.0;
/// Multipliers named one by one.
const NAMED: usize = 4;

/// An expectation that was missed, and by how much.
#[derive(Clone, Debug, PartialEq)]
pub struct Missed {
    /// The multiplier.
    pub multiplier: u32,
    /// Where the clock was measured: all multipliers that were tested.
    seen: BTreeSet<u32>,
    /// Checked seconds at the multiplier, of each kind of work that is wanted.
    done: Vec<(Work, f64)>,
    wanted_s: f64,
    /// Where it is known from, if nobody asked for it.
    known_by: Option<Source>,
}

/// The multiplier that is expected of a core, and who knows it if nobody asked for it.
fn expectation(outcome: &Outcome, core: u32) -> Option<(u32, Option<Source>)> {
    let run = outcome.run.as_ref()?;
    if let Plan::Asked(request) = &run.plan
        && let Some(expected) = request.expect.iter().find(|expected| expected.core == core)
    {
        return Some((expected.multiplier, None));
    }
    let top = run.machine.cores.iter().find(|known| known.core == core)?.top_mhz.filter(|top| top.known)?;
    (!run.drill).then(|| (run.machine.multiplier(top.mhz), Some(top.source)))
}

/// The multiplier that is expected of a core: asked for, or its top where that is known for sure.
pub fn expected_of(outcome: &Outcome, core: u32) -> Option<u32> {
    expectation(outcome, core).map(|(multiplier, _)| multiplier)
}

/// Checked time of each kind of work that proves a multiplier in a run of that profile, in seconds.
pub fn proven_s(profile: &str) -> f64 {
    if profile == "quick" { PROVEN_QUICK_S } else { PROVEN_S }
}

/// How a core missed what is expected of it; `None` if it did not, or nothing is.
pub fn missed(outcome: &Outcome, core: u32) -> Option<Missed> {
    let (multiplier, known_by) = expectation(outcome, core)?;
    let run = outcome.run.as_ref()?;
    let wanted_s = proven_s(&run.profile);
    let wanted = if run.machine.avx2 { &[Work::Scalar, Work::Vector][..] } else { &[Work::Scalar] };
    let evidence = || outcome.cores.get(&core).into_iter().flat_map(|own| &own.evidence);
    let done_s = |work: Work| {
        // The multiplier of evidence is rounded: the same number means within half a step.
        let at = evidence().filter(|(key, _)| key.multiplier == Some(multiplier) && Work::of(&key.isa) == Some(work));
        at.map(|(_, part)| part.cpu_ns).fold(0, u64::saturating_add) as f64 * NS
    };
    let done: Vec<(Work, f64)> = wanted.iter().map(|&work| (work, done_s(work))).collect();
    if done.iter().all(|&(_, seconds)| seconds >= wanted_s) {
        return None;
    }
    let seen = evidence().filter(|(_, part)| part.iterations > 0).filter_map(|(key, _)| key.multiplier).collect();
    Some(Missed { multiplier, seen, done, wanted_s, known_by })
}

impl Missed {
    /// Whether the multiplier was never tested at all, rather than for too short a time.
    pub fn never(&self) -> bool {
        !self.seen.contains(&self.multiplier)
    }
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.multiplier;
        match (self.seen.first(), self.seen.last()) {
            _ if !self.never() => {
                let done = self.done.iter().map(|(work, s)| match *s {
                    0.0 => format!("no {} work", work.name()),
                    s => format!("{} of {} work", duration(s), work.name()),
                });
                let done: Vec<String> = done.collect();
                write!(f, "too little at {at}x: {}; {} of each would do", done.join(", "), duration(self.wanted_s))?;
            }
            (Some(_), Some(&highest)) if highest < at => write!(f, "never reached {at}x: at most {highest}x")?,
            (Some(lowest), Some(highest)) if self.seen.len() > NAMED => {
                write!(f, "never tested at {at}x, but between {lowest}x and {highest}x")?;
            }
            (Some(_), Some(_)) => {
                let seen: Vec<String> = self.seen.iter().map(|multiplier| format!("{multiplier}x")).collect();
                write!(f, "never tested at {at}x, but at {}", seen.join(", "))?;
            }
            _ => write!(f, "{at}x is not proven: its clock could not be measured")?,
        }
        match self.known_by {
            Some(source) => write!(f, " (its top by its {})", source.name()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::record::{Evidence, EvidenceKey, NotTested, Record, RunStarted},
        machine::{RatedClock, Root, read},
        plan::{Expected, Load, Morning, PRE_PASS, Request, Step},
        verdict::{Class, CoreVerdict, Hex, finding::tests::finding},
    };

    /// A run on two cores, of which the first is expected at 60x.
    fn run(profile: &str, expect: Vec<Expected>) -> RunStarted {
        let nothing = tempfile::tempdir().expect("a folder");
        let machine = read(&Root::at(nothing.path()), &[0, 1]).expect("a machine");
        let (cores, seed) = (vec![0, 1], Hex(1));
        let request = Request {
            cores: cores.clone(),
            kernels: vec!["gemm-f32".into()],
            loads: Load::ALL.to_vec(),
            seconds: 60.0,
            seed,
            until_s: None,
            expect,
            tune: None,
        };
        RunStarted {
            journal: 2,
            version: "0".into(),
            run: "made-up".into(),
            profile: profile.into(),
            seed,
            drill: false,
            started: "2026-01-01T00:00:00Z".into(),
            machine,
            cores,
            not_tested: NotTested::new(),
            images: vec![],
            beside: None,
            priority: crate::platform::Priority::Normal,
            morning: Morning::default(),
            plan: Plan::Asked(request),
        }
    }

    fn at_60() -> Vec<Expected> {
        vec![Expected { core: 0, multiplier: 60 }]
    }

    /// Checked work of core 0; core 1 has some as well, so that it passes.
    fn work(multiplier: Option<u32>, isa: &str, seconds: f64) -> Record {
        let key = EvidenceKey {
            multiplier,
            load: "solo".into(),
            kernel: "gemm-f32".into(),
            variant: isa.into(),
            isa: isa.into(),
            footprint: "L3".into(),
        };
        let part = Evidence { iterations: 1, cpu_ns: (seconds * 1e9) as u64, ..Evidence::default() };
        Record::Evidence { core: 0, parts: vec![(key, part)], clocks: vec![] }
    }

    fn outcome(run: RunStarted, work_done: &[Record]) -> Outcome {
        let mut records = vec![Record::RunStarted(Box::new(run))];
        let Record::Evidence { parts, .. } = work(Some(57), "scalar", 1.0) else { unreachable!() };
        records.push(Record::Evidence { core: 1, parts, clocks: vec![] });
        records.extend(work_done.iter().cloned());
        records.push(Record::RunEnded { at: "2026-01-01T00:01:00Z".into() });
        Outcome::of(&records)
    }

    #[test]
    fn what_others_took_of_steps_without_a_pause_is_known_but_not_of_cores_that_err() {
        let began = |step: u32, load: &str, cores: &[u32]| {
            let (load, cores) = (load.to_owned(), cores.to_vec());
            Record::StepStarted(Step { step, load, cores, seconds: 10.0, ..Step::default() })
        };
        let step = |step, load: &str, cores: &[u32]| [began(step, load, cores), Record::StepEnded { step }];
        // Core 1 has done a second besides.
        let mut records = step(0, "solo", &[0]).to_vec();
        records.extend(step(1, "bursts", &[0, 1]));
        records.push(work(Some(57), "avx2", 4.0));
        let share = |records: &[Record]| outcome(run("night", vec![]), records).steady_share();
        assert_eq!(share(&records), Some(0.5), "5 s of 10: a load that waits is no step of those");
        records.push(began(2, "solo", &[1]));
        assert_eq!(share(&records), Some(0.5), "it has not ended");
        records.extend([Record::StepEnded { step: 2 }]);
        assert_eq!(share(&records), Some(0.25), "5 s of 20");
        records.push(Record::Finding(Box::new(finding(0, Class::Hang))));
        assert_eq!(share(&records), Some(0.1), "core 0 may have kept itself from it");
        assert_eq!(share(&[]), None);
    }

    fn said(outcome: &Outcome) -> String {
        missed(outcome, 0).map_or_else(String::new, |missed| missed.to_string())
    }

    #[test]
    fn a_multiplier_is_proven_by_a_minute_of_scalar_and_of_vector_work_at_it() {
        let enough = [work(Some(60), "scalar", 60.0), work(Some(60), "avx2", 40.0), work(Some(60), "avx-vnni", 20.0)];
        let proven = outcome(run("night", at_60()), &enough);
        assert_eq!((proven.verdict_of(0), proven.exit_code()), (CoreVerdict::Pass, 0));
        for (done, why) in [
            (vec![], ""),
            (vec![work(Some(58), "avx2", 600.0), work(Some(57), "scalar", 600.0)], "never reached 60x: at most 58x"),
            (
                vec![work(Some(58), "avx2", 600.0), work(Some(61), "scalar", 9.0)],
                "never tested at 60x, but at 58x, 61x",
            ),
            (
                (55..60).chain([61]).map(|at| work(Some(at), "avx2", 60.0)).collect(),
                "never tested at 60x, but between 55x and 61x",
            ),
            (vec![work(None, "avx2", 600.0)], "60x is not proven: its clock could not be measured"),
            (
                vec![work(Some(60), "scalar", 59.0), work(Some(60), "avx2", 600.0), work(Some(59), "scalar", 600.0)],
                "too little at 60x: 59 s of scalar work, 10 min of AVX2 work; 1 min of each would do",
            ),
            // SSE is neither, general registers are scalar.
            (
                vec![work(Some(60), "x86-64", 90.0), work(Some(60), "sse4.1", 600.0)],
                "too little at 60x: 1.5 min of scalar work, no AVX2 work; 1 min of each would do",
            ),
        ] {
            let missed = outcome(run("night", at_60()), &done);
            let verdict = if done.is_empty() { CoreVerdict::NotTested } else { CoreVerdict::NotProven };
            assert_eq!((missed.verdict_of(0), missed.exit_code()), (verdict, 3), "{why}");
            assert_eq!(missed.verdict_of(1), CoreVerdict::Pass, "nothing is expected of it");
            if !done.is_empty() {
                assert_eq!(said(&missed), why);
            }
        }
    }

    #[test]
    fn two_seconds_are_enough_for_the_quick_profile() {
        let done = [work(Some(60), "scalar", 2.0), work(Some(60), "avx512", 2.0)];
        assert_eq!(outcome(run("quick", at_60()), &done).exit_code(), 0);
        assert_eq!(outcome(run("night", at_60()), &done).exit_code(), 3);
        // A CPU without AVX2 cannot be asked for it.
        let mut run = run("quick", at_60());
        run.machine.avx2 = false;
        assert_eq!(outcome(run, &done[..1]).exit_code(), 0);
    }

    #[test]
    fn the_pre_pass_alone_proves_nothing() {
        let Record::Evidence { mut parts, .. } = work(Some(60), "avx2", 900.0) else { unreachable!() };
        parts[0].0.load = PRE_PASS.into();
        let mut only_fit = outcome(run("night", vec![]), &[Record::Evidence { core: 0, parts, clocks: vec![] }]);
        assert_eq!((only_fit.verdict_of(0), only_fit.exit_code()), (CoreVerdict::NotTested, 3));
        let report = crate::report::Report::of(&only_fit).expect("a report");
        assert!(report.cores[0].reason.as_ref().is_some_and(|why| why.starts_with("too little evidence to say")));
        only_fit.apply(&work(Some(60), "avx2", 1.0));
        assert_eq!((only_fit.verdict_of(0), only_fit.exit_code()), (CoreVerdict::Pass, 0));
    }

    #[test]
    fn what_failed_or_is_suspect_is_not_merely_unproven() {
        let below = work(Some(58), "avx2", 600.0);
        let failed = Record::Finding(Box::new(finding(0, Class::Miscompute)));
        let outcome_of = |more: Record| outcome(run("night", at_60()), &[below.clone(), more]);
        let fails = outcome_of(failed);
        assert_eq!((fails.verdict_of(0), fails.exit_code()), (CoreVerdict::Fail, 1));
        let suspect = outcome_of(Record::Suspicion { core: 0, why: "a reason".into() });
        assert_eq!((suspect.verdict_of(0), suspect.exit_code()), (CoreVerdict::Suspect, 3));
    }

    #[test]
    fn a_guessed_top_changes_no_verdict_and_a_known_one_does() {
        let done = [work(Some(58), "avx2", 600.0), work(Some(58), "scalar", 600.0)];
        for (known, drill, source, verdict, why) in [
            (false, false, Source::CpuinfoMaxFreq, CoreVerdict::Pass, ""),
            (
                true,
                false,
                Source::TurboRatioLimits,
                CoreVerdict::NotProven,
                "never reached 60x: at most 58x (its top by its turbo ratio limits)",
            ),
            (true, true, Source::TurboRatioLimits, CoreVerdict::Pass, ""),
        ] {
            let mut run = run("night", vec![]);
            run.machine.cores[0].top_mhz = Some(RatedClock { mhz: 6000.0, known, source });
            run.drill = drill;
            let outcome = outcome(run, &done);
            assert_eq!((outcome.verdict_of(0), said(&outcome).as_str()), (verdict, why));
        }
    }
}
