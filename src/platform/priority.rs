//! How the system is to prefer workers to other programs.

use std::io;

use serde::{Deserialize, Serialize};

/// The priority of workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// As any other program.
    #[default]
    Normal,
    /// After all others, though never without a turn.
    Low,
    /// Only when nobody else wants the CPU.
    Idle,
}

impl Priority {
    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Low => "low",
            Self::Idle => "idle",
        }
    }

    /// Gives it to this thread and all that it will start. Lowering takes no rights.
    #[cfg(target_os = "linux")]
    pub fn apply(self) -> io::Result<()> {
        /// The lowest of the ordinary class.
        const NICE_MAX: i32 = 19;
        match self {
            Self::Normal => Ok(()),
            Self::Low => rustix::process::setpriority_process(None, NICE_MAX).map_err(io::Error::from),
            Self::Idle => {
                let none = libc::sched_param { sched_priority: 0 };
                // SAFETY: the structure lives until the call returns, and the kernel only reads it.
                match unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &none) } {
                    0 => Ok(()),
                    _ => Err(io::Error::last_os_error()),
                }
            }
        }
    }

    /// Gives it to this process.
    #[cfg(windows)]
    pub fn apply(self) -> io::Result<()> {
        use windows_sys::Win32::System::Threading::{
            BELOW_NORMAL_PRIORITY_CLASS, GetCurrentProcess, IDLE_PRIORITY_CLASS, SetPriorityClass,
        };
        let class = match self {
            Self::Normal => return Ok(()),
            Self::Low => BELOW_NORMAL_PRIORITY_CLASS,
            Self::Idle => IDLE_PRIORITY_CLASS,
        };
        // SAFETY: a constant that stands for this process; a number.
        match unsafe { SetPriorityClass(GetCurrentProcess(), class) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}
