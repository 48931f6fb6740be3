//! The quick profile: every core alone with every kernel, highest multiplier group first, then all together; in rounds, each
//! with new seeds, so that a longer run is short passes over everything first and longer ones later.

use super::{Load, PRE_PASS, Request, Step};
use crate::{machine::Machine, verdict::Hex};

/// How long the first round lasts, in seconds, where that gives each core its least time with each kernel.
const ROUND_S: f64 = 60.0;
/// Each round is longer than the last by this factor, until a core has [`SOLO_STEP_S_LONG`] with a kernel.
const ROUND_GROWTH: f64 = 2.0;
/// The longest time that a kernel gets on a core alone in one step, in seconds: a night's journal stays small.
const SOLO_STEP_S_LONG: f64 = 10.0;
/// The least time worth giving a kernel on a core alone, in seconds.
const SOLO_STEP_S_MIN: f64 = 0.25;
/// The part of a round in which cores work alone, where both loads are asked for: under half, for alone only one core works
/// at a time.
const SOLO_SHARE: f64 = 0.4;

/// The steps, the pre-pass first.
pub fn steps<'a>(machine: &Machine, request: &'a Request) -> impl Iterator<Item = Step> + use<'a> {
    let order = highest_first(machine, &request.cores);
    let pre_pass = Step {
        step: 0,
        load: PRE_PASS.to_owned(),
        kernel: None,
        cores: order.clone(),
        seconds: 0.0,
        seed: request.seed,
        siblings: false,
    };
    let rounds = round_lengths(request).flat_map(move |round_s| round(request, &order, round_s));
    std::iter::once(pre_pass).chain(rounds).zip(0u32..).map(|(step, number)| Step {
        step: number,
        seed: Hex(step.seed.0.wrapping_add(u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15))),
        ..step
    })
}

fn highest_first(machine: &Machine, cores: &[u32]) -> Vec<u32> {
    let top = |core: u32| {
        machine.cores.iter().find(|c| c.core == core).and_then(|c| c.top_mhz.as_ref()).map_or(0.0, |top| top.mhz)
    };
    let mut order = cores.to_vec();
    order.sort_by(|&a, &b| top(b).total_cmp(&top(a)).then(a.cmp(&b)));
    order
}

fn solo_share(request: &Request) -> f64 {
    match (request.loads.contains(&Load::Solo), request.loads.contains(&Load::Together)) {
        (true, true) => SOLO_SHARE,
        (true, false) => 1.0,
        (false, _) => 0.0,
    }
}

/// Lengths of the rounds in seconds; together they are as long as was asked for.
fn round_lengths(request: &Request) -> impl Iterator<Item = f64> + use<> {
    let pieces = (request.cores.len() * request.kernels.len()) as f64;
    let longest_s = match solo_share(request) {
        // No core is alone: a kernel has all the cores for the time of a solo step each.
        0.0 => pieces * SOLO_STEP_S_LONG,
        share => pieces * SOLO_STEP_S_LONG / share,
    };
    let first_s = ROUND_S.max(longest_s * SOLO_STEP_S_MIN / SOLO_STEP_S_LONG);
    let (mut next_s, mut left_s) = (first_s, request.seconds);
    std::iter::from_fn(move || {
        // Without anything to do no round would ever yield a step.
        if left_s <= 0.0 || pieces == 0.0 {
            return None;
        }
        // The last round takes the rest, rather than leave one of a second.
        let round_s = if left_s < 1.5 * next_s { left_s } else { next_s };
        left_s -= round_s;
        next_s = (next_s * ROUND_GROWTH).min(longest_s.max(first_s));
        Some(round_s)
    })
}

fn round(request: &Request, order: &[u32], round_s: f64) -> Vec<Step> {
    let step = |load: Load, kernel: &String, cores: Vec<u32>, seconds: f64| Step {
        step: 0,
        load: load.name().to_owned(),
        kernel: Some(kernel.clone()),
        cores,
        seconds,
        seed: request.seed,
        siblings: load == Load::Together,
    };
    let solo_s = solo_share(request) * round_s;
    let pieces = (order.len() * request.kernels.len()) as f64;
    let solo_step_s = (solo_s / pieces).max(SOLO_STEP_S_MIN.min(solo_s));
    let mut steps = Vec::new();
    if request.loads.contains(&Load::Solo) {
        for &core in order {
            steps.extend(request.kernels.iter().map(|kernel| step(Load::Solo, kernel, vec![core], solo_step_s)));
        }
    }
    if request.loads.contains(&Load::Together) {
        let seconds = (round_s - solo_s) / request.kernels.len() as f64;
        steps.extend(request.kernels.iter().map(|kernel| step(Load::Together, kernel, order.to_vec(), seconds)));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(cores: u32, seconds: f64) -> Request {
        Request {
            cores: (0..cores).collect(),
            kernels: vec!["a".into(), "b".into(), "c".into()],
            loads: Load::ALL.to_vec(),
            seconds,
            seed: Hex(7),
            until_s: None,
            expect: vec![],
        }
    }

    #[test]
    fn rounds_grow_and_come_to_what_was_asked_for() {
        for (cores, seconds) in [(1, 2.0), (2, 60.0), (2, 61.0), (2, 3600.0), (24, 8.0 * 3600.0), (64, 86_400.0)] {
            let lengths: Vec<f64> = round_lengths(&request(cores, seconds)).collect();
            assert!((lengths.iter().sum::<f64>() - seconds).abs() < 1e-6, "{cores} {seconds}: {lengths:?}");
            assert!(lengths.iter().rev().skip(1).rev().is_sorted(), "{lengths:?}");
            assert!(cores > 24 || lengths[0] <= 1.5 * ROUND_S, "{lengths:?}");
        }
    }

    #[test]
    fn a_day_has_few_enough_steps_on_any_machine() {
        let nothing = tempfile::tempdir().expect("a folder");
        let root = crate::machine::Root::at(nothing.path());
        for cores in [1, 2, 24, 64, 256] {
            let allowed: Vec<u32> = (0..cores).collect();
            let machine = crate::machine::read(&root, &allowed).expect("a machine");
            let steps = steps(&machine, &request(cores, 86_400.0)).count();
            assert!(steps < 9_000, "{cores} cores: {steps} steps");
        }
    }

    #[test]
    fn steps_are_numbered_and_start_with_the_pre_pass() {
        let nothing = tempfile::tempdir().expect("a folder");
        let machine = crate::machine::read(&crate::machine::Root::at(nothing.path()), &[0, 1]).expect("a machine");
        let request = request(2, 600.0);
        let steps: Vec<Step> = steps(&machine, &request).collect();
        assert!(steps.iter().zip(0..).all(|(step, number)| step.step == number));
        assert_eq!((steps[0].load.as_str(), steps[1].load.as_str()), (PRE_PASS, "solo"));
        let mut seeds: Vec<u64> = steps.iter().map(|step| step.seed.0).collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), steps.len(), "every step has seeds of its own");
    }
}
