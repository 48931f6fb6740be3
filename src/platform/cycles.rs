//! This thread's cycles as the CPU counts them.

/// Linux's own.
#[cfg(target_os = "linux")]
mod linux {
    use std::{
        fs::File,
        io::{self, Read},
        mem,
        os::fd::{FromRawFd, OwnedFd},
    };

    /// `PERF_TYPE_HARDWARE`, `PERF_COUNT_HW_CPU_CYCLES`.
    const HARDWARE: u32 = 0;
    const CPU_CYCLES: u64 = 0;
    /// Not in the kernel, not in a hypervisor.
    const USER_ONLY: u64 = 1 << 5 | 1 << 6;

    /// `perf_event_attr` as it was first, which every kernel takes.
    #[repr(C)]
    #[derive(Default)]
    struct Attributes {
        kind: u32,
        size: u32,
        config: u64,
        sample_period: u64,
        sample_type: u64,
        read_format: u64,
        flags: u64,
        wakeup_events: u32,
        breakpoint_type: u32,
        breakpoint_address: u64,
    }

    /// A counter of this thread's cycles in user mode.
    pub struct CycleCounter(File);

    impl CycleCounter {
        /// Counts from now on.
        pub fn open() -> io::Result<Self> {
            let size = mem::size_of::<Attributes>() as u32;
            let attributes =
                Attributes { kind: HARDWARE, size, config: CPU_CYCLES, flags: USER_ONLY, ..Attributes::default() };
            let (this_thread, any_cpu, no_group, close_on_exec): (i32, i32, i32, libc::c_ulong) = (0, -1, -1, 1 << 3);
            // SAFETY: the kernel reads as many bytes of the attributes as they say they have; they outlive the call.
            let fd = unsafe {
                libc::syscall(
                    libc::SYS_perf_event_open,
                    &raw const attributes,
                    this_thread,
                    any_cpu,
                    no_group,
                    close_on_exec,
                )
            };
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the kernel just made it, and nobody else has it.
            Ok(Self(File::from(unsafe { OwnedFd::from_raw_fd(fd as i32) })))
        }

        /// How many so far.
        pub fn count(&mut self) -> io::Result<u64> {
            let mut bytes = [0; 8];
            self.0.read_exact(&mut bytes)?;
            Ok(u64::from_ne_bytes(bytes))
        }
    }
}

#[cfg(target_os = "linux")]
pub use linux::CycleCounter;

/// None yet on this system.
#[cfg(not(target_os = "linux"))]
pub struct CycleCounter(std::convert::Infallible);

#[cfg(not(target_os = "linux"))]
impl CycleCounter {
    /// Not there yet.
    pub fn open() -> std::io::Result<Self> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// How many so far.
    pub fn count(&mut self) -> std::io::Result<u64> {
        match self.0 {}
    }
}
