//! How fast a variant is on this core, beside what its multiply-adds reach here on registers alone. The two are measured in
//! turn by CPU time, so that neither other programs nor a wandering clock favour one of them. A core may lower its clock for
//! work that draws more than registers alone do, and for long work more than for short: so the clock is looked at after each of
//! the two, and both are as many operations.

use std::ops::RangeInclusive;

use oddcore_kernels::{Job, Kernel, Size, Token, chain::beside};

use super::{
    protocol::{Speed, Unit},
    slot::Slot,
};
use crate::{
    machine::{clock, slip},
    platform,
};

/// CPU time given to a variant, inputs and first calls not counted.
const BUDGET_NS: u64 = 400_000_000;
/// Goldens that it works on, one after another: a kernel of pictures takes its target sizes in turn.
const GOLDENS: usize = 4;
/// Turns with each golden, whatever the budget.
const TURNS: RangeInclusive<usize> = 3..=100;

/// Measures one variant of a kernel on this thread's core.
pub fn measure(kernel: &dyn Kernel, variant: usize, token: Token, job: &mut dyn Job, slot: Slot<'_>) -> Speed {
    let (mut work, mut work_ns) = (0, 0);
    let (mut headroom, mut headroom_per_clock, mut clocks) = (Vec::new(), Vec::new(), Vec::new());
    let mut right = true;
    let mut unit = Unit::Operations;
    for golden in kernel.goldens().iter().take(GOLDENS) {
        job.generate(Size::Golden, golden.seed);
        // The first call takes memory.
        job.run(token, slot.stage(), None);
        clocks.extend(clock::measure());
        let steps = kernel.peak(token, 1).map(|step| job.operations().div_ceil(step));
        let mut runs_ns = Vec::new();
        let until = platform::thread_cpu_ns() + BUDGET_NS / GOLDENS as u64;
        while runs_ns.len() < *TURNS.start() || runs_ns.len() < *TURNS.end() && platform::thread_cpu_ns() < until {
            slot.step();
            let (peak, peak_ns) = timed(|| steps.and_then(|steps| kernel.peak(token, steps)));
            let peak_mhz = peak.and_then(|_| clock::glance_under(token));
            let ((), run_ns) = timed(|| job.run(token, slot.stage(), None));
            if let Some(peak) = peak {
                let peak_per_run = peak as f64 / peak_ns * run_ns / job.operations() as f64;
                headroom.push(peak_per_run);
                let run_mhz = clock::glance_under(token);
                headroom_per_clock.extend(peak_mhz.zip(run_mhz).map(|(peak, run)| peak_per_run / peak * run));
            }
            runs_ns.push(run_ns);
        }
        right &= slip::take().is_none() && job.input_digest() == golden.input && job.output_digest() == golden.output;
        if job.pixels().is_some() {
            unit = Unit::Pixels;
        }
        work += job.pixels().unwrap_or_else(|| job.operations());
        work_ns += median(runs_ns).unwrap_or(1.0) as u64;
    }
    let per_s = work as f64 / (work_ns.max(1) as f64 * 1e-9);
    Speed {
        kernel: kernel.name().to_owned(),
        variant: kernel.variants()[variant].name.to_owned(),
        unit,
        per_s,
        peak_per_s: median(headroom).map(|headroom| per_s * headroom),
        share_per_clock: median(headroom_per_clock).map(f64::recip),
        clock_mhz: median(clocks),
        products: beside::lanes(token).zip(clock::products_per_cycle(token)),
        right,
    }
}

/// What `work` gives, and its CPU time in ns; never zero.
fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = platform::thread_cpu_ns();
    let value = work();
    (value, platform::thread_cpu_ns().saturating_sub(start).max(1) as f64)
}

/// The middle value, the higher of two.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![9.0, 1.0, 5.0]), Some(5.0));
    }
}
