//! Programs of the user's (`oddcore exec`): what one run of it gave, how that differs from what is right, and who is right.
//!
//! Architecture invariant: a program that contradicts itself on every core blames no core.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Class, Finding, Hex, Outcome, Repeat};
use crate::{
    plan::Program,
    platform::{KILLED, is_earned, is_from_outside, signal_name},
};

/// What stands for a kernel's name in records of a program's runs.
pub const EXEC: &str = "exec";

/// What a shell adds to the number of the signal that ended its child; on Windows it passes the child's own code on.
const SHELL: i32 = if cfg!(windows) { 0 } else { 128 };
/// Where results differ the program runs again, so often at least on each core: that leaves a chance below [`CHANCE`] that two
/// cores alike are parted where one of them always errs.
const RUNS_MIN: usize = 4;
/// A core that contradicts itself is told from a program that does by chance smaller than this.
const CHANCE: f64 = 0.01;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// Ended by us: far more CPU time, or a far longer sleep, than any run before.
    Hung,
    /// Ended by us: far more output than any run before.
    Flooded,
}

impl End {
    /// In words.
    pub fn in_words(self) -> String {
        match self {
            Self::Exited(code) => match self.earned() {
                Some(signal) => format!("exit {code} ({} of what it ran)", signal_name(signal)),
                None => format!("exit {code}"),
            },
            Self::Signalled(signal) => signal_name(signal),
            Self::Hung => "no end".into(),
            Self::Flooded => "output without end".into(),
        }
    }

    /// The signal of a crash: the program's own, or one that a shell passes on as its exit code.
    fn earned(self) -> Option<i32> {
        self.signal().filter(|&signal| is_earned(signal))
    }

    /// Whether it is no answer, but the end of one that never came.
    fn is_death(self) -> bool {
        self == Self::Hung || self.earned().is_some()
    }

    fn signal(self) -> Option<i32> {
        match self {
            Self::Exited(code) => Some(code - SHELL).filter(|signal| (1..=64).contains(signal)),
            Self::Signalled(signal) => Some(signal),
            Self::Hung | Self::Flooded => None,
        }
    }

    /// Whether somebody or something from outside ended it: a person, or the out-of-memory killer.
    fn is_from_outside(self) -> bool {
        match self {
            Self::Signalled(signal) => is_from_outside(signal),
            // What a shell passes on may as well be a code of the program's own, but for the one of the out-of-memory killer.
            _ => cfg!(unix) && self.signal() == Some(KILLED),
        }
    }

    fn word(self) -> u64 {
        match self {
            Self::Exited(code) => u64::from(code as u32),
            Self::Signalled(signal) => u64::from((SHELL + signal) as u32),
            Self::Hung | Self::Flooded => u64::MAX,
        }
    }
}

/// The SHA-256 of some output: 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sha(pub String);

impl Sha {
    /// Of what a hasher has seen.
    pub fn of(hasher: Sha256) -> Self {
        Self(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The first 64 bits.
    pub fn short(&self) -> Hex {
        Hex(self.0.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0))
    }
}

/// What a run gave: all that is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunResult {
    /// How it ended.
    pub end: End,
    /// Its standard output.
    pub stdout: Sha,
    /// The named files, in their order; `None` for one that is not there.
    pub files: Vec<Option<Sha>>,
}

impl RunResult {
    /// One number for all of it.
    pub fn digest(&self) -> Hex {
        let mut hasher = Sha256::new();
        hasher.update(serde_json::to_vec(self).expect("plain data"));
        Sha::of(hasher).short()
    }

    /// How it is not what the user asks for, if it is not: it is mostly a mistake, and no test.
    pub fn unasked(&self, program: &Program) -> Option<String> {
        let right = End::Exited(program.exit);
        if self.end != right {
            let (end, right) = (self.end.in_words(), right.in_words());
            let allow = match self.end {
                End::Exited(code) => format!("; if that is right: --exit {code}"),
                _ => String::new(),
            };
            return Some(format!("{end} instead of {right}{allow}"));
        }
        let missing = program.files.iter().zip(&self.files).find(|(_, sha)| sha.is_none());
        missing.map(|(name, _)| format!("it does not make {name} in {{dir}}, which --files names"))
    }

    /// Whether it says nothing, since something from outside ended the run, as it does not where all is right.
    pub fn says_nothing(&self, right: Option<&Self>) -> bool {
        self.end.is_from_outside() && right.is_none_or(|right| right.end != self.end)
    }
}

/// How a result differs from the right one, by what a person would look at first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What kind of wrong.
    pub class: Class,
    /// `exit`, `stdout` or the name of the file.
    pub stage: String,
    /// An exit code, or the first 64 bits of a digest.
    pub expected: Hex,
    /// See `expected`.
    pub actual: Hex,
    /// The signal, for a crash.
    pub signal: Option<i32>,
    /// In words.
    pub words: String,
}

/// What is different, if anything is. `files` are the names.
pub fn difference(right: &RunResult, got: &RunResult, files: &[String]) -> Option<Difference> {
    let mut parts: Vec<(String, Hex, Hex, String)> = Vec::new();
    if got.end != right.end {
        let words = format!("{} instead of {}", got.end.in_words(), right.end.in_words());
        parts.push(("exit".into(), Hex(right.end.word()), Hex(got.end.word()), words));
    }
    // What was left of a run that we ended is chance.
    let whole = !matches!(got.end, End::Hung | End::Flooded);
    if whole && got.stdout != right.stdout {
        let words = "standard output differs".into();
        parts.push(("stdout".into(), right.stdout.short(), got.stdout.short(), words));
    }
    for ((name, right), got) in files.iter().zip(&right.files).zip(&got.files).filter(|_| whole) {
        let words = match (right, got) {
            (Some(right), Some(got)) if right != got => format!("{name} differs"),
            (Some(_), None) => format!("{name} is missing"),
            (None, Some(_)) => format!("{name} is there, which it should not be"),
            _ => continue,
        };
        let short = |sha: &Option<Sha>| sha.as_ref().map_or(Hex(0), Sha::short);
        parts.push((name.clone(), short(right), short(got), words));
    }
    let words = parts.iter().map(|part| part.3.as_str()).collect::<Vec<_>>().join("; ");
    let (stage, expected, actual, _) = parts.into_iter().next()?;
    let crash = got.end.earned().filter(|_| got.end != right.end);
    let class = match got.end {
        End::Hung if right.end != End::Hung => Class::Hang,
        _ if crash.is_some() => Class::Crash,
        _ => Class::Miscompute,
    };
    Some(Difference { class, stage, expected, actual, signal: crash, words })
}

/// What follows from the runs on all cores.
#[derive(Clone, Debug, PartialEq)]
pub enum Ruling {
    /// This is right; the other cores erred.
    Agreed {
        /// The right result.
        right: RunResult,
        /// Cores that gave another, always or now and then.
        wrong: Vec<u32>,
    },
    /// It takes more runs to tell.
    AskAgain,
    /// Some waver, so seldom that chance may have put it there; more runs may tell.
    TooSeldom {
        /// They.
        suspects: Vec<u32>,
    },
    /// The program contradicts itself wherever it runs, or too many cores to blame them.
    NotDeterministic,
    /// Nobody can say which of these is right.
    Undecided {
        /// The cores.
        suspects: Vec<u32>,
    },
}

/// Cores by what each of them always gave.
type Camps<'a> = BTreeMap<&'a RunResult, Vec<u32>>;

/// Judges the results of all cores' runs. A core fails if it is outvoted by more than half of at least three cores that agree, if it
/// crashes or hangs where at least as many others agree on an answer, or if it contradicts itself where the others do not, and that is
/// no chance.
pub fn decide(results: &BTreeMap<u32, Vec<RunResult>>) -> Ruling {
    let results: BTreeMap<u32, &Vec<RunResult>> =
        results.iter().filter(|(_, own)| !own.is_empty()).map(|(&core, own)| (core, own)).collect();
    let (mut camps, mut dying) = (Camps::new(), Camps::new());
    let mut wavering: Vec<u32> = Vec::new();
    for (&core, own) in &results {
        match own.iter().all(|result| *result == own[0]) {
            true if own[0].end.is_death() => dying.entry(&own[0]).or_default().push(core),
            true => camps.entry(&own[0]).or_default().push(core),
            false => wavering.push(core),
        }
    }
    if camps.is_empty() {
        // A program may always crash.
        camps = std::mem::take(&mut dying);
    }
    let Some((&right, largest)) = camps.iter().max_by_key(|(_, cores)| cores.len()) else {
        return if results.is_empty() { Ruling::Undecided { suspects: vec![] } } else { Ruling::NotDeterministic };
    };
    let everybody = || results.keys().copied().collect::<Vec<u32>>();
    let agreed = || Ruling::Agreed {
        right: right.clone(),
        wrong: everybody().into_iter().filter(|core| !largest.contains(core)).collect(),
    };
    if largest.len() == results.len() {
        return agreed();
    }
    // A run that hangs takes long, and would again.
    let counts = results.values().filter(|own| own.iter().any(|result| result.end != End::Hung)).map(|own| own.len());
    let runs = counts.min().unwrap_or(0);
    if runs < RUNS_MIN {
        return Ruling::AskAgain;
    }
    if wavering.len() * 2 > results.len() {
        return Ruling::NotDeterministic;
    }
    let majority = results.len() >= 3 && largest.len() * 2 > results.len();
    let dead: usize = dying.values().map(Vec::len).sum();
    if camps.len() > 1 && !majority || dead > largest.len() {
        return Ruling::Undecided { suspects: everybody() };
    }
    if wavering.is_empty() {
        return agreed();
    }
    // Some waver, and the others agree: the cores', or the program's and by chance seen on them alone?
    let runs_of = |cores: &[u32]| cores.iter().map(|core| results[core].len()).sum::<usize>();
    let strays = |core: &u32| results[core].iter().filter(|result| *result != right).count();
    let deviations = wavering.iter().map(strays).sum::<usize>();
    let chance = all_in(deviations, runs_of(&wavering), runs_of(&everybody())) * results.len() as f64;
    if chance < CHANCE {
        return agreed();
    }
    Ruling::TooSeldom { suspects: wavering }
}

/// The chance that all of `deviations` among `all` runs fall into `some` of them.
fn all_in(deviations: usize, some: usize, all: usize) -> f64 {
    (0..deviations).map(|n| some.saturating_sub(n) as f64 / all.saturating_sub(n).max(1) as f64).product()
}

/// Whether a finding is of a program's run that did not go wrong again, as far as is known, and blames a core.
pub fn comes_and_goes(finding: &Finding) -> bool {
    let own = finding.kernel.as_deref() == Some(EXEC) && finding.core.is_some();
    own && finding.repeat != Repeat::Repeatable && finding.class != Class::Hang
}

/// Whether the program rather than the cores wavers: errors that come and go on more than half of the cores, and on two at least.
pub fn wavers_everywhere(outcome: &Outcome) -> bool {
    let tested = outcome.cores.values().filter(|core| core.under_test && core.total().iterations > 0).count();
    let erring: BTreeSet<u32> =
        outcome.findings.iter().filter(|finding| comes_and_goes(finding)).filter_map(|finding| finding.core).collect();
    erring.len() >= 2 && erring.len() * 2 > tested
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gave(n: u8) -> RunResult {
        RunResult { end: End::Exited(0), stdout: Sha(format!("{n:064x}")), files: vec![] }
    }

    fn ruled(results: &[&[u8]]) -> Ruling {
        decide(&(0..).zip(results.iter().map(|own| own.iter().copied().map(gave).collect())).collect())
    }

    fn agreed(right: u8, wrong: &[u32]) -> Ruling {
        Ruling::Agreed { right: gave(right), wrong: wrong.to_vec() }
    }

    #[test]
    fn where_all_agree_that_is_the_truth() {
        assert_eq!(ruled(&[&[7], &[7]]), agreed(7, &[]));
        assert_eq!(ruled(&[&[7, 7]]), agreed(7, &[]));
        assert_eq!(ruled(&[&[7], &[]]), agreed(7, &[]), "a core that gave nothing has no say");
        assert_eq!(ruled(&[&[]]), Ruling::Undecided { suspects: vec![] });
    }

    #[test]
    fn the_minority_of_three_fails() {
        assert_eq!(ruled(&[&[7], &[8], &[7]]), Ruling::AskAgain);
        assert_eq!(ruled(&[&[7; 4], &[8; 4], &[7; 4]]), agreed(7, &[1]));
        assert_eq!(ruled(&[&[7; 4], &[8; 4], &[9; 4]]), Ruling::Undecided { suspects: vec![0, 1, 2] });
        assert_eq!(ruled(&[&[7; 4], &[7; 4], &[8; 4], &[8; 4]]), Ruling::Undecided { suspects: vec![0, 1, 2, 3] });
    }

    #[test]
    fn of_two_the_one_that_contradicts_itself_fails() {
        assert_eq!(ruled(&[&[7], &[8]]), Ruling::AskAgain);
        assert_eq!(ruled(&[&[7; 4], &[8; 4]]), Ruling::Undecided { suspects: vec![0, 1] });
        assert_eq!(
            ruled(&[&[7; 4], &[8, 9, 8, 9]]),
            Ruling::TooSeldom { suspects: vec![1] },
            "2 in 70 is no proof yet"
        );
        assert_eq!(ruled(&[&[7; 6], &[8, 9, 8, 9, 6, 5]]), agreed(7, &[1]));
        assert_eq!(ruled(&[&[7; 10], &[8, 7, 9, 9, 7, 8, 9, 9, 7, 9]]), agreed(7, &[1]), "sometimes right");
        // Seldom wrong: as well the program, and chance put it there.
        let seldom: Vec<u8> = (0..16).map(|n| if n == 3 { 8 } else { 7 }).collect();
        assert_eq!(ruled(&[&[7; 16], &seldom]), Ruling::TooSeldom { suspects: vec![1] });
        // As seldom, and often enough to be no chance.
        let often: Vec<u8> = (0..160).map(|n| if n % 16 == 3 { 8 } else { 7 }).collect();
        assert_eq!(ruled(&[&[7; 160], &often]), agreed(7, &[1]));
    }

    #[test]
    fn a_program_that_contradicts_itself_everywhere_blames_nobody() {
        assert_eq!(ruled(&[&[1, 2], &[3, 4]]), Ruling::NotDeterministic);
        assert_eq!(ruled(&[&[1, 2]]), Ruling::NotDeterministic);
        assert_eq!(ruled(&[&[1, 2, 3, 4], &[3, 4, 5, 6], &[7; 4]]), Ruling::NotDeterministic);
        // Three cores of which one wavers and one differs always: two agree with nobody.
        assert_eq!(ruled(&[&[7; 4], &[8; 4], &[7, 8, 9, 7]]), Ruling::Undecided { suspects: vec![0, 1, 2] });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_crash_is_no_answer_unless_it_is_the_only_one() {
        let dies = || RunResult { end: End::Signalled(11), ..gave(1) };
        let ruled = |cores: &[Option<u8>]| {
            let runs = |own: &Option<u8>| vec![own.map_or_else(dies, gave); RUNS_MIN];
            decide(&(0..).zip(cores.iter().map(runs)).collect())
        };
        assert_eq!(ruled(&[Some(7), None]), agreed(7, &[1]));
        assert_eq!(ruled(&[None, Some(7)]), agreed(7, &[0]));
        assert_eq!(ruled(&[None, None]), Ruling::Agreed { right: dies(), wrong: vec![] });
        assert_eq!(ruled(&[None, None, Some(7)]), Ruling::Undecided { suspects: vec![0, 1, 2] });
        assert_eq!(ruled(&[None, Some(8), Some(7)]), Ruling::Undecided { suspects: vec![0, 1, 2] });
        assert_eq!(ruled(&[None, Some(7), Some(7)]), agreed(7, &[0]));
        let hung = || RunResult { end: End::Hung, ..gave(1) };
        let results = BTreeMap::from([(0, vec![gave(7); RUNS_MIN]), (1, vec![hung()])]);
        assert_eq!(decide(&results), agreed(7, &[1]), "one hang is enough of them");
    }

    #[test]
    fn differences_are_classed_and_told() {
        let files = ["a.png".to_owned()];
        let result = |end, stdout: u8, file: Option<u8>| RunResult {
            end,
            files: vec![file.map(|n| Sha(format!("{n:064x}")))],
            ..gave(stdout)
        };
        let right = result(End::Exited(0), 1, Some(1));
        assert_eq!(difference(&right, &right, &files), None);
        let told = |got: RunResult| {
            let difference = difference(&right, &got, &files).expect("different");
            (difference.class, difference.stage, difference.words)
        };
        let expect = |class, stage: &str, words: &str| (class, stage.to_owned(), words.to_owned());
        assert_eq!(
            told(result(End::Exited(1), 2, None)),
            expect(Class::Miscompute, "exit", "exit 1 instead of exit 0; standard output differs; a.png is missing")
        );
        assert_eq!(told(result(End::Exited(0), 1, Some(2))), expect(Class::Miscompute, "a.png", "a.png differs"));
        assert_eq!(told(result(End::Hung, 2, None)), expect(Class::Hang, "exit", "no end instead of exit 0"));
        #[cfg(target_os = "linux")]
        for (end, words) in [
            (End::Signalled(11), "SIGSEGV instead of exit 0"),
            (End::Exited(139), "exit 139 (SIGSEGV of what it ran) instead of exit 0"),
        ] {
            assert_eq!(told(result(end, 1, Some(1))), expect(Class::Crash, "exit", words));
            let both = result(end, 1, Some(1));
            assert!(difference(&both, &both, &files).is_none() && !both.says_nothing(Some(&right)));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_ended_a_run_from_outside_says_nothing() {
        let ended = |end| RunResult { end, ..gave(1) };
        for end in [End::Signalled(9), End::Signalled(15), End::Exited(137)] {
            assert!(ended(end).says_nothing(Some(&gave(1))) && ended(end).says_nothing(None), "{end:?}");
            assert!(!ended(end).says_nothing(Some(&ended(end))), "it always does");
        }
        for end in [End::Exited(1), End::Exited(129), End::Signalled(6), End::Hung] {
            assert!(!ended(end).says_nothing(Some(&gave(1))), "{end:?}");
        }
    }

    #[test]
    fn the_chance_of_one_core_having_them_all() {
        assert!((all_in(2, 4, 8) - 12.0 / 56.0).abs() < 1e-12);
        assert_eq!(all_in(0, 4, 8), 1.0);
    }
}
