//! A block: about 40 ms of one kernel on one batch of inputs, every output of every iteration compared, inputs and
//! references digested again at its end.

use std::sync::atomic::Ordering::Relaxed;

use oddcore_kernels::{Isa, Job, Mismatch, Picture, Size, Token};

use super::{
    account::Times,
    fault::Inject,
    look::{Look, TRUTH_CHANGED},
    protocol::{Case, Source, Truth},
    sealed::{Sealed, source_intact},
    slot::{STAGE_CHECK, Slot},
};
use crate::{
    journal::record::Evidence,
    platform,
    verdict::{Class, Hex, Place},
};

/// How long a block lasts.
pub const BLOCK_NS: u64 = 40_000_000;
/// Fresh inputs are small: so many make one call long enough to be timed.
pub const FRESH_BATCH: usize = 16;

/// Puts an input in its place; says whether it could.
pub type Arrive<'a> = &'a dyn Fn(&mut dyn Job, Case) -> bool;

/// What a block works on.
pub struct Work<'a> {
    /// Proof that the variant can run.
    pub token: Token,
    /// The batch and what each must give.
    pub truths: &'a [Sealed<Truth>],
    /// The user's pictures.
    pub pictures: &'a [Sealed<Picture>],
    /// Where the lane says what it does.
    pub slot: Slot<'a>,
    /// Puts the input that another core handed over in place of one made here; false if there is none that fits.
    pub arrive: Option<Arrive<'a>>,
}

/// One thing seen to be wrong.
pub struct Wrong {
    /// The class.
    pub class: Class,
    /// Of which input.
    pub case: Case,
    /// Iterations of this block before.
    pub iteration: u64,
    /// The stage, where it is known.
    pub stage: Option<&'static str>,
    /// Digest of what was computed.
    pub output: Option<u64>,
    /// When the check failed, on the system's monotonic clock.
    pub at_ns: u64,
    /// In words.
    pub detail: &'static str,
}

/// Who hears of what is wrong.
pub trait Listener {
    /// At once, before anything else is looked at; says whether its place is worth finding.
    fn wrong(&mut self, wrong: Wrong, times: &mut Times) -> bool;
    /// The place of what it heard last; `None` if it could not be found.
    fn placed(&mut self, place: Option<Place>);
}

/// What a block came to.
#[derive(Default)]
pub struct Done {
    /// Bytes of the batch.
    pub bytes: u64,
    /// Iterations, operations and findings.
    pub evidence: Evidence,
    /// Where the CPU time went.
    pub times: Times,
}

/// Makes the input of `case`.
pub fn prepare(job: &mut dyn Job, case: Case, pictures: &[Sealed<Picture>]) {
    match case.source {
        Source::Golden => job.generate(Size::Golden, case.seed.0),
        Source::Fresh => job.generate(Size::Fresh, case.seed.0),
        Source::Picture(number) => {
            let taken =
                pictures.get(number as usize).is_some_and(|picture| job.load_picture(picture.value(), case.seed.0));
            assert!(taken, "the supervisor asked for a picture that this kernel cannot take");
        }
    }
}

/// A job of the batch and how far it can be trusted.
struct Trial<'a> {
    job: &'a mut dyn Job,
    truth: &'a Sealed<Truth>,
    has_reference: bool,
    /// Its last check failed.
    failed: bool,
    /// It did, and what was wrong has been told.
    told: bool,
}

impl Trial<'_> {
    fn truth(&self) -> &Truth {
        self.truth.value()
    }

    /// The check of one iteration: the first output by its digest, which then becomes the reference; later ones in full
    /// against the reference.
    fn holds(&mut self) -> bool {
        if self.has_reference {
            return self.job.matches();
        }
        self.has_reference = self.job.output_digest() == self.truth().output.0;
        if self.has_reference {
            self.job.keep_reference();
        }
        self.has_reference
    }

    /// A second look, by digests, which is another method than the comparison's.
    fn look(&self) -> Look {
        let (job, truth) = (&self.job, self.truth());
        let output = job.output_digest();
        Look {
            truth: self.truth.intact(),
            input: job.input_digest() == truth.input.0,
            reference: self.has_reference.then(|| job.reference_digest() == truth.output.0),
            output: output == truth.output.0,
            same: self.has_reference && job.matches(),
            digest: output,
        }
    }
}

/// In words: what an input is made from is no longer what it was.
pub const PICTURE_CHANGED: &str =
    "the picture was right when read and is wrong now; memory or a wild store may be the cause";
/// In words: what another core handed over is not what it had.
pub const HANDED_WRONG: &str = "the input was right on the core that handed it over and is wrong where it arrived: either \
                                core, what lies between them, or memory";
/// What comes after an iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another.
    Work,
    /// Another, after a wait that has just ended.
    Woken,
    /// The block's end.
    End,
}

/// Runs one block until `more(iterations)` ends it; at least one iteration, unless something was wrong before it.
pub fn run<I: Inject>(
    work: &Work<'_>,
    jobs: &mut [Box<dyn Job>],
    injector: &mut I,
    mut more: impl FnMut(u64, &mut Times) -> Next,
    listener: &mut dyn Listener,
) -> Done {
    let mut done = Done::default();
    let mut batch: Vec<Trial<'_>> = jobs
        .iter_mut()
        .zip(work.truths)
        .map(|(job, truth)| Trial { job: job.as_mut(), truth, has_reference: false, failed: false, told: false })
        .collect();
    if !born_right(work, &mut batch, injector, &mut done, listener) {
        return done;
    }
    let operations: u64 = batch.iter().map(|trial| trial.job.operations()).sum();
    let stage = work.slot.stage();
    let mut iteration = 0;
    loop {
        work.slot.step();
        done.times.kernel(|| {
            for trial in &mut batch {
                trial.job.run(work.token, stage, injector.flip());
            }
        });
        work.slot.step();
        stage.store(STAGE_CHECK, Relaxed);
        let mut failed = false;
        done.times.check(|| {
            for trial in &mut batch {
                let same = trial.holds();
                trial.failed = !injector.compared(same);
                failed |= trial.failed;
            }
        });
        done.evidence.iterations += batch.len() as u64;
        done.evidence.operations += operations;
        let mut broken = false;
        if failed {
            let at_ns = platform::monotonic_ns();
            for trial in &mut batch {
                trial.told = trial.failed;
                if trial.told {
                    broken |= examine(work, trial, Check { iteration, at_ns, said_right: false }, &mut done, listener);
                }
            }
        }
        if !broken {
            injector.iteration_over(batch[0].job);
        }
        iteration += 1;
        if broken {
            break;
        }
        match more(iteration, &mut done.times) {
            Next::Work => {}
            Next::Woken => injector.woken(),
            Next::End => break,
        }
        if failed {
            batch.iter_mut().for_each(|trial| trial.told = false);
        }
    }
    done.bytes = batch.iter().map(|trial| trial.job.bytes() as u64).sum();
    // The end of a block: inputs and references again, and the last outputs, which the comparison said were right.
    for trial in batch.iter_mut().filter(|trial| !trial.told) {
        let at_ns = platform::monotonic_ns();
        examine(work, trial, Check { iteration, at_ns, said_right: true }, &mut done, listener);
    }
    done
}

/// Makes the inputs and digests them: wrong by then is a miscompute of the stage "generate", unless what the input is made
/// from or compared with is itself no longer what it was.
fn born_right<I: Inject>(
    work: &Work<'_>,
    batch: &mut [Trial<'_>],
    injector: &mut I,
    done: &mut Done,
    listener: &mut dyn Listener,
) -> bool {
    let mut right = true;
    for trial in batch {
        let truth = *trial.truth();
        let mut handed = false;
        if trial.truth.intact() {
            done.times.kernel(|| {
                handed = work.arrive.is_some_and(|arrive| arrive(trial.job, truth.case));
                if !handed {
                    prepare(trial.job, truth.case, work.pictures);
                    injector.input_made(trial.job);
                }
            });
        }
        let digest = done.times.check(|| trial.job.input_digest());
        if digest == truth.input.0 && trial.truth.intact() {
            continue;
        }
        let at_ns = platform::monotonic_ns();
        let (class, stage, detail) = if !trial.truth.intact() {
            (Class::CorruptReference, None, TRUTH_CHANGED)
        } else if handed {
            (Class::CorruptInput, None, HANDED_WRONG)
        } else if !source_intact(truth.case.source, work.pictures) {
            (Class::CorruptInput, None, PICTURE_CHANGED)
        } else {
            (Class::Miscompute, Some("generate"), "the input was made wrong, or changed before its first digest")
        };
        right = false;
        done.evidence.findings += 1;
        let wrong = Wrong { class, case: truth.case, iteration: 0, stage, output: Some(digest), at_ns, detail };
        listener.wrong(wrong, &mut done.times);
    }
    right
}

/// A check and what it said.
struct Check {
    iteration: u64,
    at_ns: u64,
    said_right: bool,
}

/// Classes what is wrong with a trial, tells it at once, and only then finds its place. Says whether the trial is of no
/// more use.
fn examine(work: &Work<'_>, trial: &mut Trial<'_>, check: Check, done: &mut Done, listener: &mut dyn Listener) -> bool {
    let Check { iteration, at_ns, said_right } = check;
    work.slot.step();
    let look = done.times.check(|| trial.look());
    let case = trial.truth().case;
    let mut broken = false;
    for (class, detail) in look.wrongs(said_right) {
        done.evidence.findings += 1;
        broken |= matches!(class, Class::CorruptInput | Class::CorruptReference);
        let wrong = Wrong { class, case, iteration, stage: None, output: Some(look.digest), at_ns, detail };
        if !listener.wrong(wrong, &mut done.times) {
            continue;
        }
        match class {
            Class::Miscompute if look.reference == Some(true) => {
                let found = done.times.check(|| trial.job.locate());
                listener.placed(found.map(|found| place(found.stage, &found)));
            }
            Class::Miscompute => {
                let found = locate_anew(work, trial, &mut done.times);
                listener.placed(found.map(|found| place(found.stage, &found)));
            }
            // The output has it right: what differs is the reference.
            Class::CorruptReference if look.truth && look.output => {
                let found = done.times.check(|| trial.job.locate());
                listener.placed(found.map(|found| place("reference", &found.swapped())));
            }
            _ => {}
        }
    }
    broken
}

fn place(stage: &str, found: &Mismatch) -> Place {
    Place {
        stage: stage.to_owned(),
        element: found.element.clone(),
        expected: Hex(found.expected),
        actual: Hex(found.actual),
        wrong_elements: found.wrong,
    }
}

/// Without a sound reference: the wrong output stands in for it while the scalar reference computes the right one.
fn locate_anew(work: &Work<'_>, trial: &mut Trial<'_>, times: &mut Times) -> Option<Mismatch> {
    let scalar = Isa::Scalar.token()?;
    let truth = *trial.truth();
    trial.has_reference = false;
    trial.job.keep_reference();
    times.kernel(|| {
        prepare(trial.job, truth.case, work.pictures);
        trial.job.run(scalar, work.slot.stage(), None);
    });
    work.slot.step();
    if times.check(|| trial.job.output_digest()) != truth.output.0 {
        return None;
    }
    let place = times.check(|| trial.job.locate()).map(Mismatch::swapped);
    trial.job.keep_reference();
    trial.has_reference = true;
    place
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::worker::{
        fault::{Fault, Injection, Injector, Sound},
        slot::SLOT_WORDS,
    };

    /// Keeps what it hears.
    #[derive(Default)]
    struct Notebook(Vec<(Class, u64, Option<Place>)>);

    impl Listener for Notebook {
        fn wrong(&mut self, wrong: Wrong, _: &mut Times) -> bool {
            self.0.push((wrong.class, wrong.iteration, None));
            true
        }

        fn placed(&mut self, place: Option<Place>) {
            self.0.last_mut().expect("told before placed").2 = place;
        }
    }

    /// A block of four iterations on a golden of `kernel`.
    fn block<I: Inject>(
        kernel: &str,
        injector: &mut I,
        source: Source,
        pictures: &[Sealed<Picture>],
        change: impl FnOnce(&mut Truth),
    ) -> (Done, Notebook) {
        block_of(4, kernel, injector, source, pictures, change)
    }

    fn block_of<I: Inject>(
        length: u64,
        kernel: &str,
        injector: &mut I,
        source: Source,
        pictures: &[Sealed<Picture>],
        change: impl FnOnce(&mut Truth),
    ) -> (Done, Notebook) {
        let kernel = oddcore_kernels::find(kernel).expect("in the list");
        let token = kernel.variants().iter().find_map(|variant| variant.isa.token()).expect("scalar at least");
        let golden = kernel.goldens()[0];
        let case = Case { source, seed: Hex(golden.seed) };
        let truth = Truth { case, input: Hex(golden.input), output: Hex(golden.output) };
        let words: Vec<AtomicU64> = (0..SLOT_WORDS).map(|_| AtomicU64::new(0)).collect();
        let truths = [Sealed::new(truth).changed(change)];
        let work = Work { token, truths: &truths, pictures, slot: Slot::of(&words, 0), arrive: None };
        let mut notebook = Notebook::default();
        let until = |iterations, _: &mut Times| if iterations < length { Next::Work } else { Next::End };
        let done = run(&work, &mut [kernel.new_job()], injector, until, &mut notebook);
        (done, notebook)
    }

    #[test]
    fn what_goes_wrong_in_a_block_is_classed_and_placed() {
        for kernel in oddcore_kernels::all().iter().map(|kernel| kernel.name()) {
            let (done, heard) = block(kernel, &mut Sound, Source::Golden, &[], |_| ());
            assert!(heard.0.is_empty() && done.evidence.iterations == 4, "{kernel}");
            let faults = [
                (Fault::Miscompute, Class::Miscompute, vec![0, 1, 2, 3], true),
                (Fault::MiscomputeOnce, Class::Miscompute, vec![0], true),
                (Fault::MiscomputeLane, Class::Miscompute, vec![0, 1, 2, 3], true),
                (Fault::MiscomputeBirth, Class::Miscompute, vec![0], false),
                (Fault::CorruptInput, Class::CorruptInput, vec![1], false),
                (Fault::CorruptReference, Class::CorruptReference, vec![1], true),
            ];
            for (fault, class, iterations, placed) in faults {
                let injection = Injection {
                    kernel: kernel.into(),
                    fault,
                    loads: vec![],
                    beside: None,
                    above_mhz: None,
                    on_cpus: vec![],
                };
                let mut injector = Injector::new(injection, Box::leak(Box::new(AtomicU64::new(0))));
                let (done, Notebook(heard)) = block(kernel, &mut injector, Source::Golden, &[], |_| ());
                let seen: Vec<u64> = heard.iter().map(|heard| heard.1).collect();
                // Sparse data may hide a changed input, at most until it is digested at the end.
                let later = fault == Fault::CorruptInput && matches!(seen[..], [2..=4]);
                assert!(seen == iterations || later, "{kernel} {fault:?}: {seen:?}");
                assert!(heard.iter().all(|heard| heard.0 == class), "{kernel} {fault:?}: {heard:?}");
                assert!(heard.iter().all(|heard| heard.2.is_some() == placed), "{kernel} {fault:?}: {heard:?}");
                assert_eq!(done.evidence.findings, heard.len() as u64, "{kernel} {fault:?}");
            }
        }
    }

    #[test]
    fn more_iterations_take_no_more_memory() {
        for kernel in oddcore_kernels::all().iter().filter(|kernel| !kernel.allocates()) {
            let taken = |length| {
                let work = || drop(block_of(length, kernel.name(), &mut Sound, Source::Golden, &[], |_| ()));
                allocation_counter::measure(work).count_total
            };
            let few = taken(2);
            assert!(few > 0 && taken(9) == few, "{}: {few} and {} times", kernel.name(), taken(9));
        }
    }

    #[test]
    fn what_memory_changed_is_no_miscompute() {
        let classes = |notebook: Notebook| notebook.0.into_iter().map(|heard| heard.0).collect::<Vec<_>>();
        let (done, heard) = block("gemm-f32", &mut Sound, Source::Golden, &[], |truth| truth.output.0 ^= 4);
        assert_eq!((classes(heard), done.evidence.iterations), (vec![Class::CorruptReference], 0));
        let (_, heard) = block("gemm-f32", &mut Sound, Source::Golden, &[], |truth| truth.input.0 ^= 4);
        assert_eq!(classes(heard), [Class::CorruptReference]);
        // The digests are not this picture's: wrong at birth; with a picture that changed, that is why.
        let picture = Sealed::new(Picture { width: 90, height: 80, rgb: vec![3; 90 * 80 * 3] });
        let flipped = picture.clone().changed(|picture| picture.rgb[77] ^= 1);
        for (picture, class) in [(picture, Class::Miscompute), (flipped, Class::CorruptInput)] {
            let (_, heard) = block("resize-lanczos-u8", &mut Sound, Source::Picture(0), &[picture], |_| ());
            assert_eq!(classes(heard), [class]);
        }
    }
}
