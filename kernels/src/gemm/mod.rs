//! Matrix products: what all of them share. `C[M,N] = A[M,K] · B[K,N]`; a [`Layout`] says where the rows of A are, how B is stored
//! is the product's own.

mod balance;
mod bf16_f32;
mod f16_f32;
mod f32;
mod f64;
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod first;
mod layout;
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod multiply_add;
mod reference;
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod register_tile;
mod s8s8_i32;
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod tile;
mod u8s4_i32;
mod u8s8_i32;

use alloc::{boxed::Box, vec, vec::Vec};
use core::{
    marker::PhantomData,
    ops::Range,
    slice,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use bytemuck::{Pod, Zeroable};

pub(crate) use {
    bf16_f32::Bf16F32,
    f16_f32::F16F32,
    f32::F32,
    f64::F64,
    layout::{Layout, Rows, Shape},
    s8s8_i32::S8S8I32,
    u8s4_i32::U8S4I32,
    u8s8_i32::U8S8I32,
};

use reference::{clear_padding, row_major};

use crate::{
    buffer::Buffer,
    data::{self, Kind, Number, Side},
    digest::{bits, differences, digest, flip, same},
    isa::Token,
    kernel::{Fault, Golden, Job, Kernel, Mismatch, NoPicture, Picture, Size, Stage, Variant},
    rng::Rng,
};

const STAGES: &[&str] = &["pack", "multiply"];
const STAGE_PACK: u64 = 0;
const STAGE_MULTIPLY: u64 = 1;

/// Dimensions of a fresh input.
const FRESH: (usize, usize) = (33, 160);
/// Rows, columns and k that are whole tiles and words of every variant.
const WHOLE: Shape = Shape { m: 12, n: 32, k: 8 };

/// What is particular to one product.
pub(crate) trait Product: Tiles + Sync + Sized + 'static {
    type A: Number + Send;
    /// A word: [`Self::GROUP`] consecutive k of a column.
    type B: Pod + Send;
    /// What words are made of, and what B is shown in.
    type Weight: Number;
    type C: Pod + Default + Send;
    const NAME: &'static str;
    const SUMMARY: &'static str;
    const VARIANTS: &'static [Variant];
    const GOLDENS: &'static [Golden];
    const GOLDEN: Shape;
    /// NumPy's names of the element types of A, B and C as they are shown.
    const TYPES: [&'static str; 3];
    const GROUP: usize;
    /// Columns of a panel of B: as many as the widest vector has sums. B is kept as libraries keep weights, in panels
    /// `[N/PANEL][K/GROUP][PANEL]` of words; what lies outside of the matrix is zero.
    const PANEL: usize = 64 / size_of::<Self::C>();

    /// Bits of C that a drill may flip: any of an integer's; of a float's the one that no later sum can absorb, the highest of
    /// the exponent.
    const STRIKES: Range<u32>;

    /// Makes A and B.
    fn fill(rng: &mut Rng, shape: Shape, a: &mut [Self::A], b: &mut [Self::B]) {
        fill::<Self>(rng, shape, a, b);
    }
    /// Sets to zero what a word holds from that k on.
    fn clear(word: &mut Self::B, used: usize) {
        bytemuck::cast_slice_mut::<_, Self::Weight>(slice::from_mut(word))[used..].fill(Self::Weight::zeroed());
    }
    /// The bytes of B as it is shown: row-major `K x N`.
    fn show_b(shape: Shape, b: &[Self::B]) -> Vec<u8> {
        let weight = |word, k| bytemuck::cast_slice::<_, Self::Weight>(slice::from_ref(&word))[k];
        bytemuck::cast_slice(&row_major::<Self, _>(shape, b, weight)).to_vec()
    }
    /// The scalar reference: adds to C the products of these k, which begin at a whole word of B, by the order of arithmetic
    /// written at the head of the product's file.
    fn reference<L: Layout>(a: Rows<'_, Self::A, L>, b: &[Self::B], c: &mut [Self::C], ks: Range<usize>);
    /// See [`Job::freivalds`].
    fn freivalds<L: Layout>(a: Rows<'_, Self::A, L>, b: &[Self::B], c: &[Self::C], rng: &mut Rng) -> Option<bool> {
        let _ = (a, b, c, rng);
        None
    }
}

/// Makes A and B of one kind of data.
fn fill<P: Product>(rng: &mut Rng, shape: Shape, a: &mut [P::A], b: &mut [P::B]) {
    let kind = Kind::choose(rng);
    data::fill(rng, kind, Side::A, a);
    data::fill(rng, kind, Side::B, bytemuck::cast_slice_mut::<_, P::Weight>(b));
    clear_padding::<P>(shape, b, P::clear);
}

/// What a kernel multiplies.
pub(crate) trait Work: Sync + 'static {
    type Product: Product;
    type Layout: Layout;
    const NAME: &'static str;
    const SUMMARY: &'static str;
    const GOLDENS: &'static [Golden];
    /// The names of what is shown of A, B and C.
    const NAMES: [&'static str; 3];
    /// Draws dimensions.
    fn layout(size: Size, rng: &mut Rng) -> Self::Layout;
}

/// The product of two matrices.
impl<P: Product> Work for P {
    type Product = P;
    /// A is a row-major matrix.
    type Layout = Shape;
    const NAME: &'static str = P::NAME;
    const SUMMARY: &'static str = P::SUMMARY;
    const GOLDENS: &'static [Golden] = P::GOLDENS;
    const NAMES: [&'static str; 3] = ["a", "b", "c"];

    fn layout(size: Size, rng: &mut Rng) -> Shape {
        // 63 sides in 64 are whole tiles: what is wrong beyond an edge is never seen.
        let mut any = |whole: usize| {
            let side = rng.within(FRESH.0, FRESH.1);
            if rng.next() & 63 == 0 { side } else { side.next_multiple_of(whole) }
        };
        match size {
            Size::Golden => P::GOLDEN,
            Size::Fresh => Shape { m: any(WHOLE.m), n: any(WHOLE.n), k: any(WHOLE.k) },
        }
    }
}

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
use tile::{Tiles, Workspace};
/// No vector code in this build.
#[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
pub(crate) trait Tiles {}
#[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
impl<P> Tiles for P {}
#[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
type Workspace = ();

/// The buffers of one product.
struct Data<'a, P: Product, L> {
    a: Rows<'a, P::A, L>,
    b: &'a [P::B],
    c: &'a mut [P::C],
    #[cfg_attr(
        not(all(target_arch = "x86_64", not(feature = "scalar-only"))),
        expect(dead_code, reason = "only vectors pack")
    )]
    scratch: &'a mut Workspace,
}

/// Elements whose number is the same modulo this lie in the same lane of a full vector register of 32-bit elements.
const LANES: u64 = 16;

/// The drill of all products: a bit of a sum between two blocks of k. Columns of `c` are `n`; what an element's number is
/// modulo the lanes, its column is.
fn strike<P: Product>(c: &mut [P::C], n: usize, fault: Fault) {
    let bit = P::STRIKES.start + fault.bit % P::STRIKES.len() as u32;
    let (row, lane) = (fault.element / LANES, fault.element % LANES);
    let element = row % (c.len() / n) as u64 * n as u64 + lane % n as u64;
    flip(c, Fault { element, bit });
}

/// The product by the scalar reference; blocks of k only exist so that a drill can strike between them.
fn scalar<P: Product, L: Layout>(data: Data<'_, P, L>, fault: Option<Fault>) {
    let Shape { n, k, .. } = data.a.layout.shape();
    data.c.fill(P::C::zeroed());
    let steps = k.div_ceil(P::GROUP);
    let block = P::GROUP * block_steps(steps, steps, fault.is_some());
    for from in (0..k).step_by(block) {
        P::reference(data.a, data.b, data.c, from..(from + block).min(k));
        if let (0, Some(fault)) = (from, fault) {
            strike::<P>(data.c, n, fault);
        }
    }
}

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
#[inline(always)]
fn vector<P: Product, L: Layout>(token: Token, data: Data<'_, P, L>, stage: &AtomicU64, fault: &Option<Fault>) {
    // By reference, because moves go through vectors, and of those nobody would see what goes wrong where nothing is kept.
    let multiply = &mut tile::Multiply { data, stage, fault };
    P::with_tile(token, multiply).unwrap_or_else(|| no_such_variant(P::NAME, token));
}

#[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
fn vector<P: Product, L: Layout>(token: Token, _: Data<'_, P, L>, _: &AtomicU64, _: &Option<Fault>) {
    no_such_variant(P::NAME, token)
}

/// A product as a kernel.
pub(crate) struct Gemm<W>(PhantomData<W>);

impl<W> Gemm<W> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<W: Work> Kernel for Gemm<W> {
    fn name(&self) -> &'static str {
        W::NAME
    }

    fn summary(&self) -> &'static str {
        W::SUMMARY
    }

    fn variants(&self) -> &'static [Variant] {
        W::Product::VARIANTS
    }

    fn stages(&self) -> &'static [&'static str] {
        STAGES
    }

    fn goldens(&self) -> &'static [Golden] {
        W::GOLDENS
    }

    fn new_job(&self) -> Box<dyn Job> {
        Box::new(GemmJob::<W>::default())
    }

    #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
    fn peak(&self, token: Token, steps: u64) -> Option<u64> {
        W::Product::with_tile(token, tile::Peak { steps })
    }

    #[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
    fn peak(&self, _: Token, _: u64) -> Option<u64> {
        None
    }

    fn show(&self, token: Token, seed: u64, picture: Option<&Picture>) -> Result<Vec<Stage>, NoPicture> {
        if picture.is_some() {
            return Err(NoPicture);
        }
        let mut job = GemmJob::<W>::default();
        job.generate(Size::Golden, seed);
        job.run(token, &AtomicU64::new(0), None);
        let [a, b, c] = job.layout.shown();
        let shown_b = W::Product::show_b(job.layout.shape(), &job.b);
        let stage = |at: usize, shape: Vec<usize>, bytes: &[u8]| Stage {
            name: W::NAMES[at].into(),
            element_type: W::Product::TYPES[at],
            shape,
            bytes: bytes.to_vec(),
        };
        Ok(vec![
            stage(0, a, bytemuck::cast_slice(&job.a)),
            stage(1, b, &shown_b),
            stage(2, c, bytemuck::cast_slice(&job.c)),
        ])
    }
}

/// A product with its buffers.
pub(crate) struct GemmJob<W: Work> {
    layout: W::Layout,
    pub(crate) a: Buffer<<W::Product as Product>::A>,
    pub(crate) b: Buffer<<W::Product as Product>::B>,
    pub(crate) c: Buffer<<W::Product as Product>::C>,
    reference: Buffer<<W::Product as Product>::C>,
    /// The sum of what A and B were made of.
    filled: u64,
    scratch: Workspace,
}

impl<W: Work> Default for GemmJob<W> {
    fn default() -> Self {
        let (layout, a, b, c, reference) = Default::default();
        Self { layout, a, b, c, reference, filled: 0, scratch: Workspace::default() }
    }
}

impl<W: Work> GemmJob<W> {
    pub(crate) fn make(&mut self, layout: W::Layout, rng: &mut Rng) {
        let shape = layout.shape();
        self.layout = layout;
        let (lines, line) = layout.lines();
        self.a.resize(lines * line);
        self.b.resize(shape.n.next_multiple_of(W::Product::PANEL) * shape.k.div_ceil(W::Product::GROUP));
        self.c.renew(shape.m * shape.n);
        W::Product::fill(rng, shape, &mut self.a, &mut self.b);
        self.filled = rng.filled();
    }

    fn digest(&self, buffers: &[&[u8]]) -> u64 {
        digest(self.layout.dimensions().as_ref(), buffers)
    }

    fn rows(&self) -> Rows<'_, <W::Product as Product>::A, W::Layout> {
        Rows { a: &self.a, layout: self.layout }
    }
}

impl<W: Work> Job for GemmJob<W> {
    fn generate(&mut self, size: Size, seed: u64) {
        let mut rng = Rng::new(seed);
        let layout = W::layout(size, &mut rng);
        self.make(layout, &mut rng);
    }

    fn operations(&self) -> u64 {
        let Shape { m, n, k } = self.layout.shape();
        2 * m as u64 * n as u64 * k as u64
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.a) + size_of_val(&*self.b) + size_of_val(&*self.c) + size_of_val(&*self.reference)
    }

    fn hand_over(&mut self, see: &mut dyn FnMut(&mut [u8])) {
        see(bytemuck::cast_slice_mut(&mut self.a));
        see(bytemuck::cast_slice_mut(&mut self.b));
        see(bytemuck::bytes_of_mut(&mut self.filled));
    }

    fn run(&mut self, token: Token, stage: &AtomicU64, fault: Option<Fault>) {
        stage.store(STAGE_PACK, Relaxed);
        self.c.renew(self.c.len());
        let a = Rows { a: &self.a, layout: self.layout };
        let data = Data::<W::Product, _> { a, b: &self.b, c: &mut self.c, scratch: &mut self.scratch };
        match token {
            Token::Scalar => {
                stage.store(STAGE_MULTIPLY, Relaxed);
                scalar(data, fault);
            }
            token => vector(token, data, stage, &fault),
        }
    }

    fn input_digest(&self) -> u64 {
        self.digest(&[bytemuck::cast_slice(&self.a), bytemuck::cast_slice(&self.b), bytemuck::bytes_of(&self.filled)])
    }

    fn output_digest(&self) -> u64 {
        self.digest(&[bytemuck::cast_slice(&self.c)])
    }

    fn reference_digest(&self) -> u64 {
        self.digest(&[bytemuck::cast_slice(&self.reference)])
    }

    fn keep_reference(&mut self) {
        self.reference.copy_from(&self.c);
    }

    fn matches(&self) -> bool {
        same(&self.c, &self.reference)
    }

    fn locate(&self) -> Option<Mismatch> {
        let (first, wrong) = differences(&self.c, &self.reference)?;
        Some(Mismatch {
            stage: STAGES[STAGE_MULTIPLY as usize],
            element: self.layout.element(first),
            expected: bits(&self.reference[first]),
            actual: bits(&self.c[first]),
            bits: 8 * size_of_val(&self.c[first]) as u32,
            wrong,
        })
    }

    fn freivalds(&self, seed: u64) -> Option<bool> {
        W::Product::freivalds(self.rows(), &self.b, &self.c, &mut Rng::new(!seed))
    }

    fn flip_input_bit(&mut self, fault: Fault) {
        flip(&mut self.a, fault);
    }

    fn flip_reference_bit(&mut self, fault: Fault) {
        flip(&mut self.reference, fault);
    }
}

/// How many steps of k make a block: blocks of one size, and two if a drill needs a boundary to strike at.
fn block_steps(steps: usize, most: usize, drill: bool) -> usize {
    let blocks = steps.div_ceil(most).max(1 + usize::from(drill));
    steps.div_ceil(blocks)
}

/// No variant of this product takes this token: the caller did not choose from its list.
#[cold]
pub(crate) fn no_such_variant(name: &str, token: Token) -> ! {
    panic!("{name} has no {} variant", token.isa().name())
}

/// Checks that every variant gives the reference's bits on inputs of any layout drawn.
#[cfg(test)]
pub(crate) fn agrees<W: Work>(inputs: usize, draw: impl Fn(&mut Rng) -> W::Layout) {
    let mut rng = Rng::new(17);
    let mut job = GemmJob::<W>::default();
    let tokens: Vec<Token> = W::Product::VARIANTS.iter().filter_map(|variant| variant.isa.token()).collect();
    for _ in 0..inputs {
        job.make(draw(&mut rng), &mut rng);
        job.run(crate::isa::Isa::Scalar.token().expect("everywhere"), &AtomicU64::new(0), None);
        job.keep_reference();
        let shape = job.layout.shape();
        assert_ne!(job.freivalds(1), Some(false), "{} {shape:?}", W::NAME);
        for &token in &tokens {
            job.c.fill(<W::Product as Product>::C::zeroed());
            job.run(token, &AtomicU64::new(0), None);
            assert!(job.matches(), "{} {} {shape:?}: {:?}", W::NAME, token.isa().name(), job.locate());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;

    /// Shapes smaller than any tile, with every remainder of tile, panel, word and block.
    fn agrees_on_every_edge<P: Product>() {
        agrees::<P>(3000, |rng| {
            // The longest block has 1489 steps of four k.
            let most = if rng.next() & 15 == 0 { 12_000 } else { 40 };
            Shape { m: rng.within(1, 30), n: rng.within(1, 70), k: rng.within(1, most) }
        });
    }

    #[test]
    fn integer_products_agree_on_every_edge() {
        agrees_on_every_edge::<U8S8I32>();
        agrees_on_every_edge::<S8S8I32>();
        agrees_on_every_edge::<U8S4I32>();
    }

    #[test]
    fn float_products_agree_on_every_edge() {
        agrees_on_every_edge::<F32>();
        agrees_on_every_edge::<F64>();
        agrees_on_every_edge::<F16F32>();
        agrees_on_every_edge::<Bf16F32>();
    }

    /// The sum of products by way of i64 and by the fused multiply-add, which share nothing with the references' loops.
    #[test]
    fn references_are_what_their_names_say() {
        let mut rng = Rng::new(23);
        let shape = Shape { m: 5, n: 37, k: 29 };
        let (mut s8, mut u4, mut bf16) =
            (GemmJob::<S8S8I32>::default(), GemmJob::<U8S4I32>::default(), GemmJob::<Bf16F32>::default());
        let scalar = Isa::Scalar.token().expect("everywhere");
        for _ in 0..60 {
            s8.make(shape, &mut rng);
            u4.make(shape, &mut rng);
            bf16.make(shape, &mut rng);
            s8.run(scalar, &AtomicU64::new(0), None);
            u4.run(scalar, &AtomicU64::new(0), None);
            bf16.run(scalar, &AtomicU64::new(0), None);
            let (s8_b, u4_b) = (S8S8I32::show_b(shape, &s8.b), U8S4I32::show_b(shape, &u4.b));
            let bf16_b = Bf16F32::show_b(shape, &bf16.b);
            let widen = |bits: u16| f32::from_bits(u32::from(bits) << 16);
            for (m, n) in (0..shape.m).flat_map(|m| (0..shape.n).map(move |n| (m, n))) {
                let at = |k: usize| (m * shape.k + k, k * shape.n + n);
                let sum = |a: &dyn Fn(usize) -> i64, b: &[u8]| {
                    (0..shape.k).map(|k| a(at(k).0) * i64::from(b[at(k).1] as i8)).sum::<i64>()
                };
                assert_eq!(i64::from(s8.c[m * shape.n + n]), sum(&|at| s8.a[at].into(), &s8_b));
                assert_eq!(i64::from(u4.c[m * shape.n + n]), sum(&|at| u4.a[at].into(), &u4_b));
                let order = (0..shape.k.div_ceil(2)).flat_map(|pair| [2 * pair + 1, 2 * pair]);
                let chain = order.filter(|&k| k < shape.k).fold(0f32, |sum, k| {
                    let (a, b) = at(k);
                    let b = u16::from_le_bytes([bf16_b[2 * b], bf16_b[2 * b + 1]]);
                    libm::fmaf(widen(bf16.a[a].0), widen(b), sum)
                });
                assert_eq!(bf16.c[m * shape.n + n].to_bits(), chain.to_bits());
            }
        }
    }
}
