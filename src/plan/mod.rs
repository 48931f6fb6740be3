//! The plan: a pure function from what was asked for and the machine to steps.

mod quick;

use serde::{Deserialize, Serialize};

pub use quick::{Request, quick};

use crate::verdict::Hex;

/// A load shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
