//! The hot loop takes no memory: what a block does over and over, counted by the allocator itself.

use std::sync::atomic::AtomicU64;

use allocation_counter::measure;
use oddcore_kernels::{Isa, Job, Kernel, Picture, Size, Token, all};

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

/// Runs are refused on pictures that would take more memory than there is, so what kernels say they take must be near the truth.
#[test]
fn a_picture_takes_as_much_memory_as_is_said() {
    let stage = AtomicU64::new(0);
    let picture =
        Picture { width: 1200, height: 900, rgb: (0..1200 * 900 * 3u64).map(|n| ((n * n) >> 7) as u8).collect() };
    for kernel in all().iter().filter(|kernel| kernel.takes_pictures()) {
        let token = kernel.variants().iter().find_map(|variant| variant.isa.token()).expect("scalar at least");
        let taken = measure(|| {
            let mut job = kernel.new_job();
            for seed in 0..4 {
                assert!(job.load_picture(&picture, seed));
                job.run(token, &stage, None);
                job.keep_reference();
                job.run(token, &stage, None);
            }
        });
        let said = (kernel.picture_bytes() * picture.width * picture.height) as u64;
        // What does not grow with the picture comes on top.
        let taken = taken.bytes_max;
        assert!(taken < said + (40 << 20) && said < 2 * taken, "{}: {taken}, and {said} are said", kernel.name());
    }
}

#[test]
fn the_counter_counts() {
    let counted = measure(|| drop(std::hint::black_box(vec![0u8; 100])));
    assert_eq!((counted.count_total, counted.bytes_total), (1, 100));
}
