//! The process: its start, its main thread that listens to the supervisor, and its way out.

use std::{
    io::{self, BufReader},
    process::exit,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc::{Sender, channel},
    },
    thread,
    time::Duration,
};

use super::{
    guard::Guard,
    lane::{Lane, Shift},
};
use crate::{
    frame::{FrameError, FrameReader},
    plan::Program,
    platform::{self, SharedWords, crash},
    worker::{
        Options,
        process::{Outbox, tell_panics},
        protocol::{FromWorker, LaneId, PROTOCOL, ToWorker},
        slot::Slot,
    },
};

/// How often runs are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A program that goes from core to core stays on each for so long, ms: the least, and how many more are possible.
const STAY_MS: (u64, u64) = (5, 60);

/// A lane as the main thread knows it.
struct Post {
    shifts: Sender<Arc<Shift>>,
    guard: Arc<Guard>,
}

/// Works until the supervisor says to leave or is gone. Never returns before.
pub fn run(options: &Options, program: Program) -> u8 {
    let outbox = Arc::new(Outbox::new(options));
    match start(options, program, &outbox) {
        Ok(posts) => listen(&posts, &outbox),
        Err(error) => {
            // What Linux says of an affinity without any CPU that can be had.
            let cpus_gone = error.kind() == io::ErrorKind::InvalidInput;
            outbox.send(&FromWorker::Failed { why: error.to_string(), cpus_gone });
            return 2;
        }
    }
    0
}

fn start(options: &Options, program: Program, outbox: &Arc<Outbox>) -> io::Result<Vec<Post>> {
    crash::install()?;
    tell_panics(outbox);
    // Lives as long as the process, as the crash handler needs.
    let slots: &'static SharedWords = Box::leak(Box::new(SharedWords::open(&options.slots)?));
    crash::adopt_thread(Slot::of(slots.words(), options.cpus.len()).crash())?;
    let folder = options.run.clone().ok_or_else(|| io::Error::other("a program is run in a run of ours only"))?;
    let program = Arc::new(program);
    let (ready, readies) = channel();
    let mut posts = Vec::new();
    // One lane for each CPU, or one for all of them.
    let lanes: Vec<Vec<u32>> = match options.roams {
        true => vec![options.cpus.clone()],
        false => options.cpus.iter().map(|&cpu| vec![cpu]).collect(),
    };
    for (number, cpus) in lanes.iter().enumerate() {
        let cpu = cpus[0];
        let (shifts, shift) = channel();
        let guard = Arc::new(Guard::default());
        let lane = Lane {
            cpus: cpus.clone(),
            slot: Slot::of(slots.words(), number),
            outbox: Arc::clone(outbox),
            program: Arc::clone(&program),
            folder: folder.clone(),
            guard: Arc::clone(&guard),
        };
        let ready = ready.clone();
        thread::Builder::new().name(format!("lane-{cpu}")).spawn(move || {
            let pinned = platform::pin_thread(&[cpu]).and_then(|()| crash::adopt_thread(lane.slot.crash()));
            let pinned = pinned.map(|()| (number, LaneId { cpu, thread: platform::thread_id() }));
            let is_pinned = pinned.is_ok();
            let _ = ready.send(pinned);
            if is_pinned {
                lane.serve(shift);
            }
        })?;
        posts.push(Post { shifts, guard });
    }
    drop(ready);
    let mut ids = readies.iter().take(lanes.len()).collect::<io::Result<Vec<_>>>()?;
    ids.sort_by_key(|&(number, _)| number);
    let guards: Vec<_> = posts.iter().map(|post| Arc::clone(&post.guard)).collect();
    thread::Builder::new().name("guard".into()).spawn(move || {
        loop {
            thread::sleep(LOOK_EVERY);
            for (number, guard) in guards.iter().enumerate() {
                if guard.look(platform::monotonic_ns()) {
                    // A lane that waits for a program that is looked after lives.
                    Slot::of(slots.words(), number).step();
                }
            }
        }
    })?;
    if let (true, [post]) = (options.roams, &posts[..]) {
        let (guard, cpus) = (Arc::clone(&post.guard), options.cpus.clone());
        thread::Builder::new().name("mover".into()).spawn(move || move_on(&guard, &cpus))?;
    }
    outbox.send(&FromWorker::Hello {
        protocol: PROTOCOL,
        pid: std::process::id(),
        thread: platform::thread_id(),
        lanes: ids.into_iter().map(|(_, id)| id).collect(),
    });
    Ok(posts)
}

/// Moves what runs from CPU to CPU, for ever.
fn move_on(guard: &Guard, cpus: &[u32]) -> ! {
    let mut stay = platform::monotonic_ns();
    for &cpu in cpus.iter().cycle() {
        // A linear congruential generator's upper bits are random enough for a pause.
        stay = stay.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        thread::sleep(Duration::from_millis(STAY_MS.0 + (stay >> 33) % STAY_MS.1));
        guard.move_to(cpu);
    }
    unreachable!("a worker has a CPU")
}

fn listen(posts: &[Post], outbox: &Outbox) {
    let mut commands = FrameReader::new(BufReader::new(io::stdin()));
    let mut shift: Option<Arc<Shift>> = None;
    let leave = || posts.iter().for_each(|post| post.guard.leave());
    let misheard = |why: String| -> ! {
        // The supervisor is there, and will end this process.
        outbox.send(&FromWorker::Misheard { why });
        loop {
            thread::park();
        }
    };
    loop {
        match commands.read::<ToWorker>() {
            Ok(Some(ToWorker::Command(runs))) => {
                let lanes = runs.lanes.clamp(1, posts.len());
                let new = Arc::new(Shift { runs, working: AtomicUsize::new(lanes), pause: AtomicBool::new(false) });
                for post in &posts[..lanes] {
                    post.shifts.send(Arc::clone(&new)).expect("a lane never ends before its worker");
                }
                shift = Some(new);
            }
            Ok(Some(ToWorker::Pause)) => {
                if let Some(shift) = &shift {
                    shift.pause.store(true, Relaxed);
                }
            }
            Ok(Some(ToWorker::Leave)) => {
                leave();
                exit(0)
            }
            Ok(Some(_)) => misheard("work on a kernel, of a worker that runs a program".into()),
            // Half a frame is what a killed supervisor may leave.
            Ok(None) | Err(FrameError::Torn { .. } | FrameError::Io(_)) => {
                leave();
                outbox.lost_link()
            }
            Err(error) => misheard(error.to_string()),
        }
    }
}
