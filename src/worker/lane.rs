//! A lane: one pinned thread that works through what the main thread of its worker hands it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{AcqRel, Relaxed},
        },
        mpsc::Receiver,
    },
};

use oddcore_kernels::{Job, Kernel, Picture, Token};

use super::{
    account::{Account, Times},
    bench,
    block::{self, BLOCK_NS, Listener, Next, Work, Wrong},
    chooser::{Chooser, Sizes, runnable, truth_of},
    fault::{Around, Inject, Injection, Injector, Sound},
    glances::Glances,
    pace::{Limit, Pace},
    process::Outbox,
    protocol::{Assignment, Case, FromWorker, Progress, Redo, Source, Truth, Vote},
    roam::Track,
    sealed::{Sealed, broken_sources, results_if_sound},
    slot::Slot,
    teller::Teller,
};
use crate::{
    journal::record::EvidenceKey,
    machine::{clock, slip},
    plan::{Footprint, Load, PRE_PASS, Schedule, Shares, counts_for},
    platform,
    verdict::{Class, Hex},
};

/// How often a lane tells what it has done, at most.
const TELL_EVERY_NS: u64 = 250_000_000;
/// Goldens that a voter must have got right just before it votes, besides one per variant.
const PRE_PASS_GOLDENS: u64 = 4;
/// Where a step is about a footprint, a block lasts at least so many times as long as its batch took to make.
const TIMES_MAKING: u64 = 8;
/// A block of a lane that is given little CPU time lasts at most so many times as long.
const TIMES_STARVED: u64 = 4;

/// What the main thread hands to a lane.
pub enum Order {
    /// Work until the deadline or the pause; the last lane to end says so.
    Work(Arc<Shift>),
    /// Pre-pass of one kernel.
    PrePass(&'static dyn Kernel, u32, Vec<Case>, Shares),
    /// Work again.
    Redo(Redo),
    /// Measure a kernel's variant.
    Bench {
        /// The kernel.
        kernel: String,
        /// The variant.
        variant: String,
    },
}

/// An assignment as the lanes share it.
pub struct Shift {
    /// What to do.
    pub assignment: Assignment,
    /// The assignment's kernel, looked up by the main thread: where texts that differ are compared a wrong bit goes unseen.
    pub kernel: &'static dyn Kernel,
    /// Lanes that have not ended yet.
    pub working: AtomicUsize,
    /// Set to end early.
    pub pause: AtomicBool,
}

/// One pinned thread.
pub struct Lane {
    /// Its number within the worker.
    pub number: usize,
    /// The CPU that it is pinned to.
    pub cpu: u32,
    /// The CPUs that it may be on: that one, or all that it roams. A set: a slice would be searched by vector instructions, which
    /// nobody sees go wrong where it is short.
    pub home: BTreeSet<u32>,
    /// Its slot.
    pub slot: Slot<'static>,
    /// The worker's way out.
    pub outbox: Arc<Outbox>,
    /// The user's pictures.
    pub pictures: Arc<Vec<Sealed<Picture>>>,
    /// What a multiplier of one means, MHz.
    pub bclk_mhz: f64,
    /// What is handed from core to core.
    pub baton: Option<&'static [AtomicU64]>,
    /// A drill, and where all lanes note that its fault has struck.
    pub drill: Option<(Injection, &'static AtomicU64)>,
}

/// What a lane keeps from order to order.
pub(super) struct State {
    /// Of the kernel in hand: every kernel's would add up to gigabytes on a machine of many cores.
    jobs: Vec<Box<dyn Job>>,
    pub(super) account: Account,
    iteration: u64,
    pub(super) clock_mhz: Option<f64>,
    injector: Option<Injector>,
    pub(super) sizes: Sizes,
    /// What was done where and is not told yet, if the lane roams.
    pub(super) roamed: BTreeMap<u32, Account>,
    /// Pictures that memory has changed: told once, and used no more.
    pub(super) set_aside: Vec<Source>,
}

/// How long a block goes on.
struct Length {
    began_ns: u64,
    made_ns: Option<u64>,
    deadline_ns: u64,
    is_about_footprint: bool,
}

impl Length {
    fn of(assignment: &Assignment) -> Self {
        let is_about_footprint = assignment.footprint.is_some_and(|footprint| footprint >= Footprint::L3);
        let began_ns = platform::monotonic_ns();
        Self { began_ns, made_ns: None, deadline_ns: assignment.deadline_ns, is_about_footprint }
    }

    /// Whether it is over after so many iterations. Time is what was worked: what else a block takes CPU time for, such as reading
    /// the clock, is then the same part of it where the OS gives a lane little. Without waits it ends after some times as long
    /// all the same.
    fn is_over(&mut self, iterations: u64, times: &Times, waits: bool) -> bool {
        let now = platform::monotonic_ns();
        let worked_ns = times.kernel_ns + times.check_ns;
        if iterations == 1 && self.is_about_footprint {
            self.made_ns = Some(worked_ns);
        }
        let length_ns = BLOCK_NS.max(TIMES_MAKING * self.made_ns.unwrap_or(0));
        let is_late = !waits && now - self.began_ns >= TIMES_STARVED * length_ns;
        now >= self.deadline_ns || worked_ns >= length_ns || is_late
    }
}

/// The lane no longer runs where it was pinned to: what it did since it last looked may be another core's work.
pub(super) struct Strayed;

/// What the blocks of one order have in common.
#[derive(Clone)]
pub(super) struct Duty<'a> {
    pub(super) kernel: &'static dyn Kernel,
    pub(super) step: u32,
    load: &'a str,
    busy: &'a [u32],
    /// The load that it counts for.
    counts_for: String,
    shares: Shares,
    /// The input that another core handed over.
    pub(super) arrival: Option<Arrival<'a>>,
    /// Where the block's work was done, if the lane roams.
    pub(super) track: Option<&'a Track<'a>>,
}

/// An input from another core.
#[derive(Clone, Copy)]
pub(super) struct Arrival<'a> {
    /// See [`Work::arrive`].
    pub(super) arrive: block::Arrive<'a>,
    /// The CPU that it comes from.
    pub(super) from: u32,
}

impl Lane {
    /// Works until the main thread hangs up. Orders come boxed: nobody would see what goes wrong in the unused bytes of one that
    /// is moved.
    pub fn serve(self, orders: Receiver<Box<Order>>) {
        let injector = self.drill.clone().map(|(injection, struck)| Injector::new(injection, struck));
        let (jobs, account, set_aside, sizes) = (Vec::new(), Account::new(), Vec::new(), Sizes::default());
        let mut state =
            State { jobs, account, iteration: 0, clock_mhz: None, injector, sizes, roamed: BTreeMap::new(), set_aside };
        for order in &orders {
            let served = match &*order {
                Order::Work(shift) => self.work(&mut state, shift),
                Order::PrePass(kernel, step, cases, shares) => {
                    self.pre_pass(&mut state, *kernel, *step, cases, *shares)
                }
                Order::Redo(redo) => self.redo(&mut state, redo),
                Order::Bench { kernel, variant } => self.bench(&mut state, kernel, variant),
            };
            self.slot.leave();
            // Memory is the next core's now.
            state.jobs.clear();
            if served.is_err() {
                self.outbox.send(&FromWorker::Strayed { cpu: self.cpu });
                break;
            }
        }
        // The supervisor ends a worker that strayed; until then orders fall on deaf ears.
        orders.iter().for_each(drop);
    }

    /// Architecture invariant: work counts for a core only if the thread was pinned to it all along. A CPU that goes
    /// offline or out of the cpuset takes the pinning with it, for good.
    fn at_home(&self) -> Result<(), Strayed> {
        let here = platform::current_cpu().is_none_or(|cpu| self.home.contains(&cpu));
        let stays = |cpus: Vec<u32>| !cpus.is_empty() && cpus.iter().all(|cpu| self.home.contains(cpu));
        if here && platform::thread_affinity().is_ok_and(stays) { Ok(()) } else { Err(Strayed) }
    }

    fn work(&self, state: &mut State, shift: &Shift) -> Result<(), Strayed> {
        let (assignment, kernel) = (&shift.assignment, shift.kernel);
        let counts_for = counts_for(&assignment.load, assignment.role);
        let duty = Duty {
            kernel,
            step: assignment.step,
            load: &assignment.load,
            busy: &assignment.busy,
            counts_for,
            shares: assignment.shares,
            arrival: None,
            track: None,
        };
        let mut chooser = Chooser::new(kernel, assignment, self.number);
        chooser.leave_out(&state.set_aside);
        let paused = || shift.pause.load(Relaxed);
        let limit = Limit { deadline_ns: assignment.deadline_ns, paused: &paused };
        if assignment.load == Load::Hop.name() {
            self.hop(state, shift, duty, &limit)?;
            self.end(state, shift);
            return Ok(());
        }
        if let Some(load) = Load::named(&assignment.load).filter(|load| load.roams()) {
            self.roam(state, shift, load, duty, chooser, &limit)?;
            self.end(state, shift);
            return Ok(());
        }
        let mut pace = self.pace(assignment, &limit);
        state.clock_mhz = state.account.open();
        while !paused() && platform::monotonic_ns() < assignment.deadline_ns {
            let (variant, truths) = chooser.next(pace.as_ref().is_some_and(Pace::is_short), &state.sizes);
            let mut length = Length::of(assignment);
            let mut worked_ns = 0;
            let token = token_of(kernel, variant);
            let more = |iterations, times: &mut Times| {
                let new_ns = times.kernel_ns - std::mem::replace(&mut worked_ns, times.kernel_ns);
                let done = pace.as_mut().is_some_and(|pace| pace.worked(new_ns));
                if paused() || length.is_over(iterations, times, pace.is_some()) {
                    return Next::End;
                }
                match &mut pace {
                    Some(pace) if done => {
                        times.wait_ns += pace.wait(&limit, token);
                        // What went wrong in the wait is told at once.
                        let over = paused() || platform::monotonic_ns() >= limit.deadline_ns || slip::is_pending();
                        if over { Next::End } else { Next::Woken }
                    }
                    _ => Next::Work,
                }
            };
            if !self.block(state, &duty, variant, &truths, more)? {
                state.set_aside = broken_sources(&self.pictures);
                chooser.leave_out(&state.set_aside);
            }
            if let Some(pace) = &mut pace {
                state.account.waited(&duty.counts_for, &pace.take_waits());
            }
            self.tell(state, assignment.step, TELL_EVERY_NS);
        }
        self.end(state, shift);
        Ok(())
    }

    /// What is left to be told at the end of a shift.
    fn end(&self, state: &mut State, shift: &Shift) {
        let step = shift.assignment.step;
        self.tell(state, step, 0);
        if shift.working.fetch_sub(1, AcqRel) == 1 {
            // Before the lane's slot is seen empty, so that a finished lane is never taken for a stalled one.
            self.outbox.send(&FromWorker::Idle { step });
        }
    }

    /// The pace of this lane, where the load waits.
    fn pace(&self, assignment: &Assignment, limit: &Limit<'_>) -> Option<Pace<'_>> {
        let lane = (self.number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(self.cpu) << 32;
        let load = Load::named(&assignment.load)?;
        let schedule = Schedule::of(load, assignment.role, assignment.seed.0 ^ lane)?;
        Some(Pace::begin(schedule, self.slot, limit))
    }

    /// Tells what was done, now and then.
    pub(super) fn tell_at_times(&self, state: &mut State, step: u32) {
        self.tell(state, step, TELL_EVERY_NS);
    }

    fn tell(&self, state: &mut State, step: u32, every_ns: u64) {
        for (&cpu, account) in &mut state.roamed {
            if let Some(progress) = account.take(step, every_ns) {
                self.outbox.send(&FromWorker::Progress(Progress { cpu: Some(cpu), ..progress }));
            }
        }
        if let Some(progress) = state.account.take(step, every_ns) {
            self.outbox.send(&FromWorker::Progress(progress));
        }
    }

    /// One block with its evidence; says whether it was without findings.
    pub(super) fn block(
        &self,
        state: &mut State,
        duty: &Duty<'_>,
        variant: usize,
        truths: &[Sealed<Truth>],
        mut more: impl FnMut(u64, &mut Times) -> Next,
    ) -> Result<bool, Strayed> {
        let kernel = duty.kernel;
        let (isa, token) = (kernel.variants()[variant].isa, token_of(kernel, variant));
        let jobs = jobs_of(&mut state.jobs, kernel, truths.len());
        self.slot.enter(kernel_index(kernel), variant, truths[0].value().case);
        let arrive = duty.arrival.map(|arrival| arrival.arrive);
        let work = Work { token, truths, pictures: &self.pictures, slot: self.slot, arrive };
        let (before, per_call) = (state.iteration, truths.len() as u64);
        let mut glances = Glances::of(token);
        let more = |iteration, times: &mut Times| {
            self.slot.set_iteration(before + iteration * per_call);
            let next = more(iteration, times);
            // Whoever was just woken goes straight to work.
            if next == Next::Work {
                glances.take_if_due(times);
            }
            next
        };
        let account = &mut state.account;
        let mut teller =
            Teller { lane: self, account, duty, variant: kernel.variants()[variant].name, before, told: 0 };
        let arrived = duty.arrival.is_some_and(|arrival| arrival.from != self.cpu);
        let around = Around { load: Some(duty.load), busy: duty.busy, clock_mhz: state.clock_mhz, arrived };
        let injector = state.injector.as_mut().and_then(|i| i.in_work(kernel.name(), around));
        let mut done = match injector {
            None => block::run(&work, jobs, &mut Sound, more, &mut teller),
            Some(injector) => block::run(&work, jobs, injector, more, &mut teller),
        };
        let after = if duty.track.is_none() { done.times.clock(clock::measure) } else { None };
        if let Some(slip) = slip::take() {
            done.evidence.findings += 1;
            teller.slipped(slip, truths[0].value().case, done.evidence.iterations, &mut done.times);
        }
        self.at_home()?;
        state.iteration += done.evidence.iterations;
        if done.bytes > 0 {
            state.sizes.saw(kernel.name(), truths[0].value().case.source, truths.len(), done.bytes);
        }
        let key = |clock: Option<f64>| EvidenceKey {
            multiplier: clock.map(|mhz| (mhz / self.bclk_mhz).round() as u32),
            load: duty.counts_for.clone(),
            kernel: kernel.name().to_owned(),
            variant: kernel.variants()[variant].name.to_owned(),
            isa: isa.name().to_owned(),
            footprint: duty.shares.holding(done.bytes).name().to_owned(),
        };
        if let Some(track) = duty.track {
            track.book(&done, key, &mut state.roamed);
            return Ok(done.evidence.findings == 0);
        }
        let edges = before_and_after(state.clock_mhz, after);
        state.account.looked_inside(isa.name(), glances.beside(edges));
        let lower = glances.lowest(edges);
        state.account.book(key(lower), done.evidence, done.times, glances.seen().iter().copied().chain(after));
        state.clock_mhz = after;
        Ok(done.evidence.findings == 0)
    }

    fn pre_pass(
        &self,
        state: &mut State,
        kernel: &'static dyn Kernel,
        step: u32,
        cases: &[Case],
        shares: Shares,
    ) -> Result<(), Strayed> {
        let goldens = kernel.goldens();
        let runnable = runnable(kernel);
        let duty = Duty {
            kernel,
            step,
            load: PRE_PASS,
            busy: &[],
            counts_for: PRE_PASS.to_owned(),
            shares,
            arrival: None,
            track: None,
        };
        state.clock_mhz = state.account.open();
        let mut golden = true;
        let extra = (0..PRE_PASS_GOLDENS).map(|_| runnable[0]);
        for (n, variant) in runnable.iter().copied().chain(extra).enumerate() {
            let truth = truth_of(goldens[n % goldens.len()]);
            golden &= self.block(state, &duty, variant, &[truth], |_, _| Next::End)?;
        }
        let mut votes = Vec::new();
        for &case in cases {
            let (input, output) = self.once(state, kernel, runnable[0], case, Some(PRE_PASS), 1)?[0];
            let job = &jobs_of(&mut state.jobs, kernel, 1)[0];
            votes.push(Vote { case, input, output, freivalds: job.freivalds(case.seed.0) });
        }
        self.check_pictures(state, &duty, runnable[0], cases);
        self.tell(state, step, 0);
        self.outbox.send(&FromWorker::PrePassDone { kernel: kernel.name().to_owned(), golden, votes });
        Ok(())
    }

    /// A picture that changed in memory is told before the votes: they are then no juror's.
    fn check_pictures(&self, state: &mut State, duty: &Duty<'_>, variant: usize, cases: &[Case]) {
        let broken = broken_sources(&self.pictures);
        let Some(&case) = cases.iter().find(|case| broken.contains(&case.source)) else { return };
        state.set_aside = broken;
        let (class, detail, at_ns) = (Class::CorruptInput, block::PICTURE_CHANGED, platform::monotonic_ns());
        let wrong = Wrong { class, case, iteration: 0, stage: None, output: None, at_ns, detail };
        let (account, before) = (&mut state.account, state.iteration);
        let variant = duty.kernel.variants()[variant].name;
        Teller { lane: self, account, duty, variant, before, told: 0 }.wrong(wrong, &mut Times::default());
    }

    fn redo(&self, state: &mut State, redo: &Redo) -> Result<(), Strayed> {
        let kernel = oddcore_kernels::find(&redo.kernel).expect("checked on arrival");
        let variant = kernel.variants().iter().position(|v| v.name == redo.variant && v.isa.token().is_some());
        let results = match variant {
            Some(variant) => results_if_sound(redo.case.source, &self.pictures, || {
                self.once(state, kernel, variant, redo.case, None, redo.times)
            })?,
            None => Vec::new(),
        };
        self.outbox.send(&FromWorker::Redone { ticket: redo.ticket, results });
        Ok(())
    }

    fn bench(&self, state: &mut State, kernel: &str, variant: &str) -> Result<(), Strayed> {
        let kernel = oddcore_kernels::find(kernel).expect("the supervisor is the same program");
        let variant = kernel.variants().iter().position(|v| v.name == variant).expect("one of this kernel's");
        let token = token_of(kernel, variant);
        let first = truth_of(kernel.goldens()[0]).value().case;
        self.slot.enter(kernel_index(kernel), variant, first);
        let job = jobs_of(&mut state.jobs, kernel, 1)[0].as_mut();
        let speed = bench::measure(kernel, variant, token, job, self.slot);
        self.at_home()?;
        self.outbox.send(&FromWorker::Benched(speed));
        Ok(())
    }

    /// Makes the input and computes, `times` times, and only says what came out.
    fn once(
        &self,
        state: &mut State,
        kernel: &'static dyn Kernel,
        variant: usize,
        case: Case,
        load: Option<&str>,
        times: u32,
    ) -> Result<Vec<(Hex, Hex)>, Strayed> {
        let token = token_of(kernel, variant);
        self.slot.enter(kernel_index(kernel), variant, case);
        let job = jobs_of(&mut state.jobs, kernel, 1)[0].as_mut();
        let around = Around { load, clock_mhz: state.clock_mhz, ..Around::default() };
        let mut injector = state.injector.as_mut().and_then(|i| i.in_work(kernel.name(), around));
        let results = (0..times)
            .map(|_| {
                block::prepare(job, case, &self.pictures);
                if let Some(injector) = &mut injector {
                    injector.input_made(job);
                }
                job.run(token, self.slot.stage(), injector.as_mut().and_then(|injector| injector.flip()));
                self.slot.step();
                (Hex(job.input_digest()), Hex(job.output_digest()))
            })
            .collect();
        self.slot.leave();
        self.at_home()?;
        Ok(results)
    }
}

impl State {
    /// So many jobs of a kernel.
    pub(super) fn jobs_of(&mut self, kernel: &'static dyn Kernel, count: usize) -> &mut [Box<dyn Job>] {
        jobs_of(&mut self.jobs, kernel, count)
    }
}

fn jobs_of<'a>(jobs: &'a mut Vec<Box<dyn Job>>, kernel: &'static dyn Kernel, count: usize) -> &'a mut [Box<dyn Job>] {
    while jobs.len() < count {
        jobs.push(kernel.new_job());
    }
    &mut jobs[..count]
}

fn token_of(kernel: &dyn Kernel, variant: usize) -> Token {
    kernel.variants()[variant].isa.token().expect("only variants that this CPU runs are chosen")
}

/// Its number in the list. Names are compared by address; see [`Shift::kernel`].
fn kernel_index(kernel: &dyn Kernel) -> usize {
    let all = oddcore_kernels::all();
    let same = |other: &&dyn Kernel| std::ptr::eq(other.name(), kernel.name());
    let named = || all.iter().position(|other| other.name() == kernel.name());
    all.iter().position(same).or_else(named).expect("every kernel is in the list")
}

fn before_and_after(before: Option<f64>, after: Option<f64>) -> Option<f64> {
    Some(before?.min(after?))
}
