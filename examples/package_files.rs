//! Writes man pages and completions, made from the command line's own definition, for packages to install:
//! `cargo run --example package_files -- FOLDER`.

use std::{env, fs, io, path::Path, process::ExitCode};

use clap::CommandFactory;
use clap_complete::Shell;

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1) else {
        eprintln!("package_files: say into which folder: cargo run --example package_files -- FOLDER");
        return ExitCode::from(2);
    };
    match write_all(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("package_files: {}: {error}", folder.display());
            ExitCode::from(2)
        }
    }
}

fn write_all(folder: &Path) -> io::Result<()> {
    let mut program = oddcore::cli::Cli::command().disable_help_subcommand(true);
    program.build();
    let (man, completions) = (folder.join("man"), folder.join("completions"));
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    clap_mangen::generate_to(program.clone(), &man)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
        clap_complete::generate_to(shell, &mut program, "oddcore", &completions)?;
    }
    Ok(())
}
