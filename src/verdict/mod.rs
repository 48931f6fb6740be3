//! What the evidence says: a pure fold over journal records, so that a live run and a replayed one agree.

pub mod finding;
mod fold;
pub mod jury;
pub mod loss;

pub use finding::{Amendment, Class, Finding, Hex, Place, Repeat};
pub use fold::{CoreOutcome, CoreVerdict, Interruption, OpenStep, Outcome, Standing, catches_every_s};
pub use loss::{Loss, LossReason};
