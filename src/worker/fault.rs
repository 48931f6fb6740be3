//! Drills: faults injected on purpose, each on the way that a real one takes.
//!
//! Architecture invariant: a fault is a bit of a real intermediate, input, reference or result, or what the thread itself
//! does; it is injected only when asked for. A normal run's hot loop is compiled with [`Sound`] and holds none of this.

use std::sync::atomic::{AtomicU64, Ordering::AcqRel};

use clap::ValueEnum;
use oddcore_kernels::{Fault as Flip, Job};

use crate::{machine::clock, platform, verdict::Class};

/// One in so many iterations, for the fault that is rare.
const RARELY: u64 = 64;
/// One in so many comparisons, for the comparison that lies.
const LIES: u64 = 16;
/// How long a core that errs after idling does so.
const AFTER_IDLE_NS: u64 = 100_000;
/// Lanes of the widest vector, and the one that is stuck.
const LANES: u64 = 16;
const STUCK_LANE: u64 = 5;

/// A fault injected on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// A wrong bit of an intermediate result, in every iteration.
    Miscompute,
    /// One wrong bit, one time in the run.
    MiscomputeOnce,
    /// A wrong bit in one of 64 iterations.
    MiscomputeRarely,
    /// A wrong bit in every iteration, always in the same vector lane.
    MiscomputeLane,
    /// A wrong bit of the input while it is made.
    MiscomputeBirth,
    /// A wrong bit of what the clock is measured by, after every iteration.
    MiscomputeClock,
    /// A bit of the input flips after it was made and digested.
    CorruptInput,
    /// A bit of the reference flips after it was kept.
    CorruptReference,
    /// The comparison says "different" of two equal buffers, one time in 16.
    Comparison,
    /// A wild pointer, once.
    Crash,
    /// An illegal instruction, once.
    IllegalInstruction,
    /// A loop that never ends, once.
    Hang,
    /// A thread that sleeps though there is work, once.
    Stall,
    /// A wrong bit in what begins within 100 µs after a wait of the load.
    AfterIdle,
    /// A wrong bit in every iteration while a given other CPU is at work.
    BesideBusy,
    /// A wrong bit in every iteration above a given clock.
    AboveClock,
    /// A wrong bit in work on what another core handed over.
    Arrived,
}

impl Fault {
    /// The class that its findings must have.
    pub fn class(self) -> Class {
        match self {
            Self::Miscompute
            | Self::MiscomputeOnce
            | Self::MiscomputeRarely
            | Self::MiscomputeLane
            | Self::MiscomputeBirth
            | Self::MiscomputeClock
            | Self::AfterIdle
            | Self::BesideBusy
            | Self::AboveClock
            | Self::Arrived => Class::Miscompute,
            Self::CorruptInput => Class::CorruptInput,
            Self::CorruptReference => Class::CorruptReference,
            Self::Comparison => Class::Comparison,
            Self::Crash | Self::IllegalInstruction => Class::Crash,
            Self::Hang | Self::Stall => Class::Hang,
        }
    }

    /// Whether it strikes only in surroundings that some loads make and others do not.
    pub fn needs_its_load(self) -> bool {
        matches!(self, Self::AfterIdle | Self::BesideBusy | Self::AboveClock | Self::Arrived)
    }

    /// Whether it strikes once in a run, by its nature or because the worker does not outlive it.
    pub fn strikes_once(self) -> bool {
        matches!(self, Self::MiscomputeOnce | Self::Crash | Self::IllegalInstruction | Self::Hang | Self::Stall)
    }

    /// The name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().expect("every fault has a name").get_name().to_owned()
    }
}

/// What a worker is to do wrong, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Injection {
    /// In this kernel.
    pub kernel: String,
    /// This.
    pub fault: Fault,
    /// In work under these loads only; empty: in all that it does, the pre-pass and work done again included.
    pub loads: Vec<String>,
    /// The CPU of [`Fault::BesideBusy`].
    pub beside: Option<u32>,
    /// The clock of [`Fault::AboveClock`], MHz.
    pub above_mhz: Option<f64>,
    /// In a worker that roams: on these CPUs only.
    pub on_cpus: Vec<u32>,
}

/// What surrounds a piece of work.
#[derive(Clone, Copy, Debug, Default)]
pub struct Around<'a> {
    /// The load; `None` for work done again.
    pub load: Option<&'a str>,
    /// CPUs at work in the step.
    pub busy: &'a [u32],
    /// Whether the input was handed over by another core.
    pub arrived: bool,
    /// The clock before, where it could be measured.
    pub clock_mhz: Option<f64>,
}

impl Injection {
    /// Whether it strikes in work on this kernel; `load` is `None` for work done again.
    pub fn strikes_in(&self, kernel: &str, load: Option<&str>) -> bool {
        self.kernel == kernel
            && (self.loads.is_empty() || load.is_some_and(|load| self.loads.iter().any(|l| l == load)))
    }
}

/// Where a fault can come in.
pub trait Inject {
    /// An input was made, and not yet digested.
    fn input_made(&mut self, _job: &mut dyn Job) {}
    /// A bit to flip in the run that comes next.
    fn flip(&mut self) -> Option<Flip> {
        None
    }
    /// What the comparison says, of what it saw.
    fn compared(&mut self, same: bool) -> bool {
        same
    }
    /// A wait is over, and work begins.
    fn woken(&mut self) {}
    /// An iteration is over, and everything was right.
    fn iteration_over(&mut self, _job: &mut dyn Job) {}
}

/// No fault.
pub struct Sound;

impl Inject for Sound {}

/// The fault of a drill, as one lane carries it out.
pub struct Injector {
    injection: Injection,
    /// Shared by all lanes and read by the supervisor, so that once is once in the run.
    struck: &'static AtomicU64,
    runs: u64,
    compared: u64,
    /// When the last wait ended, and what surrounds the work in hand.
    woken_ns: Option<u64>,
    beside_busy: bool,
    above_clock: bool,
    arrived: bool,
    /// Where a worker that roams made its last input.
    made_on: Option<u32>,
}

impl Injector {
    /// Nothing has happened yet, unless `struck` says so.
    pub fn new(injection: Injection, struck: &'static AtomicU64) -> Self {
        Self {
            injection,
            struck,
            runs: 0,
            compared: 0,
            woken_ns: None,
            beside_busy: false,
            above_clock: false,
            arrived: false,
            made_on: None,
        }
    }

    /// Whether it strikes on the CPU that the thread is on.
    fn here(&self) -> bool {
        let cpus = &self.injection.on_cpus;
        cpus.is_empty() || platform::current_cpu().is_some_and(|cpu| cpus.contains(&cpu))
    }

    /// Whether the work in hand came from another core: handed over, or brought along.
    fn has_arrived(&self) -> bool {
        self.arrived || self.made_on.is_some() && self.made_on != platform::current_cpu()
    }

    /// Itself, where it strikes.
    pub fn in_work(&mut self, kernel: &str, around: Around<'_>) -> Option<&mut Self> {
        let Injection { beside, above_mhz, .. } = self.injection;
        self.woken_ns = None;
        self.beside_busy = beside.is_some_and(|cpu| around.busy.contains(&cpu));
        (self.arrived, self.made_on) = (around.arrived, None);
        self.above_clock = above_mhz.zip(around.clock_mhz).is_some_and(|(above, clock)| clock > above);
        self.injection.strikes_in(kernel, around.load).then_some(self)
    }

    fn first(&self) -> bool {
        self.struck.swap(1, AcqRel) == 0
    }

    /// Another element each time.
    fn anywhere(&self, bit: u32) -> Flip {
        Flip { element: self.runs.wrapping_mul(7919), bit }
    }
}

impl Inject for Injector {
    fn input_made(&mut self, job: &mut dyn Job) {
        if !self.injection.on_cpus.is_empty() {
            self.made_on = platform::current_cpu();
        }
        if self.injection.fault == Fault::MiscomputeBirth && self.here() {
            job.flip_input_bit(self.anywhere(3));
        }
    }

    fn flip(&mut self) -> Option<Flip> {
        self.runs += 1;
        if !self.here() {
            return None;
        }
        let strikes = match self.injection.fault {
            Fault::Miscompute => true,
            Fault::MiscomputeOnce => self.first(),
            Fault::AfterIdle => {
                let since = self.woken_ns.map(|at| platform::monotonic_ns().saturating_sub(at));
                since.is_some_and(|ns| ns < AFTER_IDLE_NS)
            }
            Fault::BesideBusy => self.beside_busy,
            Fault::AboveClock => self.above_clock,
            Fault::Arrived => self.has_arrived(),
            Fault::MiscomputeRarely => self.runs.is_multiple_of(RARELY),
            Fault::MiscomputeLane => {
                return Some(Flip { element: self.runs % 61 * LANES + STUCK_LANE, bit: 22 });
            }
            _ => false,
        };
        strikes.then(|| self.anywhere(22))
    }

    fn woken(&mut self) {
        self.woken_ns = Some(platform::monotonic_ns());
    }

    fn compared(&mut self, same: bool) -> bool {
        self.compared += 1;
        let lies = self.injection.fault == Fault::Comparison && self.here() && self.compared.is_multiple_of(LIES);
        same && !lies
    }

    fn iteration_over(&mut self, job: &mut dyn Job) {
        if !self.here() {
            return;
        }
        match self.injection.fault {
            Fault::MiscomputeClock => clock::flip_next(),
            Fault::CorruptInput => job.flip_input_bit(self.anywhere(22)),
            Fault::CorruptReference => job.flip_reference_bit(self.anywhere(22)),
            Fault::Crash if self.first() => platform::wild_pointer(),
            Fault::IllegalInstruction if self.first() => platform::illegal_instruction(),
            Fault::Hang if self.first() => loop {
                std::hint::spin_loop();
            },
            Fault::Stall if self.first() => loop {
                std::thread::park();
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn injector(fault: Fault, loads: &[&str]) -> Injector {
        let loads = loads.iter().map(|&load| load.to_owned()).collect();
        let struck = Box::leak(Box::new(AtomicU64::new(0)));
        let (beside, above_mhz, on_cpus) = (Some(3), Some(5950.0), vec![]);
        let injection = Injection { kernel: "k".into(), fault, loads, beside, above_mhz, on_cpus };
        Injector::new(injection, struck)
    }

    fn under(load: Option<&str>) -> Around<'_> {
        Around { load, ..Around::default() }
    }

    #[test]
    fn a_fault_that_needs_its_load_strikes_in_no_other() {
        let strikes = |fault, around| injector(fault, &[]).in_work("k", around).expect("this kernel").flip().is_some();
        let (busy, clock_mhz) = ([2, 3], Some(6000.0));
        assert!(strikes(Fault::BesideBusy, Around { busy: &busy, ..Around::default() }));
        assert!(!strikes(Fault::BesideBusy, Around { busy: &busy[..1], clock_mhz, ..Around::default() }));
        assert!(strikes(Fault::AboveClock, Around { clock_mhz, ..Around::default() }));
        assert!(!strikes(Fault::AboveClock, Around { clock_mhz: Some(5900.0), busy: &busy, ..Around::default() }));
        assert!(!strikes(Fault::AboveClock, Around { busy: &busy, ..Around::default() }), "unmeasured");
        assert!(strikes(Fault::Arrived, Around { arrived: true, ..Around::default() }));
        assert!(!strikes(Fault::Arrived, Around { busy: &busy, clock_mhz, ..Around::default() }));
        let mut after_idle = injector(Fault::AfterIdle, &[]);
        let in_work = after_idle.in_work("k", under(Some("bursts"))).expect("this kernel");
        assert!(in_work.flip().is_none());
        in_work.woken_ns = Some(u64::MAX);
        assert!(in_work.flip().is_some(), "at once");
        in_work.woken_ns = Some(0);
        assert!(in_work.flip().is_none(), "long ago");
    }

    #[test]
    fn a_fault_strikes_where_it_was_told_to() {
        let mut anywhere = injector(Fault::Miscompute, &[]);
        for load in [None, Some("solo"), Some("pre-pass")] {
            assert!(anywhere.in_work("k", under(load)).is_some() && anywhere.in_work("other", under(load)).is_none());
        }
        let mut solo = injector(Fault::Miscompute, &["solo"]);
        assert!(solo.in_work("k", under(Some("solo"))).is_some());
        for load in [None, Some("together"), Some("pre-pass")] {
            assert!(solo.in_work("k", under(load)).is_none(), "{load:?}");
        }
    }

    #[test]
    fn a_fault_strikes_as_often_as_its_name_says() {
        let flips = |fault| {
            let mut injector = injector(fault, &[]);
            (0..640).filter_map(|_| injector.flip()).collect::<Vec<_>>()
        };
        assert_eq!(flips(Fault::Miscompute).len(), 640);
        assert_eq!(flips(Fault::MiscomputeOnce).len(), 1);
        assert_eq!(flips(Fault::MiscomputeRarely).len(), 10);
        assert!(flips(Fault::Comparison).is_empty());
        let lane = flips(Fault::MiscomputeLane);
        assert_eq!(lane.len(), 640);
        assert!(lane.iter().all(|flip| flip.element % LANES == STUCK_LANE));
        assert!(lane.iter().any(|flip| flip.element != lane[0].element));
        let mut liar = injector(Fault::Comparison, &[]);
        assert_eq!((0..160).filter(|_| !liar.compared(true)).count(), 10);
        assert!((0..160).all(|_| !liar.compared(false)));
    }
}
