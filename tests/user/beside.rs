//! `--beside CMD`: the user's program runs next to the test, unpinned, and is gone afterwards with all that it started, however
//! the test ends.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use oddcore::journal;

use crate::{
    common::{notes_of, oddcore, report},
    processes::signal,
};

/// A sleep that nobody else has: so many seconds and a part of our own.
struct Sleeper(String);

impl Sleeper {
    fn new(nth: u32) -> Self {
        Self(format!("{}.{}{nth}", 3600 + nth, std::process::id()))
    }

    /// Processes that sleep so long.
    fn processes(&self) -> Vec<u32> {
        let is = |pid: &u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|&byte| byte == 0).eq([b"sleep", self.0.as_bytes(), b""])
        };
        let pids = fs::read_dir("/proc").expect("there").flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
        pids.filter(is).collect()
    }

    fn become_so_many(&self, count: usize) -> bool {
        (0..1500).any(|_| {
            thread::sleep(Duration::from_millis(20));
            self.processes().len() == count
        })
    }
}

fn start(runs: &Path, beside: &str, more: &[&str]) -> Child {
    Command::new(assert_cmd::cargo::cargo_bin!("oddcore"))
        .args(["run", "--kernels", "gemm-f32", "--loads", "solo", "--json", "-", "--beside", beside, "--runs"])
        .arg(runs)
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts")
}

fn run(runs: &Path, beside: &str) -> Output {
    start(runs, beside, &["--for", "2s"]).wait_with_output().expect("ends")
}

fn folder_of(runs: &Path) -> PathBuf {
    journal::newest_runs(runs).into_iter().next().expect("a run")
}

#[test]
fn it_runs_unpinned_beside_the_test_and_is_stopped_with_all_it_started() {
    let runs = tempfile::tempdir().expect("a folder");
    let sleeper = Sleeper::new(1);
    // One that left its session, and one that will not end when asked to.
    let line = format!(
        "grep Cpus_allowed_list /proc/self/status; echo said; echo wrong >&2; setsid sleep {0} & trap '' TERM; sleep {0}",
        sleeper.0
    );
    let output = run(runs.path(), &line);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = report(&output);
    let beside = report.beside.as_ref().expect("there was one");
    assert_eq!(beside.command, line);
    assert!(
        beside.ended.is_some() && beside.stopped && beside.exit.is_none() && beside.signal == Some(9),
        "{beside:?}"
    );
    assert!(notes_of(&report).is_empty(), "{:?}", report.notes);
    assert!(sleeper.processes().is_empty(), "it is stopped before the report");
    let path = folder_of(runs.path()).join("beside.log");
    let said = fs::read_to_string(&path).expect("kept");
    let allowed = fs::read_to_string("/proc/self/status").expect("Linux");
    let allowed = allowed.lines().find(|line| line.starts_with("Cpus_allowed_list")).expect("always there");
    assert_eq!(said, format!("{allowed}\nsaid\nwrong\n"), "as free as we are");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains(path.to_str().expect("text")) && told.contains(" beside: grep"), "{told}");
    assert!(!told.contains("said\nwrong"), "{told}");
}

#[test]
fn one_that_ends_early_is_told_of_and_the_test_goes_on() {
    for (line, exit, how) in [("echo a; exit 3", Some(3), "exit code 3: it failed"), ("kill -9 $$", None, "SIGKILL")] {
        let runs = tempfile::tempdir().expect("a folder");
        let output = run(runs.path(), line);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let report = report(&output);
        let beside = report.beside.as_ref().expect("there was one");
        assert_eq!((beside.exit, beside.stopped), (exit, false));
        assert!(matches!(notes_of(&report)[..], [note] if note.contains(how)), "{:?}", report.notes);
        assert!(report.cores.iter().any(|core| core.checked.iterations > 0));
        let again = oddcore(runs.path(), &["report", "--runs", runs.path().to_str().expect("text"), "--json", "-"]);
        assert_eq!(crate::common::report(&again).notes, report.notes, "a replay says the same");
    }
}

#[test]
fn what_it_left_in_the_background_is_still_it() {
    let runs = tempfile::tempdir().expect("a folder");
    let sleeper = Sleeper::new(2);
    let output = run(runs.path(), &format!("sleep {} & exit 0", sleeper.0));
    let report = report(&output);
    let beside = report.beside.as_ref().expect("there was one");
    assert_eq!((beside.exit, beside.stopped), (Some(0), true));
    assert!(notes_of(&report).is_empty(), "{:?}", report.notes);
    assert!(sleeper.processes().is_empty());
}

#[test]
fn what_cannot_be_started_leaves_nothing_behind() {
    for line in ["no-such-program-of-ours --fast", "/no/such/file", "echo 'open", "if"] {
        let runs = tempfile::tempdir().expect("a folder");
        let output = run(runs.path(), line);
        assert_eq!(output.status.code(), Some(2), "{line}: {output:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.starts_with("oddcore: --beside: cannot be started: ") && told.lines().count() == 1, "{told}");
        assert!(output.stdout.is_empty());
        assert_eq!(fs::read_dir(runs.path()).expect("there").count(), 0, "{line}");
    }
}

#[test]
fn it_does_not_outlive_a_test_that_is_interrupted_or_killed_and_comes_back_with_resume() {
    for (nth, name) in (3..).zip(["-INT", "-KILL"]) {
        let runs = tempfile::tempdir().expect("a folder");
        let sleeper = Sleeper::new(nth);
        let line = format!("sleep {0} & sleep {0}", sleeper.0);
        let mut child = start(runs.path(), &line, &["--for", "4s"]);
        assert!(sleeper.become_so_many(2), "it starts");
        thread::sleep(Duration::from_millis(1200));
        signal(name, child.id());
        child.wait().expect("ours");
        assert!(sleeper.become_so_many(0), "{name}");
        let place = ["--runs", runs.path().to_str().expect("text"), "--json", "-"];
        let output = oddcore(runs.path(), &[&["resume"][..], &place].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let report = report(&output);
        assert!(report.beside.is_some_and(|beside| beside.command == line && beside.stopped));
        assert!(sleeper.processes().is_empty(), "{name}");
    }
}
