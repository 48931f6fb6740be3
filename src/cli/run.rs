//! `oddcore` and `oddcore run`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{
    CliError, dry_run, duration,
    files::{self, FileArgs, Files},
    picture, profile,
    resume::restore_what_was_left_capped,
    selection,
    session::{self, Session},
    tune::{self, Tune},
};
use crate::{
    journal::{
        FileStore, JOURNAL_FILE, Journal, create_run,
        record::{JOURNAL_VERSION, NotTested, RunStarted},
    },
    machine::{self, Machine, Root},
    plan::{self, CommandRequest, Load, Morning, Plan, Request, SEED_FORM},
    platform::{self, Priority},
    supervisor::{
        Drill,
        seams::{Clock, SystemClock},
    },
    verdict::{Hex, Outcome},
};

/// The standard profile's length for each core, in seconds.
pub(super) const STANDARD_S: f64 = 360.0;
/// The overnight profile's length in seconds.
const OVERNIGHT_S: f64 = 8.0 * 3600.0;
/// The longest that a run with an end by its evidence lasts, in seconds: a year.
const UNTIL_S_MAX: f64 = 365.0 * 86_400.0;

/// Options of a run.
#[derive(Args, Clone, Default)]
pub struct RunArgs {
    /// quick (the default, about a minute), standard (every load, about 6 min for each core), overnight (every load, 8 h), or a
    /// file of one's own; options given here win over it.
    #[arg(long, value_name = "NAME|FILE.toml")]
    pub(super) profile: Option<String>,
    /// How long, like 90s, 10m, 8h.
    #[arg(long = "for", value_name = "TIME", allow_hyphen_values = true)]
    pub(super) length: Option<String>,
    /// Run until every core's evidence, under every load, would have caught a fault that recurs so often: 10m means "every
    /// 10 min or oftener". Takes three times as long, core for core; --for is then the most.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) until: Option<String>,
    /// Which cores, like 0-7,!4 or P4,E0-E3.
    #[arg(long, value_name = "LIST")]
    pub(super) cores: Option<String>,
    /// Which kernels, names with * and ?.
    #[arg(long, value_name = "GLOB,...")]
    pub(super) kernels: Option<String>,
    /// Which loads: solo, gpu-wait, siblings, active-2, active-3, active-4, active-8 (or active-n for these four), aggressor,
    /// bursts, hop (with hop-migrated and hop-unpinned), resonance, together.
    #[arg(long, value_name = "LOAD,...")]
    pub(super) loads: Option<String>,
    /// The multiplier at which each core must be tested, or it is not proven: 4,5=60x,rest=57x.
    #[arg(long, value_name = "LIST=Nx,...")]
    pub(super) expect: Option<String>,
    /// A PNG picture to work on besides our own; may be given several times.
    #[arg(long, value_name = "FILE")]
    pub(super) image: Vec<PathBuf>,
    /// Seed of the plan; decimal or 0x...
    #[arg(long, value_name = "N", value_parser = parse_seed)]
    pub(super) seed: Option<u64>,
    /// Of the workers, normal without it: low gives way to whatever else runs, idle to all of it. A core that others use is
    /// tested less, and rarely at its top clock.
    #[arg(long, value_name = "CLASS", value_enum)]
    pub(super) priority: Option<Priority>,
    #[command(flatten)]
    pub place: PlaceArgs,
    /// After the plan cap each core that erred one step lower, and work there for a minute; needs the right to set the cap.
    #[arg(long)]
    pub(super) lower_on_finding: bool,
    /// Run this beside the test, unpinned (a load for the GPU, your own work), and stop it afterwards.
    #[arg(long, value_name = "CMD")]
    pub(super) beside: Option<String>,
    /// Print the plan with its times, and run nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Where a run's things are.
#[derive(Args, Clone, Default)]
pub struct PlaceArgs {
    /// Folder of the runs.
    #[arg(long, value_name = "DIR")]
    pub runs: Option<PathBuf>,
    /// Write the report as JSON; - is standard output.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Read the descriptions of the machine below this folder.
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    #[command(flatten)]
    pub files: FileArgs,
    /// Ring the terminal's bell at a finding.
    #[arg(long)]
    pub bell: bool,
    /// When of each day to sum up what was seen so far, by local time; or off. Without it 07:00.
    #[arg(long, value_name = "HH:MM")]
    pub morning: Option<Morning>,
}

/// A seed, decimal or hexadecimal.
pub fn parse_seed(text: &str) -> Result<u64, String> {
    plan::parse_seed(text).ok_or_else(|| SEED_FORM.into())
}

/// Where descriptions of the machine are read.
pub fn root_of(given: Option<&Path>) -> Root {
    given.map_or_else(Root::real, Root::at)
}

/// The machine as this process sees it.
pub fn read_machine(root: Option<&Path>) -> Result<Machine, CliError> {
    if let Some(dir) = root.filter(|dir| !dir.is_dir()) {
        return Err(CliError::Usage(format!("--root {}: no such folder", dir.display())));
    }
    let allowed = platform::allowed_cpus()
        .map_err(|source| CliError::Platform { what: "the CPUs that this process may use cannot be read", source })?;
    Ok(machine::read(&root_of(root), &allowed)?)
}

/// The machine below a folder as a process would see it that may run on all of it: nothing is going to run there.
fn described_machine(dir: &std::path::Path) -> Result<Machine, CliError> {
    let here = read_machine(Some(dir))?;
    let cpus: Vec<u32> = here.cores.iter().flat_map(|core| core.cpus.iter().copied()).collect();
    Ok(machine::read(&Root::at(dir), &cpus)?)
}

/// `oddcore run`.
pub fn run(args: RunArgs) -> Result<u8, CliError> {
    let (profile, args) = profile::complete(args)?;
    let until_s = args.until.as_deref().map(|text| duration::parse("--until", text)).transpose()?;
    let length = args.length.as_deref().map(|text| duration::parse("--for", text)).transpose()?;
    let kernels = selection::kernels(args.kernels.as_deref())?;
    let chosen: Vec<_> = kernels.iter().filter_map(|name| oddcore_kernels::find(name)).collect();
    let mut pictures = Vec::new();
    for image in &args.image {
        let picture = picture::read(image)?;
        picture::check_size(image, &picture, &chosen)?;
        pictures.push((image.as_path(), picture.width * picture.height));
    }
    let machine = match &args.place.root {
        Some(dir) if args.dry_run => described_machine(dir)?,
        root => read_machine(root.as_deref())?,
    };
    let (cores, not_tested) = selection::cores(&machine, args.cores.as_deref())?;
    let threads = machine.cores.iter().filter(|core| cores.contains(&core.core)).map(|core| core.testable.len()).sum();
    picture::check_memory(&pictures, &chosen, threads, machine.memory_bytes)?;
    let thorough = matches!(profile.as_str(), "standard" | "overnight");
    let default = if thorough { &Load::ALL[..] } else { &Load::QUICK };
    let loads = selection::loads(args.loads.as_deref(), default, (&machine, &cores), &kernels)?;
    let expect = selection::expect(&machine, args.expect.as_deref(), &cores)?;
    let seed = args.seed.unwrap_or_else(|| platform::monotonic_ns() ^ u64::from(std::process::id()) << 40);
    let mut request = Request { cores, kernels, loads, seconds: 0.0, seed: Hex(seed), until_s, expect, tune: None };
    request.seconds = length.unwrap_or_else(|| match profile.as_str() {
        _ if until_s.is_some() => UNTIL_S_MAX,
        "standard" => STANDARD_S * request.cores.len() as f64,
        "overnight" => OVERNIGHT_S,
        _ => plan::quick_seconds(&request, &machine),
    });
    if args.dry_run {
        dry_run::show(&profile, &request, &machine, args.place.json.as_deref())?;
        return Ok(0);
    }
    let mut tune = None;
    if args.lower_on_finding {
        restore_what_was_left_capped(args.place.runs.as_deref(), true)?;
        let (lowering, with) = tune::after_finding(&machine, &request, args.place.root.as_deref())?;
        (request.tune, tune) = (Some(lowering), Some(with));
    }
    let (images, beside, priority) = (args.image, args.beside, args.priority.unwrap_or_default());
    let job = Job { images, beside, priority, tune, ..Job::asked(profile, request, args.place) };
    let outcome = job.carry_out(machine, not_tested)?;
    Ok(outcome.exit_code())
}

/// A run to be begun.
pub struct Job {
    /// The profile's name.
    pub profile: String,
    /// The plan.
    pub plan: Plan,
    /// Cores to test, by index.
    pub cores: Vec<u32>,
    /// The plan's seed.
    pub seed: Hex,
    /// The user's pictures.
    pub images: Vec<PathBuf>,
    /// A line for the shell: what runs beside the test.
    pub beside: Option<String>,
    /// The workers'.
    pub priority: Priority,
    /// A drill.
    pub drill: Option<Drill>,
    /// What it takes to tune.
    pub tune: Option<Tune>,
    /// Where its things are.
    pub place: PlaceArgs,
}

impl Job {
    /// Of our own kernels, with nothing out of the ordinary.
    pub fn asked(profile: impl Into<String>, request: Request, place: PlaceArgs) -> Self {
        let (cores, seed) = (request.cores.clone(), request.seed);
        Self::of(profile.into(), Plan::Asked(request), (cores, seed), place)
    }

    /// Of a program of the user's.
    pub fn of_a_program(request: CommandRequest, place: PlaceArgs) -> Self {
        let (cores, seed) = (request.cores.clone(), request.seed);
        Self::of("exec".into(), Plan::Command(request), (cores, seed), place)
    }

    fn of(profile: String, plan: Plan, (cores, seed): (Vec<u32>, Hex), place: PlaceArgs) -> Self {
        let (images, beside, priority) = (Vec::new(), None, Priority::Normal);
        Self { profile, plan, cores, seed, images, beside, priority, drill: None, tune: None, place }
    }

    /// Carries it out and reports.
    pub fn carry_out(self, machine: Machine, not_tested: NotTested) -> Result<Outcome, CliError> {
        platform::survive_full_files();
        session::check_beside(self.beside.as_deref())?;
        restore_what_was_left_capped(self.place.runs.as_deref(), false)?;
        let files = Files::open(self.place.json.as_deref(), &self.place.files)?;
        if self.plan.tuning().is_some() {
            files.refuse_forms(files::OF_A_TUNING)?;
        }
        let images = self.images.iter().map(|path| session::absolute(path)).collect::<Result<Vec<_>, _>>()?;
        let started = SystemClock.timestamp();
        // Sorts by time; two runs of one second differ by their process.
        let id = format!("{}-{}", started.replace([':', '-'], ""), std::process::id());
        let folder = create_run(self.place.runs.as_deref(), &id)?;
        let path = folder.join(JOURNAL_FILE);
        let store =
            FileStore::create(&path).map_err(|source| CliError::Write { path: path.display().to_string(), source })?;
        let run = RunStarted {
            journal: JOURNAL_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            run: id,
            profile: self.profile,
            seed: self.seed,
            drill: self.drill.is_some() || self.tune.as_ref().is_some_and(|tune| tune.model.is_some()),
            started,
            machine,
            cores: self.cores,
            not_tested,
            images,
            beside: self.beside,
            priority: self.priority,
            morning: self.place.morning.unwrap_or_default(),
            plan: self.plan,
        };
        let journal = Journal::begin(Box::new(store), &run).map_err(|source| {
            // Nothing half-written is left behind.
            let _ = std::fs::remove_file(&path).and_then(|()| std::fs::remove_dir(&folder));
            CliError::Write { path: path.display().to_string(), source }
        })?;
        let session = Session {
            folder,
            number: 1,
            run,
            so_far: None,
            root: root_of(self.place.root.as_deref()),
            drill: self.drill,
            tune: self.tune,
            bell: self.place.bell,
        };
        session.carry_out(journal, &files)
    }
}
