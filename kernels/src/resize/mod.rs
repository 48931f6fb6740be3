//! Resizing. The engine that pipelines use too is [`Resizer`], Pillow's way for 8-bit samples; the kernels are around it.

mod alpha;
mod coefficients;
mod engine;
mod filter;
mod float;
mod kernel_f32;
mod kernel_u8;
mod leg;
mod linear_cv;
mod pictures;
mod scalar;
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod sweep;
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod tables;
#[cfg(all(target_arch = "x86_64", not(feature = "scalar-only")))]
mod vector;

pub(crate) use kernel_f32::LanczosF32;
pub(crate) use kernel_u8::{AREA_U8, BICUBIC_U8, BILINEAR_U8, LANCZOS_U8, LINEAR_CV_U8};
pub(crate) use {
    engine::{Pass, Resizer, Watch},
    filter::Filter,
    linear_cv::LinearCv,
    pictures::paint,
};
