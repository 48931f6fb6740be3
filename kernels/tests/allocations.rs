//! The hot loop takes no memory: what a block does over and over, counted by the allocator itself.

use std::sync::atomic::AtomicU64;

use allocation_counter::measure;
use oddcore_kernels::{Isa, Job, Kernel, Size, Token, all};

/// Large and small inputs in turn: what was made for one must not be taken anew in the loop over the other.
const SIZES: [Size; 2] = [Size::Golden, Size::Fresh];

/// One iteration of a block and the digests at its end.
fn iterate(job: &mut dyn Job, token: Token) {
    job.run(token, &AtomicU64::new(0), None);
    assert!(job.matches());
    assert_eq!(job.output_digest(), job.reference_digest());
    std::hint::black_box(job.input_digest());
}

fn hot_loop_takes_nothing(kernel: &dyn Kernel, token: Token) {
    let mut job = kernel.new_job();
    for (size, seed) in SIZES.into_iter().cycle().zip(&kernel.goldens()[..4]) {
        // The scalar reference's goldens take tens of milliseconds each.
        let size = if token.isa() == Isa::Scalar { Size::Fresh } else { size };
        job.generate(size, seed.seed);
        job.run(token, &AtomicU64::new(0), None);
        job.keep_reference();
        let counted = measure(|| (0..2).for_each(|_| iterate(job.as_mut(), token)));
        let what = (kernel.name(), token.isa().name(), size);
        assert_eq!((counted.count_total, counted.bytes_total), (0, 0), "{what:?}: memory was taken in the hot loop");
    }
}

#[test]
fn no_kernel_takes_memory_in_the_hot_loop() {
    for kernel in all().iter().filter(|kernel| !kernel.allocates()) {
        for token in kernel.variants().iter().filter_map(|variant| variant.isa.token()) {
            hot_loop_takes_nothing(*kernel, token);
        }
    }
}

#[test]
fn the_counter_counts() {
    let counted = measure(|| drop(std::hint::black_box(vec![0u8; 100])));
    assert_eq!((counted.count_total, counted.bytes_total), (1, 100));
}
