//! The journal survives what it is there for: a file cut at any byte opens, and says what was running.

use std::fs;

use crate::common::oddcore;
use oddcore::{
    journal::{self, JOURNAL_FILE, Record},
    verdict::Outcome,
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
