//! The list of kernels is swept: none without a reference, goldens, and a line of documentation; the benchmark sweeps it too.

use oddcore_kernels::{Isa, Size, all, find};

#[test]
fn every_kernel_has_all_its_parts() {
    let documented = include_str!("../../docs/KERNELS.md");
    for kernel in all() {
        let name = kernel.name();
        assert!(kernel.goldens().len() >= 256, "{name}: at least 256 goldens");
        assert!(!kernel.summary().is_empty() && !kernel.stages().is_empty(), "{name}");
        assert_eq!(kernel.variants().last().map(|variant| variant.isa), Some(Isa::Scalar), "{name}: scalar last");
        assert!(documented.contains(&format!("`{name}`")), "{name}: a line in docs/KERNELS.md");
        assert!(find(name).is_some_and(|found| found.name() == name), "{name}: found by its name");
        let mut job = kernel.new_job();
        job.generate(Size::Fresh, 1);
        assert_eq!(job.pixels().is_some(), kernel.takes_pictures(), "{name}: a kernel of pictures counts pixels");
        let mut seeds: Vec<u64> = kernel.goldens().iter().map(|golden| golden.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), kernel.goldens().len(), "{name}: seeds differ");
    }
}
