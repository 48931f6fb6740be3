//! What the chase of each core's top (`plan::chase`) is told of live clock readings, and what it makes of the steps.

use super::{Supervisor, ledger::Ledger};
use crate::{
    journal::Record,
    plan::{Chase, EXTRA_STEPS, Load, Role, Sofar, Step, Work},
    verdict::{Outcome, expected_of, proven_s},
};

const NS: f64 = 1e9;

impl Supervisor<'_> {
    /// Makes a solo step a try where its core stays below the multiplier expected of it.
    pub(super) fn chase_begins(&mut self, step: &mut Step) {
        let Some((core, top)) = self.chased(step) else { return };
        let wanted_ns = (proven_s(&self.run.profile) * NS) as u64;
        let sofar = sofar(&self.outcome, &self.ledger, core, top);
        let has_avx512 = oddcore_kernels::Isa::Avx512F.token().is_some();
        let state = self.outcome.standing.chases.get(&core).copied().unwrap_or_default();
        let chase = self.chases.entry(core).or_insert_with(|| Chase::from(state, wanted_ns, has_avx512));
        step.chase = chase.begins(step.seconds, sofar);
    }

    /// Tells the chase how it went.
    pub(super) fn chase_ends(&mut self, step: &Step) {
        let Some((core, top)) = self.chased(step) else { return };
        let sofar = sofar(&self.outcome, &self.ledger, core, top);
        let Some(chase) = self.chases.get_mut(&core) else { return };
        let before = chase.is_given_up();
        chase.ended(sofar);
        let (state, given_up) = (chase.state(), chase.is_given_up());
        self.book(Record::Chased { core, state }, false);
        if given_up && !before {
            let label = self.crew[&core].core.label.clone();
            self.note(format!(
                "{label}: {top}x is tried for no more: neither cooled, nor in bursts, nor with lighter work did it hold it"
            ));
        }
    }

    /// The core of a step that can be a try, and the multiplier expected of it.
    fn chased(&self, step: &Step) -> Option<(u32, u32)> {
        let [core] = step.cores[..] else { return None };
        let can = step.load == Load::Solo.name() && step.step < EXTRA_STEPS && step.role_of(core) != Role::Company;
        Some((core, expected_of(&self.outcome, core).filter(|_| can)?))
    }

    /// Lets the core idle before a try; says how long that took, ns.
    pub(super) fn cool(&mut self, step: &Step) -> u64 {
        let began = self.clock.now_ns();
        let pause_ns = step.chase.map_or(0, |chase| (chase.pause_s * NS) as u64);
        while self.clock.now_ns() < began + pause_ns && !self.stop {
            self.pump_until(began + pause_ns);
        }
        self.clock.now_ns() - began
    }
}

/// What a core has done, booked or not, beside the multiplier expected of it.
fn sofar(outcome: &Outcome, ledger: &Ledger, core: u32, top: u32) -> Sofar {
    let booked = outcome.cores.get(&core).into_iter().flat_map(|own| own.work());
    let mut sofar = Sofar::default();
    for (key, done) in booked.chain(ledger.of(core)) {
        let Some(multiplier) = key.multiplier else { continue };
        let add = |sum: &mut u64| *sum = sum.saturating_add(done.cpu_ns);
        add(&mut sofar.measured_ns);
        if multiplier >= top {
            add(&mut sofar.top_ns);
        }
        match Work::of(&key.isa).filter(|_| multiplier == top) {
            Some(Work::Scalar) => add(&mut sofar.scalar_ns),
            Some(Work::Vector) => add(&mut sofar.vector_ns),
            None => {}
        }
    }
    sofar
}
