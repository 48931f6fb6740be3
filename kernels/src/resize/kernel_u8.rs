//! `resize-lanczos-u8` and its like: 8-bit resizes of RGB, RGBA and L pictures by one method, bit for bit Pillow's or OpenCV's.
//! Pillow's RGBA is resized as its `Image.resize` does it, premultiplied. The targets are named; the seed chooses one, and the
//! mode.

use alloc::{boxed::Box, format, vec, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{
    alpha,
    engine::{Pass, Resizer, Watch},
    filter::Filter,
    linear_cv::LinearCv,
    pictures,
};
use crate::{
    buffer::Buffer,
    digest::{bits, copy, differences, digest, flip, resize},
    goldens,
    isa::{Isa, Token},
    kernel::{Fault, Golden, Job, Kernel, Mismatch, NoPicture, Picture, Size, Stage, Variant},
    rng::Rng,
};

/// Side of a golden picture, pixels.
const GOLDEN_SIDE: usize = 512;

const STAGES: &[&str] = &["coefficients", "horizontal", "vertical", "premultiply", "unpremultiply"];
const STAGE_COEFFICIENTS: u64 = 0;
const STAGE_HORIZONTAL: u64 = 1;
const STAGE_VERTICAL: u64 = 2;
const STAGE_PREMULTIPLY: u64 = 3;
const STAGE_UNPREMULTIPLY: u64 = 4;
pub(super) const VARIANTS: &[Variant] = &[
    Variant::of(Isa::Avx512Vnni),
    Variant::of(Isa::AvxVnni),
    Variant::of(Isa::Avx512F),
    Variant::of(Isa::Avx2Fma),
    Variant::of(Isa::Sse41),
    Variant::of(Isa::Scalar),
];
/// From a width and a height to others.
type Target = fn(usize, usize) -> (usize, usize);
/// Names and sizes of the targets.
pub(super) const TARGETS: [(&str, Target); 4] = [
    ("x2", |w, h| (w * 2, h * 2)),
    ("x1.5", |w, h| (w * 3 / 2, h * 3 / 2)),
    ("half", |w, h| (w / 2, h / 2)),
    ("odd", |w, h| (w * 7 / 5 + 1, h * 3 / 7 + 1)),
];

/// Pillow's name for what a pixel is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Rgb,
    Rgba,
    L,
}

impl Mode {
    /// Every second seed has RGB.
    fn of(seed: u64) -> Self {
        [Self::Rgb, Self::Rgba, Self::Rgb, Self::L][(seed / TARGETS.len() as u64 % 4) as usize]
    }

    fn channels(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Rgba => 4,
            Self::L => 1,
        }
    }

    /// A pixel of a picture in this mode. Alpha is the luma.
    fn convert([r, g, b]: [u8; 3]) -> [u8; 4] {
        let luma = u32::from(r) * 19595 + u32::from(g) * 38470 + u32::from(b) * 7471 + 0x8000;
        [r, g, b, (luma >> 16) as u8]
    }
}

/// Whose arithmetic it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Pillow(Filter),
    OpenCv,
}

/// The engines, of which a job uses one.
#[derive(Default)]
struct Engines {
    pillow: Resizer,
    open_cv: LinearCv,
}

/// A method as a kernel.
pub(crate) struct ResizeU8 {
    name: &'static str,
    summary: &'static str,
    /// Stages are called after it.
    word: &'static str,
    method: Method,
    goldens: &'static [Golden],
}

macro_rules! kernels {
    ($($kernel:ident, $name:literal, $word:literal, $what:literal, $method:expr, $goldens:ident;)*) => {
        $(#[doc = concat!("`", $name, "`.")]
        pub(crate) static $kernel: ResizeU8 = ResizeU8 {
            name: $name,
            summary: concat!($what, " resize of 8-bit RGB, RGBA and L pictures: x2, x1.5, half, odd"),
            word: $word,
            method: $method,
            goldens: goldens::$goldens,
        };)*
    };
}

kernels! {
    LANCZOS_U8, "resize-lanczos-u8", "lanczos", "Pillow's Lanczos", Method::Pillow(Filter::Lanczos), RESIZE_LANCZOS_U8;
    BICUBIC_U8, "resize-bicubic-u8", "bicubic", "Pillow's bicubic", Method::Pillow(Filter::Bicubic), RESIZE_BICUBIC_U8;
    BILINEAR_U8, "resize-bilinear-u8", "bilinear", "Pillow's bilinear", Method::Pillow(Filter::Bilinear), RESIZE_BILINEAR_U8;
    AREA_U8, "resize-area-u8", "area", "Pillow's box", Method::Pillow(Filter::Box), RESIZE_AREA_U8;
    LINEAR_CV_U8, "resize-linear-cv-u8", "linear", "OpenCV's INTER_LINEAR", Method::OpenCv, RESIZE_LINEAR_CV_U8;
}

impl Kernel for ResizeU8 {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn variants(&self) -> &'static [Variant] {
        VARIANTS
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
        Box::new(ResizeJob::new(self.method))
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
        let mut job = ResizeJob::new(self.method);
        let mut stages = Vec::new();
        for (mode, suffix) in [(Mode::Rgb, ""), (Mode::Rgba, "_rgba"), (Mode::L, "_l")] {
            for (name, target) in TARGETS {
                job.load(picture, mode, target);
                job.run(token, &AtomicU64::new(0), None);
                let mut shape = vec![job.to.1, job.to.0];
                if mode != Mode::L {
                    shape.push(mode.channels());
                }
                let (name, bytes) = (format!("{}_{name}{suffix}", self.word), job.picture.to_vec());
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
    /// By stage, see [`ResizeJob::sums`].
    sums: [Vec<u32>; 4],
}

struct ResizeJob {
    method: Method,
    mode: Mode,
    from: (usize, usize),
    to: (usize, usize),
    input: Vec<u8>,
    engines: Engines,
    /// RGBA before and after the resize.
    premultiplied: [Buffer<u8>; 2],
    picture: Buffer<u8>,
    premultiply_sums: Vec<u32>,
    unpremultiply_sums: Vec<u32>,
    reference: Reference,
}

impl ResizeJob {
    fn new(method: Method) -> Self {
        Self {
            method,
            mode: Mode::default(),
            from: (0, 0),
            to: (0, 0),
            input: Vec::new(),
            engines: Engines::default(),
            premultiplied: Default::default(),
            picture: Buffer::default(),
            premultiply_sums: Vec::new(),
            unpremultiply_sums: Vec::new(),
            reference: Reference::default(),
        }
    }

    fn set(&mut self, mode: Mode, from: (usize, usize), to: (usize, usize)) {
        (self.mode, self.from, self.to) = (mode, from, (to.0.max(1), to.1.max(1)));
        resize(&mut self.input, from.0 * from.1 * mode.channels());
    }

    fn load(&mut self, picture: &Picture, mode: Mode, target: Target) {
        let from = (picture.width, picture.height);
        self.set(mode, from, target(from.0, from.1));
        let pixels = picture.rgb.as_chunks::<3>().0.iter().map(|rgb| Mode::convert(*rgb));
        for (to, pixel) in self.input.chunks_exact_mut(mode.channels()).zip(pixels) {
            let kept = if mode == Mode::L { &pixel[3..] } else { &pixel[..to.len()] };
            to.copy_from_slice(kept);
        }
    }

    fn premultiplies(&self) -> bool {
        self.mode == Mode::Rgba && self.method != Method::OpenCv
    }

    /// RGBA that keeps its size is only copied, as by Pillow: premultiplying would change it.
    fn only_copies(&self) -> bool {
        self.premultiplies() && self.from == self.to
    }

    fn vertical_first(&self) -> bool {
        matches!(self.method, Method::Pillow(_)) && self.engines.pillow.vertical_first()
    }

    fn pass_sums(&self, pass: Pass) -> &[u32] {
        match self.method {
            Method::Pillow(_) => self.engines.pillow.sums(pass),
            Method::OpenCv => self.engines.open_cv.sums(pass),
        }
    }

    fn prepare(&mut self) {
        let channels = self.mode.channels();
        match self.method {
            Method::Pillow(filter) => self.engines.pillow.prepare(filter, channels, self.from, self.to),
            Method::OpenCv => self.engines.open_cv.prepare(channels, self.from, self.to),
        }
    }

    /// In the order of the work: stage and what it had before rounding.
    fn sums(&self) -> [(u64, &[u32]); 4] {
        let horizontal = (STAGE_HORIZONTAL, self.pass_sums(Pass::Horizontal));
        let vertical = (STAGE_VERTICAL, self.pass_sums(Pass::Vertical));
        let [first, second] = if self.vertical_first() { [vertical, horizontal] } else { [horizontal, vertical] };
        [(STAGE_PREMULTIPLY, &self.premultiply_sums), first, second, (STAGE_UNPREMULTIPLY, &self.unpremultiply_sums)]
    }

    fn digest(&self, picture: &[u8], [premultiply, first, second, unpremultiply]: [&[u32]; 4]) -> u64 {
        let [horizontal, vertical] = if self.vertical_first() { [second, first] } else { [first, second] };
        let sums = [horizontal, vertical, premultiply, unpremultiply].map(bytemuck::cast_slice);
        digest(&[self.to.0, self.to.1], &[picture, sums[0], sums[1], sums[2], sums[3]])
    }

    /// The last stage makes the picture.
    fn last_stage(&self) -> u64 {
        if self.premultiplies() { STAGE_UNPREMULTIPLY } else { self.sums()[2].0 }
    }
}

impl Job for ResizeJob {
    fn generate(&mut self, size: Size, seed: u64) {
        let mut rng = Rng::new(seed);
        let mode = Mode::of(seed);
        match size {
            Size::Golden => {
                let (_, target) = TARGETS[(seed % TARGETS.len() as u64) as usize];
                self.set(mode, (GOLDEN_SIDE, GOLDEN_SIDE), target(GOLDEN_SIDE, GOLDEN_SIDE));
            }
            Size::Fresh => {
                let from = (rng.within(64, 112), rng.within(56, 96));
                self.set(mode, from, (rng.within(20, 160), rng.within(20, 160)));
            }
        }
        pictures::paint(&mut rng, self.from.0, mode.channels(), &mut self.input);
    }

    fn load_picture(&mut self, picture: &Picture, seed: u64) -> bool {
        let (_, target) = TARGETS[(seed % TARGETS.len() as u64) as usize];
        self.load(picture, Mode::of(seed), target);
        true
    }

    fn operations(&self) -> u64 {
        match self.method {
            Method::Pillow(filter) => self.engines.pillow.operations(filter),
            Method::OpenCv => self.engines.open_cv.operations(),
        }
    }

    fn pixels(&self) -> Option<u64> {
        Some((self.to.0 * self.to.1) as u64)
    }

    fn bytes(&self) -> usize {
        // Output and reference.
        self.input.len() + self.premultiplied.iter().map(Vec::len).sum::<usize>() + 2 * self.picture.len()
    }

    fn run(&mut self, token: Token, stage: &AtomicU64, fault: Option<Fault>) {
        stage.store(STAGE_COEFFICIENTS, Relaxed);
        let channels = self.mode.channels();
        let (from_row, to_row) = (self.from.0 * channels, self.to.0 * channels);
        self.prepare();
        self.picture.resize(self.to.1 * to_row);
        let premultiplies = self.premultiplies();
        resize(&mut self.premultiply_sums, if premultiplies { self.from.1 } else { 0 });
        resize(&mut self.unpremultiply_sums, if premultiplies { self.to.1 } else { 0 });
        if self.only_copies() {
            self.picture.copy_from_slice(&self.input);
            if let Some(fault) = fault {
                flip(&mut self.picture, fault);
            }
            return;
        }
        let watch = Watch { stage: Some((stage, [STAGE_HORIZONTAL, STAGE_VERTICAL])), fault };
        let filtered = match self.method {
            Method::OpenCv => return self.engines.open_cv.run(token, &self.input, &mut self.picture, watch),
            Method::Pillow(_) => &mut self.engines.pillow,
        };
        if !premultiplies {
            return filtered.run(token, &self.input, &mut self.picture, watch);
        }
        let [before, after] = &mut self.premultiplied;
        before.resize(self.input.len());
        after.resize(self.picture.len());
        stage.store(STAGE_PREMULTIPLY, Relaxed);
        let rows = self.input.chunks_exact(from_row).zip(before.chunks_exact_mut(from_row));
        for ((source, target), sum) in rows.zip(&mut self.premultiply_sums) {
            *sum = alpha::premultiply(token, source, target);
        }
        filtered.run(token, before, after, watch);
        stage.store(STAGE_UNPREMULTIPLY, Relaxed);
        let rows = after.chunks_exact(to_row).zip(self.picture.chunks_exact_mut(to_row));
        for ((source, target), sum) in rows.zip(&mut self.unpremultiply_sums) {
            *sum = alpha::unpremultiply(token, source, target);
        }
    }

    fn input_digest(&self) -> u64 {
        digest(&[self.from.0, self.from.1, self.to.0, self.to.1], &[&self.input])
    }

    fn output_digest(&self) -> u64 {
        self.digest(&self.picture, self.sums().map(|(_, sums)| sums))
    }

    fn reference_digest(&self) -> u64 {
        self.digest(&self.reference.picture, self.reference.sums.each_ref().map(Vec::as_slice))
    }

    fn keep_reference(&mut self) {
        let mut reference = core::mem::take(&mut self.reference);
        reference.picture.copy_from(&self.picture);
        for (kept, (_, sums)) in reference.sums.iter_mut().zip(self.sums()) {
            copy(kept, sums);
        }
        self.reference = reference;
    }

    fn matches(&self) -> bool {
        let sums = self.sums();
        *self.picture == *self.reference.picture && sums.iter().zip(&self.reference.sums).all(|((_, a), b)| a == b)
    }

    fn locate(&self) -> Option<Mismatch> {
        let sums = self.sums();
        let mut pairs = sums.iter().zip(&self.reference.sums);
        let sums = pairs.find_map(|((stage, sums), right)| Some((*stage, *sums, right, differences(sums, right)?)));
        let stage = STAGES[sums.as_ref().map_or(self.last_stage(), |(stage, ..)| *stage) as usize];
        let (a, b) = (&self.picture, &self.reference.picture);
        if let Some((first, wrong)) = differences(a, b) {
            let channels = self.mode.channels();
            let row = self.to.0 * channels;
            let element = [first / row, first % row / channels, first % channels].map(|n| n as u64).to_vec();
            let (expected, actual) = (bits(&b[first]), bits(&a[first]));
            return Some(Mismatch { stage, element, expected, actual, bits: 8, wrong });
        }
        // Rounding hid it from the picture: the row is all that is known.
        let (_, sums, right, (first, wrong)) = sums?;
        let (expected, actual) = (bits(&right[first]), bits(&sums[first]));
        Some(Mismatch { stage, element: vec![first as u64], expected, actual, bits: 32, wrong })
    }

    fn flip_input_bit(&mut self, fault: Fault) {
        flip(&mut self.input, fault);
    }

    fn flip_reference_bit(&mut self, fault: Fault) {
        flip(&mut self.reference.picture, fault);
    }
}
