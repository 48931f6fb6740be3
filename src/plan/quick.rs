//! The quick profile: every core alone with every kernel, highest multiplier group first, then all together; in rounds
//! of about a minute, so that a longer run is short passes over everything, each with new seeds.

use super::{Load, PRE_PASS, Step};
use crate::{machine::Machine, verdict::Hex};

/// How long one round lasts, in seconds.
const ROUND_S: f64 = 60.0;
/// The least time worth giving a kernel on a core alone, in seconds.
const SOLO_STEP_S_MIN: f64 = 0.25;

/// What is asked of the plan.
#[derive(Clone, Debug)]
pub struct Request {
    /// Cores to test, by index.
    pub cores: Vec<u32>,
    /// Kernels by name.
    pub kernels: Vec<String>,
    /// Loads.
    pub loads: Vec<Load>,
    /// The whole run's length in seconds.
    pub seconds: f64,
    /// The run's seed.
    pub seed: u64,
}

/// The steps of the quick profile, the pre-pass first.
pub fn quick(machine: &Machine, request: &Request) -> Vec<Step> {
    let mut order = request.cores.clone();
    let top = |core: u32| {
        machine.cores.iter().find(|c| c.core == core).and_then(|c| c.top_mhz.as_ref()).map_or(0.0, |t| t.mhz)
    };
    order.sort_by(|&a, &b| top(b).total_cmp(&top(a)).then(a.cmp(&b)));

    let mut steps = Vec::new();
    let mut push = |load: &str, kernel: Option<&String>, cores: Vec<u32>, seconds: f64, siblings: bool| {
        let step = steps.len() as u32;
        let seed = Hex(request.seed.wrapping_add(u64::from(step).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        steps.push(Step { step, load: load.to_owned(), kernel: kernel.cloned(), cores, seconds, seed, siblings });
    };
    push(PRE_PASS, None, order.clone(), 0.0, false);
    let rounds = (request.seconds / ROUND_S).round().max(1.0);
    let round_s = request.seconds / rounds;
    for _ in 0..rounds as u64 {
        let solo = request.loads.contains(&Load::Solo);
        let together = request.loads.contains(&Load::Together);
        // Alone for under half of a round where both are asked for: alone only one core works at a time.
        let solo_s = if together { 0.4 * round_s } else { round_s };
        let pieces = (order.len() * request.kernels.len()) as f64;
        let solo_step_s = (solo_s / pieces).max(SOLO_STEP_S_MIN.min(solo_s));
        if solo {
            for &core in &order {
                for kernel in &request.kernels {
                    push(Load::Solo.name(), Some(kernel), vec![core], solo_step_s, false);
                }
            }
        }
        if together {
            let together_s = if solo { round_s - solo_s } else { round_s };
            for kernel in &request.kernels {
                let seconds = together_s / request.kernels.len() as f64;
                push(Load::Together.name(), Some(kernel), order.clone(), seconds, true);
            }
        }
    }
    steps
}
