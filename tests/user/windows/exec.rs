//! `oddcore exec` on Windows.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use oddcore::{
    journal::{self, JOURNAL_FILE, Record},
    report::Report,
    verdict::Finding,
};

use super::{PLAY, arguments, becomes_true, own_path};
use crate::{
    common::{STATE_HOME, report, testable_cores},
    processes::{children, is_alive, kill},
};

fn command(folder: &Path, options: &[&str], play: &str) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("oddcore"));
    command.args(["exec", "--json", "-"]).args(options).args(["--", &own_path()]).args(arguments());
    command.env(STATE_HOME, folder).env(PLAY, play);
    command
}

fn exec(folder: &Path, options: &[&str], play: &str) -> Output {
    command(folder, options, play).output().expect("starts")
}

/// The CPUs of a core, as the player has them.
fn cpus_of(core: u32) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let output = crate::common::oddcore(folder.path(), &["cores", "--json", "-"]);
    let machine: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let cores = machine["cores"].as_array().expect("cores");
    let own = cores.iter().find(|own| own["core"] == core).expect("there")["testable"].as_array().expect("a list");
    own.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn left_in(folder: &Path) -> Vec<String> {
    let run = journal::newest_runs(&folder.join("oddcore/runs")).remove(0);
    let names = fs::read_dir(run).expect("there").flatten().map(|entry| entry.file_name().display().to_string());
    names.filter(|name| !name.starts_with("supervisor-vanished")).collect()
}

#[test]
fn a_deterministic_program_passes_and_its_runs_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = exec(folder.path(), &["--times", "2", "--files", "a", "--loads", "solo,together"], "files");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Report = report(&output);
    assert!(report.findings.is_empty(), "{report:?}");
    for core in report.cores.iter().filter(|core| testable_cores().contains(&core.core)) {
        let of = |load: &str| -> u64 {
            core.evidence.iter().filter(|part| part.load == load).map(|part| part.iterations).sum()
        };
        let cpus = report.machine.cores[core.core as usize].testable.len() as u64;
        assert_eq!((of("solo"), of("together")), (2, 2 * cpus), "{core:?}");
    }
    assert_eq!(left_in(folder.path()), ["journal"]);
}

/// Findings of a program on a core that is bad where `play` says so, and only there.
fn found_on_last(options: &[&str], play: impl Fn(&str) -> String) -> Option<Vec<Finding>> {
    let cores = testable_cores();
    let (Some(&bad), true) = (cores.last(), cores.len() > 1) else {
        eprintln!("one core alone has nobody to differ from");
        return None;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let output = exec(folder.path(), options, &play(&cpus_of(bad)));
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report = report(&output);
    assert!(!report.findings.is_empty(), "{report:?}");
    assert!(report.findings.iter().all(|finding| finding.core == Some(bad)), "{:?}", report.findings);
    Some(report.findings)
}

#[test]
fn a_core_on_which_it_crashes_is_named() {
    let Some(findings) = found_on_last(&["--times", "1"], |cpus| format!("crash {cpus}")) else { return };
    for finding in &findings {
        assert_eq!((finding.class.name(), finding.stage.as_deref()), ("crash", Some("exit")), "{finding:?}");
        assert!(finding.detail.starts_with("access violation (0xc0000005) instead of exit 0"), "{finding:?}");
        assert_eq!(finding.actual.map(|actual| actual.0), Some(0xc000_0005));
    }
}

#[test]
fn a_core_on_which_it_fails_wavers_or_never_ends_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let count = |name: &str| folder.path().join(name).display().to_string();
    let late = |cpus: &str| format!("late {cpus} {}", count("late"));
    if let Some(findings) = found_on_last(&["--times", "15", "--loads", "solo"], late) {
        assert!(findings[0].class.name() == "miscompute" && findings[0].detail.starts_with("exit 1 instead of exit 0"));
    }
    let waver = |cpus: &str| format!("waver {cpus} {}", count("waver"));
    if let Some(findings) = found_on_last(&["--times", "4"], waver) {
        let detail = &findings[0].detail;
        assert!(detail.starts_with("standard output differs at line "), "{detail}");
        assert_eq!((findings[0].class.name(), findings[0].stage.as_deref()), ("miscompute", Some("stdout")));
    }
    if let Some(findings) = found_on_last(&["--times", "1", "--loads", "solo"], |cpus| format!("hang {cpus}")) {
        assert!(findings.iter().all(|finding| finding.class.name() == "hang"), "{findings:?}");
    }
}

#[test]
fn a_program_that_contradicts_itself_or_is_not_there_blames_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = exec(folder.path(), &["--times", "1"], "clock");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not deterministic: "), "{output:?}");
    let output = crate::common::oddcore(folder.path(), &["exec", "--", r"C:\no\such\program.exe"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), told.lines().count()), (Some(2), 1), "{told}");
    assert!(told.contains(r"C:\no\such\program.exe: no such program"), "{told}");
}

/// A run of a program that takes its time, going on.
fn going_on(folder: &Path) -> Child {
    let mut run = command(folder, &["--for", "4s"], "slow");
    let run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let runs = folder.join("oddcore/runs");
    let begun = || {
        let journals = journal::newest_runs(&runs).into_iter().map(|run| run.join(JOURNAL_FILE));
        let mut records = journals.filter_map(|path| journal::read(&path).ok()).flat_map(|read| read.records);
        records.any(|record| matches!(record, Record::StepEnded { .. }))
    };
    assert!(becomes_true(begun), "a step has ended");
    run
}

/// What a process started, and what that started in turn.
fn below(process: u32) -> Vec<u32> {
    children(process).into_iter().flat_map(|child| [vec![child], below(child)].concat()).collect()
}

#[test]
fn a_killed_run_takes_its_programs_along_and_is_gone_on_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut run = going_on(folder.path());
    let all = below(run.id());
    assert!(!all.is_empty());
    kill(run.id());
    let _ = run.wait();
    assert!(becomes_true(|| all.iter().all(|&process| !is_alive(process))), "{all:?}");
    let resumed = Command::new(assert_cmd::cargo::cargo_bin!("oddcore"))
        .args(["resume", "--json", "-"])
        .env(STATE_HOME, folder.path())
        .env(PLAY, "slow")
        .output()
        .expect("starts");
    assert_eq!(resumed.status.code(), Some(0), "{resumed:?}");
    let report = report(&resumed);
    assert!(report.findings.is_empty() && report.ended.is_some() && report.interruptions.len() == 1, "{report:?}");
    assert_eq!(left_in(folder.path()), ["journal"]);
}

#[test]
fn a_killed_worker_takes_its_program_along_and_blames_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = going_on(folder.path());
    let worker = children(run.id()).into_iter().next().expect("a worker");
    let all = below(worker);
    kill(worker);
    assert!(becomes_true(|| all.iter().all(|&process| !is_alive(process))), "{all:?}");
    let output = run.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(report(&output).findings.is_empty(), "{output:?}");
}
