//! The references' fused multiply-add of f32.

/// `a * b + c`, rounded once; all finite. The product is exact in f64, and of the sum what it lost is known exactly (Knuth's
/// TwoSum); rounded to odd by that, the sum has one rounding left, to f32 (Boldo and Melquiond 2008, "Emulation of a FMA and
/// correctly rounded sums"). Without a branch, so that the compiler makes vectors of it.
pub(crate) fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    let (product, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let sum = product + c;
    let of_c = sum - product;
    let lost = (product - (sum - of_c)) + (c - of_c);
    let bits = sum.to_bits();
    let towards = if (lost > 0.0) == (sum > 0.0) { bits.wrapping_add(1) } else { bits.wrapping_sub(1) };
    let odd = if lost != 0.0 && bits & 1 == 0 { towards } else { bits };
    f64::from_bits(odd) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn it_is_rounded_once() {
        let mut rng = Rng::new(5);
        let mut checked = 0;
        for _ in 0..1_000_000 {
            let (x, y) = (rng.next(), rng.next());
            let any = [x as u32, (x >> 32) as u32, y as u32].map(f32::from_bits);
            // Sums that nearly cancel, ties, and sums far smaller than what is added to them.
            let near = |by: f32| -(any[0] * any[1]) * (1.0 + by * f32::EPSILON);
            let [a, b, _] = any;
            for c in [any[2], near(0.0), near((y >> 60) as f32), a * 16_777_216.0, b] {
                let exact = libm::fmaf(a, b, c);
                if a.is_finite() && b.is_finite() && c.is_finite() {
                    assert_eq!(multiply_add(a, b, c).to_bits(), exact.to_bits(), "{a:e} {b:e} {c:e}");
                    checked += 1;
                }
            }
        }
        assert!(checked > 4_000_000, "{checked}");
    }
}
