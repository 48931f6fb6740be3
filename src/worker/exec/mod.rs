//! A worker that runs a program of the user's instead of kernels: a hidden subcommand of this binary like the other, with the same
//! frames, slots and lanes. It reports what a run gave and judges nothing; the supervisor compares.
//!
//! Architecture invariant: a program never outlives the worker that started it, nor its run's folder.

mod guard;
mod lane;
mod once;
mod outputs;
mod process;

pub use guard::Limits;
pub use once::{Once, SETTINGS, trial};
pub use outputs::{first_difference, tidy};
pub use process::run;
