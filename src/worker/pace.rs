//! The pace of a lane under a load that waits: its schedule's phases one after the other, each wait kept on an absolute clock.

use oddcore_kernels::{
    Token,
    held::{self, GENERAL, Lost},
};

use crate::{
    journal::record::Waits,
    machine::slip::{self, Slip},
    plan::{Manner, Phase, Schedule},
    platform::{self, Starved},
};

use super::slot::Slot;

const US: u64 = 1_000;
/// A wait that is shorter is spun: the kernel cannot be asleep for so short a time.
const SLEEP_NS_MIN: u64 = 200 * US;
/// A long sleep is cut into such pieces, so that a pause is heard.
const SLICE_NS: u64 = 100_000 * US;
/// Calls may be longer than a phase, whose wait then is as many times as long, but never longer than this.
const WAIT_NS_MAX: u64 = 1_000_000 * US;
/// A lane pays back what it is late out of later waits, but never more than half of one: what idles must idle. What it owes
/// beyond this is forgiven.
const BEHIND_NS_MAX: u64 = 1_000_000 * US;
/// One in so many sleeps is halved: the first half is a bare sleep and nothing else, to hold the lateness of ours against.
const BARE_EVERY: u64 = 4;
/// While it spins, a lane looks at the clock so often and in between holds registers, but for half of what is left at most.
const HELD_NS: u64 = 10 * US;
/// `pause`s of the shortest of those: some 100 ns to 1 µs.
const PAUSES_MIN: u64 = 16;
/// The next may have at most so many times as many.
const MORE_PAUSES: u64 = 8;
/// Chatter: how long a doze between two looks is, and a look.
const DOZE_NS: u64 = 100 * US;
const LOOK_NS: u64 = 5 * US;

/// What limits a wait.
pub struct Limit<'a> {
    /// When the order ends, monotonic ns.
    pub deadline_ns: u64,
    /// Whether it is to end at once.
    pub paused: &'a dyn Fn() -> bool,
}

/// A lane's place in its schedule.
pub struct Pace<'a> {
    schedule: Schedule,
    phase: Phase,
    slot: Slot<'a>,
    /// When this phase should have begun, and did.
    due_ns: u64,
    began_ns: u64,
    worked_ns: u64,
    waits: Waits,
    sleeps: u64,
    starved: Starved,
    starved_ns: u64,
}

impl<'a> Pace<'a> {
    /// At the schedule's beginning, which is a wait of its own, so that lanes do not go in step.
    pub fn begin(mut schedule: Schedule, slot: Slot<'a>, limit: &Limit<'_>) -> Self {
        let due_ns = platform::monotonic_ns() + u64::from(schedule.offset_us()) * US;
        sleep(due_ns, slot, limit, Token::Scalar);
        let phase = schedule.next().expect("without end");
        let starved = Starved::open();
        let (waits, starved_ns, now) = (Waits::default(), starved.ns(), platform::monotonic_ns());
        Self { schedule, phase, slot, due_ns: now, began_ns: now, worked_ns: 0, waits, sleeps: 0, starved, starved_ns }
    }

    /// Work of this phase so short that small inputs are called for.
    pub fn is_short(&self) -> bool {
        self.phase.work_us < 2_000
    }

    /// So much more kernel time was worked. Whether this phase's work is done.
    pub fn worked(&mut self, kernel_ns: u64) -> bool {
        self.worked_ns += kernel_ns;
        self.worked_ns >= u64::from(self.phase.work_us) * US
    }

    /// Waits for the next phase, awake with registers of that instruction set's width in use; returns the CPU time that this took.
    pub fn wait(&mut self, limit: &Limit<'_>, token: Token) -> u64 {
        let cpu_before = platform::thread_cpu_ns();
        // Work is done in whole calls: the wait keeps its proportion to what was worked.
        let stretched = u64::from(self.phase.wait_us) * self.worked_ns / u64::from(self.phase.work_us.max(1));
        let planned_ns = self.worked_ns + stretched.min(WAIT_NS_MAX);
        let now = platform::monotonic_ns();
        let due_ns = self.due_ns + planned_ns;
        // Where work took longer than its time in kernels, the wait is shorter for it; what is left of that is owed.
        let until_ns = due_ns.max(now + (planned_ns - self.worked_ns) / 2);
        let cut = until_ns > limit.deadline_ns;
        let until_ns = until_ns.min(limit.deadline_ns);
        let wait_ns = until_ns.saturating_sub(now);
        let manner = if wait_ns < SLEEP_NS_MIN { Manner::Spin } else { self.phase.manner };
        match manner {
            Manner::Spin => spin(until_ns, limit, token),
            Manner::Sleep => {
                self.sleeps += 1;
                if self.sleeps.is_multiple_of(BARE_EVERY) && (2 * SLEEP_NS_MIN..2 * SLICE_NS).contains(&wait_ns) {
                    self.sleep_bare(now + wait_ns / 2);
                }
                sleep(until_ns, self.slot, limit, token);
            }
            Manner::Chatter => chatter(until_ns, self.slot, limit, token),
        }
        self.slot.step();
        let woke_ns = platform::monotonic_ns();
        let starved_ns = self.starved.ns();
        if !cut && !(limit.paused)() {
            // Saturating, which compilers do one by one: nothing checks a vector of sums.
            for (sum, more) in [
                (&mut self.waits.count, 1),
                (&mut self.waits.work_ns, self.worked_ns),
                (&mut self.waits.planned_ns, planned_ns),
                (&mut self.waits.wall_ns, woke_ns.saturating_sub(self.began_ns)),
                (&mut self.waits.starved_ns, starved_ns.saturating_sub(self.starved_ns)),
            ] {
                *sum = sum.saturating_add(more);
            }
            if manner != Manner::Spin {
                self.waits.late(woke_ns.saturating_sub(until_ns));
            }
        }
        self.due_ns = due_ns.max(woke_ns.saturating_sub(BEHIND_NS_MAX));
        self.began_ns = woke_ns;
        self.starved_ns = starved_ns;
        self.worked_ns = 0;
        self.phase = self.schedule.next().expect("without end");
        platform::thread_cpu_ns().saturating_sub(cpu_before)
    }

    /// What a loop of nothing but such sleeps would see.
    fn sleep_bare(&mut self, until_ns: u64) {
        self.slot.set_wake_at(until_ns);
        platform::sleep_until(until_ns);
        self.waits.late_bare(platform::monotonic_ns().saturating_sub(until_ns));
    }

    /// How the waits went since this was asked last.
    pub fn take_waits(&mut self) -> Waits {
        std::mem::take(&mut self.waits)
    }
}

fn spin(until_ns: u64, limit: &Limit<'_>, token: Token) {
    let (mut pauses, mut now) = (PAUSES_MIN, platform::monotonic_ns());
    while now < until_ns && !(limit.paused)() {
        note(held::through_pauses(token, pauses));
        let before = std::mem::replace(&mut now, platform::monotonic_ns());
        let pause_ns = (now.saturating_sub(before) / pauses).max(1);
        let fitting = (until_ns.saturating_sub(now) / 2).min(HELD_NS) / pause_ns;
        // Where the clock's steps are coarse a pause may seem to take no time.
        pauses = fitting.clamp(PAUSES_MIN, MORE_PAUSES * pauses);
    }
}

/// What did not hold through a wait.
fn note(lost: Option<Lost>) {
    let Some(Lost { register, word, expected, actual, of_given }) = lost else { return };
    let which = match register.checked_sub(GENERAL) {
        Some(number) => format!("general register r{number}"),
        None => format!("vector register {register}, 64-bit word {word} of it,"),
    };
    let detail = format!("beside the kernel: {which} did not hold its value while the core waited");
    let at_ns = platform::monotonic_ns();
    slip::note(Slip { stage: slip::WAIT, of_reference: of_given, expected, actual, at_ns, detail });
}

fn doze(until_ns: u64, token: Token) {
    note(platform::sleep_holding(until_ns, token));
}

fn sleep(until_ns: u64, slot: Slot<'_>, limit: &Limit<'_>, token: Token) {
    let until_ns = until_ns.min(limit.deadline_ns);
    slot.set_wake_at(until_ns);
    loop {
        let now = platform::monotonic_ns();
        if now >= until_ns || (limit.paused)() {
            break;
        }
        // The last piece is never so short that it could not be slept.
        let left = until_ns - now;
        doze(if left > SLICE_NS + SLEEP_NS_MIN { now + SLICE_NS } else { until_ns }, token);
    }
    slot.set_wake_at(0);
}

fn chatter(until_ns: u64, slot: Slot<'_>, limit: &Limit<'_>, token: Token) {
    slot.set_wake_at(until_ns);
    loop {
        let now = platform::monotonic_ns();
        if now >= until_ns || (limit.paused)() {
            break;
        }
        doze(if until_ns - now > 2 * DOZE_NS { now + DOZE_NS } else { until_ns }, token);
        spin((platform::monotonic_ns() + LOOK_NS).min(until_ns), limit, token);
    }
    slot.set_wake_at(0);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::{
        plan::{Load, Role},
        worker::slot::SLOT_WORDS,
    };

    fn words() -> Vec<AtomicU64> {
        (0..SLOT_WORDS).map(|_| AtomicU64::new(0)).collect()
    }

    #[test]
    fn waits_keep_their_proportion_to_what_was_worked() {
        let words = words();
        let limit = Limit { deadline_ns: u64::MAX, paused: &|| false };
        let schedule = Schedule::of(Load::Aggressor, Role::Company, 1).expect("it waits");
        let mut pace = Pace::begin(schedule, Slot::of(&words, 0), &limit);
        let mut planned_ns = 0;
        for _ in 0..20 {
            let Phase { work_us, wait_us, .. } = pace.phase;
            assert!(!pace.worked(u64::from(work_us) * US - 1));
            assert!(pace.worked(1));
            planned_ns += u64::from(work_us + wait_us) * US;
            pace.wait(&limit, Token::Scalar);
        }
        let waits = pace.take_waits();
        assert_eq!((waits.count, waits.planned_ns), (20, planned_ns));
        // Never before its time, but for what an earlier one was late.
        assert!(waits.wall_ns >= planned_ns, "{waits:?}");
        assert_eq!(pace.take_waits(), Waits::default());
        let (long, Phase { work_us, wait_us, .. }) = (3, pace.phase);
        pace.worked(long * u64::from(work_us) * US);
        pace.wait(&limit, Token::Scalar);
        assert_eq!(pace.take_waits().planned_ns, long * u64::from(work_us + wait_us) * US);
    }

    #[test]
    fn what_a_register_lost_is_a_slip_that_names_it() {
        let told = |register| {
            note(Some(Lost { register, word: 3, expected: 6, actual: 4, of_given: false }));
            let slip = slip::take().expect("noted");
            assert_eq!((slip.stage, slip.of_reference, slip.expected, slip.actual), (slip::WAIT, false, 6, 4));
            slip.detail
        };
        assert!(told(31).contains("vector register 31, 64-bit word 3 of it, did not"));
        assert!(told(GENERAL + 13).contains("general register r13 did not"));
        note(None);
        assert_eq!(slip::take(), None);
    }

    #[test]
    fn a_spin_ends_no_sooner_than_it_is_to_and_holds_its_registers() {
        let limit = Limit { deadline_ns: u64::MAX, paused: &|| false };
        for token in oddcore_kernels::Isa::ALL.iter().filter_map(|isa| isa.token()) {
            for long in [0, US, 50 * US, 300 * US] {
                let until_ns = platform::monotonic_ns() + long;
                spin(until_ns, &limit, token);
                assert!(platform::monotonic_ns() >= until_ns);
            }
        }
        assert_eq!(slip::take(), None);
    }

    #[test]
    fn a_pause_and_the_deadline_end_any_wait() {
        let words = words();
        let now = platform::monotonic_ns();
        for load in [Load::Bursts, Load::GpuWait] {
            for limit in
                [Limit { deadline_ns: now, paused: &|| false }, Limit { deadline_ns: u64::MAX, paused: &|| true }]
            {
                let mut pace =
                    Pace::begin(Schedule::of(load, Role::Tested, 1).expect("it waits"), Slot::of(&words, 0), &limit);
                for _ in 0..50 {
                    pace.worked(1_000_000_000);
                    pace.wait(&limit, Token::Scalar);
                }
                assert_eq!(pace.take_waits(), Waits::default(), "none of them is one that was kept");
            }
        }
    }
}
