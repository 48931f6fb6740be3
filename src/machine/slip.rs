//! Slips: what a core got wrong beside a kernel's work, where a right answer is known all the same. Kept by the thread until its lane
//! asks, between two blocks: whoever measures a clock or waits has nobody to tell.

use std::cell::Cell;

/// Stage of what the clock is measured by.
pub const CLOCK: &str = "clock";
/// Stage of what a register holds while the core waits.
pub const WAIT: &str = "wait";

/// Whether a stage is a slip's, so that the kernel's work again would show nothing.
pub fn is_stage(stage: &str) -> bool {
    [CLOCK, WAIT].contains(&stage)
}

/// One wrong answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slip {
    /// What stands for a kernel's stage.
    pub stage: &'static str,
    /// What it was held against is what changed: the core's answer is right.
    pub of_reference: bool,
    /// The right one.
    pub expected: u64,
    /// The one that was given.
    pub actual: u64,
    /// When it was seen, on the system's monotonic clock.
    pub at_ns: u64,
    /// In words.
    pub detail: String,
}

thread_local! {
    static FIRST: Cell<Option<Slip>> = const { Cell::new(None) };
}

/// Keeps it, unless there is one that nobody asked for yet.
pub fn note(slip: Slip) {
    FIRST.set(FIRST.take().or(Some(slip)));
}

/// Whether there is one that nobody asked for yet.
pub fn is_pending() -> bool {
    let first = FIRST.take();
    let pending = first.is_some();
    FIRST.set(first);
    pending
}

/// The first of this thread since this was asked last.
pub fn take() -> Option<Slip> {
    FIRST.take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_kept_until_it_is_taken() {
        let slip =
            |actual| Slip { stage: CLOCK, of_reference: false, expected: 1, actual, at_ns: 2, detail: String::new() };
        assert_eq!(take(), None);
        note(slip(5));
        note(slip(6));
        assert_eq!(std::thread::spawn(take).join().expect("ends"), None, "another thread's is its own");
        assert!(is_pending());
        assert_eq!((take(), take()), (Some(slip(5)), None));
        assert!(!is_pending());
        assert!(is_stage(slip(5).stage) && is_stage(WAIT) && !is_stage("generate"));
    }
}
