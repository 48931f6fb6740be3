//! What the hardware itself reports while a run goes on: an error that it could not correct is a finding of the core that the
//! report names, whichever is tested at the moment; a corrected one is a warning; memory and devices are nobody's core.

use super::Supervisor;
use crate::{
    journal::Record,
    machine::{Core, hardware_log::MemoryErrors, traces::MachineCheck},
    verdict::{Class, Finding},
};

impl Supervisor<'_> {
    /// Books what the hardware reported since the last look.
    pub(super) fn hear_of_hardware(&mut self) {
        let at = self.clock.timestamp();
        let news = self.hardware.news(&at);
        for check in news.checks {
            self.book_machine_check(&check);
        }
        for errors in news.memory {
            let count = errors.corrected.saturating_add(errors.uncorrected);
            self.book(Record::HardwareErrors { core: None, count, text: of_memory(&errors) }, true);
        }
    }

    fn book_machine_check(&mut self, check: &MachineCheck) {
        let core = check.core(&self.run.machine.cores);
        if let Some(core) = core.filter(|_| check.uncorrected) {
            let blank = self.blank_finding(core, Class::MachineCheck, self.clock.now_ns());
            self.book_finding(core, Finding { cpu: check.cpu, detail: check.in_words(), ..blank });
            return;
        }
        let named = core.and_then(|core| self.run.machine.cores.iter().find(|known| known.core == core));
        self.book(Record::HardwareErrors { core, count: 1, text: warning(check, named) }, true);
    }
}

fn warning(check: &MachineCheck, core: Option<&Core>) -> String {
    let what = check.in_words();
    match core {
        Some(core) => format!("{}: {what}: a warning, which changes no verdict", core.label),
        None => format!("{what}; it names no core, or is of the memory or of a device"),
    }
}

fn of_memory(errors: &MemoryErrors) -> String {
    let MemoryErrors { controller, corrected, uncorrected } = errors;
    let uncorrected = if *uncorrected > 0 { format!(" and {uncorrected} that it could not") } else { String::new() };
    format!("memory controller {controller} reports {corrected} errors that it corrected{uncorrected}: test the memory")
}
