//! A program of the user's and all that it starts, kept by a process of ours in a job: ended with it, and with the process that
//! asked for it.

use std::{
    env,
    fs::File,
    io,
    os::windows::{
        io::{AsHandle, OwnedHandle},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::RecvTimeoutError,
    thread,
    time::{Duration, Instant},
};

use windows_sys::Win32::{
    Foundation::TRUE,
    System::Console::{CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent, SetConsoleCtrlHandler},
};

use super::{
    handle::done,
    job::Job,
    process::{self, ENDED_BY_US, KILLED, program_end},
};
use crate::platform::{
    ProcessEnd,
    keeper::{BETWEEN_LOOKS, GONE_WITHIN, GRACE, hear_closing, say_end, say_started},
};

/// What `cmd` does itself.
const BUILT_IN: [&str; 44] = [
    "assoc", "break", "call", "cd", "chcp", "chdir", "cls", "color", "copy", "date", "del", "dir", "echo", "endlocal",
    "erase", "exit", "for", "ftype", "goto", "if", "md", "mkdir", "mklink", "move", "path", "pause", "popd", "prompt",
    "pushd", "rd", "rem", "ren", "rename", "rmdir", "set", "setlocal", "shift", "start", "time", "title", "type",
    "ver", "verify", "vol",
];

/// The platform's shell, to run one line of the user's.
pub fn shell(line: &str) -> Command {
    let mut shell = Command::new(env::var_os("ComSpec").unwrap_or_else(|| "cmd.exe".into()));
    // With /s it takes off the two quotes that are ours, and touches nothing in between.
    shell.raw_arg("/d /s /c").raw_arg(format!("\"{line}\""));
    shell
}

/// Why the shell cannot run that line, as far as can be told without running it: no such program.
pub fn shell_objects(line: &str) -> Option<String> {
    let line = line.trim_start();
    let program = match line.strip_prefix('"') {
        Some(quoted) => match quoted.split_once('"') {
            Some((program, _)) => program,
            None => return Some("a quote that is not closed".into()),
        },
        None => {
            let end = line.find(|c: char| c.is_whitespace() || "&|<>()".contains(c)).unwrap_or(line.len());
            &line[..end]
        }
    };
    // A name of a program is one as it stands; anything else is for the shell to make sense of.
    let plain = |c: char| c.is_alphanumeric() || r"_.:\/+- ".contains(c);
    if program.is_empty() || !program.chars().all(plain) {
        return None;
    }
    let is_built_in = BUILT_IN.iter().any(|name| program.eq_ignore_ascii_case(name));
    (!is_built_in && !is_found(program)).then(|| format!("{program}: no such program"))
}

/// Whether the shell finds a program of that name: here or in `PATH`, with an ending of `PATHEXT` if it says none.
fn is_found(program: &str) -> bool {
    let path = Path::new(program);
    let is_name = path.components().count() == 1;
    let search = env::var_os("PATH").filter(|_| is_name);
    let folders = [PathBuf::new()].into_iter().chain(search.iter().flat_map(env::split_paths));
    let endings = env::var("PATHEXT").unwrap_or_else(|_| ".COM;.EXE;.BAT;.CMD".into());
    let endings: Vec<&str> = [""].into_iter().chain(endings.split(';')).collect();
    folders.map(|folder| folder.join(path)).any(|path| {
        endings.iter().any(|ending| {
            let mut name = path.clone().into_os_string();
            name.push(ending);
            Path::new(&name).is_file()
        })
    })
}

/// Starts `command` as a keeper: free to run on all CPUs that this process may, out of reach of the console's Ctrl-C, its errors
/// to `output`.
pub fn spawn_keeper(command: &mut Command, _cpus: &[u32], output: File) -> io::Result<Child> {
    process::spawn_free(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(output))
}

/// The keeper: runs `line` until it and all that it started has ended, or until standard input closes, which whoever
/// started this process does at the end or by dying. Says on standard output that it has begun, and how it ended.
///
/// What is guaranteed: nothing that the program started outlives the keeper, whose job it is in, or the other end of standard
/// input by more than the grace.
pub fn keep(line: &str) -> io::Result<ProcessEnd> {
    unsafe extern "system" fn go_on(_event: u32) -> i32 {
        TRUE
    }
    // What is said to the program, in whose console this is.
    // SAFETY: the routine is there for ever, does nothing, and may be called by any thread.
    done(unsafe { SetConsoleCtrlHandler(Some(go_on), TRUE) })?;
    let output = || -> io::Result<OwnedHandle> { io::stderr().as_handle().try_clone_to_owned() };
    let job = Job::that_ends_with_us()?;
    let mut command = shell(line);
    command.stdin(Stdio::null()).stdout(output()?).stderr(output()?);
    let mut program = process::spawn(&mut command, 0, |process| job.take_in(process), None)?;
    drop(command);
    say_started();
    let closing = hear_closing()?;
    let is_gone = || job.usage().is_ok_and(|usage| usage.alive == 0);
    let gone_within = |time: Duration| {
        let deadline = Instant::now() + time;
        while !is_gone() && Instant::now() < deadline {
            thread::sleep(BETWEEN_LOOKS);
        }
        is_gone()
    };
    let is_to_end = loop {
        if is_gone() {
            break false;
        }
        match closing.recv_timeout(BETWEEN_LOOKS) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break true,
        }
    };
    if is_to_end {
        // All that share this console are asked to end; then it is by force.
        // SAFETY: numbers.
        unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, 0) };
        if !gone_within(GRACE) {
            job.end(ENDED_BY_US);
            gone_within(GONE_WITHIN);
        }
    }
    let end = program.try_wait()?.map_or(ProcessEnd::Signalled(KILLED), program_end);
    say_end(end);
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_shell_cannot_run_is_told_before() {
        let own = env::current_exe().expect("a path").display().to_string();
        for line in
            ["echo a", "cmd /c exit 3", "CMD.EXE", &format!("\"{own}\" --list"), "(echo a)", "%ComSpec%", "ver&cd"]
        {
            assert_eq!(shell_objects(line), None, "{line}");
        }
        for line in ["nonsense-of-ours --fast", r"C:\no\such.exe", "\"C:\\no\\such thing\" 3", "\"open"] {
            assert!(shell_objects(line).is_some(), "{line}");
        }
    }
}
