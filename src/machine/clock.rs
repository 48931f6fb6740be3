//! A core's clock without privileges: chains of dependent operations of known latency, timed (domain knowledge, "Reading
//! the machine"). `add` and `xor` of registers take one cycle each everywhere we know; `imul` three to five. A reading
//! counts only if the ratio of the two is a whole number within 2 %.

use oddcore_kernels::chain;

use crate::platform;

/// add/xor pairs in a window: 24,000 cycles, 4 µs at 6 GHz, 24 µs at 1 GHz.
const PAIRS: u64 = 12_000;
/// imuls in a window.
const IMULS: u64 = 6_000;
/// The most windows of each chain; the best counts, because anything that disturbs makes a window longer. Two that agree
/// are enough.
const WINDOWS: usize = 5;
/// The fewest of them, and the CPU time after which no more than those are begun: at 6 GHz five take 35 µs, at 800 MHz 260.
const WINDOWS_MIN: usize = 2;
const BUDGET_NS: u64 = 100_000;
/// How far the ratio may be from a whole number.
const RATIO_TOLERANCE: f64 = 0.02;
/// The same where fewer windows must do, and how far two that agree may differ.
const CLOSE: f64 = 0.005;
/// A short run before the windows: code and clock are then at hand.
const WARM_UP: u64 = 160;

/// Best times of the two chains.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// ns for `2 * PAIRS` cycles.
    pub add_xor_ns: u64,
    /// ns for `IMULS` multiplications.
    pub imul_ns: u64,
}

impl Windows {
    /// One of each.
    fn take() -> Self {
        Self::of(PAIRS, IMULS)
    }

    fn of(pairs: u64, imuls: u64) -> Self {
        Self {
            add_xor_ns: timed(|| chain::add_xor(pairs, 0x9e37_79b9, 0x85eb_ca6b)),
            imul_ns: timed(|| chain::imul(imuls, 0x9e37_79b9)),
        }
    }

    fn agrees_with(self, other: Self) -> bool {
        let close = |a: u64, b: u64| a.abs_diff(b) as f64 <= CLOSE * a.min(b) as f64;
        close(self.add_xor_ns, other.add_xor_ns) && close(self.imul_ns, other.imul_ns)
    }

    fn best(self, other: Self) -> Self {
        Self { add_xor_ns: self.add_xor_ns.min(other.add_xor_ns), imul_ns: self.imul_ns.min(other.imul_ns) }
    }
}

/// This core's clock right now in MHz; `None` if unmeasured.
pub fn measure() -> Option<f64> {
    if !chain::KNOWN_CYCLES {
        return None;
    }
    let began = platform::thread_cpu_ns();
    std::hint::black_box(Windows::of(WARM_UP, WARM_UP));
    let mut best = Windows::take();
    for taken in 1..WINDOWS {
        if taken >= WINDOWS_MIN && platform::thread_cpu_ns().saturating_sub(began) >= BUDGET_NS {
            break;
        }
        let another = Windows::take();
        let is_enough = another.agrees_with(best) && judge(best, CLOSE).is_some();
        best = best.best(another);
        if is_enough {
            break;
        }
    }
    judge(best, RATIO_TOLERANCE)
}

/// The same by two windows of each chain that must agree, about 20 µs, without a system call; `None` if they do not: what
/// disturbs a look is to be told from a clock that fell.
pub fn glance() -> Option<f64> {
    if !chain::KNOWN_CYCLES {
        return None;
    }
    std::hint::black_box(Windows::of(WARM_UP, WARM_UP));
    let (one, other) = (Windows::take(), Windows::take());
    if one.agrees_with(other) { judge(one.best(other), CLOSE) } else { None }
}

fn timed(work: impl FnOnce() -> u64) -> u64 {
    let start = platform::monotonic_ns();
    std::hint::black_box(work());
    platform::monotonic_ns() - start
}

/// The clock that these windows prove, the ratio of the chains being whole but for `tolerance`.
pub fn judge(best: Windows, tolerance: f64) -> Option<f64> {
    if best.add_xor_ns == 0 || best.imul_ns == 0 {
        return None;
    }
    let cycle_ns = best.add_xor_ns as f64 / (2 * PAIRS) as f64;
    let latency = best.imul_ns as f64 / IMULS as f64 / cycle_ns;
    let whole = latency.round();
    let known = (3.0..=5.0).contains(&whole) && (latency / whole - 1.0).abs() <= tolerance;
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
                let read = judge(at(mhz, latency), CLOSE).expect("proven");
                assert!((read / mhz - 1.0).abs() < 1e-3, "{mhz} {read}");
            }
            for latency in [1.0, 2.0, 3.2, 3.5, 6.0] {
                assert_eq!(judge(at(mhz, latency), RATIO_TOLERANCE), None, "{latency}");
            }
        }
        // A window that was held up by 1 % is good enough among five, and no proof alone.
        let held_up = at(3000.0, 4.04);
        assert!(judge(held_up, RATIO_TOLERANCE).is_some() && judge(held_up, CLOSE).is_none());
        assert_eq!(judge(Windows { add_xor_ns: 0, imul_ns: 0 }, RATIO_TOLERANCE), None);
    }
}
