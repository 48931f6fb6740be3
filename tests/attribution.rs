//! Who is blamed, and who is not: the supervisor with played cores, on a played clock.
#![cfg(unix)]

use std::{
    cell::Cell,
    collections::{BTreeMap, VecDeque},
    io,
    rc::Rc,
    sync::atomic::AtomicU64,
};

use oddcore::{
    journal::{
        Journal, Store,
        record::{Evidence, EvidenceKey, JOURNAL_VERSION, RunStarted},
    },
    machine::{self, Core, Root},
    plan::{Load, Request, Step, quick},
    platform::{ProcessEnd, ThreadUsage},
    supervisor::{
        Setup, Supervisor,
        host::{Event, WorkerHost},
        seams::{Clock, Pinner, View},
    },
    verdict::{Class, CoreVerdict, Finding, Hex, Outcome},
    worker::{
        Fault,
        protocol::{Case, FromWorker, LaneId, PROTOCOL, Progress, Redo, Source, Stamp, ToWorker, Vote},
        slot::{SLOT_WORDS, Slot},
    },
};
use oddcore_kernels::{Isa, Size, find};

const KERNEL: &str = "gemm-f32";
const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;

/// How a played core behaves; 0 in `wrong_*` is right.
#[derive(Clone, Copy, Default)]
struct Manner {
    /// Xored into the votes of its vector variants.
    wrong_votes: u64,
    /// Xored into what its scalar variant gives.
    wrong_scalar: u64,
    /// Xored into its outputs of goldens, found while working and when asked again.
    wrong_golden: u64,
    /// Found on CPUs of another core.
    strays: bool,
    /// Ends by this signal while working.
    dies_working: Option<i32>,
    /// Ends by this signal when asked again.
    dies_again: Option<i32>,
    /// Says something that is no frame.
    garbles: bool,
}

struct Played {
    now: Rc<Cell<u64>>,
    manners: BTreeMap<u32, Manner>,
    deaths: BTreeMap<u32, u32>,
    slots: BTreeMap<u32, Vec<AtomicU64>>,
    events: VecDeque<Event>,
}

impl Played {
    fn say(&mut self, core: u32, message: FromWorker) {
        self.events.push_back(Event::Said { core, message });
    }

    fn die(&mut self, core: u32, signal: i32) {
        *self.deaths.entry(core).or_default() += 1;
        self.events.push_back(Event::Ended { core, end: ProcessEnd::Signalled(signal), pid: 1000 + core });
    }

    fn golden(manner: Manner) -> (Case, Hex, Hex) {
        let golden = find(KERNEL).expect("in the list").goldens()[0];
        let case = Case { source: Source::Golden, seed: Hex(golden.seed) };
        (case, Hex(golden.input), Hex(golden.output ^ manner.wrong_golden))
    }

    fn results(manner: Manner, redo: &Redo) -> Vec<(Hex, Hex)> {
        let result = match redo.case.source {
            Source::Golden => {
                let (_, input, output) = Self::golden(manner);
                (input, output)
            }
            _ => {
                let (input, output) = truth(redo.case.seed.0);
                let wrong = if redo.variant == "scalar" { manner.wrong_scalar } else { manner.wrong_votes };
                (Hex(input), Hex(output ^ wrong))
            }
        };
        vec![result; redo.times as usize]
    }
}

/// The right digests of a fresh input.
fn truth(seed: u64) -> (u64, u64) {
    let kernel = find(KERNEL).expect("in the list");
    let mut job = kernel.new_job();
    let token = kernel.variants().iter().find_map(|variant| variant.isa.token()).expect("scalar at least");
    job.generate(Size::Fresh, seed);
    job.run(token, &AtomicU64::new(0), None);
    (job.input_digest(), job.output_digest())
}

impl WorkerHost for Played {
    fn start(&mut self, core: &Core, _: Option<(&str, Fault)>) -> io::Result<()> {
        self.slots.insert(core.core, (0..2 * SLOT_WORDS).map(|_| AtomicU64::new(0)).collect());
        let lanes = vec![LaneId { cpu: core.testable[0], thread: 1 }];
        self.say(core.core, FromWorker::Hello { protocol: PROTOCOL, pid: 1000 + core.core, thread: 2, lanes });
        Ok(())
    }

    fn send(&mut self, core: u32, message: &ToWorker) {
        let manner = self.manners[&core];
        let (case, _, output) = Self::golden(manner);
        match message {
            ToWorker::PrePass { kernel, cases, .. } => {
                let vote = |case: &Case| {
                    let (input, output) = truth(case.seed.0);
                    Vote { case: *case, input: Hex(input), output: Hex(output ^ manner.wrong_votes), freivalds: None }
                };
                let votes = cases.iter().map(vote).collect();
                self.say(core, FromWorker::PrePassDone { kernel: kernel.clone(), golden: true, votes });
            }
            ToWorker::Run(assignment) => {
                Slot::of(&self.slots[&core], 0).enter(1, 0, case);
                if let Some(signal) = manner.dies_working.filter(|_| !self.deaths.contains_key(&core)) {
                    return self.die(core, signal);
                }
                if manner.garbles && !self.deaths.contains_key(&core) {
                    return self.events.push_back(Event::Garbled { core, why: "played".into() });
                }
                if manner.wrong_golden != 0 || manner.strays {
                    let stamp = Stamp {
                        step: assignment.step,
                        cpu: Some(if manner.strays { 77 } else { core }),
                        affinity: if manner.strays { vec![77] } else { vec![core] },
                        class: Class::Miscompute,
                        kernel: KERNEL.into(),
                        variant: "scalar".into(),
                        case,
                        iteration: 5,
                        stage: None,
                        element: vec![1, 2],
                        expected: Some(Hex(0x2a)),
                        actual: Some(Hex(0x802a)),
                        wrong_elements: Some(1),
                        clock_mhz: None,
                        at_ns: self.now.get(),
                        detail: String::new(),
                        output: Some(output),
                    };
                    self.say(core, FromWorker::Finding(Box::new(stamp)));
                }
                let text = |text: &str| text.to_owned();
                let key = EvidenceKey {
                    multiplier: Some(60),
                    load: assignment.load.clone(),
                    kernel: text(KERNEL),
                    variant: text("scalar"),
                    isa: text("scalar"),
                    footprint: text("L2"),
                };
                let done = Evidence { iterations: 10, operations: 100, cpu_ns: 1_000_000_000, ..Evidence::default() };
                let parts = vec![(key, done)];
                self.say(core, FromWorker::Progress(Progress { step: assignment.step, parts, ..Progress::default() }));
                self.say(core, FromWorker::Idle { step: assignment.step });
                self.now.set(self.now.get().max(assignment.deadline_ns));
            }
            ToWorker::Redo(redo) => match manner.dies_again {
                Some(signal) => {
                    Slot::of(&self.slots[&core], 0).enter(1, 0, redo.case);
                    self.die(core, signal);
                }
                None => {
                    let results = Self::results(manner, redo);
                    self.say(core, FromWorker::Redone { ticket: redo.ticket, results });
                }
            },
            ToWorker::Pause => {}
            ToWorker::Leave => {
                self.events.push_back(Event::Ended { core, end: ProcessEnd::Exited(0), pid: 1000 + core });
            }
        }
    }

    fn kill(&mut self, core: u32) {
        self.die(core, SIGKILL);
    }

    fn next_event(&mut self, timeout_ns: u64) -> Option<Event> {
        let event = self.events.pop_front();
        if event.is_none() {
            self.now.set(self.now.get() + timeout_ns.max(1_000_000));
        }
        event
    }

    fn slots(&self, core: u32) -> &[AtomicU64] {
        self.slots.get(&core).map_or(&[], Vec::as_slice)
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

struct Nowhere;

impl Pinner for Nowhere {
    fn keep_on(&self, _: &[u32]) {}
}

impl Store for Nowhere {
    fn append(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl View for Nowhere {
    fn step(&mut self, _: &Step) {}
    fn tick(&mut self, _: &Outcome, _: f64) {}
    fn finding(&mut self, _: &Finding) {}
    fn amended(&mut self, _: &Finding) {}
    fn note(&mut self, _: &str) {}
}

/// A run with one played core for each manner.
fn play(manners: &[Manner]) -> Outcome {
    let nothing = tempfile::tempdir().expect("a folder");
    let cores: Vec<u32> = (0..manners.len() as u32).collect();
    let machine = machine::read(&Root::at(nothing.path()), &cores).expect("a machine");
    let request = Request {
        cores: cores.clone(),
        kernels: vec![KERNEL.into()],
        loads: Load::ALL.to_vec(),
        seconds: 4.0,
        seed: 1,
    };
    let plan = quick(&machine, &request);
    let now = Rc::new(Cell::new(1));
    let host = Played {
        now: Rc::clone(&now),
        manners: cores.iter().copied().zip(manners.iter().copied()).collect(),
        deaths: BTreeMap::new(),
        slots: BTreeMap::new(),
        events: VecDeque::new(),
    };
    Supervisor::run(Setup {
        run: RunStarted {
            journal: JOURNAL_VERSION,
            version: "0".into(),
            run: "played".into(),
            profile: "quick".into(),
            seed: Hex(1),
            drill: false,
            started: "2026-01-01T00:00:00Z".into(),
            machine,
            cores,
            not_tested: Vec::new(),
            plan,
        },
        images: 0,
        drill: None,
        host: Box::new(host),
        clock: Box::new(PlayedClock(now)),
        pinner: Box::new(Nowhere),
        journal: Journal::new(Box::new(Nowhere)),
        view: &mut Nowhere,
    })
}

/// The verdicts by core, and the exit code.
fn verdicts(outcome: &Outcome) -> (Vec<CoreVerdict>, u8) {
    (outcome.cores.keys().map(|&core| outcome.verdict_of(core)).collect(), outcome.exit_code())
}

use CoreVerdict::{Fail, Pass, Suspect};

const RIGHT: Manner = Manner {
    wrong_votes: 0,
    wrong_scalar: 0,
    wrong_golden: 0,
    strays: false,
    dies_working: None,
    dies_again: None,
    garbles: false,
};

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
}
