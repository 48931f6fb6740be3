//! The rover: a worker that is no core's, whose one thread is moved from core to core or left to the scheduler.
//!
//! Architecture invariant: one physical core, one process, but for this one. A wild store that one core made in it may kill it on
//! another: its death blames nobody, and makes suspects of all cores of the step. A wrong result blames a core only where the
//! thread was there from the beginning of the call to the end of its check.

use super::{Supervisor, crew::Member, host::ROVER, stamps::core_of};
use crate::{
    journal::Record,
    machine::{Core, Kind},
    plan::{Load, Step},
    verdict::Finding,
    worker::Injection,
};

/// What people see in the place of a core's label.
const LABEL: &str = "the thread that roams";

impl Supervisor<'_> {
    /// Who works in a step: the workers of its cores, or the one that roams over them.
    pub(super) fn workers_of(&mut self, step: &Step) -> Vec<u32> {
        if !Load::named(&step.load).is_some_and(Load::roams) {
            return step.cores.clone();
        }
        if !self.crew.contains_key(&ROVER) {
            let cpus = self.cpus_at_work(step);
            self.crew.insert(ROVER, Member::new(everywhere(&cpus)));
        }
        vec![ROVER]
    }

    /// Whom a finding of the rover accuses, if nothing is known of where it was.
    pub(super) fn accuse_all(&self, finding: &mut Finding) {
        if finding.core == Some(ROVER) {
            finding.core = None;
            finding.suspects = self.step.as_ref().map(|step| step.cores.clone()).unwrap_or_default();
        }
    }

    /// Whom a finding of the rover accuses: the cores of these CPUs.
    pub(super) fn accuse_those(&self, finding: &mut Finding, cpus: &[u32]) {
        let mut cores: Vec<u32> = cpus.iter().filter_map(|&cpu| core_of(&self.crew, cpu)).collect();
        cores.sort_unstable();
        cores.dedup();
        match cores[..] {
            [core] => finding.core = Some(core),
            [] => self.accuse_all(finding),
            _ => {
                finding.core = None;
                finding.suspects = cores;
                if !finding.detail.is_empty() {
                    finding.detail.push_str("; ");
                }
                finding.detail += "the thread went from core to core meanwhile: it may have been on any of these";
            }
        }
    }

    /// A worker cannot be trusted: its core is suspect, or all that the rover may have been on.
    pub(super) fn suspect(&mut self, core: u32, why: String) {
        let cores = match (core, &self.step) {
            (ROVER, Some(step)) => step.cores.clone(),
            (ROVER, None) => Vec::new(),
            _ => vec![core],
        };
        for core in cores {
            self.book(Record::Suspicion { core, why: why.clone() }, true);
        }
    }

    /// The fault of a drill as the worker of `core` is to inject it.
    pub(super) fn injection_for(&self, core: u32, struck: bool) -> Option<Injection> {
        let drill = self.drill.as_ref()?;
        if struck && drill.injection.fault.strikes_once() || core != ROVER && core != drill.core {
            return None;
        }
        let on_cpus = if core == ROVER { self.crew.get(&drill.core)?.core.testable.clone() } else { Vec::new() };
        Some(Injection { on_cpus, ..drill.injection.clone() })
    }
}

/// What takes the place of a core for the rover.
fn everywhere(cpus: &[u32]) -> Core {
    Core {
        core: ROVER,
        os_id: None,
        package: None,
        die: None,
        l3: None,
        cluster: None,
        node: None,
        label: LABEL.to_owned(),
        short: LABEL.to_owned(),
        cpus: cpus.to_vec(),
        apic: Vec::new(),
        testable: cpus.to_vec(),
        kind: Kind::Unknown,
        top_mhz: None,
        top_told: Vec::new(),
        base_mhz: None,
        favoured_rank: None,
        caches: Vec::new(),
    }
}
