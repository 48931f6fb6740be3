//! The platform: everything that the OS does for us. One of the two rooms with `unsafe`.

mod answers;
#[cfg(target_os = "linux")]
mod command;
#[cfg(target_os = "linux")]
mod company;
mod cpuid;
pub mod crash;
mod cycles;
#[cfg(target_os = "linux")]
mod glibc;
mod held;
#[cfg(target_os = "linux")]
mod keep_awake;
mod keeper;
mod kernel_messages;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(windows, test))]
mod listing;
mod priority;
#[cfg(unix)]
mod shared;
#[cfg(windows)]
mod windows;

pub use answers::SystemAnswers;
#[cfg(target_os = "linux")]
pub use command::*;
#[cfg(target_os = "linux")]
pub use company::{keep, shell_objects, spawn_keeper};
pub use cpuid::cpuid;
pub use cycles::CycleCounter;
#[cfg(target_os = "linux")]
pub use glibc::{clear_memory_by_vectors, take_large_memory_fresh};
pub use held::sleep_holding;
#[cfg(target_os = "linux")]
pub use keep_awake::KeepAwake;
pub use keeper::hear_keeper;
pub use kernel_messages::KernelMessages;
#[cfg(target_os = "linux")]
pub use linux::*;
pub use priority::Priority;
#[cfg(unix)]
pub use shared::SharedWords;
#[cfg(windows)]
pub use windows::*;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessEnd {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
}

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadState {
    /// On a CPU, waiting for one, or waiting in the kernel for something that will come (a page, a disk).
    Running,
    /// Waiting for something that may never come.
    Sleeping,
    /// Stopped by a signal or a debugger.
    Stopped,
    /// No more.
    Gone,
}

/// A thread as the OS sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadUsage {
    /// What it is doing.
    pub state: ThreadState,
    /// CPU time so far, ns.
    pub cpu_ns: u64,
}
