//! Golden digests, made by `examples/make_goldens.rs` with the scalar reference alone. Not to be edited by hand.

macro_rules! goldens {
    ($($file:ident: $name:ident,)*) => {
        $(
            mod $file;
            pub(crate) use $file::$name;
        )*
    };
}

goldens! {
    conv3x3_bf16: CONV3X3_BF16,
    conv3x3_f16: CONV3X3_F16,
    conv3x3_f32: CONV3X3_F32,
    conv3x3_u8s8: CONV3X3_U8S8,
    crypto_units: CRYPTO_UNITS,
    deflate_png: DEFLATE_PNG,
    divide_roots: DIVIDE_ROOTS,
    gather_index: GATHER_INDEX,
    gemm_bf16_f32: GEMM_BF16_F32,
    gemm_f16_f32: GEMM_F16_F32,
    gemm_f32: GEMM_F32,
    gemm_f64: GEMM_F64,
    gemm_s8s8_i32: GEMM_S8S8_I32,
    gemm_u8s4_i32: GEMM_U8S4_I32,
    gemm_u8s8_i32: GEMM_U8S8_I32,
    imul_addresses: IMUL_ADDRESSES,
    numpy_churn: NUMPY_CHURN,
    parse_branches: PARSE_BRANCHES,
    picture_masks: PICTURE_MASKS,
    picture_moves: PICTURE_MOVES,
    registers_general: REGISTERS_GENERAL,
    registers_vector: REGISTERS_VECTOR,
    resize_area_u8: RESIZE_AREA_U8,
    resize_bicubic_u8: RESIZE_BICUBIC_U8,
    resize_bilinear_u8: RESIZE_BILINEAR_U8,
    resize_lanczos_f32: RESIZE_LANCZOS_F32,
    resize_lanczos_u8: RESIZE_LANCZOS_U8,
    resize_linear_cv_u8: RESIZE_LINEAR_CV_U8,
    resonance: RESONANCE,
    sha_units: SHA_UNITS,
    store_forwarding: STORE_FORWARDING,
    vector_logic: VECTOR_LOGIC,
    webui_adetailer: WEBUI_ADETAILER,
    webui_upscale: WEBUI_UPSCALE,
    zstd_decode: ZSTD_DECODE,
}
