//! What a crash leaves of a run, whenever it comes: the journal opens, nothing that was shown is lost, the run goes on to its
//! end, and only a reset makes suspects.

mod played;

use std::{
    collections::BTreeSet,
    fs, io,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use oddcore::{
    journal::{FileStore, JOURNAL_FILE, Store},
    machine::hardware_log::HardwareNews,
    machine::{Boot, traces::Traces},
    plan::Step,
    supervisor::{
        SoFar,
        aftermath::{self, Found},
        seams::View,
    },
    verdict::{Amendment, Class, CoreVerdict, Finding, LossReason, OpenStep, Outcome},
};
use played::{BOOT, Manner, Play, RIGHT};

/// The length of a played run.
const SECONDS: f64 = 40.0;

/// Everything that was written and shown, in order.
#[derive(Clone, Default)]
struct Tape(Arc<Mutex<Events>>);

#[derive(Default)]
struct Events {
    bytes: Vec<u8>,
    /// Lengths of what was on the disk, sync by sync.
    durable: Vec<usize>,
    /// What a person saw, and how many syncs there were by then.
    shown: Vec<(usize, Shown)>,
}

enum Shown {
    Checks(u64),
    Finding(u64),
    Investigated(u64, String),
    Note(String),
}

impl Tape {
    fn show(&self, what: Shown) {
        let mut events = self.0.lock().expect("one thread");
        let syncs = events.durable.len();
        events.shown.push((syncs, what));
    }
}

impl Store for Tape {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().expect("one thread").bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut events = self.0.lock().expect("one thread");
        let length = events.bytes.len();
        events.durable.push(length);
        Ok(())
    }
}

impl View for Tape {
    fn step(&mut self, _: &Step) {}

    fn tick(&mut self, outcome: &Outcome, _: f64) {
        self.show(Shown::Checks(checks(outcome)));
    }

    fn finding(&mut self, finding: &Finding) {
        self.show(Shown::Finding(finding.id));
    }

    fn amended(&mut self, finding: &Finding, _: &Amendment) {
        self.show(Shown::Investigated(finding.id, finding.detail.clone()));
    }

    fn note(&mut self, text: &str) {
        self.show(Shown::Note(text.to_owned()));
    }
}

fn checks(outcome: &Outcome) -> u64 {
    outcome.cores.values().map(|core| core.total().iterations).sum()
}

/// A whole run, recorded.
fn record(manners: &[Manner]) -> Tape {
    let mut tape = Tape::default();
    let store = Box::new(tape.clone());
    Play {
        manners,
        seconds: SECONDS,
        store,
        so_far: None,
        view: &mut tape,
        until_s: None,
        hardware: HardwareNews::default(),
    }
    .run();
    tape
}

/// The step that is open at the end of these lines, read without the program's own fold.
fn open_step(journal: &[u8]) -> Option<OpenStep> {
    let text = std::str::from_utf8(journal).expect("text");
    let records = text.lines().map(|line| line.splitn(3, ' ').nth(2).expect("a record"));
    let mut open = None;
    for record in records.map(|json| serde_json::from_str::<serde_json::Value>(json).expect("JSON")) {
        match record["record"].as_str() {
            Some("step-started") => {
                open = Some(OpenStep {
                    load: record["load"].as_str().expect("a load").to_owned(),
                    kernel: record["kernel"].as_str().map(str::to_owned),
                    cores: serde_json::from_value(record["cores"].clone()).expect("cores"),
                });
            }
            Some("step-ended" | "interrupted" | "broken-off") => open = None,
            _ => {}
        }
    }
    open
}

/// A run's folder with this journal, found dead.
fn found(folder: &Path, journal: &[u8]) -> Found {
    fs::write(folder.join(JOURNAL_FILE), journal).expect("writable");
    aftermath::open(folder, Duration::ZERO).expect("the journal opens")
}

/// The `n`-th boot after the run's own.
fn boot_after(n: u64) -> Traces {
    let boot = Boot { id: format!("{n}"), booted_at_s: Some(BOOT.1 + n * 1_000_000) };
    Traces { boot: Some(boot), ..Traces::default() }
}

fn same_boot() -> Traces {
    Traces { boot: Some(Boot { id: BOOT.0.into(), booted_at_s: Some(BOOT.1) }), ..Traces::default() }
}

/// Goes on with it on cores in these manners.
fn resume(found: Found, folder: &Path, manners: &[Manner], view: &mut Tape) -> Outcome {
    let records = aftermath_records(folder);
    drop(found.journal);
    let store = Box::new(FileStore::open(&folder.join(JOURNAL_FILE)).expect("free again"));
    let so_far = SoFar { outcome: found.outcome, boot: boot_after(1).boot, changes: Vec::new() };
    Play {
        manners,
        seconds: SECONDS,
        store,
        so_far: Some((so_far, records)),
        view,
        until_s: None,
        hardware: HardwareNews::default(),
    }
    .run()
}

fn aftermath_records(folder: &Path) -> u64 {
    fs::read(folder.join(JOURNAL_FILE)).expect("readable").iter().filter(|&&byte| byte == b'\n').count() as u64
}

fn verdicts(outcome: &Outcome) -> Vec<CoreVerdict> {
    outcome.cores.keys().map(|&core| outcome.verdict_of(core)).collect()
}

/// The plan's steps that began, by number, and whether each ended.
fn steps_done(folder: &Path) -> BTreeSet<u64> {
    let text = fs::read_to_string(folder.join(JOURNAL_FILE)).expect("readable");
    let records = text.lines().map(|line| line.splitn(3, ' ').nth(2).expect("a record"));
    let values = records.map(|json| serde_json::from_str::<serde_json::Value>(json).expect("JSON"));
    values.filter(|record| record["record"] == "step-ended").filter_map(|record| record["step"].as_u64()).collect()
}

const WRONG: Manner = Manner { wrong_golden: 1, ..RIGHT };
const DIES: Manner = Manner { dies_working: Some(played::SIGSEGV), ..RIGHT };

#[test]
fn a_power_cut_at_any_sync_loses_nothing_that_was_shown() {
    for (manners, code) in [(&[RIGHT, RIGHT][..], 0), (&[RIGHT, WRONG], 1), (&[DIES, RIGHT], 1), (&[RIGHT], 0)] {
        let tape = record(manners);
        let events = tape.0.lock().expect("one thread");
        assert!(events.durable.len() > 8, "{} syncs", events.durable.len());
        for (n, &length) in events.durable.iter().enumerate() {
            // Of what was written after that sync the disk may have any part.
            let next = events.durable.get(n + 1).copied().unwrap_or(events.bytes.len());
            let torn = [0, 1.min(next - length), (next - length) / 2, (next - length).saturating_sub(1)];
            for torn in torn {
                let folder = tempfile::tempdir().expect("a folder");
                let image = &events.bytes[..length + torn];
                let mut dead = found(folder.path(), image);
                let whole = image.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
                assert_eq!(dead.outcome.open_step, open_step(&image[..whole]), "after sync {n} and {torn} bytes");
                // The next sync had not come back when the power went.
                for (_, shown) in events.shown.iter().filter(|(syncs, _)| *syncs <= n + 1) {
                    still_known(&dead.outcome, shown);
                }
                if dead.outcome.ended.is_some() {
                    continue;
                }
                let loss = dead.settle(None, &same_boot()).expect("writable").expect("nobody knew");
                assert_eq!(loss.reason, LossReason::Interrupted);
                assert!(verdicts(&dead.outcome).iter().all(|verdict| *verdict != CoreVerdict::Suspect));
                if torn == 0 {
                    let outcome = resume(dead, folder.path(), manners, &mut Tape::default());
                    assert_eq!((outcome.exit_code(), outcome.ended.is_some()), (code, true), "after sync {n}");
                    let steps: u64 =
                        outcome.run.as_ref().expect("opened").plan.steps(&machine(&outcome)).count() as u64;
                    assert!(steps_done(folder.path()).is_superset(&(0..steps).collect()), "the plan is finished");
                }
            }
        }
    }
}

fn machine(outcome: &Outcome) -> oddcore::machine::Machine {
    outcome.run.as_ref().expect("opened").machine.clone()
}

fn still_known(outcome: &Outcome, shown: &Shown) {
    match shown {
        Shown::Checks(count) => assert!(checks(outcome) >= *count, "{count} checks were shown"),
        Shown::Finding(id) => assert!(outcome.findings.iter().any(|finding| finding.id == *id), "finding {id}"),
        Shown::Investigated(id, detail) => {
            let finding = outcome.findings.iter().find(|finding| finding.id == *id).expect("it was shown");
            assert!(finding.detail.starts_with(detail), "{detail}");
        }
        Shown::Note(text) => {
            let told = |text: &String| {
                outcome.notes.contains(text)
                    || outcome.cores.values().any(|c| c.suspicions.contains(text) || c.reason.as_ref() == Some(text))
            };
            assert!(told(text), "{text}");
        }
    }
}

#[test]
fn a_reset_makes_suspects_of_the_cores_under_load_and_a_second_one_alone_fails() {
    let manners = [RIGHT, RIGHT, RIGHT];
    let tape = record(&manners);
    let events = tape.0.lock().expect("one thread");
    let mut seen = BTreeSet::new();
    for &length in &events.durable {
        let folder = tempfile::tempdir().expect("a folder");
        let mut dead = found(folder.path(), &events.bytes[..length]);
        let open = dead.outcome.open_step.clone().map(|open| open.cores).unwrap_or_default();
        if dead.outcome.ended.is_some() || !seen.insert(open.clone()) {
            continue;
        }
        let loss = dead.settle(None, &boot_after(1)).expect("writable").expect("nobody knew");
        assert_eq!(loss.reason, LossReason::LostToReset);
        assert!(loss.why.contains("a power cut is not excluded"), "{}", loss.why);
        let mut again = Tape::default();
        let outcome = resume(dead, folder.path(), &manners, &mut again);
        for (core, verdict) in outcome.cores.keys().zip(verdicts(&outcome)) {
            let expected = if open.contains(core) { CoreVerdict::Suspect } else { CoreVerdict::Pass };
            assert_eq!(verdict, expected, "core {core} of {open:?}");
        }
        assert_eq!(outcome.exit_code(), if open.is_empty() { 0 } else { 3 });
        assert_eq!(outcome.standing.lost.keys().copied().collect::<Vec<_>>(), open);
        assert!(outcome.standing.lost.values().all(|kernels| kernels.contains(played::KERNEL)), "each was tried alone");
        // Lost again in every later step of the resumed session, wherever a core was alone.
        let whole = fs::read(folder.path().join(JOURNAL_FILE)).expect("readable");
        let text = std::str::from_utf8(&whole).expect("text");
        let resumed = text.find("\"record\":\"resumed\"").expect("it was");
        for (at, _) in text.match_indices('\n').filter(|&(at, _)| at > resumed) {
            let Some(OpenStep { cores, .. }) = open_step(&whole[..=at]) else { continue };
            if !text[..at].lines().last().is_some_and(|line| line.contains("step-started")) {
                continue;
            }
            let second = tempfile::tempdir().expect("a folder");
            let mut dead = found(second.path(), &whole[..=at]);
            dead.settle(None, &boot_after(2)).expect("writable").expect("nobody knew");
            let blamed: Vec<_> = dead.outcome.findings.iter().map(|f| (f.core, f.class)).collect();
            match &cores[..] {
                [core] if open.contains(core) => assert_eq!(blamed, [(Some(*core), Class::LostToReset)]),
                _ => assert_eq!(blamed, [], "not alone, or for the first time: {cores:?} after {open:?}"),
            }
            if let ([core], true) = (&cores[..], !blamed.is_empty()) {
                let outcome = resume(dead, second.path(), &manners, &mut Tape::default());
                assert_eq!((outcome.exit_code(), outcome.verdict_of(*core)), (1, CoreVerdict::Fail));
                let others = outcome.cores.keys().filter(|other| *other != core);
                assert!(others.map(|&other| outcome.verdict_of(other)).all(|verdict| verdict != CoreVerdict::Fail));
            }
        }
    }
    assert!(seen.len() >= 5, "before, between and in steps of one core and of all: {seen:?}");
}

#[test]
fn a_worker_that_outlived_its_supervisor_clears_the_cores() {
    let tape = record(&[RIGHT, RIGHT]);
    let events = tape.0.lock().expect("one thread");
    for &length in &events.durable {
        let folder = tempfile::tempdir().expect("a folder");
        let mut dead = found(folder.path(), &events.bytes[..length]);
        if dead.outcome.ended.is_none() {
            let word = Some("2026-01-01T00:59:00Z".to_owned());
            let loss = dead.settle(word, &boot_after(1)).expect("writable").expect("nobody knew");
            assert_eq!(loss.reason, LossReason::Interrupted);
            assert!(verdicts(&dead.outcome).iter().all(|verdict| *verdict != CoreVerdict::Suspect));
        }
    }
}

#[test]
fn a_weighing_that_is_cut_off_is_done_again_and_books_everything_once() {
    let tape = record(&[RIGHT, RIGHT]);
    let events = tape.0.lock().expect("one thread");
    let together = events.durable.iter().copied().filter(|&length| {
        open_step(&events.bytes[..length]).is_some_and(|open| open.load == "together" && open.cores.len() == 2)
    });
    let dead_at = together.max().expect("a step of both");
    let folder = tempfile::tempdir().expect("a folder");
    found(folder.path(), &events.bytes[..dead_at])
        .settle(None, &boot_after(1))
        .expect("writable")
        .expect("nobody knew");
    let settled = fs::read(folder.path().join(JOURNAL_FILE)).expect("readable");
    let cuts = (dead_at..=settled.len()).filter(|&at| settled[at - 1] == b'\n');
    assert!(cuts.clone().count() >= 4, "two suspicions and the break");
    for cut in cuts {
        let mut again = found(folder.path(), &settled[..cut]);
        again.settle(None, &boot_after(2)).expect("writable");
        for core in 0..2 {
            assert_eq!(again.outcome.verdict_of(core), CoreVerdict::Suspect, "core {core}, {cut} bytes");
            assert_eq!(again.outcome.cores[&core].suspicions.len(), 1, "core {core}, {cut} bytes");
        }
        assert_eq!(again.outcome.interruptions.len(), 1);
    }
}

#[test]
fn word_of_a_worker_that_was_cut_off_while_the_run_went_on_excuses_nothing() {
    let tape = record(&[RIGHT, RIGHT]);
    let events = tape.0.lock().expect("one thread");
    let length = events.durable[events.durable.len() / 2];
    for (at, reason) in
        [("2026-01-01T00:00:00Z", LossReason::LostToReset), ("2026-01-01T00:59:00Z", LossReason::Interrupted)]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let mut dead = found(folder.path(), &events.bytes[..length]);
        assert!(dead.outcome.standing.last_seen.as_str() > "2026-01-01T00:00:00Z");
        let loss = dead.settle(Some(at.to_owned()), &boot_after(1)).expect("writable").expect("nobody knew");
        assert_eq!(loss.reason, reason, "{at}");
    }
}

#[test]
fn findings_of_an_earlier_session_count_and_are_looked_into_in_the_next() {
    let manners = [RIGHT, Manner { findings: 40, ..WRONG }];
    let tape = record(&manners);
    let events = tape.0.lock().expect("one thread");
    // Cut off with findings on the screen that nobody has looked into yet.
    let images = events.durable.iter().map(|&length| &events.bytes[..length]);
    let findings = |image: &[u8]| String::from_utf8_lossy(image).matches("\"record\":\"finding\"").count();
    let image = images.into_iter().find(|image| findings(image) > 4).expect("many findings");
    let folder = tempfile::tempdir().expect("a folder");
    let mut dead = found(folder.path(), image);
    dead.settle(None, &same_boot()).expect("writable").expect("nobody knew");
    let open: Vec<u64> = dead.outcome.findings.iter().filter(|f| f.again.is_none()).map(|f| f.id).collect();
    assert!(!open.is_empty());
    let outcome = resume(dead, folder.path(), &manners, &mut Tape::default());
    let kept = outcome.findings.iter().filter(|f| f.core == Some(1) && f.class == Class::Miscompute).count();
    assert_eq!(kept, 16, "in both sessions together");
    assert!(outcome.findings.iter().all(|f| !open.contains(&f.id) || f.again.is_some()), "{open:?}");
}

#[test]
fn what_was_booked_stands_whatever_is_found_later() {
    let tape = record(&[RIGHT, RIGHT]);
    let events = tape.0.lock().expect("one thread");
    let length = events.durable[events.durable.len() / 2];
    let folder = tempfile::tempdir().expect("a folder");
    let mut dead = found(folder.path(), &events.bytes[..length]);
    dead.settle(None, &same_boot()).expect("writable").expect("nobody knew");
    drop(dead);
    let mut again = aftermath::open(folder.path(), Duration::ZERO).expect("it opens again");
    assert!(again.settle(None, &boot_after(1)).expect("writable").is_none());
    assert_eq!(again.outcome.interruptions.len(), 1);
}

#[test]
fn one_run_is_written_by_one_program() {
    let tape = record(&[RIGHT]);
    let events = tape.0.lock().expect("one thread");
    let folder = tempfile::tempdir().expect("a folder");
    let held = found(folder.path(), &events.bytes[..events.durable[3]]);
    assert!(matches!(aftermath::open(folder.path(), Duration::ZERO), Err(aftermath::AftermathError::InUse { .. })));
    drop(held);
    assert!(aftermath::open(folder.path(), Duration::ZERO).is_ok());
}
