//! `oddcore doctor`.

use std::fs;

use serde_json::Value;

use crate::{common::oddcore, schema::check_doctor};

#[test]
fn it_says_what_this_machine_lets_us_do_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = oddcore(folder.path(), &["doctor", "--json", "-"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let examined: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    check_doctor(&examined);
    assert_eq!(examined["can_test"], true);
    let text = String::from_utf8(output.stderr).expect("text");
    for what in ["CPUs: ", "kernels: ", "own clock: ", "folder of the runs: ", "machine checks", "capping clocks: "] {
        assert!(text.contains(what), "{what}: {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0, "nothing is made for a look");
}

#[test]
fn a_folder_that_runs_cannot_have_ends_in_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("writable");
    let output = oddcore(folder.path(), &["doctor", "--runs", "/proc/no/such"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("--runs DIR"), "{output:?}");
}
