//! Core or memory? What a core's findings favour, and why. Never more than the evidence: what fits both stays undecided.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Class, Finding, Outcome, Tally, command::EXEC, pass::errors_of, poisson::p_same_rate};
use crate::{
    machine::slip,
    platform::{may_be_broken_memory, signal_name},
    worker::protocol::Source,
};

/// So many wrong results with intact inputs, and none the other way round, are no chance hits of memory: inputs and
/// references lie in memory at least as long as results do, so that each hit would have had an even chance to be there.
const NO_CHANCE_HITS: usize = 5;
/// A chance smaller than this is called a dependence.
pub const SIGNIFICANT: f64 = 0.05;

/// What the evidence favours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The core computes wrongly.
    Core,
    /// Data changed where it lay.
    Memory,
    /// The evidence fits more than one.
    Undecided,
}

/// The question of the cause, and what is known about it.
pub(super) struct Case<'a> {
    pub outcome: &'a Outcome,
    pub core: u32,
    /// All that blame the core; at least one.
    pub findings: &'a [&'a Finding],
}

impl Case<'_> {
    fn of(&self, classes: &[Class]) -> Vec<&Finding> {
        self.findings.iter().copied().filter(|finding| classes.contains(&finding.class)).collect()
    }

    /// The cause, and why.
    pub fn judge(&self) -> (Cause, String) {
        if self.findings.iter().all(|finding| finding.kernel.as_deref() == Some(EXEC)) {
            return self.judge_program();
        }
        let (slips, wrong): (Vec<&Finding>, Vec<&Finding>) =
            self.of(&[Class::Miscompute]).into_iter().partition(|finding| finding.is_beside_kernel());
        let corrupt = self.of(&[Class::CorruptInput, Class::CorruptReference]);
        let ended = self.of(&[Class::Crash, Class::Hang]);
        if !self.of(&[Class::MachineCheck]).is_empty() {
            (Cause::Core, "the hardware's own error record names it".into())
        } else if slips.iter().any(|slip| slip.stage.as_deref() == Some(slip::CLOCK)) {
            (Cause::Core, "operations in registers alone, without any memory, came to a wrong result".into())
        } else if !wrong.is_empty() {
            self.judge_wrong_results(&wrong, &corrupt)
        } else if !slips.is_empty() {
            let why = "a register changed while the core waited: the core, or memory where the OS keeps registers of who sleeps";
            (Cause::Undecided, why.into())
        } else if !self.of(&[Class::Comparison]).is_empty() {
            if corrupt.is_empty() {
                let why = "two looks at the same buffers disagreed: what reads or compares errs, not what is stored";
                (Cause::Core, why.into())
            } else {
                (Cause::Undecided, "comparisons contradicted themselves, and data changed where it lay".into())
            }
        } else if !ended.is_empty() {
            self.judge_ends(&ended, &corrupt)
        } else if !corrupt.is_empty() {
            self.judge_corruption(&corrupt)
        } else {
            (Cause::Undecided, "the machine was lost under this core's load; nothing was seen of how".into())
        }
    }

    /// Wrong results from inputs and references that were intact.
    fn judge_wrong_results(&self, wrong: &[&Finding], corrupt: &[&Finding]) -> (Cause, String) {
        let again = done_again(wrong);
        let repeats = again.iter().any(Tally::erred);
        // Agrees, but clears no memory: scalar code uses neither packed panels nor tiles.
        let scalar_right = wrong.iter().filter_map(|f| f.again.as_ref()).any(|again| {
            again.same.is_some_and(|same| !same.right())
                && again.scalar.iter().any(|tally| tally.core == self.core && tally.right())
        });
        let stuck_cell = may_be_a_stuck_cell(wrong);
        let often = repeats || wrong.len() >= NO_CHANCE_HITS;
        let mut why: Vec<String> = inputs(wrong).into_iter().collect();
        why.extend(self.agreement(wrong, scalar_right));
        why.extend(self.again(&again));
        if often && !stuck_cell && (repeats || corrupt.is_empty()) {
            if !corrupt.is_empty() {
                why.push("data changed where it lay as well, which its stray stores would explain".into());
            }
            return (Cause::Core, why.join("; "));
        }
        let only_inputs = !repeats && again.iter().any(|tally| tally.wrong_inputs > 0);
        why.push(match (corrupt.is_empty(), only_inputs, often) {
            (false, ..) => "data changed where it lay as well: either may be the cause".into(),
            (true, true, _) => "done again, the inputs were wrong already: made so, or changed where they lay".into(),
            (true, false, true) => one_place(wrong).into(),
            (true, false, false) => {
                "seen too seldom to tell a slip of the core from a bit flipped in its buffers".into()
            }
        });
        (Cause::Undecided, why.join("; "))
    }

    fn judge_ends(&self, ended: &[&Finding], corrupt: &[&Finding]) -> (Cause, String) {
        if let Some(signal) = ended.iter().filter_map(|f| f.signal).find(|&signal| may_be_broken_memory(signal)) {
            return (Cause::Undecided, format!("{} is also how the OS tells of broken memory", signal_name(signal)));
        }
        if !corrupt.is_empty() {
            return (Cause::Undecided, "data changed where it lay as well: either may be the cause".into());
        }
        let others = self.others_right(ended);
        if others.is_empty() {
            return (Cause::Undecided, "no other core did the same work: the core, memory or the program".into());
        }
        let mut why = vec![format!("{} did the same work unharmed", listed(&others))];
        why.extend(self.again(&done_again(ended)));
        why.push("a pointer broken in memory would look the same".into());
        (Cause::Core, why.join("; "))
    }

    /// Nothing but data that was right and changed where it lay.
    fn judge_corruption(&self, corrupt: &[&Finding]) -> (Cause, String) {
        let again = done_again(corrupt);
        if again.iter().any(Tally::erred) {
            let times: u64 = again.iter().map(|tally| u64::from(tally.times)).sum();
            let erred: u64 = again.iter().map(|tally| u64::from(tally.wrong.saturating_sub(tally.wrong_inputs))).sum();
            let name = self.name(self.core);
            let why = format!("right inputs made anew gave wrong results {erred} of {times} times on {name}");
            return match self.others_right(corrupt).as_slice() {
                [] => (Cause::Undecided, format!("{why}, and no other core did the same work")),
                others => (Cause::Core, format!("{why}; {} {}", listed(others), agree(others))),
            };
        }
        let lay = "data that had been right changed where it lay";
        if again.is_empty() {
            return (Cause::Undecided, format!("{lay}, and was not made again to tell more"));
        }
        let lay = match again.iter().all(Tally::right) {
            true => format!("{lay}, and was right when made again"),
            false => format!("{lay}, and went on changing when made again, before any result was wrong of itself"),
        };
        let seconds = |core: u32| self.outcome.cores.get(&core).map_or(0.0, |own| own.total().cpu_ns as f64 * 1e-9);
        let elsewhere: Vec<u32> = self.outcome.cores.keys().copied().filter(|&core| core != self.core).collect();
        let theirs = self.outcome.findings.iter().filter(|f| {
            f.core.is_some_and(|core| core != self.core)
                && matches!(f.class, Class::CorruptInput | Class::CorruptReference)
        });
        let (theirs, their_s) = (theirs.count() as u64, elsewhere.iter().map(|&core| seconds(core)).sum::<f64>());
        let p = p_same_rate(corrupt.len() as u64, seconds(self.core), theirs, their_s);
        if p < SIGNIFICANT {
            let why = format!(
                "{lay}; but on this core far more often ({} against {theirs} on the others): bad cells under its \
                 buffers, its caches or stray stores",
                corrupt.len()
            );
            return (Cause::Undecided, why);
        }
        (Cause::Memory, format!("{lay}; a stray store by this core would look the same"))
    }

    /// Runs of a program: nothing is known of its data, but each run has memory of its own, so that bad cells hit all cores alike.
    fn judge_program(&self) -> (Cause, String) {
        let runs = |core: u32| self.outcome.cores.get(&core).map_or(0, |own| own.total().iterations);
        let again = done_again(self.findings);
        let witnessed: Vec<Tally> =
            self.findings.iter().filter_map(|f| f.again.as_ref()).flat_map(|again| again.others.clone()).collect();
        let sum = |tallies: &[Tally], of: fn(&Tally) -> u32| tallies.iter().map(|t| u64::from(of(t))).sum::<u64>();
        let others: Vec<u32> = self.outcome.cores.keys().copied().filter(|&core| core != self.core).collect();
        let (own, theirs) =
            (errors_of(self.outcome, self.core), others.iter().map(|&core| errors_of(self.outcome, core)).sum::<u64>());
        let own_runs = runs(self.core).max(own) + sum(&again, |tally| tally.times);
        let their_runs = others.iter().map(|&core| runs(core)).sum::<u64>() + sum(&witnessed, |tally| tally.times);
        let (own_all, their_all) = (own + sum(&again, |t| t.wrong), theirs + sum(&witnessed, |t| t.wrong));
        let p = p_same_rate(own_all, own_runs as f64, their_all, their_runs as f64);
        let mut why =
            vec![format!("{own_all} of {own_runs} runs went wrong here, {their_all} of {their_runs} elsewhere")];
        why.extend(self.again(&again));
        if p < SIGNIFICANT {
            why.push("each run has memory of its own, so that bad cells would hit all cores alike".into());
            return (Cause::Core, why.join("; "));
        }
        why.push("seen too seldom to tell the core from memory or the program".into());
        (Cause::Undecided, why.join("; "))
    }

    /// `P0, P5 and golden agree`.
    fn agreement(&self, findings: &[&Finding], scalar_right: bool) -> Option<String> {
        let mut agree = self.others_right(findings);
        let golden = findings.iter().any(|f| f.source == Some(Source::Golden));
        agree.extend(golden.then(|| "golden".to_owned()));
        agree.extend(scalar_right.then(|| format!("{}'s own scalar code", self.name(self.core))));
        let verb = if agree.len() == 1 { "disagrees" } else { "agree" };
        (!agree.is_empty()).then(|| format!("{} {verb}", listed(&agree)))
    }

    /// `wrong again 3 of 10 times on P4`.
    fn again(&self, tallies: &[Tally]) -> Option<String> {
        let name = self.name(self.core);
        let sum = |of: fn(&Tally) -> u32| tallies.iter().map(|tally| u64::from(of(tally))).sum::<u64>();
        let (times, wrong) = (sum(|tally| tally.times), sum(|tally| tally.wrong));
        (times > 0).then(|| format!("wrong again {wrong} of {times} times on {name}"))
    }

    /// Other cores that did the same work and never got it wrong.
    fn others_right(&self, findings: &[&Finding]) -> Vec<String> {
        let mut right: BTreeMap<u32, bool> = BTreeMap::new();
        for tally in findings.iter().filter_map(|f| f.again.as_ref()).flat_map(|again| &again.others) {
            *right.entry(tally.core).or_insert(true) &= tally.right();
        }
        right.into_iter().filter(|&(_, right)| right).map(|(core, _)| self.name(core)).collect()
    }

    fn name(&self, core: u32) -> String {
        let cores = self.outcome.run.iter().flat_map(|run| &run.machine.cores);
        cores.into_iter().find(|c| c.core == core).map_or_else(|| format!("core {core}"), |c| c.short.clone())
    }
}

/// What the same core made of the same work.
fn done_again(findings: &[&Finding]) -> Vec<Tally> {
    findings.iter().filter_map(|f| f.again.as_ref()?.same).collect()
}

/// Why wrong results that a stuck cell could give do not blame the core.
fn one_place(wrong: &[&Finding]) -> &'static str {
    let bits: BTreeSet<u64> = wrong.iter().filter_map(|f| f.xor).map(|xor| xor.0).collect();
    match (wrong.iter().any(|f| !f.element.is_empty()), wrong.len(), bits.len()) {
        (false, ..) => "where is not known: a bad memory cell under its buffers fits as well",
        (true, 1, _) => "seen in one place only, which fits a bad memory cell as well as a stuck lane",
        (true, _, 1) => "the same element and bit every time fits a bad memory cell as well as a stuck lane",
        (true, ..) => "the same element every time fits a bad memory cell as well as a stuck lane",
    }
}

/// Whether a stuck cell of memory could give all of these: in one place, and one bit of it. Under a result it gives one
/// wrong bit; under an input or an intermediate result it spoils more than one element.
fn may_be_a_stuck_cell(wrong: &[&Finding]) -> bool {
    let places: BTreeSet<_> = wrong.iter().filter(|f| !f.element.is_empty()).map(|f| (&f.kernel, &f.element)).collect();
    let kernels: BTreeSet<_> = wrong.iter().map(|f| &f.kernel).collect();
    let many_bits_of_one =
        |f: &&Finding| f.wrong_elements == Some(1) && f.xor.is_some_and(|xor| xor.0.count_ones() > 1);
    places.len() <= 1 && kernels.len() <= 1 && !wrong.iter().any(many_bits_of_one)
}

/// What is known of the inputs of wrong results; nothing of those that a witness was seen to get wrong.
fn inputs(wrong: &[&Finding]) -> Option<String> {
    let known = wrong.iter().copied().filter(|f| f.output_digest.is_some());
    let (born, intact): (Vec<&Finding>, Vec<&Finding>) = known.partition(|f| f.stage.as_deref() == Some("generate"));
    match (born.is_empty(), intact.is_empty()) {
        (true, true) => None,
        (true, false) => Some("inputs intact".into()),
        (false, true) => Some("the inputs themselves were made wrong".into()),
        (false, false) => Some("inputs intact or made wrong".into()),
    }
}

/// The verb to go with so many names.
fn agree(names: &[String]) -> &'static str {
    if names.len() == 1 { "agrees" } else { "agree" }
}

/// `a`, `a and b`, `a, b and c`.
fn listed<S: AsRef<str>>(names: &[S]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match names.split_last() {
        None => String::new(),
        Some((only, [])) => (*only).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::{
            Record,
            record::{Evidence, EvidenceKey},
        },
        verdict::{Again, Hex, diagnose, finding::tests::finding},
    };

    /// The cause that is found for core 0 with these findings, after as much checked time on it as on core 1.
    fn judged(findings: &[Finding]) -> (Cause, String) {
        let key = EvidenceKey {
            multiplier: Some(60),
            load: "solo".into(),
            kernel: "gemm-f32".into(),
            variant: "avx2".into(),
            isa: "avx2".into(),
            footprint: "L2".into(),
        };
        let part = (key, Evidence { iterations: 1, cpu_ns: 1_000_000_000, ..Evidence::default() });
        let work = |core| Record::Evidence { core, parts: vec![part.clone()], clocks: vec![] };
        let findings = findings.iter().map(|finding| Record::Finding(Box::new(finding.clone())));
        let records: Vec<Record> = [work(0), work(1)].into_iter().chain(findings).collect();
        let diagnosis = diagnose(&Outcome::of(&records), 0).expect("core 0 has findings");
        (diagnosis.cause, diagnosis.why)
    }

    /// Core 0 was wrong so often of ten, core 1 never, the scalar reference on core 0 so often of one.
    fn looked_into(class: Class, wrong: u32, scalar_wrong: u32) -> Finding {
        let tally = |core, times, wrong| Tally { core, times, wrong, wrong_inputs: 0, died: false };
        let again = Again {
            same: Some(tally(0, 10, wrong)),
            others: vec![tally(1, 2, 0)],
            scalar: vec![tally(0, 1, scalar_wrong), tally(1, 1, 0)],
        };
        Finding { output_digest: Some(Hex(5)), element: vec![1, 2], again: Some(again), ..finding(0, class) }
    }

    use Cause::{Core as C, Memory as M, Undecided as U};

    #[test]
    fn what_slips_in_registers_alone_is_the_core() {
        let slip = |stage: &str| Finding { stage: Some(stage.into()), ..finding(0, Class::Miscompute) };
        let (cause, why) = judged(&[slip(slip::CLOCK)]);
        assert!(cause == Cause::Core && why.contains("registers alone"), "{why}");
        let (cause, why) = judged(&[slip(slip::WAIT)]);
        assert!(cause == Cause::Undecided && why.contains("while the core waited"), "{why}");
    }

    #[test]
    fn wrong_results_are_the_cores_where_memory_cannot_explain_them() {
        let wrong = looked_into(Class::Miscompute, 3, 0);
        let at = |element: u64, finding: &Finding| Finding { element: vec![element, 2], ..finding.clone() };
        let (cause, why) = judged(&[wrong.clone(), at(7, &wrong)]);
        assert_eq!(cause, C, "{why}");
        let agree = "core 1, golden and core 0's own scalar code agree";
        assert_eq!(why, format!("inputs intact; {agree}; wrong again 6 of 20 times on core 0"));
        // Not seen again: few may be chance hits on a buffer, five with all inputs sound are not.
        let once = looked_into(Class::Miscompute, 0, 0);
        let often = |count: u64| (0..count).map(|n| at(n, &once)).collect::<Vec<_>>();
        assert_eq!(judged(&often(1)).0, U);
        assert_eq!(judged(&often(4)).0, U);
        assert_eq!(judged(&often(5)).0, C);
        // Beside corrupted data only what repeats is the core's.
        let corrupt = looked_into(Class::CorruptInput, 0, 0);
        assert_eq!(judged(&[often(5), vec![corrupt.clone()]].concat()).0, U);
        assert_eq!(judged(&[wrong.clone(), at(7, &wrong), corrupt]).0, C);
        // Done again on inputs that were wrong by then: that says nothing of the core.
        let mut inputs_wrong = wrong;
        inputs_wrong.again.as_mut().and_then(|again| again.same.as_mut()).expect("done again").wrong_inputs = 3;
        let (cause, why) = judged(&[inputs_wrong.clone(), at(7, &inputs_wrong)]);
        assert!(cause == U && why.contains("inputs were wrong already"), "{why}");
    }

    #[test]
    fn what_is_always_in_one_place_may_be_a_cell_that_only_vector_code_uses() {
        let one_bit = |wrong, scalar| Finding {
            wrong_elements: Some(1),
            xor: Some(Hex(0x8000)),
            ..looked_into(Class::Miscompute, wrong, scalar)
        };
        // Repeating or not, and whatever scalar code says.
        for cell in [one_bit(10, 0), one_bit(10, 1), one_bit(0, 0)] {
            let (cause, why) = judged(&vec![cell.clone(); 6]);
            assert_eq!(cause, U, "{why}");
            assert!(why.contains("same element and bit every time fits a bad memory cell as well as"), "{why}");
            let elsewhere = Finding { element: vec![7, 7], ..cell.clone() };
            assert_eq!(judged(&[vec![cell; 5], vec![elsewhere]].concat()).0, C);
        }
        let (cause, why) = judged(&[one_bit(10, 0)]);
        assert!(cause == U && why.contains("in one place only"), "{why}");
        assert_eq!(judged(&[Finding { xor: Some(Hex(0x8001)), ..one_bit(10, 0) }]).0, C);
    }

    #[test]
    fn inputs_are_called_intact_only_where_they_were_digested() {
        let made_wrong = Finding { stage: Some("generate".into()), ..looked_into(Class::Miscompute, 3, 0) };
        assert!(judged(&[made_wrong]).1.starts_with("the inputs themselves were made wrong"));
        let of_a_witness = Finding { iteration: None, source: None, ..finding(0, Class::Miscompute) };
        let (cause, why) = judged(&[of_a_witness]);
        assert_eq!((cause, why.contains("intact")), (U, false), "{why}");
    }

    #[test]
    fn data_that_changed_where_it_lay_points_to_memory_unless_only_this_core_sees_it() {
        for class in [Class::CorruptInput, Class::CorruptReference] {
            let corrupt = looked_into(class, 0, 0);
            assert_eq!(judged(std::slice::from_ref(&corrupt)).0, M);
            assert_eq!(judged(&vec![corrupt.clone(); 8]).0, U, "8 against 0 on the other core is no chance");
            let other = Finding { core: Some(1), ..corrupt.clone() };
            assert_eq!(judged(&[vec![corrupt; 4], vec![other; 4]].concat()).0, M);
            // Made anew, and wrong again: the core's only where the input was right.
            let (cause, why) = judged(&[looked_into(class, 10, 0)]);
            assert_eq!((cause, why.ends_with("core 1 agrees")), (C, true), "{why}");
            let mut flipping = looked_into(class, 6, 0);
            flipping.again.as_mut().and_then(|again| again.same.as_mut()).expect("done again").wrong_inputs = 6;
            let (cause, why) = judged(std::slice::from_ref(&flipping));
            assert_eq!((cause, why.contains("went on changing")), (M, true), "{why}");
            assert_eq!(judged(&vec![flipping; 8]).0, U, "8 against 0 on the other core is no chance");
            // A picture that memory changed cannot be done again.
            assert_eq!(judged(&[finding(0, class)]).0, U);
        }
    }

    #[test]
    fn a_crash_is_the_cores_if_another_did_the_same_work() {
        for class in [Class::Crash, Class::Hang] {
            let (cause, why) = judged(&[looked_into(class, 0, 0)]);
            assert_eq!(cause, C);
            assert!(why.contains("core 1 did the same work unharmed") && why.contains("would look the same"), "{why}");
            assert_eq!(judged(&[finding(0, class)]).0, U, "nobody else did it");
            assert_eq!(judged(&[looked_into(class, 0, 0), looked_into(Class::CorruptInput, 0, 0)]).0, U);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_bus_error_may_be_memorys() {
        let bus_error = Finding { signal: Some(libc::SIGBUS), ..looked_into(Class::Crash, 0, 0) };
        assert_eq!(judged(&[bus_error]).0, U);
    }

    #[test]
    fn a_programs_errors_are_the_cores_where_the_others_have_too_few() {
        let wrong = |again| Finding { kernel: Some(EXEC.into()), ..looked_into(Class::Miscompute, again, 0) };
        let (cause, why) = judged(&[wrong(0)]);
        let said =
            "1 of 11 runs went wrong here, 0 of 3 elsewhere; wrong again 0 of 10 times on core 0; seen too seldom";
        assert_eq!((cause, why.starts_with(said)), (U, true), "{why}");
        let (cause, why) = judged(&vec![wrong(6); 8]);
        assert_eq!((cause, why.starts_with("56 of 88 runs went wrong here, 0 of 17 elsewhere; ")), (C, true), "{why}");
    }

    #[test]
    fn a_contradicted_comparison_is_the_cores() {
        assert_eq!(judged(&[finding(0, Class::Comparison)]).0, C);
        assert_eq!(judged(&[finding(0, Class::Comparison), finding(0, Class::CorruptReference)]).0, U);
        assert_eq!(judged(&[finding(0, Class::MachineCheck)]).0, C);
        assert_eq!(judged(&[finding(0, Class::LostToReset)]).0, U);
    }
}
