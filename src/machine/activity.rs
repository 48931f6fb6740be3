//! How busy the machine's CPUs were, whoever kept them so: from the OS's own counts of ticks.

use super::{Core, Root};

/// A core is active where this part of its busiest CPU's time was busy. Ticks are 10 ms, and steps may last a quarter second.
const ACTIVE: f64 = 0.1;

/// Ticks of every CPU since the boot, busy and in all; empty where the OS does not tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Activity(Vec<(u32, u64, u64)>);

impl Activity {
    /// What `/proc/stat` says now.
    pub fn read(root: &Root) -> Self {
        Self(root.read("/proc/stat").unwrap_or_default().lines().filter_map(ticks).collect())
    }

    /// How many cores but `besides` were active since `before`; `None` where nobody tells.
    pub fn active_cores(&self, before: &Self, cores: &[Core], besides: &[u32]) -> Option<u32> {
        let busy = |cpu: u32| {
            let of = |all: &Self| all.0.iter().find(|(other, ..)| *other == cpu).copied();
            let ((_, busy, all), (_, busy_then, all_then)) = (of(self)?, of(before)?);
            let passed = all.checked_sub(all_then).filter(|&ticks| ticks > 0)?;
            Some(busy.saturating_sub(busy_then) as f64 >= ACTIVE * passed as f64)
        };
        let others = cores.iter().filter(|core| !besides.contains(&core.core));
        let known: Vec<bool> = others
            .filter_map(|core| core.cpus.iter().filter_map(|&cpu| busy(cpu)).reduce(|one, other| one || other))
            .collect();
        let told = !self.0.is_empty() && !before.0.is_empty();
        told.then(|| known.iter().filter(|&&active| active).count() as u32)
    }
}

/// `cpu3 user nice system idle iowait irq softirq steal ...`.
fn ticks(line: &str) -> Option<(u32, u64, u64)> {
    let mut fields = line.strip_prefix("cpu")?.split_whitespace();
    let cpu = fields.next()?.parse().ok()?;
    if line.starts_with("cpu ") {
        return None;
    }
    // What guests take is in user and nice already.
    let ticks: Vec<u64> = fields.take(8).map(|field| field.parse().unwrap_or(0)).collect();
    let all: u64 = ticks.iter().sum();
    let idle: u64 = ticks.get(3..5)?.iter().sum();
    Some((cpu, all - idle, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_that_others_keep_busy_are_counted() {
        let root = tempfile::tempdir().expect("a folder");
        let mut machine = crate::machine::read(&Root::at(root.path()), &[0, 1, 2]).expect("a machine");
        machine.cores[1].cpus.push(9);
        let stat = |busy: [u64; 4], idle: u64| {
            let line = |(cpu, busy): (u32, u64)| format!("cpu{cpu} {busy} 0 1 {idle} 0 0 0 0 77 0\n");
            let lines: String = [0, 1, 2, 9].into_iter().zip(busy).map(line).collect();
            std::fs::create_dir_all(root.path().join("proc")).expect("writable");
            std::fs::write(root.path().join("proc/stat"), format!("cpu  9 9 9 9\n{lines}intr 5\n")).expect("writable");
            Activity::read(&Root::at(root.path()))
        };
        let before = stat([10, 10, 10, 10], 100);
        let after = stat([60, 12, 60, 30], 150);
        let active = |besides: &[u32]| after.active_cores(&before, &machine.cores, besides);
        assert_eq!((active(&[0]), active(&[]), active(&[0, 1, 2])), (Some(2), Some(3), Some(0)));
        assert_eq!(after.active_cores(&Activity::default(), &machine.cores, &[]), None);
    }
}
