//! Clocks as Windows counts them, held against the chain that the clock is measured by. Where the two differ it is said; no verdict
//! hangs on it.

use super::{Core, Machine};

/// The counter, a percentage of the base clock, while a CPU is not idle.
pub const COUNTER: &str = "% Processor Performance";
/// How far the two may be apart: they are means over other moments of the same work, and the base is told in whole MHz.
const TOLERANCE: f64 = 0.03;
/// CPUs of a group.
const GROUP: u32 = 64;

/// The CPU of an instance of the counter, as in `1,5`; `None` for sums.
fn cpu_of(instance: &str) -> Option<u32> {
    let (group, number) = instance.split_once(',')?;
    let number = number.trim().parse::<u32>().ok().filter(|&number| number < GROUP)?;
    group.trim().parse::<u32>().ok()?.checked_mul(GROUP)?.checked_add(number)
}

/// Adds to `machine` what came of it: `counted` are instances and what they tell, or why there are none; `chain_mhz` are CPUs
/// and their clocks by the chain meanwhile.
pub fn hold_against_chain(
    machine: &mut Machine,
    counted: Result<Vec<(String, f64)>, String>,
    chain_mhz: &[(u32, f64)],
) {
    let counted = match counted {
        Ok(counted) if !machine.virtual_machine => counted,
        Ok(_) => {
            let why = "in a virtual machine it tells the base clock, whatever the real one is";
            return machine.missing.push(format!("{COUNTER}: {why}"));
        }
        Err(why) => return machine.missing.push(format!("{COUNTER}: {why}")),
    };
    let both = |core: &Core| {
        let &(cpu, chain) = chain_mhz.iter().find(|(cpu, _)| core.cpus.contains(cpu))?;
        let &(_, percent) = counted.iter().find(|(name, _)| cpu_of(name) == Some(cpu))?;
        let mhz = percent / 100.0 * core.base_mhz?.mhz;
        (mhz.is_finite() && mhz > 0.0 && chain > 0.0).then_some((mhz, chain))
    };
    let held: Vec<(&Core, f64, f64)> =
        machine.cores.iter().filter_map(|core| both(core).map(|(mhz, chain)| (core, mhz, chain))).collect();
    if held.is_empty() {
        return machine.missing.push(format!("{COUNTER}: the counter stands still"));
    }
    let apart = held.iter().filter(|(_, mhz, chain)| (mhz / chain - 1.0).abs() > TOLERANCE);
    let notes = apart.map(|(core, mhz, chain)| {
        let label = &core.label;
        format!("{label}: {COUNTER} tells {mhz:.0} MHz, the clock's chain {chain:.0}: one of them is wrong")
    });
    machine.notes.extend(notes.collect::<Vec<_>>());
    machine.sensors.push(COUNTER.to_owned());
}

/// Keeps one CPU of each core busy with the chain while Windows counts.
#[cfg(windows)]
pub fn survey(machine: &mut Machine) {
    use std::{
        sync::atomic::{AtomicBool, Ordering::Relaxed},
        thread,
        time::Duration,
    };

    use super::clock;
    use crate::platform::{self, PerformanceCounter};

    /// Windows itself looks at the CPUs' own counters every few hundredths of a second.
    const LONG_ENOUGH: Duration = Duration::from_millis(300);

    let counter = match PerformanceCounter::open(&format!(r"\Processor Information(*)\{COUNTER}")) {
        Ok(counter) => counter,
        Err(error) => return hold_against_chain(machine, Err(error.to_string()), &[]),
    };
    let is_over = AtomicBool::new(false);
    let measure = |cpu: u32| {
        platform::pin_thread(&[cpu]).ok()?;
        let mut clocks = Vec::new();
        while !is_over.load(Relaxed) {
            clocks.extend(clock::measure());
        }
        clocks.sort_by(f64::total_cmp);
        clocks.get(clocks.len() / 2).map(|&mhz| (cpu, mhz))
    };
    let cpus: Vec<u32> = machine.cores.iter().filter_map(|core| core.testable.first().copied()).collect();
    let (counted, chain_mhz) = thread::scope(|scope| {
        let at_work: Vec<_> = cpus.into_iter().map(|cpu| scope.spawn(move || measure(cpu))).collect();
        let counted = counter.collect().and_then(|()| {
            thread::sleep(LONG_ENOUGH);
            counter.collect()?;
            counter.values()
        });
        is_over.store(true, Relaxed);
        let clocks = at_work.into_iter().filter_map(|thread| thread.join().ok().flatten());
        (counted.map_err(|error| error.to_string()), clocks.collect::<Vec<_>>())
    });
    hold_against_chain(machine, counted, &chain_mhz);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{RatedClock, Root, Source};

    fn machine() -> Machine {
        let folder = tempfile::tempdir().expect("a folder");
        let mut machine = crate::machine::read(&Root::at(folder.path()), &[0, 1, 2]).expect("a machine");
        machine.virtual_machine = false;
        (machine.missing, machine.notes) = Default::default();
        for (core, mhz) in machine.cores.iter_mut().zip([3200.0, 3200.0, 2400.0]) {
            core.base_mhz = Some(RatedClock { mhz, known: false, source: Source::Registry });
        }
        machine
    }

    fn counted(told: &[(&str, f64)]) -> Result<Vec<(String, f64)>, String> {
        Ok(told.iter().map(|&(name, percent)| (name.to_owned(), percent)).collect())
    }

    #[test]
    fn instances_are_cpus_of_groups() {
        assert_eq!([cpu_of("0,0"), cpu_of("0,13"), cpu_of("1,5")], [Some(0), Some(13), Some(69)]);
        for sum in ["_Total", "0,_Total", "", "0,64", "x,1", "99999999999,1", "4294967295,1"] {
            assert_eq!(cpu_of(sum), None, "{sum}");
        }
    }

    #[test]
    fn percentages_are_of_the_base_and_what_differs_is_said() {
        let mut machine = machine();
        let told = [("0,0", 187.5), ("0,1", 178.0), ("0,2", 178.0), ("0,_Total", 180.0), ("_Total", 180.0)];
        hold_against_chain(&mut machine, counted(&told), &[(0, 6002.0), (1, 6001.0), (2, 4310.0)]);
        assert_eq!((machine.sensors.as_slice(), machine.missing.len()), (&[COUNTER.to_owned()][..], 0));
        let [note] = &machine.notes[..] else { panic!("{:?}", machine.notes) };
        assert!(note.contains("tells 5696 MHz, the clock's chain 6001: one of them is wrong"), "{note}");
        assert!(note.starts_with(&machine.cores[1].label), "{note}");
    }

    #[test]
    fn what_cannot_be_counted_is_missing_and_says_why() {
        let missing = |virtual_machine: bool, counted, chain: &[(u32, f64)]| {
            let mut machine = machine();
            machine.virtual_machine = virtual_machine;
            hold_against_chain(&mut machine, counted, chain);
            assert!(machine.sensors.is_empty() && machine.notes.is_empty());
            assert_eq!(machine.missing.len(), 1);
            machine.missing.remove(0)
        };
        let chain = [(0, 4000.0)];
        assert_eq!(missing(false, Err("no such thing".into()), &[]), "% Processor Performance: no such thing");
        assert!(missing(true, counted(&[("0,0", 100.0)]), &chain).contains("virtual machine"));
        for told in [&[][..], &[("0,0", 0.0)], &[("0,0", f64::NAN)], &[("0,1", 100.0)], &[("_Total", 100.0)]] {
            assert!(missing(false, counted(told), &chain).ends_with("stands still"), "{told:?}");
        }
    }
}
