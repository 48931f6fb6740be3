//! A program of the user's and all that it starts, kept by a process of ours: ended with it, and with the process that asked
//! for it.

use std::{
    collections::BTreeMap,
    fs, io,
    os::{
        fd::AsFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError},
    thread,
    time::Instant,
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitOptions},
};

use super::{
    ProcessEnd,
    keeper::{BETWEEN_LOOKS, GONE_WITHIN, GRACE, hear_closing, say_end, say_started},
    process_end,
};

/// The platform's shell, to run one line of the user's.
pub fn shell(line: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(line);
    shell
}

/// Why the shell cannot run that line, as far as can be told without running it: a mistake in it, or no such program.
pub fn shell_objects(line: &str) -> Option<String> {
    let tried = Command::new("/bin/sh").arg("-n").arg("-c").arg(line).stdin(Stdio::null()).output();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().replace('\n', " ");
    match tried {
        Err(error) => return Some(format!("/bin/sh: {error}")),
        Ok(output) if !output.status.success() => return Some(said(&output.stderr)),
        Ok(_) => {}
    }
    // What is a name of a program is one as it stands; anything else is for the shell to make sense of.
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./+-".contains(c);
    let program = line.split_whitespace().next().filter(|word| word.chars().all(plain))?;
    let found = shell("command -v -- \"$1\"").args(["sh", program]).stdin(Stdio::null()).output();
    match found {
        Ok(output) if output.status.success() => None,
        _ => Some(format!("{program}: no such program")),
    }
}

/// Starts `command` as a keeper: on `cpus`, out of reach of the terminal's Ctrl-C, its errors to `output`.
pub fn spawn_keeper(command: &mut Command, cpus: &[u32], output: fs::File) -> io::Result<std::process::Child> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(output).process_group(0);
    super::spawn_pinned(command, cpus)
}

/// The keeper: runs `line` until it and all that it started has ended, or until standard input closes, which whoever
/// started this process does at the end or by dying. Says on standard output that it has begun, and how it ended.
///
/// What is guaranteed: as long as the keeper lives, nothing that the program started outlives the other end of standard input
/// by more than the grace, in whatever session or process group it is. If the keeper itself is killed, the shell dies with it;
/// what the shell started may go on.
pub fn keep(line: &str) -> io::Result<ProcessEnd> {
    // What loses its parent becomes ours, and is found.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let output = || io::stderr().as_fd().try_clone_to_owned().map(Stdio::from);
    let mut command = shell(line);
    command.stdin(Stdio::null()).stdout(output()?).stderr(output()?);
    let keeper = rustix::process::getpid();
    // SAFETY: between fork and exec only system calls are made; nothing allocates.
    unsafe {
        command.pre_exec(move || {
            rustix::process::setsid()?;
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            // It may have died before it was to be told of.
            if rustix::process::getppid() != Some(keeper) {
                return Err(Errno::SRCH.into());
            }
            Ok(())
        });
    }
    let program = Pid::from_child(&command.spawn()?);
    say_started();
    Ok(watch(program, &hear_closing()?))
}

/// Waits until nothing is left, or ends what is left.
fn watch(program: Pid, closing: &Receiver<()>) -> ProcessEnd {
    let mut end = None;
    let mut reap = || {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == program => {
                    end = Some(process_end(ExitStatus::from_raw(status.as_raw())));
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return (false, end),
                Err(_) => return (true, end),
            }
        }
    };
    let stopping = loop {
        if reap().0 {
            break false;
        }
        match closing.recv_timeout(BETWEEN_LOOKS) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break true,
        }
    };
    let mut gone = !stopping;
    for (signal, within) in [(Signal::TERM, GRACE), (Signal::KILL, GONE_WITHIN)] {
        let deadline = Instant::now() + within;
        let mut told = false;
        while !gone && Instant::now() < deadline {
            // To end by force means whatever appears meanwhile, too; to ask once is enough.
            if !told || signal == Signal::KILL {
                for pid in descendants() {
                    let _ = rustix::process::kill_process(pid, signal);
                }
                told = true;
            }
            gone = reap().0;
            if !gone {
                thread::sleep(BETWEEN_LOOKS);
            }
        }
    }
    let end = reap().1.unwrap_or(ProcessEnd::Signalled(Signal::KILL.as_raw()));
    say_end(end);
    end
}

/// All processes that descend from this one.
fn descendants() -> Vec<Pid> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        children.entry(parent.unwrap_or_default()).or_default().push(pid);
    }
    let mut found = Vec::new();
    let mut open = vec![std::process::id() as i32];
    while let Some(parent) = open.pop() {
        let own = children.remove(&parent).unwrap_or_default();
        open.extend(&own);
        found.extend(own.into_iter().filter_map(Pid::from_raw));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_shell_cannot_run_is_told_before() {
        for line in ["true", "sleep 1 && echo a | cat", "A=1 nonsense-of-ours", "cd / && ./x", "echo 'a'; exit 3"] {
            assert_eq!(shell_objects(line), None, "{line}");
        }
        for line in ["nonsense-of-ours --fast", "/no/such/program", "echo 'a", "if true", "(sleep 1"] {
            assert!(shell_objects(line).is_some(), "{line}");
        }
    }
}
