//! The kernels of oddcore beside the libraries that do the same work, in one run: one thread, CPU time, in turn, median.

mod contest;
mod dynamic;
mod onednn;
mod openblas;
mod pictures;
mod pillow;
mod products;

use oddcore_kernels::{Kernel, Token};

/// Runs the contests of these kernels; all of them where none is named.
pub fn compare(named: &[String]) {
    dynamic::one_thread();
    let libraries = products::Libraries::load();
    let mut compared = 0;
    for kernel in oddcore_kernels::all() {
        if named.is_empty() || named.iter().any(|name| name == kernel.name()) {
            let entries = products::entries(*kernel, &libraries).or_else(|| pictures::entries(*kernel));
            compared += usize::from(entries.is_some());
            entries.into_iter().for_each(contest::Contest::hold);
        }
    }
    if compared == 0 {
        println!("no library here does the work of {}", named.join(", "));
    }
}

/// The variants of a kernel that this CPU runs, without the scalar reference.
fn vectors(kernel: &dyn Kernel) -> impl Iterator<Item = (&'static str, Token)> {
    let runnable = kernel.variants().iter().filter_map(|variant| Some((variant.name, variant.isa.token()?)));
    runnable.filter(|(_, token)| !matches!(token, Token::Scalar))
}
