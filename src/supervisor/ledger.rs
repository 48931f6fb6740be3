//! What the workers have told and the journal does not hold yet. Evidence is booked in sums, seldom enough that a day's journal
//! stays small, and often enough that a crash costs seconds of it early in a run and a minute late in a night.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    journal::{
        Record,
        record::{Evidence, EvidenceKey, Inside, Waits},
    },
    verdict::Class,
    worker::protocol::Progress,
};

const S: u64 = 1_000_000_000;
/// The shortest and the longest time between two bookings.
const EVERY_NS: (u64, u64) = (5 * S, 60 * S);
/// A booking comes when this part of the run's time has passed since the last, within those bounds.
const PART_OF_RUN: u64 = 100;
/// On machines with more cores than this bookings are as many times rarer.
const CORES: u64 = 16;

/// One core's sums.
#[derive(Default)]
struct Sums {
    parts: BTreeMap<EvidenceKey, Evidence>,
    clocks: BTreeMap<u32, u64>,
    waits: BTreeMap<String, Waits>,
    inside: BTreeMap<String, Inside>,
    clock_ns: u64,
}

/// Sums to be booked.
#[derive(Default)]
pub struct Ledger {
    cores: BTreeMap<u32, Sums>,
    counted: BTreeMap<(u32, String, Class), u64>,
    booked_ns: u64,
}

impl Ledger {
    /// Takes in what a worker of `core` has done.
    pub fn take_in(&mut self, core: u32, progress: Progress) {
        let sums = self.cores.entry(core).or_default();
        for (key, evidence) in progress.parts {
            sums.parts.entry(key).or_default().add(&evidence);
        }
        for (mhz, count) in progress.clocks {
            let readings = sums.clocks.entry(mhz).or_default();
            *readings = readings.saturating_add(count);
        }
        for (load, waits) in progress.waits {
            sums.waits.entry(load).or_default().add(&waits);
        }
        for (isa, inside) in progress.inside {
            sums.inside.entry(isa).or_default().add(inside);
        }
        sums.clock_ns = sums.clock_ns.saturating_add(progress.clock_ns);
        for (kernel, class, count) in progress.counted {
            self.count(core, kernel, class, count);
        }
    }

    /// What a core has done that is not booked yet.
    pub fn of(&self, core: u32) -> impl Iterator<Item = (&EvidenceKey, &Evidence)> {
        self.cores.get(&core).into_iter().flat_map(|sums| &sums.parts)
    }

    /// Counts findings beyond those kept whole.
    pub fn count(&mut self, core: u32, kernel: String, class: Class, count: u64) {
        let counted = self.counted.entry((core, kernel, class)).or_default();
        *counted = counted.saturating_add(count);
    }

    /// Whether it is time to book, `run_ns` into a run on so many cores.
    pub fn is_due(&self, now_ns: u64, run_ns: u64, cores: usize) -> bool {
        let every_ns = (run_ns / PART_OF_RUN).clamp(EVERY_NS.0, EVERY_NS.1) * (cores as u64).div_ceil(CORES);
        now_ns.saturating_sub(self.booked_ns) >= every_ns
    }

    /// All of it as records, with numbers for what is not among `keys`; empty afterwards.
    pub fn book(&mut self, now_ns: u64, keys: &[Arc<EvidenceKey>]) -> Vec<Record> {
        self.booked_ns = now_ns;
        let mut numbers: BTreeMap<Arc<EvidenceKey>, u32> = keys.iter().cloned().zip(0..).collect();
        let mut records = Vec::new();
        let mut work = Vec::new();
        for (core, sums) in std::mem::take(&mut self.cores) {
            let mut parts = Vec::with_capacity(sums.parts.len());
            for (key, evidence) in sums.parts {
                let known = numbers.get(&key).copied();
                let id = known.unwrap_or(numbers.len() as u32);
                if known.is_none() {
                    numbers.insert(Arc::new(key.clone()), id);
                    records.push(Record::Key { id, key });
                }
                parts.push((id, evidence));
            }
            work.extend(sums.waits.into_iter().map(|(load, waits)| Record::Waits { core, load, waits }));
            work.extend(sums.inside.into_iter().map(|(isa, inside)| Record::Inside { core, isa, inside }));
            let (clocks, clock_ns) = (sums.clocks.into_iter().collect(), sums.clock_ns);
            work.push(Record::Work { core, parts, clocks, clock_ns });
        }
        records.append(&mut work);
        let counted = std::mem::take(&mut self.counted).into_iter();
        records.extend(counted.map(|((core, kernel, class), count)| Record::Counted { core, kernel, class, count }));
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(loads: &[&str]) -> Progress {
        let key = |load: &&str| EvidenceKey {
            multiplier: Some(60),
            load: (*load).to_owned(),
            kernel: "k".into(),
            variant: "v".into(),
            isa: "scalar".into(),
            footprint: "L2".into(),
        };
        let done = Evidence { iterations: 2, ..Evidence::default() };
        Progress { step: 0, parts: loads.iter().map(|load| (key(load), done)).collect(), ..Progress::default() }
    }

    #[test]
    fn sums_are_booked_once_under_numbers_that_last() {
        let mut ledger = Ledger::default();
        ledger.take_in(0, progress(&["solo"]));
        ledger.take_in(0, progress(&["solo"]));
        ledger.take_in(1, progress(&["solo", "together"]));
        let mut outcome = crate::verdict::Outcome::default();
        let first = ledger.book(1, &outcome.standing.keys);
        first.iter().for_each(|record| outcome.apply(record));
        assert!(ledger.book(2, &outcome.standing.keys).is_empty());
        ledger.take_in(0, progress(&["together"]));
        let second = ledger.book(3, &outcome.standing.keys);
        assert!(second.iter().all(|record| !matches!(record, Record::Key { .. })), "known by now: {second:?}");
        second.iter().for_each(|record| outcome.apply(record));
        let iterations = |core| outcome.cores[&core].total().iterations;
        assert_eq!((iterations(0), iterations(1), outcome.standing.keys.len()), (6, 4, 2));
    }

    #[test]
    fn bookings_get_rarer_in_long_runs_and_on_large_machines() {
        let ledger = Ledger::default();
        assert!(ledger.is_due(5 * S, 10 * S, 2) && !ledger.is_due(4 * S, 10 * S, 2));
        assert!(ledger.is_due(60 * S, 86_400 * S, 16) && !ledger.is_due(59 * S, 86_400 * S, 2));
        assert!(!ledger.is_due(60 * S, 86_400 * S, 64) && ledger.is_due(240 * S, 86_400 * S, 64));
    }
}
