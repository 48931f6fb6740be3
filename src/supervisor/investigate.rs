//! What a finding is worth: the same work again on the same core, and on another.

use super::Supervisor;
use crate::{
    verdict::{Amendment, Class, Finding, Hex, Repeat},
    worker::protocol::{Case, Redo, Source, ToWorker, Truth},
};

/// How often the same core does it again.
const AGAIN_SAME: u32 = 10;
/// How often another core does it.
const AGAIN_OTHER: u32 = 2;

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
    /// How many results there are, and how many are not `truth`.
    fn wrong(&self, truth: &Truth) -> Option<(usize, usize)> {
        let Self::Results(results) = self else { return None };
        let wrong = results.iter().filter(|&&result| result != (truth.input, truth.output)).count();
        (!results.is_empty()).then_some((results.len(), wrong))
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
        self.assign(core, ToWorker::Redo(redo));
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
        let (Some(core), Some(kernel), Some(variant), Some(seed), Some(source)) =
            (finding.core, &finding.kernel, &finding.variant, finding.seed, finding.source)
        else {
            return;
        };
        let case = Case { source, seed };
        let Some(truth) = self.truth_of(kernel, case) else { return };
        let again = |times| Redo { ticket: 0, kernel: kernel.clone(), variant: variant.clone(), case, times };
        let same = self.redo(core, again(AGAIN_SAME));
        let witness = self.witness(core);
        let other = witness.map(|witness| (witness, self.redo(witness, again(AGAIN_OTHER))));
        let mut amendment = Amendment {
            again: None,
            id: finding.id,
            core: finding.core,
            suspects: Vec::new(),
            repeat: repeat_of(&same, &truth),
            detail: format!("again on the same core: {}", in_words(&same, &truth)),
            place: None,
            shown_after_ms: None,
        };
        if let Some((witness, answer)) = &other {
            let label = &self.crew[witness].core.short;
            amendment.detail += &format!("; on {label}: {}", in_words(answer, &truth));
        }
        let ends_workers = matches!(finding.class, Class::Crash | Class::Hang);
        if let Some((witness, answer)) = other {
            if ends_workers && answer.died_by(finding.signal) && self.redo(witness, again(1)).died_by(finding.signal) {
                amendment.core = None;
                amendment.detail += ", twice: the program's own defect, no core's";
            } else if let Answer::Died { what, .. } = &answer {
                let text = format!("while doing again the work of finding {}: {what}", finding.id);
                self.accuse_witness(witness, finding, if ends_workers { finding.class } else { Class::Crash }, text);
            } else if !ends_workers && answer.wrong(&truth).is_some_and(|(_, wrong)| wrong > 0) {
                self.weigh_witness(witness, finding, &same, &answer, &mut amendment);
            }
        }
        self.amend(amendment);
    }

    /// The witness got it wrong too: a defect that both share, or one of its own?
    fn weigh_witness(
        &mut self,
        witness: u32,
        finding: &Finding,
        same: &Answer,
        other: &Answer,
        amendment: &mut Amendment,
    ) {
        let shared = finding.output_digest.is_some_and(|wrong| same.always(wrong) && other.always(wrong));
        if shared && finding.source == Some(Source::Golden) {
            amendment.core = None;
            amendment.detail += ": all agree against the golden, a common defect or the program's own, no core's";
        } else if shared {
            amendment.core = None;
            amendment.suspects = finding.core.into_iter().chain([witness]).collect();
            amendment.detail += ": both now contradict what the pre-pass agreed on";
        } else {
            let text = format!("wrong while doing again the work of finding {}", finding.id);
            self.accuse_witness(witness, finding, Class::Miscompute, text);
        }
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

    /// Another core under test: one without findings, or, to see whether all share a defect, any.
    fn witness(&self, core: u32) -> Option<u32> {
        let can_work = self.crew.iter().filter(|(_, member)| member.can_work()).map(|(&other, _)| other);
        let others: Vec<u32> = can_work.filter(|&other| other != core).collect();
        others.iter().copied().find(|&other| self.outcome.findings_of(other) == 0).or(others.first().copied())
    }
}

fn repeat_of(answer: &Answer, truth: &Truth) -> Repeat {
    match (answer, answer.wrong(truth)) {
        (Answer::Died { .. }, _) => Repeat::Repeatable,
        (_, Some((_, 0))) => Repeat::Transient,
        (_, Some(_)) => Repeat::Repeatable,
        (_, None) => Repeat::Unknown,
    }
}

fn in_words(answer: &Answer, truth: &Truth) -> String {
    match (answer, answer.wrong(truth)) {
        (Answer::Died { what, .. }, _) => format!("it died: {what}"),
        (_, Some((of, 0))) => format!("right {of} of {of} times"),
        (_, Some((of, wrong))) => format!("wrong {wrong} of {of} times"),
        (_, None) => "no answer".into(),
    }
}
