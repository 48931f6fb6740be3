//! `--profile`: what the command line leaves open is taken from the profile.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::Path,
};

use super::{CliError, run::RunArgs};
use crate::plan::Profile;

/// The longest profile; anything longer is some other file.
const PROFILE_BYTES_MAX: u64 = 64 << 10;

/// The profile's name, and the options with its own where none were given.
pub fn complete(mut args: RunArgs) -> Result<(String, RunArgs), CliError> {
    let file = match args.profile.as_deref() {
        None => return Ok(("quick".into(), args)),
        Some(own @ ("quick" | "standard" | "overnight")) => return Ok((own.into(), args)),
        Some(file) => Path::new(file),
    };
    let profile = read(file)?;
    // Seconds are a length of time as well, and Rust writes them so that they are read as the same number.
    let seconds = |seconds: f64| seconds.to_string();
    if args.image.is_empty() {
        args.image = profile.images.iter().flatten().map(|image| file.with_file_name("").join(image)).collect();
    }
    args.length = args.length.or_else(|| profile.seconds.map(seconds));
    args.until = args.until.or_else(|| profile.until_s.map(seconds));
    args.cores = args.cores.or(profile.cores);
    args.kernels = args.kernels.or_else(|| profile.kernels.map(|kernels| kernels.join(",")));
    args.loads = args.loads.or_else(|| profile.loads.map(|loads| loads.join(",")));
    args.expect = args.expect.or(profile.expect);
    args.seed = args.seed.or(profile.seed);
    args.beside = args.beside.or(profile.beside);
    args.priority = args.priority.or(profile.priority);
    args.lower_on_finding |= profile.lower_on_finding.unwrap_or_default();
    args.place.morning = args.place.morning.or(profile.morning);
    Ok((profile.name, args))
}

fn read(path: &Path) -> Result<Profile, CliError> {
    let error = |why: String| CliError::Usage(format!("--profile {}: {why}", path.display()));
    let file = File::open(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => {
            error("no such profile; there are quick, standard, overnight, and a file of your own".into())
        }
        _ => error(source.to_string()),
    })?;
    let mut bytes = Vec::new();
    file.take(PROFILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|source| error(source.to_string()))?;
    if bytes.len() as u64 > PROFILE_BYTES_MAX {
        return Err(error(format!("longer than {} KiB, so not a profile", PROFILE_BYTES_MAX >> 10)));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| error("not text in UTF-8, so not a profile".into()))?;
    Profile::parse(text).map_err(|why| error(why.to_string()))
}
