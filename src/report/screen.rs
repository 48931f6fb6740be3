//! What a person sees while a run goes on: on a terminal a line for each core and a bar for the whole; elsewhere nothing but
//! findings and notes. All of it goes to standard error, so that standard output is the report alone.

mod lines;

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
    path::PathBuf,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{advice::VALIDATES_S, colour, morning, text::wrapped};
use crate::{
    journal::{self, record::RunStarted},
    machine::{Machine, name},
    plan::{self, Plan, Request, Step},
    supervisor::seams::View,
    verdict::{Amendment, Finding, Hex, Outcome, at, duration},
    worker::protocol::Progress,
};
use lines::{CoreLine, header, total};

/// Redrawn so often a second.
const HZ: u8 = 4;
/// Rows of the terminal that are left to what was said before.
const ROWS_LEFT: usize = 8;

/// The progress of a run.
pub struct Screen {
    live: Option<Live>,
    names: Vec<String>,
    cores: BTreeMap<u32, CoreLine>,
    /// `None` where the run ends by its evidence.
    total_s: Option<f64>,
    bell: bool,
    folder: PathBuf,
}

/// What is drawn again and again.
struct Live {
    all: MultiProgress,
    rows: Vec<ProgressBar>,
    bar: ProgressBar,
}

impl Screen {
    /// Says at once what will happen from that step of the plan on, then shows progress where there is a terminal. With `bell`
    /// a finding rings it. Summaries of mornings are kept in `folder`.
    pub fn new(run: &RunStarted, next_step: u32, what: &str, bell: bool, folder: PathBuf) -> Self {
        let RunStarted { machine, cores, plan, .. } = run;
        let seconds = plan.seconds_from(next_step, machine);
        let (how_long, total_s) = match plan.until_s() {
            Some(every_s) => {
                (format!("until its evidence would have caught a fault every {}", duration(every_s)), None)
            }
            None if seconds < 1.0 => ("less than a second".to_owned(), Some(seconds)),
            None => (format!("about {}", duration(seconds.round())), Some(seconds)),
        };
        say_what(what, &format!("{how_long}{}", worth(run)), machine, cores);
        let meant = machine.cores.iter().filter(|core| cores.contains(&core.core));
        let lines: BTreeMap<u32, CoreLine> =
            meant.map(|core| (core.core, CoreLine::new(core, machine.bclk_mhz))).collect();
        Self {
            live: live(lines.len(), (seconds * 10.0) as u64),
            names: machine.cores.iter().map(|core| core.short.clone()).collect(),
            cores: lines,
            total_s,
            bell,
            folder,
        }
    }

    /// Lines for a person are broken between words; those for a program are not.
    fn line(&self, text: &str) {
        match &self.live {
            Some(_) => self.block(&wrapped(text, "    ")),
            None => self.block(text),
        }
    }

    /// Lines that are broken as they should be.
    fn block(&self, text: &str) {
        match &self.live {
            Some(live) => live.all.suspend(|| eprintln_quietly(text)),
            None => eprintln_quietly(text),
        }
    }

    fn name(&self, core: Option<u32>) -> &str {
        core.and_then(|core| self.names.get(core as usize)).map_or("no single core", String::as_str)
    }
}

/// Whether a run is the quick check: its loads, for no longer than they need. With more time it is more than a check.
pub fn is_quick_check(run: &RunStarted) -> bool {
    let short = |request: &Request| {
        request.until_s.is_none() && request.seconds <= plan::quick_seconds(request, &run.machine).ceil()
    };
    run.profile == "quick" && matches!(&run.plan, Plan::Asked(request) if short(request))
}

/// What a pass of it will be worth, where that is known before it begins.
fn worth(run: &RunStarted) -> &'static str {
    let Plan::Asked(request) = &run.plan else { return "" };
    let lanes = run.machine.cores.iter().map(|core| core.testable.len()).max().unwrap_or(1);
    let no_pass = run.drill || request.tune.as_ref().is_some_and(|tuning| !tuning.after_finding);
    match request.until_s {
        _ if no_pass => "",
        _ if is_quick_check(run) => ": finds bad cores fast, validates nothing",
        // However its time is shared out, no core can have enough.
        None if request.seconds * lanes as f64 <= VALIDATES_S => ": too short to validate",
        _ => "",
    }
}

/// As many rows as there are cores and room for, where there is a terminal.
fn live(cores: usize, ticks: u64) -> Option<Live> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let (height, _) = console::Term::stderr().size();
    let rows = cores.min(usize::from(height).saturating_sub(ROWS_LEFT).max(1));
    let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(HZ));
    let style =
        |template: &str| ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let row = |_| all.add(ProgressBar::new(1).with_style(style("{wide_msg}")));
    let rows = (0..rows).map(row).collect();
    let bar = all.add(ProgressBar::new(ticks.max(1)).with_style(style(" {bar:24}  {wide_msg}").progress_chars("=> ")));
    Some(Live { all, rows, bar })
}

/// Says what is about to be done, on which machine and where.
pub fn say_what(what: &str, how_long: &str, machine: &Machine, cores: &[u32]) {
    eprintln_quietly(&wrapped(&header(machine), "   "));
    if let Some(groups) = machine.groups_line() {
        eprintln_quietly(&wrapped(&format!(" {groups}"), "   "));
    }
    let (count, all) = (cores.len(), machine.cores.len());
    let part =
        if count == all { String::new() } else { format!(" On {count} of {all} cores: {}.", machine.names(cores)) };
    eprintln_quietly(&wrapped(&format!("{what}, {how_long}.{part}"), "  "));
}

/// A bar of so many ticks for what takes about so long, where there is a terminal; a mere clock where nobody knows how long.
pub fn bar(ticks: u64, about_s: Option<f64>) -> Option<ProgressBar> {
    std::io::stderr().is_terminal().then(|| {
        let bar = ProgressBar::with_draw_target(Some(ticks), ProgressDrawTarget::stderr_with_hz(HZ));
        let template =
            about_s.map_or(" {elapsed}  {wide_msg}", |_| " {bar:24} {elapsed} of about {prefix}  {wide_msg}");
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(about_s.map_or_else(String::new, |s| format!("{}s", s.round())));
        bar
    })
}

/// A terminal that went away is no reason to die.
fn eprintln_quietly(text: &str) {
    let text = name::visible(text);
    let text = if console::colors_enabled_stderr() { colour::painted(&text) } else { text };
    let _ = writeln!(std::io::stderr(), "{text}");
}

impl View for Screen {
    fn step(&mut self, step: &Step) {
        for (&core, line) in &mut self.cores {
            line.step(step.cores.contains(&core).then(|| (step.load_of(core), step.kernel.clone())));
        }
    }

    fn progress(&mut self, core: u32, progress: &Progress) {
        if let Some(line) = self.cores.get_mut(&core) {
            line.progress(progress);
        }
    }

    fn tick(&mut self, outcome: &Outcome, seconds_in: f64) {
        let Some(live) = &self.live else { return };
        for (&core, line) in &mut self.cores {
            line.take_in(outcome, core);
        }
        let shown = lines::shown(self.cores.values(), live.rows.len());
        for (row, text) in live.rows.iter().zip(shown.into_iter().chain(std::iter::repeat(String::new()))) {
            row.set_message(text);
        }
        live.bar.set_position((seconds_in * 10.0) as u64);
        let operations = self.cores.values().map(CoreLine::operations).fold(0, u64::saturating_add);
        live.bar.set_message(total(seconds_in, self.total_s, operations, outcome.findings.len()));
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
        if self.bell {
            let _ = std::io::stderr().write_all(b"\x07");
        }
    }

    fn amended(&mut self, finding: &Finding, by: &Amendment) {
        if let Some(place) = &by.place {
            self.line(&format!(
                "  {}: {}{}: want {} got {} xor {}, {} wrong in all",
                self.name(finding.core),
                place.stage,
                at(&place.element),
                place.expected,
                place.actual,
                Hex(place.expected.0 ^ place.actual.0).as_wide_as([place.expected, place.actual]),
                place.wrong_elements
            ));
        }
        if !by.detail.is_empty() {
            self.line(&format!("  looked into: {}: {}", self.name(finding.core), by.detail));
        }
    }

    fn morning(&mut self, outcome: &Outcome) {
        let summary = morning::render(outcome, journal::elsewhere(&self.folder).as_deref());
        // At the end the report follows.
        if outcome.mornings.last().is_some_and(|summed| !summed.ends) {
            self.block(&format!("\n{summary}"));
        }
        if let Err(error) = morning::keep(&self.folder, outcome, &summary) {
            self.line(&format!("note: the summary cannot be kept in {}: {error}", self.folder.display()));
        }
    }

    fn note(&mut self, text: &str) {
        self.line(&format!("note: {text}"));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(live) = &self.live {
            live.rows.iter().for_each(ProgressBar::finish_and_clear);
            live.bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::build::tests::{asked, outcome};

    #[test]
    fn a_run_is_called_what_it_is_before_it_begins() {
        let mut run = outcome(vec![]).run.expect("opened");
        let mut said = |profile: &str, seconds: f64, until_s: Option<f64>| {
            run.profile = profile.into();
            let request = asked(&mut run);
            (request.seconds, request.until_s) = (seconds, until_s);
            (is_quick_check(&run), worth(&run))
        };
        let (check, short) = (": finds bad cores fast, validates nothing", ": too short to validate");
        assert_eq!(said("quick", 5.0, None), (true, check));
        assert_eq!(said("quick", 60.0, None), (true, check));
        assert_eq!(said("quick", 600.0, None), (false, short), "the same loads for ten minutes are no quick check");
        assert_eq!(said("quick", 8.0 * 3600.0, None), (false, ""));
        assert_eq!(said("quick", 1e7, Some(600.0)), (false, ""), "it ends by what it is worth");
        assert_eq!(said("standard", 720.0, None), (false, short));
    }
}
