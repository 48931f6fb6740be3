//! Chasing the top: what is tried with a core that, alone, stays below the multiplier expected of it. A core boosts highest while
//! it is cool and its work light, so each try makes it easier: cooled before, in short bursts, then AVX2, SSE and scalar work
//! only. Evidence counts where it was made all the same. Half of the solo steps stay as planned, so that plain work goes on.

use serde::{Deserialize, Serialize};

/// A core is at its top in a step if so large a part of the step's work with a measured clock was: one in so many.
const REACHED_PART: u64 = 4;
/// Tries that may fail before the core is left in peace: five times all rungs.
const TRIES: u32 = 25;
/// The longest pause, in seconds; half of the step where that is shorter.
const PAUSE_S_MAX: f64 = 10.0;

/// The widest work that is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ceiling {
    /// What every x86-64 CPU has, without vectors.
    Scalar,
    /// Vectors of 128 bits.
    Sse,
    /// Vectors of 256 bits.
    Avx2,
}

impl Ceiling {
    /// Whether a variant of that instruction set, by name, stays below it.
    pub fn allows(self, isa: &str) -> bool {
        let needs = match isa {
            "scalar" | "x86-64" => Some(Self::Scalar),
            _ if isa.starts_with("avx512") => None,
            _ if isa.starts_with("avx") || isa == "vaes" => Some(Self::Avx2),
            _ => Some(Self::Sse),
        };
        needs.is_some_and(|needs| needs <= self)
    }
}

/// How a step makes it easier for its core.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Try {
    /// Idle before the work, in seconds of the step.
    pub pause_s: f64,
    /// Work in short bursts, idle for three times as long after each.
    pub bursts: bool,
    /// The widest work, where it is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Ceiling>,
}

/// What a core has done in all, CPU time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sofar {
    /// Scalar work at the multiplier expected.
    pub scalar_ns: u64,
    /// AVX2 work and wider at it.
    pub vector_ns: u64,
    /// All work at it or above.
    pub top_ns: u64,
    /// All work at a measured clock.
    pub measured_ns: u64,
}

/// How far a chase has come: what a resumed run goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChaseState {
    /// The rung of the ladder: 0 is work as planned.
    pub rung: usize,
    /// Tries that may still fail.
    pub tries_left: u32,
    /// How many steps there were.
    pub steps: u32,
    /// The last step as planned was at the top.
    pub plain_reaches: bool,
}

impl Default for ChaseState {
    fn default() -> Self {
        Self { rung: 0, tries_left: TRIES, steps: 0, plain_reaches: false }
    }
}

/// The chase of one core.
#[derive(Clone, Debug)]
pub struct Chase {
    rungs: Vec<Try>,
    /// What each kind of work must have at the top.
    wanted_ns: u64,
    state: ChaseState,
    /// The step in hand: what had been done before, and whether it is a try.
    step: Option<(Sofar, bool)>,
}

impl Chase {
    /// Of a core whose work of each kind takes `wanted_ns` at its top, from that state on; `has_avx512` if there is
    /// anything wider than AVX2.
    pub fn from(state: ChaseState, wanted_ns: u64, has_avx512: bool) -> Self {
        let rung = |bursts, ceiling| Try { pause_s: PAUSE_S_MAX, bursts, ceiling };
        let mut rungs = vec![rung(false, None), rung(true, None)];
        rungs.extend(has_avx512.then(|| rung(true, Some(Ceiling::Avx2))));
        rungs.extend([rung(true, Some(Ceiling::Sse)), rung(true, Some(Ceiling::Scalar))]);
        // A journal may come from a machine with a longer ladder.
        let state = ChaseState { rung: state.rung.min(rungs.len()), ..state };
        Self { rungs, wanted_ns, state, step: None }
    }

    /// A solo step of this core of so many seconds begins, after so much work: how it is to be tried, `None` for as planned.
    pub fn begins(&mut self, seconds: f64, sofar: Sofar) -> Option<Try> {
        let proven = [sofar.scalar_ns, sofar.vector_ns].map(|ns| ns >= self.wanted_ns);
        // Not every other: kernels that matter most are every other step's.
        let turn = matches!(self.state.steps % 4, 1 | 2) && self.state.tries_left > 0;
        let next = match proven {
            [true, true] => None,
            _ if !turn => None,
            [false, true] if self.state.rung == 0 => {
                Some(Try { pause_s: 0.0, bursts: false, ceiling: Some(Ceiling::Scalar) })
            }
            // What reaches it as planned is not made easier.
            _ if self.state.rung == 0 => None,
            [scalar, _] => {
                let mut rung = self.rungs[self.state.rung - 1];
                if !scalar && proven[1] {
                    rung.ceiling = Some(Ceiling::Scalar);
                }
                Some(Try { pause_s: rung.pause_s.min(seconds / 2.0), ..rung })
            }
        };
        self.state.steps = self.state.steps.wrapping_add(1);
        self.step = Some((sofar, next.is_some()));
        next
    }

    /// The step that began last has ended, after so much work.
    pub fn ended(&mut self, sofar: Sofar) {
        let Some((before, was_try)) = self.step.take() else { return };
        let measured_ns = sofar.measured_ns.saturating_sub(before.measured_ns);
        if measured_ns == 0 {
            // At an unmeasured clock nobody knows what was reached.
            return;
        }
        let reached = sofar.top_ns.saturating_sub(before.top_ns) >= measured_ns / REACHED_PART;
        if !was_try {
            self.state.plain_reaches = reached;
            self.state.rung = if reached { 0 } else { self.state.rung.max(1) };
        } else if !reached {
            self.state.tries_left = self.state.tries_left.saturating_sub(1);
            self.state.rung = self.state.rung % self.rungs.len() + 1;
        } else if sofar.scalar_ns >= self.wanted_ns && self.is_scalar() {
            // Vector work is still to be proven: from the beginning.
            self.state.tries_left = self.state.tries_left.saturating_sub(1);
            self.state.rung = 1;
        }
        if self.state.plain_reaches {
            self.state.rung = 0;
        }
    }

    /// How far it has come.
    pub fn state(&self) -> ChaseState {
        self.state
    }

    /// Whether all tries have failed.
    pub fn is_given_up(&self) -> bool {
        self.state.tries_left == 0
    }

    fn is_scalar(&self) -> bool {
        self.state.rung > 0 && self.rungs[self.state.rung - 1].ceiling.is_some_and(|ceiling| ceiling < Ceiling::Avx2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    /// A core whose clock reaches its top if a step is as light as that; it notes what is tried.
    fn chased(
        reaches: impl Fn(Option<Try>) -> bool,
        has_avx512: bool,
        steps: usize,
    ) -> (Vec<Option<Try>>, Sofar, Chase) {
        let (mut chase, mut sofar, mut tried) =
            (Chase::from(ChaseState::default(), 60 * S, has_avx512), Sofar::default(), Vec::new());
        for _ in 0..steps {
            let next = chase.begins(30.0, sofar);
            let seconds = if next.is_some_and(|next| next.bursts) { 5 } else { 30 };
            sofar.measured_ns += seconds * S;
            if reaches(next) {
                sofar.top_ns += seconds * S;
                let scalar = next.and_then(|next| next.ceiling) == Some(Ceiling::Scalar);
                let (scalar, vector) = if scalar { (seconds, 0) } else { (1, seconds - 1) };
                sofar.scalar_ns += scalar * S;
                sofar.vector_ns += vector * S;
            }
            chase.ended(sofar);
            tried.push(next);
        }
        (tried, sofar, chase)
    }

    #[test]
    fn what_reaches_its_top_is_left_alone_but_for_scalar_work() {
        let (tried, sofar, chase) = chased(|_| true, true, 12);
        let tries: Vec<Try> = tried.into_iter().flatten().collect();
        let scalar = Try { pause_s: 0.0, bursts: false, ceiling: Some(Ceiling::Scalar) };
        assert!(!tries.is_empty() && tries.iter().all(|next| *next == scalar), "{tries:?}");
        assert!(sofar.scalar_ns >= 60 * S && sofar.vector_ns >= 60 * S && !chase.is_given_up());
    }

    #[test]
    fn each_try_is_lighter_than_the_last_and_half_of_the_steps_are_as_planned() {
        let (tried, _, _) = chased(|_| false, true, 12);
        let is_try = [false, true, true, false].repeat(3);
        assert_eq!(tried.iter().map(Option::is_some).collect::<Vec<_>>(), is_try);
        let tries: Vec<Try> = tried.into_iter().flatten().collect();
        let rung = |bursts, ceiling| Try { pause_s: 10.0, bursts, ceiling };
        let (avx2, sse, scalar) = (Some(Ceiling::Avx2), Some(Ceiling::Sse), Some(Ceiling::Scalar));
        let ladder = [rung(false, None), rung(true, None), rung(true, avx2), rung(true, sse), rung(true, scalar)];
        assert_eq!(tries[..5], ladder);
        assert_eq!(tries[5], ladder[0], "and again, when it may be cooler");
        let (tried, _, _) = chased(|_| false, false, 12);
        assert!(tried.iter().flatten().all(|next| next.ceiling != avx2), "nothing is wider than AVX2 here");
    }

    #[test]
    fn what_helps_is_kept_up_until_both_kinds_of_work_are_proven() {
        let (tried, sofar, chase) = chased(|next| next.is_some_and(|next| next.bursts), true, 100);
        assert!(sofar.scalar_ns >= 60 * S && sofar.vector_ns >= 60 * S && !chase.is_given_up(), "{sofar:?}");
        assert_eq!(tried.last(), Some(&None), "proven");
        // One that only scalar work brings there proves that, and the rest is given up.
        let only_scalar = |next: Option<Try>| next.and_then(|next| next.ceiling) == Some(Ceiling::Scalar);
        let (tried, sofar, chase) = chased(only_scalar, true, 400);
        assert!(sofar.scalar_ns >= 60 * S && sofar.vector_ns == 0 && chase.is_given_up());
        assert_eq!(tried.last(), Some(&None));
    }

    #[test]
    fn a_chase_goes_on_from_its_state() {
        let (mut whole, mut sofar) = (Chase::from(ChaseState::default(), 60 * S, true), Sofar::default());
        for _ in 0..60 {
            let text = serde_json::to_string(&whole.state()).expect("JSON");
            let mut resumed = Chase::from(serde_json::from_str(&text).expect("a state"), 60 * S, true);
            assert_eq!(resumed.begins(30.0, sofar), whole.begins(30.0, sofar));
            sofar.measured_ns += 30 * S;
            whole.ended(sofar);
        }
        assert!(whole.is_given_up());
        // One rung is missing where nothing is wider than AVX2.
        let last = ChaseState { rung: 5, steps: 1, ..ChaseState::default() };
        assert!(Chase::from(last, 60 * S, false).begins(30.0, Sofar::default()).is_some());
    }

    #[test]
    fn an_unmeasured_clock_moves_nothing_and_pauses_are_half_a_step_at_most() {
        let mut chase = Chase::from(ChaseState::default(), 2 * S, true);
        for _ in 0..12 {
            assert_eq!(chase.begins(0.3, Sofar::default()), None);
            chase.ended(Sofar::default());
        }
        chase.begins(0.3, Sofar::default());
        chase.ended(Sofar { measured_ns: S, ..Sofar::default() });
        let next = chase.begins(0.3, Sofar { measured_ns: S, ..Sofar::default() });
        assert_eq!(next, Some(Try { pause_s: 0.15, bursts: false, ceiling: None }));
    }

    #[test]
    fn a_ceiling_is_one_for_every_variant_there_is() {
        for isa in oddcore_kernels::Isa::ALL {
            let allowed = [Ceiling::Scalar, Ceiling::Sse, Ceiling::Avx2].map(|ceiling| ceiling.allows(isa.name()));
            let expected = match isa.name() {
                "scalar" | "x86-64" => [true, true, true],
                "sse4.1" | "sse4.2" | "aes-ni" | "sha-ni" => [false, true, true],
                name if name.starts_with("avx512") => [false, false, false],
                _ => [false, false, true],
            };
            assert_eq!(allowed, expected, "{}", isa.name());
        }
    }
}
