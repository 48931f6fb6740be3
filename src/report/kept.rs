//! The runs that a folder keeps, a line each: which to show again, to compare, or to go on with.

use serde::Serialize;

use super::{Report, fleet, tested::Tested, text::duration_or_none, tune::TuneReport};
use crate::{
    machine::name,
    verdict::{CoreVerdict, Outcome},
};

/// The schema's name; fields may be added, never re-used (`docs/runs.schema.json`).
pub const SCHEMA: &str = "oddcore-runs/1";

/// All runs of a folder.
#[derive(Clone, Debug, Serialize)]
pub struct Kept {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Newest first.
    pub runs: Vec<KeptRun>,
}

/// One of them.
#[derive(Clone, Debug, Serialize)]
pub struct KeptRun {
    /// Its id.
    pub run: String,
    /// Why it cannot be read, in which case it has no summary.
    pub unreadable: Option<String>,
    /// What it came to.
    pub summary: Option<Summary>,
}

/// A run in a line.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The profile's name.
    pub profile: String,
    /// Whether a fault was injected on purpose.
    pub drill: bool,
    /// RFC 3339.
    pub started: String,
    /// RFC 3339; null for a run that never ended.
    pub ended: Option<String>,
    /// What a run with this outcome exits with.
    pub exit_code: u8,
    /// How many cores were tested.
    pub tested: usize,
    /// Checked CPU time of all cores, hours.
    pub checked_h: f64,
    /// Findings, those only counted included.
    pub findings: u64,
    /// `FAIL P4`, `PASS @57x-60x`, `UNFINISHED`.
    pub verdict: String,
    /// What cut the journal's reading short; null if nothing did.
    pub cut_off: Option<String>,
}

impl Kept {
    /// Of runs by their ids, each with what was read of it and what cut that short, or why it could not be read.
    pub fn of(runs: impl Iterator<Item = (String, Result<(Outcome, Option<String>), String>)>) -> Self {
        let one = |(run, read): (String, Result<(Outcome, Option<String>), String>)| match read {
            Ok((outcome, cut_off)) => KeptRun { run, unreadable: None, summary: summary(&outcome, cut_off) },
            Err(why) => KeptRun { run, unreadable: Some(why), summary: None },
        };
        Self { schema: SCHEMA, runs: runs.map(one).collect() }
    }

    /// As a person reads it.
    pub fn render(&self) -> String {
        let row = |kept: &KeptRun| {
            let summary = kept.summary.as_ref()?;
            let drill = if summary.drill && summary.profile != "drill" { " (drill)" } else { "" };
            Some(vec![
                kept.run.clone(),
                name::clean(&summary.profile) + drill,
                duration_or_none(3600.0 * summary.checked_h),
                summary.findings.to_string(),
                name::clean(&summary.verdict),
            ])
        };
        let header = ["run", "profile", "checked", "errors", "verdict"];
        let table = fleet::table(header, self.runs.iter().filter_map(row));
        // A journal may come from anywhere: none of its text begins a line of its own.
        let note = |text: String| format!("note: {}\n", text.replace('\n', "\\n"));
        let notes = self.runs.iter().filter_map(|kept| {
            let cut_off = kept.summary.as_ref().and_then(|summary| summary.cut_off.as_ref());
            let cut_off = cut_off.map(|why| format!("{}: the journal's end was cut off: {why}", kept.run));
            kept.unreadable.clone().or(cut_off).map(note)
        });
        std::iter::once(table).chain(notes).collect()
    }
}

fn summary(outcome: &Outcome, cut_off: Option<String>) -> Option<Summary> {
    let report = Report::of(outcome)?;
    let tuning = TuneReport::of(outcome);
    Some(Summary {
        exit_code: tuning.as_ref().map_or(report.exit_code, |tuning| tuning.exit_code),
        tested: fleet::tested(&report),
        checked_h: fleet::checked_h(&report),
        findings: fleet::all_findings(&report),
        verdict: tuning.map_or_else(|| verdict(&report), |tuning| tuned(&tuning, &report)),
        profile: report.profile,
        drill: report.drill,
        started: report.started,
        ended: report.ended,
        cut_off,
    })
}

/// The cores that did not pass, or at which multipliers all did: in the order in which the report's sentence decides.
fn verdict(report: &Report) -> String {
    let named = |verdict: CoreVerdict| {
        let cores: Vec<u32> =
            report.cores.iter().filter(|core| core.verdict == verdict).map(|core| core.core).collect();
        (!cores.is_empty()).then(|| format!("{} {}", verdict.name().to_uppercase(), report.machine.names(&cores)))
    };
    let said = match report.exit_code {
        0 => Some(format!("PASS{}", at(report))),
        1 => named(CoreVerdict::Fail).or_else(|| Some("FAIL".to_owned())),
        2 => return "NO VERDICT".to_owned(),
        _ if report.ended.is_none() => named(CoreVerdict::Suspect),
        _ => named(CoreVerdict::Suspect)
            .or_else(|| named(CoreVerdict::NotProven))
            .or_else(|| Some("UNDECIDED".to_owned())),
    };
    unless_ended(report.ended.is_some(), said)
}

fn unless_ended(ended: bool, said: Option<String>) -> String {
    let unfinished = (!ended).then(|| "UNFINISHED".to_owned());
    unfinished.into_iter().chain(said).collect::<Vec<_>>().join(", ")
}

/// ` @57x-60x`: the multipliers that all work of the cores reached, from the least to the most.
fn at(report: &Report) -> String {
    let passed = report.cores.iter().filter(|core| core.verdict == CoreVerdict::Pass);
    let mut reached: Vec<u32> = passed.filter_map(|core| Tested::of(core).by_all()).collect();
    reached.sort_unstable();
    match (reached.first(), reached.last()) {
        (Some(least), Some(most)) if least == most => format!(" @{least}x"),
        (Some(least), Some(most)) => format!(" @{least}x-{most}x"),
        _ => String::new(),
    }
}

/// `FAIL P4, 7 of 8 cores decided`: the cores that fail somewhere below their tops.
fn tuned(tuning: &TuneReport, report: &Report) -> String {
    let failing = tuning.cores.iter().filter(|tuned| tuned.fails.is_some());
    let failing: Vec<u32> = failing.map(|tuned| tuned.core).collect();
    let fail = (!failing.is_empty()).then(|| format!("FAIL {}", report.machine.names(&failing)));
    let decided = tuning.cores.iter().filter(|core| core.decided).count();
    let decided = format!("{decided} of {} cores decided", tuning.cores.len());
    unless_ended(tuning.ended.is_some(), Some(fail.into_iter().chain([decided]).collect::<Vec<_>>().join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn a_run_is_told_as_its_report_tells_it() {
        let sound = report(3, |core| vec![(Some(if core == 2 { 57 } else { 60 }), "solo", 41.0, 0)]);
        let told = |change: &dyn Fn(&mut Report)| {
            let mut report = sound.clone();
            change(&mut report);
            verdict(&report)
        };
        let with = |code, core: usize, is| {
            move |report: &mut Report| {
                report.exit_code = code;
                report.cores[core].verdict = is;
            }
        };
        assert_eq!(told(&with(1, 1, CoreVerdict::Fail)), "FAIL C1");
        assert_eq!(told(&with(3, 1, CoreVerdict::Suspect)), "SUSPECT C1");
        assert_eq!(told(&with(3, 1, CoreVerdict::NotProven)), "NOT-PROVEN C1");
        assert_eq!(told(&with(2, 1, CoreVerdict::Suspect)), "NO VERDICT", "a common defect blames nobody");
        assert_eq!(told(&with(3, 1, CoreVerdict::NotTested)), "UNDECIDED");
        assert_eq!(told(&with(1, 1, CoreVerdict::Pass)), "FAIL", "of a core that the journal does not describe");
        let unended = |change: &dyn Fn(&mut Report)| {
            told(&|report| {
                change(report);
                report.ended = None;
            })
        };
        assert_eq!(unended(&with(3, 1, CoreVerdict::NotProven)), "UNFINISHED", "it may still get there");
        assert_eq!(unended(&with(3, 1, CoreVerdict::Suspect)), "UNFINISHED, SUSPECT C1");
        assert_eq!(unended(&with(1, 1, CoreVerdict::Fail)), "UNFINISHED, FAIL C1");
        assert_eq!(unended(&with(2, 1, CoreVerdict::Pass)), "NO VERDICT");
    }

    #[test]
    fn no_text_of_a_journal_begins_a_line() {
        let summary = |profile: &str, cut_off: Option<&str>| Summary {
            profile: profile.into(),
            drill: true,
            started: String::new(),
            ended: None,
            exit_code: 3,
            tested: 1,
            checked_h: 0.5,
            findings: 0,
            verdict: "UNFINISHED\nnote".into(),
            cut_off: cut_off.map(str::to_owned),
        };
        let one = |run: &str, unreadable: Option<&str>, summary| KeptRun {
            run: run.into(),
            unreadable: unreadable.map(str::to_owned),
            summary,
        };
        let runs = vec![one("3", None, Some(summary("a\nb", Some("x\ny")))), one("2", Some("no\nway"), None)];
        let shown = Kept { schema: SCHEMA, runs }.render();
        assert_eq!(shown.lines().count(), 4, "{shown}");
        assert!(
            shown.contains("ab (drill)  30 min") && shown.contains("3: the journal's end was cut off: x\\ny"),
            "{shown}"
        );
    }
}
