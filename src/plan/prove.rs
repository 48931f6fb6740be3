//! What it takes to prove a core at a multiplier: so much checked time of scalar work and of vector work.

use std::collections::BTreeSet;

use super::Request;
use crate::machine::Machine;

/// Time of each kind of work that a core to be proven has alone in the first round: two seconds of it checked at its
/// multiplier are wanted, and not every block is of its kernel's best variant, or at a clock that could be measured.
pub const PROVE_KIND_S: f64 = 3.0;

/// How many kernels, half of each kind.
pub const PROVE_STEPS: usize = 8;

/// A lighter work boosts higher than a heavy one, so neither stands for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// What every CPU has.
    Scalar,
    /// AVX2 and wider.
    Vector,
}

impl Work {
    /// What an instruction set's work proves, if anything.
    pub fn of(isa: &str) -> Option<Self> {
        match isa {
            "scalar" | "x86-64" => Some(Self::Scalar),
            _ if isa.starts_with("avx") => Some(Self::Vector),
            _ => None,
        }
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "AVX2",
        }
    }

    /// What a kernel's best variant is.
    fn of_kernel(name: &str) -> Option<Self> {
        let kernel = oddcore_kernels::find(name)?;
        let kinds: Vec<Option<Self>> = kernel.variants().iter().map(|variant| Self::of(variant.isa.name())).collect();
        if kinds.contains(&Some(Self::Vector)) {
            Some(Self::Vector)
        } else {
            kinds.iter().all(|kind| *kind == Some(Self::Scalar)).then_some(Self::Scalar)
        }
    }
}

/// Whether a kernel is scalar work in every variant.
#[cfg(test)]
pub fn is_scalar(name: &str) -> bool {
    Work::of_kernel(name) == Some(Work::Scalar)
}

/// The cores of which a multiplier is asked for, or known for sure.
pub fn to_prove(request: &Request, machine: &Machine) -> BTreeSet<u32> {
    let known = machine.cores.iter().filter(|core| core.top_mhz.is_some_and(|top| top.known)).map(|core| core.core);
    let asked = request.expect.iter().map(|expected| expected.core);
    asked.chain(known).filter(|core| request.cores.contains(core)).collect()
}

/// A hand of `count` kernels, half of it scalar and half of it vector work as far as there is any; `others` gives as many more
/// of all kernels as are asked for. The `turn`-th begins elsewhere than the one before.
pub fn hand<'a>(
    kernels: impl Iterator<Item = &'a String>,
    turn: usize,
    count: usize,
    others: impl Fn(usize) -> Vec<String>,
) -> Vec<String> {
    let kernels: Vec<&String> = kernels.collect();
    let of = |kind: Work| -> Vec<&String> {
        kernels.iter().copied().filter(|name| Work::of_kernel(name) == Some(kind)).collect()
    };
    let (scalar, vector) = (of(Work::Scalar), of(Work::Vector));
    if scalar.is_empty() || vector.is_empty() {
        return others(count);
    }
    let each = (count / 2).max(1);
    let pick = |from: &[&String]| -> Vec<String> {
        from.iter().cycle().skip(turn * each % from.len()).take(each).map(|name| (*name).clone()).collect()
    };
    pick(&scalar).into_iter().zip(pick(&vector)).flat_map(|(scalar, vector)| [scalar, vector]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_hand_is_scalar_work() {
        let kernels: Vec<String> = oddcore_kernels::all().iter().map(|kernel| kernel.name().to_owned()).collect();
        for turn in 0..9 {
            let hand = hand(kernels.iter(), turn, 8, |_| unreachable!("there are both"));
            let kinds: Vec<_> = hand.iter().map(|name| Work::of_kernel(name)).collect();
            assert_eq!(kinds, [Some(Work::Scalar), Some(Work::Vector)].repeat(4), "{hand:?}");
        }
        let only = ["gemm-f32".to_owned()];
        assert_eq!(hand(only.iter(), 1, 3, |count| vec!["any".into(); count]).len(), 3);
    }
}
