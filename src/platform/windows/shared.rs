//! Memory that a supervisor and its workers share, and the bell by which those who wait at a word of it are woken.

use std::{
    io,
    ptr::{null, null_mut},
    sync::{
        Mutex,
        atomic::{
            AtomicU32, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
};

use windows_sys::Win32::{
    Foundation::{ERROR_ALREADY_EXISTS, GetLastError, INVALID_HANDLE_VALUE, WAIT_OBJECT_0},
    System::{
        Memory::{
            CreateFileMappingW, FILE_MAP_READ, FILE_MAP_WRITE, MEMORY_MAPPED_VIEW_ADDRESS, MapViewOfFile,
            OpenFileMappingW, PAGE_READWRITE, UnmapViewOfFile,
        },
        Threading::{CreateSemaphoreW, ReleaseSemaphore, WaitForSingleObject},
    },
};

use super::handle::{Handle, wide};

/// Zeroed words that live as long as any process has them; behind the last is one more, for who waits at one of them.
pub struct SharedWords {
    name: String,
    view: MEMORY_MAPPED_VIEW_ADDRESS,
    words: usize,
    _section: Handle,
}

// SAFETY: the view is only ever touched through atomics, from any thread.
unsafe impl Send for SharedWords {}
// SAFETY: as above.
unsafe impl Sync for SharedWords {}

/// Whose bell is where: the first address, how many words, the name, and the bell once it was needed.
static BELLS: Mutex<Vec<Bell>> = Mutex::new(Vec::new());

struct Bell {
    at: usize,
    words: usize,
    name: String,
    semaphore: Option<&'static Handle>,
}

impl SharedWords {
    /// New ones.
    pub fn create(words: usize) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // Nobody outside of this session sees it, and what another program made under this name is not taken.
        let name = format!("Local\\oddcore-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let bytes = (words as u64 + 1) * 8;
        let (high, low) = ((bytes >> 32) as u32, bytes as u32);
        let text = wide(&name);
        // SAFETY: the name ends in a zero; no file, no security.
        let made =
            unsafe { CreateFileMappingW(INVALID_HANDLE_VALUE, null(), PAGE_READWRITE, high, low, text.as_ptr()) };
        // SAFETY: no arguments.
        let taken = unsafe { GetLastError() } == ERROR_ALREADY_EXISTS;
        let section = Handle::made(made)?;
        if taken {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{name} is another program's")));
        }
        Self::map(section, name, words)
    }

    fn map(section: Handle, name: String, words: usize) -> io::Result<Self> {
        // SAFETY: the handle is open. A view longer than the section is refused.
        let view = unsafe { MapViewOfFile(section.raw(), FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, (words + 1) * 8) };
        if view.Value == null_mut() {
            return Err(io::Error::last_os_error());
        }
        let bell = Bell { at: view.Value as usize, words, name: name.clone(), semaphore: None };
        bells().push(bell);
        Ok(Self { name, view, words, _section: section })
    }

    /// What a child of this process passes to [`SharedWords::open`].
    pub fn handle(&self) -> String {
        format!("{}:{}", self.name, self.words)
    }

    /// The memory behind a handle.
    pub fn open(handle: &str) -> io::Result<Self> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "not a handle of shared memory");
        let (name, words) = handle.rsplit_once(':').ok_or_else(wrong)?;
        let words: usize = words.parse().ok().filter(|&words| words > 0 && words < 1 << 32).ok_or_else(wrong)?;
        let text = wide(name);
        // SAFETY: the name ends in a zero.
        let section = Handle::made(unsafe { OpenFileMappingW(FILE_MAP_READ | FILE_MAP_WRITE, 0, text.as_ptr()) })?;
        Self::map(section, name.to_owned(), words)
    }

    /// The words.
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: the view is page-aligned, at least `words` words long, lives as long as `self`, and is only ever touched
        // through atomics; any bit pattern is a number.
        unsafe { std::slice::from_raw_parts(self.view.Value.cast::<AtomicU64>(), self.words) }
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        bells().retain(|bell| bell.at != self.view.Value as usize);
        // SAFETY: ours, and no borrow of it outlives `self`.
        unsafe { UnmapViewOfFile(self.view) };
    }
}

fn bells() -> std::sync::MutexGuard<'static, Vec<Bell>> {
    BELLS.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The bell of the memory that a word is in, and how many wait for it.
fn bell_of(word: &AtomicU64) -> Option<(&'static Handle, &AtomicU64)> {
    let at = std::ptr::from_ref(word) as usize;
    let mut bells = bells();
    let bell = bells.iter_mut().find(|bell| (bell.at..bell.at + bell.words * 8).contains(&at))?;
    if bell.semaphore.is_none() {
        let name = wide(format!("{}-bell", bell.name));
        // SAFETY: the name ends in a zero; no security; numbers.
        let made = Handle::made(unsafe { CreateSemaphoreW(null(), 0, i32::MAX, name.as_ptr()) }).ok()?;
        // One for each memory that is waited at, of which a process has one in its life.
        bell.semaphore = Some(Box::leak(Box::new(made)));
    }
    // SAFETY: the word behind the last is the view's too, which lives at least as long as the borrow of one of its words.
    let waiting = unsafe { &*((bell.at + bell.words * 8) as *const AtomicU64) };
    Some((bell.semaphore?, waiting))
}

/// Waits for the bell of a shared word while that is `value`, at most so long; false where it has none.
pub fn await_bell(word: &AtomicU64, value: u64, timeout_ns: u64) -> bool {
    let Some((bell, waiting)) = bell_of(word) else { return false };
    waiting.fetch_add(1, SeqCst);
    // Who rings has changed the word before it counts: one of the two is seen.
    let changed = word.load(SeqCst) != value;
    let ms = if changed { 0 } else { timeout_ns.div_ceil(1_000_000).min(1_000) as u32 };
    // SAFETY: open for ever.
    if unsafe { WaitForSingleObject(bell.raw(), ms) } != WAIT_OBJECT_0
        && waiting.fetch_update(SeqCst, SeqCst, |count| count.checked_sub(1)).is_err()
    {
        // Counted and rung for just now: the ring is taken along.
        // SAFETY: as above.
        unsafe { WaitForSingleObject(bell.raw(), 0) };
    }
    true
}

/// Rings it for everybody who waits.
pub fn ring_bell(word: &AtomicU64) {
    if let Some((bell, waiting)) = bell_of(word) {
        let count = waiting.swap(0, SeqCst).min(i32::MAX as u64) as i32;
        if count > 0 {
            // SAFETY: open for ever.
            unsafe { ReleaseSemaphore(bell.raw(), count, null_mut()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_maps_show_the_same_words() {
        let own = SharedWords::create(100).expect("memory");
        let other = SharedWords::open(&own.handle()).expect("a handle");
        other.words()[99].store(7, Relaxed);
        assert_eq!(own.words()[99].load(Relaxed), 7);
        assert!(SharedWords::open("nonsense").is_err());
        assert!(SharedWords::open("Local\\oddcore-nobody:5").is_err());
    }

    #[test]
    fn who_waits_at_a_word_is_woken() {
        let words = SharedWords::create(1).expect("memory");
        let word = &words.words()[0];
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while word.load(SeqCst) == 0 {
                    assert!(await_bell(word, 0, 1_000_000_000));
                }
            });
            word.store(1, SeqCst);
            ring_bell(word);
        });
        assert!(!await_bell(&AtomicU64::new(0), 0, 0), "no memory of ours");
    }
}
