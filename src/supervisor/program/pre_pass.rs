//! The program's pre-pass: on every core until it is clear what is right, or that nobody can say.

use std::collections::{BTreeMap, BTreeSet};

use super::{CASE, State};
use crate::{
    plan::{Load, Step},
    supervisor::{Supervisor, investigate::Answer},
    verdict::{
        Class, Hex,
        command::{EXEC, Ruling, RunResult, decide, difference},
    },
    worker::protocol::{Ran, Truth},
};

/// About so long the program runs on each core in the pre-pass, in seconds, and at most so often.
const TRY_S: f64 = 2.0;
const TRIES_MAX: u32 = 8;
/// Where cores disagree, so many more runs at a time, and at most so often.
const MORE: u32 = 3;
const ASKS_MAX: usize = 8;
/// Where some waver now and then, so long at least, in seconds, or as long as the whole run is to take: something is wrong, and
/// to know where is worth it.
const WAVER_S: f64 = 300.0;

impl Supervisor<'_> {
    /// The program on every core until it is clear what is right.
    pub(in crate::supervisor) fn program_pre_pass(&mut self, step: &Step) {
        let Some(program) = &self.program else { return };
        let alone = program.asked.loads == [Load::Solo];
        let fit = (TRY_S / program.asked.once_s.max(1e-3)) as u32;
        let mut times = fit.clamp(if step.cores.len() > 1 { 1 } else { 2 }, TRIES_MAX);
        let mut ran: BTreeMap<u32, Vec<Ran>> = BTreeMap::new();
        let mut ruling = Ruling::AskAgain;
        let wavers_until_ns = self.clock.now_ns() + (program.asked.seconds.max(WAVER_S) * 1e9) as u64;
        for asks in 1.. {
            // A program that is run on one core at a time may not bear company.
            for group in step.cores.chunks(if alone { 1 } else { step.cores.len() }) {
                self.try_program(group, times, &mut ran);
                if self.stop {
                    return self.call_in();
                }
            }
            ruling = self.rule(&ran);
            let again = match ruling {
                Ruling::AskAgain => asks < ASKS_MAX,
                Ruling::TooSeldom { .. } => asks < ASKS_MAX || self.clock.now_ns() < wavers_until_ns,
                _ => false,
            };
            if !again {
                break;
            }
            times = MORE;
        }
        match ruling {
            Ruling::Agreed { right, .. } => self.fix(right, ran),
            Ruling::NotDeterministic => self.not_deterministic(&ran),
            Ruling::Undecided { suspects } if suspects.is_empty() => {
                let name = self.program.as_ref().map(State::name).unwrap_or_default();
                self.unfit(format!("no run of {name} says anything: each left its core, or was ended from outside"));
            }
            Ruling::Undecided { suspects } | Ruling::TooSeldom { suspects } => self.undecided_program(suspects, &ran),
            Ruling::AskAgain => self.undecided_program(ran.keys().copied().collect(), &ran),
        }
    }

    fn try_program(&mut self, cores: &[u32], times: u32, ran: &mut BTreeMap<u32, Vec<Ran>>) {
        for &core in cores {
            self.next_ticket += 1;
            let task = self.runs_again(core, self.next_ticket, times).expect("there is a program");
            self.crew.entry(core).and_modify(|member| member.answer = None);
            self.assign(core, task);
        }
        while self.someone_is_busy() && !self.stop {
            self.pump();
        }
        for &core in cores {
            let Some(member) = self.crew.get_mut(&core) else { continue };
            let (answer, own) = (member.answer.take(), std::mem::take(&mut member.ran));
            if let Some(Answer::Died { what, signal }) = answer {
                let mut finding = self.blank_finding(core, Class::Crash, self.clock.now_ns());
                (finding.signal, finding.detail) = (signal, format!("the worker that runs the program: {what}"));
                self.book_program_finding(core, finding);
            }
            ran.entry(core).or_default().extend(own);
        }
    }

    fn rule(&self, ran: &BTreeMap<u32, Vec<Ran>>) -> Ruling {
        // Cores that are tried one by one come here one by one, and are held against those before.
        if let Some(right) = self.program.as_ref().and_then(|program| program.right.clone()) {
            return Ruling::Agreed { right, wrong: Vec::new() };
        }
        let results = |own: &Vec<Ran>| {
            own.iter().map(|ran| ran.result.clone()).filter(|result| !result.says_nothing(None)).collect::<Vec<_>>()
        };
        decide(&ran.iter().map(|(&core, own)| (core, results(own))).collect())
    }

    /// From now on this is right.
    fn fix(&mut self, right: RunResult, ran: BTreeMap<u32, Vec<Ran>>) {
        let Some(program) = &mut self.program else { return };
        let telling = |own: &&Vec<Ran>| own.iter().any(|ran| !ran.result.says_nothing(Some(&right)));
        program.jurors.extend(ran.iter().filter(|(_, own)| telling(own)).map(|(&core, _)| core));
        let all = || ran.values().flatten();
        all().filter(|ran| ran.result == right).for_each(|ran| program.learn(ran));
        let truth = Truth { case: CASE, input: Hex(0), output: right.digest() };
        self.truths.insert(EXEC.to_owned(), vec![truth]);
        if program.right.replace(right.clone()).is_none() {
            if let Some(why) = right.unasked(&program.asked.program) {
                let words = all().find(|ran| ran.result == right).map_or("", |ran| ran.last_words.as_str());
                let said = if words.is_empty() { String::new() } else { format!(" ({words})") };
                let why = format!("{}: {why}{said}", program.name());
                return self.unfit(why);
            }
            let (name, bytes) = (program.name(), program.longest.bytes);
            let files = if_any(" and the named files", !right.files.is_empty());
            self.note(format!(
                "{name}: taken as right: {}, {bytes} bytes of standard output ({}){files}",
                right.end.in_words(),
                right.stdout.short()
            ));
            if bytes == 0 && right.files.is_empty() {
                self.note(format!("{name} prints nothing and no --files are named: only how it ends is compared"));
            }
        }
        for (core, own) in ran {
            own.into_iter().for_each(|ran| self.judge_run(core, ran));
        }
        self.investigate_all();
    }

    fn not_deterministic(&mut self, ran: &BTreeMap<u32, Vec<Ran>>) {
        let Some(program) = &self.program else { return };
        let all: Vec<&RunResult> = ran.values().flatten().map(|ran| &ran.result).collect();
        let different: BTreeSet<&RunResult> = all.iter().copied().collect();
        let words = self.disagreement(ran).map_or_else(String::new, |words| format!(" ({words})"));
        let (name, runs, results) = (program.name(), all.len(), different.len());
        let lone = if_any(", or that core is bad: no other can tell", ran.len() == 1);
        self.unfit(format!(
            "{name} is not deterministic: {results} different results in {runs} runs{words}{lone}; it may print times, numbers \
             of processes, or the path of {{dir}}"
        ));
    }

    /// How one result differs from another.
    fn disagreement(&self, ran: &BTreeMap<u32, Vec<Ran>>) -> Option<String> {
        let mut all = ran.values().flatten().map(|ran| &ran.result);
        let one = all.next()?;
        let other = all.find(|result| *result != one)?;
        let differs = difference(one, other, &self.program.as_ref()?.asked.program.files)?;
        Some(self.words_of(one, other, &differs))
    }

    /// Nobody can say what is right, so there is nothing to test by.
    fn undecided_program(&mut self, suspects: Vec<u32>, ran: &BTreeMap<u32, Vec<Ran>>) {
        let first = suspects.first().copied().unwrap_or_default();
        let mut finding = self.blank_finding(first, Class::Miscompute, self.clock.now_ns());
        finding.core = None;
        finding.detail = if suspects.len() < ran.len() {
            "its results differ now and then, too seldom to tell whether by the core or by the program".into()
        } else {
            "each core gives its own result, and votes single none out: one of them errs, or the program tells where it runs"
                .into()
        };
        finding.detail.extend(self.disagreement(ran).map(|words| format!("; {words}")));
        finding.suspects = suspects;
        self.book_program_finding(first, finding);
        if let Some(program) = &mut self.program {
            program.over = true;
        }
    }
}

fn if_any(text: &str, any: bool) -> &str {
    if any { text } else { "" }
}
