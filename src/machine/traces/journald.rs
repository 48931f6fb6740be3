//! systemd's journal files, of which only the headers are read (systemd.io/JOURNAL_FILE_FORMAT): the signature `LPKSHHRH` at 0,
//! the boot that wrote last at 56, the time of the last entry in µs at 192. A file that a reset left open is put aside by
//! the next boot as `.journal~`, header untouched. The header may lag behind what was written before a reset, so it says
//! that the OS lived until then at least. The file's state says nothing of a clean shutdown: an idle file is closed too.

use super::{Root, Sign, Traces};

const SIGNATURE: &[u8] = b"LPKSHHRH";
/// As much of the header as we use.
const HEADER: u64 = 208;
/// systemd takes no later times for valid either.
const USEC_MAX: u64 = 1 << 55;

/// Adds the last entry's time of every journal file.
pub fn read(root: &Root, traces: &mut Traces) {
    for folder in ["/var/log/journal", "/run/log/journal"] {
        for machine in root.list(folder) {
            for name in root.list(&format!("{folder}/{machine}")) {
                if name.ends_with(".journal") || name.ends_with(".journal~") {
                    let path = format!("{folder}/{machine}/{name}");
                    traces.signs.extend(root.head(&path, HEADER).and_then(|header| last_entry(&header)));
                }
            }
        }
    }
}

fn last_entry(header: &[u8]) -> Option<Sign> {
    let boot = u128::from_be_bytes(header.get(56..72)?.try_into().ok()?);
    let usec = u64::from_le_bytes(header.get(192..200)?.try_into().ok()?);
    let sound = header.starts_with(SIGNATURE) && boot != 0 && (1..USEC_MAX).contains(&usec);
    sound.then(|| Sign {
        source: "the system's journal".into(),
        boot: Some(format!("{boot:032x}")),
        at_s: (usec / 1_000_000) as i64,
    })
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
}
