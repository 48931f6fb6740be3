//! Masks and pasting.

use super::{Vector, remainder};
use crate::picture::{
    lanes::{BYTES, GROUP, Lanes, load16},
    masks::*,
};

/// Where the whole groups of a row end.
fn whole(len: usize) -> usize {
    len / BYTES * BYTES
}

/// The group that begins there.
#[inline(always)]
fn group(row: &[u8], at: usize) -> &[u8; BYTES] {
    row[at..].first_chunk().expect("a whole group")
}

impl Vector for Blur<'_> {
    #[inline(always)]
    fn vector<L: Lanes>(self, lanes: L) -> u32 {
        let Self { taps, to } = self;
        let done = whole(to.len());
        let (groups, to) = to.as_chunks_mut::<BYTES>();
        let mut sums = lanes.no_sums();
        for (n, to) in groups.iter_mut().enumerate() {
            let mut blurred = lanes.shorts(128);
            for (tap, weight) in taps.iter().zip(GAUSSIAN) {
                let bytes = lanes.shorts_of(group(tap, n * BYTES));
                blurred = lanes.add_shorts(blurred, lanes.mul_shorts(bytes, lanes.shorts(weight)));
            }
            sums = lanes.sum_shorts(sums, blurred);
            lanes.store_shorts(lanes.high_bytes(blurred), to);
        }
        lanes.total(sums).wrapping_add(remainder(to.len(), || Self { taps: taps.map(|tap| &tap[done..]), to }))
    }
}

impl Vector for Largest<'_> {
    #[inline(always)]
    fn vector<L: Lanes>(self, lanes: L) -> u32 {
        let Self { taps, to } = self;
        let done = whole(to.len());
        let (groups, to) = to.as_chunks_mut::<BYTES>();
        let mut sums = lanes.no_sums();
        for (n, to) in groups.iter_mut().enumerate() {
            // One by one: `map` would not inline the loads.
            let load = |tap: usize| lanes.load_bytes(group(taps[tap], n * BYTES));
            let [a, b, c, d] = [load(0), load(1), load(2), load(3)];
            for tap in [a, b, c, d] {
                sums = lanes.sum_bytes(sums, tap);
            }
            lanes.store_bytes(lanes.max_bytes(lanes.max_bytes(a, b), lanes.max_bytes(c, d)), to);
        }
        lanes.total(sums).wrapping_add(remainder(to.len(), || Self { taps: taps.map(|tap| &tap[done..]), to }))
    }
}

impl Vector for CountNonZero<'_> {
    #[inline(always)]
    fn vector<L: Lanes>(self, lanes: L) -> (i64, u32) {
        let (groups, rest) = self.0.as_chunks::<BYTES>();
        let (mut count, mut sums) = (0, lanes.no_sums());
        for group in groups {
            let bytes = lanes.load_bytes(group);
            count += BYTES as i64 - i64::from(lanes.zeros(bytes));
            sums = lanes.sum_bytes(sums, bytes);
        }
        let (others, rest) = remainder(rest.len(), || Self(rest));
        (count + others, lanes.total(sums).wrapping_add(rest))
    }
}

impl Vector for Occupied<'_> {
    #[inline(always)]
    fn vector<L: Lanes>(self, lanes: L) -> (bool, u32) {
        let (groups, row) = self.row.as_chunks::<BYTES>();
        let (gathered, columns) = self.columns.as_chunks_mut::<BYTES>();
        let (mut any, mut sums) = (lanes.load_bytes(&[0; BYTES]), lanes.no_sums());
        for (group, column) in groups.iter().zip(gathered) {
            let bytes = lanes.load_bytes(group);
            any = lanes.or_bytes(any, bytes);
            sums = lanes.sum_bytes(sums, bytes);
            lanes.store_bytes(lanes.or_bytes(lanes.load_bytes(column), bytes), column);
        }
        let (others, rest) = remainder(row.len(), || Self { row, columns });
        (others || lanes.zeros(any) != BYTES as u32, lanes.total(sums).wrapping_add(rest))
    }
}

impl Vector for Paste<'_> {
    #[inline(always)]
    fn vector<L: Lanes>(self, lanes: L) -> u32 {
        let (bases, base) = self.base.as_chunks_mut::<BYTES>();
        let (tops, top) = self.top.as_chunks::<BYTES>();
        let (masks, mask) = self.mask.as_chunks::<BYTES>();
        let (all, half) = (lanes.shorts(255), lanes.shorts(128));
        let mut sums = lanes.no_sums();
        for ((base, top), mask) in bases.iter_mut().zip(tops).zip(masks) {
            let mask = lanes.shorts_of(mask);
            let kept = lanes.mul_shorts(lanes.shorts_of(base), lanes.sub_shorts(all, mask));
            let mixed = lanes.add_shorts(lanes.add_shorts(kept, lanes.mul_shorts(lanes.shorts_of(top), mask)), half);
            sums = lanes.sum_shorts(sums, mixed);
            lanes.store_shorts(lanes.high_bytes(lanes.add_shorts(lanes.high_bytes(mixed), mixed)), base);
        }
        lanes.total(sums).wrapping_add(remainder(base.len(), || Self { base, top, mask }))
    }
}

impl Vector for PutAlpha<'_> {
    #[inline(always)]
    fn vector<L: Lanes>(self, lanes: L) {
        let (groups, rgba) = self.rgba.as_chunks_mut::<GROUP>();
        let (alphas, alpha) = self.alpha.as_chunks::<GROUP>();
        let colours = lanes.ints(0x00ff_ffff);
        for (group, alpha) in groups.iter_mut().zip(alphas) {
            let alpha = lanes.shift_left(lanes.ints_of(load16(lanes, alpha)), 24);
            lanes.store_ints(lanes.xor(lanes.and(lanes.load_ints(group), colours), alpha), group);
        }
        remainder(rgba.len(), || Self { rgba, alpha });
    }
}

impl Vector for Composite<'_> {
    /// Quotients by way of f64: one that is not whole lies at least one divisor's part from the next whole number, far more than
    /// f64 rounds by.
    #[inline(always)]
    fn vector<L: Lanes>(self, lanes: L) -> u32 {
        let (bases, base) = self.base.as_chunks::<GROUP>();
        let (tops, top) = self.top.as_chunks::<GROUP>();
        let (tos, to) = self.to.as_chunks_mut::<GROUP>();
        let (zero, byte, half) = (lanes.ints(0), lanes.ints(255), lanes.ints(0x80));
        let (half_mixed, unit) = (lanes.ints(0x80 << PRECISION), lanes.ints((255 * 255) << PRECISION));
        let full = lanes.ints(255 << PRECISION);
        let over_255 = |value| lanes.shift_right(lanes.add_ints(lanes.shift_right(value, 8), value), 8);
        let mut sums = lanes.no_sums();
        for ((base, top), to) in bases.iter().zip(tops).zip(tos) {
            let (base, top) = (lanes.load_ints(base), lanes.load_ints(top));
            let (base_alpha, top_alpha) = (lanes.shift_right(base, 24), lanes.shift_right(top, 24));
            let kept = lanes.mul_ints(base_alpha, lanes.sub_ints(byte, top_alpha));
            let alpha = lanes.add_ints(lanes.mul_ints(byte, top_alpha), kept);
            // Nothing on nothing: any divisor will do, for the base is what stays.
            let divisor = lanes.if_zero(alpha, byte, alpha);
            let dividend = lanes.doubles_of(lanes.mul_ints(top_alpha, unit));
            // Where nothing is on top, zero, whose bits add nothing.
            let quotient = lanes.div_doubles(dividend, lanes.doubles_of(divisor));
            sums = lanes.sum_doubles(sums, quotient);
            let weight = lanes.truncated_doubles(quotient);
            let rest = lanes.sub_ints(full, weight);
            let counted = |value| lanes.if_zero(top_alpha, zero, value);
            sums = lanes.sum_ints(sums, counted(weight));
            let mut pixel = lanes.shift_left(over_255(lanes.add_ints(alpha, half)), 24);
            for shift in [0, 8, 16] {
                let channel = |pixels| lanes.and(lanes.shift_right(pixels, shift), byte);
                let mixed = lanes.add_ints(
                    lanes.add_ints(lanes.mul_ints(channel(top), weight), lanes.mul_ints(channel(base), rest)),
                    half_mixed,
                );
                sums = lanes.sum_ints(sums, counted(mixed));
                pixel = lanes.xor(pixel, lanes.shift_left(lanes.shift_right(over_255(mixed), PRECISION), shift));
            }
            let pixel = lanes.if_zero(top_alpha, base, pixel);
            sums = lanes.sum_ints(sums, pixel);
            lanes.store_ints(pixel, to);
        }
        lanes.total(sums).wrapping_add(remainder(to.len(), || Self { base, top, to }))
    }
}
