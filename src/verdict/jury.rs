//! Who is right about a fresh seed: the votes of the pre-pass, judged by the attribution protocol.
//!
//! Architecture invariant: a core never judges itself alone, and no core is blamed where the votes do not single it out.

use std::collections::BTreeMap;

/// What one juror says a seed's input and output digests are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot {
    /// Digest of the input that the core made.
    pub input: u64,
    /// Digest of the output that it computed.
    pub output: u64,
    /// For integer kernels: whether the exact Freivalds check held.
    pub freivalds: Option<bool>,
}

/// What follows from the votes on one seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// These digests are right; `wrong` are the jurors in the minority.
    Agreed {
        /// The right input digest.
        input: u64,
        /// The right output digest.
        output: u64,
        /// Cores that said otherwise: they fail.
        wrong: Vec<u32>,
    },
    /// Two jurors differ: the scalar reference on both must decide.
    AskScalar,
    /// Nobody can say; these may all have been wrong.
    Undecided {
        /// The jurors.
        suspects: Vec<u32>,
    },
    /// Too few jurors: the seed is not used.
    Dropped,
}

/// Judges the ballots of the jurors (cores without findings that passed the golden) on one seed.
pub fn decide(ballots: &BTreeMap<u32, Ballot>) -> Decision {
    let mut camps: BTreeMap<(u64, u64), Vec<u32>> = BTreeMap::new();
    for (&core, ballot) in ballots {
        camps.entry((ballot.input, ballot.output)).or_default().push(core);
    }
    match (ballots.len(), camps.len()) {
        (0, _) => Decision::Dropped,
        (1, _) => {
            let (&core, ballot) = ballots.iter().next().expect("one ballot");
            match ballot.freivalds {
                Some(true) => Decision::Agreed { input: ballot.input, output: ballot.output, wrong: Vec::new() },
                Some(false) => Decision::Undecided { suspects: vec![core] },
                None => Decision::Dropped,
            }
        }
        (_, 1) => {
            let (&(input, output), _) = camps.iter().next().expect("one camp");
            Decision::Agreed { input, output, wrong: Vec::new() }
        }
        (2, _) => Decision::AskScalar,
        (voters, _) => {
            let (&(input, output), largest) = camps.iter().max_by_key(|(_, cores)| cores.len()).expect("camps");
            if largest.len() * 2 > voters {
                let wrong = ballots.keys().copied().filter(|core| !largest.contains(core)).collect();
                Decision::Agreed { input, output, wrong }
            } else {
                Decision::Undecided { suspects: ballots.keys().copied().collect() }
            }
        }
    }
}

/// Two cores disagree. `scalar` holds what the scalar reference gave on each. A core fails only if both scalar results
/// and the other core's vector result all say the same.
pub fn decide_by_scalar(vector: &BTreeMap<u32, Ballot>, scalar: &BTreeMap<u32, (u64, u64)>) -> Decision {
    let suspects: Vec<u32> = vector.keys().copied().collect();
    let mut answers = suspects.iter().map(|core| scalar.get(core));
    let (Some(Some(first)), Some(Some(second))) = (answers.next(), answers.next()) else {
        return Decision::Undecided { suspects };
    };
    if first != second {
        return Decision::Undecided { suspects };
    }
    let wrong: Vec<u32> = vector.iter().filter(|(_, b)| (b.input, b.output) != *first).map(|(&core, _)| core).collect();
    if wrong.len() == 1 {
        Decision::Agreed { input: first.0, output: first.1, wrong }
    } else {
        Decision::Undecided { suspects }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ballots(outputs: &[u64]) -> BTreeMap<u32, Ballot> {
        (0..).zip(outputs.iter().map(|&output| Ballot { input: 1, output, freivalds: None })).collect()
    }

    #[test]
    fn the_minority_fails_and_a_tie_blames_nobody() {
        assert_eq!(decide(&ballots(&[7, 7, 8])), Decision::Agreed { input: 1, output: 7, wrong: vec![2] });
        assert_eq!(decide(&ballots(&[7, 7, 8, 8])), Decision::Undecided { suspects: vec![0, 1, 2, 3] });
        assert_eq!(decide(&ballots(&[7, 8, 9])), Decision::Undecided { suspects: vec![0, 1, 2] });
        assert_eq!(decide(&ballots(&[7, 8])), Decision::AskScalar);
        assert_eq!(decide(&ballots(&[7])), Decision::Dropped);
        assert_eq!(decide(&ballots(&[])), Decision::Dropped);
    }

    #[test]
    fn a_lone_core_is_believed_only_with_an_exact_check() {
        let mut lone = ballots(&[7]);
        lone.get_mut(&0).expect("there").freivalds = Some(true);
        assert_eq!(decide(&lone), Decision::Agreed { input: 1, output: 7, wrong: vec![] });
        lone.get_mut(&0).expect("there").freivalds = Some(false);
        assert_eq!(decide(&lone), Decision::Undecided { suspects: vec![0] });
    }

    #[test]
    fn two_cores_are_parted_only_by_three_equal_answers() {
        let vector = ballots(&[7, 8]);
        let scalar = |a, b| BTreeMap::from([(0, (1, a)), (1, (1, b))]);
        assert_eq!(decide_by_scalar(&vector, &scalar(7, 7)), Decision::Agreed { input: 1, output: 7, wrong: vec![1] });
        assert_eq!(decide_by_scalar(&vector, &scalar(8, 8)), Decision::Agreed { input: 1, output: 8, wrong: vec![0] });
        for (a, b) in [(7, 8), (8, 7), (9, 9)] {
            assert_eq!(decide_by_scalar(&vector, &scalar(a, b)), Decision::Undecided { suspects: vec![0, 1] });
        }
    }
}
