//! A model of cores whose clock follows its cap: for trying out `tune` on a tree of files, where no real clock does. It is there
//! only if `--root` names a folder with a file `oddcore-model`, and what is found by it is marked as a drill.
//!
//! The file has a line for each thing that is said of a core: `core 0 errs above 5750 MHz`, `core 1 reaches 5500 MHz`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// The name of the file, in the folder that stands for the root.
pub const MODEL_FILE: &str = "oddcore-model";

/// The model that this process measures its clock by, if any.
static FOLLOWED: OnceLock<Followed> = OnceLock::new();

struct Followed {
    cap: PathBuf,
    reaches_mhz: f64,
}

/// The cores of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClockModel {
    folder: PathBuf,
    errs_above: Vec<(u32, f64)>,
    reaches: Vec<(u32, f64)>,
}

impl ClockModel {
    /// The model in that folder; `None` if there is none, an error if it says something that cannot be understood.
    pub fn read(folder: &Path) -> Result<Option<Self>, String> {
        let Ok(text) = fs::read_to_string(folder.join(MODEL_FILE)) else { return Ok(None) };
        let mut model = Self { folder: folder.to_owned(), ..Self::default() };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let wrong =
                || format!("{MODEL_FILE}: {line}: write `core N errs above MHZ MHz` or `core N reaches MHZ MHz`");
            let number = |core: &str, mhz: &str| Some((core.parse().ok()?, mhz.parse().ok()?));
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["core", core, "errs", "above", mhz, "MHz"] => {
                    model.errs_above.push(number(core, mhz).ok_or_else(wrong)?);
                }
                ["core", core, "reaches", mhz, "MHz"] => model.reaches.push(number(core, mhz).ok_or_else(wrong)?),
                _ => return Err(wrong()),
            }
        }
        Ok(Some(model))
    }

    /// The clock above which a core errs, MHz.
    pub fn errs_above_mhz(&self, core: u32) -> Option<f64> {
        self.errs_above.iter().find(|(other, _)| *other == core).map(|(_, mhz)| *mhz)
    }

    /// The clock that a core reaches at most, MHz.
    pub fn reaches_mhz(&self, core: u32) -> f64 {
        self.reaches.iter().find(|(other, _)| *other == core).map_or(f64::MAX, |(_, mhz)| *mhz)
    }

    /// The file with the cap that a CPU's clock follows.
    pub fn cap_of(&self, cpu: u32) -> PathBuf {
        self.folder.join(format!("sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_max_freq"))
    }
}

/// From now on this process's clock is what the cap in that file says, and at most so much.
pub fn follow(cap: PathBuf, reaches_mhz: f64) {
    let _ = FOLLOWED.set(Followed { cap, reaches_mhz });
}

/// The clock by the model, MHz, where there is one: `Some(None)` where the cap cannot be read.
pub fn reading() -> Option<Option<f64>> {
    let followed = FOLLOWED.get()?;
    let khz = fs::read_to_string(&followed.cap).ok().and_then(|text| text.trim().parse::<f64>().ok());
    Some(khz.map(|khz| (khz / 1000.0).min(followed.reaches_mhz)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_says_what_it_can_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(ClockModel::read(folder.path()), Ok(None));
        let write = |text: &str| fs::write(folder.path().join(MODEL_FILE), text).expect("writable");
        write("# two cores\ncore 0 errs above 5750 MHz\n\ncore 1 reaches 5500 MHz\n");
        let model = ClockModel::read(folder.path()).expect("sound").expect("there");
        assert_eq!((model.errs_above_mhz(0), model.errs_above_mhz(1)), (Some(5750.0), None));
        assert_eq!((model.reaches_mhz(0), model.reaches_mhz(1)), (f64::MAX, 5500.0));
        for wrong in ["core 0 errs", "core x reaches 5 MHz", "core 0 reaches fast MHz", "core 0 reaches 5 GHz"] {
            write(wrong);
            assert!(ClockModel::read(folder.path()).is_err(), "{wrong}");
        }
    }
}
