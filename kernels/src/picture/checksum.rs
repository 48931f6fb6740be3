//! A checksum of what was stored, read back.

use super::Operation;

/// Words that are summed side by side.
pub(crate) const LANES: usize = 16;

/// Sums the bytes as words, 16 lanes side by side, and each lane's sums on the way, all wrapping. One word that is wrong changes
/// the first sum; words that changed places within a lane change the second, and lanes count differently in both.
pub(crate) struct Checksum<'a>(pub(crate) &'a [u8]);

impl Checksum<'_> {
    /// The last bytes, which are no whole group of lanes, and zeros.
    pub(super) fn last(&self) -> [u32; LANES] {
        let mut group = [0u32; LANES];
        let rest = self.0.len() % size_of_val(&group);
        // A copy of nothing would have pointers that nobody follows.
        if rest > 0 {
            bytemuck::must_cast_slice_mut::<_, u8>(&mut group)[..rest].copy_from_slice(&self.0[self.0.len() - rest..]);
        }
        group
    }
}

/// Both sums of all lanes.
#[inline(always)]
pub(super) fn totals([words, on_the_way]: [[u32; LANES]; 2]) -> [u32; 2] {
    [total(&words), total(&on_the_way)]
}

#[inline(always)]
fn total(sums: &[u32; LANES]) -> u32 {
    let weighted = |total: u32, (lane, sum): (u32, &u32)| total.wrapping_add(sum.wrapping_mul(2 * lane + 1));
    (0..).zip(sums).fold(0, weighted)
}

impl Operation for Checksum<'_> {
    type Output = [u32; 2];

    fn scalar(self) -> [u32; 2] {
        let (mut words, mut on_the_way) = ([0u32; LANES], [0u32; LANES]);
        let mut take = |group: &[u32; LANES]| {
            for lane in 0..LANES {
                words[lane] = words[lane].wrapping_add(group[lane]);
                on_the_way[lane] = on_the_way[lane].wrapping_add(words[lane]);
            }
        };
        let (groups, _) = self.0.as_chunks::<{ 4 * LANES }>();
        for group in groups {
            take(&core::array::from_fn(|n| u32::from_le_bytes(*group[4 * n..].first_chunk().expect("four bytes"))));
        }
        take(&self.last());
        totals([words, on_the_way])
    }
}
