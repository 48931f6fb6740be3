//! What travels when a job is handed from core to core: whose turn it is and the job's input, in memory that all workers share.
//!
//! Only who has the turn writes; taking and giving it orders what was written before.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use oddcore_kernels::Job;

use super::{pace::Limit, slot::Slot};
use crate::platform;

/// Words of a baton: room for an input of 16 MB; a larger one does not travel.
pub const BATON_WORDS: usize = DATA_AT + (2 << 20);

/// Words of one that carries nothing but whose turn it is.
pub const TURN_WORDS: usize = DATA_AT;

const TURN: usize = 0;
const CARRIES: usize = 1;
const SEED: usize = 2;
const BYTES: usize = 3;
const FROM: usize = 4;
const DATA_AT: usize = 8;

/// How long to wait for a turn between two looks at whether to go on.
const LOOK_EVERY_NS: u64 = 50_000_000;

/// The words of a baton.
#[derive(Clone, Copy)]
pub struct Baton<'a>(&'a [AtomicU64]);

impl<'a> Baton<'a> {
    /// In these words.
    pub fn of(words: &'a [AtomicU64]) -> Self {
        Self(words)
    }

    /// It is the first station's turn, and nothing is carried. Nobody may be waiting.
    pub fn reset(self) {
        self.0[CARRIES].store(0, Relaxed);
        self.0[TURN].store(0, Release);
    }

    /// Waits until it is this station's turn and says how many there were; `None` if the wait is cut short.
    pub fn await_turn(self, place: u64, stations: u64, slot: Slot<'_>, limit: &Limit<'_>) -> Option<u64> {
        loop {
            let turn = self.0[TURN].load(Acquire);
            let now = platform::monotonic_ns();
            if (limit.paused)() || now >= limit.deadline_ns {
                slot.set_wake_at(0);
                return None;
            }
            if turn % stations == place {
                slot.set_wake_at(0);
                return Some(turn);
            }
            let wait_ns = LOOK_EVERY_NS.min(limit.deadline_ns - now);
            slot.set_wake_at(now + wait_ns);
            platform::wait_while(&self.0[TURN], turn, wait_ns);
        }
    }

    /// The seed of the input that is carried, and the CPU that it comes from.
    pub fn carried(self) -> Option<(u64, u32)> {
        (self.0[CARRIES].load(Relaxed) != 0).then(|| (self.0[SEED].load(Relaxed), self.0[FROM].load(Relaxed) as u32))
    }

    /// Puts what is carried in the place of the job's input, which has been made from the same seed; false if it does not fit.
    pub fn take(self, job: &mut dyn Job) -> bool {
        if input_bytes(job) as u64 != self.0[BYTES].load(Relaxed) {
            return false;
        }
        let mut words = self.0[DATA_AT..].iter();
        job.hand_over(&mut |piece| {
            for bytes in piece.chunks_mut(8) {
                let word = words.next().expect("as many as were given").load(Relaxed);
                bytes.copy_from_slice(&word.to_le_bytes()[..bytes.len()]);
            }
        });
        true
    }

    /// Carries the job's input, made from that seed, from this CPU on; if it has none that can travel, nothing.
    pub fn give(self, job: &mut dyn Job, seed: u64, cpu: u32) {
        self.drop_it();
        let bytes = input_bytes(job);
        let mut pieces = 0;
        job.hand_over(&mut |_| pieces += 1);
        if bytes == 0 || bytes.div_ceil(8) + pieces > self.0.len() - DATA_AT {
            return;
        }
        let mut words = self.0[DATA_AT..].iter();
        job.hand_over(&mut |piece| {
            for bytes in piece.chunks(8) {
                let mut word = [0; 8];
                word[..bytes.len()].copy_from_slice(bytes);
                words.next().expect("there is room").store(u64::from_le_bytes(word), Relaxed);
            }
        });
        self.0[BYTES].store(bytes as u64, Relaxed);
        self.0[SEED].store(seed, Relaxed);
        self.0[FROM].store(u64::from(cpu), Relaxed);
        self.0[CARRIES].store(1, Relaxed);
    }

    /// Carries nothing from now on.
    pub fn drop_it(self) {
        self.0[CARRIES].store(0, Relaxed);
    }

    /// It is the next station's turn.
    pub fn pass(self) {
        self.0[TURN].fetch_add(1, Release);
        platform::wake_all(&self.0[TURN]);
    }
}

fn input_bytes(job: &mut dyn Job) -> usize {
    let mut bytes = 0;
    job.hand_over(&mut |piece| bytes += piece.len());
    bytes
}

#[cfg(test)]
mod tests {
    use oddcore_kernels::Size;

    use super::*;
    use crate::worker::slot::SLOT_WORDS;

    fn words(count: usize) -> Vec<AtomicU64> {
        (0..count).map(|_| AtomicU64::new(0)).collect()
    }

    #[test]
    fn an_input_arrives_as_it_was_given() {
        let words = words(BATON_WORDS);
        let baton = Baton::of(&words);
        for kernel in oddcore_kernels::all() {
            let (mut from, mut to) = (kernel.new_job(), kernel.new_job());
            for seed in [3, 4] {
                from.generate(Size::Golden, seed);
                to.generate(Size::Golden, seed);
                from.flip_input_bit(oddcore_kernels::Fault { element: 77, bit: 1 });
                assert_ne!(from.input_digest(), to.input_digest());
                baton.give(from.as_mut(), seed, 5);
                let Some(carried) = baton.carried() else {
                    assert!(
                        input_bytes(from.as_mut()) == 0 || input_bytes(from.as_mut()) > 8 << 20,
                        "{}",
                        kernel.name()
                    );
                    continue;
                };
                assert_eq!(carried, (seed, 5));
                assert!(baton.take(to.as_mut()));
                assert_eq!(from.input_digest(), to.input_digest(), "{}", kernel.name());
                assert!(
                    !baton.take(oddcore_kernels::find("gemm-f32").expect("there").new_job().as_mut()),
                    "not its shape"
                );
            }
            baton.drop_it();
            assert_eq!(baton.carried(), None);
        }
    }

    #[test]
    fn turns_go_round() {
        let words = words(BATON_WORDS.min(64));
        let turns = std::sync::Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for place in 0..3 {
                let (words, turns) = (&words, &turns);
                scope.spawn(move || {
                    let slot = self::words(SLOT_WORDS);
                    let limit = Limit { deadline_ns: u64::MAX, paused: &|| false };
                    for _ in 0..5 {
                        let turn = Baton::of(words).await_turn(place, 3, Slot::of(&slot, 0), &limit);
                        turns.lock().expect("no panic").push((turn, place));
                        Baton::of(words).pass();
                    }
                });
            }
        });
        let expected: Vec<_> = (0..15).map(|turn| (Some(turn), turn % 3)).collect();
        assert_eq!(*turns.lock().expect("no panic"), expected);
        let slot = self::words(SLOT_WORDS);
        let limit = Limit { deadline_ns: u64::MAX, paused: &|| true };
        assert_eq!(Baton::of(&words).await_turn(0, 3, Slot::of(&slot, 0), &limit), None);
    }
}
