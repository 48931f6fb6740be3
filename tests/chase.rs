//! Cores that stay below the multiplier expected of them, and what is tried with them: the supervisor with played cores.
#![cfg(unix)]

mod played;

use oddcore::{
    machine::hardware_log::HardwareNews,
    plan::{Ceiling, Plan, Step, Try},
    supervisor::{SoFar, seams::View},
    verdict::{Amendment, CoreVerdict, Finding, Outcome},
};
use played::{Manner, Nowhere, Play, RIGHT, Reaches};

/// Keeps the solo steps of the first core.
#[derive(Default)]
struct Steps(Vec<Option<Try>>);

impl View for Steps {
    fn step(&mut self, step: &Step) {
        if step.load == "solo" && step.cores == [0] {
            self.0.push(step.chase);
        } else {
            assert_eq!(step.chase, None, "only solo steps of a core of which something is expected: {step:?}");
        }
    }

    fn tick(&mut self, _: &Outcome, _: f64) {}
    fn finding(&mut self, _: &Finding) {}
    fn amended(&mut self, _: &Finding, _: &Amendment) {}
    fn note(&mut self, _: &str) {}
}

/// A round of played cores, which have one kernel, has one solo step for each.
const DAYS: f64 = 2.5;

fn night(reaches: Reaches) -> (Vec<Option<Try>>, Outcome) {
    night_after(None, reaches)
}

/// The same, or what is left of such a run.
fn night_after(so_far: Option<(SoFar, u64)>, reaches: Reaches) -> (Vec<Option<Try>>, Outcome) {
    let (mut steps, store) = (Steps::default(), Box::new(Nowhere));
    let manners = [Manner { chased: Some((60, reaches)), ..RIGHT }, RIGHT];
    let outcome = Play {
        manners: &manners,
        seconds: DAYS * 86_400.0,
        store,
        so_far,
        view: &mut steps,
        until_s: None,
        hardware: HardwareNews::default(),
    }
    .run();
    (steps.0, outcome)
}

/// CPU time of the first core at a multiplier, by load.
fn ns_at(outcome: &Outcome, multiplier: u32, load: &str) -> u64 {
    let of =
        outcome.cores[&0].evidence.iter().filter(|(key, _)| key.multiplier == Some(multiplier) && key.load == load);
    of.map(|(_, done)| done.cpu_ns).sum()
}

#[test]
fn a_core_that_reaches_its_top_in_bursts_is_proven_there() {
    let (steps, outcome) = night(Reaches::InBursts);
    assert_eq!((outcome.verdict_of(0), outcome.exit_code()), (CoreVerdict::Pass, 0));
    assert!(ns_at(&outcome, 60, "solo-bursts") > 0 && ns_at(&outcome, 60, "solo") == 0, "each at its multiplier");
    assert!(ns_at(&outcome, 58, "solo") > 0, "work as planned goes on");
    let tries: Vec<Try> = steps.iter().flatten().copied().collect();
    assert!(!tries[0].bursts && tries[0].pause_s > 0.0, "cooled first: {tries:?}");
    assert!(tries[1..].iter().all(|next| next.bursts && next.ceiling.is_none()), "then what helped: {tries:?}");
    assert_eq!(steps.last(), Some(&None), "proven, so nothing more is tried");
    let planned = |four: &[Option<Try>]| four[0].is_none() && four.get(3).is_none_or(Option::is_none);
    assert!(steps.chunks(4).all(planned), "half of the steps are as planned: {steps:?}");
}

#[test]
fn a_core_that_nothing_brings_there_is_not_proven_and_left_in_peace() {
    let (steps, mut outcome) = night(Reaches::Never);
    assert_eq!((outcome.verdict_of(0), outcome.exit_code()), (CoreVerdict::NotProven, 3));
    let tries: Vec<Try> = steps.iter().flatten().copied().collect();
    assert!(tries.iter().any(|next| next.ceiling == Some(Ceiling::Scalar) && next.bursts), "{tries:?}");
    assert_eq!((tries.len(), steps.last()), (25, Some(&None)));
    let said = outcome.notes.iter().filter(|note| note.contains("60x is tried for no more")).count();
    assert_eq!(said, 1, "{:?}", outcome.notes);
    // And stays so when the run is gone on with.
    let Some(Plan::Asked(request)) = outcome.run.as_mut().map(|run| &mut run.plan) else { panic!("as it was asked") };
    request.seconds *= 1.25;
    let so_far = SoFar { outcome, boot: None, changes: vec![] };
    let (steps, _) = night_after(Some((so_far, 1)), Reaches::Never);
    assert!(steps.len() > 5 && steps.iter().all(Option::is_none), "{steps:?}");
}
