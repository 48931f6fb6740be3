//! Performance counters.

use std::{io, ptr::null, slice};

use windows_sys::Win32::System::Performance::{
    PDH_CSTATUS_NEW_DATA, PDH_CSTATUS_NO_COUNTER, PDH_CSTATUS_NO_OBJECT, PDH_CSTATUS_VALID_DATA,
    PDH_FMT_COUNTERVALUE_ITEM_W, PDH_FMT_DOUBLE, PDH_HCOUNTER, PDH_HQUERY, PDH_MORE_DATA, PdhAddEnglishCounterW,
    PdhCloseQuery, PdhCollectQueryData, PdhGetFormattedCounterArrayW, PdhOpenQueryW,
};

use super::handle::wide;

/// Percentages above a hundred as they are; `pdh.h` has it, the bindings do not.
const PDH_FMT_NOCAP100: u32 = 0x8000;

/// A counter with all its instances.
pub struct PerformanceCounter {
    query: PDH_HQUERY,
    counter: PDH_HCOUNTER,
}

/// What a call says.
fn done(status: u32) -> io::Result<()> {
    match status {
        0 => Ok(()),
        PDH_CSTATUS_NO_OBJECT | PDH_CSTATUS_NO_COUNTER => {
            Err(io::Error::new(io::ErrorKind::NotFound, "this system has no such counter"))
        }
        status => Err(io::Error::other(format!("the performance counters do not answer ({status:#x})"))),
    }
}

impl PerformanceCounter {
    /// One by its English path.
    pub fn open(path: &str) -> io::Result<Self> {
        let mut opened = Self { query: std::ptr::null_mut(), counter: std::ptr::null_mut() };
        // SAFETY: this machine's own; the call writes one handle.
        done(unsafe { PdhOpenQueryW(null(), 0, &mut opened.query) })?;
        let path = wide(path);
        // SAFETY: the query is open; the path ends in a zero; the call writes one handle, which goes with the query.
        done(unsafe { PdhAddEnglishCounterW(opened.query, path.as_ptr(), 0, &mut opened.counter) })?;
        Ok(opened)
    }

    /// Looks at it; what it tells is of the time between two looks.
    pub fn collect(&self) -> io::Result<()> {
        // SAFETY: the query is open.
        done(unsafe { PdhCollectQueryData(self.query) })
    }

    /// Its instances that tell anything, and what.
    pub fn values(&self) -> io::Result<Vec<(String, f64)>> {
        const ITEM: usize = size_of::<PDH_FMT_COUNTERVALUE_ITEM_W>();
        let (mut bytes, mut count) = (0, 0);
        let mut items: Vec<PDH_FMT_COUNTERVALUE_ITEM_W> = Vec::new();
        loop {
            // The names follow the items in the same memory.
            items.resize_with((bytes as usize).div_ceil(ITEM), Default::default);
            let first = if items.is_empty() { std::ptr::null_mut() } else { items.as_mut_ptr() };
            // SAFETY: the counter's query is open; the memory is as long as said, and the call writes two numbers besides.
            let status = unsafe {
                let format = PDH_FMT_DOUBLE | PDH_FMT_NOCAP100;
                PdhGetFormattedCounterArrayW(self.counter, format, &mut bytes, &mut count, first)
            };
            if status != PDH_MORE_DATA || (bytes as usize) <= items.len() * ITEM {
                done(status)?;
                break;
            }
        }
        let told = items.iter().take(count as usize).filter(|item| {
            [PDH_CSTATUS_VALID_DATA, PDH_CSTATUS_NEW_DATA].contains(&item.FmtValue.CStatus) && !item.szName.is_null()
        });
        let read = |item: &PDH_FMT_COUNTERVALUE_ITEM_W| {
            let length = (0..).take_while(|&at| {
                // SAFETY: the name is in the memory that the call has filled, and ends in a zero.
                unsafe { item.szName.add(at).read() != 0 }
            });
            // SAFETY: as above; so many units are before the zero.
            let name = unsafe { slice::from_raw_parts(item.szName, length.count()) };
            // SAFETY: a fraction is what was asked for.
            (String::from_utf16_lossy(name), unsafe { item.FmtValue.Anonymous.doubleValue })
        };
        Ok(told.map(read).collect())
    }
}

impl Drop for PerformanceCounter {
    fn drop(&mut self) {
        // SAFETY: open, or refused as none.
        unsafe { PdhCloseQuery(self.query) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_counts_or_it_is_said_why_not() {
        let counted =
            PerformanceCounter::open(r"\Processor Information(*)\% Processor Performance").and_then(|counter| {
                counter.collect()?;
                counter.collect()?;
                counter.values()
            });
        match counted {
            Ok(values) => assert!(values.iter().all(|(name, value)| !name.is_empty() && value.is_finite())),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        let error = PerformanceCounter::open(r"\Nobody(*)\Counts this").err().expect("no such counter");
        assert!(error.to_string().contains("counter"), "{error}");
    }
}
