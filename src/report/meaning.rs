//! What the passes mean, for people: the sentences of each core, those of cores that say the same in one.

use std::{cmp::Reverse, fmt::Write as _};

use super::{CoreReport, Report, tested::BLIP, text::wrapped};
use crate::{
    machine::name_ranges,
    plan::{Load, PRE_PASS},
    verdict::{Pass, sentence},
};

/// Sentences shown for a core.
const SENTENCES: usize = 4;
/// Groups shown.
const GROUPS: usize = 8;
/// Cores whose times lie within this factor of each other say the same.
const SAME: f64 = 1.25;

/// Cores that say the same.
struct Group<'a> {
    names: Vec<&'a str>,
    passes: Vec<&'a Pass>,
    shortest: Vec<f64>,
    longest: Vec<f64>,
    more: usize,
}

/// What is to be said of some cores.
pub struct Said {
    /// `P4 P5, each of them at least`.
    pub who: String,
    /// Sentences.
    pub sentences: Vec<String>,
    /// Sentences left out.
    pub more: usize,
}

/// The sentences of all cores tested.
pub fn lines(report: &Report) -> String {
    let mut out = String::new();
    let all = said(report);
    for said in all.iter().take(GROUPS) {
        let _ = writeln!(out, "{}", wrapped(&format!(" {}:", said.who), " "));
        for text in &said.sentences {
            let _ = writeln!(out, "{}", wrapped(&format!("   {text}"), "     "));
        }
        if said.more > 0 {
            let _ = writeln!(out, "   ... and {} more in --json", said.more);
        }
    }
    let rest: Vec<&str> = all.iter().skip(GROUPS).map(|said| said.who.as_str()).collect();
    if !rest.is_empty() {
        let _ = writeln!(out, "{}", wrapped(&format!(" {}: in --json", rest.join("; ")), "   "));
    }
    out
}

/// The same, unwritten: cores that say the same say it once.
pub fn said(report: &Report) -> Vec<Said> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for core in &report.cores {
        let passes = worth_saying(core);
        if passes.is_empty() {
            continue;
        }
        match groups.iter_mut().find(|group| group.takes(&passes)) {
            Some(group) => group.join(short(report, core), &passes),
            None => groups.push(Group::of(short(report, core), passes, core.passes.len())),
        }
    }
    let said = |group: &Group<'_>| {
        let each = if group.names.len() > 1 { ", each of them at least" } else { "" };
        // Of a group the least that was done, which holds for every core of it.
        let of = |(pass, &seconds): (&&Pass, &f64)| {
            let said = sentence(pass.multiplier, &pass.load, seconds, pass.findings);
            match unmeasured(report, pass) {
                Some(why) => said.replacen(UNMEASURED, &format!("{UNMEASURED} ({why})"), 1),
                None => said,
            }
        };
        let names: Vec<String> = group.names.iter().map(|&name| name.to_owned()).collect();
        Said {
            who: format!("{}{each}", name_ranges(&names)),
            sentences: group.passes.iter().zip(&group.shortest).map(of).collect(),
            more: group.more,
        }
    };
    groups.iter().map(said).collect()
}

/// How a sentence without a multiplier begins.
const UNMEASURED: &str = "At an unmeasured clock";

/// Why nobody knows the clock, where that can be told. Where clocks can be read at all, a block is without one if something ran in
/// between at one of its edges.
fn unmeasured(report: &Report, pass: &Pass) -> Option<&'static str> {
    match pass.multiplier {
        Some(_) => None,
        None if pass.findings > 0 && pass.seconds == 0.0 => Some("nobody reads that of a worker that dies"),
        None if MOVED.contains(&pass.load.as_str()) => Some("moved in the middle of the work"),
        None => report.cores.iter().any(|core| core.clock_mhz.is_some()).then_some("a reading was disturbed"),
    }
}

/// Loads whose work is moved from one core to another between two readings.
const MOVED: [&str; 2] = [Load::Migrated.name(), Load::Unpinned.name()];

/// The most telling loads first. Alone a core reaches its highest clock, and all together they are hottest and have the least
/// voltage to spare: between these two lies what the other loads do. Then the work that crashes at home. The order is a fixed one, not
/// that of the times: cores whose times are nearly the same must say the same in the same order, or they cannot say it together.
const TELLING: [&str; 3] = [Load::Solo.name(), Load::Together.name(), Load::GpuWait.name()];

/// Those with errors, then those of the highest multipliers, an unmeasured clock last, the most telling load of each first.
fn worth_saying(core: &CoreReport) -> Vec<&Pass> {
    let of_load = |load: &str| -> f64 { core.passes.iter().filter(|p| p.load == load).map(|p| p.seconds).sum() };
    let (bad, good): (Vec<&Pass>, Vec<&Pass>) =
        core.passes.iter().filter(|pass| pass.load != PRE_PASS || pass.findings > 0).partition(|p| p.findings > 0);
    let mut good: Vec<&Pass> = good.into_iter().filter(|pass| pass.seconds >= BLIP * of_load(&pass.load)).collect();
    let telling = |load: &str| TELLING.iter().position(|other| *other == load).unwrap_or(TELLING.len());
    good.sort_by_key(|pass| (Reverse(pass.multiplier), telling(&pass.load)));
    bad.into_iter().chain(good).take(SENTENCES).collect()
}

impl<'a> Group<'a> {
    fn of(name: &'a str, passes: Vec<&'a Pass>, all: usize) -> Self {
        let seconds: Vec<f64> = passes.iter().map(|pass| pass.seconds).collect();
        let more = all - passes.len();
        Self { names: vec![name], passes, shortest: seconds.clone(), longest: seconds, more }
    }

    /// Errors are a core's own: only cores without any say the same.
    fn takes(&self, passes: &[&Pass]) -> bool {
        let same = |(n, pass): (usize, &&Pass)| {
            let own = self.passes[n];
            (own.multiplier, &own.load, own.findings, 0) == (pass.multiplier, &pass.load, 0, pass.findings)
                && self.longest[n].max(pass.seconds) <= SAME * self.shortest[n].min(pass.seconds)
        };
        passes.len() == self.passes.len() && passes.iter().enumerate().all(same)
    }

    fn join(&mut self, name: &'a str, passes: &[&Pass]) {
        self.names.push(name);
        for (n, pass) in passes.iter().enumerate() {
            self.shortest[n] = self.shortest[n].min(pass.seconds);
            self.longest[n] = self.longest[n].max(pass.seconds);
        }
    }
}

/// The short name of a core: `P4`.
pub fn short<'a>(report: &'a Report, core: &'a CoreReport) -> &'a str {
    report.machine.cores.iter().find(|c| c.core == core.core).map_or(&core.label, |c| &c.short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn cores_that_say_the_same_say_it_once() {
        // Twenty-three cores within rounding of each other, one that erred, one that did ten times as much.
        let passes = |core: u32| match core {
            4 => vec![(Some(60), "solo", 41.0, 7)],
            9 => vec![(Some(57), "solo", 1200.0, 0)],
            _ => vec![(Some(57), "solo", 120.0 + f64::from(core), 0)],
        };
        let text = lines(&report(25, passes));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert_eq!(text.matches("At 57x, solo").count(), 2, "{text}");
        assert!(text.contains("every 40 s or"), "the least that was done, 120 s, holds for all: {text}");
        assert!(text.contains("every 6.7 min or"), "{text}");
        assert!(text.contains("7 errors in 41 s: one every 5.9 s"), "{text}");
    }

    #[test]
    fn the_most_telling_loads_are_said_first_and_an_unmeasured_clock_last() {
        let loads = ["bursts", "gpu-wait", "hop-migrated", "solo", "together"];
        let at = |multiplier| loads.map(|load| (multiplier, load, 120.0, 0));
        let text = lines(&report(1, |_| [at(Some(57)), at(Some(60))].concat()));
        let said: Vec<&str> =
            text.lines().filter_map(|line| line.trim().strip_prefix("At ")?.split(':').next()).collect();
        assert_eq!(said, ["60x, solo", "60x, together", "60x, gpu-wait", "60x, bursts"]);
        let text = lines(&report(1, |_| [&at(None)[2..], &[(Some(57), "active-2", 9.0, 0)][..]].concat()));
        let said: Vec<&str> =
            text.lines().filter_map(|line| line.trim().strip_prefix("At ")?.split(':').next()).collect();
        let unmeasured = ["an unmeasured clock, solo", "an unmeasured clock, together"];
        assert_eq!(said[..3], ["57x, active-2", unmeasured[0], unmeasured[1]], "{text}");
        assert!(text.contains("At an unmeasured clock (moved in the middle of the work), hop-migrated:"), "{text}");
        assert!(text.contains("At an unmeasured clock, solo:"), "{text}");
        let mut read = report(1, |_| at(None).to_vec());
        read.cores[0].clock_mhz = Some(crate::report::Spread { min: 5700, median: 6000, max: 6000 });
        assert!(lines(&read).contains("At an unmeasured clock (a reading was disturbed), solo:"), "{}", lines(&read));
        let crashed = lines(&report(1, |_| vec![(None, "solo", 0.0, 1)]));
        assert!(
            crashed.contains("At an unmeasured clock (nobody reads that of a worker that dies), solo: 1"),
            "{crashed}"
        );
    }

    #[test]
    fn a_blip_is_not_worth_a_sentence_unless_it_erred() {
        let passes = |core: u32| vec![(Some(60), "solo", 0.04, u64::from(core)), (Some(57), "solo", 1200.0, 0)];
        let text = lines(&report(2, passes));
        let (sound, bad) = text.split_once("C1:").expect("two groups");
        assert!(!sound.contains("At 60x") && sound.contains("At 57x") && sound.contains("1 more in --json"), "{text}");
        assert!(bad.contains("At 60x, solo: 1 error in 40 ms") && bad.contains("At 57x"), "{text}");
    }
}
