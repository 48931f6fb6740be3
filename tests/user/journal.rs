//! The journal survives what it is there for: a file cut at any byte opens, and says what was running.

#[cfg(unix)]
use std::process::Command;
use std::{fs, path::Path, time::Duration};

use crate::common::{oddcore, report};
use oddcore::{
    journal::{self, JOURNAL_FILE, Record},
    machine::{Boot, traces::Traces},
    supervisor::aftermath,
    verdict::{LossReason, Outcome},
};

/// A real run's journal.
fn recorded() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let runs = folder.path().join("runs");
    let output = oddcore(folder.path(), &["run", "--for", "1s", "--runs", runs.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let run = fs::read_dir(&runs).expect("there").next().expect("one run").expect("readable").path();
    (folder, run.join(JOURNAL_FILE))
}

#[test]
fn a_journal_cut_anywhere_still_opens() {
    let (folder, path) = recorded();
    let whole = fs::read(&path).expect("readable");
    let all = journal::read(&path).expect("sound");
    assert!(all.tail.is_none() && all.good_bytes == whole.len() as u64);
    let first_line = whole.iter().position(|&byte| byte == b'\n').expect("lines") + 1;
    let torn = folder.path().join("torn");
    for length in (first_line..whole.len()).step_by(97) {
        fs::write(&torn, &whole[..length]).expect("writable");
        let read = journal::read(&torn).expect("opens");
        assert_eq!(read.tail.is_some(), read.good_bytes != length as u64);
        assert!(read.records.len() <= all.records.len() && read.good_bytes <= length as u64);
        let outcome = Outcome::of(&read.records);
        // The last step begun and not ended is the one that was running.
        let open = read.records.iter().rev().find_map(|record| match record {
            Record::StepStarted(step) => Some(Some(step.load.clone())),
            Record::StepEnded { .. } => Some(None),
            _ => None,
        });
        assert_eq!(outcome.open_step.as_ref().map(|open| &open.load), open.flatten().as_ref());
        assert!(outcome.ended.is_none() && outcome.exit_code() == 3);
    }
}

#[test]
fn what_is_no_journal_is_said_to_be_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("run");
    fs::create_dir(&run).expect("writable");
    for bytes in [&b""[..], b"nonsense\n", &[0xff; 300]] {
        fs::write(run.join(JOURNAL_FILE), bytes).expect("writable");
        let output = oddcore(folder.path(), &["report", run.to_str().expect("text")]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1, "{output:?}");
    }
}

#[test]
fn journals_of_format_1_are_still_read() {
    for (name, verdict, exit_code) in [("pass", "pass", 0), ("drill", "fail", 1), ("killed", "inconclusive", 3)] {
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/journals/format-1-{name}.journal"));
        let folder = tempfile::tempdir().expect("a folder");
        fs::copy(file, folder.path().join(JOURNAL_FILE)).expect("writable");
        let read = report(&oddcore(folder.path(), &["report", folder.path().to_str().expect("text"), "--json", "-"]));
        assert_eq!((read.verdict.as_str(), read.exit_code), (verdict, exit_code), "{name}");
        match name {
            "drill" => assert!(read.findings.iter().all(|finding| finding.core == Some(1)), "{name}"),
            "killed" => {
                let open = read.open_step.expect("it was killed in a step");
                assert_eq!((open.load.as_str(), open.cores), ("solo", vec![1]));
                let mut dead = aftermath::open(folder.path(), Duration::ZERO).expect("it opens");
                let boot = Boot { id: "another".into(), booted_at_s: Some(4_000_000_000) };
                let loss = dead.settle(None, &Traces { boot: Some(boot), ..Traces::default() }).expect("writable");
                assert_eq!(loss.map(|loss| loss.reason), Some(LossReason::LostToReset));
                assert_eq!(dead.outcome.standing.lost.keys().copied().collect::<Vec<_>>(), [1]);
            }
            _ => assert!(read.cores.iter().all(|core| core.checked.iterations > 100 && core.checked.cpu_s > 0.1)),
        }
    }
}

/// Runs for three seconds under a shell's `limit`, and `meddle`s with the runs' folder after one.
#[cfg(unix)]
fn meddled(limit: &str, meddle: impl FnOnce(&Path)) -> oddcore::report::Report {
    let folder = tempfile::tempdir().expect("a folder");
    let runs = folder.path().join("runs");
    let run = Command::new("sh")
        .args(["-c", &format!("{limit}; exec \"$0\" run --for 3s --kernels gemm-f32 --json - --runs \"$1\"")])
        .arg(assert_cmd::cargo::cargo_bin!("oddcore"))
        .arg(&runs)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("starts");
    // More than the opening, without which no run begins.
    let records = |run: &Path| journal::read(&run.join(JOURNAL_FILE)).map_or(0, |read| read.records.len());
    let begun = || journal::newest_runs(&runs).first().is_some_and(|run| records(run) > 1);
    while !begun() {
        std::thread::sleep(Duration::from_millis(10));
    }
    meddle(&runs);
    let output = run.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        told.matches("note: the journal cannot be written any more").count(),
        2,
        "live and in the report: {told}"
    );
    report(&output)
}

#[test]
#[cfg(unix)]
fn a_journal_that_cannot_be_written_is_said_once_and_the_run_goes_on() {
    // A file that may not grow stands for a full disk: the same error comes of the same call. It has room for the opening.
    for report in [
        meddled("ulimit -f 8", |_| {}),
        meddled(":", |runs| fs::remove_dir_all(runs).expect("ours")),
        meddled(":", |runs| fs::rename(runs, runs.with_file_name("away")).expect("ours")),
    ] {
        let told = report.notes.iter().filter(|note| note.contains("cannot be written any more")).count();
        assert_eq!((told, report.verdict.as_str()), (1, "pass"), "{:?}", report.notes);
        assert!(report.cores.iter().any(|core| core.checked.iterations > 0));
    }
}

#[test]
#[cfg(unix)]
fn a_run_that_nothing_could_remember_does_not_begin() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new("sh")
        .args(["-c", "ulimit -f 0; exec \"$0\" run --for 1s --runs \"$1\""])
        .arg(assert_cmd::cargo::cargo_bin!("oddcore"))
        .arg(folder.path())
        .output()
        .expect("starts");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("cannot write") && told.lines().count() == 1, "{told}");
    assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0, "nothing is left behind");
}
