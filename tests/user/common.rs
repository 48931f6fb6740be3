//! What the user-level tests share.

use std::{path::Path, process::Output};

use assert_cmd::Command;
use oddcore::report::Report;

/// Where the program looks for the folder of its state.
pub const STATE_HOME: &str = if cfg!(windows) { "LOCALAPPDATA" } else { "XDG_STATE_HOME" };

/// The program with runs kept in `runs`.
pub fn oddcore(runs: &Path, args: &[&str]) -> Output {
    let mut command = Command::cargo_bin("oddcore").expect("built");
    command.args(args).env(STATE_HOME, runs).output().expect("starts")
}

/// Cores that may be tested here.
pub fn testable_cores() -> Vec<u32> {
    let folder = tempfile::tempdir().expect("a folder");
    let cores = oddcore(folder.path(), &["cores", "--json", "-"]);
    let machine: serde_json::Value = serde_json::from_slice(&cores.stdout).expect("JSON");
    let testable = |core: &&serde_json::Value| core["testable"].as_array().is_some_and(|cpus| !cpus.is_empty());
    let cores = machine["cores"].as_array().expect("cores").iter().filter(testable);
    cores.filter_map(|core| core["core"].as_u64()?.try_into().ok()).collect()
}

/// The report that it printed on standard output, which the schema must hold for.
pub fn report(output: &Output) -> Report {
    let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output:?}"));
    crate::schema::check(&value);
    serde_json::from_value(value).expect("what the schema holds for is a report")
}

/// Its notes but the one of a machine that others use meanwhile.
pub fn notes_of(report: &Report) -> Vec<&str> {
    let notes = report.notes.iter().map(String::as_str);
    notes.filter(|note| !note.starts_with("others used these CPUs")).collect()
}
