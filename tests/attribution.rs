//! Who is blamed, and who is not: the supervisor with played cores.

mod played;

use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex},
};

use oddcore::{
    journal::Store,
    machine::{
        hardware_log::{HardwareNews, MemoryErrors},
        traces::MachineCheck,
    },
    plan::Step,
    supervisor::{Drill, seams::View},
    verdict::{Again, Amendment, Class, CoreVerdict, Finding, Hex, Outcome, Repeat, Tally},
    worker::{Fault, Injection},
};
use oddcore_kernels::Isa;
use played::{Manner, Play, RIGHT, SIGKILL, SIGSEGV, play};

/// The verdicts by core, and the exit code.
fn verdicts(outcome: &Outcome) -> (Vec<CoreVerdict>, u8) {
    (outcome.cores.keys().map(|&core| outcome.verdict_of(core)).collect(), outcome.exit_code())
}

use CoreVerdict::{Fail, Pass, Suspect};

#[test]
fn sound_cores_pass() {
    assert!(Isa::Scalar.token().is_some());
    for count in 1..4 {
        let (cores, code) = verdicts(&play(&vec![RIGHT; count]));
        assert_eq!((cores, code), (vec![Pass; count], 0));
    }
}

#[test]
fn of_two_cores_that_disagree_the_scalar_reference_parts_them() {
    let liar = Manner { wrong_votes: 4, ..RIGHT };
    assert_eq!(verdicts(&play(&[liar, RIGHT])), (vec![Fail, Pass], 1));
    assert_eq!(verdicts(&play(&[RIGHT, liar])), (vec![Pass, Fail], 1));
    // Where the scalar reference disagrees with itself as well, nobody is blamed.
    let broken = Manner { wrong_scalar: 8, ..liar };
    assert_eq!(verdicts(&play(&[broken, RIGHT])), (vec![Suspect, Suspect], 3));
    assert_eq!(verdicts(&play(&[RIGHT, broken])), (vec![Suspect, Suspect], 3));
}

#[test]
fn of_three_cores_the_minority_fails() {
    let liar = Manner { wrong_votes: 4, ..RIGHT };
    assert_eq!(verdicts(&play(&[RIGHT, liar, RIGHT])), (vec![Pass, Fail, Pass], 1));
    let other = Manner { wrong_votes: 2, ..RIGHT };
    assert_eq!(verdicts(&play(&[RIGHT, liar, other])), (vec![Suspect; 3], 3));
}

#[test]
fn a_wrong_golden_fails_its_core_unless_all_agree_on_it() {
    let wrong = Manner { wrong_golden: 1, ..RIGHT };
    assert_eq!(verdicts(&play(&[wrong, RIGHT])), (vec![Fail, Pass], 1));
    assert_eq!(verdicts(&play(&[RIGHT, wrong])), (vec![Pass, Fail], 1));
    assert_eq!(verdicts(&play(&[wrong])), (vec![Fail], 1));
    let outcome = play(&[wrong, wrong]);
    assert_eq!(outcome.exit_code(), 2, "{:?}", outcome.findings);
    assert!(outcome.findings.iter().all(|finding| finding.core.is_none()), "{:?}", outcome.findings);
}

#[test]
fn a_crash_is_the_cores_unless_the_same_work_crashes_elsewhere() {
    let dies = Manner { dies_working: Some(SIGSEGV), ..RIGHT };
    assert_eq!(verdicts(&play(&[dies, RIGHT])), (vec![Fail, Pass], 1));
    assert_eq!(verdicts(&play(&[dies])), (vec![Fail], 1));
    let everywhere = Manner { dies_again: Some(SIGSEGV), ..RIGHT };
    let outcome = play(&[Manner { dies_again: Some(SIGSEGV), ..dies }, everywhere]);
    assert_eq!(outcome.exit_code(), 2, "{:?}", outcome.findings);
}

#[test]
fn what_comes_from_outside_blames_nobody() {
    let killed = Manner { dies_working: Some(SIGKILL), ..RIGHT };
    assert_eq!(verdicts(&play(&[killed, RIGHT])), (vec![Pass, Pass], 0));
    let strays = Manner { strays: true, ..RIGHT };
    assert_eq!(verdicts(&play(&[RIGHT, strays])), (vec![Pass, Suspect], 3));
    let garbles = Manner { garbles: true, ..RIGHT };
    assert_eq!(verdicts(&play(&[garbles, RIGHT])), (vec![Suspect, Pass], 3));
    let mishears = Manner { mishears: true, ..RIGHT };
    assert_eq!(verdicts(&play(&[mishears, RIGHT])), (vec![Suspect, Pass], 3));
}

#[test]
fn a_witness_under_load_is_in_the_journal_before_it_works() {
    let wrong = Manner { wrong_golden: 1, ..RIGHT };
    let outcome = play(&[RIGHT, wrong, RIGHT]);
    assert_eq!(verdicts(&outcome), (vec![Pass, Fail, Pass], 1));
    assert!(outcome.standing.next_extra > 0, "solo steps leave the witnesses idle, so theirs are steps of their own");
}

#[test]
fn a_broken_link_blames_nobody() {
    let broken = Manner { loses_link: true, ..RIGHT };
    let outcome = play(&[RIGHT, broken]);
    assert_eq!(verdicts(&outcome), (vec![Pass, Suspect], 3));
    assert!(outcome.findings.is_empty(), "{:?}", outcome.findings);
}

#[test]
fn a_core_whose_cpu_goes_away_is_given_up_once_and_blamed_for_nothing() {
    let gone = Manner { goes_offline: true, ..RIGHT };
    for manners in [vec![gone, RIGHT], vec![RIGHT, gone], vec![gone]] {
        let core = manners.iter().position(|manner| manner.goes_offline).expect("one") as u32;
        let outcome = play(&manners);
        assert!(outcome.findings.is_empty(), "{:?}", outcome.findings);
        let reason = outcome.cores[&core].reason.as_deref().unwrap_or_default();
        assert!(reason.contains("its CPU went away"), "{reason}");
        assert_eq!(outcome.notes.iter().filter(|note| note.contains("CPU")).count(), 1, "{:?}", outcome.notes);
        assert_eq!((outcome.verdict_of(core), outcome.exit_code()), (CoreVerdict::NotTested, 3));
    }
}

#[test]
fn an_error_that_some_cores_share_and_others_do_not_makes_suspects() {
    let wrong = Manner { wrong_golden: 1, ..RIGHT };
    let outcome = play(&[wrong, wrong, RIGHT]);
    assert_eq!(verdicts(&outcome), (vec![Suspect, Suspect, Pass], 3), "{:?}", outcome.findings);
    // Each wrong in its own way: each fails.
    let other = Manner { wrong_golden: 2, ..RIGHT };
    assert_eq!(verdicts(&play(&[wrong, other, RIGHT])), (vec![Fail, Fail, Pass], 1));
}

#[test]
fn a_finding_is_looked_into_on_its_core_on_three_others_and_by_the_scalar_reference() {
    let wrong = Manner { wrong_golden: 1, ..RIGHT };
    let outcome = play(&[RIGHT, wrong, RIGHT, RIGHT, RIGHT]);
    let first = &outcome.findings[0];
    let again = first.again.as_ref().expect("looked into");
    let tally = |core, times, wrong| Tally { core, times, wrong, wrong_inputs: 0, died: false };
    assert_eq!(again.same, Some(tally(1, 10, 10)));
    assert_eq!(again.others, [tally(0, 2, 0), tally(2, 2, 0), tally(3, 2, 0)]);
    assert_eq!(again.scalar, [tally(1, 1, 0), tally(0, 1, 0)]);
    assert_eq!((first.core, first.repeat), (Some(1), Repeat::Repeatable));
    for said in ["input and reference were intact", "on C0 and C2 and C3: right 2 of 2 times", "scalar reference on C1"]
    {
        assert!(first.detail.contains(said), "{}", first.detail);
    }
}

#[test]
fn a_witness_whose_scalar_reference_errs_is_accused() {
    let wrong = Manner { wrong_golden: 1, ..RIGHT };
    let bad_witness = Manner { wrong_scalar: 8, ..RIGHT };
    let outcome = play(&[wrong, bad_witness, RIGHT]);
    assert_eq!(verdicts(&outcome), (vec![Fail, Fail, Pass], 1));
    let accused = outcome.findings.iter().find(|finding| finding.core == Some(1)).expect("accused");
    assert_eq!(accused.variant.as_deref(), Some("scalar"), "{accused:?}");
}

#[test]
fn votes_that_the_scalar_reference_on_two_cores_refutes_blame_nobody() {
    // They voted alike, and later both give something else, as the scalar reference does.
    let changed = Manner { fresh_again: 4, wrong_scalar: 4, ..RIGHT };
    let outcome = play(&[Manner { finds_fresh: 1, ..changed }, changed]);
    assert_eq!(verdicts(&outcome), (vec![Suspect, Suspect], 3), "{:?}", outcome.findings);
    let first = &outcome.findings[0];
    assert_eq!((first.core, &first.suspects[..]), (None, &[0, 1][..]));
    assert!(first.detail.contains("agrees against what the pre-pass agreed on"), "{}", first.detail);
    // Where the scalar reference upholds the votes, it is the core that found itself wrong.
    let outcome = play(&[Manner { finds_fresh: 1, fresh_again: 1, ..RIGHT }, RIGHT]);
    assert_eq!(verdicts(&outcome), (vec![Fail, Pass], 1), "{:?}", outcome.findings);
}

#[test]
fn investigations_do_not_grow_without_bound() {
    let wrong = Manner { wrong_golden: 1, findings: 100, ..RIGHT };
    let outcome = play(&[RIGHT, wrong]);
    assert_eq!(verdicts(&outcome), (vec![Pass, Fail], 1));
    assert_eq!(outcome.findings.len(), 16, "the rest is counted");
    let again: Vec<&Again> = outcome.findings.iter().filter_map(|finding| finding.again.as_ref()).collect();
    assert!(again.len() == 16 && again.iter().all(|again| again.same.is_some()), "each is done again");
    let in_full = again.iter().filter(|again| !again.others.is_empty() && !again.scalar.is_empty()).count();
    assert_eq!(in_full, 3, "others are asked for the first three only");
    // Where all agree against the golden, each is looked into in full: none of them is settled to be this core's.
    let outcome = play(&[wrong, wrong]);
    assert_eq!(outcome.exit_code(), 2);
    assert!(outcome.findings.iter().all(|finding| finding.core.is_none()), "{:?}", outcome.findings);
}

/// What reached the disk and the screen, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Written,
    Synced,
    Shown,
}

#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<Seen>>>);

impl Diary {
    fn enter(&self, seen: Seen) {
        self.0.lock().expect("one thread").push(seen);
    }
}

impl Store for Diary {
    fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        if String::from_utf8_lossy(frame).contains(r#""record":"finding""#) {
            self.enter(Seen::Written);
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.enter(Seen::Synced);
        Ok(())
    }
}

impl View for Diary {
    fn step(&mut self, _: &Step) {}
    fn tick(&mut self, _: &Outcome, _: f64) {}
    fn finding(&mut self, _: &Finding) {
        self.enter(Seen::Shown);
    }
    fn amended(&mut self, _: &Finding, _: &Amendment) {}
    fn note(&mut self, _: &str) {}
}

#[test]
fn a_machine_check_is_booked_on_the_core_that_it_names() {
    let reported = |cpu, status: u64| MachineCheck {
        at_s: 1_767_225_600,
        apic: None,
        cpu: Some(cpu),
        bank: 0,
        status,
        uncorrected: status >> 61 & 1 == 1,
    };
    let play = |checks: Vec<MachineCheck>, memory: Vec<MemoryErrors>| {
        let (store, view) = (Box::new(played::Nowhere), &mut played::Nowhere);
        let hardware = HardwareNews { checks, memory };
        let seconds = 4.0;
        Play { manners: &[RIGHT; 2], seconds, store, so_far: None, view, until_s: None, hardware }.run()
    };
    // Reported in the pre-pass, while both are under test.
    let outcome = play(vec![reported(1, 0xb200_0000_0000_0005)], vec![]);
    assert_eq!(verdicts(&outcome), (vec![Pass, Fail], 1));
    let [finding] = &outcome.findings[..] else { panic!("{:?}", outcome.findings) };
    assert_eq!((finding.core, finding.class, finding.cpu), (Some(1), Class::MachineCheck, Some(1)));

    let corrected = play(vec![reported(0, 0x9000_0000_0000_0005), reported(0, 0x9000_0000_0000_0005)], vec![]);
    assert_eq!(verdicts(&corrected), (vec![Pass, Pass], 0), "a warning");
    assert_eq!((corrected.cores[&0].corrected_errors, corrected.cores[&1].corrected_errors), (2, 0));
    assert!(corrected.notes[0].contains("a warning, which changes no verdict"), "{:?}", corrected.notes);

    let memory = MemoryErrors { controller: "mc0".into(), corrected: 3, uncorrected: 1 };
    let outcome = play(vec![reported(0, 0xb200_0000_0000_009f)], vec![memory]);
    assert_eq!(verdicts(&outcome), (vec![Pass, Pass], 0), "the memory's");
    assert_eq!((outcome.hardware_errors, outcome.cores[&0].corrected_errors), (5, 0));
}

#[test]
fn findings_are_on_the_disk_before_the_screen_and_share_a_sync() {
    use Seen::{Shown, Synced, Written};
    let diary = Diary::default();
    let manners = [Manner { wrong_golden: 1, findings: 10, ..RIGHT }];
    let (store, view) = (Box::new(diary.clone()), &mut diary.clone());
    let outcome = Play {
        manners: &manners,
        seconds: 4.0,
        store,
        so_far: None,
        view,
        until_s: None,
        hardware: HardwareNews::default(),
    }
    .run();
    let seen = diary.0.lock().expect("one thread");
    let first = seen.iter().position(|&seen| seen == Written).expect("findings");
    let together = [[Written; 10].as_slice(), &[Synced], &[Shown; 10]].concat();
    assert_eq!(seen[first..first + together.len()], together);
    let mut unsynced = false;
    for seen in seen.iter() {
        match seen {
            Written => unsynced = true,
            Synced => unsynced = false,
            Shown => assert!(!unsynced),
        }
    }
    for (n, finding) in (0..10).zip(&outcome.findings) {
        assert_eq!((&finding.element, finding.xor), (&vec![1, n], Some(Hex(0x8000))), "{finding:?}");
        assert!(finding.shown_after_ms.is_some(), "{finding:?}");
    }
}

#[test]
fn a_drill_goes_on_with_a_step_in_which_its_fault_had_no_chance() {
    let late = Manner { kept_from_work_ns: 2_000_000_000, ..RIGHT };
    let worked_under = |fault: Fault| {
        let (kernel, loads, on_cpus) = (played::KERNEL.to_owned(), vec![], vec![]);
        let injection = Injection { kernel, fault, loads, beside: None, above_mhz: None, on_cpus };
        let play = Play {
            manners: &[late, RIGHT],
            seconds: 4.0,
            store: Box::new(played::Nowhere),
            so_far: None,
            view: &mut played::Nowhere,
            until_s: None,
            hardware: HardwareNews::default(),
        };
        let outcome = play.run_drill(Some(Drill { core: 0, injection }));
        outcome.cores[&0].evidence.keys().map(|key| key.load.clone()).collect::<BTreeSet<String>>()
    };
    let all = worked_under(Fault::Arrived);
    assert!(["solo", "together", "hop"].into_iter().all(|load| all.contains(load)), "{all:?}");
    let few = worked_under(Fault::Miscompute);
    assert!(!few.contains("hop"), "what strikes anywhere takes its step as it comes: {few:?}");
}
