//! How glibc takes and clears memory in workers. Of what it clears most is written over before it is read, and nobody would see what goes
//! wrong there. Other C libraries go on as they do.

use std::process::Command;

const TUNABLES: &str = "GLIBC_TUNABLES";

/// Large pieces of memory come from the OS each time, zeros already: nobody would see what goes wrong where an allocator clears what
/// is written over before it is read. glibc would otherwise keep up to 32 MiB of them.
pub fn take_large_memory_fresh() {
    #[cfg(target_env = "gnu")]
    {
        // Above what `numpy-churn` takes and gives back, of which the allocator is to make the most.
        const LARGE: libc::c_int = 512 << 10;
        // SAFETY: sets a number of the allocator's. If it refuses, memory comes as before.
        unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) };
    }
}

/// Lets a process that is yet to be started clear memory by vector stores. The string instruction that glibc otherwise has for 2 KiB and
/// more (on processors on which that is fast) counts the bytes in registers, one after the other, each of which could go wrong unseen.
/// What the user says of it holds.
pub fn clear_memory_by_vectors(command: &mut Command) {
    let users = std::env::var_os(TUNABLES);
    if let Some(tunables) = tunables(users.as_deref().map(|users| users.to_string_lossy()).as_deref()) {
        command.env(TUNABLES, tunables);
    }
}

fn tunables(users: Option<&str>) -> Option<String> {
    const NAME: &str = "glibc.cpu.x86_rep_stosb_threshold";
    let own = format!("{NAME}={}", isize::MAX);
    match users {
        Some(users) if users.contains(NAME) => None,
        Some(users) if !users.is_empty() => Some(format!("{users}:{own}")),
        _ => Some(own),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_tunes_stays() {
        let own = "glibc.cpu.x86_rep_stosb_threshold=9223372036854775807";
        assert_eq!(tunables(None).as_deref(), Some(own));
        assert_eq!(tunables(Some("")).as_deref(), Some(own));
        assert_eq!(tunables(Some("glibc.malloc.check=1")), Some(format!("glibc.malloc.check=1:{own}")));
        assert_eq!(tunables(Some("glibc.cpu.x86_rep_stosb_threshold=4096")), None);
    }
}
