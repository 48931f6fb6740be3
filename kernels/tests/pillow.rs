//! The resize is Pillow's, bit for bit: digests that the real Pillow gave for the reference picture.

use oddcore_kernels::{Isa, Picture, find};
use sha2::{Digest, Sha256};

const PICTURE: &[u8] = include_bytes!("data/astronaut.png");
const DIGESTS: &str = include_str!("data/astronaut.lanczos.tsv");

fn picture() -> Picture {
    let mut reader = png::Decoder::new(std::io::Cursor::new(PICTURE)).read_info().expect("a PNG");
    let mut rgb = vec![0; reader.output_buffer_size().expect("small")];
    let frame = reader.next_frame(&mut rgb).expect("a whole PNG");
    assert_eq!(frame.color_type, png::ColorType::Rgb);
    Picture { width: frame.width as usize, height: frame.height as usize, rgb }
}

#[test]
fn every_variant_is_bit_equal_to_pillow() {
    let kernel = find("resize-lanczos-u8").expect("in the list");
    let picture = picture();
    for variant in kernel.variants() {
        let Some(token) = variant.isa.token() else {
            eprintln!("skipped: {}: no {}", variant.name, variant.isa.missing().unwrap_or("?"));
            continue;
        };
        let stages = kernel.show(token, 0, Some(&picture)).expect("it takes pictures");
        assert_eq!(stages.len(), DIGESTS.lines().count());
        for (stage, line) in stages.iter().zip(DIGESTS.lines()) {
            let fields: Vec<&str> = line.split('\t').collect();
            let shape: Vec<String> = stage.shape.iter().map(usize::to_string).collect();
            let digest: String = Sha256::digest(&stage.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            let seen = (stage.name.as_str(), stage.element_type, shape.join("x"), &digest[..32]);
            assert_eq!(seen, (fields[2], fields[3], fields[4].to_owned(), fields[5]), "{}", variant.name);
        }
    }
    assert!(Isa::Scalar.token().is_some());
}
