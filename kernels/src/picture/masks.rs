//! Masks, and pasting through them, a row at a time. What needs neighbours takes shifted rows: a tap each.

use super::Operation;

/// OpenCV's Gaussian kernel of 21 taps, sigma 4, in 256ths.
pub(crate) const GAUSSIAN: [u16; 21] = [1, 2, 4, 5, 9, 11, 16, 19, 23, 25, 26, 25, 23, 19, 16, 11, 9, 5, 4, 2, 1];

/// Which pixel of `len` stands at `at`, mirrored at the edges without repeating them.
pub(crate) fn mirrored(at: isize, len: usize) -> usize {
    let last = len as isize - 1;
    if last == 0 {
        return 0;
    }
    let at = at.rem_euclid(2 * last);
    if at > last { (2 * last - at) as usize } else { at as usize }
}

/// The weighted sum of 21 taps, to the nearest byte. Sums the sums.
pub(crate) struct Blur<'a> {
    pub(crate) taps: [&'a [u8]; GAUSSIAN.len()],
    pub(crate) to: &'a mut [u8],
}

impl Operation for Blur<'_> {
    type Output = u32;

    fn scalar(self) -> u32 {
        let mut sum = 0u32;
        for (x, to) in self.to.iter_mut().enumerate() {
            let taps = self.taps.iter().zip(GAUSSIAN);
            let blurred = taps.fold(128, |sum, (tap, weight)| sum + weight * u16::from(tap[x]));
            sum = sum.wrapping_add(u32::from(blurred));
            *to = (blurred >> 8) as u8;
        }
        sum
    }
}

/// A byte as part of the little-endian word of its row that it lies in.
fn in_word(at: usize, byte: u8) -> u32 {
    u32::from(byte) << (at % 4 * 8)
}

/// The wrapping sum of the words of a row.
fn words(row: &[u8]) -> u32 {
    row.iter().enumerate().fold(0, |sum, (at, byte)| sum.wrapping_add(in_word(at, *byte)))
}

/// The largest of four taps. Sums all taps as words: the largest hides the others.
pub(crate) struct Largest<'a> {
    pub(crate) taps: [&'a [u8]; 4],
    pub(crate) to: &'a mut [u8],
}

impl Operation for Largest<'_> {
    type Output = u32;

    fn scalar(self) -> u32 {
        let [a, b, c, d] = self.taps;
        let mut sum = 0u32;
        for (x, to) in self.to.iter_mut().enumerate() {
            *to = a[x].max(b[x]).max(c[x]).max(d[x]);
            let taps = [a[x], b[x], c[x], d[x]];
            sum = taps.iter().fold(sum, |sum, tap| sum.wrapping_add(in_word(x, *tap)));
        }
        sum
    }
}

/// How many are not zero. Sums them as words.
pub(crate) struct CountNonZero<'a>(pub(crate) &'a [u8]);

impl Operation for CountNonZero<'_> {
    type Output = (i64, u32);

    fn scalar(self) -> (i64, u32) {
        (self.0.iter().map(|byte| i64::from(*byte != 0)).sum(), words(self.0))
    }
}

/// Gathers which columns are not zero, and says whether anything in the row is not. Sums the row as words.
pub(crate) struct Occupied<'a> {
    pub(crate) row: &'a [u8],
    pub(crate) columns: &'a mut [u8],
}

impl Operation for Occupied<'_> {
    type Output = (bool, u32);

    fn scalar(self) -> (bool, u32) {
        let mut any = 0;
        for (column, byte) in self.columns.iter_mut().zip(self.row) {
            *column |= byte;
            any |= byte;
        }
        (any != 0, words(self.row))
    }
}

/// Pillow's paste through a mask: `base` fades to `top` as the mask goes from 0 to 255. Sums what is rounded.
pub(crate) struct Paste<'a> {
    pub(crate) base: &'a mut [u8],
    pub(crate) top: &'a [u8],
    pub(crate) mask: &'a [u8],
}

impl Operation for Paste<'_> {
    type Output = u32;

    fn scalar(self) -> u32 {
        let mut sum = 0u32;
        for ((base, &top), &mask) in self.base.iter_mut().zip(self.top).zip(self.mask) {
            let mixed = u16::from(*base) * u16::from(255 - mask) + u16::from(top) * u16::from(mask) + 128;
            sum = sum.wrapping_add(u32::from(mixed));
            *base = (((mixed >> 8) + mixed) >> 8) as u8;
        }
        sum
    }
}

/// Takes a mask as the pixels' alpha.
pub(crate) struct PutAlpha<'a> {
    pub(crate) rgba: &'a mut [u32],
    pub(crate) alpha: &'a [u8],
}

impl Operation for PutAlpha<'_> {
    type Output = ();

    fn scalar(self) {
        for (rgba, alpha) in self.rgba.iter_mut().zip(self.alpha) {
            *rgba = *rgba & 0x00ff_ffff | u32::from(*alpha) << 24;
        }
    }
}

/// Pillow's alpha composite of RGBA pixels. Sums what is rounded on the way: of each pixel the quotient that gives its weight, both
/// halves of its bits as f64, the weight itself, and the mixtures. And the pixel, whose alpha nobody sees where colours are all
/// that is kept.
pub(crate) struct Composite<'a> {
    pub(crate) base: &'a [u32],
    pub(crate) top: &'a [u32],
    pub(crate) to: &'a mut [u32],
}

/// Bits that the weights have more than a byte.
pub(crate) const PRECISION: u32 = 7;

impl Operation for Composite<'_> {
    type Output = u32;

    fn scalar(self) -> u32 {
        let mut sum = 0u32;
        for ((to, &base), &top) in self.to.iter_mut().zip(self.base).zip(self.top) {
            let (base_alpha, top_alpha) = (base >> 24, top >> 24);
            if top_alpha == 0 {
                *to = base;
                sum = sum.wrapping_add(base);
                continue;
            }
            let alpha = 255 * top_alpha + base_alpha * (255 - top_alpha);
            let dividend = (top_alpha * 255 * 255) << PRECISION;
            let weight = dividend / alpha;
            let rest = (255 << PRECISION) - weight;
            let quotient = (f64::from(dividend) / f64::from(alpha)).to_bits();
            sum = [weight, quotient as u32, (quotient >> 32) as u32].into_iter().fold(sum, u32::wrapping_add);
            let mut pixel = over_255(alpha + 0x80) << 24;
            for shift in [0, 8, 16] {
                let mixed = (top >> shift & 255) * weight + (base >> shift & 255) * rest + (0x80 << PRECISION);
                sum = sum.wrapping_add(mixed);
                pixel |= over_255(mixed) >> PRECISION << shift;
            }
            *to = pixel;
            sum = sum.wrapping_add(pixel);
        }
        sum
    }
}

/// A 255th, of what is half of one too large.
fn over_255(value: u32) -> u32 {
    ((value >> 8) + value) >> 8
}
