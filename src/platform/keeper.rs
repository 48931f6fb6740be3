//! What a keeper of the user's program and the process that asked for it say to each other, on every system.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use super::ProcessEnd;

/// How long the program may take to end when asked to.
pub const GRACE: Duration = Duration::from_secs(3);
/// How long what was killed may take to be gone: a process may wait for a disk.
pub const GONE_WITHIN: Duration = Duration::from_secs(2);
/// How often a keeper looks.
pub const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// The keeper's: the program has begun.
pub fn say_started() {
    say("started");
}

/// The keeper's: the program has ended, with all that it started.
pub fn say_end(end: ProcessEnd) {
    say(&match end {
        ProcessEnd::Exited(code) => format!("exited {code}"),
        ProcessEnd::Signalled(signal) => format!("signalled {signal}"),
    });
}

fn say(word: &str) {
    let mut out = io::stdout().lock();
    // Nobody may be left to hear it.
    let _ = writeln!(out, "{word}").and_then(|()| out.flush());
}

/// The keeper's: told when standard input closes, which whoever started it does at the end or by dying.
pub fn hear_closing() -> io::Result<Receiver<()>> {
    let (closed, closing) = channel();
    thread::Builder::new().name("supervisor".into()).spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = closed.send(());
    })?;
    Ok(closing)
}

/// How it ended, from what the keeper says; `None` for anything else.
fn understood(word: &str) -> Option<ProcessEnd> {
    let (how, number) = word.trim().split_once(' ')?;
    let number = number.parse().ok()?;
    match how {
        "exited" => Some(ProcessEnd::Exited(number)),
        "signalled" => Some(ProcessEnd::Signalled(number)),
        _ => None,
    }
}

/// What a keeper says, one after the other: an error until it has begun, then how it ended.
pub fn hear_keeper(said: impl Read + Send + 'static) -> io::Result<Receiver<ProcessEnd>> {
    let mut lines = BufReader::new(said).lines();
    match lines.next() {
        Some(Ok(word)) if word == "started" => {}
        _ => return Err(io::Error::other("it ended before it began")),
    }
    let (hearing, heard) = channel();
    thread::Builder::new().name("hear-keeper".into()).spawn(move || {
        for word in lines.map_while(Result::ok) {
            if let Some(end) = understood(&word) {
                let _ = hearing.send(end);
            }
        }
    })?;
    Ok(heard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_keeper_is_understood() {
        for end in [ProcessEnd::Exited(3), ProcessEnd::Signalled(9)] {
            let word = match end {
                ProcessEnd::Exited(code) => format!("exited {code}\n"),
                ProcessEnd::Signalled(signal) => format!("signalled {signal}\n"),
            };
            assert_eq!(understood(&word), Some(end));
        }
        assert_eq!((understood("started"), understood("exited x")), (None, None));
        assert!(hear_keeper(&b""[..]).is_err());
        let heard = hear_keeper(&b"started\nexited 3\n"[..]).expect("begun");
        assert_eq!(heard.recv(), Ok(ProcessEnd::Exited(3)));
        assert!(heard.recv().is_err());
    }
}
