//! What the command line may say.

use clap::{Parser, ValueEnum};

/// Flips one bit a run in the registers of one of oddcore's workers, or of each of several, and tells whether the run found it.
#[derive(Parser)]
pub struct Options {
    /// Where a bit is flipped.
    #[arg(long, value_enum)]
    pub group: Group,
    /// Bits to flip.
    #[arg(long, default_value_t = 200)]
    pub trials: usize,
    /// Seconds into the run before which no bit is flipped: the references are computed then.
    #[arg(long, default_value_t = 1.0)]
    pub from: f64,
    /// Seconds into the run after which no bit is flipped; leave time to find it.
    #[arg(long)]
    pub to: f64,
    /// The most results of the group's kind that pass between the moment and the flip.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: u32,
    /// CPUs whose workers are hit, in turn: the run tests the cores of them all.
    #[arg(long, value_delimiter = ',', required = true)]
    pub cpus: Vec<u32>,
    /// Flips nothing: in one run, follows results of general registers, one after the other, to where they are used, between the same seconds.
    #[arg(long, conflicts_with_all = ["trials", "together"])]
    pub follow: bool,
    /// Hits all of them in every run, each once and in its own moment.
    #[arg(long)]
    pub together: bool,
    /// Makes the moments and bits the same again, as far as the machine does.
    #[arg(long)]
    pub seed: Option<u64>,
    /// The run: `oddcore run --cores … --for …`, without `--json` and `--runs`.
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

/// What is hit.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Group {
    /// A bit of what one instruction wrote into a vector register.
    Vector,
    /// A bit of what one instruction wrote into a general register, if the upper half of it is in use then.
    General,
    /// A bit of any vector register at any moment.
    Register,
    /// None: only where the thread was is told.
    Nothing,
}
