//! The maintainer's task that makes the golden digests: `cargo run --release -p oddcore-kernels --no-default-features
//! --features std,scalar-only --example make_goldens -- kernels/src/goldens [KERNEL...]`. It is built without any vector code.

use std::{fmt::Write as _, fs, path::PathBuf, sync::atomic::AtomicU64};

use oddcore_kernels::{Isa, Size, all};
use xxhash_rust::xxh3::xxh3_64;

const COUNT: u64 = 256;

fn main() -> std::io::Result<()> {
    assert!(
        Isa::ALL.iter().filter(|isa| isa.token().is_some()).eq([&Isa::Scalar]),
        "only the scalar code may run here"
    );
    let folder = PathBuf::from(std::env::args().nth(1).expect("the folder of the goldens"));
    let named: Vec<String> = std::env::args().skip(2).collect();
    for kernel in all().iter().filter(|kernel| named.is_empty() || named.iter().any(|name| name == kernel.name())) {
        // Two kernels share no seed.
        let family = xxh3_64(kernel.name().as_bytes()) & 0xffff;
        let token = Isa::Scalar.token().expect("everywhere");
        let constant = kernel.name().replace('-', "_");
        let mut text = format!(
            "// Made by examples/make_goldens.rs; not to be edited by hand.\n\nuse crate::kernel::Golden;\n\n#[rustfmt::skip]\n\
             pub(crate) const {}: &[Golden] = &[\n",
            constant.to_uppercase()
        );
        let mut job = kernel.new_job();
        for n in 0..COUNT {
            // Neighbouring seeds are fine: the generator scatters them.
            let seed = 0x0dd0_0000_0000_0000 | family << 32 | n;
            job.generate(Size::Golden, seed);
            job.run(token, &AtomicU64::new(0), None);
            let (input, output) = (job.input_digest(), job.output_digest());
            let _ = writeln!(text, "    Golden {{ seed: {seed:#x}, input: {input:#018x}, output: {output:#018x} }},");
        }
        text.push_str("];\n");
        fs::write(folder.join(format!("{constant}.rs")), text)?;
    }
    Ok(())
}
