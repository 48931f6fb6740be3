//! What a kernel is.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::sync::atomic::AtomicU64;

use crate::isa::{Isa, Token};

/// One way to compute a kernel; all give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Its name.
    pub name: &'static str,
    /// What it needs.
    pub isa: Isa,
}

impl Variant {
    /// The variant of an instruction set, named after it.
    pub(crate) const fn of(isa: Isa) -> Self {
        Self { name: isa.name(), isa }
    }
}

/// A seed and what it must give; digests are XXH3, 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Golden {
    /// The seed.
    pub seed: u64,
    /// Digest of the input.
    pub input: u64,
    /// Digest of the output.
    pub output: u64,
}

/// How large an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// The real shape that goldens have.
    Golden,
    /// Small enough for the scalar reference, dimensions chosen by the seed.
    Fresh,
}

/// An 8-bit RGB picture, row-major, 3 bytes a pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// `width * height * 3` bytes.
    pub rgb: Vec<u8>,
}

/// A bit to flip on purpose; both numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which element.
    pub element: u64,
    /// Which bit of it.
    pub bit: u32,
}

/// Where an output differs from its reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The stage.
    pub stage: &'static str,
    /// Coordinates of the first wrong element, row-major.
    pub element: Vec<u64>,
    /// Its bits in the reference.
    pub expected: u64,
    /// Its bits in the output.
    pub actual: u64,
    /// Width of an element in bits.
    pub bits: u32,
    /// How many elements are wrong.
    pub wrong: u64,
}

impl Mismatch {
    /// Output and reference change places.
    pub fn swapped(self) -> Self {
        Self { expected: self.actual, actual: self.expected, ..self }
    }
}

/// The values of one stage, for people and other programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// NumPy's name of the element type.
    pub element_type: &'static str,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Row-major, little-endian, no padding.
    pub bytes: Vec<u8>,
}

/// This kernel takes no picture, or none so small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPicture;

/// A bounded piece of arithmetic with a known right answer.
pub trait Kernel: Sync {
    /// Its name.
    fn name(&self) -> &'static str;
    /// One line on what it does.
    fn summary(&self) -> &'static str;
    /// Best first, scalar last.
    fn variants(&self) -> &'static [Variant];
    /// Names of the stages; a run notes indexes into this.
    fn stages(&self) -> &'static [&'static str];
    /// At least 256.
    fn goldens(&self) -> &'static [Golden];
    /// Whether [`Job::load_picture`] works.
    fn takes_pictures(&self) -> bool {
        false
    }
    /// The least width and height, in pixels, of a picture that it takes.
    fn picture_side_min(&self) -> usize {
        1
    }
    /// Bytes that a job takes for each pixel of a picture, about.
    fn picture_bytes(&self) -> usize {
        32
    }
    /// Whether lesser variants work on a part of what the best works on and nothing else: such a kernel's work is the best
    /// variant's alone.
    fn best_alone(&self) -> bool {
        false
    }
    /// Whether taking and freeing memory is part of its work: the declared exception to the rule of [`Job`].
    fn allocates(&self) -> bool {
        false
    }
    /// Buffers to run it in, empty yet.
    fn new_job(&self) -> Box<dyn Job>;
    /// Runs the multiply-adds of that variant on registers alone for so many steps of its inner loop, and returns the
    /// operations done: what nothing that also loads can exceed. `None` where a variant has no such loop.
    fn peak(&self, token: Token, steps: u64) -> Option<u64> {
        let _ = (token, steps);
        None
    }
    /// Computes once and returns each stage's values.
    fn show(&self, token: Token, seed: u64, picture: Option<&Picture>) -> Result<Vec<Stage>, NoPicture>;
}

/// A kernel with its buffers. Memory is taken by `generate`, `load_picture`, the first `run` and the first `keep_reference`
/// after them, and by nothing else.
pub trait Job: Send {
    /// Makes the input; the same bits on every machine.
    fn generate(&mut self, size: Size, seed: u64);
    /// Takes a picture as input, the seed choosing the rest; false if the kernel takes none, or none so small. A program that the
    /// kernel is taken from made its choices as seed 0 does.
    fn load_picture(&mut self, picture: &Picture, seed: u64) -> bool {
        let _ = (picture, seed);
        false
    }
    /// Operations of one run; a multiply-add counts two.
    fn operations(&self) -> u64;
    /// Pixels of the pictures that one run makes, of a chain of stages those that it begins with: what the throughput of a kernel
    /// of pictures is counted in. `None` for others.
    fn pixels(&self) -> Option<u64> {
        None
    }
    /// Bytes of the input, what lies between the stages, the output and the reference, as large as they are now: what runs and
    /// comparisons touch, packed copies aside.
    fn bytes(&self) -> usize;
    /// Shows all bytes of the input, piece by piece, always the same pieces for the same size and seed, so that another job of
    /// this kernel can be given them. A kernel that shows none is not handed from core to core.
    fn hand_over(&mut self, see: &mut dyn FnMut(&mut [u8])) {
        let _ = see;
    }
    /// Computes the output from the input, noting the stage as it goes.
    ///
    /// # Panics
    /// If `token` is of no variant of this kernel.
    fn run(&mut self, token: Token, stage: &AtomicU64, fault: Option<Fault>);
    /// Digest of the input.
    fn input_digest(&self) -> u64;
    /// Digest of the output.
    fn output_digest(&self) -> u64;
    /// Digest of the reference, by the same rule as the output's.
    fn reference_digest(&self) -> u64;
    /// Copies the output as the reference.
    fn keep_reference(&mut self);
    /// Whether output and reference are the same in every bit. Chains of stages (`pipeline`) compare checksums of all but the last.
    fn matches(&self) -> bool;
    /// Where they differ, by a method of its own: element by element.
    fn locate(&self) -> Option<Mismatch>;
    /// The exact check of integer products modulo 2^32 (Freivalds): C·r = A·(B·r) for a random r. `None` where it does not
    /// apply. With odd r a single wrong element in a row never passes; several pass with a chance of at most 1/2.
    fn freivalds(&self, seed: u64) -> Option<bool> {
        let _ = seed;
        None
    }
    /// Damages the input.
    fn flip_input_bit(&mut self, fault: Fault);
    /// Damages the reference.
    fn flip_reference_bit(&mut self, fault: Fault);
}
