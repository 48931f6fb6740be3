//! Tuning: each core's highest clock that passes, by bisection over its multipliers. A pure function from what was tried to what
//! is to be tried next.

use serde::{Deserialize, Serialize};

/// The confirmation of the clock that is going to be told lasts so many times a search's probe.
const CONFIRMATION: f64 = 3.0;
/// A clock is given up as undecided after so many probes that decided nothing.
const UNDECIDED_MAX: usize = 2;

/// What is asked of a tuning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// How much checked work at its clock a probe of the search does, in seconds.
    pub seconds: f64,
    /// Where each core's clock is searched.
    pub ladders: Vec<Ladder>,
    /// The folder that stands for the root of the machine, where it is not the real one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Whether it is only about cores that erred in a plan's rounds: each is tried one step lower after them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_finding: bool,
}

impl Tuning {
    /// About how long it takes, in seconds: a bisection of each core's ladder, and a confirmation.
    pub fn about_s(&self) -> f64 {
        let probes = |ladder: &Ladder| f64::from(2 + (ladder.top - ladder.lowest + 1).ilog2());
        self.ladders.iter().map(|ladder| (probes(ladder) + CONFIRMATION) * self.seconds).sum()
    }

    /// How much checked work such a probe does, in seconds.
    pub fn seconds_of(&self, probe: Probe) -> f64 {
        if probe.confirms { self.seconds * CONFIRMATION } else { self.seconds }
    }
}

/// The multipliers of one core, one step apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ladder {
    /// The core.
    pub core: u32,
    /// The lowest that is tried.
    pub lowest: u32,
    /// Its top.
    pub top: u32,
    /// The clock of the top, MHz, which may lie between two multipliers.
    pub top_mhz: f64,
}

impl Ladder {
    /// The cap that stands for a multiplier, MHz.
    pub fn cap_mhz(&self, multiplier: u32, bclk_mhz: f64) -> f64 {
        if multiplier >= self.top { self.top_mhz } else { f64::from(multiplier) * bclk_mhz }
    }
}

/// What a probe came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// All of its work was right, at its clock.
    Pass,
    /// The core erred.
    Fail,
    /// The core was not within half a step of that clock.
    NotReached,
    /// Too little work at that clock, or something went wrong and it may not have been this core.
    Undecided,
}

/// A probe: some work of one core, capped at a multiplier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The cap.
    pub multiplier: u32,
    /// Whether it confirms what the search found, at length.
    pub confirms: bool,
}

/// What is known of a core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The highest multiplier that passed, below all that did not; whether that was confirmed.
    pub passes: Option<(u32, bool)>,
    /// The lowest that failed.
    pub fails: Option<u32>,
    /// The lowest above all passes that was not reached.
    pub not_reached: Option<u32>,
    /// The lowest above all passes that stayed undecided.
    pub undecided: Option<u32>,
}

impl Known {
    /// From all probes so far, in order. A failure counts against every clock above it, and against a pass at its own.
    pub fn of(tried: &[(Probe, Told)]) -> Self {
        let all = |wanted: Told| {
            tried.iter().filter(move |(_, told)| *told == wanted).map(|(probe, _)| (probe.multiplier, probe.confirms))
        };
        let fails = all(Told::Fail).map(|(multiplier, _)| multiplier).min();
        // Of the same multiplier a confirmed one is the greater.
        let passes = all(Told::Pass).filter(|(multiplier, _)| fails.is_none_or(|fails| *multiplier < fails)).max();
        let above = |multiplier: &u32| passes.is_none_or(|(highest, _)| *multiplier > highest);
        let count = |multiplier: &u32, told: Told| all(told).filter(|(m, _)| m == multiplier).count();
        let often = |multiplier: &u32| count(multiplier, Told::Undecided) >= UNDECIDED_MAX;
        // It was at that clock once, and may be again.
        let in_vain = |m: &u32| count(m, Told::Undecided) + count(m, Told::NotReached) >= UNDECIDED_MAX;
        let undecided_again = passes
            .filter(|(multiplier, confirmed)| !confirmed && in_vain(multiplier))
            .map(|(multiplier, _)| multiplier);
        Self {
            passes,
            fails,
            not_reached: all(Told::NotReached).map(|(multiplier, _)| multiplier).filter(above).min(),
            undecided: undecided_again
                .or_else(|| all(Told::Undecided).map(|(m, _)| m).filter(above).filter(often).min()),
        }
    }

    /// The probe that comes next; `None` if all is known that can be.
    pub fn next(&self, ladder: &Ladder) -> Option<Probe> {
        let barrier = [self.fails, self.not_reached, self.undecided].into_iter().flatten().min();
        if let (Some((passes, confirmed)), Some(barrier)) = (self.passes, barrier)
            && barrier <= passes
        {
            // It passed once, and its confirmation cannot be had.
            debug_assert!(!confirmed);
            return None;
        }
        let highest = barrier.map_or(ladder.top, |barrier| barrier.saturating_sub(1).min(ladder.top));
        if highest < ladder.lowest {
            return None;
        }
        match self.passes {
            Some((passes, true)) if passes >= highest => None,
            Some((passes, false)) if passes >= highest => Some(Probe { multiplier: passes, confirms: true }),
            _ if barrier.is_none() => Some(Probe { multiplier: ladder.top, confirms: false }),
            passes => {
                let above = passes.map_or(ladder.lowest, |(passes, _)| (passes + 1).max(ladder.lowest));
                Some(Probe { multiplier: above + (highest - above).div_ceil(2), confirms: false })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LADDER: Ladder = Ladder { core: 4, lowest: 32, top: 60, top_mhz: 6000.0 };

    /// Probes until nothing is left to be tried.
    fn search(core: impl Fn(Probe) -> Told) -> (Known, Vec<(Probe, Told)>) {
        let mut tried = Vec::new();
        while let Some(probe) = Known::of(&tried).next(&LADDER) {
            assert!((LADDER.lowest..=LADDER.top).contains(&probe.multiplier));
            tried.push((probe, core(probe)));
            assert!(tried.len() < 30, "{tried:?}");
        }
        (Known::of(&tried), tried)
    }

    #[test]
    fn every_threshold_is_found_and_confirmed_in_few_probes() {
        for fails_from in 33..=61 {
            let (known, tried) = search(|probe| if probe.multiplier < fails_from { Told::Pass } else { Told::Fail });
            assert_eq!(known.passes, Some((fails_from - 1, true)), "{fails_from}");
            assert_eq!(known.fails, (fails_from <= 60).then_some(fails_from));
            assert!(tried.len() <= 7, "{fails_from}: {tried:?}");
            assert_eq!(tried[0].0, Probe { multiplier: 60, confirms: false }, "the top first");
            assert!(tried.last().expect("some").0.confirms);
        }
        let (known, _) = search(|_| Told::Fail);
        assert_eq!((known.passes, known.fails), (None, Some(32)));
    }

    #[test]
    fn a_confirmation_that_fails_sends_the_search_lower() {
        // 58x errs only in the long run, 59x at once.
        let (known, tried) = search(|probe| match probe {
            Probe { multiplier: 59.., .. } | Probe { multiplier: 58, confirms: true } => Told::Fail,
            _ => Told::Pass,
        });
        assert_eq!((known.passes, known.fails), (Some((57, true)), Some(58)));
        assert!(tried.contains(&(Probe { multiplier: 58, confirms: true }, Told::Fail)));
    }

    #[test]
    fn what_is_not_reached_is_never_a_pass() {
        let (known, _) = search(|probe| if probe.multiplier > 55 { Told::NotReached } else { Told::Pass });
        assert_eq!((known.passes, known.fails, known.not_reached), (Some((55, true)), None, Some(56)));
        let (known, tried) = search(|_| Told::NotReached);
        assert_eq!((known.passes, known.not_reached), (None, Some(32)));
        assert!(tried.len() <= 6, "{tried:?}");
        // The top was in reach once, and for the confirmation no more.
        for vain in [Told::Undecided, Told::NotReached] {
            let (known, tried) = search(|probe| if probe.confirms { vain } else { Told::Pass });
            assert_eq!((known.passes, known.undecided, tried.len()), (Some((60, false)), Some(60), 3));
        }
    }

    #[test]
    fn an_undecided_clock_is_tried_again_and_then_left() {
        let (known, tried) = search(|probe| if probe.multiplier > 58 { Told::Undecided } else { Told::Pass });
        assert_eq!((known.passes, known.undecided), (Some((58, true)), Some(59)));
        assert_eq!(tried.iter().filter(|(probe, _)| probe.multiplier == 60).count(), 2);
    }

    #[test]
    fn a_top_between_two_multipliers_is_its_own_cap() {
        let ladder = Ladder { top: 57, top_mhz: 5730.0, ..LADDER };
        assert_eq!((ladder.cap_mhz(57, 100.0), ladder.cap_mhz(56, 100.0)), (5730.0, 5600.0));
    }
}
