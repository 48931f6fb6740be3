//! What a person sees while a run goes on: a progress bar on a terminal, nothing but findings and notes elsewhere. All of it
//! goes to standard error, so that standard output is the report alone.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::text::wrapped;
use crate::{
    journal::record::RunStarted,
    machine::{Machine, name},
    plan::Step,
    supervisor::seams::View,
    verdict::{Amendment, Finding, Outcome},
};

/// The progress of a run.
pub struct Screen {
    bar: Option<ProgressBar>,
    names: Vec<String>,
    /// `None` where the run ends by its evidence.
    total_s: Option<f64>,
    now: String,
}

impl Screen {
    /// Says at once what will happen from that step of the plan on, then shows progress where there is a terminal.
    pub fn new(run: &RunStarted, next_step: u32, what: &str) -> Self {
        let RunStarted { machine, cores, plan, .. } = run;
        let seconds = plan.seconds_from(next_step, machine);
        let (how_long, total_s) = match plan.until_s() {
            Some(every_s) => (format!("until its evidence would have caught a fault every {every_s:.0} s"), None),
            None => (format!("about {seconds:.0} s"), Some(seconds)),
        };
        say_what(what, &how_long, machine, cores);
        let names = machine.cores.iter().map(|core| core.short.clone()).collect();
        Self { bar: bar((seconds * 10.0) as u64, total_s), names, total_s, now: String::new() }
    }

    /// Lines for a person are broken between words; those for a program are not.
    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln_quietly(&wrapped(text, "    "))),
            None => eprintln_quietly(text),
        }
    }

    fn name(&self, core: Option<u32>) -> &str {
        core.and_then(|core| self.names.get(core as usize)).map_or("no single core", String::as_str)
    }
}

/// Says what is about to be done, on which machine and where.
pub fn say_what(what: &str, how_long: &str, machine: &Machine, cores: &[u32]) {
    let microcode = machine.microcode.as_deref().map_or_else(String::new, |m| format!("   microcode {m}"));
    eprintln_quietly(&format!("oddcore {}   {}{microcode}", env!("CARGO_PKG_VERSION"), machine.cpu));
    if let Some(groups) = machine.groups_line() {
        eprintln_quietly(&wrapped(&format!(" {groups}"), "   "));
    }
    let meant = machine.cores.iter().filter(|core| cores.contains(&core.core));
    let names: Vec<&str> = meant.map(|core| core.short.as_str()).collect();
    let (count, all) = (names.len(), machine.cores.len());
    let text = format!("{what}, {how_long}, on {count} of {all} cores: {}", names.join(" "));
    eprintln_quietly(&wrapped(&text, "  "));
}

/// A bar of so many ticks for what takes about so long, where there is a terminal; a mere clock where nobody knows how long.
pub fn bar(ticks: u64, about_s: Option<f64>) -> Option<ProgressBar> {
    std::io::stderr().is_terminal().then(|| {
        let bar = ProgressBar::with_draw_target(Some(ticks), ProgressDrawTarget::stderr_with_hz(4));
        let template =
            about_s.map_or(" {elapsed}  {wide_msg}", |_| " {bar:24} {elapsed} of about {prefix}  {wide_msg}");
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(about_s.map_or_else(String::new, |s| format!("{}s", s.round())));
        bar
    })
}

/// A terminal that went away is no reason to die.
fn eprintln_quietly(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", name::visible(text));
}

impl View for Screen {
    fn step(&mut self, step: &Step) {
        let cores: Vec<&str> = step.cores.iter().map(|&core| self.name(Some(core))).collect();
        let kernel = step.kernel.as_deref().unwrap_or("all kernels");
        self.now = format!("{} {kernel} on {}", step.load, cores.join(" "));
    }

    fn tick(&mut self, outcome: &Outcome, seconds_in: f64) {
        if let Some(bar) = &self.bar {
            let checks = outcome.cores.values().map(|core| core.total().iterations).fold(0, u64::saturating_add);
            let left = self.total_s.map_or_else(String::new, |s| format!("{:.0} s left  ", (s - seconds_in).max(0.0)));
            bar.set_position((seconds_in * 10.0) as u64);
            bar.set_message(format!("{left}{checks} checks, {} findings  {}", outcome.findings.len(), self.now));
        }
    }

    fn finding(&mut self, finding: &Finding) {
        let work: Vec<&str> =
            [&finding.kernel, &finding.variant, &finding.stage].into_iter().flatten().map(String::as_str).collect();
        let text = format!(
            "FINDING {:.1} s: {} {} {} ({} load) {}",
            finding.seconds_in,
            self.name(finding.core),
            finding.class.name(),
            work.join("/"),
            finding.load,
            finding.detail
        );
        self.line(text.trim_end());
    }

    fn amended(&mut self, finding: &Finding, by: &Amendment) {
        if let Some(place) = &by.place {
            self.line(&format!(
                "  {}: {} at {:?}: want {} got {} xor {:#x}, {} wrong in all",
                self.name(finding.core),
                place.stage,
                place.element,
                place.expected,
                place.actual,
                place.expected.0 ^ place.actual.0,
                place.wrong_elements
            ));
        }
        if !by.detail.is_empty() {
            self.line(&format!("  looked into: {}: {}", self.name(finding.core), by.detail));
        }
    }

    fn note(&mut self, text: &str) {
        self.line(&format!("note: {text}"));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
