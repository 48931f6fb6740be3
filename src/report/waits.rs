//! How waits went under loads that have them.

use serde::{Deserialize, Serialize};

use crate::verdict::CoreOutcome;

/// Waits of one core under one load.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WaitsReport {
    /// The load.
    pub load: String,
    /// How many.
    pub count: u64,
    /// The part of the time that passed in kernels, by CPU time.
    pub busy_share: f64,
    /// The part that the load's schedule asks for.
    pub planned_share: f64,
    /// How late sleeps ended; null where none was slept.
    pub lateness_us: Option<Lateness>,
}

/// Microseconds after the time that a sleep was to end.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Lateness {
    /// Half of them were not later.
    pub p50: u32,
    /// Ninety-nine of a hundred were not later.
    pub p99: u32,
    /// The latest.
    pub max: u32,
}

/// Of a core, by load.
pub fn of(core: &CoreOutcome) -> Vec<WaitsReport> {
    let share = |work_ns: u64, of_ns: u64| work_ns as f64 / of_ns.max(1) as f64;
    let waits = core.waits.iter().map(|(load, waits)| WaitsReport {
        load: load.clone(),
        count: waits.count,
        busy_share: share(waits.work_ns, waits.wall_ns),
        planned_share: share(waits.work_ns, waits.planned_ns),
        lateness_us: waits.percentile(50).zip(waits.percentile(99)).map(|(p50, p99)| Lateness {
            p50,
            p99,
            max: waits.latest_us,
        }),
    });
    waits.collect()
}
