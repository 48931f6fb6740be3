//! The report for a forum: Markdown that every flavour knows.

use std::fmt::Write as _;

use super::{
    Report, diagnosis,
    meaning::short,
    replay,
    tested::Tested,
    text::{VIRTUAL, duration_or_none, errors, sentence, si, verdict_of},
};

/// Findings listed.
const SHOWN: usize = 5;

/// The whole report.
pub fn render(report: &Report) -> String {
    let mut out = format!("**{}**\n\n", escaped(&sentence(report)));
    let microcode =
        report.machine.microcode.as_ref().map_or_else(String::new, |microcode| format!(", microcode {microcode}"));
    let _ = writeln!(
        out,
        "{}{}, {}; oddcore {}, profile {}, {}",
        escaped(&report.machine.cpu),
        escaped(&microcode),
        escaped(&report.machine.os),
        escaped(&report.version),
        escaped(&report.profile),
        escaped(&report.started)
    );
    if let Some(groups) = report.machine.groups_sentence() {
        let _ = writeln!(out, "{}", escaped(&groups));
    }
    out += "\n| core | set | tested (scalar/AVX2) | time | checks | errors | verdict |\n\
            |---|---:|---|---:|---:|---:|---|\n";
    for core in &report.cores {
        let set = core.multiplier.top.map_or_else(|| "-".to_owned(), |top| format!("{top}x"));
        let said = verdict_of(report, core);
        let bold = if errors(core) > 0 { "**" } else { "" };
        let _ = writeln!(
            out,
            "| {} | {set} | {} | {} | {} | {} | {bold}{}{bold} |",
            escaped(short(report, core)),
            Tested::of(core).text(),
            duration_or_none(core.checked.cpu_s),
            si(core.checked.operations as f64),
            errors(core),
            escaped(&said)
        );
    }
    let notes = report.notes.iter().map(String::as_str);
    for note in report.machine.virtual_machine.then_some(VIRTUAL).into_iter().chain(notes) {
        let _ = writeln!(out, "\n{}", escaped(note));
    }
    for core in &report.cores {
        let Some(diagnosis) = &core.diagnosis else { continue };
        let _ = writeln!(out, "\n**{}**\n", escaped(&core.label));
        for (what, text) in diagnosis::entries(report, core, diagnosis) {
            let _ = writeln!(out, "- {what}: {}", escaped(&text));
        }
    }
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

A \*bold\* CPU \| \<b\>, Linux 6.1; oddcore 0, profile quick, 2026-01-01T00:00:00Z

| core | set | tested (scalar/AVX2) | time | checks | errors | verdict |
|---|---:|---|---:|---:|---:|---|
| C0 | 60x | - | - | 0 | 0 | PASS |
| C1 | - | - | - | 0 | 0 | PASS |

The same work again:

    oddcore kernel gemm-f32 --seed 0x1 --variant avx2

1. Set C1 60x -\> 57x, then: oddcore run --cores C1 --for 1h
";
        assert_eq!(render(&report), want);
    }
}
