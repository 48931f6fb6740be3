//! `--beside CMD` on Windows: the user's program is gone with all that it started, however the test ends.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use oddcore::journal;

use super::{PLAY, arguments, becomes_true, own_path, players_in};
use crate::{
    common::{notes_of, oddcore, report},
    processes::kill,
};

/// The line that has this program play.
fn player() -> String {
    format!("\"{}\" {}", own_path(), arguments().join(" "))
}

fn start(runs: &Path, beside: &str, length: &str) -> Child {
    Command::new(assert_cmd::cargo::cargo_bin!("oddcore"))
        .args(["run", "--kernels", "gemm-f32", "--loads", "solo", "--json", "-", "--for", length])
        .args(["--beside", beside, "--runs"])
        .arg(runs)
        .env(PLAY, format!("stay {}", runs.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts")
}

fn run(runs: &Path, beside: &str) -> Output {
    start(runs, beside, "2s").wait_with_output().expect("ends")
}

fn folder_of(runs: &Path) -> PathBuf {
    journal::newest_runs(runs).into_iter().next().expect("a run")
}

#[test]
fn it_is_stopped_with_all_it_started_and_what_it_says_is_kept() {
    let runs = tempfile::tempdir().expect("a folder");
    let line = format!("echo said& echo wrong>&2& {0}", player());
    let output = run(runs.path(), &line);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = report(&output);
    let beside = report.beside.as_ref().expect("there was one");
    assert_eq!(beside.command, line);
    assert!(beside.ended.is_some() && beside.stopped && beside.exit.is_none() && beside.signal.is_some(), "{beside:?}");
    assert!(notes_of(&report).is_empty(), "{:?}", report.notes);
    assert!(players_in(runs.path()).is_empty(), "it is stopped before the report");
    assert!(fs::read_dir(runs.path()).expect("there").flatten().count() > 1, "it was there");
    let said = fs::read_to_string(folder_of(runs.path()).join("beside.log")).expect("kept");
    let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert!(said.starts_with(&["said", "wrong"]), "{said:?}");
}

#[test]
fn one_that_ends_early_is_told_of_and_the_test_goes_on() {
    let runs = tempfile::tempdir().expect("a folder");
    let output = run(runs.path(), "echo a& exit 3");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = report(&output);
    let beside = report.beside.as_ref().expect("there was one");
    assert_eq!((beside.exit, beside.stopped), (Some(3), false));
    assert!(matches!(notes_of(&report)[..], [note] if note.contains("exit code 3: it failed")), "{:?}", report.notes);
    assert!(report.cores.iter().any(|core| core.checked.iterations > 0));
}

#[test]
fn what_cannot_be_started_leaves_nothing_behind() {
    for line in ["no-such-program-of-ours --fast", r"C:\no\such.exe", "\"open"] {
        let runs = tempfile::tempdir().expect("a folder");
        let output = run(runs.path(), line);
        assert_eq!(output.status.code(), Some(2), "{line}: {output:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.starts_with("oddcore: --beside: cannot be started: ") && told.lines().count() == 1, "{told}");
        assert_eq!(fs::read_dir(runs.path()).expect("there").count(), 0, "{line}");
    }
}

#[test]
fn it_does_not_outlive_a_test_that_is_killed_and_comes_back_with_resume() {
    let runs = tempfile::tempdir().expect("a folder");
    let line = player();
    let mut child = start(runs.path(), &line, "4s");
    assert!(becomes_true(|| players_in(runs.path()).len() == 1), "it starts");
    thread::sleep(Duration::from_millis(1200));
    kill(child.id());
    child.wait().expect("ours");
    assert!(becomes_true(|| players_in(runs.path()).is_empty()), "it ends");
    let output = oddcore(runs.path(), &["resume", "--runs", &runs.path().display().to_string(), "--json", "-"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = report(&output);
    assert!(report.beside.is_some_and(|beside| beside.command == line), "{:?}", report.notes);
}
