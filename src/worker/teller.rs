//! How a lane tells of what is wrong: at once, stamped where it happens.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{
    account::{Account, Times},
    block::{self, Listener, Wrong},
    lane::{Duty, Lane},
    protocol::{Case, FromWorker, Stamp},
    roam::Track,
};
use crate::{
    machine::{
        clock,
        slip::{self, Slip},
    },
    platform,
    verdict::{Class, Hex, Place},
};

/// In words: what a slip was held against is no longer what it was.
const REFERENCE_CHANGED: &str = "what it was compared with is not what it was made as; memory may be the cause";
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

impl Teller<'_> {
    /// Tells what went wrong beside the kernel's work: the block's are its load, its variant and its clock.
    pub(super) fn slipped(&mut self, slip: Slip, case: Case, iteration: u64, times: &mut Times) {
        let Slip { stage, of_reference, expected, actual, at_ns, mut detail } = slip;
        let class = if of_reference { Class::CorruptReference } else { Class::Miscompute };
        if of_reference {
            detail = format!("{REFERENCE_CHANGED}; {detail}");
        }
        let named = Some(stage);
        let wrong = Wrong { class, case, iteration, stage: named, output: None, at_ns, detail: "" };
        // Nobody knows when in the block it was.
        let roamed = self.duty.track.map(Track::in_block);
        let told = self.tell(wrong, detail, roamed, times);
        // Telling reads the clock: what slips there is of this one's kind, and no later block's.
        slip::take();
        if told {
            let (expected, actual, element) = (Hex(expected), Hex(actual), Vec::new());
            self.placed(Some(Place { stage: stage.to_owned(), element, expected, actual, wrong_elements: 1 }));
        }
    }

    fn tell(&mut self, wrong: Wrong, detail: String, roamed: Option<Vec<u32>>, times: &mut Times) -> bool {
        let kernel = self.duty.kernel.name();
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
            detail,
            output: wrong.output.map(Hex),
            from: self.duty.arrival.map(|arrival| arrival.from).filter(|_| wrong.detail == block::HANDED_WRONG),
            roamed,
        });
        self.lane.outbox.send(&FromWorker::Finding(Box::new(stamp)));
        true
    }
}

impl Listener for Teller<'_> {
    fn wrong(&mut self, wrong: Wrong, times: &mut Times) -> bool {
        let roamed = self.duty.track.map(|track| track.blame(&wrong));
        let detail = wrong.detail.to_owned();
        self.tell(wrong, detail, roamed, times)
    }

    fn placed(&mut self, place: Option<Place>) {
        self.lane.outbox.send(&FromWorker::Placed { number: self.told, place });
    }
}
