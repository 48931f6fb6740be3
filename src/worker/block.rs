//! A block: about 40 ms of one kernel on one batch of inputs, every output of every iteration compared, inputs and
//! references digested again at its end.

use oddcore_kernels::{Fault as Flip, Job, Picture, Size, Token};

use super::{
    Fault,
    account::Times,
    protocol::{Case, Source, Truth},
    slot::{STAGE_CHECK, Slot},
};
use crate::{journal::record::Evidence, platform, verdict::Class};

/// How long a block lasts.
pub const BLOCK_NS: u64 = 40_000_000;
/// Fresh inputs are small: so many make one call long enough to be timed.
pub const FRESH_BATCH: usize = 16;

/// What a block works on.
pub struct Work<'a> {
    /// Proof that the variant can run.
    pub token: Token,
    /// The batch and what each must give; at most 64.
    pub truths: &'a [Truth],
    /// The user's pictures.
    pub pictures: &'a [Picture],
    /// The fault of a drill.
    pub fault: Option<Fault>,
}

/// One thing seen to be wrong.
pub struct Wrong {
    /// The class.
    pub class: Class,
    /// Whose output.
    pub truth: Truth,
    /// Iterations of this block before.
    pub iteration: u64,
    /// The stage, where it is known.
    pub stage: Option<&'static str>,
    /// First wrong element and how many, where they are known.
    pub place: Option<oddcore_kernels::Mismatch>,
    /// Digest of what was computed.
    pub output: Option<u64>,
    /// In words.
    pub detail: String,
}

/// What a block came to.
#[derive(Default)]
pub struct Done {
    /// Iterations, operations and findings.
    pub evidence: Evidence,
    /// Where the CPU time went.
    pub times: Times,
}

/// Makes the input of `case`.
pub fn prepare(job: &mut dyn Job, case: Case, pictures: &[Picture]) {
    match case.source {
        Source::Golden => job.generate(Size::Golden, case.seed.0),
        Source::Fresh => job.generate(Size::Fresh, case.seed.0),
        Source::Picture(number) => {
            let taken = pictures.get(number as usize).is_some_and(|p| job.load_picture(p, case.seed.0));
            assert!(taken, "the supervisor asked for a picture that this kernel cannot take");
        }
    }
}

/// The flip that a miscompute drill makes in iteration `iteration`.
pub fn drilled_flip(fault: Option<Fault>, iteration: u64) -> Option<Flip> {
    (fault == Some(Fault::Miscompute)).then(|| Flip { element: iteration.wrapping_mul(7919), bit: 22 })
}

/// A job of the batch and how far it can be trusted.
struct Trial<'a> {
    job: &'a mut dyn Job,
    truth: Truth,
    has_reference: bool,
}

impl Trial<'_> {
    /// The check of one iteration: the first output by its digest, which then becomes the reference; later ones in full
    /// against the reference.
    fn holds(&mut self) -> bool {
        if self.has_reference {
            return self.job.matches();
        }
        self.has_reference = self.job.output_digest() == self.truth.output.0;
        if self.has_reference {
            self.job.keep_reference();
        }
        self.has_reference
    }
}

/// Runs one block until `more(iterations)` says no; at least one iteration. `wrong` hears of everything wrong at once and
/// says whether its place is worth finding.
pub fn run(
    work: &Work<'_>,
    jobs: &mut [Box<dyn Job>],
    slot: Slot<'_>,
    mut more: impl FnMut(u64) -> bool,
    wrong: &mut dyn FnMut(Wrong, &mut Times),
) -> Done {
    let mut done = Done::default();
    let mut batch: Vec<Trial<'_>> = jobs
        .iter_mut()
        .zip(work.truths)
        .map(|(job, &truth)| Trial { job: job.as_mut(), truth, has_reference: false })
        .collect();
    if !born_right(work, &mut batch, &mut done, wrong) {
        return done;
    }
    let operations: u64 = batch.iter().map(|trial| trial.job.operations()).sum();
    let stage = slot.stage();
    let mut iteration = 0;
    loop {
        let flip = drilled_flip(work.fault, iteration);
        slot.step();
        done.times.kernel(|| {
            for trial in &mut batch {
                trial.job.run(work.token, stage, flip);
            }
        });
        slot.step();
        stage.store(STAGE_CHECK, std::sync::atomic::Ordering::Relaxed);
        let mut failed = 0u64;
        done.times.check(|| {
            for (n, trial) in batch.iter_mut().enumerate() {
                failed |= u64::from(!trial.holds()) << n;
            }
        });
        done.evidence.iterations += batch.len() as u64;
        done.evidence.operations += operations;
        let mut broken = false;
        while failed != 0 {
            let trial = &mut batch[failed.trailing_zeros() as usize];
            failed &= failed - 1;
            done.evidence.findings += 1;
            let seen = examine(work, trial, iteration, slot, &mut done.times);
            broken |= matches!(seen.class, Class::CorruptInput | Class::CorruptReference);
            wrong(seen, &mut done.times);
        }
        strike(work, &mut batch, iteration);
        iteration += 1;
        if broken || !more(iteration) {
            break;
        }
    }
    look_again(&mut batch, iteration, &mut done, wrong);
    done
}

/// Makes the inputs and digests them: wrong at birth is a miscompute of the stage "generate".
fn born_right(
    work: &Work<'_>,
    batch: &mut [Trial<'_>],
    done: &mut Done,
    wrong: &mut dyn FnMut(Wrong, &mut Times),
) -> bool {
    let mut right = true;
    for trial in batch {
        done.times.kernel(|| prepare(trial.job, trial.truth.case, work.pictures));
        let digest = done.times.check(|| trial.job.input_digest());
        if digest != trial.truth.input.0 {
            right = false;
            done.evidence.findings += 1;
            let seen = Wrong {
                class: Class::Miscompute,
                truth: trial.truth,
                iteration: 0,
                stage: Some("generate"),
                place: None,
                output: Some(digest),
                detail: "the input was made wrong".into(),
            };
            wrong(seen, &mut done.times);
        }
    }
    right
}

/// The damage that a drill does between two iterations.
fn strike(work: &Work<'_>, batch: &mut [Trial<'_>], iteration: u64) {
    match work.fault {
        Some(Fault::CorruptInput) if iteration == 0 => batch[0].job.flip_input_bit(Flip { element: 4321, bit: 5 }),
        Some(Fault::Crash) if iteration == 2 => platform::wild_pointer(),
        Some(Fault::Hang) if iteration == 2 => loop {
            std::hint::spin_loop();
        },
        _ => {}
    }
}

/// Classes a mismatch: is it still there, are input and reference what they were, where is it?
fn examine(work: &Work<'_>, trial: &mut Trial<'_>, iteration: u64, slot: Slot<'_>, times: &mut Times) -> Wrong {
    slot.step();
    let truth = trial.truth;
    let output = times.check(|| trial.job.output_digest());
    let mut seen = Wrong {
        class: Class::Miscompute,
        truth,
        iteration,
        stage: None,
        place: None,
        output: Some(output),
        detail: String::new(),
    };
    let still_there = if trial.has_reference { !times.check(|| trial.job.matches()) } else { output != truth.output.0 };
    if times.check(|| trial.job.input_digest()) != truth.input.0 {
        seen.class = Class::CorruptInput;
        seen.detail = "the input was right when made and is wrong now; memory or a wild store may be the cause".into();
    } else if trial.has_reference && times.check(|| trial.job.reference_digest()) != truth.output.0 {
        seen.class = Class::CorruptReference;
        seen.detail =
            "the reference was right when kept and is wrong now; memory or a wild store may be the cause".into();
    } else if !still_there || output == truth.output.0 {
        seen.class = Class::Comparison;
        seen.detail = "the comparison contradicted itself: a second look saw no difference".into();
        // The first look may have been an output's digest taken wrongly: there is no reference from it.
        return seen;
    }
    seen.place =
        if trial.has_reference { times.check(|| trial.job.locate()) } else { locate_anew(work, trial, slot, times) };
    match &seen.place {
        Some(place) => seen.stage = Some(place.stage),
        None if seen.class == Class::Miscompute => {
            seen.detail =
                "the digest of the output is wrong; the scalar reference on this core could not place it".into();
        }
        None => {}
    }
    seen
}

/// Without a reference: the wrong output stands in for it while the scalar reference computes the right one.
fn locate_anew(
    work: &Work<'_>,
    trial: &mut Trial<'_>,
    slot: Slot<'_>,
    times: &mut Times,
) -> Option<oddcore_kernels::Mismatch> {
    let scalar = oddcore_kernels::Isa::Scalar.token()?;
    trial.job.keep_reference();
    times.kernel(|| {
        prepare(trial.job, trial.truth.case, work.pictures);
        trial.job.run(scalar, slot.stage(), None);
    });
    slot.step();
    if times.check(|| trial.job.output_digest()) != trial.truth.output.0 {
        return None;
    }
    let place = times.check(|| trial.job.locate()).map(oddcore_kernels::Mismatch::swapped);
    trial.job.keep_reference();
    trial.has_reference = true;
    place
}

/// The end of a block: digests of inputs and references again, and of the last outputs, which the comparison said were
/// right: the other method by which the comparison itself is checked.
fn look_again(batch: &mut [Trial<'_>], iteration: u64, done: &mut Done, wrong: &mut dyn FnMut(Wrong, &mut Times)) {
    for trial in batch.iter_mut().filter(|trial| trial.has_reference) {
        let truth = trial.truth;
        let (input, reference, output, same) = done.times.check(|| {
            let job = &trial.job;
            (job.input_digest(), job.reference_digest(), job.output_digest(), job.matches())
        });
        let (class, detail) = if input != truth.input.0 {
            (
                Class::CorruptInput,
                "the input was right when made and is wrong at the end of the block; memory or a wild store may be the cause",
            )
        } else if reference != truth.output.0 {
            (
                Class::CorruptReference,
                "the reference was right when kept and is wrong at the end of the block; memory or a wild store may be the cause",
            )
        } else if same != (output == truth.output.0) {
            (Class::Comparison, "the comparison and the digest of the last output contradict each other")
        } else {
            continue;
        };
        done.evidence.findings += 1;
        let seen =
            Wrong { class, truth, iteration, stage: None, place: None, output: Some(output), detail: detail.into() };
        wrong(seen, &mut done.times);
    }
}
