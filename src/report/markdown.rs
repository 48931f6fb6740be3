//! The report for a forum: Markdown that every flavour knows.

use std::fmt::Write as _;

use super::{
    CoreReport, Report, diagnosis,
    meaning::{self, short},
    replay,
    tested::{Tested, any_asked},
    text::{
        VIRTUAL, duration_or_none, errors, multiplier_or_none, reasons_said, sentence, si, untested_said, verdict_of,
    },
};

/// Findings listed.
const SHOWN: usize = 5;
/// Sentences of what a core's pass is worth, the most telling first.
const SENTENCES: usize = 2;
/// Groups of cores of which that is told.
const GROUPS: usize = 8;

/// The whole report.
pub fn render(report: &Report) -> String {
    let mut out = format!("**{}**\n\n", escaped(&sentence(report)));
    let microcode =
        report.machine.microcode.as_ref().map_or_else(String::new, |microcode| format!(", microcode {microcode}"));
    let _ = writeln!(
        out,
        "{}{}, {}; oddcore {}, profile {}, run {}, {}",
        escaped(&report.machine.cpu),
        escaped(&microcode),
        escaped(&report.machine.os),
        escaped(&report.version),
        escaped(&report.profile),
        escaped(&report.run),
        escaped(&report.started)
    );
    if let Some(groups) = report.machine.groups_sentence() {
        let _ = writeln!(out, "{}", escaped(&groups));
    }
    out += &table(report);
    let said = reasons_said(report);
    let said: Vec<String> = said.into_iter().chain(untested_said(report)).collect();
    if !said.is_empty() {
        out.push('\n');
    }
    for line in said {
        let _ = writeln!(out, "- {}", escaped(&line));
    }
    let notes = report.notes.iter().map(String::as_str);
    for note in report.machine.virtual_machine.then_some(VIRTUAL).into_iter().chain(notes) {
        let _ = writeln!(out, "\n{}", escaped(note));
    }
    for core in &report.cores {
        let Some(diagnosis) = &core.diagnosis else { continue };
        let why = core.reason.as_ref().map_or_else(String::new, |why| format!(": {}", escaped(why)));
        let _ = writeln!(out, "\n**{}**{why}\n", escaped(&core.label));
        for (what, text) in diagnosis::entries(report, core, diagnosis) {
            let _ = writeln!(out, "- {what}: {}", escaped(&text));
        }
    }
    out += &worth(report);
    let commands: Vec<String> =
        report.findings.iter().take(SHOWN).filter_map(|finding| replay::command(report, finding)).collect();
    if !commands.is_empty() {
        let _ = writeln!(out, "\nThe same work again:\n");
        for command in commands {
            let _ = writeln!(out, "    {}", command.replace('\n', " "));
        }
    }
    if !report.advice.is_empty() {
        out.push('\n');
        for (n, line) in report.advice.iter().enumerate() {
            let _ = writeln!(out, "{}. {}", n + 1, escaped(line));
        }
    }
    out
}

/// A row for each core. What its firmware says and what was expected of it are two columns, each where there is any.
fn table(report: &Report) -> String {
    let sets = report.cores.iter().any(|core| core.multiplier.top.is_some());
    let asked = any_asked(report);
    let row = |name: &str, [set, expected]: [&str; 2], rest: &str| {
        let columns = [(set, sets || !asked), (expected, asked)].into_iter().filter(|&(_, shown)| shown);
        let columns: String = columns.map(|(text, _)| format!(" {text} |")).collect();
        format!("| {name} |{columns} {rest} |\n")
    };
    let mut out = String::from("\n");
    out += &row("core", ["set", "expect"], "tested (scalar/AVX2) | time | checks | errors | verdict");
    out += &row("---", ["---:", "---:"], "--- | ---: | ---: | ---: | ---");
    let cells = |core: &CoreReport| {
        let bold = if errors(core) > 0 { "**" } else { "" };
        format!(
            "{} | {} | {} | {} | {bold}{}{bold}",
            Tested::of(core).text(),
            duration_or_none(core.checked.cpu_s),
            si(core.checked.operations as f64),
            errors(core),
            escaped(&verdict_of(report, core))
        )
    };
    for core in &report.cores {
        let [set, expected] = [core.multiplier.top, core.multiplier.expected].map(multiplier_or_none);
        out += &row(&escaped(short(report, core)), [&set, &expected], &cells(core));
    }
    out
}

/// What the passes would have caught, in a few sentences for each core.
fn worth(report: &Report) -> String {
    let all = meaning::said(report);
    let mut out = if all.is_empty() { String::new() } else { "\nWhat this is worth:\n\n".to_owned() };
    for said in all.iter().take(GROUPS) {
        let sentences: Vec<&str> = said.sentences.iter().take(SENTENCES).map(String::as_str).collect();
        let _ = writeln!(out, "- {}: {}", escaped(&said.who), escaped(&sentences.join(" ")));
    }
    if all.len() > GROUPS {
        let _ = writeln!(out, "- the others: in --json");
    }
    out
}

/// Text in which nothing is taken for markup.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '#' => out.extend(['\\', c]),
            // As an entity it is not taken for the beginning of one.
            '&' => out.push_str("&amp;"),
            '\n' => out.push(' '),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Class, finding::tests::finding};

    #[test]
    fn a_forum_post_has_all_that_matters() {
        let mut report = crate::report::tests::report(2, |_| vec![]);
        report.machine.cpu = "A *bold* CPU | <b>".into();
        report.machine.os = "Linux 6.1".into();
        report.advice.push("Set C1 60x -> 57x, then: oddcore run --cores C1 --for 1h".into());
        report.findings.push(finding(1, Class::Miscompute));
        report.cores[0].multiplier.top = Some(60);
        let want = r"**NO ERRORS in 1:02: every core tested computed correctly.**

A \*bold\* CPU \| \<b\>, Linux 6.1; oddcore 0, profile quick, run made-up, 2026-01-01T00:00:00Z

| core | set | tested (scalar/AVX2) | time | checks | errors | verdict |
| --- | ---: | --- | ---: | ---: | ---: | --- |
| C0 | 60x | - | - | 0 | 0 | PASS |
| C1 | - | - | - | 0 | 0 | PASS |

The same work again:

    oddcore kernel gemm-f32 --seed 0x1 --variant avx2

1. Set C1 60x -\> 57x, then: oddcore run --cores C1 --for 1h
";
        assert_eq!(render(&report), want);
    }

    #[test]
    fn what_was_expected_what_was_missed_and_what_it_is_worth_are_told() {
        let passes = |core| match core {
            0 => vec![(Some(25), "solo", 1200.0, 0), (Some(25), "together", 120.0, 0), (Some(24), "solo", 600.0, 0)],
            _ => vec![(Some(25), "solo", 300.0, 0)],
        };
        let mut report = crate::report::tests::report(2, passes);
        for core in &mut report.cores {
            core.multiplier.expected = Some(25);
            core.evidence = crate::report::tests::evidence(&[(25, "scalar", 90.0), (25, "avx2", 1110.0)]);
        }
        report.cores[1].multiplier.expected = Some(26);
        report.cores[1].verdict = crate::verdict::CoreVerdict::NotProven;
        report.cores[1].reason = Some("never reached 26x: at most 25x".into());
        report.exit_code = 3;
        let shown = render(&report);
        let of_the_cores = "
| core | expect | tested (scalar/AVX2) | time | checks | errors | verdict |
| --- | ---: | --- | ---: | ---: | ---: | --- |
| C0 | 25x | 25x / 25x | - | 0 | 0 | PASS @25x |
| C1 | 26x | 25x / 25x | - | 0 | 0 | NOT-PROVEN |

- C1 not-proven: never reached 26x: at most 25x
- C0 as expected: 25x, by 1.5 min of scalar work and 18.5 min of AVX2 work

What this is worth:

- C0: At 25x, solo: would have caught (95 %) a fault recurring every 6.7 min or oftener of this work, if errors come \
  independently. At 25x, together: would have caught (95 %) a fault recurring every 40 s or oftener of this work, if \
  errors come independently.
- C1: At 25x, solo: would have caught (95 %) a fault recurring every 1.7 min or oftener of this work, if errors come \
  independently.
";
        assert!(shown.contains(of_the_cores), "{shown}");
    }
}
