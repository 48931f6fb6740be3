//! Moves and conversions.

use super::{Vector, remainder};
use crate::picture::{
    convert::*,
    lanes::{self, GROUP, Lanes},
};

/// Bytes of a group of RGB pixels.
const RGB_GROUP: usize = 3 * GROUP;

/// The whole groups of each plane and what is left of it. One by one: `map` would not be inlined.
#[inline(always)]
fn planes_in_groups<T>([red, green, blue]: [&[T]; 3]) -> [(&[[T; GROUP]], &[T]); 3] {
    [red.as_chunks(), green.as_chunks(), blue.as_chunks()]
}

impl Vector for ToPlanes<'_> {
    #[inline(always)]
    fn vector<L: Lanes>(self, lanes: L) -> u32 {
        match self.less {
            Some(_) => to_planes::<L, true>(lanes, self),
            None => to_planes::<L, false>(lanes, self),
        }
    }
}

#[inline(always)]
fn to_planes<L: Lanes, const SUMMED: bool>(lanes: L, operation: ToPlanes<'_>) -> u32 {
    let ToPlanes { rgb, planes: [red, green, blue], divisor, less } = operation;
    let (divisors, lesses) = (lanes.floats(divisor), lanes.floats(less.unwrap_or_default()));
    let (groups, rgb) = rgb.as_chunks::<RGB_GROUP>();
    let (reds, red) = red.as_chunks_mut::<GROUP>();
    let (greens, green) = green.as_chunks_mut::<GROUP>();
    let (blues, blue) = blue.as_chunks_mut::<GROUP>();
    let mut sums = lanes.no_sums();
    for (((group, red), green), blue) in groups.iter().zip(reds).zip(greens).zip(blues) {
        let channels = lanes::channels(lanes, group);
        for (bytes, plane) in channels.into_iter().zip([red, green, blue]) {
            let quotients = lanes.div(lanes.floats_of(lanes.ints_of(bytes)), divisors);
            if SUMMED {
                sums = lanes.sum_floats(sums, quotients);
            }
            lanes.store_floats(if SUMMED { lanes.sub(quotients, lesses) } else { quotients }, plane);
        }
    }
    lanes.total(sums).wrapping_add(remainder(rgb.len(), || ToPlanes { rgb, planes: [red, green, blue], divisor, less }))
}

impl Vector for ToPlanesF64<'_> {
    #[inline(always)]
    fn vector<L: Lanes>(self, lanes: L) {
        let Self { rgb, planes: [red, green, blue], divisor } = self;
        let divisors = lanes.doubles(divisor);
        let (groups, rgb) = rgb.as_chunks::<RGB_GROUP>();
        let (reds, red) = red.as_chunks_mut::<GROUP>();
        let (greens, green) = green.as_chunks_mut::<GROUP>();
        let (blues, blue) = blue.as_chunks_mut::<GROUP>();
        for (((group, red), green), blue) in groups.iter().zip(reds).zip(greens).zip(blues) {
            let channels = lanes::channels(lanes, group);
            for (bytes, plane) in channels.into_iter().zip([red, green, blue]) {
                lanes.store_doubles(lanes.div_doubles(lanes.doubles_of(lanes.ints_of(bytes)), divisors), plane);
            }
        }
        remainder(rgb.len(), || Self { rgb, planes: [red, green, blue], divisor });
    }
}

impl Vector for Narrow<'_> {
    #[inline(always)]
    fn vector<L: Lanes>(self, lanes: L) -> u32 {
        let (froms, from) = self.from.as_chunks::<GROUP>();
        let (tos, to) = self.to.as_chunks_mut::<GROUP>();
        let mut sums = lanes.no_sums();
        for (from, to) in froms.iter().zip(tos) {
            let values = lanes.load_doubles(from);
            sums = lanes.sum_doubles(sums, values);
            lanes.store_floats(lanes.narrowed(values), to);
        }
        lanes.total(sums).wrapping_add(remainder(from.len(), || Self { from, to }))
    }
}

impl Vector for ToRgb<'_> {
    #[inline(always)]
    fn vector<L: Lanes>(self, lanes: L) -> u32 {
        match self.bytes {
            Bytes::Decoded => to_rgb::<L, true>(lanes, self),
            Bytes::Rounded => to_rgb::<L, false>(lanes, self),
        }
    }
}

#[inline(always)]
fn to_rgb<L: Lanes, const DECODED: bool>(lanes: L, operation: ToRgb<'_>) -> u32 {
    let ToRgb { planes, rgb, bytes } = operation;
    let (groups, rgb) = rgb.as_chunks_mut::<RGB_GROUP>();
    let [(reds, red), (greens, green), (blues, blue)] = planes_in_groups(planes);
    let (zero, one, two, scale) = (lanes.floats(0.0), lanes.floats(1.0), lanes.floats(2.0), lanes.floats(255.0));
    let mut sums = lanes.no_sums();
    for (n, group) in groups.iter_mut().enumerate() {
        let mut channels = lanes::NO_CHANNELS;
        for (bytes, plane) in channels.iter_mut().zip([reds, greens, blues]) {
            let values = lanes.load_floats(&plane[n]);
            let unit = if DECODED { lanes.div(lanes.add(values, one), two) } else { values };
            let products = lanes.mul(scale, lanes.min(lanes.max(unit, zero), one));
            sums = lanes.sum_floats(sums, products);
            *bytes = lanes.bytes_of(if DECODED { lanes.truncated(products) } else { lanes.rounded(products) });
        }
        lanes::pixels(lanes, channels, group);
    }
    lanes.total(sums).wrapping_add(remainder(rgb.len(), || ToRgb { planes: [red, green, blue], rgb, bytes }))
}

impl Vector for ToRgbF64<'_> {
    #[inline(always)]
    fn vector<L: Lanes>(self, lanes: L) -> u32 {
        let Self { planes, rgb } = self;
        let (groups, rgb) = rgb.as_chunks_mut::<RGB_GROUP>();
        let [(reds, red), (greens, green), (blues, blue)] = planes_in_groups(planes);
        let (zero, one, scale) = (lanes.doubles(0.0), lanes.doubles(1.0), lanes.doubles(255.0));
        let mut sums = lanes.no_sums();
        for (n, group) in groups.iter_mut().enumerate() {
            let mut channels = lanes::NO_CHANNELS;
            for (bytes, plane) in channels.iter_mut().zip([reds, greens, blues]) {
                let clipped = lanes.min_doubles(lanes.max_doubles(lanes.load_doubles(&plane[n]), zero), one);
                let products = lanes.mul_doubles(scale, clipped);
                sums = lanes.sum_doubles(sums, products);
                *bytes = lanes.bytes_of(lanes.rounded_doubles(products));
            }
            lanes::pixels(lanes, channels, group);
        }
        lanes.total(sums).wrapping_add(remainder(rgb.len(), || Self { planes: [red, green, blue], rgb }))
    }
}

impl Vector for Negative<'_> {
    #[inline(always)]
    fn vector<L: Lanes>(self, lanes: L) {
        let (froms, from) = self.from.as_chunks::<GROUP>();
        let (tos, to) = self.to.as_chunks_mut::<GROUP>();
        let (one, two) = (lanes.floats(1.0), lanes.floats(2.0));
        for (from, to) in froms.iter().zip(tos) {
            lanes.store_floats(lanes.sub(one, lanes.mul(two, lanes.load_floats(from))), to);
        }
        remainder(from.len(), || Self { from, to });
    }
}

impl Vector for Widen<'_> {
    #[inline(always)]
    fn vector<L: Lanes>(self, lanes: L) {
        let (groups, bytes) = self.bytes.as_chunks::<GROUP>();
        let (tos, longs) = self.longs.as_chunks_mut::<GROUP>();
        for (group, to) in groups.iter().zip(tos) {
            lanes.store_longs(lanes.ints_of(lanes::load16(lanes, group)), to);
        }
        remainder(bytes.len(), || Self { bytes, longs });
    }
}

impl Vector for Repeat4<'_> {
    #[inline(always)]
    fn vector<L: Lanes>(self, lanes: L) {
        let (froms, from) = self.from.as_chunks::<GROUP>();
        let (tos, to) = self.to.as_chunks_mut::<{ 4 * GROUP }>();
        for (from, to) in froms.iter().zip(tos) {
            lanes::repeat4(lanes, from, to);
        }
        remainder(from.len(), || Self { from, to });
    }
}

impl Vector for ToZeroOrOne<'_> {
    #[inline(always)]
    fn vector<L: Lanes>(self, lanes: L) -> u32 {
        let (groups, bytes) = self.bytes.as_chunks::<GROUP>();
        let (tos, to) = self.to.as_chunks_mut::<GROUP>();
        let scale = lanes.floats(255.0);
        let mut sums = lanes.no_sums();
        for (group, to) in groups.iter().zip(tos) {
            let quotients = lanes.div(lanes.floats_of(lanes.ints_of(lanes::load16(lanes, group))), scale);
            sums = lanes.sum_floats(sums, quotients);
            lanes.store_floats(lanes.nearest(quotients), to);
        }
        lanes.total(sums).wrapping_add(remainder(bytes.len(), || Self { bytes, to }))
    }
}

impl Vector for Channels<'_> {
    #[inline(always)]
    fn vector<L: Lanes>(self, lanes: L) {
        let Self { rgb, planes: [red, green, blue] } = self;
        let (groups, rgb) = rgb.as_chunks::<RGB_GROUP>();
        let (reds, red) = red.as_chunks_mut::<GROUP>();
        let (greens, green) = green.as_chunks_mut::<GROUP>();
        let (blues, blue) = blue.as_chunks_mut::<GROUP>();
        for (((group, red), green), blue) in groups.iter().zip(reds).zip(greens).zip(blues) {
            for (bytes, plane) in lanes::channels(lanes, group).into_iter().zip([red, green, blue]) {
                lanes::store16(lanes, bytes, plane);
            }
        }
        remainder(rgb.len(), || Self { rgb, planes: [red, green, blue] });
    }
}

impl Vector for Reverse<'_> {
    #[inline(always)]
    fn vector<L: Lanes>(self, lanes: L) {
        let (froms, from) = self.from.as_chunks::<RGB_GROUP>();
        let (tos, to) = self.to.as_chunks_mut::<RGB_GROUP>();
        for (from, to) in froms.iter().zip(tos) {
            let [red, green, blue] = lanes::channels(lanes, from);
            lanes::pixels(lanes, [blue, green, red], to);
        }
        remainder(from.len(), || Self { from, to });
    }
}

impl Vector for AddAlpha<'_> {
    #[inline(always)]
    fn vector<L: Lanes>(self, lanes: L) {
        let (groups, rgb) = self.rgb.as_chunks::<RGB_GROUP>();
        let (tos, rgba) = self.rgba.as_chunks_mut::<GROUP>();
        for (group, to) in groups.iter().zip(tos) {
            lanes::rgb_to_rgba(lanes, group, bytemuck::must_cast_mut(to));
        }
        remainder(rgba.len(), || Self { rgb, rgba });
    }
}

impl Vector for DropAlpha<'_> {
    #[inline(always)]
    fn vector<L: Lanes>(self, lanes: L) {
        let (groups, rgba) = self.rgba.as_chunks::<GROUP>();
        let (tos, rgb) = self.rgb.as_chunks_mut::<RGB_GROUP>();
        for (group, to) in groups.iter().zip(tos) {
            lanes::rgba_to_rgb(lanes, bytemuck::must_cast_ref(group), to);
        }
        remainder(rgba.len(), || Self { rgba, rgb });
    }
}
