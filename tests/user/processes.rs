//! Processes as the OS lists and ends them.

#[cfg(unix)]
use std::{
    fs,
    process::{Command, Stdio},
};

/// Workers, and what else is ours, whose parent is `parent`; what keeps the machine awake is not.
#[cfg(unix)]
pub fn children(parent: u32) -> Vec<u32> {
    let keeps_awake =
        |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "systemd-inhibit");
    let stat = |pid: u32| fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    let parent_of = |stat: String| stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok();
    let pids = fs::read_dir("/proc").expect("there").flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    pids.filter(|&pid| stat(pid).and_then(parent_of) == Some(parent) && !keeps_awake(pid)).collect()
}

/// Sends a signal of that name.
#[cfg(unix)]
pub fn signal(name: &str, pid: u32) {
    let _ = Command::new("kill").args([name, &pid.to_string()]).stderr(Stdio::null()).status();
}

/// Ends a process by force.
#[cfg(unix)]
pub fn kill(pid: u32) {
    signal("-KILL", pid);
}

/// Processes whose parent is `parent`.
#[cfg(windows)]
pub fn children(parent: u32) -> Vec<u32> {
    use windows_sys::Win32::{
        Foundation::{CloseHandle, INVALID_HANDLE_VALUE},
        System::Diagnostics::ToolHelp::{
            CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
        },
    };
    let mut found = Vec::new();
    // SAFETY: the structure says its own size; the handle is closed once.
    unsafe {
        let snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
        assert_ne!(snapshot, INVALID_HANDLE_VALUE);
        let mut entry = PROCESSENTRY32W { dwSize: size_of::<PROCESSENTRY32W>() as u32, ..Default::default() };
        let mut more = Process32FirstW(snapshot, &mut entry);
        while more != 0 {
            if entry.th32ParentProcessID == parent {
                found.push(entry.th32ProcessID);
            }
            more = Process32NextW(snapshot, &mut entry);
        }
        CloseHandle(snapshot);
    }
    found
}

/// Ends a process by force, as the Task Manager does.
#[cfg(windows)]
pub fn kill(pid: u32) {
    use windows_sys::Win32::{
        Foundation::CloseHandle,
        System::Threading::{OpenProcess, PROCESS_TERMINATE, TerminateProcess},
    };
    // SAFETY: the handle is checked, and closed once.
    unsafe {
        let process = OpenProcess(PROCESS_TERMINATE, 0, pid);
        if !process.is_null() {
            TerminateProcess(process, 1);
            CloseHandle(process);
        }
    }
}

/// Whether there is a process of that id which has not ended.
#[cfg(windows)]
pub fn is_alive(pid: u32) -> bool {
    use windows_sys::Win32::{
        Foundation::{CloseHandle, WAIT_TIMEOUT},
        System::Threading::{OpenProcess, PROCESS_SYNCHRONIZE, WaitForSingleObject},
    };
    // SAFETY: the handle is checked, and closed once.
    unsafe {
        let process = OpenProcess(PROCESS_SYNCHRONIZE, 0, pid);
        let lives = !process.is_null() && WaitForSingleObject(process, 0) == WAIT_TIMEOUT;
        if !process.is_null() {
            CloseHandle(process);
        }
        lives
    }
}
