//! One session of a run, new or gone on with: everything real is put around a supervisor, and its report is written.

use std::path::{Path, PathBuf};

use super::{CliError, files::Files, picture, resume::say, tune::Tune};
use crate::{
    journal::{Journal, Signposts, record::RunStarted},
    machine::{
        Root,
        cap::{self, Cpufreq},
        hardware_log::HardwareLog,
        sensors::Sensors,
    },
    platform::{self, KeepAwake},
    report::screen::{Screen, is_quick_check},
    supervisor::{
        Drill, Setup, SoFar, Supervisor,
        beside::{Beside, Kept},
        host::ProcessHost,
        seams::{SystemClock, SystemPinner},
    },
    verdict::{Outcome, tune},
    worker,
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
    /// What it takes to tune.
    pub tune: Option<Tune>,
    /// Whether a finding rings the bell.
    pub bell: bool,
}

impl Session {
    /// Runs it to its end and writes the report.
    pub fn carry_out(self, journal: Journal, files: &Files) -> Result<Outcome, CliError> {
        let platform_error = |what| move |source| CliError::Platform { what, source };
        platform::exit_two_on_panic();
        platform::exit_two_on_fatal_signals().map_err(platform_error("signal handlers cannot be set"))?;
        let what = match (&self.so_far, &self.drill) {
            (None, None) if self.run.plan.tuning().is_some() => "Tuning".to_owned(),
            (Some(_), _) => format!("Going on with run {}", self.run.run),
            (None, Some(_)) => "Drill".to_owned(),
            (None, None) if self.run.plan.command().is_some() => {
                format!("Runs of {}", self.run.plan.command().map(|asked| asked.program.name()).unwrap_or_default())
            }
            (None, None) if is_quick_check(&self.run) => "Quick check".to_owned(),
            (None, None) if self.run.profile == "quick" => "Test".to_owned(),
            (None, None) => format!("Profile {}", self.run.profile),
        };
        let next_step = self.so_far.as_ref().map_or(0, |so_far| so_far.outcome.standing.next_step);
        let mut screen = Screen::new(&self.run, next_step, &what, self.bell, self.folder.clone());
        let images: Vec<PathBuf> = self.run.images.iter().map(PathBuf::from).collect();
        let sizes = images.iter().map(|path| picture::size(path)).collect::<Result<_, _>>()?;
        let folder = self.folder.clone();
        let program = self.run.plan.command().map(|asked| asked.program.clone());
        let is_program = program.is_some();
        if is_program {
            // What a session that died left behind.
            worker::exec::tidy(&self.folder, true);
        }
        let mut host = ProcessHost::new(self.run.machine.bclk_mhz, images, Some((self.folder, self.number)))
            .with_priority(self.run.priority)
            .of_program(program);
        let (capping, model) = self.tune.map_or((None, None), |tune| (Some(tune.capping), tune.model));
        if let (Some(model), Some(kernel)) = (model, self.run.plan.kernels().first()) {
            host.follow(model, kernel.clone());
        }
        if let Some(capping) = &capping {
            restore_on_panic(&self.root, &capping.kept);
            if let Err(why) = Signposts::of_user().put(&folder) {
                say(&format!(
                    "If this is killed, only `oddcore resume {}` sets the caps back: {why}",
                    folder.display()
                ));
            }
        }
        let interrupter = host.interrupter();
        platform::on_stop_request(move |why| interrupter.interrupt(why))
            .map_err(platform_error("the handler of Ctrl-C cannot be set"))?;
        let beside = self.run.beside.as_deref().map(|command| start_beside(command, &folder)).transpose()?;
        let sensors = Box::new(Sensors::find(&self.root, &self.run.machine.cores));
        // A machine without such a thing stays awake by its settings; `oddcore doctor` says so.
        let _awake = KeepAwake::begin("every core is being tested");
        let outcome = Supervisor::run(Setup {
            run: self.run,
            so_far: self.so_far,
            images: sizes,
            drill: self.drill,
            host: Box::new(host),
            clock: Box::new(SystemClock),
            pinner: Box::new(SystemPinner),
            sensors,
            capping,
            beside,
            hardware: Box::new(HardwareLog::follow(&self.root)),
            journal,
            view: &mut screen,
        });
        drop(screen);
        if outcome.tuned.caps.is_none() {
            Signposts::of_user().take_down(&folder);
        }
        if is_program {
            // What was right alone is of no more use, unless the run is gone on with.
            worker::exec::tidy(
                &folder,
                !outcome.findings.is_empty() || outcome.ended.is_none() || outcome.unfit.is_some(),
            );
        }
        if let Some(why) = &outcome.unfit {
            return Err(CliError::Usage(format!("{why}; the run is kept in {}", folder.display())));
        }
        files.finish(&outcome, &folder)?;
        Ok(outcome)
    }
}

/// What a run, or a tuning, with this outcome exits with.
pub fn exit_code(outcome: &Outcome) -> u8 {
    tune::tuning(outcome).map_or_else(|| outcome.exit_code(), |tuning| tune::exit_code(outcome, &tuning.ladders))
}

/// A panic ends the program where it stands: the caps are set back before.
fn restore_on_panic(root: &Root, kept: &[(u32, u32)]) {
    let (cap, kept) = (Cpufreq(root.clone()), kept.to_vec());
    let next = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let _ = cap::set_all(&cap, &kept);
        next(panic);
    }));
}

/// Refuses what the shell could not run.
pub fn check_beside(command: Option<&str>) -> Result<(), CliError> {
    if command.is_some_and(|command| command.trim().is_empty()) {
        return Err(CliError::Usage("--beside: which program? Write a line for the shell".into()));
    }
    match command.and_then(platform::shell_objects) {
        Some(why) => Err(CliError::Usage(format!("--beside: cannot be started: {why}"))),
        None => Ok(()),
    }
}

/// Where this process may run, and so not pinned: before its own threads are kept off any core.
fn start_beside(command: &str, folder: &Path) -> Result<Box<dyn Beside>, CliError> {
    let started = platform::thread_affinity().and_then(|cpus| Kept::start(command, &cpus, folder));
    let started = started.map_err(|source| CliError::Platform { what: "--beside: cannot be started", source });
    Ok(Box::new(started?))
}

/// A path that another working folder cannot change, as text for the journal.
pub fn absolute(path: &Path) -> Result<String, CliError> {
    let refuse = |why: String| CliError::Usage(format!("--image {}: {why}", path.display()));
    let path = std::path::absolute(path).map_err(|error| refuse(error.to_string()))?;
    path.to_str().map(str::to_owned).ok_or_else(|| refuse("its name is not Unicode".into()))
}
