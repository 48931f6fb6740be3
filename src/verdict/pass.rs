//! What a pass means: how rare a fault the work done would have caught, never pooled over multipliers.
//!
//! Architecture invariant: a pass states its evidence. `docs/METHOD.md` derives the numbers and says what they assume.

use std::{cmp::Reverse, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use super::{
    Class, Finding, Outcome,
    poisson::{interval_95, upper_95},
};
use crate::journal::record::Evidence;

const NS: f64 = 1e-9;

/// What the work of one core at one multiplier under one load says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pass {
    /// Null where the clock could not be measured.
    pub multiplier: Option<u32>,
    /// The load.
    pub load: String,
    /// Checked CPU time.
    pub seconds: f64,
    /// Checked operations.
    pub operations: u64,
    /// Errors seen.
    pub findings: u64,
    /// The longest mean time between errors that this would have caught with 95 % confidence, in seconds.
    pub catches_every_s: Option<f64>,
    /// All of it for people.
    pub sentence: String,
}

/// The passes of a core, its highest multiplier first, an unmeasured clock last.
pub fn passes(outcome: &Outcome, core: u32) -> Vec<Pass> {
    let sums = sums(outcome, core, |_| true);
    let mut passes: Vec<Pass> =
        sums.into_iter().map(|((multiplier, load), sum)| pass(multiplier, load, &sum)).collect();
    passes.sort_by_key(|pass| Reverse(pass.multiplier));
    passes
}

/// The rarest fault that the work of `core` under `load` would have caught with 95 % confidence, as the mean seconds
/// between two errors: the best of its multipliers, which are not pooled. A core is cleared of "every 10 min or oftener" once
/// this is 600 or more.
pub fn catches(outcome: &Outcome, core: u32, load: &str) -> Option<f64> {
    let sums = sums(outcome, core, |other| other == load);
    sums.values().filter_map(|sum| catches_every_s(sum.cpu_ns as f64 * NS, sum.findings)).max_by(f64::total_cmp)
}

/// The longest mean time between errors, in seconds, that `seconds` of checked work with `findings` errors would have
/// caught with 95 % confidence if errors come independently: time over the upper limit of a Poisson mean.
pub fn catches_every_s(seconds: f64, findings: u64) -> Option<f64> {
    (seconds > 0.0).then(|| seconds / upper_95(findings))
}

/// Errors of a core: those that its blocks counted, and those that only the supervisor could see. At least its findings: a
/// worker may die before it tells of the block in which it found one.
pub fn errors_of(outcome: &Outcome, core: u32) -> u64 {
    let in_blocks: u64 = outcome.cores.get(&core).map_or(0, |own| own.total().findings);
    let beside = beside_blocks(outcome, core).count() as u64;
    let counted = outcome.counted.iter().filter(|((c, _, class), _)| *c == core && ends_a_worker(*class));
    let sum = counted.map(|(_, &count)| count).fold(in_blocks.saturating_add(beside), u64::saturating_add);
    sum.max(outcome.findings.iter().filter(|finding| finding.core == Some(core)).count() as u64)
}

/// The sentence of one pass.
pub fn sentence(multiplier: Option<u32>, load: &str, seconds: f64, findings: u64) -> String {
    let at = multiplier.map_or_else(|| "At an unmeasured clock".to_owned(), |multiplier| format!("At {multiplier}x"));
    let errors = if findings == 1 { "error" } else { "errors" };
    match (catches_every_s(seconds, findings), findings) {
        (Some(every), 0) => format!(
            "{at}, {load}: would have caught (95 %) a fault recurring every {} or oftener of this work, if errors come \
             independently.",
            duration(every)
        ),
        (Some(_), n) => {
            let (low, high) = interval_95(n);
            let [mean, least, most] = [n as f64, high, low].map(|events| duration(seconds / events));
            format!(
                "{at}, {load}: {n} {errors} in {}: one every {mean} (95 %: {least} to {most}, if errors come \
                 independently).",
                duration(seconds)
            )
        }
        (None, 0) => format!("{at}, {load}: nothing was checked."),
        (None, n) => format!("{at}, {load}: {n} {errors}, with no checked time to set against."),
    }
}

/// A length of time for people, to two or three digits: `430 ms`, `5.9 s`, `6.7 min`, `8 h`, `3.1 days`.
pub fn duration(seconds: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(2.0 * 86_400.0, "days"), (3600.0, "h"), (60.0, "min"), (1.0, "s")];
    let unit = |from: f64| if from > 86_400.0 { 86_400.0 } else { from };
    let (value, name) = UNITS
        .into_iter()
        .find(|&(from, _)| seconds >= from)
        .map_or((seconds * 1e3, "ms"), |(from, name)| (seconds / unit(from), name));
    let text = if value < 19.95 { format!("{value:.1}") } else { format!("{value:.0}") };
    match text.strip_suffix(".0").unwrap_or(&text) {
        "0" => "less than 0.1 ms".to_owned(),
        number => format!("{number} {name}"),
    }
}

fn pass(multiplier: Option<u32>, load: String, sum: &Evidence) -> Pass {
    let seconds = sum.cpu_ns as f64 * NS;
    Pass {
        multiplier,
        sentence: sentence(multiplier, &load, seconds, sum.findings),
        load,
        seconds,
        operations: sum.operations,
        findings: sum.findings,
        catches_every_s: catches_every_s(seconds, sum.findings),
    }
}

/// Work and errors of a core by multiplier and load, over kernels, instruction sets and footprints.
pub(super) fn sums(
    outcome: &Outcome,
    core: u32,
    wanted: impl Fn(&str) -> bool,
) -> BTreeMap<(Option<u32>, String), Evidence> {
    let mut sums: BTreeMap<(Option<u32>, String), Evidence> = BTreeMap::new();
    for (key, part) in outcome.cores.get(&core).iter().flat_map(|own| &own.evidence) {
        if wanted(&key.load) {
            sums.entry((key.multiplier, key.load.clone())).or_default().add(part);
        }
    }
    for finding in beside_blocks(outcome, core).filter(|finding| wanted(&finding.load)) {
        let sum = sums.entry((finding.multiplier, finding.load.clone())).or_default();
        sum.findings = sum.findings.saturating_add(1);
    }
    sums
}

/// Findings of `core`, or of which it is a suspect, that no block of work counted in its evidence: ends of workers, votes.
pub fn beside_blocks(outcome: &Outcome, core: u32) -> impl Iterator<Item = &Finding> {
    outcome.findings.iter().filter(move |finding| is_of(finding, core) && !in_a_block(finding))
}

fn is_of(finding: &Finding, core: u32) -> bool {
    finding.core == Some(core) || finding.core.is_none() && finding.suspects.contains(&core)
}

/// Whether a block of work saw it, which then counted it in its evidence. A dead worker's is not there, nor are votes.
pub(super) fn in_a_block(finding: &Finding) -> bool {
    finding.iteration.is_some() && !ends_a_worker(finding.class)
}

pub(super) fn ends_a_worker(class: Class) -> bool {
    matches!(class, Class::Crash | Class::Hang | Class::MachineCheck | Class::LostToReset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::{Record, record::EvidenceKey},
        verdict::finding::tests::finding,
    };

    fn evidence(multiplier: u32, load: &str, kernel: &str, seconds: u64, findings: u64) -> Record {
        let key = EvidenceKey {
            multiplier: Some(multiplier),
            load: load.into(),
            kernel: kernel.into(),
            variant: "avx2".into(),
            isa: "avx2".into(),
            footprint: "L2".into(),
        };
        let cpu_ns = seconds * 1_000_000_000;
        let part = Evidence { iterations: 1, operations: 1_000 * seconds, findings, cpu_ns, ..Evidence::default() };
        Record::Evidence { core: 0, parts: vec![(key, part)], clocks: vec![] }
    }

    #[test]
    fn the_sentences_are_those_of_the_design() {
        assert_eq!(
            sentence(Some(60), "solo", 1200.0, 0),
            "At 60x, solo: would have caught (95 %) a fault recurring every 6.7 min or oftener of this work, if errors \
             come independently."
        );
        assert_eq!(
            sentence(Some(60), "solo", 41.0, 7),
            "At 60x, solo: 7 errors in 41 s: one every 5.9 s (95 %: 2.8 s to 14.6 s, if errors come independently)."
        );
        assert_eq!(
            sentence(None, "solo", 0.0, 1),
            "At an unmeasured clock, solo: 1 error, with no checked time to set against."
        );
    }

    #[test]
    fn durations_are_for_people() {
        for (seconds, text) in [
            (0.000_01, "less than 0.1 ms"),
            (0.000_43, "0.4 ms"),
            (0.43, "430 ms"),
            (5.86, "5.9 s"),
            (41.2, "41 s"),
            (60.0, "1 min"),
            (400.6, "6.7 min"),
            (28_800.0, "8 h"),
            (86_400.0, "24 h"),
            (268_000.0, "3.1 days"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn kernels_are_pooled_and_multipliers_are_not() {
        let records = [
            evidence(57, "solo", "gemm-f32", 600, 0),
            evidence(57, "solo", "gemm-u8s8-i32", 600, 0),
            evidence(60, "solo", "gemm-f32", 300, 0),
            evidence(60, "together", "gemm-f32", 100, 2),
        ];
        let mut outcome = Outcome::of(&records);
        let shown = |outcome: &Outcome| -> Vec<(Option<u32>, String, f64, u64)> {
            passes(outcome, 0).into_iter().map(|p| (p.multiplier, p.load, p.seconds, p.findings)).collect()
        };
        let text = |text: &str| text.to_owned();
        let as_counted = vec![
            (Some(60), text("solo"), 300.0, 0),
            (Some(60), text("together"), 100.0, 2),
            (Some(57), text("solo"), 1200.0, 0),
        ];
        assert_eq!(shown(&outcome), as_counted);
        // The best multiplier, not the sum: 1200 s, not 1500 s.
        assert_eq!(catches(&outcome, 0, "solo"), Some(1200.0 / upper_95(0)));
        assert_eq!(catches(&outcome, 0, "together"), Some(100.0 / upper_95(2)));
        assert_eq!((catches(&outcome, 0, "bursts"), catches(&outcome, 1, "solo")), (None, None));
        assert_eq!(catches_every_s(0.0, 0), None);

        // A mismatch is in its block's evidence already; a crash, whose clock nobody read, is not.
        outcome.apply(&Record::Finding(Box::new(finding(0, Class::Miscompute))));
        assert_eq!((shown(&outcome), errors_of(&outcome, 0)), (as_counted.clone(), 2));
        outcome.apply(&Record::Finding(Box::new(finding(0, Class::Crash))));
        let with_crash: Vec<_> = as_counted.into_iter().chain([(None, text("solo"), 0.0, 1)]).collect();
        assert_eq!((shown(&outcome), errors_of(&outcome, 0)), (with_crash, 3));
    }
}
