//! The scalar reference: lane by lane. Names end with the lanes' width: bytes, words, doublewords, quadwords.

use super::{BYTES, DWORDS, Pair, ROWS, WORDS, turn};

/// 256 bits.
pub(super) type Row = [u64; 4];

/// Does so many turns of each pair of blocks.
pub(super) fn turns(pairs: &mut [Pair], turns: usize) {
    for pair in pairs {
        let (words, both) = pair.split_at_mut(ROWS * WORDS);
        let mut masks = [both[0] as u32, (both[0] >> 32) as u32];
        for (half, masks) in masks.iter_mut().enumerate() {
            let at = |row: usize| row * WORDS + half * 4;
            let mut rows: [Row; ROWS] = core::array::from_fn(|row| core::array::from_fn(|n| words[at(row) + n]));
            for _ in 0..turns {
                one(&mut rows, masks);
            }
            for (row, from) in rows.iter().enumerate() {
                words[at(row)..][..4].copy_from_slice(from);
            }
        }
        both[0] = u64::from(masks[0]) | u64::from(masks[1]) << 32;
    }
}

fn one(rows: &mut [Row; ROWS], masks: &mut u32) {
    turn!(rows, masks);
}

/// From two rows, lane by lane.
fn each<T: Copy, const N: usize>(a: Row, b: Row, f: impl Fn(T, T) -> T) -> Row
where
    [T; N]: bytemuck::Pod,
{
    let (a, b) = (bytemuck::cast::<_, [T; N]>(a), bytemuck::cast::<_, [T; N]>(b));
    bytemuck::cast::<[T; N], _>(core::array::from_fn(|lane| f(a[lane], b[lane])))
}

/// From two rows, 128 bits after 128 bits; the function is given the lanes of both and a number.
fn within<T: Copy, const N: usize>(a: Row, b: Row, f: impl Fn(&[T; N], &[T; N], usize) -> T) -> Row
where
    [[T; N]; 2]: bytemuck::Pod,
{
    let (a, b) = (bytemuck::cast::<_, [[T; N]; 2]>(a), bytemuck::cast::<_, [[T; N]; 2]>(b));
    let half = |half: usize| core::array::from_fn(|lane| f(&a[half], &b[half], lane));
    bytemuck::cast::<[[T; N]; 2], _>([half(0), half(1)])
}

/// Field of two bits of an immediate.
fn field(immediate: u32, number: usize) -> usize {
    (immediate >> (2 * number) & 3) as usize
}

fn xor(a: Row, b: Row) -> Row {
    each::<u64, 4>(a, b, |a, b| a ^ b)
}

fn and(a: Row, b: Row) -> Row {
    each::<u64, 4>(a, b, |a, b| a & b)
}

fn or(a: Row, b: Row) -> Row {
    each::<u64, 4>(a, b, |a, b| a | b)
}

fn and_not(a: Row, b: Row) -> Row {
    each::<u64, 4>(a, b, |a, b| !a & b)
}

/// By the truth table in the immediate, one of its lines after another.
fn ternary<const TABLE: u32>(a: Row, b: Row, c: Row) -> Row {
    let is = |word: u64, wanted: u32| if wanted & 1 == 1 { word } else { !word };
    core::array::from_fn(|n| {
        let lines = (0..8).filter(|line| TABLE >> line & 1 == 1);
        lines.fold(0, |row, line| row | is(a[n], line >> 2) & is(b[n], line >> 1) & is(c[n], line))
    })
}

fn add_d(a: Row, b: Row) -> Row {
    each::<u32, 8>(a, b, u32::wrapping_add)
}

fn sub_q(a: Row, b: Row) -> Row {
    each::<u64, 4>(a, b, u64::wrapping_sub)
}

fn shift_left_w<const N: u32>(a: Row) -> Row {
    each::<u16, 16>(a, a, |a, _| a << N)
}

fn shift_left_d<const N: u32>(a: Row) -> Row {
    each::<u32, 8>(a, a, |a, _| a << N)
}

fn shift_right_q<const N: u32>(a: Row) -> Row {
    each::<u64, 4>(a, a, |a, _| a >> N)
}

fn shift_right_signed_w<const N: u32>(a: Row) -> Row {
    each::<i16, 16>(a, a, |a, _| a >> N)
}

fn shift_right_signed_d<const N: u32>(a: Row) -> Row {
    each::<i32, 8>(a, a, |a, _| a >> N)
}

pub(super) fn shift_left_each_d(a: Row, b: Row) -> Row {
    each::<u32, 8>(a, b, |a, b| a << (b & 31))
}

pub(super) fn shift_right_each_q(a: Row, b: Row) -> Row {
    each::<u64, 4>(a, b, |a, b| a >> (b & 63))
}

pub(super) fn shift_right_signed_each_d(a: Row, b: Row) -> Row {
    each::<i32, 8>(a, b, |a, b| a >> (b & 31))
}

fn shuffle_bytes_fixed(a: Row) -> Row {
    within::<u8, 16>(a, a, |a, _, n| a[usize::from(BYTES[n])])
}

fn shuffle_bytes(a: Row, b: Row) -> Row {
    within::<u8, 16>(a, b, |a, b, n| if b[n] & 0x80 != 0 { 0 } else { a[usize::from(b[n] & 15)] })
}

fn rotate_bytes<const N: u32>(a: Row) -> Row {
    within::<u8, 16>(a, a, |a, _, n| a[(n + N as usize) % 16])
}

fn shuffle_d<const N: u32>(a: Row) -> Row {
    within::<u32, 4>(a, a, |a, _, n| a[field(N, n)])
}

fn shuffle_two_d<const N: u32>(a: Row, b: Row) -> Row {
    within::<u32, 4>(a, b, |a, b, n| if n < 2 { a } else { b }[field(N, n)])
}

fn shuffle_low_w<const N: u32>(a: Row) -> Row {
    within::<u16, 8>(a, a, |a, _, n| if n < 4 { a[field(N, n)] } else { a[n] })
}

fn shuffle_high_w<const N: u32>(a: Row) -> Row {
    within::<u16, 8>(a, a, |a, _, n| if n < 4 { a[n] } else { a[4 + field(N, n - 4)] })
}

/// Lanes of a and b in turn, from the `start` of each.
fn interleave<T: Copy, const N: usize>(a: &[T; N], b: &[T; N], start: usize, lane: usize) -> T {
    let from = if lane.is_multiple_of(2) { a } else { b };
    from[start + lane / 2]
}

fn unpack_low_b(a: Row, b: Row) -> Row {
    within::<u8, 16>(a, b, |a, b, n| interleave(a, b, 0, n))
}

fn unpack_high_b(a: Row, b: Row) -> Row {
    within::<u8, 16>(a, b, |a, b, n| interleave(a, b, 8, n))
}

fn unpack_low_w(a: Row, b: Row) -> Row {
    within::<u16, 8>(a, b, |a, b, n| interleave(a, b, 0, n))
}

fn unpack_high_w(a: Row, b: Row) -> Row {
    within::<u16, 8>(a, b, |a, b, n| interleave(a, b, 4, n))
}

fn unpack_low_d(a: Row, b: Row) -> Row {
    within::<u32, 4>(a, b, |a, b, n| interleave(a, b, 0, n))
}

fn unpack_high_d(a: Row, b: Row) -> Row {
    within::<u32, 4>(a, b, |a, b, n| interleave(a, b, 2, n))
}

fn unpack_low_q(a: Row, b: Row) -> Row {
    within::<u64, 2>(a, b, |a, b, n| interleave(a, b, 0, n))
}

fn unpack_high_q(a: Row, b: Row) -> Row {
    within::<u64, 2>(a, b, |a, b, n| interleave(a, b, 1, n))
}

/// Signed words to bytes without sign, with saturation.
fn pack_w(a: Row, b: Row) -> Row {
    let words = |row: Row| bytemuck::cast::<_, [[i16; 8]; 2]>(row);
    let (a, b) = (words(a), words(b));
    let byte = |n: usize| {
        let (half, lane) = (n / 16, n % 16);
        let word = if lane < 8 { a[half][lane] } else { b[half][lane - 8] };
        word.clamp(0, 255) as u8
    };
    bytemuck::cast::<[u8; 32], _>(core::array::from_fn(byte))
}

/// Signed doublewords to signed words, with saturation.
fn pack_d(a: Row, b: Row) -> Row {
    let dwords = |row: Row| bytemuck::cast::<_, [[i32; 4]; 2]>(row);
    let (a, b) = (dwords(a), dwords(b));
    let word = |n: usize| {
        let (half, lane) = (n / 8, n % 8);
        let dword = if lane < 4 { a[half][lane] } else { b[half][lane - 4] };
        dword.clamp(-0x8000, 0x7fff) as i16
    };
    bytemuck::cast::<[i16; 16], _>(core::array::from_fn(word))
}

/// b where the upper bit of c's byte is one.
fn blend_bytes(a: Row, b: Row, c: Row) -> Row {
    let chosen = each::<i8, 32>(c, c, |c, _| c >> 7);
    or(and(chosen, b), and_not(chosen, a))
}

/// b's words 1, 3, 4 and 6 of each eight.
fn blend_words(a: Row, b: Row) -> Row {
    within::<u16, 8>(a, b, |a, b, n| if 0x5a >> n & 1 == 1 { b[n] } else { a[n] })
}

/// x where a > b, zero elsewhere.
fn where_greater_d(a: Row, b: Row, x: Row) -> Row {
    and(each::<i32, 8>(a, b, |a, b| -i32::from(a > b)), x)
}

/// x where a > b, zero elsewhere.
fn where_greater_q(a: Row, b: Row, x: Row) -> Row {
    and(each::<i64, 4>(a, b, |a, b| -i64::from(a > b)), x)
}

/// x where a = b, zero elsewhere.
fn where_equal_b(a: Row, b: Row, x: Row) -> Row {
    and(each::<i8, 32>(a, b, |a, b| -i8::from(a == b)), x)
}

fn least_b(a: Row, b: Row) -> Row {
    each::<u8, 32>(a, b, u8::min)
}

fn greatest_w(a: Row, b: Row) -> Row {
    each::<i16, 16>(a, b, i16::max)
}

pub(super) fn permute_d(a: Row) -> Row {
    let dwords = bytemuck::cast::<_, [u32; 8]>(a);
    bytemuck::cast::<[u32; 8], _>(DWORDS.map(|from| dwords[from as usize]))
}

fn permute_q<const N: u32>(a: Row) -> Row {
    core::array::from_fn(|n| a[field(N, n)])
}

fn swap_halves(a: Row) -> Row {
    [a[2], a[3], a[0], a[1]]
}

/// The upper bits of all bytes.
fn add_masks(masks: &mut u32, a: Row) {
    let bytes = bytemuck::cast::<_, [u8; 32]>(a);
    let mask = bytes.iter().enumerate().fold(0, |mask, (n, byte)| mask | u32::from(byte >> 7) << n);
    *masks = masks.rotate_left(5) ^ mask;
}
