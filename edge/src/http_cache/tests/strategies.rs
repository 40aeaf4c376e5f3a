//! What may be said and done.

use proptest::prelude::*;

use super::{
    Step, TAGS,
    model::{Control, Said, Says, Taken},
};

fn seconds(probability: f64) -> impl Strategy<Value = Option<i64>> {
    prop::option::weighted(probability, prop_oneof![0..10i64, 10..60i64])
}

fn rare() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.08)
}

fn control() -> impl Strategy<Value = Control> {
    let keeping = (rare(), rare(), prop::bool::weighted(0.3), rare());
    let using = (rare(), rare(), rare());
    let times = (seconds(0.7), seconds(0.15), seconds(0.4), seconds(0.4));
    (keeping, using, times).prop_map(|(keeping, using, times)| Control {
        no_store: keeping.0,
        private: keeping.1,
        public: keeping.2,
        must_understand: keeping.3,
        no_cache: using.0,
        must_revalidate: using.1,
        proxy_revalidate: using.2,
        max_age: times.0,
        s_maxage: times.1,
        while_revalidate: times.2,
        if_error: times.3,
    })
}

fn said() -> impl Strategy<Value = Said> {
    let status = prop_oneof![
        8 => Just(200u16),
        2 => prop::sample::select(vec![206, 299, 302, 404, 503]),
    ];
    let targeted = prop::option::weighted(0.15, (control(), prop::bool::weighted(0.7)));
    let dates = (
        prop::option::weighted(0.2, -5..60i64),
        prop::option::weighted(0.4, prop_oneof![4 => 0..600i64, 1 => 0..100_000i64]),
        prop_oneof![3 => Just(Some(0)), 1 => (0..20i64).prop_map(Some), 1 => Just(None)],
        seconds(0.2),
    );
    let rest = (
        prop::bool::weighted(0.4),
        rare(),
        prop::option::weighted(0.5, 0..TAGS.len()),
        any::<bool>(),
    );
    (status, control(), targeted, dates, rest).prop_map(
        |(status, control, targeted, dates, rest)| Said {
            status,
            control,
            targeted,
            expires: dates.0,
            modified: dates.1,
            dated: dates.2,
            age: dates.3,
            varies: rest.0,
            cookie: rest.1,
            tag: rest.2,
            etag: rest.3,
        },
    )
}

fn says() -> impl Strategy<Value = Says> {
    let who = (
        url(),
        prop::option::of(prop::sample::select(vec!["de", "en"])),
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.05),
    );
    let times = (seconds(0.1), seconds(0.1), seconds(0.15), seconds(0.15));
    (who, times).prop_map(|(who, times)| Says {
        url: who.0,
        language: who.1,
        authorized: who.2,
        no_cache: who.3,
        max_age: times.0,
        min_fresh: times.1,
        max_stale: times.2,
        if_error: times.3,
    })
}

fn url() -> impl Strategy<Value = usize> {
    0..2usize
}

fn taken() -> impl Strategy<Value = Taken> {
    prop_oneof![
        2 => (0..TAGS.len()).prop_map(Taken::Tag),
        1 => url().prop_map(Taken::Url),
    ]
}

fn change() -> impl Strategy<Value = Step> {
    let status = prop::sample::select(vec![204, 303, 403]);
    let named = || prop::option::weighted(0.3, url());
    (url(), status, named(), named()).prop_map(|(url, status, location, content)| Step::Change {
        url,
        status,
        location,
        content,
    })
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let n = || 0..8usize;
    prop_oneof![
        16 => says().prop_map(Step::Ask),
        12 => (n(), said()).prop_map(|(n, said)| Step::Answer(n, said)),
        8 => (n(), says()).prop_map(|(n, says)| Step::Join(n, says)),
        4 => (n(), said()).prop_map(|(n, said)| Step::NotModified(n, said)),
        2 => n().prop_map(Step::NotMeant),
        3 => n().prop_map(Step::Fail),
        10 => prop_oneof![0..3000u64, 0..40_000u64].prop_map(Step::Wait),
        2 => taken().prop_map(Step::Purge),
        2 => taken().prop_map(Step::PurgeSoftly),
        1 => Just(Step::Purge(Taken::All)),
        1 => any::<bool>().prop_map(Step::Deafen),
        2 => change(),
        6 => any::<bool>().prop_map(|written| Step::Evict { written }),
        3 => url().prop_map(Step::Load),
        4 => Just(Step::PauseDisk),
    ]
}
