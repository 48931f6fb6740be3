//! The plan: a pure function from what was asked for and the machine to steps.

mod duration;
mod expect;
mod glob;
mod profile;
mod quick;

use serde::{Deserialize, Serialize};

pub use duration::{DurationError, SECONDS_MAX, parse_duration};
pub use expect::{Expect, ExpectError, Expected};
pub use glob::glob;
pub use profile::{Profile, ProfileError, SEED_FORM, parse_seed};

use crate::{machine::Machine, verdict::Hex};

/// A load shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Load {
    /// One physical core, the rest idle; one thread.
    Solo,
    /// Every core under test, every CPU of it.
    Together,
}

impl Load {
    /// All that can be asked for.
    pub const ALL: [Self; 2] = [Self::Solo, Self::Together];

    /// The name used on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Solo => "solo",
            Self::Together => "together",
        }
    }

    /// The load of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|load| load.name() == name)
    }
}

/// The name of the load of the pre-pass, which is a step like any other in the journal.
pub const PRE_PASS: &str = "pre-pass";

/// The name of the load of an investigation that puts cores to work which the step in hand leaves idle: a step of its own.
pub const INVESTIGATION: &str = "investigation";

/// Steps from this number on are not the plan's: a run that was resumed begins with another pre-pass, and ends with its
/// suspects alone; investigations come between.
pub const EXTRA_STEPS: u32 = 1 << 31;

/// What is asked of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Cores to test, by index.
    pub cores: Vec<u32>,
    /// Kernels by name.
    pub kernels: Vec<String>,
    /// Loads.
    pub loads: Vec<Load>,
    /// The whole run's length in seconds; the most that it may last where `until_s` is set.
    pub seconds: f64,
    /// The run's seed.
    pub seed: Hex,
    /// Ends the run as soon as every core's evidence would have caught a fault that recurs so often, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_s: Option<f64>,
    /// The multipliers at which cores are to be proven.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Expected>,
}

/// The plan as the journal holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Plan {
    /// What was asked for: the steps follow from it.
    Asked(Request),
    /// The steps themselves, in journals of format 1.
    Listed(Vec<Step>),
}

impl Plan {
    /// The steps in order, the pre-pass first, numbered from 0.
    pub fn steps<'a>(&'a self, machine: &Machine) -> Box<dyn Iterator<Item = Step> + 'a> {
        match self {
            Self::Asked(request) => Box::new(quick::steps(machine, request)),
            Self::Listed(steps) => Box::new(steps.iter().cloned()),
        }
    }

    /// The names of the kernels that take part.
    pub fn kernels(&self) -> Vec<String> {
        match self {
            Self::Asked(request) => request.kernels.clone(),
            Self::Listed(steps) => {
                let mut kernels: Vec<String> = steps.iter().filter_map(|step| step.kernel.clone()).collect();
                kernels.sort_unstable();
                kernels.dedup();
                kernels
            }
        }
    }

    /// How long all of it lasts, in seconds.
    pub fn seconds(&self) -> f64 {
        match self {
            Self::Asked(request) => request.seconds,
            Self::Listed(steps) => steps.iter().map(|step| step.seconds).sum(),
        }
    }

    /// How long the steps from number `next` on last, in seconds.
    pub fn seconds_from(&self, next: u32, machine: &Machine) -> f64 {
        match self {
            // Ends by its evidence, or with the first step still before it.
            Self::Asked(request) if request.until_s.is_some() || next == 0 => request.seconds,
            _ => self.steps(machine).skip_while(|step| step.step < next).map(|step| step.seconds).sum(),
        }
    }

    /// See [`Request::until_s`].
    pub fn until_s(&self) -> Option<f64> {
        match self {
            Self::Asked(request) => request.until_s,
            Self::Listed(_) => None,
        }
    }

    /// The loads that take part, by name, without the pre-pass.
    pub fn loads(&self) -> Vec<&str> {
        match self {
            Self::Asked(request) => request.loads.iter().map(|load| load.name()).collect(),
            Self::Listed(steps) => {
                let mut loads: Vec<&str> = steps.iter().map(|step| step.load.as_str()).collect();
                loads.sort_unstable();
                loads.dedup();
                loads.retain(|load| *load != PRE_PASS);
                loads
            }
        }
    }
}

/// One step: one kernel under one load on some cores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Number within the run, from 0.
    pub step: u32,
    /// The load's name.
    pub load: String,
    /// The kernel's name; `None` for the pre-pass, which runs them all.
    pub kernel: Option<String>,
    /// The cores under load.
    pub cores: Vec<u32>,
    /// How long.
    pub seconds: f64,
    /// Where its choice of seeds begins.
    pub seed: Hex,
    /// Whether every CPU of a core works, or only its first.
    pub siblings: bool,
}
