//! The worker process: its start, its main thread that listens to the supervisor, and its way out.

use std::{
    io::{self, BufReader, Write},
    path::PathBuf,
    process::exit,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc::{Sender, channel},
    },
    thread,
    time::Duration,
};

use oddcore_kernels::Picture;

use super::{
    fault::Injection,
    lane::{Lane, Order, Shift},
    protocol::{FromWorker, LaneId, PROTOCOL, ToWorker},
    sealed::Sealed,
    slot::Slot,
};
use crate::{
    frame::{FrameError, FrameReader, encode},
    journal,
    platform::{self, Priority, SharedWords, crash},
};

/// What the supervisor tells a worker on its command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// One lane for each.
    pub cpus: Vec<u32>,
    /// The handle of the slots: one for each lane and, last, one for the main thread.
    pub slots: String,
    /// What a multiplier of one means, MHz.
    pub bclk_mhz: f64,
    /// The run's folder and which of its sessions this is: where to leave word should the supervisor vanish. A bench is no
    /// run.
    pub run: Option<PathBuf>,
    /// See `run`.
    pub session: u32,
    /// The handle of what is handed from core to core.
    pub baton: Option<String>,
    /// One lane for all the CPUs, which goes from one to the other.
    pub roams: bool,
    /// Of all its threads.
    pub priority: Priority,
    /// A drill.
    pub drill: Option<Injection>,
}

/// A worker that has lost its supervisor waits so long before it says so: what ends both at once is another matter.
const VANISHED_AFTER: Duration = Duration::from_millis(300);

/// The numbered, checksummed way to the supervisor, shared by all threads of a worker.
pub struct Outbox {
    sequence: Mutex<u64>,
    last_word: Mutex<LastWord>,
}

/// The exit code of a worker whose supervisor lives but cannot be heard or spoken to.
pub const LINK_BROKEN: i32 = 3;

/// What is to be left in the run's folder if the supervisor vanishes.
struct LastWord {
    run: Option<PathBuf>,
    session: u32,
    cpu: u32,
    supervisor: Option<u32>,
}

impl Outbox {
    pub(super) fn new(options: &Options) -> Self {
        let (run, session, cpu) = (options.run.clone(), options.session, options.cpus[0]);
        let last_word = LastWord { run, session, cpu, supervisor: platform::parent_id() };
        Self { sequence: Mutex::new(0), last_word: Mutex::new(last_word) }
    }

    /// Sends a message; without a supervisor to hear it there is nothing left to do here.
    pub fn send(&self, message: &FromWorker) {
        let mut sequence = self.sequence.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut out = io::stdout().lock();
        let sent = encode(*sequence, message).and_then(|frame| out.write_all(&frame)).and_then(|()| out.flush());
        if sent.is_err() {
            drop(sequence);
            self.lost_link();
        }
        *sequence += 1;
    }

    /// The link is broken. If the supervisor is no more, leaves word that the machine and this worker outlived it. Ends the
    /// process.
    pub(super) fn lost_link(&self) -> ! {
        // Whoever comes second waits here until the first has ended the process.
        let word = self.last_word.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        thread::sleep(VANISHED_AFTER);
        // Who loses its parent is given another.
        if word.supervisor.is_some() && platform::parent_id() == word.supervisor {
            exit(LINK_BROKEN);
        }
        if let Some(run) = &word.run {
            let at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            // A folder that went away with the supervisor leaves nobody to tell.
            let _ = journal::tell_supervisor_vanished(run, word.session, word.cpu, at);
        }
        exit(0)
    }
}

/// A panic's message goes to the supervisor; then the process aborts, whichever thread it was.
pub(super) fn tell_panics(outbox: &Arc<Outbox>) {
    let outbox = Arc::clone(outbox);
    std::panic::set_hook(Box::new(move |panic| {
        // The panicking thread may hold the way out itself.
        if outbox.sequence.try_lock().is_ok() {
            outbox.send(&FromWorker::Failed { why: panic.to_string().replace('\n', " "), cpus_gone: false });
        }
    }));
}

/// Works until the supervisor says to leave or is gone. Never returns before.
pub fn run(options: &Options, pictures: Vec<Picture>) -> u8 {
    let outbox = Arc::new(Outbox::new(options));
    match start(options, pictures, &outbox) {
        Ok(lanes) => listen(&lanes, &outbox),
        Err(error) => {
            // What Linux says of an affinity without any CPU that can be had.
            let cpus_gone = error.kind() == io::ErrorKind::InvalidInput;
            outbox.send(&FromWorker::Failed { why: error.to_string(), cpus_gone });
            return 2;
        }
    }
    0
}

fn start(options: &Options, pictures: Vec<Picture>, outbox: &Arc<Outbox>) -> io::Result<Vec<Sender<Box<Order>>>> {
    crash::install()?;
    #[cfg(target_os = "linux")]
    platform::take_large_memory_fresh();
    tell_panics(outbox);
    // Before there are lanes, which have it from this thread.
    if let Err(error) = options.priority.apply() {
        let why =
            format!("its priority cannot be {}: {error}; it works at that of any program", options.priority.name());
        outbox.send(&FromWorker::Failed { why, cpus_gone: false });
    }
    // Lives as long as the process, as the crash handler needs.
    let slots: &'static SharedWords = Box::leak(Box::new(SharedWords::open(&options.slots)?));
    let main = Slot::of(slots.words(), options.cpus.len());
    crash::adopt_thread(main.crash())?;
    let baton = options.baton.as_deref().map(SharedWords::open).transpose()?;
    let baton: Option<&'static SharedWords> = baton.map(|words| &*Box::leak(Box::new(words)));
    let pictures = Arc::new(pictures.into_iter().map(Sealed::new).collect::<Vec<_>>());
    let (ready, readies) = channel();
    let mut lanes = Vec::new();
    let count = if options.roams { 1 } else { options.cpus.len() };
    for (number, &cpu) in options.cpus.iter().take(count).enumerate() {
        let home = if options.roams { options.cpus.clone() } else { vec![cpu] };
        let (orders, order) = channel();
        let lane = Lane {
            number,
            cpu,
            home: home.iter().copied().collect(),
            slot: Slot::of(slots.words(), number),
            outbox: Arc::clone(outbox),
            pictures: Arc::clone(&pictures),
            bclk_mhz: options.bclk_mhz,
            baton: baton.map(SharedWords::words),
            drill: options.drill.clone().map(|injection| (injection, main.struck())),
        };
        let ready = ready.clone();
        thread::Builder::new().name(format!("lane-{cpu}")).spawn(move || {
            let pinned = platform::pin_thread(&home).and_then(|()| crash::adopt_thread(lane.slot.crash()));
            let pinned = pinned.and_then(|()| platform::wake_on_time());
            let pinned = pinned.map(|()| (number, LaneId { cpu, thread: platform::thread_id() }));
            let is_pinned = pinned.is_ok();
            let _ = ready.send(pinned);
            if is_pinned {
                lane.serve(order);
            }
        })?;
        lanes.push(orders);
    }
    drop(ready);
    let mut ids = readies.iter().take(count).collect::<io::Result<Vec<_>>>()?;
    ids.sort_by_key(|&(number, _)| number);
    outbox.send(&FromWorker::Hello {
        protocol: PROTOCOL,
        pid: std::process::id(),
        thread: platform::thread_id(),
        lanes: ids.into_iter().map(|(_, id)| id).collect(),
    });
    Ok(lanes)
}

fn listen(lanes: &[Sender<Box<Order>>], outbox: &Outbox) {
    let mut commands = FrameReader::new(BufReader::new(io::stdin()));
    let mut shift: Option<Arc<Shift>> = None;
    let hand =
        |lane: usize, order: Order| lanes[lane].send(Box::new(order)).expect("a lane never ends before its worker");
    loop {
        match commands.read::<ToWorker>() {
            Ok(Some(ToWorker::Run(mut assignment))) => {
                assignment.lanes = assignment.lanes.clamp(1, lanes.len());
                let count = assignment.lanes;
                let kernel = oddcore_kernels::find(&assignment.kernel).expect("the supervisor is the same program");
                let (working, pause) = (AtomicUsize::new(count), AtomicBool::new(false));
                let new = Arc::new(Shift { assignment, kernel, working, pause });
                for lane in 0..count {
                    hand(lane, Order::Work(Arc::clone(&new)));
                }
                shift = Some(new);
            }
            Ok(Some(ToWorker::Pause)) => {
                if let Some(shift) = &shift {
                    shift.pause.store(true, Relaxed);
                }
            }
            Ok(Some(ToWorker::PrePass { kernel, step, cases, shares })) => {
                let kernel = oddcore_kernels::find(&kernel).expect("the supervisor is the same program");
                hand(0, Order::PrePass(kernel, step, cases, shares));
            }
            Ok(Some(ToWorker::Redo(redo))) => hand(0, Order::Redo(redo)),
            Ok(Some(ToWorker::Bench { kernel, variant })) => hand(0, Order::Bench { kernel, variant }),
            Ok(Some(ToWorker::Leave)) => exit(0),
            Ok(Some(ToWorker::Command(_))) => {
                outbox.send(&FromWorker::Misheard { why: "runs of a program, of a worker for kernels".into() });
            }
            // Half a frame is what a killed supervisor may leave.
            Ok(None) | Err(FrameError::Torn { .. } | FrameError::Io(_)) => outbox.lost_link(),
            // It is there, and will end this process.
            Err(error) => {
                outbox.send(&FromWorker::Misheard { why: error.to_string() });
                loop {
                    thread::park();
                }
            }
        }
    }
}
