//! Machine checks in the kernel's log. The kernel prints one as several lines, of which two matter here:
//!
//! ```text
//! mce: [Hardware Error]: CPU 4: Machine Check: 0 Bank 5: bf80000000200401
//! mce: [Hardware Error]: PROCESSOR 0:b0671 TIME 1700000000 SOCKET 0 APIC 20 microcode 129
//! ```
//!
//! All numbers are hexadecimal but the CPU, the bank, the time and the socket. What a reset left in the hardware's
//! registers is printed the same way by the boot after it. Where AMD's decoder is loaded it says instead, without APIC id and time:
//!
//! ```text
//! [Hardware Error]: CPU:1 (19:61:2) MC5_STATUS[Over|CE|MiscV|-|-|-|SyndV|-|-|-]: 0xdc2041000000011b
//! [Hardware Error]: IPID: 0x000500b000000000, Syndrome: 0x000000001a030d07
//! ```
//!
//! The second line tells which unit the bank is of: all that is no part of a core is nobody's.

use super::{MachineCheck, Root, Traces};

/// The newest part that is read of each log.
const BYTES_MAX: u64 = 4 << 20;
const MARK: &str = "[Hardware Error]: ";
/// The bit of a bank's status that says "not corrected".
const UNCORRECTED: u64 = 1 << 61;

/// Adds the machine checks in the logs below `/var/log`, those of before the last rotation too.
pub fn read(root: &Root, traces: &mut Traces) {
    const LOGS: [&str; 8] =
        ["kern.log", "kern.log.1", "messages", "messages.1", "syslog", "syslog.1", "dmesg", "dmesg.0"];
    for name in LOGS {
        if let Some(bytes) = root.tail(&format!("/var/log/{name}"), BYTES_MAX) {
            traces.machine_checks.extend(machine_checks(&String::from_utf8_lossy(&bytes)));
        }
    }
}

/// The machine checks in a piece of log; those whose time is not told are left out.
pub fn machine_checks(log: &str) -> Vec<MachineCheck> {
    let mut found = Vec::new();
    let mut open: Option<Printed> = None;
    for line in log.lines() {
        let Some((prefix, text)) = line.split_once(MARK) else { continue };
        if let Some(mut check) = Printed::opened(text) {
            check.at_s = logged_at(prefix);
            found.extend(open.replace(check).and_then(Printed::done));
        } else if text.starts_with("PROCESSOR ")
            && let Some(mut check) = open.take()
        {
            check.at_s = after(text, "TIME ").and_then(|time| time.parse().ok()).or(check.at_s);
            check.apic = after(text, "APIC ").and_then(|apic| u32::from_str_radix(apic, 16).ok());
            found.extend(check.done());
        } else if let (Some(unit), Some(check)) = (after(text, "IPID: 0x"), &mut open) {
            check.is_of_a_core &= is_of_a_core(unit);
        }
    }
    found.extend(open.and_then(Printed::done));
    found
}

/// A machine check of which not all lines were read yet.
struct Printed {
    at_s: Option<i64>,
    apic: Option<u32>,
    cpu: u32,
    bank: u32,
    status: u64,
    is_of_a_core: bool,
}

impl Printed {
    fn opened(text: &str) -> Option<Self> {
        let (cpu, bank, status) = Self::plain(text).or_else(|| Self::decoded(text))?;
        let status = u64::from_str_radix(status.split_whitespace().next()?, 16).ok()?;
        let (cpu, bank) = (cpu.parse().ok()?, bank.parse().ok()?);
        Some(Self { at_s: None, apic: None, cpu, bank, status, is_of_a_core: true })
    }

    /// CPU, bank and status as the kernel itself prints them.
    fn plain(text: &str) -> Option<(&str, &str, &str)> {
        let (cpu, rest) = text.strip_prefix("CPU ")?.split_once(": Machine Check")?;
        let (bank, status) = rest.split_once(" Bank ")?.1.split_once(": ")?;
        Some((cpu, bank, status))
    }

    /// The same as AMD's decoder does.
    fn decoded(text: &str) -> Option<(&str, &str, &str)> {
        let (cpu, rest) = text.strip_prefix("CPU:")?.split_once(' ')?;
        let (bank, rest) = rest.split_once(" MC")?.1.split_once("_STATUS[")?;
        Some((cpu, bank, rest.split_once("]: 0x")?.1))
    }

    fn done(self) -> Option<MachineCheck> {
        Some(MachineCheck {
            at_s: self.at_s?,
            apic: self.apic,
            cpu: Some(self.cpu).filter(|_| self.is_of_a_core),
            bank: self.bank,
            status: self.status,
            uncorrected: self.status & UNCORRECTED != 0,
        })
    }
}

/// Whether a bank's identity on AMD is of a unit of a core: kind of hardware 0xb0, but not its type 7, the shared third-level
/// cache (AMD, Processor Programming Reference for Family 19h, MCA_IPID).
fn is_of_a_core(identity: &str) -> bool {
    let digits = identity.trim_end_matches(',');
    let Ok(identity) = u64::from_str_radix(digits, 16) else { return true };
    let (kind, unit) = (identity >> 32 & 0xfff, identity >> 48);
    kind == 0xb0 && unit != 7
}

/// The word after `name`.
fn after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split_once(name)?.1.split_whitespace().next()
}

/// The time that the log itself put before the line, where it has a year.
fn logged_at(prefix: &str) -> Option<i64> {
    prefix.split_whitespace().next()?.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the kernel prints of one machine check.
    pub fn printed(cpu: u32, bank: u32, status: u64, time: i64, apic: u32) -> String {
        format!(
            "Nov 24 08:10:14 host kernel: [ 12.5] mce: [Hardware Error]: CPU {cpu}: Machine Check: 0 Bank {bank}: {status:016x}\n\
             Nov 24 08:10:14 host kernel: [ 12.5] mce: [Hardware Error]: TSC 0 ADDR ffffff MISC 43880006086\n\
             Nov 24 08:10:14 host kernel: [ 12.5] mce: [Hardware Error]: PROCESSOR 0:b0671 TIME {time} SOCKET 0 APIC {apic:x} microcode 129\n"
        )
    }

    #[test]
    fn the_two_lines_make_one() {
        let log = printed(4, 5, 0xbf80_0000_0020_0401, 1_700_000_000, 0x20)
            + "Nov 24 08:10:15 host kernel: mce: [Hardware Error]: Machine check events logged\n"
            + &printed(17, 0, 0x9c00_0040_0001_009f, 1_700_000_009, 0x41);
        let check = |at_s, apic, cpu, bank, status, uncorrected| MachineCheck {
            at_s,
            apic: Some(apic),
            cpu: Some(cpu),
            bank,
            status,
            uncorrected,
        };
        assert_eq!(
            machine_checks(&log),
            [
                check(1_700_000_000, 0x20, 4, 5, 0xbf80_0000_0020_0401, true),
                check(1_700_000_009, 0x41, 17, 0, 0x9c00_0040_0001_009f, false)
            ]
        );
    }

    #[test]
    fn what_amds_decoder_prints_counts_where_a_core_is_meant() {
        let printed = |status: &str, identity: &str| {
            format!(
                "2023-11-14T22:13:20+00:00 host kernel: [Hardware Error]: Corrected error, no action required.\n\
                 2023-11-14T22:13:20+00:00 host kernel: [Hardware Error]: CPU:9 (19:61:2) MC5_STATUS[-|CE|MiscV|-|-|-|SyndV]: 0x{status}\n\
                 2023-11-14T22:13:20+00:00 host kernel: [Hardware Error]: IPID: 0x{identity}, Syndrome: 0x000000001a030d07\n"
            )
        };
        let core = printed("9820000000000150", "000500b000000000");
        let memory = printed("dc2040000000011b", "0000009600050f00");
        let cache = printed("bc2040000000011b", "000700b030000000");
        let checks = machine_checks(&(core + &memory + &cache));
        let seen: Vec<_> = checks.iter().map(|check| (check.cpu, check.bank, check.uncorrected)).collect();
        assert_eq!(seen, [(Some(9), 5, false), (None, 5, false), (None, 5, true)]);
        assert_eq!(checks[0].at_s, 1_700_000_000);
    }

    #[test]
    fn without_the_second_line_the_logs_own_time_counts() {
        let line = "kernel: mce: [Hardware Error]: CPU 4: Machine Check Exception: 5 Bank 0: b200000000000005";
        assert_eq!(machine_checks(&format!("Nov 24 08:10:14 host {line}")), [], "which year?");
        let [check] = &machine_checks(&format!("2023-11-14T22:13:20.5+00:00 host {line}\n"))[..] else { panic!("one") };
        assert_eq!((check.at_s, check.apic, check.cpu, check.uncorrected), (1_700_000_000, None, Some(4), true));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in r"(\[Hardware Error\]: (CPU|PROCESSOR|Bank|TIME|APIC|: Machine Check|:1 |MC1_STATUS\[\]: 0x|IPID: 0x| |[0-9a-f]{1,20}|\n){0,9}\n?){0,4}") {
            machine_checks(&text);
        }
    }
}
