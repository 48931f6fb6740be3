//! What the OS left behind of earlier boots: read once, when a run is found that never ended. Everything is optional:
//! what is not there, cannot be read or is damaged counts as not there.

pub mod event_log;
mod journald;
pub mod kernel_log;
mod pstore;
mod wtmp;

use serde::{Deserialize, Serialize};

use super::{Boot, Core, Root, boot, rasdaemon};

/// All traces. Times are seconds since 1970, lists ascend by time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Traces {
    /// The boot that we are in.
    pub boot: Option<Boot>,
    /// When the machine booted, as far back as wtmp reaches.
    pub boots: Vec<i64>,
    /// When it was shut down in an orderly way.
    pub shutdowns: Vec<i64>,
    /// When an OS was still at work.
    pub signs: Vec<Sign>,
    /// Kernels that died of a panic.
    pub panics: Vec<KernelPanic>,
    /// What the hardware reported.
    pub machine_checks: Vec<MachineCheck>,
}

/// An OS did something, so it was alive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sign {
    /// The file that tells it.
    pub source: String,
    /// The boot's id, where the source knows it.
    pub boot: Option<String>,
    /// When.
    pub at_s: i64,
}

/// A kernel's last words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelPanic {
    /// The dump's file.
    pub source: String,
    /// When it was written.
    pub at_s: i64,
}

/// One machine check, as the kernel printed it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MachineCheck {
    /// When; one that a reset kept in the hardware bears the time at which the next boot found it.
    pub at_s: i64,
    /// The APIC id of the CPU that it happened on.
    pub apic: Option<u32>,
    /// The OS's number of that CPU.
    pub cpu: Option<u32>,
    /// The bank of registers.
    pub bank: u32,
    /// What the bank said.
    pub status: u64,
    /// Whether the error could not be corrected (bit 61 of the status).
    pub uncorrected: bool,
}

impl MachineCheck {
    /// Whether it names a CPU and is not of the memory or of a device, which any CPU may be the one to report: the codes
    /// `000F 0000 1MMM CCCC` and `000F 1PPT RRRR 10LL` of the architecture.
    pub fn is_of_a_cpu(&self) -> bool {
        let code = self.status & 0xefff;
        let (memory, device) = (code & 0xff80 == 0x0080, code & 0xf80c == 0x0808);
        (self.apic.is_some() || self.cpu.is_some()) && !memory && !device
    }

    /// What was reported, for people.
    pub fn in_words(&self) -> String {
        let how = if self.uncorrected { "uncorrected" } else { "corrected" };
        format!("the hardware reports an error: bank {}, status {:#018x}, {how}", self.bank, self.status)
    }

    /// The core that it names, by the APIC id, which does not change from boot to boot; by the CPU's number only without.
    pub fn core(&self, cores: &[Core]) -> Option<u32> {
        let named = |core: &&Core| match (self.apic, self.cpu) {
            (Some(apic), _) if cores.iter().any(|core| !core.apic.is_empty()) => core.apic.contains(&apic),
            (_, Some(cpu)) => core.cpus.contains(&cpu),
            _ => false,
        };
        cores.iter().find(named).filter(|_| self.is_of_a_cpu()).map(|core| core.core)
    }
}

/// Reads the traces below `root`.
pub fn read(root: &Root) -> Traces {
    let mut traces = Traces { boot: boot(root), ..Traces::default() };
    wtmp::read(root, &mut traces);
    journald::read(root, &mut traces);
    pstore::read(root, &mut traces);
    kernel_log::read(root, &mut traces);
    rasdaemon::read(root, &mut traces);
    #[cfg(windows)]
    if root.is_real() {
        let events = |query, most| crate::platform::system_events(query, most).unwrap_or_default();
        event_log::add(&events(event_log::QUERY, event_log::EVENTS_MAX), &mut traces);
        event_log::add_signs(&events(event_log::ANY, event_log::SIGNS_MAX), &mut traces);
    }
    traces.boots.sort_unstable();
    traces.shutdowns.sort_unstable();
    traces.signs.sort_by_key(|sign| sign.at_s);
    traces.panics.sort_by_key(|panic| panic.at_s);
    traces.machine_checks.sort_unstable();
    // syslog repeats kern.log, a dump repeats both, and rasdaemon hears of the same events.
    traces.machine_checks.dedup();
    traces
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// An empty root.
    pub fn tree() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    /// A file in it.
    pub fn put(root: &tempfile::TempDir, path: &str, bytes: &[u8]) {
        let path = root.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(path, bytes).expect("writable");
    }

    #[test]
    fn nothing_there_is_no_trace() {
        assert_eq!(read(&Root::at(tree().path())), Traces::default());
    }

    #[test]
    fn sources_come_together_in_the_order_of_time() {
        let root = tree();
        put(&root, "/proc/sys/kernel/random/boot_id", b"aa-bb\n");
        put(&root, "/proc/stat", b"cpu 1 2 3\nbtime 1700000500\n");
        let wtmp =
            [wtmp::tests::record(2, "reboot", 0, 1_700_000_490), wtmp::tests::record(7, "ada", 5, 1_700_000_600)];
        put(&root, "/var/log/wtmp", &wtmp.concat());
        put(&root, "/var/log/journal/m/system@1.journal~", &journald::tests::header(7, 1_700_000_400_000_000));
        let check = kernel_log::tests::printed(2, 5, 1 << 61, 1_700_000_501, 4);
        put(&root, "/var/log/kern.log", check.as_bytes());
        put(&root, "/var/log/syslog", (check.clone() + &check).as_bytes());
        let traces = read(&Root::at(root.path()));
        assert_eq!(traces.boot, Some(Boot { id: "aa-bb".into(), booted_at_s: Some(1_700_000_500) }));
        assert_eq!(traces.boots, [1_700_000_490]);
        assert_eq!(traces.signs.iter().map(|sign| sign.at_s).collect::<Vec<_>>(), [1_700_000_400, 1_700_000_600]);
        assert_eq!(traces.machine_checks.len(), 1);
        let json = serde_json::to_string(&traces).expect("JSON");
        assert_eq!(serde_json::from_str::<Traces>(&json).expect("ours"), traces);
    }

    #[test]
    fn a_machine_check_is_the_named_cores_whatever_the_cpus_number() {
        let root = tree();
        let cpuinfo = "processor: 0\napicid: 0\n\nprocessor: 1\napicid: 8\n\nprocessor: 2\napicid: 9\n";
        put(&root, "/proc/cpuinfo", cpuinfo.as_bytes());
        put(&root, "/sys/devices/system/cpu/online", b"0-2");
        for cpu in [1, 2] {
            put(&root, &format!("/sys/devices/system/cpu/cpu{cpu}/topology/core_cpus_list"), b"1-2");
        }
        let mut cores = crate::machine::read(&Root::at(root.path()), &[0]).expect("a machine").cores;
        assert_eq!(cores.iter().map(|core| core.apic.clone()).collect::<Vec<_>>(), [vec![0], vec![8, 9]]);
        let check = |apic, cpu| MachineCheck { at_s: 1, apic, cpu, bank: 0, status: 1 << 61, uncorrected: true };
        assert_eq!(check(Some(9), Some(0)).core(&cores), Some(1));
        assert_eq!(check(Some(7), Some(0)).core(&cores), None, "no such APIC id: no guess");
        for (code, of_a_cpu) in
            [(0x9f, false), (0x10c1, false), (0xe0b, false), (0x108, true), (0x134, true), (0x400, true), (0x5, true)]
        {
            let check = MachineCheck { status: 0xb200_0000_0000_0000 | code, ..check(Some(9), Some(0)) };
            assert_eq!(check.core(&cores).is_some(), of_a_cpu, "{code:#x}");
        }
        assert_eq!(check(None, Some(2)).core(&cores), Some(1));
        assert_eq!(check(None, None).core(&cores), None);
        cores.iter_mut().for_each(|core| core.apic.clear());
        assert_eq!(check(Some(9), Some(0)).core(&cores), Some(0), "a journal of before the APIC ids were kept");
    }
}
