//! Core voltage and package power, as the board and the CPU tell them.

use super::{Root, name};

const HWMON: &str = "/sys/class/hwmon";
const POWERCAP: &str = "/sys/class/powercap";
/// What inputs of the core voltage are called, in lower case; nothing else is taken for it.
const VCORE: [&str; 5] = ["vcore", "cpu vcore", "cpu core voltage", "cpu core", "svi2_core"];
/// Chips of this family have it at their first input, by their data sheets, and no labels.
const UNLABELLED: &str = "nct67";
/// Volts that a core can have: an input outside of these measures something else, or is not connected.
const VOLTS: (f64, f64) = (0.2, 2.5);
/// A driver of AMD's that tells power rather than energy, and the parts that make up a package.
const ZENPOWER: &str = "zenpower";
const ZENPOWER_PARTS: [&str; 2] = ["SVI2_P_Core", "SVI2_P_SoC"];
/// Between two samples that lie further apart an energy counter may have come around more than once.
const APART_S_MAX: f64 = 60.0;

/// What can be read.
#[derive(Clone, Debug)]
pub struct Meters {
    root: Root,
    voltage: Option<Voltage>,
    packages: Vec<(u32, Meter)>,
}

#[derive(Clone, Debug)]
struct Voltage {
    path: String,
    label: String,
}

#[derive(Clone, Debug)]
enum Meter {
    /// A counter of energy and where it begins again.
    Energy { path: String, range_uj: u64 },
    /// Power, in parts.
    Parts(Vec<String>),
}

/// One moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// The core voltage.
    pub volts: Option<f64>,
    packages: Vec<(u32, Power)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Power {
    Energy { uj: u64, range_uj: u64 },
    Watts(f64),
}

impl Meters {
    /// Those below `root` that can be read.
    pub fn find(root: &Root) -> Self {
        let mut packages = energies(root);
        if packages.is_empty() {
            let zenpower = chips(root).into_iter().filter(|(_, name)| name == ZENPOWER);
            let parts = zenpower.map(|(chip, _)| power_parts(root, &chip)).filter(|parts| !parts.is_empty());
            packages = (0..).zip(parts.map(Meter::Parts)).collect();
        }
        Self { root: root.clone(), voltage: voltage(root), packages }
    }

    /// What the board calls the core voltage, where it has it.
    pub fn voltage_label(&self) -> Option<&str> {
        self.voltage.as_ref().map(|voltage| voltage.label.as_str())
    }

    /// Whether the power of any package can be read.
    pub fn have_power(&self) -> bool {
        !self.packages.is_empty()
    }

    /// What they say now.
    pub fn sample(&self) -> Sample {
        let power = |meter: &Meter| match meter {
            Meter::Energy { path, range_uj } => {
                Some(Power::Energy { uj: self.root.number(path)?, range_uj: *range_uj })
            }
            Meter::Parts(parts) => {
                let watts = parts.iter().map(|path| self.root.number::<f64>(path)).sum::<Option<f64>>()?;
                Some(Power::Watts(watts / 1e6))
            }
        };
        Sample {
            volts: self.voltage.as_ref().and_then(|voltage| volts(&self.root, &voltage.path)),
            packages: self.packages.iter().filter_map(|(package, meter)| Some((*package, power(meter)?))).collect(),
        }
    }
}

impl Sample {
    /// The power of each package, on average since `then`, so many seconds ago, or now where that is what is told.
    pub fn watts_since(&self, then: &Self, seconds: f64) -> Vec<(u32, f64)> {
        let of = |(package, power): &(u32, Power)| match *power {
            Power::Watts(watts) => Some((*package, watts)),
            Power::Energy { uj, range_uj } => {
                let (_, before) = then.packages.iter().find(|(other, _)| other == package)?;
                let Power::Energy { uj: before, .. } = *before else { return None };
                let spent = if uj >= before { uj - before } else { range_uj.checked_sub(before)?.checked_add(uj)? };
                (seconds > 0.0 && seconds <= APART_S_MAX).then(|| (*package, spent as f64 / 1e6 / seconds))
            }
        };
        self.packages.iter().filter_map(of).collect()
    }
}

/// Packages of RAPL, Intel's and AMD's; their parts and the whole machine (`psys`) are not.
fn energies(root: &Root) -> Vec<(u32, Meter)> {
    let zone = |zone: String| {
        let package = root.read(&format!("{POWERCAP}/{zone}/name"))?.strip_prefix("package-")?.parse().ok()?;
        let path = format!("{POWERCAP}/{zone}/energy_uj");
        root.number::<u64>(&path)?;
        let range_uj = root.number(&format!("{POWERCAP}/{zone}/max_energy_range_uj")).unwrap_or(0);
        Some((package, Meter::Energy { path, range_uj }))
    };
    // Some kernels show the same package by another interface as well.
    let mut packages: Vec<(u32, Meter)> = packages(root).into_iter().filter_map(zone).collect();
    packages.sort_by_key(|(package, _)| *package);
    packages.dedup_by_key(|(package, _)| *package);
    packages
}

/// RAPL zones of whole packages, readable or not.
pub fn packages(root: &Root) -> Vec<String> {
    let whole = |zone: &String| zone.contains("rapl") && zone.matches(':').count() == 1;
    root.list(POWERCAP).into_iter().filter(whole).collect()
}

fn power_parts(root: &Root, chip: &str) -> Vec<String> {
    let inputs = root.list(chip).into_iter().filter_map(|file| file.strip_suffix("_label").map(str::to_owned));
    let inputs = inputs.filter(|input| input.starts_with("power"));
    let part = |input: &String| {
        let label = root.read(&format!("{chip}/{input}_label"));
        label.is_some_and(|label| ZENPOWER_PARTS.contains(&label.as_str()))
    };
    inputs.filter(part).map(|input| format!("{chip}/{input}_input")).collect()
}

fn voltage(root: &Root) -> Option<Voltage> {
    let readable = |path: &String| volts(root, path).is_some();
    let labelled = |chip: &String| {
        let inputs = root.list(chip).into_iter().filter_map(|file| file.strip_suffix("_label").map(str::to_owned));
        inputs.filter(|input| input.starts_with("in")).find_map(|input| {
            let label = name::clean(&root.read(&format!("{chip}/{input}_label"))?);
            let path = Some(format!("{chip}/{input}_input")).filter(readable)?;
            VCORE.contains(&label.to_lowercase().as_str()).then_some(Voltage { path, label })
        })
    };
    let unlabelled = |(chip, name): &(String, String)| {
        let path = Some(format!("{chip}/in0_input")).filter(|_| name.starts_with(UNLABELLED)).filter(readable)?;
        let has_label = root.read(&format!("{chip}/in0_label")).is_some();
        (!has_label).then(|| Voltage { path, label: format!("in0 of {}", name::clean(name)) })
    };
    let chips = chips(root);
    chips.iter().find_map(|(chip, _)| labelled(chip)).or_else(|| chips.iter().find_map(unlabelled))
}

fn volts(root: &Root, path: &str) -> Option<f64> {
    let volts = root.number::<f64>(path)? / 1000.0;
    (VOLTS.0..=VOLTS.1).contains(&volts).then_some(volts)
}

/// Folders of chips and their names.
fn chips(root: &Root) -> Vec<(String, String)> {
    let chips = root.list(HWMON).into_iter().map(|chip| format!("{HWMON}/{chip}"));
    chips
        .map(|chip| (root.read(&format!("{chip}/name")).unwrap_or_default(), chip))
        .map(|(name, chip)| (chip, name))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn put(folder: &Path, path: &str, text: &str) {
        let path = folder.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(path, text).expect("writable");
    }

    /// A model of some files below `/sys/class`.
    fn root(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().expect("a folder");
        files.iter().for_each(|(path, text)| put(folder.path(), &format!("/sys/class/{path}"), text));
        let root = Root::at(folder.path());
        (folder, root)
    }

    #[test]
    fn only_what_is_called_the_core_voltage_is_taken_for_it() {
        let volts = |files: &[(&str, &str)]| {
            let (_folder, root) = root(files);
            let meters = Meters::find(&root);
            (meters.voltage_label().map(str::to_owned), meters.sample().volts)
        };
        let nothing = (None, None);
        assert_eq!(volts(&[]), nothing);
        let input = |label| {
            [("hwmon/hwmon2/name", "board"), ("hwmon/hwmon2/in3_input", "1284"), ("hwmon/hwmon2/in3_label", label)]
        };
        assert_eq!(volts(&input("CPU Vcore")), (Some("CPU Vcore".into()), Some(1.284)));
        for other in ["SoC Vcore", "+12V", "Vcore 12V", "CPU Core Current"] {
            assert_eq!(volts(&input(other)), nothing, "{other}");
        }
        let first = |chip, mv| [("hwmon/hwmon3/name", chip), ("hwmon/hwmon3/in0_input", mv)];
        assert_eq!(volts(&first("nct6798", "1328")), (Some("in0 of nct6798".into()), Some(1.328)));
        assert_eq!(volts(&first("it8689", "1328")), nothing, "of another family nobody knows");
        assert_eq!(volts(&first("nct6798", "0")), nothing, "not connected");
    }

    #[test]
    fn power_is_energy_over_time_and_counters_begin_again() {
        let (folder, root) = root(&[
            ("powercap/intel-rapl:1/name", "package-1"),
            ("powercap/intel-rapl:1/energy_uj", "990000000"),
            ("powercap/intel-rapl:1/max_energy_range_uj", "1000000000"),
            ("powercap/intel-rapl:0/name", "package-0"),
            ("powercap/intel-rapl:0/energy_uj", "5000000"),
            ("powercap/intel-rapl:0:0/name", "core"),
            ("powercap/intel-rapl:0:0/energy_uj", "4000000"),
            ("powercap/intel-rapl:2/name", "psys"),
            ("powercap/intel-rapl:2/energy_uj", "1"),
            ("powercap/intel-rapl-mmio:0/name", "package-0"),
            ("powercap/intel-rapl-mmio:0/energy_uj", "5000000"),
        ]);
        let meters = Meters::find(&root);
        let then = meters.sample();
        put(folder.path(), "/sys/class/powercap/intel-rapl:0/energy_uj", "1005000000");
        put(folder.path(), "/sys/class/powercap/intel-rapl-mmio:0/energy_uj", "1005000000");
        put(folder.path(), "/sys/class/powercap/intel-rapl:1/energy_uj", "490000000");
        let now = meters.sample();
        assert_eq!(now.watts_since(&then, 10.0), [(0, 100.0), (1, 50.0)]);
        assert_eq!(now.watts_since(&then, 3600.0), [], "who knows how often they came around");
        assert_eq!(now.watts_since(&Sample::default(), 10.0), []);
        // Without a range a counter that went back says nothing.
        assert_eq!(then.watts_since(&now, 10.0), [(1, 50.0)]);
    }

    #[test]
    fn a_driver_that_tells_power_is_believed_in_its_parts() {
        let (_folder, root) = root(&[
            ("hwmon/hwmon1/name", "zenpower"),
            ("hwmon/hwmon1/power1_label", "SVI2_P_Core"),
            ("hwmon/hwmon1/power1_input", "70500000"),
            ("hwmon/hwmon1/power2_label", "SVI2_P_SoC"),
            ("hwmon/hwmon1/power2_input", "11500000"),
            ("hwmon/hwmon1/power3_label", "else"),
            ("hwmon/hwmon1/power3_input", "1"),
            ("hwmon/hwmon0/name", "amdgpu"),
            ("hwmon/hwmon0/power1_label", "SVI2_P_Core"),
            ("hwmon/hwmon0/power1_input", "1000000"),
        ]);
        let sample = Meters::find(&root).sample();
        assert_eq!(sample.watts_since(&sample, 15.0), [(0, 82.0)]);
    }
}
