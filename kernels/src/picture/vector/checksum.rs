//! The checksum.

use super::Vector;
use crate::picture::{
    checksum::{Checksum, LANES, totals},
    lanes::Lanes,
};

impl Vector for Checksum<'_> {
    #[inline(always)]
    fn vector<L: Lanes>(self, lanes: L) -> [u32; 2] {
        let (mut words, mut on_the_way) = (lanes.ints(0), lanes.ints(0));
        let (groups, _) = self.0.as_chunks::<{ 4 * LANES }>();
        for group in groups {
            words = lanes.add_ints(words, lanes.load_words(group));
            on_the_way = lanes.add_ints(on_the_way, words);
        }
        words = lanes.add_ints(words, lanes.load_ints(&self.last()));
        on_the_way = lanes.add_ints(on_the_way, words);
        let mut sums = [[0; LANES]; 2];
        lanes.store_ints(words, &mut sums[0]);
        lanes.store_ints(on_the_way, &mut sums[1]);
        totals(sums)
    }
}
