//! `oddcore drill`: a fault is injected on one core, and must be found there and nowhere else.

use clap::Args;

use super::{
    CliError,
    run::{Job, PlaceArgs, STANDARD_S, read_machine},
    selection,
};
use crate::{
    machine::Machine,
    plan::{Load, Request},
    platform,
    supervisor::Drill,
    verdict::Hex,
    worker::{Fault, Injection},
};

/// How long a drill works at most, in seconds; it ends once the fault was found and looked into.
const DRILL_S: f64 = 6.0;
/// The same for a fault that not every load brings out.
const ALL_LOADS_S: f64 = 30.0;
/// On a machine of many cores, for each: enough for a fault that is rare to strike while its core works alone.
const A_CORE_S: f64 = 2.0;

/// Options of a drill.
#[derive(Args)]
pub struct DrillArgs {
    /// The core to be faulted; the first that may be tested without it.
    #[arg(long, value_name = "N")]
    cores: Option<String>,
    /// The kernel to be faulted.
    #[arg(long, value_name = "NAME", default_value = "gemm-u8s8-i32")]
    kernels: String,
    /// Which loads; without it solo and together, or all for a fault that needs its own. The fault then strikes in their work only, not in the pre-pass.
    #[arg(long, value_name = "LOAD,...")]
    loads: Option<String>,
    /// The fault.
    #[arg(long, value_enum, value_name = "CLASS", default_value = "miscompute")]
    fault: Fault,
    /// For beside-busy: the other CPU; the first of another core without it.
    #[arg(long, value_name = "CPU")]
    beside: Option<u32>,
    /// For above-clock: the clock in MHz.
    #[arg(long, value_name = "MHZ")]
    above: Option<f64>,
    /// By the plan of the standard profile: all loads, and all kernels beside the faulted one.
    #[arg(long)]
    standard: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// `oddcore drill`.
pub fn drill(args: DrillArgs) -> Result<u8, CliError> {
    let chosen = selection::kernels(Some(&args.kernels))?;
    let [kernel] = &chosen[..] else {
        return Err(CliError::Usage(format!("--kernels {}: a drill faults exactly one kernel", args.kernels)));
    };
    let kernel = kernel.clone();
    let machine = read_machine(args.place.root.as_deref())?;
    let (faulted, _) = selection::cores(&machine, args.cores.as_deref())?;
    let core = match (&args.cores, &faulted[..]) {
        (None, [first, ..]) | (Some(_), [first]) => *first,
        _ => {
            let given = args.cores.unwrap_or_default();
            return Err(CliError::Usage(format!("--cores {given}: a drill faults exactly one core")));
        }
    };
    let (cores, not_tested) = selection::cores(&machine, None)?;
    let default =
        if args.standard || args.fault.needs_its_load() { &Load::ALL[..] } else { &[Load::Solo, Load::Together] };
    let loads = selection::loads(args.loads.as_deref(), default, (&machine, &cores), &chosen)?;
    let strikes_in = args.loads.iter().flat_map(|_| loads.iter().copied().map(Load::name).map(str::to_owned)).collect();
    let beside = beside(&args, &machine, core)?;
    if args.fault == Fault::MiscomputeClock && !oddcore_kernels::chain::KNOWN_CYCLES {
        return Err(CliError::Usage("--fault miscompute-clock: nothing here measures the clock".into()));
    }
    match args.above {
        None if args.fault == Fault::AboveClock => {
            return Err(CliError::Usage("--fault above-clock: say which clock, like --above 5800".into()));
        }
        Some(mhz) if !mhz.is_finite() || mhz <= 0.0 => {
            return Err(CliError::Usage(format!("--above {mhz}: not a clock in MHz; write it like --above 5800")));
        }
        Some(mhz) if args.fault != Fault::AboveClock => {
            return Err(CliError::Usage(format!("--above {mhz}: goes with --fault above-clock only")));
        }
        _ => {}
    }
    let injection =
        Injection { kernel, fault: args.fault, loads: strikes_in, beside, above_mhz: args.above, on_cpus: vec![] };
    let least_s = if args.fault.needs_its_load() { ALL_LOADS_S } else { DRILL_S };
    let (chosen, seconds) = match args.standard {
        true => (selection::kernels(None)?, STANDARD_S * cores.len() as f64),
        false => (chosen, least_s.max(A_CORE_S * cores.len() as f64)),
    };
    let seed = Hex(platform::monotonic_ns());
    let request = Request { cores, kernels: chosen, loads, seconds, seed, until_s: None, expect: vec![], tune: None };
    let drill = Drill { core, injection };
    let job = Job { drill: Some(drill.clone()), ..Job::asked("drill", request, args.place) };
    let outcome = job.carry_out(machine, not_tested)?;
    let astray = outcome.findings.iter().any(|f| f.core.is_some_and(|blamed| blamed != core));
    if !astray && outcome.ended.is_none() {
        // Broken off: it says nothing of the build.
        return Ok(outcome.exit_code());
    }
    if astray || !outcome.findings.iter().any(|finding| drill.is(finding)) {
        let what = if astray { "another core was blamed" } else { "the injected fault was not found" };
        return Err(CliError::Usage(format!("the drill failed: {what}; do not trust this build on this machine")));
    }
    Ok(outcome.exit_code())
}

/// The CPU that must be busy for a fault to strike beside it.
fn beside(args: &DrillArgs, machine: &Machine, core: u32) -> Result<Option<u32>, CliError> {
    if args.fault != Fault::BesideBusy {
        return Ok(None);
    }
    let testable = |own: bool| {
        let cores = machine.cores.iter().filter(move |other| own == (other.core == core));
        cores.flat_map(move |other| other.testable.iter().copied().skip(usize::from(own)))
    };
    let mut there = testable(false).chain(testable(true));
    match args.beside {
        None => there.next().map(Some).ok_or_else(|| {
            CliError::Usage("--fault beside-busy: there is no other CPU on which work could be done".into())
        }),
        Some(cpu) if there.any(|other| other == cpu) => Ok(Some(cpu)),
        Some(cpu) => Err(CliError::Usage(format!("--beside {cpu}: not a CPU beside core {core} that can be tested"))),
    }
}
