//! OpenBLAS: `libopenblas-dev`, or whatever the variable `ODDCORE_OPENBLAS` names.

use std::ffi::{CStr, c_char, c_int};

use libloading::Library;

use crate::dynamic::{call, open};

const ROW_MAJOR: c_int = 101;
const NO_TRANS: c_int = 111;

/// The library.
pub struct OpenBlas(Library);

impl OpenBlas {
    /// `None` where it is not installed.
    pub fn load() -> Option<Self> {
        Some(Self(open(&["libopenblas.so.0", "libopenblas.so"], "ODDCORE_OPENBLAS")?))
    }

    /// What it calls itself.
    pub fn name(&self) -> String {
        let core = call!(self.0, "openblas_get_corename": fn() -> *const c_char).filter(|core| !core.is_null());
        // SAFETY: the library gives a static string.
        let core = core.map(|core| unsafe { CStr::from_ptr(core) }.to_string_lossy().into_owned());
        format!("OpenBLAS ({})", core.unwrap_or_else(|| "?".into()))
    }
}

macro_rules! products {
    ($($name:ident, $function:literal, $type:ty;)*) => {
        impl OpenBlas {
            $(
                /// `C = A · B`, all row-major.
                pub fn $name(&self, [m, n, k]: [usize; 3], a: &[$type], b: &[$type], c: &mut [$type]) {
                    assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n);
                    let [rows, columns, depth] = [m, n, k].map(|size| size as c_int);
                    call!(self.0, $function: fn(
                        ROW_MAJOR => c_int, NO_TRANS => c_int, NO_TRANS => c_int,
                        rows => c_int, columns => c_int, depth => c_int,
                        1.0 => $type, a.as_ptr() => *const $type, depth => c_int,
                        b.as_ptr() => *const $type, columns => c_int,
                        0.0 => $type, c.as_mut_ptr() => *mut $type, columns => c_int,
                    ))
                    .expect("every BLAS has it");
                }
            )*
        }
    };
}

products! {
    sgemm, "cblas_sgemm", f32;
    dgemm, "cblas_dgemm", f64;
}
