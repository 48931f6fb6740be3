//! What becomes of results, without a flip: each is followed, through the registers that are computed from it, to where it is used.

use std::{
    collections::BTreeMap,
    fmt, thread,
    time::{Duration, Instant},
};

use iced_x86::{
    FlowControl, Instruction, InstructionInfo, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register, UsedMemory,
};

use crate::{
    bit::{self, reads, writes},
    moment::{self, Moment},
    options::Options,
    places::Places,
    trial::Started,
};

/// Instructions after which a result counts as in use.
const MOST_STEPS: u32 = 3_000;

/// Where a result was first used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// As an address, or in one.
    Address,
    /// It was written to memory.
    Stored,
    /// It went into a vector register.
    Vector,
    /// As the target of a jump.
    Target,
    /// It was still in registers when its pursuit ended.
    Kept,
    /// Nowhere, but for what is compared and decides a jump.
    Compared,
    /// Nowhere: nobody can see what was wrong in it.
    Unused,
}

/// Registers that hold something of the result.
struct Trace {
    registers: Vec<Register>,
    was_compared: bool,
}

impl Trace {
    fn has(&self, register: Register) -> bool {
        register.is_gpr() && self.registers.contains(&register.full_register())
    }

    fn is_in_address(&self, memory: &UsedMemory) -> bool {
        memory.access() != OpAccess::NoMemAccess && (self.has(memory.base()) || self.has(memory.index()))
    }

    /// What the next instruction makes of it; `None` if it only goes on from register to register.
    fn goes_on(&mut self, instruction: &Instruction, info: &InstructionInfo) -> Option<Fate> {
        if info.used_memory().iter().any(|memory| self.is_in_address(memory)) {
            return Some(Fate::Address);
        }
        let used = info.used_registers();
        // What is exclusive-or with itself does not depend on it.
        let zeroes = matches!(instruction.mnemonic(), Mnemonic::Xor | Mnemonic::Sub)
            && instruction.op1_kind() == OpKind::Register
            && instruction.op0_register() == instruction.op1_register();
        let is_read = !zeroes && used.iter().any(|used| reads(used.access()) && self.has(used.register()));
        if !is_read {
            let overwritten = |register: Register| {
                let whole = |written: Register| written.is_gpr32() || written.is_gpr64();
                used.iter().any(|used| {
                    (used.access() == OpAccess::Write || zeroes && writes(used.access()))
                        && whole(used.register())
                        && used.register().full_register() == register
                })
            };
            self.registers.retain(|register| !overwritten(*register));
            let is_gone = self.registers.is_empty();
            return is_gone.then_some(if self.was_compared { Fate::Compared } else { Fate::Unused });
        }
        if matches!(instruction.flow_control(), FlowControl::IndirectBranch | FlowControl::IndirectCall) {
            return Some(Fate::Target);
        }
        if info.used_memory().iter().any(|memory| writes(memory.access())) {
            return Some(Fate::Stored);
        }
        self.was_compared |= matches!(instruction.mnemonic(), Mnemonic::Cmp | Mnemonic::Test);
        for used in used.iter().filter(|used| writes(used.access())) {
            if used.register().is_vector_register() {
                return Some(Fate::Vector);
            }
            if used.register().is_gpr() && !self.has(used.register()) {
                self.registers.push(used.register().full_register());
            }
        }
        None
    }
}

/// Follows a register from where the thread is held.
fn follow(moment: &mut Moment, factory: &mut InstructionInfoFactory, register: Register) -> anyhow::Result<Fate> {
    let mut trace = Trace { registers: vec![register.full_register()], was_compared: false };
    for _ in 0..MOST_STEPS {
        let instruction = bit::next_instruction(&moment.held, moment.registers.rip)?;
        if let Some(fate) = trace.goes_on(&instruction, factory.info(&instruction)) {
            return Ok(fate);
        }
        moment.held.step()?;
        moment.registers = moment.held.registers()?;
    }
    Ok(Fate::Kept)
}

/// Results by what became of them, and the places of those that were not used.
#[derive(Default)]
struct Fates {
    counts: BTreeMap<Fate, u64>,
    unused: BTreeMap<String, u64>,
}

impl Fates {
    fn count(&mut self, fate: Fate, place: String) {
        *self.counts.entry(fate).or_default() += 1;
        if fate == Fate::Unused {
            *self.unused.entry(place).or_default() += 1;
        }
    }

    fn add(&mut self, other: Self) {
        other.counts.into_iter().for_each(|(fate, count)| *self.counts.entry(fate).or_default() += count);
        other.unused.into_iter().for_each(|(place, count)| *self.unused.entry(place).or_default() += count);
    }
}

impl fmt::Display for Fates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: u64 = self.counts.values().sum();
        self.counts.iter().try_for_each(|(fate, count)| {
            writeln!(f, "{fate:?}: {count} of {all} = {:.3}", *count as f64 / all.max(1) as f64)
        })?;
        let mut places: Vec<_> = self.unused.iter().collect();
        places.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        places.iter().try_for_each(|(place, count)| writeln!(f, "{count:6} unused in {place}"))
    }
}

/// Starts the command and follows results of the workers on those CPUs while it runs.
pub fn run(options: &Options, places: &Places, random: &mut fastrand::Rng) -> anyhow::Result<()> {
    let mut started = Started::new(options)?;
    let began = Instant::now();
    let (from, until) = (began + Duration::from_secs_f64(options.from), began + Duration::from_secs_f64(options.to));
    let supervisor = started.run.id();
    let mut all = Fates::default();
    thread::scope(|scope| {
        let lanes: Vec<_> = options
            .cpus
            .iter()
            .map(|&cpu| {
                let mut random = random.fork();
                scope.spawn(move || {
                    thread::sleep(from.saturating_duration_since(Instant::now()));
                    let mut fates = Fates::default();
                    // An error is the end of the run, or of a process of it.
                    while Instant::now() < until
                        && one(supervisor, options, cpu, places, &mut random, &mut fates).is_ok()
                    {}
                    fates
                })
            })
            .collect();
        lanes.into_iter().for_each(|lane| all.add(lane.join().expect("does not panic")));
    });
    started.run.wait()?;
    print!("{all}");
    Ok(())
}

/// One result.
fn one(
    supervisor: u32,
    options: &Options,
    cpu: u32,
    places: &Places,
    random: &mut fastrand::Rng,
    fates: &mut Fates,
) -> anyhow::Result<()> {
    let mut factory = InstructionInfoFactory::new();
    let mut moment = moment::stop(supervisor, cpu, random)?;
    if let Some(written) = moment.step_to_result(options, places, &mut factory, random)? {
        let fate = follow(&mut moment, &mut factory, written.register)?;
        println!(
            "{fate:?}: CPU {cpu}, {:?} by {:?} at {:#x}, in {}",
            written.register, written.code, written.at, written.place
        );
        fates.count(fate, written.place);
    }
    drop(moment);
    thread::sleep(Duration::from_millis(random.u64(1..20)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use iced_x86::{Decoder, DecoderOptions};

    use super::*;

    /// What becomes of RAX in that code.
    fn fate(code: &[u8]) -> Option<Fate> {
        let mut factory = InstructionInfoFactory::new();
        let mut trace = Trace { registers: vec![Register::RAX], was_compared: false };
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
        assert_eq!(
            fate(&[0x48, 0x89, 0xc3, 0x31, 0xc0, 0x8b, 0x0b]),
            Some(Fate::Address),
            "mov rbx, rax; xor eax, eax; mov ecx, [rbx]"
        );
        assert_eq!(fate(&[0x8d, 0x43, 0x01]), Some(Fate::Unused), "lea eax, [rbx + 1]");
        assert_eq!(fate(&[0xb0, 0x01]), None, "mov al, 1");
        assert_eq!(fate(&[0x48, 0x39, 0xd8, 0x31, 0xc0]), Some(Fate::Compared), "cmp rax, rbx; xor eax, eax");
        assert_eq!(fate(&[0x48, 0x8d, 0x58, 0x08, 0x58]), None, "lea rbx, [rax + 8]; pop rax");
    }
}
