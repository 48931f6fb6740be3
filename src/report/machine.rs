//! A machine as a person reads it: what is known of its cores, how far that can be trusted, what is not known and why.

use std::{collections::BTreeSet, fmt::Write as _};

use comfy_table::{Table, presets::NOTHING};

use super::text::wrapped;
use crate::machine::{Cache, Core, Machine, RatedClock, Source, format_cpu_list};

/// All of it.
pub fn render(machine: &Machine) -> String {
    let mut out = String::new();
    let mut line = |text: &str| {
        let _ = writeln!(out, "{}", wrapped(text, "  "));
    };
    line(&machine.cpu);
    line(&format!("{}{}", machine.os, if machine.virtual_machine { ", a virtual machine" } else { "" }));
    if let Some(microcode) = &machine.microcode {
        let judged = machine.microcode_judged().map_or_else(String::new, |judged| match judged.advice() {
            Some(advice) => format!(", {advice}"),
            None => ", new enough for its generation".into(),
        });
        line(&format!("microcode {microcode}{judged}"));
    }
    line(&counts(machine));
    if let Some(groups) = machine.groups_sentence() {
        line(&groups);
    }
    out += &table(machine);
    let below = [clocks, caches, idle, sensors, closed].into_iter().flat_map(|of| of(machine));
    let notes = machine.notes.iter().map(|note| format!("note: {note}"));
    let missing = machine.missing.iter().map(|missing| format!("not known: {missing}"));
    for text in below.chain(notes).chain(missing) {
        let _ = writeln!(out, "{}", wrapped(&text, "  "));
    }
    out
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// `24 cores, 32 CPUs, 1 package; SMT on`.
fn counts(machine: &Machine) -> String {
    let distinct = |of: fn(&Core) -> Option<u32>| machine.cores.iter().filter_map(of).collect::<BTreeSet<_>>().len();
    let cpus = machine.cores.iter().map(|core| core.cpus.len()).sum();
    let mut parts = vec![counted(machine.cores.len(), "core"), counted(cpus, "CPU")];
    for (count, what) in [(distinct(|core| core.package), "package"), (distinct(|core| core.node), "NUMA node")] {
        if count > 0 {
            parts.push(counted(count, what));
        }
    }
    let smt = machine.smt.map_or_else(String::new, |smt| format!("; SMT {}", smt.name()));
    format!("{}{smt}", parts.join(", "))
}

/// A row for each core; a column that says nothing, or the same of all cores, is left out.
fn table(machine: &Machine) -> String {
    let mhz = |clock: Option<RatedClock>| clock.map(|clock| format!("{:.0}", clock.mhz));
    let text = |number: Option<u32>| number.map(|number| number.to_string());
    let top: Vec<Option<String>> = machine.cores.iter().map(|core| mhz(core.top_mhz)).collect();
    let base: Vec<Option<String>> = machine.cores.iter().map(|core| mhz(core.base_mhz)).collect();
    let of = |value: fn(&Core) -> Option<u32>| machine.cores.iter().map(|core| text(value(core))).collect::<Vec<_>>();
    let clocks = [("top", top), ("base", base), ("favoured", of(|core| core.favoured_rank))];
    let places = [
        ("package", of(|core| core.package)),
        ("die", of(|core| core.die)),
        ("L3", of(|core| core.l3)),
        ("cluster", of(|core| core.cluster)),
        ("node", of(|core| core.node)),
    ];
    let tells = |values: &[Option<String>]| values.iter().any(Option::is_some);
    let tells_apart = |values: &[Option<String>]| values.windows(2).any(|pair| pair[0] != pair[1]);
    let columns: Vec<(&str, Vec<Option<String>>)> = clocks
        .into_iter()
        .filter(|(_, values)| tells(values))
        .chain(places.into_iter().filter(|(_, values)| tells_apart(values)))
        .collect();
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["core", "label"].into_iter().chain(columns.iter().map(|(name, _)| *name)));
    for (row, core) in machine.cores.iter().enumerate() {
        let values = columns.iter().map(|(_, values)| values[row].clone().unwrap_or_else(|| "-".into()));
        table.add_row([core.core.to_string(), core.label.clone()].into_iter().chain(values));
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Who says how high the cores may go, and how far that can be trusted.
fn clocks(machine: &Machine) -> Vec<String> {
    let line = |what: &str, of: fn(&Core) -> Option<RatedClock>| {
        let sources: BTreeSet<Source> = machine.cores.iter().filter_map(of).map(|clock| clock.source).collect();
        let said = |source: &Source| {
            let all = machine.cores.iter().filter(|core| of(core).is_some_and(|clock| clock.source == *source));
            let cores: Vec<u32> = all.map(|core| core.core).collect();
            let whose = if sources.len() > 1 { format!(" for {}", machine.names(&cores)) } else { String::new() };
            format!("{} ({}){whose}", source.name(), source.trust())
        };
        let said: Vec<String> = sources.iter().map(said).collect();
        (!said.is_empty()).then(|| format!("{what}, MHz: {}", said.join("; ")))
    };
    [line("top", |core| core.top_mhz), line("base", |core| core.base_mhz)].into_iter().flatten().collect()
}

/// `caches of P0-P7: L1d 48 KiB, L1i 32 KiB, L2 2 MiB, L3 36 MiB for 24 cores`.
fn caches(machine: &Machine) -> Vec<String> {
    let size = |bytes: u64| match bytes >> 10 {
        kib if kib >= 1024 && kib % 1024 == 0 => format!("{} MiB", kib >> 10),
        kib => format!("{kib} KiB"),
    };
    let first_cpus: Vec<(u32, u32)> =
        machine.cores.iter().filter_map(|core| Some((*core.cpus.first()?, core.core))).collect();
    let describe = |cache: &Cache| {
        let shared = cache.cpus.iter().filter(|&&cpu| first_cpus.binary_search_by_key(&cpu, |&(cpu, _)| cpu).is_ok());
        let shared = shared.count();
        let among = if shared > 1 { format!(" for {shared} cores") } else { String::new() };
        format!("{} {}{among}", cache.name(), size(cache.bytes))
    };
    let mut alike: Vec<(String, Vec<u32>)> = Vec::new();
    for core in machine.cores.iter().filter(|core| !core.caches.is_empty()) {
        let text = core.caches.iter().map(describe).collect::<Vec<_>>().join(", ");
        match alike.iter_mut().find(|(other, _)| *other == text) {
            Some((_, cores)) => cores.push(core.core),
            None => alike.push((text, vec![core.core])),
        }
    }
    let line = |(text, cores): (String, Vec<u32>)| {
        let whose =
            if cores.len() == machine.cores.len() { String::new() } else { format!(" of {}", machine.names(&cores)) };
        format!("caches{whose}: {text}")
    };
    alike.into_iter().map(line).collect()
}

/// `idle states: POLL C1E C6 C10 (intel_idle); C6 off on P4 P5`.
fn idle(machine: &Machine) -> Vec<String> {
    let Some(idle) = &machine.idle else { return Vec::new() };
    let names: Vec<&str> = idle.states.iter().map(|state| state.name.as_str()).collect();
    let driver = idle.driver.as_ref().map_or_else(String::new, |driver| format!(" ({driver})"));
    let off = idle.states.iter().filter(|state| !state.off.is_empty()).map(|state| {
        let all = state.off.len() == state.cores.len();
        let whose = if all { String::new() } else { format!(" on {}", machine.names(&state.off)) };
        format!("; {} off{whose}", state.name)
    });
    vec![format!("idle states: {}{driver}{}", names.join(", "), off.collect::<String>())]
}

fn sensors(machine: &Machine) -> Vec<String> {
    if machine.sensors.is_empty() { Vec::new() } else { vec![format!("sensors: {}", machine.sensors.join(", "))] }
}

/// CPUs that no test can reach.
fn closed(machine: &Machine) -> Vec<String> {
    let mut lines = Vec::new();
    if !machine.offline.is_empty() {
        lines.push(format!("switched off: CPUs {}", format_cpu_list(&machine.offline)));
    }
    let all = machine.cores.iter().flat_map(|core| &core.cpus).count();
    let mut open: Vec<u32> = machine.cores.iter().flat_map(|core| core.testable.iter().copied()).collect();
    open.sort_unstable();
    if open.len() < all {
        let cpus = if open.is_empty() { "none".to_owned() } else { format!("CPUs {}", format_cpu_list(&open)) };
        lines.push(format!("may be tested: {cpus} only; the others are outside this process's affinity or cpuset"));
    }
    lines
}
