//! The supervisor with played cores, on a played clock, for tests that need cores which compute wrongly, die or take the
//! machine down.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::{
    cell::Cell,
    collections::{BTreeMap, VecDeque},
    io,
    rc::Rc,
    sync::{Mutex, atomic::AtomicU64},
};

use oddcore::{
    journal::{
        Journal, Store,
        record::{Evidence, EvidenceKey, JOURNAL_VERSION, RunStarted},
    },
    machine::{self, Boot, Core, Root, hardware_log::HardwareNews, sensors::Readings},
    plan::{Expected, Load, Morning, Plan, Request, Role, Step, counts_for, lacks},
    platform::{Priority, ProcessEnd, ThreadUsage},
    supervisor::{
        Drill, Setup, SoFar, Supervisor,
        host::{Event, ROVER, WorkerHost},
        seams::{Clock, HardwareLog, Pinner, Sensors, View},
    },
    verdict::{Amendment, Class, Finding, Hex, Outcome, Place},
    worker::{
        Injection, LINK_BROKEN,
        protocol::{Assignment, Case, FromWorker, LaneId, PROTOCOL, Progress, Redo, Source, Stamp, ToWorker, Vote},
        slot::{SLOT_WORDS, Slot},
    },
};
use oddcore_kernels::{Size, find};

/// The kernel they work on.
pub const KERNEL: &str = "gemm-f32";
pub const SIGKILL: i32 = if cfg!(windows) { 1 } else { 9 };
pub const SIGSEGV: i32 = if cfg!(windows) { 0xc000_0005_u32 as i32 } else { 11 };

/// The boot of a played run: its id and time, seconds since 1970.
pub const BOOT: (&str, u64) = ("a", 1_767_000_000);

/// How a played core behaves; 0 in `wrong_*` is right.
#[derive(Clone, Copy, Default)]
pub struct Manner {
    /// Xored into the votes of its vector variants.
    pub wrong_votes: u64,
    /// Xored into what its scalar variant gives.
    pub wrong_scalar: u64,
    /// Xored into its vector variants' outputs of goldens, found while working and when asked again.
    pub wrong_golden: u64,
    /// Xored into the output of a fresh input, found while working.
    pub finds_fresh: u64,
    /// Xored into its vector variants' outputs of fresh inputs when asked again.
    pub fresh_again: u64,
    /// How many findings one assignment of such work brings; 0 is 1.
    pub findings: u32,
    /// Found on CPUs of another core.
    pub strays: bool,
    /// Ends by this signal while working.
    pub dies_working: Option<i32>,
    /// Ends by this signal when asked again.
    pub dies_again: Option<i32>,
    /// Says something that is no frame.
    pub garbles: bool,
    /// Gets a damaged frame instead of its first work.
    pub mishears: bool,
    /// Its CPU goes offline while it works.
    pub goes_offline: bool,
    /// Its pipes break while it works.
    pub loses_link: bool,
    /// The multiplier expected of it, which it reaches in bursts only, or never.
    pub chased: Option<(u32, Reaches)>,
    /// Others have its CPU for so long, whenever it is given work.
    pub kept_from_work_ns: u64,
}

/// When a core that is chased reaches what is expected of it; else it stays two steps below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaches {
    InBursts,
    Never,
}

/// Cores in their manners.
pub struct Played {
    now: Rc<Cell<u64>>,
    manners: BTreeMap<u32, Manner>,
    deaths: BTreeMap<u32, u32>,
    starts: BTreeMap<u32, u32>,
    slots: BTreeMap<u32, Vec<AtomicU64>>,
    events: VecDeque<Event>,
    later: BTreeMap<(u64, u64), (u32, FromWorker)>,
    working: BTreeMap<u32, u32>,
    order: u64,
}

/// How often a played core tells what it has done.
const TELL_EVERY_NS: u64 = 5_000_000_000;

/// What a lane does in so much time: three variants at clocks that wander.
fn progress(assignment: &Assignment, manner: Manner, ns: u64, salt: u64) -> Progress {
    let chased = manner.chased.map(|(top, reaches)| {
        let reached = reaches == Reaches::InBursts && assignment.role == Role::Chased;
        if reached { top } else { top - 2 }
    });
    let wander = (assignment.seed.0 ^ salt) % 3;
    let key = |n: u64, variant: &str| EvidenceKey {
        multiplier: Some(chased.unwrap_or(57 + ((n + wander) % 4) as u32)),
        load: counts_for(&assignment.load, assignment.role),
        kernel: KERNEL.into(),
        variant: variant.into(),
        isa: variant.into(),
        footprint: "L3".into(),
    };
    let share = ns / 9;
    let done = Evidence {
        iterations: share / 1_000_000,
        operations: share * 100,
        findings: 0,
        cpu_ns: share,
        kernel_ns: share * 97 / 100,
        check_ns: share * 2 / 100,
    };
    let variants = ["avx2", "avx-vnni", "scalar"];
    let parts = (0..9).map(|n| (key(n, variants[n as usize % 3]), done)).collect();
    let clocks = (0..24).map(|n| (5700 + n * 11 + wander as u32, 5)).collect();
    Progress { step: assignment.step, parts, clocks, ..Progress::default() }
}

impl Played {
    fn say(&mut self, core: u32, message: FromWorker) {
        self.events.push_back(Event::Said { core, message });
    }

    fn later(&mut self, at_ns: u64, core: u32, message: FromWorker) {
        self.order += 1;
        self.later.insert((at_ns, self.order), (core, message));
    }

    fn die(&mut self, core: u32, signal: i32) {
        *self.deaths.entry(core).or_default() += 1;
        self.events.push_back(Event::Ended {
            core,
            end: ProcessEnd::Signalled(signal),
            pid: 1000u32.wrapping_add(core),
        });
    }

    fn golden(manner: Manner) -> (Case, Hex, Hex) {
        let golden = find(KERNEL).expect("in the list").goldens()[0];
        let case = Case { source: Source::Golden, seed: Hex(golden.seed) };
        (case, Hex(golden.input), Hex(golden.output ^ manner.wrong_golden))
    }

    fn results(manner: Manner, redo: &Redo) -> Vec<(Hex, Hex)> {
        let result = match redo.case.source {
            Source::Golden => {
                let wrong_golden = if redo.variant == "scalar" { manner.wrong_scalar } else { manner.wrong_golden };
                let (_, input, output) = Self::golden(Manner { wrong_golden, ..manner });
                (input, output)
            }
            _ => {
                let (input, output) = truth(redo.case.seed.0);
                let vector = manner.wrong_votes ^ manner.fresh_again;
                let wrong = if redo.variant == "scalar" { manner.wrong_scalar } else { vector };
                (Hex(input), Hex(output ^ wrong))
            }
        };
        vec![result; redo.times as usize]
    }
}

/// The right digests of a fresh input; each is computed once.
fn truth(seed: u64) -> (u64, u64) {
    static KNOWN: Mutex<BTreeMap<u64, (u64, u64)>> = Mutex::new(BTreeMap::new());
    *KNOWN.lock().expect("no panic").entry(seed).or_insert_with(|| {
        let kernel = find(KERNEL).expect("in the list");
        let mut job = kernel.new_job();
        let token = kernel.variants().iter().find_map(|variant| variant.isa.token()).expect("scalar at least");
        job.generate(Size::Fresh, seed);
        job.run(token, &AtomicU64::new(0), None);
        (job.input_digest(), job.output_digest())
    })
}

impl WorkerHost for Played {
    fn start(&mut self, core: &Core, _: Option<&Injection>) -> io::Result<()> {
        *self.starts.entry(core.core).or_default() += 1;
        if self.manners[&core.core].goes_offline && self.starts[&core.core] > 1 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.slots.insert(core.core, (0..2 * SLOT_WORDS).map(|_| AtomicU64::new(0)).collect());
        let lanes = vec![LaneId { cpu: core.testable[0], thread: 1 }];
        self.say(
            core.core,
            FromWorker::Hello { protocol: PROTOCOL, pid: 1000u32.wrapping_add(core.core), thread: 2, lanes },
        );
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
                if manner.mishears && !self.deaths.contains_key(&core) {
                    return self.say(core, FromWorker::Misheard { why: "played".into() });
                }
                if manner.loses_link && !self.deaths.contains_key(&core) {
                    *self.deaths.entry(core).or_default() += 1;
                    let end = ProcessEnd::Exited(LINK_BROKEN);
                    return self.events.push_back(Event::Ended { core, end, pid: 1000u32.wrapping_add(core) });
                }
                if manner.goes_offline {
                    return self.say(core, FromWorker::Strayed { cpu: core });
                }
                let fresh = assignment.truths.first().map(|truth| truth.case).filter(|_| manner.finds_fresh != 0);
                if manner.wrong_golden != 0 || manner.strays || fresh.is_some() {
                    let output = fresh.map_or(output, |case| Hex(truth(case.seed.0).1 ^ manner.finds_fresh));
                    let case = fresh.unwrap_or(case);
                    let stamp = Stamp {
                        number: 0,
                        step: assignment.step,
                        cpu: Some(if manner.strays { 77 } else { core }),
                        affinity: if manner.strays { vec![77] } else { vec![core] },
                        class: Class::Miscompute,
                        kernel: KERNEL.into(),
                        variant: find(KERNEL).expect("in the list").variants()[0].name.into(),
                        case,
                        iteration: 5,
                        stage: None,
                        clock_mhz: None,
                        at_ns: self.now.get(),
                        detail: String::new(),
                        output: Some(output),
                        from: None,
                        roamed: None,
                    };
                    for number in 0..u64::from(manner.findings.max(1)) {
                        let stamp = Stamp { number, ..stamp.clone() };
                        self.say(core, FromWorker::Finding(Box::new(stamp)));
                        let (stage, element) = ("multiply".to_owned(), vec![1, number]);
                        let (expected, actual) = (Hex(0x2a), Hex(0x802a));
                        let place = Some(Place { stage, element, expected, actual, wrong_elements: 1 });
                        self.say(core, FromWorker::Placed { number, place });
                    }
                }
                // Told every five seconds, as a lane tells what it has done.
                let (start, end) = (self.now.get(), assignment.deadline_ns.max(self.now.get()));
                let mut told = start.saturating_add(manner.kept_from_work_ns);
                while told < end {
                    let next = (told + TELL_EVERY_NS).min(end);
                    // One that roams is here and there, and as fast as the core that it is on; these have one CPU each.
                    let on = (core == ROVER).then(|| assignment.busy[self.order as usize % assignment.busy.len()]);
                    let manner = on.map_or(manner, |cpu| self.manners[&cpu]);
                    let mut progress = progress(assignment, manner, next - told, self.now.get() ^ u64::from(core));
                    progress.cpu = on;
                    self.later(next, core, FromWorker::Progress(progress));
                    told = next;
                }
                self.working.insert(core, assignment.step);
                self.later(end, core, FromWorker::Idle { step: assignment.step });
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
            ToWorker::Pause => {
                self.later.retain(|_, (other, _)| *other != core);
                if let Some(step) = self.working.remove(&core) {
                    self.say(core, FromWorker::Idle { step });
                }
            }
            ToWorker::Bench { .. } | ToWorker::Command(_) => unreachable!("no such run asks for it"),
            ToWorker::Leave => {
                self.events.push_back(Event::Ended {
                    core,
                    end: ProcessEnd::Exited(0),
                    pid: 1000u32.wrapping_add(core),
                });
            }
        }
    }

    fn kill(&mut self, core: u32) {
        self.die(core, SIGKILL);
    }

    fn next_event(&mut self, timeout_ns: u64) -> Option<Event> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let until = self.now.get() + timeout_ns.max(1_000_000);
        match self.later.first_entry().filter(|entry| entry.key().0 <= until) {
            Some(entry) => {
                let ((at, _), (core, message)) = entry.remove_entry();
                self.now.set(self.now.get().max(at));
                Some(Event::Said { core, message })
            }
            None => {
                self.now.set(until);
                None
            }
        }
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
        jiff::Timestamp::from_second(1_767_225_600 + (self.0.get() / 1_000_000_000) as i64)
            .expect("in this millennium")
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string()
    }
}

/// Where nothing is kept or shown.
pub struct Nowhere;

impl Sensors for Nowhere {
    fn read(&self, _cores: &[u32]) -> Readings {
        Readings::default()
    }
}

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

/// What the hardware reports at the first look.
struct Reported(HardwareNews);

impl HardwareLog for Reported {
    fn news(&mut self, _: &str) -> HardwareNews {
        std::mem::take(&mut self.0)
    }
}

impl HardwareLog for Nowhere {
    fn news(&mut self, _: &str) -> HardwareNews {
        HardwareNews::default()
    }
}

impl View for Nowhere {
    fn step(&mut self, _: &Step) {}
    fn tick(&mut self, _: &Outcome, _: f64) {}
    fn finding(&mut self, _: &Finding) {}
    fn amended(&mut self, _: &Finding, _: &Amendment) {}
    fn note(&mut self, _: &str) {}
}

/// A run to be played: cores in their manners, how long, and where the journal goes.
pub struct Play<'a> {
    /// One for each core.
    pub manners: &'a [Manner],
    /// The run's length.
    pub seconds: f64,
    /// The journal's bytes.
    pub store: Box<dyn Store>,
    /// What came of it so far, and how many records that is.
    pub so_far: Option<(SoFar, u64)>,
    /// Who looks on.
    pub view: &'a mut dyn View,
    /// See the request's.
    pub until_s: Option<f64>,
    /// What the hardware reports soon after the start.
    pub hardware: HardwareNews,
}

impl Play<'_> {
    /// Plays it.
    pub fn run(self) -> Outcome {
        self.run_drill(None)
    }

    /// Plays it as that drill, whose fault no played core has.
    pub fn run_drill(self, drill: Option<Drill>) -> Outcome {
        let cores: Vec<u32> = (0..self.manners.len() as u32).collect();
        let now = Rc::new(Cell::new(1));
        let host = Played {
            now: Rc::clone(&now),
            manners: cores.iter().copied().zip(self.manners.iter().copied()).chain([(ROVER, RIGHT)]).collect(),
            deaths: BTreeMap::new(),
            starts: BTreeMap::new(),
            slots: BTreeMap::new(),
            events: VecDeque::new(),
            later: BTreeMap::new(),
            working: BTreeMap::new(),
            order: 0,
        };
        let (run, so_far, journal) = match self.so_far {
            Some((so_far, records)) => {
                let run = so_far.outcome.run.clone().expect("opened");
                (run, Some(so_far), Journal::after(records, self.store))
            }
            None => {
                let mut run = opening(&cores, self.seconds, self.until_s);
                expect(&mut run, self.manners);
                let journal = Journal::begin(self.store, &run).expect("writable");
                (run, None, journal)
            }
        };
        Supervisor::run(Setup {
            run,
            so_far,
            images: Vec::new(),
            drill,
            host: Box::new(host),
            clock: Box::new(PlayedClock(now)),
            pinner: Box::new(Nowhere),
            sensors: Box::new(Nowhere),
            capping: None,
            beside: None,
            hardware: Box::new(Reported(self.hardware)),
            journal,
            view: self.view,
        })
    }
}

/// The opening record of a run on those cores.
pub fn opening(cores: &[u32], seconds: f64, until_s: Option<f64>) -> RunStarted {
    let nothing = tempfile::tempdir().expect("a folder");
    let mut machine = machine::read(&Root::at(nothing.path()), cores).expect("a machine");
    machine.boot = Some(Boot { id: BOOT.0.into(), booted_at_s: Some(BOOT.1) });
    let request = Request {
        cores: cores.to_vec(),
        kernels: vec![KERNEL.into()],
        loads: Load::ALL
            .into_iter()
            .filter(|&load| load.kernel().is_none() && lacks(&machine, cores, load).is_none())
            .collect(),
        seconds,
        seed: Hex(1),
        until_s,
        expect: vec![],
        tune: None,
    };
    RunStarted {
        journal: JOURNAL_VERSION,
        version: "0".into(),
        run: "played".into(),
        profile: "quick".into(),
        seed: Hex(1),
        drill: false,
        started: "2026-01-01T00:00:00Z".into(),
        machine,
        cores: cores.to_vec(),
        not_tested: Vec::new(),
        images: Vec::new(),
        beside: None,
        priority: Priority::Normal,
        morning: Morning::default(),
        plan: Plan::Asked(request),
    }
}

/// What is expected of those cores that are chased, by a profile that takes a minute of each kind of work.
fn expect(run: &mut RunStarted, manners: &[Manner]) {
    let Plan::Asked(request) = &mut run.plan else { return };
    let expected = |(core, manner): (u32, &Manner)| Some(Expected { core, multiplier: manner.chased?.0 });
    request.expect = (0..).zip(manners).filter_map(expected).collect();
    if !request.expect.is_empty() {
        run.profile = "overnight".into();
    }
}

/// A short run with one played core for each manner.
pub fn play(manners: &[Manner]) -> Outcome {
    Play {
        manners,
        seconds: 4.0,
        store: Box::new(Nowhere),
        so_far: None,
        view: &mut Nowhere,
        until_s: None,
        hardware: HardwareNews::default(),
    }
    .run()
}

/// A sound core.
pub const RIGHT: Manner = Manner {
    wrong_votes: 0,
    wrong_scalar: 0,
    wrong_golden: 0,
    finds_fresh: 0,
    fresh_again: 0,
    findings: 0,
    strays: false,
    dies_working: None,
    dies_again: None,
    garbles: false,
    mishears: false,
    goes_offline: false,
    loses_link: false,
    chased: None,
    kept_from_work_ns: 0,
};
