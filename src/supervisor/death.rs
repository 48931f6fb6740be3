//! Whose doing a worker's death was.
//!
//! Architecture invariant: a core is blamed for a worker's death only where nothing outside the worker can have caused it.

use crate::{
    platform::{ProcessEnd, crash::Crash, is_earned, signal_name},
    worker::LINK_BROKEN,
};

/// What is known of a death.
pub struct Facts<'a> {
    /// How the process ended.
    pub end: ProcessEnd,
    /// What the crash handler wrote, and in which lane's slot.
    pub crash: Option<&'a Crash>,
    /// The process.
    pub pid: u32,
    /// Whether it had said that its handlers are in place.
    pub ready: bool,
}

/// Whose doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// The worker's own: its core's finding. What happened, and the signal.
    Own(String, Option<i32>),
    /// The worker's or the supervisor's, and nobody can say which: its core is suspect. What happened.
    Unclear(String),
    /// Somebody else's or nobody's. What happened.
    Foreign(String),
}

/// Judges a death that the supervisor did not bring about.
pub fn judge(facts: &Facts<'_>) -> Doing {
    match (&facts.end, facts.crash) {
        (ProcessEnd::Signalled(_), Some(crash)) if crash.by_kernel() || crash.by_self(facts.pid) => {
            Doing::Own(crash.describe(), Some(crash.signal))
        }
        (ProcessEnd::Signalled(_), Some(crash)) => Doing::Foreign(format!(
            "{} was sent to the worker by process {}: no core's doing",
            crash.signal_name(),
            crash.sender_pid
        )),
        (ProcessEnd::Signalled(signal), None) => {
            let name = signal_name(*signal);
            if !is_earned(*signal) {
                Doing::Foreign(format!(
                    "{name} ended the worker from outside (a person, a program or the out-of-memory killer): no core's doing"
                ))
            } else if facts.ready {
                Doing::Own(format!("{name}, and the crash handler could not even note where"), Some(*signal))
            } else {
                Doing::Foreign(format!("{name} ended the worker before its handlers were in place"))
            }
        }
        (ProcessEnd::Exited(LINK_BROKEN), _) => {
            Doing::Unclear("the pipes between its worker and the supervisor broke, on which side cannot be told".into())
        }
        (ProcessEnd::Exited(code), _) if facts.ready => {
            Doing::Own(format!("the worker left by itself with exit code {code}, which nothing told it to"), None)
        }
        (ProcessEnd::Exited(code), _) => Doing::Foreign(format!("the worker did not start (exit code {code})")),
    }
}

/// The CPU of a crash record, if it is one of the core's: a dying process may note anything.
pub fn cpu_of(crash: &Crash, cpus: &[u32]) -> Option<u32> {
    cpus.contains(&crash.cpu).then_some(crash.cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_on_a_cpu_that_is_not_the_cores_has_none() {
        let crash =
            |cpu| Crash { signal: 11, si_code: 1, sender_pid: 0, address: 0, cpu, instruction: 0, registers: [0; 16] };
        let on = |cpu| cpu_of(&crash(cpu), &[2, 18]);
        assert_eq!([2, 18, 0, 32640].map(on), [Some(2), Some(18), None, None]);
    }
}
