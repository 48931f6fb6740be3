//! `picture-masks`: dilating, blurring, pasting and compositing by themselves, with masks that a picture's own channels give, so
//! that every byte comes in every place.

use alloc::vec::Vec;

use super::{Chain, Output, Steps, masks};
use crate::{
    digest::resize,
    goldens,
    isa::Token,
    kernel::{Golden, Picture, Size},
    picture::{
        RGB,
        convert::{AddAlpha, Channels, Reverse},
        masks::{Composite, CountNonZero, Paste, PutAlpha},
        perform,
    },
    rng::Rng,
};

/// Width and height of a golden picture: rows as long as in the WebUI, where little of the work is to begin and end them.
const GOLDEN: (usize, usize) = (1024, 144);

/// The chain, with its scratch memory.
#[derive(Default)]
pub(crate) struct PictureMasks {
    scratch: masks::Scratch,
    /// A row in BGR, and as pixels of the base and of what comes on top.
    bgr: Vec<u8>,
    base: Vec<u32>,
    top: Vec<u32>,
}

impl Chain for PictureMasks {
    const NAME: &'static str = "picture-masks";
    const SUMMARY: &'static str =
        "masks dilated, blurred and counted as OpenCV does, pictures pasted and composited through them as Pillow does";
    const STAGES: &'static [&'static str] =
        &["channels", "dilated", "count", "blurred_across", "blurred", "box", "pasted", "composite"];
    const GOLDENS: &'static [Golden] = goldens::PICTURE_MASKS;
    const PICTURE_BYTES: usize = 40;

    fn choose(&mut self, size: Size, rng: &mut Rng) -> (usize, usize) {
        match size {
            Size::Golden => GOLDEN,
            Size::Fresh => (rng.within(20, 360), rng.within(4, 16)),
        }
    }

    fn settle(&mut self, _: usize, _: usize, _: u64) {}

    fn parameters(&self) -> [u64; 8] {
        [0; 8]
    }

    /// Of every pixel: six comparisons; one; twice 21 products and sums; one; six; and thirty for four channels.
    fn operations(&self, source: &Picture) -> u64 {
        (source.width * source.height * (6 + 1 + 2 * 42 + 1 + 6 + 30)) as u64
    }

    fn run(&mut self, token: Token, source: &Picture, outputs: &mut [Output], steps: &Steps<'_>) {
        let (width, height) = (source.width, source.height);
        let [channels, dilated, count, blurred_across, blurred, corners, pasted, composite] = outputs else {
            unreachable!("an output for each stage")
        };
        let plane = [height, width];
        steps.take(0, channels, |output| {
            let (red, others) = output.begin(&[RGB, height, width], 0).0.split_at_mut(width * height);
            let (green, blue) = others.split_at_mut(width * height);
            perform(token, Channels { rgb: &source.rgb, planes: [red, green, blue] });
        });
        let [red, green, blue] = super::row_of_planes(channels.values(), 0, width * height);
        steps.take(1, dilated, |output| {
            let (to, sums) = output.begin(&plane, 2 * height);
            self.scratch.dilate(token, green, width, to, sums);
        });
        steps.take(2, count, |output| {
            let (count, sums) = output.begin(&[1], 1);
            (count[0], sums[0]) = perform(token, CountNonZero(green));
        });
        steps.take(3, blurred_across, |output| {
            let (to, sums) = output.begin(&plane, height);
            self.scratch.blur_across(token, green, width, to, sums);
        });
        steps.take(4, blurred, |output| {
            let (to, sums) = output.begin(&plane, height);
            masks::blur_down(token, blurred_across.values(), width, to, sums);
        });
        let blurred: &[u8] = blurred.values();
        steps.take(5, corners, |output| {
            let (to, sums) = output.begin(&[4], 2);
            let (corners, summed) = self.scratch.occupied(token, green, width);
            to.copy_from_slice(&corners.map(|at| at as i64));
            sums.copy_from_slice(&summed);
        });
        steps.take(6, pasted, |output| {
            let (base, sums) = output.begin(&plane, 1);
            base.copy_from_slice(red);
            sums[0] = perform(token, Paste { base, top: blue, mask: blurred });
        });
        steps.take(7, composite, |output| {
            resize(&mut self.bgr, width * RGB);
            resize(&mut self.base, width);
            resize(&mut self.top, width);
            let (to, sums) = output.begin::<u8>(&[height, width, 4], height);
            let rows = source.rgb.chunks_exact(width * RGB).zip(green.chunks_exact(width));
            let rows = rows.zip(blue.chunks_exact(width)).zip(to.chunks_exact_mut(4 * width).zip(sums));
            for (((rgb, base_alpha), top_alpha), (to, sum)) in rows {
                perform(token, AddAlpha { rgb, rgba: &mut self.base });
                perform(token, PutAlpha { rgba: &mut self.base, alpha: base_alpha });
                perform(token, Reverse { from: rgb, to: &mut self.bgr });
                perform(token, AddAlpha { rgb: &self.bgr, rgba: &mut self.top });
                perform(token, PutAlpha { rgba: &mut self.top, alpha: top_alpha });
                let to = bytemuck::cast_slice_mut(to);
                *sum = perform(token, Composite { base: &self.base, top: &self.top, to });
            }
        });
    }
}
