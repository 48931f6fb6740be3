//! Which bit is flipped, and the flip.

use std::{arch::x86_64::__cpuid_count, fmt};

use anyhow::bail;
use iced_x86::{Decoder, DecoderOptions, Instruction, InstructionInfoFactory, OpAccess, Register};
use libc::user_regs_struct;

use crate::thread::Held;

/// In the extended state: where the legacy registers are, where the header says which components are not in their initial state,
/// and the numbers of components (Intel SDM, volume 1, 13.4).
const XMM_AT: usize = 160;
const HEADER_AT: usize = 512;
const YMM_HIGH: u32 = 2;
const ZMM_HIGH: u32 = 6;
const ZMM_16_TO_31: u32 = 7;

/// One bit of a register.
#[derive(Clone, Copy)]
pub struct Bit {
    register: Register,
    bit: usize,
}

impl fmt::Display for Bit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bit {} of {:?}", self.bit, self.register)
    }
}

impl Bit {
    /// Any bit of any vector register that this processor has.
    pub fn of_any_vector(random: &mut fastrand::Rng) -> Self {
        let widest = if std::is_x86_feature_detected!("avx512f") { (Register::ZMM0, 32) } else { (Register::YMM0, 16) };
        Self::of(widest.0 + random.u32(0..widest.1), random)
    }

    /// Any bit of that register.
    pub fn of(register: Register, random: &mut fastrand::Rng) -> Self {
        Self { register, bit: random.usize(0..8 * register.size()) }
    }

    /// Turns it over in a stopped thread.
    pub fn flip(self, held: &Held) -> anyhow::Result<()> {
        if self.register.is_gpr() {
            let mut registers = held.registers()?;
            *general(&mut registers, self.register)? ^= 1 << self.bit;
            return held.set_registers(registers);
        }
        let mut state = held.extended()?;
        let number = self.register.number();
        let byte = self.bit / 8;
        let (component, at) = match (number, byte) {
            (16.., _) => (ZMM_16_TO_31, component_at(ZMM_16_TO_31) + 64 * (number - 16) + byte),
            (_, 0..16) => (1, XMM_AT + 16 * number + byte),
            (_, 16..32) => (YMM_HIGH, component_at(YMM_HIGH) + 16 * number + byte - 16),
            _ => (ZMM_HIGH, component_at(ZMM_HIGH) + 32 * number + byte - 32),
        };
        if component != 1 && component_at(component) == 0 {
            bail!("{:?}: this processor has no such register", self.register);
        }
        // A component in its initial state is all zeros, whatever lies there.
        if state[HEADER_AT] & 1 << component == 0 {
            let from = if component == 1 { XMM_AT } else { component_at(component) };
            let bytes = if component == 1 { 256 } else { __cpuid_count(0xd, component).eax as usize };
            state[from..from + bytes].fill(0);
            state[HEADER_AT] |= 1 << component;
        }
        state[at] ^= 1 << (self.bit % 8);
        held.set_extended(state)
    }
}

fn component_at(component: u32) -> usize {
    __cpuid_count(0xd, component).ebx as usize
}

fn general(registers: &mut user_regs_struct, register: Register) -> anyhow::Result<&mut u64> {
    Ok(match register.full_register() {
        Register::RAX => &mut registers.rax,
        Register::RBX => &mut registers.rbx,
        Register::RCX => &mut registers.rcx,
        Register::RDX => &mut registers.rdx,
        Register::RSI => &mut registers.rsi,
        Register::RDI => &mut registers.rdi,
        Register::RBP => &mut registers.rbp,
        Register::RSP => &mut registers.rsp,
        Register::R8 => &mut registers.r8,
        Register::R9 => &mut registers.r9,
        Register::R10 => &mut registers.r10,
        Register::R11 => &mut registers.r11,
        Register::R12 => &mut registers.r12,
        Register::R13 => &mut registers.r13,
        Register::R14 => &mut registers.r14,
        Register::R15 => &mut registers.r15,
        other => bail!("{other:?} is no general register"),
    })
}

/// The instruction that the thread is about to execute.
pub fn next_instruction(held: &Held, at: u64) -> anyhow::Result<Instruction> {
    let code = held.code(at)?;
    Ok(Decoder::with_ip(64, &code, at, DecoderOptions::NONE).decode())
}

/// Whether an instruction reads what it accesses so.
pub fn reads(access: OpAccess) -> bool {
    matches!(access, OpAccess::Read | OpAccess::CondRead | OpAccess::ReadWrite | OpAccess::ReadCondWrite)
}

/// Whether it writes it.
pub fn writes(access: OpAccess) -> bool {
    matches!(access, OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite)
}

/// Vector registers that an instruction names as its results, as wide as it names them: what it zeroes above is no result.
pub fn vector_results(factory: &mut InstructionInfoFactory, instruction: &Instruction) -> Vec<Register> {
    let info = factory.info(instruction);
    let operands = (0..instruction.op_count()).filter(|&nth| writes(info.op_access(nth)));
    operands.map(|nth| instruction.op_register(nth)).filter(|register| register.is_vector_register()).collect()
}

/// General registers of 64 bits that an instruction writes, named or not, and whose upper half is in use after it. Not the stack
/// pointer: what goes wrong there is a crash.
pub fn general_results(
    factory: &mut InstructionInfoFactory,
    instruction: &Instruction,
    after: &user_regs_struct,
) -> Vec<Register> {
    let used = factory.info(instruction).used_registers().iter().filter(|used| writes(used.access()));
    let mut registers: Vec<Register> =
        used.map(|used| used.register()).filter(|r| is_upper_half_used(after, *r)).collect();
    registers.dedup();
    registers
}

/// Whether more than the lower half of a general register is in use.
fn is_upper_half_used(registers: &user_regs_struct, register: Register) -> bool {
    let mut copy = *registers;
    register.is_gpr64()
        && register != Register::RSP
        && general(&mut copy, register).is_ok_and(|value| *value >> 32 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &[u8]) -> Vec<Register> {
        let instruction = Decoder::new(64, code, DecoderOptions::NONE).decode();
        let mut factory = InstructionInfoFactory::new();
        let after = user_regs_struct { rax: 1 << 40, rbx: 1 << 40, rdx: 1, rsp: 1 << 40, ..none() };
        let mut all = vector_results(&mut factory, &instruction);
        all.extend(general_results(&mut factory, &instruction, &after));
        all
    }

    fn none() -> user_regs_struct {
        // SAFETY: registers are numbers, of which zero is one.
        unsafe { std::mem::zeroed() }
    }

    #[test]
    fn what_an_instruction_writes_is_its_result() {
        assert_eq!(of(&[0x48, 0x01, 0xd8]), [Register::RAX], "add rax, rbx");
        assert_eq!(of(&[0x48, 0xf7, 0xe3]), [Register::RAX], "mul rbx: nothing in the upper half of rdx");
        assert_eq!(of(&[0x5b]), [Register::RBX], "pop rbx: not the stack pointer");
        assert_eq!(of(&[0x48, 0x89, 0x07]), [], "mov [rdi], rax");
        assert_eq!(of(&[0x0f, 0x58, 0xc1]), [Register::XMM0], "addps xmm0, xmm1");
        assert_eq!(of(&[0xc5, 0xfc, 0x58, 0xd9]), [Register::YMM3], "vaddps ymm3, ymm0, ymm1");
        assert_eq!(of(&[0x62, 0xf1, 0x7c, 0x48, 0x58, 0xd9]), [Register::ZMM3], "vaddps zmm3, zmm0, zmm1");
    }

    #[test]
    fn bits_are_of_the_whole_register() {
        let mut random = fastrand::Rng::with_seed(1);
        let most = (0..10_000).map(|_| Bit::of(Register::ZMM31, &mut random).bit).max();
        assert_eq!(most, Some(511));
        let bit = Bit { register: Register::YMM3, bit: 200 };
        assert_eq!(bit.to_string(), "bit 200 of YMM3");
    }

    #[test]
    fn an_upper_half_in_use_has_bits() {
        let mut registers = none();
        registers.rbx = u64::from(u32::MAX);
        assert!(!is_upper_half_used(&registers, Register::RBX));
        registers.rbx += 1;
        registers.rsp = registers.rbx;
        assert!(is_upper_half_used(&registers, Register::RBX));
        assert!(!is_upper_half_used(&registers, Register::EBX) && !is_upper_half_used(&registers, Register::RSP));
    }
}
