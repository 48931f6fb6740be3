//! The login records, `/var/log/wtmp` and the one before it. A record of x86-64 glibc has 384 bytes: type (i16) at 0, process
//! (i32) at 4, terminal (32 bytes) at 8, user (32) at 44, seconds since 1970 at 340. Damaged records are skipped, a torn
//! end is ignored.

use super::{Root, Sign, Traces};

const RECORD: usize = 384;
/// The newest that is read: more than 40,000 records.
const BYTES_MAX: u64 = (RECORD as u64) << 16;

const RUN_LEVEL: i16 = 1;
const BOOT_TIME: i16 = 2;
/// The types in use, without "empty" and "accounting".
const TYPES: std::ops::RangeInclusive<i16> = 1..=8;

/// Adds boots, shutdowns, and the last sign of life before each boot.
pub fn read(root: &Root, traces: &mut Traces) {
    for path in ["/var/log/wtmp.1", "/var/log/wtmp"] {
        let Some(bytes) = root.tail(path, BYTES_MAX) else { continue };
        let mut last = None;
        for record in bytes.chunks_exact(RECORD).filter_map(Record::of) {
            if record.boot {
                traces.boots.push(record.at_s);
                traces.signs.extend(last.take());
                continue;
            }
            if record.shutdown {
                traces.shutdowns.push(record.at_s);
            }
            last = Some(Sign { source: path.into(), boot: None, at_s: record.at_s });
        }
        traces.signs.extend(last);
    }
}

struct Record {
    boot: bool,
    at_s: i64,
    shutdown: bool,
}

impl Record {
    fn of(bytes: &[u8]) -> Option<Self> {
        let kind = i16::from_le_bytes(bytes.get(0..2)?.try_into().ok()?);
        let process = i32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
        let at_s = u32::from_le_bytes(bytes.get(340..344)?.try_into().ok()?);
        let (_, user) = (text(bytes.get(8..40)?)?, text(bytes.get(44..76)?)?);
        if !TYPES.contains(&kind) || at_s == 0 {
            return None;
        }
        // OpenRC marks a boot by the user "reboot" alone.
        let boot = kind == BOOT_TIME || kind == RUN_LEVEL && user == "reboot";
        // systemd writes the user "shutdown"; System V's init the run level 0 or 6, as a character in place of the process.
        let halts = user == "runlevel" && [b'0', b'6'].contains(&process.to_le_bytes()[0]);
        let shutdown = kind == RUN_LEVEL && (user == "shutdown" || halts);
        Some(Self { boot, at_s: at_s.into(), shutdown })
    }
}

/// A field's text up to its first zero; `None` if it is not what a login program writes.
fn text(field: &[u8]) -> Option<&str> {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    std::str::from_utf8(&field[..end]).ok().filter(|text| !text.chars().any(char::is_control))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::machine::traces::tests::{put, tree};
    use proptest::prelude::*;

    /// A record as a login program writes it.
    pub fn record(kind: i16, user: &str, process: i32, at_s: u32) -> Vec<u8> {
        let mut bytes = vec![0; RECORD];
        bytes[0..2].copy_from_slice(&kind.to_le_bytes());
        bytes[4..8].copy_from_slice(&process.to_le_bytes());
        bytes[8] = b'~';
        bytes[44..44 + user.len()].copy_from_slice(user.as_bytes());
        bytes[340..344].copy_from_slice(&at_s.to_le_bytes());
        bytes
    }

    fn traces(bytes: &[u8]) -> Traces {
        let root = tree();
        put(&root, "/var/log/wtmp", bytes);
        let mut traces = Traces::default();
        read(&Root::at(root.path()), &mut traces);
        traces
    }

    #[test]
    fn boots_shutdowns_and_signs() {
        let parts = [
            record(BOOT_TIME, "reboot", 0, 1000),
            record(RUN_LEVEL, "runlevel", i32::from(b'5'), 1010),
            record(7, "ada", 77, 1500),
            record(RUN_LEVEL, "shutdown", 0, 2000),
            record(BOOT_TIME, "reboot", 0, 3000),
            record(RUN_LEVEL, "runlevel", i32::from(b'6'), 3500),
            record(RUN_LEVEL, "reboot", 0, 4000),
            record(7, "ada", 77, 4500),
        ];
        let read = traces(&parts.concat());
        assert_eq!((read.boots, read.shutdowns), (vec![1000, 3000, 4000], vec![2000, 3500]));
        assert_eq!(read.signs.iter().map(|sign| sign.at_s).collect::<Vec<_>>(), [2000, 3500, 4500]);
    }

    #[test]
    fn damage_costs_the_damaged_records_only() {
        let mut damaged = record(RUN_LEVEL, "shutdown", 0, 2000);
        damaged[44] = 0x1b;
        let torn = &record(RUN_LEVEL, "shutdown", 0, 5000)[..200];
        let parts = [damaged, record(99, "shutdown", 0, 2500), record(RUN_LEVEL, "shutdown", 0, 3000), torn.to_vec()];
        assert_eq!(traces(&parts.concat()).shutdowns, [3000]);
        assert_eq!(traces(&[]), Traces::default());
        assert_eq!(traces(&[0; 3 * RECORD]), Traces::default());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
            traces(&bytes);
        }
    }
}
