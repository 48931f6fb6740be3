//! One job handed from core to core: each station takes the input as the one before left it, computes, checks, and hands it on.

use std::cell::Cell;

use oddcore_kernels::Job;

use super::{
    baton::Baton,
    block::{Next, prepare},
    chooser::{runnable, truth_of},
    lane::{Arrival, Duty, Lane, Shift, State, Strayed},
    pace::Limit,
    protocol::Case,
};

/// Rounds that one input makes.
const ROUNDS: u64 = 4;

impl Lane {
    /// Works whenever it is this station's turn, until the deadline or the pause.
    pub(super) fn hop(
        &self,
        state: &mut State,
        shift: &Shift,
        duty: Duty<'_>,
        limit: &Limit<'_>,
    ) -> Result<(), Strayed> {
        let stations = &shift.assignment.busy;
        let place = stations.iter().position(|&cpu| cpu == self.cpu);
        let (Some(baton), Some(place)) = (self.baton, place) else { return Ok(()) };
        let (baton, stations) = (Baton::of(baton), stations.len() as u64);
        let goldens = duty.kernel.goldens();
        // One more turn than whole rounds: each input is made at the station after the one that made the last.
        let turns = ROUNDS * stations + 1;
        let runnable = runnable(duty.kernel);
        // What the job was last made for in this order: it has the shape of that.
        let shape: Cell<Option<Case>> = Cell::new(None);
        let arrive = |job: &mut dyn Job, case: Case| {
            if shape.replace(Some(case)) != Some(case) {
                prepare(job, case, &self.pictures);
            }
            baton.take(job)
        };
        state.clock_mhz = state.account.open();
        while let Some(turn) = baton.await_turn(place as u64, stations, self.slot, limit) {
            let carried = baton.carried().filter(|_| !turn.is_multiple_of(turns));
            let known = carried.and_then(|(seed, from)| Some((*goldens.iter().find(|g| g.seed == seed)?, from)));
            let golden = known.map_or_else(
                || goldens[(turn.wrapping_add(shift.assignment.seed.0 >> 8) % goldens.len() as u64) as usize],
                |(golden, _)| golden,
            );
            let truth = truth_of(golden);
            let case = truth.value().case;
            let arrival = known.map(|(_, from)| Arrival { arrive: &arrive, from });
            if arrival.is_none() {
                shape.set(Some(case));
            }
            let vectors = runnable.len().saturating_sub(1).max(1) as u64;
            let variant = runnable[if turn / stations % 8 == 5 { turn % vectors } else { 0 } as usize];
            let mut duty = duty.clone();
            duty.arrival = arrival;
            if self.block(state, &duty, variant, &[truth], |_, _| Next::End)? {
                baton.give(state.jobs_of(duty.kernel, 1)[0].as_mut(), golden.seed, self.cpu);
            } else {
                // What was found wrong goes no further.
                baton.drop_it();
                shape.set(None);
            }
            self.slot.leave();
            baton.pass();
            self.tell_at_times(state, duty.step);
        }
        Ok(())
    }
}
