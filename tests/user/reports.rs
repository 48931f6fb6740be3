//! The forms of a report: for a browser, a forum, a build server, a monitor, and two runs side by side.

use std::{fs, path::Path};

use assert_cmd::Command;

use crate::{common::oddcore, schema};

const SHORT: [&str; 5] = ["run", "--for", "1s", "--kernels", "registers-general"];

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[test]
fn a_run_and_its_journal_give_the_same_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = |which: &str| -> Vec<String> {
        let path = |name: &str| folder.path().join(format!("{which}-{name}")).display().to_string();
        ["--html", "--junit", "--prometheus"]
            .into_iter()
            .flat_map(|option| [option.to_owned(), path(&option[2..])])
            .collect()
    };
    let read =
        |which: &str, name: &str| fs::read_to_string(folder.path().join(format!("{which}-{name}"))).expect("written");
    let first = files("first");
    let args: Vec<&str> =
        SHORT.into_iter().chain(first.iter().map(String::as_str)).chain(["--format", "markdown"]).collect();
    let output = oddcore(folder.path(), &args);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed = text(&output.stdout);
    assert!(printed.starts_with("**NO ERRORS") && printed.contains("\n| core | set | tested"), "{printed}");

    let again = files("again");
    let args: Vec<&str> =
        ["report"].into_iter().chain(again.iter().map(String::as_str)).chain(["--format", "markdown"]).collect();
    let output = oddcore(folder.path(), &args);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), printed));
    for name in ["html", "junit", "prometheus"] {
        assert_eq!(read("first", name), read("again", name), "{name}");
    }
    assert!(read("first", "html").starts_with("<!DOCTYPE html><html lang=\"en\">"));
    assert!(
        read("first", "junit").starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"oddcore\"")
    );
    assert!(read("first", "prometheus").contains("\noddcore_run_exit_code 0\n"));
    let left: Vec<_> = fs::read_dir(folder.path()).expect("there").flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".part")), "{left:?}");
}

#[test]
fn two_runs_are_compared_core_by_core() {
    let folder = tempfile::tempdir().expect("a folder");
    let index = crate::common::testable_cores()[0];
    let core = index.to_string();
    let drill = ["drill", "--cores", &core, "--kernels", "registers-general", "--bell"];
    let output = oddcore(folder.path(), &drill);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stderr);
    let findings = said.lines().filter(|line| line.trim_start_matches('\u{7}').starts_with("FINDING")).count();
    assert!(findings > 0 && said.matches('\u{7}').count() == findings, "a bell for each finding: {said:?}");
    assert_eq!(oddcore(folder.path(), &SHORT).status.code(), Some(0));

    let mut runs: Vec<String> = fs::read_dir(folder.path().join("oddcore/runs"))
        .expect("runs")
        .flatten()
        .map(|entry| entry.path().display().to_string())
        .collect();
    runs.sort_unstable();
    let [drill, sound] = &runs[..] else { panic!("{runs:?}") };
    let output = oddcore(folder.path(), &["report", drill, sound, "--json", "-"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let comparison: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    schema::check_comparison(&comparison);
    let name = comparison["cores"].as_array().expect("cores").iter().find(|one| one["a"]["core"] == index);
    let one = name.expect("the core");
    assert_eq!((one["a"]["verdict"].as_str(), one["b"]["verdict"].as_str()), (Some("fail"), Some("pass")));
    assert!(text(&output.stderr).contains("A is a drill"), "{output:?}");

    let back = oddcore(folder.path(), &["report", sound, drill, "--format", "markdown"]);
    assert!(text(&back.stdout).starts_with("**WORSE: "), "{back:?}");
    let html = oddcore(folder.path(), &["report", drill, sound, "--html", "both.html"]);
    assert!(html.status.code() == Some(2) && text(&html.stderr).contains("--html is of one run"), "{html:?}");
    assert!(!Path::new("both.html").exists());
}

#[test]
fn all_runs_are_listed_newest_first_and_what_cannot_be_read_below() {
    let folder = tempfile::tempdir().expect("a folder");
    let none = oddcore(folder.path(), &["report", "--list"]);
    assert!(none.status.code() == Some(2) && text(&none.stderr).contains("no run found here"), "{none:?}");
    let core = crate::common::testable_cores()[0].to_string();
    let drill = ["drill", "--cores", &core, "--kernels", "registers-general"];
    assert_eq!(oddcore(folder.path(), &drill).status.code(), Some(1));
    assert_eq!(oddcore(folder.path(), &SHORT).status.code(), Some(0));
    let broken = folder.path().join("oddcore/runs/20200101T000000Z-1");
    fs::create_dir(&broken).expect("writable");
    fs::write(broken.join("journal"), "no journal").expect("writable");

    let output = oddcore(folder.path(), &["report", "--list", "--json", "-"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    schema::check_runs(&list);
    let [sound, drill, unreadable] = &list["runs"].as_array().expect("runs")[..] else { panic!("{list}") };
    assert_eq!(
        (sound["summary"]["profile"].as_str(), sound["summary"]["drill"].as_bool()),
        (Some("quick"), Some(false))
    );
    assert!(sound["summary"]["verdict"].as_str().is_some_and(|verdict| verdict.starts_with("PASS")), "{list}");
    assert_eq!((drill["summary"]["exit_code"].as_u64(), drill["summary"]["drill"].as_bool()), (Some(1), Some(true)));
    assert!(drill["summary"]["verdict"].as_str().is_some_and(|verdict| verdict.starts_with("FAIL ")), "{list}");
    assert!(unreadable["unreadable"].as_str().is_some_and(|why| why.contains("not a journal")), "{list}");

    let shown = text(&output.stderr);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("  run ") && lines[0].ends_with("verdict"), "{shown}");
    for (line, run) in lines[1..].iter().zip([sound, drill]) {
        assert!(line.trim_start().starts_with(run["run"].as_str().expect("an id")), "{shown}");
    }
    assert!(lines[3].starts_with("note: ") && lines.len() == 4, "{shown}");
    let one = oddcore(folder.path(), &["report", sound["run"].as_str().expect("an id")]);
    assert_eq!(one.status.code(), Some(0), "{one:?}");
}

#[test]
fn what_is_piped_is_plain_unless_colour_is_forced() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |forced: bool| {
        let mut command = Command::cargo_bin("oddcore").expect("built");
        command.args(SHORT).env("XDG_STATE_HOME", folder.path()).env_remove("CLICOLOR_FORCE");
        if forced {
            command.env("CLICOLOR_FORCE", "1");
        }
        command.output().expect("starts")
    };
    let plain = run(false);
    let all = text(&plain.stdout) + &text(&plain.stderr);
    assert!(!all.contains(['\u{1b}', '\u{7}', '\r']), "{all:?}");
    let lines = text(&plain.stderr);
    assert!(lines.starts_with("oddcore ") && lines.lines().count() <= 4, "a header and no more: {lines}");
    let coloured = text(&run(true).stdout);
    assert!(coloured.starts_with("\u{1b}[32m\u{1b}[1mNO ERRORS\u{1b}[0m"), "{coloured:?}");
}
