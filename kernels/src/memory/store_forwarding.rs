//! `store-forwarding`: loads of what was stored a moment ago and is not in the cache yet. Each stage works in an image of three
//! pages, which it leaves as a part of the output together with a log of its state, so that every byte is compared; and no byte
//! stored is overwritten before it was loaded and went into the state, so that no store can be wrong unseen.
//!
//! Stages: "byte-high", bytes 1 of rax, rbx, rcx and rdx stored (`mov [mem], ah`), loaded crosswise (`mov ah, [mem]`) and loaded
//! again as a part of a word; "widths", stores of 1 to 64 bytes and overlapping loads of 1 to 64 bytes, at every offset, across
//! lines and pages; "aliases", stores whose address comes late, and loads from the same place, beside it and a page away;
//! "copies", `rep movsb` onto itself as decompressors do, words stored behind it, and loads across both.

use crate::{
    buffer::Buffer,
    gemm::no_such_variant,
    goldens,
    isa::{Isa, Token},
    kernel::{Golden, Size, Variant},
    rng::Rng,
    staged::{Call, Staged},
};

const PAGE: usize = 4096;
const IMAGE: usize = 3 * PAGE;
/// Words of a line: the state of all stages, and a row of output.
const WORDS: usize = 8;
type State = [u64; WORDS];
/// Random bytes that choose offsets.
const CHOICES: usize = 2 * PAGE;
const MULTIPLIER: u64 = 0xaf25_1af3_b0f0_25b5;

/// "byte-high": bytes a position takes, positions between two rows of the log, sweeps of the image.
const HIGH_BYTES: usize = 4;
const HIGH_POSITIONS: usize = 64;
const HIGH_SWEEP: usize = IMAGE / (HIGH_BYTES * HIGH_POSITIONS) - 1;
/// "widths": bytes from a step's window to the next; the window; the steps there is room for.
const STRIDE: usize = 16;
const WINDOW: usize = 256;
const WIDTHS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// "aliases" and "copies": operations between two rows of the log.
const ALIASES: usize = 64;
const COPIES: usize = 8;
/// The most bytes that a copy and the word after it take.
const COPY_BYTES: usize = 64 + 8;

#[derive(Default)]
pub(crate) struct StoreForwarding {
    /// Rows of each stage's log.
    steps: [usize; 4],
}

impl Staged for StoreForwarding {
    type Word = u64;
    const NAME: &'static str = "store-forwarding";
    const SUMMARY: &'static str = "byte-high stores, and loads that overlap stores of other widths still in flight";
    const VARIANTS: &'static [Variant] =
        &[Variant::of(Isa::Avx512F), Variant::of(Isa::Avx2Fma), Variant::of(Isa::X64), Variant::of(Isa::Scalar)];
    const GOLDENS: &'static [Golden] = goldens::STORE_FORWARDING;
    const STAGES: &'static [&'static str] = &["byte-high", "widths", "aliases", "copies"];
    const TYPE: &'static str = "uint64";

    fn generate(&mut self, size: Size, rng: &mut Rng, input: &mut Buffer<u8>) {
        let most = [4 * HIGH_SWEEP, (IMAGE - WINDOW) / STRIDE, 256, (IMAGE - 2 * WINDOW) / (COPY_BYTES * COPIES)];
        self.steps = match size {
            Size::Golden => most,
            Size::Fresh => most.map(|most| rng.within(2, (most / 8).max(4))),
        };
        input.resize(IMAGE + size_of::<State>() + CHOICES);
        rng.fill(input);
    }

    fn sizes(&self) -> [usize; 2] {
        [self.steps[0] << 16 | self.steps[1], self.steps[2] << 16 | self.steps[3]]
    }

    fn shape(&self, stage: usize) -> [usize; 2] {
        [IMAGE / size_of::<State>() + self.steps[stage], WORDS]
    }

    fn operations(&self) -> u64 {
        // Loads and stores.
        let each = [HIGH_POSITIONS * 9, WIDTHS.len() * WIDTHS.len() * 3, ALIASES * 5, COPIES * COPY_BYTES];
        self.steps.iter().zip(each).map(|(steps, each)| (steps * each) as u64).sum()
    }

    fn run(&mut self, token: Token, input: &[u8], call: &mut Call<'_, u64>) {
        match token {
            Token::Scalar => self.stages::<Bytes>(input, call),
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            Token::X64(_) => self.stages::<assembly::Moves<16>>(input, call),
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            Token::Avx2Fma(_) => self.stages::<assembly::Moves<32>>(input, call),
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            Token::Avx512F(_) => self.stages::<assembly::Moves<64>>(input, call),
            token => no_such_variant(Self::NAME, token),
        }
    }
}

/// What a stage works on.
struct Stage<'a> {
    image: &'a mut [u8],
    choices: &'a [u8; CHOICES],
}

/// A step of a stage, and its number.
type Step = fn(&mut Stage<'_>, usize, &mut State);

impl StoreForwarding {
    fn stages<M: Moves>(&self, input: &[u8], call: &mut Call<'_, u64>) {
        let (image, rest) = input.split_at(IMAGE);
        let (start, choices) = rest.split_at(size_of::<State>());
        let start: State = bytemuck::cast_slice(start).try_into().expect("so many words");
        let choices = choices.try_into().expect("so many bytes");
        let work: [Step; 4] = [byte_high::<M>, widths::<M>, aliases::<M>, copies::<M>];
        for (number, work) in work.iter().enumerate() {
            let part = call.enter(number, self.shape(number).iter().product());
            let (words, log) = part.split_at_mut(IMAGE / 8);
            let mut stage = Stage { image: bytemuck::cast_slice_mut(words), choices };
            stage.image.copy_from_slice(image);
            let log = log.as_chunks_mut::<WORDS>().0;
            call.halves(self.steps[number], &mut start.clone(), |steps, state| {
                let state: &mut State = state.try_into().expect("the same");
                for step in steps {
                    work(&mut stage, step, state);
                    log[step] = *state;
                }
            });
        }
    }
}

fn byte_high<M: Moves>(stage: &mut Stage<'_>, step: usize, state: &mut State) {
    let (sweep, at) = (step / HIGH_SWEEP, step % HIGH_SWEEP * HIGH_POSITIONS * HIGH_BYTES);
    let four = state.first_chunk_mut().expect("eight");
    M::byte_high(&mut stage.image[at + sweep % HIGH_BYTES..][..(HIGH_POSITIONS + 1) * HIGH_BYTES], four);
}

fn widths<M: Moves>(stage: &mut Stage<'_>, step: usize, state: &mut State) {
    // A store of W bytes, and a load of each width.
    fn store<M: Moves, const W: usize>(window: &mut [u8], choices: &mut core::slice::Iter<'_, u8>, state: &mut State) {
        pair::<M, W, 1>(window, choices, state);
        pair::<M, W, 2>(window, choices, state);
        pair::<M, W, 4>(window, choices, state);
        pair::<M, W, 8>(window, choices, state);
        pair::<M, W, 16>(window, choices, state);
        pair::<M, W, 32>(window, choices, state);
        pair::<M, W, 64>(window, choices, state);
    }
    // The bytes there, a store over them, and a load that overlaps it by a byte or more.
    #[inline(always)]
    fn pair<M: Moves, const W: usize, const L: usize>(
        window: &mut [u8],
        choices: &mut core::slice::Iter<'_, u8>,
        state: &mut State,
    ) {
        let mut choose = |below: usize| (usize::from(*choices.next().expect("two for each pair")) * below) >> 8;
        let at = 64 + choose(64);
        let from = at + W - 1 - choose(W + L - 1);
        let mut old = State::default();
        M::copy::<W>(bytemuck::cast_slice_mut(&mut old), &window[at..]);
        M::copy::<W>(&mut window[at..], bytemuck::cast_slice(state));
        let mut new = State::default();
        M::copy::<L>(bytemuck::cast_slice_mut(&mut new), &window[from..]);
        absorb::<W>(state, &old);
        absorb::<L>(state, &new);
    }
    let window = &mut stage.image[step * STRIDE..][..WINDOW];
    let first = step * 61 % (CHOICES - 128);
    let choices = &mut stage.choices[first..][..2 * WIDTHS.len() * WIDTHS.len()].iter();
    store::<M, 1>(window, choices, state);
    store::<M, 2>(window, choices, state);
    store::<M, 4>(window, choices, state);
    store::<M, 8>(window, choices, state);
    store::<M, 16>(window, choices, state);
    store::<M, 32>(window, choices, state);
    store::<M, 64>(window, choices, state);
}

/// Takes so many loaded bytes into the state; what differed differs still.
#[inline(always)]
fn absorb<const W: usize>(state: &mut State, loaded: &State) {
    for (word, loaded) in state.iter_mut().zip(loaded).take(W.div_ceil(8)) {
        *word = word.wrapping_add(*loaded);
    }
    state[0] = state[0].wrapping_mul(MULTIPLIER);
    for n in 1..WORDS {
        state[n] = state[n].rotate_left(23) ^ state[n - 1];
    }
    state[0] ^= state[WORDS - 1] >> 7;
}

fn aliases<M: Moves>(stage: &mut Stage<'_>, step: usize, state: &mut State) {
    let load = |image: &[u8], at: usize| {
        let mut word = State::default();
        M::copy::<8>(bytemuck::cast_slice_mut(&mut word), &image[at..]);
        word[0]
    };
    for n in 0..ALIASES {
        let choice = usize::from(stage.choices[(step * ALIASES + n) % CHOICES]);
        // The product comes late: the loads below are likely begun before the store has an address.
        state[0] = state[0].wrapping_mul(MULTIPLIER) ^ state[1];
        let at = 16 + (state[0] >> 40) as usize % (PAGE - 32);
        let page = choice % 3 * PAGE;
        state[1] = state[1].wrapping_add(load(stage.image, page + at));
        M::copy::<8>(&mut stage.image[page + at..], bytemuck::cast_slice(&state[..]));
        state[2] = state[2].rotate_left(9) ^ load(stage.image, page + at);
        state[3] = state[3].rotate_left(9) ^ load(stage.image, page + at - 8 + choice / 16);
        state[4] = state[4].rotate_left(9) ^ load(stage.image, (page + PAGE) % IMAGE + at);
        state[1] = state[1].rotate_left(17) ^ state[2];
        state[5] = state[5].wrapping_add(state[3]).rotate_left(5) ^ state[4];
    }
}

fn copies<M: Moves>(stage: &mut Stage<'_>, step: usize, state: &mut State) {
    // From here on the image is made of what is before.
    let mut to = WINDOW + step * COPIES * COPY_BYTES;
    for n in 0..COPIES {
        let choices = &stage.choices[(step * COPIES + n) * 2 % CHOICES..][..2];
        let distance = 1 + usize::from(choices[0]) % 96;
        let len = 3 + usize::from(choices[1]) % 61;
        let (from, copied) = (to - distance, to + len);
        let tail = &mut stage.image[from..copied + 8];
        M::repeat(tail, distance, len);
        M::copy::<8>(&mut tail[distance + len..], bytemuck::cast_slice(&state[..]));
        let mut loaded = State::default();
        M::copy::<32>(bytemuck::cast_slice_mut(&mut loaded), &stage.image[copied + 8 - 32..]);
        absorb::<32>(state, &loaded);
        // The next copy goes over half of the word, which has been loaded.
        to = copied + 4;
    }
}

/// How bytes move.
trait Moves {
    /// Moves W bytes at once, from the beginnings.
    fn copy<const W: usize>(to: &mut [u8], from: &[u8]);
    /// Moves `len` bytes, one after another, from the beginning to what is `distance` behind it.
    fn repeat(bytes: &mut [u8], distance: usize, len: usize);
    /// At each position: adds the word to a; stores byte 1 of a to d in the upper half of that word; loads there, crosswise,
    /// byte 1 of a to d; mixes.
    fn byte_high(bytes: &mut [u8], state: &mut [u64; 4]);
}

/// The reference.
struct Bytes;

impl Moves for Bytes {
    #[inline(always)]
    fn copy<const W: usize>(to: &mut [u8], from: &[u8]) {
        to[..W].copy_from_slice(&from[..W]);
    }

    fn repeat(bytes: &mut [u8], distance: usize, len: usize) {
        for n in 0..len {
            bytes[distance + n] = bytes[n];
        }
    }

    fn byte_high(bytes: &mut [u8], state: &mut [u64; 4]) {
        let [a, b, c, d] = state;
        for at in (0..bytes.len() - HIGH_BYTES).step_by(HIGH_BYTES) {
            let word: [u8; 8] = bytes[at..at + 8].try_into().expect("eight");
            *a = a.wrapping_add(u64::from_le_bytes(word));
            for (byte, register) in bytes[at + 4..].iter_mut().zip([*a, *b, *c, *d]) {
                *byte = (register >> 8) as u8;
            }
            for (register, from) in [&mut *a, b, c, d].into_iter().zip([5, 6, 7, 4]) {
                *register = *register & !0xff00 | u64::from(bytes[at + from]) << 8;
            }
            *a = a.wrapping_mul(MULTIPLIER);
            *b = b.wrapping_add(*a);
            *c = c.rotate_left(11) ^ *b;
            *d = d.rotate_right(7).wrapping_sub(*c);
            *a ^= *d;
        }
    }
}

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod assembly {
    use core::arch::asm;

    use super::*;

    /// Vectors of so many bytes at most; dispatch has seen to it that there are such.
    pub(super) struct Moves<const WIDEST: usize>;

    impl<const WIDEST: usize> super::Moves for Moves<WIDEST> {
        #[inline(always)]
        fn copy<const W: usize>(to: &mut [u8], from: &[u8]) {
            assert!(to.len() >= W && from.len() >= W);
            let (to, from) = (to.as_mut_ptr(), from.as_ptr());
            /// One load and one store by a register.
            macro_rules! moved {
                ($size:literal, $load:literal, $store:literal) => {
                    asm!(
                        concat!($load, ", ", $size, " ptr [{from}]"),
                        concat!("mov ", $size, " ptr [{to}], ", $store),
                        to = in(reg) to, from = in(reg) from, t = out(reg) _,
                        options(nostack, preserves_flags),
                    )
                };
                (vector $move:literal, $register:literal, [$($at:literal),+] $(, $end:literal)?) => {
                    asm!(
                        $(
                            concat!($move, " ", $register, ", [{from} + ", $at, "]"),
                            concat!($move, " [{to} + ", $at, "], ", $register),
                        )+
                        $($end,)?
                        to = in(reg) to, from = in(reg) from, out("xmm0") _,
                        options(nostack, preserves_flags),
                    )
                };
            }
            // SAFETY: both are W bytes or longer; the wider vectors are there if WIDEST says so.
            unsafe {
                match (W, WIDEST) {
                    (1, _) => moved!("byte", "movzx {t:e}", "{t:l}"),
                    (2, _) => moved!("word", "movzx {t:e}", "{t:x}"),
                    (4, _) => moved!("dword", "mov {t:e}", "{t:e}"),
                    (8, _) => moved!("qword", "mov {t}", "{t}"),
                    (16, _) => moved!(vector "movdqu", "xmm0", ["0"]),
                    (32, 16) => moved!(vector "movdqu", "xmm0", ["0", "16"]),
                    (32, _) => moved!(vector "vmovdqu", "ymm0", ["0"], "vzeroupper"),
                    (64, 16) => moved!(vector "movdqu", "xmm0", ["0", "16", "32", "48"]),
                    (64, 32) => moved!(vector "vmovdqu", "ymm0", ["0", "32"], "vzeroupper"),
                    (64, _) => moved!(vector "vmovdqu64", "zmm0", ["0"], "vzeroupper"),
                    _ => unreachable!("widths are powers of two up to a line"),
                }
            }
        }

        #[inline(always)]
        fn repeat(bytes: &mut [u8], distance: usize, len: usize) {
            assert!(distance + len <= bytes.len());
            // SAFETY: both ends are within the bytes; the direction flag is clear by the calling convention.
            unsafe {
                asm!(
                    "rep movsb",
                    inout("rdi") bytes.as_mut_ptr().add(distance) => _,
                    inout("rsi") bytes.as_ptr() => _,
                    inout("rcx") len => _,
                    options(nostack, preserves_flags),
                );
            }
        }

        #[inline(always)]
        fn byte_high(bytes: &mut [u8], state: &mut [u64; 4]) {
            let positions = bytes.len() / HIGH_BYTES - 1;
            assert!(positions > 0);
            // SAFETY: the last position's word ends with the bytes; rbx, which cannot be declared, is swapped with a register
            // that is and swapped back.
            unsafe {
                asm!(
                    "xchg rbx, {b}",
                    "2:",
                    "add rax, [rdi]",
                    "mov [rdi + 4], ah",
                    "mov [rdi + 5], bh",
                    "mov [rdi + 6], ch",
                    "mov [rdi + 7], dh",
                    "mov ah, [rdi + 5]",
                    "mov bh, [rdi + 6]",
                    "mov ch, [rdi + 7]",
                    "mov dh, [rdi + 4]",
                    "imul rax, r8",
                    "add rbx, rax",
                    "rol rcx, 11",
                    "xor rcx, rbx",
                    "ror rdx, 7",
                    "sub rdx, rcx",
                    "xor rax, rdx",
                    "add rdi, 4",
                    "dec rsi",
                    "jnz 2b",
                    "xchg rbx, {b}",
                    inout("rax") state[0], b = inout(reg) state[1], inout("rcx") state[2], inout("rdx") state[3],
                    inout("rdi") bytes.as_mut_ptr() => _, inout("rsi") positions => _, in("r8") MULTIPLIER,
                    options(nostack),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_agree_and_faults_show_in_their_stage() {
        crate::staged::tests::holds::<StoreForwarding>();
    }

    /// A byte of an image that is wrong between two steps is wrong at the end, or has made the state wrong.
    #[test]
    fn no_byte_is_overwritten_unseen() {
        /// Steps before a byte goes wrong, and after.
        const STEPS: usize = 4;
        // Copies go over what the image held before, which no store made.
        let work: [(Step, usize); 4] = [
            (byte_high::<Bytes>, IMAGE),
            (widths::<Bytes>, IMAGE),
            (aliases::<Bytes>, IMAGE),
            (copies::<Bytes>, WINDOW + STEPS * COPIES * COPY_BYTES),
        ];
        let mut rng = Rng::new(3);
        let mut choices = [0; CHOICES];
        rng.fill(&mut choices);
        for (work, end) in work {
            let run = |wrong: Option<usize>| {
                let (mut image, mut state) = (vec![7; IMAGE], [1, 2, 3, 4, 5, 6, 7, 8]);
                let mut stage = Stage { image: &mut image, choices: &choices };
                for step in 0..2 * STEPS {
                    work(&mut stage, step, &mut state);
                    if let (true, Some(wrong)) = (step + 1 == STEPS, wrong) {
                        stage.image[wrong] ^= 0x10;
                    }
                }
                (image, state)
            };
            let right = run(None);
            let mut loaded = 0;
            for wrong in (0..end).step_by(5) {
                let after = run(Some(wrong));
                assert!(after != right, "byte {wrong}");
                loaded += u32::from(after.1 != right.1);
            }
            assert!(loaded > 0, "what is loaded goes into the state");
        }
    }
}
