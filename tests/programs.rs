//! Who is blamed for what a program of the user's gives: the supervisor with played cores.
#![cfg(unix)]

mod played;

use std::{
    cell::Cell,
    collections::{BTreeMap, VecDeque},
    io,
    rc::Rc,
    sync::atomic::AtomicU64,
};

use oddcore::{
    journal::{Journal, record::RunStarted},
    machine::Core,
    plan::{CommandRequest, Load, Plan, Program},
    platform::{ProcessEnd, ThreadUsage},
    supervisor::{
        Setup, Supervisor,
        host::{Event, ROVER, WorkerHost},
        seams::Clock,
    },
    verdict::{
        Class, CoreVerdict, Hex, Outcome, Repeat,
        command::{End, RunResult, Sha},
    },
    worker::{
        Injection,
        protocol::{FromWorker, LaneId, PROTOCOL, Ran, Runs, ToWorker},
    },
};
use played::{Nowhere, opening};

/// How long the program takes.
const ONCE_NS: u64 = 100_000_000;

/// What the n-th run on a core gives.
type Gives = fn(u64) -> RunResult;

fn gives(n: u64) -> RunResult {
    RunResult { end: End::Exited(0), stdout: Sha(format!("{n:064x}")), files: vec![] }
}

fn right(_: u64) -> RunResult {
    gives(7)
}

/// A run on each core takes its time, one after the other.
struct Programs {
    now: Rc<Cell<u64>>,
    cores: Vec<Gives>,
    runs: BTreeMap<u32, u64>,
    events: VecDeque<Event>,
}

impl Programs {
    fn say(&mut self, core: u32, message: FromWorker) {
        self.events.push_back(Event::Said { core, message });
    }

    fn carry_out(&mut self, core: u32, runs: &Runs) {
        let mut done = 0;
        while runs.times.map_or(done == 0 || self.now.get() < runs.deadline_ns, |times| done < times) {
            let number = self.runs.entry(core).or_default();
            // One that goes from core to core is on two of them by turns, and every third time too short to be moved.
            let first = (*number % self.cores.len() as u64) as u32;
            let on: Vec<u32> = match core {
                ROVER if *number % 3 == 2 => vec![first],
                ROVER => vec![first, (first + 1) % self.cores.len() as u32],
                _ => vec![core],
            };
            let result = on.iter().map(|&core| self.cores[core as usize](*number)).find(|result| *result != right(0));
            let result = result.unwrap_or_else(|| right(0));
            *number += 1;
            done += 1;
            self.now.set(self.now.get() + ONCE_NS);
            let ran = Ran {
                ticket: runs.ticket,
                cpu: on[0],
                stays: on.iter().map(|&core| (core, ONCE_NS / on.len() as u64)).collect(),
                affinity: vec![*on.last().expect("one at least")],
                result,
                cpu_ns: ONCE_NS,
                own_ns: 2,
                check_ns: 1,
                wall_ns: ONCE_NS,
                bytes: 1,
                clock_mhz: [Some(6000.0), Some(5700.0)],
                at_ns: self.now.get(),
                last_words: String::new(),
            };
            self.say(core, FromWorker::Ran(Box::new(ran)));
        }
        self.say(core, FromWorker::RunsDone { ticket: runs.ticket });
    }
}

impl WorkerHost for Programs {
    fn start(&mut self, core: &Core, _: Option<&Injection>) -> io::Result<()> {
        let lanes = vec![LaneId { cpu: core.testable[0], thread: 1 }];
        self.say(core.core, FromWorker::Hello { protocol: PROTOCOL, pid: 1000, thread: 2, lanes });
        Ok(())
    }

    fn send(&mut self, core: u32, message: &ToWorker) {
        match message {
            ToWorker::Command(runs) => self.carry_out(core, runs),
            ToWorker::Leave => {
                self.events.push_back(Event::Ended { core, end: ProcessEnd::Exited(0), pid: 1000 });
            }
            ToWorker::Pause => {}
            other => panic!("no work on kernels: {other:?}"),
        }
    }

    fn kill(&mut self, _: u32) {}

    fn next_event(&mut self, timeout_ns: u64) -> Option<Event> {
        let event = self.events.pop_front();
        if event.is_none() {
            self.now.set(self.now.get() + timeout_ns.max(1_000_000));
        }
        event
    }

    fn slots(&self, _: u32) -> &[AtomicU64] {
        &[]
    }

    fn usage(&self, _: u32, _: u64) -> Option<ThreadUsage> {
        None
    }
}

struct PlayedClock(Rc<Cell<u64>>);

impl Clock for PlayedClock {
    fn now_ns(&self) -> u64 {
        self.0.get()
    }

    fn timestamp(&self) -> String {
        "2026-01-01T00:00:00Z".into()
    }
}

/// A run of five times on each core, alone and together.
fn run(cores: &[Gives]) -> Outcome {
    run_under(&[Load::Solo, Load::Together], cores)
}

fn run_under(loads: &[Load], cores: &[Gives]) -> Outcome {
    let numbers: Vec<u32> = (0..cores.len() as u32).collect();
    let plan = Plan::Command(CommandRequest {
        program: Program { argv: vec!["/bin/program".into()], folder: "/".into(), files: vec![], exit: 0 },
        cores: numbers.clone(),
        loads: loads.to_vec(),
        seconds: 1.0,
        times: Some(5),
        once_s: ONCE_NS as f64 * 1e-9,
        seed: Hex(1),
    });
    let run = RunStarted { plan, ..opening(&numbers, 1.0, None) };
    let now = Rc::new(Cell::new(1));
    let host = Programs { now: Rc::clone(&now), cores: cores.to_vec(), runs: BTreeMap::new(), events: VecDeque::new() };
    Supervisor::run(Setup {
        journal: Journal::begin(Box::new(Nowhere), &run).expect("writable"),
        run,
        so_far: None,
        images: Vec::new(),
        drill: None,
        host: Box::new(host),
        clock: Box::new(PlayedClock(now)),
        pinner: Box::new(Nowhere),
        sensors: Box::new(Nowhere),
        capping: None,
        beside: None,
        hardware: Box::new(Nowhere),
        view: &mut Nowhere,
    })
}

fn verdicts(outcome: &Outcome) -> (Vec<CoreVerdict>, u8) {
    (outcome.cores.keys().map(|&core| outcome.verdict_of(core)).collect(), outcome.exit_code())
}

use CoreVerdict::{Fail, NotTested, Pass, Suspect};

#[test]
fn sound_cores_pass_and_each_run_is_evidence() {
    for count in 1..4 {
        let outcome = run(&vec![right as Gives; count]);
        assert_eq!(verdicts(&outcome), (vec![Pass; count], 0));
        for core in outcome.cores.values() {
            let runs = |load: &str| -> u64 {
                core.evidence.iter().filter(|(key, _)| key.load == load).map(|(_, done)| done.operations).sum()
            };
            assert_eq!((runs("solo"), runs("together")), (5, 5));
            assert!(core.evidence.keys().all(|key| key.multiplier == Some(57) && key.kernel == "exec"), "the lower");
        }
    }
}

#[test]
fn the_minority_of_three_fails_and_is_tested_on() {
    let outcome = run(&[right, |_| gives(8), right]);
    assert_eq!(verdicts(&outcome), (vec![Pass, Fail, Pass], 1));
    let first = &outcome.findings[0];
    assert_eq!((first.core, first.class, first.repeat), (Some(1), Class::Miscompute, Repeat::Repeatable));
    assert_eq!((first.expected, first.actual), (Some(Hex(0)), Some(Hex(0))), "the first bits of both");
    let again = first.again.as_ref().expect("looked into");
    assert_eq!(again.same.map(|same| (same.times, same.wrong)), Some((10, 10)));
    assert!(again.others.iter().all(|other| (other.times, other.wrong) == (2, 0)) && again.others.len() == 2);
    assert!(outcome.cores[&1].evidence.keys().any(|key| key.load == "together"));
}

#[test]
fn of_two_that_keep_to_their_own_nobody_is_blamed() {
    assert_eq!(verdicts(&run(&[right, |_| gives(8)])), (vec![Suspect, Suspect], 3));
    let crashes: Gives = |_| RunResult { end: End::Signalled(11), ..gives(7) };
    let outcome = run(&[right, crashes]);
    assert_eq!(verdicts(&outcome), (vec![Pass, Fail], 1));
    assert!(outcome.findings.iter().all(|finding| finding.class == Class::Crash && finding.signal == Some(11)));
    let always = run(&[crashes, crashes]);
    assert_eq!((always.findings.len(), always.exit_code()), (0, 2), "no test of a core");
    assert!(always.unfit.is_some_and(|why| why.contains("instead of exit 0")));
}

#[test]
fn of_two_the_one_that_wavers_fails() {
    assert_eq!(verdicts(&run(&[right, |n| gives(n % 3 + 7)])), (vec![Pass, Fail], 1));
    assert_eq!(verdicts(&run(&[gives, right])), (vec![Fail, Pass], 1));
}

#[test]
fn one_that_wavers_now_and_then_is_run_until_that_is_no_chance() {
    let outcome = run(&[right, |n| gives(if n % 9 == 3 { 8 } else { 7 })]);
    assert_eq!(verdicts(&outcome), (vec![Pass, Fail], 1));
    assert!(outcome.findings.iter().all(|finding| finding.core == Some(1)), "{:?}", outcome.findings);
    // Too seldom to tell, however long.
    let outcome = run(&[right, |n| gives(if n == 3 { 8 } else { 7 })]);
    assert_eq!(verdicts(&outcome), (vec![NotTested, Suspect], 3), "{outcome:?}");
}

#[test]
fn a_program_that_wavers_everywhere_blames_nobody() {
    for cores in [vec![gives as Gives; 3], vec![gives; 2], vec![gives]] {
        let outcome = run(&cores);
        assert_eq!(verdicts(&outcome), (vec![NotTested; cores.len()], 2));
        assert!(
            outcome.unfit.as_deref().is_some_and(|why| why.contains("program is not deterministic")),
            "{outcome:?}"
        );
        assert!(outcome.findings.is_empty());
    }
}

#[test]
fn one_that_errs_later_fails_and_most_of_them_do_not() {
    let seldom: Gives = |n| gives(if n == 9 { 8 } else { 7 });
    let outcome = run(&[right, right, seldom]);
    assert_eq!(verdicts(&outcome), (vec![Pass, Pass, Fail], 1));
    assert_eq!((outcome.findings.len(), outcome.findings[0].repeat), (1, Repeat::Transient));
    let outcome = run(&[seldom, right, seldom]);
    assert_eq!(outcome.exit_code(), 2, "two of three: {:?}", outcome.findings);
    assert!(outcome.unfit.is_some() && outcome.findings.iter().all(|finding| finding.core.is_none()));
}

#[test]
fn what_changes_on_every_core_is_no_cores() {
    let changes: Gives = |n| gives(if n < 9 { 7 } else { 8 });
    let outcome = run(&[changes, |n| gives(if n < 8 { 7 } else { 8 }), |n| gives(if n < 8 { 7 } else { 8 })]);
    assert_eq!(outcome.exit_code(), 2, "{:?}", outcome.findings);
    assert!(outcome.unfit.as_deref().is_some_and(|why| why.contains("has changed on every core")), "{outcome:?}");
    assert!(outcome.findings.iter().all(|finding| finding.core.is_none()), "{:?}", outcome.findings);
}

#[test]
fn one_core_alone_is_a_suspect_at_most() {
    let outcome = run(&[|n| gives(if n > 9 { 8 } else { 7 })]);
    assert_eq!(verdicts(&outcome), (vec![Suspect], 3));
    assert!(outcome.findings.iter().all(|finding| finding.core.is_none() && finding.suspects == [0]));
}

#[test]
fn what_ends_a_program_from_outside_is_no_cores() {
    let killed: Gives = |n| RunResult { end: if n == 9 { End::Signalled(9) } else { End::Exited(0) }, ..gives(7) };
    let outcome = run(&[right, killed]);
    assert_eq!(verdicts(&outcome), (vec![Pass, Pass], 0));
    assert!(outcome.notes.iter().any(|note| note.contains("SIGKILL ended program from outside")), "{outcome:?}");
}

#[test]
fn a_run_that_was_on_several_cores_is_evidence_for_each_and_accuses_all() {
    let outcome = run_under(&[Load::Migrated], &[right, right, right]);
    assert_eq!(verdicts(&outcome), (vec![Pass; 3], 0));
    let runs: Vec<(u64, u64)> = outcome
        .cores
        .values()
        .map(|core| {
            let hopping = core.evidence.iter().filter(|(key, _)| key.load == "hop-migrated");
            hopping.fold((0, 0), |(runs, ns), (_, done)| (runs + done.iterations, ns + done.kernel_ns))
        })
        .collect();
    // Five times as many runs as cores; of the 15, ten were on two cores.
    assert_eq!(runs.iter().map(|(runs, _)| runs).sum::<u64>(), 25, "{runs:?}");
    assert_eq!(runs.iter().map(|(_, ns)| ns).sum::<u64>(), 15 * ONCE_NS, "{runs:?}");
    let multipliers = |alone: bool| {
        outcome
            .cores
            .values()
            .flat_map(|core| core.evidence.keys())
            .any(|key| key.load == "hop-migrated" && key.multiplier.is_some() == alone)
    };
    assert!(multipliers(true) && multipliers(false), "the clock of the first core is not that of the second");

    // The tenth run is on cores 1 and 2, the eleventh on core 2 alone.
    let outcome = run_under(&[Load::Migrated], &[right, right, |n| gives(if n == 10 { 8 } else { 7 })]);
    assert_eq!(verdicts(&outcome), (vec![Pass, Suspect, Suspect], 3));
    let [finding] = &outcome.findings[..] else { panic!("{:?}", outcome.findings) };
    assert_eq!((finding.core, &finding.suspects[..], finding.cpu), (None, &[1, 2][..], None));
    assert!(finding.detail.contains("moved from core to core"), "{finding:?}");
    let outcome = run_under(&[Load::Migrated], &[right, right, |n| gives(if n == 11 { 8 } else { 7 })]);
    assert_eq!(verdicts(&outcome), (vec![Pass, Pass, Fail], 1));
    let first = &outcome.findings[0];
    assert_eq!((first.core, first.cpu, first.load.as_str()), (Some(2), Some(2), "hop-migrated"));
}
