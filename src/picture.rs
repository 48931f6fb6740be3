//! The user's pictures, decoded as Pillow's `Image.open(..).convert("RGB")` decodes them. PNG only, because JPEG decoders
//! differ.

use std::io::{BufRead, Seek};

use oddcore_kernels::Picture;
use png::{BitDepth, ColorType, InterlaceInfo};

/// Pixels that a picture may have; 64 Mpx is more than any camera's.
pub const PIXELS_MAX: u64 = 64 << 20;

/// Pixels that a side may have. A row is then small, however little of the file is there.
pub const SIDE_MAX: u32 = u16::MAX as u32;

/// What the decoder may take for itself; the pixels come on top, as fast as the file gives them.
const DECODER_BYTES_MAX: usize = 64 << 20;

/// Why a picture could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// Damaged, cut off, or no PNG at all.
    #[error("not a sound PNG picture: {0}")]
    NotSound(#[from] png::DecodingError),
    /// A palette that does not end with a whole colour.
    #[error("not a sound PNG picture: its palette has {0} bytes, which are no whole number of colours")]
    Palette(usize),
    /// It claims too many pixels.
    #[error("{width}x{height} pixels are too many; {} Mpx and {SIDE_MAX} on a side are the most", PIXELS_MAX >> 20)]
    TooLarge {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
}

/// Width and height that a PNG says it has.
pub fn size(source: impl BufRead + Seek) -> Result<(usize, usize), PictureError> {
    let mut decoder = png::Decoder::new_with_limits(source, png::Limits { bytes: DECODER_BYTES_MAX });
    let header = decoder.read_header_info()?;
    Ok((header.width as usize, header.height as usize))
}

/// Decodes a PNG to 8-bit RGB. Alpha is left out; a 16-bit sample keeps its high byte, except that 16-bit grey without alpha
/// is clipped at 255: so does Pillow.
pub fn decode(source: impl BufRead + Seek) -> Result<Picture, PictureError> {
    let mut decoder = png::Decoder::new_with_limits(source, png::Limits { bytes: DECODER_BYTES_MAX });
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(png::Transformations::EXPAND);
    let header = decoder.read_header_info()?;
    let (width, height) = (header.width, header.height);
    let clipped = header.color_type == ColorType::Grayscale && header.bit_depth == BitDepth::Sixteen;
    if width.max(height) > SIDE_MAX || u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(PictureError::TooLarge { width, height });
    }
    let mut reader = decoder.read_info()?;
    // The decoder takes this on trust and panics (png 0.18.1, image-png issue 694).
    if let Some(palette) = reader.info().palette.as_ref().filter(|palette| palette.len() % 3 != 0) {
        return Err(PictureError::Palette(palette.len()));
    }
    let (color, depth) = reader.output_color_type();
    let stride = 3 * width as usize;
    // Grows with the rows, so that a file must bring the pixels that it claims.
    let mut rgb = Vec::new();
    let mut line = Vec::with_capacity(stride);
    while let Some(row) = reader.next_interlaced_row()? {
        line.clear();
        append_rgb(&mut line, row.data(), color, depth, clipped);
        match row.interlace() {
            InterlaceInfo::Null(_) => rgb.extend_from_slice(&line),
            InterlaceInfo::Adam7(pass) => {
                // Each pass is spread over the whole picture. Zeroed pages cost nothing before they are written.
                if rgb.is_empty() {
                    rgb = vec![0; stride * height as usize];
                }
                png::expand_interlaced_row(&mut rgb, stride, &line, pass, 24);
            }
        }
    }
    Ok(Picture { width: width as usize, height: height as usize, rgb })
}

/// One row of samples as the decoder gives it, as 8-bit RGB.
fn append_rgb(line: &mut Vec<u8>, row: &[u8], color: ColorType, depth: BitDepth, clipped: bool) {
    let bytes = if depth == BitDepth::Sixteen { 2 } else { 1 };
    let sample = |at: &[u8]| match (clipped, at) {
        (true, [0, low, ..]) => *low,
        (true, _) => u8::MAX,
        (false, at) => at[0],
    };
    for pixel in row.chunks_exact(bytes * color.samples()) {
        match color {
            ColorType::Grayscale | ColorType::GrayscaleAlpha => line.extend([sample(pixel); 3]),
            // A palette is expanded to colours by the decoder.
            ColorType::Rgb | ColorType::Rgba | ColorType::Indexed => {
                line.extend(pixel.chunks_exact(bytes).take(3).map(sample));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Cursor, path::Path};

    use super::*;

    fn folder() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/png")
    }

    fn png(name: &str) -> Vec<u8> {
        fs::read(folder().join(format!("{name}.png"))).expect(name)
    }

    /// A chunk, to be put into a PNG file.
    fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let body = [&kind[..], data].concat();
        let length = u32::try_from(data.len()).expect("short").to_be_bytes();
        [&length[..], &body, &crc32fast::hash(&body).to_be_bytes()].concat()
    }

    /// The start of a file that says it is an 8-bit RGB picture of this size.
    fn header(width: u32, height: u32) -> Vec<u8> {
        let ihdr = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
        [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &ihdr)].concat()
    }

    fn refused(bytes: &[u8]) -> String {
        let text = decode(Cursor::new(bytes)).expect_err("not a picture").to_string();
        assert_eq!(text.lines().count(), 1, "{text}");
        text
    }

    #[test]
    fn every_kind_of_png_is_what_pillow_makes_of_it() {
        let table = fs::read_to_string(folder().join("pillow.tsv")).expect("a table");
        for line in table.lines() {
            let [name, width, height, crc] = line.split('\t').collect::<Vec<_>>().try_into().expect("four columns");
            let picture = decode(Cursor::new(png(name))).expect(name);
            assert_eq!(
                (picture.width.to_string(), picture.height.to_string()),
                (width.into(), height.into()),
                "{name}"
            );
            assert_eq!(format!("{:08x}", crc32fast::hash(&picture.rgb)), crc, "{name}");
        }
        let pictures = fs::read_dir(folder()).expect("a folder").flatten();
        let pictures = pictures.filter(|entry| entry.path().extension().is_some_and(|e| e == "png")).count();
        assert_eq!(pictures, table.lines().count(), "a picture without a line, or a line without a picture");
    }

    #[test]
    fn a_picture_cut_off_anywhere_is_refused() {
        for name in ["rgb-8", "palette-4-interlaced-transparent"] {
            let bytes = png(name);
            let data_ends = bytes.len() - 12 - 4;
            for length in 0..data_ends {
                refused(&bytes[..length]);
            }
        }
    }

    #[test]
    fn a_size_is_judged_before_any_pixel_is_there() {
        assert!(refused(&header(65_535, 65_535)).contains("65535x65535 pixels are too many"));
        assert!(refused(&header(1 << 20, 1)).contains("on a side"));
        assert!(refused(&header(0, 5)).contains("not a sound PNG"));
        assert!(refused(&header(8192, 8192)).contains("not a sound PNG"), "allowed, but there is no data");
    }

    #[test]
    fn a_palette_that_ends_within_a_colour_is_refused() {
        let still = png("palette-4");
        let (before, after) = (8 + 25, 8 + 25 + 12 + 3 * 16);
        for length in 1..=10u8 {
            let palette: Vec<u8> = (0..length).collect();
            let bytes = [&still[..before], &chunk(b"PLTE", &palette), &still[after..]].concat();
            if length % 3 == 0 {
                decode(Cursor::new(bytes)).expect("short, and whole");
            } else {
                assert!(refused(&bytes).contains("not a sound PNG"));
            }
        }
    }

    #[test]
    fn a_first_frame_that_does_not_fill_the_picture_is_refused() {
        let frame = |width: u32| {
            let animation = chunk(b"acTL", &[1u32.to_be_bytes(), 0u32.to_be_bytes()].concat());
            let control = [&[0u8; 4][..], &width.to_be_bytes(), &9u32.to_be_bytes(), &[0; 14]].concat();
            let control = chunk(b"fcTL", &control);
            let still = png("rgb-8-interlaced");
            let (start, rest) = still.split_at(8 + 25);
            [start, &animation, &control, rest].concat()
        };
        assert_eq!(
            decode(Cursor::new(frame(11))).expect("whole"),
            decode(Cursor::new(png("rgb-8-interlaced"))).expect("still")
        );
        assert!(refused(&frame(10)).contains("not a sound PNG"));
    }
}
