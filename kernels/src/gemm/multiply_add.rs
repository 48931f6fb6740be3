//! Rows of a register tile by a multiplication and an addition, where there is no instruction for both.

/// A row of a tile of two vectors by a multiplication and an addition each: first both products and then both sums, since units
/// that can do either are else taken by additions. Left to itself the compiler regroups sums until they fit in no register. A is
/// broadcast here, by the instruction of its own type: another is slower.
macro_rules! multiply_add {
    (xmm) => {
        multiply_add!(
            xmm_reg, __m128i, "movd {a}, dword ptr [{p} + {i}]", "pshufd {a}, {a}, 0",
            "movdqa {t}, {a}", "pmaddwd {t}, {b}", "pmaddwd {a}, {c}", "paddd {s}, {t}", "paddd {u}, {a}"
        )
    };
    (ps) => {
        multiply_add!(
            xmm_reg, __m128, "movss {a}, dword ptr [{p} + {i}]", "shufps {a}, {a}, 0",
            "movaps {t}, {a}", "mulps {t}, {b}", "mulps {a}, {c}", "addps {s}, {t}", "addps {u}, {a}"
        )
    };
    (ymm) => { multiply_add!(ymm_reg, __m256i) };
    ($class:ident, $vector:ty) => {
        multiply_add!(
            $class, $vector, "vpbroadcastd {a}, dword ptr [{p} + {i}]",
            "vpmaddwd {t}, {a}, {b}", "vpmaddwd {a}, {a}, {c}", "vpaddd {s}, {s}, {t}", "vpaddd {u}, {u}, {a}"
        )
    };
    ($class:ident, $vector:ty, $($line:literal),+) => {
        |[mut s, mut u]: [$vector; 2], (row, below): (*const _, usize), [b, c]: [$vector; 2]| {
            // SAFETY: the caller points to a number of its row, and has the instruction set.
            unsafe {
                core::arch::asm!(
                    $($line,)+
                    p = in(reg) row, i = in(reg) below, s = inout($class) s, u = inout($class) u, b = in($class) b, c = in($class) c,
                    a = out($class) _, t = out($class) _, options(pure, readonly, nostack, preserves_flags),
                );
            }
            [s, u]
        }
    };
}
/// The same on registers alone.
macro_rules! multiply_add_peak {
    (xmm) => {
        multiply_add_peak!(
            xmm_reg, __m128i,
            "movdqa {t}, {a}", "pmaddwd {t}, {b}", "movdqa {v}, {a}", "pmaddwd {v}, {b}", "paddd {s}, {t}", "paddd {u}, {v}"
        )
    };
    (ps) => {
        multiply_add_peak!(
            xmm_reg, __m128,
            "movaps {t}, {a}", "mulps {t}, {b}", "movaps {v}, {a}", "mulps {v}, {b}", "addps {s}, {t}", "addps {u}, {v}"
        )
    };
    (ymm) => { multiply_add_peak!(ymm_reg, __m256i) };
    ($class:ident, $vector:ty) => {
        multiply_add_peak!(
            $class, $vector,
            "vpmaddwd {t}, {a}, {b}", "vpmaddwd {v}, {a}, {b}", "vpaddd {s}, {s}, {t}", "vpaddd {u}, {u}, {v}"
        )
    };
    ($class:ident, $vector:ty, $($line:literal),+) => {
        |[mut s, mut u]: [$vector; 2], a: $vector, [b, _]: [$vector; 2]| {
            // SAFETY: registers only, and the caller has the instruction set.
            unsafe {
                core::arch::asm!(
                    $($line,)+
                    s = inout($class) s, u = inout($class) u, a = in($class) a, b = in($class) b,
                    t = out($class) _, v = out($class) _, options(pure, nomem, nostack, preserves_flags),
                );
            }
            [s, u]
        }
    };
}
/// The same of 512 bits, whose sums come late: a row's products are added when those of all other rows have been made, and so
/// seldom take a unit that products wait for. At once, the units are shared in one of two ways by chance, both of them slower.
macro_rules! multiply_add_late {
    () => {
        |([mut s, mut u], [v, w]): ([__m512i; 2], [__m512i; 2]), (row, below): (*const _, usize), [b, c]: [__m512i; 2]| {
            let (first, second);
            // SAFETY: the caller points to a number of its row, and has the instruction set.
            unsafe {
                core::arch::asm!(
                    "vpbroadcastd {a}, dword ptr [{p} + {i}]",
                    "vpmaddwd {t}, {a}, {b}", "vpmaddwd {a}, {a}, {c}", "vpaddd {s}, {s}, {v}", "vpaddd {u}, {u}, {w}",
                    p = in(reg) row, i = in(reg) below, s = inout(zmm_reg) s, u = inout(zmm_reg) u, v = in(zmm_reg) v,
                    w = in(zmm_reg) w, b = in(zmm_reg) b, c = in(zmm_reg) c, t = out(zmm_reg) first, a = out(zmm_reg) second,
                    options(pure, readonly, nostack, preserves_flags),
                );
            }
            ([s, u], [first, second])
        }
    };
}
/// The same on registers alone.
macro_rules! multiply_add_late_peak {
    () => {
        |([mut s, mut u], [v, w]): ([__m512i; 2], [__m512i; 2]), a: __m512i, [b, c]: [__m512i; 2]| {
            let (first, second);
            // SAFETY: registers only, and the caller has the instruction set.
            unsafe {
                core::arch::asm!(
                    "vpmaddwd {t}, {a}, {b}", "vpmaddwd {x}, {a}, {c}", "vpaddd {s}, {s}, {v}", "vpaddd {u}, {u}, {w}",
                    s = inout(zmm_reg) s, u = inout(zmm_reg) u, v = in(zmm_reg) v, w = in(zmm_reg) w, a = in(zmm_reg) a,
                    b = in(zmm_reg) b, c = in(zmm_reg) c, t = out(zmm_reg) first, x = out(zmm_reg) second,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
            ([s, u], [first, second])
        }
    };
}
pub(super) use {multiply_add, multiply_add_late, multiply_add_late_peak, multiply_add_peak};
