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
        let output = match platform::create_private_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::File::options().append(true).open(&path)?
            }
            made => made?,
        };
        let mut keeper = Command::new(std::env::current_exe()?);
        keeper.arg("keeper").arg("--").arg(command);
        let mut keeper = platform::spawn_keeper(&mut keeper, cpus, output)?;
        let missing_pipe = || io::Error::other("the keeper has no pipe");
        let leash = keeper.stdin.take().ok_or_else(missing_pipe)?;
        let heard = platform::hear_keeper(keeper.stdout.take().ok_or_else(missing_pipe)?)?;
        Ok(Self { command: command.to_owned(), output: path.display().to_string(), keeper, leash: Some(leash), heard })
    }
}

impl Beside for Kept {
    fn command(&self) -> &str {
        &self.command
    }

    fn output(&self) -> &str {
        &self.output
    }

    fn ended(&mut self) -> Option<ProcessEnd> {
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
