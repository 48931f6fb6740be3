//! The report as a person reads it: a plain sentence, a table with a core a row, what to do next.

use std::fmt::Write as _;

use comfy_table::{Table, presets::NOTHING};

use super::{
    CoreReport, Report, SensorReport, diagnosis, inside, meaning, replay,
    tested::{Tested, any_asked, seconds_at},
};
use crate::{
    machine::format_cpu_list,
    plan::Work,
    verdict::{Class, CoreVerdict, Finding, duration},
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
/// were tested as was expected of them.
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
    said.into_iter().map(line).chain(as_expected(report)).collect()
}

/// `P4 P5 as expected: 60x, each by 70 s of scalar work and 3 min of AVX2 work`: the least of them.
fn as_expected(report: &Report) -> Vec<String> {
    let mut said: Vec<(u32, Vec<u32>, [f64; 2])> = Vec::new();
    for core in report.cores.iter().filter(|core| core.verdict == CoreVerdict::Pass) {
        let Some(expected) = core.multiplier.expected else { continue };
        let seconds = seconds_at(core, expected);
        match said.iter_mut().find(|(other, ..)| *other == expected) {
            Some((_, cores, least)) => {
                cores.push(core.core);
                *least = [least[0].min(seconds[0]), least[1].min(seconds[1])];
            }
            None => said.push((expected, vec![core.core], seconds)),
        }
    }
    let line = |(expected, cores, seconds): (u32, Vec<u32>, [f64; 2])| {
        let kinds = [Work::Scalar, Work::Vector].into_iter().zip(seconds).filter(|&(_, seconds)| seconds > 0.0);
        let kinds = kinds.map(|(work, seconds)| format!("{} of {} work", duration(seconds), work.name()));
        let each = if cores.len() > 1 { "each " } else { "" };
        let by = kinds.collect::<Vec<_>>().join(" and ");
        format!("{} as expected: {expected}x, {each}by {by}", report.machine.names(&cores))
    };
    said.into_iter().map(line).collect()
}

/// Tops that are only guessed and were never tested: no verdict hangs on them, but nothing is proven there either.
fn untested_tops(report: &Report) -> String {
    untested_said(report).iter().map(|said| format!("{}\n", wrapped(&format!(" {said}"), "   "))).collect()
}

/// The same, unbroken.
pub fn untested_said(report: &Report) -> Vec<String> {
    let mut said: Vec<(u32, Option<u32>, Vec<u32>)> = Vec::new();
    for core in &report.cores {
        let Some((top, highest)) = missed_top(core) else { continue };
        let top = (top, highest);
        match said.iter_mut().find(|(other, seen, _)| (*other, *seen) == top) {
            Some((.., cores)) => cores.push(core.core),
            None => said.push((top.0, top.1, vec![core.core])),
        }
    }
    let line = |(top, highest, cores): (u32, Option<u32>, Vec<u32>)| {
        let source = report.machine.cores.iter().find(|core| core.core == cores[0]).and_then(|core| core.top_mhz);
        let trust = source.map_or("a guess", |top| top.source.trust());
        let seen =
            highest.map_or_else(|| "its clock unmeasured".to_owned(), |highest| format!("at most {highest}x seen"));
        format!("{}: {top}x untested ({trust}): {seen}", report.machine.names(&cores))
    };
    said.into_iter().map(line).collect()
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
        let _ = write!(out, "\n   want {expected} got {actual} xor {xor} at {:?}", finding.element);
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
mod tests {
    use super::*;
    use crate::verdict::{Interruption, LossReason, OpenStep};

    #[test]
    fn a_run_that_was_gone_on_with_claims_no_length_and_one_on_a_clock_set_back_no_negative_one() {
        let mut report = super::super::tests::report(1, |_| vec![]);
        assert!(sentence(&report).starts_with("NO ERRORS in 1:02: "), "{}", sentence(&report));
        report.ended = Some("2025-12-31T00:00:00Z".into());
        assert!(sentence(&report).starts_with("NO ERRORS in 0:00: "), "{}", sentence(&report));
        let (at, reason) = ("2026-01-01T00:00:30Z".to_owned(), LossReason::Interrupted);
        report.interruptions.push(Interruption { at, reason, why: None, load: None, kernel: None, cores: vec![] });
        assert!(sentence(&report).starts_with("NO ERRORS in 2 sessions: "), "{}", sentence(&report));
    }

    #[test]
    fn the_headline_says_how_long_each_core_was_checked() {
        let mut report = super::super::tests::report(3, |_| vec![]);
        let lead = "NO ERRORS in 1:02: every core tested computed correctly.";
        for (seconds, said) in [
            ([0.0, 0.0, 0.0], ""),
            ([12.0, 0.0, 0.0], " Checked: 12 s of it."),
            ([45.0, 45.2, 0.0], " Checked: 45 s of each."),
            ([12.0, 40.0, 45.0], " Checked: at least 12 s of each."),
        ] {
            for (core, seconds) in report.cores.iter_mut().zip(seconds) {
                (core.checked.cpu_s, core.checked.iterations) = (seconds, u64::from(seconds > 0.0));
            }
            assert_eq!(sentence(&report), format!("{lead}{said}"));
        }
    }

    #[test]
    fn a_guessed_top_that_no_work_reached_is_told_as_a_guess() {
        let mut report = super::super::tests::report(4, |_| vec![]);
        for (n, core) in report.cores.iter_mut().enumerate() {
            let seen = if n == 3 { 60 } else { 57 };
            core.multiplier.top = Some(60);
            core.multiplier.top_known = Some(false);
            core.checked.iterations = 1;
            core.evidence.push(crate::report::EvidenceReport {
                multiplier: Some(seen),
                load: "solo".into(),
                footprint: "L3".into(),
                isa: "avx2".into(),
                seconds: 1.0,
                iterations: 1,
                operations: 1,
                findings: 0,
                catches_every_s: None,
            });
        }
        // Asked for, and judged elsewhere.
        report.cores[2].multiplier.expected = Some(60);
        assert_eq!(untested_tops(&report), " C0 C1: 60x untested (a guess): at most 57x seen\n");
        assert_eq!(
            sentence(&report),
            "NO ERRORS in 1:02. C0 C1 were never tested at their 60x.",
            "it changes no verdict"
        );
        report.cores.truncate(2);
        report.cores[1].multiplier.top = Some(58);
        assert_eq!(sentence(&report), "NO ERRORS in 1:02. No core was tested at its top.");
    }

    /// A core of a made-up report: its name, top, the multipliers of scalar and AVX2 work, errors.
    fn shape(report: &mut Report, core: usize, (short, top): (&str, u32), tested: [u32; 2], findings: u64) {
        report.machine.cores[core].short = short.into();
        report.machine.cores[core].label = format!("{short} (CPU {core})");
        let own = &mut report.cores[core];
        own.label = format!("{short} (CPU {core})");
        (own.multiplier.top, own.multiplier.top_known) = (Some(top), Some(false));
        (own.checked.iterations, own.checked.operations) = (2113, 9_100_000_000);
        own.checked.cpu_s = 40.0;
        own.clock_mhz = Some(crate::report::Spread { min: 5700, median: 6000, max: 6000 });
        for (isa, multiplier) in ["scalar", "avx2"].into_iter().zip(tested) {
            own.evidence.push(crate::report::EvidenceReport {
                multiplier: Some(multiplier),
                load: "solo".into(),
                footprint: "L2".into(),
                isa: isa.into(),
                seconds: 20.0,
                iterations: 1,
                operations: 1,
                findings,
                catches_every_s: None,
            });
        }
        if findings > 0 {
            own.verdict = CoreVerdict::Fail;
            own.kernels.push(crate::report::KernelReport {
                kernel: "webui-upscale".into(),
                variant: "avx2".into(),
                iterations: 1,
                operations: 1,
                findings,
                cpu_s: 1.0,
                kernel_s: 1.0,
                check_s: 0.0,
            });
        }
    }

    #[test]
    fn the_screen_of_a_sound_run_is_that_aimed_at() {
        let mut report = super::super::tests::report(2, |_| vec![]);
        shape(&mut report, 0, ("P4", 60), [60, 60], 0);
        shape(&mut report, 1, ("P5", 60), [58, 57], 0);
        report.advice.push("Too short to validate. Tonight: oddcore run --profile overnight".into());
        let want = "NO ERRORS in 1:02. P5 was never tested at its 60x.
  core  CPUs  set  tested (scalar/AVX2)  time  checks  errors  verdict
  P4    0     60x  60x / 60x             40 s  9.1 G   0       PASS @60x
  P5    1     60x  58x / 57x             40 s  9.1 G   0       PASS @57x
 P5: 60x untested (a guess): at most 58x seen

Too short to validate. Tonight: oddcore run --profile overnight
";
        assert_eq!(render(&report), want);
    }

    #[test]
    fn the_screen_of_a_failed_run_is_that_aimed_at() {
        let mut report = super::super::tests::report(2, |_| vec![]);
        shape(&mut report, 0, ("P4", 60), [60, 60], 7);
        shape(&mut report, 1, ("P5", 60), [60, 60], 0);
        report.exit_code = 1;
        report.machine.os = "Linux".into();
        report
            .advice
            .push("Set P4 60x -> 57x (as others of its kind have), then: oddcore run --cores P4 --for 1h".into());
        report.findings.push(Finding {
            multiplier: Some(60),
            kernel: Some("webui-upscale".into()),
            stage: Some("getdata".into()),
            load: "gpu-wait".into(),
            seed: Some(crate::verdict::Hex(0x1234_5678_9abc_def0)),
            cpu: Some(0),
            ..crate::verdict::finding::tests::finding(0, Class::Miscompute)
        });
        let want = "FAIL: P4 computes wrongly at 60x: 7 errors. No other core failed.
  core  CPUs  set  tested (scalar/AVX2)  time  checks  errors  verdict
  P4    0     60x  60x / 60x             40 s  9.1 G   7       FAIL
  P5    1     60x  60x / 60x             40 s  9.1 G   0       PASS @60x

 P4 (CPU 0): miscompute in webui-upscale/avx2/getdata, gpu-wait load, 60x, 1.0 s
     in
   again: taskset -c 0 oddcore kernel webui-upscale \\
       --seed 0x123456789abcdef0 --variant avx2
Do: Set P4 60x -> 57x (as others of its kind have), then: oddcore run --cores P4
  --for 1h
";
        assert_eq!(render(&report), want);
        for (class, did) in
            [(Class::Crash, "P4 crashes at 60x"), (Class::Hang, "P4 hangs"), (Class::LostToReset, "takes the")]
        {
            report.findings[0].class = class;
            assert!(sentence(&report).contains(did), "{}", sentence(&report));
        }
    }

    #[test]
    fn heat_is_told_where_it_was_read() {
        let mut report = super::super::tests::report(3, |_| vec![]);
        assert_eq!(heat(&report), "");
        for (load, celsius) in [("solo", 88.4), ("together", 97.0)] {
            report.hottest.push(crate::report::Hottest { load: load.into(), celsius });
        }
        [Some(12), Some(0), None].into_iter().zip(&mut report.cores).for_each(|(count, core)| core.throttled = count);
        assert_eq!(heat(&report), " hottest: 88 °C solo, 97 °C together; throttled: C0 12 times\n");
    }

    #[test]
    fn voltage_and_power_are_told_where_they_were_sampled() {
        let mut report = super::super::tests::report(2, |_| vec![]);
        assert_eq!(sensors(&report), "");
        let mut add = |sensor: &str, package, unit: &str, min, median, max| {
            let (sensor, unit, samples) = (sensor.into(), unit.into(), 9);
            report.sensors.push(SensorReport { sensor, package, unit, min, median, max, samples });
        };
        add("core voltage", None, "V", 1.188, 1.32, 1.412);
        add("package power", Some(0), "W", 35.0, 187.0, 253.0);
        let said = " core voltage 1.19 to 1.41 V, 1.32 V median; package power 35 to 253 W, 187 W\n   median\n";
        assert_eq!(sensors(&report), said);
    }

    #[test]
    fn cores_that_missed_their_multiplier_are_named() {
        let mut report = super::super::tests::report(4, |_| vec![]);
        report.exit_code = 3;
        for core in &mut report.cores[1..] {
            core.verdict = CoreVerdict::NotProven;
            core.reason = Some("never reached 60x: at most 58x".into());
        }
        let said = "NOT PROVEN: C1-C3 missed the multiplier expected of them; no errors.";
        assert_eq!(sentence(&report), said);
        assert_eq!(reasons(&report), " C1 C2 C3 not-proven: never reached 60x: at most 58x\n");
    }

    #[test]
    fn what_was_expected_has_its_own_heading_and_is_said_where_it_was_met() {
        let mut report = super::super::tests::report(3, |_| vec![]);
        shape(&mut report, 0, ("P4", 60), [60, 60], 0);
        shape(&mut report, 1, ("P5", 60), [60, 60], 0);
        shape(&mut report, 2, ("P6", 57), [57, 57], 0);
        report.cores.iter_mut().for_each(|core| core.multiplier.expected = Some(60));
        report.cores[1].evidence[0].seconds = 7.5;
        report.cores[2].verdict = CoreVerdict::NotProven;
        report.cores[2].reason = Some("never reached 60x: at most 57x".into());
        let table = "  core  CPUs  expect  tested (scalar/AVX2)  time  checks  errors  verdict
  P4    0     60x     60x / 60x             40 s  9.1 G   0       PASS @60x
  P5    1     60x     60x / 60x             40 s  9.1 G   0       PASS @60x
  P6    2     60x     57x / 57x             40 s  9.1 G   0       NOT-PROVEN
";
        assert_eq!(super::table(&report), table);
        let said = " P6 not-proven: never reached 60x: at most 57x
 P4 P5 as expected: 60x, each by 7.5 s of scalar work and 20 s of AVX2 work
";
        assert_eq!(reasons(&report), said);
        // A top that is known for sure is expected by nobody's asking.
        for core in &mut report.cores {
            (core.multiplier.expected, core.multiplier.top_known) = (core.multiplier.top, Some(true));
        }
        assert!(super::table(&report).starts_with("  core  CPUs  set  tested"), "{}", super::table(&report));
    }

    #[test]
    fn a_core_that_was_given_up_after_it_had_passed_is_told_of() {
        let mut report = super::super::tests::report(2, |_| vec![]);
        assert_eq!(reasons(&report), "");
        report.cores[1].reason = Some("its CPU went away; given up".into());
        assert!(reasons(&report).contains("pass: its CPU went away; given up"), "{}", reasons(&report));
    }

    #[test]
    fn breaks_and_the_open_step_are_told() {
        let mut report = super::super::tests::report(2, |_| vec![]);
        assert_eq!(breaks(&report), "");
        let (at, reason) = ("2026-01-01T00:00:30Z".to_owned(), LossReason::LostToReset);
        let (why, load, kernel) = (Some("it froze".to_owned()), Some("solo".to_owned()), Some("gemm-f32".to_owned()));
        report.interruptions.push(Interruption { at: at.clone(), reason, why, load, kernel, cores: vec![1] });
        let reason = LossReason::Interrupted;
        report.interruptions.push(Interruption { at, reason, why: None, load: None, kernel: None, cores: vec![] });
        report.open_step = Some(OpenStep { load: "together".into(), kernel: None, cores: vec![0, 1] });
        let said = "2026-01-01T00:00:30Z lost-to-reset: solo load, gemm-f32, on C1: it froze
2026-01-01T00:00:30Z interrupted
not ended: together load, on C0 C1
";
        assert_eq!(breaks(&report), said);
        assert!(render(&report).contains(said));
    }
}
