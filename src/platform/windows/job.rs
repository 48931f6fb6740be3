//! Jobs: processes that belong together, with all that they start.

use std::{
    io, mem,
    ptr::{null, null_mut},
};

use windows_sys::Win32::{
    Foundation::{DUPLICATE_SAME_ACCESS, DuplicateHandle, HANDLE},
    System::{
        JobObjects::{
            AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
            JOBOBJECT_BASIC_ACCOUNTING_INFORMATION, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
            JobObjectBasicAccountingInformation, JobObjectBasicProcessIdList, JobObjectExtendedLimitInformation,
            JobObjectGroupInformationEx, QueryInformationJobObject, SetInformationJobObject, TerminateJobObject,
        },
        Threading::GetCurrentProcess,
    },
};

use super::{
    affinity,
    handle::{Handle, done},
};

/// Processes of one job that are looked at.
const PROCESSES_MAX: usize = 1000;

/// A job of ours.
pub struct Job(Handle);

/// What a job has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobUsage {
    /// CPU time of all that ever were in it, ns, by the clock's ticks. Wine tells none.
    pub cpu_ns: u64,
    /// Processes in it that live.
    pub alive: u32,
}

impl Job {
    fn new() -> io::Result<Self> {
        // SAFETY: no name, no security.
        Handle::made(unsafe { CreateJobObjectW(null(), null()) }).map(Self)
    }

    /// One that ends all that are in it with its last handle.
    pub fn that_ends_with_us() -> io::Result<Self> {
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        let job = Self::new()?;
        job.set(JobObjectExtendedLimitInformation, &limits)?;
        Ok(job)
    }

    /// One that keeps all that are in it on these CPUs, which are of one group.
    pub fn on(cpus: &[u32]) -> io::Result<Self> {
        let job = Self::new()?;
        job.set(JobObjectGroupInformationEx, &affinity::group_mask(cpus)?)?;
        Ok(job)
    }

    /// Takes in a process, and what it starts from now on.
    pub fn take_in(&self, process: HANDLE) -> io::Result<()> {
        // SAFETY: both handles are open.
        done(unsafe { AssignProcessToJobObject(self.0.raw(), process) })
    }

    /// Takes in this process.
    pub fn take_us_in(&self) -> io::Result<()> {
        // SAFETY: a constant that stands for this process.
        self.take_in(unsafe { GetCurrentProcess() })
    }

    /// Gives a process a handle of its own, which is closed by its end.
    pub fn give_to(&self, process: HANDLE) -> io::Result<()> {
        let mut its_own = null_mut();
        // SAFETY: a constant that stands for this process; both handles are open; the call writes one handle, which is of the
        // other process and not ours to close.
        done(unsafe {
            DuplicateHandle(GetCurrentProcess(), self.0.raw(), process, &mut its_own, 0, 0, DUPLICATE_SAME_ACCESS)
        })
    }

    /// Ends all that are in it, with this exit code.
    pub fn end(&self, code: i32) {
        // SAFETY: the handle is open; a number. What is gone already needs no end.
        unsafe { TerminateJobObject(self.0.raw(), code as u32) };
    }

    /// What it has come to.
    pub fn usage(&self) -> io::Result<JobUsage> {
        let mut told = JOBOBJECT_BASIC_ACCOUNTING_INFORMATION::default();
        self.get(JobObjectBasicAccountingInformation, &mut told)?;
        let hundreds = u64::try_from(told.TotalUserTime + told.TotalKernelTime).unwrap_or(0);
        Ok(JobUsage { cpu_ns: hundreds.saturating_mul(100), alive: told.ActiveProcesses })
    }

    /// The ids of the processes in it that live.
    pub fn processes(&self) -> io::Result<Vec<u32>> {
        // `JOBOBJECT_BASIC_PROCESS_ID_LIST`: two counts of 32 bits, then the ids as long as a pointer.
        let mut list = [0_usize; 1 + PROCESSES_MAX];
        self.get(JobObjectBasicProcessIdList, &mut list)?;
        let listed = list[0] >> u32::BITS;
        Ok(list[1..].iter().take(listed).filter_map(|&id| u32::try_from(id).ok()).collect())
    }

    fn set<T>(&self, class: i32, value: &T) -> io::Result<()> {
        // SAFETY: the handle is open; the pointer and the size are those of the value, which is only read.
        done(unsafe {
            SetInformationJobObject(self.0.raw(), class, std::ptr::from_ref(value).cast(), mem::size_of::<T>() as u32)
        })
    }

    /// `value` is plain numbers.
    fn get<T: Copy>(&self, class: i32, value: &mut T) -> io::Result<()> {
        let size = mem::size_of::<T>() as u32;
        // SAFETY: the handle is open; the pointer and the size are those of the value, of which any bits are one.
        done(unsafe {
            QueryInformationJobObject(self.0.raw(), class, std::ptr::from_mut(value).cast(), size, null_mut())
        })
    }
}
