//! A core's clock without privileges: chains of dependent operations of known latency, timed (domain knowledge, "Reading
//! the machine"). `add` and `xor` of registers take one cycle each everywhere we know; `imul` three to five. A reading
//! counts only if the ratio of the two is a whole number within 2 %. What the chains come to is known: another result is a slip.

use std::cell::Cell;

use oddcore_kernels::{
    Token,
    chain::{
        self,
        beside::{self, ROUND_IMULS, ROUND_PAIRS},
    },
};

use super::{
    clock_model,
    slip::{self, Slip},
};
use crate::platform;

/// What the chains begin with.
const B: u64 = 0x9e37_79b9;
const C: u64 = 0x85eb_ca6b;
/// add/xor pairs in a window: 24,000 cycles, 4 µs at 6 GHz, 24 µs at 1 GHz.
const PAIRS: u64 = 12_000;
/// imuls in a window.
const IMULS: u64 = 6_000;
const WINDOW: Span = Span::of(PAIRS, IMULS);
/// Windows of multiply-adds alone, beside as many of the chain.
const WINDOWS_OF_PRODUCTS: usize = 25;
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
/// No core is faster, liquid helium and all: the time was told wrongly.
pub const FASTEST_MHZ: f64 = 12_000.0;
/// A short run before the windows: code and clock are then at hand.
const WARM_UP: Span = Span::of(240, 240);

/// How long both chains are, and what they come to, alone and beside vector work.
struct Span {
    pairs: u64,
    imuls: u64,
    add_xor: beside::Answer,
    imul: beside::Answer,
}

impl Span {
    /// A whole number of rounds of each loop.
    const fn of(pairs: u64, imuls: u64) -> Self {
        assert!(pairs.is_multiple_of(16) && pairs.is_multiple_of(ROUND_PAIRS), "whole rounds");
        assert!(imuls.is_multiple_of(16) && imuls.is_multiple_of(ROUND_IMULS), "whole rounds");
        Self {
            pairs,
            imuls,
            add_xor: beside::Answer {
                chain: chain::add_xor_expected(pairs, B, C),
                lanes: [beside::add_xor_lanes(pairs / ROUND_PAIRS); 16],
            },
            imul: beside::Answer {
                chain: chain::imul_expected(imuls, B),
                lanes: [beside::imul_lanes(imuls / ROUND_IMULS); 16],
            },
        }
    }
}

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
    fn take(span: &Span) -> Self {
        let (add_xor_ns, sums) = timed(|| chain::add_xor(span.pairs, B, C));
        let (imul_ns, products) = timed(|| chain::imul(span.imuls, B));
        let sums = sums ^ FLIPPED.take();
        hold_against(beside::Answer { chain: sums, ..span.add_xor }, span.add_xor);
        hold_against(beside::Answer { chain: products, ..span.imul }, span.imul);
        Self { add_xor_ns, imul_ns }
    }

    /// One of each beside vector work, which there is of that width.
    fn take_under(token: Token, span: &Span) -> Option<Self> {
        let (add_xor_ns, sums) = timed(|| beside::add_xor(token, span.pairs / ROUND_PAIRS, B, C));
        let (imul_ns, products) = timed(|| beside::imul(token, span.imuls / ROUND_IMULS, B));
        hold_against(sums?, span.add_xor);
        hold_against(products?, span.imul);
        Some(Self { add_xor_ns, imul_ns })
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
    if let Some(modelled) = clock_model::reading() {
        return modelled;
    }
    if !chain::KNOWN_CYCLES {
        return None;
    }
    let began = platform::thread_cpu_ns();
    Windows::take(&WARM_UP);
    let mut best = Windows::take(&WINDOW);
    for taken in 1..WINDOWS {
        if taken >= WINDOWS_MIN && platform::thread_cpu_ns().saturating_sub(began) >= BUDGET_NS {
            break;
        }
        let another = Windows::take(&WINDOW);
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
    if let Some(modelled) = clock_model::reading() {
        return modelled;
    }
    if !chain::KNOWN_CYCLES {
        return None;
    }
    Windows::take(&WARM_UP);
    let (one, other) = (Windows::take(&WINDOW), Windows::take(&WINDOW));
    if one.agrees_with(other) { judge(one.best(other), CLOSE) } else { None }
}

/// The clock under vector work of that instruction set's width, by a window of each chain beside such work; where there is none of
/// that width, or the windows contradict each other, the look that [`glance`] takes. A clock that is stretched or lowered for as
/// long as vector units are busy shows in no other way.
pub fn glance_under(token: Token) -> Option<f64> {
    if let Some(modelled) = clock_model::reading() {
        return modelled;
    }
    under(token).or_else(glance)
}

fn under(token: Token) -> Option<f64> {
    if !chain::KNOWN_CYCLES {
        return None;
    }
    Windows::take_under(token, &WARM_UP)?;
    // What holds one chain up (an interrupt, a busy sibling) makes their ratio no whole number.
    judge(Windows::take_under(token, &WINDOW)?, CLOSE)
}

thread_local! {
    /// Of a drill: bits of the next chain's result.
    static FLIPPED: Cell<u64> = const { Cell::new(0) };
}

/// A drill's fault: a bit of the next chain's result is wrong.
pub fn flip_next() {
    FLIPPED.set(1 << 22);
}

/// Notes what is another result than it has to be. What it has to be lies in memory that all workers share: where that is no more
/// what it is computed to be, no core is to blame.
fn hold_against(actual: beside::Answer, expected: beside::Answer) {
    if actual == expected {
        return;
    }
    let of_reference =
        [(PAIRS, IMULS), (WARM_UP.pairs, WARM_UP.imuls)].map(std::hint::black_box).into_iter().all(|(pairs, imuls)| {
            let anew = Span::of(pairs, imuls);
            anew.add_xor != expected && anew.imul != expected
        });
    let (chain, expected_chain) = (actual.chain, expected.chain);
    let what = "beside the kernel: dependent operations whose time gives the core's clock came to a wrong result";
    let lanes = expected.lanes.into_iter().zip(actual.lanes).zip(0..);
    let differs = lanes.into_iter().find(|((expected, actual), _)| expected != actual);
    let (expected, actual, detail) = match differs {
        Some(((expected, actual), lane)) if chain == expected_chain => {
            (expected.into(), actual.into(), format!("{what}, in lane {lane} of multiply-adds beside them"))
        }
        _ => (expected_chain, chain, what.to_owned()),
    };
    slip::note(Slip { stage: slip::CLOCK, of_reference, expected, actual, at_ns: platform::monotonic_ns(), detail });
}

/// Multiply-adds in vectors of that instruction set's width that this core starts each cycle, by its clock as the chain gives it;
/// `None` where there are none, or no three windows of either agree with the best within 0.5 %.
pub fn products_per_cycle(token: Token) -> Option<f64> {
    if !chain::KNOWN_CYCLES {
        return None;
    }
    let (mut chain_ns, mut products_ns, mut products) = (Vec::new(), Vec::new(), 0);
    for _ in 0..WINDOWS_OF_PRODUCTS {
        chain_ns.push(timed(|| chain::add_xor(PAIRS, B, C)).0);
        let (taken_ns, done) = timed(|| beside::products(token, PAIRS / ROUND_PAIRS));
        products_ns.push(taken_ns);
        products = done?;
    }
    let (chain_ns, products_ns) = (best_of_three(chain_ns)?, best_of_three(products_ns)?);
    let cycles = (2 * PAIRS) as f64 * products_ns / chain_ns;
    Some(products as f64 / cycles)
}

/// The shortest time, if two others agree with it.
fn best_of_three(mut ns: Vec<u64>) -> Option<f64> {
    ns.sort_unstable();
    let (best, third) = (*ns.first()? as f64, *ns.get(2)? as f64);
    (best > 0.0 && third <= best * (1.0 + CLOSE)).then_some(best)
}

fn timed<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let start = platform::fine_ns();
    let value = std::hint::black_box(work());
    (platform::fine_ns().saturating_sub(start), value)
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
    Some(1000.0 / cycle_ns).filter(|&mhz| known && mhz <= FASTEST_MHZ)
}

#[cfg(test)]
mod tests {
    use oddcore_kernels::Isa;

    use super::*;

    #[test]
    fn a_wrong_result_is_a_slip() {
        let right = WINDOW.add_xor;
        hold_against(right, right);
        assert_eq!(slip::take(), None);
        let changed = beside::Answer { chain: right.chain ^ 1, ..right };
        hold_against(right, changed);
        assert!(slip::take().expect("noted").of_reference);
        hold_against(beside::Answer { chain: right.chain ^ 1 << 40, ..right }, right);
        let slip = slip::take().expect("noted");
        assert_eq!((slip.stage, slip.of_reference, slip.expected ^ slip.actual), (slip::CLOCK, false, 1 << 40));
        assert!(slip.detail.ends_with("a wrong result"));
        let mut wrong = right;
        wrong.lanes[15] ^= 4;
        hold_against(wrong, right);
        let slip = slip::take().expect("noted");
        assert_eq!(slip.expected ^ slip.actual, 4);
        assert!(slip.detail.contains("in lane 15 of multiply-adds"));
    }

    #[test]
    fn readings_of_a_sound_core_are_no_slips() {
        for _ in 0..50 {
            measure();
            glance();
            Isa::ALL.iter().filter_map(|isa| isa.token()).for_each(|token| _ = glance_under(token));
        }
        assert_eq!(slip::take(), None);
    }

    #[test]
    fn windows_beside_vector_work_are_as_long_as_alone() {
        let Some(token) = Isa::ALL.iter().rev().filter_map(|isa| isa.token()).find(|t| beside::lanes(*t).is_some())
        else {
            return println!("skipped: no vectors of ours here");
        };
        // Of looks taken in turn the highest clocks are those that nothing disturbed.
        let (mut alone, mut under) = (Vec::new(), Vec::new());
        for _ in 0..400 {
            alone.extend(glance());
            under.extend(self::under(token));
        }
        let [alone, under] = [alone, under].map(|mut mhz| {
            mhz.sort_by(f64::total_cmp);
            mhz.get(mhz.len() * 9 / 10).copied()
        });
        match (alone, under) {
            // A clock that vector work lowers would be no fault of ours.
            (Some(alone), Some(under)) => assert!(under <= 1.02 * alone, "{alone} {under}"),
            too_noisy => println!("skipped: {too_noisy:?}"),
        }
    }

    #[test]
    fn the_best_of_many_windows_counts_if_others_come_near() {
        assert_eq!(best_of_three(vec![1004, 5000, 1000, 1003]), Some(1000.0));
        assert_eq!((best_of_three(vec![1000, 1000, 1006]), best_of_three(vec![1, 1])), (None, None));
    }

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
        assert_eq!(judge(Windows { add_xor_ns: 100, imul_ns: 100 }, RATIO_TOLERANCE), None, "240 GHz");
    }
}
