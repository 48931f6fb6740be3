//! Clocks as told, not measured: how high each core may go, and how far each source can be trusted.

use serde::{Deserialize, Serialize};

use super::{
    Core, Kind, Root,
    clock::FASTEST_MHZ,
    cpuid::{self, Told},
    of_cpu,
};

/// Turbo ratio limits: of large cores, or all; of a hybrid's small ones.
const TURBO_RATIO_LIMIT: u32 = 0x1ad;
const SECONDARY_TURBO_RATIO_LIMIT: u32 = 0x650;
/// What ratios count in.
const RATIO_MHZ: f64 = 100.0;
/// No core is slower; what lies below it, or above the fastest, is garbage.
const SLOWEST_MHZ: f64 = 100.0;

/// A clock as told, and how far that can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RatedClock {
    /// MHz.
    pub mhz: f64,
    /// False for a guess, such as `cpuinfo_max_freq`, which is scaled on Intel.
    pub known: bool,
    /// Who says so.
    #[serde(default)]
    pub source: Source,
}

impl RatedClock {
    fn told(source: Source, mhz: f64) -> Self {
        Self { mhz, known: source.rank() == 0, source }
    }
}

/// Where a rated clock comes from, the most trustworthy first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The CPU's own limits of its ratio, one core active.
    TurboRatioLimits,
    /// amd-pstate's, from the firmware's performance numbers and its nominal clock.
    AmdPstate,
    /// cpufreq's; on Intel scaled from performance numbers, and seen 100 MHz too low, and 7.3 GHz for 5.7.
    #[default]
    CpuinfoMaxFreq,
    /// cpufreq's base clock.
    BaseFrequency,
    /// The firmware's nominal clock.
    NominalFreq,
    /// The registry's of Windows, measured when it started.
    Registry,
    /// CPUID's leaf 0x16: what is printed on the box.
    Cpuid,
    /// Highest over nominal performance, times the nominal clock; rankings of favoured cores are mixed into it.
    CppcRatio,
}

impl Source {
    /// How far it can be trusted: 0 is known, 1 the firmware's word, 2 a number scaled or sold.
    pub fn rank(self) -> u8 {
        match self {
            Self::TurboRatioLimits => 0,
            Self::AmdPstate | Self::CpuinfoMaxFreq | Self::BaseFrequency | Self::NominalFreq | Self::Registry => 1,
            Self::Cpuid | Self::CppcRatio => 2,
        }
    }

    /// Where it is read.
    pub fn name(self) -> &'static str {
        match self {
            Self::TurboRatioLimits => "turbo ratio limits",
            Self::AmdPstate => "cpufreq/amd_pstate_max_freq",
            Self::CpuinfoMaxFreq => "cpufreq/cpuinfo_max_freq",
            Self::BaseFrequency => "cpufreq/base_frequency",
            Self::NominalFreq => "acpi_cppc/nominal_freq",
            Self::Registry => "~MHz of the registry",
            Self::Cpuid => "CPUID leaf 0x16",
            Self::CppcRatio => "acpi_cppc/highest_perf over nominal_perf",
        }
    }

    /// How far it can be trusted, for people.
    pub fn trust(self) -> &'static str {
        match self.rank() {
            0 => "known",
            1 => "firmware's word",
            _ => "a guess",
        }
    }
}

/// Ranks the cores by the firmware's highest performance, which is higher for favoured cores.
pub fn favour(root: &Root, cores: &mut [Core], missing: &mut Vec<String>) {
    rank_favoured(cores, |core| favour_of(root, core), "acpi_cppc/highest_perf", missing);
}

/// The firmware's word on how high a core goes, to be compared with that of others only.
fn favour_of(root: &Root, core: &Core) -> Option<u32> {
    let first = *core.cpus.first()?;
    let ranking = || root.number(&of_cpu(first, "cpufreq/amd_pstate_prefcore_ranking"));
    ranking().or_else(|| root.number(&of_cpu(first, "acpi_cppc/highest_perf")))
}

/// Ranks the cores by a figure, from that source, which is higher for favoured cores.
pub fn rank_favoured(
    cores: &mut [Core],
    figure: impl Fn(&Core) -> Option<u32>,
    source: &str,
    missing: &mut Vec<String>,
) {
    let perfs: Vec<Option<u32>> = cores.iter().map(figure).collect();
    let mut distinct: Vec<u32> = perfs.iter().flatten().copied().collect();
    distinct.sort_unstable_by(|a, b| b.cmp(a));
    distinct.dedup();
    // One value for all says nothing.
    if distinct.len() > 1 {
        for (core, perf) in cores.iter_mut().zip(perfs) {
            let rank = perf.and_then(|perf| distinct.iter().position(|&other| other == perf));
            core.favoured_rank = rank.map(|rank| rank as u32 + 1);
        }
    } else {
        let why = if distinct.is_empty() { format!("no {source}") } else { format!("{source} is one for all") };
        missing.push(format!("favoured cores: {why}"));
    }
}

/// Gives every core its top and base clock; `has_limits` if the CPU has turbo ratio limits.
pub fn read(root: &Root, has_limits: bool, cores: &mut [Core], told: &[Told], missing: &mut Vec<String>) {
    for at in 0..cores.len() {
        let Some(&first) = cores[at].cpus.first() else { continue };
        let limit = if has_limits { ratio_limit(root, cores, at).map(|ratio| ratio * RATIO_MHZ) } else { None };
        let core = &mut cores[at];
        let number = |file: &str| root.number::<f64>(&of_cpu(first, file)).filter(|&number| number > 0.0);
        let khz = |file: &str| number(file).map(|khz| khz / 1000.0);
        let cpuid = cpuid::of(told, core).next();
        let nominal = number("acpi_cppc/nominal_freq");
        let over_nominal = || Some(number("acpi_cppc/highest_perf")? / number("acpi_cppc/nominal_perf")? * nominal?);
        core.top_told = all_of([
            (Source::TurboRatioLimits, limit),
            (Source::AmdPstate, khz("cpufreq/amd_pstate_max_freq")),
            (Source::CpuinfoMaxFreq, khz("cpufreq/cpuinfo_max_freq")),
            (Source::Cpuid, cpuid.and_then(|told| told.top_mhz).map(f64::from)),
            (Source::CppcRatio, over_nominal()),
        ]);
        core.top_mhz = core.top_told.first().copied();
        let base = [
            (Source::BaseFrequency, khz("cpufreq/base_frequency")),
            (Source::NominalFreq, nominal),
            (Source::Cpuid, cpuid.and_then(|told| told.base_mhz).map(f64::from)),
        ];
        core.base_mhz = all_of(base).first().copied();
    }
    if has_limits && !cores.iter().any(|core| core.top_mhz.is_some_and(|top| top.known)) {
        missing.push(
            "turbo ratio limits, the only sure word on top clocks: /dev/cpu/*/msr takes root and `modprobe msr`".into(),
        );
    }
    if cores.iter().all(|core| core.top_mhz.is_none()) {
        missing.push("top clocks: no cpufreq/cpuinfo_max_freq, nor any other source".into());
    }
    if cores.iter().all(|core| core.base_mhz.is_none()) {
        missing.push("base clocks: no cpufreq/base_frequency, nor any other source".into());
    }
}

fn all_of<const N: usize>(sources: [(Source, Option<f64>); N]) -> Vec<RatedClock> {
    let sane = |mhz: &f64| (SLOWEST_MHZ..=FASTEST_MHZ).contains(mhz);
    sources.into_iter().filter_map(|(source, mhz)| Some(RatedClock::told(source, mhz.filter(sane)?))).collect()
}

/// The ratio that this core can reach. The limit is that of the best cores: a large core less favoured may have less.
fn ratio_limit(root: &Root, cores: &[Core], at: usize) -> Option<f64> {
    let core = &cores[at];
    // Of one core alone the limit is that of the most favoured. Where one's favour is not told, that may be it.
    let like = cores.iter().filter(|other| other.kind == core.kind);
    let favours: Option<Vec<u32>> = like.map(|other| favour_of(root, other)).collect();
    if favour_of(root, core) < favours?.into_iter().max() {
        return None;
    }
    let register = if core.kind == Kind::Efficiency { SECONDARY_TURBO_RATIO_LIMIT } else { TURBO_RATIO_LIMIT };
    let one_core = root.msr(*core.cpus.first()?, register)? & 0xff;
    (one_core > 0).then_some(one_core as f64)
}
