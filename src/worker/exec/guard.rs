//! Looks after a run while it goes on: ends one that will not end, because it burns far more CPU time than any before, sleeps for ever, or
//! writes without end; and moves one that is to go from core to core.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use serde::{Deserialize, Serialize};

use crate::{platform, verdict::command::End};

/// What a run may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// CPU time, ns.
    pub cpu_ns: u64,
    /// Sleep in which no CPU time passes, ns.
    pub asleep_ns: u64,
    /// Length of its standard output and of its standard error.
    pub bytes: u64,
}

/// Stands for no CPU: nobody knows where a run is that could not be moved.
pub const ASTRAY: u32 = u32::MAX;

/// A run that is watched.
struct Watched {
    child: u32,
    files: [PathBuf; 2],
    limits: Limits,
    cpu_ns: u64,
    asleep_since: Option<u64>,
    ended: Option<End>,
    /// The CPUs that it was put on, and when.
    been: Vec<(u32, u64)>,
}

/// Watches the runs of one lane.
#[derive(Default)]
pub struct Guard {
    run: Mutex<Option<Watched>>,
    leaving: AtomicBool,
}

impl Guard {
    fn run(&self) -> MutexGuard<'_, Option<Watched>> {
        self.run.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Watches a child from now.
    pub fn watch(&self, child: u32, files: [PathBuf; 2], limits: Limits) {
        let been = Vec::new();
        *self.run() = Some(Watched { child, files, limits, cpu_ns: 0, asleep_since: None, ended: None, been });
        if self.leaving.load(Relaxed) {
            platform::kill_command(child);
        }
    }

    /// The child has ended and is about to be reaped; whether it was us, and why, and the CPUs that it was moved to. What it started
    /// ends with it.
    pub fn release(&self) -> (Option<End>, Vec<(u32, u64)>) {
        let Some(watched) = self.run().take() else { return (None, Vec::new()) };
        platform::kill_command(watched.child);
        (watched.ended, watched.been)
    }

    /// Moves what runs to another CPU. Where that fails a part of it may be there and all of it anywhere, until the next move.
    pub fn move_to(&self, cpu: u32) {
        if let Some(watched) = self.run().as_mut() {
            let now_ns = platform::monotonic_ns();
            watched.been.push((cpu, now_ns));
            if platform::move_command(watched.child, cpu).is_err() {
                watched.been.push((ASTRAY, now_ns));
            }
        }
    }

    /// Ends what runs, and what will: this worker leaves.
    pub fn leave(&self) {
        self.leaving.store(true, Relaxed);
        if let Some(watched) = &*self.run() {
            platform::kill_command(watched.child);
        }
    }

    /// One look; whether there was anything to look at.
    pub fn look(&self, now_ns: u64) -> bool {
        let mut run = self.run();
        let Some(watched) = run.as_mut() else { return false };
        let (cpu_ns, asleep) = platform::command_usage(watched.child);
        let bytes = watched.files.iter().filter_map(|path| fs::metadata(path).ok()).map(|of| of.len()).max();
        watched.take(now_ns, cpu_ns, asleep, bytes.unwrap_or(0));
        if watched.ended.is_some() {
            platform::kill_command(watched.child);
        }
        true
    }
}

impl Watched {
    fn take(&mut self, now_ns: u64, cpu_ns: u64, asleep: bool, bytes: u64) {
        if !asleep || cpu_ns != self.cpu_ns {
            self.asleep_since = None;
        }
        self.cpu_ns = cpu_ns;
        let asleep_ns = if asleep { now_ns.saturating_sub(*self.asleep_since.get_or_insert(now_ns)) } else { 0 };
        if bytes > self.limits.bytes {
            self.ended = Some(End::Flooded);
        } else if cpu_ns > self.limits.cpu_ns || asleep_ns > self.limits.asleep_ns {
            self.ended = Some(End::Hung);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_burns_sleeps_or_writes_too_much_is_ended_and_nothing_else() {
        let limits = Limits { cpu_ns: 50, asleep_ns: 100, bytes: 1000 };
        let files = [PathBuf::new(), PathBuf::new()];
        let watch = |looks: &[(u64, u64, bool, u64)]| {
            let files = files.clone();
            let mut watched =
                Watched { child: 0, files, limits, cpu_ns: 0, asleep_since: None, ended: None, been: vec![] };
            looks.iter().for_each(|&(now, cpu, asleep, bytes)| watched.take(now, cpu, asleep, bytes));
            watched.ended
        };
        assert_eq!(watch(&[(10, 10, false, 0), (500, 50, false, 1000)]), None, "starved, not hung");
        assert_eq!(watch(&[(10, 51, false, 0)]), Some(End::Hung));
        assert_eq!(watch(&[(10, 5, true, 0), (110, 5, true, 0)]), None);
        assert_eq!(watch(&[(10, 5, true, 0), (111, 5, true, 0)]), Some(End::Hung));
        assert_eq!(watch(&[(10, 5, true, 0), (60, 6, true, 0), (150, 6, true, 0)]), None, "it did something");
        assert_eq!(watch(&[(10, 5, true, 0), (60, 5, false, 0), (150, 5, true, 0)]), None, "stopped, or running");
        assert_eq!(watch(&[(10, 5, false, 1001)]), Some(End::Flooded));
    }
}
