//! The two passes in vectors. Between them rows lie in quads: the bytes of four rows interleaved, a 32-bit lane a sample, as
//! the dot products of the vertical pass take them. The horizontal pass makes a quad of four rows at a time.

mod dot;
pub(super) mod float;
pub(super) mod linear;
mod wide;

use super::{
    coefficients::HALF,
    tables::{Across, Split},
};
use crate::isa::Token;

/// Samples that the vertical pass makes at a time: rows of quads are padded with zeros to a multiple.
pub(super) const BLOCK: usize = 64;

/// Lanes of the token's vectors and how its weights are split; `None` if it has no variant.
pub(super) fn shape(token: Token) -> Option<(usize, Split)> {
    match token {
        Token::Sse41(_) => Some((4, Split::Words)),
        Token::Avx2Fma(_) => Some((8, Split::Words)),
        Token::Avx512F(_) => Some((16, Split::Words)),
        Token::AvxVnni(_) => Some((8, Split::Bytes)),
        Token::Avx512Vnni(_) => Some((16, Split::Bytes)),
        _ => None,
    }
}

macro_rules! passes {
    ($(#[$attribute:meta])* $name:ident, $wide:ident, $features:literal) => {
        $(#[$attribute])*
        mod $name {
            use super::{BLOCK, HALF, dot::$name::*, opaque, wide::$wide::*};
            use crate::resize::{
                scalar::{OF_UPPER, kept},
                tables::{Across, SLACK},
            };

            /// Row by row within a quarter to lane by lane.
            const INTERLEAVE: [u8; 16] = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];

            #[target_feature(enable = $features)]
            pub(super) fn across(table: &Across, from_row: usize, rows: [&[u8]; 4], quad: &mut [u32]) -> [u32; 4] {
                assert!(rows.iter().all(|row| row.len() >= from_row + SLACK));
                let made = LANES / 4 * table.samples;
                // Otherwise a copy of the sums is kept for the case of no taps, and errors in that unused copy go unseen.
                assert!(table.groups > 0);
                assert!(quad.len() >= (table.vectors - 1) * made + LANES);
                assert!(table.offsets.len() >= table.vectors * LANES / 4 && table.picks.len() >= table.offsets.len());
                assert!(table.weights.len() >= table.vectors * table.groups * PLANES * LANES);
                let mut interleave = [INTERLEAVE; LANES / 4];
                let mut order = [0u32; LANES];
                for (lane, from) in order.iter_mut().enumerate() {
                    // Behind the samples an idle lane, which is zero; there is none if each quarter has four.
                    *from = if lane < made { lane / table.samples * 4 + lane % table.samples } else { 3 } as u32;
                }
                // SAFETY: the arrays are as wide as the vector.
                let (interleave, order) = unsafe { (load(interleave.as_mut_ptr().cast()), load(order.as_ptr())) };
                let (mut sums, mut uppers) = ([begin(zero()); 4], [zero(); 4]);
                // They go through the whole table.
                let (mut next_weights, mut quarter) = (0, 0);
                for vector in 0..table.vectors {
                    // SAFETY: the asserts above.
                    let picks = unsafe { load(table.picks.as_ptr().add(quarter).cast()) };
                    let mut parts = [begin(splat(HALF as u32)); 4];
                    let mut step = 0;
                    for _ in 0..table.groups {
                        let mut weights = [zero(); PLANES];
                        for (plane, weights) in weights.iter_mut().enumerate() {
                            // SAFETY: the asserts above.
                            *weights = unsafe { load(table.weights.as_ptr().add(next_weights + plane * LANES)) };
                        }
                        next_weights = opaque(next_weights + PLANES * LANES);
                        for (parts, row) in parts.iter_mut().zip(rows) {
                            // SAFETY: the table's windows end in the row or its slack.
                            let bytes = unsafe {
                                let offsets = table.offsets.as_ptr().add(quarter);
                                windows(row.as_ptr().add(step), offsets)
                            };
                            *parts = add_taps(*parts, pick(bytes, picks), weights);
                        }
                        step = opaque(step + table.step);
                    }
                    quarter = opaque(quarter + LANES / 4);
                    let own = [upper(parts[0]), upper(parts[1]), upper(parts[2]), upper(parts[3])];
                    let bytes = [rounded(own[0]), rounded(own[1]), rounded(own[2]), rounded(own[3])];
                    for row in 0..4 {
                        sums[row] = add_sums(sums[row], parts[row]);
                        uppers[row] = add(uppers[row], own[row]);
                    }
                    let bytes = permute(pick(pack(bytes), interleave), order);
                    // SAFETY: the asserts above.
                    unsafe { store(quad.as_mut_ptr().add(vector * made), bytes) };
                }
                let idle = kept(HALF).wrapping_mul(table.idle as u32);
                let sums = [total(sums[0]), total(sums[1]), total(sums[2]), total(sums[3])];
                let uppers = [sum(uppers[0]), sum(uppers[1]), sum(uppers[2]), sum(uppers[3])];
                let both = |row: usize| sums[row].wrapping_add(uppers[row].wrapping_mul(OF_UPPER)).wrapping_sub(idle);
                [both(0), both(1), both(2), both(3)]
            }

            #[target_feature(enable = $features)]
            pub(super) fn down(weights: &[u32], quads: &[u32], starts: &[usize], target: &mut [u8]) -> u32 {
                let padded = target.len().next_multiple_of(BLOCK);
                // See `across`.
                assert!(!starts.is_empty());
                assert!(starts.iter().all(|start| start + padded <= quads.len()));
                assert!(weights.len() >= starts.len() * PLANES);
                let mut order = [0u32; LANES];
                for (vector, lanes) in order.chunks_exact_mut(LANES / 4).enumerate() {
                    lanes.iter_mut().enumerate().for_each(|(quarter, lane)| *lane = (quarter * 4 + vector) as u32);
                }
                // SAFETY: the array is as wide as the vector.
                let order = unsafe { load(order.as_ptr()) };
                let (mut sums, mut uppers) = (begin(zero()), zero());
                let idle = target.len().next_multiple_of(4 * LANES) - target.len();
                for (block, target) in target.chunks_mut(4 * LANES).enumerate() {
                    let mut parts = [begin(splat(HALF as u32)); 4];
                    for (quad, start) in starts.iter().enumerate() {
                        let mut own = [zero(); PLANES];
                        for (plane, own) in own.iter_mut().enumerate() {
                            // SAFETY: the asserts above.
                            *own = splat(unsafe { *weights.get_unchecked(quad * PLANES + plane) });
                        }
                        for (vector, parts) in parts.iter_mut().enumerate() {
                            // SAFETY: the asserts above, and a block is a multiple of four vectors.
                            let bytes = unsafe { load(quads.as_ptr().add(start + (block * 4 + vector) * LANES)) };
                            *parts = add_taps(*parts, bytes, own);
                        }
                    }
                    let own = [upper(parts[0]), upper(parts[1]), upper(parts[2]), upper(parts[3])];
                    let bytes = [rounded(own[0]), rounded(own[1]), rounded(own[2]), rounded(own[3])];
                    sums = add_sums(
                        sums,
                        add_sums(add_sums(parts[0], parts[1]), add_sums(parts[2], parts[3])),
                    );
                    uppers = add(uppers, add(add(own[0], own[1]), add(own[2], own[3])));
                    let bytes = permute(pack(bytes), order);
                    if target.len() == 4 * LANES {
                        // SAFETY: just as wide.
                        unsafe { store(target.as_mut_ptr().cast(), bytes) };
                    } else {
                        let mut last = [0u8; 4 * LANES];
                        // SAFETY: the array is as wide as the vector.
                        unsafe { store(last.as_mut_ptr().cast(), bytes) };
                        target.copy_from_slice(&last[..target.len()]);
                    }
                }
                let idle = kept(HALF).wrapping_mul(idle as u32);
                total(sums).wrapping_add(sum(uppers).wrapping_mul(OF_UPPER)).wrapping_sub(idle)
            }

            /// Four rows to a quad.
            #[target_feature(enable = $features)]
            pub(super) fn interleave([a, b, c, d]: [&[u8]; 4], quad: &mut [u32]) {
                for ((((lane, a), b), c), d) in quad.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                    *lane = u32::from_le_bytes([*a, *b, *c, *d]);
                }
            }

            /// A row of a quad.
            #[target_feature(enable = $features)]
            pub(super) fn row_of(quad: &[u32], row: usize, target: &mut [u8]) {
                for (value, lane) in target.iter_mut().zip(quad) {
                    *value = (lane >> (8 * row)) as u8;
                }
            }
        }
    };
}

/// A place that the compiler knows nothing of. From one that steps evenly it makes pointers for every inner loop, and nobody
/// would see what is wrong in those after the loop's last turn.
#[inline(always)]
fn opaque(mut place: usize) -> usize {
    // SAFETY: no instruction at all.
    unsafe { core::arch::asm!("/* {0} */", inout(reg) place, options(nomem, nostack, preserves_flags)) };
    place
}

passes!(sse41, x128, "sse4.1");
passes!(avx2, x256, "avx2,fma");
passes!(avx512, x512, "avx512f,avx512bw");
passes!(avx_vnni, x256, "avx2,fma,avxvnni");
passes!(avx512_vnni, x512, "avx512f,avx512bw,avx512vnni");

macro_rules! dispatch {
    ($token:ident, $function:ident($($argument:expr),*)) => {
        match $token {
            // SAFETY: the token proves that this CPU and OS have the instruction set; so do the others below.
            Token::Sse41(_) => unsafe { sse41::$function($($argument),*) },
            // SAFETY: as above.
            Token::Avx2Fma(_) => unsafe { avx2::$function($($argument),*) },
            // SAFETY: as above.
            Token::Avx512F(_) => unsafe { avx512::$function($($argument),*) },
            // SAFETY: as above.
            Token::AvxVnni(_) => unsafe { avx_vnni::$function($($argument),*) },
            // SAFETY: as above.
            Token::Avx512Vnni(_) => unsafe { avx512_vnni::$function($($argument),*) },
            token => crate::gemm::no_such_variant("resize", token),
        }
    };
}

/// A quad of four source rows of `from_row` bytes and slack behind them each; the sums of what it had before rounding.
pub(super) fn across(token: Token, table: &Across, from_row: usize, rows: [&[u8]; 4], quad: &mut [u32]) -> [u32; 4] {
    dispatch!(token, across(table, from_row, rows, quad))
}

/// A target row from the quads that begin at `starts`; the sum of what it had before rounding.
pub(super) fn down(token: Token, weights: &[u32], quads: &[u32], starts: &[usize], target: &mut [u8]) -> u32 {
    dispatch!(token, down(weights, quads, starts, target))
}

/// Four rows to a quad.
pub(super) fn interleave(token: Token, rows: [&[u8]; 4], quad: &mut [u32]) {
    dispatch!(token, interleave(rows, quad))
}

/// A row of a quad.
pub(super) fn row_of(token: Token, quad: &[u32], row: usize, target: &mut [u8]) {
    dispatch!(token, row_of(quad, row, target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        isa::Isa,
        resize::{
            coefficients::Coefficients,
            filter::Filter,
            tables::{Down, SLACK},
        },
        rng::Rng,
    };

    // The code of the AVX-VNNI variant with the EVEX form of its one instruction, which more CPUs have.
    passes!(
        #[expect(dead_code, reason = "two functions have no dot products")]
        evex_vnni,
        x256,
        "avx2,fma,avx512vnni,avx512vl"
    );

    /// Quads, rows and sums of random rows at random widths.
    #[test]
    fn the_code_for_avx_vnni_gives_what_avx2_gives() {
        let has_evex =
            std::arch::is_x86_feature_detected!("avx512vnni") && std::arch::is_x86_feature_detected!("avx512vl");
        let (Some(token), true) = (Isa::Avx2Fma.token(), has_evex) else {
            eprintln!("skipped: no avx512vnni and avx512vl");
            return;
        };
        let mut rng = Rng::new(3);
        for case in 0..200 {
            let channels = [1, 3, 4][case % 3];
            let filter = [Filter::Lanczos, Filter::Bicubic, Filter::Bilinear, Filter::Box][case % 4];
            let (from, to) = (rng.within(1, 60), rng.within(1, 60));
            let mut taps = Coefficients::default();
            taps.compute(filter, from, to);
            let row = from * channels;
            let mut bytes = vec![0; 4 * (row + SLACK)];
            rng.fill(&mut bytes);
            let rows: [&[u8]; 4] = core::array::from_fn(|at| &bytes[at * (row + SLACK)..][..row + SLACK]);
            let made = [Split::Words, Split::Bytes].map(|split| {
                let mut table = Across::default();
                table.fill(&taps, channels, from, 8, split);
                let mut quad = vec![0; to * channels + 64];
                let sums = match split {
                    Split::Words => across(token, &table, row, rows, &mut quad),
                    // SAFETY: detected above.
                    Split::Bytes => unsafe { evex_vnni::across(&table, row, rows, &mut quad) },
                };
                (quad, sums)
            });
            assert_eq!(made[0], made[1], "{filter:?} {channels} {from} {to}");
            let width = rng.within(1, 200);
            let stride = width.next_multiple_of(BLOCK);
            let mut quads = vec![0u32; from.div_ceil(4) * stride];
            for quad in quads.chunks_exact_mut(stride) {
                rng.fill(bytemuck::cast_slice_mut(&mut quad[..width]));
            }
            let made = [Split::Words, Split::Bytes].map(|split| {
                let mut table = Down::default();
                table.fill(&taps, 0, split);
                let mut target = vec![0; width];
                let (first, weights) = table.taps(to - 1);
                let starts: Vec<usize> = (first..table.end(to - 1)).map(|quad| quad * stride).collect();
                let sum = match split {
                    Split::Words => down(token, weights, &quads, &starts, &mut target),
                    // SAFETY: detected above.
                    Split::Bytes => unsafe { evex_vnni::down(weights, &quads, &starts, &mut target) },
                };
                (target, sum)
            });
            assert_eq!(made[0], made[1], "{filter:?} {width} {from} {to}");
        }
    }
}
