//! The program: parse, hand over, turn errors into one line and exit code 2.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = oddcore::cli::Cli::parse();
    match oddcore::cli::main(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("oddcore: {error}");
            ExitCode::from(2)
        }
    }
}
