//! The cores under test as the plan sees them, and which of them work together under each load.

use std::collections::HashMap;

use super::{Expected, Load};
use crate::machine::{Core, Machine};

/// So many keep one core company at most: on the largest machines more of them share nothing with it.
const COMPANY_MAX: usize = 31;

/// Cores under test, sorted and sifted.
pub struct Field {
    /// All of them, highest clock first, then the more favoured.
    pub order: Vec<u32>,
    /// The top multiplier group, or the most favoured where clocks do not part them; all of them where nothing does.
    pub top: Vec<u32>,
    /// The others.
    pub plain: Vec<u32>,
    /// Those with more than one CPU that can be tested.
    pub paired: Vec<u32>,
}

/// Cores that work at the same time in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Those that the step is about.
    pub tested: Vec<u32>,
    /// Those that keep them company.
    pub company: Vec<u32>,
}

impl Group {
    fn of(tested: &[u32]) -> Self {
        Self { tested: tested.to_vec(), company: Vec::new() }
    }
}

impl Field {
    /// Of these cores of a machine; a multiplier that is expected of a core is its top.
    pub fn of(machine: &Machine, cores: &[u32], expect: &[Expected]) -> Self {
        let known: HashMap<u32, &Core> = machine.cores.iter().map(|core| (core.core, core)).collect();
        let told = |core: &u32| known.get(core)?.top_mhz.as_ref().map(|top| machine.multiplier(top.mhz));
        let expected: HashMap<u32, u32> = expect.iter().map(|one| (one.core, one.multiplier)).collect();
        let clock = |core: &u32| u64::from(expected.get(core).copied().or_else(|| told(core)).unwrap_or(0));
        let rank = |core: &u32| known.get(core).and_then(|c| c.favoured_rank).unwrap_or(u32::MAX);
        let mut order = cores.to_vec();
        order.sort_by_key(|core| (std::cmp::Reverse(clock(core)), rank(core), *core));
        let first = |key: &dyn Fn(&u32) -> u64| -> Vec<u32> {
            let best = order.first().map(key);
            order.iter().copied().filter(|core| Some(key(core)) == best).collect()
        };
        let by_clock = first(&|core| clock(core));
        let top = if by_clock.len() < order.len() { by_clock } else { first(&|core| u64::from(rank(core))) };
        let plain = order.iter().copied().filter(|core| !top.contains(core)).collect();
        let paired = |core: &u32| known.get(core).is_some_and(|core| Load::Siblings.is_about(core));
        let paired = order.iter().copied().filter(paired).collect();
        Self { order, top, plain, paired }
    }

    /// Whether the cores under test are not all alike.
    pub fn has_top(&self) -> bool {
        !self.plain.is_empty()
    }

    /// Who works with whom under a load, in the round of that number.
    pub fn groups(&self, load: Load, round: u32) -> Vec<Group> {
        let each = |cores: &[u32]| cores.iter().map(|&core| Group::of(&[core])).collect();
        match load {
            Load::Solo => each(&self.order),
            // Short passes first: where the top is known, its cores are the WebUI's.
            Load::GpuWait => each(if round == 0 { &self.top } else { &self.order }),
            Load::Siblings => each(&self.paired),
            Load::Active2 | Load::Active3 | Load::Active4 | Load::Active8 => {
                self.active(load.active().expect("named after it"))
            }
            Load::Aggressor => (0..self.order.len()).map(|at| self.beside(at)).collect(),
            Load::Bursts | Load::Resonance => {
                let mut groups: Vec<Group> = each(&self.order);
                if self.order.len() > 1 {
                    groups.push(Group::of(&self.order));
                }
                groups
            }
            Load::Hop | Load::Migrated | Load::Unpinned | Load::Together => vec![Group::of(&self.order)],
        }
    }

    /// The others keep the core at that place company: those that follow it.
    fn beside(&self, at: usize) -> Group {
        let others = self.order.iter().cycle().skip(at + 1).take(COMPANY_MAX.min(self.order.len() - 1));
        Group { tested: vec![self.order[at]], company: others.copied().collect() }
    }

    /// Groups of `n`: the top ones together, then each of the others beside a top one.
    fn active(&self, n: usize) -> Vec<Group> {
        let n = n.min(self.order.len());
        let filled = |chunk: &[u32]| {
            let others = self.order.iter().filter(|core| !chunk.contains(core));
            let mut cores: Vec<u32> = chunk.iter().chain(others).copied().take(n).collect();
            cores.sort_unstable();
            Group::of(&cores)
        };
        let together = self.top.chunks(n).map(filled);
        let mixed = self.plain.chunks((n - 1).max(1)).zip(self.top.iter().cycle());
        let mixed = mixed.map(|(chunk, &top)| filled(&[&[top], chunk].concat()));
        let mut groups: Vec<Group> = Vec::new();
        for group in together.chain(mixed) {
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Eight cores, of which 4 and 5 are the top.
    fn field() -> Field {
        let (order, top, plain) = (vec![4, 5, 0, 1, 2, 3, 6, 7], vec![4, 5], vec![0, 1, 2, 3, 6, 7]);
        Field { order, top, plain, paired: vec![4, 5] }
    }

    fn tested(load: Load) -> Vec<Vec<u32>> {
        field().groups(load, 1).into_iter().map(|group| group.tested).collect()
    }

    #[test]
    fn favoured_cores_work_together_and_with_plain_ones() {
        assert_eq!(tested(Load::Active2)[..3], [[4, 5], [0, 4], [1, 5]]);
        assert_eq!(tested(Load::Active3)[..2], [[0, 4, 5], [0, 1, 4]].map(Vec::from));
        assert_eq!(tested(Load::Active8), [[0, 1, 2, 3, 4, 5, 6, 7]]);
        for load in [Load::Active2, Load::Active3, Load::Active4, Load::Active8] {
            let groups = tested(load);
            assert!(groups.iter().all(|group| Some(group.len()) == load.active()), "{groups:?}");
            let mut all = groups.concat();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all, [0, 1, 2, 3, 4, 5, 6, 7], "{load:?}");
        }
    }

    #[test]
    fn every_core_has_its_turn_under_every_load_it_can_have() {
        for load in Load::ALL {
            let mut all = tested(load).concat();
            all.sort_unstable();
            all.dedup();
            let expected = if load == Load::Siblings { vec![4, 5] } else { (0..8).collect() };
            assert_eq!(all, expected, "{load:?}");
        }
        assert_eq!(field().groups(Load::GpuWait, 0).len(), 2, "the top first");
        let aggressor = &field().groups(Load::Aggressor, 0)[0];
        assert_eq!((&aggressor.tested[..], aggressor.company.len()), (&[4][..], 7));
    }

    #[test]
    fn what_cannot_be_had_is_told() {
        let one = Field { order: vec![0], top: vec![0], plain: vec![], paired: vec![] };
        let possible = |field: &Field| Load::ALL.into_iter().filter(|load| load.lacks(field).is_none()).count();
        assert_eq!(possible(&one), 5);
        assert_eq!(possible(&field()), Load::ALL.len());
        assert!(Load::Active2.lacks(&one).is_some_and(|why| why.contains("takes 2 cores, and 1")));
    }
}
