//! Workers that are ended from outside are nobody's fault, and the run goes on.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::processes::{children, signal};

#[test]
fn signals_from_outside_blame_no_core() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = Command::new(assert_cmd::cargo::cargo_bin!("oddcore"))
        .args(["run", "--for", "5s", "--json", "-"])
        .env("XDG_STATE_HOME", folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    for (n, name) in ["-KILL", "-SEGV", "-KILL", "-ABRT", "-BUS"].into_iter().enumerate() {
        thread::sleep(Duration::from_millis(700));
        let workers = children(run.id());
        if let Some(&worker) = workers.get(n % workers.len().max(1)) {
            signal(name, worker);
        }
    }
    let output = run.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = crate::common::report(&output);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert!(report.notes.iter().any(|note| note.contains("no core's doing")), "{:?}", report.notes);
}

#[test]
fn an_interrupt_ends_in_a_report() {
    let folder = tempfile::tempdir().expect("a folder");
    // Under nohup this whole test is deaf to a hang-up, and so is what it starts.
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("always there").trim();
    let deaf = u64::from_str_radix(ignored, 16).expect("a mask") & 1 == 1;
    for name in ["-INT", "-TERM", "-HUP"].into_iter().filter(|name| !(deaf && *name == "-HUP")) {
        let run = Command::new(assert_cmd::cargo::cargo_bin!("oddcore"))
            .args(["run", "--for", "60s", "--json", "-"])
            .env("XDG_STATE_HOME", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        thread::sleep(Duration::from_secs(2));
        signal(name, run.id());
        let output = run.wait_with_output().expect("ends");
        assert_eq!(output.status.code(), Some(3), "{name}: {output:?}");
        let report = crate::common::report(&output);
        assert_eq!((report.interruptions.len(), report.verdict.as_str()), (1, "inconclusive"));
        assert_eq!(report.interruptions[0].reason.name(), "interrupted");
    }
}

#[test]
fn what_is_stopped_goes_on_and_what_outlives_its_terminal_does_too() {
    let folder = tempfile::tempdir().expect("a folder");
    // As nohup starts it.
    let run = Command::new("sh")
        .args(["-c", "trap '' HUP; exec \"$0\" run --for 6s --json -"])
        .arg(assert_cmd::cargo::cargo_bin!("oddcore"))
        .env("XDG_STATE_HOME", folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let pause = |ms| thread::sleep(Duration::from_millis(ms));
    while children(run.id()).is_empty() {
        pause(20);
    }
    pause(1000);
    signal("-HUP", run.id());
    for (ms, stopped) in [(3000, vec![run.id()]), (3000, children(run.id()))] {
        stopped.iter().for_each(|&process| signal("-STOP", process));
        pause(ms);
        stopped.iter().for_each(|&process| signal("-CONT", process));
        pause(500);
    }
    let output = run.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = crate::common::report(&output);
    assert!(report.findings.is_empty() && report.interruptions.is_empty(), "{report:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn what_comes_through_a_workers_pipe_blames_nobody_and_excuses_no_reset() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = Command::new(assert_cmd::cargo::cargo_bin!("oddcore"))
        .args(["run", "--for", "4s", "--kernels", "gemm-f32", "--json", "-", "--runs"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    while children(run.id()).is_empty() {
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(Duration::from_millis(1500));
    let worker = *children(run.id()).first().expect("a worker");
    fs::write(format!("/proc/{worker}/fd/0"), "garbage\n").expect("its standard input");
    let output = run.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let report = crate::common::report(&output);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(report.cores.iter().filter(|core| core.verdict.name() == "suspect").count(), 1);
    let run = oddcore::journal::newest_runs(folder.path()).remove(0);
    let left = fs::read_dir(run).expect("there").flatten().map(|entry| entry.file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["journal"], "no word of a supervisor that lives");
}

/// Kilobytes of a process's own memory.
fn resident_kb(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?.split_whitespace().next()?.parse().ok()
}

/// The most that the worker of such a run had, and the least after that.
fn most_and_least_kb(seconds: &str) -> (u64, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let core = crate::common::testable_cores()[0].to_string();
    let mut run = Command::new(assert_cmd::cargo::cargo_bin!("oddcore"))
        .args(["run", "--for", seconds, "--cores", &core, "--loads", "solo"])
        .args(["--kernels", "webui-*,registers-*"])
        .env("XDG_STATE_HOME", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let (mut most, mut least) = (0, u64::MAX);
    while run.try_wait().expect("ours").is_none() {
        if let Some(kb) = children(run.id()).first().and_then(|&worker| resident_kb(worker)) {
            (most, least) = if kb > most { (kb, kb) } else { (most, least.min(kb)) };
        }
        thread::sleep(Duration::from_millis(20));
    }
    (most, least)
}

#[test]
fn a_worker_gives_back_the_memory_of_a_kernel_that_is_over() {
    // On a slow machine a short run may be over before the second kernel begins.
    let mut seen = ["3s", "12s", "48s"].into_iter().map(most_and_least_kb);
    // The registers take none, but are not the last on a busy machine; what the allocator keeps is its own business.
    assert!(seen.any(|(most, least)| least < most / 10 * 9), "no run of up to 48 s gave memory back");
}

/// How the C library of a process was told to clear memory.
fn tunables(process: u32) -> Option<String> {
    let environment = fs::read(format!("/proc/{process}/environ")).ok()?;
    let mut variables = environment.split(|byte| *byte == 0).filter_map(|variable| str::from_utf8(variable).ok());
    variables.find_map(|variable| variable.strip_prefix("GLIBC_TUNABLES=").map(str::to_owned))
}

#[test]
#[cfg(all(target_env = "gnu", target_arch = "x86_64"))]
fn only_workers_clear_memory_in_their_own_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let oddcore = |arguments: &[&str]| {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("oddcore"));
        command.args(arguments).env("XDG_STATE_HOME", folder.path()).env_remove("GLIBC_TUNABLES");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let mut run = oddcore(&["run", "--for", "10s"]).spawn().expect("starts");
    let mut seen = None;
    while seen.is_none() && run.try_wait().expect("a child").is_none() {
        thread::sleep(Duration::from_millis(50));
        seen = children(run.id()).into_iter().find_map(tunables);
    }
    signal("-INT", run.id());
    run.wait().expect("ends");
    let seen = seen.expect("a worker's");
    assert!(seen.starts_with("glibc.cpu.x86_rep_stosb_threshold="), "{seen}");
    let script = "test -z \"$GLIBC_TUNABLES\" && echo untouched";
    let exec = oddcore(&["exec", "--for", "3s", "--", "sh", "-c", script]).output().expect("starts");
    assert_eq!(exec.status.code(), Some(0), "{exec:?}");
}
