//! A moment in which a worker executes its own instructions, and the next result of the kind that is meant.

use std::{fs, io, thread, time::Duration};

use anyhow::bail;
use iced_x86::{Code, InstructionInfoFactory, Register};
use libc::user_regs_struct;
use nix::unistd::Pid;

use crate::{
    bit,
    options::{Group, Options},
    places::Places,
    thread::Held,
};

/// The most instructions that are stepped over: code without results of the kind must not hold a run up for long.
pub const MOST_WITHOUT_RESULT: u32 = 20_000;
/// How much of the stack is searched for who called a library.
const STACK_WORDS: u64 = 64;

/// A worker's thread that is held.
pub struct Moment {
    process: i32,
    /// The thread. Dropped, it goes on.
    pub held: Held,
    /// Its registers.
    pub registers: user_regs_struct,
}

/// What one instruction wrote into one register.
pub struct Written {
    /// The instruction.
    pub code: Code,
    /// Where it is.
    pub at: u64,
    /// One of its results, chosen.
    pub register: Register,
    /// The function that it is of.
    pub place: String,
}

impl Moment {
    /// The function in which the thread is.
    pub fn place(&self, places: &Places, options: &Options) -> String {
        let stack = self.held.stack(self.registers.rsp, STACK_WORDS);
        places.name(self.process, &options.command[0], self.registers.rip, &stack)
    }

    /// Steps over some results of the group's kind, up to as many as the options say, and over one more, which is returned. `None`
    /// where so many instructions have none.
    pub fn step_to_result(
        &mut self,
        options: &Options,
        places: &Places,
        factory: &mut InstructionInfoFactory,
        random: &mut fastrand::Rng,
    ) -> anyhow::Result<Option<Written>> {
        let mut left = random.u32(0..options.steps);
        for _ in 0..MOST_WITHOUT_RESULT {
            let instruction = bit::next_instruction(&self.held, self.registers.rip)?;
            self.held.step()?;
            let after = self.held.registers()?;
            let meant = match options.group {
                Group::General => bit::general_results(factory, &instruction, &after),
                _ => bit::vector_results(factory, &instruction),
            };
            if !meant.is_empty() && left == 0 {
                let (at, place) = (self.registers.rip, self.place(places, options));
                self.registers = after;
                let register = meant[random.usize(0..meant.len())];
                return Ok(Some(Written { code: instruction.code(), at, register, place }));
            }
            left -= u32::from(!meant.is_empty());
            self.registers = after;
        }
        Ok(None)
    }
}

/// What `work` gives for each CPU, side by side, each with a generator of its own. Whoever stops a thread is its tracer, and no other
/// thread is.
pub fn on_each<T: Send>(
    cpus: &[u32],
    random: &mut fastrand::Rng,
    work: impl Fn(u32, fastrand::Rng) -> T + Sync,
) -> Vec<T> {
    thread::scope(|scope| {
        let start = |&cpu| {
            let (random, work) = (random.fork(), &work);
            scope.spawn(move || work(cpu, random))
        };
        let started: Vec<_> = cpus.iter().map(start).collect();
        started.into_iter().map(|one| one.join().expect("does not panic")).collect()
    })
}

/// Stops the worker on that CPU in a moment in which it executes its own instructions.
pub fn stop(supervisor: u32, cpu: u32, random: &mut fastrand::Rng) -> anyhow::Result<Moment> {
    loop {
        match lane(supervisor, cpu) {
            Ok(Some((process, lane))) => {
                let held = Held::stop(Pid::from_raw(lane))?;
                let registers = held.registers()?;
                // In a system call it executes none.
                if registers.orig_rax as i64 == -1 {
                    return Ok(Moment { process, held, registers });
                }
            }
            Ok(None) => {}
            Err(_) => bail!("the run was over"),
        }
        thread::sleep(Duration::from_micros(random.u64(100..2_000)));
    }
}

/// Whether the run's supervisor has ended.
pub fn is_over(supervisor: u32) -> bool {
    fs::read_to_string(format!("/proc/{supervisor}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

/// The process and thread of the worker that is pinned to that CPU, unless it sleeps. An error: the run is over.
fn lane(supervisor: u32, cpu: u32) -> io::Result<Option<(i32, i32)>> {
    if is_over(supervisor) {
        return Err(io::ErrorKind::NotFound.into());
    }
    let name = format!("lane-{cpu}");
    let children = fs::read_to_string(format!("/proc/{supervisor}/task/{supervisor}/children"))?;
    Ok(children.split_whitespace().find_map(|child| {
        fs::read_dir(format!("/proc/{child}/task")).ok()?.flatten().find_map(|task| {
            let stat = fs::read_to_string(task.path().join("stat")).ok()?;
            let (before, after) = stat.split_once(") ")?;
            // A thread that roams has the name of its first CPU.
            let status = fs::read_to_string(task.path().join("status")).ok()?;
            let pinned =
                status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?.trim() == cpu.to_string();
            let is_meant = pinned && before.split_once('(')?.1 == name && after.starts_with('R');
            Some((child.parse().ok()?, task.file_name().to_str()?.parse().ok()?)).filter(|_| is_meant)
        })
    }))
}
