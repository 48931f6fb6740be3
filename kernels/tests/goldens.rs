//! The golden digests hold: all of them by the best variant, some by every other one, one by the scalar reference.

use std::sync::atomic::AtomicU64;

use oddcore_kernels::{Isa, Size, all};

#[test]
fn every_variant_meets_the_goldens() {
    for kernel in all() {
        let mut job = kernel.new_job();
        let mut best = true;
        for variant in kernel.variants() {
            let Some(token) = variant.isa.token() else {
                eprintln!("skipped: {} {}: no {}", kernel.name(), variant.name, variant.isa.missing().unwrap_or("?"));
                continue;
            };
            let share = match (variant.isa, best) {
                (Isa::Scalar, _) => 1..5,
                (_, true) => 0..kernel.goldens().len(),
                (_, false) => 16..32,
            };
            best = false;
            for golden in &kernel.goldens()[share] {
                job.generate(Size::Golden, golden.seed);
                assert_eq!(job.input_digest(), golden.input, "{} input of seed {:#x}", kernel.name(), golden.seed);
                job.run(token, &AtomicU64::new(0), None);
                let name = (kernel.name(), variant.name);
                assert_eq!(job.output_digest(), golden.output, "{name:?} output of seed {:#x}", golden.seed);
            }
        }
    }
}
