//! Sensors: how hot the CPU is, and how often it throttled itself. What is not there is named, with why.

use super::{
    Core, Root,
    activity::Activity,
    of_cpu,
    power::{self, Meters, Sample},
};

const HWMON: &str = "/sys/class/hwmon";
/// Drivers of the CPU's own thermometers.
const THERMOMETERS: [&str; 3] = ["coretemp", "k10temp", "zenpower"];
/// Whole packages, whose reading is that of their hottest core.
const PACKAGES: [&str; 2] = ["Package", "Tdie"];

/// What a run reads at the edges of its steps.
#[derive(Clone, Debug)]
pub struct Sensors {
    root: Root,
    thermometers: Vec<String>,
    /// By core: counters of its first CPU, which siblings share.
    throttles: Vec<(u32, String)>,
    meters: Meters,
}

/// What the sensors said at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readings {
    /// Of all thermometers, °C.
    pub hottest_c: Option<f64>,
    /// By core: how often it throttled itself since the boot.
    pub throttles: Vec<(u32, u64)>,
}

impl Sensors {
    /// Those below `root`.
    pub fn find(root: &Root, cores: &[Core]) -> Self {
        let counter = |core: &Core| {
            let path = of_cpu(*core.cpus.first()?, "thermal_throttle/core_throttle_count");
            root.number::<u64>(&path).map(|_| (core.core, path))
        };
        let throttles = cores.iter().filter_map(counter).collect();
        Self { root: root.clone(), thermometers: thermometers(root), throttles, meters: Meters::find(root) }
    }

    /// How busy every CPU has been.
    pub fn activity(&self) -> Activity {
        Activity::read(&self.root)
    }

    /// What they say now, of these cores.
    pub fn read(&self, cores: &[u32]) -> Readings {
        let celsius = |path: &String| self.root.number::<f64>(path).map(|thousandths| thousandths / 1000.0);
        let of = self.throttles.iter().filter(|(core, _)| cores.contains(core));
        Readings {
            hottest_c: self.thermometers.iter().filter_map(celsius).reduce(f64::max),
            throttles: of.filter_map(|(core, path)| Some((*core, self.root.number(path)?))).collect(),
        }
    }

    /// What voltage and power are now.
    pub fn sample(&self) -> Sample {
        self.meters.sample()
    }
}

/// What can be read, for people; what cannot is added to `missing`.
pub fn survey(root: &Root, cores: &[Core], missing: &mut Vec<String>) -> Vec<String> {
    let found = Sensors::find(root, cores);
    let mut there = Vec::new();
    match found.thermometers.is_empty() {
        false => there.push("temperature".to_owned()),
        true => missing.push(format!("temperature: none of {} in {HWMON}", THERMOMETERS.join(", "))),
    }
    match found.throttles.is_empty() {
        false => there.push("throttle counts".to_owned()),
        true => missing.push("throttle counts: no thermal_throttle/core_throttle_count".into()),
    }
    let meters = Meters::find(root);
    match meters.voltage_label() {
        Some(label) => there.push(format!("core voltage ({label})")),
        None => missing.push(format!("core voltage: no input called Vcore in {HWMON}; the board's own driver has it")),
    }
    if meters.have_power() {
        there.push("package power".into());
    } else if power::packages(root).is_empty() {
        missing.push("package power: no RAPL zone in /sys/class/powercap".into());
    } else {
        missing.push("package power: energy_uj takes root".into());
    }
    there
}

fn thermometers(root: &Root) -> Vec<String> {
    let mut all = Vec::new();
    for chip in chips(root) {
        if !root.read(&format!("{chip}/name")).is_some_and(|name| THERMOMETERS.contains(&name.as_str())) {
            continue;
        }
        for file in root.list(&chip) {
            if let Some(sensor) = file.strip_suffix("_input").filter(|sensor| sensor.starts_with("temp")) {
                let label = root.read(&format!("{chip}/{sensor}_label")).unwrap_or_default();
                all.push((format!("{chip}/{file}"), label));
            }
        }
    }
    // Each of coretemp's other sensors wakes its core to be read.
    let packages = |label: &str| PACKAGES.iter().any(|package| label.starts_with(package));
    let whole: Vec<String> = all.iter().filter(|(_, label)| packages(label)).map(|(path, _)| path.clone()).collect();
    if whole.is_empty() { all.into_iter().map(|(path, _)| path).collect() } else { whole }
}

fn chips(root: &Root) -> Vec<String> {
    root.list(HWMON).into_iter().map(|chip| format!("{HWMON}/{chip}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::read;
    use std::fs;

    #[test]
    fn packages_speak_for_their_cores_and_what_is_missing_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
            fs::write(path, text).expect("writable");
        };
        let root = Root::at(folder.path());
        let bare = read(&root, &[0, 1]).expect("a machine");
        assert!(bare.sensors.is_empty());
        for what in ["temperature: none of", "throttle counts: no", "core voltage: no", "package power: no RAPL"] {
            assert!(bare.missing.iter().any(|missing| missing.starts_with(what)), "{what}: {:?}", bare.missing);
        }
        assert_eq!(Sensors::find(&root, &bare.cores).read(&[0, 1]), Readings::default());

        put("/sys/class/hwmon/hwmon0/name", "nvme");
        put("/sys/class/hwmon/hwmon0/temp1_input", "99000");
        put("/sys/class/hwmon/hwmon1/name", "coretemp");
        put("/sys/class/hwmon/hwmon1/temp1_label", "Package id 0");
        put("/sys/class/hwmon/hwmon1/temp1_input", "91500");
        put("/sys/class/hwmon/hwmon1/temp2_label", "Core 0");
        put("/sys/class/hwmon/hwmon1/temp2_input", "97000");
        put("/sys/class/hwmon/hwmon2/in0_label", "CPU Vcore");
        put("/sys/class/hwmon/hwmon2/in0_input", "1290");
        put("/sys/class/powercap/intel-rapl:0/name", "package-0");
        put("/sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", "7");
        let machine = read(&root, &[0, 1]).expect("a machine");
        assert_eq!(machine.sensors, ["temperature", "throttle counts", "core voltage (CPU Vcore)"]);
        assert!(machine.missing.contains(&"package power: energy_uj takes root".into()), "{:?}", machine.missing);
        let sensors = Sensors::find(&root, &machine.cores);
        assert_eq!(sensors.read(&[0, 1]), Readings { hottest_c: Some(91.5), throttles: vec![(1, 7)] });
        assert_eq!(sensors.read(&[0]).throttles, []);

        put("/sys/class/hwmon/hwmon1/name", "k10temp");
        put("/sys/class/hwmon/hwmon1/temp1_label", "Tccd1");
        let sensors = Sensors::find(&root, &machine.cores);
        assert_eq!(sensors.read(&[]).hottest_c, Some(97.0), "without a whole, the hottest part");
    }
}
