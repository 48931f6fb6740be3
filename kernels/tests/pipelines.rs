//! Chains of stages are NumPy's, Pillow's and OpenCV's, bit for bit: digests that the real libraries gave for two pictures.

use oddcore_kernels::{Fault, Isa, Job, Kernel, Picture, find};
use sha2::{Digest, Sha256};
use std::sync::atomic::AtomicU64;

const PICTURES: [(&str, &[u8]); 2] =
    [("astronaut.png", include_bytes!("data/astronaut.png")), ("small.png", include_bytes!("data/small.png"))];
/// Picture, kernel, stage, type, shape and the first half of the SHA-256.
const DIGESTS: &str = include_str!("data/pipelines.tsv");
const PIPELINES: [&str; 2] = ["webui-upscale", "webui-adetailer"];
const ALL: [&str; 4] = ["webui-upscale", "webui-adetailer", "picture-moves", "picture-masks"];

fn picture(file: &[u8]) -> Picture {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().expect("a PNG");
    let mut rgb = vec![0; reader.output_buffer_size().expect("small")];
    let frame = reader.next_frame(&mut rgb).expect("a whole PNG");
    assert_eq!(frame.color_type, png::ColorType::Rgb);
    Picture { width: frame.width as usize, height: frame.height as usize, rgb }
}

fn pipeline(name: &str) -> &'static dyn Kernel {
    find(name).expect("in the list")
}

#[test]
fn every_stage_of_every_variant_is_bit_equal_to_the_real_libraries() {
    let lines: Vec<Vec<&str>> = DIGESTS.lines().map(|line| line.split('\t').collect()).collect();
    let mut compared = 0;
    for (file, bytes) in PICTURES {
        let picture = picture(bytes);
        for name in ALL {
            let kernel = pipeline(name);
            let right: Vec<_> = lines.iter().filter(|line| line[..2] == [file, name]).collect();
            for variant in kernel.variants() {
                let Some(token) = variant.isa.token() else {
                    eprintln!("skipped: {}: no {}", variant.name, variant.isa.missing().unwrap_or("?"));
                    continue;
                };
                let stages = kernel.show(token, 0, Some(&picture)).expect("it takes pictures");
                assert_eq!(stages.len(), right.len(), "{name}");
                for (stage, line) in stages.iter().zip(&right) {
                    let shape: Vec<String> = stage.shape.iter().map(usize::to_string).collect();
                    let digest: String =
                        Sha256::digest(&stage.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
                    // The script has no type and no shape for a stream of tiles.
                    let (element_type, shape) = match shape[..] {
                        [] => ("stream", "-".to_owned()),
                        _ => (stage.element_type, shape.join("x")),
                    };
                    let seen = [&stage.name, element_type, &shape, &digest[..32]];
                    assert_eq!(seen, line[2..], "{file} {name} {}", variant.name);
                    compared += usize::from(variant.isa == Isa::Scalar);
                }
            }
        }
    }
    assert_eq!(compared, lines.len());
}

#[test]
fn streams_of_tiles_have_the_type_of_their_tiles() {
    let scalar = Isa::Scalar.token().expect("everywhere");
    let stages = pipeline("webui-upscale").show(scalar, 0, Some(&picture(PICTURES[1].1))).expect("it takes pictures");
    let streams: Vec<_> = stages.iter().filter(|stage| stage.shape.is_empty()).collect();
    let seen: Vec<_> = streams.iter().map(|stage| (stage.name.as_str(), stage.element_type)).collect();
    assert_eq!(seen, [("tiles_in", "float32"), ("tiles_out", "uint8")]);
}

#[test]
fn a_picture_smaller_than_a_tile_is_refused() {
    let scalar = Isa::Scalar.token().expect("everywhere");
    for name in PIPELINES {
        let kernel = pipeline(name);
        assert_eq!(kernel.picture_side_min(), 192);
        for (width, height, taken) in [(192, 192, true), (191, 400, false), (400, 191, false), (1, 1, false)] {
            let picture = Picture { width, height, rgb: vec![7; width * height * 3] };
            assert_eq!(kernel.new_job().load_picture(&picture, 0), taken, "{name} {width}x{height}");
            assert_eq!(kernel.show(scalar, 0, Some(&picture)).is_ok(), taken, "{name} {width}x{height}");
        }
    }
}

/// A fault of each stage is placed in that stage, whatever it did to the later ones.
#[test]
fn the_earliest_wrong_stage_is_named() {
    let picture = picture(PICTURES[1].1);
    for name in ALL {
        let kernel = pipeline(name);
        let token = kernel.variants().iter().find_map(|variant| variant.isa.token()).expect("scalar at least");
        let mut job = kernel.new_job();
        assert!(job.load_picture(&picture, 0));
        let run = |job: &mut dyn Job, fault| job.run(token, &AtomicU64::new(0), fault);
        run(job.as_mut(), None);
        job.keep_reference();
        for (n, stage) in (0..).zip(kernel.stages()) {
            for (element, bit) in [(16 * n, 6), (16 * n + 5, 23), (16 * (n + 1000 * kernel.stages().len() as u64), 62)]
            {
                run(job.as_mut(), Some(Fault { element, bit }));
                let place = job.locate().expect("it shows");
                assert_eq!(place.stage, *stage, "{name}");
                assert_eq!((place.expected ^ place.actual).count_ones(), 1, "{name} {stage}");
            }
        }
        run(job.as_mut(), None);
        assert!(job.matches() && job.locate().is_none(), "{name}");
    }
}

/// Boxes and overlaps that the seed chooses differ from the program's own; a picture comes right after another of another size.
#[test]
fn seeds_choose_what_the_program_leaves_open() {
    let pictures = PICTURES.map(|(_, file)| picture(file));
    for name in PIPELINES {
        let kernel = pipeline(name);
        let token = kernel.variants().iter().find_map(|variant| variant.isa.token()).expect("scalar at least");
        let mut job = kernel.new_job();
        let mut digests = Vec::new();
        let mut again = Vec::new();
        for round in [&mut digests, &mut again] {
            for (picture, seed) in pictures.iter().flat_map(|picture| (0..4).map(move |seed| (picture, seed))) {
                assert!(job.load_picture(picture, seed));
                job.run(token, &AtomicU64::new(0), None);
                round.push((job.input_digest(), job.output_digest()));
            }
        }
        assert_eq!(digests, again, "{name}");
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), 8, "{name}");
    }
}
