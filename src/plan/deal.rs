//! Which kernels a group of cores gets in a round: dealt out, so that over groups and rounds every kernel has its turn, those
//! that matter most first; later also what found something or was tested least.

use std::cmp::Reverse;

use super::{Tallies, field::Group};

/// What people run on these machines.
const FIRST: [&str; 3] = ["webui-", "gemm-", "resize-"];

/// Kernels, sorted by what matters.
#[derive(Clone)]
pub struct Deck {
    /// Those that matter most.
    first: Vec<String>,
    rest: Vec<String>,
}

impl Deck {
    /// Of these kernels, each in its order.
    pub fn of(kernels: &[String]) -> Self {
        let matters = |name: &&String| FIRST.iter().any(|start| name.starts_with(start));
        let (mut first, rest): (Vec<String>, Vec<String>) = (
            kernels.iter().filter(matters).cloned().collect(),
            kernels.iter().filter(|k| !matters(k)).cloned().collect(),
        );
        first.sort_by_key(|name| FIRST.iter().position(|start| name.starts_with(start)));
        Self { first, rest }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    /// All of them, those that matter most first.
    pub fn all(&self) -> impl Iterator<Item = &String> {
        self.first.iter().chain(&self.rest)
    }

    /// `count` different kernels for the `turn`-th hand.
    pub fn hand(&self, turn: usize, count: usize) -> Vec<String> {
        let count = count.min(self.len());
        // Half of each sort, as far as there are; the odd one of either in turn.
        let (half, odd) = (count / 2, count % 2);
        let from_rest = (half + odd * (turn % 2)).min(self.rest.len());
        let from_first = (count - from_rest).min(self.first.len());
        let from_rest = count - from_first;
        let pick = |from: &[String], dealt: usize, count: usize| -> Vec<String> {
            from.iter().cycle().skip(dealt % from.len().max(1)).take(count).cloned().collect()
        };
        let first = pick(&self.first, turn * half + odd * turn.div_ceil(2), from_first);
        let rest = pick(&self.rest, turn * half + odd * (turn / 2), from_rest);
        let longer = first.len().max(rest.len());
        (0..longer).flat_map(|n| [first.get(n), rest.get(n)]).flatten().cloned().collect()
    }

    /// The same once something is known: every other kernel gives way to one that erred more on these cores, or that was tested
    /// less on them.
    pub fn weighted_hand(&self, turn: usize, count: usize, group: &Group, tallies: &Tallies) -> Vec<String> {
        let mut hand = self.hand(turn, count);
        let need = |kernel: &str| {
            let of = |core: &u32| tallies.of(*core, kernel);
            let sum = group.tested.iter().map(of).fold((0, 0), |(errors, ns), t| (errors + t.errors, ns + t.cpu_ns));
            (Reverse(sum.0), sum.1)
        };
        let mut others: Vec<_> = self.all().filter(|kernel| !hand.contains(kernel)).map(|k| (need(k), k)).collect();
        others.sort();
        let mut others = others.into_iter().peekable();
        for place in hand.iter_mut().skip(1).step_by(2) {
            if let Some((_, kernel)) = others.next_if(|(other, _)| *other < need(place)) {
                place.clone_from(kernel);
            }
        }
        hand
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Tally;

    fn deck() -> Deck {
        let names = ["aes", "gemm-a", "gemm-b", "resize-c", "zstd", "webui-d", "crc", "sqrt", "gather"];
        Deck::of(&names.map(str::to_owned))
    }

    #[test]
    fn what_matters_comes_first_and_everything_comes() {
        assert_eq!(deck().hand(0, 4), ["webui-d", "aes", "gemm-a", "zstd"]);
        for count in 1..=9 {
            let mut seen: Vec<String> = (0..9).flat_map(|turn| deck().hand(turn, count)).collect();
            for turn in 0..20 {
                let mut hand = deck().hand(turn, count);
                hand.sort();
                hand.dedup();
                assert_eq!(hand.len(), count, "no kernel twice in a hand");
            }
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), if count == 1 { 8 } else { 9 }, "{count}: {seen:?}");
        }
        assert_eq!(Deck::of(&["a".into(), "b".into()]).hand(1, 8).len(), 2);
        assert_eq!(Deck::of(&[]).hand(1, 8).len(), 0);
    }

    #[test]
    fn what_erred_and_what_was_tested_least_comes_again() {
        let mut tallies = Tallies::default();
        for kernel in deck().all() {
            let cpu_ns = if kernel == "sqrt" { 1 } else { 100 };
            tallies.add(3, kernel, Tally { errors: u64::from(kernel == "gather"), cpu_ns });
        }
        let group = Group { tested: vec![3], company: vec![] };
        let hand = deck().weighted_hand(0, 4, &group, &tallies);
        assert_eq!(hand, ["webui-d", "gather", "gemm-a", "sqrt"]);
        let other = Group { tested: vec![2], company: vec![] };
        assert_eq!(deck().weighted_hand(0, 4, &other, &tallies).len(), 4);
    }
}
