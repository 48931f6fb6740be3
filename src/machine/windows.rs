//! A machine as Windows describes it, made of the same parts as one that Linux describes.

use super::{
    Boot, Cache, Core, Kind, Machine, MachineError, RatedClock, Smt, Source, caches, cpuid, format_cpu_list, labels,
    name,
    rated::rank_favoured,
    relations::{self, Relations},
};
use crate::platform::SystemAnswers;

/// The first build that is called Windows 11; the registry goes on saying 10.
const ELEVEN: u32 = 22_000;
/// The first of 10.
const TEN: u32 = 10_240;
/// Who is the hypervisor where Windows puts itself on top of its own, as it does on many desktops.
const MICROSOFT: [u32; 3] = [0x7263_694d, 0x666f_736f, 0x7648_2074];
/// What only that Windows may do: make other machines.
const CREATES_MACHINES: u32 = 1;

/// What cannot be read on Windows, and why.
const MISSING: [&str; 6] = [
    "turbo ratio limits, the only sure word on top clocks: Windows lets only drivers read them",
    "temperature and throttle counts: Windows has no interface to the CPU's own sensors",
    "core voltage: Windows has no interface to it; the board maker's tool has it",
    "package power: Windows has no interface to it without a driver",
    "idle states: Windows does not list them",
    "CPUs that are switched off: Windows does not list them",
];

/// What all of this rests on.
const UNPROVEN: &str = "unproven on Windows hardware: efficiency classes, favoured cores and machines of several processor groups have been read \
     from models only";

/// Reads the machine from what Windows answered, for a process that may run on `allowed`, where `told` is what CPUID says.
pub fn read(
    answers: &SystemAnswers,
    boot: Option<Boot>,
    allowed: &[u32],
    told: &[cpuid::Told],
) -> Result<Machine, MachineError> {
    if allowed.is_empty() {
        return Err(MachineError::NoCpu);
    }
    let mut notes = vec![UNPROVEN.to_owned()];
    let mut missing: Vec<String> = MISSING.iter().map(|what| (*what).to_owned()).collect();
    let relations = relations::read(&answers.processors);
    if relations.cores.is_empty() {
        missing.push(
            "cores and siblings: GetLogicalProcessorInformationEx told none; every CPU is taken for a core".into(),
        );
    }
    let mut cores = cores(&relations, allowed);
    give_caches(&relations, &mut cores, &mut missing);
    give_kinds(&relations, &mut cores, told);
    let sets = relations::read_cpu_sets(&answers.cpu_sets);
    let class = |core: &Core| {
        let of_core = sets.iter().filter(|set| core.cpus.contains(&set.cpu));
        of_core.map(|set| u32::from(set.scheduling_class)).max()
    };
    rank_favoured(&mut cores, class, "the scheduling class of CPU sets", &mut missing);
    give_clocks(answers, &mut cores, told, &mut missing);
    labels::give(&mut cores, "", told, true);
    cpuid::cross_check(&cores, told, &mut notes);
    let capped: Vec<u32> = relations::read_power(&answers.power)
        .iter()
        .filter(|power| power.limit_mhz > 0 && power.limit_mhz < power.base_mhz)
        .map(|power| power.cpu)
        .collect();
    if !capped.is_empty() {
        let cpus = format_cpu_list(&capped);
        notes.push(format!("Windows keeps CPUs {cpus} below their base clock: the power plan, or heat"));
    }
    if let Some(wine) = &answers.wine {
        notes.push(format!("this is Wine {}, which plays Windows, not Windows itself", name::clean(wine)));
    }
    if boot.is_none() {
        missing
            .push("which boot this is: Windows before 10, and Wine, do not count them; a reset cannot be shown".into());
    }
    let said = |text: &Option<String>| text.as_deref().map(name::clean).filter(|text| !text.is_empty());
    let cpu = said(&answers.name);
    if cpu.is_none() {
        missing.push("the CPU's name: the registry has no ProcessorNameString".into());
    }
    let microcode = microcode(&answers.microcode);
    if microcode.is_none() {
        missing.push("microcode: the registry has no Update Revision".into());
    }
    if answers.coarse_cpu_time {
        missing.push(
            "exact CPU time: QueryThreadCycleTime tells none; it is counted in ticks of the clock, and shares of short work are \
             rough"
                .into(),
        );
    }
    let smt = cores.iter().any(|core| core.cpus.len() > 1).then_some(Smt::On);
    let l3 = cores.iter().flat_map(|core| &core.caches).find(|cache| cache.level == 3);
    Ok(Machine {
        cpu: cpu.unwrap_or_else(|| format!("a {} CPU", std::env::consts::ARCH)),
        vendor: said(&answers.vendor).unwrap_or_else(|| "unknown".into()),
        family: identifier(answers, "Family"),
        model: identifier(answers, "Model"),
        microcode,
        os: os(answers),
        boot,
        bclk_mhz: 100.0,
        l3_bytes: l3.map(|cache| cache.bytes),
        memory_bytes: answers.memory_bytes,
        virtual_machine: answers.is_guest,
        avx2: answers.avx2,
        smt,
        offline: Vec::new(),
        idle: None,
        sensors: Vec::new(),
        cores,
        notes,
        missing,
    })
}

/// Whether a hypervisor is below this system that is not this system's own.
pub fn is_guest(leaf: impl Fn(u32, u32) -> Option<[u32; 4]>) -> bool {
    let has_hypervisor = leaf(1, 0).is_some_and(|[_, _, ecx, _]| ecx >> 31 == 1);
    let own = leaf(0x4000_0000, 0).is_some_and(|[_, who @ ..]| who == MICROSOFT)
        && leaf(0x4000_0003, 0).is_some_and(|[_, may, ..]| may & CREATES_MACHINES != 0);
    has_hypervisor && !own
}

/// The physical cores by lowest CPU; what is not told is taken for a core of its own, if this process may run there.
fn cores(relations: &Relations, allowed: &[u32]) -> Vec<Core> {
    let mut all: Vec<Vec<u32>> = relations.cores.iter().map(|core| core.cpus.clone()).collect();
    if all.is_empty() {
        all = allowed.iter().map(|&cpu| vec![cpu]).collect();
    }
    all.sort_unstable();
    let place = |lists: &[Vec<u32>], cpu| lists.iter().position(|cpus| cpus.contains(&cpu)).map(|at| at as u32);
    let core = |(core, cpus): (u32, Vec<u32>)| {
        let first = cpus[0];
        let package = place(&relations.packages, first);
        // Dies are counted within their package.
        let within = |die: &&Vec<u32>| package.is_some() && place(&relations.packages, die[0]) == package;
        let dies: Vec<Vec<u32>> = relations.dies.iter().filter(within).cloned().collect();
        Core {
            core,
            os_id: Some(core),
            package,
            die: place(&dies, first),
            l3: None,
            cluster: None,
            node: relations.nodes.iter().find(|(_, cpus)| cpus.contains(&first)).map(|&(node, _)| node),
            label: String::new(),
            short: String::new(),
            apic: Vec::new(),
            testable: cpus.iter().copied().filter(|cpu| allowed.contains(cpu)).collect(),
            cpus,
            kind: Kind::Unknown,
            top_mhz: None,
            top_told: Vec::new(),
            base_mhz: None,
            favoured_rank: None,
            caches: Vec::new(),
        }
    };
    (0..).zip(all).map(core).collect()
}

fn give_caches(relations: &Relations, cores: &mut [Core], missing: &mut Vec<String>) {
    if relations.caches.is_empty() {
        missing.push("caches: GetLogicalProcessorInformationEx told none".into());
    }
    for core in cores.iter_mut() {
        let of_core = relations.caches.iter().filter(|cache| cache.cpus.contains(&core.cpus[0]));
        core.caches = of_core
            .map(|cache| Cache { level: cache.level, kind: cache.kind, bytes: cache.bytes, cpus: cache.cpus.clone() })
            .collect();
    }
    let module = |core: &Core| relations.modules.iter().find(|cpus| cpus.contains(&core.cpus[0])).cloned();
    caches::number(cores, module);
}

/// Large and small cores by their efficiency class; where all are alike, by what they say of themselves.
fn give_kinds(relations: &Relations, cores: &mut [Core], told: &[cpuid::Told]) {
    let class = |core: &Core| relations.cores.iter().find(|of| of.cpus == core.cpus).map(|of| of.efficiency_class);
    let classes: Vec<Option<u8>> = cores.iter().map(class).collect();
    let (least, most) = (classes.iter().flatten().min(), classes.iter().flatten().max());
    let are_alike = least == most;
    for (core, class) in cores.iter_mut().zip(&classes) {
        core.kind = match class {
            Some(_) if are_alike => cpuid::of(told, core).find_map(|told| told.kind).unwrap_or(Kind::Unknown),
            Some(class) if Some(class) == most => Kind::Performance,
            Some(_) => Kind::Efficiency,
            None => Kind::Unknown,
        };
    }
}

fn give_clocks(answers: &SystemAnswers, cores: &mut [Core], told: &[cpuid::Told], missing: &mut Vec<String>) {
    // The registry counts all CPUs of all groups one after the other.
    let mut order: Vec<u32> = cores.iter().flat_map(|core| core.cpus.iter().copied()).collect();
    order.sort_unstable();
    for core in cores.iter_mut() {
        let cpuid = cpuid::of(told, core).next();
        let clock = |source, mhz: u32| RatedClock { mhz: f64::from(mhz), known: false, source };
        core.top_told = cpuid.and_then(|told| told.top_mhz).map(|mhz| clock(Source::Cpuid, mhz)).into_iter().collect();
        core.top_mhz = core.top_told.first().copied();
        let registry = order.binary_search(&core.cpus[0]).ok().and_then(|at| *answers.mhz.get(at)?);
        let base = registry.filter(|&mhz| mhz > 0).map(|mhz| clock(Source::Registry, mhz));
        core.base_mhz = base.or_else(|| cpuid.and_then(|told| told.base_mhz).map(|mhz| clock(Source::Cpuid, mhz)));
    }
    if cores.iter().all(|core| core.top_mhz.is_none()) {
        missing.push("top clocks: CPUID leaf 0x16 does not tell them".into());
    }
    if cores.iter().all(|core| core.base_mhz.is_none()) {
        missing.push("base clocks: the registry has no ~MHz".into());
    }
}

/// `0x12b`: Intel's revision is in the upper half of eight bytes, AMD's in the lower.
fn microcode(bytes: &[u8]) -> Option<String> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)).filter(|&word| word > 0);
    word(4).or_else(|| word(0)).map(|revision| format!("{revision:#x}"))
}

/// The number after that word, as in `Intel64 Family 6 Model 183 Stepping 1`.
fn identifier(answers: &SystemAnswers, what: &str) -> Option<u32> {
    let mut words = answers.identifier.as_deref()?.split_whitespace().skip_while(|word| *word != what);
    words.nth(1)?.parse().ok()
}

fn os(answers: &SystemAnswers) -> String {
    let Some(build) = answers.build.as_deref().and_then(|build| build.parse::<u32>().ok()) else {
        return "Windows".into();
    };
    let version = match build {
        ELEVEN.. => " 11",
        TEN.. => " 10",
        _ => "",
    };
    let update = answers.update.map_or_else(String::new, |update| format!(".{update}"));
    let wine =
        answers.wine.as_deref().map_or_else(String::new, |wine| format!(", played by Wine {}", name::clean(wine)));
    format!("Windows{version} (build {build}{update}{wine})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::relations::tests::{Block, two_groups};

    /// A model of Intel's 14900K: eight large cores of two threads, two of them favoured, and sixteen small in clusters of four.
    fn i9() -> SystemAnswers {
        let (mut block, mut sets) = (Block::default(), Block::default());
        for core in 0..8 {
            let mask = 3 << (core * 2);
            block.core(1, 0, mask);
            block.cache(1, 2, 48 << 10, 0, mask);
            block.cache(1, 1, 32 << 10, 0, mask);
            block.cache(2, 0, 2 << 20, 0, mask);
            let favoured = u8::from(core == 4 || core == 5);
            sets.cpu_set(0, core * 2, 1, 20 + favoured);
            sets.cpu_set(0, core * 2 + 1, 1, 20 + favoured);
        }
        for core in 0..16 {
            let mask = 1 << (16 + core);
            block.core(0, 0, mask);
            block.cache(1, 2, 32 << 10, 0, mask);
            block.cache(2, 0, 4 << 20, 0, 0xf << (16 + core / 4 * 4));
            sets.cpu_set(0, 16 + core, 0, 10);
        }
        block.cache(3, 0, 36 << 20, 0, u32::MAX.into());
        block.package(&[(0, u32::MAX.into())]);
        block.node(0, 0, u32::MAX.into());
        block.groups(&[u32::MAX.into()]);
        SystemAnswers {
            processors: block.0,
            cpu_sets: sets.0,
            name: Some("Intel(R) Core(TM) i9-14900K".into()),
            vendor: Some("GenuineIntel".into()),
            identifier: Some("Intel64 Family 6 Model 183 Stepping 1".into()),
            microcode: vec![0, 0, 0, 0, 0x2b, 1, 0, 0],
            mhz: (0..32).map(|cpu| Some(if cpu < 16 { 3187 } else { 2419 })).collect(),
            build: Some("26100".into()),
            update: Some(2033),
            memory_bytes: Some(64 << 30),
            avx2: true,
            ..SystemAnswers::default()
        }
    }

    #[test]
    fn a_hybrid_is_the_same_machine_as_on_linux() {
        let cpus: Vec<u32> = (0..32).collect();
        let boot = Boot { id: "boot-7".into(), booted_at_s: Some(5) };
        let machine = read(&i9(), Some(boot), &cpus, &[]).expect("a machine");
        assert_eq!(
            (machine.cpu.as_str(), machine.os.as_str()),
            ("Intel(R) Core(TM) i9-14900K", "Windows 11 (build 26100.2033)")
        );
        assert_eq!((machine.family, machine.model, machine.microcode.as_deref()), (Some(6), Some(183), Some("0x12b")));
        assert!(machine.microcode_judged().is_some_and(|judged| judged.advice().is_none()));
        let short: Vec<&str> = machine.cores.iter().map(|core| core.short.as_str()).collect();
        assert_eq!((machine.cores.len(), short[0], short[7], short[8], short[23]), (24, "P0", "P7", "E0", "E15"));
        assert_eq!(machine.cores[4].cpus, [8, 9]);
        let ranks: Vec<Option<u32>> = machine.cores.iter().map(|core| core.favoured_rank).collect();
        assert_eq!((ranks[4], ranks[5], ranks[0], ranks[8]), (Some(1), Some(1), Some(2), Some(3)));
        assert_eq!(
            (machine.cores[7].cluster, machine.cores[8].cluster, machine.cores[12].cluster),
            (None, Some(0), Some(1))
        );
        assert!(machine.cores.iter().all(|core| core.l3 == Some(0) && core.package == Some(0) && core.node == Some(0)));
        let names: Vec<String> = machine.cores[0].caches.iter().map(Cache::name).collect();
        assert_eq!(names, ["L1d", "L1i", "L2", "L3"]);
        assert_eq!((machine.l3_bytes, machine.smt), (Some(36 << 20), Some(Smt::On)));
        let base = machine.cores[9].base_mhz.expect("told");
        assert_eq!((base.mhz, base.source), (2419.0, Source::Registry));
        assert!(machine.missing.iter().any(|missing| missing.starts_with("top clocks")), "{:?}", machine.missing);
    }

    #[test]
    fn a_cap_of_the_power_plan_is_told() {
        let power = |cpu: u32, base: u32, limit: u32| [cpu, base, base, limit, 2, 1].map(u32::to_le_bytes).concat();
        let power = [power(0, 3200, 3200), power(1, 3200, 2000), power(2, 3200, 1600), vec![0; 24]].concat();
        let machine = read(&SystemAnswers { power, ..i9() }, None, &[0], &[]).expect("a machine");
        assert!(machine.notes.iter().any(|note| note.contains("CPUs 1-2 below")), "{:?}", machine.notes);
    }

    #[test]
    fn a_machine_of_two_groups_keeps_its_cpus_apart() {
        let answers =
            SystemAnswers { processors: two_groups(), mhz: vec![Some(2400); 128], ..SystemAnswers::default() };
        let allowed: Vec<u32> = (0..128).filter(|cpu| cpu % 2 == 0).collect();
        let machine = read(&answers, None, &allowed, &[]).expect("a machine");
        assert_eq!(machine.cores.len(), 128);
        let last = &machine.cores[127];
        assert_eq!((last.cpus.as_slice(), last.package, last.node, last.l3), (&[127][..], Some(1), Some(1), Some(1)));
        assert!(last.testable.is_empty() && machine.cores[126].testable == [126]);
        assert_eq!((last.kind, last.short.as_str(), machine.smt), (Kind::Unknown, "C127", None));
    }

    #[test]
    fn without_any_answer_every_cpu_is_a_core() {
        let machine = read(&SystemAnswers::default(), None, &[3, 5], &[]).expect("a machine");
        assert_eq!(machine.cores.iter().map(|core| core.cpus.clone()).collect::<Vec<_>>(), [[3], [5]]);
        assert_eq!((machine.os.as_str(), machine.microcode), ("Windows", None));
        assert!(matches!(read(&SystemAnswers::default(), None, &[], &[]), Err(MachineError::NoCpu)));
    }

    #[test]
    fn windows_on_its_own_hypervisor_is_no_guest() {
        let leaves = |hypervisor: u32, who: [u32; 3], may: u32| {
            move |leaf, _| match leaf {
                1 => Some([0, 0, hypervisor << 31, 0]),
                0x4000_0000 => Some([0x4000_000b, who[0], who[1], who[2]]),
                0x4000_0003 => Some([0, may, 0, 0]),
                _ => None,
            }
        };
        assert!(!is_guest(leaves(0, [0; 3], 0)));
        assert!(!is_guest(leaves(1, MICROSOFT, 0x1b)));
        assert!(is_guest(leaves(1, MICROSOFT, 0x2)), "a machine of Hyper-V's");
        assert!(is_guest(leaves(1, [0x4b4d_564b; 3], 0x1)));
        assert_eq!(MICROSOFT.map(u32::to_le_bytes).concat(), *b"Microsoft Hv");
    }

    #[test]
    fn revisions_are_where_each_maker_has_them() {
        assert_eq!(microcode(&[0, 0, 0, 0, 0x2b, 1, 0, 0]).as_deref(), Some("0x12b"));
        assert_eq!(microcode(&[0x06, 0x12, 0x60, 0x0a, 0, 0, 0, 0]).as_deref(), Some("0xa601206"));
        assert_eq!((microcode(&[0; 8]), microcode(&[1, 2])), (None, None));
    }
}
