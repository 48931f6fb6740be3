//! A contest: several ways to do the same work, in turn.

use rustix::time::{ClockId, clock_gettime};

/// Turns of all entries.
const TURNS: usize = 31;

/// One way to do the work.
pub struct Entry {
    /// Whose it is.
    pub name: String,
    /// What it does in each call beside the bare work.
    pub how: &'static str,
    /// Does the work once; the CPU time, s.
    pub work: Box<dyn FnMut() -> f64>,
    /// How what it computed last compares with what oddcore computes.
    pub differs: Box<dyn FnMut() -> String>,
}

impl Entry {
    /// Work in this process.
    pub fn new(
        name: impl Into<String>,
        how: &'static str,
        mut work: impl FnMut() + 'static,
        differs: impl FnMut() -> String + 'static,
    ) -> Self {
        let timed = move || {
            let start = cpu_s();
            work();
            cpu_s() - start
        };
        Self { name: name.into(), how, work: Box::new(timed), differs: Box::new(differs) }
    }
}

/// Ways to do one kernel's work.
pub struct Contest {
    /// What is done.
    pub title: String,
    /// What a call amounts to, and in what unit.
    pub amount: (f64, &'static str),
    /// Who takes part; the first is oddcore's best.
    pub entries: Vec<Entry>,
    /// Who does not, and why.
    pub absent: Vec<String>,
}

impl Contest {
    /// Holds it and prints what came of it.
    pub fn hold(mut self) {
        let mut seconds = vec![Vec::new(); self.entries.len()];
        for _ in 0..TURNS {
            for (entry, seconds) in self.entries.iter_mut().zip(&mut seconds) {
                // The others have had the caches.
                (entry.work)();
                seconds.push((entry.work)());
            }
        }
        let (amount, unit) = self.amount;
        let rates: Vec<f64> = seconds.into_iter().map(|seconds| amount / median(seconds)).collect();
        println!("{}", self.title);
        for (entry, rate) in self.entries.iter_mut().zip(&rates) {
            let Entry { name, how, differs, .. } = entry;
            println!("  {name:32} {rate:7.1} {unit}  {:5.2}  {how}; {}", rate / rates[0], differs());
        }
        self.absent.iter().for_each(|why| println!("  {why}"));
    }
}

/// CPU time of all threads of this process: a library that starts some gains nothing.
fn cpu_s() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
