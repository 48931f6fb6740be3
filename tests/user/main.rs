//! What a user sees: the command line, faults, crashes, interrupts, journals, machines.

mod bench;
#[cfg(target_os = "linux")]
mod beside;
mod command_line;
mod common;
mod doctor;
mod drills;
#[cfg(target_os = "linux")]
mod exec;
mod expect;
mod heat;
#[cfg(unix)]
mod help;
mod journal;
mod kills;
mod loss;
mod machine;
#[cfg(unix)]
mod manners;
mod merge;
#[cfg(target_os = "linux")]
mod outside;
mod pictures;
mod plans;
mod processes;
mod profiles;
mod reports;
mod schema;
#[cfg(target_os = "linux")]
mod soak;
mod trees;
#[cfg(target_os = "linux")]
mod tune;
#[cfg(windows)]
mod windows;
#[cfg(unix)]
mod workers;
