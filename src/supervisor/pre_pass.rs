//! The pre-pass: on every core the goldens, then votes on fresh inputs, whose digests are fixed before any step uses them.

use std::collections::BTreeMap;

use oddcore_kernels::Kernel;

use super::{Supervisor, investigate::Answer};
use crate::{
    plan::Step,
    verdict::{
        Class, Hex,
        jury::{self, Ballot, Decision},
    },
    worker::protocol::{Case, Redo, Source, ToWorker, Truth, Vote},
};

/// Fresh inputs of a kernel in one run.
const FRESH_CASES: u64 = 64;
/// Seeds with which each of the user's pictures is used: they choose the target's size, or what else the kernel leaves open.
const PICTURE_SEEDS: u64 = 4;

impl Supervisor<'_> {
    /// Goldens and votes, kernel after kernel, on all cores at once.
    pub(super) fn pre_pass(&mut self, step: &Step) {
        if self.runs_a_program() {
            return self.program_pre_pass(step);
        }
        let used = self.run.plan.kernels();
        let kernels =
            oddcore_kernels::all().iter().copied().filter(|kernel| used.iter().any(|name| name == kernel.name()));
        let kernels: Vec<&'static dyn Kernel> = kernels.collect();
        self.note_unused_pictures(&kernels);
        for kernel in kernels {
            let cases = self.cases(kernel, step);
            for &core in &step.cores {
                self.crew.entry(core).and_modify(|member| member.votes = None);
                let (name, shares) = (kernel.name().to_owned(), self.shares(step, core));
                let task = ToWorker::PrePass { kernel: name, step: step.step, cases: cases.clone(), shares };
                self.assign(core, task);
            }
            while self.someone_is_busy() && !self.stop {
                self.pump();
            }
            if self.stop {
                return self.call_in();
            }
            // A core with a finding is no juror, so findings come first.
            self.investigate_all();
            if self.drill_is_over() {
                return;
            }
            self.judge(kernel, &cases);
        }
    }

    /// Says which of the user's pictures are used in part or not at all.
    fn note_unused_pictures(&mut self, kernels: &[&dyn Kernel]) {
        let takers: Vec<_> = kernels.iter().filter(|kernel| kernel.takes_pictures()).collect();
        let mut notes = Vec::new();
        for (path, &(width, height)) in self.run.images.iter().zip(&self.images) {
            if takers.is_empty() {
                notes.push(format!("{path} is not used: no kernel of this run takes pictures"));
            }
            for kernel in takers.iter().filter(|kernel| !takes(***kernel, (width, height))) {
                let (name, least) = (kernel.name(), kernel.picture_side_min());
                notes.push(format!(
                    "{name} does not take {path}: {width}x{height} pixels, and it needs {least}x{least}"
                ));
            }
        }
        for text in notes {
            // Once: cores that are tried one by one come here one by one.
            if !self.outcome.notes.contains(&text) {
                self.note(text);
            }
        }
    }

    fn cases(&self, kernel: &dyn Kernel, step: &Step) -> Vec<Case> {
        let fresh = (0..FRESH_CASES).map(|n| Case { source: Source::Fresh, seed: Hex(scatter(step.seed.0, n)) });
        let pictures = (0..).zip(&self.images).filter(|(_, size)| takes(kernel, **size)).flat_map(|(picture, _)| {
            (0..PICTURE_SEEDS).map(move |seed| Case { source: Source::Picture(picture), seed: Hex(seed) })
        });
        fresh.chain(pictures).collect()
    }

    fn judge(&mut self, kernel: &'static dyn Kernel, cases: &[Case]) {
        let jurors: Vec<u32> = self
            .crew
            .iter()
            .filter(|(core, member)| member.golden.contains(kernel.name()) && self.outcome.findings_of(**core) == 0)
            .map(|(&core, _)| core)
            .collect();
        let votes: BTreeMap<u32, Vec<Vote>> =
            jurors.iter().filter_map(|core| Some((*core, self.crew[core].votes.clone()?))).collect();
        let mut truths = Vec::new();
        for (n, &case) in cases.iter().enumerate() {
            let ballots: BTreeMap<u32, Ballot> = votes
                .iter()
                .filter_map(|(&core, votes)| Some((core, votes.get(n).filter(|vote| vote.case == case)?)))
                .map(|(core, v)| (core, Ballot { input: v.input.0, output: v.output.0, freivalds: v.freivalds }))
                .collect();
            let mut decision = jury::decide(&ballots);
            if decision == Decision::AskScalar {
                decision = self.ask_scalar(kernel, case, &ballots);
            }
            match decision {
                Decision::Agreed { input, output, wrong } => {
                    truths.push(Truth { case, input: Hex(input), output: Hex(output) });
                    for core in wrong {
                        self.voted_down(kernel, case, core, &ballots, input);
                    }
                }
                Decision::Undecided { suspects } => self.undecided(kernel, case, suspects),
                Decision::AskScalar | Decision::Dropped => {}
            }
        }
        let dropped = cases.len() - truths.len();
        if dropped == cases.len() && !jurors.is_empty() {
            let text = format!(
                "{}: no fresh data in this run: one core alone cannot vouch for it, goldens only",
                kernel.name()
            );
            // Once: cores that are tried one by one come here one by one.
            if !self.outcome.notes.contains(&text) {
                self.note(text);
            }
        }
        self.truths.insert(kernel.name().to_owned(), truths);
    }

    /// Two jurors disagree: the scalar reference on both.
    fn ask_scalar(&mut self, kernel: &dyn Kernel, case: Case, ballots: &BTreeMap<u32, Ballot>) -> Decision {
        let mut scalar = BTreeMap::new();
        for &core in ballots.keys() {
            let redo = Redo { ticket: 0, kernel: kernel.name().into(), variant: "scalar".into(), case, times: 1 };
            if let Answer::Results(results) = self.redo(core, redo)
                && let [(input, output)] = results[..]
            {
                scalar.insert(core, (input.0, output.0));
            }
        }
        jury::decide_by_scalar(ballots, &scalar)
    }

    fn voted_down(&mut self, kernel: &dyn Kernel, case: Case, core: u32, ballots: &BTreeMap<u32, Ballot>, input: u64) {
        let ballot = ballots[&core];
        let mut finding = self.blank_finding(core, Class::Miscompute, self.clock.now_ns());
        finding.kernel = Some(kernel.name().to_owned());
        finding.variant = best_variant(kernel);
        finding.seed = Some(case.seed);
        finding.source = Some(case.source);
        finding.stage = (ballot.input != input).then(|| "generate".to_owned());
        finding.output_digest = Some(Hex(ballot.output));
        finding.detail = if ballots.len() == 2 {
            "the other core and the scalar reference on both say otherwise".into()
        } else {
            format!("outvoted on fresh data by the other {} cores", ballots.len() - 1)
        };
        self.book_finding(core, finding);
    }

    fn undecided(&mut self, kernel: &dyn Kernel, case: Case, suspects: Vec<u32>) {
        let first = suspects.first().copied().unwrap_or_default();
        let mut finding = self.blank_finding(first, Class::Miscompute, self.clock.now_ns());
        finding.core = None;
        finding.kernel = Some(kernel.name().to_owned());
        finding.variant = best_variant(kernel);
        finding.seed = Some(case.seed);
        finding.source = Some(case.source);
        finding.detail = if suspects.len() == 1 {
            "the exact check does not hold, and there is no other core to ask".into()
        } else {
            "the cores disagree on fresh data, and neither votes nor the scalar reference single one out".into()
        };
        finding.suspects = suspects;
        self.book_finding(first, finding);
    }
}

/// Whether the kernel takes a picture of this width and height.
fn takes(kernel: &dyn Kernel, (width, height): (usize, usize)) -> bool {
    kernel.takes_pictures() && width.min(height) >= kernel.picture_side_min()
}

/// The variant that votes.
fn best_variant(kernel: &dyn Kernel) -> Option<String> {
    kernel.variants().iter().find(|variant| variant.isa.token().is_some()).map(|variant| variant.name.to_owned())
}

/// The `n`-th of a family of seeds (SplitMix64's finaliser, so that neighbours share nothing).
fn scatter(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
