//! The command line: parses and validates, then hands over. Exit codes are those of design: 0, 1, 2, 3.

mod bench;
mod cores;
mod doctor;
mod drill;
mod dry_run;
mod duration;
mod exec;
mod files;
mod kernels;
mod merge;
mod output;
mod picture;
mod profile;
mod report;
mod resume;
mod run;
mod selection;
mod session;
mod tune;

use std::path::PathBuf;

use clap::{
    Args, Parser, Subcommand,
    error::{ContextKind, ContextValue},
};

use crate::{
    machine::{clock_model, parse_cpu_list},
    plan::shell_word,
    platform::{self, Priority},
    worker,
};

/// Why a command could not do its work; always exit code 2, one line.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// What the user asked for cannot be.
    #[error("{0}")]
    Usage(String),
    /// Runs.
    #[error(transparent)]
    Runs(#[from] crate::journal::RunsError),
    /// A journal.
    #[error(transparent)]
    Journal(#[from] crate::journal::JournalError),
    /// A run that was to be gone on with.
    #[error(transparent)]
    Aftermath(#[from] crate::supervisor::aftermath::AftermathError),
    /// The machine.
    #[error(transparent)]
    Machine(#[from] crate::machine::MachineError),
    /// A file that cannot be written.
    #[error("{path}: cannot write: {source}")]
    Write {
        /// Which.
        path: String,
        /// What the OS said.
        source: std::io::Error,
    },
    /// The platform refused.
    #[error("{what}: {source}")]
    Platform {
        /// What was tried.
        what: &'static str,
        /// What the OS said.
        source: std::io::Error,
    },
}

/// Finds the odd core out: tests every core with real low-precision matrix and image work and names the one that computes
/// wrongly. Without a command: a quick check of every core, about a minute.
#[derive(Parser)]
#[command(
    name = "oddcore",
    version,
    after_help = "Exit codes: 0 no core failed; 1 a core failed; 2 the tool could not do its work, or all \
                  cores agree against it; 3 undecided, not proven, interrupted, or a core without checked work."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::RunArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Test the cores.
    #[command(after_help = "Example: oddcore run --for 5s --loads solo,gpu-wait --json report.json")]
    Run(run::RunArgs),
    /// Inject a fault on one core and see it found: proof that the tester works on this machine.
    #[command(after_help = "Example: oddcore drill --kernels gemm-f32 --fault miscompute-once")]
    Drill(drill::DrillArgs),
    /// Show a run again.
    #[command(after_help = "Example: oddcore report --html report.html")]
    Report(report::ReportArgs),
    /// This machine: cores, CPUs, kinds, clocks, and what is missing.
    #[command(after_help = "Example: oddcore cores --json cores.json")]
    Cores(cores::CoresArgs),
    /// The kernels and their variants, and which of them this CPU runs.
    #[command(after_help = "Example: oddcore kernels --kernels 'gemm-*'")]
    Kernels(kernels::KernelsArgs),
    /// One kernel once; prints each stage's digest.
    #[command(after_help = "Example: oddcore kernel resize-lanczos-u8 --image picture.png")]
    Kernel(kernels::KernelArgs),
    /// Go on with a run that was cut short.
    #[command(after_help = "Example: oddcore resume")]
    Resume(resume::ResumeArgs),
    /// Each kernel's throughput on each core, as a share of what that core's instructions allow.
    #[command(after_help = "Example: oddcore bench --kernels gemm-f32")]
    Bench(bench::BenchArgs),
    /// The JSON reports of many machines as one.
    #[command(after_help = "Example: oddcore merge report.json --json fleet.json")]
    Merge(merge::MergeArgs),
    /// Any deterministic program on each core in turn, its output and exit compared.
    Exec(exec::ExecArgs),
    /// Each core's highest clock that passes.
    #[command(after_help = "Example: oddcore tune --for 10s")]
    Tune(tune::TuneArgs),
    /// What this machine lets us read and do.
    #[command(after_help = "Example: oddcore doctor --json doctor.json")]
    Doctor(doctor::DoctorArgs),
    #[command(hide = true)]
    Worker(WorkerArgs),
    #[command(hide = true)]
    Keeper(KeeperArgs),
    #[command(hide = true)]
    WorkerExec(exec::WorkerExecArgs),
}

/// What a keeper keeps.
#[derive(Args)]
struct KeeperArgs {
    command: String,
}

#[derive(Args)]
struct WorkerArgs {
    #[arg(long)]
    cpus: String,
    #[arg(long)]
    slots: String,
    #[arg(long)]
    bclk: f64,
    #[arg(long)]
    run: Option<PathBuf>,
    #[arg(long, default_value_t = 0)]
    session: u32,
    #[arg(long)]
    baton: Option<String>,
    #[arg(long, default_value = "normal")]
    priority: Priority,
    #[arg(long)]
    image: Vec<PathBuf>,
    #[arg(long, requires = "drill_fault")]
    drill_kernel: Option<String>,
    #[arg(long)]
    drill_fault: Option<worker::Fault>,
    #[arg(long)]
    drill_load: Vec<String>,
    #[arg(long)]
    drill_beside: Option<u32>,
    #[arg(long)]
    drill_above: Option<f64>,
    #[arg(long)]
    drill_cpu: Vec<u32>,
    #[arg(long)]
    roams: bool,
    #[arg(long, requires = "model_reaches")]
    model_clock: Option<PathBuf>,
    #[arg(long)]
    model_reaches: Option<f64>,
}

/// Reads the command line; help and the version are printed, and end the program.
pub fn parse() -> Result<Cli, CliError> {
    Cli::try_parse().map_err(|error| if error.use_stderr() { refusal(&error) } else { error.exit() })
}

/// A refusal of clap's as one of ours.
fn refusal(error: &clap::Error) -> CliError {
    let given: Vec<String> = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    CliError::Usage(one_line(&error.to_string(), meant(error, &given).as_deref()))
}

/// In one line and without the usage; with the command that was meant, where that is known, instead of what clap guesses.
fn one_line(text: &str, meant: Option<&str>) -> String {
    let what = text.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let said = what.map(str::trim).filter(|line| !line.is_empty());
    let (tips, said): (Vec<&str>, Vec<&str>) = said.partition(|line| line.starts_with("tip:"));
    let said = said.join(" ");
    let said = said.strip_prefix("error: ").unwrap_or(&said);
    match meant {
        Some(command) => format!("{said}; is this meant: {command}"),
        None => [&[said][..], &tips, &["--help says more"]].concat().join("; "),
    }
}

/// The command that somebody meant who named a profile without its option, or a program for `exec` without what parts it from our
/// own options.
fn meant(error: &clap::Error, given: &[String]) -> Option<String> {
    let of = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    let word = of(ContextKind::InvalidArg).or_else(|| of(ContextKind::InvalidSubcommand))?;
    let at = given.iter().position(|arg| arg == word)?;
    let command = |words: &[&[String]]| words.concat().iter().map(|arg| shell_word(arg)).collect::<Vec<_>>().join(" ");
    if given[0] == "exec" && at > 0 && !word.starts_with('-') {
        return Some(format!("oddcore {}", command(&[&given[..at], &["--".to_owned()], &given[at..]])));
    }
    let in_run = given[0] == "run" && at > 0;
    let before = if in_run { &given[1..at] } else { &given[..at] };
    let is_profile = matches!(word, "quick" | "standard" | "overnight") || word.ends_with(".toml");
    let words = ["run", "--profile", word].map(str::to_owned);
    let said = || format!("oddcore {}", command(&[&words, before, &given[at + 1..]]));
    (is_profile && (in_run || at == 0 || given[0].starts_with('-'))).then(said)
}

/// Runs the command that was asked for; the exit code, or an error for exit code 2.
pub fn main(cli: Cli) -> Result<u8, CliError> {
    match cli.command {
        None => {
            resume::say_what_became_of_the_last_run(&cli.run.place)?;
            run::run(cli.run)
        }
        Some(Command::Run(args)) => run::run(args),
        Some(Command::Drill(args)) => drill::drill(args),
        Some(Command::Report(args)) => report::report(&args),
        Some(Command::Cores(args)) => cores::cores(&args),
        Some(Command::Kernels(args)) => kernels::kernels(&args),
        Some(Command::Kernel(args)) => kernels::kernel(&args),
        Some(Command::Resume(args)) => resume::resume(args),
        Some(Command::Bench(args)) => bench::bench(&args),
        Some(Command::Merge(args)) => merge::merge(&args),
        Some(Command::Exec(args)) => exec::exec(args),
        Some(Command::Tune(args)) => tune::tune(args),
        Some(Command::Doctor(args)) => doctor::doctor(&args),
        Some(Command::Worker(args)) => start_worker(args),
        Some(Command::WorkerExec(args)) => exec::start_worker(args),
        Some(Command::Keeper(args)) => keep(&args.command),
    }
}

fn keep(command: &str) -> Result<u8, CliError> {
    platform::keep(command).map_err(|source| CliError::Platform { what: "the program beside the test", source })?;
    Ok(0)
}

fn start_worker(args: WorkerArgs) -> Result<u8, CliError> {
    let usage = |text: String| CliError::Usage(format!("worker: {text}"));
    let cpus = parse_cpu_list(&args.cpus).map_err(|error| usage(error.to_string()))?;
    let pictures = args.image.iter().map(|path| picture::read(path)).collect::<Result<_, _>>()?;
    if let (Some(cap), Some(reaches_mhz)) = (args.model_clock, args.model_reaches) {
        clock_model::follow(cap, reaches_mhz);
    }
    let options = worker::Options {
        cpus,
        slots: args.slots,
        bclk_mhz: args.bclk,
        run: args.run,
        session: args.session,
        baton: args.baton,
        roams: args.roams,
        priority: args.priority,
        drill: args.drill_kernel.zip(args.drill_fault).map(|(kernel, fault)| worker::Injection {
            kernel,
            fault,
            loads: args.drill_load,
            beside: args.drill_beside,
            above_mhz: args.drill_above,
            on_cpus: args.drill_cpu,
        }),
    };
    Ok(worker::run(&options, pictures))
}
