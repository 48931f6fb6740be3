//! What supervisor and worker say to each other, in the frames of [`crate::frame`] over the worker's standard input and
//! output. Either side that hears something it does not understand treats the other as broken.

use serde::{Deserialize, Serialize};

use crate::{
    journal::record::{Evidence, EvidenceKey, Inside, Waits},
    plan::{Ceiling, Footprint, Role, Shares},
    verdict::{Class, Hex, Place, command::RunResult},
    worker::exec::Limits,
};

/// Both sides are the same binary; this tells a worker of another one apart all the same.
pub const PROTOCOL: u32 = 5;

/// Where a kernel's input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A seed whose digests are in the program.
    Golden,
    /// A seed whose digests the pre-pass fixed.
    Fresh,
    /// The user's picture of this number, its digests fixed by the pre-pass.
    Picture(u32),
}

impl Source {
    /// As one word of a lane's slot; 0 is left for "nothing".
    pub fn word(self) -> u64 {
        match self {
            Self::Golden => 1,
            Self::Fresh => 2,
            Self::Picture(number) => 3 + u64::from(number),
        }
    }

    /// The source of that word.
    pub fn from_word(word: u64) -> Option<Self> {
        match word {
            0 => None,
            1 => Some(Self::Golden),
            2 => Some(Self::Fresh),
            more => u32::try_from(more - 3).ok().map(Self::Picture),
        }
    }
}

/// One input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Case {
    /// Where it comes from.
    pub source: Source,
    /// The seed it is made from.
    pub seed: Hex,
}

/// What a case's digests must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// Of which case.
    pub case: Case,
    /// Of its input.
    pub input: Hex,
    /// Of its output.
    pub output: Hex,
}

/// Work on one kernel until a deadline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The step it is part of.
    pub step: u32,
    /// The load's name.
    pub load: String,
    /// What the core does in it.
    #[serde(default)]
    pub role: Role,
    /// The CPUs that work in the step.
    #[serde(default)]
    pub busy: Vec<u32>,
    /// A lane's parts of the caches.
    pub shares: Shares,
    /// How much memory to touch; the usual mix where nothing is said.
    #[serde(default)]
    pub footprint: Option<Footprint>,
    /// The widest work, where it is limited.
    #[serde(default)]
    pub ceiling: Option<Ceiling>,
    /// The kernel.
    pub kernel: String,
    /// How many lanes work: 1, or all of the core.
    pub lanes: usize,
    /// Where the choice of cases begins.
    pub seed: Hex,
    /// When to stop, on the system's monotonic clock.
    pub deadline_ns: u64,
    /// The truths of everything but goldens.
    pub truths: Vec<Truth>,
}

/// From the supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToWorker {
    /// Work.
    Run(Assignment),
    /// Stop working before the deadline.
    Pause,
    /// Show that the goldens hold and say what these cases' digests are.
    PrePass {
        /// The kernel.
        kernel: String,
        /// The step's number.
        step: u32,
        /// Cases to vote on.
        cases: Vec<Case>,
        /// A lane's parts of the caches.
        shares: Shares,
    },
    /// Do this work again, and say what came out.
    Redo(Redo),
    /// Measure how fast this is.
    Bench {
        /// The kernel.
        kernel: String,
        /// The variant.
        variant: String,
    },
    /// Run the program, of a worker that was started for it.
    Command(Runs),
    /// Leave.
    Leave,
}

impl ToWorker {
    /// Whether it is work done again for an answer, not work that counts.
    pub fn is_again(&self) -> bool {
        matches!(self, Self::Redo(_) | Self::Command(Runs { again: true, .. }))
    }
}

/// Runs of a program of the user's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Runs {
    /// Comes back with each run.
    pub ticket: u64,
    /// The step that they are part of.
    pub step: u32,
    /// How many lanes work: 1, or all of the core.
    pub lanes: usize,
    /// How often each lane runs it.
    pub times: Option<u32>,
    /// Otherwise when to begin no more, on the system's monotonic clock.
    pub deadline_ns: u64,
    /// Whether they are done for an answer: the pre-pass, and work done again.
    pub again: bool,
    /// The right result, once it is known: what other ones gave is kept.
    pub expected: Option<Hex>,
    /// What a run may take.
    pub limits: Limits,
}

/// What one run of the program gave, as the lane saw it. What is wrong is for the supervisor to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ran {
    /// See [`Runs::ticket`].
    pub ticket: u64,
    /// The CPU that the lane is pinned to, read back before and after.
    pub cpu: u32,
    /// Every CPU that the program was on, and how long, ns: that one alone, or those that it was moved to as well.
    pub stays: Vec<(u32, u64)>,
    /// The CPUs that the program might run on at its end.
    pub affinity: Vec<u32>,
    /// All that is compared.
    pub result: RunResult,
    /// CPU time of the program, ns.
    pub cpu_ns: u64,
    /// CPU time of the lane's own thread, ns, and the part of it in digests.
    pub own_ns: u64,
    /// See `own_ns`.
    pub check_ns: u64,
    /// How long the program took, ns.
    pub wall_ns: u64,
    /// Length of its standard output.
    pub bytes: u64,
    /// The core's clock right before and right after.
    pub clock_mhz: [Option<f64>; 2],
    /// When it was over, on the system's monotonic clock.
    pub at_ns: u64,
    /// The last line of its standard error.
    pub last_words: String,
}

/// Work to be done again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Redo {
    /// Comes back with the answer.
    pub ticket: u64,
    /// The kernel.
    pub kernel: String,
    /// The variant.
    pub variant: String,
    /// The input.
    pub case: Case,
    /// How often.
    pub times: u32,
}

/// One voter's word on one case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// The case.
    pub case: Case,
    /// Digest of its input.
    pub input: Hex,
    /// Digest of its output.
    pub output: Hex,
    /// The exact check of an integer kernel.
    pub freivalds: Option<bool>,
}

/// A thread of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneId {
    /// The CPU that it is pinned to, read back from the OS.
    pub cpu: u32,
    /// The OS's id of the thread.
    pub thread: u64,
}

/// From a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FromWorker {
    /// Ready: handlers installed, every lane pinned and read back.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
        /// The worker's process.
        pid: u32,
        /// The OS's id of its main thread.
        thread: u64,
        /// Its lanes in the order of the CPUs it was given.
        lanes: Vec<LaneId>,
    },
    /// It cannot work here.
    Failed {
        /// Why.
        why: String,
        /// Its CPUs cannot be had: offline, or outside of the cpuset. Another try would end the same way.
        cpus_gone: bool,
    },
    /// What it was told is no sound frame; it takes no more.
    Misheard {
        /// What is wrong with it.
        why: String,
    },
    /// A lane no longer runs where it was pinned to. What it did since its last word counts for nothing.
    Strayed {
        /// The CPU that it was pinned to.
        cpu: u32,
    },
    /// Work done and checked.
    Progress(Progress),
    /// Something is wrong.
    Finding(Box<Stamp>),
    /// Where in the output a finding is, which takes longer to see than that there is one.
    Placed {
        /// The stamp's number.
        number: u64,
        /// The place; `None` if the scalar reference on this core could not find it.
        place: Option<Place>,
    },
    /// The pre-pass of one kernel is over.
    PrePassDone {
        /// The kernel.
        kernel: String,
        /// Whether every golden held.
        golden: bool,
        /// The votes.
        votes: Vec<Vote>,
    },
    /// The answer to [`ToWorker::Redo`].
    Redone {
        /// The ticket.
        ticket: u64,
        /// Digests of input and output, once for every time.
        results: Vec<(Hex, Hex)>,
    },
    /// The answer to [`ToWorker::Bench`].
    Benched(Speed),
    /// One run of the program is over.
    Ran(Box<Ran>),
    /// Every lane is done with its runs.
    RunsDone {
        /// See [`Runs::ticket`].
        ticket: u64,
    },
    /// Every lane has stopped working on the assignment.
    Idle {
        /// The assignment's step.
        step: u32,
    },
}

/// What throughput is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Operations; a multiply-add counts two.
    #[serde(rename = "op/s")]
    Operations,
    /// Pixels of the pictures made.
    #[serde(rename = "px/s")]
    Pixels,
}

/// How fast a variant is on a core, by CPU time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// The kernel.
    pub kernel: String,
    /// The variant.
    pub variant: String,
    /// Of the next two.
    pub unit: Unit,
    /// Throughput.
    pub per_s: f64,
    /// What the variant's multiply-adds would reach on registers alone; `None` where it has no such loop.
    pub peak_per_s: Option<f64>,
    /// [`Self::per_s`] over [`Self::peak_per_s`] with each divided by the clock right after it; `None` where either was not seen.
    #[serde(default)]
    pub share_per_clock: Option<f64>,
    /// The clock meanwhile.
    pub clock_mhz: Option<f64>,
    /// Lanes of 32 bits in the variant's vectors, and multiply-adds of such vectors alone that this core starts each cycle.
    #[serde(default)]
    pub products: Option<(u64, f64)>,
    /// Whether what it computed was right.
    pub right: bool,
}

/// Work done by one lane since its last such message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The step.
    pub step: u32,
    /// Where, if the lane is one that roams.
    #[serde(default)]
    pub cpu: Option<u32>,
    /// What was done, by what it counts for.
    pub parts: Vec<(EvidenceKey, Evidence)>,
    /// Clock readings: MHz and how often.
    pub clocks: Vec<(u32, u64)>,
    /// Findings beyond those kept whole: kernel, class, how many.
    pub counted: Vec<(String, Class, u64)>,
    /// How the waits went, by load.
    #[serde(default)]
    pub waits: Vec<(String, Waits)>,
    /// How the clock inside blocks compared with the one at their edges, by instruction set.
    #[serde(default)]
    pub inside: Vec<(String, Inside)>,
    /// CPU time spent reading the clock.
    #[serde(default)]
    pub clock_ns: u64,
}

/// A finding as the lane that saw it stamps it. Who it is bound to is decided by the supervisor, which knows which
/// process sent it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stamp {
    /// Tells it from the other findings of this worker.
    pub number: u64,
    /// The step.
    pub step: u32,
    /// The CPU it ran on, and the CPUs that the OS allows the thread, both read back when the finding was made.
    pub cpu: Option<u32>,
    /// See `cpu`.
    pub affinity: Vec<u32>,
    /// What kind of wrong.
    pub class: Class,
    /// The kernel.
    pub kernel: String,
    /// The variant.
    pub variant: String,
    /// The input.
    pub case: Case,
    /// Iterations of this lane before it.
    pub iteration: u64,
    /// The stage.
    pub stage: Option<String>,
    /// The clock right after.
    pub clock_mhz: Option<f64>,
    /// When the check failed, on the system's monotonic clock.
    pub at_ns: u64,
    /// In words.
    pub detail: String,
    /// Digest of the wrong output.
    pub output: Option<Hex>,
    /// The CPU that handed over the input, where that is what is wrong.
    #[serde(default)]
    pub from: Option<u32>,
    /// Of a lane that roams: the CPUs of which one is to blame; one alone where it surely stayed on it.
    #[serde(default)]
    pub roamed: Option<Vec<u32>>,
}
