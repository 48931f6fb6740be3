//! Reading the user's pictures.

use std::{fs::File, io::BufReader, path::Path};

use oddcore_kernels::{Kernel, Picture};

use super::CliError;
use crate::picture::{self, PictureError};

/// Decodes the file at `path`.
pub fn read(path: &Path) -> Result<Picture, CliError> {
    with(path, picture::decode)
}

/// Width and height of the picture in the file at `path`.
pub fn size(path: &Path) -> Result<(usize, usize), CliError> {
    with(path, picture::size)
}

fn with<T>(path: &Path, look: fn(BufReader<File>) -> Result<T, PictureError>) -> Result<T, CliError> {
    let file = File::open(path).map_err(|e| refused(path, e))?;
    look(BufReader::new(file)).map_err(|e| refused(path, e))
}

/// Refuses a picture that is too small for all of these kernels that take pictures, if there are any: a run without it would look
/// like one with it.
pub fn check_size(path: &Path, picture: &Picture, kernels: &[&dyn Kernel]) -> Result<(), CliError> {
    let takers = kernels.iter().filter(|kernel| kernel.takes_pictures());
    let Some(easiest) = takers.min_by_key(|kernel| kernel.picture_side_min()) else { return Ok(()) };
    let (width, height, least) = (picture.width, picture.height, easiest.picture_side_min());
    if width.min(height) >= least {
        return Ok(());
    }
    let name = easiest.name();
    Err(refused(path, format!("{width}x{height} pixels are too few for {name}, which takes {least}x{least} or more")))
}

/// Refuses pictures on which the work of so many threads at once, each with its own memory, would take more than half of the
/// machine's memory: a worker that the OS kills for that must not make its core a suspect.
pub fn check_memory(
    pictures: &[(&Path, usize)],
    kernels: &[&dyn Kernel],
    threads: usize,
    memory_bytes: Option<u64>,
) -> Result<(), CliError> {
    let bytes_a_pixel: usize = kernels.iter().filter(|k| k.takes_pictures()).map(|k| k.picture_bytes()).sum();
    let largest = pictures.iter().max_by_key(|(_, pixels)| pixels);
    let (Some(&(path, pixels)), Some(memory)) = (largest, memory_bytes) else { return Ok(()) };
    let needed = (bytes_a_pixel * pixels) as u64 * threads as u64;
    if needed <= memory / 2 {
        return Ok(());
    }
    let (needed, half) = (needed.div_ceil(1 << 30), memory >> 31);
    let why = "take a smaller one, or fewer --kernels or --cores";
    Err(refused(path, format!("work on it in {threads} threads takes {needed} GiB, and {half} may be taken: {why}")))
}

fn refused(path: &Path, why: impl std::fmt::Display) -> CliError {
    CliError::Usage(format!("--image {}: {why}", path.display()))
}
