//! A machine that was booted anew, as a tree of what its OS left: what ended the run, and which core a machine check names.

use std::{fs, path::Path};

use oddcore::{
    machine::{Boot, Root, read, traces},
    verdict::loss::{DeadRun, LossReason, weigh},
};

const OLD: &str = "11111111-2222-3333-4444-555555555555";
const NEW: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
/// The run's step started, it was last seen, and the machine was booted again.
const STARTED: u32 = 1_700_000_000;
const SEEN: u32 = STARTED + 100;
const BOOTED: u32 = STARTED + 400;

fn put(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
    fs::write(path, bytes).expect("writable");
}

/// One record of wtmp on x86-64.
fn login_record(kind: u8, user: &str, at_s: u32) -> Vec<u8> {
    let mut bytes = vec![0; 384];
    bytes[0] = kind;
    bytes[44..44 + user.len()].copy_from_slice(user.as_bytes());
    bytes[340..344].copy_from_slice(&at_s.to_le_bytes());
    bytes
}

/// The header of one of systemd's journal files.
fn journal_header(boot: &str, at_s: u32) -> Vec<u8> {
    let mut bytes = vec![0; 264];
    bytes[..8].copy_from_slice(b"LPKSHHRH");
    let boot = u128::from_str_radix(&boot.replace('-', ""), 16).expect("an id");
    bytes[56..72].copy_from_slice(&boot.to_be_bytes());
    bytes[192..200].copy_from_slice(&(u64::from(at_s) * 1_000_000).to_le_bytes());
    bytes
}

/// Two cores of two CPUs, booted at `BOOTED` as `NEW`, after a reset that left nothing but the old boot's journal.
fn machine() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    let mut cpuinfo = String::new();
    for (cpu, (siblings, apic)) in [("0,2", 0), ("1,3", 8), ("0,2", 1), ("1,3", 9)].into_iter().enumerate() {
        cpuinfo += &format!("processor: {cpu}\napicid: {apic}\n\n");
        put(root.path(), &format!("sys/devices/system/cpu/cpu{cpu}/topology/core_cpus_list"), siblings.as_bytes());
    }
    put(root.path(), "proc/cpuinfo", cpuinfo.as_bytes());
    put(root.path(), "sys/devices/system/cpu/online", b"0-3");
    put(root.path(), "proc/sys/kernel/random/boot_id", NEW.as_bytes());
    put(root.path(), "proc/stat", format!("cpu 0 0\nbtime {BOOTED}\n").as_bytes());
    let logins = [login_record(2, "reboot", STARTED - 9999), login_record(2, "reboot", BOOTED)].concat();
    put(root.path(), "var/log/wtmp", &logins);
    put(root.path(), "var/log/journal/m/system@1.journal~", &journal_header(OLD, SEEN + 3));
    put(root.path(), "var/log/journal/m/system.journal", &journal_header(NEW, BOOTED + 60));
    root
}

fn weighed(root: &tempfile::TempDir) -> oddcore::verdict::loss::Loss {
    let dead = DeadRun {
        boot: Some(Boot { id: OLD.into(), booted_at_s: Some(u64::from(STARTED) - 9999) }),
        last_seen_s: SEEN.into(),
        heartbeat_every_s: 10,
        supervisor_vanished: false,
        step_started_s: Some(STARTED.into()),
    };
    weigh(&dead, &traces::read(&Root::at(root.path())))
}

#[test]
fn a_reset_is_told_from_what_only_looks_like_one() {
    let root = machine();
    let loss = weighed(&root);
    assert_eq!((loss.reason, loss.power_cut_excluded), (LossReason::LostToReset, false), "{loss:?}");

    put(root.path(), "var/log/journal/m/system@1.journal~", &journal_header(OLD, SEEN + 200));
    let loss = weighed(&root);
    assert!(loss.reason == LossReason::Interrupted && loss.why.contains("200 s"), "{loss:?}");

    let root = machine();
    let logins = [
        login_record(2, "reboot", STARTED - 9999),
        login_record(1, "shutdown", SEEN + 5),
        login_record(2, "reboot", BOOTED),
    ];
    put(root.path(), "var/log/wtmp", &logins.concat());
    let loss = weighed(&root);
    assert!(loss.reason == LossReason::Interrupted && loss.why.contains("orderly"), "{loss:?}");

    let root = machine();
    put(root.path(), "proc/sys/kernel/random/boot_id", OLD.to_uppercase().as_bytes());
    assert_eq!(weighed(&root).reason, LossReason::Interrupted);

    let root = machine();
    fs::remove_dir_all(root.path().join("proc/sys")).expect("writable");
    assert_eq!(weighed(&root).reason, LossReason::Interrupted, "without a boot's id a reset cannot be shown");

    let root = machine();
    fs::remove_dir_all(root.path().join("var")).expect("writable");
    assert_eq!(weighed(&root).reason, LossReason::LostToReset, "what is missing counts as not there");
}

#[test]
fn a_machine_check_names_the_core_of_its_apic_id() {
    let root = machine();
    let found = BOOTED + 1;
    let log = format!(
        "Nov 14 22:20:01 host kernel: [    0.4] mce: [Hardware Error]: CPU 0: Machine Check: 0 Bank 5: bea0000000000108\n\
         Nov 14 22:20:01 host kernel: [    0.4] mce: [Hardware Error]: TSC 0 ADDR 1ffff810e36c6 MISC d012000100000000\n\
         Nov 14 22:20:01 host kernel: [    0.4] mce: [Hardware Error]: PROCESSOR 2:a20f10 TIME {found} SOCKET 0 APIC 9 microcode a201016\n"
    );
    put(root.path(), "var/log/kern.log", log.as_bytes());
    let loss = weighed(&root);
    assert_eq!((loss.reason, loss.power_cut_excluded), (LossReason::LostToReset, true), "{loss:?}");
    let cores = read(&Root::at(root.path()), &[0, 1, 2, 3]).expect("a machine").cores;
    let named: Vec<Option<u32>> = loss.machine_checks.iter().map(|check| check.core(&cores)).collect();
    assert_eq!(named, [Some(1)]);
}
