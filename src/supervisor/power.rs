//! Voltage and power, sampled while steps go on: at their edges nobody is at work.

use super::{MS, Supervisor};
use crate::{journal::Record, machine::power::Sample};

/// How often.
const EVERY_NS: u64 = 15_000 * MS;
/// When the first two samples are taken, so that short runs have power as well.
const FIRST_NS: u64 = 5_000 * MS;

/// The last sample.
#[derive(Default)]
pub struct Sampler {
    last: Sample,
    /// When it was taken, and how many there were.
    at_ns: u64,
    taken: u32,
}

impl Supervisor<'_> {
    /// Takes the next sample once it is due.
    pub(super) fn sample_if_due(&mut self, now_ns: u64) {
        let every_ns = if self.sampler.taken < 2 { FIRST_NS } else { EVERY_NS };
        let since_ns = now_ns.saturating_sub(self.sampler.at_ns.max(self.started_ns));
        if since_ns < every_ns {
            return;
        }
        let sample = self.sensors.sample();
        let watts = sample.watts_since(&self.sampler.last, since_ns as f64 / 1e9);
        let volts = sample.volts;
        self.sampler = Sampler { last: sample, at_ns: now_ns, taken: self.sampler.taken + 1 };
        if volts.is_some() || !watts.is_empty() {
            self.book(Record::Power { volts, watts }, false);
        }
    }
}
