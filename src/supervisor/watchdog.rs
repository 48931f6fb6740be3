//! Tells a lane that hangs from one that is starved, stopped or asleep past its own deadline.

use crate::platform::{ThreadState, ThreadUsage};

const S: u64 = 1_000_000_000;
/// CPU time without a sign of life that is called a hang, at least.
const HUNG_CPU_NS: u64 = 5 * S;
/// ... and as a multiple of the longest call seen.
const HUNG_LONGEST: u64 = 20;
/// Sleep without a sign of life, or past its own deadline, that is called a stall.
const STALLED_NS: u64 = 10 * S;
/// A gap between two looks after which the machine must have slept, or we were starved ourselves.
pub const GAP_NS: u64 = 2 * S;

/// What a look shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Working, starved, stopped or asleep for a while: no fault.
    Fine,
    /// CPU time passes without progress.
    Hung,
    /// It sleeps although there is work to do.
    Stalled,
}

/// One look at a lane.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// When, monotonic ns.
    pub now_ns: u64,
    /// Its count of signs of life.
    pub progress: u64,
    /// The lane's thread.
    pub usage: Option<ThreadUsage>,
    /// The worker's main thread, which must hand it its work.
    pub main: Option<ThreadUsage>,
    /// When it means to wake.
    pub wake_at_ns: Option<u64>,
}

/// What is remembered of one lane.
#[derive(Clone, Copy, Debug, Default)]
pub struct LaneWatch {
    seen: bool,
    progress: u64,
    cpu_ns: u64,
    looked_at: u64,
    asleep_since: Option<u64>,
    longest_ns: u64,
}

impl LaneWatch {
    /// Forgets the window, not the longest call.
    pub fn reset(&mut self) {
        *self = Self { longest_ns: self.longest_ns, ..Self::default() };
    }

    /// Takes a look.
    pub fn look(&mut self, look: Look) -> Sight {
        let Some(usage) = look.usage else { return Sight::Fine };
        if self.seen && look.now_ns.saturating_sub(self.looked_at) > GAP_NS {
            self.reset();
        }
        self.looked_at = look.now_ns;
        if !self.seen || self.progress != look.progress {
            if self.seen {
                self.longest_ns = self.longest_ns.max(usage.cpu_ns.saturating_sub(self.cpu_ns));
            }
            (self.seen, self.progress, self.cpu_ns, self.asleep_since) = (true, look.progress, usage.cpu_ns, None);
            return Sight::Fine;
        }
        if usage.cpu_ns.saturating_sub(self.cpu_ns) >= HUNG_CPU_NS.max(HUNG_LONGEST * self.longest_ns) {
            return Sight::Hung;
        }
        let main_asleep = look.main.is_some_and(|main| matches!(main.state, ThreadState::Sleeping));
        if !matches!(usage.state, ThreadState::Sleeping) || !main_asleep {
            self.asleep_since = None;
            return Sight::Fine;
        }
        let since = *self.asleep_since.get_or_insert(look.now_ns);
        let due = look.wake_at_ns.map_or(since, |at| at.max(since));
        if look.now_ns.saturating_sub(due) >= STALLED_NS { Sight::Stalled } else { Sight::Fine }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(seconds: u64, each: impl Fn(u64) -> Look) -> Option<(u64, Sight)> {
        let mut watch = LaneWatch::default();
        (0..seconds * 4).find_map(|quarter| {
            let sight = watch.look(each(quarter));
            (sight != Sight::Fine).then_some((quarter / 4, sight))
        })
    }

    fn look(quarter: u64, progress: u64, state: ThreadState, cpu_ns: u64) -> Look {
        let usage = Some(ThreadUsage { state, cpu_ns });
        let main = Some(ThreadUsage { state: ThreadState::Sleeping, cpu_ns: 0 });
        Look { now_ns: quarter * S / 4, progress, usage, main, wake_at_ns: None }
    }

    #[test]
    fn a_hang_is_told_by_cpu_time_and_a_stall_by_sleep() {
        let hung = watch(60, |q| look(q, 7, ThreadState::Running, q * S / 4));
        assert_eq!(hung, Some((5, Sight::Hung)));
        let stalled = watch(60, |q| look(q, 7, ThreadState::Sleeping, 0));
        assert_eq!(stalled.map(|(_, sight)| sight), Some(Sight::Stalled));
        // Half starved: twice the time on the wall, the same CPU time.
        let slow = watch(60, |q| look(q, 7, ThreadState::Running, q * S / 8));
        assert_eq!(slow, Some((10, Sight::Hung)));
    }

    #[test]
    fn the_starved_the_stopped_and_the_working_are_left_alone() {
        assert_eq!(watch(600, |q| look(q, 7, ThreadState::Running, 0)), None);
        assert_eq!(watch(600, |q| look(q, 7, ThreadState::Stopped, 0)), None);
        assert_eq!(watch(600, |q| look(q, q, ThreadState::Running, q * S / 4)), None);
        let intended = watch(600, |q| Look { wake_at_ns: Some(1000 * S), ..look(q, 7, ThreadState::Sleeping, 0) });
        assert_eq!(intended, None);
        let main_starved = watch(600, |q| Look {
            main: Some(ThreadUsage { state: ThreadState::Running, cpu_ns: 0 }),
            ..look(q, 7, ThreadState::Sleeping, 0)
        });
        assert_eq!(main_starved, None);
    }

    #[test]
    fn a_lane_known_for_long_calls_gets_longer() {
        // Calls of a second each, then one that takes fifteen: still fine; one that takes thirty: not.
        let progress = |q: u64| (q / 4).min(10);
        assert_eq!(watch(25, |q| look(q, progress(q), ThreadState::Running, q * S / 4)), None);
        let hung = watch(60, |q| look(q, progress(q), ThreadState::Running, q * S / 4));
        assert_eq!(hung.map(|(_, sight)| sight), Some(Sight::Hung));
    }

    #[test]
    fn a_gap_between_looks_is_our_own_absence() {
        // Asleep with the whole machine: CPU time jumps by what was done before, looks are minutes apart.
        assert_eq!(watch(600, |q| look(q * 1000, 7, ThreadState::Sleeping, 0)), None);
    }
}
