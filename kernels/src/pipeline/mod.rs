//! Kernels that are a chain of stages, each working on what an earlier one gave, as a program does with a picture. Stages do little
//! to many bytes: comparing all of them would take as long as a third of the work. So each stage's output is read back into
//! checksums, which are compared, as are those of what it rounded away, and the last stage's values in full. The values of all stages
//! are kept, to say where they differ.

mod adetailer;
mod masks;
mod output;
mod picture_masks;
mod picture_moves;
mod upscale;

use alloc::{boxed::Box, vec::Vec};
use core::{
    marker::PhantomData,
    mem,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use xxhash_rust::xxh3::Xxh3;

pub(crate) use {adetailer::ADetailer, picture_masks::PictureMasks, picture_moves::PictureMoves, upscale::Upscale};

use crate::{
    buffer::Buffer,
    digest::{bits, copy, differences, flip, resize, same},
    isa::{Isa, Token},
    kernel::{Fault, Golden, Job, Kernel, Mismatch, NoPicture, Picture, Size, Stage, Variant},
    picture::{RGB, VARIANTS},
    resize::{Filter, Pass, Resizer, Watch, paint},
    rng::Rng,
};
use output::Output;

/// The variants of chains that resize.
const RESIZING: &[Variant] = &[
    Variant::of(Isa::Avx512Vnni),
    Variant::of(Isa::AvxVnni),
    Variant::of(Isa::Avx512F),
    Variant::of(Isa::Avx2Fma),
    Variant::of(Isa::Sse41),
    Variant::of(Isa::Scalar),
];

/// One chain of stages, with its parameters and what it needs to work.
pub(crate) trait Chain: Default + Send + 'static {
    const NAME: &'static str;
    const SUMMARY: &'static str;
    const STAGES: &'static [&'static str];
    /// Stages that are streams of tiles.
    const STREAMS: &'static [&'static str] = &[];
    const VARIANTS: &'static [Variant] = VARIANTS;
    const GOLDENS: &'static [Golden];
    /// The least width and height of a user's picture.
    const SIDE_MIN: usize = 1;
    /// Bytes that a job takes for each pixel of a picture, about: twice those of the outputs.
    const PICTURE_BYTES: usize;

    /// Chooses parameters for a picture that is to be made, and its width and height.
    fn choose(&mut self, size: Size, rng: &mut Rng) -> (usize, usize);
    /// Chooses parameters for a user's picture; of seed 0 those of the program that the chain is taken from.
    fn settle(&mut self, width: usize, height: usize, seed: u64);
    /// What was chosen, into the digest of the input.
    fn parameters(&self) -> [u64; 8];
    /// Operations of one run, after `choose` or `settle`.
    fn operations(&self, source: &Picture) -> u64;
    /// Does all stages in their order, each by [`Steps::take`].
    fn run(&mut self, token: Token, source: &Picture, outputs: &mut [Output], steps: &Steps<'_>);
}

/// Notes the stages as they come, reads back what they gave, and is where a drill strikes.
pub(crate) struct Steps<'a> {
    token: Token,
    stage: &'a AtomicU64,
    fault: Option<(usize, Fault)>,
}

impl<'a> Steps<'a> {
    /// Neighbouring elements, as many as a vector holds, are struck in one stage, so that a lane can be stuck.
    fn new(token: Token, stages: usize, stage: &'a AtomicU64, fault: Option<Fault>) -> Self {
        let place = |fault: Fault| ((fault.element / 16 % stages as u64) as usize, fault);
        Self { token, stage, fault: fault.map(place) }
    }

    /// Does stage `n`.
    pub(crate) fn take(&self, n: usize, output: &mut Output, work: impl FnOnce(&mut Output)) {
        self.stage.store(n as u64, Relaxed);
        work(output);
        if let Some((_, fault)) = self.fault.filter(|(stage, _)| *stage == n) {
            output.flip(fault);
        }
        output.read_back(self.token);
    }
}

/// A chain as a kernel.
pub(crate) struct Pipeline<C>(PhantomData<fn() -> C>);

impl<C> Pipeline<C> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<C: Chain> Kernel for Pipeline<C> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn summary(&self) -> &'static str {
        C::SUMMARY
    }

    fn variants(&self) -> &'static [Variant] {
        C::VARIANTS
    }

    fn stages(&self) -> &'static [&'static str] {
        C::STAGES
    }

    fn goldens(&self) -> &'static [Golden] {
        C::GOLDENS
    }

    fn takes_pictures(&self) -> bool {
        true
    }

    fn picture_side_min(&self) -> usize {
        C::SIDE_MIN
    }

    fn picture_bytes(&self) -> usize {
        C::PICTURE_BYTES
    }

    fn new_job(&self) -> Box<dyn Job> {
        Box::new(ChainJob::<C>::new())
    }

    fn show(&self, token: Token, seed: u64, picture: Option<&Picture>) -> Result<Vec<Stage>, NoPicture> {
        let mut job = ChainJob::<C>::new();
        match picture {
            Some(picture) if !job.load_picture(picture, seed) => return Err(NoPicture),
            Some(_) => {}
            None => job.generate(Size::Golden, seed),
        }
        job.run(token, &AtomicU64::new(0), None);
        // One after the other: a large picture's outputs are not there twice.
        let outputs = mem::take(&mut job.sets[job.last]);
        let show = |(name, output): (&&'static str, Output)| output.show(name, C::STREAMS.contains(name));
        Ok(C::STAGES.iter().zip(outputs).map(show).collect())
    }
}

struct ChainJob<C> {
    chain: C,
    source: Picture,
    /// Two sets of outputs: that of the last run, and that of the reference, which the next run leaves as it is.
    sets: [Vec<Output>; 2],
    last: usize,
    kept: usize,
    reference: Reference,
}

/// What is compared.
#[derive(Default)]
struct Reference {
    sums: Vec<Buffer<u32>>,
    /// Of the last stage.
    values: Buffer<u8>,
}

impl<C: Chain> ChainJob<C> {
    fn new() -> Self {
        let outputs = || C::STAGES.iter().map(|_| Output::default()).collect();
        let source = Picture { width: 0, height: 0, rgb: Vec::new() };
        let sums = C::STAGES.iter().map(|_| Buffer::default()).collect();
        let reference = Reference { sums, values: Buffer::default() };
        Self { chain: C::default(), source, sets: [outputs(), outputs()], last: 0, kept: 1, reference }
    }

    fn outputs(&self) -> &[Output] {
        &self.sets[self.last]
    }

    fn last_values(&self) -> &[u8] {
        self.outputs().last().expect("a stage at least").bytes()
    }
}

/// Digest of what is compared.
fn digest<'a>(sums: impl Iterator<Item = &'a [u32]>, values: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    for sums in sums {
        hash.update(&(sums.len() as u64).to_le_bytes());
        hash.update(bytemuck::cast_slice(sums));
    }
    hash.update(values);
    hash.digest()
}

impl<C: Chain> Job for ChainJob<C> {
    fn generate(&mut self, size: Size, seed: u64) {
        let mut rng = Rng::new(seed);
        let Picture { width, height, rgb } = &mut self.source;
        (*width, *height) = self.chain.choose(size, &mut rng);
        resize(rgb, *width * *height * RGB);
        paint(&mut rng, *width, RGB, rgb);
    }

    fn load_picture(&mut self, picture: &Picture, seed: u64) -> bool {
        if picture.width.min(picture.height) < C::SIDE_MIN {
            return false;
        }
        self.chain.settle(picture.width, picture.height, seed);
        (self.source.width, self.source.height) = (picture.width, picture.height);
        copy(&mut self.source.rgb, &picture.rgb);
        true
    }

    fn operations(&self) -> u64 {
        self.chain.operations(&self.source)
    }

    fn pixels(&self) -> Option<u64> {
        Some((self.source.width * self.source.height) as u64)
    }

    fn bytes(&self) -> usize {
        let values = self.sets.iter().flatten().map(|output| output.bytes().len()).sum::<usize>();
        self.source.rgb.len() + values + self.reference.values.len()
    }

    fn hand_over(&mut self, see: &mut dyn FnMut(&mut [u8])) {
        see(&mut self.source.rgb);
    }

    fn run(&mut self, token: Token, stage: &AtomicU64, fault: Option<Fault>) {
        let steps = Steps::new(token, C::STAGES.len(), stage, fault);
        if self.last == self.kept {
            self.last ^= 1;
        }
        self.chain.run(token, &self.source, &mut self.sets[self.last], &steps);
    }

    fn input_digest(&self) -> u64 {
        let mut hash = Xxh3::new();
        let sides = [self.source.width as u64, self.source.height as u64];
        for word in sides.iter().chain(&self.chain.parameters()) {
            hash.update(&word.to_le_bytes());
        }
        hash.update(&self.source.rgb);
        hash.digest()
    }

    fn output_digest(&self) -> u64 {
        digest(self.outputs().iter().map(Output::sums), self.last_values())
    }

    fn reference_digest(&self) -> u64 {
        digest(self.reference.sums.iter().map(|sums| &**sums), &self.reference.values)
    }

    fn keep_reference(&mut self) {
        self.kept = self.last;
        let [first, second] = &mut self.sets;
        let (outputs, next) = if self.last == 0 { (first, second) } else { (second, first) };
        for ((output, next), sums) in outputs.iter().zip(next).zip(&mut self.reference.sums) {
            sums.copy_from(output.sums());
            next.make_room_like(output);
        }
        self.reference.values.copy_from(outputs.last().expect("a stage at least").bytes());
    }

    fn matches(&self) -> bool {
        let mut sums = self.outputs().iter().zip(&self.reference.sums);
        sums.all(|(output, right)| same(output.sums(), right)) && same(self.last_values(), &self.reference.values)
    }

    fn locate(&self) -> Option<Mismatch> {
        let sums = self.outputs().iter().zip(&self.reference.sums);
        let wrong = |(n, (output, right)): (usize, (&Output, &Buffer<u32>))| {
            (*output.sums() != **right).then(|| (n, differences(output.sums(), right)))
        };
        let (n, sum) = match sums.enumerate().find_map(wrong) {
            Some(found) => found,
            None => (C::STAGES.len() - 1, None),
        };
        let (output, stage) = (&self.outputs()[n], C::STAGES[n]);
        if let Some(place) = output.locate(&self.sets[self.kept][n], stage).filter(|_| self.kept != self.last) {
            return Some(place);
        }
        if let Some((first, wrong)) = sum {
            let (expected, actual) = (bits(&self.reference.sums[n][first]), bits(&output.sums()[first]));
            return Some(Mismatch { stage, element: [first as u64].into(), expected, actual, bits: 32, wrong });
        }
        let (first, wrong) = differences(self.last_values(), &self.reference.values)?;
        let (expected, actual) = (bits(&self.reference.values[first]), bits(&self.last_values()[first]));
        Some(Mismatch { stage, element: [first as u64].into(), expected, actual, bits: 8, wrong })
    }

    fn flip_input_bit(&mut self, fault: Fault) {
        flip(&mut self.source.rgb, fault);
    }

    fn flip_reference_bit(&mut self, fault: Fault) {
        let Reference { sums, values } = &mut self.reference;
        match sums.get_mut((fault.element / 16) as usize % (C::STAGES.len() + 1)) {
            Some(sums) => flip(sums, fault),
            None => flip(values, fault),
        }
    }
}

/// Row `y` of each of three planes, one after the other.
fn row_of_planes<T>(planes: &[T], y: usize, width: usize) -> [&[T]; RGB] {
    let plane = planes.len() / RGB;
    core::array::from_fn(|channel| &planes[channel * plane + y * width..][..width])
}

/// The same, to be written.
fn rows_of_planes<T>(planes: &mut [T], y: usize, width: usize) -> [&mut [T]; RGB] {
    let (red, others) = planes.split_at_mut(planes.len() / RGB);
    let (green, blue) = others.split_at_mut(others.len() / 2);
    // One by one: `map` would not be inlined.
    let row = y * width..(y + 1) * width;
    [&mut red[row.clone()], &mut green[row.clone()], &mut blue[row]]
}

/// Copies each byte once. The C library copies what does not fill its vectors by one that overlaps another, where nobody sees
/// what went wrong in the bytes that are written again.
fn copy_once(from: &[u8], to: &mut [u8]) {
    let ((from, from_rest), (to, to_rest)) = (from.as_chunks::<32>(), to.as_chunks_mut::<32>());
    for (from, to) in from.iter().zip(to) {
        // Else the compiler would call the C library's.
        *core::hint::black_box(to) = *from;
    }
    to_rest.copy_from_slice(from_rest);
}

/// Copies these sums one after the other, which together fill the place for them.
fn keep<const N: usize>(mut place: &mut [u32], sums: [&[u32]; N]) {
    for sums in sums {
        let (here, rest) = place.split_at_mut(sums.len());
        here.copy_from_slice(sums);
        place = rest;
    }
    assert!(place.is_empty(), "{} sums are missing", place.len());
}

/// Width and height.
type Sides = (usize, usize);

/// A resize of which only the first run knows the sizes, as what is cropped depends on what was computed.
#[derive(Default)]
struct Resize {
    resizer: Resizer,
    prepared: Option<(Filter, usize, Sides, Sides)>,
}

impl Resize {
    /// The next run prepares it anew.
    fn forget(&mut self) {
        self.prepared = None;
    }

    /// Resizes pictures of `channels`, and keeps the checksums of both passes and of the weights.
    fn run(
        &mut self,
        token: Token,
        filter: Filter,
        channels: usize,
        (source, from): (&[u8], Sides),
        to: Sides,
        output: &mut Output,
    ) {
        if self.prepared != Some((filter, channels, from, to)) {
            self.resizer.prepare(filter, channels, from, to);
            self.prepared = Some((filter, channels, from, to));
        }
        let [across, down] = [Pass::Horizontal, Pass::Vertical].map(|pass| self.resizer.sums(pass).len());
        let weights = self.resizer.weight_sums().len();
        let shape = [to.1, to.0, channels];
        let shape = if channels == 1 { &shape[..2] } else { &shape };
        let (target, sums) = output.begin(shape, across + down + weights);
        self.resizer.run(token, source, target, Watch::default());
        keep(
            sums,
            [self.resizer.sums(Pass::Horizontal), self.resizer.sums(Pass::Vertical), self.resizer.weight_sums()],
        );
    }
}
