//! `oddcore merge`.

use std::fs;

use serde_json::Value;

use crate::{common::oddcore, schema::check_fleet};

#[test]
fn reports_become_one_and_the_gravest_decides() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::create_dir(at("night")).expect("writable");
    let run =
        oddcore(folder.path(), &["run", "--for", "1s", "--kernels", "gemm-f32", "--json", &at("night/node1.json")]);
    assert_eq!(run.status.code(), Some(0), "{run:?}");
    let sound: Value = serde_json::from_slice(&fs::read(at("night/node1.json")).expect("written")).expect("JSON");
    let merge = |args: &[&str]| {
        let output = oddcore(folder.path(), &[&["merge", "--json", "-"], args].concat());
        let fleet: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        check_fleet(&fleet);
        (output.status.code(), fleet, String::from_utf8(output.stderr).expect("text"))
    };
    let (code, fleet, text) = merge(&[&at("night")]);
    assert_eq!((code, &fleet["machines"][0]["machine"]), (Some(0), &Value::from("node1")));
    assert!(text.starts_with("1 reports: 1 pass, 0 fail, 0 inconclusive;"), "{text}");

    let mut failed = sound.clone();
    failed["exit_code"] = 1.into();
    failed["verdict"] = "fail".into();
    failed["cores"][0]["verdict"] = "fail".into();
    fs::write(at("night/node2.json"), failed.to_string()).expect("writable");
    let (code, fleet, text) = merge(&[&at("night")]);
    assert_eq!(code, Some(1), "{text}");
    assert_eq!(fleet["models"][0]["failed_machines"], 1);
    assert!(text.contains("node2"), "{text}");

    for (name, bytes, said) in [
        ("half.json", &sound.to_string().as_bytes()[..100], "not a report"),
        ("other.json", br#"{"schema":"oddcore-bench/1"}"#, "not a report"),
    ] {
        fs::write(at(name), bytes).expect("writable");
        let target = at("all.json");
        let output = oddcore(folder.path(), &["merge", &at("night"), &at(name), "--json", &target]);
        let text = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(name) && text.contains(said) && text.lines().count() == 1, "{text}");
        assert!(!fs::exists(&target).expect("readable"), "nothing half-written");
    }
    let empty = tempfile::tempdir().expect("a folder");
    let output = oddcore(folder.path(), &["merge", &empty.path().display().to_string()]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
