//! What a dying kernel put where it outlives a reset: `/sys/fs/pstore`, and systemd's archive of it.

use super::{KernelPanic, Root, Traces, kernel_log::machine_checks};

/// The most that is read of one dump; firmware keeps kibibytes, `ramoops` a few MiB.
const BYTES_MAX: u64 = 4 << 20;
/// How deep systemd's archive nests: time, count.
const DEPTH: u32 = 2;

/// Adds the panics and machine checks in the dumps.
pub fn read(root: &Root, traces: &mut Traces) {
    for folder in ["/sys/fs/pstore", "/var/lib/systemd/pstore"] {
        read_folder(root, folder, DEPTH, traces);
    }
}

fn read_folder(root: &Root, folder: &str, depth: u32, traces: &mut Traces) {
    for name in root.list(folder) {
        let path = format!("{folder}/{name}");
        let Some(bytes) = root.head(&path, BYTES_MAX) else {
            if depth > 0 {
                read_folder(root, &path, depth - 1, traces);
            }
            continue;
        };
        let dump = String::from_utf8_lossy(&bytes);
        traces.machine_checks.extend(machine_checks(&dump));
        // A dump's first line is its occasion; an "Oops" may be survived.
        let panicked = dump.starts_with("Panic#") || dump.contains("Kernel panic - not syncing");
        if let Some(at_s) = dumped_at(&name).or_else(|| root.modified_s(&path)).filter(|_| panicked) {
            traces.panics.push(KernelPanic { source: folder.into(), at_s });
        }
    }
}

/// The time in the name of a dump that UEFI kept: seconds, part (2 digits) and count (3 digits) in a row.
fn dumped_at(name: &str) -> Option<i64> {
    let digits = name.strip_prefix("dmesg-efi")?.rsplit_once('-')?.1;
    let seconds = digits.get(..digits.len().checked_sub(5)?)?;
    (seconds.len() == 10).then(|| seconds.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::traces::{
        kernel_log::tests::printed,
        tests::{put, tree},
    };

    #[test]
    fn a_panic_is_told_from_an_oops() {
        let root = tree();
        let panic = format!("Panic#1 Part2\n{}", printed(3, 0, 1 << 61, 1_700_000_001, 6));
        put(&root, "/sys/fs/pstore/dmesg-efi-170000000002001", panic.as_bytes());
        put(
            &root,
            "/sys/fs/pstore/dmesg-efi_pstore-170000000101002",
            b"Oops#1 Part1\n<4>[ 1.0] BUG: unable to handle\n",
        );
        put(&root, "/sys/fs/pstore/dmesg-erst-1", &[0xff; 99]);
        let late = "/var/lib/systemd/pstore/1700000000/001/dmesg.txt";
        put(&root, late, b"<0>[ 9.9] Kernel panic - not syncing: Fatal machine check\n");
        let root = Root::at(root.path());
        let mut traces = Traces::default();
        read(&root, &mut traces);
        let at: Vec<i64> = traces.panics.iter().map(|panic| panic.at_s).collect();
        assert_eq!(at, [1_700_000_000, root.modified_s(late).expect("there")]);
        assert_eq!(traces.machine_checks.len(), 1);
    }

    #[test]
    fn only_times_are_taken_for_times() {
        assert_eq!(dumped_at("dmesg-efi-170000000002001"), Some(1_700_000_000));
        for name in [
            "dmesg-erst-6996402146516402177",
            "dmesg-ramoops-0",
            "dmesg-efi-1",
            "dmesg-efi-ééééééé",
            "console-ramoops-0",
        ] {
            assert_eq!(dumped_at(name), None, "{name}");
        }
    }
}
