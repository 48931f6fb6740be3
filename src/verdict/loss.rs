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
    /// Uncorrected machine checks since the open step started that are of a CPU. Always empty for `Interrupted`.
    pub machine_checks: Vec<MachineCheck>,
}

/// Weighs why `dead` ended, by what the machine says `now`. The rules, the first that fits decides:
///
/// 1. A worker outlived the supervisor, so the machine did too: interrupted.
/// 2. Either boot is not known by its id: interrupted, as a reset cannot be shown.
/// 3. It is the same boot: interrupted.
/// 4. This boot did not begin later than the run's: the clock or the machine is another one: interrupted.
/// 5. The OS was shut down in an orderly way after the run was last seen and before the next boot: interrupted.
/// 6. The OS showed a sign of life more than two heartbeats after the run's last: interrupted.
/// 7. Else the machine froze or reset: lost to reset. A power cut is excluded by a kernel's panic or an uncorrected
///    machine check since the open step started.
pub fn weigh(dead: &DeadRun, now: &Traces) -> Loss {
    if let Some(why) = other_cause(dead, now) {
        return Loss { reason: LossReason::Interrupted, why, power_cut_excluded: false, machine_checks: Vec::new() };
    }
    let since = dead.step_started_s.unwrap_or(dead.last_seen_s);
    let found_until = next_boot_s(dead, now).map_or(i64::MAX, |boot| boot.saturating_add(FOUND_AT_BOOT_S));
    let in_time = |check: &&MachineCheck| check.uncorrected && (since..=found_until).contains(&check.at_s);
    let checks: Vec<&MachineCheck> = now.machine_checks.iter().filter(in_time).collect();
    let panic = now.panics.iter().any(|panic| panic.at_s >= since);
    let cause = match (checks.is_empty(), panic) {
        (false, _) => "the hardware reported an uncorrected error",
        (true, true) => "the kernel left the dump of a panic",
        (true, false) => "a power cut is not excluded",
    };
    Loss {
        reason: LossReason::LostToReset,
        why: format!("the machine froze or reset under the run and was booted anew; {cause}"),
        power_cut_excluded: panic || !checks.is_empty(),
        machine_checks: checks.into_iter().filter(|check| check.is_of_a_cpu()).cloned().collect(),
    }
}

/// Rules 1 to 6.
fn other_cause(dead: &DeadRun, now: &Traces) -> Option<String> {
    if dead.supervisor_vanished {
        return Some("oddcore itself was killed; the machine lived on".into());
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
    let next_boot = next_boot_s(dead, now);
    // This boot has not been shut down, so a shutdown of unknown boot is that of an earlier one; a mere sign may be ours.
    if now.shutdowns.iter().any(|&at| at >= dead.last_seen_s && next_boot.is_none_or(|boot| at < boot)) {
        return Some("the machine was shut down in an orderly way".into());
    }
    let silent_from = dead.last_seen_s.saturating_add(dead.heartbeat_every_s.saturating_mul(2));
    let outlived = now.signs.iter().find(|sign| {
        let of_that_boot = match &sign.boot {
            Some(id) => same_boot(id, &old.id),
            None => next_boot.is_some_and(|boot| sign.at_s < boot),
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::traces::{KernelPanic, Sign};

    /// The run's boot began at 1,000, its step at 5,000; it was last seen at 6,000; this boot began at 7,000.
    fn reset() -> (DeadRun, Traces) {
        let boot = |id: &str, at| Some(Boot { id: id.into(), booted_at_s: Some(at) });
        let dead = DeadRun {
            boot: boot("aaaa-1", 1000),
            last_seen_s: 6000,
            heartbeat_every_s: 10,
            supervisor_vanished: false,
            step_started_s: Some(5000),
        };
        (dead, Traces { boot: boot("bbbb-2", 7000), ..Traces::default() })
    }

    fn sign(boot: Option<&str>, at_s: i64) -> Sign {
        Sign { source: "a test".into(), boot: boot.map(str::to_owned), at_s }
    }

    fn check(at_s: i64) -> MachineCheck {
        MachineCheck { at_s, apic: Some(8), cpu: Some(2), bank: 0, status: 1 << 61, uncorrected: true }
    }

    fn set_boot(boot: &mut Option<Boot>, id: &str, at: Option<u64>) {
        *boot = Some(Boot { id: id.into(), booted_at_s: at });
    }

    /// What is changed of the plain reset.
    type Change = fn(&mut DeadRun, &mut Traces);

    #[test]
    fn what_excuses_the_cores() {
        let table: [(&str, &str, Change); 15] = [
            ("a worker's record", "oddcore itself was killed", |dead, _| dead.supervisor_vanished = true),
            ("no boot then", "not known", |dead, _| dead.boot = None),
            ("no boot now", "not known", |_, now| now.boot = None),
            ("an empty id", "not known", |dead, _| set_boot(&mut dead.boot, " - ", Some(1000))),
            ("the same boot", "not been booted since", |_, now| set_boot(&mut now.boot, "AAAA1", Some(1000))),
            ("the same boot, its time unknown", "not been booted", |_, now| set_boot(&mut now.boot, "aaaa-1", None)),
            ("an earlier boot", "clock was changed", |_, now| set_boot(&mut now.boot, "bbbb-2", Some(999))),
            ("two boots at once", "another machine", |_, now| set_boot(&mut now.boot, "bbbb-2", Some(1000))),
            ("a clean shutdown", "orderly", |_, now| now.shutdowns = vec![6000]),
            ("a clean shutdown before two boots", "orderly", |_, now| {
                (now.boots, now.shutdowns) = (vec![1000, 6500, 7000], vec![900, 6400, 6900]);
            }),
            ("a clean shutdown, this boot's time unknown", "orderly", |_, now| {
                set_boot(&mut now.boot, "bbbb-2", None);
                now.shutdowns = vec![6400];
            }),
            ("the OS's journal went on", "lived on for at least 21 s", |_, now| {
                now.signs = vec![sign(Some("AAAA1"), 6021)];
            }),
            ("the OS's journal went on, the clock was set back later", "lived on", |_, now| {
                now.signs = vec![sign(Some("aaaa1"), 7500)];
            }),
            ("a login after the end", "lived on", |_, now| now.signs = vec![sign(None, 6021)]),
            ("a machine check does not change a worker's record", "oddcore itself was killed", |dead, now| {
                dead.supervisor_vanished = true;
                now.machine_checks = vec![check(5500)];
            }),
        ];
        for (case, why, change) in table {
            let (mut dead, mut now) = reset();
            change(&mut dead, &mut now);
            let loss = weigh(&dead, &now);
            assert_eq!(loss.reason, LossReason::Interrupted, "{case}: {loss:?}");
            assert!(loss.why.contains(why), "{case}: {loss:?}");
            assert!(loss.machine_checks.is_empty() && !loss.power_cut_excluded, "{case}: {loss:?}");
        }
    }

    #[test]
    fn what_does_not_excuse_the_cores() {
        let table: [(&str, Change); 11] = [
            ("nothing at all", |_, _| {}),
            ("this boot's time unknown", |_, now| set_boot(&mut now.boot, "bbbb-2", None)),
            ("the run's boot's time unknown", |dead, _| set_boot(&mut dead.boot, "aaaa-1", None)),
            ("a shutdown before the run was last seen", |_, now| now.shutdowns = vec![5999]),
            ("a shutdown of the next boot", |_, now| (now.boots, now.shutdowns) = (vec![6500], vec![6600])),
            ("a shutdown that this boot's time contradicts", |_, now| now.shutdowns = vec![7001]),
            ("a sign within two heartbeats", |_, now| now.signs = vec![sign(Some("aaaa1"), 6020), sign(None, 6020)]),
            ("another boot's journal", |_, now| now.signs = vec![sign(Some("bbbb2"), 7100), sign(Some("cccc"), 6500)]),
            ("a login after the next boot", |_, now| now.signs = vec![sign(None, 7001)]),
            ("a login of who knows which boot", |_, now| {
                set_boot(&mut now.boot, "bbbb-2", None);
                now.signs = vec![sign(None, 6500)];
            }),
            ("a login after a boot between", |_, now| (now.boots, now.signs) = (vec![6010], vec![sign(None, 6500)])),
        ];
        for (case, change) in table {
            let (mut dead, mut now) = reset();
            change(&mut dead, &mut now);
            let loss = weigh(&dead, &now);
            assert_eq!(loss.reason, LossReason::LostToReset, "{case}: {loss:?}");
            assert!(loss.why.contains("a power cut is not excluded") && !loss.power_cut_excluded, "{case}: {loss:?}");
        }
    }

    #[test]
    fn what_excludes_a_power_cut() {
        let panic = |at_s| KernelPanic { source: "a test".into(), at_s };
        // Whether a power cut is excluded, and how many machine checks are of a CPU.
        type Row = (&'static str, Vec<KernelPanic>, Vec<MachineCheck>, bool, usize);
        let table: [Row; 10] = [
            ("a panic", vec![panic(6001)], vec![], true, 0),
            ("an old panic", vec![panic(4999)], vec![], false, 0),
            ("a machine check during the step", vec![], vec![check(5000)], true, 1),
            ("one found by the next boot", vec![], vec![check(7002)], true, 1),
            ("one long after it", vec![], vec![check(7601)], false, 0),
            ("one before the step", vec![], vec![check(4999)], false, 0),
            ("a corrected one", vec![], vec![MachineCheck { uncorrected: false, ..check(5500) }], false, 0),
            ("one that names no CPU", vec![], vec![MachineCheck { apic: None, cpu: None, ..check(5500) }], true, 0),
            ("one of the memory", vec![], vec![MachineCheck { status: 1 << 61 | 0x9f, ..check(5500) }], true, 0),
            ("both", vec![panic(6001)], vec![check(5500), check(6000)], true, 2),
        ];
        for (case, panics, machine_checks, excluded, named) in table {
            let (dead, mut now) = reset();
            (now.panics, now.machine_checks) = (panics, machine_checks);
            let loss = weigh(&dead, &now);
            assert_eq!(loss.reason, LossReason::LostToReset, "{case}");
            assert_eq!((loss.power_cut_excluded, loss.machine_checks.len()), (excluded, named), "{case}: {loss:?}");
            assert_eq!(loss.why.contains("not excluded"), !excluded, "{case}: {loss:?}");
        }
    }

    #[test]
    fn without_an_open_step_the_last_sign_of_life_is_the_start() {
        let (mut dead, mut now) = reset();
        dead.step_started_s = None;
        now.machine_checks = vec![check(5500), check(6001)];
        assert_eq!(weigh(&dead, &now).machine_checks, [check(6001)]);
    }
}
