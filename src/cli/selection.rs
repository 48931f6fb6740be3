//! `--cores 0-7,!4`, `--kernels GLOB,...`, `--loads solo,...`.

use std::collections::BTreeSet;

use super::CliError;
use crate::{
    journal::record::NotTested,
    machine::Machine,
    plan::{self, Expect, Expected, Load, glob},
};

/// The cores to test, and why each of the others is not.
pub fn cores(machine: &Machine, wanted: Option<&str>) -> Result<(Vec<u32>, NotTested), CliError> {
    let chosen = wanted.map(|text| parse_cores(text, machine)).transpose()?;
    let mut not_tested = Vec::new();
    let mut cores = Vec::new();
    for core in &machine.cores {
        if chosen.as_ref().is_some_and(|chosen| !chosen.contains(&core.core)) {
            not_tested.push((core.core, "outside --cores".to_owned()));
        } else if core.testable.is_empty() {
            not_tested.push((core.core, "this process may not run on its CPUs (affinity or cpuset)".to_owned()));
        } else {
            cores.push(core.core);
        }
    }
    if cores.is_empty() {
        return Err(CliError::Usage(
            "no core is left to test: this process may not run on any of those asked for".into(),
        ));
    }
    Ok((cores, not_tested))
}

fn parse_cores(text: &str, machine: &Machine) -> Result<BTreeSet<u32>, CliError> {
    let wrong = || CliError::Usage(format!("--cores {text}: write indexes like 0-7,!4; `oddcore cores` shows them"));
    let all: BTreeSet<u32> = machine.cores.iter().map(|core| core.core).collect();
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let mut chosen = if parts.iter().all(|part| part.starts_with('!')) { all.clone() } else { BTreeSet::new() };
    for part in parts {
        let (out, range) = part.strip_prefix('!').map_or((false, part), |rest| (true, rest));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
        if first > last {
            return Err(wrong());
        }
        let highest = all.last().copied().unwrap_or(0);
        if let Some(missing) = [first, last].into_iter().find(|core| !all.contains(core)) {
            return Err(CliError::Usage(format!(
                "--cores {text}: there is no core {missing}; this machine has 0-{highest}"
            )));
        }
        for core in first..=last {
            if out {
                chosen.remove(&core)
            } else {
                chosen.insert(core)
            };
        }
    }
    Ok(chosen)
}

/// The kernels whose names match; every pattern must match one.
pub fn kernels(patterns: Option<&str>) -> Result<Vec<String>, CliError> {
    let all: Vec<&str> = oddcore_kernels::all().iter().map(|kernel| kernel.name()).collect();
    let Some(patterns) = patterns else { return Ok(all.into_iter().map(str::to_owned).collect()) };
    let patterns: Vec<&str> = patterns.split(',').map(str::trim).collect();
    for pattern in &patterns {
        if !all.iter().any(|name| glob(pattern, name)) {
            return Err(CliError::Usage(format!("--kernels {pattern}: no such kernel; there are: {}", all.join(", "))));
        }
    }
    let chosen = all.into_iter().filter(|name| patterns.iter().any(|p| glob(p, name)));
    Ok(chosen.map(str::to_owned).collect())
}

/// What is expected of the cores under test.
pub fn expect(wanted: Option<&str>, tested: &[u32]) -> Result<Vec<Expected>, CliError> {
    let Some(text) = wanted else { return Ok(Vec::new()) };
    let expected = Expect::parse(text).and_then(|expect| expect.of(tested));
    expected.map_err(|why| CliError::Usage(format!("--expect {text}: {why}")))
}

/// The loads of that list, or of `default`: those that these cores can be put under. One that was asked for and cannot be had
/// is an error.
pub fn loads(
    wanted: Option<&str>,
    default: &[Load],
    (machine, cores): (&Machine, &[u32]),
    kernels: &[String],
) -> Result<Vec<Load>, CliError> {
    let lacks = |load: Load| {
        let missing = load.kernel().filter(|only| !kernels.iter().any(|kernel| kernel == only));
        let without =
            || missing.map(|only| format!("it is made of the kernel {only}, which is not among those asked for"));
        plan::lacks(machine, cores, load).or_else(without)
    };
    let can_be_had = |load: &Load| lacks(*load).is_none();
    let Some(wanted) = wanted else { return Ok(default.iter().copied().filter(can_be_had).collect()) };
    let mut chosen = Vec::new();
    for name in wanted.split(',').map(str::trim) {
        let meant = Load::meant_by(name);
        let Some(&first) = meant.first() else {
            let known = Load::names();
            return Err(CliError::Usage(format!("--loads {name}: no such load in this version; there are: {known}")));
        };
        if !meant.iter().any(can_be_had) {
            let why = lacks(first).unwrap_or_default();
            return Err(CliError::Usage(format!("--loads {name}: cannot be had here: {why}")));
        }
        chosen.extend(meant.into_iter().filter(can_be_had));
    }
    // A round has them in its own order, each once.
    Ok(Load::ALL.into_iter().filter(|load| chosen.contains(load)).collect())
}
