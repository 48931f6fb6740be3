use super::{checksum::*, convert::*, masks::*, *};
use crate::{isa::Token, rng::Rng};

/// Every way that this CPU can carry out an operation.
fn tokens() -> impl Iterator<Item = Token> {
    VARIANTS.iter().filter_map(|variant| variant.isa.token())
}

/// So many random bytes.
fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    Rng::new(seed).fill(&mut bytes);
    bytes
}

#[test]
fn halves_are_rounded_to_even_and_what_is_outside_is_clipped() {
    // 255 times each of these is what stands beside it: not all halves have such an f32.
    let halves = (0..255u32).map(|n| (n as f32 + 0.5) / 255.0).filter(|x| (255.0 * x).fract() == 0.5);
    let units: Vec<f32> = halves.chain([-1.0, -0.0, 0.0, 1.0, 1.5, f32::MIN, f32::MAX, f32::MIN_POSITIVE]).collect();
    assert!(units.len() > 100);
    for token in tokens() {
        let mut rgb = vec![0; 3 * units.len()];
        perform(token, ToRgb { planes: [&units; 3], rgb: &mut rgb, bytes: Bytes::Rounded });
        for (unit, pixel) in units.iter().zip(rgb.chunks_exact(3)) {
            let right = (255.0 * unit.clamp(0.0, 1.0)).round_ties_even() as u8;
            assert_eq!(pixel, [right; 3], "{unit} {}", token.isa().name());
        }
        let doubles: Vec<f64> = (0..=510).map(|n| f64::from(n) / 510.0).chain([-2.0, 3.0]).collect();
        let mut rgb = vec![0; 3 * doubles.len()];
        perform(token, ToRgbF64 { planes: [&doubles; 3], rgb: &mut rgb });
        for (unit, pixel) in doubles.iter().zip(rgb.chunks_exact(3)) {
            let right = (255.0 * unit.clamp(0.0, 1.0)).round_ties_even() as u8;
            assert_eq!(pixel, [right; 3], "{unit} {}", token.isa().name());
        }
    }
}

#[test]
fn every_byte_survives_the_latent_space() {
    let all: Vec<u8> = (0..=255).flat_map(|byte| [byte, 255 - byte, byte ^ 0x55]).collect();
    for token in tokens() {
        let mut planes = [[0f32; 256]; 3];
        let mut back = vec![0; all.len()];
        let [red, green, blue] = &mut planes;
        perform(token, ToPlanes { rgb: &all, planes: [red, green, blue], divisor: 127.5, less: Some(1.0) });
        perform(
            token,
            ToRgb { planes: planes.each_ref().map(|plane| &plane[..]), rgb: &mut back, bytes: Bytes::Decoded },
        );
        // It truncates: what comes out a hair too small is one less.
        assert!(all.iter().zip(&back).all(|(byte, back)| byte - back <= 1), "{}", token.isa().name());
    }
}

#[test]
fn pasting_is_the_same_for_every_mask_and_byte() {
    for mask in 0..=255u8 {
        let (base, top): (Vec<u8>, Vec<u8>) = ((0..=255).collect(), bytes(mask.into(), 256));
        let results: Vec<_> = tokens()
            .map(|token| {
                let mut base = base.clone();
                let sum = perform(token, Paste { base: &mut base, top: &top, mask: &[mask; 256] });
                (base, sum)
            })
            .collect();
        assert!(results.iter().all(|result| *result == results[0]), "{mask}");
        // Within half a step of the exact mixture, and a little for the way of dividing by 255.
        for ((mixed, base), top) in results[0].0.iter().zip(&base).zip(&top) {
            let exact = (f64::from(*base) * f64::from(255 - mask) + f64::from(*top) * f64::from(mask)) / 255.0;
            assert!((f64::from(*mixed) - exact).abs() <= 0.5 + 1e-9, "{base} {top} {mask}: {mixed}");
        }
    }
}

#[test]
fn compositing_is_the_same_for_every_pair_of_alphas() {
    for base_alpha in 0..=255u32 {
        let pixels = |seed, alpha: &dyn Fn(u32) -> u32| -> Vec<u32> {
            let colours = bytes(seed, 4 * 256);
            let words = colours.chunks_exact(4).map(|four| u32::from_le_bytes(four.try_into().expect("four")));
            (0..).zip(words).map(|(n, word)| word & 0x00ff_ffff | alpha(n) << 24).collect()
        };
        let (base, top) = (pixels(base_alpha.into(), &|_| base_alpha), pixels(!u64::from(base_alpha), &|n| n));
        let results: Vec<_> = tokens()
            .map(|token| {
                let mut to = vec![0; 256];
                let sum = perform(token, Composite { base: &base, top: &top, to: &mut to });
                (to, sum)
            })
            .collect();
        assert!(results.iter().all(|result| *result == results[0]), "{base_alpha}");
        assert_eq!(results[0].0[0], base[0], "nothing on top leaves the base");
        let other: Vec<u32> = base.iter().enumerate().map(|(n, pixel)| pixel ^ u32::from(n == 0) << 28).collect();
        for token in tokens() {
            let sum = perform(token, Composite { base: &other, top: &top, to: &mut vec![0; 256] });
            assert_ne!(sum, results[0].1, "an alpha that only shows in itself: {}", token.isa().name());
        }
        assert_eq!(results[0].0[255], top[255], "what is opaque hides the base");
    }
}

#[test]
fn a_checksum_tells_every_flip_and_words_that_changed_places() {
    for len in [1, 63, 64, 65, 1000, 4096] {
        let right = bytes(len as u64, len);
        let scalar = perform(Token::Scalar, Checksum(&right));
        for token in tokens() {
            let sum = |bytes: &[u8]| perform(token, Checksum(bytes));
            assert_eq!(sum(&right), scalar, "{len} {}", token.isa().name());
            let mut wrong = right.clone();
            for bit in 0..8 * len {
                wrong[bit / 8] ^= 1 << (bit % 8);
                assert_ne!(sum(&wrong)[0], scalar[0], "{len} {bit}");
                wrong[bit / 8] ^= 1 << (bit % 8);
            }
            // Within a group of lanes, and from group to group.
            for step in [1, 7, 16, 32] {
                for at in 0..(len / 4).saturating_sub(step) {
                    let mut moved = right.clone();
                    for byte in 0..4 {
                        moved.swap(4 * at + byte, 4 * (at + step) + byte);
                    }
                    assert!(moved == right || sum(&moved) != scalar, "{len} {at} {step}");
                }
            }
        }
    }
}

#[test]
fn what_the_largest_a_count_and_an_or_hide_is_summed() {
    for len in [1, 31, 32, 33, 100] {
        let rows: [Vec<u8>; 4] = core::array::from_fn(|tap| bytes((4 * len + tap) as u64, len));
        let sums = |token: Token, rows: &[Vec<u8>; 4]| {
            let (mut to, mut columns) = (vec![0; len], vec![0; len]);
            let taps = rows.each_ref().map(|row| &row[..]);
            let largest = perform(token, Largest { taps, to: &mut to });
            let (count, counted) = perform(token, CountNonZero(&rows[0]));
            let (any, occupied) = perform(token, Occupied { row: &rows[0], columns: &mut columns });
            ([largest, counted, occupied], (to, count, any, columns))
        };
        let right = sums(Token::Scalar, &rows);
        for token in tokens() {
            assert_eq!(sums(token, &rows), right, "{len} {}", token.isa().name());
            for (tap, bit) in (0..4).flat_map(|tap| (0..8 * len).map(move |bit| (tap, bit))) {
                let mut wrong = rows.clone();
                wrong[tap][bit / 8] ^= 1 << (bit % 8);
                let seen = sums(token, &wrong).0;
                let differs = core::array::from_fn(|n| seen[n] != right.0[n]);
                assert_eq!(differs, [true, tap == 0, tap == 0], "{len} {} {tap} {bit}", token.isa().name());
            }
        }
    }
}

#[test]
fn mirrors_do_not_repeat_the_edge() {
    let seen: Vec<usize> = (-5..9).map(|at| mirrored(at, 4)).collect();
    assert_eq!(seen, [1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2]);
    assert!((-30..30).all(|at| mirrored(at, 1) == 0));
    assert_eq!(GAUSSIAN.iter().sum::<u16>(), 256);
}
