//! `picture-moves`: the moves and conversions by themselves, on values that also need clipping and lie half way between two bytes.

use super::{Chain, Output, Steps, row_of_planes, rows_of_planes};
use crate::{
    goldens,
    isa::Token,
    kernel::{Golden, Picture, Size},
    picture::{
        RGB,
        convert::{
            AddAlpha, Bytes, DropAlpha, Narrow, Negative, Repeat4, Reverse, ToPlanes, ToPlanesF64, ToRgb, ToRgbF64,
            Widen,
        },
        perform,
    },
    rng::Rng,
};

/// Width and height of a golden picture: rows as long as in the WebUI, where little of the work is to begin and end them.
const GOLDEN: (usize, usize) = (1024, 64);
/// Makes 255 times the quotient a half, or whole.
const TWICE_255: f64 = 510.0;

/// The chain.
#[derive(Default)]
pub(crate) struct PictureMoves;

impl Chain for PictureMoves {
    const NAME: &'static str = "picture-moves";
    const SUMMARY: &'static str = "moves between pixels and planes; bytes, i64, f32 and f64 into each other, truncated and rounded, as NumPy does";
    const STAGES: &'static [&'static str] = &[
        "planes_f32",
        "planes_f64",
        "narrowed",
        "widened",
        "negative",
        "truncated",
        "rounded",
        "rounded_f64",
        "repeated",
        "bgr",
        "rgba",
        "rgb",
    ];
    const GOLDENS: &'static [Golden] = goldens::PICTURE_MOVES;
    const PICTURE_BYTES: usize = 310;

    fn choose(&mut self, size: Size, rng: &mut Rng) -> (usize, usize) {
        match size {
            Size::Golden => GOLDEN,
            Size::Fresh => (rng.within(40, 600), rng.within(8, 44)),
        }
    }

    fn settle(&mut self, _: usize, _: usize, _: u64) {}

    fn parameters(&self) -> [u64; 8] {
        [0; 8]
    }

    /// Of every value: two; one; one; one; two; six; four; four; and the moves, of which each counts one.
    fn operations(&self, source: &Picture) -> u64 {
        source.rgb.len() as u64 * (2 + 1 + 1 + 1 + 2 + 6 + 4 + 4 + 4 + 1 + 1 + 1)
    }

    fn run(&mut self, token: Token, source: &Picture, outputs: &mut [Output], steps: &Steps<'_>) {
        let (width, height, rgb) = (source.width, source.height, &source.rgb[..]);
        let row = width * RGB;
        let [planes, doubles, narrowed, widened, negative, truncated, rounded, from_doubles, repeated, bgr, rgba, back] =
            outputs
        else {
            unreachable!("an output for each stage")
        };
        let (chw, hwc) = ([RGB, height, width], [height, width, RGB]);
        steps.take(0, planes, |output| {
            let (planes, sums) = output.begin(&chw, height);
            for (y, (rgb, sum)) in rgb.chunks_exact(row).zip(sums).enumerate() {
                let planes = rows_of_planes(planes, y, width);
                *sum = perform(token, ToPlanes { rgb, planes, divisor: 127.5, less: Some(1.0) });
            }
        });
        steps.take(1, doubles, |output| {
            let (planes, _) = output.begin(&chw, 0);
            for (y, rgb) in rgb.chunks_exact(row).enumerate() {
                let [blue, green, red] = rows_of_planes(planes, y, width);
                perform(token, ToPlanesF64 { rgb, planes: [red, green, blue], divisor: TWICE_255 });
            }
        });
        steps.take(2, narrowed, |output| {
            let (to, sums) = output.begin(&chw, 1);
            sums[0] = perform(token, Narrow { from: doubles.values(), to });
        });
        steps.take(3, widened, |output| {
            perform(token, Widen { bytes: rgb, longs: output.begin(&hwc, 0).0 });
        });
        steps.take(4, negative, |output| {
            perform(token, Negative { from: planes.values(), to: output.begin(&chw, 0).0 });
        });
        for (n, output, bytes) in [(5, truncated, Bytes::Decoded), (6, rounded, Bytes::Rounded)] {
            steps.take(n, output, |output| {
                let (rgb, sums) = output.begin(&hwc, height);
                for (y, (rgb, sum)) in rgb.chunks_exact_mut(row).zip(sums).enumerate() {
                    let planes = row_of_planes(negative.values(), y, width);
                    *sum = perform(token, ToRgb { planes, rgb, bytes });
                }
            });
        }
        steps.take(7, from_doubles, |output| {
            let (rgb, sums) = output.begin(&hwc, height);
            for (y, (rgb, sum)) in rgb.chunks_exact_mut(row).zip(sums).enumerate() {
                *sum = perform(token, ToRgbF64 { planes: row_of_planes(doubles.values(), y, width), rgb });
            }
        });
        steps.take(8, repeated, |output| {
            let to = output.begin(&[RGB, height, width, 4], 0).0;
            perform(token, Repeat4 { from: narrowed.values(), to });
        });
        steps.take(9, bgr, |output| perform(token, Reverse { from: rgb, to: output.begin(&hwc, 0).0 }));
        steps.take(10, rgba, |output| {
            let (values, _) = output.begin::<u8>(&[height, width, 4], 0);
            perform(token, AddAlpha { rgb: bgr.values(), rgba: bytemuck::cast_slice_mut(values) });
        });
        steps.take(11, back, |output| {
            perform(token, DropAlpha { rgba: bytemuck::cast_slice(rgba.values::<u8>()), rgb: output.begin(&hwc, 0).0 });
        });
    }
}
