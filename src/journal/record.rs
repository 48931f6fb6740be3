//! What the journal holds. Records may be added, never re-used; `docs/JOURNAL_FORMAT.md` is their description.

use serde::{Deserialize, Serialize};

use crate::{
    machine::Machine,
    plan::Step,
    verdict::{Amendment, Class, Finding, Hex},
};

/// The journal's format; a reader refuses a newer one.
pub const JOURNAL_VERSION: u32 = 1;

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
    /// Work done and checked since the last such record of this core.
    Evidence {
        /// The core.
        core: u32,
        /// What was done, by what it counts for.
        parts: Vec<(EvidenceKey, Evidence)>,
        /// Clock readings: MHz and how often.
        clocks: Vec<(u32, u64)>,
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
    /// Anything else that a reader of the report should know.
    Note {
        /// One sentence.
        text: String,
    },
    /// The run was stopped from outside.
    Interrupted {
        /// When, RFC 3339.
        at: String,
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
    /// The plan.
    pub plan: Vec<Step>,
}

/// What a piece of evidence counts for; never pooled over any of these.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EvidenceKey {
    /// Clock over base clock, rounded, the lower of a block's two readings; `None` where unmeasured.
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

/// How much was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
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
        self.iterations += other.iterations;
        self.operations += other.operations;
        self.findings += other.findings;
        self.cpu_ns += other.cpu_ns;
        self.kernel_ns += other.kernel_ns;
        self.check_ns += other.check_ns;
    }
}
