//! What the hardware reports while a run goes on: machine checks in the kernel's log and in rasdaemon's database, and the memory
//! controllers' counts of errors (EDAC). Only what is new since the run began is told, and what both tell, once. Whose core it was is
//! in the record, not in what was tested.

use std::collections::BTreeMap;

use super::{
    Root,
    rasdaemon::{DATABASE, Records},
    traces::{MachineCheck, kernel_log::machine_checks},
};
use crate::platform::KernelMessages;

/// Logs that a system's logger keeps, the first that can be read is followed where the kernel's own cannot.
const LOGS: [&str; 3] = ["/var/log/kern.log", "/var/log/messages", "/var/log/syslog"];
const EDAC: &str = "/sys/devices/system/edac/mc";
/// The most of a log that is read at once; of more, the newest part.
const BYTES_MAX: u64 = 1 << 20;
/// What every line of a machine check has.
const MARK: &str = "[Hardware Error]: ";
/// Two reports so many seconds apart may be of the same event; so many are kept to be held against later ones.
const SAME_WITHIN_S: u64 = 60;
const KEPT: usize = 256;

/// What is new.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HardwareNews {
    /// Machine checks, corrected and not.
    pub checks: Vec<MachineCheck>,
    /// Errors of memory by controller.
    pub memory: Vec<MemoryErrors>,
}

/// What a memory controller counted since the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryErrors {
    /// Its name, `mc0`.
    pub controller: String,
    /// Errors that it corrected.
    pub corrected: u64,
    /// Errors that it could not.
    pub uncorrected: u64,
}

/// Follows what the hardware reports, from now on.
#[derive(Debug)]
pub struct HardwareLog {
    root: Root,
    source: Source,
    /// Lines of a machine check whose last may be still to come.
    pending: String,
    records: Records,
    told: Told,
    counts: BTreeMap<String, (u64, u64)>,
}

#[derive(Debug)]
enum Source {
    Kernel(KernelMessages),
    File { path: &'static str, read: u64 },
    None,
}

impl HardwareLog {
    /// From now on: the kernel's own log where it may be read, else a file that the system's logger keeps.
    pub fn follow(root: &Root) -> Self {
        let kernel = || root.is_real().then(|| KernelMessages::from_now_on().ok()).flatten().map(Source::Kernel);
        let file = || {
            let path = LOGS.into_iter().find(|path| root.tail(path, 1).is_some())?;
            Some(Source::File { path, read: root.size(path)? })
        };
        let source = kernel().or_else(file).unwrap_or(Source::None);
        let (records, told) = (Records::follow(root), Told::default());
        Self { counts: counts(root), root: root.clone(), source, pending: String::new(), records, told }
    }

    /// Where machine checks are read, or why they cannot be.
    pub fn source(&self) -> Result<&'static str, String> {
        match &self.source {
            Source::Kernel(_) => Ok("the kernel's log"),
            Source::File { path, .. } => Ok(path),
            Source::None => Err(format!("the kernel's log takes root, and none of {} can be read", LOGS.join(", "))),
        }
    }

    /// Whether memory controllers count their errors here.
    pub fn counts_memory(&self) -> bool {
        !self.counts.is_empty()
    }

    /// What is new at the time `at`, RFC 3339, by which lines without a time of their own are dated.
    pub fn news(&mut self, at: &str) -> HardwareNews {
        let fresh = self.fresh_lines(at);
        let quiet = fresh.is_empty();
        self.pending.push_str(&fresh);
        let last_is_whole = self.pending.lines().next_back().is_some_and(|line| line.contains(": PROCESSOR "));
        let logged =
            if quiet || last_is_whole { machine_checks(&std::mem::take(&mut self.pending)) } else { Vec::new() };
        let now_s = at.parse().map_or(0, jiff::Timestamp::as_second);
        let recorded = self.records.news(now_s);
        HardwareNews { checks: self.told.new_of(logged, recorded), memory: self.memory() }
    }

    /// New lines about machine checks.
    fn fresh_lines(&mut self, at: &str) -> String {
        let text = match &mut self.source {
            Source::Kernel(messages) => messages.fresh(),
            Source::File { path, read } => {
                let size = self.root.size(path).unwrap_or(*read);
                // A log that is shorter than it was is another one.
                let begin = if size < *read { 0 } else { *read };
                let bytes = self.root.before(path, size, (size - begin).min(BYTES_MAX)).unwrap_or_default();
                // A line that is not all there yet comes the next time.
                let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
                *read = size - (bytes.len() - whole) as u64;
                String::from_utf8_lossy(&bytes[..whole]).into_owned()
            }
            Source::None => String::new(),
        };
        let dated = |line: &str| line.find(MARK).map(|start| format!("{at} {}\n", &line[start..]));
        text.lines().filter_map(dated).collect()
    }

    fn memory(&mut self) -> Vec<MemoryErrors> {
        let now = counts(&self.root);
        let more = |(controller, &(corrected, uncorrected)): (&String, &(u64, u64))| {
            let before = self.counts.get(controller).copied().unwrap_or_default();
            let (corrected, uncorrected) = (corrected.saturating_sub(before.0), uncorrected.saturating_sub(before.1));
            let errors = MemoryErrors { controller: controller.clone(), corrected, uncorrected };
            (corrected + uncorrected > 0).then_some(errors)
        };
        let fresh = now.iter().filter_map(more).collect();
        self.counts = now;
        fresh
    }
}

/// What one source told and the other has not yet: each event is counted once, whoever tells it first, and as often as one of them
/// tells it.
#[derive(Debug, Default)]
struct Told {
    logged: Vec<MachineCheck>,
    recorded: Vec<MachineCheck>,
}

impl Told {
    /// What was not told before by the other source.
    fn new_of(&mut self, logged: Vec<MachineCheck>, recorded: Vec<MachineCheck>) -> Vec<MachineCheck> {
        let mut fresh = unknown_to(&mut self.recorded, &mut self.logged, logged);
        fresh.extend(unknown_to(&mut self.logged, &mut self.recorded, recorded));
        fresh
    }
}

/// Those checks that `other` does not know; they are kept in `own`.
fn unknown_to(
    other: &mut Vec<MachineCheck>,
    own: &mut Vec<MachineCheck>,
    checks: Vec<MachineCheck>,
) -> Vec<MachineCheck> {
    let is_known = |check: &MachineCheck| {
        let known = other.iter().position(|told| is_the_same(told, check));
        known.map(|known| other.remove(known)).is_some()
    };
    let (_, fresh): (Vec<_>, Vec<_>) = checks.into_iter().partition(is_known);
    own.extend_from_slice(&fresh);
    own.drain(..own.len().saturating_sub(KEPT));
    fresh
}

/// Whether two sources may mean the same event. One that knows no CPU's number or APIC id is held against what it knows.
fn is_the_same(a: &MachineCheck, b: &MachineCheck) -> bool {
    let agree = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
    (a.bank, a.status) == (b.bank, b.status)
        && agree(a.apic, b.apic)
        && agree(a.cpu, b.cpu)
        && a.at_s.abs_diff(b.at_s) <= SAME_WITHIN_S
}

/// By memory controller: errors corrected and not, since the boot.
fn counts(root: &Root) -> BTreeMap<String, (u64, u64)> {
    let of = |controller: &String| {
        let count = |file| root.number(&format!("{EDAC}/{controller}/{file}"));
        Some((count("ce_count")?, count("ue_count")?))
    };
    let controllers = root.list(EDAC).into_iter().filter(|name| name.starts_with("mc"));
    controllers.filter_map(|name| of(&name).map(|counts| (name, counts))).collect()
}

/// What can be read, for people; what cannot is added to `missing`.
pub fn survey(root: &Root, missing: &mut Vec<String>) -> Vec<String> {
    let log = HardwareLog::follow(root);
    let mut there = Vec::new();
    let records = Records::is_there(root);
    match (log.source(), &records) {
        (Ok(source), Ok(true)) => there.push(format!("machine checks ({source}, rasdaemon's database)")),
        (Ok(source), _) => there.push(format!("machine checks ({source})")),
        (Err(_), Ok(true)) => there.push("machine checks (rasdaemon's database)".to_owned()),
        (Err(why), _) => missing.push(format!("machine checks: {why}")),
    }
    if let Err(why) = records {
        missing.push(format!("rasdaemon's database: {DATABASE} {why}"));
    }
    match log.counts_memory() {
        true => there.push("memory errors (EDAC)".to_owned()),
        false => missing.push(format!("memory errors: no controller in {EDAC}; without ECC nobody counts them")),
    }
    there
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{
        rasdaemon::tests::{of, record},
        traces::kernel_log::tests::printed,
    };
    use std::{fs, io::Write};

    const NOW: &str = "2026-01-02T03:04:05Z";

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new(log: &str) -> Self {
            let tree = Self(tempfile::tempdir().expect("a folder"));
            tree.put("var/log/kern.log", log);
            tree
        }

        fn put(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
            fs::write(path, text).expect("writable");
        }

        fn append(&self, text: &str) {
            let path = self.0.path().join("var/log/kern.log");
            let mut file = fs::OpenOptions::new().append(true).open(path).expect("there");
            file.write_all(text.as_bytes()).expect("writable");
        }

        fn follow(&self) -> HardwareLog {
            HardwareLog::follow(&Root::at(self.0.path()))
        }
    }

    #[test]
    fn only_what_is_new_is_told_once() {
        let tree = Tree::new(&printed(1, 5, 1 << 61, 1_700_000_000, 2));
        let mut log = tree.follow();
        assert_eq!(log.source(), Ok("/var/log/kern.log"));
        assert_eq!(log.news(NOW), HardwareNews::default(), "that was before");
        tree.append("Nov 24 host kernel: usb 1-1: new device\n");
        tree.append(&printed(4, 0, 0x9c00_0040_0001_0005, 1_700_000_009, 0x20));
        let checks = log.news(NOW).checks;
        assert_eq!(checks.len(), 1);
        assert_eq!((checks[0].apic, checks[0].cpu, checks[0].uncorrected), (Some(0x20), Some(4), false));
        assert_eq!(log.news(NOW), HardwareNews::default());
    }

    #[test]
    fn a_check_that_comes_in_pieces_is_one_and_one_that_stays_in_pieces_is_told() {
        let text = printed(4, 0, 1 << 61, 1_700_000_009, 0x20);
        for cut in 1..text.len() {
            let tree = Tree::new("");
            let mut log = tree.follow();
            tree.append(&text[..cut]);
            let mut checks = log.news(NOW).checks;
            tree.append(&text[cut..]);
            checks.extend(log.news(NOW).checks);
            checks.extend(log.news(NOW).checks);
            assert_eq!(checks.len(), 1, "cut at {cut}: {checks:?}");
            assert_eq!(checks[0].apic, Some(0x20), "cut at {cut}");
        }
        let tree = Tree::new("");
        let mut log = tree.follow();
        tree.append(text.lines().next().expect("the first"));
        tree.append("\n");
        assert!(log.news(NOW).checks.is_empty(), "its other half may be to come");
        let checks = log.news(NOW).checks;
        assert_eq!((checks[0].apic, checks[0].cpu, checks[0].at_s), (None, Some(4), 1_767_323_045));
    }

    #[test]
    fn a_log_begun_anew_is_read_from_its_start() {
        let tree = Tree::new(&"x".repeat(5000));
        let mut log = tree.follow();
        tree.put("var/log/kern.log", &printed(4, 0, 1 << 61, 1_700_000_009, 0x20));
        assert_eq!(log.news(NOW).checks.len(), 1);
    }

    #[test]
    fn memory_errors_are_counted_by_controller_from_now_on() {
        let tree = Tree::new("");
        tree.put("sys/devices/system/edac/mc/mc0/ce_count", "7\n");
        tree.put("sys/devices/system/edac/mc/mc0/ue_count", "0\n");
        let mut log = tree.follow();
        assert!(log.counts_memory());
        assert_eq!(log.news(NOW).memory, []);
        tree.put("sys/devices/system/edac/mc/mc0/ce_count", "10\n");
        let errors = MemoryErrors { controller: "mc0".into(), corrected: 3, uncorrected: 0 };
        assert_eq!(log.news(NOW).memory, [errors]);
        assert_eq!(log.news(NOW).memory, []);
    }

    #[test]
    fn what_both_the_log_and_rasdaemon_tell_is_told_once_whoever_is_first() {
        let uncorrected = 1 << 61;
        let both = |n: i64| {
            (printed(4, 5, uncorrected, 1_700_000_000 + n, 0x20), of(Some(0x20), uncorrected, 1_700_000_000 + n))
        };
        let (first, second) = (both(9), both(500));
        let tree = Tree::new("");
        record(tree.0.path(), &[]);
        let mut log = tree.follow();
        tree.append(&first.0);
        assert_eq!(log.news(NOW).checks, std::slice::from_ref(&first.1));
        record(tree.0.path(), std::slice::from_ref(&first.1));
        assert_eq!(log.news(NOW).checks, [], "known from the log");
        record(tree.0.path(), &[first.1.clone(), second.1.clone()]);
        assert_eq!(log.news(NOW).checks, std::slice::from_ref(&second.1));
        tree.append(&second.0);
        assert_eq!(log.news(NOW).checks, [], "known from the database");
        // One more of the same from either is one more event.
        record(tree.0.path(), &[first.1.clone(), second.1.clone(), second.1.clone()]);
        assert_eq!(log.news(NOW).checks, std::slice::from_ref(&second.1));
        // At the same look.
        let third = both(1000);
        tree.append(&third.0);
        record(tree.0.path(), &[first.1, second.1.clone(), second.1, third.1.clone()]);
        assert_eq!(log.news(NOW).checks, [third.1]);
    }

    #[test]
    fn rasdaemon_alone_will_do() {
        let tree = tempfile::tempdir().expect("a folder");
        record(tree.path(), &[]);
        let root = Root::at(tree.path());
        let mut missing = Vec::new();
        assert_eq!(survey(&root, &mut missing), ["machine checks (rasdaemon's database)"]);
        let mut log = HardwareLog::follow(&root);
        record(tree.path(), &[of(Some(0x20), 1, 7), of(Some(0x20), 1, 7)]);
        assert_eq!(log.news(NOW).checks.len(), 2, "twice is twice");
        std::fs::write(tree.path().join("var/lib/rasdaemon/ras-mc_event.db"), "x").expect("writable");
        assert_eq!(survey(&root, &mut missing), [""; 0]);
        let said = "rasdaemon's database: /var/lib/rasdaemon/ras-mc_event.db is not an SQLite database";
        assert!(missing.iter().any(|text| text == said), "{missing:?}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let tree = tempfile::tempdir().expect("a folder");
        let mut missing = Vec::new();
        assert!(survey(&Root::at(tree.path()), &mut missing).is_empty());
        assert!(missing[0].starts_with("machine checks: the kernel's log takes root"), "{missing:?}");
        assert!(missing[1].starts_with("memory errors: no controller"), "{missing:?}");
    }
}
