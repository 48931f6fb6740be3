//! What a user meets on the command line: results, and one clear line for everything that cannot be.

use std::fs;

use oddcore::report::KernelReport;

use crate::common::{oddcore, report};

/// Exit code 2 and one line on standard error that says `what`; nothing on standard output.
fn refuses(args: &[&str], what: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let output = oddcore(folder.path(), args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
    assert_eq!(errors.lines().count(), 1, "{args:?}: {errors}");
    assert!(errors.contains(what), "{args:?}: {errors}");
    assert!(output.stdout.is_empty(), "{args:?}");
    assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0, "{args:?} left something behind");
}

/// Never tried on a device: root's test of a program that errs would replace it.
#[cfg(unix)]
#[test]
fn a_pipe_is_written_to_and_stays_one() {
    use std::os::unix::fs::FileTypeExt;

    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).expect("readable")
    });
    let output = oddcore(folder.path(), &["cores", "--json", pipe.to_str().expect("Unicode")]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(fs::metadata(&pipe).expect("still there").file_type().is_fifo());
    let cores: serde_json::Value = serde_json::from_slice(&reader.join().expect("reads")).expect("JSON");
    assert!(cores["cores"].is_array());
    let socket = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
    refuses(&["cores", "--json", socket.to_str().expect("Unicode")], "neither a file nor a pipe");
}

#[test]
fn what_cannot_be_is_refused_in_one_line() {
    refuses(&["run", "--kernels", "gemm-u9"], "no such kernel");
    refuses(&["run", "--cores", "99999"], "no core 99999");
    refuses(&["run", "--cores", "one"], "--cores one");
    refuses(&["run", "--loads", "heavy"], "no such load");
    refuses(&["run", "--for", "0"], "longer than zero");
    refuses(&["run", "--for", "-5m"], "--for -5m");
    refuses(&["run", "--image", "/nonexistent.png"], "/nonexistent.png");
    refuses(&["run", "--image", "Cargo.toml"], "not a sound PNG");
    refuses(&["run", "--json", "/nonexistent/report.json"], "/nonexistent/report.json");
    refuses(&["run", "--json", "/"], "cannot write");
    refuses(&["run", "--runs", "Cargo.toml/nowhere"], "--runs DIR");
    refuses(&["run", "--root", "/nonexistent"], "no such folder");
    refuses(&["run", "--expect", "0=fast"], "--expect 0=fast: fast: a multiplier is a whole number");
    refuses(&["run", "--expect", "0"], "write cores and their multiplier like 4,5=60x,rest=57x");
    refuses(&["run", "--expect", "99999=60x"], "core 99999 is not tested");
    refuses(&["kernel", "gemm-u9"], "no such kernel");
    refuses(&["kernel", "gemm-f32", "--variant", "mmx"], "--variant mmx");
    refuses(&["kernel", "gemm-f32", "--image", "kernels/tests/data/astronaut.png"], "takes no picture");
    refuses(&["drill", "--kernels", "*"], "exactly one kernel");
    refuses(&["report", "no-such-run"], "no run found");
    refuses(&["resume", "no-such-run"], "no run found");
    refuses(&["resume"], "no unfinished run");
    refuses(&["run", "--until", "never"], "--until never");
    refuses(&["bench", "--kernels", "gemm-u9"], "no such kernel");
    refuses(&["bench", "--cores", "99999"], "no core 99999");
    refuses(&["bench", "--variants", "mmx"], "--variants mmx: no such variant");
    refuses(&["bench", "--kernels", "gemm-f32", "--variants", "avx512-vnni"], "there are: avx2, avx512, scalar");
    refuses(&["bench", "--json", "/nonexistent/bench.json"], "/nonexistent/bench.json");
    refuses(&["bench", "--root", "/nonexistent"], "no such folder");
    refuses(&["run", "--html", "/nonexistent/report.html"], "/nonexistent/report.html");
    refuses(&["run", "--junit", "/"], "cannot write");
    refuses(&["drill", "--prometheus", "-"], "name a file; only --json may go to standard output");
    refuses(&["report", "a", "no-such-run"], "no run found");
    for (args, what) in [
        (&["run", "--priority", "x"][..], "invalid value 'x' for '--priority <CLASS>' [possible values: normal"),
        (&["merge"], "required arguments were not provided: <FILE|DIR>..."),
        (&["merge", "--rums", "x"], "unexpected argument '--rums'"),
        (&["rn"], "unrecognized subcommand 'rn'; tip:"),
        (&["run", "--fo", "9s"], "'--fo' found; tip: a similar argument exists: '--for'; --help says more"),
        (
            &["run", "overnight"],
            "unexpected argument 'overnight' found; is this meant: oddcore run --profile overnight",
        ),
        (&["overnight"], "is this meant: oddcore run --profile overnight"),
        (&["--cores", "0", "standard", "--for", "9s"], "oddcore run --profile standard --cores 0 --for 9s"),
        (
            &["run", "my night.toml"],
            if cfg!(windows) {
                r#"is this meant: oddcore run --profile "my night.toml""#
            } else {
                "is this meant: oddcore run --profile 'my night.toml'"
            },
        ),
        (
            &["exec", "python3", "x.py"],
            "unexpected argument 'python3' found; is this meant: oddcore exec -- python3 x.py",
        ),
        (
            &["exec", "--for", "9s", "sh", "-c", "a b"],
            if cfg!(windows) {
                r#"is this meant: oddcore exec --for 9s -- sh -c "a b""#
            } else {
                "is this meant: oddcore exec --for 9s -- sh -c 'a b'"
            },
        ),
        (&["run", "--seed", "x"], "a seed is a whole number"),
        (&["run", "--morning", "7 am"], "not a time of day; write 07:00, or off"),
        (&["exec", "--times", "3", "--for", "9s", "--", "true"], "cannot be used with"),
        (&["report", "--mornings", "--json", "-"], "cannot be used with"),
    ] {
        refuses(args, what);
    }
    refuses(&["run", "--cores", "0-P"], "indexes or names like 0-7,!4 or P4,E0-E3");
}

#[test]
fn a_short_run_passes_and_can_be_reported_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = oddcore(folder.path(), &["run", "--for", "2s", "--json", "-", "--seed", "7"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let first = report(&output);
    assert_eq!((first.verdict.as_str(), first.findings.len(), first.drill), ("pass", 0, false));
    for core in first.cores.iter().filter(|core| core.verdict.name() != "not-tested") {
        assert_eq!(core.verdict.name(), "pass");
        assert!(core.checked.iterations > 0 && !core.evidence.is_empty() && !core.kernels.is_empty());
        assert!(core.checked.kernel_s + core.checked.check_s <= core.checked.cpu_s * 1.01);
        let sum = |of: fn(&KernelReport) -> f64| core.kernels.iter().map(of).sum::<f64>();
        let by_kernel = [sum(|k| k.cpu_s), sum(|k| k.kernel_s), sum(|k| k.check_s)];
        let in_all = [core.checked.cpu_s, core.checked.kernel_s, core.checked.check_s];
        assert!(by_kernel.iter().zip(in_all).all(|(sum, all)| (sum - all).abs() < 1e-6), "{by_kernel:?} {in_all:?}");
    }
    // One core alone: what is not tested, and why, is in the journal too.
    let alone = first.cores.iter().find(|core| core.verdict.name() == "pass").expect("one passed").core.to_string();
    let output = oddcore(folder.path(), &["run", "--for", "1s", "--cores", &alone, "--json", "-"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let alone = report(&output);
    let again = oddcore(folder.path(), &["report", &alone.run, "--json", "-"]);
    assert_eq!(serde_json::to_value(report(&again)).expect("JSON"), serde_json::to_value(&alone).expect("JSON"));
    let again = oddcore(folder.path(), &["report", &first.run, "--json", "-"]);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert_eq!(
        serde_json::to_value(report(&again)).expect("JSON"),
        serde_json::to_value(&first).expect("JSON"),
        "a live run and its journal say the same"
    );
}

#[test]
fn a_report_ends_in_the_command_that_shows_it_again() {
    let (state, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let elsewhere = elsewhere.path().to_str().expect("plain");
    let common = ["run", "--for", "1s", "--kernels", "registers-general"];
    for runs in [&[][..], &["--runs", elsewhere]] {
        let output = oddcore(state.path(), &[&common, runs].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let shown = String::from_utf8(output.stdout).expect("text");
        let unbroken = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        let tonight = ["Tonight: oddcore run --profile overnight", &runs.join(" ")].join(" ");
        assert!(unbroken.contains(tonight.trim_end()), "{shown}");
        assert_eq!(unbroken.contains(" --runs "), !runs.is_empty(), "{shown}");
        let (_, command) = shown.trim_end().rsplit_once("Again: oddcore ").expect("the last line");
        let again = oddcore(state.path(), &command.split(' ').collect::<Vec<_>>());
        assert_eq!(String::from_utf8(again.stdout).expect("text"), shown, "{command}");
    }
}

#[test]
fn the_kernels_and_the_machine_are_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    for args in [&["kernels"][..], &["kernels", "--json", "-"], &["cores"], &["cores", "--json", "-"]] {
        let output = oddcore(folder.path(), args);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(!output.stdout.is_empty());
    }
}

#[test]
fn kernels_give_pillows_digests() {
    let folder = tempfile::tempdir().expect("a folder");
    let digests = include_str!("../../kernels/tests/data/astronaut.resizes.tsv");
    for name in ["resize-lanczos-u8", "resize-bicubic-u8"] {
        let picture = "kernels/tests/data/astronaut.png";
        let output = oddcore(folder.path(), &["kernel", name, "--image", picture, "--json", "-"]);
        let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let stages = shown["stages"].as_array().expect("stages");
        let lines = digests.lines().map(|line| line.split('\t').collect::<Vec<_>>()).filter(|line| line[0] == name);
        assert_eq!(stages.len(), lines.clone().count());
        for (stage, line) in stages.iter().zip(lines) {
            assert_eq!(stage["stage"], line[1]);
            assert!(stage["sha256"].as_str().is_some_and(|digest| digest.starts_with(line[4])), "{stage}");
        }
    }
}

#[test]
fn the_plan_of_every_profile_is_shown_and_nothing_is_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let cores = crate::common::testable_cores().len() as f64;
    for (profile, seconds) in
        [("quick", 59.5..900.0), ("standard", 350.0 * cores..370.0 * cores), ("overnight", 28_000.0..30_000.0)]
    {
        let output = oddcore(folder.path(), &["run", "--profile", profile, "--dry-run", "--json", "-"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let plan: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(plan["seconds"].as_f64().is_some_and(|s| seconds.contains(&s)), "{profile}: {}", plan["seconds"]);
        let steps = plan["steps"].as_array().expect("steps");
        assert_eq!(steps[0]["load"], "pre-pass");
        let table = String::from_utf8_lossy(&output.stderr);
        for load in ["solo", "gpu-wait", "together"] {
            assert!(steps.iter().any(|step| step["load"] == load) && table.contains(load), "{profile}: {table}");
        }
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("there").count(), 0, "nothing was run");
}

#[test]
fn a_plan_that_ends_by_its_evidence_says_so_and_stays_short() {
    let folder = tempfile::tempdir().expect("a folder");
    let core = crate::common::testable_cores()[0].to_string();
    let args = ["run", "--until", "10m", "--cores", &core, "--kernels", "gemm-f32,gemm-f64", "--dry-run"];
    let output = oddcore(folder.path(), &args);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text.starts_with("Plan of quick: at most 365 days for 1 core and 2 kernels\n"), "{text}");
    assert!(text.contains("It ends once its evidence would have caught a fault every 10 min."), "{text}");
    assert!(text.contains("And so on, ") && text.lines().count() < 100, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn a_plan_says_whose_top_is_chased() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = |more: &[&str]| {
        let output = oddcore(folder.path(), &[&["run", "--dry-run"], more].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let says = "stays below the multiplier expected of it, half of its solo steps are tries";
    assert!(plan(&["--expect", "rest=60x"]).contains(says));
    assert!(!plan(&["--expect", "rest=60x", "--loads", "together"]).contains(says), "no core is ever alone");
}

#[test]
fn loads_that_cannot_be_had_are_refused_in_one_line() {
    refuses(&["run", "--loads", "heavy"], "no such load; there are: solo, gpu-wait");
    refuses(&["run", "--loads", "aggressor", "--cores", "0"], "cannot be had here: it takes 2 cores");
    refuses(
        &["run", "--loads", "resonance", "--kernels", "gemm-*"],
        "made of the kernel resonance, which is not among",
    );
    refuses(&["drill", "--fault", "above-clock"], "say which clock");
}

#[test]
fn a_plan_for_another_machine_has_its_groups() {
    let root = tempfile::tempdir().expect("a folder");
    let put = |path: String, text: String| {
        let path = root.path().join("sys/devices").join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        std::fs::write(path, text).expect("writable");
    };
    // A model: eight large cores of two CPUs, 4 and 5 the fastest, and sixteen small ones.
    put("system/cpu/online".into(), "0-31".into());
    for cpu in 0..32 {
        let (first, last, khz) = match cpu {
            8..12 => (cpu & !1, cpu | 1, 6_000_000),
            0..16 => (cpu & !1, cpu | 1, 5_700_000),
            _ => (cpu, cpu, 4_400_000),
        };
        put(format!("system/cpu/cpu{cpu}/topology/core_cpus_list"), format!("{first}-{last}"));
        put(format!("system/cpu/cpu{cpu}/cpufreq/cpuinfo_max_freq"), khz.to_string());
    }
    let runs = tempfile::tempdir().expect("a folder");
    let plan = |profile: &str| -> serde_json::Value {
        let root = root.path().to_str().expect("text");
        let args = ["run", "--root", root, "--profile", profile, "--dry-run", "--json", "-"];
        serde_json::from_slice(&oddcore(runs.path(), &args).stdout).expect("JSON")
    };
    let cores = |plan: &serde_json::Value, load: &str| -> Vec<Vec<u64>> {
        let steps = plan["steps"].as_array().expect("steps").iter().filter(|step| step["load"] == load);
        let cores =
            steps.map(|step| step["cores"].as_array().expect("cores").iter().filter_map(|c| c.as_u64()).collect());
        let mut cores: Vec<Vec<u64>> = cores.collect();
        cores.dedup();
        cores
    };
    let quick = plan("quick");
    assert!(quick["seconds"].as_f64().is_some_and(|s| (55.0..75.0).contains(&s)), "{}", quick["seconds"]);
    assert_eq!(cores(&quick, "solo")[..3], [[4], [5], [0]]);
    assert_eq!(cores(&quick, "gpu-wait"), [[4], [5]]);
    assert_eq!(cores(&quick, "together")[0].len(), 24);
    let standard = plan("standard");
    assert!(standard["seconds"].as_f64().is_some_and(|s| (8500.0..8800.0).contains(&s)), "{}", standard["seconds"]);
    assert_eq!(cores(&standard, "active-2")[..3], [[4, 5], [0, 4], [1, 5]]);
    assert_eq!(cores(&standard, "siblings")[..8], [[4], [5], [0], [1], [2], [3], [6], [7]]);
    assert_eq!(cores(&standard, "hop")[0].len(), 24);
}
