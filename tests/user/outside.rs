//! What is done to a worker from outside: its memory flipped, its threads moved.

use std::{
    collections::HashMap,
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use oddcore::{
    journal::{self, JOURNAL_FILE, Record},
    report::Report,
    verdict::{Cause, Class, Repeat},
    worker::protocol::Source,
};
use oddcore_kernels::{Golden, Kernel};
use rustix::{
    process::Pid,
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

use crate::{
    common::{report, testable_cores},
    processes::children,
};

/// Bytes by which a buffer is known, at its start and farther in, where tiles of it already differ.
const SIGN: usize = 16;
const FARTHER: usize = 256;

/// What buffers begin with, and what they have farther in.
type Signs = HashMap<[u8; SIGN], [u8; SIGN]>;

/// A run on the first core that may be tested, on one kernel.
struct Run {
    child: Child,
    folder: tempfile::TempDir,
}

impl Run {
    fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let child = Command::new(assert_cmd::cargo::cargo_bin!("oddcore"))
            .args(["run", "--json", "-", "--runs"])
            .arg(folder.path())
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        Self { child, folder }
    }

    /// Whether its pre-pass is over: until then a buffer may not have been digested yet, nor a picture sealed.
    fn is_at_work(&self) -> bool {
        let journals = journal::newest_runs(self.folder.path()).into_iter().map(|run| run.join(JOURNAL_FILE));
        let mut records = journals.filter_map(|path| journal::read(&path).ok()).flat_map(|read| read.records);
        records.any(|record| matches!(record, Record::StepEnded { .. }))
    }

    /// The workers that are there now.
    fn workers(&self) -> Vec<u32> {
        children(self.child.id())
    }

    fn finish(self) -> Report {
        report(&self.child.wait_with_output().expect("ends"))
    }
}

/// The memory of another process, as far as it may be written and is nobody else's.
struct Memory(u32, File);

impl Memory {
    /// `None` where the system does not let us.
    fn of(process: u32) -> Option<Self> {
        let file = File::options().read(true).write(true).open(format!("/proc/{process}/mem")).ok()?;
        Some(Self(process, file))
    }

    /// Addresses of what begins with one of `signs`.
    fn find(&self, signs: &Signs) -> Vec<u64> {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.0)).unwrap_or_default();
        let mut found = Vec::new();
        for line in maps.lines().filter(|line| line.contains(" rw-p ") && line.contains(" 00:00 0")) {
            let range = line.split_whitespace().next().and_then(|range| range.split_once('-'));
            let hex = |text: &str| u64::from_str_radix(text, 16).expect("a number");
            let Some((from, to)) = range.map(|(from, to)| (hex(from), hex(to))) else { continue };
            let mut bytes = vec![0; (to - from) as usize];
            if self.1.read_exact_at(&mut bytes, from).is_ok() {
                let (chunks, _) = bytes.as_chunks::<SIGN>();
                let farther = |at: usize| chunks.get(at + FARTHER / SIGN);
                let hits =
                    (0..).zip(chunks).filter(|&(at, chunk)| signs.get(chunk).is_some_and(|s| farther(at) == Some(s)));
                found.extend(hits.map(|(at, _)| from + (at * SIGN) as u64));
            }
        }
        found
    }

    /// Says whether the address was still there.
    fn flip(&self, address: u64, bit: u32) -> bool {
        let mut byte = [0];
        self.1
            .read_exact_at(&mut byte, address)
            .and_then(|()| self.1.write_all_at(&[byte[0] ^ 1 << bit], address))
            .is_ok()
    }
}

/// The signs in these bytes.
fn sign(bytes: &[u8]) -> ([u8; SIGN], [u8; SIGN]) {
    let at = |from: usize| *bytes[from..].first_chunk().expect("large");
    (at(0), at(FARTHER))
}

/// Of a stage of every golden.
fn signs(kernel: &dyn Kernel, stage: usize) -> Signs {
    let token = kernel.variants().iter().find_map(|variant| variant.isa.token()).expect("scalar at least");
    let of_golden =
        |golden: &Golden| sign(&kernel.show(token, golden.seed, None).expect("no picture given")[stage].bytes);
    kernel.goldens().iter().map(of_golden).collect()
}

/// Flips a bit near the start of all buffers that begin with one of `signs`, so many times, while the run lasts. `None` if
/// the system does not let us.
fn flip_while_it_runs(run: &mut Run, signs: &Signs, times: u64) -> Option<()> {
    let mut flips = 0;
    while !run.is_at_work() && run.child.try_wait().expect("ours").is_none() {
        thread::sleep(Duration::from_millis(50));
    }
    while flips < times && run.child.try_wait().expect("ours").is_none() {
        thread::sleep(Duration::from_millis(200));
        let Some(&worker) = run.workers().first() else { continue };
        let memory = Memory::of(worker)?;
        let places = memory.find(signs);
        flips += u64::from(places.into_iter().filter(|place| memory.flip(place + 100 + flips, 3)).count() > 0);
    }
    assert!(flips > 0, "the buffers could not be found");
    Some(())
}

/// A run of the product on the first core alone, and that core.
fn gemm_on_one_core() -> (Run, u32) {
    let core = testable_cores()[0];
    let args = ["--for", "12s", "--loads", "solo", "--kernels", "gemm-u8s8-i32", "--cores", &core.to_string()];
    (Run::start(&args), core)
}

#[test]
fn flipped_input_is_corrupt_input() {
    let kernel = oddcore_kernels::find("gemm-u8s8-i32").expect("in the list");
    let signs = signs(kernel, 0);
    let (mut run, core) = gemm_on_one_core();
    if flip_while_it_runs(&mut run, &signs, 10).is_none() {
        return eprintln!("this system does not let one process write to another's memory");
    }
    let report = run.finish();
    let of_class = |class| report.findings.iter().filter(move |finding| finding.class == class).count();
    assert!(of_class(Class::CorruptInput) > 0, "{:?}", report.findings);
    // A packed copy of the input looks like it from outside; flipped, it is the multiplication that goes wrong. And memory that
    // held an input when it was found may hold a reference when it is flipped.
    let mut others = report.findings.iter().filter(|finding| finding.class != Class::CorruptInput);
    let explained = |class| matches!(class, Class::Miscompute | Class::CorruptReference);
    assert!(others.all(|finding| explained(finding.class)), "{:?}", report.findings);
    assert!(report.findings.iter().all(|finding| finding.core == Some(core)), "{:?}", report.findings);
}

#[test]
fn flipped_reference_is_corrupt_reference() {
    let kernel = oddcore_kernels::find("gemm-u8s8-i32").expect("in the list");
    let signs = signs(kernel, 2);
    let (mut run, core) = gemm_on_one_core();
    if flip_while_it_runs(&mut run, &signs, 10).is_none() {
        return eprintln!("this system does not let one process write to another's memory");
    }
    let report = run.finish();
    let of_class = |class| report.findings.iter().filter(move |finding| finding.class == class);
    assert!(of_class(Class::CorruptReference).count() > 0, "{:?}", report.findings);
    // The output begins like the reference. It is written anew in every iteration; a flip that hits it between writing and
    // comparing is a wrong result like any other.
    let mut others = report.findings.iter().filter(|finding| finding.class != Class::CorruptReference);
    assert!(others.all(|finding| finding.class == Class::Miscompute), "{:?}", report.findings);
    assert!(report.findings.iter().all(|finding| finding.core == Some(core)), "{:?}", report.findings);
}

#[test]
fn a_flipped_picture_is_corrupt_input() {
    if testable_cores().len() < 2 {
        return eprintln!("one core alone cannot vouch for a picture, and uses none");
    }
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels/tests/data/astronaut.png");
    let mut reader =
        png::Decoder::new(std::io::BufReader::new(File::open(&image).expect("kept"))).read_info().expect("PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("small")];
    reader.next_frame(&mut pixels).expect("PNG");
    let signs = HashMap::from([sign(&pixels)]);
    let path = image.display().to_string();
    let mut run = Run::start(&["--for", "12s", "--kernels", "resize-lanczos-u8", "--image", &path]);
    if flip_while_it_runs(&mut run, &signs, 3).is_none() {
        return eprintln!("this system does not let one process write to another's memory");
    }
    let report = run.finish();
    assert!(!report.findings.is_empty());
    for finding in &report.findings {
        assert_eq!(finding.class, Class::CorruptInput, "{finding:?}");
        assert_eq!(finding.core, report.findings[0].core, "{:?}", report.findings);
        // The buffer that was found may hold a golden by the time of the flip.
        if matches!(finding.source, Some(Source::Picture(_))) {
            assert_eq!(finding.repeat, Repeat::Unknown, "the same broken picture proves nothing: {finding:?}");
        }
    }
    let diagnosis = report.cores.iter().find_map(|core| core.diagnosis.as_ref()).expect("of the core blamed");
    assert_ne!(diagnosis.cause, Cause::Core, "{}", diagnosis.why);
}

/// Moves the lanes of a worker to another CPU, as the kernel does when theirs goes offline.
fn move_lanes(worker: u32, to: &CpuSet) {
    for task in fs::read_dir(format!("/proc/{worker}/task")).into_iter().flatten().flatten() {
        let lane = fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with("lane-"));
        if lane && let Some(thread) = task.file_name().to_str().and_then(|name| name.parse().ok()) {
            let _ = sched_setaffinity(Pid::from_raw(thread), to);
        }
    }
}

#[test]
fn a_worker_off_its_cpu_blames_no_core_and_is_started_again() {
    let all = sched_getaffinity(None).expect("readable");
    if all.count() < 2 {
        return eprintln!("one CPU alone: there is nowhere to move a thread to");
    }
    let run = Run::start(&["--for", "6s", "--kernels", "gemm-u8s8-i32"]);
    thread::sleep(Duration::from_secs(2));
    for worker in run.workers() {
        move_lanes(worker, &all);
    }
    let report = run.finish();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(report.exit_code, 0, "{report:?}");
    let strays = report.notes.iter().filter(|note| note.contains("taken from its worker"));
    assert!(strays.count() >= 1, "{:?}", report.notes);
}

#[test]
fn a_worker_that_is_always_moved_is_given_up() {
    let all = sched_getaffinity(None).expect("readable");
    if all.count() < 2 {
        return eprintln!("one CPU alone: there is nowhere to move a thread to");
    }
    let core = testable_cores()[0];
    let mut run = Run::start(&["--for", "10s", "--kernels", "gemm-u8s8-i32", "--cores", &core.to_string()]);
    while run.child.try_wait().expect("ours").is_none() {
        for worker in run.workers() {
            move_lanes(worker, &all);
        }
        thread::sleep(Duration::from_millis(50));
    }
    let report = run.finish();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    let strays = report.notes.iter().filter(|note| note.contains("taken from its worker")).count();
    // Three without work in between, or ten in all: which comes first is up to how fast this test moves them.
    assert!((3..=10).contains(&strays), "{:?}", report.notes);
    let reason = report.cores[core as usize].reason.as_deref().unwrap_or_default();
    assert!(reason.contains(&format!("taken off its CPUs {strays} times; given up")), "{report:?}");
}
