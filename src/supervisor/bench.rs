//! A bench: how fast each core is at each kernel, one core at a time and nothing else at work. It measures; what a wrong
//! result means is for a run to say.

use super::{
    TICK_NS,
    host::{Event, WorkerHost},
    seams::Pinner,
};
use crate::{
    machine::{Core, Machine},
    platform::{ProcessEnd, signal_name},
    worker::protocol::{FromWorker, PROTOCOL, Speed, ToWorker},
};

/// How many ticks in a row may bring nothing before a worker is given up: two minutes. Time in which all of us sleep is one.
const PATIENCE_TICKS: u32 = 480;

/// One variant of a kernel, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The kernel.
    pub kernel: &'static str,
    /// The variant.
    pub variant: &'static str,
}

/// What a bench is given.
pub struct Setup<'a> {
    /// The computer.
    pub machine: &'a Machine,
    /// The cores to measure, in order.
    pub cores: &'a [u32],
    /// What each of them is measured at.
    pub targets: &'a [Target],
    /// Where workers live.
    pub host: Box<dyn WorkerHost>,
    /// Where we run ourselves.
    pub pinner: Box<dyn Pinner>,
    /// Told of each measurement before it begins.
    pub look: &'a mut dyn FnMut(&Core, &Target),
}

/// What came of a bench.
#[derive(Debug, Default, PartialEq)]
pub struct Measured {
    /// The cores that were come to, with what was measured there.
    pub cores: Vec<(u32, Vec<Speed>)>,
    /// What went wrong, a sentence each.
    pub notes: Vec<String>,
    /// Somebody asked to stop.
    pub interrupted: bool,
}

/// Why a worker did not answer.
enum Silence {
    /// It is no more, or was ended: why.
    Lost(String),
    /// It has no CPU to run on: why.
    NoCpu(String),
    /// Somebody asks to stop: why.
    Stop(String),
}

/// Measures every target on every core.
pub fn run(setup: Setup<'_>) -> Measured {
    let mut bench = Bench { setup, measured: Measured::default(), up: false };
    for core in &bench.setup.machine.cores {
        if bench.setup.cores.contains(&core.core) && !bench.measured.interrupted {
            bench.measured.cores.push((core.core, Vec::new()));
            bench.core(core);
            bench.dismiss(core);
        }
    }
    bench.measured
}

struct Bench<'a> {
    setup: Setup<'a>,
    measured: Measured,
    /// Whether the core at hand has a worker.
    up: bool,
}

impl Bench<'_> {
    fn core(&mut self, core: &Core) {
        self.keep_off(core);
        for target in self.setup.targets {
            (self.setup.look)(core, target);
            let Target { kernel, variant } = target;
            match self.speed(core, target) {
                Ok(speed) if speed.right => {
                    let (_, speeds) = self.measured.cores.last_mut().expect("just begun");
                    speeds.push(speed);
                }
                Ok(_) => self.note(format!(
                    "{}: {kernel} {variant} gave a wrong result; to see whose fault it is: oddcore run",
                    core.label
                )),
                Err(Silence::Lost(why)) => self.note(format!("{}: {kernel} {variant}: {why}", core.label)),
                Err(Silence::NoCpu(why)) => return self.note(format!("{}: {why}", core.label)),
                Err(Silence::Stop(why)) => {
                    self.measured.interrupted = true;
                    return self.note(format!("interrupted by {why}"));
                }
            }
        }
    }

    fn speed(&mut self, core: &Core, target: &Target) -> Result<Speed, Silence> {
        self.start(core)?;
        let task = ToWorker::Bench { kernel: target.kernel.to_owned(), variant: target.variant.to_owned() };
        self.setup.host.send(core.core, &task);
        match self.answer(core)? {
            FromWorker::Benched(speed) if speed.kernel == target.kernel && speed.variant == target.variant => Ok(speed),
            other => Err(self.end(core, &told(other))),
        }
    }

    fn start(&mut self, core: &Core) -> Result<(), Silence> {
        if self.up {
            return Ok(());
        }
        self.setup
            .host
            .start(core, None)
            .map_err(|error| Silence::NoCpu(format!("its worker could not be started: {error}")))?;
        self.up = true;
        match self.answer(core)? {
            FromWorker::Hello { protocol: PROTOCOL, .. } => Ok(()),
            FromWorker::Failed { why, cpus_gone: true } => {
                self.end(core, &why);
                Err(Silence::NoCpu(format!("its CPU went away: {why}")))
            }
            other => Err(self.end(core, &told(other))),
        }
    }

    /// The next thing that the worker of `core` says.
    fn answer(&mut self, core: &Core) -> Result<FromWorker, Silence> {
        for _ in 0..PATIENCE_TICKS {
            match self.setup.host.next_event(TICK_NS) {
                Some(Event::Said { core: from, message }) if from == core.core => return Ok(message),
                Some(Event::Garbled { core: from, why }) if from == core.core => {
                    return Err(self.end(core, &format!("its worker can no longer be understood ({why})")));
                }
                Some(Event::Ended { core: from, end, .. }) if from == core.core => {
                    self.up = false;
                    return Err(Silence::Lost(format!("its worker ended: {}", how(end))));
                }
                Some(Event::Interrupt { why }) => return Err(Silence::Stop(why)),
                _ => {}
            }
        }
        Err(self.end(core, "its worker does not answer"))
    }

    /// Ends a worker that is of no more use.
    fn end(&mut self, core: &Core, why: &str) -> Silence {
        self.setup.host.kill(core.core);
        self.wait_for_end(core);
        Silence::Lost(why.to_owned())
    }

    /// Sends the worker home; it is gone before the next core's begins.
    fn dismiss(&mut self, core: &Core) {
        if !self.up {
            return;
        }
        // One that is in the middle of something would finish it first.
        if self.measured.interrupted {
            self.setup.host.kill(core.core);
        } else {
            self.setup.host.send(core.core, &ToWorker::Leave);
        }
        self.wait_for_end(core);
    }

    fn wait_for_end(&mut self, core: &Core) {
        for _ in 0..PATIENCE_TICKS {
            match self.setup.host.next_event(TICK_NS) {
                Some(Event::Ended { core: from, .. }) if from == core.core => break,
                Some(Event::Interrupt { why }) if !self.measured.interrupted => {
                    self.measured.interrupted = true;
                    self.note(format!("interrupted by {why}"));
                    self.setup.host.kill(core.core);
                }
                _ => {}
            }
        }
        self.up = false;
    }

    /// Keeps our own threads off the core that is measured, where there is another.
    fn keep_off(&self, core: &Core) {
        let others = self.setup.machine.cores.iter().filter(|other| other.core != core.core);
        let others: Vec<u32> = others.flat_map(|other| other.testable.iter().copied()).collect();
        self.setup.pinner.keep_on(if others.is_empty() { &core.testable } else { &others });
    }

    fn note(&mut self, text: String) {
        self.measured.notes.push(text);
    }
}

/// An answer that was not asked for, in words.
fn told(message: FromWorker) -> String {
    match message {
        FromWorker::Failed { why, .. } => format!("its worker says: {why}"),
        FromWorker::Misheard { why } => format!("its worker does not understand what it is told: {why}"),
        FromWorker::Strayed { cpu } => format!("CPU {cpu} was taken from its worker (offline, or moved by hand)"),
        _ => "its worker tells of work that it was not given".into(),
    }
}

fn how(end: ProcessEnd) -> String {
    match end {
        ProcessEnd::Exited(code) => format!("exit code {code}"),
        ProcessEnd::Signalled(signal) => signal_name(signal),
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::VecDeque, io, rc::Rc, sync::atomic::AtomicU64};

    use super::*;
    use crate::{
        machine::{Root, read},
        platform::ThreadUsage,
        worker::{
            Injection,
            protocol::{LaneId, Unit},
        },
    };

    const TARGETS: [Target; 2] =
        [Target { kernel: "gemm-f32", variant: "scalar" }, Target { kernel: "gemm-f64", variant: "scalar" }];

    fn speed(target: &Target) -> Speed {
        let (kernel, variant) = (target.kernel.to_owned(), target.variant.to_owned());
        let (unit, per_s, peak_per_s) = (Unit::Operations, 2.0, Some(3.0));
        let (share_per_clock, clock_mhz, products) = (None, None, None);
        Speed { kernel, variant, unit, per_s, peak_per_s, share_per_clock, clock_mhz, products, right: true }
    }

    /// What a core answers when it is asked for the first target for the first time.
    #[derive(Clone)]
    enum First {
        Right,
        Say(FromWorker),
        Happen(fn(u32) -> Event),
        Nothing,
        /// Not even a start.
        NoStart,
    }

    /// Notes what is done in what order.
    #[derive(Clone, Default)]
    struct Log(Rc<RefCell<Vec<String>>>);

    struct Played {
        first: Vec<First>,
        asked: Vec<u32>,
        events: VecDeque<Event>,
        log: Log,
    }

    impl WorkerHost for Played {
        fn start(&mut self, core: &Core, _: Option<&Injection>) -> io::Result<()> {
            if matches!(self.first[core.core as usize], First::NoStart) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            self.log.0.borrow_mut().push(format!("start {}", core.core));
            let lanes = vec![LaneId { cpu: core.testable[0], thread: 1 }];
            let message = FromWorker::Hello { protocol: PROTOCOL, pid: 1, thread: 1, lanes };
            self.events.push_back(Event::Said { core: core.core, message });
            Ok(())
        }

        fn send(&mut self, core: u32, message: &ToWorker) {
            let ToWorker::Bench { kernel, .. } = message else {
                assert_eq!(message, &ToWorker::Leave);
                return self.ended(core, "leaves", ProcessEnd::Exited(0));
            };
            self.asked[core as usize] += 1;
            let target = TARGETS.iter().find(|target| target.kernel == kernel).expect("one of ours");
            let right = FromWorker::Benched(speed(target));
            let event = match &self.first[core as usize] {
                First::Say(message) if self.asked[core as usize] == 1 => Event::Said { core, message: message.clone() },
                First::Happen(event) if self.asked[core as usize] == 1 => event(core),
                First::Nothing if self.asked[core as usize] == 1 => return,
                _ => Event::Said { core, message: right },
            };
            self.events.push_back(event);
        }

        fn kill(&mut self, core: u32) {
            self.ended(core, "is killed", ProcessEnd::Signalled(9));
        }

        fn next_event(&mut self, _: u64) -> Option<Event> {
            self.events.pop_front()
        }

        fn slots(&self, _: u32) -> &[AtomicU64] {
            &[]
        }

        fn usage(&self, _: u32, _: u64) -> Option<ThreadUsage> {
            None
        }
    }

    impl Played {
        fn ended(&mut self, core: u32, how: &str, end: ProcessEnd) {
            self.log.0.borrow_mut().push(format!("{core} {how}"));
            self.events.push_back(Event::Ended { core, end, pid: 1 });
        }
    }

    impl Pinner for Log {
        fn keep_on(&self, cpus: &[u32]) {
            self.0.borrow_mut().push(format!("keep on {cpus:?}"));
        }
    }

    fn bench(first: &[First]) -> (Measured, Vec<String>) {
        let nothing = tempfile::tempdir().expect("a folder");
        let cores: Vec<u32> = (0..first.len() as u32).collect();
        let machine = read(&Root::at(nothing.path()), &cores).expect("a machine");
        let log = Log::default();
        let host =
            Played { first: first.to_vec(), asked: vec![0; first.len()], events: VecDeque::new(), log: log.clone() };
        let measured = run(Setup {
            machine: &machine,
            cores: &cores,
            targets: &TARGETS,
            host: Box::new(host),
            pinner: Box::new(log.clone()),
            look: &mut |_, _| (),
        });
        (measured, log.0.take())
    }

    #[test]
    fn cores_are_measured_one_at_a_time() {
        let (measured, log) = bench(&[First::Right, First::Right]);
        let all: Vec<Speed> = TARGETS.iter().map(speed).collect();
        let cores = vec![(0, all.clone()), (1, all)];
        assert_eq!(measured, Measured { cores, notes: vec![], interrupted: false });
        assert_eq!(log, ["keep on [1]", "start 0", "0 leaves", "keep on [0]", "start 1", "1 leaves"]);
        assert_eq!(bench(&[First::Right]).1, ["keep on [0]", "start 0", "0 leaves"], "nowhere else to go");
    }

    #[test]
    fn a_worker_that_fails_costs_its_measurement_alone() {
        let died = signal_name(11);
        let failures = [
            (First::Happen(|core| Event::Ended { core, end: ProcessEnd::Signalled(11), pid: 1 }), died.as_str()),
            (First::Happen(|core| Event::Garbled { core, why: "played".into() }), "understood (played)"),
            (First::Say(FromWorker::Strayed { cpu: 0 }), "CPU 0 was taken"),
            (First::Say(FromWorker::Benched(speed(&TARGETS[1]))), "that it was not given"),
            (First::Nothing, "does not answer"),
        ];
        for (failure, said) in failures {
            let (measured, _) = bench(&[failure, First::Right]);
            let counts: Vec<usize> = measured.cores.iter().map(|(_, speeds)| speeds.len()).collect();
            assert_eq!((counts, measured.notes.len()), (vec![1, 2], 1), "{said}: {measured:?}");
            assert!(measured.notes[0].contains(said) && measured.notes[0].contains("gemm-f32 scalar"), "{measured:?}");
        }
        let (measured, _) = bench(&[First::NoStart, First::Right]);
        assert_eq!((measured.cores[0].1.len(), measured.cores[1].1.len(), measured.notes.len()), (0, 2, 1));
    }

    #[test]
    fn a_wrong_result_is_told() {
        let wrong = Speed { right: false, ..speed(&TARGETS[0]) };
        let (measured, _) = bench(&[First::Say(FromWorker::Benched(wrong))]);
        assert_eq!(measured.cores[0].1, [speed(&TARGETS[1])], "how fast something wrong is says nothing");
        assert!(measured.notes[0].contains("gemm-f32 scalar gave a wrong result"), "{measured:?}");
    }

    #[test]
    fn an_interrupt_ends_it_and_leaves_no_worker() {
        let (measured, log) =
            bench(&[First::Right, First::Happen(|_| Event::Interrupt { why: "Ctrl-C".into() }), First::Right]);
        assert_eq!((measured.cores.len(), measured.interrupted), (2, true));
        assert_eq!(measured.notes, ["interrupted by Ctrl-C"]);
        assert_eq!(log.last().map(String::as_str), Some("1 is killed"));
    }
}
