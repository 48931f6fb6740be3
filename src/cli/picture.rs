//! Reading the user's pictures.

use std::{fs::File, io::BufReader, path::Path};

use oddcore_kernels::Picture;

use super::CliError;
use crate::picture;

/// Decodes the file at `path`.
pub fn read(path: &Path) -> Result<Picture, CliError> {
    let error = |why: String| CliError::Usage(format!("--image {}: {why}", path.display()));
    let file = File::open(path).map_err(|e| error(e.to_string()))?;
    picture::decode(BufReader::new(file)).map_err(|e| error(e.to_string()))
}
