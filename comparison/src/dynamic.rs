//! Libraries that may be installed here, found when they are needed.

use libloading::Library;

/// Keeps them from starting threads. To be called before any is loaded, and before this process has threads of its own.
pub fn one_thread() {
    for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] {
        // SAFETY: no other thread reads the environment meanwhile: there is none.
        unsafe { std::env::set_var(name, "1") };
    }
}

/// The first of these that can be loaded; the path in the variable `asked`, if it is set, stands in for them.
pub fn open(names: &[&str], asked: &str) -> Option<Library> {
    // SAFETY: the initialisers of these well-known libraries ask nothing of their user.
    let load = |name: &str| unsafe { Library::new(name) };
    match std::env::var(asked) {
        Ok(path) => load(&path).inspect_err(|error| eprintln!("{asked}: {error}")).ok(),
        Err(_) => names.iter().find_map(|name| load(name).ok()),
    }
}

/// Calls a C function of the library by its name, as being of the type given; `None` if the library has none of the name.
macro_rules! call {
    ($library:expr, $name:literal: fn($($value:expr => $type:ty),* $(,)?) $(-> $result:ty)?) => {
        // SAFETY: the type is that of the library's header; what the arguments point to lives as long as the call, and what the
        // library keeps of them as long as the caller says.
        unsafe {
            $library
                .get::<unsafe extern "C" fn($($type),*) $(-> $result)?>(concat!($name, "\0"))
                .ok()
                .map(|function| function($($value),*))
        }
    };
}
pub(crate) use call;
