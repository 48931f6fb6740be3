//! From the folded journal to the report.

use std::collections::BTreeMap;

use super::{
    Checked, CoreReport, EvidenceReport, Hottest, KernelReport, Multiplier, OthersActive, Report, SCHEMA, SensorReport,
    Spread, advice::advice,
};
use crate::{
    journal::record::{Evidence, RunStarted},
    machine::Core,
    platform::Priority,
    verdict::{
        CoreOutcome, CoreVerdict, Finding, Outcome, beside_blocks, catches_every_s, diagnose, errors_of, expected_of,
        missed, passes,
    },
};

const NS: f64 = 1e-9;
/// So large a part of the time counts as all of it: making data, checks and the system's own work take a little.
const ALL_OF_IT: f64 = 0.8;
/// Of work whose footprint, instruction set or variant nobody noted.
const UNKNOWN: &str = "unknown";

impl Report {
    /// The report of an outcome; `None` if the journal has no opening record.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        let run = outcome.run.as_ref()?;
        Some(Self {
            schema: SCHEMA.to_owned(),
            version: run.version.clone(),
            run: run.run.clone(),
            profile: run.profile.clone(),
            seed: run.seed,
            drill: run.drill,
            started: run.started.clone(),
            ended: outcome.ended.clone(),
            verdict: outcome.verdict().to_owned(),
            exit_code: outcome.exit_code(),
            machine: run.machine.clone(),
            cores: run.machine.cores.iter().map(|core| core_report(outcome, run, core)).collect(),
            findings: outcome.findings.clone(),
            hottest: outcome.hottest_c.iter().map(|(load, &celsius)| Hottest { load: load.clone(), celsius }).collect(),
            others_active: outcome.others_active.iter().filter_map(others_active).collect(),
            supervisor_cpu_s: (outcome.supervisor.1 > 0).then_some(outcome.supervisor.0 as f64 * NS),
            supervisor_share: (outcome.supervisor.1 > 0)
                .then(|| outcome.supervisor.0 as f64 / outcome.supervisor.1 as f64),
            sensors: sensors(outcome),
            beside: outcome.beside.clone(),
            interruptions: outcome.interruptions.clone(),
            open_step: outcome.open_step.clone(),
            program: run.plan.command().map(|asked| asked.program.clone()),
            advice: advice(outcome, run, None),
            notes: outcome.notes.iter().cloned().chain(of_priority(run)).chain(of_others(outcome)).collect(),
            hardware_errors: outcome.hardware_errors,
            unfit: outcome.unfit.clone(),
        })
    }

    /// The same for a screen of the machine that keeps the run: its commands name the folder of the runs, where that is not the
    /// usual one. What goes elsewhere has no paths of this machine.
    pub fn on_screen(outcome: &Outcome, runs: Option<&str>) -> Option<Self> {
        let run = outcome.run.as_ref()?;
        Some(Self { advice: advice(outcome, run, runs), ..Self::of(outcome)? })
    }
}

/// Workers that gave way to others were tested less than the plan says.
fn of_priority(run: &RunStarted) -> Option<String> {
    let name = run.priority.name();
    let note = || format!("the workers ran at {name} priority: what other programs took was not tested");
    (run.priority != Priority::Normal).then(note)
}

/// Workers that did not have their CPUs were tested less than the plan says.
fn of_others(outcome: &Outcome) -> Option<String> {
    let share = outcome.steady_share().filter(|&share| share < ALL_OF_IT)?;
    Some(format!(
        "others used these CPUs (programs, or a virtual machine's host): of the time for work without a pause {:.0} % \
         was had, and only that was tested",
        share * 100.0
    ))
}

fn core_report(outcome: &Outcome, run: &RunStarted, core: &Core) -> CoreReport {
    let nothing = CoreOutcome::default();
    let own = outcome.cores.get(&core.core).unwrap_or(&nothing);
    let total = own.total();
    let verdict = outcome.verdict_of(core.core);
    let bclk = run.machine.bclk_mhz;
    let spread = spread(&own.clocks);
    let over_bclk = |mhz: u32| (f64::from(mhz) / bclk).round() as u32;
    CoreReport {
        core: core.core,
        os_id: core.os_id,
        label: core.label.clone(),
        cpus: core.cpus.clone(),
        kind: core.kind,
        verdict,
        reason: reason(outcome, own, core.core, verdict),
        clock_mhz: spread,
        multiplier: Multiplier {
            min: spread.map(|s| over_bclk(s.min)),
            median: spread.map(|s| over_bclk(s.median)),
            max: spread.map(|s| over_bclk(s.max)),
            top: core.top_mhz.as_ref().map(|top| (top.mhz / bclk).round() as u32),
            top_known: core.top_mhz.as_ref().map(|top| top.known),
            expected: expected_of(outcome, core.core),
        },
        checked: Checked {
            iterations: total.iterations,
            operations: total.operations,
            cpu_s: total.cpu_ns as f64 * NS,
            kernel_s: total.kernel_ns as f64 * NS,
            check_s: total.check_ns as f64 * NS,
            clock_s: own.clock_ns as f64 * NS,
        },
        evidence: evidence(outcome, own, core.core),
        passes: passes(outcome, core.core),
        kernels: kernels(outcome, own, core.core),
        throttled: own.throttled,
        corrected_errors: own.corrected_errors,
        diagnosis: diagnose(outcome, core.core),
        waits: super::waits::of(own),
        inside: super::inside::of(own),
    }
}

fn reason(outcome: &Outcome, own: &CoreOutcome, core: u32, verdict: CoreVerdict) -> Option<String> {
    match verdict {
        CoreVerdict::Fail => {
            let findings = errors_of(outcome, core);
            let classes: std::collections::BTreeSet<&str> =
                outcome.findings.iter().filter(|f| f.core == Some(core)).map(|f| f.class.name()).collect();
            let classes: Vec<&str> = classes.into_iter().collect();
            Some(format!("{findings} finding{}: {}", if findings == 1 { "" } else { "s" }, classes.join(", ")))
        }
        CoreVerdict::Suspect => Some(
            own.suspicions
                .first()
                .cloned()
                .unwrap_or_else(|| "one of the suspects of a finding that could not be pinned on one core".into()),
        ),
        CoreVerdict::NotProven => missed(outcome, core).map(|missed| missed.to_string()),
        CoreVerdict::NotTested if own.under_test => {
            let too_little = match own.total().iterations {
                0 => "nothing was checked on it",
                _ => "too little evidence to say: nothing but the pre-pass was checked on it",
            };
            Some(own.reason.clone().unwrap_or_else(|| too_little.into()))
        }
        _ => own.reason.clone(),
    }
}

fn others_active((load, steps): (&String, &BTreeMap<u32, u64>)) -> Option<OthersActive> {
    let Spread { median, max, .. } = spread(steps)?;
    Some(OthersActive { load: load.clone(), steps: steps.values().sum(), median, max })
}

fn sensors(outcome: &Outcome) -> Vec<SensorReport> {
    let of = |sensor: &str, package, unit: &str, each: f64, counts: &BTreeMap<u32, u64>| {
        let Spread { min, median, max } = spread(counts)?;
        let [min, median, max] = [min, median, max].map(|number| f64::from(number) / each);
        let samples = counts.values().copied().fold(0, u64::saturating_add);
        Some(SensorReport { sensor: sensor.into(), package, unit: unit.into(), min, median, max, samples })
    };
    let voltage = of("core voltage", None, "V", 1000.0, &outcome.millivolts);
    let power =
        outcome.watts.iter().filter_map(|(&package, counts)| of("package power", Some(package), "W", 1.0, counts));
    voltage.into_iter().chain(power).collect()
}

/// Weighted by how often each value was read.
pub(super) fn spread(values: &BTreeMap<u32, u64>) -> Option<Spread> {
    let total: u128 = values.values().map(|&count| u128::from(count)).sum();
    let (&min, &max) = (values.keys().next()?, values.keys().next_back()?);
    let mut seen = 0;
    let median = values.iter().find_map(|(&value, &count)| {
        seen += u128::from(count);
        (seen * 2 >= total).then_some(value)
    })?;
    Some(Spread { min, median, max })
}

fn evidence(outcome: &Outcome, own: &CoreOutcome, core: u32) -> Vec<EvidenceReport> {
    let mut sums: BTreeMap<(Option<u32>, &str, &str, &str), Evidence> = BTreeMap::new();
    for (key, part) in &own.evidence {
        sums.entry((key.multiplier, &key.load, &key.footprint, &key.isa)).or_default().add(part);
    }
    for finding in beside_blocks(outcome, core) {
        let (footprint, isa) = work_of(own, finding);
        let sum = sums.entry((finding.multiplier, &finding.load, footprint, isa)).or_default();
        sum.findings = sum.findings.saturating_add(1);
    }
    let report = |((multiplier, load, footprint, isa), sum): ((Option<u32>, &str, &str, &str), Evidence)| {
        // CPU time, not wall time: a starved worker proves nothing.
        let seconds = sum.cpu_ns as f64 * NS;
        EvidenceReport {
            multiplier,
            load: load.to_owned(),
            footprint: footprint.to_owned(),
            isa: isa.to_owned(),
            seconds,
            iterations: sum.iterations,
            operations: sum.operations,
            findings: sum.findings,
            catches_every_s: catches_every_s(seconds, sum.findings),
        }
    };
    sums.into_iter().map(report).collect()
}

/// Footprint and instruction set of a finding's work: those of the core's other work with that variant.
fn work_of<'a>(own: &'a CoreOutcome, finding: &Finding) -> (&'a str, &'a str) {
    let work = (finding.kernel.as_deref(), finding.variant.as_deref());
    let same = own.evidence.keys().find(|key| work == (Some(key.kernel.as_str()), Some(key.variant.as_str())));
    if let Some(key) = same {
        return (&key.footprint, &key.isa);
    }
    let kernel = work.0.and_then(oddcore_kernels::find);
    let variant = kernel.and_then(|kernel| kernel.variants().iter().find(|variant| Some(variant.name) == work.1));
    (UNKNOWN, variant.map_or(UNKNOWN, |variant| variant.isa.name()))
}

fn kernels(outcome: &Outcome, own: &CoreOutcome, core: u32) -> Vec<KernelReport> {
    let mut sums: BTreeMap<(&str, &str), Evidence> = BTreeMap::new();
    for (key, part) in &own.evidence {
        sums.entry((&key.kernel, &key.variant)).or_default().add(part);
    }
    for finding in beside_blocks(outcome, core) {
        let Some(kernel) = &finding.kernel else { continue };
        let sum = sums.entry((kernel, finding.variant.as_deref().unwrap_or(UNKNOWN))).or_default();
        sum.findings = sum.findings.saturating_add(1);
    }
    let report = |((kernel, variant), sum): ((&str, &str), Evidence)| KernelReport {
        kernel: kernel.to_owned(),
        variant: variant.to_owned(),
        iterations: sum.iterations,
        operations: sum.operations,
        findings: sum.findings,
        cpu_s: sum.cpu_ns as f64 * NS,
        kernel_s: sum.kernel_ns as f64 * NS,
        check_s: sum.check_ns as f64 * NS,
    };
    sums.into_iter().map(report).collect()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::{
        journal::{Record, read_from, record::EvidenceKey},
        plan::{Load, Plan, Request},
        report::{html, junit, markdown, prometheus, text, timeline::Timeline},
        verdict::{Class, finding::tests::finding},
    };

    /// An outcome of a made-up run on two cores, after these records.
    pub fn outcome(records: Vec<Record>) -> Outcome {
        let bytes = include_bytes!("../../tests/fixtures/journals/format-1-drill.journal");
        let read = read_from("made-up", &bytes[..]).expect("a journal");
        let Some(Record::RunStarted(mut run)) = read.records.into_iter().next() else { panic!("no opening record") };
        run.drill = false;
        Outcome::of(&[Record::RunStarted(run)].into_iter().chain(records).collect::<Vec<_>>())
    }

    /// What is asked of that run instead of its list of steps: the quick check's loads on all of its cores.
    pub fn asked(run: &mut RunStarted) -> &mut Request {
        let (cores, seed, loads) = (run.cores.clone(), run.seed, Load::QUICK.to_vec());
        let kernels = vec!["gemm-f32".into()];
        run.plan = Plan::Asked(Request {
            cores,
            kernels,
            loads,
            seconds: 60.0,
            seed,
            until_s: None,
            expect: vec![],
            tune: None,
        });
        let Plan::Asked(request) = &mut run.plan else { unreachable!() };
        request
    }

    /// Checked work of a core.
    pub fn work(core: u32, seconds: u64) -> Record {
        let key = EvidenceKey {
            multiplier: Some(60),
            load: "solo".into(),
            kernel: "gemm-f32".into(),
            variant: "avx2".into(),
            isa: "avx2".into(),
            footprint: "L3".into(),
        };
        let part = Evidence { iterations: 1, operations: 9, cpu_ns: seconds * 1_000_000_000, ..Evidence::default() };
        Record::Evidence { core, parts: vec![(key, part)], clocks: vec![] }
    }

    #[test]
    fn what_no_block_counted_is_in_evidence_and_kernels() {
        let at_60 = |class| Record::Finding(Box::new(Finding { multiplier: Some(60), ..finding(0, class) }));
        let unmeasured = Record::Finding(Box::new(finding(0, Class::Hang)));
        let nowhere = Record::Finding(Box::new(Finding::blank(0, Class::LostToReset, "solo".into(), 1.0)));
        let counted_by_its_block = Record::Finding(Box::new(finding(0, Class::Miscompute)));
        let records = vec![work(0, 30), at_60(Class::Crash), unmeasured, nowhere, counted_by_its_block];
        let report = Report::of(&outcome(records)).expect("a report");
        let core = &report.cores[0];
        let evidence: Vec<_> =
            core.evidence.iter().map(|e| (e.multiplier, e.footprint.as_str(), e.isa.as_str(), e.findings)).collect();
        assert_eq!(evidence, [(None, "L3", "avx2", 1), (None, "unknown", "unknown", 1), (Some(60), "L3", "avx2", 1)]);
        assert_eq!(core.evidence[2].catches_every_s, catches_every_s(core.evidence[2].seconds, 1));
        let kernels: Vec<_> =
            core.kernels.iter().map(|k| (k.kernel.as_str(), k.variant.as_str(), k.findings)).collect();
        assert_eq!(kernels, [("gemm-f32", "avx2", 2)]);
        let sum = |findings: &mut dyn Iterator<Item = u64>| findings.sum::<u64>();
        assert_eq!(
            sum(&mut core.passes.iter().map(|p| p.findings)),
            sum(&mut core.evidence.iter().map(|e| e.findings))
        );
    }

    /// A night's journal with every count at the most that its field holds, as no run but a damaged one could leave it.
    #[test]
    fn the_largest_numbers_there_are_can_be_reported() {
        let max = u64::MAX;
        let most = format!("[{max},{max},{max},{max},{max},{max}]");
        let key = |kernel: &str, multiplier: &str| {
            format!(
                r#"{{"multiplier":{multiplier},"load":"solo","kernel":"{kernel}","variant":"v","isa":"i","footprint":"L1"}}"#
            )
        };
        let first = include_str!("../../tests/fixtures/journals/format-1-drill.journal").lines().next();
        let started = first.and_then(|line| line.splitn(3, ' ').nth(2)).expect("an opening record").to_owned();
        let records = [
            started,
            format!(r#"{{"record":"key","id":0,"key":{}}}"#, key("a", "4294967295")),
            format!(r#"{{"record":"key","id":1,"key":{}}}"#, key("b", "null")),
            r#"{"record":"heartbeat","at":"9999-12-30T00:00:00Z"}"#.to_owned(),
            r#"{"record":"sensors","step":0,"hottest_c":1e308}"#.to_owned(),
            format!(
                r#"{{"record":"work","core":0,"parts":[[0,{most}],[1,{most}],[1,{most}]],"clocks":[[4294967295,{max}],[0,{max}]]}}"#
            ),
            format!(r#"{{"record":"counted","core":0,"kernel":"a","class":"crash","count":{max}}}"#),
            format!(r#"{{"record":"counted","core":0,"kernel":"b","class":"hang","count":{max}}}"#),
        ];
        let mut bytes = Vec::new();
        for (number, record) in records.iter().enumerate() {
            let value: serde_json::Value = serde_json::from_str(record).expect("JSON");
            bytes.extend(crate::frame::encode(number as u64, &value).expect("a frame"));
        }
        let read = read_from("made-up", &bytes[..]).expect("a journal");
        assert!(read.tail.is_none() && read.records.len() == records.len(), "{:?}", read.tail);
        let outcome = Outcome::of(&read.records);
        let report = Report::of(&outcome).expect("a report");
        assert_eq!(report.cores[0].checked.iterations, max);
        let page = html::of(&outcome, &Timeline::of(&read.records)).expect("a page");
        assert!(page.contains("4294967x") || page.contains("42949673x"), "a chart with its highest clock");
        assert!(junit::render(&report).contains(&max.to_string()));
        assert!(prometheus::render(&report).contains("oddcore_core_checked_iterations"));
        assert!(markdown::render(&report).contains("| C1 |"));
        assert!(text::render(&report).contains(&max.to_string()));
        let json = serde_json::to_string(&report).expect("JSON");
        serde_json::from_str::<Report>(&json).expect("reads back");
    }
}
