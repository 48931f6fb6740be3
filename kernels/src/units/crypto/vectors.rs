//! The instructions themselves.

use core::arch::x86_64::*;

use super::{Aes, BLOCKS, Block, DATA, FOLDED, KEYS, STREAMS, Units, chunk_at};

/// In vectors of so many bits; dispatch has seen to it that there are such.
pub(super) struct Instructions<const BITS: usize>;

impl<const BITS: usize> Units for Instructions<BITS> {
    fn aes(turns: usize, state: &mut Aes) {
        // SAFETY: see the type.
        unsafe {
            match BITS {
                128 => aes_128(turns, state),
                256 => aes_256(turns, state),
                _ => aes_512(turns, state),
            }
        }
    }

    fn clmul(constants: [u64; 2], data: &[u8; DATA], first: usize, folds: usize, state: &mut [Block; FOLDED]) {
        // SAFETY: see the type.
        unsafe {
            match BITS {
                128 => clmul_128(constants, data, first, folds, state),
                256 => clmul_256(constants, data, first, folds, state),
                _ => clmul_512(constants, data, first, folds, state),
            }
        }
    }

    fn crc32(data: &[u8; DATA], first: usize, chunks: usize, states: &mut [u32; STREAMS]) {
        // SAFETY: see the type.
        unsafe { crc32(data, first, chunks, states) }
    }
}

#[inline]
#[target_feature(enable = "sse2")]
fn load_128(bytes: &[u8]) -> __m128i {
    assert!(bytes.len() >= 16);
    // SAFETY: long enough.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_256(bytes: &[u8]) -> __m256i {
    assert!(bytes.len() >= 32);
    // SAFETY: long enough.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_512(bytes: &[u8]) -> __m512i {
    assert!(bytes.len() >= 64);
    // SAFETY: long enough.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "sse2")]
fn store_128(bytes: &mut [u8], vector: __m128i) {
    assert!(bytes.len() >= 16);
    // SAFETY: long enough.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), vector) };
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_256(bytes: &mut [u8], vector: __m256i) {
    assert!(bytes.len() >= 32);
    // SAFETY: long enough.
    unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), vector) };
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_512(bytes: &mut [u8], vector: __m512i) {
    assert!(bytes.len() >= 64);
    // SAFETY: long enough.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), vector) };
}

/// The keys of a turn, those that decrypt mixed, but for the last.
#[inline]
#[target_feature(enable = "aes,sse2")]
fn keys(first: __m128i) -> [__m128i; KEYS + 1] {
    let mut keys = [first; KEYS + 1];
    macro_rules! expand {
        ($($n:literal: $constant:literal),+) => {$(
            let key = keys[$n - 1];
            let running = _mm_xor_si128(key, _mm_slli_si128::<4>(key));
            let running = _mm_xor_si128(running, _mm_slli_si128::<8>(running));
            keys[$n] = _mm_xor_si128(running, _mm_aeskeygenassist_si128::<$constant>(key));
        )+};
    }
    expand!(1: 1, 2: 2, 3: 4, 4: 8, 5: 16, 6: 32, 7: 64, 8: 128, 9: 0x1b, 10: 0x36);
    for n in (2..KEYS).step_by(2) {
        keys[n] = _mm_aesimc_si128(keys[n]);
    }
    keys
}

/// `aes` in vectors of one width, four blocks of 16 bytes after another at a time.
macro_rules! aes {
    (
        $name:ident, $features:literal, $blocks:literal, $load:ident, $store:ident,
        $repeat:expr, $xor:ident, $enc:ident, $dec:ident, $enc_last:ident, $dec_last:ident
    ) => {
        #[target_feature(enable = $features)]
        fn $name(turns: usize, state: &mut Aes) {
            for _ in 0..turns {
                let (blocks, key) = state.split_at_mut(BLOCKS);
                let keys = keys(load_128(&key[0]));
                store_128(&mut key[0], keys[KEYS]);
                let keys = keys.map($repeat);
                for lanes in blocks.as_flattened_mut().chunks_exact_mut(128) {
                    // 128 bytes are eight chains of AES-NI, four or two of the wider ones.
                    let mut x: [_; 8 / $blocks] = core::array::from_fn(|n| $load(&lanes[16 * $blocks * n..]));
                    x.iter_mut().for_each(|x| *x = $xor(*x, keys[0]));
                    for pair in 1..KEYS / 2 {
                        x.iter_mut().for_each(|x| *x = $enc(*x, keys[2 * pair - 1]));
                        x.iter_mut().for_each(|x| *x = $dec(*x, keys[2 * pair]));
                    }
                    x.iter_mut().for_each(|x| *x = $enc_last(*x, keys[KEYS - 1]));
                    x.iter_mut().for_each(|x| *x = $dec_last(*x, keys[KEYS]));
                    for (n, x) in x.into_iter().enumerate() {
                        $store(&mut lanes[16 * $blocks * n..], x);
                    }
                }
            }
        }
    };
}

aes!(
    aes_128,
    "aes,sse4.2",
    1,
    load_128,
    store_128,
    |key| key,
    _mm_xor_si128,
    _mm_aesenc_si128,
    _mm_aesdec_si128,
    _mm_aesenclast_si128,
    _mm_aesdeclast_si128
);
aes!(
    aes_256,
    "aes,vaes,avx2",
    2,
    load_256,
    store_256,
    |key| _mm256_broadcastsi128_si256(key),
    _mm256_xor_si256,
    _mm256_aesenc_epi128,
    _mm256_aesdec_epi128,
    _mm256_aesenclast_epi128,
    _mm256_aesdeclast_epi128
);
aes!(
    aes_512,
    "aes,vaes,avx512f",
    4,
    load_512,
    store_512,
    |key| _mm512_broadcast_i32x4(key),
    _mm512_xor_si512,
    _mm512_aesenc_epi128,
    _mm512_aesdec_epi128,
    _mm512_aesenclast_epi128,
    _mm512_aesdeclast_epi128
);

/// `clmul` in vectors of one width.
macro_rules! clmul {
    (
        $name:ident, $features:literal, $blocks:literal, $load:ident, $store:ident,
        $repeat:expr, $xor:ident, $product:ident
    ) => {
        #[target_feature(enable = $features)]
        fn $name(constants: [u64; 2], data: &[u8; DATA], first: usize, folds: usize, state: &mut [Block; FOLDED]) {
            let bytes = state.as_flattened_mut();
            let mut x: [_; FOLDED / $blocks] = core::array::from_fn(|n| $load(&bytes[16 * $blocks * n..]));
            let constants = ($repeat)(_mm_set_epi64x(constants[1] as i64, constants[0] as i64));
            for fold in first..first + folds {
                let data = &data[fold * FOLDED % (DATA / 16) * 16..][..FOLDED * 16];
                for (n, x) in x.iter_mut().enumerate() {
                    let (lower, upper) = if fold % 2 == 1 {
                        ($product::<0x01>(*x, constants), $product::<0x10>(*x, constants))
                    } else {
                        ($product::<0x00>(*x, constants), $product::<0x11>(*x, constants))
                    };
                    *x = $xor($xor(lower, upper), $load(&data[16 * $blocks * n..]));
                }
            }
            for (n, x) in x.into_iter().enumerate() {
                $store(&mut bytes[16 * $blocks * n..], x);
            }
        }
    };
}

clmul!(clmul_128, "pclmulqdq,sse4.2", 1, load_128, store_128, |k| k, _mm_xor_si128, _mm_clmulepi64_si128);
clmul!(
    clmul_256,
    "vpclmulqdq,avx2",
    2,
    load_256,
    store_256,
    |k| _mm256_broadcastsi128_si256(k),
    _mm256_xor_si256,
    _mm256_clmulepi64_epi128
);
clmul!(
    clmul_512,
    "vpclmulqdq,avx512f",
    4,
    load_512,
    store_512,
    |k| _mm512_broadcast_i32x4(k),
    _mm512_xor_si512,
    _mm512_clmulepi64_epi128
);

#[target_feature(enable = "sse4.2")]
fn crc32(data: &[u8; DATA], first: usize, chunks: usize, states: &mut [u32; STREAMS]) {
    for chunk in first..first + chunks {
        for (stream, state) in states.iter_mut().enumerate() {
            let bytes: &[u8; super::CHUNK] = data[chunk_at(chunk, stream)..].first_chunk().expect("16 bytes are left");
            let (eight, rest) = bytes.split_first_chunk().expect("15 bytes");
            let (four, rest) = rest.split_first_chunk().expect("7 bytes");
            let (two, one) = rest.split_first_chunk().expect("3 bytes");
            // The upper half of the result is zero.
            *state = _mm_crc32_u64(u64::from(*state), u64::from_le_bytes(*eight)) as u32;
            *state = _mm_crc32_u32(*state, u32::from_le_bytes(*four));
            *state = _mm_crc32_u16(*state, u16::from_le_bytes(*two));
            *state = _mm_crc32_u8(*state, one[0]);
        }
    }
}
