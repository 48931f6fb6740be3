//! A worker: one process per physical core, a hidden subcommand of this binary, with one pinned thread (a lane) per CPU
//! under test.
//!
//! Architecture invariant: every output of every iteration is compared, full width, and the hot loop neither allocates,
//! logs, locks, sleeps nor makes a system call beyond reading the thread's CPU clock at the edges of a call.

mod account;
mod baton;
mod bench;
mod block;
mod chooser;
pub mod exec;
mod fault;
mod glances;
mod hop;
mod lane;
mod look;
mod pace;
mod process;
pub mod protocol;
mod roam;
mod sealed;
pub mod slot;
mod teller;

pub use account::KEPT_WHOLE;
pub use baton::{BATON_WORDS, Baton, TURN_WORDS};
pub use bench::median;
pub use fault::{Fault, Injection};
pub use process::{LINK_BROKEN, Options, run};
