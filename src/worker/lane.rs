//! A lane: one pinned thread that works through what the main thread of its worker hands it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{AcqRel, Relaxed},
        },
        mpsc::Receiver,
    },
};

use oddcore_kernels::{Isa, Job, Kernel, Picture};

use super::{
    Fault,
    account::Account,
    block::{self, BLOCK_NS, FRESH_BATCH, Work, Wrong},
    process::Outbox,
    protocol::{Assignment, Case, FromWorker, Redo, Source, Stamp, Truth, Vote},
    slot::Slot,
};
use crate::{journal::record::EvidenceKey, machine::clock, plan::PRE_PASS, platform, verdict::Hex};

/// How often a lane tells what it has done, at most.
const TELL_EVERY_NS: u64 = 250_000_000;
/// Goldens that a voter must have got right just before it votes, besides one per variant.
const PRE_PASS_GOLDENS: u64 = 4;
/// A block's buffers come to 2 to 9 MB with their packed copies and references: the third-level cache's size.
const FOOTPRINT: &str = "L3";

/// What the main thread hands to a lane.
pub enum Order {
    /// Work until the deadline or the pause; the last lane to end says so.
    Work(Arc<Shift>),
    /// Pre-pass of one kernel.
    PrePass(&'static dyn Kernel, u32, Vec<Case>),
    /// Work again.
    Redo(Redo),
}

/// An assignment as the lanes share it.
pub struct Shift {
    /// What to do.
    pub assignment: Assignment,
    /// Lanes that have not ended yet.
    pub working: AtomicUsize,
    /// Set to end early.
    pub pause: AtomicBool,
}

/// One pinned thread.
pub struct Lane {
    /// Its number within the worker.
    pub number: usize,
    /// Its slot.
    pub slot: Slot<'static>,
    /// The worker's way out.
    pub outbox: Arc<Outbox>,
    /// The user's pictures.
    pub pictures: Arc<Vec<Picture>>,
    /// What a multiplier of one means, MHz.
    pub bclk_mhz: f64,
    /// A drill: this kernel, this fault.
    pub drill: Option<(String, Fault)>,
}

/// What a lane keeps from order to order.
struct State {
    jobs: HashMap<&'static str, Vec<Box<dyn Job>>>,
    account: Account,
    iteration: u64,
    clock_mhz: Option<f64>,
}

impl Lane {
    /// Works until the main thread hangs up.
    pub fn serve(self, orders: Receiver<Order>) {
        let mut state = State { jobs: HashMap::new(), account: Account::new(), iteration: 0, clock_mhz: None };
        for order in orders {
            match order {
                Order::Work(shift) => self.work(&mut state, &shift),
                Order::PrePass(kernel, step, cases) => self.pre_pass(&mut state, kernel, step, &cases),
                Order::Redo(redo) => self.redo(&mut state, &redo),
            }
            self.slot.leave();
        }
    }

    fn fault_in(&self, kernel: &str) -> Option<Fault> {
        self.drill.as_ref().filter(|(drilled, _)| drilled == kernel).map(|&(_, fault)| fault)
    }

    fn work(&self, state: &mut State, shift: &Shift) {
        let assignment = &shift.assignment;
        let kernel = oddcore_kernels::find(&assignment.kernel).expect("checked on arrival");
        let mut chooser = Chooser::new(kernel, assignment, self.number);
        state.account.open();
        state.clock_mhz = clock::measure();
        let paused = || shift.pause.load(Relaxed);
        while !paused() && platform::monotonic_ns() < assignment.deadline_ns {
            let (variant, truths) = chooser.next();
            let until = (platform::monotonic_ns() + BLOCK_NS).min(assignment.deadline_ns);
            let more = |_| !paused() && platform::monotonic_ns() < until;
            self.block(state, kernel, variant, &truths, assignment.step, &assignment.load, more);
            self.tell(state, assignment.step, TELL_EVERY_NS);
        }
        self.tell(state, assignment.step, 0);
        if shift.working.fetch_sub(1, AcqRel) == 1 {
            // Before the lane's slot is seen empty, so that a finished lane is never taken for a stalled one.
            self.outbox.send(&FromWorker::Idle { step: assignment.step });
        }
    }

    fn tell(&self, state: &mut State, step: u32, every_ns: u64) {
        if let Some(progress) = state.account.take(step, every_ns) {
            self.outbox.send(&FromWorker::Progress(progress));
        }
    }

    /// One block with its evidence; says whether it was without findings.
    #[expect(clippy::too_many_arguments, reason = "each is a different part of what a block is")]
    fn block(
        &self,
        state: &mut State,
        kernel: &'static dyn Kernel,
        variant: usize,
        truths: &[Truth],
        step: u32,
        load: &str,
        mut more: impl FnMut(u64) -> bool,
    ) -> bool {
        let isa = kernel.variants()[variant].isa;
        let token = isa.token().expect("only variants that this CPU runs are chosen");
        let jobs = jobs_of(&mut state.jobs, kernel, truths.len());
        let case = truths[0].case;
        self.slot.enter(kernel_index(kernel), variant, case);
        let work = Work { token, truths, pictures: &self.pictures, fault: self.fault_in(kernel.name()) };
        let (account, before) = (&mut state.account, state.iteration);
        let per_call = truths.len() as u64;
        let done = block::run(
            &work,
            jobs,
            self.slot,
            |iteration| {
                self.slot.set_iteration(before + iteration * per_call);
                more(iteration)
            },
            &mut |wrong, times| {
                if account.keep(kernel.name(), wrong.class) {
                    let stamp = times.check(|| self.stamp(kernel, variant, step, before, &wrong));
                    self.outbox.send(&FromWorker::Finding(Box::new(stamp)));
                }
            },
        );
        state.iteration += done.evidence.iterations;
        let after = clock::measure();
        let lower = before_and_after(state.clock_mhz, after);
        let key = EvidenceKey {
            multiplier: lower.map(|mhz| (mhz / self.bclk_mhz).round() as u32),
            load: load.to_owned(),
            kernel: kernel.name().to_owned(),
            variant: kernel.variants()[variant].name.to_owned(),
            isa: isa.name().to_owned(),
            footprint: FOOTPRINT.to_owned(),
        };
        state.account.book(key, done.evidence, done.times, after);
        state.clock_mhz = after;
        done.evidence.findings == 0
    }

    fn stamp(&self, kernel: &dyn Kernel, variant: usize, step: u32, before: u64, wrong: &Wrong) -> Stamp {
        let place = wrong.place.as_ref();
        Stamp {
            step,
            cpu: platform::current_cpu(),
            affinity: platform::thread_affinity().unwrap_or_default(),
            class: wrong.class,
            kernel: kernel.name().to_owned(),
            variant: kernel.variants()[variant].name.to_owned(),
            case: wrong.truth.case,
            iteration: before + wrong.iteration,
            stage: wrong.stage.map(str::to_owned),
            element: place.map(|p| p.element.clone()).unwrap_or_default(),
            expected: place.map(|p| Hex(p.expected)),
            actual: place.map(|p| Hex(p.actual)),
            wrong_elements: place.map(|p| p.wrong),
            clock_mhz: clock::measure(),
            at_ns: platform::monotonic_ns(),
            detail: wrong.detail.clone(),
            output: wrong.output.map(Hex),
        }
    }

    fn pre_pass(&self, state: &mut State, kernel: &'static dyn Kernel, step: u32, cases: &[Case]) {
        let goldens = kernel.goldens();
        let runnable = runnable(kernel);
        state.account.open();
        state.clock_mhz = clock::measure();
        let mut golden = true;
        let extra = (0..PRE_PASS_GOLDENS).map(|_| runnable[0]);
        for (n, variant) in runnable.iter().copied().chain(extra).enumerate() {
            let truth = truth_of(goldens[n % goldens.len()]);
            golden &= self.block(state, kernel, variant, &[truth], step, PRE_PASS, |_| false);
        }
        let votes = cases.iter().map(|&case| self.vote(state, kernel, runnable[0], case)).collect();
        self.tell(state, step, 0);
        self.outbox.send(&FromWorker::PrePassDone { kernel: kernel.name().to_owned(), golden, votes });
    }

    fn vote(&self, state: &mut State, kernel: &'static dyn Kernel, variant: usize, case: Case) -> Vote {
        let (input, output) = self.once(state, kernel, variant, case, 1)[0];
        let job = &jobs_of(&mut state.jobs, kernel, 1)[0];
        Vote { case, input, output, freivalds: job.freivalds(case.seed.0) }
    }

    fn redo(&self, state: &mut State, redo: &Redo) {
        let kernel = oddcore_kernels::find(&redo.kernel).expect("checked on arrival");
        let variant = kernel.variants().iter().position(|v| v.name == redo.variant && v.isa.token().is_some());
        let results = match variant {
            Some(variant) => self.once(state, kernel, variant, redo.case, redo.times),
            None => Vec::new(),
        };
        self.outbox.send(&FromWorker::Redone { ticket: redo.ticket, results });
    }

    /// Makes the input and computes, `times` times, and only says what came out.
    fn once(
        &self,
        state: &mut State,
        kernel: &'static dyn Kernel,
        variant: usize,
        case: Case,
        times: u32,
    ) -> Vec<(Hex, Hex)> {
        let token = kernel.variants()[variant].isa.token().expect("only variants that this CPU runs are chosen");
        self.slot.enter(kernel_index(kernel), variant, case);
        let job = jobs_of(&mut state.jobs, kernel, 1)[0].as_mut();
        let flip = block::drilled_flip(self.fault_in(kernel.name()), 0);
        let results = (0..times)
            .map(|_| {
                block::prepare(job, case, &self.pictures);
                job.run(token, self.slot.stage(), flip);
                self.slot.step();
                (Hex(job.input_digest()), Hex(job.output_digest()))
            })
            .collect();
        self.slot.leave();
        results
    }
}

fn jobs_of<'a>(
    all: &'a mut HashMap<&'static str, Vec<Box<dyn Job>>>,
    kernel: &'static dyn Kernel,
    count: usize,
) -> &'a mut [Box<dyn Job>] {
    let jobs = all.entry(kernel.name()).or_default();
    while jobs.len() < count {
        jobs.push(kernel.new_job());
    }
    &mut jobs[..count]
}

fn kernel_index(kernel: &dyn Kernel) -> usize {
    let all = oddcore_kernels::all();
    all.iter().position(|other| other.name() == kernel.name()).expect("every kernel is in the list")
}

fn before_and_after(before: Option<f64>, after: Option<f64>) -> Option<f64> {
    Some(before?.min(after?))
}

fn truth_of(golden: oddcore_kernels::Golden) -> Truth {
    Truth {
        case: Case { source: Source::Golden, seed: Hex(golden.seed) },
        input: Hex(golden.input),
        output: Hex(golden.output),
    }
}

/// Indexes of the variants that this CPU runs, best first.
pub fn runnable(kernel: &dyn Kernel) -> Vec<usize> {
    (0..kernel.variants().len()).filter(|&n| kernel.variants()[n].isa.token().is_some()).collect()
}

/// Which variant works on what, block after block: mostly the best variant on goldens; every eighth block fresh data with
/// each variant in turn; another eighth goldens with the other vector variants; the user's pictures where there are any.
struct Chooser<'a> {
    kernel: &'static dyn Kernel,
    assignment: &'a Assignment,
    runnable: Vec<usize>,
    fresh: Vec<Truth>,
    pictures: Vec<Truth>,
    block: u64,
    offset: u64,
}

impl<'a> Chooser<'a> {
    fn new(kernel: &'static dyn Kernel, assignment: &'a Assignment, lane: usize) -> Self {
        let (fresh, pictures) = assignment.truths.iter().partition(|t| t.case.source == Source::Fresh);
        let offset = assignment.seed.0.wrapping_add(lane as u64 * 0x9e37_79b9) >> 8;
        Self { kernel, assignment, runnable: runnable(kernel), fresh, pictures, block: 0, offset }
    }

    fn next(&mut self) -> (usize, Vec<Truth>) {
        let block = self.block;
        self.block += 1;
        let turn = block / 8;
        match block.wrapping_add(self.assignment.seed.0) % 8 {
            3 if !self.fresh.is_empty() => {
                let count = FRESH_BATCH.min(self.fresh.len());
                let first = (turn.wrapping_add(self.offset) as usize * FRESH_BATCH) % self.fresh.len();
                let batch = self.fresh.iter().cycle().skip(first).take(count).copied().collect();
                (self.runnable[turn as usize % self.runnable.len()], batch)
            }
            5 => {
                // Scalar goldens take tens of milliseconds each: the pre-pass and the fresh data see to that variant.
                let vectors = self.runnable.iter().filter(|&&n| self.kernel.variants()[n].isa != Isa::Scalar).count();
                let variant = self.runnable[turn as usize % vectors.max(1)];
                (variant, vec![self.golden(block)])
            }
            1 if !self.pictures.is_empty() => {
                (self.runnable[0], vec![self.pictures[turn as usize % self.pictures.len()]])
            }
            _ => (self.runnable[0], vec![self.golden(block)]),
        }
    }

    fn golden(&self, block: u64) -> Truth {
        let goldens = self.kernel.goldens();
        truth_of(goldens[(block.wrapping_add(self.offset) % goldens.len() as u64) as usize])
    }
}
