//! The report as a person reads it: a plain sentence, a table with a core a row, what to do next.

use std::fmt::Write as _;

use comfy_table::{Table, presets::NOTHING};

use super::{
    CoreReport, Report, SensorReport, diagnosis, inside, meaning, replay,
    tested::{Tested, any_asked, brief, seconds_at},
};
use crate::{
    machine::format_cpu_list,
    plan::Work,
    verdict::{Class, CoreVerdict, Finding, at, duration},
};

/// Findings shown in full.
const SHOWN: usize = 4;
/// Columns of the narrowest terminal that lines are broken for.
const COLUMNS: usize = 80;

/// What a core and its clock are on a virtual machine.
pub const VIRTUAL: &str = "on a virtual machine the host decides which core a CPU is at any moment, and its clock";

/// The whole report.
pub fn render(report: &Report) -> String {
    let mut out = wrapped(&sentence(report), "");
    out.push('\n');
    out += &table(report);
    out += &reasons(report);
    if report.machine.virtual_machine {
        let _ = writeln!(out, "{}", wrapped(&format!(" {VIRTUAL}"), "   "));
    }
    out += &untested_tops(report);
    out += &inside::lines(report);
    out += &heat(report);
    out += &sensors(report);
    if let Some(beside) = &report.beside {
        let _ = writeln!(out, "{}", wrapped(&format!(" beside: {}", beside.command), "   "));
    }
    out += &diagnosis::lines(report);
    out += &meaning::lines(report);
    out.push('\n');
    for finding in report.findings.iter().take(SHOWN) {
        let lines = finding_lines(report, finding);
        for line in lines.lines() {
            let _ = writeln!(out, "{}", wrapped(line, "     "));
        }
    }
    if report.findings.len() > SHOWN {
        let _ = writeln!(out, "... and {} more findings, all in --json", report.findings.len() - SHOWN);
    }
    out += &breaks(report);
    for note in &report.notes {
        let _ = writeln!(out, "{}", wrapped(&format!("note: {note}"), "  "));
    }
    for (n, line) in report.advice.iter().enumerate() {
        let lead = if n == 0 && report.exit_code == 1 && !report.drill { "Do: " } else { "" };
        let _ = writeln!(out, "{}", wrapped(&format!("{lead}{line}"), "  "));
    }
    out
}

/// When and at what the run was broken off, and what was running when the journal ended.
fn breaks(report: &Report) -> String {
    let during = |load: Option<&str>, kernel: Option<&str>, cores: &[u32]| {
        let of = |core: &u32| report.machine.cores.iter().find(|known| known.core == *core);
        let name = |core: &u32| of(core).map_or_else(|| format!("core {core}"), |known| known.short.clone());
        let on = (!cores.is_empty()).then(|| format!("on {}", cores.iter().map(name).collect::<Vec<_>>().join(" ")));
        let parts = [load.map(|load| format!("{load} load")), kernel.map(str::to_owned), on];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    };
    let mut out = String::new();
    let mut line = |parts: [&str; 3]| {
        let said: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let _ = writeln!(out, "{}", wrapped(&said.join(": "), "  "));
    };
    for broken in &report.interruptions {
        let at = during(broken.load.as_deref(), broken.kernel.as_deref(), &broken.cores);
        let what = format!("{} {}", broken.at, broken.reason.name());
        line([&what, &at, broken.why.as_deref().unwrap_or_default()]);
    }
    if let Some(open) = &report.open_step {
        line(["not ended", &during(Some(&open.load), open.kernel.as_deref(), &open.cores), ""]);
    }
    out
}

/// Text broken at the columns of a narrow terminal, later lines set in.
pub fn wrapped(text: &str, indent: &str) -> String {
    let options = textwrap::Options::new(COLUMNS).subsequent_indent(indent).break_words(false);
    textwrap::fill(text, options.word_splitter(textwrap::WordSplitter::NoHyphenation))
}

/// The verdict in one or two sentences.
pub fn sentence(report: &Report) -> String {
    let drill = if report.drill { "DRILL: " } else { "" };
    let of = |verdict| report.cores.iter().filter(move |core| core.verdict == verdict);
    let failed: Vec<String> = of(CoreVerdict::Fail).map(|core| went_wrong(report, core)).collect();
    let suspects: Vec<&str> = of(CoreVerdict::Suspect).map(|core| core.label.as_str()).collect();
    let unproven: Vec<u32> = of(CoreVerdict::NotProven).map(|core| core.core).collect();
    if !failed.is_empty() {
        return format!("{drill}FAIL: {}. No other core failed.", failed.join("; "));
    }
    if let Some(why) = &report.unfit {
        return format!("{drill}NO VERDICT: {why}.");
    }
    match report.exit_code {
        2 => format!("{drill}NO VERDICT: the cores agree against the program's own reference; no core is blamed."),
        _ if !suspects.is_empty() => {
            format!("{drill}UNDECIDED: something went wrong, and it may have been {}.", suspects.join(" or "))
        }
        0 => match never_at_top(report) {
            Some(never) => format!("{drill}NO ERRORS{}. {never}", lasted(report)),
            None => {
                format!("{drill}NO ERRORS{}: every core tested computed correctly.{}", lasted(report), checked(report))
            }
        },
        _ if !unproven.is_empty() && report.ended.is_some() => format!(
            "{drill}NOT PROVEN: {} missed the multiplier expected of {}; no errors.",
            report.machine.names(&unproven),
            if unproven.len() == 1 { "it" } else { "them" }
        ),
        _ if report.ended.is_none() => format!("{drill}UNFINISHED: the run has not come to its end; no errors so far."),
        _ => format!("{drill}UNDECIDED: not every core could be tested; no errors on the others."),
    }
}

/// ` Checked: 12 s of each.`: how long a run lasted says little of how long its work was checked.
fn checked(report: &Report) -> String {
    let times = report.cores.iter().filter(|core| core.checked.iterations > 0).map(|core| core.checked.cpu_s);
    let times: Vec<f64> = times.filter(|&seconds| seconds > 0.0).collect();
    let (least, most) =
        (times.iter().copied().fold(f64::INFINITY, f64::min), times.iter().copied().fold(0.0, f64::max));
    match times.len() {
        0 => String::new(),
        1 => format!(" Checked: {} of it.", duration(least)),
        _ if duration(least) == duration(most) => format!(" Checked: {} of each.", duration(least)),
        _ => format!(" Checked: at least {} of each.", duration(least)),
    }
}

/// Of a run that was gone on with no length is known: nobody was at work in between.
fn lasted(report: &Report) -> String {
    if !report.interruptions.is_empty() {
        return format!(" in {} sessions", report.interruptions.len() + 1);
    }
    let parse = |text: &str| text.parse::<jiff::Timestamp>().ok();
    match (parse(&report.started), report.ended.as_deref().and_then(parse)) {
        (Some(from), Some(to)) => {
            // A clock may have been set back meanwhile.
            let s = (to.as_second() - from.as_second()).max(0);
            if s >= 3600 {
                format!(" in {}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
            } else {
                format!(" in {}:{:02}", s / 60, s % 60)
            }
        }
        _ => String::new(),
    }
}

/// `P4 computes wrongly at 60x: 7 errors`: the highest multiplier at which it erred.
fn went_wrong(report: &Report, core: &CoreReport) -> String {
    let own = || report.findings.iter().filter(|finding| finding.core == Some(core.core));
    let at = own().filter_map(|finding| finding.multiplier).max().map_or_else(String::new, |at| format!(" at {at}x"));
    let all = |is: fn(Class) -> bool| own().all(|finding| is(finding.class));
    let did = match () {
        () if all(|class| class == Class::Crash) => "crashes",
        () if all(|class| class == Class::Hang) => "hangs",
        () if all(|class| class == Class::MachineCheck) => "reports errors of its own",
        () if all(|class| class == Class::LostToReset) => "takes the machine down",
        () if all(|class| !ends_work(class)) => "computes wrongly",
        () => "goes wrong",
    };
    let count = errors(core);
    let plural = if count == 1 { "error" } else { "errors" };
    format!("{} {did}{at}: {count} {plural}", meaning::short(report, core))
}

fn ends_work(class: Class) -> bool {
    matches!(class, Class::Crash | Class::Hang | Class::MachineCheck | Class::LostToReset)
}

/// `P5 was never tested at its 60x.`: of tops that are merely guessed too, for a pass says nothing there.
fn never_at_top(report: &Report) -> Option<String> {
    let tested = || report.cores.iter().filter(|core| core.checked.iterations > 0);
    let missed: Vec<&CoreReport> = tested().filter(|core| missed_top(core).is_some()).collect();
    let mut tops: Vec<u32> = missed.iter().filter_map(|core| core.multiplier.top).collect();
    tops.sort_unstable_by_key(|&top| std::cmp::Reverse(top));
    tops.dedup();
    let (first, rest) = tops.split_first()?;
    let names = |top: u32| -> Vec<u32> {
        missed.iter().filter(|core| core.multiplier.top == Some(top)).map(|core| core.core).collect()
    };
    if rest.is_empty() || missed.len() < tested().count() {
        let cores = names(*first);
        let (were, their) = if cores.len() == 1 { ("was", "its") } else { ("were", "their") };
        let others = if rest.is_empty() { "" } else { ", nor others at theirs" };
        return Some(format!("{} {were} never tested at {their} {first}x{others}.", report.machine.names(&cores)));
    }
    Some("No core was tested at its top.".into())
}

/// The guessed top that a core's work never reached, and the highest that it did.
fn missed_top(core: &CoreReport) -> Option<(u32, Option<u32>)> {
    let highest = core.evidence.iter().filter(|part| part.iterations > 0).filter_map(|part| part.multiplier).max();
    let (top, false) = (core.multiplier.top?, core.multiplier.top_known?) else { return None };
    let open = core.checked.iterations > 0 && core.multiplier.expected.is_none();
    (open && highest.is_none_or(|highest| highest < top)).then_some((top, highest))
}

/// Errors of a core, whoever is blamed for them.
pub fn errors(core: &CoreReport) -> u64 {
    let in_kernels = || core.kernels.iter().map(|kernel| kernel.findings).fold(0, u64::saturating_add);
    core.diagnosis.as_ref().map_or_else(in_kernels, |diagnosis| diagnosis.rate.findings)
}

pub(super) fn table(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    // There is room for one of the two: what the user expects, or else the top that the firmware tells.
    let asked = any_asked(report);
    let sets = asked || report.cores.iter().any(|core| core.multiplier.top.is_some());
    let with_set = |mut row: Vec<String>, set: String| {
        if sets {
            row.insert(2, set);
        }
        row
    };
    let header =
        ["core", "CPUs", "tested (scalar/AVX2)", "time", "checks", "errors", "verdict"].map(str::to_owned).to_vec();
    table.set_header(with_set(header, if asked { "expect" } else { "set" }.to_owned()));
    for core in &report.cores {
        let tested = Tested::of(core);
        let row = vec![
            meaning::short(report, core).to_owned(),
            format_cpu_list(&core.cpus),
            if core.clock_mhz.is_none() && core.checked.iterations > 0 {
                "clock unmeasured".into()
            } else {
                tested.text()
            },
            duration_or_none(core.checked.cpu_s),
            si(core.checked.operations as f64),
            errors(core).to_string(),
            verdict_of(report, core),
        ];
        let set = if asked { core.multiplier.expected } else { core.multiplier.top };
        table.add_row(with_set(row, multiplier_or_none(set)));
    }
    table.lines().map(|line| format!(" {}\n", line.trim_end())).collect()
}

/// A multiplier, or a dash.
pub fn multiplier_or_none(multiplier: Option<u32>) -> String {
    multiplier.map_or_else(|| "-".to_owned(), |multiplier| format!("{multiplier}x"))
}

pub(super) fn reasons(report: &Report) -> String {
    reasons_said(report).iter().map(|said| format!("{}\n", wrapped(&format!(" {said}"), "   "))).collect()
}

/// Why a core neither passed nor failed, or was given up after it had passed; those with the same reason together. Then which
/// were tested as was expected of them, and whose pass rests on a part of their time.
pub fn reasons_said(report: &Report) -> Vec<String> {
    let mut said: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    let open = report.cores.iter().filter(|core| core.verdict != CoreVerdict::Fail);
    for core in open {
        let (verdict, name) = (core.verdict.name(), meaning::short(report, core));
        let Some(why) = core.reason.as_deref() else { continue };
        match said.iter_mut().find(|(v, w, _)| (*v, *w) == (verdict, why)) {
            Some((.., names)) => names.push(name),
            None => said.push((verdict, why, vec![name])),
        }
    }
    let line = |(verdict, why, names): (&str, &str, Vec<&str>)| format!("{} {verdict}: {why}", names.join(" "));
    said.into_iter().map(line).chain(as_expected(report)).chain(briefly(report)).collect()
}

/// Cores of which the same is to be said, together, with what each adds to it.
fn alike<K: PartialEq, V>(cores: impl Iterator<Item = (u32, K, V)>) -> Vec<(K, Vec<u32>, Vec<V>)> {
    let mut said: Vec<(K, Vec<u32>, Vec<V>)> = Vec::new();
    for (core, key, value) in cores {
        match said.iter_mut().find(|(other, ..)| *other == key) {
            Some((_, cores, values)) => {
                cores.push(core);
                values.push(value);
            }
            None => said.push((key, vec![core], vec![value])),
        }
    }
    said
}

/// `P4 P5 as expected: 60x, each by 70 s of scalar work and 3 min of AVX2 work`: the least of them.
fn as_expected(report: &Report) -> Vec<String> {
    let passed = report.cores.iter().filter(|core| core.verdict == CoreVerdict::Pass);
    let met = passed.filter_map(|core| {
        let expected = core.multiplier.expected?;
        Some((core.core, expected, seconds_at(core, expected)))
    });
    let line = |(expected, cores, seconds): (u32, Vec<u32>, Vec<[f64; 2]>)| {
        let least = [0, 1].map(|work| seconds.iter().map(|seconds| seconds[work]).fold(f64::INFINITY, f64::min));
        let kinds = [Work::Scalar, Work::Vector].into_iter().zip(least).filter(|&(_, seconds)| seconds > 0.0);
        let kinds = kinds.map(|(work, seconds)| format!("{} of {} work", duration(seconds), work.name()));
        let each = if cores.len() > 1 { "each " } else { "" };
        let by = kinds.collect::<Vec<_>>().join(" and ");
        format!("{} as expected: {expected}x, {each}by {by}", report.machine.names(&cores))
    };
    alike(met).into_iter().map(line).collect()
}

/// `C0 C1: 41x or above for at least 800 ms each, below it for the rest`: passes that name a multiplier at which little was checked.
fn briefly(report: &Report) -> Vec<String> {
    let passed =
        report.cores.iter().filter_map(|core| brief(report, core).map(|(at, seconds)| (core.core, at, seconds)));
    let line = |(reached, cores, seconds): (u32, Vec<u32>, Vec<f64>)| {
        let (at_least, each) = if cores.len() > 1 { ("at least ", " each") } else { ("", "") };
        let least = duration(seconds.into_iter().fold(f64::INFINITY, f64::min));
        let names = report.machine.names(&cores);
        format!("{names}: {reached}x or above for {at_least}{least}{each}, below it for the rest")
    };
    alike(passed).into_iter().map(line).collect()
}

/// Tops that are only guessed and were never tested: no verdict hangs on them, but nothing is proven there either.
fn untested_tops(report: &Report) -> String {
    untested_said(report).iter().map(|said| format!("{}\n", wrapped(&format!(" {said}"), "   "))).collect()
}

/// The same, unbroken.
pub fn untested_said(report: &Report) -> Vec<String> {
    let missed = report.cores.iter().filter_map(|core| missed_top(core).map(|missed| (core.core, missed, ())));
    let line = |((top, highest), cores, _): ((u32, Option<u32>), Vec<u32>, Vec<()>)| {
        let source = report.machine.cores.iter().find(|core| core.core == cores[0]).and_then(|core| core.top_mhz);
        let trust = source.map_or("a guess", |top| top.source.trust());
        let seen =
            highest.map_or_else(|| "its clock unmeasured".to_owned(), |highest| format!("at most {highest}x seen"));
        format!("{}: {top}x untested ({trust}): {seen}", report.machine.names(&cores))
    };
    alike(missed).into_iter().map(line).collect()
}

pub(super) fn heat(report: &Report) -> String {
    heat_said(report).map_or_else(String::new, |said| format!("{}\n", wrapped(&format!(" {said}"), "   ")))
}

/// `hottest: 88 °C solo, 97 °C together; throttled: P4 12 times`; `None` where nothing was read.
pub fn heat_said(report: &Report) -> Option<String> {
    let hottest: Vec<String> =
        report.hottest.iter().map(|hottest| format!("{:.0} °C {}", hottest.celsius, hottest.load)).collect();
    let throttled = report.cores.iter().filter_map(|core| {
        let count = core.throttled.filter(|&count| count > 0)?;
        Some(format!("{} {count} {}", meaning::short(report, core), if count == 1 { "time" } else { "times" }))
    });
    let throttled: Vec<String> = throttled.collect();
    let parts = [("hottest", hottest), ("throttled", throttled)].into_iter().filter(|(_, said)| !said.is_empty());
    let said: Vec<String> = parts.map(|(what, said)| format!("{what}: {}", said.join(", "))).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// ` core voltage 1.19 to 1.41 V, 1.32 V median; package power 35 to 253 W, 187 W median`.
fn sensors(report: &Report) -> String {
    let packages = report.sensors.iter().filter(|sensor| sensor.package.is_some()).count();
    let said = |sensor: &SensorReport| {
        let SensorReport { min, median, max, unit, .. } = sensor;
        let which = sensor.package.filter(|_| packages > 1).map_or_else(String::new, |n| format!(" of package {n}"));
        let decimals = if unit == "V" { 2 } else { 0 };
        format!(
            "{}{which} {min:.decimals$} to {max:.decimals$} {unit}, {median:.decimals$} {unit} median",
            sensor.sensor
        )
    };
    let said: Vec<String> = report.sensors.iter().map(said).collect();
    if said.is_empty() { String::new() } else { format!("{}\n", wrapped(&format!(" {}", said.join("; ")), "   ")) }
}

/// A core's verdict; of a run that has not come to its end it is what it is so far.
pub fn verdict_of(report: &Report, core: &CoreReport) -> String {
    if report.ended.is_none() && core.verdict == CoreVerdict::Pass {
        return "ok so far".to_owned();
    }
    verdict(core.verdict, Tested::of(core).by_all())
}

/// A length of time, or a dash.
pub fn duration_or_none(seconds: f64) -> String {
    if seconds > 0.0 { duration(seconds) } else { "-".to_owned() }
}

/// `PASS @60x`: a verdict, and the multiplier that all of the core's work reached.
pub fn verdict(verdict: CoreVerdict, multiplier: Option<u32>) -> String {
    let name = verdict.name().to_uppercase();
    match (verdict, multiplier) {
        (CoreVerdict::Pass, Some(multiplier)) => format!("{name} @{multiplier}x"),
        _ => name,
    }
}

/// A number with a unit prefix, to two or three digits: `9.1 G`, `518 G`.
pub fn si(value: f64) -> String {
    let units = ["", " k", " M", " G", " T", " P", " E"];
    let step = ((value.max(1.0).log10() / 3.0) as usize).min(units.len() - 1);
    let scaled = value / 1000f64.powi(step as i32);
    let decimals = usize::from(step > 0 && scaled < 99.95);
    format!("{scaled:.decimals$}{}", units[step])
}

/// One finding, two or three short lines.
pub fn finding_lines(report: &Report, finding: &Finding) -> String {
    let name = |core: u32| {
        report.machine.cores.iter().find(|c| c.core == core).map_or_else(|| format!("core {core}"), |c| c.label.clone())
    };
    let who = match (finding.core, finding.suspects.as_slice()) {
        (Some(core), _) => name(core),
        (None, []) => "no core".into(),
        (None, suspects) => suspects.iter().map(|&core| name(core)).collect::<Vec<_>>().join(" or "),
    };
    let mut out = format!(" {who}: {}", finding.class.name());
    let work: Vec<&str> =
        [&finding.kernel, &finding.variant, &finding.stage].into_iter().flatten().map(String::as_str).collect();
    if !work.is_empty() {
        let _ = write!(out, " in {}", work.join("/"));
    }
    let _ = write!(out, ", {} load", finding.load);
    if let Some(multiplier) = finding.multiplier {
        let _ = write!(out, ", {multiplier}x");
    }
    let _ = write!(out, ", {:.1} s in", finding.seconds_in);
    if let (Some(expected), Some(actual), Some(xor)) = (finding.expected, finding.actual, finding.xor) {
        let xor = xor.as_wide_as([expected, actual]);
        let _ = write!(out, "\n   want {expected} got {actual} xor {xor}{}", at(&finding.element));
        if let Some(wrong) = finding.wrong_elements {
            let _ = write!(out, ", {wrong} wrong in all");
        }
    }
    if !finding.detail.is_empty() {
        let _ = write!(out, "\n   {}", finding.detail);
    }
    if let Some(command) = replay::command(report, finding) {
        // Never broken where a shell would end it.
        let broken = if command.len() + 11 > COLUMNS { command.replacen(" --", " \\\n       --", 1) } else { command };
        let _ = write!(out, "\n   again: {broken}");
    }
    out
}

#[cfg(test)]
mod tests;
