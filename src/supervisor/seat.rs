//! Where the supervisor and its screen sit during a step: one core, and not one that the step is about.

use std::cmp::Reverse;

use crate::{
    machine::{Core, Kind},
    plan::Step,
};

/// The CPUs of the core that is missed least: an idle one before company, one that is not under test before one that is, a small
/// one before a large one, then the slowest, the least favoured. All CPUs where the step leaves nothing.
pub fn seat(cores: &[Core], under_test: &[u32], step: &Step) -> Vec<u32> {
    let usable = || cores.iter().filter(|core| !core.testable.is_empty());
    let is_tested = |core: &&Core| step.cores.contains(&core.core) && !step.company.contains(&core.core);
    let missed = |core: &&Core| {
        (
            step.company.contains(&core.core),
            under_test.contains(&core.core),
            core.kind != Kind::Efficiency,
            core.top_mhz.map_or(0, |top| top.mhz as u64),
            Reverse(core.favoured_rank.unwrap_or(0)),
            Reverse(core.core),
        )
    };
    match usable().filter(|core| !is_tested(core)).min_by_key(missed) {
        Some(core) => core.testable.clone(),
        None => usable().flat_map(|core| core.testable.iter().copied()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{RatedClock, Root, Source};

    #[test]
    fn the_supervisor_sits_where_it_is_missed_least() {
        let nothing = tempfile::tempdir().expect("a folder");
        let mut cores = crate::machine::read(&Root::at(nothing.path()), &[0, 1, 2, 3]).expect("a machine").cores;
        for (core, mhz) in cores.iter_mut().zip([6000.0, 5700.0, 4400.0, 4400.0]) {
            core.top_mhz = Some(RatedClock { mhz, known: false, source: Source::CpuinfoMaxFreq });
            core.kind = if mhz < 5000.0 { Kind::Efficiency } else { Kind::Performance };
        }
        let step = |cores: &[u32], company: &[u32]| Step {
            cores: cores.to_vec(),
            company: company.to_vec(),
            ..Step::default()
        };
        let seat = |under_test: &[u32], step: &Step| super::seat(&cores, under_test, step);
        let all = [0, 1, 2, 3];
        assert_eq!(seat(&all, &step(&[0], &[])), [3]);
        assert_eq!(seat(&all, &step(&[3], &[])), [2]);
        assert_eq!(seat(&all, &step(&[0, 2, 3], &[])), [1]);
        assert_eq!(seat(&[0, 2, 3], &step(&[0], &[])), [1], "not under test");
        assert_eq!(seat(&all, &step(&all, &[1, 2, 3])), [3], "company");
        assert_eq!(seat(&all, &step(&all, &[])), all);
    }
}
