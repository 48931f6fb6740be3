//! The one register tile that every vector variant is an instance of, and what variants share to fill it.

use core::arch::x86_64::*;

use bytemuck::Pod;

/// What a tile reads of A and B in a block: more than a first-level cache holds, since a long block pays more than B costs that
/// streams from the second.
pub(super) const BLOCK_BYTES: usize = 128 * 1024;

/// Without a dot product of bytes they are widened and multiplied in pairs of neighbours. Not by vpmaddubsw, which saturates
/// at 16 bits. What is missing of the last group counts as zero.
#[inline(always)]
pub(super) fn widen<A: Copy, const PARTS: usize>(row: &[A], left: &mut [[[i16; 2]; PARTS]])
where
    i16: From<A>,
{
    let (here, missing) = left.as_flattened_mut().as_flattened_mut().split_at_mut(row.len());
    here.iter_mut().zip(row).for_each(|(wide, number)| *wide = (*number).into());
    if !missing.is_empty() {
        missing.fill(0);
    }
}

/// For the shuffles: a byte of each word of four to the upper half of its lower 16 bits, and one to that of its upper.
pub(super) const fn to_upper_halves(low: usize, high: usize) -> __m128i {
    let mut from = [0x80; 16];
    let mut word = 0;
    while word < 16 {
        from[word + 1] = (word + low) as u8;
        from[word + 3] = (word + high) as u8;
        word += 4;
    }
    bytemuck::must_cast(from)
}

macro_rules! sign_extend {
    ($name:ident, $vector:ty, $features:literal, $repeat:expr, $shuffle:ident, $right:ident) => {
        /// Of the four signed bytes of each word the first two, then the others, in 16 bits.
        #[inline]
        #[target_feature(enable = $features)]
        pub(super) fn $name(word: $vector, part: usize) -> $vector {
            $right::<8>($shuffle(word, $repeat(to_upper_halves(2 * part, 2 * part + 1))))
        }
    };
}
sign_extend!(
    sign_extend_zmm,
    __m512i,
    "avx512f,avx512bw",
    |bytes| _mm512_broadcast_i32x4(bytes),
    _mm512_shuffle_epi8,
    _mm512_srai_epi16
);
sign_extend!(
    sign_extend_ymm,
    __m256i,
    "avx2",
    |bytes| _mm256_broadcastsi128_si256(bytes),
    _mm256_shuffle_epi8,
    _mm256_srai_epi16
);
sign_extend!(sign_extend_xmm, __m128i, "sse4.1", |bytes| bytes, _mm_shuffle_epi8, _mm_srai_epi16);

/// Packs groups of k by `convert`; what is missing of the last group counts as zero.
#[inline(always)]
pub(super) fn groups<A: Pod, L, const GROUP: usize>(row: &[A], left: &mut [L], convert: impl Fn([A; GROUP]) -> L) {
    let (whole, rest) = row.as_chunks::<GROUP>();
    for (left, group) in left.iter_mut().zip(whole) {
        *left = convert(*group);
    }
    if !rest.is_empty() {
        let mut group = [A::zeroed(); GROUP];
        group[..rest.len()].copy_from_slice(rest);
        left[whole.len()] = convert(group);
    }
}

/// Vector loads and stores.
macro_rules! load {
    ($intrinsic:ident) => {
        // SAFETY: the caller points to as many elements as the vector holds, and the load needs no alignment.
        |words: *const u8| unsafe { $intrinsic(words.cast()) }
    };
}
macro_rules! store {
    ($intrinsic:ident) => {
        // SAFETY: the caller points to as many elements as the vector holds, and the store needs no alignment.
        |words: *mut u8, vector| unsafe { $intrinsic(words.cast(), vector) }
    };
}

/// The register tile: `$rows` x `$vectors` accumulators of `$lanes` lanes, kept in registers over all steps of a block.
/// `unpack` reads a vector of words and makes one of numbers of a part of it, as the first tile of the columns multiplies, a
/// step a pass through the loop; without it words are multiplied as they are. Other passes take `together` parts: where units
/// of vectors count pointers too, more of them leave more to vectors, and how many are best is measured. `nops` are put before
/// the loop, from the beginning of a cache line on: with few units to choose from, where in a line it begins decides how well
/// they are shared. What the compiler puts in between counts, so that how many are best is measured, too. `ahead` has the lines
/// of B for so many parts later, and A's next ones, brought near: it pays where loads are few, and costs where they are many.
/// `pack_line` reads as much of a row of A as fills a cache line when it is packed, and no more, and makes that line, as the tiles
/// of the first columns multiply. `raise` is done to a vector of words before it is multiplied; `correct` adds numbers of A to what
/// the sums are too large by where words are raised, and `total` gives the sum of a vector's lanes in each of them. `late` makes a
/// row's products and adds those that the row below got a step before; `add` adds what the last step leaves. `first` is a row's
/// first step of a block, which is told where sums start from, if not from zero; a tile that has it is of one part.
macro_rules! register_tile {
    (
        $product:ty, $(#[$doc:meta])* $name:ident($token:ident), $features:literal, $register:ident,
        $rows:literal x $vectors:literal x $lanes:literal, parts: $parts:literal, together: $together:literal,
        $(ahead: $ahead:literal,)? $(nops: $nops:literal,)?
        left: [$left:ty] $($convert:expr)?, $(pack: $pack:expr,)? $(pack_line: $pack_line:expr,)? $(unchanged: $unchanged:literal,)?
        samples: $left_sample:expr, $right_sample:expr;
        zero: $zero:expr, load: $load:expr, store: $store:expr, $(unpack: $unpack:expr,)?
        broadcast: $broadcast:expr, $(first: $first:expr,)? $(step: $step:expr,)? $(row: $row:expr, peak: $peak:expr,)?
        $(late: $late:expr, late_peak: $late_peak:expr, add: $add:expr,)?
        $(raise: $raise:expr,)? $(correct: $correct:expr, total: $total:expr, subtract: $subtract:expr,)?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        struct $name($crate::isa::$token);

        impl Tile<$product> for $name {
            type Left = [$left; $parts];
            const ROWS: usize = $rows;
            const COLS: usize = $vectors * $lanes;
            const LANES: usize = $lanes;
            const BLOCK: usize = {
                let columns = if Self::COLS > <$product>::PANEL { Self::COLS } else { <$product>::PANEL };
                let right = if Self::UNPACKED > 0 { Self::UNPACKED * size_of::<C>() } else { columns * size_of::<B>() };
                BLOCK_BYTES / (right + Self::ROWS * size_of::<Self::Left>())
            };
            const UNPACKED: usize = 0 $(+ { let _ = stringify!($unpack); $parts * Self::COLS })?;
            const UNCHANGED: bool = false $(|| $unchanged)?;
            const PACKS: bool = false $(|| { let _ = stringify!($pack_line); true })?;
            const CORRECTS: bool = false $(|| { let _ = stringify!($correct); true })?;

            fn pack_left(self, row: &[A], left: &mut [Self::Left]) {
                #[target_feature(enable = $features)]
                fn pack(row: &[A], left: &mut [[$left; $parts]]) {
                    $(groups::<_, _, { <$product as Product>::GROUP }>(row, left, $convert);)?
                    $($pack(row, left);)?
                }
                // SAFETY: the token proves that this CPU and OS have the instruction set.
                unsafe { pack(row, left) }
            }

            fn correct(self, run: &[A], start: &mut [C]) {
                #[target_feature(enable = $features)]
                fn correct(run: &[A], start: &mut [C]) {
                    let _ = (run, &start);
                    $(
                        const NUMBERS: usize = $lanes * size_of::<C>() / size_of::<A>();
                        let start = &mut start[..$lanes];
                        let (whole, rest) = run.as_chunks::<NUMBERS>();
                        let mut sum = $zero;
                        for numbers in whole {
                            sum = $correct(sum, $load(numbers.as_ptr().cast()));
                        }
                        if !rest.is_empty() {
                            let mut last = [A::default(); NUMBERS];
                            last[..rest.len()].copy_from_slice(rest);
                            sum = $correct(sum, $load(last.as_ptr().cast()));
                        }
                        $store(start.as_mut_ptr().cast(), $subtract($load(start.as_ptr().cast()), $total(sum)));
                    )?
                }
                // SAFETY: the token proves that this CPU and OS have the instruction set.
                unsafe { correct(run, start) }
            }

            fn multiply(
                self,
                tiles: usize,
                left: Left<'_, Self::Left>,
                mut fresh: Option<Fresh<'_, A, Self::Left>>,
                right: Right<'_, $product>,
                unpacked: Unpacked<'_, C>,
                mut sums: Sums<'_, C>,
            ) {
                #[target_feature(enable = $features)]
                fn down(
                    tiles: usize,
                    left: Left<'_, [$left; $parts]>,
                    fresh: &mut Option<Fresh<'_, A, [$left; $parts]>>,
                    right: Right<'_, $product>,
                    unpacked: Unpacked<'_, C>,
                    sums: &mut Sums<'_, C>,
                ) {
                    for row in (0..tiles * $rows).step_by($rows) {
                        let corrected = if <$name as Tile<$product>>::CORRECTS { row * $lanes } else { 0 };
                        let sums = sums.below(row, corrected);
                        sums.prefetch($rows, $vectors * $lanes);
                        let unpack = UNPACKS && row == 0 && unpacked.by_first;
                        if PACKS && let Some(fresh) = fresh {
                            let fresh = fresh.below(row, left.row);
                            if unpack {
                                packing::<UNPACKS>(left, fresh, right, unpacked.words, sums);
                            } else {
                                packing::<false>(left, fresh, right, unpacked.words, sums);
                            }
                        } else if unpack {
                            multiply::<UNPACKS, false>(left.below(row), None, right, unpacked.words, sums);
                        } else {
                            multiply::<false, false>(left.below(row), None, right, unpacked.words, sums);
                        }
                    }
                }
                const UNPACKS: bool = <$name as Tile<$product>>::UNPACKED > 0;
                const PACKS: bool = <$name as Tile<$product>>::PACKS;
                // Apart, so that the others keep their registers.
                #[inline(never)]
                #[target_feature(enable = $features)]
                fn packing<const UNPACK: bool>(
                    left: Left<'_, [$left; $parts]>,
                    fresh: Fresh<'_, A, [$left; $parts]>,
                    right: Right<'_, $product>,
                    unpacked: &mut [C],
                    sums: Sums<'_, C>,
                ) {
                    multiply::<UNPACK, PACKS>(left, Some(fresh), right, unpacked, sums);
                }
                #[inline]
                #[target_feature(enable = $features)]
                fn multiply<const UNPACK: bool, const PACK: bool>(
                    left: Left<'_, [$left; $parts]>,
                    mut fresh: Option<Fresh<'_, A, [$left; $parts]>>,
                    right: Right<'_, $product>,
                    unpacked: &mut [C],
                    sums: Sums<'_, C>,
                ) {
                    const COLS: usize = $vectors * $lanes;
                    const UNPACKED: usize = <$name as Tile<$product>>::UNPACKED;
                    // Steps that are taken before the others.
                    const FIRST: usize = 0 $(+ { let _ = stringify!($first); 1 })?;
                    // Of a row of A the rows that follow it by one and by two are reached by an index: pointers to all are too many.
                    const APART: usize = 3;
                    let Sums { sums, stride, start } = sums;
                    // Not read from memory where nothing is taken off: whoever reads zero by a wrong address may find zero there too.
                    let from_zero = start.is_some() && !<$name as Tile<$product>>::CORRECTS;
                    let (from, down, across) = match start {
                        Some(start) if !from_zero => (start[..$rows * $lanes].as_ptr(), $lanes, 0),
                        _ => (sums.as_ptr(), stride, $lanes),
                    };
                    // Steps of a packed cache line, and those that it packs.
                    const OF_LINE: usize = LINE / size_of::<[$left; $parts]>();
                    let in_lines = fresh.as_ref().map_or(0, |fresh| fresh.steps);
                    let lines = match &mut fresh {
                        None => {
                            assert!(left.reaches($rows));
                            left.words.as_ptr()
                        }
                        Some(Fresh { a, row, packed, .. }) => {
                            assert!(PACK && left.runs == 1 && in_lines % OF_LINE == 0 && in_lines <= left.steps);
                            assert!(($rows - 1) * *row + in_lines * <$product>::GROUP <= a.len());
                            assert!(($rows - 1) * left.row + left.steps <= packed.len());
                            packed.as_mut_ptr().cast_const()
                        }
                    };
                    assert!(($rows - 1) * stride + COLS <= sums.len() && left.runs * left.steps == right.steps);
                    assert!(left.steps >= FIRST);
                    // SAFETY: within `sums` or `start`, as asserted.
                    let from = |row: usize, vector: usize| unsafe { from.add(row * down + vector * across) };
                    $(let mut made = { let _ = stringify!($late); [[$zero; $vectors]; $rows] };)?
                    let as_is = right.vectors::<$vectors>($lanes).map(<*const B>::cast::<u8>);
                    let (mut words, pitch) = if UNPACKS {
                        let unpacked = unpacked[..right.steps * UNPACKED].as_mut_ptr();
                        let words = |vector: usize| unpacked.wrapping_add(vector * $lanes).cast_const().cast();
                        (core::array::from_fn(words), COLS * size_of::<C>())
                    } else {
                        (as_is, <$product>::PANEL * size_of::<B>())
                    };
                    $(let mut step = { let _ = stringify!($unpack); 0 };)?
                    macro_rules! advance {
                        ($by:expr) => {
                            words = words.map(|words| words.wrapping_add($by * pitch));
                            $({ let _ = stringify!($unpack); step += 1; })?
                        };
                    }
                    // The numbers of B of a part from here on, which what has none yet unpacks, and keeps for the tiles below.
                    macro_rules! right {
                        ($part:expr) => {{
                            let part = $part;
                            let words = words.map(|words: *const u8| words.wrapping_add(part * pitch));
                            // SAFETY: as many vectors as there are steps and parts.
                            let b: [_; $vectors] = core::array::from_fn(|vector| $load(words[vector]));
                            $(let b = if UNPACK {
                                core::array::from_fn(|vector| {
                                    let from = as_is[vector].wrapping_add(step * <$product>::PANEL * size_of::<B>());
                                    let numbers = $unpack(from, part);
                                    $store(words[vector].cast_mut(), numbers);
                                    numbers
                                })
                            } else {
                                b
                            };)?
                            b
                        }};
                    }
                    let mut acc = [[$zero; $vectors]; $rows];
                    if FIRST == 0 && !from_zero {
                        for row in 0..$rows {
                            for vector in 0..$vectors {
                                acc[row][vector] = $load(from(row, vector).cast());
                            }
                        }
                    }
                    $(
                        let b = right!(0);
                        advance!(1);
                        macro_rules! begin {
                            ($from:expr) => {
                                for row in 0..$rows {
                                    // SAFETY: within the packed lines, as checked.
                                    let a = $broadcast(unsafe { *lines.add(row * left.row).cast() });
                                    acc[row] = $first($from(row), a, b);
                                }
                            };
                        }
                        if from_zero {
                            begin!(|_| None);
                        } else {
                            begin!(|row| Some(core::array::from_fn(|vector| from(row, vector))));
                        }
                    )?
                    // A step is a number of A in each row.
                    let after = |group: usize, steps: usize| lines.wrapping_add(group * APART * left.row + steps).cast::<$left>();
                    let mut rows: [*const $left; $rows / APART] = core::array::from_fn(|group| after(group, FIRST));
                    for run in 0..left.runs {
                        let done = if run == 0 { FIRST } else { 0 };
                        macro_rules! passes {
                            ($times:expr, $parts_each:expr) => {
                                for _ in 0..$times {
                                    for part in 0..$parts_each {
                                        let b = right!(part);
                                        $(let b = b.map($raise);)?
                                        $(
                                            for line in (0..COLS * size_of::<C>()).step_by(LINE) {
                                                prefetch(words[0].wrapping_add((part + $ahead) * pitch + line));
                                            }
                                            for row in 0..if part == 0 { $rows } else { 0 } {
                                                let below = row % APART * left.row * size_of::<[$left; $parts]>();
                                                prefetch(rows[row / APART].wrapping_byte_add(below + LINE));
                                            }
                                        )?
                                        for group in 0..$rows / APART {
                                            for behind in 0..APART {
                                                let below = behind * left.row * size_of::<[$left; $parts]>();
                                                let (row, below) = (rows[group], below + part * size_of::<$left>());
                                                let number = group * APART + behind;
                                                $(
                                                    // SAFETY: within the packed lines, as checked.
                                                    let a = $broadcast(unsafe { *row.wrapping_byte_add(below) });
                                                    for vector in 0..$vectors {
                                                        acc[number][vector] = $step(acc[number][vector], a, b[vector]);
                                                    }
                                                )?
                                                $(acc[number] = $row(acc[number], (row, below), b);)?
                                                $(
                                                    let next = (number + 1) % $rows;
                                                    (acc[next], made[number]) = $late((acc[next], made[next]), (row, below), b);
                                                )?
                                            }
                                        }
                                    }
                                    advance!($parts_each);
                                    for row in &mut rows {
                                        *row = row.wrapping_add($parts_each);
                                        // Keeps the compiler from making a pointer of its own for every row.
                                        // SAFETY: no instruction at all.
                                        unsafe { core::arch::asm!("/* {0} */", inout(reg) *row, options(readonly, nostack, preserves_flags)) };
                                    }
                                }
                            };
                        }
                        $(
                            const { assert!(FIRST == 0 && $lanes * size_of::<C>() == LINE && OF_LINE * $parts % $together == 0) };
                            if let Some(Fresh { a, row: a_row, .. }) = &fresh {
                                // The lines of all rows that begin at a step.
                                macro_rules! pack {
                                    ($at:expr) => {
                                        for number in 0..$rows {
                                            // SAFETY: both begin, and a line's steps further end, within `a` and the packed
                                            // lines, as asserted.
                                            let (from, to) = unsafe {
                                                let from = a.as_ptr().add(number * a_row + $at * <$product>::GROUP);
                                                (from, lines.add(number * left.row + $at).cast_mut())
                                            };
                                            $store(to.cast(), $pack_line(from.cast()));
                                        }
                                    };
                                }
                                if in_lines > 0 {
                                    pack!(0);
                                }
                                for next in (OF_LINE..=in_lines).step_by(OF_LINE) {
                                    // A line ahead of what reads it.
                                    if next < in_lines {
                                        pack!(next);
                                    }
                                    if UNPACK {
                                        passes!(OF_LINE, $parts);
                                    } else {
                                        passes!(OF_LINE * $parts / $together, $together);
                                    }
                                }
                            }
                        )?
                        let parts = (left.steps - done - in_lines) * $parts;
                        if UNPACK {
                            passes!(parts / $parts, $parts);
                        } else {
                            let whole = parts / $together;
                            $(
                                // SAFETY: no instruction that does anything.
                                unsafe {
                                    core::arch::asm!(
                                        ".p2align 6", ".nops {0}", const $nops, options(nomem, nostack, preserves_flags)
                                    );
                                }
                            )?
                            passes!(whole, $together);
                            passes!(parts - whole * $together, 1);
                        }
                        let between = left.run.wrapping_sub(left.steps).wrapping_mul(size_of::<[$left; $parts]>());
                        for row in &mut rows {
                            *row = row.wrapping_byte_add(between);
                        }
                    }
                    // What went wrong in a pointer's last step was read nowhere.
                    let mut astray = 0;
                    for group in 0..$rows / APART {
                        astray |= rows[group].addr() ^ after(group, left.runs * left.run).addr();
                    }
                    assert!(astray == 0, "a pointer to A ended elsewhere");
                    $(for row in 1..$rows {
                        for vector in 0..$vectors {
                            acc[row][vector] = $add(acc[row][vector], made[row][vector]);
                        }
                    })?
                    for row in 0..$rows {
                        for vector in 0..$vectors {
                            // SAFETY: within `sums`, as asserted.
                            let to = unsafe { sums.as_mut_ptr().add(row * stride + vector * $lanes) };
                            $store(to.cast(), acc[row][vector]);
                        }
                    }
                }
                // SAFETY: the token proves that this CPU and OS have the instruction set.
                unsafe { down(tiles, left, &mut fresh, right, unpacked, &mut sums) }
            }

            fn peak(self, steps: u64) -> u64 {
                #[target_feature(enable = $features)]
                fn peak(steps: u64) {
                    // Says that the register may hold anything, so that no two are found equal and no step leaves the loop.
                    macro_rules! unknown {
                        ($value:expr) => {
                            // SAFETY: no instruction at all.
                            unsafe {
                                core::arch::asm!("/* {0} */", inout($register) $value, options(nomem, nostack, preserves_flags));
                            }
                        };
                    }
                    let samples = [$right_sample; 64 / size_of::<B>()];
                    let b = $load(samples.as_ptr().cast());
                    $(let b = { let _ = b; $unpack(samples.as_ptr().cast(), 0) };)?
                    let (mut acc, mut a, mut b) = ([[$zero; $vectors]; $rows], $broadcast($left_sample), [b; $vectors]);
                    for vector in 0..$vectors {
                        unknown!(b[vector]);
                        for row in 0..$rows {
                            unknown!(acc[row][vector]);
                        }
                    }
                    $(let mut made = { let _ = stringify!($late); acc };)?
                    for _ in 0..steps * $parts {
                        for row in 0..$rows {
                            $(for vector in 0..$vectors {
                                acc[row][vector] = $step(acc[row][vector], a, b[vector]);
                            })?
                            $(acc[row] = $peak(acc[row], a, b);)?
                            $(
                                let next = (row + 1) % $rows;
                                (acc[next], made[row]) = $late_peak((acc[next], made[next]), a, b);
                            )?
                            unknown!(a);
                        }
                    }
                    let mut sums = [[[C::default(); $lanes]; $vectors]; $rows];
                    for row in 0..$rows {
                        for vector in 0..$vectors {
                            $store(sums[row][vector].as_mut_ptr().cast(), acc[row][vector]);
                        }
                    }
                    core::hint::black_box(&sums);
                }
                // SAFETY: the token proves that this CPU and OS have the instruction set.
                unsafe { peak(steps) }
                2 * steps * ($rows * $vectors * $lanes * <$product as Product>::GROUP) as u64
            }
        }
    };
}
pub(super) use {load, register_tile, store};
