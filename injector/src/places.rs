//! Names of the program's functions, to tell where a bit was flipped.

use std::fs;

use anyhow::Context;
use object::{Object, ObjectSymbol, SymbolKind};

/// Functions by their address in the file.
pub struct Places(Vec<(u64, String)>);

impl Places {
    /// Of the program at that path.
    pub fn of(program: &str) -> anyhow::Result<Self> {
        let bytes = fs::read(program).with_context(|| format!("{program}: not to be read"))?;
        let file = object::File::parse(&*bytes).with_context(|| format!("{program}: no program"))?;
        let functions = file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.address() > 0);
        let mut places: Vec<_> = functions
            .filter_map(|symbol| {
                Some((symbol.address(), format!("{:#}", rustc_demangle::demangle(symbol.name().ok()?))))
            })
            .collect();
        places.sort();
        Ok(Self(places))
    }

    /// The function at that address of a process; of one in a library, also the first of the program's own on the stack.
    pub fn name(&self, process: i32, program: &str, address: u64, stack: &[u64]) -> String {
        let Ok(program) = fs::canonicalize(program) else { return "nowhere".into() };
        let within = |address| {
            let (path, base) = mapping(process, address)?;
            Some((path.clone(), (path == program.to_string_lossy()).then(|| self.function(address - base))))
        };
        match within(address) {
            None => "nowhere".into(),
            Some((_, Some(function))) => function.to_owned(),
            Some((library, None)) => match stack.iter().find_map(|&word| within(word)?.1) {
                Some(caller) => format!("{library} for {caller}"),
                None => library,
            },
        }
    }

    fn function(&self, at: u64) -> &str {
        let after = self.0.partition_point(|(start, _)| *start <= at);
        after.checked_sub(1).map_or("nowhere", |nth| &self.0[nth].1)
    }
}

/// The file mapped at an address, and where its first byte would be.
fn mapping(process: i32, address: u64) -> Option<(String, u64)> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).ok()?;
    maps.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (from, to) = words.next()?.split_once('-')?;
        let (from, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
        if !(from..to).contains(&address) {
            return None;
        }
        let path = words.nth(4).unwrap_or("unnamed memory").to_owned();
        let first = maps.lines().find(|line| line.split_whitespace().nth(5) == Some(&path))?;
        Some((path, u64::from_str_radix(first.split_once('-')?.0, 16).ok()?))
    })
}
