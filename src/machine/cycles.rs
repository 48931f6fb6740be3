//! Cycles as the CPU itself counts them, held against the chain that the clock is measured by. Where the two differ it is said; no
//! verdict hangs on it.

use std::io;

use oddcore_kernels::chain;

use super::{Core, Root};
use crate::platform;

/// Pairs of the chain's operations that are counted, and of a shorter one: what reading the counter takes falls out of the
/// difference.
const PAIRS: (u64, u64) = (24_000, 120_000);
/// Windows of each; the shortest count, for whatever disturbs adds to them.
const WINDOWS: usize = 3;
/// How far a count may be from the chain's cycles.
const TOLERANCE: f64 = 0.02;
/// Cycles that the core was awake for, at whatever clock; halts left out.
const APERF: u32 = 0xe8;
/// The kernel's error where a CPU has no such event.
const NO_SUCH_EVENT: i32 = 2;

/// Something that counts cycles of the CPU that this thread is on.
trait Counter {
    /// For people.
    const NAME: &'static str;
    /// How many so far.
    fn count(&mut self) -> io::Result<u64>;
}

impl Counter for platform::CycleCounter {
    const NAME: &'static str = "perf cycles";

    fn count(&mut self) -> io::Result<u64> {
        Self::count(self)
    }
}

/// The model-specific register of a CPU.
struct Aperf<'a> {
    root: &'a Root,
    cpu: u32,
}

impl Counter for Aperf<'_> {
    const NAME: &'static str = "APERF";

    fn count(&mut self) -> io::Result<u64> {
        self.root.msr(self.cpu, APERF).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// How many cycles were counted for each that the chain takes.
fn per_cycle<C: Counter>(counter: &mut C, mut chain: impl FnMut(u64)) -> io::Result<f64> {
    let mut best = |pairs| -> io::Result<u64> {
        let mut best = u64::MAX;
        for _ in 0..WINDOWS {
            let before = counter.count()?;
            chain(pairs);
            // The register may come to its end meanwhile.
            best = best.min(counter.count()?.wrapping_sub(before));
        }
        Ok(best)
    };
    let (short, long) = (best(PAIRS.0)?, best(PAIRS.1)?);
    Ok(long.saturating_sub(short) as f64 / (2 * (PAIRS.1 - PAIRS.0)) as f64)
}

/// What came of holding a counter against the chain on some cores.
#[derive(Debug, Default, PartialEq)]
struct Held {
    /// Whether it counted anywhere.
    counts: bool,
    /// Cores where it differs, and what it counted for each cycle.
    differ: Vec<(String, f64)>,
}

impl Held {
    fn add(&mut self, label: &str, per_cycle: f64) {
        // Nothing at all is counted by the counters of another kind of core.
        self.counts |= per_cycle > 0.0;
        if per_cycle > 0.0 && (per_cycle - 1.0).abs() > TOLERANCE {
            self.differ.push((label.to_owned(), per_cycle));
        }
    }

    fn notes(&self, name: &str) -> Vec<String> {
        let note = |(label, per_cycle): &(String, f64)| {
            format!(
                "{label}: {name} counts {per_cycle:.2} cycles for each that the clock's chain is taken for: one of them is wrong"
            )
        };
        self.differ.iter().map(note).collect()
    }
}

/// Holds the CPU's own counters against the chain on each core, by a thread that is pinned to it. Counters that can be read are
/// added to `sensors`, where they differ to `notes`, and those that cannot be read to `missing`.
pub fn hold_against_chain(
    root: &Root,
    cores: &[Core],
    virtual_machine: bool,
    sensors: &mut Vec<String>,
    notes: &mut Vec<String>,
    missing: &mut Vec<String>,
) {
    if !chain::KNOWN_CYCLES {
        return;
    }
    let run = |pairs| {
        std::hint::black_box(chain::add_xor(pairs, 0x9e37_79b9, 0x85eb_ca6b));
    };
    let hold = || {
        let (mut perf, mut aperf) = (Ok(Held::default()), Ok(Held::default()));
        for core in cores {
            let Some(cpu) = core.testable.first().copied().filter(|&cpu| platform::pin_thread(&[cpu]).is_ok()) else {
                continue;
            };
            let take = |held: &mut io::Result<Held>, counted: &mut dyn FnMut() -> io::Result<f64>| {
                if let Ok(sums) = held {
                    match counted() {
                        Ok(per_cycle) => sums.add(&core.label, per_cycle),
                        Err(error) => *held = Err(error),
                    }
                }
            };
            take(&mut perf, &mut || per_cycle(&mut platform::CycleCounter::open()?, run));
            take(&mut aperf, &mut || per_cycle(&mut Aperf { root, cpu }, run));
        }
        (perf, aperf)
    };
    let Ok((perf, aperf)) = std::thread::scope(|scope| scope.spawn(hold).join()) else { return };
    let mut tell = |name: &str, held: io::Result<Held>, why: &dyn Fn(&io::Error) -> String| match held {
        Ok(held) if held.counts => {
            sensors.push(name.to_owned());
            notes.extend(held.notes(name));
        }
        Ok(_) => missing.push(format!("{name}: the counter stands still")),
        Err(error) => missing.push(format!("{name}: {}", why(&error))),
    };
    tell(platform::CycleCounter::NAME, perf, &|error| why_no_perf(error, virtual_machine));
    tell(Aperf::NAME, aperf, &|_| "/dev/cpu/*/msr takes root and `modprobe msr`".into());
}

fn why_no_perf(error: &io::Error, virtual_machine: bool) -> String {
    match error.raw_os_error() {
        Some(NO_SUCH_EVENT) if virtual_machine => "no counters in this virtual machine".into(),
        Some(NO_SUCH_EVENT) => "this CPU has no counters that the kernel knows".into(),
        _ if error.kind() == io::ErrorKind::PermissionDenied => {
            "takes root, or kernel.perf_event_paranoid at 2 or lower".into()
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use super::*;

    /// A counter of a played core: what the chain takes, what a reading takes, and now and then an interrupt.
    struct Played {
        cycles: Rc<Cell<u64>>,
        readings: u64,
    }

    impl Counter for Played {
        const NAME: &'static str = "played";

        fn count(&mut self) -> io::Result<u64> {
            self.readings += 1;
            let interrupt = if self.readings % 5 == 1 { 1_000_000 } else { 0 };
            self.cycles.set(self.cycles.get().wrapping_add(9_000 + interrupt));
            Ok(self.cycles.get())
        }
    }

    fn counted(per_pair: f64, start: u64) -> f64 {
        let cycles = Rc::new(Cell::new(start));
        let mut counter = Played { cycles: Rc::clone(&cycles), readings: 0 };
        per_cycle(&mut counter, |pairs| cycles.set(cycles.get().wrapping_add((pairs as f64 * per_pair) as u64)))
            .expect("it counts")
    }

    #[test]
    fn a_counter_is_held_against_the_chain() {
        for start in [0, u64::MAX - 500_000] {
            for (per_pair, expected) in [(2.0, 1.0), (2.2, 1.1), (1.0, 0.5)] {
                let counted = counted(per_pair, start);
                assert!((counted - expected).abs() < 1e-4, "{per_pair}: {counted}");
            }
        }
    }

    #[test]
    fn what_differs_is_said_and_what_stands_still_is_no_counter() {
        let mut held = Held::default();
        held.add("E0", 0.0);
        assert_eq!(held, Held::default());
        [("P0", 1.0), ("P1", 1.019), ("P2", 0.94)].into_iter().for_each(|(label, counted)| held.add(label, counted));
        assert!(held.counts);
        let notes = held.notes("APERF");
        assert_eq!(notes.len(), 1);
        assert!(notes[0].starts_with("P2: APERF counts 0.94 cycles for each"), "{notes:?}");
    }

    #[test]
    fn why_it_cannot_be_read_is_told() {
        let error = io::Error::from_raw_os_error(NO_SUCH_EVENT);
        assert_eq!(why_no_perf(&error, true), "no counters in this virtual machine");
        assert!(why_no_perf(&error, false).contains("this CPU"));
        assert!(why_no_perf(&io::ErrorKind::PermissionDenied.into(), false).contains("perf_event_paranoid"));
        assert!(!why_no_perf(&io::ErrorKind::Unsupported.into(), false).is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn here_counters_are_read_or_it_is_said_why_not() {
        let allowed = platform::thread_affinity().expect("readable");
        let machine = crate::machine::read(&Root::real(), &allowed).expect("a machine");
        if !chain::KNOWN_CYCLES {
            return;
        }
        for name in [platform::CycleCounter::NAME, Aperf::NAME] {
            let read = machine.sensors.iter().any(|sensor| sensor == name);
            let told = machine.missing.iter().any(|missing| missing.starts_with(&format!("{name}: ")));
            assert!(read != told, "{name}: {:?} {:?}", machine.sensors, machine.missing);
        }
    }
}
