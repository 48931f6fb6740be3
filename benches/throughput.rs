//! Each kernel's variants side by side, by CPU time, median of several: `cargo bench --bench throughput -- [NAME...]`. Every
//! kernel of the list takes part. Checking is given as the share of a worker's block that comparison and digests take. Products
//! are also given as a share of what their variant's instructions reach on registers alone, the two measured in turn.

use std::sync::atomic::AtomicU64;

use oddcore_kernels::{Job, Kernel, Size, Token, all};

const ROUNDS: usize = 9;
/// Inputs of a kernel.
const GOLDENS: usize = 4;
/// Turns of run and peak.
const TURNS: usize = 41;
/// How long a worker's block lasts, at whose end everything is digested again.
const BLOCK_S: f64 = 0.040;

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

fn once_s(work: impl FnOnce()) -> f64 {
    let start = cpu_s();
    work();
    cpu_s() - start
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn median_s(mut work: impl FnMut()) -> f64 {
    work();
    median((0..ROUNDS).map(|_| once_s(&mut work)).collect())
}

/// The job's share of its variant's peak over as many operations: median of the turns.
fn share_of_peak(kernel: &dyn Kernel, job: &mut dyn Job, token: Token) -> Option<f64> {
    let steps = job.operations().div_ceil(kernel.peak(token, 1)?);
    let turns = (0..TURNS).map(|_| {
        let mut operations = 0;
        let peak_s = once_s(|| operations = kernel.peak(token, steps).unwrap_or(0));
        let run_s = once_s(|| job.run(token, &AtomicU64::new(0), None));
        job.operations() as f64 / run_s * peak_s / operations as f64
    });
    Some(median(turns.collect()))
}

/// What a block digests and copies besides its comparisons.
fn digests_of_a_block(job: &mut dyn Job) {
    let inputs = [job.input_digest(), job.input_digest()];
    let outputs = [job.output_digest(), job.output_digest(), job.reference_digest()];
    job.keep_reference();
    assert!(inputs[0] == inputs[1] && outputs.iter().all(|digest| *digest == outputs[0]));
}

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let chosen = |kernel: &&&dyn Kernel| named.is_empty() || named.iter().any(|name| name == kernel.name());
    for kernel in all().iter().filter(chosen) {
        let mut job = kernel.new_job();
        let mut scalar_s = None;
        for variant in kernel.variants().iter().rev() {
            let Some(token) = variant.isa.token() else {
                println!(
                    "{:18} {:14} skipped: no {}",
                    kernel.name(),
                    variant.name,
                    variant.isa.missing().unwrap_or("?")
                );
                continue;
            };
            let (mut run_s, mut compare_s, mut digest_s, mut operations) = (0.0, 0.0, 0.0, 0);
            for golden in &kernel.goldens()[..GOLDENS] {
                job.generate(Size::Golden, golden.seed);
                run_s += median_s(|| job.run(token, &AtomicU64::new(0), None));
                job.keep_reference();
                compare_s += median_s(|| assert!(job.matches()));
                digest_s += median_s(|| digests_of_a_block(job.as_mut()));
                operations += job.operations();
            }
            let base = *scalar_s.get_or_insert(run_s);
            let iterations = (BLOCK_S / (run_s + compare_s) * GOLDENS as f64).max(1.0);
            let check_s = compare_s + digest_s / iterations;
            let share = share_of_peak(*kernel, job.as_mut(), token);
            println!(
                "{:18} {:14} {:8.1} Gop/s  {:6.1} x scalar  checking {:4.1} %{}",
                kernel.name(),
                variant.name,
                operations as f64 / run_s * 1e-9,
                base / run_s,
                100.0 * check_s / (run_s + check_s),
                share.map_or(String::new(), |share| format!("  {share:.3} of peak"))
            );
        }
    }
}
