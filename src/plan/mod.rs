//! The plan: a pure function from what was asked for and the machine to steps.

mod chase;
mod command;
mod deal;
mod duration;
mod expect;
mod field;
mod footprint;
mod glob;
mod load;
mod morning;
mod profile;
mod prove;
mod rounds;
mod schedule;
mod tune;

use serde::{Deserialize, Serialize};

pub use chase::{Ceiling, Chase, ChaseState, Sofar, Try};
pub use command::{CommandRequest, CommandRounds, Program, shell_word};
pub use duration::{DurationError, SECONDS_MAX, parse_duration};
pub use expect::{Expect, ExpectError, Expected};
pub use footprint::{Footprint, Shares};
pub use glob::glob;
pub use load::Load;
pub use morning::{Morning, MorningError};
pub use profile::{Profile, ProfileError, SEED_FORM, parse_seed};
pub use prove::Work;
pub use rounds::{Tallies, Tally, lacks, quick_seconds};
pub use schedule::{Manner, Phase, Role, Schedule};
pub use tune::{Known, Ladder, Probe, Told, Tuning};

use crate::{machine::Machine, verdict::Hex};

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
    /// Where the highest clocks that pass are searched, instead of a plan's rounds, or a core that erred is tried lower after them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tune: Option<Tuning>,
}

/// The plan as the journal holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Plan {
    /// What was asked for: the steps follow from it.
    Asked(Request),
    /// What was asked for of a program of the user's.
    Command(CommandRequest),
    /// The steps themselves, in journals of format 1.
    Listed(Vec<Step>),
}

impl Plan {
    /// The steps in order, the pre-pass first, numbered from 0, as they are while nothing is known of the cores.
    pub fn steps<'a>(&'a self, machine: &Machine) -> impl Iterator<Item = Step> + use<'a> {
        let mut rounds = self.rounds(machine);
        std::iter::from_fn(move || rounds.next(&Tallies::default())).flatten()
    }

    /// The same, round by round.
    pub fn rounds<'a>(&'a self, machine: &Machine) -> PlanRounds<'a> {
        match self {
            Self::Asked(request) => PlanRounds::Asked(rounds::Rounds::of(request, machine)),
            Self::Command(request) => PlanRounds::Command(CommandRounds::of(request, machine)),
            Self::Listed(steps) => PlanRounds::Listed(Some(steps)),
        }
    }

    /// The names of the kernels that take part.
    pub fn kernels(&self) -> Vec<String> {
        match self {
            Self::Asked(request) => request.kernels.clone(),
            Self::Command(_) => vec![crate::verdict::command::EXEC.to_owned()],
            Self::Listed(steps) => {
                let mut kernels: Vec<String> = steps.iter().filter_map(|step| step.kernel.clone()).collect();
                kernels.sort_unstable();
                kernels.dedup();
                kernels
            }
        }
    }

    /// What is asked of a program of the user's, where that is what is run.
    pub fn command(&self) -> Option<&CommandRequest> {
        match self {
            Self::Command(request) => Some(request),
            Self::Asked(_) | Self::Listed(_) => None,
        }
    }

    /// How long all of it lasts, in seconds.
    pub fn seconds(&self) -> f64 {
        match self {
            Self::Asked(request) => request.seconds,
            Self::Command(request) => request.seconds,
            Self::Listed(steps) => steps.iter().map(|step| step.seconds).sum(),
        }
    }

    /// How long the steps from number `next` on last, in seconds.
    pub fn seconds_from(&self, next: u32, machine: &Machine) -> f64 {
        match self {
            // Ends by its evidence, or with the first step still before it.
            Self::Asked(request) if request.until_s.is_some() || self.tuning().is_some() || next == 0 => {
                request.seconds
            }
            _ => self.steps(machine).skip_while(|step| step.step < next).map(|step| step.seconds).sum(),
        }
    }

    /// See [`Request::until_s`].
    pub fn until_s(&self) -> Option<f64> {
        match self {
            Self::Asked(request) => request.until_s,
            Self::Command(_) | Self::Listed(_) => None,
        }
    }

    /// What is asked of the tuning that the run is, if it is one.
    pub fn tuning(&self) -> Option<&Tuning> {
        self.capping().filter(|tuning| !tuning.after_finding)
    }

    /// What is asked where a core is to be tried one step lower after a finding.
    pub fn lowering(&self) -> Option<&Tuning> {
        self.capping().filter(|tuning| tuning.after_finding)
    }

    /// What is asked of a run that caps clocks.
    pub fn capping(&self) -> Option<&Tuning> {
        match self {
            Self::Asked(request) => request.tune.as_ref(),
            Self::Command(_) | Self::Listed(_) => None,
        }
    }

    /// The loads that take part, by name, without the pre-pass.
    pub fn loads(&self) -> Vec<&str> {
        match self {
            Self::Asked(Request { loads, .. }) | Self::Command(CommandRequest { loads, .. }) => {
                loads.iter().map(|load| load.name()).collect()
            }
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

/// Rounds of a plan.
pub enum PlanRounds<'a> {
    /// Of what was asked for.
    Asked(rounds::Rounds<'a>),
    /// Of a program's runs.
    Command(CommandRounds<'a>),
    /// A list is one round.
    Listed(Option<&'a [Step]>),
}

impl PlanRounds<'_> {
    /// The steps of the next round, given what is known by then; how many they are does not depend on that.
    pub fn next(&mut self, tallies: &Tallies) -> Option<Vec<Step>> {
        match self {
            Self::Asked(rounds) => rounds.next(tallies),
            Self::Command(rounds) => rounds.next(),
            Self::Listed(steps) => steps.take().map(<[Step]>::to_vec),
        }
    }
}

/// One step: one kernel under one load on some cores.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// Those of the cores that keep the others company.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub company: Vec<u32>,
    /// How much memory the work touches, where the step is about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footprint: Option<Footprint>,
    /// How it makes it easier for its core to reach its top, where it does; settled as the step begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chase: Option<Try>,
    /// How often a program of the user's runs on each of the cores, instead of for `seconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

impl Step {
    /// What a core does in it.
    pub fn role_of(&self, core: u32) -> Role {
        match self.chase {
            _ if self.company.contains(&core) => Role::Company,
            Some(Try { bursts: true, .. }) => Role::Chased,
            _ => Role::Tested,
        }
    }

    /// The load that a core's work in it counts for.
    pub fn load_of(&self, core: u32) -> String {
        counts_for(&self.load, self.role_of(core))
    }
}

/// The load that work in such a role counts for: company is another load than the one that it is company of, and bursts are
/// another than steady work.
pub fn counts_for(load: &str, role: Role) -> String {
    match role {
        Role::Tested => load.to_owned(),
        Role::Company => format!("{load}-company"),
        Role::Chased => format!("{load}-bursts"),
    }
}
