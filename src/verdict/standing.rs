//! Where a run stands: what is needed to go on with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    journal::record::EvidenceKey,
    machine::Boot,
    plan::{ChaseState, EXTRA_STEPS, INVESTIGATION, Step},
};

/// Where a run stands, and what is known of its last sign of life.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// What evidence counts for, by number.
    pub keys: Vec<Arc<EvidenceKey>>,
    /// The number of the plan's next step; that of one that was broken off by a reset is not.
    pub next_step: u32,
    /// The number of the next extra step.
    pub next_extra: u32,
    /// How often the run was started or resumed.
    pub sessions: u32,
    /// The boot of the last session.
    pub boot: Option<Boot>,
    /// When the run was last known to be alive, RFC 3339.
    pub last_seen: String,
    /// When the last step began, RFC 3339.
    pub step_began: String,
    /// Whether the last session said how it ended, or somebody who found it did.
    pub settled: bool,
    /// Cores that were under load when the machine was lost, with the kernels that they have passed alone since.
    pub lost: BTreeMap<u32, BTreeSet<String>>,
    /// How far the chase of each core's top has come.
    pub chases: BTreeMap<u32, ChaseState>,
    /// Whether the machine was lost in a pre-pass.
    pub lost_in_pre_pass: bool,
    open: Option<Step>,
}

impl Standing {
    pub(super) fn session_begins(&mut self, at: &str, boot: Option<Boot>) {
        self.sessions += 1;
        self.boot = boot;
        self.last_seen = at.to_owned();
        self.step_began = at.to_owned();
        self.settled = false;
        self.open = None;
    }

    pub(super) fn step_begins(&mut self, step: &Step) {
        self.step_began = self.last_seen.clone();
        match step.step.checked_sub(EXTRA_STEPS) {
            Some(extra) => self.next_extra = extra.saturating_add(1),
            None => self.next_step = step.step,
        }
        self.open = Some(step.clone());
    }

    /// The step that ended, if it was the one that is known to have begun.
    pub(super) fn step_ends(&mut self, number: u32) -> Option<Step> {
        let step = self.open.take().filter(|step| step.step == number)?;
        match number.checked_sub(EXTRA_STEPS) {
            None => self.next_step = number.saturating_add(1),
            Some(_) => {
                if let ([core], Some(kernel)) = (&step.cores[..], &step.kernel) {
                    self.lost.entry(*core).and_modify(|passed| {
                        passed.insert(kernel.clone());
                    });
                }
            }
        }
        Some(step)
    }

    /// A step in which the machine was lost is not done again: its cores are tested alone instead.
    pub(super) fn machine_lost(&mut self) {
        let Some(step) = self.open.take() else { return };
        if step.step < EXTRA_STEPS || step.load == INVESTIGATION {
            self.next_step = self.next_step.saturating_add(1);
        }
        self.lost_in_pre_pass |= step.kernel.is_none();
        for core in step.cores {
            self.lost.insert(core, BTreeSet::new());
        }
    }
}
