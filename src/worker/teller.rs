//! How a lane tells of what is wrong: at once, stamped where it happens.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{
    account::{Account, Times},
    block::{self, Listener, Wrong},
    lane::{Duty, Lane},
    protocol::{FromWorker, Stamp},
};
use crate::{
    machine::clock,
    platform,
    verdict::{Hex, Place},
};

/// Numbers of the findings of this worker.
static STAMPS: AtomicU64 = AtomicU64::new(0);

/// Tells the supervisor of findings as they are made.
pub(super) struct Teller<'a> {
    pub lane: &'a Lane,
    pub account: &'a mut Account,
    pub duty: &'a Duty<'a>,
    pub variant: &'static str,
    /// Iterations before this block.
    pub before: u64,
    /// The number of the last finding told.
    pub told: u64,
}

impl Listener for Teller<'_> {
    fn wrong(&mut self, wrong: Wrong, times: &mut Times) -> bool {
        let kernel = self.duty.kernel.name();
        let roamed = self.duty.track.map(|track| track.blame(&wrong));
        // Of a lane that roams the supervisor keeps count, by the core that is to blame.
        if roamed.is_none() && !self.account.keep(kernel, wrong.class) {
            return false;
        }
        self.told = STAMPS.fetch_add(1, Relaxed);
        let stamp = times.check(|| Stamp {
            number: self.told,
            step: self.duty.step,
            cpu: platform::current_cpu(),
            affinity: platform::thread_affinity().unwrap_or_default(),
            class: wrong.class,
            kernel: kernel.to_owned(),
            variant: self.variant.to_owned(),
            case: wrong.case,
            iteration: self.before + wrong.iteration,
            stage: wrong.stage.map(str::to_owned),
            clock_mhz: clock::measure(),
            at_ns: wrong.at_ns,
            detail: wrong.detail.to_owned(),
            output: wrong.output.map(Hex),
            from: self.duty.arrival.map(|arrival| arrival.from).filter(|_| wrong.detail == block::HANDED_WRONG),
            roamed: roamed.clone(),
        });
        self.lane.outbox.send(&FromWorker::Finding(Box::new(stamp)));
        true
    }

    fn placed(&mut self, place: Option<Place>) {
        self.lane.outbox.send(&FromWorker::Placed { number: self.told, place });
    }
}
