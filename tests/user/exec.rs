//! Programs of the user's: sound ones pass, bad cores are named, and programs that are no test blame nobody.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use oddcore::{
    journal::{self, JOURNAL_FILE, Record},
    report::Report,
    verdict::{CoreVerdict, Finding},
};

use crate::{
    common::{oddcore, report, testable_cores},
    processes::{children, signal},
};

/// `oddcore exec ... -- sh -c SCRIPT sh {dir}` with its runs in `folder`.
fn exec(folder: &Path, options: &[&str], script: &str) -> Output {
    let program = ["--", "sh", "-c", script, "sh", "{dir}"];
    oddcore(folder, &[&["exec", "--json", "-"], options, &program].concat())
}

fn verdicts(report: &Report) -> Vec<(u32, &str)> {
    let tested = report.cores.iter().filter(|core| core.verdict != CoreVerdict::NotTested);
    tested.map(|core| (core.core, core.verdict.name())).collect()
}

/// A condition of a shell that holds on this core alone: the CPU that the program was put on.
fn on(core: u32) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let output = oddcore(folder.path(), &["cores", "--json", "-"]);
    let machine: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let cpus = machine["cores"].as_array().expect("cores").iter().find(|own| own["core"] == core).expect("there");
    let own: Vec<String> = cpus["testable"].as_array().expect("a list").iter().map(ToString::to_string).collect();
    format!("grep -qE '^Cpus_allowed_list:.({})$' /proc/self/status", own.join("|"))
}

/// Nothing of the program's is left but what is said to be.
fn left_in(runs: &Path) -> Vec<String> {
    let run = journal::newest_runs(&runs.join("oddcore/runs")).remove(0);
    let mut names: Vec<String> =
        fs::read_dir(run).expect("there").flatten().map(|entry| entry.file_name().display().to_string()).collect();
    names.sort();
    names
}

#[test]
fn a_deterministic_program_passes_and_its_runs_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "[ \"$ODDCORE_DIR\" = \"$1\" ] && [ -z \"$(ls \"$1\")\" ] && seq 1 99 > \"$1/a\" && cp \"$1/a\" \"$1/b\" && cat \"$1/b\"";
    let output = exec(folder.path(), &["--times", "3", "--files", "a,b", "--loads", "solo,together"], script);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = report(&output);
    assert!(report.findings.is_empty() && report.profile == "exec", "{report:?}");
    let cores = testable_cores();
    for core in report.cores.iter().filter(|core| cores.contains(&core.core)) {
        let of = |load: &str| -> u64 {
            core.evidence.iter().filter(|part| part.load == load).map(|part| part.iterations).sum()
        };
        let cpus = report.machine.cores[core.core as usize].testable.len() as u64;
        assert_eq!((of("solo"), of("together")), (3, 3 * cpus), "{core:?}");
        assert_eq!((core.kernels[0].kernel.as_str(), core.kernels[0].variant.as_str()), ("exec", "sh"));
        assert!(core.checked.kernel_s > 0.0 && core.checked.cpu_s >= core.checked.kernel_s);
    }
    assert_eq!(left_in(folder.path()), ["journal"]);
}

#[test]
fn a_run_reads_like_any_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = testable_cores()[0].to_string();
    let args = ["exec", "--times", "2", "--exit", "3", "--cores", &first, "--loads", "solo"];
    let output = oddcore(folder.path(), &[&args[..], &["--", "sh", "-c", "echo one; exit 3"]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "every core tested computed correctly.",
        "note: sh: taken as right: exit 3, 4 bytes of standard output (0x2c8b08da5ce60398)",
        "Too short to validate. Tonight: oddcore exec --exit 3 --for 8h -- sh -c 'echo one; exit 3'",
        "Again: oddcore report ",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let again = oddcore(folder.path(), &["report"]);
    assert_eq!(again.stdout, output.stdout);
}

#[test]
fn what_says_nothing_is_compared_by_its_end_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let silent = report(&exec(folder.path(), &["--times", "2"], "true"));
    assert!(silent.notes.iter().any(|note| note.starts_with("sh prints nothing and no --files")), "{:?}", silent.notes);
    let spoken = report(&exec(folder.path(), &["--times", "2"], "echo fine"));
    assert!(!spoken.notes.iter().any(|note| note.contains("prints nothing")), "{:?}", spoken.notes);
    // What crashes wherever it runs is no test either, and may yet be what is looked for: it is run on every core.
    let crashed = exec(folder.path(), &["--times", "2"], "kill -SEGV $$");
    assert_eq!(crashed.status.code(), Some(2), "{crashed:?}");
    let said = String::from_utf8_lossy(&crashed.stderr).into_owned();
    assert!(said.contains("sh: SIGSEGV instead of exit 0") && said.contains("the run is kept in"), "{said}");
}

/// Findings of a program on a core that is bad whenever `script` says so, and only there.
fn found_on_last(options: &[&str], script: impl Fn(&str) -> String) -> Option<Vec<Finding>> {
    let cores = testable_cores();
    let (Some(&bad), true) = (cores.last(), cores.len() > 1) else {
        eprintln!("one core alone has nobody to differ from");
        return None;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let output = exec(folder.path(), options, &script(&on(bad)));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report = report(&output);
    let failed: Vec<u32> =
        verdicts(&report).into_iter().filter(|(_, verdict)| *verdict == "fail").map(|(core, _)| core).collect();
    assert_eq!(failed, [bad], "{report:?}");
    assert!(report.findings.iter().all(|finding| finding.core == Some(bad)), "{:?}", report.findings);
    assert!(report.cores[bad as usize].diagnosis.is_some());
    Some(report.findings)
}

#[test]
fn a_core_on_which_it_crashes_is_named() {
    let crash = |bad: &str| format!("{bad} && kill -SEGV $$; echo fine");
    let Some(findings) = found_on_last(&["--times", "2"], crash) else { return };
    for finding in &findings {
        assert_eq!((finding.class.name(), finding.stage.as_deref()), ("crash", Some("exit")), "{finding:?}");
        assert!(finding.detail.starts_with("SIGSEGV instead of exit 0"), "{finding:?}");
        assert_eq!((finding.kernel.as_deref(), finding.variant.as_deref()), (Some("exec"), Some("sh")));
    }
    let again = findings[0].again.as_ref().expect("looked into");
    assert!(again.same.is_some_and(|same| same.wrong == same.times && same.times == 10), "{again:?}");
    assert!(again.others.iter().all(|other| other.wrong == 0) && !again.others.is_empty(), "{again:?}");
    // As a shell passes it on.
    let passed_on = |bad: &str| format!("{bad} && exit 139; echo fine");
    let findings = found_on_last(&["--times", "2"], passed_on).expect("as before");
    assert!(findings[0].class.name() == "crash" && findings[0].detail.contains("SIGSEGV of what it ran"));
}

#[test]
fn a_core_on_which_it_wavers_is_named_with_the_line_and_the_file() {
    // Wrong in another way each time, three times of four; a count, since process ids may come in step with the runs.
    let folder = tempfile::tempdir().expect("a folder");
    let count = folder.path().join("count").display().to_string();
    let waver = |bad: &str| {
        format!(
            "echo top; echo data > \"$1/out\"; {bad} && echo x >> {count} && n=$(($(wc -l < {count}))) && [ $((n % 4)) != 0 ] \
             && echo $n && echo $n > \"$1/out\"; exit 0"
        )
    };
    let Some(findings) = found_on_last(&["--times", "4", "--files", "out"], waver) else { return };
    for finding in &findings {
        assert_eq!((finding.class.name(), finding.stage.as_deref()), ("miscompute", Some("stdout")), "{finding:?}");
        assert!(finding.expected.is_some() && finding.actual.is_some() && finding.expected != finding.actual);
    }
    let detail = &findings[0].detail;
    assert!(detail.starts_with("standard output differs at line 2: \""), "{detail}");
    assert!(detail.contains(" instead of nothing; out differs at line 1: \""), "{detail}");
    assert!(detail.contains("\" instead of \"data\"; again on the same core: "), "{detail}");
}

#[test]
fn a_core_that_errs_once_all_is_agreed_is_named_at_once() {
    // Right in the pre-pass, wrong from the twentieth run on.
    let folder = tempfile::tempdir().expect("a folder");
    let count = folder.path().join("count").display().to_string();
    let late = |bad: &str| format!("{bad} && echo x >> {count} && [ $(wc -l < {count}) -gt 20 ] && exit 1; exit 0");
    let Some(findings) = found_on_last(&["--times", "30", "--loads", "solo"], late) else { return };
    assert!(findings.len() == 16 && findings.iter().all(|finding| finding.load == "solo"), "{findings:?}");
    assert_eq!(findings[0].detail.split(';').next(), Some("exit 1 instead of exit 0"));
}

#[test]
fn a_core_on_which_it_never_ends_hangs() {
    let hang = |bad: &str| format!("if {bad}; then while :; do :; done; fi");
    let Some(findings) = found_on_last(&["--times", "1", "--loads", "solo"], hang) else { return };
    assert!(findings.iter().all(|finding| finding.class.name() == "hang"), "{findings:?}");
}

#[test]
fn a_program_that_contradicts_itself_blames_nobody() {
    for script in ["date +%s%N", "echo $1"] {
        let folder = tempfile::tempdir().expect("a folder");
        let output = exec(folder.path(), &["--times", "2"], script);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{output:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        let line = errors.lines().find(|line| line.starts_with("oddcore: ")).expect("an error");
        assert!(line.contains("sh is not deterministic: "), "{line}");
        let shown = oddcore(folder.path(), &["report", "--json", "-"]);
        let report = report(&shown);
        assert!(report.findings.is_empty() && report.exit_code == 2 && report.unfit.is_some(), "{report:?}");
    }
}

#[test]
fn a_program_that_hops_is_moved_and_accuses_all_cores_that_it_was_on() {
    if testable_cores().len() < 2 {
        return eprintln!("one core alone has nowhere to hop to");
    }
    let at = "grep Cpus_allowed_list /proc/self/status";
    let options = ["--times", "2", "--loads", "hop"];
    // Long enough to be moved, and right wherever it is.
    let folder = tempfile::tempdir().expect("a folder");
    let output = exec(folder.path(), &options, "sleep 0.3; echo fine");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let hopped = report(&output);
    for (core, verdict) in verdicts(&hopped) {
        let runs = hopped.cores[core as usize].evidence.iter().filter(|part| part.load == "hop-migrated");
        assert!(verdict == "pass" && runs.map(|part| part.iterations).sum::<u64>() > 0, "core {core}: {hopped:?}");
    }
    // It tells whether it was moved: wrong where it hops, and only there.
    let folder = tempfile::tempdir().expect("a folder");
    let moved = format!(
        "a=$({at}); for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 0.02; [ \"$({at})\" = \"$a\" ] || b=moved; done; echo fine $b"
    );
    let output = exec(folder.path(), &options, &moved);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let report = report(&output);
    let [first, ..] = &report.findings[..] else { panic!("{report:?}") };
    assert!(report.findings.iter().all(|finding| finding.core.is_none() && finding.suspects.len() > 1), "{report:?}");
    assert!(first.detail.contains("moved from core to core") && first.load == "hop-migrated", "{first:?}");
}

#[test]
fn what_changes_everywhere_blames_nobody() {
    if testable_cores().len() < 2 {
        return eprintln!("one core alone has nobody to differ from");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let count = folder.path().join("count").display().to_string();
    let script = format!("echo x >> {count}; [ $(wc -l < {count}) -gt 60 ] && echo full; exit 0");
    let output = exec(folder.path(), &["--times", "60", "--loads", "solo"], &script);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("has changed on every core"), "{output:?}");
}

#[test]
fn what_cannot_be_run_is_refused_before_anything_begins() {
    let refuses = |args: &[&str], what: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let output = oddcore(folder.path(), &[&["exec"], args].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), errors.lines().count()), (Some(2), 1), "{args:?}: {errors}");
        assert!(errors.contains(what), "{args:?}: {errors}");
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0, "{args:?} left something behind");
    };
    refuses(&["--", "/nonexistent/program"], "/nonexistent/program: no such program");
    refuses(&["--", "/"], "cannot be run");
    refuses(&["--loads", "bursts", "--", "true"], "--loads bursts: a program cannot be told when to wait");
    refuses(&["--loads", "hop-unpinned", "--", "true"], "nobody could say");
    refuses(&["--loads", "heavy", "--", "true"], "no such load");
    refuses(&["--files", "../x", "--", "true"], "--files ../x: name a file in {dir}");
    refuses(&["--files", "/tmp/x", "--", "true"], "--loads solo alone");
    refuses(&["--cores", "99999", "--", "true"], "no core 99999");
    refuses(&["--for", "0", "--", "true"], "longer than zero");
    // Mostly a slip of the pen, which would pass on every core alike.
    let slip = "echo 'no such script' >&2; exit 3";
    refuses(&["--", "sh", "-c", slip], "sh: exit 3 instead of exit 0; if that is right: --exit 3 (no such script)");
    refuses(&["--exit", "3", "--", "true"], "true: exit 0 instead of exit 3; if that is right: --exit 0");
    refuses(&["--files", "a,b", "--", "sh", "-c", "echo > $ODDCORE_DIR/a"], "sh: it does not make b in {dir}");
}

#[test]
fn the_example_of_its_help_works() {
    let folder = tempfile::tempdir().expect("a folder");
    let help = oddcore(folder.path(), &["exec", "--help"]);
    let help = String::from_utf8_lossy(&help.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    let example = help.split("Example: oddcore ").nth(1).and_then(|rest| rest.split(" More in ").next());
    let output = Command::new("sh")
        .args(["-c", &format!("exec \"$0\" {}", example.expect("one"))])
        .arg(assert_cmd::cargo::cargo_bin!("oddcore"))
        .env("XDG_STATE_HOME", folder.path())
        .output()
        .expect("starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("and the named files"), "{output:?}");
}

#[test]
fn a_program_moves_nowhere() {
    let cpus = rustix::thread::sched_getaffinity(None).expect("readable").count();
    if cpus < 2 || Command::new("taskset").arg("--version").output().is_err() {
        return eprintln!("there is nowhere to move to, or nothing to move with");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = "taskset -p ffffffff $$ > /dev/null; echo fine";
    let output = exec(folder.path(), &["--times", "2", "--loads", "solo"], script);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("moved itself to other CPUs"), "{output:?}");
}

/// A run of a program that takes its time, going on.
fn going_on(folder: &Path) -> std::process::Child {
    let run = Command::new(assert_cmd::cargo::cargo_bin!("oddcore"))
        .args(["exec", "--for", "4s", "--json", "-", "--", "sh", "-c", "sleep 0.2 & wait; echo fine"])
        .env("XDG_STATE_HOME", folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let runs = folder.join("oddcore/runs");
    let begun = || {
        let journals = journal::newest_runs(&runs).into_iter().map(|run| run.join(JOURNAL_FILE));
        let mut records = journals.filter_map(|path| journal::read(&path).ok()).flat_map(|read| read.records);
        records.any(|record| matches!(record, Record::StepEnded { .. }))
    };
    while !begun() {
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(Duration::from_millis(700));
    run
}

/// What a process started, and what that started in turn.
fn below(process: u32) -> Vec<u32> {
    children(process).into_iter().flat_map(|child| [vec![child], below(child)].concat()).collect()
}

fn is_gone(process: u32) -> bool {
    fs::read_to_string(format!("/proc/{process}/stat")).map_or(true, |stat| stat.contains(") Z"))
}

#[test]
fn a_killed_run_takes_its_programs_along_and_is_gone_on_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut run = going_on(folder.path());
    let all = below(run.id());
    assert!(!all.is_empty());
    signal("-KILL", run.id());
    let _ = run.wait();
    let gone = (0..500).any(|_| {
        thread::sleep(Duration::from_millis(10));
        all.iter().all(|&process| is_gone(process))
    });
    assert!(gone, "{all:?}");
    let output = oddcore(folder.path(), &["resume", "--json", "-"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = report(&output);
    assert!(report.findings.is_empty() && report.ended.is_some() && report.interruptions.len() == 1, "{report:?}");
    let left: Vec<String> =
        left_in(folder.path()).into_iter().filter(|name| !name.starts_with("supervisor-vanished")).collect();
    assert_eq!(left, ["journal"]);
}

#[test]
fn an_interrupted_run_ends_in_a_report_and_so_do_its_programs() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = going_on(folder.path());
    let all = below(run.id());
    signal("-INT", run.id());
    let output = run.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let report = report(&output);
    assert!(report.findings.is_empty() && report.interruptions.len() == 1, "{report:?}");
    assert!(all.iter().all(|&process| is_gone(process)), "{all:?}");
}

#[test]
fn a_program_that_is_killed_from_outside_blames_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = going_on(folder.path());
    let program = children(run.id()).into_iter().find_map(|worker| children(worker).first().copied());
    program.into_iter().for_each(|program| signal("-KILL", program));
    let output = run.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = report(&output);
    assert!(report.findings.is_empty(), "{report:?}");
    assert!(program.is_none() || report.notes.iter().any(|note| note.contains("SIGKILL ended sh from outside")));
}
