//! Two runs, core by core: what got better, what worse, and whether the evidence can tell.

use std::fmt::Write as _;

use comfy_table::{Table, presets::NOTHING};
use serde::Serialize;

use super::{
    CoreReport, Report,
    meaning::short,
    tested::Tested,
    text::{duration_or_none, errors, verdict, wrapped},
};
use crate::verdict::{CoreVerdict, SIGNIFICANT, duration, p_same_rate};

/// The schema's name; fields may be added, never re-used (`docs/comparison.schema.json`).
pub const SCHEMA: &str = "oddcore-comparison/1";

/// One run against another.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The first, mostly the earlier.
    pub a: Side,
    /// The second.
    pub b: Side,
    /// Of the second against the first: worse if any core got worse.
    pub change: Change,
    /// The same in one or two sentences.
    pub summary: String,
    /// What else is not alike, one sentence each.
    pub differences: Vec<String>,
    /// Cores of either run, by name.
    pub cores: Vec<CorePair>,
}

/// One run of the two.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    /// Its id.
    pub run: String,
    /// RFC 3339.
    pub started: String,
    /// The profile's name.
    pub profile: String,
    /// `pass`, `fail` or `inconclusive`.
    pub verdict: String,
    /// Whether a fault was injected on purpose.
    pub drill: bool,
}

/// One core in both runs.
#[derive(Clone, Debug, Serialize)]
pub struct CorePair {
    /// What people call it: `P4`.
    pub name: String,
    /// In the first run; null if it was not there.
    pub a: Option<CoreSide>,
    /// In the second.
    pub b: Option<CoreSide>,
    /// Of the second against the first.
    pub change: Change,
    /// Whether the evidence became less or more, where nothing else tells the two apart; null elsewhere.
    pub proven: Option<Proven>,
    /// In words.
    pub why: String,
}

/// One core in one run.
#[derive(Clone, Debug, Serialize)]
pub struct CoreSide {
    /// Its index there.
    pub core: u32,
    /// The verdict.
    pub verdict: CoreVerdict,
    /// Highest multiplier with checked scalar work, blips left out.
    pub scalar: Option<u32>,
    /// The same of AVX2 work and wider.
    pub vector: Option<u32>,
    /// The lower of the two: what its verdict is about.
    pub multiplier: Option<u32>,
    /// Middle of its clock readings.
    pub clock_mhz: Option<u32>,
    /// Checked CPU time.
    pub seconds: f64,
    /// Errors.
    pub findings: u64,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Nothing that the evidence could tell.
    Same,
    /// Not tested in one of them, or not by the same work.
    Unknown,
    /// It does not err any more, more seldom, or is proven higher.
    Better,
    /// It errs, errs oftener, or is proven lower.
    Worse,
}

impl Change {
    /// The name used in JSON and on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Unknown => "unknown",
            Self::Better => "better",
            Self::Worse => "worse",
        }
    }
}

/// What became of the evidence of a core that never erred. Less of it is no fault of the core's: what was asked to be proven, and
/// how long there was for it, is no change of the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proven {
    /// It passed, and is not proven now.
    Less,
    /// It was not proven, and passes now.
    More,
}

impl Proven {
    fn of(a: &CoreSide, b: &CoreSide) -> Option<Self> {
        match (a.verdict, b.verdict) {
            _ if a.findings + b.findings > 0 => None,
            (CoreVerdict::Pass, CoreVerdict::NotProven) => Some(Self::Less),
            (CoreVerdict::NotProven, CoreVerdict::Pass) => Some(Self::More),
            _ => None,
        }
    }
}

impl CorePair {
    fn of(name: &str, [a, b]: [Option<CoreSide>; 2], other_work: Option<&str>) -> Self {
        let (change, why) = match other_work {
            Some(why) if a.is_some() && b.is_some() => (Change::Unknown, why.to_owned()),
            _ => judge(a.as_ref(), b.as_ref()),
        };
        let both = a.as_ref().zip(b.as_ref()).filter(|_| change == Change::Same);
        let proven = both.and_then(|(a, b)| Proven::of(a, b));
        Self { name: name.to_owned(), a, b, change, proven, why }
    }

    /// `less proven`, `worse`.
    fn word(&self) -> &'static str {
        match self.proven {
            Some(Proven::Less) => "less proven",
            Some(Proven::More) => "more proven",
            None => self.change.name(),
        }
    }

    /// Whether there is anything to be said of it besides.
    fn needs_words(&self) -> bool {
        self.change != Change::Same || self.proven.is_some()
    }
}

impl Comparison {
    /// Of two reports.
    pub fn of(a: &Report, b: &Report) -> Self {
        let names = |report: &Report| -> Vec<String> {
            report.cores.iter().map(|core| short(report, core).to_owned()).collect()
        };
        let (of_a, of_b) = (names(a), names(b));
        let all = of_a.iter().chain(of_b.iter().filter(|name| !of_a.contains(name)));
        let find = |report: &Report, names: &[String], name: &String| {
            names.iter().position(|other| other == name).map(|at| CoreSide::of(&report.cores[at]))
        };
        let other_work = other_work(a, b);
        let pair =
            |name: &String| CorePair::of(name, [find(a, &of_a, name), find(b, &of_b, name)], other_work.as_deref());
        let cores: Vec<CorePair> = all.map(pair).collect();
        let change = cores.iter().map(|core| core.change).max().unwrap_or(Change::Same);
        Self {
            schema: SCHEMA,
            a: Side::of(a),
            b: Side::of(b),
            change,
            summary: match other_work {
                Some(why) => format!("NOT COMPARABLE: {why}."),
                None => summary(&cores),
            },
            differences: differences(a, b),
            cores,
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = format!("{}\n", wrapped(&self.summary, "  "));
        for (letter, side) in [("A", &self.a), ("B", &self.b)] {
            let drill = if side.drill { ", a drill" } else { "" };
            let _ = writeln!(out, " {letter}  {}  {}{drill}  {}", side.run, side.profile, side.verdict);
        }
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(["core", "A", "checked", "errors", "B", "checked", "errors", "change"]);
        for core in &self.cores {
            let mut row = vec![core.name.clone()];
            for side in [&core.a, &core.b] {
                row.extend(side.as_ref().map_or_else(
                    || ["-".to_owned(), "-".to_owned(), "-".to_owned()],
                    |side| [side.verdict_text(), duration_or_none(side.seconds), side.findings.to_string()],
                ));
            }
            row.push(core.word().to_owned());
            table.add_row(row);
        }
        out.extend(table.lines().map(|line| format!(" {}\n", line.trim_end())));
        for core in self.cores.iter().filter(|core| core.needs_words()) {
            let _ = writeln!(out, "{}", wrapped(&format!(" {} {}: {}", core.name, core.word(), core.why), "   "));
        }
        for difference in &self.differences {
            let _ = writeln!(out, "{}", wrapped(&format!(" note: {difference}"), "   "));
        }
        out
    }

    /// For a forum.
    pub fn markdown(&self) -> String {
        let escaped = super::markdown::escaped;
        let mut out = format!("**{}**\n\n", escaped(&self.summary));
        out +=
            "| core | A | checked | errors | B | checked | errors | change |\n|---|---|---:|---:|---|---:|---:|---|\n";
        for core in &self.cores {
            let _ = write!(out, "| {} |", escaped(&core.name));
            for side in [&core.a, &core.b] {
                let _ = match side {
                    Some(side) => {
                        write!(
                            out,
                            " {} | {} | {} |",
                            side.verdict_text(),
                            duration_or_none(side.seconds),
                            side.findings
                        )
                    }
                    None => write!(out, " - | - | - |"),
                };
            }
            let why = if core.needs_words() { format!(": {}", escaped(&core.why)) } else { String::new() };
            let _ = writeln!(out, " {}{why} |", core.word());
        }
        out.push('\n');
        for (letter, side) in [("A", &self.a), ("B", &self.b)] {
            let drill = if side.drill { ", a drill" } else { "" };
            let _ =
                writeln!(out, "- {letter}: run `{}`, {}{drill}, {}", side.run, escaped(&side.profile), side.verdict);
        }
        for difference in &self.differences {
            let _ = writeln!(out, "- {}", escaped(difference));
        }
        out
    }
}

impl Side {
    fn of(report: &Report) -> Self {
        Self {
            run: report.run.clone(),
            started: report.started.clone(),
            profile: report.profile.clone(),
            verdict: report.verdict.clone(),
            drill: report.drill,
        }
    }
}

impl CoreSide {
    fn of(core: &CoreReport) -> Self {
        let tested = Tested::of(core);
        Self {
            core: core.core,
            verdict: core.verdict,
            scalar: tested.scalar,
            vector: tested.vector,
            multiplier: tested.by_all(),
            clock_mhz: core.clock_mhz.map(|clock| clock.median),
            seconds: core.checked.cpu_s,
            findings: errors(core),
        }
    }

    fn verdict_text(&self) -> String {
        verdict(self.verdict, self.multiplier)
    }

    fn seen(&self) -> String {
        format!("{} in {}", self.findings, duration(self.seconds))
    }
}

/// Of one core. Whether it erred counts first; then how often, where chance is unlikely to have parted the two; then how high it was
/// tested.
fn judge(a: Option<&CoreSide>, b: Option<&CoreSide>) -> (Change, String) {
    let (Some(a), Some(b)) = (a, b) else { return (Change::Unknown, "only one of the two runs has it".into()) };
    let untested = |side: &CoreSide| side.verdict == CoreVerdict::NotTested;
    if untested(a) || untested(b) {
        let which = if untested(a) && untested(b) { "neither run" } else { "only one of the two runs" };
        return (Change::Unknown, format!("{which} tested it"));
    }
    let p = p_same_rate(a.findings, a.seconds, b.findings, b.seconds);
    let sure = p < SIGNIFICANT;
    match (a.findings, b.findings) {
        (0, 0) => {}
        (_, 0) if sure => {
            return (Change::Better, format!("no error in {} any more, after {}", duration(b.seconds), a.seen()));
        }
        (_, 0) => {
            let words = format!("no error, but {} is too short to tell after {}", duration(b.seconds), a.seen());
            return (Change::Same, words);
        }
        (0, _) => return (Change::Worse, format!("errors, {}; none in {} before", b.seen(), duration(a.seconds))),
        _ if !sure => {}
        _ => {
            let oftener = b.findings as f64 / b.seconds > a.findings as f64 / a.seconds;
            let (change, word) = if oftener { (Change::Worse, "oftener") } else { (Change::Better, "more seldom") };
            return (change, format!("errs {word}: {} errors, {} before", b.seen(), a.seen()));
        }
    }
    let sound = |side: &CoreSide| matches!(side.verdict, CoreVerdict::Pass | CoreVerdict::NotProven);
    if let (true, true, Some(then), Some(now)) = (sound(a), sound(b), a.multiplier, b.multiplier)
        && then != now
    {
        let change = if now > then { Change::Better } else { Change::Worse };
        return (change, format!("no errors at {now}x, nor at {then}x before"));
    }
    if sound(a) && sound(b) {
        let of = |side: &CoreSide| format!("{} ({} checked)", side.verdict.name(), duration_or_none(side.seconds));
        return (Change::Same, format!("no errors: {}, {} before", of(b), of(a)));
    }
    let rank = |verdict| matches!(verdict, CoreVerdict::Pass);
    match (rank(a.verdict), rank(b.verdict)) {
        (true, false) if b.findings == 0 => (Change::Worse, format!("{}, it passed before", b.verdict.name())),
        (false, true) if a.findings == 0 => (Change::Better, format!("passes, it was {} before", a.verdict.name())),
        _ => (Change::Same, "no change that the evidence could tell".into()),
    }
}

/// Why the work of two runs is not alike, so that errors in one of them say nothing of the other.
fn other_work(a: &Report, b: &Report) -> Option<String> {
    let work = |report: &Report| match report.profile.as_str() {
        "exec" => "a program of the user's",
        "tune" => "oddcore's own work at capped clocks",
        _ => "oddcore's own work",
    };
    let (of_a, of_b) = (work(a), work(b));
    if of_a != of_b {
        return Some(format!("A is {of_a}, B {of_b}"));
    }
    let (of_a, of_b) = (a.program.as_ref()?, b.program.as_ref()?);
    // Wherever each of them worked.
    let alike = (&of_a.argv, &of_a.files, of_a.exit) == (&of_b.argv, &of_b.files, of_b.exit);
    (!alike).then(|| format!("A is of {}, B of {}", of_a.in_words(), of_b.in_words()))
}

/// What became of the cores, and of whom there is less or more evidence.
fn summary(cores: &[CorePair]) -> String {
    let proven = |which: Proven, word: &str| {
        let names = cores.iter().filter(|core| core.proven == Some(which)).map(|core| core.name.clone());
        let names: Vec<String> = names.collect();
        if names.is_empty() {
            String::new()
        } else {
            format!(" {word} proven: {}.", crate::machine::name_ranges(&names))
        }
    };
    format!("{}{}{}", changes(cores), proven(Proven::Less, "Less"), proven(Proven::More, "More"))
}

fn changes(cores: &[CorePair]) -> String {
    let names = |change: Change| -> Vec<String> {
        cores.iter().filter(|core| core.change == change).map(|core| core.name.clone()).collect()
    };
    let said = |change: Change| crate::machine::name_ranges(&names(change));
    match (names(Change::Worse).is_empty(), names(Change::Better).is_empty()) {
        (true, true) if cores.iter().all(|core| core.change == Change::Unknown) => {
            "NOT COMPARABLE: no core was tested in both runs.".into()
        }
        (true, true) => "NO CHANGE that the evidence could tell.".into(),
        (true, false) => format!("BETTER: {}. No core got worse.", said(Change::Better)),
        (false, true) => format!("WORSE: {}. No core got better.", said(Change::Worse)),
        (false, false) => format!("WORSE: {}. Better: {}.", said(Change::Worse), said(Change::Better)),
    }
}

fn differences(a: &Report, b: &Report) -> Vec<String> {
    let unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".into());
    let what = [
        ("CPU", a.machine.cpu.clone(), b.machine.cpu.clone()),
        ("microcode", unknown(&a.machine.microcode), unknown(&b.machine.microcode)),
        ("OS", a.machine.os.clone(), b.machine.os.clone()),
        ("number of cores", a.cores.len().to_string(), b.cores.len().to_string()),
        ("profile", a.profile.clone(), b.profile.clone()),
        ("version of oddcore", a.version.clone(), b.version.clone()),
    ];
    let unlike = what.into_iter().filter(|(_, a, b)| a != b);
    let mut said: Vec<String> = unlike.map(|(what, a, b)| format!("the {what} differs: {a}, then {b}")).collect();
    for (which, report) in [("A", a), ("B", b)] {
        if report.drill {
            said.push(format!("{which} is a drill, whose fault was injected on purpose"));
        }
        if report.ended.is_none() {
            said.push(format!("{which} has not come to its end"));
        }
    }
    said
}

#[cfg(test)]
mod tests;
