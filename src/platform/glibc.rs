//! How glibc takes and clears memory in workers. Of what it clears most is written over before it is read, and nobody would see what goes
//! wrong there. Other C libraries go on as they do.

use std::process::Command;

const TUNABLES: &str = "GLIBC_TUNABLES";

/// Large pieces of memory come from the OS, zeros already, unless a heap has as much free in one piece: nobody would see what goes
/// wrong where an allocator clears what is written over before it is read. glibc would otherwise keep up to 32 MiB of them.
pub fn take_large_memory_fresh() {
    #[cfg(target_env = "gnu")]
    {
        // Where glibc begins too, before it has seen larger pieces given back.
        const LARGE: libc::c_int = 128 << 10;
        // SAFETY: sets a number of the allocator's. If it refuses, memory comes as before.
        unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) };
    }
}

/// Lets a process that is yet to be started clear memory by vector stores. The string instruction that glibc otherwise has for 2 KiB and
/// more (on x86 processors on which that is fast) counts bytes in registers, one after the other, and each could go wrong unseen. Copies,
/// which are read, may go on by string instructions. Where the user has set it, it stays.
pub fn clear_memory_by_vectors(command: &mut Command) {
    if cfg!(all(target_env = "gnu", target_arch = "x86_64")) {
        let present = std::env::var(TUNABLES).unwrap_or_default();
        command.env(TUNABLES, with_threshold(&present));
    }
}

/// glibc takes the last of several settings of one name: the user's, if there is one.
fn with_threshold(present: &str) -> String {
    let own = format!("glibc.cpu.x86_rep_stosb_threshold={}", isize::MAX);
    if present.is_empty() { own } else { format!("{own}:{present}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_tunes_comes_last() {
        let own = format!("glibc.cpu.x86_rep_stosb_threshold={}", isize::MAX);
        assert_eq!(with_threshold(""), own);
        assert_eq!(with_threshold("glibc.malloc.check=1"), format!("{own}:glibc.malloc.check=1"));
    }
}
