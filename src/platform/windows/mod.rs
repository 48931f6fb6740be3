//! Windows. What has not been seen to work on real hardware is said in docs/WINDOWS.md.

mod affinity;
mod answers;
mod command;
mod company;
mod counters;
mod events;
mod files;
mod handle;
mod job;
mod process;
mod shared;
mod threads;
mod time;

use std::{io, ptr::null_mut, thread, time::Duration};

use windows_sys::Win32::{
    Foundation::{FALSE, TRUE},
    Storage::FileSystem::WriteFile,
    System::{
        Console::{
            CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT, GetStdHandle,
            STD_ERROR_HANDLE, SetConsoleCtrlHandler,
        },
        Diagnostics::Debug::{
            EXCEPTION_POINTERS, SEM_FAILCRITICALERRORS, SEM_NOGPFAULTERRORBOX, SEM_NOOPENFILEERRORBOX, SetErrorMode,
            SetUnhandledExceptionFilter,
        },
        Threading::{GetCurrentProcess, TerminateProcess},
    },
};

pub use affinity::{allowed_cpus, current_cpu, keep_process_on, move_thread, pin_thread, thread_affinity, thread_id};
pub use answers::{ask_system, boot_id, boot_time_s};
pub use command::{
    Reaped, await_end, command_usage, kill_command, kill_commands_of, move_command, reap, start_command,
};
pub use company::{keep, shell_objects, spawn_keeper};
pub use counters::PerformanceCounter;
pub use events::system_events;
pub use files::{
    create_private_dir, create_private_file, is_same_file, open_to_append, state_dir, survive_full_files, sync_dir,
    try_lock,
};
pub use process::{
    KILLED, is_earned, is_from_outside, may_be_broken_memory, parent_id, process_end, signal_name, spawn_pinned,
};
pub use shared::SharedWords;
pub use threads::thread_usage;
pub use time::{
    KeepAwake, Starved, context_switches, fine_ns, monotonic_ns, process_cpu_ns, sleep_until, thread_cpu_ns,
    wait_while, wake_all, wake_on_time,
};

/// Takes a driver of the kernel's.
pub fn read_msr(_cpu: u32, _register: u32) -> io::Result<u64> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "Windows reads model-specific registers for drivers only"))
}

/// No window asks what to do about a crash, of this process or of those that it starts.
pub fn no_error_dialogs() {
    // SAFETY: a number.
    unsafe { SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX | SEM_NOOPENFILEERRORBOX) };
}

/// Ends this process at once; nothing of it runs any more.
pub(super) fn terminate(code: u32) -> ! {
    loop {
        // SAFETY: a constant that stands for this process; a number.
        unsafe { TerminateProcess(GetCurrentProcess(), code) };
    }
}

/// An exception of the supervisor's own ends it with exit code 2, as any other thing it could not do.
pub fn exit_two_on_fatal_signals() -> io::Result<()> {
    unsafe extern "system" fn leave(_: *const EXCEPTION_POINTERS) -> i32 {
        const LINE: &[u8] =
            b"oddcore: the supervisor itself was hit by an exception; the run is void, no core is blamed\r\n";
        // Not through std's own stream, whose lock a broken thread may hold.
        let mut written = 0;
        // SAFETY: the pointer and the length are those of the line; the call writes one number.
        unsafe {
            WriteFile(GetStdHandle(STD_ERROR_HANDLE), LINE.as_ptr(), LINE.len() as u32, &mut written, null_mut());
        }
        terminate(2)
    }
    no_error_dialogs();
    // SAFETY: the filter only writes a line and ends the process.
    unsafe { SetUnhandledExceptionFilter(Some(leave)) };
    Ok(())
}

/// A panic of the supervisor ends it with exit code 2, whichever thread it was.
pub fn exit_two_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        use std::io::Write;
        let _ = writeln!(io::stderr(), "oddcore: a defect of this program: {panic}");
        std::process::exit(2);
    }));
}

/// What is to be done when a console wants this program to end.
static STOP: std::sync::OnceLock<Box<dyn Fn(&str) + Send + Sync>> = std::sync::OnceLock::new();

/// Calls `stop` with what asked for it, from now on, when the user or the system wants this program to end.
pub fn on_stop_request(stop: impl Fn(&str) + Send + 'static) -> io::Result<()> {
    unsafe extern "system" fn hear(event: u32) -> i32 {
        let why = match event {
            CTRL_C_EVENT => "Ctrl-C",
            CTRL_BREAK_EVENT => "Ctrl-Break",
            CTRL_CLOSE_EVENT => "the console was closed",
            CTRL_LOGOFF_EVENT => "the user logs off",
            CTRL_SHUTDOWN_EVENT => "the system shuts down",
            _ => return FALSE,
        };
        if let Some(stop) = STOP.get() {
            stop(why);
        }
        if event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT {
            // The process is ended when this returns, and in a few seconds at the latest; it ends by itself before.
            loop {
                thread::sleep(Duration::from_secs(1));
            }
        }
        TRUE
    }
    let stop = std::sync::Mutex::new(stop);
    let shared = move |why: &str| stop.lock().unwrap_or_else(|poisoned| poisoned.into_inner())(why);
    STOP.set(Box::new(shared)).map_err(|_| io::Error::other("somebody listens already"))?;
    // SAFETY: the routine is there for ever, and may be called by any thread.
    handle::done(unsafe { SetConsoleCtrlHandler(Some(hear), TRUE) })
}

/// A drill: reads through a pointer to nowhere.
pub fn wild_pointer() {
    let nowhere = std::hint::black_box(0x10_usize) as *const u64;
    // SAFETY: none: the address is never mapped, and the fault that the read raises is what the drill is for.
    let value = unsafe { nowhere.read_volatile() };
    std::hint::black_box(value);
}

/// A drill: an instruction that no CPU knows.
pub fn illegal_instruction() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: none: ud2 raises the fault that the drill is for.
    unsafe {
        std::arch::asm!("ud2", options(nomem, nostack))
    }
    #[cfg(not(target_arch = "x86_64"))]
    std::process::abort();
}
