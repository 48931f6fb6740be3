//! Which instruction sets this CPU has, and the tokens that prove it. A token can only be had from [`Isa::token`], which asks
//! the CPU and the OS (whether it saves the registers), so a function that takes one needs no further check.

/// Instruction sets that variants are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// What every machine runs.
    Scalar,
    /// AVX2 and FMA.
    Avx2Fma,
    /// AVX2, FMA and the VEX form of the int8 dot product.
    AvxVnni,
    /// AVX-512 F and BW.
    Avx512F,
    /// AVX-512 F, BW and VNNI.
    Avx512Vnni,
}

macro_rules! proofs {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        $($(#[$doc])* #[derive(Clone, Copy, Debug)] pub struct $name(());)*
    };
}

proofs! {
    /// Proof of [`Isa::Avx2Fma`].
    Avx2Fma,
    /// Proof of [`Isa::AvxVnni`].
    AvxVnni,
    /// Proof of [`Isa::Avx512F`].
    Avx512F,
    /// Proof of [`Isa::Avx512Vnni`].
    Avx512Vnni,
}

/// Proof that an instruction set can be used.
#[derive(Clone, Copy, Debug)]
pub enum Token {
    /// Needs none.
    Scalar,
    /// See [`Isa::Avx2Fma`].
    Avx2Fma(Avx2Fma),
    /// See [`Isa::AvxVnni`].
    AvxVnni(AvxVnni),
    /// See [`Isa::Avx512F`].
    Avx512F(Avx512F),
    /// See [`Isa::Avx512Vnni`].
    Avx512Vnni(Avx512Vnni),
}

impl Token {
    /// What it proves.
    pub fn isa(self) -> Isa {
        match self {
            Self::Scalar => Isa::Scalar,
            Self::Avx2Fma(_) => Isa::Avx2Fma,
            Self::AvxVnni(_) => Isa::AvxVnni,
            Self::Avx512F(_) => Isa::Avx512F,
            Self::Avx512Vnni(_) => Isa::Avx512Vnni,
        }
    }
}

impl Isa {
    /// All of them, narrowest first.
    pub const ALL: [Self; 5] = [Self::Scalar, Self::Avx2Fma, Self::AvxVnni, Self::Avx512F, Self::Avx512Vnni];

    /// The name used for variants.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2Fma => "avx2",
            Self::AvxVnni => "avx-vnni",
            Self::Avx512F => "avx512",
            Self::Avx512Vnni => "avx512-vnni",
        }
    }

    /// The proof, if this CPU and this OS can run it.
    pub fn token(self) -> Option<Token> {
        if self.missing().is_some() {
            return None;
        }
        Some(match self {
            Self::Scalar => Token::Scalar,
            Self::Avx2Fma => Token::Avx2Fma(Avx2Fma(())),
            Self::AvxVnni => Token::AvxVnni(AvxVnni(())),
            Self::Avx512F => Token::Avx512F(Avx512F(())),
            Self::Avx512Vnni => Token::Avx512Vnni(Avx512Vnni(())),
        })
    }

    /// The first thing that is missing to run it.
    #[cfg(all(target_arch = "x86_64", feature = "std", not(feature = "scalar-only")))]
    pub fn missing(self) -> Option<&'static str> {
        macro_rules! first_missing {
            ($($feature:tt),*) => {{
                $(if !std::arch::is_x86_feature_detected!($feature) { return Some($feature); })*
                None
            }};
        }
        match self {
            Self::Scalar => None,
            Self::Avx2Fma => first_missing!("avx2", "fma"),
            Self::AvxVnni => first_missing!("avx2", "fma", "avxvnni"),
            Self::Avx512F => first_missing!("avx512f", "avx512bw"),
            Self::Avx512Vnni => first_missing!("avx512f", "avx512bw", "avx512vnni"),
        }
    }

    /// The first thing that is missing to run it.
    #[cfg(not(all(target_arch = "x86_64", feature = "std", not(feature = "scalar-only"))))]
    pub fn missing(self) -> Option<&'static str> {
        (self != Self::Scalar).then_some("vector code in this build")
    }
}
