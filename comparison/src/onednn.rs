//! oneDNN 2 or 3: `libdnnl-dev`, or whatever the variable `ODDCORE_ONEDNN` names. Its products in two ways: the BLAS-like calls,
//! which pack both matrices each time, and the primitive for products, whose weights are packed once.

use std::{
    ffi::{c_char, c_int, c_void},
    ptr::{null, null_mut},
    rc::Rc,
};

use libloading::Library;

use crate::dynamic::{call, open};

const CPU: c_int = 1;
const TAG_ANY: c_int = 1;
const TAG_AB: c_int = 3;
const IN_ORDER: u32 = 1;
const QUERY_WEIGHTS: c_int = 131;
const ARGUMENT_SOURCE: c_int = 1;
const ARGUMENT_WEIGHTS: c_int = 33;
const ARGUMENT_DESTINATION: c_int = 17;

/// Its types of elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Type {
    /// IEEE half.
    F16 = 1,
    /// The upper half of a float.
    Bf16 = 2,
    /// IEEE single.
    F32 = 3,
    /// 32 bits with sign.
    S32 = 4,
    /// A byte with sign.
    S8 = 5,
    /// A byte without.
    U8 = 6,
}

type Handle = *mut c_void;

#[repr(C)]
struct Version {
    major: c_int,
    minor: c_int,
    patch: c_int,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Argument {
    which: c_int,
    memory: Handle,
}

/// A structure of version 2, of which we only know that it is smaller: 2,800 bytes at most.
type Opaque = Box<[u64; 1024]>;

/// A description of memory: version 2 has a structure, version 3 a handle.
enum Description {
    Structure(Opaque),
    Handle(Handle),
}

impl Description {
    fn pointer(&self) -> *const c_void {
        match self {
            Self::Structure(structure) => structure.as_ptr().cast(),
            Self::Handle(handle) => *handle,
        }
    }
}

/// The library with an engine and a stream, which live as long as the process, like all that is made with them.
pub struct OneDnn {
    library: Library,
    version: [c_int; 3],
    engine: Handle,
    stream: Handle,
}

/// What a call of the library's says: zero is success.
fn done(status: Option<c_int>) -> Option<()> {
    (status? == 0).then_some(())
}

impl OneDnn {
    /// `None` where it is not installed.
    pub fn load() -> Option<Self> {
        let library = open(&["libdnnl.so.3", "libdnnl.so.2", "libdnnl.so"], "ODDCORE_ONEDNN")?;
        let version = call!(library, "dnnl_version": fn() -> *const Version)?;
        // SAFETY: the library gives a static structure.
        let Version { major, minor, patch } = unsafe { version.read() };
        let (mut engine, mut stream) = (null_mut(), null_mut());
        done(call!(library, "dnnl_engine_create": fn(&mut engine => *mut Handle, CPU => c_int, 0 => usize) -> c_int))?;
        done(call!(library, "dnnl_stream_create": fn(
            &mut stream => *mut Handle, engine => Handle, IN_ORDER => u32,
        ) -> c_int))?;
        matches!(major, 2 | 3).then_some(Self { library, version: [major, minor, patch], engine, stream })
    }

    /// What it calls itself.
    pub fn name(&self) -> String {
        let [major, minor, patch] = self.version;
        format!("oneDNN {major}.{minor}.{patch}")
    }

    fn describe(&self, rows: usize, columns: usize, of: Type, tag: c_int) -> Option<Description> {
        let dims = [rows as i64, columns as i64];
        if self.version[0] == 2 {
            let mut structure: Opaque = Box::new([0; 1024]);
            done(call!(self.library, "dnnl_memory_desc_init_by_tag": fn(
                structure.as_mut_ptr() => *mut u64, 2 => c_int, dims.as_ptr() => *const i64, of as c_int => c_int,
                tag => c_int,
            ) -> c_int))?;
            return Some(Description::Structure(structure));
        }
        let mut handle = null_mut();
        done(call!(self.library, "dnnl_memory_desc_create_with_tag": fn(
            &mut handle => *mut Handle, 2 => c_int, dims.as_ptr() => *const i64, of as c_int => c_int, tag => c_int,
        ) -> c_int))?;
        Some(Description::Handle(handle))
    }

    /// The description of a product's primitive, whose weights may lie as they like.
    fn product(&self, [m, n, k]: [usize; 3], [a, b, c]: [Type; 3]) -> Option<Handle> {
        let (a, b) = (self.describe(m, k, a, TAG_AB)?, self.describe(k, n, b, TAG_ANY)?);
        let c = self.describe(m, n, c, TAG_AB)?;
        let [a, b, c] = [&a, &b, &c].map(Description::pointer);
        let (mut product, bias) = (null_mut(), null::<c_void>());
        if self.version[0] == 2 {
            let mut operation: Opaque = Box::new([0; 1024]);
            done(call!(self.library, "dnnl_matmul_desc_init": fn(
                operation.as_mut_ptr() => *mut u64, a => *const c_void, b => *const c_void, bias => *const c_void,
                c => *const c_void,
            ) -> c_int))?;
            done(call!(self.library, "dnnl_primitive_desc_create": fn(
                &mut product => *mut Handle, operation.as_ptr() => *const u64, null() => *const c_void,
                self.engine => Handle, null() => *const c_void,
            ) -> c_int))?;
        } else {
            done(call!(self.library, "dnnl_matmul_primitive_desc_create": fn(
                &mut product => *mut Handle, self.engine => Handle, a => *const c_void, b => *const c_void,
                bias => *const c_void, c => *const c_void, null() => *const c_void,
            ) -> c_int))?;
        }
        Some(product)
    }

    fn primitive(&self, description: Handle) -> Option<Handle> {
        let mut primitive = null_mut();
        done(call!(self.library, "dnnl_primitive_create": fn(
            &mut primitive => *mut Handle, description => Handle,
        ) -> c_int))?;
        Some(primitive)
    }

    /// Memory of ours; or, of null, memory that the library takes.
    fn memory(&self, description: *const c_void, at: *mut c_void) -> Option<Handle> {
        const TAKE_IT: usize = usize::MAX;
        let at = if at.is_null() { TAKE_IT as *mut c_void } else { at };
        let mut memory = null_mut();
        done(call!(self.library, "dnnl_memory_create": fn(
            &mut memory => *mut Handle, description => *const c_void, self.engine => Handle, at => *mut c_void,
        ) -> c_int))?;
        Some(memory)
    }

    fn execute(&self, primitive: Handle, arguments: &[Argument]) -> Option<()> {
        done(call!(self.library, "dnnl_primitive_execute": fn(
            primitive => Handle, self.stream => Handle, arguments.len() as c_int => c_int,
            arguments.as_ptr() => *const Argument,
        ) -> c_int))?;
        done(call!(self.library, "dnnl_stream_wait": fn(self.stream => Handle) -> c_int))
    }

    fn run(&self, product: &Product) -> Option<()> {
        self.execute(product.primitive, &product.arguments)
    }
}

/// A product whose weights are packed.
pub struct Product {
    library: Rc<OneDnn>,
    primitive: Handle,
    arguments: [Argument; 3],
    /// What the arguments point to.
    _matrices: (Vec<u8>, Vec<u8>),
    c: Vec<u8>,
}

impl Product {
    /// Packs B; `None` if the library does not have this product here.
    pub fn new(library: &Rc<OneDnn>, shape: [usize; 3], types: [Type; 3], a: &[u8], b: &[u8]) -> Option<Self> {
        let [m, n, k] = shape;
        let (mut a, mut b, mut c) = (a.to_vec(), b.to_vec(), vec![0; m * n * 4]);
        let product = library.product(shape, types)?;
        let primitive = library.primitive(product)?;
        let packed = call!(library.library, "dnnl_primitive_desc_query_md": fn(
            product => Handle, QUERY_WEIGHTS => c_int, 0 => c_int,
        ) -> *const c_void)?;
        let plain = library.describe(k, n, types[1], TAG_AB)?;
        let mut packing = null_mut();
        done(call!(library.library, "dnnl_reorder_primitive_desc_create": fn(
            &mut packing => *mut Handle, plain.pointer() => *const c_void, library.engine => Handle,
            packed => *const c_void, library.engine => Handle, null() => *const c_void,
        ) -> c_int))?;
        let packing = library.primitive(packing)?;
        let from = library.memory(plain.pointer(), b.as_mut_ptr().cast())?;
        let weights = library.memory(packed, null_mut())?;
        let argument = |which, memory| Argument { which, memory };
        library.execute(packing, &[argument(ARGUMENT_SOURCE, from), argument(ARGUMENT_DESTINATION, weights)])?;
        let matrix = |rows, columns, of, at: &mut Vec<u8>| {
            library.memory(library.describe(rows, columns, of, TAG_AB)?.pointer(), at.as_mut_ptr().cast())
        };
        let arguments = [
            argument(ARGUMENT_SOURCE, matrix(m, k, types[0], &mut a)?),
            argument(ARGUMENT_WEIGHTS, weights),
            argument(ARGUMENT_DESTINATION, matrix(m, n, types[2], &mut c)?),
        ];
        let product = Self { library: Rc::clone(library), primitive, arguments, _matrices: (a, b), c };
        library.run(&product)?;
        Some(product)
    }

    /// Multiplies.
    pub fn run(&mut self) {
        self.library.run(self).expect("it did so before");
    }

    /// The bytes of C.
    pub fn c(&self) -> &[u8] {
        &self.c
    }
}

macro_rules! byte_products {
    ($($name:ident, $function:literal, $a:ty;)*) => {
        impl OneDnn {
            $(
                /// `C = A · B`, all row-major, both packed in the call.
                pub fn $name(&self, [m, n, k]: [usize; 3], a: &[$a], b: &[i8], c: &mut [i32]) {
                    assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n);
                    let no = b'N' as c_char;
                    done(call!(self.library, $function: fn(
                        no => c_char, no => c_char, b'F' as c_char => c_char, m as i64 => i64, n as i64 => i64,
                        k as i64 => i64, 1.0 => f32, a.as_ptr() => *const $a, k as i64 => i64, 0 => $a,
                        b.as_ptr() => *const i8, n as i64 => i64, 0 => i8, 0.0 => f32,
                        c.as_mut_ptr() => *mut i32, n as i64 => i64, [0i32].as_ptr() => *const i32,
                    ) -> c_int))
                    .expect("every version has it");
                }
            )*
        }
    };
}

byte_products! {
    gemm_u8s8, "dnnl_gemm_u8s8s32", u8;
    gemm_s8s8, "dnnl_gemm_s8s8s32", i8;
}

impl OneDnn {
    /// `C = A · B`, all row-major, both packed in the call.
    pub fn sgemm(&self, [m, n, k]: [usize; 3], a: &[f32], b: &[f32], c: &mut [f32]) {
        assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n);
        let no = b'N' as c_char;
        done(call!(self.library, "dnnl_sgemm": fn(
            no => c_char, no => c_char, m as i64 => i64, n as i64 => i64, k as i64 => i64, 1.0 => f32,
            a.as_ptr() => *const f32, k as i64 => i64, b.as_ptr() => *const f32, n as i64 => i64, 0.0 => f32,
            c.as_mut_ptr() => *mut f32, n as i64 => i64,
        ) -> c_int))
        .expect("every version has it");
    }
}
