//! What comes from outside cannot steer the terminal or lead a path astray, and runs are the user's alone.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use crate::common::oddcore;

/// Nothing but text and ends of lines.
fn plain(bytes: &[u8]) -> bool {
    !String::from_utf8_lossy(bytes).chars().any(|c| c.is_control() && c != '\n')
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o7777
}

#[test]
fn a_run_is_private_whatever_the_umask() {
    for umask in ["000", "777"] {
        let folder = tempfile::tempdir().expect("a folder");
        let runs = folder.path().join("state/runs");
        let program = assert_cmd::cargo::cargo_bin!("oddcore");
        let output = Command::new("sh")
            .args(["-c", "umask $1 && shift && exec \"$@\"", "sh", umask])
            .arg(program)
            .args(["run", "--for", "1s", "--kernels", "gemm-u8s8-i32", "--runs"])
            .arg(&runs)
            .output()
            .expect("starts");
        assert_eq!(output.status.code(), Some(0), "umask {umask}: {output:?}");
        let run = fs::read_dir(&runs).expect("there").next().expect("one run").expect("readable").path();
        let modes = [&runs, &run, &run.join("journal")].map(|path| mode(path));
        assert_eq!(modes, [0o700, 0o700, 0o600], "umask {umask}");
    }
}

#[test]
fn a_machine_with_a_wicked_name_is_shown_plainly() {
    let root = tempfile::tempdir().expect("a folder");
    let put = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(path, text).expect("writable");
    };
    let long = "x".repeat(5000);
    put(
        "proc/cpuinfo",
        &format!("model name: A \u{1b}[31mred\u{9b}2J one\nvendor_id: {long}\nmicrocode: \u{1b}]0;t\u{7}0x1\n"),
    );
    put("etc/os-release", "PRETTY_NAME=\"\u{1b}c An OS\"\n");
    put("proc/sys/kernel/random/boot_id", "\u{7}0123");
    let root = root.path().to_str().expect("text");
    let folder = tempfile::tempdir().expect("a folder");
    let shown = oddcore(folder.path(), &["cores", "--root", root]);
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    assert!(plain(&shown.stdout), "{shown:?}");
    let json = oddcore(folder.path(), &["cores", "--root", root, "--json", "-"]);
    let machine: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(machine["cpu"], "A [31mred2J one");
    assert_eq!(machine["microcode"], "]0;t0x1");
    assert_eq!(machine["boot"]["id"], "0123");
    assert_eq!(machine["vendor"].as_str().map(str::len), Some(128));
    assert!(machine["os"].as_str().is_some_and(|os| os.ends_with("(c An OS)")), "{machine}");
}

#[test]
fn errors_show_names_of_files_in_one_plain_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = "/nowhere/\u{1b}[2J\u{7}\nnew line";
    for args in [
        &["report", name][..],
        &["run", "--image", name],
        &["run", "--json", name],
        &["run", "--root", name],
        &["run", "--runs", "/proc/\u{1b}[2J"],
        &["run", "--cores", "\u{1b}[2J"],
    ] {
        let output = oddcore(folder.path(), args);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(plain(&output.stderr), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1, "{output:?}");
    }
}

#[test]
fn a_journal_from_elsewhere_is_shown_plainly() {
    let folder = tempfile::tempdir().expect("a folder");
    let runs = folder.path().join("runs");
    let output = oddcore(folder.path(), &["run", "--for", "1s", "--runs", runs.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let run = fs::read_dir(&runs).expect("there").next().expect("one run").expect("readable").path();
    let note = oddcore::journal::Record::Note { text: "\u{1b}[2Jnothing \u{202e}wrong".into() };
    let records = oddcore::journal::read(&run.join("journal")).expect("sound").records;
    let mut bytes = Vec::new();
    for (n, record) in (0..).zip(records.iter().chain([&note])) {
        bytes.extend(oddcore::frame::encode(n, record).expect("a frame"));
    }
    fs::write(run.join("journal"), bytes).expect("writable");
    let output = oddcore(folder.path(), &["report", run.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(plain(&output.stdout) && shown.contains("\\u{1b}[2Jnothing \\u{202e}wrong"), "{shown}");
}

#[test]
fn a_run_is_found_by_its_id_only_among_the_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let runs = folder.path().join("oddcore/runs");
    fs::create_dir_all(&runs).expect("writable");
    fs::create_dir(folder.path().join("elsewhere")).expect("writable");
    for journal in ["oddcore/journal", "elsewhere/journal"] {
        fs::write(folder.path().join(journal), "not ours\n").expect("writable");
    }
    symlink(folder.path().join("elsewhere"), runs.join("9")).expect("writable");
    for args in [&["report", ".."][..], &["report", "9"], &["report", "../../elsewhere"], &["report"]] {
        let output = oddcore(folder.path(), args);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("no run found"), "{args:?}: {output:?}");
    }
}
