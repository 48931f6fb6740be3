//! A worker: one process per physical core, a hidden subcommand of this binary, with one pinned thread (a lane) per CPU
//! under test.
//!
//! Architecture invariant: every output of every iteration is compared, full width, and the hot loop neither allocates,
//! logs, locks, sleeps nor makes a system call beyond reading the thread's CPU clock at the edges of a call.

mod account;
mod block;
mod lane;
mod process;
pub mod protocol;
pub mod slot;

pub use account::KEPT_WHOLE;
pub use process::{Options, run};

use clap::ValueEnum;

/// A fault injected on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// A bit of an intermediate result, in every iteration.
    Miscompute,
    /// A bit of the input, after it was digested.
    CorruptInput,
    /// A wild pointer.
    Crash,
    /// A loop that never ends.
    Hang,
}

impl Fault {
    /// The class that its findings must have.
    pub fn class(self) -> crate::verdict::Class {
        use crate::verdict::Class;
        match self {
            Self::Miscompute => Class::Miscompute,
            Self::CorruptInput => Class::CorruptInput,
            Self::Crash => Class::Crash,
            Self::Hang => Class::Hang,
        }
    }

    /// Whether it strikes once in a run, because the worker does not outlive it.
    pub fn ends_the_worker(self) -> bool {
        matches!(self, Self::Crash | Self::Hang)
    }
}
