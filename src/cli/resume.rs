//! `oddcore resume`, and what a plain `oddcore` says of a run that was found dead.

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;

use super::{
    CliError,
    files::{Files, OF_A_TUNING},
    picture,
    run::PlaceArgs,
    run::read_machine,
    run::root_of,
    session::{Session, absolute, check_beside, exit_code},
    tune::Tune,
};
use crate::{
    journal::{self, JOURNAL_FILE, Signposts, find_run, newest_runs, opening, runs_folder, supervisor_vanished},
    machine::{Machine, name, traces},
    plan::{SECONDS_MAX, Tuning, shell_word},
    platform,
    supervisor::{
        SoFar,
        aftermath::{self, AftermathError, Found},
    },
    verdict::{Loss, LossReason, command::EXEC},
};

/// How long a run that has just died may hold its lock, where nobody is to wait for one that is alive.
const SHORT_PATIENCE: Duration = Duration::from_millis(500);

/// Options of `resume`.
#[derive(Args)]
pub struct ResumeArgs {
    /// A run's id or folder; the newest that has not ended without it.
    run: Option<String>,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Goes on with a run that a crash, a reset or an interrupt cut short.
pub fn resume(args: ResumeArgs) -> Result<u8, CliError> {
    platform::survive_full_files();
    let machine = read_machine(args.place.root.as_deref())?;
    let files = Files::open(args.place.json.as_deref(), &args.place.files)?;
    let runs = args.place.runs.as_deref();
    let (folder, mut found) = match &args.run {
        Some(run) => {
            let folder = find_run(runs, Some(run))?;
            let found = aftermath::open(&folder, aftermath::PATIENCE)?;
            (folder, found)
        }
        None => newest_unfinished(runs)?,
    };
    let id = found.run.run.clone();
    let refuse = |why: &str| Err(CliError::Usage(format!("{id}: {why}")));
    if let Some(ended) = &found.outcome.ended {
        return refuse(&format!("this run ended at {ended}; there is nothing left of it to go on with"));
    }
    if found.run.plan.tuning().is_some() {
        files.refuse_forms(OF_A_TUNING)?;
    }
    // Before anything can keep us from going on: what the OS knows of that end does not stay for ever.
    let loss = settle(&folder, &mut found, args.place.root.as_deref())?;
    say(&match &loss {
        Some(loss) => format!("Run {id}: {}.{}", loss.why, suspects(&found, loss)),
        None => format!("Run {id}: {}.", last_break(&found)),
    });
    if !found.run.plan.seconds().is_finite() || found.run.plan.seconds() > SECONDS_MAX {
        return refuse("its plan is longer than any that can be asked for; its journal is damaged");
    }
    if found.run.drill && found.run.plan.capping().is_none() {
        return refuse("a drill is not gone on with; begin another with oddcore drill");
    }
    let unknown = |name: &String| name != EXEC && oddcore_kernels::find(name).is_none();
    if let Some(kernel) = found.run.plan.kernels().into_iter().find(unknown) {
        return refuse(&format!("this version has no kernel {kernel}; go on with version {}", found.run.version));
    }
    for image in &found.run.images {
        picture::read(Path::new(image))?;
    }
    check_beside(found.run.beside.as_deref())?;
    let tune = match found.run.plan.capping() {
        Some(tuning) => Some(again(&found, tuning, &machine, args.place.root.as_deref())?),
        None => None,
    };
    let changes = machine.changes_since(&found.run.machine);
    let mut run = found.run;
    run.machine = run.machine.with_cpus_of(&machine);
    run.morning = args.place.morning.unwrap_or(run.morning);
    let number = found.outcome.standing.sessions + 1;
    let so_far = SoFar { outcome: found.outcome, boot: machine.boot, changes };
    let (root, bell) = (root_of(args.place.root.as_deref()), args.place.bell);
    let session = Session { folder, number, run, so_far: Some(so_far), root, drill: None, tune, bell };
    Ok(exit_code(&session.carry_out(found.journal, &files)?))
}

/// What it takes to go on with a tuning.
fn again(found: &Found, tuning: &Tuning, machine: &Machine, root: Option<&Path>) -> Result<Tune, CliError> {
    let given = root.map(absolute).transpose()?;
    if given != tuning.root {
        let of = tuning.root.as_deref().map_or_else(|| "without --root".into(), |root| format!("with --root {root}"));
        return Err(CliError::Usage(format!(
            "{}: this run caps clocks and was begun {of}; go on with it so",
            found.run.run
        )));
    }
    Tune::again(machine, &found.run.cores, tuning)
}

/// Sets back what tunings that died left capped, in this folder of runs or any other. With `alone` nothing may be at work
/// that is or caps: a tuning is neither done beside the newest run nor beside another tuning.
pub fn restore_what_was_left_capped(runs: Option<&Path>, alone: bool) -> Result<(), CliError> {
    let Ok(runs) = runs_folder(runs) else { return Ok(()) };
    let here = newest_runs(&runs);
    let elsewhere = Signposts::of_user().folders();
    for (n, folder) in here.iter().chain(&elsewhere).enumerate() {
        let caps = opening(&folder.join(JOURNAL_FILE)).is_some_and(|run| run.plan.capping().is_some());
        let in_the_way = alone && n == 0 && !here.is_empty();
        if !caps && !in_the_way {
            continue;
        }
        match aftermath::open(folder, SHORT_PATIENCE) {
            Ok(mut found) => {
                say_what_was_restored(&mut found)?;
                if found.outcome.tuned.caps.is_none() {
                    Signposts::of_user().take_down(folder);
                }
            }
            Err(error @ AftermathError::InUse { .. }) if alone => return Err(error.into()),
            Err(_) => {}
        }
    }
    Ok(())
}

fn say_what_was_restored(found: &mut Found) -> Result<(), CliError> {
    if let Some(said) = found.restore_caps()? {
        say(&said);
    }
    Ok(())
}

/// What the newest run came to, if it died without a word: said and booked before another begins.
pub fn say_what_became_of_the_last_run(place: &PlaceArgs) -> Result<(), CliError> {
    let newest = runs_folder(place.runs.as_deref()).ok().and_then(|runs| newest_runs(&runs).into_iter().next());
    let Some(folder) = newest else { return Ok(()) };
    // One that is at work, or cannot be read, is no reason not to begin another.
    let Ok(mut found) = aftermath::open(&folder, Duration::ZERO) else { return Ok(()) };
    if let Some(loss) = settle(&folder, &mut found, place.root.as_deref())? {
        let id = &found.run.run;
        let runs = journal::elsewhere(&folder).map(|runs| format!(" --runs {}", shell_word(&runs))).unwrap_or_default();
        let on = if found.run.drill { String::new() } else { format!(" Go on with it: oddcore resume {id}{runs}") };
        say(&format!("The last run, {id}, did not end: {}.{}{on}", loss.why, suspects(&found, &loss)));
    }
    Ok(())
}

fn newest_unfinished(runs: Option<&Path>) -> Result<(PathBuf, Found), CliError> {
    let runs = runs_folder(runs)?;
    let mut barred = None;
    for folder in newest_runs(&runs) {
        match aftermath::open(&folder, aftermath::PATIENCE) {
            Ok(found) if found.outcome.ended.is_none() && (!found.run.drill || found.run.plan.capping().is_some()) => {
                return Ok((folder, found));
            }
            Err(error @ (AftermathError::InUse { .. } | AftermathError::Unwritable { .. })) => {
                barred = barred.or(Some(error));
            }
            // Damaged ones are for whoever names them.
            _ => {}
        }
    }
    Err(barred.map_or_else(
        || CliError::Usage(format!("{}: no unfinished run to go on with", runs.display())),
        CliError::Aftermath,
    ))
}

fn settle(folder: &Path, found: &mut Found, root: Option<&Path>) -> Result<Option<Loss>, CliError> {
    let traces = traces::read(&root_of(root));
    let vanished = supervisor_vanished(folder, found.outcome.standing.sessions);
    let loss = found.settle(vanished, &traces)?;
    say_what_was_restored(found)?;
    Ok(loss)
}

fn suspects(found: &Found, loss: &Loss) -> String {
    if loss.reason != LossReason::LostToReset {
        return String::new();
    }
    let cores = found.outcome.interruptions.last().map(|last| last.cores.as_slice()).unwrap_or_default();
    let name = |core: &u32| found.run.machine.cores.iter().find(|c| c.core == *core).map(|c| c.short.as_str());
    let names: Vec<&str> = cores.iter().filter_map(name).collect();
    match names.as_slice() {
        [] => " No core was under load.".to_owned(),
        [one] => format!(" Under load was {one}."),
        several => format!(" Under load were {}.", several.join(" ")),
    }
}

fn last_break(found: &Found) -> String {
    let last = found.outcome.interruptions.last();
    let why = last.and_then(|last| last.why.clone()).unwrap_or_else(|| "stopped from outside".to_owned());
    format!("interrupted ({why})")
}

/// To people, whatever standard output is for.
pub(super) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", name::visible(text));
}
