//! The caches of each core, and with whom it shares them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Core, Root, dense, kibibytes, of_cpu, parse_cpu_list};

/// More caches than any core has.
const CACHES_MAX: u32 = 16;

/// One cache that a core reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// 1 is next to the core.
    pub level: u32,
    /// What it holds.
    pub kind: CacheKind,
    /// Its size.
    pub bytes: u64,
    /// The CPUs that share it.
    pub cpus: Vec<u32>,
}

/// What a cache holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheKind {
    /// Data.
    Data,
    /// Instructions.
    Instruction,
    /// Both.
    Unified,
}

impl Cache {
    /// `L1d`, `L1i`, `L2`, `L3`.
    pub fn name(&self) -> String {
        let kind = match self.kind {
            CacheKind::Data => "d",
            CacheKind::Instruction => "i",
            CacheKind::Unified => "",
        };
        format!("L{}{kind}", self.level)
    }
}

/// Gives every core its caches, and numbers those shared: third-level caches, and clusters around a second-level one.
pub fn read(root: &Root, cores: &mut [Core], missing: &mut Vec<String>) {
    for core in cores.iter_mut() {
        let first = core.cpus.first().copied().unwrap_or_default();
        core.caches = (0..CACHES_MAX).map_while(|index| cache(root, first, index)).collect();
    }
    if cores.iter().all(|core| core.caches.is_empty()) {
        missing.push("caches: /sys/devices/system/cpu/cpu*/cache is not there".into());
    }
    number(cores, |core| {
        let told = root.read(&of_cpu(*core.cpus.first()?, "topology/cluster_cpus_list"));
        told.and_then(|list| parse_cpu_list(&list).ok())
    });
}

/// Puts each core's caches in order, and numbers those shared: third-level caches, and clusters, by the CPUs that are told to be
/// a core's or else by a shared second-level cache.
pub fn number(cores: &mut [Core], cluster: impl Fn(&Core) -> Option<Vec<u32>>) {
    for core in cores.iter_mut() {
        core.caches.sort_by_key(|cache| (cache.level, cache.kind));
    }
    let shared = |core: &Core, level: u32| {
        let cache = core.caches.iter().find(|cache| cache.level == level && cache.kind != CacheKind::Instruction)?;
        Some(cache.cpus.clone())
    };
    let domains = dense(cores.iter().map(|core| shared(core, 3)));
    let first_cpus: BTreeSet<u32> = cores.iter().filter_map(|core| core.cpus.first().copied()).collect();
    let clusters = dense(cores.iter().map(|core| {
        let several = |cpus: &Vec<u32>| cpus.iter().filter(|cpu| first_cpus.contains(cpu)).count() > 1;
        cluster(core).filter(several).or_else(|| shared(core, 2).filter(several))
    }));
    for (core, (l3, cluster)) in cores.iter_mut().zip(domains.into_iter().zip(clusters)) {
        (core.l3, core.cluster) = (l3, cluster);
    }
}

fn cache(root: &Root, cpu: u32, index: u32) -> Option<Cache> {
    let file = |name: &str| root.read(&of_cpu(cpu, &format!("cache/index{index}/{name}")));
    Some(Cache {
        level: file("level")?.parse().ok()?,
        kind: match file("type")?.as_str() {
            "Data" => CacheKind::Data,
            "Instruction" => CacheKind::Instruction,
            _ => CacheKind::Unified,
        },
        bytes: kibibytes(&file("size")?)?,
        cpus: parse_cpu_list(&file("shared_cpu_list")?).ok()?,
    })
}
