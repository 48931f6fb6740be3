//! When a lane works and when it waits: a pure sequence from load, seed and role.

use serde::{Deserialize, Serialize};

use super::Load;

/// What a core does in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The step is about it.
    #[default]
    Tested,
    /// It keeps the tested cores company. What it finds is its own all the same.
    Company,
    /// The step is about it, and makes it easy for it to reach its top.
    Chased,
}

/// How a lane waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// In a loop that looks at the clock, straight into the work.
    Spin,
    /// Asleep.
    Sleep,
    /// Asleep for moments, with a look in between, as a driver that polls.
    Chatter,
}

/// Some work and the wait after it, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Time in kernels.
    pub work_us: u32,
    /// Time until the next phase.
    pub wait_us: u32,
    /// How the wait passes.
    pub manner: Manner,
}

/// Shape of a sequence.
#[derive(Clone, Copy)]
enum Shape {
    Wakes,
    Easy,
    Bursts { tempo_us: u32, left_us: u32 },
    Images,
}

/// The phases of one lane, without end.
pub struct Schedule {
    shape: Shape,
    random: u64,
}

/// Work and idle of bursts, and how long one tempo is kept: so long that quick ones have many wake-ups.
const BURST_US: (u32, u32) = (200, 1_000_000);
const TEMPO_KEPT_US: u32 = 300_000;
/// Company wakes for so long, so often.
const WAKE_US: (u32, u32) = (50, 1_000);
const BETWEEN_WAKES_US: (u32, u32) = (500, 20_000);
/// Work of a core that is to reach its top; it idles for so many times as long after each.
const EASY_US: (u32, u32) = (20_000, 60_000);
const EASY_IDLE: u32 = 3;
/// CPU work of an image, and the wait for the GPU before the next one: shorter than real ones, so that there are more.
const IMAGE_US: (u32, u32) = (20_000, 200_000);
const GPU_US: (u32, u32) = (10_000, 400_000);
/// Before the first image: the shortest steps, a quarter of a second, would often be over after a whole wait.
const BEFORE_IMAGES_US: (u32, u32) = (1_000, 50_000);

impl Schedule {
    /// The phases of a lane; `None` where it works without a pause.
    pub fn of(load: Load, role: Role, seed: u64) -> Option<Self> {
        let shape = match (load, role) {
            (_, Role::Company) => Shape::Wakes,
            (_, Role::Chased) => Shape::Easy,
            (Load::Bursts, _) => Shape::Bursts { tempo_us: 0, left_us: 0 },
            (Load::GpuWait, _) => Shape::Images,
            _ => return None,
        };
        Some(Self { shape, random: seed })
    }

    /// How long before the first work: lanes that begin at the same time do not go in step.
    pub fn offset_us(&mut self) -> u32 {
        match self.shape {
            Shape::Wakes | Shape::Easy => self.from(BETWEEN_WAKES_US),
            Shape::Bursts { .. } => self.from((BURST_US.0, TEMPO_KEPT_US / 3)),
            Shape::Images => self.from(BEFORE_IMAGES_US),
        }
    }

    /// SplitMix64.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`, each doubling as likely as any other. In whole numbers: a lane draws its phases between two pieces
    /// of work, and what a float there gets wrong nobody compares.
    fn from(&mut self, (low, high): (u32, u32)) -> u32 {
        let (first, last) = (doublings(low), doublings(high));
        let at = first + (((self.next_random() >> 32) * (last - first + 1)) >> 32);
        let drawn = (((1 << PART_BITS) + (at & PART_MASK)) << (at >> PART_BITS)) >> PART_BITS;
        u32::try_from(drawn).unwrap_or(high).clamp(low, high)
    }
}

/// Parts of a doubling: 65,536.
const PART_BITS: u32 = 16;
const PART_MASK: u64 = (1 << PART_BITS) - 1;

/// How many parts of a doubling a number is above 1, evenly from one power of two to the next.
fn doublings(number: u32) -> u64 {
    let whole = number.max(1).ilog2();
    let rest = (u64::from(number.max(1)) << PART_BITS >> whole) & PART_MASK;
    (u64::from(whole) << PART_BITS) + rest
}

impl Iterator for Schedule {
    type Item = Phase;

    fn next(&mut self) -> Option<Phase> {
        Some(match self.shape {
            Shape::Wakes => {
                Phase { work_us: self.from(WAKE_US), wait_us: self.from(BETWEEN_WAKES_US), manner: Manner::Sleep }
            }
            Shape::Easy => {
                let work_us = self.from(EASY_US);
                Phase { work_us, wait_us: EASY_IDLE * work_us, manner: Manner::Sleep }
            }
            Shape::Bursts { mut tempo_us, mut left_us } => {
                if left_us == 0 {
                    (tempo_us, left_us) = (self.from(BURST_US), TEMPO_KEPT_US);
                }
                let about = (tempo_us / 2).max(BURST_US.0)..=tempo_us.saturating_mul(2).min(BURST_US.1);
                let (work_us, wait_us) =
                    (self.from((*about.start(), *about.end())), self.from((*about.start(), *about.end())));
                self.shape = Shape::Bursts { tempo_us, left_us: left_us.saturating_sub(work_us + wait_us) };
                Phase { work_us, wait_us, manner: Manner::Sleep }
            }
            Shape::Images => {
                let manner = [Manner::Spin, Manner::Sleep, Manner::Chatter][(self.next_random() % 3) as usize];
                Phase { work_us: self.from(IMAGE_US), wait_us: self.from(GPU_US), manner }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phases(load: Load, role: Role, seed: u64) -> Vec<Phase> {
        Schedule::of(load, role, seed).into_iter().flatten().take(20_000).collect()
    }

    fn within(of: impl Iterator<Item = u32> + Clone, low: u32, high: u32) -> bool {
        of.clone().all(|us| (low..=high).contains(&us)) && of.clone().min() < Some(2 * low) && of.max() > Some(high / 2)
    }

    #[test]
    fn phases_are_what_the_load_says() {
        for load in Load::ALL {
            let steady = !matches!(load, Load::Bursts | Load::GpuWait);
            assert_eq!(Schedule::of(load, Role::Tested, 1).is_none(), steady, "{load:?}");
            let wakes = phases(load, Role::Company, 1);
            assert!(within(wakes.iter().map(|p| p.work_us), 50, 1_000), "{load:?}");
            let easy = phases(load, Role::Chased, 1);
            assert!(within(easy.iter().map(|p| p.work_us), 20_000, 60_000), "{load:?}");
            assert!(easy.iter().all(|p| p.wait_us == 3 * p.work_us && p.manner == Manner::Sleep), "{load:?}");
        }
        let bursts = phases(Load::Bursts, Role::Tested, 3);
        assert!(within(bursts.iter().map(|p| p.work_us), 200, 1_000_000));
        assert!(within(bursts.iter().map(|p| p.wait_us), 200, 1_000_000));
        assert!(bursts.iter().all(|phase| phase.manner == Manner::Sleep));
        // Half of the time in work, spread over all tempos rather than spent in the slowest.
        let sum = |of: fn(&Phase) -> u32| bursts.iter().map(|p| u64::from(of(p))).sum::<u64>() as f64;
        let share = sum(|p| p.work_us) / (sum(|p| p.work_us) + sum(|p| p.wait_us));
        assert!((0.45..0.55).contains(&share), "{share}");
        let quick = bursts.iter().filter(|p| p.work_us < 5_000).map(|p| u64::from(p.work_us)).sum::<u64>() as f64;
        assert!(quick > 0.15 * sum(|p| p.work_us), "{quick}");
        let images = phases(Load::GpuWait, Role::Tested, 3);
        for manner in [Manner::Spin, Manner::Sleep, Manner::Chatter] {
            let of = images.iter().filter(|phase| phase.manner == manner).count();
            assert!((6_000..7_500).contains(&of), "{manner:?}: {of}");
        }
    }

    #[test]
    fn phases_follow_from_the_seed() {
        for load in [Load::Bursts, Load::GpuWait] {
            assert_eq!(phases(load, Role::Tested, 5), phases(load, Role::Tested, 5));
            assert_ne!(phases(load, Role::Tested, 5), phases(load, Role::Tested, 6));
        }
        let offset = |seed| Schedule::of(Load::Bursts, Role::Tested, seed).map(|mut schedule| schedule.offset_us());
        assert_ne!(offset(1), offset(2));
        // Even the shortest steps come to work.
        for (load, role) in Load::ALL.into_iter().flat_map(|load| [(load, Role::Tested), (load, Role::Company)]) {
            let offsets = (0..1_000).filter_map(|seed| Schedule::of(load, role, seed)).map(|mut s| s.offset_us());
            assert!(offsets.max().unwrap_or_default() <= 100_000, "{load:?}");
        }
    }
}
