//! From the folded journal to the report.

use std::collections::BTreeMap;

use super::{Checked, CoreReport, EvidenceReport, KernelReport, Multiplier, Report, SCHEMA, Spread};
use crate::{
    journal::record::{Evidence, RunStarted},
    machine::Core,
    verdict::{CoreOutcome, CoreVerdict, Outcome, catches_every_s, diagnose, errors_of, passes},
};

const NS: f64 = 1e-9;

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
            interruptions: outcome.interruptions.clone(),
            open_step: outcome.open_step.clone(),
            advice: advice(outcome, run),
            notes: outcome.notes.clone(),
        })
    }
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
        },
        checked: Checked {
            iterations: total.iterations,
            operations: total.operations,
            cpu_s: total.cpu_ns as f64 * NS,
            kernel_s: total.kernel_ns as f64 * NS,
            check_s: total.check_ns as f64 * NS,
        },
        evidence: evidence(own),
        passes: passes(outcome, core.core),
        kernels: kernels(own),
        diagnosis: diagnose(outcome, core.core),
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
        CoreVerdict::NotTested if own.under_test => {
            Some(own.reason.clone().unwrap_or_else(|| "nothing was checked on it".into()))
        }
        _ => own.reason.clone(),
    }
}

/// Weighted by how often each clock was read.
fn spread(clocks: &BTreeMap<u32, u64>) -> Option<Spread> {
    let total: u128 = clocks.values().map(|&count| u128::from(count)).sum();
    let (&min, &max) = (clocks.keys().next()?, clocks.keys().next_back()?);
    let mut seen = 0;
    let median = clocks.iter().find_map(|(&mhz, &count)| {
        seen += u128::from(count);
        (seen * 2 >= total).then_some(mhz)
    })?;
    Some(Spread { min, median, max })
}

fn evidence(own: &CoreOutcome) -> Vec<EvidenceReport> {
    let mut sums: BTreeMap<(Option<u32>, &str, &str, &str), Evidence> = BTreeMap::new();
    for (key, part) in &own.evidence {
        sums.entry((key.multiplier, &key.load, &key.footprint, &key.isa)).or_default().add(part);
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

fn kernels(own: &CoreOutcome) -> Vec<KernelReport> {
    let mut sums: BTreeMap<(&str, &str), Evidence> = BTreeMap::new();
    for (key, part) in &own.evidence {
        sums.entry((&key.kernel, &key.variant)).or_default().add(part);
    }
    let report = |((kernel, variant), sum): ((&str, &str), Evidence)| KernelReport {
        kernel: kernel.to_owned(),
        variant: variant.to_owned(),
        iterations: sum.iterations,
        operations: sum.operations,
        findings: sum.findings,
    };
    sums.into_iter().map(report).collect()
}

/// What to do next, in the order of domain knowledge: the ratio first, then microcode and limits, voltage last.
fn advice(outcome: &Outcome, run: &RunStarted) -> Vec<String> {
    let mut advice = Vec::new();
    let name = |core: u32| {
        run.machine.cores.iter().find(|c| c.core == core).map_or_else(|| format!("core {core}"), |c| c.short.clone())
    };
    if run.drill {
        advice.push("This was a drill: the fault was injected on purpose, and says nothing about the machine.".into());
        return advice;
    }
    for &core in outcome.cores.keys() {
        if outcome.verdict_of(core) != CoreVerdict::Fail {
            continue;
        }
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
    if advice.is_empty() {
        advice.push(match outcome.exit_code() {
            0 => "Too short to validate anything. For hours of it: oddcore run --for 8h".into(),
            _ if outcome.ended.is_none() => format!(
                "The run has not ended. If it is not running any more, go on with it: oddcore resume {}",
                run.run
            ),
            _ => "Some cores were not cleared; test them again, longer: oddcore run --for 10m".into(),
        });
    }
    advice
}

#[cfg(test)]
mod tests {
    use crate::{
        journal::read_from,
        report::{Report, text},
        verdict::Outcome,
    };

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
