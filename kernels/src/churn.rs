//! `numpy-churn`: what `np.array(image.getdata())`, then `hash(array.tobytes())`, does to a machine: a list that grows by copying
//! itself, an object for every pixel that points to counted objects of its values, a walk over all of them into a fresh array, its
//! copy, and their end; then a list of as many nodes linked across the heap at random, walked and freed while blocks of other
//! sizes come and go; then pages touched for the first time. Taking and freeing memory is its work.
//!
//! Stages: "getdata", of each row of pixels the digest of its objects; "array", the int64 array [pixels, 3]; "bytes", the
//! digest of its copy; "chase", the digest every 64 nodes; "pages", the digests of what was written to fresh pages and of what they
//! held before.

use alloc::{boxed::Box, rc::Rc, vec, vec::Vec};

use crate::{
    buffer::Buffer,
    digest::digest,
    gemm::no_such_variant,
    goldens,
    isa::{Isa, Token},
    kernel::{Golden, Picture, Size, Variant},
    picture::RGB,
    resize::paint,
    rng::Rng,
    staged::{Call, Staged},
};

const GOLDEN: (usize, usize) = (160, 128);
/// Nodes between two words of "chase".
const PERIOD: usize = 64;
/// Blocks of other sizes that are alive at a time.
const BLOCKS: usize = 256;
/// Allocators give memory of this size back at once, and take it fresh.
const FRESH_MEMORY: usize = 33 << 20;
const PAGE: usize = 4096;
/// Pages of it that are touched: of golden inputs and pictures, and of fresh ones. Powers of two.
const PAGES: usize = 512;
const FRESH_PAGES: usize = 64;
const MULTIPLIER: u64 = 0x9e6c_63d0_876a_68ee | 1;

#[derive(Default)]
pub(crate) struct NumpyChurn {
    width: usize,
    height: usize,
    seed: u64,
    touched: usize,
    /// The places of the nodes.
    order: Vec<u32>,
}

/// A pixel as Python holds it: a tuple of pointers to numbers that are counted and shared.
struct Pixel {
    items: [Rc<i64>; RGB],
}

struct Node {
    value: i64,
    next: Option<Box<Node>>,
}

impl NumpyChurn {
    fn set(&mut self, width: usize, height: usize, seed: u64, touched: usize) {
        *self = Self { width, height, seed, touched, order: core::mem::take(&mut self.order) };
        self.order.clear();
        self.order.extend(0..(width * height) as u32);
        let mut rng = Rng::new(seed);
        for n in (1..self.order.len()).rev() {
            self.order.swap(n, rng.within(0, n));
        }
    }

    fn pixels(&self) -> usize {
        self.width * self.height
    }
}

impl Staged for NumpyChurn {
    type Word = i64;
    const NAME: &'static str = "numpy-churn";
    const SUMMARY: &'static str = "np.array(image.getdata()): small objects, pointer chasing, page faults, copies";
    const VARIANTS: &'static [Variant] = &[Variant::of(Isa::Scalar)];
    const GOLDENS: &'static [Golden] = goldens::NUMPY_CHURN;
    const STAGES: &'static [&'static str] = &["getdata", "array", "bytes", "chase", "pages"];
    const TYPE: &'static str = "int64";
    const ALLOCATES: bool = true;
    const PICTURE_BYTES: Option<usize> = Some(200);

    fn generate(&mut self, size: Size, rng: &mut Rng, input: &mut Buffer<u8>) {
        let ((width, height), touched) = match size {
            Size::Golden => (GOLDEN, PAGES),
            Size::Fresh => ((rng.within(4, 40), rng.within(4, 30)), FRESH_PAGES),
        };
        self.set(width, height, rng.next(), touched);
        input.resize(self.pixels() * RGB);
        paint(rng, width, RGB, input);
    }

    fn load_picture(&mut self, picture: &Picture, seed: u64, input: &mut Buffer<u8>) {
        self.set(picture.width, picture.height, seed, PAGES);
        input.copy_from(&picture.rgb);
    }

    fn sizes(&self) -> [usize; 2] {
        [self.width << 32 | self.height, self.seed as usize]
    }

    fn shape(&self, stage: usize) -> [usize; 2] {
        match stage {
            0 => [self.height, 1],
            1 => [self.pixels(), RGB],
            2 => [1, 1],
            3 => [self.pixels() / PERIOD + 1, 1],
            _ => [1, 2],
        }
    }

    fn operations(&self) -> u64 {
        // Objects taken and freed, and elements moved.
        (self.pixels() * (2 * 2 + 2 * RGB) + 2 * self.touched) as u64
    }

    fn run(&mut self, token: Token, input: &[u8], call: &mut Call<'_, i64>) {
        let Token::Scalar = token else { no_such_variant(Self::NAME, token) };
        let part = call.enter(0, self.height);
        let list = get_data(input);
        for (line, word) in list.chunks(self.width).zip(&mut *part) {
            let values = line.iter().flat_map(|pixel| &pixel.items);
            *word = values.fold(0, |digest, value| add(digest, **value)) as i64;
        }
        call.strike(part);

        let part = call.enter(1, self.pixels() * RGB);
        // The array is fresh memory each time, as NumPy's is.
        let mut array = vec![0i64; self.pixels() * RGB];
        for (row, pixel) in array.chunks_exact_mut(RGB).zip(&list) {
            for (to, item) in row.iter_mut().zip(&pixel.items) {
                *to = **item;
            }
        }
        call.strike(&mut array);
        part.copy_from_slice(&array);
        drop(list);

        let part = call.enter(2, 1);
        let mut bytes: Vec<u8> = bytemuck::cast_slice(&array).to_vec();
        call.strike(&mut bytes);
        part[0] = digest(&[self.pixels()], &[&bytes]) as i64;

        let part = call.enter(3, self.pixels() / PERIOD + 1);
        let mut values: Vec<i64> = array.chunks_exact(RGB).map(|row| row[0] << 16 | row[1] << 8 | row[2]).collect();
        call.strike(&mut values);
        chase(&values, &self.order, part);

        let part = call.enter(4, 2);
        touch_pages(&values, self.touched, part);
        call.strike(part);
    }
}

/// Adds to a digest so that what differed differs still.
fn add(digest: u64, value: i64) -> u64 {
    (digest ^ value as u64).wrapping_mul(MULTIPLIER).rotate_left(31)
}

/// A list of pixels, as `list(image.getdata())` makes it: of pointers, each to an object of its own.
#[expect(clippy::vec_box)]
fn get_data(rgb: &[u8]) -> Vec<Box<Pixel>> {
    // Python keeps one object for each small number.
    let numbers: Vec<Rc<i64>> = (0..256).map(Rc::new).collect();
    let mut list = Vec::new();
    for pixel in rgb.chunks_exact(RGB) {
        if list.len() == list.capacity() {
            // Python's lists grow by an eighth.
            list.reserve_exact(list.len() / 8 + 6);
        }
        list.push(Box::new(Pixel { items: core::array::from_fn(|n| numbers[usize::from(pixel[n])].clone()) }));
    }
    list
}

/// Links a node for each value in that order, then walks along and frees them while other blocks come and go.
fn chase(values: &[i64], order: &[u32], digests: &mut [i64]) {
    let mut nodes: Vec<Option<Box<Node>>> =
        values.iter().map(|&value| Some(Box::new(Node { value, next: None }))).collect();
    let mut chain = None;
    for place in order {
        if let Some(mut node) = nodes[*place as usize].take() {
            node.next = chain;
            chain = Some(node);
        }
    }
    let mut blocks: [Vec<u8>; BLOCKS] = core::array::from_fn(|_| Vec::new());
    let (mut sum, mut count) = (0, 0usize);
    while let Some(node) = chain {
        sum = add(sum, node.value);
        chain = node.next;
        // The state chooses a block: what it holds is looked at, and one of another size takes its place.
        let block = &mut blocks[sum as usize % BLOCKS];
        sum = add(sum, block.iter().fold(block.len() as i64, |sum, byte| sum.rotate_left(3) ^ i64::from(*byte)));
        *block = vec![(sum >> 20) as u8; (sum >> 8) as usize % 80];
        count += 1;
        if count.is_multiple_of(PERIOD) {
            digests[count / PERIOD - 1] = sum as i64;
        }
    }
    let rest = blocks.iter().flatten().fold(sum, |sum, byte| add(sum, i64::from(*byte)));
    digests[values.len() / PERIOD] = add(rest, count as i64) as i64;
}

/// Writes to pages never touched before, in leaps, and reads them in order.
fn touch_pages(values: &[i64], pages: usize, digests: &mut [i64]) {
    let mut memory = vec![0i64; FRESH_MEMORY / 8];
    let page = |n: usize| n * 797 % pages * (PAGE / 8);
    let mut before = 0;
    for n in 0..pages {
        let at = page(n) + n % (PAGE / 8);
        before = add(before, memory[at]);
        memory[at] = values[n % values.len()] ^ n as i64;
    }
    let written = memory[..pages * PAGE / 8].chunks_exact(PAGE / 8).fold(0, |sum, page| {
        // One of the words of a page was written.
        add(sum, page.iter().fold(0, |sum: i64, word| sum.rotate_left(1) ^ word))
    });
    digests.copy_from_slice(&[before as i64, written as i64]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kernel, staged::StagedKernel};

    #[test]
    fn faults_show_in_their_stage() {
        crate::staged::tests::holds::<NumpyChurn>();
    }

    /// The array is the picture's bytes as NumPy has them, whatever the size.
    #[test]
    fn the_array_is_the_picture() {
        for (width, height) in [(1, 1), (3, 5), (64, 1), (37, 29)] {
            let mut rgb = vec![0; width * height * RGB];
            Rng::new(6).fill(&mut rgb);
            let kernel = StagedKernel::<NumpyChurn>::new();
            let picture = Picture { width, height, rgb: rgb.clone() };
            let stages = kernel.show(Token::Scalar, 1, Some(&picture)).expect("it takes pictures");
            let array = &stages[2];
            assert_eq!(
                (array.name.as_str(), array.element_type, &array.shape[..]),
                ("array", "int64", &[width * height, 3][..])
            );
            let right: Vec<u8> = rgb.iter().flat_map(|value| i64::from(*value).to_le_bytes()).collect();
            assert_eq!(array.bytes, right);
        }
    }

    /// A value that differs, and one that is somewhere else, change the walk and the pages.
    #[test]
    fn no_change_vanishes() {
        let values: Vec<i64> = (0..300).map(|n| n * n).collect();
        let order: Vec<u32> = (0..300).map(|n| n * 7 % 300).collect();
        let after = |values: &[i64], order: &[u32]| {
            let (mut digests, mut pages) = (vec![0; 300 / PERIOD + 1], [0; 2]);
            chase(values, order, &mut digests);
            touch_pages(values, PAGES, &mut pages);
            (digests.pop(), pages)
        };
        let right = after(&values, &order);
        for n in 0..300 {
            let mut wrong = values.clone();
            wrong[n] ^= 1 << (n % 24);
            let (last, pages) = after(&wrong, &order);
            assert!(last != right.0 && pages[1] != right.1[1], "value {n}");
            let mut wrong = order.clone();
            wrong.swap(n, (n + 1) % 300);
            assert_ne!(after(&values, &wrong).0, right.0, "place {n}");
        }
    }
}
