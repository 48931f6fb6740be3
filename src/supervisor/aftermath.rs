//! A run that is not running any more: its journal is opened for writing again, and if nobody knows yet how its last session
//! ended, that is weighed and booked, so that the answer stands whatever becomes of the traces.

use std::{
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::HEARTBEAT_NS;
use crate::{
    frame::FrameError,
    journal::{self, FileStore, JOURNAL_FILE, Journal, JournalError, Record, record::RunStarted},
    machine::{
        Root, boot,
        cap::{self, Cpufreq},
        traces::Traces,
    },
    verdict::{
        Class, Finding, Loss, LossReason, Outcome,
        loss::{DeadRun, weigh},
    },
};

/// Why a run cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum AftermathError {
    /// Its journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Somebody else has it.
    #[error("{path}: another oddcore is at work on this run; wait for it, or stop it")]
    InUse {
        /// The journal.
        path: String,
    },
    /// Its journal cannot be written.
    #[error("{path}: the journal cannot be written: {source}")]
    Unwritable {
        /// The journal.
        path: String,
        /// What the OS said.
        source: io::Error,
    },
    /// Going on would cut off what a later version wrote.
    #[error("{path}: {error}; it was written by another version of oddcore, go on with that one")]
    NotUnderstood {
        /// The journal.
        path: String,
        /// What was met.
        error: FrameError,
    },
}

/// A run whose journal is open for writing, behind its last sound record.
pub struct Found {
    /// The opening record.
    pub run: RunStarted,
    /// What came of it so far.
    pub outcome: Outcome,
    /// The journal.
    pub journal: Journal,
    path: String,
}

/// How long a dead supervisor's last child may hold its lock: from its making to its start as a worker, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(3);
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// Opens the run in `folder`, cutting off a torn end. Waits so long for another program to let go of it.
pub fn open(folder: &Path, patience: Duration) -> Result<Found, AftermathError> {
    let path = folder.join(JOURNAL_FILE);
    let name = path.display().to_string();
    let unwritable = |source: io::Error| match source.kind() {
        io::ErrorKind::WouldBlock => AftermathError::InUse { path: name.clone() },
        io::ErrorKind::NotFound => JournalError::Open { path: name.clone(), source }.into(),
        _ => AftermathError::Unwritable { path: name.clone(), source },
    };
    // Before it is read: what another program writes meanwhile would be cut off.
    let deadline = Instant::now() + patience;
    let mut store = loop {
        match FileStore::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline => {
                thread::sleep(BETWEEN_TRIES);
            }
            opened => break opened.map_err(unwritable)?,
        }
    };
    let read = journal::read(&path)?;
    if let Some(error @ FrameError::NotUnderstood { .. }) = read.tail {
        return Err(AftermathError::NotUnderstood { path: name, error });
    }
    store.cut(read.good_bytes).map_err(unwritable)?;
    let outcome = Outcome::of(&read.records);
    let run = outcome.run.clone().expect("a journal that reads has an opening record");
    let mut found =
        Found { run, outcome, journal: Journal::after(read.records.len() as u64, Box::new(store)), path: name };
    if let Some(tail) = read.tail {
        found.book(Record::Note { text: format!("the journal's end was cut off: {tail}") })?;
    }
    Ok(found)
}

impl Found {
    /// Books how the last session ended, if that is not known yet: by the journal, by whether a worker left word at
    /// `vanished` that it outlived the supervisor, and by what the OS says `now`.
    pub fn settle(&mut self, vanished: Option<String>, now: &Traces) -> Result<Option<Loss>, AftermathError> {
        if self.outcome.standing.settled {
            return Ok(None);
        }
        let place = &self.outcome.standing;
        let seconds = |at: &str| at.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second);
        let last_seen_s = seconds(&place.last_seen).unwrap_or_default();
        let dead = DeadRun {
            boot: place.boot.clone(),
            last_seen_s,
            heartbeat_every_s: (HEARTBEAT_NS / 1_000_000_000) as i64,
            // Word that is older than the run's last sign of life is of a worker that was cut off from a living supervisor.
            supervisor_vanished: vanished.as_deref().and_then(seconds).is_some_and(|at| at >= last_seen_s),
            step_started_s: seconds(&place.step_began),
        };
        let loss = weigh(&dead, now);
        let began = seconds(&self.run.started).unwrap_or_default();
        let seconds_in = (dead.last_seen_s - began).max(0) as f64;
        let records = if loss.reason == LossReason::LostToReset { self.blame(&loss, seconds_in) } else { Vec::new() };
        for record in records {
            self.book_once(record)?;
        }
        // Last, for it settles the matter: whoever is cut off before it, as by another reset, weighs and books again.
        let at = self.outcome.standing.last_seen.clone();
        self.book(Record::BrokenOff { at, reason: loss.reason, why: loss.why.clone() })?;
        Ok(Some(loss))
    }

    /// Sets back the clocks' caps that a tuning changed and had no time to set back; says what was done. After another boot
    /// they are the kernel's own again.
    pub fn restore_caps(&mut self) -> Result<Option<String>, AftermathError> {
        let Some(kept) = self.outcome.tuned.caps.clone() else { return Ok(None) };
        let root = self.run.plan.capping().and_then(|tuning| tuning.root.as_deref());
        let root = root.map_or_else(Root::real, |dir| Root::at(Path::new(dir)));
        let id = self.run.run.clone();
        let rebooted = kept.boot.zip(boot(&root)).is_some_and(|(then, now)| then.id != now.id);
        let said = if rebooted {
            format!("Run {id} had capped clocks; the reset has undone that.")
        } else if let Err(why) = cap::set_all(&Cpufreq(root), &kept.caps) {
            // Still to be done, by whoever may.
            return Ok(Some(format!("Run {id} has left clocks capped: {why}.")));
        } else {
            format!("Run {id} had left clocks capped; their caps are set back.")
        };
        let at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        self.book(Record::CapsRestored { at })?;
        Ok(Some(said))
    }

    /// Whom a reset points at: the cores that the hardware names, and those that were under load.
    fn blame(&self, loss: &Loss, seconds_in: f64) -> Vec<Record> {
        let open = self.outcome.open_step.clone();
        let (load, kernel, cores) = open.map(|open| (open.load, open.kernel, open.cores)).unwrap_or_default();
        let finding = |core, class, detail| {
            let blank = Finding::blank(core, class, load.clone(), seconds_in);
            Finding { kernel: kernel.clone(), detail, ..blank }
        };
        let mut records = Vec::new();
        for check in &loss.machine_checks {
            if let Some(core) = check.core(&self.run.machine.cores) {
                let finding = Finding { cpu: check.cpu, ..finding(core, Class::MachineCheck, check.in_words()) };
                records.push(Record::Finding(Box::new(finding)));
            }
        }
        for &core in &cores {
            records.push(if cores.len() == 1 && self.outcome.standing.lost.contains_key(&core) {
                let detail = format!("for a second time, with this core alone under load: {}", loss.why);
                Record::Finding(Box::new(finding(core, Class::LostToReset, detail)))
            } else {
                let work = kernel.as_deref().unwrap_or("all kernels");
                Record::Suspicion { core, why: format!("under load ({load}, {work}) when {}", loss.why) }
            });
        }
        records
    }

    /// Books what is not known yet: a weighing that was cut off may have booked a part of the same.
    fn book_once(&mut self, record: Record) -> Result<(), AftermathError> {
        let outcome = &self.outcome;
        let record = match record {
            Record::Finding(mut finding) => {
                finding.id = outcome.next_finding();
                let known = |f: &Finding| Finding { id: finding.id, ..f.clone() } == *finding;
                if outcome.findings.iter().any(known) {
                    return Ok(());
                }
                Record::Finding(finding)
            }
            Record::Suspicion { core, why }
                if outcome.cores.get(&core).is_some_and(|c| c.suspicions.contains(&why)) =>
            {
                return Ok(());
            }
            record => record,
        };
        self.book(record)
    }

    fn book(&mut self, record: Record) -> Result<(), AftermathError> {
        let unwritable = |why| AftermathError::Unwritable { path: self.path.clone(), source: io::Error::other(why) };
        self.journal.write(&record, true).map_err(unwritable)?;
        self.outcome.apply(&record);
        Ok(())
    }
}
