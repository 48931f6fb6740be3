//! Every variant gives the scalar reference's bits, on random shapes and data; faults show; damage is located.

use std::sync::atomic::AtomicU64;

use oddcore_kernels::{Fault, Isa, Job, Kernel, Picture, Size, Token, all, find};
use proptest::prelude::*;

fn vectors(kernel: &dyn Kernel) -> Vec<Token> {
    let runnable = kernel.variants().iter().filter_map(|variant| variant.isa.token());
    runnable.filter(|token| token.isa() != Isa::Scalar).collect()
}

fn run(job: &mut dyn Job, token: Token, fault: Option<Fault>) {
    job.run(token, &AtomicU64::new(0), fault);
}

fn scalar() -> Token {
    Isa::Scalar.token().expect("everywhere")
}

/// Checks that every vector variant gives what the scalar reference gives on the job's input.
fn agree(kernel: &dyn Kernel, job: &mut dyn Job) {
    run(job, scalar(), None);
    job.keep_reference();
    for token in vectors(kernel) {
        run(job, token, None);
        assert!(job.matches(), "{} {}: {:?}", kernel.name(), token.isa().name(), job.locate());
        assert_eq!(job.output_digest(), job.reference_digest());
        assert_eq!(job.locate(), None);
        assert_ne!(job.freivalds(9), Some(false));
    }
}

/// Checks that what a job gives depends on nothing that it did before.
fn shows_no_earlier_work(kernel: &dyn Kernel, seed: u64, earlier: u64) {
    let token = vectors(kernel).first().copied().unwrap_or_else(scalar);
    let digests = |earlier: Option<u64>| {
        let mut job = kernel.new_job();
        if let Some(earlier) = earlier {
            job.generate(Size::Fresh, earlier);
            run(job.as_mut(), token, None);
            job.keep_reference();
        }
        job.generate(Size::Fresh, seed);
        run(job.as_mut(), token, None);
        (job.input_digest(), job.output_digest())
    };
    assert_eq!(digests(None), digests(Some(earlier)), "{} {seed:#x} after {earlier:#x}", kernel.name());
}

/// RGBA that keeps its size is copied, which one seed in some 80,000 asks for.
#[test]
fn nothing_of_earlier_pictures_shows_in_a_copied_one() {
    for kernel in all().iter().filter(|kernel| kernel.name().starts_with("resize-")) {
        (0..8).for_each(|earlier| shows_no_earlier_work(*kernel, 0x099d_95f7_ec73_d314, earlier));
    }
}

fn fault_shows(kernel: &dyn Kernel, seed: u64, fault: Fault) {
    let mut job = kernel.new_job();
    job.generate(Size::Fresh, seed);
    run(job.as_mut(), scalar(), None);
    job.keep_reference();
    for token in vectors(kernel).into_iter().chain([scalar()]) {
        run(job.as_mut(), token, Some(fault));
        assert!(!job.matches(), "{} {}", kernel.name(), token.isa().name());
        let place = job.locate().expect("both methods see it");
        assert!(place.wrong >= 1 && place.expected != place.actual);
        assert_ne!(job.output_digest(), job.reference_digest());
    }
}

/// Of 93 rows a box leaves out the sixteenth on the way to 78.
#[test]
fn a_fault_shows_where_a_box_leaves_out_a_row() {
    let fault = Fault { element: 982_079_819_950_980_492, bit: 16 };
    fault_shows(find("resize-area-u8").expect("listed"), 0xf67c_0ea9_f977_f7fa, fault);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn variants_agree_on_fresh_inputs(seed: u64) {
        for kernel in all() {
            let mut job = kernel.new_job();
            job.generate(Size::Fresh, seed);
            agree(*kernel, job.as_mut());
        }
    }

    #[test]
    fn variants_agree_on_pictures_of_any_size(
        width in 1usize..70, height in 1usize..70, seed in 0u64..4, noise in proptest::collection::vec(any::<u8>(), 1..500),
    ) {
        let rgb = noise.iter().copied().cycle().take(width * height * 3).collect();
        let picture = Picture { width, height, rgb };
        for kernel in all() {
            let mut job = kernel.new_job();
            if job.load_picture(&picture, seed) {
                agree(*kernel, job.as_mut());
            } else {
                assert!(!kernel.takes_pictures() || width.min(height) < kernel.picture_side_min());
            }
        }
    }

    #[test]
    fn nothing_of_earlier_work_shows(seed: u64, earlier: u64) {
        for kernel in all() {
            shows_no_earlier_work(*kernel, seed, earlier);
        }
    }

    #[test]
    fn a_fault_shows_in_every_variant(seed: u64, element: u64, bit in 16u32..24) {
        all().iter().for_each(|kernel| fault_shows(*kernel, seed, Fault { element, bit }));
    }

    #[test]
    fn damage_is_seen_and_located(seed: u64, element: u64, bit: u32) {
        for kernel in all() {
            let mut job = kernel.new_job();
            job.generate(Size::Fresh, seed);
            run(job.as_mut(), vectors(*kernel).first().copied().unwrap_or(scalar()), None);
            job.keep_reference();
            let input = job.input_digest();
            job.flip_input_bit(Fault { element, bit });
            prop_assert_ne!(job.input_digest(), input);
            job.flip_input_bit(Fault { element, bit });
            prop_assert_eq!(job.input_digest(), input);
            job.flip_reference_bit(Fault { element, bit });
            prop_assert!(!job.matches());
            let place = job.locate().expect("both methods see it");
            prop_assert_eq!((place.wrong, (place.expected ^ place.actual).count_ones()), (1, 1));
            prop_assert_eq!(place.expected ^ place.actual, 1 << (bit % place.bits));
        }
    }
}

#[test]
fn the_exact_check_sees_a_wrong_product() {
    for name in ["gemm-u8s8-i32", "gemm-s8s8-i32", "gemm-u8s4-i32", "conv3x3-u8s8"] {
        let mut job = find(name).expect("in the list").new_job();
        for seed in 0..50 {
            job.generate(Size::Fresh, seed);
            run(job.as_mut(), scalar(), None);
            assert_eq!(job.freivalds(seed), Some(true), "{name}, seed {seed}");
            run(job.as_mut(), scalar(), Some(Fault { element: seed * 31, bit: 3 }));
            assert_eq!(job.freivalds(seed), Some(false), "{name}, seed {seed}");
        }
    }
}
