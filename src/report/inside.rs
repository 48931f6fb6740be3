//! The clock inside blocks of work: where it was clearly lower than at their edges.

use serde::{Deserialize, Serialize};

use super::{Report, meaning, text::wrapped};
use crate::verdict::CoreOutcome;

/// So many blocks, and such a part of all, inside which the clock fell are no chance.
const FELL_MIN: u64 = 5;
const FELL_PART: u64 = 20;

/// How a core's clock inside blocks compared with the one at their edges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InsideReport {
    /// The instruction set of the blocks.
    pub isa: String,
    /// Blocks that were looked into.
    pub blocks: u64,
    /// Those of them inside which the clock was more than 3 % lower.
    pub fell: u64,
    /// The mean at their edges, MHz; null without any.
    pub edges_mhz: Option<u64>,
    /// The mean of the lowest inside, MHz; null without any.
    pub inside_mhz: Option<u64>,
}

/// Of a core.
pub fn of(own: &CoreOutcome) -> Vec<InsideReport> {
    let report = |(isa, inside): (&String, &crate::journal::record::Inside)| InsideReport {
        isa: isa.clone(),
        blocks: inside.blocks,
        fell: inside.fell,
        edges_mhz: inside.edges_mhz.checked_div(inside.fell),
        inside_mhz: inside.inside_mhz.checked_div(inside.fell),
    };
    own.inside.iter().map(report).collect()
}

/// ` P4 ran avx512 work at 54x, 60x at the edges of its blocks (in 40 of 90 blocks)`.
pub fn lines(report: &Report) -> String {
    let mut out = String::new();
    let times = |mhz: u64| (mhz as f64 / report.machine.bclk_mhz).round();
    for core in &report.cores {
        for InsideReport { isa, blocks, fell, edges_mhz, inside_mhz } in &core.inside {
            let (Some(edges), Some(inside)) = (edges_mhz, inside_mhz) else { continue };
            if *fell >= FELL_MIN && fell.saturating_mul(FELL_PART) >= *blocks {
                let text = format!(
                    " {} ran {isa} work at {}x, {}x at the edges of its blocks (in {fell} of {blocks} blocks)",
                    meaning::short(report, core),
                    times(*inside),
                    times(*edges)
                );
                out += &format!("{}\n", wrapped(&text, "   "));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::record::Inside;

    #[test]
    fn a_clock_that_fell_inside_several_blocks_is_said_and_a_chance_one_is_not() {
        let inside = |blocks, fell| {
            let mut own = CoreOutcome::default();
            let sums = Inside { blocks, fell, edges_mhz: fell * 6000, inside_mhz: fell * 5400 };
            own.inside.insert("avx512".into(), sums);
            of(&own)
        };
        let mut report = super::super::tests::report(3, |_| vec![]);
        report.cores[0].inside = inside(90, 40);
        report.cores[1].inside = inside(90, 4);
        report.cores[2].inside = inside(900, 44);
        assert_eq!(lines(&report), " C0 ran avx512 work at 54x, 60x at the edges of its blocks (in 40 of 90 blocks)\n");
        let none = inside(7, 0).remove(0);
        assert_eq!((none.edges_mhz, none.inside_mhz), (None, None));
    }
}
