//! What a user sees: the command line, faults, crashes, interrupts, journals, machines.

mod command_line;
mod common;
mod drills;
mod journal;
#[cfg(unix)]
mod kills;
mod loss;
mod machine;
mod profiles;
#[cfg(unix)]
mod manners;
#[cfg(unix)]
mod workers;
