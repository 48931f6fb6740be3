//! Reading the user's pictures: PNG only, because JPEG decoders differ.

use std::{fs::File, io::BufReader, path::Path};

use oddcore_kernels::Picture;

use super::CliError;

/// Pixels that a picture may have; 64 Mpx is more than any camera's.
const PIXELS_MAX: usize = 64 << 20;

/// Decodes `path` to 8-bit RGB; alpha is left out, as Pillow's convert("RGB") does.
pub fn read(path: &Path) -> Result<Picture, CliError> {
    let error = |why: String| CliError::Usage(format!("--image {}: {why}", path.display()));
    let file = File::open(path).map_err(|e| error(e.to_string()))?;
    let mut decoder = png::Decoder::new(BufReader::new(file));
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let broken = |e: png::DecodingError| error(format!("not a sound PNG picture: {e}"));
    let mut reader = decoder.read_info().map_err(broken)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    if width.saturating_mul(height) > PIXELS_MAX {
        return Err(error(format!("{width}x{height} is more than {} Mpx", PIXELS_MAX >> 20)));
    }
    let size = reader.output_buffer_size().ok_or_else(|| error("too large".into()))?;
    let mut bytes = vec![0; size];
    let frame = reader.next_frame(&mut bytes).map_err(broken)?;
    let pixels = &bytes[..frame.buffer_size()];
    let rgb = match frame.color_type {
        png::ColorType::Rgb => pixels.to_vec(),
        png::ColorType::Rgba => pixels.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect(),
        png::ColorType::Grayscale => pixels.iter().flat_map(|&l| [l, l, l]).collect(),
        png::ColorType::GrayscaleAlpha => pixels.chunks_exact(2).flat_map(|p| [p[0]; 3]).collect(),
        png::ColorType::Indexed => return Err(error("its palette could not be expanded".into())),
    };
    Ok(Picture { width, height, rgb })
}
