//! Each kernel's variants side by side, by CPU time, median of several: `cargo bench --bench throughput`. Swept by a test:
//! every kernel of the list takes part. The float product runs beside matrixmultiply.

use std::sync::atomic::AtomicU64;

use oddcore_kernels::{Size, all};

const ROUNDS: usize = 9;
/// The kernels that take part, by name, so that the sweep sees a forgotten one.
const KERNELS: [&str; 3] = ["gemm-u8s8-i32", "gemm-f32", "resize-lanczos-u8"];

fn cpu_s() -> f64 {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
    }
    #[cfg(not(unix))]
    {
        use std::{sync::LazyLock, time::Instant};
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed().as_secs_f64()
    }
}

fn median_s(mut work: impl FnMut()) -> f64 {
    work();
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = cpu_s();
            work();
            cpu_s() - start
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

fn main() {
    for kernel in all().iter().filter(|kernel| KERNELS.contains(&kernel.name())) {
        let mut job = kernel.new_job();
        let mut scalar_s = None;
        for variant in kernel.variants().iter().rev() {
            let Some(token) = variant.isa.token() else {
                println!(
                    "{:18} {:12} skipped: no {}",
                    kernel.name(),
                    variant.name,
                    variant.isa.missing().unwrap_or("?")
                );
                continue;
            };
            let (mut run_s, mut check_s, mut operations) = (0.0, 0.0, 0);
            for golden in &kernel.goldens()[..4] {
                job.generate(Size::Golden, golden.seed);
                run_s += median_s(|| job.run(token, &AtomicU64::new(0), None));
                job.keep_reference();
                check_s += median_s(|| assert!(job.matches()));
                operations += job.operations();
            }
            let base = *scalar_s.get_or_insert(run_s);
            println!(
                "{:18} {:12} {:8.1} Gop/s  {:6.1} x scalar  comparing {:4.1} % of it",
                kernel.name(),
                variant.name,
                operations as f64 / run_s * 1e-9,
                base / run_s,
                100.0 * check_s / run_s
            );
        }
    }
    let (m, n, k) = (256, 128, 1024);
    let (a, b, mut c) = (vec![1.5f32; m * k], vec![0.5f32; k * n], vec![0f32; m * n]);
    let (row_a, row_b) = (k as isize, n as isize);
    let seconds = median_s(|| {
        // SAFETY: the three buffers have the dimensions and strides said.
        unsafe {
            matrixmultiply::sgemm(
                m,
                k,
                n,
                1.0,
                a.as_ptr(),
                row_a,
                1,
                b.as_ptr(),
                row_b,
                1,
                0.0,
                c.as_mut_ptr(),
                row_b,
                1,
            );
        }
    });
    println!("{:18} {:12} {:8.1} Gop/s", "matrixmultiply", "f32", 2.0 * (m * n * k) as f64 / seconds * 1e-9);
}
