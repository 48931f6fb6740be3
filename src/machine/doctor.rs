//! What this machine lets us read and do, and how to allow more: a list of findings about the machine, not about its cores.

use serde::Serialize;

use super::{Machine, Root, cap, clock, format_cpu_list, hardware_log};

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It works.
    Ok,
    /// It is not there; what that costs is in the detail.
    Missing,
    /// It will spoil results.
    Warning,
}

/// One thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is.
    pub what: String,
    /// How it stands.
    pub state: State,
    /// What was seen.
    pub detail: String,
    /// How to have more of it; null where nothing can be done, or need be.
    pub remedy: Option<&'static str>,
}

impl Check {
    /// One that works.
    pub fn ok(what: &str, detail: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Ok, detail: detail.into(), remedy: None }
    }

    /// One that does not.
    pub fn missing(what: &str, detail: impl Into<String>, remedy: Option<&'static str>) -> Self {
        Self { what: what.into(), state: State::Missing, detail: detail.into(), remedy }
    }

    fn warning(what: &str, detail: impl Into<String>, remedy: &'static str) -> Self {
        Self { what: what.into(), state: State::Warning, detail: detail.into(), remedy: Some(remedy) }
    }
}

/// How to have more on Linux, by the name under which a thing is missed.
const ON_LINUX: [(&str, &str); 10] = [
    ("temperature", "load the CPU's driver, as root: modprobe coretemp (Intel) or k10temp (AMD)"),
    ("core voltage", "load the driver of the board's monitoring chip (sensors-detect of lm-sensors names it)"),
    ("package power", "run as root, or let everybody read it: chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj"),
    ("perf cycles", "as root: sysctl kernel.perf_event_paranoid=2"),
    ("APERF", "as root: modprobe msr, then run oddcore as root"),
    ("turbo ratio limits", "as root: modprobe msr, then run oddcore as root"),
    ("rasdaemon's database", "run as root, or leave its journal_mode as rasdaemon sets it"),
    ("machine checks", "run as root, or join the group that may read /var/log/kern.log (adm on Debian)"),
    ("top clocks", "say them with --expect, like --expect 4,5=60x,rest=57x"),
    ("capping clocks", "run oddcore tune as root, with a cpufreq driver that has scaling_max_freq"),
];
/// The same on Windows.
const ON_WINDOWS: [(&str, &str); 3] = [
    ("% Processor Performance", "as administrator: lodctr /R, which builds damaged counters again"),
    ("top clocks", "say them with --expect, like --expect 4,5=60x,rest=57x"),
    ("capping clocks", "cap a whole class of cores by hand, run, and take the cap off again: docs/WINDOWS.md"),
];
const REMEDIES: &[(&str, &str)] = if cfg!(windows) { &ON_WINDOWS } else { &ON_LINUX };

/// Everything about `machine`, read below `root`.
pub fn examine(machine: &Machine, root: &Root) -> Vec<Check> {
    let mut checks = vec![cpus(machine), kernels(), own_clock(machine, root), microcode(machine)];
    if machine.virtual_machine {
        let detail = "the clock is the host's, and the core under a CPU may change while we test it";
        checks.push(Check::warning("virtual machine", detail, "test on the machine itself"));
    }
    let mut missing = machine.missing.clone();
    let there = machine.sensors.iter().cloned().chain(hardware_log::survey(root, &mut missing));
    checks.extend(there.map(|what| Check::ok(&what, "can be read")));
    let all: Vec<u32> = machine.cores.iter().map(|core| core.core).collect();
    match cap::settable(machine, &all, root) {
        Ok(_) => checks.push(Check::ok("capping clocks", "oddcore tune may set scaling_max_freq")),
        Err(why) => missing.push(format!("capping clocks: {why}")),
    }
    checks.extend(missing.iter().map(|text| not_there(text, machine.virtual_machine)));
    checks.extend(machine.notes.iter().map(|note| Check {
        what: "note".into(),
        state: State::Warning,
        detail: note.clone(),
        remedy: None,
    }));
    checks
}

fn cpus(machine: &Machine) -> Check {
    let cpus = |of: fn(&super::Core) -> &Vec<u32>| -> Vec<u32> {
        machine.cores.iter().flat_map(|core| of(core).iter().copied()).collect()
    };
    let (all, testable) = (cpus(|core| &core.cpus), cpus(|core| &core.testable));
    let barred: Vec<u32> = all.iter().copied().filter(|cpu| !testable.contains(cpu)).collect();
    if barred.is_empty() {
        return Check::ok("CPUs", format!("all {} may be tested", all.len()));
    }
    let detail = format!("of {} this process may not use {}", all.len(), format_cpu_list(&barred));
    Check::warning("CPUs", detail, "start oddcore outside of the container, taskset or cpuset that keeps it off them")
}

fn kernels() -> Check {
    let variants = || oddcore_kernels::all().iter().flat_map(|kernel| kernel.variants());
    let here = variants().filter(|variant| variant.isa.token().is_some()).count();
    let (kernels, all) = (oddcore_kernels::all().len(), variants().count());
    Check::ok(
        "kernels",
        format!("{kernels}; {here} of their {all} variants run on this CPU (oddcore kernels lists them)"),
    )
}

/// The one source of clocks that needs no rights.
fn own_clock(machine: &Machine, root: &Root) -> Check {
    if !root.is_real() {
        return Check::missing("own clock", "this machine is read from a folder: none of its cores can be timed", None);
    }
    match clock::measure() {
        Some(mhz) => {
            let detail = format!("{mhz:.0} MHz ({}x) on the core that this ran on", machine.multiplier(mhz));
            Check::ok("own clock", detail)
        }
        None => Check::warning(
            "own clock",
            "the core's clock could not be measured: something else keeps it busy, or its chains have other latencies",
            "close other programs; evidence without a clock is kept, but proves no multiplier",
        ),
    }
}

fn microcode(machine: &Machine) -> Check {
    let revision = machine.microcode.as_deref().unwrap_or("unknown");
    match machine.microcode_judged().and_then(|judged| judged.advice()) {
        Some(advice) => {
            Check::warning("microcode", format!("{revision}, {advice}"), "install the board's newest firmware")
        }
        None => Check::ok("microcode", revision),
    }
}

/// `what: why`.
fn not_there(text: &str, virtual_machine: bool) -> Check {
    let (what, why) = text.split_once(": ").unwrap_or((text, "not there"));
    let remedy = REMEDIES.iter().find(|(name, _)| what.starts_with(name)).map(|(_, remedy)| *remedy);
    // What a hypervisor keeps to itself no driver brings; the warning about virtual machines says what does.
    let hidden = virtual_machine && !matches!(what, "top clocks" | "machine checks");
    Check::missing(what, why, remedy.filter(|_| !hidden))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examined(root: &Root, virtual_machine: bool) -> Vec<Check> {
        let mut machine = crate::machine::read(root, &[0, 1]).expect("a machine");
        machine.virtual_machine = virtual_machine;
        examine(&machine, root)
    }

    #[test]
    fn what_is_missing_has_a_remedy_where_no_hypervisor_hides_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = Root::at(folder.path());
        let find = |checks: &[Check], what: &str| {
            checks.iter().find(|check| check.what == what).unwrap_or_else(|| panic!("{what}: {checks:?}")).clone()
        };
        let checks = examined(&root, false);
        for what in ["temperature", "core voltage", "machine checks", "capping clocks", "top clocks"] {
            let check = find(&checks, what);
            assert_eq!(check.state, State::Missing, "{what}");
            assert_eq!(check.remedy.is_some(), REMEDIES.iter().any(|(name, _)| *name == what), "{what}");
        }
        assert_eq!(find(&checks, "CPUs").state, State::Ok);
        let checks = examined(&root, true);
        assert_eq!(find(&checks, "temperature").remedy, None);
        assert_eq!(find(&checks, "virtual machine").state, State::Warning);
    }

    #[test]
    fn every_remedy_is_of_something_that_can_be_missed() {
        let sources = [
            include_str!("sensors.rs"),
            include_str!("hardware_log.rs"),
            include_str!("cycles.rs"),
            include_str!("performance.rs"),
            include_str!("rated.rs"),
            include_str!("doctor.rs"),
        ];
        for (what, _) in ON_LINUX.iter().chain(&ON_WINDOWS) {
            assert!(sources.iter().any(|source| source.contains(what)), "{what}");
        }
    }
}
