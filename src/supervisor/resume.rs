//! A run that is gone on with: another pre-pass, for what it fixed does not outlive a supervisor; then the rest of the plan;
//! then the cores under which the machine was lost, alone.

use super::{Member, Supervisor};
use crate::{
    journal::{Record, record::JOURNAL_VERSION},
    machine::Boot,
    plan::{EXTRA_STEPS, Load, PRE_PASS, Step},
    verdict::{Class, Hex, Outcome},
};

/// A suspect is tested alone for this part of the plan's time, within these bounds, in seconds.
const ALONE_PART: f64 = 0.1;
const ALONE_S: (f64, f64) = (2.0, 600.0);

/// What is known of a run that is gone on with.
#[derive(Debug)]
pub struct SoFar {
    /// What came of it until now.
    pub outcome: Outcome,
    /// The boot in which it goes on.
    pub boot: Option<Boot>,
    /// How the machine differs from the one that it began on, one sentence each.
    pub changes: Vec<String>,
}

impl Supervisor<'_> {
    /// Opens the new session of a run.
    pub(super) fn go_on(&mut self, boot: Option<Boot>, changes: Vec<String>) {
        let (at, version) = (self.clock.timestamp(), env!("CARGO_PKG_VERSION").to_owned());
        let seconds = |at: &str| at.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second);
        let began = seconds(&self.run.started);
        self.before_s = began.zip(seconds(&at)).map_or(0.0, |(began, now)| (now - began).max(0) as f64);
        self.book(Record::Resumed { at, journal: JOURNAL_VERSION, version, boot }, true);
        changes.into_iter().for_each(|change| self.note(change));
        if self.run.plan.tuning().is_some() {
            self.begin_tuning();
        }
        self.take_up_findings();
        for core in self.crew.keys().copied().collect::<Vec<_>>() {
            if self.crew[&core].core.testable.is_empty() {
                let why = format!(
                    "{}: it cannot be used any more: not on this machine, offline, or its CPUs' numbers are another core's now",
                    self.crew[&core].core.label
                );
                self.book(Record::GivenUp { core, why }, true);
                self.crew.entry(core).and_modify(Member::retire);
            }
        }
        // A core that is tuned has its next probe at a lower clock.
        if self.run.plan.tuning().is_none() {
            self.retire_those_that_take_the_machine_down();
        }
        if self.outcome.standing.next_step == 0 {
            return;
        }
        // Where a pre-pass of all cores took the machine down, one core after the other may tell which.
        let cores: Vec<u32> = self.crew.keys().copied().collect();
        let groups =
            if self.outcome.standing.lost_in_pre_pass { cores.chunks(1) } else { cores.chunks(cores.len().max(1)) };
        for group in groups {
            self.extra(PRE_PASS, None, group.to_vec(), 0.0);
        }
    }

    /// Findings that an earlier session kept whole count as such; those that it could not look into any more come next.
    fn take_up_findings(&mut self) {
        for finding in &self.outcome.findings {
            let kernel = finding.kernel.as_deref().unwrap_or_default();
            if let Some(core) = finding.core.or(finding.suspects.first().copied()) {
                self.crew.entry(core).and_modify(|member| member.has_kept(kernel, finding.class));
            }
            if finding.again.is_none() {
                self.to_investigate.push_back(finding.id);
            }
        }
    }

    /// A core that failed by taking the machine down would only do it again.
    fn retire_those_that_take_the_machine_down(&mut self) {
        for finding in self.outcome.findings.iter().filter(|finding| finding.class == Class::LostToReset) {
            if let Some(core) = finding.core {
                self.crew.entry(core).and_modify(Member::retire);
            }
        }
    }

    /// Tests the cores that were under load when the machine was lost, one by one. They stay suspect even if they pass.
    pub(super) fn try_suspects_alone(&mut self) {
        let kernels = self.run.plan.kernels();
        let seconds = (self.run.plan.seconds() * ALONE_PART).clamp(ALONE_S.0, ALONE_S.1) / kernels.len().max(1) as f64;
        for (core, passed) in self.outcome.standing.lost.clone() {
            for kernel in kernels.iter().filter(|kernel| !passed.contains(*kernel)) {
                self.extra(Load::Solo.name(), Some(kernel.clone()), vec![core], seconds);
            }
        }
    }

    /// A step that is not the plan's.
    fn extra(&mut self, load: &str, kernel: Option<String>, cores: Vec<u32>, seconds: f64) {
        if self.stop || self.program_is_over() {
            return;
        }
        let step = EXTRA_STEPS.saturating_add(self.outcome.standing.next_extra);
        let seed =
            Hex(self.run.seed.0.rotate_left(17).wrapping_add(u64::from(step).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        self.carry_out(Step { step, load: load.to_owned(), kernel, cores, seconds, seed, ..Step::default() });
    }
}
