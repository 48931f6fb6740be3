//! Runs of a day and more: their journals stay small, and one that ends by its evidence ends.

mod played;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use oddcore::{
    journal::Store,
    machine::hardware_log::HardwareNews,
    verdict::{CoreVerdict, Outcome, catches},
};
use played::{Manner, Nowhere, Play, RIGHT};

/// Counts what would be written.
struct Counting(Arc<AtomicU64>);

impl Store for Counting {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.fetch_add(bytes.len() as u64, Relaxed);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_days_journal_stays_below_20_mb() {
    for cores in [2, 24] {
        let bytes = Arc::new(AtomicU64::new(0));
        let play = Play {
            manners: &vec![RIGHT; cores],
            seconds: 86_400.0,
            store: Box::new(Counting(Arc::clone(&bytes))),
            so_far: None,
            view: &mut Nowhere,
            until_s: None,
            hardware: HardwareNews::default(),
        };
        let outcome = play.run();
        assert_eq!(outcome.exit_code(), 0);
        assert!(outcome.cores.values().all(|core| core.total().cpu_ns > 3_000 * 1_000_000_000));
        let bytes = bytes.load(Relaxed);
        assert!((1_000_000..20_000_000).contains(&bytes), "{cores} cores: {bytes} bytes a day");
        println!("{cores} cores: {bytes} bytes a day");
    }
}

/// A run that ends by its evidence, in a year at the latest.
fn until(manners: &[Manner], until_s: f64) -> Outcome {
    let (store, view) = (Box::new(Nowhere), &mut Nowhere);
    Play {
        manners,
        seconds: 365.0 * 86_400.0,
        store,
        so_far: None,
        view,
        until_s: Some(until_s),
        hardware: HardwareNews::default(),
    }
    .run()
}

#[test]
fn a_run_ends_when_every_sentence_says_what_was_asked_for() {
    for cores in [1, 3] {
        let outcome = until(&vec![RIGHT; cores], 600.0);
        assert_eq!(outcome.exit_code(), 0);
        for &core in outcome.cores.keys() {
            for load in ["solo", "together"] {
                let every_s = catches(&outcome, core, load).expect("evidence");
                assert!((600.0..8_000.0).contains(&every_s), "core {core}, {load}: {every_s}");
            }
        }
    }
}

#[test]
fn nobody_waits_for_evidence_that_cannot_come() {
    let wrong = Manner { wrong_golden: 1, ..RIGHT };
    let gone = Manner { goes_offline: true, ..RIGHT };
    for (manners, other) in [([RIGHT, wrong], CoreVerdict::Fail), ([RIGHT, gone], CoreVerdict::NotTested)] {
        let outcome = until(&manners, 60.0);
        assert!(outcome.ended.is_some());
        assert_eq!((outcome.verdict_of(0), outcome.verdict_of(1)), (CoreVerdict::Pass, other));
        assert!(catches(&outcome, 0, "solo").is_some_and(|every_s| every_s < 6_000.0), "it did not go on for a year");
    }
}
