//! What the user-level tests share.

use std::{path::Path, process::Output};

use assert_cmd::Command;
use oddcore::report::Report;

/// The program with runs kept in `runs`.
pub fn oddcore(runs: &Path, args: &[&str]) -> Output {
    let mut command = Command::cargo_bin("oddcore").expect("built");
    command.args(args).env("XDG_STATE_HOME", runs).output().expect("starts")
}

/// The report that it printed on standard output.
pub fn report(output: &Output) -> Report {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output:?}"))
}
