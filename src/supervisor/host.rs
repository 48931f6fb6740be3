//! Where workers live. A trait, so that tests can play cores that compute wrongly, die, hang or starve.

use std::{
    collections::BTreeMap,
    io::{self, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        atomic::AtomicU64,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    frame::{FrameError, FrameReader, encode},
    machine::{Core, clock_model::ClockModel, format_cpu_list},
    plan::Program,
    platform::{self, Priority, ProcessEnd, SharedWords, ThreadUsage},
    verdict::command::Sha,
    worker::{
        BATON_WORDS, Baton, Fault, Injection, TURN_WORDS, exec,
        protocol::{FromWorker, ToWorker},
        slot::SLOT_WORDS,
    },
};

/// The number under which the worker lives that is no core's: its one thread roams.
pub const ROVER: u32 = u32::MAX;
/// How long a worker that closed its pipe may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// What happens to a supervisor.
#[derive(Debug)]
pub enum Event {
    /// A worker said something.
    Said {
        /// Its core.
        core: u32,
        /// What.
        message: FromWorker,
    },
    /// A worker said something that is not a sound frame.
    Garbled {
        /// Its core.
        core: u32,
        /// What is wrong with it.
        why: String,
    },
    /// A worker is gone.
    Ended {
        /// Its core.
        core: u32,
        /// How.
        end: ProcessEnd,
        /// Its process.
        pid: u32,
    },
    /// The user or the system asks to stop.
    Interrupt {
        /// By what: Ctrl-C, a signal.
        why: String,
    },
}

/// Starts, hears, watches and ends workers, at most one per core.
pub trait WorkerHost {
    /// Starts the worker of `core`, pinned to the CPUs that may be tested, with the fault of a drill. `InvalidInput` means
    /// that its CPUs cannot be had.
    fn start(&mut self, core: &Core, drill: Option<&Injection>) -> io::Result<()>;
    /// Tells it something. A worker that is gone is no error: its end will be heard of.
    fn send(&mut self, core: u32, message: &ToWorker);
    /// Ends it by force; its end will be heard of.
    fn kill(&mut self, core: u32);
    /// The next event, or `None` after `timeout_ns`.
    fn next_event(&mut self, timeout_ns: u64) -> Option<Event>;
    /// The slots of its lanes and of its main thread, as long as it was not started again.
    fn slots(&self, core: u32) -> &[AtomicU64];
    /// Makes ready what is handed from core to core: the first station's turn, nothing carried. Nobody may be at work.
    fn reset_baton(&mut self) {}
    /// Where two outputs of a program part, if they were kept.
    fn first_difference(&self, _right: &Sha, _got: &Sha) -> Option<String> {
        None
    }
    /// A thread of it, as the OS sees it.
    fn usage(&self, core: u32, thread: u64) -> Option<ThreadUsage>;
}

enum FromReader {
    Event(u64, Event),
    Closed(u64, u32),
}

struct Process {
    child: Child,
    commands: ChildStdin,
    sequence: u64,
    slots: SharedWords,
    generation: u64,
    closed: bool,
}

/// Workers as processes of this binary.
pub struct ProcessHost {
    processes: BTreeMap<u32, Process>,
    heard: Receiver<FromReader>,
    hearing: Sender<FromReader>,
    generation: u64,
    bclk_mhz: f64,
    images: Vec<PathBuf>,
    run: Option<(PathBuf, u32)>,
    priority: Priority,
    /// What workers run instead of kernels.
    program: Option<Program>,
    /// What is handed from core to core, once a worker was started.
    baton: Option<SharedWords>,
    /// Cores that clock and err as a model says, in this kernel.
    model: Option<(ClockModel, String)>,
}

/// Lets another thread end the wait for the next event with [`Event::Interrupt`].
pub struct Interrupter(Sender<FromReader>);

impl Interrupter {
    /// Asks to stop.
    pub fn interrupt(&self, why: &str) {
        let _ = self.0.send(FromReader::Event(0, Event::Interrupt { why: why.to_owned() }));
    }
}

impl ProcessHost {
    /// No workers yet. They will read `images` themselves, and leave word in the folder of `run` should the supervisor of that
    /// session of it vanish.
    pub fn new(bclk_mhz: f64, images: Vec<PathBuf>, run: Option<(PathBuf, u32)>) -> Self {
        let (hearing, heard) = channel();
        Self {
            processes: BTreeMap::new(),
            heard,
            hearing,
            generation: 0,
            bclk_mhz,
            images,
            run,
            priority: Priority::default(),
            program: None,
            baton: None,
            model: None,
        }
    }

    /// Workers of that priority.
    pub fn with_priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// The workers run this program instead of kernels.
    pub fn of_program(mut self, program: Option<Program>) -> Self {
        self.program = program;
        self
    }

    /// Lets every worker's clock follow a model of it, and the worker of a core err in `kernel` where the model says so.
    pub fn follow(&mut self, model: ClockModel, kernel: String) {
        self.model = Some((model, kernel));
    }

    fn say_model(&self, core: &Core, command: &mut Command) {
        let (Some((model, kernel)), Some(&cpu)) = (&self.model, core.cpus.first()) else { return };
        command.arg("--model-clock").arg(model.cap_of(cpu));
        command.arg("--model-reaches").arg(model.reaches_mhz(core.core).to_string());
        if let Some(mhz) = model.errs_above_mhz(core.core) {
            command.arg("--drill-kernel").arg(kernel).arg("--drill-fault").arg(Fault::AboveClock.name());
            command.arg("--drill-above").arg(mhz.to_string());
        }
    }

    /// For the handler of Ctrl-C.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(self.hearing.clone())
    }

    fn command(&self, core: &Core, slots: &SharedWords, drill: Option<&Injection>) -> io::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg(if self.program.is_some() { "worker-exec" } else { "worker" })
            .arg("--cpus")
            .arg(format_cpu_list(&core.testable));
        command.arg("--slots").arg(slots.handle()).arg("--bclk").arg(self.bclk_mhz.to_string());
        if let Some((folder, session)) = &self.run {
            command.arg("--run").arg(folder).arg("--session").arg(session.to_string());
        }
        if core.core == ROVER {
            command.arg("--roams");
        }
        if self.priority != Priority::default() {
            command.arg("--priority").arg(self.priority.name());
        }
        if let Some(baton) = &self.baton {
            command.arg("--baton").arg(baton.handle());
        }
        for image in &self.images {
            command.arg("--image").arg(image);
        }
        // Not of the user's program.
        #[cfg(target_os = "linux")]
        if self.program.is_none() {
            platform::clear_memory_by_vectors(&mut command);
        }
        self.say_model(core, &mut command);
        if let Some(drill) = drill {
            command.arg("--drill-kernel").arg(&drill.kernel).arg("--drill-fault").arg(drill.fault.name());
            if let Some(cpu) = drill.beside {
                command.arg("--drill-beside").arg(cpu.to_string());
            }
            if let Some(mhz) = drill.above_mhz {
                command.arg("--drill-above").arg(mhz.to_string());
            }
            for cpu in &drill.on_cpus {
                command.arg("--drill-cpu").arg(cpu.to_string());
            }
            for load in &drill.loads {
                command.arg("--drill-load").arg(load);
            }
        }
        if let Some(program) = &self.program {
            command.arg("--folder").arg(&program.folder);
            command.args(program.files.iter().flat_map(|name| ["--file", name])).arg("--").args(&program.argv);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // A Ctrl-C in the terminal is the supervisor's to hear, not the workers'.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Ok(command)
    }
}

impl WorkerHost for ProcessHost {
    fn start(&mut self, core: &Core, drill: Option<&Injection>) -> io::Result<()> {
        self.generation += 1;
        let generation = self.generation;
        let slots = SharedWords::create((core.testable.len() + 1) * SLOT_WORDS)?;
        if self.baton.is_none() && self.program.is_none() {
            // A limit on files may hold for such memory too: then only the turn goes round.
            self.baton = Some(SharedWords::create(BATON_WORDS).or_else(|_| SharedWords::create(TURN_WORDS))?);
        }
        let mut command = self.command(core, &slots, drill)?;
        let mut child = platform::spawn_pinned(&mut command, &core.testable)?;
        let missing_pipe = || io::Error::other("the worker has no pipe");
        let commands = child.stdin.take().ok_or_else(missing_pipe)?;
        let frames = child.stdout.take().ok_or_else(missing_pipe)?;
        let (number, hearing) = (core.core, self.hearing.clone());
        thread::Builder::new().name(format!("hear-core-{number}")).spawn(move || {
            let mut frames = FrameReader::new(BufReader::new(frames));
            loop {
                let event = match frames.read::<FromWorker>() {
                    Ok(Some(message)) => Event::Said { core: number, message },
                    // A worker that is killed may leave half a frame: no fault of its core.
                    Ok(None) | Err(FrameError::Torn { .. } | FrameError::Io(_)) => {
                        let _ = hearing.send(FromReader::Closed(generation, number));
                        return;
                    }
                    Err(error) => Event::Garbled { core: number, why: error.to_string() },
                };
                let garbled = matches!(event, Event::Garbled { .. });
                let _ = hearing.send(FromReader::Event(generation, event));
                if garbled {
                    // Nothing after it can be trusted; drain it, so that the worker's end is still heard of.
                    let _ = io::copy(&mut frames.into_inner(), &mut io::sink());
                    let _ = hearing.send(FromReader::Closed(generation, number));
                    return;
                }
            }
        })?;
        let process = Process { child, commands, sequence: 0, slots, generation, closed: false };
        self.processes.insert(number, process);
        Ok(())
    }

    fn send(&mut self, core: u32, message: &ToWorker) {
        let Some(process) = self.processes.get_mut(&core).filter(|process| !process.closed) else { return };
        let sent = encode(process.sequence, message).and_then(|frame| process.commands.write_all(&frame));
        process.sequence += 1;
        // A broken pipe means that the worker is gone, which its reader will tell.
        drop(sent);
    }

    fn kill(&mut self, core: u32) {
        if let Some(process) = self.processes.get_mut(&core) {
            if self.program.is_some() {
                platform::kill_commands_of(process.child.id());
            }
            let _ = process.child.kill();
        }
    }

    fn next_event(&mut self, timeout_ns: u64) -> Option<Event> {
        let deadline = Instant::now() + Duration::from_nanos(timeout_ns);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.heard.recv_timeout(left) {
                Ok(FromReader::Event(_, event @ Event::Interrupt { .. })) => return Some(event),
                Ok(FromReader::Event(generation, event)) => {
                    let core = match &event {
                        Event::Said { core, .. } | Event::Garbled { core, .. } | Event::Ended { core, .. } => *core,
                        Event::Interrupt { .. } => return Some(event),
                    };
                    if self.processes.get(&core).is_some_and(|process| process.generation == generation) {
                        return Some(event);
                    }
                }
                Ok(FromReader::Closed(generation, core)) => {
                    let process = self.processes.get_mut(&core).filter(|process| process.generation == generation);
                    if let Some(process) = process {
                        process.closed = true;
                        let end = end_of(&mut process.child);
                        return Some(Event::Ended { core, end, pid: process.child.id() });
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn slots(&self, core: u32) -> &[AtomicU64] {
        self.processes.get(&core).map_or(&[], |process| process.slots.words())
    }

    fn reset_baton(&mut self) {
        if let Some(baton) = &self.baton {
            Baton::of(baton.words()).reset();
        }
    }

    fn first_difference(&self, right: &Sha, got: &Sha) -> Option<String> {
        exec::first_difference(&self.run.as_ref()?.0, right, got)
    }

    fn usage(&self, core: u32, thread: u64) -> Option<ThreadUsage> {
        let process = self.processes.get(&core)?;
        platform::thread_usage(process.child.id(), thread)
    }
}

/// How a worker that closed its pipe ended. The pipe closes when the process is as good as gone; one that merely closed
/// it is ended by force.
fn end_of(child: &mut Child) -> ProcessEnd {
    let deadline = Instant::now() + GONE_WITHIN;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return platform::process_end(status),
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
            Ok(None) | Err(_) => {
                let _ = child.kill();
                return child.wait().map_or(ProcessEnd::Exited(-1), platform::process_end);
            }
        }
    }
}

impl Drop for ProcessHost {
    fn drop(&mut self) {
        for process in self.processes.values_mut().filter(|process| !process.closed) {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}
