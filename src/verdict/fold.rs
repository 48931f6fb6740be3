//! The fold itself and the verdicts read off it.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Finding, LossReason, Standing, Tuned, expect, finding::Class};
use crate::{
    journal::record::{Evidence, EvidenceKey, Inside, Record, RunStarted, Waits},
    plan::{Load, PRE_PASS, Role, Step},
    platform::signal_name,
};

/// So many reports of the hardware are said in words; later ones are counted.
const HARDWARE_REPORTS_SAID: u64 = 16;

/// Whether a load has its cores work without a pause.
fn is_steady(load: &str) -> bool {
    let load = Load::named(load);
    load.is_some_and(|load| matches!(load, Load::Solo | Load::Siblings | Load::Together) || load.active().is_some())
}

/// The verdict of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CoreVerdict {
    /// Every check held, at the multipliers in the evidence.
    Pass,
    /// At least one finding blames it.
    Fail,
    /// Something was seen that may have been this core.
    Suspect,
    /// An expectation was missed.
    NotProven,
    /// Outside the allowed set, or nothing was checked.
    NotTested,
}

impl CoreVerdict {
    /// The name used in JSON and on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Suspect => "suspect",
            Self::NotProven => "not-proven",
            Self::NotTested => "not-tested",
        }
    }
}

/// All that is known of one core.
#[derive(Clone, Debug, Default)]
pub struct CoreOutcome {
    /// Whether the plan tests it.
    pub under_test: bool,
    /// Why not, or why not enough.
    pub reason: Option<String>,
    /// Why it is suspect without a finding that names it.
    pub suspicions: Vec<String>,
    /// Work done and checked. Keys are shared with the standing: a night has thousands where the clock wanders.
    pub evidence: BTreeMap<Arc<EvidenceKey>, Evidence>,
    /// How long it was to work in steps without a pause, by the plan, all its lanes; see [`Outcome::steady_share`].
    pub steady_ns: u64,
    /// Clock readings: MHz → how often.
    pub clocks: BTreeMap<u32, u64>,
    /// How its waits went, by load.
    pub waits: BTreeMap<String, Waits>,
    /// How its clock inside blocks compared with the one at their edges, by instruction set.
    pub inside: BTreeMap<String, Inside>,
    /// CPU time spent reading its clock, nanoseconds.
    pub clock_ns: u64,
    /// How often it throttled itself, where counted.
    pub throttled: Option<u64>,
    /// Errors that the hardware corrected, by its own report.
    pub corrected_errors: u64,
}

impl CoreOutcome {
    /// The evidence, part by part, as a ledger gives what it holds.
    pub fn work(&self) -> impl Iterator<Item = (&EvidenceKey, &Evidence)> {
        self.evidence.iter().map(|(key, done)| (&**key, done))
    }

    /// The sum of all evidence.
    pub fn total(&self) -> Evidence {
        self.evidence.values().fold(Evidence::default(), |mut sum, part| {
            sum.add(part);
            sum
        })
    }

    /// Whether anything was checked in a step of work: the pre-pass shows that a core is fit to be tested, and no more.
    pub fn was_worked(&self) -> bool {
        self.evidence.iter().any(|(key, part)| key.load != PRE_PASS && part.iterations > 0)
    }
}

/// The step that was running when the journal ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenStep {
    /// Its load.
    pub load: String,
    /// Its kernel, where it has one.
    pub kernel: Option<String>,
    /// Its cores.
    pub cores: Vec<u32>,
}

/// One break in the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interruption {
    /// When, RFC 3339.
    pub at: String,
    /// What it was.
    pub reason: LossReason,
    /// In words.
    #[serde(default)]
    pub why: Option<String>,
    /// The load at that moment.
    pub load: Option<String>,
    /// The kernel at that moment.
    pub kernel: Option<String>,
    /// The cores under load at that moment.
    pub cores: Vec<u32>,
}

/// A program of the user's that ran beside the test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BesideOutcome {
    /// The line for the shell.
    pub command: String,
    /// When, RFC 3339.
    pub started: String,
    /// When, RFC 3339; null if nobody saw its end.
    pub ended: Option<String>,
    /// Its exit code, where it has one.
    pub exit: Option<i32>,
    /// The signal that ended it, where one did.
    pub signal: Option<i32>,
    /// Whether the test ended it; if not, it ended by itself.
    pub stopped: bool,
}

/// What was known when a run was summed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummedUp {
    /// When, RFC 3339.
    pub at: String,
    /// The local day, `2026-11-25`.
    pub day: String,
    /// Whether it is the run's end that the summary is for.
    pub ends: bool,
    /// How many findings there were.
    pub findings: usize,
    /// How many notes.
    pub notes: usize,
}

/// Everything that a journal says, folded.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The opening record.
    pub run: Option<RunStarted>,
    /// By core index.
    pub cores: BTreeMap<u32, CoreOutcome>,
    /// In the order of their making; amended ones in their last form.
    pub findings: Vec<Finding>,
    /// Findings beyond those kept whole, per core, kernel and class.
    pub counted: BTreeMap<(u32, String, Class), u64>,
    /// Why the program that was run is no test of a core.
    pub unfit: Option<String>,
    /// What is to be said besides findings: restarts, signals from outside, starved workers.
    pub notes: Vec<String>,
    /// Errors that the hardware reported and that blame no core.
    pub hardware_errors: u64,
    hardware_reports: u64,
    /// The hottest that was read, °C, by load.
    pub hottest_c: BTreeMap<String, f64>,
    /// By load: how many cores but those of a step were active in it, and in how many steps.
    pub others_active: BTreeMap<String, BTreeMap<u32, u64>>,
    /// CPU time of the supervisor, and the time that it ran, ns.
    pub supervisor: (u64, u64),
    /// The core voltage: mV and how often.
    pub millivolts: BTreeMap<u32, u64>,
    /// Power by package: watts and how often.
    pub watts: BTreeMap<u32, BTreeMap<u32, u64>>,
    /// The user's program beside the test, in the last session.
    pub beside: Option<BesideOutcome>,
    /// Breaks in the run.
    pub interruptions: Vec<Interruption>,
    /// What was running when the journal ended.
    pub open_step: Option<OpenStep>,
    /// When the run ended, RFC 3339.
    pub ended: Option<String>,
    /// What is needed to go on with it.
    pub standing: Standing,
    /// What came of a tuning.
    pub tuned: Tuned,
    /// The summaries of its mornings, in order.
    pub mornings: Vec<SummedUp>,
}

impl Outcome {
    /// Folds a whole journal.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut outcome = Self::default();
        for record in records {
            outcome.apply(record);
        }
        outcome
    }

    /// Takes in one record.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::RunStarted(run) => {
                for core in &run.machine.cores {
                    let outcome = self.cores.entry(core.core).or_default();
                    outcome.under_test = run.cores.contains(&core.core);
                    outcome.reason =
                        run.not_tested.iter().find(|(other, _)| *other == core.core).map(|(_, why)| why.clone());
                }
                self.standing.session_begins(&run.started, run.machine.boot.clone());
                self.run = Some((**run).clone());
            }
            Record::Resumed { at, boot, .. } => {
                self.standing.session_begins(at, boot.clone());
                self.ended = None;
            }
            Record::Heartbeat { at } => self.standing.last_seen = at.clone(),
            Record::StepStarted(step) => {
                self.standing.step_begins(step);
                self.open_step =
                    Some(OpenStep { load: step.load.clone(), kernel: step.kernel.clone(), cores: step.cores.clone() });
            }
            Record::StepEnded { step } => {
                if let Some(step) = self.standing.step_ends(*step) {
                    self.step_was_had(&step);
                }
                self.open_step = None;
            }
            Record::Key { id, key } => {
                // Out of turn it could only come from a damaged journal, which a checksum would have told.
                if *id as usize == self.standing.keys.len() {
                    self.standing.keys.push(Arc::new(key.clone()));
                }
            }
            Record::Work { core, parts, clocks, clock_ns } => {
                let known = |(id, done): &(u32, Evidence)| Some((self.standing.keys.get(*id as usize)?.clone(), *done));
                let parts: Vec<_> = parts.iter().filter_map(known).collect();
                self.add_evidence(*core, parts, clocks);
                let own = self.cores.entry(*core).or_default();
                own.clock_ns = own.clock_ns.saturating_add(*clock_ns);
            }
            Record::Inside { core, isa, inside } => {
                self.cores.entry(*core).or_default().inside.entry(isa.clone()).or_default().add(*inside);
            }
            Record::Waits { core, load, waits } => {
                self.cores.entry(*core).or_default().waits.entry(load.clone()).or_default().add(waits);
            }
            Record::Evidence { core, parts, clocks } => {
                let own = |(key, done): &(EvidenceKey, Evidence)| (Arc::new(key.clone()), *done);
                self.add_evidence(*core, parts.iter().map(own), clocks);
            }
            Record::OthersActive { step: _, cores } => {
                if let Some(step) = &self.open_step {
                    *self.others_active.entry(step.load.clone()).or_default().entry(*cores).or_default() += 1;
                }
            }
            Record::Chased { core, state } => {
                self.standing.chases.insert(*core, *state);
            }
            Record::Supervisor { cpu_ns, wall_ns } => {
                self.supervisor.0 = self.supervisor.0.saturating_add(*cpu_ns);
                self.supervisor.1 = self.supervisor.1.saturating_add(*wall_ns);
            }
            Record::Sensors { hottest_c, throttled, .. } => self.add_sensors(*hottest_c, throttled),
            Record::Power { volts, watts } => {
                let count = |sums: &mut BTreeMap<u32, u64>, value: f64| {
                    let count = sums.entry(value.round() as u32).or_default();
                    *count = count.saturating_add(1);
                };
                if let Some(volts) = volts {
                    count(&mut self.millivolts, volts * 1000.0);
                }
                for &(package, watts) in watts {
                    count(self.watts.entry(package).or_default(), watts);
                }
            }
            Record::Finding(finding) => self.findings.push((**finding).clone()),
            Record::Counted { core, kernel, class, count } => {
                let counted = self.counted.entry((*core, kernel.clone(), *class)).or_default();
                *counted = counted.saturating_add(*count);
            }
            Record::Amended(amendment) => {
                if let Some(finding) = self.findings.iter_mut().find(|f| f.id == amendment.id) {
                    amendment.apply(finding);
                }
            }
            Record::Suspicion { core, why } => self.cores.entry(*core).or_default().suspicions.push(why.clone()),
            Record::GivenUp { core, why } => self.cores.entry(*core).or_default().reason = Some(why.clone()),
            Record::HardwareErrors { core, count, text } => self.add_hardware_errors(*core, *count, text),
            Record::Unfit { why } => self.unfit = Some(why.clone()),
            Record::Note { text } => self.notes.push(text.clone()),
            Record::BesideStarted { at, command, .. } => {
                let (command, started) = (command.clone(), at.clone());
                self.beside =
                    Some(BesideOutcome { command, started, ended: None, exit: None, signal: None, stopped: false });
            }
            Record::BesideEnded { at, exit, signal, stopped } => self.company_ends(at, *exit, *signal, *stopped),
            Record::Morning { at, day, ends } => {
                let (findings, notes) = (self.findings.len(), self.notes.len());
                self.mornings.push(SummedUp { at: at.clone(), day: day.clone(), ends: *ends, findings, notes });
            }
            Record::Interrupted { at, why } => {
                self.standing.settled = true;
                self.break_off(at, LossReason::Interrupted, why.clone());
            }
            Record::BrokenOff { at, reason, why } => {
                if *reason == LossReason::LostToReset {
                    self.standing.machine_lost();
                }
                self.standing.settled = true;
                self.break_off(at, *reason, Some(why.clone()));
            }
            Record::RunEnded { at } => {
                self.standing.settled = true;
                self.ended = Some(at.clone());
            }
            Record::CapsKept { .. }
            | Record::CapsRestored { .. }
            | Record::ProbeStarted { .. }
            | Record::ProbeEnded { .. } => {}
        }
        self.tuned.apply(record, &self.standing.keys);
    }

    /// Adds up how long each core was to work in steps without a pause, all its lanes.
    fn step_was_had(&mut self, step: &Step) {
        let Some(run) = &self.run else { return };
        if !is_steady(&step.load) || step.chase.is_some() || step.times.is_some() {
            return;
        }
        for core in run.machine.cores.iter().filter(|core| step.role_of(core.core) == Role::Tested) {
            if step.cores.contains(&core.core) {
                let lanes = if step.siblings { core.testable.len() } else { 1 };
                let steady_ns = &mut self.cores.entry(core.core).or_default().steady_ns;
                *steady_ns = steady_ns.saturating_add((step.seconds * 1e9) as u64 * lanes as u64);
            }
        }
    }

    /// Of the time in which cores were to work without a pause, the part in which they did; `None` where there was none. A core
    /// that something is wrong with may have kept itself from it.
    pub fn steady_share(&self) -> Option<f64> {
        let (mut had, mut used) = (0u64, 0u64);
        let sound = |core: u32| matches!(self.verdict_of(core), CoreVerdict::Pass | CoreVerdict::NotProven);
        for (_, own) in self.cores.iter().filter(|&(&core, _)| sound(core)) {
            had = had.saturating_add(own.steady_ns);
            let steady = own.evidence.iter().filter(|(key, _)| is_steady(&key.load));
            used = steady.fold(used, |used, (_, done)| used.saturating_add(done.cpu_ns));
        }
        (had > 0).then(|| used as f64 / had as f64)
    }

    /// The number of the next finding.
    pub fn next_finding(&self) -> u64 {
        self.findings.iter().map(|finding| finding.id.saturating_add(1)).max().unwrap_or(0)
    }

    fn add_evidence(
        &mut self,
        core: u32,
        parts: impl IntoIterator<Item = (Arc<EvidenceKey>, Evidence)>,
        clocks: &[(u32, u64)],
    ) {
        let outcome = self.cores.entry(core).or_default();
        for (key, evidence) in parts {
            outcome.evidence.entry(key).or_default().add(&evidence);
        }
        for &(mhz, count) in clocks {
            let readings = outcome.clocks.entry(mhz).or_default();
            *readings = readings.saturating_add(count);
        }
    }

    fn add_sensors(&mut self, hottest_c: Option<f64>, throttled: &[(u32, u64)]) {
        if let (Some(celsius), Some(step)) = (hottest_c, &self.open_step) {
            let hottest = self.hottest_c.entry(step.load.clone()).or_insert(celsius);
            *hottest = hottest.max(celsius);
        }
        for &(core, count) in throttled {
            let sum = self.cores.entry(core).or_default().throttled.get_or_insert(0);
            *sum = sum.saturating_add(count);
        }
    }

    fn company_ends(&mut self, at: &str, exit: Option<i32>, signal: Option<i32>, stopped: bool) {
        let Some(beside) = &mut self.beside else { return };
        *beside = BesideOutcome { ended: Some(at.to_owned()), exit, signal, stopped, ..beside.clone() };
        if !stopped {
            let how = match (exit, signal) {
                (Some(0), _) => "with exit code 0".to_owned(),
                (Some(code), _) => format!("with exit code {code}: it failed"),
                (None, Some(signal)) => format!("by {}", signal_name(signal)),
                (None, None) => "nobody knows how".to_owned(),
            };
            let text = format!("{} ended by itself at {at}, {how}; the test went on without it", beside.command);
            self.notes.push(text);
        }
    }

    fn add_hardware_errors(&mut self, core: Option<u32>, count: u64, text: &str) {
        if self.hardware_reports < HARDWARE_REPORTS_SAID {
            self.notes.push(text.to_owned());
        }
        self.hardware_reports += 1;
        self.hardware_errors = self.hardware_errors.saturating_add(count);
        if let Some(core) = core {
            let corrected = &mut self.cores.entry(core).or_default().corrected_errors;
            *corrected = corrected.saturating_add(count);
        }
    }

    fn break_off(&mut self, at: &str, reason: LossReason, why: Option<String>) {
        let open = self.open_step.take();
        self.interruptions.push(Interruption {
            at: at.to_owned(),
            reason,
            why,
            load: open.as_ref().map(|open| open.load.clone()),
            kernel: open.as_ref().and_then(|open| open.kernel.clone()),
            cores: open.map(|open| open.cores).unwrap_or_default(),
        });
    }

    /// Findings of this core: those kept whole and those only counted.
    pub fn findings_of(&self, core: u32) -> u64 {
        let kept = self.findings.iter().filter(|f| f.core == Some(core)).count() as u64;
        let counted = self.counted.iter().filter(|((c, ..), _)| *c == core).map(|(_, &n)| n);
        if kept > 0 { counted.fold(kept, u64::saturating_add) } else { 0 }
    }

    /// Findings of this core in one kernel.
    pub fn findings_in(&self, core: u32, kernel: &str) -> u64 {
        let kept =
            self.findings.iter().filter(|f| f.core == Some(core) && f.kernel.as_deref() == Some(kernel)).count() as u64;
        let counted = self.counted.iter().filter(|((c, k, _), _)| *c == core && k == kernel).map(|(_, &n)| n);
        if kept > 0 { counted.fold(kept, u64::saturating_add) } else { 0 }
    }

    /// The verdict of one core.
    pub fn verdict_of(&self, core: u32) -> CoreVerdict {
        let Some(outcome) = self.cores.get(&core) else { return CoreVerdict::NotTested };
        if self.findings.iter().any(|f| f.core == Some(core)) {
            CoreVerdict::Fail
        } else if !outcome.under_test {
            CoreVerdict::NotTested
        } else if !outcome.suspicions.is_empty()
            || self.findings.iter().any(|f| f.core.is_none() && f.suspects.contains(&core) && !self.is_explained(f))
        {
            CoreVerdict::Suspect
        } else if !outcome.was_worked() {
            CoreVerdict::NotTested
        } else if expect::missed(self, core).is_some() {
            CoreVerdict::NotProven
        } else {
            CoreVerdict::Pass
        }
    }

    /// Whether one of the suspects of a thread that roamed failed by itself in the same kernel: then it was that one.
    fn is_explained(&self, finding: &Finding) -> bool {
        let alike = |other: &Finding| {
            other.kernel == finding.kernel && other.core.is_some_and(|core| finding.suspects.contains(&core))
        };
        Load::named(&finding.load).is_some_and(Load::roams) && self.findings.iter().any(alike)
    }

    /// A finding that blames no core at all: the program itself, or a defect that all cores share.
    pub fn common_defect(&self) -> Option<&Finding> {
        self.findings.iter().find(|f| f.core.is_none() && f.suspects.is_empty())
    }

    /// The exit code of design.md; precedence 1, 2, 3, 0.
    pub fn exit_code(&self) -> u8 {
        let mut verdicts = self.cores.iter().filter(|(_, c)| c.under_test).map(|(&core, _)| self.verdict_of(core));
        if self.cores.keys().any(|&core| self.verdict_of(core) == CoreVerdict::Fail) {
            1
        } else if self.common_defect().is_some() || self.unfit.is_some() {
            2
        } else if self.ended.is_none() || !verdicts.all(|v| v == CoreVerdict::Pass) {
            3
        } else {
            0
        }
    }

    /// `pass`, `fail` or `inconclusive`.
    pub fn verdict(&self) -> &'static str {
        match self.exit_code() {
            0 => "pass",
            1 => "fail",
            _ => "inconclusive",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_a_damaged_journal_stop_at_the_most_that_there_is() {
        let clocks = Record::Work { core: 0, parts: vec![], clocks: vec![(4000, u64::MAX), (4000, 7)], clock_ns: 0 };
        let more =
            |kernel: &str| Record::Counted { core: 0, kernel: kernel.into(), class: Class::Hang, count: u64::MAX };
        let outcome = Outcome::of(&[clocks, more("a"), more("a"), more("b")]);
        assert_eq!(outcome.cores[&0].clocks[&4000], u64::MAX);
        assert!(outcome.counted.values().all(|&count| count == u64::MAX));
        assert_eq!(outcome.findings_of(0), 0, "only counted, never seen");
    }
}
