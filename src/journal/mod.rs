//! The journal: the only thing that outlives a reset. One file of frames in a folder of its own per run.

pub mod record;
mod runs;
mod signpost;
mod store;
mod vanished;

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

pub use record::Record;
pub use runs::{JOURNAL_FILE, RunsError, create_run, elsewhere, find_run, is_run_id, newest_runs, runs_folder};
pub use signpost::Signposts;
pub use store::{FileStore, Store};
pub use vanished::{supervisor_vanished, tell_supervisor_vanished};

use crate::frame::{FrameError, FrameReader, encode};

/// Why a journal could not be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file could not be opened.
    #[error("{path}: {source}")]
    Open {
        /// Which file.
        path: String,
        /// What the OS said.
        source: io::Error,
    },
    /// There is no opening record to go by.
    #[error("{path}: not a journal of a run, or cut short in its first record ({why})")]
    NoStart {
        /// Which file.
        path: String,
        /// What was found instead.
        why: String,
    },
    /// Written by a later version.
    #[error("{path}: journal format {found} is newer than this program's {known}; use a newer oddcore")]
    TooNew {
        /// Which file.
        path: String,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
}

/// The writing side. After the first failure it goes on in memory alone and says so once.
pub struct Journal {
    store: Box<dyn Store>,
    sequence: u64,
    failed: Option<String>,
}

impl Journal {
    /// A new journal with its opening record, on the disk when this returns. Here a failure is one: no run begins that
    /// nothing could remember.
    pub fn begin(mut store: Box<dyn Store>, run: &record::RunStarted) -> io::Result<Self> {
        store.append(&encode(0, &Record::RunStarted(Box::new(run.clone())))?)?;
        store.sync()?;
        Ok(Self::after(1, store))
    }

    /// One that has so many records already.
    pub fn after(records: u64, store: Box<dyn Store>) -> Self {
        Self { store, sequence: records, failed: None }
    }

    /// Appends a record; with `sync` it is on the disk when this returns. The first failure is returned, later ones are
    /// not: the run goes on without a journal.
    pub fn write(&mut self, record: &Record, sync: bool) -> Result<(), String> {
        if self.failed.is_some() {
            return Ok(());
        }
        let written = encode(self.sequence, record)
            .and_then(|frame| self.store.append(&frame))
            .and_then(|()| if sync { self.store.sync() } else { Ok(()) });
        self.sequence += 1;
        written.map_err(|error| {
            let text = format!("the journal cannot be written any more ({error}); the run goes on in memory only");
            self.failed = Some(text.clone());
            text
        })
    }
}

/// What a journal file holds.
pub struct Read {
    /// The sound records, in order.
    pub records: Vec<Record>,
    /// What cut the reading short, if anything did.
    pub tail: Option<FrameError>,
    /// Length in bytes of the sound part.
    pub good_bytes: u64,
}

/// Reads a journal; a torn or damaged tail is cut off and told.
pub fn read(path: &Path) -> Result<Read, JournalError> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|source| JournalError::Open { path: name.clone(), source })?;
    read_from(&name, BufReader::new(file))
}

/// What the journal at this path begins with; `None` if that cannot be read.
pub fn opening(path: &Path) -> Option<record::RunStarted> {
    match FrameReader::new(BufReader::new(File::open(path).ok()?)).read::<Record>() {
        Ok(Some(Record::RunStarted(run))) => Some(*run),
        _ => None,
    }
}

/// Reads a journal that `name` stands for in errors.
pub fn read_from(name: &str, source: impl BufRead) -> Result<Read, JournalError> {
    let name = name.to_owned();
    let mut reader = FrameReader::new(source);
    let mut records = Vec::new();
    let tail = loop {
        match reader.read::<Record>() {
            Ok(Some(record)) => records.push(record),
            Ok(None) => break None,
            Err(FrameError::Io(source)) => return Err(JournalError::Open { path: name, source }),
            Err(error) => break Some(error),
        }
    };
    let formats = records.iter().filter_map(|record| match record {
        Record::RunStarted(run) => Some(run.journal),
        Record::Resumed { journal, .. } => Some(*journal),
        _ => None,
    });
    let (found, known) = (formats.max().unwrap_or(0), record::JOURNAL_VERSION);
    match records.first() {
        Some(Record::RunStarted(_)) if found > known => Err(JournalError::TooNew { path: name, found, known }),
        Some(Record::RunStarted(_)) => Ok(Read { records, tail, good_bytes: reader.good_bytes() }),
        _ => {
            Err(JournalError::NoStart { path: name, why: tail.map_or_else(|| "empty".into(), |tail| tail.to_string()) })
        }
    }
}
