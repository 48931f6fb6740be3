//! The lines of the live screen, 80 columns wide at most.

use crate::{
    machine::{Core, Kind, Machine, format_cpu_list},
    report::text::si,
    verdict::Outcome,
    worker::protocol::Progress,
};

/// What is known of one core by now.
pub struct CoreLine {
    name: String,
    cpus: String,
    bclk_mhz: f64,
    /// What it is doing: load, and kernel where there is one.
    now: Option<(String, Option<String>)>,
    /// Of its last telling.
    mhz: Option<u32>,
    kernel: Option<String>,
    checks: u64,
    operations: u64,
    /// The last that the journal has.
    booked: (u64, u64),
    errors: u64,
    verdict: &'static str,
}

impl CoreLine {
    /// Nothing known yet.
    pub fn new(core: &Core, bclk_mhz: f64) -> Self {
        Self {
            name: core.short.clone(),
            cpus: format!("CPU {}", format_cpu_list(&core.cpus)),
            bclk_mhz,
            now: None,
            mhz: None,
            kernel: None,
            checks: 0,
            operations: 0,
            booked: (0, 0),
            errors: 0,
            verdict: "",
        }
    }

    /// A step begins, with or without it.
    pub fn step(&mut self, now: Option<(String, Option<String>)>) {
        self.kernel = now.as_ref().and_then(|(_, kernel)| kernel.clone());
        self.now = now;
    }

    /// What its worker has just told, which the journal will have later.
    pub fn progress(&mut self, progress: &Progress) {
        for (key, done) in &progress.parts {
            self.checks = self.checks.saturating_add(done.iterations);
            self.operations = self.operations.saturating_add(done.operations);
            self.kernel = Some(key.kernel.clone());
        }
        let most = progress.clocks.iter().max_by_key(|(_, count)| *count);
        self.mhz = most.map(|(mhz, _)| *mhz).or(self.mhz);
    }

    /// What the journal says. A run that is gone on with has more than its workers told.
    pub fn take_in(&mut self, outcome: &Outcome, core: u32) {
        let total = outcome.cores.get(&core).map(|own| own.total()).unwrap_or_default();
        self.booked = (total.iterations, total.operations);
        self.errors = outcome.findings_of(core);
        self.verdict = outcome.verdict_of(core).name();
    }

    /// Operations checked.
    pub fn operations(&self) -> u64 {
        self.operations.max(self.booked.1)
    }

    fn at_work(&self) -> bool {
        self.now.is_some()
    }

    /// ` P4   CPU 8-9   solo       webui-upscale        60.0x     2113 checks  ok`.
    pub fn text(&self) -> String {
        let (load, kernel) = match &self.now {
            Some((load, _)) => (load.as_str(), self.kernel.as_deref().unwrap_or("all kernels")),
            None => ("", ""),
        };
        let clock = self.mhz.filter(|_| self.at_work());
        let clock = clock.map_or_else(String::new, |mhz| format!("{:.1}x", f64::from(mhz) / self.bclk_mhz));
        let state = match (self.errors, self.verdict) {
            (0, "suspect") => "suspect".to_owned(),
            (0, _) if self.checks.max(self.booked.0) > 0 => "ok".to_owned(),
            (0, _) => String::new(),
            (1, _) => "1 ERROR".to_owned(),
            (n @ 2..100, _) => format!("{n} ERRORS"),
            (n, _) => format!("{} ERR", si(n as f64)),
        };
        let checks = match self.checks.max(self.booked.0) {
            checks if checks < 100_000 => checks.to_string(),
            checks => si(checks as f64),
        };
        let line = format!(
            " {:<4} {:<9} {:<9}  {:<20} {clock:>5}  {checks:>7} checks  {state}",
            cut(&self.name, 4),
            cut(&self.cpus, 9),
            cut(load, 9),
            cut(kernel, 20)
        );
        line.trim_end().to_owned()
    }
}

/// Of so many rows the best use: all cores if there is room, else those that erred, those at work, and how many are not shown.
pub fn shown<'a>(cores: impl Iterator<Item = &'a CoreLine>, rows: usize) -> Vec<String> {
    let mut all: Vec<&CoreLine> = cores.collect();
    if all.len() <= rows {
        return all.into_iter().map(CoreLine::text).collect();
    }
    all.sort_by_key(|line| (line.errors == 0, !line.at_work()));
    let room = rows.saturating_sub(1);
    let mut shown: Vec<String> = all.iter().take(room).map(|line| line.text()).collect();
    let hidden = &all[room..];
    let working = hidden.iter().filter(|line| line.at_work()).count();
    shown.push(format!(" ... and {} more cores, {working} of them at work", hidden.len()));
    shown
}

fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        text.to_owned()
    } else {
        text.chars().take(columns - 1).chain(['…']).collect()
    }
}

/// `0:23, 0:39 left   9.1 G checked   no findings`.
pub fn total(seconds_in: f64, total_s: Option<f64>, operations: u64, findings: usize) -> String {
    let clock = |s: f64| {
        let s = s.max(0.0) as u64;
        if s >= 3600 {
            format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
        } else {
            format!("{}:{:02}", s / 60, s % 60)
        }
    };
    let left = total_s.map_or_else(String::new, |total_s| format!(", {} left", clock((total_s - seconds_in).ceil())));
    let findings = match findings {
        0 => "no findings".to_owned(),
        1 => "1 FINDING".to_owned(),
        n => format!("{n} FINDINGS"),
    };
    format!("{}{left}   {} checked   {findings}", clock(seconds_in), si(operations as f64))
}

/// `oddcore 0.1.0   i9-14900K   microcode 0x12b   8 P + 16 E cores`.
pub fn header(machine: &Machine) -> String {
    let of = |kind: Kind| machine.cores.iter().filter(|core| core.kind == kind).count();
    let (large, small, all) = (of(Kind::Performance), of(Kind::Efficiency), machine.cores.len());
    let cores = match (large, small) {
        (1.., 1..) => format!("{large} P + {small} E cores"),
        _ if all == 1 => "1 core".to_owned(),
        _ => format!("{all} cores"),
    };
    let mut parts = vec![format!("oddcore {}", env!("CARGO_PKG_VERSION")), plain_name(&machine.cpu)];
    parts.extend(machine.microcode.as_ref().map(|microcode| format!("microcode {microcode}")));
    parts.push(cores);
    if machine.virtual_machine {
        parts.push("virtual".to_owned());
    }
    parts.join("   ")
}

/// A CPU's name as its owner says it: `i9-14900K`, `Ryzen 9 7950X`.
fn plain_name(name: &str) -> String {
    let name = name.split_once(" @ ").map_or(name, |(name, _)| name).replace("(R)", "").replace("(TM)", "");
    let noise = |word: &&str| {
        matches!(*word, "Intel" | "AMD" | "Core" | "CPU" | "Processor" | "Gen")
            || word.ends_with("-Core")
            || word.ends_with("th") && word.starts_with(|c: char| c.is_ascii_digit())
    };
    let words: Vec<&str> = name.split_whitespace().filter(|word| !noise(word)).collect();
    if words.is_empty() { name.trim().to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::record::{Evidence, EvidenceKey},
        machine::{Root, read},
        plan::PRE_PASS,
        report::build::tests::outcome,
        verdict::{Class, finding::tests::finding},
    };

    fn machine(cores: u32) -> Machine {
        let nothing = tempfile::tempdir().expect("a folder");
        read(&Root::at(nothing.path()), &(0..cores).collect::<Vec<_>>()).expect("a machine")
    }

    fn told(iterations: u64, mhz: u32) -> Progress {
        let key = EvidenceKey {
            multiplier: Some(60),
            load: "solo".into(),
            kernel: "webui-upscale".into(),
            variant: "avx2".into(),
            isa: "avx2".into(),
            footprint: "L2".into(),
        };
        let done = Evidence { iterations, operations: iterations * 1000, ..Evidence::default() };
        Progress { parts: vec![(key, done)], clocks: vec![(mhz, 9), (4000, 1)], ..Progress::default() }
    }

    #[test]
    fn names_of_cpus_are_those_that_people_say() {
        for (name, said) in [
            ("Intel(R) Core(TM) i9-14900K", "i9-14900K"),
            ("13th Gen Intel(R) Core(TM) i5-13600K", "i5-13600K"),
            ("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz", "Xeon E5-2680 v4"),
            ("AMD Ryzen 9 7950X 16-Core Processor", "Ryzen 9 7950X"),
            ("AMD", "AMD"),
        ] {
            assert_eq!(plain_name(name), said);
        }
    }

    #[test]
    fn the_header_counts_large_and_small_cores() {
        let mut machine = machine(3);
        machine.cpu = "Intel(R) Core(TM) i9-14900K".into();
        machine.microcode = Some("0x12b".into());
        machine.cores[0].kind = Kind::Performance;
        machine.cores[1].kind = Kind::Efficiency;
        machine.cores[2].kind = Kind::Efficiency;
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(header(&machine), format!("oddcore {version}   i9-14900K   microcode 0x12b   1 P + 2 E cores"));
    }

    #[test]
    fn a_core_has_a_line_of_80_columns_at_most() {
        let machine = machine(2);
        let mut line = CoreLine::new(&machine.cores[0], 100.0);
        assert_eq!(line.text(), " C0   CPU 0                                                  0 checks");
        line.step(Some((PRE_PASS.into(), None)));
        assert_eq!(line.text(), " C0   CPU 0     pre-pass   all kernels                       0 checks");
        line.step(Some(("solo".into(), Some("webui-upscale".into()))));
        line.progress(&told(2113, 6004));
        assert_eq!(line.text(), " C0   CPU 0     solo       webui-upscale        60.0x     2113 checks  ok");
        let mut outcome = outcome(vec![]);
        outcome.apply(&crate::journal::Record::Finding(Box::new(finding(0, Class::Miscompute))));
        line.take_in(&outcome, 0);
        line.progress(&told(9_000_000, 5996));
        line.cpus = "CPU 128,384".into();
        line.step(Some(("aggressor".into(), Some("a-kernel-with-a-very-long-name".into()))));
        let text = line.text();
        assert_eq!(text, " C0   CPU 128,… aggressor  a-kernel-with-a-ver… 60.0x    9.0 M checks  1 ERROR");
        assert!(text.chars().count() <= 80, "{}", text.chars().count());
        line.step(None);
        assert_eq!(line.text(), " C0   CPU 128,…                                          9.0 M checks  1 ERROR");
    }

    #[test]
    fn what_erred_and_what_works_comes_first_where_room_is_short() {
        let machine = machine(10);
        let mut lines: Vec<CoreLine> = machine.cores.iter().map(|core| CoreLine::new(core, 100.0)).collect();
        lines[9].errors = 2;
        lines[7].step(Some(("solo".into(), Some("gemm-f32".into()))));
        lines[8].step(Some(("solo".into(), Some("gemm-f32".into()))));
        let shown = shown(lines.iter(), 3);
        assert!(
            shown[0].starts_with(" C9") && shown[0].ends_with("2 ERRORS") && shown[1].starts_with(" C7"),
            "{shown:?}"
        );
        assert_eq!(shown[2], " ... and 8 more cores, 1 of them at work");
        assert_eq!(super::shown(lines.iter(), 10).len(), 10);
    }

    #[test]
    fn the_total_says_what_is_left() {
        assert_eq!(total(23.0, Some(62.0), 9_100_000_000, 0), "0:23, 0:39 left   9.1 G checked   no findings");
        assert_eq!(total(7384.0, None, 12, 2), "2:03:04   12 checked   2 FINDINGS");
        assert_eq!(total(70.0, Some(62.0), 0, 1), "1:10, 0:00 left   0 checked   1 FINDING");
    }
}
