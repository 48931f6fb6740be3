//! Where results go: a JSON file or standard output, never half-written.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::CliError;
use crate::{machine::name, report::colour};

/// The target of `--json`, tried before any work begins.
pub enum JsonTarget {
    /// No JSON wanted.
    None,
    /// Standard output; tables then go to standard error.
    Stdout,
    /// A file, written beside its place and moved there when whole.
    File(PathBuf),
}

impl JsonTarget {
    /// Checks that it can be written, leaving nothing behind.
    pub fn open(given: Option<&Path>) -> Result<Self, CliError> {
        match given {
            None => Ok(Self::None),
            Some(path) if path == Path::new("-") => Ok(Self::Stdout),
            Some(path) => {
                try_out(path)?;
                Ok(Self::File(path.to_owned()))
            }
        }
    }

    /// Writes `value` as JSON, and `table` for people to where it does not get in the way.
    pub fn finish(&self, value: &impl Serialize, table: &str) -> Result<(), CliError> {
        let json = || {
            let mut text = serde_json::to_string_pretty(value).expect("every value of ours is JSON");
            text.push('\n');
            text
        };
        let print = |text: &str, to: &mut dyn Write| {
            // A reader that has heard enough is no error.
            let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
        };
        // A journal may come from anywhere.
        let table = &name::visible(table);
        let in_colour = |wanted: bool| if wanted { colour::painted(table) } else { table.clone() };
        match self {
            Self::None => print(&in_colour(console::colors_enabled()), &mut std::io::stdout()),
            Self::Stdout => {
                print(&in_colour(console::colors_enabled_stderr()), &mut std::io::stderr());
                print(&json(), &mut std::io::stdout());
            }
            Self::File(path) => {
                print(&in_colour(console::colors_enabled()), &mut std::io::stdout());
                write_whole(path, json().as_bytes())?;
            }
        }
        Ok(())
    }
}

/// Prints lines for people to standard output.
pub fn print(lines: &str) {
    let lines = name::visible(lines);
    let lines = if console::colors_enabled() { colour::painted(&lines) } else { lines };
    // A reader that has heard enough is no error.
    let mut out = std::io::stdout();
    let _ = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
}

/// Checks that a file can be written, leaving nothing behind.
pub fn try_out(path: &Path) -> Result<(), CliError> {
    let error = |source| CliError::Write { path: path.display().to_string(), source };
    if path.is_dir() {
        return Err(error(io::ErrorKind::IsADirectory.into()));
    }
    // What stays is not opened: a pipe would wait for its reader.
    if !stays(path).map_err(error)? {
        let beside = beside(path);
        OpenOptions::new().write(true).create_new(true).open(&beside).map_err(error)?;
        fs::remove_file(&beside).map_err(error)?;
    }
    Ok(())
}

/// Writes a file so that it is there whole or not at all; a pipe or a device that takes text gets the bytes and stays what it is.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let error = |source| CliError::Write { path: path.display().to_string(), source };
    if stays(path).map_err(error)? {
        let mut file = OpenOptions::new().write(true).open(path).map_err(error)?;
        return file.write_all(bytes).map_err(error);
    }
    let beside = beside(path);
    // A new file: whoever put a link in its place does not get to choose what is overwritten.
    let file = OpenOptions::new().write(true).create_new(true).open(&beside);
    let written = file.and_then(|mut file| file.write_all(bytes)).and_then(|()| fs::rename(&beside, path));
    written.map_err(|source| {
        let _ = fs::remove_file(&beside);
        error(source)
    })
}

/// Whether what lies there must not be replaced by a file: `/dev/null`, which root could, a pipe, or a link of the system's own
/// such as `/dev/stdout`. An error where nothing must be written either: a disk, a socket.
#[cfg(unix)]
fn stays(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::FileTypeExt;

    let is_of_the_system = ["/dev", "/proc"].iter().any(|folder| path.starts_with(folder));
    if is_of_the_system && fs::symlink_metadata(path).is_ok_and(|it| it.is_symlink()) {
        return Ok(true);
    }
    match fs::metadata(path).map(|it| it.file_type()) {
        Ok(it) if it.is_block_device() || it.is_socket() => Err(io::Error::other("neither a file nor a pipe")),
        Ok(it) => Ok(it.is_char_device() || it.is_fifo()),
        Err(_) => Ok(false),
    }
}

#[cfg(not(unix))]
fn stays(_: &Path) -> io::Result<bool> {
    Ok(false)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}
