//! What the probes of a tuning came to, folded from the same records as everything else.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{CoreVerdict, Finding, Outcome, duration, pass::in_a_block};
use crate::{
    journal::{
        Record,
        record::{Evidence, EvidenceKey},
    },
    machine::Boot,
    plan::{Known, Ladder, Load, Probe, Told, Tuning},
    verdict::LossReason,
};

const NS: f64 = 1e-9;

/// Caps as they were before a tuning changed them, and that are not known to have been set back.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptCaps {
    /// The boot in which they are changed.
    pub boot: Option<Boot>,
    /// CPUs and their caps, kHz.
    pub caps: Vec<(u32, u32)>,
}

/// A probe as the journal has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProbeOutcome {
    /// The core.
    pub core: u32,
    /// The multiplier of its cap.
    pub multiplier: u32,
    /// The cap, MHz.
    pub cap_mhz: f64,
    /// How much checked work at that clock was asked for, in seconds.
    pub seconds: f64,
    /// Whether it confirms what the search found.
    pub confirms: bool,
    /// CPU time of the core's checked work.
    pub checked_ns: u64,
    /// The part of it within half a step of the cap.
    pub reached_ns: u64,
    /// Iterations.
    pub iterations: u64,
    /// Mismatches that blocks of work counted.
    pub mismatches: u64,
    /// Ends of the worker beyond the findings kept whole.
    pub counted: u64,
    /// Findings, by number.
    pub findings: Vec<u64>,
    /// Why the core may have erred without a finding.
    pub suspicions: Vec<String>,
    /// Clock readings: MHz and how often.
    pub clocks: BTreeMap<u32, u64>,
    /// Whether it came to its end.
    pub ended: bool,
    /// The machine was lost in it.
    pub lost: bool,
}

/// The part of an outcome that is about tuning.
#[derive(Clone, Debug, Default)]
pub struct Tuned {
    /// In order.
    pub probes: Vec<ProbeOutcome>,
    /// Caps that are still to be set back.
    pub caps: Option<KeptCaps>,
    bclk_mhz: f64,
    open: bool,
}

impl Tuned {
    /// Takes in one record; `keys` are those known by then.
    pub fn apply(&mut self, record: &Record, keys: &[Arc<EvidenceKey>]) {
        match record {
            Record::RunStarted(run) => self.bclk_mhz = run.machine.bclk_mhz,
            Record::CapsKept { boot, caps } => {
                self.caps = Some(KeptCaps { boot: boot.clone(), caps: caps.clone() });
            }
            Record::CapsRestored { .. } => self.caps = None,
            Record::ProbeStarted { core, multiplier, cap_mhz, seconds, confirms } => {
                let (core, multiplier, cap_mhz, seconds, confirms) =
                    (*core, *multiplier, *cap_mhz, *seconds, *confirms);
                let new = ProbeOutcome { core, multiplier, cap_mhz, seconds, confirms, ..ProbeOutcome::default() };
                self.probes.push(new);
                self.open = true;
            }
            Record::Resumed { .. } | Record::Interrupted { .. } => self.open = false,
            _ => {
                if let Some(probe) = self.probes.last_mut().filter(|_| self.open) {
                    self.open = probe.apply(record, keys, self.bclk_mhz);
                }
            }
        }
    }
}

impl ProbeOutcome {
    /// Whether it goes on.
    fn apply(&mut self, record: &Record, keys: &[Arc<EvidenceKey>], bclk_mhz: f64) -> bool {
        match record {
            Record::Work { core, parts, clocks, .. } if *core == self.core => {
                for (id, done) in parts {
                    if let Some(key) = keys.get(*id as usize).filter(|key| key.load == Load::Solo.name()) {
                        self.add(key, done, bclk_mhz);
                    }
                }
                for &(mhz, count) in clocks {
                    *self.clocks.entry(mhz).or_default() += count;
                }
            }
            Record::Finding(finding) if is_of(finding, self.core) => self.findings.push(finding.id),
            Record::Counted { core, class, count, .. } if *core == self.core && super::pass::ends_a_worker(*class) => {
                self.counted = self.counted.saturating_add(*count);
            }
            Record::Suspicion { core, why } if *core == self.core => self.suspicions.push(why.clone()),
            Record::BrokenOff { reason, .. } => {
                self.lost = *reason == LossReason::LostToReset;
                return false;
            }
            Record::ProbeEnded { core } if *core == self.core => {
                self.ended = true;
                return false;
            }
            _ => {}
        }
        true
    }

    fn add(&mut self, key: &EvidenceKey, done: &Evidence, bclk_mhz: f64) {
        self.checked_ns = self.checked_ns.saturating_add(done.cpu_ns);
        self.iterations = self.iterations.saturating_add(done.iterations);
        self.mismatches = self.mismatches.saturating_add(done.findings);
        let is_near = |multiplier: u32| (f64::from(multiplier) * bclk_mhz - self.cap_mhz).abs() <= bclk_mhz / 2.0;
        if key.multiplier.is_some_and(is_near) {
            self.reached_ns = self.reached_ns.saturating_add(done.cpu_ns);
        }
    }

    /// CPU time of checked work, in seconds.
    pub fn checked_s(&self) -> f64 {
        self.checked_ns as f64 * NS
    }

    /// The part of it within half a step of the cap, in seconds.
    pub fn reached_s(&self) -> f64 {
        self.reached_ns as f64 * NS
    }

    /// Errors, whoever is blamed for them.
    pub fn errors(&self, outcome: &Outcome) -> u64 {
        let own = |finding: &&Finding| self.findings.contains(&finding.id);
        let beside = outcome.findings.iter().filter(own).filter(|finding| !in_a_block(finding)).count() as u64;
        let sum = self.mismatches.saturating_add(beside).saturating_add(self.counted);
        sum.max(self.findings.len() as u64) + u64::from(self.lost)
    }

    /// Whether the core was faster than half a step above its cap all the time.
    fn clock_ignored_the_cap(&self, outcome: &Outcome) -> bool {
        let most = self.cap_mhz + outcome.run.as_ref().map_or(0.0, |run| run.machine.bclk_mhz / 2.0);
        self.clocks.keys().next().is_some_and(|&lowest| f64::from(lowest) > most)
    }

    /// `0 errors in 30 s`, and what else is to be said.
    pub fn sentence(&self, outcome: &Outcome) -> String {
        let errors = self.errors(outcome);
        let errors = format!("{errors} error{}", if errors == 1 { "" } else { "s" });
        let seen = match (self.clocks.keys().next(), self.clocks.keys().next_back()) {
            (Some(lowest), Some(highest)) if lowest == highest => format!("its clock was {lowest} MHz"),
            (Some(lowest), Some(highest)) => format!("its clock was {lowest} to {highest} MHz"),
            _ => "its clock could not be measured".to_owned(),
        };
        match self.told(outcome) {
            None => format!("broken off after {}, {errors}", duration(self.checked_s())),
            Some(Told::Fail) if self.lost => "the machine froze or reset".to_owned(),
            Some(Told::Fail) => format!("{errors} in {}", duration(self.checked_s())),
            Some(Told::Pass) => format!("{errors} in {}", duration(self.reached_s())),
            Some(Told::NotReached) => format!("not reached: {seen}"),
            Some(Told::Undecided) => match self.suspicions.first() {
                Some(why) => format!("undecided: {why}"),
                None if errors.starts_with("0 ") => format!(
                    "undecided: {} of {} of checked work at that clock; {seen}",
                    duration(self.reached_s()),
                    duration(self.seconds)
                ),
                None => format!("undecided: {errors}, and not surely this core's at that clock; {seen}"),
            },
        }
    }

    /// What it came to; `None` if it was broken off before it could tell.
    pub fn told(&self, outcome: &Outcome) -> Option<Told> {
        let blamed = outcome.findings.iter().any(|f| self.findings.contains(&f.id) && f.core == Some(self.core));
        let more = self.findings.is_empty() && outcome.verdict_of(self.core) == CoreVerdict::Fail;
        let errors = self.errors(outcome);
        if errors > 0 && self.clock_ignored_the_cap(outcome) {
            // It erred at some other clock.
            self.ended.then_some(Told::Undecided)
        } else if self.lost || blamed || errors > 0 && more {
            Some(Told::Fail)
        } else if !self.ended {
            None
        } else if errors > 0 || !self.suspicions.is_empty() {
            Some(Told::Undecided)
        } else if self.reached_ns == 0 && self.checked_ns > 0 {
            Some(Told::NotReached)
        } else if self.reached_s() >= self.seconds {
            Some(Told::Pass)
        } else {
            Some(Told::Undecided)
        }
    }
}

fn is_of(finding: &Finding, core: u32) -> bool {
    finding.core == Some(core) || finding.core.is_none() && finding.suspects.contains(&core)
}

/// What is asked of the tuning that this run is, if it is one.
pub fn tuning(outcome: &Outcome) -> Option<&Tuning> {
    outcome.run.as_ref()?.plan.tuning()
}

/// What is known of a core.
pub fn known(outcome: &Outcome, core: u32) -> Known {
    let own = outcome.tuned.probes.iter().filter(|probe| probe.core == core);
    let tried = own.filter_map(|probe| {
        let told = probe.told(outcome)?;
        Some((Probe { multiplier: probe.multiplier, confirms: probe.confirms }, told))
    });
    Known::of(&tried.collect::<Vec<_>>())
}

/// 0 if every core passes at its top, 1 if one fails at some clock, 3 if that is not known of all.
pub fn exit_code(outcome: &Outcome, ladders: &[Ladder]) -> u8 {
    let all: Vec<(Known, u32)> = ladders.iter().map(|ladder| (known(outcome, ladder.core), ladder.top)).collect();
    if all.iter().any(|(known, _)| known.fails.is_some()) {
        1
    } else if outcome.ended.is_some() && all.iter().all(|(known, top)| known.passes == Some((*top, true))) {
        0
    } else {
        3
    }
}
