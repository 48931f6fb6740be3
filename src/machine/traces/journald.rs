//! systemd's journal files. Of the header (systemd.io/JOURNAL_FILE_FORMAT) are read: the signature `LPKSHHRH` at 0, the boot
//! that wrote last at 56, the offset of the last object at 136, the time of the last entry in µs at 192. A file that a reset
//! left open is put aside by the next boot as `.journal~`, header untouched. The header may lag behind what was written
//! before a reset, so it says that the OS lived until then at least. The file's state says nothing of a clean shutdown: an
//! idle file is closed too. Many systems keep the kernel's log nowhere else, so the text in the newest files is searched
//! for machine checks; journald leaves lines as short as theirs uncompressed.

use super::{Root, Sign, Traces, kernel_log::machine_checks};

const SIGNATURE: &[u8] = b"LPKSHHRH";
/// As much of the header as we use.
const HEADER: u64 = 208;
/// systemd takes no later times for valid either.
const USEC_MAX: u64 = 1 << 55;
/// How many files are searched, and how much of the end of each.
const SEARCHED: usize = 8;
const SEARCHED_BYTES: u64 = 4 << 20;
/// The last object may be a long one; what is behind it is empty.
const LAST_OBJECT: u64 = 64 << 10;

/// Adds the last entry's time of every journal file, and the machine checks in the newest ones of the system itself.
pub fn read(root: &Root, traces: &mut Traces) {
    let mut ends = Vec::new();
    for folder in ["/var/log/journal", "/run/log/journal"] {
        for machine in root.list(folder) {
            for name in root.list(&format!("{folder}/{machine}")) {
                if !(name.ends_with(".journal") || name.ends_with(".journal~")) {
                    continue;
                }
                let path = format!("{folder}/{machine}/{name}");
                let Some(header) = root.head(&path, HEADER).and_then(|bytes| Header::of(&bytes)) else { continue };
                let boot = Some(format!("{:032x}", header.boot));
                let at_s = (header.usec / 1_000_000) as i64;
                traces.signs.push(Sign { source: "the system's journal".into(), boot, at_s });
                // Users write files of their own.
                if name.starts_with("system") {
                    ends.push((header.usec, path, header.last_object));
                }
            }
        }
    }
    ends.sort_unstable();
    for (_, path, last_object) in ends.into_iter().rev().take(SEARCHED) {
        let bytes = root.before(&path, last_object.saturating_add(LAST_OBJECT), SEARCHED_BYTES).unwrap_or_default();
        let text: String =
            bytes.iter().map(|&byte| if (b' '..=b'~').contains(&byte) { byte as char } else { '\n' }).collect();
        traces.machine_checks.extend(machine_checks(&text));
    }
}

struct Header {
    boot: u128,
    last_object: u64,
    usec: u64,
}

impl Header {
    fn of(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let boot = u128::from_be_bytes(bytes.get(56..72)?.try_into().ok()?);
        let header = Self { boot, last_object: number(136)?, usec: number(192)? };
        let sound = bytes.starts_with(SIGNATURE) && boot != 0 && (1..USEC_MAX).contains(&header.usec);
        sound.then_some(header)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::machine::traces::tests::{put, tree};

    /// The header of a file whose last entry is of `boot`.
    pub fn header(boot: u128, usec: u64) -> Vec<u8> {
        let mut bytes = vec![0; 272];
        bytes[..8].copy_from_slice(SIGNATURE);
        bytes[56..72].copy_from_slice(&boot.to_be_bytes());
        bytes[192..200].copy_from_slice(&usec.to_le_bytes());
        bytes
    }

    #[test]
    fn headers_say_which_boot_lived_until_when() {
        let root = tree();
        let machine = "/var/log/journal/0123456789abcdef0123456789abcdef";
        put(&root, &format!("{machine}/system.journal"), &header(0xab, 5_000_000));
        put(&root, &format!("{machine}/system@0005.journal~"), &header(0xff << 120, 7_900_000));
        put(&root, "/run/log/journal/m/system.journal", &header(0xab, 9_000_000));
        for (name, bytes) in [
            ("short.journal", header(1, 8_000_000)[..199].to_vec()),
            ("empty.journal", vec![]),
            ("never.journal", header(1, 0)),
            ("absurd.journal", header(1, u64::MAX)),
            ("foreign.journal", vec![b'L'; 272]),
            ("other.txt", header(1, 8_000_000)),
        ] {
            put(&root, &format!("{machine}/{name}"), &bytes);
        }
        let mut traces = Traces::default();
        read(&Root::at(root.path()), &mut traces);
        let read: Vec<(Option<&str>, i64)> = traces.signs.iter().map(|s| (s.boot.as_deref(), s.at_s)).collect();
        let id = "000000000000000000000000000000ab";
        assert_eq!(read, [(Some(id), 5), (Some("ff000000000000000000000000000000"), 7), (Some(id), 9)]);
    }

    #[test]
    fn machine_checks_are_found_between_the_binary_parts() {
        let root = tree();
        let mut bytes = header(1, 1_700_000_100_000_000);
        let (mut lines, mut objects) = (String::new(), 0u64);
        for line in
            crate::machine::traces::kernel_log::tests::printed(4, 5, 0xbea0_0000_0000_0108, 1_700_000_000, 8).lines()
        {
            lines = line.split_once("] ").expect("a stamp").1.to_owned();
            objects = bytes.len() as u64;
            bytes.extend([1, 0, 0, 0, 0, 0, 0, 0, 0xd7, 0x41, 0x20, 0x93]);
            bytes.extend(format!("MESSAGE={lines}").as_bytes());
        }
        assert!(lines.starts_with("mce: [Hardware Error]: PROCESSOR"));
        bytes[136..144].copy_from_slice(&objects.to_le_bytes());
        bytes.resize(8 << 20, 0);
        put(&root, "/var/log/journal/m/system@1.journal~", &bytes);
        put(&root, "/var/log/journal/m/user-1000.journal", &bytes);
        let mut traces = Traces::default();
        read(&Root::at(root.path()), &mut traces);
        let [check] = &traces.machine_checks[..] else { panic!("{:?}", traces.machine_checks) };
        assert_eq!((check.at_s, check.apic, check.cpu, check.bank), (1_700_000_000, Some(8), Some(4), 5));
        assert!(check.uncorrected);
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_read_without_a_panic(mut bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            for (byte, signature) in bytes.iter_mut().zip(SIGNATURE) {
                *byte = *signature;
            }
            let root = tree();
            put(&root, "/run/log/journal/m/system.journal", &bytes);
            let mut traces = Traces::default();
            read(&Root::at(root.path()), &mut traces);
        }
    }
}
