//! A lane's books: where its CPU time went, what was checked at which clock, and what is still to be told.

use std::collections::{BTreeMap, HashMap};

use super::protocol::Progress;
use crate::{
    journal::record::{Evidence, EvidenceKey, Inside, Waits},
    machine::clock,
    platform,
    verdict::Class,
};

/// Findings of one kernel and class that are kept whole; more are counted.
pub const KEPT_WHOLE: u64 = 16;

/// Clocks of one block, read at the edges of calls from the thread's CPU clock. Another, the thread's whole CPU
/// time, is read by [`Account`]; none is derived from another.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// Inside kernels: making and packing of data included.
    pub kernel_ns: u64,
    /// Inside comparison and digests.
    pub check_ns: u64,
    /// Spent waiting, as a spin does.
    pub wait_ns: u64,
    /// Inside readings of the core's clock.
    pub clock_ns: u64,
}

impl Times {
    /// Runs `work` as kernel time.
    pub fn kernel<T>(&mut self, work: impl FnOnce() -> T) -> T {
        timed(&mut self.kernel_ns, work)
    }

    /// Runs `work` as checking time.
    pub fn check<T>(&mut self, work: impl FnOnce() -> T) -> T {
        timed(&mut self.check_ns, work)
    }

    /// Runs `work` as time spent reading the core's clock.
    pub fn clock<T>(&mut self, work: impl FnOnce() -> T) -> T {
        timed(&mut self.clock_ns, work)
    }
}

fn timed<T>(sum: &mut u64, work: impl FnOnce() -> T) -> T {
    let start = platform::thread_cpu_ns();
    let value = work();
    *sum += platform::thread_cpu_ns().saturating_sub(start);
    value
}

/// What a lane has done and not yet told.
pub struct Account {
    parts: BTreeMap<EvidenceKey, Evidence>,
    clocks: BTreeMap<u32, u64>,
    kept: HashMap<(String, Class), u64>,
    counted: BTreeMap<(String, Class), u64>,
    waits: BTreeMap<String, Waits>,
    inside: BTreeMap<String, Inside>,
    clock_ns: u64,
    cpu_mark: u64,
    told_at: u64,
}

impl Account {
    /// Nothing yet.
    pub fn new() -> Self {
        let (parts, clocks, kept, counted, waits, inside) = Default::default();
        Self { parts, clocks, kept, counted, waits, inside, clock_ns: 0, cpu_mark: 0, told_at: 0 }
    }

    /// Work begins: what passed before counts for nothing. Returns the core's clock by then.
    pub fn open(&mut self) -> Option<f64> {
        self.cpu_mark = platform::thread_cpu_ns();
        timed(&mut self.clock_ns, clock::measure)
    }

    /// Whether one more finding of this kind is to be kept whole.
    pub fn keep(&mut self, kernel: &str, class: Class) -> bool {
        let kept = self.kept.entry((kernel.to_owned(), class)).or_default();
        *kept += 1;
        if *kept > KEPT_WHOLE {
            *self.counted.entry((kernel.to_owned(), class)).or_default() += 1;
        }
        *kept <= KEPT_WHOLE
    }

    /// How waits under a load went.
    pub fn waited(&mut self, load: &str, waits: &Waits) {
        if waits.count > 0 {
            self.waits.entry(load.to_owned()).or_default().add(waits);
        }
    }

    /// How the clock inside a block of work of that instruction set compared with the one at its edges.
    pub fn looked_inside(&mut self, isa: &str, inside: Option<Inside>) {
        if let Some(inside) = inside {
            self.inside.entry(isa.to_owned()).or_default().add(inside);
        }
    }

    /// Books a block: what was done since the last one ended, with all CPU time since but what its waits took, and
    /// readings of the clock.
    pub fn book(
        &mut self,
        key: EvidenceKey,
        mut done: Evidence,
        times: Times,
        clocks_mhz: impl IntoIterator<Item = f64>,
    ) {
        let cpu = platform::thread_cpu_ns();
        done.cpu_ns = cpu.saturating_sub(self.cpu_mark).saturating_sub(times.wait_ns);
        self.cpu_mark = cpu;
        done.kernel_ns = times.kernel_ns;
        done.check_ns = times.check_ns;
        self.clock_ns += times.clock_ns;
        self.add(key, &done, clocks_mhz);
    }

    /// Books a piece of work whose CPU time is known.
    pub fn add(&mut self, key: EvidenceKey, done: &Evidence, clocks_mhz: impl IntoIterator<Item = f64>) {
        self.parts.entry(key).or_default().add(done);
        for mhz in clocks_mhz {
            *self.clocks.entry(mhz.round() as u32).or_default() += 1;
        }
    }

    /// What is to be told, once `every_ns` have passed since the last time.
    pub fn take(&mut self, step: u32, every_ns: u64) -> Option<Progress> {
        let now = platform::monotonic_ns();
        let nothing = self.parts.is_empty() && self.counted.is_empty();
        if nothing || now.saturating_sub(self.told_at) < every_ns {
            return None;
        }
        self.told_at = now;
        Some(Progress {
            step,
            cpu: None,
            parts: std::mem::take(&mut self.parts).into_iter().collect(),
            clocks: std::mem::take(&mut self.clocks).into_iter().collect(),
            waits: std::mem::take(&mut self.waits).into_iter().collect(),
            inside: std::mem::take(&mut self.inside).into_iter().collect(),
            clock_ns: std::mem::take(&mut self.clock_ns),
            counted: std::mem::take(&mut self.counted).into_iter().map(|((k, c), n)| (k, c, n)).collect(),
        })
    }
}
