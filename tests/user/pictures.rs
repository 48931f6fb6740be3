//! Work on the user's pictures: what the pipelines print, which pictures they refuse, and runs that take several.

use std::{fs, path::Path};

use png::{BitDepth, ColorType};

use crate::common::{oddcore, report};

const ASTRONAUT: &str = "kernels/tests/data/astronaut.png";
const SMALL: &str = "kernels/tests/data/small.png";

/// Writes a picture of one colour.
fn plain(folder: &Path, width: u32, height: u32) -> String {
    let path = folder.join(format!("{width}x{height}.png"));
    let mut encoder = png::Encoder::new(fs::File::create(&path).expect("writable"), width, height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header().expect("writable");
    writer.write_image_data(&vec![99; (width * height * 3) as usize]).expect("writable");
    path.to_str().expect("text").to_owned()
}

#[test]
fn a_pipeline_prints_the_digests_of_the_real_libraries() {
    let folder = tempfile::tempdir().expect("a folder");
    let digests = include_str!("../../kernels/tests/data/pipelines.tsv");
    for (path, file) in [(ASTRONAUT, "astronaut.png"), (SMALL, "small.png")] {
        for kernel in ["webui-upscale", "webui-adetailer"] {
            let output = oddcore(folder.path(), &["kernel", kernel, "--image", path, "--json", "-"]);
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
            assert_eq!(shown["kernel"], kernel);
            let stages = shown["stages"].as_array().expect("stages");
            let lines: Vec<Vec<&str>> = digests.lines().map(|line| line.split('\t').collect()).collect();
            let lines: Vec<_> = lines.iter().filter(|line| line[..2] == [file, kernel]).collect();
            assert_eq!(stages.len(), lines.len(), "{shown}");
            for (stage, line) in stages.iter().zip(lines) {
                let sides = stage["shape"].as_array().expect("a shape").iter().map(ToString::to_string);
                let shape = sides.collect::<Vec<_>>().join("x");
                let (right_type, right_shape) = match (line[2], line[3], line[4]) {
                    ("tiles_in", ..) => ("float32", ""),
                    ("tiles_out", ..) => ("uint8", ""),
                    (_, element_type, shape) => (element_type, shape),
                };
                assert_eq!((&stage["stage"], &stage["type"]), (&line[2].into(), &right_type.into()), "{file}");
                assert_eq!(shape, right_shape, "{file} {}", line[2]);
                let sha256 = stage["sha256"].as_str().expect("a digest");
                assert!(sha256.len() == 64 && sha256.starts_with(line[5]), "{file} {}: {sha256}", line[2]);
            }
        }
    }
}

#[test]
fn a_seed_chooses_what_a_picture_leaves_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let with = |more: &[&str]| {
        let args = [&["kernel", "webui-adetailer", "--image", SMALL, "--json", "-"], more].concat();
        oddcore(folder.path(), &args).stdout
    };
    assert_eq!(with(&[]), with(&["--seed", "0"]));
    assert_ne!(with(&[]), with(&["--seed", "1"]));
}

#[test]
fn a_picture_too_small_for_its_kernels_is_refused_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let (flat, least) = (plain(folder.path(), 300, 191), plain(folder.path(), 192, 192));
    for args in [
        &["kernel", "webui-upscale", "--image", &flat][..],
        &["kernel", "webui-adetailer", "--image", &flat, "--json", "-"],
        &["run", "--kernels", "webui-*", "--image", &least, "--image", &flat],
    ] {
        let output = oddcore(folder.path(), args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{args:?}: {output:?}");
        assert!(said.contains("300x191") && said.contains("192x192"), "{said}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
    let output = oddcore(folder.path(), &["kernel", "webui-upscale", "--image", &least]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_picture_that_takes_more_memory_than_there_is_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("proc")).expect("writable");
    fs::write(root.join("proc/meminfo"), "MemTotal:         100000 kB\n").expect("writable");
    let root = root.to_str().expect("text");
    let args = ["run", "--for", "1s", "--kernels", "webui-*", "--image", ASTRONAUT, "--root", root];
    let output = oddcore(folder.path(), &args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{output:?}");
    assert!(said.contains("astronaut.png") && said.contains("take a smaller one"), "{said}");
}

#[test]
fn a_run_says_that_a_picture_is_not_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["run", "--for", "1s", "--kernels", "registers-general", "--image", SMALL, "--json", "-"];
    let notes = report(&oddcore(folder.path(), &args)).notes;
    assert!(notes.iter().any(|note| note.contains("small.png is not used")), "{notes:?}");
}

#[test]
fn a_run_takes_one_picture_after_another_where_they_fit() {
    let folder = tempfile::tempdir().expect("a folder");
    let flat = plain(folder.path(), 300, 100);
    let kernels = "webui-*,resize-bilinear-u8";
    let images = ["--image", SMALL, "--image", &flat, "--image", ASTRONAUT];
    let args = [&["run", "--for", "4s", "--kernels", kernels, "--json", "-"][..], &images].concat();
    let output = oddcore(folder.path(), &args);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = report(&output);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    let left_out: Vec<&String> = report.notes.iter().filter(|note| note.contains(".png")).collect();
    assert_eq!(left_out.len(), 2, "once for each pipeline: {left_out:?}");
    for note in left_out {
        assert!(note.starts_with("webui-") && note.contains(&flat) && note.contains("300x100"), "{note}");
    }
}
