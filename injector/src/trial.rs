//! One run with a bit flipped in one worker, or in each of several.

use std::{
    fmt, fs, io,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use iced_x86::{InstructionInfoFactory, Register};
use libc::user_regs_struct;
use nix::unistd::Pid;

use crate::{
    bit::{self, Bit},
    options::{Group, Options},
    places::Places,
    thread::Held,
};

/// The most instructions that are stepped over: code without results of the kind must not hold a run up for long.
const MOST_STEPS: u32 = 20_000;
/// How much of the stack is searched for who called a library.
const STACK_WORDS: u64 = 64;

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The run names that core.
    Found,
    /// The run names a core that was not hit, whether or not that one too.
    WrongCore,
    /// The run names none.
    Missed,
    /// No bit was flipped: none was meant to be, or nothing fit.
    NotFlipped,
}

/// One bit.
pub struct Trial {
    cpu: u32,
    seconds_in: f64,
    what: String,
    /// The function in which it was.
    pub place: String,
    /// What the run said.
    pub outcome: Outcome,
    said: String,
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Found => "found",
            Outcome::WrongCore => "WRONG CORE",
            Outcome::Missed => "missed",
            Outcome::NotFlipped => "not flipped",
        };
        let Self { cpu, seconds_in, what, place, said, .. } = self;
        write!(f, "{outcome}: CPU {cpu}, {seconds_in:.2} s in, {what}, in {place}: {said}")
    }
}

/// Starts the command, flips a bit of the worker on each of the CPUs and reads the report.
pub fn run(options: &Options, cpus: &[u32], places: &Places, random: &mut fastrand::Rng) -> anyhow::Result<Vec<Trial>> {
    let runs = tempfile::tempdir().context("no folder for the run")?;
    let report = runs.path().join("report.json");
    let program = &options.command[0];
    let mut run = Command::new(program)
        .args(&options.command[1..])
        .arg("--runs")
        .arg(runs.path())
        .arg("--json")
        .arg(&report)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("{program}: not to be started"))?;
    let began = Instant::now();
    let supervisor = run.id();
    // Whoever stops a thread is its tracer, and no other thread is.
    let flipped: Vec<_> = thread::scope(|scope| {
        let hits: Vec<_> = cpus
            .iter()
            .map(|&cpu| {
                let mut random = random.fork();
                scope.spawn(move || {
                    let moment = options.from + random.f64() * (options.to - options.from);
                    thread::sleep(Duration::from_secs_f64(moment));
                    let until = began + Duration::from_secs_f64(options.to);
                    let flipped = flip(supervisor, options, cpu, places, until, &mut random);
                    (began.elapsed().as_secs_f64(), flipped)
                })
            })
            .collect();
        hits.into_iter().map(|hit| hit.join().expect("does not panic")).collect()
    });
    run.wait().context("the run")?;
    let report = fs::read(&report).context("the run left no report: see what it says by itself")?;
    let report: serde_json::Value = serde_json::from_slice(&report).context("the report")?;
    let trial = |(&cpu, (seconds_in, flipped)): (&u32, (f64, anyhow::Result<_>))| {
        let (outcome, said) = verdict(&report, cpu, cpus);
        match flipped {
            Ok((what, place)) => {
                let outcome = if options.group == Group::Nothing { Outcome::NotFlipped } else { outcome };
                Trial { cpu, seconds_in, what, place, outcome, said }
            }
            Err(error) => {
                let (what, place) = (format!("{error:#}"), "none".into());
                Trial { cpu, seconds_in, what, place, outcome: Outcome::NotFlipped, said }
            }
        }
    };
    Ok(cpus.iter().zip(flipped).map(trial).collect())
}

/// What the report says of that CPU's core, where those of `hit` were hit; in words, its first finding or the whole run's verdict.
fn verdict(report: &serde_json::Value, cpu: u32, hit: &[u32]) -> (Outcome, String) {
    let list = |name: &str| report[name].as_array().cloned().unwrap_or_default();
    let has_cpu =
        |one: &serde_json::Value, cpu: u32| one["cpus"].as_array().is_some_and(|cpus| cpus.contains(&cpu.into()));
    let is_named = |one: &serde_json::Value| matches!(one["verdict"].as_str(), Some("fail" | "suspect"));
    let named: Vec<_> = list("cores").into_iter().filter(is_named).collect();
    let core = list("cores").into_iter().find(|one| has_cpu(one, cpu)).map(|one| one["core"].clone());
    let finding = list("findings").into_iter().find(|finding| Some(&finding["core"]) == core.as_ref());
    let word = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
    let said = finding.map_or_else(
        || word(&report["verdict"]),
        |found| format!("{} {} {}", word(&found["class"]), word(&found["kernel"]), word(&found["stage"])),
    );
    let is_hit = |one: &serde_json::Value| hit.iter().any(|&cpu| has_cpu(one, cpu));
    let outcome = if !named.iter().all(is_hit) {
        Outcome::WrongCore
    } else if named.iter().any(|one| has_cpu(one, cpu)) {
        Outcome::Found
    } else {
        Outcome::Missed
    };
    (outcome, said)
}

/// Flips the bit; says which and where. Where a moment has no result of the kind another is taken, until `until`.
fn flip(
    supervisor: u32,
    options: &Options,
    cpu: u32,
    places: &Places,
    until: Instant,
    random: &mut fastrand::Rng,
) -> anyhow::Result<(String, String)> {
    let mut factory = InstructionInfoFactory::new();
    loop {
        let (process, mut held, mut before) = stop(supervisor, cpu, random)?;
        let name = |held: &Held, at: &user_regs_struct| {
            places.name(process, &options.command[0], at.rip, &held.stack(at.rsp, STACK_WORDS))
        };
        if matches!(options.group, Group::Nothing | Group::Register) {
            let chosen = (options.group == Group::Register).then(|| Bit::of_any_vector(random));
            chosen.map_or(Ok(()), |bit| bit.flip(&held))?;
            let what = chosen.map_or_else(|| "looked".into(), |bit| bit.to_string());
            return Ok((format!("{what} at {:#x}", before.rip), name(&held, &before)));
        }
        let mut left = random.u32(0..options.steps);
        for _ in 0..MOST_STEPS {
            let instruction = bit::next_instruction(&held, before.rip)?;
            held.step()?;
            let after = held.registers()?;
            let meant = match options.group {
                Group::General => bit::general_results(&mut factory, &instruction, &after),
                _ => bit::vector_results(&mut factory, &instruction),
            };
            if !meant.is_empty() && left == 0 {
                let chosen: Register = meant[random.usize(0..meant.len())];
                let chosen = Bit::of(chosen, random);
                chosen.flip(&held)?;
                let what = format!("{chosen} by {:?} at {:#x}", instruction.code(), before.rip);
                return Ok((what, name(&held, &before)));
            }
            left -= u32::from(!meant.is_empty());
            before = after;
        }
        if Instant::now() >= until {
            bail!("no result of the kind in {MOST_STEPS} instructions, in {}", name(&held, &before));
        }
        drop(held);
        thread::sleep(Duration::from_millis(random.u64(1..500)));
    }
}

/// Stops the worker on that CPU in a moment in which it executes its own instructions.
fn stop(supervisor: u32, cpu: u32, random: &mut fastrand::Rng) -> anyhow::Result<(i32, Held, user_regs_struct)> {
    loop {
        match lane(supervisor, cpu) {
            Ok(Some((process, lane))) => {
                let held = Held::stop(Pid::from_raw(lane))?;
                let registers = held.registers()?;
                // In a system call it executes none.
                if registers.orig_rax as i64 == -1 {
                    return Ok((process, held, registers));
                }
            }
            Ok(None) => {}
            Err(_) => bail!("the run was over"),
        }
        thread::sleep(Duration::from_micros(random.u64(100..2_000)));
    }
}

/// The process and thread of the worker that is pinned to that CPU, unless it sleeps. An error: the run is over.
fn lane(supervisor: u32, cpu: u32) -> io::Result<Option<(i32, i32)>> {
    let name = format!("lane-{cpu}");
    let stat = fs::read_to_string(format!("/proc/{supervisor}/stat"))?;
    if stat.contains(") Z ") {
        return Err(io::ErrorKind::NotFound.into());
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(first: &str, second: &str) -> serde_json::Value {
        json!({
            "verdict": "fail",
            "cores": [
                { "core": 0, "cpus": [0, 2], "verdict": first },
                { "core": 1, "cpus": [1, 3], "verdict": second },
            ],
            "findings": [{ "core": 1, "class": "miscompute", "kernel": "gemm-f32", "stage": null }],
        })
    }

    #[test]
    fn a_bit_is_found_where_its_own_core_is_named() {
        let outcome = |first, second, hit: &[u32]| verdict(&report(first, second), 1, hit).0;
        assert!(outcome("pass", "fail", &[1]) == Outcome::Found);
        assert!(outcome("fail", "suspect", &[1]) == Outcome::WrongCore);
        assert!(outcome("fail", "suspect", &[0, 1]) == Outcome::Found);
        assert!(outcome("pass", "pass", &[1]) == Outcome::Missed);
        assert!(outcome("fail", "pass", &[1]) == Outcome::WrongCore);
        assert!(outcome("fail", "pass", &[0, 1]) == Outcome::Missed, "the other's own");
        let (_, said) = verdict(&report("pass", "fail"), 3, &[3]);
        assert_eq!(said, "miscompute gemm-f32 -");
        assert_eq!(verdict(&report("pass", "pass"), 0, &[0]).1, "fail");
    }
}
