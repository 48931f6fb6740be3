//! One thread of another process, held and stepped.

use std::mem::MaybeUninit;

use anyhow::{Context, bail};
use libc::user_regs_struct;
use nix::{
    errno::Errno,
    sys::{
        ptrace::{self, Options},
        signal::Signal,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

/// More than any state that XSAVE writes on a processor of today (AMX: 11 kB).
const XSTATE_BYTES: usize = 16 << 10;
/// Name of that register set in an ELF note.
const NT_X86_XSTATE: libc::c_int = 0x202;

/// A stopped thread. Dropped, it goes on.
pub struct Held {
    thread: Pid,
    is_gone: bool,
}

impl Held {
    /// Stops the thread where it is.
    pub fn stop(thread: Pid) -> anyhow::Result<Self> {
        ptrace::seize(thread, Options::empty()).context("ptrace: seize")?;
        ptrace::interrupt(thread).context("ptrace: interrupt")?;
        let mut held = Self { thread, is_gone: false };
        held.wait()?;
        Ok(held)
    }

    /// Executes one instruction. A signal that arrives is delivered and its handler entered.
    pub fn step(&mut self) -> anyhow::Result<()> {
        let mut deliver: Option<Signal> = None;
        loop {
            ptrace::step(self.thread, deliver).context("ptrace: step")?;
            match self.wait()? {
                Signal::SIGTRAP => return Ok(()),
                other => deliver = Some(other),
            }
        }
    }

    fn wait(&mut self) -> anyhow::Result<Signal> {
        loop {
            match waitpid(self.thread, Some(WaitPidFlag::__WALL)) {
                Ok(WaitStatus::Stopped(_, signal) | WaitStatus::PtraceEvent(_, signal, _)) => return Ok(signal),
                Err(Errno::EINTR) => {}
                other => {
                    self.is_gone = true;
                    bail!("the thread ended: {other:?}");
                }
            }
        }
    }

    /// The general registers.
    pub fn registers(&self) -> anyhow::Result<user_regs_struct> {
        ptrace::getregs(self.thread).context("ptrace: general registers")
    }

    /// Writes them.
    pub fn set_registers(&self, registers: user_regs_struct) -> anyhow::Result<()> {
        ptrace::setregs(self.thread, registers).context("ptrace: general registers")
    }

    /// Up to 16 bytes of code at an address.
    pub fn code(&self, address: u64) -> anyhow::Result<[u8; 16]> {
        let mut code = [0; 16];
        for (nth, word) in code.chunks_exact_mut(8).enumerate() {
            match ptrace::read(self.thread, (address + 8 * nth as u64) as ptrace::AddressType) {
                Ok(read) => word.copy_from_slice(&read.to_ne_bytes()),
                // The end of a mapping: what is decoded lies before it.
                Err(_) if nth > 0 => break,
                Err(error) => return Err(error).context("ptrace: code"),
            }
        }
        Ok(code)
    }

    /// So many words of the stack, as far as there are.
    pub fn stack(&self, pointer: u64, words: u64) -> Vec<u64> {
        let at = (0..words).map(|nth| pointer + 8 * nth);
        at.map_while(|at| ptrace::read(self.thread, at as ptrace::AddressType).ok()).map(|word| word as u64).collect()
    }

    /// The extended state as XSAVE writes it, in its standard form.
    pub fn extended(&self) -> anyhow::Result<Vec<u8>> {
        let mut state = MaybeUninit::<[u8; XSTATE_BYTES]>::uninit();
        let mut place = libc::iovec { iov_base: state.as_mut_ptr().cast(), iov_len: XSTATE_BYTES };
        // SAFETY: the kernel writes at most `iov_len` bytes to `iov_base` and says how many in `iov_len`.
        Errno::result(unsafe {
            libc::ptrace(libc::PTRACE_GETREGSET, self.thread.as_raw(), NT_X86_XSTATE, &raw mut place)
        })
        .context("ptrace: extended registers")?;
        // SAFETY: that many bytes were written.
        Ok(unsafe { std::slice::from_raw_parts(state.as_ptr().cast::<u8>(), place.iov_len) }.to_vec())
    }

    /// Writes it.
    pub fn set_extended(&self, mut state: Vec<u8>) -> anyhow::Result<()> {
        let mut place = libc::iovec { iov_base: state.as_mut_ptr().cast(), iov_len: state.len() };
        // SAFETY: the kernel reads `iov_len` bytes of `iov_base`, which are the vector's.
        Errno::result(unsafe {
            libc::ptrace(libc::PTRACE_SETREGSET, self.thread.as_raw(), NT_X86_XSTATE, &raw mut place)
        })
        .context("ptrace: extended registers")?;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.is_gone {
            // If it is gone after all, there is nothing to let go.
            let _ = ptrace::detach(self.thread, None);
        }
    }
}
