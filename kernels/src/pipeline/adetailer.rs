//! `webui-adetailer`: what ADetailer's CPU side does to an image and one mask, stage by stage and bit for bit as NumPy, Pillow and
//! OpenCV do it. The place of the sampler, which runs on the GPU, is taken by the negative.

use alloc::vec::Vec;

use super::{Chain, Output, RESIZING, Resize, Steps, keep, masks, row_of_planes, rows_of_planes};
use crate::{
    digest::resize,
    goldens,
    isa::Token,
    kernel::{Golden, Picture, Size, Variant},
    picture::{
        RGB,
        convert::{AddAlpha, Bytes, DropAlpha, Negative, Reverse, ToPlanes, ToRgb, ToZeroOrOne},
        masks::{Composite, CountNonZero, PutAlpha},
        perform,
    },
    resize::{Filter, LinearCv, Pass, Resizer, Watch},
    rng::Rng,
};

const LETTERBOX: usize = 0;
const DETECTOR: usize = 1;
const DILATED: usize = 2;
const COUNT: usize = 3;
const BLURRED_ACROSS: usize = 4;
const BLURRED: usize = 5;
const CROP_BOX: usize = 6;
const CROP_IMAGE: usize = 7;
const CROP_MASK: usize = 8;
const CROP_CHW: usize = 9;
const LATENT_MASK: usize = 10;
const INPAINTED: usize = 11;
const BACK: usize = 12;
const COMPOSITE: usize = 13;

/// Side of what the detector sees, and of what is inpainted.
const DETECTOR_SIDE: usize = 640;
const WORK_SIDE: usize = 512;
/// Pixels around the mask that are cropped with it.
const MARGIN: usize = 32;
/// The detector's sides are multiples of this.
const STRIDE: usize = 32;
/// The colour of its border.
const GREY: u8 = 114;
/// A pixel of the latent picture is so many across and down.
const LATENT_PIXEL: usize = 8;
const LATENT_CHANNELS: usize = 4;
/// Least side of a picture: that of the upscaler's tiles, so that what suits one pipeline suits the other.
const SIDE_MIN: usize = 192;
/// The box that the program is shown with: left, top, right, bottom, as parts of the sides.
const BOX: [f64; 4] = [0.25, 0.25, 0.5, 0.5];

/// The chain, with its scratch memory.
#[derive(Default)]
pub(crate) struct ADetailer {
    detector: usize,
    work: usize,
    /// Corners of the box, both within.
    corners: [usize; 4],
    fitted: (usize, usize),
    bgr: Vec<u8>,
    /// The picture with its border.
    padded: Vec<u8>,
    mask: Vec<u8>,
    scratch: masks::Scratch,
    crop: Vec<u8>,
    small: Vec<u8>,
    floats: Vec<f32>,
    pixels: [Vec<u32>; 3],
    letterbox: LinearCv,
    crop_image: Resize,
    crop_mask: Resize,
    latent_mask: Resizer,
    back: Resize,
}

impl ADetailer {
    fn set(&mut self, (width, height): (usize, usize), detector: usize, work: usize, corners: [usize; 4]) {
        (self.detector, self.work, self.corners) = (detector, work, corners);
        let (w, h, side) = (width as f64, height as f64, detector as f64);
        let scale = (side / h).min(side / w);
        self.fitted = (nearest(w * scale).max(1), nearest(h * scale).max(1));
        self.letterbox.prepare(RGB, (width, height), self.fitted);
        self.latent_mask.prepare(Filter::Bicubic, 1, (work, work), (work / LATENT_PIXEL, work / LATENT_PIXEL));
        for resize in [&mut self.crop_image, &mut self.crop_mask, &mut self.back] {
            resize.forget();
        }
    }

    /// The corners of a box whose sides begin and end at these parts of the picture's.
    fn corners(width: usize, height: usize, parts: [f64; 4]) -> [usize; 4] {
        let [x0, y0, x1, y1] = parts;
        [(x0, width), (y0, height), (x1, width), (y1, height)].map(|(part, side)| (part * side as f64) as usize)
    }

    /// The parts of a box of a third to two thirds of the picture's sides, anywhere in it.
    fn parts(rng: &mut Rng) -> [f64; 4] {
        let mut span = || {
            let length = rng.within(32, 64);
            let first = rng.within(0, 95 - length);
            (first as f64 / 96.0, (first + length) as f64 / 96.0)
        };
        let ((x0, x1), (y0, y1)) = (span(), span());
        [x0, y0, x1, y1]
    }
}

/// Python's round, of what is not negative.
fn nearest(value: f64) -> usize {
    libm::rint(value) as usize
}

/// What a side lacks of a multiple, before and after it.
fn padding(side: usize) -> (usize, usize) {
    let lacking = side.next_multiple_of(STRIDE) - side;
    (lacking / 2, lacking - lacking / 2)
}

impl Chain for ADetailer {
    const NAME: &'static str = "webui-adetailer";
    const SUMMARY: &'static str =
        "ADetailer's work around the networks, stage by stage, bit-equal to NumPy, Pillow and OpenCV";
    const STAGES: &'static [&'static str] = &[
        "letterbox_linear",
        "detector_input",
        "mask_dilated",
        "mask_count",
        "mask_blur_h",
        "mask_blur",
        "crop_box",
        "crop_image",
        "crop_mask",
        "crop_chw",
        "latent_mask",
        "inpainted",
        "back",
        "composite",
    ];
    const VARIANTS: &'static [Variant] = RESIZING;
    const GOLDENS: &'static [Golden] = goldens::WEBUI_ADETAILER;
    const PICTURE_BYTES: usize = 40;
    const SIDE_MIN: usize = SIDE_MIN;

    fn choose(&mut self, size: Size, rng: &mut Rng) -> (usize, usize) {
        let (sides, detector, work) = match size {
            Size::Golden => ((192, 256), DETECTOR_SIDE, WORK_SIDE),
            Size::Fresh => ((40, 72), rng.within(32, 96), LATENT_PIXEL * rng.within(4, 9)),
        };
        let (width, height) = (rng.within(sides.0, sides.1), rng.within(sides.0, sides.1));
        self.set((width, height), detector, work, Self::corners(width, height, Self::parts(rng)));
        (width, height)
    }

    fn settle(&mut self, width: usize, height: usize, seed: u64) {
        let parts = if seed == 0 { BOX } else { Self::parts(&mut Rng::new(seed)) };
        self.set((width, height), DETECTOR_SIDE, WORK_SIDE, Self::corners(width, height, parts));
    }

    fn parameters(&self) -> [u64; 8] {
        let [x0, y0, x1, y1] = self.corners;
        [self.detector, self.work, x0, y0, x1, y1, 0, 0].map(|n| n as u64)
    }

    /// Of every value of the larger stages, those that its formula has; taps of the resizes as at their own scale.
    fn operations(&self, source: &Picture) -> u64 {
        let (fitted, work, picture) =
            (self.fitted.0 * self.fitted.1, self.work * self.work, source.width * source.height);
        let (letterbox, detector) = (RGB * fitted * 11, RGB * fitted);
        let masks = picture * (6 + 1 + 2 * 42);
        let crops = (RGB + 1) * work * 24;
        let (planes, inpainted) = (RGB * work, RGB * work * 8);
        let composite = picture * 30;
        (letterbox + detector + masks + crops + planes + inpainted + composite) as u64
    }

    fn run(&mut self, token: Token, source: &Picture, outputs: &mut [Output], steps: &Steps<'_>) {
        let (width, height, rgb) = (source.width, source.height, &source.rgb[..]);
        let [
            letterbox,
            detector,
            dilated,
            count,
            blurred_across,
            blurred,
            crop_box,
            crop_image,
            crop_mask,
            crop_chw,
            latent_mask,
            inpainted,
            back,
            composite,
        ] = outputs
        else {
            unreachable!("an output for each stage")
        };
        steps.take(LETTERBOX, letterbox, |output| self.fit(token, rgb, output));
        steps.take(DETECTOR, detector, |output| self.detect(token, letterbox.values(), output));

        steps.take(DILATED, dilated, |output| {
            let [x0, y0, x1, y1] = self.corners;
            resize(&mut self.mask, width * height);
            self.mask.fill(0);
            // Both corners are within.
            for row in self.mask[y0 * width..(y1 + 1) * width].chunks_exact_mut(width) {
                row[x0..=x1].fill(255);
            }
            let (to, sums) = output.begin(&[height, width], 2 * height);
            self.scratch.dilate(token, &self.mask, width, to, sums);
        });
        let dilated: &[u8] = dilated.values();
        steps.take(COUNT, count, |output| {
            let (count, sums) = output.begin(&[1], 1);
            (count[0], sums[0]) = perform(token, CountNonZero(dilated));
        });
        steps.take(BLURRED_ACROSS, blurred_across, |output| {
            let (to, sums) = output.begin(&[height, width], height);
            self.scratch.blur_across(token, dilated, width, to, sums);
        });
        steps.take(BLURRED, blurred, |output| {
            let (to, sums) = output.begin(&[height, width], height);
            masks::blur_down(token, blurred_across.values(), width, to, sums);
        });
        let mask: &[u8] = blurred.values();

        steps.take(CROP_BOX, crop_box, |output| {
            let ([x0, y0, x1, y1], summed) = self.scratch.occupied(token, mask, width);
            let (before, after) = (|at: usize| at.saturating_sub(MARGIN), |at: usize, side| (at + MARGIN).min(side));
            let corners = [before(x0), before(y0), after(x1, width), after(y1, height)];
            let (to, sums) = output.begin(&[4], 2);
            to.copy_from_slice(&corners.map(|at| at as i64));
            sums.copy_from_slice(&summed);
        });
        let crop = Crop::of(crop_box.values(), width, height);
        let size = (crop.width, crop.height);
        let square = (self.work, self.work);
        steps.take(CROP_IMAGE, crop_image, |output| {
            crop.take(rgb, width, RGB, &mut self.crop);
            self.crop_image.run(token, Filter::Lanczos, RGB, (&self.crop, size), square, output);
        });
        steps.take(CROP_MASK, crop_mask, |output| {
            crop.take(mask, width, 1, &mut self.crop);
            self.crop_mask.run(token, Filter::Lanczos, 1, (&self.crop, size), square, output);
        });
        steps.take(CROP_CHW, crop_chw, |output| {
            let (planes, _) = output.begin(&[RGB, self.work, self.work], 0);
            for (y, rgb) in crop_image.values().chunks_exact(self.work * RGB).enumerate() {
                let planes = rows_of_planes(planes, y, self.work);
                perform(token, ToPlanes { rgb, planes, divisor: 255.0, less: None });
            }
        });
        steps.take(LATENT_MASK, latent_mask, |output| self.latent(token, crop_mask.values(), output));
        steps.take(INPAINTED, inpainted, |output| self.inpaint(token, crop_chw.values(), output));
        steps.take(BACK, back, |output| {
            self.back.run(token, Filter::Lanczos, RGB, (inpainted.values(), square), size, output);
        });
        steps.take(COMPOSITE, composite, |output| {
            self.compose(token, source, mask, &crop, back.values(), output);
        });
    }
}

/// What is cut out of the picture.
struct Crop {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

impl Crop {
    /// By its corners, which a fault may have put anywhere: inside the picture, and not empty.
    fn of(corners: &[i64], width: usize, height: usize) -> Self {
        let within = |at: i64, least: usize, most: usize| (at.max(0) as usize).clamp(least, most);
        let (x, y) = (within(corners[0], 0, width - 1), within(corners[1], 0, height - 1));
        let (right, bottom) = (within(corners[2], x + 1, width), within(corners[3], y + 1, height));
        Self { x, y, width: right - x, height: bottom - y }
    }

    fn take(&self, from: &[u8], width: usize, channels: usize, to: &mut Vec<u8>) {
        resize(to, self.width * self.height * channels);
        let rows = to
            .chunks_exact_mut(self.width * channels)
            .zip(from[self.y * width * channels..].chunks_exact(width * channels));
        for (to, from) in rows {
            to.copy_from_slice(&from[self.x * channels..][..self.width * channels]);
        }
    }
}

impl ADetailer {
    fn fit(&mut self, token: Token, rgb: &[u8], output: &mut Output) {
        resize(&mut self.bgr, rgb.len());
        perform(token, Reverse { from: rgb, to: &mut self.bgr });
        let [across, down] = [Pass::Horizontal, Pass::Vertical].map(|pass| self.letterbox.sums(pass).len());
        let weights = self.letterbox.weight_sums().len();
        let (target, sums) = output.begin(&[self.fitted.1, self.fitted.0, RGB], across + down + weights);
        self.letterbox.run(token, &self.bgr, target, Watch::default());
        let [across, down] = [Pass::Horizontal, Pass::Vertical].map(|pass| self.letterbox.sums(pass));
        keep(sums, [across, down, self.letterbox.weight_sums()]);
    }

    /// A grey border, then planes from 0 to 1, red first.
    fn detect(&mut self, token: Token, bgr: &[u8], output: &mut Output) {
        let (width, height) = self.fitted;
        let ((left, right), (above, below)) = (padding(width), padding(height));
        let (wide, high) = (left + width + right, above + height + below);
        resize(&mut self.padded, wide * high * RGB);
        self.padded.fill(GREY);
        let rows = self.padded[above * wide * RGB..].chunks_exact_mut(wide * RGB);
        for (to, from) in rows.zip(bgr.chunks_exact(width * RGB)) {
            to[left * RGB..][..width * RGB].copy_from_slice(from);
        }
        let (planes, _) = output.begin(&[1, RGB, high, wide], 0);
        for (y, rgb) in self.padded.chunks_exact(wide * RGB).enumerate() {
            let [red, green, blue] = rows_of_planes(planes, y, wide);
            perform(token, ToPlanes { rgb, planes: [blue, green, red], divisor: 255.0, less: None });
        }
    }

    fn latent(&mut self, token: Token, mask: &[u8], output: &mut Output) {
        let side = self.work / LATENT_PIXEL;
        resize(&mut self.small, side * side);
        self.latent_mask.run(token, mask, &mut self.small, Watch::default());
        let [across, down] = [Pass::Horizontal, Pass::Vertical].map(|pass| self.latent_mask.sums(pass));
        let weights = self.latent_mask.weight_sums();
        let shape = [LATENT_CHANNELS, side, side];
        let (values, sums) = output.begin(&shape, across.len() + down.len() + weights.len() + 1);
        let (first, others) = values.split_at_mut(side * side);
        let hidden = perform(token, ToZeroOrOne { bytes: &self.small, to: first });
        keep(sums, [across, down, weights, &[hidden]]);
        others.chunks_exact_mut(side * side).for_each(|channel| channel.copy_from_slice(first));
    }

    fn inpaint(&mut self, token: Token, planes: &[f32], output: &mut Output) {
        let side = self.work;
        resize(&mut self.floats, RGB * side);
        let (rgb, sums) = output.begin(&[side, side, RGB], side);
        for (y, (rgb, sum)) in rgb.chunks_exact_mut(side * RGB).zip(sums).enumerate() {
            let negative = rows_of_planes(&mut self.floats, 0, side);
            for (from, to) in row_of_planes(planes, y, side).into_iter().zip(negative) {
                perform(token, Negative { from, to });
            }
            *sum = perform(token, ToRgb { planes: row_of_planes(&self.floats, 0, side), rgb, bytes: Bytes::Decoded });
        }
    }

    fn compose(&mut self, token: Token, source: &Picture, mask: &[u8], crop: &Crop, back: &[u8], output: &mut Output) {
        let (width, height) = (source.width, source.height);
        let (values, sums) = output.begin(&[height, width, RGB], height);
        for row in &mut self.pixels {
            resize(row, width);
        }
        let [base, top, mixed] = &mut self.pixels;
        let rows = source.rgb.chunks_exact(width * RGB).zip(mask.chunks_exact(width));
        let targets = values.chunks_exact_mut(width * RGB).zip(sums);
        for (y, ((rgb, alpha), (target, sum))) in rows.zip(targets).enumerate() {
            perform(token, AddAlpha { rgb, rgba: base });
            top.fill(0);
            if let Some(rgb) = y.checked_sub(crop.y).and_then(|row| back.chunks_exact(crop.width * RGB).nth(row)) {
                perform(token, AddAlpha { rgb, rgba: &mut top[crop.x..][..crop.width] });
            }
            perform(token, PutAlpha { rgba: top, alpha });
            *sum = perform(token, Composite { base, top, to: mixed });
            perform(token, DropAlpha { rgba: mixed, rgb: target });
        }
    }
}
