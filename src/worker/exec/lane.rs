//! One pinned thread that runs the program again and again, and says what each run gave. Where the program is to go from core to core,
//! each run begins on the next of several CPUs, and is moved on from there by the [`Guard`].

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{AcqRel, Relaxed},
        },
        mpsc::Receiver,
    },
    thread,
    time::Duration,
};

use super::{
    guard::{ASTRAY, Guard},
    once::{keep, once},
    outputs::Places,
};
use crate::{
    machine::clock,
    plan::Program,
    platform,
    verdict::command::End,
    worker::{
        process::Outbox,
        protocol::{FromWorker, Ran, Runs},
        slot::Slot,
    },
};

/// So often in a row the system may refuse to start the program, and the wait after each time.
const REFUSALS_MAX: u32 = 3;
const BETWEEN_REFUSALS: Duration = Duration::from_millis(300);

/// Runs that all lanes of a worker share.
pub struct Shift {
    /// What to do.
    pub runs: Runs,
    /// Lanes that are not done.
    pub working: AtomicUsize,
    /// No more runs are begun.
    pub pause: AtomicBool,
}

/// A lane.
pub struct Lane {
    /// Where runs begin, by turns; one alone unless the program goes from core to core.
    pub cpus: Vec<u32>,
    pub slot: Slot<'static>,
    pub outbox: Arc<Outbox>,
    pub program: Arc<Program>,
    /// The run's folder.
    pub folder: PathBuf,
    pub guard: Arc<Guard>,
}

impl Lane {
    /// Works for ever.
    pub fn serve(self, shifts: Receiver<Arc<Shift>>) {
        let mut number = 0;
        for shift in shifts {
            self.work(&shift, &mut number);
            if shift.working.fetch_sub(1, AcqRel) == 1 {
                self.outbox.send(&FromWorker::RunsDone { ticket: shift.runs.ticket });
            }
        }
    }

    fn work(&self, shift: &Shift, number: &mut u64) {
        let (mut done, mut refusals, mut took_ns) = (0, 0, 0);
        // A run that would end more than half of its time too late is not begun; one there is at least.
        let is_due = |done: u32, took_ns: u64| match shift.runs.times {
            Some(times) => done < times,
            None => done == 0 || platform::monotonic_ns() + took_ns / 2 < shift.runs.deadline_ns,
        };
        while is_due(done, took_ns) && !shift.pause.load(Relaxed) {
            *number += 1;
            match self.run(&shift.runs, *number) {
                Ok(Some(ran)) => {
                    (refusals, took_ns) = (0, ran.wall_ns);
                    done += 1;
                    // It would hang again, and that takes its time.
                    let enough = shift.runs.again && ran.result.end == End::Hung;
                    self.outbox.send(&FromWorker::Ran(Box::new(ran)));
                    if enough {
                        return;
                    }
                }
                Ok(None) => {
                    self.outbox.send(&FromWorker::Strayed { cpu: self.home(*number) });
                    return;
                }
                Err(error) => {
                    refusals += 1;
                    if refusals == REFUSALS_MAX {
                        let why = format!("the program could not be run: {error}");
                        self.outbox.send(&FromWorker::Failed { why, cpus_gone: false });
                        return;
                    }
                    thread::sleep(BETWEEN_REFUSALS);
                }
            }
        }
    }

    fn home(&self, number: u64) -> u32 {
        self.cpus[(number % self.cpus.len() as u64) as usize]
    }

    /// One run; `None` if this thread is not where it was pinned to.
    fn run(&self, runs: &Runs, number: u64) -> io::Result<Option<Ran>> {
        let home = self.home(number);
        if self.cpus.len() > 1 && platform::pin_thread(&[home]).is_err() {
            return Ok(None);
        }
        let at_home = || platform::thread_affinity().is_ok_and(|cpus| cpus == [home]);
        if !at_home() {
            return Ok(None);
        }
        let places = Places::make(&self.folder, &format!("{home:04}-{}-{number}", std::process::id()))?;
        let own_from = platform::thread_cpu_ns();
        let before = clock::measure();
        let mut after = None;
        let alive = || self.slot.step();
        let limits = (&*self.guard, runs.limits);
        let once = once(&self.program, &places, limits, || after = clock::measure(), alive)?;
        if Some(once.result.digest()) != runs.expected {
            keep(&self.program, &places, &once.result);
        }
        Ok(at_home().then(|| Ran {
            ticket: runs.ticket,
            cpu: home,
            stays: stays(home, &once.been, once.span_ns),
            affinity: once.affinity,
            cpu_ns: once.cpu_ns,
            own_ns: platform::thread_cpu_ns().saturating_sub(own_from),
            check_ns: once.check_ns,
            wall_ns: once.wall_ns,
            bytes: once.bytes,
            clock_mhz: [before, after],
            at_ns: platform::monotonic_ns(),
            last_words: once.last_words,
            result: once.result,
        }))
    }
}

/// How long a run was on each CPU, ns: from its start on `home`, then where it was moved to. Time astray is no CPU's.
fn stays(home: u32, been: &[(u32, u64)], [began_ns, ended_ns]: [u64; 2]) -> Vec<(u32, u64)> {
    let mut stays: Vec<(u32, u64)> = Vec::new();
    let arrivals = || [(home, began_ns)].into_iter().chain(been.iter().copied());
    let departures = been.iter().map(|&(_, at_ns)| at_ns).chain([ended_ns]);
    for ((cpu, from_ns), to_ns) in arrivals().zip(departures).filter(|&((cpu, _), _)| cpu != ASTRAY) {
        let ns = to_ns.saturating_sub(from_ns);
        match stays.iter_mut().find(|(other, _)| *other == cpu) {
            Some((_, sum)) => *sum += ns,
            None => stays.push((cpu, ns)),
        }
    }
    stays
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_on_a_cpu_are_added_up() {
        assert_eq!(stays(3, &[], [10, 25]), [(3, 15)]);
        assert_eq!(stays(3, &[(5, 12), (3, 15), (5, 20)], [10, 25]), [(3, 7), (5, 8)]);
        assert_eq!(stays(3, &[(5, 25)], [10, 25]), [(3, 15), (5, 0)], "it may have been there");
        let failed = [(5, 12), (ASTRAY, 12), (3, 20)];
        assert_eq!(stays(3, &failed, [10, 25]), [(3, 7), (5, 0)], "nobody knows where it was from 12 to 20");
    }
}
