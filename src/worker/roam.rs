//! A lane that is on no core for long: moved from core to core in the middle of its work, or left to the OS's scheduler.
//!
//! Architecture invariant: what it does counts for a core, and blames one, only where it surely was on that core from the
//! beginning of the call to the end of its check. Everything else is nobody's evidence, and has more than one suspect.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Acquire, Relaxed, SeqCst},
    },
};

use super::{
    account::{Account, Times},
    block::{BLOCK_NS, Done, Next, Wrong},
    chooser::Chooser,
    lane::{Duty, Lane, Shift, State, Strayed},
    pace::Limit,
    sealed::broken_sources,
};
use crate::{
    journal::record::{Evidence, EvidenceKey},
    machine::{clock, slip},
    plan::Load,
    platform,
    verdict::Class,
};

const US: u64 = 1_000;
/// How long the thread stays on a core: where it moves itself between calls, and where it is moved in the middle of them.
const LEG_NS: (u64, u64) = (1_000 * US, 8_000 * US);
const MOVED_NS: (u64, u64) = (300 * US, 4_000 * US);

/// Where the thread was at the beginning of an iteration.
#[derive(Clone, Copy, Default)]
struct Mark {
    cpu: Option<u32>,
    switches: Option<u64>,
    moves: u64,
}

/// Iterations one after the other on one CPU, or one of which nobody knows where it was.
#[derive(Clone, Copy, Default)]
struct Leg {
    cpu: Option<u32>,
    iterations: u64,
    cpu_ns: u64,
    kernel_ns: u64,
    check_ns: u64,
    /// The clock at its edges, where the thread knew of them.
    clocks: [Option<f64>; 2],
}

/// Where a block's work was done.
pub(super) struct Track<'a> {
    /// The CPUs that there are to be on.
    cpus: &'a [u32],
    /// Whether the thread is pinned to the one that it is on, however shortly.
    pinned: bool,
    /// Twice how often another thread has moved this one; odd while it does.
    moves: &'a AtomicU64,
    mark: Cell<Mark>,
    /// The thread's CPU time at the mark.
    cpu_mark_ns: Cell<u64>,
    /// The last call is over: what is seen from now on is not of the iteration that the mark is of.
    over: Cell<bool>,
    booked: Cell<(u64, u64)>,
    /// The clock at the beginning of the leg in hand.
    began_mhz: Cell<Option<f64>>,
    legs: RefCell<Vec<Leg>>,
    /// How often which CPU was blamed.
    blamed: RefCell<BTreeMap<u32, u64>>,
}

impl<'a> Track<'a> {
    fn begin(cpus: &'a [u32], pinned: bool, moves: &'a AtomicU64) -> Self {
        let track = Self {
            cpus,
            pinned,
            moves,
            mark: Cell::default(),
            cpu_mark_ns: Cell::default(),
            over: Cell::new(false),
            booked: Cell::default(),
            began_mhz: Cell::new(clock::measure()),
            legs: RefCell::default(),
            blamed: RefCell::default(),
        };
        track.mark();
        track
    }

    fn now(&self) -> Mark {
        // Whoever moves this thread counts before and after it.
        let moves = self.moves.load(SeqCst);
        Mark { cpu: platform::current_cpu(), switches: platform::context_switches(), moves }
    }

    /// An iteration begins.
    fn mark(&self) {
        self.mark.set(self.now());
        self.cpu_mark_ns.set(platform::thread_cpu_ns());
    }

    /// The CPUs that the thread may have been on since the mark.
    fn since_mark(&self) -> Vec<u32> {
        whereabouts(self.mark.get(), self.now(), self.pinned, self.cpus)
    }

    /// An iteration is over: its time is that of the leg that it belongs to.
    fn iteration_over(&self, times: &Times, per_call: u64) {
        let (kernel_ns, check_ns) = self.booked.replace((times.kernel_ns, times.check_ns));
        let (kernel_ns, check_ns) = (times.kernel_ns - kernel_ns, times.check_ns - check_ns);
        let cpu_ns = platform::thread_cpu_ns().saturating_sub(self.cpu_mark_ns.get());
        let cpu = match self.since_mark()[..] {
            [cpu] => Some(cpu),
            _ => None,
        };
        let mut legs = self.legs.borrow_mut();
        match legs.last_mut().filter(|leg| leg.cpu == cpu && leg.clocks[1].is_none()) {
            Some(leg) => {
                leg.iterations += per_call;
                leg.cpu_ns += cpu_ns;
                leg.kernel_ns += kernel_ns;
                leg.check_ns += check_ns;
            }
            None => {
                let clocks = [self.began_mhz.take(), None];
                legs.push(Leg { cpu, iterations: per_call, cpu_ns, kernel_ns, check_ns, clocks });
            }
        }
    }

    /// The leg in hand ends here, and the thread knows it.
    fn leg_over(&self) {
        if let Some(leg) = self.legs.borrow_mut().last_mut() {
            leg.clocks[1] = clock::measure();
        }
    }

    /// Goes to another CPU, and reads back that it is there.
    fn go_to(&self, cpu: u32) -> Result<(), Strayed> {
        platform::pin_thread(&[cpu]).map_err(|_| Strayed)?;
        if platform::current_cpu().is_some_and(|here| here != cpu) {
            return Err(Strayed);
        }
        self.began_mhz.set(clock::measure());
        Ok(())
    }

    /// The CPUs of which one is to blame for what is wrong.
    pub(super) fn blame(&self, wrong: &Wrong) -> Vec<u32> {
        // Data that changed where it lay, and contradictions seen at the end, may be older than the iteration.
        let of_the_iteration = matches!(wrong.class, Class::Miscompute | Class::Comparison) && !self.over.get();
        let cpus = if of_the_iteration { self.since_mark() } else { self.in_block() };
        if let [cpu] = cpus[..] {
            *self.blamed.borrow_mut().entry(cpu).or_default() += 1;
        }
        cpus
    }

    /// The CPUs that the thread may have been on in this block.
    pub(super) fn in_block(&self) -> Vec<u32> {
        let mut all: BTreeSet<u32> = self.since_mark().into_iter().collect();
        for leg in self.legs.borrow().iter() {
            match leg.cpu {
                Some(cpu) => all.extend([cpu]),
                None => all.extend(self.cpus),
            }
        }
        all.into_iter().collect()
    }

    /// Books what was surely done on one CPU there.
    pub(super) fn book(
        &self,
        done: &Done,
        key: impl Fn(Option<f64>) -> EvidenceKey,
        accounts: &mut BTreeMap<u32, Account>,
    ) {
        let per_iteration = done.evidence.operations / done.evidence.iterations.max(1);
        for leg in self.legs.borrow().iter() {
            let Some(cpu) = leg.cpu else { continue };
            let [began, ended] = leg.clocks;
            let evidence = Evidence {
                iterations: leg.iterations,
                operations: leg.iterations * per_iteration,
                findings: 0,
                cpu_ns: leg.cpu_ns,
                kernel_ns: leg.kernel_ns,
                check_ns: leg.check_ns,
            };
            let lower = began.zip(ended).map(|(began, ended)| began.min(ended));
            let account = accounts.entry(cpu).or_insert_with(Account::new);
            account.add(key(lower), &evidence, leg.clocks.into_iter().flatten());
        }
        for (&cpu, &findings) in self.blamed.borrow().iter() {
            let account = accounts.entry(cpu).or_insert_with(Account::new);
            account.add(key(None), &Evidence { findings, ..Evidence::default() }, None);
        }
    }
}

/// The CPUs that a thread may have been on from one moment to another.
fn whereabouts(from: Mark, to: Mark, pinned: bool, cpus: &[u32]) -> Vec<u32> {
    let (Some(there), Some(here)) = (from.cpu, to.cpu) else { return cpus.to_vec() };
    let moves = to.moves - from.moves;
    let stayed = if pinned { moves == 0 } else { from.switches.is_some() && from.switches == to.switches };
    if stayed && there == here && from.moves.is_multiple_of(2) {
        return vec![here];
    }
    // One move alone leads from there to here.
    if pinned && there != here && from.moves.is_multiple_of(2) && moves <= 2 {
        return vec![there, here];
    }
    cpus.to_vec()
}

/// Where to go next, and for how long: a walk over all CPUs that follows from a seed.
struct Walk<'a> {
    cpus: &'a [u32],
    random: u64,
}

impl Walk<'_> {
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        self.random >> 33
    }

    fn next_ns(&mut self, (least, most): (u64, u64)) -> u64 {
        least + self.next_random() * 1_000 % (most - least)
    }

    /// Any CPU but the one that the thread is on.
    fn next_cpu(&mut self, from: Option<u32>) -> u32 {
        let others: Vec<u32> = self.cpus.iter().copied().filter(|cpu| Some(*cpu) != from).collect();
        others.get(self.next_random() as usize % others.len().max(1)).copied().unwrap_or(self.cpus[0])
    }
}

impl Lane {
    /// Works on one core after the other until the deadline or the pause.
    pub(super) fn roam(
        &self,
        state: &mut State,
        shift: &Shift,
        load: Load,
        duty: Duty<'_>,
        mut chooser: Chooser<'_>,
        limit: &Limit<'_>,
    ) -> Result<(), Strayed> {
        let cpus = &shift.assignment.busy;
        if cpus.len() < 2 || !cpus.iter().all(|cpu| self.home.contains(cpu)) {
            return Ok(());
        }
        let pinned = load == Load::Migrated;
        platform::pin_thread(cpus).map_err(|_| Strayed)?;
        let mut walk = Walk { cpus, random: shift.assignment.seed.0 };
        let moves = AtomicU64::new(0);
        for turn in 0u64.. {
            if (limit.paused)() || platform::monotonic_ns() >= limit.deadline_ns {
                break;
            }
            if pinned {
                platform::pin_thread(&[walk.next_cpu(platform::current_cpu())]).map_err(|_| Strayed)?;
            }
            let (variant, truths) = chooser.next(false, &state.sizes);
            // By turns: moved by itself between calls, and by another thread in the middle of them.
            let moved = pinned && turn % 2 == 1;
            let track = Track::begin(cpus, pinned, &moves);
            // Whatever slipped before, nobody knows any more on which CPU.
            slip::take();
            let mut duty = duty.clone();
            duty.track = Some(&track);
            let began_ns = platform::monotonic_ns();
            let (mut leg_ends_ns, mut lost, per_call) = (began_ns + walk.next_ns(LEG_NS), false, truths.len() as u64);
            let mut legs = Walk { cpus, random: walk.next_random() };
            let more = |_, times: &mut Times| {
                track.iteration_over(times, per_call);
                let now = platform::monotonic_ns();
                if (limit.paused)() || now >= limit.deadline_ns || now - began_ns >= BLOCK_NS {
                    track.over.set(true);
                    track.leg_over();
                    return Next::End;
                }
                if pinned && !moved && now >= leg_ends_ns {
                    track.leg_over();
                    if track.go_to(legs.next_cpu(platform::current_cpu())).is_err() {
                        lost = true;
                        track.over.set(true);
                        return Next::End;
                    }
                    leg_ends_ns = platform::monotonic_ns() + legs.next_ns(LEG_NS);
                }
                track.mark();
                Next::Work
            };
            let right = if moved {
                let working = AtomicBool::new(true);
                let (thread, mover) = (platform::thread_id(), Walk { cpus, random: walk.next_random() });
                std::thread::scope(|scope| {
                    scope.spawn(|| move_about(mover, thread, &moves, &working));
                    let right = self.block(state, &duty, variant, &truths, more);
                    working.store(false, Relaxed);
                    right
                })
            } else {
                self.block(state, &duty, variant, &truths, more)
            };
            self.slot.leave();
            if lost {
                return Err(Strayed);
            }
            if !right? {
                state.set_aside = broken_sources(&self.pictures);
                chooser.leave_out(&state.set_aside);
            }
            self.tell_at_times(state, duty.step);
        }
        Ok(())
    }
}

/// Moves a thread from CPU to CPU, whatever it does, as long as it works.
fn move_about(mut walk: Walk<'_>, thread: u64, moves: &AtomicU64, working: &AtomicBool) {
    let mut there = None;
    while working.load(Acquire) {
        platform::sleep_until(platform::monotonic_ns() + walk.next_ns(MOVED_NS));
        let cpu = walk.next_cpu(there);
        moves.fetch_add(1, SeqCst);
        // A CPU that is not to be had is found out by the lane itself.
        there = platform::move_thread(thread, cpu).ok().map(|()| cpu);
        moves.fetch_add(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPUS: [u32; 4] = [0, 1, 2, 3];

    fn mark(cpu: u32, switches: u64, moves: u64) -> Mark {
        Mark { cpu: Some(cpu), switches: Some(switches), moves }
    }

    #[test]
    fn only_what_surely_stayed_on_a_core_has_one() {
        let pinned = |from, to| whereabouts(from, to, true, &CPUS);
        assert_eq!(pinned(mark(1, 5, 4), mark(1, 9, 4)), [1], "held up, and pinned all along");
        assert_eq!(pinned(mark(1, 5, 4), mark(2, 5, 6)), [1, 2], "moved once");
        assert_eq!(pinned(mark(1, 5, 4), mark(2, 5, 5)), [1, 2], "being moved");
        assert_eq!(pinned(mark(1, 5, 4), mark(1, 5, 8)), CPUS, "moved away and back");
        assert_eq!(pinned(mark(1, 5, 4), mark(1, 5, 5)), CPUS, "being moved, to wherever");
        assert_eq!(pinned(mark(1, 5, 3), mark(1, 5, 3)), CPUS, "nobody knows which half of the move it was");
        let free = |from, to| whereabouts(from, to, false, &CPUS);
        assert_eq!(free(mark(1, 5, 0), mark(1, 5, 0)), [1]);
        assert_eq!(free(mark(1, 5, 0), mark(1, 6, 0)), CPUS, "off its CPU meanwhile, and perhaps on another");
        assert_eq!(free(mark(1, 5, 0), mark(2, 6, 0)), CPUS);
        let untold = Mark { switches: None, ..mark(1, 0, 0) };
        assert_eq!((free(untold, untold), pinned(untold, untold)), (CPUS.to_vec(), vec![1]));
    }

    #[test]
    fn a_walk_goes_everywhere_and_never_stays() {
        let mut walk = Walk { cpus: &CPUS, random: 7 };
        let mut at = None;
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let next = walk.next_cpu(at);
            assert_ne!(Some(next), at);
            assert!((LEG_NS.0..LEG_NS.1).contains(&walk.next_ns(LEG_NS)));
            seen.insert(next);
            at = Some(next);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), CPUS);
    }
}
