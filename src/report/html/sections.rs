//! The other parts of the page.

use maud::{Markup, html};

use super::{Page, badge, scroll, when};
use crate::{
    machine::format_cpu_list,
    plan::Plan,
    report::{
        CoreReport, Report, diagnosis, machine as machine_text,
        meaning::{self, short},
        tested::{Tested, any_asked, brief},
        text::{errors, si, verdict_of},
    },
    verdict::duration,
};

/// Rows of evidence on the whole page; a core has its share of them, and the JSON has all.
const ROWS: usize = 6000;
/// The least that each core has, and the most.
const ROWS_A_CORE: (usize, usize) = (12, 200);

/// A row for each core.
pub fn cores(report: &Report) -> Markup {
    let ratio =
        |multiplier: Option<u32>| multiplier.map_or_else(|| "–".to_owned(), |multiplier| format!("{multiplier}x"));
    let asked = any_asked(report);
    html! {
        section {
            h2 { "Cores" }
            (scroll("Cores", html! {
                table.cores {
                    thead {
                        tr {
                            th scope="col" { "core" }
                            th scope="col" { "verdict" }
                            th.number scope="col" { "errors" }
                            th scope="col" { "set" }
                            @if asked { th scope="col" { "expect" } }
                            th scope="col" { "tested at" br; span.small { "scalar / AVX2" } }
                            th.number scope="col" { "clock" }
                            th.number scope="col" { "iterations" }
                            th.number scope="col" { "operations" }
                            th scope="col" { "CPUs" }
                        }
                    }
                    tbody {
                        @for core in &report.cores {
                            tr {
                                th scope="row" { (short(report, core)) }
                                td {
                                    (badge(core.verdict, &verdict_of(report, core)))
                                    @if let Some(why) = &core.reason { br; span.small { (why) } }
                                    @if let Some((_, seconds)) = brief(report, core) {
                                        br;
                                        span.small { "there or above for " (duration(seconds)) }
                                    }
                                }
                                td.number.wrong[errors(core) > 0] { (errors(core)) }
                                td { (ratio(core.multiplier.top)) }
                                @if asked { td { (ratio(core.multiplier.expected)) } }
                                td { (Tested::of(core).text()) }
                                td.number { @if let Some(clock) = core.clock_mhz { (clock.median) " MHz" } @else { "–" } }
                                td.number { (core.checked.iterations) }
                                td.number { (si(core.checked.operations as f64)) }
                                td { (format_cpu_list(&core.cpus)) }
                            }
                        }
                    }
                }
            }))
        }
    }
}

/// What the findings of each failed core have in common.
pub fn failed(report: &Report) -> Markup {
    let failed: Vec<(&CoreReport, Vec<(String, String)>)> = report
        .cores
        .iter()
        .filter_map(|core| Some((core, diagnosis::entries(report, core, core.diagnosis.as_ref()?))))
        .collect();
    html! {
        @for (core, entries) in &failed {
            section.failed {
                h2 { (core.label) }
                dl { @for (what, text) in entries { dt { (what) } dd { (text) } } }
            }
        }
    }
}

/// What the passes are worth.
pub fn meaning(report: &Report) -> Markup {
    let said = meaning::said(report);
    if said.is_empty() {
        return html! {};
    }
    html! {
        section {
            h2 { "What this means" }
            p.muted {
                "A pass is evidence, not proof: it holds for this work, at these multipliers, under these loads, at this temperature."
            }
            @for said in &said {
                h3 { (said.who) }
                ul {
                    @for sentence in &said.sentences { li { (sentence) } }
                    @if said.more > 0 { li.muted { "and " (said.more) " more below" } }
                }
            }
        }
    }
}

/// All evidence, closed.
pub fn evidence(report: &Report) -> Markup {
    let tested: Vec<&CoreReport> = report.cores.iter().filter(|core| !core.passes.is_empty()).collect();
    let rows = (ROWS / tested.len().max(1)).clamp(ROWS_A_CORE.0, ROWS_A_CORE.1);
    let table = |core: &CoreReport| {
        html! {
            table {
                thead {
                    tr {
                        th scope="col" { "at" }
                        th scope="col" { "load" }
                        th.number scope="col" { "checked" }
                        th.number scope="col" { "operations" }
                        th.number scope="col" { "errors" }
                        th.number scope="col" { "catches one in" }
                    }
                }
                tbody {
                    @for pass in core.passes.iter().take(rows) {
                        tr {
                            td { @if let Some(multiplier) = pass.multiplier { (multiplier) "x" } @else { "unmeasured" } }
                            td { (pass.load) }
                            td.number { (duration(pass.seconds)) }
                            td.number { (si(pass.operations as f64)) }
                            td.number.wrong[pass.findings > 0] { (pass.findings) }
                            td.number { @if let Some(every_s) = pass.catches_every_s { (duration(every_s)) } @else { "–" } }
                        }
                    }
                }
            }
            @if core.passes.len() > rows { p.muted { "And " (core.passes.len() - rows) " more, at lower multipliers, in --json." } }
        }
    };
    html! {
        @if !tested.is_empty() {
            section.evidence {
                h2 { "Evidence" }
                p.muted { "Never pooled over multipliers. The last column: the rarest fault this would have caught (95 %)." }
                @for core in &tested {
                    details {
                        summary { (core.label) span.muted { ", " (core.passes.len()) " pieces of evidence" } }
                        (scroll("Evidence", table(core)))
                    }
                }
            }
        }
    }
}

/// Interruptions and notes.
pub fn events(report: &Report) -> Markup {
    if report.interruptions.is_empty() && report.notes.is_empty() && report.open_step.is_none() {
        return html! {};
    }
    html! {
        section {
            h2 { "What else happened" }
            ul {
                @for broken in &report.interruptions {
                    li {
                        (when(&broken.at)) " " (broken.reason.name())
                        @if let Some(load) = &broken.load { ", " (load) " load" }
                        @if let Some(kernel) = &broken.kernel { ", " (kernel) }
                        @if !broken.cores.is_empty() { " on " (report.machine.names(&broken.cores)) }
                        @if let Some(why) = &broken.why { ": " (why) }
                    }
                }
                @if let Some(open) = &report.open_step {
                    li {
                        "Not ended: " (open.load) " load"
                        @if let Some(kernel) = &open.kernel { ", " (kernel) }
                        " on " (report.machine.names(&open.cores))
                    }
                }
                @for note in &report.notes { li { (note) } }
            }
        }
    }
}

/// What was asked for.
pub fn settings(page: &Page<'_>) -> Markup {
    let Page { report, run, .. } = *page;
    let plan = &run.plan;
    let expected: Vec<String> = match plan {
        Plan::Asked(request) => request
            .expect
            .iter()
            .map(|one| format!("{} {}x", report.machine.names(&[one.core]), one.multiplier))
            .collect(),
        Plan::Command(_) | Plan::Listed(_) => Vec::new(),
    };
    html! {
        section {
            h2 { "Settings" }
            dl {
                dt { "profile" } dd { (report.profile) @if report.drill { ", a drill" } }
                dt { "length" }
                dd {
                    @if let Some(every_s) = plan.until_s() { "until a fault every " (duration(every_s)) " would have been caught, at most " }
                    (duration(plan.seconds()))
                }
                dt { "cores" } dd { (report.machine.names(&run.cores)) " of " (report.cores.len()) }
                dt { "loads" } dd { (plan.loads().join(", ")) }
                dt { "kernels" } dd { (plan.kernels().join(", ")) }
                @if !expected.is_empty() { dt { "expected" } dd { (expected.join(", ")) } }
                @if !run.images.is_empty() { dt { "pictures" } dd { (run.images.join(", ")) } }
                dt { "seed" } dd { code { (report.seed) } }
                dt { "started" } dd { (report.started) }
                dt { "ended" } dd { (report.ended.as_deref().unwrap_or("not yet")) }
                dt { "version" } dd { "oddcore " (report.version) }
            }
        }
    }
}

/// The computer.
pub fn machine(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Machine" }
            (scroll("Machine", html! { pre { (machine_text::render(&report.machine)) } }))
        }
    }
}
