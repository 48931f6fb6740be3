//! Clock, temperature and findings over time, and the multiplier reached against the top.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{
    Page,
    chart::{Axis, OverTime, Point, Reached, over_time, reached},
};
use crate::{
    plan::PRE_PASS,
    report::{
        CoreReport, Report,
        meaning::short,
        tested::Tested,
        text::heat_said,
        timeline::{Clock, Timeline, join_clocks, join_heat, thinned},
    },
    verdict::duration,
};

/// Points of one chart.
const POINTS: usize = 160;
/// On machines with more cores than this each gets fewer.
const FULL: usize = 24;
/// A pause of more points than this is left open.
const GAP: f64 = 6.0;
/// Below this height of a chart of clocks its labels need another digit.
const FINE_GHZ: f64 = 0.6;
/// Errors marked on one chart.
const MARKS: usize = 40;

/// All charts.
pub fn section(page: &Page<'_>) -> Markup {
    let Page { report, timeline, .. } = *page;
    let tested: Vec<&CoreReport> = report.cores.iter().filter(|core| core.checked.iterations > 0).collect();
    html! {
        @if tested.iter().any(|core| core.clock_mhz.is_some()) {
            section {
                h2 { "Multiplier reached" }
                p.muted {
                    "Bar: lowest to highest of a core's clock readings; dot: the middle one; upright line: its top, red where no \
                     checked work reached it."
                }
                div.charts.one { (multipliers(report, &tested)) }
            }
        }
        @if timeline.seconds > 0.0 && (!timeline.clocks.is_empty() || !timeline.heat.is_empty()) {
            section {
                h2 { "Over time" }
                p.muted {
                    "Line: the middle of a stretch's readings; band: from the lowest to the highest. "
                    "Dashed: the core's top. Red triangles below: findings."
                }
                div.charts {
                    @if !timeline.heat.is_empty() { (heat(timeline)) }
                    @for core in &tested { (clock(page, core, tested.len())) }
                }
                (loads(timeline))
                @if let Some(said) = heat_said(report) { p { b { "Heat: " } (said) "." } }
            }
        }
    }
}

fn multipliers(report: &Report, tested: &[&CoreReport]) -> Markup {
    let row = |core: &&CoreReport| {
        let of = core.multiplier;
        let seen = of.min.zip(of.median).zip(of.max).map(|((min, median), max)| (min, median, max));
        Reached { name: short(report, core).to_owned(), seen, tested: Tested::of(core).by_all(), top: of.top }
    };
    let rows: Vec<Reached> = tested.iter().map(row).collect();
    let said = |row: &Reached| {
        let seen =
            row.seen.map_or_else(|| "unmeasured".to_owned(), |(_, median, max)| format!("{median}x, at most {max}x"));
        format!("{} {seen}{}", row.name, row.top.map_or_else(String::new, |top| format!(", top {top}x")))
    };
    let text = rows.iter().map(said).collect::<Vec<_>>().join("; ");
    reached(&rows, "Multiplier reached against the top, by core", &text)
}

fn heat(timeline: &Timeline) -> Markup {
    let thin = thinned(&timeline.heat, timeline.seconds, POINTS, |heat| heat.at_s, join_heat);
    let low = thin.iter().map(|heat| heat.min).fold(f64::INFINITY, f64::min);
    let high = thin.iter().map(|heat| heat.max).fold(f64::NEG_INFINITY, f64::max);
    let point = |heat: &crate::report::timeline::Heat| Point {
        at_s: heat.at_s,
        low: heat.min,
        middle: (heat.min + heat.max) / 2.0,
        high: heat.max,
    };
    let points: Vec<Point> = thin.iter().map(point).collect();
    let text = format!("{low:.0} to {high:.0} °C at the ends of steps");
    let chart = OverTime {
        title: "Temperature, the hottest sensor",
        text: &text,
        points: &points,
        gap_s: gap(timeline, POINTS),
        errors: &[],
        level: None,
        range: (low - 3.0, high + 3.0),
        unit: (0, "°C"),
    };
    figure(&chart, timeline)
}

fn clock(page: &Page<'_>, core: &CoreReport, cores: usize) -> Markup {
    let Page { report, timeline, .. } = *page;
    let name = short(report, core);
    let Some(clocks) = timeline.clocks.get(&core.core).filter(|clocks| !clocks.is_empty()) else { return html! {} };
    let buckets = if cores > FULL { POINTS * FULL / cores } else { POINTS };
    let ghz = |mhz: u32| f64::from(mhz) / 1000.0;
    let point = |clock: &Clock| Point {
        at_s: clock.at_s,
        low: ghz(clock.min),
        middle: ghz(clock.median),
        high: ghz(clock.max),
    };
    let points: Vec<Point> =
        thinned(clocks, timeline.seconds, buckets, |clock| clock.at_s, join_clocks).iter().map(point).collect();
    let own = report.findings.iter().filter(|finding| finding.core == Some(core.core));
    let errors: Vec<f64> = own.map(|finding| finding.seconds_in).take(MARKS).collect();
    let known = report.machine.cores.iter().find(|known| known.core == core.core);
    let top = known.and_then(|known| known.top_mhz).map(|top| top.mhz / 1000.0);
    let wrong = match errors.len() {
        0 => "no findings".to_owned(),
        1 => "1 finding".to_owned(),
        n => format!("{n} findings"),
    };
    let all = join_clocks(clocks);
    let text = format!("{:.2} to {:.2} GHz, mostly {:.2}; {wrong}", ghz(all.min), ghz(all.max), ghz(all.median));
    let title = format!("Clock of {name}");
    let (low, high) = range(page);
    let chart = OverTime {
        title: &title,
        text: &text,
        points: &points,
        gap_s: gap(timeline, buckets),
        errors: &errors,
        level: top,
        range: (low, high),
        unit: (if high - low < FINE_GHZ { 2 } else { 1 }, "GHz"),
    };
    figure(&chart, timeline)
}

fn figure(chart: &OverTime<'_>, timeline: &Timeline) -> Markup {
    html! {
        figure {
            figcaption { b { (chart.title) } span.muted { " " (chart.text) } }
            (over_time(Axis { seconds: timeline.seconds }, chart))
        }
    }
}

/// Bookings are up to minutes apart, and a core may idle meanwhile.
fn gap(timeline: &Timeline, buckets: usize) -> f64 {
    (timeline.seconds / buckets as f64 * GAP).max(60.0)
}

/// One for all cores, so that their charts can be compared. The lowest medians count, not the lowest moments.
fn range(page: &Page<'_>) -> (f64, f64) {
    let clocks = || page.timeline.clocks.values().flatten();
    let tops = page.report.machine.cores.iter().filter_map(|core| core.top_mhz).map(|top| top.mhz / 1000.0);
    let high = clocks().map(|clock| f64::from(clock.max) / 1000.0).chain(tops).fold(0.0, f64::max);
    let low = clocks().map(|clock| f64::from(clock.median) / 1000.0).fold(high, f64::min);
    let margin = ((high - low) * 0.15).max(0.1);
    ((low - margin).max(0.0), high + margin)
}

/// How the time went.
fn loads(timeline: &Timeline) -> Markup {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for stretch in &timeline.loads {
        *sums.entry(&stretch.load).or_default() += (stretch.end_s(timeline.seconds) - stretch.from_s).max(0.0);
    }
    let total: f64 = sums.values().sum();
    let mut sums: Vec<(&str, f64)> = sums.into_iter().filter(|(load, s)| *s > 0.0 || *load != PRE_PASS).collect();
    sums.sort_by(|a, b| b.1.total_cmp(&a.1));
    if total <= 0.0 {
        return html! {};
    }
    let line =
        |(load, seconds): &(&str, f64)| format!("{load} {} ({:.0} %)", duration(*seconds), seconds / total * 100.0);
    html! { p { b { "Time by load: " } (sums.iter().map(line).collect::<Vec<_>>().join(", ")) "." } }
}
