//! The user's program that runs beside the test. Between it and us is a keeper, a process of ours that ends it and all that it
//! started when we ask it to, or are no more.

use std::{
    fs, io,
    path::Path,
    process::{Child, ChildStdin, Command},
    sync::mpsc::{Receiver, TryRecvError},
    time::Duration,
};

use super::Supervisor;
use crate::{
    journal::Record,
    platform::{self, ProcessEnd},
};

/// How long a keeper may take to end what it keeps: a little longer than it gives itself.
const ENDS_WITHIN: Duration = Duration::from_secs(6);
/// The name of the file in a run's folder that has what the program says.
pub const OUTPUT_FILE: &str = "beside.log";

/// The length from which on that file begins anew.
const OUTPUT_BYTES_MAX: u64 = 64 << 20;

/// A program that runs beside the test. A trait, so that tests need none.
pub trait Beside {
    /// What was asked for.
    fn command(&self) -> &str;
    /// Where what it says goes.
    fn output(&self) -> &str;
    /// How it ended, if it did by itself.
    fn ended(&mut self) -> Option<ProcessEnd>;
    /// Ends it.
    fn stop(&mut self) -> Option<ProcessEnd>;
}

/// One with its keeper.
pub struct Kept {
    command: String,
    output: String,
    keeper: Child,
    /// The keeper goes on as long as this is open.
    leash: Option<ChildStdin>,
    heard: Receiver<ProcessEnd>,
}

impl Kept {
    /// Starts `command` in the shell, unpinned: on `cpus`. What it says is added to a file in `folder`.
    pub fn start(command: &str, cpus: &[u32], folder: &Path) -> io::Result<Self> {
        let path = std::path::absolute(folder.join(OUTPUT_FILE))?;
        match platform::create_private_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => drop(made?),
        }
        // So that it goes on at the new end where the file is cut.
        let output = fs::File::options().append(true).open(&path)?;
        let mut keeper = Command::new(std::env::current_exe()?);
        keeper.arg("keeper").arg("--").arg(command);
        let mut keeper = platform::spawn_keeper(&mut keeper, cpus, output)?;
        let missing_pipe = || io::Error::other("the keeper has no pipe");
        let leash = keeper.stdin.take().ok_or_else(missing_pipe)?;
        let heard = platform::hear_keeper(keeper.stdout.take().ok_or_else(missing_pipe)?)?;
        Ok(Self { command: command.to_owned(), output: path.display().to_string(), keeper, leash: Some(leash), heard })
    }
}

/// A program that talks without end must not fill the disk that the journal is on: its file begins anew.
fn bound(path: &Path, most: u64) -> io::Result<()> {
    if fs::metadata(path)?.len() > most {
        fs::File::options().write(true).open(path)?.set_len(0)?;
    }
    Ok(())
}

impl Beside for Kept {
    fn command(&self) -> &str {
        &self.command
    }

    fn output(&self) -> &str {
        &self.output
    }

    fn ended(&mut self) -> Option<ProcessEnd> {
        // Without its file it is still company.
        let _ = bound(Path::new(&self.output), OUTPUT_BYTES_MAX);
        match self.heard.try_recv() {
            Ok(end) => Some(end),
            Err(TryRecvError::Empty) => None,
            // The keeper itself is gone, and told nothing.
            Err(TryRecvError::Disconnected) => Some(ProcessEnd::Signalled(platform::KILLED)),
        }
    }

    fn stop(&mut self) -> Option<ProcessEnd> {
        drop(self.leash.take());
        let end = self.heard.recv_timeout(ENDS_WITHIN).ok();
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
        end
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if self.leash.is_some() {
            self.stop();
        }
    }
}

impl Supervisor<'_> {
    /// Books that a program runs beside the test.
    pub(super) fn book_company(&mut self) {
        if let Some(beside) = &self.beside {
            let (command, output) = (beside.command().to_owned(), beside.output().to_owned());
            self.book(Record::BesideStarted { at: self.clock.timestamp(), command, output }, false);
        }
    }

    /// The test goes on without it if it ends by itself, and says so.
    pub(super) fn watch_company(&mut self) {
        if let Some(end) = self.beside.as_mut().and_then(|beside| beside.ended()) {
            self.beside = None;
            self.book_its_end(Some(end), false);
        }
    }

    /// Ends it.
    pub(super) fn end_company(&mut self) {
        self.watch_company();
        if let Some(mut beside) = self.beside.take() {
            let end = beside.stop();
            self.book_its_end(end, true);
        }
    }

    fn book_its_end(&mut self, end: Option<ProcessEnd>, stopped: bool) {
        let (exit, signal) = match end {
            Some(ProcessEnd::Exited(code)) => (Some(code), None),
            Some(ProcessEnd::Signalled(signal)) => (None, Some(signal)),
            None => (None, None),
        };
        self.book(Record::BesideEnded { at: self.clock.timestamp(), exit, signal, stopped }, !stopped);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_a_program_says_begins_anew_where_it_is_too_long() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(OUTPUT_FILE);
        let mut said = fs::File::options().create(true).append(true).open(&path).expect("writable");
        said.write_all(b"0123456789").expect("writable");
        bound(&path, 10).expect("there");
        assert_eq!(fs::read(&path).expect("there"), b"0123456789");
        said.write_all(b"a").expect("writable");
        bound(&path, 10).expect("there");
        said.write_all(b"b").expect("writable");
        assert_eq!(fs::read(&path).expect("there"), b"b");
    }
}
