//! Instructions of known throughput: how many multiply-adds of whole vectors a core starts each cycle, by its design and as
//! measured. Where both are known they vouch for the clock that the chain gives.

use super::{Core, Kind, Machine};

impl Machine {
    /// How many multiply-adds of 8 or 16 lanes of 32 bits that core starts each cycle by its design; `None` where nobody here knows.
    pub fn products_per_cycle(&self, core: &Core, lanes: u64) -> Option<u32> {
        let (family, model) = (self.family?, self.model?);
        match self.vendor.as_str() {
            "AuthenticAMD" => amd(family, model, lanes),
            "GenuineIntel" if family == 6 => intel(model, core.kind, lanes, self.virtual_machine),
            _ => None,
        }
    }
}

/// Zen 1 has 128-bit units, Zen 4 runs 512 bits in two halves; of Zen 5 there are parts of either kind.
fn amd(family: u32, model: u32, lanes: u64) -> Option<u32> {
    let is_zen_4 = matches!(model, 0x10..=0x1f | 0x60..=0x7f | 0xa0..=0xaf);
    match (family, lanes) {
        (0x17, 8) => Some(if model < 0x30 { 1 } else { 2 }),
        (0x19, 8) => Some(2),
        (0x19, 16) if is_zen_4 => Some(1),
        (0x1a, 8) => Some(2),
        _ => None,
    }
}

/// Large cores since Haswell start two of 256 bits. Of 512 bits client parts start one; which servers start two depends on the
/// product, and there are hypervisors that give servers a client's number. What small cores start differs by generation.
fn intel(model: u32, kind: Kind, lanes: u64, virtual_machine: bool) -> Option<u32> {
    /// Haswell, Broadwell, Skylake to Comet Lake.
    const OLDER: [u32; 13] = [0x3c, 0x45, 0x46, 0x3d, 0x47, 0x4e, 0x5e, 0x8e, 0x9e, 0xa5, 0xa6, 0x3f, 0x4f];
    /// Ice Lake, Tiger Lake and Rocket Lake.
    const CLIENT_512: [u32; 5] = [0x7d, 0x7e, 0x8c, 0x8d, 0xa7];
    /// Alder Lake, Raptor Lake, Meteor Lake, Arrow Lake, Lunar Lake.
    const HYBRID: [u32; 10] = [0x97, 0x9a, 0xb7, 0xba, 0xbf, 0xaa, 0xac, 0xc5, 0xc6, 0xbd];
    match lanes {
        8 if OLDER.contains(&model) || CLIENT_512.contains(&model) => Some(2),
        8 if HYBRID.contains(&model) && kind == Kind::Performance => Some(2),
        16 if CLIENT_512.contains(&model) && !virtual_machine => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use oddcore_kernels::{Isa, chain::beside};

    use super::*;
    use crate::{
        machine::{Root, clock, read},
        platform,
    };

    #[test]
    fn designs_are_told_apart() {
        for (vendor, family, model, kind, lanes, expected) in [
            ("GenuineIntel", 6, 0xb7, Kind::Performance, 8, Some(2)),
            ("GenuineIntel", 6, 0xb7, Kind::Efficiency, 8, None),
            ("GenuineIntel", 6, 0xb7, Kind::Performance, 16, None),
            ("GenuineIntel", 6, 0xa7, Kind::Unknown, 16, Some(1)),
            ("GenuineIntel", 6, 0x8f, Kind::Unknown, 16, None),
            ("AuthenticAMD", 0x19, 0x61, Kind::Unknown, 16, Some(1)),
            ("AuthenticAMD", 0x19, 0x21, Kind::Unknown, 16, None),
            ("AuthenticAMD", 0x17, 0x01, Kind::Unknown, 8, Some(1)),
            ("AuthenticAMD", 0x1a, 0x44, Kind::Unknown, 8, Some(2)),
            ("HygonGenuine", 0x18, 0x01, Kind::Unknown, 8, None),
        ] {
            let nothing = tempfile::tempdir().expect("a folder");
            let mut machine = read(&Root::at(nothing.path()), &[0]).expect("a machine");
            assert_eq!(machine.products_per_cycle(&machine.cores[0], lanes), None, "nothing is told");
            (machine.vendor, machine.family, machine.model) = (vendor.into(), Some(family), Some(model));
            machine.cores[0].kind = kind;
            let told = machine.products_per_cycle(&machine.cores[0], lanes);
            assert_eq!(told, expected, "{vendor} {family:#x} {model:#x} {kind:?} {lanes}");
            machine.virtual_machine = true;
            let told = machine.products_per_cycle(&machine.cores[0], lanes);
            let believed = expected.filter(|_| (vendor, lanes) != ("GenuineIntel", 16));
            assert_eq!(told, believed, "{vendor} {family:#x} {model:#x} {kind:?} {lanes} in a virtual machine");
        }
    }

    /// The middle one of so many that were not disturbed, as far as one measurement can tell of itself.
    fn median(token: oddcore_kernels::Token) -> Option<f64> {
        let mut measured: Vec<f64> = (0..50).filter_map(|_| clock::products_per_cycle(token)).take(9).collect();
        measured.sort_unstable_by(f64::total_cmp);
        measured.get(measured.len() / 2).copied()
    }

    /// Held where the design is known; where it is not, or something disturbs at every try, it is said that it was not. What
    /// shares the core (a host's other machines) takes its multipliers now and then for longer than one try, and in a virtual
    /// machine all the time perhaps: there fewer than by design prove nothing, and more would.
    #[test]
    fn the_chain_agrees_with_instructions_of_known_throughput() {
        let allowed = platform::thread_affinity().expect("readable");
        let machine = read(&Root::real(), &allowed).expect("a machine");
        for core in &machine.cores {
            let (Some(&cpu), isas) = (core.testable.first(), [Isa::Avx2Fma, Isa::Avx512F]) else { continue };
            let tokens: Vec<_> = isas.iter().filter_map(|isa| isa.token()).collect();
            let measured = std::thread::spawn(move || {
                platform::pin_thread(&[cpu]).expect("allowed");
                let tries = |token| (0..5).filter_map(|_| median(token)).collect::<Vec<_>>();
                tokens.into_iter().map(|token| (beside::lanes(token), tries(token))).collect::<Vec<_>>()
            });
            for (lanes, measured) in measured.join().expect("no panic") {
                let expected = lanes.and_then(|lanes| machine.products_per_cycle(core, lanes));
                let off = |measured: &f64| (measured - f64::from(expected.unwrap_or_default())).abs();
                let measured = measured.into_iter().min_by(|a, b| off(a).total_cmp(&off(b)));
                match (measured, expected) {
                    (Some(measured), Some(expected)) => {
                        let ratio = measured / f64::from(expected);
                        if machine.virtual_machine && (0.5..0.98).contains(&ratio) {
                            println!(
                                "skipped on {}, {lanes:?} lanes: others take of {expected}: {measured:.3}",
                                core.label
                            );
                            continue;
                        }
                        assert!((ratio - 1.0).abs() <= 0.02, "{}, {lanes:?} lanes: {measured}", core.label);
                        println!("{}, {lanes:?} lanes: {measured:.3} a cycle, {expected} by design", core.label);
                    }
                    other => println!("skipped on {}, {lanes:?} lanes: (measured, expected) = {other:?}", core.label),
                }
            }
        }
    }
}
