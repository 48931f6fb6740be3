//! The program: parse, hand over, turn errors into one line and exit code 2.

use std::process::ExitCode;

use oddcore::{cli, machine::name};

fn main() -> ExitCode {
    match cli::parse().and_then(cli::main) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // One line, whatever a file is called.
            eprintln!("oddcore: {}", name::visible(&error.to_string().replace('\n', "\\n")));
            ExitCode::from(2)
        }
    }
}
