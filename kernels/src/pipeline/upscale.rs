//! `webui-upscale`: what Stable Diffusion WebUI's CPU side does to upscale an image by tiles, stage by stage and bit for bit as
//! NumPy and Pillow do it. The place of the network, which runs on the GPU, is taken by repeating each pixel four times
//! across and down.

use alloc::vec::Vec;

use super::{Chain, Output, RESIZING, Resize, Steps, copy_once, row_of_planes, rows_of_planes};
use crate::{
    digest::resize,
    goldens,
    isa::Token,
    kernel::{Golden, Picture, Size, Variant},
    picture::{
        RGB,
        checksum::Checksum,
        convert::{Bytes, Narrow, Repeat4, ToPlanes, ToPlanesF64, ToRgb, Widen},
        masks::Paste,
        perform,
    },
    resize::Filter,
    rng::Rng,
};

const LATENT: usize = 0;
const DECODED: usize = 1;
const GETDATA: usize = 2;
const TILES_IN: usize = 3;
const TILES_OUT: usize = 4;
const JOINED: usize = 5;
const UPSCALED: usize = 6;

/// What the network enlarges by.
const FACTOR: usize = 4;
/// What the user asked for.
const SCALE: usize = 2;
/// Side of the program's tiles.
const TILE: usize = 192;
/// The program's own overlap of tiles, then others that its users choose.
const OVERLAPS: [usize; 4] = [8, 16, 12, 4];

/// The chain, with its scratch memory.
#[derive(Default)]
pub(crate) struct Upscale {
    tile: usize,
    overlap: usize,
    /// Top left corners of the tiles, across and down.
    corners: [Vec<usize>; 2],
    /// A row of a tile, three planes.
    doubles: Vec<f64>,
    /// The same, enlarged.
    floats: Vec<f32>,
    /// A row of tiles joined.
    strip: Vec<u8>,
    /// How a later tile fades in, a byte for each channel of each pixel.
    ramp: Vec<u8>,
    /// One value of it for a whole row.
    level: Vec<u8>,
    lanczos: Resize,
}

impl Upscale {
    fn cut(&mut self, width: usize, height: usize, tile: usize, overlap: usize) {
        (self.tile, self.overlap) = (tile, overlap);
        for (corners, side) in self.corners.iter_mut().zip([width, height]) {
            *corners = spread(side, tile, overlap);
        }
        self.lanczos.forget();
    }

    fn tiles(&self) -> usize {
        self.corners[0].len() * self.corners[1].len()
    }
}

/// Tiles' first pixels along one side: evenly spread, the last one flush with the edge.
fn spread(side: usize, tile: usize, overlap: usize) -> Vec<usize> {
    let count = (side - overlap).div_ceil(tile - overlap).max(1);
    let step = if count > 1 { (side - tile) as f64 / (count - 1) as f64 } else { 0.0 };
    (0..count).map(|n| ((n as f64 * step) as usize).min(side - tile)).collect()
}

fn enlarged(width: usize, height: usize) -> (usize, usize) {
    (width * FACTOR, height * FACTOR)
}

/// The size asked for, in whole eights.
fn target(width: usize, height: usize) -> (usize, usize) {
    (width * SCALE / 8 * 8, height * SCALE / 8 * 8)
}

impl Chain for Upscale {
    const NAME: &'static str = "webui-upscale";
    const SUMMARY: &'static str =
        "the WebUI's upscaling around the network, stage by stage, bit-equal to NumPy and Pillow";
    const STAGES: &'static [&'static str] =
        &["latent_chw", "decoded", "getdata", "tiles_in", "tiles_out", "joined", "upscaled"];
    const STREAMS: &'static [&'static str] = &["tiles_in", "tiles_out"];
    const VARIANTS: &'static [Variant] = RESIZING;
    const GOLDENS: &'static [Golden] = goldens::WEBUI_UPSCALE;
    const PICTURE_BYTES: usize = 430;
    const SIDE_MIN: usize = TILE;

    fn choose(&mut self, size: Size, rng: &mut Rng) -> (usize, usize) {
        let (tile, overlap) = match size {
            Size::Golden => (TILE, OVERLAPS[rng.within(0, OVERLAPS.len() - 1)]),
            Size::Fresh => (rng.within(20, 36), rng.within(1, 8)),
        };
        let (width, height) = (rng.within(tile, tile * 5 / 4), rng.within(tile, tile * 5 / 4));
        self.cut(width, height, tile, overlap);
        (width, height)
    }

    fn settle(&mut self, width: usize, height: usize, seed: u64) {
        self.cut(width, height, TILE, OVERLAPS[(seed % OVERLAPS.len() as u64) as usize]);
    }

    fn parameters(&self) -> [u64; 8] {
        [self.tile as u64, self.overlap as u64, 0, 0, 0, 0, 0, 0]
    }

    /// Of every value: a divide and a subtraction; two additions or divides, a clip (two), a product, a conversion; a conversion;
    /// a divide and a conversion; a clip, a product, a conversion. The resize halves, so that it has 12 taps.
    fn operations(&self, source: &Picture) -> u64 {
        let picture = source.rgb.len();
        let tiles = self.tiles() * self.tile * self.tile * RGB;
        let taps = picture * SCALE * (FACTOR + SCALE) * 12;
        (picture * (2 + 6 + 1) + tiles * (2 + 4 * FACTOR * FACTOR) + 2 * taps) as u64
    }

    fn run(&mut self, token: Token, source: &Picture, outputs: &mut [Output], steps: &Steps<'_>) {
        let (width, height) = (source.width, source.height);
        let [latent, decoded, getdata, tiles_in, tiles_out, joined, upscaled] = outputs else {
            unreachable!("an output for each stage")
        };
        steps.take(LATENT, latent, |latent| {
            let (planes, sums) = latent.begin(&[RGB, height, width], height);
            for (y, (rgb, sum)) in source.rgb.chunks_exact(width * RGB).zip(sums).enumerate() {
                *sum = perform(
                    token,
                    ToPlanes { rgb, planes: rows_of_planes(planes, y, width), divisor: 127.5, less: Some(1.0) },
                );
            }
        });
        steps.take(DECODED, decoded, |decoded| {
            let planes = latent.values();
            let (rgb, sums) = decoded.begin(&[height, width, RGB], height);
            for (y, (rgb, sum)) in rgb.chunks_exact_mut(width * RGB).zip(sums).enumerate() {
                *sum = perform(token, ToRgb { planes: row_of_planes(planes, y, width), rgb, bytes: Bytes::Decoded });
            }
        });
        let decoded: &[u8] = decoded.values();
        steps.take(GETDATA, getdata, |getdata| {
            perform(token, Widen { bytes: decoded, longs: getdata.begin(&[height * width, RGB], 0).0 });
        });
        steps.take(TILES_IN, tiles_in, |output| self.take_tiles(token, decoded, width, output));
        steps.take(TILES_OUT, tiles_out, |output| self.enlarge_tiles(token, tiles_in.values(), output));
        steps.take(JOINED, joined, |output| self.join(token, tiles_out.values(), width, height, output));
        steps.take(UPSCALED, upscaled, |output| {
            let (from, to) = (enlarged(width, height), target(width, height));
            self.lanczos.run(token, Filter::Lanczos, RGB, (joined.values(), from), to, output);
        });
    }
}

impl Upscale {
    /// RGB bytes to tiles of three planes, blue first, from 0 to 1: divided in f64, rounded to f32.
    fn take_tiles(&mut self, token: Token, rgb: &[u8], width: usize, output: &mut Output) {
        let tile = self.tile;
        let (values, sums) = output.begin::<f32>(&[self.tiles(), RGB, tile, tile], self.tiles() * tile);
        resize(&mut self.doubles, tile * RGB);
        let corners = self.corners[1].iter().flat_map(|y| self.corners[0].iter().map(move |x| (x, y)));
        let tiles = values.chunks_exact_mut(RGB * tile * tile).zip(sums.chunks_exact_mut(tile));
        for ((x, y), (planes, sums)) in corners.zip(tiles) {
            for (row, sum) in sums.iter_mut().enumerate() {
                let rgb = &rgb[((y + row) * width + x) * RGB..][..tile * RGB];
                let [blue, green, red] = rows_of_planes(&mut self.doubles, 0, tile);
                perform(token, ToPlanesF64 { rgb, planes: [red, green, blue], divisor: 255.0 });
                *sum = 0;
                for (from, to) in self.doubles.chunks_exact(tile).zip(rows_of_planes(planes, row, tile)) {
                    *sum = sum.wrapping_add(perform(token, Narrow { from, to }));
                }
            }
        }
    }

    /// Each pixel four times across and down, then back to RGB bytes.
    fn enlarge_tiles(&mut self, token: Token, tiles: &[f32], output: &mut Output) {
        let (tile, side) = (self.tile, self.tile * FACTOR);
        let (values, sums) = output.begin::<u8>(&[self.tiles(), side, side, RGB], self.tiles() * side);
        resize(&mut self.floats, side * RGB);
        let rows = values.chunks_exact_mut(side * RGB).zip(sums);
        for (n, (rgb, sum)) in rows.enumerate() {
            let (planes, row) = (&tiles[n / side * RGB * tile * tile..][..RGB * tile * tile], n % side / FACTOR);
            if n % FACTOR == 0 {
                let enlarged = rows_of_planes(&mut self.floats, 0, side);
                for (from, to) in row_of_planes(planes, row, tile).into_iter().zip(enlarged) {
                    perform(token, Repeat4 { from, to });
                }
            }
            let [blue, green, red] = row_of_planes(&self.floats, 0, side);
            *sum = perform(token, ToRgb { planes: [red, green, blue], rgb, bytes: Bytes::Rounded });
        }
    }

    /// Tiles to one picture: across to strips, then down; what overlaps fades from the earlier to the later. The last tile may
    /// cover more of the one before it than fades: what is copied is summed where another may cover it.
    fn join(&mut self, token: Token, tiles: &[u8], width: usize, height: usize, output: &mut Output) {
        let (side, overlap) = (self.tile * FACTOR, self.overlap * FACTOR);
        let (row, tile_row, faded) = (width * FACTOR * RGB, side * RGB, overlap * RGB);
        let (joined, sums) = output.begin::<u8>(&[height * FACTOR, width * FACTOR, RGB], height * FACTOR);
        sums.fill(0);
        resize(&mut self.strip, side * row);
        resize(&mut self.ramp, faded);
        resize(&mut self.level, row);
        for (n, steps) in self.ramp.chunks_exact_mut(RGB).enumerate() {
            steps.fill((n as f32 * 255.0 / overlap as f32) as u8);
        }
        let columns = self.corners[0].len();
        for (r, y) in self.corners[1].iter().map(|y| y * FACTOR).enumerate() {
            let sums = &mut sums[y..][..side];
            for (c, x) in self.corners[0].iter().map(|x| x * FACTOR).enumerate() {
                let tile = &tiles[(r * columns + c) * side * tile_row..][..side * tile_row];
                let rows = tile.chunks_exact(tile_row).zip(self.strip.chunks_exact_mut(row));
                let skipped = if x > 0 { faded } else { 0 };
                for ((top, strip), sum) in rows.zip(sums.iter_mut()) {
                    let base = &mut strip[x * RGB..][..tile_row];
                    let (under, beside) = base.split_at_mut(skipped);
                    let pasted = Paste { base: under, top: &top[..skipped], mask: &self.ramp[..skipped] };
                    *sum = sum.wrapping_add(perform(token, pasted));
                    copy_once(&top[skipped..], beside);
                    if c + 1 < columns {
                        *sum = sum.wrapping_add(perform(token, Checksum(beside))[0]);
                    }
                }
            }
            let rows = joined[y * row..].chunks_exact_mut(row).zip(self.strip.chunks_exact(row)).zip(sums);
            for (n, ((base, top), sum)) in rows.enumerate() {
                if y > 0 && n < overlap {
                    self.level.fill(self.ramp[n * RGB]);
                    *sum = sum.wrapping_add(perform(token, Paste { base, top, mask: &self.level }));
                } else {
                    copy_once(top, base);
                    if r + 1 < self.corners[1].len() {
                        *sum = sum.wrapping_add(perform(token, Checksum(base))[0]);
                    }
                }
            }
        }
    }
}
