//! Tuning: one core after the other is capped at a clock and put to work alone, until the highest clock that it passes at is
//! known. All others are capped at their lowest meanwhile, so that those who judge do so where they are surest.
//!
//! Architecture invariant: what the caps were is in the journal, synced, before the first of them is changed.

use super::Supervisor;
use crate::{
    journal::Record,
    machine::cap::{self, Caps, ClockCap},
    plan::{Ladder, Load, PRE_PASS, Probe, Step, Tuning},
    verdict::{Hex, ProbeOutcome, known},
};

/// Bounds of a step of a probe, in seconds.
const STEP_S: (f64, f64) = (0.2, 2.0);
/// A probe ends when the core has worked so many times what is asked for and not enough of it at its clock; and after so many
/// times that on the wall, where others take the core's time.
const PATIENCE: f64 = 4.0;
const STARVED: f64 = 30.0;
/// A core that in so many steps, and this part of the probe's work, was never at its clock is not going to be.
const UNREACHED_STEPS: u32 = 3;
const UNREACHED_PART: f64 = 0.1;

/// Caps that can be set.
pub struct Capping {
    /// How.
    pub cap: Box<dyn ClockCap>,
    /// What they were before.
    pub kept: Caps,
    /// What is to be known of them, a sentence each.
    pub notes: Vec<String>,
}

impl Supervisor<'_> {
    /// Keeps the caps in the journal and caps every core at its lowest. Nothing where nothing is tuned.
    pub(super) fn begin_tuning(&mut self) {
        let (Some(capping), Some(tuning), false) = (&mut self.capping, self.run.plan.capping().cloned(), self.capped)
        else {
            return;
        };
        let (caps, notes) = (capping.kept.clone(), std::mem::take(&mut capping.notes));
        let boot = self.outcome.standing.boot.clone();
        self.capped = true;
        self.book(Record::CapsKept { boot, caps }, true);
        notes.into_iter().for_each(|note| self.note(note));
        if let Err(why) = self.cap_others(&tuning, None) {
            self.note(why);
        }
    }

    /// All of it, from the pre-pass to the last core's last probe.
    pub(super) fn tune(&mut self, tuning: &Tuning) {
        self.begin_tuning();
        if self.outcome.standing.next_step == 0 {
            let cores = self.run.cores.clone();
            self.carry_out(Step { cores, load: PRE_PASS.to_owned(), ..Step::default() });
        }
        let mut given_up = Vec::new();
        while !self.stop {
            // The one that was tried least comes next: a short look at all of them first.
            let tried = |core: u32| self.outcome.tuned.probes.iter().filter(|probe| probe.core == core).count();
            let open = tuning.ladders.iter().filter(|ladder| !given_up.contains(&ladder.core));
            let next = open.filter_map(|ladder| Some((ladder, known(&self.outcome, ladder.core).next(ladder)?)));
            let Some((ladder, probe)) = next.min_by_key(|(ladder, _)| (tried(ladder.core), u32::MAX - ladder.top))
            else {
                break;
            };
            if !self.probe(tuning, ladder, probe) {
                given_up.push(ladder.core);
            }
        }
    }

    /// Tries each core that erred one step below the lowest multiplier at which it did, where that is asked for.
    pub(super) fn lower_those_that_erred(&mut self) {
        let Some(lowering) = self.run.plan.lowering().cloned() else { return };
        let erred_at = |core: u32| {
            let own = self.outcome.findings.iter().filter(move |finding| finding.core == Some(core));
            own.filter_map(|finding| finding.multiplier).min()
        };
        let is_new = |core: u32| self.outcome.tuned.probes.iter().all(|probe| probe.core != core || !probe.ended);
        let erred = |core: u32| self.outcome.findings.iter().any(|finding| finding.core == Some(core));
        let open = lowering.ladders.iter().filter(|ladder| is_new(ladder.core) && erred(ladder.core));
        let lower: Vec<(Ladder, Option<u32>)> = open.map(|ladder| (*ladder, erred_at(ladder.core))).collect();
        for (ladder, erred_at) in lower {
            let below = erred_at.and_then(|at| at.min(ladder.top).checked_sub(1));
            match below.filter(|multiplier| (ladder.lowest..ladder.top).contains(multiplier)) {
                _ if self.stop => {}
                Some(multiplier) => {
                    self.begin_tuning();
                    self.probe(&lowering, &ladder, Probe { multiplier, confirms: false });
                }
                None => {
                    let label = self.crew[&ladder.core].core.label.clone();
                    let why = erred_at.map_or_else(
                        || "the clock at which it erred could not be measured".to_owned(),
                        |at| format!("it erred at {at}x, and {}x is the lowest that is tried", ladder.lowest),
                    );
                    self.note(format!("{label} was not tried one step lower: {why}"));
                }
            }
        }
    }

    /// Puts the caps back.
    pub(super) fn end_tuning(&mut self) {
        let (Some(capping), true) = (&self.capping, self.capped) else { return };
        match cap::set_all(&*capping.cap, &capping.kept) {
            Ok(()) => {
                self.capped = false;
                self.book(Record::CapsRestored { at: self.clock.timestamp() }, true);
            }
            Err(why) => self.note(why),
        }
    }

    /// One probe; says whether the core can go on.
    fn probe(&mut self, tuning: &Tuning, ladder: &Ladder, probe: Probe) -> bool {
        let core = ladder.core;
        let (cap_mhz, seconds) =
            (ladder.cap_mhz(probe.multiplier, self.run.machine.bclk_mhz), tuning.seconds_of(probe));
        if let Err(why) = self.cap_others(tuning, Some((core, cap_mhz))) {
            self.note(why);
            return false;
        }
        // What was done before is no part of it.
        self.book_evidence();
        let Probe { multiplier, confirms } = probe;
        self.book(Record::ProbeStarted { core, multiplier, cap_mhz, seconds, confirms }, true);
        let kernels = self.run.plan.kernels();
        let step_s = (seconds / kernels.len().max(1) as f64).clamp(STEP_S.0, STEP_S.1);
        let turn = self.outcome.tuned.probes.len();
        let (mut steps, mut spent_s) = (0, 0.0);
        while !self.stop && self.crew[&core].can_work() && spent_s < STARVED * seconds.max(step_s) {
            let step = self.outcome.standing.next_step;
            let seed = Hex(self.run.seed.0.wrapping_add(u64::from(step).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            let kernel = kernels.get((turn + steps as usize) % kernels.len().max(1)).cloned();
            let (cores, load) = (vec![core], Load::Solo.name().to_owned());
            self.carry_out(Step { step, load, kernel, cores, seconds: step_s, seed, ..Step::default() });
            self.book_evidence();
            (steps, spent_s) = (steps + 1, spent_s + step_s);
            let own = self.outcome.tuned.probes.last().expect("just begun");
            let unreached = own.reached_ns == 0 && own.checked_s() >= UNREACHED_PART * seconds;
            let in_vain = own.checked_s() >= PATIENCE * seconds || steps >= UNREACHED_STEPS && unreached;
            if own.reached_s() >= seconds || went_wrong(own) || in_vain {
                break;
            }
        }
        if !self.stop {
            self.book(Record::ProbeEnded { core }, true);
        }
        self.crew[&core].can_work()
    }

    /// The core at work has erred at the clock that is tried, and it was looked into: enough.
    pub(super) fn probe_is_over(&self) -> bool {
        self.capped && self.outcome.tuned.probes.last().is_some_and(went_wrong)
    }

    /// Caps every core under test at its lowest, but this one at that clock.
    fn cap_others(&mut self, tuning: &Tuning, but: Option<(u32, f64)>) -> Result<(), String> {
        let bclk = self.run.machine.bclk_mhz;
        let all = tuning.ladders.iter().filter(|ladder| but.is_none_or(|(core, _)| core != ladder.core));
        // Last, as others may share its policy.
        let caps = all.map(|ladder| (ladder.core, ladder.cap_mhz(ladder.lowest, bclk))).chain(but);
        let Some(capping) = &self.capping else { return Err("nothing can be capped".into()) };
        for (core, mhz) in caps {
            let cpus = self.run.machine.cores.iter().filter(|other| other.core == core).flat_map(|core| &core.cpus);
            for &cpu in cpus {
                let set = capping.cap.set(cpu, (mhz * 1000.0).round() as u32);
                set.map_err(|error| format!("CPU {cpu}: its clock cannot be capped at {mhz:.0} MHz: {error}"))?;
            }
        }
        Ok(())
    }
}

/// Whether more of the same would tell no more.
fn went_wrong(probe: &ProbeOutcome) -> bool {
    probe.mismatches + probe.counted > 0 || !probe.findings.is_empty() || !probe.suspicions.is_empty()
}
