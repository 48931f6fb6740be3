//! `registers-general`: all 15 general registers but the stack pointer, which signals need. A turn is 15 rounds. Round t takes
//! the registers from t on, around the circle; its i-th register x takes step i modulo 8, with the next register n:
//! `add x, n; xor x, n; rol x, 13; imul x, x, 0x5bd1e995; sub x, n; bswap x; lea x, [x + n * 4 + 0x1234567]; not x`.
//! The count of turns is kept in memory.

use super::File;
use crate::{
    gemm::no_such_variant,
    goldens,
    isa::{Isa, Token},
    kernel::{Golden, Variant},
};

const REGISTERS: usize = 15;
const MULTIPLIER: u64 = 0x5bd1_e995;
const DISPLACEMENT: u64 = 0x0123_4567;

/// The file's type.
pub(crate) struct General;

impl File for General {
    type Word = u64;
    const NAME: &'static str = "registers-general";
    const SUMMARY: &'static str = "integer rounds that keep an accumulator in every general register";
    const VARIANTS: &'static [Variant] = &[Variant::of(Isa::X64), Variant::of(Isa::Scalar)];
    const GOLDENS: &'static [Golden] = goldens::REGISTERS_GENERAL;
    const TYPE: &'static str = "uint64";
    const SHAPE: &'static [usize] = &[REGISTERS];
    const OPERATIONS: u64 = (REGISTERS * REGISTERS) as u64;
    const TURNS: usize = 25_000;

    fn mend(_: &mut [u64]) {}

    fn turns(token: Token, state: &mut [u64], _: &[u64], turns: usize) {
        let state: &mut [u64; REGISTERS] = state.try_into().expect("as many as SHAPE says");
        match token {
            Token::Scalar => (0..turns).for_each(|_| scalar(state)),
            #[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
            Token::X64(_) => assembly::turns(state, turns),
            token => no_such_variant(Self::NAME, token),
        }
    }
}

/// The reference: one turn.
fn scalar(state: &mut [u64; REGISTERS]) {
    // A remainder would take products of which half is not read.
    let around = |at: usize| if at < REGISTERS { at } else { at - REGISTERS };
    for round in 0..REGISTERS {
        for i in 0..REGISTERS {
            let at = around(round + i);
            let (x, n) = (state[at], state[around(at + 1)]);
            state[at] = match i % 8 {
                0 => x.wrapping_add(n),
                1 => x ^ n,
                2 => x.rotate_left(13),
                3 => x.wrapping_mul(MULTIPLIER),
                4 => x.wrapping_sub(n),
                5 => x.swap_bytes(),
                6 => x.wrapping_add(n.wrapping_mul(4)).wrapping_add(DISPLACEMENT),
                _ => !x,
            };
        }
    }
}

#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod assembly {
    use core::arch::asm;

    use super::*;

    pub(super) fn turns(state: &mut [u64; REGISTERS], turns: usize) {
        if turns == 0 {
            return;
        }
        // SAFETY: the state has a word for each register; rbx and rbp, which cannot be declared, are restored; the stack is as
        // it was at the end.
        unsafe {
            asm!(
                ".macro oddcore_rounds more, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o",
                "add \\a, \\b",
                "xor \\b, \\c",
                "rol \\c, 13",
                "imul \\d, \\d, {multiplier}",
                "sub \\e, \\f",
                "bswap \\f",
                "lea \\g, [\\g + \\h * 4 + {displacement}]",
                "not \\h",
                "add \\i, \\j",
                "xor \\j, \\k",
                "rol \\k, 13",
                "imul \\l, \\l, {multiplier}",
                "sub \\m, \\n",
                "bswap \\n",
                "lea \\o, [\\o + \\a * 4 + {displacement}]",
                ".if \\more",
                "oddcore_rounds (\\more-1), \\b, \\c, \\d, \\e, \\f, \\g, \\h, \\i, \\j, \\k, \\l, \\m, \\n, \\o, \\a",
                ".endif",
                ".endm",
                "push rbx",
                "push rbp",
                "push rdi",
                "push rcx",
                "mov rax, [rdi]",
                "mov rbx, [rdi + 8]",
                "mov rcx, [rdi + 16]",
                "mov rdx, [rdi + 24]",
                "mov rsi, [rdi + 32]",
                "mov rbp, [rdi + 40]",
                "mov r8, [rdi + 56]",
                "mov r9, [rdi + 64]",
                "mov r10, [rdi + 72]",
                "mov r11, [rdi + 80]",
                "mov r12, [rdi + 88]",
                "mov r13, [rdi + 96]",
                "mov r14, [rdi + 104]",
                "mov r15, [rdi + 112]",
                "mov rdi, [rdi + 48]",
                "2:",
                "oddcore_rounds 14, rax, rbx, rcx, rdx, rsi, rbp, rdi, r8, r9, r10, r11, r12, r13, r14, r15",
                "dec qword ptr [rsp]",
                "jnz 2b",
                // The pointer comes back, and what was in its register takes its place on the stack.
                "xchg rdi, [rsp + 8]",
                "mov [rdi], rax",
                "mov [rdi + 8], rbx",
                "mov [rdi + 16], rcx",
                "mov [rdi + 24], rdx",
                "mov [rdi + 32], rsi",
                "mov [rdi + 40], rbp",
                "mov [rdi + 56], r8",
                "mov [rdi + 64], r9",
                "mov [rdi + 72], r10",
                "mov [rdi + 80], r11",
                "mov [rdi + 88], r12",
                "mov [rdi + 96], r13",
                "mov [rdi + 104], r14",
                "mov [rdi + 112], r15",
                "pop rcx",
                "pop rax",
                "mov [rdi + 48], rax",
                "pop rbp",
                "pop rbx",
                ".purgem oddcore_rounds",
                multiplier = const MULTIPLIER,
                displacement = const DISPLACEMENT,
                inout("rdi") state.as_mut_ptr() => _,
                inout("rcx") turns => _,
                out("rax") _, out("rdx") _, out("rsi") _, out("r8") _, out("r9") _, out("r10") _, out("r11") _,
                out("r12") _, out("r13") _, out("r14") _, out("r15") _,
            );
        }
    }
}
