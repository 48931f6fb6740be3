//! What becomes of results, without a flip: each is followed, through the registers that are computed from it, to where it is used.

use std::{
    collections::BTreeMap,
    fmt, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use iced_x86::{
    FlowControl, Instruction, InstructionInfo, InstructionInfoFactory, Mnemonic, OpAccess, Register, UsedMemory,
};

use crate::{
    bit::{self, reads, writes},
    moment::{self, Moment, Written},
    options::Options,
    places::Places,
    trial::Started,
};

/// Instructions after which a result is given up as [`Fate::Kept`].
const MOST_FOLLOWED: u32 = 3_000;
/// Moments in a row that may fail: a worker can end between any two steps.
const MOST_FAILURES: u32 = 1_000;

/// What a result was first used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// An address, or a part of one.
    Address,
    /// It was written to memory, which a register that is saved is as well.
    Stored,
    /// It went into a register of another kind.
    Vector,
    /// The target of a jump.
    Target,
    /// The OS got it.
    Passed,
    /// Nothing yet when it was given up.
    Kept,
    /// Nothing but a condition for a jump, which many wrong values leave as it is.
    Decided,
    /// Nothing: nobody can see what was wrong in it.
    Unused,
}

/// What holds something of the result.
struct Trace {
    registers: Vec<Register>,
    are_flags: bool,
    has_decided: bool,
}

/// What a system call takes (System V ABI, x86-64, A.2.1).
const ARGUMENTS: [Register; 7] =
    [Register::RAX, Register::RDI, Register::RSI, Register::RDX, Register::R10, Register::R8, Register::R9];

impl Trace {
    fn of(register: Register) -> Self {
        Self { registers: vec![register.full_register()], are_flags: false, has_decided: false }
    }

    fn has(&self, register: Register) -> bool {
        register.is_gpr() && self.registers.contains(&register.full_register())
    }

    fn is_in_address(&self, memory: &UsedMemory) -> bool {
        memory.access() != OpAccess::NoMemAccess && (self.has(memory.base()) || self.has(memory.index()))
    }

    /// What the next instruction makes of it; `None` if it only goes on from register to register.
    fn goes_on(&mut self, instruction: &Instruction, info: &InstructionInfo) -> Option<Fate> {
        if instruction.mnemonic() == Mnemonic::Syscall && ARGUMENTS.iter().any(|register| self.has(*register)) {
            return Some(Fate::Passed);
        }
        if info.used_memory().iter().any(|memory| self.is_in_address(memory)) {
            return Some(Fate::Address);
        }
        let used = info.used_registers();
        let reads_flags = self.are_flags && instruction.rflags_read() != 0;
        let reads_register = used.iter().any(|used| reads(used.access()) && self.has(used.register()));
        if instruction.rflags_modified() != 0 {
            self.are_flags = reads_register || reads_flags;
        }
        if !(reads_register || reads_flags) {
            let is_written_anew = |register: Register| {
                let is_whole = |written: Register| written.is_gpr32() || written.is_gpr64();
                used.iter().any(|used| {
                    used.access() == OpAccess::Write
                        && is_whole(used.register())
                        && used.register().full_register() == register
                })
            };
            self.registers.retain(|register| !is_written_anew(*register));
            let is_gone = self.registers.is_empty() && !self.are_flags;
            return is_gone.then_some(if self.has_decided { Fate::Decided } else { Fate::Unused });
        }
        if matches!(instruction.flow_control(), FlowControl::IndirectBranch | FlowControl::IndirectCall) {
            return Some(Fate::Target);
        }
        if info.used_memory().iter().any(|memory| writes(memory.access())) {
            return Some(Fate::Stored);
        }
        self.has_decided |= instruction.flow_control() == FlowControl::ConditionalBranch;
        for used in used.iter().filter(|used| writes(used.access())) {
            if !used.register().is_gpr() {
                return Some(Fate::Vector);
            }
            if !self.has(used.register()) {
                self.registers.push(used.register().full_register());
            }
        }
        None
    }
}

/// Follows a register from where the thread is held.
fn follow(moment: &mut Moment, factory: &mut InstructionInfoFactory, register: Register) -> anyhow::Result<Fate> {
    let mut trace = Trace::of(register);
    for _ in 0..MOST_FOLLOWED {
        let instruction = bit::next_instruction(&moment.held, moment.registers.rip)?;
        if let Some(fate) = trace.goes_on(&instruction, factory.info(&instruction)) {
            return Ok(fate);
        }
        moment.held.step()?;
        moment.registers = moment.held.registers()?;
    }
    Ok(Fate::Kept)
}

/// Results by what became of them, and by place those whose faults nobody or hardly anybody sees.
#[derive(Default)]
struct Fates {
    counts: BTreeMap<Fate, u64>,
    unseen: BTreeMap<(Fate, String), u64>,
}

impl Fates {
    fn count(&mut self, fate: Fate, place: String) {
        *self.counts.entry(fate).or_default() += 1;
        if matches!(fate, Fate::Decided | Fate::Unused) {
            *self.unseen.entry((fate, place)).or_default() += 1;
        }
    }

    fn add(&mut self, other: Self) {
        other.counts.into_iter().for_each(|(fate, count)| *self.counts.entry(fate).or_default() += count);
        other.unseen.into_iter().for_each(|(place, count)| *self.unseen.entry(place).or_default() += count);
    }
}

impl fmt::Display for Fates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: u64 = self.counts.values().sum();
        self.counts.iter().try_for_each(|(fate, count)| {
            writeln!(f, "{fate:?}: {count} of {all} = {:.3}", *count as f64 / all.max(1) as f64)
        })?;
        let mut places: Vec<_> = self.unseen.iter().collect();
        places.sort_by_key(|((fate, _), count)| std::cmp::Reverse((*fate, **count)));
        places.iter().try_for_each(|((fate, place), count)| writeln!(f, "{count:6} {fate:?} in {place}"))
    }
}

/// Starts the command and follows results of the workers on those CPUs while it runs.
pub fn run(options: &Options, places: &Places, random: &mut fastrand::Rng) -> anyhow::Result<()> {
    let mut started = Started::new(options)?;
    let began = Instant::now();
    let (from, until) = (began + Duration::from_secs_f64(options.from), began + Duration::from_secs_f64(options.to));
    let supervisor = started.run.id();
    let followed = moment::on_each(&options.cpus, random, |cpu, mut random| {
        thread::sleep(from.saturating_duration_since(Instant::now()));
        many(supervisor, options, cpu, places, until, &mut random)
    });
    let mut all = Fates::default();
    for fates in followed {
        all.add(fates?);
    }
    started.run.wait().context("the run")?;
    if all.counts.is_empty() {
        bail!("no result was followed: see what the run says by itself");
    }
    print!("{all}");
    Ok(())
}

/// Results of one worker, until then.
fn many(
    supervisor: u32,
    options: &Options,
    cpu: u32,
    places: &Places,
    until: Instant,
    random: &mut fastrand::Rng,
) -> anyhow::Result<Fates> {
    let (mut fates, mut failures) = (Fates::default(), 0);
    while Instant::now() < until && !moment::is_over(supervisor) {
        match one(supervisor, options, cpu, places, random) {
            Ok(Some((fate, place))) => fates.count(fate, place),
            Ok(None) => {}
            Err(error) if failures == MOST_FAILURES => return Err(error),
            Err(_) => {
                failures += 1;
                continue;
            }
        }
        failures = 0;
        thread::sleep(Duration::from_millis(random.u64(1..20)));
    }
    Ok(fates)
}

/// One result: what became of it, and its place.
fn one(
    supervisor: u32,
    options: &Options,
    cpu: u32,
    places: &Places,
    random: &mut fastrand::Rng,
) -> anyhow::Result<Option<(Fate, String)>> {
    let mut factory = InstructionInfoFactory::new();
    let mut moment = moment::stop(supervisor, cpu, random)?;
    let Some(written) = moment.step_to_result(options, places, &mut factory, random)? else { return Ok(None) };
    let fate = follow(&mut moment, &mut factory, written.register)?;
    let Written { code, at, register, place } = written;
    println!("{fate:?}: CPU {cpu}, {register:?} by {code:?} at {at:#x}, in {place}");
    Ok(Some((fate, place)))
}

#[cfg(test)]
mod tests {
    use iced_x86::{Decoder, DecoderOptions};

    use super::*;

    /// What becomes of RAX in that code.
    fn fate(code: &[u8]) -> Option<Fate> {
        let mut factory = InstructionInfoFactory::new();
        let mut trace = Trace::of(Register::RAX);
        Decoder::new(64, code, DecoderOptions::NONE)
            .iter()
            .find_map(|instruction| trace.goes_on(&instruction, factory.info(&instruction)))
    }

    #[test]
    fn a_result_is_followed_to_its_use() {
        assert_eq!(fate(&[0x48, 0x8b, 0x18]), Some(Fate::Address), "mov rbx, [rax]");
        assert_eq!(fate(&[0x48, 0x89, 0x03]), Some(Fate::Stored), "mov [rbx], rax");
        assert_eq!(fate(&[0x50]), Some(Fate::Stored), "push rax");
        assert_eq!(fate(&[0xff, 0xe0]), Some(Fate::Target), "jmp rax");
        assert_eq!(fate(&[0x66, 0x48, 0x0f, 0x6e, 0xc0]), Some(Fate::Vector), "movq xmm0, rax");
        assert_eq!(fate(&[0xc4, 0xe1, 0xfb, 0x92, 0xc8]), Some(Fate::Vector), "kmovq k1, rax");
        let through = [0x48, 0x89, 0xc3, 0x31, 0xc0, 0x8b, 0x0b];
        assert_eq!(fate(&through), Some(Fate::Address), "mov rbx, rax; xor eax, eax; mov ecx, [rbx]");
        assert_eq!(fate(&[0x48, 0x89, 0xc7, 0x0f, 0x05]), Some(Fate::Passed), "mov rdi, rax; syscall");
    }

    #[test]
    fn what_is_written_anew_was_not_used() {
        assert_eq!(fate(&[0x8d, 0x43, 0x01]), Some(Fate::Unused), "lea eax, [rbx + 1]");
        assert_eq!(fate(&[0x31, 0xc0]), Some(Fate::Unused), "xor eax, eax");
        assert_eq!(fate(&[0xb0, 0x01]), None, "mov al, 1");
        assert_eq!(fate(&[0x48, 0x8d, 0x58, 0x08, 0x58]), None, "lea rbx, [rax + 8]; pop rax");
    }

    #[test]
    fn flags_hold_something_of_it_too() {
        let compared = [0x48, 0x39, 0xd8, 0x31, 0xc0];
        assert_eq!(fate(&compared), Some(Fate::Unused), "cmp rax, rbx; xor eax, eax");
        let decided = [0x48, 0x39, 0xd8, 0x74, 0x02, 0x31, 0xc0];
        assert_eq!(fate(&decided), Some(Fate::Decided), "cmp rax, rbx; je; xor eax, eax");
        let counted = [0x48, 0xff, 0xc8, 0x75, 0x02, 0x31, 0xc0];
        assert_eq!(fate(&counted), Some(Fate::Decided), "dec rax; jne; xor eax, eax");
        let carried = [0x48, 0x01, 0xc1, 0x48, 0x11, 0xfa, 0xb8, 0, 0, 0, 0, 0xb9, 0, 0, 0, 0, 0x89, 0x13];
        assert_eq!(
            fate(&carried),
            Some(Fate::Stored),
            "add rcx, rax; adc rdx, rdi; mov eax, 0; mov ecx, 0; mov [rbx], edx"
        );
        let set = [0x48, 0x39, 0xd8, 0x0f, 0x92, 0xc1, 0x31, 0xc0, 0x88, 0x0b];
        assert_eq!(fate(&set), Some(Fate::Stored), "cmp rax, rbx; setb cl; xor eax, eax; mov [rbx], cl");
    }
}
