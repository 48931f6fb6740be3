//! Every command's help has an example, and the example works as it stands there.

use std::{fs, path::Path, process::Command};

use assert_cmd::cargo::cargo_bin;

/// Examples that end otherwise than with 0: a drill finds its fault, and there is nothing to go on with, nor a clock to cap.
const ENDS: [(&str, i32); 3] = [("drill", 1), ("resume", 2), ("tune", 2)];
/// Work of a while, tried by tests of its own.
const LONG: [&str; 1] = ["bench"];

fn help(command: &str) -> String {
    let output = Command::new(cargo_bin!("oddcore")).args([command, "--help"]).output().expect("starts");
    assert_eq!(output.status.code(), Some(0), "{command}: {output:?}");
    // Long lines are broken by the width of the terminal.
    String::from_utf8(output.stdout).expect("text").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn commands() -> Vec<String> {
    let output = Command::new(cargo_bin!("oddcore")).arg("--help").output().expect("starts");
    let text = String::from_utf8(output.stdout).expect("text");
    let (_, list) = text.split_once("Commands:\n").expect("a list of commands");
    let (list, _) = list.split_once("\n\n").expect("an end of it");
    let named = list.lines().filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')));
    let names = named.filter_map(|line| line.split_whitespace().next().map(str::to_owned));
    names.filter(|name| name != "help").collect()
}

#[test]
fn every_example_works() {
    let folder = tempfile::tempdir().expect("a folder");
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/png/gamma.png");
    fs::copy(picture, folder.path().join("picture.png")).expect("there");
    fs::create_dir(folder.path().join("empty")).expect("writable");
    let bin = cargo_bin!("oddcore");
    let path = format!("{}:{}", bin.parent().expect("a folder").display(), std::env::var("PATH").unwrap_or_default());
    let commands = commands();
    assert!(commands.len() >= 12, "{commands:?}");
    for command in commands {
        let help = help(&command);
        let (_, example) = help.split_once("Example: ").unwrap_or_else(|| panic!("{command} has no example: {help}"));
        let example = example.split(" More in ").next().expect("the first");
        assert!(example.starts_with(&format!("oddcore {command}")), "{command}: {example}");
        if LONG.contains(&command.as_str()) {
            continue;
        }
        // No test may cap a real clock.
        let line = if command == "tune" { format!("{example} --root empty") } else { example.to_owned() };
        let output = Command::new("sh")
            .args(["-c", &line])
            .current_dir(folder.path())
            .env("PATH", &path)
            .env("XDG_STATE_HOME", folder.path())
            .output()
            .expect("starts");
        let expected = ENDS.iter().find(|(name, _)| *name == command).map_or(0, |(_, code)| *code);
        assert_eq!(output.status.code(), Some(expected), "{line}: {output:?}");
    }
    for file in ["report.json", "report.html", "cores.json", "fleet.json", "doctor.json"] {
        assert!(folder.path().join(file).is_file(), "{file}");
    }
}
