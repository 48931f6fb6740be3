//! From the folded journal to the report.

use std::collections::BTreeMap;

use super::{
    Checked, CoreReport, EvidenceReport, Hottest, KernelReport, Multiplier, OthersActive, Report, SCHEMA, SensorReport,
    Spread,
};
use crate::{
    journal::record::{Evidence, RunStarted},
    machine::{Core, format_cpu_list},
    plan::{Plan, Told},
    platform::Priority,
    verdict::{
        Cause, Class, CoreOutcome, CoreVerdict, Finding, Outcome, beside_blocks, catches_every_s, diagnose, duration,
        errors_of, expected_of, missed, passes,
    },
};

const NS: f64 = 1e-9;
/// Less checked time than this on any core validates nothing.
const VALIDATES_S: f64 = 3600.0;
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
            advice: advice(outcome, run),
            notes: outcome.notes.iter().cloned().chain(of_priority(run)).collect(),
            hardware_errors: outcome.hardware_errors,
        })
    }
}

/// Workers that gave way to others were tested less than the plan says.
fn of_priority(run: &RunStarted) -> Option<String> {
    let name = run.priority.name();
    let note = || format!("the workers ran at {name} priority: what other programs took was not tested");
    (run.priority != Priority::Normal).then(note)
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

/// What to do next, in the order of domain knowledge: the ratio first, then microcode and limits, voltage last.
fn advice(outcome: &Outcome, run: &RunStarted) -> Vec<String> {
    let mut advice = Vec::new();
    let name = |core: u32| {
        run.machine.cores.iter().find(|c| c.core == core).map_or_else(|| format!("core {core}"), |c| c.short.clone())
    };
    for probe in outcome.tuned.probes.iter().filter(|_| run.plan.lowering().is_some()) {
        let (name, lower, said) = (name(probe.core), probe.multiplier, probe.sentence(outcome));
        advice.push(match probe.told(outcome) {
            Some(Told::Pass) => format!("{name}: fails at {}x, passes at {lower}x ({said}).", lower + 1),
            Some(Told::Fail) => format!("{name}: fails at {}x, and at {lower}x too ({said}).", lower + 1),
            _ => format!("{name}: fails at {}x; at {lower}x nothing is known ({said}).", lower + 1),
        });
    }
    if run.drill {
        advice.push("This was a drill: the fault was injected on purpose, and says nothing about the machine.".into());
        return advice;
    }
    let failed: Vec<u32> =
        outcome.cores.keys().copied().filter(|&core| outcome.verdict_of(core) == CoreVerdict::Fail).collect();
    let fits_memory: Vec<String> =
        failed.iter().filter(|&&core| may_be_memory(outcome, core)).map(|&core| name(core)).collect();
    if !fits_memory.is_empty() {
        advice.push(format!(
            "{}: what was seen fits memory as well. Test that first (memtest86+, a night), before lowering a ratio.",
            fits_memory.join(", ")
        ));
    }
    for core in failed {
        let highest = outcome.findings.iter().filter(|f| f.core == Some(core)).filter_map(|f| f.multiplier).max();
        let ratio = highest.map_or_else(String::new, |at| format!(" (it failed at {at}x)"));
        advice.push(format!(
            "{}: lower its ratio by one{ratio}, then: oddcore run --cores {core} --for 1h. If it runs at stock settings: \
             newest BIOS and microcode with the maker's default limits, then a warranty claim. More voltage last.",
            name(core)
        ));
    }
    if outcome.common_defect().is_some() {
        advice.push("The same work failed the same way on more than one core: most likely a defect of this program, please report it.".into());
    }
    let unproven: Vec<u32> =
        outcome.cores.keys().copied().filter(|&core| outcome.verdict_of(core) == CoreVerdict::NotProven).collect();
    let done = advice.is_empty();
    if let Some(why) = run.machine.microcode_judged().and_then(|judged| judged.advice()) {
        advice.push(format!("Microcode {}: {why}.", run.machine.microcode.as_deref().unwrap_or("unknown")));
    }
    if done {
        advice.push(match outcome.exit_code() {
            0 => worth(outcome),
            _ if outcome.ended.is_none() => format!(
                "The run has not ended. If it is not running any more, go on with it: oddcore resume {}",
                run.run
            ),
            _ if !unproven.is_empty() => unproven_again(&unproven, run),
            _ => "Some cores were not cleared; test them again, longer: oddcore run --for 10m".into(),
        });
    }
    advice
}

/// How to prove what was missed.
fn unproven_again(cores: &[u32], run: &RunStarted) -> String {
    let expect = match &run.plan {
        Plan::Asked(request) => {
            let wanted = request.expect.iter().filter(|expected| cores.contains(&expected.core));
            wanted.map(|expected| format!("{}={}x", expected.core, expected.multiplier)).collect::<Vec<_>>().join(",")
        }
        Plan::Listed(_) => String::new(),
    };
    let expect = if expect.is_empty() { String::new() } else { format!(" --expect {expect}") };
    format!(
        "A core holds its top only while it is cool and the others sleep deeply. Longer, each core alone: oddcore run \
         --cores {} --loads solo{expect} --for 1h",
        format_cpu_list(cores)
    )
}

/// Whether memory may be behind a core's findings.
fn may_be_memory(outcome: &Outcome, core: u32) -> bool {
    let mut own = outcome.findings.iter().filter(|finding| finding.core == Some(core));
    own.all(|finding| matches!(finding.class, Class::CorruptInput | Class::CorruptReference))
        || diagnose(outcome, core).is_some_and(|diagnosis| diagnosis.cause != Cause::Core)
}

/// What a run without errors is worth, by the core that was checked least.
fn worth(outcome: &Outcome) -> String {
    let tested = || outcome.cores.values().filter(|own| own.under_test);
    let least_s = tested().map(|own| own.total().cpu_ns).min().unwrap_or(0) as f64 * NS;
    if least_s < VALIDATES_S {
        return "Too short to validate anything. For a night of it: oddcore run --profile overnight".into();
    }
    let (count, least) = (tested().count(), duration(least_s));
    let cores = if count == 1 { "on the core tested" } else { "on each core tested" };
    format!("At least {least} of checked CPU time {cores}; what that would have caught is said above.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::{Record, read_from, record::EvidenceKey},
        report::text,
        verdict::finding::tests::finding,
    };

    /// An outcome of a made-up run on two cores, after these records.
    fn outcome(records: Vec<Record>) -> Outcome {
        let bytes = include_bytes!("../../tests/fixtures/journals/format-1-drill.journal");
        let read = read_from("made-up", &bytes[..]).expect("a journal");
        let Some(Record::RunStarted(mut run)) = read.records.into_iter().next() else { panic!("no opening record") };
        run.drill = false;
        Outcome::of(&[Record::RunStarted(run)].into_iter().chain(records).collect::<Vec<_>>())
    }

    /// Checked work of a core.
    fn work(core: u32, seconds: u64) -> Record {
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

    #[test]
    fn a_run_is_called_too_short_only_by_the_hours_of_its_least_tested_core() {
        let ended = || Record::RunEnded { at: "2026-01-01T00:00:00Z".into() };
        let advised = |seconds: [u64; 2]| {
            let outcome = outcome(vec![work(0, seconds[0]), work(1, seconds[1]), ended()]);
            assert_eq!(outcome.exit_code(), 0);
            Report::of(&outcome).expect("a report").advice
        };
        assert!(advised([9000, 3599])[0].starts_with("Too short"));
        let long = advised([9000, 7200]);
        assert_eq!(
            long,
            ["At least 2 h of checked CPU time on each core tested; what that would have caught is said above."]
        );
    }

    #[test]
    fn what_may_be_memory_is_to_be_tested_before_a_ratio_is_lowered() {
        let advised = |findings: Vec<Finding>| {
            let findings = findings.into_iter().map(|finding| Record::Finding(Box::new(finding)));
            let records = [work(0, 30), work(1, 30)].into_iter().chain(findings).collect();
            Report::of(&outcome(records)).expect("a report").advice
        };
        for class in [Class::CorruptInput, Class::CorruptReference, Class::Miscompute, Class::LostToReset] {
            let advice = advised(vec![finding(0, class)]);
            assert!(advice[0].contains("fits memory") && advice[1].contains("lower its ratio"), "{advice:?}");
        }
        let advice = advised(vec![finding(0, Class::Comparison)]);
        assert!(advice.len() == 1 && advice[0].contains("lower its ratio"), "{advice:?}");
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
        let report = Report::of(&Outcome::of(&read.records)).expect("a report");
        assert_eq!(report.cores[0].checked.iterations, max);
        assert!(text::render(&report).contains(&max.to_string()));
        let json = serde_json::to_string(&report).expect("JSON");
        serde_json::from_str::<Report>(&json).expect("reads back");
    }
}
