//! What the findings of a core have in common: how often, in which bits and lanes, on what they depend. Pure over the outcome.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Finding, Outcome,
    cause::{Case, Cause, SIGNIFICANT},
    pass::{duration, errors_of, sums},
    poisson::{interval_95, p_same_rate},
};
use crate::{journal::record::Evidence, plan::PRE_PASS};

/// Elements kept in the histogram.
const ELEMENTS: usize = 8;
/// Lanes of a full vector of 32-bit elements.
const LANES: u64 = 16;

/// Errors against the work that was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Errors.
    pub findings: u64,
    /// Checked operations.
    pub operations: u64,
    /// Checked CPU time.
    pub seconds: f64,
    /// Errors per checked operation.
    pub rate_per_operation: Option<f64>,
    /// Its exact two-sided 95 % interval, if errors come independently.
    pub rate_95: Option<(f64, f64)>,
}

impl Rate {
    fn of(sum: &Evidence) -> Self {
        let operations = (sum.operations > 0).then_some(sum.operations as f64);
        let (low, high) = interval_95(sum.findings);
        Self {
            findings: sum.findings,
            operations: sum.operations,
            seconds: sum.cpu_ns as f64 * 1e-9,
            rate_per_operation: operations.map(|all| sum.findings as f64 / all),
            rate_95: operations.map(|all| (low / all, high / all)),
        }
    }
}

/// Errors at one multiplier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AtMultiplier {
    /// Null where the clock could not be measured.
    pub multiplier: Option<u32>,
    /// How many in how much.
    #[serde(flatten)]
    pub rate: Rate,
}

/// Errors under one load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnderLoad {
    /// The load.
    pub load: String,
    /// How many in how much.
    #[serde(flatten)]
    pub rate: Rate,
}

/// Whether errors depend on something: the exact conditional test of where they are most frequent against everything else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dependence {
    /// How likely chance alone is to part them so far; corrected for having picked the worst of several.
    pub p: f64,
    /// In words.
    pub words: String,
}

/// How often one element was the first wrong one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ElementCount {
    /// The kernel.
    pub kernel: String,
    /// Coordinates, row-major.
    pub element: Vec<u64>,
    /// How often.
    pub count: u64,
}

/// The findings of one core, taken together. The histograms rest on the findings kept whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// All errors in all checked work.
    #[serde(flatten)]
    pub rate: Rate,
    /// Highest first, unmeasured last.
    pub by_multiplier: Vec<AtMultiplier>,
    /// By name.
    pub by_load: Vec<UnderLoad>,
    /// On the multiplier; null where there is nothing to compare.
    pub depends_on_clock: Option<Dependence>,
    /// On the load; null where there is nothing to compare.
    pub depends_on_load: Option<Dependence>,
    /// Findings of which the wrong element is known.
    pub placed: u64,
    /// Wrong bits, from 0, and in how many of them.
    pub bits: Vec<(u32, u64)>,
    /// The element's last coordinate modulo 16, which is the lane of a full vector of 32-bit elements, and in how many.
    pub lanes: Vec<(u32, u64)>,
    /// The most frequent elements.
    pub elements: Vec<ElementCount>,
    /// Core or memory?
    pub cause: Cause,
    /// Why, in words.
    pub why: String,
}

/// The diagnosis of a core; `None` if no finding blames it.
pub fn diagnose(outcome: &Outcome, core: u32) -> Option<Diagnosis> {
    let findings: Vec<&Finding> = outcome.findings.iter().filter(|f| f.core == Some(core)).collect();
    if findings.is_empty() {
        return None;
    }
    let cells = sums(outcome, core, |_| true);
    let by_multiplier = pooled(&cells, |(multiplier, _)| *multiplier);
    let by_load = pooled(&cells, |(_, load)| load.clone());
    let mut total = by_load.values().fold(Evidence::default(), |mut sum, part| {
        sum.add(part);
        sum
    });
    total.findings = errors_of(outcome, core);

    // The pre-pass does other work than a load, most of it scalar.
    let mut work = cells.clone();
    work.retain(|(_, load), _| load != PRE_PASS);
    let clocks = pooled(&work, |(multiplier, _)| *multiplier).into_iter();
    let loads = pooled(&work, |(_, load)| load.clone()).into_iter();
    let mut on_clock = dependence("clock", clocks.filter_map(|(m, sum)| Some((format!("at {}x", m?), sum))).collect());
    let mut on_load = dependence("load", loads.map(|(load, sum)| (format!("under {load}"), sum)).collect());
    if let (Some(clock), Some(load)) = (&mut on_clock, &mut on_load)
        && clock.p.max(load.p) < SIGNIFICANT
    {
        clock.words += "; load and clock may have gone together";
        load.words += "; load and clock may have gone together";
    }
    let (cause, why) = Case { outcome, core, findings: &findings }.judge();
    let placed: Vec<&Finding> = findings.iter().copied().filter(|f| f.xor.is_some() && !f.element.is_empty()).collect();
    let set_bits = |xor: u64| (0..64).filter(move |bit| xor >> bit & 1 == 1);
    Some(Diagnosis {
        rate: Rate::of(&total),
        by_multiplier: by_multiplier
            .iter()
            .rev()
            .map(|(&multiplier, sum)| AtMultiplier { multiplier, rate: Rate::of(sum) })
            .collect(),
        by_load: by_load.iter().map(|(load, sum)| UnderLoad { load: load.clone(), rate: Rate::of(sum) }).collect(),
        depends_on_clock: on_clock,
        depends_on_load: on_load,
        placed: placed.len() as u64,
        bits: histogram(placed.iter().filter_map(|f| f.xor).flat_map(|xor| set_bits(xor.0))),
        lanes: histogram(placed.iter().filter_map(|f| f.element.last()).map(|last| (last % LANES) as u32)),
        elements: elements(&placed),
        cause,
        why,
    })
}

fn pooled<K: Ord>(
    cells: &BTreeMap<(Option<u32>, String), Evidence>,
    key: impl Fn(&(Option<u32>, String)) -> K,
) -> BTreeMap<K, Evidence> {
    let mut sums: BTreeMap<K, Evidence> = BTreeMap::new();
    for (cell, part) in cells {
        sums.entry(key(cell)).or_default().add(part);
    }
    sums
}

fn histogram(values: impl Iterator<Item = u32>) -> Vec<(u32, u64)> {
    let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
    values.for_each(|value| *counts.entry(value).or_default() += 1);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|&(value, count)| (std::cmp::Reverse(count), value));
    counts
}

fn elements(placed: &[&Finding]) -> Vec<ElementCount> {
    let mut counts: BTreeMap<(&str, &[u64]), u64> = BTreeMap::new();
    for finding in placed {
        *counts.entry((finding.kernel.as_deref().unwrap_or_default(), &finding.element)).or_default() += 1;
    }
    let mut counts: Vec<ElementCount> = counts
        .into_iter()
        .map(|((kernel, element), count)| ElementCount { kernel: kernel.into(), element: element.into(), count })
        .collect();
    counts.sort_by_key(|element| std::cmp::Reverse(element.count));
    counts.truncate(ELEMENTS);
    counts
}

/// Where errors are most frequent against everywhere else, by checked time.
fn dependence(on: &str, levels: Vec<(String, Evidence)>) -> Option<Dependence> {
    let levels: Vec<(String, u64, f64)> = levels
        .into_iter()
        .filter(|(_, sum)| sum.cpu_ns > 0)
        .map(|(name, sum)| (name, sum.findings, sum.cpu_ns as f64 * 1e-9))
        .collect();
    let (worst, n, t) = levels.iter().max_by(|a, b| (a.1 as f64 / a.2).total_cmp(&(b.1 as f64 / b.2)))?;
    let other_n: u64 =
        levels.iter().filter(|(name, ..)| name != worst).map(|level| level.1).fold(0, u64::saturating_add);
    let other_t: f64 = levels.iter().filter(|(name, ..)| name != worst).map(|level| level.2).sum();
    if levels.len() < 2 || *n == 0 {
        return None;
    }
    // Of two levels the test is two-sided already; of more, the worst was picked.
    let picked = if levels.len() > 2 { levels.len() as f64 } else { 1.0 };
    let p = (picked * p_same_rate(*n, *t, other_n, other_t)).min(1.0);
    let (seen, others) = (format!("{n} in {}", duration(*t)), format!("{other_n} in {} otherwise", duration(other_t)));
    let chance = if p < 1e-4 { "p < 0.0001".to_owned() } else { format!("p = {p:.*}", if p < 0.01 { 4 } else { 2 }) };
    let words = if p < SIGNIFICANT {
        format!("most {worst}: {seen}, {others}; hardly by chance ({chance})")
    } else if other_n == 0 {
        format!("only {worst} so far: {seen}, {others}; it may be chance ({chance})")
    } else {
        format!("no dependence on the {on} to be seen: {seen} {worst}, {others} ({chance})")
    };
    Some(Dependence { p, words })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::{Record, record::EvidenceKey},
        verdict::{Class, Hex, finding::tests::finding},
    };

    fn work(multiplier: u32, load: &str, seconds: u64, findings: u64) -> Record {
        let key = EvidenceKey {
            multiplier: Some(multiplier),
            load: load.into(),
            kernel: "gemm-f32".into(),
            variant: "avx2".into(),
            isa: "avx2".into(),
            footprint: "L2".into(),
        };
        let cpu_ns = seconds * 1_000_000_000;
        let part = Evidence { iterations: 1, operations: seconds * 1000, findings, cpu_ns, ..Evidence::default() };
        Record::Evidence { core: 0, parts: vec![(key, part)], clocks: vec![] }
    }

    fn wrong(element: &[u64], xor: u64) -> Record {
        let xor = Some(Hex(xor));
        Record::Finding(Box::new(Finding { element: element.into(), xor, ..finding(0, Class::Miscompute) }))
    }

    #[test]
    fn rates_and_histograms_are_those_of_the_records() {
        let records = [
            work(60, "solo", 40, 3),
            work(57, "together", 60, 0),
            wrong(&[0, 19], 0x8000),
            wrong(&[4, 35], 0x8000),
            wrong(&[4, 35], 0x8001),
        ];
        let diagnosis = diagnose(&Outcome::of(&records), 0).expect("findings");
        let (low, high) = interval_95(3);
        assert_eq!((diagnosis.rate.findings, diagnosis.rate.operations), (3, 100_000));
        assert_eq!(diagnosis.rate.rate_per_operation, Some(3.0 / 100_000.0));
        assert_eq!(diagnosis.rate.rate_95, Some((low / 100_000.0, high / 100_000.0)));
        let by_multiplier: Vec<_> =
            diagnosis.by_multiplier.iter().map(|at| (at.multiplier, at.rate.findings)).collect();
        assert_eq!(by_multiplier, [(Some(60), 3), (Some(57), 0)]);
        let by_load: Vec<_> =
            diagnosis.by_load.iter().map(|under| (under.load.as_str(), under.rate.findings)).collect();
        assert_eq!(by_load, [("solo", 3), ("together", 0)]);
        assert_eq!((diagnosis.placed, diagnosis.bits, diagnosis.lanes), (3, vec![(15, 3), (0, 1)], vec![(3, 3)]));
        assert_eq!((diagnosis.elements[0].element.as_slice(), diagnosis.elements[0].count), (&[4, 35][..], 2));
        assert_eq!(diagnose(&Outcome::of(&records[..2]), 0), None, "no finding, no diagnosis");
    }

    #[test]
    fn a_dependence_is_claimed_only_where_chance_is_unlikely() {
        let on_clock = |records: &[Record]| {
            let records: Vec<Record> = records.iter().cloned().chain([wrong(&[0], 1)]).collect();
            diagnose(&Outcome::of(&records), 0).expect("a finding").depends_on_clock
        };
        // 7 of 7 in a third of the time: 2 / 3^7, by hand.
        let dependence = on_clock(&[work(60, "solo", 40, 7), work(57, "solo", 80, 0)]).expect("two levels");
        assert!((dependence.p - 2.0 / 2187.0).abs() < 1e-12, "{dependence:?}");
        assert_eq!(dependence.words, "most at 60x: 7 in 40 s, 0 in 1.3 min otherwise; hardly by chance (p = 0.0009)");
        // One of one says nothing; three levels cost a correction for picking the worst.
        let dependence = on_clock(&[work(60, "solo", 40, 1), work(57, "solo", 80, 0)]).expect("two levels");
        assert_eq!(
            dependence.words,
            "only at 60x so far: 1 in 40 s, 0 in 1.3 min otherwise; it may be chance (p = 0.67)"
        );
        let dependence = on_clock(&[work(60, "solo", 40, 1), work(57, "solo", 80, 1)]).expect("two levels");
        assert!(dependence.words.starts_with("no dependence on the clock to be seen"), "{dependence:?}");
        let dependence =
            on_clock(&[work(60, "solo", 40, 7), work(57, "solo", 40, 0), work(55, "solo", 40, 0)]).expect("three");
        assert!((dependence.p - 3.0 * 2.0 / 2187.0).abs() < 1e-12, "{dependence:?}");
        assert_eq!(on_clock(&[work(60, "solo", 40, 7)]), None, "nothing to compare with");
        assert_eq!(on_clock(&[work(60, "solo", 40, 7), work(57, PRE_PASS, 80, 0)]), None, "other work");
        let both = on_clock(&[work(60, "solo", 40, 7), work(57, "together", 80, 0)]).expect("two levels");
        assert!(both.words.ends_with("load and clock may have gone together"), "{both:?}");
    }
}
