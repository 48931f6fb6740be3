//! Idle states: how deep a CPU sleeps. A favoured core may reach its top only while others sleep deeply.

use serde::{Deserialize, Serialize};

use super::{Core, Root, name, of_cpu};

/// More states than any CPU has.
const STATES_MAX: u32 = 16;

/// What the OS does with a CPU that has nothing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idle {
    /// The driver of idle states.
    pub driver: Option<String>,
    /// Of all cores, the shallowest first.
    pub states: Vec<IdleState>,
}

/// One state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdleState {
    /// Such as `C6`.
    pub name: String,
    /// How long it takes to wake up, at most.
    pub latency_us: u64,
    /// Indexes of the cores that have it.
    pub cores: Vec<u32>,
    /// Those on which it is switched off.
    pub off: Vec<u32>,
}

/// The states of each core's first CPU; those of one name in one place.
pub fn read(root: &Root, cores: &[Core]) -> Option<Idle> {
    let mut states: Vec<IdleState> = Vec::new();
    for core in cores {
        let Some(&first) = core.cpus.first() else { continue };
        let file = |state: u32, name: &str| root.read(&of_cpu(first, &format!("cpuidle/state{state}/{name}")));
        for (number, told) in (0..STATES_MAX).map_while(|state| Some((state, file(state, "name")?))) {
            let off = file(number, "disable").is_some_and(|disabled| disabled != "0");
            let told = name::clean(&told);
            let at = states.iter().position(|state| state.name == told).unwrap_or_else(|| {
                let latency_us = file(number, "latency").and_then(|text| text.parse().ok()).unwrap_or(0);
                states.push(IdleState { name: told, latency_us, cores: Vec::new(), off: Vec::new() });
                states.len() - 1
            });
            states[at].cores.push(core.core);
            if off {
                states[at].off.push(core.core);
            }
        }
    }
    states.sort_by_key(|state| state.latency_us);
    let driver = root.read("/sys/devices/system/cpu/cpuidle/current_driver").map(|driver| name::clean(&driver));
    (!states.is_empty()).then_some(Idle { driver, states })
}
