//! Load shapes: which of them there are, and what each needs.

use serde::{Deserialize, Serialize};

use super::field::Field;
use crate::machine::Core;

/// A load shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Load {
    /// One physical core, the rest idle; one thread.
    Solo,
    /// One core, after idling as a program does that waits for the GPU: in a spin, asleep, or looking again and again.
    GpuWait,
    /// Every CPU of one core, the rest idle.
    Siblings,
    /// Two cores at once: favoured ones together, and favoured with plain.
    #[serde(rename = "active-2")]
    Active2,
    /// Three cores at once.
    #[serde(rename = "active-3")]
    Active3,
    /// Four cores at once.
    #[serde(rename = "active-4")]
    Active4,
    /// Eight cores at once.
    #[serde(rename = "active-8")]
    Active8,
    /// One core holds its clock while the others wake for 50 µs to 1 ms.
    Aggressor,
    /// Work and idle by turns of 200 µs to 1 s, one core alone and all at once.
    Bursts,
    /// One job handed from core to core, each checking it.
    Hop,
    /// One live thread moved from core to core, between calls and in the middle of them.
    #[serde(rename = "hop-migrated")]
    Migrated,
    /// One live thread left to the OS's scheduler.
    #[serde(rename = "hop-unpinned")]
    Unpinned,
    /// Bursts of multiply-adds against dependent chains, at every period from 20 to 6,000 cycles: one core alone, and all at once.
    Resonance,
    /// Every core under test, every CPU of it.
    Together,
}

/// What stands for all the loads of so many active cores on the command line.
const ACTIVE_N: &str = "active-n";

impl Load {
    /// All that can be asked for, in the order in which a round has them.
    pub const ALL: [Self; 14] = [
        Self::Solo,
        Self::GpuWait,
        Self::Siblings,
        Self::Active2,
        Self::Active3,
        Self::Active4,
        Self::Active8,
        Self::Aggressor,
        Self::Bursts,
        Self::Hop,
        Self::Migrated,
        Self::Unpinned,
        Self::Resonance,
        Self::Together,
    ];
    /// Those of the quick check.
    pub const QUICK: [Self; 3] = [Self::Solo, Self::GpuWait, Self::Together];

    /// The name used on the command line and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Solo => "solo",
            Self::GpuWait => "gpu-wait",
            Self::Siblings => "siblings",
            Self::Active2 => "active-2",
            Self::Active3 => "active-3",
            Self::Active4 => "active-4",
            Self::Active8 => "active-8",
            Self::Aggressor => "aggressor",
            Self::Bursts => "bursts",
            Self::Hop => "hop",
            Self::Migrated => "hop-migrated",
            Self::Unpinned => "hop-unpinned",
            Self::Resonance => "resonance",
            Self::Together => "together",
        }
    }

    /// The load of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|load| load.name() == name)
    }

    /// The loads that a name on the command line or in a profile stands for; none for a name that means nothing.
    pub fn meant_by(name: &str) -> Vec<Self> {
        let (active, hop) = (name == ACTIVE_N, name == Self::Hop.name());
        let stands_for = |load: &Self| load.name() == name || active && load.active().is_some() || hop && load.roams();
        Self::ALL.into_iter().filter(stands_for).collect()
    }

    /// The names that [`Self::meant_by`] knows, for people.
    pub fn names() -> String {
        Self::ALL.map(Self::name).into_iter().chain([ACTIVE_N]).collect::<Vec<_>>().join(", ")
    }

    /// The one kernel that it is made of, where it is.
    pub fn kernel(self) -> Option<&'static str> {
        (self == Self::Resonance).then_some("resonance")
    }

    /// How many cores are active, where the load is named after that.
    pub fn active(self) -> Option<usize> {
        match self {
            Self::Active2 => Some(2),
            Self::Active3 => Some(3),
            Self::Active4 => Some(4),
            Self::Active8 => Some(8),
            _ => None,
        }
    }

    /// Whether it is one thread that goes from core to core, in a process that is no core's.
    pub fn roams(self) -> bool {
        matches!(self, Self::Migrated | Self::Unpinned)
    }

    /// Whether it is about that core: the scheduler may leave a thread where it is, and never come to a core at all.
    pub fn is_about(self, core: &Core) -> bool {
        match self {
            Self::Siblings => core.testable.len() > 1,
            Self::Unpinned => false,
            _ => true,
        }
    }

    /// Why it cannot be had from these cores; `None` if it can.
    pub(super) fn lacks(self, field: &Field) -> Option<String> {
        let cores = field.order.len();
        let least =
            self.active().unwrap_or(if self == Self::Aggressor || self == Self::Hop || self.roams() { 2 } else { 1 });
        if cores < least {
            Some(format!("it takes {least} cores, and {cores} can be tested"))
        } else if self == Self::Siblings && field.paired.is_empty() {
            Some("no core has two CPUs that can be tested".into())
        } else {
            None
        }
    }
}
