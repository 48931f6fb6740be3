//! Cores that may reach the same multiplier: what the run will have to prove, in the words of people.

use super::{Kind, Machine, rated::Source};

/// Cores with one top multiplier.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Group {
    /// Top clock over base clock; null where nobody tells the top.
    pub multiplier: Option<u32>,
    /// False for a guess.
    pub known: bool,
    /// Who says so.
    pub source: Option<Source>,
    /// Indexes of the cores, ascending.
    pub cores: Vec<u32>,
}

impl Machine {
    /// A clock as a multiplier.
    pub fn multiplier(&self, mhz: f64) -> u32 {
        (mhz / self.bclk_mhz).round() as u32
    }

    /// Cores by their top multiplier, highest first; those without one last.
    pub fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for core in &self.cores {
            let multiplier = core.top_mhz.map(|top| self.multiplier(top.mhz));
            let (known, source) = (core.top_mhz.is_some_and(|top| top.known), core.top_mhz.map(|top| top.source));
            match groups.iter_mut().find(|group| group.multiplier == multiplier) {
                Some(group) => {
                    group.cores.push(core.core);
                    group.known &= known;
                    // The least trustworthy speaks for all.
                    group.source = group.source.max(source);
                }
                None => groups.push(Group { multiplier, known, source, cores: vec![core.core] }),
            }
        }
        groups.sort_by_key(|group| std::cmp::Reverse(group.multiplier));
        groups
    }

    /// `60x P4 P5   57x P0-P3 P6 P7   44x E0-E15   (firmware's word, not yet seen)`; `None` if nobody tells any top.
    pub fn groups_line(&self) -> Option<String> {
        let groups = self.groups();
        let source = groups.iter().filter_map(|group| group.source).max()?;
        let parts: Vec<String> = groups
            .iter()
            .map(|group| {
                let at = group.multiplier.map_or_else(|| "?".to_owned(), |multiplier| format!("{multiplier}x"));
                format!("{at} {}", self.names(&group.cores))
            })
            .collect();
        Some(format!("{}   ({}, not yet seen)", parts.join("   "), source.trust()))
    }

    /// `P4 P5: 60x; the other P-cores 57x; E-cores 44x`; `None` if nobody tells any top.
    pub fn groups_sentence(&self) -> Option<String> {
        let groups = self.groups();
        groups.first()?.multiplier?;
        let mut told: Vec<u32> = Vec::new();
        let mut parts = Vec::new();
        for group in &groups {
            let who = self.who(&group.cores, &told);
            let at = group.multiplier.map_or_else(|| "unknown".to_owned(), |multiplier| format!("{multiplier}x"));
            let colon = if parts.is_empty() { ":" } else { "" };
            parts.push(format!("{who}{colon} {at}"));
            told.extend(&group.cores);
        }
        Some(parts.join("; "))
    }

    /// The cores by what they have in common, or by name.
    fn who(&self, cores: &[u32], told: &[u32]) -> String {
        if cores.len() == self.cores.len() {
            return "all cores".into();
        }
        let kind = |core: u32| self.cores.get(core as usize).map_or(Kind::Unknown, |core| core.kind);
        let first = kind(cores[0]);
        let rest = self.cores.iter().filter(|core| core.kind == first && !told.contains(&core.core)).count();
        if cores.iter().any(|&core| kind(core) != first) || cores.len() < rest {
            return self.names(cores);
        }
        let name = match first {
            Kind::Performance => "P-cores",
            Kind::Efficiency => "E-cores",
            Kind::Unknown => "cores",
        };
        let others = told.iter().any(|&core| kind(core) == first);
        if others { format!("the other {name}") } else { name.to_owned() }
    }

    /// Short names of cores, runs of three and more as ranges: `P0-P3 P6 P7`.
    pub fn names(&self, cores: &[u32]) -> String {
        let short = |core: &u32| {
            self.cores.get(*core as usize).map_or_else(|| format!("core {core}"), |core| core.short.clone())
        };
        name_ranges(&cores.iter().map(short).collect::<Vec<_>>())
    }
}

/// Names that end in a number, runs of three and more as ranges.
pub fn name_ranges(names: &[String]) -> String {
    let split = |name: &str| -> Option<(String, u32)> {
        let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
        Some((letters.to_owned(), name[letters.len()..].parse().ok()?))
    };
    let follows = |a: &String, b: &String| match (split(a), split(b)) {
        (Some((letters, number)), Some((other, next))) => letters == other && number.checked_add(1) == Some(next),
        _ => false,
    };
    let runs = names.chunk_by(follows).map(|run| match run {
        [first, _, .., last] => format!("{first}-{last}"),
        _ => run.join(" "),
    });
    runs.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{RatedClock, Root, read};

    fn machine(tops: &[(Kind, Option<f64>, Source)]) -> Machine {
        let nothing = tempfile::tempdir().expect("a folder");
        let cpus: Vec<u32> = (0..tops.len() as u32).collect();
        let mut machine = read(&Root::at(nothing.path()), &cpus).expect("a machine");
        for (core, &(kind, mhz, source)) in machine.cores.iter_mut().zip(tops) {
            core.kind = kind;
            core.top_mhz = mhz.map(|mhz| RatedClock { mhz, known: source.rank() == 0, source });
        }
        crate::machine::labels::give(&mut machine.cores, "", &[], true);
        machine
    }

    #[test]
    fn cores_are_told_by_what_they_have_in_common() {
        let guess = Source::CpuinfoMaxFreq;
        let large = |mhz| (Kind::Performance, Some(mhz), guess);
        let small = (Kind::Efficiency, Some(4400.0), guess);
        for (tops, sentence, line) in [
            (
                vec![large(5700.0), large(5700.0), large(6000.0), large(5700.0), small, small, small],
                "P2: 60x; the other P-cores 57x; E-cores 44x",
                "60x P2   57x P0 P1 P3   44x E0-E2   (firmware's word, not yet seen)",
            ),
            (vec![large(5749.0), large(5651.0)], "all cores: 57x", "57x P0 P1   (firmware's word, not yet seen)"),
            (
                vec![(Kind::Unknown, None, guess), (Kind::Unknown, Some(5000.0), Source::Cpuid)],
                "C1: 50x; the other cores unknown",
                "50x C1   ? C0   (a guess, not yet seen)",
            ),
            (
                vec![(Kind::Unknown, Some(5000.0), Source::TurboRatioLimits)],
                "all cores: 50x",
                "50x C0   (known, not yet seen)",
            ),
        ] {
            let machine = machine(&tops);
            assert_eq!(machine.groups_sentence().as_deref(), Some(sentence));
            assert_eq!(machine.groups_line().as_deref(), Some(line));
        }
        let untold = machine(&[(Kind::Unknown, None, guess)]);
        assert_eq!((untold.groups_sentence(), untold.groups_line()), (None, None));
    }

    #[test]
    fn only_runs_of_names_become_ranges() {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (text, ranges) in [
            ("P0 P1 P2 P3 P6 P7", "P0-P3 P6 P7"),
            ("P7 E8", "P7 E8"),
            ("C9 C10 C11", "C9-C11"),
            ("C1 C0", "C1 C0"),
            ("x", "x"),
        ] {
            assert_eq!(name_ranges(&names(text)), ranges);
        }
        assert_eq!(name_ranges(&[]), "");
    }
}
