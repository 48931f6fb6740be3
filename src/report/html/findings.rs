//! Each finding with its bits, lane and element, and the command that does its work again.

use maud::{Markup, html};

use super::into_run;
use crate::{
    report::{Report, diagnosis::again_on, replay},
    verdict::{Finding, Hex, Repeat},
};

/// Findings shown; the JSON has all.
const SHOWN: usize = 100;
/// Findings that stand open.
const OPEN: usize = 3;
/// Lanes of a full vector of 32-bit elements.
const LANES: u64 = 16;

/// All of them.
pub fn section(report: &Report) -> Markup {
    if report.findings.is_empty() {
        return html! {};
    }
    html! {
        section {
            h2 { "Findings" }
            @for (n, finding) in report.findings.iter().take(SHOWN).enumerate() { (one(report, finding, n < OPEN)) }
            @if report.findings.len() > SHOWN {
                p.muted { "And " (report.findings.len() - SHOWN) " more, all in " code { "--json" } "." }
            }
        }
    }
}

fn one(report: &Report, finding: &Finding, open: bool) -> Markup {
    let name = |core: u32| {
        report
            .machine
            .cores
            .iter()
            .find(|known| known.core == core)
            .map_or_else(|| format!("core {core}"), |known| known.short.clone())
    };
    let who = match (finding.core, finding.suspects.as_slice()) {
        (Some(core), _) => name(core),
        (None, []) => "no core".to_owned(),
        (None, suspects) => suspects.iter().map(|&core| name(core)).collect::<Vec<_>>().join(" or "),
    };
    let work: Vec<&str> =
        [&finding.kernel, &finding.variant, &finding.stage].into_iter().flatten().map(String::as_str).collect();
    let again = finding.again.as_ref().zip(finding.core).map(|(again, core)| again_on(&name(core), again));
    let again = again.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    html! {
        details.finding open[open] {
            summary {
                b { (who) ": " (finding.class.name()) }
                @if !work.is_empty() { " in " (work.join("/")) }
                span.muted {
                    ", " (finding.load) " load"
                    @if let Some(multiplier) = finding.multiplier { ", " (multiplier) "x" }
                    ", " (into_run(finding.seconds_in)) " into the run"
                }
            }
            dl {
                @if let (Some(expected), Some(actual)) = (finding.expected, finding.actual) {
                    dt { "bits" }
                    dd { (bits(expected, actual)) }
                }
                @if !finding.element.is_empty() {
                    dt { "element" }
                    dd { (place(finding)) }
                }
                @if let Some(again) = again {
                    dt { "again" }
                    dd { (again) }
                } @else if finding.repeat != Repeat::Unknown {
                    dt { "again" }
                    dd { @if finding.repeat == Repeat::Repeatable { "wrong again" } @else { "right when done again" } }
                }
                @if let Some(mhz) = finding.clock_mhz {
                    dt { "clock" }
                    dd { (format!("{mhz:.0} MHz")) }
                }
                @if let Some(cpu) = finding.cpu {
                    dt { "CPU" }
                    dd { (cpu) }
                }
                @if let Some(seed) = finding.seed {
                    dt { "seed" }
                    dd { code { (seed) } @if let Some(n) = finding.iteration { ", iteration " (n) } }
                }
                @if !finding.detail.is_empty() {
                    dt { "detail" }
                    dd { (finding.detail) }
                }
                @if let Some(command) = replay::command(report, finding) {
                    dt { "replay" }
                    dd { (super::command(&command)) }
                }
            }
        }
    }
}

/// `[3, 19] (lane 3 of 16), 2 wrong in all`.
fn place(finding: &Finding) -> String {
    let lane = finding.element.last().map(|last| format!(" (lane {} of {LANES})", last % LANES)).unwrap_or_default();
    let wrong = finding.wrong_elements.map_or_else(String::new, |wrong| format!(", {wrong} wrong in all"));
    format!("{:?}{lane}{wrong}", finding.element)
}

/// Both values bit for bit, those that differ set apart by more than colour.
fn bits(expected: Hex, actual: Hex) -> Markup {
    let xor = expected.0 ^ actual.0;
    let widest = expected.0.max(actual.0).max(1).ilog2() + 1;
    let width = [8, 16, 32, 64].into_iter().find(|&width| width >= widest).unwrap_or(64);
    let wrong: Vec<String> = (0..64u32).rev().filter(|bit| xor >> bit & 1 == 1).map(|bit| bit.to_string()).collect();
    let row = |what: &str, value: Hex| {
        html! {
            tr {
                th scope="row" { (what) }
                td { code { (value) } }
                td.bits {
                    @for byte in (0..width / 8).rev() {
                        span {
                            @for bit in (byte * 8..byte * 8 + 8).rev() {
                                @let digit = if value.0 >> bit & 1 == 1 { "1" } else { "0" };
                                @if xor >> bit & 1 == 1 { mark { (digit) } } @else { (digit) }
                            }
                        }
                    }
                }
            }
        }
    };
    html! {
        table.values { tbody { (row("want", expected)) (row("got", actual)) } }
        p.small {
            @if wrong.is_empty() { "no bit differs" }
            @else { "wrong " @if wrong.len() == 1 { "bit " } @else { "bits " } (wrong.join(", ")) ", xor " code { (Hex(xor)) } }
        }
    }
}
