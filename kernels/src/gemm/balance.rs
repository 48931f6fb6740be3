//! Floats whose sums keep their size. A sum that grows rounds away the low bits of what was added before, and with them what was
//! wrong there; one much larger than its products rounds away the low bits of the numbers multiplied. So the first product of an
//! element is the largest, as a bias would be, and those that follow nearly cancel in pairs.

use super::{Product, Shape, reference::clear_padding};
use crate::{
    data::{self, Float, Kind, Side},
    rng::Rng,
};

/// How many times larger, as a power of two, the first product is than those that cancel: the larger, the more is lost of what
/// is multiplied, and the smaller, of sums that then outgrow it. By simulation 3 loses least.
const ABOVE_PAIRS: u32 = 3;

/// Makes A and B.
pub(super) fn fill<P: Product>(rng: &mut Rng, shape: Shape, a: &mut [P::A], b: &mut [P::B])
where
    P::A: Float,
    P::Weight: Float,
{
    let kind = Kind::choose(rng);
    data::fill(rng, kind, Side::A, a);
    let weights = bytemuck::cast_slice_mut::<_, P::Weight>(b);
    data::fill(rng, kind, Side::B, weights);
    // Pictures have neighbours that are alike already.
    if matches!(kind, Kind::Uniform | Kind::NearDenormal | Kind::SmallInteger) {
        a.as_chunks_mut().0.iter_mut().for_each(|[even, odd]| *odd = odd.echo(*even));
    }
    let cancels = !matches!(kind, Kind::HighToggle | Kind::Sparse);
    // Pairs of high toggle all have the same sum, and cancel each other.
    let above = match kind {
        _ if cancels => ABOVE_PAIRS,
        Kind::HighToggle => ABOVE_PAIRS + 1,
        // As far as so many products of random signs go.
        _ => shape.k.ilog2() / 2 + 2,
    };
    for panel in weights.chunks_exact_mut(shape.k.div_ceil(P::GROUP) * P::GROUP * P::PANEL) {
        for (number, pair) in panel.chunks_exact_mut(2 * P::PANEL).enumerate() {
            if cancels {
                for column in 0..P::PANEL {
                    let (even, odd) =
                        if P::GROUP == 1 { (column, column + P::PANEL) } else { (2 * column, 2 * column + 1) };
                    pair[odd] = pair[odd].echo(pair[even]).negated();
                }
            } else if kind == Kind::HighToggle && number % 2 == 1 {
                pair.iter_mut().for_each(|weight| *weight = weight.negated());
            }
        }
        let first = panel[..P::PANEL * P::GROUP].iter_mut().step_by(P::GROUP);
        first.for_each(|weight| *weight = weight.raised(above));
    }
    clear_padding::<P>(shape, b, P::clear);
}
