//! `resize-lanczos-u8` and its like: 8-bit resizes of RGB, RGBA and L pictures by one method, bit for bit Pillow's or OpenCV's.
//! Pillow's RGBA is resized as its `Image.resize` does it, premultiplied. The targets are named; the seed chooses one, and the
//! mode. The faster methods go there and back again, so that what is compared in full, the picture that comes back, is little
//! beside the work; every bit of the one in between weighs on the sums of the way back.

use alloc::{boxed::Box, format, vec, vec::Vec};
use core::sync::atomic::AtomicU64;

use super::{
    filter::Filter,
    leg::{Leg, Method, Mode},
    pictures,
};
use crate::{
    buffer::Buffer,
    digest::{bits, copy, differences, digest, flip, resize, same},
    goldens,
    isa::{Isa, Token},
    kernel::{Fault, Golden, Job, Kernel, Mismatch, NoPicture, Picture, Size, Stage, Variant},
    rng::Rng,
};

/// Side of a golden picture, pixels.
const GOLDEN_SIDE: usize = 512;

/// Those of the leg there and then of the leg back.
const STAGES: &[&str] = &[
    "coefficients",
    "premultiply",
    "horizontal",
    "vertical",
    "unpremultiply",
    "back-coefficients",
    "back-premultiply",
    "back-horizontal",
    "back-vertical",
    "back-unpremultiply",
];
const VARIANTS: &[Variant] = &[
    Variant::of(Isa::Avx512Vnni),
    Variant::of(Isa::AvxVnni),
    Variant::of(Isa::Avx512F),
    Variant::of(Isa::Avx2Fma),
    Variant::of(Isa::Sse41),
    Variant::of(Isa::Scalar),
];
/// OpenCV's arithmetic has no dot products of bytes.
const VARIANTS_CV: &[Variant] =
    &[Variant::of(Isa::Avx512F), Variant::of(Isa::Avx2Fma), Variant::of(Isa::Sse41), Variant::of(Isa::Scalar)];
/// From a width and a height to others.
type Target = fn(usize, usize) -> (usize, usize);
/// Names and sizes of the targets.
pub(super) const TARGETS: [(&str, Target); 4] = [
    ("x2", |w, h| (w * 2, h * 2)),
    ("x1.5", |w, h| (w * 3 / 2, h * 3 / 2)),
    ("half", |w, h| (w / 2, h / 2)),
    ("odd", |w, h| (w * 7 / 5 + 1, h * 3 / 7 + 1)),
];

/// Every second seed has RGB.
fn mode_of(seed: u64) -> Mode {
    [Mode::Rgb, Mode::Rgba, Mode::Rgb, Mode::L][(seed / TARGETS.len() as u64 % 4) as usize]
}

/// The samples of a pixel in any mode: RGB, and luma as Pillow has it, which stands for alpha too.
fn samples([r, g, b]: [u8; 3]) -> [u8; 4] {
    let luma = u32::from(r) * 19595 + u32::from(g) * 38470 + u32::from(b) * 7471 + 0x8000;
    [r, g, b, (luma >> 16) as u8]
}

/// A method as a kernel.
pub(crate) struct ResizeU8 {
    name: &'static str,
    summary: &'static str,
    /// Stages are called after it.
    word: &'static str,
    method: Method,
    /// Whether the picture is resized back.
    back: bool,
    variants: &'static [Variant],
    goldens: &'static [Golden],
}

macro_rules! kernels {
    ($($kernel:ident, $name:literal, $word:literal, $what:literal, $method:expr, $back:literal, $variants:ident, $goldens:ident;)*) => {
        $(#[doc = concat!("`", $name, "`.")]
        pub(crate) static $kernel: ResizeU8 = ResizeU8 {
            name: $name,
            summary: concat!($what, " resize of 8-bit RGB, RGBA and L pictures: x2, x1.5, half, odd"),
            word: $word,
            method: $method,
            back: $back,
            variants: $variants,
            goldens: goldens::$goldens,
        };)*
    };
}

kernels! {
    LANCZOS_U8, "resize-lanczos-u8", "lanczos", "Pillow's Lanczos",
        Method::Pillow(Filter::Lanczos), false, VARIANTS, RESIZE_LANCZOS_U8;
    BICUBIC_U8, "resize-bicubic-u8", "bicubic", "Pillow's bicubic",
        Method::Pillow(Filter::Bicubic), true, VARIANTS, RESIZE_BICUBIC_U8;
    BILINEAR_U8, "resize-bilinear-u8", "bilinear", "Pillow's bilinear",
        Method::Pillow(Filter::Bilinear), true, VARIANTS, RESIZE_BILINEAR_U8;
    AREA_U8, "resize-area-u8", "area", "Pillow's box",
        Method::Pillow(Filter::Box), true, VARIANTS, RESIZE_AREA_U8;
    LINEAR_CV_U8, "resize-linear-cv-u8", "linear", "OpenCV's INTER_LINEAR",
        Method::OpenCv, true, VARIANTS_CV, RESIZE_LINEAR_CV_U8;
}

impl Kernel for ResizeU8 {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn variants(&self) -> &'static [Variant] {
        self.variants
    }

    fn stages(&self) -> &'static [&'static str] {
        STAGES
    }

    fn goldens(&self) -> &'static [Golden] {
        self.goldens
    }

    fn takes_pictures(&self) -> bool {
        true
    }

    fn new_job(&self) -> Box<dyn Job> {
        Box::new(ResizeJob::new(self))
    }

    fn show(&self, token: Token, seed: u64, picture: Option<&Picture>) -> Result<Vec<Stage>, NoPicture> {
        let made;
        let picture = match picture {
            Some(picture) => picture,
            None => {
                let mut rgb = vec![0; GOLDEN_SIDE * GOLDEN_SIDE * 3];
                pictures::paint(&mut Rng::new(seed), GOLDEN_SIDE, 3, &mut rgb);
                made = Picture { width: GOLDEN_SIDE, height: GOLDEN_SIDE, rgb };
                &made
            }
        };
        let mut job = ResizeJob { back: false, ..ResizeJob::new(self) };
        let mut stages = Vec::new();
        for (mode, suffix) in [(Mode::Rgb, ""), (Mode::Rgba, "_rgba"), (Mode::L, "_l")] {
            for (name, target) in TARGETS {
                job.load(picture, mode, target);
                job.run(token, &AtomicU64::new(0), None);
                let there = job.last();
                let mut shape = vec![there.to.1, there.to.0];
                if mode != Mode::L {
                    shape.push(mode.channels());
                }
                let (name, bytes) = (format!("{}_{name}{suffix}", self.word), there.picture.to_vec());
                stages.push(Stage { name, element_type: "uint8", shape, bytes });
            }
        }
        Ok(stages)
    }
}

/// What the output is compared with.
#[derive(Default)]
struct Reference {
    picture: Buffer<u8>,
    /// Of both legs, see [`Leg::sums`].
    sums: [[Vec<u32>; 5]; 2],
}

struct ResizeJob {
    method: Method,
    back: bool,
    input: Vec<u8>,
    /// There and back.
    legs: [Leg; 2],
    reference: Reference,
}

impl ResizeJob {
    fn new(kernel: &ResizeU8) -> Self {
        Self {
            method: kernel.method,
            back: kernel.back,
            input: Vec::new(),
            legs: Default::default(),
            reference: Reference::default(),
        }
    }

    fn set(&mut self, mode: Mode, from: (usize, usize), to: (usize, usize)) {
        let [there, back] = &mut self.legs;
        there.set(mode, from, to);
        back.set(mode, there.to, from);
        resize(&mut self.input, from.0 * from.1 * mode.channels());
    }

    fn load(&mut self, picture: &Picture, mode: Mode, target: Target) {
        let from = (picture.width, picture.height);
        self.set(mode, from, target(from.0, from.1));
        let pixels = picture.rgb.as_chunks::<3>().0.iter().map(|rgb| samples(*rgb));
        for (to, pixel) in self.input.chunks_exact_mut(mode.channels()).zip(pixels) {
            let kept = if mode == Mode::L { &pixel[3..] } else { &pixel[..to.len()] };
            to.copy_from_slice(kept);
        }
    }

    fn legs(&self) -> &[Leg] {
        &self.legs[..1 + usize::from(self.back)]
    }

    /// The leg whose picture is the output.
    fn last(&self) -> &Leg {
        &self.legs[usize::from(self.back)]
    }

    /// Of a picture and then of the sums, stage by stage.
    fn digest<'a>(&self, picture: &'a [u8], sums: impl Iterator<Item = (u64, &'a [u32])>) -> u64 {
        let to = self.last().to;
        let mut buffers = [&[][..]; 1 + STAGES.len()];
        buffers[0] = picture;
        for (stage, sums) in sums {
            buffers[1 + stage as usize] = bytemuck::cast_slice(sums);
        }
        digest(&[to.0, to.1], &buffers)
    }

    /// In the order of the work: stage, the sums of what it had before rounding, and the right ones.
    fn sums(&self) -> impl Iterator<Item = (u64, &[u32], &Vec<u32>)> {
        let legs = self.legs().iter().zip(&self.reference.sums).enumerate();
        legs.flat_map(|(leg, (sums, right))| {
            let pairs = sums.sums(self.method).into_iter().zip(right);
            pairs.map(move |((stage, sums), right)| (leg as u64 * Leg::STAGES + stage, sums, right))
        })
    }
}

impl Job for ResizeJob {
    fn generate(&mut self, size: Size, seed: u64) {
        let mut rng = Rng::new(seed);
        let mode = mode_of(seed);
        match size {
            Size::Golden => {
                let (_, target) = TARGETS[(seed % TARGETS.len() as u64) as usize];
                self.set(mode, (GOLDEN_SIDE, GOLDEN_SIDE), target(GOLDEN_SIDE, GOLDEN_SIDE));
            }
            Size::Fresh => {
                let from = (rng.within(64, 224), rng.within(28, 48));
                self.set(mode, from, (rng.within(20, 320), rng.within(10, 80)));
            }
        }
        pictures::paint(&mut rng, self.legs[0].from.0, mode.channels(), &mut self.input);
    }

    fn load_picture(&mut self, picture: &Picture, seed: u64) -> bool {
        let (_, target) = TARGETS[(seed % TARGETS.len() as u64) as usize];
        self.load(picture, mode_of(seed), target);
        true
    }

    fn operations(&self) -> u64 {
        self.legs().iter().map(|leg| leg.operations(self.method)).sum()
    }

    fn pixels(&self) -> Option<u64> {
        Some(self.legs().iter().map(|leg| (leg.to.0 * leg.to.1) as u64).sum())
    }

    fn bytes(&self) -> usize {
        let made: usize = self.legs().iter().map(Leg::bytes).sum();
        self.input.len() + made + self.reference.picture.len()
    }

    fn hand_over(&mut self, see: &mut dyn FnMut(&mut [u8])) {
        see(&mut self.input);
    }

    fn run(&mut self, token: Token, stage: &AtomicU64, fault: Option<Fault>) {
        let [there, back] = &mut self.legs;
        there.run(self.method, token, &self.input, (stage, 0), fault);
        if self.back {
            back.run(self.method, token, &there.picture, (stage, Leg::STAGES), None);
        }
    }

    fn input_digest(&self) -> u64 {
        let Leg { from, to, .. } = &self.legs[0];
        digest(&[from.0, from.1, to.0, to.1], &[&self.input])
    }

    fn output_digest(&self) -> u64 {
        self.digest(&self.last().picture, self.sums().map(|(stage, sums, _)| (stage, sums)))
    }

    fn reference_digest(&self) -> u64 {
        self.digest(&self.reference.picture, self.sums().map(|(stage, _, right)| (stage, &right[..])))
    }

    fn keep_reference(&mut self) {
        let mut reference = core::mem::take(&mut self.reference);
        reference.picture.copy_from(&self.last().picture);
        for (leg, kept) in self.legs().iter().zip(&mut reference.sums) {
            for ((_, sums), kept) in leg.sums(self.method).into_iter().zip(kept) {
                copy(kept, sums);
            }
        }
        self.reference = reference;
    }

    fn matches(&self) -> bool {
        same(&self.last().picture, &self.reference.picture) && self.sums().all(|(_, sums, right)| same(sums, right))
    }

    fn locate(&self) -> Option<Mismatch> {
        let sums = self.sums().find_map(|(stage, sums, right)| Some((stage, sums, right, differences(sums, right)?)));
        let last = self.last();
        let final_stage = u64::from(self.back) * Leg::STAGES + last.last_stage(self.method);
        let stage = sums.as_ref().map_or(final_stage, |(stage, ..)| *stage);
        // In a stage of the leg there, a place in the picture that came back would mislead.
        let in_last = stage >= u64::from(self.back) * Leg::STAGES;
        let (a, b) = (&last.picture, &self.reference.picture);
        if let (Some((first, wrong)), true) = (differences(a, b), in_last) {
            let channels = last.mode.channels();
            let row = last.to.0 * channels;
            let element = [first / row, first % row / channels, first % channels].map(|n| n as u64).to_vec();
            let (expected, actual) = (bits(&b[first]), bits(&a[first]));
            return Some(Mismatch { stage: STAGES[stage as usize], element, expected, actual, bits: 8, wrong });
        }
        // Rounding hid it from the picture: the row is all that is known.
        let (_, sums, right, (first, wrong)) = sums?;
        let (expected, actual) = (bits(&right[first]), bits(&sums[first]));
        let element = vec![first as u64];
        Some(Mismatch { stage: STAGES[stage as usize], element, expected, actual, bits: 32, wrong })
    }

    fn flip_input_bit(&mut self, fault: Fault) {
        flip(&mut self.input, fault);
    }

    fn flip_reference_bit(&mut self, fault: Fault) {
        flip(&mut self.reference.picture, fault);
    }
}
