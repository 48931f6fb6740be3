//! What sensors say of a run, read below another root.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

use crate::common::{oddcore, report};

/// Never half-written.
fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
    let beside = path.with_extension("new");
    fs::write(&beside, text).expect("writable");
    while let Err(error) = fs::rename(&beside, &path) {
        // Under Wine no file is replaced that somebody reads.
        assert!(cfg!(windows) && error.kind() == std::io::ErrorKind::PermissionDenied, "{error}");
    }
}

#[test]
fn voltage_and_power_are_sampled_while_cores_work() {
    let (root, runs) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    put(root.path(), "sys/class/hwmon/hwmon0/name", "nct6798");
    put(root.path(), "sys/class/hwmon/hwmon0/in0_input", "1328");
    put(root.path(), "sys/class/powercap/intel-rapl:0/name", "package-0");
    put(root.path(), "sys/class/powercap/intel-rapl:0/max_energy_range_uj", "262143328850");
    let spent = |joules: u64| put(root.path(), "sys/class/powercap/intel-rapl:0/energy_uj", &format!("{joules}000000"));
    spent(0);
    let over = AtomicBool::new(false);
    let output = thread::scope(|scope| {
        scope.spawn(|| {
            // A hundred joules in a tenth of a second: a kilowatt, if nobody has to wait.
            for tenths in (1..).take_while(|_| !over.load(Relaxed)) {
                spent(tenths * 100);
                thread::sleep(Duration::from_millis(100));
            }
        });
        let place = ["--root", root.path().to_str().expect("text"), "--json", "-"];
        let args = ["run", "--for", "12s", "--kernels", "registers-general", "--loads", "together"];
        let output = oddcore(runs.path(), &[&args[..], &place].concat());
        over.store(true, Relaxed);
        output
    });
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(" core voltage 1.33 to 1.33 V, 1.33 V median; package power "), "{said}");
    let report = report(&output);
    let [volts, watts] = &report.sensors[..] else { panic!("{:?}", report.sensors) };
    assert_eq!((volts.sensor.as_str(), volts.package, volts.median), ("core voltage", None, 1.328));
    assert_eq!((watts.sensor.as_str(), watts.package), ("package power", Some(0)));
    assert!(watts.samples > 0 && watts.min > 0.0 && watts.max <= 2_000.0, "{watts:?}");
}

#[test]
fn heat_and_throttling_are_reported() {
    let (root, runs) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let throttled = oddcore::platform::thread_affinity().expect("readable")[0];
    let counter = format!("sys/devices/system/cpu/cpu{throttled}/thermal_throttle/core_throttle_count");
    put(root.path(), "sys/class/hwmon/hwmon0/name", "k10temp");
    put(root.path(), "sys/class/hwmon/hwmon0/temp1_input", "91400");
    put(root.path(), "sys/class/hwmon/hwmon0/temp1_label", "Tctl");
    put(root.path(), &counter, "40");
    let over = AtomicBool::new(false);
    let output = thread::scope(|scope| {
        scope.spawn(|| {
            for count in (41..).take_while(|_| !over.load(Relaxed)) {
                put(root.path(), &counter, &format!("{count}"));
                thread::sleep(Duration::from_millis(20));
            }
        });
        let place = ["--root", root.path().to_str().expect("text"), "--json", "-"];
        let output = oddcore(
            runs.path(),
            &[&["run", "--for", "2s", "--kernels", "gemm-f32", "--loads", "solo,together"][..], &place].concat(),
        );
        over.store(true, Relaxed);
        output
    });
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("hottest: 91 °C pre-pass, 91 °C solo, 91 °C together; throttled: C0 "), "{said}");
    let report = report(&output);
    assert_eq!(report.hottest.iter().map(|hottest| hottest.celsius).collect::<Vec<_>>(), [91.4; 3]);
    let counts: Vec<Option<u64>> = report.cores.iter().map(|core| core.throttled).collect();
    // Without a topology every CPU is a core, in their order.
    assert!(counts[0].is_some_and(|count| count > 0) && counts[1..].iter().all(Option::is_none), "{counts:?}");
    let again = oddcore(runs.path(), &["report", "--json", "-"]);
    assert_eq!(serde_json::to_value(crate::common::report(&again)).ok(), serde_json::to_value(&report).ok());
}
