//! The script in Redis and the edge's own arithmetic decide alike.

use std::num::NonZeroU32;

use edge::limit::{
    rate::{Rate, Taken},
    shared::TAKE,
};
use fred::{clients::Client, interfaces::LuaInterface as _};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::support::{product_id, redis::Redis};

/// In 2026, in microseconds: such numbers Lua has to be exact with.
const BEGIN_US: u64 = 1_790_000_000_000_000;

/// A bucket as this edge counts it.
#[derive(Clone, Copy)]
struct Bucket {
    rate: Rate,
    free_at_us: u64,
}

impl Bucket {
    fn used_us(&self, now_us: u64, outage_us: u64) -> u64 {
        let cautious_us = outage_us + self.rate.caution_us();
        self.free_at_us.max(cautious_us).saturating_sub(now_us)
    }
}

/// What the edge would say: it takes from all buckets or from none.
fn expected(buckets: &mut [Bucket], wants: &[u64], now_us: u64, outage_us: u64) -> Vec<Taken> {
    let take = |(bucket, want): (&Bucket, &u64)| {
        let used_us = bucket.used_us(now_us, outage_us);
        (used_us, bucket.rate.take(used_us, *want))
    };
    let all: Vec<(u64, Taken)> = buckets.iter().zip(wants).map(take).collect();
    if all.iter().any(|(_, taken)| taken.granted == 0) {
        let refused = |(used_us, taken): (u64, Taken)| Taken { used_us, ..taken };
        return all.into_iter().map(refused).collect();
    }
    for (bucket, (_, taken)) in buckets.iter_mut().zip(&all) {
        bucket.free_at_us = now_us + taken.used_us;
    }
    all.into_iter().map(|(_, taken)| taken).collect()
}

async fn redis_says(
    client: &Client,
    names: &[String],
    buckets: &[Bucket],
    wants: &[u64],
    now_us: u64,
    outage: bool,
) -> Vec<Taken> {
    let script = format!("local now = tonumber(ARGV[#ARGV])\n{TAKE}");
    let mut args = vec![if outage { "outage" } else { "" }.to_owned()];
    for (bucket, want) in buckets.iter().zip(wants) {
        let rate = bucket.rate;
        let numbers = [rate.interval_us(), rate.burst(), rate.spare(), *want];
        args.extend(numbers.map(|number| number.to_string()));
    }
    args.push(now_us.to_string());
    let answer: Vec<u64> = client.eval(script, names.to_vec(), args).await.unwrap();
    let taken = answer.chunks(2).map(|pair| Taken {
        granted: pair[0],
        used_us: pair[1],
    });
    taken.collect()
}

#[test]
fn redis_and_the_edge_decide_alike() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_redis, client) = runtime.block_on(async {
        let redis = Redis::start().await;
        let client = redis.client().await;
        (redis, client)
    });
    // Slow rates: what Redis keeps must not expire while the test takes its time.
    let rates = prop::collection::vec((1_u32..60, 1_u32..60), 1..3);
    let step = (
        0_u64..40_000_000,
        [1_u64..6, 1..6],
        prop::bool::weighted(0.1),
    );
    let steps = prop::collection::vec(step, 1..25);
    let mut runner = TestRunner::new(Config::with_cases(60));
    let outcome = runner.run(&(rates, steps), |(rates, steps)| {
        let case = product_id();
        let mut names = vec![format!("{{{case}}}:outage")];
        let mut buckets = Vec::new();
        for (n, (per_minute, burst_seconds)) in rates.into_iter().enumerate() {
            names.push(format!("{{{case}}}:{n}"));
            buckets.push(Bucket {
                rate: Rate::per_minute(NonZeroU32::new(per_minute).unwrap(), burst_seconds),
                free_at_us: 0,
            });
        }
        let (mut now_us, mut outage_us) = (BEGIN_US, 0);
        for (passed_us, wants, outage) in steps {
            now_us += passed_us;
            if outage {
                outage_us = now_us;
            }
            let wants = &wants[..buckets.len()];
            let said = redis_says(&client, &names, &buckets, wants, now_us, outage);
            let said = runtime.block_on(said);
            prop_assert_eq!(said, expected(&mut buckets, wants, now_us, outage_us));
        }
        Ok(())
    });
    outcome.unwrap();
}
