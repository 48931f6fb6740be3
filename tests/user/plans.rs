//! Plans of machines that are not ours, printed and not run.

use std::{collections::BTreeSet, time::Instant};

use oddcore::{plan::Step, verdict::Hex};
use serde::Deserialize;

use crate::{common::oddcore, trees::tree};

#[derive(Deserialize)]
struct Planned {
    seconds: f64,
    steps: Vec<Step>,
}

/// The plan that these options make for the machine of that name.
fn plan(machine: &str, options: &[&str]) -> Planned {
    let folder = tree(machine);
    let root = folder.path().to_str().expect("text");
    let began = Instant::now();
    let output = oddcore(folder.path(), &[&["run", "--root", root, "--dry-run", "--json", "-"], options].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    println!("{machine} {options:?}: {:.3} s to read the machine and plan", began.elapsed().as_secs_f64());
    serde_json::from_slice(&output.stdout).expect("a plan")
}

#[test]
fn five_hundred_cpus_are_planned_under_every_profile() {
    for profile in ["quick", "standard", "overnight"] {
        let plan = plan("epyc-9754-2s", &["--profile", profile]);
        let of = |load: &str| -> BTreeSet<u32> {
            let steps = plan.steps.iter().filter(|step| step.load == load);
            steps.flat_map(|step| step.cores.iter().copied()).collect()
        };
        for load in ["pre-pass", "solo", "together"] {
            assert_eq!(of(load), (0..255).collect(), "{profile} {load}");
        }
        let seeds: BTreeSet<Hex> = plan.steps.iter().map(|step| step.seed).collect();
        assert_eq!(seeds.len(), plan.steps.len());
    }
}

#[test]
fn a_quick_check_that_is_to_prove_multipliers_is_as_much_longer() {
    let seconds = |options: &[&str]| plan("i9-14900k", options).seconds;
    let plain = seconds(&[]);
    assert!((55.0..90.0).contains(&plain), "{plain} s");
    let (top, all) = (seconds(&["--expect", "4,5=60x"]), seconds(&["--expect", "4,5=60x,rest=57x"]));
    assert!((plain + 5.0..plain + 10.0).contains(&top), "{plain} s and {top} s");
    assert!((plain + 80.0..plain + 100.0).contains(&all), "{plain} s and {all} s");
    let steps = plan("i9-14900k", &["--expect", "4,5=60x"]).steps;
    let alone = |core: u32| -> f64 {
        steps.iter().filter(|s| s.load == "solo" && s.cores == [core]).map(|step| step.seconds).sum()
    };
    assert!(alone(4) >= 5.9 && alone(5) >= 5.9 && alone(0) < 3.0, "{} {} {}", alone(4), alone(5), alone(0));
}
