//! What Windows is asked about the machine.

use std::{
    ffi::{CStr, c_char},
    io, mem,
    ptr::{null, null_mut},
    time::{SystemTime, UNIX_EPOCH},
};

use windows_sys::{
    Win32::{
        Foundation::ERROR_INSUFFICIENT_BUFFER,
        System::{
            LibraryLoader::{GetModuleHandleW, GetProcAddress},
            Power::{CallNtPowerInformation, ProcessorInformation},
            Registry::{HKEY_LOCAL_MACHINE, RRF_RT_REG_BINARY, RRF_RT_REG_DWORD, RRF_RT_REG_SZ, RegGetValueW},
            SystemInformation::{
                GetLogicalProcessorInformationEx, GetSystemCpuSetInformation, GetTickCount64, GlobalMemoryStatusEx,
                MEMORYSTATUSEX, RelationAll,
            },
        },
    },
    s,
};

use super::{
    handle::{done, wide},
    time::thread_cpu_is_coarse,
};
use crate::{
    machine::{relations, windows},
    platform::SystemAnswers,
};

const CPUS: &str = r"HARDWARE\DESCRIPTION\System\CentralProcessor";
const VERSION: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion";
const PREFETCH: &str = r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters";
/// `BootId` in the page that the kernel shares with all processes, since Windows 10.
const SHARED_BOOT_ID: usize = 0x7ffe_02c4;
/// More CPUs than Windows can have.
const CPUS_MAX: usize = 2048;

/// Asks everything.
pub fn ask_system() -> SystemAnswers {
    let first = format!("{CPUS}\\0");
    SystemAnswers {
        processors: processors().unwrap_or_default(),
        cpu_sets: cpu_sets().unwrap_or_default(),
        name: text(&first, "ProcessorNameString"),
        vendor: text(&first, "VendorIdentifier"),
        identifier: text(&first, "Identifier"),
        microcode: value(&first, "Update Revision", RRF_RT_REG_BINARY).unwrap_or_default(),
        mhz: (0..CPUS_MAX)
            .map(|cpu| format!("{CPUS}\\{cpu}"))
            .take_while(|key| text(key, "Identifier").is_some())
            .map(|key| number(&key, "~MHz"))
            .collect(),
        power: power().unwrap_or_default(),
        build: text(VERSION, "CurrentBuildNumber"),
        update: number(VERSION, "UBR"),
        wine: wine(),
        coarse_cpu_time: thread_cpu_is_coarse(),
        memory_bytes: memory(),
        is_guest: windows::is_guest(crate::platform::cpuid),
        avx2: has_avx2(),
    }
}

/// All CPUs of all groups.
pub fn all_cpus() -> io::Result<Vec<u32>> {
    Ok(relations::active_cpus(&processors()?))
}

/// What a call writes that is first asked how much it would be.
fn grown(call: impl Fn(*mut u8, u32, *mut u32) -> i32) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let mut length = 0;
        let result =
            done(call(if bytes.is_empty() { null_mut() } else { bytes.as_mut_ptr() }, bytes.len() as u32, &mut length));
        match result {
            Ok(()) => {
                bytes.truncate(length as usize);
                return Ok(bytes);
            }
            Err(error)
                if error.raw_os_error() == Some(ERROR_INSUFFICIENT_BUFFER as i32) && length as usize > bytes.len() =>
            {
                bytes = vec![0; length as usize];
            }
            Err(error) => return Err(error),
        }
    }
}

fn processors() -> io::Result<Vec<u8>> {
    grown(|buffer, length, needed| {
        // SAFETY: both numbers are ours; the buffer is as long as the first says.
        unsafe {
            *needed = length;
            GetLogicalProcessorInformationEx(RelationAll, buffer.cast(), needed)
        }
    })
}

fn cpu_sets() -> io::Result<Vec<u8>> {
    // SAFETY: the buffer is as long as said; the call writes one number besides; null is this process.
    grown(|buffer, length, needed| unsafe { GetSystemCpuSetInformation(buffer.cast(), length, needed, null_mut(), 0) })
}

/// What the power manager says of each CPU of this thread's group.
fn power() -> Option<Vec<u8>> {
    // Six words for each of at most 64 CPUs.
    let mut bytes = vec![0_u8; 64 * 24];
    // SAFETY: no input; the buffer is as long as said.
    let status = unsafe {
        CallNtPowerInformation(ProcessorInformation, null(), 0, bytes.as_mut_ptr().cast(), bytes.len() as u32)
    };
    (status >= 0).then_some(bytes)
}

/// A value below `HKEY_LOCAL_MACHINE`.
fn value(key: &str, name: &str, kind: u32) -> Option<Vec<u8>> {
    let (key, name) = (wide(key), wide(name));
    let mut bytes = vec![0; 1024];
    let mut length = bytes.len() as u32;
    // SAFETY: the names end in zeros; the buffer is as long as said; nothing else is asked for.
    let result = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            key.as_ptr(),
            name.as_ptr(),
            kind,
            null_mut(),
            bytes.as_mut_ptr().cast(),
            &mut length,
        )
    };
    bytes.truncate(length as usize);
    (result == 0).then_some(bytes)
}

fn text(key: &str, name: &str) -> Option<String> {
    let bytes = value(key, name, RRF_RT_REG_SZ)?;
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    Some(String::from_utf16_lossy(&units).trim_end_matches('\0').trim().to_owned())
}

fn number(key: &str, name: &str) -> Option<u32> {
    Some(u32::from_le_bytes(value(key, name, RRF_RT_REG_DWORD)?.try_into().ok()?))
}

fn memory() -> Option<u64> {
    let mut status = MEMORYSTATUSEX { dwLength: mem::size_of::<MEMORYSTATUSEX>() as u32, ..Default::default() };
    // SAFETY: the structure says its own size.
    done(unsafe { GlobalMemoryStatusEx(&mut status) }).ok().map(|()| status.ullTotalPhys)
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

/// Nobody misses it there.
#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    true
}

/// Wine says that it is Wine to those who ask.
fn wine() -> Option<String> {
    let name = wide("ntdll.dll");
    // SAFETY: the name ends in a zero; the library is in every process, for ever.
    let function = unsafe { GetProcAddress(GetModuleHandleW(name.as_ptr()), s!("wine_get_version")) }?;
    // SAFETY: Wine's function of that name takes nothing and returns text that ends in a zero.
    let version = unsafe {
        let function: unsafe extern "C" fn() -> *const c_char = mem::transmute(function);
        CStr::from_ptr(function())
    };
    Some(version.to_string_lossy().into_owned())
}

/// Which boot of this machine it is: the kernel counts them. A start from the hibernated kernel, as by Fast Startup, is none.
pub fn boot_id() -> Option<u32> {
    // SAFETY: the page is mapped for reading at this address into every process of every Windows.
    let shared = unsafe { (SHARED_BOOT_ID as *const u32).read_volatile() };
    Some(shared).filter(|&id| id > 0).or_else(|| number(PREFETCH, "BootId"))
}

/// When that boot was, seconds since 1970, by the clock as it is set now.
pub fn boot_time_s() -> Option<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    // SAFETY: no arguments, no memory.
    let up_ms = u128::from(unsafe { GetTickCount64() });
    u64::try_from(now.as_millis().checked_sub(up_ms)? / 1000).ok()
}
