//! Reports of many machines as one: how many passed, which did not, and whether failures gather on a model of CPU.

use std::{collections::BTreeMap, fmt::Write as _};

use comfy_table::{Table, presets::NOTHING};
use serde::{Deserialize, Serialize};

use super::{Report, meaning};
use crate::verdict::CoreVerdict;

/// The schema's name; fields may be added, never re-used (`docs/fleet.schema.json`).
pub const SCHEMA: &str = "oddcore-fleet/1";
/// Up to so many machines are all listed; of more, those that did not pass.
const LISTED: usize = 20;

/// Reports of many machines.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fleet {
    /// [`SCHEMA`].
    pub schema: String,
    /// What a run with this outcome would exit with: the gravest of all, in the order 1, 2, 3, 0.
    pub exit_code: u8,
    /// By name.
    pub machines: Vec<MachineRow>,
    /// By CPU and microcode; the most failures first.
    pub models: Vec<ModelRow>,
}

/// One report.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MachineRow {
    /// Its file's name without `.json`, which is what tells machines apart: a report has no name of a host.
    pub machine: String,
    /// The run's id.
    pub run: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// The CPU.
    pub cpu: String,
    /// Its microcode.
    pub microcode: Option<String>,
    /// `pass`, `fail` or `inconclusive`.
    pub verdict: String,
    /// What the run exited with.
    pub exit_code: u8,
    /// A fault was injected on purpose: left out of all sums.
    pub drill: bool,
    /// How many cores were tested.
    pub tested: usize,
    /// Checked CPU time of all cores, hours.
    pub checked_h: f64,
    /// Findings, those only counted included.
    pub findings: u64,
    /// Cores that did not pass, by their labels, and how.
    pub not_passed: Vec<(String, CoreVerdict)>,
}

/// Machines with one kind of CPU and microcode.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ModelRow {
    /// The CPU.
    pub cpu: String,
    /// Its microcode.
    pub microcode: Option<String>,
    /// How many machines.
    pub machines: usize,
    /// How many of these have a core that failed.
    pub failed_machines: usize,
    /// Cores tested.
    pub cores: usize,
    /// Cores that failed.
    pub failed_cores: usize,
    /// Checked CPU time, hours.
    pub checked_h: f64,
    /// Findings by kernel; those outside of one under the name of their class.
    pub findings: BTreeMap<String, u64>,
}

impl Fleet {
    /// All reports as one, each with its machine's name.
    pub fn of(reports: &[(String, Report)]) -> Self {
        let mut machines: Vec<MachineRow> = reports.iter().map(|(name, report)| row(name, report)).collect();
        machines.sort_by(|a, b| (&a.machine, &a.started).cmp(&(&b.machine, &b.started)));
        let mut models: BTreeMap<(String, Option<String>), ModelRow> = BTreeMap::new();
        for (_, report) in reports.iter().filter(|(_, report)| !report.drill) {
            let key = (report.machine.cpu.clone(), report.machine.microcode.clone());
            models.entry(key).or_default().add(report);
        }
        let mut models: Vec<ModelRow> = models.into_values().collect();
        models.sort_by_key(|model| std::cmp::Reverse((model.failed_cores, model.machines)));
        let counted = machines.iter().filter(|machine| !machine.drill).map(|machine| machine.exit_code);
        let exit_code = counted.min_by_key(|code| gravity(*code)).unwrap_or(3);
        Self { schema: SCHEMA.into(), exit_code, machines, models }
    }
}

/// 1, 2, 3, 0.
fn gravity(code: u8) -> u8 {
    if code == 0 { u8::MAX } else { code }
}

fn row(name: &str, report: &Report) -> MachineRow {
    let passed = |verdict| matches!(verdict, CoreVerdict::Pass | CoreVerdict::NotTested);
    let others = report.cores.iter().filter(|core| !passed(core.verdict));
    MachineRow {
        machine: name.to_owned(),
        run: report.run.clone(),
        started: report.started.clone(),
        cpu: report.machine.cpu.clone(),
        microcode: report.machine.microcode.clone(),
        verdict: report.verdict.clone(),
        exit_code: report.exit_code,
        drill: report.drill,
        tested: tested(report),
        checked_h: checked_h(report),
        findings: all_findings(report),
        not_passed: others.map(|core| (meaning::short(report, core).to_owned(), core.verdict)).collect(),
    }
}

pub(super) fn tested(report: &Report) -> usize {
    report.cores.iter().filter(|core| core.verdict != CoreVerdict::NotTested).count()
}

pub(super) fn checked_h(report: &Report) -> f64 {
    report.cores.iter().map(|core| core.checked.cpu_s).sum::<f64>() / 3600.0
}

/// By kernel, or by class where there was none. Those that blame no core are counted too: something computed wrongly.
fn findings(report: &Report) -> BTreeMap<String, u64> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for kernel in report.cores.iter().flat_map(|core| &core.kernels).filter(|kernel| kernel.findings > 0) {
        let sum = sums.entry(kernel.kernel.clone()).or_default();
        *sum = sum.saturating_add(kernel.findings);
    }
    for finding in &report.findings {
        let counted = finding.core.is_some() && finding.kernel.as_ref().is_some_and(|kernel| sums.contains_key(kernel));
        if !counted {
            let name = finding.kernel.clone().unwrap_or_else(|| finding.class.name().to_owned());
            let sum = sums.entry(name).or_default();
            *sum = sum.saturating_add(1);
        }
    }
    sums
}

/// Of all kernels and classes.
pub(super) fn all_findings(report: &Report) -> u64 {
    findings(report).into_values().fold(0, u64::saturating_add)
}

impl ModelRow {
    fn add(&mut self, report: &Report) {
        let failed = report.cores.iter().filter(|core| core.verdict == CoreVerdict::Fail).count();
        self.cpu.clone_from(&report.machine.cpu);
        self.microcode.clone_from(&report.machine.microcode);
        self.machines += 1;
        self.failed_machines += usize::from(failed > 0);
        self.cores += tested(report);
        self.failed_cores += failed;
        self.checked_h += checked_h(report);
        for (kernel, count) in findings(report) {
            let sum = self.findings.entry(kernel).or_default();
            *sum = sum.saturating_add(count);
        }
    }
}

/// The fleet as text.
pub fn render(fleet: &Fleet) -> String {
    let real: Vec<&MachineRow> = fleet.machines.iter().filter(|machine| !machine.drill).collect();
    let with = |verdict: &str| real.iter().filter(|machine| machine.verdict == verdict).count();
    let mut text = format!(
        "{} reports: {} pass, {} fail, {} inconclusive; {:.1} core-hours checked.\n",
        real.len(),
        with("pass"),
        with("fail"),
        with("inconclusive"),
        real.iter().map(|machine| machine.checked_h).sum::<f64>()
    );
    let drills = fleet.machines.len() - real.len();
    if drills > 0 {
        let _ = writeln!(text, "Left out: {drills} drills.");
    }
    let listed: Vec<&&MachineRow> =
        real.iter().filter(|machine| real.len() <= LISTED || machine.verdict != "pass").collect();
    if !listed.is_empty() {
        text.push_str(&table(
            ["machine", "tested", "core-hours", "findings", "verdict"],
            listed.iter().map(|m| machine_cells(m)),
        ));
    }
    text.push_str(&table(
        ["CPU", "machines", "failed", "cores", "failed", "findings in"],
        fleet.models.iter().map(model_cells),
    ));
    text
}

pub(super) fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(header);
    rows.for_each(|row| {
        table.add_row(row);
    });
    let lines = table.to_string();
    lines.lines().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, " {}", line.trim_end());
        text
    })
}

fn machine_cells(machine: &MachineRow) -> Vec<String> {
    let others: Vec<String> =
        machine.not_passed.iter().map(|(core, verdict)| format!("{core} {}", verdict.name())).collect();
    let verdict = if others.is_empty() { machine.verdict.clone() } else { others.join(", ") };
    vec![
        machine.machine.clone(),
        machine.tested.to_string(),
        format!("{:.1}", machine.checked_h),
        machine.findings.to_string(),
        verdict,
    ]
}

fn model_cells(model: &ModelRow) -> Vec<String> {
    let mut kernels: Vec<(&String, &u64)> = model.findings.iter().collect();
    kernels.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let most: Vec<&str> = kernels.iter().take(3).map(|(kernel, _)| kernel.as_str()).collect();
    let microcode = model.microcode.as_ref().map_or_else(String::new, |revision| format!(" ({revision})"));
    vec![
        format!("{}{microcode}", model.cpu),
        model.machines.to_string(),
        model.failed_machines.to_string(),
        model.cores.to_string(),
        model.failed_cores.to_string(),
        if most.is_empty() { "-".into() } else { most.join(", ") },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::tests,
        verdict::{Class, finding::tests::finding},
    };

    fn report(cores: u32) -> Report {
        tests::report(cores, |_| vec![(Some(60), "solo", 41.0, 0)])
    }

    #[test]
    fn the_gravest_counts_and_drills_do_not() {
        let sound = report(2);
        let mut failed = report(2);
        (failed.exit_code, failed.verdict) = (1, "fail".into());
        failed.cores[1].verdict = CoreVerdict::Fail;
        failed.findings = vec![finding(1, Class::Miscompute)];
        let undecided = Report { exit_code: 3, verdict: "inconclusive".into(), ..report(2) };
        let drill = Report { drill: true, ..failed.clone() };
        let named = |reports: &[&Report]| -> Vec<(String, Report)> {
            reports.iter().enumerate().map(|(n, report)| (format!("node{n}"), (*report).clone())).collect()
        };
        assert_eq!(Fleet::of(&named(&[&sound, &sound])).exit_code, 0);
        assert_eq!(Fleet::of(&named(&[&sound, &undecided])).exit_code, 3);
        assert_eq!(Fleet::of(&named(&[&sound, &undecided, &failed])).exit_code, 1);
        assert_eq!(Fleet::of(&named(&[&sound, &drill])).exit_code, 0);
        assert_eq!(Fleet::of(&[]).exit_code, 3, "nothing tested is no pass");

        let fleet = Fleet::of(&named(&[&sound, &failed, &drill]));
        let [model] = &fleet.models[..] else { panic!("one") };
        assert_eq!((model.machines, model.failed_machines, model.cores, model.failed_cores), (2, 1, 4, 1));
        assert_eq!(model.findings, BTreeMap::from([("gemm-f32".to_owned(), 1)]));
        let text = render(&fleet);
        assert!(text.starts_with("2 reports: 1 pass, 1 fail, 0 inconclusive;"), "{text}");
        assert!(text.contains("Left out: 1 drills.") && text.contains("C1 fail"), "{text}");
    }
}
