//! The machine: a snapshot of this computer, read once, from text that a test can replace.

mod changes;
pub mod clock;
mod cpu_list;
mod labels;
pub mod name;
mod root;
mod topology;
pub mod traces;

use serde::{Deserialize, Serialize};

pub use cpu_list::{CpuListError, format_cpu_list, parse_cpu_list};
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
    /// Physical cores by lowest CPU number.
    pub cores: Vec<Core>,
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
    /// Its highest clock, as far as told.
    pub top_mhz: Option<TopClock>,
    /// 1 for the most favoured; equal ones share a rank.
    pub favoured_rank: Option<u32>,
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

/// A highest clock and how far it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopClock {
    /// MHz.
    pub mhz: f64,
    /// False for a guess, such as `cpuinfo_max_freq`, which is scaled on Intel.
    pub known: bool,
}

/// Reads the machine below `root`, for a process that may run on `allowed`.
pub fn read(root: &Root, allowed: &[u32]) -> Result<Machine, MachineError> {
    if allowed.is_empty() {
        return Err(MachineError::NoCpu);
    }
    let mut missing = Vec::new();
    let cpuinfo = root.read("/proc/cpuinfo").unwrap_or_default();
    let first = |key: &str| topology::cpuinfo_value(&cpuinfo, key);
    let name = |key: &str| first(key).map(|value| name::clean(&value)).filter(|value| !value.is_empty());
    let mut cores = topology::cores(root, allowed, &mut missing);
    labels::give(&mut cores, &cpuinfo);
    if name("model name").is_none() {
        missing.push("the CPU's name: /proc/cpuinfo is not there".into());
    }
    Ok(Machine {
        cpu: name("model name").unwrap_or_else(|| format!("a {} CPU", std::env::consts::ARCH)),
        vendor: name("vendor_id").unwrap_or_else(|| "unknown".into()),
        microcode: name("microcode"),
        os: os(root),
        boot: boot(root),
        bclk_mhz: 100.0,
        l3_bytes: root.read("/sys/devices/system/cpu/cpu0/cache/index3/size").and_then(|text| kibibytes(&text)),
        memory_bytes: memory(root),
        virtual_machine: first("flags").is_some_and(|flags| flags.split_whitespace().any(|f| f == "hypervisor")),
        cores,
        missing,
    })
}

fn os(root: &Root) -> String {
    let kernel = root.read("/proc/sys/kernel/osrelease").map_or_else(String::new, |release| format!(" {release}"));
    let system = if cfg!(windows) { "Windows" } else { "Linux" };
    let distribution = root.read("/etc/os-release").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
        Some(format!(" ({})", line.trim_matches('"')))
    });
    name::clean(&format!("{system}{kernel}{}", distribution.unwrap_or_default()))
}

/// The boot that the machine below `root` is in.
pub fn boot(root: &Root) -> Option<Boot> {
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
