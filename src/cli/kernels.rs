//! `oddcore kernels` and `oddcore kernel NAME`.

use std::{fmt::Write as _, path::PathBuf};

use clap::Args;
use comfy_table::{Table, presets::NOTHING};
use oddcore_kernels::Kernel;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    CliError,
    output::{JsonTarget, write_whole},
    picture,
    run::parse_seed,
    selection,
};

/// Options of `kernels`.
#[derive(Args)]
pub struct KernelsArgs {
    /// Write as JSON; - is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Which kernels, names with * and ?.
    #[arg(long, value_name = "GLOB,...")]
    kernels: Option<String>,
}

#[derive(Serialize)]
struct KernelRow {
    kernel: &'static str,
    summary: &'static str,
    goldens: usize,
    variants: Vec<VariantRow>,
}

#[derive(Serialize)]
struct VariantRow {
    variant: &'static str,
    isa: &'static str,
    runs_here: bool,
    missing: Option<&'static str>,
}

/// Lists the kernels.
pub fn kernels(args: &KernelsArgs) -> Result<u8, CliError> {
    let chosen = selection::kernels(args.kernels.as_deref())?;
    let json = JsonTarget::open(args.json.as_deref())?;
    let rows: Vec<KernelRow> = chosen.iter().filter_map(|name| oddcore_kernels::find(name)).map(row).collect();
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["kernel", "variants (best first)", "what it does"]);
    for row in &rows {
        let variant = |v: &VariantRow| match v.missing {
            Some(missing) => format!("{} (skipped: no {missing})", v.variant),
            None => v.variant.to_owned(),
        };
        let variants: Vec<String> = row.variants.iter().map(variant).collect();
        table.add_row([row.kernel.to_owned(), variants.join("\n"), row.summary.to_owned()]);
    }
    let text: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    json.finish(&rows, &text)?;
    Ok(0)
}

fn row(kernel: &'static dyn Kernel) -> KernelRow {
    let variant = |v: &oddcore_kernels::Variant| VariantRow {
        variant: v.name,
        isa: v.isa.name(),
        runs_here: v.isa.token().is_some(),
        missing: v.isa.missing(),
    };
    KernelRow {
        kernel: kernel.name(),
        summary: kernel.summary(),
        goldens: kernel.goldens().len(),
        variants: kernel.variants().iter().map(variant).collect(),
    }
}

/// Options of `kernel`.
#[derive(Args)]
pub struct KernelArgs {
    /// The kernel.
    name: String,
    /// The variant; the best that this CPU runs without it.
    #[arg(long, value_name = "V")]
    variant: Option<String>,
    /// A PNG picture to work on.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// The seed of the input, or of what a picture leaves open; decimal or 0x...
    #[arg(long, value_name = "N", value_parser = parse_seed)]
    seed: Option<u64>,
    /// Write the last stage's values, row-major and little-endian.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write as JSON; - is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Serialize)]
struct Shown {
    kernel: &'static str,
    variant: &'static str,
    stages: Vec<StageRow>,
}

#[derive(Serialize)]
struct StageRow {
    stage: String,
    r#type: &'static str,
    shape: Vec<usize>,
    sha256: String,
}

/// Runs one kernel once.
pub fn kernel(args: &KernelArgs) -> Result<u8, CliError> {
    let usage = CliError::Usage;
    let kernel = oddcore_kernels::find(&args.name).ok_or_else(|| {
        let names: Vec<&str> = oddcore_kernels::all().iter().map(|kernel| kernel.name()).collect();
        usage(format!("{}: no such kernel; there are: {}", args.name, names.join(", ")))
    })?;
    let names = || kernel.variants().iter().map(|v| v.name).collect::<Vec<_>>().join(", ");
    let (variant, token) = match &args.variant {
        Some(name) => {
            let variant = kernel.variants().iter().find(|v| v.name == *name);
            let variant =
                variant.ok_or_else(|| usage(format!("--variant {name}: {} has: {}", kernel.name(), names())))?;
            let lacking = || {
                usage(format!(
                    "--variant {name}: this CPU has no {}",
                    variant.isa.missing().unwrap_or("such instructions")
                ))
            };
            (variant, variant.isa.token().ok_or_else(lacking)?)
        }
        None => {
            let best = kernel.variants().iter().find_map(|variant| Some((variant, variant.isa.token()?)));
            best.expect("the scalar variant runs everywhere")
        }
    };
    let picture = args.image.as_deref().map(picture::read).transpose()?;
    if let (Some(path), Some(picture)) = (&args.image, &picture) {
        picture::check_size(path, picture, &[kernel])?;
    }
    let json = JsonTarget::open(args.json.as_deref())?;
    // What the seed chooses besides a picture, seed 0 chooses as the program does that the kernel is taken from.
    let seed = args.seed.unwrap_or_else(|| if picture.is_some() { 0 } else { kernel.goldens()[0].seed });
    let stages = kernel
        .show(token, seed, picture.as_ref())
        .map_err(|_| usage(format!("--image: {} takes no picture", kernel.name())))?;
    if let (Some(path), Some(last)) = (&args.out, stages.last()) {
        write_whole(path, &last.bytes)?;
    }
    let stages = stages
        .into_iter()
        .map(|stage| StageRow {
            sha256: Sha256::digest(&stage.bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
            stage: stage.name,
            r#type: stage.element_type,
            shape: stage.shape,
        })
        .collect();
    let shown = Shown { kernel: kernel.name(), variant: variant.name, stages };
    let mut text = format!("{} {}\n", shown.kernel, shown.variant);
    for stage in &shown.stages {
        let shape: Vec<String> = stage.shape.iter().map(usize::to_string).collect();
        let _ = writeln!(text, " {:24} {:8} {:16} {}", stage.stage, stage.r#type, shape.join("x"), stage.sha256);
    }
    json.finish(&shown, &text)?;
    Ok(0)
}
