//! What a long run does to its machine: its priority, and that it keeps awake.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use assert_cmd::cargo::cargo_bin;

use crate::common::oddcore;

/// Which scheduling class a process is of, as the kernel numbers them; 5 is idle.
fn class_of(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split_whitespace().nth(38)?.parse().ok()
}

fn children_of(process: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    children.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()).collect()
}

#[test]
fn idle_workers_work_when_nobody_else_does_and_the_report_says_so() {
    let runs = tempfile::tempdir().expect("a folder");
    let json = runs.path().join("report.json");
    let mut run = Command::new(cargo_bin!("oddcore"))
        .args(["run", "--for", "20s", "--kernels", "gemm-f32", "--priority", "idle", "--runs"])
        .arg(runs.path())
        .arg("--json")
        .arg(&json)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !children_of(run.id()).into_iter().any(|child| class_of(child) == Some(5)) {
        assert!(Instant::now() < deadline, "no worker became idle");
        thread::sleep(Duration::from_millis(20));
    }
    assert_ne!(class_of(run.id()), Some(5), "the supervisor itself keeps its priority");
    let process = rustix::process::Pid::from_raw(run.id().try_into().expect("a process")).expect("not 0");
    rustix::process::kill_process(process, rustix::process::Signal::INT).expect("it is there");
    run.wait().expect("ends");
    let report: serde_json::Value = serde_json::from_slice(&fs::read(json).expect("written")).expect("JSON");
    crate::schema::check(&report);
    let notes = report["notes"].to_string();
    assert!(notes.contains("idle priority"), "{notes}");
}

#[test]
fn the_machine_is_kept_awake_until_the_run_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = folder.path().join("told");
    // Stands in for systemd's; ends with its input, as the real one's program does.
    let inhibitor = folder.path().join("systemd-inhibit");
    let script = format!("#!/bin/sh\necho \"$@\" > '{0}'\ncat\necho ended >> '{0}'\n", told.display());
    fs::write(&inhibitor, script).expect("writable");
    fs::set_permissions(&inhibitor, fs::Permissions::from_mode(0o755)).expect("ours");
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new(cargo_bin!("oddcore"))
        .args(["run", "--for", "1s", "--kernels", "gemm-f32", "--runs"])
        .arg(folder.path())
        .env("PATH", path)
        .output()
        .expect("starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = fs::read_to_string(told).expect("it was asked");
    assert!(told.contains("--what=sleep:idle") && told.contains("--who=oddcore"), "{told}");
    assert!(told.ends_with("ended\n"), "{told}");
}

#[test]
fn no_such_priority_is_refused() {
    let runs = tempfile::tempdir().expect("a folder");
    let output = oddcore(runs.path(), &["run", "--priority", "urgent"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("normal, low, idle"), "{output:?}");
}
