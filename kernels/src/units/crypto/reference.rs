//! The scalar reference: arithmetic in GF(2), bit by bit.

use super::{Aes, BLOCKS, Block, CHUNK, DATA, FOLDED, KEYS, STREAMS, Units, chunk_at, word};

/// The reference.
pub(super) struct Bits;

impl Units for Bits {
    fn aes(turns: usize, state: &mut Aes) {
        for _ in 0..turns {
            let (blocks, key) = state.split_at_mut(BLOCKS);
            let mut keys = [key[0]; KEYS + 1];
            for n in 1..=KEYS {
                keys[n] = expand(&keys[n - 1], n);
            }
            for block in blocks {
                *block = xor(block, &keys[0]);
                for pair in 1..=KEYS / 2 {
                    let (odd, even) = (&keys[2 * pair - 1], &keys[2 * pair]);
                    let last = pair == KEYS / 2;
                    *block = encrypt(block, odd, last);
                    let substituted = move_rows(block, 3).map(|byte| RESTORE[usize::from(byte)]);
                    *block = if last {
                        xor(&substituted, even)
                    } else {
                        xor(&mix(&substituted, [14, 11, 13, 9]), &mix(even, [14, 11, 13, 9]))
                    };
                }
            }
            key[0] = keys[KEYS];
        }
    }

    fn clmul(constants: [u64; 2], data: &[u8; DATA], first: usize, folds: usize, state: &mut [Block; FOLDED]) {
        for fold in first..first + folds {
            for (n, block) in state.iter_mut().enumerate() {
                let (lower, upper) = (word(&block[..], 0), word(&block[..], 1));
                let (lower, upper) = if fold % 2 == 1 { (upper, lower) } else { (lower, upper) };
                let at = (fold * FOLDED + n) % (DATA / 16) * 2;
                let data = u128::from(word(data, at)) | u128::from(word(data, at + 1)) << 64;
                let folded = product(lower, constants[0]) ^ product(upper, constants[1]) ^ data;
                *block = folded.to_le_bytes();
            }
        }
    }

    fn crc32(data: &[u8; DATA], first: usize, chunks: usize, states: &mut [u32; STREAMS]) {
        for chunk in first..first + chunks {
            for (stream, state) in states.iter_mut().enumerate() {
                *state = crc32c(*state, &data[chunk_at(chunk, stream)..][..CHUNK]);
            }
        }
    }
}

fn xor(a: &Block, b: &Block) -> Block {
    core::array::from_fn(|n| a[n] ^ b[n])
}

/// The product in AES's field, modulo x^8 + x^4 + x^3 + x + 1.
const fn times(a: u8, b: u8) -> u8 {
    let (mut a, mut b, mut product) = (a, b, 0);
    while b != 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        a = a << 1 ^ if a >> 7 == 1 { 0x1b } else { 0 };
        b >>= 1;
    }
    product
}

/// Products with the numbers below 16.
static TIMES: [[u8; 256]; 16] = {
    let mut table = [[0; 256]; 16];
    let mut n = 0;
    while n < 16 * 256 {
        table[n / 256][n % 256] = times((n % 256) as u8, (n / 256) as u8);
        n += 1;
    }
    table
};

/// AES's substitution: the inverse, and a sum of its rotations.
static SUBSTITUTE: [u8; 256] = {
    let mut table = [0; 256];
    let mut x = 0;
    while x < 256 {
        // The inverse is the 254th power, and zero's is zero.
        let (mut inverse, mut n) = (1, 0);
        while n < 254 {
            inverse = times(inverse, x as u8);
            n += 1;
        }
        table[x] = inverse
            ^ inverse.rotate_left(1)
            ^ inverse.rotate_left(2)
            ^ inverse.rotate_left(3)
            ^ inverse.rotate_left(4)
            ^ 0x63;
        x += 1;
    }
    table
};

static RESTORE: [u8; 256] = {
    let mut table = [0; 256];
    let mut x = 0;
    while x < 256 {
        table[SUBSTITUTE[x] as usize] = x as u8;
        x += 1;
    }
    table
};

/// Row r, which is every fourth byte from r on, goes left by r times `by`.
fn move_rows(block: &Block, by: usize) -> Block {
    core::array::from_fn(|n| block[(n + 4 * by * (n % 4)) % 16])
}

/// Each column times a circulant matrix.
fn mix(block: &Block, first_row: [u8; 4]) -> Block {
    core::array::from_fn(|n| {
        let (column, row) = (n / 4, n % 4);
        (0..4).fold(0, |sum, k| {
            sum ^ TIMES[usize::from(first_row[(k + 4 - row) % 4])][usize::from(block[4 * column + k])]
        })
    })
}

/// AESENC, and AESENCLAST.
fn encrypt(block: &Block, key: &Block, last: bool) -> Block {
    let substituted = move_rows(&block.map(|byte| SUBSTITUTE[usize::from(byte)]), 1);
    xor(&if last { substituted } else { mix(&substituted, [2, 3, 1, 1]) }, key)
}

fn expand(key: &Block, number: usize) -> Block {
    let substituted = key.map(|byte| SUBSTITUTE[usize::from(byte)]);
    // AESKEYGENASSIST: doublewords 1 and 3, each once as it is and once turned by a byte, with a constant.
    let assist: Block = core::array::from_fn(|n| match n % 8 {
        lane @ 0..4 => substituted[n / 8 * 8 + 4 + lane],
        lane => substituted[n / 8 * 8 + 4 + (lane + 1) % 4] ^ if lane == 4 { constant(number) } else { 0 },
    });
    xor(&running(key), &assist)
}

/// Each doubleword with all those below it.
fn running(key: &Block) -> Block {
    let mut running = *key;
    for n in 4..16 {
        running[n] ^= running[n - 4];
    }
    running
}

/// The constant of that expansion: a power of x.
const fn constant(number: usize) -> u8 {
    let (mut power, mut n) = (1, 1);
    while n < number {
        power = times(power, 2);
        n += 1;
    }
    power
}

pub(super) fn crc32c(state: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(state, |state, byte| {
        // The polynomial, lowest bit first.
        (0..8).fold(state ^ u32::from(*byte), |state, _| state >> 1 ^ 0x82f6_3b78 & (state & 1).wrapping_neg())
    })
}

/// The product without carry.
fn product(a: u64, b: u64) -> u128 {
    (0..64).fold(0, |sum, bit| sum ^ (u128::from(a) << bit & u128::from(b >> bit & 1).wrapping_neg()))
}

/// AES itself, to see that the rounds are AES's.
#[cfg(test)]
pub(super) fn encrypt_aes_128(key: &Block, plain: &Block) -> Block {
    let mut key = *key;
    (1..=KEYS).fold(xor(plain, &key), |block, round| {
        let substituted = key.map(|byte| SUBSTITUTE[usize::from(byte)]);
        let turned: [u8; 4] =
            core::array::from_fn(|n| substituted[12 + (n + 1) % 4] ^ if n == 0 { constant(round) } else { 0 });
        let sums = running(&key);
        key = core::array::from_fn(|n| sums[n] ^ turned[n % 4]);
        encrypt(&block, &key, round == KEYS)
    })
}
