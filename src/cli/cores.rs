//! `oddcore cores`.

use std::{fmt::Write as _, path::PathBuf};

use clap::Args;
use comfy_table::{Table, presets::NOTHING};

use super::{CliError, output::JsonTarget, run::read_machine};
use crate::machine::{Machine, format_cpu_list};

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

/// Shows this machine.
pub fn cores(args: &CoresArgs) -> Result<u8, CliError> {
    let machine = read_machine(args.root.as_deref())?;
    let json = JsonTarget::open(args.json.as_deref())?;
    json.finish(&machine, &render(&machine))?;
    Ok(0)
}

fn render(machine: &Machine) -> String {
    let mut out = format!("{}\n", machine.cpu);
    let _ = writeln!(out, "{}{}", machine.os, if machine.virtual_machine { ", a virtual machine" } else { "" });
    if let Some(microcode) = &machine.microcode {
        let _ = writeln!(out, "microcode {microcode}");
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["core", "label", "CPUs", "kind", "top clock", "favoured", "may be tested"]);
    for core in &machine.cores {
        let top = core.top_mhz.as_ref().map_or_else(
            || "unknown".into(),
            |top| format!("{:.0} MHz{}", top.mhz, if top.known { "" } else { " (a guess)" }),
        );
        table.add_row([
            core.core.to_string(),
            core.label.clone(),
            format_cpu_list(&core.cpus),
            format!("{:?}", core.kind).to_lowercase(),
            top,
            core.favoured_rank.map_or_else(|| "-".into(), |rank| rank.to_string()),
            if core.testable.is_empty() {
                "no: outside the allowed set".into()
            } else {
                format_cpu_list(&core.testable)
            },
        ]);
    }
    for line in table.lines() {
        let _ = writeln!(out, " {}", line.trim_end());
    }
    for missing in &machine.missing {
        let _ = writeln!(out, "not known: {missing}");
    }
    out
}
