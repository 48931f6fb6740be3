//! At which multiplier a core was tested, by kind of work: a light one boosts higher than a heavy one, so neither speaks for the
//! other.

use super::{CoreReport, Report};
use crate::{plan::Work, verdict::CoreVerdict};

/// A multiplier seen for less than this part of the time is a blip, and says nothing for people.
pub const BLIP: f64 = 0.01;

/// A pass speaks for a core's time as a whole if this part of it was spent at the multiplier that it names, or above.
const NEARLY_ALL: f64 = 0.9;

/// The highest multipliers at which work was checked, blips left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tested {
    /// Of scalar work.
    pub scalar: Option<u32>,
    /// Of AVX2 work and wider.
    pub vector: Option<u32>,
}

impl Tested {
    /// Of a core.
    pub fn of(core: &CoreReport) -> Self {
        let highest = |work: Work| {
            let own = || core.evidence.iter().filter(move |part| Work::of(&part.isa) == Some(work));
            let all: f64 = own().map(|part| part.seconds).sum();
            let multipliers = own().filter(|part| part.iterations > 0).filter_map(|part| part.multiplier);
            let at = |multiplier| {
                own().filter(|part| part.multiplier == Some(multiplier)).map(|part| part.seconds).sum::<f64>()
            };
            multipliers.filter(|&multiplier| at(multiplier) >= BLIP * all).max()
        };
        Self { scalar: highest(Work::Scalar), vector: highest(Work::Vector) }
    }

    /// The one that all its work reached.
    pub fn by_all(self) -> Option<u32> {
        match (self.scalar, self.vector) {
            (Some(scalar), Some(vector)) => Some(scalar.min(vector)),
            (one, other) => one.or(other),
        }
    }

    /// `60x / 58x`, scalar work first.
    pub fn text(self) -> String {
        let of =
            |multiplier: Option<u32>| multiplier.map_or_else(|| "-".to_owned(), |multiplier| format!("{multiplier}x"));
        match self {
            Self { scalar: None, vector: None } => "-".to_owned(),
            _ => format!("{} / {}", of(self.scalar), of(self.vector)),
        }
    }
}

/// Whether anybody asked for a multiplier of some core (`--expect`), which is another thing than what its firmware says.
pub fn any_asked(report: &Report) -> bool {
    report.cores.iter().any(|core| {
        let known = core.multiplier.top.filter(|_| core.multiplier.top_known == Some(true));
        core.multiplier.expected.is_some_and(|expected| known != Some(expected))
    })
}

/// The multiplier that a core's pass names, and the checked seconds at it or above, if they are less than [`NEARLY_ALL`] of its time
/// and nothing else says so.
pub fn brief(report: &Report, core: &CoreReport) -> Option<(u32, f64)> {
    let reached = Tested::of(core).by_all()?;
    let seconds = seconds_from(core, reached);
    let passed = core.verdict == CoreVerdict::Pass && report.ended.is_some();
    let said = core.multiplier.expected == Some(reached);
    (passed && !said && seconds < NEARLY_ALL * seconds_from(core, 0)).then_some((reached, seconds))
}

/// Checked seconds of any work, at that multiplier or above.
fn seconds_from(core: &CoreReport, multiplier: u32) -> f64 {
    let from = core.evidence.iter().filter(|part| part.multiplier.is_some_and(|at| at >= multiplier));
    from.map(|part| part.seconds).sum()
}

/// Checked seconds of scalar work and of AVX2 work and wider, at that multiplier.
pub fn seconds_at(core: &CoreReport, multiplier: u32) -> [f64; 2] {
    [Work::Scalar, Work::Vector].map(|work| {
        let at = core.evidence.iter().filter(|part| part.multiplier == Some(multiplier));
        at.filter(|part| Work::of(&part.isa) == Some(work)).map(|part| part.seconds).sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::EvidenceReport;

    #[test]
    fn blips_count_for_nothing_and_no_kind_of_work_for_another() {
        let mut report = crate::report::tests::report(1, |_| vec![]);
        let core = &mut report.cores[0];
        assert_eq!((Tested::of(core).by_all(), Tested::of(core).text().as_str()), (None, "-"));
        for (multiplier, isa, seconds) in [
            (Some(58), "scalar", 10.0),
            (Some(60), "scalar", 0.05),
            (Some(57), "avx2", 10.0),
            (Some(55), "avx512", 10.0),
            (Some(59), "sse4.1", 10.0),
            (None, "avx2", 10.0),
        ] {
            core.evidence.push(EvidenceReport {
                multiplier,
                load: "solo".into(),
                footprint: "L2".into(),
                isa: isa.into(),
                seconds,
                iterations: 1,
                operations: 1,
                findings: 0,
                catches_every_s: None,
            });
        }
        let tested = Tested::of(core);
        assert_eq!((tested.scalar, tested.vector, tested.by_all()), (Some(58), Some(57), Some(57)));
        assert_eq!(tested.text(), "58x / 57x");
        core.evidence.retain(|part| part.isa != "scalar");
        assert_eq!((Tested::of(core).text().as_str(), Tested::of(core).by_all()), ("- / 57x", Some(57)));
    }
}
