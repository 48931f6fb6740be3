//! The report of a tuning: for each core the highest clock that it passes at, and the lowest at which it does not.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{Spread, build::spread, given::Given, text::wrapped};
use crate::{
    journal::record::RunStarted,
    machine::Core,
    plan::{Known, Ladder, Told},
    verdict::{
        Interruption, Outcome, ProbeOutcome, known,
        tune::{exit_code, tuning},
    },
};

/// The schema's name; fields may be added, never re-used (`docs/tune.schema.json`).
pub const SCHEMA: &str = "oddcore-tune/1";

/// One tuning.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TuneReport {
    /// [`SCHEMA`].
    pub schema: String,
    /// Of the program that made the run.
    pub version: String,
    /// The run's id.
    pub run: String,
    /// Whether clocks and faults were those of a model.
    pub drill: bool,
    /// RFC 3339.
    pub started: String,
    /// RFC 3339; null for a run that never ended.
    pub ended: Option<String>,
    /// What a tuning with this outcome exits with.
    pub exit_code: u8,
    /// How much checked work a probe of the search does, in seconds.
    pub probe_seconds: f64,
    /// By index.
    pub cores: Vec<TunedCore>,
    /// Breaks in the run.
    pub interruptions: Vec<Interruption>,
    /// Whether clocks are still capped by it.
    pub capped: bool,
    /// What else was seen.
    pub notes: Vec<String>,
    /// What to do next.
    pub advice: Vec<String>,
}

/// One core.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TunedCore {
    /// Dense index by lowest CPU number.
    pub core: u32,
    /// What people call it.
    pub label: String,
    /// The lowest multiplier that was to be tried.
    pub lowest: u32,
    /// Its top.
    pub top: u32,
    /// Whether all is known that was asked for.
    pub decided: bool,
    /// The highest multiplier at which it passes, below all at which it does not.
    pub passes: Option<Rung>,
    /// The lowest at which it failed.
    pub fails: Option<Rung>,
    /// The lowest above all passes whose clock it did not reach.
    pub not_reached: Option<Rung>,
    /// The lowest above all passes that stayed undecided.
    pub undecided: Option<Rung>,
    /// All of it in a sentence.
    pub sentence: String,
    /// Every probe, in order.
    pub probes: Vec<ProbeReport>,
}

/// A multiplier and what is known of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rung {
    /// The multiplier.
    pub multiplier: u32,
    /// The cap, MHz.
    pub cap_mhz: f64,
    /// Errors there, over all probes.
    pub errors: u64,
    /// CPU time of checked work within half a step of that clock, over all probes, in seconds.
    pub seconds: f64,
    /// Whether it was confirmed at length.
    pub confirmed: bool,
}

/// One probe.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProbeReport {
    /// The multiplier.
    pub multiplier: u32,
    /// The cap, MHz.
    pub cap_mhz: f64,
    /// Whether it confirms what the search found.
    pub confirms: bool,
    /// What it came to; null if it was broken off.
    pub told: Option<Told>,
    /// The same in words.
    pub detail: String,
    /// Errors.
    pub errors: u64,
    /// Iterations, each compared in full.
    pub iterations: u64,
    /// How much checked work at that clock was asked for, in seconds.
    pub asked_s: f64,
    /// CPU time of checked work, in seconds.
    pub checked_s: f64,
    /// The part of it within half a step of the cap.
    pub reached_s: f64,
    /// Clock readings.
    pub clock_mhz: Option<Spread>,
    /// Whether the machine was lost in it.
    pub lost: bool,
}

impl TuneReport {
    /// The report of an outcome; `None` if it is not a tuning's.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        Self::on_screen(outcome, None)
    }

    /// The same for a screen of the machine that keeps the run, in this folder of runs if that is not the usual one.
    pub fn on_screen(outcome: &Outcome, runs: Option<&str>) -> Option<Self> {
        let (run, tuning) = (outcome.run.as_ref()?, tuning(outcome)?);
        let cores: Vec<TunedCore> = tuning.ladders.iter().filter_map(|ladder| tuned(outcome, run, ladder)).collect();
        Some(Self {
            schema: SCHEMA.to_owned(),
            version: run.version.clone(),
            run: run.run.clone(),
            drill: run.drill,
            started: run.started.clone(),
            ended: outcome.ended.clone(),
            exit_code: exit_code(outcome, &tuning.ladders),
            probe_seconds: tuning.seconds,
            interruptions: outcome.interruptions.clone(),
            capped: outcome.tuned.caps.is_some(),
            notes: outcome.notes.clone(),
            advice: advice(outcome, run, &cores, runs),
            cores,
        })
    }

    /// As a person reads it.
    pub fn render(&self) -> String {
        let mut out = String::new();
        if self.drill {
            out += "DRILL: clocks and faults are those of a model.\n";
        }
        for core in &self.cores {
            let _ = writeln!(out, "{}", wrapped(&format!(" {}: {}", core.label, core.sentence), "   "));
        }
        for broken in &self.interruptions {
            let why = broken.why.as_deref().map_or_else(String::new, |why| format!(": {why}"));
            let _ = writeln!(out, "{}", wrapped(&format!("{} {}{why}", broken.at, broken.reason.name()), "  "));
        }
        for note in &self.notes {
            let _ = writeln!(out, "{}", wrapped(&format!("note: {note}"), "  "));
        }
        for line in &self.advice {
            let _ = writeln!(out, "{}", wrapped(line, "  "));
        }
        out
    }
}

fn tuned(outcome: &Outcome, run: &RunStarted, ladder: &Ladder) -> Option<TunedCore> {
    let core = run.machine.cores.iter().find(|core| core.core == ladder.core)?;
    let known = known(outcome, core.core);
    let own = || outcome.tuned.probes.iter().filter(|probe| probe.core == core.core);
    let rung = |multiplier: u32| {
        let at = || own().filter(move |probe| probe.multiplier == multiplier);
        Rung {
            multiplier,
            cap_mhz: ladder.cap_mhz(multiplier, run.machine.bclk_mhz),
            errors: at().map(|probe| probe.errors(outcome)).sum(),
            seconds: at().map(ProbeOutcome::reached_s).sum(),
            confirmed: at().any(|probe| probe.confirms && probe.told(outcome) == Some(Told::Pass)),
        }
    };
    Some(TunedCore {
        core: core.core,
        label: core.label.clone(),
        lowest: ladder.lowest,
        top: ladder.top,
        decided: known.next(ladder).is_none() && known.undecided.is_none(),
        passes: known.passes.map(|(multiplier, _)| rung(multiplier)),
        fails: known.fails.map(rung),
        not_reached: known.not_reached.map(rung),
        undecided: known.undecided.map(rung),
        sentence: sentence(outcome, core, ladder, &known),
        probes: own().map(|probe| probe_report(outcome, probe)).collect(),
    })
}

fn probe_report(outcome: &Outcome, probe: &ProbeOutcome) -> ProbeReport {
    ProbeReport {
        multiplier: probe.multiplier,
        cap_mhz: probe.cap_mhz,
        confirms: probe.confirms,
        told: probe.told(outcome),
        detail: probe.sentence(outcome),
        errors: probe.errors(outcome),
        iterations: probe.iterations,
        asked_s: probe.seconds,
        checked_s: probe.checked_s(),
        reached_s: probe.reached_s(),
        clock_mhz: spread(&probe.clocks),
        lost: probe.lost,
    }
}

/// `passes at 59x (5,900 MHz): 0 errors in 90 s; fails at 60x: 7 errors in 30 s`.
fn sentence(outcome: &Outcome, core: &Core, ladder: &Ladder, known: &Known) -> String {
    // The last word on a multiplier is the longest, or the one that failed.
    let word = |multiplier: u32, told: Told| {
        let own = outcome.tuned.probes.iter().filter(|probe| probe.core == core.core && probe.multiplier == multiplier);
        let mut of = own.filter(|probe| probe.told(outcome) == Some(told));
        of.next_back().map_or_else(String::new, |probe| probe.sentence(outcome))
    };
    let bclk = outcome.run.as_ref().map_or(0.0, |run| run.machine.bclk_mhz);
    let mhz = |multiplier: u32| {
        let mhz = ladder.cap_mhz(multiplier, bclk).round() as u64;
        if mhz >= 1000 { format!("{},{:03} MHz", mhz / 1000, mhz % 1000) } else { format!("{mhz} MHz") }
    };
    let mut parts = Vec::new();
    if let Some((passes, confirmed)) = known.passes {
        let top = if passes == ladder.top { ", its top" } else { "" };
        let yet = if confirmed { "" } else { ", not confirmed yet" };
        parts.push(format!("passes at {passes}x ({}{top}): {}{yet}", mhz(passes), word(passes, Told::Pass)));
    }
    if let Some(fails) = known.fails {
        let lowest = if fails == ladder.lowest { ", the lowest that was tried" } else { "" };
        parts.push(format!("fails at {fails}x{lowest}: {}", word(fails, Told::Fail)));
    }
    for (multiplier, told) in [(known.not_reached, Told::NotReached), (known.undecided, Told::Undecided)] {
        if let Some(multiplier) = multiplier {
            parts.push(format!("at {multiplier}x {}", word(multiplier, told)));
        }
    }
    if known.next(ladder).is_some() {
        parts.push("the search is not over".to_owned());
    }
    parts.join("; ")
}

fn advice(outcome: &Outcome, run: &RunStarted, cores: &[TunedCore], runs: Option<&str>) -> Vec<String> {
    if run.drill {
        return vec!["This was a model: it says nothing about the machine.".into()];
    }
    let mut advice = Vec::new();
    for core in cores.iter().filter(|core| core.fails.is_some()) {
        let name = run.machine.cores.iter().find(|c| c.core == core.core).map_or("", |c| c.short.as_str());
        advice.push(match &core.passes {
            Some(passes) => format!(
                "{name}: set its ratio to {}x or lower in the BIOS, then: oddcore run --cores {} --for 1h. It errs at what \
                 is its own top: newest BIOS and microcode with the maker's default limits, then a warranty claim.",
                passes.multiplier, core.core
            ),
            None => format!("{name}: it errs at every clock tried: a warranty claim, or memory; more voltage last."),
        });
    }
    if outcome.ended.is_none() {
        let runs = Given::of(run, runs).runs();
        advice.push(format!("The tuning has not ended. Go on with it: oddcore resume {}{runs}", run.run));
    }
    if advice.is_empty() {
        advice.push(
            "Each core alone, in short runs: for other loads, and a night of them: oddcore run --profile overnight"
                .into(),
        );
    }
    advice
}
