//! The event log.

use std::io;

use windows_sys::Win32::{
    Foundation::{ERROR_INSUFFICIENT_BUFFER, ERROR_NO_MORE_ITEMS},
    System::EventLog::{
        EVT_HANDLE, EvtClose, EvtNext, EvtQuery, EvtQueryChannelPath, EvtQueryReverseDirection, EvtRender,
        EvtRenderEventXml,
    },
};

use super::handle::{done, wide};

/// The log is a service's, which may be held up.
const WAIT_MS: u32 = 5_000;
/// Events asked for at once.
const AT_ONCE: usize = 64;
/// A longer event is left out.
const BYTES_MAX: u32 = 1 << 20;

/// A handle of the log's own kind.
struct Evt(EVT_HANDLE);

impl Drop for Evt {
    fn drop(&mut self) {
        // SAFETY: open, and nobody else's.
        unsafe { EvtClose(self.0) };
    }
}

/// The newest events of the log "System" that fit an XPath query, at most so many, as XML, the newest first. Any user may read
/// it.
pub fn system_events(query: &str, most: usize) -> io::Result<Vec<String>> {
    let (log, query) = (wide("System"), wide(query));
    let flags = EvtQueryChannelPath | EvtQueryReverseDirection;
    // SAFETY: the names end in zeros; 0 is this machine.
    let results = unsafe { EvtQuery(0, log.as_ptr(), query.as_ptr(), flags) };
    if results == 0 {
        return Err(io::Error::last_os_error());
    }
    let results = Evt(results);
    let mut found = Vec::new();
    while found.len() < most {
        let mut events = [0; AT_ONCE];
        let mut count = 0;
        // SAFETY: the array is as long as said; the call writes as many handles as it says in the last number.
        let result = done(unsafe { EvtNext(results.0, AT_ONCE as u32, events.as_mut_ptr(), WAIT_MS, 0, &mut count) });
        match result {
            Err(error) if error.raw_os_error() == Some(ERROR_NO_MORE_ITEMS as i32) => break,
            result => result?,
        }
        let events: Vec<Evt> = events[..count as usize].iter().map(|&event| Evt(event)).collect();
        found.extend(events.iter().filter_map(xml).take(most - found.len()));
        if count == 0 {
            break;
        }
    }
    Ok(found)
}

fn xml(event: &Evt) -> Option<String> {
    let (mut needed, mut properties) = (0, 0);
    let mut units: Vec<u16> = vec![0; 2048];
    for _ in 0..2 {
        let bytes = units.len() as u32 * 2;
        // SAFETY: the buffer is as long as said; the call writes two numbers besides.
        let result = done(unsafe {
            EvtRender(0, event.0, EvtRenderEventXml, bytes, units.as_mut_ptr().cast(), &mut needed, &mut properties)
        });
        match result {
            Ok(()) => {
                let text = String::from_utf16_lossy(&units[..(needed as usize / 2).min(units.len())]);
                return Some(text.trim_end_matches('\0').to_owned());
            }
            Err(error) if error.raw_os_error() == Some(ERROR_INSUFFICIENT_BUFFER as i32) && needed <= BYTES_MAX => {
                units.resize(needed as usize / 2 + 1, 0);
            }
            Err(_) => return None,
        }
    }
    None
}
