//! 3x3 convolutions with a border of one pixel, of the shapes of RRDBNet's layers: implicit products of matrices, whose A is read
//! from the picture where it lies and never made. A row of A is an output pixel's surroundings, k being `(ky, kx, channel)` in that
//! order; B holds a column an output feature. Those layers' border is zero, and a zero hides what is wrong in it and in what it is
//! multiplied with: here it holds numbers as the rest does, as where a tile of a larger picture is taken. Each kernel adds up as the
//! product of matrices of its types does, by the order written at the head of that product's file.

use alloc::{vec, vec::Vec};
use core::marker::PhantomData;

use crate::{
    gemm::{Bf16F32, F16F32, F32, Layout, Product, Shape, U8S8I32, Work},
    goldens,
    kernel::{Golden, Size},
    rng::Rng,
};

/// The layers of a dense block of RRDBNet: channels of the picture, which each layer adds 32 to, and features given.
const LAYERS: [(usize, usize); 5] = [(64, 32), (96, 32), (128, 32), (160, 32), (192, 64)];

/// Width of a golden picture: a multiple of every tile's rows. It is as high as makes the work of all layers about the same.
const WIDTH: usize = 36;

/// Ranges of a fresh input's width and height, channels and features.
const FRESH: [(usize, usize); 3] = [(1, 21), (1, 21), (1, 70)];

/// Pixels of a row and features that are whole tiles of every variant.
const WHOLE: (usize, usize) = (12, 32);

const TAPS: usize = 3;

/// A convolution: the dimensions of what it gives, and the channels of what it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Surroundings {
    height: usize,
    width: usize,
    channels: usize,
    features: usize,
}

impl Surroundings {
    /// Numbers of a line of the picture with its border.
    fn stride(self) -> usize {
        (self.width + TAPS - 1) * self.channels
    }
}

/// A is the picture with its border: `[height + 2][width + 2][channels]`.
impl Layout for Surroundings {
    fn shape(self) -> Shape {
        Shape { m: self.height * self.width, n: self.features, k: TAPS * TAPS * self.channels }
    }

    fn dimensions(self) -> impl AsRef<[usize]> {
        [self.height, self.width, self.channels, self.features]
    }

    fn shown(self) -> [Vec<usize>; 3] {
        let Self { height, width, channels, features } = self;
        [
            vec![height + TAPS - 1, width + TAPS - 1, channels],
            vec![TAPS, TAPS, channels, features],
            vec![height, width, features],
        ]
    }

    fn lines(self) -> (usize, usize) {
        (self.height + TAPS - 1, self.stride())
    }

    fn band(self) -> usize {
        self.width
    }

    fn run(self) -> usize {
        TAPS * self.channels
    }

    fn at(self, row: usize, run: usize, line: usize, group: usize) -> usize {
        (row / self.width + run) * line + row % self.width * self.channels / group
    }
}

/// The convolution that a product of matrices makes.
pub(crate) struct Conv3x3<P>(PhantomData<P>);

macro_rules! convolutions {
    ($($product:ty, $name:literal, $summary:literal, $goldens:ident, $golden:literal;)*) => {
        $(impl Work for Conv3x3<$product> {
            type Product = $product;
            type Layout = Surroundings;
            const NAME: &'static str = $name;
            const SUMMARY: &'static str = $summary;
            const GOLDENS: &'static [Golden] = goldens::$goldens;
            const NAMES: [&'static str; 3] = ["picture", "weights", "features"];

            fn layout(size: Size, rng: &mut Rng) -> Surroundings {
                layout::<Self::Product>(size, rng, $golden)
            }
        })*
    };
}
// The last number is the million multiply-adds of a golden input, all in 1 MiB.
convolutions! {
    F32, "conv3x3-f32", "f32 3x3 convolution by layers of RRDBNet, one fused chain an element", CONV3X3_F32, 24;
    F16F32, "conv3x3-f16", "f16 3x3 convolution by layers of RRDBNet, summed in f32", CONV3X3_F16, 32;
    Bf16F32, "conv3x3-bf16", "bf16 3x3 convolution by layers of RRDBNet, summed in f32", CONV3X3_BF16, 32;
    U8S8I32, "conv3x3-u8s8", "int8 3x3 convolution by layers of RRDBNet, exact sums in i32", CONV3X3_U8S8, 48;
}

fn layout<P: Product>(size: Size, rng: &mut Rng, million: usize) -> Surroundings {
    match size {
        Size::Golden => {
            let (channels, features) = LAYERS[rng.within(0, LAYERS.len() - 1)];
            let row = WIDTH * TAPS * TAPS * channels * features;
            Surroundings { height: million * 1_000_000 / row, width: WIDTH, channels, features }
        }
        Size::Fresh => {
            let [pixels, channels, features] = FRESH;
            // 63 sides in 64 are whole tiles: what is wrong beyond an edge is never seen.
            let mut any = |(low, high), whole: usize| {
                let side = rng.within(low, high);
                if rng.next() & 63 == 0 { side } else { side.next_multiple_of(whole) }
            };
            Surroundings {
                height: any(pixels, 1),
                width: any(pixels, WHOLE.0),
                // A run of neighbours is made of whole words.
                channels: any(channels, 8).next_multiple_of(P::GROUP),
                features: any(features, WHOLE.1),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        gemm::{GemmJob, agrees},
        isa::Isa,
        kernel::Job,
    };
    use core::sync::atomic::AtomicU64;

    fn agrees_on_every_edge<P: Product>()
    where
        Conv3x3<P>: Work<Product = P, Layout = Surroundings>,
    {
        agrees::<Conv3x3<P>>(3000, |rng| {
            let (pixels, channels) = if rng.next() & 7 == 0 { (3, 90) } else { (9, 9) };
            Surroundings {
                height: rng.within(1, pixels),
                width: rng.within(1, pixels),
                channels: rng.within(1, channels).next_multiple_of(P::GROUP),
                features: rng.within(1, 70),
            }
        });
    }

    #[test]
    fn float_convolutions_agree_on_every_edge() {
        agrees_on_every_edge::<F32>();
        agrees_on_every_edge::<F16F32>();
        agrees_on_every_edge::<Bf16F32>();
    }

    #[test]
    fn integer_convolutions_agree_on_every_edge() {
        agrees_on_every_edge::<U8S8I32>();
    }

    /// As convolutions are defined, without padding, over the picture with its border: by loops that share nothing with the
    /// reference's.
    #[test]
    fn references_are_convolutions() {
        let mut rng = Rng::new(29);
        let scalar = Isa::Scalar.token().expect("everywhere");
        let (mut u8s8, mut f32) = (GemmJob::<Conv3x3<U8S8I32>>::default(), GemmJob::<Conv3x3<F32>>::default());
        for _ in 0..40 {
            let layout = Surroundings {
                height: rng.within(1, 7),
                width: rng.within(1, 7),
                channels: 4 * rng.within(1, 3),
                features: rng.within(1, 20),
            };
            let Surroundings { height, width, channels, features } = layout;
            u8s8.make(layout, &mut rng);
            u8s8.run(scalar, &AtomicU64::new(0), None);
            f32.make(layout, &mut rng);
            f32.run(scalar, &AtomicU64::new(0), None);
            let weights_s8 = U8S8I32::show_b(layout.shape(), &u8s8.b);
            let weights_f32 = F32::show_b(layout.shape(), &f32.b);
            for (y, x, feature) in
                (0..height).flat_map(|y| (0..width).flat_map(move |x| (0..features).map(move |n| (y, x, n))))
            {
                let (mut exact, mut chain) = (0, 0f32);
                for (dy, dx, channel) in
                    (0..3).flat_map(|dy| (0..3).flat_map(move |dx| (0..channels).map(move |c| (dy, dx, c))))
                {
                    let pixel = ((y + dy) * (width + 2) + x + dx) * channels + channel;
                    let weight = ((dy * 3 + dx) * channels + channel) * features + feature;
                    exact += i32::from(u8s8.a[pixel]) * i32::from(weights_s8[weight] as i8);
                    let bytes = weights_f32[4 * weight..][..4].try_into().expect("four");
                    chain = libm::fmaf(f32.a[pixel], f32::from_le_bytes(bytes), chain);
                }
                let at = (y * width + x) * features + feature;
                assert_eq!(u8s8.c[at], exact, "{layout:?}");
                assert_eq!(f32.c[at].to_bits(), chain.to_bits(), "{layout:?}");
            }
        }
    }
}
