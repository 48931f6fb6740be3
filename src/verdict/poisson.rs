//! Exact limits for counts of rare, independent events.
//!
//! The distribution is summed from one term outwards, away from their middle: the terms fall from the first on, so that
//! the sum ends after some multiple of √n of them, with every digit, whatever the count.

/// Terms smaller than this part of the sum no longer change it.
const NEGLIGIBLE: f64 = 1e-18;

/// The one-sided upper 95 % limit of a Poisson mean after `n` events: the mean at which `n` or fewer have a probability
/// of 5 %. For none it is −ln 0.05 = 2.9957.
pub fn upper_95(n: u64) -> f64 {
    mean_at(n, 0.05, at_most)
}

/// The exact two-sided 95 % interval of a Poisson mean after `n` events (Garwood): below its low end `n` or more, above its
/// high end `n` or fewer have a probability of less than 2.5 %.
pub fn interval_95(n: u64) -> (f64, f64) {
    let low = if n == 0 { 0.0 } else { mean_at(n, 0.975, |n, mean| 1.0 - at_least(n, mean)) };
    (low, mean_at(n, 0.025, at_most))
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
    fn a_night_of_errors_is_no_trouble() {
        // For large counts the limits are those of a normal distribution with n as its variance.
        let n = 3_000_000_000;
        let (low, high) = interval_95(n);
        let width = 1.959964 * (n as f64).sqrt();
        assert!((n as f64 - low - width).abs() < 10.0 && (high - n as f64 - width).abs() < 10.0, "{low} {high}");
    }
}
