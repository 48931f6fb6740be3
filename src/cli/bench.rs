//! `oddcore bench`.

use std::{fmt::Write as _, path::PathBuf};

use clap::Args;
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use serde::Serialize;

use super::{CliError, output::JsonTarget, resume::restore_what_was_left_capped, run::read_machine, selection};
use crate::{
    machine::{Core, Machine},
    plan::glob,
    platform,
    report::{
        screen,
        text::{si, wrapped},
    },
    supervisor::{
        bench::{self, Measured, Setup, Target},
        host::ProcessHost,
        seams::SystemPinner,
    },
    worker::{
        median,
        protocol::{Speed, Unit},
    },
};

/// The schema's name; fields may be added, never re-used (`docs/bench.schema.json`).
const SCHEMA: &str = "oddcore-bench/1";
/// About how long a measurement takes on an idle machine, in seconds.
const MEASUREMENT_S: f64 = 0.5;
/// What a bench ends with that was interrupted or could not measure all.
const INCOMPLETE: u8 = 3;

/// Options of `bench`.
#[derive(Args)]
pub struct BenchArgs {
    /// Which cores, like 0-7,!4.
    #[arg(long, value_name = "LIST")]
    cores: Option<String>,
    /// Which kernels, names with * and ?.
    #[arg(long, value_name = "GLOB,...")]
    kernels: Option<String>,
    /// Which variants, names with * and ?; the best that this CPU runs without it.
    #[arg(long, value_name = "GLOB,...")]
    variants: Option<String>,
    /// Write as JSON; - is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Read the descriptions of the machine below this folder.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

#[derive(Serialize)]
struct BenchReport {
    schema: &'static str,
    cores: Vec<CoreRow>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct CoreRow {
    core: u32,
    label: String,
    clock_mhz: Option<f64>,
    products: Vec<Products>,
    kernels: Vec<KernelRow>,
}

/// Multiply-adds of whole vectors that a core starts each cycle: what vouches for its clock.
#[derive(Serialize)]
struct Products {
    bits: u64,
    per_cycle: f64,
    /// By the core's design, where it is known.
    expected: Option<u32>,
}

#[derive(Serialize)]
struct KernelRow {
    kernel: String,
    variant: String,
    unit: Unit,
    per_s: f64,
    peak_per_s: Option<f64>,
    share_of_peak: Option<f64>,
    share_per_clock: Option<f64>,
}

/// Measures the kernels on each core.
pub fn bench(args: &BenchArgs) -> Result<u8, CliError> {
    let kernels = selection::kernels(args.kernels.as_deref())?;
    let targets = targets(&kernels, args.variants.as_deref())?;
    let machine = read_machine(args.root.as_deref())?;
    let (cores, _) = selection::cores(&machine, args.cores.as_deref())?;
    platform::survive_full_files();
    restore_what_was_left_capped(None, false)?;
    let json = JsonTarget::open(args.json.as_deref())?;
    let measured = measure(&machine, &cores, &targets)?;
    if measured.cores.iter().all(|(_, speeds)| speeds.is_empty()) && !measured.interrupted {
        return Err(CliError::Usage(format!("nothing could be measured: {}", measured.notes.join("; "))));
    }
    let whole = measured.notes.is_empty();
    let report = report(&machine, measured);
    json.finish(&report, &render(&report))?;
    Ok(if whole { 0 } else { INCOMPLETE })
}

/// What is to be measured of these kernels: their best variants, or all that fit and run here.
fn targets(kernels: &[String], patterns: Option<&str>) -> Result<Vec<Target>, CliError> {
    let kernels: Vec<_> = kernels.iter().filter_map(|name| oddcore_kernels::find(name)).collect();
    let patterns: Option<Vec<&str>> = patterns.map(|text| text.split(',').map(str::trim).collect());
    let variants = || kernels.iter().flat_map(|kernel| kernel.variants());
    for pattern in patterns.iter().flatten() {
        let mut fitting = variants().filter(|variant| glob(pattern, variant.name)).peekable();
        if fitting.peek().is_none() {
            let mut names: Vec<&str> = variants().map(|variant| variant.name).collect();
            names.sort_unstable();
            names.dedup();
            let text =
                format!("--variants {pattern}: no such variant of these kernels; there are: {}", names.join(", "));
            return Err(CliError::Usage(text));
        }
        if let Some(missing) = fitting.map(|variant| variant.isa.missing()).reduce(|a, b| a.and(b)).flatten() {
            return Err(CliError::Usage(format!("--variants {pattern}: this CPU has no {missing}")));
        }
    }
    let targets = kernels.iter().flat_map(|kernel| {
        let runs_here = kernel.variants().iter().filter(|variant| variant.isa.token().is_some());
        let fits = |name: &str| patterns.as_ref().is_none_or(|some| some.iter().any(|pattern| glob(pattern, name)));
        let chosen = runs_here.filter(move |variant| fits(variant.name));
        let most = if patterns.is_none() { 1 } else { usize::MAX };
        chosen.take(most).map(|variant| Target { kernel: kernel.name(), variant: variant.name })
    });
    Ok(targets.collect())
}

fn measure(machine: &Machine, cores: &[u32], targets: &[Target]) -> Result<Measured, CliError> {
    let platform_error = |what| move |source| CliError::Platform { what, source };
    platform::exit_two_on_panic();
    platform::exit_two_on_fatal_signals().map_err(platform_error("signal handlers cannot be set"))?;
    let host = ProcessHost::new(machine.bclk_mhz, Vec::new(), None);
    let interrupter = host.interrupter();
    platform::on_stop_request(move |why| interrupter.interrupt(why))
        .map_err(platform_error("the handler of Ctrl-C cannot be set"))?;
    let measurements = cores.len() * targets.len();
    let about_s = measurements as f64 * MEASUREMENT_S;
    screen::say_what("Bench", &format!("about {about_s:.0} s"), machine, cores);
    let bar = screen::bar(measurements as u64, Some(about_s));
    let mut look = |core: &Core, target: &Target| {
        if let Some(bar) = &bar {
            bar.set_message(format!("{} {} on {}", target.kernel, target.variant, core.short));
            bar.inc(1);
        }
    };
    let (host, pinner) = (Box::new(host), Box::new(SystemPinner));
    let measured = bench::run(Setup { machine, cores, targets, host, pinner, look: &mut look });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    Ok(measured)
}

fn report(machine: &Machine, measured: Measured) -> BenchReport {
    let row = |speed: Speed| KernelRow {
        share_of_peak: speed.peak_per_s.map(|peak| speed.per_s / peak),
        share_per_clock: speed.share_per_clock,
        kernel: speed.kernel,
        variant: speed.variant,
        unit: speed.unit,
        per_s: speed.per_s,
        peak_per_s: speed.peak_per_s,
    };
    let of = |number: u32| machine.cores.iter().find(|core| core.core == number);
    let products = |number: u32, speeds: &[Speed]| {
        let width = |lanes: u64| {
            let all = speeds.iter().filter_map(|speed| speed.products).filter(|(other, _)| *other == lanes);
            let expected = of(number).and_then(|core| machine.products_per_cycle(core, lanes));
            Some(Products { bits: 32 * lanes, per_cycle: median(all.map(|(_, per)| per).collect())?, expected })
        };
        [8, 16].into_iter().filter_map(width).collect()
    };
    let label = |number: u32| of(number).map(|core| core.label.clone());
    let cores = measured.cores.into_iter().map(|(core, speeds)| CoreRow {
        core,
        label: label(core).unwrap_or_default(),
        clock_mhz: median(speeds.iter().filter_map(|speed| speed.clock_mhz).collect()),
        products: products(core, &speeds),
        kernels: speeds.into_iter().map(row).collect(),
    });
    BenchReport { schema: SCHEMA, cores: cores.collect(), notes: measured.notes }
}

fn render(report: &BenchReport) -> String {
    let mut out = String::new();
    for core in &report.cores {
        let clock = core.clock_mhz.map_or_else(String::new, |mhz| format!(" at {mhz:.0} MHz"));
        let _ = writeln!(out, "{}{clock}", core.label);
        for Products { bits, per_cycle, expected } in &core.products {
            let expected = expected.map_or_else(String::new, |expected| format!(", {expected} by its design"));
            let _ = writeln!(out, " {bits}-bit multiply-adds alone: {per_cycle:.2} a cycle{expected}");
        }
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(["kernel", "variant", "throughput", "peak", "share", "per clock"]);
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for row in &core.kernels {
            let unit = match row.unit {
                Unit::Operations => "op/s",
                Unit::Pixels => "px/s",
            };
            let rate = |per_s: f64| format!("{}{unit}", si(per_s));
            let share = |share: f64| format!("{share:.3}");
            let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".into());
            table.add_row([
                row.kernel.clone(),
                row.variant.clone(),
                rate(row.per_s),
                or_none(row.peak_per_s.map(rate)),
                or_none(row.share_of_peak.map(share)),
                or_none(row.share_per_clock.map(share)),
            ]);
        }
        for line in table.lines() {
            let _ = writeln!(out, " {}", line.trim_end());
        }
    }
    let how = "By CPU time, one core at work and no other. Peak: the same instructions' multiply-adds on registers alone. Per \
         clock: the share with each of the two divided by the clock right after it.";
    let _ = writeln!(out, "{}", wrapped(how, "  "));
    for note in &report.notes {
        let _ = writeln!(out, "{}", wrapped(&format!("note: {note}"), "  "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_the_best_variants_or_those_asked_for() {
        let kernels = ["gemm-f32".to_owned(), "gemm-f64".to_owned()];
        let names = |patterns| -> Vec<(&str, &str)> {
            let targets = targets(&kernels, patterns).expect("there are such");
            targets.into_iter().map(|target| (target.kernel, target.variant)).collect()
        };
        let scalars = [("gemm-f32", "scalar"), ("gemm-f64", "scalar")];
        assert_eq!(names(Some("scalar")), scalars);
        let (best, all) = (names(None), names(Some("*")));
        assert_eq!(best.iter().map(|(kernel, _)| *kernel).collect::<Vec<_>>(), ["gemm-f32", "gemm-f64"]);
        assert_eq!(best[0], all[0]);
        assert!(scalars.iter().all(|scalar| all.contains(scalar)));
        assert_eq!(names(Some("s?alar, *")), all, "once each");
        assert!(targets(&kernels, Some("scalar,mmx")).is_err());
    }

    #[test]
    fn the_table_shows_what_there_is() {
        let row = |kernel: &str, unit, per_s, peak_per_s: Option<f64>| KernelRow {
            kernel: kernel.into(),
            variant: "avx2".into(),
            unit,
            per_s,
            peak_per_s,
            share_of_peak: peak_per_s.map(|peak| per_s / peak),
            share_per_clock: peak_per_s.map(|_| 0.975),
        };
        let report = BenchReport {
            schema: SCHEMA,
            cores: vec![CoreRow {
                core: 4,
                label: "P4 (BIOS 4, CPU 8-9, APIC 32-33)".into(),
                clock_mhz: Some(5687.4),
                products: vec![Products { bits: 256, per_cycle: 1.998, expected: Some(2) }],
                kernels: vec![
                    row("gemm-f32", Unit::Operations, 172.8e9, Some(180e9)),
                    row("resize-lanczos-u8", Unit::Pixels, 61.2e6, None),
                ],
            }],
            notes: vec!["something".into()],
        };
        let shown = "\
P4 (BIOS 4, CPU 8-9, APIC 32-33) at 5687 MHz
 256-bit multiply-adds alone: 2.00 a cycle, 2 by its design
  kernel             variant  throughput       peak  share  per clock
  gemm-f32           avx2      173 Gop/s  180 Gop/s  0.960      0.975
  resize-lanczos-u8  avx2     61.2 Mpx/s          -      -          -
By CPU time, one core at work and no other. Peak: the same instructions'
  multiply-adds on registers alone. Per clock: the share with each of the two
  divided by the clock right after it.
note: something
";
        assert_eq!(render(&report), shown);
    }
}
