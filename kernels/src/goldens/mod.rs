//! Golden digests, made by `examples/make_goldens.rs` with the scalar reference alone. Not to be edited by hand.

mod gemm_bf16_f32;
mod gemm_f16_f32;
mod gemm_f32;
mod gemm_f64;
mod gemm_s8s8_i32;
mod gemm_u8s4_i32;
mod gemm_u8s8_i32;
mod registers_general;
mod registers_vector;
mod resize_area_u8;
mod resize_bicubic_u8;
mod resize_bilinear_u8;
mod resize_lanczos_f32;
mod resize_lanczos_u8;
mod resize_linear_cv_u8;
mod resonance;

pub(crate) use gemm_bf16_f32::GEMM_BF16_F32;
pub(crate) use gemm_f16_f32::GEMM_F16_F32;
pub(crate) use gemm_f32::GEMM_F32;
pub(crate) use gemm_f64::GEMM_F64;
pub(crate) use gemm_s8s8_i32::GEMM_S8S8_I32;
pub(crate) use gemm_u8s4_i32::GEMM_U8S4_I32;
pub(crate) use gemm_u8s8_i32::GEMM_U8S8_I32;
pub(crate) use registers_general::REGISTERS_GENERAL;
pub(crate) use registers_vector::REGISTERS_VECTOR;
pub(crate) use resize_area_u8::RESIZE_AREA_U8;
pub(crate) use resize_bicubic_u8::RESIZE_BICUBIC_U8;
pub(crate) use resize_bilinear_u8::RESIZE_BILINEAR_U8;
pub(crate) use resize_lanczos_f32::RESIZE_LANCZOS_F32;
pub(crate) use resize_lanczos_u8::RESIZE_LANCZOS_U8;
pub(crate) use resize_linear_cv_u8::RESIZE_LINEAR_CV_U8;
pub(crate) use resonance::RESONANCE;
