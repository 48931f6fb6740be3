//! One run, and in it a bit flipped in one worker or in each of several.

use std::{
    fmt, fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use iced_x86::InstructionInfoFactory;
use tempfile::TempDir;

use crate::{
    bit::Bit,
    moment,
    options::{Group, Options},
    places::Places,
};

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

/// A run that was started, with a folder of its own for what it keeps.
pub struct Started {
    /// The supervisor.
    pub run: Child,
    report: PathBuf,
    /// Deleted with it.
    _folder: TempDir,
}

impl Started {
    /// Starts the command.
    pub fn new(options: &Options) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("no folder for the run")?;
        let report = folder.path().join("report.json");
        let program = &options.command[0];
        let run = Command::new(program)
            .args(&options.command[1..])
            .arg("--runs")
            .arg(folder.path())
            .arg("--json")
            .arg(&report)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{program}: not to be started"))?;
        Ok(Self { run, report, _folder: folder })
    }
}

impl Drop for Started {
    /// Ends it, if it has not.
    fn drop(&mut self) {
        let _ = self.run.kill();
        let _ = self.run.wait();
    }
}

/// Starts the command, flips a bit of the worker on each of the CPUs and reads the report.
pub fn run(options: &Options, cpus: &[u32], places: &Places, random: &mut fastrand::Rng) -> anyhow::Result<Vec<Trial>> {
    let mut started = Started::new(options)?;
    let began = Instant::now();
    let supervisor = started.run.id();
    let flipped = moment::on_each(cpus, random, |cpu, mut random| {
        let moment = options.from + random.f64() * (options.to - options.from);
        thread::sleep(Duration::from_secs_f64(moment));
        let until = began + Duration::from_secs_f64(options.to);
        let flipped = flip(supervisor, options, cpu, places, until, &mut random);
        (began.elapsed().as_secs_f64(), flipped)
    });
    started.run.wait().context("the run")?;
    let report = fs::read(&started.report).context("the run left no report: see what it says by itself")?;
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
        let mut moment = moment::stop(supervisor, cpu, random)?;
        if matches!(options.group, Group::Nothing | Group::Register) {
            let chosen = (options.group == Group::Register).then(|| Bit::of_any_vector(random));
            chosen.map_or(Ok(()), |bit| bit.flip(&moment.held))?;
            let what = chosen.map_or_else(|| "looked".into(), |bit| bit.to_string());
            return Ok((format!("{what} at {:#x}", moment.registers.rip), moment.place(places, options)));
        }
        if let Some(written) = moment.step_to_result(options, places, &mut factory, random)? {
            let chosen = Bit::of(written.register, random);
            chosen.flip(&moment.held)?;
            return Ok((format!("{chosen} by {:?} at {:#x}", written.code, written.at), written.place));
        }
        if Instant::now() >= until {
            let place = moment.place(places, options);
            bail!("no result of the kind in {} instructions, in {place}", moment::MOST_WITHOUT_RESULT);
        }
        drop(moment);
        thread::sleep(Duration::from_millis(random.u64(1..500)));
    }
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
