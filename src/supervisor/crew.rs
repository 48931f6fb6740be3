//! The crew: one member per core under test. What it is doing, its start, its death, its starting again.

use std::{
    collections::{HashMap, HashSet},
    io::ErrorKind,
    sync::atomic::Ordering::Relaxed,
};

use super::{
    MS, Supervisor, TICK_NS,
    death::{self, Facts},
    host::ROVER,
    investigate::Answer,
    stamps::core_of,
    watchdog::{LaneWatch, Look, Sight},
};
use crate::{
    journal::Record,
    machine::Core,
    platform::{ProcessEnd, crash},
    verdict::Class,
    worker::{
        protocol::{FromWorker, LaneId, PROTOCOL, Ran, ToWorker, Vote},
        slot::{Doing, SLOT_WORDS, Slot},
    },
};

/// Back-off before a worker is started again: doubled each time without progress, from the first to the last.
const BACK_OFF_NS: (u64, u64) = (50 * MS, 2_000 * MS);
/// Deaths in a row without any work done after which a core is given up.
const DEATHS_MAX: u32 = 10;
/// A worker that has not said hello by then is started again.
const HELLO_WITHIN_NS: u64 = 30_000 * MS;
/// A worker this late with what it was told to do, without a fault to be seen, is started again.
const OVERDUE_NS: u64 = 60_000 * MS;

/// Where a worker stands.
enum Life {
    Down { start_at_ns: u64 },
    Starting { since_ns: u64 },
    Up,
}

/// One core's worker, across its deaths.
pub struct Member {
    /// The core.
    pub core: Core,
    life: Life,
    main_thread: u64,
    lanes: Vec<LaneId>,
    watches: Vec<LaneWatch>,
    /// What it has been told to do and not yet said to be done.
    pub task: Option<ToWorker>,
    due_ns: u64,
    /// Its answer to the last [`ToWorker::Redo`].
    pub answer: Option<Answer>,
    /// The program's runs for the answer in hand.
    pub ran: Vec<Ran>,
    /// Its votes of the pre-pass in hand.
    pub votes: Option<Vec<Vote>>,
    /// Kernels whose goldens it got right in the pre-pass.
    pub golden: HashSet<String>,
    /// How often it was started.
    pub starts: u32,
    deaths_in_a_row: u32,
    given_up: bool,
    /// It has been told to leave.
    pub leaving: bool,
    ended_by_us: bool,
    kept: HashMap<(String, Class), u64>,
    /// Findings of this worker whose place may still come: the stamp's number, the finding's id.
    unplaced: HashMap<u64, u64>,
    /// How often it was found away from its CPUs, and how often without any work done in between.
    strays: u32,
    strays_in_a_row: u32,
}

impl Member {
    /// Not started yet.
    pub fn new(core: Core) -> Self {
        Self {
            core,
            life: Life::Down { start_at_ns: 0 },
            main_thread: 0,
            lanes: Vec::new(),
            watches: Vec::new(),
            task: None,
            due_ns: 0,
            answer: None,
            ran: Vec::new(),
            votes: None,
            golden: HashSet::new(),
            starts: 0,
            deaths_in_a_row: 0,
            given_up: false,
            leaving: false,
            ended_by_us: false,
            kept: HashMap::new(),
            unplaced: HashMap::new(),
            strays: 0,
            strays_in_a_row: 0,
        }
    }

    /// Whether there is a process.
    pub fn is_up(&self) -> bool {
        !matches!(self.life, Life::Down { .. })
    }

    /// Takes back a task that waits for the worker's start: it would begin with it, and know of no pause.
    pub fn take_back(&mut self) {
        if !matches!(self.life, Life::Up) {
            self.task = None;
        }
    }

    /// It has done what it was told.
    pub fn worked(&mut self) {
        self.deaths_in_a_row = 0;
        self.strays_in_a_row = 0;
    }

    /// It is given no more work.
    pub fn retire(&mut self) {
        self.given_up = true;
    }

    /// Whether it can be given work at all.
    pub fn can_work(&self) -> bool {
        !self.given_up && !self.leaving
    }

    /// Whether one more finding of this kind is to be kept whole.
    pub fn keep(&mut self, kernel: &str, class: Class) -> bool {
        let kept = self.kept.entry((kernel.to_owned(), class)).or_default();
        *kept += 1;
        *kept <= crate::worker::KEPT_WHOLE
    }

    /// A finding of this kind was kept whole in an earlier session.
    pub fn has_kept(&mut self, kernel: &str, class: Class) {
        *self.kept.entry((kernel.to_owned(), class)).or_default() += 1;
    }

    /// The finding of this stamp may be placed later.
    pub fn place_of(&mut self, stamp: u64, finding: u64) {
        self.unplaced.insert(stamp, finding);
    }

    /// The finding of this stamp, whose place has come.
    pub fn placed(&mut self, stamp: u64) -> Option<u64> {
        self.unplaced.remove(&stamp)
    }

    /// One more stray of a worker that is to be ended for it: how many there were, and how many in a row. `None` if it is
    /// ended already.
    pub fn stray(&mut self) -> Option<(u32, u32)> {
        if self.ended_by_us || self.leaving {
            return None;
        }
        self.ended_by_us = true;
        self.strays += 1;
        self.strays_in_a_row += 1;
        Some((self.strays, self.strays_in_a_row))
    }

    /// How many lanes its task keeps busy.
    fn lanes_at_work(&self) -> usize {
        match &self.task {
            None => 0,
            Some(ToWorker::Run(assignment)) => assignment.lanes.min(self.lanes.len()),
            Some(ToWorker::Command(runs)) => runs.lanes.min(self.lanes.len()),
            Some(_) => 1.min(self.lanes.len()),
        }
    }
}

impl Supervisor<'_> {
    /// Whether any member has a task.
    pub(super) fn someone_is_busy(&self) -> bool {
        self.crew.values().any(|member| member.task.is_some())
    }

    /// Gives `core` a task, at once or as soon as its worker is up. A core that is given up takes none.
    pub(super) fn assign(&mut self, core: u32, task: ToWorker) {
        let now = self.clock.now_ns();
        let Some(member) = self.crew.get_mut(&core).filter(|member| member.can_work()) else { return };
        let until = if let ToWorker::Run(assignment) = &task { assignment.deadline_ns } else { now };
        // How long a program takes is its worker's to watch.
        let runs = matches!(task, ToWorker::Command(_));
        member.due_ns = if runs { u64::MAX } else { until.max(now) + OVERDUE_NS };
        member.watches.iter_mut().for_each(LaneWatch::reset);
        member.task = Some(task);
        match member.life {
            Life::Up => self.host.send(core, self.crew[&core].task.as_ref().expect("just set")),
            Life::Down { .. } => self.start_if_down(core),
            Life::Starting { .. } => {}
        }
    }

    /// Starts the worker of `core` unless it is up or waits for its next start.
    pub(super) fn start_if_down(&mut self, core: u32) {
        let now = self.clock.now_ns();
        let Some(member) = self.crew.get_mut(&core).filter(|member| member.can_work()) else { return };
        if !matches!(member.life, Life::Down { start_at_ns } if start_at_ns <= now) {
            return;
        }
        let words = self.host.slots(core);
        let main = words.len().checked_sub(SLOT_WORDS).map(|at| Slot::of(&words[at..], 0));
        let struck = main.is_some_and(|slot| slot.struck().load(Relaxed) != 0);
        let injection = self.injection_for(core, struck);
        let member = self.crew.get_mut(&core).expect("it was there");
        member.starts += 1;
        member.ended_by_us = false;
        match self.host.start(&member.core, injection.as_ref()) {
            Ok(()) => member.life = Life::Starting { since_ns: now },
            Err(error) if error.kind() == ErrorKind::InvalidInput => self.give_up_cpus(core),
            Err(error) => {
                let text = format!("{}: its worker could not be started: {error}", member.core.label);
                self.lay_down(core, Some(text));
            }
        }
    }

    /// How long until a worker that died is due to be started again.
    pub(super) fn next_start_in(&self, now_ns: u64) -> u64 {
        let due = self.crew.values().filter(|member| member.can_work()).filter_map(|member| match member.life {
            Life::Down { start_at_ns } if member.starts > 0 => Some(start_at_ns.saturating_sub(now_ns)),
            _ => None,
        });
        due.min().unwrap_or(TICK_NS)
    }

    /// Starts those that are due.
    pub(super) fn start_due(&mut self, now_ns: u64) {
        let due: Vec<u32> = self
            .crew
            .iter()
            .filter(|(_, m)| m.starts > 0 && matches!(m.life, Life::Down { start_at_ns } if start_at_ns <= now_ns))
            .map(|(&core, _)| core)
            .collect();
        if !self.stop {
            due.into_iter().for_each(|core| self.start_if_down(core));
        }
    }

    /// Takes in what a worker says.
    pub(super) fn hear(&mut self, core: u32, message: FromWorker) {
        let current = self.step.as_ref().map(|step| step.step);
        let Some(member) = self.crew.get_mut(&core) else { return };
        match message {
            FromWorker::Hello { protocol, thread, lanes, .. } => {
                let cpus: Vec<u32> = lanes.iter().map(|lane| lane.cpu).collect();
                let lanes_of = if core == ROVER { 1 } else { member.core.testable.len() };
                if protocol != PROTOCOL || cpus != member.core.testable[..lanes_of] {
                    self.distrust(core, "it greets as another program would");
                    return;
                }
                member.life = Life::Up;
                member.main_thread = thread;
                member.watches = vec![LaneWatch::default(); lanes.len()];
                member.lanes = lanes;
                self.send_task_again(core);
            }
            FromWorker::Failed { cpus_gone: true, .. } => self.give_up_cpus(core),
            FromWorker::Misheard { why } => {
                self.distrust(core, &format!("it does not understand what it is told: {why}"))
            }
            FromWorker::Strayed { cpu } => self.strayed(core, cpu),
            FromWorker::Placed { number, place } => self.take_place(core, number, place),
            FromWorker::Failed { why, .. } => {
                let text = format!("{}: its worker says: {why}", member.core.label);
                self.note(text);
            }
            FromWorker::Progress(progress) => {
                member.worked();
                let known = |name: &str| oddcore_kernels::find(name).is_some();
                // What a thread did that roams counts for the core that it was on.
                let done_on =
                    if core == ROVER { progress.cpu.and_then(|cpu| core_of(&self.crew, cpu)) } else { Some(core) };
                let known = progress.parts.iter().all(|(key, _)| known(&key.kernel));
                if let Some(core) = done_on.filter(|_| Some(progress.step) == current && known) {
                    self.view.progress(core, &progress);
                    self.ledger.take_in(core, progress);
                } else {
                    self.distrust(core, "it tells of work that it was not given");
                }
            }
            FromWorker::Finding(stamp) => {
                let known = oddcore_kernels::find(&stamp.kernel)
                    .is_some_and(|kernel| kernel.variants().iter().any(|variant| variant.name == stamp.variant));
                if Some(stamp.step) == current && known {
                    self.take_stamp(core, *stamp);
                } else {
                    self.distrust(core, "it tells of work that it was not given");
                }
            }
            FromWorker::PrePassDone { kernel, golden, votes } => {
                let asked = matches!(&member.task, Some(ToWorker::PrePass { kernel: asked, .. }) if *asked == kernel);
                if asked {
                    member.task = None;
                    member.votes = Some(votes);
                    if golden {
                        member.golden.insert(kernel);
                    }
                }
            }
            FromWorker::Redone { ticket, results } => {
                if matches!(&member.task, Some(ToWorker::Redo(redo)) if redo.ticket == ticket) {
                    member.task = None;
                    member.answer = Some(Answer::Results(results));
                }
            }
            FromWorker::Ran(ran) => self.take_run(core, *ran),
            FromWorker::RunsDone { ticket } => self.runs_done(core, ticket),
            FromWorker::Benched(_) => self.distrust(core, "it tells of work that it was not given"),
            FromWorker::Idle { step } => {
                if matches!(&member.task, Some(ToWorker::Run(assignment)) if assignment.step == step) {
                    member.task = None;
                }
            }
        }
    }

    /// A worker that was started again goes on with what it had been told, where that still makes sense.
    fn send_task_again(&mut self, core: u32) {
        let now = self.clock.now_ns();
        let member = self.crew.get_mut(&core).expect("it just spoke");
        if matches!(&member.task, Some(ToWorker::Run(assignment)) if assignment.deadline_ns <= now) {
            member.task = None;
        }
        if matches!(&member.task, Some(ToWorker::Command(runs)) if runs.times.is_none() && runs.deadline_ns <= now) {
            member.task = None;
        }
        if let Some(task) = &member.task {
            self.host.send(core, task);
        }
    }

    /// A frame that is not sound, or says what cannot be: the worker is ended, its core is suspect.
    pub(super) fn distrust(&mut self, core: u32, why: &str) {
        let Some(member) = self.crew.get_mut(&core) else { return };
        if member.ended_by_us || member.leaving {
            return;
        }
        member.ended_by_us = true;
        let why = format!("{}: its worker can no longer be understood ({why})", member.core.label);
        self.host.kill(core);
        self.suspect(core, why);
    }

    /// What the lanes of `core` were doing, the dying one first.
    fn last_words(&self, core: u32) -> (Option<crash::Crash>, Option<Doing>) {
        let words = self.host.slots(core);
        let slots: Vec<Slot<'_>> = (0..words.len() / SLOT_WORDS).map(|n| Slot::of(words, n)).collect();
        for slot in &slots {
            if let Some(crash) = crash::read(slot.crash()) {
                return (Some(crash), slot.doing());
            }
        }
        // Without a record any lane at work may have been it.
        (None, slots.iter().find_map(|slot| slot.doing()))
    }

    /// A worker is gone: whose doing was it?
    pub(super) fn bury(&mut self, core: u32, end: &ProcessEnd, pid: u32) {
        let (crash, doing) = self.last_words(core);
        let Some(member) = self.crew.get_mut(&core) else { return };
        let ready = matches!(member.life, Life::Up);
        if member.ended_by_us || member.leaving || self.stop && !ready {
            self.lay_down(core, None);
            return;
        }
        let facts = Facts { end: *end, crash: crash.as_ref(), pid, ready };
        let verdict = death::judge(&facts);
        let redoing = member.task.as_ref().is_some_and(ToWorker::is_again);
        match verdict {
            death::Doing::Own(what, signal) if redoing => {
                member.answer = Some(Answer::Died { what, signal });
                self.lay_down(core, None);
            }
            death::Doing::Own(what, signal) => {
                let mut finding = self.finding_of_doing(core, Class::Crash, doing.as_ref(), what);
                finding.cpu = crash.and_then(|crash| death::cpu_of(&crash, &self.crew[&core].core.cpus));
                finding.signal = signal;
                if let Some(id) = self.book_finding(core, finding) {
                    self.to_investigate.push_back(id);
                }
                self.lay_down(core, None);
            }
            death::Doing::Unclear(what) => {
                let why = format!("{}: {what}", member.core.label);
                self.suspect(core, why);
                self.lay_down(core, None);
            }
            death::Doing::Foreign(what) => {
                let text = format!("{}: {what}; started again", member.core.label);
                self.lay_down(core, Some(text));
            }
        }
    }

    /// Books the death and sets the time of the next start, or gives the core up.
    fn lay_down(&mut self, core: u32, note: Option<String>) {
        let now = self.clock.now_ns();
        let stop = self.stop;
        let member = self.crew.get_mut(&core).expect("only members die");
        let (first, last) = BACK_OFF_NS;
        let wait = (first << member.deaths_in_a_row.min(16)).min(last);
        member.deaths_in_a_row += 1;
        member.life = Life::Down { start_at_ns: now + wait };
        member.lanes.clear();
        member.unplaced.clear();
        let redoing = member.task.as_ref().is_some_and(ToWorker::is_again);
        if redoing || stop {
            member.task = None;
            member.answer.get_or_insert(Answer::None);
        }
        let give_up = member.deaths_in_a_row >= DEATHS_MAX && !member.given_up;
        if let Some(text) = note {
            self.note(text);
        }
        if give_up {
            self.give_up(core, &format!("its worker died {DEATHS_MAX} times in a row without any work done"));
        }
    }

    /// No more work for this core.
    pub(super) fn give_up(&mut self, core: u32, why: &str) {
        let member = self.crew.get_mut(&core).expect("a member");
        member.given_up = true;
        member.task = None;
        let why = format!("{}: {why}; given up", member.core.label);
        match core {
            ROVER => self.note(why),
            _ => self.book(Record::GivenUp { core, why }, true),
        }
    }

    /// The watchdog's round.
    pub(super) fn watch(&mut self, now_ns: u64) {
        for core in self.crew.keys().copied().collect::<Vec<_>>() {
            let member = &self.crew[&core];
            // Its end may take a while to be heard of, and is one end.
            if member.ended_by_us {
                continue;
            }
            match member.life {
                Life::Starting { since_ns } if now_ns.saturating_sub(since_ns) > HELLO_WITHIN_NS => {
                    self.end(core, format!("its worker did not greet within {} s", HELLO_WITHIN_NS / 1_000 / MS));
                }
                Life::Up if member.task.is_some() => self.watch_lanes(core, now_ns),
                _ => {}
            }
        }
    }

    fn watch_lanes(&mut self, core: u32, now_ns: u64) {
        let member = &self.crew[&core];
        let main = self.host.usage(core, member.main_thread);
        let words = self.host.slots(core);
        let looks: Vec<Look> = (0..member.lanes_at_work())
            .map(|lane| {
                let slot = Slot::of(words, lane);
                let usage = self.host.usage(core, member.lanes[lane].thread);
                Look { now_ns, progress: slot.progress(), usage, main, wake_at_ns: slot.wake_at() }
            })
            .collect();
        let due_ns = member.due_ns;
        for (lane, look) in looks.into_iter().enumerate() {
            let sight = self.crew.get_mut(&core).expect("a member").watches[lane].look(look);
            let what = match sight {
                Sight::Fine => continue,
                Sight::Hung => "CPU time passes without progress: the lane hangs",
                Sight::Stalled => "the lane sleeps although there is work: it stalled",
            };
            self.hang(core, lane, what);
            return;
        }
        if now_ns > due_ns {
            self.end(core, "its worker is a minute late: starved or stopped from outside".into());
        }
    }

    /// A lane that will not go on: its core's finding; the worker is ended.
    fn hang(&mut self, core: u32, lane: usize, what: &str) {
        let doing = Slot::of(self.host.slots(core), lane).doing();
        let member = self.crew.get_mut(&core).expect("a member");
        let cpu = member.lanes[lane].cpu;
        member.ended_by_us = true;
        if member.task.as_ref().is_some_and(ToWorker::is_again) {
            member.answer = Some(Answer::Died { what: what.to_owned(), signal: None });
        } else {
            let mut finding = self.finding_of_doing(core, Class::Hang, doing.as_ref(), what.to_owned());
            finding.cpu = Some(cpu).filter(|_| core != ROVER);
            if let Some(id) = self.book_finding(core, finding) {
                self.to_investigate.push_back(id);
            }
        }
        self.host.kill(core);
    }

    /// Ends a worker that is nobody's fault.
    fn end(&mut self, core: u32, why: String) {
        let member = self.crew.get_mut(&core).expect("a member");
        member.ended_by_us = true;
        let text = format!("{}: {why}; started again", member.core.label);
        self.host.kill(core);
        self.note(text);
    }
}
