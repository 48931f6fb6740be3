//! `resonance`: bursts of fused multiply-adds against chains of dependent integer operations, so that the core's current goes up and
//! down with a period of 20 to 6,000 cycles that the seed chooses.
//!
//! Order: the state is 12 rows of 16 sums and, for each half of the lanes, a chain. A period is a burst and a chain. A burst is so
//! many units; unit i of period p adds to every sum `x[(p + i) mod 4]` of its lane times the sum's own `b`, and then takes it off again. A link
//! of a chain is `s = (s ^ c) * k`, with odd k; the first link of a period also takes in its half's first sum, `s = (s ^ sum ^ c) * k`. So neither can begin
//! before the other has ended.
//!
//! All sums are halves of whole numbers of one magnitude, and stay so: nothing is ever rounded, each step can be undone, and a bit
//! that flips in a sum or a product stays to the end.

use alloc::{boxed::Box, vec, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::{
    buffer::Buffer,
    digest::{bits, differences, digest, flip, same},
    gemm::no_such_variant,
    goldens,
    isa::{Isa, Token},
    kernel::{Fault, Golden, Job, Kernel, Mismatch, NoPicture, Picture, Size, Stage, Variant},
    rng::Rng,
};

const NAME: &str = "resonance";
const STAGES: &[&str] = &["periods"];
const VARIANTS: &[Variant] = &[Variant::of(Isa::Avx512F), Variant::of(Isa::Avx2Fma), Variant::of(Isa::Scalar)];

const ROWS: usize = 12;
const LANES: usize = 16;
const SUMS: usize = ROWS * LANES;
/// Lanes that share a chain.
const HALF: usize = 8;
const FACTORS: usize = 4;
/// Words of the state: sums, then two chains of two words.
const STATE: usize = SUMS + 4;
/// Words of the constants: b, x, and for each chain c and k.
const CONSTANTS: usize = SUMS + FACTORS * LANES + 8;
const CHAIN_CONSTANTS: usize = SUMS + FACTORS * LANES;

/// A period in cycles.
const PERIOD: (f64, f64) = (20.0, 6000.0);
/// Cycles of a golden input in 512 bits, and of a fresh one.
const CYCLES: (f64, f64) = (1_000_000.0, 60_000.0);
/// Cycles of a unit where two multiply-adds are done in each, and of a link.
const UNIT: f64 = 12.0;
const LINK: f64 = 4.0;

/// How often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    /// A multiple of 2.
    periods: usize,
    units: usize,
    links: usize,
}

/// The kernel.
pub(crate) struct Resonance;

impl Kernel for Resonance {
    fn name(&self) -> &'static str {
        NAME
    }

    fn summary(&self) -> &'static str {
        "bursts of f32 multiply-adds against dependent integer chains, period 20 to 6,000 cycles"
    }

    fn variants(&self) -> &'static [Variant] {
        VARIANTS
    }

    fn stages(&self) -> &'static [&'static str] {
        STAGES
    }

    fn goldens(&self) -> &'static [Golden] {
        goldens::RESONANCE
    }

    fn new_job(&self) -> Box<dyn Job> {
        Box::new(ResonanceJob::default())
    }

    fn show(&self, token: Token, seed: u64, picture: Option<&Picture>) -> Result<Vec<Stage>, NoPicture> {
        if picture.is_some() {
            return Err(NoPicture);
        }
        let mut job = ResonanceJob::default();
        job.generate(Size::Golden, seed);
        job.run(token, &AtomicU64::new(0), None);
        let stage = |name: &str, state: &[u32]| Stage {
            name: name.into(),
            element_type: "uint32",
            shape: vec![STATE],
            bytes: bytemuck::cast_slice(state).to_vec(),
        };
        Ok(vec![stage("before", &job.input), stage("after", &job.output)])
    }
}

#[derive(Default)]
struct ResonanceJob {
    counts: Counts,
    input: Buffer<u32>,
    constants: Buffer<u32>,
    output: Buffer<u32>,
    reference: Buffer<u32>,
}

impl ResonanceJob {
    fn dimensions(&self) -> [usize; 3] {
        [self.counts.periods, self.counts.units, self.counts.links]
    }
}

impl Job for ResonanceJob {
    fn generate(&mut self, size: Size, seed: u64) {
        let mut rng = Rng::new(seed);
        // Each third of an octave as likely as any other: 25 of them.
        let thirds = (rng.next() % 25) as u32;
        let cycles = (0..thirds).fold(PERIOD.0, |cycles, _| cycles * 1.259_921_049_894_873).min(PERIOD.1);
        let units = ((cycles / 2.0 / UNIT) as usize).max(1);
        let links = ((cycles / 2.0 / LINK) as usize).max(1);
        let all = if size == Size::Golden { CYCLES.0 } else { CYCLES.1 };
        let periods = ((all / cycles) as usize).max(2).next_multiple_of(2);
        self.counts = Counts { periods, units, links };
        self.input.resize(STATE);
        self.constants.resize(CONSTANTS);
        self.output.resize(STATE);
        let (sums, chains) = self.input.split_at_mut(SUMS);
        // From 2^22 + 2^20 to 2^23 - 2^20, in halves: a product of at most 2^19 changes no exponent.
        sums.fill_with(|| (rng.within((1 << 23) + (1 << 21), (1 << 24) - (1 << 21)) as f32 / 2.0).to_bits());
        chains.fill_with(|| rng.next() as u32);
        let mut whole = |most: usize| {
            let (number, sign) = (rng.within(most / 2, most), rng.next() >> 63);
            (number as f32).to_bits() | (sign as u32) << 31
        };
        self.constants[..SUMS].fill_with(|| whole(1 << 10));
        self.constants[SUMS..CHAIN_CONSTANTS].fill_with(|| whole(1 << 9));
        self.constants[CHAIN_CONSTANTS..].fill_with(|| rng.next() as u32);
        // The low words of both k.
        self.constants[CHAIN_CONSTANTS + 4] |= 1;
        self.constants[CHAIN_CONSTANTS + 6] |= 1;
    }

    fn operations(&self) -> u64 {
        let Counts { periods, units, links } = self.counts;
        (periods * (units * 2 * 2 * SUMS + links * 2 * 2)) as u64
    }

    fn bytes(&self) -> usize {
        [&self.input, &self.constants, &self.output, &self.reference].map(|words| size_of_val(&**words)).iter().sum()
    }

    fn hand_over(&mut self, see: &mut dyn FnMut(&mut [u8])) {
        see(bytemuck::cast_slice_mut(&mut self.input));
        see(bytemuck::cast_slice_mut(&mut self.constants));
    }

    fn run(&mut self, token: Token, stage: &AtomicU64, fault: Option<Fault>) {
        stage.store(0, Relaxed);
        self.output.copy_from(&self.input);
        let Counts { periods, .. } = self.counts;
        match fault {
            None => resonate(token, &mut self.output, &self.constants, 0..periods, self.counts),
            Some(fault) => {
                let half = periods / 2;
                resonate(token, &mut self.output, &self.constants, 0..half, self.counts);
                flip(&mut self.output, fault);
                resonate(token, &mut self.output, &self.constants, half..periods, self.counts);
            }
        }
    }

    fn input_digest(&self) -> u64 {
        digest(&self.dimensions(), &[bytemuck::cast_slice(&self.input), bytemuck::cast_slice(&self.constants)])
    }

    fn output_digest(&self) -> u64 {
        digest(&self.dimensions(), &[bytemuck::cast_slice(&self.output)])
    }

    fn reference_digest(&self) -> u64 {
        digest(&self.dimensions(), &[bytemuck::cast_slice(&self.reference)])
    }

    fn keep_reference(&mut self) {
        self.reference.copy_from(&self.output);
    }

    fn matches(&self) -> bool {
        same(&self.output, &self.reference)
    }

    fn locate(&self) -> Option<Mismatch> {
        let (first, wrong) = differences(&self.output, &self.reference)?;
        Some(Mismatch {
            stage: STAGES[0],
            element: vec![(first / LANES) as u64, (first % LANES) as u64],
            expected: bits(&self.reference[first]),
            actual: bits(&self.output[first]),
            bits: 32,
            wrong,
        })
    }

    fn flip_input_bit(&mut self, fault: Fault) {
        flip(&mut self.input, fault);
    }

    fn flip_reference_bit(&mut self, fault: Fault) {
        flip(&mut self.reference, fault);
    }
}

/// These periods.
fn resonate(token: Token, state: &mut [u32], constants: &[u32], periods: core::ops::Range<usize>, counts: Counts) {
    match token {
        Token::Scalar => periods.for_each(|period| scalar(state, constants, period, counts)),
        #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
        token => vector::resonate(token, state, constants, periods, counts),
        #[cfg(not(all(target_arch = "x86_64", not(feature = "scalar-only"))))]
        token => no_such_variant(NAME, token),
    }
}

/// The number in two words, the low one first.
fn wide(words: &[u32]) -> u64 {
    u64::from(words[0]) | u64::from(words[1]) << 32
}

/// The reference: one period.
fn scalar(state: &mut [u32], constants: &[u32], period: usize, Counts { units, links, .. }: Counts) {
    let (b, x) = (&constants[..SUMS], &constants[SUMS..CHAIN_CONSTANTS]);
    for unit in 0..units {
        let x = &x[(period + unit) % FACTORS * LANES..][..LANES];
        for add in [true, false] {
            for (n, sum) in state[..SUMS].iter_mut().enumerate() {
                // The product is exact, so that fused or not is the same.
                let product = f32::from_bits(x[n % LANES]) * f32::from_bits(b[n]);
                let before = f32::from_bits(*sum);
                *sum = if add { before + product } else { before - product }.to_bits();
            }
        }
    }
    for half in 0..LANES / HALF {
        let first = state[half * HALF];
        let words = &mut state[SUMS + 2 * half..][..2];
        let (c, k) =
            (wide(&constants[CHAIN_CONSTANTS + 2 * half..]), wide(&constants[CHAIN_CONSTANTS + 4 + 2 * half..]));
        let s = (0..links).fold(wide(words) ^ u64::from(first), |s, _| (s ^ c).wrapping_mul(k));
        words.copy_from_slice(&[s as u32, (s >> 32) as u32]);
    }
}

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod vector {
    use core::{
        arch::{asm, x86_64::*},
        ops::Range,
    };

    use super::*;

    pub(super) fn resonate(token: Token, state: &mut [u32], constants: &[u32], periods: Range<usize>, counts: Counts) {
        assert!(state.len() == STATE && constants.len() == CONSTANTS);
        // SAFETY: the token proves that this CPU and OS have the instruction set.
        unsafe {
            match token {
                Token::Avx512F(_) => whole(state, constants, periods, counts),
                Token::Avx2Fma(_) => {
                    half(state, constants, periods.clone(), counts, 0);
                    half(state, constants, periods, counts, 1);
                }
                token => no_such_variant(NAME, token),
            }
        }
    }

    /// The factors, of which what is read here is kept for no later reading: were it wrong, that would take off what it had added.
    #[inline(always)]
    fn read<T>(factors: &T) -> &T {
        core::hint::black_box(factors)
    }

    /// `number`, known only once `s` is. Between them are the flags: a copy of `s` in a register could be wrong and nobody would see.
    #[inline(always)]
    fn after(s: u64, mut number: usize) -> usize {
        // SAFETY: registers only; what a test carries is nought.
        unsafe {
            asm!("test {s}, {s}", "adc {n}, 0", s = in(reg) s, n = inout(reg) number, options(nomem, nostack, pure));
        }
        number
    }

    /// In a general register: two chains side by side would else become one of vectors, in which a link takes several times as long.
    #[inline(always)]
    fn link(s: u64, c: u64, k: u64) -> u64 {
        let mut s = s ^ c;
        // SAFETY: one register.
        unsafe { asm!("imul {s}, {k}", s = inout(reg) s, k = in(reg) k, options(nomem, nostack, pure)) };
        s
    }

    /// One half of the lanes, in 256 bits.
    #[target_feature(enable = "avx2,fma")]
    fn half(state: &mut [u32], constants: &[u32], periods: Range<usize>, counts: Counts, half: usize) {
        let at = |words: &[u32], row: usize| -> __m256 {
            let row: &[u32; HALF] = words[row * LANES + half * HALF..][..HALF].try_into().expect("a row's half");
            // SAFETY: eight words.
            unsafe { _mm256_loadu_ps(row.as_ptr().cast()) }
        };
        let mut sums: [__m256; ROWS] = core::array::from_fn(|row| at(state, row));
        let b: [__m256; ROWS] = core::array::from_fn(|row| at(constants, row));
        let x: [__m256; FACTORS] = core::array::from_fn(|factor| at(&constants[SUMS..], factor));
        let (c, k) =
            (wide(&constants[CHAIN_CONSTANTS + 2 * half..]), wide(&constants[CHAIN_CONSTANTS + 4 + 2 * half..]));
        let mut s = wide(&state[SUMS + 2 * half..]);
        for period in periods {
            let from = after(s, period);
            for unit in 0..counts.units {
                let factor = (from + unit) % FACTORS;
                let added = read(&x)[factor];
                for (sum, &b) in sums.iter_mut().zip(&b) {
                    *sum = _mm256_fmadd_ps(added, b, *sum);
                }
                let taken_off = read(&x)[factor];
                for (sum, &b) in sums.iter_mut().zip(&b) {
                    *sum = _mm256_fnmadd_ps(taken_off, b, *sum);
                }
            }
            let first = _mm_cvtsi128_si32(_mm_castps_si128(_mm256_castps256_ps128(sums[0])));
            s ^= u64::from(first as u32);
            for _ in 0..counts.links {
                s = link(s, c, k);
            }
        }
        for (row, sum) in sums.into_iter().enumerate() {
            let row: &mut [u32; HALF] =
                (&mut state[row * LANES + half * HALF..][..HALF]).try_into().expect("a row's half");
            // SAFETY: eight words.
            unsafe { _mm256_storeu_ps(row.as_mut_ptr().cast(), sum) };
        }
        state[SUMS + 2 * half..][..2].copy_from_slice(&[s as u32, (s >> 32) as u32]);
    }

    /// All lanes, in 512 bits.
    #[target_feature(enable = "avx512f")]
    fn whole(state: &mut [u32], constants: &[u32], periods: Range<usize>, counts: Counts) {
        let at = |words: &[u32], row: usize| -> __m512 {
            let row: &[u32; LANES] = words[row * LANES..][..LANES].try_into().expect("a row");
            // SAFETY: sixteen words.
            unsafe { _mm512_loadu_ps(row.as_ptr().cast()) }
        };
        let mut sums: [__m512; ROWS] = core::array::from_fn(|row| at(state, row));
        let b: [__m512; ROWS] = core::array::from_fn(|row| at(constants, row));
        let x: [__m512; FACTORS] = core::array::from_fn(|factor| at(&constants[SUMS..], factor));
        let c = [0, 1].map(|half| wide(&constants[CHAIN_CONSTANTS + 2 * half..]));
        let k = [0, 1].map(|half| wide(&constants[CHAIN_CONSTANTS + 4 + 2 * half..]));
        let mut s = [0, 1].map(|half| wide(&state[SUMS + 2 * half..]));
        for period in periods {
            let from = after(s[1], after(s[0], period));
            for unit in 0..counts.units {
                let factor = (from + unit) % FACTORS;
                let added = read(&x)[factor];
                for (sum, &b) in sums.iter_mut().zip(&b) {
                    *sum = _mm512_fmadd_ps(added, b, *sum);
                }
                let taken_off = read(&x)[factor];
                for (sum, &b) in sums.iter_mut().zip(&b) {
                    *sum = _mm512_fnmadd_ps(taken_off, b, *sum);
                }
            }
            let bits = _mm512_castps_si512(sums[0]);
            s[0] ^= u64::from(_mm_cvtsi128_si32(_mm512_castsi512_si128(bits)) as u32);
            s[1] ^= u64::from(_mm_cvtsi128_si32(_mm512_extracti32x4_epi32::<2>(bits)) as u32);
            for _ in 0..counts.links {
                s = [link(s[0], c[0], k[0]), link(s[1], c[1], k[1])];
            }
        }
        for (row, sum) in sums.into_iter().enumerate() {
            let row: &mut [u32; LANES] = (&mut state[row * LANES..][..LANES]).try_into().expect("a row");
            // SAFETY: sixteen words.
            unsafe { _mm512_storeu_ps(row.as_mut_ptr().cast(), sum) };
        }
        let words = [s[0], s[1]].map(|s| [s as u32, (s >> 32) as u32]);
        state[SUMS..].copy_from_slice(words.as_flattened());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever bit of the state differs before some periods, the states differ after them.
    #[test]
    fn no_flip_vanishes() {
        let mut job = ResonanceJob::default();
        job.generate(Size::Fresh, 11);
        job.counts = Counts { periods: 4, units: 3, links: 5 };
        for token in VARIANTS.iter().filter_map(|variant| variant.isa.token()) {
            job.run(token, &AtomicU64::new(0), None);
            job.keep_reference();
            // Sign and exponent of a sum stand for another magnitude, in which a half may be lost: 23 bits of a sum, all of a chain.
            let places = (0..STATE as u64).flat_map(|element| (0..32u32).map(move |bit| (element, bit)));
            for (element, bit) in places.filter(|&(element, bit)| element >= SUMS as u64 || bit < 23) {
                job.flip_input_bit(Fault { element, bit });
                job.run(token, &AtomicU64::new(0), None);
                assert!(!job.matches(), "word {element}, bit {bit}");
                job.flip_input_bit(Fault { element, bit });
            }
        }
    }

    #[test]
    fn periods_are_of_every_length_and_nothing_is_rounded() {
        let mut job = ResonanceJob::default();
        let (mut shortest, mut longest) = (usize::MAX, 0);
        for seed in 0..200 {
            job.generate(Size::Fresh, seed);
            (shortest, longest) = (shortest.min(job.counts.units), longest.max(job.counts.units));
            job.run(Token::Scalar, &AtomicU64::new(0), None);
            // What was added was taken off: only the chains have moved.
            assert_eq!(job.output[..SUMS], job.input[..SUMS]);
            assert!(job.output[SUMS..] != job.input[SUMS..]);
            let exponent = |word: &u32| word >> 23;
            assert!(job.input[..SUMS].iter().all(|word| exponent(word) == exponent(&4_194_304f32.to_bits())));
        }
        assert!(shortest == 1 && longest > 150, "{shortest} {longest}");
    }
}
