//! Programs of the user's on Windows: not there yet.

use std::{
    io,
    process::{Child, Command},
};

use crate::platform::ProcessEnd;

/// What is known of a program that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// How it ended.
    pub end: ProcessEnd,
    /// CPU time of it and of the children that it waited for, ns.
    pub cpu_ns: u64,
    /// The CPUs that it might run on at its end.
    pub affinity: Vec<u32>,
}

fn not_yet<T>() -> io::Result<T> {
    let text = "running programs is not in this version for Windows yet";
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
}

/// Not there yet.
pub fn start_command(_command: &mut Command) -> io::Result<Child> {
    not_yet()
}

/// Not there yet.
pub fn await_end(_child: u32) -> io::Result<()> {
    not_yet()
}

/// Not there yet.
pub fn reap(_child: u32) -> io::Result<Reaped> {
    not_yet()
}

/// Nothing was started.
pub fn kill_command(_child: u32) {}

/// Nothing was started.
pub fn kill_commands_of(_worker: u32) {}

/// Not there yet.
pub fn move_command(_child: u32, _cpu: u32) -> io::Result<()> {
    not_yet()
}

/// Nothing was started.
pub fn command_usage(_child: u32) -> (u64, bool) {
    (0, false)
}
