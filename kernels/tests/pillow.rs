//! The resizes are Pillow's and OpenCV's, bit for bit: digests that the real libraries (13.0.0 and 5.0.0) gave for the reference picture.

use oddcore_kernels::{Isa, Picture, find};
use sha2::{Digest, Sha256};

const PICTURE: &[u8] = include_bytes!("data/astronaut.png");
const KERNELS: [&str; 5] =
    ["resize-lanczos-u8", "resize-bicubic-u8", "resize-bilinear-u8", "resize-area-u8", "resize-linear-cv-u8"];
const DIGESTS: &str = include_str!("data/astronaut.resizes.tsv");

fn picture() -> Picture {
    let mut reader = png::Decoder::new(std::io::Cursor::new(PICTURE)).read_info().expect("a PNG");
    let mut rgb = vec![0; reader.output_buffer_size().expect("small")];
    let frame = reader.next_frame(&mut rgb).expect("a whole PNG");
    assert_eq!(frame.color_type, png::ColorType::Rgb);
    Picture { width: frame.width as usize, height: frame.height as usize, rgb }
}

/// Kernel, stage, type, shape and digest of each line.
fn lines() -> impl Iterator<Item = [&'static str; 5]> {
    DIGESTS.lines().map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        fields.try_into().expect("five fields")
    })
}

#[test]
fn every_variant_is_bit_equal_to_pillow_or_opencv() {
    let picture = picture();
    for name in KERNELS {
        let kernel = find(name).expect("in the list");
        let show = |token| kernel.show(token, 0, Some(&picture)).expect("it takes pictures");
        let reference = show(Isa::Scalar.token().expect("everywhere"));
        let right: Vec<_> = lines().filter(|line| line[0] == name).collect();
        assert_eq!(reference.len(), right.len(), "{name}");
        for (stage, [_, stage_name, element_type, shape, digest]) in reference.iter().zip(right) {
            let own_shape: Vec<String> = stage.shape.iter().map(usize::to_string).collect();
            let own: String = Sha256::digest(&stage.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            let seen = (stage.name.as_str(), stage.element_type, own_shape.join("x"), &own[..32]);
            assert_eq!(seen, (stage_name, element_type, shape.to_owned(), digest), "{name}");
        }
        for variant in kernel.variants().iter().filter(|variant| variant.isa != Isa::Scalar) {
            match variant.isa.token() {
                Some(token) => assert!(show(token) == reference, "{name} {}", variant.name),
                None => eprintln!("skipped: {}: no {}", variant.name, variant.isa.missing().unwrap_or("?")),
            }
        }
    }
}

/// A picture that another program can paint too.
fn painted(width: usize, height: usize) -> Picture {
    let sample = |y: usize, x: usize, channel: usize| (x * 7 + y * 13 + x * y * 3 + channel * 50 + x * x) as u8;
    let rgb = (0..height * width * 3).map(|at| sample(at / 3 / width, at / 3 % width, at % 3)).collect();
    Picture { width, height, rgb }
}

#[test]
fn small_pictures_too_are_bit_equal() {
    for line in include_str!("data/small.resizes.tsv").lines() {
        let [name, width, height, right] = line.split('\t').collect::<Vec<_>>().try_into().expect("four fields");
        let kernel = find(name).expect("in the list");
        let picture = painted(width.parse().expect("a number"), height.parse().expect("a number"));
        for token in kernel.variants().iter().filter_map(|variant| variant.isa.token()) {
            let mut sha = Sha256::new();
            for stage in kernel.show(token, 0, Some(&picture)).expect("it takes pictures") {
                sha.update(&stage.bytes);
            }
            let own: String = sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(&own[..32], right, "{name} {width}x{height} {}", token.isa().name());
        }
    }
}
