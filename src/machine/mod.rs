//! The machine: a snapshot of this computer, read once, from text that a test can replace.

pub mod activity;
mod caches;
pub mod cap;
mod changes;
pub mod clock;
pub mod clock_model;
mod cpu_list;
mod cpuid;
mod cycles;
pub mod doctor;
mod groups;
pub mod hardware_log;
mod idle;
mod kinds;
mod labels;
mod microcode;
pub mod name;
#[cfg(any(windows, test))]
mod performance;
pub mod power;
mod rasdaemon;
mod rated;
pub mod relations;
mod root;
pub mod sensors;
pub mod slip;
mod sqlite;
mod throughput;
mod topology;
pub mod traces;
pub mod windows;

use serde::{Deserialize, Serialize};

pub use caches::{Cache, CacheKind};
pub use cpu_list::{CpuListError, format_cpu_list, parse_cpu_list};
pub use groups::{Group, name_ranges};
pub use idle::{Idle, IdleState};
pub use microcode::Microcode;
pub use rated::{RatedClock, Source};
pub use root::Root;

/// Why the machine could not be read.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// Nothing to run on.
    #[error("this process is not allowed on any CPU")]
    NoCpu,
}

/// One computer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The CPU's name.
    pub cpu: String,
    /// Its maker.
    pub vendor: String,
    /// CPUID's family, where told.
    #[serde(default)]
    pub family: Option<u32>,
    /// CPUID's model, where told.
    #[serde(default)]
    pub model: Option<u32>,
    /// Microcode revision, `0x12b`.
    pub microcode: Option<String>,
    /// The OS and its version.
    pub os: String,
    /// Which boot this is.
    pub boot: Option<Boot>,
    /// What a multiplier of one means, MHz. Assumed, as no privilege-free source tells it.
    pub bclk_mhz: f64,
    /// Last-level cache that CPU 0 reaches, bytes.
    pub l3_bytes: Option<u64>,
    /// Memory, bytes.
    pub memory_bytes: Option<u64>,
    /// Whether a hypervisor says it is there.
    pub virtual_machine: bool,
    /// Whether it has AVX2; taken for true where nobody says.
    #[serde(default = "yes")]
    pub avx2: bool,
    /// Whether a core has more than one thread.
    #[serde(default)]
    pub smt: Option<Smt>,
    /// CPUs that are there and switched off.
    #[serde(default)]
    pub offline: Vec<u32>,
    /// What the OS does with a CPU that has nothing to do, where told.
    #[serde(default)]
    pub idle: Option<Idle>,
    /// Which sensors can be read.
    #[serde(default)]
    pub sensors: Vec<String>,
    /// Physical cores by lowest CPU number.
    pub cores: Vec<Core>,
    /// What was guessed, and where sources contradict each other, one sentence each.
    #[serde(default)]
    pub notes: Vec<String>,
    /// What could not be read, one sentence each.
    pub missing: Vec<String>,
}

/// One boot of the OS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Boot {
    /// The kernel's own id of it.
    pub id: String,
    /// Seconds since 1970.
    pub booted_at_s: Option<u64>,
}

/// One physical core.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Core {
    /// Dense index over physical cores by lowest CPU number.
    pub core: u32,
    /// The OS's number, which may repeat and have gaps.
    pub os_id: Option<u32>,
    /// The package (socket).
    pub package: Option<u32>,
    /// The OS's number of its die, within the package.
    #[serde(default)]
    pub die: Option<u32>,
    /// Dense index of the third-level cache that it shares: on AMD one a CCX.
    #[serde(default)]
    pub l3: Option<u32>,
    /// Dense index of the cluster of cores that share a second-level cache, as small cores do.
    #[serde(default)]
    pub cluster: Option<u32>,
    /// Its NUMA node.
    #[serde(default)]
    pub node: Option<u32>,
    /// What people see: `P4 (BIOS 4, CPU 8-9, APIC 32-33)`.
    pub label: String,
    /// The short form: `P4`, `E3`, `C0`.
    pub short: String,
    /// Its CPUs that are online.
    pub cpus: Vec<u32>,
    /// Their APIC ids, ascending, where told: what a machine check names.
    #[serde(default)]
    pub apic: Vec<u32>,
    /// Those that this process may run on.
    pub testable: Vec<u32>,
    /// Its kind.
    pub kind: Kind,
    /// Its highest clock, as the most trustworthy source tells it.
    pub top_mhz: Option<RatedClock>,
    /// The same as all sources tell it, the most trustworthy first.
    #[serde(default)]
    pub top_told: Vec<RatedClock>,
    /// The clock that it holds without boost, as far as told.
    #[serde(default)]
    pub base_mhz: Option<RatedClock>,
    /// 1 for the most favoured; equal ones share a rank.
    pub favoured_rank: Option<u32>,
    /// Its caches, the nearest first.
    #[serde(default)]
    pub caches: Vec<Cache>,
}

/// Kinds of core of a hybrid CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Large.
    Performance,
    /// Small.
    Efficiency,
    /// The machine does not say.
    Unknown,
}

/// Threads of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Smt {
    /// Several.
    On,
    /// One, and there could be more.
    Off,
    /// One.
    NotSupported,
}

impl Smt {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::NotSupported => "not supported",
        }
    }
}

/// Reads the machine below `root`, for a process that may run on `allowed`. Of the real one, CPUID is asked too.
pub fn read(root: &Root, allowed: &[u32]) -> Result<Machine, MachineError> {
    let told = if root.is_real() { cpuid::ask(allowed) } else { Vec::new() };
    #[cfg(windows)]
    if root.is_real() {
        let mut machine = windows::read(&crate::platform::ask_system(), boot(root), allowed, &told)?;
        performance::survey(&mut machine);
        return Ok(machine);
    }
    read_with(root, allowed, &told)
}

fn read_with(root: &Root, allowed: &[u32], told: &[cpuid::Told]) -> Result<Machine, MachineError> {
    if allowed.is_empty() {
        return Err(MachineError::NoCpu);
    }
    let (mut missing, mut notes) = (Vec::new(), Vec::new());
    let cpuinfo = root.read("/proc/cpuinfo").unwrap_or_default();
    let first = |key: &str| topology::cpuinfo_value(&cpuinfo, key);
    let name = |key: &str| first(key).map(|value| name::clean(&value)).filter(|value| !value.is_empty());
    let vendor = name("vendor_id").unwrap_or_else(|| "unknown".into());
    let (mut cores, offline, smt) = topology::read(root, allowed, &mut missing);
    caches::read(root, &mut cores, &mut missing);
    kinds::tell(root, &mut cores, told, &mut notes);
    rated::favour(root, &mut cores, &mut missing);
    let flags = first("flags");
    let virtual_machine = flags.as_ref().is_some_and(|flags| flags.split_whitespace().any(|f| f == "hypervisor"));
    // A hypervisor keeps such registers to itself.
    let has_limits = vendor == "GenuineIntel" && !virtual_machine;
    rated::read(root, has_limits, &mut cores, told, &mut missing);
    labels::give(&mut cores, &cpuinfo, told, offline.is_empty());
    if !offline.is_empty() {
        notes.push(format!(
            "CPUs {} are offline: cores are counted without them, so that the firmware may number them otherwise",
            format_cpu_list(&offline)
        ));
    }
    cpuid::cross_check(&cores, told, &mut notes);
    let mut sensors = sensors::survey(root, &cores, &mut missing);
    if root.is_real() {
        cycles::hold_against_chain(root, &cores, virtual_machine, &mut sensors, &mut notes, &mut missing);
    }
    let idle = idle::read(root, &cores);
    if idle.is_none() {
        missing.push("idle states: /sys/devices/system/cpu/cpu*/cpuidle is not there".into());
    }
    if name("model name").is_none() {
        missing.push("the CPU's name: /proc/cpuinfo is not there".into());
    }
    let number = |key: &str| first(key).and_then(|value| value.parse().ok());
    Ok(Machine {
        cpu: name("model name").unwrap_or_else(|| format!("a {} CPU", std::env::consts::ARCH)),
        vendor,
        family: number("cpu family"),
        model: number("model"),
        microcode: name("microcode"),
        os: os(root),
        boot: boot(root),
        bclk_mhz: 100.0,
        l3_bytes: root.read("/sys/devices/system/cpu/cpu0/cache/index3/size").and_then(|text| kibibytes(&text)),
        memory_bytes: memory(root),
        virtual_machine,
        avx2: flags.is_none_or(|flags| flags.split_whitespace().any(|flag| flag == "avx2")),
        smt,
        offline,
        idle,
        sensors,
        cores,
        notes,
        missing,
    })
}

/// A file of a CPU's folder.
fn of_cpu(cpu: u32, file: &str) -> String {
    format!("/sys/devices/system/cpu/cpu{cpu}/{file}")
}

/// Numbers from 0 for what is equal, in the order of first sight.
fn dense<K: Ord>(keys: impl IntoIterator<Item = Option<K>>) -> Vec<Option<u32>> {
    let mut seen = std::collections::BTreeMap::new();
    let mut number = |key| {
        let next = seen.len() as u32;
        *seen.entry(key).or_insert(next)
    };
    keys.into_iter().map(|key| key.map(&mut number)).collect()
}

fn yes() -> bool {
    true
}

fn os(root: &Root) -> String {
    let kernel = root.read("/proc/sys/kernel/osrelease").map_or_else(String::new, |release| format!(" {release}"));
    let distribution = root.read("/etc/os-release").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
        Some(format!(" ({})", line.trim_matches('"')))
    });
    name::clean(&format!("Linux{kernel}{}", distribution.unwrap_or_default()))
}

/// The boot that the machine below `root` is in.
pub fn boot(root: &Root) -> Option<Boot> {
    #[cfg(windows)]
    if root.is_real() {
        let id = crate::platform::boot_id()?;
        return Some(Boot { id: format!("boot-{id}"), booted_at_s: crate::platform::boot_time_s() });
    }
    let id = root.read("/proc/sys/kernel/random/boot_id").map(|id| name::clean(&id)).filter(|id| !id.is_empty())?;
    let stat = root.read("/proc/stat").unwrap_or_default();
    let booted_at_s = stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok());
    Some(Boot { id, booted_at_s })
}

fn memory(root: &Root) -> Option<u64> {
    let text = root.read("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn kibibytes(text: &str) -> Option<u64> {
    Some(text.strip_suffix('K')?.parse::<u64>().ok()? * 1024)
}
