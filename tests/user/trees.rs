//! Machines that are not ours: `tests/fixtures/machines/*.tree`, recordings and models, expanded into folders for `--root`.
//!
//! A tree is text. The first line says whether it is a recording or a model. `PATH = TEXT` is a file, `PATH += TEXT` more of
//! it, `PATH/ a=1 b/c=2` several files below a folder; `\n`, `\t` and `\\` are what they are elsewhere. `in FOLDER` is where
//! paths without a slash in front begin from there on. `for LIST: ...` does a line for each CPU of a list; `{n}` is then its number, and
//! `{n%16+16}` what comes of it, taken from left to right.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use oddcore::machine::parse_cpu_list;

/// The machine of that name, in a folder of its own.
pub fn tree(name: &str) -> tempfile::TempDir {
    let path = format!("tests/fixtures/machines/{name}.tree");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let said = text.lines().next().unwrap_or_default();
    assert!(said.starts_with("# A recording") || said.starts_with("# A model"), "{path}: what is it?");
    let (mut files, mut base) = (BTreeMap::new(), "/");
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match (line.strip_prefix("in "), line.strip_prefix("for ").and_then(|rest| rest.split_once(": "))) {
            (Some(inside), _) => base = inside,
            (_, None) => put(&mut files, base, line),
            (_, Some((list, line))) => {
                for n in parse_cpu_list(list).expect("a list") {
                    put(&mut files, base, &filled_in(line, n));
                }
            }
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    for (path, text) in files {
        let path = folder.path().join(path.strip_prefix("/").expect("absolute"));
        if fs::write(&path, &text).is_err() {
            fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
            fs::write(&path, &text).expect("writable");
        }
    }
    folder
}

/// All the CPUs that the machine in that folder has switched on.
pub fn online(root: &Path) -> Vec<u32> {
    let text = fs::read_to_string(root.join("sys/devices/system/cpu/online")).expect("a list");
    parse_cpu_list(&text).expect("a list")
}

fn put(files: &mut BTreeMap<PathBuf, String>, base: &str, line: &str) {
    let mut write = |path: &str, text: &str, more: bool| {
        let file = files.entry(Path::new(base).join(path)).or_default();
        if !more {
            file.clear();
        }
        *file += &text.replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\");
        file.push('\n');
    };
    if let Some((path, text)) = line.split_once(" += ") {
        write(path, text, true)
    } else if let Some((path, text)) = line.split_once(" = ") {
        write(path, text, false)
    } else {
        let (folder, files) = line.split_once(' ').expect("a folder and files");
        for file in files.split(' ') {
            let (name, text) = file.split_once('=').expect("a file and its text");
            write(&format!("{folder}{name}"), text, false)
        }
    }
}

fn filled_in(line: &str, n: u32) -> String {
    let mut parts = line.split('{');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (formula, rest) = part.split_once('}').expect("closed");
        out += &worked_out(formula, n).to_string();
        out += rest;
    }
    out
}

fn worked_out(formula: &str, n: u32) -> u32 {
    let mut rest = formula.strip_prefix('n').expect("a formula begins with n");
    let mut value = n;
    while let Some(operator) = rest.chars().next() {
        let end = rest[1..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |end| end + 1);
        let number: u32 = rest[1..end].parse().expect("a number");
        value = match operator {
            '+' => value + number,
            '-' => value - number,
            '*' => value * number,
            '/' => value / number,
            '%' => value % number,
            other => panic!("{formula}: {other}?"),
        };
        rest = &rest[end..];
    }
    value
}

#[test]
fn formulas_are_taken_from_left_to_right() {
    assert_eq!(filled_in("cpu{n} {n-16*2+64}, {n/4*4}-{n/4*4+3}{n%10}", 18), "cpu18 68, 16-198");
}
