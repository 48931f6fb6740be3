//! What the evidence says: a pure fold over journal records, so that a live run and a replayed one agree.

mod cause;
pub mod command;
pub mod diagnosis;
mod expect;
pub mod finding;
mod fold;
pub mod jury;
pub mod loss;
mod pass;
mod poisson;
mod standing;
pub mod tune;

pub use cause::{Cause, SIGNIFICANT};
pub use diagnosis::{Diagnosis, diagnose};
pub use expect::{Missed, expected_of, missed, proven_s};
pub use finding::{Again, Amendment, Class, Finding, Hex, Place, Repeat, Tally, at};
pub use fold::{BesideOutcome, CoreOutcome, CoreVerdict, Interruption, OpenStep, Outcome, SummedUp};
pub use loss::{Loss, LossReason};
pub use pass::{Pass, beside_blocks, catches, catches_every_s, duration, errors_of, passes, sentence};
pub use poisson::p_same_rate;
pub use standing::Standing;
pub use tune::{KeptCaps, ProbeOutcome, Tuned, known};
