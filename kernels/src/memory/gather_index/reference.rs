//! The scalar reference: lane by lane.

use super::{ADDEND, Gathers, MULTIPLIER, SCATTERED, SCATTERED_BITS, State, Tables, WORDS};

/// The reference.
pub(super) struct Lanes;

/// Lanes of a vector of 512 bits, which read before any of them writes.
const LANES: usize = 16;

fn next(x: u32) -> u32 {
    x.wrapping_mul(MULTIPLIER).wrapping_add(ADDEND)
}

impl Gathers for Lanes {
    fn gather_32(tables: &Tables<'_>, steps: usize, state: &mut State) {
        for _ in 0..steps {
            for x in state.iter_mut() {
                let y = next(*x);
                *x = y ^ tables.narrow[(y >> (32 - tables.bits)) as usize];
            }
        }
    }

    fn gather_64(tables: &Tables<'_>, steps: usize, state: &mut State) {
        for pair in state.as_chunks_mut::<2>().0 {
            let mut x = u64::from(pair[0]) | u64::from(pair[1]) << 32;
            for _ in 0..steps {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                x ^= tables.wide[(x >> (64 - tables.bits)) as usize];
            }
            *pair = [x as u32, (x >> 32) as u32];
        }
    }

    fn masked(tables: &Tables<'_>, steps: usize, state: &mut State) {
        for _ in 0..steps {
            for x in state.iter_mut() {
                let y = next(x.rotate_left(15));
                let at = y >> (32 - tables.bits);
                let entry = if y & 1 == 1 { (tables.wide[at as usize] >> 32) as u32 } else { at };
                *x = y ^ entry;
            }
        }
    }

    fn scatter(scattered: &mut [u32; SCATTERED], steps: usize, state: &mut State) {
        for _ in 0..steps {
            for vector in 0..WORDS / LANES {
                let lanes = &mut state[vector * LANES..][..LANES];
                let places: [usize; LANES] = core::array::from_fn(|lane| {
                    lanes[lane] = next(lanes[lane]);
                    (lanes[lane] >> (32 - SCATTERED_BITS)) as usize
                });
                let old = places.map(|place| scattered[place]);
                for (place, x) in places.into_iter().zip(&*lanes) {
                    scattered[place] = *x;
                }
                for (x, old) in lanes.iter_mut().zip(old) {
                    *x = x.rotate_left(9).wrapping_add(old);
                }
            }
        }
    }
}
