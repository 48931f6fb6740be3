//! The user's programs on Windows, where no shell is sure to be there: this test program plays them.

mod beside;
mod exec;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use oddcore::platform;

/// Tells the program what to be.
const PLAY: &str = "ODDCORE_TEST_PLAY";
/// Its place in this test program.
const PLAYER: &str = "windows::player";

/// This program, to be started with [`arguments`].
fn own_path() -> String {
    std::env::current_exe().expect("a path").display().to_string()
}

/// What makes this program play.
fn arguments() -> [&'static str; 4] {
    ["--exact", PLAYER, "--nocapture", "--test-threads=1"]
}

/// Waits up to half a minute.
fn becomes_true(condition: impl Fn() -> bool) -> bool {
    (0..1500).any(|_| {
        thread::sleep(Duration::from_millis(20));
        condition()
    })
}

/// Processes that have left their ids in a folder and live.
fn players_in(folder: &Path) -> Vec<u32> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let ids = names.filter_map(|name| name.to_str()?.strip_prefix("player-")?.parse().ok());
    ids.filter(|&id| crate::processes::is_alive(id)).collect()
}

/// Not a test by itself: the program that those of this folder start. What it does is in its environment: a word, and what
/// follows it.
#[test]
fn player() {
    let Ok(play) = std::env::var(PLAY) else { return };
    let (word, rest) = play.split_once(' ').unwrap_or((&play, ""));
    let is_on = |cpus: &str| {
        let own = platform::thread_affinity().expect("readable");
        cpus.split(',').any(|cpu| own.len() == 1 && own[0].to_string() == cpu)
    };
    // What each run adds a line to, and how many there are.
    let runs = |path: &str| {
        let mut file = fs::File::options().create(true).append(true).open(path).expect("writable");
        file.write_all(b"x\n").expect("writable");
        fs::read_to_string(path).expect("readable").lines().count()
    };
    let dir = || PathBuf::from(std::env::var_os("ODDCORE_DIR").expect("told"));
    match word {
        "files" => {
            assert!(fs::read_dir(dir()).expect("there").next().is_none(), "empty");
            fs::write(dir().join("a"), "1\n2\n").expect("writable");
            println!("written");
        }
        "crash" if is_on(rest) => platform::wild_pointer(),
        "late" => {
            let (cpus, count) = rest.split_once(' ').expect("two");
            if is_on(cpus) && runs(count) > 10 {
                std::process::exit(1);
            }
        }
        "hang" if is_on(rest) => loop {
            std::hint::spin_loop();
        },
        "waver" => {
            let (cpus, count) = rest.split_once(' ').expect("two");
            println!("\ntop");
            // Right every fourth time.
            let run = if is_on(cpus) { runs(count) } else { 0 };
            if run % 4 != 0 {
                println!("{run}");
            }
        }
        "clock" => println!("{:?}", std::time::SystemTime::now()),
        "slow" => thread::sleep(Duration::from_millis(200)),
        "stay" => {
            fs::write(Path::new(rest).join(format!("player-{}", std::process::id())), "").expect("writable");
            thread::sleep(Duration::from_secs(3600));
        }
        _ => {}
    }
    // Before anybody tells how long it took.
    std::process::exit(0);
}
