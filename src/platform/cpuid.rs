//! What the CPU says of itself.

/// `eax`, `ebx`, `ecx`, `edx` of a leaf, as the CPU that this thread is on answers; `None` where there is no such
/// instruction or leaf.
#[cfg(target_arch = "x86_64")]
pub fn cpuid(leaf: u32, sub: u32) -> Option<[u32; 4]> {
    use std::arch::x86_64::__cpuid_count;
    // A hypervisor's leaves are there where one says so; without, the instruction answers something else.
    if leaf & 0xc000_0000 == 0x4000_0000 && __cpuid_count(1, 0).ecx >> 31 == 0 {
        return None;
    }
    let highest = __cpuid_count(leaf & 0xc000_0000, 0).eax;
    (leaf <= highest).then(|| {
        let told = __cpuid_count(leaf, sub);
        [told.eax, told.ebx, told.ecx, told.edx]
    })
}

/// Other processors have no such instruction.
#[cfg(not(target_arch = "x86_64"))]
pub fn cpuid(_leaf: u32, _sub: u32) -> Option<[u32; 4]> {
    None
}
