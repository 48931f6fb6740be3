//! Runs of a day and more: their journals stay small, and one that ends by its evidence ends.

mod played;

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use oddcore::{
    journal::Store,
    machine::hardware_log::HardwareNews,
    plan::Step,
    report::morning,
    supervisor::seams::View,
    verdict::{Amendment, CoreVerdict, Finding, Outcome, catches},
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

/// Keeps what is written.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Store for Memory {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps the summaries as they are shown.
#[derive(Default)]
struct Reader(Vec<String>);

impl View for Reader {
    fn step(&mut self, _: &Step) {}
    fn tick(&mut self, _: &Outcome, _: f64) {}
    fn finding(&mut self, _: &Finding) {}
    fn amended(&mut self, _: &Finding, _: &Amendment) {}
    fn note(&mut self, _: &str) {}

    fn morning(&mut self, outcome: &Outcome) {
        self.0.push(morning::render(outcome, None));
    }
}

#[test]
fn each_morning_and_a_long_runs_end_are_summed_up_and_told_again_from_the_journal() {
    let (memory, mut reader) = (Memory::default(), Reader::default());
    // From midnight to noon of the day after, in the time of the played clock.
    let play = Play {
        manners: &[RIGHT, Manner { wrong_golden: 1, ..RIGHT }],
        seconds: 36.0 * 3600.0,
        store: Box::new(memory.clone()),
        so_far: None,
        view: &mut reader,
        until_s: None,
        hardware: HardwareNews::default(),
    };
    let outcome = play.run();
    let days: Vec<(&str, bool)> = outcome.mornings.iter().map(|summed| (summed.day.as_str(), summed.ends)).collect();
    assert_eq!(days, [("2026-01-01", false), ("2026-01-02", false), ("2026-01-02", true)]);
    assert!(outcome.mornings[0].at.starts_with("2026-01-01T07:00:0"), "{:?}", outcome.mornings[0]);
    let [first, second, last] = &reader.0[..] else { panic!("{:?}", reader.0) };
    assert!(first.starts_with("Morning of 2026-01-01 (2026-01-01T07:00:0"), "{first}");
    for said in ["FAIL: C1 ", "it goes on", "findings since the start:", "Do: ", " PASS"] {
        assert!(first.contains(said), "{said}: {first}");
    }
    assert!(second.contains(" since 2026-01-01T07:00:0"), "{second}");
    assert!(last.contains("its end"), "{last}");
    assert!(reader.0.iter().all(|text| text.lines().all(|line| line.chars().count() <= 80)), "{first}");
    let bytes = memory.0.lock().expect("no panic").clone();
    let records = oddcore::journal::read_from("memory", &bytes[..]).expect("ours").records;
    assert_eq!(morning::of_all(&records, None), reader.0);
    let folder = tempfile::tempdir().expect("a folder");
    for _ in 0..2 {
        morning::keep(folder.path(), &outcome, last).expect("writable");
    }
    let kept = std::fs::read_to_string(folder.path().join("morning-2026-01-02.txt")).expect("kept");
    assert_eq!(kept, format!("{last}{last}"), "one after the other");
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
