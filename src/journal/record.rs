//! What the journal holds. Records may be added, never re-used; `docs/JOURNAL_FORMAT.md` is their description.

use serde::{Deserialize, Serialize};

use crate::{
    machine::{Boot, Machine},
    plan::{ChaseState, Morning, Plan, Step},
    platform::Priority,
    verdict::{Amendment, Class, Finding, Hex, LossReason},
};

/// The journal's format; a reader refuses a newer one and knows all older ones.
pub const JOURNAL_VERSION: u32 = 2;

/// One line of the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Record {
    /// Always the first.
    RunStarted(Box<RunStarted>),
    /// Synced before the step's first instruction of work.
    StepStarted(Step),
    /// The step ran to its end.
    StepEnded {
        /// Its number.
        step: u32,
    },
    /// The run is alive; synced. A step begins with one.
    Heartbeat {
        /// When, RFC 3339.
        at: String,
    },
    /// From now on this number stands for what evidence counts for.
    Key {
        /// The number: 0, 1, 2 ... within a run.
        id: u32,
        /// What it stands for.
        key: EvidenceKey,
    },
    /// Work done and checked since the last such record of this core.
    Work {
        /// The core.
        core: u32,
        /// What was done, by the number of what it counts for.
        parts: Vec<(u32, Evidence)>,
        /// Clock readings: MHz and how often.
        clocks: Vec<(u32, u64)>,
        /// CPU time spent on them, nanoseconds.
        #[serde(default)]
        clock_ns: u64,
    },
    /// The same in journals of format 1, which spelled out what it counts for.
    Evidence {
        /// The core.
        core: u32,
        /// What was done, by what it counts for.
        parts: Vec<(EvidenceKey, Evidence)>,
        /// Clock readings: MHz and how often.
        clocks: Vec<(u32, u64)>,
    },
    /// How a core's waits under a load went since the last such record.
    Waits {
        /// The core.
        core: u32,
        /// The load.
        load: String,
        /// How they went.
        waits: Waits,
    },
    /// How a core's clock inside blocks compared with the one at their edges, since the last such record.
    Inside {
        /// The core.
        core: u32,
        /// The instruction set of the blocks.
        isa: String,
        /// How it compared.
        inside: Inside,
    },
    /// What the sensors said of a step; not written where there are none.
    Sensors {
        /// The step.
        step: u32,
        /// Of all thermometers at its end, °C.
        #[serde(default)]
        hottest_c: Option<f64>,
        /// Cores of the step, and how often each throttled itself meanwhile.
        #[serde(default)]
        throttled: Vec<(u32, u64)>,
    },
    /// How many cores but those of the step were active in it, whoever kept them so; not written where nobody tells.
    OthersActive {
        /// The step.
        step: u32,
        /// How many.
        cores: u32,
    },
    /// How far the chase of a core's top has come; written after its steps.
    Chased {
        /// The core.
        core: u32,
        /// Where it stands.
        state: ChaseState,
    },
    /// What the supervisor itself took since the last such record.
    Supervisor {
        /// CPU time of all its threads, nanoseconds.
        cpu_ns: u64,
        /// The time that passed, nanoseconds.
        wall_ns: u64,
    },
    /// Voltage and power in the middle of work; not written where neither can be read.
    Power {
        /// The core voltage.
        #[serde(default)]
        volts: Option<f64>,
        /// By package: watts, on average since the last sample.
        #[serde(default)]
        watts: Vec<(u32, f64)>,
    },
    /// The hardware reported errors that blame no core: corrected ones, and those of the memory or of a device.
    HardwareErrors {
        /// The core that the report names.
        core: Option<u32>,
        /// How many.
        count: u64,
        /// In words.
        text: String,
    },
    /// Something went wrong; synced at once.
    Finding(Box<Finding>),
    /// More of the same, beyond the findings kept whole.
    Counted {
        /// The core.
        core: u32,
        /// The kernel.
        kernel: String,
        /// The class.
        class: Class,
        /// How many more.
        count: u64,
    },
    /// The end of a finding's investigation.
    Amended(Amendment),
    /// A core may be at fault without a finding that says how.
    Suspicion {
        /// The core.
        core: u32,
        /// Why.
        why: String,
    },
    /// A core could not be tested on.
    GivenUp {
        /// The core.
        core: u32,
        /// Why.
        why: String,
    },
    /// The program that was to be run is no test of a core: the run ends, and no core is blamed.
    Unfit {
        /// Why.
        why: String,
    },
    /// Anything else that a reader of the report should know.
    Note {
        /// One sentence.
        text: String,
    },
    /// What the clocks' caps are before a tuning changes them; synced before the first is changed.
    CapsKept {
        /// The boot in which they are changed.
        boot: Option<Boot>,
        /// CPUs and their caps, kHz.
        caps: Vec<(u32, u32)>,
    },
    /// The caps are as they were; written by the tuning, or by the program that found it dead.
    CapsRestored {
        /// When, RFC 3339.
        at: String,
    },
    /// From now on this core works alone, capped at this clock; synced.
    ProbeStarted {
        /// The core.
        core: u32,
        /// The multiplier of the cap.
        multiplier: u32,
        /// The cap, MHz.
        cap_mhz: f64,
        /// How much checked work at that clock is wanted, in seconds.
        seconds: f64,
        /// Whether it confirms what the search found.
        confirms: bool,
    },
    /// It does not any more; synced.
    ProbeEnded {
        /// The core.
        core: u32,
    },
    /// From now on the user's program runs beside the test.
    BesideStarted {
        /// When, RFC 3339.
        at: String,
        /// The line for the shell.
        command: String,
        /// The file that has what it says.
        output: String,
    },
    /// It does not any more.
    BesideEnded {
        /// When, RFC 3339.
        at: String,
        /// Its exit code, where it has one.
        exit: Option<i32>,
        /// The signal that ended it, where one did.
        signal: Option<i32>,
        /// Whether we ended it.
        stopped: bool,
    },
    /// What was seen so far is to be summed up; synced.
    Morning {
        /// When, RFC 3339.
        at: String,
        /// The local day, `2026-11-25`.
        day: String,
        /// Whether it is the run's end that the summary is for.
        #[serde(default)]
        ends: bool,
    },
    /// The run is asked to stop; synced at once.
    Interrupted {
        /// When, RFC 3339.
        at: String,
        /// By what.
        #[serde(default)]
        why: Option<String>,
    },
    /// The run had died without a word; written by the program that found it.
    BrokenOff {
        /// When it was last known to be alive, RFC 3339.
        at: String,
        /// What is to be thought of it.
        reason: LossReason,
        /// In words.
        why: String,
    },
    /// The run goes on.
    Resumed {
        /// When, RFC 3339.
        at: String,
        /// The format of what follows.
        journal: u32,
        /// The version of the program that goes on with it.
        version: String,
        /// The boot in which it goes on.
        boot: Option<Boot>,
    },
    /// The plan ran to its end.
    RunEnded {
        /// When, RFC 3339.
        at: String,
    },
}

/// Cores by index and why they are not tested. A list, because a map's numbers would come back from JSON as text.
pub type NotTested = Vec<(u32, String)>;

/// What was to be done, on what machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunStarted {
    /// [`JOURNAL_VERSION`].
    pub journal: u32,
    /// The program's version.
    pub version: String,
    /// The run's id, which is also its folder's name.
    pub run: String,
    /// The profile's name.
    pub profile: String,
    /// The seed of the whole plan.
    pub seed: Hex,
    /// Whether a fault was injected on purpose.
    pub drill: bool,
    /// RFC 3339.
    pub started: String,
    /// The computer.
    pub machine: Machine,
    /// Indexes of the cores under test.
    pub cores: Vec<u32>,
    /// Why the others are not, by index.
    pub not_tested: NotTested,
    /// The user's pictures, by absolute path.
    #[serde(default)]
    pub images: Vec<String>,
    /// The line for the shell that runs the user's program beside the test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
    /// The workers'.
    #[serde(default)]
    pub priority: Priority,
    /// When of a day it is summed up.
    #[serde(default)]
    pub morning: Morning,
    /// The plan.
    pub plan: Plan,
}

/// What a piece of evidence counts for; never pooled over any of these.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EvidenceKey {
    /// Clock over base clock, rounded, the lowest of a block's readings; `None` where one of those at its edges is missing.
    pub multiplier: Option<u32>,
    /// The load.
    pub load: String,
    /// The kernel.
    pub kernel: String,
    /// The variant.
    pub variant: String,
    /// The instruction set of the variant.
    pub isa: String,
    /// `L1`, `L2`, `L3` or `memory`.
    pub footprint: String,
}

/// How much was done; in the journal a list of the numbers in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(into = "[u64; 6]", from = "AnyEvidence")]
pub struct Evidence {
    /// Iterations, each compared in full.
    pub iterations: u64,
    /// Operations; a multiply-add counts two.
    pub operations: u64,
    /// Mismatches.
    pub findings: u64,
    /// The thread's CPU time as the OS counts it, nanoseconds.
    pub cpu_ns: u64,
    /// CPU time inside kernels, nanoseconds.
    pub kernel_ns: u64,
    /// CPU time inside comparison and digests, nanoseconds.
    pub check_ns: u64,
}

impl Evidence {
    /// Adds another piece that counts for the same.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.iterations, other.iterations),
            (&mut self.operations, other.operations),
            (&mut self.findings, other.findings),
            (&mut self.cpu_ns, other.cpu_ns),
            (&mut self.kernel_ns, other.kernel_ns),
            (&mut self.check_ns, other.check_ns),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

impl From<Evidence> for [u64; 6] {
    fn from(done: Evidence) -> Self {
        [done.iterations, done.operations, done.findings, done.cpu_ns, done.kernel_ns, done.check_ns]
    }
}

/// How the waits between pieces of work went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Waits {
    /// How many.
    pub count: u64,
    /// CPU time in kernels between them, nanoseconds.
    pub work_ns: u64,
    /// What work and waits were to take by the load's schedule, nanoseconds.
    pub planned_ns: u64,
    /// What they took, nanoseconds.
    pub wall_ns: u64,
    /// Of that, how long the thread had work and the OS had no CPU for it, as far as it tells.
    #[serde(default)]
    pub starved_ns: u64,
    /// How late sleeps ended: microseconds, rounded up to a quarter of an octave, and how often.
    pub late_us: Vec<(u32, u64)>,
    /// The latest, microseconds.
    pub latest_us: u32,
    /// The same of bare sleeps in between, with nothing around them.
    #[serde(default)]
    pub bare_us: Vec<(u32, u64)>,
    /// See `latest_us`.
    #[serde(default)]
    pub bare_latest_us: u32,
}

impl Waits {
    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.count, other.count),
            (&mut self.work_ns, other.work_ns),
            (&mut self.planned_ns, other.planned_ns),
            (&mut self.wall_ns, other.wall_ns),
            (&mut self.starved_ns, other.starved_ns),
        ] {
            *sum = sum.saturating_add(more);
        }
        for (sums, more) in [(&mut self.late_us, &other.late_us), (&mut self.bare_us, &other.bare_us)] {
            more.iter().for_each(|&(us, count)| add_late(sums, us, count));
        }
        self.latest_us = self.latest_us.max(other.latest_us);
        self.bare_latest_us = self.bare_latest_us.max(other.bare_latest_us);
    }

    /// A sleep that ended so late.
    pub fn late(&mut self, late_ns: u64) {
        note_late(&mut self.late_us, &mut self.latest_us, late_ns);
    }

    /// A bare sleep that ended so late.
    pub fn late_bare(&mut self, late_ns: u64) {
        note_late(&mut self.bare_us, &mut self.bare_latest_us, late_ns);
    }

    /// The lateness that so many of a hundred sleeps did not exceed, microseconds; `None` without any.
    pub fn percentile(&self, percent: u32) -> Option<u32> {
        percentile(&self.late_us, self.latest_us, percent)
    }

    /// The same of bare sleeps.
    pub fn bare_percentile(&self, percent: u32) -> Option<u32> {
        percentile(&self.bare_us, self.bare_latest_us, percent)
    }
}

fn note_late(sums: &mut Vec<(u32, u64)>, latest_us: &mut u32, late_ns: u64) {
    let us = u32::try_from(late_ns.div_ceil(1000)).unwrap_or(u32::MAX);
    *latest_us = (*latest_us).max(us);
    // The two bits after the first, and up.
    let step = us.max(1).ilog2().saturating_sub(2);
    let rounded = u64::from(us).div_ceil(1 << step) << step;
    add_late(sums, u32::try_from(rounded).unwrap_or(u32::MAX), 1);
}

fn add_late(sums: &mut Vec<(u32, u64)>, us: u32, count: u64) {
    match sums.binary_search_by_key(&us, |&(us, _)| us) {
        Ok(at) => sums[at].1 = sums[at].1.saturating_add(count),
        Err(at) => sums.insert(at, (us, count)),
    }
}

fn percentile(sums: &[(u32, u64)], latest_us: u32, percent: u32) -> Option<u32> {
    let total: u128 = sums.iter().map(|&(_, count)| u128::from(count)).sum();
    let mut seen = 0;
    let mut reached = |count: u64| {
        seen += u128::from(count);
        seen * 100 >= total * u128::from(percent)
    };
    sums.iter().find(|(_, count)| reached(*count)).map(|&(us, _)| us.min(latest_us))
}

/// The clock inside blocks of work, beside the one at their edges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// Blocks that were looked into.
    pub blocks: u64,
    /// Those of them inside which it was clearly lower.
    pub fell: u64,
    /// Sum over those: at the edges, MHz.
    pub edges_mhz: u64,
    /// Sum over those: the lowest inside, MHz.
    pub inside_mhz: u64,
}

impl Inside {
    /// Adds other blocks.
    pub fn add(&mut self, other: Self) {
        for (sum, more) in [
            (&mut self.blocks, other.blocks),
            (&mut self.fell, other.fell),
            (&mut self.edges_mhz, other.edges_mhz),
            (&mut self.inside_mhz, other.inside_mhz),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

/// Evidence as any format writes it.
#[derive(Deserialize)]
#[serde(untagged)]
enum AnyEvidence {
    List([u64; 6]),
    /// Format 1.
    Named {
        iterations: u64,
        operations: u64,
        findings: u64,
        cpu_ns: u64,
        kernel_ns: u64,
        check_ns: u64,
    },
}

impl From<AnyEvidence> for Evidence {
    fn from(any: AnyEvidence) -> Self {
        match any {
            AnyEvidence::List([iterations, operations, findings, cpu_ns, kernel_ns, check_ns])
            | AnyEvidence::Named { iterations, operations, findings, cpu_ns, kernel_ns, check_ns } => {
                Self { iterations, operations, findings, cpu_ns, kernel_ns, check_ns }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_kept_in_few_numbers_none_too_small() {
        let mut waits = Waits::default();
        (1..=1000u64).for_each(|us| waits.late(us * 1000));
        assert!(waits.late_us.len() < 40, "{waits:?}");
        for (percent, exact) in [(50, 500), (99, 990), (100, 1000)] {
            let us = waits.percentile(percent).expect("some");
            assert!((exact..=exact * 5 / 4).contains(&us), "{percent}: {us}");
        }
        let mut twice = waits.clone();
        twice.add(&waits);
        assert_eq!((twice.percentile(99), twice.latest_us), (waits.percentile(99), 1000));
        assert_eq!(Waits::default().percentile(50), None);
        assert_eq!((twice.bare_percentile(50), twice.bare_latest_us), (None, 0), "bare sleeps are counted apart");
        waits.late(u64::MAX);
        assert_eq!(waits.percentile(100), Some(u32::MAX));
    }
}
