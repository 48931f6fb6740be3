//! A drill: the fault, and whether it was found. It ends as soon as it was, and goes on with a step in which it had no chance.

use super::{Member, Supervisor};
use crate::{
    plan::{Load, Step},
    verdict::{Class, Finding},
    worker::{Fault, Injection},
};

/// So many calls of the faulted kernel on the faulted core, one after the other, are a chance to strike: under `hop` the first
/// makes an input, and the next takes it from another core.
const CHANCE: u64 = 4;
/// Under `hop` it is the next station's turn to make an input after so many calls of each.
const CALLS_OF_AN_INPUT: u64 = 5;
/// How often a step without that is gone on with, each time for twice as long.
const LONGER: u32 = 6;

/// A fault to inject.
#[derive(Clone, Debug)]
pub struct Drill {
    /// The core to be faulted.
    pub core: u32,
    /// What its worker is to do wrong.
    pub injection: Injection,
}

impl Drill {
    /// Whether this is the fault, found where it is, as what it is.
    pub fn is(&self, finding: &Finding) -> bool {
        let roams = Load::named(&finding.load).is_some_and(Load::roams);
        // What ends a thread that roams, lies in its memory or was beside its work may be the doing of any core that it was on.
        let is_of_its_core = finding.class == Class::Miscompute && self.injection.fault != Fault::MiscomputeClock;
        let among = roams && !is_of_its_core && finding.suspects.contains(&self.core);
        (finding.core == Some(self.core) || finding.core.is_none() && among)
            && finding.class == self.injection.fault.class()
    }

    /// Whether the fault may strike in this step and not in most others.
    fn needs(&self, step: &Step) -> bool {
        (self.injection.fault.needs_its_load() || !self.injection.loads.is_empty())
            && self.injection.strikes_in(&self.injection.kernel, Some(&step.load))
            && step.kernel.as_ref() == Some(&self.injection.kernel)
            && step.cores.contains(&self.core)
            // A thread that roams may have been anywhere.
            && Load::named(&step.load).is_some_and(|load| !load.roams())
    }

    /// Calls on the faulted core that are a chance for its fault.
    fn chance(&self, step: &Step) -> u64 {
        let place = step.cores.iter().position(|&core| core == self.core).unwrap_or(0) as u64;
        let makes = self.injection.fault == Fault::MiscomputeBirth && Load::named(&step.load) == Some(Load::Hop);
        if makes { CALLS_OF_AN_INPUT * (place + 1) } else { CHANCE }
    }
}

impl Supervisor<'_> {
    /// A drill's fault was found and looked into: enough.
    pub(super) fn drill_is_over(&self) -> bool {
        let Some(drill) = &self.drill else { return false };
        self.outcome.findings.iter().any(|finding| drill.is(finding) && !self.to_investigate.contains(&finding.id))
    }

    /// Calls of the faulted kernel on the faulted core so far.
    pub(super) fn calls_of_the_faulted(&self) -> u64 {
        let Some(Drill { core, injection }) = &self.drill else { return 0 };
        let booked = self.outcome.cores.get(core).into_iter().flat_map(|outcome| outcome.work());
        let done = booked.chain(self.ledger.of(*core)).filter(|(key, _)| key.kernel == injection.kernel);
        done.map(|(_, done)| done.iterations).sum()
    }

    /// Goes on with a step where others had the CPUs, or calls are so long that the fault could not strike; before it there had
    /// been so many calls.
    pub(super) fn give_the_fault_a_chance(&mut self, step: &Step, mut before: u64) {
        let mut ns = (step.seconds * 1e9) as u64;
        for _ in 0..LONGER {
            let Some(drill) = self.drill.as_ref().filter(|drill| drill.needs(step)) else { return };
            let works = self.crew.get(&drill.core).is_some_and(Member::can_work);
            let calls = self.calls_of_the_faulted();
            if self.stop || !works || self.drill_is_over() || calls >= before.saturating_add(drill.chance(step)) {
                return;
            }
            (before, ns) = (calls, ns.saturating_mul(2));
            self.work_for(step, ns);
        }
    }
}
