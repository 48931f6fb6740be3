//! The lines about a core that failed: the first error, its bits, how often, on what it depends, core or memory.

use std::fmt::Write as _;

use super::{
    CoreReport, Report,
    meaning::short,
    text::{si, wrapped},
};
use crate::verdict::{Again, Cause, Diagnosis, Finding, catches_every_s, command::EXEC, duration};

/// Entries of a histogram that are shown.
const SHOWN: usize = 3;

/// All cores with a diagnosis.
pub fn lines(report: &Report) -> String {
    let failed = report.cores.iter().filter_map(|core| Some((core, core.diagnosis.as_ref()?)));
    let text = |(core, diagnosis)| {
        let mut out = wrapped(&headline(core), "  ");
        out.push('\n');
        for (what, text) in entries(report, core, diagnosis) {
            let _ = writeln!(out, "{}", wrapped(&format!("  {what:<7} {text}"), "          "));
        }
        out
    };
    failed.map(text).collect()
}

fn headline(core: &CoreReport) -> String {
    format!(" {}: {}", core.label, core.reason.as_deref().unwrap_or("failed"))
}

/// What is to be said of a core that failed: a word for each, and its text.
pub fn entries(report: &Report, core: &CoreReport, diagnosis: &Diagnosis) -> Vec<(String, String)> {
    let name = short(report, core);
    let mut said = Vec::new();
    let mut say = |what: &str, text: String| said.push((what.to_owned(), text));
    let own = || report.findings.iter().filter(|finding| finding.core == Some(core.core));
    if let Some(first) = own().next() {
        say("first", occasion(first));
    }
    if let Some((finding, [expected, actual])) = own().find_map(|f| Some((f, [f.expected?, f.actual?]))) {
        let again = finding.again.as_ref().map_or_else(String::new, |again| again_on(name, again));
        let what = if finding.kernel.as_deref() == Some(EXEC) { "what" } else { "bits" };
        say(what, format!("want {expected}  got {actual}{again}"));
    }
    if diagnosis.placed > 1 {
        say("where", place(diagnosis));
    }
    say("rate", rate(diagnosis));
    for (what, dependence) in [("clock", &diagnosis.depends_on_clock), ("load", &diagnosis.depends_on_load)] {
        if let Some(dependence) = dependence {
            say(what, dependence.words.clone());
        }
    }
    let cause = match diagnosis.cause {
        Cause::Core => "core, not memory",
        Cause::Memory => "memory rather than the core",
        Cause::Undecided => "undecided",
    };
    say("cause", format!("{cause}: {}", diagnosis.why));
    said.extend(sound_below(diagnosis, name));
    said
}

/// `0:23  gpu-wait  webui-upscale/avx2/getdata  60x`.
pub fn occasion(finding: &Finding) -> String {
    let s = finding.seconds_in as u64;
    let work: Vec<&str> =
        [&finding.kernel, &finding.variant, &finding.stage].into_iter().flatten().map(String::as_str).collect();
    let multiplier = finding.multiplier.map_or_else(String::new, |multiplier| format!("  {multiplier}x"));
    format!("{}:{:02}  {}  {}{multiplier}", s / 60, s % 60, finding.load, work.join("/"))
}

pub fn again_on(name: &str, again: &Again) -> String {
    again
        .same
        .map_or_else(String::new, |tally| format!("   wrong again {} of {} times on {name}", tally.wrong, tally.times))
}

/// `bit 15 in 7 of 7; lane 3 in 7 of 7 (last coordinate modulo 16)`.
fn place(diagnosis: &Diagnosis) -> String {
    let entries = |what: &str, counts: &[(u32, u64)]| -> String {
        let shown: Vec<String> =
            counts.iter().take(SHOWN).map(|(value, count)| format!("{value} in {count}")).collect();
        let more = if counts.len() > SHOWN { ", ..." } else { "" };
        format!("{what} {}{more}", shown.join(", "))
    };
    format!(
        "of {} wrong elements: {}; {} (last coordinate modulo 16)",
        diagnosis.placed,
        entries("bit", &diagnosis.bits),
        entries("lane", &diagnosis.lanes)
    )
}

/// `7 errors in 2.1 T operations: one in 300 G (95 %: 146 G to 746 G)`.
fn rate(diagnosis: &Diagnosis) -> String {
    let all = &diagnosis.rate;
    let errors = if all.findings == 1 { "error" } else { "errors" };
    let seen = format!("{} {errors} in {} operations", all.findings, si(all.operations as f64));
    match (all.rate_per_operation, all.rate_95) {
        (Some(rate), Some((low, high))) if rate > 0.0 && low > 0.0 => {
            format!("{seen}: one in {} (95 %: {} to {})", si(1.0 / rate), si(1.0 / high), si(1.0 / low))
        }
        _ => seen,
    }
}

/// Multipliers without errors, and whether that clears them: at the rate of the others, how sure would one have shown?
fn sound_below(diagnosis: &Diagnosis, name: &str) -> Vec<(String, String)> {
    let erring = diagnosis.by_multiplier.iter().filter(|at| at.rate.findings > 0 && at.multiplier.is_some());
    let (errors, seconds) =
        erring.fold((0.0, 0.0), |sum, at| (sum.0 + at.rate.findings as f64, sum.1 + at.rate.seconds));
    if errors == 0.0 {
        return Vec::new();
    }
    let sound = diagnosis.by_multiplier.iter().filter(|at| at.rate.findings == 0 && at.rate.seconds > 0.0);
    let text = |at: &crate::verdict::diagnosis::AtMultiplier| {
        let cleared = catches_every_s(at.rate.seconds, 0).is_some_and(|every| every >= seconds / errors);
        let verdict = if cleared { "the same rate would have shown" } else { "too short to clear it" };
        let seen = format!("0 errors in {} on {name} ({verdict})", duration(at.rate.seconds));
        Some((format!("at {}x", at.multiplier?), seen))
    };
    sound.filter_map(text).take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::tests::report,
        verdict::{
            Class, Hex, Tally,
            diagnosis::{AtMultiplier, Dependence, Rate},
            finding::tests::finding,
        },
    };

    #[test]
    fn a_failed_core_is_described_as_on_the_screen_aimed_at() {
        let mut report = report(2, |_| Vec::new());
        let rate = |findings, seconds: f64| Rate { findings, seconds, ..Rate::default() };
        report.cores[1].reason = Some("7 findings: miscompute".into());
        report.cores[1].diagnosis = Some(Diagnosis {
            rate: Rate {
                findings: 7,
                operations: 2_100_000_000_000,
                seconds: 82.0,
                rate_per_operation: Some(7.0 / 2.1e12),
                rate_95: Some((2.814 / 2.1e12, 14.423 / 2.1e12)),
            },
            by_multiplier: vec![
                AtMultiplier { multiplier: Some(60), rate: rate(7, 41.0) },
                AtMultiplier { multiplier: Some(57), rate: rate(0, 11.0) },
                AtMultiplier { multiplier: Some(55), rate: rate(0, 41.0) },
            ],
            by_load: Vec::new(),
            depends_on_clock: Some(Dependence { p: 0.02, words: "most at 60x: 7 in 41 s, 0 in 52 s otherwise".into() }),
            depends_on_load: None,
            placed: 7,
            bits: vec![(15, 7)],
            lanes: vec![(3, 5), (4, 2)],
            elements: Vec::new(),
            cause: Cause::Core,
            why: "inputs intact; C0 and golden agree; wrong again 3 of 10 times on C1".into(),
        });
        let tally = Tally { core: 1, times: 10, wrong: 3, wrong_inputs: 0, died: false };
        report.findings.push(Finding {
            multiplier: Some(60),
            seconds_in: 23.4,
            stage: Some("multiply".into()),
            expected: Some(Hex(0x2a)),
            actual: Some(Hex(0x802a)),
            again: Some(Again { same: Some(tally), ..Again::default() }),
            ..finding(1, Class::Miscompute)
        });
        let want = " C1 (CPU 1): 7 findings: miscompute
  first   0:23  solo  gemm-f32/avx2/multiply  60x
  bits    want 0x2a  got 0x802a   wrong again 3 of 10 times on C1
  where   of 7 wrong elements: bit 15 in 7; lane 3 in 5, 4 in 2 (last coordinate
          modulo 16)
  rate    7 errors in 2.1 T operations: one in 300 G (95 %: 146 G to 746 G)
  clock   most at 60x: 7 in 41 s, 0 in 52 s otherwise
  cause   core, not memory: inputs intact; C0 and golden agree; wrong again 3 of
          10 times on C1
  at 57x  0 errors in 11 s on C1 (too short to clear it)
  at 55x  0 errors in 41 s on C1 (the same rate would have shown)
";
        assert_eq!(lines(&report), want);
    }
}
