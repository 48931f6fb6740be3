//! `--dry-run`: the plan with its times, before anything is known of the cores.

use std::{fmt::Write as _, path::Path};

use comfy_table::{Table, presets::NOTHING};
use serde::Serialize;

use super::{CliError, output::JsonTarget};
use crate::{
    machine::Machine,
    plan::{Load, Plan, Request, Step, Tallies},
    report::text::wrapped,
    verdict::duration,
};

/// Rounds after the first dozen are as long as each other, and a year has thousands: so many are printed.
const ROUNDS_SHOWN: u32 = 20;

/// The plan as JSON.
#[derive(Serialize)]
struct Planned {
    schema: &'static str,
    profile: String,
    seconds: f64,
    steps: Vec<Timed>,
}

/// A step and when it begins, in seconds from the run's beginning and without the time that the pre-pass takes.
#[derive(Serialize)]
struct Timed {
    at_s: f64,
    round: u32,
    #[serde(flatten)]
    step: Step,
}

/// Prints the plan: a line for each load of each round.
pub fn show(profile: &str, request: &Request, machine: &Machine, json: Option<&Path>) -> Result<(), CliError> {
    let json = JsonTarget::open(json)?;
    let plan = Plan::Asked(request.clone());
    let mut rounds = plan.rounds(machine);
    let mut steps = Vec::new();
    let (mut at_s, mut round) = (0.0, 1);
    while let Some(next) = rounds.next(&Tallies::default()) {
        for step in next {
            let seconds = step.seconds;
            steps.push(Timed { at_s, round, step });
            at_s += seconds;
        }
        round += 1;
    }
    let text = text(profile, request, machine, &steps, at_s);
    let planned = Planned { schema: "oddcore-plan/1", profile: profile.to_owned(), seconds: at_s, steps };
    json.finish(&planned, &text)
}

fn text(profile: &str, request: &Request, machine: &Machine, steps: &[Timed], seconds: f64) -> String {
    let mut out = String::new();
    let (cores, kernels) = (request.cores.len(), request.kernels.len());
    let count = |n: usize, of: &str| format!("{n} {of}{}", if n == 1 { "" } else { "s" });
    let (cores, kernels) = (count(cores, "core"), count(kernels, "kernel"));
    let about = if request.until_s.is_some() { "at most" } else { "about" };
    let _ = writeln!(out, "Plan of {profile}: {about} {} for {cores} and {kernels}", duration(seconds));
    if let Some(every_s) = request.until_s {
        let _ = writeln!(out, "It ends once its evidence would have caught a fault every {}.", duration(every_s));
    }
    let chased = chased(request, machine);
    if !chased.is_empty() {
        let text = format!(
            "{}: where one stays below the multiplier expected of it, half of its solo steps are tries: cooled before, then in \
             bursts, with AVX2, SSE and scalar work only.",
            machine.names(&chased)
        );
        let _ = writeln!(out, "{}", wrapped(&text, "  "));
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["round", "from", "load", "steps", "of", "cores at once"]);
    let rounds = steps.last().map_or(0, |last| last.round);
    let shown = steps.partition_point(|timed| timed.round <= ROUNDS_SHOWN);
    for part in steps[..shown].chunk_by(|a, b| (a.round, &a.step.load) == (b.round, &b.step.load)) {
        let each = |of: &dyn Fn(&Step) -> f64| {
            let values = part.iter().map(|timed| of(&timed.step));
            (values.clone().fold(f64::MAX, f64::min), values.fold(0.0, f64::max))
        };
        let range = |(low, high): (f64, f64), text: &dyn Fn(f64) -> String| {
            if text(low) == text(high) { text(low) } else { format!("{} to {}", text(low), text(high)) }
        };
        let first = &part[0];
        let length = if first.step.kernel.is_none() {
            "all kernels".to_owned()
        } else {
            range(each(&|step| step.seconds), &|s| format!("{s:.1} s"))
        };
        table.add_row([
            first.round.to_string(),
            clock(first.at_s),
            first.step.load.clone(),
            part.len().to_string(),
            length,
            range(each(&|step| step.cores.len() as f64), &|n| n.to_string()),
        ]);
    }
    out.extend(table.lines().map(|line| format!(" {}\n", line.trim_end())));
    if rounds > ROUNDS_SHOWN {
        let _ = writeln!(out, "And so on, {rounds} rounds in all; --json has every step.");
    }
    let _ = writeln!(out, "Lengths after the first round shift to what found something or was tested least.");
    out
}

/// Cores whose top is chased: those of which a multiplier is expected.
fn chased(request: &Request, machine: &Machine) -> Vec<u32> {
    let known = |core: u32| machine.cores.iter().any(|c| c.core == core && c.top_mhz.is_some_and(|top| top.known));
    let asked = |core: u32| request.expect.iter().any(|expected| expected.core == core);
    let solo = request.loads.contains(&Load::Solo);
    request.cores.iter().copied().filter(|&core| solo && (asked(core) || known(core))).collect()
}

fn clock(seconds: f64) -> String {
    let s = seconds as u64;
    format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}
