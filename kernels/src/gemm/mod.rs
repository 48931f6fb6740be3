//! Matrix products: what all of them share. `C[M,N] = A[M,K] · B[K,N]`, A row-major; how B is stored is the product's own.

mod f32;
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod tile;
mod u8s8_i32;

use alloc::{boxed::Box, vec, vec::Vec};
use core::{
    marker::PhantomData,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use bytemuck::Pod;

pub(crate) use f32::F32;
pub(crate) use u8s8_i32::U8S8I32;

use crate::{
    digest::{bits, copy, differences, digest, flip, resize},
    isa::Token,
    kernel::{Fault, Golden, Job, Kernel, Mismatch, NoPicture, Picture, Size, Stage, Variant},
    rng::Rng,
};

const STAGES: &[&str] = &["pack", "multiply"];
pub(crate) const STAGE_PACK: u64 = 0;
pub(crate) const STAGE_MULTIPLY: u64 = 1;

/// Dimensions of a fresh input.
const FRESH: (usize, usize) = (33, 160);

/// Dimensions of a product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
}

/// What is particular to one product.
pub(crate) trait Product: Sync + 'static {
    type A: Pod + Send;
    type B: Pod + Send;
    type C: Pod + Send;
    /// Buffers of the variants: packed operands and tiles.
    type Scratch: Default + Send;
    const NAME: &'static str;
    const SUMMARY: &'static str;
    const VARIANTS: &'static [Variant];
    const GOLDENS: &'static [Golden];
    const GOLDEN: Shape;
    /// NumPy's names of the element types of A, B and C.
    const TYPES: [&'static str; 3];

    fn fill(rng: &mut Rng, a: &mut [Self::A], b: &mut [Self::B]);
    /// B as it is shown: row-major `K x N`.
    fn row_major_b(shape: Shape, b: &[Self::B]) -> Vec<Self::B>;
    fn multiply(token: Token, shape: Shape, data: Data<'_, Self>, stage: &AtomicU64, fault: Option<Fault>);
    fn freivalds(shape: Shape, a: &[Self::A], b: &[Self::B], c: &[Self::C], rng: &mut Rng) -> Option<bool>;
}

/// The buffers of one product.
pub(crate) struct Data<'a, P: Product + ?Sized> {
    pub(crate) a: &'a [P::A],
    pub(crate) b: &'a [P::B],
    pub(crate) c: &'a mut [P::C],
    #[cfg_attr(feature = "scalar-only", expect(dead_code, reason = "only vectors pack"))]
    pub(crate) scratch: &'a mut P::Scratch,
}

/// A product as a kernel.
pub(crate) struct Gemm<P>(PhantomData<P>);

impl<P> Gemm<P> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<P: Product> Kernel for Gemm<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn summary(&self) -> &'static str {
        P::SUMMARY
    }

    fn variants(&self) -> &'static [Variant] {
        P::VARIANTS
    }

    fn stages(&self) -> &'static [&'static str] {
        STAGES
    }

    fn goldens(&self) -> &'static [Golden] {
        P::GOLDENS
    }

    fn takes_pictures(&self) -> bool {
        false
    }

    fn new_job(&self) -> Box<dyn Job> {
        Box::new(GemmJob::<P>::default())
    }

    fn show(&self, token: Token, seed: u64, picture: Option<&Picture>) -> Result<Vec<Stage>, NoPicture> {
        if picture.is_some() {
            return Err(NoPicture);
        }
        let mut job = GemmJob::<P>::default();
        job.generate(Size::Golden, seed);
        job.run(token, &AtomicU64::new(0), None);
        let Shape { m, n, k } = job.shape;
        let stage = |name: &str, element_type, shape: Vec<usize>, bytes: &[u8]| Stage {
            name: name.into(),
            element_type,
            shape,
            bytes: bytes.to_vec(),
        };
        let b = P::row_major_b(job.shape, &job.b);
        Ok(vec![
            stage("a", P::TYPES[0], vec![m, k], bytemuck::cast_slice(&job.a)),
            stage("b", P::TYPES[1], vec![k, n], bytemuck::cast_slice(&b)),
            stage("c", P::TYPES[2], vec![m, n], bytemuck::cast_slice(&job.c)),
        ])
    }
}

struct GemmJob<P: Product> {
    shape: Shape,
    a: Vec<P::A>,
    b: Vec<P::B>,
    c: Vec<P::C>,
    reference: Vec<P::C>,
    scratch: P::Scratch,
}

impl<P: Product> Default for GemmJob<P> {
    fn default() -> Self {
        let (a, b, c, reference) = Default::default();
        Self { shape: Shape::default(), a, b, c, reference, scratch: P::Scratch::default() }
    }
}

impl<P: Product> GemmJob<P> {
    fn dimensions(&self) -> [usize; 3] {
        [self.shape.m, self.shape.n, self.shape.k]
    }
}

impl<P: Product> Job for GemmJob<P> {
    fn generate(&mut self, size: Size, seed: u64) {
        let mut rng = Rng::new(seed);
        let mut any = || rng.within(FRESH.0, FRESH.1);
        self.shape = match size {
            Size::Golden => P::GOLDEN,
            Size::Fresh => Shape { m: any(), n: any(), k: any() },
        };
        resize(&mut self.a, self.shape.m * self.shape.k);
        resize(&mut self.b, self.shape.k * self.shape.n);
        resize(&mut self.c, self.shape.m * self.shape.n);
        P::fill(&mut rng, &mut self.a, &mut self.b);
    }

    fn load_picture(&mut self, _: &Picture, _: u64) -> bool {
        false
    }

    fn operations(&self) -> u64 {
        2 * self.dimensions().iter().map(|&d| d as u64).product::<u64>()
    }

    fn run(&mut self, token: Token, stage: &AtomicU64, fault: Option<Fault>) {
        stage.store(STAGE_PACK, Relaxed);
        let data = Data { a: &self.a, b: &self.b, c: &mut self.c, scratch: &mut self.scratch };
        P::multiply(token, self.shape, data, stage, fault);
    }

    fn input_digest(&self) -> u64 {
        digest(&self.dimensions(), &[bytemuck::cast_slice(&self.a), bytemuck::cast_slice(&self.b)])
    }

    fn output_digest(&self) -> u64 {
        digest(&self.dimensions(), &[bytemuck::cast_slice(&self.c)])
    }

    fn reference_digest(&self) -> u64 {
        digest(&self.dimensions(), &[bytemuck::cast_slice(&self.reference)])
    }

    fn keep_reference(&mut self) {
        copy(&mut self.reference, &self.c);
    }

    fn matches(&self) -> bool {
        bytemuck::cast_slice::<_, u8>(&self.c) == bytemuck::cast_slice::<_, u8>(&self.reference)
    }

    fn locate(&self) -> Option<Mismatch> {
        let (first, wrong) = differences(&self.c, &self.reference)?;
        Some(Mismatch {
            stage: STAGES[STAGE_MULTIPLY as usize],
            element: vec![(first / self.shape.n) as u64, (first % self.shape.n) as u64],
            expected: bits(&self.reference[first]),
            actual: bits(&self.c[first]),
            bits: 8 * size_of::<P::C>() as u32,
            wrong,
        })
    }

    fn freivalds(&self, seed: u64) -> Option<bool> {
        P::freivalds(self.shape, &self.a, &self.b, &self.c, &mut Rng::new(!seed))
    }

    fn flip_input_bit(&mut self, fault: Fault) {
        flip(&mut self.a, fault);
    }

    fn flip_reference_bit(&mut self, fault: Fault) {
        flip(&mut self.reference, fault);
    }
}

/// How many steps of k make a block: two blocks at least, so that a drill has a boundary to strike at.
pub(crate) fn block_steps(steps: usize, most: usize) -> usize {
    steps.div_ceil(2).clamp(1, most)
}

/// No variant of this product takes this token: the caller did not choose from its list.
#[cold]
pub(crate) fn no_such_variant(name: &str, token: Token) -> ! {
    panic!("{name} has no {} variant", token.isa().name())
}
