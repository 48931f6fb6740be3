//! Exact limits for counts of rare, independent events, and an exact test of two counts.
//!
//! Both distributions are summed from one term outwards, away from their middle: the terms fall from the first on, so that
//! the sum ends after some multiple of √n of them, with every digit. Counts beyond a million, where nothing but time would be
//! gained by that, get the limits of Wilson and Hilferty and the normal distribution's test.

/// Terms smaller than this part of the sum no longer change it.
const NEGLIGIBLE: f64 = 1e-18;
/// Counts up to this are dealt with exactly.
const EXACT_MAX: u64 = 1_000_000;
/// The normal distribution's 95 % and 97.5 % quantiles.
const NORMAL_95: f64 = 1.644_853_626_951_472_2;
const NORMAL_975: f64 = 1.959_963_984_540_054;

/// The one-sided upper 95 % limit of a Poisson mean after `n` events: the mean at which `n` or fewer have a probability
/// of 5 %. For none it is −ln 0.05 = 2.9957.
pub fn upper_95(n: u64) -> f64 {
    if n > EXACT_MAX { wilson_hilferty(n as f64 + 1.0, NORMAL_95) } else { mean_at(n, 0.05, at_most) }
}

/// The exact two-sided 95 % interval of a Poisson mean after `n` events (Garwood): below its low end `n` or more, above its
/// high end `n` or fewer have a probability of less than 2.5 %.
pub fn interval_95(n: u64) -> (f64, f64) {
    if n > EXACT_MAX {
        return (wilson_hilferty(n as f64, -NORMAL_975), wilson_hilferty(n as f64 + 1.0, NORMAL_975));
    }
    let low = if n == 0 { 0.0 } else { mean_at(n, 0.975, |n, mean| 1.0 - at_least(n, mean)) };
    (low, mean_at(n, 0.025, at_most))
}

/// How likely two counts are to differ at least as much as these if both come at the same rate: `n` in an exposure of `t`,
/// and `other_n` in one of `other_t`. Given their sum, the first is binomial with the share of `t`; twice the smaller tail.
pub fn p_same_rate(n: u64, t: f64, other_n: u64, other_t: f64) -> f64 {
    let all = n.saturating_add(other_n);
    if all == 0 || t <= 0.0 || other_t <= 0.0 {
        return 1.0;
    }
    let share = (t / (t + other_t)).clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON);
    if all > EXACT_MAX {
        let mean = (n as f64 + other_n as f64) * share;
        let off = ((n as f64 - mean).abs() - 0.5).max(0.0);
        return libm::erfc(off / (2.0 * mean * (1.0 - share)).sqrt().max(f64::MIN_POSITIVE));
    }
    let upper = binomial_at_least(n, all, share);
    // No more than n of one kind is no fewer than the rest of the other.
    let lower = binomial_at_least(other_n, all, 1.0 - share);
    (2.0 * upper.min(lower)).min(1.0)
}

/// Half a chi-square quantile of `2k` degrees of freedom: about the cube of a normal one.
fn wilson_hilferty(k: f64, normal: f64) -> f64 {
    k * (1.0 - 1.0 / (9.0 * k) + normal / (3.0 * k.sqrt())).powi(3)
}

/// The mean at which `falling`, which falls with it, is `p`.
fn mean_at(n: u64, p: f64, falling: impl Fn(u64, f64) -> f64) -> f64 {
    let n_f = n as f64;
    let reach = 10.0 * (n_f + 1.0).sqrt() + 10.0;
    let (mut low, mut high) = ((n_f - reach).max(0.0), n_f + reach);
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if falling(n, middle) > p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// P(X ≤ n) for a Poisson mean.
fn at_most(n: u64, mean: f64) -> f64 {
    if mean <= n as f64 {
        return 1.0 - at_least(n + 1, mean);
    }
    outwards(poisson_term(n, mean), (0..n).map(|i| (n - i) as f64 / mean))
}

/// P(X ≥ n) for a Poisson mean.
fn at_least(n: u64, mean: f64) -> f64 {
    if n == 0 {
        return 1.0;
    }
    if mean > n as f64 {
        return 1.0 - at_most(n - 1, mean);
    }
    outwards(poisson_term(n, mean), (n + 1..).map(|k| mean / k as f64))
}

fn poisson_term(n: u64, mean: f64) -> f64 {
    match (n, mean > 0.0) {
        (0, _) => (-mean).exp(),
        (_, true) => (n as f64 * mean.ln() - mean - libm::lgamma(n as f64 + 1.0)).exp(),
        (_, false) => 0.0,
    }
}

/// P(X ≥ k) of `n` trials with probability `p` each, 0 < p < 1.
fn binomial_at_least(k: u64, n: u64, p: f64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    let (n_f, k_f) = (n as f64, k as f64);
    if k_f < n_f * p {
        // On the near side of the middle: the other tail is the shorter sum.
        return 1.0 - binomial_at_least(n - k + 1, n, 1.0 - p);
    }
    let choose = libm::lgamma(n_f + 1.0) - libm::lgamma(k_f + 1.0) - libm::lgamma(n_f - k_f + 1.0);
    let term = (choose + k_f * p.ln() + (n_f - k_f) * (-p).ln_1p()).exp();
    let odds = p / (1.0 - p);
    outwards(term, (k..n).map(|i| (n - i) as f64 / (i + 1) as f64 * odds))
}

/// The sum of terms of which each is the one before times the next ratio.
fn outwards(first: f64, ratios: impl Iterator<Item = f64>) -> f64 {
    let (mut term, mut sum) = (first, first);
    for ratio in ratios {
        term *= ratio;
        sum += term;
        if term <= sum * NEGLIGIBLE {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64, what: impl std::fmt::Debug) {
        assert!((got - want).abs() <= 1e-8 * want.abs(), "{what:?}: {got} is not {want}");
    }

    /// `scipy.stats.chi2.ppf(0.95, 2 * n + 2) / 2`, SciPy's word for it.
    const UPPER: [(u64, f64); 8] = [
        (0, 2.9957322735539895),
        (1, 4.743864518390577),
        (2, 6.295793621871988),
        (7, 13.148113802432116),
        (20, 29.062018840434014),
        (100, 118.07927278209706),
        (1_000, 1053.6031221333008),
        (1_000_000, 1001646.4227676168),
    ];

    /// `chi2.ppf(0.025, 2 * n) / 2` and `chi2.ppf(0.975, 2 * n + 2) / 2`.
    const INTERVAL: [(u64, f64, f64); 8] = [
        (0, 0.0, 3.6888794541139354),
        (1, 0.025317807984289876, 5.571643390938898),
        (2, 0.24220927854396496, 7.22468766772396),
        (7, 2.8143630515198654, 14.422675361702376),
        (20, 12.216519585403944, 30.8883779026746),
        (100, 81.36399125092314, 121.62679379242638),
        (1_000, 938.9730184076952, 1063.952136016302),
        (1_000_000, 998040.9833402939, 1001961.9119454322),
    ];

    /// `k`, `n`, `p` and `min(1, 2 * min(binom.cdf(k, n, p), binom.sf(k - 1, n, p)))`.
    const BINOMIAL: [(u64, u64, f64, f64); 8] = [
        (0, 5, 0.5, 0.0625),
        (7, 7, 0.5, 0.015625),
        (7, 7, 0.1, 2.0000000000000007e-07),
        (3, 10, 0.2, 0.6444009472000003),
        (0, 7, 0.3, 0.16470860000000007),
        (1, 40, 0.25, 0.0002882887746336083),
        (500, 1000, 0.45, 0.0016930984332385285),
        (5, 5, 0.5, 0.0625),
    ];

    #[test]
    fn limits_are_scipys() {
        for (n, limit) in UPPER {
            close(upper_95(n), limit, n);
        }
        for (n, low, high) in INTERVAL {
            close(interval_95(n).0, low, (n, "low"));
            close(interval_95(n).1, high, (n, "high"));
        }
    }

    #[test]
    fn the_test_of_two_rates_is_scipys() {
        for (k, n, share, p) in BINOMIAL {
            close(p_same_rate(k, share, n - k, 1.0 - share), p, (k, n, share));
        }
        assert_eq!(p_same_rate(0, 1.0, 0, 1.0), 1.0);
        assert_eq!(p_same_rate(3, 1.0, 0, 0.0), 1.0, "nothing to compare with");
    }

    #[test]
    fn counts_without_end_are_no_trouble() {
        // Where the exact limits end, the others take over without a step.
        let n = EXACT_MAX;
        let (low, high) = interval_95(n);
        close(wilson_hilferty(n as f64 + 1.0, NORMAL_95), upper_95(n), "one-sided");
        close(wilson_hilferty(n as f64, -NORMAL_975), low, "low");
        close(wilson_hilferty(n as f64 + 1.0, NORMAL_975), high, "high");
        let exact = p_same_rate(500_900, 1.0, EXACT_MAX - 500_900, 1.0);
        let normal = p_same_rate(500_900, 1.0, EXACT_MAX + 1 - 500_900, 1.0);
        assert!((exact / normal - 1.0).abs() < 0.01, "{exact} {normal}");
        for n in [u64::MAX / 2, u64::MAX] {
            let (low, high) = interval_95(n);
            assert!(low < n as f64 && high > n as f64 && upper_95(n) > n as f64);
            assert_eq!(p_same_rate(n, 1.0, n, 1.0), 1.0);
            assert_eq!(p_same_rate(n, 1.0, 0, 1e300), 0.0);
        }
        assert_eq!(p_same_rate(3, 1e300, 0, 1e-300), 1.0);
        assert!(p_same_rate(3, 1e-300, 0, 1e300) < 1e-12);
    }
}
