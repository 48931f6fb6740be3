//! Why a run ended without saying so: weighed from its journal and from what the OS left behind. A reset points at the
//! cores under load only if nothing else explains the end; in doubt nobody is blamed.

use serde::{Deserialize, Serialize};

use crate::machine::{
    Boot,
    traces::{MachineCheck, Traces},
};

/// How long after a boot the kernel may still log what it found in the hardware: well under a minute, and some for a
/// clock that was set meanwhile.
const FOUND_AT_BOOT_S: i64 = 600;

/// What a journal without an end says of its run. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadRun {
    /// The boot of its last session.
    pub boot: Option<Boot>,
    /// Its last heartbeat or other dated record.
    pub last_seen_s: i64,
    /// How often a heartbeat was due.
    pub heartbeat_every_s: i64,
    /// A signal asked it to stop, and it wrote that down.
    pub asked_to_stop: bool,
    /// A worker wrote down that its supervisor was gone while the worker lived on.
    pub supervisor_vanished: bool,
    /// When the open step started.
    pub step_started_s: Option<i64>,
}

/// What ended the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossReason {
    /// Something other than a core under test, or nothing that can be known.
    Interrupted,
    /// The machine itself froze or reset under the run.
    LostToReset,
}

impl LossReason {
    /// The name used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::LostToReset => "lost-to-reset",
        }
    }
}

/// The outcome of the weighing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// What ended the run.
    pub reason: LossReason,
    /// Why we think so, in one sentence.
    pub why: String,
    /// Whether something shows that it was no power cut.
    pub power_cut_excluded: bool,
    /// Uncorrected machine checks since the open step started that name a CPU. Always empty for `Interrupted`.
    pub machine_checks: Vec<MachineCheck>,
}

/// Weighs why `dead` ended, by what the machine says `now`. The rules, the first that fits decides:
///
/// 1. The run was asked to stop, and wrote that down: interrupted.
/// 2. A worker outlived the supervisor, so the machine did too: interrupted.
/// 3. Either boot is not known by its id: interrupted, as a reset cannot be shown.
/// 4. It is the same boot: interrupted.
/// 5. This boot did not begin later than the run's: the clock or the machine is another one: interrupted.
/// 6. The OS was shut down in an orderly way after the run was last seen and before the next boot: interrupted.
/// 7. The OS showed a sign of life more than two heartbeats after the run's last: interrupted.
/// 8. Else the machine froze or reset: lost to reset. A power cut is excluded by a kernel's panic or an uncorrected
///    machine check since the open step started.
pub fn weigh(dead: &DeadRun, now: &Traces) -> Loss {
    if let Some(why) = other_cause(dead, now) {
        return Loss { reason: LossReason::Interrupted, why, power_cut_excluded: false, machine_checks: Vec::new() };
    }
    let since = dead.step_started_s.unwrap_or(dead.last_seen_s);
    let found_until = next_boot_s(dead, now).map_or(i64::MAX, |boot| boot.saturating_add(FOUND_AT_BOOT_S));
    let names_a_cpu = |check: &&MachineCheck| check.apic.is_some() || check.cpu.is_some();
    let in_time = |check: &&MachineCheck| (since..=found_until).contains(&check.at_s);
    let checks = now.machine_checks.iter().filter(|check| check.uncorrected).filter(names_a_cpu).filter(in_time);
    let machine_checks: Vec<MachineCheck> = checks.cloned().collect();
    let panic = now.panics.iter().any(|panic| panic.at_s >= since);
    let cause = match (panic, machine_checks.is_empty()) {
        (_, false) => "the hardware reported an uncorrected error",
        (true, true) => "the kernel left the dump of a panic",
        (false, true) => "a power cut is not excluded",
    };
    Loss {
        reason: LossReason::LostToReset,
        why: format!("the machine froze or reset under the run and was booted anew; {cause}"),
        power_cut_excluded: panic || !machine_checks.is_empty(),
        machine_checks,
    }
}

/// Rules 1 to 7.
fn other_cause(dead: &DeadRun, now: &Traces) -> Option<String> {
    if dead.asked_to_stop {
        return Some("the run was asked to stop by a signal".into());
    }
    if dead.supervisor_vanished {
        return Some("the supervisor was ended while a worker and the machine lived on".into());
    }
    let (Some(old), Some(new)) = (known(&dead.boot), known(&now.boot)) else {
        return Some(
            "the run ended without a word, and which boot that was is not known, so a reset cannot be shown".into(),
        );
    };
    if same_boot(&old.id, &new.id) {
        return Some("the run was ended without a word, but the machine has not been booted since".into());
    }
    if let (Some(old), Some(new)) = (old.booted_at_s, new.booted_at_s)
        && new <= old
    {
        let why =
            "the machine's boot is no later than the run's: its clock was changed, or the run is from another machine";
        return Some(why.into());
    }
    let before_next_boot = |at: i64| next_boot_s(dead, now).is_none_or(|boot| at < boot);
    if now.shutdowns.iter().any(|&at| at >= dead.last_seen_s && before_next_boot(at)) {
        return Some("the machine was shut down in an orderly way".into());
    }
    let silent_from = dead.last_seen_s.saturating_add(dead.heartbeat_every_s.saturating_mul(2));
    let outlived = now.signs.iter().find(|sign| {
        let of_that_boot = sign.boot.as_ref().map_or_else(|| before_next_boot(sign.at_s), |id| same_boot(id, &old.id));
        sign.at_s > silent_from && of_that_boot
    });
    outlived.map(|sign| {
        let seconds = sign.at_s - dead.last_seen_s;
        format!("the OS lived on for at least {seconds} s after the run's last sign of life ({})", sign.source)
    })
}

/// The first boot after the run was last seen. Unknown if the clock says that there was none.
fn next_boot_s(dead: &DeadRun, now: &Traces) -> Option<i64> {
    let this = now.boot.as_ref().and_then(|boot| i64::try_from(boot.booted_at_s?).ok());
    now.boots.iter().copied().chain(this).filter(|&at| at > dead.last_seen_s).min()
}

fn known(boot: &Option<Boot>) -> Option<&Boot> {
    boot.as_ref().filter(|boot| digits(&boot.id).next().is_some())
}

/// The kernel writes ids with dashes, journald without.
fn same_boot(a: &str, b: &str) -> bool {
    digits(a).eq(digits(b))
}

fn digits(id: &str) -> impl Iterator<Item = char> + '_ {
    id.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase())
}
