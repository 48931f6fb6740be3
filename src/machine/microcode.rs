//! Microcode judged: the 13th and 14th generation of Intel's desktop CPUs ages under voltages that only 0x12B and newer keep
//! it from asking for.

use super::Machine;

/// Family and model of those CPUs, `06-b7`. Their lesser siblings of other models count their revisions otherwise.
const AGEING: (u32, u32) = (6, 0xb7);
/// The first revision that stops all known causes.
const SOUND: u32 = 0x12b;

/// What is to be thought of a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Microcode {
    /// As old as it should not be.
    TooOld,
    /// 0x12B or newer.
    NewEnough,
}

impl Machine {
    /// Of CPUs whose microcode matters, and that tell it.
    pub fn microcode_judged(&self) -> Option<Microcode> {
        // The same die in laptops, HX, does not age so.
        let concerned = self.vendor == "GenuineIntel"
            && (self.family?, self.model?) == AGEING
            && !self.cpu.split_whitespace().any(|word| word.ends_with("HX"));
        let revision = u32::from_str_radix(self.microcode.as_deref()?.strip_prefix("0x")?, 16).ok()?;
        concerned.then_some(if revision < SOUND { Microcode::TooOld } else { Microcode::NewEnough })
    }
}

impl Microcode {
    /// What to do about it, if anything.
    pub fn advice(self) -> Option<&'static str> {
        match self {
            Self::TooOld => Some(
                "older than 0x12B: on this generation a core may have aged by too high a voltage and be damaged rather than \
                 mis-set; update the BIOS",
            ),
            Self::NewEnough => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Root, read};

    #[test]
    fn only_the_generation_that_ages_is_judged() {
        let nothing = tempfile::tempdir().expect("a folder");
        let mut machine = read(&Root::at(nothing.path()), &[0]).expect("a machine");
        for (vendor, model, cpu, microcode, judged) in [
            ("GenuineIntel", 0xb7, "Intel(R) Core(TM) i9-14900K", "0x12a", Some(Microcode::TooOld)),
            ("GenuineIntel", 0xb7, "13th Gen Intel(R) Core(TM) i5-13600K", "0x10e", Some(Microcode::TooOld)),
            ("GenuineIntel", 0xb7, "Intel(R) Core(TM) i9-14900K", "0x12b", Some(Microcode::NewEnough)),
            ("GenuineIntel", 0xb7, "Intel(R) Core(TM) i9-14900K", "0x12f", Some(Microcode::NewEnough)),
            ("GenuineIntel", 0xb7, "Intel(R) Core(TM) i9-14900HX", "0x11f", None),
            ("GenuineIntel", 0xbf, "Intel(R) Core(TM) i5-14400", "0x38", None),
            ("GenuineIntel", 0x97, "12th Gen Intel(R) Core(TM) i9-12900K", "0x37", None),
            ("GenuineIntel", 0xb7, "Intel(R) Core(TM) i9-14900K", "new", None),
            ("AuthenticAMD", 0xb7, "A CPU", "0x1", None),
        ] {
            let text = |text: &str| text.to_owned();
            (machine.vendor, machine.cpu, machine.microcode) = (text(vendor), text(cpu), Some(text(microcode)));
            (machine.family, machine.model) = (Some(6), Some(model));
            assert_eq!(machine.microcode_judged(), judged, "{cpu} {microcode}");
        }
        machine.microcode = None;
        assert_eq!(machine.microcode_judged(), None);
    }
}
