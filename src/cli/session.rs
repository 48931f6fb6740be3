//! One session of a run, new or gone on with: everything real is put around a supervisor, and its report is written.

use std::path::{Path, PathBuf};

use super::{CliError, output::JsonTarget, picture};
use crate::{
    journal::{self, Journal, record::RunStarted},
    machine::{Root, sensors::Sensors},
    platform,
    report::{Report, screen::Screen, text},
    supervisor::{
        Drill, Setup, SoFar, Supervisor,
        host::ProcessHost,
        seams::{SystemClock, SystemPinner},
    },
    verdict::Outcome,
};

/// What a session needs to know.
pub struct Session {
    /// The run's folder.
    pub folder: PathBuf,
    /// 1 for a new run, one more each time that it is gone on with.
    pub number: u32,
    /// What is to be done.
    pub run: RunStarted,
    /// What came of it until now.
    pub so_far: Option<SoFar>,
    /// Where its machine's sensors are read.
    pub root: Root,
    /// The fault to inject.
    pub drill: Option<Drill>,
}

impl Session {
    /// Runs it to its end and writes the report.
    pub fn carry_out(self, journal: Journal, json: &JsonTarget) -> Result<Outcome, CliError> {
        let platform_error = |what| move |source| CliError::Platform { what, source };
        platform::exit_two_on_panic();
        platform::exit_two_on_fatal_signals().map_err(platform_error("signal handlers cannot be set"))?;
        let what = match (&self.so_far, &self.drill) {
            (Some(_), _) => format!("Going on with run {}", self.run.run),
            (None, Some(_)) => "Drill".to_owned(),
            (None, None) if self.run.profile == "quick" => "Quick check".to_owned(),
            (None, None) => format!("Profile {}", self.run.profile),
        };
        let next_step = self.so_far.as_ref().map_or(0, |so_far| so_far.outcome.standing.next_step);
        let mut screen = Screen::new(&self.run, next_step, &what);
        let images: Vec<PathBuf> = self.run.images.iter().map(PathBuf::from).collect();
        let sizes = images.iter().map(|path| picture::size(path)).collect::<Result<_, _>>()?;
        let folder = self.folder.clone();
        let host = ProcessHost::new(self.run.machine.bclk_mhz, images, Some((self.folder, self.number)));
        let interrupter = host.interrupter();
        platform::on_stop_request(move |why| interrupter.interrupt(why))
            .map_err(platform_error("the handler of Ctrl-C cannot be set"))?;
        let sensors = Box::new(Sensors::find(&self.root, &self.run.machine.cores));
        let outcome = Supervisor::run(Setup {
            run: self.run,
            so_far: self.so_far,
            images: sizes,
            drill: self.drill,
            host: Box::new(host),
            clock: Box::new(SystemClock),
            pinner: Box::new(SystemPinner),
            sensors,
            journal,
            view: &mut screen,
        });
        drop(screen);
        let report = Report::of(&outcome).expect("a run that was carried out has an opening record");
        json.finish(&report, &(text::render(&report) + &again(&report.run, &folder)))?;
        Ok(outcome)
    }
}

/// The line that says how to see a report again: by the run's id if that is found without more, else by its folder.
pub fn again(run: &str, folder: &Path) -> String {
    let found = journal::runs_folder(None).is_ok_and(|runs| folder.parent() == Some(&runs));
    let by = if found { run.to_owned() } else { folder.display().to_string() };
    format!("Run {run}. Again: oddcore report {by}\n")
}

/// A path that another working folder cannot change, as text for the journal.
pub fn absolute(path: &Path) -> Result<String, CliError> {
    let refuse = |why: String| CliError::Usage(format!("--image {}: {why}", path.display()));
    let path = std::path::absolute(path).map_err(|error| refuse(error.to_string()))?;
    path.to_str().map(str::to_owned).ok_or_else(|| refuse("its name is not Unicode".into()))
}
