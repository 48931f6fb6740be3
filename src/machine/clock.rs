//! A core's clock without privileges: chains of dependent operations of known latency, timed (domain knowledge, "Reading
//! the machine"). `add` and `xor` of registers take one cycle each everywhere we know; `imul` three to five. A reading
//! counts only if the ratio of the two is a whole number within 2 %.

use oddcore_kernels::chain;

use crate::platform;

/// add/xor pairs in a window: 24,000 cycles, 4 µs at 6 GHz, 24 µs at 1 GHz.
const PAIRS: u64 = 12_000;
/// imuls in a window.
const IMULS: u64 = 6_000;
/// Windows of each chain; the best counts, because anything that disturbs makes a window longer.
const WINDOWS: usize = 5;
/// How far the ratio may be from a whole number.
const RATIO_TOLERANCE: f64 = 0.02;

/// Best times of the two chains.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// ns for `2 * PAIRS` cycles.
    pub add_xor_ns: u64,
    /// ns for `IMULS` multiplications.
    pub imul_ns: u64,
}

/// This core's clock right now in MHz; `None` if unmeasured.
pub fn measure() -> Option<f64> {
    if !chain::KNOWN_CYCLES {
        return None;
    }
    let mut best = Windows { add_xor_ns: u64::MAX, imul_ns: u64::MAX };
    for _ in 0..WINDOWS {
        best.add_xor_ns = best.add_xor_ns.min(timed(|| chain::add_xor(PAIRS, 0x9e37_79b9, 0x85eb_ca6b)));
        best.imul_ns = best.imul_ns.min(timed(|| chain::imul(IMULS, 0x9e37_79b9)));
    }
    judge(best)
}

fn timed(work: impl FnOnce() -> u64) -> u64 {
    let start = platform::monotonic_ns();
    std::hint::black_box(work());
    platform::monotonic_ns() - start
}

/// The clock that these windows prove.
pub fn judge(best: Windows) -> Option<f64> {
    if best.add_xor_ns == 0 || best.imul_ns == 0 {
        return None;
    }
    let cycle_ns = best.add_xor_ns as f64 / (2 * PAIRS) as f64;
    let latency = best.imul_ns as f64 / IMULS as f64 / cycle_ns;
    let whole = latency.round();
    let known = (3.0..=5.0).contains(&whole) && (latency / whole - 1.0).abs() <= RATIO_TOLERANCE;
    known.then_some(1000.0 / cycle_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_latency_proves_a_clock() {
        let at = |mhz: f64, latency: f64| Windows {
            add_xor_ns: (2.0 * PAIRS as f64 * 1000.0 / mhz) as u64,
            imul_ns: (IMULS as f64 * latency * 1000.0 / mhz) as u64,
        };
        for mhz in [800.0, 3000.0, 5700.0, 6000.0] {
            for latency in [3.0, 4.0, 5.0] {
                let read = judge(at(mhz, latency)).expect("proven");
                assert!((read / mhz - 1.0).abs() < 1e-3, "{mhz} {read}");
            }
            for latency in [1.0, 2.0, 3.2, 3.5, 6.0] {
                assert_eq!(judge(at(mhz, latency)), None, "{latency}");
            }
        }
        assert_eq!(judge(Windows { add_xor_ns: 0, imul_ns: 0 }), None);
    }
}
