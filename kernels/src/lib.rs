//! The arithmetic of oddcore and nothing else: bounded kernels with a known right answer, no I/O, no threads, no clocks.
//!
//! Every kernel has a scalar reference whose order of arithmetic is written down, vector variants that give the same bits,
//! golden digests made by the scalar reference alone, and a comparison over the full width of every output.

#![cfg_attr(not(any(feature = "std", test)), no_std)]

extern crate alloc;

mod buffer;
pub mod chain;
mod churn;
mod codec;
mod conv;
mod data;
mod digest;
mod fused;
mod gemm;
mod goldens;
pub mod held;
mod isa;
mod kernel;
mod memory;
mod picture;
mod pipeline;
mod registers;
mod resize;
mod resonance;
mod rng;
mod staged;
mod units;

pub use isa::{Isa, Token};
pub use kernel::{Fault, Golden, Job, Kernel, Mismatch, NoPicture, Picture, Size, Stage, Variant};

static GEMM_U8S8_I32: gemm::Gemm<gemm::U8S8I32> = gemm::Gemm::new();
static GEMM_F32: gemm::Gemm<gemm::F32> = gemm::Gemm::new();
static GEMM_S8S8_I32: gemm::Gemm<gemm::S8S8I32> = gemm::Gemm::new();
static GEMM_F64: gemm::Gemm<gemm::F64> = gemm::Gemm::new();
static GEMM_F16_F32: gemm::Gemm<gemm::F16F32> = gemm::Gemm::new();
static GEMM_BF16_F32: gemm::Gemm<gemm::Bf16F32> = gemm::Gemm::new();
static GEMM_U8S4_I32: gemm::Gemm<gemm::U8S4I32> = gemm::Gemm::new();
static REGISTERS_VECTOR: registers::Registers<registers::Vector> = registers::Registers::new();
static REGISTERS_GENERAL: registers::Registers<registers::General> = registers::Registers::new();
static CONV3X3_F32: gemm::Gemm<conv::Conv3x3<gemm::F32>> = gemm::Gemm::new();
static CONV3X3_F16: gemm::Gemm<conv::Conv3x3<gemm::F16F32>> = gemm::Gemm::new();
static CONV3X3_BF16: gemm::Gemm<conv::Conv3x3<gemm::Bf16F32>> = gemm::Gemm::new();
static CONV3X3_U8S8: gemm::Gemm<conv::Conv3x3<gemm::U8S8I32>> = gemm::Gemm::new();
static WEBUI_UPSCALE: pipeline::Pipeline<pipeline::Upscale> = pipeline::Pipeline::new();
static WEBUI_ADETAILER: pipeline::Pipeline<pipeline::ADetailer> = pipeline::Pipeline::new();
static PICTURE_MOVES: pipeline::Pipeline<pipeline::PictureMoves> = pipeline::Pipeline::new();
static PICTURE_MASKS: pipeline::Pipeline<pipeline::PictureMasks> = pipeline::Pipeline::new();
static IMUL_ADDRESSES: staged::StagedKernel<memory::ImulAddresses> = staged::StagedKernel::new();
static STORE_FORWARDING: staged::StagedKernel<memory::StoreForwarding> = staged::StagedKernel::new();
static VECTOR_LOGIC: staged::StagedKernel<units::VectorLogic> = staged::StagedKernel::new();
static CRYPTO_UNITS: staged::StagedKernel<units::CryptoUnits> = staged::StagedKernel::new();
static SHA_UNITS: staged::StagedKernel<units::ShaUnits> = staged::StagedKernel::new();
static DIVIDE_ROOTS: staged::StagedKernel<units::DivideRoots> = staged::StagedKernel::new();
static GATHER_INDEX: staged::StagedKernel<memory::GatherIndex> = staged::StagedKernel::new();
static DEFLATE_PNG: staged::StagedKernel<codec::DeflatePng> = staged::StagedKernel::new();
static ZSTD_DECODE: staged::StagedKernel<codec::ZstdDecode> = staged::StagedKernel::new();
static PARSE_BRANCHES: staged::StagedKernel<codec::ParseBranches> = staged::StagedKernel::new();
static NUMPY_CHURN: staged::StagedKernel<churn::NumpyChurn> = staged::StagedKernel::new();

/// Every kernel. Adding one is a file and a line here; a test sweeps the list.
pub fn all() -> &'static [&'static dyn Kernel] {
    static ALL: &[&dyn Kernel] = &[
        &GEMM_U8S8_I32,
        &GEMM_F32,
        &resize::LANCZOS_U8,
        &GEMM_S8S8_I32,
        &GEMM_F64,
        &GEMM_F16_F32,
        &GEMM_BF16_F32,
        &GEMM_U8S4_I32,
        &REGISTERS_VECTOR,
        &REGISTERS_GENERAL,
        &resonance::Resonance,
        &resize::BICUBIC_U8,
        &resize::BILINEAR_U8,
        &resize::AREA_U8,
        &resize::LINEAR_CV_U8,
        &resize::LanczosF32,
        &CONV3X3_F32,
        &CONV3X3_F16,
        &CONV3X3_BF16,
        &CONV3X3_U8S8,
        &WEBUI_UPSCALE,
        &WEBUI_ADETAILER,
        &PICTURE_MOVES,
        &PICTURE_MASKS,
        &IMUL_ADDRESSES,
        &STORE_FORWARDING,
        &VECTOR_LOGIC,
        &CRYPTO_UNITS,
        &SHA_UNITS,
        &DIVIDE_ROOTS,
        &GATHER_INDEX,
        &DEFLATE_PNG,
        &ZSTD_DECODE,
        &PARSE_BRANCHES,
        &NUMPY_CHURN,
    ];
    ALL
}

/// The kernel of that name.
pub fn find(name: &str) -> Option<&'static dyn Kernel> {
    all().iter().copied().find(|kernel| kernel.name() == name)
}
