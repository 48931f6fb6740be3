//! `oddcore tune` on a tree of files with a model of cores whose clock follows its cap: the highest clock that passes is found,
//! and the caps are what they were, whatever ends the tuning. `ODDCORE_TEST_KILLS=20` for more than a few moments.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use oddcore::{
    journal::{self, JOURNAL_FILE, Record},
    plan::Told,
    report::tune::{TuneReport, TunedCore},
};

use crate::{
    common::{STATE_HOME, oddcore},
    processes::signal,
};

/// What the caps are before, kHz: not what any probe sets.
const BEFORE: u32 = 5_555_000;

/// A machine of two cores at most, 53x to 57x, and folders for its tree and its runs.
struct Modelled {
    root: tempfile::TempDir,
    runs: tempfile::TempDir,
    cpus: Vec<u32>,
    _alone: MutexGuard<'static, ()>,
}

/// Tunings want the cores for themselves: one after the other.
static ALONE: Mutex<()> = Mutex::new(());

impl Modelled {
    fn new(model: &str) -> Self {
        let mut cpus = oddcore::platform::thread_affinity().expect("readable");
        cpus.truncate(2);
        let folder = || tempfile::tempdir().expect("a folder");
        let own =
            Self { root: folder(), runs: folder(), cpus, _alone: ALONE.lock().unwrap_or_else(PoisonError::into_inner) };
        own.put("oddcore-model", model);
        own.put("proc/sys/kernel/random/boot_id", "00000000-0000-4000-8000-000000000001\n");
        let list: Vec<String> = own.cpus.iter().map(u32::to_string).collect();
        own.put("sys/devices/system/cpu/online", &list.join(","));
        for cpu in &own.cpus {
            own.of_cpu(*cpu, "topology/core_cpus_list", &cpu.to_string());
            own.of_cpu(*cpu, "cpufreq/related_cpus", &cpu.to_string());
            own.of_cpu(*cpu, "cpufreq/cpuinfo_max_freq", "5700000");
            own.of_cpu(*cpu, "cpufreq/cpuinfo_min_freq", "800000");
            own.of_cpu(*cpu, "cpufreq/base_frequency", "5300000");
            own.of_cpu(*cpu, "cpufreq/scaling_max_freq", &format!("{BEFORE}\n"));
        }
        own
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(path, text).expect("writable");
    }

    fn of_cpu(&self, cpu: u32, file: &str, text: &str) {
        self.put(&format!("sys/devices/system/cpu/cpu{cpu}/{file}"), text);
    }

    fn caps(&self) -> Vec<Option<u32>> {
        let path = |cpu| self.root.path().join(format!("sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_max_freq"));
        self.cpus.iter().map(|cpu| fs::read_to_string(path(cpu)).ok()?.trim().parse().ok()).collect()
    }

    fn caps_are_back(&self) -> bool {
        self.caps().iter().all(|cap| *cap == Some(BEFORE))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("oddcore"));
        command.args(args).args(["--json", "-", "--runs"]).arg(self.runs.path()).arg("--root").arg(self.root.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).env(STATE_HOME, self.runs.path());
        command
    }

    fn say(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("starts")
    }

    fn tune(&self) -> Output {
        self.say(&TUNE)
    }

    fn start(&self) -> Child {
        self.command(&TUNE).spawn().expect("starts")
    }

    /// Waits until that holds, while the program is there.
    fn wait(&self, child: &mut Child, until: impl Fn(&Self) -> bool) {
        while !until(self) {
            assert!(child.try_wait().expect("ours").is_none(), "it ended before");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn records(&self) -> Vec<Record> {
        let newest = journal::newest_runs(self.runs.path()).into_iter().next();
        let read = newest.and_then(|run| journal::read(&run.join(JOURNAL_FILE)).ok());
        read.map(|read| read.records).unwrap_or_default()
    }
}

const TUNE: [&str; 5] = ["tune", "--kernels", "gemm-f32", "--for", "0.3s"];

fn tuned(output: &Output) -> TuneReport {
    let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output:?}"));
    crate::schema::check_tune(&value);
    serde_json::from_value(value).expect("what the schema holds for is a report")
}

fn passes(core: &TunedCore) -> Option<(u32, bool)> {
    core.passes.as_ref().map(|rung| (rung.multiplier, rung.confirmed))
}

fn fails(core: &TunedCore) -> Option<u32> {
    core.fails.as_ref().map(|rung| rung.multiplier)
}

/// Core 0 errs above 55x, core 1 never.
const ONE_BAD: &str = "# a model\ncore 0 errs above 5550 MHz\n";

fn finds_the_bad_one(report: &TuneReport) {
    assert!(report.drill && report.ended.is_some() && !report.capped, "{report:?}");
    assert_eq!((passes(&report.cores[0]), fails(&report.cores[0])), (Some((55, true)), Some(56)), "{report:?}");
    for core in &report.cores[1..] {
        assert_eq!((passes(core), fails(core)), (Some((57, true)), None), "{report:?}");
    }
    assert_eq!(report.exit_code, 1);
    for core in &report.cores {
        assert!(core.decided, "{core:?}");
        for probe in core.probes.iter().filter(|probe| probe.told == Some(Told::Pass)) {
            assert!(probe.errors == 0 && probe.reached_s >= probe.asked_s && probe.iterations > 0, "{probe:?}");
        }
        assert!(core.probes.iter().all(|probe| (probe.told == Some(Told::Fail)) == (probe.errors > 0)), "{core:?}");
    }
}

#[test]
fn the_highest_clock_of_each_core_is_found_and_the_caps_are_put_back() {
    let machine = Modelled::new(ONE_BAD);
    let output = machine.tune();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report = tuned(&output);
    finds_the_bad_one(&report);
    assert!(machine.caps_are_back(), "{:?}", machine.caps());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("passes at 55x (5,500 MHz): 0 errors in") && told.contains("fails at 56x: "), "{told}");
    assert!(told.contains("DRILL"), "{told}");
    let runs = machine.runs.path().to_str().expect("text");
    let again = oddcore(machine.runs.path(), &["report", "--runs", runs, "--json", "-"]);
    assert_eq!(again.stdout, output.stdout, "a replay says the same");
    let resumed = machine.say(&["resume"]);
    assert_eq!(resumed.status.code(), Some(2), "it has ended");
    // What was kept was on the disk before the first probe.
    let records = machine.records();
    let at = |is: fn(&Record) -> bool| records.iter().position(is).expect("there");
    let (kept, probe) =
        (at(|r| matches!(r, Record::CapsKept { .. })), at(|r| matches!(r, Record::ProbeStarted { .. })));
    assert!(kept < probe && at(|r| matches!(r, Record::CapsRestored { .. })) > probe);
}

#[test]
fn cores_without_fault_pass_at_their_top() {
    let machine = Modelled::new("");
    let output = machine.tune();
    let report = tuned(&output);
    assert_eq!((output.status.code(), report.exit_code), (Some(0), 0), "{report:?}");
    assert!(report.cores.iter().all(|core| passes(core) == Some((57, true)) && core.probes.len() == 2), "{report:?}");
    assert!(machine.caps_are_back());
}

#[test]
fn a_clock_that_is_not_reached_is_not_claimed() {
    let machine = Modelled::new("core 0 reaches 5420 MHz");
    let output = machine.tune();
    let report = tuned(&output);
    assert_eq!(output.status.code(), Some(3), "{report:?}");
    let core = &report.cores[0];
    assert_eq!((passes(core), fails(core)), (Some((54, true)), None), "{report:?}");
    assert_eq!(core.not_reached.as_ref().map(|rung| rung.multiplier), Some(55), "{report:?}");
    assert!(core.probes.iter().all(|probe| probe.multiplier < 55 || probe.told == Some(Told::NotReached)), "{core:?}");
    assert!(core.sentence.contains("at 55x not reached: its clock was 5420 MHz"), "{}", core.sentence);
    assert!(machine.caps_are_back());
}

#[test]
fn an_interrupt_puts_the_caps_back_and_resume_goes_on() {
    let machine = Modelled::new(ONE_BAD);
    let mut child = machine.start();
    machine.wait(&mut child, |machine| !machine.caps_are_back());
    thread::sleep(Duration::from_millis(700));
    signal("-INT", child.id());
    let output = child.wait_with_output().expect("ends");
    let report = tuned(&output);
    assert!(matches!(output.status.code(), Some(1 | 3)) && report.ended.is_none(), "{output:?}");
    assert!(machine.caps_are_back() && !report.capped, "{:?}", machine.caps());
    let runs = machine.runs.path().to_str().expect("text");
    let elsewhere = oddcore(machine.runs.path(), &["resume", "--runs", runs]);
    assert_eq!(elsewhere.status.code(), Some(2), "{elsewhere:?}");
    assert!(String::from_utf8_lossy(&elsewhere.stderr).contains("begun with --root"), "{elsewhere:?}");
    let resumed = machine.say(&["resume"]);
    let whole = tuned(&resumed);
    finds_the_bad_one(&whole);
    assert_eq!((whole.run, resumed.status.code()), (report.run, Some(1)));
    let before: Vec<_> = report.cores.iter().flat_map(|core| &core.probes).filter(|p| p.told.is_some()).collect();
    assert!(whole.cores.iter().flat_map(|core| &core.probes).count() >= before.len(), "what is known is used");
    assert!(machine.caps_are_back());
}

#[test]
fn the_next_command_puts_back_what_a_killed_tuning_left() {
    let moments = std::env::var("ODDCORE_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_u64);
    for moment in 0..moments {
        let machine = Modelled::new(ONE_BAD);
        let mut child = machine.start();
        machine.wait(&mut child, |machine| !machine.records().is_empty());
        // From before the first cap to the last.
        thread::sleep(Duration::from_millis(moment.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & 0x7ff));
        signal("-KILL", child.id());
        child.wait().expect("ours");
        let left_capped = !machine.caps_are_back();
        let runs = machine.runs.path().to_str().expect("text");
        // One that knows nothing of the tree.
        let next = match moment % 3 {
            0 => oddcore(machine.runs.path(), &["run", "--for", "1s", "--kernels", "gemm-f32", "--runs", runs]),
            1 => machine.say(&["resume"]),
            _ => oddcore(machine.runs.path(), &["--for", "1s", "--kernels", "gemm-f32", "--runs", runs]),
        };
        let told = String::from_utf8_lossy(&next.stderr);
        assert!(machine.caps_are_back(), "{moment}: {:?} {told}", machine.caps());
        if left_capped {
            assert!(told.contains("had left clocks capped; their caps are set back"), "{moment}: {told}");
        }
        match moment % 3 {
            1 => finds_the_bad_one(&tuned(&next)),
            _ => assert_eq!(next.status.code(), Some(0), "{moment}: {next:?}"),
        }
    }
}

#[test]
fn a_newer_run_hides_no_tuning() {
    let machine = Modelled::new(ONE_BAD);
    let mut child = machine.command(&["tune", "--kernels", "gemm-f32", "--for", "60s"]).spawn().expect("starts");
    machine.wait(&mut child, |machine| !machine.caps_are_back());
    let runs = machine.runs.path().to_str().expect("text");
    let newer = || oddcore(machine.runs.path(), &["run", "--for", "1s", "--kernels", "gemm-f32", "--runs", runs]);
    assert_eq!(newer().status.code(), Some(0));
    let beside = machine.tune();
    assert_eq!(beside.status.code(), Some(2), "{beside:?}");
    signal("-KILL", child.id());
    child.wait().expect("ours");
    assert!(!machine.caps_are_back());
    let told = newer().stderr;
    assert!(machine.caps_are_back(), "{:?} {}", machine.caps(), String::from_utf8_lossy(&told));
}

#[test]
fn a_tuning_in_any_folder_is_found() {
    let machine = Modelled::new(ONE_BAD);
    let mut child = machine.command(&["tune", "--kernels", "gemm-f32", "--for", "60s"]).spawn().expect("starts");
    machine.wait(&mut child, |machine| !machine.caps_are_back());
    // Commands that know neither the tree nor the folder of the runs.
    let root = machine.root.path().to_str().expect("text");
    let beside = oddcore(machine.runs.path(), &["tune", "--root", root]);
    assert_eq!(beside.status.code(), Some(2), "{beside:?}");
    signal("-KILL", child.id());
    child.wait().expect("ours");
    assert!(!machine.caps_are_back());
    let told = |output: Output| String::from_utf8_lossy(&output.stderr).contains("their caps are set back");
    assert!(told(oddcore(machine.runs.path(), &["doctor"])));
    assert!(machine.caps_are_back(), "{:?}", machine.caps());
    assert!(!told(oddcore(machine.runs.path(), &["doctor"])), "once is enough");
}

#[test]
fn after_a_reset_the_core_that_was_at_work_failed_there_and_nothing_is_set_back() {
    let machine = Modelled::new("");
    let mut child = machine.start();
    let probes = |machine: &Modelled| machine.records().iter().any(|r| matches!(r, Record::ProbeStarted { .. }));
    machine.wait(&mut child, probes);
    // The supervisor dies, and with it, before they can say so, its workers.
    let workers = crate::processes::children(child.id());
    signal("-KILL", child.id());
    workers.into_iter().for_each(|worker| signal("-KILL", worker));
    child.wait().expect("ours");
    // As after a boot: another id, later than the last sign of life, and the kernel's own caps.
    machine.put("proc/sys/kernel/random/boot_id", "00000000-0000-4000-8000-000000000002\n");
    machine.put("proc/stat", &format!("btime {}\n", jiff::Timestamp::now().as_second() + 1));
    for cpu in &machine.cpus {
        machine.of_cpu(*cpu, "cpufreq/scaling_max_freq", "5700000\n");
    }
    let output = machine.say(&["resume"]);
    let told = String::from_utf8_lossy(&output.stderr);
    let report = tuned(&output);
    assert!(told.contains("the reset has undone that"), "{told}");
    assert_eq!((output.status.code(), fails(&report.cores[0])), (Some(1), Some(57)), "{report:?}");
    assert_eq!(passes(&report.cores[0]), Some((56, true)), "{report:?}");
    assert!(report.cores[0].probes[0].lost && report.cores[0].sentence.contains("the machine froze or reset"));
    assert!(machine.caps().iter().all(|cap| *cap == Some(5_700_000)), "{:?}", machine.caps());
}

#[test]
fn what_cannot_be_tuned_is_refused_before_anything_is_written() {
    let refused = |machine: &Modelled, said: &str| {
        let output = machine.tune();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(told.lines().count() == 1 && told.contains(said), "{said}: {told}");
        assert_eq!(fs::read_dir(machine.runs.path()).expect("there").count(), 0);
    };
    let no_model = Modelled::new("");
    fs::remove_file(no_model.root.path().join("oddcore-model")).expect("ours");
    refused(&no_model, "cap no real clock");
    assert!(no_model.caps_are_back());
    no_model.put("oddcore-model", "core 0 is fast");
    refused(&no_model, "core 0 is fast");
    let none = no_model;
    let cap = |machine: &Modelled| {
        let cpu = machine.cpus[0];
        machine.root.path().join(format!("sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_max_freq"))
    };
    fs::remove_file(cap(&none)).expect("ours");
    refused(&none, "scaling_max_freq is not there: this kernel has no cpufreq driver");
    none.put("proc/cpuinfo", "processor\t: 0\nflags\t: fpu hypervisor\n");
    refused(&none, "clocks of a virtual machine are its host's to cap");
}

/// Root may write everything, so the tuning is somebody else's.
#[test]
fn caps_that_may_not_be_set_are_refused() {
    let machine = Modelled::new("");
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("ours");
    open(machine.root.path());
    open(machine.runs.path());
    for cpu in &machine.cpus {
        let path = machine.root.path().join(format!("sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_max_freq"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o444)).expect("ours");
    }
    let mut command = machine.command(&TUNE);
    if rustix::process::geteuid().is_root() {
        command.uid(65_534).gid(65_534);
    }
    let Ok(output) = command.output() else { return eprintln!("nobody else may start the program here") };
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(told.lines().count() == 1 && told.contains("Permission denied") && told.contains("run as root"), "{told}");
    assert_eq!(fs::read_dir(machine.runs.path()).expect("there").count(), 0);
}

#[test]
fn a_core_that_erred_is_tried_one_step_lower_where_that_is_asked_for() {
    let machine = Modelled::new(ONE_BAD);
    // Let the run be at the top, where core 0 errs.
    for cpu in &machine.cpus {
        machine.of_cpu(*cpu, "cpufreq/scaling_max_freq", "5600000\n");
    }
    let args = ["run", "--kernels", "gemm-f32", "--loads", "solo", "--for", "2s", "--lower-on-finding", "--cores", "0"];
    let output = machine.say(&args);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report = crate::common::report(&output);
    assert!(
        report.drill && report.findings.iter().all(|f| (f.core, f.multiplier) == (Some(0), Some(56))),
        "{report:?}"
    );
    assert!(
        report.advice.iter().any(|line| line.starts_with("C0: fails at 56x, passes at 55x (0 errors in ")),
        "{:?}",
        report.advice
    );
    assert!(machine.caps().iter().all(|cap| *cap == Some(5_600_000)), "{:?}", machine.caps());
}
