//! A second look at data of which a check said something: by digests, which is another method than the comparison's.

use crate::verdict::Class;

/// In words: what outputs are compared with is no longer what it was.
pub(super) const TRUTH_CHANGED: &str =
    "the digests to compare with were right when they came and are wrong now; memory or a wild store may be the cause";

/// What a second look shows: each is true if it is what it should be.
#[derive(Clone, Copy)]
pub(super) struct Look {
    /// The digests to compare with.
    pub truth: bool,
    /// The input.
    pub input: bool,
    /// The reference; `None` where none is kept.
    pub reference: Option<bool>,
    /// The output.
    pub output: bool,
    /// Whether output and reference are equal.
    pub same: bool,
    /// The output's digest.
    pub digest: u64,
}

impl Look {
    /// Everything that is wrong, after a first check that said so or not. A wrong output is no finding of its own where the
    /// input is wrong, which explains it; an input and a reference that are both wrong are two.
    pub fn wrongs(self, said_right: bool) -> Vec<(Class, &'static str)> {
        if !self.truth {
            return vec![(Class::CorruptReference, TRUTH_CHANGED)];
        }
        let mut wrongs = Vec::new();
        if !self.input {
            let text = "the input was right when made and is wrong now; memory or a wild store may be the cause";
            wrongs.push((Class::CorruptInput, text));
        }
        if self.reference == Some(false) {
            let text = "the reference was right when kept and is wrong now; memory or a wild store may be the cause";
            wrongs.push((Class::CorruptReference, text));
        }
        let sound = wrongs.is_empty();
        let kept_well = self.reference == Some(true);
        if said_right && sound && !self.output {
            wrongs.push((Class::Comparison, "the last output was compared and found right, and is wrong now"));
        } else if said_right && sound && kept_well && !self.same {
            wrongs.push((Class::Comparison, "the comparison and the digest of the last output contradict each other"));
        } else if !said_right && sound && (self.output || kept_well && self.same) {
            let text = "the comparison contradicted itself: a second look saw no difference";
            wrongs.push((Class::Comparison, text));
        } else if !said_right && self.input && !self.output {
            wrongs.push((Class::Miscompute, ""));
        }
        wrongs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(look: Look, said_right: bool) -> Vec<Class> {
        look.wrongs(said_right).into_iter().map(|(class, _)| class).collect()
    }

    #[test]
    fn a_second_look_tells_what_was_wrong() {
        use Class::{Comparison, CorruptInput, CorruptReference, Miscompute};
        let sound = Look { truth: true, input: true, reference: Some(true), output: true, same: true, digest: 0 };
        let wrong = Look { output: false, same: false, ..sound };
        let first = |look| classes(look, false);
        assert_eq!(first(wrong), [Miscompute]);
        assert_eq!(first(Look { reference: None, ..wrong }), [Miscompute]);
        assert_eq!(first(sound), [Comparison]);
        assert_eq!(first(Look { output: false, ..sound }), [Comparison]);
        assert_eq!(first(Look { same: false, ..sound }), [Comparison]);
        // The input explains a wrong output; the reference explains a right one.
        assert_eq!(first(Look { input: false, ..wrong }), [CorruptInput]);
        assert_eq!(first(Look { reference: Some(false), same: false, ..sound }), [CorruptReference]);
        assert_eq!(first(Look { input: false, reference: Some(false), ..wrong }), [CorruptInput, CorruptReference]);
        // A wrong output of a sound input is a miscompute whatever became of the reference.
        assert_eq!(first(Look { reference: Some(false), ..wrong }), [CorruptReference, Miscompute]);
        assert_eq!(first(Look { truth: false, ..wrong }), [CorruptReference]);
        // At the end of a block, after a comparison that saw nothing.
        let last = |look| classes(look, true);
        assert_eq!(last(sound), []);
        assert_eq!(last(Look { reference: None, same: false, ..sound }), []);
        assert_eq!(last(Look { same: false, ..sound }), [Comparison]);
        assert_eq!(last(wrong), [Comparison]);
        assert_eq!(last(Look { input: false, ..sound }), [CorruptInput]);
        assert_eq!(last(Look { reference: Some(false), same: false, ..sound }), [CorruptReference]);
        assert_eq!(last(Look { truth: false, ..sound }), [CorruptReference]);
        assert_eq!(last(Look { reference: Some(false), ..wrong }), [CorruptReference]);
    }
}
