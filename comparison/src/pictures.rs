//! Resizing, where the libraries' answer is the kernel's or nearly so: Lanczos of 8-bit RGB, 1024x1024 to twice that.

use std::{cell::RefCell, rc::Rc, sync::atomic::AtomicU64};

use fast_image_resize::{
    CpuExtensions, FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use oddcore_kernels::{Kernel, Picture};
use pic_scale::{ImageSize, ImageStore, ImageStoreMut, ResamplingFunction, Scaler, WorkloadStrategy};

use crate::{
    contest::{Contest, Entry},
    pillow::Pillow,
    vectors,
};

const SIDE: usize = 1024;
const TWICE: usize = 2 * SIDE;
const CHANNELS: usize = 3;
/// The seed that has the kernel double a picture.
const DOUBLES: u64 = 0;
const MPX: f64 = 1e-6;
const WHOLE: &str = "coefficients in the call";

/// Noise over slopes, far enough from black and white that nothing is clipped: libraries then differ by their rounding alone.
fn picture() -> Picture {
    let mut state = 0x9e37_79b9u32;
    let rgb = (0..SIDE * SIDE * CHANNELS).map(|at| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (x, y) = (at / CHANNELS % SIDE, at / CHANNELS / SIDE);
        (96 + (x + 2 * y) / 48 + (state >> 28) as usize) as u8
    });
    Picture { width: SIDE, height: SIDE, rgb: rgb.collect() }
}

/// How far two pictures are apart.
fn differs(right: &[u8], other: &[u8]) -> String {
    let off = right.iter().zip(other).filter(|(a, b)| a != b).count();
    let most = right.iter().zip(other).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
    match (right.len() == other.len(), off) {
        (false, _) => "another size".into(),
        (true, 0) => "the same bits".into(),
        (true, off) => {
            format!("differs in {:.2} % of bytes, by {most} at most", 100.0 * off as f64 / right.len() as f64)
        }
    }
}

/// The resizers; `None` for any other kernel.
pub fn entries(kernel: &'static dyn Kernel) -> Option<Contest> {
    if kernel.name() != "resize-lanczos-u8" {
        return None;
    }
    let picture = Rc::new(picture());
    let (_, token) = vectors(kernel).next()?;
    let stage = kernel.show(token, 0, Some(&picture)).ok()?.swap_remove(DOUBLES as usize);
    assert_eq!(stage.shape, [TWICE, TWICE, CHANNELS], "the first target doubles");
    let right = Rc::new(stage.bytes);
    let mut entries: Vec<Entry> = vectors(kernel).map(|(variant, _)| ours(kernel, variant, &picture)).collect();
    for extensions in [CpuExtensions::Avx2, CpuExtensions::Sse4_1] {
        if extensions.is_supported() {
            entries.push(fast_image_resize(extensions, &picture, &right));
        }
    }
    for strategy in [WorkloadStrategy::PreferSpeed, WorkloadStrategy::PreferQuality] {
        entries.push(pic_scale(strategy, &picture, &right));
    }
    let mut absent = Vec::new();
    match Pillow::start(&picture, TWICE) {
        Ok(pillow) => {
            let (pillow, right) = (Rc::new(RefCell::new(pillow)), Rc::clone(&right));
            let runs = Rc::clone(&pillow);
            let name = pillow.borrow().name();
            entries.push(Entry {
                name,
                how: WHOLE,
                work: Box::new(move || runs.borrow_mut().resize()),
                differs: Box::new(move || differs(&right, &pillow.borrow_mut().picture())),
            });
        }
        Err(why) => absent.push(format!("Pillow: {why}")),
    }
    let title = format!("{} {SIDE}x{SIDE} to {TWICE}x{TWICE}", kernel.name());
    Some(Contest { title, amount: ((TWICE * TWICE) as f64 * MPX, "Mpx/s"), entries, absent })
}

/// A variant of ours; that it has the reference's bits is shown by the digest.
fn ours(kernel: &'static dyn Kernel, variant: &'static str, picture: &Picture) -> Entry {
    let token = vectors(kernel).find(|(name, _)| *name == variant).expect("it was listed").1;
    let mut job = kernel.new_job();
    assert!(job.load_picture(picture, DOUBLES));
    job.run(vectors(kernel).next().expect("this one at least").1, &AtomicU64::new(0), None);
    let right = job.output_digest();
    let job = Rc::new(RefCell::new(job));
    let runs = Rc::clone(&job);
    let work = move || runs.borrow_mut().run(token, &AtomicU64::new(0), None);
    let differs =
        move || if job.borrow().output_digest() == right { "the same bits".into() } else { "WRONG".to_owned() };
    Entry::new(format!("oddcore {variant}"), WHOLE, work, differs)
}

fn fast_image_resize(extensions: CpuExtensions, picture: &Rc<Picture>, right: &Rc<Vec<u8>>) -> Entry {
    let mut resizer = Resizer::new();
    // SAFETY: the caller has asked whether this CPU has them.
    unsafe { resizer.set_cpu_extensions(extensions) };
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3)).use_alpha(false);
    let (from, right) = (Rc::clone(picture), Rc::clone(right));
    let to = Rc::new(RefCell::new(Image::new(TWICE as u32, TWICE as u32, PixelType::U8x3)));
    let out = Rc::clone(&to);
    let work = move || {
        let from = ImageRef::new(SIDE as u32, SIDE as u32, &from.rgb, PixelType::U8x3).expect("as large as said");
        resizer.resize(&from, &mut *out.borrow_mut(), &options).expect("both are RGB");
    };
    let name = format!("fast_image_resize {extensions:?}");
    Entry::new(name, WHOLE, work, move || differs(&right, to.borrow().buffer()))
}

fn pic_scale(strategy: WorkloadStrategy, picture: &Rc<Picture>, right: &Rc<Vec<u8>>) -> Entry {
    let scaler = Scaler::new(ResamplingFunction::Lanczos3).set_workload_strategy(strategy);
    let size = |side| ImageSize::new(side, side);
    let plan = scaler.plan_rgb_resampling(size(SIDE), size(TWICE)).expect("sizes that there are");
    let (from, right) = (Rc::clone(picture), Rc::clone(right));
    let to = Rc::new(RefCell::new(ImageStoreMut::<u8, CHANNELS>::alloc(TWICE, TWICE)));
    let out = Rc::clone(&to);
    let work = move || {
        let from = ImageStore::<u8, CHANNELS>::from_slice(&from.rgb, SIDE, SIDE).expect("as large as said");
        plan.resample(&from, &mut out.borrow_mut()).expect("both are RGB");
    };
    let name = format!("pic-scale {strategy:?}");
    Entry::new(name, "coefficients before", work, move || differs(&right, to.borrow().as_bytes()))
}
