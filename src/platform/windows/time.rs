//! Clocks and waits on Windows.

use std::{
    cell::OnceCell,
    io,
    ptr::null,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Acquire},
    },
};

use windows_sys::Win32::{
    Foundation::{FILETIME, HANDLE},
    System::{
        Performance::{QueryPerformanceCounter, QueryPerformanceFrequency},
        Power::{ES_CONTINUOUS, ES_SYSTEM_REQUIRED, SetThreadExecutionState},
        Threading::{
            CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, CreateWaitableTimerExW, GetCurrentProcess, GetCurrentThread,
            GetProcessTimes, GetThreadTimes, INFINITE, SetWaitableTimer, TIMER_ALL_ACCESS, WaitForSingleObject,
        },
        WindowsProgramming::{QueryProcessCycleTime, QueryThreadCycleTime},
    },
};

use super::{
    handle::{Handle, done},
    shared,
};

const S: u64 = 1_000_000_000;
/// For how long the time-stamp counter is held against the performance counter, once a process, and how often both are read then.
const CALIBRATION_NS: u64 = 10_000_000;
const READINGS: usize = 8;
/// How long a waiter sleeps at most where nobody can wake it.
const LOOK_NS: u64 = 500_000;

static FREQUENCY: LazyLock<u64> = LazyLock::new(|| {
    let mut frequency = 0;
    // SAFETY: the call writes one number.
    unsafe { QueryPerformanceFrequency(&mut frequency) };
    frequency.max(1) as u64
});

/// The performance counter, the same in all processes, ns.
pub fn monotonic_ns() -> u64 {
    let mut count = 0;
    // SAFETY: the call writes one number.
    unsafe { QueryPerformanceCounter(&mut count) };
    let (count, frequency) = (count as u64, *FREQUENCY);
    count / frequency * S + count % frequency * S / frequency
}

/// Both clocks at the same moment: of some readings the one that took least.
fn both_clocks() -> Option<(u64, u64)> {
    let read = || {
        let (before, ns, after) = (time_stamp()?, monotonic_ns(), time_stamp()?);
        let took = after.checked_sub(before)?;
        Some((took, (ns, before + took / 2)))
    };
    (0..READINGS).filter_map(|_| read()).min().map(|(_, both)| both)
}

/// Counts of the time-stamp counter in a nanosecond, where there is one.
static STAMPS_PER_NS: LazyLock<Option<f64>> = LazyLock::new(|| {
    let (began_ns, began) = both_clocks()?;
    while monotonic_ns() - began_ns < CALIBRATION_NS {
        std::hint::spin_loop();
    }
    let (now_ns, now) = both_clocks()?;
    let rate = now.checked_sub(began)? as f64 / (now_ns - began_ns) as f64;
    (rate > 0.0).then_some(rate)
});

/// Time for spans of some microseconds on one CPU, ns: the performance counter mostly has steps of 100 ns, in which a clock
/// cannot be measured.
pub fn fine_ns() -> u64 {
    let fine = STAMPS_PER_NS.and_then(|rate| Some((time_stamp()? as f64 / rate) as u64));
    fine.unwrap_or_else(monotonic_ns)
}

/// Cycles of the time-stamp counter in a nanosecond; `None` where threads are not counted in them.
static CYCLES_PER_NS: LazyLock<Option<f64>> = LazyLock::new(|| {
    own_cycles()?;
    *STAMPS_PER_NS
});

/// Fenced: a counter is else read while what is timed, or what came before, is still under way.
#[cfg(target_arch = "x86_64")]
fn time_stamp() -> Option<u64> {
    use std::arch::x86_64::{_mm_lfence, _rdtsc};
    // SAFETY: every x86-64 CPU has the instructions, and Windows lets programs read the counter.
    Some(unsafe {
        _mm_lfence();
        let now = _rdtsc();
        _mm_lfence();
        now
    })
}

/// What counts there has a rate of its own.
#[cfg(not(target_arch = "x86_64"))]
fn time_stamp() -> Option<u64> {
    None
}

/// Cycles that this thread has used, where they are counted.
fn own_cycles() -> Option<u64> {
    let mut cycles = 0;
    // SAFETY: a constant that stands for this thread; the call writes one number.
    let told = unsafe { QueryThreadCycleTime(GetCurrentThread(), &mut cycles) };
    (told != 0 && cycles > 0).then_some(cycles)
}

/// CPU time of this thread, ns. `GetThreadTimes` counts in ticks of 15.6 ms; the cycles that the OS counts at every change of
/// thread are exact, so they are used where there are any.
pub fn thread_cpu_ns() -> u64 {
    let exact = CYCLES_PER_NS.and_then(|rate| Some((own_cycles()? as f64 / rate) as u64));
    exact.unwrap_or_else(|| {
        // SAFETY: a constant that stands for this thread.
        thread_times_ns(unsafe { GetCurrentThread() }).unwrap_or_default()
    })
}

/// Whether [`thread_cpu_ns`] counts in ticks only.
pub fn thread_cpu_is_coarse() -> bool {
    CYCLES_PER_NS.is_none()
}

/// CPU time of this process, all its threads, ns.
pub fn process_cpu_ns() -> u64 {
    // SAFETY: a constant that stands for this process.
    cpu_ns_of_process(unsafe { GetCurrentProcess() })
}

/// CPU time of a process, all the threads that it ever had, ns; it may have ended.
pub fn cpu_ns_of_process(process: HANDLE) -> u64 {
    let cycles = || {
        let mut cycles = 0;
        // SAFETY: the handle is open; the call writes one number.
        let told = unsafe { QueryProcessCycleTime(process, &mut cycles) };
        (told != 0 && cycles > 0).then_some(cycles)
    };
    let exact = CYCLES_PER_NS.and_then(|rate| Some((cycles()? as f64 / rate) as u64));
    exact.unwrap_or_else(|| {
        let mut times = [FILETIME::default(); 4];
        let [created, ended, kernel, user] = &mut times;
        // SAFETY: as above; the call writes four structures.
        let told = done(unsafe { GetProcessTimes(process, created, ended, kernel, user) });
        told.map_or(0, |()| sum_ns(&times))
    })
}

/// Kernel and user time, of the four that are told.
fn sum_ns([_, _, kernel, user]: &[FILETIME; 4]) -> u64 {
    let hundreds = |time: &FILETIME| u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    (hundreds(kernel) + hundreds(user)) * 100
}

/// Nobody tells how often a thread left its CPU, so that nobody can say that one which is not pinned stayed where it was.
pub fn context_switches() -> Option<u64> {
    None
}

/// How long a thread was ready to run and had no CPU: Windows does not tell.
pub struct Starved;

impl Starved {
    /// Of the thread that calls.
    pub fn open() -> Self {
        Self
    }

    /// Always 0: not told.
    pub fn ns(&self) -> u64 {
        0
    }
}

/// CPU time of a thread by the ticks, ns.
pub fn thread_times_ns(thread: HANDLE) -> io::Result<u64> {
    let mut times = [FILETIME::default(); 4];
    let [created, ended, kernel, user] = &mut times;
    // SAFETY: the handle is open; the call writes four structures.
    done(unsafe { GetThreadTimes(thread, created, ended, kernel, user) })?;
    Ok(sum_ns(&times))
}

thread_local! {
    /// This thread's timer.
    static TIMER: OnceCell<Option<Handle>> = const { OnceCell::new() };
}

/// One that is not gathered with others to the next tick of 15.6 ms; Windows has such since 10 version 1803.
fn timer() -> Option<Handle> {
    [CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, 0].into_iter().find_map(|flags| {
        // SAFETY: no name, no security; numbers.
        Handle::made(unsafe { CreateWaitableTimerExW(null(), null(), flags, TIMER_ALL_ACCESS) }).ok()
    })
}

/// Sleeps until then on the monotonic clock. The timer's own absolute times are of the time of day, which may be set; so it is
/// given what is left, and asked again if it comes early.
pub fn sleep_until(at_ns: u64) {
    loop {
        let left = at_ns.saturating_sub(monotonic_ns());
        if left == 0 {
            return;
        }
        let slept = TIMER.with(|cell| {
            let timer = cell.get_or_init(timer).as_ref()?;
            let due = -((left.div_ceil(100)) as i64);
            // SAFETY: the handle is open, the number is read, and no routine is to be called.
            let set = unsafe { SetWaitableTimer(timer.raw(), &due, 0, None, null(), 0) };
            // SAFETY: the handle is open.
            (set != 0).then(|| unsafe { WaitForSingleObject(timer.raw(), INFINITE) })
        });
        if slept.is_none() {
            std::thread::sleep(std::time::Duration::from_nanos(left));
        }
    }
}

/// This thread's sleeps end as soon after their time as the OS can.
pub fn wake_on_time() -> io::Result<()> {
    match TIMER.with(|cell| cell.get_or_init(timer).is_some()) {
        true => Ok(()),
        false => Err(io::Error::last_os_error()),
    }
}

/// Sleeps while the word is `value`, at most so long; may return before. Windows waits at an address within a process only,
/// so what several share has a bell.
pub fn wait_while(word: &AtomicU64, value: u64, timeout_ns: u64) {
    if word.load(Acquire) == value && !shared::await_bell(word, value, timeout_ns) {
        sleep_until(monotonic_ns() + timeout_ns.min(LOOK_NS));
    }
}

/// Wakes all, of any process, that wait at this word.
pub fn wake_all(word: &AtomicU64) {
    shared::ring_bell(word);
}

/// The machine does not go to sleep by itself as long as this lives. It is to be dropped by the thread that began it.
#[derive(Debug)]
pub struct KeepAwake(());

impl KeepAwake {
    /// Asks the system, which needs no reason.
    pub fn begin(_why: &str) -> io::Result<Self> {
        // SAFETY: a number.
        match unsafe { SetThreadExecutionState(ES_CONTINUOUS | ES_SYSTEM_REQUIRED) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(Self(())),
        }
    }
}

impl Drop for KeepAwake {
    fn drop(&mut self) {
        // SAFETY: a number.
        unsafe { SetThreadExecutionState(ES_CONTINUOUS) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_on_both_clocks() {
        let (wall, cpu) = (monotonic_ns(), thread_cpu_ns());
        while thread_cpu_ns() == cpu {
            std::hint::spin_loop();
        }
        let at = monotonic_ns() + 3_000_000;
        sleep_until(at);
        assert!(monotonic_ns() >= at && monotonic_ns() > wall);
    }

    #[test]
    fn the_fine_clock_keeps_step_with_the_other() {
        fine_ns();
        let (began, fine_began) = (monotonic_ns(), fine_ns());
        sleep_until(began + 50_000_000);
        let (fine, whole) = ((fine_ns() - fine_began) as f64, (monotonic_ns() - began) as f64);
        // Between the two readings others may have had the CPU.
        assert!(fine < whole * 1.01 && fine > 49_000_000.0, "{fine} {whole}");
        let mut steps: Vec<u64> = (0..1000).map(|_| fine_ns()).collect();
        steps.dedup();
        assert!(steps.is_sorted() && steps.len() > 1);
    }
}
