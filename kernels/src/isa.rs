//! Which instruction sets this CPU has, and the tokens that prove it. A token can only be had from [`Isa::token`], which asks
//! the CPU and the OS (whether it saves the registers), so a function that takes one needs no further check.

macro_rules! instruction_sets {
    ($($(#[$doc:meta])* $isa:ident, $name:literal, [$($feature:tt),+];)*) => {
        /// Instruction sets that variants are written for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Isa {
            /// What every machine runs.
            Scalar,
            $($(#[$doc])* $isa,)*
        }

        $(
            #[doc = concat!("Proof of [`Isa::", stringify!($isa), "`].")]
            #[derive(Clone, Copy, Debug)]
            pub struct $isa(());
        )*

        /// Proof that an instruction set can be used.
        #[derive(Clone, Copy, Debug)]
        pub enum Token {
            /// Needs none.
            Scalar,
            $(
                #[doc = concat!("See [`Isa::", stringify!($isa), "`].")]
                $isa($isa),
            )*
        }

        impl Token {
            /// What it proves.
            pub fn isa(self) -> Isa {
                match self {
                    Self::Scalar => Isa::Scalar,
                    $(Self::$isa(_) => Isa::$isa,)*
                }
            }
        }

        impl Isa {
            /// All of them, narrowest first.
            pub const ALL: &'static [Self] = &[Self::Scalar, $(Self::$isa),*];

            /// The name used for variants.
            pub const fn name(self) -> &'static str {
                match self {
                    Self::Scalar => "scalar",
                    $(Self::$isa => $name,)*
                }
            }

            /// The proof, if this CPU and this OS can run it.
            pub fn token(self) -> Option<Token> {
                if self.missing().is_some() {
                    return None;
                }
                Some(match self {
                    Self::Scalar => Token::Scalar,
                    $(Self::$isa => Token::$isa($isa(())),)*
                })
            }

            /// The first thing that is missing to run it.
            #[cfg(all(target_arch = "x86_64", feature = "std", not(feature = "scalar-only")))]
            pub fn missing(self) -> Option<&'static str> {
                match self {
                    Self::Scalar => {}
                    $(Self::$isa => {
                        $(if !std::arch::is_x86_feature_detected!($feature) { return Some($feature); })+
                    })*
                }
                None
            }

            /// The first thing that is missing to run it.
            #[cfg(not(all(target_arch = "x86_64", feature = "std", not(feature = "scalar-only"))))]
            pub fn missing(self) -> Option<&'static str> {
                (self != Self::Scalar).then_some("vector code in this build")
            }
        }
    };
}

instruction_sets! {
    /// What every x86-64 CPU has.
    X64, "x86-64", ["sse2"];
    /// SSE up to 4.1, 128 bits.
    Sse41, "sse4.1", ["sse4.1"];
    /// SSE up to 4.2, 128 bits.
    Sse42, "sse4.2", ["sse4.2"];
    /// AES-NI, with the products without carry and the checksum of SSE 4.2, 128 bits.
    AesNi, "aes-ni", ["aes", "pclmulqdq", "sse4.2"];
    /// SHA-NI, 128 bits.
    ShaNi, "sha-ni", ["sha", "sse4.1"];
    /// AVX2 and FMA, 256 bits.
    Avx2Fma, "avx2", ["avx2", "fma"];
    /// AVX2, FMA and the conversion of half floats.
    Avx2F16c, "avx2-f16c", ["avx2", "fma", "f16c"];
    /// AVX2, FMA and the loads that convert 16-bit floats.
    AvxNeConvert, "avx-ne-convert", ["avx2", "fma", "avxneconvert"];
    /// AVX2, FMA and the VEX form of the int8 dot product.
    AvxVnni, "avx-vnni", ["avx2", "fma", "avxvnni"];
    /// AVX2, FMA and the dot product of signed bytes.
    AvxVnniInt8, "avx-vnni-int8", ["avx2", "fma", "avxvnniint8"];
    /// AVX2, FMA and AES-NI in 256 bits.
    Vaes, "vaes", ["avx2", "fma", "aes", "pclmulqdq", "vaes", "vpclmulqdq"];
    /// AVX-512 F and BW.
    Avx512F, "avx512", ["avx512f", "avx512bw"];
    /// AVX-512 F, BW and VNNI.
    Avx512Vnni, "avx512-vnni", ["avx512f", "avx512bw", "avx512vnni"];
    /// AVX-512 F, BW and BF16.
    Avx512Bf16, "avx512-bf16", ["avx512f", "avx512bw", "avx512bf16"];
    /// AVX-512 F, BW and AES-NI in 512 bits.
    Avx512Vaes, "avx512-vaes", ["avx512f", "avx512bw", "aes", "pclmulqdq", "vaes", "vpclmulqdq"];
    /// AVX-512 F, BW and FP16.
    Avx512Fp16, "avx512-fp16", ["avx512f", "avx512bw", "avx512fp16"];
}

impl From<AvxVnni> for Avx2Fma {
    fn from(_: AvxVnni) -> Self {
        Self(())
    }
}

impl From<Avx512Vnni> for Avx512F {
    fn from(_: Avx512Vnni) -> Self {
        Self(())
    }
}
