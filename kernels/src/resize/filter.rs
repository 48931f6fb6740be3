//! Pillow's filters (src/libImaging/Resample.c, by formula), in f64 with the `libm` crate's sine, so that every machine gets the
//! same weights.

use core::f64::consts::PI;

/// A filter of Pillow's `Image.resize`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Filter {
    #[default]
    Lanczos,
    Bicubic,
    Bilinear,
    /// What other libraries call area.
    Box,
}

impl Filter {
    /// Half its width at scale one.
    pub(crate) fn support(self) -> f64 {
        match self {
            Self::Lanczos => 3.0,
            Self::Bicubic => 2.0,
            Self::Bilinear => 1.0,
            Self::Box => 0.5,
        }
    }

    /// Its value at `x`, not normalised.
    pub(crate) fn weight(self, x: f64) -> f64 {
        match self {
            Self::Lanczos => lanczos(x),
            Self::Bicubic => bicubic(x.abs()),
            Self::Bilinear => (1.0 - x.abs()).max(0.0),
            Self::Box => f64::from(x > -0.5 && x <= 0.5),
        }
    }
}

fn lanczos(x: f64) -> f64 {
    if (-3.0..3.0).contains(&x) { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * PI;
    libm::sin(x) / x
}

/// Keys' cubic with a = -0.5.
fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}
