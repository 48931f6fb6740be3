//! Flips single bits in the registers of oddcore's workers from outside, one a worker and run, and tells whether the run found it; or follows
//! what they compute to where it is used.

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!("registers are reached by ptrace of x86-64 Linux");

mod bit;
mod follow;
mod moment;
mod options;
mod places;
mod tally;
mod thread;
mod trial;

use std::process::ExitCode;

use anyhow::bail;
use clap::Parser;

use crate::{
    options::{Group, Options},
    places::Places,
    tally::Tally,
};

/// A day, seconds.
const LATEST: f64 = 86_400.0;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("injector: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> anyhow::Result<()> {
    if !(options.from >= 0.0 && options.to >= options.from && options.to <= LATEST) {
        bail!(
            "--from {} --to {}: seconds into the run, the first not after the second, at most a day",
            options.from,
            options.to
        );
    }
    let places = Places::of(&options.command[0])?;
    let mut random = options.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
    if options.follow {
        if options.group != Group::General {
            bail!("--follow: only results of --group general are followed");
        }
        return follow::run(options, &places, &mut random);
    }
    let mut tally = Tally::default();
    let runs: Vec<&[u32]> = options.cpus.chunks(if options.together { options.cpus.len() } else { 1 }).collect();
    let mut number = 0;
    for cpus in runs.iter().cycle() {
        if number >= options.trials {
            break;
        }
        let trials = trial::run(options, cpus, &places, &mut random).inspect_err(|_| print!("{tally}"))?;
        for trial in trials {
            number += 1;
            println!("{number} {trial}");
            tally.count(&trial);
        }
    }
    print!("{tally}");
    Ok(())
}
