//! A profile of one's own, as the command line meets it.

use std::{fs, path::Path};

use crate::common::{oddcore, report};

fn profile(folder: &Path, text: &str) -> String {
    let path = folder.join("mine.toml");
    fs::write(&path, text).expect("a file");
    path.to_str().expect("Unicode").to_owned()
}

/// Exit code 2, no run, and one line that names the file and says `what`.
fn refuses(text: &str, more: &[&str], what: &str) {
    let (folder, runs) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let file = profile(folder.path(), text);
    let output = oddcore(runs.path(), &[&["run", "--profile", &file], more].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text:?}: {output:?}");
    assert_eq!(errors.lines().count(), 1, "{text:?}: {errors}");
    assert!(errors.contains(what), "{text:?}: {errors}");
    assert_eq!(fs::read_dir(runs.path()).expect("there").count(), 0, "{text:?} left something behind");
}

#[test]
fn what_is_wrong_with_a_profile_is_told_in_one_line() {
    refuses("name = 'x'\nfro = '8h'", &[], "mine.toml: line 2: fro: no such key");
    refuses("name = 'x'\nfor = 8", &[], "mine.toml: line 2: for: must be a length of time");
    refuses("for = '8h'", &[], "mine.toml: no name");
    refuses("name = 'x'\ncores = '99999'", &[], "no core 99999");
    refuses("name = 'x'\nexpect = '99999=60x'", &[], "core 99999 is not tested");
    refuses("name = 'x'\nimage = ['none.png']", &[], "none.png");
    refuses(&"#".repeat(70_000), &[], "longer than 64 KiB");
    // What the command line says is judged too, and instead.
    refuses("name = 'x'\ncores = '99999'", &["--cores", "88888"], "no core 88888");
    refuses("name = 'x'\nfor = '8h'", &["--for", "0"], "--for 0");
}

#[test]
fn what_is_no_file_is_no_profile() {
    let runs = tempfile::tempdir().expect("a folder");
    for (file, what) in [
        ("no-such-profile", "no such profile"),
        ("/", if cfg!(windows) { "(os error " } else { "Is a directory" }),
        ("kernels/tests/data/astronaut.png", "so not a profile"),
        ("/dev/zero", "longer than 64 KiB"),
    ]
    .into_iter()
    .filter(|(file, _)| cfg!(unix) || *file != "/dev/zero")
    {
        let output = oddcore(runs.path(), &["run", "--profile", file]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{file}: {output:?}");
        assert!(errors.contains(file) && errors.contains(what) && errors.lines().count() == 1, "{file}: {errors}");
    }
}

#[test]
fn a_run_is_what_its_profile_says_unless_the_command_line_does() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy("tests/data/png/rgb-8.png", folder.path().join("mine.png")).expect("a picture");
    let file = profile(
        folder.path(),
        "name = 'mine'\nfor = '8h'\nkernels = ['gemm-*']\nloads = ['together']\nseed = 9\nimage = ['mine.png']",
    );
    let runs = folder.path().join("runs");
    let place = ["--runs", runs.to_str().expect("text"), "--json", "-"];
    let said = ["run", "--profile", &file, "--for", "1s", "--seed", "0x7"];
    let output = oddcore(folder.path(), &[&said[..], &place].concat());
    let report = report(&output);
    assert_eq!((report.profile.as_str(), report.seed.0), ("mine", 7));
    let journal = fs::read_to_string(runs.join(&report.run).join("journal")).expect("a journal");
    let started = journal.lines().next().expect("an opening record");
    for said in [r#""loads":["together"]"#, r#""seconds":1.0"#, "mine.png", r#""kernels":["gemm-u8s8-i32","gemm-f32""#]
    {
        assert!(started.contains(said), "{said}: {started}");
    }
}
