//! The report as a person reads it: a plain sentence, a table with a core a row, what to do next.

use std::fmt::Write as _;

use comfy_table::{Table, presets::NOTHING};

use super::{CoreReport, Report, SensorReport, diagnosis, inside, meaning};
use crate::{
    machine::format_cpu_list,
    verdict::{CoreVerdict, Finding},
    worker::protocol::Source,
};

/// Findings shown in full.
const SHOWN: usize = 4;
/// Columns of the narrowest terminal that lines are broken for.
const COLUMNS: usize = 80;

/// The whole report.
pub fn render(report: &Report) -> String {
    let mut out = wrapped(&sentence(report), "");
    out.push('\n');
    out += &table(report);
    out += &reasons(report);
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
    for line in &report.advice {
        let _ = writeln!(out, "{}", wrapped(line, "  "));
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
        let findings: u64 = report.cores.iter().map(errors).fold(0, u64::saturating_add);
        let plural = if findings == 1 { "error" } else { "errors" };
        return format!("{drill}FAIL: {} went wrong, {findings} {plural}. No other core failed.", failed.join(" and "));
    }
    match report.exit_code {
        2 => format!("{drill}NO VERDICT: the cores agree against the program's own reference; no core is blamed."),
        _ if !suspects.is_empty() => {
            format!("{drill}UNDECIDED: something went wrong, and it may have been {}.", suspects.join(" or "))
        }
        0 => format!("{drill}NO ERRORS{}: every core tested computed correctly.", lasted(report)),
        _ if !unproven.is_empty() && report.ended.is_some() => format!(
            "{drill}NOT PROVEN: {} missed the multiplier expected of {}; no errors.",
            report.machine.names(&unproven),
            if unproven.len() == 1 { "it" } else { "them" }
        ),
        _ if report.ended.is_none() => format!("{drill}UNFINISHED: the run has not come to its end; no errors so far."),
        _ => format!("{drill}UNDECIDED: not every core could be tested; no errors on the others."),
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

/// A failed core, and the highest multiplier at which it erred.
fn went_wrong(report: &Report, core: &CoreReport) -> String {
    let own = report.findings.iter().filter(|finding| finding.core == Some(core.core));
    let at = own.filter_map(|finding| finding.multiplier).max();
    at.map_or_else(|| core.label.clone(), |at| format!("{} at {at}x", core.label))
}

/// Errors of a core, whoever is blamed for them.
fn errors(core: &CoreReport) -> u64 {
    let in_kernels = || core.kernels.iter().map(|kernel| kernel.findings).fold(0, u64::saturating_add);
    core.diagnosis.as_ref().map_or_else(in_kernels, |diagnosis| diagnosis.rate.findings)
}

fn table(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["core", "CPUs", "tested at", "checks", "operations", "errors", "verdict"]);
    for core in &report.cores {
        table.add_row([
            meaning::short(report, core).to_owned(),
            format_cpu_list(&core.cpus),
            tested_at(core),
            core.checked.iterations.to_string(),
            si(core.checked.operations as f64),
            errors(core).to_string(),
            verdict(core),
        ]);
    }
    table.lines().map(|line| format!(" {}\n", line.trim_end())).collect()
}

/// Why a core neither passed nor failed, or was given up after it had passed; those with the same reason together.
fn reasons(report: &Report) -> String {
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
    let line = |(verdict, why, names): (&str, &str, Vec<&str>)| {
        format!("{}\n", wrapped(&format!(" {} {verdict}: {why}", names.join(" ")), "   "))
    };
    said.into_iter().map(line).collect()
}

/// Tops that are only guessed and were never tested: no verdict hangs on them, but nothing is proven there either.
fn untested_tops(report: &Report) -> String {
    let mut said: Vec<(u32, Option<u32>, Vec<u32>)> = Vec::new();
    for core in &report.cores {
        let highest = core.evidence.iter().filter(|part| part.iterations > 0).filter_map(|part| part.multiplier).max();
        let (Some(top), Some(false), true) =
            (core.multiplier.top, core.multiplier.top_known, core.checked.iterations > 0)
        else {
            continue;
        };
        if core.multiplier.expected.is_some() || highest.is_some_and(|highest| highest >= top) {
            continue;
        }
        match said.iter_mut().find(|(other, seen, _)| (*other, *seen) == (top, highest)) {
            Some((.., cores)) => cores.push(core.core),
            None => said.push((top, highest, vec![core.core])),
        }
    }
    let line = |(top, highest, cores): (u32, Option<u32>, Vec<u32>)| {
        let source = report.machine.cores.iter().find(|core| core.core == cores[0]).and_then(|core| core.top_mhz);
        let trust = source.map_or("a guess", |top| top.source.trust());
        let seen =
            highest.map_or_else(|| "its clock unmeasured".to_owned(), |highest| format!("at most {highest}x seen"));
        let text = format!(" {}: {top}x untested ({trust}): {seen}", report.machine.names(&cores));
        format!("{}\n", wrapped(&text, "   "))
    };
    said.into_iter().map(line).collect()
}

/// ` hottest: 88 °C solo, 97 °C together; throttled: P4 12 times`.
fn heat(report: &Report) -> String {
    let hottest: Vec<String> =
        report.hottest.iter().map(|hottest| format!("{:.0} °C {}", hottest.celsius, hottest.load)).collect();
    let throttled = report.cores.iter().filter_map(|core| {
        let count = core.throttled.filter(|&count| count > 0)?;
        Some(format!("{} {count} {}", meaning::short(report, core), if count == 1 { "time" } else { "times" }))
    });
    let throttled: Vec<String> = throttled.collect();
    let parts = [("hottest", hottest), ("throttled", throttled)].into_iter().filter(|(_, said)| !said.is_empty());
    let said: Vec<String> = parts.map(|(what, said)| format!("{what}: {}", said.join(", "))).collect();
    if said.is_empty() { String::new() } else { format!("{}\n", wrapped(&format!(" {}", said.join("; ")), "   ")) }
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

fn tested_at(core: &CoreReport) -> String {
    match (core.clock_mhz, core.multiplier.median) {
        (Some(clock), Some(multiplier)) => format!("{multiplier}x ({} MHz)", clock.median),
        _ if core.checked.iterations > 0 => "clock unmeasured".into(),
        _ => "-".into(),
    }
}

fn verdict(core: &CoreReport) -> String {
    let name = core.verdict.name().to_uppercase();
    match (core.verdict, core.multiplier.median) {
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
        let _ = write!(out, "\n   want {expected} got {actual} xor {xor} at {:?}", finding.element);
        if let Some(wrong) = finding.wrong_elements {
            let _ = write!(out, ", {wrong} wrong in all");
        }
    }
    if !finding.detail.is_empty() {
        let _ = write!(out, "\n   {}", finding.detail);
    }
    if let (Some(kernel), Some(seed), Some(Source::Golden)) = (&finding.kernel, finding.seed, finding.source) {
        let _ = write!(out, "\n   that input: oddcore kernel {kernel} --seed {seed}");
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
        assert!(sentence(&report).starts_with("NO ERRORS"), "it changes no verdict");
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
