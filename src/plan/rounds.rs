//! Rounds: short passes over everything first, each round longer than the last and with other seeds. In a round every load has
//! its turn on every core that it is about; a step is one kernel, so that a reset names it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    Footprint, Load, PRE_PASS, Request, Step,
    deal::Deck,
    field::{Field, Group},
    prove::{self, PROVE_KIND_S, PROVE_STEPS},
};
use crate::{machine::Machine, verdict::Hex};

/// Time that each core has alone in the first round, in seconds: as much as the quick check promises, and the gaps between steps.
const SOLO_S: f64 = 2.2;
/// Time of each group of cores under another load in the first round.
const GROUP_S: f64 = 1.1;
/// The same where all cores work at once.
const ALL_S: f64 = 2.2;
/// Time of a kernel on all cores together in the first round.
const TOGETHER_STEP_S: f64 = 0.275;
/// After the first round all cores together have at least so large a part of what the other loads have: errors of theirs are
/// looked for on all of them at once.
const TOGETHER_PART: f64 = 0.25;
/// The shortest step worth its start.
const STEP_S_MIN: f64 = 0.25;
/// How often the first round's times double: steps of half a minute in a night, so that its journal stays small.
const DOUBLINGS: u32 = 7;
/// Steps of one load in a round, where it has more than one for a group.
const STEPS_MAX: usize = 200;
/// The quick check's least length.
const QUICK_S_MIN: f64 = 60.0;
/// From this round on the top multiplier group has half of the time of loads that take one group of cores after the other.
const CHASE_FROM: u32 = 2;
/// A group on which something was found, or that was tested less than half as long as the average, has so many times the time.
const FAVOUR: f64 = 2.0;
/// Steps as long as this have a footprint of their own, and this one can be memory.
const FOOTPRINT_S: (f64, f64) = (1.0, 4.0);

/// What is known of a core's work on a kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Errors.
    pub errors: u64,
    /// Checked CPU time.
    pub cpu_ns: u64,
}

/// What is known of all work so far, for the choice of what comes next.
#[derive(Clone, Debug, Default)]
pub struct Tallies {
    by_kernel: BTreeMap<u32, BTreeMap<String, Tally>>,
}

impl Tallies {
    /// Adds work of a core on a kernel.
    pub fn add(&mut self, core: u32, kernel: &str, tally: Tally) {
        let kernels = self.by_kernel.entry(core).or_default();
        let sum = match kernels.get_mut(kernel) {
            Some(sum) => sum,
            None => kernels.entry(kernel.to_owned()).or_default(),
        };
        sum.errors = sum.errors.saturating_add(tally.errors);
        sum.cpu_ns = sum.cpu_ns.saturating_add(tally.cpu_ns);
    }

    /// Of a core and kernel.
    pub fn of(&self, core: u32, kernel: &str) -> Tally {
        self.by_kernel.get(&core).and_then(|kernels| kernels.get(kernel)).copied().unwrap_or_default()
    }

    fn core(&self, core: u32) -> Tally {
        let kernels = self.by_kernel.get(&core).into_iter().flat_map(BTreeMap::values);
        kernels.fold(Tally::default(), |sum, tally| Tally {
            errors: sum.errors.saturating_add(tally.errors),
            cpu_ns: sum.cpu_ns.saturating_add(tally.cpu_ns),
        })
    }
}

/// How long the quick check that is asked for lasts, in seconds: one round, and a minute at least.
pub fn quick_seconds(request: &Request, machine: &Machine) -> f64 {
    let rounds = Rounds::of(request, machine);
    QUICK_S_MIN.max(rounds.times().round(0))
}

/// Why a load cannot be had from these cores.
pub fn lacks(machine: &Machine, cores: &[u32], load: Load) -> Option<String> {
    load.lacks(&Field::of(machine, cores, &[]))
}

/// Natural times: what a round lasts that nothing cuts short.
struct Times<'a> {
    field: &'a Field,
    kernels: usize,
    loads: &'a [Load],
    /// Cores to be proven in this round.
    prove: &'a BTreeSet<u32>,
}

impl Times<'_> {
    /// Whether the group is a core that is to be proven, alone.
    fn proves(&self, load: Load, group: &Group) -> bool {
        load == Load::Solo && group.tested.iter().all(|core| self.prove.contains(core))
    }

    /// Of one group, in seconds of the first round.
    fn group(&self, load: Load, group: &Group) -> f64 {
        match load {
            Load::Solo if self.proves(load, group) => 2.0 * PROVE_KIND_S,
            Load::Solo => SOLO_S,
            Load::Together => ALL_S.max(TOGETHER_STEP_S * self.kernels as f64),
            // One job for all of them: each core has its time.
            Load::Hop | Load::Migrated => ALL_S.max(GROUP_S * group.tested.len() as f64),
            _ if group.tested.len() == self.field.order.len() && group.tested.len() > 1 => ALL_S,
            _ => GROUP_S,
        }
    }

    /// How many steps a group has of so many kernels.
    fn steps(&self, load: Load, group: &Group, groups: usize, kernels: usize) -> usize {
        let fit = (self.group(load, group) / STEP_S_MIN) as usize;
        let most = if load == Load::Together { usize::MAX } else { (STEPS_MAX / groups.max(1)).max(1) };
        let most = if self.proves(load, group) { most.min(PROVE_STEPS) } else { most };
        fit.clamp(1, most).min(kernels)
    }

    /// Of all groups of a load, in seconds of the first round.
    fn load(&self, load: Load, round: u32) -> f64 {
        let sum = |load: Load| self.field.groups(load, round).iter().map(|group| self.group(load, group)).sum::<f64>();
        if load == Load::Together && round > 0 {
            let others: f64 = self.loads.iter().filter(|&&other| other != load).map(|&other| sum(other)).sum();
            return sum(load).max(TOGETHER_PART * others);
        }
        sum(load)
    }

    /// Of a whole round.
    fn round(&self, round: u32) -> f64 {
        let stretch = f64::from(1u32 << round.min(DOUBLINGS));
        self.loads.iter().map(|&load| self.load(load, round)).sum::<f64>() * stretch
    }
}

/// The rounds of a run, one after the other.
pub struct Rounds<'a> {
    request: &'a Request,
    field: Field,
    deck: Deck,
    /// Cores to be proven in the first round.
    prove: BTreeSet<u32>,
    round: u32,
    left_s: f64,
    next_step: u32,
}

impl<'a> Rounds<'a> {
    /// All of them, the pre-pass before the first.
    pub fn of(request: &'a Request, machine: &Machine) -> Self {
        let (field, deck) = (Field::of(machine, &request.cores, &request.expect), Deck::of(&request.kernels));
        let prove = prove::to_prove(request, machine);
        Self { request, field, deck, prove, round: 0, left_s: request.seconds, next_step: 0 }
    }

    /// Those of the round in hand.
    fn times(&self) -> Times<'_> {
        static NOBODY: BTreeSet<u32> = BTreeSet::new();
        let prove = if self.round == 0 { &self.prove } else { &NOBODY };
        Times { field: &self.field, kernels: self.deck.len(), loads: &self.request.loads, prove }
    }

    /// The next round's steps, given what is known by then: how many there are does not depend on that, so that a run that was
    /// broken off goes on where it was. `None` once the time is up.
    pub fn next(&mut self, tallies: &Tallies) -> Option<Vec<Step>> {
        let times = self.times();
        let natural_s = times.round(self.round);
        // Without anything to do no round would ever yield a step.
        if self.left_s <= 0.0 || natural_s <= 0.0 || self.deck.len() == 0 {
            return None;
        }
        // The last round takes the rest, rather than leave one of a second.
        let round_s = if self.left_s < 1.5 * natural_s { self.left_s } else { natural_s };
        let factor = round_s / natural_s * f64::from(1u32 << self.round.min(DOUBLINGS));
        let mut steps = if self.round == 0 { vec![self.pre_pass()] } else { Vec::new() };
        for &load in &self.request.loads {
            steps.extend(self.of_load(&times, load, factor, tallies));
        }
        self.left_s -= round_s;
        self.round += 1;
        for step in &mut steps {
            step.step = self.next_step;
            let spread = u64::from(self.next_step).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            step.seed = Hex(self.request.seed.0.wrapping_add(spread));
            self.next_step += 1;
        }
        Some(steps)
    }

    /// The kernels that a load can be made of.
    fn deck(&self, load: Load) -> Cow<'_, Deck> {
        match load.kernel() {
            None => Cow::Borrowed(&self.deck),
            Some(only) => {
                Cow::Owned(Deck::of(&self.deck.all().filter(|name| *name == only).cloned().collect::<Vec<_>>()))
            }
        }
    }

    fn pre_pass(&self) -> Step {
        Step { cores: self.field.order.clone(), load: PRE_PASS.to_owned(), ..Step::default() }
    }

    /// Steps of one load; a second of the first round lasts `factor` seconds.
    fn of_load(&self, times: &Times<'_>, load: Load, factor: f64, tallies: &Tallies) -> Vec<Step> {
        let deck = self.deck(load);
        if deck.len() == 0 {
            return Vec::new();
        }
        let groups = self.field.groups(load, self.round);
        let weights = self.weights(&groups, tallies);
        let natural_s: f64 = groups.iter().map(|group| times.group(load, group)).sum();
        let longer = times.load(load, self.round) / natural_s;
        let mut steps = Vec::new();
        for (n, (group, weight)) in groups.iter().zip(weights).enumerate() {
            // Their number follows from the time without weights.
            let plain_s = times.group(load, group) * factor * longer;
            let fit = ((plain_s / STEP_S_MIN) as usize).max(1);
            let count = times.steps(load, group, groups.len(), deck.len()).min(fit);
            let turn = n + self.round as usize;
            let hand = if times.proves(load, group) {
                prove::hand(deck.all(), turn, count, |count| deck.hand(turn, count))
            } else if count == deck.len() {
                // All of them, where there is time.
                deck.all().cloned().collect()
            } else if self.round == 0 {
                deck.hand(turn, count)
            } else {
                deck.weighted_hand(turn, count, group, tallies)
            };
            let seconds = (plain_s * weight / hand.len() as f64).max(STEP_S_MIN);
            let mut cores: Vec<u32> = group.tested.iter().chain(&group.company).copied().collect();
            if !group.company.is_empty() {
                cores.sort_unstable();
            }
            steps.extend(hand.into_iter().enumerate().map(|(at, kernel)| Step {
                load: load.name().to_owned(),
                kernel: Some(kernel),
                cores: cores.clone(),
                company: group.company.clone(),
                seconds,
                siblings: matches!(load, Load::Siblings | Load::Together),
                footprint: footprint(turn + at, seconds),
                ..Step::default()
            }));
        }
        steps
    }

    /// What each group's time is to be multiplied by; together they leave the sum as it is.
    fn weights(&self, groups: &[Group], tallies: &Tallies) -> Vec<f64> {
        let tally = |group: &Group| {
            let of = |core: &u32| tallies.core(*core);
            let sum = group.tested.iter().map(of).fold((0, 0), |(e, ns), t| (e + t.errors, ns + t.cpu_ns));
            (sum.0, sum.1 as f64 / group.tested.len().max(1) as f64)
        };
        let known: Vec<(u64, f64)> = groups.iter().map(tally).collect();
        let mean_ns = known.iter().map(|(_, ns)| ns).sum::<f64>() / known.len().max(1) as f64;
        let favoured = |&(errors, ns): &(u64, f64)| if errors > 0 || ns < mean_ns / 2.0 { FAVOUR } else { 1.0 };
        let mut weights: Vec<f64> = known.iter().map(favoured).collect();
        let is_top: Vec<bool> =
            groups.iter().map(|g| g.tested.iter().all(|core| self.field.top.contains(core))).collect();
        let share = |weights: &[f64], top: bool| -> f64 {
            weights.iter().zip(&is_top).filter(|(_, is_top)| **is_top == top).map(|(weight, _)| weight).sum()
        };
        let (top, others) = (share(&weights, true), share(&weights, false));
        if self.round >= CHASE_FROM && self.field.has_top() && top > 0.0 && top < others {
            for (weight, _) in weights.iter_mut().zip(&is_top).filter(|(_, is_top)| **is_top) {
                *weight *= others / top;
            }
        }
        let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
        weights.into_iter().map(|weight| weight / mean).collect()
    }
}

/// The footprint of the `turn`-th step, where it lasts long enough to be about one; `None` for the usual mix, which half of all
/// steps have.
fn footprint(turn: usize, seconds: f64) -> Option<Footprint> {
    let of = (turn % 2 == 1).then(|| Footprint::ALL[turn / 2 % Footprint::ALL.len()]);
    of.filter(|of| seconds >= if *of == Footprint::Memory { FOOTPRINT_S.1 } else { FOOTPRINT_S.0 })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        machine::{RatedClock, Root, Source},
        plan::{Expected, Plan},
    };

    /// Cores of which the first `top` have a higher clock; the first half has two CPUs.
    fn machine(cores: u32, top: u32) -> Machine {
        let allowed: Vec<u32> = (0..cores).collect();
        let nothing = tempfile::tempdir().expect("a folder");
        let mut machine = crate::machine::read(&Root::at(nothing.path()), &allowed).expect("a machine");
        for core in &mut machine.cores {
            let mhz = if core.core < top { 6000.0 } else { 5700.0 };
            core.top_mhz = Some(RatedClock { mhz, known: false, source: Source::CpuinfoMaxFreq });
            if core.core < cores / 2 {
                core.testable.push(10_000 + core.core);
            }
        }
        machine
    }

    fn request(cores: u32, kernels: usize, loads: &[Load], seconds: f64) -> Request {
        let own: Vec<String> = loads.iter().filter_map(|load| load.kernel()).map(str::to_owned).collect();
        let names =
            (0..kernels.saturating_sub(own.len())).map(|n| format!("{}-{n}", ["gemm", "aes", "resize", "zstd"][n % 4]));
        Request {
            cores: (0..cores).collect(),
            kernels: names.chain(own).take(kernels).collect(),
            loads: loads.to_vec(),
            seconds,
            seed: Hex(7),
            until_s: None,
            expect: vec![],
            tune: None,
        }
    }

    fn steps(machine: &Machine, request: &Request) -> Vec<Step> {
        Plan::Asked(request.clone()).steps(machine).collect()
    }

    fn lasts(steps: &[Step]) -> f64 {
        steps.iter().map(|step| step.seconds).sum()
    }

    #[test]
    fn the_quick_check_is_about_a_minute_and_misses_nothing() {
        for (cores, top, kernels) in [(2, 2, 10), (2, 2, 30), (8, 2, 30), (16, 16, 30), (24, 2, 30), (1, 1, 3)] {
            let machine = machine(cores, top);
            let mut request = request(cores, kernels, &Load::QUICK, 0.0);
            request.seconds = quick_seconds(&request, &machine);
            let steps = steps(&machine, &request);
            let length = lasts(&steps);
            assert!((55.0..72.0).contains(&length), "{cores} cores, {kernels} kernels: {length} s");
            assert!(steps.iter().skip(1).all(|step| step.seconds >= STEP_S_MIN && step.kernel.is_some()));
            let kernels_of = |load: Load| -> BTreeSet<&str> {
                let of = steps.iter().filter(|step| step.load == load.name());
                of.filter_map(|step| step.kernel.as_deref()).collect()
            };
            assert_eq!(kernels_of(Load::Together).len(), kernels);
            assert_eq!(kernels_of(Load::Solo).len(), kernels);
            for core in 0..cores {
                let alone = |step: &&Step| step.load == "solo" && step.cores == [core];
                let seconds: f64 = steps.iter().filter(alone).map(|step| step.seconds).sum();
                assert!(seconds >= 2.0, "core {core} of {cores} alone for {seconds} s");
            }
            let top_waits = |core| steps.iter().any(|step| step.load == "gpu-wait" && step.cores == [core]);
            assert!((0..top).all(top_waits));
        }
    }

    #[test]
    fn a_core_to_be_proven_has_enough_of_both_kinds_of_work_alone() {
        let kernels: Vec<String> = oddcore_kernels::all().iter().map(|kernel| kernel.name().to_owned()).collect();
        for (known, expected) in [(&[][..], &[0, 5][..]), (&[3], &[]), (&[3], &[4])] {
            let mut machine = machine(8, 2);
            for core in machine.cores.iter_mut().filter(|core| known.contains(&core.core)) {
                core.top_mhz = core.top_mhz.map(|top| RatedClock { known: true, ..top });
            }
            let expect = expected.iter().map(|&core| Expected { core, multiplier: 60 }).collect();
            let mut request = Request { kernels: kernels.clone(), expect, ..request(8, 0, &Load::QUICK, 0.0) };
            request.seconds = quick_seconds(&request, &machine);
            let steps = steps(&machine, &request);
            assert!((lasts(&steps) / request.seconds - 1.0).abs() < 0.05);
            for core in 0..8 {
                let alone = |step: &&Step| step.load == "solo" && step.cores == [core];
                let (scalar, rest): (Vec<&Step>, Vec<&Step>) = steps
                    .iter()
                    .filter(alone)
                    .partition(|step| step.kernel.as_ref().is_some_and(|name| prove::is_scalar(name)));
                let seconds = |steps: &[&Step]| steps.iter().map(|step| step.seconds).sum::<f64>();
                let proven = seconds(&scalar) >= 2.8 && seconds(&rest) >= 2.8;
                assert_eq!(proven, known.contains(&core) || expected.contains(&core), "core {core}: {steps:?}");
            }
        }
    }

    #[test]
    fn rounds_grow_and_come_to_what_was_asked_for() {
        for (cores, seconds) in [(1, 40.0), (2, 120.0), (2, 3600.0), (24, 8640.0), (24, 28_800.0), (64, 86_400.0)] {
            let machine = machine(cores, 2);
            let request = request(cores, 30, &Load::ALL, seconds);
            let mut rounds = Rounds::of(&request, &machine);
            let rounds: Vec<f64> =
                std::iter::from_fn(|| rounds.next(&Tallies::default())).map(|steps| lasts(&steps)).collect();
            let sum: f64 = rounds.iter().sum();
            assert!((sum / seconds - 1.0).abs() < 0.05, "{cores} {seconds}: {rounds:?}");
            assert!(rounds.iter().rev().skip(1).rev().is_sorted(), "{rounds:?}");
        }
    }

    #[test]
    fn a_day_has_few_enough_steps_on_any_machine() {
        for cores in [1, 2, 24, 64, 256] {
            for kernels in [3, 30] {
                let machine = machine(cores, 2);
                let steps = steps(&machine, &request(cores, kernels, &Load::ALL, 86_400.0)).len();
                assert!(steps < 12_000, "{cores} cores, {kernels} kernels: {steps} steps");
            }
        }
    }

    #[test]
    fn short_runs_have_what_matters_most() {
        let machine = machine(2, 2);
        let steps = steps(&machine, &request(2, 30, &Load::QUICK, 1.0));
        assert!(lasts(&steps) < 2.0 && steps.len() == 7, "{steps:?}");
        assert!(steps.iter().skip(1).any(|step| step.kernel.as_deref() == Some("gemm-0")));
        assert_eq!(self::steps(&machine, &request(2, 0, &Load::QUICK, 1.0)), []);
    }

    #[test]
    fn steps_are_numbered_and_start_with_the_pre_pass() {
        let machine = machine(24, 2);
        let steps = steps(&machine, &request(24, 30, &Load::ALL, 20_000.0));
        assert!(steps.iter().zip(0..).all(|(step, number)| step.step == number));
        assert_eq!((steps[0].load.as_str(), steps[1].load.as_str()), (PRE_PASS, "solo"));
        assert_eq!((&steps[0].cores[..2], &steps[1].cores[..]), (&[0, 1][..], &[0][..]));
        let seeds: BTreeSet<u64> = steps.iter().map(|step| step.seed.0).collect();
        assert_eq!(seeds.len(), steps.len(), "every step has seeds of its own");
        for load in Load::ALL {
            let of: Vec<&Step> = steps.iter().filter(|step| step.load == load.name()).collect();
            let kernels: BTreeSet<&str> = of.iter().filter_map(|step| step.kernel.as_deref()).collect();
            assert_eq!(kernels.len(), if load.kernel().is_some() { 1 } else { 30 }, "{load:?}");
            for footprint in Footprint::ALL {
                assert!(of.iter().any(|step| step.footprint == Some(footprint)), "{load:?} {footprint:?}");
            }
        }
    }

    #[test]
    fn time_shifts_to_the_top_and_to_what_erred_and_the_number_of_steps_stays() {
        let machine = machine(24, 2);
        let request = request(24, 30, &[Load::Solo], 10_000.0);
        let mut tallies = Tallies::default();
        for core in 0..24 {
            for kernel in &request.kernels {
                let errors = u64::from(core == 9 && kernel == "aes-5");
                tallies.add(core, kernel, Tally { errors, cpu_ns: 1_000_000_000 });
            }
        }
        let (mut plain, mut shifted) = (Rounds::of(&request, &machine), Rounds::of(&request, &machine));
        for round in 0..5 {
            let (plain, shifted) = (plain.next(&Tallies::default()), shifted.next(&tallies));
            let (plain, shifted) = (plain.expect("a round"), shifted.expect("a round"));
            assert_eq!(plain.len(), shifted.len());
            assert!((lasts(&plain) / lasts(&shifted) - 1.0).abs() < 1e-6);
            let of = |steps: &[Step], core: u32| {
                lasts(&steps.iter().filter(|s| s.cores == [core]).cloned().collect::<Vec<_>>())
            };
            if round > 0 {
                assert!(of(&shifted, 9) > 1.5 * of(&shifted, 10), "round {round}");
                let again = shifted.iter().filter(|s| s.cores == [9] && s.kernel.as_deref() == Some("aes-5"));
                assert!(again.count() >= 1, "round {round}");
            }
            if round >= CHASE_FROM {
                let top = of(&shifted, 0) + of(&shifted, 1);
                assert!((top / lasts(&shifted) - 0.5).abs() < 0.01, "round {round}: {top}");
            }
        }
    }

    #[test]
    fn the_top_has_half_of_a_nights_time_that_goes_from_core_to_core() {
        let machine = machine(24, 2);
        let steps = steps(&machine, &request(24, 30, &Load::ALL, 28_800.0));
        for load in [Load::Solo, Load::GpuWait] {
            let of = |wanted: &dyn Fn(u32) -> bool| -> f64 {
                let own = steps.iter().filter(|step| step.load == load.name() && step.cores.iter().all(|&c| wanted(c)));
                own.map(|step| step.seconds).sum()
            };
            let (top, all) = (of(&|core| core < 2), of(&|_| true));
            assert!((0.45..0.55).contains(&(top / all)), "{load:?}: {top} of {all} s");
        }
    }

    #[test]
    fn the_largest_machines_are_planned_in_no_time_to_speak_of() {
        let machine = machine(512, 2);
        let steps = steps(&machine, &request(512, 30, &Load::ALL, 86_400.0));
        assert!(steps.len() > 5_000);
    }
}
