//! Charts as inline SVG. They carry the colours of the light page, each with one meaning; the style sheet maps them to those of the
//! dark one, so no colour may be used that is not in [`COLOURS`].

use maud::{Markup, PreEscaped, html};
use plotters::{
    coord::types::RangedCoordf64,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

/// Text and axes.
const INK: RGBColor = RGBColor(0x44, 0x4c, 0x56);
/// Lines behind the data.
const GRID: RGBColor = RGBColor(0xd8, 0xde, 0xe4);
/// From the lowest to the highest.
const BAND: RGBColor = RGBColor(0xb6, 0xd3, 0xf2);
/// The middle.
const LINE: RGBColor = RGBColor(0x0a, 0x50, 0xa1);
/// The top.
const TOP: RGBColor = RGBColor(0x6b, 0x47, 0x00);
/// Errors.
const WRONG: RGBColor = RGBColor(0xb4, 0x12, 0x2b);

/// All of them, as they stand in the SVG: the style sheet must know each.
#[cfg(test)]
pub const COLOURS: [(&str, RGBColor); 6] =
    [("ink", INK), ("grid", GRID), ("band", BAND), ("line", LINE), ("top", TOP), ("wrong", WRONG)];

/// Charts are drawn at twice the size at which they are mostly shown, for backends count in whole pixels.
const WIDE: u32 = 760;
const HIGH: u32 = 340;
const FONT: i32 = 26;
/// Room for the labels of the vertical axis.
const LABELS: u32 = 112;

type Plane<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// A time axis in the unit that suits it.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    /// How long the run lasted, seconds.
    pub seconds: f64,
}

impl Axis {
    fn unit(self) -> (f64, &'static str) {
        match self.seconds {
            s if s < 180.0 => (1.0, "s"),
            s if s < 3.0 * 3600.0 => (60.0, "min"),
            _ => (3600.0, "h"),
        }
    }
}

/// One point of a chart over time.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Seconds since the run began.
    pub at_s: f64,
    /// Lowest.
    pub low: f64,
    /// Middle, where there is one.
    pub middle: f64,
    /// Highest.
    pub high: f64,
}

/// What is drawn over time.
pub struct OverTime<'a> {
    /// Short, for the ear.
    pub title: &'a str,
    /// What a reader who sees no chart should know.
    pub text: &'a str,
    /// In order; longer gaps than this between two points are left open.
    pub points: &'a [Point],
    /// See `points`, seconds.
    pub gap_s: f64,
    /// When errors came, seconds.
    pub errors: &'a [f64],
    /// A level drawn as a dashed line.
    pub level: Option<f64>,
    /// Of the vertical axis; what lies outside is drawn at its edge.
    pub range: (f64, f64),
    /// Decimals of the vertical axis, and its unit.
    pub unit: (usize, &'static str),
}

/// A chart over time.
pub fn over_time(axis: Axis, what: &OverTime<'_>) -> Markup {
    let svg = draw((WIDE, HIGH), |area| {
        let (scale, unit) = axis.unit();
        let (low, high) = what.range;
        let (decimals, y_unit) = what.unit;
        // Its steps are halves where there are few whole ones.
        let places = usize::from(axis.seconds / scale < 5.0);
        let mut chart = ChartBuilder::on(area)
            .margin_top(16)
            .margin_right(28)
            .x_label_area_size(48)
            .y_label_area_size(LABELS)
            .build_cartesian_2d(0.0..(axis.seconds / scale).max(1e-3), low..high)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(6)
            .y_labels(4)
            .x_label_formatter(&|at| format!("{at:.places$} {unit}"))
            .y_label_formatter(&|at| format!("{at:.decimals$} {y_unit}"))
            .label_style(("sans-serif", FONT).into_font().color(&INK))
            .axis_style(GRID)
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .draw()?;
        let inside = |value: f64| value.clamp(low, high);
        for run in what.points.chunk_by(|a, b| b.at_s - a.at_s <= what.gap_s) {
            let at = |point: &Point| point.at_s / scale;
            let upper = run.iter().map(|point| (at(point), inside(point.high)));
            let lower = run.iter().rev().map(|point| (at(point), inside(point.low)));
            let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
            chart.draw_series([Polygon::new(outline, BAND.filled())])?;
            let middle: Vec<(f64, f64)> = run.iter().map(|point| (at(point), inside(point.middle))).collect();
            if let [only] = middle[..] {
                chart.draw_series([Circle::new(only, 3, LINE.filled())])?;
            }
            chart.draw_series([PathElement::new(middle, LINE.stroke_width(3))])?;
        }
        if let Some(level) = what.level.filter(|level| (low..=high).contains(level)) {
            dashed(&mut chart, level, axis.seconds / scale)?;
        }
        let marks = what.errors.iter().map(|at_s| TriangleMarker::new((at_s / scale, low), 12, WRONG.filled()));
        chart.draw_series(marks)?;
        Ok(())
    });
    inline(&svg, what.title, what.text)
}

fn dashed(chart: &mut Plane<'_, '_>, level: f64, to: f64) -> Drawn {
    const DASHES: u32 = 48;
    let dash = |n: u32| {
        let from = f64::from(n) / f64::from(DASHES) * to;
        PathElement::new(vec![(from, level), (from + 0.5 / f64::from(DASHES) * to, level)], TOP.stroke_width(2))
    };
    chart.draw_series((0..DASHES).map(dash))?;
    Ok(())
}

/// A core's multipliers.
pub struct Reached {
    /// Its name.
    pub name: String,
    /// Lowest, middle, highest of its readings.
    pub seen: Option<(u32, u32, u32)>,
    /// Highest with checked work, without blips.
    pub tested: Option<u32>,
    /// Its top.
    pub top: Option<u32>,
}

/// What each core reached against its top.
pub fn reached(cores: &[Reached], title: &str, text: &str) -> Markup {
    const ROW: u32 = 40;
    let seen = || cores.iter().filter_map(|core| core.seen);
    let highest = seen().map(|seen| seen.2).chain(cores.iter().filter_map(|core| core.top)).max().unwrap_or(1);
    let middles = seen().map(|seen| seen.1).chain(cores.iter().filter_map(|core| core.top)).min().unwrap_or(0);
    // A moment of idling must not squeeze what matters into the last tenth.
    let lowest = seen().map(|seen| seen.0).min().unwrap_or(middles).max(middles.saturating_sub(highest / 4));
    let lowest = cores.iter().filter_map(|core| core.top).fold(lowest, u32::min);
    let (low, high) = (f64::from(lowest) - 1.0, f64::from(highest) + 1.0);
    let size = (WIDE + 140, 68 + ROW * cores.len() as u32);
    let svg = draw(size, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_top(8)
            .margin_right(28)
            .x_label_area_size(48)
            .y_label_area_size(LABELS)
            .build_cartesian_2d(low..high, 0.0..cores.len() as f64)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .x_labels(8)
            .y_labels(0)
            .x_label_formatter(&|at| if at.fract() == 0.0 { format!("{at}x") } else { String::new() })
            .label_style(("sans-serif", FONT).into_font().color(&INK))
            .axis_style(GRID)
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .draw()?;
        let style = ("sans-serif", FONT).into_font().color(&INK).pos(Pos::new(HPos::Right, VPos::Center));
        for (n, core) in cores.iter().enumerate() {
            let y = cores.len() as f64 - 0.5 - n as f64;
            let (left, middle) = chart.plotting_area().map_coordinate(&(low, y));
            area.draw(&Text::new(core.name.clone(), (left - 12, middle), style.clone()))?;
            let x = |multiplier: u32| f64::from(multiplier).clamp(low, high);
            if let Some((from, median, to)) = core.seen {
                chart.draw_series([Rectangle::new([(x(from), y - 0.25), (x(to), y + 0.25)], BAND.filled())])?;
                chart.draw_series([Circle::new((x(median), y), 7, LINE.filled())])?;
            }
            if let Some(top) = core.top {
                let reached = core.tested.is_some_and(|tested| tested >= top);
                let colour = if reached { TOP } else { WRONG };
                let line = vec![(x(top), y - 0.36), (x(top), y + 0.36)];
                chart.draw_series([PathElement::new(line, colour.stroke_width(5))])?;
            }
        }
        Ok(())
    });
    inline(&svg, title, text)
}

fn draw(size: (u32, u32), chart: impl FnOnce(&DrawingArea<SVGBackend<'_>, plotters::coord::Shift>) -> Drawn) -> String {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        // Into a string nothing can fail but memory.
        let _ = chart(&area).and_then(|()| area.present());
    }
    svg
}

/// The SVG with a name and a text for those who do not see it, as wide as its place allows.
fn inline(svg: &str, title: &str, text: &str) -> Markup {
    let body = svg.split_once('>').map_or(svg, |(_, body)| body).trim_end().trim_end_matches("</svg>");
    let view = svg.split_once("viewBox=\"").and_then(|(_, rest)| rest.split_once('"')).map_or("", |(view, _)| view);
    html! {
        svg class="chart" role="img" viewBox=(view) aria-label={ (title) ". " (text) } {
            title { (title) }
            (PreEscaped(body.lines().map(str::trim).collect::<String>()))
        }
    }
}
