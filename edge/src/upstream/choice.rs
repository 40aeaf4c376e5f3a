//! Which instance: two rules, as pure functions over a set of candidates, with
//! chance and load given from outside.

/// The most instances of a service that are told apart.
pub const MAX_INSTANCES: usize = u64::BITS as usize;
/// No instance takes more than this part of its fair share of keyed requests
/// in flight; the rest goes to the next in line.
const BOUND_PERCENT: usize = 125;

/// A set of instances, by their places in a list of at most [`MAX_INSTANCES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Candidates(u64);

impl Candidates {
    /// Those for which something holds.
    pub fn those(count: usize, holds: impl Fn(usize) -> bool) -> Self {
        let places = 0..count.min(MAX_INSTANCES);
        Self(
            places
                .filter(|place| holds(*place))
                .fold(0, |set, place| set | 1 << place),
        )
    }

    /// How many.
    pub fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// These, or others when there is none.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        if self.is_empty() { others } else { self }
    }

    /// Their places, lowest first.
    pub fn places(self) -> impl Iterator<Item = usize> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let rest = left & left.checked_sub(1)?;
            let place = left.trailing_zeros() as usize;
            left = rest;
            Some(place)
        })
    }
}

/// Of two candidates drawn at random, the cheaper: nearly as good as the
/// cheapest of all, and callers who choose at the same moment do not all
/// choose the same
/// (<https://www.eecs.harvard.edu/~michaelm/postscripts/mythesis.pdf>).
pub fn two_choices(from: Candidates, random: u64, cost: impl Fn(usize) -> f64) -> Option<usize> {
    let count = from.count();
    let nth = |n: usize| from.places().nth(n);
    let (one, other) = two_of(count, random)?;
    let one = nth(one)?;
    if count == 1 {
        return Some(one);
    }
    let other = nth(other)?;
    Some(if cost(other) < cost(one) { other } else { one })
}

/// Two different numbers below `count`, if there are two.
fn two_of(count: usize, random: u64) -> Option<(usize, usize)> {
    let (high, low) = (random >> 32, random & u64::from(u32::MAX));
    let below = |random: u64, count: usize| {
        usize::try_from((random * u64::try_from(count).ok()?) >> 32).ok()
    };
    let one = below(high, count).filter(|_| count > 0)?;
    if count == 1 {
        return Some((one, one));
    }
    let other = below(low, count - 1)?;
    Some((one, if other >= one { other + 1 } else { other }))
}

/// The instance that a key belongs to, by rendezvous hashing
/// (<https://www.eecs.umich.edu/techreports/cse/96/CSE-TR-316-96.pdf>): when
/// one comes or goes, no key moves between the others. One that is busy beyond
/// its bound passes the key on to the next in line
/// (<https://arxiv.org/abs/1608.01350>).
pub fn rendezvous(
    from: Candidates,
    key: u64,
    identity: impl Fn(usize) -> u64,
    in_flight: impl Fn(usize) -> usize,
) -> Option<usize> {
    let all: usize = from.places().map(&in_flight).sum();
    // Of all requests, this one among them.
    let bound = ((all + 1) * BOUND_PERCENT).div_ceil(100 * from.count().max(1));
    let rank = |place: &usize| mix(key ^ mix(identity(*place)));
    from.places()
        .filter(|place| in_flight(*place) < bound)
        .max_by_key(rank)
        .or_else(|| from.places().max_by_key(rank))
}

/// The last step of SplitMix64: each bit of the input changes half of the
/// output's (<https://prng.di.unimi.it/splitmix64.c>).
pub fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A hash of bytes that is the same in every edge (FNV-1a).
pub fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let bytes = parts.into_iter().flatten();
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mix(hash)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some() -> impl Strategy<Value = Candidates> {
        (1..=u64::MAX).prop_map(Candidates)
    }

    fn first(count: usize) -> Candidates {
        Candidates::those(count, |_| true)
    }

    #[test]
    fn of_nobody_nobody_is_chosen() {
        let nobody = Candidates::default();
        assert_eq!(two_choices(nobody, 1, |_| 1.0), None);
        assert_eq!(rendezvous(nobody, 1, |_| 1, |_| 1), None);
    }

    #[test]
    fn each_gets_its_share_and_a_costly_one_next_to_nothing() {
        let shares = |cost: &dyn Fn(usize) -> f64| {
            let mut shares = [0; 3];
            for n in 0..30_000 {
                shares[two_choices(first(3), mix(n), cost).unwrap()] += 1;
            }
            shares
        };
        for share in shares(&|_| 1.0) {
            assert!((9_000..11_000).contains(&share), "{share}");
        }
        assert_eq!(shares(&|place| if place == 1 { 2.0 } else { 1.0 })[1], 0);
    }

    #[test]
    fn keys_are_spread_evenly_and_only_those_of_the_lost_instance_move() {
        let chosen = |from, key| rendezvous(from, mix(key), |place| place as u64, |_| 0).unwrap();
        let without_1 = Candidates::those(4, |place| place != 1);
        let mut shares = [0; 4];
        for key in 0..40_000 {
            let before = chosen(first(4), key);
            shares[before] += 1;
            let after = chosen(without_1, key);
            assert!(after == before || before == 1);
        }
        for share in shares {
            assert!((9_000..11_000).contains(&share), "{share}");
        }
    }

    #[test]
    fn a_hash_depends_on_all_bytes_and_on_nothing_else() {
        assert_eq!(hash([b"ab".as_slice(), b"c"]), hash([b"abc".as_slice()]));
        assert_ne!(hash([b"abc".as_slice()]), hash([b"abd".as_slice()]));
        // Written down: edges of all builds must agree.
        assert_eq!(hash([b"souk".as_slice()]), 0xebec_5454_2726_c031);
    }

    proptest! {
        #[test]
        fn the_two_are_different_candidates_and_the_cheaper_wins(
            from in some(),
            random in any::<u64>(),
            costs in prop::collection::vec(0.0..10.0f64, MAX_INSTANCES),
        ) {
            let asked = std::cell::RefCell::new(Vec::new());
            let chosen = two_choices(from, random, |place| {
                asked.borrow_mut().push(place);
                costs[place]
            }).unwrap();
            prop_assert!(from.places().any(|place| place == chosen));
            let asked = asked.into_inner();
            prop_assert_eq!(asked.len(), if from.count() == 1 { 0 } else { 2 });
            if let [one, other] = asked[..] {
                prop_assert_ne!(one, other);
                prop_assert!(costs[chosen] <= costs[one].min(costs[other]));
            }
        }

        /// Whatever the load: a candidate is chosen, always the same one, and
        /// none that is over its bound.
        #[test]
        fn a_key_goes_to_one_candidate_that_is_not_overrun(
            from in some(),
            key in any::<u64>(),
            loads in prop::collection::vec(0..50usize, MAX_INSTANCES),
        ) {
            let choose = || rendezvous(from, key, |place| place as u64, |place| loads[place]);
            let chosen = choose().unwrap();
            prop_assert_eq!(choose(), Some(chosen));
            prop_assert!(from.places().any(|place| place == chosen));
            let all: usize = from.places().map(|place| loads[place]).sum();
            let fair = (all + 1).div_ceil(from.count());
            prop_assert!(loads[chosen] <= fair * BOUND_PERCENT / 100 + 1);
        }
    }
}
