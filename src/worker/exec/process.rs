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
    for (number, &cpu) in options.cpus.iter().enumerate() {
        let (shifts, shift) = channel();
        let guard = Arc::new(Guard::default());
        let lane = Lane {
            cpu,
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
    let mut ids = readies.iter().take(options.cpus.len()).collect::<io::Result<Vec<_>>>()?;
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
    outbox.send(&FromWorker::Hello {
        protocol: PROTOCOL,
        pid: std::process::id(),
        thread: platform::thread_id(),
        lanes: ids.into_iter().map(|(_, id)| id).collect(),
    });
    Ok(posts)
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
