//! `oddcore cores`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{CliError, output::JsonTarget, run::read_machine};
use crate::{
    machine::{Group, Machine},
    report,
};

/// Options of `cores`.
#[derive(Args)]
pub struct CoresArgs {
    /// Write as JSON; - is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Read the descriptions of the machine below this folder.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

/// The machine, and what follows from it.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    machine: &'a Machine,
    groups: Vec<Group>,
    /// Why a revision of microcode that matters is not good enough.
    microcode_advice: Option<&'static str>,
}

/// Shows this machine.
pub fn cores(args: &CoresArgs) -> Result<u8, CliError> {
    let machine = read_machine(args.root.as_deref())?;
    let json = JsonTarget::open(args.json.as_deref())?;
    let microcode_advice = machine.microcode_judged().and_then(|judged| judged.advice());
    let shown = Shown { machine: &machine, groups: machine.groups(), microcode_advice };
    json.finish(&shown, &report::machine::render(&machine))?;
    Ok(0)
}
