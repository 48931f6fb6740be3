//! What happened when: clocks and temperature over time, and what was running. A fold over the journal's records beside the outcome,
//! which keeps sums only, so that a run of many hours need not hold this in memory.

use std::collections::BTreeMap;

use crate::journal::Record;

/// What a thermometer that works can say; anything else would squeeze the others into a line.
const CELSIUS: std::ops::RangeInclusive<f64> = -100.0..=300.0;
/// The longest run: a clock that jumped ahead by more says nothing about when.
const SECONDS_MAX: f64 = 4e9;

/// Clock readings of one core between two bookings, or of several such stretches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    /// Seconds since the run began, at the end of the stretch.
    pub at_s: f64,
    /// Lowest, MHz.
    pub min: u32,
    /// Middle, MHz.
    pub median: u32,
    /// Highest, MHz.
    pub max: u32,
}

/// The hottest thermometer at the end of a step, or of several.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heat {
    /// Seconds since the run began.
    pub at_s: f64,
    /// The coolest of these readings, °C.
    pub min: f64,
    /// The hottest, °C.
    pub max: f64,
}

/// A stretch under one load.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    /// The load.
    pub load: String,
    /// Seconds since the run began.
    pub from_s: f64,
    /// Likewise; `None` while it lasts.
    pub to_s: Option<f64>,
}

/// A run over time.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// From its beginning to its last sign of life, pauses between its sessions included.
    pub seconds: f64,
    /// By core, in the order of time.
    pub clocks: BTreeMap<u32, Vec<Clock>>,
    /// In the order of time.
    pub heat: Vec<Heat>,
    /// In the order of time.
    pub loads: Vec<Stretch>,
}

impl Timeline {
    /// Folds a whole journal.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let (mut line, mut began) = (Self::default(), None);
        for record in records {
            line.apply(record, &mut began);
        }
        line
    }

    /// The journal tells the time now and then; what stands between two times counts as of the earlier.
    fn apply(&mut self, record: &Record, began: &mut Option<i64>) {
        let seconds = |at: &str| at.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second);
        match record {
            Record::RunStarted(run) => *began = seconds(&run.started),
            Record::Heartbeat { at }
            | Record::Interrupted { at, .. }
            | Record::BrokenOff { at, .. }
            | Record::Resumed { at, .. }
            | Record::RunEnded { at } => {
                if let (Some(began), Some(now)) = (*began, seconds(at)) {
                    // A clock that was set back stands still until the time is made up for.
                    self.seconds = self.seconds.max((now.saturating_sub(began) as f64).min(SECONDS_MAX));
                }
            }
            Record::Work { core, clocks, .. } | Record::Evidence { core, clocks, .. } => {
                if let Some((min, median, max)) = spread(clocks) {
                    self.clocks.entry(*core).or_default().push(Clock { at_s: self.seconds, min, median, max });
                }
            }
            Record::Sensors { hottest_c: Some(celsius), .. } if CELSIUS.contains(celsius) => {
                self.heat.push(Heat { at_s: self.seconds, min: *celsius, max: *celsius });
            }
            Record::StepStarted(step) => match self.loads.last_mut() {
                // One load's steps follow each other; to a reader they are one.
                Some(last) if last.load == step.load && last.to_s.is_none() => {}
                last => {
                    if let Some(last) = last {
                        last.end(self.seconds);
                    }
                    self.loads.push(Stretch { load: step.load.clone(), from_s: self.seconds, to_s: None });
                }
            },
            _ => {}
        }
        if matches!(record, Record::Interrupted { .. } | Record::BrokenOff { .. } | Record::RunEnded { .. })
            && let Some(last) = self.loads.last_mut()
        {
            last.end(self.seconds);
        }
    }
}

impl Stretch {
    /// Where it ends, if it has not ended: of a run that has not either, when it was last seen alive.
    pub fn end_s(&self, last_seen_s: f64) -> f64 {
        self.to_s.unwrap_or(last_seen_s)
    }

    fn end(&mut self, at_s: f64) {
        self.to_s.get_or_insert(at_s);
    }
}

/// Lowest, middle and highest of clocks read so often each.
fn spread(clocks: &[(u32, u64)]) -> Option<(u32, u32, u32)> {
    let mut sorted = clocks.to_vec();
    sorted.sort_unstable();
    let total: u128 = sorted.iter().map(|&(_, count)| u128::from(count)).sum();
    let mut seen = 0;
    let median = sorted.iter().find(|(_, count)| {
        seen += u128::from(*count);
        seen * 2 >= total
    })?;
    Some((sorted.first()?.0, median.0, sorted.last()?.0))
}

/// Readings of which so few are left that a chart can show them: one a bucket, with the lowest and highest of those in it.
pub fn thinned<T: Copy>(
    readings: &[T],
    seconds: f64,
    buckets: usize,
    at_s: fn(&T) -> f64,
    join: fn(&[T]) -> T,
) -> Vec<T> {
    let bucket = |reading: &T| (at_s(reading) / seconds.max(1.0) * buckets as f64) as usize;
    readings.chunk_by(|a, b| bucket(a) == bucket(b)).map(join).collect()
}

/// Clocks as one; the median of their medians.
pub fn join_clocks(clocks: &[Clock]) -> Clock {
    let mut medians: Vec<u32> = clocks.iter().map(|clock| clock.median).collect();
    medians.sort_unstable();
    let of = |value: fn(&Clock) -> u32| clocks.iter().map(value);
    Clock {
        at_s: clocks[clocks.len() / 2].at_s,
        min: of(|clock| clock.min).min().unwrap_or(0),
        median: medians[medians.len() / 2],
        max: of(|clock| clock.max).max().unwrap_or(0),
    }
}

/// Readings of thermometers as one.
pub fn join_heat(heat: &[Heat]) -> Heat {
    Heat {
        at_s: heat[heat.len() / 2].at_s,
        min: heat.iter().map(|heat| heat.min).fold(f64::INFINITY, f64::min),
        max: heat.iter().map(|heat| heat.max).fold(f64::NEG_INFINITY, f64::max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::read_from,
        plan::{PRE_PASS, Step},
    };

    fn beat(at: &str) -> Record {
        Record::Heartbeat { at: format!("2026-01-01T{at}Z") }
    }

    fn work(clocks: Vec<(u32, u64)>) -> Record {
        Record::Work { core: 1, parts: vec![], clocks, clock_ns: 0 }
    }

    fn opening() -> Record {
        let bytes = include_bytes!("../../tests/fixtures/journals/format-1-drill.journal");
        let read = read_from("made-up", &bytes[..]).expect("a journal");
        let Some(Record::RunStarted(mut run)) = read.records.into_iter().next() else { panic!("no opening record") };
        run.started = "2026-01-01T00:00:00Z".into();
        Record::RunStarted(run)
    }

    fn step(number: u32, load: &str) -> Record {
        let text = serde_json::json!({
            "step": number, "load": load, "kernel": "gemm-f32", "cores": [1], "siblings": false, "seconds": 1.0,
            "seed": "0x1"
        });
        Record::StepStarted(serde_json::from_value::<Step>(text).expect("a step"))
    }

    #[test]
    fn readings_stand_where_the_journal_last_told_the_time() {
        let sensors = |celsius| Record::Sensors { step: 1, hottest_c: Some(celsius), throttled: vec![] };
        let records = [
            opening(),
            beat("00:00:05"),
            step(0, PRE_PASS),
            beat("00:00:10"),
            step(1, "solo"),
            work(vec![(6000, 1), (5700, 8), (800, 1)]),
            sensors(61.0),
            beat("00:00:20"),
            step(2, "solo"),
            work(vec![]),
            beat("00:00:07"),
            sensors(72.5),
            Record::RunEnded { at: "2026-01-01T00:01:00Z".into() },
        ];
        let line = Timeline::of(&records);
        assert_eq!(line.seconds, 60.0);
        assert_eq!(line.clocks[&1], [Clock { at_s: 10.0, min: 800, median: 5700, max: 6000 }]);
        let heat: Vec<(f64, f64)> = line.heat.iter().map(|heat| (heat.at_s, heat.max)).collect();
        assert_eq!(heat, [(10.0, 61.0), (20.0, 72.5)], "a clock set back does not turn time round");
        let loads: Vec<_> = line.loads.iter().map(|s| (s.load.as_str(), s.from_s, s.to_s)).collect();
        assert_eq!(loads, [(PRE_PASS, 5.0, Some(10.0)), ("solo", 10.0, Some(60.0))]);
        assert_eq!(Timeline::of(&records[..5]).loads[1].end_s(10.0), 10.0);
    }

    #[test]
    fn thinning_keeps_the_lowest_and_the_highest() {
        let clocks: Vec<Clock> = (0..10_000u32)
            .map(|n| Clock {
                at_s: f64::from(n),
                min: 5000 - n % 7,
                median: 5500 + n % 3,
                max: 6000 + u32::from(n == 4321),
            })
            .collect();
        let thin = thinned(&clocks, 10_000.0, 100, |clock| clock.at_s, join_clocks);
        assert_eq!(thin.len(), 100);
        assert!(thin.iter().all(|clock| clock.min == 4994 && (5500..5503).contains(&clock.median)));
        assert_eq!(thin.iter().filter(|clock| clock.max == 6001).count(), 1);
        assert!(thin.is_sorted_by(|a, b| a.at_s < b.at_s));
        assert!(thinned(&[], 0.0, 100, |clock: &Clock| clock.at_s, join_clocks).is_empty());
    }
}
