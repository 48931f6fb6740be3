//! The cap of a CPU's clock: cpufreq's `scaling_max_freq`, which takes root to set.

use std::io;

use super::{Core, Machine, Root, of_cpu, parse_cpu_list};

/// Why there is no cap to set on Windows.
const NOT_ON_WINDOWS: &str = "Windows has no cap for one core: PROCFREQMAX of its power plan caps all cores of an efficiency class together, and stays \
     when the machine is reset";
/// The file that a cap is.
const CAP: &str = "cpufreq/scaling_max_freq";
/// A core whose base clock nobody tells is not searched below this part of its top.
const LOWEST_PART: f64 = 0.5;

/// Reads and sets caps. A trait, so that tests need no such machine.
pub trait ClockCap {
    /// The cap of a CPU, kHz.
    fn get(&self, cpu: u32) -> io::Result<u32>;
    /// Sets it.
    fn set(&self, cpu: u32, khz: u32) -> io::Result<()>;
}

/// The caps of cpufreq below a root.
pub struct Cpufreq(pub Root);

impl ClockCap for Cpufreq {
    fn get(&self, cpu: u32) -> io::Result<u32> {
        let not_there = || io::Error::new(io::ErrorKind::NotFound, "no number can be read");
        self.0.number(&of_cpu(cpu, CAP)).ok_or_else(not_there)
    }

    fn set(&self, cpu: u32, khz: u32) -> io::Result<()> {
        self.0.rewrite(&of_cpu(cpu, CAP), &format!("{khz}\n"))
    }
}

/// CPUs and their caps, kHz.
pub type Caps = Vec<(u32, u32)>;

/// Sets these caps, all that can be set; the first error.
pub fn set_all(cap: &dyn ClockCap, caps: &[(u32, u32)]) -> Result<(), String> {
    let failed = caps.iter().filter_map(|&(cpu, khz)| {
        let error = cap.set(cpu, khz).err()?;
        Some(format!("CPU {cpu}: its cap cannot be set back to {khz} kHz: {error}"))
    });
    // All of them are tried before the first is told.
    match failed.collect::<Vec<_>>().into_iter().next() {
        Some(first) => Err(first),
        None => Ok(()),
    }
}

/// The caps of all CPUs of these cores, all of which can be set; or why they cannot, and what to do.
pub fn settable(machine: &Machine, cores: &[u32], root: &Root) -> Result<Caps, String> {
    if cfg!(windows) && root.is_real() {
        return Err(NOT_ON_WINDOWS.into());
    }
    let cpus =
        machine.cores.iter().filter(|core| cores.contains(&core.core)).flat_map(|core| core.cpus.iter().copied());
    let mut caps = Vec::new();
    for cpu in cpus {
        let path = of_cpu(cpu, CAP);
        let Ok(khz) = Cpufreq(root.clone()).get(cpu) else {
            let why = if machine.virtual_machine {
                "clocks of a virtual machine are its host's to cap"
            } else {
                "this kernel has no cpufreq driver for this CPU"
            };
            return Err(format!("{path} is not there: {why}"));
        };
        root.writable(&path)
            .map_err(|error| format!("{path}: {error}; run as root, or be given the right to write it"))?;
        caps.push((cpu, khz));
    }
    Ok(caps)
}

/// Lowest and top clock at which a core can be capped, MHz; `None` if no top is told.
pub fn range_mhz(core: &Core, root: &Root) -> Option<(f64, f64)> {
    let first = *core.cpus.first()?;
    let khz = |file: &str| root.number::<f64>(&of_cpu(first, file)).map(|khz| khz / 1000.0);
    let top = core.top_mhz.map(|top| top.mhz).or_else(|| khz("cpufreq/cpuinfo_max_freq"))?;
    let lowest = core.base_mhz.map_or(top * LOWEST_PART, |base| base.mhz);
    let least = khz("cpufreq/cpuinfo_min_freq").unwrap_or(0.0);
    Some((lowest.max(least).min(top), top))
}

/// Cores that share a policy with others, so that a cap of one caps all of them; one sentence each.
pub fn shared(machine: &Machine, cores: &[u32], root: &Root) -> Vec<String> {
    let mut said: Vec<Vec<u32>> = Vec::new();
    for core in machine.cores.iter().filter(|core| cores.contains(&core.core)) {
        let related = core.cpus.iter().filter_map(|&cpu| root.read(&of_cpu(cpu, "cpufreq/related_cpus")));
        let separated = |list: String| list.split_whitespace().collect::<Vec<_>>().join(",");
        let cpus: Vec<u32> = related.filter_map(|list| parse_cpu_list(&separated(list)).ok()).flatten().collect();
        let of = |other: &&Core| other.cpus.iter().any(|cpu| cpus.contains(cpu));
        let together: Vec<u32> = machine.cores.iter().filter(of).map(|other| other.core).collect();
        if together.len() > 1 && !said.contains(&together) {
            said.push(together);
        }
    }
    let name =
        |cores: Vec<u32>| format!("{} share a cpufreq policy: capping one of them caps all", machine.names(&cores));
    said.into_iter().map(name).collect()
}
