//! The runs that a folder keeps, a line each: which to show again, to compare, or to go on with.

use comfy_table::{Table, presets::NOTHING};
use serde::Serialize;

use super::{Report, fleet, tested::Tested, text::duration_or_none, tune::TuneReport};
use crate::verdict::{CoreVerdict, Outcome};

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
    /// `FAIL P4`, `PASS @57x-60x`.
    pub verdict: String,
}

impl Kept {
    /// Of runs by their ids, each with what was read of it or why that could not be.
    pub fn of(runs: impl Iterator<Item = (String, Result<Outcome, String>)>) -> Self {
        let one = |(run, outcome): (String, Result<Outcome, String>)| match outcome.map(|outcome| summary(&outcome)) {
            Ok(summary) => KeptRun { run, unreadable: None, summary },
            Err(why) => KeptRun { run, unreadable: Some(why), summary: None },
        };
        Self { schema: SCHEMA, runs: runs.map(one).collect() }
    }

    /// As a person reads it.
    pub fn render(&self) -> String {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(["run", "profile", "checked", "errors", "verdict"]);
        for kept in &self.runs {
            let Some(summary) = &kept.summary else { continue };
            table.add_row([
                kept.run.clone(),
                summary.profile.clone(),
                duration_or_none(3600.0 * summary.checked_h),
                summary.findings.to_string(),
                summary.verdict.clone(),
            ]);
        }
        let lines = table.lines().map(|line| format!(" {}\n", line.trim_end()));
        let broken = self.runs.iter().filter_map(|kept| Some(format!("note: {}\n", kept.unreadable.as_ref()?)));
        lines.chain(broken).collect()
    }
}

fn summary(outcome: &Outcome) -> Option<Summary> {
    let report = Report::of(outcome)?;
    let tuning = TuneReport::of(outcome);
    Some(Summary {
        exit_code: tuning.as_ref().map_or(report.exit_code, |tuning| tuning.exit_code),
        tested: fleet::tested(&report),
        checked_h: fleet::checked_h(&report),
        findings: fleet::findings(&report).values().sum(),
        verdict: tuning.map_or_else(|| verdict(&report), |tuning| tuned(&tuning)),
        profile: report.profile,
        drill: report.drill,
        started: report.started,
        ended: report.ended,
    })
}

/// The cores that did not pass, or at which multipliers all did.
fn verdict(report: &Report) -> String {
    let named = |verdict: CoreVerdict| {
        let cores: Vec<u32> =
            report.cores.iter().filter(|core| core.verdict == verdict).map(|core| core.core).collect();
        (!cores.is_empty()).then(|| format!("{} {}", verdict.name().to_uppercase(), report.machine.names(&cores)))
    };
    let others: Vec<String> =
        [CoreVerdict::Fail, CoreVerdict::Suspect, CoreVerdict::NotProven].into_iter().filter_map(named).collect();
    let said = match report.exit_code {
        _ if !others.is_empty() => others.join(", "),
        0 => format!("PASS{}", at(report)),
        _ if report.ended.is_none() => return "UNFINISHED".to_owned(),
        2 => "NO VERDICT".to_owned(),
        _ => "UNDECIDED".to_owned(),
    };
    if report.ended.is_none() { format!("UNFINISHED, {said}") } else { said }
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

fn tuned(tuning: &TuneReport) -> String {
    let decided = tuning.cores.iter().filter(|core| core.decided).count();
    format!("tuned, {decided} of {} cores decided", tuning.cores.len())
}
