//! What a finding is worth: the same work again on the same core, on others, and by the scalar reference.
//!
//! The worker has digested input and reference again when it classed the finding, before anything else could touch them.

use super::{Supervisor, host::ROVER};
use crate::{
    journal::Record,
    plan::{EXTRA_STEPS, INVESTIGATION, Step},
    verdict::{Again, Amendment, Class, Finding, Hex, Repeat, Tally},
    worker::protocol::{Case, Redo, Source, ToWorker, Truth},
};

/// How often the same core does it again.
const AGAIN_SAME: u32 = 10;
/// How often another core does it.
const AGAIN_OTHER: u32 = 2;
/// How many other cores do it.
const WITNESSES: usize = 3;
/// So many findings of a kind are looked into in full. Once others have shown that they are this core's, later ones are only
/// done again on it, so that a core that always fails does not spend its night on investigations.
const IN_FULL: usize = 3;
/// The variant that shares no vector instruction with the others.
const SCALAR: &str = "scalar";

/// What came of doing work again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Digests of input and output, each time.
    Results(Vec<(Hex, Hex)>),
    /// The worker died or hung of its own doing.
    Died {
        /// What happened.
        what: String,
        /// The signal, if one did it.
        signal: Option<i32>,
    },
    /// Nothing that says anything.
    None,
}

impl Answer {
    /// What it comes to, if it says anything.
    fn tally(&self, core: u32, truth: &Truth) -> Option<Tally> {
        match self {
            Self::Died { .. } => Some(Tally { core, times: 1, wrong: 1, wrong_inputs: 0, died: true }),
            Self::Results(results) if !results.is_empty() => {
                let count = |wrong: fn(&(Hex, Hex), &Truth) -> bool| {
                    results.iter().filter(|result| wrong(result, truth)).count() as u32
                };
                let wrong = count(|&result, truth| result != (truth.input, truth.output));
                let wrong_inputs = count(|result, truth| result.0 != truth.input);
                Some(Tally { core, times: results.len() as u32, wrong, wrong_inputs, died: false })
            }
            Self::Results(_) | Self::None => None,
        }
    }

    /// Whether every result is this output.
    fn always(&self, output: Hex) -> bool {
        matches!(self, Self::Results(results) if !results.is_empty() && results.iter().all(|r| r.1 == output))
    }

    fn died_by(&self, as_in: Option<i32>) -> bool {
        matches!(self, Self::Died { signal, .. } if *signal == as_in)
    }
}

impl Supervisor<'_> {
    /// Has `core` do work again and waits for what comes of it.
    pub(super) fn redo(&mut self, core: u32, mut redo: Redo) -> Answer {
        self.next_ticket += 1;
        redo.ticket = self.next_ticket;
        if let Some(member) = self.crew.get_mut(&core) {
            member.answer = None;
        }
        let task = self.runs_again(core, redo.ticket, redo.times).unwrap_or(ToWorker::Redo(redo));
        self.assign(core, task);
        while self.crew.get(&core).is_some_and(|member| member.task.is_some()) && !self.stop {
            self.pump();
        }
        self.crew.get_mut(&core).and_then(|member| member.answer.take()).unwrap_or(Answer::None)
    }

    /// Investigates everything that was found. Nobody works meanwhile but who is asked.
    pub(super) fn investigate_all(&mut self) {
        while !self.drill_is_over()
            && let Some(id) = self.to_investigate.pop_front()
        {
            let Some(finding) = self.outcome.findings.iter().find(|finding| finding.id == id).cloned() else {
                continue;
            };
            if !self.stop {
                self.investigate(&finding);
            }
        }
    }

    fn investigate(&mut self, finding: &Finding) {
        // The kernel's work, done again, would say nothing of what went wrong beside it.
        if finding.is_beside_kernel() {
            return;
        }
        let (Some(core), Some(kernel), Some(variant), Some(seed), Some(source)) =
            (finding.core, &finding.kernel, &finding.variant, finding.seed, finding.source)
        else {
            return;
        };
        let case = Case { source, seed };
        let Some(truth) = self.truth_of(kernel, case) else { return };
        let again =
            |variant: &str, times| Redo { ticket: 0, kernel: kernel.clone(), variant: variant.to_owned(), case, times };
        let in_full = self.looked_into(finding) < IN_FULL;
        let same = self.redo(core, again(variant, self.times_again(AGAIN_SAME, in_full)));
        let mut inquiry = Inquiry { truth, same, others: Vec::new(), scalar: Vec::new() };
        let witnesses = if in_full { self.witnesses(core) } else { Vec::new() };
        let step = self.begin_with_witnesses(core, kernel, &witnesses);
        if in_full {
            for witness in witnesses {
                let answer = self.redo(witness, again(variant, AGAIN_OTHER));
                let ends_it = ends_workers(finding.class) && answer.died_by(finding.signal);
                inquiry.others.push((witness, answer));
                if ends_it {
                    break;
                }
            }
            // A user's picture may be so large that scalar code takes minutes.
            let quick = !matches!(source, Source::Picture(_));
            if quick && !self.runs_a_program() && variant != SCALAR && !ends_workers(finding.class) {
                let elsewhere = inquiry.others.first().map(|&(witness, _)| witness);
                for core in [core].into_iter().chain(elsewhere) {
                    inquiry.scalar.push((core, self.redo(core, again(SCALAR, 1))));
                }
            }
        }
        let amendment = self.weigh(finding, &inquiry, &again(variant, 1));
        self.amend(amendment);
        if let Some(number) = step {
            self.end_with_witnesses(number);
        }
    }

    /// Witnesses that the step in hand leaves idle are put under load: the journal says so first, lest a reset point at the
    /// step's cores alone.
    fn begin_with_witnesses(&mut self, core: u32, kernel: &str, witnesses: &[u32]) -> Option<u32> {
        let step = self.step.as_ref().filter(|step| !witnesses.iter().all(|witness| step.cores.contains(witness)))?;
        let number = EXTRA_STEPS.saturating_add(self.outcome.standing.next_extra);
        let mut cores: Vec<u32> = step.cores.iter().chain([&core]).chain(witnesses).copied().collect();
        cores.sort_unstable();
        cores.dedup();
        let with_witnesses = Step {
            step: number,
            load: INVESTIGATION.to_owned(),
            kernel: Some(kernel.to_owned()),
            cores,
            seconds: 0.0,
            siblings: false,
            company: Vec::new(),
            footprint: None,
            ..step.clone()
        };
        self.book(Record::StepStarted(with_witnesses), true);
        Some(number)
    }

    /// The step in hand goes on.
    fn end_with_witnesses(&mut self, number: u32) {
        if self.stop {
            return;
        }
        self.book(Record::StepEnded { step: number }, false);
        if let Some(step) = self.step.clone() {
            self.book(Record::StepStarted(step), true);
        }
    }

    /// How many findings of this kind were looked into and are still this core's.
    fn looked_into(&self, finding: &Finding) -> usize {
        let kind = |f: &Finding| (f.core, f.kernel.clone(), f.class);
        self.outcome.findings.iter().filter(|f| f.again.is_some() && kind(f) == kind(finding)).count()
    }

    /// What the inquiry changes of the finding, and whom else it accuses.
    fn weigh(&mut self, finding: &Finding, inquiry: &Inquiry, once_more: &Redo) -> Amendment {
        let mut amendment = Amendment {
            suspects: Vec::new(),
            repeat: inquiry.repeat(),
            detail: self.in_words(finding, inquiry),
            again: Some(inquiry.again(finding)),
            ..Amendment::of(finding)
        };
        for (witness, answer) in &inquiry.others {
            let Answer::Died { what, .. } = answer else { continue };
            let alike = ends_workers(finding.class) && answer.died_by(finding.signal);
            if alike && self.redo(*witness, once_more.clone()).died_by(finding.signal) {
                amendment.core = None;
                amendment.detail += ", twice: the program's own defect, no core's";
            } else {
                let text = format!("while doing again the work of finding {}: {what}", finding.id);
                let class = if ends_workers(finding.class) { finding.class } else { Class::Crash };
                self.accuse_witness(*witness, finding, class, text);
            }
        }
        if self.refutes_the_votes(finding, inquiry) {
            // Architecture invariant: what is right of a fresh seed is what cores and the scalar reference agree on.
            amendment.core = None;
            amendment.suspects = finding.core.into_iter().chain(inquiry.scalar.iter().map(|&(core, _)| core)).collect();
            amendment.suspects.sort_unstable();
            amendment.suspects.dedup();
            amendment.detail += "; the scalar reference on both agrees against what the pre-pass agreed on: the program's own \
                                 defect, or any of these";
            return amendment;
        }
        self.weigh_scalar_witness(finding, inquiry, &mut amendment);
        // A program's crash is a result like any other.
        if !ends_workers(finding.class) || self.runs_a_program() {
            self.weigh_wrong_witnesses(finding, inquiry, &mut amendment);
        }
        amendment
    }

    /// Whether the scalar reference, on this core and on another, says the same and not what the cores' votes said before. A golden
    /// came from no core.
    fn refutes_the_votes(&self, finding: &Finding, inquiry: &Inquiry) -> bool {
        let [(_, own), (witness, answer)] = &inquiry.scalar[..] else { return false };
        let wrong = answer.tally(*witness, &inquiry.truth).is_some_and(|tally| tally.wrong > 0);
        finding.source != Some(Source::Golden) && wrong && own == answer
    }

    /// Witnesses that got it wrong too: by a defect that they share with the core, or by one of their own?
    fn weigh_wrong_witnesses(&mut self, finding: &Finding, inquiry: &Inquiry, amendment: &mut Amendment) {
        let wrong = inquiry.others.iter().filter(|(core, answer)| {
            matches!(answer, Answer::Results(_)) && answer.tally(*core, &inquiry.truth).is_some_and(|t| t.wrong > 0)
        });
        let alike = finding.output_digest.filter(|&output| inquiry.same.always(output));
        let (sharing, erring): (Vec<_>, Vec<_>) =
            wrong.partition(|(_, answer)| alike.is_some_and(|output| answer.always(output)));
        for (witness, _) in erring {
            let text = format!("wrong while doing again the work of finding {}", finding.id);
            self.accuse_witness(*witness, finding, Class::Miscompute, text);
        }
        if sharing.is_empty() {
            return;
        }
        amendment.core = None;
        let all = inquiry.others.iter().all(|(core, answer)| {
            sharing.iter().any(|(other, _)| other == core) || answer.tally(*core, &inquiry.truth).is_none()
        });
        if all && self.runs_a_program() {
            amendment.detail += ": every core gives that by now";
            self.program_changed();
            return;
        }
        if all && finding.source == Some(Source::Golden) {
            amendment.detail += ": all agree against the golden, a common defect or the program's own, no core's";
            return;
        }
        amendment.suspects = finding.core.into_iter().chain(sharing.iter().map(|&&(core, _)| core)).collect();
        amendment.detail += if all {
            ": all now contradict what the pre-pass agreed on"
        } else {
            ": some cores make the very same error, a defect that they share or the program's own"
        };
    }

    /// The scalar reference on the witness: an error of its own, unless the core says the very same.
    fn weigh_scalar_witness(&mut self, finding: &Finding, inquiry: &Inquiry, amendment: &mut Amendment) {
        let [(_, own), (witness, answer)] = &inquiry.scalar[..] else { return };
        let tally = answer.tally(*witness, &inquiry.truth);
        if tally.is_none_or(|tally| tally.right()) {
            return;
        }
        if own == answer {
            amendment.detail += "; the scalar reference contradicts the expected result on both";
            return;
        }
        let like = Finding { variant: Some(SCALAR.to_owned()), ..finding.clone() };
        let (class, what) = match answer {
            Answer::Died { what, .. } => (Class::Crash, what.as_str()),
            _ => (Class::Miscompute, "wrong"),
        };
        let text = format!("the scalar reference, while doing again the work of finding {}: {what}", finding.id);
        self.accuse_witness(*witness, &like, class, text);
    }

    /// A witness that had no findings before has one now.
    fn accuse_witness(&mut self, witness: u32, like: &Finding, class: Class, detail: String) {
        if self.outcome.findings_of(witness) > 0 {
            return;
        }
        let mut finding = self.blank_finding(witness, class, self.clock.now_ns());
        finding.kernel = like.kernel.clone();
        finding.variant = like.variant.clone();
        finding.seed = like.seed;
        finding.source = like.source;
        finding.detail = detail;
        self.book_finding(witness, finding);
    }

    /// Other cores under test: those without findings first; after them, to see whether all share a defect, any.
    fn witnesses(&self, core: u32) -> Vec<u32> {
        let can_work = self.crew.iter().filter(|(_, member)| member.can_work()).map(|(&other, _)| other);
        let can_work = can_work.filter(|&other| other != ROVER);
        let mut others: Vec<u32> = can_work.filter(|&other| other != core).collect();
        others.sort_by_key(|&other| self.outcome.findings_of(other) > 0);
        others.truncate(WITNESSES);
        others
    }

    fn in_words(&self, finding: &Finding, inquiry: &Inquiry) -> String {
        let mut parts = Vec::new();
        let born = finding.stage.as_deref() != Some("generate");
        if finding.class == Class::Miscompute && born && finding.iteration.is_some() && !self.runs_a_program() {
            parts.push("input and reference were intact when digested again".to_owned());
        }
        parts.push(format!("again on the same core: {}", in_words(&inquiry.same, &inquiry.truth)));
        let by_words = |answers: &[(u32, Answer)]| {
            let mut said: Vec<(String, Vec<&str>)> = Vec::new();
            for (core, answer) in answers {
                let (text, name) = (in_words(answer, &inquiry.truth), self.crew[core].core.short.as_str());
                match said.iter_mut().find(|(other, _)| *other == text) {
                    Some((_, names)) => names.push(name),
                    None => said.push((text, vec![name])),
                }
            }
            said
        };
        for (text, names) in by_words(&inquiry.scalar) {
            parts.push(format!("the scalar reference on {}: {text}", names.join(" and ")));
        }
        // Last, because what the witnesses say is gone on with when they are weighed.
        for (text, names) in by_words(&inquiry.others) {
            parts.push(format!("on {}: {text}", names.join(" and ")));
        }
        parts.join("; ")
    }
}

/// How a finding's work went when it was done again.
struct Inquiry {
    truth: Truth,
    same: Answer,
    others: Vec<(u32, Answer)>,
    scalar: Vec<(u32, Answer)>,
}

impl Inquiry {
    fn repeat(&self) -> Repeat {
        match self.same.tally(0, &self.truth) {
            Some(tally) if tally.right() => Repeat::Transient,
            Some(_) => Repeat::Repeatable,
            None => Repeat::Unknown,
        }
    }

    fn again(&self, finding: &Finding) -> Again {
        let tally = |core, answer: &Answer| answer.tally(core, &self.truth);
        let tallies = |answers: &[(u32, Answer)]| answers.iter().filter_map(|(core, a)| tally(*core, a)).collect();
        Again {
            same: finding.core.and_then(|core| tally(core, &self.same)),
            others: tallies(&self.others),
            scalar: tallies(&self.scalar),
        }
    }
}

fn ends_workers(class: Class) -> bool {
    matches!(class, Class::Crash | Class::Hang)
}

fn in_words(answer: &Answer, truth: &Truth) -> String {
    match (answer, answer.tally(0, truth)) {
        (Answer::Died { what, .. }, _) => format!("it died: {what}"),
        (_, Some(Tally { times: 1, wrong, .. })) => if wrong == 0 { "right" } else { "wrong" }.into(),
        (_, Some(Tally { times, wrong: 0, .. })) => format!("right {times} of {times} times"),
        (_, Some(Tally { times, wrong, .. })) => format!("wrong {wrong} of {times} times"),
        (_, None) => "no answer".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_inputs_are_counted_apart() {
        let case = Case { source: Source::Golden, seed: Hex(1) };
        let truth = Truth { case, input: Hex(5), output: Hex(7) };
        let results = [(5, 7), (4, 7), (4, 6), (5, 6), (5, 6), (5, 6)].map(|(input, output)| (Hex(input), Hex(output)));
        let tally = Answer::Results(results.to_vec()).tally(3, &truth).expect("it says something");
        assert_eq!(tally, Tally { core: 3, times: 6, wrong: 5, wrong_inputs: 2, died: false });
        assert!(tally.erred() && !tally.right());
        let only_inputs = Answer::Results(results[..3].to_vec()).tally(3, &truth).expect("it says something");
        assert!(!only_inputs.erred() && !only_inputs.right());
        assert_eq!(Answer::Results(Vec::new()).tally(3, &truth), None);
    }
}
