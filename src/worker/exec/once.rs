//! One run of the program, from an empty folder to the digests of what it gave.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    guard::{Guard, Limits},
    outputs::{Places, digest, tidy},
};
use crate::{
    plan::Program,
    platform::{self, ProcessEnd, Reaped},
    verdict::command::{End, RunResult, Sha},
};

/// What stands for the scratch folder in arguments.
const DIR: &str = "{dir}";
/// Set for the program unless the user has set them: what makes common programs contradict themselves.
pub const SETTINGS: [(&str, &str); 3] =
    [("PYTHONHASHSEED", "0"), ("PYTHONDONTWRITEBYTECODE", "1"), ("SOURCE_DATE_EPOCH", "946684800")];
/// Where programs of this system look for a folder for what is temporary.
const TEMPORARY: &[&str] = if cfg!(windows) { &["TEMP", "TMP"] } else { &["TMPDIR"] };

/// What became of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Once {
    /// All that is compared.
    pub result: RunResult,
    /// CPU time of the program, ns.
    pub cpu_ns: u64,
    /// Time that it took, ns.
    pub wall_ns: u64,
    /// CPU time of the digests, ns.
    pub check_ns: u64,
    /// Length of its standard output.
    pub bytes: u64,
    /// The CPUs that it might run on at its end.
    pub affinity: Vec<u32>,
    /// The CPUs that it was moved to, and when.
    pub been: Vec<(u32, u64)>,
    /// When it began and ended, on the system's monotonic clock.
    pub span_ns: [u64; 2],
    /// The last line of its standard error.
    pub last_words: String,
}

/// Runs `program` in `places`. `after` is called as soon as it has ended, `alive` as its output is read.
pub fn once(
    program: &Program,
    places: &Places,
    (guard, limits): (&Guard, Limits),
    after: impl FnOnce(),
    alive: impl FnMut() + Clone,
) -> io::Result<Once> {
    let mut command = command(program, places)?;
    let began_ns = platform::monotonic_ns();
    let child = platform::start_command(&mut command)?.id();
    // Its files are the program's alone from now.
    drop(command);
    guard.watch(child, [places.stdout.clone(), places.stderr.clone()], limits);
    let awaited = platform::await_end(child);
    let span_ns = [began_ns, platform::monotonic_ns()];
    let wall_ns = span_ns[1].saturating_sub(began_ns);
    let (by_us, been) = guard.release();
    let reaped = awaited.and_then(|()| platform::reap(child))?;
    after();
    let end = by_us.unwrap_or(match reaped.end {
        ProcessEnd::Exited(code) => End::Exited(code),
        ProcessEnd::Signalled(signal) => End::Signalled(signal),
    });
    let check_from = platform::thread_cpu_ns();
    let bytes = std::fs::metadata(&places.stdout).map_or(0, |of| of.len());
    let read = |path: &Path| digest(path, alive.clone());
    // How far a run got that we ended is chance.
    let nothing = || Sha(String::new());
    let result = match by_us {
        Some(_) => RunResult { end, stdout: nothing(), files: program.files.iter().map(|_| None).collect() },
        None => RunResult {
            end,
            stdout: read(&places.stdout).ok_or_else(|| io::Error::other("its standard output is gone"))?,
            files: files(program, places).map(|path| read(&path)).collect(),
        },
    };
    let check_ns = platform::thread_cpu_ns().saturating_sub(check_from);
    let last_words = places.last_words();
    let Reaped { cpu_ns, affinity, .. } = reaped;
    Ok(Once { result, cpu_ns, wall_ns, check_ns, bytes, affinity, been, span_ns, last_words })
}

/// Keeps what a run gave.
pub fn keep(program: &Program, places: &Places, result: &RunResult) {
    places.keep(&places.stdout, &result.stdout);
    for (path, sha) in files(program, places).zip(&result.files) {
        if let Some(sha) = sha {
            places.keep(&path, sha);
        }
    }
}

/// One run wherever the system puts it, to see whether the program can be run at all; nothing is left of it. The folder is made.
pub fn trial(program: &Program, folder: &Path, limits: Limits) -> io::Result<Once> {
    let places = Places::make(folder, "trial")?;
    let tried = once(program, &places, (&Guard::default(), limits), || {}, || {});
    drop(places);
    tidy(folder, false);
    let _ = std::fs::remove_dir(folder);
    tried
}

fn files(program: &Program, places: &Places) -> impl Iterator<Item = PathBuf> {
    // An absolute one stays what it is.
    program.files.iter().map(|name| places.dir.join(name))
}

fn command(program: &Program, places: &Places) -> io::Result<Command> {
    let unnamed = || io::Error::new(io::ErrorKind::InvalidInput, "the scratch folder's name is not Unicode");
    let dir = places.dir.to_str().ok_or_else(unnamed)?;
    let (name, arguments) = program.argv.split_first().ok_or_else(|| io::Error::other("no program"))?;
    let mut command = Command::new(name);
    command.args(arguments.iter().map(|argument| argument.replace(DIR, dir))).current_dir(&program.folder);
    command.env("ODDCORE_DIR", dir);
    command.envs(TEMPORARY.iter().map(|name| (name, dir)));
    for (name, value) in SETTINGS {
        if std::env::var_os(name).is_none() {
            command.env(name, value);
        }
    }
    command.stdin(Stdio::null()).stdout(Places::open(&places.stdout)?).stderr(Places::open(&places.stderr)?);
    Ok(command)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { cpu_ns: 10_000_000_000, asleep_ns: 60_000_000_000, bytes: 1 << 20 };

    fn shell(script: &str, limits: Limits) -> Once {
        let folder = tempfile::tempdir().expect("a folder");
        let argv = ["sh", "-c", script, "sh", "{dir}/out"].map(str::to_owned).to_vec();
        let program = Program { argv, folder: "/".into(), files: vec!["out".into()], exit: 0 };
        let below = folder.path().join("run");
        let once = trial(&program, &below, limits).expect("starts");
        assert!(!below.exists(), "nothing is left");
        once
    }

    #[test]
    fn a_run_is_told_by_its_end_its_output_and_its_files() {
        let right = shell("echo hello; echo it >&2; pwd > \"$1\"; [ \"$ODDCORE_DIR/out\" = \"$1\" ] && exit 7", LIMITS);
        let sha = |text: &str| Sha(text.to_owned());
        let result = RunResult {
            end: End::Exited(7),
            stdout: sha("5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"),
            files: vec![Some(sha("f465c3739385890c221dff1a05e578c6cae0d0430e46996d319db7439f884336"))],
        };
        assert_eq!((right.result, right.bytes, right.last_words.as_str()), (result, 6, "it"));
        assert_eq!(shell("kill -SEGV $$", LIMITS).result.end, End::Signalled(11));
        assert_eq!(shell(":", LIMITS).result.files, [None]);
        assert_eq!(shell("echo $PYTHONHASHSEED", LIMITS).result.stdout, shell("echo 0", LIMITS).result.stdout);
    }

    #[test]
    fn what_cannot_be_started_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let program = Program { argv: vec!["/nonexistent/x".into()], folder: "/".into(), files: vec![], exit: 0 };
        let error = trial(&program, &folder.path().join("run"), LIMITS).expect_err("not there");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
