//! Heat maps: which core was tested how long by which kernel and under which load, and where it erred. Tables, whose cells say in
//! text what their colour shows.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::scroll;
use crate::{
    plan::{Load, PRE_PASS},
    report::{CoreReport, Report, meaning::short},
    verdict::duration,
};

/// With more cores than this they are the rows of either map, for there is no room for as many columns.
const COLUMNS: usize = 26;

/// Checked time and errors.
#[derive(Clone, Copy, Default)]
struct Cell {
    seconds: f64,
    findings: u64,
}

/// Cells by core and by what they are of.
struct Map<'a> {
    title: &'a str,
    what: &'a str,
    names: Vec<&'a str>,
    cells: BTreeMap<(u32, &'a str), Cell>,
    most_s: f64,
}

/// Both maps.
pub fn section(report: &Report) -> Markup {
    let tested: Vec<&CoreReport> = report.cores.iter().filter(|core| core.checked.iterations > 0).collect();
    if tested.is_empty() {
        return html! {};
    }
    let by_load = tested.iter().flat_map(|core| {
        core.passes
            .iter()
            .map(|pass| (core.core, pass.load.as_str(), Cell { seconds: pass.seconds, findings: pass.findings }))
    });
    let by_kernel = tested.iter().flat_map(|core| {
        core.kernels
            .iter()
            .map(|part| (core.core, part.kernel.as_str(), Cell { seconds: part.cpu_s, findings: part.findings }))
    });
    let loads = Map::of("Cores × loads", "load", by_load, load_order);
    let kernels = Map::of("Cores × kernels", "kernel", by_kernel, |_| 0);
    html! {
        section {
            h2 { "Where it was tested" }
            p.muted {
                "Checked CPU time of each core: the stronger the colour, the longer. A red cell with " b.wrong { "✗" } " counts errors."
            }
            div.maps {
                (loads.table(report, &tested, false))
                (kernels.table(report, &tested, tested.len() <= COLUMNS))
            }
        }
    }
}

/// As a round has them, the pre-pass first.
fn load_order(name: &str) -> usize {
    match Load::ALL.iter().position(|load| load.name() == name) {
        Some(at) => at + 1,
        None if name == PRE_PASS => 0,
        None => usize::MAX,
    }
}

impl<'a> Map<'a> {
    fn of(
        title: &'a str,
        what: &'a str,
        cells: impl Iterator<Item = (u32, &'a str, Cell)>,
        order: fn(&str) -> usize,
    ) -> Self {
        let mut sums: BTreeMap<(u32, &str), Cell> = BTreeMap::new();
        for (core, name, cell) in cells {
            let sum = sums.entry((core, name)).or_default();
            sum.seconds += cell.seconds;
            sum.findings = sum.findings.saturating_add(cell.findings);
        }
        let mut names: Vec<&str> = sums.keys().map(|&(_, name)| name).collect();
        names.sort_unstable_by_key(|name| (order(name), *name));
        names.dedup();
        let most_s = sums.values().map(|cell| cell.seconds).fold(0.0, f64::max);
        Self { title, what, names, cells: sums, most_s }
    }

    fn table(&self, report: &Report, cores: &[&CoreReport], cores_across: bool) -> Markup {
        let cell = |core: &CoreReport, name: &str| self.cell(self.cells.get(&(core.core, name)).copied());
        let what = if cores_across { self.what } else { "core" };
        let narrow = if cores_across { "heat" } else { "heat upright" };
        scroll(
            self.title,
            html! {
                table class=(narrow) {
                    caption { (self.title) }
                    thead {
                        tr {
                            th scope="col" { (what) }
                            @if cores_across {
                                @for core in cores { th scope="col" { span { (short(report, core)) } } }
                            } @else {
                                @for name in &self.names { th scope="col" { span { (name) } } }
                            }
                        }
                    }
                    tbody {
                        @if cores_across {
                            @for name in &self.names {
                                tr { th scope="row" { (name) } @for core in cores { (cell(core, name)) } }
                            }
                        } @else {
                            @for core in cores {
                                tr { th scope="row" { (short(report, core)) } @for name in &self.names { (cell(core, name)) } }
                            }
                        }
                    }
                }
            },
        )
    }

    fn cell(&self, cell: Option<Cell>) -> Markup {
        let Some(cell) = cell.filter(|cell| cell.seconds > 0.0 || cell.findings > 0) else {
            return html! { td.h0 { "–" } };
        };
        if cell.findings > 0 {
            return html! { td.bad { "✗" (cell.findings) " in " (duration(cell.seconds)) } };
        }
        let level = match cell.seconds / self.most_s {
            part if part > 0.5 => "h4",
            part if part > 0.2 => "h3",
            part if part > 0.05 => "h2",
            _ => "h1",
        };
        html! { td class=(level) { (duration(cell.seconds)) } }
    }
}
