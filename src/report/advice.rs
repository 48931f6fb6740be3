//! What to do next, in plain words. Of a core that failed, in this order: a lower ratio; microcode and the maker's limits; a warranty
//! claim; more voltage last, since a core that fails may have aged by too much of it (`docs/METHOD.md`).

use super::{given::Given, tested::BLIP};
use crate::{
    journal::record::RunStarted,
    machine::Machine,
    plan::{Load, Told},
    verdict::{Cause, Class, CoreVerdict, Outcome, ProbeOutcome, diagnose, duration, missed, proven_s},
};

const NS: f64 = 1e-9;
/// Less checked time than this on any core validates nothing.
pub const VALIDATES_S: f64 = 3600.0;
/// Hours for which a core is tested after its ratio was changed.
const AGAIN_H: (u32, u32) = (1, 24);
/// Errors as frequent as before would show in so many times their mean distance, with 95 % confidence and time to spare.
const TIMES_THE_MEAN: f64 = 4.0;
/// Where nothing is known to be sound, so many steps down.
const STEPS: u32 = 3;
/// A core has so many times what proves it, for not all of its work is at the multiplier that is wanted.
const TIMES_THE_BAR: f64 = 2.5;
/// Lengths that are advised, in minutes and as `--for` takes them.
const LENGTHS: [(u32, &str); 11] = [
    (10, "10m"),
    (20, "20m"),
    (30, "30m"),
    (60, "1h"),
    (120, "2h"),
    (180, "3h"),
    (240, "4h"),
    (360, "6h"),
    (480, "8h"),
    (720, "12h"),
    (1440, "24h"),
];

/// All of it, the first to be done first. `runs` is the folder that the run is kept in, where that is not found without being
/// named.
pub fn advice(outcome: &Outcome, run: &RunStarted, runs: Option<&str>) -> Vec<String> {
    let given = Given::of(run, runs);
    if run.drill {
        let drill = "This was a drill: the fault was injected on purpose, and says nothing about the machine.";
        return one_step_lower(outcome, run).into_iter().chain([drill.to_owned()]).collect();
    }
    if outcome.unfit.is_some() {
        return vec!["To test the cores with work of known results: oddcore".into()];
    }
    let of = |verdict| outcome.cores.keys().copied().filter(move |&core| outcome.verdict_of(core) == verdict);
    let (failed, suspects): (Vec<u32>, Vec<u32>) =
        (of(CoreVerdict::Fail).collect(), of(CoreVerdict::Suspect).collect());
    let mut advice = one_step_lower(outcome, run);
    if !failed.is_empty() {
        advice.extend(memory_first(outcome, &run.machine, &failed));
        advice.extend(lower_ratios(outcome, run, &failed, &given));
    }
    if outcome.common_defect().is_some() {
        advice.push("The same work failed the same way on more than one core: most likely a defect of this program, please report it.".into());
    }
    let judged = run.machine.microcode_judged().and_then(|judged| judged.advice());
    let microcode =
        judged.map(|why| format!("Microcode {}: {why}.", run.machine.microcode.as_deref().unwrap_or("unknown")));
    if failed.is_empty() {
        if advice.is_empty() {
            advice.push(next(outcome, run, &given, (&suspects, &of(CoreVerdict::NotProven).collect::<Vec<_>>())));
        }
        advice.extend(microcode);
    } else {
        advice.extend(microcode);
        advice.extend(settings(&run.machine).map(str::to_owned));
        advice.push(format!(
            "If {} with every setting at stock: a warranty claim, with this report. More voltage last: it ages the core.",
            if failed.len() == 1 { "it fails" } else { "they fail" }
        ));
    }
    advice
}

/// What came of trying each core that erred one step lower.
fn one_step_lower(outcome: &Outcome, run: &RunStarted) -> Vec<String> {
    let probes = outcome.tuned.probes.iter().filter(|_| run.plan.lowering().is_some());
    let said = |probe: &ProbeOutcome| {
        let (name, lower, said) = (run.machine.names(&[probe.core]), probe.multiplier, probe.sentence(outcome));
        match probe.told(outcome) {
            Some(Told::Pass) => format!("{name}: fails at {}x, passes at {lower}x ({said}).", lower + 1),
            Some(Told::Fail) => format!("{name}: fails at {}x, and at {lower}x too ({said}).", lower + 1),
            _ => format!("{name}: fails at {}x; at {lower}x nothing is known ({said}).", lower + 1),
        }
    };
    probes.map(said).collect()
}

fn memory_first(outcome: &Outcome, machine: &Machine, failed: &[u32]) -> Option<String> {
    let fits: Vec<u32> = failed.iter().copied().filter(|&core| may_be_memory(outcome, core)).collect();
    (!fits.is_empty()).then(|| {
        format!(
            "{}: what was seen fits memory as well. Test that first (memtest86+, a night), before lowering a ratio.",
            machine.names(&fits)
        )
    })
}

/// Whether memory may be behind a core's findings.
fn may_be_memory(outcome: &Outcome, core: u32) -> bool {
    let mut own = outcome.findings.iter().filter(|finding| finding.core == Some(core));
    own.all(|finding| matches!(finding.class, Class::CorruptInput | Class::CorruptReference))
        || diagnose(outcome, core).is_some_and(|diagnosis| diagnosis.cause != Cause::Core)
}

/// One ratio for another, and why that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    from: u32,
    to: u32,
    why: &'static str,
}

/// `Set P4 60x -> 57x (as the others have), then: oddcore run --cores P4 --for 1h`; cores with the same step together.
fn lower_ratios(outcome: &Outcome, run: &RunStarted, failed: &[u32], given: &Given<'_>) -> Vec<String> {
    let machine = &run.machine;
    let mut alike: Vec<(Option<Step>, Vec<u32>)> = Vec::new();
    for &core in failed {
        let step = step(outcome, machine, core, failed);
        match alike.iter_mut().find(|(other, _)| *other == step) {
            Some((_, cores)) => cores.push(core),
            None => alike.push((step, vec![core])),
        }
    }
    let line = |(step, cores): (Option<Step>, Vec<u32>)| {
        let names = machine.names(&cores);
        let again = again(outcome, run, &cores, given);
        if machine.virtual_machine {
            return format!(
                "{names}: a virtual machine sets no ratio. Tell whoever runs the host (which of its cores this was may have \
                 changed meanwhile), then: {again}"
            );
        }
        match step {
            Some(Step { from, to, why }) => format!("Set {names} {from}x -> {to}x ({why}), then: {again}"),
            None => {
                format!("Lower the highest ratio of {names} by {STEPS}, for its clock is unmeasured; then: {again}")
            }
        }
    };
    alike.into_iter().map(line).collect()
}

/// From the highest ratio at which the core erred, or at which it ran if nobody read its clock then, to one below all at which it
/// erred.
fn step(outcome: &Outcome, machine: &Machine, core: u32, failed: &[u32]) -> Option<Step> {
    let own = outcome.cores.get(&core)?;
    let diagnosis = diagnose(outcome, core)?;
    let ran = || diagnosis.by_multiplier.iter().filter_map(|at| Some((at.multiplier?, at.rate)));
    let erred = || ran().filter(|(_, rate)| rate.findings > 0).map(|(multiplier, _)| multiplier);
    let highest_read = own.clocks.keys().next_back().map(|&mhz| machine.multiplier(f64::from(mhz)));
    let from = erred().max().or(highest_read)?;
    let below = erred().min().unwrap_or(from);
    let kind = |core: u32| machine.cores.iter().find(|known| known.core == core).map(|known| known.kind);
    let others = machine.cores.iter().filter(|other| {
        !failed.contains(&other.core)
            && kind(other.core) == kind(core)
            && outcome.verdict_of(other.core) == CoreVerdict::Pass
    });
    let group = others.filter_map(|other| other.top_mhz).map(|top| machine.multiplier(top.mhz));
    let all_s: f64 = ran().map(|(_, rate)| rate.seconds).sum();
    let sound = ran().filter(|(at, rate)| *at < below && rate.findings == 0 && rate.seconds >= BLIP * all_s);
    let step = |to, why| Step { from, to, why };
    group
        .filter(|&to| to < below)
        .max()
        .map(|to| step(to, "as others of its kind have"))
        .or_else(|| sound.map(|(at, _)| at).max().map(|to| step(to, "no error was seen there")))
        .or_else(|| below.checked_sub(STEPS).filter(|&to| to > 0).map(|to| step(to, "a first step")))
}

/// The command that tests these cores again, for as long as errors like these need to show, under the loads that brought them.
fn again(outcome: &Outcome, run: &RunStarted, cores: &[u32], given: &Given<'_>) -> String {
    let mean_s = |&core: &u32| {
        let diagnosis = diagnose(outcome, core)?;
        Some(diagnosis.rate.seconds / diagnosis.rate.findings.max(1) as f64)
    };
    let longest_s = cores.iter().filter_map(mean_s).fold(0.0, f64::max);
    let hours = ((TIMES_THE_MEAN * longest_s / 3600.0).ceil() as u32).clamp(AGAIN_H.0, AGAIN_H.1);
    if let Some(again) = program_again(run, given, hours) {
        return again;
    }
    let quick = |load: &str| Load::QUICK.iter().any(|quick| quick.name() == load) || Load::named(load).is_none();
    let own = outcome.findings.iter().filter(|finding| finding.core.is_some_and(|core| cores.contains(&core)));
    let profile = if own.map(|finding| finding.load.as_str()).all(quick) { "" } else { " --profile standard" };
    format!("oddcore run{profile} --cores {}{} --for {hours}h", names(&run.machine, cores), given.kept())
}

/// The command that goes on with the user's program, where the run was of one.
fn program_again(run: &RunStarted, given: &Given<'_>, hours: u32) -> Option<String> {
    Some(run.plan.command()?.program.on_every_core(None, &format!("{hours}h"), &given.runs()))
}

fn names(machine: &Machine, cores: &[u32]) -> String {
    let short = |core: &u32| machine.cores.iter().find(|known| known.core == *core).map(|known| known.short.clone());
    cores.iter().map(|core| short(core).unwrap_or_else(|| core.to_string())).collect::<Vec<_>>().join(",")
}

/// Settings beyond the ratio that make a core fail.
fn settings(machine: &Machine) -> Option<&'static str> {
    match machine.vendor.as_str() {
        _ if machine.virtual_machine => None,
        "GenuineIntel" => Some(
            "If it still fails: in the BIOS, Intel's default settings (limits of power and current, no multi-core enhancement), \
             the newest BIOS for its microcode.",
        ),
        "AuthenticAMD" => Some(
            "If it still fails: in the BIOS, Precision Boost Overdrive off and Curve Optimizer at zero, the newest BIOS for its \
             microcode.",
        ),
        _ => Some("If it still fails: the maker's default settings in the firmware, and the newest firmware."),
    }
}

/// What comes after a run in which no core failed; with its suspects, and the cores that missed what was expected of them.
fn next(outcome: &Outcome, run: &RunStarted, given: &Given<'_>, (suspects, unproven): (&[u32], &[u32])) -> String {
    match outcome.exit_code() {
        0 => worth(outcome, run, given),
        _ if outcome.ended.is_none() => unfinished(outcome, run, given),
        _ if !suspects.is_empty() && run.plan.command().is_some() => {
            format!("Not enough to blame a core. Longer: {}", program_again(run, given, 1).unwrap_or_default())
        }
        _ if !suspects.is_empty() => {
            let these = if suspects.len() == 1 { "it" } else { "them" };
            let (names, kept) = (names(&run.machine, suspects), given.kept());
            format!("Not enough to blame a core. Test {these} longer: oddcore run --cores {names}{kept} --for 1h")
        }
        _ if !unproven.is_empty() => unproven_again(unproven, outcome, run, given),
        _ => {
            let (bar, all) = (given.bar(), given.all());
            format!("Some cores were not cleared; test them again, longer: oddcore run{bar}{all} --for 10m")
        }
    }
}

/// How to go on.
fn unfinished(outcome: &Outcome, run: &RunStarted, given: &Given<'_>) -> String {
    let again = format!("oddcore resume {}{}", run.run, given.runs());
    // Who interrupted it knows that it is not running.
    if outcome.standing.settled {
        return format!("The run was cut short. Go on with it: {again}");
    }
    format!("The run has not ended. If it is not running any more, go on with it: {again}")
}

/// How to prove what was missed, by the bar of the same profile.
fn unproven_again(cores: &[u32], outcome: &Outcome, run: &RunStarted, given: &Given<'_>) -> String {
    let never = cores.iter().any(|&core| missed(outcome, core).is_some_and(|missed| missed.never()));
    // What others took of the CPUs they will take again.
    let share = outcome.steady_share().unwrap_or(1.0);
    let (why, least_min) = if never {
        (
            "A core holds its top only while it is cool and the others sleep deeply. Longer, each core alone",
            60.0 / share,
        )
    } else {
        ("The multiplier was reached, for too short a time. Longer, each core alone", 10.0)
    };
    let kinds = if run.machine.avx2 { 2.0 } else { 1.0 };
    let bar_min = cores.len() as f64 * kinds * proven_s(&run.profile) * TIMES_THE_BAR / 60.0;
    let length = plain_length((bar_min / share).max(least_min));
    let (bar, kept) = (given.bar(), given.kept());
    let (on, expect) = (given.cores(cores), given.expect(|core| cores.contains(&core)));
    format!("{why}: oddcore run{bar}{on} --loads solo{expect}{kept} --for {length}")
}

/// The shortest of the lengths that are advised which is as long as this.
fn plain_length(minutes: f64) -> &'static str {
    let enough = LENGTHS.into_iter().find(|&(length, _)| f64::from(length) >= minutes);
    enough.unwrap_or(LENGTHS[LENGTHS.len() - 1]).1
}

/// What a run without errors is worth, by the core that was checked least.
fn worth(outcome: &Outcome, run: &RunStarted, given: &Given<'_>) -> String {
    let tested = || outcome.cores.values().filter(|own| own.under_test);
    let least_s = tested().map(|own| own.total().cpu_ns).min().unwrap_or(0) as f64 * NS;
    if least_s < VALIDATES_S {
        let tonight =
            program_again(run, given, 8).unwrap_or_else(|| format!("oddcore run --profile overnight{}", given.all()));
        return format!("Too short to validate. Tonight: {tonight}");
    }
    let (count, least) = (tested().count(), duration(least_s));
    let cores = if count == 1 { "on the core tested" } else { "on each core tested" };
    format!("At least {least} of checked CPU time {cores}; what that would have caught is said above.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::{
            Record,
            record::{Evidence, EvidenceKey},
        },
        machine::{RatedClock, Source},
        plan::{Expected, Step, shell_word},
        report::{
            Report,
            build::tests::{asked, outcome, work},
        },
        verdict::{Finding, finding::tests::finding},
    };

    /// Work of core 0 at a multiplier.
    fn at(multiplier: u32, load: &str, seconds: u64, findings: u64) -> Record {
        let key = EvidenceKey {
            multiplier: Some(multiplier),
            load: load.into(),
            kernel: "gemm-f32".into(),
            variant: "avx2".into(),
            isa: "avx2".into(),
            footprint: "L3".into(),
        };
        let cpu_ns = seconds * 1_000_000_000;
        let part = Evidence { iterations: 1, operations: 1_000_000, findings, cpu_ns, ..Evidence::default() };
        let clocks = vec![(multiplier * 100, 1)];
        Record::Evidence { core: 0, parts: vec![(key, part)], clocks }
    }

    /// The advice of a run on two cores of a machine with these tops.
    fn advised(tops: [Option<f64>; 2], vendor: &str, findings: Vec<Finding>, work: Vec<Record>) -> Vec<String> {
        let mut outcome = outcome(work);
        let run = outcome.run.as_mut().expect("opened");
        run.machine.virtual_machine = false;
        run.machine.vendor = vendor.into();
        for (core, top) in run.machine.cores.iter_mut().zip(tops) {
            core.top_mhz = top.map(|mhz| RatedClock { mhz, known: false, source: Source::CpuinfoMaxFreq });
        }
        for finding in findings {
            outcome.apply(&Record::Finding(Box::new(finding)));
        }
        Report::of(&outcome).expect("a report").advice
    }

    /// Enough wrong results to blame the core, and not memory.
    fn wrong(load: &str) -> Vec<Finding> {
        let xor = |bit: u64| Some(crate::verdict::Hex(1 << bit));
        let one =
            |n: u64| Finding { element: vec![n], xor: xor(n), load: load.into(), ..finding(0, Class::Miscompute) };
        (0..7).map(one).collect()
    }

    #[test]
    fn the_ratio_comes_first_and_voltage_last() {
        let did = || vec![at(60, "solo", 41, 7), at(57, "solo", 41, 0), work(1, 41)];
        let advice = advised([Some(6000.0), Some(5700.0)], "GenuineIntel", wrong("solo"), did());
        assert_eq!(
            advice[0], "Set C0 60x -> 57x (as others of its kind have), then: oddcore run --cores C0 --for 1h",
            "{advice:?}"
        );
        assert!(advice[1].contains("Intel's default settings"), "{advice:?}");
        assert!(advice[2].contains("warranty claim") && advice[2].ends_with("More voltage last: it ages the core."));
        let advice = advised([Some(6000.0), Some(6000.0)], "AuthenticAMD", wrong("solo"), did());
        assert!(advice[0].starts_with("Set C0 60x -> 57x (no error was seen there), then"), "{advice:?}");
        assert!(advice[1].contains("Curve Optimizer"), "{advice:?}");
        // Errors at 57x as well: nothing above is offered, nor the other's 57x.
        let all = vec![at(60, "solo", 41, 7), at(57, "solo", 41, 1), work(1, 41)];
        let advice = advised([Some(6000.0), Some(5700.0)], "A", wrong("solo"), all);
        assert!(advice[0].starts_with("Set C0 60x -> 54x (a first step), then"), "{advice:?}");
    }

    #[test]
    fn rare_errors_take_long_and_unusual_loads_their_profile() {
        let did = vec![at(60, "bursts", 36_000, 7), work(1, 41)];
        let advice = advised([None, None], "A", wrong("bursts"), did);
        let again = "oddcore run --profile standard --cores C0 --for 6h";
        assert!(advice[0].ends_with(again), "4 x 36,000 s / 7 is 5.7 h: {advice:?}");
        let rarest = advised([None, None], "A", wrong("solo"), vec![at(60, "solo", 900_000, 7), work(1, 41)]);
        assert!(rarest[0].ends_with("--for 24h"), "{rarest:?}");
    }

    #[test]
    fn a_crash_at_an_unread_clock_goes_by_the_clocks_that_were_read() {
        let crash = vec![finding(0, Class::Crash)];
        let advice = advised([Some(6000.0), Some(5700.0)], "A", crash.clone(), vec![at(60, "solo", 41, 0), work(1, 9)]);
        assert!(advice.iter().any(|line| line.starts_with("Set C0 60x -> 57x")), "{advice:?}");
        let advice = advised([None, None], "A", crash, vec![work(0, 9), work(1, 9)]);
        assert!(advice.iter().any(|line| line.starts_with("Lower the highest ratio of C0 by 3")), "{advice:?}");
    }

    #[test]
    fn who_has_no_ratio_to_set_is_not_told_to() {
        let mut outcome = outcome(vec![at(60, "solo", 41, 7), work(1, 41)]);
        outcome.run.as_mut().expect("opened").machine.virtual_machine = true;
        wrong("solo").into_iter().for_each(|finding| outcome.apply(&Record::Finding(Box::new(finding))));
        let advice = Report::of(&outcome).expect("a report").advice;
        assert!(advice[0].starts_with("C0: a virtual machine sets no ratio. Tell whoever"), "{advice:?}");
        assert!(!advice.iter().any(|line| line.contains("BIOS")), "{advice:?}");
    }

    #[test]
    fn what_may_be_memory_is_to_be_tested_before_a_ratio_is_lowered() {
        let did = || vec![at(60, "solo", 30, 1), work(1, 30)];
        for class in [Class::CorruptInput, Class::CorruptReference, Class::Miscompute, Class::LostToReset] {
            let advice = advised([None, None], "A", vec![finding(0, class)], did());
            assert!(advice[0].contains("fits memory") && advice[1].starts_with("Set C0 60x"), "{advice:?}");
        }
        let advice = advised([None, None], "A", vec![finding(0, Class::Comparison)], did());
        assert!(advice[0].starts_with("Set C0 60x"), "{advice:?}");
    }

    #[test]
    fn suspects_are_tested_by_name() {
        let mut outcome = outcome(vec![work(0, 9), work(1, 9)]);
        outcome.apply(&Record::Suspicion { core: 1, why: "it garbled".into() });
        outcome.apply(&Record::RunEnded { at: "2026-01-01T00:00:00Z".into() });
        let advice = Report::of(&outcome).expect("a report").advice;
        assert_eq!(advice, ["Not enough to blame a core. Test it longer: oddcore run --cores C1 --for 1h"]);
    }

    /// The advice of a run of the standard profile on two cores that were to have a minute at 60x, for 10 s each, and had this.
    fn unproven(profile: &str, done: Vec<Record>) -> Vec<String> {
        let mut records = Vec::new();
        for core in [0, 1] {
            let (step, load) = (core, "solo".to_owned());
            let asked = Step { step, load, cores: vec![core], seconds: 10.0, ..Step::default() };
            records.extend([Record::StepStarted(asked), Record::StepEnded { step }]);
        }
        let mut outcome = outcome(records);
        let run = outcome.run.as_mut().expect("opened");
        (run.profile, run.machine.avx2) = (profile.into(), true);
        asked(run).expect = [0, 1].map(|core| Expected { core, multiplier: 60 }).to_vec();
        done.iter().for_each(|record| outcome.apply(record));
        outcome.apply(&Record::RunEnded { at: "2026-01-01T00:00:00Z".into() });
        Report::of(&outcome).expect("a report").advice
    }

    #[test]
    fn what_is_to_be_proven_is_asked_for_again_by_the_same_bar_and_for_long_enough() {
        let reached = "The multiplier was reached, for too short a time. Longer, each core alone:";
        let asked = "--cores 0-1 --loads solo --expect 0-1=60x";
        let said = |profile: &str, length: &str| format!("{reached} oddcore run{profile} {asked} --for {length}");
        let had = |seconds| vec![work(0, seconds), work(1, seconds)];
        assert_eq!(unproven("standard", had(10)), [said(" --profile standard", "10m")]);
        // A fifth of the time that was asked for: five times as long.
        assert_eq!(unproven("standard", had(2)), [said(" --profile standard", "1h")]);
        assert_eq!(unproven("overnight", had(5)), [said(" --profile overnight", "20m")]);
        // A file of the user's is not known by its name, and asks for as much as the standard profile.
        assert_eq!(unproven("my-night", had(10)), [said(" --profile standard", "10m")]);
        let too_short = unproven("quick", vec![work(0, 1), work(1, 1)]);
        assert_eq!(too_short, [said("", "10m")], "of two seconds ten minutes are enough at a tenth too");
        let lower = unproven("quick", vec![at(57, "solo", 10, 0), work(1, 10)]);
        assert!(lower[0].ends_with("oddcore run --cores 0-1 --loads solo --expect 0-1=60x --for 1h"), "{lower:?}");
        assert_eq!([0.0, 10.0, 50.0, 1e9].map(plain_length), ["10m", "10m", "1h", "24h"]);
    }

    #[test]
    fn the_night_is_asked_for_what_the_evening_was() {
        let mut of_both_kinds = work(1, 9);
        if let Record::Evidence { parts, .. } = &mut of_both_kinds {
            let mut scalar = parts[0].clone();
            scalar.0.isa = "scalar".into();
            parts.push(scalar);
        }
        let mut outcome = outcome(vec![work(0, 9), of_both_kinds]);
        let run = outcome.run.as_mut().expect("opened");
        (run.profile, run.images) = ("quick".into(), vec!["/a.png".into()]);
        asked(run).expect = vec![Expected { core: 1, multiplier: 60 }];
        outcome.apply(&Record::RunEnded { at: "2026-01-01T00:00:00Z".into() });
        let night = "Too short to validate. Tonight: oddcore run --profile overnight --expect 1=60x --image /a.png";
        assert_eq!(Report::of(&outcome).expect("a report").advice, [night]);
        let on_screen = Report::on_screen(&outcome, Some("runs")).expect("a report");
        assert_eq!(on_screen.advice, [format!("{night} --runs runs")]);
    }

    #[test]
    fn who_interrupted_a_run_is_not_asked_whether_it_is_running() {
        let mut outcome = outcome(vec![work(0, 9), work(1, 9)]);
        let run = outcome.run.as_ref().expect("opened").run.clone();
        let advice = |outcome: &Outcome, runs| Report::on_screen(outcome, runs).expect("a report").advice;
        let open = format!("The run has not ended. If it is not running any more, go on with it: oddcore resume {run}");
        assert_eq!(advice(&outcome, None), [open]);
        outcome.apply(&Record::Interrupted { at: "2026-01-01T00:00:00Z".into(), why: None });
        let cut = format!("The run was cut short. Go on with it: oddcore resume {run}");
        assert_eq!(advice(&outcome, None), [cut.as_str()]);
        assert_eq!(advice(&outcome, Some("/my runs")), [format!("{cut} --runs {}", shell_word("/my runs"))]);
    }

    #[test]
    fn a_run_is_called_too_short_only_by_the_hours_of_its_least_tested_core() {
        let ended = || Record::RunEnded { at: "2026-01-01T00:00:00Z".into() };
        let advised = |seconds: [u64; 2]| {
            let outcome = outcome(vec![work(0, seconds[0]), work(1, seconds[1]), ended()]);
            assert_eq!(outcome.exit_code(), 0);
            Report::of(&outcome).expect("a report").advice
        };
        assert!(advised([9000, 3599])[0].starts_with("Too short"));
        let long = advised([9000, 7200]);
        assert_eq!(
            long,
            ["At least 2 h of checked CPU time on each core tested; what that would have caught is said above."]
        );
    }
}
