//! Matrix products at the kernels' golden shapes, on the data of a golden.

use std::{cell::RefCell, rc::Rc, sync::atomic::AtomicU64};

use bytemuck::Pod;
use oddcore_kernels::{Kernel, Size, Stage, find};

use crate::{
    contest::{Contest, Entry},
    onednn::{OneDnn, Product, Type},
    openblas::OpenBlas,
    vectors,
};

const GOP: f64 = 1e-9;
const PACKS_ONE: &str = "B packed before, A in the call";
const PACKS_BOTH: &str = "packs A and B in the call";
const WEIGHTS: &str = "B packed before";

/// Libraries that may be installed.
pub struct Libraries {
    blas: Option<Rc<OpenBlas>>,
    dnn: Option<Rc<OneDnn>>,
}

impl Libraries {
    /// Looks for them.
    pub fn load() -> Self {
        Self { blas: OpenBlas::load().map(Rc::new), dnn: OneDnn::load().map(Rc::new) }
    }
}

/// A golden's matrices as values.
struct Case<A, B, C> {
    shape: [usize; 3],
    a: Vec<A>,
    b: Vec<B>,
    /// What oddcore computes.
    right: Rc<Vec<C>>,
}

/// A number that differences can be told of.
trait Number: Pod {
    fn value(self) -> f64;
}

impl Number for f32 {
    fn value(self) -> f64 {
        f64::from(self)
    }
}

impl Number for f64 {
    fn value(self) -> f64 {
        self
    }
}

impl Number for i32 {
    fn value(self) -> f64 {
        f64::from(self)
    }
}

/// How far C is from what it should be.
fn differs<C: Number>(right: &[C], c: &[C]) -> String {
    if bytemuck::cast_slice::<_, u8>(right) == bytemuck::cast_slice::<_, u8>(c) {
        return "the same bits".into();
    }
    let most = |values: &mut dyn Iterator<Item = f64>| values.map(f64::abs).fold(0.0, f64::max);
    let off = most(&mut right.iter().zip(c).map(|(right, c)| right.value() - c.value()));
    let largest = most(&mut right.iter().map(|right| right.value()));
    format!("differs by {:.0e} of the largest", off / largest)
}

impl<A: Pod, B: Pod, C: Number> Case<A, B, C> {
    /// The first golden's.
    fn of(stages: &[Stage]) -> Self {
        let [a, b, c] = ["a", "b", "c"]
            .map(|name| stages.iter().find(|stage| stage.name == name).expect("every product shows its matrices"));
        Self {
            shape: [a.shape[0], b.shape[1], a.shape[1]],
            a: bytemuck::pod_collect_to_vec(&a.bytes),
            b: bytemuck::pod_collect_to_vec(&b.bytes),
            right: Rc::new(bytemuck::pod_collect_to_vec(&c.bytes)),
        }
    }

    /// A library that is given A, B and C.
    fn entry(
        &self,
        name: impl Into<String>,
        how: &'static str,
        work: impl Fn([usize; 3], &[A], &[B], &mut [C]) + 'static,
    ) -> Entry {
        let (shape, a, b, right) = (self.shape, self.a.clone(), self.b.clone(), Rc::clone(&self.right));
        let c = Rc::new(RefCell::new(vec![C::zeroed(); right.len()]));
        let out = Rc::clone(&c);
        Entry::new(name, how, move || work(shape, &a, &b, &mut out.borrow_mut()), move || differs(&right, &c.borrow()))
    }

    /// oneDNN's primitive with packed weights, or why it takes no part.
    fn packed(&self, dnn: &Rc<OneDnn>, types: [Type; 3]) -> Result<Entry, String> {
        let (a, b) = (bytemuck::cast_slice(&self.a), bytemuck::cast_slice(&self.b));
        let product = Product::new(dnn, self.shape, types, a, b)
            .ok_or_else(|| format!("{}: no product of {:?} and {:?} here", dnn.name(), types[0], types[1]))?;
        let (product, right) = (Rc::new(RefCell::new(product)), Rc::clone(&self.right));
        let runs = Rc::clone(&product);
        let differs = move || differs(&right, &bytemuck::pod_collect_to_vec::<u8, C>(product.borrow().c()));
        Ok(Entry::new(dnn.name(), WEIGHTS, move || runs.borrow_mut().run(), differs))
    }
}

/// The products of this kernel; `None` if no library here has one.
pub fn entries(kernel: &'static dyn Kernel, libraries: &Libraries) -> Option<Contest> {
    let golden = kernel.goldens()[0];
    let (_, token) = vectors(kernel).next()?;
    let known = ["gemm-f32", "gemm-f64", "gemm-u8s8-i32", "gemm-s8s8-i32", "gemm-bf16-f32", "gemm-f16-f32"];
    if !known.contains(&kernel.name()) {
        return None;
    }
    let stages = kernel.show(token, golden.seed, None).ok()?;
    let mut entries: Vec<Entry> = vectors(kernel).map(|(variant, _)| ours(kernel, variant)).collect();
    let mut absent = Vec::new();
    let mut packed = |entry: Result<Entry, String>, entries: &mut Vec<Entry>| match entry {
        Ok(entry) => entries.push(entry),
        Err(why) => absent.push(why),
    };
    let Libraries { blas, dnn } = libraries;
    match kernel.name() {
        "gemm-f32" => {
            let case = Case::<f32, f32, f32>::of(&stages);
            entries.push(case.entry("matrixmultiply", PACKS_BOTH, matrixmultiply_f32));
            entries.push(case.entry("gemm", PACKS_BOTH, gemm_crate::<f32>));
            if let Some(blas) = blas.clone() {
                entries.push(case.entry(blas.name(), PACKS_BOTH, move |shape, a, b, c| blas.sgemm(shape, a, b, c)));
            }
            if let Some(dnn) = dnn.clone() {
                packed(case.packed(&dnn, [Type::F32; 3]), &mut entries);
                entries.push(case.entry(dnn.name(), PACKS_BOTH, move |shape, a, b, c| dnn.sgemm(shape, a, b, c)));
            }
        }
        "gemm-f64" => {
            let case = Case::<f64, f64, f64>::of(&stages);
            entries.push(case.entry("matrixmultiply", PACKS_BOTH, matrixmultiply_f64));
            entries.push(case.entry("gemm", PACKS_BOTH, gemm_crate::<f64>));
            if let Some(blas) = blas.clone() {
                entries.push(case.entry(blas.name(), PACKS_BOTH, move |shape, a, b, c| blas.dgemm(shape, a, b, c)));
            }
        }
        "gemm-u8s8-i32" => {
            let case = Case::<u8, i8, i32>::of(&stages);
            if let Some(dnn) = dnn.clone() {
                packed(case.packed(&dnn, [Type::U8, Type::S8, Type::S32]), &mut entries);
                entries.push(case.entry(dnn.name(), PACKS_BOTH, move |shape, a, b, c| dnn.gemm_u8s8(shape, a, b, c)));
            }
        }
        "gemm-s8s8-i32" => {
            let case = Case::<i8, i8, i32>::of(&stages);
            if let Some(dnn) = dnn.clone() {
                packed(case.packed(&dnn, [Type::S8, Type::S8, Type::S32]), &mut entries);
                entries.push(case.entry(dnn.name(), PACKS_BOTH, move |shape, a, b, c| dnn.gemm_s8s8(shape, a, b, c)));
            }
        }
        "gemm-bf16-f32" | "gemm-f16-f32" => {
            let case = Case::<u16, u16, f32>::of(&stages);
            let half = if kernel.name() == "gemm-f16-f32" { Type::F16 } else { Type::Bf16 };
            if let Some(dnn) = dnn {
                packed(case.packed(dnn, [half, half, Type::F32]), &mut entries);
            }
        }
        _ => unreachable!("the names above"),
    }
    let floats = matches!(kernel.name(), "gemm-f32" | "gemm-f64");
    if floats && blas.is_none() {
        absent.push("OpenBLAS: not installed (libopenblas-dev)".into());
    }
    if kernel.name() != "gemm-f64" && dnn.is_none() {
        absent.push("oneDNN: not installed (libdnnl-dev)".into());
    }
    let shape: Vec<String> =
        [(0, 0), (1, 1), (0, 1)].map(|(matrix, side)| stages[matrix].shape[side].to_string()).into();
    let title = format!("{} {}", kernel.name(), shape.join("x"));
    Some(Contest { title, amount: (operations(kernel) * GOP, "Gop/s"), entries, absent })
}

fn operations(kernel: &dyn Kernel) -> f64 {
    let mut job = kernel.new_job();
    job.generate(Size::Golden, kernel.goldens()[0].seed);
    job.operations() as f64
}

/// A variant of ours.
fn ours(kernel: &'static dyn Kernel, variant: &'static str) -> Entry {
    let token = vectors(kernel).find(|(name, _)| *name == variant).expect("it was listed").1;
    let golden = find(kernel.name()).expect("in the list").goldens()[0];
    let mut job = kernel.new_job();
    job.generate(Size::Golden, golden.seed);
    let job = Rc::new(RefCell::new(job));
    let runs = Rc::clone(&job);
    let work = move || runs.borrow_mut().run(token, &AtomicU64::new(0), None);
    let differs = move || {
        let right = job.borrow().output_digest() == golden.output;
        if right { "the same bits".into() } else { "WRONG".to_owned() }
    };
    Entry::new(format!("oddcore {variant}"), PACKS_ONE, work, differs)
}

macro_rules! matrixmultiply_products {
    ($($name:ident, $function:ident, $type:ty;)*) => {
        $(
            fn $name([m, n, k]: [usize; 3], a: &[$type], b: &[$type], c: &mut [$type]) {
                assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n);
                let (row_a, row_b) = (k as isize, n as isize);
                let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
                // SAFETY: the three matrices have the dimensions and strides said, as just asserted.
                unsafe { matrixmultiply::$function(m, k, n, 1.0, a, row_a, 1, b, row_b, 1, 0.0, c, row_b, 1) }
            }
        )*
    };
}

matrixmultiply_products! {
    matrixmultiply_f32, sgemm, f32;
    matrixmultiply_f64, dgemm, f64;
}

fn gemm_crate<T: From<f32> + 'static>([m, n, k]: [usize; 3], a: &[T], b: &[T], c: &mut [T]) {
    assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n);
    let (row_a, row_b) = (k as isize, n as isize);
    let (zero, one) = (T::from(0.0), T::from(1.0));
    // SAFETY: the three matrices have the dimensions and strides said, as just asserted.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            row_b,
            false,
            a.as_ptr(),
            1,
            row_a,
            b.as_ptr(),
            1,
            row_b,
            zero,
            one,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
