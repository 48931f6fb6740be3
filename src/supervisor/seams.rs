//! Small traits at which tests take the place of the OS.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::{
    machine::{self, activity::Activity, hardware_log::HardwareNews, power::Sample, sensors::Readings},
    platform,
};

/// Time.
pub trait Clock {
    /// The system's monotonic clock, the same in all processes, ns.
    fn now_ns(&self) -> u64;
    /// The time of day, RFC 3339.
    fn timestamp(&self) -> String;
    /// The time of day where the machine is, by which people call it morning; that of UTC where nobody knows.
    fn local(&self) -> DateTime {
        self.timestamp().parse::<Timestamp>().unwrap_or_default().to_zoned(TimeZone::UTC).datetime()
    }
    /// CPU time of this process so far, all its threads, ns.
    fn own_cpu_ns(&self) -> u64 {
        platform::process_cpu_ns()
    }
}

/// The system's clocks.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ns(&self) -> u64 {
        platform::monotonic_ns()
    }

    fn timestamp(&self) -> String {
        jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    fn local(&self) -> DateTime {
        jiff::Zoned::now().datetime()
    }
}

/// Where the supervisor's own threads may run.
pub trait Pinner {
    /// Keeps them on these CPUs from now on; a hint, whose failure does no harm.
    fn keep_on(&self, cpus: &[u32]);
}

/// The OS's scheduler.
pub struct SystemPinner;

impl Pinner for SystemPinner {
    fn keep_on(&self, cpus: &[u32]) {
        let _ = platform::keep_process_on(cpus);
    }
}

/// The machine's sensors.
pub trait Sensors {
    /// What they say now, of these cores.
    fn read(&self, cores: &[u32]) -> Readings;
    /// How busy every CPU has been; nothing where nobody tells.
    fn activity(&self) -> Activity {
        Activity::default()
    }
    /// What voltage and power are now.
    fn sample(&self) -> Sample {
        Sample::default()
    }
}

impl Sensors for machine::sensors::Sensors {
    fn read(&self, cores: &[u32]) -> Readings {
        Self::read(self, cores)
    }

    fn activity(&self) -> Activity {
        Self::activity(self)
    }

    fn sample(&self) -> Sample {
        Self::sample(self)
    }
}

/// What the hardware reports of its own.
pub trait HardwareLog {
    /// What is new at the time `at`, RFC 3339.
    fn news(&mut self, at: &str) -> HardwareNews;
}

impl HardwareLog for machine::hardware_log::HardwareLog {
    fn news(&mut self, at: &str) -> HardwareNews {
        Self::news(self, at)
    }
}

/// What a person sees of a run while it goes on.
pub trait View {
    /// A step begins.
    fn step(&mut self, step: &crate::plan::Step);
    /// A core has done work that the journal will have later; for what is drawn over again soon.
    fn progress(&mut self, _core: u32, _progress: &crate::worker::protocol::Progress) {}
    /// Some time has passed.
    fn tick(&mut self, outcome: &crate::verdict::Outcome, seconds_in: f64);
    /// Something is wrong.
    fn finding(&mut self, finding: &crate::verdict::Finding);
    /// More became known of a finding.
    fn amended(&mut self, finding: &crate::verdict::Finding, by: &crate::verdict::Amendment);
    /// A morning, or the end of a long run: what was seen is to be summed up.
    fn morning(&mut self, _outcome: &crate::verdict::Outcome) {}
    /// Something else to know.
    fn note(&mut self, text: &str);
}
