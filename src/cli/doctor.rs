//! `oddcore doctor`.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;

use super::{CliError, output::JsonTarget, resume::restore_what_was_left_capped, run::read_machine, run::root_of};
use crate::{
    journal::runs_folder,
    machine::doctor::{Check, State, examine},
    report,
};

/// The schema's name; fields may be added, never re-used (`docs/doctor.schema.json`).
const SCHEMA: &str = "oddcore-doctor/1";
/// What keeps a machine awake on Linux.
const INHIBITOR: &str = "systemd-inhibit";

/// Options of `doctor`.
#[derive(Args)]
pub struct DoctorArgs {
    /// Folder of the runs.
    #[arg(long, value_name = "DIR")]
    runs: Option<PathBuf>,
    /// Write as JSON; - is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Read the descriptions of the machine below this folder.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

#[derive(Serialize)]
struct Examined<'a> {
    schema: &'static str,
    /// Whether nothing stands in the way of a test.
    can_test: bool,
    checks: &'a [Check],
}

/// Looks; 0 if cores can be tested here, 2 if not.
pub fn doctor(args: &DoctorArgs) -> Result<u8, CliError> {
    let json = JsonTarget::open(args.json.as_deref())?;
    restore_what_was_left_capped(args.runs.as_deref(), false)?;
    let machine = read_machine(args.root.as_deref())?;
    let mut checks = examine(&machine, &root_of(args.root.as_deref()));
    let runs = of_runs(args.runs.as_deref());
    let has_cores = machine.cores.iter().any(|core| !core.testable.is_empty());
    let can_test = has_cores && runs.state == State::Ok;
    checks.push(runs);
    checks.extend(of_sleep());
    json.finish(&Examined { schema: SCHEMA, can_test, checks: &checks }, &report::doctor::render(&checks))?;
    Ok(if can_test { 0 } else { 2 })
}

/// Whether a run could be kept.
fn of_runs(given: Option<&Path>) -> Check {
    const WHAT: &str = "folder of the runs";
    const REMEDY: Option<&str> = Some("say another with --runs DIR");
    let folder = match runs_folder(given) {
        Ok(folder) => folder,
        Err(error) => return Check::missing(WHAT, error.to_string(), REMEDY),
    };
    // The nearest part of the path that is there already: nothing is made for a look.
    let Some(there) = folder.ancestors().find(|path| path.is_dir()) else {
        return Check::missing(WHAT, format!("{}: no part of this path is there", folder.display()), REMEDY);
    };
    let trial = there.join(format!(".oddcore-doctor-{}", std::process::id()));
    match fs::File::create_new(&trial).and_then(|_| fs::remove_file(&trial)) {
        Ok(()) => Check::ok(WHAT, format!("{} can be written", folder.display())),
        Err(error) => Check::missing(WHAT, format!("{}: {error}", there.display()), REMEDY),
    }
}

/// Whether the machine can be kept awake; systems other than Linux do it when asked.
fn of_sleep() -> Option<Check> {
    let found = || env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(INHIBITOR)).find(|path| path.is_file());
    cfg!(target_os = "linux").then(|| match found() {
        Some(path) => Check::ok("keeping awake", format!("by {}", path.display())),
        None => Check::missing(
            "keeping awake",
            format!("there is no {INHIBITOR}: a machine that goes to sleep by itself does so under a run"),
            Some("switch automatic sleep off in the desktop's settings for the night"),
        ),
    })
}
