//! Findings as the supervisor makes and books them.

use super::{Supervisor, host::ROVER};
use crate::{
    journal::Record,
    verdict::{Class, Finding},
    worker::slot::Doing,
};

impl Supervisor<'_> {
    /// Books a finding, or counts it once enough of its kind are kept whole.
    pub(super) fn book_finding(&mut self, bound_to: u32, finding: Finding) -> Option<u64> {
        let finding = self.number(bound_to, finding)?;
        let id = finding.id;
        self.book(Record::Finding(Box::new(finding)), true);
        Some(id)
    }

    /// Gives a finding its number, or only counts it.
    pub(super) fn number(&mut self, bound_to: u32, mut finding: Finding) -> Option<Finding> {
        self.accuse_all(&mut finding);
        let kernel = finding.kernel.clone().unwrap_or_default();
        if let Some(member) = self.crew.get_mut(&bound_to)
            && !member.keep(&kernel, finding.class)
        {
            let counted = if bound_to == ROVER { finding.suspects.first().copied() } else { Some(bound_to) };
            counted.into_iter().for_each(|core| self.ledger.count(core, kernel.clone(), finding.class, 1));
            return None;
        }
        finding.id = self.next_finding;
        self.next_finding += 1;
        Some(finding)
    }

    /// A finding of `core` with everything unknown but where and when.
    pub(super) fn blank_finding(&self, core: u32, class: Class, at_ns: u64) -> Finding {
        let load = self.step.as_ref().map(|step| step.load_of(core)).unwrap_or_default();
        Finding::blank(core, class, load, self.before_s + self.seconds_in(at_ns))
    }

    /// A finding about what a lane was doing when its worker died or was ended.
    pub(super) fn finding_of_doing(&self, core: u32, class: Class, doing: Option<&Doing>, detail: String) -> Finding {
        let mut finding = self.blank_finding(core, class, self.clock.now_ns());
        // A program's own end is told by the worker that runs it.
        finding.detail =
            if self.runs_a_program() { format!("the worker that runs the program: {detail}") } else { detail };
        if let Some(doing) = doing {
            finding.kernel = Some(doing.kernel.to_owned());
            finding.variant = Some(doing.variant.to_owned());
            finding.seed = Some(doing.case.seed);
            finding.source = Some(doing.case.source);
            finding.iteration = Some(doing.iteration);
            finding.stage = Some(doing.stage.to_owned());
        }
        self.about_the_program(finding)
    }
}
