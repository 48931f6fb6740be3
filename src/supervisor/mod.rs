//! The supervisor: owns time, child processes and the journal, does no maths, and keeps off the core under test.
//!
//! Architecture invariant: a finding is bound to a core by which process sent it, never by what the worker says of itself.

pub mod aftermath;
pub mod bench;
pub mod beside;
mod chase;
mod crew;
pub mod death;
mod drill;
mod findings;
mod hardware;
pub mod host;
mod investigate;
mod ledger;
mod morning;
mod power;
mod pre_pass;
mod program;
mod resume;
mod rover;
pub mod seams;
mod seat;
mod stamps;
mod stray;
pub mod tune;
pub mod watchdog;

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::{
    journal::{Journal, Record, record::RunStarted},
    machine::sensors::Readings,
    plan::{Chase, Load, Shares, Step, Tallies, Tally},
    verdict::{Amendment, Finding, Hex, Outcome, catches},
    worker::protocol::{Assignment, Case, Source, ToWorker, Truth},
};

use beside::Beside;
use crew::Member;
pub use drill::Drill;
use host::{Event, ROVER, WorkerHost};
use ledger::Ledger;
pub use resume::SoFar;
use seams::{Clock, HardwareLog, Pinner, Sensors, View};
use seat::seat;
use tune::Capping;

const MS: u64 = 1_000_000;
/// How often the watchdog looks.
const TICK_NS: u64 = 250 * MS;
/// A rest of a step shorter than this is not worth a new assignment.
const REST_NS_MIN: u64 = 100 * MS;
/// How often the journal is told that the run is alive.
pub const HEARTBEAT_NS: u64 = 5_000 * MS;
/// How long a worker may take to stop when asked to at the end of a run.
const STOP_WITHIN_NS: u64 = 3_000 * MS;

/// What a supervisor is given.
pub struct Setup<'a> {
    /// What is to be done; its opening record.
    pub run: RunStarted,
    /// What came of it so far, where the run is gone on with.
    pub so_far: Option<SoFar>,
    /// Width and height of the user's pictures, which take part as inputs of the kernels that take them.
    pub images: Vec<(usize, usize)>,
    /// A drill; it ends as soon as its fault was found and looked into.
    pub drill: Option<Drill>,
    /// Where workers live.
    pub host: Box<dyn WorkerHost>,
    /// Time.
    pub clock: Box<dyn Clock>,
    /// Where we run ourselves.
    pub pinner: Box<dyn Pinner>,
    /// How hot it is.
    pub sensors: Box<dyn Sensors>,
    /// How clocks are capped, where they are tuned.
    pub capping: Option<Capping>,
    /// The user's program that runs beside the test.
    pub beside: Option<Box<dyn Beside>>,
    /// What the hardware reports.
    pub hardware: Box<dyn HardwareLog>,
    /// What outlives us, its opening record written.
    pub journal: Journal,
    /// Who looks on.
    pub view: &'a mut dyn View,
}

/// One run.
pub struct Supervisor<'a> {
    run: RunStarted,
    images: Vec<(usize, usize)>,
    drill: Option<Drill>,
    host: Box<dyn WorkerHost>,
    clock: Box<dyn Clock>,
    pinner: Box<dyn Pinner>,
    sensors: Box<dyn Sensors>,
    sampler: power::Sampler,
    capping: Option<Capping>,
    /// Whether the caps are not what they were.
    capped: bool,
    beside: Option<Box<dyn Beside>>,
    hardware: Box<dyn HardwareLog>,
    journal: Journal,
    view: &'a mut dyn View,
    outcome: Outcome,
    ledger: Ledger,
    /// By core, of those that have been alone and of which a multiplier is expected.
    chases: BTreeMap<u32, Chase>,
    crew: BTreeMap<u32, Member>,
    truths: HashMap<String, Vec<Truth>>,
    program: Option<program::State>,
    told: stamps::Told,
    to_investigate: VecDeque<u64>,
    next_finding: u64,
    next_ticket: u64,
    step: Option<Step>,
    started_ns: u64,
    /// CPU time of ours before.
    own_cpu_ns: u64,
    /// How long before this session the run began.
    before_s: f64,
    last_tick_ns: u64,
    last_beat_ns: u64,
    summed: morning::Summed,
    stop: bool,
    /// The plan is done: nothing is left to be interrupted.
    finished: bool,
}

impl<'a> Supervisor<'a> {
    /// Runs the plan, or the rest of it, and returns what came of it.
    pub fn run(setup: Setup<'a>) -> Outcome {
        let (started_ns, own_cpu_ns) = (setup.clock.now_ns(), setup.clock.own_cpu_ns());
        let under_test = setup.run.machine.cores.iter().filter(|core| setup.run.cores.contains(&core.core));
        let crew = under_test.map(|core| (core.core, Member::new(core.clone()))).collect();
        let (outcome, resumed) = match setup.so_far {
            Some(SoFar { outcome, boot, changes }) => (outcome, Some((boot, changes))),
            None => (Outcome::default(), None),
        };
        let mut supervisor = Self {
            program: setup.run.plan.command().map(program::State::of),
            summed: morning::Summed::now(&*setup.clock),
            run: setup.run,
            images: setup.images,
            drill: setup.drill,
            host: setup.host,
            clock: setup.clock,
            pinner: setup.pinner,
            sensors: setup.sensors,
            sampler: power::Sampler::default(),
            capping: setup.capping,
            capped: false,
            beside: setup.beside,
            hardware: setup.hardware,
            journal: setup.journal,
            view: setup.view,
            next_finding: outcome.next_finding(),
            outcome,
            ledger: Ledger::default(),
            chases: BTreeMap::new(),
            crew,
            truths: HashMap::new(),
            told: stamps::Told::default(),
            to_investigate: VecDeque::new(),
            next_ticket: 0,
            step: None,
            started_ns,
            own_cpu_ns,
            before_s: 0.0,
            last_tick_ns: started_ns,
            last_beat_ns: started_ns,
            stop: false,
            finished: false,
        };
        match resumed {
            None => supervisor.outcome.apply(&Record::RunStarted(Box::new(supervisor.run.clone()))),
            Some((boot, changes)) => supervisor.go_on(boot, changes),
        }
        supervisor.book_company();
        supervisor.work_through();
        supervisor.outcome
    }

    fn work_through(&mut self) {
        let run = self.run.clone();
        match run.plan.tuning() {
            Some(tuning) => self.tune(tuning),
            None => self.work_through_rounds(&run),
        }
        self.book_evidence();
        self.finished = !self.stop;
        self.dismiss();
        self.end_company();
        self.end_tuning();
        self.sum_up_at_the_end();
        let cpu_ns = self.clock.own_cpu_ns().saturating_sub(self.own_cpu_ns);
        self.book(Record::Supervisor { cpu_ns, wall_ns: self.clock.now_ns().saturating_sub(self.started_ns) }, false);
        if self.finished {
            self.book(Record::RunEnded { at: self.clock.timestamp() }, true);
        }
    }

    fn work_through_rounds(&mut self, run: &RunStarted) {
        let next = self.outcome.standing.next_step;
        let mut rounds = run.plan.rounds(&run.machine);
        'plan: while let Some(steps) = rounds.next(&self.tallies()) {
            for step in steps.into_iter().skip_while(|step| step.step < next) {
                if self.stop || self.is_enough() || self.drill_is_over() || self.program_is_over() {
                    break 'plan;
                }
                self.carry_out(step);
            }
        }
        self.try_suspects_alone();
        self.lower_those_that_erred();
    }

    /// What is known of all work so far.
    fn tallies(&self) -> Tallies {
        let mut tallies = Tallies::default();
        for (&core, outcome) in &self.outcome.cores {
            for (key, done) in &outcome.evidence {
                tallies.add(core, &key.kernel, Tally { errors: 0, cpu_ns: done.cpu_ns });
            }
        }
        for finding in &self.outcome.findings {
            if let (Some(core), Some(kernel)) = (finding.core, &finding.kernel) {
                tallies.add(core, kernel, Tally { errors: 1, cpu_ns: 0 });
            }
        }
        tallies
    }

    /// One step from its record to its record, on those of its cores that can still be tested.
    fn carry_out(&mut self, mut step: Step) {
        step.cores.retain(|core| self.crew.get(core).is_some_and(Member::can_work));
        if step.cores.is_empty() {
            return;
        }
        self.chase_begins(&mut step);
        self.begin(&step);
        let (before, activity) = (self.sensors.read(&step.cores), self.sensors.activity());
        if step.kernel.is_none() {
            self.pre_pass(&step)
        } else if self.runs_a_program() {
            self.run_program(&step)
        } else {
            self.work(&step)
        }
        self.chase_ends(&step);
        self.book_sensors(&step, before);
        let others = self.sensors.activity().active_cores(&activity, &self.run.machine.cores, &step.cores);
        if let Some(cores) = others.filter(|_| step.cores.len() < self.run.machine.cores.len()) {
            self.book(Record::OthersActive { step: step.step, cores }, false);
        }
        self.hear_of_hardware();
        if !self.stop {
            self.book(Record::StepEnded { step: step.step }, false);
        }
        self.book_evidence_if_due();
    }

    fn book_sensors(&mut self, step: &Step, before: Readings) {
        let after = self.sensors.read(&step.cores);
        if after != Readings::default() {
            let count = |(core, now): &(u32, u64)| {
                let (_, then) = before.throttles.iter().find(|(other, _)| other == core)?;
                Some((*core, now.saturating_sub(*then)))
            };
            let throttled = after.throttles.iter().filter_map(count).collect();
            self.book(Record::Sensors { step: step.step, hottest_c: after.hottest_c, throttled }, false);
        }
    }

    fn begin(&mut self, step: &Step) {
        self.keep_off(step);
        self.step = Some(step.clone());
        self.view.step(step);
        self.beat(false);
        // Architecture invariant: on the disk before the step's first instruction of work.
        self.book(Record::StepStarted(step.clone()), true);
        for core in self.workers_of(step) {
            self.start_if_down(core);
        }
    }

    /// Tells the journal that the run is alive.
    fn beat(&mut self, sync: bool) {
        self.last_beat_ns = self.clock.now_ns();
        self.book(Record::Heartbeat { at: self.clock.timestamp() }, sync);
        self.sum_up_if_morning();
    }

    fn book_evidence_if_due(&mut self) {
        let now = self.clock.now_ns();
        if self.ledger.is_due(now, now.saturating_sub(self.started_ns), self.crew.len()) {
            self.book_evidence();
        }
    }

    fn book_evidence(&mut self) {
        for record in self.ledger.book(self.clock.now_ns(), &self.outcome.standing.keys) {
            self.book(record, false);
        }
    }

    /// Whether every core that can still pass has the evidence that `--until` asks for.
    fn is_enough(&self) -> bool {
        let Some(wanted_s) = self.run.plan.until_s() else { return false };
        let loads = self.run.plan.loads();
        let open = |core: &u32| *core != ROVER && self.crew[core].can_work() && self.outcome.findings_of(*core) == 0;
        self.crew.keys().filter(|core| open(core)).all(|&core| {
            let is_about = |load: &&&str| Load::named(load).is_none_or(|load| load.is_about(&self.crew[&core].core));
            loads
                .iter()
                .filter(is_about)
                .all(|load| catches(&self.outcome, core, load).is_some_and(|every_s| every_s >= wanted_s))
        })
    }

    /// Keeps our own threads off the cores that a step is about.
    fn keep_off(&self, step: &Step) {
        self.pinner.keep_on(&seat(&self.run.machine.cores, &self.run.cores, step));
    }

    /// One step of work.
    fn work(&mut self, step: &Step) {
        let calls = self.calls_of_the_faulted();
        let step_ns = (step.seconds * 1e9) as u64;
        let cooled_ns = self.cool(step);
        self.work_for(step, step_ns.saturating_sub(cooled_ns));
        self.give_the_fault_a_chance(step, calls);
    }

    /// Work on a step for so long; broken off for investigations, then gone on with.
    fn work_for(&mut self, step: &Step, mut left_ns: u64) {
        while left_ns >= REST_NS_MIN && !self.stop && !self.drill_is_over() && !self.probe_is_over() {
            let deadline_ns = self.clock.now_ns() + left_ns;
            self.host.reset_baton();
            for core in self.workers_of(step) {
                let assignment = self.assignment(step, core, deadline_ns);
                self.assign(core, ToWorker::Run(assignment));
            }
            if !self.someone_is_busy() {
                // All are given up: nobody is left to do it.
                return;
            }
            while self.someone_is_busy() && self.to_investigate.is_empty() && !self.stop {
                self.pump();
            }
            left_ns = deadline_ns.saturating_sub(self.clock.now_ns());
            self.call_in();
            self.investigate_all();
        }
    }

    fn assignment(&self, step: &Step, core: u32, deadline_ns: u64) -> Assignment {
        let kernel = step.kernel.clone().expect("only the pre-pass has no kernel");
        let restarts = self.crew.get(&core).map_or(0, |member| member.starts);
        Assignment {
            step: step.step,
            load: step.load.clone(),
            role: step.role_of(core),
            busy: self.cpus_at_work(step),
            shares: self.shares(step, if core == ROVER { step.cores[0] } else { core }),
            footprint: step.footprint.filter(|_| step.chase.is_none()),
            ceiling: step.chase.and_then(|chase| chase.ceiling),
            lanes: if step.siblings { usize::MAX } else { 1 },
            // A worker that was started again goes on with other seeds.
            seed: Hex(step.seed.0.wrapping_add(u64::from(restarts) * 0x1_0001)),
            deadline_ns,
            truths: self.truths.get(&kernel).cloned().unwrap_or_default(),
            kernel,
        }
    }

    fn cpus_at_work(&self, step: &Step) -> Vec<u32> {
        // One that was given up meanwhile would never hand on what it is handed.
        let members = step.cores.iter().filter_map(|core| self.crew.get(core)).filter(|member| member.can_work());
        let cpus =
            members.flat_map(|member| member.core.testable.iter().take(if step.siblings { usize::MAX } else { 1 }));
        cpus.copied().collect()
    }

    /// What of the caches a lane of that core has in this step.
    fn shares(&self, step: &Step, core: u32) -> Shares {
        let lanes = |core: &u32| {
            let cpus = self.crew.get(core).map_or(1, |member| member.core.testable.len());
            if step.siblings { cpus } else { 1 }
        };
        Shares::of(&self.run.machine, core, lanes(&core), step.cores.iter().map(lanes).sum())
    }

    /// Asks everybody to stop working and waits until they have.
    fn call_in(&mut self) {
        let busy: Vec<u32> = self.crew.iter().filter(|(_, member)| member.task.is_some()).map(|(&c, _)| c).collect();
        for core in busy {
            self.host.send(core, &ToWorker::Pause);
        }
        // A member that is stuck is the watchdog's to end; at the end of a run there is no time for that.
        let deadline = self.clock.now_ns() + STOP_WITHIN_NS;
        loop {
            self.crew.values_mut().for_each(Member::take_back);
            if !self.someone_is_busy() || self.stop && self.clock.now_ns() >= deadline {
                return;
            }
            self.pump();
        }
    }

    /// Sends the workers home.
    fn dismiss(&mut self) {
        let cores: Vec<u32> = self.crew.keys().copied().collect();
        for member in self.crew.values_mut() {
            member.leaving = true;
            member.task = None;
        }
        for &core in &cores {
            self.host.send(core, &ToWorker::Leave);
        }
        let deadline = self.clock.now_ns() + STOP_WITHIN_NS;
        while self.crew.values().any(Member::is_up) && self.clock.now_ns() < deadline {
            self.hear_next(TICK_NS);
        }
        for &core in &cores {
            if self.crew[&core].is_up() {
                self.host.kill(core);
            }
        }
    }

    /// Waits for one event at most until the next tick, and deals with it.
    fn pump(&mut self) {
        self.pump_until(u64::MAX);
    }

    /// The same, but at most until then.
    fn pump_until(&mut self, until_ns: u64) {
        let now = self.clock.now_ns();
        let wait = (self.last_tick_ns + TICK_NS).saturating_sub(now).min(self.next_start_in(now));
        let wait = wait.min(until_ns.saturating_sub(now));
        self.hear_next(wait);
        let now = self.clock.now_ns();
        self.start_due(now);
        if now >= self.last_tick_ns + TICK_NS {
            self.last_tick_ns = now;
            self.watch(now);
            self.sample_if_due(now);
            self.watch_company();
            if now >= self.last_beat_ns + HEARTBEAT_NS {
                self.book_evidence_if_due();
                self.hear_of_hardware();
                self.beat(true);
            }
            let seconds_in = self.seconds_in(now);
            self.view.tick(&self.outcome, seconds_in);
        }
    }

    /// Of this session.
    fn seconds_in(&self, now_ns: u64) -> f64 {
        now_ns.saturating_sub(self.started_ns) as f64 / 1e9
    }

    /// Writes a record, takes it into the live outcome, and shows what a person should see of it: never before it is written.
    fn book(&mut self, record: Record, sync: bool) {
        self.enter(&record, sync);
        self.show(&record);
    }

    fn enter(&mut self, record: &Record, sync: bool) {
        let written = self.journal.write(record, sync);
        self.outcome.apply(record);
        if let Err(text) = written {
            self.outcome.apply(&Record::Note { text: text.clone() });
            self.view.note(&text);
        }
    }

    fn show(&mut self, record: &Record) {
        match record {
            Record::Finding(finding) => self.view.finding(finding),
            Record::Amended(amendment) => {
                if let Some(finding) = self.outcome.findings.iter().find(|f| f.id == amendment.id) {
                    self.view.amended(finding, amendment);
                }
            }
            Record::Note { text } | Record::Suspicion { why: text, .. } | Record::GivenUp { why: text, .. } => {
                self.view.note(text);
            }
            Record::ProbeEnded { core } => {
                if let (Some(probe), Some(member)) = (self.outcome.tuned.probes.last(), self.crew.get(core)) {
                    let (name, at) = (&member.core.short, probe.multiplier);
                    self.view.note(&format!("{name} at {at}x: {}", probe.sentence(&self.outcome)));
                }
            }
            Record::Morning { .. } => self.view.morning(&self.outcome),
            Record::BesideStarted { command, output, .. } => {
                self.view.note(&format!("beside the test: {command}; what it says is in {output}"));
            }
            Record::BesideEnded { stopped: false, .. } => {
                if let Some(text) = self.outcome.notes.last() {
                    self.view.note(text);
                }
            }
            _ => {}
        }
    }

    /// What a person is shown is on the disk first.
    fn note(&mut self, text: String) {
        self.book(Record::Note { text }, true);
    }

    /// The digests that a case must have.
    fn truth_of(&self, kernel: &str, case: Case) -> Option<Truth> {
        if case.source != Source::Golden {
            return self.truths.get(kernel)?.iter().find(|truth| truth.case == case).copied();
        }
        let golden = oddcore_kernels::find(kernel)?.goldens().iter().find(|golden| golden.seed == case.seed.0)?;
        Some(Truth { case, input: Hex(golden.input), output: Hex(golden.output) })
    }

    fn amend(&mut self, amendment: Amendment) {
        self.book(Record::Amended(amendment), true);
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Said { core, message } => self.hear(core, message),
            Event::Garbled { core, why } => self.distrust(core, &why),
            Event::Ended { core, end, pid } => {
                self.book_stamps();
                self.bury(core, &end, pid);
            }
            Event::Interrupt { why } => self.interrupt(why),
        }
    }

    /// On the disk at once: whoever asks us to stop may not wait for us.
    fn interrupt(&mut self, why: String) {
        if !self.stop && !self.finished {
            self.stop = true;
            self.book(Record::Interrupted { at: self.clock.timestamp(), why: Some(why) }, true);
        }
    }
}
