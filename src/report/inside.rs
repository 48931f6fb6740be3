//! The clock inside blocks of work: where it was clearly lower than at their edges.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use serde::{Deserialize, Serialize};

use super::{Report, text::wrapped};
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

/// What one instruction set's work did to the clocks of cores that had the same one at the edges of their blocks.
#[derive(Default)]
struct Fell {
    cores: Vec<u32>,
    inside: BTreeSet<u64>,
    fell: u64,
    blocks: u64,
}

/// ` P4 P5: the clock fell from 60x to 54x-55x inside avx512 work (in 80 of 180 blocks)`; a line for each multiplier at the
/// edges, highest first.
pub fn lines(report: &Report) -> String {
    let times = |mhz: u64| (mhz as f64 / report.machine.bclk_mhz).round() as u64;
    let mut alike: BTreeMap<(&str, Reverse<u64>), Fell> = BTreeMap::new();
    for core in &report.cores {
        for InsideReport { isa, blocks, fell, edges_mhz, inside_mhz } in &core.inside {
            let (Some(edges), Some(inside)) = (edges_mhz, inside_mhz) else { continue };
            if *fell >= FELL_MIN && fell.saturating_mul(FELL_PART) >= *blocks {
                let sum = alike.entry((isa, Reverse(times(*edges)))).or_default();
                sum.cores.push(core.core);
                sum.inside.insert(times(*inside));
                sum.fell = sum.fell.saturating_add(*fell);
                sum.blocks = sum.blocks.saturating_add(*blocks);
            }
        }
    }
    let mut out = String::new();
    for ((isa, Reverse(edges)), Fell { cores, inside, fell, blocks }) in alike {
        let names = report.machine.names(&cores);
        let inside = match (inside.first(), inside.last()) {
            (Some(least), Some(most)) if least < most => format!("{least}x-{most}x"),
            (least, _) => format!("{}x", least.unwrap_or(&edges)),
        };
        let text = format!(
            " {names}: the clock fell from {edges}x to {inside} inside {isa} work (in {fell} of {blocks} blocks)"
        );
        out += &format!("{}\n", wrapped(&text, "   "));
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
        assert_eq!(lines(&report), " C0: the clock fell from 60x to 54x inside avx512 work (in 40 of 90 blocks)\n");
        report.cores[1].inside = inside(60, 60);
        report.cores[1].inside[0].inside_mhz = Some(5530);
        let both = " C0 C1: the clock fell from 60x to 54x-55x inside avx512 work (in 100 of 150\n   blocks)\n";
        assert_eq!(lines(&report), both);
        report.cores[1].inside[0].edges_mhz = Some(5700);
        let each = lines(&report);
        assert!(
            each.starts_with(" C0: the clock fell from 60x to 54x")
                && each.contains("\n C1: the clock fell from 57x to 55x")
        );
        let none = inside(7, 0).remove(0);
        assert_eq!((none.edges_mhz, none.inside_mhz), (None, None));
    }
}
