//! A run that is killed at any moment is gone on with, and nobody is blamed for it; one that died with its machine makes
//! suspects of the cores that were under load. `ODDCORE_TEST_KILLS=200` for more than a few moments.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use oddcore::{
    journal::{self, JOURNAL_FILE, Record},
    report::Report,
    verdict::{LossReason, OpenStep},
};

use crate::{
    common::{oddcore, report},
    processes::{children, kill},
};

/// How many moments each test tries.
fn moments() -> u64 {
    std::env::var("ODDCORE_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(2)
}

/// A run of its own, going on.
struct Run {
    child: Child,
    folder: tempfile::TempDir,
}

impl Run {
    fn start(loads: &str) -> Self {
        Self::start_in(loads, &[])
    }

    /// On a machine as a tree describes it, whose boot is known wherever this test runs.
    fn start_on(root: &tempfile::TempDir, loads: &str) -> Self {
        Self::start_in(loads, &["--root", root.path().to_str().expect("text")])
    }

    fn start_in(loads: &str, place: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let child = Command::new(assert_cmd::cargo::cargo_bin!("oddcore"))
            .arg("run")
            .args(place)
            .args(["--for", "4s", "--json", "-", "--kernels", "gemm-f32", "--loads", loads, "--runs"])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        Self { child, folder }
    }

    /// Its journal's records, as many as are whole.
    fn records(&self) -> Vec<Record> {
        journal::read(&self.journal()).map(|read| read.records).unwrap_or_default()
    }

    fn journal(&self) -> PathBuf {
        let runs = journal::newest_runs(self.folder.path());
        runs.first().map_or_else(|| self.folder.path().join("none"), |run| run.join(JOURNAL_FILE))
    }

    /// Until it has begun, then for a moment of its own.
    fn wait(&self, moment: u64) {
        while self.records().is_empty() {
            thread::sleep(Duration::from_millis(5));
        }
        // Spread over pre-pass and steps alike.
        thread::sleep(Duration::from_millis(moment.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & 0xfff));
    }

    /// The supervisor dies, and with it, before they can say so, its workers.
    fn kill_all(&mut self) {
        let workers = children(self.child.id());
        kill(self.child.id());
        workers.into_iter().for_each(kill);
        let _ = self.child.wait();
    }

    fn kill_supervisor(&mut self) {
        kill(self.child.id());
        let _ = self.child.wait();
    }

    fn say(&self, args: &[&str]) -> Output {
        let runs = self.folder.path().to_str().expect("text");
        oddcore(self.folder.path(), &[args, &["--runs", runs, "--json", "-"]].concat())
    }
}

/// The step that had begun and not ended.
fn open_step(records: &[Record]) -> Option<OpenStep> {
    records.iter().fold(None, |open, record| match record {
        Record::StepStarted(step) => {
            Some(OpenStep { load: step.load.clone(), kernel: step.kernel.clone(), cores: step.cores.clone() })
        }
        Record::StepEnded { .. } | Record::Interrupted { .. } | Record::BrokenOff { .. } => None,
        _ => open,
    })
}

/// A tree that describes this machine as it is after another boot.
fn rebooted(nth: u64) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    describe(root.path());
    put(root.path(), "/proc/sys/kernel/random/boot_id", format!("00000000-0000-4000-8000-{nth:012}\n").as_bytes());
    let later = jiff::Timestamp::now().as_second() as u64 + nth;
    put(root.path(), "/proc/stat", format!("btime {later}\n").as_bytes());
    root
}

/// This machine, in files.
#[cfg(unix)]
fn describe(root: &Path) {
    let copy = |path: &str| {
        if let Ok(bytes) = fs::read(path) {
            put(root, path, &bytes);
        }
    };
    for path in ["/proc/cpuinfo", "/proc/meminfo", "/proc/sys/kernel/osrelease", "/etc/os-release"] {
        copy(path);
    }
    let cpus = "/sys/devices/system/cpu";
    copy(&format!("{cpus}/online"));
    for cpu in fs::read_dir(cpus).expect("there").flatten() {
        for file in ["core_id", "core_cpus_list", "thread_siblings_list", "physical_package_id"] {
            copy(&format!("{cpus}/{}/topology/{file}", cpu.file_name().to_string_lossy()));
        }
    }
}

/// The same, where the OS has no such files.
#[cfg(not(unix))]
fn describe(root: &Path) {
    use oddcore::machine::{Root, format_cpu_list, read};
    let allowed = oddcore::platform::allowed_cpus().expect("readable");
    let machine = read(&Root::real(), &allowed).expect("a machine");
    let cpus: Vec<u32> = machine.cores.iter().flat_map(|core| core.cpus.clone()).collect();
    put(root, "/sys/devices/system/cpu/online", format_cpu_list(&cpus).as_bytes());
    for core in &machine.cores {
        for cpu in &core.cpus {
            let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/core_cpus_list");
            put(root, &path, format_cpu_list(&core.cpus).as_bytes());
        }
    }
}

fn put(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
    fs::write(path, bytes).expect("writable");
}

/// The report of a dead run shows what was open; the resumed run ends and blames nobody.
fn goes_on_blaming_nobody(run: &Run) {
    let open = open_step(&run.records());
    let dead = report(&run.say(&["report"]));
    assert_eq!((dead.open_step, dead.ended), (open, None));
    let output = run.say(&["resume"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let whole = report(&output);
    assert_eq!((whole.verdict.as_str(), whole.findings.len()), ("pass", 0));
    assert!(whole.ended.is_some() && whole.open_step.is_none());
    assert_eq!(whole.interruptions.iter().map(|i| i.reason).collect::<Vec<_>>(), [LossReason::Interrupted]);
    assert_eq!((whole.run, whole.started), (dead.run, dead.started), "the same run");
    assert_eq!(run.say(&["resume"]).status.code(), Some(2), "it has ended");
}

#[test]
fn a_killed_supervisor_is_an_interruption() {
    for moment in 0..moments() {
        let mut run = Run::start("solo,together");
        run.wait(moment);
        run.kill_supervisor();
        goes_on_blaming_nobody(&run);
    }
}

#[test]
fn a_whole_run_killed_in_one_boot_is_an_interruption() {
    for moment in 0..moments() {
        let mut run = Run::start("solo,together");
        run.wait(moment + 1000);
        run.kill_all();
        goes_on_blaming_nobody(&run);
    }
}

#[test]
fn a_killed_worker_is_started_again() {
    for moment in 0..moments() {
        let run = Run::start("solo,together");
        run.wait(moment + 2000);
        if let Some(&worker) = children(run.child.id()).get(moment as usize % 2) {
            kill(worker);
        }
        let output = run.child.wait_with_output().expect("ends");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(report(&output).findings.is_empty());
    }
}

/// The blamed cores and the suspects.
fn verdicts(report: &Report, verdict: &str) -> Vec<u32> {
    report.cores.iter().filter(|core| core.verdict.name() == verdict).map(|core| core.core).collect()
}

#[test]
fn what_died_with_its_machine_makes_suspects_and_alone_for_a_second_time_fails() {
    for moment in 0..moments().div_ceil(2) {
        let first = rebooted(0);
        let mut run = Run::start_on(&first, "solo");
        run.wait(moment + 3000);
        run.kill_all();
        let Some(open) = open_step(&run.records()) else { continue };
        // Somebody else's leftovers say nothing of this session.
        let root = rebooted(1);
        let place = ["--root", root.path().to_str().expect("text")];
        let mut again = Command::new(assert_cmd::cargo::cargo_bin!("oddcore"));
        again.arg("resume").args(place).arg("--runs").arg(run.folder.path()).stdout(Stdio::null());
        run.child = again.stderr(Stdio::null()).spawn().expect("starts");
        // Lost again as soon as one of them is alone.
        loop {
            let records = run.records();
            let step = open_step(&records).filter(|step| matches!(&step.cores[..], [c] if open.cores.contains(c)));
            let resumed = records.iter().any(|record| matches!(record, Record::Resumed { .. }));
            if step.is_some() && resumed {
                break;
            }
            assert!(run.child.try_wait().expect("ours").is_none(), "it ends without a core alone");
            thread::sleep(Duration::from_millis(5));
        }
        run.kill_all();
        // Its step may have ended meanwhile, and another may have begun.
        let alone = open_step(&run.records()).map(|open| open.cores).unwrap_or_default();
        let root = rebooted(2);
        let output = run.say(&["resume", "--root", root.path().to_str().expect("text")]);
        let report = report(&output);
        let lost = [LossReason::LostToReset; 2];
        assert_eq!(report.interruptions.iter().map(|i| i.reason).collect::<Vec<_>>(), lost, "{output:?}");
        assert_eq!(report.interruptions[0].cores, open.cores);
        match &alone[..] {
            [core] if open.cores.contains(core) => {
                assert_eq!((output.status.code(), verdicts(&report, "fail")), (Some(1), vec![*core]), "{report:?}");
            }
            _ => assert_eq!((output.status.code(), verdicts(&report, "fail")), (Some(3), vec![])),
        }
        let suspects = verdicts(&report, "suspect");
        assert!(suspects.iter().all(|core| open.cores.contains(core) || alone.contains(core)), "{suspects:?}");
    }
}

#[test]
fn suspects_stay_suspect_to_the_end_of_the_run() {
    let first = rebooted(0);
    let mut run = Run::start_on(&first, "together");
    run.wait(5000);
    run.kill_all();
    let open = open_step(&run.records()).map(|open| open.cores).unwrap_or_default();
    let root = rebooted(1);
    // A plain start says what became of it, and books it.
    let begun = run.say(&["--for", "1s", "--kernels", "gemm-f32", "--root", root.path().to_str().expect("text")]);
    let told = String::from_utf8_lossy(&begun.stderr);
    assert!(told.contains("did not end") && told.contains("oddcore resume"), "{told}");
    assert_eq!(begun.status.code(), Some(0), "{begun:?}");
    let output = run.say(&["resume", "--root", root.path().to_str().expect("text")]);
    let report = report(&output);
    assert_eq!(report.interruptions[0].reason, LossReason::LostToReset);
    assert_eq!(verdicts(&report, "suspect"), open);
    assert_eq!(output.status.code(), Some(if open.is_empty() { 0 } else { 3 }), "{output:?}");
}

#[test]
fn a_worker_that_outlives_its_supervisor_says_so() {
    let first = rebooted(0);
    let mut run = Run::start_on(&first, "solo,together");
    run.wait(7);
    while children(run.child.id()).is_empty() {
        thread::sleep(Duration::from_millis(5));
    }
    thread::sleep(Duration::from_millis(500));
    run.kill_supervisor();
    let folder = run.journal().parent().expect("a folder").to_owned();
    let left = || journal::supervisor_vanished(&folder, 1).is_some();
    assert!(
        (0..1000).any(|_| left() || {
            thread::sleep(Duration::from_millis(10));
            false
        }),
        "a worker leaves word"
    );
    let root = rebooted(1);
    let output = run.say(&["resume", "--root", root.path().to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(report(&output).interruptions[0].reason, LossReason::Interrupted);
}
