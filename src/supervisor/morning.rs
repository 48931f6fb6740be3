//! The summary each morning: when it is due, for whoever left a run overnight.

use jiff::civil::DateTime;

use super::{Supervisor, seams::Clock};
use crate::journal::Record;

/// A run that has been at work so long since its start or its last summary ends with one. In seconds.
const LONG_S: u64 = 4 * 3600;

/// When the last summary was made, or the session began.
pub(super) struct Summed {
    local: DateTime,
    ns: u64,
}

impl Summed {
    pub(super) fn now(clock: &dyn Clock) -> Self {
        Self { local: clock.local(), ns: clock.now_ns() }
    }
}

impl Supervisor<'_> {
    /// Sums up if a morning has come since the last time.
    pub(super) fn sum_up_if_morning(&mut self) {
        let now = self.clock.local();
        if let Some(day) = self.run.morning.due(self.summed.local, now) {
            self.sum_up(day.to_string(), false);
        }
    }

    /// A night that ends before the morning is summed up as well.
    pub(super) fn sum_up_at_the_end(&mut self) {
        let long = self.clock.now_ns().saturating_sub(self.summed.ns) >= LONG_S * 1_000_000_000;
        if long && self.run.morning.is_on() {
            self.sum_up(self.clock.local().date().to_string(), true);
        }
    }

    fn sum_up(&mut self, day: String, ends: bool) {
        self.book_evidence();
        self.summed = Summed::now(&*self.clock);
        self.book(Record::Morning { at: self.clock.timestamp(), day, ends }, true);
    }
}
