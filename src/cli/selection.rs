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
    let wrong = || {
        CliError::Usage(format!(
            "--cores {text}: write indexes or names like 0-7,!4 or P4,E0-E3; `oddcore cores` shows them"
        ))
    };
    let all: BTreeSet<u32> = machine.cores.iter().map(|core| core.core).collect();
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let mut chosen = if parts.iter().all(|part| part.starts_with('!')) { all.clone() } else { BTreeSet::new() };
    for part in parts {
        let (out, range) = part.strip_prefix('!').map_or((false, part), |rest| (true, rest));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        if let Some(named) = named(machine, first, last) {
            if out {
                chosen.retain(|core| !named.contains(core));
            } else {
                chosen.extend(named);
            }
            continue;
        }
        let is_here = |name: &str| machine.cores.iter().any(|core| core.short.eq_ignore_ascii_case(name));
        if let Some(missing) = [first, last].into_iter().find(|name| is_a_name(name) && !is_here(name)) {
            let here = machine.names(&all.iter().copied().collect::<Vec<_>>());
            return Err(CliError::Usage(format!(
                "--cores {text}: there is no core {missing}; this machine has {here}"
            )));
        }
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

/// A letter and a number, as P4.
fn is_a_name(text: &str) -> bool {
    let number = text.strip_prefix(|first: char| first.is_ascii_alphabetic());
    number.is_some_and(|number| number.parse::<u32>().is_ok())
}

/// Cores from one name to another of the same letter, as P4 to P6, which need not lie side by side among the indexes; `None` if there
/// are no such names.
fn named(machine: &Machine, first: &str, last: &str) -> Option<Vec<u32>> {
    let split = |name: &str| -> Option<(char, u32)> {
        let mut chars = name.chars();
        let letter = chars.next().filter(char::is_ascii_alphabetic)?.to_ascii_uppercase();
        Some((letter, chars.as_str().parse().ok()?))
    };
    let of = |core: &crate::machine::Core| split(&core.short).map(|name| (name, core.core));
    let names: Vec<((char, u32), u32)> = machine.cores.iter().filter_map(of).collect();
    let (from, to) = (split(first)?, split(last)?);
    let known = |name| names.iter().any(|(other, _)| *other == name);
    let between = || names.iter().filter(|(name, _)| (from..=to).contains(name)).map(|(_, core)| *core);
    (from.0 == to.0 && from.1 <= to.1 && known(from) && known(to)).then(|| between().collect())
}

/// The kernels whose names match; every pattern must match one.
pub fn kernels(patterns: Option<&str>) -> Result<Vec<String>, CliError> {
    let all: Vec<&str> = oddcore_kernels::all().iter().map(|kernel| kernel.name()).collect();
    let Some(patterns) = patterns else { return Ok(all.into_iter().map(str::to_owned).collect()) };
    let patterns: Vec<&str> = patterns.split(',').map(str::trim).collect();
    for pattern in &patterns {
        if !all.iter().any(|name| glob(pattern, name)) {
            let begins = all.iter().any(|name| name.starts_with(pattern));
            let meant = if begins { format!("did you mean '{pattern}*'? There") } else { "there".to_owned() };
            let all = all.join(", ");
            return Err(CliError::Usage(format!("--kernels {pattern}: no such kernel; {meant} are: {all}")));
        }
    }
    let chosen = all.into_iter().filter(|name| patterns.iter().any(|p| glob(p, name)));
    Ok(chosen.map(str::to_owned).collect())
}

/// What is expected of the cores under test, which may be named too.
pub fn expect(machine: &Machine, wanted: Option<&str>, tested: &[u32]) -> Result<Vec<Expected>, CliError> {
    let Some(text) = wanted else { return Ok(Vec::new()) };
    let index = |part: &str| {
        let (cores, at) = part.split_once('=').map_or((part, None), |(cores, at)| (cores, Some(at)));
        let (first, last) = cores.trim().split_once('-').unwrap_or((cores.trim(), cores.trim()));
        let cores = named(machine, first, last).map(|cores| {
            let cores: Vec<String> = cores.iter().map(u32::to_string).collect();
            cores.join(",")
        });
        let cores = cores?;
        Some(at.map_or_else(|| cores.clone(), |at| format!("{cores}={at}")))
    };
    let indexes: Vec<String> = text.split(',').map(|part| index(part).unwrap_or_else(|| part.to_owned())).collect();
    let expected = Expect::parse(&indexes.join(",")).and_then(|expect| expect.of(tested));
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
            return Err(CliError::Usage(format!("--loads {name}: no such load; there are: {known}")));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Kind, Root, read};

    #[test]
    fn cores_may_be_named_as_people_see_them() {
        let nothing = tempfile::tempdir().expect("a folder");
        let mut machine = read(&Root::at(nothing.path()), &[0, 1, 2, 3, 4]).expect("a machine");
        // Large and small ones by turns, as some firmware numbers them.
        for (core, short) in machine.cores.iter_mut().zip(["P0", "E0", "P1", "E1", "P2"]) {
            core.kind = if short.starts_with('P') { Kind::Performance } else { Kind::Efficiency };
            core.short = short.into();
        }
        let chosen =
            |text: &str| cores(&machine, Some(text)).map(|(cores, _)| cores).map_err(|error| error.to_string());
        for (text, meant) in [
            ("P0-P2", vec![0, 2, 4]),
            ("p1,E0", vec![1, 2]),
            ("!P1", vec![0, 1, 3, 4]),
            ("0-4,!E0-E1", vec![0, 2, 4]),
            ("P0-P2,!2", vec![0, 4]),
        ] {
            assert_eq!(chosen(text), Ok(meant), "{text}");
        }
        for text in ["P3", "P0-P3", "E0,E7"] {
            let why = chosen(text).expect_err(text);
            assert!(why.contains("there is no core ") && why.ends_with("this machine has P0 E0 P1 E1 P2"), "{why}");
        }
        for text in ["P2-P0", "P0-E1", "P", "-P0", "PP0", "P0-", ""] {
            assert!(chosen(text).is_err_and(|error| error.contains("names like")), "{text}");
        }
        let expected = expect(&machine, Some("P0-P1,4=60x,rest=44x"), &[0, 1, 2, 3, 4]).expect("sound");
        let all: Vec<(u32, u32)> = expected.iter().map(|one| (one.core, one.multiplier)).collect();
        assert_eq!(all, [(0, 60), (1, 44), (2, 60), (3, 44), (4, 60)]);
    }
}
