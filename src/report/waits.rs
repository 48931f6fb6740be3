//! How waits went under loads that have them.

use serde::{Deserialize, Serialize};

use crate::{journal::record::Waits, verdict::CoreOutcome};

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
    /// The part in which there was work, and no CPU for it: others had it.
    #[serde(default)]
    pub starved_share: f64,
    /// How late sleeps ended; null where none was slept.
    pub lateness_us: Option<Lateness>,
    /// The same of bare sleeps on the same clock, in between and with nothing around them.
    #[serde(default)]
    pub bare_lateness_us: Option<Lateness>,
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
    let lateness =
        |of: &dyn Fn(u32) -> Option<u32>, max: u32| of(50).zip(of(99)).map(|(p50, p99)| Lateness { p50, p99, max });
    let report = |(load, waits): (&String, &Waits)| WaitsReport {
        load: load.clone(),
        count: waits.count,
        busy_share: share(waits.work_ns, waits.wall_ns),
        planned_share: share(waits.work_ns, waits.planned_ns),
        starved_share: share(waits.starved_ns, waits.wall_ns),
        lateness_us: lateness(&|percent| waits.percentile(percent), waits.latest_us),
        bare_lateness_us: lateness(&|percent| waits.bare_percentile(percent), waits.bare_latest_us),
    };
    core.waits.iter().map(report).collect()
}
