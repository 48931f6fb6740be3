//! `oddcore exec`: a program of the user's on each core.

use std::{
    ffi::OsString,
    io::ErrorKind,
    path::{Component, Path, PathBuf},
};

use clap::Args;

use super::{
    CliError, duration,
    run::{Job, PlaceArgs, read_machine},
    selection,
};
use crate::{
    machine::{Machine, parse_cpu_list},
    plan::{CommandRequest, Load, Program},
    platform::{self, Priority},
    verdict::{Hex, command::End},
    worker::{
        self,
        exec::{Limits, Once},
    },
};

/// Loads where none are asked for.
const LOADS: [Load; 2] = [Load::Solo, Load::Together];
/// How long, where that is not asked for, in seconds.
const ABOUT_S: f64 = 60.0;
/// What a first run may take: the user is there to end it.
const TRIAL: Limits = Limits { cpu_ns: u64::MAX, asleep_ns: u64::MAX, bytes: 1 << 30 };

/// Options of `exec`.
#[derive(Args)]
#[command(after_help = "\
In ARGS, {dir} stands for an empty folder of each run's own, which the program also finds in ODDCORE_DIR; --files lie there.\n\
Example: oddcore exec --times 3 --files env.gz -- sh -c 'gzip -nc /usr/bin/env > {dir}/env.gz'\n\
More in docs/EXEC.md.")]
pub struct ExecArgs {
    /// Which cores, like 0-7,!4.
    #[arg(long, value_name = "LIST")]
    cores: Option<String>,
    /// Which loads: solo, siblings, active-2, active-3, active-4, active-8 (or active-n for these four), hop (the program is moved
    /// from core to core as it runs), together; without it solo and together.
    #[arg(long, value_name = "LOAD,...")]
    loads: Option<String>,
    /// How long, like 90s, 10m, 8h; about a minute without it.
    #[arg(long = "for", value_name = "TIME", allow_hyphen_values = true, conflicts_with = "times")]
    length: Option<String>,
    /// How often on each core under each load, instead of for a time.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    times: Option<u32>,
    /// Files that the program makes in {dir}, compared as its standard output is.
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    files: Vec<String>,
    /// The exit code that is right.
    #[arg(long, value_name = "CODE", default_value_t = 0, allow_hyphen_values = true)]
    exit: i32,
    #[command(flatten)]
    place: PlaceArgs,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "CMD ARGS")]
    command: Vec<OsString>,
}

/// `oddcore exec`.
pub fn exec(args: ExecArgs) -> Result<u8, CliError> {
    let length = args.length.as_deref().map(|text| duration::parse("--for", text)).transpose()?;
    let machine = read_machine(args.place.root.as_deref())?;
    let (cores, not_tested) = selection::cores(&machine, args.cores.as_deref())?;
    let loads = loads(args.loads.as_deref(), &machine, &cores)?;
    check_files(&args.files, &loads)?;
    let (argv, folder) = (unicode(args.command)?, working_folder()?);
    let program = Program { argv, folder, files: args.files, exit: args.exit };
    // Before anything is begun: a program that cannot be run at all, or fails wherever it runs, is a slip of the pen.
    let once = try_out(&program)?;
    // On one CPU it takes as long as all of its threads together.
    let once_s = once.wall_ns.max(once.cpu_ns) as f64 * 1e-9;
    let seconds = match args.times {
        Some(times) => CommandRequest::seconds_of(&machine, &cores, &loads, times, once_s),
        None => length.unwrap_or(ABOUT_S),
    };
    // Of what a run does nothing depends on it.
    let seed = Hex(platform::monotonic_ns());
    let request = CommandRequest { program, cores, loads, seconds, times: args.times, once_s, seed };
    Ok(Job::of_a_program(request, args.place).carry_out(machine, not_tested)?.exit_code())
}

fn loads(wanted: Option<&str>, machine: &Machine, cores: &[u32]) -> Result<Vec<Load>, CliError> {
    // Of all that hops, a program does only this.
    let moved = |name| if name == Load::Hop.name() { Load::Migrated.name() } else { name };
    let wanted = wanted.map(|wanted| wanted.split(',').map(|name| moved(name.trim())).collect::<Vec<_>>().join(","));
    let wanted = wanted.as_deref();
    for name in wanted.iter().flat_map(|wanted| wanted.split(',')).map(str::trim) {
        if let Some(why) = Load::named(name).and_then(CommandRequest::lacks) {
            return Err(CliError::Usage(format!("--loads {name}: {why}")));
        }
    }
    selection::loads(wanted, &LOADS, (machine, cores), &[])
}

fn check_files(files: &[String], loads: &[Load]) -> Result<(), CliError> {
    let refuse = |name: &str, why: &str| Err(CliError::Usage(format!("--files {name}: {why}")));
    for name in files {
        let path = Path::new(name);
        if path.is_absolute() && loads != [Load::Solo] {
            return refuse(name, "runs at the same time would share it; make it in {dir}, or take --loads solo alone");
        }
        if name.is_empty() || path.components().any(|part| part == Component::ParentDir) {
            return refuse(name, "name a file in {dir}");
        }
    }
    Ok(())
}

fn unicode(command: Vec<OsString>) -> Result<Vec<String>, CliError> {
    let text = |part: OsString| {
        let refuse = |part: OsString| CliError::Usage(format!("{}: an argument that is not Unicode", part.display()));
        part.into_string().map_err(refuse)
    };
    command.into_iter().map(text).collect()
}

fn working_folder() -> Result<String, CliError> {
    let here = std::env::current_dir()
        .map_err(|source| CliError::Platform { what: "the working folder cannot be read", source })?;
    unicode(vec![here.into()]).map(|mut parts| parts.remove(0))
}

/// Runs it wherever the system puts it. One that does not end as it should is tried once more: what is different then may be
/// what is looked for.
fn try_out(program: &Program) -> Result<Once, CliError> {
    let once = try_once(program)?;
    let Some(why) = once.result.unasked(program) else { return Ok(once) };
    let again = try_once(program)?;
    if again.result == once.result && matches!(once.result.end, End::Exited(_)) {
        let words = &once.last_words;
        let said = if words.is_empty() { String::new() } else { format!(" ({words})") };
        return Err(CliError::Usage(format!("{}: {why}{said}", program.argv[0])));
    }
    Ok(again)
}

/// One run.
fn try_once(program: &Program) -> Result<Once, CliError> {
    let name = &program.argv[0];
    let refuse = |why: String| CliError::Usage(format!("{name}: {why}"));
    let folder =
        std::env::temp_dir().join(format!("oddcore-trial-{}-{}", std::process::id(), platform::monotonic_ns()));
    let once = worker::exec::trial(program, &folder, TRIAL).map_err(|error| match error.kind() {
        ErrorKind::NotFound => refuse("no such program; give its path, or a name found in PATH".into()),
        _ => refuse(format!("it cannot be run: {error}")),
    })?;
    if once.result.end == End::Flooded {
        return Err(refuse("more than 1 GiB of output; send what need not be compared to /dev/null".into()));
    }
    Ok(once)
}

/// What the supervisor tells a worker that runs a program.
#[derive(Args)]
pub struct WorkerExecArgs {
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
    folder: String,
    #[arg(long)]
    roams: bool,
    #[arg(long)]
    file: Vec<String>,
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Starts such a worker.
pub fn start_worker(args: WorkerExecArgs) -> Result<u8, CliError> {
    let cpus = parse_cpu_list(&args.cpus).map_err(|error| CliError::Usage(format!("worker-exec: {error}")))?;
    let options = worker::Options {
        cpus,
        slots: args.slots,
        bclk_mhz: args.bclk,
        run: args.run,
        session: args.session,
        baton: None,
        roams: args.roams,
        priority: Priority::Normal,
        drill: None,
    };
    // What is right the supervisor knows.
    let program = Program { argv: args.command, folder: args.folder, files: args.file, exit: 0 };
    Ok(worker::exec::run(&options, program))
}
