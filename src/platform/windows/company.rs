//! A program beside the test: not there yet on Windows.

use std::{
    fs::File,
    io::{self, Read},
    process::{Child, Command},
    sync::mpsc::Receiver,
};

use crate::platform::ProcessEnd;

const NOT_YET: &str = "a program beside the test is not in this version for Windows yet";

fn not_yet<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, NOT_YET))
}

/// Why it cannot be started.
pub fn shell_objects(_line: &str) -> Option<String> {
    Some(NOT_YET.into())
}

/// Not there yet.
pub fn spawn_keeper(_command: &mut Command, _cpus: &[u32], _output: File) -> io::Result<Child> {
    not_yet()
}

/// Not there yet.
pub fn keep(_line: &str) -> io::Result<ProcessEnd> {
    not_yet()
}

/// Not there yet.
pub fn hear_keeper(_said: impl Read + Send + 'static) -> io::Result<Receiver<ProcessEnd>> {
    not_yet()
}
