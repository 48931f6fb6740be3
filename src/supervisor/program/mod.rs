//! A program of the user's on every core: what is right is fixed by the pre-pass, each run is held against it, and what differs is
//! investigated as any finding is.
//!
//! Architecture invariant: workers tell what a run gave; whether it is right is decided here, away from the core under test.

mod pre_pass;

use std::collections::{BTreeMap, BTreeSet};

use super::{MS, REST_NS_MIN, Supervisor, investigate::Answer, stamps::core_of};
use crate::{
    journal::{
        Record,
        record::{Evidence, EvidenceKey},
    },
    plan::{CommandRequest, Step},
    verdict::{
        Amendment, Class, Finding, Hex,
        command::{Difference, EXEC, RunResult, Sha, comes_and_goes, difference, wavers_everywhere},
    },
    worker::{
        exec::Limits,
        protocol::{Case, Progress, Ran, Runs, Source, ToWorker},
    },
};

const NS: f64 = 1e9;
/// Work done again takes about so long, in seconds, and is done so often at least.
const AGAIN_S: f64 = 10.0;
const AGAIN_MIN: u32 = 3;
/// A run hangs if it takes so many times the CPU time of the longest before, and so much more; or if it sleeps so long.
const LONGEST: u64 = 20;
const MORE_CPU_NS: u64 = 2_000 * MS;
const ASLEEP_NS: u64 = 60_000 * MS;
/// Output before anything is known of its length, and what may come on top of twice the longest.
const BYTES_MAX: u64 = 1 << 30;
const MORE_BYTES: u64 = 64 << 20;
/// What a program's data and instructions are, which nobody knows.
const UNKNOWN: &str = "unknown";
/// The one input that there is.
const CASE: Case = Case { source: Source::Fresh, seed: Hex(0) };

/// What is known of the program.
pub(super) struct State {
    asked: CommandRequest,
    right: Option<RunResult>,
    /// Cores that had a say in what is right.
    jurors: BTreeSet<u32>,
    /// Runs of each core, and those in the step at hand.
    counts: BTreeMap<u32, u64>,
    in_step: BTreeMap<u32, u32>,
    longest: Limits,
    /// There is no use in going on.
    over: bool,
    told: BTreeSet<String>,
}

impl State {
    /// Nothing but what was asked for.
    pub fn of(asked: &CommandRequest) -> Self {
        let once_ns = (asked.once_s * NS) as u64;
        Self {
            asked: asked.clone(),
            right: None,
            jurors: BTreeSet::new(),
            counts: BTreeMap::new(),
            in_step: BTreeMap::new(),
            longest: Limits { cpu_ns: once_ns, asleep_ns: once_ns, bytes: 0 },
            over: false,
            told: BTreeSet::new(),
        }
    }

    fn name(&self) -> String {
        self.asked.program.name()
    }

    /// What a run may take, by the longest of those before.
    fn limits(&self) -> Limits {
        let Limits { cpu_ns, asleep_ns, bytes } = self.longest;
        Limits {
            cpu_ns: cpu_ns.saturating_mul(LONGEST).saturating_add(MORE_CPU_NS),
            asleep_ns: asleep_ns.saturating_mul(LONGEST).saturating_add(ASLEEP_NS),
            bytes: if self.right.is_some() { bytes.saturating_mul(2).saturating_add(MORE_BYTES) } else { BYTES_MAX },
        }
    }

    fn learn(&mut self, ran: &Ran) {
        let longest = &mut self.longest;
        longest.cpu_ns = longest.cpu_ns.max(ran.cpu_ns);
        longest.asleep_ns = longest.asleep_ns.max(ran.wall_ns);
        longest.bytes = longest.bytes.max(ran.bytes);
    }
}

impl Supervisor<'_> {
    /// Whether this run is about a program of the user's.
    pub(super) fn runs_a_program(&self) -> bool {
        self.program.is_some()
    }

    /// Whether nothing more can be learned from the program.
    pub(super) fn program_is_over(&self) -> bool {
        self.program.as_ref().is_some_and(|program| program.over)
    }

    /// How often work is to be done again that is usually done `times` times; less often where earlier findings were looked into.
    pub(super) fn times_again(&self, times: u32, in_full: bool) -> u32 {
        let Some(program) = &self.program else { return times };
        let fit = (AGAIN_S / program.asked.once_s.max(1e-3)) as u32;
        if in_full { fit.clamp(AGAIN_MIN, times) } else { AGAIN_MIN }
    }

    /// The task of running the program for an answer, if there is one.
    pub(super) fn runs_again(&mut self, core: u32, ticket: u64, times: u32) -> Option<ToWorker> {
        let program = self.program.as_ref()?;
        let runs = Runs {
            ticket,
            step: self.step.as_ref().map_or(0, |step| step.step),
            lanes: 1,
            times: Some(times),
            deadline_ns: 0,
            again: true,
            expected: program.right.as_ref().map(RunResult::digest),
            limits: program.limits(),
        };
        self.crew.entry(core).and_modify(|member| member.ran.clear());
        Some(ToWorker::Command(runs))
    }

    /// Ends the run: the program is no test of a core.
    fn unfit(&mut self, why: String) {
        if !self.program_is_over() {
            self.book(Record::Unfit { why }, true);
        }
        if let Some(program) = &mut self.program {
            program.over = true;
        }
    }

    /// One step of work; broken off for investigations, then gone on with.
    pub(super) fn run_program(&mut self, step: &Step) {
        let until_ns = self.clock.now_ns() + (step.seconds * NS) as u64;
        if let Some(program) = &mut self.program {
            program.in_step.clear();
        }
        let workers = self.workers_of(step);
        // One that goes from core to core does all that is to be done on them.
        let each = if workers == step.cores { 1 } else { step.cores.len() as u32 };
        loop {
            for &core in &workers {
                let left =
                    step.times.map(|times| times.saturating_mul(each).saturating_sub(self.done_in_step(core, step)));
                if left != Some(0) {
                    self.next_ticket += 1;
                    let runs = self.runs(core, step, left, until_ns);
                    self.assign(core, ToWorker::Command(runs));
                }
            }
            if !self.someone_is_busy() {
                // All are done, or given up.
                return;
            }
            while self.someone_is_busy() && self.to_investigate.is_empty() && !self.stop {
                self.pump();
            }
            self.call_in();
            self.investigate_all();
            self.doubt_the_program();
            let rest_ns = until_ns.saturating_sub(self.clock.now_ns());
            if self.stop || self.program_is_over() || step.times.is_none() && rest_ns < REST_NS_MIN {
                return;
            }
        }
    }

    fn runs(&self, core: u32, step: &Step, times: Option<u32>, deadline_ns: u64) -> Runs {
        let program = self.program.as_ref().expect("asked only where there is one");
        Runs {
            ticket: self.next_ticket,
            step: step.step,
            lanes: self.lanes_in(core, step) as usize,
            times,
            deadline_ns,
            again: false,
            expected: program.right.as_ref().map(RunResult::digest),
            limits: program.limits(),
        }
    }

    fn lanes_in(&self, core: u32, step: &Step) -> u32 {
        if step.siblings { self.crew.get(&core).map_or(1, |member| member.core.testable.len() as u32) } else { 1 }
    }

    /// How often each lane of a core has run the program in this step.
    fn done_in_step(&self, core: u32, step: &Step) -> u32 {
        let runs = self.program.as_ref().and_then(|program| program.in_step.get(&core)).copied().unwrap_or(0);
        runs / self.lanes_in(core, step).max(1)
    }

    /// Takes in what a worker tells of a run.
    pub(super) fn take_run(&mut self, core: u32, ran: Ran) {
        let step = self.step.clone();
        let Some(member) = self.crew.get_mut(&core) else { return };
        let task = match &mut member.task {
            Some(ToWorker::Command(runs)) if runs.ticket == ran.ticket => runs,
            _ if self.program.is_none() => return self.distrust(core, "it tells of work that it was not given"),
            // Of a task that was taken back.
            _ => return,
        };
        let (again, own) = (task.again, member.core.testable.clone());
        let known = ran.stays.iter().all(|(cpu, _)| own.contains(cpu));
        if !own.contains(&ran.cpu) || ran.stays.is_empty() || !known {
            return self.distrust(core, "it tells of work that it was not given");
        }
        if ran.affinity.is_empty() || !ran.affinity.iter().all(|cpu| own.contains(cpu)) {
            let label = member.core.label.clone();
            return self.note_once(format!(
                "{label}: the program moved itself to other CPUs, or was moved: what it did there counts for nothing, and \
                 blames no core"
            ));
        }
        if again {
            return member.ran.push(ran);
        }
        if let (Some(step), Some(program)) = (step, &mut self.program) {
            let runs = program.in_step.entry(core).or_default();
            *runs += 1;
            let lanes = self.lanes_in(core, &step).max(1);
            let whole = self.program.as_ref().is_some_and(|program| program.in_step[&core] % lanes == 0);
            // A worker that is started again does the rest.
            if let Some(ToWorker::Command(task)) = self.crew.get_mut(&core).and_then(|member| member.task.as_mut())
                && whole
            {
                task.times = task.times.map(|times| times.saturating_sub(1));
            }
        }
        self.judge_run(core, ran);
    }

    /// A worker is done with what it was told.
    pub(super) fn runs_done(&mut self, core: u32, ticket: u64) {
        let right = self.program.as_ref().and_then(|program| program.right.clone());
        let Some(member) = self.crew.get_mut(&core) else { return };
        let Some(ToWorker::Command(runs)) = &member.task else { return };
        if runs.ticket != ticket {
            return;
        }
        if runs.again {
            let telling = member.ran.iter().filter(|ran| !ran.result.says_nothing(right.as_ref()));
            let results = telling.map(|ran| (Hex(0), ran.result.digest())).collect();
            member.answer = Some(Answer::Results(results));
        }
        member.task = None;
        member.worked();
    }

    /// The cores that a run was on, and how long.
    fn cores_of(&self, ran: &Ran) -> BTreeMap<u32, u64> {
        let mut cores = BTreeMap::new();
        for &(cpu, ns) in &ran.stays {
            if let Some(core) = core_of(&self.crew, cpu) {
                *cores.entry(core).or_default() += ns;
            }
        }
        cores
    }

    /// Books a run, and what is wrong with it. A run that was on several cores is evidence for each where it is right, for as long as it
    /// was there; where it is wrong it may have been any of them.
    fn judge_run(&mut self, worker: u32, ran: Ran) {
        let bclk_mhz = self.run.machine.bclk_mhz;
        let cores = self.cores_of(&ran);
        let alone = cores.keys().next().copied().filter(|_| cores.len() == 1);
        let core = alone.unwrap_or(worker);
        let Some(step) = &self.step else { return };
        let (number, load) = (step.step, step.load_of(core));
        let Some(program) = &mut self.program else { return };
        let Some(right) = program.right.clone() else { return };
        if ran.result.says_nothing(Some(&right)) {
            let how = ran.result.end.in_words();
            let name = program.name();
            return self.note_once(format!(
                "{how} ended {name} from outside (a person, a program or the out-of-memory killer): no core's doing"
            ));
        }
        let count = program.counts.entry(core).or_default();
        *count += 1;
        let (iteration, variant) = (*count - 1, program.name());
        let differs = difference(&right, &ran.result, &program.asked.program.files);
        if differs.is_none() {
            program.learn(&ran);
        }
        let lone = program.jurors.len() < 2;
        // Read where it began, which says nothing of elsewhere.
        let clock_mhz = ran.clock_mhz.map(|mhz| mhz.filter(|_| alone.is_some()));
        let clocks: Vec<(u32, u64)> = clock_mhz.iter().flatten().map(|mhz| (mhz.round() as u32, 1)).collect();
        let clock_mhz = clock_mhz[0].zip(clock_mhz[1]).map(|(before, after)| before.min(after));
        let multiplier = clock_mhz.map(|mhz| (mhz / bclk_mhz).round() as u32);
        let [isa, footprint] = [UNKNOWN; 2].map(str::to_owned);
        let key = EvidenceKey { multiplier, load, kernel: EXEC.to_owned(), variant, isa, footprint };
        let done = Evidence {
            iterations: 1,
            operations: 1,
            // The end of a program is booked as that of a worker is.
            findings: differs.iter().filter(|differs| differs.class == Class::Miscompute).count() as u64,
            cpu_ns: ran.cpu_ns.saturating_add(ran.own_ns),
            kernel_ns: ran.cpu_ns,
            check_ns: ran.check_ns,
        };
        let all_ns = cores.values().sum::<u64>().max(1);
        // No time on a core: it may have been there, and may not.
        for (&core, &ns) in cores.iter().filter(|&(_, &ns)| alone.is_some() || differs.is_none() && ns > 0) {
            let part = |of: u64| (u128::from(of) * u128::from(ns) / u128::from(all_ns)) as u64;
            let whole = [done.cpu_ns, done.kernel_ns, done.check_ns];
            let [cpu_ns, kernel_ns, check_ns] = if alone.is_some() { whole } else { whole.map(part) };
            let parts = vec![(key.clone(), Evidence { cpu_ns, kernel_ns, check_ns, ..done })];
            let clocks = clocks.clone();
            self.ledger.take_in(core, Progress { step: number, parts, clocks, ..Progress::default() });
        }
        let Some(differs) = differs else { return };
        let mut finding = self.blank_finding(core, differs.class, ran.at_ns);
        finding.cpu = Some(ran.cpu).filter(|_| alone.is_some());
        finding.iteration = Some(iteration);
        finding.expected = Some(differs.expected);
        finding.actual = Some(differs.actual);
        finding.signal = differs.signal;
        finding.clock_mhz = clock_mhz;
        finding.multiplier = multiplier;
        finding.output_digest = Some(ran.result.digest());
        finding.detail = self.words_of(&right, &ran.result, &differs);
        finding.stage = Some(differs.stage);
        if ran.result.end != right.end && !ran.last_words.is_empty() {
            finding.detail += &format!("; it said: {}", ran.last_words);
        }
        if alone.is_none() {
            finding.core = None;
            finding.suspects = cores.into_keys().collect();
            finding.detail += "; it was moved from core to core as it ran: it may have been any of these";
        } else if lone {
            finding.core = None;
            finding.suspects = vec![core];
            finding.detail += "; there is no other core to say whether this one or the program errs";
        }
        if let Some(id) = self.book_program_finding(core, finding) {
            self.note_delay(id, ran.at_ns);
        }
    }

    /// The finding as one of the program's, if there is one.
    pub(super) fn about_the_program(&self, mut finding: Finding) -> Finding {
        if let Some(program) = &self.program {
            finding.kernel = Some(EXEC.to_owned());
            finding.variant = Some(program.name());
            finding.source = Some(CASE.source);
            finding.seed = Some(CASE.seed);
        }
        finding
    }

    /// Books a finding of the program, and has it looked into.
    fn book_program_finding(&mut self, core: u32, finding: Finding) -> Option<u64> {
        let finding = self.about_the_program(finding);
        let id = self.book_finding(core, finding)?;
        self.to_investigate.push_back(id);
        Some(id)
    }

    /// What differs, and from where on.
    fn words_of(&self, right: &RunResult, got: &RunResult, differs: &Difference) -> String {
        let mut words = differs.words.clone();
        let mut place = |what: &str, right: &Sha, got: &Sha| {
            let what = format!("{what} differs");
            if let Some(place) = self.host.first_difference(right, got).filter(|_| right != got) {
                words = words.replacen(&what, &format!("{what} at {place}"), 1);
            }
        };
        place("standard output", &right.stdout, &got.stdout);
        let files = self.program.iter().flat_map(|program| &program.asked.program.files);
        for ((name, right), got) in files.zip(&right.files).zip(&got.files) {
            if let (Some(right), Some(got)) = (right, got) {
                place(name, right, got);
            }
        }
        words
    }

    fn note_once(&mut self, text: String) {
        let Some(program) = &mut self.program else { return };
        if program.told.insert(text.clone()) {
            self.note(text);
        }
    }

    /// The same other result everywhere: what the program works with has changed.
    pub(super) fn program_changed(&mut self) {
        let name = self.program.as_ref().map(State::name).unwrap_or_default();
        self.unfit(format!(
            "what {name} gives has changed on every core since it began: its surroundings did (a full disk, another file), or it \
             depends on the time"
        ));
    }

    /// Errors that come and go on most cores are the program's.
    fn doubt_the_program(&mut self) {
        if self.program_is_over() || !wavers_everywhere(&self.outcome) {
            return;
        }
        let findings: Vec<Finding> =
            self.outcome.findings.iter().filter(|finding| comes_and_goes(finding)).cloned().collect();
        for finding in &findings {
            let detail = "most cores err now and then: the program does, or all of them".into();
            self.amend(Amendment { core: None, suspects: Vec::new(), detail, ..Amendment::of(finding) });
        }
        let name = self.program.as_ref().map(State::name).unwrap_or_default();
        self.unfit(format!(
            "{name} gave another result now and then on most cores, and was right when run again: it is not deterministic, or \
             every core errs (oddcore run tells)"
        ));
    }
}
