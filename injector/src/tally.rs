//! What came of the trials together.

use std::{collections::BTreeMap, fmt};

use crate::trial::{Outcome, Trial};

/// Counts, and the places of what was missed.
#[derive(Default)]
pub struct Tally {
    found: u64,
    wrong: u64,
    nothing: u64,
    missed: BTreeMap<String, u64>,
}

impl Tally {
    /// One trial more.
    pub fn count(&mut self, trial: &Trial) {
        match trial.outcome {
            Outcome::Found => self.found += 1,
            Outcome::WrongCore => self.wrong += 1,
            Outcome::NotFlipped => self.nothing += 1,
            Outcome::Missed => *self.missed.entry(trial.place.clone()).or_default() += 1,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missed: u64 = self.missed.values().sum();
        let trials = self.found + self.wrong + missed;
        let share = self.found as f64 / trials.max(1) as f64;
        writeln!(f, "found {} of {trials} = {share:.3}; missed {missed}", self.found)?;
        writeln!(f, "another core named {}; no bit flipped {}", self.wrong, self.nothing)?;
        let mut places: Vec<_> = self.missed.iter().collect();
        places.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        places.iter().try_for_each(|(place, count)| writeln!(f, "{count:6} missed in {place}"))
    }
}
