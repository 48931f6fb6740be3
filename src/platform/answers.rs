//! What Windows says of the machine, as it says it. `machine` makes sense of it, which tests do everywhere.

/// The answers; what was not told is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemAnswers {
    /// `GetLogicalProcessorInformationEx` of all relations.
    pub processors: Vec<u8>,
    /// `GetSystemCpuSetInformation`.
    pub cpu_sets: Vec<u8>,
    /// `ProcessorNameString` of the registry.
    pub name: Option<String>,
    /// `VendorIdentifier`.
    pub vendor: Option<String>,
    /// `Identifier`, such as `Intel64 Family 6 Model 183 Stepping 1`.
    pub identifier: Option<String>,
    /// `Update Revision`.
    pub microcode: Vec<u8>,
    /// `~MHz` of each CPU, in their order.
    pub mhz: Vec<Option<u32>>,
    /// `CallNtPowerInformation` of the processors of the first group.
    pub power: Vec<u8>,
    /// `CurrentBuildNumber`.
    pub build: Option<String>,
    /// `UBR`: the update of that build.
    pub update: Option<u32>,
    /// Wine's version, where Windows is played by Wine.
    pub wine: Option<String>,
    /// Whether the CPU time of threads is counted in ticks of the clock only.
    pub coarse_cpu_time: bool,
    /// Memory, bytes.
    pub memory_bytes: Option<u64>,
    /// Whether another system's hypervisor is below.
    pub is_guest: bool,
    /// Whether programs may use AVX2.
    pub avx2: bool,
}
