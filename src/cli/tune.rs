//! `oddcore tune`: each core's highest clock that passes.

use std::path::Path;

use clap::Args;

use super::{
    CliError, duration,
    resume::restore_what_was_left_capped,
    run::{Job, PlaceArgs, parse_seed, read_machine, root_of},
    selection, session,
};
use crate::{
    machine::{
        Machine,
        cap::{self, Cpufreq},
        clock_model::{ClockModel, MODEL_FILE},
    },
    plan::{Ladder, Load, Request, Tuning},
    platform,
    supervisor::tune::Capping,
    verdict::Hex,
};

/// How much checked work a probe does, in seconds.
const PROBE_S: f64 = 30.0;

/// How much checked work a core that erred does one step lower, in seconds; no more than the run has lasted.
const AFTER_FINDING_S: f64 = 60.0;

/// Options of `tune`.
#[derive(Args)]
pub struct TuneArgs {
    /// Which cores, like 0-7,!4.
    #[arg(long, value_name = "LIST")]
    cores: Option<String>,
    /// Which kernels, names with * and ?.
    #[arg(long, value_name = "GLOB,...")]
    kernels: Option<String>,
    /// How long a core works at each clock that is tried, 30s without it; what is told is confirmed three times as long.
    #[arg(long = "for", value_name = "TIME", allow_hyphen_values = true)]
    length: Option<String>,
    /// Seed of the work; decimal or 0x...
    #[arg(long, value_name = "N", value_parser = parse_seed)]
    seed: Option<u64>,
    #[command(flatten)]
    place: PlaceArgs,
}

/// `oddcore tune`.
pub fn tune(args: TuneArgs) -> Result<u8, CliError> {
    let length = args.length.as_deref().map(|text| duration::parse("--for", text)).transpose()?;
    let kernels = selection::kernels(args.kernels.as_deref())?;
    let machine = read_machine(args.place.root.as_deref())?;
    let (cores, not_tested) = selection::cores(&machine, args.cores.as_deref())?;
    let root = args.place.root.as_deref();
    restore_what_was_left_capped(args.place.runs.as_deref(), true)?;
    // Before any journal: whether it can be done at all.
    let capping = capping(&machine, &cores, root)?;
    let model = model(root)?;
    let seconds = length.unwrap_or(PROBE_S);
    let tuning = tuning(&machine, &cores, root, seconds)?;
    let seed = args.seed.unwrap_or_else(|| platform::monotonic_ns() ^ u64::from(std::process::id()) << 40);
    let request = Request {
        cores,
        kernels,
        loads: vec![Load::Solo],
        seconds: tuning.about_s(),
        seed: Hex(seed),
        until_s: None,
        expect: vec![],
        tune: Some(tuning),
    };
    let job = Job { tune: Some(Tune { capping, model }), ..Job::asked("tune", request, args.place) };
    let outcome = job.carry_out(machine, not_tested)?;
    Ok(session::exit_code(&outcome))
}

/// What is asked where each core that erred is to be tried one step lower, and what it takes.
pub fn after_finding(machine: &Machine, request: &Request, root: Option<&Path>) -> Result<(Tuning, Tune), CliError> {
    let (cores, seconds) = (&request.cores, request.seconds.min(AFTER_FINDING_S));
    let tune = Tune { capping: capping(machine, cores, root)?, model: model(root)? };
    let tuning = Tuning { after_finding: true, ..tuning(machine, cores, root, seconds)? };
    Ok((tuning, tune))
}

fn tuning(machine: &Machine, cores: &[u32], root: Option<&Path>, seconds: f64) -> Result<Tuning, CliError> {
    let mut ladders = Vec::new();
    for core in machine.cores.iter().filter(|core| cores.contains(&core.core)) {
        let range = cap::range_mhz(core, &root_of(root));
        let (lowest, top_mhz) =
            range.ok_or_else(|| CliError::Usage(format!("{}: nobody tells its top clock", core.label)))?;
        let top = ((top_mhz / machine.bclk_mhz).round() as u32).max(1);
        let lowest = ((lowest / machine.bclk_mhz).ceil() as u32).clamp(1, top);
        ladders.push(Ladder { core: core.core, lowest, top, top_mhz });
    }
    let root = root.map(session::absolute).transpose()?;
    Ok(Tuning { seconds, ladders, root, after_finding: false })
}

/// What a session needs in order to tune.
pub struct Tune {
    /// How clocks are capped.
    pub capping: Capping,
    /// The model that stands in for real clocks.
    pub model: Option<ClockModel>,
}

impl Tune {
    /// For a tuning of `cores` that is gone on with.
    pub fn again(machine: &Machine, cores: &[u32], tuning: &Tuning) -> Result<Self, CliError> {
        let root = tuning.root.as_deref().map(Path::new);
        let there: Vec<u32> = machine.cores.iter().map(|core| core.core).filter(|core| cores.contains(core)).collect();
        Ok(Self { capping: capping(machine, &there, root)?, model: model(root)? })
    }
}

fn capping(machine: &Machine, cores: &[u32], root: Option<&Path>) -> Result<Capping, CliError> {
    let root = root_of(root);
    let kept = cap::settable(machine, cores, &root)
        .map_err(|why| CliError::Usage(format!("clocks cannot be capped: {why}")))?;
    let notes = cap::shared(machine, cores, &root);
    Ok(Capping { cap: Box::new(Cpufreq(root)), kept, notes })
}

fn model(root: Option<&Path>) -> Result<Option<ClockModel>, CliError> {
    let Some(root) = root else { return Ok(None) };
    let model = ClockModel::read(root).map_err(|why| CliError::Usage(format!("--root {}: {why}", root.display())))?;
    model.map(Some).ok_or_else(|| {
        CliError::Usage(format!(
            "--root {}: files there cap no real clock; a model of cores that follow them has a file {MODEL_FILE}",
            root.display()
        ))
    })
}
