//! The report: what the journal says, for people and for programs. Reads the folded journal and nothing else.

mod advice;
mod build;
pub mod colour;
pub mod compare;
mod diagnosis;
pub mod doctor;
pub mod fleet;
pub mod given;
pub mod html;
mod inside;
pub mod junit;
pub mod kept;
pub mod machine;
pub mod markdown;
mod meaning;
pub mod morning;
pub mod prometheus;
mod replay;
pub mod screen;
mod tested;
#[cfg(test)]
mod tests;
pub mod text;
pub mod timeline;
pub mod tune;
mod waits;

use serde::{Deserialize, Serialize};

pub use inside::InsideReport;
pub use waits::{Lateness, WaitsReport};

use crate::{
    machine::Machine,
    plan::Program,
    verdict::{BesideOutcome, CoreVerdict, Diagnosis, Finding, Hex, Interruption, OpenStep, Pass},
};

/// The schema's name; fields may be added, never re-used (`docs/report.schema.json`).
pub const SCHEMA: &str = "oddcore-report/1";

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// Of the program that made the run.
    pub version: String,
    /// The run's id.
    pub run: String,
    /// The profile's name.
    pub profile: String,
    /// The plan's seed.
    pub seed: Hex,
    /// Whether a fault was injected on purpose.
    pub drill: bool,
    /// RFC 3339.
    pub started: String,
    /// RFC 3339; null for a run that never ended.
    pub ended: Option<String>,
    /// `pass`, `fail` or `inconclusive`.
    pub verdict: String,
    /// What a run with this outcome exits with.
    pub exit_code: u8,
    /// The computer.
    pub machine: Machine,
    /// By index.
    pub cores: Vec<CoreReport>,
    /// In the order of their making.
    pub findings: Vec<Finding>,
    /// The hottest that was read at the end of a step, by load.
    #[serde(default)]
    pub hottest: Vec<Hottest>,
    /// How many cores but those of a step were active in it, whoever kept them so, by load.
    #[serde(default)]
    pub others_active: Vec<OthersActive>,
    /// CPU time that the supervisor took, with all its threads; null where the journal does not say.
    #[serde(default)]
    pub supervisor_cpu_s: Option<f64>,
    /// The same as a share of one CPU.
    #[serde(default)]
    pub supervisor_share: Option<f64>,
    /// Voltage and power as they were sampled.
    #[serde(default)]
    pub sensors: Vec<SensorReport>,
    /// The user's program beside the test, in the last session; null without one.
    #[serde(default)]
    pub beside: Option<BesideOutcome>,
    /// Breaks in the run.
    pub interruptions: Vec<Interruption>,
    /// What was running, if the run never ended.
    pub open_step: Option<OpenStep>,
    /// What to do next.
    pub advice: Vec<String>,
    /// What else was seen.
    pub notes: Vec<String>,
    /// Errors that the hardware reported and that blame no core.
    #[serde(default)]
    pub hardware_errors: u64,
    /// The program whose runs these are; null where our own kernels ran.
    #[serde(default)]
    pub program: Option<Program>,
    /// Why the program that was run is no test of a core; null where it is one, or none was run.
    #[serde(default)]
    pub unfit: Option<String>,
}

/// One core.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CoreReport {
    /// Dense index by lowest CPU number.
    pub core: u32,
    /// The OS's number.
    pub os_id: Option<u32>,
    /// What people call it.
    pub label: String,
    /// Its CPUs.
    pub cpus: Vec<u32>,
    /// `performance`, `efficiency` or `unknown`.
    pub kind: crate::machine::Kind,
    /// The verdict.
    pub verdict: CoreVerdict,
    /// Why, where it is not plain.
    pub reason: Option<String>,
    /// Clock readings between blocks of work.
    pub clock_mhz: Option<Spread>,
    /// The same over the base clock, with the core's top.
    pub multiplier: Multiplier,
    /// All that was checked.
    pub checked: Checked,
    /// What a pass rests on, never pooled over multipliers.
    pub evidence: Vec<EvidenceReport>,
    /// The same by multiplier and load alone, and what it means; highest multiplier first.
    #[serde(default)]
    pub passes: Vec<Pass>,
    /// By kernel and variant.
    pub kernels: Vec<KernelReport>,
    /// How often it throttled itself; null where that is not counted.
    #[serde(default)]
    pub throttled: Option<u64>,
    /// Errors that the hardware corrected, by its own report: warnings.
    #[serde(default)]
    pub corrected_errors: u64,
    /// What its findings have in common; null without any.
    #[serde(default)]
    pub diagnosis: Option<Diagnosis>,
    /// How waits went, by load.
    #[serde(default)]
    pub waits: Vec<WaitsReport>,
    /// Its clock inside blocks, beside the one at their edges, by instruction set.
    #[serde(default)]
    pub inside: Vec<InsideReport>,
}

/// Short names of cores as `--cores` takes them: `P4,P5`.
fn names_list(report: &Report, cores: &[u32]) -> String {
    let short =
        |core: &u32| report.machine.cores.iter().find(|known| known.core == *core).map(|known| known.short.clone());
    cores.iter().map(|core| short(core).unwrap_or_else(|| core.to_string())).collect::<Vec<_>>().join(",")
}

/// How hot it became.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hottest {
    /// Under which load.
    pub load: String,
    /// °C.
    pub celsius: f64,
}

/// How many other cores were active in the steps of a load: work of other programs, and the supervisor's own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OthersActive {
    /// The load.
    pub load: String,
    /// Steps in which it is known.
    pub steps: u64,
    /// In half of these steps not more.
    pub median: u32,
    /// In none of them more.
    pub max: u32,
}

/// What a sensor said in the course of a run, sampled a few times a minute.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SensorReport {
    /// `core voltage` or `package power`.
    pub sensor: String,
    /// Of which package; null for one of the whole board.
    pub package: Option<u32>,
    /// `V` or `W`.
    pub unit: String,
    /// Lowest.
    pub min: f64,
    /// Middle.
    pub median: f64,
    /// Highest.
    pub max: f64,
    /// How many samples.
    pub samples: u64,
}

/// Of clock readings.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Spread {
    /// Lowest.
    pub min: u32,
    /// Middle.
    pub median: u32,
    /// Highest.
    pub max: u32,
}

/// Of multipliers.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Multiplier {
    /// Lowest.
    pub min: Option<u32>,
    /// Middle.
    pub median: Option<u32>,
    /// Highest.
    pub max: Option<u32>,
    /// The core's own top.
    pub top: Option<u32>,
    /// Whether `top` is known or a guess.
    pub top_known: Option<bool>,
    /// What is expected of the core: asked for, or its top where that is known.
    #[serde(default)]
    pub expected: Option<u32>,
}

/// Sums of a core. Three separate clocks, none derived from the others.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Checked {
    /// Iterations, each compared in full.
    pub iterations: u64,
    /// Operations; a multiply-add counts two.
    pub operations: u64,
    /// The threads' CPU time as the OS counts it.
    pub cpu_s: f64,
    /// CPU time inside kernels.
    pub kernel_s: f64,
    /// CPU time inside comparison and digests.
    pub check_s: f64,
    /// CPU time spent reading the core's clock.
    #[serde(default)]
    pub clock_s: f64,
}

/// One piece of evidence.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EvidenceReport {
    /// Null where the clock could not be measured.
    pub multiplier: Option<u32>,
    /// The load.
    pub load: String,
    /// The footprint.
    pub footprint: String,
    /// The instruction set.
    pub isa: String,
    /// CPU time of the blocks, summed over the core's threads.
    pub seconds: f64,
    /// Iterations.
    pub iterations: u64,
    /// Operations.
    pub operations: u64,
    /// Errors: mismatches, ends of workers, votes.
    pub findings: u64,
    /// The longest mean time between errors that this would have caught with 95 % confidence, in seconds.
    pub catches_every_s: Option<f64>,
}

/// One kernel's variant on one core.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KernelReport {
    /// The kernel.
    pub kernel: String,
    /// The variant.
    pub variant: String,
    /// Iterations.
    pub iterations: u64,
    /// Operations.
    pub operations: u64,
    /// Errors: mismatches, ends of workers, votes.
    pub findings: u64,
    /// The threads' CPU time as the OS counts it.
    #[serde(default)]
    pub cpu_s: f64,
    /// CPU time inside the kernel.
    #[serde(default)]
    pub kernel_s: f64,
    /// CPU time inside comparison and digests.
    #[serde(default)]
    pub check_s: f64,
}
